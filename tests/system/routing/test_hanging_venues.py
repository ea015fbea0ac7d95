"""A venue that takes a connection and says nothing delays no order, cancel or feed of another."""

import socket
from contextlib import ExitStack, closing
from threading import Event
from types import SimpleNamespace

import pytest

from openoutcry.client.fix import FixClient, read_message, whole_message, write_message
from openoutcry.client.ouch import OuchClient
from openoutcry.market_data.glimpse import packet_of
from openoutcry.market_data.receiver import Receiver
from openoutcry.routing.ccxt_venue import CcxtVenue
from openoutcry.routing.depth import Depth
from openoutcry.routing.fix_venue import FixVenue
from openoutcry.routing.instruments import BUY, Listing
from openoutcry.routing.own_venue import RETRY_NS, OwnVenue
from openoutcry.routing.parents import ENDED, ParentStore
from openoutcry.routing.router import Router
from openoutcry.wire.errors import FeedError
from openoutcry.wire.messages import SOUPBIN
from tests.support.routing.markets import GOLD
from tests.support.routing.model_venue import ModelConnector
from tests.support.waiting import BOUND_S, wait_until
from tests.unit.routing.test_parents import MARKET, MS, venues

OUCH_LISTING = Listing("A", GOLD, "GOLD", 4, 2)


class Hanging:
    """A server that answers when the test says so."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(BOUND_S)
        self.address = self.socket.getsockname()
        self.link = None

    def heard(self, size_of):
        """Take the first connection, which is still there, and its first message."""
        self.link, _ = self.socket.accept()
        data = b""
        while not size_of(data):
            more = self.link.recv(4096)
            assert more, "the client has gone"
            data += more
        return data

    def close(self):
        self.socket.close()
        if self.link is not None:
            self.link.close()


@pytest.fixture
def hanging():
    with closing(Hanging()) as server:
        yield server


def no_feed():
    raise FeedError("no feed")


def over_ouch(server, folder):
    def connect():
        return OuchClient(*server.address, "ROUTER", "word", sequence=1)

    def answer():
        server.heard(lambda data: len(data) > 2)
        accepted = SOUPBIN.from_server("A").pack(session="D1", sequence="1")
        server.link.sendall(packet_of("A", accepted[1:]))

    return OwnVenue(OUCH_LISTING, connect, no_feed), answer


def over_fix(server, folder):
    def connect(numbers):
        word = {"target": "A", "numbers": numbers, "heartbeat_s": 5}
        return FixClient(*server.address, "ROUTER", "word", **word)

    def answer():
        asked = read_message(server.heard(whole_message))
        assert (asked.kind, asked.get(141)) == ("A", "Y")
        fields = [(35, "A"), (34, "1"), (49, "A"), (52, "20261128-00:00:00"), (56, "ROUTER")]
        server.link.sendall(write_message([*fields, (98, "0"), (108, "5"), (141, "Y")]))

    return FixVenue(OUCH_LISTING, connect, no_feed, folder / "a.fix"), answer


@pytest.mark.parametrize("kind", [over_ouch, over_fix])
def test_a_login_without_an_answer_delays_no_other_venue(hanging, tmp_path, kind):
    """The first connection is answered after all that another venue did; it is still waited for."""
    venue, answer = kind(hanging, tmp_path)
    models = venues()[1:]
    other = ModelConnector(models[0])
    with ExitStack() as stack:
        stack.callback(lambda: venue._drop(venue._client) if venue._client else None)
        store = stack.enter_context(ParentStore(tmp_path / "parents.sqlite", is_durable=False))
        router = Router(store, Depth(MARKET), {"A": venue, "B": other})
        now_ns = 1_000 * MS
        router.step(now_ns)
        taken = router.submit(BUY, 50, 1_000_000, now_ns)
        rests = router.submit(BUY, 30, 990_000, now_ns, style="rest")
        router.step(now_ns)
        router.step(now_ns)
        assert (taken.filled, rests.leaves) == (50, 30)
        router.change(rests, now_ns, state=ENDED)
        router.step(now_ns)
        assert rests.leaves == 0, "the cancel was answered"
        assert [router.depth.status(number, now_ns) for number in (0, 1)] == ["lost", "live"]
        # It is not tried again meanwhile.
        router.step(now_ns + 2 * RETRY_NS)
        assert (venue.generation, venue.orders_trouble) == (0, "")
        answer()

        def logged_in():
            router.step(now_ns + 2 * RETRY_NS)
            return venue.generation == 1

        wait_until(logged_in, "the first login is answered")


def test_a_snapshot_without_an_answer_keeps_only_its_own_feed(hanging):
    """The feed is joined again once the venue has closed the connection."""
    made = []

    def listen():
        made.append(Receiver([], snapshots=hanging.address))
        return made[-1]

    venue = OwnVenue(OUCH_LISTING, SimpleNamespace, listen)
    depth = Depth(MARKET)
    for now_ns in (0, RETRY_NS, 2 * RETRY_NS):
        venue.follow(depth, 0, now_ns)
        assert (depth.status(0, now_ns), venue.trouble, made) == ("lost", "", [])
    hanging.heard(lambda data: len(data) > 2)
    hanging.link.close()

    def is_named():
        venue.follow(depth, 0, 2 * RETRY_NS)
        return venue.trouble

    assert "closed" in wait_until(is_named)


def test_a_book_of_ccxt_without_an_answer_keeps_only_its_own_venue():
    """A router that sends it no orders goes on, and shows the book once it has come."""
    answer, asked = Event(), []

    class Exchange:
        def fetch_order_book(self, symbol, levels):
            asked.append(symbol)
            assert answer.wait(BOUND_S)
            return {"bids": [[99.5, 1.0]], "asks": [[100.5, 2.0]]}

    venue = CcxtVenue(OUCH_LISTING, Exchange(), book_every_ns=1)
    depth = Depth(MARKET)
    for now_ns in range(2, 9):
        venue.follow(depth, 0, now_ns)
        assert depth.status(0, now_ns) == "lost"
    answer.set()

    def is_shown():
        venue.follow(depth, 0, 9)
        return depth.status(0, 9) == "live"

    wait_until(is_shown)
    assert [one.price for one in depth.take_side(BUY, 9)] == [1_005_000]


def test_a_login_that_is_answered_after_the_end_is_closed(hanging):
    """No connection stays at the venue that the router does not know."""
    venue, answer = over_ouch(hanging, None)
    with pytest.raises(Exception, match="no answer yet"):
        venue.poll(0)
    venue.close()
    answer()
    assert hanging.link.recv(1) == b"", "closed without a word"
