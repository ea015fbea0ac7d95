"""What a consumer may read: published, and done with by everybody it stays behind."""

from openoutcry.ring import kernels
from openoutcry.ring.wait_strategy import WaitStrategy

FOREVER_NS = 10**18


class SequenceBarrier:
    """For the consumer whose entry is at ``entry``: it stays behind the consumers of the bit set
    ``after`` (none: only the producer)."""

    def __init__(
        self, ring: int, mask: int, shift: int, entry: int, after: int, strategy: WaitStrategy
    ) -> None:
        self.ring, self.mask, self.shift = ring, mask, shift
        self.entry, self.after, self.strategy = entry, after, strategy

    def available(self, limit: int) -> int:
        """How many records may be read now, contiguous in memory; passes over tombstones."""
        return int(
            kernels.available(self.ring, self.mask, self.shift, self.entry, self.after, limit)
        )

    def wait_for(self, cursor: int, timeout_s: float | None = None) -> bool:
        """Wait until something follows ``cursor`` or the ring is closed there; False if
        ``timeout_s`` are over first.  The GIL is free meanwhile; looks up every 50 ms so that a
        signal handler gets its turn."""
        left_ns = FOREVER_NS if timeout_s is None else int(timeout_s * 1e9)
        while True:
            slice_ns = min(left_ns, 50_000_000)
            if kernels.wait_ready(
                self.ring, self.mask, self.shift, cursor, self.after, self.strategy, slice_ns
            ):
                return True
            left_ns -= slice_ns
            if left_ns <= 0:
                return False
