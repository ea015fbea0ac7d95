"""Rows of quotes: the two orders of a session's quote in an instrument, and how they are found.

A session has one quote of a participant in an instrument.  Its sides are found by participant,
instrument and side, in the table of tokens.  Each keeps its row and its core's order for as long as
it is open, or a quote under way names it.  A later quote of a side that is over takes a new row.

The row's token is the name of the last quote that set the side.  What a quote's NEW says of the
other side is in its metadata, so that the rows of both follow from the journal.
"""

from openoutcry.order_entry import command_metadata, stream, tokens
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, Words, i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

KEY_WORDS = 5
SIDE_AT = 39
"""Byte of the token of a side that no name of an order has."""
NEW_NAMED, NEW_OTHER = 1, 2
SIDES = enum_numbers.SIDE_BUY + enum_numbers.SIDE_SELL
ACCEPTED, REPLACED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_REPLACED


class QuoteSides(Layout, size_bytes=40):
    """What the metadata of a quote's NEW says of its other side, at the place of ``orig``."""

    other: int = i64("number of the other side's order, 0: it has none")
    price_ticks: int = i64("its price")
    qty_lots: int = i64("its lots, 0: none")
    new_rows: int = i64("1: the row of the side that the NEW names is new, 2: the other's is")


@kernel
def sides_of(metadata: CommandMetadata) -> QuoteSides:
    """Return what a quote's metadata says of its other side."""
    return QuoteSides(metadata + command_metadata.ORIG)


@kernel_outlined
def key_of(session: SessionBlock, participant: int, symbol: int, side: int) -> int:
    """Write the token of a side; returns its address."""
    key = session + _KEY
    for word in range(KEY_WORDS):
        Words(key)[word] = 0
    Words(key)[0] = symbol
    Words(key)[1] = participant
    Bytes(key)[SIDE_AT] = side
    return key


@kernel_outlined
def usable_row(
    region: RegionHeader, session: SessionBlock, participant: int, symbol: int, side: int
) -> OrderRow:
    """Return the row of a side that is open, or that a command under way may open; 0: none."""
    key = key_of(session, participant, symbol, side)
    number = tokens.number_of(TokenTable(region.tokens), session.index, key)
    row = order_rows.find_row(region.rows, region.row_mask, number)
    if row == 0 or may_live(row, region.answered_seq):
        return row
    return OrderRow(0)


@kernel
def may_live(row: OrderRow, answered_seq: int) -> bool:
    """Return whether an order is live, or a quote that is under way may enter it again."""
    if order_rows.is_live(row):
        return True
    return row.is_quote != 0 and order_rows.is_under_way(row, answered_seq)


@kernel_outlined
def take_sides(
    region: RegionHeader, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> None:
    """Rows as they are once a quote's NEW is under way."""
    sides, side = sides_of(metadata), order.side
    number, price, lots = metadata.row, order.price_ticks, order.qty_lots
    for which in (NEW_NAMED, NEW_OTHER):
        if which == NEW_OTHER:
            number, price, lots, side = sides.other, sides.price_ticks, sides.qty_lots, SIDES - side
        if number == 0:
            continue
        if sides.new_rows & which:
            fill_side(region, session, order, metadata, number)
            row = order_rows.row_of(region.rows, region.row_mask, number)
            row.side = side
            row.qty = row.leaves = lots
            row.price = price
        row = order_rows.find_row(region.rows, region.row_mask, number)
        if VERIFY:
            assert row != 0, "a quote under way keeps its rows"
        row.named_by = region.lane_seq + 1


@kernel_outlined
def fill_side(
    region: RegionHeader,
    session: SessionBlock,
    order: OrderRecord,
    metadata: CommandMetadata,
    number: int,
) -> None:
    """Make a new row of a side, which from now on is known by it."""
    row = order_rows.take_row(region.rows, region.row_mask, number)
    row.order_id = order_rows.LEG_BITS | number
    row.symbol = order.symbol
    row.session = metadata.session
    row.participant = order.participant
    row.protocol = metadata.protocol
    row.state = order_rows.SENT
    row.is_quote = 1
    row.order_type = order.order_type
    row.time_in_force = order.time_in_force
    take_names(row, metadata)
    instrument = session_block.find_symbol(session, order.symbol)
    if instrument != 0:
        row.instrument = instrument.instrument
    session.open_orders += 1
    region.last_number = max(number, region.last_number)


@kernel
def name_side(region: RegionHeader, session: SessionBlock, number: int) -> None:
    """Let participant, instrument and side lead to the row of this number."""
    row = order_rows.row_of(region.rows, region.row_mask, number)
    key = key_of(session, row.participant, row.symbol, row.side)
    tokens.name_again(TokenTable(region.tokens), row.session, key, number)


@kernel
def take_names(row: OrderRow, metadata: CommandMetadata) -> None:
    """Let the side be that of this quote."""
    row.token_bytes = metadata.token_bytes
    row.client_seq = metadata.client_seq
    stream.copy_bytes(row + order_rows.TOKEN, metadata + command_metadata.TOKEN, 40)
    stream.copy_bytes(row + order_rows.OWN, metadata + command_metadata.OWN, 24)
    row.flags = metadata.flags & command_metadata.FLAGS_OF_PROTOCOL


@kernel
def is_side(metadata: CommandMetadata, order_id: int) -> bool:
    """Return whether the quote's other side is this order of the core."""
    other = order_rows.LEG_BITS | sides_of(metadata).other
    return command_metadata.is_quote(metadata) and order_id == other


@kernel_outlined
def begin_side(
    session: SessionBlock,
    row: OrderRow,
    event: EventRecord,
    order: int,
    metadata: CommandMetadata,
) -> None:
    """Note an event of a quote's own command about one of its sides.  A side that has entered is a
    new order under the quote's name.  ``order``: address of the command."""
    kind = event.kind
    if kind == ACCEPTED:
        row.cum = row.cum_value = 0
        row.qty = event.leaves_lots
        row.price = event.price_ticks
        row.order_type = OrderRecord(order).order_type
        row.time_in_force = OrderRecord(order).time_in_force
        if row.state == order_rows.DONE:
            row.state = order_rows.SENT
            row.was_rejected = row.has_expired = 0
            session.open_orders += 1
    if kind in (ACCEPTED, REPLACED):
        take_names(row, metadata)


_KEY = SessionBlock.offset("quote_key")
