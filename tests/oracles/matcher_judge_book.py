"""What the judge (matcher_judge) knows of a market: its open orders, and who would trade with whom.

From docs/matcher.md, as the judge.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy.typing as npt

from openoutcry.wire import (
    Allocation,
    CommandKind,
    EventFlag,
    InstrumentOption,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.enums import (
    AUX_HALVES,
    NEW_DAY,
    OPEN_KNOWN,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    TriggerBy,
)
from openoutcry.wire.order_types import FOR_AUCTIONS
from openoutcry.wire.records import NO_PRICE, TICK_BANDS

Array = npt.NDArray[Any]

TRAILING_BPS = (OrderType.TRAILING_STOP_BPS, OrderType.TRAILING_STOP_LIMIT_BPS)
ELECTED_AS = {
    OrderType.STOP: OrderType.MARKET,
    OrderType.TRAILING_STOP: OrderType.MARKET,
    OrderType.TRAILING_STOP_BPS: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TRAILING_STOP_LIMIT: OrderType.LIMIT,
    OrderType.TRAILING_STOP_LIMIT_BPS: OrderType.LIMIT,
    OrderType.POST_ONLY_STOP_LIMIT: OrderType.POST_ONLY,
    OrderType.TAKE_PROFIT: OrderType.MARKET,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
}
STOPS = tuple(ELECTED_AS)
TAKE_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
PEGS = (OrderType.PEG_PRIMARY, OrderType.PEG_MARKET, OrderType.PEG_MIDPOINT)
MARKETS = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT)
STANDING = (OrderType.LIMIT, OrderType.POST_ONLY, OrderType.HIDDEN, OrderType.ALL_OR_NONE)
"""Types that stand at the price they were sent with."""
BANDED = (OrderType.MARKET, OrderType.MARKET_BUDGET)
BUDGETS = (OrderType.MARKET_BUDGET, OrderType.LIMIT_BUDGET)
ENDS_WALK = (SelfTrade.CANCEL_NEWEST, SelfTrade.CANCEL_BOTH, SelfTrade.DECREMENT)
SHOWN, UNSEEN, WHOLE = range(3)
"""Who trades first at one price: what is displayed, what is hidden, all-or-none orders."""


ANY_PRICE = {Side.BUY: 2**63 - 1, Side.SELL: -(2**63)}
"""Where a market order stands in a call."""


class Event(NamedTuple):
    order_id: int
    contra_id: int
    price: int
    qty: int
    leaves: int
    cause_seq: int
    participant: int
    instrument: int
    kind: int
    reason: int
    side: int
    flags: int
    seq: int


class Command(NamedTuple):
    price: int
    qty: int
    symbol: bytes
    order_id: int
    aux: int
    rx_ts_ns: int
    participant: int
    error_code: int
    kind: int
    side: int
    order_type: int
    time_in_force: int
    seq: int

    @property
    def mode(self) -> int:
        return self.time_in_force >> SELF_TRADE_SHIFT & SELF_TRADE_MASK

    @property
    def knows(self) -> bool:
        """A REPLACE that says what open quantity its sender knew of."""
        return self.kind == CommandKind.REPLACE and self.time_in_force & OPEN_KNOWN != 0

    def open_asked(self, leaves: int) -> int:
        """The open quantity that a REPLACE means for an order that has ``leaves`` of it."""
        if not self.knows:
            return self.qty
        known = self.aux % 2**32 if self.time_in_force & AUX_HALVES else self.aux
        return self.qty - max(known - leaves, 0)

    def new_aux(self, before: int) -> int:
        """What a REPLACE makes of the order's aux."""
        if not self.knows:
            return self.aux
        return self.aux >> 32 if self.time_in_force & AUX_HALVES else before


@dataclass(eq=False)
class Order:
    """An open order, as commands and events tell it."""

    order_id: int
    participant: int
    side: int
    order_type: int
    tif: int
    mode: int
    price: int
    leaves: int
    place: int
    """Number of the event that put it where it stands."""
    waiting: bool
    aux: int
    hidden: bool
    """As ACCEPTED told."""
    limit: int
    """Limit of a peg: the price it was sent with."""
    trigger: int | None = None
    expiry: int | None = None
    display: int = 0
    slice: int = 0
    budget: int | None = None
    """What is left of it."""
    came: int = 0
    """Number of its ACCEPTED, or of the REPLACED that lost it its place."""
    stands_at: int | None = None
    """Last price that an order with a budget paid."""
    of: Any = None
    """The list (``matcher_judge_lists``) of which it is the leg"""
    leg: int = 0
    dormant: bool = False
    """A leg that has not entered."""
    by: int = 0
    """A stop's own TriggerBy, or 0."""
    activation: int | None = None
    """The price at which a trailing stop begins to trail, until then."""

    def pay(self, lots: int, price: int, stands: bool = True) -> None:
        if self.budget is not None:
            self.budget -= lots * price
            if stands:
                self.stands_at = price

    @property
    def is_above(self) -> bool:
        """Whether a stop's trigger is one that a rise reaches: of buys, but for a take-profit."""
        return (self.side == Side.BUY) != (self.order_type in TAKE_PROFITS)

    @property
    def rank(self) -> int:
        if self.order_type == OrderType.ALL_OR_NONE:
            return WHOLE
        return UNSEEN if self.hidden else SHOWN

    @property
    def key(self) -> tuple[int, int, int]:
        """Who comes first: the better price, then displayed before hidden, then the older."""
        return (-self.price if self.side == Side.BUY else self.price, self.rank, self.place)

    @property
    def open_qty(self) -> int:
        return self.slice if self.order_type == OrderType.ICEBERG else self.leaves


def order_of(c: Command, e: Event) -> Order:
    """The order that a NEW and its ACCEPTED make."""
    order_type, tif = c.order_type, c.time_in_force & 15
    if order_type == OrderType.POST_ONLY_SLIDE:
        order_type = OrderType.POST_ONLY
    shows = order_type == OrderType.ICEBERG
    return Order(
        order_id=c.order_id,
        participant=c.participant,
        side=c.side,
        order_type=order_type,
        tif=tif,
        mode=c.mode,
        price=e.price,
        leaves=e.leaves,
        place=e.seq,
        came=e.seq,
        waiting=bool(e.flags & EventFlag.WAITING),
        aux=c.aux,
        limit=c.price,
        hidden=bool(e.flags & EventFlag.HIDDEN),
        trigger=price_or_none(e.contra_id) if order_type in STOPS else None,
        expiry=c.aux if tif == TimeInForce.GTD else None,
        display=e.contra_id if shows else 0,
        slice=min(e.contra_id, e.leaves) if shows else 0,
        budget=c.aux if order_type in BUDGETS else None,
    )


class Market:
    """One instrument: its rules and its open orders."""

    def __init__(self, row: Any) -> None:
        self.row = row
        self.orders: dict[int, Order] = {}
        self.phase = int(row["initial_phase"])
        self.last: int | None = None
        self.mark: int | None = None
        self.index: int | None = None
        self.reference = price_or_none(int(row["reference_price_ticks"]))
        self.pro_rata = int(row["allocation"]) != Allocation.PRICE_TIME
        self.in_steps = int(row["allocation"]) == Allocation.STEPS
        self.self_trade_first = bool(int(row["options"]) & InstrumentOption.SELF_TRADE_FIRST)
        self.market_waits = bool(int(row["options"]) & InstrumentOption.MARKET_WAITS)
        self.top: dict[int, Order | None] = {Side.BUY: None, Side.SELL: None}
        """By side: the order that has bettered the market and is first since."""
        self.by_reference = bool(int(row["options"]) & InstrumentOption.STOPS_BY_REFERENCE)
        self.by_either = bool(int(row["options"]) & InstrumentOption.STOPS_BY_TRADE_OR_QUOTE)
        self.by_quote = bool(int(row["options"]) & InstrumentOption.STOPS_BY_QUOTE)
        self.half_midpoint = bool(int(row["options"]) & InstrumentOption.HALF_STEP_MIDPOINT)
        self.band = int(row["market_band_ticks"])
        self.lot = int(row["qty_step_lots"])
        self.one_tick = int(row["price_step_ticks"]) == 1 and not any(
            row[f"band{k}_step_ticks"] for k in range(1, TICK_BANDS + 1)
        )
        self.low, self.high = int(row["min_price_ticks"]), int(row["max_price_ticks"])

    def standing(self, side: int) -> Iterator[Order]:
        return (o for o in self.orders.values() if o.side == side and not o.waiting and o.leaves)

    def waiting(self, side: int) -> list[Order]:
        """The market orders that wait for the other side, the oldest first."""
        orders = [o for o in self.orders.values() if o.side == side and o.waiting and o.leaves]
        orders = [o for o in orders if not o.dormant]
        orders = [
            o for o in orders if o.order_type == OrderType.MARKET and o.tif not in FOR_AUCTIONS
        ]
        return sorted(orders, key=lambda o: o.came)

    def level(self, order: Order) -> list[Order]:
        """What is displayed at the order's price on its side."""
        same = self.standing(order.side)
        return [o for o in same if o.price == order.price and o.rank == SHOWN]

    def best(
        self, side: int, ranks: tuple[int, ...] = (SHOWN,), but: Order | None = None
    ) -> int | None:
        prices = [o.price for o in self.standing(side) if o.rank in ranks and o is not but]
        if not prices:
            return None
        return max(prices) if side == Side.BUY else min(prices)

    def most_volume(self, fallback: int) -> int:
        """What an auction could trade at the best of all prices; ``fallback``: the price if nobody
        named any, without which nothing trades."""
        buys = [o for o in self.standing(Side.BUY) if o.rank != WHOLE]
        sells = [o for o in self.standing(Side.SELL) if o.rank != WHOLE]
        named = {o.price for o in buys + sells if o.price != ANY_PRICE[o.side]}
        if not named and fallback == NO_PRICE:
            return 0
        volumes = [
            min(
                sum(o.leaves for o in buys if o.price >= price),
                sum(o.leaves for o in sells if o.price <= price),
            )
            for price in named or {fallback}
        ]
        return max(volumes)


def price_or_none(price: int) -> int | None:
    return None if price == NO_PRICE else price


def other_side(side: int) -> int:
    return Side.BUY + Side.SELL - side


def no_worse(side: int, price: int, limit: int) -> bool:
    """Whether an order of ``side`` with this limit may trade at ``price``."""
    return price <= limit if side == Side.BUY else price >= limit


def reaches(order: Order, best: int | None) -> bool:
    return best is not None and no_worse(order.side, best, order.price)


def limit_of(market: Market, order: Order, reach: int | None) -> int | None:
    """The worst price at which it takes; None: any.  ``reach``: the opposite best as it entered."""
    if market.phase == Phase.TRADING_AT_LAST:
        return market.last
    if order.order_type in BANDED:
        if not market.band or reach is None:
            return None
        return reach + market.band if order.side == Side.BUY else reach - market.band
    return reach if order.order_type == OrderType.MARKET_TO_LIMIT else order.price


def own_price(market: Market, order: Order) -> int | None:
    """The price that a stop with a named price waits for, which a trailing stop follows."""
    own, opposite = market.best(order.side), market.best(other_side(order.side))
    if market.phase != Phase.CONTINUOUS:
        own = opposite = None
    if order.by == TriggerBy.MARK:
        return market.mark
    if order.by == TriggerBy.INDEX:
        return market.index
    if order.by == TriggerBy.OWN_QUOTE:
        return own
    if order.by == TriggerBy.OPPOSITE_QUOTE:
        return opposite
    if order.by == TriggerBy.MID:
        if own is None or opposite is None:
            return None
        twice = own + opposite
        return twice // 2 if order.is_above else (twice + 1) // 2
    return market.reference if market.last is None and market.by_reference else market.last


def may_trail(market: Market, order: Order) -> bool:
    """Whether the activation price of a trailing stop is reached now, or was; if now, it trails
    from here on."""
    price = own_price(market, order)
    if order.activation is None:
        return True
    if price is None or not no_worse(order.side, price, order.activation):
        return False
    order.activation = None
    return True


def is_electable(market: Market, order: Order) -> bool:
    """Whether the stop's trigger is reached by the last trade (before the first: by the reference
    price, if the instrument says so), by the opposite quote, or by the last trade or the quote that
    comes to it: bids from below, offers from above."""
    prices = [market.reference if market.last is None and market.by_reference else market.last]
    if order.by:
        prices = [own_price(market, order)]
    elif market.by_quote:
        prices = [market.best(other_side(order.side))]
    elif market.by_either:
        prices.append(market.best(Side.BUY if order.is_above else Side.SELL))
    if order.trigger is None or not order.waiting or order.dormant:
        return False
    there = [price for price in prices if price is not None]
    return any(p >= order.trigger if order.is_above else p <= order.trigger for p in there)


def trigger_fault(market: Market, order: Order, trigger: int) -> str:
    """What is wrong with a trailing trigger that moves to ``trigger``, or nothing."""
    if not may_trail(market, order):
        return "a trailing stop does not trail before its activation"
    last = market.reference if market.last is None else market.last
    if order.by:
        last = own_price(market, order)
    if last is None:
        return "a trailing stop follows a price"
    distance = order.aux % 2**32
    if order.order_type in TRAILING_BPS:
        distance = max(1, abs(last) * distance // 10_000)
    buy = order.side == Side.BUY
    if trigger != max(min(last + distance if buy else last - distance, 2**63 - 1), 1 - 2**63):
        return "a trailing trigger keeps its distance from the last trade"
    if order.trigger is None:
        return ""
    gain = order.trigger - trigger if buy else trigger - order.trigger
    least = max(order.aux >> 32, 1)
    return "" if gain >= least else "it moves in its order's favour, by the smallest move at least"


def is_elected_first(market: Market, order: Order) -> bool:
    """Whether no other stop whose trigger is reached from the same side comes before."""
    sign = 1 if order.is_above else -1
    keys = [
        (sign * o.trigger, o.place)
        for o in market.orders.values()
        if o.is_above == order.is_above and o.trigger is not None and is_electable(market, o)
    ]
    return order.trigger is not None and (sign * order.trigger, order.place) == min(keys)


def is_left_to_trade(market: Market, order: Order, reach: int | None) -> bool:
    """Whether anybody stands with whom the order could still trade; ``reach``: as of
    :func:`limit_of`."""
    limit = limit_of(market, order, reach)
    for other in market.standing(other_side(order.side)):
        if other.rank == WHOLE and other.leaves > order.leaves:
            continue
        reached = limit is None or no_worse(order.side, other.price, limit)
        banded = order.order_type == OrderType.MARKET and market.band
        if order.order_type == OrderType.MARKET_TO_LIMIT or banded:
            reached = reach is not None and reached
        if reached:
            return True
    return False


def lots_at(market: Market, order: Order, price: int) -> int:
    """The lots that the order would trade at ``price``: of one with a budget all if that pays for
    them, or else the whole steps that it pays for."""
    if order.budget is None:
        return order.leaves
    paid = order.budget // price if price > 0 else 0
    return order.leaves if paid >= order.leaves else paid - paid % market.lot


def is_used_up(market: Market, order: Order) -> bool:
    """Whether nothing is open of the order, or what is left of its budget does not pay for a lot at
    the price at which it stood last."""
    at = order.stands_at
    return order.leaves == 0 or (at is not None and lots_at(market, order, at) == 0)


def trim(maker: Order, traded: int, number: int) -> bool:
    """Take a trade off the maker, its next slice in place ``number``; whether nothing is open."""
    maker.leaves -= traded
    if maker.order_type == OrderType.ICEBERG:
        maker.slice -= traded
        if maker.slice == 0:
            maker.slice, maker.place = min(maker.display, maker.leaves), number
    return maker.leaves == 0


def waiting_price(market: Market, taker: Order) -> int | None:
    """At what price the order would trade with a market order that waits, if at any."""
    if market.phase == Phase.TRADING_AT_LAST:
        return market.last
    if taker.order_type == OrderType.MARKET_TO_LIMIT:
        return None
    own = None if taker.order_type in BANDED else taker.price
    reference = market.reference if market.last is None else market.last
    prices = [reference, market.best(other_side(taker.side), (SHOWN, UNSEEN)), own]
    there = [price for price in prices if price is not None]
    if not there:
        return None
    return min(there) if taker.side == Side.BUY else max(there)


def after_prevention(market: Market, taker: Order, limit: int | None) -> Market:
    """The market as it is after prevention before any trade, as far as that does not end the order:
    without the older orders of its participant that it would meet."""
    if not market.self_trade_first or taker.mode != SelfTrade.CANCEL_OLDEST:
        return market

    def goes(own: Order) -> bool:
        if own.participant != taker.participant or own.side == taker.side:
            return False
        if own.waiting:
            return own in waiting and waiting_price(market, taker) is not None
        reached = limit is None or no_worse(taker.side, own.price, limit)
        return reached and (own.rank != WHOLE or own.leaves <= lots_at(market, taker, own.price))

    waiting = market.waiting(other_side(taker.side))
    after = copy(market)
    after.orders = {number: o for number, o in market.orders.items() if not goes(o)}
    return after


def fillable(market: Market, taker: Order, reach: int | None = None) -> int:
    """Lots that the order would trade now: everybody in turn, met as the page says."""
    limit = limit_of(market, taker, reach)
    at_last = market.phase == Phase.TRADING_AT_LAST
    if taker.order_type == OrderType.MARKET and market.band and reach is None and not at_last:
        limit = -ANY_PRICE[taker.side]  # Nothing is displayed that a band could be about.
    if not at_last:
        market = after_prevention(market, taker, limit)
    book = [
        replace(o)
        for o in market.standing(other_side(taker.side))
        if (not at_last or o.rank != WHOLE)
        and (limit is None or no_worse(taker.side, o.price, limit))
    ]
    own = [o for o in book if o.participant == taker.participant]
    own = [o for o in own if o.rank != WHOLE or o.leaves <= taker.leaves]
    if market.self_trade_first and taker.mode in ENDS_WALK and own:
        return 0
    left, number = taker.leaves, max((o.place for o in book), default=0)
    waiting = market.waiting(other_side(taker.side))
    if waiting_price(market, taker) is None:
        waiting = []
    ends = taker.mode in ENDS_WALK
    for other in waiting:
        if other.participant != taker.participant or taker.mode == SelfTrade.ALLOW:
            left -= min(left, other.leaves)
        elif ends and (left or market.self_trade_first):
            return 0 if market.self_trade_first else taker.leaves - left
    while left:
        fits = [o for o in book if o.rank != WHOLE or o.leaves <= left]
        if not fits:
            break
        maker = min(fits, key=lambda o: o.key)
        if maker.participant == taker.participant and taker.mode != SelfTrade.ALLOW:
            if taker.mode in ENDS_WALK:
                break
            book.remove(maker)
            continue
        traded = min(left, maker.open_qty)
        left -= traded
        number += 1
        if trim(maker, traded, number):
            book.remove(maker)
    return taker.leaves - left


def settle_top(market: Market, order: Order, best: int | None) -> None:
    """The order, before which ``best`` was the best displayed price of its side, has taken what it
    could: if it rests at a better price, it is first of its side, or too small, and nobody is."""
    rests = market.orders.get(order.order_id) is order and not order.waiting
    rests = rests and order.tif not in (TimeInForce.IOC, TimeInForce.FOK)
    if not rests or order.rank != SHOWN or market.phase != Phase.CONTINUOUS:
        return
    if best is not None:
        better = order.price > best if order.side == Side.BUY else order.price < best
        if not better:
            return
    large = order.open_qty >= market.row["top_min_lots"]
    market.top[order.side] = order if large else None


def meets_own(market: Market, side: int, taker: Order, limit: int | None) -> bool:
    """Whether an order of the taker's participant stands on ``side`` where the taker would trade,
    under a mode; from both orders nothing can be taken where a budget pays for nothing."""
    return taker.mode != SelfTrade.ALLOW and any(
        own.participant == taker.participant
        and (limit is None or no_worse(taker.side, own.price, limit))
        and (market.phase == Phase.CONTINUOUS or own.price == market.last)
        and (own.rank != WHOLE or market.phase == Phase.CONTINUOUS)
        and (own.rank != WHOLE or own.leaves <= lots_at(market, taker, own.price))
        and (taker.mode != SelfTrade.DECREMENT or lots_at(market, taker, own.price))
        and (taker.order_type not in PEGS or own.rank != SHOWN)
        for own in market.standing(side)
    )


def shares_in_steps(
    row: Any, level: list[Order], qty: int, top: Order | None
) -> list[tuple[int, int]]:
    """As :func:`shares_of`, of a level that is shared in steps."""
    lot = int(row["qty_step_lots"])

    def floor(lots: int, bps: int = 10_000) -> int:
        return lots * bps // 10_000 // lot * lot

    open_lots = {o.order_id: o.open_qty for o in level}
    got = dict.fromkeys(open_lots, 0)

    def give(orders: list[Order], lots: int) -> int:
        """In turn; what nobody took."""
        for o in orders:
            part = min(lots, open_lots[o.order_id])
            open_lots[o.order_id] -= part
            got[o.order_id] += part
            lots -= part
        return lots

    first = [o for o in level if o is top]
    if first:
        most = int(row["top_max_lots"]) or qty
        share = min(qty * int(row["top_share_bps"]) // 10_000, most, first[0].open_qty)
        give(first, floor(share))
        qty -= got[first[0].order_id]
    after_top = qty
    for k in range(1, 9):
        if row[f"lmm{k}_share_bps"]:
            own = [o for o in level if o.participant == row[f"lmm{k}_participant"] and o is not top]
            share = min(qty, floor(after_top, int(row[f"lmm{k}_share_bps"])))
            qty -= share - give(own, share)
    by_size = floor(qty, 10_000 - int(row["fifo_share_bps"]))
    give(level, qty - by_size)
    left, unserved, total = by_size, [], sum(open_lots.values())
    for o in level if by_size else []:
        mine = open_lots[o.order_id]
        part = floor(mine * by_size // total)
        part = part if part >= int(row["min_allocation_lots"]) else 0
        give([o], part)
        left -= part
        if part == 0 < mine:
            unserved.append(o)
    if row["leveling"]:
        unserved.sort(key=lambda o: (-open_lots[o.order_id], o.place))
        for o in unserved[: left // lot]:
            left -= lot - give([o], lot)
    give(level, left)
    return [(o.order_id, got[o.order_id]) for o in level if got[o.order_id]]


def shares_of(market: Market, level: list[Order], qty: int) -> list[tuple[int, int]]:
    """(order id, lots) of each order of a pro-rata level that gets something of ``qty`` lots."""
    row = market.row
    if market.in_steps:
        return shares_in_steps(row, level, qty, market.top[level[0].side])
    lot, least = int(row["qty_step_lots"]), int(row["min_allocation_lots"])
    top = 0
    if row["top_share_bps"]:
        top = min(level[0].open_qty, qty * int(row["top_share_bps"]) // 10_000)
        top -= top % lot
    rest, total = qty - top, sum(o.open_qty for o in level) - top
    parts = []
    for at, order in enumerate(level):
        part = (order.open_qty - (top if at == 0 else 0)) * rest // total
        part -= part % lot
        parts.append((part if part >= least else 0) + (top if at == 0 else 0))
    residual = qty - sum(parts)
    for at, order in enumerate(level):
        more = min(residual, order.open_qty - parts[at])
        parts[at] += more
        residual -= more
    return [(o.order_id, part) for o, part in zip(level, parts, strict=True) if part]


def sweep_fault(markets: list[Market], index: dict[bytes, int], c: Command, now: int | None) -> str:
    """What a TIME, MASS_CANCEL or DISCONNECT was for and has not done, or nothing."""
    meant = (
        [markets[index[c.symbol]]] if c.kind == CommandKind.MASS_CANCEL and c.symbol else markets
    )
    left = [o for market in meant for o in market.orders.values()]
    if c.kind == CommandKind.TIME:
        over = [o for o in left if o.expiry is not None and now is not None and o.expiry < now]
        return "whatever expired is cancelled" if over else ""
    if c.kind == CommandKind.DISCONNECT:
        own = [o for o in left if o.participant == c.participant]
        return "DISCONNECT takes everything of the participant" if own else ""
    if c.kind == CommandKind.MASS_CANCEL:
        if c.aux == NEW_DAY:
            day = [o for o in left if o.tif not in (TimeInForce.GTC, TimeInForce.GTD)]
            return "a new day takes every order of the day before" if day else ""
        left = [o for o in left if c.aux == 1 or o.participant == c.participant]
        left = [o for o in left if c.side in (0, o.side)]
        return "MASS_CANCEL takes everything that it means" if left else ""
    return ""


def peg_fault(market: Market, order: Order) -> str:
    """What is wrong with where a pegged order stands, or nothing."""
    buy = order.side == Side.BUY
    sign = 1 if buy else -1
    own, opposite = market.best(order.side), market.best(other_side(order.side))
    if not order.waiting and not no_worse(order.side, order.price, order.limit):
        return "a peg keeps its limit"
    if not order.waiting and reaches(order, opposite):
        return "a peg stays short of the opposite best"
    if order.order_type == OrderType.PEG_MIDPOINT:
        reference = None if own is None or opposite is None else (own + opposite) // 2
        if reference is not None and not buy:
            reference = -(-(own + opposite) // 2)
    else:
        reference = own if order.order_type == OrderType.PEG_PRIMARY else opposite
    if reference is None:
        return "" if order.waiting else "a peg without a price waits"
    price = reference + sign * order.aux
    if not market.one_tick or market.half_midpoint or abs(price) > 2**61:
        return ""
    bounds = [price, order.limit, *([] if opposite is None else [opposite - sign])]
    price = min(bounds) if buy else max(bounds)
    if order.waiting == (market.low <= price <= market.high):
        return "a peg with a price stands at it"
    return "" if order.waiting or order.price == price else "a peg follows the best prices"
