"""Hostile packets by kernel sockets: the receiver takes, refuses, counts and answers as the rules
in plain Python do (tests/oracles/dpdk_shim/packet_receiver.py)."""

import socket
from contextlib import ExitStack

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import Sessions, is_sealed
from openoutcry.dpdk_shim.packets import Key
from openoutcry.wire.records import EVENT, EVENT_DTYPE, ORDER_DTYPE
from tests.oracles.dpdk_shim.packet_receiver import PacketReceiver, Sender
from tests.support.dpdk_shim.hostile_packets import KEYS, SESSIONS, hostile_packets
from tests.support.dpdk_shim.packet_door import PacketDoor

PLACES = ("127.0.0.1", "127.0.0.2", "127.0.0.9")
PARTICIPANT = slice(EVENT.offsets["participant"], EVENT.offsets["participant"] + 2)
PARTICIPANTS = (1, 2, 7, 300, 65_535)


def key_of(sender: Sender, sealed: bool) -> Key:
    """The key by which the journal knows a sender."""
    number, whence = sender
    if sealed:
        assert isinstance(whence, int)
        return number | 1 << 32, whence % 2**64, 0, 0
    host, port = whence  # type: ignore[misc]
    port_as_read = int.from_bytes(port.to_bytes(2, "big"), "little")
    address = int.from_bytes(socket.inet_aton(host), "little")
    return number | port_as_read << 32 | 4 << 48, address, 0, 0


def without_own_fields(orders: list[bytes]) -> bytes:
    """But for the times and numbers that the receiver writes itself."""
    records = np.frombuffer(b"".join(orders), ORDER_DTYPE).copy()
    records["rx_ts_ns"] = records["seq"] = 0
    return records.tobytes()


def heard(client: socket.socket, sealed: bool) -> list[bytes]:
    """All events that a client has been sent, one after the other."""
    events = []
    while True:
        try:
            data = client.recv(2_048)
        except BlockingIOError:
            return events
        if sealed:
            number = int.from_bytes(data[32:][PARTICIPANT], "little")
            assert is_sealed(KEYS[number], data)
            data = data[:-24]
        events += [data[at : at + 64] for at in range(32, len(data), 64)]


def by_participant(events: list[bytes]) -> list[bytes]:
    """Those for one participant are in order, and share packets also with others' between them."""
    return sorted(events, key=lambda event: event[PARTICIPANT])


@pytest.mark.promise(
    "Any bytes are parsed, or rejected and counted by reason; none crashes the receiver or is"
    " a memory error in C",
    group="network",
)
@pytest.mark.parametrize("tokens", [None, 40])
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))]
)
def test_the_receiver_keeps_the_rules(sealed: bool, tokens: int | None, seed: int) -> None:
    reference = PacketReceiver(SESSIONS if sealed else (), tokens)
    with PacketDoor(Sessions(SESSIONS) if sealed else None) as door, ExitStack() as stack:
        if tokens is not None:
            door.allow(tokens)
        clients = []
        for place in PLACES:
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.bind((place, 0))
            client.connect(door.at)
            client.setblocking(False)
            clients.append(client)
        addresses = [client.getsockname() for client in clients]
        for place, data in hostile_packets(seed, 1_500, sealed):
            clients[place].send(data)
            before = door.counters()["packets"]
            while door.counters()["packets"] == before:
                records = door.take()
            wanted = reference.take(data, addresses[place])
            assert records.tobytes() == without_own_fields(wanted.orders)
            assert door.origins == [(key_of(sender, sealed), seq) for sender, seq in wanted.origins]
            assert by_participant(heard(clients[place], sealed)) == by_participant(wanted.refusals)
        counts = door.counters()
        assert {name: counts[name] for name in reference.counts} == reference.counts
        events = np.zeros(60, EVENT_DTYPE)
        events["participant"] = [PARTICIPANTS[at % 5] for at in range(60)]
        events["seq"] = np.arange(1, 61)
        door.reply(events)
        for address, client in zip(addresses, clients, strict=True):
            own = [one for one in PARTICIPANTS if reference.peers.get(one) == address]
            got = np.frombuffer(b"".join(heard(client, sealed)), EVENT_DTYPE)
            for participant in own:
                mine = got[got["participant"] == participant]
                assert mine.tobytes() == events[events["participant"] == participant].tobytes()
            assert set(got["participant"].tolist()) == set(own)
