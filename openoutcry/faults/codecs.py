"""Borders and changes of the messages of a port: SoupBinTCP with OUCH in it, and FIX.

Messages are cut and read by what clients and the venue use.  What is no message of its protocol
passes unchanged: its receiver is to judge it.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from openoutcry.client.fix import FixMessage, read_message, whole_message, write_message
from openoutcry.client.ouch import price_text
from openoutcry.client.soupbin import whole_packet
from openoutcry.client.waiting import ClientError
from openoutcry.faults.script import TO_CLIENT, TO_VENUE
from openoutcry.order_entry import soupbin
from openoutcry.wire.enums import Side
from openoutcry.wire.message import Protocol
from openoutcry.wire.messages import OUCH42, OUCH50, PACKET_LENGTH_BYTES, SOUPBIN
from openoutcry.wire.words import SIDES

MARK = "T-"
"""Before the day in the session's name of a SoupBinTCP login: a test venue."""
TEST_INDICATOR, RAW_LENGTH, RAW = 464, 95, 96
"""Fields of a Logon: TestMessageIndicator, and RawData of FIX 4.2, which has no other place."""
MARK_42 = "TEST VENUE"
DAY_NS = 86_400 * 10**9
CONTENTS: dict[str, Protocol | None] = {"ouch-4.2": OUCH42, "ouch-5.0": OUCH50, "drop-copy": None}
ADMIN = "0124A5"
MOMENTS = (52, 60)
"""SendingTime and TransactTime."""


@dataclass(frozen=True)
class Told:
    """What a message says."""

    kind: str
    is_order_entry: bool = False
    symbol: str = ""
    name: str = ""
    """Token or number of an order over OUCH; ClOrdID."""
    login: str = ""
    """A login: the session that logs in."""


@dataclass(frozen=True)
class Order:
    """The terms of a new order, for the one that meets it."""

    symbol: str
    is_buy: bool
    price: str


class SoupBin:
    """SoupBinTCP, with the messages of ``content`` in its data; None: they are not read."""

    def __init__(self, content: Protocol | None) -> None:
        self.content = content
        self.quantity = "shares" if content is OUCH42 else "quantity"

    size_of = staticmethod(whole_packet)

    def told(self, data: bytes, direction: str) -> Told:
        """Read a whole packet."""
        letter, body = chr(data[PACKET_LENGTH_BYTES]), data[soupbin.HEADER_BYTES :]
        if letter == ("U" if direction == TO_VENUE else "S"):
            return self._told_content(body, direction)
        side = SOUPBIN.client if direction == TO_VENUE else SOUPBIN.server
        kind = next((one.name for one in side if one.kind == letter), letter)
        login = ""
        if kind == "login_request":
            with suppress(soupbin.LoginError):  # the venue refuses it
                login = soupbin.read_login(data).username
        return Told(kind, login=login)

    def _told_content(self, body: bytes, direction: str) -> Told:
        layout = self._layout(body, direction)
        if layout is None:
            return Told("data", True)
        fields = layout.unpack(body)
        name = fields.get("token", fields.get("user_ref", ""))
        symbol = str(fields.get("symbol", "")).rstrip()
        return Told(layout.name, True, symbol, str(name).rstrip())

    def _layout(self, body: bytes, direction: str) -> Any:
        if self.content is None:
            return None
        side = self.content.client if direction == TO_VENUE else self.content.server
        fits = (one for one in side if one.kind.encode() == body[:1])
        layout = next(fits, None)
        return layout if layout is not None and len(body) >= layout.size_bytes else None

    def changed(self, data: bytes, direction: str, **fields: Any) -> bytes:
        """The packet with other values in its message."""
        head, body = data[: soupbin.HEADER_BYTES], data[soupbin.HEADER_BYTES :]
        layout = self._layout(body, direction)
        return head + layout.pack(**layout.unpack(body) | fields) + body[layout.size_bytes :]

    def marked(self, data: bytes, direction: str, told: Told) -> bytes:
        """A login with the venue's mark taken from it, or its answer with the mark."""
        if told.login:
            login = soupbin.read_login(data)
            bare = login.session.removeprefix(MARK)
            return soupbin.login_packet(replace(login, session=bare)) if bare else data
        if told.kind != "login_accepted" or direction != TO_CLIENT:
            return data
        session, sequence = _accepted(data)
        return soupbin.login_accepted(MARK + session, sequence)

    def corrupted(self, data: bytes) -> bytes:
        """The packet with a type that there is not: SoupBinTCP has no checksum."""
        return data[:PACKET_LENGTH_BYTES] + b"?" + data[soupbin.HEADER_BYTES :]

    def reset(self, data: bytes, told: Told, number: int) -> list[bytes]:
        """An answer to a login that says another number of the next message."""
        if told.kind != "login_accepted":
            return [data]
        return [soupbin.login_accepted(_accepted(data)[0], number)]

    def shifted(self, data: bytes, by_s: int) -> bytes:
        """The packet at another time of day."""
        layout = self._layout(data[soupbin.HEADER_BYTES :], TO_CLIENT)
        if layout is None or "timestamp" not in layout.offsets:
            return data
        now_ns = layout.unpack(data[soupbin.HEADER_BYTES :])["timestamp"]
        return self.changed(data, TO_CLIENT, timestamp=(now_ns + by_s * 10**9) % DAY_NS)

    def spoiled(self, data: bytes) -> bytes:
        """A new order of no quantity, which the venue rejects."""
        return self.changed(data, TO_VENUE, **{self.quantity: 0})

    def rejected(self, data: bytes, reason: str, text: str, quantity: str) -> bytes:
        """The venue's reject, for another reason."""
        given: Any = reason if self.content is OUCH42 else int(reason)
        return self.changed(data, TO_CLIENT, reason=given)

    def quantity_of(self, data: bytes) -> str:
        """The quantity of a new order."""
        body = data[soupbin.HEADER_BYTES :]
        return str(self._layout(body, TO_VENUE).unpack(body)[self.quantity])

    def order(self, data: bytes) -> Order:
        """The terms of a new order."""
        body = data[soupbin.HEADER_BYTES :]
        fields = self._layout(body, TO_VENUE).unpack(body)
        symbol, side = fields["symbol"].rstrip(), fields["side"]
        return Order(symbol, side == "B", price_text(fields["price"]))

    accepted, refused = "accepted", "rejected"


def _accepted(data: bytes) -> tuple[str, int]:
    """Session and number in the answer to a login."""
    fields = SOUPBIN.from_server("A").unpack(data[PACKET_LENGTH_BYTES:])
    return fields["session"].strip(), int(fields["sequence"])


class Fix:
    """FIX of a version; kinds of messages are MsgType (35)."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.last: FixMessage | None = None
        """The last message to the client, whose names a reset has."""

    size_of = staticmethod(whole_message)

    def told(self, data: bytes, direction: str) -> Told:
        """Read a whole message; one that is damaged has no kind."""
        try:
            message = read_message(data)
        except ClientError:
            return Told("")
        if direction == TO_CLIENT:
            self.last = message
        kind = message.kind
        login = message.get(49) if kind == "A" and direction == TO_VENUE else ""
        if kind == "8":
            kind = f"8:{message.get(150)}"
        return Told(kind, message.kind not in ADMIN, message.get(55), message.get(11), login)

    def _changed(self, data: bytes, fields: dict[int, str]) -> bytes:
        """The message with other values, and with fields that it does not have at its end."""
        pairs = [(tag, value) for tag, value in read_message(data).fields if tag not in (8, 9)]
        had = {tag for tag, _ in pairs}
        new = [(tag, fields.get(tag, value)) for tag, value in pairs]
        new += [(tag, value) for tag, value in fields.items() if tag not in had]
        return write_message(new, self.version)

    def marked(self, data: bytes, direction: str, told: Told) -> bytes:
        """The answer to a Logon with the mark of a test venue."""
        if told.kind != "A" or direction != TO_CLIENT:
            return data
        if self.version == "4.4":
            return self._changed(data, {TEST_INDICATOR: "Y"})
        return self._changed(data, {RAW_LENGTH: str(len(MARK_42)), RAW: MARK_42})

    def corrupted(self, data: bytes) -> bytes:
        """The message with a wrong CheckSum."""
        return data[:-4] + b"%03d\x01" % ((int(data[-4:-1]) + 1) % 256)

    def reset(self, data: bytes, told: Told, number: int) -> list[bytes]:
        """The message, and a SequenceReset without GapFillFlag after it."""
        if self.last is None:
            return [data]
        names = [(tag, self.last.get(tag)) for tag in (49, 56, 52)]
        head = [(35, "4"), (34, str(self.last.sequence + 1)), *names]
        return [data, write_message([*head, (36, str(number))], self.version)]

    def shifted(self, data: bytes, by_s: int) -> bytes:
        """The message with its times moved."""
        message = read_message(data)
        moments = {tag: message.get(tag) for tag in MOMENTS if message.get(tag)}
        return self._changed(data, {tag: _moved(text, by_s) for tag, text in moments.items()})

    def spoiled(self, data: bytes) -> bytes:
        """A new order of no quantity, which the venue rejects."""
        return self._changed(data, {38: "0"})

    def rejected(self, data: bytes, reason: str, text: str, quantity: str) -> bytes:
        """The venue's reject, for another reason."""
        fields = {38: quantity, 103: reason, 58: text or "a fault of the test venue"}
        return self._changed(data, fields)

    def quantity_of(self, data: bytes) -> str:
        """The quantity of a new order."""
        return read_message(data).get(38)

    def order(self, data: bytes) -> Order:
        """The terms of a new order."""
        message = read_message(data)
        price = message.get(44)
        shown = f"{Decimal(price):f}" if re.fullmatch(r"\d+(\.\d+)?", price) else "market"
        return Order(message.get(55), message.get(54) == SIDES.say("FIX", Side.BUY), shown)

    accepted, refused = "8:0", "8:8"


def _moved(text: str, by_s: int) -> str:
    """A UTCTimestamp, moved."""
    seconds, point, rest = text.partition(".")
    moment = datetime.strptime(seconds, "%Y%m%d-%H:%M:%S") + timedelta(seconds=by_s)
    return f"{moment:%Y%m%d-%H:%M:%S}{point}{rest}"


Codec = SoupBin | Fix


def codec_of(port: str) -> Codec:
    """The codec of a connection to a port."""
    if port in CONTENTS:
        return SoupBin(CONTENTS[port])
    return Fix("4.2" if port == "fix-4.2" else "4.4")
