"""A venue in the test's process that outlives routers: a book, tokens, a numbered stream."""

from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    Connector,
    VenueDown,
    VenueEvent,
)
from openoutcry.routing.depth import LIVE, LOST
from openoutcry.routing.instruments import BUY

EARLIER = 1 << 60


class ModelVenue:
    """Fills what crosses its levels.  A token is taken once, as OUCH has it."""

    def __init__(self, name, bids=(), asks=()):
        self.name = name
        self.levels = {BUY: dict(bids), -BUY: dict(asks)}
        self.stream = []
        self.orders = {}
        """Order and what is open of it, by token."""
        self.entered = []
        self.volume = 0
        self.rejects = False

    def say(self, order, kind, quantity=0, price=0, reason=""):
        number = len(self.stream) + 1
        event = VenueEvent(self.name, "day", number, order.token, kind, quantity, price, reason)
        self.stream.append(event)

    def enter(self, order):
        """An order arrives; one whose token was used is ignored."""
        if order.token in self.orders:
            return
        if self.rejects:
            self.say(order, REJECTED, reason="X")
            return
        self.entered.append(order.token)
        self.say(order, ACCEPTED)
        self.orders[order.token] = [order, order.quantity]
        book = self.levels[-order.side]
        for price in sorted(book, reverse=order.side != BUY):
            if order.side * price > order.side * order.price or not self.orders[order.token][1]:
                break
            traded = min(book[price], self.orders[order.token][1])
            book[price] -= traded
            if not book[price]:
                del book[price]
            self.fill(order.token, traded, price)
        if order.is_ioc and self.orders[order.token][1]:
            self.cancel(order.token)

    def fill(self, token, quantity, price):
        """So much of an open order trades."""
        order, _ = self.orders[token]
        self.orders[token][1] -= quantity
        self.volume += quantity
        self.say(order, FILLED, quantity, price)

    def cancel(self, token):
        order, left = self.orders.get(token, (None, 0))
        if left:
            self.orders[token][1] = 0
            self.say(order, CANCELLED)

    def filled(self, token):
        """What of an order has traded."""
        return sum(e.quantity for e in self.stream if e.token == token and e.kind == FILLED)


class ModelConnector(Connector):
    """``fate(what)`` says for each send and cancel: "arrives", "lost", "arrives unanswered" (the
    connection breaks before or after), or "silent"."""

    def __init__(self, venue, fate=lambda what: "arrives", tick=lambda: None):
        self.venue, self.name, self.fate, self.tick = venue, venue.name, fate, tick
        self.cursor, self.is_up, self.is_dead = 0, True, False
        self.volume = 0

    def resume(self, stream, sequence):
        assert stream == "day"
        self.cursor = sequence

    def poll(self, now_ns):
        self.tick()
        if self.is_dead:
            self.is_up = False
            raise VenueDown(self.name)
        if not self.is_up:
            self.is_up, self.generation = True, self.generation + 1
        events = self.venue.stream[self.cursor :]
        self.cursor = len(self.venue.stream)
        self.tick()
        return events

    def _pass_on(self, what, arrive):
        self.tick()
        fate = "lost" if self.is_dead or not self.is_up else self.fate(what)
        if fate.startswith("arrives"):
            arrive()
        self.tick()
        if fate in ("lost", "arrives unanswered"):
            self.is_up = False
            raise VenueDown(self.name)

    def send(self, order):
        self._pass_on("send", lambda: self.venue.enter(order))

    def cancel(self, order):
        self._pass_on("cancel", lambda: self.venue.cancel(order.token))

    def settle(self, order):
        harmless = order._replace(price=0 if order.side == BUY else EARLIER, is_ioc=True)
        self._pass_on("settle", lambda: self.venue.enter(harmless))

    def reconnect(self):
        self.is_up = False

    def follow(self, depth, number, now_ns):
        self.volume = self.venue.volume
        depth.set_status(number, LIVE if self.is_up else LOST, now_ns)
        if self.is_up:
            bids = sorted(self.venue.levels[BUY].items(), reverse=True)
            asks = sorted(self.venue.levels[-BUY].items())
            assert depth.set_levels(number, bids, asks, now_ns)

    def close(self):
        return
