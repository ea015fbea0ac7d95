"""The speed bump's queue: what enters waits, and is let in by (release time, sequence).

A block of the risk state: figures of the current command, a heap, the commands that wait, and when
each participant's last command is released.  With a window, a part of the delay is drawn from a
seed, so a lead of a nanosecond does not decide which command comes first.  A participant's commands
never overtake each other.  A slow reference is in ``reference_bump.py``.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, Words, i64
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    load_i64,
    mul_wrapping,
    not_inlined,
    store_i64,
)
from openoutcry.wire.record_blocks import OrderRecord


class SpeedBump(Layout, size_bytes=256):
    """The header of the speed bump's block."""

    figure_verdict: int = i64("what a call reports in addition to its result: the verdict,")
    figure_seq: int = i64("the command's sequence,")
    figure_place: int = i64("its place")
    figure_release: int = i64("and when it is released")
    figure_record: int = i64("the command that enters", at=64)
    delay_ns: int = i64("shortest delay", at=128)
    window_ns: int = i64("how much longer it may be, by lot")
    seed: int = i64("secret seed of the lots")
    capacity: int = i64("places")
    waiting: int = i64("commands that wait")
    now_ns: int = i64("latest time of receipt")
    next_ns: int = i64("when the first command is released, NEVER if none waits")
    participants: int = i64("words of ``last_at``")
    last_at: int = i64("offset of a word a participant: when its last command is released")
    heap_at: int = i64("offset of the heap; from ``waiting`` on its entries are free places")
    records_at: int = i64("offset of the places' records")
    holds_terms: int = i64("1: TERMS wait, as the NEW does that they are about")
    promised: int = i64("places kept for the rest of the list or order that TERMS has begun")


HEADER_BYTES = SpeedBump.size_bytes
FIGURE_VERDICT = SpeedBump.offset("figure_verdict")
FIGURE_SEQ = SpeedBump.offset("figure_seq")
FIGURE_RELEASE = SpeedBump.offset("figure_release")
FIGURE_RECORD = SpeedBump.offset("figure_record")
DELAY_NS = SpeedBump.offset("delay_ns")
WINDOW_NS = SpeedBump.offset("window_ns")
SEED = SpeedBump.offset("seed")
CAPACITY = SpeedBump.offset("capacity")
WAITING = SpeedBump.offset("waiting")
NOW_NS = SpeedBump.offset("now_ns")
NEXT_NS = SpeedBump.offset("next_ns")
PARTICIPANTS = SpeedBump.offset("participants")
LAST_AT = SpeedBump.offset("last_at")
HEAP_AT = SpeedBump.offset("heap_at")
RECORDS_AT = SpeedBump.offset("records_at")
HOLDS_TERMS = SpeedBump.offset("holds_terms")
PROMISED = SpeedBump.offset("promised")

NEVER = 2**63 - 1
WAIT_FOR_THEIR_NEW = 1
"""``holds_terms`` of a venue.  In journals of earlier builds it is 0, and TERMS enter at once."""


class HeapEntry(Layout, size_bytes=32):
    """An entry of the heap of commands that wait."""

    release: int = i64("when it is released, ns since the epoch")
    seq: int = i64("the command's sequence")
    place: int = i64("its place")
    withdrawn: int = i64("1: its participant has cancelled it")


PLACE = HeapEntry.offset("place")

ENTRY_BYTES, RECORD_BYTES = 32, 64
MAX_DELAY_NS = 10**12
SET_BACK_NS = 10_000_000
"""A clock that was set back further than lanes can be apart: what waits goes back with it."""
FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST_FACTOR, SECOND_FACTOR = FACTORS


def block_bytes(capacity: int, participants: int) -> int:
    """Return the size of a queue for ``capacity`` commands, in bytes."""
    last = -(-8 * participants // 64) * 64
    return HEADER_BYTES + last + capacity * (ENTRY_BYTES + RECORD_BYTES)


def enter_block(words: npt.NDArray[np.int64], at: int, capacity: int, participants: int) -> None:
    """Make the zeroed bytes from ``at`` on an empty queue without delay."""
    block = words[at // 8 : (at + block_bytes(capacity, participants)) // 8]
    heap_at = HEADER_BYTES + -(-8 * participants // 64) * 64
    records_at = heap_at + capacity * ENTRY_BYTES
    values = {
        CAPACITY: capacity,
        NEXT_NS: NEVER,
        PARTICIPANTS: participants,
        LAST_AT: HEADER_BYTES,
        HEAP_AT: heap_at,
        RECORDS_AT: records_at,
    }
    for word, value in values.items():
        block[word // 8] = value
    block[heap_at // 8 : records_at // 8].reshape(-1, 4)[:, PLACE // 8] = np.arange(capacity)


@kernel
def drawn(seed: int, seq: int, window: int) -> int:
    """Return a command's random delay, from 0 to below ``window`` (SplitMix64 of seed and
    sequence)."""
    mixed = add_wrapping(seed, mul_wrapping(seq, GOLDEN))
    mixed = mul_wrapping(mixed ^ ((mixed >> 30) & ((1 << 34) - 1)), FIRST_FACTOR)
    mixed = mul_wrapping(mixed ^ ((mixed >> 27) & ((1 << 37) - 1)), SECOND_FACTOR)
    return ((mixed >> 2) & ((1 << 62) - 1)) % window


@kernel
def is_before(heap: int, a: int, b: int) -> bool:
    """Return whether entry ``a`` of the heap is released before entry ``b``; at the same time,
    by sequence number."""
    one, other = HeapEntry(heap + a * ENTRY_BYTES), HeapEntry(heap + b * ENTRY_BYTES)
    first, second = one.release, other.release
    return first < second or (first == second and one.seq < other.seq)


@kernel
def swap(heap: int, a: int, b: int) -> None:
    """Exchange two entries of the heap."""
    one, other = heap + a * ENTRY_BYTES, heap + b * ENTRY_BYTES
    for word in range(0, ENTRY_BYTES, 8):
        kept = load_i64(one + word)
        store_i64(one + word, load_i64(other + word))
        store_i64(other + word, kept)


@kernel
def release_of(bump: SpeedBump, order: OrderRecord) -> int:
    """Return when a command is released: not before its participant's last one."""
    release, window = order.rx_ts_ns + bump.delay_ns, bump.window_ns
    if window != 0:
        release += drawn(bump.seed, order.seq, window)
    last = bump + bump.last_at + 8 * order.participant
    return max(release, load_i64(last))


@kernel
def enter_bump(bump: SpeedBump, order: OrderRecord, release: int) -> None:
    """A command waits until ``release``; FIGURE_PLACE is its place.  There is room."""
    count, heap = bump.waiting, HeapEntry(bump + bump.heap_at)
    if VERIFY:
        assert 0 <= count < bump.capacity, "no more wait than there is room for"
        assert order.seq > 0, "sequences begin at 1"
    entry = HeapEntry(heap + count * ENTRY_BYTES)
    place = entry.place
    entry.release = release
    entry.seq = order.seq
    entry.withdrawn = 0
    copy64(bump + bump.records_at + place * RECORD_BYTES, order)
    last = bump + bump.last_at + 8 * order.participant
    store_i64(last, release)
    bump.figure_place = place
    bump.figure_release = release
    bump.waiting = count + 1
    while count > 0 and is_before(heap, count, (count - 1) // 2):
        swap(heap, count, (count - 1) // 2)
        count = (count - 1) // 2
    bump.next_ns = heap.release
    if VERIFY:
        assert heap.release <= release, "the head is released first"


@kernel
def leave_bump(bump: SpeedBump, order: OrderRecord) -> int:
    """Release the next due command, at the time and with the sequence of ``order``.  Returns 1 if
    it continues, 2 if it was withdrawn, and 0 if no command is due."""
    now = max(bump.now_ns, order.rx_ts_ns)
    bump.now_ns = now
    if bump.next_ns > now:
        return 0
    count, heap = bump.waiting - 1, HeapEntry(bump + bump.heap_at)
    seq, place = heap.seq, heap.place
    bump.figure_seq = seq
    bump.figure_place = place
    bump.figure_release = heap.release
    withdrawn = heap.withdrawn
    record = OrderRecord(bump + FIGURE_RECORD)
    copy64(record, bump + bump.records_at + place * RECORD_BYTES)
    record.seq = order.seq
    if VERIFY:
        release = heap.release
        assert count >= 0, "what leaves was waiting"
    swap(heap, 0, count)
    free = HeapEntry(heap + count * ENTRY_BYTES)
    free.release = 0
    free.seq = 0
    bump.waiting = count
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and is_before(heap, child + 1, child):
            child += 1
        if not is_before(heap, child, at):
            break
        swap(heap, child, at)
        at = child
    bump.next_ns = heap.release if count > 0 else NEVER
    if VERIFY:
        assert bump.next_ns >= release, "what waits on leaves no earlier"
    return 2 if withdrawn != 0 else 1


@kernel_outlined
def withdraw(bump: SpeedBump, participant: int, symbol: int) -> None:
    """Withdraw the waiting commands of a participant (0: of all), in a symbol (0: in all): each is
    refused when its time has come."""
    not_inlined()
    heap, records = bump + bump.heap_at, bump + bump.records_at
    for index in range(bump.waiting):
        entry = HeapEntry(heap + index * ENTRY_BYTES)
        record = OrderRecord(records + entry.place * RECORD_BYTES)
        whose = participant in (0, record.participant)
        if whose and symbol in (0, record.symbol):
            entry.withdrawn = 1


@kernel_outlined
def set_bump(
    bump: SpeedBump, delay: int, window: int, seed: int, holds_terms: int, now: int
) -> bool:
    """Set another delay, which counts for later commands, and whether TERMS wait. A clock that was
    set back since the last run takes back waiting commands; False, and nothing changed, for invalid
    values."""
    not_inlined()
    if min(delay, window) < 0 or max(delay, window) > MAX_DELAY_NS or holds_terms >> 1 != 0:
        return False
    back = bump.now_ns - now
    if back > SET_BACK_NS:
        bump.now_ns = now
        heap, last = HeapEntry(bump + bump.heap_at), bump + bump.last_at
        for index in range(bump.waiting):
            entry = HeapEntry(heap + index * ENTRY_BYTES)
            entry.release -= back
        for index in range(bump.participants):
            Words(last)[index] = max(0, Words(last)[index] - back)
        if bump.waiting > 0:
            bump.next_ns = heap.release
    bump.delay_ns = delay
    bump.window_ns = window
    bump.seed = seed
    bump.holds_terms = holds_terms
    return True
