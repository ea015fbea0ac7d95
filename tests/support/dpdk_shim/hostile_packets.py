"""A stream of packets that breaks every rule of the receiver, by a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import PacketSession, seal
from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE

KEYS = {number: bytes([at]) * 32 for at, number in enumerate((1, 7, 300, 65_535), start=1)}
HERE, ELSEWHERE = IPv4Network("127.0.0.0/30"), IPv4Network("10.20.0.0/16")
SESSIONS = (
    PacketSession(1, KEYS[1]),
    PacketSession(7, KEYS[7], (ELSEWHERE, HERE)),
    PacketSession(300, KEYS[300], (ELSEWHERE,)),
    PacketSession(65_535, KEYS[65_535]),
)
NUMBERS = (*KEYS, 0, 9, 70_000)
PARTICIPANTS = (0, 1, 1, 2, 7, 300, 65_535)
EDGES = (VENUE_ORDER_IDS - 1, VENUE_ORDER_IDS, SESSION_ORDER_IDS, 2**63 - 1, -1, 0)


@dataclass
class Client:
    """One that counts and remembers what it sent."""

    number: int
    next: int = 1
    epoch: int = 5
    sent: list[bytes] = field(default_factory=list)


def orders(dice: random.Random, count: int) -> npt.NDArray[np.void]:
    records = np.frombuffer(dice.randbytes(64 * count), ORDER_DTYPE).copy()
    for record in records:
        record["participant"] = dice.choice(PARTICIPANTS)
        record["order_id"] = dice.choice(EDGES) if dice.random() < 0.1 else dice.randrange(1 << 40)
    return records


def hostile_packets(seed: int, count: int, sealed: bool) -> Iterator[tuple[int, bytes]]:
    """``count`` packets, each with the number of the address (0 to 2) that it is sent from."""
    dice = random.Random(seed)
    clients = [Client(number) for number in NUMBERS]
    for _ in range(count):
        client = dice.choice(clients[:4] if dice.random() < 0.8 else clients)
        place = clients.index(client) % 3 if dice.random() < 0.9 else dice.randrange(3)
        yield place, _packet(dice, client, clients, sealed)


def _packet(dice: random.Random, client: Client, clients: list[Client], sealed: bool) -> bytes:
    what = dice.randrange(20)
    if what == 0 and client.sent:
        return dice.choice(client.sent)
    if what == 1:
        return bytes(dice.choice((0, 1, 31, 32, 55, 56, 64, 96, 120, 1_464, 1_520)))
    records = orders(dice, dice.choice((1, 1, 2, 3, 21, 22)))
    first = client.next
    if what in (2, 3, 4):
        first += dice.choice((1, 2, 5, 40))
    elif what in (5, 6):
        first -= dice.randrange(60)
    elif what == 7:
        first = dice.choice((0, -1, 2**62, 2**62 + 1, first + (1 << 20), first + (1 << 20) + 1))
    elif what == 8:
        client.epoch += dice.choice((-1, 1, 1, 50))
    (packet,) = build_packets(records, client.number, first, dice.randrange(2**62))
    if what == 10:
        (packet,) = build_packets(np.zeros(1, EVENT_DTYPE), client.number, 1, 0)
    elif what == 11:
        packet = _changed(dice, packet, 32)
    elif what == 12:
        packet = packet[: dice.randrange(len(packet))]
    elif what == 13:
        packet += bytes(dice.choice((1, 8, 64)))
    if sealed:
        packet = _sealed(dice, packet, client, clients, what)
    if what == 14:
        return _changed(dice, packet, len(packet))
    if what != 7:
        client.next = max(client.next, first + len(records))
    client.sent.append(packet)
    return packet


def _changed(dice: random.Random, packet: bytes, end: int) -> bytes:
    changed = bytearray(packet)
    changed[dice.randrange(end)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _sealed(
    dice: random.Random, packet: bytes, client: Client, clients: list[Client], what: int
) -> bytes:
    key = KEYS.get(client.number, bytes(32))
    if what == 15:
        key = KEYS.get(dice.choice(clients).number, bytes(32))
    epoch = client.epoch - 1 if what == 16 else client.epoch
    return packet if what == 17 else seal(key, packet, epoch)
