"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

from dataclasses import replace
from pathlib import Path

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, Sample, run
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.table import Reader
from tests.support.pipeline import topology_rows as rows
from tests.support.pipeline.released import Children

QUEUE = 1024
SMALL = 256
"""Commands at most between two looks of :class:`Paced`."""


class Paced(Children):
    """The reader ``slow`` beside a flow that is slower by construction: the run's only thread waits
    in each look for what the reader has to do."""

    returned_at: Sample | None = None

    def look(self, sample: Sample) -> None:
        slow = self.children["slow"]
        if sample.events:
            slow.wait_for("stopped")
        if sample.events > 3 * QUEUE and self.returned_at is None:
            slow.wait_for("goes on")
            slow.wait_for("returned", or_event=sample.events)
            if "returned" in slow.lines:
                self.returned_at = sample


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_a_reader_that_is_a_row_sees_what_the_run_counts(topology: str, tmp_path: Path) -> None:
    """Every event of the run, byte for byte."""
    with Children(tmp_path / "j", {"audit": "fast"}) as children:
        result = run(rows.options(topology=topology, journal=tmp_path / "j"), children)
        report = children.report("audit")
    assert (report["events"], report["event_hash"]) == (result["events"], result["event_hash"])
    assert report["joined"] >= 1


def test_a_detached_reader_that_is_faster_than_the_flow_returns_to_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the run goes on; it sees every event once, from ring, journal and ring again."""
    monkeypatch.setattr("openoutcry.pipeline.run.SAMPLE_S", 0)
    rings = [replace(r, inline=SMALL) if r.name == "sequenced" else r for r in TOPOLOGY.rings]
    table = replace(TOPOLOGY, rings=tuple(rings)).extended(released=[Reader("slow", QUEUE)])
    source = GeneratedFlow("normal", 12_000, 3)
    with Paced(tmp_path / "j", {"slow": "slow"}) as children:
        options = Options(source=source, journal=tmp_path / "j", topology="inline", wiring=table)
        result = run(options, children)
        report = children.report("slow")
    assert (report["events"], report["event_hash"]) == (result["events"], result["event_hash"])
    assert report["detached"] >= 1
    assert report["joined"] >= 2
    assert children.returned_at is not None
    assert children.returned_at.commands < 10_000


def test_without_a_journal_a_reader_that_keeps_up_needs_none() -> None:
    """It has joined before the first event."""
    table = TOPOLOGY.extended(released=[Reader("audit", 1 << 13)])
    source = GeneratedFlow("normal", 4_000, 3)
    with Children(None, {"audit": "fast"}) as children:
        options = Options(source=source, orders=4_000, durability="none", wiring=table, rate=4_000)
        result = run(options, children)
        report = children.report("audit")
    assert (report["events"], report["event_hash"]) == (result["events"], result["event_hash"])
