"""A receiver on real sockets: lossy lines, IPv6, gaps too large to ask for, two venues at once."""

import asyncio
import json
import random
import socket

import numpy as np
import psutil
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.market_data.book import Book
from openoutcry.market_data.depth import View
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import fetch
from openoutcry.market_data.pages import Pages
from openoutcry.matcher import BookFromEvents, Engine
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import Side
from tests.support.market_data import receiver as shared
from tests.support.market_data.feed_support import unframed
from tests.support.market_data.receiver import SESSION, answering

stack = shared.stack
COMMAND = "make test-long ARGS=tests/long/market_data/test_receiver.py"


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
    write_evidence("feed_joins", {"moments": 1_000, "messages": len(messages), "seed": 7,
                                  "books_equal": 1_000}, COMMAND)  # fmt: skip


@pytest.mark.long
def test_a_thousand_that_do_not_read_cost_bounded_memory():
    """Pages that are asked for and never read, others that send what is no request: a good one is
    told every view all the same."""
    from websockets.asyncio.client import connect

    async def run():
        rng = random.Random(8)
        pages = Pages(("127.0.0.1", 0), 10)
        await pages.start()
        address = ("127.0.0.1", pages.port)
        pages.tell({k: View(k, f"S{k}", "T") for k in range(1, 21)}, 0)
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
            pages.tell({k: View(k, f"S{k}", "T", rows, rows[:0], number) for k in range(1, 21)},
                       number)  # fmt: skip
            while json.loads(await good.recv()).get("last", [None])[0] != number:
                continue
        grown_kib = (psutil.Process().memory_info().rss - before) // 1024
        for client in bad:
            client.transport.abort()
        await good.close()
        await pages.stop()
        return grown_kib

    # A page's buffers and a view: 200 KiB each, both ends of them being here.
    grown_kib = asyncio.run(run())
    assert grown_kib < 200 * 1_000
    write_evidence("feed_subscribers", {"subscribers": 1_000, "views": 100, "seed": 8,
                                        "grown_kib": grown_kib}, COMMAND)  # fmt: skip
