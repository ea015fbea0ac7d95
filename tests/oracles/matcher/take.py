"""How an order enters and takes, in plain Python, what it could take, and what rests of it."""

from copy import deepcopy

from openoutcry.wire.enums import (
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.records import EVENT
from tests.oracles.matcher.allocation import allocate
from tests.oracles.matcher.books import (
    ANY_PRICE,
    CALL_PHASES,
    NO_TRADE,
    RESTING_TIFS,
    Market,
    OpenOrder,
    Place,
    crosses,
    other,
    resting_place,
)
from tests.oracles.matcher.lists import ended, took, traded

UNSTANDING = (OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.MARKET_BUDGET)
"""Order types that never rest as they are."""
KIND_FIELD, REASON_FIELD = map([field.name for field in EVENT.fields].index, ("kind", "reason"))
BOOKS_TAKEN = (Place.DISPLAYED, Place.HIDDEN, Place.AON)


def enter(m: Market, order: OpenOrder) -> None:
    """Let an order that was just accepted, replaced, elected or re-pegged trade; then rest, or
    not."""
    before = order.leaves
    enter_alone(m, order)
    took(m, order, before)


def enter_alone(m: Market, order: OpenOrder) -> None:
    """:func:`enter`, without what a list makes of it."""
    limit, stays_at = take_limit(m, order)
    mode = order.mode
    if order.tif == TimeInForce.FOK and not trades_whole(m, order, limit, mode):
        m.cancel_order(order, Reason.FOK_UNFILLABLE)
        return
    if order.order_type == OrderType.MIN_QTY:
        if fillable(m, order, limit, mode) < order.min_qty:
            m.cancel_order(order, Reason.MIN_QTY_UNFILLABLE)
            return
        order.order_type = OrderType.LIMIT
    if order.is_aon and fillable(m, order, limit, mode) < order.leaves:
        m.join_book(order, Place.AON)
        return
    take(m, order, limit, mode)
    if order.leaves == 0:
        m.remove_order(order)
    elif order.pays_no_more:
        m.cancel_order(order, Reason.OFF_LOT)
    elif may_wait(m, order) and not bests(m, other(order.side)):
        let_wait(m, order)
    elif order.order_type in UNSTANDING:
        convert(m, order, stays_at)
    elif order.tif in RESTING_TIFS:
        m.rest_after_arrival(order, resting_place(order))
    else:
        m.cancel_order(order, Reason.IOC_REST)


def convert(m: Market, order: OpenOrder, price: int | None, arrives: bool = True) -> None:
    """Convert a market order's remainder to a limit order at ``price``, or cancel it.
    ``arrives``: it has just taken, which is not so after an auction."""
    if price is None:
        m.cancel_order(order, Reason.MARKET_REST)
        return
    refusal = m.refuse_join(Place.DISPLAYED, order.side, price, order.leaves)
    if refusal:
        m.cancel_order(order, refusal)
        return
    m.change_type(order, OrderType.LIMIT)
    order.price = price
    m.emit(EventKind.CONVERTED, order, qty=order.leaves)
    (m.rest_after_arrival if arrives else m.join_book)(order, Place.DISPLAYED)


def take_limit(m: Market, order: OpenOrder) -> tuple[int, int | None]:
    """The worst price at which the order takes, and where it stays if something is left of a
    market order: nowhere, if None."""
    side = order.side
    if order.order_type in (OrderType.MARKET, OrderType.MARKET_BUDGET):
        if m.phase == Phase.TRADING_AT_LAST:
            assert m.last is not None
            return m.last, None
        if m.rules.market_band == 0:
            return ANY_PRICE[side], None
        best = m.best_displayed(other(side))
        if best is None:
            return NO_TRADE[side], None
        limit = best + m.rules.market_band if side == Side.BUY else best - m.rules.market_band
        limit = min(max(limit, ANY_PRICE[Side.SELL]), ANY_PRICE[Side.BUY])
        stays = m.rules.market_rest_stays and order.tif == TimeInForce.DAY
        return limit, m.rules.passive_price(side, limit) if stays else None
    if order.order_type == OrderType.MARKET_TO_LIMIT:
        if m.waiting(other(side)):
            return NO_TRADE[side], None
        best = m.best_displayed(other(side))
        if best is None:
            best = m.best(Place.HIDDEN, other(side))
        if best is None:
            return NO_TRADE[side], None
        return best, best
    if order.order_type == OrderType.POST_ONLY:
        return NO_TRADE[side], None
    return order.price, None


def resting_price(m: Market, order: OpenOrder) -> int | None:
    """Price of the book in which a new order could come to rest, or None if it never rests."""
    if order.order_type in UNSTANDING:
        return order.price if m.phase in CALL_PHASES else take_limit(m, order)[1]
    return order.price if order.tif not in (TimeInForce.IOC, TimeInForce.FOK) else None


def crossed_bests(m: Market, order: OpenOrder) -> list[int]:
    """The best displayed and hidden prices of the other side with which the order would trade."""
    against = other(order.side)
    return [b for b in bests(m, against) if crosses(order.side, order.price, b)]


def bests(m: Market, side: Side) -> list[int]:
    """The best displayed and hidden prices of a side."""
    prices = [m.best(place, side) for place in (Place.DISPLAYED, Place.HIDDEN)]
    return [price for price in prices if price is not None]


# Market orders that wait for the other side


def may_wait(m: Market, order: OpenOrder) -> bool:
    """Whether the order's remainder waits, without a price, if it finds no counterparty."""
    is_market = order.order_type == OrderType.MARKET and order.tif in RESTING_TIFS
    return m.rules.market_waits and m.phase == Phase.CONTINUOUS and is_market


def let_wait(m: Market, order: OpenOrder) -> None:
    """Let the remainder of a market order wait, without a price, for the other side."""
    order.price = ANY_PRICE[order.side]
    m.emit(EventKind.REPEGGED, order, qty=order.leaves, flags=EventFlag.WAITING)
    m.join_book(order, Place.NOWHERE)


def waiting_price(m: Market, taker: OpenOrder) -> int | None:
    """The price at which the taker trades with market orders that wait.  It is the last price, else
    the reference price.  It is never worse for the taker than the best limit on their side, nor
    than its limit."""
    if m.phase == Phase.TRADING_AT_LAST:
        return m.last
    reference = m.ref if m.last is None else m.last
    prices = bests(m, other(taker.side)) + ([] if reference is None else [reference])
    if taker.order_type not in UNSTANDING:
        prices.append(taker.price)
    if taker.order_type == OrderType.MARKET_TO_LIMIT or not prices:
        return None
    return min(prices) if taker.side == Side.BUY else max(prices)


def price_with(m: Market, taker: OpenOrder, maker: OpenOrder) -> int:
    """The price at which the two would trade: the maker's, but trading at last the last."""
    at_last = m.phase == Phase.TRADING_AT_LAST
    unpriced = at_last or maker.place == Place.NOWHERE
    price = waiting_price(m, taker) if unpriced else maker.price
    assert price is not None
    return price


def take_waiting(m: Market, taker: OpenOrder, mode: SelfTrade) -> bool:
    """Trade with the market orders that wait on the other side, oldest first; whether the taker's
    budget is used up."""
    while taker.leaves and (waiting := m.waiting(other(taker.side))):
        price = waiting_price(m, taker)
        if price is None:
            return False
        lots = lots_wanted(m, taker, price)
        if lots == 0:
            return True
        if mode != SelfTrade.ALLOW and is_own(taker, waiting[0]):
            prevent_self_trade(m, taker, waiting[0], mode, price)
        else:
            fill(m, taker, waiting[0], min(lots, waiting[0].leaves), price)
        if lots_wanted(m, taker, price) == 0:
            return True
    return False


# Taking


def take(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> None:
    """Trade against the other side, best price first, no further than ``limit``.

    In a pro-rata level, ``time_lots`` trade in time order before the level is allocated again.
    """
    prevent_first(m, taker, limit, mode)
    if take_waiting(m, taker, mode):
        taker.pays_no_more = True
        return
    time_lots = 0
    level = None
    while taker.leaves:
        maker = next_maker(m, taker, limit)
        lots = 0 if maker is None else lots_wanted(m, taker, maker.price)
        if maker is None or lots == 0:
            taker.pays_no_more = maker is not None
            return
        level_price = maker.price
        shares = maker.place == Place.DISPLAYED and m.rules.pro_rata
        if shares and (time_lots == 0 or level != maker.price):
            level = maker.price
            queue = m.books[Place.DISPLAYED, maker.side][level]
            time_lots = sum(o.open_qty for o in queue)
            own = mode != SelfTrade.ALLOW and any(is_own(taker, o) for o in queue)
            if lots < time_lots and not own:
                allocate_level(m, taker, queue, lots)
                taker.pays_no_more = taker.leaves > 0
                return
        if mode != SelfTrade.ALLOW and is_own(taker, maker):
            shown = maker.open_qty
            prevent_self_trade(m, taker, maker, mode, maker.price)
            time_lots -= shown - maker.open_qty
        else:
            qty = min(lots, maker.open_qty)
            fill(m, taker, maker, qty, price_with(m, taker, maker))
            time_lots -= qty
        if lots_wanted(m, taker, level_price) == 0:
            taker.pays_no_more = taker.leaves > 0
            return


def prevent_first(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> None:
    """Prevent self-trades before any trade, if the instrument says so."""
    if mode == SelfTrade.ALLOW or not m.rules.self_trade_first:
        return
    for met in met_in_turn(m, taker, limit):
        too_large = met.is_aon and met.leaves > lots_wanted(m, taker, met.price)
        if taker.leaves and is_own(taker, met) and not too_large:
            prevent_self_trade(m, taker, met, mode, price_with(m, taker, met))


def lots_wanted(m: Market, taker: OpenOrder, price: int) -> int:
    """The lots that the taker would trade at ``price``: all of its lots, or, if its budget does not
    pay for them, the whole steps that it pays for.  At a price of zero or less, 0."""
    if taker.budget is None:
        return taker.leaves
    paid = taker.budget // price if price > 0 else 0
    return taker.leaves if paid >= taker.leaves else m.rules.whole_lots(paid)


def met_in_turn(m: Market, taker: OpenOrder, limit: int) -> list[OpenOrder]:
    """All orders that are within the taker's limit, in the order in which it meets them."""
    side = other(taker.side)
    makers = [o for place in books_taken(m) for o in m.orders_of(place, side)]
    if taker.is_peg:
        makers = [o for o in makers if o.place != Place.DISPLAYED]
    makers = [o for o in makers if crosses(taker.side, limit, o.price)]
    first = m.waiting(side) if waiting_price(m, taker) is not None else []
    # By place and time already, which a stable sort keeps.
    return first + sorted(makers, key=lambda o: -o.price if side == Side.BUY else o.price)


def next_maker(m: Market, taker: OpenOrder, limit: int) -> OpenOrder | None:
    """The next maker: at the best price displayed, then hidden, then the
    first all-or-none order that is not too large."""
    side = other(taker.side)
    best: OpenOrder | None = None
    for place in books_taken(m):
        price = m.best(place, side)
        if price is None or not crosses(taker.side, limit, price):
            continue
        maker: OpenOrder | None = m.books[place, side][price][0]
        if place == Place.AON:
            fits = (
                o for o in m.orders_of(place, side) if o.leaves <= lots_wanted(m, taker, o.price)
            )
            maker = next(fits, None)
            if maker is None or not crosses(taker.side, limit, maker.price):
                continue
        assert maker is not None
        if best is None or not crosses(taker.side, maker.price, best.price):
            best = maker
    return best


def books_taken(m: Market) -> tuple[Place, ...]:
    """The books that a taker matches with, in priority order at one price."""
    return BOOKS_TAKEN[:2] if m.phase == Phase.TRADING_AT_LAST else BOOKS_TAKEN


def is_own(taker: OpenOrder, maker: OpenOrder) -> bool:
    """Whether both orders are of one participant."""
    return maker.participant == taker.participant


def fill(m: Market, taker: OpenOrder, maker: OpenOrder, qty: int, price: int) -> None:
    """One trade; an iceberg whose slice is filled displays the next."""
    m.last = price
    spend(taker, qty, price)
    taker.leaves -= qty
    maker.leaves -= qty
    if maker.is_iceberg:
        maker.shown -= qty
    for order, contra, flags in ((maker, taker, EventFlag.MAKER), (taker, maker, EventFlag(0))):
        m.emit(
            EventKind.FILLED,
            order,
            qty=qty,
            price=price,
            contra_id=contra.order_id,
            flags=flags,
        )
    if maker.leaves:
        traded(m, maker)
    else:
        ended(m, maker, filled=True)
    if maker.leaves == 0:
        m.remove_order(maker)
    elif maker.open_qty == 0:
        refresh(m, maker)


def spend(taker: OpenOrder, lots: int, price: int) -> None:
    """Take the price of a trade off the taker's budget, if it has one."""
    if taker.budget is not None:
        taker.budget -= lots * price
        assert taker.budget >= 0


def refresh(m: Market, order: OpenOrder) -> None:
    """An iceberg's next slice goes to the back of its level."""
    m.leave_book(order)
    order.is_top = False
    refusal = m.refuse_order(order)
    if refusal:
        m.cancel_order(order, refusal)
        return
    m.join_book(order, Place.DISPLAYED)
    m.emit(
        EventKind.REFRESHED,
        order,
        qty=order.shown,
        contra_id=order.display,
        flags=EventFlag.ICEBERG,
    )


def prevent_self_trade(
    m: Market, taker: OpenOrder, maker: OpenOrder, mode: SelfTrade, price: int
) -> None:
    """Apply the taker's mode to an order of the same participant, met at ``price``."""
    if mode == SelfTrade.DECREMENT:
        qty = min(lots_wanted(m, taker, price), maker.leaves)
        if qty == 0:
            return
        spend(taker, qty, price)
        for order in (maker, taker):
            if qty == order.leaves:
                m.cancel_order(order, Reason.SELF_TRADE)
            else:
                m.reduce_order(order, qty)
                m.emit(EventKind.REDUCED, order, qty=qty, reason=Reason.SELF_TRADE)
        return
    if mode in (SelfTrade.CANCEL_OLDEST, SelfTrade.CANCEL_BOTH):
        m.cancel_order(maker, Reason.SELF_TRADE)
    if mode in (SelfTrade.CANCEL_NEWEST, SelfTrade.CANCEL_BOTH):
        m.cancel_order(taker, Reason.SELF_TRADE)


def allocate_level(m: Market, taker: OpenOrder, queue: list[OpenOrder], qty: int) -> None:
    """Share ``qty`` lots, fewer than the level displays, among it; fills are in order of time."""
    for maker, lots in allocate(m.rules, qty, list(queue)).items():
        if lots:
            fill(m, taker, maker, lots, price_with(m, taker, maker))


# The simulation


def trades_whole(m: Market, order: OpenOrder, limit: int, mode: SelfTrade) -> bool:
    """Whether a FOK order would trade all of its quantity, or of its budget what pays for lots."""
    if order.budget is None:
        if mode == SelfTrade.CANCEL_OLDEST and m.rules.self_trade_first:
            # Who waits trades at another price, or at none, without the own orders that go first.
            m, order = deepcopy((m, order))
            prevent_first(m, order, limit, mode)
        return fillable(m, order, limit, mode) == order.leaves
    if meets_own_first(m, order, limit, mode):
        return False
    # Let its twin trade in a copy of everything, and see what stopped it.
    market, twin = deepcopy((m, order))
    take(market, twin, limit, mode)
    own = [e for e in market.event_log.events if e[0] == order.order_id]
    if any(e[REASON_FIELD] == Reason.SELF_TRADE for e in own):
        return False
    if not any(e[KIND_FIELD] == EventKind.FILLED for e in own):
        return False
    assert market.last is not None
    ahead = next_maker(market, twin, limit)
    prices = [market.last] + ([ahead.price] if ahead is not None and ahead.price > 0 else [])
    return any(lots_wanted(market, twin, price) == 0 for price in prices)


def meets_own_first(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> bool:
    """Whether prevention before any trade would end the order, or take from it."""
    if not m.rules.self_trade_first or mode in (SelfTrade.ALLOW, SelfTrade.CANCEL_OLDEST):
        return False
    met = [o for o in met_in_turn(m, taker, limit) if is_own(taker, o)]
    return any(not o.is_aon or o.leaves <= lots_wanted(m, taker, o.price) for o in met)


def fillable(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> int:
    """Lots of the taker that the order would take, without touching anything."""
    side = other(taker.side)
    left = taker.leaves
    if meets_own_first(m, taker, limit, mode):
        return 0
    if waiting_price(m, taker) is not None:
        left, met_own = simulate_level(m.waiting(side), taker, left, mode)
        if met_own or left == 0:
            return taker.leaves - left
    prices = {
        price
        for place in books_taken(m)
        for price in m.books[place, side]
        if crosses(taker.side, limit, price)
    }
    for price in sorted(prices, reverse=side == Side.BUY):
        for place in books_taken(m):
            left, met_own = simulate_level(m.books[place, side].get(price, []), taker, left, mode)
            if met_own or left == 0:
                return taker.leaves - left
    return taker.leaves - left


def simulate_level(
    level: list[OpenOrder], taker: OpenOrder, left: int, mode: SelfTrade
) -> tuple[int, bool]:
    """Return what is left of the taker after a level, and whether an own order ends it there."""
    queue = [(maker, maker.open_qty) for maker in level]
    reserve = {maker: maker.leaves - maker.open_qty for maker in level}
    while queue and left:
        maker, qty = queue.pop(0)
        if maker.is_aon and qty > left:
            continue
        if mode != SelfTrade.ALLOW and is_own(taker, maker):
            if mode == SelfTrade.CANCEL_OLDEST:
                continue
            return left, True
        left -= min(qty, left)
        if reserve[maker]:
            slice_qty = min(maker.display, reserve[maker])
            reserve[maker] -= slice_qty
            queue.append((maker, slice_qty))
    return left, False
