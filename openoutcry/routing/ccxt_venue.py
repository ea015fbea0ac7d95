"""A venue that CCXT speaks: public books by its unified calls, orders through a client that the
caller makes with its keys.

Each call takes a round trip, and CCXT's own rate limit.  Without a client that may trade, the venue
has a book, which is read in a thread, and takes no order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from openoutcry.routing.calls import Call, Waited
from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    Connector,
    Order,
    VenueDown,
    VenueEvent,
)
from openoutcry.routing.depth import LIVE, LOST, Depth
from openoutcry.routing.instruments import (
    BUY,
    MAX_QUANTITY,
    PART,
    Listing,
    RoutingError,
    name_of_side,
)
from openoutcry.wire.enums import TimeInForce
from openoutcry.wire.words import TIMES

MAX_TRADES = 1_000_000
"""Maximum trades of an order.  In its own stream the event that ends it has this number, the one
that accepts it 0; each trade with an id has another stream."""
KEPT_TRADES = 10_000
"""Trades of the past that are not counted again."""
IOC = TIMES.say("Binance", TimeInForce.IOC)
"""CCXT has the words of Binance."""
STATES = {"closed": CANCELLED, "canceled": CANCELLED, "expired": CANCELLED, "rejected": REJECTED}


class CcxtVenue(Connector):
    """``exchange``: an instance of one of CCXT's classes."""

    def __init__(
        self,
        listing: Listing,
        exchange: Any,
        *,
        may_trade: bool = False,
        book_every_ns: int = 500_000_000,
        order_every_ns: int = 500_000_000,
        balance_every_ns: int = 5_000_000_000,
        fee_ppm: int = 0,
        window_ns: int = 10_000_000_000,
    ) -> None:
        """The balance also pays ``fee_ppm``, the taker's fee.

        The venue refuses an order that arrives later than ``window_ns`` after it was sent
        (recvWindow); then one that it does not know can no longer come."""
        self.name, self.listing, self.exchange = listing.venue, listing, exchange
        self.may_trade = may_trade
        self._book_every_ns, self._order_every_ns = book_every_ns, order_every_ns
        self._window_ns = window_ns
        self._balance_every_ns, self._fee_ppm = balance_every_ns, fee_ppm
        self._book_ns = self._orders_ns = self._balance_ns = -(10**18)
        self._free: dict[str, Decimal] | None = None
        self._reading: Call[tuple[Any, Any]] | None = None
        self._trades: dict[str, None] | None = None
        """Public trades that were counted, by their ids; the newest last."""
        self._open: dict[str, Order] = {}
        self._ids: dict[str, str] = {}
        self._sent_ns: dict[str, int] = {}
        self._now_ns = 0
        self._nonce = 0

    def resume(self, stream: str, sequence: int) -> None:
        # Each order has its own streams, read again from its trades.
        return

    def follow(self, depth: Depth, number: int, now_ns: int) -> None:
        if self._reading is None:
            if now_ns - self._book_ns < self._book_every_ns:
                return
            self._book_ns = now_ns
            # A client of CCXT is not for two threads at once.
            kind = Waited if self.may_trade else Call
            self._reading = kind(partial(self._read, depth.levels), lambda read: None)
        if not self._reading.is_over:
            return
        over, self._reading = self._reading, None
        try:
            book, trades = over.result()
        except Exception as error:
            self._raise_ours(error)
            depth.set_status(number, LOST, now_ns)
            return
        try:
            self._show(book, depth, number, now_ns)
        except RoutingError:
            depth.set_status(number, LOST, now_ns)
        self._count_trades(trades)

    def _read(self, levels: int) -> tuple[Any, Any]:
        """The book, and the latest trades: None if it does not list them, or what was raised."""
        book, trades = self.exchange.fetch_order_book(self.listing.symbol, levels), None
        if getattr(self.exchange, "has", {}).get("fetchTrades"):
            try:
                trades = self.exchange.fetch_trades(self.listing.symbol)
            except Exception as error:
                trades = error
        return book, trades

    def _show(self, book: Any, depth: Depth, number: int, now_ns: int) -> None:
        """Bring a depth up to date.  Raises :class:`RoutingError` for a book that cannot be
        read."""
        with readable(self.name):
            if book.get("timestamp"):
                self.saw_clock(now_ns, int(book["timestamp"]) * 1_000_000)
            nonce = int(book.get("nonce") or 0)
            if nonce and nonce < self._nonce:
                return  # an older answer, by another server
            self._nonce = nonce
            bids, asks = (
                [(self._price(row[0]), self._quantity(row[1])) for row in book[side]]
                for side in ("bids", "asks")
            )
            depth.set_status(number, LIVE, now_ns)
            bids, asks = ([row for row in rows if row[1]] for rows in (bids, asks))
            depth.set_levels(number, bids, asks, now_ns)

    def _count_trades(self, rows: Any) -> None:
        """Add what has traded there since the first look to the volume."""
        if rows is None:
            return
        try:
            with readable(self.name):
                if isinstance(rows, Exception):
                    raise rows
                found = {str(row["id"]): self._quantity(row["amount"]) for row in rows}
                known = found if self._trades is None else self._trades
                new = sum(found[one] for one in found if one not in known)
                self.volume += self._kept(new * self.listing.quantity_factor)
        except Exception as error:
            if not isinstance(error, RoutingError):
                self._raise_ours(error)
            return
        kept = [*(self._trades or {}), *found][-KEPT_TRADES:]
        self._trades = dict.fromkeys(kept)

    def affordable(self, side: int, price: int) -> int:
        if self._free is None:
            return MAX_QUANTITY
        one = self.listing.instrument
        if side != BUY:
            free = self._free.get(one.base, Decimal(0))
        else:
            paid = Decimal(price).scaleb(-one.price_decimals) * (PART + self._fee_ppm) / PART
            free = self._free.get(one.quote, Decimal(0)) / paid
        return min(MAX_QUANTITY, int(free.scaleb(one.quantity_decimals)))

    def _balances(self, now_ns: int) -> None:
        """Take the free balances over; those of before stay where they cannot be read."""
        if not self.may_trade or now_ns - self._balance_ns < self._balance_every_ns:
            return
        self._balance_ns = now_ns
        one = self.listing.instrument
        try:
            with readable(self.name):
                free = self.exchange.fetch_balance()["free"]
                assets = (one.base, one.quote)
                self._free = {name: _scaled(free.get(name) or 0, 0, self.name) for name in assets}
        except Exception as error:
            if not isinstance(error, RoutingError):
                self._raise_ours(error)

    def _price(self, value: Any) -> int:
        scaled = _scaled(value, self.listing.price_decimals, self.name)
        if scaled != scaled.to_integral_value():
            decimals = self.listing.price_decimals
            raise RoutingError(f"{self.name}: {value} has more than {decimals} decimals")
        return int(scaled)

    def _quantity(self, value: Any) -> int:
        """Rounded down: less than the venue's unit cannot be traded."""
        return int(_scaled(value, self.listing.quantity_decimals, self.name))

    def _kept(self, value: int) -> int:
        """A quantity or price in the router's units, which the router's file can keep."""
        if value > MAX_QUANTITY:
            raise RoutingError(f"{self.name}: {value} is too large for a trade")
        return value

    def poll(self, now_ns: int) -> list[VenueEvent]:
        self._now_ns = now_ns
        self._balances(now_ns)
        if not self._open or now_ns - self._orders_ns < self._order_every_ns:
            return []
        self._orders_ns = now_ns
        events = []
        for token, order in list(self._open.items()):
            try:
                with readable(self.name):
                    events += self._events(token, order, now_ns)
            except Exception as error:
                if not isinstance(error, RoutingError):
                    self._raise_ours(error)
                # Its turn is the last next time: it keeps no other order from being read.
                self._open[token] = self._open.pop(token)
                if not events:
                    raise VenueDown(f"{self.name}: {error}") from None
        return events

    def _events(self, token: str, order: Order, now_ns: int) -> list[VenueEvent]:
        """Return the events of an order's trades and state, always with the same numbers."""
        try:
            found = self.exchange.fetch_order(
                self._ids.get(token), self.listing.symbol, {"clientOrderId": token}
            )
        except Exception as error:
            self._raise_ours(error)
            if type(error).__name__ != "OrderNotFound":
                raise
            if now_ns - self._sent_ns[token] <= self._window_ns:
                return []
            del self._open[token]
            return [self._event(token, MAX_TRADES, CANCELLED, why="never arrived")]
        self._ids[token] = found["id"]
        events = [self._event(token, 0, ACCEPTED)]
        trades = []
        if found.get("filled"):
            trades = self.exchange.fetch_order_trades(found["id"], self.listing.symbol)
            trades.sort(key=lambda trade: (trade["timestamp"], trade["id"]))
        price_factor, factor = self.listing.price_factor, self.listing.quantity_factor
        for index, trade in enumerate(trades, start=1):
            # A trade that comes late changes the others' places, and not their ids.
            stream, number = (f"{token} {trade['id']}", 1) if trade["id"] else (token, index)
            quantity = self._kept(self._quantity(trade["amount"]) * factor)
            price = self._kept(self._price(trade["price"]) * price_factor)
            made = self._event(token, number, FILLED, quantity, price)
            events.append(made._replace(stream=stream))
        kind = STATES.get(found["status"])
        seen = sum(event.quantity for event in events)
        if kind is not None and seen == self._quantity(found.get("filled") or 0) * factor:
            del self._open[token]
            if seen < order.quantity:
                events.append(self._event(token, MAX_TRADES, kind, why=found["status"]))
        return events

    def _event(
        self, token: str, number: int, kind: str, quantity: int = 0, price: int = 0, why: str = ""
    ) -> VenueEvent:
        return VenueEvent(self.name, token, number, token, kind, quantity, price, why)

    def send(self, order: Order) -> None:
        if not self.may_trade:
            raise RoutingError(f"{self.name}: no client that may trade was given")
        self._watch(order)
        listing = self.listing
        price = Decimal(order.price).scaleb(-listing.instrument.price_decimals)
        amount = Decimal(order.quantity).scaleb(-listing.instrument.quantity_decimals)
        terms = {"clientOrderId": order.token} | ({"timeInForce": IOC} if order.is_ioc else {})
        try:
            made = self.exchange.create_order(
                listing.symbol,
                "limit",
                name_of_side(order.side),
                self.exchange.amount_to_precision(listing.symbol, str(amount)),
                self.exchange.price_to_precision(listing.symbol, str(price)),
                terms,
            )
        except Exception as error:
            self._raise_ours(error)
            raise VenueDown(f"{self.name}: {error}") from None
        self._ids[order.token] = made["id"]

    def cancel(self, order: Order) -> None:
        try:
            self.exchange.cancel_order(
                self._ids.get(order.token), self.listing.symbol, {"clientOrderId": order.token}
            )
        except Exception as error:
            self._raise_ours(error)
            raise VenueDown(f"{self.name}: {error}") from None

    def settle(self, order: Order) -> None:
        self._watch(order)

    def _watch(self, order: Order) -> None:
        self._open[order.token] = order
        self._sent_ns.setdefault(order.token, self._now_ns)

    def reconnect(self) -> None:
        self.generation += 1

    @staticmethod
    def _raise_ours(error: Exception) -> None:
        """Errors of CCXT are the venue's; all others are faults, and are raised again."""
        if not any(kind.__name__ == "BaseError" for kind in type(error).__mro__):
            raise error

    def close(self) -> None:
        self._open.clear()
        self._reading = None


@contextmanager
def readable(venue: str) -> Iterator[None]:
    """Reads an answer of a venue in the block, which may hold anything.  Raises
    :class:`RoutingError` for one that cannot be read."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RoutingError(f"{venue}: an answer cannot be read: {error!r}") from None


def _scaled(value: Any, decimals: int, venue: str) -> Decimal:
    """A number of CCXT, which is the nearest float to a decimal, in the venue's units."""
    number = Decimal(str(value))
    if not 0 <= number <= MAX_QUANTITY:  # also NaN and infinity
        raise RoutingError(f"{venue}: {value} is not a price or quantity")
    return number.scaleb(decimals)
