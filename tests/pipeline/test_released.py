"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

import json
import os
import signal
import subprocess
import sys
import threading
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

RATE = 8_000
MANY = 1_000_000
"""A run of two minutes, which is stopped as soon as what it is for has been seen."""


class Children(Watcher):
    """Readers that have attached before the run begins.  With ``stop_when``: the gate's process is
    killed, and the run is stopped once that reader has returned to the ring."""

    def __init__(
        self, journal: Path | None, manners: dict[str, str], stop_when: str | None = None
    ) -> None:
        super().__init__(phase=self.begin, sample=self.look)
        self.journal, self.manners, self.stop_when = journal, manners, stop_when
        self.children: dict[str, subprocess.Popen[str]] = {}
        self.killed = False
        self.returned = threading.Event()

    def wait_for(self, name: str, word: str) -> None:
        output = self.children[name].stdout
        assert output is not None
        assert output.readline().strip() == word

    def begin(self, text: str) -> None:
        """Called by the run: everything is there, and nothing has begun."""
        if text != "running":
            return
        for name in self.children:
            self.wait_for(name, "attached")
        if self.stop_when:
            threading.Thread(target=self.await_return, args=(self.stop_when,), daemon=True).start()

    def await_return(self, name: str) -> None:
        self.wait_for(name, "returned")
        self.returned.set()

    def look(self, sample: Sample) -> None:
        """Called by the supervisor between two looks at its children."""
        if self.stop_when and not self.killed and sample.commands > 1_000:
            self.killed = True
            (pipeline,) = (one for one in running() if one.owner.pid == os.getpid())
            stages = pipeline.view(pipeline.positions(), 1)["stages"]
            (pid,) = (row["pid"] for row in stages if row["name"] == "gate")
            os.kill(pid, signal.SIGKILL)
        if self.returned.is_set():
            self.returned.clear()
            os.kill(os.getpid(), signal.SIGTERM)

    def found(self, name: str) -> dict[str, Any]:
        out, _ = self.children[name].communicate(timeout=120)
        return dict(json.loads(out))

    def __enter__(self) -> "Children":
        for name, manner in self.manners.items():
            self.children[name] = subprocess.Popen(
                [sys.executable, released_child.__file__, str(os.getpid()), name,
                 str(self.journal or ""), manner],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        for name in self.children:
            self.wait_for(name, "started")
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_a_reader_that_is_a_row_sees_what_the_run_counts(topology: str, tmp_path: Path) -> None:
    """Every event of the run, byte for byte."""
    with Children(tmp_path / "j", {"audit": "fast"}) as children:
        result = run(rows.options(topology=topology, journal=tmp_path / "j"), children)
        found = children.found("audit")
    assert (found["events"], found["event_hash"]) == (result["events"], result["event_hash"])
    assert found["joined"] >= 1


@pytest.mark.long
def test_slow_readers_go_on_from_the_journal_come_back_and_hold_nobody_up(tmp_path: Path) -> None:
    """One is detached and returns to the ring, one never reads again, the gate dies in between: the
    run goes on, and who reads sees every event once."""
    manners = {"audit": "fast", "slow": "slow", "stuck": "stuck"}
    table = TOPOLOGY.extended(released=rows.READERS)
    source = GeneratedFlow("normal", MANY, 3)
    with Children(tmp_path / "j", manners, stop_when="slow") as children:
        options = Options(source=source, orders=MANY, journal=tmp_path / "j", rate=RATE,
                          wiring=table, spare_cores=0)  # fmt: skip
        result = run(options, children)
        found = {name: children.found(name) for name in ("audit", "slow")}
    assert result["interrupted"]
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["replay"]["equal"] is True
    assert len(result["restarts"]) == 1
    expected = (result["events"], result["event_hash"])
    for name, seen in found.items():
        assert (seen["events"], seen["event_hash"]) == expected, name
    assert found["slow"]["detached"] >= 1
    assert found["slow"]["joined"] >= 2


def test_without_a_journal_a_reader_that_keeps_up_needs_none() -> None:
    """It has joined before the first event."""
    table = TOPOLOGY.extended(released=[Reader("audit", 1 << 13)])
    source = GeneratedFlow("normal", 4_000, 3)
    with Children(None, {"audit": "fast"}) as children:
        options = Options(source=source, orders=4_000, durability="none", wiring=table, rate=4_000)
        result = run(options, children)
        found = children.found("audit")
    assert (found["events"], found["event_hash"]) == (result["events"], result["event_hash"])


def test_a_queue_that_is_no_part_of_the_ring_is_refused() -> None:
    """The ring must have room beside what a reader may hold."""
    sizes = Geometry({"lane": 64, "sequenced": 64, "events": 64})
    with pytest.raises(TopologyError, match="reader audit has a queue of 33, not 1 to 32"):
        Shared(sizes, TOPOLOGY.extended(released=[Reader("audit", 33)]))
