# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""after: what a command's events change: open orders and their totals, positions, money.

Each event of an order says what is open of it afterwards, so one rule does for all kinds of them.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import before as command
from openoutcry.risk import totals, wide
from openoutcry.risk.bits import NO_LIMIT, RISK_REASON
from openoutcry.risk.money import add_money, judge_profit, mark_position
from openoutcry.risk.protection import watch
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, store_i64
from openoutcry.wire.records import EVENT, NO_PRICE, RECORD_BYTES

EVENT_ORDER, CONTRA, PRICE = (
    EVENT.offsets[name] for name in ("order_id", "contra_id", "price_ticks")
)
QTY, LEAVES = EVENT.offsets["qty_lots"], EVENT.offsets["leaves_lots"]
WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - WORD)
KIND_SHIFT = 8 * (EVENT.offsets["kind"] - WORD)
REASON_SHIFT = 8 * (EVENT.offsets["reason"] - WORD)
SIDE_SHIFT = 8 * (EVENT.offsets["side"] - WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - WORD)
ACCEPTED, FILLED = int(EventKind.ACCEPTED), int(EventKind.FILLED)
CANCELLED, REDUCED = int(EventKind.CANCELLED), int(EventKind.REDUCED)
REPLACED, EXPIRED = int(EventKind.REPLACED), int(EventKind.EXPIRED)
CONVERTED, PHASE_CHANGED = int(EventKind.CONVERTED), int(EventKind.PHASE_CHANGED)
REJECTED, COMPLETED = int(EventKind.REJECTED), int(EventKind.COMPLETED)
CHANGES = sum(1 << kind for kind in (FILLED, CANCELLED, REDUCED, REPLACED, EXPIRED, CONVERTED))
"""Kinds that change what is open, or at what price, of an order that was."""
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
BUY = int(Side.BUY)


@kernel
def after(state: int, order: int, events: int, count: int) -> int:
    """Take the events of one command, contiguous at ``events``.  Returns 0."""
    if load_i64(state + lay.TRACKING) == 0:
        return 0
    for index in range(count):
        event = events + index * RECORD_BYTES
        word = load_i64(event + WORD)
        kind = (word >> KIND_SHIFT) & 0xFF
        if kind == ACCEPTED:
            enter(state, order, event, word)
        elif (CHANGES >> kind) & 1 != 0:
            change(state, order, event, word, kind)
        elif kind == REJECTED:
            tell(state, order, event, word)
        elif kind == PHASE_CHANGED and load_i64(event + PRICE) != NO_PRICE:
            rules = totals.instrument_row(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF)
            store_i64(rules + lay.REFERENCE, load_i64(event + PRICE))
            if load_i64(rules + lay.LAST) == NO_LIMIT:
                store_i64(rules + lay.LAST, load_i64(event + PRICE))
    if load_i64(state + lay.PROTECTION_AT) != 0:
        watch(state, events, count)
    return 0


@kernel
def tell(state: int, order: int, event: int, word: int) -> None:
    """What ``before`` refused gets its figures; what it applied is no reject."""
    reason = (word >> REASON_SHIFT) & 0xFF
    if reason == RISK_REASON:
        store_i64(event + PRICE, load_i64(state + lay.REFUSED_LIMIT))
        store_i64(event + LEAVES, load_i64(state + lay.REFUSED_VALUE))
        store_i64(event + QTY, load_i64(state + lay.REFUSED_ASKED))
    elif reason == 0:
        store_i64(event + WORD, word + ((COMPLETED - REJECTED) << KIND_SHIFT))
        store_i64(event + CONTRA, load_u8(order + command.TYPE))
        store_i64(event + LEAVES, load_i64(order + command.AUX))


@kernel
def enter(state: int, order: int, event: int, word: int) -> None:
    """The command's own order is open: at the price of its event, of what moves by itself (pegs,
    sliding orders) at the one that was asked for."""
    participant, instrument = word & 0xFFFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
    side, order_type = (word >> SIDE_SHIFT) & 0xFF, load_u8(order + command.TYPE)
    flags = lay.PRICED_FLAG if (command.UNPRICED_TYPES >> order_type) & 1 == 0 else 0
    price = load_i64(event + PRICE) if flags != 0 else 0
    if (command.PEG_TYPES >> order_type) & 1 != 0:
        flags |= lay.PEG_FLAG
        price = load_i64(order + command.PRICE)
    entry = totals.find_order(state, instrument, load_i64(event + EVENT_ORDER))
    meta = instrument | participant << lay.META_PARTICIPANT | side << lay.META_SIDE
    store_i64(entry + lay.ORDER_ID, load_i64(event + EVENT_ORDER))
    store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)
    store_i64(entry + lay.ORDER_LEAVES, 0)
    store_i64(entry + lay.ORDER_PRICE, price)
    store_i64(state + lay.ORDERS_OPEN, load_i64(state + lay.ORDERS_OPEN) + 1)
    row = totals.participant_row(state, participant)
    store_i64(row + lay.OPEN, load_i64(row + lay.OPEN) + 1)
    cell = totals.cell_of(state, participant, instrument)
    last = cell + (lay.LAST_BUY_PRICE if side == BUY else lay.LAST_SELL_PRICE)
    store_i64(last, load_i64(order + command.PRICE))
    store_i64(last + 8, load_i64(order + command.QTY))
    store_i64(last + 16, load_i64(state + lay.NOW_NS))
    set_open(state, entry, load_i64(event + LEAVES), price, flags, 0, 0)


@kernel
def change(state: int, order: int, event: int, word: int, kind: int) -> None:
    """An open order has other leaves, another price, or is gone."""
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    entry = totals.find_order(state, instrument, load_i64(event + EVENT_ORDER))
    flags = load_i64(entry + lay.ORDER_META) >> lay.META_FLAGS
    price, traded = load_i64(entry + lay.ORDER_PRICE), 0
    if kind == CONVERTED:
        flags, price = lay.PRICED_FLAG, load_i64(event + PRICE)
    elif kind == REPLACED and load_u8(order + command.KIND) == command.REPLACE:
        if flags & lay.PEG_FLAG != 0:
            price = load_i64(order + command.PRICE)
        elif flags != 0:
            price = load_i64(event + PRICE)
    elif kind == FILLED:
        traded = load_i64(event + QTY)
        event_flags, rules = (word >> FLAGS_SHIFT) & 0xFF, totals.instrument_row(state, instrument)
        if event_flags & (MAKER | AUCTION) == MAKER or (
            event_flags & AUCTION != 0 and (word >> SIDE_SHIFT) & 0xFF == BUY
        ):
            store_i64(rules + lay.LAST, load_i64(event + PRICE))
            store_i64(rules + lay.VOLUME, wide.add(load_i64(rules + lay.VOLUME), traded))
    set_open(state, entry, load_i64(event + LEAVES), price, flags, traded, load_i64(event + PRICE))


@kernel
def set_open(
    state: int, entry: int, leaves: int, price: int, flags: int, traded: int, trade_price: int
) -> None:
    """Bring the order and every total that it is part of to this; ``traded`` lots of it were."""
    meta = load_i64(entry + lay.ORDER_META)
    instrument, participant = meta & 0xFFFF, (meta >> lay.META_PARTICIPANT) & 0xFFFF
    side, old_flags = (meta >> lay.META_SIDE) & 0xFF, meta >> lay.META_FLAGS
    old_leaves, old_price = load_i64(entry + lay.ORDER_LEAVES), load_i64(entry + lay.ORDER_PRICE)
    row = totals.participant_row(state, participant)
    rules = totals.instrument_row(state, instrument)
    cell = totals.cell_of(state, participant, instrument)
    group = totals.group_row(state, load_i64(row + lay.GROUP))

    # Plain sums and products: ``before`` let nothing in whose totals would pass 2**62.
    position, buys = load_i64(cell + lay.POSITION), load_i64(cell + lay.BUY_LOTS)
    sells, more = load_i64(cell + lay.SELL_LOTS), leaves - old_leaves
    short, worst = max(sells - position, 0), max(position + buys, sells - position, 0)
    multiplier, leveraged = load_i64(rules + lay.MULTIPLIER), load_i64(rules + lay.LEVERAGED)
    cost = exposure = 0
    if flags == old_flags and price == old_price:
        size = lot_size(rules, flags, price)
        exposure = more * max(size, -size) * multiplier
        cost = more * paid_a_lot(rules, side, flags, price)
    else:
        size, old_size = lot_size(rules, flags, price), lot_size(rules, old_flags, old_price)
        exposure = leaves * max(size, -size) - old_leaves * max(old_size, -old_size)
        exposure *= multiplier
        cost = leaves * paid_a_lot(rules, side, flags, price)
        cost -= old_leaves * paid_a_lot(rules, side, old_flags, old_price)
    if side == BUY:
        buys += more
        store_i64(cell + lay.BUY_LOTS, buys)
        store_i64(row + lay.BUY_EXPOSURE, load_i64(row + lay.BUY_EXPOSURE) + exposure)
    else:
        sells += more
        store_i64(cell + lay.SELL_LOTS, sells)
        store_i64(row + lay.SELL_EXPOSURE, load_i64(row + lay.SELL_EXPOSURE) + exposure)
    if cost != 0:
        store_i64(cell + lay.COST, load_i64(cell + lay.COST) + cost)
    if traded != 0:
        position += traded if side == BUY else -traded
        trade(rules, row, cell, side, traded, trade_price, position)
    more_worst = max(position + buys, sells - position, 0) - worst
    margined = more_worst if leveraged != 0 else max(sells - position, 0) - short
    need = cost + more * load_i64(rules + lay.FEE) + margined * load_i64(rules + lay.MARGIN)
    store_i64(row + lay.RESERVED, load_i64(row + lay.RESERVED) + need)
    if more_worst != 0:
        more_worst *= load_i64(rules + lay.WEIGHT)
        store_i64(row + lay.GROSS, load_i64(row + lay.GROSS) + more_worst)
        store_i64(group + lay.GROUP_GROSS, load_i64(group + lay.GROUP_GROSS) + more_worst)
    if leaves == 0:
        store_i64(row + lay.OPEN, load_i64(row + lay.OPEN) - 1)
        totals.erase_order(state, entry)
    else:
        store_i64(entry + lay.ORDER_LEAVES, leaves)
        store_i64(entry + lay.ORDER_PRICE, price)
        meta &= (1 << lay.META_FLAGS) - 1
        store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)


@kernel
def lot_size(rules: int, flags: int, price: int) -> int:
    return price if flags & lay.PRICED_FLAG != 0 else load_i64(rules + lay.BOUND)


@kernel
def paid_a_lot(rules: int, side: int, flags: int, price: int) -> int:
    """As ``totals.lot_cost``, of an order that was let in."""
    if load_i64(rules + lay.LEVERAGED) != 0:
        return 0
    if flags & lay.PRICED_FLAG == 0:
        price = load_i64(rules + (lay.WORST_BUY if side == BUY else lay.WORST_SELL))
    return max(price if side == BUY else -price, 0) * load_i64(rules + lay.MULTIPLIER)


@kernel
def trade(rules: int, row: int, cell: int, side: int, qty: int, price: int, position: int) -> None:
    """One side of a trade: what was held is marked at its price, then it is paid and the fee."""
    mark_position(rules, row, cell, price)
    store_i64(cell + lay.POSITION, position)
    if load_i64(rules + lay.LEVERAGED) == 0:
        paid = wide.mul(wide.mul(price, load_i64(rules + lay.MULTIPLIER)), qty)
        add_money(row, lay.BALANCE, wide.sub(0, paid) if side == BUY else paid)
    fee = wide.sub(0, wide.mul(load_i64(rules + lay.FEE), qty))
    add_money(row, lay.BALANCE, fee)
    add_money(row, lay.PROFIT, fee)
    judge_profit(row)
