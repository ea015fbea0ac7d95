"""after: what a command's events change: open orders and their totals, positions, money.

Each event of an order says what is open of it afterwards, so one rule does for all kinds of them.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import before as command
from openoutcry.risk import totals
from openoutcry.risk.bits import NO_LIMIT, RISK_REASON
from openoutcry.risk.contracts import contracts_of, loss_flags, trade_contract
from openoutcry.risk.instrument_rules import note_in_the_way, take_rules
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.lists import NEW_LEG, forget_leg, more_lots, move_leg, note_terms
from openoutcry.risk.money import call, is_under, trade
from openoutcry.risk.portfolio import follow_portfolio
from openoutcry.risk.protection import CALLS, watch
from openoutcry.risk.requests import note_effect
from openoutcry.risk.spot import (
    conserved,
    needed,
    new_flags,
    own_wallet,
    pay_shortfall,
    rules_of,
    settle,
)
from openoutcry.risk.spot_layout import SpotAsset
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.enums import REDUCE_ONLY
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined, prefetch, store_i64
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.open_orders import IS_LEG, OpenOrder
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT, NO_PRICE, RECORD_BYTES

CAUSE = EVENT.offsets["cause_seq"]
WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - WORD)
KIND_SHIFT = 8 * (EVENT.offsets["kind"] - WORD)
REASON_SHIFT = 8 * (EVENT.offsets["reason"] - WORD)
SIDE_SHIFT = 8 * (EVENT.offsets["side"] - WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - WORD)
ACCEPTED, FILLED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_FILLED
CANCELLED, REDUCED = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_REDUCED
REPLACED, EXPIRED = enum_numbers.EVENT_KIND_REPLACED, enum_numbers.EVENT_KIND_EXPIRED
CONVERTED, PHASE_CHANGED = enum_numbers.EVENT_KIND_CONVERTED, enum_numbers.EVENT_KIND_PHASE_CHANGED
REJECTED, COMPLETED = enum_numbers.EVENT_KIND_REJECTED, enum_numbers.EVENT_KIND_COMPLETED
CHANGES = sum(1 << kind for kind in (FILLED, CANCELLED, REDUCED, REPLACED, EXPIRED, CONVERTED))
"""Kinds that change what is open, or at what price, of an order that was."""
RULES_CHANGED = enum_numbers.REASON_RULES_CHANGED
MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
BUY, CONTINUOUS = enum_numbers.SIDE_BUY, enum_numbers.PHASE_CONTINUOUS
REDUCE_ONLY_BIT = REDUCE_ONLY.bit_length() - 1
AHEAD_EVENTS = 16
"""How many events ahead their open orders are asked for.  Measured: 100,000 cancelled at once take
5 to 8 ms of a processor here, and 10 to 15 without it.  Out of line: 4 ns less a command."""


@kernel
def after(state: RiskState, order: OrderRecord, events: int, count: int) -> int:
    """Take the events of one command, contiguous at ``events``.  Returns 0."""
    if state.tracking == 0:
        return 0
    fills = 0
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        if index + AHEAD_EVENTS < count:
            ask_for_order(state, EventRecord(event + AHEAD_EVENTS * RECORD_BYTES))
        word = event.word
        kind = (word >> KIND_SHIFT) & 0xFF
        if kind == ACCEPTED:
            enter(state, order, event, word)
        elif kind == CANCELLED and event.leaves_lots == 0:
            close(state, event, word)
        elif (CHANGES >> kind) & 1 != 0:
            change(state, order, event, word, kind)
            fills += kind == FILLED
        elif kind == REJECTED:
            report_refusal(state, order, event, word)
        elif kind == PHASE_CHANGED:
            rules = totals.instrument_row(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF)
            enter_phase(rules, event.qty_lots, event.price_ticks)
        elif kind == COMPLETED and order.kind == command.TERMS:
            note_terms(state, event, word)
    if fills != 0:
        judge_traders(state, events, count)
    if state.protection_at != 0:
        watch(state, events, count)
    if VERIFY:
        assert conserved(state) == 1, "no unit of an asset is lost or made"
        if state.contracts_at != 0:
            assert contracts_of(state).clearing == 0, "what one side is paid the other one pays"
    return 0


@kernel_outlined
def judge_traders(state: RiskState, events: int, count: int) -> None:
    """Kill those that traded, hold nothing else and are below their maintenance margin.  That is at
    the end of the command: too little after one of its fills may be enough after the next.

    A participant that also holds something else is judged by the next mark.  The trade says what
    one of its positions is worth, and the others have older prices: a hedge would show a loss.
    """
    not_inlined()
    waits = -1
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        word = event.word
        if (word >> KIND_SHIFT) & 0xFF == FILLED:
            participant, instrument = word & 0xFFFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
            row, cell = totals.participant_row(state, participant), participant << 16 | instrument
            is_called = row.flags & lay.KILLED_BY_MARGIN != 0
            if cell == waits or is_called or not is_under(row):
                continue
            # One order that trades with many others looks at its owner's positions once.
            waits = cell
            if not holds_other(state, participant, instrument):
                call(state, row, event + CAUSE)


@kernel
def holds_other(state: RiskState, participant: int, instrument: int) -> bool:
    """Return whether a participant has a position in another instrument than this one."""
    for other in range(state.instruments):
        if other != instrument and totals.cell_of(state, participant, other).position != 0:
            return True
    return False


@kernel
def enter_phase(rules: RiskInstrument, phase: int, reference: int) -> None:
    """The instrument is in another phase, with this reference price.  Continuous trading ends its
    state PRE_OPEN."""
    rests = rules.market_rests & ~lay.RESTS_IN_CALL
    calls = (CALLS >> phase) & 1 != 0
    rules.market_rests = rests | lay.RESTS_IN_CALL if calls else rests
    if phase == CONTINUOUS:
        rules.halt &= ~lay.PRE_OPEN_HALT
    if reference == NO_PRICE:
        return
    rules.reference = reference
    if rules.last == NO_LIMIT:
        rules.last = reference


@kernel_outlined
def ask_for_order(state: RiskState, event: EventRecord) -> None:
    """Prefetch the next order of a mass cancel, whose many orders lie anywhere."""
    not_inlined()
    instrument = (event.word >> INSTRUMENT_SHIFT) & 0xFFFF
    home = totals.order_home(state, instrument, event.order_id)
    prefetch(state + state.order_at + home * lay.ORDER_BYTES)


@kernel
def report_refusal(state: RiskState, order: OrderRecord, event: EventRecord, word: int) -> None:
    """Give the figures of a command that ``before`` refused; what it applied is not a reject."""
    reason = (word >> REASON_SHIFT) & 0xFF
    if state.linking != 0:
        if state.linking == NEW_LEG:
            forget_leg(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF, event.order_id)
        state.linking = 0
    if reason == RISK_REASON:
        event.price_ticks = state.refused_limit
        event.leaves_lots = state.refused_value
        event.qty_lots = state.refused_asked
    elif state.passed != 0:
        give_back(state, order, event, word)
    elif reason == 0:
        if order.order_type == constants.SET_OFF_BOOK or order.order_type == constants.SET_BUST:
            note_effect(state, order)
        elif order.order_type == constants.SET_INSTRUMENT_APPLY and order.aux != 0:
            note_effect(state, order)
            take_rules(state, order.seq)
        event.word = word + ((COMPLETED - REJECTED) << KIND_SHIFT)
        event.contra_id = order.order_type
        event.leaves_lots = order.aux
    elif reason == RULES_CHANGED:
        note_in_the_way(state, order, event)


@kernel
def enter(state: RiskState, order: OrderRecord, event: EventRecord, word: int) -> None:
    """The command's own order is open: at the price of its event, of what moves by itself (pegs,
    sliding orders) at the one that was asked for.  What ``before`` reserved is already counted."""
    participant, instrument = word & 0xFFFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
    side, order_type = (word >> SIDE_SHIFT) & 0xFF, order.order_type
    asked_price, asked_qty = order.price_ticks, order.qty_lots
    if event.order_id != order.order_id:  # the other side of a quote
        asked_price, asked_qty = event.price_ticks, event.qty_lots
    entry = totals.find_order(state, instrument, event.order_id)
    cell = totals.cell_of(state, participant, instrument)
    if not is_off_book(event.order_id):  # which another participant may let fail
        last = cell + lay.LAST_BUY_PRICE + 24 * (side - BUY)
        store_i64(last, asked_price)
        Words(last)[1] = asked_qty
        Words(last)[2] = state.now_ns
    flags, price = lay.PRICED_FLAG, event.price_ticks
    if (command.UNPRICED_TYPES | command.BUDGET_TYPES) >> order_type & 1 != 0:
        flags, price, asked_price = 0, 0, 0
        if (command.BUDGET_TYPES >> order_type) & 1 != 0:
            # What it may pay was checked by ``before``; it never rests.
            flags = lay.PRICED_FLAG
    elif (command.PEG_TYPES >> order_type) & 1 != 0:
        flags, price = lay.PRICED_FLAG | lay.PEG_FLAG, asked_price
    rules = totals.instrument_row(state, instrument)
    if rules.spot_at != 0:
        flags |= new_flags(side, cell.mark)
    leaves, reserved = event.leaves_lots, asked_qty
    is_budget = (command.BUDGET_TYPES >> order_type) & 1 != 0
    if rules.contract_at != 0 and state.passed == 0 and not is_budget:
        # What ``before`` reserved loses nothing at once.
        more = leaves
        if state.linking == NEW_LEG:
            more = more_lots(state, rules, instrument, event.order_id, side, 0, leaves)
        side_lots = (cell.buy_lots if side == BUY else cell.sell_lots) + more
        flags = loss_flags(state, rules, cell, side, flags, price, side_lots)
    if VERIFY:
        assert entry.meta == 0, "an order enters once"
        assert state.orders_open < state.order_mask, "there is room"
        assert 0 < leaves <= asked_qty, "no more is open than was asked for"
    leg = 0
    if state.passed == 0:
        reserved = 0
        if state.linking != 0:
            leg = IS_LEG if state.linking == NEW_LEG else 0
            state.linking = 0
        flags |= lay.REDUCES_FLAG * (order.time_in_force >> REDUCE_ONLY_BIT)
        row = totals.participant_row(state, participant)
        row.open += 1
    state.passed = 0
    if leg != 0:
        move_leg(state, event, word, entry, leaves, price, flags, 0)
    elif reserved != leaves or asked_price != price:
        bring_rarely(state, event, word, reserved, asked_price, flags, leaves, price)
    meta = instrument | participant << lay.META_PARTICIPANT | side << lay.META_SIDE | leg
    entry.order_id = event.order_id
    entry.meta = meta | flags << lay.META_FLAGS
    entry.leaves = leaves
    entry.price = price
    state.orders_open += 1


@kernel_outlined
def give_back(state: RiskState, order: OrderRecord, event: EventRecord, word: int) -> None:
    """``before`` reserved for a NEW that the matcher then refused."""
    not_inlined()
    qty, price, flags = order.qty_lots, 0, 0
    if (command.UNPRICED_TYPES >> order.order_type) & 1 == 0:
        price, flags = order.price_ticks, lay.PRICED_FLAG
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    if totals.instrument_row(state, instrument).spot_at != 0:
        terms = totals.cell_of(state, word & 0xFFFF, instrument).mark
        flags |= new_flags((word >> SIDE_SHIFT) & 0xFF, terms)
    if VERIFY:
        assert order.kind == command.NEW, "only a new order reserves"
        assert order.participant == word & 0xFFFF, "it goes back to its owner"
    move_totals(state, event, word, qty, price, flags, 0, price, flags, 0)
    row = totals.participant_row(state, word & 0xFFFF)
    row.open -= 1
    state.passed = 0


@kernel
def close(state: RiskState, event: EventRecord, word: int) -> None:
    """An open order is gone without a trade."""
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    entry = totals.find_order(state, instrument, event.order_id)
    leaves, price, meta = entry.leaves, entry.price, entry.meta
    flags = meta >> lay.META_FLAGS
    if meta & IS_LEG != 0:
        move_leg(state, event, word, entry, 0, price, flags, 0)
    else:
        move_totals(state, event, word, leaves, price, flags, 0, price, flags, 0)
    if is_off_book(event.order_id):  # its other side was refused: nothing has happened
        row = totals.participant_row(state, word & 0xFFFF)
        row.full_at_ns -= row.rate_ns
    gone(state, entry, word)


@kernel
def gone(state: RiskState, entry: OpenOrder, word: int) -> None:
    """Stop counting an order that has left the book, and forget it."""
    row = totals.participant_row(state, word & 0xFFFF)
    if VERIFY:
        meta = entry.meta
        assert meta != 0, "an order goes once"
        assert (meta >> lay.META_PARTICIPANT) & 0xFFFF == word & 0xFFFF, "it is its owner's"
        assert row.open > 0, "an order that goes was counted"
    row.open -= 1
    is_leg, order_id = entry.meta & IS_LEG != 0, entry.order_id
    totals.erase_order(state, entry)
    if is_leg:
        forget_leg(state, (word >> INSTRUMENT_SHIFT) & 0xFFFF, order_id)


@kernel_outlined
def change(state: RiskState, order: OrderRecord, event: EventRecord, word: int, kind: int) -> None:
    """An open order has other leaves, another price, or is gone."""
    not_inlined()
    instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
    entry = totals.find_order(state, instrument, event.order_id)
    meta, old_price = entry.meta, entry.price
    old_flags, traded = meta >> lay.META_FLAGS, 0
    if VERIFY:
        assert meta != 0, "what changes is open"
        assert (meta >> lay.META_PARTICIPANT) & 0xFFFF == word & 0xFFFF, "it is its owner's"
        own_side = (meta >> lay.META_SIDE) & lay.META_SIDE_MASK
        assert own_side == (word >> SIDE_SHIFT) & 0xFF, "no order turns round"
    flags, price = old_flags, old_price
    # What expires is gone: of a shard's, LEAVES is what the merge goes by.
    leaves = 0 if kind == EXPIRED else event.leaves_lots
    if kind == CONVERTED:
        flags, price = flags & ~lay.PEG_FLAG | lay.PRICED_FLAG, event.price_ticks
    elif kind == REPLACED and order.kind in (command.REPLACE, command.NEW):
        if flags & lay.PEG_FLAG != 0:
            price = order.price_ticks
        elif flags & lay.PRICED_FLAG != 0:
            price = event.price_ticks
    rules = totals.instrument_row(state, instrument)
    replaces = kind == REPLACED and order.kind in (command.REPLACE, command.NEW)
    is_repriced = kind == CONVERTED or replaces
    if is_repriced and rules.contract_at != 0:
        side = (word >> SIDE_SHIFT) & 0xFF
        cell = totals.cell_of(state, word & 0xFFFF, instrument)
        more = leaves - entry.leaves
        if meta & IS_LEG != 0:
            more = more_lots(state, rules, instrument, event.order_id, side, entry.leaves, leaves)
        side_lots = (cell.buy_lots if side == BUY else cell.sell_lots) + more
        flags = loss_flags(state, rules, cell, side, flags, price, side_lots)
    elif kind == FILLED:
        traded = event.qty_lots
        event_flags = (word >> FLAGS_SHIFT) & 0xFF
        if event_flags & (MAKER | AUCTION) == MAKER or (
            event_flags & AUCTION != 0 and (word >> SIDE_SHIFT) & 0xFF == BUY
        ):
            if not is_off_book(event.order_id):
                rules.last = event.price_ticks
            rules.volume = wide.add(rules.volume, traded)
    old_leaves = entry.leaves
    if VERIFY:
        assert kind != FILLED or leaves == old_leaves - traded, "a fill takes what it trades"
    if meta & IS_LEG != 0:
        move_leg(state, event, word, entry, leaves, price, flags, traded)
    else:
        move_totals(
            state, event, word, old_leaves, old_price, old_flags, leaves, price, flags, traded
        )
    if leaves == 0:
        gone(state, entry, word)
    else:
        entry.leaves = leaves
        entry.price = price
        meta &= (1 << lay.META_FLAGS) - 1
        entry.meta = meta | flags << lay.META_FLAGS


@kernel_outlined
def bring_rarely(
    state: RiskState,
    event: EventRecord,
    word: int,
    old_leaves: int,
    old_price: int,
    flags: int,
    leaves: int,
    price: int,
) -> None:
    """Follow an event that changes price or quantity of an open order otherwise than by a fill."""
    not_inlined()
    move_totals(state, event, word, old_leaves, old_price, flags, leaves, price, flags, 0)


@kernel
def move_totals(
    state: RiskState,
    event: EventRecord,
    word: int,
    old_leaves: int,
    old_price: int,
    old_flags: int,
    leaves: int,
    price: int,
    flags: int,
    traded: int,
) -> None:
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
    group = totals.group_row(state, row.group)
    more, leveraged = leaves - old_leaves, rules.leveraged
    multiplier = rules.multiplier
    exposure = more * wide.size(lot_price(rules + lay.BOUND, flags, price))
    cost = more * paid_a_lot(rules, at, sign, flags, price)
    if flags != old_flags or price != old_price:
        exposure = leaves * wide.size(lot_price(rules + lay.BOUND, flags, price))
        exposure -= old_leaves * wide.size(lot_price(rules + lay.BOUND, old_flags, old_price))
        cost = leaves * paid_a_lot(rules, at, sign, flags, price)
        cost -= old_leaves * paid_a_lot(rules, at, sign, old_flags, old_price)
    position = (cell.position ^ sign) - sign
    lots, other = load_i64(cell + lay.BUY_LOTS + at), load_i64(cell + lay.SELL_LOTS - at)
    # If all of this side traded, and all of the other; the sales are one of the two.
    side_now, other_now = position + lots, other - position
    held = traded if rules.spot_at == 0 else 0
    side_new, other_new = side_now + more + held, other_now - held
    sales_now = side_now & sign | other_now & ~sign
    sales_new = side_new & sign | other_new & ~sign
    more_worst = max(side_new, other_new, 0) - max(side_now, other_now, 0)
    margined = max(sales_new, 0) - max(sales_now, 0)
    cost *= multiplier
    losses = 0
    if rules.contract_at != 0:
        losses = leaves * totals.loss_of(flags) - old_leaves * totals.loss_of(old_flags)
    if leveraged != 0 or totals.is_charged_loss(rules, BUY - sign):
        cost = losses
    if leveraged != 0:
        margined = more_worst
    need = cost + more * rules.fee + margined * rules.margin
    more_worst *= rules.weight
    exposed = row + lay.BUY_EXPOSURE + 2 * at
    store_i64(cell + lay.BUY_LOTS + at, lots + more)
    cell.cost += cost
    row.reserved += need
    store_i64(exposed, load_i64(exposed) + exposure * multiplier)
    row.gross += more_worst
    group.gross += more_worst
    if VERIFY:
        buys, sells = cell.buy_lots, cell.sell_lots
        gross, of_all = row.gross, group.gross
        held_cost, reserved = cell.cost, row.reserved
        assert min(buys, sells) >= 0, "no less is open than nothing"
        assert buys + sells > 0 or held_cost == 0, "without open orders nothing can be paid"
        assert held_cost >= 0, "an open order never pays its owner"
        assert reserved >= 0, "what open orders need is never below nothing"
        assert load_i64(exposed) >= 0, "nor what they count"
        assert 0 <= gross <= of_all, "a group's gross position has its members' in it"
    if rules.spot_at != 0:
        spot = rules_of(state, rules)
        wallet = own_wallet(state, spot, side, word & 0xFFFF)
        free = needed(rules, spot, side, old_flags, old_price, old_leaves)
        free -= needed(rules, spot, side, flags, price, leaves)
        wallet.available += free
        wallet.reserved -= free
        if VERIFY:
            assert wallet.reserved >= 0, "no order reserves less than nothing"
        if traded != 0:
            participant, terms = word & 0xFFFF, cell.mark
            settle(state, rules, spot, participant, side, old_flags, terms, event, traded)
        elif wallet.shortfall != 0:
            asset_at = spot.quote_at if side == BUY else spot.base_at
            pay_shortfall(SpotAsset(state + asset_at), wallet)
    elif rules.contract_at != 0:
        held = ((position + traded) ^ sign) - sign
        if rules.scenario != 0:
            buys, sells = cell.buy_lots, cell.sell_lots
            follow_portfolio(state, row, rules, word & 0xFFFF, held, buys, sells, cost - losses)
        if traded != 0:
            trade_contract(state, rules, row, cell, side, traded, event, held)
    elif traded != 0:
        trade(rules, row, cell, side, traded, event, ((position + traded) ^ sign) - sign)


@kernel
def lot_price(unpriced_at: int, flags: int, price: int) -> int:
    """Return the price at which an order's lots count: its own, or that at ``unpriced_at`` if it
    has none."""
    return price if flags & lay.PRICED_FLAG != 0 else load_i64(unpriced_at)


@kernel
def paid_a_lot(rules: int, at: int, sign: int, flags: int, price: int) -> int:
    """Like ``totals.lot_cost``, for an order that was let in, without the multiplier; for an
    instrument that is not leveraged."""
    paid = lot_price(rules + lay.WORST_BUY + at, flags, price)
    return max((paid ^ sign) - sign, 0)
