# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""A speed bump: what enters waits, and is let into the book by (release time, sequence).

A heap in a block of words.  With a window, a part of the delay is drawn from a seed, which the
journal keeps: who comes first is then not who was a nanosecond faster.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, store_i64

DELAY_NS, WINDOW_NS, SEED, CAPACITY, WAITING, ENTRIES = range(0, 48, 8)
ENTRY_BYTES = 16
"""Release time, sequence."""
FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST_FACTOR, SECOND_FACTOR = FACTORS


def new_bump(
    capacity: int, delay_ns: int = 350_000, window_ns: int = 0, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Room for ``capacity`` commands that wait; each is delayed by ``delay_ns`` and, drawn from the
    seed, by less than ``window_ns`` more."""
    block = np.zeros((ENTRIES + capacity * ENTRY_BYTES) // 8, np.int64)
    block[:4] = delay_ns, window_ns, seed, capacity
    return block


@kernel
def drawn(seed: int, seq: int, window: int) -> int:
    """Of a command, from 0 to below ``window`` (SplitMix64 of seed and sequence)."""
    mixed = add_wrapping(seed, mul_wrapping(seq, GOLDEN))
    mixed = mul_wrapping(mixed ^ ((mixed >> 30) & ((1 << 34) - 1)), FIRST_FACTOR)
    mixed = mul_wrapping(mixed ^ ((mixed >> 27) & ((1 << 37) - 1)), SECOND_FACTOR)
    return ((mixed >> 2) & ((1 << 62) - 1)) % window


@kernel
def is_before(heap: int, a: int, b: int) -> bool:
    one, other = heap + a * ENTRY_BYTES, heap + b * ENTRY_BYTES
    first, second = load_i64(one), load_i64(other)
    return first < second or (first == second and load_i64(one + 8) < load_i64(other + 8))


@kernel
def swap(heap: int, a: int, b: int) -> None:
    one, other = heap + a * ENTRY_BYTES, heap + b * ENTRY_BYTES
    for word in (0, 8):
        kept = load_i64(one + word)
        store_i64(one + word, load_i64(other + word))
        store_i64(other + word, kept)


@kernel
def enter_bump(block: int, seq: int, now: int) -> int:
    """A command arrives at ``now``; returns when it is released, or 0 if there is no room."""
    count = load_i64(block + WAITING)
    if VERIFY:
        assert 0 <= count <= load_i64(block + CAPACITY), "no more wait than there is room for"
        assert seq > 0, "sequences begin at 1: 0 says that nothing is released"
    if count == load_i64(block + CAPACITY):
        return 0
    release, window = now + load_i64(block + DELAY_NS), load_i64(block + WINDOW_NS)
    if window != 0:
        release += drawn(load_i64(block + SEED), seq, window)
    heap = block + ENTRIES
    store_i64(heap + count * ENTRY_BYTES, release)
    store_i64(heap + count * ENTRY_BYTES + 8, seq)
    store_i64(block + WAITING, count + 1)
    while count > 0 and is_before(heap, count, (count - 1) // 2):
        swap(heap, count, (count - 1) // 2)
        count = (count - 1) // 2
    if VERIFY:
        assert release >= now, "nothing leaves before it came"
        assert load_i64(heap) <= release, "the head is released first"
    return release


@kernel
def leave_bump(block: int, now: int) -> int:
    """Sequence of the next command whose time has come, which leaves; 0 if there is none."""
    heap, count = block + ENTRIES, load_i64(block + WAITING)
    if count == 0 or load_i64(heap) > now:
        return 0
    seq = load_i64(heap + 8)
    if VERIFY:
        release = load_i64(heap)
    count -= 1
    swap(heap, 0, count)
    store_i64(block + WAITING, count)
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and is_before(heap, child + 1, child):
            child += 1
        if not is_before(heap, child, at):
            break
        swap(heap, child, at)
        at = child
    if VERIFY:
        assert count == 0 or load_i64(heap) >= release, "what waits on leaves no earlier"
        assert load_i64(heap + count * ENTRY_BYTES + 8) == seq, "the head left, nobody else"
    return seq


def fairness_faults(
    entered: Sequence[tuple[int, int]],
    released: Sequence[tuple[int, int]],
    delay_ns: int,
    window_ns: int = 0,
    seed: int = 0,
) -> list[str]:
    """What was let in out of turn, from the journal's account alone: (sequence, time) of what
    entered and of what was released, in its order."""
    extra = {seq: drawn(seed, seq, window_ns) if window_ns else 0 for seq, _ in entered}
    due = {seq: at + delay_ns + extra[seq] for seq, at in entered}
    faults, last = [], (-1, -1)
    for seq, at in released:
        if seq not in due:
            faults.append(f"command {seq} was released and had not entered, or twice")
            continue
        turn = (due.pop(seq), seq)
        if at < turn[0]:
            faults.append(f"command {seq} was released {turn[0] - at} ns early")
        if turn < last:
            faults.append(f"command {seq} was released behind {last[1]}, which was due later")
        last = max(last, turn)
    return faults
