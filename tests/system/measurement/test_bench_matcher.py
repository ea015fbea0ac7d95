"""The matcher subject of the bench: what its loops process, what peers are given, its document."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from openoutcry.bench import matcher, matcher_loops, streams
from openoutcry.bench.peers import cpp_books, matchers
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.results import check_document
from openoutcry.bench.rounds import Rounds
from openoutcry.flow import FLOWS
from openoutcry.host import tsc
from openoutcry.host.energy import EnergyMeter
from openoutcry.host.processes import PeerError
from openoutcry.matcher import Engine
from openoutcry.wire import make_instruments
from tests.support.bench.bench_matcher import commands

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


LIAR = """
import json, struct, sys
rows = list(struct.iter_unpack("<5q", open(sys.argv[1], "rb").read()))
book = json.load(open(sys.argv[0] + ".book")) if len(rows) else {}
print(json.dumps({"took_ns": 1, "book": book}))
"""


@pytest.mark.parametrize("lie", [False, True])
def test_a_peer_with_another_book_gives_no_figure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lie: bool
) -> None:
    """One lot more in one order and the peer is refused; with the right book it is timed."""
    orders = commands(3_000)
    book = matchers._book_after(orders)
    if lie:
        book["bids"][0][1][0][1] += 1
    program = tmp_path / "match_nautilus_book.py"
    program.write_text(LIAR)
    Path(f"{program}.book").write_text(json.dumps(book))
    monkeypatch.setattr(matchers, "SOURCES", tmp_path)
    monkeypatch.setattr(matchers, "interpreter", lambda name: Path(sys.executable))
    if lie:
        with pytest.raises(PeerError, match="another book than our matcher"):
            matchers.prepare("nautilus_book", orders)
    else:
        assert matchers.prepare("nautilus_book", orders)() == 1 / len(orders)


def test_a_peer_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its last words are in the error."""
    (tmp_path / "match_nautilus_book.py").write_text("raise SystemExit('no such book')")
    monkeypatch.setattr(matchers, "SOURCES", tmp_path)
    monkeypatch.setattr(matchers, "interpreter", lambda name: Path(sys.executable))
    with pytest.raises(PeerError, match="no such book"):
        matchers.prepare("nautilus_book", commands(100))


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


@pytest.mark.parametrize("name", matchers.PEERS)
def test_an_installed_peer_has_our_book(name: str) -> None:
    """The real one, where `outcry bench matcher --setup` has put it."""
    if not matchers.interpreter(name).exists():
        pytest.skip(f"{name} is not installed: outcry bench matcher --setup")
    matchers.check(name, commands(3_000))
