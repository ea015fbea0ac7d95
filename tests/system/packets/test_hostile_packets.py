"""The same hostile packets through both receivers, by kernel sockets: each takes, refuses, counts
and answers as the rules in plain Python do (tests/oracles/dpdk_shim/packet_receiver.py)."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.dpdk_shim import UdpReceiver, receive_burst, send_events
from openoutcry.dpdk_shim.authentication import Sessions, is_sealed
from openoutcry.dpdk_shim.ports import open_port, prepare
from openoutcry.dpdk_shim.shim import Shim, sender_key
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.wire.records import EVENT, EVENT_DTYPE, MAX_PACKET_RECORDS, ORDER_DTYPE
from tests.oracles.dpdk_shim.packet_receiver import PacketReceiver, Sender
from tests.support.dpdk_shim.hostile_packets import KEYS, SESSIONS, hostile_packets
from tests.support.dpdk_shim.shim_wire import drain, make_ring, needs_shim

PLACES = ("127.0.0.1", "127.0.0.2", "127.0.0.9")
HOUR_NS = 3_600_000_000_000
PARTICIPANT = slice(EVENT.offsets["participant"], EVENT.offsets["participant"] + 2)
PARTICIPANTS = (1, 2, 7, 300, 65_535)


@dataclass
class Door:
    """A receiver behind its socket."""

    at: tuple[str, int]
    take: Callable[[], tuple[npt.NDArray[Any], list[tuple[Any, int]]]]
    """One poll: orders, and each one's sender's key and its number."""
    counts: Callable[[], dict[str, int]]
    reply: Callable[[npt.NDArray[Any]], int]


@contextmanager
def kernels(sealed: bool, tokens: int | None) -> Iterator[Door]:
    with UdpReceiver("127.0.0.1", 0) as receiver:
        if sealed:
            receiver.authenticate(Sessions(SESSIONS))
        if tokens is not None:
            receiver._rx[9:11] = HOUR_NS, (tokens - 1) * HOUR_NS
        out = np.zeros(MAX_PACKET_RECORDS, ORDER_DTYPE)

        def take() -> tuple[npt.NDArray[Any], list[tuple[Any, int]]]:
            count = receive_burst(receiver.rx_addr, out.ctypes.data, len(out))
            senders, seqs = receiver.senders[:count].tolist(), receiver.seqs[:count].tolist()
            keys = [receiver.sender_key(one - 1) for one in senders]
            return out[:count].copy(), list(zip(keys, seqs, strict=True))

        yield Door(
            (receiver.host, receiver.port), take,
            lambda: {name.replace("error_", "rejected_"): value
                     for name, value in receiver.counters().items()},
            lambda events: send_events(receiver.tx_addr, events.ctypes.data, len(events)),
        )  # fmt: skip


@contextmanager
def shim(sealed: bool, tokens: int | None) -> Iterator[Door]:
    needs_shim()
    spec = parse_port("udp:127.0.0.1:0")
    bound = prepare(spec)
    assert bound is not None
    stamps, origins = np.zeros((2, 256), np.int64), np.zeros((2, 256), np.int64)
    with (
        bound,
        open_port(spec, bound) as port,
        make_ring() as ring,
        Shim(
            [port], ring, stamps=(stamps[0].ctypes.data, stamps[1].ctypes.data, 255),
            origins=(origins[0].ctypes.data, origins[1].ctypes.data, 255),
        ) as opened,
    ):  # fmt: skip
        if sealed:
            opened.authenticate(Sessions(SESSIONS))
        if tokens is not None:
            opened.context.token_interval_ns = HOUR_NS
            opened.context.token_burst_ns = (tokens - 1) * HOUR_NS

        def take() -> tuple[npt.NDArray[Any], list[tuple[Any, int]]]:
            opened.poll()
            records = drain(ring)
            at = records["seq"] & 255
            keys = [sender_key(opened.state, one - 1) for one in origins[0][at].tolist()]
            return records, list(zip(keys, origins[1][at].tolist(), strict=True))

        yield Door(bound.getsockname(), take, opened.counters, opened.reply)


def key_of(sender: Sender, sealed: bool, kernel: bool) -> tuple[int, int, int, int]:
    """The key by which the journal knows a sender."""
    number, whence = sender
    if sealed:
        assert isinstance(whence, int)
        return number | 1 << 32, whence % 2**64, 0, 0
    host, port = whence  # type: ignore[misc]
    port_as_read = int.from_bytes(port.to_bytes(2, "big"), "little")
    address = int.from_bytes(socket.inet_aton(host), "little")
    if kernel:
        return number | 1 << 32, socket.AF_INET | port_as_read << 16 | address << 32, 0, 0
    return number | port_as_read << 32 | 4 << 48, address, 0, 0


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
    """Those for one participant are in order, and share packets whoever's stand between them."""
    return sorted(events, key=lambda event: event[PARTICIPANT])


@pytest.mark.parametrize("tokens", [None, 40])
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("make", [kernels, shim])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_receiver_keeps_the_rules(
    make: Any, sealed: bool, tokens: int | None, seed: int
) -> None:
    reference = PacketReceiver(SESSIONS if sealed else (), tokens)
    with make(sealed, tokens) as door, ExitStack() as stack:
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
            before = door.counts()["packets"]
            while door.counts()["packets"] == before:
                records, origins = door.take()
            wanted = reference.take(data, addresses[place])
            records["rx_ts_ns"] = 0
            expected = np.frombuffer(b"".join(wanted.orders), ORDER_DTYPE).copy()
            for name in ("rx_ts_ns", "seq"):
                expected[name] = records[name] = 0
            assert records.tobytes() == expected.tobytes()
            assert origins == [
                (key_of(sender, sealed, make is kernels), seq) for sender, seq in wanted.origins
            ]
            assert by_participant(heard(clients[place], sealed)) == by_participant(wanted.refusals)
        counts = door.counts()
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
