"""A client of FIX: blocking, small, one connection; it answers what the session layer asks.

Prices are decimal text or :class:`decimal.Decimal`; floats are refused.
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from openoutcry.client.logged_in import LoggedIn
from openoutcry.client.prices import decimal_price
from openoutcry.client.waiting import (
    ClientError,
    Received,
    SessionEnded,
    Unreachable,
    connected,
)
from openoutcry.wire.enums import Contingency, Side, TimeInForce
from openoutcry.wire.words import CONTINGENCIES, SIDES, TIMES

Fields = tuple[tuple[int, str], ...]
NAMES = {
    1: "Account", 6: "AvgPx", 11: "ClOrdID", 14: "CumQty", 17: "ExecID", 20: "ExecTransType",
    31: "LastPx",
    32: "LastQty", 37: "OrderID", 38: "OrderQty", 39: "OrdStatus", 40: "OrdType", 41: "OrigClOrdID",
    262: "MDReqID", 268: "NoMDEntries", 269: "MDEntryType", 270: "MDEntryPx", 271: "MDEntrySize",
    273: "MDEntryTime", 278: "MDEntryID", 279: "MDUpdateAction", 281: "MDReqRejReason",
    346: "NumberOfOrders",
    44: "Price", 45: "RefSeqNum", 54: "Side", 55: "Symbol", 58: "Text", 59: "TimeInForce",
    66: "ListID", 67: "ListSeqNo", 68: "TotNoOrders", 73: "NoOrders", 82: "NoRpts", 83: "RptSeq",
    84: "CxlQty", 429: "ListStatusType", 431: "ListOrderStatus", 444: "ListStatusText",
    1385: "ContingencyType",
    99: "StopPx", 102: "CxlRejReason", 103: "OrdRejReason", 150: "ExecType", 151: "LeavesQty",
    702: "NoPositions", 704: "LongQty", 705: "ShortQty", 710: "PosReqID", 727: "TotalNumPosReports",
    728: "PosReqResult", 729: "PosReqStatus", 730: "SettlPrice", 734: "PriorSettlPrice",
    5502: "MarginCurrency", 5503: "Equity", 5504: "MaintenanceMargin", 5505: "InitialMargin",
    371: "RefTagID", 372: "RefMsgType", 373: "SessionRejectReason", 378: "ExecRestatementReason",
    380: "BusinessRejectReason", 434: "CxlRejResponseTo", 447: "PartyIDSource", 448: "PartyID",
    452: "PartyRole", 453: "NoPartyIDs", 797: "CopyMsgIndicator",
}  # fmt: skip
KINDS = {
    "3": "Reject",
    "8": "ExecutionReport",
    "9": "OrderCancelReject",
    "AO": "RequestForPositionsAck",
    "N": "ListStatus",
    "AP": "PositionReport",
    "W": "MarketDataSnapshot",
    "X": "MarketDataUpdate",
    "Y": "MarketDataRequestReject",
    "j": "BusinessReject",
    "r": "OrderMassCancelReport",
}
POSS_RESEND = 97
"""A header field of a message."""
_HEADER = {8, 9, 10, 34, 35, 43, 49, 52, 56, 60, 97, 122}
_HEAD = re.compile(rb"8=FIX[^\x01]{1,10}\x019=(\d{1,6})\x01")
_KIND, _NUMBER = re.compile(rb"\x0135=([^\x01]*)"), re.compile(rb"\x0134=(\d+)\x01")
_TRAILER_BYTES = 7
_ADMIN = "0124A5"


@dataclass(frozen=True)
class FixMessage:
    """A message of the venue: MsgSeqNum, MsgType, and its fields, in their order."""

    sequence: int
    kind: str
    raw: bytes

    @cached_property
    def fields(self) -> Fields:
        """Made when they are asked for: who only waits for a message does without."""
        body = self.raw[:-_TRAILER_BYTES].decode("latin-1")[:-1]
        pairs = (part.partition("=") for part in body.split("\x01"))
        return tuple((int(tag), value) for tag, _, value in pairs)

    def get(self, tag: int, default: str = "") -> str:
        """Value of the first such field."""
        return next((value for name, value in self.fields if name == tag), default)

    def __getitem__(self, tag: int) -> str:
        for name, value in self.fields:
            if name == tag:
                return value
        raise KeyError(tag)

    def __str__(self) -> str:
        pairs = [(tag, value) for tag, value in self.fields if tag not in _HEADER]
        words = " ".join(f"{NAMES.get(tag, tag)}={value}" for tag, value in pairs)
        return f"{self.sequence} {KINDS.get(self.kind, self.kind)} {words}"


@dataclass
class FixNumbers:
    """Numbers that one side of a session counts, over its connections."""

    next_out: int = 1
    next_in: int = 1
    sent: dict[int, tuple[str, Fields, str]] = field(default_factory=dict)
    """Messages of orders by number, for when the venue asks for them: type, fields, first time."""
    last_name: int = 0
    """Names that were made up."""
    prefix: str = field(default_factory=lambda: f"{time.time_ns() // 1_000:X}-")
    """What these names begin with, unless the client is given a prefix: the time at which the
    numbers began, as a venue takes a name once a day."""


@dataclass(frozen=True)
class FixLeg:
    """An order of a list: ``price`` and ``more`` as of :meth:`FixClient.enter`."""

    side: str
    symbol: str
    quantity: int
    price: str | Decimal
    name: str = ""
    more: dict[str, str] = field(default_factory=dict)


class FixClient(LoggedIn):
    """A session of a venue.  Pass the ``numbers`` of the previous connection to continue where it
    stopped.  Without them both sides begin at 1 (ResetSeqNumFlag)."""

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        password: str,
        *,
        target: str = "OUTCRY",
        version: str = "4.4",
        numbers: FixNumbers | None = None,
        next_expected: bool = False,
        heartbeat_s: int = 30,
        tls: ssl.SSLContext | None = None,
        tls_name: str = "",
        prefix: str = "",
        username: str = "",
        timeout_s: float = 30.0,
    ) -> None:
        """Connect and log on, as the SenderCompID ``name`` to the TargetCompID ``target``, in FIX
        ``version`` 4.4 or 4.2.  With ``next_expected`` the logon says which messages were missed
        (789), and the venue sends them unasked.  Give ``tls`` for a port with a certificate, which
        must name ``tls_name`` ("": the host).  A venue needs no ``username``.

        Raises :class:`ClientError` if no answer comes or the venue refuses."""
        self.name, self.target, self.prefix = name, target, prefix
        self.heartbeat_s, self.version = heartbeat_s, version
        self.numbers = numbers or FixNumbers()
        for what, value in (("name", name), ("password", password), ("target", target)):
            if not (value and value.isascii() and value.isprintable()):
                raise ClientError(f"logon: the {what} is empty or not printable ASCII")
        self.tls_name = tls_name
        self.socket = self._connected(host, port, timeout_s, tls)
        self._sent_s = time.monotonic()
        self._received = Received(
            self.socket, float(heartbeat_s or 30), 2.4 * heartbeat_s, self.keep_alive
        )
        self._asked_to = 0
        secret = [*([(553, username)] if username else []), (554, password)]
        if version == "4.2":
            secret = [(95, str(len(password))), (96, password)]
        logon = [(98, "0"), (108, str(heartbeat_s)), *secret]
        if numbers is None:
            logon.append((141, "Y"))
        if next_expected:
            logon.append((789, str(self.numbers.next_in)))
        try:
            self._send("A", tuple(logon))
            self._log_on(time.monotonic() + timeout_s, next_expected)
        except SessionEnded:
            self.socket.close()
            raise Unreachable(f"{host}:{port} closed the connection during the logon") from None
        except ClientError:
            self.socket.close()
            raise

    def _connected(
        self, host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None
    ) -> socket.socket:
        """A connection to the venue."""
        return connected(host, port, timeout_s, tls, self.tls_name)

    def _utc_text(self) -> str:
        """UTCTimestamp of now, for SendingTime and TransactTime."""
        return utc_text()

    def _log_on(self, until_s: float, next_expected: bool) -> None:
        message = self._receive(until_s)
        if message is None or message.kind != "A":
            answer = "nothing" if message is None else f"{message.kind} {message.get(58)}".strip()
            raise ClientError(f"the logon was answered with {answer}")
        if message.sequence > self.numbers.next_in and not next_expected:
            self._ask(message.sequence)
        elif message.sequence == self.numbers.next_in:
            self.numbers.next_in += 1
        elif message.sequence < self.numbers.next_in:
            raise ClientError(
                f"the venue's number is {message.sequence}, and should be {self.numbers.next_in}"
            )
        if message.get(789):
            # What the venue misses it does not ask for then.
            self._resend(int(message[789]), 0)

    # Orders.

    def buy(self, symbol: str, quantity: int, price: str | Decimal, **more: Any) -> str:
        """Enter a buy order (a D with side 1); returns its ClOrdID."""
        return self.enter(SIDES.say("FIX", Side.BUY), symbol, quantity, price, **more)

    def sell(self, symbol: str, quantity: int, price: str | Decimal, **more: Any) -> str:
        """Enter a sell order (a D with side 2); returns its ClOrdID."""
        return self.enter(SIDES.say("FIX", Side.SELL), symbol, quantity, price, **more)

    def enter(
        self,
        side: str,
        symbol: str,
        quantity: int,
        price: str | Decimal,
        *,
        ioc: bool = False,
        name: str | None = None,
        **more: str,
    ) -> str:
        """Enter an order (D); its ClOrdID.  ``price`` may be "market"; ``more`` are further fields
        as ``t18="6"``."""
        name = self._new_name(name)
        terms = [(11, name), (55, symbol), (54, side), (60, self._utc_text()), (38, str(quantity))]
        times = {59: TIMES.say("FIX", TimeInForce.IOC)} if ioc else {}
        self._say("D", tuple(terms) + _terms(price, more, times))
        return name

    def replace(
        self,
        order: str,
        symbol: str,
        side: str,
        quantity: int,
        price: str | Decimal,
        *,
        name: str | None = None,
        **more: str,
    ) -> str:
        """Give an open order a price and a quantity, with what it has executed (G); its new
        ClOrdID."""
        name = self._new_name(name)
        terms = [(41, order), (11, name), (55, symbol), (54, side), (60, self._utc_text())]
        self._say("G", (*terms, (38, str(quantity)), *_terms(price, more, {})))
        return name

    def cancel(self, order: str, symbol: str, side: str, *, name: str | None = None) -> str:
        """Cancel an open order (F); the ClOrdID of the cancel."""
        name = self._new_name(name)
        terms = ((41, order), (11, name), (55, symbol), (54, side), (60, self._utc_text()))
        self._say("F", terms)
        return name

    def mass_cancel(self, symbol: str = "") -> str:
        """Cancel every order of the participant, of one symbol or all (q)."""
        name = self._new_name(None)
        which = ((530, "1"), (55, symbol)) if symbol else ((530, "7"),)
        self._say("q", ((11, name), *which, (60, self._utc_text())))
        return name

    def enter_list(
        self, contingency: Contingency, legs: Sequence[FixLeg], *, name: str | None = None
    ) -> str:
        """Enter a list of 2 to 8 orders (E), linked as docs/matcher.md says; its ListID.

        The venue takes all of them or none."""
        name, now = self._new_name(name), self._utc_text()
        kind = CONTINGENCIES.say("FIX 1385", contingency)
        count = str(len(legs))
        fields = [(66, name), (394, "3"), (1385, kind), (68, count), (73, count)]
        for place, leg in enumerate(legs, 1):
            fields += [(11, leg.name or self._new_name(None)), (67, str(place)), (55, leg.symbol)]
            fields += [(54, leg.side), (60, now), (38, str(leg.quantity))]
            fields += _terms(leg.price, leg.more, {})
        self._say("E", tuple(fields))
        return name

    def cancel_list(self, name: str) -> None:
        """Cancel the open orders of a list (K)."""
        self._say("K", ((66, name), (60, self._utc_text())))

    def list_status(self, name: str) -> None:
        """Ask for the open orders of a list (M)."""
        self._say("M", ((66, name),))

    def status(self, order: str, symbol: str, side: str) -> None:
        """Ask how an order is (H)."""
        self._say("H", ((11, order), (55, symbol), (54, side)))

    def mass_status(self) -> str:
        """Ask for every open order of this session (AF); the name of the request."""
        name = self._new_name(None)
        self.send("AF", ((584, name), (585, "7")))
        return name

    def positions(self, account: str, symbol: str = "", margin: bool = False) -> str:
        """Ask for the positions of participant ``account`` (AN), in one contract or all, also
        for its margin; the name of the request."""
        name, now = self._new_name(None), self._utc_text()
        more = [*([(55, symbol)] if symbol else []), *([(5500, "Y")] if margin else [])]
        terms = (724, "0"), (1, account), (581, "1"), (715, now[:8]), (60, now)
        self._say("AN", ((710, name), *terms, *more))
        return name

    def market_data(
        self, symbols: Iterable[str], types: str = "01", depth: int = 0, updates: bool = True
    ) -> str:
        """Ask a venue's port of market data for instruments (V); the name of the request.

        ``types`` are MDEntryTypes (269), ``depth`` levels of a side (0: all).  With ``updates``
        changes follow the first answer."""
        name, asked = self._new_name(None), list(symbols)
        what = [(269, one) for one in types]
        which = [(55, symbol) for symbol in asked]
        head = ((262, name), (263, "1" if updates else "0"), (264, str(depth)), (265, "1"))
        groups = ((267, str(len(what))), *what, (146, str(len(which))), *which)
        self._say("V", (*head, *groups))
        return name

    def _say(self, kind: str, fields: Fields) -> None:
        """Like :meth:`send`; raises ``ValueError`` for what FIX cannot carry, before a number is
        taken."""
        for tag, value in fields:
            if not (value and value.isascii() and value.isprintable()):
                raise ValueError(f"{NAMES.get(tag, tag)} {value!r} is empty or not printable ASCII")
        self.send(kind, fields)

    def send(self, kind: str, fields: Fields) -> None:
        """A message of orders, which is kept until the numbers begin again."""
        now = self._utc_text()
        self.numbers.sent[self.numbers.next_out] = kind, fields, now
        self._send(kind, fields, now)

    # What comes.

    def next(self, timeout_s: float | None = None) -> FixMessage | None:
        """The next message of orders (or Reject), in its turn; None after ``timeout_s`` without
        one.  What the session layer asks for meanwhile is answered.

        Raises :class:`SessionEnded` when nothing more can come."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            message = self._receive(until_s)
            if message is None:
                return None
            if self._take(message):
                return message

    def arrived(self) -> Iterator[FixMessage]:
        """Messages of what :meth:`receive` has taken: nothing is waited for.  Raises
        :class:`SessionEnded` as :meth:`next`."""
        while data := self._received.whole_now(whole_message):
            message = read_message(data)
            if self._take(message):
                yield message

    def receive(self) -> None:
        """Take what the connection has brought by now.  Raises :class:`SessionEnded` as
        :meth:`next`."""
        self._received.more_now()

    def messages(self, timeout_s: float | None = None) -> Iterator[FixMessage]:
        """Messages until ``timeout_s`` passes without one."""
        while (message := self.next(timeout_s)) is not None:
            yield message

    def ask_again(self, begin: int) -> None:
        """Let the venue send its messages from this number on again: they come by :meth:`next`."""
        self.numbers.next_in = begin
        self._ask(0)

    def keep_alive(self) -> None:
        """Say that we live, if nothing was said for the heartbeat's interval."""
        if self.heartbeat_s and time.monotonic() - self._sent_s >= self.heartbeat_s:
            self._send("0", ())

    def logout(self, timeout_s: float = 5.0) -> None:
        """Log out, wait for the answer and the venue's end of the connection, and close."""
        with contextlib.suppress(ClientError):
            self._send("5", ())
            until_s = time.monotonic() + timeout_s
            while (message := self._receive(until_s)) is not None and message.kind != "5":
                self._take(message)
            if message is not None and message.sequence == self.numbers.next_in:
                self.numbers.next_in += 1
            # The venue closes; until it has, the session could not log on again.
            while message is not None and self._received.more(until_s):
                pass
        self.close()

    def close(self) -> None:
        """Close the connection without a logout; the session can be resumed."""
        self.socket.close()

    # The session layer.

    def _take(self, message: FixMessage) -> bool:
        """Deal with a message; true if it is one of orders, in its turn."""
        numbers, sequence = self.numbers, message.sequence
        if message.kind == "4" and message.get(123) != "Y":
            numbers.next_in = max(numbers.next_in, int(message[36]))
            return False
        if message.kind == "2":
            self._resend(int(message[7]), int(message[16]))
        elif message.kind == "5":
            raise SessionEnded(f"the venue logged out: {message.get(58)}".rstrip(": "))
        if sequence > numbers.next_in:
            if self._asked_to < numbers.next_in:
                self._ask(sequence)
            return False
        if sequence < numbers.next_in:
            return False
        if message.kind == "4":
            numbers.next_in = int(message[36])
            return False
        numbers.next_in += 1
        if message.kind == "1":
            self._send("0", ((112, message[112]),))
        return message.kind not in _ADMIN

    def _ask(self, to: int) -> None:
        self._asked_to = to
        self._send("2", ((7, str(self.numbers.next_in)), (16, "0")))

    def _resend(self, begin: int, end: int) -> None:
        """Messages of orders again, gaps for all others; nothing new is numbered."""
        last = self.numbers.next_out - 1
        end = last if end == 0 else min(end, last)
        at = begin
        while at <= end:
            kept = self.numbers.sent.get(at)
            if kept is not None:
                kind, fields, first = kept
                self._write(self.pack(kind, at, fields, first))
                at += 1
                continue
            gap = at
            while at <= end and at not in self.numbers.sent:
                at += 1
            self._write(self.pack("4", gap, ((123, "Y"), (36, str(at))), self._utc_text()))

    def _send(self, kind: str, fields: Fields, now: str = "") -> None:
        number = self.numbers.next_out
        self.numbers.next_out += 1
        self._write(self.pack(kind, number, fields, now=now))

    def pack(self, kind: str, number: int, fields: Fields, first: str = "", now: str = "") -> bytes:
        """A whole message; ``first``: when it was sent for the first time, if it was; ``now``: when
        it is sent, if that is known."""
        head = [(35, kind), (34, str(number)), (49, self.name)]
        head += [(52, now or self._utc_text()), (56, self.target)]
        if first:
            head += [(43, "Y"), (122, first)]
        head += [pair for pair in fields if pair[0] == POSS_RESEND]
        rest = (pair for pair in fields if pair[0] != POSS_RESEND)
        return write_message((*head, *rest), self.version)

    def _write(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise SessionEnded(f"the connection is lost: {error.strerror or error}") from None
        self._sent_s = time.monotonic()

    def _receive(self, until_s: float | None) -> FixMessage | None:
        """The next whole message, whatever it is; None when it is too late."""
        data = self._received.whole(whole_message, until_s)
        return read_message(data) if data else None

    def _new_name(self, name: str | None) -> str:
        if name is not None:
            return name
        self.numbers.last_name += 1
        return f"{self.prefix or self.numbers.prefix}{self.numbers.last_name}"


def utc_text() -> str:
    """UTCTimestamp of now."""
    return _text_of_ms(time.time_ns() // 1_000_000)


@lru_cache(maxsize=1)
def _text_of_ms(time_ms: int) -> str:
    seconds, rest_ms = divmod(time_ms, 1_000)
    return f"{time.strftime('%Y%m%d-%H:%M:%S', time.gmtime(seconds))}.{rest_ms:03d}"


def _terms(price: str | Decimal, more: dict[str, str], others: dict[int, str]) -> Fields:
    """OrdType, price, and what else is asked for; a field that is named takes the others' place."""
    fields = {40: "1"} if price == "market" else {40: "2", 44: price_text(price)}
    fields |= others
    for key, value in more.items():
        if not re.fullmatch(r"t\d{1,4}", key):
            raise ValueError(f"{key!r} is not a field; write t and its tag")
        fields[int(key[1:])] = value
    return tuple(fields.items())


def price_text(price: str | Decimal) -> str:
    """A price as FIX has it; raises ``ValueError`` for anything else."""
    return f"{decimal_price(price):f}"


def write_message(fields: Iterable[tuple[int, str]], version: str = "4.4") -> bytes:
    """A whole message of these fields, BodyLength and CheckSum made for them."""
    body = "".join([f"{tag}={value}\x01" for tag, value in fields]).encode("latin-1")
    data = b"8=FIX.%s\x019=%d\x01" % (version.encode(), len(body)) + body
    return data + b"10=%03d\x01" % (sum(data) % 256)


def whole_message(data: bytes | bytearray) -> int:
    """Bytes of the first message, 0 if it is not whole yet."""
    head = _HEAD.match(data)
    if head is None:
        if len(data) > 64:
            raise ClientError("the venue sent bytes that are not FIX")
        return 0
    size = head.end() + int(head[1]) + _TRAILER_BYTES
    return size if len(data) >= size else 0


def read_message(data: bytes) -> FixMessage:
    """Raises :class:`ClientError` for a damaged one."""
    body, tail = data[:-_TRAILER_BYTES], data[-_TRAILER_BYTES:]
    if tail != b"10=%03d\x01" % (sum(body) % 256):
        raise ClientError(f"the venue sent a damaged message: {data[:80]!r}")
    number, kind = _NUMBER.search(body), _KIND.search(body)
    sequence = int(number[1]) if number else 0
    return FixMessage(sequence, kind[1].decode("latin-1") if kind else "", data)
