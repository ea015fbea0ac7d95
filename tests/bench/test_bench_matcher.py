"""The matcher subject of the bench: what its loops process, what peers are given, its document."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bench_command import bench_here

from openoutcry.bench import matcher, matcher_loops, streams
from openoutcry.bench.peers import cpp_books, matchers
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.results import check_document, summarise
from openoutcry.bench.rounds import Rounds
from openoutcry.flow import FLOWS, GeneratedFlow
from openoutcry.host import tsc
from openoutcry.host.energy import EnergyMeter
from openoutcry.host.processes import PeerError
from openoutcry.matcher import Engine
from openoutcry.report.tables import matcher_table
from openoutcry.wire import make_instruments

METRICS = {
    *(f"command_ns_{flow.replace('-', '_')}" for flow in (*FLOWS, "mixed", "slowest")),
    *(f"stream_ns_{flow.replace('-', '_')}" for flow in (*FLOWS, "worst", "many_live")),
    *(f"stream_alone_{part}_ns" for part in ("p50", "p99", "p99_9")),
    "python_ns",
    "replay_ns",
    "latency_p50_ns",
    "latency_p99_ns",
    "latency_p99_9_ns",
    "latency_timer_ns",
    "memory_bytes_per_order",
}


def commands(count: int) -> matchers.Array:
    orders = np.concatenate(list(GeneratedFlow("normal", count, 5).chunks()))
    orders["seq"] = np.arange(1, count + 1)
    return orders


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


def test_what_a_matcher_is_given_trades_as_the_flow_does() -> None:
    """The translated flow keeps most of the trades of the original, and only what it could not say
    differs; ids, prices and quantities are the flow's."""
    orders = commands(20_000)
    rows = matchers.matcher_rows(orders)
    assert set(np.unique(rows[:, 0])) == {matchers.CANCEL, matchers.REST, matchers.TAKE}
    assert set(np.unique(rows[:, 2])) == {1, 2}
    trades = matchers.trades(rows)
    assert len(trades) > 200
    assert {maker for _, maker, _, _ in trades} <= set(orders["order_id"].tolist())
    assert len(rows) == pytest.approx(len(orders), rel=0.05)


def test_a_cancel_never_names_an_order_the_peer_has_not_seen() -> None:
    """It would be no work for the peer, and an error for some."""
    seen = set()
    for op, order_id, *_ in matchers.matcher_rows(commands(5_000)).tolist():
        assert op != matchers.CANCEL or order_id in seen
        seen.add(order_id)


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


LIAR = """
import json, struct, sys
rows = list(struct.iter_unpack("<5q", open(sys.argv[1], "rb").read()))
trades = json.load(open(sys.argv[0] + ".trades")) if len(rows) else []
print(json.dumps({"took_ns": 1, "trades": trades}))
"""


@pytest.mark.parametrize("lie", [False, True])
def test_a_peer_that_trades_otherwise_gives_no_figure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lie: bool
) -> None:
    """One lot more in one trade and the peer is refused; with the right trades it is timed."""
    orders = commands(3_000)
    trades = matchers.trades(matchers.matcher_rows(orders))
    if lie:
        trades[-1][3] += 1
    program = tmp_path / "match_pyorderbook.py"
    program.write_text(LIAR)
    Path(f"{program}.trades").write_text(json.dumps(trades))
    monkeypatch.setattr(matchers, "SOURCES", tmp_path)
    monkeypatch.setattr(matchers, "interpreter", lambda name: Path(sys.executable))
    if lie:
        with pytest.raises(PeerError, match="something else than our matcher"):
            matchers.prepare("pyorderbook", orders)
    else:
        assert matchers.prepare("pyorderbook", orders)() == 1 / len(orders)


def test_a_peer_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its last words are in the error."""
    (tmp_path / "match_pyorderbook.py").write_text("raise SystemExit('no such book')")
    monkeypatch.setattr(matchers, "SOURCES", tmp_path)
    monkeypatch.setattr(matchers, "interpreter", lambda name: Path(sys.executable))
    with pytest.raises(PeerError, match="no such book"):
        matchers.prepare("pyorderbook", commands(100))


@pytest.mark.parametrize("name", cpp_books.BOOKS)
def test_a_book_in_cpp_ends_with_our_book(name: str) -> None:
    """Every operation of a stream is given to it, and what it leaves is what our engine leaves."""
    loaded = streams.load("swing-40", 4_000, 2_000)
    rows = cpp_books.operations(loaded.commands)
    assert set(np.unique(rows[:, 0])) == set(range(5))
    try:
        answer = cpp_books.run(name, rows, loaded.warm, True)
    except PeerMissing as error:
        pytest.skip(str(error))
    assert answer.book == streams._book(loaded)
    assert answer.took_ns > 0
    assert len(answer.single_ns) == len(streams.PERCENTILES)


@pytest.mark.parametrize(
    "stripped",
    [
        # A minute to compile for once: otherwise that process runs the kernels that are there.
        pytest.param("OUTCRY_STRIPPED", marks=pytest.mark.long),
        "OUTCRY_AS_THEY_ARE",
    ],
)
def test_the_subject_gives_the_shared_shape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stripped: str
) -> None:
    """One small round: every metric, `stripped` and `live` beside ours, and each peer that is not
    installed in `missing` with the command that installs it."""
    monkeypatch.setattr(matcher, "STRIPPED", stripped)
    monkeypatch.setattr(matcher, "EnergyMeter", partial(EnergyMeter, tmp_path / "no powercap"))
    monkeypatch.setattr(matchers, "ENVIRONMENTS", tmp_path / "nothing-here")
    monkeypatch.setattr(cpp_books, "ENVIRONMENTS", tmp_path / "nothing-here")
    monkeypatch.setattr(streams, "QUICK", streams.Counts(3_000, 2_000, 4_000))
    monkeypatch.setattr(streams, "PASSES", 1)
    monkeypatch.setattr(matcher, "QUICK", matcher.Counts(4_000, 2_000, 500, 5_000))
    monkeypatch.setattr(matcher, "PASSES", 1)
    messages: list[str] = []
    document = matcher.bench_matcher(1, True, "outcry bench matcher", messages.append)
    check_document(document, "the document")
    results = {row["name"]: row for row in document["results"]}
    if not tsc.HAS_TSC:
        pytest.skip("no x86-64 time stamp counter: the latencies are missing, as they should be")
    assert set(results) == METRICS
    assert set(results["command_ns_normal"]["against"]) == {"stripped"}
    assert set(results["replay_ns"]["against"]) == {"live"}
    assert set(results["stream_ns_worst"]["against"]) == {"fastest"}
    assert set(results["python_ns"]["against"]) == {"kernel"}
    assert set(results["command_ns_slowest"]["against"]) == {"fastest"}
    assert all(row["better"] == "lower" for row in results.values())
    missing = {entry["name"]: entry["why"] for entry in document["missing"]}
    assert "no RAPL here" in missing.pop("energy_nj")
    assert set(missing) == {*matchers.PEERS, *cpp_books.BOOKS}
    assert all("outcry bench matcher --setup" in why for why in missing.values())
    assert any("round 1 of 1" in text for text in messages)


def test_the_energy_of_a_command_is_what_the_counters_rose_by(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Warming engines up is not in it: 3 mJ for each run of a thousand commands are 3 µJ each."""
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.parent.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "262143328850")):
        (counter.parent / name).write_text(text)
    counter.write_text("7000")

    class Metered(matcher_loops.Loaded):
        def _run(self, engine: Engine, first: int, count: int) -> int:
            counter.write_text(str(int(counter.read_text()) + 3 * count))
            return super()._run(engine, first, count)

    monkeypatch.setattr(matcher, "EnergyMeter", partial(EnergyMeter, tmp_path))
    loaded = Metered(make_instruments(["OUTCRY"]), commands(1_200), 200)
    gathered = Rounds(1)
    gathered.run(lambda number, add: matcher._energy(loaded, add, gathered))
    (row,) = gathered.results()
    assert (row["name"], row["unit"]) == ("energy_nj", "nJ")
    assert row["median"] == pytest.approx(3_000)


def test_the_table_says_what_was_met_and_what_was_not_measured() -> None:
    """A ratio far below 1 is a fraction, a goal is compared with its own number, a peer that was
    not there has no figure."""
    results = [
        summarise("command_ns_normal", "ns", "lower", [15.0, 17.5], {"pyorderbook": [6e3, 7e3]}),
        summarise("memory_bytes_per_order", "count", "lower", [57.1]),
    ]
    host = {"cpu_model": "Abacus", "cores_usable": 1}
    figures = {"results": results, "missing": []}
    text = matcher_table({"figures": figures, "host": host, "command": "outcry bench matcher"})
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert (
        "| **16.2 ns** | 15.6 ns – 16.9 ns | ≤ 16 ns | missed |"
        in rows["a command, a gentle random walk"]
    )
    assert "| **1/400** | 1/400 – 1/400 | ≤ 1/200 | met |" in rows["ours / pyorderbook"]
    assert "| **57.1** |" in rows["bytes an open order takes, of 1 M"]
    assert "| not measured |" in rows["ours / lightmatchingengine"]
    where = "Abacus (family and model, clock, caches not recorded); 1 cores"
    assert text.endswith(f"Measured with `outcry bench matcher` on {where}.\n")


def test_an_unknown_peer_is_a_usage_error() -> None:
    """The message names it and those there are; nothing is measured."""
    done = bench_here("matcher", "--against", "pyorderbook,quickfix")
    assert done.exit_code == 2
    assert "unknown peer 'quickfix'" in done.stderr
    assert "nautilus_book" in done.stderr


@pytest.mark.parametrize("name", matchers.PEERS)
def test_an_installed_peer_trades_as_we_do(name: str) -> None:
    """The real one, where `outcry bench matcher --setup` has put it."""
    if not matchers.interpreter(name).exists():
        pytest.skip(f"{name} is not installed: outcry bench matcher --setup")
    matchers.check(name, commands(3_000))
