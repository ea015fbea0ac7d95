"""Stages of Python beside the loop of an inline run: a thread that steps them in turn."""

import threading
import time
from collections.abc import Sequence
from typing import Any

MIN_SLEEP_S, MAX_SLEEP_S, IDLE_SHARE = 20e-6, 500e-6, 32
"""A stage of Python that finds nothing sleeps for this share of the time since it last did, within
these bounds."""


class Idle:
    """How long whoever looks for work has had none."""

    def __init__(self) -> None:
        self._busy_s = time.monotonic()

    def after(self, work: int) -> None:
        """Sleep, if there was none: what comes meanwhile waits no more than its share longer."""
        now_s = time.monotonic()
        if work:
            self._busy_s = now_s
            return
        time.sleep(min(max((now_s - self._busy_s) / IDLE_SHARE, MIN_SLEEP_S), MAX_SLEEP_S))


class JournalThread:
    """Steps ``stages`` in a thread until they have finished or the ``with`` block ends: kernels
    hold no lock of the interpreter's, nor does who copies, hashes or writes a block."""

    def __init__(self, stages: Sequence[Any]) -> None:
        self._stages = stages
        self._failure: BaseException | None = None
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def __enter__(self) -> "JournalThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()

    def _run(self) -> None:
        idle = Idle()
        try:
            while not self._ends and not all(stage.finished for stage in self._stages):
                idle.after(sum(stage.step() for stage in self._stages))
        except BaseException as error:
            self._failure = error

    def check(self) -> None:
        """Raise what has ended a stage."""
        if self._failure is not None:
            raise self._failure

    def wait(self, seconds: float) -> None:
        """Until it has finished, at most so long."""
        self._thread.join(seconds)
