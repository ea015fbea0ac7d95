"""What a command and an event of the journal do to rows, tokens and streams.

Two kernels produce everything that a session receives: in the running stage as events happen, and
after a restart from the journal, in the same order.  So :func:`apply_command` reads only the
command and its metadata, and of live rows writes only their state.  And :func:`apply_event` reads
only the event, its command's metadata and rows of earlier commands.
"""

from numba import types

from openoutcry.order_entry import (
    command_metadata,
    constants,
    list_events,
    ouch,
    ouch42_in,
    ouch50_in,
    quote_rows,
    session_region,
    soupbin,
    stream,
    tokens,
)
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import list_status
from openoutcry.order_entry.fix.decode import LEG_BYTES, FixLeg
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.ouch import OuchRow, OuchSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.shm_layout import REPLY_BYTES, SHM, ShmSession, may_act
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import AUX_HALVES, LEGS_SHIFT, MAX_LEGS, OPEN_KNOWN
from openoutcry.wire.indirect import _call, intrinsic
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    load_i64,
    mul_wrapping,
    store_i64,
)
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT, ORDER

O = ORDER.offsets  # noqa: E741
E = EVENT.offsets
ORDER_KIND = O["kind"]
NEW, REPLACE = enum_numbers.COMMAND_KIND_NEW, enum_numbers.COMMAND_KIND_REPLACE
TERMS, TERM_LIST = enum_numbers.COMMAND_KIND_TERMS, enum_numbers.TERM_LIST
REDUCE = enum_numbers.COMMAND_KIND_REDUCE
ACCEPTED, FILLED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_FILLED
CANCELLED, EXPIRED = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_EXPIRED
REDUCED, REPLACED = enum_numbers.EVENT_KIND_REDUCED, enum_numbers.EVENT_KIND_REPLACED
REJECTED, CONVERTED = enum_numbers.EVENT_KIND_REJECTED, enum_numbers.EVENT_KIND_CONVERTED
COMPLETED, DELAYED = enum_numbers.EVENT_KIND_COMPLETED, enum_numbers.EVENT_KIND_DELAYED
UNKNOWN_ORDER = enum_numbers.REASON_UNKNOWN_ORDER
USER, DISCONNECTED = enum_numbers.REASON_USER, enum_numbers.REASON_DISCONNECTED
BROKEN = enum_numbers.EVENT_KIND_BROKEN
REPEGGED, ELECTED = enum_numbers.EVENT_KIND_REPEGGED, enum_numbers.EVENT_KIND_ELECTED

CODEC_FRAME, CODEC_DECODE, CODEC_COMPLETE, CODEC_ENCODE, CODEC_REFUSE = range(0, 40, 8)
CODEC_BEGIN, CODEC_LOST, CODEC_MORE, CODEC_QUEUED, CODEC_TIMER, CODEC_LOGOUT = range(40, 88, 8)
CODEC_BYTES = 128
"""A protocol's row: addresses of its kernels, the latter ones FIX's alone
(docs/decisions/016-sessions.md)."""
CODECS = 16
"""Rows, by Protocol; after them ROOM bytes to encode into."""
ROOM = 4096
"""Bytes that one event's messages have at most."""
EVENT_ROOM = ROOM - 64
"""Where it may hold an event that is reported with another one's message."""
OUCH50 = constants.PROTOCOL_OUCH50
is_fix = session_block.is_fix
ENTER_ORDER = ord("O")
MASS_STATUS = constants.FIX_REFUSAL_MASS_STATUS
LIST_STATUS = ord("M")


@intrinsic
def call2(typingctx, address, a, b):  # type: ignore[no-untyped-def]
    """Call the kernel at ``address``: two int64 -> int64."""
    return types.int64(*[types.int64] * 3), _call


@intrinsic
def call4(typingctx, address, a, b, c, d):  # type: ignore[no-untyped-def]
    """Call the kernel at ``address``: four int64 -> int64."""
    return types.int64(*[types.int64] * 5), _call


@intrinsic
def call5(typingctx, address, a, b, c, d, e):  # type: ignore[no-untyped-def]
    """Call the kernel at ``address``: five int64 -> int64."""
    return types.int64(*[types.int64] * 6), _call


@intrinsic
def call6(typingctx, address, a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    """Call the kernel at ``address``: six int64 -> int64."""
    return types.int64(*[types.int64] * 7), _call


@kernel
def block_of(region: RegionHeader, index: int) -> SessionBlock:
    """Address of a session's block."""
    return SessionBlock(region.blocks + session_block.BLOCK_BYTES * index)


@kernel
def add(address: int, amount: int) -> None:
    """Add ``amount`` to the word at ``address``."""
    store_i64(address, load_i64(address) + amount)


@kernel
def pin_order(region: RegionHeader, number: int) -> None:
    """The answer to the command at hand will speak of this order: its rows stay until then."""
    rows, mask = region.rows, region.row_mask
    row = order_rows.find_row(rows, mask, number)
    if row != 0:
        order_rows.pin_rows(rows, mask, row, region.lane_seq + 1)


@kernel
def apply_command(region: RegionHeader, order: OrderRecord, metadata: CommandMetadata) -> None:
    """Rows and tokens as they are once this command is under way."""
    flags = metadata.flags
    index = metadata.session
    session = FixSession(block_of(region, index))
    if VERIFY:
        assert 1 <= index <= region.session_count, "the metadata is a session's"
        assert session.index == index, "a block knows which session it is"
        assert may_act(session, order.participant), "a session acts only for its participants"
    if flags & command_metadata.FLAG_INTERNAL:
        message = metadata.message
        if message in (command_metadata.LOGGED_IN, command_metadata.LOST):
            session.logged_out = 0
        elif message == command_metadata.LOGGED_OUT:
            session.logged_out = 1
        elif message in (command_metadata.KILLED, command_metadata.ENABLED):
            session.killed = message == command_metadata.KILLED
        elif message == command_metadata.UNFINISHED:
            session.list_left = 0
        return
    if metadata.protocol == OUCH50:
        ouch50_in.resume(metadata, OuchSession(session))
    number = metadata.row
    fix = is_fix(metadata.protocol)
    if fix:
        session.applied_in = command_metadata.taken_seq(metadata)
    elif metadata.protocol == SHM:
        ShmSession(session).applied_request = command_metadata.taken_seq(metadata)
    is_reported = fix or region.fix_copies != 0
    rows, mask = region.rows, region.row_mask
    if metadata.refused != 0:
        row = order_rows.find_row(rows, mask, number)
        if is_reported and row != 0:
            order_rows.pin_rows(rows, mask, row, region.lane_seq + 1)
        return
    if is_reported:
        pin_order(region, number)
    if number == 0:
        return
    if order.kind == TERMS:
        begin_leg(region, session, order, number)
    table = TokenTable(region.tokens)
    if flags & command_metadata.FLAG_NEW_ROW:
        is_leg = order.order_id >= order_rows.LEG_BITS and order.kind == NEW
        session.list_left -= is_leg
        if VERIFY:
            assert number > region.last_number - is_leg, "order numbers are counted up"
            assert session.list_left >= 0, "a leg's terms came before it"
        replaced = 0
        if order.kind == REPLACE:
            replaced = tokens.number_of(table, index, metadata + command_metadata.ORIG)
            pin_order(region, replaced)
        fill_row(
            region, session, order_rows.take_row(rows, mask, number), replaced, order, metadata
        )
        region.last_number = max(number, region.last_number)
    elif command_metadata.is_quote(metadata):
        take_quote(region, session, order, metadata)
    if flags & (command_metadata.FLAG_TOKEN | command_metadata.FLAG_NEW_ROW):
        make_room(region, table)
        tokens.put_token(table, index, metadata + command_metadata.TOKEN, number)


@kernel
def make_room(region: RegionHeader, table: TokenTable) -> None:
    """A journal of many days is read from its beginning.  What a day took that is over was decided
    then: its tokens serve only to find the orders that are still open."""
    if tokens.is_full(table) and region.day_begun == 0:
        keep_open_tokens(region)


@kernel_outlined
def take_quote(
    region: RegionHeader, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> None:
    """A quote's NEW is under way: its rows are there, and its new ones are found."""
    quote_rows.take_sides(region, session, order, metadata)
    sides = quote_rows.sides_of(metadata)
    make_room(region, TokenTable(region.tokens))
    if sides.new_rows & quote_rows.NEW_NAMED:
        quote_rows.name_side(region, session, metadata.row)
    if sides.new_rows & quote_rows.NEW_OTHER:
        quote_rows.name_side(region, session, sides.other)


@kernel_outlined
def begin_leg(region: RegionHeader, session: SessionBlock, order: OrderRecord, number: int) -> None:
    """A leg of the session's list is announced, and comes next: its number is no other order's.  So
    is an order with another term, as a list of one."""
    if order.order_type != TERM_LIST:
        session.list_row = number
        session.list_left = 1
    elif order.qty_lots == 1:
        session.list_row = number
        session.list_left = order.aux >> LEGS_SHIFT
    region.last_number = max(number, region.last_number)


@kernel
def is_announcement(order: int) -> bool:
    """Return whether the command at an address (0: none) says that the next one is a leg."""
    return order != 0 and OrderRecord(order).kind == TERMS


@kernel
def remember(region: RegionHeader, order: OrderRecord, metadata: CommandMetadata) -> None:
    """Store what a protocol's ``complete`` has noted in the row of the order that a
    command names."""
    if order.kind == REDUCE and metadata.protocol <= OUCH50:
        rows, mask = region.rows, region.row_mask
        row = OuchRow(order_rows.find_row(rows, mask, metadata.row))
        if row != 0 and metadata.flags & command_metadata.FLAG_INTERNAL == 0:
            ouch.send_reduction(row, order.qty_lots)


@kernel
def begin_day(region: RegionHeader) -> None:
    """Earlier state belongs to earlier days: of their tokens only those of open orders remain in
    use, and OUCH 5.0's numbers continue above theirs."""
    if VERIFY:
        assert region.day_begun == 0, "a day begins once"
    region.day_begun = 1
    for index in range(1, region.session_count + 1):
        one = OuchSession(block_of(region, index))
        if one.protocol == OUCH50:
            one.last_user_ref = 0
            one.is_disabled = 0
        elif one.protocol == SHM:
            ShmSession(one).applied_request = 0
    keep_open_tokens(region)
    rows = region.rows
    for row in range(
        rows, rows + order_rows.ROW_BYTES * (region.row_mask + 1), order_rows.ROW_BYTES
    ):
        if has_open_token(OrderRow(row)) and OrderRow(row).protocol == OUCH50:
            last = block_of(region, OrderRow(row).session) + ouch.LAST_USER_REF_WORD
            store_i64(last, max(load_i64(last), OrderRow(row).client_seq))


@kernel
def has_open_token(row: OrderRow) -> bool:
    """Return whether the order is live and has a token."""
    return order_rows.is_live(row) and row.token_bytes != 0


@kernel_outlined
def keep_open_tokens(region: RegionHeader) -> None:
    """Only the tokens of open orders are taken."""
    table, rows = TokenTable(region.tokens), region.rows
    tokens.clear_table(table, region.session_count)
    for row in range(
        rows, rows + order_rows.ROW_BYTES * (region.row_mask + 1), order_rows.ROW_BYTES
    ):
        if OrderRow(row).is_quote != 0:
            if order_rows.is_live(OrderRow(row)):
                block = block_of(region, OrderRow(row).session)
                quote_rows.name_side(region, block, OrderRow(row).number)
        elif has_open_token(OrderRow(row)):
            session = OrderRow(row).session
            tokens.put_token(table, session, row + order_rows.TOKEN, OrderRow(row).number)


@kernel_outlined
def fill_row(
    region: RegionHeader,
    session: SessionBlock,
    row: OrderRow,
    replaced: int,
    order: OrderRecord,
    metadata: CommandMetadata,
) -> None:
    """A new row: of a new order, or of the one that replaces the order ``replaced``."""
    row.order_id = order.order_id
    row.qty = order.qty_lots
    row.leaves = order.qty_lots
    row.price = order.price_ticks
    row.aux = order.aux
    symbol = order.symbol
    row.symbol = symbol
    row.session = metadata.session
    row.participant = order.participant
    row.protocol = metadata.protocol
    row.state = order_rows.SENT
    order_rows.join_rows(region.rows, session + session_block.OWN_ROWS, row)
    row.side = order.side
    row.order_type = order.order_type
    row.time_in_force = order.time_in_force
    row.token_bytes = metadata.token_bytes
    row.client_seq = metadata.client_seq
    stream.copy_bytes(row + order_rows.TOKEN, metadata + command_metadata.TOKEN, 40)
    stream.copy_bytes(row + order_rows.OWN, metadata + command_metadata.OWN, 24)
    row.chain = replaced
    row.flags = metadata.flags & command_metadata.FLAGS_OF_PROTOCOL
    instrument = session_block.find_symbol(session, symbol)
    if instrument != 0:
        row.instrument = instrument.instrument
    rows, mask = region.rows, region.row_mask
    old = order_rows.find_row(rows, mask, replaced)
    if order.order_id >= order_rows.LEG_BITS and is_fix(metadata.protocol):
        # Of an order of a list what it says of the list; a replace says it no more.
        source = metadata + command_metadata.ORIG if old == 0 else old + order_rows.MORE
        stream.copy_bytes(row + order_rows.MORE, source, LEG_BYTES)
    if VERIFY:
        number = order.order_id & order_rows.NUMBER_MASK
        is_new = order.kind == NEW
        assert not is_new or number == row.number, "an order is known by its row"
        assert not is_new or replaced == 0, "a new order replaces none"
        assert replaced < row.number, "what is replaced was there before"
        assert old == 0 or old.session == row.session, "one's own"
    if old != 0:
        old.replaced_by = row.number
        row.side = old.side
        row.order_type = old.order_type
        row.time_in_force = old.time_in_force
        tif = order.time_in_force
        if tif & OPEN_KNOWN:
            halves = tif & AUX_HALVES
            aux = order.aux >> 32 if halves else old.aux
            row.aux = aux
    else:
        add(session + session_block.OPEN_ORDERS, 1)


@kernel
def apply_event(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: int,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """Update rows and streams for this event; return the index of the session whose stream has
    grown, 0 if none has.

    ``order`` and ``metadata``: of the command that caused it, 0 if no session did; ``rx_ts_ns``:
    when that came.
    """
    own = metadata != 0 and metadata.flags & command_metadata.FLAG_INTERNAL == 0
    if own and metadata.refused != 0:
        return send_reject(region, codecs, event, order, metadata, rx_ts_ns)
    rows, mask = region.rows, region.row_mask
    row = row_of_event(region, event)
    if own:
        row = row_of_own(region, row, event, metadata)
    if row == 0:
        # The event is about no order of a session: only the answer to the command itself is sent.
        # The order that it traded with, or swept away, may have come by packets.
        if not own or event.kind not in (REJECTED, COMPLETED):
            return 0
        session = block_of(region, metadata.session)
        return encode_event(region, codecs, session, event, row, metadata, rx_ts_ns)
    session = block_of(region, row.session)
    if VERIFY:
        assert row.order_id == event.order_id, "the row is the order's"
        assert event.participant == row.participant, "an order's events are its participant's"
        assert may_act(session, row.participant), "a session has only orders that it may enter"
    mine = CommandMetadata(metadata if own and is_about(region, event, row, metadata) else 0)
    if command_metadata.is_quote(mine):
        begin_side(region, session, row, event, order, mine)
    update_row(region, row, event)
    is_new = mine != 0 and mine.flags & command_metadata.FLAG_NEW_ROW != 0
    if is_new and event.kind == REJECTED:
        # A replace is rejected: FIX reports how the order is that it was for.
        replaced = order_rows.find_row(rows, mask, row.chain)
        if replaced != 0 and is_fix(row.protocol):
            row = order_rows.reported_order(rows, mask, replaced)
    told = encode_event(region, codecs, session, event, row, mine, rx_ts_ns)
    if event.order_id >= order_rows.LEG_BITS and is_fix(session.protocol):
        told |= tell_list(region, codecs, FixSession(session), event, row)
    return told


@kernel_outlined
def tell_list(
    region: RegionHeader, codecs: int, session: FixSession, event: EventRecord, row: OrderRow
) -> int:
    """Say of a list of orders what the event of a leg makes of it; returns as
    :func:`encode_event`."""
    out = codecs + CODEC_BYTES * CODECS
    size = list_events.tell(region.rows, session, event, row, out + soupbin.HEADER_BYTES)
    return put_out(region, session, out, size, event.seq)


@kernel_outlined
def begin_side(
    region: RegionHeader,
    session: SessionBlock,
    row: OrderRow,
    event: EventRecord,
    order: int,
    metadata: CommandMetadata,
) -> None:
    """Note an event of a quote's own command about one of its sides.  A rejection ends both rows
    that were made for the quote."""
    if event.kind != REJECTED:
        quote_rows.begin_side(session, row, event, order, metadata)
        return
    other = quote_rows.sides_of(metadata).other
    second = order_rows.find_row(region.rows, region.row_mask, other)
    if second != 0 and second.state == order_rows.SENT:
        end_row(region, second)
        second.was_rejected = 1


@kernel_outlined
def of_connection(event: EventRecord, metadata: CommandMetadata, room: EventRecord) -> EventRecord:
    """Return the event as sessions receive it. An order that the session layer cancelled ended
    because of its connection, although any participant could have sent the command. ``room``:
    for an event."""
    is_cancel = event.kind == CANCELLED and event.reason == USER
    if not is_cancel or metadata.flags & command_metadata.FLAG_INTERNAL == 0:
        return event
    copy64(room, event)
    room.reason = DISCONNECTED
    return room


@kernel
def is_over(event: EventRecord, metadata: CommandMetadata) -> bool:
    """Return whether a cancel of quotes has met a side that was over, whose end was the news."""
    if metadata == 0 or not command_metadata.is_pull(metadata):
        return False
    return event.kind == REJECTED and event.reason == UNKNOWN_ORDER


@kernel
def row_of_event(region: RegionHeader, event: EventRecord) -> OrderRow:
    """Address of the newest accepted row of the order that the event is about; 0 if it is no
    session's order of the event's own participant.

    An order id says which row, and only the participant says whose: an id that came by another
    door must never find a session's order.
    """
    rows, mask = region.rows, region.row_mask
    row = order_rows.current_row(rows, mask, event.order_id)
    if row == 0:
        return OrderRow(0)
    return OrderRow(row if event.participant == row.participant else 0)


@kernel
def is_about(
    region: RegionHeader, event: EventRecord, row: OrderRow, metadata: CommandMetadata
) -> bool:
    """The event is about an order of the session that caused it. If its command named an order,
    the event is about that one, not about the order that it traded with."""
    if metadata.session != row.session:
        return False
    number = metadata.row
    about = order_rows.find_row(region.rows, region.row_mask, number)
    if about == 0 or about.order_id == event.order_id:
        return True
    return quote_rows.is_side(metadata, event.order_id)


@kernel_outlined
def row_of_own(
    region: RegionHeader, row: OrderRow, event: EventRecord, metadata: CommandMetadata
) -> OrderRow:
    """The row that an event of the metadata's own command is about: a replace's new one, from the
    moment it is accepted the order's current one."""
    if metadata.flags & command_metadata.FLAG_NEW_ROW == 0:
        return row
    rows, mask = region.rows, region.row_mask
    order_id = event.order_id
    new = order_rows.find_row(rows, mask, metadata.row)
    if new == 0 or new == row or new.order_id != order_id:
        return row
    kind = event.kind
    if kind == REJECTED:
        return new
    if kind == REPLACED:
        root, protocol = (
            order_rows.row_of(rows, mask, order_id & order_rows.NUMBER_MASK),
            new.protocol,
        )
        if row != 0:
            new.cum = row.cum
            new.cum_value = row.cum_value
            if row.leg_next != 0:
                list_events.replace_leg(rows, row, new)
            if protocol <= OUCH50:
                # An M that was under way may have changed the kind of sale.
                side_at = order_rows.OWN + (
                    ouch50_in.SIDE if protocol == OUCH50 else ouch42_in.SIDE
                )
                Bytes(new)[side_at] = Bytes(row)[side_at]
        root.current = metadata.row
        if row != 0 and row != root:
            finish_row(region, row)
        return new
    if kind == CANCELLED and new.state == order_rows.SENT:
        # Executed meanwhile to what the replace asked for, or more: the order is gone instead.
        finish_row(region, new)
    return row


@kernel
def update_row(region: RegionHeader, row: OrderRow, event: EventRecord) -> None:
    """The order as of this event."""
    kind = event.kind
    leaves = event.leaves_lots
    if VERIFY:
        assert row.state != order_rows.FREE, "an event is about an order that was sent"
        assert kind != FILLED or event.qty_lots > 0, "a fill has lots"
    if kind == REJECTED:
        if row.state == order_rows.SENT:
            end_row(region, row)
            row.was_rejected = 1
        return
    if kind == DELAYED:
        # Of a replace that waits this is the row of its order, which is in the book.
        row.waits = row.state == order_rows.SENT
        return
    if kind == FILLED:
        qty = event.qty_lots
        row.cum += qty
        value = mul_wrapping(qty, event.price_ticks)
        row.cum_value = add_wrapping(row.cum_value, value)
    elif kind == BROKEN:
        # What it has executed is less; nothing comes back into a book.
        row.cum -= event.qty_lots
        value = mul_wrapping(event.qty_lots, event.price_ticks)
        row.cum_value = add_wrapping(row.cum_value, mul_wrapping(value, -1))
        return
    elif kind in (REPLACED, CONVERTED, REPEGGED):
        row.price = event.price_ticks
    elif kind not in (ACCEPTED, CANCELLED, EXPIRED, REDUCED):
        return
    if kind in (ACCEPTED, FILLED, CANCELLED, EXPIRED, REDUCED, REPLACED):
        row.leaves = leaves
        if kind == REPLACED:
            row.qty = row.cum + leaves
        if kind in (ACCEPTED, REPLACED):
            row.state = order_rows.OPEN
        elif leaves == 0:
            end_row(region, row)
            row.has_expired = order_rows.is_expiry(kind, event.reason)
        if VERIFY:
            cum, qty = row.cum, row.qty
            assert leaves >= 0, "no order is short of lots"
            assert cum + leaves <= qty, "executed and open lots are no more than were asked for"
            assert leaves > 0 or row.state != order_rows.SENT, "what is over is not under way"


@kernel
def finish_row(region: RegionHeader, row: OrderRow) -> None:
    """Take the row, whose order is over, from its session's list."""
    session = block_of(region, row.session)
    order_rows.finish_row(region.rows, session + session_block.OWN_ROWS, row)


@kernel_outlined
def end_row(region: RegionHeader, row: OrderRow) -> None:
    """End a row: nothing more will come of its order (or, of a replace that was rejected, of the
    row)."""
    finish_row(region, row)
    order_id, number = row.order_id, row.number
    rows, mask = region.rows, region.row_mask
    root = order_rows.find_row(rows, mask, order_id & order_rows.NUMBER_MASK)
    is_current = root == row or (root != 0 and root.current == number)
    if is_current:
        if root != 0:
            finish_row(region, root)
        if VERIFY:
            block = block_of(region, row.session)
            assert block.open_orders > 0, "an order that ends was counted"
        add(block_of(region, row.session) + session_block.OPEN_ORDERS, -1)


@kernel_outlined
def as_ouch(
    region: RegionHeader,
    event: EventRecord,
    row: OrderRow,
    metadata: CommandMetadata,
    room: EventRecord,
) -> EventRecord:
    """The event as OUCH, which has no word for waiting, is to say it; 0: not at all.

    A new order is Accepted when it arrives.  Its place in the book, which it receives when it
    enters, is then a new priority, and a refusal is the end of what was accepted.  There is room
    for an event at ``room``.
    """
    kind, what = event.kind, 0
    is_new = metadata != 0 and row != 0 and metadata.message == ENTER_ORDER
    if kind == DELAYED:
        what = ACCEPTED if is_new else 0
        if what == 0:
            return EventRecord(0)
    elif is_new and region.entry_left != 0:
        if kind == ACCEPTED:
            what = REPEGGED
        elif kind == REJECTED:
            what = CANCELLED
    if what == 0:
        return event
    copy64(room, event)
    room.kind = what
    if what == CANCELLED:
        room.reason = DISCONNECTED
        room.qty_lots = row.qty
        room.leaves_lots = 0
    elif what == ACCEPTED:
        room.leaves_lots = event.qty_lots
    return room


@kernel_outlined
def encode_event(
    region: RegionHeader,
    codecs: int,
    session: SessionBlock,
    event: EventRecord,
    row: OrderRow,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """Encode the event by the session's protocol and append it to its stream.

    Returns the session's index, 0 if the protocol reports no such event.
    """
    codec = codecs + CODEC_BYTES * session.protocol
    encode = load_i64(codec + CODEC_ENCODE)
    if encode == 0:
        return 0
    session.rx_ts_ns = rx_ts_ns
    session.cause_seq = event.cause_seq
    session.fee = region.fee
    out = codecs + CODEC_BYTES * CODECS
    if region.waiting != 0 and session.protocol <= OUCH50:
        event = as_ouch(region, event, row, metadata, EventRecord(out + EVENT_ROOM))
        if event == 0:
            return 0
    size = call6(encode, event, row, session, metadata, out + soupbin.HEADER_BYTES, ROOM)
    return put_out(region, session, out, size, event.seq)


@kernel_outlined
def send_reject(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: int,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """Send the protocol's reject of a command that the session layer had refused. ``codecs``:
    address of the table of protocols' kernels."""
    if event.kind != REJECTED:
        return 0
    session = block_of(region, metadata.session)
    protocol = session.protocol
    refuse = load_i64(codecs + CODEC_BYTES * protocol + CODEC_REFUSE)
    if refuse == 0:
        return 0
    session.rx_ts_ns = rx_ts_ns
    session.cause_seq = event.cause_seq
    session.event_seq = event.seq
    out = codecs + CODEC_BYTES * CODECS
    rows, mask = region.rows, region.row_mask
    named = order_rows.find_row(rows, mask, metadata.row)
    if is_fix(protocol):
        session.named = order_rows.reported_order(rows, mask, named)
    else:
        is_there = named != 0 and order_rows.is_workable(rows, mask, named)
        session.named = named if is_there else 0
    if is_fix(protocol) and metadata.refused == MASS_STATUS:
        return send_open_orders(region, FixSession(session), refuse, event, order, metadata, out)
    size = call5(refuse, metadata, order, session, out + soupbin.HEADER_BYTES, ROOM)
    return put_out(region, session, out, size, event.seq)


@kernel
def is_open(region: RegionHeader, session: SessionBlock, row: OrderRow) -> bool:
    """The row is the current one of an order of the session that is open, or waits at the speed
    bump."""
    is_reported = row.state == order_rows.OPEN or order_rows.is_waiting(row)
    if not is_reported or row.session != session.index:
        return False
    rows, mask = region.rows, region.row_mask
    return order_rows.current_row(rows, mask, row.order_id) == row


@kernel_outlined
def send_open_orders(
    region: RegionHeader,
    session: FixSession,
    refuse: int,
    event: EventRecord,
    order: int,
    metadata: int,
    out: int,
) -> int:
    """Write one message for each open order of the session, the oldest name first, or one that
    reports that there are no open orders. Only what events have done is checked, however far
    commands have run ahead."""
    rows, receiver, left = region.rows, 0, 0
    if CommandMetadata(metadata).message == LIST_STATUS:
        return send_list_status(region, session, refuse, event, order, metadata, out)
    row = order_rows.first_row(rows, session + session_block.OWN_ROWS)
    while row != 0:
        if is_open(region, session, row):
            left += 1
        row = order_rows.next_row(rows, row)
    session.status_total = left
    session.named = 0
    if left == 0:
        size = call5(refuse, metadata, order, session, out + soupbin.HEADER_BYTES, ROOM)
        return put_out(region, session, out, size, event.seq)
    row = order_rows.first_row(rows, session + session_block.OWN_ROWS)
    while row != 0:
        if is_open(region, session, row):
            left -= 1
            session.status_left = left
            session.named = row
            size = call5(refuse, metadata, order, session, out + soupbin.HEADER_BYTES, ROOM)
            receiver |= put_out(region, session, out, size, event.seq)
        row = order_rows.next_row(rows, row)
    return receiver


@kernel_outlined
def send_list_status(
    region: RegionHeader,
    session: FixSession,
    refuse: int,
    event: EventRecord,
    order: int,
    metadata: int,
    out: int,
) -> int:
    """Write the answer to a request for the status of a list: its open orders, the oldest first."""
    rows, count, leg = region.rows, 0, FixLeg(0)
    found, body = out + EVENT_ROOM, out + soupbin.HEADER_BYTES
    row = order_rows.first_row(rows, session + session_block.OWN_ROWS)
    while row != 0 and count < MAX_LEGS:
        if list_events.is_named(row, CommandMetadata(metadata)) and is_open(region, session, row):
            Words(found)[count] = row
            leg = list_events.leg_of(row)
            count += 1
        row = order_rows.next_row(rows, row)
    if count == 0:
        size = call5(refuse, metadata, order, session, body, ROOM)
        return put_out(region, session, out, size, event.seq)
    kind, status = list_status.RESPONSE, list_status.EXECUTING
    cursor = list_status.put_list(body, session, leg, kind, status, count)
    for place in range(count):
        cursor = list_status.put_order(cursor, session, OrderRow(Words(found)[place]))
    return put_out(region, session, out, cursor - body, event.seq)


@kernel
def put_out(
    region: RegionHeader, session: SessionBlock, out: int, size: int, event_seq: int
) -> int:
    """Put what was encoded after a packet's header at ``out`` into the session's stream, if it is
    of this day.  FIX and shared memory have no packets: what is before a message is put there when
    it is sent.  Over shared memory the names in text of a reply are a message of their own."""
    if VERIFY:
        assert size <= ROOM, "an encoder stays within its buffer"
    if size <= 0 or region.day_begun == 0:
        return 0
    if is_fix(session.protocol) or session.protocol == SHM:
        out += soupbin.HEADER_BYTES
        if size > REPLY_BYTES and session.protocol == SHM:
            stream.append(StreamHeader(session.stream), out, REPLY_BYTES, event_seq)
            out += REPLY_BYTES
            size -= REPLY_BYTES
    else:
        size = soupbin.sequenced(out, size)
    number = stream.append(StreamHeader(session.stream), out, size, event_seq)
    if number == 0:
        add(region + session_region.UNREPORTED_EVENTS, 1)
        return 0
    return session.index


@kernel_outlined
def command(region: RegionHeader, order: OrderRecord, metadata: CommandMetadata) -> None:
    """Like :func:`apply_command`, for the running stage."""
    apply_command(region, order, metadata)
