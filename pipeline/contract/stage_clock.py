"""The clock that a run's stages go by: the system's, or one that its owner moves."""

import time

import numpy as np

from openoutcry.wire.memory import epoch_offset_ns

SECOND_NS = 1_000_000_000


class StageClock:
    """The system's monotonic clock."""

    address = 0
    """Of the word with the time; 0: kernels ask the system."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def epoch_offset_ns(self) -> int:
        """What is added to the monotonic time for ns since the epoch."""
        return epoch_offset_ns()


class HeldClock(StageClock):
    """A clock that stays where it is until its owner moves it."""

    def __init__(self, now_ns: int, monotonic_ns: int = 1_000 * SECOND_NS) -> None:
        """``now_ns``: since the epoch; ``monotonic_ns``: since the machine's start."""
        self.word = np.array([monotonic_ns], np.int64)
        self.address = self.word.ctypes.data
        self._offset_ns = now_ns - monotonic_ns

    def monotonic_ns(self) -> int:
        return int(self.word[0])

    def epoch_offset_ns(self) -> int:
        return self._offset_ns

    def now_ns(self) -> int:
        """Since the epoch."""
        return self.monotonic_ns() + self._offset_ns

    def move(self, ns: int) -> None:
        """Let so much time pass."""
        self.word[0] += ns
