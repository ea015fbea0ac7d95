"""What a consumer may read: published, and released by every consumer it depends on."""

import numpy as np

from openoutcry.ring import handles
from openoutcry.ring.buffer import Buffer
from openoutcry.ring.wait_strategy import WaitStrategy

FOREVER_NS = 10**18
# A waiting kernel comes back this often, so that a signal handler gets its turn.
SLICE_NS = 50_000_000


class SequenceBarrier:
    """For the consumer, or the pool, whose entry is at ``entry``: it depends on the consumers of
    the bit set ``after`` (none: only the producer).  ``handle`` is the address of all this for the
    kernels that Python calls."""

    def __init__(self, ring: Buffer, entry: int, after: int, strategy: WaitStrategy) -> None:
        self.words = np.zeros(handles.HANDLE_WORDS, np.int64)
        self.words[:6] = ring.address, ring.mask, ring.shift, entry, after, int(strategy)
        self.handle: int = self.words.ctypes.data

    def available(self, limit: int) -> int:
        """How many records may be read now, contiguous in memory; passes over tombstones."""
        return int(handles.poll_handle(self.handle, limit))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a reader has a record to read, until anything follows a pool's cursor, or
        until the ring is closed there; False if ``timeout_s`` are over first.  The GIL is free
        meanwhile."""
        left_ns = FOREVER_NS if timeout_s is None else int(timeout_s * 1e9)
        while True:
            slice_ns = min(left_ns, SLICE_NS)
            if handles.wait_handle(self.handle, slice_ns):
                return True
            left_ns -= slice_ns
            if left_ns <= 0:
                return False
