"""What the feed remembers between two events: one block of memory, by address, for the kernels.

A header, a row an instrument, a row an open order (displayed or not), and a hash table from
(instrument, order id) to the row.  Nothing of it is ever sent: what a subscriber may know is in
``REF``, ``SHOWN`` and ``SHOWN_PRICE`` of a row, the rest is what the next event needs.
"""

from openoutcry.wire.feed_messages import SYMBOL_BYTES
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, U32s, area, i64, u8, u16
from openoutcry.wire.memory import (
    add_wrapping,
    mul_wrapping,
    shift_right,
    store_i64,
)


class FeedState(Layout):
    """The header of the feed's state."""

    messages: int = i64("messages of the session so far; the number of the last one")
    event_seq: int = i64("last event that was encoded")
    instruments: int = i64("address of a word an instrument: address of its row, 0: none")
    instrument_count: int = i64("instruments")
    rows: int = i64("address of the orders' rows")
    free: int = i64("first free row, 0: none")
    used: int = i64("rows used so far")
    capacity: int = i64("rows that there are")
    table: int = i64("address of the hash table of orders")
    table_mask: int = i64("its entries, less one")
    key: int = i64("secret odd number of its hash")
    pending_first: int = i64("first order whose change was not published yet, 0: none")
    pending_last: int = i64("and the last")
    pending_count: int = i64("how many there are")
    moving_count: int = i64("of these, how many are still displayed where they were")
    cross_instrument: int = i64("instrument whose auction is at work")
    cross_qty: int = i64("lots of the auction so far")
    cross_price: int = i64("its price")
    cross_match: int = i64("its match number")
    phase_instrument: int = i64("instrument whose phase changes")
    closed_count: int = i64("instruments that are CLOSED")
    closing_count: int = i64("instruments that are CLOSED or past continuous trading")
    in_hours: int = i64("1: market hours have begun")
    begun: int = i64("1: the session has begun")
    error: int = i64("FULL, MISSING or SEQUENCE; 0: none")
    error_seq: int = i64("event that it came with")
    now: int = i64("time of the command at work, ns since midnight")
    phases: int = i64("address of the table of phases")
    midnight: int = i64("midnight of ``now``, ns since the epoch")
    clamped: int = i64("values that their fields could not hold")
    clamped_seq: int = i64("event of the first of them")
    session: int = i64("number of the session, from 1; ``messages`` 0: it has not begun")
    messages_before: int = i64("messages of the session before")
    ends: int = i64("1: the command at work closes the last instrument")
    encoded: int = i64("events encoded by the last call; the end of a session ends the call")
    key_instrument: int = i64("secret odd number by which instruments enter the hash")
    key_shift: int = i64("shift of the hash")
    level_1: int = i64("level 1 of the market-wide breaker, of the index; all three 0: no levels")
    level_2: int = i64("level 2")
    level_3: int = i64("level 3")
    breached: int = i64("highest of them that was published today")
    killed: int = i64("1: the operator has killed the whole market")
    first_operator: int = i64("operator who first requested its reopening")
    directory: int = i64("address of the instruments' rows for the order book directory")
    staged_lot: int = i64("lots of a round lot from the next INSTRUMENT_APPLY on, 0: as before")
    staged_band: int = i64("the price band from then on, and 1; 0: as before")
    staged_symbol: int = i64("the symbol of a slot from then on, 0: as before")


MESSAGES = FeedState.offset("messages")
BEGUN = FeedState.offset("begun")
ENDS = FeedState.offset("ends")
LEVEL_1 = FeedState.offset("level_1")
LEVEL_2 = FeedState.offset("level_2")
LEVEL_3 = FeedState.offset("level_3")

PLACES, AHEAD = 384, 8
"""Where the searches for the next AHEAD events' orders begin, in a ring of twice as many words."""
HEADER_BYTES = PLACES + 2 * 8 * AHEAD


class FeedInstrument(Layout, size_bytes=104):
    """An instrument's row."""

    symbol: int = i64("padded with spaces")
    locate: int = i64("its number in messages")
    scale: int = i64("a tick in ten-thousandths")
    round_lot: int = i64("lots of a round lot")
    phase: int = i64("phase")
    band: int = i64("price band of its class")
    reference: int = i64("reference price, ticks")
    extension: int = i64("how often its auction was put off")
    cross_type: int = i64("letter of the auction that comes")
    price_max: int = i64("highest price, in ticks, that a message can say")
    cause: int = i64("why the protection paused it, and from bit 8 on the breaker's level")
    halted: int = i64("by the operator: NO_REASON, or the reason's letters")
    stopped: int = i64(
        "bit 0: the last h said that it is halted; from bit 8 on: the InstrumentState that the "
        "operator has put it in, 0: it trades"
    )


INSTRUMENT_BYTES = FeedInstrument.size_bytes
SYMBOL = FeedInstrument.offset("symbol")

NO_REASON = -1
STATE_SHIFT = 8


class DirectoryRow(Layout, size_bytes=40):
    """Data of an instrument in the order book directory."""

    price_decimals: int = i64("decimals of its prices; 0: R says all, and none is sent")
    symbol: int = area(SYMBOL_BYTES, "its symbol, padded with spaces")


DIRECTORY_BYTES = DirectoryRow.size_bytes
DIRECTORY_SYMBOL = DirectoryRow.offset("symbol")


class PhaseRow(Layout, size_bytes=24):
    """A row of the table of phases."""

    state_letter: int = i64("trading state that H says")
    reason: int = i64("its reason, four characters")
    cross_letter: int = i64("type of the auction that ends the phase, 0: none")


PHASE_BYTES = PhaseRow.size_bytes


class FeedOrder(Layout, size_bytes=128):
    """An order's row; what most orders never need lies in its second cache line."""

    order_id: int = i64("the client's")
    word: int = i64("``instrument``, ``side`` and ``flags`` as one")
    instrument: int = u16("instrument", at=8)
    side: int = u8("side")
    flags: int = u8("HIDDEN to SLICED")
    price: int = i64("price, ticks", at=16)
    leaves: int = i64("open lots")
    placed: int = i64("event that put it at its place; of a free row: the next free one")
    ref: int = i64("its number in public, 0 while nothing is displayed")
    shown: int = i64("lots that were published")
    shown_price: int = i64("price that was published")
    slice: int = i64("of an iceberg: open lots of its slice")
    display: int = i64("and lots of its next slices")
    next: int = i64("next of the pending orders")
    previous: int = i64("and the one before")


ROW_BYTES = FeedOrder.size_bytes
PRICE = FeedOrder.offset("price")
SLICE = FeedOrder.offset("slice")

HIDDEN, WAITING, PENDING, RENEWED, SLICED = 1, 2, 4, 8, 16
"""RENEWED: it gets a new number though its place has not changed."""
NONE = 0xFFFFFFFF

FULL, MISSING, SEQUENCE = 1, 2, 3
"""ERROR: no room for another order; an event about no open order; not the next event."""


@kernel_outlined
def clamped(state: FeedState, value: int, most: int) -> int:
    """The nearest of 0 to ``most``; that it is not the value itself is counted."""
    if state.clamped == 0:
        state.clamped_seq = state.event_seq
    state.clamped += 1
    return min(max(value, 0), most)


@kernel
def place_of(state: FeedState, instrument: int, order_id: int) -> int:
    """Return where the search for an order begins.  Because of the key, no participant can
    choose it."""
    # Multiply-shift by a secret odd number: the chance that two blocks of sixteen ids collide is at
    # most twice that of a random choice.  The ids of a block share two cache lines, as most of them
    # are made and used together.  A free place after each ends most searches, and most removals, at
    # once.
    block = add_wrapping(order_id >> 4, mul_wrapping(instrument, state.key_instrument))
    mixed = shift_right(mul_wrapping(block, state.key), state.key_shift)
    return (mixed & ~31 | (order_id & 15) << 1) & state.table_mask


@kernel
def place_holding(state: FeedState, place: int, instrument: int, order_id: int) -> int:
    """The place that has an open order's row or, of no open order, the free one where it would be.
    ``place``: where the search begins (:func:`place_of`)."""
    table, mask = state.table, state.table_mask
    rows = state.rows
    number = U32s(table)[place]
    while number != 0:
        row = FeedOrder(rows + ROW_BYTES * number)
        if row.order_id == order_id and row.instrument == instrument:
            break
        place = (place + 1) & mask
        number = U32s(table)[place]
    return place


@kernel
def row_at(state: FeedState, place: int) -> FeedOrder:
    """Address of the row that a place has, 0 if it is free."""
    number = U32s(state.table)[place]
    return FeedOrder(state.rows + ROW_BYTES * number if number != 0 else 0)


@kernel
def find(state: FeedState, instrument: int, order_id: int) -> FeedOrder:
    """Address of an open order's row, or 0."""
    place = place_of(state, instrument, order_id)
    return row_at(state, place_holding(state, place, instrument, order_id))


@kernel
def insert_at(state: FeedState, place: int, instrument: int, order_id: int, side: int) -> FeedOrder:
    """Address of a new order's row, 0 if there is no room; what follows its WORD is not cleared.
    ``place``: where the search for it begins.  Row 0 means no row."""
    if VERIFY:
        assert find(state, instrument, order_id) == 0, "an order is open once"
    number = state.free
    rows = state.rows
    if number != 0:
        state.free = FeedOrder(rows + ROW_BYTES * number).placed
    else:
        number = state.used + 1
        if number > state.capacity:
            return FeedOrder(0)
        state.used = number
    table, mask = state.table, state.table_mask
    while U32s(table)[place] != 0:
        place = (place + 1) & mask
    U32s(table)[place] = number
    row = FeedOrder(rows + ROW_BYTES * number)
    if VERIFY:
        assert number <= state.used, "a free row was used before"
        assert row.ref == 0, "of a free row the public knows nothing"
        assert row.flags & PENDING == 0, "a free row is on no list"
    row.order_id = order_id
    row.word = instrument | side << 16
    return row


@kernel
def insert(state: FeedState, instrument: int, order_id: int, side: int) -> FeedOrder:
    """Address of a new order's row, 0 if there is no room."""
    row = insert_at(state, place_of(state, instrument, order_id), instrument, order_id, side)
    if row != 0:
        for at in range(PRICE, SLICE, 8):
            store_i64(row + at, 0)
    return row


@kernel
def remove_at(state: FeedState, place: int) -> None:
    """Forget the order whose row a place has; what was pushed aside by it moves back."""
    table, mask = state.table, state.table_mask
    rows, hole = state.rows, place
    number = U32s(table)[hole]
    row = FeedOrder(rows + ROW_BYTES * number)
    if VERIFY:
        instrument, order_id = row.instrument, row.order_id
        assert find(state, instrument, order_id) == row, "an order goes once"
        assert row.flags & PENDING == 0, "a pending order is not forgotten"
    at = (hole + 1) & mask
    other = U32s(table)[at]
    while other != 0:
        moved = FeedOrder(rows + ROW_BYTES * other)
        home = place_of(state, moved.instrument, moved.order_id)
        if ((at - home) & mask) >= ((at - hole) & mask):
            U32s(table)[hole] = other
            hole = at
        at = (at + 1) & mask
        other = U32s(table)[at]
    U32s(table)[hole] = 0
    row.ref = 0
    row.placed = state.free
    state.free = number
    if VERIFY:
        assert find(state, instrument, order_id) == 0, "what is taken out is found no more"


@kernel
def remove(state: FeedState, row: FeedOrder) -> None:
    """Forget an order."""
    instrument, order_id = row.instrument, row.order_id
    place = place_of(state, instrument, order_id)
    remove_at(state, place_holding(state, place, instrument, order_id))


# Orders to be published at the end of the command: a list by PLACED.


@kernel
def unlink(state: FeedState, row: FeedOrder) -> None:
    """Take an order off the list; nothing if it is not there."""
    flags = row.flags
    if flags & PENDING == 0:
        return
    row.flags = flags & ~(PENDING | RENEWED)
    before, behind = FeedOrder(row.previous), FeedOrder(row.next)
    if VERIFY:
        following = before.next if before != 0 else state.pending_first
        preceding = behind.previous if behind != 0 else state.pending_last
        assert following == row, "the list leads to it forwards"
        assert preceding == row, "and backwards"
        assert state.pending_count > 0, "what is on the list was counted"
    if before != 0:
        before.next = behind
    else:
        state.pending_first = behind
    if behind != 0:
        behind.previous = before
    else:
        state.pending_last = before
    state.pending_count -= 1
    if row.ref != 0:
        state.moving_count -= 1


@kernel
def link(state: FeedState, row: FeedOrder, flags: int) -> None:
    """Put an order on the list, after all that were placed before it."""
    if VERIFY:
        is_empty = state.pending_first == 0
        assert row.flags & PENDING == 0, "an order is on the list once"
        assert (state.pending_last == 0) == is_empty, "both ends or none"
        assert (state.pending_count == 0) == is_empty, "an empty list counts none"
    before = FeedOrder(state.pending_last)
    while before != 0 and before.placed > row.placed:
        before = FeedOrder(before.previous)
    behind = FeedOrder(before.next if before != 0 else state.pending_first)
    row.previous = before
    row.next = behind
    if before != 0:
        before.next = row
    else:
        state.pending_first = row
    if behind != 0:
        behind.previous = row
    else:
        state.pending_last = row
    row.flags = row.flags | PENDING | flags
    state.pending_count += 1
    if row.ref != 0:
        state.moving_count += 1


@kernel_outlined
def listed_by_place(state: FeedState) -> int:
    """All displayed orders by PLACED, linked by NEXT; returns the first one's row, or 0.  Call it
    only when no order is pending."""
    rows, first = state.rows, FeedOrder(0)
    for number in range(state.used, 0, -1):
        row = FeedOrder(rows + ROW_BYTES * number)
        if row.ref != 0:
            row.next = first
            first = row
    width, merges = 1, 2
    while merges > 1:  # a merge sort from below: each pass joins runs of ``width``
        merges, left, tail = 0, first, FeedOrder(0)
        first = FeedOrder(0)
        while left != 0:
            merges += 1
            right, left_count = left, 0
            while left_count < width and right != 0:
                right = FeedOrder(right.next)
                left_count += 1
            right_count = width
            while left_count > 0 or (right_count > 0 and right != 0):
                from_left = right_count == 0 or right == 0
                if not from_left and left_count > 0:
                    from_left = left.placed <= right.placed
                row = left if from_left else right
                if from_left:
                    left, left_count = FeedOrder(left.next), left_count - 1
                else:
                    right, right_count = FeedOrder(right.next), right_count - 1
                if tail != 0:
                    tail.next = row
                else:
                    first = row
                tail = row
            left = right
        if tail != 0:
            tail.next = 0
        width *= 2
    return first
