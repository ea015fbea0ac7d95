"""A session's own orders and fills, out of what the venue says of them over OUCH 4.2.

Each message becomes the event that it reports, and the portal's fold makes the order of the events
(``portal/trading/orders.py``).  Added here is what only a session knows: what it has sent and
cancelled, and which token an order has.  Prices have four decimals, quantities are lots, times are
ns since the trading day's midnight.  What is kept is bounded: every order that is open, and the
last of the others.
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from openoutcry.client import Message
from openoutcry.client.ouch import DAY42, IOC42, MARKET
from openoutcry.client.reasons import reason_words
from openoutcry.portal.trading import orders as fold
from openoutcry.wire.enums import EventKind, OrderType, Reason, Side, TimeInForce
from openoutcry.wire.words import ORDER_TYPES, value

PROBE = "0PROBE"
"""Tokens that begin so are the screen's own questions, and not a participant's orders."""
CLOSED_KEPT, FILLS_KEPT = 1_000, 2_000

SENT, OPEN, FILLED, CANCELLED = "sent", "open", "filled", "cancelled"
REJECTED, REPLACED, NEVER = "rejected", "replaced", "never entered"
LIVE = (SENT, OPEN)
STATES = {fold.FILLED: FILLED, fold.CANCELED: CANCELLED}
"""States of the fold for an order that is no longer open."""
TIFS = {DAY42: "day", DAY42 - 1: "day", IOC42: "ioc"}
KINDS = {
    "shown": OrderType.LIMIT,
    "hidden": OrderType.HIDDEN,
    "post-only": OrderType.POST_ONLY_SLIDE,
    "midpoint": OrderType.PEG_MIDPOINT,
}
LETTERS = {word: value(ORDER_TYPES.say("OUCH 4.2", kind)) for word, kind in KINDS.items()}
"""The displays of OUCH that the page shows with a word; with the first it enters an order."""
DISPLAYS = {letter: word for word, letters in LETTERS.items() for letter in letters}


class Event(NamedTuple):
    """What a message says of an order that is open, as far as the fold reads it."""

    kind: EventKind
    leaves_lots: int
    price_ticks: int = 0
    qty_lots: int = 0
    reason: int = Reason.USER
    flags: int = 0
    seq: int = 0
    cause_seq: int = 0


@dataclass
class Order:
    """``qty_lots`` is what was open when it was entered or replaced, ``traded_lots`` what it and
    those that it replaced have traded."""

    token: str
    side: str = ""
    symbol: str = ""
    qty_lots: int = 0
    price: int = 0
    tif: str = "day"
    display: str = "shown"
    state: str = SENT
    open_lots: int = 0
    traded_lots: int = 0
    reason: str = ""
    time_ns: int = 0
    replaces: str = ""
    """The token of the order whose place it is to take, or has taken."""
    successor: str = ""
    """The token of the order that is to take its place."""
    reference: int = 0
    """Its number in market data, as the venue reported it when it was entered or replaced."""
    wanted: str = ""
    """``cancel`` or ``replace``, while the venue has not answered it."""


terms_of = attrgetter("side", "symbol", "qty_lots", "price", "tif", "display", "replaces")
"""The terms with which an order was entered."""


@dataclass(frozen=True)
class Fill:
    """``price`` with four decimals; ``liquidity`` and ``match`` as OUCH has them; ``time_ns`` since
    midnight."""

    number: int
    token: str
    side: str
    symbol: str
    qty_lots: int
    price: int
    liquidity: str
    match: int
    time_ns: int


@dataclass
class Traded:
    """Lots bought and sold of an instrument today; values are price times lots, exactly."""

    bought_lots: int = 0
    bought_value: int = 0
    sold_lots: int = 0
    sold_value: int = 0

    def add(self, side: str, lots: int, price: int) -> None:
        """Add a fill; ``side`` B: bought; ``price`` with four decimals."""
        if side == "B":
            self.bought_lots += lots
            self.bought_value += lots * price
        else:
            self.sold_lots += lots
            self.sold_value += lots * price

    def profit(self, last: int, multiplier: int) -> int:
        """Return the profit of today's trades, with open positions valued at ``last``; four
        decimals."""
        held = self.bought_lots - self.sold_lots
        return (self.sold_value - self.bought_value + held * last) * multiplier


@dataclass
class OwnOrders:
    """The own orders of one session and day. ``version`` changes with everything that is shown."""

    orders: dict[str, Order] = field(default_factory=dict)
    fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    traded: dict[str, Traded] = field(default_factory=dict)
    fill_count: int = 0
    version: int = 0
    _fold: fold.Orders = field(default_factory=lambda: fold.Orders(lambda participant: True))
    _taken: dict[str, fold.Order] = field(default_factory=dict)
    """The open orders of the fold, by token."""
    _entered_count: int = 0
    _closed: deque[str] = field(default_factory=deque)
    _terms: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """Requested terms, by token: of what this process has sent itself."""

    def has_terms(self, known: Order, order: Order) -> bool:
        """Return whether the order that is known by its token was entered with these terms.  It
        compares all of them or, if another process sent the order, those that the venue's stream
        says."""
        if order.token in self._terms:
            return self._terms[order.token] == terms_of(order)
        if known.replaces != order.replaces:
            return False
        if not known.side:
            return True  # a Rejected names nothing but the token
        same = terms_of(known)[:3] == terms_of(order)[:3]
        # Others' prices are moved by the venue.
        moved = known.display not in ("shown", "hidden") or known.price == MARKET
        fits = known.tif == order.tif and known.display == order.display
        return same and (order.replaces != "" or fits) and (moved or known.price == order.price)

    def sent(self, order: Order) -> None:
        """Note that it is sent to the venue now."""
        self.orders[order.token], self._terms[order.token] = order, terms_of(order)
        before = self.orders.get(order.replaces)
        if before is not None:
            before.wanted, before.successor = "replace", order.token
        self.version += 1

    def is_unasked(self, message: Message) -> bool:
        """Whether, of the orders known, it ends one as its owner did not wish."""
        order = self.orders.get(str(message.fields.get("token", "")))
        if message.kind == "J":
            return order is not None
        ended = order is not None and message.kind in "CD" and not order.wanted
        return ended and order is not None and order.open_lots <= message["shares"]

    def take(self, message: Message) -> Fill | None:
        """Apply a message of the venue; the fill, if it is one."""
        token = str(message.fields.get("token", ""))
        if not token or token.startswith(PROBE):
            return None
        self.version += 1
        if message.kind in "AU":
            self._entered(token, message)
        elif message.kind == "J":
            self._rejected(token, message)
        elif token in self.orders:
            return self._changed(self.orders[token], message)
        return None

    def _apply(self, order: Order, event: Event, token: str = "") -> None:
        """Apply an event to an open order of the fold, and show what it makes of it."""
        taken = self._taken[order.token]
        self._fold.apply(event, taken, order.time_ns, token)
        taken.fills.clear()  # those that are shown are kept here, and bounded
        order.open_lots, order.traded_lots = taken.leaves_lots, taken.executed_lots
        order.price, order.state = taken.price_ticks, STATES.get(taken.state, OPEN)

    def _entered(self, token: str, message: Message) -> None:
        before = self.orders.get(str(message.fields.get("previous_token", "")))
        order = self.orders.setdefault(token, Order(token))
        order.side, order.symbol = message["side"], message["symbol"]
        order.qty_lots, order.time_ns = message["shares"], message["timestamp"]
        order.reference, order.reason = message["reference"], ""
        order.tif = TIFS.get(message["time_in_force"], f"{message['time_in_force']} s")
        order.display = DISPLAYS.get(message["display"], message["display"])
        taken = self._taken.pop(before.token, None) if before is not None else None
        self._taken[token] = taken or self._new(order, message["price"])
        kind = EventKind.ACCEPTED if taken is None else EventKind.REPLACED
        self._apply(order, Event(kind, order.qty_lots, message["price"]), token)
        if before is not None:
            order.replaces, before.successor = before.token, token
            self._close(before, REPLACED, "")
        if message["state"] == "D":
            self._apply(order, Event(EventKind.CANCELLED, 0))
            self._close(order, CANCELLED, "dead on arrival")

    def _new(self, order: Order, price: int) -> fold.Order:
        """Return an order that the fold keeps, with this price."""
        self._entered_count += 1
        number, side = self._entered_count, Side.BUY if order.side == "B" else Side.SELL
        kind = side, OrderType.LIMIT, TimeInForce.DAY
        terms = price, order.qty_lots, 0, order.time_ns, order.time_ns
        taken = fold.Order(number, 0, 0, number, order.token, *kind, *terms)
        self._fold.restore(taken)
        return taken

    def _rejected(self, token: str, message: Message) -> None:
        order = self.orders.setdefault(token, Order(token))
        order.time_ns = message["timestamp"]
        reason = reason_words(message.kind, message["reason"])
        self._stays(order, f"not replaced: {reason}")
        self._close(order, REJECTED, reason)

    def _stays(self, replacement: Order, reason: str) -> None:
        """The order whose place it was to take stays as it is."""
        before = self.orders.get(replacement.replaces)
        if before is not None and before.state == OPEN:
            before.wanted, before.successor, before.reason = "", "", reason

    def _changed(self, order: Order, message: Message) -> Fill | None:
        kind = message.kind
        if kind == "I":
            order.wanted, order.reason = "", "the venue rejected it"
        if order.token not in self._taken:
            return None
        left = order.open_lots - message.fields.get("shares", 0)
        if kind in "CD":
            order.wanted = ""
            self._apply(order, Event(EventKind.REDUCED if left > 0 else EventKind.CANCELLED, left))
            if order.state != OPEN:
                self._close(order, CANCELLED, reason_words(kind, message.fields.get("reason", "Q")))
        elif kind == "E":
            return self._executed(order, message)
        elif kind == "M":
            order.side, order.wanted = message["side"], ""
            self._apply(order, Event(EventKind.REDUCED, message["shares"]))
        elif kind == "T":
            order.reference = message["reference"]
            self._apply(order, Event(EventKind.CONVERTED, order.open_lots, message["price"]))
        return None

    def _executed(self, order: Order, message: Message) -> Fill:
        lots, price = message["shares"], message["price"]
        left = order.open_lots - lots
        self._apply(order, Event(EventKind.FILLED, left, price, lots))
        self.traded.setdefault(order.symbol, Traded()).add(order.side, lots, price)
        self.fill_count += 1
        where = order.token, order.side, order.symbol
        what = lots, price, message["liquidity"], message["match"], message["timestamp"]
        fill = Fill(self.fill_count, *where, *what)
        self.fills.append(fill)
        if order.state == FILLED:
            self._close(order, FILLED, "")
        return fill

    def _close(self, order: Order, state: str, reason: str) -> None:
        order.state, order.reason, order.open_lots, order.wanted = state, reason, 0, ""
        self._taken.pop(order.token, None)
        waiting = self.orders.get(order.successor)
        if waiting is not None and waiting.state == SENT and state != REPLACED:
            # The venue takes it no more: it says nothing, or has cancelled the order instead.
            self._close(waiting, REJECTED, "the order to replace no longer exists")
        self._closed.append(order.token)
        while len(self._closed) > CLOSED_KEPT:
            gone = self._closed.popleft()
            kept = self.orders.get(gone)
            if kept is not None and kept.state not in LIVE:
                del self.orders[gone]
                self._terms.pop(gone, None)

    def unanswered(self) -> list[Order]:
        """Orders that were sent, and that the venue has neither accepted nor rejected."""
        return [order for order in self.orders.values() if order.state == SENT]

    def end_unanswered(self) -> tuple[list[str], list[str]]:
        """Settle what is unanswered, once the venue has said all that it ever will of it.  Returns
        the tokens of orders that it has never taken, and of open orders whose cancel it has not."""
        never = self.unanswered()
        for order in never:
            self._stays(order, "")
            self._close(order, NEVER, "the connection was lost before the venue accepted it")
        again = [order for order in self.orders.values() if order.state == OPEN and order.wanted]
        cancels = [order.token for order in again if order.wanted == "cancel"]
        self.version += 1
        return [order.token for order in never], cancels

    def rows(self, most: int) -> list[dict[str, Any]]:
        """Every open order, then ``most`` of the others; the newest first."""
        orders = list(reversed(self.orders.values()))
        live = [order for order in orders if order.state in LIVE]
        gone = [order for order in orders if order.state not in LIVE]
        return [asdict(order) for order in (*live, *gone[:most])]

    def last_fills(self, most: int) -> list[dict[str, Any]]:
        """The newest first."""
        return [asdict(fill) for fill in list(self.fills)[: -most - 1 : -1]]
