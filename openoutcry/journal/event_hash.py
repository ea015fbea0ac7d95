"""One number for a whole stream of events: equal only if every byte of every event is equal.

Each event's eight words are folded with odd multipliers, and the result is chained with a multiply
and a shift, so that order counts.  It tells runs apart; it is not a defence against an adversary.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping

START = 0x243F6A8885A308D3
# Odd 64-bit constants: hexadecimal digits of pi (nothing up the sleeve), as signed int64 because
# kernels keep to one signedness; wrapping multiplication is the same for both.
MULTIPLIERS = tuple(
    value - (1 << 64) if value >> 63 else value
    for value in (
        0x13198A2E03707345,
        0xA4093822299F31D1,
        0x082EFA98EC4E6C89,
        0x452821E638D01377,
        0xBE5466CF34E90C6D,
        0xC0AC29B7C97C50DD,
        0x3F84D5B5B5470917,
        0x9216D5D98979FB1B,
    )
)
M0, M1, M2, M3, M4, M5, M6, M7 = MULTIPLIERS
CHAIN = 0x2545F4914F6CDD1D


@kernel
def fold_word(word: int) -> int:
    """The upper half onto the lower: multiplied alone, a word's highest bits would be forgotten
    (2**63 times any odd number is 2**63)."""
    return word ^ ((word >> 32) & 0xFFFFFFFF)


@kernel
def absorb(total: int, word: int, multiplier: int) -> int:
    """Add a word to one half of an event hash, and return it; sums wrap."""
    return add_wrapping(total, mul_wrapping(fold_word(word), multiplier))


@kernel
def hash_event(state: int, event: int) -> int:
    """The state after the 64-byte event at that address."""
    folded = absorb(0, load_i64(event), M0)
    folded = absorb(folded, Words(event)[1], M1)
    folded = absorb(folded, Words(event)[2], M2)
    folded = absorb(folded, Words(event)[3], M3)
    folded = absorb(folded, Words(event)[4], M4)
    folded = absorb(folded, Words(event)[5], M5)
    folded = absorb(folded, Words(event)[6], M6)
    folded = absorb(folded, Words(event)[7], M7)
    state = mul_wrapping(state ^ folded, CHAIN)
    return state ^ ((state >> 29) & 0x7FFFFFFFF)


@kernel
def hash_events(state: int, events: int, count: int) -> int:
    """The state after ``count`` contiguous events."""
    for index in range(count):
        state = hash_event(state, events + 64 * index)
    return state


def hash_array(state: int, events: npt.NDArray[Any]) -> int:
    """The state (signed 64-bit) after an EVENT_DTYPE array."""
    events = np.ascontiguousarray(events)
    return int(hash_events(state, events.ctypes.data, len(events)))


def hash_text(state: int) -> str:
    """The state as people read it: 16 hexadecimal digits."""
    return f"{state & (2**64 - 1):016x}"
