"""The loops of the co-located benches: every order is answered, and the strategy takes what it
should and nothing else."""

import itertools
import socket
import threading

import numpy as np
import pytest

from openoutcry.bench import colocated_live as live
from openoutcry.bench import idle, sessions_live, watched
from openoutcry.bench.colocated_live import Participant
from openoutcry.bench.sessions_live import KEY
from openoutcry.bench.strategy import LOST, Strategy, strategy_turn
from openoutcry.bench.tick_to_trade import FAR, LIMIT, PERIOD, Taker, maker_requests
from openoutcry.dpdk_shim.authentication import TRAILER_BYTES, is_sealed
from openoutcry.dpdk_shim.packets import build_packets, read_packet
from openoutcry.market_data.shm_feed import ShmFeedSegment
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.shm_layout import Request, ShmRequest
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import PacketKind, Side, TimeInForce
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.records import EVENT_DTYPE

SESSION = "0000000001"


class Answering:
    """The loop that answers, in a thread."""

    def __init__(self, participants, answers):
        self.places = participants.rows.copy()
        self.stop = np.zeros(1, np.int64)
        self.came = []
        arguments = self.places.ctypes.data, len(self.places), answers, self.stop.ctypes.data
        self.thread = threading.Thread(target=lambda: self.came.append(live.answer(*arguments)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.stop[0] = 1
        self.thread.join()


def test_each_order_of_a_round_trip_is_answered_once():
    orders = live.order_requests(TimeInForce.DAY, 10_000)
    with live.segments(1) as one, Answering(one, 1) as answering:
        times = one.latencies(orders, 1_500)  # more than the segment's slots
    assert (times > 0).all()
    assert answering.came == [1_500]


def test_all_participants_are_pumped_to_their_ends():
    orders = live.order_requests(TimeInForce.IOC, 10_000)
    with live.segments(3) as three, Answering(three, 2) as answering:
        assert three.orders_per_s(orders, 700, 2) > 0
        assert three.orders_per_s(orders, 700, 2) > 0
    assert answering.came == [2 * 3 * 700]
    names = {name: Participant.offset(name) // 8 for name in ("left", "owed", "next_reply")}
    assert three.rows[:, names["left"]].tolist() == [0, 0, 0]
    assert three.rows[:, names["owed"]].tolist() == [0, 0, 0]
    assert three.rows[:, names["next_reply"]].tolist() == [2 * 2 * 700 + 1] * 3


def test_each_order_over_a_bare_connection_is_answered_by_as_many_bytes_as_a_venue_sends():
    pairs = [socket.socketpair() for _ in range(3)]
    for one in itertools.chain(*pairs):
        one.setblocking(False)
    places = np.zeros((3, sessions_live.PLACE_BYTES // 8), np.int64)
    places[:, 0] = [theirs.fileno() for _, theirs in pairs]
    stop, buffer, came = np.zeros(1, np.int64), np.zeros(1 << 16, np.uint8), []
    answered = sessions_live.ACCEPTED_BYTES + sessions_live.CANCELED_BYTES
    arguments = places.ctypes.data, 3, sessions_live.ORDER_BYTES, answered, buffer.ctypes.data
    loop = lambda: came.append(  # noqa: E731
        sessions_live.answer_sockets(*arguments, len(buffer), stop.ctypes.data)
    )
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        assert sessions_live.pumped([ours for ours, _ in pairs], 700) > 0
    finally:
        stop[0] = 1
        thread.join()
        for one in itertools.chain(*pairs):
            one.close()
    assert came == [3 * 700]
    assert not places[:, 1:].any(), "no part of an order is left, and no answer is owed"


def offer(price, side="S", kind="A"):
    fields = {"locate": 1, "tracking": 0, "timestamp": 0, "reference": 1}
    body = ITCH50.from_server(kind).pack(**fields, side=side, shares=100, stock="SYM0", price=price)
    return len(body).to_bytes(2, "big") + body


@pytest.fixture
def feed():
    segment = ShmFeedSegment()
    segment.begin(1, SESSION, 0)
    yield segment
    segment.close()


def test_the_strategy_takes_each_offer_at_its_price_or_below(feed):
    with live.segments(1) as rings:
        taker, answering = Taker("shm", 3), Answering(rings, 2)
        row = rings.rows[0]
        taker.by_memory(feed.address, 0, 1 << 40 | 1, row, 77)
        run = lambda: int(strategy_turn(taker.block.ctypes.data))  # noqa: E731
        first = ShmRequest(int(row[0]) + 4096)
        assert run() == 0
        feed.put(1, 1, offer(LIMIT + 1) + offer(LIMIT, side="B"))
        assert run() == 2, "two messages, no order"
        assert (taker.strategy.crossed, first.seq) == (0, 0)
        feed.put(1, 3, offer(LIMIT) + offer(LIMIT - 5))
        run()
        assert (taker.strategy.crossed, taker.strategy.sent) == (2, 1), "an order a turn"
        assert (first.seq, first.kind, first.id) == (1, Request.ENTER, 77)
        assert (first.side, first.price_ticks) == (Side.BUY, LIMIT)
        run()
        assert taker.strategy.sent == 2
        with answering:
            while taker.strategy.answered < 4:
                assert run() >= 0
        read, sent, answered = taker.times[:, :2]
        assert ((read > 0) & (sent >= read) & (answered > sent)).all()


def test_an_answer_over_ouch_is_counted_by_message_however_its_bytes_come(feed):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for one in (ours, theirs):
            one.setblocking(False)
        taker = Taker("multicast_ouch", 1)
        taker.by_sockets(theirs, ours, 1)
        taker.strategy.feed, taker.strategy.next_message = feed.address, 1 << 40 | 1
        run = lambda: int(strategy_turn(taker.block.ctypes.data))  # noqa: E731
        feed.put(1, 1, offer(LIMIT))
        run()
        assert theirs.recv(1 << 12)[2:3] == b"U", "its order"
        heartbeat, first = soupbin.packet("H", b""), soupbin.packet("S", b"A" * 65)
        theirs.send(heartbeat + first[:20])
        run()
        assert (taker.strategy.answered, taker.times[2, 0]) == (0, 0), "no answer yet"
        theirs.send(first[20:] + soupbin.packet("S", b"E")[:3])
        run()
        assert taker.strategy.answered == 1
        assert taker.times[2, 0] > taker.times[1, 0] > 0
        theirs.send(b"E")
        run()
        assert taker.strategy.answered == 2


def test_an_answer_by_packets_is_counted_by_event(feed):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for one in (ours, theirs):
            one.setblocking(False)
        taker = Taker("multicast_packets", 2)
        taker.by_packets(theirs, ours, 5)
        taker.strategy.feed, taker.strategy.next_message = feed.address, 1 << 40 | 1
        run = lambda: int(strategy_turn(taker.block.ctypes.data))  # noqa: E731
        feed.put(1, 1, offer(LIMIT) + offer(LIMIT))
        run()
        run()
        sent = [theirs.recv(1 << 12) for _ in range(2)]
        assert all(is_sealed(KEY, one) for one in sent)
        headers, orders = zip(
            *(read_packet(one[:-TRAILER_BYTES], PacketKind.ORDERS) for one in sent), strict=True
        )
        assert [int(one["first_seq"]) for one in headers] == [1, 2]
        assert [int(one["order_id"][0]) for one in orders] == [5, 6]
        assert {int(one["price_ticks"][0]) for one in orders} == {LIMIT}
        (first,) = build_packets(np.zeros(1, EVENT_DTYPE), 4, 1, 0)
        (rest,) = build_packets(np.zeros(3, EVENT_DTYPE), 4, 2, 0)
        theirs.send(b"no packet of the venue's" + bytes(TRAILER_BYTES))
        run()
        assert taker.strategy.answered == 0
        theirs.send(first + bytes(TRAILER_BYTES))
        run()
        assert taker.strategy.answered == 1
        theirs.send(rest + bytes(TRAILER_BYTES))
        run()
        assert taker.strategy.answered == 4
        assert (taker.times[2] > taker.times[1]).all()


def test_the_strategy_says_that_it_lost_messages(feed):
    with live.segments(1) as rings:
        taker = Taker("shm", 3)
        taker.by_memory(feed.address, 0, 1 << 40 | 1, rings.rows[0], 1)
        feed.put(1, 1, offer(LIMIT) * ((1 << 16) + 1))
        assert strategy_turn(taker.block.ctypes.data) == LOST


def test_the_idle_venue_is_one_that_opens_with_its_feed(tmp_path):
    venue = read_venue(watched.venue_file(tmp_path, 9_001, idle.FEED, idle.LIMITS))
    assert venue.feed is not None
    assert len(venue.sessions.sessions) == watched.SESSIONS


def test_a_makers_orders_come_and_go_between_its_offers():
    requests = maker_requests(2, 100)
    rows = [ShmRequest(row.ctypes.data) for row in requests]
    offers = [index for index, row in enumerate(rows) if row.price_ticks == LIMIT]
    assert offers == [0, PERIOD]
    assert {row.side for row in rows if row.price_ticks == LIMIT} == {Side.SELL}
    open_names = set()
    for row in rows:
        if row.kind == Request.CANCEL:
            open_names.remove(row.orig_id)
        elif row.price_ticks == FAR:
            open_names.add(row.id)
    assert not open_names, "nothing is left in the book"
    assert Strategy.size_bytes % 64 == 0
