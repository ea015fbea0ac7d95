# (intrinsics have no types that mypy could see)
"""after: what a command's events change: open orders and their totals, positions, money.

Each event of an order says what is open of it afterwards, so one rule does for all kinds of them.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import before as command
from openoutcry.risk import totals, wide
from openoutcry.risk.bits import NO_LIMIT, RISK_REASON
from openoutcry.risk.money import add_money, judge_profit, margined_lots, mark_position
from openoutcry.risk.protection import CALLS, watch
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, not_inlined, prefetch, store_i64
from openoutcry.wire.records import EVENT, NO_PRICE, RECORD_BYTES

EVENT_ORDER, CONTRA, PRICE = (
    EVENT.offsets[name] for name in ("order_id", "contra_id", "price_ticks")
)
QTY, LEAVES = EVENT.offsets["qty_lots"], EVENT.offsets["leaves_lots"]
CAUSE = EVENT.offsets["cause_seq"]
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
AHEAD_EVENTS = 16
"""How many events ahead their open orders are asked for.  Measured: 100,000 cancelled at once take
5 to 8 ms of a processor here, and 10 to 15 without it.  Out of line: 4 ns less a command."""


@kernel
def after(state: int, order: int, events: int, count: int) -> int:
    """Take the events of one command, contiguous at ``events``.  Returns 0."""
    if load_i64(state + lay.TRACKING) == 0:
        return 0
    for index in range(count):
        event = events + index * RECORD_BYTES
        if index + AHEAD_EVENTS < count:
            ask_for_order(state, event + AHEAD_EVENTS * RECORD_BYTES)
        word = load_i64(event + WORD)
        kind = (word >> KIND_SHIFT) & 0xFF
        if kind == ACCEPTED:
            enter(state, order, event, word)
        elif kind == CANCELLED and load_i64(event + LEAVES) == 0:
            close(state, event, word)
        elif (CHANGES >> kind) & 1 != 0:
            change(state, order, event, word, kind)
        elif kind == REJECTED:
            tell(state, order, event, word)
        elif kind == PHASE_CHANGED:
            rules = totals.instrument_row(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF)
            enter_phase(rules, load_i64(event + QTY), load_i64(event + PRICE))
    if load_i64(state + lay.PROTECTION_AT) != 0:
        watch(state, events, count)
    return 0


@kernel
def enter_phase(rules: int, phase: int, reference: int) -> None:
    """The instrument is in another phase, with this reference price."""
    rests = load_i64(rules + lay.MARKET_RESTS) & ~lay.RESTS_IN_CALL
    calls = (CALLS >> phase) & 1 != 0
    store_i64(rules + lay.MARKET_RESTS, rests | lay.RESTS_IN_CALL if calls else rests)
    if reference == NO_PRICE:
        return
    store_i64(rules + lay.REFERENCE, reference)
    if load_i64(rules + lay.LAST) == NO_LIMIT:
        store_i64(rules + lay.LAST, reference)


@kernel_outlined
def ask_for_order(state: int, event: int) -> None:
    """Of a mass cancel, whose many orders lie anywhere."""
    not_inlined()
    instrument = (load_i64(event + WORD) >> INSTRUMENT_SHIFT) & 0xFFFF
    home = totals.order_home(state, instrument, load_i64(event + EVENT_ORDER))
    prefetch(state + load_i64(state + lay.ORDER_AT) + home * lay.ORDER_BYTES)


@kernel
def tell(state: int, order: int, event: int, word: int) -> None:
    """What ``before`` refused gets its figures; what it applied is no reject."""
    reason = (word >> REASON_SHIFT) & 0xFF
    if reason == RISK_REASON:
        store_i64(event + PRICE, load_i64(state + lay.REFUSED_LIMIT))
        store_i64(event + LEAVES, load_i64(state + lay.REFUSED_VALUE))
        store_i64(event + QTY, load_i64(state + lay.REFUSED_ASKED))
    elif load_i64(state + lay.PASSED) != 0:
        give_back(state, order, event, word)
    elif reason == 0:
        store_i64(event + WORD, word + ((COMPLETED - REJECTED) << KIND_SHIFT))
        store_i64(event + CONTRA, load_u8(order + command.TYPE))
        store_i64(event + LEAVES, load_i64(order + command.AUX))


@kernel
def enter(state: int, order: int, event: int, word: int) -> None:
    """The command's own order is open: at the price of its event, of what moves by itself (pegs,
    sliding orders) at the one that was asked for.  What ``before`` reserved stands already."""
    participant, instrument = word & 0xFFFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
    side, order_type = (word >> SIDE_SHIFT) & 0xFF, load_u8(order + command.TYPE)
    asked_price, asked_qty = load_i64(order + command.PRICE), load_i64(order + command.QTY)
    entry = totals.find_order(state, instrument, load_i64(event + EVENT_ORDER))
    cell = totals.cell_of(state, participant, instrument)
    last = cell + lay.LAST_BUY_PRICE + 24 * (side - BUY)
    store_i64(last, asked_price)
    store_i64(last + 8, asked_qty)
    store_i64(last + 16, load_i64(state + lay.NOW_NS))
    flags, price = lay.PRICED_FLAG, load_i64(event + PRICE)
    if (command.UNPRICED_TYPES | command.BUDGET_TYPES) >> order_type & 1 != 0:
        flags, price, asked_price = 0, 0, 0
        if (command.BUDGET_TYPES >> order_type) & 1 != 0:
            # What it may pay was looked at by ``before``; it never rests.
            flags = lay.PRICED_FLAG
    elif (command.PEG_TYPES >> order_type) & 1 != 0:
        flags, price = lay.PRICED_FLAG | lay.PEG_FLAG, asked_price
    leaves, reserved = load_i64(event + LEAVES), asked_qty
    if VERIFY:
        assert load_i64(entry + lay.ORDER_META) == 0, "an order enters once"
        assert load_i64(state + lay.ORDERS_OPEN) < load_i64(state + lay.ORDER_MASK), "there is room"
        assert 0 < leaves <= asked_qty, "no more is open than was asked for"
    if load_i64(state + lay.PASSED) == 0:
        reserved = 0
        row = totals.participant_row(state, participant)
        store_i64(row + lay.OPEN, load_i64(row + lay.OPEN) + 1)
    store_i64(state + lay.PASSED, 0)
    if reserved != leaves or asked_price != price:
        bring_rarely(state, event, word, reserved, asked_price, flags, leaves, price)
    meta = instrument | participant << lay.META_PARTICIPANT | side << lay.META_SIDE
    store_i64(entry + lay.ORDER_ID, load_i64(event + EVENT_ORDER))
    store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)
    store_i64(entry + lay.ORDER_LEAVES, leaves)
    store_i64(entry + lay.ORDER_PRICE, price)
    store_i64(state + lay.ORDERS_OPEN, load_i64(state + lay.ORDERS_OPEN) + 1)


@kernel_outlined
def give_back(state: int, order: int, event: int, word: int) -> None:
    """``before`` reserved for a NEW that the matcher then refused."""
    not_inlined()
    qty, price, flags = load_i64(order + command.QTY), 0, 0
    if (command.UNPRICED_TYPES >> load_u8(order + command.TYPE)) & 1 == 0:
        price, flags = load_i64(order + command.PRICE), lay.PRICED_FLAG
    if VERIFY:
        assert load_u8(order + command.KIND) == command.NEW, "only a new order reserves"
        assert load_u16(order + command.PARTICIPANT) == word & 0xFFFF, "it goes back to its owner"
    bring(state, event, word, qty, price, flags, 0, price, flags, 0)
    row = totals.participant_row(state, word & 0xFFFF)
    store_i64(row + lay.OPEN, load_i64(row + lay.OPEN) - 1)
    store_i64(state + lay.PASSED, 0)


@kernel
def close(state: int, event: int, word: int) -> None:
    """An open order is gone without a trade."""
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    entry = totals.find_order(state, instrument, load_i64(event + EVENT_ORDER))
    leaves, price = load_i64(entry + lay.ORDER_LEAVES), load_i64(entry + lay.ORDER_PRICE)
    flags = load_i64(entry + lay.ORDER_META) >> lay.META_FLAGS
    bring(state, event, word, leaves, price, flags, 0, price, flags, 0)
    gone(state, entry, word)


@kernel
def gone(state: int, entry: int, word: int) -> None:
    row = totals.participant_row(state, word & 0xFFFF)
    if VERIFY:
        meta = load_i64(entry + lay.ORDER_META)
        assert meta != 0, "an order goes once"
        assert (meta >> lay.META_PARTICIPANT) & 0xFFFF == word & 0xFFFF, "it is its owner's"
        assert load_i64(row + lay.OPEN) > 0, "an order that goes was counted"
    store_i64(row + lay.OPEN, load_i64(row + lay.OPEN) - 1)
    totals.erase_order(state, entry)


@kernel_outlined
def change(state: int, order: int, event: int, word: int, kind: int) -> None:
    """An open order has other leaves, another price, or is gone."""
    not_inlined()
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    entry = totals.find_order(state, instrument, load_i64(event + EVENT_ORDER))
    meta, old_price = load_i64(entry + lay.ORDER_META), load_i64(entry + lay.ORDER_PRICE)
    old_flags, traded = meta >> lay.META_FLAGS, 0
    if VERIFY:
        assert meta != 0, "what changes is open"
        assert (meta >> lay.META_PARTICIPANT) & 0xFFFF == word & 0xFFFF, "it is its owner's"
        assert (meta >> lay.META_SIDE) & 0xFF == (word >> SIDE_SHIFT) & 0xFF, "no order turns round"
    flags, price = old_flags, old_price
    # What expires is gone: of a shard's, LEAVES is what the merge goes by.
    leaves = 0 if kind == EXPIRED else load_i64(event + LEAVES)
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
    old_leaves = load_i64(entry + lay.ORDER_LEAVES)
    if VERIFY:
        assert kind != FILLED or leaves == old_leaves - traded, "a fill takes what it trades"
    bring(state, event, word, old_leaves, old_price, old_flags, leaves, price, flags, traded)
    if leaves == 0:
        gone(state, entry, word)
    else:
        store_i64(entry + lay.ORDER_LEAVES, leaves)
        store_i64(entry + lay.ORDER_PRICE, price)
        meta &= (1 << lay.META_FLAGS) - 1
        store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)


@kernel_outlined
def bring_rarely(
    state: int, event: int, word: int, old_leaves: int, old_price: int, flags: int, leaves: int,
    price: int,
) -> None:  # fmt: skip
    not_inlined()
    bring(state, event, word, old_leaves, old_price, flags, leaves, price, flags, 0)


@kernel
def bring(
    state: int, event: int, word: int, old_leaves: int, old_price: int, old_flags: int,
    leaves: int, price: int, flags: int, traded: int,
) -> None:  # fmt: skip
    """Bring every total that the event's order is part of to these leaves, price and flags of it;
    ``traded`` lots of it were.

    Plain sums and products: ``before`` let nothing in whose totals would pass 2**62.
    """
    side = (word >> SIDE_SHIFT) & 0xFF
    # As in ``before.reserve``.
    at, sign = 8 * (side - BUY), BUY - side
    row = totals.participant_row(state, word & 0xFFFF)
    rules = totals.instrument_row(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF)
    cell = totals.cell_of(state, word & 0xFFFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF)
    group = totals.group_row(state, load_i64(row + lay.GROUP))
    more, leveraged = leaves - old_leaves, load_i64(rules + lay.LEVERAGED)
    multiplier = load_i64(rules + lay.MULTIPLIER)
    exposure = more * wide.size(lot_price(rules + lay.BOUND, flags, price))
    cost = more * paid_a_lot(rules, at, sign, flags, price)
    if flags != old_flags or price != old_price:
        exposure = leaves * wide.size(lot_price(rules + lay.BOUND, flags, price))
        exposure -= old_leaves * wide.size(lot_price(rules + lay.BOUND, old_flags, old_price))
        cost = leaves * paid_a_lot(rules, at, sign, flags, price)
        cost -= old_leaves * paid_a_lot(rules, at, sign, old_flags, old_price)
    position = (load_i64(cell + lay.POSITION) ^ sign) - sign
    lots, other = load_i64(cell + lay.BUY_LOTS + at), load_i64(cell + lay.SELL_LOTS - at)
    # If all of this side traded, and all of the other; the sales are one of the two.
    side_now, other_now = position + lots, other - position
    side_new, other_new = side_now + more + traded, other_now - traded
    sales_now = side_now & sign | other_now & ~sign
    sales_new = side_new & sign | other_new & ~sign
    more_worst = max(side_new, other_new, 0) - max(side_now, other_now, 0)
    margined = max(sales_new, 0) - max(sales_now, 0)
    if leveraged != 0:
        margined, cost = more_worst, 0
    cost *= multiplier
    need = cost + more * load_i64(rules + lay.FEE) + margined * load_i64(rules + lay.MARGIN)
    more_worst *= load_i64(rules + lay.WEIGHT)
    exposed = row + lay.BUY_EXPOSURE + 2 * at
    store_i64(cell + lay.BUY_LOTS + at, lots + more)
    store_i64(cell + lay.COST, load_i64(cell + lay.COST) + cost)
    store_i64(row + lay.RESERVED, load_i64(row + lay.RESERVED) + need)
    store_i64(exposed, load_i64(exposed) + exposure * multiplier)
    store_i64(row + lay.GROSS, load_i64(row + lay.GROSS) + more_worst)
    store_i64(group + lay.GROUP_GROSS, load_i64(group + lay.GROUP_GROSS) + more_worst)
    if VERIFY:
        buys, sells = load_i64(cell + lay.BUY_LOTS), load_i64(cell + lay.SELL_LOTS)
        gross, of_all = load_i64(row + lay.GROSS), load_i64(group + lay.GROUP_GROSS)
        held_cost, reserved = load_i64(cell + lay.COST), load_i64(row + lay.RESERVED)
        assert min(buys, sells) >= 0, "no less is open than nothing"
        assert buys + sells > 0 or held_cost == 0, "without open orders nothing can be paid"
        assert held_cost >= 0, "nobody is paid for an open order"
        assert reserved >= 0, "what open orders need is never below nothing"
        assert load_i64(exposed) >= 0, "nor what they count"
        assert 0 <= gross <= of_all, "a group's gross position has its members' in it"
    if traded != 0:
        held = ((position + traded) ^ sign) - sign
        trade(rules, row, cell, side, traded, event, held)


@kernel
def lot_price(unpriced_at: int, flags: int, price: int) -> int:
    return price if flags & lay.PRICED_FLAG != 0 else load_i64(unpriced_at)


@kernel
def paid_a_lot(rules: int, at: int, sign: int, flags: int, price: int) -> int:
    """As ``totals.lot_cost``, of an order that was let in, without the multiplier; of one of an
    instrument that is not leveraged."""
    paid = lot_price(rules + lay.WORST_BUY + at, flags, price)
    return max((paid ^ sign) - sign, 0)


@kernel
def trade(rules: int, row: int, cell: int, side: int, qty: int, event: int, position: int) -> None:
    """One side of a trade: what was held is marked at its price, then it is paid and the fee."""
    price, seq_at, margin = load_i64(event + PRICE), event + CAUSE, load_i64(rules + lay.MARGIN)
    mark_position(rules, row, cell, price, seq_at)
    if margin != 0:
        more = margined_lots(rules, position) - margined_lots(rules, load_i64(cell + lay.POSITION))
        store_i64(row + lay.MARGINED, load_i64(row + lay.MARGINED) + more * margin)
    store_i64(cell + lay.POSITION, position)
    if load_i64(rules + lay.LEVERAGED) == 0:
        paid = wide.mul(wide.mul(price, load_i64(rules + lay.MULTIPLIER)), qty)
        add_money(row, lay.BALANCE, wide.sub(0, paid) if side == BUY else paid, seq_at)
    fee = wide.sub(0, wide.mul(load_i64(rules + lay.FEE), qty))
    add_money(row, lay.BALANCE, fee, seq_at)
    add_money(row, lay.PROFIT, fee, seq_at)
    judge_profit(row, seq_at)
