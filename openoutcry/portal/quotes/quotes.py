"""The desk of requests for quotes, kept in the database, and its trades at the venue.

The table of commands is all there is: each process of the portal makes the same desk of them
(:class:`openoutcry.routing.rfq.Desk`).  A command is decided under a lock, on the desk as all
commands before have made it, and is in the table before it is answered.  So a portal that dies
loses nothing, and quotes have one order, whatever process they came by.

A trade is booked by the venue as one off the book.  Its reference is the request's number, so it
is booked once, however often it is asked for.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from openoutcry.portal.accounts.errors import AccountError, Declined, NotFound
from openoutcry.portal.database import Database, DatabaseError, Row, rows_of
from openoutcry.portal.quotes.package import Package
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.routing.instruments import BUY
from openoutcry.routing.rfq import Command, Desk, Leg, Refusal, Request
from openoutcry.venue.desk import UNAVAILABLE, DeskError, ask
from openoutcry.venue.off_book_desk import BUYER, SELLER, off_book, off_book_legs

LOCK, BOOKING_LOCK = 7413, 7414
CHANNEL = "outcry_quotes"
LOOK_S, DONE_S, BEAT_S, AGAIN_S = 1.0, 5.0, 10.0, 0.05
"""LOOK_S is between two looks for what is due.  An accepted quote waits DONE_S for the venue.
BEAT_S is between two looks at the table without word of a change, AGAIN_S at a trade that another
process books."""
MOST_OPEN, MOST_QUOTES = 100, 100
"""Requests of one client, and quotes of one maker for one request: all are shown with it."""
MOST_SHOWN = 1_000
"""Requests in one answer."""
INSERT = """
    insert into quote_commands (at_ns, what, by_whom, terms)
    values (%(at_ns)s, %(what)s, %(by)s, %(terms)s::jsonb) returning number
"""
log = logging.getLogger("outcry.portal")


class Quotes:
    """The desk as one process of the portal has it."""

    def __init__(
        self,
        database: Database,
        mirror: Mirror,
        makers: tuple[int, ...] = (),
        last_look_ms: int = 2_000,
        ask_desk: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        """``makers``: participants that may be asked; none: requests are not offered."""
        self.database, self.mirror = database, mirror
        self.makers, self.last_look_ns = makers, last_look_ms * 1_000_000
        self.ask_desk = ask_desk or (lambda request: ask(mirror.file.journal, request))
        self.listeners: list[Callable[[set[int]], None]] = []
        """Called with the numbers of requests that have changed."""
        self.number = 0
        """Number of the last command that the desk has had."""
        self._kept: list[Command] = []
        self._desk: Desk | None = None
        self._turn, self._booking = asyncio.Lock(), asyncio.Lock()
        self._due, self._reference = asyncio.Event(), ""

    @property
    def is_offered(self) -> bool:
        return bool(self.makers)

    @property
    def desk(self) -> Desk:
        """Return the desk as far as it is known here; empty before the first look."""
        if self._desk is None:
            self._desk, self.number = Desk((), self._kept.append, value=self._value), 0
        return self._desk

    def _value(self, legs: Sequence[Leg], prices: Sequence[int]) -> int:
        """Return what one package costs at these prices of its legs, in units of the quote
        asset."""
        return Package.of(legs, self.mirror.markets.by_symbol.__getitem__).value(prices)

    # Commands

    async def do(self, what: str, participant: int, **terms: Any) -> int:
        """A command of a participant (0: of the venue): decided, and kept.  Raises
        :class:`Declined`, or :class:`NotFound` about a request that the participant may not see.
        """
        by, refusal, number = str(participant) if participant else "", None, 0
        async with self._turn:
            try:
                async with self.database.transaction() as connection:
                    await rows_of(connection, f"select pg_advisory_xact_lock({LOCK})", {})
                    await self._catch_up(connection)
                    desk = self.desk
                    try:
                        at_ns = max(time.time_ns(), desk.now_ns)
                        self._require_room(what, by, terms.get("request", 0))
                        number = desk.do(what, by, at_ns, **terms)
                    except Refusal as error:
                        refusal = self._refusal(participant, terms.get("request", 0), str(error))
                    await self._keep(connection)
            except BaseException:
                # The desk may have had what the table has not.
                self._desk = None
                raise
            self._tell()
        if refusal is not None:
            raise refusal
        return number

    def _refusal(self, participant: int, number: int, text: str) -> AccountError:
        """The same for a request of others as for one that there is not; ``number``: 0: a command
        about none."""
        try:
            if number and participant:
                self.one(participant, number)
        except NotFound as error:
            return error
        return Declined("not_possible", text, 409)

    def _require_room(self, what: str, by: str, number: int) -> None:
        desk = self.desk
        if what == "request" and desk.open_counts[by] >= MOST_OPEN:
            raise Refusal(f"{MOST_OPEN} requests of this account are open")
        request = desk.requests.get(number)
        if what == "quote" and request is not None:
            sent = sum(quote.maker == by for quote in request.quotes.values())
            if sent >= MOST_QUOTES:
                raise Refusal(f"{MOST_QUOTES} quotes of this maker were sent for this request")

    async def _keep(self, connection: Any) -> None:
        for command in self._kept:
            terms = {k: v for k, v in command.items() if k not in ("what", "by", "at_ns")}
            row = {name: command[name] for name in ("what", "by", "at_ns")}
            (made,) = await rows_of(connection, INSERT, row | {"terms": json.dumps(terms)})
            self.number = int(made["number"])
        if self._kept:
            await connection.execute(f"notify {CHANNEL}")
        self._kept.clear()

    async def _catch_up(self, connection: Any) -> None:
        """Give the desk the commands of other processes."""
        desk = self.desk
        query = "select * from quote_commands where number > %(after)s order by number"
        rows = await rows_of(connection, query, {"after": self.number})
        desk.replay(map(_command_of, rows))
        if rows:
            self.number = int(rows[-1]["number"])

    async def look(self) -> None:
        """Bring the desk up to date."""
        async with self._turn:
            try:
                async with self.database.transaction() as connection:
                    await self._catch_up(connection)
            except BaseException:
                self._desk = None
                raise
            self._tell()

    def _tell(self) -> None:
        touched, self.desk.touched = self.desk.touched, set()
        if touched:
            self._due.set()
            for listener in self.listeners:
                listener(touched)

    def one(self, participant: int, number: int) -> Request:
        """A request as its client, or a maker that was asked, may see it.  Raises
        :class:`NotFound`."""
        request, by = self.desk.requests.get(number), str(participant)
        if request is not None and request.client == by:
            return request
        if request is not None and by in request.makers:
            return self.desk.seen(request, by)
        raise NotFound("there is no such request")

    def of(self, participant: int, is_open: bool, most: int = MOST_SHOWN) -> list[Request]:
        """Return the requests that a participant may see, the newest first. What others ask costs
        it nothing."""
        by = str(participant)
        rows = self.desk.open_of(by) if is_open else self.desk.requests_of(by)
        chosen = islice(rows, most)
        return [one if one.client == by else self.desk.seen(one, by) for one in chosen]

    # Trades

    async def booked(self, number: int) -> None:
        """Wait a little for the venue's word on a trade that any process asks for."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + DONE_S
        while True:
            with contextlib.suppress(TimeoutError):
                left_s = max(AGAIN_S, end_s - loop.time())
                async with asyncio.timeout(left_s):
                    await asyncio.shield(self._book(number))
            request = self.desk.requests.get(number)
            if (request and request.outcome is not None) or not self.mirror.is_open:
                return
            if loop.time() >= end_s:
                log.warning("the trade of request for quotes %d is still in progress", number)
                return
            await asyncio.sleep(AGAIN_S)
            await self.look()

    async def _book(self, number: int) -> None:
        """Ask the venue for the trade of a request, and keep its word.  One process asks at a time:
        a refusal is final, so no other one may ask again meanwhile."""
        async with self._booking, self.database.transaction() as connection:
            lock = f"select pg_try_advisory_xact_lock({BOOKING_LOCK}, {number}) as mine"
            if not (await rows_of(connection, lock, {}))[0]["mine"]:
                return
            await self.look()
            request = self.desk.requests[number]
            if request.trade is None or request.outcome is not None:
                return
            terms = await self._terms(request, connection)
            try:
                answer = await asyncio.to_thread(self.ask_desk, terms)
                outcome: dict[str, Any] = {"is_booked": True, "seq": int(answer.get("seq", 0))}
            except DeskError as error:
                if not self.mirror.is_open or error.code == UNAVAILABLE:
                    return  # the venue is closed, or has no answer yet: asked again
                log.warning("request for quotes %d: %s", number, error)
                outcome = {"is_booked": False, "why": str(error)[:300]}
            await self.do("settled", 0, request=number, **outcome)

    async def _terms(self, request: Request, connection: Any) -> dict[str, Any]:
        """The request at the venue's desk; its reference is of this database alone."""
        trade = request.trade
        assert trade is not None
        if not self._reference:
            query = "select system_identifier::text as id, current_database() as name "
            row = (await rows_of(connection, query + "from pg_control_system()", {}))[0]
            digest = hashlib.sha256(f"{row['id']} {row['name']}".encode()).hexdigest()
            self._reference = f"rfq {digest[:12]}"
        reference = f"{self._reference} {request.number}"
        if len(trade.legs) > 1:
            rows = zip(trade.legs, trade.prices, strict=True)
            legs = [
                (symbol, BUYER if side == BUY else SELLER, lots, price)
                for (symbol, side, lots), price in rows
            ]
            return off_book_legs(int(trade.client), int(trade.maker), legs, reference)
        ((symbol, side, lots),) = trade.legs
        buyer, seller = int(trade.client), int(trade.maker)
        if side != BUY:
            buyer, seller = seller, buyer
        asked_by = BUYER if side == BUY else SELLER
        return off_book(symbol, buyer, seller, lots, trade.price, asked_by, reference)

    # In the background

    async def run(self) -> None:
        """Set the rules, let time pass, and book what a portal that died has left; until
        cancelled.  Of one process."""
        import psycopg

        while True:
            try:
                await self._beat()
            except (DatabaseError, psycopg.Error, OSError, Declined) as error:
                log.error("requests for quotes: %s", error)
            await asyncio.sleep(LOOK_S)

    async def _beat(self) -> None:
        await self.look()
        desk, makers = self.desk, [str(maker) for maker in self.makers]
        if self.is_offered and (list(desk.makers), desk.last_look_ns) != (
            makers,
            self.last_look_ns,
        ):
            await self.do("rules", 0, makers=makers, last_look_ns=self.last_look_ns)
        if desk.is_due(time.time_ns()):
            await self.do("time", 0)
        for request in desk.unsettled():
            await self._book(request.number)

    async def follow(self) -> None:
        """Take what other processes have decided; until cancelled."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await self._due.wait()
                self._due.clear()
                try:
                    await self.look()
                except DatabaseError as error:
                    log.error("requests for quotes: %s", error)
                    await asyncio.sleep(LOOK_S)
        finally:
            listener.cancel()

    async def _listen(self) -> None:
        """Learn from the database that there is something new."""
        import psycopg

        while True:
            try:
                url = self.database.url
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as one:
                    await one.execute(f"listen {CHANNEL}")
                    self._due.set()
                    async for _ in one.notifies():
                        self._due.set()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                await asyncio.sleep(LOOK_S)


def _command_of(row: Row) -> Command:
    head = {"what": row["what"], "by": row["by_whom"], "at_ns": int(row["at_ns"])}
    return head | dict(row["terms"])
