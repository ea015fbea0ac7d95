"""What the judge (matcher_judge) knows of market orders that wait for the other side.

From docs/matcher.md, as the judge.
"""

from openoutcry.wire import OrderType, Phase, SelfTrade, TimeInForce
from tests.oracles.matcher_judge_book import (
    ENDS_WALK,
    SHOWN,
    UNSEEN,
    Market,
    Order,
    is_left_to_trade,
    other_side,
    waiting_price,
)

RESTS = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


def begins_fault(
    market: Market, order: Order, reach: int | None, after_auction: bool, traded: bool
) -> str:
    """What is wrong with a market order's beginning to wait, or nothing.  Who waits opposite to one
    that has ``traded`` had no price until it did: they trade as soon as both wait."""
    if not market.market_waits or market.phase != Phase.CONTINUOUS:
        return "market orders wait with the option, in continuous trading"
    if order.tif not in RESTS:
        return "IOC and FOK orders never wait"
    if after_auction:
        return ""
    if market.best(other_side(order.side), (SHOWN, UNSEEN)) is not None:
        return "a market order waits if nobody stands on the other side"
    met = meets_waiting(market, order) and not traded
    if met or is_left_to_trade(market, order, reach):
        return "a market order waits if nobody is left to trade with"
    return ""


def meets_waiting(market: Market, taker: Order) -> bool:
    """Whether a market order waits with which the taker would trade."""
    price = waiting_price(market, taker)
    return bool(market.waiting(other_side(taker.side))) and price is not None


def trade_fault(market: Market, maker: Order, taker: Order, price: int) -> str:
    """What is wrong with a trade, as far as it is about orders that wait, or nothing."""
    queue = market.waiting(maker.side)
    if maker not in queue:
        if maker.waiting or taker.waiting:
            return "who waits does not trade"
        return "market orders that wait come first" if meets_waiting(market, taker) else ""
    if taker.waiting:
        if taker is not market.waiting(taker.side)[0]:
            return "of the market orders that wait on both sides the oldest trade"
        if taker.came < maker.came:
            return "of market orders that wait on both sides the younger takes"
    if maker is not queue[0]:
        return "of the market orders that wait the oldest comes first"
    if price != waiting_price(market, taker):
        return "market orders that wait trade at the last price, or one that is harder on the taker"
    own = [o for o in queue if o.participant == taker.participant]
    if own and market.self_trade_first and taker.mode != SelfTrade.ALLOW:
        return "self-trade first: its own orders go before any trade"
    return ""


def rest_fault_waiting(market: Market, order: Order) -> str:
    """What is wrong with cancelling a rest instead of trading with who waits, or waiting."""
    if order.budget is None and meets_waiting(market, order):
        return "what is cancelled as a rest found no market order that waits"
    could = market.market_waits and order.order_type == OrderType.MARKET and order.tif in RESTS
    if could and market.best(other_side(order.side), (SHOWN, UNSEEN)) is None:
        return "a market order's rest waits if nobody stands on the other side"
    return ""


def end_fault(market: Market) -> str:
    """What is wrong with who waits after a command, in continuous trading, or nothing."""
    sides = [market.waiting(side) for side in (1, 2)]
    for queue in sides:
        if queue and market.best(other_side(queue[0].side), (SHOWN, UNSEEN)) is not None:
            return "nobody stands opposite to a market order that waits"
    if sides[0] and sides[1] and waiting_price(market, sides[0][0]) is not None:
        return "market orders wait on both sides only while there is no price"
    return ""


def simulate(market: Market, taker: Order, left: int) -> tuple[int, bool]:
    """What is left of so many lots after those that wait, and whether an own order ends it."""
    if waiting_price(market, taker) is None:
        return left, False
    for order in market.waiting(other_side(taker.side)):
        if left and order.participant == taker.participant and taker.mode != SelfTrade.ALLOW:
            if taker.mode in ENDS_WALK:
                return left, True
            continue
        left -= min(left, order.leaves)
    return left, False
