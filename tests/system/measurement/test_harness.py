"""The adapter to Flash One's harness: compiled without a warning, it reports what the engine did,
however it is called and whatever carries the reports."""

import ctypes
import shutil
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from openoutcry.bench.harness import compile_adapter
from openoutcry.bench.report_stream import (
    NEW,
    SYMBOL,
    orders_of,
    read_workload,
    record_events,
    report_lines,
)
from openoutcry.matcher import Engine
from openoutcry.matcher.c_library.object_code import build
from openoutcry.wire import make_instruments
from tests.support.bench.engine_abi import HEADER, LoadedEngine, as_messages
from tests.support.bench.report_stream import BUY, SELL, messages, workload

Rows = Sequence[tuple[int, ...]]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (gcc) here")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter, compiled with -Wall -Wextra -Werror as the bench does."""
    folder = tmp_path_factory.mktemp("adapter")
    (folder / "matching_engine_api.h").write_text(HEADER)
    build(folder)
    return compile_adapter(folder, folder)


@pytest.fixture(params=["one", "batch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One message a call, or runs of messages."""
    monkeypatch.setenv("OUTCRY_ORDERS", "500")
    return str(request.param)


def expected(rows: Rows, path: Path) -> list[str]:
    """What the engine in Python reports."""
    orders = orders_of(read_workload(workload(path, rows)), path)
    engine = Engine(make_instruments([SYMBOL]), 500)
    return list(report_lines(orders, engine.process(orders), path))


def reports(adapter: Path, rows: Rows, way: str, own_transport: int) -> list[str]:
    """What the adapter reports, called in this way."""
    engine = LoadedEngine(adapter, own_transport)
    run = as_messages(rows)
    if way == "one":
        for message in run:
            engine.give(message)
    else:
        engine.give_batch(run)
    engine.close()
    return engine.lines()


@pytest.mark.parametrize("own_transport", [0, 4096])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=messages())
def test_the_floor_has_the_same_reports_without_matching(
    adapter: Path,
    way: str,
    own_transport: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows,
) -> None:
    """Of the events that were recorded, none for messages that were not."""
    floor = compile_floor(adapter.parent)
    record_events(workload(tmp_path / "rows", rows), tmp_path / "events")
    monkeypatch.setenv("OUTCRY_FLOOR_EVENTS", str(tmp_path / "events"))
    assert reports(floor, rows, way, own_transport) == expected(rows, tmp_path / "rows")


@cache
def compile_floor(folder: Path) -> Path:
    return compile_adapter(folder, folder, is_floor=True)


@pytest.mark.parametrize("own_transport", [0, 4096])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=messages())
def test_it_reports_what_the_engine_did(
    adapter: Path,
    way: str,
    own_transport: int,
    tmp_path: Path,
    rows: Rows,
) -> None:
    """Acknowledgements, trades, cancels, modifies and rejects, in the benchmark's order."""
    assert reports(adapter, rows, way, own_transport) == expected(rows, tmp_path / "rows")


def test_a_run_that_trades_all_the_time(adapter: Path, way: str, tmp_path: Path) -> None:
    """600 messages of which each new order trades with the one before."""
    rows = [(NEW, number % 2, 0, 3, number, 100) for number in range(1, 601)]
    assert reports(adapter, rows, way, 0) == expected(rows, tmp_path / "rows")


def test_the_book_is_that_of_the_messages_so_far(adapter: Path, way: str) -> None:
    """Best prices and quantities after each message, and what an empty side has."""
    engine = LoadedEngine(adapter)
    seen = []
    rows = [(NEW, BUY, 0, 5, 1, 100), (NEW, BUY, 0, 7, 2, 99), (NEW, SELL, 0, 6, 3, 100)]
    for message in as_messages(rows):
        engine.give(message) if way == "one" else engine.give_batch(np.array([message]))
        seen.append(engine.state(100, BUY))
    assert engine.state(100, SELL) == (99, 100, 1)
    assert engine.state(99, BUY) == (99, 100, 7)
    engine.close()
    least, most = -(2**63), 2**63 - 1
    assert seen == [(100, most, 5), (100, most, 5), (99, 100, 0)]
    assert LoadedEngine(adapter).state(100, BUY) == (least, most, 0)


@pytest.mark.parametrize("capacity", [64, 4096])
def test_a_full_ring_waits_for_its_reader(
    adapter: Path, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 reports through a smaller ring, read by another thread: none lost, in order.  One has
    no room for all that a command might cause, the other is written round its end."""
    monkeypatch.setenv("OUTCRY_ORDERS", "500")
    engine = LoadedEngine(adapter, own_transport=capacity)
    count = 20_000
    run = as_messages([(NEW, BUY, 1, 1, number, 100) for number in range(1, count // 2 + 1)])
    run_at = ctypes.c_void_p(run.ctypes.data)
    writer = threading.Thread(target=engine.library.engine_on_batch, args=(run_at, len(run)))
    writer.start()
    while writer.is_alive():
        engine.drain()
    writer.join()
    engine.drain()
    lines = engine.lines()
    engine.close()
    assert len(lines) == count
    assert [line.split(",")[1] for line in lines] == [str(n // 2) for n in range(count)]


def test_what_has_no_report_is_said(
    adapter: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A book that is full refuses an order: a line says so, and what to raise."""
    monkeypatch.setenv("OUTCRY_ORDERS", "2")
    engine = LoadedEngine(adapter)
    for message in as_messages([(NEW, BUY, 0, 1, number, 100) for number in range(1, 5)]):
        engine.give(message)
    engine.close()
    assert len(engine.lines()) == 2
    assert "outcry: 2 new orders were refused" in capfd.readouterr().err


def test_the_queue_of_the_harness_is_used_where_it_is_asked_for(
    adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the adapter offers no transport."""
    library = ctypes.CDLL(str(adapter))
    library.engine_get_transport.restype = ctypes.c_void_p
    assert library.engine_get_transport() is not None
    monkeypatch.setenv("OUTCRY_HARNESS_QUEUE", "1")
    assert library.engine_get_transport() is None
