"""What a stranger makes the servers of market data do is bounded: forks for snapshots, packets and
requests that are read, pieces of a file that are searched, and the time that a place is held."""

import asyncio
import contextlib
import itertools
import socket
from types import SimpleNamespace

import pytest

from openoutcry.market_data import feed_process, glimpse
from openoutcry.market_data.feed_process import FORK_TIMES, SNAPSHOTS_EACH, FeedProcess
from openoutcry.market_data.pages import REQUESTS, Pages
from openoutcry.market_data.stream import PACKETS, STRIDE, Stream, Tail
from openoutcry.wire import load_limits
from openoutcry.wire.load_limits import Budgets, Places, Rate

FORK_NS, TURN_NS, SECOND_NS = 10_000_000, 1_000_000, 1_000_000_000
SUBSCRIBER = ("192.0.2.7", 40_000)


def held_rests(monkeypatch):
    """How long each rest of a budget would be; one that is no mere turn does not end."""
    rests, sleep = [], asyncio.sleep

    async def rest(seconds):
        rests.append(seconds)
        await (asyncio.Event().wait() if seconds > 0 else sleep(0))

    loop = asyncio.get_running_loop
    monkeypatch.setattr(load_limits, "asyncio", SimpleNamespace(sleep=rest, get_running_loop=loop))
    return rests


def forks_in_ten_seconds(monkeypatch, address_of_number, reap=None):
    """Times of the forks, while each login is followed by another at once.  Without ``reap`` each
    has its snapshot at once."""
    now, forks, came = [0], [], []
    feed = FeedProcess.__new__(FeedProcess)
    feed._children, feed._next_fork_ns = Places(16, SNAPSHOTS_EACH), 0
    feed._snapshots = Budgets(Rate(feed_process.SNAPSHOTS_EACH_S, SNAPSHOTS_EACH))
    feed._given_way, feed._saving = [], 0
    if reap is None:
        feed._reap = lambda: [feed._children.leave(one) for one in list(feed._children)]
    feed.publisher = SimpleNamespace(session="DAY")

    def take(held):
        came.append(address_of_number(len(came)))
        return SimpleNamespace(connection=contextlib.nullcontext(), address=came[-1])

    def fork(work, signals):
        forks.append(now[0])
        now[0] += FORK_NS
        return 1_000 + len(forks)

    feed._logins = SimpleNamespace(poll=lambda session: None, take=take)
    monkeypatch.setattr(feed_process, "fork", fork)
    monkeypatch.setattr(feed_process, "time", SimpleNamespace(monotonic_ns=lambda: now[0]))
    while now[0] < 10 * SECOND_NS:
        feed._give_snapshots()
        now[0] += TURN_NS
    return forks


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
def test_one_address_has_a_snapshot_a_second_however_often_it_connects(monkeypatch):
    forks = forks_in_ten_seconds(monkeypatch, lambda number: "192.0.2.1")
    assert SNAPSHOTS_EACH + 8 <= len(forks) <= SNAPSHOTS_EACH + 10


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
def test_snapshots_for_all_addresses_take_a_tenth_of_the_feeds_time(monkeypatch):
    forks = forks_in_ten_seconds(monkeypatch, lambda number: f"192.0.{number >> 8}.{number & 255}")
    assert len(forks) > 50
    between = [later - one for one, later in itertools.pairwise(forks)]
    assert min(between) >= (1 + FORK_TIMES) * FORK_NS


def test_slow_clients_of_many_addresses_give_way_to_one_more(monkeypatch):
    killed = []
    monkeypatch.setattr(feed_process.os, "kill", lambda pid, signal: killed.append(pid))
    monkeypatch.setattr(
        feed_process.os, "waitpid", lambda pid, how: (pid if pid in killed else 0, 0)
    )
    forks = forks_in_ten_seconds(monkeypatch, lambda number: f"192.0.2.{number}", FeedProcess._reap)
    assert len(forks) > 16
    assert killed == [1_001 + number for number in range(len(forks) - 16)]


class Slow:
    """A connection whose client takes so many bytes in each so many seconds."""

    def __init__(self, monkeypatch, takes_s):
        self.now_s, self.taken, self.takes_s, self.timeout_s = 0.0, 0, takes_s, 0.0
        monkeypatch.setattr(glimpse, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def settimeout(self, timeout_s):
        self.timeout_s = timeout_s

    def sendall(self, data):
        self.now_s += min(self.takes_s, self.timeout_s)
        if self.takes_s > self.timeout_s:
            raise TimeoutError
        self.taken += len(data)


MESSAGES = [b"A" * 36] * 100_000


@pytest.mark.parametrize(("takes_s", "is_served"), [(1.0, True), (4.0, False)])
def test_a_snapshot_is_taken_at_a_least_rate(monkeypatch, takes_s, is_served):
    """In pieces of SEND_BYTES, of which the slowest takes one each second."""
    slow = Slow(monkeypatch, takes_s)
    with contextlib.nullcontext() if is_served else pytest.raises(TimeoutError):
        glimpse.give(slow, "DAY", iter(MESSAGES))
    assert (slow.taken > 3_900_000) == is_served
    assert slow.now_s < 70


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
async def test_the_stream_reads_few_packets_of_a_client(monkeypatch):
    """What a client sends beyond that waits in its connection."""
    reader = asyncio.StreamReader()
    reader.feed_data(b"\0\1R" * 1_000)
    rests = held_rests(monkeypatch)
    listening = asyncio.create_task(Stream(list, bool)._listen(reader))
    while not any(rests):
        await asyncio.sleep(0)
    monkeypatch.undo()
    listening.cancel()
    left, rests = len(reader._buffer), rests
    assert left == 3 * (1_000 - PACKETS.at_once - 1)
    assert rests[:-1] == [0.0] * PACKETS.at_once
    assert 0 < rests[-1] <= 1 / PACKETS.per_s


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
async def test_a_message_is_looked_for_in_pieces(tmp_path):
    """Others are served between two: a login for the last of a day holds up nobody."""
    count = 10 * STRIDE
    path = tmp_path / "s.itch"
    path.write_bytes(b"\0\4abcd" * count)
    tail = Tail(path, lambda: (count, 6 * count))
    turns = []

    async def other():
        while True:
            turns.append(tail._count)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await tail.walk_to(count)
    beside.cancel()
    assert max(later - one for one, later in itertools.pairwise(turns)) <= STRIDE
    assert tail.place_of(count) == 6 * (count - 1)
    assert tail.place_of(count + 2) is None


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
async def test_a_page_asks_a_few_times_at_once_and_then_once_a_second(monkeypatch):
    asked = []

    class Connection:
        remote_address = SUBSCRIBER
        transport = SimpleNamespace(get_extra_info=lambda name: None)

        async def __aiter__(self):
            while True:
                yield '{"subscribe": "*"}'

    async def on_request(connection, subscriber, text):
        asked.append(text)

    pages = Pages(("127.0.0.1", 0), 100)
    monkeypatch.setattr(pages, "_on_request", on_request)
    monkeypatch.setattr(pages, "_tell_one", lambda *one: asyncio.Event().wait())
    rests = held_rests(monkeypatch)
    serving = asyncio.create_task(pages._serve(Connection()))
    while not any(rests):
        await asyncio.sleep(0)
    monkeypatch.undo()
    serving.cancel()
    assert len(asked) == REQUESTS.at_once + 1
    assert rests[:-1] == [0.0] * REQUESTS.at_once
    assert 0 < rests[-1] <= 1 / REQUESTS.per_s


def test_a_client_that_leaves_is_no_error_of_a_snapshot():
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(ConnectionError):
        glimpse.give(ours, "DAY", iter(MESSAGES))
