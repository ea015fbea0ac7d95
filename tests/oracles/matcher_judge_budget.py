"""What the judge (matcher_judge) knows of orders for a budget, and of FOK orders with one or none.

From docs/matcher.md, as the judge.
"""

from dataclasses import replace

from openoutcry.wire import OrderType, SelfTrade, TimeInForce
from tests.oracles.matcher_judge_book import (
    ANY_PRICE,
    ENDS_WALK,
    WHOLE,
    Market,
    Order,
    after_prevention,
    fillable,
    is_left_to_trade,
    is_used_up,
    limit_of,
    lots_at,
    no_worse,
    other_side,
    trim,
    waiting_price,
)
from tests.oracles.matcher_judge_waiting import meets_waiting, rest_fault_waiting, simulate


def rest_fault(market: Market, order: Order, reach: int | None, by_budget: bool) -> str:
    """What is wrong with cancelling the rest of the order now, or nothing; ``reach``: as of
    :func:`limit_of`; ``by_budget``: it is told that the budget pays for no lot more."""
    if fault := rest_fault_waiting(market, order):
        return fault
    if order.order_type == OrderType.MARKET_TO_LIMIT and market.waiting(other_side(order.side)):
        return ""
    if order.budget is None:
        left = is_left_to_trade(market, order, reach)
        return "what is cancelled as a rest found nobody left to trade with" if left else ""
    fok, traded = order.tif == TimeInForce.FOK, order.stands_at is not None
    told = "" if by_budget else "an order that its budget ends is told so"
    if is_used_up(market, order):
        return told
    limit = limit_of(market, order, reach)
    if order.order_type == OrderType.MARKET_BUDGET and market.band and reach is None:
        limit = -ANY_PRICE[order.side]
    price = waiting_price(market, order)
    if price is not None and meets_waiting(market, order):
        goes_on = lots_at(market, order, price) > 0
        return "an order for a budget goes on while that pays for a lot" if goes_on else told
    ahead = [
        o
        for o in market.standing(other_side(order.side))
        if (limit is None or no_worse(order.side, o.price, limit))
        and (o.rank != WHOLE or o.leaves <= lots_at(market, order, o.price))
    ]
    first = min(ahead, key=lambda o: o.key, default=None)
    if first is not None and lots_at(market, order, first.price):
        return "an order for a budget goes on while that pays for a lot"
    if fok and not (traded and first is not None and first.price > 0):
        return "FOK trades all that its budget pays for at once, or nothing"
    if first is not None:
        return told
    return "an order ends by its budget only at somebody's price" if by_budget else ""


def trades_whole(market: Market, order: Order, reach: int | None) -> bool:
    """Whether a FOK order would trade all that it is for."""
    if order.budget is None:
        return fillable(market, order, reach) >= order.leaves
    return would_be_used_up(market, order, reach)


def would_be_used_up(market: Market, taker: Order, reach: int | None) -> bool:
    """Whether an order for a budget would trade, and end by its quantity or by its budget:
    everybody in turn, met as the page says."""
    order = replace(taker)
    limit = limit_of(market, order, reach)
    if order.order_type == OrderType.MARKET_BUDGET and market.band and reach is None:
        limit = -ANY_PRICE[order.side]
    market = after_prevention(market, order, limit)
    book = [
        replace(o)
        for o in market.standing(other_side(order.side))
        if limit is None or no_worse(order.side, o.price, limit)
    ]
    own = [o for o in book if o.participant == order.participant]
    own = [o for o in own if o.rank != WHOLE or o.leaves <= lots_at(market, order, o.price)]
    if market.self_trade_first and order.mode in ENDS_WALK and own:
        return False
    number = max((o.place for o in book), default=0)
    price = waiting_price(market, order)
    if price is not None and market.waiting(other_side(order.side)):
        lots = lots_at(market, order, price)
        left, ends = simulate(market, order, lots)
        waiting = market.waiting(other_side(order.side))
        own = [o for o in waiting if o.participant == order.participant]
        if own and market.self_trade_first and order.mode in ENDS_WALK:
            return False
        if left < lots:
            order.pay(lots - left, price)
        order.leaves -= lots - left
        if left == 0 or is_used_up(market, order):
            return lots > 0
        if ends:
            return False
    while True:
        fits = [o for o in book if o.rank != WHOLE or o.leaves <= lots_at(market, order, o.price)]
        if not fits:
            return False
        maker = min(fits, key=lambda o: o.key)
        lots = lots_at(market, order, maker.price)
        if lots == 0:
            return order.stands_at is not None and maker.price > 0
        if maker.participant == order.participant and order.mode != SelfTrade.ALLOW:
            if order.mode in ENDS_WALK:
                return False
            book.remove(maker)
            continue
        order.pay(min(lots, maker.open_qty), maker.price)
        order.leaves -= min(lots, maker.open_qty)
        if is_used_up(market, order):
            return True
        number += 1
        if trim(maker, min(lots, maker.open_qty), number):
            book.remove(maker)
