"""How an order enters and takes, in plain Python, what it could take, and what rests of it."""

from openoutcry.matcher.reference.allocation import allocate
from openoutcry.matcher.reference.books import (
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

BOOKS_TAKEN = (Place.DISPLAYED, Place.HIDDEN, Place.AON)


def enter(m: Market, order: OpenOrder) -> None:
    """Let an order that was just accepted, replaced, elected or re-pegged trade; then rest, or
    not."""
    limit, stays_at = take_limit(m, order)
    mode = order.mode
    if order.tif == TimeInForce.FOK and fillable(m, order, limit, mode) < order.leaves:
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
    elif order.order_type in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT):
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
    if order.order_type == OrderType.MARKET:
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
    if order.order_type in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT):
        return order.price if m.phase in CALL_PHASES else take_limit(m, order)[1]
    return order.price if order.tif not in (TimeInForce.IOC, TimeInForce.FOK) else None


def crossed_bests(m: Market, order: OpenOrder) -> list[int]:
    """The best displayed and hidden prices of the other side with which the order would trade."""
    against = other(order.side)
    bests = [m.best(place, against) for place in (Place.DISPLAYED, Place.HIDDEN)]
    return [b for b in bests if b is not None and crosses(order.side, order.price, b)]


# Taking


def take(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> None:
    """Trade against the other side, best price first, no further than ``limit``.

    ``time_lots``: of a pro-rata level, the lots that go in time order before it is looked at anew.
    """
    if mode != SelfTrade.ALLOW and m.rules.self_trade_first:
        for met in met_in_turn(m, taker, limit):
            too_large = met.is_aon and met.leaves > taker.leaves
            if taker.leaves and is_own(taker, met) and not too_large:
                prevent_self_trade(m, taker, met, mode)
    time_lots = 0
    level = None
    while taker.leaves:
        maker = next_maker(m, taker, limit)
        if maker is None:
            return
        shares = maker.place == Place.DISPLAYED and m.rules.pro_rata
        if shares and (time_lots == 0 or level != maker.price):
            level = maker.price
            queue = m.books[Place.DISPLAYED, maker.side][level]
            time_lots = sum(o.open_qty for o in queue)
            own = mode != SelfTrade.ALLOW and any(is_own(taker, o) for o in queue)
            if taker.leaves < time_lots and not own:
                allocate_level(m, taker, queue)
                return
        if mode != SelfTrade.ALLOW and is_own(taker, maker):
            shown = maker.open_qty
            prevent_self_trade(m, taker, maker, mode)
            time_lots -= shown - maker.open_qty
        else:
            qty = min(taker.leaves, maker.open_qty)
            fill(m, taker, maker, qty)
            time_lots -= qty


def met_in_turn(m: Market, taker: OpenOrder, limit: int) -> list[OpenOrder]:
    """All orders that are within the taker's limit, in the order in which it meets them."""
    side = other(taker.side)
    found = [o for place in books_taken(m) for o in m.orders_of(place, side)]
    if taker.is_peg:
        found = [o for o in found if o.place != Place.DISPLAYED]
    found = [o for o in found if crosses(taker.side, limit, o.price)]
    if m.phase == Phase.TRADING_AT_LAST:
        found = [o for o in found if o.price == m.last]
    # By place and time already, which a stable sort keeps.
    return sorted(found, key=lambda o: -o.price if side == Side.BUY else o.price)


def next_maker(m: Market, taker: OpenOrder, limit: int) -> OpenOrder | None:
    """The next maker: at the best price displayed, then hidden, then the
    first all-or-none order that is not too large."""
    side = other(taker.side)
    found: OpenOrder | None = None
    for place in books_taken(m):
        price = m.best(place, side)
        if m.phase == Phase.TRADING_AT_LAST:
            price = m.last if m.last in m.books[place, side] else None
        if price is None or not crosses(taker.side, limit, price):
            continue
        maker: OpenOrder | None = m.books[place, side][price][0]
        if place == Place.AON:
            fits = (o for o in m.orders_of(place, side) if o.leaves <= taker.leaves)
            maker = next(fits, None)
            if maker is None or not crosses(taker.side, limit, maker.price):
                continue
        assert maker is not None
        if found is None or not crosses(taker.side, maker.price, found.price):
            found = maker
    return found


def books_taken(m: Market) -> tuple[Place, ...]:
    """The books that a taker matches with, in priority order at one price."""
    return BOOKS_TAKEN[:2] if m.phase == Phase.TRADING_AT_LAST else BOOKS_TAKEN


def is_own(taker: OpenOrder, maker: OpenOrder) -> bool:
    return maker.participant == taker.participant


def fill(m: Market, taker: OpenOrder, maker: OpenOrder, qty: int) -> None:
    """One trade at the maker's price; an iceberg whose slice is filled displays the next."""
    m.last = maker.price
    taker.leaves -= qty
    maker.leaves -= qty
    if maker.is_iceberg:
        maker.shown -= qty
    for order, contra, flags in ((maker, taker, EventFlag.MAKER), (taker, maker, EventFlag(0))):
        m.emit(
            EventKind.FILLED,
            order,
            qty=qty,
            price=maker.price,
            contra_id=contra.order_id,
            flags=flags,
        )
    if maker.leaves == 0:
        m.remove_order(maker)
    elif maker.open_qty == 0:
        refresh(m, maker)


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


def prevent_self_trade(m: Market, taker: OpenOrder, maker: OpenOrder, mode: SelfTrade) -> None:
    """Apply the taker's mode to an order of its own participant."""
    if mode == SelfTrade.DECREMENT:
        qty = min(taker.leaves, maker.leaves)
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


def allocate_level(m: Market, taker: OpenOrder, queue: list[OpenOrder]) -> None:
    """Share a taker that is smaller than the level it has reached; fills are in order of time."""
    for maker, lots in allocate(m.rules, taker.leaves, list(queue)).items():
        if lots:
            fill(m, taker, maker, lots)


# The simulation


def fillable(m: Market, taker: OpenOrder, limit: int, mode: SelfTrade) -> int:
    """Lots of the taker that the order would take, without touching anything."""
    side = other(taker.side)
    left = taker.leaves
    if m.rules.self_trade_first and mode not in (SelfTrade.ALLOW, SelfTrade.CANCEL_OLDEST):
        met = met_in_turn(m, taker, limit)
        if any(is_own(taker, o) and not (o.is_aon and o.leaves > left) for o in met):
            return 0
    prices = {
        price
        for place in books_taken(m)
        for price in m.books[place, side]
        if crosses(taker.side, limit, price)
        and (m.phase != Phase.TRADING_AT_LAST or price == m.last)
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
    """What is left of the taker after a level, and whether an own order ends it there."""
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
