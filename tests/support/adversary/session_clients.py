"""Clients of a venue that outlive their own death: each is a process that writes down what it is
told before it looks at it, and what it sends before it sends it.  One that is killed goes on from
its file alone.

Whenever one has connected it asks for its stream from number 1, and everything that it was ever
told must come again, byte for byte; then it sends again what was not answered.
"""

import json
import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.client import ClientError, FixClient, FixNumbers
from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.authentication import TRAILER_BYTES, is_sealed, seal
from openoutcry.dpdk_shim.packets import HEADER_BYTES
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.messages import OUCH42, OUCH50
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE
from tests.support.order_entry.sessions_traders import content_of
from tests.support.order_entry.sessions_venue import PASSWORD, Client, enter
from tests.support.waiting import BOUND_S

AHEAD = 10
"""Orders that wait for their answers at once."""
PAUSE_S = 0.01
"""Between two orders: a storm is about deaths, not about speed."""
AGAIN = 256
"""Packets that are sent once more after a silence; on a slow machine all would be a flood."""
PRICE = 10_000
RECEIVED, SENT, WORD, NOTE = b"T", b"S", b"W", b"N"
VERIFIED, DONE, WRONG = "verified", "done", "wrong: "


class Log:
    """A file of records: a letter, a length, data.  What a kill cut short was never written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        whole = sum(5 + len(data) for _, data in records(path))
        os.truncate(path, whole)
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND)

    def add(self, kind: bytes, data: bytes) -> None:
        record = struct.pack("<cI", kind, len(data)) + data
        assert os.write(self.fd, record) == len(record)

    def note(self, text: str) -> None:
        self.add(NOTE, text.encode())


def records(path: Path, offset: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The whole records of a file that somebody may be writing, from a record's beginning on."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    at = 0
    while at + 5 <= len(data):
        kind, size = struct.unpack_from("<cI", data, at)
        if at + 5 + size > len(data):
            return
        yield kind, data[at + 5 : at + 5 + size]
        at += 5 + size


class Wrong(Exception):
    """What a client was told is not what it had been told."""


class Logged:
    """What all clients do: live from their file until they are told to stop."""

    def __init__(self, path: Path, port: int, name: str, seed: int, stop: Any) -> None:
        """``stop``: shared memory whose first byte says that nothing more is to be sent."""
        self.log, self.port, self.name, self.stop = Log(path), port, name, stop
        self.until = 0.0
        self.rng = random.Random(f"{seed} {name} {path.stat().st_size}")

    @property
    def stopping(self) -> bool:
        return bool(self.stop[0])

    def live(self) -> None:
        """Until everything is answered and nothing more is wanted."""
        self.heard()
        while time.monotonic() < self.until:
            try:
                if self.on_one_connection():
                    return self.log.note(DONE)
            except Wrong as error:
                return self.log.note(f"{WRONG}{error}")
            except (OSError, ClientError):
                time.sleep(0.01)  # the venue, or its sessions, are down
        return self.log.note(f"{WRONG}nobody answers")

    def recovered(self) -> None:
        """All that it was ever told has come again."""
        self.log.note(VERIFIED)
        self.heard()

    def heard(self) -> None:
        self.until = time.monotonic() + BOUND_S

    def on_one_connection(self) -> bool:
        """Returns whether all is done; raises ``OSError`` when the connection is gone."""
        raise NotImplementedError


class SoupBin(Logged):
    """Reads a stream; orders of its subclasses are numbers that count up."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.messages: list[bytes] = []
        self.sent = 0
        self.unanswered: list[int] = []
        for kind, data in records(self.log.path):
            if kind == RECEIVED:
                self.hear(data)
            elif kind == SENT:
                self.note_sent(int(data))

    def note_sent(self, number: int) -> None:
        self.sent = number
        self.unanswered.append(number)

    def hear(self, body: bytes) -> None:
        self.heard()
        self.messages.append(body)
        number = self.answered(body)
        if number in self.unanswered:
            self.unanswered.remove(number)

    def on_one_connection(self) -> bool:
        client = Client(self.port, self.name, sequence=1, wait_s=BOUND_S)
        try:
            if client.answer[0] != "A":
                raise OSError(f"the login was answered with {client.answer}")
            self.read_again(client)
            self.recovered()
            for number in self.unanswered:
                client.send(self.order(number))
            return self.trade(client)
        finally:
            client.close()

    def read_again(self, client: Client) -> None:
        for number, body in enumerate(self.messages, start=1):
            kind, again = client.packet()
            if kind != "S":
                raise OSError("gone")
            if again != body:
                raise Wrong(f"message {number} was {body!r}, is {again!r}")

    def trade(self, client: Client) -> bool:
        while self.unanswered or not self.stopping:
            while len(self.unanswered) < AHEAD and not self.stopping:
                self.send_more(client)
                time.sleep(PAUSE_S)
            kind, body = client.packet()
            if kind != "S":
                raise OSError("gone")
            self.log.add(RECEIVED, body)
            self.hear(body)
        return True

    def send_more(self, client: Client) -> None:
        number = self.sent + 1
        self.log.add(SENT, b"%d" % number)
        self.note_sent(number)
        client.send(self.order(number))
        if number > 3 and self.rng.random() < 0.2:
            client.send(self.other(self.rng.randrange(1, number)))

    def is_rest(self, number: int) -> bool:
        """One order of four rests, so that there is something to trade with."""
        return number % 4 == 0

    def order(self, number: int) -> bytes:
        """The same each time: its quantity is its number, by which the journal knows it."""
        raise NotImplementedError

    def other(self, number: int) -> bytes:
        """Something about an earlier order, which is lost if it is."""
        raise NotImplementedError

    def answered(self, body: bytes) -> int:
        """Number of the order that a message accepts or rejects; 0: it is about something else."""
        raise NotImplementedError


class Ouch42(SoupBin):
    def order(self, number: int) -> bytes:
        tif = 99_998 if self.is_rest(number) else 0
        side = "BS"[number // 4 % 2] if self.is_rest(number) else "BS"[number % 2]
        return enter(f"{number}", side, number, "GOLD", PRICE, time_in_force=tif)

    def other(self, number: int) -> bytes:
        if self.rng.random() < 0.5:
            return OUCH42.from_client("X").pack(token=f"{number}", shares=0)
        return OUCH42.from_client("U").pack(
            token=f"{number}",
            new_token=f"R{self.sent}",
            shares=self.rng.randrange(1, 500),
            price=PRICE,
            time_in_force=99_998,
            display="Y",
            iso="N",
            min_qty=0,
        )

    def answered(self, body: bytes) -> int:
        token = body[9:23].strip()
        return int(token) if body[:1] in b"AJ" and token.isdigit() else 0


class Ouch50(SoupBin):
    def order(self, number: int) -> bytes:
        side = "SB"[number // 4 % 2] if self.is_rest(number) else "SB"[number % 2]
        return OUCH50.from_client("O").pack(
            user_ref=number,
            side=side,
            quantity=number,
            symbol="GOLD",
            price=PRICE,
            time_in_force="0" if self.is_rest(number) else "3",
            display="Y",
            capacity="P",
            iso="N",
            cross="N",
            clordid=f"N{number}",
            appendage_bytes=0,
        )

    def other(self, number: int) -> bytes:
        return OUCH50.from_client("X").pack(user_ref=number, quantity=self.rng.choice((0, 1)))

    def answered(self, body: bytes) -> int:
        letter = body[:1].decode()
        if letter not in "AJ":
            return 0
        message = OUCH50.from_server(letter)
        return int(message.unpack(body[: message.size_bytes])["user_ref"])


class Copy(SoupBin):
    """Only listens."""

    def trade(self, client: Client) -> bool:
        client.socket.settimeout(0.2)
        while not self.stopping:
            try:
                kind, body = client.packet()
            except TimeoutError:
                continue
            if kind != "S":
                raise OSError("gone")
            self.log.add(RECEIVED, body)
            self.hear(body)
        return True

    def answered(self, body: bytes) -> int:
        return 0


class Kept(dict[int, Any]):
    """Messages that were sent: written down as they come in."""

    log: Log

    def __setitem__(self, number: int, message: Any) -> None:
        self.log.add(SENT, json.dumps([number, message]).encode())
        super().__setitem__(number, message)


class Counted(FixNumbers):
    """Each number is written down as it changes, before what has it is sent."""

    log: Log | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if self.log is not None and name != "log":
            self.log.add(WORD, f"{name} {value}".encode())
        super().__setattr__(name, value)


class Fix(Logged):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.messages: dict[int, Any] = {}
        self.answered: set[str] = set()
        kept, self.numbers = Kept(), Counted()
        for kind, data in records(self.log.path):
            if kind == RECEIVED:
                number, *content = json.loads(data)
                self.messages[number] = content
                self.answered |= accepted(content)
            elif kind == SENT:
                number, message = json.loads(data)
                dict.__setitem__(kept, number, message)
            elif kind == WORD:
                name, value = data.decode().split()
                setattr(self.numbers, name, int(value))
        # What was written down and got no number was not sent.
        for number in [n for n in kept if n >= self.numbers.next_out]:
            del kept[number]
        kept.log = self.log
        self.numbers.sent, self.numbers.log = kept, self.log

    def connect(self) -> FixClient:
        return FixClient(
            "127.0.0.1",
            self.port,
            self.name,
            PASSWORD,
            target="TEST",
            numbers=self.numbers,
            next_expected=self.rng.random() < 0.3,
            prefix=self.name,
            timeout_s=BOUND_S,
        )

    def on_one_connection(self) -> bool:
        client = self.connect()
        try:
            if self.messages:
                self.read_again(client)
            self.recovered()
            return self.trade(client)
        finally:
            client.close()

    def read_again(self, client: FixClient) -> None:
        wanted = set(self.messages)
        client.ask_again(1)
        while wanted:
            number = self.take(client)
            if not number:
                raise Wrong(f"messages {sorted(wanted)[:9]} do not come again")
            wanted.discard(number)

    def take(self, client: FixClient, timeout_s: float = BOUND_S) -> int:
        """Number of the next message; 0: none has come."""
        message = client.next(timeout_s)
        if message is None:
            return 0
        self.heard()
        content = json.loads(json.dumps(content_of(message)))
        before = self.messages.get(message.sequence)
        if before is None:
            self.log.add(RECEIVED, json.dumps([message.sequence, *content]).encode())
            self.messages[message.sequence] = content
            self.answered |= accepted(content)
        elif before != content:
            raise Wrong(f"message {message.sequence} was {before}, is {content}")
        return message.sequence

    def unanswered(self) -> set[str]:
        sent = {dict(fields)[11] for kind, fields, _ in self.numbers.sent.values() if kind == "D"}
        return sent - self.answered

    def trade(self, client: FixClient) -> bool:
        waiting = len(self.unanswered())
        while waiting or not self.stopping:
            while waiting < AHEAD and not self.stopping:
                number = self.numbers.last_name + 1
                side, rests = "12"[number % 2], number % 4 == 0
                client.enter(side, "GOLD", number, "1.0000", ioc=not rests)
                waiting += 1
                if number > 3 and self.rng.random() < 0.2:
                    old = self.rng.randrange(1, number)
                    client.cancel(f"{self.name}{old}", "GOLD", "12"[old % 2], name=f"X{number}")
                time.sleep(PAUSE_S)
            if not self.take(client):
                raise Wrong("no answer")
            waiting = len(self.unanswered())
        return True


class FixCopy(Fix):
    """Only listens."""

    def trade(self, client: FixClient) -> bool:
        while not self.stopping:
            self.take(client, 0.2)
        return True

    def from_first(self, last: str) -> Iterator[dict[int, str]]:
        """All messages once more, until the report whose ExecID is ``last``."""
        until = time.monotonic() + BOUND_S
        while True:
            try:
                client = self.connect()
                break
            except ClientError:  # the connection before is not closed yet
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
        client.ask_again(1)
        for message in client.messages(BOUND_S):
            yield dict(message.fields)
            if message.get(17) == last:
                break
        client.close()


def accepted(content: Any) -> set[str]:
    """ClOrdID of the order that an ExecutionReport accepts or rejects."""
    fields: dict[int, str] = dict(content[0])
    return {fields[11]} if fields.get(150) in ("0", "8") and 11 in fields else set()


class Packets(Logged):
    """Authenticated packets: the same ones again after each silence, with the epoch of its first
    life, so that whatever was taken is taken no second time."""

    def __init__(self, *arguments: Any, key: bytes, participant: int) -> None:
        super().__init__(*arguments)
        self.key, self.participant = key, participant
        self.packets: list[bytes] = []
        self.events: dict[int, bytes] = {}
        self.epoch, self.next_id = 0, 1
        for kind, data in records(self.log.path):
            if kind == WORD:
                self.epoch = int(data)
            elif kind == SENT:
                self.packets.append(data[8:])
                self.next_id = int.from_bytes(data[:8], "little")
            elif kind == RECEIVED:
                self.events[event_seq(data)] = data
        if not self.epoch:
            self.epoch = time.time_ns()
            self.log.add(WORD, b"%d" % self.epoch)

    def on_one_connection(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", self.port))
            udp.settimeout(0.2)
            heard = False
            while not self.stopping:
                try:
                    if not heard:
                        count = min(len(self.packets), AGAIN)
                        again = self.rng.sample(self.packets, count)
                        for number, packet in enumerate(again + again[:2]):
                            udp.send(packet)
                            if number % 64 == 63:
                                time.sleep(PAUSE_S)
                    udp.send(self.more())
                    if self.rng.random() < 0.1:
                        udp.send(self.rng.choice(self.packets))
                    heard = self.listen(udp)
                except ConnectionRefusedError:
                    heard = False
                    time.sleep(0.02)
        return True

    def more(self) -> bytes:
        count = self.rng.randrange(1, 5)
        orders = np.zeros(count, ORDER_DTYPE)
        first = self.next_id
        orders["order_id"] = np.arange(first, first + count)
        orders["price_ticks"], orders["symbol"], orders["qty_lots"] = PRICE, b"GOLD", 7
        orders["kind"], orders["participant"] = CommandKind.NEW, self.participant
        orders["side"] = [self.rng.choice((Side.BUY, Side.SELL)) for _ in range(count)]
        orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.IOC
        (packet,) = build_packets(orders, self.participant, first, 0, 22)
        sealed = seal(self.key, packet, self.epoch)
        self.next_id += count
        self.log.add(SENT, self.next_id.to_bytes(8, "little") + sealed)
        self.packets.append(sealed)
        return sealed

    def listen(self, udp: socket.socket) -> bool:
        """One datagram, or silence."""
        try:
            data = udp.recv(4096)
        except TimeoutError:
            return False
        if not is_sealed(self.key, data):
            raise Wrong("a reply without a tag")
        self.heard()
        for event in np.frombuffer(data[HEADER_BYTES:-TRAILER_BYTES], EVENT_DTYPE):
            body = event.tobytes()
            if self.events.setdefault(event_seq(body), body) != body:
                raise Wrong(f"event {event_seq(body)} was told twice, and not the same")
            self.log.add(RECEIVED, body)
        time.sleep(PAUSE_S)
        return True


def event_seq(body: bytes) -> int:
    return int(np.frombuffer(body, EVENT_DTYPE)["seq"][0])
