"""The conflated feed for pages: JSON over WebSocket, to each subscriber at its pace.

Each subscriber has a task.  At every interval, the task compares what it sent last with the present
view, sends the difference and waits until the connection takes it.  A slow subscriber is updated
less often, and always to the present view.  The memory for a subscriber is one view, however slow
it is.

Client to server: ``{"subscribe": ["GOLD"], "depth": 10, "interval_ms": 100}`` (``"*"``: all),
``{"resync": "GOLD"}``.  Server to client: ``snapshot``, ``update`` (levels by price, 0 shares:
gone), ``heartbeat``, ``error``, ``end`` (of the session; the next one begins with snapshots).  The
number ``seq`` counts them.
"""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from openoutcry.market_data.depth import LEVELS, View, by_price
from openoutcry.market_data.spec import Address
from openoutcry.wire.errors import FeedError
from openoutcry.wire.extras import need
from openoutcry.wire.load_limits import Budget, Places, Rate
from openoutcry.wire.peers import address_of

MAX_SUBSCRIBERS, MAX_SUBSCRIBERS_EACH = 4_096, 512
"""In all, and of one address."""
REQUEST_BYTES = 1 << 16
REQUESTS = Rate(per_s=1, at_once=5)
"""Requests of a connection that are read."""
SEND_BUFFER_BYTES = 1 << 16
WRITE_LIMIT_BYTES = 1 << 15
"""Most bytes that may wait in a connection: more would be old when it arrives at a slow client."""
HEARTBEAT_S = 1.0
PING_S = 20.0
"""A connection that does not answer a ping for this long is dead."""
MAX_INTERVAL_MS = 60_000


def websockets() -> Any:
    """The library, or :class:`FeedError` saying what gives it."""
    return need("websockets.asyncio.server", "pages need websockets", "venue", FeedError)


@dataclass(eq=False)
class Subscriber:
    """Subscriptions and state of one connection."""

    names: frozenset[str] | None = frozenset()
    """Symbols; None: all."""
    sessions: int = 0
    """Ends of sessions that were sent to it, or that were before it came."""
    depth: int = LEVELS
    interval_ms: int = 100
    seq: int = 0
    known: dict[int, View] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, view: View) -> bool:
        """Return whether a reader asked for a symbol; without a list it asked for all."""
        return self.names is None or view.symbol in self.names


class Pages:
    """Serves the views that :meth:`publish` receives.

    ``interval_ms``: the shortest that a subscriber may choose; ``listener``: a socket that listens
    at the address already.
    """

    def __init__(
        self, address: Address, interval_ms: int, listener: socket.socket | None = None
    ) -> None:
        self.address, self.interval_ms, self.listener = address, interval_ms, listener
        self.views: dict[int, View] = {}
        self.itch_seq = 0
        self.ended: list[str] = []
        """Sessions that have."""
        self.is_between = False
        """One has ended, and no other has begun."""
        self.subscribers: set[Subscriber] = set()
        self.places: Places[Any] = Places(MAX_SUBSCRIBERS, MAX_SUBSCRIBERS_EACH)
        self.refused = 0
        self._server: Any = None

    async def start(self) -> None:
        """Listen.  Raises :class:`FeedError`."""
        host, port = self.address
        where = {"host": host, "port": port} if self.listener is None else {"sock": self.listener}
        try:
            self._server = await websockets().serve(
                self._serve,
                **where,
                max_size=REQUEST_BYTES,
                max_queue=4,
                compression=None,
                write_limit=WRITE_LIMIT_BYTES,
                ping_interval=PING_S,
                ping_timeout=PING_S,
            )
        except OSError as error:
            raise FeedError(f"cannot serve pages on {host}:{port}: {error}") from None

    @property
    def port(self) -> int:
        """The TCP port that the server listens on."""
        return int(next(iter(self._server.sockets)).getsockname()[1])

    def publish(self, views: dict[int, View], itch_seq: int) -> None:
        """Set the present views; each subscriber's task reads them at its next interval."""
        self.views, self.itch_seq, self.is_between = views, itch_seq, False

    def end(self, session: str) -> None:
        """A session has ended; the end is sent to every subscriber after its last view."""
        self.ended.append(session)
        self.is_between = True
        for subscriber in self.subscribers:
            subscriber.changed.set()

    @property
    def all_know(self) -> bool:
        """Every end was sent to every subscriber."""
        return all(subscriber.sessions == len(self.ended) for subscriber in self.subscribers)

    async def stop(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, connection: Any) -> None:
        with self.places.place(address_of(connection.remote_address), connection) as has_place:
            if has_place:
                await self._serve_subscriber(connection)
                return
        self.refused += 1
        await connection.close(1013, "too many subscribers")

    async def _serve_subscriber(self, connection: Any) -> None:
        raw = connection.transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        subscriber = Subscriber(interval_ms=self.interval_ms, sessions=len(self.ended))
        self.subscribers.add(subscriber)
        telling = asyncio.create_task(self._tell_one(connection, subscriber))
        pace = Budget(REQUESTS)
        try:
            async for text in connection:
                await self._on_request(connection, subscriber, text)
                await pace.rest()
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "websockets":
                raise
        finally:
            telling.cancel()
            self.subscribers.discard(subscriber)

    async def _on_request(self, connection: Any, subscriber: Subscriber, text: str | bytes) -> None:
        try:
            wish = json.loads(text)
            if type(wish) is not dict:
                raise ValueError("a request is a JSON object")
            if "resync" in wish:
                self._resync(subscriber, wish["resync"])
            elif "subscribe" in wish:
                self._subscribe(subscriber, wish)
            else:
                raise ValueError('a request has "subscribe" or "resync"')
        except (ValueError, RecursionError) as error:
            await self._say(connection, subscriber, "error", error=str(error))
            return
        subscriber.changed.set()

    def _resync(self, subscriber: Subscriber, name: Any) -> None:
        if not any(view.symbol == name for view in self.views.values()):
            raise ValueError(f"no instrument {name!r}")
        subscriber.known = {k: v for k, v in subscriber.known.items() if v.symbol != name}

    def _subscribe(self, subscriber: Subscriber, wish: dict[str, Any]) -> None:
        names = wish["subscribe"]
        depth, interval_ms = wish.get("depth", LEVELS), wish.get("interval_ms", self.interval_ms)
        if names != "*" and (
            type(names) is not list or not all(isinstance(name, str) for name in names)
        ):
            raise ValueError('"subscribe" is a list of symbols, or "*"')
        known = {view.symbol for view in self.views.values()}
        if names != "*" and set(names) - known:
            raise ValueError(f"no instrument {min(set(names) - known)!r}")
        if type(depth) is not int or not 1 <= depth <= LEVELS:
            raise ValueError(f'"depth" is 1 to {LEVELS}')
        if type(interval_ms) is not int or not self.interval_ms <= interval_ms <= MAX_INTERVAL_MS:
            raise ValueError(f'"interval_ms" is {self.interval_ms} to {MAX_INTERVAL_MS}')
        subscriber.names = None if names == "*" else frozenset(names)
        subscriber.depth, subscriber.interval_ms, subscriber.known = depth, interval_ms, {}

    async def _say(self, connection: Any, subscriber: Subscriber, kind: str, **more: Any) -> None:
        subscriber.seq += 1
        await connection.send(json.dumps({"type": kind, "seq": subscriber.seq, **more}))

    async def _tell_one(self, connection: Any, subscriber: Subscriber) -> None:
        """Serve the subscriber's intervals in turn; each takes as long as its connection takes."""
        loop = asyncio.get_running_loop()
        last_sent_s = due = loop.time()
        while True:
            wait_s = min(due - loop.time(), HEARTBEAT_S)
            with contextlib.suppress(TimeoutError):  # sooner on a request
                async with asyncio.timeout(max(wait_s, 0.001)):
                    await subscriber.changed.wait()
            before = subscriber.seq
            if subscriber.changed.is_set() or loop.time() >= due:
                subscriber.changed.clear()
                due = loop.time() + subscriber.interval_ms / 1e3
                if not self.is_between or subscriber.sessions < len(self.ended):
                    await self._difference(connection, subscriber)
                while subscriber.sessions < len(self.ended):
                    session, subscriber.known = self.ended[subscriber.sessions], {}
                    await self._say(connection, subscriber, "end", session=session)
                    subscriber.sessions += 1
            if subscriber.seq > before:
                last_sent_s = loop.time()
            elif loop.time() - last_sent_s >= HEARTBEAT_S:
                await self._say(connection, subscriber, "heartbeat", itch_seq=self.itch_seq)
                last_sent_s = loop.time()

    async def _difference(self, connection: Any, subscriber: Subscriber) -> None:
        for locate in list(self.views):
            view = self.views[locate]  # of now: an earlier send may have waited
            if not subscriber.wants(view):
                continue
            view, known = view.cut(subscriber.depth), subscriber.known.get(locate)
            if known == view:
                continue
            subscriber.known[locate] = view
            fields = {
                "symbol": view.symbol,
                "price_decimals": view.price_decimals,
                "itch_seq": self.itch_seq,
                "state": view.state,
                "reason": view.reason,
                "last": [view.last_price, view.last_shares],
                "trades": view.trades,
            }
            if known is None:
                await self._say(
                    connection, subscriber, "snapshot", **fields, bids=view.bids, asks=view.asks
                )
            else:
                await self._say(
                    connection,
                    subscriber,
                    "update",
                    **fields,
                    bids=by_price(known.bids, view.bids),
                    asks=by_price(known.asks, view.asks),
                )
