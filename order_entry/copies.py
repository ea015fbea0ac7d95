"""Who is told of an event: its session, and the drop copies about its participant.

One way for the running stage and for what is made again from a journal: copies over SoupBinTCP
first, of the order as it was, then rows and sessions, then copies over FIX, of the sums as they
are.
"""

from openoutcry.order_entry import apply as a
from openoutcry.order_entry import delays, drop_copy, soupbin, sums
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import rows as r
from openoutcry.order_entry import session as s
from openoutcry.order_entry.fix import drop_copy as fix_drop_copy
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    add_wrapping,
    load_i64,
    load_u8,
    load_u16,
    mul_wrapping,
    store_i64,
    store_u8,
    store_u16,
)
from openoutcry.wire.records import EVENT

EVENT_INSTRUMENT, EVENT_SIDE = EVENT.offsets["instrument"], EVENT.offsets["side"]
PACKETS = int(Protocol.PACKETS)
TOLD_BITS = sum(
    1 << kind
    for kind in (
        a.ACCEPTED, a.FILLED, a.CANCELLED, a.EXPIRED, a.REDUCED, a.REPLACED, a.CONVERTED, a.ELECTED,
    )
)  # fmt: skip
"""Events of an order that a report tells of."""


@kernel
def tell_event(hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int) -> int:
    """Tell an event to whom it concerns; returns the index of its session, as
    :func:`apply.apply_event`, which see."""
    if load_i64(hall + h.WAITING) == 0:
        return tell_now(hall, codecs, event, order, note, rx_ts_ns)
    return tell_behind_bump(hall, codecs, event, order, note, rx_ts_ns)


@kernel_outlined
def tell_behind_bump(
    hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int
) -> int:
    """The same where commands wait: the events behind an ENTERED are the answer to the one that has
    waited, as if it had come now."""
    kind, left = load_u8(event + a.EVENT_KIND), load_i64(hall + h.ENTRY_LEFT)
    if kind == delays.ENTERED:
        delays.begin_entry(hall, event)
        order, note = 0, 0
    elif left != 0:
        order, note, entry = 0, 0, load_i64(hall + h.ENTRY)
        if entry != 0:
            order, note = entry + h.WAIT_ORDER, entry + h.WAIT_NOTE
            rx_ts_ns = load_i64(entry + h.WAIT_RX)
    receiver = tell_now(hall, codecs, event, order, note, rx_ts_ns)
    if kind == delays.DELAYED and note != 0:
        delays.keep(hall, event, order, note, rx_ts_ns)
    elif left != 0 and kind != delays.ENTERED:
        delays.end_event(hall)
    return receiver


@kernel_outlined
def tell_now(hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int) -> int:
    copies = load_i64(hall + h.COPY_COUNT)
    if copies > 0:
        copy_event(hall, codecs, event, note, rx_ts_ns)
    if note != 0:
        event = a.of_connection(event, note, codecs + a.CODEC_BYTES * a.CODECS + a.EVENT_ROOM)
    receiver = 0
    is_order = load_i64(event + a.EVENT_ID) & r.ORDER_BIT != 0
    if (note != 0 or is_order) and load_u8(event + a.EVENT_KIND) != delays.ENTERED:
        receiver = a.apply_event(hall, codecs, event, order, note, rx_ts_ns)
    if copies > 0 and load_i64(hall + h.FIX_COPIES) != 0:
        report_event(hall, codecs, event, order, note, rx_ts_ns)
    return receiver


@kernel_outlined
def copy_event(hall: int, codecs: int, event: int, note: int, rx_ts_ns: int) -> None:
    """Who gets a copy of an event: every drop copy over SoupBinTCP whose group
    has its participant.  Before
    :func:`apply.apply_event`, for every event; ``note``: 0 if no session caused it."""
    who = load_u16(event + a.EVENT_PARTICIPANT)
    copies = load_i64(load_i64(hall + h.COPY_MASKS) + 8 * who) & ~load_i64(hall + h.FIX_COPIES)
    if copies == 0:
        return
    row, sender = 0, 0
    if load_u8(event + a.EVENT_KIND) != a.REJECTED:
        row = a.row_of_event(hall, event)
    if row != 0:
        sender = a.block_of(hall, load_u16(row + r.SESSION))
    if note != 0:
        if load_u8(note + n.FLAGS) & n.FLAG_INTERNAL:
            if load_u8(event + a.EVENT_KIND) == a.REJECTED:
                return
            note = 0
        else:
            causer = a.block_of(hall, load_u16(note + n.SESSION))
            # What a taker's note says is nothing about the orders that it met.
            if load_i64(causer + s.PARTICIPANT) != who or (row != 0 and causer != sender):
                note = 0
            else:
                sender = causer
    out = codecs + a.CODEC_BYTES * a.CODECS
    if VERIFY:
        assert sender == 0 or load_i64(sender + s.PARTICIPANT) == who, "a copy names its own sender"
        assert copies >> load_i64(hall + h.COPY_COUNT) == 0, "a copy for each bit"
    size = drop_copy.write_copy(event, row, note, sender, rx_ts_ns, out + soupbin.HEADER_BYTES)
    for place in range(load_i64(hall + h.COPY_COUNT)):
        if copies >> place & 1:
            session = a.block_of(hall, load_i64(hall + h.COPY_SESSIONS + 8 * place))
            a.put_out(hall, session, out, size, load_i64(event + a.EVENT_SEQ))


@kernel_outlined
def report_event(hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int) -> None:
    """As :func:`copy_event`, for drop copies over FIX; behind :func:`apply.apply_event`, for every
    event.  ``order`` and ``note``: as there."""
    who, kind = load_u16(event + a.EVENT_PARTICIPANT), load_u8(event + a.EVENT_KIND)
    out = codecs + a.CODEC_BYTES * a.CODECS + soupbin.HEADER_BYTES
    order_id, row = load_i64(event + a.EVENT_ID), 0
    if TOLD_BITS >> kind & 1:
        if order_id & r.ORDER_BIT == 0 or order_id < 0:
            row = row_of_sums(hall, event, out + fix_drop_copy.SCRATCH)
        else:
            row = a.row_of_event(hall, event)
    elif kind != a.REJECTED:
        return
    copies = load_i64(load_i64(hall + h.COPY_MASKS) + 8 * who) & load_i64(hall + h.FIX_COPIES)
    if copies == 0:
        return
    sender, named, symbol = 0, 0, 0
    if note != 0:
        symbol = load_i64(order + a.ORDER_SYMBOL)
        internal = load_u8(note + n.FLAGS) & n.FLAG_INTERNAL
        if internal and kind == a.REJECTED:
            return
        causer = a.block_of(hall, load_u16(note + n.SESSION))
        about = row == 0 or (
            load_u8(row + r.PROTOCOL) != PACKETS and a.is_about(hall, event, row, note)
        )
        if internal or load_i64(causer + s.PARTICIPANT) != who or not about:
            note = 0
        else:
            sender = causer
            rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
            named = r.find_row(rows, mask, load_i64(note + n.ROW))
            if load_u8(note + n.FLAGS) & n.FLAG_NEW_ROW and named != 0:
                replaced = load_i64(named + r.CHAIN)
                named = r.find_row(rows, mask, replaced) if replaced != 0 else named
            named = r.told_row(rows, mask, named)
    if row != 0 and load_u8(row + r.PROTOCOL) != PACKETS:
        sender = a.block_of(hall, load_u16(row + r.SESSION))
    if VERIFY:
        assert sender == 0 or load_i64(sender + s.PARTICIPANT) == who, "a copy names its own sender"
        assert note == 0 or sender != 0, "a note has a sender"
    size = 0
    for place in range(load_i64(hall + h.COPY_COUNT)):
        if copies >> place & 1 == 0:
            continue
        session = a.block_of(hall, load_i64(hall + h.COPY_SESSIONS + 8 * place))
        if size == 0:
            store_i64(session + s.RX_TS_NS, rx_ts_ns)
            store_i64(session + s.CAUSE_SEQ, load_i64(event + a.EVENT_CAUSE))
            store_i64(session + s.NAMED, named)
            store_i64(session + fix_words.REFUSED_SYMBOL, symbol)
            size = fix_drop_copy.write_report(event, row, session, note, sender, out)
            if size == 0:
                return
        a.put_out(hall, session, out - soupbin.HEADER_BYTES, size, load_i64(event + a.EVENT_SEQ))


@kernel_outlined
def row_of_sums(hall: int, event: int, row: int) -> int:
    """Make ``row`` say what is known of an order that is no session's, as of this event."""
    table, mask = load_i64(hall + h.SUMS), load_i64(hall + h.SUMS_MASK)
    order_id, kind = load_i64(event + a.EVENT_ID), load_u8(event + a.EVENT_KIND)
    leaves, qty = load_i64(event + a.EVENT_LEAVES), load_i64(event + a.EVENT_QTY)
    entry = sums.find(table, mask, order_id)
    if entry == 0:
        a.add(hall + h.UNTOLD, 1)
        return 0
    if kind == a.ACCEPTED:
        sums.put(entry, order_id, qty)
    elif load_i64(entry + sums.KEY) == 0:
        # It came before anybody listened.
        sums.put(entry, order_id, leaves + qty)
    if kind == a.FILLED:
        a.add(entry + sums.CUM, qty)
        value = mul_wrapping(qty, load_i64(event + a.EVENT_PRICE))
        store_i64(entry + sums.CUM_VALUE, add_wrapping(load_i64(entry + sums.CUM_VALUE), value))
    elif kind == a.REPLACED:
        store_i64(entry + sums.QTY, load_i64(entry + sums.CUM) + leaves)
    if VERIFY:
        assert load_i64(entry + sums.KEY) == ~order_id, "the entry is the order's"
        whole, done = load_i64(entry + sums.QTY), load_i64(entry + sums.CUM)
        assert done >= 0, "what is executed only grows"
        assert done + leaves <= whole, "executed and open lots are no more than were asked for"
    for offset in range(0, r.ROW_BYTES, 8):
        store_i64(row + offset, 0)
    store_i64(row + r.ORDER_ID, order_id)
    store_i64(row + r.QTY, load_i64(entry + sums.QTY))
    store_i64(row + r.CUM, load_i64(entry + sums.CUM))
    store_i64(row + r.CUM_VALUE, load_i64(entry + sums.CUM_VALUE))
    store_u8(row + r.PROTOCOL, PACKETS)
    store_u8(row + r.SIDE, load_u8(event + EVENT_SIDE))
    store_u16(row + r.INSTRUMENT, load_u16(event + EVENT_INSTRUMENT))
    if leaves == 0 and kind not in (a.ACCEPTED, a.REPLACED, a.CONVERTED, a.ELECTED):
        sums.remove(table, mask, entry)
    return row


@kernel
def apply_batch(
    hall: int,
    codecs: int,
    orders: int,
    count: int,
    notes: int,
    events: int,
    event_count: int,
    last_event: int,
) -> int:
    """Apply commands in sequence and, behind each, its events up to ``last_event``; returns the
    number of commands that had a note.

    ``notes``: by command, address of its note or 0.
    """
    at, noted = 0, 0
    for index in range(count):
        order, note = orders + 64 * index, load_i64(notes + 8 * index)
        is_today = load_i64(order + a.ORDER_TS) >= load_i64(hall + h.DAY_BEGIN)
        if is_today and load_i64(hall + h.DAY_BEGUN) == 0:
            a.begin_day(hall)
        lane_seq = 0
        if note != 0:
            a.apply_command(hall, order, note)
            a.remember(hall, order, note)
            noted += 1
            lane_seq = load_i64(hall + h.LANE_SEQ) + 1
            store_i64(hall + h.LANE_SEQ, lane_seq)
        seq = load_i64(order + a.ORDER_SEQ)
        if VERIFY:
            earlier = load_i64(order - 64 + a.ORDER_SEQ) if index > 0 else 0
            cause = load_i64(events + 64 * at + a.EVENT_CAUSE) if at < event_count else seq
            assert seq > earlier, "commands come in sequence"
            assert cause >= seq, "an event comes behind its own command"
        while at < event_count and load_i64(events + 64 * at + a.EVENT_CAUSE) == seq:
            event = events + 64 * at
            if load_i64(event + a.EVENT_SEQ) <= last_event:
                store_i64(hall + h.AT_LANE_SEQ, lane_seq)
                tell_event(hall, codecs, event, order, note, load_i64(order + a.ORDER_TS))
                delays.told_to(hall, lane_seq)
            at += 1
    return noted
