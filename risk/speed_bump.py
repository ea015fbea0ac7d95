# (intrinsics have no types that mypy could see)
"""The speed bump's queue: what enters waits, and is let in by (release time, sequence).

A block of the risk state: figures of the command at hand, a heap, the commands that wait, and of
each participant when its last one is released.  With a window a part of the delay is drawn from a
seed: who comes first is then not who was a nanosecond faster.  A participant's own commands never
overtake each other.  ``reference_bump.py`` says the same slowly.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    load_i64,
    load_u16,
    mul_wrapping,
    not_inlined,
    store_i64,
)
from openoutcry.wire.records import ORDER

# Figures of a command that is delayed, or enters; then the record that enters (matcher/hooks.py).
FIGURE_VERDICT, FIGURE_SEQ, FIGURE_PLACE, FIGURE_RELEASE, FIGURE_RECORD = 0, 8, 16, 24, 64
(
    DELAY_NS, WINDOW_NS, SEED, CAPACITY, WAITING, NOW_NS, NEXT_NS, PARTICIPANTS, LAST_AT, HEAP_AT,
    RECORDS_AT,
) = range(128, 128 + 88, 8)  # fmt: skip
"""NOW_NS: the latest time of receipt.  NEXT_NS: when the first is released, NEVER if none waits.
LAST_AT: offset of a word a participant, when its last command is released; HEAP_AT: of the heap's
entries, behind which, from WAITING on, are those of free places; RECORDS_AT: of the places."""
HEADER_BYTES = 256
NEVER = 2**63 - 1
RELEASE, SEQ, PLACE, WITHDRAWN = 0, 8, 16, 24
ENTRY_BYTES, RECORD_BYTES = 32, 64
MAX_DELAY_NS = 10**12
SET_BACK_NS = 10_000_000
"""A clock that was set back further than lanes can be apart: what waits goes back with it."""
FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST_FACTOR, SECOND_FACTOR = FACTORS
_PARTICIPANT, _RX, _SEQ, _SYMBOL = (
    ORDER.offsets[n] for n in ("participant", "rx_ts_ns", "seq", "symbol")
)


def block_bytes(capacity: int, participants: int) -> int:
    """Of a queue for ``capacity`` commands."""
    last = -(-8 * participants // 64) * 64
    return HEADER_BYTES + last + capacity * (ENTRY_BYTES + RECORD_BYTES)


def enter_block(words: npt.NDArray[np.int64], at: int, capacity: int, participants: int) -> None:
    """Make the zeroed bytes from ``at`` on an empty queue without delay."""
    block = words[at // 8 : (at + block_bytes(capacity, participants)) // 8]
    heap_at = HEADER_BYTES + -(-8 * participants // 64) * 64
    records_at = heap_at + capacity * ENTRY_BYTES
    values = {
        CAPACITY: capacity, NEXT_NS: NEVER, PARTICIPANTS: participants, LAST_AT: HEADER_BYTES,
        HEAP_AT: heap_at, RECORDS_AT: records_at,
    }  # fmt: skip
    for word, value in values.items():
        block[word // 8] = value
    block[heap_at // 8 : records_at // 8].reshape(-1, 4)[:, PLACE // 8] = np.arange(capacity)


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
    first, second = load_i64(one + RELEASE), load_i64(other + RELEASE)
    return first < second or (first == second and load_i64(one + SEQ) < load_i64(other + SEQ))


@kernel
def swap(heap: int, a: int, b: int) -> None:
    one, other = heap + a * ENTRY_BYTES, heap + b * ENTRY_BYTES
    for word in range(0, ENTRY_BYTES, 8):
        kept = load_i64(one + word)
        store_i64(one + word, load_i64(other + word))
        store_i64(other + word, kept)


@kernel
def release_of(bump: int, order: int) -> int:
    """When a command that came is released: not before its participant's last one."""
    release, window = load_i64(order + _RX) + load_i64(bump + DELAY_NS), load_i64(bump + WINDOW_NS)
    if window != 0:
        release += drawn(load_i64(bump + SEED), load_i64(order + _SEQ), window)
    last = bump + load_i64(bump + LAST_AT) + 8 * load_u16(order + _PARTICIPANT)
    return max(release, load_i64(last))


@kernel
def enter_bump(bump: int, order: int, release: int) -> None:
    """A command waits until ``release``; FIGURE_PLACE is its place.  There is room."""
    count, heap = load_i64(bump + WAITING), bump + load_i64(bump + HEAP_AT)
    if VERIFY:
        assert 0 <= count < load_i64(bump + CAPACITY), "no more wait than there is room for"
        assert load_i64(order + _SEQ) > 0, "sequences begin at 1"
    entry = heap + count * ENTRY_BYTES
    place = load_i64(entry + PLACE)
    store_i64(entry + RELEASE, release)
    store_i64(entry + SEQ, load_i64(order + _SEQ))
    store_i64(entry + WITHDRAWN, 0)
    copy64(bump + load_i64(bump + RECORDS_AT) + place * RECORD_BYTES, order)
    last = bump + load_i64(bump + LAST_AT) + 8 * load_u16(order + _PARTICIPANT)
    store_i64(last, release)
    store_i64(bump + FIGURE_PLACE, place)
    store_i64(bump + FIGURE_RELEASE, release)
    store_i64(bump + WAITING, count + 1)
    while count > 0 and is_before(heap, count, (count - 1) // 2):
        swap(heap, count, (count - 1) // 2)
        count = (count - 1) // 2
    store_i64(bump + NEXT_NS, load_i64(heap + RELEASE))
    if VERIFY:
        assert load_i64(heap + RELEASE) <= release, "the head is released first"


@kernel
def leave_bump(bump: int, order: int) -> int:
    """The next command whose time has come, at the time of the one that came, leaves, with that
    one's sequence: 1 if it goes on, 2 if it was withdrawn, 0 if there is none."""
    now = max(load_i64(bump + NOW_NS), load_i64(order + _RX))
    store_i64(bump + NOW_NS, now)
    if load_i64(bump + NEXT_NS) > now:
        return 0
    count, heap = load_i64(bump + WAITING) - 1, bump + load_i64(bump + HEAP_AT)
    seq, place = load_i64(heap + SEQ), load_i64(heap + PLACE)
    store_i64(bump + FIGURE_SEQ, seq)
    store_i64(bump + FIGURE_PLACE, place)
    store_i64(bump + FIGURE_RELEASE, load_i64(heap + RELEASE))
    withdrawn = load_i64(heap + WITHDRAWN)
    record = bump + FIGURE_RECORD
    copy64(record, bump + load_i64(bump + RECORDS_AT) + place * RECORD_BYTES)
    store_i64(record + _SEQ, load_i64(order + _SEQ))
    if VERIFY:
        release = load_i64(heap + RELEASE)
        assert count >= 0, "what leaves was waiting"
    swap(heap, 0, count)
    free = heap + count * ENTRY_BYTES
    store_i64(free + RELEASE, 0)
    store_i64(free + SEQ, 0)
    store_i64(bump + WAITING, count)
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and is_before(heap, child + 1, child):
            child += 1
        if not is_before(heap, child, at):
            break
        swap(heap, child, at)
        at = child
    store_i64(bump + NEXT_NS, load_i64(heap + RELEASE) if count > 0 else NEVER)
    if VERIFY:
        assert load_i64(bump + NEXT_NS) >= release, "what waits on leaves no earlier"
    return 2 if withdrawn != 0 else 1


@kernel_outlined
def withdraw(bump: int, participant: int, symbol: int) -> None:
    """What waits of a participant (0: of anybody), of a symbol (0: of any), does not enter: it is
    refused when its time has come."""
    not_inlined()
    heap, records = bump + load_i64(bump + HEAP_AT), bump + load_i64(bump + RECORDS_AT)
    for index in range(load_i64(bump + WAITING)):
        entry = heap + index * ENTRY_BYTES
        record = records + load_i64(entry + PLACE) * RECORD_BYTES
        whose = participant in (0, load_u16(record + _PARTICIPANT))
        if whose and symbol in (0, load_i64(record + _SYMBOL)):
            store_i64(entry + WITHDRAWN, 1)


@kernel_outlined
def set_bump(bump: int, delay: int, window: int, seed: int, now: int) -> bool:
    """Another delay counts for what comes from now on.  A clock that was set back since the last
    run takes back what waits; False, and nothing changed, for what makes no sense."""
    not_inlined()
    if min(delay, window) < 0 or max(delay, window) > MAX_DELAY_NS:
        return False
    back = load_i64(bump + NOW_NS) - now
    if back > SET_BACK_NS:
        store_i64(bump + NOW_NS, now)
        heap, last = bump + load_i64(bump + HEAP_AT), bump + load_i64(bump + LAST_AT)
        for index in range(load_i64(bump + WAITING)):
            entry = heap + index * ENTRY_BYTES
            store_i64(entry + RELEASE, load_i64(entry + RELEASE) - back)
        for index in range(load_i64(bump + PARTICIPANTS)):
            store_i64(last + 8 * index, max(0, load_i64(last + 8 * index) - back))
        if load_i64(bump + WAITING) > 0:
            store_i64(bump + NEXT_NS, load_i64(heap + RELEASE))
    store_i64(bump + DELAY_NS, delay)
    store_i64(bump + WINDOW_NS, window)
    store_i64(bump + SEED, seed)
    return True
