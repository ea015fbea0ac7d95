"""Quorum: when a sequence counts as acknowledged by enough of several replicas.

One rule for the journal's copies and for the gate over journal and replicas.
"""

from collections.abc import Sequence

import numpy as np

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words

POLICIES = ("all", "quorum", "any")
MAX_VALUE = 2**63 - 1


def needed(policy: str, count: int) -> int:
    """Return how many of ``count`` members make a quorum."""
    return {"all": count, "quorum": count // 2 + 1, "any": min(1, count)}[policy]


@kernel
def quorum_sequence(cursors: int, count: int, quorum: int) -> int:
    """The last sequence reached by ``quorum`` of ``count`` cursors.

    ``cursors``: address of ``count`` words, each the address of a cursor that its owner only moves
    forward.  MAX_VALUE if ``quorum`` is 0.
    """
    if quorum == 0:
        return MAX_VALUE
    if count == 1:
        return SharedWord(Words(cursors)[0]).value
    # The largest value that at least `quorum` have reached is the value of one of them.  A cursor
    # that moves meanwhile only makes the answer a little old.
    best = -MAX_VALUE
    for candidate in range(count):
        value = SharedWord(Words(cursors)[candidate]).value
        reached = 0
        for other in range(count):
            if SharedWord(Words(cursors)[other]).value >= value:
                reached += 1
        if reached >= quorum:
            best = max(best, value)
    return best


def quorum_value(values: Sequence[int], quorum: int) -> int:
    """:func:`quorum_sequence` of values instead of cursors."""
    words = np.array(values, np.int64)
    cursors = words.ctypes.data + 8 * np.arange(len(words))
    return int(quorum_sequence(cursors.ctypes.data, len(words), quorum))
