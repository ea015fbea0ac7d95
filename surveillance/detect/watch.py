# (intrinsics have no types that mypy could see)
"""The one pass: every event in order, into the tables and to the detectors it concerns."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import clients, corporate, messages, moves, pressure, wash
from openoutcry.surveillance.detect import tables as tab
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, not_inlined, store_i64
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, ORDER, RECORD_BYTES

E, C_RX = EVENT.offsets, ORDER.offsets["rx_ts_ns"]
C_KIND, C_AUX, MASS_CANCEL = (
    ORDER.offsets["kind"], ORDER.offsets["aux"], int(CommandKind.MASS_CANCEL),
)  # fmt: skip
E_KIND, E_INSTRUMENT, E_CAUSE, E_SEQ = E["kind"], E["instrument"], E["cause_seq"], E["seq"]
E_ORDER, E_CONTRA, E_PRICE, E_QTY = E["order_id"], E["contra_id"], E["price_ticks"], E["qty_lots"]
E_LEAVES, E_WHO, E_SIDE = E["leaves_lots"], E["participant"], E["side"]
E_FLAGS, E_REASON = E["flags"], E["reason"]
ACCEPTED, FILLED, CANCELLED = (
    int(EventKind.ACCEPTED), int(EventKind.FILLED), int(EventKind.CANCELLED),
)  # fmt: skip
REDUCED, REPLACED, REJECTED = (
    int(EventKind.REDUCED), int(EventKind.REPLACED), int(EventKind.REJECTED),
)  # fmt: skip
PHASE_CHANGED, COMPLETED = int(EventKind.PHASE_CHANGED), int(EventKind.COMPLETED)
CHANGES = sum(
    1 << kind
    for kind in (
        EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REDUCED, EventKind.REPLACED,
        EventKind.REPEGGED, EventKind.ELECTED, EventKind.CONVERTED,
    )
)  # fmt: skip
PRICED = (1 << REPLACED) | sum(
    1 << kind for kind in (EventKind.REPEGGED, EventKind.ELECTED, EventKind.CONVERTED)
)
OWNERS = sum(
    1 << reason
    for reason in (Reason.USER, Reason.MASS_CANCEL, Reason.REDUCED_TO_ZERO, Reason.DISCONNECTED)
)
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
HIDDEN, WAITING, ICEBERG = int(EventFlag.HIDDEN), int(EventFlag.WAITING), int(EventFlag.ICEBERG)
KEPT_PLACE, SELF_TRADE = int(EventFlag.KEPT_PLACE), int(Reason.SELF_TRADE)
DEPOSIT = 1
BUY = 1
NEGATIVE_BALANCE = int(lay.Detector.NEGATIVE_BALANCE)


@kernel
def watch(
    state: int, orders: int, first_seq: int, events: int, begin: int, count: int
) -> tuple[int, int]:
    """Take in the events (EVENT) from ``begin`` to ``count`` that the commands at ``orders``
    (ORDER, ``first_seq`` on) caused; hits go to the table of the header.

    ``state``: address of the header.  Returns how far it came, and DONE or which table has no room
    for the next event: the caller makes it larger and goes on there.
    """
    for index in range(begin, count):
        event = events + index * RECORD_BYTES
        kind, instrument = load_u8(event + E_KIND), load_u16(event + E_INSTRUMENT)
        cause = load_i64(event + E_CAUSE)
        why = room_for(state, kind, instrument)
        if why != lay.DONE:
            return index, why
        if cause != load_i64(state + lay.CAUSE):
            store_i64(state + lay.CAUSE, cause)
            command = orders + (cause - first_seq) * RECORD_BYTES
            stamp = load_i64(command + C_RX)
            store_i64(state + lay.NOW, max(load_i64(state + lay.NOW), stamp))
            everybodys = load_u8(command + C_KIND) == MASS_CANCEL and load_i64(command + C_AUX) == 1
            store_i64(state + lay.BY_OPERATOR, 1 if everybodys else 0)
        store_i64(state + lay.EVENT_SEQ, load_i64(event + E_SEQ))
        if kind == REJECTED or instrument == NO_INSTRUMENT:
            if kind == COMPLETED:
                deposited(state, event)
            continue
        book = tab.book_at(state, instrument)
        if load_i64(book + lay.B_CAUSE) != cause:
            store_i64(book + lay.B_CAUSE, cause)
            store_i64(book + lay.B_BID, tab.best_of(state, book, 1))
            store_i64(book + lay.B_ASK, tab.best_of(state, book, 2))
            moves.credit_move(state, book)
            moves.opened(state, book, instrument)
        if kind == ACCEPTED:
            accepted(state, book, instrument, event)
        elif kind == FILLED:
            filled(state, book, instrument, event)
        elif (CHANGES >> kind) & 1 != 0:
            changed(state, book, instrument, event, kind)
        elif kind == PHASE_CHANGED:
            old, new = load_i64(event + E_CONTRA), load_i64(event + E_QTY)
            moves.phase_changed(state, book, instrument, old, new)
        elif kind == COMPLETED:
            what = load_i64(event + E_CONTRA)
            if what in (corporate.DIVIDEND, corporate.SPLIT):
                corporate.adjusted(state, book, instrument)
            deposited(state, event)
    return count, lay.DONE


@kernel
def room_for(state: int, kind: int, instrument: int) -> int:
    """Whether every table has room for one event more."""
    if load_i64(state + lay.HIT_COUNT) + 16 > load_i64(state + lay.HIT_ROOM):
        return lay.MORE_HITS
    if 2 * load_i64(state + lay.REPEAT_USED) + 16 > load_i64(state + lay.REPEAT_MASK):
        return lay.MORE_REPEATS
    if 2 * load_i64(state + lay.SIDE_USED) + 2 * load_i64(state + lay.CLIENT_COUNT) + 16 > load_i64(
        state + lay.SIDE_MASK
    ):
        return lay.MORE_SIDES
    if instrument == NO_INSTRUMENT:
        return lay.DONE
    book = tab.book_at(state, instrument)
    if kind == PHASE_CHANGED or load_i64(book + lay.B_OPENED) != lay.NONE:
        needed = load_i64(state + lay.HIT_COUNT) + 16 + load_i64(state + lay.CELL_USED)
        if needed > load_i64(state + lay.HIT_ROOM):
            return lay.MORE_HITS
    if kind != ACCEPTED and (CHANGES >> kind) & 1 == 0:
        return lay.DONE
    if kind == ACCEPTED:
        if load_i64(state + lay.ORDER_FREE) == 0 and load_i64(state + lay.ORDER_USED) == load_i64(
            state + lay.ORDER_ROOM
        ):
            return lay.MORE_ORDERS
        if load_i64(state + lay.CELL_USED) == load_i64(state + lay.CELL_ROOM):
            return lay.MORE_CELLS
    for side in range(2):
        at = book + side * lay.B_ASK_LEVELS
        if load_i64(at + lay.B_LEVEL_COUNT) == load_i64(at + lay.B_LEVEL_ROOM):
            store_i64(state + lay.LEVEL_BOOK, instrument * 2 + side)
            return lay.MORE_LEVELS
    return lay.DONE


@kernel
def shown_lots(flags: int, display: int, leaves: int) -> int:
    """What others see of an order; of an iceberg a whole slice, even if it has traded in part."""
    if flags != 0:
        return 0
    return min(display, leaves) if display != 0 else leaves


@kernel
def show(state: int, book: int, order: int) -> None:
    """Bring the level to what the order shows now."""
    shown = shown_lots(
        load_i64(order + lay.O_FLAGS), load_i64(order + lay.O_DISPLAY),
        load_i64(order + lay.O_LEAVES),
    )  # fmt: skip
    side, price = load_i64(order + lay.O_SIDE), load_i64(order + lay.O_PRICE)
    tab.change_level(state, book, side, price, shown - load_i64(order + lay.O_SHOWN))
    store_i64(order + lay.O_SHOWN, shown)


@kernel
def accepted(state: int, book: int, instrument: int, event: int) -> None:
    who, now = load_u16(event + E_WHO), load_i64(state + lay.NOW)
    flags, side = load_u8(event + E_FLAGS), load_u8(event + E_SIDE)
    lots = tab.limited(load_i64(event + E_LEAVES))
    cell_row = tab.cell_of(state, tab.owner_of(state, who), instrument)
    row = tab.enter_order(state, instrument, load_i64(event + E_ORDER), cell_row)
    order = tab.order_at(state, row)
    hidden = (lay.F_HIDDEN if flags & HIDDEN != 0 else 0) | (
        lay.F_WAITING if flags & WAITING != 0 else 0
    )
    store_i64(order + lay.O_WHO, who)
    store_i64(order + lay.O_SIDE, side)
    store_i64(order + lay.O_PRICE, load_i64(event + E_PRICE))
    store_i64(order + lay.O_LEAVES, lots)
    store_i64(order + lay.O_LOTS, lots)
    store_i64(order + lay.O_SHOWN, 0)
    store_i64(order + lay.O_BORN, now)
    store_i64(order + lay.O_BORN_SEQ, load_i64(state + lay.CAUSE))
    store_i64(order + lay.O_MID2, tab.middle_of(book))
    store_i64(order + lay.O_FLAGS, hidden)
    display = load_i64(event + E_CONTRA) if flags & ICEBERG != 0 else 0
    store_i64(order + lay.O_DISPLAY, display)
    store_i64(order + lay.O_FILLED, 0)
    show(state, book, order)
    tab.note_size(book, now, lots)
    messages.order_entered(state, tab.cell_at(state, cell_row), who, 1)
    if load_i64(state + lay.CLIENT_COUNT) != 0:
        clients.client_entered(state, instrument, who, side)


@kernel
def filled(state: int, book: int, instrument: int, event: int) -> None:
    """One of a trade's two fills; with the first both orders are as they were before it."""
    flags, side = load_u8(event + E_FLAGS), load_u8(event + E_SIDE)
    row = tab.find_order(state, instrument, load_i64(event + E_ORDER))
    if flags & MAKER != 0 or (flags & AUCTION != 0 and side == BUY):
        other = tab.find_order(state, instrument, load_i64(event + E_CONTRA))
        if row != 0 and other != 0:
            pressure.pressed_on(state, tab.order_at(state, row), load_i64(event + E_QTY))
            trade(state, book, instrument, event, tab.order_at(state, row),
                  tab.order_at(state, other), flags & AUCTION)  # fmt: skip
    if row == 0:
        return
    order = tab.order_at(state, row)
    store_i64(order + lay.O_LEAVES, tab.limited(load_i64(event + E_LEAVES)))
    show(state, book, order)
    if load_i64(order + lay.O_LEAVES) == 0:
        tab.erase_order(state, row)


@kernel
def trade(
    state: int, book: int, instrument: int, event: int, maker: int, taker: int, auction: int
) -> None:
    now, price = load_i64(state + lay.NOW), load_i64(event + E_PRICE)
    lots = tab.limited(load_i64(event + E_QTY))
    if load_i64(book + lay.B_LAST) == lay.NONE:
        store_i64(book + lay.B_REF, price)
    store_i64(book + lay.B_LAST, price)
    side = load_i64(taker + lay.O_SIDE)
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
        cell = tab.cell_at(state, load_i64(order + lay.O_CELL))
        bucket = tab.bucket_now(cell + lay.C_BUCKETS, now)
        moves.note_side(book, bucket, load_i64(order + lay.O_SIDE), price, lots)
        if turn == 1 and auction == 0:
            tab.bump(bucket + took, lots)
        messages.order_traded(state, book, cell, lots, load_i64(order + lay.O_WHO))
    if load_i64(state + lay.TRACKS_CASH) != 0:
        paid(state, book, maker, price, lots)
        paid(state, book, taker, price, lots)
    if auction != 0:
        return
    same = load_i64(maker + lay.O_CELL) == load_i64(taker + lay.O_CELL)
    size, its_size = load_i64(maker + lay.O_LOTS), load_i64(taker + lay.O_LOTS)
    if size == its_size:
        if lots * 100 >= size * tab.parameter(state, wash.MATCHED):
            wash.matched(state, book, instrument, maker, taker, price, size)
    elif lots * 100 >= max(size, its_size) * tab.parameter(state, wash.UNEVEN):
        wash.matched(state, book, instrument, maker, taker, price, lots)
    for turn in range(2):
        order = maker if turn == 0 else taker
        cell = tab.cell_at(state, load_i64(order + lay.O_CELL))
        its_side, who = load_i64(order + lay.O_SIDE), load_i64(order + lay.O_WHO)
        if not same:
            pressure.fill_against(state, book, cell, its_side, price, lots)
            moves.traded(state, book, cell, its_side, price, who)
        if load_i64(state + lay.CLIENT_COUNT) != 0:
            clients.around_clients(state, book, cell, its_side, price, lots, who)


@kernel
def changed(state: int, book: int, instrument: int, event: int, kind: int) -> None:
    """An open order has other leaves, another price, or is gone."""
    row = tab.find_order(state, instrument, load_i64(event + E_ORDER))
    if row == 0:
        return
    order = tab.order_at(state, row)
    cell, who = tab.cell_at(state, load_i64(order + lay.O_CELL)), load_i64(order + lay.O_WHO)
    old_price, old_shown = load_i64(order + lay.O_PRICE), load_i64(order + lay.O_SHOWN)
    flags, born = load_u8(event + E_FLAGS), load_i64(order + lay.O_BORN)
    leaves, price = tab.limited(load_i64(event + E_LEAVES)), old_price
    if (PRICED >> kind) & 1 != 0:
        price = load_i64(event + E_PRICE)
    reason = load_u8(event + E_REASON)
    if kind == CANCELLED:
        if (OWNERS >> reason) & 1 != 0 and load_i64(state + lay.BY_OPERATOR) == 0:
            pressure.withdrawn(state, cell, order, old_shown)
            messages.order_withdrawn(state, cell, born, who)
            messages.note_messages(state, cell, who, 1)
    elif kind == REDUCED and reason != SELF_TRADE:
        new_shown = shown_lots(
            load_i64(order + lay.O_FLAGS), load_i64(order + lay.O_DISPLAY), leaves
        )
        pressure.withdrawn(state, cell, order, old_shown - new_shown)
        messages.note_messages(state, cell, who, 2)
    elif kind == REPLACED:
        away = price < old_price if load_i64(order + lay.O_SIDE) == BUY else price > old_price
        pressure.withdrawn(state, cell, order, old_shown if away else old_shown - leaves)
    show_changed(state, book, order, price, leaves, flags, kind)
    if kind == REPLACED:
        messages.order_withdrawn(state, cell, born, who)
        messages.order_entered(state, cell, who, 2)
        if flags & KEPT_PLACE == 0:
            store_i64(order + lay.O_BORN, load_i64(state + lay.NOW))
            store_i64(order + lay.O_BORN_SEQ, load_i64(state + lay.CAUSE))
            store_i64(order + lay.O_MID2, tab.middle_of(book))
        store_i64(order + lay.O_LOTS, leaves)
    if leaves == 0:
        tab.erase_order(state, row)


@kernel
def show_changed(
    state: int, book: int, order: int, price: int, leaves: int, flags: int, kind: int
) -> None:
    """Take it off its old level and put it on its new one."""
    side, shown = load_i64(order + lay.O_SIDE), load_i64(order + lay.O_SHOWN)
    hidden = load_i64(order + lay.O_FLAGS)
    if (PRICED >> kind) & 1 != 0:
        hidden = (hidden & lay.F_HIDDEN) | (lay.F_WAITING if flags & WAITING != 0 else 0)
    if price != load_i64(order + lay.O_PRICE):
        tab.change_level(state, book, side, load_i64(order + lay.O_PRICE), -shown)
        store_i64(order + lay.O_SHOWN, 0)
    store_i64(order + lay.O_FLAGS, hidden)
    store_i64(order + lay.O_PRICE, price)
    store_i64(order + lay.O_LEAVES, leaves)
    show(state, book, order)


@kernel_outlined
def deposited(state: int, event: int) -> None:
    """A RISK command put money into an account or took it out."""
    not_inlined()
    who, what = load_i64(event + E_QTY), load_i64(event + E_CONTRA)
    if load_i64(state + lay.TRACKS_CASH) == 0 or load_u8(event + E_KIND) != COMPLETED:
        return
    if what != DEPOSIT or not 0 <= who < lay.CASH_PARTICIPANTS:
        return
    row = load_i64(state + lay.CASH) + who * lay.CASH_BYTES
    if load_i64(row + lay.M_CASH) == lay.NONE:
        store_i64(row + lay.M_CASH, 0)
    tab.bump(row + lay.M_CASH, load_i64(event + E_LEAVES))
    overdrawn(state, row, who, NO_INSTRUMENT)


@kernel
def paid(state: int, book: int, order: int, price: int, lots: int) -> None:
    """A buyer paid, a seller got; of whom no money is known nothing is said."""
    row = load_i64(state + lay.CASH) + load_i64(order + lay.O_WHO) * lay.CASH_BYTES
    if load_i64(row + lay.M_CASH) == lay.NONE or load_i64(book + lay.B_LEVERAGED) != 0:
        return
    amount = price * lots * load_i64(book + lay.B_MULTIPLIER)
    tab.bump(row + lay.M_CASH, -amount if load_i64(order + lay.O_SIDE) == BUY else amount)
    overdrawn(state, row, load_i64(order + lay.O_WHO), load_i64(order + lay.O_INSTRUMENT))


@kernel
def overdrawn(state: int, row: int, who: int, instrument: int) -> None:
    """Told when it begins, not again before it was over."""
    below = 1 if load_i64(row + lay.M_CASH) < 0 else 0
    if below == load_i64(row + lay.M_TOLD):
        return
    store_i64(row + lay.M_TOLD, below)
    if below == 0:
        return
    now, cause = load_i64(state + lay.NOW), load_i64(state + lay.CAUSE)
    hit = tab.tell(state, NEGATIVE_BALANCE, instrument, 90, now, cause)
    tab.add_member(hit, who)
    tab.measures(hit, 0, 0, load_i64(row + lay.M_CASH), 1)
    tab.evidence(hit, 0, cause)
