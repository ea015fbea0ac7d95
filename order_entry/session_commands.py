"""A session's message becomes a command: throttled, its names looked up, noted, put on the lane."""

from openoutcry.order_entry import apply as a
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import ouch, soupbin
from openoutcry.order_entry import rows as r
from openoutcry.order_entry import session as s
from openoutcry.order_entry import session_words as x
from openoutcry.order_entry import stream as st
from openoutcry.order_entry import tokens as t
from openoutcry.order_entry.faults import Fault, Kind, Refusal
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.fix import words as f
from openoutcry.order_entry.fix.refusals import Refusal as FixRefusal
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol, ThrottlePolicy
from openoutcry.pipeline.contract import control as ct
from openoutcry.pipeline.contract import words as w
from openoutcry.ring import layout
from openoutcry.ring.kernels import gate, slot_address
from openoutcry.wire.big_endian import load_any64
from openoutcry.wire.enums import SELF_TRADE_SHIFT, CommandKind, TimeInForce
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    copy56,
    load_i64,
    load_u8,
    load_u16,
    store_i64,
    store_release,
    store_u8,
    store_u16,
)

NEW, REPLACE = int(CommandKind.NEW), int(CommandKind.REPLACE)
APPLICATION, IGNORE = int(Kind.APPLICATION), int(Kind.IGNORE)
THROTTLED, TOO_MANY_OPEN = int(Refusal.THROTTLED), int(Refusal.TOO_MANY_OPEN)
UNKNOWN_ORDER, DUPLICATE = int(Refusal.UNKNOWN_ORDER), int(Refusal.DUPLICATE_TOKEN)
VENUE_FULL, TOO_LATE = int(Refusal.VENUE_FULL), int(Refusal.TOO_LATE)
STATUS, MASS_STATUS = int(FixRefusal.STATUS), int(FixRefusal.MASS_STATUS)
PENDING = int(FixRefusal.PENDING)
OUCH42, OUCH50 = int(Protocol.OUCH42), int(Protocol.OUCH50)
CANCEL, DISCONNECT = int(CommandKind.CANCEL), int(CommandKind.DISCONNECT)
MASS_CANCEL = int(CommandKind.MASS_CANCEL)
OUCH_CANCEL, OUCH_REPLACE = ord("X"), ord("U")
DAY, IOC, FOK = (int(tif) for tif in (TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK))
TIF_MASK = (1 << SELF_TRADE_SHIFT) - 1
CANCEL_NONE, CANCEL_DAY, CANCEL_ALL = (int(mode) for mode in CancelOnDisconnect)
STREAM_FULL = int(Fault.STREAM_FULL)
RESERVED, LAST = 8, 16
"""With less than these parts of a session's stream left: no new order (what is left is for those
that are open), and the end of the connection with each message."""
AHEAD = 4
SWEEP_ROWS = 4096
"""Order rows that a step looks at when a lost session's orders go one by one."""
QUEUE = int(ThrottlePolicy.QUEUE)
LOGIN = int(Kind.LOGIN)
ANSWERS_A_TOKEN = 32
"""Messages of ours that cost a session a token where it asks for many by one message."""
MOST_DEBT_NS = 5_000_000_000
"""So long a session can have to wait for a token at most after one message."""


@kernel
def lane_room(context: int) -> int:
    """Commands that may be put on the lane now."""
    ring, mask = load_i64(context + x.LANE_RING), load_i64(context + x.LANE_MASK)
    last = load_i64(load_i64(context + x.HALL) + h.LANE_SEQ)
    if last + x.MESSAGES_A_TURN > load_i64(context + x.LANE_LIMIT):
        store_i64(context + x.LANE_LIMIT, gate(ring) + mask + 1)
    return load_i64(context + x.LANE_LIMIT) - last


@kernel
def has_token(session: int, bucket: int, now: int) -> bool:
    """The bucket (THROTTLE_AT, EXCESS_AT), by its theoretical arrival time: it is empty while that
    is more than a burst ahead."""
    each = load_i64(session + s.THROTTLE_NS)
    if each == 0:
        return True
    return load_i64(session + bucket) - now <= each * (load_i64(session + s.THROTTLE_BURST) - 1)


@kernel
def may_enter(session: int, now: int) -> bool:
    """There is a token for a message or, where the excess is rejected, for its rejection: else it
    waits unread.  So a session puts no more into the sequence than twice its rate."""
    if has_token(session, s.THROTTLE_AT, now):
        return True
    return load_i64(session + s.THROTTLE_POLICY) != QUEUE and has_token(session, s.EXCESS_AT, now)


@kernel
def may_take(session: int, now: int) -> bool:
    """A FIX message may be taken: there is room for what answers it, and it need not wait."""
    room = load_i64(session + f.OUT_CAPACITY) - load_i64(session + f.OUT_END)
    return room >= f.OUT_MIN_ROOM and may_enter(session, now)


@kernel
def take_token(session: int, now: int, is_cancel: bool) -> bool:
    """For a message that may enter; False: it is beyond the rate, and rejected.  No cancel is."""
    within = has_token(session, s.THROTTLE_AT, now)
    bucket = s.THROTTLE_AT if within else s.EXCESS_AT
    each = load_i64(session + s.THROTTLE_NS)
    store_i64(session + bucket, max(now, load_i64(session + bucket)) + each)
    return within or is_cancel


@kernel_outlined
def charge_session_message(session: int, kind: int, now: int) -> None:
    """A message that is no order's is charged as one, and for what it has sent again; the login
    itself is not."""
    if kind != LOGIN:
        take_token(session, now, True)
    charge(session, now, load_i64(session + s.ASKED_AGAIN))
    store_i64(session + s.ASKED_AGAIN, 0)


@kernel
def charge(session: int, now: int, messages: int) -> None:
    """Charge the session for ``messages`` that answer one message of its."""
    debt_ns = min(load_i64(session + s.THROTTLE_NS) * (messages // ANSWERS_A_TOKEN), MOST_DEBT_NS)
    at = max(now, load_i64(session + s.THROTTLE_AT))
    store_i64(session + s.THROTTLE_AT, at + debt_ns if debt_ns > 0 else at)


@kernel
def is_cancel(session: int, order: int, note: int) -> bool:
    """A decoded message cancels; OUCH's X becomes one, or a reduction, when its order is found."""
    kind = load_u8(order + a.ORDER_KIND)
    is_ouch = load_i64(session + s.PROTOCOL) <= OUCH50
    return kind in (CANCEL, MASS_CANCEL) or (is_ouch and load_u8(note + n.MESSAGE) == OUCH_CANCEL)


@kernel
def is_replace(session: int, order: int, note: int) -> bool:
    """A decoded message replaces; OUCH's U becomes a command when its order is found."""
    is_ouch = load_i64(session + s.PROTOCOL) <= OUCH50
    return load_u8(order + a.ORDER_KIND) == REPLACE or (
        is_ouch and load_u8(note + n.MESSAGE) == OUCH_REPLACE
    )


@kernel
def look_ahead(context: int, session: int, message: int, size: int, end: int) -> None:
    """Ask for what an OUCH 4.2 order will want that may stand AHEAD messages of this size on: a
    hint, whatever is there.  ``end``: of the bytes that came."""
    packet = message + AHEAD * size
    if load_i64(session + s.PROTOCOL) != OUCH42 or packet + size > end:
        return
    table = load_i64(load_i64(context + x.HALL) + h.TOKENS)
    token = packet + soupbin.HEADER_BYTES + 1
    last = load_any64(token + 6) >> 16 & 0xFFFFFFFFFFFF
    t.prefetch_token(table, load_i64(session + s.INDEX), load_any64(token), last)


@kernel
def one_message(context: int, session: int, codec: int, message: int, size: int, now: int) -> int:
    """A whole message: an application message becomes a command; returns what ``decode`` does."""
    hall = load_i64(context + x.HALL)
    mask = load_i64(hall + h.NOTE_MASK)
    seq = load_i64(hall + h.LANE_SEQ) + 1
    note = n.note_at(load_i64(hall + h.NOTES), mask, seq)
    order = load_i64(hall + h.ORDERS) + 64 * (seq & mask)
    n.clear_note(note)
    for offset in range(0, 64, 8):
        store_i64(order + offset, 0)
    store_u16(order + a.ORDER_PARTICIPANT, load_i64(session + s.PARTICIPANT))
    epoch_offset = load_i64(load_i64(context + w.CONTROL) + ct.EPOCH_OFFSET)
    store_i64(order + a.ORDER_TS, now + epoch_offset)
    disabled = load_i64(session + ouch.DISABLED_WORD)
    kind = a.call5(load_i64(codec + a.CODEC_DECODE), message, size, session, order, note)
    if kind != APPLICATION:
        charge_session_message(session, kind, now)
        return kind
    a.add(session + s.MESSAGES, 1)
    store_u16(note + n.SESSION, load_i64(session + s.INDEX))
    store_u8(note + n.PROTOCOL, load_i64(session + s.PROTOCOL))
    if not take_token(session, now, is_cancel(session, order, note)):
        a.add(session + s.THROTTLED, 1)
        store_u8(note + n.REFUSED, THROTTLED)
        if load_i64(session + s.PROTOCOL) == OUCH50:
            store_i64(session + ouch.DISABLED_WORD, disabled)
    else:
        if load_u8(note + n.REFUSED) == MASS_STATUS:
            charge(session, now, load_i64(session + s.OPEN_ORDERS))
        # OUCH: a refused change of an order that is gone is ignored, one of an open order may end
        # it (section 2.2).
        asks = load_u8(note + n.REFUSED) == 0 or (
            load_u8(note + n.ORIG_BYTES) != 0 and load_i64(session + s.PROTOCOL) <= OUCH50
        )
        if asks and resolve(hall, session, codec, order, note) == IGNORE:
            return IGNORE
    refused = load_u8(note + n.REFUSED)
    if refused != 0:
        if a.is_fix(load_i64(session + s.PROTOCOL)):
            find_named(hall, session, note)
        if refused != STATUS and refused != MASS_STATUS:
            a.add(session + s.REFUSED, 1)
        store_u8(order + a.ORDER_KIND, 0)
        store_i64(order + a.ORDER_ID, 0)
    publish(context, seq, order, note)
    return STREAM_FULL if st.is_nearly_full(load_i64(session + s.STREAM), LAST) else kind


@kernel_outlined
def find_named(hall: int, session: int, note: int) -> None:
    """The order that a refused FIX message names, if there is one: its answer says how that is."""
    table, index = load_i64(hall + h.TOKENS), load_i64(session + s.INDEX)
    number = 0
    if load_u8(note + n.ORIG_BYTES) != 0:
        number = t.number_of(table, index, note + n.ORIG)
    elif load_u8(note + n.REFUSED) == STATUS:
        number = t.number_of(table, index, note + n.TOKEN)
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    if number != 0 and r.find_row(rows, mask, number) == 0:
        number = 0
    store_i64(note + n.ROW, number)


@kernel_outlined
def resolve(hall: int, session: int, codec: int, order: int, note: int) -> int:
    """What the message's names mean: its order's number and row; why it is refused, if it is, goes
    into the note.  Returns IGNORE for what the protocol passes over in silence."""
    table, index = load_i64(hall + h.TOKENS), load_i64(session + s.INDEX)
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    is_taken = load_u8(note + n.TOKEN_BYTES) != 0
    is_taken = is_taken and t.number_of(table, index, note + n.TOKEN) != 0
    if load_u8(order + a.ORDER_KIND) == NEW:
        most = load_i64(session + s.MAX_OPEN)
        if is_taken:
            return duplicate(session, note)
        # What never rests takes no place: at its limit a session can still close out.
        stays = load_u8(order + a.ORDER_TIF) & TIF_MASK not in (IOC, FOK)
        if stays and most > 0 and load_i64(session + s.OPEN_ORDERS) >= most:
            store_u8(note + n.REFUSED, TOO_MANY_OPEN)
        elif st.is_nearly_full(load_i64(session + s.STREAM), RESERVED):
            store_u8(note + n.REFUSED, VENUE_FULL)
        else:
            new_number(hall, index, order, note)
        return APPLICATION
    if load_u8(note + n.ORIG_BYTES) == 0:
        return APPLICATION
    row = r.find_row(rows, mask, t.number_of(table, index, note + n.ORIG))
    if row != 0 and not is_workable(rows, mask, row):
        row = 0
        if load_i64(session + s.PROTOCOL) > OUCH50:
            store_u8(note + n.REFUSED, TOO_LATE)
    if is_taken:
        return duplicate(session, note)
    if row != 0 and is_replace(session, order, note) and r.is_being_replaced(rows, mask, row):
        # Its quantity would count from an order that the other replace has made another one.
        if load_i64(session + s.PROTOCOL) <= OUCH50:
            return IGNORE
        store_u8(note + n.REFUSED, PENDING)
    complete = load_i64(codec + a.CODEC_COMPLETE)
    if complete != 0 and a.call4(complete, order, note, row, session) == IGNORE:
        return IGNORE
    if row == 0:
        store_u8(note + n.REFUSED, max(load_u8(note + n.REFUSED), UNKNOWN_ORDER))
        return APPLICATION
    store_i64(note + n.ROW, load_i64(row + r.NUMBER))
    if load_u8(note + n.REFUSED) == 0:
        if load_u8(order + a.ORDER_KIND) == REPLACE:
            new_number(hall, index, order, note)
        elif load_u8(note + n.TOKEN_BYTES) != 0 and load_i64(session + s.PROTOCOL) > OUCH50:
            store_u8(note + n.FLAGS, load_u8(note + n.FLAGS) | n.FLAG_TOKEN)
    return APPLICATION


@kernel
def duplicate(session: int, note: int) -> int:
    """A token that is taken: OUCH ignores the message, FIX rejects it, or tells how the order is
    where it says itself that it may have been sent before."""
    if load_i64(session + s.PROTOCOL) <= OUCH50:
        return IGNORE
    is_resend = load_u8(note + n.FLAGS) & fix_decode.POSS_RESEND != 0
    status = is_resend and load_u8(note + n.MESSAGE) == fix_decode.D
    store_u8(note + n.REFUSED, STATUS if status else DUPLICATE)
    return APPLICATION


@kernel
def is_workable(rows: int, mask: int, row: int) -> bool:
    """Open and not replaced, or under way."""
    state = load_u8(row + r.STATE)
    if state == r.SENT:
        return True
    order_id = load_i64(row + r.ORDER_ID)
    return state == r.OPEN and r.current_row(rows, mask, order_id) == row


@kernel_outlined
def new_number(hall: int, session: int, order: int, note: int) -> None:
    """Give the message of the session (its index) a row of its own; a replace's core order stays
    the same."""
    table, rows = load_i64(hall + h.TOKENS), load_i64(hall + h.ROWS)
    last, answered_seq = load_i64(hall + h.LAST_NUMBER), load_i64(hall + h.ANSWERED_SEQ)
    number = r.next_number(rows, load_i64(hall + h.ROW_MASK), last, answered_seq)
    if number == 0 or not t.has_room_for(table, session):
        store_u8(note + n.REFUSED, VENUE_FULL)
        return
    if load_u8(order + a.ORDER_KIND) == NEW:
        store_i64(order + a.ORDER_ID, r.ORDER_BIT | number)
    store_i64(note + n.ROW, number)
    store_u8(note + n.FLAGS, load_u8(note + n.FLAGS) | n.FLAG_NEW_ROW)


@kernel_outlined
def publish(context: int, seq: int, order: int, note: int) -> None:
    """Let rows and tokens know the command, and put it on the lane."""
    hall = load_i64(context + x.HALL)
    a.apply_command(hall, order, note)
    store_i64(hall + h.LANE_SEQ, seq)
    ring = load_i64(context + x.LANE_RING)
    slot = slot_address(ring, load_i64(context + x.LANE_MASK), seq)
    copy56(slot, order)
    store_release(slot + layout.SEQ, seq)
    store_release(ring + layout.PUBLISHED, seq)


@kernel_outlined
def internal(context: int, session: int, message: int, kind: int, number: int) -> int:
    """A command of the session layer's own; 0 if the lane has no room for it now."""
    if load_i64(context + x.CLOSED) != 0 or lane_room(context) < 1:
        return 0
    hall = load_i64(context + x.HALL)
    mask = load_i64(hall + h.NOTE_MASK)
    seq = load_i64(hall + h.LANE_SEQ) + 1
    note = n.note_at(load_i64(hall + h.NOTES), mask, seq)
    order = load_i64(hall + h.ORDERS) + 64 * (seq & mask)
    n.clear_note(note)
    for offset in range(0, 64, 8):
        store_i64(order + offset, 0)
    store_u16(note + n.SESSION, load_i64(session + s.INDEX))
    store_u8(note + n.PROTOCOL, load_i64(session + s.PROTOCOL))
    store_u8(note + n.MESSAGE, message)
    store_u8(note + n.FLAGS, n.FLAG_INTERNAL)
    if message == n.LOGGED_IN:
        for offset in range(0, 24, 8):
            store_i64(note + n.OWN + offset, load_i64(session + s.SOURCE + offset))
    store_u16(order + a.ORDER_PARTICIPANT, load_i64(session + s.PARTICIPANT))
    store_u8(order + a.ORDER_KIND, kind)
    if number != 0:
        row = r.row_of(load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK), number)
        store_i64(order + a.ORDER_ID, load_i64(row + r.ORDER_ID))
        store_i64(order + a.ORDER_SYMBOL, load_i64(row + r.SYMBOL))
        store_i64(note + n.ROW, number)
    epoch_offset = load_i64(load_i64(context + w.CONTROL) + ct.EPOCH_OFFSET)
    store_i64(order + a.ORDER_TS, w.now_ns(context) + epoch_offset)
    publish(context, seq, order, note)
    return 1


@kernel
def say(context: int, session: int, message: int) -> int:
    """Let the journal know what became of a connection: a record that has no effect."""
    return internal(context, session, message, 0, 0)


@kernel_outlined
def tell_of_login(context: int, session: int) -> int:
    """The journal is told of a connection, and whence it comes, before anything that comes over it;
    0 while its lane has no room for that."""
    if load_i64(session + s.UNTOLD) != 0:
        if say(context, session, n.LOGGED_IN) == 0:
            return 0
        store_i64(session + s.UNTOLD, 0)
    return 1


@kernel
def logged_in(context: int, session: int) -> None:
    """A connection's login was accepted."""
    store_i64(session + s.UNTOLD, 1)
    tell_of_login(context, session)


@kernel
def put_number(at: int, number: int) -> None:
    """20 characters, right-justified, padded with spaces."""
    for place in range(19, -1, -1):
        store_u8(at + place, 48 + number % 10 if number > 0 or place == 19 else 32)
        number //= 10


# A lost session's orders.


@kernel
def lose_without_grace(session: int, now: int) -> None:
    """Its orders go now: it counts as lost for as long as its grace, which may have begun before
    the machine did."""
    lost = now - load_i64(session + s.GRACE_NS)
    store_i64(session + s.LOST_NS, lost if lost != 0 else -1)


@kernel_outlined
def end_loss(context: int, session: int) -> None:
    """The session is back.  Whose grace is over lost his orders then, whether or not a timer has
    looked meanwhile; of a sweep that has begun the rest goes, too."""
    lost = load_i64(session + s.LOST_NS)
    if lost != 0 and w.now_ns(context) - lost >= load_i64(session + s.GRACE_NS):
        cancel_orders(context, session)
    else:
        store_i64(session + s.LOST_NS, 0)


@kernel_outlined
def cancel_orders(context: int, session: int) -> None:
    """The lost session's orders go: by one command where they are its participant's only ones, else
    one by one."""
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    if load_i64(session + s.CANCEL_MODE) == CANCEL_NONE and not is_fix:
        if say(context, session, n.LOST) != 0:
            store_i64(session + s.LOST_NS, 0)
    elif load_i64(session + s.CANCEL_MODE) == CANCEL_ALL and load_i64(session + s.ALONE) == 1:
        if internal(context, session, n.LOST, DISCONNECT, 0) != 0:
            store_i64(session + s.LOST_NS, 0)
    else:
        hall = load_i64(context + x.HALL)
        if say(context, session, n.LOST) != 0:
            store_i64(session + s.LOST_NS, 0)
            store_i64(session + s.SWEEP, 1)
            store_i64(session + s.SWEEP_END, load_i64(hall + h.LAST_NUMBER))


@kernel_outlined
def sweep(context: int, session: int) -> None:
    """Cancel a lost session's orders one by one, some rows at a time.  Every row is looked at: an
    open order keeps its own, however far the numbers have gone on."""
    hall = load_i64(context + x.HALL)
    place, last = load_i64(session + s.SWEEP) - 1, load_i64(session + s.SWEEP_END)
    count = min(load_i64(hall + h.ROW_MASK), last) + 1
    until = min(count, place + SWEEP_ROWS)
    mode = load_i64(session + s.CANCEL_MODE)
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    while place < until:
        row = load_i64(hall + h.ROWS) + r.ROW_BYTES * place
        number = load_i64(row + r.NUMBER)
        if 0 < number <= last and load_u16(row + r.SESSION) == load_i64(session + s.INDEX):
            live = r.is_live(row) and load_i64(row + r.ORDER_ID) == r.ORDER_BIT | number
            goes = mode == CANCEL_ALL or (
                mode == CANCEL_DAY and load_u8(row + r.TIME_IN_FORCE) & 15 == DAY
            )
            if is_fix and load_u16(row + r.FLAGS) & fix_decode.CANCEL_ON_LOSS:
                goes = True
            if live and goes and internal(context, session, n.LOST, CANCEL, number) == 0:
                break
        place += 1
    store_i64(session + s.SWEEP, 0 if place >= count else place + 1)
