"""The clock that a run's stages go by: the system's, or one that its owner moves."""

import time

from openoutcry.wire.memory import epoch_offset_ns

SECOND_NS = 1_000_000_000


class StageClock:
    """The system's monotonic clock."""

    address = 0
    """Address of the word with the time; 0: kernels read the system clock."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def epoch_offset_ns(self) -> int:
        """The offset from monotonic time to ns since the epoch."""
        return epoch_offset_ns()
