"""The native WebSocket, ``/v1/stream``: a snapshot, then increments, each with its sequence number.

Sequence numbers are those of the venue's commands, the same in every portal and after a restart.
An increment has the number before it in its channel (``prev``).  A client that comes back says the
last number that it has had (``after``): it is sent what changed since, or a snapshot where the
portal no longer has that.  The mirror has orders, fills and trades, so they also continue after a
restart of the portal.  A buffer has the last increments of a book.

A client that reads slowly is sent fewer increments of books, then is cut; it continues by number.
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from openoutcry.portal.accounts.errors import AccountError, NotFound, NotLoggedIn
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.native.callers import Asking, Callers, signed_text
from openoutcry.portal.native.documents import OWN, PUBLIC
from openoutcry.portal.native.idempotency import ROWS_A_WEIGHT
from openoutcry.portal.native.markets import NativeMarkets, trade_row
from openoutcry.portal.native.order_lists import NativeOrderLists
from openoutcry.portal.native.orders import NativeOrders
from openoutcry.portal.native.problems import of_api_error, of_reject
from openoutcry.portal.native.quote_routes import NativeQuotes
from openoutcry.portal.native.routes import balance_rows
from openoutcry.portal.notices.channels import shown
from openoutcry.portal.notices.notices import Notices
from openoutcry.portal.quotes.books import CONSOLIDATED, SYNTHETIC, MadeBooks
from openoutcry.portal.spot.errors import MALFORMED, ApiError
from openoutcry.portal.spot.limits import BANNED, Limits
from openoutcry.portal.spot.signing import READ
from openoutcry.portal.trading.instruments import Market, level_changes
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.reject import Code, NotReady, Reject
from openoutcry.wire.extras import need
from openoutcry.wire.named_once import once
from openoutcry.wire.peers import HERE

MADE = (CONSOLIDATED, SYNTHETIC)
BEAT_S, TICKER_BEATS = 0.1, 10
DEPTH = 1_000
"""Levels of a side in a book's snapshot and increments."""
INCREMENTS_KEPT, KEPT_BEATS = 2_000, 6_000
"""Increments kept for a book, and how many beats after its last subscriber has gone."""
SLOW, MOST_QUEUED = 200, 2_000
"""Messages that wait for a client: from here on books are conflated; and the client is cut."""
MOST_CHANNELS = 200
CONNECT_WEIGHT, REQUEST_WEIGHT, LOGIN_WEIGHT, BOOK_WEIGHT = 2, 1, 4, 10
"""Weights of a connection, of a request over it, of one that logs in, and of one for a book."""
TRADES_SHOWN = 100
NOTICES_SHOWN, MOST_NOTICES, NOTICES_S = 20, 100, 10.0
"""Notices in a snapshot, notices in a message, and seconds between two reads of every user's
notices."""
CHECK_S, SEND_S = 15.0, 30.0
"""Seconds between two checks whether the client may still see its own events."""
log = logging.getLogger("outcry.portal")


class Message:
    """A message, encoded once for each format."""

    __slots__ = ("_json", "_packed", "content")

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._json: str | None = None
        self._packed: bytes | None = None

    def text(self) -> str:
        """The message as compact JSON."""
        if self._json is None:
            self._json = json.dumps(self.content, separators=(",", ":"))
        return self._json

    def packed(self) -> bytes:
        """The message as MessagePack."""
        if self._packed is None:
            self._packed = need("msgpack", "MessagePack", "portal").packb(self.content)
        assert self._packed is not None
        return self._packed


@dataclass
class _Book:
    """A book's channel."""

    market: Market
    seq: int
    bids: dict[int, int]
    asks: dict[int, int]
    began_seq: int
    """Increments from here on are in ``kept``."""
    kept: deque[Message] = field(default_factory=lambda: deque(maxlen=INCREMENTS_KEPT))
    idle_beats: int = 0
    snapshot: Message | None = None
    """As it is now, after a first request for it: the same for all that wait."""


@dataclass(eq=False)
class Connection:
    """One client's queue."""

    channels: dict[tuple[str, str], int] = field(default_factory=dict)
    """By channel and symbol: the last number that was sent."""
    queue: "asyncio.Queue[Message | None]" = field(default_factory=asyncio.Queue)
    is_cut: bool = False
    participant: int = 0
    user_id: int = 0
    stale: set[str] = field(default_factory=set)
    """Symbols whose book is sent as a snapshot once the client has read on."""

    def put(self, message: Message) -> None:
        """Queue a message.  A client with ``MOST_QUEUED`` unread messages is cut: None ends its
        queue."""
        if self.is_cut:
            return
        if self.queue.qsize() >= MOST_QUEUED:
            self.cut()
            return
        self.queue.put_nowait(message)

    def cut(self) -> None:
        """End the connection after what is queued."""
        self.is_cut = True
        self.queue.put_nowait(None)

    def put_book(self, symbol: str, message: Message) -> None:
        """Queue an increment of a book.

        From ``SLOW`` unread messages on it is dropped, and the client gets a snapshot later."""
        if symbol in self.stale:
            return
        if self.queue.qsize() >= SLOW:
            self.stale.add(symbol)
            return
        self.channels["book", symbol] = message.content["seq"]
        self.put(message)


def message(kind: str, channel: str, symbol: str, seq: int, data: Any, **more: Any) -> Message:
    """A message of a channel; ``seq``: the command that it is true after; ``symbol``: may be
    empty."""
    content = {"type": kind, "channel": channel, "seq": seq, "data": data, **more}
    return Message(content | ({"symbol": symbol} if symbol else {}))


class NativeFeeds:
    """Makes the messages of every channel that has subscribers."""

    def __init__(
        self,
        mirror: Mirror,
        orders: NativeOrders,
        markets: NativeMarkets,
        notices: Notices | None = None,
        quotes: NativeQuotes | None = None,
        made: MadeBooks | None = None,
    ) -> None:
        self.made = made or MadeBooks(mirror)
        self._made: dict[tuple[str, str], Any] = {}
        """The last message sent of each such book."""
        self.quotes = quotes
        if quotes is not None:
            quotes.quotes.listeners.append(self._quotes_changed)
        self.mirror, self.orders, self.markets = mirror, orders, markets
        self.lists, self.notices = NativeOrderLists(orders), notices
        self.connections: set[Connection] = set()
        self._books: dict[str, _Book] = {}
        self._beats = 0
        self.notified: set[int] = set()
        """Users whose news is to be looked at."""
        self.has_news = asyncio.Event()
        mirror.listeners.append(self._moment)

    # Subscriptions

    def subscribe(self, connection: Connection, channel: str, symbol: str, after: int) -> int:
        """Send the snapshot, or what changed after a number; then increments follow.  Returns how
        many rows of that there are.

        Raises :class:`ApiError` for an instrument that there is not."""
        self.connections.add(connection)
        makes: dict[str, Callable[[Connection, str, int], int | None]] = {
            "book": self._begin_book,
            "trades": self._begin_trades,
            "ticker": self._begin_ticker,
            "statistics": self._begin_statistics,
            "orders": self._begin_orders,
            "order_lists": self._begin_order_lists,
            "fills": self._begin_fills,
            "balances": self._begin_balances,
            "notifications": self._begin_notifications,
            "quotes": self._begin_quotes,
            CONSOLIDATED: partial(self._begin_made, CONSOLIDATED),
            SYNTHETIC: partial(self._begin_made, SYNTHETIC),
        }
        if symbol:
            self.require_symbol(channel, symbol)
        connection.channels[channel, symbol] = self.mirror.seq
        return makes[channel](connection, symbol, after) or 0

    def require_symbol(self, channel: str, symbol: str) -> None:
        """Raises :class:`ApiError` for a symbol that the channel does not have."""
        if channel == "statistics":
            self.markets.statistics(symbol)
        elif channel not in MADE:
            self.orders.market(symbol)
        elif not self.made.has(channel, symbol):
            raise of_reject(Reject(Code.UNKNOWN_SYMBOL, "symbol"))

    def leave(self, connection: Connection) -> None:
        """Send nothing more to this connection."""
        self.connections.discard(connection)

    def _resumes(self, after: int, complete_from: int = 0) -> bool:
        """Return whether all that changed after a number is known."""
        oldest = max(self.mirror.began_seq, complete_from)
        return 0 < after <= self.mirror.seq and after >= oldest

    def _begin_book(self, connection: Connection, symbol: str, after: int) -> None:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = self._book(self.orders.market(symbol))
        book.idle_beats = 0
        if not self._resumes(after, book.began_seq):
            connection.put(self._snapshot(book))
            connection.channels["book", symbol] = book.seq
            return
        for one in book.kept:
            if one.content["seq"] > after:
                connection.put(one)
        connection.channels["book", symbol] = max(book.seq, after)

    def _snapshot(self, book: _Book) -> Message:
        if book.snapshot is None:
            book.snapshot = self._new_snapshot(book)
        return book.snapshot

    def _new_snapshot(self, book: _Book) -> Message:
        market = book.market
        bids = sorted(book.bids.items(), reverse=True)
        sides = [
            [[market.price(price), market.quantity(lots)] for price, lots in rows]
            for rows in (bids, sorted(book.asks.items()))
        ]
        data = {"bids": sides[0], "asks": sides[1]}
        return message("snapshot", "book", market.symbol, book.seq, data)

    def _begin_trades(self, connection: Connection, symbol: str, after: int) -> int:
        market = self.orders.market(symbol)
        of_book = self.mirror.tapes[market.index].trades
        is_full = of_book.maxlen is not None and len(of_book) == of_book.maxlen
        tape = self.mirror.tapes[market.index].every()
        if self._resumes(after, of_book[0].seq if is_full else 0):
            rows = [trade_row(one, market) for one in tape if one.seq > after]
            if rows:
                data, seq = [asdict(row) for row in rows], self.mirror.seq
                connection.put(message("update", "trades", symbol, seq, data, prev=after))
            else:
                connection.channels["trades", symbol] = after
            return len(rows)
        recent = [asdict(trade_row(one, market)) for one in tape[-TRADES_SHOWN:]]
        connection.put(message("snapshot", "trades", symbol, self.mirror.seq, recent))
        return len(recent)

    def _begin_ticker(self, connection: Connection, symbol: str, after: int) -> None:
        data = asdict(self.markets.ticker(symbol))
        connection.put(message("snapshot", "ticker", symbol, self.mirror.seq, data))

    def _begin_statistics(self, connection: Connection, symbol: str, after: int) -> None:
        data = asdict(self.markets.statistics(symbol))
        connection.put(message("snapshot", "statistics", symbol, self.mirror.seq, data))

    def _begin_orders(self, connection: Connection, symbol: str, after: int) -> int:
        own = self.mirror.orders.participant(connection.participant)
        seq = self.mirror.seq
        if self._resumes(after, own.forgotten_seq):
            changed = sorted((one for one in own.all() if one.seq > after), key=lambda o: o.seq)
            if changed:
                data = [asdict(self.orders.row(one)) for one in changed]
                connection.put(message("update", "orders", "", seq, data, prev=after))
            else:
                connection.channels["orders", ""] = after
            return len(changed)
        data = [asdict(self.orders.row(one)) for one in own.open.values()]
        connection.put(message("snapshot", "orders", "", seq, data))
        return len(data)

    def _begin_order_lists(self, connection: Connection, symbol: str, after: int) -> int:
        own, seq = self.mirror.orders.participant(connection.participant), self.mirror.seq
        lists = [of for of in own.lists.values() if of.is_whole]
        resumes = self._resumes(after, own.forgotten_seq)
        if resumes:
            lists = [of for of in lists if any(order.seq > after for order in of.orders)]
        else:
            lists = [of for of in lists if of.is_open]
        data = [asdict(self.lists.row(of)) for of in lists]
        if not resumes:
            connection.put(message("snapshot", "order_lists", "", seq, data))
        elif data:
            connection.put(message("update", "order_lists", "", seq, data, prev=after))
        else:
            connection.channels["order_lists", ""] = after
        return sum(of.legs for of in lists)

    def _begin_fills(self, connection: Connection, symbol: str, after: int) -> int:
        fills = self.mirror.orders.participant(connection.participant).fills
        is_full = len(fills) == fills.maxlen
        seq = self.mirror.seq
        if self._resumes(after, fills[0][1].seq if is_full else 0):
            data = [asdict(self.orders.fill_row(*pair)) for pair in fills if pair[1].seq > after]
            if data:
                connection.put(message("update", "fills", "", seq, data, prev=after))
            else:
                connection.channels["fills", ""] = after
            return len(data)
        connection.put(message("snapshot", "fills", "", seq, []))
        return 0

    def _begin_balances(self, connection: Connection, symbol: str, after: int) -> None:
        rows = balance_rows(self.mirror, connection.participant)
        data = [asdict(row) for row in rows]
        connection.put(message("snapshot", "balances", "", self.mirror.seq, data))

    def _begin_notifications(self, connection: Connection, symbol: str, after: int) -> None:
        """The numbers of this channel are those of notifications; ``follow_notices`` sends."""
        connection.channels["notifications", ""] = after or -1
        self.notified.add(connection.user_id)
        self.has_news.set()

    # Books that are made of others

    def _begin_made(self, kind: str, connection: Connection, symbol: str, after: int) -> None:
        data = self.made.shown(kind, symbol)
        connection.put(message("snapshot", kind, symbol, self.mirror.seq, data))

    def _beat_made(self) -> None:
        """The whole book to all who follow it, if it has changed."""
        followed = {key for one in self.connections for key in one.channels if key[0] in MADE}
        for key in self._made.keys() - followed:
            del self._made[key]
        for kind, symbol in followed:
            data = self.made.shown(kind, symbol)
            if self._made.get((kind, symbol)) == data:
                continue
            self._made[kind, symbol] = data
            made = message("snapshot", kind, symbol, self.mirror.seq, data)
            for connection in self.connections:
                if (kind, symbol) in connection.channels and connection.queue.qsize() < SLOW:
                    connection.put(made)

    # Requests for quotes

    def _begin_quotes(self, connection: Connection, symbol: str, after: int) -> int:
        """The numbers of this channel are those of the desk's commands; it begins with what is
        open."""
        quotes = self.quotes
        rows, number = [], 0
        if quotes is not None:
            who, number = connection.participant, quotes.quotes.number
            rows = [asdict(quotes.row(who, one)) for one in quotes.quotes.of(who, is_open=True)]
        connection.channels["quotes", ""] = number
        connection.put(message("snapshot", "quotes", "", number, rows))
        return len(rows)

    def _quotes_changed(self, touched: set[int]) -> None:
        quotes = self.quotes
        assert quotes is not None
        for connection in list(self.connections):
            if ("quotes", "") not in connection.channels:
                continue
            rows = []
            for number in sorted(touched):
                with contextlib.suppress(NotFound):
                    one = quotes.quotes.one(connection.participant, number)
                    rows.append(asdict(quotes.row(connection.participant, one)))
            if rows:
                self._to(connection, "quotes", "", quotes.quotes.number, rows)

    # Notifications

    async def follow_notices(self) -> None:
        """Send what is news to those who are connected; until cancelled.

        The database says whose news there is.  Without that word each is looked at now and then."""
        if self.notices is None:
            return
        listener = asyncio.create_task(self._listen())
        looked_s = 0.0
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S * 5):
                        await self.has_news.wait()
                self.has_news.clear()
                now_s = asyncio.get_running_loop().time()
                due, self.notified = self.notified, set()
                if now_s - looked_s > NOTICES_S:
                    looked_s = now_s
                    due |= {one.user_id for one in self.connections}
                for connection in list(self.connections):
                    if ("notifications", "") in connection.channels and connection.user_id in due:
                        await self._send_notices(connection, self.notices)
        finally:
            listener.cancel()

    async def _send_notices(self, connection: Connection, notices: Notices) -> None:
        before = connection.channels["notifications", ""]
        try:
            if before < 0:
                rows = await notices.page(connection.user_id, True, 0, NOTICES_SHOWN)
                rows.reverse()
            else:
                rows = await notices.after(connection.user_id, before, MOST_NOTICES)
        except DatabaseError as error:
            log.error("%s", error)
            self.notified.add(connection.user_id)
            return
        data = [shown(row) for row in rows]
        newest = rows[-1]["id"] if rows else max(0, before)
        if before < 0:
            connection.channels["notifications", ""] = newest
            connection.put(message("snapshot", "notifications", "", newest, data))
        elif rows:
            connection.channels["notifications", ""] = newest
            connection.put(message("update", "notifications", "", newest, data, prev=before))
            if len(rows) == MOST_NOTICES:
                self.notified.add(connection.user_id)

    async def _listen(self) -> None:
        """Learn from the database whose news there is."""
        import psycopg

        assert self.notices is not None
        url = self.notices.database.url
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as one:
                    await one.execute("listen outcry_notices")
                    async for word in one.notifies():
                        self.notified.add(int(word.payload))
                        self.has_news.set()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                await asyncio.sleep(NOTICES_S)

    # Increments as they come

    def _moment(self, moment: Moment) -> None:
        if not self.connections:
            return
        for connection in list(self.connections):
            if connection.participant:
                self._own(connection, moment)
        trades = [*moment.trades, *moment.off_book]
        for index in {index for index, _ in trades}:
            market = self.mirror.markets.by_index[index]
            here = sorted((one for at, one in trades if at == index), key=lambda one: one.number)
            rows = [trade_row(one, market) for one in here]
            data = [asdict(row) for row in rows]
            self._to_all("trades", market.symbol, moment.seq, data)

    def _own(self, connection: Connection, moment: Moment) -> None:
        own = [
            change
            for change in moment.changes
            if change.order.participant == connection.participant
        ]
        channels, seq = connection.channels, moment.seq
        if own and ("orders", "") in channels:
            orders = {report.order.number: report.order for report in own}
            data = [asdict(self.orders.row(order)) for order in orders.values()]
            self._to(connection, "orders", "", seq, data)
        if own and ("order_lists", "") in channels:
            lists = {one.order.of.number: one.order.of for one in own if one.order.of is not None}
            data = [asdict(self.lists.row(of)) for of in lists.values() if of.is_whole]
            if data:
                self._to(connection, "order_lists", "", seq, data)
        off_book = [
            one for one in moment.off_book_fills if one.order.participant == connection.participant
        ]
        filled = [(one.order, one.fill) for one in (*own, *off_book) if one.fill is not None]
        filled += [
            (order, fill)
            for order, fill in moment.broken
            if order.participant == connection.participant
        ]
        if filled and ("fills", "") in channels:
            data = [asdict(self.orders.fill_row(order, fill)) for order, fill in filled]
            self._to(connection, "fills", "", seq, data)
        if connection.participant in moment.wallets and ("balances", "") in channels:
            rows = balance_rows(self.mirror, connection.participant)
            self._to(connection, "balances", "", seq, [asdict(row) for row in rows])

    def _to(self, connection: Connection, channel: str, symbol: str, seq: int, data: Any) -> None:
        before = connection.channels[channel, symbol]
        connection.channels[channel, symbol] = seq
        connection.put(message("update", channel, symbol, seq, data, prev=before))

    def _to_all(self, channel: str, symbol: str, seq: int, data: Any) -> None:
        """One message for all that have had the same."""
        made: dict[int, Message] = {}
        for connection in self.connections:
            before = connection.channels.get((channel, symbol))
            if before is None:
                continue
            connection.channels[channel, symbol] = seq
            if before not in made:
                made[before] = message("update", channel, symbol, seq, data, prev=before)
            connection.put(made[before])

    # Increments at intervals

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            with contextlib.suppress(NotReady), self.mirror.as_of_seq():
                self.beat()

    def beat(self) -> None:
        """One interval."""
        self._beats += 1
        self._beat_made()
        for symbol, book in list(self._books.items()):
            self._beat_book(symbol, book)
        if self._beats % TICKER_BEATS == 0:
            made: dict[str, Callable[[str], Any]] = {
                "ticker": self.markets.ticker,
                "statistics": self.markets.statistics,
            }
            followed = {key for one in self.connections for key in one.channels if key[0] in made}
            for channel, symbol in followed:
                with contextlib.suppress(NotFound):  # a contract that has ended meanwhile
                    data = asdict(made[channel](symbol))
                    self._to_all(channel, symbol, self.mirror.seq, data)

    def _book(self, market: Market) -> _Book:
        sides = self.mirror.depth(market.code, DEPTH)
        bids, asks = ({price: lots for price, lots, _ in rows} for rows in sides)
        return _Book(market, self.mirror.seq, bids, asks, self.mirror.seq)

    def _beat_book(self, symbol: str, book: _Book) -> None:
        listening = [one for one in self.connections if ("book", symbol) in one.channels]
        book.idle_beats = 0 if listening else book.idle_beats + 1
        if book.idle_beats > KEPT_BEATS:
            del self._books[symbol]
            return
        if self.mirror.seq != book.seq:
            self._increment(symbol, book, listening)
        for connection in listening:
            if symbol in connection.stale and connection.queue.qsize() < SLOW // 2:
                connection.stale.discard(symbol)
                connection.put_book(symbol, self._snapshot(book))

    def _increment(self, symbol: str, book: _Book, listening: list[Connection]) -> None:
        new = self._book(book.market)
        changes = [
            level_changes(*sides, book.market)
            for sides in ((book.bids, new.bids), (book.asks, new.asks))
        ]
        before, book.seq = book.seq, new.seq
        if not any(changes):
            # The numbers between are part of the next increment.
            book.seq = before
            return
        book.bids, book.asks, book.snapshot = new.bids, new.asks, None
        data = {"bids": changes[0], "asks": changes[1]}
        made = message("update", "book", symbol, new.seq, data, prev=before)
        if len(book.kept) == book.kept.maxlen:
            book.began_seq = book.kept[0].content["seq"]
        book.kept.append(made)
        for connection in listening:
            connection.put_book(symbol, made)


class Session:
    """One client's requests."""

    def __init__(self, feeds: NativeFeeds, callers: Callers, limits: Limits, address: str) -> None:
        self.feeds, self.callers, self.limits = feeds, callers, limits
        self.address = address
        self.connection = Connection()
        self._still: Callable[[], Awaitable[None]] | None = None
        """Raises an error once the client may no longer see its own events."""

    def close(self) -> None:
        """Unsubscribe the client from every channel."""
        self.feeds.leave(self.connection)

    def take(self, weight: int) -> None:
        """Count what a message costs.  A proxy on this host speaks for all its clients.  Raises
        :class:`ApiError`."""
        if self.address not in HERE:
            self.limits.take(self.address, weight)

    async def asked(self, raw: str | bytes) -> None:
        """Answer one request, in JSON or MessagePack, through the client's queue; a bad one gets an
        error."""
        number: Any = None
        is_banned = False
        try:
            self.take(REQUEST_WEIGHT)
            request = _request(raw)
            number = _id_of(request)
            answer = await self._answer(request, number)
        except AccountError as error:
            answer = {"type": "error", "code": error.code, "detail": str(error)}
        except ApiError as error:
            code, is_banned = of_api_error(error)[1], error.status == BANNED
            answer = {"type": "error", "code": code, "detail": error.text}
        except (DatabaseError, NotReady):
            answer = {"type": "error", "code": "unavailable", "detail": "try again"}
        except MALFORMED:
            answer = {"type": "error", "code": "invalid_request", "detail": "see the documents"}
        if answer:
            self.connection.put(Message(answer | {"id": number, "seq": self.feeds.mirror.seq}))
        if is_banned:
            self.connection.cut()

    async def _answer(self, request: dict[str, Any], number: Any) -> dict[str, Any]:
        do = request["op"]
        if do == "ping":
            return {"type": "pong"}
        if do == "auth":
            self.take(LOGIN_WEIGHT - REQUEST_WEIGHT)
            await self._log_in(request)
            return {"type": "authenticated"}
        channel, symbol = request["channel"], request.get("symbol", "")
        if type(channel) is not str or type(symbol) is not str:
            raise ValueError
        is_own = channel in OWN
        if not is_own and channel not in PUBLIC:
            raise ValueError
        if bool(symbol) == is_own:
            raise ValueError
        shown = {"channel": channel} | ({"symbol": symbol} if symbol else {})
        if do == "unsubscribe":
            self.connection.channels.pop((channel, symbol), None)
            self.connection.stale.discard(symbol if channel == "book" else "")
            return {"type": "unsubscribed"} | shown
        if do != "subscribe":
            raise ValueError
        after = request.get("after", 0)
        if type(after) is not int or not 0 <= after < 2**62:
            raise ValueError
        if is_own and not self.connection.participant:
            raise NotLoggedIn("this channel needs an authentication")
        if len(self.connection.channels) >= MOST_CHANNELS:
            raise ValueError
        if symbol:
            self.feeds.require_symbol(channel, symbol)
        if channel in ("book", *MADE):
            self.take(BOOK_WEIGHT - REQUEST_WEIGHT)
        begin = {"type": "subscribed", "id": number, "seq": self.feeds.mirror.seq}
        self.connection.put(Message(begin | shown))
        rows = self.feeds.subscribe(self.connection, channel, symbol, after)
        self.take(rows // ROWS_A_WEIGHT)
        return {}

    async def _log_in(self, request: dict[str, Any]) -> None:
        if "token" in request:
            token = str(request["token"])
            asking = await self.callers.of_token(token, self.address)
            if asking.is_support:

                async def looks_on() -> None:
                    await self.callers.accounts.supported(token)

                self._become(asking)
                self._still = looks_on
                return
            person = await self.callers.accounts.person(token)

            async def still() -> None:
                await self.callers.accounts.require_session(person)

        else:
            names = ("api_key", "timestamp", "signature")
            api_key, timestamp, signature = (str(request[name]) for name in names)
            text = signed_text(timestamp, "GET", "/v1/stream", "")
            terms = api_key, timestamp, signature, text, self.address
            asking = await self.callers.of_key(*terms, once=True)

            async def still() -> None:
                await self.callers.signing.key(api_key, self.address, READ)

        self._become(asking)
        # Not before: a login of another account, which is refused, must not keep this one's open.
        self._still = still

    def _become(self, asking: Asking) -> None:
        asking.require_participant()
        if self.connection.participant not in (0, asking.participant):
            raise NotLoggedIn("another account uses this connection")
        self.connection.participant, self.connection.user_id = asking.participant, asking.user_id

    async def watch(self) -> None:
        """End the connection once its owner's key or session has ended."""
        while True:
            await asyncio.sleep(CHECK_S)
            if self._still is None:
                continue
            try:
                await self._still()
            except (AccountError, ApiError):
                error = {"type": "error", "code": "not_logged_in", "detail": "log in again"}
                number = {"id": None, "seq": self.feeds.mirror.seq}
                self.connection.put(Message(error | number))
                self.connection.queue.put_nowait(None)
                return
            except (DatabaseError, NotReady) as error:
                log.error("%s", error)


def _request(raw: str | bytes) -> dict[str, Any]:
    if isinstance(raw, bytes):
        read = need("msgpack", "MessagePack", "portal")
        try:
            bounds = {"max_map_len": 16, "max_array_len": 16, "max_str_len": 4_096}
            request = read.unpackb(raw, object_pairs_hook=once, **bounds)
        except (read.exceptions.UnpackException, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None
    else:
        request = json.loads(raw, object_pairs_hook=once)
    if type(request) is not dict:
        raise ValueError("an object is expected")
    return request


def _id_of(request: dict[str, Any]) -> str | int | None:
    """The request's own name, which its answer repeats; None for one that not every format can
    carry."""
    number = request.get("id")
    if type(number) is int:
        return number if -(2**63) <= number < 2**63 else None
    if type(number) is str and len(number) <= 36 and number.isprintable():
        return number
    return None


def add_stream(app: Any, feeds: NativeFeeds, callers: Callers, limits: Limits) -> None:
    """Add ``/v1/stream``; with ``?format=msgpack`` the portal answers in MessagePack."""
    from fastapi import WebSocket

    async def stream(socket: WebSocket) -> None:
        is_packed = socket.query_params.get("format") == "msgpack"
        address = socket.client.host if socket.client else ""
        session = Session(feeds, callers, limits, address)
        try:
            session.take(CONNECT_WEIGHT)
        except ApiError:
            await socket.close(1008)
            return
        await socket.accept()
        await _serve(socket, session, is_packed)

    app.router.add_websocket_route("/v1/stream", stream)


async def _serve(socket: Any, session: Session, is_packed: bool) -> None:
    from fastapi import WebSocketDisconnect

    async def read() -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while not session.connection.is_cut:
                received = await socket.receive()
                if received["type"] == "websocket.disconnect":
                    break
                raw = received.get("text")
                await session.asked(received["bytes"] if raw is None else raw)
        session.connection.queue.put_nowait(None)

    tasks = [asyncio.create_task(read()), asyncio.create_task(session.watch())]
    # Nobody would see the end of a key or session any more.
    tasks[1].add_done_callback(lambda _: session.connection.queue.put_nowait(None))
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            while (one := await session.connection.queue.get()) is not None:
                send = socket.send_bytes if is_packed else socket.send_text
                async with asyncio.timeout(SEND_S):
                    await send(one.packed() if is_packed else one.text())
            await socket.close(1008 if session.connection.is_cut else 1000)
    finally:
        for task in tasks:
            task.cancel()
        session.close()
