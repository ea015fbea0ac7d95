"""What the feed remembers between two events: one block of memory, by address, for the kernels.

A header, a row an instrument, a row an open order (displayed or not), and a hash table from
(instrument, order id) to the row.  Nothing of it is ever sent: what a subscriber may know is in
``REF``, ``SHOWN`` and ``SHOWN_PRICE`` of a row, the rest is what the next event needs.
"""

from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    add_wrapping,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    mul_wrapping,
    shift_right,
    store_i64,
    store_u8,
    store_u32,
)

(
    MESSAGES,  # messages of the session so far: the number of the last one
    EVENT_SEQ,  # the last event
    INSTRUMENTS, INSTRUMENT_COUNT,
    ROWS, FREE, USED, CAPACITY,
    TABLE, TABLE_MASK, KEY,
    PENDING_FIRST, PENDING_LAST, PENDING_COUNT,
    MOVING_COUNT,  # of the pending ones, how many are still displayed where they were
    CROSS_INSTRUMENT, CROSS_QTY, CROSS_PRICE, CROSS_MATCH,
    PHASE_INSTRUMENT,
    CLOSED_COUNT,  # instruments that are CLOSED
    CLOSING_COUNT,  # and those that are that or past continuous trading
    IN_HOURS, BEGUN,
    ERROR, ERROR_SEQ,
    NOW,  # ns since midnight of the command at work
    PHASES,  # a table by phase
    MIDNIGHT,  # of NOW, ns since the epoch
    CLAMPED, CLAMPED_SEQ,  # values that their fields could not hold, and the first such event
    SESSION,  # number of the session, from 1; MESSAGES 0: it has not begun
    MESSAGES_BEFORE,  # of the session before
    ENDS,  # the command at work closes the last instrument
    ENCODED,  # events of the last call that were told: a session's end ends the call
    KEY_INSTRUMENT, KEY_SHIFT,
    LEVEL_1, LEVEL_2, LEVEL_3,  # the market-wide breaker's, of the index; all 0: there are none
    BREACHED,  # the highest of them that was told today
    KILLED, FIRST_OPERATOR,  # the whole market is; who has asked to open it again
) = range(0, 8 * 43, 8)  # fmt: skip
"""The header's words; INSTRUMENT words hold the address of an instrument's row, or 0."""
PLACES, AHEAD = 384, 8
"""Where the searches for the next AHEAD events' orders begin, in a ring of twice as many words."""
HEADER_BYTES = PLACES + 2 * 8 * AHEAD

# An instrument's row.
SYMBOL, LOCATE, SCALE, ROUND_LOT, PHASE, BAND, REFERENCE, EXTENSION = range(0, 64, 8)
"""SYMBOL padded with spaces; SCALE: a tick in ten-thousandths; EXTENSION: how often its auction was
put off."""
CROSS_TYPE, PRICE_MAX, CAUSE, HALTED, STOPPED = range(64, 104, 8)
"""PRICE_MAX: the highest price, in ticks, that a message can say; CAUSE: why the protection paused
it, and from bit 8 on the breaker's level; HALTED by the operator: NO_REASON, or the reason's
letters; STOPPED: the last h said so."""
NO_REASON = -1
INSTRUMENT_BYTES = 104

# A row of the table of phases.
STATE_LETTER, REASON, CROSS_LETTER = 0, 8, 16
PHASE_BYTES = 24

# An order's row.
ORDER_ID, WORD, PRICE, LEAVES, PLACED, REF, SHOWN, SHOWN_PRICE = range(0, 64, 8)
SLICE, DISPLAY, NEXT, PREVIOUS = range(64, 96, 8)
"""PLACED: the event that put it at its place (of a free row: the next free one); REF: its number in
public, 0 while nothing is shown; SHOWN and SHOWN_PRICE: what the public has been told.  What most
orders never need stands in a cache line of its own: an iceberg's SLICE and DISPLAY (SLICED), and
NEXT and PREVIOUS of the pending ones; it is not cleared for a new order."""
ROW_BYTES = 128
INSTRUMENT_AT, SIDE_AT, FLAGS_AT = WORD, WORD + 2, WORD + 3
HIDDEN, WAITING, PENDING, RENEWED, SLICED = 1, 2, 4, 8, 16
"""RENEWED: it gets a new number though its place has not changed."""
NONE = 0xFFFFFFFF

FULL, MISSING, SEQUENCE = 1, 2, 3
"""ERROR: no room for another order; an event about no open order; not the next event."""


@kernel_outlined
def clamped(state: int, value: int, most: int) -> int:
    """The nearest of 0 to ``most``; that it is not the value itself is counted."""
    if load_i64(state + CLAMPED) == 0:
        store_i64(state + CLAMPED_SEQ, load_i64(state + EVENT_SEQ))
    store_i64(state + CLAMPED, load_i64(state + CLAMPED) + 1)
    return min(max(value, 0), most)


@kernel
def place_of(state: int, instrument: int, order_id: int) -> int:
    """Where the search for an order begins.  The key makes it nobody's choice."""
    # Multiply-shift by a secret odd number: of any two blocks of sixteen ids the chance to fall
    # together is at most twice what lot gives them.  The ids of a block share two cache lines, as
    # most of them are made and used together; a free place behind each ends most searches, and most
    # removals, at once.
    block = add_wrapping(order_id >> 4, mul_wrapping(instrument, load_i64(state + KEY_INSTRUMENT)))
    mixed = shift_right(mul_wrapping(block, load_i64(state + KEY)), load_i64(state + KEY_SHIFT))
    return (mixed & ~31 | (order_id & 15) << 1) & load_i64(state + TABLE_MASK)


@kernel
def place_holding(state: int, place: int, instrument: int, order_id: int) -> int:
    """The place that has an open order's row or, of no open order, the free one where it would be.
    ``place``: where the search begins (:func:`place_of`)."""
    table, mask = load_i64(state + TABLE), load_i64(state + TABLE_MASK)
    rows = load_i64(state + ROWS)
    number = load_u32(table + 4 * place)
    while number != 0:
        row = rows + ROW_BYTES * number
        if load_i64(row + ORDER_ID) == order_id and load_u16(row + INSTRUMENT_AT) == instrument:
            break
        place = (place + 1) & mask
        number = load_u32(table + 4 * place)
    return place


@kernel
def row_at(state: int, place: int) -> int:
    """Address of the row that a place has, 0 if it is free."""
    number = load_u32(load_i64(state + TABLE) + 4 * place)
    return load_i64(state + ROWS) + ROW_BYTES * number if number != 0 else 0


@kernel
def find(state: int, instrument: int, order_id: int) -> int:
    """Address of an open order's row, 0 if there is none."""
    place = place_of(state, instrument, order_id)
    return row_at(state, place_holding(state, place, instrument, order_id))


@kernel
def insert_at(state: int, place: int, instrument: int, order_id: int, side: int) -> int:
    """Address of a new order's row, 0 if there is no room; what is behind its WORD is not cleared.
    ``place``: where the search for it begins.  Row 0 stands for none."""
    if VERIFY:
        assert find(state, instrument, order_id) == 0, "an order is open once"
    number = load_i64(state + FREE)
    rows = load_i64(state + ROWS)
    if number != 0:
        store_i64(state + FREE, load_i64(rows + ROW_BYTES * number + PLACED))
    else:
        number = load_i64(state + USED) + 1
        if number > load_i64(state + CAPACITY):
            return 0
        store_i64(state + USED, number)
    table, mask = load_i64(state + TABLE), load_i64(state + TABLE_MASK)
    while load_u32(table + 4 * place) != 0:
        place = (place + 1) & mask
    store_u32(table + 4 * place, number)
    row = rows + ROW_BYTES * number
    if VERIFY:
        assert number <= load_i64(state + USED), "a free row was used before"
        assert load_i64(row + REF) == 0, "of a free row the public knows nothing"
        assert load_u8(row + FLAGS_AT) & PENDING == 0, "a free row is on no list"
    store_i64(row + ORDER_ID, order_id)
    store_i64(row + WORD, instrument | side << 16)
    return row


@kernel
def insert(state: int, instrument: int, order_id: int, side: int) -> int:
    """Address of a new order's row, 0 if there is no room."""
    row = insert_at(state, place_of(state, instrument, order_id), instrument, order_id, side)
    if row != 0:
        for at in range(PRICE, SLICE, 8):
            store_i64(row + at, 0)
    return row


@kernel
def remove_at(state: int, place: int) -> None:
    """Forget the order whose row a place has; what was pushed aside by it moves back."""
    table, mask = load_i64(state + TABLE), load_i64(state + TABLE_MASK)
    rows, hole = load_i64(state + ROWS), place
    number = load_u32(table + 4 * hole)
    row = rows + ROW_BYTES * number
    if VERIFY:
        instrument, order_id = load_u16(row + INSTRUMENT_AT), load_i64(row + ORDER_ID)
        assert find(state, instrument, order_id) == row, "an order goes once"
        assert load_u8(row + FLAGS_AT) & PENDING == 0, "what is to be told of is not forgotten"
    at = (hole + 1) & mask
    other = load_u32(table + 4 * at)
    while other != 0:
        moved = rows + ROW_BYTES * other
        home = place_of(state, load_u16(moved + INSTRUMENT_AT), load_i64(moved + ORDER_ID))
        if ((at - home) & mask) >= ((at - hole) & mask):
            store_u32(table + 4 * hole, other)
            hole = at
        at = (at + 1) & mask
        other = load_u32(table + 4 * at)
    store_u32(table + 4 * hole, 0)
    store_i64(row + REF, 0)
    store_i64(row + PLACED, load_i64(state + FREE))
    store_i64(state + FREE, number)
    if VERIFY:
        assert find(state, instrument, order_id) == 0, "what is taken out is found no more"


@kernel
def remove(state: int, row: int) -> None:
    """Forget an order."""
    instrument, order_id = load_u16(row + INSTRUMENT_AT), load_i64(row + ORDER_ID)
    place = place_of(state, instrument, order_id)
    remove_at(state, place_holding(state, place, instrument, order_id))


# Orders that will be told of at the end of the command: a list by PLACED.


@kernel
def unlink(state: int, row: int) -> None:
    """Take an order off the list; nothing if it is not there."""
    flags = load_u8(row + FLAGS_AT)
    if flags & PENDING == 0:
        return
    store_u8(row + FLAGS_AT, flags & ~(PENDING | RENEWED))
    before, behind = load_i64(row + PREVIOUS), load_i64(row + NEXT)
    if VERIFY:
        following = load_i64(before + NEXT) if before != 0 else load_i64(state + PENDING_FIRST)
        preceding = load_i64(behind + PREVIOUS) if behind != 0 else load_i64(state + PENDING_LAST)
        assert following == row, "the list leads to it forwards"
        assert preceding == row, "and backwards"
        assert load_i64(state + PENDING_COUNT) > 0, "what is on the list was counted"
    if before != 0:
        store_i64(before + NEXT, behind)
    else:
        store_i64(state + PENDING_FIRST, behind)
    if behind != 0:
        store_i64(behind + PREVIOUS, before)
    else:
        store_i64(state + PENDING_LAST, before)
    store_i64(state + PENDING_COUNT, load_i64(state + PENDING_COUNT) - 1)
    if load_i64(row + REF) != 0:
        store_i64(state + MOVING_COUNT, load_i64(state + MOVING_COUNT) - 1)


@kernel
def link(state: int, row: int, flags: int) -> None:
    """Put an order on the list, behind all that were placed before it."""
    if VERIFY:
        is_empty = load_i64(state + PENDING_FIRST) == 0
        assert load_u8(row + FLAGS_AT) & PENDING == 0, "an order is on the list once"
        assert (load_i64(state + PENDING_LAST) == 0) == is_empty, "both ends or none"
        assert (load_i64(state + PENDING_COUNT) == 0) == is_empty, "an empty list counts none"
    before = load_i64(state + PENDING_LAST)
    while before != 0 and load_i64(before + PLACED) > load_i64(row + PLACED):
        before = load_i64(before + PREVIOUS)
    behind = load_i64(before + NEXT) if before != 0 else load_i64(state + PENDING_FIRST)
    store_i64(row + PREVIOUS, before)
    store_i64(row + NEXT, behind)
    if before != 0:
        store_i64(before + NEXT, row)
    else:
        store_i64(state + PENDING_FIRST, row)
    if behind != 0:
        store_i64(behind + PREVIOUS, row)
    else:
        store_i64(state + PENDING_LAST, row)
    store_u8(row + FLAGS_AT, load_u8(row + FLAGS_AT) | PENDING | flags)
    store_i64(state + PENDING_COUNT, load_i64(state + PENDING_COUNT) + 1)
    if load_i64(row + REF) != 0:
        store_i64(state + MOVING_COUNT, load_i64(state + MOVING_COUNT) + 1)


@kernel_outlined
def listed_by_place(state: int) -> int:
    """All displayed orders by PLACED, linked by NEXT: the first one's row, 0 if there is none.
    Only while none is pending."""
    rows, first = load_i64(state + ROWS), 0
    for number in range(load_i64(state + USED), 0, -1):
        row = rows + ROW_BYTES * number
        if load_i64(row + REF) != 0:
            store_i64(row + NEXT, first)
            first = row
    width, merges = 1, 2
    while merges > 1:  # a merge sort from below: each pass joins runs of ``width``
        merges, left, tail = 0, first, 0
        first = 0
        while left != 0:
            merges += 1
            right, left_count = left, 0
            while left_count < width and right != 0:
                right = load_i64(right + NEXT)
                left_count += 1
            right_count = width
            while left_count > 0 or (right_count > 0 and right != 0):
                from_left = right_count == 0 or right == 0
                if not from_left and left_count > 0:
                    from_left = load_i64(left + PLACED) <= load_i64(right + PLACED)
                row = left if from_left else right
                if from_left:
                    left, left_count = load_i64(left + NEXT), left_count - 1
                else:
                    right, right_count = load_i64(right + NEXT), right_count - 1
                if tail != 0:
                    store_i64(tail + NEXT, row)
                else:
                    first = row
                tail = row
            left = right
        if tail != 0:
            store_i64(tail + NEXT, 0)
        width *= 2
    return first
