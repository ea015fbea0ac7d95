"""The books of the reference matcher: orders, price steps, an instrument's books.

Everything is a list or a dictionary, searched from one end to the other whenever it is asked for.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from openoutcry.matcher.book.position import Position
from openoutcry.matcher.event_bound import LEG_EXTRA, extra_capacity, instrument_extra, order_extra
from openoutcry.matcher.rules import Rules
from openoutcry.wire.enums import (
    Allocation,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.order_types import ORDER_TYPES, PEGS, STOPS, TAKE_PROFITS, TRAILING, Home
from openoutcry.wire.records import MAX_VALUE, NO_PRICE
from tests.oracles.matcher.lists import Link, OrderList, ended

ANY_PRICE = {Side.BUY: MAX_VALUE, Side.SELL: -MAX_VALUE - 1}
"""The limit of a market order, and its price in a call."""
NO_TRADE = {Side.BUY: -MAX_VALUE - 2, Side.SELL: MAX_VALUE + 1}
"""A limit that crosses nothing: beyond every price."""

CALL_PHASES = (
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
)
POST_ONLY = (OrderType.POST_ONLY, OrderType.POST_ONLY_SLIDE)
AUCTION_ONLY = (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE)
RESTING_TIFS = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)

NO_INDICATION = (NO_PRICE, 0, 0, 0)
"""Price, volume, surplus and its side of a call in which nothing can trade."""


class Place(IntEnum):
    """The book that an order is in; at one price the smaller trades first."""

    NOWHERE = 0
    """Open, but in no level: a peg without a price, a trailing stop without a trigger, an order
    parked for an auction."""
    DISPLAYED = 1
    HIDDEN = 2
    AON = 3
    TRIGGER = 4


PLACE_OF = {
    Home.DISPLAYED: Place.DISPLAYED,
    Home.HIDDEN: Place.HIDDEN,
    Home.ALL_OR_NONE: Place.AON,
    Home.TRIGGERS: Place.TRIGGER,
}
BOOKS = (Place.DISPLAYED, Place.HIDDEN, Place.AON, Place.TRIGGER)
CANONICAL = (
    (Place.DISPLAYED, Side.BUY),
    (Place.DISPLAYED, Side.SELL),
    (Place.HIDDEN, Side.BUY),
    (Place.HIDDEN, Side.SELL),
    (Place.AON, Side.BUY),
    (Place.AON, Side.SELL),
    (Place.TRIGGER, Side.SELL),
    (Place.TRIGGER, Side.BUY),
)


@dataclass(eq=False)
class OpenOrder:
    """An order; ``order_type`` is what it is now: an elected stop is a MARKET or LIMIT order."""

    order_id: int
    participant: int
    side: Side
    order_type: OrderType
    tif: TimeInForce
    mode: SelfTrade
    price: int
    """As reported in events: a waiting peg's limit, 0 of a stop without limit."""
    leaves: int
    arrival: int = 0
    """Event number of its ACCEPTED, or of the REPLACED that lost it its place."""
    expiry: int | None = None
    expiry_number: int = 0
    """Event number of what gave it its expiry."""
    display: int = 0
    """Iceberg: quantity of its next slice."""
    slices: int = 0
    """Iceberg: how many slices it had when it came or was last replaced."""
    shown: int = 0
    """Iceberg: what is left of its slice."""
    trigger: int | None = None
    distance: int = 0
    """Trailing stop: ticks, or basis points."""
    trail_step: int = 0
    limit: int = 0
    """Peg: its limit price."""
    offset: int = 0
    min_qty: int = 0
    budget: int | None = None
    """The rest of its budget, price ticks times lots."""
    pays_no_more: bool = False
    """The rest of its budget pays for no lot at the current price."""
    place: Place = Place.NOWHERE
    is_top: bool = False
    """It has bettered the market (Allocation.STEPS)."""
    moved_from: int | None = None
    """Being replaced: the best displayed price of its side before."""
    link: Link | None = None
    """Its place in a list of orders."""
    trigger_by: int = 0
    """A stop's own TriggerBy, or 0."""
    activation: int | None = None
    """Trailing stop: the price at which it begins to trail, until then."""

    @property
    def is_iceberg(self) -> bool:
        """Whether it shows slices."""
        return self.order_type == OrderType.ICEBERG

    @property
    def is_peg(self) -> bool:
        """Whether its price follows the best displayed prices."""
        return self.order_type in PEGS

    @property
    def is_stop(self) -> bool:
        """Whether it is a stop that waits for its trigger."""
        return self.order_type in STOPS

    @property
    def rises(self) -> bool:
        """Whether a stop waits for a price at or above its trigger, and not at or below."""
        return (self.side == Side.BUY) != (self.order_type in TAKE_PROFITS)

    @property
    def is_dormant(self) -> bool:
        """Whether it is a leg of a list that has not entered."""
        return self.link is not None and self.link.is_dormant

    @property
    def is_aon(self) -> bool:
        """Whether it trades as a whole or not at all."""
        return self.order_type == OrderType.ALL_OR_NONE

    @property
    def open_qty(self) -> int:
        """Return how much of it a taker finds at once."""
        return self.shown if self.is_iceberg and not self.is_dormant else self.leaves

    @property
    def book_side(self) -> Side:
        """The side of the book that it is in: of a trigger, the side whose stops wait there."""
        if self.place == Place.TRIGGER:
            return trigger_side(self)
        return self.side

    @property
    def level_price(self) -> int:
        """The price of the level it is in."""
        if self.place == Place.TRIGGER:
            assert self.trigger is not None
            return self.trigger
        return self.price


@dataclass
class EventLog:
    """The events written, and the command that causes them."""

    count: int = 0
    commands: int = 0
    """Commands seen: of the one at work, its number."""
    cause_seq: int = 0
    events: list[tuple[int, ...]] = field(default_factory=list)

    def write(
        self,
        kind: EventKind,
        instrument: int,
        order_id: int = 0,
        participant: int = 0,
        side: int = 0,
        price: int = 0,
        qty: int = 0,
        leaves: int = 0,
        reason: Reason = Reason.NONE,
        contra_id: int = 0,
        flags: int = 0,
    ) -> None:
        """Append one event, its fields in the order of EVENT_DTYPE."""
        self.count += 1
        self.events.append(
            (
                order_id,
                contra_id,
                price,
                qty,
                leaves,
                self.cause_seq,
                participant,
                instrument,
                kind,
                reason,
                side,
                flags,
                self.count,
            )
        )


@dataclass
class Capacity:
    """Capacity that all instruments of an engine share: how much may be open."""

    order_capacity: int
    level_pages: int
    markets: list["Market"] = field(default_factory=list)
    pages: Counter[tuple[int, Place, Side, int]] = field(default_factory=Counter)
    """Open levels in each page of 64 prices."""

    @property
    def open_orders(self) -> int:
        """Orders that are open, in all instruments."""
        return sum(len(market.orders) for market in self.markets)

    def has_event_capacity(
        self, market: "Market", added: OpenOrder, removed: OpenOrder | None = None
    ) -> bool:
        """Whether ``added`` may be open (instead of ``removed``): one command must never cause more
        events than there is room for."""
        if not is_special(added) and not market.rules.pro_rata:
            return True
        before = extra_events(market, list(market.special.values()), len(market.orders))
        special = [order for order in market.special.values() if order is not removed]
        count = len(market.orders) + (removed is None)
        after = extra_events(market, [*special, added], count)
        if after <= before:
            return True
        total = sum(extra_events(m, list(m.special.values()), len(m.orders)) for m in self.markets)
        return total - before + after <= extra_capacity(self.order_capacity)

    def has_space_for_events(self, market: "Market", more: int) -> bool:
        """Whether ``more`` plain orders may be open, likewise."""
        if not market.rules.pro_rata:
            return True
        special, count = list(market.special.values()), len(market.orders)
        before = extra_events(market, special, count)
        after = extra_events(market, special, count + more)
        if after <= before:
            return True
        total = sum(extra_events(m, list(m.special.values()), len(m.orders)) for m in self.markets)
        return total - before + after <= extra_capacity(self.order_capacity)


Book = dict[int, list[OpenOrder]]
"""One side: price -> its orders, first come first; a price without orders is not there."""


class Market:
    """One instrument: its rules, phase, prices, and the orders in its books."""

    def __init__(self, index: int, row: Any, capacity: Capacity, event_log: EventLog) -> None:
        self.index, self.rules = index, Rules(row)
        self.capacity, self.event_log = capacity, event_log
        self.phase = Phase(int(row["initial_phase"]))
        self.called = self.phase in CALL_PHASES
        self.held = False
        """The hooks let nothing trade."""
        self.last: int | None = None
        self.mark: int | None = None
        self.index_price: int | None = None
        self.ref = price_or_none(int(row["reference_price_ticks"]))
        self.extensions = 0
        self.day = 0
        """The trading day that began last without a close, YYYYMMDD."""
        self.indicative = NO_INDICATION
        """The indicative price, volume, surplus and side last published in this call."""
        self.orders: dict[int, OpenOrder] = {}
        self.acts: list[OrderList] = []
        """Lists with which there is something to do."""
        self.special: dict[int, OpenOrder] = {}
        """Orders among them that :func:`is_special`; all in no level are."""
        self.books: dict[tuple[Place, Side], Book] = {(p, s): {} for p in BOOKS for s in Side}

    # Looking

    @property
    def electing_price(self) -> int | None:
        """Return the price that elects stops and that trailing ones follow: the last price; before
        the first trade the reference price, if the instrument says so."""
        if self.last is None and self.rules.stops_by_reference:
            return self.ref
        return self.last

    def prices(self, place: Place, side: Side) -> list[int]:
        """The prices of a book, best first; of trigger books, first reached first."""
        falling = (side == Side.BUY) != (place == Place.TRIGGER)
        return sorted(self.books[place, side], reverse=falling)

    def best(self, place: Place, side: Side) -> int | None:
        """Return the best price of a side of a book, None if it is empty; of triggers the one that
        is elected first."""
        if not (book := self.books[place, side]):
            return None
        return max(book) if (side == Side.BUY) != (place == Place.TRIGGER) else min(book)

    def best_displayed(self, side: Side) -> int | None:
        """Return the best displayed price of a side, None if it has none."""
        return self.best(Place.DISPLAYED, side)

    def orders_of(self, place: Place, side: Side) -> Iterator[OpenOrder]:
        """The orders of a book by price, then time."""
        for price in self.prices(place, side):
            yield from self.books[place, side][price]

    def by_arrival(self) -> list[OpenOrder]:
        """The special orders, first come first."""
        return sorted(self.special.values(), key=lambda order: (order.arrival, order.order_id))

    def pegs(self) -> list[OpenOrder]:
        """Return the open pegs, in the order of arrival."""
        return [order for order in self.by_arrival() if order.is_peg]

    def trailing(self) -> list[OpenOrder]:
        """Return the waiting trailing stops, in the order of arrival."""
        trailing = [order for order in self.by_arrival() if order.order_type in TRAILING]
        return [order for order in trailing if not order.is_dormant]

    def dormant(self) -> list[OpenOrder]:
        """Return the legs of lists that have not entered, in the order of arrival."""
        return [order for order in self.by_arrival() if order.is_dormant]

    def parked(self) -> list[OpenOrder]:
        """Orders that wait for an auction."""
        unplaced = [order for order in self.by_arrival() if order.place == Place.NOWHERE]
        return [order for order in unplaced if order.tif in AUCTION_ONLY]

    def waiting(self, side: Side) -> list[OpenOrder]:
        """The market orders that wait for the other side, oldest first."""
        unplaced = [o for o in self.by_arrival() if o.place == Place.NOWHERE and o.side == side]
        unplaced = [o for o in unplaced if not o.is_dormant]
        return [o for o in unplaced if o.order_type == OrderType.MARKET and o.tif in RESTING_TIFS]

    def canonical(self) -> list[OpenOrder]:
        """All open orders in the one order in which the engine goes through them."""
        in_books = [order for key in CANONICAL for order in self.orders_of(*key)]
        pegs = [order for order in self.pegs() if order.place == Place.NOWHERE]
        stops = [order for order in self.trailing() if order.place == Place.NOWHERE]
        markets = self.waiting(Side.BUY) + self.waiting(Side.SELL)
        return in_books + pegs + stops + self.parked() + markets + self.dormant()

    def position(self, order: OpenOrder) -> Position | None:
        """Return what a taker meets before the order, or None if it is in no book."""
        if order.place not in (Place.DISPLAYED, Place.HIDDEN, Place.AON):
            return None
        ahead, better = [], []
        for place in (Place.DISPLAYED, Place.HIDDEN, Place.AON):
            for other_order in self.orders_of(place, order.side):
                if other_order.price != order.price:
                    if crosses(order.side, other_order.price, order.price):
                        better.append(other_order.leaves)
                elif place < order.place:
                    ahead.append(other_order.leaves)
        queue = self.books[order.place, order.side][order.price]
        ahead += [one.open_qty for one in queue[: queue.index(order)]]
        lots = [min(sum(leaves), MAX_VALUE) for leaves in (ahead, better)]
        return Position(order.price, len(ahead), lots[0], len(better), lots[1])

    # Changing

    def refuse_join(
        self, place: Place, side: Side, price: int, qty: int, own: OpenOrder | None = None
    ) -> Reason:
        """Why ``qty`` lots may not join; ``own`` is an order that would leave the level."""
        if place == Place.NOWHERE:
            return Reason.NONE
        page = (self.index, place, side, price // 64)
        if (
            page not in self.capacity.pages
            and len(self.capacity.pages) >= self.capacity.level_pages
        ):
            return Reason.BOOK_FULL
        if place == Place.TRIGGER:
            return Reason.NONE
        level = self.books[place, side].get(price, [])
        if sum(o.open_qty for o in level if o is not own) + qty > MAX_VALUE:
            return Reason.LEVEL_OVERFLOW
        return Reason.NONE

    def refuse_order(self, order: OpenOrder, own: OpenOrder | None = None) -> Reason:
        """Why the order may not rest at its price with all its leaves."""
        place = resting_place(order)
        if order.is_stop and order.trigger is None:
            return Reason.NONE
        price = order.trigger if order.is_stop else order.price
        assert price is not None
        qty = min(order.display, order.leaves) if order.is_iceberg else order.leaves
        side = trigger_side(order) if order.is_stop else order.side
        return self.refuse_join(place, side, price, qty, own)

    def join_book(self, order: OpenOrder, place: Place) -> None:
        """Put the order at the back of its level."""
        order.place = place
        if order.is_iceberg:
            order.shown = min(order.display, order.leaves)
        self.orders[order.order_id] = order
        if is_special(order):
            self.special[order.order_id] = order
        if place == Place.NOWHERE:
            return
        book = self.books[place, order.book_side]
        price = order.level_price
        if price not in book:
            book[price] = []
            self.capacity.pages[self.index, place, order.book_side, price // 64] += 1
        book[price].append(order)

    def rest_after_arrival(self, order: OpenOrder, place: Place) -> None:
        """Join the book for the first time, or at another place.  In continuous trading a displayed
        order at a better price than all others becomes the TOP order of its side, if it is large
        enough.  The previous TOP order then loses that status."""
        best = [p for p in (self.best_displayed(order.side), order.moved_from) if p is not None]
        betters = not any(crosses(order.side, price, order.price) for price in best)
        order.is_top, order.moved_from = False, None
        self.join_book(order, place)
        if (
            self.rules.allocation == Allocation.STEPS
            and self.phase == Phase.CONTINUOUS
            and place == Place.DISPLAYED
            and betters
        ):
            self.lose_top(order.side)
            order.is_top = order.open_qty >= self.rules.top_min

    def lose_top(self, side: Side) -> None:
        """Note that a side has no TOP order from now on."""
        for order in self.orders.values():
            order.is_top = order.is_top and order.side != side

    def leave_book(self, order: OpenOrder) -> None:
        """Take the order out of its level; it is still open."""
        if order.place == Place.NOWHERE:
            return
        book, price = self.books[order.place, order.book_side], order.level_price
        queue = book[price]
        queue.remove(order)
        if not queue:
            del book[price]
            page = (self.index, order.place, order.book_side, price // 64)
            self.capacity.pages[page] -= 1
            if not self.capacity.pages[page]:
                del self.capacity.pages[page]
        order.place = Place.NOWHERE

    def remove_order(self, order: OpenOrder) -> None:
        """The order is no longer open."""
        self.leave_book(order)
        self.orders.pop(order.order_id, None)
        self.special.pop(order.order_id, None)

    def keep_special(self, order: OpenOrder) -> None:
        """Note whether an order that is a leg no more is special for another reason."""
        if not is_special(order):
            self.special.pop(order.order_id, None)

    def change_type(self, order: OpenOrder, order_type: OrderType) -> None:
        """A stop is elected, a market order gets a price."""
        order.order_type = order_type
        if order.link is None:
            self.special.pop(order.order_id, None)

    def cancel_order(
        self, order: OpenOrder, reason: Reason, kind: EventKind = EventKind.CANCELLED
    ) -> None:
        """Remove the order and emit ``kind`` with its leaves."""
        self.remove_order(order)
        qty, order.leaves, order.shown = order.leaves, 0, 0
        self.emit(kind, order, qty=qty, reason=reason)
        ended(self, order, filled=False)

    def reduce_order(self, order: OpenOrder, qty: int) -> None:
        """Reduce an order in place: an iceberg's reserve first."""
        order.leaves -= qty
        order.shown = min(order.shown, order.leaves)

    def emit(
        self,
        kind: EventKind,
        order: OpenOrder,
        *,
        qty: int,
        price: int | None = None,
        reason: Reason = Reason.NONE,
        contra_id: int = 0,
        flags: int = 0,
    ) -> None:
        """Write an event about an order at its price, or another."""
        self.event_log.write(
            kind,
            self.index,
            order.order_id,
            order.participant,
            order.side,
            order.price if price is None else price,
            qty,
            order.leaves,
            reason,
            contra_id,
            flags,
        )

    def emit_open_order(
        self, kind: EventKind, order: OpenOrder, waits: bool, flags: int = 0
    ) -> None:
        """Emit an event with the order's state: flags, displayed quantity or trigger."""
        contra_id = 0
        if order.is_iceberg:
            flags |= EventFlag.ICEBERG
            contra_id = order.display
        if order.is_stop:
            contra_id = NO_PRICE if order.trigger is None else order.trigger
        if ORDER_TYPES[order.order_type].home in (Home.HIDDEN, Home.ALL_OR_NONE):
            flags |= EventFlag.HIDDEN
        if waits:
            flags |= EventFlag.WAITING
        self.emit(kind, order, qty=order.leaves, contra_id=contra_id, flags=flags)


def extra_of(order: OpenOrder) -> int:
    """Events beyond two that an open order may cause by itself."""
    extra = order_extra(int(order.order_type), int(order.tif), order.slices)
    return extra if order.link is None else extra + LEG_EXTRA


def is_special(order: OpenOrder) -> bool:
    """Whether it may cause more events than two, or make others do so."""
    return order.is_aon or extra_of(order) > 0


def extra_events(market: Market, special: list[OpenOrder], count: int) -> int:
    """Events beyond two for each of ``count`` open orders, of which ``special`` cause more."""
    shared_extra = instrument_extra(
        sum(o.is_stop for o in special),
        sum(o.is_aon for o in special),
        sum(o.is_peg for o in special),
        sum(o.order_type in TRAILING for o in special),
        count,
        sum(o.link is not None for o in special),
        int(market.rules.pro_rata),
    )
    return shared_extra + sum(extra_of(o) for o in special)


def trigger_side(order: OpenOrder) -> Side:
    """The side whose stops wait where this one does."""
    return Side.BUY if order.rises else Side.SELL


def resting_place(order: OpenOrder) -> Place:
    """The book in which an order of this type rests."""
    return PLACE_OF[ORDER_TYPES[order.order_type].home]


def other(side: Side) -> Side:
    """The opposite side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def crosses(side: Side, limit: int, price: int) -> bool:
    """Whether an order of ``side`` at ``limit`` trades with a resting order at ``price``."""
    return price <= limit if side == Side.BUY else price >= limit


def price_or_none(price: int) -> int | None:
    """Return a price of the wire, None for NO_PRICE."""
    return None if price == NO_PRICE else price


def event_price(price: int | None) -> int:
    """Return a price for the wire, NO_PRICE for None."""
    return NO_PRICE if price is None else price
