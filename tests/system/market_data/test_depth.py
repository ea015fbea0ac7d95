"""The conflated feed: each interval's view whole, however slow its reader."""

import asyncio
import json
import random
import socket

import pytest

from openoutcry.market_data import pages as pages_module
from openoutcry.market_data.depth import (
    DepthBook,
    DepthLine,
    DepthReceiver,
    applied,
)
from openoutcry.market_data.pages import Pages
from openoutcry.market_data.spec import FeedSpec
from openoutcry.wire import load_limits
from openoutcry.wire.depth import DEPTH, LAST
from tests.support.console.websockets_patient import connect_asyncio
from tests.support.market_data.depth import drawn
from tests.support.waiting import BOUND_S

FLAGS_AT = DEPTH.offsets["flags"] - DEPTH.size_bytes


@pytest.fixture
def line():
    """A depth line to a socket of this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        group = one.getsockname()
    receiver = DepthReceiver(group)
    depth_line = DepthLine(FeedSpec(("127.0.0.1", 1)), group, refresh=4)
    yield depth_line, receiver
    depth_line.close()
    receiver.close()


def packets_of_an_interval(receiver):
    packets = []
    while not packets or not packets[-1][FLAGS_AT] & LAST:  # the interval's last record
        try:
            packets.append(receiver.socket.recv(1 << 16))
        except BlockingIOError:
            continue
    return packets


def test_records_are_every_view(line):
    sender, receiver = line
    rng = random.Random(2)
    for number in range(40):
        views = {1: drawn(rng), 2: drawn(rng, 2, "LEAD")}
        sender.publish(views, 7 * number, number)
        while receiver.book.seq < sender.seq:
            receiver.poll()
        for view in views.values():
            assert receiver.book.levels(view.locate, "B") == view.bids
            assert receiver.book.levels(view.locate, "S") == view.asks
            assert receiver.book.last[view.locate] == (
                view.last_price,
                view.last_shares,
                view.trades,
            )
        assert receiver.book.itch_seq == 7 * number
    assert receiver.book.symbols == {1: "GOLD", 2: "LEAD"}
    assert (receiver.book.gaps, sender.not_taken) == (0, 0)


def test_what_is_lost_is_healed_by_the_next_refresh(line):
    sender, receiver = line
    rng, lossy, healed = random.Random(3), DepthBook(), 0
    for number in range(80):
        view = drawn(rng)
        sender.publish({1: view}, number, number)
        receiver.book.seq = sender.seq - 1
        for packet in packets_of_an_interval(receiver):
            if number % 4 == 0 or rng.random() < 0.5:
                lossy.take(packet)
        if number % 4 == 0:
            healed += 1
            assert (lossy.levels(1, "B"), lossy.levels(1, "S")) == (view.bids, view.asks)
    assert lossy.gaps > 5
    assert healed == 20
    assert lossy.take(b"x" * 63) == lossy.take(b"") == 0


class Client:
    """A page: what it knows of each symbol."""

    def __init__(self, connection):
        self.connection, self.known, self.seq, self.kinds = connection, {}, 0, []

    async def take(self):
        row = json.loads(await asyncio.wait_for(self.connection.recv(), BOUND_S))
        self.seq += 1
        assert row["seq"] == self.seq
        self.kinds.append(row["type"])
        if row["type"] in ("snapshot", "update"):
            old = self.known.get(row["symbol"], ((), ()))
            if row["type"] == "snapshot":
                old = ((), ())
            self.known[row["symbol"]] = tuple(
                applied(levels, row[name], side)
                for levels, name, side in zip(old, ("bids", "asks"), "BS", strict=True)
            )
        return row

    async def until(self, done):
        while not done():
            await self.take()

    async def shows(self, view):
        """Until he knows that view."""
        while self.known.get(view.symbol) != (view.bids, view.asks):
            await self.take()


def served(work, interval_ms=5):
    """Run ``work(pages, connect)`` beside pages on a port of their own."""

    async def run():
        pages = Pages(("127.0.0.1", 0), interval_ms)
        await pages.start()
        try:
            await asyncio.wait_for(
                work(pages, lambda: connect_asyncio(f"ws://127.0.0.1:{pages.port}")), BOUND_S
            )
        finally:
            await pages.stop()

    asyncio.run(run())


def test_a_page_has_a_snapshot_then_increments_and_a_resync_when_it_asks():
    rng = random.Random(4)

    async def work(pages, connect):
        pages.publish({1: drawn(rng), 2: drawn(rng, 2, "LEAD")}, 1)
        async with connect() as connection:
            client = Client(connection)
            await connection.send(json.dumps({"subscribe": ["GOLD"]}))
            for number in range(30):
                view = drawn(rng)
                pages.publish({1: view, 2: pages.views[2]}, number)
                await client.shows(view)
            assert client.kinds[0] == "snapshot"
            assert set(client.kinds[1:]) <= {"update", "heartbeat"}
            client.known["GOLD"] = ((), ())  # as if something had been lost
            await connection.send(json.dumps({"resync": "GOLD"}))
            await client.until(lambda: client.kinds[-1] == "snapshot")
            assert client.known == {"GOLD": (view.bids, view.asks)}
            await connection.send(json.dumps({"subscribe": "*", "depth": 1}))
            await client.until(lambda: len(client.known) == 2 and len(client.kinds) > 2)
            assert client.known["LEAD"][0] == pages.views[2].bids[:1]
            await client.until(lambda: client.kinds[-1] == "heartbeat")

    served(work)


@pytest.mark.promise(
    "The pages' port, the retransmission server and the snapshot port answer what can be "
    "answered, at a limited rate for each client. Invalid requests affect no other client, "
    "and a client that does not read costs no memory",
    group="venue",
)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "a request is a JSON object"),
        ("{", "Expecting"),
        ("{}", "resync"),
        ('{"subscribe": "GOLD"}', "is a list of symbols"),
        ('{"subscribe": ["X"]}', "no instrument"),
        ('{"resync": "X"}', "no instrument 'X'"),
        ('{"resync": ["GOLD"]}', "no instrument"),
        ('{"subscribe": "*", "depth": 11}', "1 to 10"),
        ('{"subscribe": "*", "interval_ms": 1}', "5 to 60000"),
        ("[" * 60_000, "recursion"),
    ],
)
def test_an_invalid_request_is_reported_and_harms_no_other_client(text, words):
    async def work(pages, connect):
        pages.publish({1: drawn(random.Random(5))}, 1)
        async with connect() as connection:
            client = Client(connection)
            await connection.send(text)
            row = await client.take()
            assert row["type"] == "error"
            assert words in row["error"]
            await connection.send(json.dumps({"subscribe": ["GOLD"]}))
            await client.until(lambda: client.known)

    served(work)


@pytest.mark.promise(
    "The pages' port, the retransmission server and the snapshot port answer what can be "
    "answered, at a limited rate for each client. Invalid requests affect no other client, "
    "and a client that does not read costs no memory",
    group="venue",
)
def test_a_client_that_does_not_read_gets_the_present_state_later_and_costs_no_memory(monkeypatch):
    """Thousands of intervals pass; in his connection waits no more than its buffers hold, and the
    last thing that he is told is the last view."""
    rng = random.Random(6)

    async def work(pages, connect):
        async with connect() as connection, connect() as other:
            slow, fast = Client(connection), Client(other)
            pages.publish({1: drawn(rng)}, 0)
            for one in (connection, other):
                await one.send(json.dumps({"subscribe": "*"}))
            await fast.until(lambda: fast.known)
            for number in range(3_000):
                view = drawn(rng)
                pages.publish({1: view}, number)
                if number % 50 == 0:
                    await fast.shows(view)
                else:
                    await asyncio.sleep(0)
            await slow.shows(view)
            assert max(len(s.known) for s in pages.subscribers) == 1

    served(work)
    monkeypatch.setattr(pages_module, "MAX_SUBSCRIBERS", 1)

    async def crowded(pages, connect):
        async with connect() as first, connect() as second:
            await asyncio.wait_for(second.wait_closed(), BOUND_S)
            assert second.close_code == 1013
            assert pages.refused == 1
            assert first.close_code is None

    served(crowded)
    monkeypatch.setattr(pages_module, "MAX_SUBSCRIBERS", 4_096)
    monkeypatch.setattr(pages_module, "MAX_SUBSCRIBERS_EACH", 1)
    monkeypatch.setattr(load_limits, "HERE", ())  # as if this were another host
    served(crowded)
