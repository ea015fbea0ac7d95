"""A venue's market data over FIX 4.4: a listener of the conflated feed's process.

A session is a connection: both sides begin at 1, and what was sent is not sent again (a
ResendRequest gets a gap; a request gets a snapshot).  The data are public, so that any SenderCompID
may log on.

Each connection has a task that compares at every interval what it said last with what there is,
sends the difference and waits until the connection takes it.  So a slow reader is told less often,
of the present, and what waits for it is one message and the buffer of its socket.  Trades are never
left out: a request that is too far behind ends with a Y.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from openoutcry.market_data.book import Book, Instrument, Trade
from openoutcry.market_data.depth import View, view_of
from openoutcry.order_entry.fix.endpoint import Endpoint, compile_session
from openoutcry.order_entry.fix.logon import LogonError, logon_of
from openoutcry.runtime.shared import Shared
from openoutcry.venue import market_data_messages as messages
from openoutcry.venue.contract_figures import Figures, figures_of
from openoutcry.venue.file import VenueFile
from openoutcry.venue.market_data_messages import (
    DUPLICATE,
    NO_SUBSCRIPTION_TYPE,
    SNAPSHOT,
    STOP,
    TOO_MUCH,
    TRADE,
    Changes,
    Entries,
    FieldFault,
    Market,
    Refusal,
    Request,
    Security,
)
from openoutcry.wire.errors import FeedError
from openoutcry.wire.load_limits import Budget, Budgets, Logins, Places, Rate
from openoutcry.wire.peers import HERE, address_of
from openoutcry.wire.rule_changes import SLOT

MAX_LINES, MAX_LINES_EACH, MAX_WAITING = 256, 32, 64
"""Connections that have logged on, in all and of one address, and those without a Logon."""
LOGONS = Rate(per_s=2, at_once=32)
"""Logons of an address: each costs the process a session's memory."""
MAX_ASKED = 1_024
"""Symbols of all requests of a connection."""
PIECE_BYTES = 1 << 12
READS, SYMBOLS_A_PIECE = Rate(per_s=10, at_once=50), 8
"""Pieces of a connection's bytes that are read.  So many bytes that answer a request, and so many
symbols that it names, count as one more."""
WRITE_LIMIT_BYTES = 1 << 16
"""Bytes that wait for a connection before it gets no further message."""
SEND_BUFFER_BYTES = 1 << 17
OUT_BYTES, DATA_BYTES = 1 << 21, 1 << 22
"""Room for the largest message, and for those that are not sent yet."""
LOGON_S, TICK_S, UNREAD_S = 10.0, 0.5, 20.0
"""A Logon comes within LOGON_S.  The session's clock is looked at every TICK_S.  A client that
reads nothing for UNREAD_S is cut."""
TAPE_ROWS = 1 << 14
"""The last trades of all instruments, for readers that are behind."""
MAX_TRADES = 5_000
"""Trades of one message."""
PART = 100
"""Instruments of one SecurityList."""
MAX_BEHIND = "more than {} trades came since the last message: ask again"
log = logging.getLogger("outcry.feed")


@dataclass(eq=False)
class Wish:
    """A request of market data and what was said of it."""

    request: Request
    known: dict[str, Entries] = field(default_factory=dict)
    book: Book | None = None
    """The book whose trades are counted."""
    trades: dict[str, int] = field(default_factory=dict)
    """How many trades of the book were there, by symbol."""


class DataDoor:
    """Listens, and has a :class:`Line` for each connection."""

    def __init__(
        self,
        name: str,
        securities: Mapping[str, Security],
        figures: Callable[[], Mapping[str, Figures]],
        interval_ms: int,
    ) -> None:
        """``name``: TargetCompID of the Logons."""
        self.name, self.slots = name, dict(enumerate(securities.values(), start=1))
        self.slots = {n: one for n, one in self.slots.items() if one.symbol.startswith(SLOT)}
        """By their number in the feed: those that are instruments once the feed names them."""
        self._named = {k: one for k, one in securities.items() if not k.startswith(SLOT)}
        self.has_contracts = any(one.contract is not None for one in securities.values())
        self.interval_s = interval_ms / 1e3
        self.book: Book | None = None
        self._sequence, self._figures = 0, figures
        self._shown: Mapping[str, Figures] = {}
        self._has_figures = False
        """They are read at the first need after each interval: none without a reader."""
        self._locates: dict[str, int] = {}
        self._markets: dict[tuple[str, int], Market] = {}
        self._entries: dict[tuple[str, int, frozenset[str]], Entries] = {}
        self._changes: dict[tuple[int, int], tuple[Entries, Entries, Changes]] = {}
        """By the objects, which are kept: of two at one time no address is the same."""
        self.places: Places[asyncio.StreamWriter] = Places(MAX_LINES, MAX_LINES_EACH)
        self._waiting: Logins[asyncio.StreamWriter] = Logins(MAX_WAITING)
        self._logons = Budgets(LOGONS)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused = 0
        self._compiled: asyncio.Task[None] | None = None

    # What there is

    def publish(self, book: Book, sequence: int) -> None:
        """Take the book as it is now; ``sequence``: the last message that is in it."""
        if book is not self.book:
            book.keep_trades(TAPE_ROWS)
            self.book = book
        self._sequence = sequence
        self._locates.clear()
        self._markets.clear()
        self._entries.clear()
        self._changes.clear()
        self._has_figures = False

    @property
    def securities(self) -> dict[str, Security]:
        """Return what is traded, by symbol."""
        for locate, slot in list(self.slots.items()) if self.book is not None else ():
            assert self.book is not None
            if symbol := self.book.instrument(locate).symbol:
                self._named[symbol] = replace(slot, symbol=symbol)
                self._locates.clear()
                del self.slots[locate]
        return self._named

    def instruments(self) -> dict[str, Instrument]:
        """Return what the feed has said of each instrument, by symbol."""
        found = self.book.instruments() if self.book is not None else []
        return {one.symbol: one for one in found}

    def instrument(self, symbol: str) -> Instrument | None:
        """Return what the feed has said of an instrument; None: nothing yet."""
        if self.book is None:
            return None
        if not self._locates:
            self._locates = {name: one.locate for name, one in self.instruments().items()}
        locate = self._locates.get(symbol)
        return None if locate is None else self.book.instrument(locate)

    def market(self, symbol: str, depth: int) -> Market | None:
        """Return an instrument of this moment; None before the feed has said anything of it."""
        known = self._markets.get((symbol, depth))
        if known is None:
            one = self.instrument(symbol)
            if one is None or self.book is None:
                return None
            view: View = view_of(self.book, one, depth)
            decimals = self.securities[symbol].decimals
            if not self._has_figures:
                self._shown, self._has_figures = self._figures(), True
            shown = self._shown.get(symbol)
            known = Market(view, one, decimals, self._sequence, shown)
            self._markets[symbol, depth] = known
        return known

    def entries(self, request: Request, market: Market) -> Entries:
        """Return a market's entries; those of equal requests are made once an interval."""
        key = market.view.symbol, request.depth, request.types
        if key not in self._entries:
            self._entries[key] = market.entries(request.types, request.depth)
        return self._entries[key]

    def changes(self, old: Entries, new: Entries) -> Changes:
        """Return what turns ``old`` into ``new``; readers that know the same share it."""
        if old is new:
            return []
        key = id(old), id(new)
        if key not in self._changes:
            self._changes[key] = old, new, messages.changes(old, new)
        return self._changes[key][2]

    # Connections

    async def start(self, listener: socket.socket) -> None:
        """Listen."""
        self._compiled = asyncio.create_task(asyncio.to_thread(compile_session))
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=PIECE_BYTES)

    @property
    def port(self) -> int:
        """The TCP port that the door listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, and log out those that there are."""
        if self._server is not None:
            self._server.close()
        tasks = [*self._tasks, *([self._compiled] if self._compiled else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._guarded(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = address_of(writer.get_extra_info("peername"))
        if (oldest := self._waiting.came(address, writer)) is not None:
            oldest.transport.abort()
        try:
            async with asyncio.timeout(LOGON_S):
                logon, data = await logon_of(reader, self.name)
            self._waiting.leave(writer)
            if address not in HERE and not self._logons.of(address).take(time.monotonic()):
                self.refused += 1
                return
            if self._compiled is not None:
                await asyncio.shield(self._compiled)
            with self.places.place(address, writer) as has_place:
                if has_place:
                    endpoint = Endpoint(
                        self.name,
                        logon.sender,
                        options=0,
                        data_bytes=DATA_BYTES,
                        out_bytes=OUT_BYTES,
                    )
                    await Line(self, endpoint, reader, writer).run(data)
                    return
            self.refused += 1
        except (OSError, EOFError, TimeoutError):
            pass
        except (LogonError, ValueError) as error:
            log.info("market data over FIX, from %s: %s", address, error)
        finally:
            self._waiting.leave(writer)
            writer.close()


class Line:
    """One connection that has sent a Logon."""

    def __init__(
        self,
        door: DataDoor,
        endpoint: Endpoint,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.door, self.endpoint = door, endpoint
        self._reader, self._writer = reader, writer
        self.wishes: dict[str, Wish] = {}
        self.statuses: dict[str, tuple[Request, tuple[int, str]]] = {}
        self.sessions: dict[str, tuple[Request, str]] = {}
        self._changed = asyncio.Event()

    async def run(self, data: bytes) -> None:
        """Serve until the connection or the door ends."""
        self._writer.transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)
        raw = self._writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        work = [asyncio.create_task(self._listen(data)), asyncio.create_task(self._tell())]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self.endpoint.end()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._flush()

    async def _flush(self) -> None:
        """Send what there is; a connection that does not take it in time ends."""
        while data := self.endpoint.output():
            self._writer.write(data)
            async with asyncio.timeout(UNREAD_S):
                await self._writer.drain()
        self.endpoint.forget()

    async def _listen(self, data: bytes) -> None:
        pace = Budget(READS)
        while True:
            for raw in self.endpoint.take(data):
                pieces, said = raw.count(b"\x0155=") // SYMBOLS_A_PIECE, 0
                for body in self._answers(raw):
                    said += len(body)
                    self.endpoint.say(body)
                    await self._flush()
                if pieces := pieces + said // PIECE_BYTES:
                    await pace.rest(pieces)
            await self._flush()
            if self.endpoint.is_over:
                return
            data = await self._reader.read(PIECE_BYTES)
            if not data:
                return
            await pace.rest()

    async def _tell(self) -> None:
        """Serve the intervals in turn; each takes as long as the connection takes."""
        due_s = time.monotonic()
        while not self.endpoint.is_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(due_s - time.monotonic(), 0.001)):
                    await self._changed.wait()
            self._changed.clear()
            due_s = time.monotonic() + (self.door.interval_s if self._asks else TICK_S)
            unsent = 0
            for body in self._news():
                self.endpoint.say(body)
                unsent += len(body)
                if unsent > WRITE_LIMIT_BYTES:
                    await self._flush()
                    unsent = 0
            self.endpoint.tick()
            await self._flush()

    @property
    def _asks(self) -> bool:
        return bool(self.wishes or self.statuses or self.sessions)

    # Requests

    def _answers(self, raw: bytes) -> Iterator[bytes]:
        """Take a request; what answers it at once."""
        kind, number = _kind_and_number(raw)
        if kind not in messages.REQUIRED:
            text = "this port serves market data alone"
            yield messages.business_reject(number, kind, "3", text)
            return
        try:
            request = messages.request_of(
                kind, raw, self.door.securities.__contains__, self.door.has_contracts
            )
        except FieldFault as fault:
            yield messages.reject_body(number, kind, fault)
            return
        except Refusal as refusal:
            yield messages.refusal_body(_name_of(raw), refusal)
            return
        if kind in "eg" and self._asked >= MAX_ASKED:
            yield messages.business_reject(number, kind, "0", self._too_many)
            return
        take = {
            "V": self._take_data,
            "x": self._take_list,
            "c": self._take_definition,
            "e": self._take_status,
            "g": self._take_session,
        }
        yield from take[kind](request)

    def _take_data(self, request: Request) -> Iterator[bytes]:
        name = request.name
        if request.subscription == STOP:
            if self.wishes.pop(name, None) is None:
                why = f"MDReqID (262) {name}: there is no such subscription"
                yield messages.refusal_body(name, Refusal(NO_SUBSCRIPTION_TYPE, why))
        elif name in self.wishes:
            why = f"MDReqID (262) {name} is the name of a request that is being answered"
            yield messages.refusal_body(name, Refusal(DUPLICATE, why))
        elif self._asked + len(request.symbols) > MAX_ASKED:
            yield messages.refusal_body(name, Refusal(TOO_MUCH, self._too_many))
        else:
            self.wishes[name] = Wish(request)
            self._changed.set()

    @property
    def _asked(self) -> int:
        of_data = sum(len(wish.request.symbols) for wish in self.wishes.values())
        return of_data + len(self.statuses) + len(self.sessions)

    @property
    def _too_many(self) -> str:
        return f"the requests of a session have at most {MAX_ASKED} symbols in all"

    def _take_list(self, request: Request) -> Iterator[bytes]:
        found = list(self.door.securities.values())
        if request.what == "0":
            found = [one for one in found if one.symbol in request.symbols]
        elif request.what != "4":
            yield messages.no_list_body(request)
            return
        for first in range(0, max(1, len(found)), PART):
            part, last = found[first : first + PART], first + PART >= len(found)
            yield messages.list_body(request, part, first // PART + 1, len(found), last)

    def _take_definition(self, request: Request) -> Iterator[bytes]:
        symbol = next(iter(request.symbols), "")
        if request.what not in ("0", "1"):
            why = "SecurityRequestType (321) must be 0 or 1; a SecurityListRequest lists"
            yield messages.definition_body(request, None, why)
            return
        why = f"Symbol (55) {symbol} is no instrument of this venue" if symbol else "no Symbol (55)"
        yield messages.definition_body(request, self.door.securities.get(symbol), why)

    def _take_status(self, request: Request) -> Iterator[bytes]:
        if request.subscription == STOP:
            self.statuses.pop(request.name, None)
            return
        status, last = self._status(request)
        if request.subscription != SNAPSHOT:
            self.statuses[request.name] = request, status
        yield messages.status_body(request, status, last)

    def _status(self, request: Request) -> tuple[tuple[int, str], str]:
        symbol = request.symbols[0]
        if symbol not in self.door.securities:
            return (19, f"Symbol (55) {symbol} is no instrument of this venue"), ""
        market = self.door.market(symbol, 1)
        status = messages.status_of(market.instrument if market else None)
        if market is None or not market.instrument.trades:
            return status, ""
        return status, market.price(market.instrument.last_price)

    def _take_session(self, request: Request) -> Iterator[bytes]:
        if request.subscription == STOP:
            self.sessions.pop(request.name, None)
            return
        status = messages.session_status(self.door.instruments().values())
        if request.subscription != SNAPSHOT:
            self.sessions[request.name] = request, status
        yield messages.session_body(request, status)

    # What is new

    def _news(self) -> Iterator[bytes]:
        for name, wish in list(self.wishes.items()):
            for symbol in wish.request.symbols:
                if self.wishes.get(name) is not wish:
                    break
                try:
                    yield from self._difference(wish, symbol)
                except FeedError:
                    del self.wishes[name]
                    why = Refusal(TOO_MUCH, MAX_BEHIND.format(TAPE_ROWS))
                    yield messages.refusal_body(name, why)
                    break
            is_answered = len(wish.known) == len(wish.request.symbols)
            if is_answered and wish.request.subscription == SNAPSHOT:
                self.wishes.pop(name, None)
        for name, (request, before) in list(self.statuses.items()):
            status, last = self._status(request)
            if status != before and name in self.statuses:
                self.statuses[name] = request, status
                yield messages.status_body(request, status, last, unsolicited=True)
        if self.sessions:
            now = messages.session_status(self.door.instruments().values())
            for name, (request, said) in list(self.sessions.items()):
                if said != now and name in self.sessions:
                    self.sessions[name] = request, now
                    yield messages.session_body(request, now, unsolicited=True)

    def _difference(self, wish: Wish, symbol: str) -> Iterator[bytes]:
        """Return what is to be said of an instrument.  Raises :class:`FeedError` if some of its
        trades are lost."""
        request, book = wish.request, self.door.book
        market, old = self.door.market(symbol, request.depth), wish.known.get(symbol)
        if market is None or book is None:
            return
        new = self.door.entries(request, market)
        if old is None or not request.is_incremental:
            if old != new:
                wish.known[symbol], wish.book = new, book
                wish.trades[symbol] = book.trades_kept
                yield messages.snapshot_body(request, market, new)
            return
        trades = self._trades(wish, market) if TRADE in request.types else []
        rows = self.door.changes(old, new)
        wish.known[symbol] = new
        while len(trades) > MAX_TRADES:
            yield messages.update_body(request, market, [], trades[:MAX_TRADES])
            del trades[:MAX_TRADES]
        if len(rows) > len(new):
            if trades:
                yield messages.update_body(request, market, [], trades)
            yield messages.snapshot_body(request, market, new)
        elif rows or trades:
            yield messages.update_body(request, market, rows, trades)

    def _trades(self, wish: Wish, market: Market) -> list[Trade]:
        book, symbol = self.door.book, market.view.symbol
        if book is None or book is not wish.book:
            raise FeedError("the book was made again from a snapshot, without its trades")
        rows = book.trades_after(wish.trades[symbol])
        wish.trades[symbol] = book.trades_kept
        return [one for one in rows if one.locate == market.view.locate]


def _kind_and_number(raw: bytes) -> tuple[str, int]:
    kind = raw.partition(b"\x0135=")[2].partition(b"\x01")[0].decode("latin-1")
    number = raw.partition(b"\x0134=")[2].partition(b"\x01")[0]
    return kind, int(number) if number.isdigit() else 0


def _name_of(raw: bytes) -> str:
    return raw.partition(b"\x01262=")[2].partition(b"\x01")[0].decode("latin-1")


def door_of(file: VenueFile, shared: Shared) -> DataDoor:
    """Return the door of a run of a venue."""
    securities = {symbol: _security(file, symbol) for symbol in file.symbols}
    assert file.feed is not None
    return DataDoor(file.name, securities, figures_of(file, shared), file.feed.interval_ms)


def _security(file: VenueFile, symbol: str) -> Security:
    terms = file.risk.contracts.get(symbol)
    contract = terms.contract if terms else None
    currency = contract.asset if contract else file.risk.money.quotes.get(symbol, "")
    return Security(symbol, currency, file.sessions.price_decimals[symbol], contract)
