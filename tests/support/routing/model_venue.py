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

    def left(self, token):
        """What of an order is open."""
        return self.orders[token][1] if token in self.orders else 0

    def filled(self, token):
        """What of an order has traded."""
        return sum(e.quantity for e in self.stream if e.token == token and e.kind == FILLED)


class ModelConnector(Connector):
    """``fate(what)`` says for each send, cancel and settle what becomes of it: "arrives", "lost",
    "arrives unanswered" (the connection breaks before or after), "silent" (it never arrives, and
    the connection is up), "late" (it arrives after some polls, also over the connection's end) or
    "twice".  ``hear()`` says the same of what a poll would bring: "arrives", "lost", "silent"
    (nothing more comes until the connection is given up; without bytes it ends by itself),
    "late" or "twice"."""

    LATE_POLLS = 7
    SILENT_POLLS = 200
    """Polls without a byte after which a connection is given up, as by the heartbeats of a real
    one."""

    def __init__(self, venue, fate=lambda what: "arrives", tick=lambda: None, hear=None):
        self.venue, self.name, self.fate, self.tick = venue, venue.name, fate, tick
        self.hear = hear or (lambda: "arrives")
        self.cursor, self.is_up, self.is_dead = 0, True, False
        self.volume = 0
        self.sent = []
        """Tokens of orders that were sent."""
        self.late = []
        """What is under way to the venue: polls until it arrives, and the call."""
        self.deaf_polls, self.deaf_until = 0, 0

    def resume(self, stream, sequence):
        assert stream == "day"
        self.cursor = sequence

    def poll(self, now_ns):
        self.tick()
        self.arrive()
        if self.is_dead:
            self.is_up = False
            raise VenueDown(self.name)
        if not self.is_up:
            self.is_up, self.generation = True, self.generation + 1
            self.deaf_polls = self.deaf_until = 0
        if self.deaf_polls < self.deaf_until:
            self.deaf_polls += 1
            if self.deaf_polls == self.SILENT_POLLS:
                self.is_up = False
                raise VenueDown(self.name)
            return []
        if self.cursor < len(self.venue.stream):
            heard = self.hear()
            if heard == "lost":
                self.is_up = False
                raise VenueDown(self.name)
            if heard in ("silent", "late"):
                self.deaf_polls = 0
                self.deaf_until = self.SILENT_POLLS if heard == "silent" else self.LATE_POLLS
                return []
            if heard == "twice":
                self.cursor = 0
        events = self.venue.stream[self.cursor :]
        self.cursor = len(self.venue.stream)
        self.tick()
        return events

    def arrive(self, polls=1):
        """So many polls' time has passed for what is under way."""
        under_way, self.late = self.late, []
        for left, call in under_way:
            if left > polls:
                self.late.append((left - polls, call))
            else:
                call()

    def _pass_on(self, what, arrive):
        self.tick()
        fate = "lost" if self.is_dead or not self.is_up else self.fate(what)
        if fate == "late":
            self.late.append((self.LATE_POLLS, arrive))
        if fate.startswith("arrives") or fate == "twice":
            arrive()
        if fate == "twice":
            arrive()
        self.tick()
        if fate in ("lost", "arrives unanswered"):
            self.is_up = False
            raise VenueDown(self.name)

    def send(self, order):
        self.sent.append(order.token)
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
