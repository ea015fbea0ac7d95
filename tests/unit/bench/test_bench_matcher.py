"""The matcher subject of the bench: what its loops process, what peers are given, its document."""

import numpy as np
import pytest

from openoutcry.bench import matcher_loops
from openoutcry.bench.peers import matchers
from openoutcry.bench.results import summarise
from openoutcry.host import tsc
from openoutcry.matcher import Engine
from openoutcry.report.tables import matcher_table
from openoutcry.wire import make_instruments
from tests.support.bench.bench_command import bench_here
from tests.support.bench.bench_matcher import commands


def test_every_loop_processes_the_same_commands() -> None:
    """In batches, singly and timed singly: the book is the engine's own after the same flow."""
    orders = commands(6_000)
    wanted = Engine(make_instruments(["OUTCRY"]))
    wanted.process(orders)
    loaded = matcher_loops.Loaded(wanted.instruments, orders, 1_000)
    out, ticks = loaded.out, np.zeros(5_000, np.int64)
    for loop in (
        lambda engine, at: matcher_loops.batches_ns(engine, at, 5_000, out),
        lambda engine, at: matcher_loops.run_singly(engine.address, at, 5_000, out.ctypes.data, 0),
        lambda engine, at: matcher_loops.run_singly(
            engine.address, at, 5_000, out.ctypes.data, ticks.ctypes.data
        ),
    ):
        engine = loaded.warmed()
        loop(engine, orders.ctypes.data + 1_000 * 64)
        assert engine.depth("OUTCRY", 1 << 20) == wanted.depth("OUTCRY", 1 << 20)
        assert engine.event_count == wanted.event_count
        assert engine.last_seq == 6_000
    if tsc.HAS_TSC:
        assert ticks.min() > 0


@pytest.mark.skipif(not tsc.HAS_TSC, reason="no x86-64 time stamp counter")
def test_the_counter_is_calibrated_against_the_clock() -> None:
    """Two calibrations agree to a hundredth, and reading the counter takes some of it."""
    first, second = tsc.ticks_per_ns(), tsc.ticks_per_ns()
    assert first == pytest.approx(second, rel=0.01)
    assert tsc.timer_ticks() > 0


def test_what_a_book_is_given_makes_our_depth() -> None:
    """Adding up adds, updates and deletes gives the levels that our engine has (the function that
    builds the expected book compares them)."""
    orders = commands(20_000)
    book = matchers._book_after(orders)
    engine = Engine(make_instruments(["OUTCRY"]))
    engine.process(orders)
    for name, levels in engine.depth("OUTCRY", 1 << 20).items():
        assert [level[0] for level in book[name]] == [price for price, _, _ in levels]
        assert sum(len(queue) for _, queue in book[name]) == sum(level[2] for level in levels)


def test_the_table_says_what_was_met_and_what_was_not_measured() -> None:
    """A ratio far below 1 is a fraction, a goal is compared with the whole interval, a missing peer
    has no figure."""
    results = [
        summarise("command_ns_normal", "ns", "lower", [15.0, 17.5], {"nautilus_book": [6e3, 7e3]}),
        summarise("memory_bytes_per_order", "count", "lower", [57.1]),
    ]
    host = {"cpu_model": "Abacus", "cores_usable": 1}
    figures = {"results": results, "missing": []}
    text = matcher_table({"figures": figures, "host": host, "command": "outcry bench matcher"})
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert (
        "| **16.2 ns** | 15.6 ns – 16.9 ns | ≤ 16 ns | noisy |"
        in rows["a command, a gentle random walk"]
    )
    assert "| **1/400** | 1/400 – 1/400 | ≤ 1/8 | met |" in rows["ours / nautilus' Rust book"]
    assert "| **57.1** |" in rows["bytes an open order takes, of 1 M"]
    assert "| not measured |" in rows["ours / Liquibook, C++"]
    where = "Abacus (family and model, clock, caches not recorded); 1 cores"
    assert text.endswith(f"Measured with `outcry bench matcher`. {where}.\n")


def test_an_unknown_peer_is_a_usage_error() -> None:
    """The message names it and those there are; nothing is measured."""
    done = bench_here("matcher", "--against", "nautilus_book,quickfix")
    assert done.exit_code == 2
    assert "unknown peer 'quickfix'" in done.stderr
    assert "nautilus_book" in done.stderr
