"""The router: brings depth and events up to date, and sends the children that each parent needs.

:meth:`Router.step` does all of it once and never waits, by the time that the caller gives.  So the
same code runs live, in a simulation and over a recorded day.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from openoutcry.routing.algorithms import Seen, algorithm_of
from openoutcry.routing.connector import (
    ACCEPTED,
    FILLED,
    REJECTED,
    Connector,
    VenueDown,
    VenueEvent,
)
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import MEASURED, Listing, RoutingError
from openoutcry.routing.parents import ACTIVE, ENDED, Child, Parent, ParentStore, Terms
from openoutcry.routing.split import Plan, Slice, Splitter, total_cost

RETRY_NS = 100_000_000
"""Pause between two rounds of a parent of which the first filled nothing."""
GRAINS = 100
"""Parts of a parent of which an algorithm sends at least one at a time."""
RECONNECT_NS = 1_000_000_000
MARKOUTS_NS = (1_000_000_000, 10_000_000_000, 60_000_000_000)
"""After the last fill: the middle price is noted at these times, as long as the router runs."""
MARKOUT_LATE_NS = 2_000_000_000
"""A price that is known later says nothing of that time, and is not noted."""


class Router:
    """Trades one instrument.  ``connectors`` by the names of the market's venues."""

    def __init__(
        self, store: ParentStore, depth: Depth, connectors: Mapping[str, Connector]
    ) -> None:
        self.store, self.depth, self.market = store, depth, depth.market
        self.connectors = [connectors[venue.name] for venue in self.market.venues]
        self.splitter = Splitter(depth)
        self._due: list[tuple[int, Child]] = []
        """Children that are on the disk and leave at a time."""
        self._suspect = [0] * len(self.connectors)
        """When a venue was given up; 0: it answers."""
        self._rounds: dict[int, tuple[int, int]] = {}
        """By parent: rounds without a fill, and when the last one began."""
        self._settled: dict[int, tuple[int, int]] = {}
        """By child that is not over: the generation in which its fate was asked for, and when."""
        self._counted: list[int | None] = [None] * len(self.connectors)
        """By venue: what it said that it had traded."""
        self._volume = 0
        """What all venues have traded while the router ran, in its units."""
        self._since: dict[int, tuple[int, int]] = {}
        """By parent: that volume and what the parent had filled, when it came to this router."""
        symbol = self.market.instrument.symbol
        self._watched = {
            number: parent
            for number, parent in store.parents.items()
            if parent.terms.symbol == symbol
        }
        """Parents of which something is still to be done."""
        self._trips: list[int | None] = [None] * len(self.connectors)
        """By venue: the shortest time from an order to its answer, in this run."""
        for connector in self.connectors:
            last = store.last_event(connector.name, symbol)
            if last is not None:
                connector.resume(*last)

    def submit(
        self,
        side: int,
        quantity: int,
        limit: int,
        now_ns: int,
        *,
        style: str = "take",
        post_ns: int = 0,
        algorithm: dict[str, Any] | None = None,
    ) -> Parent:
        """Take an order: it is on the disk when this returns.  Raises :class:`RoutingError`."""
        if quantity <= 0 or limit < 0 or (style != "take" and limit == 0):
            raise RoutingError("an order needs a quantity, and one that rests a limit")
        algorithm_of(algorithm or {})
        symbol = self.market.instrument.symbol
        terms = Terms(symbol, side, quantity, limit, now_ns, style, post_ns, algorithm or {})
        parent = self.store.add(terms)
        self._watched[parent.number] = parent
        self._since[parent.number] = self._volume, 0
        estimate = self.splitter.plan(
            side, quantity, limit, now_ns, self._most(side, limit, now_ns)
        )
        self.store.note(parent, now_ns, "arrival", self._arrival(side, estimate, now_ns))
        return parent

    def _arrival(self, side: int, estimate: Plan, now_ns: int) -> dict[str, Any]:
        """Return what the market offered when the order came, and what the plan expects it
        to cost."""
        return {
            "mid2": self._mid2(now_ns),
            "filled": estimate.filled,
            "notional": estimate.notional,
            "fees": estimate.fees,
            "cost": total_cost(estimate),
            "venues": {
                self.market.venues[slice_.venue].name: slice_.quantity for slice_ in estimate.slices
            },
            "status": {
                venue.name: self.depth.status(number, now_ns)
                for number, venue in enumerate(self.market.venues)
            },
        }

    def _mid2(self, now_ns: int) -> int | None:
        """Twice the middle price, so that it is whole."""
        mid = self.depth.mid(now_ns)
        return sum(mid) if mid else None

    def change(self, parent: Parent, now_ns: int, **changes: Any) -> None:
        """Change ``state`` (active, paused, ended), ``quantity`` or ``limit``: all or none of it.
        What rests is cancelled, and may trade before it is; what waits for its time to leave does
        not leave.  The quantity never goes below what has traded."""
        if "quantity" in changes:
            changes["quantity"] = max(changes["quantity"], parent.filled)
        self.store.note_all(parent, now_ns, changes)
        self._watched[parent.number] = parent
        # A child that never left is settled as any other whose fate is not known.
        own = {id(child) for child in parent.children}
        self._due = [(due_ns, child) for due_ns, child in self._due if id(child) not in own]
        for child in parent.children:
            self._cancel(child, now_ns)

    def step(self, now_ns: int) -> bool:
        """Do once what is to be done; returns whether a parent is still active or has a child that
        is not over."""
        for number in range(len(self.connectors)):
            self._receive(number, now_ns)
        for due_ns, child in list(self._due):
            if due_ns <= now_ns:
                self._due.remove((due_ns, child))
                self._send(child, now_ns)
        is_busy = False
        for parent in list(self._watched.values()):
            if parent.state == ACTIVE:
                self._advance(parent, now_ns)
            is_out = parent.leaves > 0
            is_busy |= parent.state == ACTIVE or is_out
            if not self._mark(parent, now_ns) and parent.state == ENDED and not is_out:
                self._forget(parent)
        return is_busy

    def _forget(self, parent: Parent) -> None:
        """Nothing more is to be done for a parent."""
        del self._watched[parent.number]
        for known in (self._rounds, self._since):
            known.pop(parent.number, None)

    def _receive(self, number: int, now_ns: int) -> None:
        """Take in a venue's events; the children of a connection that is gone are settled."""
        connector = self.connectors[number]
        venue = self.market.venues[number]
        try:
            events = connector.poll(now_ns)
        except VenueDown:
            self._suspect[number] = self._suspect[number] or now_ns
            return
        finally:
            connector.follow(self.depth, number, now_ns)
        self._count(number)
        answered = self.store.apply(self._of_children(connector, events), now_ns)
        for _, child in answered:
            if child.is_over:
                self._settled.pop(child.number, None)
        if answered:
            self._suspect[number] = 0
            self._measure(number, [child for _, child in answered], now_ns)
        waiting = {id(child) for _, child in self._due}
        is_late = False
        for parent, child in self.store.open_children(venue.name, self.market.instrument.symbol):
            if id(child) in waiting:
                continue
            is_earlier = child.generation != connector.generation
            asked_ns = (
                self._settle(child, connector, now_ns) if is_earlier else self._asked_ns(child)
            )
            is_late |= 0 < asked_ns < now_ns - venue.timeout_ns
            if is_earlier:
                continue
            has_too_much = parent.filled + parent.leaves > parent.quantity
            if (parent.state != ACTIVE or has_too_much) and not child.cancel_ns:
                self._cancel(child, now_ns)
        if is_late and now_ns - self._suspect[number] > RECONNECT_NS:
            self._suspect[number] = now_ns
            connector.reconnect()
        elif not is_late and self._suspect[number] and not answered:
            self._suspect[number] = 0

    def _of_children(self, connector: Connector, events: list[VenueEvent]) -> list[VenueEvent]:
        """The events of this instrument's children; others' are in other units, and their router's
        to read.  Without rejections of what has settled a child that the venue had accepted, as
        above the session's rate: the child is as it was."""
        symbol = self.market.instrument.symbol
        events = [event for event in events if self.store.symbol_of(event.token) == symbol]
        if not connector.settles_by_order or all(event.kind != REJECTED for event in events):
            return events
        own = self.store.open_children(connector.name, symbol)
        accepted = {child.order.token for _, child in own if child.state == ACCEPTED}
        kept = []
        for event in events:
            if event.kind in (ACCEPTED, FILLED):
                accepted.add(event.token)
            if event.kind != REJECTED or event.token not in accepted:
                kept.append(event)
        return kept

    def _measure(self, number: int, answered: list[Child], now_ns: int) -> None:
        """Note how long the first answers to orders took."""
        for child in answered:
            if child.left_ns and child.generation == self.connectors[number].generation:
                trip_ns, best_ns = now_ns - child.left_ns, self._trips[number]
                self._trips[number] = trip_ns if best_ns is None else min(trip_ns, best_ns)
                child.left_ns = 0

    def latency_ns(self, number: int) -> int:
        """Return how long an order takes to a venue: as its file says, or as measured."""
        stated_ns = self.market.venues[number].latency_ns
        return (self._trips[number] or 0) // 2 if stated_ns == MEASURED else stated_ns

    @staticmethod
    def _asked_ns(child: Child) -> int:
        """Since when an answer of the venue about a child is due; 0: it rests, and none is."""
        is_open = child.state == "leaving" or child.order.is_ioc
        return max(child.sent_ns if is_open else 0, child.cancel_ns)

    def _settle(self, child: Child, connector: Connector, now_ns: int) -> int:
        """Ask once a connection for the fate of a child that was sent in an earlier one.  Returns
        since when that answer is due; 0: none is."""
        generation, asked_ns = self._settled.get(child.number, (-1, 0))
        if generation != connector.generation:
            try:
                connector.settle(child.order)
            except RoutingError:
                return 0
            asked_ns, child.left_ns = now_ns, 0
            self._settled[child.number] = connector.generation, asked_ns
        if child.order.is_ioc or child.state == "leaving":
            return asked_ns
        # It rests, and is this connection's child from here on.
        child.generation, child.cancel_ns = connector.generation, 0
        return 0

    def _advance(self, parent: Parent, now_ns: int) -> None:
        """Send what a parent needs now, or end it."""
        terms = parent.terms
        if parent.filled >= parent.quantity:
            self._end(parent, now_ns, "filled")
            return
        algorithm = algorithm_of(terms.algorithm)
        came, had = self._since.setdefault(parent.number, (self._volume, parent.filled))
        seen = Seen(now_ns, self.depth, self._volume - came, had, self._resting())
        target = min(parent.quantity, algorithm.target(parent, seen))
        if target < parent.quantity:
            target -= target % max(1, parent.quantity // GRAINS)
        wanted = min(parent.free, target - parent.filled - parent.leaves)
        if terms.style == "take" or self._has_posted(parent, now_ns):
            self._take(parent, wanted, now_ns, algorithm.is_over(parent, seen))
        else:
            self._rest(parent, wanted, algorithm.price(parent, seen), algorithm.shown, now_ns)

    def _most(self, side: int, limit: int, now_ns: int) -> list[int]:
        """Return, by venue, the most that may be sent there now and that its balances pay for, at
        the limit or, without one, at the worst price that is shown."""
        price = limit or max((one.price for one in self.depth.take_side(side, now_ns)), default=1)
        return [
            min(listing.most(), self.connectors[number].affordable(side, price))
            if self._takes_orders(number)
            else 0
            for number, listing in enumerate(self.market.listings)
        ]

    def _takes_orders(self, number: int) -> bool:
        """Return whether a venue takes orders of ours, and answers."""
        return self.connectors[number].may_trade and not self._suspect[number]

    def _open_venues(self, now_ns: int) -> Iterator[bool]:
        """By venue: whether it takes orders, answers and has a live book.  Where none does, it is
        not known that nothing is at the limit."""
        for number in range(len(self.connectors)):
            is_live = self.depth.status(number, now_ns) == "live"
            yield is_live and self._takes_orders(number)

    def is_ready(self, now_ns: int) -> bool:
        """Return whether every venue has a live book and answers."""
        return not any(self._suspect) and all(
            self.depth.status(number, now_ns) == "live" for number in range(len(self.connectors))
        )

    def _count(self, number: int) -> None:
        """Add what a venue has traded since the last look.  Its own count may begin again: with a
        day, or with a feed that is joined again."""
        volume, last = self.connectors[number].volume, self._counted[number]
        if last is not None:
            self._volume += volume - last if volume >= last else volume
        self._counted[number] = volume

    def _resting(self) -> dict[tuple[int, int, int], int]:
        """Return what rests of the instrument, by side, the venue's number and price."""
        found: dict[tuple[int, int, int], int] = {}
        for number, venue in enumerate(self.market.venues):
            for _, child in self.store.open_children(venue.name, self.market.instrument.symbol):
                if not child.order.is_ioc:
                    at = child.order.side, number, child.order.price
                    found[at] = found.get(at, 0) + child.leaves
        return found

    def _take(self, parent: Parent, wanted: int, now_ns: int, is_last: bool) -> None:
        """One round of immediate orders at all venues that answer, when the last round is over."""
        if parent.leaves or wanted <= 0 or not any(self._open_venues(now_ns)):
            return
        empty, began_ns = self._rounds.get(parent.number, (0, 0))
        rounds = [child for child in parent.children if child.sent_ns == began_ns]
        if began_ns and not any(child.filled for child in rounds):
            if now_ns - began_ns < RETRY_NS:
                return
            empty += 1
        else:
            empty = 0
        if empty >= parent.terms.attempts and is_last:
            self._end(parent, now_ns, "nothing more at the limit")
            return
        most = self._most(parent.terms.side, parent.limit, now_ns)
        plan = self.splitter.plan(parent.terms.side, wanted, parent.limit, now_ns, most)
        self._rounds[parent.number] = empty, now_ns
        orders = []
        for slice_ in plan.slices:
            price = self._price(parent, slice_)
            if price > 0:
                orders.append((self.market.venues[slice_.venue].name, slice_.quantity, price, True))
        self._leave(parent, orders, now_ns)

    def _price(self, parent: Parent, one: Slice) -> int:
        """The limit of a child: its worst level on the venue's grid, never beyond the parent's; 0
        if the grid has no such price."""
        listing, side = self.market.listings[one.venue], parent.terms.side
        price = listing.rounded_price(-side, one.price)
        if not parent.limit or side * price <= side * parent.limit:
            return price
        return listing.rounded_price(side, parent.limit)

    def _leave(self, parent: Parent, orders: list[tuple[str, int, int, bool]], now_ns: int) -> None:
        """Put children on the disk, then send them so that all arrive at the same time."""
        if not orders:
            return
        children = self.store.add_children(parent, orders, now_ns)
        latencies = {v.name: self.latency_ns(n) for n, v in enumerate(self.market.venues)}
        slowest_ns = max(latencies[child.venue] for child in children)
        for child in sorted(children, key=lambda one: -latencies[one.venue]):
            due_ns = now_ns + slowest_ns - latencies[child.venue]
            if due_ns <= now_ns:
                self._send(child, now_ns)
            else:
                self._due.append((due_ns, child))

    def _send(self, child: Child, now_ns: int) -> None:
        number = self.market.number(child.venue)
        connector = self.connectors[number]
        child.generation, child.left_ns = connector.generation, now_ns
        try:
            connector.send(child.order)
        except VenueDown:
            self._suspect[number] = now_ns
        except RoutingError as error:
            # No message can carry it: it has not left, and leaves never again.
            self.store.never_left(child, str(error), now_ns)

    def _has_posted(self, parent: Parent, now_ns: int) -> bool:
        """Return whether a ``post`` parent has rested for its time: then it takes."""
        terms = parent.terms
        if terms.style != "post" or now_ns - terms.created_ns < terms.post_ns:
            return False
        for child in parent.children:
            if not child.order.is_ioc:
                self._cancel(child, now_ns)
        return True

    def _rest(self, parent: Parent, wanted: int, price: int, shown: int, now_ns: int) -> None:
        """Keep one resting order at a price: at the venue with the lowest maker's fee that
        answers and takes it.  A parent that no venue takes ends."""
        if price <= 0:
            return
        rejected = {child.venue for child in parent.children if child.state == REJECTED}
        side, listings = parent.terms.side, self.market.listings
        prices = [listing.rounded_price(side, price) for listing in listings]
        places = [
            (venue.maker_ppm, number)
            for number, venue in enumerate(self.market.venues)
            if self.connectors[number].may_trade and venue.name not in rejected
        ]
        open_places = [
            place
            for place in places
            if self.depth.status(place[1], now_ns) == "live" and self._takes_orders(place[1])
        ]
        resting = [child for child in parent.children if not child.is_over]
        if resting:
            for child in resting:
                if open_places and child.order.price != prices[min(open_places)[1]]:
                    self._cancel(child, now_ns)
            return
        shown = min(wanted, shown or wanted)
        fits = {number: _fitting(listings[number], shown, prices[number]) for _, number in places}
        if 0 < wanted == parent.free and not any(fits.values()):
            self._end(parent, now_ns, "no venue takes what is left")
            return
        for _, number in sorted(open_places):
            most = self.connectors[number].affordable(side, prices[number])
            quantity = _fitting(listings[number], min(fits[number], most), prices[number])
            if quantity > 0:
                order = listings[number].venue, quantity, prices[number], False
                self._leave(parent, [order], now_ns)
                return

    def _cancel(self, child: Child, now_ns: int) -> None:
        """Ask once for a resting child to be cancelled."""
        if child.is_over or child.order.is_ioc or child.cancel_ns:
            return
        number = self.market.number(child.venue)
        try:
            self.connectors[number].cancel(child.order)
            child.cancel_ns = now_ns
        except VenueDown:
            self._suspect[number] = now_ns

    def _end(self, parent: Parent, now_ns: int, why: str) -> None:
        for child in parent.children:
            self._cancel(child, now_ns)
        self.store.note_all(parent, now_ns, {"end": why, "state": ENDED})

    def _mark(self, parent: Parent, now_ns: int) -> bool:
        """Note the middle price at each time after the last fill so far; returns whether a time is
        still to come."""
        last_ns = parent.last_fill_ns
        if not last_ns:
            return False
        for after_ns in MARKOUTS_NS:
            due_ns = last_ns + after_ns
            if not due_ns <= now_ns <= due_ns + MARKOUT_LATE_NS:
                continue
            kind = f"markout_{after_ns // 1_000_000_000}s"
            if any(own == kind and at_ns >= due_ns for at_ns, own, _ in parent.notes):
                continue
            mid2 = self._mid2(now_ns)
            if mid2 is not None:
                self.store.note(parent, now_ns, kind, mid2)
        return now_ns <= last_ns + MARKOUTS_NS[-1] + MARKOUT_LATE_NS


def _fitting(listing: Listing, quantity: int, price: int) -> int:
    """The most of a quantity that an order at a venue and price may have; 0: it takes none."""
    quantity = min(quantity, listing.most()) // listing.lot_units() * listing.lot_units()
    return quantity if price > 0 and quantity >= listing.least(price) else 0
