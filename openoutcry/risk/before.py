"""before: whether a command may go to the matcher, by every limit at once.

A total refuses an order only if it grows past its limit: a participant beyond a lowered limit may
still reduce.  The matcher itself refuses a malformed record, an order that is not open, and an
order of another participant.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import bits, totals
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.risk.busts import bust
from openoutcry.risk.collateral import means_of
from openoutcry.risk.contract_layout import EXPIRED_HALT, MAX_PRICE
from openoutcry.risk.contracts import (
    contract_of,
    loss_at,
    loss_flags,
    tick_contracts,
)
from openoutcry.risk.instrument_rules import CHANGED, DROPPED, apply_rules
from openoutcry.risk.instrument_state import HALTS, cancel_reason, is_opening
from openoutcry.risk.layout import (
    CLOSE_ONLY_HALT,
    DELISTED_HALT,
    SUSPENDED_HALT,
    RiskInstrument,
    RiskState,
)
from openoutcry.risk.liquidation import excuse
from openoutcry.risk.lists import ASKS_TERMS, NEW_LEG, dearest, more_lots
from openoutcry.risk.operator_commands import apply_setting
from openoutcry.risk.portfolio import (
    TOO_LARGE,
    TOO_LITTLE,
    check_portfolio,
    prefetch_portfolio,
)
from openoutcry.risk.protection import tick
from openoutcry.risk.reduce_only import reduces_flag, reducible
from openoutcry.risk.requests import LEG, is_next_leg, keep_leg, note_effect, permits
from openoutcry.risk.spot import asked_for, asset_number, fee_of, new_flags, own_wallet, rules_of
from openoutcry.risk.spot_layout import PINNED_SHIFT, Wallet
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.enums import (
    REDUCE_ONLY,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    OrderType,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined, prefetch, store_i64
from openoutcry.wire.off_book_legs import LEG_SHIFT, SIDE_MASK
from openoutcry.wire.open_orders import IS_LEG
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED, type_bits
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER
from openoutcry.wire.rule_changes import CANCEL_OFF_GRID

SEQ = ORDER.offsets["seq"]
PARTICIPANT = ORDER.offsets["participant"]
KIND = ORDER.offsets["kind"]

NEW, REPLACE, TIME = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.COMMAND_KIND_REPLACE,
    enum_numbers.COMMAND_KIND_TIME,
)
TERMS = enum_numbers.COMMAND_KIND_TERMS
PHASE, DISCONNECT = enum_numbers.COMMAND_KIND_PHASE, enum_numbers.COMMAND_KIND_DISCONNECT
BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
DAY, IOC, FOK = (
    enum_numbers.TIME_IN_FORCE_DAY,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_FOK,
)
MARKET, TIF_MASK = enum_numbers.ORDER_TYPE_MARKET, (1 << SELF_TRADE_SHIFT) - 1
UNPRICED_TYPES, TYPE_COUNT = type_bits(UNPRICED), len(OrderType)
BUDGET_TYPES = type_bits(BUDGETS)
"""Order types that pay and are paid no more than ``aux``, and never rest."""
PEG_TYPES = type_bits((*PEGS, OrderType.POST_ONLY_SLIDE))
"""Orders that move by themselves count at the requested price, wherever they rest: a sale that
slides up would grow its exposure."""
REASON_BITS = 8
APPLIED, TRADES, TAKES_OVER = 1 << REASON_BITS, 2 << REASON_BITS, 3 << REASON_BITS
CANCELS, CHANGES_RULES = 4 << REASON_BITS, 6 << REASON_BITS
REDUCES, BREAKS = 5 << REASON_BITS, 8 << REASON_BITS
"""Answers to a RISK command, without a reason: it was applied; its two sides trade off the book;
one has taken lots over; a trade was taken back; all orders in its instrument are cancelled; or it
has other rules.  Then the bits above TAKEOVER_SHIFT are the price and MAX_PRICE, the Reason of the
cancels, or whether orders that the rules do not permit are cancelled.  REDUCES answers a NEW or a
REPLACE that is within every limit, where reduce-only orders are cut once it has entered."""
TAKEOVER_SHIFT = 16

EASY_BITS = 60
"""A NEW adds less than 2**60 to a total: three such and a total are within int64."""

ARITHMETIC, UNKNOWN_PARTICIPANT = 1 << constants.ARITHMETIC, 1 << constants.UNKNOWN_PARTICIPANT
SUSPENDED, CLOSED = 1 << constants.SUSPENDED, 1 << constants.CLOSED


@kernel
def before(state: RiskState, order: OrderRecord) -> int:
    """0 if the command may go to the matcher.  Else ``bits << 8 | reason``: refused, with the first
    check that failed in the state's REFUSED words; or a RISK command, which ends here."""
    if state.tracking == 0:
        return 0
    if VERIFY:
        assert state.passed == 0, "the command before is done with"
    kind = order.kind
    if kind in (NEW, REPLACE):
        instrument = totals.find_symbol(state, order.symbol)
        if instrument < 0 or order.qty_lots <= 0:
            return 0
        if kind == NEW:
            side, order_type = order.side, order.order_type
            if side == 0 or side > SELL or order_type == 0 or order_type > TYPE_COUNT:
                return 0
            # An order under scenario margin is checked by ``check`` alone.
            rules = totals.instrument_row(state, instrument)
            if rules.scenario != 0:
                prefetch_portfolio(state, rules, order.participant)
            elif reserve(state, order, instrument, side, order_type) != 0:
                return 0
        return check(state, order, kind, instrument)
    if kind <= DISCONNECT:
        if kind == DISCONNECT:
            wanted(state, order.participant)
        return 0
    return operator_command(state, order, kind)


@kernel
def ahead(state: RiskState, order: OrderRecord) -> int:
    """Ask for what a command that comes soon will need: its cell and its open order.  Returns 0.

    Whatever the record holds: to ask for an address that is not there does no harm.  Measured with
    every limit set: 27 ns a command instead of 36 (64 participants, 64 instruments), 38 instead of
    101 (1,024 and 256).
    """
    if state.tracking != 0:
        instrument = totals.find_symbol(state, order.symbol)
        cell = totals.cell_of(state, order.participant, instrument)
        prefetch(cell)
        prefetch(cell + 64)
        home = totals.order_home(state, instrument, order.order_id)
        prefetch(state + state.order_at + home * lay.ORDER_BYTES)
        if instrument >= 0:
            rules = totals.instrument_row(state, instrument)
            if rules.spot_at != 0:
                spot, participant = rules_of(state, rules), order.participant
                prefetch(state + spot.quote_wallet_at + participant * spot.wallet_step)
                prefetch(state + spot.base_wallet_at + participant * spot.wallet_step)
            elif rules.scenario != 0:
                prefetch_portfolio(state, rules, order.participant)
    return 0


@kernel
def wanted(state: RiskState, participant: int) -> None:
    """A DISCONNECT takes all orders of the participant: what a kill asked for."""
    if participant < state.participants:
        row = totals.participant_row(state, participant)
        flags = row.flags
        row.flags = flags & ~lay.CANCEL_WANTED
        if flags & lay.CANCEL_WANTED != 0:
            totals.publish(state)


@kernel_outlined
def operator_command(state: RiskState, order: OrderRecord, kind: int) -> int:
    """TIME, PHASE and RISK, of the exchange operator."""
    not_inlined()
    if order.participant != 0:
        return 0
    if kind == TIME:
        state.now_ns = max(state.now_ns, order.aux)
        if state.protection_at != 0:
            tick(state)
        if state.contracts_at != 0:
            tick_contracts(state)
        return 0
    instrument = totals.find_symbol(state, order.symbol)
    if kind == PHASE and instrument >= 0 and order.qty_lots in (1, 2):
        # Market orders of both sides trade at the reference price: no further than they reserve.
        rules = totals.instrument_row(state, instrument)
        price = order.price_ticks
        low, high = rules.worst_sell, rules.worst_buy
        if rules.price_limited != 0 and (price < low or price > high):
            return refuse(state, order, 1 << constants.PRICE_BAND, high, low, price)
    applies = kind == bits.RISK_KIND and permits(state, order)
    if applies and order.order_type == constants.SET_OFF_BOOK:
        if not is_off_book_trade(state, order, instrument):
            return 0
        if order.side != LEG:
            return TRADES
        return APPLIED if keep_leg(state, order) else 0
    if applies and order.order_type == constants.SET_BUST:
        if order.side == LEG:
            return APPLIED if keep_leg(state, order) else 0
        return BREAKS if bust(state, order, instrument) else 0
    if applies and order.order_type == constants.SET_INSTRUMENT_APPLY:
        done = apply_rules(state, order, instrument)
        if done == CHANGED:
            cancels = order.qty_lots & CANCEL_OFF_GRID
            return CHANGES_RULES | cancels << TAKEOVER_SHIFT
        return APPLIED if done == DROPPED else 0
    if applies and apply_setting(state, order, instrument):
        note_effect(state, order)
        setting = order.order_type
        kills = setting in (constants.SET_KILL, constants.SET_GROUP_KILL, constants.SET_MARKET_KILL)
        if kills or setting in (constants.SET_GROUP, constants.SET_HALT, constants.SET_BANDS):
            totals.publish(state)
        if setting == constants.SET_DELEVERAGE and order.time_in_force != 0:
            mark = contract_of(state, totals.instrument_row(state, instrument)).mark
            return TAKES_OVER | (mark + MAX_PRICE) << TAKEOVER_SHIFT
        if setting == constants.SET_INSTRUMENT_STATE and cancel_reason(order.aux) != 0:
            return CANCELS | cancel_reason(order.aux) << TAKEOVER_SHIFT
        return APPLIED
    return 0


@kernel
def is_off_book_trade(state: RiskState, order: OrderRecord, instrument: int) -> bool:
    """Return whether OFF_BOOK makes sense, and is the effect of a request."""
    buyer, seller = order.qty_lots >> 16, order.qty_lots & 0xFFFF
    two = 0 < seller < state.participants and 0 < buyer < state.participants and buyer != seller
    sides = BUY <= order.time_in_force & SIDE_MASK <= SELL and order.aux > 0
    if not (two and sides) or instrument < 0 or order.side == 0 or state.requests_at == 0:
        return False
    return is_next_leg(state, order.time_in_force >> LEG_SHIFT)


@kernel
def refuse(
    state: RiskState, order: OrderRecord, failed: int, limit: int, value: int, requested: int
) -> int:
    """Store the figures that will be reported with a refusal; returns the result of ``before``."""
    if VERIFY:
        assert failed != 0, "a refusal has a check that failed"
        assert order.seq >= state.refused_seq, "in sequence"
        assert state.passed == 0, "what is refused reserves nothing"
    first = 0
    while (failed >> first) & 1 == 0:
        first += 1
    state.refused_seq = order.seq
    state.refused_bits = failed
    state.refused_bit = first
    state.refused_limit = limit
    state.refused_value = value
    state.refused_asked = requested
    state.refusals += 1
    return failed << REASON_BITS | bits.RISK_REASON


@kernel
def may_rest(order: OrderRecord, rules: RiskInstrument, order_type: int) -> bool:
    """Return whether the new order may still be open after its command.  An order that may not
    does not count as open, so a participant with as many orders as it may hold can still close
    out."""
    tif = order.time_in_force & TIF_MASK
    if tif in (IOC, FOK):
        return False
    if order_type == MARKET and tif == DAY:
        return rules.market_rests != 0
    return True


@kernel
def is_next_tick(price: int, last: int, distance: int) -> bool:
    """Return whether the price is a tick from the last one, where a share of that may be less
    than one."""
    return distance != 0 and -1 <= wide.sub(price, last) <= 1


@kernel
def grows_past(total: int, was: int, limit: int, bit: int) -> int:
    """The bit, if the total grew and passes its limit."""
    return (1 << bit) if total > limit and total > was else 0


@kernel
def reserve(
    state: RiskState, order: OrderRecord, instrument: int, side: int, order_type: int
) -> int:
    """1 if a NEW is surely within every limit; its totals are then what they will be once it is
    open, and PASSED says so.  0: nothing is changed, and :func:`check` has to say.

    Comparisons and plain products alone: what is rare, leaves int64 or comes near 2**62 is 0.
    Measured with every limit set: with what ``after`` then saves, a third of ``check``'s time.
    """
    qty, price = order.qty_lots, order.price_ticks
    participant = order.participant
    if participant >= state.participants or qty >> EASY_BITS != 0:
        return 0
    # The order's side has its words ``at`` after the buys'; ``sign`` turns what is signed into the
    # order's direction: 0, or all ones for a sale.
    at, sign = 8 * (side - BUY), BUY - side
    row = totals.participant_row(state, participant)
    rules = totals.instrument_row(state, instrument)
    cell = totals.cell_of(state, participant, instrument)
    group = totals.group_row(state, row.group)
    switches = state.market_kill | rules.halt
    switches |= group.kill
    switches |= row.flags & (lay.KILLED_FLAGS | lay.BARRED_FLAGS | lay.NAMES_SELF_TRADE)
    # RESTRICTED and TERMS for both sides, NO_SHORT for sales, reduce-only orders of the same side.
    switches |= cell.flags & (6 * side + 15)
    if switches | (BUDGET_TYPES >> order_type & 1) | (order.time_in_force & REDUCE_ONLY) != 0:
        return 0

    # Price and quantity.
    distance, last = rules.distance_bps, rules.last
    banded, is_unpriced = rules.banded, (UNPRICED_TYPES >> order_type) & 1 != 0
    if rules.contract_at != 0:
        contract = contract_of(state, rules)
        last = contract.mark
        if is_unpriced or loss_at(contract, side, 1, price) != 0:
            return 0
    size = paid = price
    if is_unpriced:
        limited = rules.price_limited
        if limited == 0 or banded != 0 or (distance != NO_LIMIT and limited == 1):
            return 0
        size, paid = rules.bound, load_i64(rules + lay.WORST_BUY + at)
    else:
        size = wide.size(price)
        if size < 0:
            return 0
        if banded != 0:
            low, high = rules.band_low, rules.band_high
            outside = price > high if side == BUY else price < low
            if outside:
                return 0
        if distance != NO_LIMIT and last != NO_LIMIT:
            away, left = wide.sub_checked(price, last)
            parts, left_too = wide.mul_checked(wide.size(away), 10_000)
            allowed, left_also = wide.mul_checked(wide.size(last), distance)
            if left | left_too | left_also != 0 or parts > allowed:
                return 0
    adv, share = rules.adv, rules.adv_bps
    if adv != 0:
        parts, left = wide.mul_checked(qty, 10_000)
        if left != 0:
            return 0
        if share != NO_LIMIT:
            allowed, left = wide.mul_checked(share, adv)
            if left != 0 or parts > allowed:
                return 0
    if qty > cell.max_qty:
        return 0

    # Totals.
    leveraged, spot_at = rules.leveraged, rules.spot_at
    position = (cell.position ^ sign) - sign
    lots, other = load_i64(cell + lay.BUY_LOTS + at), load_i64(cell + lay.SELL_LOTS - at)
    side_now = position + lots
    side_new = side_now + qty
    worst = max(side_now, other - position, 0)
    new_worst = max(side_new, worst)
    more_worst = new_worst - worst
    margined = (max(side_new, 0) - max(side_now, 0)) & sign
    paid = max((paid ^ sign) - sign, 0)
    units, left = wide.mul_checked(qty, rules.multiplier)
    if left != 0:
        return 0
    wallet, need = Wallet(0), 0
    if spot_at != 0:
        # A sale reserves its lots, a buy its price and the fee of that.
        spot = rules_of(state, rules)
        factor = paid if side == BUY else spot.lot_units
        need, left = wide.mul_checked(units if side == BUY else qty, factor)
        if left != 0 or need >> EASY_BITS != 0:
            return 0
        need += fee_of(need, new_flags(side, cell.mark) >> PINNED_SHIFT)
        wallet = own_wallet(state, spot, side, participant)
        if wallet.available + wallet.credit < need:
            return 0
    if leveraged != 0 or totals.is_charged_loss(rules, side):
        paid = 0
    if leveraged != 0:
        margined = more_worst
    value, left = wide.mul_checked(units, size)
    if left != 0:
        return 0
    cost, left = wide.mul_checked(units, paid)
    if left != 0:
        return 0
    fees, left = wide.mul_checked(qty, rules.fee)
    if left != 0:
        return 0
    margin, left = wide.mul_checked(margined, rules.margin)
    if left != 0:
        return 0
    weighed, left = wide.mul_checked(more_worst, rules.weight)
    if left != 0 or (value | cost | fees | margin | weighed) >> EASY_BITS != 0:
        return 0
    reserved = row.reserved + cost + fees + margin
    exposure = load_i64(row + lay.BUY_EXPOSURE + 2 * at) + value
    gross = row.gross + weighed
    group_gross = group.gross + weighed
    cost += cell.cost
    lots += qty
    if (new_worst | lots | cost | reserved | exposure | gross | group_gross) >> 62 != 0:
        return 0
    if side_new > load_i64(cell + lay.LONG_LIMIT + at):
        return 0
    if value > cell.max_value:
        return 0
    if gross > row.gross_limit:
        return 0
    if group_gross > group.gross_limit:
        return 0
    if exposure > load_i64(row + lay.BUY_EXPOSURE_LIMIT + 2 * at):
        return 0
    credit = row.credit
    if credit != NO_LIMIT and reserved > row.balance + credit:
        return 0
    count = row.open
    if count >= row.open_limit:
        return 0
    profit = row.profit
    if -profit >= row.loss_limit:
        return 0
    if wide.sub(row.peak, profit) >= row.drawdown_limit:
        return 0

    # Time.
    now, window = state.now_ns, row.duplicate_ns
    if window != 0:
        last_at = cell + lay.LAST_BUY_PRICE + 3 * at
        same = load_i64(last_at) == price and Words(last_at)[1] == qty
        if same and now - Words(last_at)[2] < window:
            return 0
    rate_ns = row.rate_ns
    if rate_ns != 0:
        full_at, left = wide.add_checked(max(row.full_at_ns, now), rate_ns)
        most, left_too = wide.mul_checked(rate_ns, row.rate_burst)
        if left | left_too != 0 or full_at - now > most:
            return 0
        row.full_at_ns = full_at

    if spot_at != 0:
        wallet.available -= need
        wallet.reserved += need
    store_i64(cell + lay.BUY_LOTS + at, lots)
    cell.cost = cost
    row.reserved = reserved
    store_i64(row + lay.BUY_EXPOSURE + 2 * at, exposure)
    row.gross = gross
    row.open = count + 1
    group.gross = group_gross
    state.passed = 1
    if VERIFY:
        assert count >= 0, "a count of open orders is not negative"
        assert gross <= group_gross, "a group's gross position has its members' in it"
        assert lots >= qty, "the side's open lots have the order's in them"
    return 1


@kernel_outlined
def check(state: RiskState, order: OrderRecord, kind: int, instrument: int) -> int:
    """A NEW, or the REPLACE of an open order: all that it changes, and every limit on that."""
    not_inlined()
    participant, qty = order.participant, order.qty_lots
    side, order_type = order.side, order.order_type
    price = order.price_ticks
    is_new = kind == NEW
    # No leg is for a budget: the matcher refuses it.
    is_leg = state.linking == NEW_LEG and (BUDGET_TYPES >> order_type) & 1 == 0
    flags = 0
    old_lots, old_price, old_flags = 0, 0, lay.PRICED_FLAG
    if is_new:
        flags = lay.PRICED_FLAG if (UNPRICED_TYPES >> order_type) & 1 == 0 else 0
        if participant >= state.participants:
            known = state.participants
            return refuse(state, order, UNKNOWN_PARTICIPANT, known - 1, 0, participant)
    else:
        entry = totals.find_order(state, instrument, order.order_id)
        meta = entry.meta
        if meta == 0 or (meta >> lay.META_PARTICIPANT) & 0xFFFF != participant:
            return 0
        side, flags = (meta >> lay.META_SIDE) & lay.META_SIDE_MASK, meta >> lay.META_FLAGS
        old_lots, old_price = entry.leaves, entry.price
        old_flags = flags
        is_leg = meta & IS_LEG != 0
    if qty >= LARGEST:
        return refuse(state, order, ARITHMETIC, LARGEST - 1, 0, qty)
    ends = totals.instrument_row(state, instrument).halt & (EXPIRED_HALT | DELISTED_HALT)
    if ends != 0:
        over = constants.DELISTED if ends & DELISTED_HALT != 0 else constants.EXPIRED
        return refuse(state, order, 1 << over, 0, 0, 1)
    row = totals.participant_row(state, participant)
    if row.flags & lay.BARRED_FLAGS != 0:
        barred = SUSPENDED if row.flags & lay.SUSPENDED_FLAG != 0 else CLOSED
        # A part of its liquidation is let in all the same: ``excuse`` below says which order it is.
        if not is_new or state.part_who != participant:
            return refuse(state, order, barred, 0, 0, 1)
    group = totals.group_row(state, row.group)
    rules = totals.instrument_row(state, instrument)
    cell = totals.cell_of(state, participant, instrument)
    if is_new and cell.flags & lay.TERMS_FLAG != 0 and state.linking == 0:
        return ASKS_TERMS

    # The present totals, and those with this order.
    position = cell.position
    buys, sells = cell.buy_lots, cell.sell_lots
    cost = cell.cost
    if VERIFY:
        assert old_lots >= 0, "an open order has lots"
        assert old_lots <= (buys if side == BUY else sells), "its side's open lots have them in it"
        assert row.gross <= group.gross, "a member of it"
    more = wide.sub(qty, old_lots)
    if is_leg:
        more = more_lots(state, rules, instrument, order.order_id, side, old_lots, qty)
    new_buys = wide.add(buys, more) if side == BUY else buys
    new_sells = wide.add(sells, more) if side == SELL else sells
    if rules.contract_at != 0:
        side_lots = new_buys if side == BUY else new_sells
        flags = loss_flags(state, rules, cell, side, flags, price, side_lots)
    paid = wide.mul(totals.lot_cost(rules, side, flags, price), qty)
    value = wide.mul(totals.lot_exposure(rules, flags, price), qty)
    most_ticks = NO_LIMIT
    if is_new and (BUDGET_TYPES >> order_type) & 1 != 0:
        most_ticks = max(order.aux, 0)
        budget = wide.mul(most_ticks, rules.multiplier)
        value = min(value, budget)
        if not totals.is_charged_loss(rules, side):
            paid = min(paid, budget)
    old_cost = old_lots * totals.lot_cost(rules, side, old_flags, old_price)
    old_value, new_value = old_lots * totals.lot_exposure(rules, old_flags, old_price), value
    old_losses, losses = 0, 0
    if rules.contract_at != 0:
        old_losses, losses = totals.loss_of(old_flags) * old_lots, totals.loss_of(flags)
        losses = wide.mul(losses, qty)
    held, asked = 0, 0
    if rules.spot_at != 0:
        spot = rules_of(state, rules)
        if is_new:
            flags |= new_flags(side, cell.mark)
        asked = asked_for(rules, spot, side, flags, price, qty, most_ticks)
        if not is_new:
            held = asked_for(rules, spot, side, old_flags, old_price, old_lots, NO_LIMIT)
    own = asked
    if is_leg:
        # Its list counts with the dearest of its legs.
        number = order.order_id
        was = dearest(state, rules, instrument, number, side, old_flags, old_price, old_lots)
        then = dearest(state, rules, instrument, number, side, flags, price, qty)
        old_cost, paid, old_losses, losses = was[2], then[2], was[3], then[3]
        old_value, new_value = (was[4], then[4]) if side == BUY else (was[5], then[5])
        held, asked = (was[6], then[6]) if side == BUY else (was[7], then[7])
    new_cost = wide.add(cost - old_cost, paid)
    need = totals.needed(rules, position, buys, sells, cost)
    new_need = totals.needed(rules, position, new_buys, new_sells, new_cost)
    reserved = row.reserved
    new_reserved = wide.add(reserved - need, new_need)
    exposure_at = lay.BUY_EXPOSURE if side == BUY else lay.SELL_EXPOSURE
    exposure = load_i64(row + exposure_at)
    new_exposure = wide.add(exposure - old_value, new_value)
    weight = rules.weight
    worst = weight * totals.worst_lots(position, buys, sells)
    new_worst = wide.mul(weight, totals.worst_lots(position, new_buys, new_sells))
    gross, group_gross = row.gross, group.gross
    new_gross = wide.add(gross - worst, new_worst)
    new_group_gross = wide.add(group_gross - worst, new_worst)

    # Totals.
    long_now, short_now = position + buys, sells - position
    new_long, new_short = wide.add(position, new_buys), wide.sub(new_sells, position)
    largest = max(new_long, new_short, new_buys, new_sells)
    largest = max(largest, new_cost, new_reserved, new_exposure, new_gross, new_group_gross)
    failed = 0
    long_limit, short_limit = cell.long_limit, cell.short_limit
    failed |= grows_past(new_long, long_now, long_limit, constants.POSITION_LONG)
    failed |= grows_past(new_short, short_now, short_limit, constants.POSITION_SHORT)
    gross_limit = row.gross_limit
    failed |= grows_past(new_gross, gross, gross_limit, constants.GROSS_POSITION)
    group_limit = group.gross_limit
    failed |= grows_past(new_group_gross, group_gross, group_limit, constants.GROUP_GROSS_POSITION)
    buy_limit = row.buy_exposure_limit
    sell_limit = row.sell_exposure_limit
    if side == BUY:
        failed |= grows_past(new_exposure, exposure, buy_limit, constants.EXPOSURE_BUY)
    else:
        failed |= grows_past(new_exposure, exposure, sell_limit, constants.EXPOSURE_SELL)
    credit = row.credit
    capital = NO_LIMIT if credit == NO_LIMIT else wide.add(row.balance, credit)
    has, more_needed, margin_now, margin_asked = 0, 0, 0, 0
    if rules.scenario == 0 or rules.leveraged == 0:
        failed |= grows_past(new_reserved, reserved, capital, constants.CAPITAL)
    if rules.scenario != 0:
        has = NO_LIMIT if credit == NO_LIMIT else means_of(state, participant)
        more_others = new_need - need
        if not totals.is_charged_loss(rules, side):
            # A premium is paid for something of value: only what it is above the mark is needed.
            more_others = wide.add(wide.sub(more_others, new_cost - cost), losses - old_losses)
        answer, margin_now, margin_asked = check_portfolio(
            state, rules, participant, side, more, reserved, more_others, has
        )
        failed |= (answer == TOO_LITTLE) << constants.MARGIN
        if answer == TOO_LARGE and state.part_who != participant:
            # A part of a liquidation makes the position smaller.
            failed |= ARITHMETIC
    if rules.spot_at != 0:
        more_needed = wide.sub(asked, held)
        wallet = own_wallet(state, rules_of(state, rules), side, participant)
        has = max(wallet.available + wallet.credit, 0)
        largest = max(largest, own)
        failed |= (more_needed > has) << constants.BALANCE
    if largest > LARGEST:
        failed |= ARITHMETIC

    # The order itself.
    cell_flags, row_flags = cell.flags, row.flags
    failed |= (state.market_kill != 0) << constants.MARKET_KILLED
    halt = rules.halt
    failed |= (halt & HALTS != 0) << constants.HALTED
    failed |= (halt & SUSPENDED_HALT != 0) << constants.INSTRUMENT_SUSPENDED
    if halt & CLOSE_ONLY_HALT != 0:
        side_lots = new_buys if side == BUY else new_sells
        opens = is_opening(state, rules, cell, participant, side, side_lots, more_needed)
        failed |= opens << constants.CLOSE_ONLY
    reduces = order.time_in_force & REDUCE_ONLY
    if not is_new:
        reduces = old_flags & lay.REDUCES_FLAG if rules.spot_at == 0 else 0
    most = reducible(rules, cell, side)
    failed |= (reduces != 0 and qty > max(most, old_lots)) << constants.REDUCE_ONLY
    failed |= (group.kill != 0) << constants.GROUP_KILLED
    failed |= (row_flags & lay.KILLED_FLAGS != 0) << constants.KILLED
    failed |= (row_flags & lay.SUSPENDED_FLAG != 0) << constants.SUSPENDED
    failed |= (row_flags & lay.CLOSED_FLAG != 0) << constants.CLOSED
    failed |= (cell_flags & lay.RESTRICTED_FLAG) << constants.RESTRICTED
    if cell_flags & lay.NO_SHORT_FLAG != 0:
        failed |= grows_past(new_short, short_now, 0, constants.SHORT_SALE)
    mode = (order.time_in_force >> SELF_TRADE_SHIFT) & SELF_TRADE_MASK
    silent = row_flags & lay.NAMES_SELF_TRADE != 0 and mode == 0
    failed |= silent << constants.SELF_TRADE
    failed |= (qty > cell.max_qty) << constants.MAX_QTY
    failed |= (value > cell.max_value) << constants.MAX_VALUE
    distance, last = rules.distance_bps, rules.last
    band_low, band_high = rules.band_low, rules.band_high
    has_bands = rules.banded != 0
    if rules.contract_at != 0:
        last = contract_of(state, rules).mark
    if flags & lay.PRICED_FLAG == 0:
        limited = rules.price_limited
        unbound = limited == 0 or (distance != NO_LIMIT and limited == 1) or has_bands
        if rules.contract_at != 0:
            unbound |= distance == NO_LIMIT or limited == 1
        failed |= unbound << constants.UNPRICED
    else:
        if distance != NO_LIMIT and last != NO_LIMIT and not is_next_tick(price, last, distance):
            failed |= wide.further_than(price, last, distance) << constants.PRICE_DISTANCE
        if has_bands:
            outside = price > band_high if side == BUY else price < band_low
            failed |= outside << constants.PRICE_BAND
    adv, adv_bps = rules.adv, rules.adv_bps
    if adv != 0:
        failed |= wide.product_above(qty, 10_000, adv_bps, adv) << constants.ADV_SHARE

    # Time.
    now = state.now_ns
    window = row.duplicate_ns
    last_at = cell + (lay.LAST_BUY_PRICE if side == BUY else lay.LAST_SELL_PRICE)
    since = wide.sub(now, Words(last_at)[2])
    if window != 0 and is_new and load_i64(last_at) == price and Words(last_at)[1] == qty:
        failed |= (since < window) << constants.DUPLICATE
    rate_ns, burst = row.rate_ns, row.rate_burst
    full_at = wide.add(max(row.full_at_ns, now), rate_ns)
    ahead = wide.sub(full_at, now)
    if rate_ns != 0:
        failed |= wide.product_above(ahead, 1, rate_ns, burst) << constants.RATE
    count = row.open
    if is_new and may_rest(order, rules, order_type):
        failed |= (count >= row.open_limit) << constants.OPEN_ORDERS
    profit, peak = row.profit, row.peak
    loss, drop = wide.sub(0, profit), wide.sub(peak, profit)
    failed |= (loss >= row.loss_limit) << constants.LOSS
    failed |= (drop >= row.drawdown_limit) << constants.DRAWDOWN
    if failed != 0 and is_new and participant != 0:
        called = row_flags & lay.KILLED_BY_MARGIN != 0
        if called and state.part_who == participant:
            failed = excuse(state, order, instrument, failed)
    if failed == 0:
        if rate_ns != 0:
            row.full_at_ns = full_at
        if reduces != 0:
            cell.flags = cell_flags | reduces_flag(side)
        return REDUCES if cell.flags & reduces_flag(side) != 0 else 0

    limit, stands, requested = 0, 0, 1
    first = 0
    while (failed >> first) & 1 == 0:
        first += 1
    if first == constants.ARITHMETIC:
        limit, requested = LARGEST, largest
    elif first == constants.SHORT_SALE:
        limit, stands, requested = 0, short_now, new_short
    elif first == constants.MAX_QTY:
        limit, requested = cell.max_qty, qty
    elif first == constants.MAX_VALUE:
        limit, requested = cell.max_value, value
    elif first == constants.PRICE_DISTANCE:
        limit, stands, requested = distance, last, price
    elif first == constants.PRICE_BAND:
        limit, stands, requested = band_high if side == BUY else band_low, last, price
    elif first == constants.ADV_SHARE:
        limit, stands, requested = adv_bps, adv, qty
    elif first == constants.DUPLICATE:
        limit, stands, requested = window, since, qty
    elif first == constants.RATE:
        limit, stands, requested = wide.mul(rate_ns, burst), ahead - rate_ns, ahead
    elif first == constants.OPEN_ORDERS:
        limit, stands, requested = row.open_limit, count, count + 1
    elif first == constants.POSITION_LONG:
        limit, stands, requested = long_limit, long_now, new_long
    elif first == constants.POSITION_SHORT:
        limit, stands, requested = short_limit, short_now, new_short
    elif first == constants.GROSS_POSITION:
        limit, stands, requested = gross_limit, gross, new_gross
    elif first == constants.GROUP_GROSS_POSITION:
        limit, stands, requested = group_limit, group_gross, new_group_gross
    elif first == constants.EXPOSURE_BUY:
        limit, stands, requested = buy_limit, exposure, new_exposure
    elif first == constants.EXPOSURE_SELL:
        limit, stands, requested = sell_limit, exposure, new_exposure
    elif first == constants.CAPITAL:
        limit, stands, requested = capital, reserved, new_reserved
    elif first == constants.LOSS:
        limit, stands, requested = row.loss_limit, loss, loss
    elif first == constants.DRAWDOWN:
        limit, stands, requested = row.drawdown_limit, drop, drop
    elif first == constants.BALANCE:
        limit, requested = has, more_needed
        stands = asset_number(state, rules, side)
    elif first == constants.MARGIN:
        limit, stands, requested = has, margin_now, margin_asked
    elif first == constants.REDUCE_ONLY:
        limit, requested = most, qty
    return refuse(state, order, failed, limit, stands, requested)
