"""Ethernet frames with packets of orders, good and bad, and what software makes of them.

scapy builds the frames and takes them apart; from the UDP payload on :func:`door` judges as the
receiver does that the pipeline runs: the packet by ``dpdk_shim.packets``, then each of its records.
test_door.py compares it with that receiver.  Nothing here knows how the RTL does it.
"""

import logging
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether  # noqa: E402
from scapy.utils import checksum  # noqa: E402

from openoutcry.dpdk_shim.packets import (  # noqa: E402
    LAYOUT_TAG,
    PacketRejected,
    build_packets,
    read_packet,
)
from openoutcry.wire.enums import PacketKind  # noqa: E402
from openoutcry.wire.order_ids import ORDER_ID_RANGES, VENUE_ORDER_IDS, IdRange  # noqa: E402
from openoutcry.wire.records import (  # noqa: E402
    MAX_PACKET_RECORDS,
    ORDER_DTYPE,
    PACKET_HEADER,
    PACKET_MAGIC,
    RECORD_BYTES,
)
from openoutcry.wire.registers import LEFT_OUT, PARSER_OUTCOMES  # noqa: E402

UDP_PORT = 9000
BEAT_BYTES = 64
MAX_BEATS = 24

REASONS = PARSER_OUTCOMES
"""By the index of the parser's counter; test_udp_parser.py compares them with the Verilog."""


@dataclass
class Frame:
    """A frame as it is driven: ``keep`` is one bit a byte, all ones when there are no holes."""

    data: bytes
    rx_ts_ns: int
    keep: list[int] | None = None


OPERATOR = 0
"""The participant that is the exchange operator, who speaks by no network."""
BARRED = ("OPERATOR", "RESERVED_ID", "both")


def ordinary_orders(dice: random.Random, count: int) -> np.ndarray:
    """Random orders of which the door leaves out none."""
    orders = np.frombuffer(dice.randbytes(count * RECORD_BYTES), ORDER_DTYPE).copy()
    for order in orders:
        order["participant"] = dice.choice([1, 255, 256, 65_535, dice.randint(1, 65_535)])
        order["order_id"] = _id_of(dice, ORDER_ID_RANGES[0])
    return orders


def bar(dice: random.Random, order: np.void, what: str) -> None:
    """Make an order one that the door leaves out, by the rule of that name or by both."""
    if what != "RESERVED_ID":
        order["participant"] = OPERATOR
    if what != "OPERATOR":
        order["order_id"] = _id_of(dice, dice.choice(ORDER_ID_RANGES[1:]))


def _id_of(dice: random.Random, ids: IdRange) -> int:
    """Any id of a range, its ends often."""
    return dice.choice([ids.first, ids.last, *(dice.randint(ids.first, ids.last) for _ in "123")])


def random_orders(dice: random.Random, count: int) -> np.ndarray:
    """Random orders, of half of the packets some that the door leaves out, of some packets all."""
    orders = ordinary_orders(dice, count)
    barred = dice.choice([0, 0, 0, 0.3, 0.3, 0.7, 1])
    for order in orders:
        if dice.random() < barred:
            bar(dice, order, dice.choice(BARRED))
    return orders


def packet(
    dice: random.Random, count: int, first_seq: int | None = None, ordinary: bool = False
) -> bytes:
    """A good packet of ``count`` random orders; of ``ordinary`` ones none is left out."""
    seq = first_seq if first_seq is not None else dice.choice([1, 2**62, dice.randint(1, 2**62)])
    return packet_of(dice, (ordinary_orders if ordinary else random_orders)(dice, count), seq)


def packet_of(dice: random.Random, orders: np.ndarray, first_seq: int = 1) -> bytes:
    """A good packet of these orders."""
    (datagram,) = build_packets(orders, dice.getrandbits(32), first_seq, dice.getrandbits(62))
    return datagram


def headers(dice: random.Random, vlan: bool) -> Ether:
    layers = Ether(src=dice.randbytes(6), dst=dice.randbytes(6))
    if vlan:
        layers /= Dot1Q(vlan=dice.randint(0, 4095), prio=dice.randint(0, 7))
    return layers


def wrap(dice: random.Random, payload: bytes, vlan: bool, **udp: int) -> bytes:
    """Ethernet, IPv4 and UDP around a payload, lengths and checksums as they should be."""
    layers = headers(dice, vlan) / IP(
        src=_address(dice),
        dst=_address(dice),
        ttl=dice.randint(1, 255),
        id=dice.getrandbits(16),
        flags=dice.choice(["", "DF"]),
        tos=dice.getrandbits(8),
    )
    layers /= UDP(**({"sport": dice.getrandbits(16), "dport": UDP_PORT} | udp))
    return bytes(layers / payload)


def _address(dice: random.Random) -> str:
    return ".".join(str(byte) for byte in dice.randbytes(4))


def good_frame(
    dice: random.Random,
    count: int | None = None,
    vlan: bool | None = None,
    ordinary: bool = False,
) -> bytes:
    """A frame that is taken; with ``ordinary`` all of its orders are handed on."""
    count = count or dice.choice([1, 1, 1, 2, 3, dice.randint(1, MAX_PACKET_RECORDS)])
    vlan = dice.random() < 0.5 if vlan is None else vlan
    checked = {} if dice.random() < 0.8 else {"chksum": 0}
    return wrap(dice, packet(dice, count, None, ordinary), vlan, **checked)


class Judgement(NamedTuple):
    """What became of a frame or a datagram: why it was refused (``NONE``: it was not), the orders
    handed on, and how many were left out by each rule."""

    reason: str
    orders: np.ndarray
    left_out: dict[str, int]


def refused(reason: str) -> Judgement:
    return Judgement(reason, np.zeros(0, ORDER_DTYPE), dict.fromkeys(LEFT_OUT, 0))


def door(payload: bytes) -> Judgement:
    """What the software door hands on of a datagram that is the next of its sender."""
    try:
        _, orders = read_packet(payload, PacketKind.ORDERS)
    except PacketRejected as error:
        return refused(error.reason.name)
    operators = orders["participant"] == OPERATOR
    reserved = ~operators & (orders["order_id"].astype(np.int64) >= VENUE_ORDER_IDS)
    kept = orders[~operators & ~reserved].copy()
    kept["error_code"] = 0
    counts = dict(zip(LEFT_OUT, (int(operators.sum()), int(reserved.sum())), strict=True))
    return Judgement("NONE", kept, counts)


def judged(frame: Frame) -> Judgement:
    """What software makes of a frame."""
    reason = _framing(frame) or _headers(frame.data)
    if reason:
        return refused(reason)
    judgement = door(bytes(Ether(frame.data)[IP][UDP].payload))
    judgement.orders["rx_ts_ns"] = np.uint64(frame.rx_ts_ns).view(np.int64)
    return judgement


def expected(frame: Frame) -> tuple[str, list[bytes]]:
    """The reason, and each order as it should come out."""
    reason, orders, _ = judged(frame)
    return reason, [order.tobytes() for order in orders]


def _framing(frame: Frame) -> str | None:
    if frame.keep is not None and not all(frame.keep):
        return "KEEP"
    return "OVERSIZED" if len(frame.data) > MAX_BEATS * BEAT_BYTES else None


def _headers(data: bytes) -> str | None:
    tagged = data[12:14] == b"\x81\x00"
    at = 18 if tagged else 14
    if len(data) < at + 28:
        return "RUNT"
    if data[at - 2 : at] != b"\x08\x00":
        return "ETHERTYPE"
    if data[at] != 0x45:
        return "IP_HEADER"
    ip = IP(data[at:])
    if ip.flags.MF or ip.frag:
        return "FRAGMENT"
    if ip.proto != 17:
        return "PROTOCOL"
    dport, udp_length, udp_checksum = struct.unpack(">HHH", data[at + 22 : at + 28])
    if dport != UDP_PORT:
        return "PORT"
    if ip.len != udp_length + 20 or len(data) != at + ip.len:
        return "LENGTH"
    if checksum(data[at : at + 20]) != 0:
        return "IP_CHECKSUM"
    pseudo = data[at + 12 : at + 20] + struct.pack(">BBH", 0, 17, udp_length)
    if udp_checksum and checksum(pseudo + data[at + 20 :]) != 0:
        return "UDP_CHECKSUM"
    return None


# What is done to a good frame so that it is refused.  Each takes dice and a frame's bytes and gives
# those of a frame in which that is wrong, checksums made good unless they are what is wrong.
Spoiler = Callable[[random.Random, bytearray], bytes]


def ip_at(data: bytes | bytearray) -> int:
    return 18 if data[12:14] == b"\x81\x00" else 14


def repaired(data: bytes | bytearray) -> bytes:
    """The frame with right checksums."""
    data = bytearray(data)
    at = ip_at(data)
    data[at + 10 : at + 12] = b"\0\0"
    data[at + 10 : at + 12] = struct.pack(">H", checksum(bytes(data[at : at + 20])))
    data[at + 26 : at + 28] = b"\0\0"
    pseudo = bytes(data[at + 12 : at + 20]) + b"\0\x11" + bytes(data[at + 24 : at + 26])
    total = checksum(pseudo + bytes(data[at + 20 :]))
    data[at + 26 : at + 28] = struct.pack(">H", total or 0xFFFF)
    return bytes(data)


def _set(offset: int, values: Callable[[random.Random], bytes]) -> Spoiler:
    """Overwrite bytes at an offset from the IPv4 header."""

    def spoil(dice: random.Random, data: bytearray) -> bytes:
        value = values(dice)
        at = ip_at(data) + offset
        data[at : at + len(value)] = value
        return repaired(data)

    return spoil


def _other(right: int, size: int, order: str = "little") -> Callable[[random.Random], bytes]:
    """A value that differs in one bit or in many."""

    def value(dice: random.Random) -> bytes:
        wrong = right ^ dice.choice(
            [1 << dice.randrange(8 * size), dice.randint(1, 2 ** (8 * size) - 1)]
        )
        return wrong.to_bytes(size, order)  # type: ignore[arg-type]

    return value


def _oversized(dice: random.Random, data: bytearray) -> bytes:
    return bytes(data) + dice.randbytes(dice.choice([1537, 1600, 3000]) - min(len(data), 1500))


def _runt(dice: random.Random, data: bytearray) -> bytes:
    return bytes(data[: dice.choice([1, 13, 14, 20, ip_at(data) + 27])])


def _length(dice: random.Random, data: bytearray) -> bytes:
    """The frame cut or trailed, or one of the lengths another."""
    at = ip_at(data)
    what = dice.randrange(4)
    if what == 0:  # tlast early: anything from the UDP header to the last byte is missing
        return bytes(data[: dice.randint(at + 28, len(data) - 1)])
    if what == 1:  # tlast late
        return bytes(data) + dice.randbytes(dice.choice([1, 4, 60, 64]))
    offset = 2 if what == 2 else 24
    right = int.from_bytes(data[at + offset : at + offset + 2])
    data[at + offset : at + offset + 2] = _other(right, 2, "big")(dice)
    return repaired(data)


def _ip_checksum(dice: random.Random, data: bytearray) -> bytes:
    """A bit of the IPv4 header that nothing else looks at is another."""
    data = bytearray(repaired(data))
    byte = dice.choice([1, 4, 5, 8, 10, 11])
    data[ip_at(data) + byte] ^= 1 << dice.randrange(8)
    return bytes(data)


def _udp_checksum(dice: random.Random, data: bytearray) -> bytes:
    """A bit of addresses, ports or payload is another than the sender had."""
    data = bytearray(repaired(data))
    at = ip_at(data)
    if dice.random() < 0.3:
        right = int.from_bytes(data[at + 26 : at + 28])
        wrong = right ^ (1 << dice.randrange(16))
        data[at + 26 : at + 28] = (wrong or 0x1234).to_bytes(2)
        return bytes(data)
    byte = dice.randrange(at + 28, len(data))
    data[byte] ^= 1 << dice.randrange(8)
    return bytes(data)


def _short(dice: random.Random, data: bytearray) -> bytes:
    return wrap(dice, bytes(dice.randbytes(dice.choice([0, 1, 17, 31]))), ip_at(data) == 18)


def _size(dice: random.Random, data: bytearray) -> bytes:
    """Lengths agree with the frame but not with the count: the last order cut, or one too many."""
    at = ip_at(data)
    payload = bytes(data[at + 28 :])
    shorter = payload[: max(32, len(payload) - dice.choice([1, 32, 63, 64]))]
    room = max(1, MAX_BEATS * BEAT_BYTES - len(data))
    longer = payload + dice.randbytes(min(dice.choice([1, 64]), room))
    return wrap(dice, dice.choice([shorter, longer]), at == 18)


PACKET_AT = 28
AT = {name: PACKET_AT + offset for name, offset in PACKET_HEADER.offsets.items()}

SPOILERS: dict[str, Spoiler] = {
    "OVERSIZED": _oversized,
    "RUNT": _runt,
    "ETHERTYPE": _set(-2, _other(0x0800, 2, "big")),
    "IP_HEADER": _set(0, _other(0x45, 1)),
    "FRAGMENT": _set(
        6, lambda dice: dice.choice([b"\x20\0", b"\x60\0", b"\0\1", b"\x1f\0", b"\0\x80"])
    ),
    "PROTOCOL": _set(9, _other(17, 1)),
    "PORT": _set(22, _other(UDP_PORT, 2, "big")),
    "LENGTH": _length,
    "IP_CHECKSUM": _ip_checksum,
    "UDP_CHECKSUM": _udp_checksum,
    "SHORT": _short,
    "MAGIC": _set(AT["magic"], _other(PACKET_MAGIC, 4)),
    "LAYOUT": _set(AT["layout_tag"], _other(LAYOUT_TAG, 4)),
    "KIND": _set(AT["kind"], _other(PacketKind.ORDERS, 1)),
    "COUNT": _set(
        AT["count"], lambda dice: dice.choice([0, 23, 31, 32, 256, 65535]).to_bytes(2, "little")
    ),
    "SIZE": _size,
    "SEQUENCE": _set(
        AT["first_seq"],
        lambda dice: dice.choice([0, 2**62 + 1, 2**63, 2**64 - 1]).to_bytes(8, "little"),
    ),
}


def spoiled(dice: random.Random, *reasons: str) -> Frame:
    """A frame with these things wrong with it, applied in the order given."""
    data = good_frame(dice, count=dice.choice([1, 2, 5, 22]))
    keep = None
    for reason in reasons:
        # What is already cut to less than its headers can get nothing else wrong with it.
        if reason != "KEEP" and len(data) >= ip_at(data) + PACKET_AT + 32:
            data = SPOILERS[reason](dice, bytearray(data))
    if "KEEP" in reasons:
        keep = [1] * len(data)
        keep[dice.randrange(len(data) - 1) if len(data) > 1 else 0] = 0
    return Frame(data, dice.getrandbits(64), keep)
