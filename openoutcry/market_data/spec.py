"""What a venue says about its feed."""

import socket
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from openoutcry.market_data.book import Book
from openoutcry.market_data.mold import MTU, payload_bytes
from openoutcry.wire.errors import FeedError

Address = tuple[str, int]


class Door(Protocol):
    """What serves market data to connections of its own, in the conflated feed's process."""

    async def start(self, listener: socket.socket) -> None:
        """Listen."""

    def publish(self, book: Book, sequence: int) -> None:
        """Take the book as it is now; ``sequence``: the last message that is in it."""

    async def stop(self) -> None:
        """End all connections."""


@dataclass(frozen=True)
class FeedSpec:
    """Where the feed goes.  Both lines say the same, packet by packet."""

    a: Address
    b: Address | None = None
    interface: str = ""
    """Address of the network interface that multicast leaves by; empty: the system chooses."""
    retransmission: Address | None = None
    """Where requests for messages are taken, over UDP."""
    snapshots: Address | None = None
    """Where snapshots are given, over TCP."""
    stream: Address | None = None
    """Where the same messages are given over SoupBinTCP."""
    depth: Address | None = None
    """Group of the conflated feed's records."""
    pages: Address | None = None
    """Where the conflated feed is served over WebSocket."""
    fix: Address | None = None
    """Where market data are served over FIX."""
    interval_ms: int = 100
    """Shortest interval of the conflated feed."""
    shm: bool = False
    """Whether the messages are written to shared memory too, for sessions over it."""
    ttl: int = 1
    mtu: int = MTU
    heartbeat_ms: int = 1_000
    requests_per_s: int = 100
    """Packets that one client gets in answer, in a second; and as many at once."""
    idle_us: int = 50
    """How long the feed's process sleeps when nothing was released for a millisecond; 0: never."""
    symbols: tuple[str, ...] = ()
    """The instruments' symbols outside; none: as records have them."""
    price_decimals: dict[str, int] = field(default_factory=dict)
    """By symbol: decimals of one tick; 4 where nothing is said."""

    def __post_init__(self) -> None:
        addresses = [
            one
            for one in (
                self.a,
                self.b,
                self.retransmission,
                self.snapshots,
                self.stream,
                self.depth,
                self.pages,
                self.fix,
            )
            if one is not None
        ]
        versions = {ip_address(host).version for host, _ in addresses}
        if len(versions) > 1:
            raise FeedError("the feed's addresses mix IPv4 and IPv6; use one family")
        payload_bytes(self.mtu, self.ipv6)

    @property
    def ipv6(self) -> bool:
        """Return whether the feed is sent over IPv6."""
        return ip_address(self.a[0]).version == 6

    @property
    def room(self) -> int:
        """Bytes of a packet."""
        return payload_bytes(self.mtu, self.ipv6)
