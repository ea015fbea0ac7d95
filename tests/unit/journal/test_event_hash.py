"""The event hash against plain Python integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal.event_hash import CHAIN, MULTIPLIERS, START, hash_array, hash_text
from openoutcry.wire import EVENT_DTYPE

MASK = 2**64 - 1


def reference(state: int, data: bytes) -> int:
    """The hash in unsigned Python integers."""
    for at in range(0, len(data), 64):
        words = [int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little") for i in range(8)]
        folded = sum((w ^ w >> 32) * m for w, m in zip(words, MULTIPLIERS, strict=True))
        state = ((state ^ folded) * CHAIN) & MASK
        # The kernel's signed shift, masked to 35 bits, is the unsigned one.
        state ^= state >> 29
    return state


@given(st.binary(max_size=640).map(lambda b: b[: len(b) // 64 * 64]))
def test_kernel_equals_the_reference(data: bytes) -> None:
    """The compiled hash equals the obvious one on any bytes."""
    events = np.frombuffer(data, EVENT_DTYPE)
    start = START - (1 << 64) if START >> 63 else START
    assert hash_array(start, events) & MASK == reference(START, data)


def test_any_bit_and_any_order_counts() -> None:
    """Each of the 512 bits of an event changes the hash, and so does swapping two events."""
    events = np.frombuffer(bytes(range(128)), EVENT_DTYPE)
    whole = hash_array(1, events)
    assert hash_array(1, events[::-1]) != whole
    seen = {whole}
    for bit in range(512):
        data = bytearray(events.tobytes())
        data[bit // 8] ^= 1 << bit % 8
        seen.add(hash_array(1, np.frombuffer(bytes(data), EVENT_DTYPE)))
    assert len(seen) == 513


def test_text_is_sixteen_digits() -> None:
    """Negative states are shown as unsigned."""
    assert hash_text(-1) == "f" * 16
    assert hash_text(1) == "0" * 15 + "1"
