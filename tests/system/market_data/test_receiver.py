"""A receiver on real sockets: lossy lines, IPv6, gaps too large to ask for, two venues at once."""

import json
import os
import random
import resource
import socket
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.market_data import lines, mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.consolidated import Consolidated
from openoutcry.market_data.depth import View
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import fetch, snapshot
from openoutcry.market_data.pages import Pages
from openoutcry.market_data.publisher import Publisher
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.matcher import Engine
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import Side
from openoutcry.wire.feed_messages import ITCH50
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.support.market_data.feed_support import damaged_line, flow, unframed
from tests.support.market_data.snapshot_server import serve_next
from tests.support.waiting import BOUND_S

SESSION = "20261121AB"


@pytest.fixture
def stack():
    with ExitStack() as exit_stack:
        yield exit_stack


def answering(stack, book, directory, following, times):
    """A thread that gives one snapshot so many times; its address."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve():
        for _ in range(times):
            serve_next(listener, SESSION, snapshot(book, directory, following))

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()


TURNS = 200_000


def framed(kind, **values):
    message = ITCH50.from_server(kind).pack(**values)
    return len(message).to_bytes(2, "big") + message


def stream_of(seed, count=800):
    """A flow's messages."""
    run, events, rx_ts_ns = flow(seed, count)
    return Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1)


class Sender:
    """A venue's lines, retransmission server and snapshots, at the test's own pace."""

    def __init__(self, stack, folder, data, host="127.0.0.1", **more):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.messages = unframed(data)
        self.store = Store(folder / f"{id(self)}.itch")
        self.store.append(data, len(self.messages))
        stack.callback(self.store.close)
        self.requests = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        self.requests.bind((host, 0))
        self.requests.setblocking(False)
        self.socket = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        self.lines = []
        for _ in range(2):
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.bind((host, 0))
                self.lines.append(one.getsockname()[:2])
        spec = FeedSpec(*self.lines, requests_per_s=10**6, **more)
        self.publisher = Publisher(spec, SESSION, self.store, self.requests)
        stack.callback(self.publisher.close)
        self.packets = list(mold.packets(SESSION, 1, data, 400))
        self.end = mold.end_of_session(SESSION, len(self.messages) + 1)
        self.stack = stack

    def receiver(self, **more):
        server = self.requests.getsockname()[:2]
        line_receiver = Receiver(self.lines, server, **more)
        self.stack.callback(line_receiver.close)
        return line_receiver

    def send(self, packet, line):
        self.socket.sendto(packet, self.lines[line])

    def finish(self, *receivers):
        """Until all have everything; the end is said as often as it takes."""
        for _ in range(TURNS):
            if all(one.lines.complete for one in receivers):
                return
            for line in (0, 1):
                self.send(self.end, line)
            for one in receivers:
                one.poll(0.001)
            self.publisher.answer(time.monotonic_ns())
        raise AssertionError([vars(one.lines) for one in receivers])


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
)
def test_fifteen_percent_lost_doubled_and_late_on_each_line(stack, tmp_path, seed):
    """Every message once, in order; and the book is the sender's at every number asked for."""
    sender, rng, came = Sender(stack, tmp_path, stream_of(seed)), random.Random(seed), []
    checked_numbers = {rng.randrange(1, len(sender.messages) + 1) for _ in range(40)}
    hashes, expected, other = {}, {}, Book()

    def deliver(part, first):
        for number, message in enumerate(unframed(part), start=first):
            came.append(message)
            mirror.apply(len(message).to_bytes(2, "big") + message)
            if number in checked_numbers:
                hashes[number] = mirror.hash()

    mirror = Book()
    receiver = sender.receiver(deliver=deliver)
    lost = sender.packets[5]  # on both, whatever else is
    both = [
        [packet for packet in damaged_line(sender.packets, rng, 0.15) if packet != lost]
        for _ in range(2)
    ]
    for at in range(max(map(len, both))):
        for line, packets in enumerate(both):
            if at < len(packets):
                sender.send(packets[at], line)
        receiver.poll(0)
        sender.publisher.answer(time.monotonic_ns())
    sender.finish(receiver)
    for number, message in enumerate(sender.messages, start=1):
        other.apply(len(message).to_bytes(2, "big") + message)
        if number in checked_numbers:
            expected[number] = other.hash()
    assert came == sender.messages
    assert hashes == expected
    assert receiver.book.hash() == other.hash()
    assert receiver.lines.requests > 0


def test_over_ipv6(stack, tmp_path):
    """Lines, requests and answers."""
    try:
        sender = Sender(stack, tmp_path, stream_of(4, 300), host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 on loopback: {error}")
    assert sender.publisher.spec.room == 1452
    receiver = sender.receiver()
    for packet in sender.packets[::2]:
        sender.send(packet, 0)
    sender.finish(receiver)
    book = Book()
    book.apply(sender.store.read(1, len(sender.messages), 1 << 24)[1])
    assert receiver.book.hash() == book.hash()
    assert receiver.lines.requests > 0


def test_no_wait_is_longer_than_until_there_is_something_to_ask_for(stack, tmp_path):
    sender = Sender(stack, tmp_path, stream_of(4, 300))
    receiver, waited = sender.receiver(), []
    poll, receiver._poll = receiver._poll, SimpleNamespace(poll=lambda ms: waited.append(ms) or ())
    receiver.poll(60)
    sender.send(sender.packets[-1], 0)
    receiver._poll = poll
    while not receiver.lines.highest:
        receiver.poll(1)
    receiver._poll = SimpleNamespace(poll=lambda ms: waited.append(ms) or ())
    receiver.poll(60)
    assert waited[0] == 60_000
    assert waited[1] <= lines.RETRY_NS // 1_000_000


def test_a_gap_that_is_too_large_is_crossed_by_a_snapshot(stack, tmp_path):
    """And live data go on behind it, those that had come too early among them."""
    data = stream_of(5)
    sender, book = Sender(stack, tmp_path, data), Book()
    cut = len(sender.messages) // 2
    named = [m for m in sender.messages[:40] if m[:1] in (b"S", b"R")][:9]
    book.apply(b"".join(len(m).to_bytes(2, "big") + m for m in sender.messages[:cut]))
    receiver = sender.receiver(gap=50)
    receiver.snapshots = answering(stack, book, named, cut + 1, 1)
    sender.send(sender.packets[0], 0)
    half = next(n for n, p in enumerate(sender.packets) if mold.parse(p).sequence > cut)
    for packet in sender.packets[half - 1 :]:
        sender.send(packet, 0)
    for _ in range(TURNS):
        receiver.poll(0.001)
        if receiver.joins:
            break
    sender.finish(receiver)
    whole = Book()
    whole.apply(data)
    assert receiver.joins == 1
    assert receiver.book.hash() == whole.hash()


def test_two_venues_are_one_view(stack, tmp_path):
    """Best bid and offer over both, whose they are, and each venue's own sequence."""

    def venue(*orders, state="T"):
        named = {"locate": 3, "stock": "GOLD"}
        data = framed("R", **named) + framed("H", **named, state=state)
        for number, (side, price, shares) in enumerate(orders, start=1):
            data += framed("A", **named, reference=number, side=side, shares=shares, price=price)
        sender = Sender(stack, tmp_path, data)
        receiver = sender.receiver()
        for packet in sender.packets:
            sender.send(packet, 1)
        return sender, receiver

    one = venue(("B", 100, 5), ("S", 104, 7), ("B", 99, 1))
    two = venue(("B", 100, 3), ("S", 103, 2))
    halted = venue(("B", 200, 1), ("S", 50, 1), state="H")
    view = Consolidated({"X": one[1], "Y": two[1], "Z": halted[1]})
    for _ in range(TURNS):
        if view.best("GOLD").sequences == {"X": 5, "Y": 4, "Z": 4}:
            break
        view.poll(0.01)
    best = view.best("GOLD")
    assert best.sequences == {"X": 5, "Y": 4, "Z": 4}
    assert best.bid == (100, 8, ("X", "Y"))
    assert best.offer == (103, 2, ("Y",))
    assert not best.is_crossed
    more = framed("A", locate=3, reference=9, side="B", shares=4, stock="GOLD", price=105)
    one[0].send(next(mold.packets(SESSION, 6, more, 400)), 0)
    while view.best("GOLD").sequences["X"] < 6:
        view.poll(0.01)
    assert view.best("GOLD").bid == (105, 4, ("X",))
    assert view.best("GOLD").is_crossed
    assert view.best("NONE")[:2] == (None, None)


def test_it_listens_with_sockets_of_any_number():
    """Beyond 1,023, where select ends."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 1_200:
        pytest.skip("this process may have 1,024 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 1_200), limits[1]))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        for _ in range(1_100):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        loopback = socket.inet_aton("127.0.0.1")
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        sender.bind(("127.0.0.1", 0))
        line = ("239.193.9.11", sender.getsockname()[1])
        receiver = Receiver([line], interface="127.0.0.1")
        stack.callback(receiver.close)
        assert min(receiver._by_number) > 1_023
        until = time.monotonic() + BOUND_S
        while not receiver.poll(0.05):
            sender.sendto(mold.header(SESSION, 1, 0), line)
            assert time.monotonic() < until
        assert receiver.lines.session == SESSION.encode()


COMMAND = "make test-long ARGS=tests/system/market_data/test_receiver.py"


@pytest.mark.long
def test_joined_at_a_thousand_moments_it_is_the_matchers_book(stack):
    """GLIMPSE and what came live behind it, at random moments of a busy day; over sockets."""
    source = GeneratedFlow("normal", 20_000, 3)
    orders = np.concatenate(list(source.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    events = Engine(source.instruments, 1 << 14).process(orders)
    feed = Feed(source.instruments, 1 << 14)
    data = feed.encode(events, np.zeros(len(orders), np.int64), 1)
    messages = unframed(data)
    starts = np.cumsum([0] + [2 + len(one) for one in messages]).tolist()
    truth = BookFromEvents()
    truth.apply(events)
    rng, book, at = random.Random(7), Book(), 0
    named = 1 + len(source.instruments)
    for cut in sorted(rng.randrange(named, len(messages)) for _ in range(1_000)):
        book.apply(data[starts[at] : starts[cut]])
        at = cut
        address = answering(stack, book, messages[:named], cut + 1, 1)
        session, snapshot_messages, following = fetch(address)
        joined = Book()
        joined.apply(snapshot_messages)
        assert (session, joined.hash()) == (SESSION, book.hash())
        joined.apply(data[starts[following - 1] :])
        for side, letter in ((Side.BUY, "B"), (Side.SELL, "S")):
            queue = [(o.price_ticks, o.shown_lots) for o in truth.queue(0, side)]
            assert [tuple(r) for r in joined.orders(1, letter)[:, :2].tolist()] == queue
    write_evidence(
        "feed_joins",
        {"moments": 1_000, "messages": len(messages), "seed": 7, "books_equal": 1_000},
        COMMAND,
    )


@pytest.mark.long
async def test_a_thousand_that_do_not_read_cost_bounded_memory():
    """Pages that are asked for and never read, others that send what is no request: a good one is
    told every view all the same."""
    from websockets.asyncio.client import connect

    rng = random.Random(8)
    pages = Pages(("127.0.0.1", 0), 10)
    await pages.start()
    address = ("127.0.0.1", pages.port)
    pages.publish({k: View(k, f"S{k}", "T") for k in range(1, 21)}, 0)
    bad = []
    for number in range(1_000):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(address)
        raw.setblocking(False)
        client = await connect(f"ws://{address[0]}:{address[1]}", sock=raw, max_queue=1)
        await client.send("x" * 5_000 if number % 4 == 0 else '{"subscribe": "*"}')
        bad.append(client)
    good = await connect(f"ws://{address[0]}:{address[1]}")
    await good.send('{"subscribe": ["S1"]}')
    before = psutil.Process().memory_info().rss
    for number in range(100):
        rows = tuple((1_000 - k, rng.randrange(1, 9), 1) for k in range(10))
        pages.publish(
            {k: View(k, f"S{k}", "T", rows, rows[:0], number) for k in range(1, 21)}, number
        )
        while json.loads(await good.recv()).get("last", [None])[0] != number:
            continue
    grown_kib = (psutil.Process().memory_info().rss - before) // 1024
    for client in bad:
        client.transport.abort()
    await good.close()
    await pages.stop()
    # A page's buffers and a view: 200 KiB each, both ends of them being here.
    assert grown_kib < 200 * 1_000
    write_evidence(
        "feed_subscribers",
        {"subscribers": 1_000, "views": 100, "seed": 8, "grown_kib": grown_kib},
        COMMAND,
    )
