"""The public feed of a venue on real sockets: two lines of multicast and a retransmission server,
through the death of the feed's process and of everything."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from openoutcry.market_data.depth import DepthReceiver
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.stream import StreamReceiver
from tests.support.console.websockets_patient import connect
from tests.support.order_entry.sessions_venue import Venue
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S


def feed_pid(venue):
    """The process of the venue that keeps the feed's store open."""
    until = time.monotonic() + BOUND_S
    while time.monotonic() < until:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == venue.process.pid:
                    links = [os.readlink(fd) for fd in (entry / "fd").iterdir()]
                    if any(link.endswith(".itch") for link in links):
                        return int(entry.name)
            except (OSError, ValueError):
                continue
        time.sleep(0.01)
    raise AssertionError("there is no process of the feed")


class Subscriber:
    """A receiver, and all that it was given."""

    def __init__(self, feed, **more):
        self.data = b""
        lines = [tuple(feed["a"]), tuple(feed["b"])]
        server = tuple(feed["retransmission"])
        self.receiver = Receiver(lines, server, feed["interface"], self.take, **more)

    def take(self, messages, first):
        self.data += messages

    def wait_for(self, done):
        until = time.monotonic() + BOUND_S
        while not done():
            assert time.monotonic() < until, vars(self.receiver.lines)
            self.receiver.poll(0.01)

    def wait_for_bids(self, *levels):
        self.wait_for(lambda: self.receiver.book.levels(1, "B") == list(levels))


def conflated_show(feed, levels):
    """The records and the pages of the conflated feed come to have these bids."""
    receiver = DepthReceiver(feed["depth"], feed["interface"])
    until = time.monotonic() + BOUND_S
    while receiver.book.levels(1, "B") != tuple(levels):
        assert time.monotonic() < until, vars(receiver.book)
        receiver.poll()
    receiver.close()
    host, port = feed["pages"]
    with connect(f"ws://{host}:{port}") as page:
        page.send(json.dumps({"subscribe": ["ACME"]}))
        row = json.loads(page.recv(timeout=BOUND_S))
    assert (row["type"], row["symbol"]) == ("snapshot", "ACME")
    assert row["bids"] == [list(level) for level in levels]


def test_the_feed_continues_without_a_hole_or_a_change(tmp_path):
    """What was told before its process died, before everything died, and after, is one stream; who
    comes late is given all of the past; and the journal gives the same, byte for byte."""
    feed = {
        "a": ("239.193.7.1", free_port()),
        "b": ("239.193.7.2", free_port()),
        "interface": "127.0.0.1",
        "retransmission": ("127.0.0.1", free_port()),
        "heartbeat_ms": 50,
        "snapshots": ("127.0.0.1", free_port()),
        "depth": ("239.193.7.3", free_port()),
        "pages": ("127.0.0.1", free_port()),
        "interval_ms": 20,
        "stream": ("127.0.0.1", free_port()),
    }
    journal = tmp_path / "j"
    rows = [{"name": "ONE", "participant": 1, "cancel_on_disconnect": 0}]
    venue = Venue(rows, journal, feed=feed, port=free_port())
    first = Subscriber(feed)
    with venue:
        client = venue.client("ONE")
        client.enter("A", price=1_000_000)
        first.wait_for_bids((1_000_000, 100, 1))
        assert [one.symbol for one in first.receiver.book.instruments()] == ["ACME", "BOLT"]
        os.kill(feed_pid(venue), signal.SIGKILL)
        client.enter("B", price=1_000_100)
        client.enter("C", side="S", price=1_000_100, shares=30)
        first.wait_for_bids((1_000_100, 70, 1), (1_000_000, 100, 1))
        assert first.receiver.book.instrument(1).volume == 30
        venue.kill()
        client.close()
        venue.start()
        client = venue.client("ONE", sequence=1)
        client.enter("D", price=1_000_200)
        levels = (1_000_200, 100, 1), (1_000_100, 70, 1), (1_000_000, 100, 1)
        first.wait_for_bids(*levels)
        late = Subscriber(feed)
        late.wait_for_bids(*levels)
        assert late.data == first.data
        assert late.receiver.lines.requests > 0
        # From a snapshot on, without the past; who is silent there holds nobody up.
        with socket.create_connection(feed["snapshots"]):
            third = Subscriber(feed, snapshots=feed["snapshots"])
            assert third.receiver.book.hash() == late.receiver.book.hash()
            assert third.receiver.book.instruments()[0].state == "T"
            client.enter("E", side="S", price=1_000_200, shares=100)
            third.wait_for_bids(*levels[1:])
            late.wait_for_bids(*levels[1:])
        assert third.receiver.book.hash() == late.receiver.book.hash()
        assert late.data.endswith(third.data)
        conflated_show(feed, levels[1:])
        streamed = bytearray()
        stream = StreamReceiver(feed["stream"], deliver=lambda part, at: streamed.extend(part))
        while len(streamed) < len(late.data):
            stream.poll(0.1)
        assert bytes(streamed) == late.data
        stream.close()
        assert 0 < len(third.data) < 100
        first.wait_for_bids(*levels[1:])
        client.close()
    # A clean stop leaves a checkpoint: the next start reads no more than what is behind it.
    kept = journal / "market_data" / f"{first.receiver.lines.session.decode()}.itch"
    marked = kept.stat().st_ino
    with venue:
        later = Subscriber(feed)
        later.wait_for_bids(*levels[1:])
        assert later.data == late.data
    later.receiver.close()
    assert kept.stat().st_ino == marked
    written = write_feed(journal, tmp_path / "day.itch")
    whole = (tmp_path / "day.itch").read_bytes()
    assert whole.startswith(first.data)
    assert first.receiver.lines.session.decode() == written["session"]
    assert first.receiver.lines.foreign == 0
    for one in (first, late, third):
        one.receiver.close()
    assert list(journal.glob("market_data/checkpoint-*.occ"))
    assert (journal / "market_data" / f"{written['session']}.itch").read_bytes() == whole
