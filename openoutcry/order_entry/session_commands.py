"""A session's message becomes a command: throttled, its names looked up, noted, put on the lane."""

from openoutcry.order_entry import (
    apply,
    command_metadata,
    constants,
    quote_rows,
    session_words,
    soupbin,
    stream,
    tokens,
)
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import words
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.ouch import OuchSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.session_words import SessionsContext
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.ring.kernels import gate, slot_address
from openoutcry.ring.layout import RingHeader
from openoutcry.runtime import words as stage_words
from openoutcry.wire import enum_numbers, token_bucket
from openoutcry.wire.big_endian import load_any64
from openoutcry.wire.enums import SELF_TRADE_SHIFT
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import (
    copy56,
    load_i64,
    store_i64,
)
from openoutcry.wire.record_blocks import OrderRecord

NEW, REPLACE = enum_numbers.COMMAND_KIND_NEW, enum_numbers.COMMAND_KIND_REPLACE
APPLICATION, IGNORE = constants.KIND_APPLICATION, constants.KIND_IGNORE
THROTTLED, TOO_MANY_OPEN = constants.REFUSAL_THROTTLED, constants.REFUSAL_TOO_MANY_OPEN
UNKNOWN_ORDER, DUPLICATE = constants.REFUSAL_UNKNOWN_ORDER, constants.REFUSAL_DUPLICATE_TOKEN
VENUE_FULL, TOO_LATE = constants.REFUSAL_VENUE_FULL, constants.REFUSAL_TOO_LATE
NOT_ADMITTED = constants.REFUSAL_NOT_ADMITTED
STATUS, MASS_STATUS = constants.FIX_REFUSAL_STATUS, constants.FIX_REFUSAL_MASS_STATUS
PENDING = constants.FIX_REFUSAL_PENDING
OUCH42, OUCH50 = constants.PROTOCOL_OUCH42, constants.PROTOCOL_OUCH50
CANCEL, DISCONNECT = enum_numbers.COMMAND_KIND_CANCEL, enum_numbers.COMMAND_KIND_DISCONNECT
MASS_CANCEL = enum_numbers.COMMAND_KIND_MASS_CANCEL
OUCH_CANCEL, OUCH_REPLACE = ord("X"), ord("U")
DAY, IOC, FOK = (
    enum_numbers.TIME_IN_FORCE_DAY,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_FOK,
)
TIF_MASK = (1 << SELF_TRADE_SHIFT) - 1
CANCEL_NONE, CANCEL_DAY = constants.CANCEL_NONE, constants.CANCEL_DAY
CANCEL_ALL = constants.CANCEL_ALL
STREAM_FULL = constants.FAULT_STREAM_FULL
RESERVED, LAST = 8, 16
"""With less than 1/RESERVED of a session's stream left, new orders are refused; the rest is for the
open ones.  With less than 1/LAST left, the next message ends the connection."""
AHEAD = 4
LANE_AHEAD = 4 * stage_words.BURST
"""Commands that are on the lane at once, at most: so few that what belongs to each is still in the
cache when the gateway takes it.  What does not fit waits at its session."""
SWEEP_ROWS = 4096
"""Order rows that a step looks at when a lost session's orders go one by one."""
QUEUE = constants.THROTTLE_QUEUE
LOGIN, LIST = constants.KIND_LOGIN, constants.KIND_LIST
ANSWERS_A_TOKEN = 32
"""Messages of ours that cost a session a token where it asks for many by one message."""
MAX_DEBT_NS = 5_000_000_000
"""This long a session can have to wait for a token at most after one message."""
wait_for_token, paid_until = kernel(token_bucket.wait_for_token), kernel(token_bucket.paid_until)


@kernel
def lane_room(context: SessionsContext) -> int:
    """Commands that may be put on the lane now."""
    ring, mask = RingHeader(context.lane_ring), context.lane_mask
    last = RegionHeader(context.region).lane_seq
    if last + session_words.MESSAGES_A_TURN > context.lane_limit:
        context.lane_limit = gate(ring) + min(mask + 1, LANE_AHEAD)
    return context.lane_limit - last


@kernel
def has_token(session: SessionBlock, bucket: int, now: int) -> bool:
    """Return whether the bucket (THROTTLE_AT, EXCESS_AT) has a token."""
    each = session.throttle_ns
    if each == 0:
        return True
    return wait_for_token(load_i64(session + bucket), now, each, session.throttle_burst) <= 0


@kernel
def may_enter(session: SessionBlock, now: int) -> bool:
    """There is a token for a message or, where the excess is rejected, for its rejection: else it
    waits unread.  So a session puts no more into the sequence than twice its rate."""
    if has_token(session, session_block.THROTTLE_AT, now):
        return True
    return session.throttle_policy != QUEUE and has_token(session, session_block.EXCESS_AT, now)


@kernel
def may_take(session: FixSession, now: int) -> bool:
    """A FIX message may be taken: there is room for what answers it, and it need not wait."""
    room = session.out_capacity - session.out_end
    return room >= words.OUT_MIN_ROOM and may_enter(session, now)


@kernel
def take_token(session: SessionBlock, now: int, is_cancel: bool) -> bool:
    """Take a token for a message that may enter; False: it is above the rate, and rejected. Cancels
    need none."""
    within = has_token(session, session_block.THROTTLE_AT, now)
    bucket = session_block.THROTTLE_AT if within else session_block.EXCESS_AT
    paid = paid_until(load_i64(session + bucket), now, session.throttle_ns)
    store_i64(session + bucket, paid)
    return within or is_cancel


@kernel_outlined
def charge_session_message(session: SessionBlock, kind: int, now: int) -> None:
    """A message that is not about an order is charged as one, and for what it has sent again; the
    login itself is not."""
    if kind != LOGIN:
        take_token(session, now, True)
    charge(session, now, load_i64(session + session_block.ASKED_AGAIN))
    store_i64(session + session_block.ASKED_AGAIN, 0)


@kernel
def charge(session: SessionBlock, now: int, messages: int) -> None:
    """Charge the session for ``messages`` that answer one message of its."""
    debt_ns = min(session.throttle_ns * (messages // ANSWERS_A_TOKEN), MAX_DEBT_NS)
    session.throttle_at = paid_until(session.throttle_at, now, max(debt_ns, 0))


@kernel
def is_cancel(session: SessionBlock, order: OrderRecord, metadata: CommandMetadata) -> bool:
    """A decoded message cancels; OUCH's X becomes one, or a reduction, when its order is found."""
    kind = order.kind
    is_ouch = session.protocol <= OUCH50
    return kind in (CANCEL, MASS_CANCEL) or (is_ouch and metadata.message == OUCH_CANCEL)


@kernel
def is_replace(session: SessionBlock, order: OrderRecord, metadata: CommandMetadata) -> bool:
    """A decoded message replaces; OUCH's U becomes a command when its order is found."""
    is_ouch = session.protocol <= OUCH50
    return order.kind == REPLACE or (is_ouch and metadata.message == OUCH_REPLACE)


@kernel
def prefetch_order(
    context: SessionsContext, session: SessionBlock, message: int, size: int, end: int
) -> None:
    """Prefetch what an OUCH 4.2 order will need that may begin AHEAD messages of this size later:
    a hint, whatever is there.  ``end``: of the bytes received."""
    packet = message + AHEAD * size
    if session.protocol != OUCH42 or packet + size > end:
        return
    table = TokenTable(RegionHeader(context.region).tokens)
    token = packet + soupbin.HEADER_BYTES + 1
    last = load_any64(token + 6) >> 16 & 0xFFFFFFFFFFFF
    tokens.prefetch_token(table, session.index, load_any64(token), last, 0)


@kernel
def prefetch_name(
    context: SessionsContext, session: SessionBlock, low: int, high: int, named: int
) -> None:
    """Like :func:`prefetch_order`: an order's name over shared memory, and the participant that its
    request names."""
    participant = named if named != 0 else session.participant
    table = TokenTable(RegionHeader(context.region).tokens)
    tokens.prefetch_token(table, session.index, low, high, participant)


@kernel
def handle_message(
    context: SessionsContext, session: SessionBlock, codec: int, message: int, size: int, now: int
) -> int:
    """A whole message: an application message becomes a command; returns what ``decode`` does.
    ``codec``: address of the protocol's row of kernels; ``message``: of its ``size`` bytes."""
    region = RegionHeader(context.region)
    mask = region.metadata_mask
    seq = region.lane_seq + 1
    metadata = command_metadata.metadata_at(region.metadata, mask, seq)
    order = OrderRecord(region.orders + 64 * (seq & mask))
    command_metadata.clear_metadata(metadata)
    for offset in range(0, 64, 8):
        store_i64(order + offset, 0)
    order.participant = session.participant
    epoch_offset = context.control.epoch_offset
    order.rx_ts_ns = now + epoch_offset
    disabled = OuchSession(session).is_disabled
    kind = apply.call5(
        load_i64(codec + apply.CODEC_DECODE), message, size, session, order, metadata
    )
    if kind == LIST:
        return kind
    if kind != APPLICATION:
        charge_session_message(session, kind, now)
        return kind
    apply.add(session + session_block.MESSAGES, 1)
    metadata.session = session.index
    metadata.protocol = session.protocol
    if not take_token(session, now, is_cancel(session, order, metadata)):
        apply.add(session + session_block.THROTTLED, 1)
        metadata.refused = THROTTLED
        if session.protocol == OUCH50:
            OuchSession(session).is_disabled = disabled
    else:
        if metadata.refused == MASS_STATUS:
            charge(session, now, session.open_orders)
        # OUCH: a refused change of an order that is gone is ignored, one of an open order may end
        # it (section 2.2).
        asks = metadata.refused == 0 or (metadata.orig_bytes != 0 and session.protocol <= OUCH50)
        if asks and resolve(region, session, codec, order, metadata) == IGNORE:
            return IGNORE
    refused = metadata.refused
    if refused != 0:
        if apply.is_fix(session.protocol):
            find_named(region, session, metadata)
        if refused != STATUS and refused != MASS_STATUS:
            apply.add(session + session_block.REFUSED, 1)
        order.kind = 0
        order.order_id = 0
    publish(context, seq, order, metadata)
    return STREAM_FULL if stream.is_nearly_full(StreamHeader(session.stream), LAST) else kind


@kernel_outlined
def find_named(region: RegionHeader, session: SessionBlock, metadata: CommandMetadata) -> None:
    """The order that a refused FIX message names, if there is one: its answer says how that is."""
    table, index = TokenTable(region.tokens), session.index
    number = 0
    if metadata.orig_bytes != 0:
        number = tokens.number_of(table, index, metadata + command_metadata.ORIG)
    elif metadata.refused == STATUS:
        number = tokens.number_of(table, index, metadata + command_metadata.TOKEN)
    rows, mask = region.rows, region.row_mask
    if number != 0 and order_rows.find_row(rows, mask, number) == 0:
        number = 0
    metadata.row = number


@kernel_outlined
def resolve(
    region: RegionHeader,
    session: SessionBlock,
    codec: int,
    order: OrderRecord,
    metadata: CommandMetadata,
) -> int:
    """Resolve the names in a message: its order's number and row; why it is refused, if it is, goes
    into the metadata. Returns IGNORE for what the protocol passes over in silence. ``codec``:
    address of the protocol's row of kernels."""
    table, index = TokenTable(region.tokens), session.index
    rows, mask = region.rows, region.row_mask
    is_taken = metadata.token_bytes != 0
    is_taken = is_taken and tokens.number_of(table, index, metadata + command_metadata.TOKEN) != 0
    if order.kind == NEW:
        most = session.max_open
        if is_taken:
            return duplicate(session, metadata)
        # What never rests takes no place: at its limit a session can still close out.
        stays = order.time_in_force & TIF_MASK not in (IOC, FOK)
        if not admits(session, order):
            metadata.refused = NOT_ADMITTED
        elif stays and most > 0 and session.open_orders >= most:
            metadata.refused = TOO_MANY_OPEN
        elif stream.is_nearly_full(StreamHeader(session.stream), RESERVED):
            metadata.refused = VENUE_FULL
        else:
            new_number(region, index, order, metadata)
        return APPLICATION
    if metadata.orig_bytes == 0:
        return APPLICATION
    row = order_rows.find_row(
        rows, mask, tokens.number_of(table, index, metadata + command_metadata.ORIG)
    )
    if row != 0 and not order_rows.is_workable(rows, mask, row):
        row = OrderRow(0)
        if session.protocol > OUCH50:
            metadata.refused = TOO_LATE
    if is_taken:
        return duplicate(session, metadata)
    if (
        row != 0
        and is_replace(session, order, metadata)
        and order_rows.is_being_replaced(rows, mask, row)
    ):
        # Its quantity would count from an order that the other replace has made another one.
        if session.protocol <= OUCH50:
            return IGNORE
        metadata.refused = PENDING
    complete = load_i64(codec + apply.CODEC_COMPLETE)
    if complete != 0 and apply.call4(complete, order, metadata, row, session) == IGNORE:
        return IGNORE
    if row == 0:
        metadata.refused = max(metadata.refused, UNKNOWN_ORDER)
        return APPLICATION
    metadata.row = row.number
    if metadata.refused == 0:
        if order.kind == REPLACE:
            new_number(region, index, order, metadata)
        elif metadata.token_bytes != 0 and session.protocol > OUCH50:
            metadata.flags |= command_metadata.FLAG_TOKEN
    return APPLICATION


@kernel
def admits(session: SessionBlock, order: OrderRecord) -> bool:
    """Return whether the session may enter a NEW of this type and time in force."""
    types, times = session.order_types, session.times_in_force
    return types >> order.order_type & times >> (order.time_in_force & TIF_MASK) & 1 != 0


@kernel
def duplicate(session: SessionBlock, metadata: CommandMetadata) -> int:
    """A token that is taken.  OUCH ignores the message and counts it.  FIX rejects it, or reports
    the order's state where the message says that it may have been sent before."""
    if session.protocol <= OUCH50:
        session.duplicates += 1
        return IGNORE
    is_resend = metadata.flags & fix_decode.POSS_RESEND != 0
    status = is_resend and metadata.message == fix_decode.D
    metadata.refused = STATUS if status else DUPLICATE
    return APPLICATION


@kernel_outlined
def new_number(
    region: RegionHeader, session: int, order: OrderRecord, metadata: CommandMetadata
) -> None:
    """Give the message of the session (its index) a new row; a replace keeps the core's order."""
    table, rows = TokenTable(region.tokens), region.rows
    last, answered_seq = region.last_number, region.answered_seq
    number = order_rows.next_number(rows, region.row_mask, last, answered_seq)
    if number == 0 or not tokens.has_room_for(table, session, 1):
        metadata.refused = VENUE_FULL
        return
    if order.kind == NEW:
        order.order_id = order_rows.ORDER_BIT | number
    metadata.row = number
    metadata.flags |= command_metadata.FLAG_NEW_ROW


@kernel_outlined
def publish(
    context: SessionsContext, seq: int, order: OrderRecord, metadata: CommandMetadata
) -> None:
    """Let rows and tokens know the command, and put it on the lane."""
    region = RegionHeader(context.region)
    apply.apply_command(region, order, metadata)
    region.lane_seq = seq
    ring = RingHeader(context.lane_ring)
    slot = slot_address(ring, context.lane_mask, seq)
    copy56(slot, order)
    slot.stamp = seq
    ring.published = seq


@kernel_outlined
def internal(
    context: SessionsContext, session: SessionBlock, message: int, kind: int, number: int
) -> int:
    """A command of the session layer's own; 0 if the lane has no room for it now."""
    if context.closed != 0 or lane_room(context) < 1:
        return 0
    region = RegionHeader(context.region)
    mask = region.metadata_mask
    seq = region.lane_seq + 1
    metadata = command_metadata.metadata_at(region.metadata, mask, seq)
    order = OrderRecord(region.orders + 64 * (seq & mask))
    command_metadata.clear_metadata(metadata)
    for offset in range(0, 64, 8):
        store_i64(order + offset, 0)
    metadata.session = session.index
    metadata.protocol = session.protocol
    metadata.message = message
    metadata.flags = command_metadata.FLAG_INTERNAL
    if message == command_metadata.LOGGED_IN:
        for offset in range(0, 24, 8):
            store_i64(
                metadata + command_metadata.OWN + offset,
                load_i64(session + session_block.SOURCE + offset),
            )
    order.participant = session.participant
    order.kind = kind
    if number != 0:
        row = order_rows.row_of(region.rows, region.row_mask, number)
        order.participant = row.participant
        order.order_id = row.order_id
        order.symbol = row.symbol
        metadata.row = number
    epoch_offset = context.control.epoch_offset
    order.rx_ts_ns = stage_words.now_ns(context) + epoch_offset
    publish(context, seq, order, metadata)
    return 1


@kernel
def journal_session_event(context: SessionsContext, session: SessionBlock, message: int) -> int:
    """Journal what became of a connection, by a command without effect; 0 if the lane is full."""
    return internal(context, session, message, 0, 0)


@kernel_outlined
def journal_login(context: SessionsContext, session: SessionBlock) -> int:
    """Journal a connection and its address before any command that arrives over it; 0 while the
    lane has no room for that."""
    if session.login_unjournaled != 0:
        if journal_session_event(context, session, command_metadata.LOGGED_IN) == 0:
            return 0
        session.login_unjournaled = 0
    return 1


@kernel
def logged_in(context: SessionsContext, session: SessionBlock) -> None:
    """A connection's login was accepted."""
    session.login_unjournaled = 1
    journal_login(context, session)


@kernel
def put_number(at: int, number: int) -> None:
    """20 characters, right-justified, padded with spaces. ``at``: address where they go."""
    for place in range(19, -1, -1):
        Bytes(at)[place] = 48 + number % 10 if number > 0 or place == 19 else 32
        number //= 10


# A lost session's orders.


@kernel
def expire_grace_now(session: SessionBlock, now: int) -> None:
    """End the grace of a lost session now, so that its orders are cancelled.

    It counts as lost for as long as its grace, which may be longer than the machine runs.
    """
    lost = now - session.grace_ns
    session.lost_ns = lost if lost != 0 else -1


@kernel_outlined
def end_loss(context: SessionsContext, session: SessionBlock) -> None:
    """The session is back. If its grace period is over, its orders are cancelled, whether or not
    a timer has run meanwhile; a sweep that has begun also cancels the rest."""
    lost = session.lost_ns
    if lost != 0 and stage_words.now_ns(context) - lost >= session.grace_ns:
        cancel_orders(context, session)
    else:
        session.lost_ns = 0


@kernel_outlined
def cancel_orders(context: SessionsContext, session: SessionBlock) -> None:
    """The lost session's orders go: by one command where they are its participant's only ones, else
    one by one."""
    is_fix = apply.is_fix(session.protocol)
    if session.cancel_mode == CANCEL_NONE and not is_fix:
        if journal_session_event(context, session, command_metadata.LOST) != 0:
            session.lost_ns = 0
    elif session.cancel_mode == CANCEL_ALL and session.sole_order_source == 1:
        if internal(context, session, command_metadata.LOST, DISCONNECT, 0) != 0:
            session.lost_ns = 0
    else:
        region = RegionHeader(context.region)
        if journal_session_event(context, session, command_metadata.LOST) != 0:
            session.lost_ns = 0
            session.sweep = 1
            session.sweep_end = region.last_number


@kernel_outlined
def sweep(context: SessionsContext, session: SessionBlock) -> None:
    """Cancel a lost session's orders one by one, some rows at a time.  Every row is checked: an
    open order keeps its own, however far the numbers have gone on."""
    region = RegionHeader(context.region)
    place, last = session.sweep - 1, session.sweep_end
    count = min(region.row_mask, last) + 1
    until = min(count, place + SWEEP_ROWS)
    mode, answered = session.cancel_mode, region.answered_seq
    is_fix = apply.is_fix(session.protocol)
    while place < until:
        row = OrderRow(region.rows + order_rows.ROW_BYTES * place)
        number = row.number
        if 0 < number <= last and row.session == session.index:
            is_root = row.order_id & order_rows.NUMBER_MASK == number
            live = quote_rows.may_live(row, answered) and is_root
            goes = mode == CANCEL_ALL or (mode == CANCEL_DAY and row.time_in_force & 15 == DAY)
            if is_fix and row.flags & fix_decode.CANCEL_ON_LOSS:
                goes = True
            if (
                live
                and goes
                and internal(context, session, command_metadata.LOST, CANCEL, number) == 0
            ):
                break
        place += 1
    session.sweep = 0 if place >= count else place + 1
