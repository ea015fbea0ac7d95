"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import released_child
import topology_rows as rows

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, Sample, Watcher, run
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.top import running
from openoutcry.pipeline.topology import TOPOLOGY, Geometry, Reader, TopologyError

RATE = 500
MANY = 200_000
"""A run of minutes, which is stopped as soon as what it is for has been seen."""
READERS = (Reader("audit", 1024), Reader("slow", 1024), Reader("stuck", 64))
"""Two seconds of the flow, also where a disk lets go of much at once, and too little."""
QUEUE = 1024
SMALL = 256
"""Commands at most between two looks of :class:`Paced`."""


class Child:
    """A reader in a process of its own, and the lines that it says, in order."""

    def __init__(self, name: str, journal: Path | None, manner: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, released_child.__file__, str(os.getpid()), name,
             str(journal or ""), manner],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self.more = threading.Condition()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line.strip())
                self.more.notify_all()

    def wait_for(self, word: str, or_event: int | None = None) -> None:
        """Until it has said the word, or that it has read this event."""

        def has_come() -> bool:
            last = self.lines[-1] if self.lines else ""
            read = int(last) if last.isdigit() else 0
            return word in self.lines or (or_event is not None and read >= or_event)

        with self.more:
            assert self.more.wait_for(has_come, timeout=600), (word, self.lines[-3:])

    def report(self) -> dict[str, Any]:
        """What it printed at its end."""
        assert self.process.wait(timeout=600) == 0
        self.listener.join()
        return dict(json.loads(self.lines[-1]))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.listener.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Children(Watcher):
    """Readers that have attached before the run begins.  With ``stop_when``: the gate's process is
    killed, and the run is stopped once that reader has returned to the ring."""

    def __init__(
        self, journal: Path | None, manners: dict[str, str], stop_when: str | None = None
    ) -> None:
        super().__init__(phase=self.begin, sample=self.look)
        self.journal, self.manners, self.stop_when = journal, manners, stop_when
        self.children: dict[str, Child] = {}
        self.killed = self.stopped = False

    def begin(self, text: str) -> None:
        """Called by the run: everything is there, and nothing has begun."""
        if text == "running":
            for child in self.children.values():
                child.wait_for("attached")

    def look(self, sample: Sample) -> None:
        """Called by the supervisor between two looks at its children."""
        if self.stop_when is None:
            return
        if not self.killed and sample.commands > 1_000:
            self.killed = True
            (pipeline,) = (one for one in running() if one.owner.pid == os.getpid())
            stages = pipeline.view(pipeline.positions(), 1)["stages"]
            (pid,) = (row["pid"] for row in stages if row["name"] == "gate")
            os.kill(pid, signal.SIGKILL)
        if not self.stopped and "returned" in self.children[self.stop_when].lines:
            self.stopped = True
            os.kill(os.getpid(), signal.SIGTERM)

    def report(self, name: str) -> dict[str, Any]:
        return self.children[name].report()

    def __enter__(self) -> "Children":
        for name, manner in self.manners.items():
            self.children[name] = Child(name, self.journal, manner)
        for child in self.children.values():
            child.wait_for("started")
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.close()


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


@pytest.mark.long
def test_slow_readers_go_on_from_the_journal_come_back_and_hold_nobody_up(tmp_path: Path) -> None:
    """One is detached and returns to the ring, one never reads again, the gate dies in between: the
    run goes on, and who reads sees every event once."""
    manners = {"audit": "fast", "slow": "slow", "stuck": "stuck"}
    table = TOPOLOGY.extended(released=READERS)
    source = GeneratedFlow("normal", MANY, 3)
    with Children(tmp_path / "j", manners, stop_when="slow") as children:
        options = Options(source=source, orders=MANY, journal=tmp_path / "j", rate=RATE,
                          wiring=table, housekeeping_cores=0)  # fmt: skip
        result = run(options, children)
        reports = {name: children.report(name) for name in ("audit", "slow")}
    assert result["interrupted"]
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["replay"]["equal"] is True
    assert len(result["restarts"]) == 1
    expected = (result["events"], result["event_hash"])
    for name, report in reports.items():
        assert (report["events"], report["event_hash"]) == expected, name
    assert reports["slow"]["detached"] >= 1
    assert reports["slow"]["joined"] >= 2


def test_without_a_journal_a_reader_that_keeps_up_needs_none() -> None:
    """It has joined before the first event."""
    table = TOPOLOGY.extended(released=[Reader("audit", 1 << 13)])
    source = GeneratedFlow("normal", 4_000, 3)
    with Children(None, {"audit": "fast"}) as children:
        options = Options(source=source, orders=4_000, durability="none", wiring=table, rate=4_000)
        result = run(options, children)
        report = children.report("audit")
    assert (report["events"], report["event_hash"]) == (result["events"], result["event_hash"])


def test_a_queue_that_is_no_part_of_the_ring_is_refused() -> None:
    """The ring must have room beside what a reader may hold."""
    sizes = Geometry({"lane": 64, "sequenced": 64, "events": 64})
    with pytest.raises(TopologyError, match="reader audit has a queue of 33, not 1 to 32"):
        Shared(sizes, TOPOLOGY.extended(released=[Reader("audit", 33)]))
