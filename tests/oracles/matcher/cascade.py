"""What a command sets off in continuous trading, in plain Python: stops, all-or-none orders and
pegs, until nothing more happens."""

from collections.abc import Callable

from openoutcry.wire.enums import (
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TriggerBy,
)
from openoutcry.wire.order_types import ORDER_TYPES, TRAILING_BPS
from openoutcry.wire.records import MAX_VALUE
from tests.oracles.matcher.books import NO_TRADE, Market, OpenOrder, Place, other
from tests.oracles.matcher.lists import due, elected, settle_lists, took
from tests.oracles.matcher.take import crossed_bests, enter, fillable, resting_price, take

BASIS_POINTS = 10_000


def cascade(m: Market) -> None:
    """Run to the fixed point, or until legs of lists are due; in continuous trading only."""
    while True:
        settle_lists(m)
        if due(m):
            return
        move_triggers(m)
        if elect_one(m) or trade_waiting(m) or trade_all_or_none(m) or repeg_all(m):
            continue
        return


# Stops


def move_triggers(m: Market) -> None:
    """Trailing stops follow the last trade, or their own price, in the direction that is good for
    their owner."""
    for order in m.trailing():
        followed = followed_price(m, order)
        activate(order, followed)
        if followed is None or order.activation is not None:
            continue
        candidate = trailing_trigger(order, followed)
        if order.trigger is not None:
            gain = (
                order.trigger - candidate if order.side == Side.BUY else candidate - order.trigger
            )
            if gain < max(order.trail_step, 1):
                continue
        m.leave_book(order)
        order.trigger = candidate
        refusal = m.refuse_order(order)
        if refusal:
            m.cancel_order(order, refusal)
            continue
        m.emit(
            EventKind.TRIGGER_MOVED,
            order,
            qty=order.leaves,
            price=candidate,
            flags=EventFlag.WAITING,
        )
        m.join_book(order, Place.TRIGGER)


def followed_price(m: Market, order: OpenOrder) -> int | None:
    """The price that a trailing stop follows, and that elects a stop with a named price."""
    bid, ask = m.best_displayed(Side.BUY), m.best_displayed(Side.SELL)
    if m.phase != Phase.CONTINUOUS:
        bid = ask = None
    own, opposite = (bid, ask) if order.side == Side.BUY else (ask, bid)
    if order.trigger_by == TriggerBy.MID:
        if bid is None or ask is None:
            return None
        return (bid + ask) // 2 if order.rises else -(-(bid + ask) // 2)
    return {
        TriggerBy.OWN_QUOTE: own,
        TriggerBy.OPPOSITE_QUOTE: opposite,
        TriggerBy.MARK: m.mark,
        TriggerBy.INDEX: m.index_price,
    }.get(order.trigger_by, m.electing_price)


def activate(order: OpenOrder, price: int | None) -> None:
    """A trailing stop whose activation price is reached trails from here on."""
    if price is None or order.activation is None:
        return
    if price <= order.activation if order.side == Side.BUY else price >= order.activation:
        order.activation = None


def trailing_trigger(order: OpenOrder, anchor: int) -> int:
    """The trigger at its distance from the anchor, saturating at int64.  A distance in basis points
    is a share of the anchor without its sign, and at least one tick."""
    distance = order.distance
    if order.order_type in TRAILING_BPS:
        distance = max(1, abs(anchor) * order.distance // BASIS_POINTS)
    trigger = anchor + distance if order.side == Side.BUY else anchor - distance
    return min(max(trigger, -MAX_VALUE), MAX_VALUE)


def is_reached(order: OpenOrder, price: int | None) -> bool:
    """Whether ``price`` reaches the trigger of a stop."""
    if price is None or order.trigger is None:
        return False
    return price >= order.trigger if order.rises else price <= order.trigger


def next_elected(m: Market, price_of: Callable[[OpenOrder], int | None]) -> OpenOrder | None:
    """Return the first stop that is reached of those that wait for a rise, or of those that wait
    for a fall: of the two the older.  ``price_of``: the price that elects a stop."""
    candidates = []
    for side in Side:
        waiting = m.orders_of(Place.TRIGGER, side)
        candidates += [order for order in waiting if is_reached(order, price_of(order))][:1]
    return min(candidates, key=lambda o: (o.arrival, o.order_id), default=None)


def electing_price(m: Market, order: OpenOrder) -> int | None:
    """Return the price that elects this stop now."""
    if order.trigger_by:
        return followed_price(m, order)
    last, bid, ask = m.electing_price, m.best_displayed(Side.BUY), m.best_displayed(Side.SELL)
    if m.rules.stops_by_quote:
        return ask if order.side == Side.BUY else bid
    if m.rules.stops_by_trade_or_quote:
        if order.rises:
            return max((p for p in (last, bid) if p is not None), default=None)
        return min((p for p in (last, ask) if p is not None), default=None)
    return last


def is_refused_stop(m: Market, order: OpenOrder) -> bool:
    """Whether the market refuses this stop because it would elect it at once."""
    if not (m.rules.passed_stops_refused and order.is_stop and m.phase == Phase.CONTINUOUS):
        return False
    return is_reached(order, electing_price(m, order))


def elect_one(m: Market) -> bool:
    """Elect the stop that is next, if any is due, and enter its order; returns whether one was."""
    order = next_elected(m, lambda stop: electing_price(m, stop))
    if order is None:
        return False
    elect(m, order)
    rest_price = resting_price(m, order)
    refusal = Reason.NONE
    crossed = crossed_bests(m, order) or m.waiting(other(order.side))
    if order.order_type == OrderType.POST_ONLY and crossed:
        refusal = Reason.WOULD_CROSS
    elif rest_price is not None:
        refusal = m.refuse_join(Place.DISPLAYED, order.side, rest_price, order.leaves)
    if refusal:
        m.cancel_order(order, refusal)
    else:
        enter(m, order)
    return True


def elect(m: Market, order: OpenOrder) -> None:
    """The stop leaves its trigger and is from now on a market, limit or post-only order."""
    trigger = order.trigger
    m.leave_book(order)
    m.emit(EventKind.ELECTED, order, qty=order.leaves, price=trigger)
    elected(m, order)
    settle_lists(m)
    becomes = ORDER_TYPES[order.order_type].elected_as
    assert becomes is not None
    order.trigger_by = 0
    m.change_type(order, becomes)


# Market orders that wait on both sides


def trade_waiting(m: Market) -> bool:
    """Once there is a price for waiting market orders, let the younger of the two oldest take."""
    buys, sells = m.waiting(Side.BUY), m.waiting(Side.SELL)
    if not buys or not sells or (m.last is None and m.ref is None):
        return False
    taker = max(sells[0], buys[0], key=lambda order: order.arrival)
    take(m, taker, NO_TRADE[taker.side], taker.mode)
    if taker.leaves == 0:
        m.remove_order(taker)
        took(m, taker, 0)
    return True


# All or none


def trade_all_or_none(m: Market) -> bool:
    """The first all-or-none order that can now trade as a whole does."""
    for side in Side:
        for order in m.orders_of(Place.AON, side):
            if fillable(m, order, order.price, order.mode) == order.leaves:
                before = order.leaves
                m.leave_book(order)
                take(m, order, order.price, order.mode)
                m.remove_order(order)
                took(m, order, before)
                return True
    return False


# Pegs


def peg_price(m: Market, order: OpenOrder) -> int | None:
    """The peg's price now, or None."""
    buy = order.side == Side.BUY
    bid, ask = m.best_displayed(Side.BUY), m.best_displayed(Side.SELL)
    own, opposite = (bid, ask) if buy else (ask, bid)
    steps = m.rules.steps
    if order.order_type == OrderType.PEG_MIDPOINT:
        if bid is None or ask is None:
            return None
        steps = m.rules.midpoint_steps
        twice = bid + ask + (2 * order.offset if buy else -2 * order.offset)
        price = twice // 2 if buy else -(-twice // 2)
    else:
        ref = own if order.order_type == OrderType.PEG_PRIMARY else opposite
        if ref is None:
            return None
        price = ref + order.offset if buy else ref - order.offset
    price = min(price, MAX_VALUE)
    if buy:
        price = min(steps.floor(price), order.limit)
        if ask is not None:
            price = min(price, steps.before(ask))
    else:
        price = max(steps.ceil(price), order.limit)
        if bid is not None:
            price = max(price, steps.after(bid))
    return price if m.rules.in_limits(price) else None


def current_price(order: OpenOrder) -> int | None:
    """The peg's price, or None while it waits."""
    return order.price if order.place == Place.HIDDEN else None


def enter_peg(m: Market, order: OpenOrder, price: int | None) -> None:
    """Match and rest a peg, in no level, at its price, or let it wait for one."""
    order.price = order.limit if price is None else price
    if price is None:
        m.join_book(order, Place.NOWHERE)
    else:
        enter(m, order)


def repeg_all(m: Market) -> bool:
    """Re-peg all pegs whose price has changed; whether there were any."""
    before = m.event_log.count
    for order in m.pegs():
        if order.leaves == 0:
            continue
        price = peg_price(m, order)
        if price == current_price(order):
            continue
        m.leave_book(order)
        order.price = order.limit
        if price is not None:
            refusal = m.refuse_join(Place.HIDDEN, order.side, price, order.leaves)
            if refusal:
                m.cancel_order(order, refusal)
                continue
            order.price = price
        m.emit_open_order(EventKind.REPEGGED, order, waits=price is None)
        enter_peg(m, order, price)
    return m.event_log.count > before


def park_pegs(m: Market) -> None:
    """Park every peg, because pegs have no price while a call lasts."""
    for order in m.pegs():
        if order.place == Place.HIDDEN:
            m.leave_book(order)
            order.price = order.limit
            m.emit_open_order(EventKind.REPEGGED, order, waits=True)
