"""What FIX says of a list of orders after an event: that it has entered, is refused, or is over.

The orders of a list that has entered are linked in a ring by ``leg_next`` of their rows.  Events
alone write it, so that it is the same function of the journal however far commands have run ahead.
"""

from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry.command_metadata import ORIG, CommandMetadata
from openoutcry.order_entry.fix import list_status
from openoutcry.order_entry.fix.decode import FixLeg
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import U32s, Words
from openoutcry.wire.record_blocks import EventRecord

ACCEPTED, REJECTED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_REJECTED


@kernel
def leg_of(row: OrderRow) -> FixLeg:
    """Return what the row says of its list."""
    return FixLeg(row + order_rows.MORE)


@kernel
def is_name(leg: FixLeg, name: int, name_bytes: int) -> bool:
    """Return whether the ListID of a leg is the one at an address, padded with NULs."""
    differs = U32s(leg)[8] ^ U32s(name)[8]
    for word in range(4):
        differs |= Words(leg)[word] ^ Words(name)[word]
    return differs == 0 and leg.id_bytes == name_bytes


@kernel_outlined
def link_legs(rows: int, row: OrderRow) -> int:
    """Link the orders of a list, whose last ``row`` is; returns how many.  They are neighbours
    among their session's rows, as they came one after the other."""
    leg, first, count = leg_of(row), row, 1
    before = order_rows.row_at(rows, row.previous)
    while before != 0 and count < leg.legs:
        other = leg_of(before)
        if other.leg != leg.legs - count or not is_name(leg, other, other.id_bytes):
            break
        before.leg_next = order_rows.place_of(rows, first)
        first = before
        count += 1
        before = order_rows.row_at(rows, before.previous)
    row.leg_next = order_rows.place_of(rows, first)
    return count


@kernel_outlined
def replace_leg(rows: int, old: OrderRow, new: OrderRow) -> None:
    """A replace gives an order another row, which takes its place in the ring; ``new`` 0: it
    leaves the ring."""
    place, before = order_rows.place_of(rows, old), old
    while before.leg_next != place:
        before = order_rows.row_at(rows, before.leg_next)
    following = old.leg_next
    if new != 0:
        before.leg_next = order_rows.place_of(rows, new)
        new.leg_next = following if following != place else order_rows.place_of(rows, new)
    else:
        before.leg_next = following
    old.leg_next = 0


@kernel_outlined
def tell(rows: int, session: FixSession, event: EventRecord, row: OrderRow, out: int) -> int:
    """Write the N that an event of a leg causes; returns its bytes, 0: nothing is said."""
    leg, kind = leg_of(row), event.kind
    if leg.legs == 0:
        return 0
    is_last = leg.leg == leg.legs and row.leg_next == 0
    if kind == ACCEPTED and is_last:
        count = link_legs(rows, row)
        status = list_status.EXECUTING
        cursor = list_status.put_list(out, session, leg, list_status.STARTED, status, count)
        one = order_rows.row_at(rows, row.leg_next)
        for _ in range(count):
            cursor = list_status.put_order(cursor, session, one)
            one = order_rows.row_at(rows, one.leg_next)
        return cursor - out
    if kind == REJECTED:
        if not is_last or row.was_rejected == 0:
            return 0
        said, status = list_status.RESPONSE, list_status.REJECTED
    else:
        if row.leg_next == 0 or row.state != order_rows.DONE:
            return 0
        is_alone = order_rows.row_at(rows, row.leg_next) == row
        replace_leg(rows, row, OrderRow(0))
        if not is_alone:
            return 0
        said, status = list_status.ENDED, list_status.ALL_DONE
    cursor = list_status.put_list(out, session, leg, said, status, 1)
    return list_status.put_order(cursor, session, row) - out


@kernel
def is_named(row: OrderRow, metadata: CommandMetadata) -> bool:
    """Return whether the order is of the list whose ListID is in the metadata of a K or M."""
    leg = leg_of(row)
    return leg.legs != 0 and is_name(leg, metadata + ORIG, metadata.orig_bytes)
