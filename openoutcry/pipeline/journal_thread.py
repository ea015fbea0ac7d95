"""Python stages in parallel with the loop of an inline run: a thread that steps them in turn."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from openoutcry.runtime import loop
from openoutcry.wire.layout import SharedWord

MIN_SLEEP_S, MAX_SLEEP_S, IDLE_SHARE = 20e-6, 500e-6, 32
"""A stage of Python that finds nothing sleeps for this share of the time since it last did, within
these bounds;"""
LONG_SLEEP_S, LONG_SHARE = 4e-3, 256
"""and after a long time for this share, up to so long, as the compiled stages do
(contract/loop.py)."""
WOKEN_TIMES = loop.LONG_SLEEP_US // loop.MAX_NAP_US
QUIET_S, ALONE_S, SOON_S = 0.1, 0.02, 0.002
"""What comes within ALONE_S after QUIET_S without work is alone.  It keeps the stage awake for
SOON_S; until ALONE_S have passed the stage sleeps no longer than MAX_SLEEP_S at a time."""


class Idle:
    """How long a loop that looks for work has found none."""

    def __init__(self, wake: int = 0) -> None:
        """``wake``: address of the word that counts when the stages before have work (0: none).  It
        ends a long sleep, which is twenty times as long for that."""
        self._busy_s = self._work_s = self._since_s = time.monotonic()
        self._wake, self._seen = wake, 0
        self._lone_s = loop.WOKEN_NS / 1e9 if wake else ALONE_S

    def _worked(self, now_s: float) -> None:
        if now_s - self._work_s > QUIET_S:
            self._since_s = now_s
        self._work_s = now_s
        if now_s - self._since_s > ALONE_S:
            self._busy_s = now_s

    def after(self, work: int) -> None:
        """Sleep, if there was no work; work that comes meanwhile waits at most its share longer."""
        now_s = time.monotonic()
        if work:
            self._worked(now_s)
            return
        idle_s, most_s = now_s - self._busy_s, LONG_SLEEP_S
        if self._work_s != self._busy_s and now_s - self._work_s < self._lone_s:
            most_s = MAX_SLEEP_S
            if now_s - self._work_s < SOON_S:
                idle_s = now_s - self._work_s
        soon = min(max(idle_s / IDLE_SHARE, MIN_SLEEP_S), MAX_SLEEP_S)
        sleep_s = max(soon, min(idle_s / LONG_SHARE, most_s))
        if self._wake == 0 or sleep_s <= MAX_SLEEP_S:
            time.sleep(sleep_s)
        elif loop.sleep_on(self._wake, self._seen, int(sleep_s * 1e6) * WOKEN_TIMES):
            self._worked(time.monotonic())
        if self._wake:
            self._seen = SharedWord(self._wake).value


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
        """Wait until it has finished, at most this long."""
        self._thread.join(seconds)
