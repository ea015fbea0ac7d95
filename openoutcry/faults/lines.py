"""The process between a test venue's public ports of TCP and the ports at which the venue listens.

Each connection of a client is one to the venue.  A message goes on when every rule that matches it
has been applied, so the order within a direction stays as on any TCP connection, unless a rule says
otherwise.
"""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError
from openoutcry.faults.codecs import Codec, Order, Told, codec_of
from openoutcry.faults.script import (
    DESK,
    TO_CLIENT,
    TO_VENUE,
    Message,
    Place,
    Rule,
    Script,
    delay_s,
)
from openoutcry.venue.days import read_status
from openoutcry.venue.desk import ask
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.load_limits import Places
from openoutcry.wire.peers import owner_of

MAX_LINES, MAX_LINES_EACH = 512, 256
"""Connections, in all and of one address."""
READ_BYTES = 1 << 16
LOOK_S = 0.02
"""From one look at whether the venue is open to the next."""
FILL_S = 10.0
"""How long the order of the counterparty may take."""


@dataclass(frozen=True)
class Door:
    """A public port, and where the venue has it."""

    port: str
    """Its name in rules."""
    listener: socket.socket
    behind: tuple[str, int]
    tls: ssl.SSLContext | None = None


@dataclass
class Rejects:
    """Orders that rules reject: what their sessions are answered, whenever it is sent."""

    of: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)
    """By session and order: reason, text, quantity."""


class Ended(Exception):
    """A rule ends the connection."""


class Doors:
    """All public ports."""

    def __init__(self, doors: list[Door], script: Script, journal: Path) -> None:
        self.doors, self.script, self.journal = doors, script, journal
        self.rejects = Rejects()
        self.places: Places[Line] = Places(MAX_LINES, MAX_LINES_EACH)
        self._filling = asyncio.Lock()

    def run(self) -> None:
        """Serve until the process ends."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        for door in self.doors:
            come = partial(self._come, door)
            await asyncio.start_server(come, sock=door.listener, ssl=door.tls)
        while (read_status(self.journal) or {}).get("state") != "open":
            await asyncio.sleep(LOOK_S)
        self.script.began_s = asyncio.get_running_loop().time()
        timed = [rule for rule in self.script.rules if rule["at_s"] is not None]
        for rule in sorted(timed, key=lambda rule: int(rule["at_s"])):
            await asyncio.sleep(max(0.0, rule["at_s"] - self.script.now_s()))
            await self._at_its_time(rule)
        await asyncio.Event().wait()

    async def _at_its_time(self, rule: Rule) -> None:
        if rule.do in DESK:
            await self.at_the_desk(rule, None, 0)
            return
        for line in list(self.places):
            if rule["port"] in ("", line.door.port) and rule["session"] in ("", line.session):
                self.script.note(rule, line.message(Told(""), TO_CLIENT))
                line.cut()

    async def _come(
        self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        peer = writer.get_extra_info("peername")
        line = Line(self, door)
        try:
            with self.places.place(owner_of(peer[0]) if peer else "", line) as has_place:
                if has_place:
                    await line.serve(reader, writer)
        except OSError:
            pass  # the venue is closed, or one side has gone
        finally:
            writer.transport.abort()

    async def at_the_desk(self, rule: Rule, message: Message | None, seen: int) -> None:
        """Halt, resume or call an auction, as an operator without a name may."""
        request = {"do": rule.do, "instrument": rule["instrument"], "why": "a faults file"}
        try:
            answer = await asyncio.to_thread(ask, self.journal, request)
            self.script.note(rule, message, seen, done=answer["done"])
        except OutcryError as error:
            self.script.note(rule, message, seen, error=str(error))

    async def fill(self, rule: Rule, message: Message, seen: int, order: Order) -> None:
        """Meet an order with one of the counterparty's, which cancels what is left of it."""
        async with self._filling:
            try:
                told = await asyncio.to_thread(self._fill, rule["quantity"], order)
                self.script.note(rule, message, seen, counterparty=told)
            except (OutcryError, ValueError) as error:
                self.script.note(rule, message, seen, error=str(error))

    def _fill(self, quantity: int, order: Order) -> list[str]:
        name, password = self.script.counterparty
        door = next(door for door in self.doors if door.port == self.counterparty_port)
        version = door.port.removeprefix("ouch-")
        client = OuchClient(*door.behind, name, password, version=version)
        client.enter("S" if order.is_buy else "B", order.symbol, quantity, order.price, ioc=True)
        told = []
        while (message := client.next(FILL_S)) is not None:
            told.append(message.name)
            if message.kind in "CDJ" or (message.kind == "E" and self._done(message, quantity)):
                break
        client.connection.logout()
        return told

    counterparty_port = ""

    @staticmethod
    def _done(message: Any, quantity: int) -> bool:
        return bool(message.fields.get("shares", message.fields.get("quantity")) == quantity)


class Line:
    """A connection of a client, and the one to the venue."""

    def __init__(self, doors: Doors, door: Door) -> None:
        self.doors, self.door = doors, door
        self.codec: Codec = codec_of(door.port)
        self.session = ""
        self._held: dict[str, list[bytes]] = {TO_VENUE: [], TO_CLIENT: []}
        self._filled: dict[str, tuple[Rule, Message, int, Order]] = {}
        """Orders that are met once the venue has accepted them."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """End both connections at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve until either side ends, or a rule ends the connection."""
        inner, outer = await asyncio.open_connection(*self.door.behind)
        self._writers = [writer, outer]
        pumps = [
            asyncio.create_task(self._pump(reader, outer, TO_VENUE)),
            asyncio.create_task(self._pump(inner, writer, TO_CLIENT)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._end(writer, outer)

    def _end(self, writer: asyncio.StreamWriter, outer: asyncio.StreamWriter) -> None:
        outer.transport.abort()
        with contextlib.suppress(OSError):
            writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> None:
        received = bytearray()
        with contextlib.suppress(OSError, Ended):
            while data := await reader.read(READ_BYTES):
                received += data
                while size := self._size(received):
                    message = bytes(received[:size])
                    del received[:size]
                    for one in await self._passed(message, direction):
                        writer.write(one)
                await writer.drain()
            writer.write(b"".join([bytes(received), *self._held[direction]]))
            await writer.drain()

    def _size(self, received: bytearray) -> int:
        try:
            return self.codec.size_of(received)
        except ClientError:
            return len(received)

    def message(self, told: Told, direction: str) -> Message:
        """Return a message as rules see it."""
        terms = self.session, told.kind, told.symbol, told.is_order_entry
        return Message(self.door.port, direction, *terms)

    async def _passed(self, data: bytes, direction: str) -> list[bytes]:
        """Return what is sent on in place of a message, now."""
        try:
            told = self.codec.told(data, direction)
        except (ValueError, IndexError):
            return [data]
        self.session = self.session or told.login
        data = self._answered(self.codec.marked(data, direction, told), direction, told)
        message, sent = self.message(told, direction), [data]
        held, self._held[direction] = self._held[direction], []
        for rule, place in self.doors.script.hits(message):
            sent = await self._applied(rule, place, message, told, sent)
        if told.kind == self.codec.accepted and (fill := self._filled.pop(told.name, None)):
            task = asyncio.create_task(self.doors.fill(*fill))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return sent + held

    def _answered(self, data: bytes, direction: str, told: Told) -> bytes:
        """The venue's reject of an order that a rule rejects, with the rule's reason."""
        given = self.doors.rejects.of.get((self.session, told.name))
        if direction == TO_CLIENT and told.kind == self.codec.refused and given:
            return self.codec.rejected(data, *given)
        return data

    async def _applied(
        self, rule: Rule, place: Place, message: Message, told: Told, sent: list[bytes]
    ) -> list[bytes]:
        """Return what is sent on after one rule."""
        more: dict[str, Any] = {}
        if rule.do in DESK:
            await self.doors.at_the_desk(rule, message, place.seen)
            return sent
        if rule.do == "delay":
            wait_s = delay_s(rule, place.random)
            more["delay_ms"] = round(wait_s * 1000)
        elif rule.do in ("reject", "fill"):
            if len(sent) != 1:
                return sent  # a rule before this one has lost it
            if rule.do == "fill":
                order = self.codec.order(sent[0])
                self._filled[told.name] = rule, message, place.seen, order
                return sent
            quantity = self.codec.quantity_of(sent[0])
            words = rule["reason"], rule["text"], quantity
            self.doors.rejects.of[self.session, told.name] = words
        self.doors.script.note(rule, message, place.seen, **more)
        if rule.do == "delay":
            await asyncio.sleep(wait_s)
        elif rule.do == "disconnect":
            self.cut()
            raise Ended
        elif rule.do == "reorder":
            self._held[message.direction] += sent
        return self._sent(rule, told, sent)

    def _sent(self, rule: Rule, told: Told, sent: list[bytes]) -> list[bytes]:
        if rule.do in ("drop", "reorder"):
            return []
        if rule.do == "duplicate":
            return sent * 2
        if rule.do == "reject":
            return [self.codec.spoiled(one) for one in sent]
        if rule.do == "corrupt":
            return [self.codec.corrupted(one) for one in sent]
        if rule.do == "clock":
            return [self.codec.shifted(one, rule["by_s"]) for one in sent]
        if rule.do == "reset":
            return [two for one in sent for two in self.codec.reset(one, told, rule["number"])]
        return sent
