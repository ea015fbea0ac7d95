"""Bytes for the ports of a venue: noise, and what a client could nearly have meant.

Each function takes a random generator and gives a piece of what a connection sends: messages whose
frames are right and whose fields are anything, and messages, or sequences of them, that are wrong.
"""

import random
import time
from collections.abc import Callable

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.authentication import seal
from openoutcry.order_entry import soupbin
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.messages import OUCH42, OUCH50, SOUPBIN
from openoutcry.wire.records import ORDER_DTYPE
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.sessions_venue import enter

Maker = Callable[[random.Random], bytes]
FIELD_TAGS = (
    1,
    11,
    15,
    18,
    21,
    37,
    38,
    40,
    41,
    44,
    54,
    55,
    58,
    59,
    60,
    95,
    96,
    97,
    99,
    110,
    111,
    112,
    114,
    126,
    141,
    207,
    336,
    432,
    448,
    452,
    453,
    530,
    584,
    585,
    789,
    7928,
    99999,
)
FIX_KINDS = (
    "D",
    "F",
    "G",
    "H",
    "q",
    "AF",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "A",
    "j",
    "8",
    "9",
    "V",
    "ZZ",
)


def noise(rng: random.Random, most: int = 4096) -> bytes:
    return rng.randbytes(rng.randrange(1, most))


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """The message with something wrong about it."""
    at = rng.randrange(len(data))
    what = rng.randrange(8)
    if what == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if what == 1:
        return data[:at] + rng.randbytes(1) + data[at + 1 :]
    if what == 2:
        return data[:at]
    if what == 3:
        return data[:at] + noise(rng, 16) + data[at:]
    if what == 4:
        return data[:at] + data[at + rng.randrange(1, 9) :]
    if what == 5:
        return rng.randbytes(2) + data[2:]
    if what == 6:
        return data + data[at:]
    return data[:at] + bytes([rng.choice((0, 1, 2, 61, 127, 255))]) * rng.randrange(1, 600)


def packet(rng: random.Random, message: bytes) -> bytes:
    """A message whose letter and length are right and whose bytes may be anything."""
    body = bytearray(message)
    for _ in range(rng.choice((0, 1, 1, 2, 4, len(body))) if len(body) > 1 else 0):
        body[rng.randrange(1, len(body))] = rng.choice((rng.randrange(256), 0, 32, 48, 255))
    return soupbin.packet("U", bytes(body))


def token(rng: random.Random) -> str:
    return f"{rng.randrange(1 << 40)}"[:14]


def ouch42(rng: random.Random) -> bytes:
    letter = rng.choice("OOOUXM")
    if letter == "O":
        message = enter(
            token(rng),
            rng.choice("BSTE"),
            rng.randrange(1, 99),
            "TIN",
            10_000,
            time_in_force=rng.choice((0, 0, 0, 1, 99_998)),
        )
    else:
        message = rng.randbytes(OUCH42.from_client(letter).size_bytes)
        message = letter.encode() + message[1:]
    return packet(rng, message)


def ouch50(rng: random.Random) -> bytes:
    letter = rng.choice("OOOUXMCDEQ")
    if letter == "O":
        options = b"".join(
            bytes([len(value) + 1, rng.randrange(1, 30)]) + value
            for value in (rng.randbytes(rng.choice((1, 4, 8))) for _ in range(rng.randrange(3)))
        )
        message = (
            OUCH50.from_client("O").pack(
                user_ref=rng.randrange(1 << 32),
                side=rng.choice("BS"),
                quantity=rng.randrange(1, 99),
                symbol="TIN",
                price=10_000,
                time_in_force=rng.choice("3330"),
                display="Y",
                capacity="P",
                iso="N",
                cross="N",
                clordid=token(rng),
                appendage_bytes=len(options),
            )
            + options
        )
    else:
        size = OUCH50.from_client(letter).size_bytes
        message = letter.encode() + rng.randbytes(size - 1)
    return packet(rng, message)


def copies(rng: random.Random) -> bytes:
    """To a drop copy: nothing but heartbeats is right."""
    return rng.choice((soupbin.CLIENT_HEARTBEAT, soupbin.CLIENT_HEARTBEAT, ouch42(rng)))


def any_packet(rng: random.Random) -> bytes:
    """Session packets of both sides, at any time and of any length."""
    kind = rng.choice("LURO+AJSHZ?")
    table = SOUPBIN.client if rng.random() < 0.5 else SOUPBIN.server
    sizes = [message.size_bytes for message in table] + [0, 1, 2, 46, 47, 512, 513, 60_000]
    return soupbin.packet(kind, rng.randbytes(rng.choice(sizes)))


def login(rng: random.Random) -> bytes:
    """A login that is nobody's, or nearly one."""
    request = soupbin.LoginRequest(f"X{rng.randrange(99)}", token(rng)[:10], "", rng.randrange(9))
    return soupbin.login_packet(request)


def text(rng: random.Random) -> bytes:
    """A value: a word of FIX, a number of any size, or bytes that a field may have."""
    return rng.choice(
        (
            b"TIN",
            b"1",
            b"2",
            b"Y",
            b"N",
            b"0",
            b"-1",
            b"99999999999999999999",
            b"1.5",
            b"1e9",
            b"0.00001",
            b"20261123-10:00:00.000",
            b"",
            b" ",
            b"A" * rng.randrange(1, 300),
            bytes(rng.choice(range(2, 255)) for _ in range(rng.randrange(1, 20))),
        )
    )


class FixNoise:
    """Messages of one connection: their numbers count up, mostly."""

    def __init__(self, name: str, password: str, begin: str = "FIX.4.4") -> None:
        self.name, self.password, self.begin, self.number = name, password, begin, 1
        self.target, self.clock = "TEST", time.time

    def logon(self) -> bytes:
        self.number = 2
        secret = [(554, self.password)]
        if self.begin == "FIX.4.2":
            secret = [(95, str(len(self.password))), (96, self.password)]
        return self.message("A", 1, [(98, "0"), (108, "30"), *secret, (141, "Y")])

    def message(self, kind: str, number: int, fields: list[tuple[int, str | bytes]]) -> bytes:
        now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(self.clock()))
        head: list[tuple[int, str | bytes]] = [
            (35, kind),
            (34, str(number)),
            (49, self.name),
            (52, now),
            (56, self.target),
        ]
        return reference.message([*head, *fields], self.begin)

    def order(self, rng: random.Random) -> list[tuple[int, str | bytes]]:
        now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(self.clock()))
        return [
            (11, token(rng)),
            (55, "TIN"),
            (54, rng.choice("12")),
            (60, now),
            (38, str(rng.randrange(1, 99))),
            (40, "2"),
            (44, "1.00"),
            (59, "3"),
        ]

    def __call__(self, rng: random.Random) -> bytes:
        kind = rng.choice("DDDDDD") if rng.random() < 0.7 else rng.choice(FIX_KINDS)
        fields = self.order(rng)
        for _ in range(rng.choice((0, 0, 1, 2, 5))):
            what, at = rng.randrange(4), rng.randrange(len(fields))
            if what == 0:
                fields[at] = fields[at][0], text(rng)
            elif what == 1:
                fields.insert(at, (rng.choice(FIELD_TAGS), text(rng)))
            elif what == 2 and len(fields) > 1:
                del fields[at]
            else:
                rng.shuffle(fields)
        number = self.number if rng.random() < 0.97 else rng.randrange(2 * self.number)
        self.number += number == self.number
        return self.message(kind, number, fields)


class PacketNoise:
    """Datagrams to the port of authenticated packets: most have the session's own tag, over orders
    that may be anything, in TIN; every packet takes back what the ones before left in the book."""

    def __init__(self, key: bytes, participant: int) -> None:
        self.key, self.participant = key, participant
        self.epoch, self.next_seq = time.time_ns(), 1

    def orders(self, rng: random.Random) -> np.ndarray:
        orders = np.zeros(rng.randrange(2, 23), ORDER_DTYPE)
        count = len(orders)
        orders["order_id"] = np.arange(self.next_seq, self.next_seq + count)
        orders["price_ticks"] = [rng.choice((10_000, 10_000, -1, 0)) for _ in range(count)]
        orders["kind"], orders["side"] = CommandKind.NEW, Side.BUY
        orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.IOC
        orders["qty_lots"] = [rng.randrange(1, 99) for _ in range(count)]
        for _ in range(rng.choice((0, 0, 1, 4, 40))):
            name = rng.choice([name for name in ORDER_DTYPE.names if name != "symbol"])
            bits = 8 * ORDER_DTYPE[name].itemsize - (ORDER_DTYPE[name].kind == "i")
            orders[name][rng.randrange(count)] = rng.choice(
                (rng.randrange(20), rng.getrandbits(bits))
            )
        orders[-1:]["kind"] = CommandKind.MASS_CANCEL
        orders["symbol"] = b"TIN"
        return orders

    def __call__(self, rng: random.Random) -> bytes:
        orders, what = self.orders(rng), rng.random()
        (packet,) = build_packets(orders, self.participant, self.next_seq, 0, 22)
        if what < 0.7:
            self.next_seq += len(orders)
        if what < 0.8:
            return seal(self.key, packet, self.epoch)
        if what < 0.85:  # right in its tag and wrong in its header
            return seal(self.key, spoiled(rng, packet[:32]) + packet[32:], self.epoch)
        if what < 0.95:
            return spoiled(rng, seal(self.key, packet, self.epoch))[:60_000]
        return noise(rng, rng.choice((2, 64, 1_500, 9_000, 60_000)))


def request(rng: random.Random) -> bytes:
    """A datagram to the retransmission server."""
    return rng.choice(
        (
            noise(rng, 64),
            noise(rng, 1400),
            rng.randbytes(20),
            rng.randbytes(10) + rng.randrange(1 << 64).to_bytes(8, "big") + rng.randbytes(2),
            b"".rjust(10)
            + rng.randrange(100).to_bytes(8, "big")
            + rng.randrange(9).to_bytes(2, "big"),
        )
    )


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes as a network may bring them: one by one, in lumps, or all at once."""
    most = rng.choice((1, 7, 100, 5_000, 70_000))
    if most == 1:
        data, rest = data[:200], data[200:]
        return [bytes([byte]) for byte in data] + ([rest] if rest else [])
    parts = []
    while data:
        size = rng.randrange(1, most + 1)
        parts.append(data[:size])
        data = data[size:]
    return parts


def connection_bytes(rng: random.Random, good: Maker, is_fix: bool) -> bytes:
    """What one connection says behind its login."""
    out = bytearray()
    for _ in range(rng.choice((1, 10, 100, 400))):
        what = rng.random()
        if what < 0.985:
            out += good(rng)
        elif what < 0.99:
            out += spoiled(rng, good(rng))
        elif is_fix:
            out += noise(rng)
        else:
            out += rng.choice((noise(rng), any_packet(rng), login(rng)))
    return bytes(out)
