"""The one pass: every event in order, into the tables and to the detectors it concerns."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import (
    calls,
    clients,
    constants,
    corporate,
    fixings,
    halts,
    messages,
    moves,
    off_book,
    pegs,
    pressure,
    wash,
)
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    CashRow,
    DetectorBook,
    DetectorState,
    VolumeWindow,
    WatchedOrder,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import EventKind, Reason
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES
from openoutcry.wire.rule_changes import FIELDS, SET_APPLY, SET_RULE

E = EVENT.offsets
RISK = enum_numbers.COMMAND_KIND_RISK
MASS_CANCEL = enum_numbers.COMMAND_KIND_MASS_CANCEL
ACCEPTED, FILLED, CANCELLED = (
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_FILLED,
    enum_numbers.EVENT_KIND_CANCELLED,
)
REDUCED, REPLACED, REJECTED = (
    enum_numbers.EVENT_KIND_REDUCED,
    enum_numbers.EVENT_KIND_REPLACED,
    enum_numbers.EVENT_KIND_REJECTED,
)
REPEGGED, BROKEN = enum_numbers.EVENT_KIND_REPEGGED, enum_numbers.EVENT_KIND_BROKEN
PRICE_STEP = FIELDS.index("price_step_ticks")
PHASE_CHANGED, COMPLETED = enum_numbers.EVENT_KIND_PHASE_CHANGED, enum_numbers.EVENT_KIND_COMPLETED
UNCROSSED = enum_numbers.EVENT_KIND_UNCROSSED
CHANGES = sum(
    1 << kind
    for kind in (
        EventKind.CANCELLED,
        EventKind.EXPIRED,
        EventKind.REDUCED,
        EventKind.REPLACED,
        EventKind.REPEGGED,
        EventKind.ELECTED,
        EventKind.CONVERTED,
    )
)
PRICED = (1 << REPLACED) | sum(
    1 << kind for kind in (EventKind.REPEGGED, EventKind.ELECTED, EventKind.CONVERTED)
)
OWNERS = sum(
    1 << reason
    for reason in (Reason.USER, Reason.MASS_CANCEL, Reason.REDUCED_TO_ZERO, Reason.DISCONNECTED)
)
MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
HIDDEN, WAITING, ICEBERG = (
    enum_numbers.EVENT_FLAG_HIDDEN,
    enum_numbers.EVENT_FLAG_WAITING,
    enum_numbers.EVENT_FLAG_ICEBERG,
)
KEPT_PLACE, SELF_TRADE = enum_numbers.EVENT_FLAG_KEPT_PLACE, enum_numbers.REASON_SELF_TRADE
DEPOSIT = 1
BUY = 1
NEGATIVE_BALANCE = constants.NEGATIVE_BALANCE


@kernel
def watch(
    state: DetectorState, orders: int, first_seq: int, events: int, begin: int, count: int
) -> tuple[int, int]:
    """Take in the events (EVENT) from ``begin`` to ``count`` that the commands at ``orders``
    (ORDER, ``first_seq`` on) caused; hits go to the table of the header.

    ``state``: address of the header.  Returns how far it came, and DONE or which table has no room
    for the next event: the caller makes it larger and continues there.
    """
    for index in range(begin, count):
        event = EventRecord(events + index * RECORD_BYTES)
        kind, instrument = event.kind, event.instrument
        cause = event.cause_seq
        why = room_for(state, kind, instrument)
        if why != lay.DONE:
            return index, why
        if cause != state.cause:
            state.cause = cause
            command = OrderRecord(orders + (cause - first_seq) * RECORD_BYTES)
            stamp = command.rx_ts_ns
            state.now = max(state.now, stamp)
            everybodys = command.kind == MASS_CANCEL and command.aux == 1
            state.by_operator = 1 if everybodys else 0
            agreed = command.kind == RISK and command.order_type == off_book.OFF_BOOK
            state.off_book = 1 if agreed else 0
            state.mover = 0
        state.event_seq = event.seq
        if kind == REJECTED or instrument == NO_INSTRUMENT:
            if kind == COMPLETED:
                completed(state, orders, first_seq, event)
            continue
        book = tab.book_at(state, instrument)
        if book.cause != cause:
            book.cause = cause
            book.bid = tab.best_of(state, book, 1)
            book.ask = tab.best_of(state, book, 2)
            moves.credit_move(state, book)
            moves.opened(state, book, instrument)
        if kind == ACCEPTED:
            accepted(state, book, instrument, event)
        elif kind == FILLED:
            filled(state, book, instrument, event)
        elif kind == BROKEN:
            broken(state, book, instrument, event)
        elif (CHANGES >> kind) & 1 != 0:
            changed(state, book, instrument, event, kind)
        elif kind == PHASE_CHANGED:
            old, new = event.contra_id, event.qty_lots
            moves.phase_changed(state, book, instrument, old, new)
            halts.phase_changed(state, book, old, new)
            fixings.phase_changed(state, book, old, new)
        elif kind == UNCROSSED:
            fixings.uncrossed(state, book, instrument, event.price_ticks, event.qty_lots)
        elif kind == COMPLETED:
            what = event.contra_id
            if what in (corporate.DIVIDEND, corporate.SPLIT, corporate.ADJUST):
                corporate.adjusted(state, book, instrument)
            elif what in (SET_RULE, SET_APPLY):
                follow_step(state, book, event)
            completed(state, orders, first_seq, event)
    return count, lay.DONE


@kernel
def room_for(state: DetectorState, kind: int, instrument: int) -> int:
    """Return whether every table has room for one event more."""
    if state.hit_count + 16 > state.hit_room:
        return lay.MORE_HITS
    if 2 * state.repeat_used + 16 > state.repeat_mask:
        return lay.MORE_REPEATS
    if 2 * state.side_used + 2 * state.client_count + 16 > state.side_mask:
        return lay.MORE_SIDES
    if instrument == NO_INSTRUMENT:
        return lay.DONE
    book = tab.book_at(state, instrument)
    judges_all = kind in (PHASE_CHANGED, UNCROSSED, COMPLETED)
    if judges_all or book.opened != lay.NONE or book.halted_ns != 0:
        needed = state.hit_count + 16 + state.cell_used
        if needed > state.hit_room:
            return lay.MORE_HITS
    if kind != ACCEPTED and (CHANGES >> kind) & 1 == 0:
        return lay.DONE
    if kind == ACCEPTED:
        if state.order_free == 0 and state.order_used == state.order_room:
            return lay.MORE_ORDERS
        if state.cell_used == state.cell_room:
            return lay.MORE_CELLS
    for side in range(2):
        at = DetectorBook(book + side * lay.B_ASK_LEVELS)
        if at.level_count == at.level_room:
            state.level_book = instrument * 2 + side
            return lay.MORE_LEVELS
    return lay.DONE


@kernel
def shown_lots(flags: int, display: int, leaves: int) -> int:
    """Return how much of an order others see; of an iceberg a whole slice, even if it has traded in
    part."""
    if flags != 0:
        return 0
    return min(display, leaves) if display != 0 else leaves


@kernel
def show(state: DetectorState, book: int, order: WatchedOrder) -> None:
    """Bring the level to what the order shows now."""
    shown = shown_lots(
        order.flags,
        order.display,
        order.leaves,
    )
    side, price = order.side, order.price
    tab.change_level(state, book, side, price, shown - order.shown)
    order.shown = shown


@kernel
def accepted(state: DetectorState, book: DetectorBook, instrument: int, event: EventRecord) -> None:
    """Follow an ACCEPTED event: watch the order, and look at what its entry completes."""
    participant, now = event.participant, state.now
    flags, side = event.flags, event.side
    lots = tab.limited(event.leaves_lots)
    cell_row = tab.cell_of(state, tab.owner_of(state, participant), instrument)
    row = tab.enter_order(state, instrument, event.order_id, cell_row)
    order = tab.order_at(state, row)
    hidden = (lay.F_HIDDEN if flags & HIDDEN != 0 else 0) | (
        lay.F_WAITING if flags & WAITING != 0 else 0
    )
    order.who = participant
    order.side = side
    order.price = event.price_ticks
    order.leaves = lots
    order.lots = lots
    order.shown = 0
    order.born = now
    order.born_seq = state.cause
    order.mid2 = tab.middle_of(book)
    order.flags = hidden
    display = event.contra_id if flags & ICEBERG != 0 else 0
    order.display = display
    order.filled = 0
    order.pegged = 0
    state.mover = cell_row
    show(state, book, order)
    tab.note_size(book, now, lots)
    messages.order_entered(state, tab.cell_at(state, cell_row), participant, 1)
    if state.client_count != 0:
        clients.client_entered(state, instrument, participant, side)


@kernel
def filled(state: DetectorState, book: DetectorBook, instrument: int, event: EventRecord) -> None:
    """One of a trade's two fills; with the first both orders are as they were before it."""
    flags, side = event.flags, event.side
    row = tab.find_order(state, instrument, event.order_id)
    if flags & MAKER != 0 or (flags & AUCTION != 0 and side == BUY):
        other = tab.find_order(state, instrument, event.contra_id)
        if row != 0 and other != 0:
            pressure.pressed_on(state, tab.order_at(state, row), event.qty_lots)
            trade(
                state,
                book,
                instrument,
                event,
                tab.order_at(state, row),
                tab.order_at(state, other),
                flags & AUCTION,
            )
    if row == 0:
        return
    order = tab.order_at(state, row)
    order.leaves = tab.limited(event.leaves_lots)
    if order.leaves == 0 and order.shown != 0:
        pegs.gone(state, tab.cell_at(state, order.cell), order, order.lots)
    show(state, book, order)
    if order.leaves == 0:
        tab.erase_order(state, row)


@kernel
def broken(state: DetectorState, book: DetectorBook, instrument: int, event: EventRecord) -> None:
    """One side of a trade that the operator takes back: its owner's position and cash.  What led to
    the trade is still seen."""
    owner = tab.owner_of(state, event.participant)
    row, lots = tab.find_cell(state, owner, instrument), tab.limited(event.qty_lots)
    signed = -lots if event.side == BUY else lots
    if row != 0:
        tab.cell_at(state, row).position += signed
    if state.tracks_cash != 0 and book.leveraged == 0:
        cash = CashRow(state.cash + event.participant * lay.CASH_BYTES)
        if cash.cash != lay.NONE:
            tab.bump(cash + lay.M_CASH, -signed * event.price_ticks * book.multiplier)
            overdrawn(state, cash, event.participant, instrument)


@kernel
def trade(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    event: EventRecord,
    maker: WatchedOrder,
    taker: WatchedOrder,
    auction: int,
) -> None:
    """Follow the two FILLED events of a trade."""
    now, price = state.now, event.price_ticks
    lots = tab.limited(event.qty_lots)
    if book.halted_ns != 0:
        halts.traded(state, book, instrument, price)
    if book.last == lay.NONE:
        book.ref = price
    book.last = price
    side = taker.side
    bucket = moves.bucket_of_market(book, now)
    # Of the market each trade once: its lots and its average price.
    moves.note_side(book, bucket, BUY, price, lots)
    took = lay.K_BUY_TOOK if side == BUY else lay.K_SELL_TOOK
    if auction == 0:
        tab.bump(bucket + took, lots)
        moves.begin_taking(state, book, taker)
    messages.note_volume(state, book, lots)
    for turn in range(2):
        order = maker if turn == 0 else taker
        cell = tab.cell_at(state, order.cell)
        bucket = tab.bucket_now(cell + lay.C_BUCKETS, now)
        moves.note_side(book, bucket, order.side, price, lots)
        cell.position += lots if order.side == BUY else -lots
        if turn == 1 and auction == 0:
            tab.bump(bucket + took, lots)
        messages.order_traded(state, book, VolumeWindow(cell), lots, order.who)
    if state.tracks_cash != 0:
        paid(state, book, maker, price, lots)
        paid(state, book, taker, price, lots)
    if book.mark != lay.NONE:
        calls.traded(state, book, instrument, maker, taker, price, lots)
    if state.off_book != 0:
        off_book.traded(state, book, instrument, maker, taker, price, lots)
    if auction != 0:
        return
    same = maker.cell == taker.cell
    wash.traded(state, book, instrument, maker, taker, price, lots)
    pegs.traded(state, maker, taker, price, lots)
    pegs.traded(state, taker, maker, price, lots)
    for turn in range(2):
        order = maker if turn == 0 else taker
        cell = tab.cell_at(state, order.cell)
        its_side, participant = order.side, order.who
        if not same:
            pressure.fill_against(state, instrument, cell, its_side, price, lots, turn == 1)
            moves.traded(state, book, cell, its_side, price, participant)
            if turn == 1 and Words(state.links)[instrument] >= 0:
                fixings.moved_mark(state, book, cell, its_side, participant)
        if state.client_count != 0:
            clients.around_clients(state, book, cell, its_side, price, lots, participant)


@kernel
def changed(
    state: DetectorState, book: DetectorBook, instrument: int, event: EventRecord, kind: int
) -> None:
    """An open order has other leaves, another price, or is gone."""
    row = tab.find_order(state, instrument, event.order_id)
    if row == 0:
        return
    order = tab.order_at(state, row)
    cell, participant = tab.cell_at(state, order.cell), order.who
    old_price, old_shown = order.price, order.shown
    flags, born = event.flags, order.born
    leaves, price = tab.limited(event.leaves_lots), old_price
    if (PRICED >> kind) & 1 != 0:
        price = event.price_ticks
    reason = event.reason
    if kind == CANCELLED:
        if (OWNERS >> reason) & 1 != 0 and state.by_operator == 0:
            pressure.withdrawn(state, book, cell, order, old_shown)
            pegs.gone(state, cell, order, order.lots if old_shown != 0 else 0)
            messages.order_withdrawn(state, cell, born, participant)
            messages.note_messages(state, cell, participant, 1)
    elif kind == REDUCED and reason != SELF_TRADE:
        new_shown = shown_lots(order.flags, order.display, leaves)
        pressure.withdrawn(state, book, cell, order, old_shown - new_shown)
        pegs.gone(state, cell, order, old_shown - new_shown)
        messages.note_messages(state, cell, participant, 2)
    elif kind == REPLACED:
        away = price < old_price if order.side == BUY else price > old_price
        gone = old_shown if away else old_shown - leaves
        pressure.withdrawn(state, book, cell, order, gone)
        gone = order.lots if old_shown != 0 and away else old_shown - leaves
        pegs.gone(state, cell, order, gone)
    elif kind == REPEGGED:
        pegs.repegged(state, book, order, price, flags & WAITING != 0)
    show_changed(state, book, order, price, leaves, flags, kind)
    if kind == REPLACED:
        messages.order_withdrawn(state, cell, born, participant)
        messages.order_entered(state, cell, participant, 2)
        if flags & KEPT_PLACE == 0:
            state.mover = order.cell
            order.born = state.now
            order.born_seq = state.cause
            order.mid2 = tab.middle_of(book)
        order.lots = leaves
    if leaves == 0:
        tab.erase_order(state, row)


@kernel
def show_changed(
    state: DetectorState,
    book: int,
    order: WatchedOrder,
    price: int,
    leaves: int,
    flags: int,
    kind: int,
) -> None:
    """Take it off its old level and put it on its new one."""
    side, shown = order.side, order.shown
    hidden = order.flags
    if (PRICED >> kind) & 1 != 0:
        hidden = (hidden & lay.F_HIDDEN) | (lay.F_WAITING if flags & WAITING != 0 else 0)
    if price != order.price:
        tab.change_level(state, book, side, order.price, -shown)
        order.shown = 0
    order.flags = hidden
    order.price = price
    order.leaves = leaves
    show(state, book, order)


@kernel
def completed(state: DetectorState, orders: int, first_seq: int, event: EventRecord) -> None:
    """A command of the operator was applied."""
    command = OrderRecord(orders + (state.cause - first_seq) * RECORD_BYTES)
    if command.kind == RISK:
        calls.commanded(state, command, event.instrument, event.contra_id)
        deposited(state, event)


@kernel
def follow_step(state: DetectorState, book: DetectorBook, event: EventRecord) -> None:
    """INSTRUMENT_RULE and INSTRUMENT_APPLY: an instrument may have another price step."""
    if event.contra_id == SET_RULE:
        if event.qty_lots == PRICE_STEP:
            state.staged_step = event.leaves_lots
        return
    if event.leaves_lots != 0 and state.staged_step != 0:
        book.step = state.staged_step
    state.staged_step = 0


@kernel_outlined
def deposited(state: DetectorState, event: EventRecord) -> None:
    """A RISK command put money into an account or took it out."""
    not_inlined()
    participant, what = event.qty_lots, event.contra_id
    if state.tracks_cash == 0 or event.kind != COMPLETED:
        return
    if what != DEPOSIT or not 0 <= participant < lay.CASH_PARTICIPANTS:
        return
    row = CashRow(state.cash + participant * lay.CASH_BYTES)
    if row.cash == lay.NONE:
        row.cash = 0
    tab.bump(row + lay.M_CASH, event.leaves_lots)
    overdrawn(state, row, participant, NO_INSTRUMENT)


@kernel
def paid(
    state: DetectorState, book: DetectorBook, order: WatchedOrder, price: int, lots: int
) -> None:
    """A buyer paid, a seller received.  A participant whose money is not known is not watched."""
    row = CashRow(state.cash + order.who * lay.CASH_BYTES)
    if row.cash == lay.NONE or book.leveraged != 0:
        return
    amount = price * lots * book.multiplier
    tab.bump(row + lay.M_CASH, -amount if order.side == BUY else amount)
    overdrawn(state, row, order.who, order.instrument)


@kernel
def overdrawn(state: DetectorState, row: CashRow, participant: int, instrument: int) -> None:
    """Reported when it begins, and not again before it was over."""
    below = 1 if row.cash < 0 else 0
    if below == row.told:
        return
    row.told = below
    if below == 0:
        return
    now, cause = state.now, state.cause
    hit = tab.begin_hit(state, NEGATIVE_BALANCE, instrument, 90, now, cause)
    tab.add_member(hit, participant)
    tab.measures(hit, 0, 0, row.cash, 1)
    tab.evidence(hit, 0, cause)
