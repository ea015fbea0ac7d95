"""When something counts as done: as soon as enough of several places have it.

One rule for the journal's copies, the gate over journal and replicas, and whoever else waits.
"""

from collections.abc import Sequence

import numpy as np

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_acquire, load_i64

POLICIES = ("all", "quorum", "any")
MAX_VALUE = 2**63 - 1


def needed(policy: str, count: int) -> int:
    """How many of ``count`` places must have something before it counts."""
    return {"all": count, "quorum": count // 2 + 1, "any": min(1, count)}[policy]


@kernel
def safe_sequence(cursors: int, count: int, enough: int) -> int:
    """The last sequence that ``enough`` of ``count`` cursors have reached.

    ``cursors``: address of ``count`` words, each the address of a cursor that its owner only moves
    forward.  MAX_VALUE if ``enough`` is 0: nobody is waited for.
    """
    if enough == 0:
        return MAX_VALUE
    if count == 1:
        return load_acquire(load_i64(cursors))
    # The largest value that at least `enough` have reached is the value of one of them.  A cursor
    # that moves meanwhile only makes the answer a little old.
    best = -MAX_VALUE
    for candidate in range(count):
        value = load_acquire(load_i64(cursors + 8 * candidate))
        reached = 0
        for other in range(count):
            if load_acquire(load_i64(cursors + 8 * other)) >= value:
                reached += 1
        if reached >= enough:
            best = max(best, value)
    return best


def reached_by(values: Sequence[int], enough: int) -> int:
    """:func:`safe_sequence` of values instead of cursors."""
    words = np.array(values, np.int64)
    cursors = words.ctypes.data + 8 * np.arange(len(words))
    return int(safe_sequence(cursors.ctypes.data, len(words), enough))
