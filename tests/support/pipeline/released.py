"""What the tests of released in several tiers share."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from openoutcry.pipeline.run import Sample, Watcher
from openoutcry.pipeline.top import running
from tests.support.pipeline import released_child, warm_outcry
from tests.support.waiting import BOUND_S


class Child:
    """A reader in a process of its own, and the lines that it says, in order."""

    def __init__(self, name: str, journal: Path | None, manner: str) -> None:
        self.process = warm_outcry.Process(
            [
                sys.executable,
                released_child.__file__,
                str(os.getpid()),
                name,
                str(journal or ""),
                manner,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
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
            assert self.more.wait_for(has_come, timeout=BOUND_S), (word, self.lines[-3:])

    def report(self) -> dict[str, Any]:
        """What it printed at its end."""
        assert self.process.wait(timeout=BOUND_S) == 0
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
