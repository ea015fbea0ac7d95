"""A list of orders of a session becomes commands: taken whole, or refused whole.  An order with
other terms is handled as a list of one.

Every leg is two commands of the sessions' lane: TERMS, which says what the leg is, and its NEW.
All of a list is first written behind the lane's end, and then published.  If the process dies in
between, the next one publishes the rest (:func:`finish_list`).  If the machine dies, the journal
may end within a list; then its first legs go (:func:`end_unfinished`).
"""

from openoutcry.order_entry import (
    command_metadata,
    constants,
    list_events,
    session_commands,
    stream,
    tokens,
)
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import lists as fix_lists
from openoutcry.order_entry.fix.decode import FixLeg
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import ORDER_BYTES, RegionHeader
from openoutcry.order_entry.session_words import SessionsContext
from openoutcry.order_entry.stream import StreamHeader
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.wire import enum_numbers, token_bucket
from openoutcry.wire.enums import LEGS_SHIFT, MAX_LEGS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.record_blocks import OrderRecord

NEW, TERMS = enum_numbers.COMMAND_KIND_NEW, enum_numbers.COMMAND_KIND_TERMS
LIST, EXPIRY = enum_numbers.TERM_LIST, enum_numbers.TERM_EXPIRY
GTD = enum_numbers.TIME_IN_FORCE_GTD
LIST_MESSAGE = ord("L")
"""``message`` of the metadata of TERMS."""
THROTTLED, TOO_MANY_OPEN = constants.REFUSAL_THROTTLED, constants.REFUSAL_TOO_MANY_OPEN
STATUS, MASS_STATUS = constants.FIX_REFUSAL_STATUS, constants.FIX_REFUSAL_MASS_STATUS
UNKNOWN_ORDER = constants.FIX_REFUSAL_UNKNOWN_ORDER
DUPLICATE, VENUE_FULL = constants.REFUSAL_DUPLICATE_TOKEN, constants.REFUSAL_VENUE_FULL
LIST_REFUSAL, NOT_ADMITTED = constants.FIX_REFUSAL_LIST, constants.REFUSAL_NOT_ADMITTED
APPLICATION, STREAM_FULL = constants.KIND_APPLICATION, constants.FAULT_STREAM_FULL
LAST = session_commands.LAST
TOKEN, TOKEN_BYTES = command_metadata.TOKEN, 40
paid_until = kernel(token_bucket.paid_until)


@kernel
def order_at(region: RegionHeader, seq: int) -> OrderRecord:
    """Return where the command of the lane with sequence ``seq`` is kept."""
    return OrderRecord(region.orders + ORDER_BYTES * (seq & region.metadata_mask))


@kernel
def metadata_of(region: RegionHeader, seq: int) -> CommandMetadata:
    """Return the metadata of the lane's command ``seq``."""
    return command_metadata.metadata_at(region.metadata, region.metadata_mask, seq)


@kernel
def seq_of(region: RegionHeader, leg: int) -> int:
    """Return the lane sequence of the NEW of a leg, from 1, of the list that is being read; the one
    before is that of its TERMS."""
    return region.lane_seq + 2 * leg


@kernel_outlined
def clear_command(context: SessionsContext, session: SessionBlock, seq: int, now: int) -> None:
    """Prepare the places of a leg's NEW, before it is decoded, and of its TERMS."""
    region = RegionHeader(context.region)
    metadata, order = metadata_of(region, seq), order_at(region, seq)
    command_metadata.clear_metadata(metadata)
    command_metadata.clear_metadata(metadata_of(region, seq - 1))
    for word in range(ORDER_BYTES // 8):
        Words(order)[word] = 0
    order.participant = session.participant
    order.rx_ts_ns = now + context.control.epoch_offset
    metadata.session = session.index
    metadata.protocol = session.protocol


@kernel
def clear_order(region: RegionHeader, seq: int) -> OrderRecord:
    """Return the place of the command ``seq``, with zeros in it."""
    order = order_at(region, seq)
    for word in range(ORDER_BYTES // 8):
        Words(order)[word] = 0
    return order


@kernel_outlined
def handle_list(
    context: SessionsContext, session: SessionBlock, contingency: int, legs: int, now: int
) -> int:
    """Enter a list whose legs are decoded, each at its place (:func:`seq_of`); returns APPLICATION,
    or STREAM_FULL if the connection is to end.  With the contingency 0 it is an order whose term is
    at the place of its TERMS.

    If one cannot be taken, none is: one command says which and why, and the others are dropped.
    """
    region = RegionHeader(context.region)
    session.messages += legs
    within = take_tokens(session, legs, now)
    if not within:
        session.throttled += legs
    last = region.last_number
    for leg in range(1, legs + 1):
        seq = seq_of(region, leg)
        order, metadata = order_at(region, seq), metadata_of(region, seq)
        last = order_rows.next_number(region.rows, region.row_mask, last, region.answered_seq)
        metadata.row = last
        if metadata.refused == 0:
            metadata.refused = THROTTLED if not within else refusal_of(region, session, leg, legs)
        if metadata.refused == 0 and not is_admitted(region, session, leg, contingency):
            metadata.refused = NOT_ADMITTED
        if metadata.refused != 0:
            return refuse_list(context, session, leg)
        order.order_id = order_rows.LEG_BITS | last
        metadata.flags |= command_metadata.FLAG_NEW_ROW
        announce(region, leg, legs, contingency)
    region.list_end = seq_of(region, legs)
    finish_list(context)
    return STREAM_FULL if stream.is_nearly_full(StreamHeader(session.stream), LAST) else APPLICATION


@kernel_outlined
def take_decoded(context: SessionsContext, session: FixSession, now: int) -> int:
    """Enter the list, or the order with a term, that FIX has decoded, or cancel the list that it
    has named; returns what :func:`handle_list` does."""
    region, fields = RegionHeader(context.region), FixFields(session.fields_)
    if fields.legs == 0:
        return cancel_list(context, session, now)
    for leg in range(1, fields.legs + 1):
        put_kept(region, fields, leg, seq_of(region, leg))
        command_metadata.clear_metadata(metadata_of(region, seq_of(region, leg) - 1))
    seq = seq_of(region, 1)
    metadata, before = metadata_of(region, seq), metadata_of(region, seq - 1)
    if fields.contingency != 0:
        name = FixLeg(fields.head)
        stream.copy_bytes(before + TOKEN, name.id, fix_decode.MAX_TOKEN)
        before.token_bytes = name.id_bytes
    else:
        term = clear_order(region, seq - 1)
        for word in range(ORDER_BYTES // 8):
            Words(term)[word] = Words(fields.term)[word]
    if metadata.flags & fix_decode.POSS_RESEND != 0 and was_sent(region, session, metadata, before):
        return refuse_list(context, session, 1)
    return handle_list(context, session, fields.contingency, fields.legs, now)


@kernel_outlined
def put_kept(region: RegionHeader, fields: FixFields, leg: int, seq: int) -> None:
    """Put an order that FIX has decoded, and its metadata, where the command ``seq`` will be."""
    kept = fix_decode.kept_order(fields, leg)
    order, metadata = order_at(region, seq), metadata_of(region, seq)
    for word in range(ORDER_BYTES // 8):
        Words(order)[word] = Words(kept)[word]
    for word in range(command_metadata.WORDS):
        Words(metadata)[word] = Words(kept)[ORDER_BYTES // 8 + word]


@kernel_outlined
def was_sent(
    region: RegionHeader, session: FixSession, metadata: CommandMetadata, of_list: CommandMetadata
) -> bool:
    """Return whether a list, or an order with a term, was sent before that may have been; then the
    metadata become those of a request for its status."""
    table, is_list = TokenTable(region.tokens), of_list.token_bytes != 0
    name = of_list + TOKEN if is_list else metadata + TOKEN
    if tokens.number_of(table, session.index, name) == 0:
        return False
    metadata.refused = STATUS
    if is_list:
        metadata.refused = MASS_STATUS
        metadata.message = fix_lists.M
        stream.copy_bytes(metadata + command_metadata.ORIG, name, TOKEN_BYTES)
        metadata.orig_bytes = of_list.token_bytes
        metadata.token_bytes = 0
        for word in range(TOKEN // 8, (TOKEN + TOKEN_BYTES) // 8):
            Words(metadata)[word] = 0
    return True


@kernel_outlined
def cancel_list(context: SessionsContext, session: FixSession, now: int) -> int:
    """Cancel each order of the list that FIX has named, the oldest first; returns as
    :func:`handle_list`.  The first cancel ends orders that are linked.  Those after it are for what
    happens before: another order may be the open one by then."""
    region, fields = RegionHeader(context.region), FixFields(session.fields_)
    named = CommandMetadata(fix_decode.kept_order(fields, 1) + ORDER_BYTES)
    session.messages += 1
    session_commands.take_token(session, now, True)
    row, count = order_rows.first_row(region.rows, session + session_block.OWN_ROWS), 0
    while row != 0 and count < MAX_LEGS:
        is_of_list = list_events.is_named(row, named)
        if is_of_list and order_rows.is_workable(region.rows, region.row_mask, row):
            count += 1
            seq = region.lane_seq + count
            put_kept(region, fields, 1, seq)
            order = order_at(region, seq)
            order.participant = row.participant
            order.order_id = row.order_id
            order.symbol = row.symbol
            metadata_of(region, seq).row = row.number
        row = order_rows.next_row(region.rows, row)
    if count == 0:
        seq = seq_of(region, 1)
        put_kept(region, fields, 1, seq)
        metadata_of(region, seq).refused = UNKNOWN_ORDER
        return refuse_list(context, session, 1)
    region.list_end = region.lane_seq + count
    finish_list(context)
    return STREAM_FULL if stream.is_nearly_full(StreamHeader(session.stream), LAST) else APPLICATION


@kernel_outlined
def is_admitted(region: RegionHeader, session: SessionBlock, leg: int, contingency: int) -> bool:
    """Return whether the session may enter the leg of such a list, or the order with such a term:
    one with an expiry is good till date, whatever its time in force."""
    seq = seq_of(region, leg)
    if not session_commands.admits(session, order_at(region, seq)):
        return False
    if contingency != 0:
        return session.lists != 0
    return order_at(region, seq - 1).order_type != EXPIRY or session.times_in_force >> GTD & 1 != 0


@kernel_outlined
def take_tokens(session: SessionBlock, legs: int, now: int) -> bool:
    """Take a token for each leg; False: one is above the rate.  A session whose excess waits has
    waited for the first, and is in debt for the others."""
    within = True
    for _ in range(legs):
        if session.throttle_policy == session_commands.QUEUE:
            session.throttle_at = paid_until(session.throttle_at, now, session.throttle_ns)
        else:
            within = session_commands.take_token(session, now, False) and within
    return within


@kernel_outlined
def refusal_of(region: RegionHeader, session: SessionBlock, leg: int, legs: int) -> int:
    """Return why the session layer refuses a leg, or 0.  Legs have one participant and one symbol,
    and each a name of its own, and so has the list.  Whether they make one the core says."""
    table, index = TokenTable(region.tokens), session.index
    seq = seq_of(region, leg)
    order, metadata = order_at(region, seq), metadata_of(region, seq)
    first = order_at(region, seq_of(region, 1))
    if order.participant != first.participant or order.symbol != first.symbol:
        return LIST_REFUSAL
    if tokens.number_of(table, index, metadata + TOKEN) != 0:
        return DUPLICATE
    of_list = metadata_of(region, seq_of(region, 1) - 1)
    has_name = of_list.token_bytes != 0
    if has_name and tokens.number_of(table, index, of_list + TOKEN) != 0:
        return DUPLICATE
    for before in range(1, leg):
        if is_same_name(metadata_of(region, seq_of(region, before)), metadata):
            return DUPLICATE
    if has_name and is_same_name(of_list, metadata):
        return DUPLICATE
    most = session.max_open
    if most > 0 and session.open_orders + leg > most:
        return TOO_MANY_OPEN
    is_full = stream.is_nearly_full(StreamHeader(session.stream), session_commands.RESERVED)
    if is_full or metadata.row == 0 or not tokens.has_room_for(table, index, legs + 1):
        return VENUE_FULL
    return 0


@kernel
def is_same_name(one: CommandMetadata, other: CommandMetadata) -> bool:
    """Return whether two requests have one name."""
    differs = 0
    for word in range(TOKEN // 8, (TOKEN + TOKEN_BYTES) // 8):
        differs |= Words(one)[word] ^ Words(other)[word]
    return differs == 0


@kernel_outlined
def refuse_list(context: SessionsContext, session: SessionBlock, leg: int) -> int:
    """Publish one command without effect, whose answer names the leg and says why."""
    region = RegionHeader(context.region)
    seq, of_leg = region.lane_seq + 1, seq_of(region, leg)
    order, metadata = order_at(region, seq), metadata_of(region, seq)
    for word in range(ORDER_BYTES // 8):
        Words(order)[word] = Words(order_at(region, of_leg))[word]
    for word in range(command_metadata.WORDS):
        Words(metadata)[word] = Words(metadata_of(region, of_leg))[word]
    order.kind = 0
    order.order_id = 0
    metadata.row = 0
    metadata.flags = metadata.flags & command_metadata.FLAGS_OF_PROTOCOL
    is_fix = session_block.is_fix(session.protocol)
    if is_fix and metadata.refused in (STATUS, MASS_STATUS):
        session_commands.find_named(region, session, metadata)
    else:
        session.refused += 1
    session_commands.publish(context, seq, order, metadata)
    return APPLICATION


@kernel_outlined
def announce(region: RegionHeader, leg: int, legs: int, contingency: int) -> None:
    """Write the TERMS of a leg, whose NEW is there."""
    seq = seq_of(region, leg)
    new, terms = order_at(region, seq), order_at(region, seq - 1)
    of_new, metadata = metadata_of(region, seq), metadata_of(region, seq - 1)
    if contingency != 0:
        for word in range(ORDER_BYTES // 8):
            Words(terms)[word] = 0
        terms.order_type = LIST
        terms.price_ticks = order_at(region, seq_of(region, 1)).order_id
        terms.qty_lots = leg
        terms.aux = contingency | legs << LEGS_SHIFT
    terms.participant = new.participant
    terms.rx_ts_ns = new.rx_ts_ns
    terms.symbol = new.symbol
    terms.order_id = new.order_id
    terms.kind_to_tif = TERMS | new.side << 8 | terms.order_type << 16
    metadata.session = of_new.session
    metadata.protocol = of_new.protocol
    metadata.message = LIST_MESSAGE
    metadata.client_seq = of_new.client_seq
    metadata.row = of_new.row
    if metadata.token_bytes != 0:
        metadata.flags = command_metadata.FLAG_TOKEN


@kernel_outlined
def finish_list(context: SessionsContext) -> None:
    """Publish what of a list is written and not on the lane yet."""
    region = RegionHeader(context.region)
    while region.lane_seq < region.list_end:
        seq = region.lane_seq + 1
        session_commands.publish(context, seq, order_at(region, seq), metadata_of(region, seq))


@kernel_outlined
def end_unfinished(context: SessionsContext, session: SessionBlock) -> None:
    """Cancel a list whose last legs are lost: the journal ends within it."""
    region, number = RegionHeader(context.region), session.list_row
    row = order_rows.find_row(region.rows, region.row_mask, number)
    is_live = row != 0 and order_rows.is_live(row)
    kind = session_commands.CANCEL if is_live else 0
    message = command_metadata.UNFINISHED
    session_commands.internal(context, session, message, kind, number if is_live else 0)
