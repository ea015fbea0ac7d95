"""What a command and an event of the journal do to rows, tokens and streams.

Two kernels, and everything a session is told is made by them: by the running stage as things
happen, and after a death from the journal, in the same order.  So :func:`apply_command` looks only
at the command and its note, and writes of live rows only their state; :func:`apply_event` only at
the event, its command's note and rows of commands before it.
"""

from numba import types

from openoutcry.order_entry import delays, ouch, ouch42_in, ouch50_in, soupbin
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import rows as r
from openoutcry.order_entry import session as s
from openoutcry.order_entry import stream as st
from openoutcry.order_entry import tokens as t
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.fix.refusals import Refusal as FixRefusal
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import AUX_HALVES, OPEN_KNOWN, CommandKind, EventKind, Reason
from openoutcry.wire.indirect import _call, intrinsic
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    add_wrapping,
    copy64,
    load_i64,
    load_u8,
    load_u16,
    mul_wrapping,
    store_i64,
    store_u8,
    store_u16,
)
from openoutcry.wire.records import EVENT, ORDER

O = ORDER.offsets  # noqa: E741
E = EVENT.offsets
ORDER_PRICE, ORDER_QTY, ORDER_SYMBOL, ORDER_ID = (
    O[n_] for n_ in ("price_ticks", "qty_lots", "symbol", "order_id")
)
ORDER_AUX, ORDER_KIND, ORDER_SIDE, ORDER_TYPE = (
    O[n_] for n_ in ("aux", "kind", "side", "order_type")
)
ORDER_TIF, ORDER_TS, ORDER_PARTICIPANT, ORDER_SEQ = (
    O[n_] for n_ in ("time_in_force", "rx_ts_ns", "participant", "seq")
)
EVENT_ID, EVENT_PRICE, EVENT_QTY, EVENT_LEAVES = (
    E[n_] for n_ in ("order_id", "price_ticks", "qty_lots", "leaves_lots")
)
EVENT_CAUSE, EVENT_KIND, EVENT_SEQ, EVENT_PARTICIPANT, EVENT_REASON = (
    E[n_] for n_ in ("cause_seq", "kind", "seq", "participant", "reason")
)
NEW, REPLACE = int(CommandKind.NEW), int(CommandKind.REPLACE)
REDUCE = int(CommandKind.REDUCE)
ACCEPTED, FILLED = int(EventKind.ACCEPTED), int(EventKind.FILLED)
CANCELLED, EXPIRED = int(EventKind.CANCELLED), int(EventKind.EXPIRED)
REDUCED, REPLACED = int(EventKind.REDUCED), int(EventKind.REPLACED)
REJECTED, CONVERTED = int(EventKind.REJECTED), int(EventKind.CONVERTED)
COMPLETED, DELAYED = int(EventKind.COMPLETED), int(EventKind.DELAYED)
USER, DISCONNECTED = int(Reason.USER), int(Reason.DISCONNECTED)
REPEGGED, ELECTED = int(EventKind.REPEGGED), int(EventKind.ELECTED)

CODEC_FRAME, CODEC_DECODE, CODEC_COMPLETE, CODEC_ENCODE, CODEC_REFUSE = range(0, 40, 8)
CODEC_BEGIN, CODEC_LOST, CODEC_MORE, CODEC_QUEUED, CODEC_TIMER, CODEC_FAREWELL = range(40, 88, 8)
CODEC_BYTES = 128
"""A protocol's row: addresses of its kernels, the latter ones FIX's alone
(docs/decisions/016-sessions.md)."""
CODECS = 8
"""Rows, by Protocol; behind them ROOM bytes to encode into."""
ROOM = 4096
"""Bytes that one event's messages have at most."""
EVENT_ROOM = ROOM - 64
"""Where in it an event may stand that is told in another one's words."""
OUCH50 = int(Protocol.OUCH50)
is_fix = s.is_fix
MASS_STATUS = int(FixRefusal.MASS_STATUS)


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
def block_of(hall: int, index: int) -> int:
    """Address of a session's block."""
    return load_i64(hall + h.BLOCKS) + s.BLOCK_BYTES * index


@kernel
def add(address: int, amount: int) -> None:
    store_i64(address, load_i64(address) + amount)


@kernel
def name_row(hall: int, number: int) -> None:
    """The answer to the command at hand will speak of this order: its rows stay until then."""
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    row = r.find_row(rows, mask, number)
    if row != 0:
        r.name_order(rows, mask, row, load_i64(hall + h.LANE_SEQ) + 1)


@kernel
def apply_command(hall: int, order: int, note: int) -> None:
    """Rows and tokens as they are once this command is under way."""
    flags = load_u8(note + n.FLAGS)
    index = load_u16(note + n.SESSION)
    session = block_of(hall, index)
    if VERIFY:
        participant = load_i64(session + s.PARTICIPANT)
        assert 1 <= index <= load_i64(hall + h.SESSION_COUNT), "the note is a session's"
        assert load_i64(session + s.INDEX) == index, "a block knows which session it is"
        assert load_u16(order + ORDER_PARTICIPANT) == participant, "nobody acts for somebody else"
    if flags & n.FLAG_INTERNAL:
        message = load_u8(note + n.MESSAGE)
        if message in (n.LOGGED_IN, n.LOST):
            store_i64(session + s.LOGGED_OUT, 0)
        elif message == n.LOGGED_OUT:
            store_i64(session + s.LOGGED_OUT, 1)
        elif message in (n.KILLED, n.ENABLED):
            store_i64(session + s.KILLED, message == n.KILLED)
        return
    if load_u8(note + n.PROTOCOL) == OUCH50:
        ouch50_in.resume(note, session)
    number = load_i64(note + n.ROW)
    fix = is_fix(load_u8(note + n.PROTOCOL))
    if fix:
        store_i64(session + fix_words.APPLIED_IN, load_i64(note + n.CLIENT_SEQ))
    is_told = fix or load_i64(hall + h.FIX_COPIES) != 0
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    if load_u8(note + n.REFUSED) != 0:
        row = r.find_row(rows, mask, number)
        if is_told and row != 0:
            r.name_order(rows, mask, row, load_i64(hall + h.LANE_SEQ) + 1)
        return
    if is_told:
        name_row(hall, number)
    if number == 0:
        return
    table = load_i64(hall + h.TOKENS)
    if flags & n.FLAG_NEW_ROW:
        if VERIFY:
            assert number > load_i64(hall + h.LAST_NUMBER), "order numbers are counted up"
        replaced = 0
        if load_u8(order + ORDER_KIND) == REPLACE:
            replaced = t.number_of(table, index, note + n.ORIG)
            name_row(hall, replaced)
        fill_row(hall, session, r.take_row(rows, mask, number), replaced, order, note)
        store_i64(hall + h.LAST_NUMBER, max(number, load_i64(hall + h.LAST_NUMBER)))
    if flags & (n.FLAG_TOKEN | n.FLAG_NEW_ROW):
        if t.is_full(table) and load_i64(hall + h.DAY_BEGUN) == 0:
            # A journal of many days is read from its beginning.  What a day took that is over was
            # decided then: its tokens serve only to find the orders that are still open.
            keep_open_tokens(hall)
        t.put_token(table, index, note + n.TOKEN, number)


@kernel
def remember(hall: int, order: int, note: int) -> None:
    """What a protocol's ``complete`` has noted in the row of the order that a command names."""
    if load_u8(order + ORDER_KIND) == REDUCE and load_u8(note + n.PROTOCOL) <= OUCH50:
        rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
        row = r.find_row(rows, mask, load_i64(note + n.ROW))
        if row != 0 and load_u8(note + n.FLAGS) & n.FLAG_INTERNAL == 0:
            ouch.send_reduction(row, load_i64(order + ORDER_QTY))


@kernel
def begin_day(hall: int) -> None:
    """What came before was of days before: of their tokens only open orders' are still taken, and
    OUCH 5.0's numbers go on above theirs."""
    if VERIFY:
        assert load_i64(hall + h.DAY_BEGUN) == 0, "a day begins once"
    store_i64(hall + h.DAY_BEGUN, 1)
    for index in range(1, load_i64(hall + h.SESSION_COUNT) + 1):
        one = block_of(hall, index)
        if load_i64(one + s.PROTOCOL) == OUCH50:
            store_i64(one + ouch.LAST_USER_REF_WORD, 0)
            store_i64(one + ouch.DISABLED_WORD, 0)
    keep_open_tokens(hall)
    rows = load_i64(hall + h.ROWS)
    for row in range(rows, rows + r.ROW_BYTES * (load_i64(hall + h.ROW_MASK) + 1), r.ROW_BYTES):
        if has_open_token(row) and load_u8(row + r.PROTOCOL) == OUCH50:
            last = block_of(hall, load_u16(row + r.SESSION)) + ouch.LAST_USER_REF_WORD
            store_i64(last, max(load_i64(last), load_i64(row + r.CLIENT_SEQ)))


@kernel
def has_open_token(row: int) -> bool:
    return r.is_live(row) and load_u8(row + r.TOKEN_BYTES) != 0


@kernel_outlined
def keep_open_tokens(hall: int) -> None:
    """Only the tokens of open orders are taken."""
    table, rows = load_i64(hall + h.TOKENS), load_i64(hall + h.ROWS)
    t.clear_table(table, load_i64(hall + h.SESSION_COUNT))
    for row in range(rows, rows + r.ROW_BYTES * (load_i64(hall + h.ROW_MASK) + 1), r.ROW_BYTES):
        if has_open_token(row):
            session = load_u16(row + r.SESSION)
            t.put_token(table, session, row + r.TOKEN, load_i64(row + r.NUMBER))


@kernel_outlined
def fill_row(hall: int, session: int, row: int, replaced: int, order: int, note: int) -> None:
    """A new row: of a new order, or of the one that replaces the order ``replaced``."""
    store_i64(row + r.ORDER_ID, load_i64(order + ORDER_ID))
    store_i64(row + r.QTY, load_i64(order + ORDER_QTY))
    store_i64(row + r.LEAVES, load_i64(order + ORDER_QTY))
    store_i64(row + r.PRICE, load_i64(order + ORDER_PRICE))
    store_i64(row + r.AUX, load_i64(order + ORDER_AUX))
    symbol = load_i64(order + ORDER_SYMBOL)
    store_i64(row + r.SYMBOL, symbol)
    store_u16(row + r.SESSION, load_u16(note + n.SESSION))
    store_u8(row + r.PROTOCOL, load_u8(note + n.PROTOCOL))
    store_u8(row + r.STATE, r.SENT)
    r.join_rows(load_i64(hall + h.ROWS), session + s.OWN_ROWS, row)
    store_u8(row + r.SIDE, load_u8(order + ORDER_SIDE))
    store_u8(row + r.ORDER_TYPE, load_u8(order + ORDER_TYPE))
    store_u8(row + r.TIME_IN_FORCE, load_u8(order + ORDER_TIF))
    store_u8(row + r.TOKEN_BYTES, load_u8(note + n.TOKEN_BYTES))
    store_i64(row + r.CLIENT_SEQ, load_i64(note + n.CLIENT_SEQ))
    st.copy_bytes(row + r.TOKEN, note + n.TOKEN, 40)
    st.copy_bytes(row + r.OWN, note + n.OWN, 24)
    store_i64(row + r.CHAIN, replaced)
    store_u16(row + r.FLAGS, load_u8(note + n.FLAGS) & n.FLAGS_OF_PROTOCOL)
    instrument = s.find_symbol(session, symbol)
    if instrument != 0:
        store_u16(row + r.INSTRUMENT, load_i64(instrument + s.SYMBOL_INSTRUMENT))
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    old = r.find_row(rows, mask, replaced)
    if VERIFY:
        own_id = r.ORDER_BIT | load_i64(row + r.NUMBER)
        is_new = load_u8(order + ORDER_KIND) == NEW
        assert not is_new or load_i64(order + ORDER_ID) == own_id, "an order is known by its row"
        assert not is_new or replaced == 0, "a new order replaces none"
        assert replaced < load_i64(row + r.NUMBER), "what is replaced was there before"
        assert old == 0 or load_u16(old + r.SESSION) == load_u16(row + r.SESSION), "one's own"
    if old != 0:
        store_i64(old + r.REPLACED_BY, load_i64(row + r.NUMBER))
        store_u8(row + r.SIDE, load_u8(old + r.SIDE))
        store_u8(row + r.ORDER_TYPE, load_u8(old + r.ORDER_TYPE))
        store_u8(row + r.TIME_IN_FORCE, load_u8(old + r.TIME_IN_FORCE))
        tif = load_u8(order + ORDER_TIF)
        if tif & OPEN_KNOWN:
            halves = tif & AUX_HALVES
            aux = load_i64(order + ORDER_AUX) >> 32 if halves else load_i64(old + r.AUX)
            store_i64(row + r.AUX, aux)
    else:
        add(session + s.OPEN_ORDERS, 1)


@kernel
def apply_event(hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int) -> int:
    """Rows and streams as they are once this event is told; returns the index of the session whose
    stream has grown, 0 if none has.

    ``order`` and ``note``: of the command that caused it, 0 if no session did; ``rx_ts_ns``: when
    that came.
    """
    own = note != 0 and load_u8(note + n.FLAGS) & n.FLAG_INTERNAL == 0
    if own and load_u8(note + n.REFUSED) != 0:
        return tell_refused(hall, codecs, event, order, note, rx_ts_ns)
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    row = row_of_event(hall, event)
    if own:
        row = row_of_own(hall, row, event, note)
    if row == 0:
        # About no order of a session's: only what answers the command itself is told.  The order
        # that it traded with, or swept away, may have come by packets.
        if not own or load_u8(event + EVENT_KIND) not in (REJECTED, COMPLETED):
            return 0
        session = block_of(hall, load_u16(note + n.SESSION))
        return tell(hall, codecs, session, event, row, note, rx_ts_ns)
    session = block_of(hall, load_u16(row + r.SESSION))
    if VERIFY:
        participant = load_i64(session + s.PARTICIPANT)
        assert load_i64(row + r.ORDER_ID) == load_i64(event + EVENT_ID), "the row is the order's"
        assert load_u16(event + EVENT_PARTICIPANT) == participant, "nobody hears of others' orders"
    mine = note if own and is_about(hall, event, row, note) else 0
    update_row(hall, row, event)
    is_new = mine != 0 and load_u8(mine + n.FLAGS) & n.FLAG_NEW_ROW != 0
    if is_new and load_u8(event + EVENT_KIND) == REJECTED:
        # A replace is rejected: FIX reports how the order is that it was for.
        replaced = r.find_row(rows, mask, load_i64(row + r.CHAIN))
        if replaced != 0 and is_fix(load_u8(row + r.PROTOCOL)):
            row = r.told_row(rows, mask, replaced)
    return tell(hall, codecs, session, event, row, mine, rx_ts_ns)


@kernel_outlined
def of_connection(event: int, note: int, room: int) -> int:
    """The event as sessions are to hear it: an order that the session layer cancelled went because
    of its connection, though by a command that any participant could have sent.  ``room``: for an
    event."""
    is_cancel = load_u8(event + EVENT_KIND) == CANCELLED and load_u8(event + EVENT_REASON) == USER
    if not is_cancel or load_u8(note + n.FLAGS) & n.FLAG_INTERNAL == 0:
        return event
    copy64(room, event)
    store_u8(room + EVENT_REASON, DISCONNECTED)
    return room


@kernel
def row_of_event(hall: int, event: int) -> int:
    """Address of the newest accepted row of the order that the event is about; 0 if it is no
    order of a session of the event's own participant.

    An order id says which row, and only the participant says whose: an id that came by another
    door must never find a session's order.
    """
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    row = r.current_row(rows, mask, load_i64(event + EVENT_ID))
    if row == 0:
        return 0
    owner = load_i64(block_of(hall, load_u16(row + r.SESSION)) + s.PARTICIPANT)
    return row if load_u16(event + EVENT_PARTICIPANT) == owner else 0


@kernel
def is_about(hall: int, event: int, row: int, note: int) -> bool:
    """The event is about an order of the session that caused it, and about the one that its command
    named, if it named one: not about the order it traded with."""
    if load_u16(note + n.SESSION) != load_u16(row + r.SESSION):
        return False
    number = load_i64(note + n.ROW)
    about = r.find_row(load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK), number)
    return about == 0 or load_i64(about + r.ORDER_ID) == load_i64(event + EVENT_ID)


@kernel_outlined
def row_of_own(hall: int, row: int, event: int, note: int) -> int:
    """The row that an event of the note's own command is about: a replace's new one, from the
    moment it is accepted the order's current one."""
    if load_u8(note + n.FLAGS) & n.FLAG_NEW_ROW == 0:
        return row
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    order_id = load_i64(event + EVENT_ID)
    new = r.find_row(rows, mask, load_i64(note + n.ROW))
    if new == 0 or new == row or load_i64(new + r.ORDER_ID) != order_id:
        return row
    kind = load_u8(event + EVENT_KIND)
    if kind == REJECTED:
        return new
    if kind == REPLACED:
        root, protocol = r.row_of(rows, mask, order_id & r.NUMBER_MASK), load_u8(new + r.PROTOCOL)
        if row != 0:
            store_i64(new + r.CUM, load_i64(row + r.CUM))
            store_i64(new + r.CUM_VALUE, load_i64(row + r.CUM_VALUE))
            if protocol <= OUCH50:
                # An M that was under way may have changed the kind of sale.
                side_at = r.OWN + (ouch50_in.SIDE if protocol == OUCH50 else ouch42_in.SIDE)
                store_u8(new + side_at, load_u8(row + side_at))
        store_i64(root + r.CURRENT, load_i64(note + n.ROW))
        if row not in (0, root):
            finish_row(hall, row)
        return new
    if kind == CANCELLED and load_u8(new + r.STATE) == r.SENT:
        # Executed meanwhile to what the replace asked for, or more: the order is gone instead.
        finish_row(hall, new)
    return row


@kernel
def update_row(hall: int, row: int, event: int) -> None:
    """The order as of this event."""
    kind = load_u8(event + EVENT_KIND)
    leaves = load_i64(event + EVENT_LEAVES)
    if VERIFY:
        assert load_u8(row + r.STATE) != r.FREE, "an event is about an order that was sent"
        assert kind != FILLED or load_i64(event + EVENT_QTY) > 0, "a fill has lots"
    if kind == REJECTED:
        if load_u8(row + r.STATE) == r.SENT:
            end_row(hall, row)
            store_u16(row + r.WAS_REJECTED, 1)
        return
    if kind == DELAYED:
        # Of a replace that waits this is the row of its order, which is in the book.
        store_u16(row + r.WAITS, load_u8(row + r.STATE) == r.SENT)
        return
    if kind == FILLED:
        qty = load_i64(event + EVENT_QTY)
        store_i64(row + r.CUM, load_i64(row + r.CUM) + qty)
        value = mul_wrapping(qty, load_i64(event + EVENT_PRICE))
        store_i64(row + r.CUM_VALUE, add_wrapping(load_i64(row + r.CUM_VALUE), value))
    elif kind in (REPLACED, CONVERTED, REPEGGED):
        store_i64(row + r.PRICE, load_i64(event + EVENT_PRICE))
    elif kind not in (ACCEPTED, CANCELLED, EXPIRED, REDUCED):
        return
    if kind in (ACCEPTED, FILLED, CANCELLED, EXPIRED, REDUCED, REPLACED):
        store_i64(row + r.LEAVES, leaves)
        if kind == REPLACED:
            store_i64(row + r.QTY, load_i64(row + r.CUM) + leaves)
        if kind in (ACCEPTED, REPLACED):
            store_u8(row + r.STATE, r.OPEN)
        elif leaves == 0:
            end_row(hall, row)
            store_u16(row + r.HAS_EXPIRED, r.is_expiry(kind, load_u8(event + EVENT_REASON)))
        if VERIFY:
            cum, qty = load_i64(row + r.CUM), load_i64(row + r.QTY)
            assert leaves >= 0, "no order is short of lots"
            assert cum + leaves <= qty, "executed and open lots are no more than were asked for"
            assert leaves > 0 or load_u8(row + r.STATE) != r.SENT, "what is over is not under way"


@kernel
def finish_row(hall: int, row: int) -> None:
    session = block_of(hall, load_u16(row + r.SESSION))
    r.finish_row(load_i64(hall + h.ROWS), session + s.OWN_ROWS, row)


@kernel_outlined
def end_row(hall: int, row: int) -> None:
    """Nothing more will come of this order (or, of a replace that was rejected, of its row)."""
    finish_row(hall, row)
    order_id, number = load_i64(row + r.ORDER_ID), load_i64(row + r.NUMBER)
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    root = r.find_row(rows, mask, order_id & r.NUMBER_MASK)
    is_current = root == row or (root != 0 and load_i64(root + r.CURRENT) == number)
    if is_current:
        if root != 0:
            finish_row(hall, root)
        if VERIFY:
            block = block_of(hall, load_u16(row + r.SESSION))
            assert load_i64(block + s.OPEN_ORDERS) > 0, "an order that ends was counted"
        add(block_of(hall, load_u16(row + r.SESSION)) + s.OPEN_ORDERS, -1)


@kernel_outlined
def tell(
    hall: int, codecs: int, session: int, event: int, row: int, note: int, rx_ts_ns: int
) -> int:
    """Let the session's protocol say the event; returns the session's index if it says anything."""
    codec = codecs + CODEC_BYTES * load_i64(session + s.PROTOCOL)
    encode = load_i64(codec + CODEC_ENCODE)
    if encode == 0:
        return 0
    store_i64(session + s.RX_TS_NS, rx_ts_ns)
    store_i64(session + s.CAUSE_SEQ, load_i64(event + EVENT_CAUSE))
    out = codecs + CODEC_BYTES * CODECS
    if load_i64(hall + h.WAITING) != 0 and load_i64(session + s.PROTOCOL) <= OUCH50:
        event = delays.as_ouch(hall, event, row, note, out + EVENT_ROOM)
        if event == 0:
            return 0
    size = call6(encode, event, row, session, note, out + soupbin.HEADER_BYTES, ROOM)
    return put_out(hall, session, out, size, load_i64(event + EVENT_SEQ))


@kernel_outlined
def tell_refused(hall: int, codecs: int, event: int, order: int, note: int, rx_ts_ns: int) -> int:
    """As :func:`tell`, of a command that the session layer had refused."""
    if load_u8(event + EVENT_KIND) != REJECTED:
        return 0
    session = block_of(hall, load_u16(note + n.SESSION))
    protocol = load_i64(session + s.PROTOCOL)
    refuse = load_i64(codecs + CODEC_BYTES * protocol + CODEC_REFUSE)
    if refuse == 0:
        return 0
    store_i64(session + s.RX_TS_NS, rx_ts_ns)
    store_i64(session + s.CAUSE_SEQ, load_i64(event + EVENT_CAUSE))
    store_i64(session + s.EVENT_SEQ, load_i64(event + EVENT_SEQ))
    out = codecs + CODEC_BYTES * CODECS
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    named = r.find_row(rows, mask, load_i64(note + n.ROW))
    store_i64(session + s.NAMED, r.told_row(rows, mask, named) if is_fix(protocol) else named)
    if is_fix(protocol) and load_u8(note + n.REFUSED) == MASS_STATUS:
        return tell_open_orders(hall, session, refuse, event, order, note, out)
    size = call5(refuse, note, order, session, out + soupbin.HEADER_BYTES, ROOM)
    return put_out(hall, session, out, size, load_i64(event + EVENT_SEQ))


@kernel
def is_open(hall: int, session: int, row: int) -> bool:
    """The row is the current one of an order of the session that is open, or waits at the speed
    bump."""
    is_told = load_u8(row + r.STATE) == r.OPEN or r.is_waiting(row)
    if not is_told or load_u16(row + r.SESSION) != load_i64(session + s.INDEX):
        return False
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    return r.current_row(rows, mask, load_i64(row + r.ORDER_ID)) == row


@kernel_outlined
def tell_open_orders(
    hall: int, session: int, refuse: int, event: int, order: int, note: int, out: int
) -> int:
    """One message for each open order of the session, the oldest name first, or one that says that
    there is none.  Only what events have done is looked at, however far commands have run ahead."""
    rows, receiver, left = load_i64(hall + h.ROWS), 0, 0
    row = r.first_row(rows, session + s.OWN_ROWS)
    while row != 0:
        if is_open(hall, session, row):
            left += 1
        row = r.next_row(rows, row)
    store_i64(session + fix_words.STATUS_TOTAL, left)
    store_i64(session + s.NAMED, 0)
    if left == 0:
        size = call5(refuse, note, order, session, out + soupbin.HEADER_BYTES, ROOM)
        return put_out(hall, session, out, size, load_i64(event + EVENT_SEQ))
    row = r.first_row(rows, session + s.OWN_ROWS)
    while row != 0:
        if is_open(hall, session, row):
            left -= 1
            store_i64(session + fix_words.STATUS_LEFT, left)
            store_i64(session + s.NAMED, row)
            size = call5(refuse, note, order, session, out + soupbin.HEADER_BYTES, ROOM)
            receiver |= put_out(hall, session, out, size, load_i64(event + EVENT_SEQ))
        row = r.next_row(rows, row)
    return receiver


@kernel
def put_out(hall: int, session: int, out: int, size: int, event_seq: int) -> int:
    """Put what was encoded behind a packet's header at ``out`` into the session's stream, if it is
    of this day.  FIX has no packets: a message's header comes when it is sent."""
    if VERIFY:
        assert size <= ROOM, "an encoder keeps to its room"
    if size <= 0 or load_i64(hall + h.DAY_BEGUN) == 0:
        return 0
    if is_fix(load_i64(session + s.PROTOCOL)):
        out += soupbin.HEADER_BYTES
    else:
        size = soupbin.sequenced(out, size)
    number = st.append(load_i64(session + s.STREAM), out, size, event_seq)
    if number == 0:
        add(hall + h.UNTOLD, 1)
        return 0
    return load_i64(session + s.INDEX)


@kernel_outlined
def command(hall: int, order: int, note: int) -> None:
    """As :func:`apply_command`, for the running stage."""
    apply_command(hall, order, note)
