"""Calls and uncrossings in plain Python: one price at which the most can trade."""

from dataclasses import dataclass
from itertools import takewhile

from openoutcry.wire.enums import (
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.order_types import MARKETS
from openoutcry.wire.records import MAX_VALUE
from tests.oracles.matcher.books import (
    ANY_PRICE,
    AUCTION_ONLY,
    CALL_PHASES,
    NO_INDICATION,
    Market,
    OpenOrder,
    Place,
    event_price,
)
from tests.oracles.matcher.cascade import elect, next_elected, park_pegs
from tests.oracles.matcher.lists import ended, traded
from tests.oracles.matcher.take import convert, let_wait, may_wait

UNCROSSING_PHASES = (Phase.CONTINUOUS, Phase.TRADING_AT_LAST, Phase.CLOSED)


@dataclass(frozen=True)
class Outcome:
    """Result of an uncrossing: all zero without a price."""

    price: int | None = None
    volume: int = 0
    surplus: int = 0
    """Positive: buyers are left over."""

    @property
    def saturated(self) -> tuple[int, int]:
        """Volume and surplus in lots, as reported: they saturate at INT64_MAX."""
        return min(self.volume, MAX_VALUE), min(abs(self.surplus), MAX_VALUE)

    @property
    def surplus_side(self) -> int:
        """The Side of the surplus, 0 if nothing is left over."""
        return 0 if self.surplus == 0 else Side.BUY if self.surplus > 0 else Side.SELL


def change_phase(m: Market, new: Phase, ref: int | None, has_ref: bool) -> None:
    """Enter a phase; what a call has collected trades first, if its price is within the band."""
    old = m.phase
    if has_ref:
        m.ref = ref
    elif m.last is not None:
        m.ref = m.last
    uncrosses = uncrosses_into(m, new)
    if new == Phase.CLOSED and (m.held or old == Phase.HALT):
        m.extensions, uncrosses = 0, False
    if uncrosses and is_extended(m):
        m.extensions += 1
        emit_phase_changed(m, old, old, Reason.AUCTION_EXTENDED)
        return
    m.phase = new
    if new != Phase.CONTINUOUS:
        for side in Side:
            m.lose_top(side)
    emit_phase_changed(m, new, old, Reason.NONE)
    if uncrosses:
        uncross(m)
    if new in CALL_PHASES:
        enter_call(m)
    elif new == Phase.CLOSED:
        for order in m.canonical():
            if order.tif not in (TimeInForce.GTC, TimeInForce.GTD):
                m.cancel_order(order, Reason.DAY_END, EventKind.EXPIRED)


def uncrosses_into(m: Market, new: Phase) -> bool:
    """Whether the change to a phase uncrosses the call, or a crossed book."""
    called = new in UNCROSSING_PHASES and m.called
    return called or (new == Phase.CONTINUOUS and is_crossed(m))


def may_enter(m: Market, new: Phase) -> bool:
    """Not a phase that begins with trades, while nothing may trade."""
    begins = new != Phase.CLOSED and uncrosses_into(m, new) and is_crossed(m)
    return not (m.held and begins)


def emit_phase_changed(m: Market, new: Phase, old: Phase, reason: Reason) -> None:
    """Write the PHASE_CHANGED event."""
    m.event_log.write(
        EventKind.PHASE_CHANGED,
        m.index,
        price=event_price(m.ref),
        qty=new,
        contra_id=old,
        reason=reason,
    )


def is_crossed(m: Market) -> bool:
    """Whether shown or hidden orders could trade with each other: trading at last leaves such."""
    buys, sells = auction_queue(m, Side.BUY), auction_queue(m, Side.SELL)
    return bool(buys and sells) and buys[0].price >= sells[0].price


def is_extended(m: Market) -> bool:
    """Whether the auction is put off: its price is outside the band, and it was not put off too
    often."""
    price = outcome(m).price
    if m.rules.auction_band == 0 or m.ref is None or price is None:
        return False
    is_outside = abs(price - m.ref) > m.rules.auction_band
    return is_outside and m.extensions < m.rules.auction_extensions


def enter_call(m: Market) -> None:
    """Begin a call: pegs leave the book, and orders for the auction and waiting market orders join
    it."""
    m.called = True
    m.indicative = NO_INDICATION
    park_pegs(m)
    joining = m.waiting(Side.BUY) + m.waiting(Side.SELL)
    if m.phase == Phase.CLOSING_AUCTION:
        joining += m.parked()
    for order in joining:
        refusal = m.refuse_order(order)
        if refusal:
            m.cancel_order(order, refusal)
            continue
        m.emit(EventKind.ELECTED, order, qty=order.leaves)
        m.join_book(order, Place.DISPLAYED)


def publish_indicative(m: Market) -> None:
    """Publish INDICATIVE if it changed within this call."""
    if m.phase not in CALL_PHASES:
        return
    clearing = outcome(m)
    indication = (event_price(clearing.price), *clearing.saturated, clearing.surplus_side)
    if indication != m.indicative:
        m.indicative = indication
        emit_auction(m, EventKind.INDICATIVE, clearing)


def emit_auction(m: Market, kind: EventKind, clearing: Outcome) -> None:
    """Write an INDICATIVE or UNCROSSED event."""
    volume, surplus = clearing.saturated
    m.event_log.write(
        kind,
        m.index,
        price=event_price(clearing.price),
        qty=volume,
        leaves=surplus,
        side=clearing.surplus_side,
    )


# The price


def auction_queue(m: Market, side: Side) -> list[OpenOrder]:
    """The participating orders: by price (market orders first), displayed before hidden, then
    time."""
    queue = [*m.orders_of(Place.DISPLAYED, side), *m.orders_of(Place.HIDDEN, side)]
    return sorted(queue, key=lambda o: -o.price if side == Side.BUY else o.price)


def outcome(m: Market) -> Outcome:
    """Most volume, then least surplus, then its side's pressure, then nearest the reference."""
    buys, sells = auction_queue(m, Side.BUY), auction_queue(m, Side.SELL)
    prices = {o.price for o in buys + sells if o.price != ANY_PRICE[o.side]}
    if not prices:
        fallback = m.last if m.ref is None else m.ref
        prices = set() if fallback is None else {fallback}
    outcomes = [o for o in (outcome_at(buys, sells, p) for p in sorted(prices)) if o.volume > 0]
    if not outcomes:
        return Outcome()
    volume = max(o.volume for o in outcomes)
    outcomes = [o for o in outcomes if o.volume == volume]
    surplus = min(abs(o.surplus) for o in outcomes)
    outcomes = [o for o in outcomes if abs(o.surplus) == surplus]
    if all(o.surplus > 0 for o in outcomes):
        return outcomes[-1]
    if all(o.surplus < 0 for o in outcomes):
        return outcomes[0]
    ref = m.ref
    if ref is None:
        return outcomes[-1]
    return min(reversed(outcomes), key=lambda o: abs(event_price(o.price) - ref))


def outcome_at(buys: list[OpenOrder], sells: list[OpenOrder], price: int) -> Outcome:
    """Return the orders that would trade at a price; both sides in their queue's order."""
    willing_buys = takewhile(lambda o: o.price >= price, buys)
    willing_sells = takewhile(lambda o: o.price <= price, sells)
    demand = sum(o.leaves for o in willing_buys)
    supply = sum(o.leaves for o in willing_sells)
    return Outcome(price, min(demand, supply), demand - supply)


# The uncrossing


def uncross(m: Market) -> None:
    """Elect stops until the price stays, trade everything that can at that one price, and clear
    what was there for this auction only."""
    clearing = outcome(m)
    while clearing.price is not None and elect_stops(m, clearing.price):
        clearing = outcome(m)
    emit_auction(m, EventKind.UNCROSSED, clearing)
    if clearing.price is not None:
        trade_all(m, clearing.price)
        m.last = m.ref = clearing.price
    for side in Side:
        for order in list(m.orders_of(Place.DISPLAYED, side)):
            cancel_or_convert(m, order, clearing.price)
    m.called = False
    m.extensions = 0


def elect_stops(m: Market, price: int) -> bool:
    """Elect every stop that ``price`` triggers into the auction; whether there were any."""
    some = False

    def elects(stop: OpenOrder) -> int | None:
        return price if stop.trigger_by in (0, TriggerBy.LAST) else None

    while (order := next_elected(m, elects)) is not None:
        some = True
        elect(m, order)
        is_market = order.order_type == OrderType.MARKET
        joins_at = ANY_PRICE[order.side] if is_market else order.price
        refusal = m.refuse_join(Place.DISPLAYED, order.side, joins_at, order.leaves)
        if refusal:
            m.cancel_order(order, refusal)
        else:
            order.price = joins_at
            m.join_book(order, Place.DISPLAYED)
    return some


def trade_all(m: Market, price: int) -> None:
    """Buyers against sellers, each in its queue's order, until one side is done."""
    buys = [o for o in auction_queue(m, Side.BUY) if o.price >= price]
    sells = [o for o in auction_queue(m, Side.SELL) if o.price <= price]
    while buys and sells:
        buyer, seller = buys[0], sells[0]
        qty = min(buyer.leaves, seller.leaves)
        buyer.leaves -= qty
        seller.leaves -= qty
        for order, contra in ((buyer, seller), (seller, buyer)):
            m.emit(
                EventKind.FILLED,
                order,
                qty=qty,
                price=price,
                contra_id=contra.order_id,
                flags=EventFlag.AUCTION,
            )
        for order, queue in ((buyer, buys), (seller, sells)):
            if order.leaves == 0:
                ended(m, order, filled=True)
                m.remove_order(order)
            elif order.is_iceberg:
                display_slice(m, order)
            if order.leaves:
                traded(m, order)
            if order.leaves == 0:
                queue.pop(0)


def display_slice(m: Market, order: OpenOrder) -> None:
    """An iceberg in its place shows a whole slice, if its level can hold that."""
    order.shown = min(order.display, order.leaves)
    level = m.books[Place.DISPLAYED, order.side][order.price]
    if sum(o.open_qty for o in level) > MAX_VALUE:
        m.cancel_order(order, Reason.LEVEL_OVERFLOW)


def cancel_or_convert(m: Market, order: OpenOrder, price: int | None) -> None:
    """Cancel or convert what an order for this auction, or one without a limit, has left
    after it."""
    if order.tif in AUCTION_ONLY:
        m.cancel_order(order, Reason.AUCTION_REST)
    elif order.order_type in MARKETS:
        stays = order.order_type == OrderType.MARKET_TO_LIMIT or (
            m.rules.market_rest_stays and order.tif == TimeInForce.DAY
        )
        m.leave_book(order)
        if may_wait(m, order):
            let_wait(m, order)
        elif price is None or not stays:
            convert(m, order, None)
        else:
            convert(m, order, m.rules.passive_price(order.side, price), arrives=False)
