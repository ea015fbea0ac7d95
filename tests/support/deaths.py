"""Runs whose stages die at sequence numbers that a seed decides."""

import os
import random
import signal
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from openoutcry.journal.lock import held
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Sample, Watcher
from openoutcry.pipeline.run import run
from openoutcry.pipeline.top import running
from tests.support.processes import is_stopped
from tests.support.waiting import wait_until

STAGES = ("receive", "gateway", "journal", "matcher", "gate", "replies")
STARTING = ("reading the source", "preparing the journal", "running")
"""Phases of a run before its stages are ready."""


def drawn(
    rng: random.Random, stages: Iterable[str], last: int, places: Iterable[Place] = Place
) -> tuple[Death, ...]:
    """One death for each stage at each place, at a sequence from 1 to ``last``."""
    pairs = [(stage, place) for stage in stages for place in places]
    return tuple(Death(stage, rng.randint(1, last), place) for stage, place in pairs)


class DiesAt(Watcher):
    """The supervisor kills itself as this phase of its run begins; with "" never."""

    def __init__(self, phase: str) -> None:
        def die(text: str) -> None:
            if text == phase:
                os.kill(os.getpid(), signal.SIGKILL)

        super().__init__(phase=die)


class KillerFromOutside:
    """Kills the process of a stage that has stopped itself, as another process would."""

    def __init__(self, stage: str, seq: int) -> None:
        self.stage = stage
        self.death = Death(stage, seq, number=signal.SIGSTOP)
        """To be given to the run."""
        self.pids: list[int] = []

    def sample(self, sample: Sample) -> None:
        """Called by the supervisor, between two looks at its children."""
        for pipeline in running():
            if self.pids or pipeline.owner.pid != os.getpid():
                continue
            rows = pipeline.view(pipeline.positions(), 1)["stages"]
            # There is no row before the stage has begun.
            for pid in (row["pid"] for row in rows if row["name"] == self.stage):
                if is_stopped(pid):
                    self.pids.append(pid)
                    os.kill(pid, signal.SIGKILL)


def forked(work: Callable[[], object], output: Path) -> int:
    """Do the work in a process of its own, in a group of its own; returns its pid.  It ends with
    status 0, or with 1 and its error in ``output``."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        status = 0
    except BaseException:
        output.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def run_to_death(
    options: Options,
    output: Path,
    watcher: Watcher | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Run a pipeline that dies as a whole, call ``meanwhile`` again and again until it has, and
    wait until its journal is free; returns the pid of its supervisor."""
    pid = forked(lambda: run(options, watcher), output)
    status = ended(pid, meanwhile)
    error = output.read_text() if output.exists() else "it has ended in order"
    assert status == -signal.SIGKILL, f"status {status}: {error}"
    wait_until_free(options.journal)
    return pid


def ended(pid: int, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Wait until the child has ended; returns its exit status.  One that does not end is killed."""

    def status() -> list[int]:
        meanwhile()
        found, status = os.waitpid(pid, os.WNOHANG)
        return [os.waitstatus_to_exitcode(status)] if found else []

    try:
        return wait_until(status, f"process {pid} has ended")[0]
    except AssertionError:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def wait_until_free(journal: Path | None) -> None:
    """A stage outlives its supervisor for a moment, with the journal in its hands."""
    if journal is not None and journal.exists():
        wait_until(lambda: not held(journal), f"the journal {journal} is free")
