# (intrinsics have no types that mypy could see)
"""before: whether a command may go to the matcher, by every limit at once.

A total refuses an order only if it grows past its limit: who stands beyond a limit that was lowered
may still reduce.  What the matcher refuses by itself (a malformed record, an order that is not
open, somebody else's) is left to it.
"""

import openoutcry.risk.constants as rb
import openoutcry.risk.layout as lay
from openoutcry.risk import bits, totals, wide
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.risk.house import apply_setting
from openoutcry.risk.liquidation import excuse
from openoutcry.risk.protection import tick
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, not_inlined, prefetch, store_i64
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED, type_bits
from openoutcry.wire.records import ORDER

PRICE, QTY = ORDER.offsets["price_ticks"], ORDER.offsets["qty_lots"]
SYMBOL, CLIENT_ID = ORDER.offsets["symbol"], ORDER.offsets["order_id"]
AUX, SEQ = ORDER.offsets["aux"], ORDER.offsets["seq"]
PARTICIPANT, ERROR = ORDER.offsets["participant"], ORDER.offsets["error_code"]
KIND, SIDE = ORDER.offsets["kind"], ORDER.offsets["side"]
TYPE, TIME_IN_FORCE = ORDER.offsets["order_type"], ORDER.offsets["time_in_force"]

NEW, REPLACE, TIME = int(CommandKind.NEW), int(CommandKind.REPLACE), int(CommandKind.TIME)
PHASE, DISCONNECT = int(CommandKind.PHASE), int(CommandKind.DISCONNECT)
BUY, SELL = int(Side.BUY), int(Side.SELL)
DAY, IOC, FOK = (int(tif) for tif in (TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK))
MARKET, TIF_MASK = int(OrderType.MARKET), (1 << SELF_TRADE_SHIFT) - 1
UNPRICED_TYPES, TYPE_COUNT = type_bits(UNPRICED), len(OrderType)
BUDGET_TYPES = type_bits(BUDGETS)
"""What pays and is paid no more than ``aux``, and never rests."""
PEG_TYPES = type_bits((*PEGS, OrderType.POST_ONLY_SLIDE))
"""What moves by itself counts at the price that was asked for, wherever it stands: a sale that
slides up would grow its exposure."""
REASON_BITS = 8
APPLIED = 1 << REASON_BITS
"""Answer to a RISK command that was applied: no reason, and a detail."""

EASY_BITS = 60
"""What a NEW adds to a total stays below 2**60: three such and a total are within int64."""

ARITHMETIC, UNKNOWN_PARTICIPANT = 1 << rb.ARITHMETIC, 1 << rb.UNKNOWN_PARTICIPANT


@kernel
def before(state: int, order: int) -> int:
    """0 if the command may go to the matcher.  Else ``bits << 8 | reason``: refused, with the first
    check that failed in the state's REFUSED words; or a RISK command, which ends here."""
    if load_i64(state + lay.TRACKING) == 0:
        return 0
    if VERIFY:
        assert load_i64(state + lay.PASSED) == 0, "the command before is done with"
    kind = load_u8(order + KIND)
    if kind in (NEW, REPLACE):
        instrument = totals.find_symbol(state, load_i64(order + SYMBOL))
        if instrument < 0 or load_i64(order + QTY) <= 0:
            return 0
        if kind == NEW:
            side, order_type = load_u8(order + SIDE), load_u8(order + TYPE)
            if side == 0 or side > SELL or order_type == 0 or order_type > TYPE_COUNT:
                return 0
            if reserve(state, order, instrument, side, order_type) != 0:
                return 0
        return check(state, order, kind, instrument)
    if kind <= DISCONNECT:
        if kind == DISCONNECT:
            wanted(state, load_u16(order + PARTICIPANT))
        return 0
    return house(state, order, kind)


@kernel
def ahead(state: int, order: int) -> int:
    """Ask for what a command that comes soon will need: its cell and its open order.  Returns 0.

    Whatever the record holds: to ask for an address that is not there does no harm.  Measured with
    every limit set: 27 ns a command instead of 36 (64 participants, 64 instruments), 38 instead of
    101 (1,024 and 256).
    """
    if load_i64(state + lay.TRACKING) != 0:
        instrument = totals.find_symbol(state, load_i64(order + SYMBOL))
        cell = totals.cell_of(state, load_u16(order + PARTICIPANT), instrument)
        prefetch(cell)
        prefetch(cell + 64)
        home = totals.order_home(state, instrument, load_i64(order + CLIENT_ID))
        prefetch(state + load_i64(state + lay.ORDER_AT) + home * lay.ORDER_BYTES)
    return 0


@kernel
def wanted(state: int, participant: int) -> None:
    """A DISCONNECT takes all orders of the participant: what a kill asked for."""
    if participant < load_i64(state + lay.PARTICIPANTS):
        row = totals.participant_row(state, participant)
        flags = load_i64(row + lay.FLAGS)
        store_i64(row + lay.FLAGS, flags & ~lay.CANCEL_WANTED)
        if flags & lay.CANCEL_WANTED != 0:
            totals.publish(state)


@kernel_outlined
def house(state: int, order: int, kind: int) -> int:
    """TIME, PHASE and RISK, of the exchange operator."""
    not_inlined()
    if load_u16(order + PARTICIPANT) != 0:
        return 0
    if kind == TIME:
        store_i64(state + lay.NOW_NS, max(load_i64(state + lay.NOW_NS), load_i64(order + AUX)))
        if load_i64(state + lay.PROTECTION_AT) != 0:
            tick(state)
        return 0
    instrument = totals.find_symbol(state, load_i64(order + SYMBOL))
    if kind == PHASE and instrument >= 0 and load_i64(order + QTY) in (1, 2):
        # Market orders of both sides trade at the reference price: no further than they reserve.
        rules = totals.instrument_row(state, instrument)
        price = load_i64(order + PRICE)
        low, high = load_i64(rules + lay.WORST_SELL), load_i64(rules + lay.WORST_BUY)
        if load_i64(rules + lay.PRICE_LIMITED) != 0 and (price < low or price > high):
            return refuse(state, order, 1 << rb.PRICE_BAND, high, low, price)
    if kind == bits.RISK_KIND and apply_setting(state, order, instrument):
        setting = load_u8(order + TYPE)
        kills = setting in (rb.SET_KILL, rb.SET_GROUP_KILL, rb.SET_MARKET_KILL)
        if kills or setting in (rb.SET_GROUP, rb.SET_HALT, rb.SET_BANDS):
            totals.publish(state)
        return APPLIED
    return 0


@kernel
def refuse(state: int, order: int, failed: int, limit: int, value: int, requested: int) -> int:
    """Keep what is told of a refusal; the answer of ``before``."""
    if VERIFY:
        assert failed != 0, "a refusal has a check that failed"
        assert load_i64(order + SEQ) >= load_i64(state + lay.REFUSED_SEQ), "in sequence"
        assert load_i64(state + lay.PASSED) == 0, "what is refused reserves nothing"
    first = 0
    while (failed >> first) & 1 == 0:
        first += 1
    store_i64(state + lay.REFUSED_SEQ, load_i64(order + SEQ))
    store_i64(state + lay.REFUSED_BITS, failed)
    store_i64(state + lay.REFUSED_BIT, first)
    store_i64(state + lay.REFUSED_LIMIT, limit)
    store_i64(state + lay.REFUSED_VALUE, value)
    store_i64(state + lay.REFUSED_ASKED, requested)
    store_i64(state + lay.REFUSALS, load_i64(state + lay.REFUSALS) + 1)
    return failed << REASON_BITS | bits.RISK_REASON


@kernel
def may_rest(order: int, rules: int, order_type: int) -> bool:
    """Whether the new order may be open behind its command.  What never is counts as none: whoever
    holds as many orders as it may can still close out."""
    tif = load_u8(order + TIME_IN_FORCE) & TIF_MASK
    if tif in (IOC, FOK):
        return False
    if order_type == MARKET and tif == DAY:
        return load_i64(rules + lay.MARKET_RESTS) != 0
    return True


@kernel
def is_next_tick(price: int, last: int, distance: int) -> bool:
    """Whether the price is a tick from the last one, where a share of that may be less than one."""
    return distance != 0 and -1 <= wide.sub(price, last) <= 1


@kernel
def grows_past(total: int, was: int, limit: int, bit: int) -> int:
    """The bit, if the total grew and passes its limit."""
    return (1 << bit) if total > limit and total > was else 0


@kernel
def reserve(state: int, order: int, instrument: int, side: int, order_type: int) -> int:
    """1 if a NEW is surely within every limit; its totals are then what they will be once it is
    open, and PASSED says so.  0: nothing is changed, and :func:`check` has to say.

    Comparisons and plain products alone: what is rare, leaves int64 or comes near 2**62 is 0.
    Measured with every limit set: with what ``after`` then saves, a third of ``check``'s time.
    """
    qty, price = load_i64(order + QTY), load_i64(order + PRICE)
    participant = load_u16(order + PARTICIPANT)
    if participant >= load_i64(state + lay.PARTICIPANTS) or qty >> EASY_BITS != 0:
        return 0
    # The order's side has its words ``at`` behind the buys'; ``sign`` turns what is signed into the
    # order's direction: 0, or all ones for a sale.
    at, sign = 8 * (side - BUY), BUY - side
    row = totals.participant_row(state, participant)
    rules = totals.instrument_row(state, instrument)
    cell = totals.cell_of(state, participant, instrument)
    group = totals.group_row(state, load_i64(row + lay.GROUP))
    switches = load_i64(state + lay.MARKET_KILL) | load_i64(rules + lay.HALT)
    switches |= load_i64(group + lay.GROUP_KILL)
    switches |= load_i64(row + lay.FLAGS) & (lay.KILLED_FLAGS | lay.NAMES_SELF_TRADE)
    # RESTRICTED for both sides, NO_SHORT for sales.
    switches |= load_i64(cell + lay.CELL_FLAGS) & (2 * side - 1)
    if switches | (BUDGET_TYPES >> order_type & 1) != 0:
        return 0

    # Price and quantity.
    distance, last = load_i64(rules + lay.DISTANCE_BPS), load_i64(rules + lay.LAST)
    banded = load_i64(rules + lay.BANDED)
    size = paid = price
    if (UNPRICED_TYPES >> order_type) & 1 != 0:
        limited = load_i64(rules + lay.PRICE_LIMITED)
        if limited == 0 or banded != 0 or (distance != NO_LIMIT and limited == 1):
            return 0
        size, paid = load_i64(rules + lay.BOUND), load_i64(rules + lay.WORST_BUY + at)
    else:
        size = wide.size(price)
        if size < 0:
            return 0
        if banded != 0:
            low, high = load_i64(rules + lay.BAND_LOW), load_i64(rules + lay.BAND_HIGH)
            outside = price > high if side == BUY else price < low
            if outside:
                return 0
        if distance != NO_LIMIT and last != NO_LIMIT:
            away, left = wide.sub_checked(price, last)
            parts, left_too = wide.mul_checked(wide.size(away), 10_000)
            allowed, left_also = wide.mul_checked(wide.size(last), distance)
            if left | left_too | left_also != 0 or parts > allowed:
                return 0
    adv, share = load_i64(rules + lay.ADV), load_i64(rules + lay.ADV_BPS)
    if adv != 0:
        parts, left = wide.mul_checked(qty, 10_000)
        if left != 0:
            return 0
        if share != NO_LIMIT:
            allowed, left = wide.mul_checked(share, adv)
            if left != 0 or parts > allowed:
                return 0
    if qty > load_i64(cell + lay.MAX_QTY):
        return 0

    # Totals.
    leveraged = load_i64(rules + lay.LEVERAGED)
    position = (load_i64(cell + lay.POSITION) ^ sign) - sign
    lots, other = load_i64(cell + lay.BUY_LOTS + at), load_i64(cell + lay.SELL_LOTS - at)
    side_now = position + lots
    side_new = side_now + qty
    worst = max(side_now, other - position, 0)
    new_worst = max(side_new, worst)
    more_worst = new_worst - worst
    margined = (max(side_new, 0) - max(side_now, 0)) & sign
    paid = max((paid ^ sign) - sign, 0)
    if leveraged != 0:
        margined, paid = more_worst, 0
    units, left = wide.mul_checked(qty, load_i64(rules + lay.MULTIPLIER))
    if left != 0:
        return 0
    value, left = wide.mul_checked(units, size)
    if left != 0:
        return 0
    cost, left = wide.mul_checked(units, paid)
    if left != 0:
        return 0
    fees, left = wide.mul_checked(qty, load_i64(rules + lay.FEE))
    if left != 0:
        return 0
    margin, left = wide.mul_checked(margined, load_i64(rules + lay.MARGIN))
    if left != 0:
        return 0
    weighed, left = wide.mul_checked(more_worst, load_i64(rules + lay.WEIGHT))
    if left != 0 or (value | cost | fees | margin | weighed) >> EASY_BITS != 0:
        return 0
    reserved = load_i64(row + lay.RESERVED) + cost + fees + margin
    exposure = load_i64(row + lay.BUY_EXPOSURE + 2 * at) + value
    gross = load_i64(row + lay.GROSS) + weighed
    group_gross = load_i64(group + lay.GROUP_GROSS) + weighed
    cost += load_i64(cell + lay.COST)
    lots += qty
    if (new_worst | lots | cost | reserved | exposure | gross | group_gross) >> 62 != 0:
        return 0
    if side_new > load_i64(cell + lay.LONG_LIMIT + at):
        return 0
    if value > load_i64(cell + lay.MAX_VALUE):
        return 0
    if gross > load_i64(row + lay.GROSS_LIMIT):
        return 0
    if group_gross > load_i64(group + lay.GROUP_GROSS_LIMIT):
        return 0
    if exposure > load_i64(row + lay.BUY_EXPOSURE_LIMIT + 2 * at):
        return 0
    credit = load_i64(row + lay.CREDIT)
    if credit != NO_LIMIT and reserved > load_i64(row + lay.BALANCE) + credit:
        return 0
    count = load_i64(row + lay.OPEN)
    if count >= load_i64(row + lay.OPEN_LIMIT):
        return 0
    profit = load_i64(row + lay.PROFIT)
    if -profit >= load_i64(row + lay.LOSS_LIMIT):
        return 0
    if wide.sub(load_i64(row + lay.PEAK), profit) >= load_i64(row + lay.DRAWDOWN_LIMIT):
        return 0

    # Time.
    now, window = load_i64(state + lay.NOW_NS), load_i64(row + lay.DUPLICATE_NS)
    if window != 0:
        last_at = cell + lay.LAST_BUY_PRICE + 3 * at
        same = load_i64(last_at) == price and load_i64(last_at + 8) == qty
        if same and now - load_i64(last_at + 16) < window:
            return 0
    rate_ns = load_i64(row + lay.RATE_NS)
    if rate_ns != 0:
        full_at, left = wide.add_checked(max(load_i64(row + lay.FULL_AT_NS), now), rate_ns)
        most, left_too = wide.mul_checked(rate_ns, load_i64(row + lay.RATE_BURST))
        if left | left_too != 0 or full_at - now > most:
            return 0
        store_i64(row + lay.FULL_AT_NS, full_at)

    store_i64(cell + lay.BUY_LOTS + at, lots)
    store_i64(cell + lay.COST, cost)
    store_i64(row + lay.RESERVED, reserved)
    store_i64(row + lay.BUY_EXPOSURE + 2 * at, exposure)
    store_i64(row + lay.GROSS, gross)
    store_i64(row + lay.OPEN, count + 1)
    store_i64(group + lay.GROUP_GROSS, group_gross)
    store_i64(state + lay.PASSED, 1)
    if VERIFY:
        assert count >= 0, "nobody has fewer than no open orders"
        assert gross <= group_gross, "a group's gross position has its members' in it"
        assert lots >= qty, "the side's open lots have the order's in them"
    return 1


@kernel_outlined
def check(state: int, order: int, kind: int, instrument: int) -> int:
    """A NEW, or the REPLACE of an open order: all that it changes, and every limit on that."""
    not_inlined()
    participant, qty = load_u16(order + PARTICIPANT), load_i64(order + QTY)
    side, order_type = load_u8(order + SIDE), load_u8(order + TYPE)
    price = load_i64(order + PRICE)
    is_new = kind == NEW
    flags = 0
    old_lots, old_price, old_flags = 0, 0, lay.PRICED_FLAG
    if is_new:
        flags = lay.PRICED_FLAG if (UNPRICED_TYPES >> order_type) & 1 == 0 else 0
        if participant >= load_i64(state + lay.PARTICIPANTS):
            known = load_i64(state + lay.PARTICIPANTS)
            return refuse(state, order, UNKNOWN_PARTICIPANT, known - 1, 0, participant)
    else:
        entry = totals.find_order(state, instrument, load_i64(order + CLIENT_ID))
        meta = load_i64(entry + lay.ORDER_META)
        if meta == 0 or (meta >> lay.META_PARTICIPANT) & 0xFFFF != participant:
            return 0
        side, flags = (meta >> lay.META_SIDE) & 0xFF, meta >> lay.META_FLAGS
        old_lots, old_price = load_i64(entry + lay.ORDER_LEAVES), load_i64(entry + lay.ORDER_PRICE)
        old_flags = flags
    if qty >= LARGEST:
        return refuse(state, order, ARITHMETIC, LARGEST - 1, 0, qty)
    row = totals.participant_row(state, participant)
    group = totals.group_row(state, load_i64(row + lay.GROUP))
    rules = totals.instrument_row(state, instrument)
    cell = totals.cell_of(state, participant, instrument)

    # What stands now, and what would with this order.
    position = load_i64(cell + lay.POSITION)
    buys, sells = load_i64(cell + lay.BUY_LOTS), load_i64(cell + lay.SELL_LOTS)
    cost = load_i64(cell + lay.COST)
    if VERIFY:
        assert old_lots >= 0, "an open order has lots"
        assert old_lots <= (buys if side == BUY else sells), "its side's open lots have them in it"
        assert load_i64(row + lay.GROSS) <= load_i64(group + lay.GROUP_GROSS), "a member of it"
    more = wide.sub(qty, old_lots)
    new_buys = wide.add(buys, more) if side == BUY else buys
    new_sells = wide.add(sells, more) if side == SELL else sells
    paid = wide.mul(totals.lot_cost(rules, side, flags, price), qty)
    value = wide.mul(totals.lot_exposure(rules, flags, price), qty)
    if is_new and (BUDGET_TYPES >> order_type) & 1 != 0:
        budget = wide.mul(max(load_i64(order + AUX), 0), load_i64(rules + lay.MULTIPLIER))
        paid, value = min(paid, budget), min(value, budget)
    new_cost = wide.add(cost - old_lots * totals.lot_cost(rules, side, old_flags, old_price), paid)
    need = totals.needed(rules, position, buys, sells, cost)
    new_need = totals.needed(rules, position, new_buys, new_sells, new_cost)
    reserved = load_i64(row + lay.RESERVED)
    new_reserved = wide.add(reserved - need, new_need)
    exposure_at = lay.BUY_EXPOSURE if side == BUY else lay.SELL_EXPOSURE
    exposure = load_i64(row + exposure_at)
    new_exposure = wide.add(
        exposure - old_lots * totals.lot_exposure(rules, old_flags, old_price), value
    )
    weight = load_i64(rules + lay.WEIGHT)
    worst = weight * totals.worst_lots(position, buys, sells)
    new_worst = wide.mul(weight, totals.worst_lots(position, new_buys, new_sells))
    gross, group_gross = load_i64(row + lay.GROSS), load_i64(group + lay.GROUP_GROSS)
    new_gross = wide.add(gross - worst, new_worst)
    new_group_gross = wide.add(group_gross - worst, new_worst)

    # Totals.
    long_now, short_now = position + buys, sells - position
    new_long, new_short = wide.add(position, new_buys), wide.sub(new_sells, position)
    largest = max(new_long, new_short, new_buys, new_sells)
    largest = max(largest, new_cost, new_reserved, new_exposure, new_gross, new_group_gross)
    failed = ARITHMETIC if largest > LARGEST else 0
    long_limit, short_limit = load_i64(cell + lay.LONG_LIMIT), load_i64(cell + lay.SHORT_LIMIT)
    failed |= grows_past(new_long, long_now, long_limit, rb.POSITION_LONG)
    failed |= grows_past(new_short, short_now, short_limit, rb.POSITION_SHORT)
    gross_limit = load_i64(row + lay.GROSS_LIMIT)
    failed |= grows_past(new_gross, gross, gross_limit, rb.GROSS_POSITION)
    group_limit = load_i64(group + lay.GROUP_GROSS_LIMIT)
    failed |= grows_past(new_group_gross, group_gross, group_limit, rb.GROUP_GROSS_POSITION)
    buy_limit = load_i64(row + lay.BUY_EXPOSURE_LIMIT)
    sell_limit = load_i64(row + lay.SELL_EXPOSURE_LIMIT)
    if side == BUY:
        failed |= grows_past(new_exposure, exposure, buy_limit, rb.EXPOSURE_BUY)
    else:
        failed |= grows_past(new_exposure, exposure, sell_limit, rb.EXPOSURE_SELL)
    credit = load_i64(row + lay.CREDIT)
    capital = NO_LIMIT if credit == NO_LIMIT else wide.add(load_i64(row + lay.BALANCE), credit)
    failed |= grows_past(new_reserved, reserved, capital, rb.CAPITAL)

    # The order itself.
    cell_flags, row_flags = load_i64(cell + lay.CELL_FLAGS), load_i64(row + lay.FLAGS)
    failed |= (load_i64(state + lay.MARKET_KILL) != 0) << rb.MARKET_KILLED
    failed |= (load_i64(rules + lay.HALT) != 0) << rb.HALTED
    failed |= (load_i64(group + lay.GROUP_KILL) != 0) << rb.GROUP_KILLED
    failed |= (row_flags & lay.KILLED_FLAGS != 0) << rb.KILLED
    failed |= (cell_flags & lay.RESTRICTED_FLAG) << rb.RESTRICTED
    if cell_flags & lay.NO_SHORT_FLAG != 0:
        failed |= grows_past(new_short, short_now, 0, rb.SHORT_SALE)
    mode = (load_u8(order + TIME_IN_FORCE) >> SELF_TRADE_SHIFT) & SELF_TRADE_MASK
    silent = row_flags & lay.NAMES_SELF_TRADE != 0 and mode == 0
    failed |= silent << rb.SELF_TRADE
    failed |= (qty > load_i64(cell + lay.MAX_QTY)) << rb.MAX_QTY
    failed |= (value > load_i64(cell + lay.MAX_VALUE)) << rb.MAX_VALUE
    distance, last = load_i64(rules + lay.DISTANCE_BPS), load_i64(rules + lay.LAST)
    band_low, band_high = load_i64(rules + lay.BAND_LOW), load_i64(rules + lay.BAND_HIGH)
    has_bands = load_i64(rules + lay.BANDED) != 0
    if flags & lay.PRICED_FLAG == 0:
        limited = load_i64(rules + lay.PRICE_LIMITED)
        unbound = limited == 0 or (distance != NO_LIMIT and limited == 1) or has_bands
        failed |= unbound << rb.UNPRICED
    else:
        if distance != NO_LIMIT and last != NO_LIMIT and not is_next_tick(price, last, distance):
            failed |= wide.further_than(price, last, distance) << rb.PRICE_DISTANCE
        if has_bands:
            outside = price > band_high if side == BUY else price < band_low
            failed |= outside << rb.PRICE_BAND
    adv, adv_bps = load_i64(rules + lay.ADV), load_i64(rules + lay.ADV_BPS)
    if adv != 0:
        failed |= wide.product_above(qty, 10_000, adv_bps, adv) << rb.ADV_SHARE

    # Time.
    now = load_i64(state + lay.NOW_NS)
    window = load_i64(row + lay.DUPLICATE_NS)
    last_at = cell + (lay.LAST_BUY_PRICE if side == BUY else lay.LAST_SELL_PRICE)
    since = wide.sub(now, load_i64(last_at + 16))
    if window != 0 and is_new and load_i64(last_at) == price and load_i64(last_at + 8) == qty:
        failed |= (since < window) << rb.DUPLICATE
    rate_ns, burst = load_i64(row + lay.RATE_NS), load_i64(row + lay.RATE_BURST)
    full_at = wide.add(max(load_i64(row + lay.FULL_AT_NS), now), rate_ns)
    ahead = wide.sub(full_at, now)
    if rate_ns != 0:
        failed |= wide.product_above(ahead, 1, rate_ns, burst) << rb.RATE
    count = load_i64(row + lay.OPEN)
    if is_new and may_rest(order, rules, order_type):
        failed |= (count >= load_i64(row + lay.OPEN_LIMIT)) << rb.OPEN_ORDERS
    profit, peak = load_i64(row + lay.PROFIT), load_i64(row + lay.PEAK)
    loss, drop = wide.sub(0, profit), wide.sub(peak, profit)
    failed |= (loss >= load_i64(row + lay.LOSS_LIMIT)) << rb.LOSS
    failed |= (drop >= load_i64(row + lay.DRAWDOWN_LIMIT)) << rb.DRAWDOWN
    if failed != 0 and is_new and participant != 0:
        called = row_flags & lay.KILLED_BY_MARGIN != 0
        if called and load_i64(state + lay.PART_WHO) == participant:
            failed = excuse(state, order, instrument, failed)
    if failed == 0:
        if rate_ns != 0:
            store_i64(row + lay.FULL_AT_NS, full_at)
        return 0

    limit, stands, requested = 0, 0, 1
    first = 0
    while (failed >> first) & 1 == 0:
        first += 1
    if first == rb.ARITHMETIC:
        limit, requested = LARGEST, largest
    elif first == rb.SHORT_SALE:
        limit, stands, requested = 0, short_now, new_short
    elif first == rb.MAX_QTY:
        limit, requested = load_i64(cell + lay.MAX_QTY), qty
    elif first == rb.MAX_VALUE:
        limit, requested = load_i64(cell + lay.MAX_VALUE), value
    elif first == rb.PRICE_DISTANCE:
        limit, stands, requested = distance, last, price
    elif first == rb.PRICE_BAND:
        limit, stands, requested = band_high if side == BUY else band_low, last, price
    elif first == rb.ADV_SHARE:
        limit, stands, requested = adv_bps, adv, qty
    elif first == rb.DUPLICATE:
        limit, stands, requested = window, since, qty
    elif first == rb.RATE:
        limit, stands, requested = wide.mul(rate_ns, burst), ahead - rate_ns, ahead
    elif first == rb.OPEN_ORDERS:
        limit, stands, requested = load_i64(row + lay.OPEN_LIMIT), count, count + 1
    elif first == rb.POSITION_LONG:
        limit, stands, requested = long_limit, long_now, new_long
    elif first == rb.POSITION_SHORT:
        limit, stands, requested = short_limit, short_now, new_short
    elif first == rb.GROSS_POSITION:
        limit, stands, requested = gross_limit, gross, new_gross
    elif first == rb.GROUP_GROSS_POSITION:
        limit, stands, requested = group_limit, group_gross, new_group_gross
    elif first == rb.EXPOSURE_BUY:
        limit, stands, requested = buy_limit, exposure, new_exposure
    elif first == rb.EXPOSURE_SELL:
        limit, stands, requested = sell_limit, exposure, new_exposure
    elif first == rb.CAPITAL:
        limit, stands, requested = capital, reserved, new_reserved
    elif first == rb.LOSS:
        limit, stands, requested = load_i64(row + lay.LOSS_LIMIT), loss, loss
    elif first == rb.DRAWDOWN:
        limit, stands, requested = load_i64(row + lay.DRAWDOWN_LIMIT), drop, drop
    return refuse(state, order, failed, limit, stands, requested)
