"""A client of OUCH 4.2 and 5.0: blocking, small, one connection.

Prices are decimal text or :class:`decimal.Decimal` here and ten-thousandths in the messages; floats
are refused.
"""

import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openoutcry.client.prices import decimal_price
from openoutcry.client.reasons import reason_words
from openoutcry.client.soupbin import LoginRejected, SoupBinClient, SoupBinConnection
from openoutcry.client.waiting import ClientError, SessionEnded
from openoutcry.order_entry.soupbin import LoginRequest
from openoutcry.wire.messages import OPTIONS50, OUCH42, OUCH50
from openoutcry.wire.order_types import DAY, IOC
from openoutcry.wire.symbols import check_symbol, code_of, names_by_code
from openoutcry.wire.words import TIMES, value

__all__ = ["ClientError", "LoginRejected", "Message", "OuchClient", "SessionEnded"]

MARKET, MARKET_CROSS = 0x7FFFFFFF, 0x77359400
"""What the messages have for an order at any price: 214,748.3647 and 200,000.0000 are no limits."""
DAY42, IOC42 = (int(value(TIMES.say("OUCH 4.2", tif))) for tif in (DAY, IOC))
DAY50, IOC50 = (value(TIMES.say("OUCH 5.0", tif)) for tif in (DAY, IOC))
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NAME_DIGITS = 8
FIRST_OF_TIME = 10 * 36 ** (NAME_DIGITS - 1)
"""Names that are made from the time, in microseconds, begin with a letter, as no count does; they
are the same again after 23 days."""
BY_NAME = {option.field.name: option for option in OPTIONS50}
BY_TAG = {option.tag: option for option in OPTIONS50}


def price4(price: str | int | Decimal) -> int:
    """A price in ten-thousandths; "market" is what the protocol has for it.

    Raises ``ValueError`` for what is not a price, has more than four decimals, or would be a market
    order."""
    if price == "market":
        return MARKET
    value = decimal_price(price) * 10_000
    if value != value.to_integral_value() or not 0 < value < 2**32:
        raise ValueError(f"price {price} is not positive, too large, or has over four decimals")
    if value in (MARKET, MARKET_CROSS):
        raise ValueError(f"price {price} is what OUCH has for a market order")
    return int(value)


def price_text(ten_thousandths: int) -> str:
    """Return a price of OUCH (four decimals) as text, ``market`` for a market order."""
    return "market" if ten_thousandths == MARKET else f"{ten_thousandths / 10_000:.4f}"


@dataclass(frozen=True)
class Message:
    """A message of the venue: number in the stream, type, fields (text without padding)."""

    sequence: int
    kind: str
    name: str
    fields: dict[str, Any]

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]

    def __str__(self) -> str:
        fields = {k: v for k, v in self.fields.items() if k not in ("timestamp", "appendage_bytes")}
        for field in ("price", "reference_price"):
            if field in fields:
                fields[field] = price_text(fields[field])
        words = " ".join(f"{key}={value}" for key, value in fields.items() if value != "")
        reason = reason_words(self.kind, self.fields.get("reason", ""))
        return f"{self.sequence} {self.name} {words}{f' ({reason})' if reason else ''}"


class OuchClient(SoupBinClient):
    """A session of a venue.  ``version`` is "4.2" or "5.0"; an order's name is its token (text) in
    4.2, its UserRefNum (a number) in 5.0.

    ``sequence``: number of the first message wanted, 1 for all of the day, 0 for only what is new.

    A session takes each name once a day, and ignores a message with a name that was used.  The
    client makes names that were not used, whatever was sent before: in 5.0 they begin where the
    venue says that free numbers begin, in 4.2 they are made from the time.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        *,
        version: str = "4.2",
        session: str = "",
        sequence: int = 0,
        firm: str = "",
        prefix: str = "",
        tls: ssl.SSLContext | None = None,
        tls_name: str = "",
        symbols: Iterable[str] = (),
        counts: bool = False,
    ) -> None:
        """``tls``: for a port with a certificate, which is to name ``tls_name`` ("": the host).
        ``symbols``: of the venue's instruments. Messages have a code of a longer one. A code whose
        symbol is neither named here nor used by an order is shown as it is.
        ``counts``: on a session's first login names count from 1, for a person to type; orders of
        an earlier login must have been answered, and messages of the day read.

        Raises :class:`ClientError` or :class:`LoginRejected`."""
        if version not in ("4.2", "5.0"):
            raise ValueError(f"version {version!r} is not 4.2 or 5.0")
        self.protocol = OUCH42 if version == "4.2" else OUCH50
        self.is_50 = version == "5.0"
        self.firm = firm
        self._names = names_by_code(symbols)
        login = LoginRequest(username, password, session, sequence)
        self.connection = SoupBinConnection(host, port, login, tls=tls, tls_name=tls_name)
        self.prefix = prefix
        self._kept: deque[Message] = deque()
        """Messages that came before the answer to a query."""
        is_first = counts and sequence <= 1 and self.connection.sequence == 1
        self._last: int | None = 0 if is_first else None
        """Last name that was made or given; None: it is not known yet."""

    def buy(self, symbol: str, quantity: int, price: str | Decimal, **fields: Any) -> str | int:
        """Enter a buy order; returns its name: a token in 4.2, a number in 5.0."""
        return self.enter("B", symbol, quantity, price, **fields)

    def sell(self, symbol: str, quantity: int, price: str | Decimal, **fields: Any) -> str | int:
        """Enter a sell order; returns its name: a token in 4.2, a number in 5.0."""
        return self.enter("S", symbol, quantity, price, **fields)

    def enter(
        self,
        side: str,
        symbol: str,
        quantity: int,
        price: str | Decimal,
        *,
        ioc: bool = False,
        name: str | int | None = None,
        **fields: Any,
    ) -> str | int:
        """Enter an order; its name.  ``fields`` are the message's own (docs/order-messages.md), and
        of 5.0 also its options."""
        name = self._new_name(name)
        day = (IOC50 if ioc else DAY50) if self.is_50 else (IOC42 if ioc else DAY42)
        terms = {
            "side": side,
            "symbol": self._code(symbol),
            "price": price4(price),
            "display": "Y",
            "capacity": "P",
            "iso": "N",
            "cross": "N",
            "time_in_force": day,
        }
        if self.is_50:
            options = {"firm": self.firm} if self.firm else {}
            self._send50("O", {"user_ref": name, "quantity": quantity} | terms, options | fields)
        else:
            terms |= {"token": name, "shares": quantity, "firm": self.firm} | fields
            self.connection.send(OUCH42.from_client("O").pack(**terms))
        return name

    def replace(
        self,
        order: str | int,
        quantity: int,
        price: str | Decimal,
        *,
        name: str | int | None = None,
        **fields: Any,
    ) -> str | int:
        """Give an open order a price and a quantity (with what it has executed); its new name."""
        name = self._new_name(name)
        terms = {"price": price4(price), "display": "Y", "iso": "N"}
        if self.is_50:
            names = {"orig_user_ref": order, "user_ref": name, "quantity": quantity}
            self._send50("U", names | {"time_in_force": DAY50} | terms, fields)
        else:
            names = {"token": order, "new_token": name, "shares": quantity}
            terms |= names | {"time_in_force": DAY42} | fields
            self.connection.send(OUCH42.from_client("U").pack(**terms))
        return name

    def cancel(self, order: str | int, quantity: int = 0) -> None:
        """Reduce an order to a size (with what it has executed); 0 cancels it."""
        if self.is_50:
            self._send50("X", {"user_ref": order, "quantity": quantity}, {})
        else:
            self.connection.send(OUCH42.from_client("X").pack(token=order, shares=quantity))

    def modify(self, order: str | int, side: str, quantity: int) -> None:
        """Make an open sale another kind of sale (S, T, E), or the order smaller."""
        if self.is_50:
            self._send50("M", {"user_ref": order, "side": side, "quantity": quantity}, {})
        else:
            terms = {"token": order, "side": side, "shares": quantity}
            self.connection.send(OUCH42.from_client("M").pack(**terms))

    def switch_entry(self, on: bool, *, name: str | int | None = None) -> None:
        """Let the venue take the participant's new orders, or refuse them until it is switched on
        again (5.0)."""
        self._only_50("switch of order entry")
        terms = {"user_ref": self._new_name(name), "firm": self.firm}
        self._send50("E" if on else "D", terms, {})

    def query(self) -> None:
        """Ask for the lowest free UserRefNum (5.0)."""
        self._only_50("account query")
        self._send50("Q", {}, {})

    def _only_50(self, what: str) -> None:
        if not self.is_50:
            raise ClientError(f"OUCH 4.2 has no {what}")

    def mass_cancel(self, symbol: str = "", *, name: str | int | None = None) -> None:
        """Cancel every order of the participant, of one symbol or all (5.0)."""
        self._only_50("mass cancel")
        name = self._new_name(name)
        self._send50("C", {"user_ref": name, "firm": self.firm, "symbol": self._code(symbol)}, {})

    def next_user_ref(self, timeout_s: float = 10.0) -> int:
        """Ask the venue for the lowest free UserRefNum (5.0); messages that come before the answer
        are returned by :meth:`next` afterwards."""
        self.query()
        while (message := self._receive(timeout_s)) is not None:
            if message.kind == "Q":
                return int(message["next_user_ref"])
            self._kept.append(message)
        raise ClientError("no answer to the account query")

    @property
    def sequence(self) -> int:
        """Number of the next message; a later login with it continues where this one stopped."""
        return self._kept[0].sequence if self._kept else self.connection.sequence

    def next(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None after ``timeout_s`` without one."""
        return self._kept.popleft() if self._kept else self._receive(timeout_s)

    def _receive(self, timeout_s: float | None) -> Message | None:
        data = self.connection.receive(timeout_s)
        return None if data is None else self.read(self.connection.sequence - 1, data)

    def messages(self, timeout_s: float | None = None) -> Iterator[Message]:
        """Messages until ``timeout_s`` passes without one."""
        while (message := self.next(timeout_s)) is not None:
            yield message

    def read(self, sequence: int, data: bytes) -> Message:
        """A message of the stream, by its bytes."""
        kind = data[:1].decode("latin-1")
        try:
            layout = self.protocol.from_server(kind)
        except StopIteration:
            raise ClientError(f"message {sequence}: type {kind!r} is unknown") from None
        if len(data) < layout.size_bytes:
            raise ClientError(f"message {sequence}: {len(data)} bytes are not a {layout.name}")
        fields = layout.unpack(data)
        fields = {k: v.rstrip(" ") if isinstance(v, str) else v for k, v in fields.items()}
        if kind in "AU" and self._last is not None:
            self._note_name(fields["user_ref" if self.is_50 else "token"])
        if "symbol" in fields:
            code = fields["symbol"]
            fields["symbol"] = self._names.get(code.encode("latin-1"), code)
        return Message(sequence, kind, layout.name, fields | _options(data[layout.size_bytes :]))

    def _code(self, symbol: str) -> str:
        """Return a symbol as messages carry it. Raises ``ValueError`` unless it can be one."""
        if not symbol:
            return ""
        check_symbol(symbol)
        code = code_of(symbol)
        self._names[code] = symbol
        return code.decode()

    def _note_name(self, name: str | int) -> None:
        """A name of the session was used: those that are made next are other ones."""
        number = str(name).removeprefix(self.prefix)
        if number.isascii() and number.isdigit() and int(number) < FIRST_OF_TIME:
            self._last = max(self._last or 0, int(number))

    def _new_name(self, name: str | int | None) -> str | int:
        if name is None and self._last == 0:
            while (message := self._receive(0.0)) is not None:
                self._kept.append(message)
        if self.is_50:
            if name is None and self._last is None:
                self._last = self.next_user_ref() - 1
            last = self._last or 0
            number = int(name) if name is not None else last + 1
            if self._last is not None:
                self._last = max(last, number)
            return number
        if name is not None:
            return str(name)
        if self._last is None:
            now_us = time.time_ns() // 1_000
            self._last = FIRST_OF_TIME + now_us % (36**NAME_DIGITS - FIRST_OF_TIME)
        else:
            self._last += 1
        is_of_time = self._last >= FIRST_OF_TIME
        return self.prefix + (_base_36(self._last) if is_of_time else str(self._last))

    def _send50(self, kind: str, terms: dict[str, Any], fields: dict[str, Any]) -> None:
        message = OUCH50.from_client(kind)
        own = {key: value for key, value in fields.items() if key in message.offsets}
        options = b"".join(_option(k, v) for k, v in fields.items() if k not in own)
        if "appendage_bytes" in message.offsets:
            own["appendage_bytes"] = len(options)
        self.connection.send(message.pack(**terms | own) + options)


def _base_36(number: int) -> str:
    """Return a number in NAME_DIGITS digits and letters."""
    text = ""
    for _ in range(NAME_DIGITS):
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text


def _option(name: str, value: Any) -> bytes:
    """The bytes of an option of OUCH 5.0.  Raises ``ValueError`` for a name that there is not."""
    if name not in BY_NAME:
        raise ValueError(f"{name!r} is neither a field nor an option of OUCH 5.0")
    option = BY_NAME[name]
    size = option.field.size_bytes
    if option.field.size:
        data = str(value).encode("ascii").ljust(size)
    else:
        data = int(value).to_bytes(size, "big", signed=option.field.ctype == "i32")
    return bytes([len(data) + 1, option.tag]) + data


def _options(data: bytes) -> dict[str, Any]:
    """The options after a message, by name."""
    options: dict[str, Any] = {}
    at = 0
    while at + 1 < len(data):
        size, option = data[at], BY_TAG.get(data[at + 1])
        value = data[at + 2 : at + 1 + size]
        if option is not None:
            signed = option.field.ctype == "i32"
            text = option.field.size > 0
            options[option.field.name] = (
                value.decode("latin-1").rstrip()
                if text
                else int.from_bytes(value, "big", signed=signed)
            )
        at += 1 + max(size, 1)
    return options
