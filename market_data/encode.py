"""Turn events into messages of ITCH 5.0: what is displayed, no more, once the command is done.

A command's trades are told as they come; what it leaves in the book is told behind its last event,
because a taker already has its place while it trades.  Who trades before that (a slice that is
filled again) is told of first.  ``reference.py`` says the same slowly.
"""

import openoutcry.market_data.state as s
from openoutcry.market_data import say
from openoutcry.market_data.encode_simple import (
    MARKET_BUY,
    MARKET_SELL,
    look_ahead,
    place_noted,
    quietness,
    tell_simply,
)
from openoutcry.market_data.operator_events import has_levels, of_a_setting
from openoutcry.replay.projections import PauseCause
from openoutcry.wire.enums import EventFlag, EventKind, Phase
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    prefetch,
    store_i64,
    store_u8,
)
from openoutcry.wire.records import EVENT, NO_PRICE, RECORD_BYTES

_AT = EVENT.offsets
_ID, _CONTRA, _PRICE, _QTY = (
    _AT[name] for name in ("order_id", "contra_id", "price_ticks", "qty_lots")
)
_LEAVES, _CAUSE, _INSTRUMENT, _KIND = (
    _AT[name] for name in ("leaves_lots", "cause_seq", "instrument", "kind")
)
_SIDE, _FLAGS, _SEQ = (_AT[name] for name in ("side", "flags", "seq"))

_K = EventKind
_ACCEPTED, _FILLED, _REPLACED, _REPEGGED, _CONVERTED, _ELECTED, _REFRESHED = (
    int(k)
    for k in (
        _K.ACCEPTED, _K.FILLED, _K.REPLACED, _K.REPEGGED, _K.CONVERTED, _K.ELECTED, _K.REFRESHED,
    )
)  # fmt: skip
_PHASE_CHANGED, _INDICATIVE, _UNCROSSED, _COMPLETED = (
    int(k) for k in (_K.PHASE_CHANGED, _K.INDICATIVE, _K.UNCROSSED, _K.COMPLETED)
)
_ENTERED = int(_K.ENTERED)
_SILENT = tuple(int(k) for k in (_K.REJECTED, _K.COMPLETED, _K.DELAYED, _K.ENTERED))
_F = EventFlag
_LAST, _MAKER, _KEPT_PLACE, _F_HIDDEN, _F_WAITING, _ICEBERG, _AUCTION = (
    int(f)
    for f in (_F.LAST, _F.MAKER, _F.KEPT_PLACE, _F.HIDDEN, _F.WAITING, _F.ICEBERG, _F.AUCTION)
)
_CLOSED, _PRE_OPEN, _OPENING, _CONTINUOUS, _VOLATILITY, _HALT, _CLOSING, _AT_LAST = (
    int(phase) for phase in Phase
)
CALLS = (_PRE_OPEN, _OPENING, _VOLATILITY, _CLOSING)
_BY_MARKET = int(PauseCause.MARKET)
_LETTER_O, _LETTER_S, _LETTER_Q, _LETTER_M, _LETTER_E, _LETTER_C = map(ord, "OSQMEC")
DAY_NS = 86_400_000_000_000
RENEWED_BIT = 1 << 60
"""Numbers of orders that got another one without a new place: this and the message's number."""
MESSAGES_AN_EVENT = 4
"""At most, with what is told behind the command's last; and beside these :data:`MORE_MESSAGES`."""
MORE_MESSAGES = 8
BY_EVENT = -1
"""In place of the first command: times are of the events, not of their commands."""


@kernel
def displayed(row: int) -> int:
    """What others may see of an order, in lots."""
    price = load_i64(row + s.PRICE)
    flags = load_u8(row + s.FLAGS_AT)
    if flags & (s.HIDDEN | s.WAITING) != 0 or price in (MARKET_BUY, MARKET_SELL):
        return 0
    if flags & s.SLICED:
        return load_i64(row + s.SLICE)
    return load_i64(row + s.LEAVES)


@kernel
def show_no_more(state: int, row: int, out: int) -> int:
    """D, if the order is displayed."""
    if load_i64(row + s.REF) == 0:
        return out
    out = say.delete(state, out, row)
    forget(state, row)
    return out


@kernel
def forget(state: int, row: int) -> None:
    """The public knows no such order any more."""
    if VERIFY:
        pending = load_u8(row + s.FLAGS_AT) & s.PENDING
        assert load_i64(row + s.REF) != 0, "the public knew it"
        assert pending == 0 or load_i64(state + s.MOVING_COUNT) > 0, "what moves was counted"
    if load_u8(row + s.FLAGS_AT) & s.PENDING:
        store_i64(state + s.MOVING_COUNT, load_i64(state + s.MOVING_COUNT) - 1)
    store_i64(row + s.REF, 0)
    store_i64(row + s.SHOWN, 0)


@kernel
def tell(state: int, row: int, out: int) -> int:
    """A pending order: A, U if it was displayed elsewhere, D if it is no longer."""
    renewed = load_u8(row + s.FLAGS_AT) & s.RENEWED
    s.unlink(state, row)
    shares = displayed(row)
    if shares == 0:
        return show_no_more(state, row, out)
    reference = load_i64(row + s.PLACED)
    if renewed:
        reference = RENEWED_BIT | (load_i64(state + s.MESSAGES) + 1)
    if load_i64(row + s.REF) != 0:
        out = say.replace(state, out, row, reference, shares)
    else:
        out = say.add(state, out, row, reference, shares)
    if VERIFY:
        assert reference != load_i64(row + s.REF), "a new place has a new number"
        assert shares <= load_i64(row + s.LEAVES), "no more is shown than is open"
    store_i64(row + s.REF, reference)
    store_i64(row + s.SHOWN, shares)
    store_i64(row + s.SHOWN_PRICE, load_i64(row + s.PRICE))
    return out


@kernel_outlined
def tell_all(state: int, but: int, out: int) -> int:
    """All pending orders but one."""
    row = load_i64(state + s.PENDING_FIRST)
    while row != 0:
        behind = load_i64(row + s.NEXT)
        if row != but:
            out = tell(state, row, out)
        row = behind
    return out


@kernel
def place(state: int, row: int, seq: int) -> None:
    """The order stands at the back of its price; it is told of later, if it is displayed."""
    s.unlink(state, row)
    store_i64(row + s.PLACED, seq)
    flags = load_u8(row + s.FLAGS_AT)
    if flags & s.SLICED:
        store_i64(row + s.SLICE, load_i64(row + s.DISPLAY))
    if flags & s.HIDDEN == 0:
        s.link(state, row, 0)


@kernel_outlined
def show_slices(row: int, display: int) -> None:
    """The order is an iceberg that shows at most ``display``; 0: no iceberg."""
    flags = load_u8(row + s.FLAGS_AT)
    if display == 0:
        store_u8(row + s.FLAGS_AT, flags & ~s.SLICED)
        return
    if flags & s.SLICED == 0:
        store_u8(row + s.FLAGS_AT, flags | s.SLICED)
        store_i64(row + s.SLICE, 0)
    store_i64(row + s.DISPLAY, display)


@kernel
def shrink(state: int, row: int, out: int) -> int:
    """The order stands where it did and shows no more than before: X or D for the difference."""
    if load_u8(row + s.FLAGS_AT) & s.PENDING:
        return out
    shown, now = load_i64(row + s.SHOWN), displayed(row)
    if now == shown:
        return out
    if now > shown:
        s.link(state, row, s.RENEWED if load_i64(row + s.REF) != 0 else 0)
        return out
    if now == 0:
        return show_no_more(state, row, out)
    if VERIFY:
        assert load_i64(row + s.REF) != 0, "only what is displayed shows less"
    out = say.cancel(state, out, row, shown - now)
    store_i64(row + s.SHOWN, now)
    return out


# Trades.


@kernel_outlined
def prepare_trade(state: int, maker: int, taker_id: int, out: int) -> int:
    """Before a trade outside of an auction: what the auction was, the maker if it was not told of
    yet, and that the taker is no longer where it was."""
    out = tell_market(state, out)
    taker = s.find(state, load_u16(maker + s.INSTRUMENT_AT), taker_id)
    if load_u8(maker + s.FLAGS_AT) & s.PENDING:
        out = tell_all(state, taker, out)
    if taker != 0 and load_u8(taker + s.FLAGS_AT) & s.PENDING:
        out = show_no_more(state, taker, out)
    return out


@kernel
def trade(state: int, row: int, event: int, out: int) -> int:
    """A fill of an order that rested: E, C at another price than its own, P if it is hidden."""
    qty, price = load_i64(event + _QTY), load_i64(event + _PRICE)
    pending = load_u8(row + s.FLAGS_AT) & s.PENDING
    waiting = load_i64(state + s.CROSS_INSTRUMENT) | load_i64(state + s.PHASE_INSTRUMENT)
    if pending or waiting or load_i64(state + s.MOVING_COUNT) != 0:
        out = prepare_trade(state, row, load_i64(event + _CONTRA), out)
    if load_i64(row + s.REF) == 0:
        return say.hidden_trade(state, out, row, qty, price, load_i64(event + _SEQ))
    if price == load_i64(row + s.SHOWN_PRICE):
        out = say.executed(state, out, row, qty, load_i64(event + _SEQ))
    else:
        out = say.executed_at(state, out, row, qty, load_i64(event + _SEQ), price, 1)
    shown = load_i64(row + s.SHOWN) - qty
    if VERIFY:
        assert qty > 0, "a trade has lots"
        assert shown >= 0, "no more trades than is shown"
    store_i64(row + s.SHOWN, shown)
    if shown == 0:
        forget(state, row)
    return out


@kernel_outlined
def auction_trade(state: int, row: int, event: int, out: int) -> int:
    """One side of a trade in an auction: C for what is displayed no longer.  Q has the volume."""
    if load_i64(row + s.REF) == 0:
        return out
    shown, now = load_i64(row + s.SHOWN), displayed(row)
    if now > shown:
        # A whole slice again, in its place: only new numbers for all from here on say that.
        if load_u8(row + s.FLAGS_AT) & s.PENDING == 0:
            renew_behind(state, row)
        return out
    if now < shown:
        match = load_i64(event + _SEQ)
        match -= load_u8(event + _SIDE) != say.BUY
        out = say.executed_at(state, out, row, shown - now, match, load_i64(event + _PRICE), 0)
        store_i64(row + s.SHOWN, now)
        if now == 0:
            forget(state, row)
    return out


@kernel_outlined
def renew_behind(state: int, first: int) -> None:
    """The order and all displayed behind it at its price will have new numbers, in their order."""
    rows = load_i64(state + s.ROWS)
    for number in range(1, load_i64(state + s.USED) + 1):
        row = rows + s.ROW_BYTES * number
        if (
            load_i64(row + s.REF) != 0
            and load_u16(row + s.INSTRUMENT_AT) == load_u16(first + s.INSTRUMENT_AT)
            and load_u8(row + s.SIDE_AT) == load_u8(first + s.SIDE_AT)
            and load_i64(row + s.PRICE) == load_i64(first + s.PRICE)
            and load_i64(row + s.PLACED) >= load_i64(first + s.PLACED)
            and load_u8(row + s.FLAGS_AT) & s.PENDING == 0
        ):
            s.link(state, row, s.RENEWED)


# The market.


@kernel_outlined
def tell_market(state: int, out: int) -> int:
    """Q of an auction that is over, then the phase that it led to."""
    if load_i64(state + s.CROSS_INSTRUMENT) != 0:
        out = say.cross(state, out)
        store_i64(state + s.CROSS_INSTRUMENT, 0)
    instrument = load_i64(state + s.PHASE_INSTRUMENT)
    if instrument != 0:
        store_i64(state + s.PHASE_INSTRUMENT, 0)
        all_closed = load_i64(state + s.INSTRUMENT_COUNT)
        was_open = load_i64(state + s.CLOSED_COUNT) < all_closed
        out = count_phases(state, was_open, out)
        cause, level = load_i64(instrument + s.CAUSE) & 0xFF, load_i64(instrument + s.CAUSE) >> 8
        if cause == _BY_MARKET and level > load_i64(state + s.BREACHED):
            store_i64(state + s.BREACHED, level)
            out = say.decline_breached(state, out, level)
        out = say.trading_action(state, out, instrument)
        reopens = cause != 0 and load_i64(instrument + s.PHASE) == _VOLATILITY
        limited = load_i64(instrument + s.BAND) != 0
        limited = limited and load_i64(instrument + s.REFERENCE) != NO_PRICE
        if load_i64(instrument + s.EXTENSION) != 0 or (reopens and limited):
            out = say.auction_collar(state, out, instrument)
        out = hours_end(state, was_open, out)
    return out


@kernel
def count_phases(state: int, was_open: int, out: int) -> int:
    """How many instruments are closed, or past trading; S for what begins."""
    closed = closing = trading = 0
    for index in range(load_i64(state + s.INSTRUMENT_COUNT)):
        at = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * index
        phase = load_i64(at + s.PHASE)
        closed += phase == _CLOSED
        closing += phase in (_CLOSED, _CLOSING, _AT_LAST)
        trading += phase == _CONTINUOUS
    store_i64(state + s.CLOSED_COUNT, closed)
    store_i64(state + s.CLOSING_COUNT, closing)
    if not was_open and closed < load_i64(state + s.INSTRUMENT_COUNT):
        out = say.system_event(state, out, _LETTER_S)
    if trading != 0 and load_i64(state + s.IN_HOURS) == 0:
        store_i64(state + s.IN_HOURS, 1)
        out = say.system_event(state, out, _LETTER_Q)
    return out


@kernel
def hours_end(state: int, was_open: int, out: int) -> int:
    """S for what ends."""
    count = load_i64(state + s.INSTRUMENT_COUNT)
    if load_i64(state + s.IN_HOURS) != 0 and load_i64(state + s.CLOSING_COUNT) == count:
        store_i64(state + s.IN_HOURS, 0)
        out = say.system_event(state, out, _LETTER_M)
    if was_open and load_i64(state + s.CLOSED_COUNT) == count:
        out = say.system_event(state, out, _LETTER_E)
        store_i64(state + s.ENDS, 1)
    return out


@kernel_outlined
def end_session(state: int, out: int) -> int:
    """The last message; what comes next is told in another session, from number 1 on."""
    out = say.system_event(state, out, _LETTER_C)
    store_i64(state + s.MESSAGES_BEFORE, load_i64(state + s.MESSAGES))
    for word in (s.ENDS, s.BEGUN, s.MESSAGES):
        store_i64(state + word, 0)
    store_i64(state + s.SESSION, load_i64(state + s.SESSION) + 1)
    return out


@kernel_outlined
def begin(state: int, out: int) -> int:
    """Before all else of a session: O, every instrument, its first phase, and each order that is
    displayed since another session, by its place."""
    store_i64(state + s.BEGUN, 1)
    out = say.system_event(state, out, _LETTER_O)
    for index in range(load_i64(state + s.INSTRUMENT_COUNT)):
        at = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * index
        out = say.directory(state, out, at)
    out = count_phases(state, 0, out)
    for index in range(load_i64(state + s.INSTRUMENT_COUNT)):
        at = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * index
        out = say.trading_action(state, out, at)
        if load_i64(at + s.STOPPED) != 0:
            out = say.operational_halt(state, out, at, 1)
    if has_levels(state):
        out = say.decline_levels(state, out)
    if load_i64(state + s.BREACHED) != 0:
        out = say.decline_breached(state, out, load_i64(state + s.BREACHED))
    row = s.listed_by_place(state) if load_i64(state + s.SESSION) > 1 else 0
    while row != 0:
        reference = load_i64(row + s.PLACED)
        out = say.add(state, out, row, reference, load_i64(row + s.SHOWN))
        store_i64(row + s.REF, reference)
        row = load_i64(row + s.NEXT)
    return out


@kernel_outlined
def of_the_market(state: int, kind: int, event: int, out: int) -> int:
    """An event about no order.  What an auction would do is told behind what made it so."""
    index = load_u16(event + _INSTRUMENT)
    if index >= load_i64(state + s.INSTRUMENT_COUNT):
        return out
    instrument = load_i64(state + s.INSTRUMENTS) + s.INSTRUMENT_BYTES * index
    qty, price = load_i64(event + _QTY), load_i64(event + _PRICE)
    if kind == _INDICATIVE:
        out = tell_all(state, 0, tell_market(state, out))
        left, side = load_i64(event + _LEAVES), load_u8(event + _SIDE)
        return say.imbalance(state, out, instrument, qty, left, side, price)
    if kind == _UNCROSSED:
        store_i64(state + s.CROSS_INSTRUMENT, instrument)
        store_i64(state + s.CROSS_QTY, qty)
        store_i64(state + s.CROSS_PRICE, price)
        store_i64(state + s.CROSS_MATCH, load_i64(event + _SEQ))
    elif kind == _PHASE_CHANGED:
        again = qty == load_i64(event + _CONTRA) and qty in CALLS
        band = load_i64(instrument + s.BAND)
        extension = load_i64(instrument + s.EXTENSION) + 1
        store_i64(instrument + s.EXTENSION, extension if again and band != 0 else 0)
        store_i64(instrument + s.PHASE, qty)
        store_i64(instrument + s.REFERENCE, price)
        cause = load_i64(event + _ID) | load_i64(event + _LEAVES) << 8
        store_i64(instrument + s.CAUSE, cause)
        if qty in CALLS or qty == _HALT:
            phase = load_i64(state + s.PHASES) + s.PHASE_BYTES * qty
            store_i64(instrument + s.CROSS_TYPE, load_i64(phase + s.CROSS_LETTER))
        store_i64(state + s.PHASE_INSTRUMENT, instrument)
    return out


# Orders.


@kernel
def of_an_order(state: int, kind: int, event: int, out: int) -> int:
    """An event about an open order, or one that becomes it."""
    flags, instrument = load_u8(event + _FLAGS), load_u16(event + _INSTRUMENT)
    order_id = load_i64(event + _ID)
    if kind == _ACCEPTED:
        row = s.insert(state, instrument, order_id, load_u8(event + _SIDE))
        if row == 0:
            store_i64(state + s.ERROR, s.FULL)
            return out
        store_u8(row + s.FLAGS_AT, s.HIDDEN if flags & _F_HIDDEN else 0)
    else:
        row = s.find(state, instrument, order_id)
        if row == 0:
            store_i64(state + s.ERROR, s.MISSING)
            return out
    if kind == _FILLED and flags & _MAKER:
        out = trade(state, row, event, out)
    leaves = load_i64(event + _LEAVES)
    store_i64(row + s.LEAVES, leaves)
    if flags & _ICEBERG:
        show_slices(row, load_i64(event + _CONTRA))
    sliced = load_u8(row + s.FLAGS_AT) & s.SLICED
    if kind == _FILLED and flags & _MAKER:
        if sliced:
            store_i64(row + s.SLICE, load_i64(row + s.SLICE) - load_i64(event + _QTY))
    elif kind == _FILLED:
        if sliced:
            store_i64(row + s.SLICE, min(load_i64(row + s.DISPLAY), leaves))
        if flags & _AUCTION:
            out = auction_trade(state, row, event, out)
    elif kind in (_ACCEPTED, _REPLACED, _REPEGGED):
        store_i64(row + s.PRICE, load_i64(event + _PRICE))
        waiting = s.WAITING if flags & _F_WAITING else 0
        store_u8(row + s.FLAGS_AT, load_u8(row + s.FLAGS_AT) & ~s.WAITING | waiting)
        if flags & _KEPT_PLACE == 0:
            place(state, row, load_i64(event + _SEQ))
    elif kind == _CONVERTED:
        store_i64(row + s.PRICE, load_i64(event + _PRICE))
        place(state, row, load_i64(event + _SEQ))
    elif kind in (_ELECTED, _REFRESHED):
        if kind == _ELECTED:
            store_u8(row + s.FLAGS_AT, load_u8(row + s.FLAGS_AT) & ~s.WAITING)
        place(state, row, load_i64(event + _SEQ))
    if sliced:
        store_i64(row + s.SLICE, min(load_i64(row + s.SLICE), leaves))
    if leaves == 0:
        out = show_no_more(state, row, out)
        s.unlink(state, row)
        s.remove(state, row)
    elif kind != _FILLED:
        out = shrink(state, row, out)
    return out


@kernel_outlined
def tell_fully(state: int, event: int, out: int) -> int:
    """Messages of any event, and of its command if it is the command's last."""
    kind, flags = load_u8(event + _KIND), load_u8(event + _FLAGS)
    if load_i64(state + s.BEGUN) == 0:
        if load_i64(state + s.SESSION) > 1 and kind in _SILENT:
            # Nothing to tell: no session begins with it.
            return of_a_setting(state, event, out) if kind == _COMPLETED else out
        out = begin(state, out)
    if kind in (_PHASE_CHANGED, _INDICATIVE, _UNCROSSED):
        out = of_the_market(state, kind, event, out)
    elif kind == _ENTERED:
        # A command of its own begins: what the one before it leaves in the book is told.
        out = tell_all(state, 0, out)
    elif kind == _COMPLETED:
        out = of_a_setting(state, event, out)
    elif kind not in _SILENT:
        out = of_an_order(state, kind, event, out)
    if flags & _LAST:
        if load_i64(state + s.CROSS_INSTRUMENT) | load_i64(state + s.PHASE_INSTRUMENT):
            out = tell_market(state, out)
        if load_i64(state + s.PENDING_COUNT) == 1:
            out = tell(state, load_i64(state + s.PENDING_FIRST), out)
        elif load_i64(state + s.PENDING_COUNT) > 1:
            out = tell_all(state, 0, out)
        if VERIFY:
            assert load_i64(state + s.PENDING_COUNT) == 0, "behind a command all is told"
            assert load_i64(state + s.MOVING_COUNT) == 0, "and nothing is where it was"
    return out


@kernel
def most_at_once(state: int, events: int) -> int:
    """Messages that one of so many events can cause beside MESSAGES_AN_EVENT: what a session begins
    with, the renewals of an auction, what is pending, a halt of all instruments."""
    orders = load_i64(state + s.USED) + events
    instruments = load_i64(state + s.INSTRUMENT_COUNT)
    return 2 * orders + 3 * instruments + load_i64(state + s.PENDING_COUNT) + MORE_MESSAGES


@kernel
def room_for(state: int, events: int) -> int:
    """Bytes that a call with so many events may write.  Up to ``most_at_once`` it goes on, so that
    one more of these fits behind it."""
    return say.MAX_BYTES * (MESSAGES_AN_EVENT * events + 2 * most_at_once(state, events))


@kernel
def encode(
    state: int, events: int, count: int, times: int, stride: int, first_cause: int, out: int
) -> int:
    """Messages of ``count`` events, each behind its length, at ``out``; returns where they end.

    ``times``: address of the time of command ``first_cause`` (int64, ns since the epoch), the
    others ``stride`` bytes apart; with BY_EVENT of the first event's.  ``out`` has
    :func:`room_for` them.  Behind the end of a session, or where that room might not do for
    another auction, it returns at once: ENCODED says how many events were told.  After an error,
    which the header has, no message may be sent, and the state is of no use.
    """
    store_i64(state + s.ENCODED, count)
    for index in range(min(count, s.AHEAD)):
        look_ahead(state, events + RECORD_BYTES * index, index)
    first, quiet = load_i64(state + s.EVENT_SEQ) + 1, quietness(state)
    limit = out + say.MAX_BYTES * most_at_once(state, count)
    for index in range(count):
        # An order's part of the table is asked for AHEAD events before it is wanted, its row half
        # as many.  Measured: 11.3 ns an event; 12 with half of AHEAD, 11.9 without the rows.
        if index + s.AHEAD < count:
            look_ahead(state, events + RECORD_BYTES * (index + s.AHEAD), index + s.AHEAD)
        if index + s.AHEAD // 2 < count:
            number = load_u32(
                load_i64(state + s.TABLE) + 4 * place_noted(state, index + s.AHEAD // 2)
            )
            prefetch(load_i64(state + s.ROWS) + s.ROW_BYTES * number)
        event = events + RECORD_BYTES * index
        which = index if first_cause == BY_EVENT else load_i64(event + _CAUSE) - first_cause
        ts_ns = load_i64(times + stride * which)
        now = ts_ns - load_i64(state + s.MIDNIGHT)
        if now < 0 or now >= DAY_NS:  # a division costs more than all that most messages do
            store_i64(state + s.MIDNIGHT, ts_ns - ts_ns % DAY_NS)
            now = ts_ns % DAY_NS
        store_i64(state + s.NOW, now)
        seq, end = load_i64(event + _SEQ), 0
        store_i64(state + s.EVENT_SEQ, seq)
        if seq == first + index:
            end = tell_simply(state, place_noted(state, index), event, quiet, out)
        else:
            store_i64(state + s.ERROR, s.SEQUENCE)
        if end != 0:
            out = end
            continue
        out = tell_fully(state, event, out)
        quiet = quietness(state)
        if load_i64(state + s.ERROR) != 0:
            store_i64(state + s.ERROR_SEQ, seq)
            return out
        if load_u8(event + _FLAGS) & _LAST and load_i64(state + s.ENDS) != 0:
            store_i64(state + s.ENCODED, index + 1)
            return end_session(state, out)
        if out > limit and load_u8(event + _KIND) in (_PHASE_CHANGED, _COMPLETED):
            store_i64(state + s.ENCODED, index + 1)
            return out
    return out
