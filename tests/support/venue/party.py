"""One participant's session for tests of what all protocols have in common.

Kinds of what is told are letters: A accepted, J rejected, E executed, C cancelled, U replaced.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from ctypes import string_at
from typing import Any

import numpy as np

from openoutcry.client import ClientError, FixNumbers, SessionEnded
from openoutcry.client.shm import ShmMessage, ShmRefused
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.shm_layout import REQUEST_BYTES, End
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.venue.clients import Fix, Ouch, Ouch50, Shm
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import TICK_S, Line, Silence

EXEC_TYPES = {"0": "A", "8": "J", "F": "E", "4": "C", "5": "U"}


class Refused(Exception):
    """The venue let the session not in; the argument is all that it said."""


class Party(ABC):
    """A session of a venue, connected or not; orders have numbers from 1."""

    def __init__(self, venue: InlineVenue, name: str, **login: Any) -> None:
        """Log in; raises :class:`Refused`."""
        self.venue, self.name = venue, name
        self.log_in(**login)

    @property
    @abstractmethod
    def line(self) -> Line: ...

    @abstractmethod
    def log_in(self, **login: Any) -> None:
        """Log in, also once more, behind what was told."""

    @abstractmethod
    def log_out(self) -> None:
        """Log out; the venue has closed the connection."""

    @abstractmethod
    def order(self, number: int, *, ioc: bool = False) -> bytes:
        """Bytes of an order to buy one lot at a price that nothing trades at."""

    @abstractmethod
    def cancellation(self, number: int) -> bytes:
        """Bytes that cancel an order."""

    @abstractmethod
    def kind(self) -> str:
        """Return the kind of the next message; "" when the venue has closed the connection."""

    def enter(self, *numbers: int, ioc: bool = False) -> None:
        """Orders, all at once."""
        self.line.sendall(b"".join(self.order(number, ioc=ioc) for number in numbers))

    def cancel(self, number: int) -> None:
        self.line.sendall(self.cancellation(number))

    def told(self) -> str:
        """Kinds of all that has come."""
        told = ""
        with contextlib.suppress(Silence):
            while kind := self.kind():
                told += kind
        return told

    def kinds(self, count: int) -> str:
        return "".join(self.kind() for _ in range(count))

    def rest(self) -> str:
        """Kinds of all that comes until the venue closes the connection."""
        told = ""
        while kind := self.kind():
            told += kind
        return told

    def close(self) -> None:
        self.line.close()


class OuchParty(Party):
    """Over OUCH 4.2."""

    client: Ouch

    @property
    def line(self) -> Line:
        line: Line = self.client.socket
        return line

    def log_in(self, **login: Any) -> None:
        if hasattr(self, "client"):
            login.setdefault("sequence", self.client.number)
        client = self.connected(**login)
        kind, body = client.answer
        if kind != "A":
            raise Refused(kind + body.decode())
        assert client.number == login.get("sequence", 1), "the venue goes on where it is asked to"
        self.client = client

    def connected(self, **login: Any) -> Ouch:
        return self.venue.client(self.name, **login)

    def log_out(self) -> None:
        self.line.sendall(soupbin.LOGOUT_REQUEST)
        assert self.client.packet() == ("", b"")

    def order(self, number: int, *, ioc: bool = False) -> bytes:
        fields = {"time_in_force": 0} if ioc else {}
        return self._packed("enter", f"t{number}", "B", 1, price=10_000, **fields)

    def cancellation(self, number: int) -> bytes:
        return self._packed("cancel", f"t{number}")

    def kind(self) -> str:
        packet, body = self.client.packet()
        if packet != "S":
            return ""
        self.client.number += 1
        self.client.messages.append(body)
        return body[:1].decode()

    def _packed(self, method: str, *arguments: Any, **fields: Any) -> bytes:
        """What a method of the client would send."""
        sent: list[bytes] = []
        self.client.send = sent.append  # type: ignore[method-assign]
        getattr(self.client, method)(*arguments, **fields)
        del self.client.send
        return b"".join(soupbin.packet("U", one) for one in sent)


class Ouch50Party(OuchParty):
    """Over OUCH 5.0."""

    client: Ouch50

    def connected(self, **login: Any) -> Ouch50:
        return self.venue.five(self.name, **login)

    def order(self, number: int, *, ioc: bool = False) -> bytes:
        fields = {"time_in_force": "3"} if ioc else {}
        return self._packed("enter", number, "B", 1, price=10_000, **fields)

    def cancellation(self, number: int) -> bytes:
        return self._packed("say", "X", user_ref=number, quantity=0)


class FixParty(Party):
    """Over FIX 4.4."""

    client: Fix
    numbers: FixNumbers | None = None

    @property
    def line(self) -> Line:
        line: Line = self.client.socket  # type: ignore[assignment]
        return line

    def log_in(self, **login: Any) -> None:
        try:
            self.client = self.venue.fix(self.name, numbers=self.numbers, **login)
        except ClientError as error:
            raise Refused(str(error)) from None
        self.numbers = self.client.numbers

    def log_out(self) -> None:
        self.client.logout()

    def order(self, number: int, *, ioc: bool = False) -> bytes:
        return self._packed("buy", "ACME", 1, "1.00", name=f"t{number}", ioc=ioc)

    def cancellation(self, number: int) -> bytes:
        return self._packed("cancel", f"t{number}", "ACME", "1", name=f"x{number}")

    def kind(self) -> str:
        with contextlib.suppress(SessionEnded):
            message = self.client.next(0)
            assert message is not None
            return EXEC_TYPES[message[150]]
        return ""

    def _packed(self, method: str, *arguments: Any, **fields: Any) -> bytes:
        sent: list[bytes] = []
        self.client._write = sent.append  # type: ignore[method-assign]
        getattr(self.client, method)(*arguments, **fields)
        del self.client._write
        return b"".join(sent)


class ShmLine:
    """Bytes of requests, where other protocols have a line."""

    def __init__(self, client: Shm) -> None:
        self.client, self.reads, self.patience_s = client, True, 0.0

    def sendall(self, data: bytes) -> None:
        """Raises :class:`Silence` where the venue takes no more."""
        sent = 0
        while sent < len(data):
            done = self._sent(data[sent:])
            sent += done
            if sent < len(data):
                self.client.venue.step()
                if not done and self.client.room < 1:
                    raise Silence("the venue takes no more")

    def send(self, data: bytes) -> int:
        """As much as there is room for, in whole requests."""
        sent = self._sent(data)
        if not sent:
            raise BlockingIOError
        return sent

    def _sent(self, data: bytes) -> int:
        if self.client.end != End.NONE:
            raise ConnectionResetError
        count = min(len(data) // REQUEST_BYTES, self.client.room)
        for place in range(count):
            request = np.frombuffer(data, np.uint8)[REQUEST_BYTES * place :][:REQUEST_BYTES].copy()
            self.client.put(request.ctypes.data)
        return REQUEST_BYTES * count

    def close(self) -> None:
        self.client.close()


class ShmParty(Party):
    """Over shared memory."""

    client: Shm
    _line: ShmLine

    @property
    def line(self) -> Any:
        return self._line

    def log_in(self, **login: Any) -> None:
        if hasattr(self, "client"):
            login.setdefault("first_reply", self.client.next_reply)
        try:
            self.client = self.venue.shm(self.name, **login)
        except ShmRefused as refused:
            raise Refused(f"J{refused.letter}") from None
        assert self.client.next_reply == login.get("first_reply", 1)
        self._line = ShmLine(self.client)
        self.told_messages: list[ShmMessage] = getattr(self, "told_messages", [])

    def log_out(self) -> None:
        self.client.logout()
        assert self.client.end == End.LOGGED_OUT

    def order(self, number: int, *, ioc: bool = False) -> bytes:
        tif = TimeInForce.IOC if ioc else TimeInForce.DAY
        return self._packed("enter", number, Side.BUY, "ACME", 1, 10_000, time_in_force=tif)

    def cancellation(self, number: int) -> bytes:
        return self._packed("cancel", number)

    def kind(self) -> str:
        patience_s = self._line.patience_s
        while True:
            self.venue.step()
            try:
                message = self.client.next(0)
            except SessionEnded:
                return ""
            if message is not None:
                self.told_messages.append(message)
                return chr(message.kind)
            if patience_s <= 0:
                raise Silence("the venue has nothing more to say")
            patience_s -= TICK_S
            self.venue.clock.advance(TICK_S)

    def _packed(self, method: str, *arguments: Any, **fields: Any) -> bytes:
        """What a method of the client would send."""
        sent: list[bytes] = []
        number = self.client.next_request
        self.client.put = lambda at, slots: sent.append(string_at(at, REQUEST_BYTES)) or 0  # type: ignore
        try:
            getattr(self.client, method)(*arguments, **fields)
        finally:
            del self.client.put
            self.client.next_request = number
        return b"".join(sent)


PARTIES: dict[Protocol, type[Party]] = {
    Protocol.OUCH42: OuchParty,
    Protocol.OUCH50: Ouch50Party,
    Protocol.FIX44: FixParty,
    Protocol.SHM: ShmParty,
}
