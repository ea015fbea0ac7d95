"""Wait strategies: how a reader waits for the next record, by latency and CPU cost."""

from enum import IntEnum

from openoutcry.ring import kernels


class WaitStrategy(IntEnum):
    """Ways to wait, from lowest latency to lowest CPU use."""

    BUSY_SPIN = kernels.BUSY_SPIN
    """Look again at once: a core of one's own, and it must be one's own."""
    PAUSE = kernels.PAUSE
    """Hint to the core that it spins: kinder to a sibling thread, and often faster."""
    YIELD = kernels.YIELD
    """Spin a little, then give the core away each time round."""
    BLOCK = kernels.BLOCK
    """Sleep on a futex; needs a ring made with ``blocking=True``, whose producers wake."""
    ADAPTIVE = kernels.ADAPTIVE
    """Spin, then yield, then sleep; needs ``blocking=True`` too."""

    @property
    def sleeps(self) -> bool:
        """Return whether a waiter gives up its core, and so must be woken."""
        return self >= WaitStrategy.BLOCK
