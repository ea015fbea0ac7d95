"""A quote of a session becomes commands: TERMS with its other side, and a NEW.  One without lots,
and a cancel of quotes, becomes the cancels of what is open.

Each quote is one request, with its own answer.  Its two commands are published together
(:func:`list_commands.finish_list`).  A journal that ends between them has a term without its NEW,
which changes nothing.
"""

from openoutcry.order_entry import (
    command_metadata,
    constants,
    list_commands,
    quote_rows,
    session_commands,
    stream,
    tokens,
)
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.quote_rows import NEW_NAMED, NEW_OTHER, SIDES
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import ORDER_BYTES, RegionHeader
from openoutcry.order_entry.session_words import MESSAGES_A_TURN, SessionsContext
from openoutcry.order_entry.shm_layout import SHM
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.record_blocks import OrderRecord

BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
TERM_QUOTE = enum_numbers.TERM_QUOTE
QUOTE_CANCEL = command_metadata.QUOTE_CANCEL
COMMANDS = 4
"""Commands of the lane that a quote, or the cancel of one, is at most."""
THROTTLED, TOO_MANY_OPEN = constants.REFUSAL_THROTTLED, constants.REFUSAL_TOO_MANY_OPEN
VENUE_FULL, NOT_ADMITTED = constants.REFUSAL_VENUE_FULL, constants.REFUSAL_NOT_ADMITTED
QUANTITY, QUOTES_DONE = constants.FIX_REFUSAL_QUANTITY, constants.FIX_REFUSAL_QUOTES_DONE
APPLICATION, STREAM_FULL = constants.KIND_APPLICATION, constants.FAULT_STREAM_FULL
INSTRUMENTS_A_TURN = MESSAGES_A_TURN
"""How many instruments the cancel of all quotes looks at in a turn, so that other sessions wait for
it no longer than for other requests."""
DECODED = 2
"""The place where a request is decoded, as that of a leg: its commands come before it."""


@kernel_outlined
def clear_quote(context: SessionsContext, session: SessionBlock, now: int) -> int:
    """Prepare the place where a request about quotes is decoded; returns it, a sequence of the lane
    beyond its commands."""
    seq = list_commands.seq_of(RegionHeader(context.region), DECODED)
    list_commands.clear_command(context, session, seq, now)
    return seq


@kernel_outlined
def take_quote(
    context: SessionsContext, session: SessionBlock, at: int, price: int, lots: int, now: int
) -> int:
    """Enter the quote whose bid is decoded at the place ``at``, its offer with this price and these
    lots; a side without lots has the price 0.  Returns APPLICATION, or STREAM_FULL if the
    connection is to end."""
    region = RegionHeader(context.region)
    order, metadata = list_commands.order_at(region, at), list_commands.metadata_of(region, at)
    session.messages += 1
    metadata.message = command_metadata.QUOTE
    is_within = list_commands.take_tokens(session, 1, now)
    if not is_within:
        session.throttled += 1
    refused = metadata.refused
    if refused == 0 and (order.qty_lots < 0 or lots < 0):
        refused = QUANTITY
    if refused == 0 and order.qty_lots == 0 and lots == 0:
        participant, symbol, number = order.participant, order.symbol, metadata.client_seq
        pull_sides(context, session, participant, symbol, number, now)
        return end_pull(context, session, at)
    if refused == 0 and not is_within:
        refused = THROTTLED
    if refused == 0:
        refused = number_sides(region, session, order, metadata, price, lots)
    if refused != 0:
        session.refused += 1
        return answer(context, session, at, refused)
    copy_command(region, at, list_commands.seq_of(region, 1))
    announce(region)
    region.list_end = list_commands.seq_of(region, 1)
    list_commands.finish_list(context)
    return ending(session)


@kernel
def ending(session: SessionBlock) -> int:
    """Return whether the connection goes on after a request: APPLICATION, or STREAM_FULL."""
    if stream.is_nearly_full(StreamHeader(session.stream), session_commands.LAST):
        return STREAM_FULL
    return APPLICATION


@kernel_outlined
def copy_command(region: RegionHeader, at: int, to: int) -> None:
    """Copy a command and its metadata to another place of the lane."""
    order, metadata = list_commands.order_at(region, to), list_commands.metadata_of(region, to)
    for word in range(ORDER_BYTES // 8):
        Words(order)[word] = Words(list_commands.order_at(region, at))[word]
    for word in range(command_metadata.WORDS):
        Words(metadata)[word] = Words(list_commands.metadata_of(region, at))[word]


@kernel_outlined
def answer(context: SessionsContext, session: SessionBlock, at: int, refused: int) -> int:
    """Publish a command without effect, whose answer says ``refused`` of the request decoded at the
    place ``at``; returns what :func:`take_quote` does.  That quotes are cancelled is said when the
    cancels before it have entered, also behind a speed bump (``risk/delay.py``)."""
    region = RegionHeader(context.region)
    seq = region.lane_seq + 1
    copy_command(region, at, seq)
    order, metadata = list_commands.order_at(region, seq), list_commands.metadata_of(region, seq)
    order.kind = 0
    order.order_id = order_rows.LEG_BITS if refused == QUOTES_DONE else 0
    metadata.refused = refused
    metadata.row = 0
    metadata.flags = metadata.flags & command_metadata.FLAGS_OF_PROTOCOL
    session_commands.publish(context, seq, order, metadata)
    return ending(session)


@kernel_outlined
def pull_sides(
    context: SessionsContext,
    session: SessionBlock,
    participant: int,
    symbol: int,
    number: int,
    now: int,
) -> None:
    """Cancel what is open of a participant's quote in an instrument.  ``number``: the request's,
    which is taken once it is answered."""
    region = RegionHeader(context.region)
    for side in (BUY, SELL):
        row = quote_rows.usable_row(region, session, participant, symbol, side)
        if row == 0:
            continue
        seq = region.lane_seq + 1
        order, metadata = (
            list_commands.clear_order(region, seq),
            list_commands.metadata_of(region, seq),
        )
        command_metadata.clear_metadata(metadata)
        order.participant = participant
        order.rx_ts_ns = now + context.control.epoch_offset
        order.symbol = symbol
        order.order_id = row.order_id
        order.qty_lots = row.leaves
        order.kind = session_commands.CANCEL
        metadata.session = session.index
        metadata.protocol = session.protocol
        metadata.message = QUOTE_CANCEL
        metadata.client_seq = number
        metadata.row = row.number
        if session.protocol == SHM:
            Words(metadata + command_metadata.OWN)[0] = participant
        session_commands.publish(context, seq, order, metadata)


@kernel_outlined
def pull_all(context: SessionsContext, session: SessionBlock, at: int, now: int) -> int:
    """Cancel all that the session has of the quotes of a participant, by the request decoded at
    ``at``, as far as the lane has room and a turn goes; returns whether it is done.  A later call
    goes on."""
    region = RegionHeader(context.region)
    participant = list_commands.order_at(region, at).participant
    number = list_commands.metadata_of(region, at).client_seq
    end = min(session.instrument_count, session.pulled + INSTRUMENTS_A_TURN)
    while session.pulled < end:
        if session_commands.lane_room(context) <= COMMANDS:
            return 0
        symbol = session_block.instrument_row(session, session.pulled).symbol
        if symbol != 0:
            pull_sides(context, session, participant, symbol, number, now)
        session.pulled += 1
    return 1 if end == session.instrument_count else 0


@kernel_outlined
def take_cancel(
    context: SessionsContext, session: SessionBlock, at: int, is_pulled: int, now: int
) -> int:
    """End the cancel of quotes that is decoded at ``at``, whose instrument's are cancelled now
    unless ``is_pulled``: then all are.  Returns what :func:`take_quote` does."""
    region = RegionHeader(context.region)
    order, metadata = list_commands.order_at(region, at), list_commands.metadata_of(region, at)
    session.messages += 1
    session_commands.take_token(session, now, True)
    metadata.message = QUOTE_CANCEL
    if metadata.refused != 0:
        session.refused += 1
        return answer(context, session, at, metadata.refused)
    if is_pulled == 0:
        number = metadata.client_seq
        pull_sides(context, session, order.participant, order.symbol, number, now)
    return end_pull(context, session, at)


@kernel_outlined
def end_pull(context: SessionsContext, session: SessionBlock, at: int) -> int:
    """Answer the cancel of quotes that is decoded at ``at``; returns what :func:`take_quote`
    does."""
    region = RegionHeader(context.region)
    order = list_commands.order_at(region, at)
    order.price_ticks = order.qty_lots = 0
    list_commands.metadata_of(region, at).message = QUOTE_CANCEL
    session.pulled = 0
    return answer(context, session, at, QUOTES_DONE)


@kernel_outlined
def number_sides(
    region: RegionHeader,
    session: SessionBlock,
    order: OrderRecord,
    metadata: CommandMetadata,
    price: int,
    lots: int,
) -> int:
    """Give both sides their numbers, and the NEW the side that has lots; return why the session
    layer refuses the quote, or 0."""
    sides, side = quote_rows.sides_of(metadata), BUY
    sides.price_ticks, sides.qty_lots = price, lots
    if order.qty_lots == 0:
        sides.price_ticks, sides.qty_lots = 0, 0
        order.price_ticks, order.qty_lots, side = price, lots, SELL
        order.side = SELL
    if session.quotes == 0 or not session_commands.admits(session, order):
        return NOT_ADMITTED
    last, more = region.last_number, 0
    number = number_of_side(region, session, order, side, last)
    metadata.row, last = number, max(number, last)
    if number > region.last_number:
        sides.new_rows, more = NEW_NAMED, 1
    other = number_of_side(region, session, order, SIDES - side, last)
    if other > last and sides.qty_lots == 0:
        other = 0
    elif other > last:
        sides.new_rows |= NEW_OTHER
        more += 1
    sides.other = other
    order.order_id = order_rows.LEG_BITS | number
    if session.max_open > 0 and more > 0 and session.open_orders + more > session.max_open:
        return TOO_MANY_OPEN
    is_full = stream.is_nearly_full(StreamHeader(session.stream), session_commands.RESERVED)
    if is_full or number == 0 or (other == 0 and sides.qty_lots != 0):
        return VENUE_FULL
    has_room = tokens.has_room_for(TokenTable(region.tokens), session.index, 2)
    return 0 if more == 0 or has_room else VENUE_FULL


@kernel_outlined
def number_of_side(
    region: RegionHeader, session: SessionBlock, order: OrderRecord, side: int, last: int
) -> int:
    """Return the number of what is open of a side, or a new one after ``last``; 0: there is no room
    for it."""
    row = quote_rows.usable_row(region, session, order.participant, order.symbol, side)
    if row != 0:
        return row.number
    return order_rows.next_number(region.rows, region.row_mask, last, region.answered_seq)


@kernel_outlined
def announce(region: RegionHeader) -> None:
    """Write the TERMS of the quote's NEW, which is at its place."""
    seq = list_commands.seq_of(region, 1)
    new, of_new = list_commands.order_at(region, seq), list_commands.metadata_of(region, seq)
    sides = quote_rows.sides_of(of_new)
    terms = list_commands.clear_order(region, seq - 1)
    metadata = list_commands.metadata_of(region, seq - 1)
    command_metadata.clear_metadata(metadata)
    terms.price_ticks = sides.price_ticks
    terms.qty_lots = sides.qty_lots
    terms.aux = order_rows.LEG_BITS | sides.other
    terms.participant = new.participant
    terms.rx_ts_ns = new.rx_ts_ns
    terms.symbol = new.symbol
    terms.order_id = new.order_id
    terms.kind_to_tif = list_commands.TERMS | new.side << 8 | TERM_QUOTE << 16
    metadata.session = of_new.session
    metadata.protocol = of_new.protocol
    metadata.message = list_commands.LIST_MESSAGE
    metadata.client_seq = of_new.client_seq - 1
