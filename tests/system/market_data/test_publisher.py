"""The store gives every message again by its number; the retransmission server answers what it may,
and nobody makes it do more."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.market_data import mold
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.publisher import MAX_CLIENTS, Publisher
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_support import flow, unframed
from tests.support.waiting import BOUND_S

SESSION = "20261121AB"


@pytest.fixture(scope="module")
def stream():
    """Some messages, framed, and one by one."""
    framed_messages = b""
    for seed in range(3):
        run, events, rx_ts_ns = flow(seed, 600)
        framed_messages += Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)
    return framed_messages, unframed(framed_messages)


@pytest.fixture
def store(tmp_path, stream):
    data, messages = stream
    message_store = Store(tmp_path / "x" / "s.itch")
    at = number = 0
    while number < len(messages):
        count = min(1 + number % 371, len(messages) - number)
        size = sum(2 + len(one) for one in messages[number : number + count])
        message_store.append(data[at : at + size], count)
        at, number = at + size, number + count
    yield message_store
    count, size_bytes = message_store.count, message_store.size_bytes
    again = Store(message_store.path, count, size_bytes)  # as it stands
    assert again.read(count // 2, 9, 500) == message_store.read(count // 2, 9, 500)
    again.close()
    message_store.close()
    with pytest.raises(FeedError, match="does not have"):
        Store(message_store.path, count, size_bytes - 1)
    with pytest.raises(FeedError, match="is shorter than"):
        Store(message_store.path, count, size_bytes)
    fresh = Store(message_store.path)
    assert (fresh.count, fresh.read(1, 1, 100)) == (0, (0, b""))
    fresh.close()


def test_messages_are_given_again_by_number(store, stream):
    messages = stream[1]
    assert store.count == len(messages)

    @given(st.integers(1, len(messages)), st.integers(1, 70_000), st.integers(52, 9_000))
    def check(first, most, room):
        count, data = store.read(first, most, room)
        resent = unframed(data)
        assert 1 <= count == len(resent) <= most
        assert resent == messages[first - 1 : first - 1 + count]
        assert len(data) <= room
        behind = messages[first - 1 + count : first + count]
        assert count == most or not behind or len(data) + 2 + len(behind[0]) > room

    check()
    assert store.read(0, 5, 1000) == store.read(len(messages) + 1, 5, 1000) == (0, b"")
    assert store.read(1, 0, 1000) == (0, b"")


class Server:
    """A publisher whose lines go to sockets of this process, at a time of the test's own."""

    def __init__(self, store, **more):
        self.lines = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        self.requests = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for one in (*self.lines, self.requests):
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        a, b = (one.getsockname() for one in self.lines)
        self.publisher = Publisher(FeedSpec(a, b, **more), SESSION, store, self.requests)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.settimeout(BOUND_S)
        self.client.bind(("127.0.0.1", 0))

    def ask(self, data, now_ns=0):
        """The server's answer to a request; None: it says nothing."""
        before = self.publisher.answered
        self.client.sendto(data, self.requests.getsockname())
        assert self.publisher.answer(now_ns) == 1
        return self.client.recv(1 << 16) if self.publisher.answered > before else None

    def close(self):
        self.publisher.close()
        for one in (*self.lines, self.requests, self.client):
            one.close()


@pytest.fixture
def serve(store):
    servers = []

    def make(**more):
        servers.append(Server(store, **more))
        return servers[-1]

    yield make
    for one in servers:
        one.close()


def test_both_lines_have_the_same_packets(serve, stream):
    server = serve()
    server.publisher.send(1, b"".join(len(m).to_bytes(2, "big") + m for m in stream[1][:99]), 0)
    packets = [[], []]
    for line, received in zip(server.lines, packets, strict=True):
        for _ in range(server.publisher.packets):
            received.append(line.recv(1 << 16))
    assert packets[0] == packets[1]
    assert [m for p in packets[0] for m in unframed(mold.parse(p).messages)] == stream[1][:99]


def test_heartbeats_come_when_nothing_else_did(serve, store):
    server = serve(heartbeat_ms=100)
    for now_ms in (100, 150, 199, 200, 350):
        server.publisher.beat(now_ms * 1_000_000)
    beats = [mold.parse(server.lines[0].recv(100)) for _ in range(3)]
    assert [(beat.count, beat.sequence) for beat in beats] == [(0, store.count + 1)] * 3
    assert server.publisher.packets == 3


def test_an_answer_is_one_packet_of_what_was_asked_for(serve, stream):
    server = serve()
    few = mold.parse(server.ask(mold.header(SESSION, 7, 3)))
    assert (few.sequence, few.count) == (7, 3)
    assert unframed(few.messages) == stream[1][6:9]
    many = server.ask(mold.header(SESSION, 7, 0xFFFE))
    assert len(many) <= mold.payload_bytes()
    assert mold.parse(many).count > 20


@pytest.mark.promise(
    "The pages' port, the retransmission server and the snapshot port answer what can be "
    "answered, at a limited rate for each client. Invalid requests affect no other client, "
    "and a client that does not read costs no memory",
    group="venue",
)
@pytest.mark.parametrize(
    "request_",
    [
        mold.header(SESSION, 0, 5),
        mold.header(SESSION, 10**9, 5),
        mold.header(SESSION, 2**64 - 1, 5),
        mold.header(SESSION, 1, 0),
        mold.header("another123", 1, 5),
        mold.header(SESSION, 1, 5)[:-1],
        mold.header(SESSION, 1, 5) + b"x",
        b"",
    ],
)
def test_what_cannot_be_answered_is_not(serve, request_):
    server = serve()
    assert server.ask(request_) is None
    assert server.publisher.refused == 1
    assert server.ask(mold.header(SESSION, 1, 1)) is not None


@pytest.mark.promise(
    "The pages' port, the retransmission server and the snapshot port answer what can be "
    "answered, at a limited rate for each client. Invalid requests affect no other client, "
    "and a client that does not read costs no memory",
    group="venue",
)
def test_a_client_gets_so_many_packets_a_second_and_harms_no_other(serve):
    server = serve(requests_per_s=10)
    request = mold.header(SESSION, 1, 1)
    answered = [server.ask(request, 1_000_000_000) is not None for _ in range(30)]
    assert answered == [True] * 10 + [False] * 20
    assert [server.ask(request, 1_200_000_000) is not None for _ in range(3)] == [True, True, False]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(BOUND_S)
        other.sendto(request, server.requests.getsockname())
        server.publisher.answer(1_200_000_000)
        assert other.recv(1 << 16)
    for port in range(2 * MAX_CLIENTS):
        server.publisher._may(("10.0.0.1", port), 1_300_000_000)
    assert len(server.publisher.clients._of) == MAX_CLIENTS


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_ports_do_not_multiply_what_an_address_gets(serve):
    """For 300 ports of one address as many requests are answered as for four; another address has
    its own, and one of this host is a proxy's."""
    publisher = serve(requests_per_s=10).publisher

    def answered(host):
        asked = [(host, 1_000 + n % 300) for n in range(3_000)]
        return sum(publisher._may(client, 1_000_000_000) for client in asked)

    assert answered("10.0.0.1") == 40
    assert answered("10.0.0.2") == 40
    assert answered("127.0.0.1") == 3_000


def test_a_receiver_on_sockets_has_everything_though_a_line_lost_it(serve, stream):
    """Line A has every third packet, B none; the rest is asked for."""
    server = serve(requests_per_s=1_000_000)
    for one in server.lines:
        one.close()
    came = []
    receiver = Receiver(
        [server.publisher.spec.a, server.publisher.spec.b],
        server.requests.getsockname(),
        "127.0.0.1",
        lambda messages, first: came.extend(unframed(messages)),
    )
    receiver.book.apply = lambda messages: None  # three streams in a row are no one market
    room = server.publisher.spec.room
    for number, packet in enumerate(mold.packets(SESSION, 1, stream[0], room)):
        if number % 3 == 0:
            server.client.sendto(packet, server.publisher.spec.a)
    server.client.sendto(mold.end_of_session(SESSION, len(stream[1]) + 1), server.publisher.spec.b)
    for _ in range(100_000):
        receiver.poll(0.001)
        server.publisher.answer(0)
        if receiver.lines.complete:
            break
    receiver.close()
    assert came == stream[1]
    assert receiver.lines.requests > 0
