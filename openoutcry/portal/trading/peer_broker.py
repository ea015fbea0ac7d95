"""A broker of one of several processes.  Each session has one owner among them.  A participant's
orders come by one session, so the venue sees every name of its orders there, and accepts it once.

A process sends for the participants of its own sessions itself, and asks the owner for all others
over a Unix socket in the portal's folder, which is its user's alone.  Where an owner does not run,
the process sends itself: the venue lets it take the session over, and the owner takes it back
later.  An order that a lost owner was asked for is not sent again: what became of it is what the
mirror shows.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.portal.trading.broker import (
    Broker,
    BrokerError,
    NewList,
    NewOrder,
    Refusal,
    Refused,
)
from openoutcry.wire.enums import Contingency, OrderType, SelfTrade, Side, TimeInForce, TriggerBy

ASKED_S = 5.0
"""Seconds for an owner's answer that it has sent."""
LINE_BYTES = 1 << 16
MAX_UNDER_WAY = 256
"""Requests of one connection that are under way: further ones are not read meanwhile."""
MAX_UNREAD_BYTES = 1 << 20
"""An asker that leaves more unread is cut."""
WORDS, MOST_WORDS = 2, 16
"""Words of the venue about each request that the asking process hears of: that the order was taken,
and its end.  What it misses it finds as it looks, some milliseconds later."""
encode = json.JSONEncoder(separators=(",", ":")).encode
log = logging.getLogger("outcry.portal")


class _Link:
    """A connection to an owner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.waiting: dict[int, asyncio.Future[str]] = {}
        self.count = 0

    async def ask(self, request: dict[str, Any]) -> str:
        """Return why nothing was sent; nothing: it was sent, or its outcome is unknown."""
        self.count += 1
        number, future = self.count, asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        self.writer.write(_line(request | {"n": number}))
        try:
            async with asyncio.timeout(ASKED_S):
                return await future
        except TimeoutError:
            return ""
        finally:
            self.waiting.pop(number, None)


class PeerBroker:
    """Sends by the owner of each participant's session."""

    def __init__(self, own: Broker, index: int, count: int, folder: Path) -> None:
        """``index``: of this process, of ``count``."""
        self.own, self.index, self.count = own, index, count
        self.refused: Refused = lambda participant, name, refusal: None
        own.refused = self._refused
        self.heard: Callable[[int], None] = lambda participant: None
        own.heard = self._heard
        # The path of a socket is short; that of the folder may be long.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._links: dict[int, _Link] = {}
        self._opening = [asyncio.Lock() for _ in range(count)]
        self._askers: dict[asyncio.StreamWriter, dict[int, int]] = {}
        """Processes that have asked: participants, and how many words about each are left."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def serves(self, participant: int) -> bool:
        return self.own.serves(participant)

    @property
    def participants(self) -> list[int]:
        return self.own.participants

    def session_of(self, participant: int) -> int:
        return self.own.session_of(participant)

    def owner_of(self, participant: int) -> int:
        """Index of the process that has the participant's session."""
        return self.session_of(participant) % self.count

    async def enter(self, participant: int, order: NewOrder) -> None:
        link = await self._link_for(participant)
        if link is None:
            await self.own.enter(participant, order)
            return
        await _asked(link, {"do": "enter", "participant": participant, "order": vars(order)})

    async def enter_list(self, participant: int, orders: NewList) -> None:
        link = await self._link_for(participant)
        if link is None:
            await self.own.enter_list(participant, orders)
            return
        told = vars(orders) | {"orders": [vars(order) for order in orders.orders]}
        await _asked(link, {"do": "list", "participant": participant, "list": told})

    async def amend(self, participant: int, client_id: str, order: NewOrder) -> None:
        link = await self._link_for(participant)
        if link is None:
            await self.own.amend(participant, client_id, order)
            return
        request = {"do": "amend", "participant": participant, "order": vars(order)}
        await _asked(link, request | {"name": client_id})

    async def cancel(
        self, participant: int, symbol: str, side: Side, client_id: str, request_id: str
    ) -> None:
        link = await self._link_for(participant)
        if link is None:
            await self.own.cancel(participant, symbol, side, client_id, request_id)
            return
        terms = [symbol, int(side), client_id, request_id]
        await _asked(link, {"do": "cancel", "participant": participant, "terms": terms})

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for link in self._links.values():
            link.writer.close()
        for asker in self._askers:
            asker.close()
        os.close(self._folder)
        await self.own.close()

    # Asking an owner

    async def _link_for(self, participant: int) -> _Link | None:
        """Return the link to the owner of the participant's session; None: that is this process, or
        it does not run."""
        owner = self.owner_of(participant)
        if owner == self.index:
            return None
        link = self._links.get(owner)
        if link is not None:
            return link
        async with self._opening[owner]:
            link = self._links.get(owner)
            if link is not None:
                return link
            try:
                reader, writer = await asyncio.open_unix_connection(
                    self._path(owner), limit=LINE_BYTES
                )
            except OSError:
                return None
            link = self._links[owner] = _Link(reader, writer)
            self._begin(self._listen(owner, link))
            return link

    async def _listen(self, owner: int, link: _Link) -> None:
        """Take what the owner says, until it ends."""
        with contextlib.suppress(OSError, ValueError):
            while line := await link.reader.readline():
                said = json.loads(line)
                if type(said) is int:
                    self.heard(said)
                    continue
                if "refused" in said:
                    participant, name, refusal = said["refused"]
                    self.refused(participant, name, Refusal(*refusal))
                    continue
                future = link.waiting.get(said["n"])
                if future is not None and not future.done():
                    future.set_result(said["problem"])
        if self._links.get(owner) is link:
            del self._links[owner]
        link.writer.close()
        for future in link.waiting.values():
            if not future.done():
                future.set_result("")

    # Being asked

    async def listen(self) -> None:
        """Take requests of the other processes."""
        self._server = await asyncio.start_unix_server(
            self._answer, self._path(self.index), limit=LINE_BYTES
        )

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._askers[writer] = {}
        room = asyncio.Semaphore(MAX_UNDER_WAY)
        try:
            with contextlib.suppress(OSError, ValueError):
                while line := await reader.readline():
                    request = json.loads(line)
                    await room.acquire()
                    task = self._begin(self._answer_one(request, writer))
                    task.add_done_callback(lambda _: room.release())
                    await writer.drain()  # an asker that does not read asks no more
        finally:
            del self._askers[writer]
            writer.close()

    async def _answer_one(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        problem = ""
        try:
            participant = int(request["participant"])
            words = self._askers.get(writer)
            if words is not None and self.serves(participant):
                words[participant] = min(words.get(participant, 0) + WORDS, MOST_WORDS)
            await self._do(request)
            number = request["n"]
        except BrokerError as error:
            problem, number = str(error), request.get("n")
        except (LookupError, TypeError, ValueError) as error:
            log.error("a broker's request is none: %r", error)
            writer.close()
            return
        _say(writer, {"n": number, "problem": problem})

    async def _do(self, request: dict[str, Any]) -> None:
        participant = int(request["participant"])
        if request["do"] == "enter":
            await self.own.enter(participant, _order(request["order"]))
            return
        if request["do"] == "list":
            row = request["list"]
            orders = tuple(_order(one) for one in row["orders"])
            contingency = Contingency(row["contingency"])
            await self.own.enter_list(participant, NewList(row["client_id"], contingency, orders))
            return
        if request["do"] == "amend":
            await self.own.amend(participant, request["name"], _order(request["order"]))
            return
        symbol, side, client_id, request_id = request["terms"]
        await self.own.cancel(participant, symbol, Side(side), client_id, request_id)

    def _heard(self, participant: int) -> None:
        """The session of a participant, which is here, received a message: processes that asked for
        it wait for that, too."""
        self.heard(participant)
        for asker, words in self._askers.items():
            if left := words.pop(participant, 0):
                if left > 1:
                    words[participant] = left - 1
                _say(asker, participant)

    def _refused(self, participant: int, name: str, refusal: Refusal) -> None:
        """The session of a participant refused something, which any process may wait for."""
        self.refused(participant, name, refusal)
        said = [participant, name, [refusal.text, refusal.is_duplicate, refusal.is_unsent]]
        for asker in list(self._askers):
            _say(asker, {"refused": said})

    def _path(self, index: int) -> str:
        return f"/proc/self/fd/{self._folder}/broker-{index}.sock"

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _asked(link: _Link, request: dict[str, Any]) -> None:
    problem = await link.ask(request)
    if problem:
        raise BrokerError(problem)


def _say(asker: asyncio.StreamWriter, said: dict[str, Any] | int) -> None:
    """Write an answer, a refusal, or the number of a participant to whose session the venue has
    said something."""
    if asker.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
        asker.transport.abort()
        return
    with contextlib.suppress(OSError):
        asker.write(_line(said))


def _line(document: dict[str, Any] | int) -> bytes:
    return encode(document).encode() + b"\n"


def _order(row: dict[str, Any]) -> NewOrder:
    kept, by = row["self_trade"], row["trigger_by"]
    return NewOrder(
        **row
        | {
            "side": Side(row["side"]),
            "order_type": OrderType(row["order_type"]),
            "time_in_force": TimeInForce(row["time_in_force"]),
            "self_trade": SelfTrade(kept) if kept is not None else None,
            "trigger_by": TriggerBy(by) if by is not None else None,
        }
    )
