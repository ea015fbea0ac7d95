"""`outcry bench shim`: its programs run and lose nothing, its table says what it measured."""

from pathlib import Path

import pytest

from openoutcry.bench import shim
from openoutcry.bench.results import document, summarise
from openoutcry.bench.shim import HUGE_PAGES, METRICS, ShimBenchError, huge_pages, measure
from openoutcry.report.goals import SHIM_ROWS
from openoutcry.report.tables import shim_table
from tests.support.dpdk_shim.shim_wire import needs_shim

PROGRAMS = [
    "recvmmsg",
    "net_ring",
    "net_ring_summed",
    "net_ring_bare",
    "pcap_no_huge_pages",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_takes_in_all_that_it_sends(program: str, tmp_path: Path) -> None:
    """A few thousand packets, each in a process of its own: a figure, and nothing lost."""
    needs_shim()
    needs_shim(dpdk=program.startswith(("net", "pcap")))
    figures = measure(program, 2_048, tmp_path)
    assert figures["ns"] > 0
    assert figures["lost"] == 0


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    """What a measured process has said is the reason that stands in the document."""
    with pytest.raises(ShimBenchError, match="no_such_program"):
        measure("no_such_program", 1, tmp_path)


def test_a_program_that_fails_later_takes_its_figures_with_it(monkeypatch) -> None:
    """What failed in the second round stands in ``missing`` with the reason and nowhere else."""
    calls: list[str] = []

    def failing_later(program: str, count: int, folder: Path) -> dict[str, float]:
        calls.append(program)
        if calls.count(program) > 1 and program in ("memif", "recvmmsg"):
            raise ShimBenchError(f"{program}: gone")
        return {"ns": 2.0, "per_s": 3.0, "lost": 0.0}

    monkeypatch.setattr(shim, "measure", failing_later)
    bench_document = shim.bench_shim(4, True, "outcry bench shim", lambda text: None)
    assert {entry["name"] for entry in bench_document["missing"]} >= {
        "packets_memif",
        "packet_ns_net_ring against recvmmsg",
    }
    rows = {row["name"]: row for row in bench_document["results"]}
    assert "packets_memif" not in rows
    assert "recvmmsg" not in rows["packet_ns_net_ring"]["against"]
    assert rows["packet_ns_net_ring"]["samples"] == 4
    assert calls.count("recvmmsg") == 2, "what failed is not tried again"
    assert rows["lost"]["median"] == 0


def test_where_no_program_runs_nothing_is_said_to_be_lost(monkeypatch) -> None:
    """0 packets lost of none is no figure; what DPDK said stands before the error, the traceback
    does not."""

    def refused(program: str, count: int, folder: Path) -> dict[str, float]:
        raise ShimBenchError(f"{program}: no rights")

    monkeypatch.setattr(shim, "measure", refused)
    bench_document = shim.bench_shim(1, True, "outcry bench shim", lambda text: None)
    assert bench_document["results"] == []
    assert "lost" in {entry["name"] for entry in bench_document["missing"]}
    output = (
        "Traceback:\n  File x\nEAL: core 1 unavailable\nopenoutcry.dpdk_shim.spec.PortError: no"
    )
    assert shim.last_words(output) == "EAL: core 1 unavailable; no"


def test_huge_pages_are_given_back() -> None:
    """However the bench ends, the host has as many as before."""
    before = HUGE_PAGES.read_text()
    with pytest.raises(RuntimeError), huge_pages():
        raise RuntimeError
    assert HUGE_PAGES.read_text() == before


def test_the_table_names_goals_and_says_what_was_missed() -> None:
    """Met and missed follow from the figures; what was not measured says so."""
    results = [
        summarise("packet_ns_net_ring", "ns", "lower", [7.0], {"recvmmsg": [700.0]}),
        summarise("packets_memif", "1/s", "higher", [50e6]),
        summarise("lost", "count", "lower", [0.0]),
    ]
    bench_document = document("shim", results, [], "outcry bench shim")
    text = shim_table(
        {"figures": {"results": results}, "host": bench_document["host"], "command": "x"}
    )
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "missed" in lines["a packet, DPDK ring device"]
    assert "met" in lines["the same / recvmmsg"]
    assert "50 M/s" in lines["packets a second between two processes, memif"]
    assert "met" in lines["packets lost without a count"]
    assert "not measured" in lines["the same / a blocking recv"]


def test_every_row_of_the_table_is_a_metric() -> None:
    """The table quotes no figure that the bench does not take."""
    peers = {name: set(against) for name, _, _, _, against in METRICS} | {"lost": set()}
    for name, peer, _, _ in SHIM_ROWS:
        assert name in peers
        assert not peer or peer in peers[name]
    assert shim.METRICS
