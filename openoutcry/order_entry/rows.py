"""Order rows: what a session knows of each of its orders, 256 bytes each, in shared memory.

An order of a session has a *number*, which always counts up over all sessions; the core knows it as
``ORDER_BIT | number``, a leg of a list as ``LEG_BITS | number``.  Its row is the number's low bits.
A number whose row still holds a live order is skipped.  A replace that brings a new token takes a
new row for it.  The core's order stays
the same, and its first row (the root) says which row is the current one.

Two writers take turns in one process.  The inbound side fills a row before its command is sent
(:func:`take_row`); the outbound side keeps its quantities as of the event that is being reported.
Neither writes the fields of a live row that the other writes.  So a row is the same function of the
journal however far one side runs ahead of the other.
"""

from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, U32s, area, i64, u8, u16, u32
from openoutcry.wire.memory import (
    load_u32,
    store_i64,
    store_u32,
)
from openoutcry.wire.order_ids import LEG_ORDER_IDS, SESSION_ORDER_IDS
from openoutcry.wire.order_types import STOPS, TRAILING, UNPRICED, type_bits
from openoutcry.wire.record_blocks import OrderRecord

STOPS_WITHOUT_PRICE = type_bits(STOPS) & type_bits(UNPRICED) & ~type_bits(TRAILING)


class OrderRow(Layout, size_bytes=256):
    """A session's data of an order."""

    order_id: int = i64("the core's")
    qty: int = i64("quantity, lots")
    leaves: int = i64("open lots, as of the last event reported")
    price: int = i64("price, ticks")
    cum: int = i64("executed lots")
    cum_value: int = i64("their value, lots times ticks")
    aux: int = i64("second price, quantity or time")
    symbol: int = i64("as it is in a record")
    session: int = u16("index of the session")
    protocol: int = u8("a ``Protocol``")
    state: int = u8("FREE, SENT, OPEN, DONE")
    side: int = u8("Side")
    order_type: int = u8("OrderType")
    time_in_force: int = u8("TimeInForce")
    token_bytes: int = u8("length of the token")
    client_seq: int = i64("the client's own number of the message")
    token: int = area(40, "the client's name of the order")
    own: int = area(24, "the protocol's own")
    chain: int = i64("number of the order that this one replaced, 0: none")
    instrument: int = u16("instrument index")
    flags: int = u16("the protocol's own")
    was_rejected: int = u16("1: the core rejected what the row was for")
    has_expired: int = u16("1: the order ended because its time was over")
    more: int = area(40, "the protocol's own")
    waits: int = u16("1: it was reported that the new order waits at the speed bump")
    participant: int = u16("whose order it is")
    leg_next: int = u32("place, from 1, of the next order of its list; 0: it is of none")
    is_quote: int = u16("1: a side of a quote, which goes by participant, instrument and side")
    unused: int = area(6, "0")
    next: int = u32("place, from 1, of the next of its session's live rows, oldest first; 0: none")
    previous: int = u32("of the one before")
    replaced_by: int = i64("number of the last replace of this row that was sent, 0: none")
    named_by: int = i64("lane sequence of the last command whose answer speaks of this row")
    number: int = i64("this row's")
    current: int = i64("in a root: number of the order's newest accepted row, 0: itself")


ROW_BYTES = OrderRow.size_bytes
NUMPY_NAMES = {
    "qty": "qty_lots",
    "leaves": "leaves_lots",
    "price": "price_ticks",
    "cum": "cum_lots",
    "was_rejected": "rejected",
    "has_expired": "expired",
}
ROW_DTYPE = OrderRow.dtype(NUMPY_NAMES, symbol="S8")


SYMBOL = OrderRow.offset("symbol")
TOKEN = OrderRow.offset("token")
OWN = OrderRow.offset("own")
MORE = OrderRow.offset("more")

NEXT, PREVIOUS = OrderRow.offset("next"), OrderRow.offset("previous")

FREE, SENT, OPEN, DONE = range(4)
"""``state``: never used; its command is under way; accepted by the core; nothing more will come."""

OVER = (
    1 << enum_numbers.REASON_DAY_END
    | 1 << enum_numbers.REASON_EXPIRED
    | 1 << enum_numbers.REASON_AUCTION_REST
)
"""Reasons of a cancellation that mean that an order's time is over."""
_CANCELLED, _EXPIRED = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_EXPIRED

ORDER_BIT, LEG_BITS = SESSION_ORDER_IDS, LEG_ORDER_IDS
NUMBER_MASK = (LEG_BITS ^ ORDER_BIT) - 1


@kernel
def row_of(rows: int, mask: int, number: int) -> OrderRow:
    """Address of the present or former row of the order ``number``. ``rows``: address of the
    rows."""
    return OrderRow(rows + ROW_BYTES * (number & mask))


@kernel
def is_live(row: OrderRow) -> bool:
    """Return whether the order was sent or is open."""
    state = row.state
    return SENT <= state <= OPEN


@kernel
def put_price(order: OrderRecord, row: OrderRow, trigger: int) -> None:
    """Give a replace of a stop without a price one, which the gateway wants and the matcher passes
    over: the order's, if it rests with one by now, else its trigger."""
    if order.price_ticks == 0 and (STOPS_WITHOUT_PRICE >> row.order_type) & 1 != 0:
        order.price_ticks = row.price if row.price > 0 else trigger


@kernel
def place_of(rows: int, row: int) -> int:
    """The row's place, from 1; 0 of no row."""
    return (row - rows) // ROW_BYTES + 1 if row != 0 else 0


@kernel
def row_at(rows: int, place: int) -> OrderRow:
    """Address of the row at a place, from 1; 0 at none."""
    return OrderRow(rows + ROW_BYTES * (place - 1) if place != 0 else 0)


@kernel
def first_row(rows: int, ends: int) -> OrderRow:
    """Address of the first row of the list whose ends are at ``ends``, or 0."""
    return row_at(rows, load_u32(ends))


@kernel
def next_row(rows: int, row: OrderRow) -> OrderRow:
    """Address of the row after this one in its session's list, 0 at the end."""
    return row_at(rows, row.next)


@kernel_outlined
def join_rows(rows: int, ends: int, row: OrderRow) -> None:
    """Put a row that begins to live at the end of its session's list. ``ends``: address of the
    list's ends, two places of four bytes."""
    last = U32s(ends)[1]
    row.next = 0
    row.previous = last
    U32s(ends)[1] = place_of(rows, row)
    store_u32(ends if last == 0 else row_at(rows, last) + NEXT, place_of(rows, row))


@kernel_outlined
def finish_row(rows: int, ends: int, row: OrderRow) -> None:
    """Finish a row: nothing more will come of it, so a live one leaves its session's list, in which
    sides of quotes never are."""
    if is_live(row) and row.is_quote == 0:
        following, previous = row.next, row.previous
        if VERIFY:
            mine = place_of(rows, row)
            before = ends if previous == 0 else row_at(rows, previous) + NEXT
            behind = ends + 4 if following == 0 else row_at(rows, following) + PREVIOUS
            assert load_u32(before) == mine, "the list of a session's rows leads to each"
            assert load_u32(behind) == mine, "from both sides"
        store_u32(ends if previous == 0 else row_at(rows, previous) + NEXT, following)
        store_u32(ends + 4 if following == 0 else row_at(rows, following) + PREVIOUS, previous)
    row.state = DONE


@kernel
def is_waiting(row: OrderRow) -> bool:
    """The new order waits at the speed bump, as far as was reported."""
    return row.state == SENT and row.waits != 0


@kernel
def is_expiry(kind: int, reason: int) -> bool:
    """The event ends an order whose time is over."""
    return kind == _EXPIRED or (kind == _CANCELLED and OVER >> reason & 1 != 0)


@kernel
def is_workable(rows: int, mask: int, row: OrderRow) -> bool:
    """Open and not replaced, or under way."""
    state = row.state
    if state == SENT:
        return True
    order_id = row.order_id
    return state == OPEN and current_row(rows, mask, order_id) == row


@kernel
def is_being_replaced(rows: int, mask: int, row: OrderRow) -> bool:
    """A replace of the order by this name is under way: if it is accepted, the name is over."""
    new = find_row(rows, mask, row.replaced_by)
    return new != 0 and new.state == SENT


@kernel
def next_number(rows: int, mask: int, last: int, answered_seq: int) -> int:
    """The first number after ``last`` whose row holds no live order, and none that an answer still
    to come speaks of; 0 if every row does.

    ``answered_seq``: commands of the lane before this one have been answered.
    """
    for number in range(last + 1, last + mask + 2):
        row = row_of(rows, mask, number)
        named_by = row.named_by
        if not is_live(row) and (named_by == 0 or named_by < answered_seq):
            return number
    return 0


@kernel
def is_under_way(row: OrderRow, answered_seq: int) -> bool:
    """Return whether an answer still to come speaks of the row.  ``answered_seq``: as in
    :func:`next_number`."""
    return row.named_by != 0 and row.named_by >= answered_seq


@kernel
def take_row(rows: int, mask: int, number: int) -> OrderRow:
    """Make the row of ``number`` an empty one, and say its number; returns its address."""
    row = row_of(rows, mask, number)
    if VERIFY:
        assert number > 0, "order numbers begin at 1"
        assert number > row.number, "numbers are counted up: a row's only grow"
        assert not is_live(row), "a live order keeps its row"
    for offset in range(0, ROW_BYTES, 8):
        store_i64(row + offset, 0)
    row.number = number
    return row


@kernel
def find_row(rows: int, mask: int, number: int) -> OrderRow:
    """Address of the row of the order ``number``, 0 if its row is another's by now."""
    row = row_of(rows, mask, number)
    if number <= 0 or row.number != number:
        return OrderRow(0)
    return row


@kernel
def current_row(rows: int, mask: int, order_id: int) -> OrderRow:
    """Address of the newest accepted row of a core order; 0 for an order without a session."""
    if order_id & ORDER_BIT == 0 or order_id < 0:
        return OrderRow(0)
    root = find_row(rows, mask, order_id & NUMBER_MASK)
    if root == 0:
        return OrderRow(0)
    current = root.current
    if current == 0:
        return root
    row = find_row(rows, mask, current)
    if VERIFY:
        assert current > root.number, "an order's later rows have higher numbers"
        assert row == 0 or row.order_id == order_id, "its current row is the order's"
        assert row == 0 or row.session == root.session, "and of the order's session"
    return row


@kernel_outlined
def reported_order(rows: int, mask: int, row: OrderRow) -> OrderRow:
    """Return the address of the row with the state of the order that has or had the name
    ``row``: that of its newest accepted name. Return 0 for a rejected replace, or if the name is
    no longer known."""
    if row == 0 or (row.state == SENT and row.chain == 0):
        return row
    root_number = row.order_id & NUMBER_MASK
    if row.was_rejected != 0:
        return OrderRow(row if root_number == row.number else 0)
    root = find_row(rows, mask, root_number)
    if root == 0:
        return OrderRow(row if row.replaced_by == 0 else 0)
    current = root.current
    return root if current == 0 else find_row(rows, mask, current)


@kernel_outlined
def pin_rows(rows: int, mask: int, row: OrderRow, lane_seq: int) -> None:
    """An answer still to come, to the command ``lane_seq``, speaks of the order that goes by the
    name of ``row``: every row stays by which it may go until then."""
    row.named_by = lane_seq
    order_id = row.order_id
    root = find_row(rows, mask, order_id & NUMBER_MASK)
    if root != 0:
        root.named_by = lane_seq
    newer = current_row(rows, mask, order_id)
    while newer != 0:
        newer.named_by = lane_seq
        newer = find_row(rows, mask, newer.replaced_by)
