"""What the router needs of a venue: its feed, its orders, and what becomes of them."""

from abc import abstractmethod
from typing import NamedTuple

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import MAX_QUANTITY, RoutingError
from openoutcry.wire.closing import Closing

ACCEPTED, FILLED, CANCELLED, REJECTED = "accepted", "filled", "cancelled", "rejected"
REDUCED, RESIZED = "reduced", "resized"


class VenueDown(RoutingError):
    """The venue cannot be reached now; what was sent may or may not have arrived."""


class Order(NamedTuple):
    """A child as its venue gets it, in the router's units."""

    token: str
    """Names it at the venue; no other order of the router ever has it."""
    side: int
    quantity: int
    price: int
    is_ioc: bool


class VenueEvent(NamedTuple):
    """An event of an order at a venue."""

    venue: str
    stream: str
    """Which of the venue's streams of events this is one of: a session of a day."""
    sequence: int
    """In the stream; an event that comes twice has the same number."""
    token: str
    kind: str
    """ACCEPTED, FILLED, REDUCED, RESIZED, CANCELLED or REJECTED; the last two end an order, as does
    any other that leaves nothing open."""
    quantity: int = 0
    """FILLED: of this fill.  REDUCED: what the order has less, as by a venue that prevents trades
    with oneself.  RESIZED: all that the order has from here on, with what has traded."""
    price: int = 0
    reason: str = ""


class Connector(Closing):
    """One venue.  A call either works or raises :class:`VenueDown`; none waits."""

    name: str
    generation: int = 0
    """Goes up with each connection: a child sent in an earlier one may be in doubt."""
    settles_by_order: bool = False
    """:meth:`settle` sends an order with the same token, which may be rejected by itself: a
    rejection after an acceptance is not the order's."""
    may_trade: bool = True
    """False: the venue has a book, and takes no order of ours."""
    trouble: str = ""
    """Why there is no feed, where there should be one."""
    orders_trouble: str = ""
    """Why the venue takes no orders now, where it should."""
    volume: int = 0
    """Traded there today, in the router's units; 0 where the venue does not say."""

    clock_ns: int | None = None
    """The local clock less the venue's, by the quickest message of its feed: the offset of the
    clocks and the time that the message took.  None: not known."""

    def affordable(self, side: int, price: int) -> int:
        """The most that the balances there pay for at a price, in the router's units; where they
        are not known, no limit."""
        return MAX_QUANTITY

    def saw_clock(self, now_ns: int, venue_ns: int) -> None:
        """Note that a message of this time of the venue came now."""
        ahead_ns = now_ns - venue_ns
        self.clock_ns = ahead_ns if self.clock_ns is None else min(self.clock_ns, ahead_ns)

    @abstractmethod
    def poll(self, now_ns: int) -> list[VenueEvent]:
        """Return what came since the last call, or since ``resume``; connects again if it has to.
        An event may come again."""

    @abstractmethod
    def resume(self, stream: str, sequence: int) -> None:
        """Have the next :meth:`poll` begin after that event of a stream."""

    @abstractmethod
    def send(self, order: Order) -> None:
        """Send an order.  After :class:`VenueDown` it is in doubt; after any other
        :class:`RoutingError` it has not left."""

    @abstractmethod
    def cancel(self, order: Order) -> None:
        """Ask for what is open to be cancelled; the answer comes as an event."""

    @abstractmethod
    def settle(self, order: Order) -> None:
        """Make sure that the fate of an order in doubt comes as events: those of the order, or
        CANCELLED if it never arrived and can no longer arrive."""

    @abstractmethod
    def reconnect(self) -> None:
        """Give the connection up: the venue did not answer in time."""

    @abstractmethod
    def follow(self, depth: Depth, number: int, now_ns: int) -> None:
        """Bring the venue's levels and status in a depth up to date."""
