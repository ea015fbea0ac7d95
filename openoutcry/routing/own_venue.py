"""A venue of ours: its book by the ITCH feed, orders by OUCH 4.2 (``fix_venue``: by FIX;
``shm_venue``: over shared memory).

A token is taken once a day by the venue.  So an order in doubt is settled by a harmless order with
the same token.  If the token is new, that order is cancelled at once, and nothing can enter under
the token any more.  If it is not, the venue ignores it, and the stream has the first one's events.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from openoutcry.client.ouch import Message
from openoutcry.client.reasons import reason_words
from openoutcry.client.waiting import ClientError
from openoutcry.market_data.receiver import SNAPSHOT_GAP, Receiver
from openoutcry.order_entry import ouch
from openoutcry.routing.calls import Call
from openoutcry.routing.connector import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REDUCED,
    REJECTED,
    Connector,
    Order,
    VenueDown,
    VenueEvent,
)
from openoutcry.routing.depth import HALTED, LIVE, LOST, Depth
from openoutcry.routing.instruments import BUY, Listing, RoutingError
from openoutcry.wire.errors import FeedError

TRADING = "T"
MAX_MESSAGES = 1_000
"""Maximum messages of a poll."""
RETRY_NS = 500_000_000
NO_LIMIT = 1 << 62
OUCH_DECIMALS = 4
"""Of the prices of OUCH."""
DAY_NS = 86_400_000_000_000
KINDS = {"A": ACCEPTED, "E": FILLED, "C": CANCELLED, "D": REDUCED, "J": REJECTED}
"""D: a trade with an order of the same participant was prevented, of all that is open or a part."""


class OwnVenue(Connector):
    """Orders on one session, which is the router's alone."""

    MAX_DECIMALS = OUCH_DECIMALS
    MAX_PRICE4 = ouch.MAX_PRICE4
    """Highest limit of the protocol, with OUCH's decimals."""
    settles_by_order = True

    def __init__(
        self,
        listing: Listing,
        connect: Callable[[], Any],
        listen: Callable[[], Receiver],
    ) -> None:
        """``connect`` logs in and asks for the day's stream from its first message; ``listen``
        joins the feed.  Both may wait for the venue: each is called in a thread, and again while
        it fails, and after an end.

        Raises :class:`RoutingError` if the listing has more decimals than the protocol."""
        if listing.price_decimals > self.MAX_DECIMALS:
            raise RoutingError(
                f"{listing.venue}: its protocol has prices of {self.MAX_DECIMALS} decimals"
            )
        self.name, self.listing = listing.venue, listing
        self._connect, self._listen = connect, listen
        self._receiver: Receiver | None = None
        self._joining: Call[Receiver] | None = None
        self._listened_ns = -RETRY_NS
        self._client: Any = None
        self._logging_in: Call[Any] | None = None
        self._tried_ns = -RETRY_NS
        self._seen = "", 0
        self._locate = 0

    def resume(self, stream: str, sequence: int) -> None:
        self._seen = stream, sequence

    def poll(self, now_ns: int) -> list[VenueEvent]:
        if self._client is None:
            self._log_in(now_ns)
        events = []
        try:
            for _ in range(MAX_MESSAGES):
                assert self._client is not None
                message = self._client.next(timeout_s=0.0)
                if message is None:
                    break
                event = self._read(message)
                if event is not None and not self._has_seen(event):
                    self._seen = event.stream, event.sequence
                    events.append(event)
        except ClientError:
            self.reconnect()
            if not events:
                raise VenueDown(f"{self.name}: the session has ended") from None
        return events

    def _has_seen(self, event: VenueEvent) -> bool:
        return event.stream == self._seen[0] and event.sequence <= self._seen[1]

    def _log_in(self, now_ns: int) -> None:
        """Begin a login, or take over one that is over.  Raises :class:`VenueDown` until then."""
        if self._logging_in is None and now_ns - self._tried_ns < RETRY_NS:
            raise VenueDown(f"{self.name}: not connected")
        try:
            if self._logging_in is None:
                self._tried_ns = now_ns
                self._logging_in = Call(self._login(), self._drop)
            if not self._logging_in.is_over:
                raise VenueDown(f"{self.name}: the login has no answer yet")
            over, self._logging_in = self._logging_in, None
            self._client = over.result()
        except ClientError as error:
            self.orders_trouble = str(error)
            raise VenueDown(f"{self.name}: {error}") from None
        self.orders_trouble = ""
        self.generation += 1

    def _login(self) -> Callable[[], Any]:
        """Return what logs in.  Raises :class:`ClientError` if that cannot be tried."""
        return self._connect

    @staticmethod
    def _drop(client: Any) -> None:
        """Close a connection without a logout."""
        client.connection.close()

    def _read(self, message: Message) -> VenueEvent | None:
        """An event of an order; None for other messages."""
        kind = KINDS.get(message.kind)
        if kind is None:
            return None
        quantity = price = 0
        if kind in (FILLED, REDUCED):
            quantity = int(message["shares"]) * self.listing.quantity_factor
        if kind == FILLED:
            price = self._units(int(message["price"]), OUCH_DECIMALS)
        reason = reason_words(message.kind, message.fields.get("reason", ""))
        at = self.name, self._client.session, message.sequence, str(message["token"])
        return VenueEvent(*at, kind, quantity, price, reason)

    def _units(self, price: int, decimals: int) -> int:
        """A price with this many decimals, in the router's units."""
        return int(price * 10**self.listing.instrument.price_decimals // 10**decimals)

    def send(self, order: Order) -> None:
        lots = order.quantity // self.listing.quantity_factor
        self._try(lambda client: self._put(client, order, lots, order.price, order.is_ioc, False))

    def settle(self, order: Order) -> None:
        # At the end of the price grid that trades with nothing, and gone at once.
        step = self.listing.price_step * self.listing.price_factor
        lots = self.listing.least(order.price) // self.listing.quantity_factor
        highest = self.MAX_PRICE4 * 10**self.listing.instrument.price_decimals // 10**OUCH_DECIMALS
        high = min(order.price * 2, highest) // step * step
        far = step if order.side == BUY else max(high, step)
        self._try(lambda client: self._put(client, order, lots, far, True, True))

    def _put(
        self, client: Any, order: Order, lots: int, price: int, is_ioc: bool, is_again: bool
    ) -> None:
        """Enter the order with these terms; ``is_again``: its token may be taken already."""
        side = "B" if order.side == BUY else "S"
        text = Decimal(price).scaleb(-self.listing.instrument.price_decimals)
        client.enter(side, self.listing.symbol, lots, text, ioc=is_ioc, name=order.token)

    def cancel(self, order: Order) -> None:
        self._try(lambda client: client.cancel(self._name(order.token)))

    def _name(self, token: str) -> Any:
        """The order's name at the venue."""
        return token

    def _try(self, request: Callable[[Any], object]) -> None:
        if self._client is None:
            raise VenueDown(f"{self.name}: not connected")
        try:
            request(self._client)
        except ValueError as error:  # it cannot be written as a message
            raise RoutingError(f"{self.name}: {error}") from None
        except ClientError as error:
            self.reconnect()
            raise VenueDown(f"{self.name}: {error}") from None

    def reconnect(self) -> None:
        if self._client is not None:
            self._drop(self._client)
        self._client = None
        self._seen = self._seen[0], 0

    def follow(self, depth: Depth, number: int, now_ns: int) -> None:
        try:
            receiver = self._listening(now_ns)
            packets = receiver.poll(0.0) if receiver else 0
        except FeedError as error:
            self.trouble = str(error)
            self._lose_feed()
            receiver = None
        if receiver is None:
            depth.set_status(number, LOST, now_ns)
            return
        lines, book = receiver.lines, receiver.book
        if lines.missing[1] or lines.ended or not lines.session:
            depth.set_status(number, LOST, now_ns)
            # Another snapshot is waited for in a thread, as the first one.
            if lines.ended or (lines.missing[1] > SNAPSHOT_GAP and receiver.snapshots is not None):
                self._lose_feed()
            return
        self.trouble = ""
        if not packets:
            return
        if self._locate == 0 or book.instrument(self._locate).symbol != self.listing.symbol:
            places = {one.symbol: one.locate for one in book.instruments()}
            self._locate = places.get(self.listing.symbol, 0)
        if self._locate == 0:
            depth.set_status(number, LOST, now_ns)
            return
        # A message has its time of day alone: its day is the nearest one.
        time_ns = now_ns - (now_ns - book.time_ns + DAY_NS // 2) % DAY_NS + DAY_NS // 2
        self.saw_clock(now_ns, time_ns)
        instrument = book.instrument(self._locate)
        self.volume = instrument.volume * self.listing.quantity_factor
        if instrument.price_decimals != self.listing.price_decimals:
            depth.set_status(number, LOST, now_ns)
            self.trouble = (
                f"{self.listing.symbol}: price_decimals is "
                f"{self.listing.price_decimals}, the feed's {instrument.price_decimals}"
            )
            return
        depth.set_status(number, LIVE if instrument.state == TRADING else HALTED, now_ns)
        depth.follow(number, book, self._locate, now_ns)

    def _listening(self, now_ns: int) -> Receiver | None:
        """The feed; None while it is joined, or if it was tried a moment ago.  Raises
        :class:`FeedError`."""
        if self._receiver is not None:
            return self._receiver
        if self._joining is None and now_ns - self._listened_ns >= RETRY_NS:
            self._listened_ns = now_ns
            self._joining = Call(self._listen, Receiver.close)
        if self._joining is not None and self._joining.is_over:
            over, self._joining = self._joining, None
            self._receiver = over.result()
        return self._receiver

    def _lose_feed(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
        self._receiver = None

    def close(self) -> None:
        for call in (self._logging_in, self._joining):
            if call is not None:
                call.abandon()
        self._logging_in = self._joining = None
        if self._client is not None:
            self._client.logout()
        self._client = None
        self._lose_feed()
