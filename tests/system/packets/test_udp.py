"""Real sockets on 127.0.0.1: every packet arrives or is accounted for by name."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim import (
    build_packets,
    read_packet,
)
from openoutcry.dpdk_shim.names import RANGES_MAX, SENDERS_MAX
from openoutcry.dpdk_shim.packets import HEADER_BYTES
from openoutcry.dpdk_shim.ports import prepare
from openoutcry.dpdk_shim.sender import sockaddr
from openoutcry.dpdk_shim.spec import PortError, parse_port
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, PACKET_HEADER
from openoutcry.wire.enums import CommandKind, PacketKind, Reason
from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.records import MAX_PACKET_RECORDS
from tests.support.dpdk_shim.packet_door import PacketDoor
from tests.support.waiting import BOUND_S


@pytest.fixture
def receiver() -> Iterator[PacketDoor]:
    with PacketDoor() as bound:
        yield bound


@pytest.fixture
def client(receiver: PacketDoor) -> Iterator[socket.socket]:
    with _client(receiver) as connected:
        yield connected


def _client(receiver: PacketDoor) -> socket.socket:
    connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connected.connect(receiver.at)
    connected.settimeout(BOUND_S)
    return connected


def random_orders(count: int, seed: int = 0) -> np.ndarray:
    orders = np.frombuffer(np.random.default_rng(seed).bytes(64 * count), ORDER_DTYPE).copy()
    # Participant 0 is the exchange operator, who speaks by no network.
    orders["participant"] |= 1
    orders["order_id"] >>= 3  # ids that a packet may name
    orders["rx_ts_ns"] = orders["seq"] = 0  # the receiver's
    return orders


def receive(receiver: PacketDoor) -> np.ndarray:
    """Everything that waits in the socket."""
    return receiver.take_all()


def assert_accounted(receiver: PacketDoor, packets: int) -> None:
    """The identity: all packets sent were received, and each was parsed or is an error."""
    account = receiver.shim.account()
    assert account["packets"] == packets
    assert account["unaccounted"] == 0
    assert receiver.system_drops() == account["device_dropped"] == 0


@pytest.mark.parametrize("per_packet", [1, 7, 22])
def test_orders_arrive_identical_and_in_order(
    receiver: PacketDoor, client: socket.socket, per_packet: int
) -> None:
    """Build, send, receive: the same records, but for the verdict that no sender may bring."""
    orders = random_orders(200)
    packets = []
    for at in range(0, len(orders), per_packet):
        part = orders[at : at + per_packet]
        packets += build_packets(part, 3, 1 + at, 1_000 + at)
    for data in packets:
        client.send(data)
    received = receive(receiver)
    orders["error_code"] = 0
    assert received.tobytes() == orders.tobytes()
    assert_accounted(receiver, len(packets))
    assert receiver.counters()["records"] == 200
    assert receiver.counters()["bytes"] == sum(map(len, packets))
    assert receiver.counters()["gap_records"] == receiver.counters()["late_packets"] == 0


def test_only_what_surely_fits_is_taken(receiver: PacketDoor, client: socket.socket) -> None:
    """With room for two full packets two are taken; with less than one, none; nothing is lost."""
    orders = random_orders(110)
    for data in build_packets(orders, 3, 1, 0):
        client.send(data)
    read, full = receiver.ring.cursors["reader"], receiver.ring.published - receiver.ring.capacity
    parts = []
    for room, expected in ((MAX_PACKET_RECORDS - 1, 0), (3 * MAX_PACKET_RECORDS - 1, 44)):
        read[0] = full + room
        assert receiver.shim.poll() == expected
        read[0] = 0
        parts.append(receiver.drained())
    assert receiver.counters()["no_room_polls"] == 1
    parts.append(receive(receiver))
    orders["error_code"] = 0
    assert b"".join(part.tobytes() for part in parts) == orders.tobytes()


@pytest.mark.smoke
@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
    group="network",
)
def test_ids_that_the_venue_allocates_are_refused_and_answered(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """Every kind of command that names an id of the venue's or of a session's; the ids next to
    both ends of that range pass."""
    refused = [VENUE_ORDER_IDS, SESSION_ORDER_IDS - 1, SESSION_ORDER_IDS, 2**63 - 1]
    taken = [VENUE_ORDER_IDS - 1, 0, -1, -(2**63)]
    kinds = list(CommandKind)
    orders = random_orders(len(kinds) * 8)
    orders["order_id"] = (refused + taken) * len(kinds)
    orders["kind"] = np.repeat(kinds, 8)
    orders["participant"] = 7
    for data in build_packets(orders, 3, 1, 0):
        client.send(data)
    received = receive(receiver)
    barred = orders["order_id"] >= VENUE_ORDER_IDS
    assert received["order_id"].tolist() == orders["order_id"][~barred].tolist()
    assert receiver.counters()["reserved_id_records"] == len(kinds) * len(refused)
    packets = [client.recv(2_048) for _ in range(receiver.counters()["refusal_packets"])]
    events = np.concatenate([np.frombuffer(data[HEADER_BYTES:], EVENT_DTYPE) for data in packets])
    assert events["order_id"].tolist() == orders["order_id"][barred].tolist()
    assert set(events["reason"]) == {Reason.NOT_OWNER}
    assert set(events["participant"]) == {7}
    assert not events["contra_id"].any()
    assert not events["seq"].any()


def test_an_empty_socket_is_an_empty_poll(receiver: PacketDoor) -> None:
    """Nothing there: no waiting, no record, one empty poll."""
    assert len(receiver.take()) == 0
    assert receiver.counters()["empty_polls"] == 1
    assert_accounted(receiver, 0)


def test_truncated_foreign_and_oversized_packets_are_each_counted_by_name(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """Cut at every byte, of another kind or layout, noise, 0 and 65,507 bytes: nothing crashes,
    the good packet among them arrives, and each other is counted under its reason."""
    orders = random_orders(2)
    (good,) = build_packets(orders, 3, 1, 0)
    (events,) = build_packets(np.zeros(1, EVENT_DTYPE), 3, 1, 0)
    count_at = PACKET_HEADER.offsets["count"]
    bad = [good[:size] for size in range(len(good))]
    bad += [b"GET / HTTP/1.1\r\nHost: exchange\r\n\r\n", bytes(64), events]
    bad += [good[:4] + b"\0\0\0\0" + good[8:]]
    for count in (0, 23, 65_535):
        bad += [good[:count_at] + count.to_bytes(2, "little") + good[count_at + 2 :]]
    bad += [good + bytes(65_507 - len(good)), good[:8] + bytes(8) + good[16:]]
    for data in [*bad, good]:
        client.send(data)
    received = receive(receiver)
    orders["error_code"] = 0
    assert received.tobytes() == orders.tobytes()
    assert_accounted(receiver, len(bad) + 1)
    assert receiver.counters()["bytes"] == sum(map(len, [*bad, good]))
    counts = {name: n for name, n in receiver.counters().items() if n and "rejected" in name}
    assert counts == {
        "rejected_short": 32,
        "rejected_magic": 2,
        "rejected_layout": 1,
        "rejected_kind": 1,
        "rejected_count": 3,
        "rejected_size": 128 + 1,
        "rejected_sequence": 1,
    }


def _orders_from(received: np.ndarray) -> list[int]:
    return received["order_id"].tolist()


def numbered_packets(count: int, per_packet: int = 1) -> list[bytes]:
    """``count`` orders with ids 1, 2, 3, … under the sequence numbers 1, 2, 3, …"""
    orders = np.zeros(count, ORDER_DTYPE)
    orders["order_id"] = np.arange(1, count + 1)
    orders["participant"] = 1
    return build_packets(orders, 9, 1, 0, per_packet)


def test_gaps_late_and_doubled_packets_are_distinguished(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """A missing packet is a gap, a late one is handed on, a double is not."""
    packets = numbered_packets(200)
    for index in (0, 1, 4, 2, 4, 2, 0, 199, 150, 150, 100):
        client.send(packets[index])
    received = receive(receiver)
    assert _orders_from(received) == [1, 2, 5, 3, 200, 151, 101]
    counters = receiver.counters()
    assert counters["gap_records"] == 2 + 194
    assert counters["late_packets"] == counters["late_records"] == 3
    assert counters["duplicate_packets"] == 4
    assert counters["stale_packets"] == 0
    assert counters["records"] == 7
    assert_accounted(receiver, 11)


def test_a_packet_that_overlaps_another_is_a_double(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """No order reaches the matcher twice, however the sender cut its packets."""
    ones, threes = numbered_packets(12), numbered_packets(12, per_packet=3)
    for data in (threes[1], ones[5], threes[0], threes[0], ones[6], threes[2], threes[3]):
        client.send(data)
    received = receive(receiver)
    assert _orders_from(received) == [4, 5, 6, 1, 2, 3, 7, 10, 11, 12]
    counters = receiver.counters()
    assert counters["duplicate_packets"] == 3
    assert counters["gap_records"] - counters["late_records"] == 2, "orders 8 and 9 never came"


@pytest.mark.promise(
    "Each order of a sender is delivered at most once, although packets are duplicated, "
    "delayed and reordered; with a journal also across SIGKILL of all processes and "
    "`--resume`. Replies of another exchange are counted and ignored by the client",
    group="network",
)
def test_shuffled_doubled_packets_reach_the_matcher_once(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """Within the gaps remembered, any order of arrival with any doubles hands on each order
    once."""
    rng = np.random.default_rng(5)
    packets = numbered_packets(320, per_packet=4)
    for block in range(0, len(packets), 16):
        for index in rng.permutation(np.repeat(np.arange(block, block + 16), 2)):
            client.send(packets[index])
    received = receive(receiver)
    assert sorted(_orders_from(received)) == list(range(1, 321))
    counters = receiver.counters()
    assert counters["duplicate_packets"] == len(packets)
    assert counters["gap_records"] == counters["late_records"] > 0
    assert counters["stale_packets"] == 0


def test_more_gaps_than_are_remembered_make_stale_packets(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """The oldest gap is forgotten first: what would fill it is stale, what fills another is not."""
    packets = numbered_packets(40)
    for number in (*range(2, 2 * RANGES_MAX + 6, 2), 1, 5, 2):
        client.send(packets[number - 1])
    received = receive(receiver)
    assert _orders_from(received) == [*range(2, 2 * RANGES_MAX + 6, 2), 5]
    counters = receiver.counters()
    assert counters["stale_packets"] == 2
    assert counters["late_packets"] == 1


def test_senders_are_kept_apart_and_no_flood_makes_old_packets_new(receiver: PacketDoor) -> None:
    """Each sender has its own sequence; one too many is refused, and nobody is forgotten for it."""
    count = SENDERS_MAX + 1_000
    orders = np.zeros(1, ORDER_DTYPE)
    orders["participant"] = 1
    with _client(receiver) as client:
        for sender in range(count):
            client.send(build_packets(orders, sender, 1, 0)[0])
            if sender % 64 == 63:
                receive(receiver)
        receive(receiver)
        assert receiver.counters()["duplicate_packets"] == 0
        for sender in (0, 1, SENDERS_MAX - 1):
            client.send(build_packets(orders, sender, 1, 0)[0])
            client.send(build_packets(orders, sender, 2, 0)[0])
        receive(receiver)
    counters = receiver.counters()
    assert counters["gap_records"] == counters["late_packets"] == 0
    assert counters["senders"] == SENDERS_MAX
    assert counters["sender_refused_packets"] == 1_000
    assert counters["duplicate_packets"] == 3, "the first packet of each was remembered"
    assert counters["records"] == SENDERS_MAX + 3


def test_a_sender_that_starts_again_is_not_taken_for_its_double(receiver: PacketDoor) -> None:
    """The same sender from a new socket counts from 1 again and is heard."""
    data = numbered_packets(1)[0]
    with _client(receiver) as first, _client(receiver) as second:
        first.send(data)
        second.send(data)
        received = receive(receiver)
    assert _orders_from(received) == [1, 1]
    assert receiver.counters()["senders"] == 2


def test_one_number_from_many_addresses_is_many_senders(receiver: PacketDoor) -> None:
    """Two hundred programs that all call themselves the same are not each other's doubles."""
    data = numbered_packets(1)[0]
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(_client(receiver)).send(data)
        received = receive(receiver)
    assert len(received) == receiver.counters()["senders"] == 200


def make_events(participants: list[int]) -> np.ndarray:
    events = np.zeros(len(participants), EVENT_DTYPE)
    events["participant"] = participants
    events["seq"] = np.arange(1, len(participants) + 1)
    events["order_id"] = 1_000 + events["seq"]
    return events


def introduce(receiver: PacketDoor, client: socket.socket, *participants: int) -> None:
    """Let the receiver learn where these participants are."""
    orders = np.zeros(len(participants), ORDER_DTYPE)
    orders["participant"] = participants
    (data,) = build_packets(orders, 1, 1, 0)
    client.send(data)
    receive(receiver)


def test_replies_reach_the_right_participants(receiver: PacketDoor) -> None:
    """Events go to where their participant's orders came from: each one's in one packet, in order,
    whoever's stand between them."""
    before_ns = time.time_ns()
    with _client(receiver) as one, _client(receiver) as two:
        introduce(receiver, one, 1, 5)
        introduce(receiver, two, 65_535)
        events = make_events([5, 5, 65_535, 1, 77, 5, 65_535, 65_535])
        sent = receiver.reply(events)
        for client, runs in ((one, [[1, 2, 6], [4]]), (two, [[3, 7, 8]])):
            for run in runs:
                header, got = read_packet(client.recv(2_000), PacketKind.EVENTS)
                assert got["seq"].tolist() == run
                assert got.tobytes() == events[np.isin(events["seq"], run)].tobytes()
                assert header["first_seq"] == run[0]
                assert before_ns <= header["sent_ts_ns"] <= time.time_ns()
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(2_000)
    counters = receiver.counters()
    assert sent == counters["reply_packets"] == 3
    assert counters["reply_events"] == 7
    assert counters["no_peer_events"] == 1
    assert counters["send_failed_packets"] == 0


def test_a_long_run_is_cut_at_a_full_packet(receiver: PacketDoor, client: socket.socket) -> None:
    """50 events for one participant travel as 22 + 22 + 6."""
    introduce(receiver, client, 8)
    events = make_events([8] * 50)
    assert receiver.reply(events) == 3
    parts = [read_packet(client.recv(2_000), PacketKind.EVENTS)[1] for _ in range(3)]
    assert [len(part) for part in parts] == [22, 22, 6]
    assert b"".join(part.tobytes() for part in parts) == events.tobytes()


@pytest.mark.parametrize("senders", [3, 65, 300])
def test_replies_in_any_mixture_reach_each_participant_whole_and_in_order(
    receiver: PacketDoor, senders: int
) -> None:
    """Against the plain reference: what each is sent is his events in their order, in packets cut
    at 22 or where a call ends; more participants than packets of one system call, too."""
    rng = np.random.default_rng(senders)
    who = rng.integers(1, senders + 1, 2_000)
    who[: senders * 2] = np.tile(np.arange(1, senders + 1), 2)[: senders * 2]
    events = make_events(who.tolist())
    with ExitStack() as stack:
        clients = {n: stack.enter_context(_client(receiver)) for n in range(1, senders + 1)}
        for number, client in clients.items():
            introduce(receiver, client, number)
            client.setblocking(False)
        sent, at = 0, 0
        while at < len(events):
            count = int(rng.integers(1, 1_025))
            part = events[at : at + count]
            sent += receiver.reply(part)
            at += count
        came = 0
        for number, client in clients.items():
            parts = []
            with suppress(BlockingIOError):
                while True:
                    header, got = read_packet(client.recv(2_000), PacketKind.EVENTS)
                    assert header["first_seq"] == got["seq"][0]
                    assert 1 <= len(got) <= 22
                    parts.append(got)
            came += len(parts)
            expected = events[events["participant"] == number]
            assert b"".join(part.tobytes() for part in parts) == expected.tobytes()
    counters = receiver.counters()
    assert came == sent == counters["reply_packets"] < len(events)
    assert counters["reply_events"] == len(events)
    assert counters["send_failed_packets"] == counters["no_peer_events"] == 0


def test_one_address_that_cannot_be_reached_costs_the_others_nothing(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """The packet of a system call that fails is counted; the ones after it are sent."""
    with _client(receiver) as gone:
        introduce(receiver, client, 1, 3)
        introduce(receiver, gone, 2)
        address = sockaddr(gone.getsockname())[:8]
    state = receiver.state.view(np.uint8)
    at = state.tobytes().index(address)
    state[at + 2 : at + 4] = 0  # port 0: EINVAL
    events = make_events([1, 2, 2, 3])
    assert receiver.reply(events) == 2
    got = [read_packet(client.recv(2_000), PacketKind.EVENTS)[1]["seq"].tolist() for _ in range(2)]
    assert got == [[1], [4]]
    counters = receiver.counters()
    assert (counters["send_failed_packets"], counters["send_failed_events"]) == (1, 2)


def test_a_participant_that_moves_is_answered_at_its_new_address(receiver: PacketDoor) -> None:
    """The last address a participant wrote from is his."""
    with _client(receiver) as old, _client(receiver) as new:
        introduce(receiver, old, 8)
        introduce(receiver, new, 8)
        events = make_events([8])
        assert receiver.reply(events) == 1
        assert read_packet(new.recv(2_000), PacketKind.EVENTS)[1]["seq"] == 1


def test_a_reply_that_the_system_refuses_is_counted_and_not_waited_for(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """sendmmsg fails on a closed socket at once: the loss shows in the counters, nothing spins."""
    introduce(receiver, client, 8)
    events = make_events([8, 8, 9])
    receiver.socket.close()
    assert receiver.reply(events) == 0
    counters = receiver.counters()
    assert counters["send_failed_packets"] == 1
    assert counters["send_failed_events"] == 2
    assert counters["no_peer_events"] == 1
    assert counters["reply_packets"] == 0


def _in_child(body: Callable[[], None]) -> int:
    """Run ``body`` in a forked process; returns its wait status."""
    child = os.fork()
    if child == 0:
        try:
            body()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def test_a_killed_stage_leaves_queue_counters_and_peers_to_the_next(
    receiver: PacketDoor, client: socket.socket
) -> None:
    """After a SIGKILL the next process goes on: same socket queue, same counts, same peers."""
    packets = numbered_packets(6, per_packet=2)

    def take_one_packet_and_die() -> None:
        client.send(packets[0])
        receiver.begin()
        assert len(receiver.take()) == 2
        client.send(packets[0])
        client.send(packets[2])
        os.kill(os.getpid(), signal.SIGKILL)

    receive(receiver)
    assert os.WTERMSIG(_in_child(take_one_packet_and_die)) == signal.SIGKILL
    assert receiver.counters()["records"] == 2
    receiver.begin()
    received = receive(receiver)
    assert _orders_from(received) == [5, 6]
    assert receiver.counters()["duplicate_packets"] == 1
    assert receiver.counters()["gap_records"] == 2
    assert_accounted(receiver, 3)
    events = make_events([1])
    assert receiver.reply(events) == 1
    assert client.recv(2_000)


def test_a_full_system_queue_shows_in_the_drops() -> None:
    """What the operating system throws away before we see it is still told."""
    with PacketDoor(buffer_bytes=4096) as small, _client(small) as client:
        data = numbered_packets(22, per_packet=22)[0]
        for _ in range(50):
            client.send(data)
        receive(small)
        assert 0 < small.counters()["packets"] < 50
        assert small.counters()["packets"] + small.system_drops() == 50
        assert small.shim.account()["device_dropped"] == small.system_drops()


def test_a_port_in_use_is_named(receiver: PacketDoor) -> None:
    """The second to listen is told which port, and that somebody has it."""
    with pytest.raises(PortError, match=rf"127\.0\.0\.1:{receiver.at[1]}: .* the port is in use"):
        prepare(parse_port(f"udp:127.0.0.1:{receiver.at[1]}"))


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("no-such-host.invalid", 9000, r"udp:no-such-host\.invalid:9000: no address"),
        ("192.0.2.1", 9000, r"192\.0\.2\.1:9000: .* this host has no such address"),
        ("127.0.0.1", 70_000, r"127\.0\.0\.1:70000': the UDP port is"),
        ("a" * 70 + ".invalid", 1, "no address"),
    ],
)
def test_an_address_that_cannot_be_bound_is_named(host: str, port: int, message: str) -> None:
    """Unknown host, foreign address, impossible port: each says which and why."""
    with pytest.raises(PortError, match=message):
        prepare(parse_port(f"udp:{host}:{port}"))


def test_a_privileged_port_without_the_privilege_is_named() -> None:
    """Listening below 1024 as nobody says that a permission is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root to give the privilege up")

    def bind_as_nobody() -> None:
        os.setgid(65_534)
        os.setuid(65_534)
        try:
            prepare(parse_port("udp:127.0.0.1:1"))
        except PortError as error:
            os._exit(0 if "no permission to listen there" in str(error) else 2)
        os._exit(3)

    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1:
        pytest.skip("this host lets everybody listen at every port")
    PacketDoor().close()  # what it loads at first use is not for everybody to read
    assert os.waitstatus_to_exitcode(_in_child(bind_as_nobody)) == 0
