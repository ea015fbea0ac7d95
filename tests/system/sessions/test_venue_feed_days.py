"""A trading day is a session of the feed: its end is told on every way out, the next day's begins
with what still rests, and yesterday's is served until today's ends."""

import json
import socket
import time

import pytest

from openoutcry.market_data import mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.glimpse import fetch
from openoutcry.market_data.stream import StreamReceiver
from openoutcry.wire.enums import TimeInForce
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_days import Days
from tests.support.market_data.feed_support import fields, unframed
from tests.support.venue.served_venue import orders
from tests.support.waiting import BOUND_S


@pytest.fixture
def days(tmp_path):
    served_days = Days(tmp_path)
    yield served_days
    served_days.close()


def test_each_day_is_a_session(days, tmp_path):
    venue = days.venue
    assert venue.send(orders(1, 6, TimeInForce.DAY))["acknowledged"] == 6
    stay = orders(11, 4, TimeInForce.GTC, 500)
    stay["price_ticks"] = 500
    stay["qty_lots"] = [1, 2, 3, 4]
    assert venue.send(stay)["acknowledged"] == 4
    page = days.page()
    days.subscribe()
    lines = days.receiver.lines
    venue.set_time("2026-11-23T18:00")
    days.wait_for(
        lambda: lines.complete,
        lambda: days.stream.lines.ended or days.stream.lines.sessions,  # it may have gone on
        lambda: days.depth.book.ended,
    )
    rows = []
    while not rows or rows[-1]["type"] != "end":
        rows.append(json.loads(page.recv(timeout=BOUND_S)))
    first = lines.session
    assert rows[-1]["session"] == first.decode()
    page.close()
    venue.wait_for(lambda status: status["state"] == "closed")
    yesterday = bytes(days.multicast)
    assert bytes(days.streamed) == yesterday
    last = [fields(one) for one in unframed(yesterday)[-3:]]
    assert [row.get("event") for row in last] == [None, "E", "C"]

    venue.kill()  # between two days
    venue.set_time("2026-11-24T09:30")
    venue.start()
    levels = [(50_000, 10, 4)]  # with four decimals
    days.wait_for(
        lambda: lines.session != first and days.receiver.book.levels(1, "B") == levels,
        lambda: (
            days.stream.book.levels(1, "B") == levels and len(days.streamed) == len(days.multicast)
        ),
        lambda: days.depth.book.levels(1, "B") == tuple(levels) and not days.depth.book.ended,
    )
    venue.wait_for_phase("CONTINUOUS")
    assert (lines.sessions, lines.unfinished, lines.next_sequence > 1) == (1, 0, True)
    assert bytes(days.streamed) == bytes(days.multicast)
    # Those that stayed are told of at once, in their places.
    today = [fields(one) for one in unframed(bytes(days.multicast)[len(yesterday) :])]
    begun = [row["kind"] + str(row.get("event", "")) for row in today[:9]]
    assert begun == ["SO", "R", "R", "H", "H", "A", "A", "A", "A"]
    assert [row["shares"] for row in today[5:9]] == [1, 2, 3, 4]
    assert days.receiver.book.orders(1, "B")[:, 1].tolist() == [1, 2, 3, 4]
    whole = Book()
    whole.apply(bytes(days.multicast))
    assert whole.hash() == days.receiver.book.hash()
    assert fetch(days.spec.snapshots)[0] == lines.session.decode()
    days.page().close()
    # Yesterday's messages are still given: one by one, and as a stream that ends.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(BOUND_S)
        client.sendto(mold.header(first.decode(), 1, 5), days.spec.retransmission)
        answer = mold.parse(client.recv(1 << 16))
    assert (answer.session, answer.sequence, answer.count) == (first, 1, 5)
    assert yesterday.startswith(answer.messages)
    again, came = StreamReceiver.__new__(StreamReceiver), bytearray()
    again.__dict__.update(days.stream.__dict__)
    again.lines = type(lines)(lambda data, n: None, session=first)
    again.book, again._deliver = Book(), lambda data, n: came.extend(data)
    again._follow = False
    again._connect()
    until = time.monotonic() + BOUND_S
    while not again.lines.ended:
        assert time.monotonic() < until
        again.poll(0.05)
    again.close()
    assert bytes(came) == yesterday
    # Of no other session is anything there.
    again.lines = type(lines)(lambda data, n: None, session=b"ANOTHERONE")
    with pytest.raises(FeedError, match="the login is refused"):
        again._connect()

    venue.stop()
    # The same of the journal, and of the files that were kept.
    parts, places = [], {"GOLD": 2, "TIN": 2}
    for number, live_messages in enumerate(
        (yesterday, bytes(days.multicast)[len(yesterday) :]), start=1
    ):
        report = write_feed(
            venue.journal, tmp_path / f"{number}.itch", "itch", places, session=number
        )
        part = (tmp_path / f"{number}.itch").read_bytes()
        assert (report["sessions"], part.startswith(live_messages)) == (2, True)
        assert (venue.journal / "market_data" / f"{report['session']}.itch").read_bytes() == part
        parts.append(part)
    assert parts[0] == yesterday
    write_feed(venue.journal, tmp_path / "all.itch", "itch", places)
    assert (tmp_path / "all.itch").read_bytes() == b"".join(parts)
    with pytest.raises(FeedError, match="has 2 sessions: there is no 3"):
        write_feed(venue.journal, tmp_path / "3.itch", "itch", places, session=3)
    assert not (tmp_path / "3.itch").exists()
