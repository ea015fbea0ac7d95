"""Publish an event to its session and to the drop copies about its participant.

The running stage and the rebuild from a journal do the same.  First come copies over SoupBinTCP, of
the order as it was; then rows and sessions; then copies over FIX, of the sums as they are.
"""

from openoutcry.order_entry import (
    apply,
    command_metadata,
    constants,
    drop_copy,
    session_region,
    soupbin,
    sums,
)
from openoutcry.order_entry import rows as order_rows
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix import drop_copy as fix_drop_copy
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.off_book import report_off_book
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader, WaitingCommand
from openoutcry.order_entry.shm_layout import may_act
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    mul_wrapping,
    store_i64,
)
from openoutcry.wire.notes import fee_is_of_base, fee_note, fee_units
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

PACKETS = constants.PROTOCOL_PACKETS
QUOTES_DONE = constants.FIX_REFUSAL_QUOTES_DONE
ENTERED = enum_numbers.EVENT_KIND_ENTERED
PLACE = (1 << 32) - 1
"""Mask of an event's ``leaves_lots`` that holds the command's place in the core's queue."""
REPORTED_KINDS = sum(
    1 << kind
    for kind in (
        apply.ACCEPTED,
        apply.FILLED,
        apply.CANCELLED,
        apply.EXPIRED,
        apply.REDUCED,
        apply.REPLACED,
        apply.CONVERTED,
        apply.ELECTED,
        apply.BROKEN,
    )
)
"""Events of an order that a report contains."""


@kernel
def is_fill_off_book(event: EventRecord) -> bool:
    """Return whether the event is one side's fill of a trade off the book."""
    return event.kind == apply.FILLED and is_off_book(event.order_id)


@kernel
def is_broken_elsewhere(region: RegionHeader, event: EventRecord) -> bool:
    """Return whether the event is one side's broken trade of an order that no session has, or has
    forgotten."""
    if event.kind != apply.BROKEN:
        return False
    order_id = event.order_id
    is_own = order_id > 0 and order_id & order_rows.ORDER_BIT != 0
    return not is_own or apply.row_of_event(region, event) == 0


@kernel
def publish_event(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: OrderRecord,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """Publish an event to its session and its drop copies.

    Returns the index of its session, as :func:`apply.apply_event`.
    """
    if region.waiting != 0:
        return publish_after_bump(region, codecs, event, order, metadata, rx_ts_ns)
    receiver = publish_to_session(region, codecs, event, order, metadata, rx_ts_ns)
    if metadata != 0:
        region.answered_seq = max(region.answered_seq, region.at_lane_seq)
    return receiver


@kernel_outlined
def publish_after_bump(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: OrderRecord,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """The same where commands wait: the events after an ENTERED answer the command that has waited,
    as if it had arrived now."""
    kind, left = event.kind, region.entry_left
    is_own = metadata != 0 and left == 0 and kind != ENTERED
    if kind == ENTERED:
        begin_entry(region, event)
        order, metadata = OrderRecord(0), CommandMetadata(0)
    elif left != 0:
        order, metadata, entry = OrderRecord(0), CommandMetadata(0), WaitingCommand(region.entry)
        if entry != 0:
            order, metadata = (
                OrderRecord(entry + session_region.WAIT_ORDER),
                CommandMetadata(entry + session_region.WAIT_METADATA),
            )
            rx_ts_ns = entry.rx
    receiver = publish_to_session(region, codecs, event, order, metadata, rx_ts_ns)
    if is_own:
        if kind == apply.DELAYED:
            keep(region, event, order, metadata, rx_ts_ns)
        mark_reported(region, region.at_lane_seq)
    elif left != 0 and kind != ENTERED:
        end_event(region)
    return receiver


@kernel_outlined
def publish_to_session(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: OrderRecord,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> int:
    """Publish one event to drop copies and to its session, and update its row.

    Returns the index of its session, 0: none.  A fill off the book is in the streams of all
    sessions of its participant, and so is a broken trade of no session's order.  ``codecs``:
    address of the table of protocols' kernels.
    """
    if metadata != 0 and apply.is_announcement(order) and event.order_id == order.order_id:
        return 0  # what becomes of the leg its own command says
    if event.kind == apply.BROKEN:
        fee = event.leaves_lots
        region.fee = fee_note(-fee_units(fee), fee_is_of_base(fee))
    if apply.is_over(event, metadata):
        return 0
    copies = region.copy_count
    if metadata != 0 and metadata.refused == QUOTES_DONE:
        copies = 0  # an answer to the session alone
    if copies > 0:
        copy_event(region, codecs, event, order, metadata, rx_ts_ns)
    if metadata != 0:
        event = apply.of_connection(
            event,
            metadata,
            EventRecord(codecs + apply.CODEC_BYTES * apply.CODECS + apply.EVENT_ROOM),
        )
    receiver = 0
    is_order = event.order_id & order_rows.ORDER_BIT != 0
    if (metadata != 0 or is_order) and event.kind != ENTERED:
        receiver = apply.apply_event(region, codecs, event, order, metadata, rx_ts_ns)
    if copies > 0 and region.fix_copies != 0:
        report_event(region, codecs, event, order, metadata, rx_ts_ns)
    if is_fill_off_book(event) or is_broken_elsewhere(region, event):
        report_off_book(region, codecs, event, rx_ts_ns)
    return receiver


@kernel_outlined
def copy_event(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: OrderRecord,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> None:
    """Send an event to every drop copy over SoupBinTCP whose group has its participant.

    Called before :func:`apply.apply_event`, for every event; ``order`` and ``metadata``: of the
    command that caused it, 0 if no session did.
    """
    participant = event.participant
    copies = Words(region.copy_masks)[participant] & ~region.fix_copies
    if copies == 0:
        return
    row, sender = OrderRow(0), SessionBlock(0)
    if event.kind != apply.REJECTED:
        row = apply.row_of_event(region, event)
    if row != 0:
        sender = apply.block_of(region, row.session)
    if metadata != 0:
        if metadata.flags & command_metadata.FLAG_INTERNAL:
            if event.kind == apply.REJECTED:
                return
            metadata = CommandMetadata(0)
        else:
            causer = apply.block_of(region, metadata.session)
            # What a taker's metadata says is nothing about the orders that it met.
            if order.participant != participant or (row != 0 and causer != sender):
                metadata = CommandMetadata(0)
            else:
                sender = causer
    out = codecs + apply.CODEC_BYTES * apply.CODECS
    if VERIFY:
        assert sender == 0 or may_act(sender, participant), "a copy names its own sender"
        assert copies >> region.copy_count == 0, "a copy for each bit"
    first = apply.block_of(region, Words(region + session_region.COPY_SESSIONS)[0])
    size = drop_copy.write_copy(
        event, row, metadata, sender, rx_ts_ns, region.fee, first, out + soupbin.HEADER_BYTES
    )
    for place in range(region.copy_count):
        if copies >> place & 1:
            session = apply.block_of(region, Words(region + session_region.COPY_SESSIONS)[place])
            apply.put_out(region, session, out, size, event.seq)


@kernel_outlined
def report_event(
    region: RegionHeader,
    codecs: int,
    event: EventRecord,
    order: OrderRecord,
    metadata: CommandMetadata,
    rx_ts_ns: int,
) -> None:
    """Like :func:`copy_event`, for drop copies over FIX; after :func:`apply.apply_event`, for every
    event. ``order`` and ``metadata``: as there."""
    participant, kind = event.participant, event.kind
    out = codecs + apply.CODEC_BYTES * apply.CODECS + soupbin.HEADER_BYTES
    order_id, row = event.order_id, OrderRow(0)
    if REPORTED_KINDS >> kind & 1:
        if order_id & order_rows.ORDER_BIT == 0 or order_id < 0:
            row = row_of_sums(region, event, OrderRow(out + fix_drop_copy.SCRATCH))
        else:
            row = apply.row_of_event(region, event)
    elif kind != apply.REJECTED:
        return
    copies = Words(region.copy_masks)[participant] & region.fix_copies
    if copies == 0:
        return
    sender, named, symbol = SessionBlock(0), OrderRow(0), 0
    if metadata != 0:
        symbol = order.symbol
        internal = metadata.flags & command_metadata.FLAG_INTERNAL
        if internal and kind == apply.REJECTED:
            return
        causer = apply.block_of(region, metadata.session)
        about = row == 0 or (
            row.protocol != PACKETS and apply.is_about(region, event, row, metadata)
        )
        if internal or order.participant != participant or not about:
            metadata = CommandMetadata(0)
        else:
            sender = causer
            rows, mask = region.rows, region.row_mask
            named = order_rows.find_row(rows, mask, metadata.row)
            if metadata.flags & command_metadata.FLAG_NEW_ROW and named != 0:
                replaced = named.chain
                named = order_rows.find_row(rows, mask, replaced) if replaced != 0 else named
            named = order_rows.reported_order(rows, mask, named)
    if row != 0 and row.protocol != PACKETS:
        sender = apply.block_of(region, row.session)
    if VERIFY:
        assert sender == 0 or may_act(sender, participant), "a copy names its own sender"
        assert metadata == 0 or sender != 0, "metadata has a sender"
    size = 0
    for place in range(region.copy_count):
        if copies >> place & 1 == 0:
            continue
        session = FixSession(
            apply.block_of(region, Words(region + session_region.COPY_SESSIONS)[place])
        )
        if size == 0:
            session.rx_ts_ns = rx_ts_ns
            session.cause_seq = event.cause_seq
            session.named = named
            session.refused_symbol = symbol
            session.fee = region.fee
            size = fix_drop_copy.write_report(
                event, row, session, metadata, FixSession(sender), out
            )
            if size == 0:
                return
        apply.put_out(region, session, out - soupbin.HEADER_BYTES, size, event.seq)


@kernel_outlined
def row_of_sums(region: RegionHeader, event: EventRecord, row: OrderRow) -> OrderRow:
    """Make ``row`` hold what is known of an order without a session, as of this event."""
    table, mask = region.sums, region.sums_mask
    order_id, kind = event.order_id, event.kind
    leaves, qty = event.leaves_lots, event.qty_lots
    entry = sums.find(table, mask, order_id)
    if kind == apply.BROKEN:
        return row_of_broken(event, entry, row)
    if entry == 0:
        apply.add(region + session_region.UNREPORTED_EVENTS, 1)
        return OrderRow(0)
    if kind == apply.ACCEPTED:
        sums.put(entry, order_id, qty)
    elif entry.key == 0:
        # It came before any drop copy listened.
        sums.put(entry, order_id, leaves + qty)
    if kind == apply.FILLED:
        apply.add(entry + sums.CUM, qty)
        value = mul_wrapping(qty, event.price_ticks)
        entry.cum_value = add_wrapping(entry.cum_value, value)
    elif kind == apply.REPLACED:
        entry.qty = entry.cum + leaves
    if VERIFY:
        assert entry.key == ~order_id, "the entry is the order's"
        whole, done = entry.qty, entry.cum
        assert done >= 0, "what is executed only grows"
        assert done + leaves <= whole, "executed and open lots are no more than were asked for"
    clear(row)
    row.order_id = order_id
    row.qty = entry.qty
    row.cum = entry.cum
    row.cum_value = entry.cum_value
    row.protocol = PACKETS
    row.side = event.side
    row.instrument = event.instrument
    if leaves == 0 and kind not in (apply.ACCEPTED, apply.REPLACED, apply.CONVERTED, apply.ELECTED):
        sums.remove(table, mask, entry)
    return row


@kernel
def clear(row: OrderRow) -> None:
    """Fill a row with zeros."""
    for offset in range(0, order_rows.ROW_BYTES, 8):
        store_i64(row + offset, 0)


@kernel
def row_of_broken(event: EventRecord, entry: sums.SumEntry, row: OrderRow) -> OrderRow:
    """Make ``row`` hold an order without a session of which a trade was taken back; what is open of
    it is not known."""
    qty, price = event.qty_lots, event.price_ticks
    clear(row)
    row.order_id = event.order_id
    row.qty = qty
    row.protocol = PACKETS
    row.side = event.side
    row.instrument = event.instrument
    if entry != 0 and entry.key != 0:
        entry.qty -= qty
        apply.add(entry + sums.CUM, -qty)
        value = mul_wrapping(mul_wrapping(qty, price), -1)
        entry.cum_value = add_wrapping(entry.cum_value, value)
        row.qty += entry.cum
        row.cum, row.cum_value = entry.cum, entry.cum_value
    return row


@kernel
def apply_batch(
    region: RegionHeader,
    codecs: int,
    orders: int,
    count: int,
    metadata_addresses: int,
    events: int,
    event_count: int,
    notes: int,
    last_event: int,
) -> int:
    """Apply commands in sequence and, after each, its events up to ``last_event``; returns the
    number of commands that had metadata.

    ``metadata_addresses``: a word a command, the address of its metadata or 0.  ``notes``: a word
    an event, what the core has noted at it; 0: nothing.  The first command
    is at ``orders``.
    """
    at, noted = 0, 0
    for index in range(count):
        order = OrderRecord(orders + 64 * index)
        metadata = CommandMetadata(Words(metadata_addresses)[index])
        is_today = order.rx_ts_ns >= region.day_begin
        if is_today and region.day_begun == 0:
            apply.begin_day(region)
        lane_seq = 0
        if metadata != 0:
            apply.apply_command(region, order, metadata)
            apply.remember(region, order, metadata)
            noted += 1
            lane_seq = region.lane_seq + 1
            region.lane_seq = lane_seq
        seq = order.seq
        if VERIFY:
            earlier = OrderRecord(order - 64).seq if index > 0 else 0
            cause = EventRecord(events + 64 * at).cause_seq if at < event_count else seq
            assert seq > earlier, "commands come in sequence"
            assert cause >= seq, "an event comes after its own command"
        while at < event_count and EventRecord(events + 64 * at).cause_seq == seq:
            event = EventRecord(events + 64 * at)
            if event.seq <= last_event:
                region.at_lane_seq = lane_seq
                region.fee = Words(notes)[at] if notes != 0 else 0
                publish_event(region, codecs, event, order, metadata, order.rx_ts_ns)
            at += 1
    return noted


# A command that waits at the core's speed bump: its record and its metadata are kept until it
# enters. Events of another command then answer it (wire: DELAYED, ENTERED). There is an entry for
# each place in the core's queue. A row that the answer will name stays: ``answered_seq`` does not
# pass a command that waits.


@kernel
def mark_reported(region: RegionHeader, lane_seq: int) -> None:
    """Note that the lane's commands up to ``lane_seq`` have had an event reported.  An event of a
    command that has waited is not one of the command at whose time it enters, which may still wait.

    Those that wait will have more events: ``answered_seq`` stops before the first of them."""
    answered_seq, upto = region.answered_seq, max(lane_seq, region.reported_upto)
    region.reported_upto = upto
    flags, mask = region.waiting_lanes, region.metadata_mask
    while answered_seq < upto and Bytes(flags)[answered_seq + 1 & mask] == 0:
        answered_seq += 1
    region.answered_seq = answered_seq


@kernel_outlined
def keep(
    region: RegionHeader, event: EventRecord, order: int, metadata: int, rx_ts_ns: int
) -> None:
    """Keep a command that waits: its record is at ``order``, its metadata at ``metadata``."""
    entry = WaitingCommand(region.waiting + session_region.WAIT_BYTES * (event.leaves_lots & PLACE))
    lane_seq = region.at_lane_seq
    if VERIFY:
        assert entry.seq == 0, "a place is one command's"
    entry.seq = event.cause_seq
    entry.lane = lane_seq
    entry.rx = rx_ts_ns
    copy64(entry + session_region.WAIT_ORDER, order)
    copy64(entry + session_region.WAIT_METADATA, metadata)
    copy64(entry + session_region.WAIT_METADATA + 64, metadata + 64)
    Bytes(region.waiting_lanes)[lane_seq & region.metadata_mask] = 1


@kernel_outlined
def begin_entry(region: RegionHeader, event: EventRecord) -> None:
    """Let the next ``qty_lots`` events of ENTERED belong to a command that waited."""
    entry = WaitingCommand(region.waiting + session_region.WAIT_BYTES * (event.leaves_lots & PLACE))
    is_known = entry.seq == event.contra_id
    region.entry = entry if is_known else 0
    region.entry_left = event.qty_lots
    if VERIFY:
        assert is_known or entry.seq == 0, "the entering command is the waiting one"


@kernel_outlined
def end_event(region: RegionHeader) -> None:
    """Count one of these events as reported; after the last one the command is answered."""
    left, entry = region.entry_left - 1, WaitingCommand(region.entry)
    region.entry_left = left
    if left == 0 and entry != 0:
        lane_seq, mask = entry.lane, region.metadata_mask
        Bytes(region.waiting_lanes)[lane_seq & mask] = 0
        entry.seq = 0
        region.entry = 0
        mark_reported(region, 0)
