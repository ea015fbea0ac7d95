"""The stream over SoupBinTCP: by number, at each client's pace, gone on with after any loss."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import packet_of
from openoutcry.market_data.store import Store
from openoutcry.market_data.stream import (
    MAX_CLIENTS,
    MAX_CLIENTS_EACH,
    PIECE_BYTES,
    Kept,
    Stream,
    StreamReceiver,
    Tail,
)
from openoutcry.wire.errors import FeedError
from openoutcry.wire.messages import SOUPBIN
from tests.support.market_data.feed_support import flow, unframed
from tests.support.waiting import BOUND_S, wait_until

SESSION = "20261121AB"


class Server:
    """A stream in a thread, of a store that the test writes."""

    def __init__(self, folder, messages):
        self.messages, self.ended, self.over = messages, False, False
        self.store = Store(folder / "s.itch")
        kept = Kept(SESSION, Tail(self.store.path, self.kept), lambda: self.ended)
        self.stream = Stream(lambda: [kept], lambda: self.over)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(self.stream.serve(self.listener))
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            pass
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def kept(self):
        return self.store.count, self.store.size_bytes

    def append(self, until):
        part = self.messages[self.store.count : until]
        self.store.append(b"".join(len(m).to_bytes(2, "big") + m for m in part), len(part))

    def close(self):
        with contextlib.suppress(RuntimeError):  # the run is over, and so its loop
            self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive()
        self.store.close()


@pytest.fixture
def server(tmp_path):
    run, events, rx_ts_ns = flow(6, 3_000)
    data = Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)
    stream_server = Server(tmp_path, unframed(data))
    yield stream_server
    stream_server.close()


def wait_for(receiver, done):
    until = time.monotonic() + BOUND_S
    while not done():
        assert time.monotonic() < until, vars(receiver.lines)
        receiver.poll(0.01)


def test_from_any_number_on_and_again_after_a_loss(server):
    whole, came = Book(), []
    total = len(server.messages)
    assert total > 1_100  # more than an index stride
    server.append(total // 2)
    receiver = StreamReceiver(
        server.address, deliver=lambda data, first: came.extend(unframed(data))
    )
    wait_for(receiver, lambda: receiver.lines.taken == total // 2)
    receiver.socket.shutdown(socket.SHUT_RDWR)
    server.append(total)
    wait_for(receiver, lambda: receiver.lines.taken == total)
    assert receiver.logins == 2
    assert came == server.messages
    whole.apply(b"".join(len(m).to_bytes(2, "big") + m for m in server.messages))
    assert receiver.book.hash() == whole.hash()
    for first in (1, 2, 1_024, 1_025, 1_026, total - 1, total, total + 1):
        part = []
        late = StreamReceiver.__new__(StreamReceiver)
        late.server, late._deliver, late.logins = (
            server.address,
            lambda data, n, part=part: part.extend(unframed(data)),
            0,
        )
        late.book = type("Any", (), {"apply": lambda self, data: None})()
        late.lines = type(receiver.lines)(late._deliver, next_sequence=first)
        late._connect()
        wait_for(late, lambda late=late: late.lines.next_sequence == total + 1)
        assert part == server.messages[first - 1 :]
        late.close()
    server.ended = True
    wait_for(receiver, lambda: receiver.lines.ended)
    assert receiver.lines.complete
    receiver.close()


@pytest.mark.parametrize(
    "payload", [b"\x00\x01R", b"\x00\x02LX", b"\xff\xff", b"\x00\x00", b"GET / HTTP/1.1"]
)
def test_who_does_not_log_in_gets_nothing_and_others_all(server, payload):
    server.append(len(server.messages))
    with socket.create_connection(server.address, BOUND_S) as client:
        client.sendall(payload)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) in (b"", packet_of("J", b"A"))
    # One that logs in and never reads is in nobody's way.
    with socket.create_connection(server.address, BOUND_S) as silent:
        login = SOUPBIN.from_client("L").pack(username="", password="", session="", sequence="1")
        silent.sendall(packet_of("L", login[1:]))
        receiver = StreamReceiver(server.address)
        wait_for(receiver, lambda: receiver.lines.taken == len(server.messages))
        receiver.close()


def test_who_waits_is_woken_and_does_not_look_by_himself(server, monkeypatch):
    """Many clients with nothing to be sent: the file is read at their heartbeats, a few times each,
    and when there is more all have it."""
    reads = []
    read = Tail.read
    monkeypatch.setattr(Tail, "read", lambda *at: reads.append(0) or read(*at))
    server.append(10)
    clients = [StreamReceiver(server.address) for _ in range(20)]
    for client in clients:
        wait_for(client, lambda client=client: client.lines.taken == 10)
    reads.clear()
    beats = 0
    while beats < 2 * len(clients):
        beats += sum(client.poll(0.001) for client in clients)
    assert len(reads) < 5 * (beats + len(clients))
    server.append(11)
    for client in clients:
        wait_for(client, lambda client=client: client.lines.taken == 11)
    server.over = True
    for client in clients:
        wait_for(client, lambda client=client: client.socket.fileno() < 0)
        client.close()


def test_what_is_not_there_is_refused(server):
    server.append(10)
    for first in (12, 10**18):
        with pytest.raises(FeedError, match="the login is refused"):
            StreamReceiver(server.address, first=first)
    late = StreamReceiver(server.address, first=0)  # what comes from now on
    assert late.lines.next_sequence == 11
    late.close()
    with pytest.raises(FeedError, match="no stream"):
        StreamReceiver(("127.0.0.1", 1))


def test_the_most_clients_that_do_not_read_delay_no_other(server):
    """As many clients as there are places, of eight addresses, ask for the whole day and read none
    of it, while one more reads; each costs no more than its buffers."""
    total, login = len(server.messages), SOUPBIN.from_client("L")
    server.append(total // 2)
    reader = StreamReceiver(server.address)
    wait_for(reader, lambda: reader.lines.taken == total // 2)
    before = resident_bytes()
    silent = []
    for number in range(MAX_CLIENTS):
        source = (f"127.0.5.{1 + number // MAX_CLIENTS_EACH}", 0)
        one = socket.create_connection(server.address, BOUND_S, source)
        one.sendall(
            packet_of("L", login.pack(username="", password="", session="", sequence="1")[1:])
        )
        silent.append(one)
    wait_until(lambda: server.stream.clients >= MAX_CLIENTS, "all places are taken")
    server.append(total)
    begun_s = time.monotonic()
    wait_for(reader, lambda: reader.lines.taken == total)
    assert (
        time.monotonic() - begun_s < 60
    )  # a busy machine's time; one that waits for each takes longer
    assert resident_bytes() - before < MAX_CLIENTS * 4 * PIECE_BYTES
    # All places are taken: the next one is closed at once, also of an address that has none.
    with socket.create_connection(server.address, BOUND_S, ("127.0.6.1", 0)) as late:
        assert late.recv(1) == b""
    for one in silent:
        one.close()
    wait_until(lambda: server.stream.clients <= 1, "their places are free")
    again = StreamReceiver(server.address)
    wait_for(again, lambda: again.lines.taken == total)
    for one in (reader, again):
        one.close()


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
