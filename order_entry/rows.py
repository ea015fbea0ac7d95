"""Order rows: what a session knows of each of its orders, 256 bytes each, in shared memory.

An order of a session has a *number*, counted up for ever over all sessions; the core knows it as
``ORDER_BIT | number``.  Its row is the number's low bits; numbers whose row still holds a live
order are passed over.  A replace that brings a new token takes a new row for it: the core's order
stays the same one, whose own row (the root) says which row is the current one.

Two writers, by turns in one process: what comes in fills a row before its command is sent
(:func:`take_row`), what goes out keeps its quantities as of the event that is being told.  What the
one writes of a live row the other never does, so that a row is the same function of the journal
however far the one runs ahead of the other.
"""

import numpy as np

from openoutcry.wire.enums import EventKind, Reason
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    store_i64,
    store_u8,
    store_u32,
)
from openoutcry.wire.order_ids import SESSION_ORDER_IDS

ROW_BYTES = 256
ROW_DTYPE = np.dtype(
    [
        ("order_id", "<i8"), ("qty_lots", "<i8"), ("leaves_lots", "<i8"), ("price_ticks", "<i8"),
        ("cum_lots", "<i8"), ("cum_value", "<i8"), ("aux", "<i8"), ("symbol", "S8"),
        ("session", "<u2"), ("protocol", "u1"), ("state", "u1"), ("side", "u1"),
        ("order_type", "u1"), ("time_in_force", "u1"), ("token_bytes", "u1"),
        ("client_seq", "<i8"), ("token", "V40"), ("own", "V24"), ("chain", "<i8"),
        ("instrument", "<u2"), ("flags", "<u2"), ("rejected", "<u2"), ("expired", "<u2"),
        ("more", "V40"), ("waits", "<u2"), ("unused", "V14"), ("next", "<u4"), ("previous", "<u4"),
        ("replaced_by", "<i8"),
        ("named_by", "<i8"), ("number", "<i8"), ("current", "<i8"),
    ]
)  # fmt: skip
"""order_id: the core's · leaves_lots, cum_lots, cum_value (sum of price times quantity): as of the
last event told · state: see below · client_seq, token, own: the note's of the order · chain: number
of the order that this one replaced, 0 none · flags: the protocol's own · more: the same ·
replaced_by: number of the last replace of this row that was sent, 0 none · named_by: lane sequence
of the last command whose answer speaks of this row · number: this row's · current: in a root,
number of the order's newest accepted row, 0 itself · rejected: 1 if the core rejected what this row
was for · expired: 1 if the order ended because its time was over · waits: 1 once it was reported
that the new order waits at the speed bump, for as long as its state is SENT · next,
previous: places, from 1, of the neighbours among its session's live rows, oldest first; 0 none."""
assert ROW_DTYPE.itemsize == ROW_BYTES

_OFFSETS = {name: int(field[1]) for name, field in (ROW_DTYPE.fields or {}).items()}
ORDER_ID, QTY, LEAVES, PRICE = (
    _OFFSETS[n] for n in ("order_id", "qty_lots", "leaves_lots", "price_ticks")
)
CUM, CUM_VALUE, AUX, SYMBOL = (_OFFSETS[n] for n in ("cum_lots", "cum_value", "aux", "symbol"))
SESSION, PROTOCOL, STATE, SIDE = (_OFFSETS[n] for n in ("session", "protocol", "state", "side"))
ORDER_TYPE, TIME_IN_FORCE, TOKEN_BYTES, CLIENT_SEQ = (
    _OFFSETS[n] for n in ("order_type", "time_in_force", "token_bytes", "client_seq")
)
TOKEN, OWN, CHAIN, INSTRUMENT = (_OFFSETS[n] for n in ("token", "own", "chain", "instrument"))
FLAGS, MORE, REPLACED_BY, NAMED_BY, NUMBER, CURRENT = (
    _OFFSETS[n] for n in ("flags", "more", "replaced_by", "named_by", "number", "current")
)
WAS_REJECTED, HAS_EXPIRED, WAITS = (_OFFSETS[n] for n in ("rejected", "expired", "waits"))
NEXT, PREVIOUS = _OFFSETS["next"], _OFFSETS["previous"]

FREE, SENT, OPEN, DONE = range(4)
"""``state``: never used; its command is under way; accepted by the core; nothing more will come."""

OVER = 1 << int(Reason.DAY_END) | 1 << int(Reason.EXPIRED) | 1 << int(Reason.AUCTION_REST)
"""Reasons of a cancellation that mean that an order's time is over."""
_CANCELLED, _EXPIRED = int(EventKind.CANCELLED), int(EventKind.EXPIRED)

ORDER_BIT = SESSION_ORDER_IDS
NUMBER_MASK = ORDER_BIT - 1


@kernel
def row_of(rows: int, mask: int, number: int) -> int:
    """Address of the row where the order ``number`` stands or stood."""
    return rows + ROW_BYTES * (number & mask)


@kernel
def is_live(row: int) -> bool:
    state = load_u8(row + STATE)
    return SENT <= state <= OPEN


@kernel
def place_of(rows: int, row: int) -> int:
    """The row's place, from 1; 0 of no row."""
    return (row - rows) // ROW_BYTES + 1 if row != 0 else 0


@kernel
def row_at(rows: int, place: int) -> int:
    """Address of the row at a place, from 1; 0 at none."""
    return rows + ROW_BYTES * (place - 1) if place != 0 else 0


@kernel
def first_row(rows: int, ends: int) -> int:
    """Address of the first row of the list whose ends are at ``ends``, 0 if there is none."""
    return row_at(rows, load_u32(ends))


@kernel
def next_row(rows: int, row: int) -> int:
    """Address of the row behind this one in its session's list, 0 at the end."""
    return row_at(rows, load_u32(row + NEXT))


@kernel_outlined
def join_rows(rows: int, ends: int, row: int) -> None:
    """Put a row that begins to live at the end of its session's list."""
    last = load_u32(ends + 4)
    store_u32(row + NEXT, 0)
    store_u32(row + PREVIOUS, last)
    store_u32(ends + 4, place_of(rows, row))
    store_u32(ends if last == 0 else row_at(rows, last) + NEXT, place_of(rows, row))


@kernel_outlined
def finish_row(rows: int, ends: int, row: int) -> None:
    """Nothing more will come of the row: if it lived, it leaves its session's list."""
    if is_live(row):
        following, previous = load_u32(row + NEXT), load_u32(row + PREVIOUS)
        if VERIFY:
            mine = place_of(rows, row)
            before = ends if previous == 0 else row_at(rows, previous) + NEXT
            behind = ends + 4 if following == 0 else row_at(rows, following) + PREVIOUS
            assert load_u32(before) == mine, "the list of a session's rows leads to each"
            assert load_u32(behind) == mine, "from both sides"
        store_u32(ends if previous == 0 else row_at(rows, previous) + NEXT, following)
        store_u32(ends + 4 if following == 0 else row_at(rows, following) + PREVIOUS, previous)
    store_u8(row + STATE, DONE)


@kernel
def is_waiting(row: int) -> bool:
    """The new order waits at the speed bump, as far as was reported."""
    return load_u8(row + STATE) == SENT and load_u16(row + WAITS) != 0


@kernel
def is_expiry(kind: int, reason: int) -> bool:
    """The event ends an order whose time is over."""
    return kind == _EXPIRED or (kind == _CANCELLED and OVER >> reason & 1 != 0)


@kernel
def is_being_replaced(rows: int, mask: int, row: int) -> bool:
    """A replace of the order by this name is under way: if it is accepted, the name is over."""
    new = find_row(rows, mask, load_i64(row + REPLACED_BY))
    return new != 0 and load_u8(new + STATE) == SENT


@kernel
def next_number(rows: int, mask: int, last: int, answered_seq: int) -> int:
    """The first number after ``last`` whose row holds no live order, and none that an answer still
    to come speaks of; 0 if every row does.

    ``answered_seq``: commands of the lane before this one have been answered.
    """
    for number in range(last + 1, last + mask + 2):
        row = row_of(rows, mask, number)
        named_by = load_i64(row + NAMED_BY)
        if not is_live(row) and (named_by == 0 or named_by < answered_seq):
            return number
    return 0


@kernel
def take_row(rows: int, mask: int, number: int) -> int:
    """Make the row of ``number`` an empty one, and say its number; returns its address."""
    row = row_of(rows, mask, number)
    if VERIFY:
        assert number > 0, "order numbers begin at 1"
        assert number > load_i64(row + NUMBER), "numbers are counted up: a row's only grow"
        assert not is_live(row), "a live order keeps its row"
    for offset in range(0, ROW_BYTES, 8):
        store_i64(row + offset, 0)
    store_i64(row + NUMBER, number)
    return row


@kernel
def find_row(rows: int, mask: int, number: int) -> int:
    """Address of the row of the order ``number``, 0 if its row is another's by now."""
    row = row_of(rows, mask, number)
    if number <= 0 or load_i64(row + NUMBER) != number:
        return 0
    return row


@kernel
def current_row(rows: int, mask: int, order_id: int) -> int:
    """Address of the newest accepted row of a core order; 0 if it is no order of a session's."""
    if order_id & ORDER_BIT == 0 or order_id < 0:
        return 0
    root = find_row(rows, mask, order_id & NUMBER_MASK)
    if root == 0:
        return 0
    current = load_i64(root + CURRENT)
    if current == 0:
        return root
    row = find_row(rows, mask, current)
    if VERIFY:
        assert current > load_i64(root + NUMBER), "an order's later rows have higher numbers"
        assert row == 0 or load_i64(row + ORDER_ID) == order_id, "its current row is the order's"
        assert row == 0 or load_u16(row + SESSION) == load_u16(root + SESSION), "nobody else's"
    return row


@kernel_outlined
def told_row(rows: int, mask: int, row: int) -> int:
    """Address of the row that says how the order is that goes or went by the name of ``row``: that
    of its newest name, which a replace that still waits has not become; 0 for a replace that was
    rejected, or if nothing is known of it any more."""
    if row == 0 or (load_u8(row + STATE) == SENT and load_i64(row + CHAIN) == 0):
        return row
    root_number = load_i64(row + ORDER_ID) & NUMBER_MASK
    if load_u16(row + WAS_REJECTED) != 0:
        return row if root_number == load_i64(row + NUMBER) else 0
    root = find_row(rows, mask, root_number)
    if root == 0:
        return row if load_i64(row + REPLACED_BY) == 0 else 0
    current = load_i64(root + CURRENT)
    return root if current == 0 else find_row(rows, mask, current)


@kernel_outlined
def name_order(rows: int, mask: int, row: int, lane_seq: int) -> None:
    """An answer still to come, to the command ``lane_seq``, speaks of the order that goes by the
    name of ``row``: every row stays by which it may go until then."""
    store_i64(row + NAMED_BY, lane_seq)
    order_id = load_i64(row + ORDER_ID)
    root = find_row(rows, mask, order_id & NUMBER_MASK)
    if root != 0:
        store_i64(root + NAMED_BY, lane_seq)
    newer = current_row(rows, mask, order_id)
    while newer != 0:
        store_i64(newer + NAMED_BY, lane_seq)
        newer = find_row(rows, mask, load_i64(newer + REPLACED_BY))
