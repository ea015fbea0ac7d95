"""From an event's release to the acknowledgement of the order that a strategy sends because of it.

A maker makes an offer now and then, among other orders that come and go, over shared memory.  The
reference strategy (``strategy.py``) reads the offer on a feed and takes it.  Both are in this
process.  Three ways are measured: the multicast line with OUCH or with authenticated packets over
UDP, and the feed in shared memory with a session over it.  The venue is a whole one, with risk and
its feed.

``tick_to_ack_*`` is the whole: from the release of the offer's event until the strategy has read
the first answer to its order.  Its spans, whose medians are of the same offers:

    released_to_read     the offer's event was released -> the strategy has read it
    read_to_sent         -> it is about to send its order
    sent_to_received     -> the venue has received that
    received_to_sequenced, sequenced_to_matched    the gateway; risk and the matcher
    matched_to_released  -> its events may leave (they are durable, if that is waited for)
    released_to_answered -> the strategy has read the answer

All but the strategy's own stamps are the venue's.  Paces: ``100k`` is 100,000 commands a second,
evenly; ``bursts`` are as many, 100 at a time at a million a second.  The peer ``bare_echo`` is a
loop on the venue's core, in the same rounds: what the path costs without a venue.  It sends as
large a datagram (writes the same slot) and answers the order with as many bytes.

A run in which the strategy missed a datagram is made again; ``details`` says how many there were.

``details`` has each span's percentiles up to p99.99 and its maximum, over all rounds, and the time
from release to datagram (to shared memory) of all the run's events.
"""

import contextlib
import mmap
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench import colocated_live as live
from openoutcry.bench import sessions_live
from openoutcry.bench.colocated_live import Participant
from openoutcry.bench.disk import has_disk
from openoutcry.bench.market_data_live import can_multicast
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.strategy import ANSWER_ROOM, LOST, Strategy, strategy_turn
from openoutcry.bench.wire_live import sealed_packets
from openoutcry.dpdk_shim.authentication import TRAILER_BYTES
from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.host.processes import fork, wake_in_time
from openoutcry.market_data import mold
from openoutcry.market_data.publisher import join, line_socket
from openoutcry.market_data.shm_feed import ShmFeedSegment
from openoutcry.market_data.spec import FeedSpec
from openoutcry.order_entry import constants, soupbin
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    ShmReplies,
    ShmReply,
    ShmRequest,
)
from openoutcry.order_entry.shm_segments import put_request, request_room
from openoutcry.pipeline.top import RunningPipeline, attached, running_owners
from openoutcry.runtime.histogram import summary
from openoutcry.runtime.table import Geometry
from openoutcry.wire import OutcryError, enum_numbers, sockets
from openoutcry.wire.big_endian import store_be64
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.feed_messages import ITCH50, MOLD_SEQUENCE_AT
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import copy56, copy64, monotonic_ns, yield_cpu
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.shm_feed import ShmFeedHeader, put_messages

Array = npt.NDArray[Any]
GROUP = ("239.193.98.3", 26_496)
FEED: dict[str, Any] = {
    "a": list(GROUP),
    "interface": "127.0.0.1",
    "ttl": 0,
    "shm": True,
}
PATHS = ("multicast_ouch", "multicast_packets", "shm")
PACKET_PORT = ("127.0.0.1", 26_498)
PACES = {"100k": (1, 10_000), "bursts": (100, 1_000)}
"""Commands at once, and ns between two of them; a burst begins as often as keeps the rate."""
EVERY_NS = 10_000
"""Mean time between two commands: 100,000 a second."""
PERIOD = 21
"""Commands from one offer to the next: the offer, and ten orders that are cancelled at once."""
OFFERS, QUICK_OFFERS, BLOCKS, QUICK_BLOCKS = 700, 100, 4, 2
"""Offers of a run, and runs; all commands of one are in the sequenced ring at its end."""
LIMIT, FAR, LOTS = 10_000, 1_000, 100
SILENCE_NS = 20_000_000_000
LOST_RUNS = 3
"""Times that a run is made again because of lost datagrams."""
ECHO_NS = 100_000
"""Time between two offers of the bare echo."""
EXECUTED_BYTES = soupbin.HEADER_BYTES + OUCH42.from_server("E").size_bytes
ANSWERS = 2
"""Messages that answer an order which takes an offer: accepted, executed."""
PACKET_SENDER = 4
"""Participant that sends packets: after the maker, and a strategy over memory and one over OUCH."""
SPANS = (
    "released_to_read",
    "read_to_sent",
    "sent_to_received",
    "received_to_sequenced",
    "sequenced_to_matched",
    "matched_to_released",
    "released_to_answered",
)
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
STUCK, GAP = -3, -4


@kernel
def race(
    strategy: Strategy,
    maker: Participant,
    requests: int,
    count: int,
    at_once: int,
    apart_ns: int,
    yields: int,
) -> int:
    """Publish the maker's ``count`` requests at their pace, and let the strategy take its turns
    until it is answered to the end; 0, or what went wrong.  With ``yields`` 1 a turn without work
    gives the core away."""
    start = monotonic_ns() + 1_000_000
    done, last = 0, start
    while done < count or strategy.answered < strategy.most * strategy.answer_units:
        now, work = monotonic_ns(), 0
        room = request_room(ShmReplies(maker.replies), maker.next_request) if done < count else 0
        while done < count and room > 0:
            due = start + done // at_once * at_once * EVERY_NS + done % at_once * apart_ns
            if now < due:
                break
            put_request(maker.requests, requests + REQUEST_BYTES * done, maker.next_request)
            maker.next_request += 1
            done += 1
            room -= 1
            work = 1
        taken = live.take_some(maker) if count > 0 else 0
        if taken < 0:
            return taken
        turned = strategy_turn(strategy)
        if turned < 0:
            return GAP if turned == LOST else turned
        if work + taken + turned > 0:
            last = now
        elif now - last > SILENCE_NS:
            return STUCK
        if turned == 0 and yields != 0:
            yield_cpu()
    while count > 0 and maker.owed > 0:
        if monotonic_ns() - last > SILENCE_NS:
            return STUCK
        live.take_some(maker)
    return 0


@kernel
def echo_by_sockets(
    line: int,
    packet: int,
    packet_bytes: int,
    client: int,
    asked: int,
    answer: int,
    answered: int,
    buffer: int,
    count: int,
    released: int,
) -> int:
    """In a venue's place: a datagram each ECHO_NS, and an answer to what comes for it. Sockets:
    ``line`` and ``client``.  Addresses: ``packet``, ``asked``, ``answer`` and ``buffer`` of bytes,
    ``released`` of a word a datagram, when it left (CLOCK_MONOTONIC)."""
    for index in range(count):
        start = monotonic_ns()
        while monotonic_ns() - start < ECHO_NS:
            pass
        store_be64(packet + MOLD_SEQUENCE_AT, index + 1)
        Words(released)[index] = monotonic_ns()
        sockets.send(line, packet, packet_bytes)
        got = 0
        while got < asked:
            size = sockets.recv(client, buffer, asked - got)
            if size == 0 or monotonic_ns() - start > SILENCE_NS:
                return -1
            got += max(size, 0)
        if sockets.send(client, answer, answered) != answered:
            return -1
    return 0


@kernel
def echo_by_memory(
    feed: ShmFeedHeader, begin: int, end: int, place: Participant, count: int, released: int
) -> int:
    """The same over the feed and the segments of a session. ``begin`` to ``end``: addresses of the
    messages."""
    for index in range(count):
        start = monotonic_ns()
        while monotonic_ns() - start < ECHO_NS:
            pass
        Words(released)[index] = monotonic_ns()
        put_messages(feed, begin, end, 1 << 40 | index + 1)
        seq = place.next_request
        at = place.requests + HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
        while SharedWord(at + 56).value != seq:
            if monotonic_ns() - start > SILENCE_NS:
                return -1
        place.next_request = seq + 1
        for _ in range(ANSWERS):
            number = place.next_reply
            reply = ShmReply(
                place.replies + HEADER_BYTES + REPLY_BYTES * (number - 1 & REPLY_SLOTS - 1)
            )
            copy64(reply, at)
            copy56(reply + 64, at)
            reply.seq = number
            place.next_reply = number + 1
        ShmReplies(place.replies).requests_read = seq
    return 0


def compile_loops() -> None:
    """Compile the kernels before anything is measured."""
    live.compile_loops()
    for function, arguments in ((race, 7), (echo_by_sockets, 10), (echo_by_memory, 6)):
        compile_kernel(function, arguments)


def maker_requests(offers: int, name: int) -> Array:
    """An offer at the strategy's price, then orders far below that come and go; names from ``name``
    on."""
    count = offers * PERIOD
    requests = np.zeros((count, REQUEST_BYTES), np.uint8)
    symbol = sessions_live.SYMBOLS[0].encode().ljust(8, b"\0")
    for index in range(count):
        request = ShmRequest(requests[index].ctypes.data)
        place = index % PERIOD
        if place and place % 2 == 0:
            request.kind, request.orig_id = constants.SHM_REQUEST_CANCEL, name + index - 1
            continue
        request.kind, request.id = constants.SHM_REQUEST_ENTER, name + index
        request.side = enum_numbers.SIDE_BUY if place else enum_numbers.SIDE_SELL
        request.order_type = enum_numbers.ORDER_TYPE_LIMIT
        request.time_in_force = enum_numbers.TIME_IN_FORCE_DAY
        request.symbol, request.qty_lots = int.from_bytes(symbol, "little"), LOTS
        request.price_ticks = FAR if place else LIMIT
    return requests


class LostError(OutcryError):
    """A datagram did not reach the strategy, which then cannot see each offer."""


class Taker:
    """A strategy, its memory and its door."""

    def __init__(self, path: str, offers: int) -> None:
        self.path, self.offers = path, offers
        self.block = np.zeros(Strategy.size_bytes // 8, np.int64)
        self.strategy = Strategy(self.block.ctypes.data)
        self.buffer, self.answers = np.zeros(1 << 17, np.uint8), np.zeros(ANSWER_ROOM, np.uint8)
        self.times = np.zeros((3, offers), np.int64)
        self.keep: list[Any] = []
        one = self.strategy
        one.buffer, one.buffer_bytes = self.buffer.ctypes.data, len(self.buffer)
        one.limit, one.most = LIMIT, offers
        addresses = [row.ctypes.data for row in self.times]
        for name, address in zip(("read_ns", "sent_ns", "answered_ns"), addresses, strict=True):
            setattr(one, name, address)

    def by_memory(self, feed: int, base: int, stamp: int, row: Array, name: int) -> None:
        """``row``: of its participant (Participant)."""
        one = self.strategy
        orders = np.repeat(live.order_requests(TimeInForce.IOC, LIMIT)[:1], self.offers, axis=0)
        names = ShmRequest.offset("id")
        orders[:, names : names + 8] = (
            np.arange(name, name + self.offers, dtype=np.int64).view(np.uint8).reshape(-1, 8)
        )
        self.keep += [row, orders]
        one.feed, one.feed_base, one.next_message = feed, base, stamp
        one.participant = row.ctypes.data
        one.orders, one.order_bytes, one.answer_units = (
            orders.ctypes.data,
            REQUEST_BYTES,
            ANSWERS,
        )

    def by_sockets(self, line: socket.socket, client: socket.socket, name: int) -> None:
        """It reads the feed from the socket ``line`` and orders by OUCH over ``client``, names from
        ``name`` on."""
        packets = sessions_live.order_packets(name, self.offers, 0, LIMIT)
        place = soupbin.HEADER_BYTES + OUCH42.from_client("O").offsets["symbol"]
        packets[:, place : place + 8] = packets[0, place : place + 8]
        self._by_line(line, client, packets)

    def by_packets(self, line: socket.socket, client: socket.socket, name: int) -> None:
        """Each run is a new epoch of the same sender."""
        orders = np.zeros(self.offers, ORDER_DTYPE)
        orders["kind"], orders["side"] = CommandKind.NEW, Side.BUY
        orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.IOC
        orders["order_id"] = np.arange(name, name + self.offers)
        orders["qty_lots"], orders["price_ticks"] = LOTS, LIMIT
        orders["symbol"] = sessions_live.SYMBOLS[0].encode()
        packets = sealed_packets(sessions_live.KEY, PACKET_SENDER, orders)
        self._by_line(line, client, packets)
        self.strategy.by_packets = 1

    def _by_line(self, line: socket.socket, client: socket.socket, packets: Array) -> None:
        """``packets``: what is sent to ``client``, one an offer: (offers, bytes)."""
        one = self.strategy
        self.keep += [line, client, packets]
        one.line, one.connection = line.fileno(), client.fileno()
        one.orders, one.order_bytes = packets.ctypes.data, packets.shape[1]
        one.answers, one.answer_units = self.answers.ctypes.data, ANSWERS

    def run(self, maker: Array, requests: Array, pace: str) -> None:
        """Raises :class:`OutcryError`."""
        at_once, apart_ns = PACES[pace]
        if len(requests):
            # A reply to each order and each cancel, and one more to an offer that is taken.
            owed = Participant.offset("owed") // 8
            maker[owed] = len(requests) + self.offers
        code = race(
            Strategy.of(self.block.ctypes.data),
            Participant.of(maker.ctypes.data),
            requests.ctypes.data,
            len(requests),
            at_once,
            apart_ns,
            int(sessions_live.shares_core()),
        )
        if code in (GAP, STUCK) and self.path != "shm":
            raise LostError(f"bench tick-to-trade, {self.path}: datagrams were lost")
        if code:
            why = {GAP: "messages of the feed were lost", STUCK: "nothing more arrived"}
            raise OutcryError(f"bench tick-to-trade, {self.path}: {why.get(code, 'a door closed')}")


class Open:
    """A venue that is open, its two kinds of door, and what its shared memory says."""

    def __init__(self, venue: sessions_live.Served, maker: live.Participants, taker: Any) -> None:
        self.venue, self.maker, self.taker = venue, maker, taker
        owners = running_owners(venue.process.pid)
        pipeline = next((one for owner in owners if (one := attached(owner))), None)
        if pipeline is None:
            raise OutcryError("bench tick-to-trade: the venue's memory cannot be seen")
        self.pipeline: RunningPipeline = pipeline
        self.name = 1
        self.lost = 0
        """Runs in which the strategy missed a datagram."""

    def stamps(self, kind: str, seqs: Array) -> Array:
        """Return the times at which commands came to that point."""
        rings = self.pipeline.rings.items()
        count = Geometry({name: ring.capacity for name, ring in rings}).stamps
        index = self.pipeline.table.stamp_kinds.index(kind)
        return self.pipeline.stamps.words(8 * count * index, count)[seqs & (count - 1)]

    def run(self, path: str, offers: int, pace: str) -> dict[str, Array]:
        """ns of each span of each offer, and the whole.  A run in which datagrams were lost is
        counted, and made again."""
        for _ in range(LOST_RUNS):
            try:
                return self._run(path, offers, pace)
            except LostError:
                self.lost += 1
        return self._run(path, offers, pace)

    def _run(self, path: str, offers: int, pace: str) -> dict[str, Array]:
        taker, requests = Taker(path, offers), maker_requests(offers, self.name)
        with self._door(taker):
            self.name += len(requests)
            ring = self.pipeline.rings["sequenced"]
            before = int(ring.published_hint[0])
            taker.run(self.maker.rows[0], requests, pace)
            time.sleep(0.02)  # the last command's stamps
            after = int(ring.published_hint[0])
        views = ring.views(before + 1, after - before)
        commands = np.concatenate(views)
        is_new = commands["kind"] == CommandKind.NEW
        mine = is_new & (commands["price_ticks"] == LIMIT)
        offered = commands["seq"][mine & (commands["side"] == Side.SELL)]
        taken = commands["seq"][mine & (commands["side"] == Side.BUY)]
        if len(offered) != offers or len(taken) != offers:
            raise OutcryError(f"bench tick-to-trade: {len(taken)} orders for {offers} offers")
        read, sent, answered = taker.times
        released = self.stamps("released", offered)
        points = [released, read, sent]
        points += [self.stamps(k, taken) for k in ("received", "sequenced", "matched", "released")]
        points.append(answered)
        spans = dict(zip(SPANS, np.diff(np.array(points), axis=0), strict=True))
        return spans | {"tick_to_ack": answered - released}

    @contextlib.contextmanager
    def _door(self, taker: Taker) -> Iterator[None]:
        if taker.path == "shm":
            feed = self.taker["feed"]
            list(feed.take())
            taker.by_memory(feed.address, feed.base, feed.stamp, self.taker["row"], self.name)
            yield
            feed.stamp = taker.strategy.next_message
            return
        with join(GROUP, "127.0.0.1") as line:
            line.setblocking(False)
            if taker.path == "multicast_packets":
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.connect(PACKET_PORT)
                    client.setblocking(False)
                    taker.by_packets(line, client, self.name)
                    yield
                return
            taker.by_sockets(line, self.taker["client"], self.name)
            yield


@contextlib.contextmanager
def opened(durability: str, packets: bool) -> Iterator[Open]:
    """A venue with a maker and a strategy over shared memory, and one over OUCH.  ``packets``: it
    has a port of packets, whose receiver spins on a core."""
    feed = FEED if sessions_live.shares_core() else FEED | {"idle_us": 0}
    with contextlib.ExitStack() as stack:
        venue = stack.enter_context(
            sessions_live.served(
                2,
                durability,
                1 << 19,
                "SHM",
                risk=True,
                feed=feed,
                ouch_too=True,
                packets="udp:{}:{}".format(*PACKET_PORT) if packets else None,
            )
        )
        path, port = venue.door.split(" ")
        participants = stack.enter_context(live.logged_in(path, 2))
        client = stack.enter_context(sessions_live.log_in(int(port), "S3"))
        maker = live.Participants(participants.rows[:1].copy(), [participants])
        read = participants.keep[1].feed
        if read is None:
            raise OutcryError("bench tick-to-trade: the venue has no feed in shared memory")
        taker = {"row": participants.rows[1].copy(), "feed": read, "client": client}
        yield Open(venue, maker, taker)


def bare_echo(path: str, offers: int, core: int | None) -> Array:
    """ns of the whole over the same path, answered by a loop."""
    taker = Taker(path, offers)
    shared = np.frombuffer(mmap.mmap(-1, 8 * offers + mmap.PAGESIZE), np.int64)
    no_participant, no_requests = (
        np.zeros(live.PARTICIPANT_WORDS, np.int64),
        np.zeros((0, 64), np.uint8),
    )
    add = ITCH50.from_server("A").pack(
        locate=1,
        tracking=0,
        timestamp=0,
        reference=1,
        side="S",
        shares=LOTS,
        stock="SYM0",
        price=LIMIT,
    )
    framed = len(add).to_bytes(2, "big") + add
    with contextlib.ExitStack() as stack:
        run = _memory_echo if path == "shm" else _socket_echo
        function = run(stack, taker, framed, shared, offers)

        def child() -> int:
            if core is not None:
                os.sched_setaffinity(0, {core})
            return int(function() != 0)

        pid = fork(child)
        try:
            taker.run(no_participant, no_requests, "100k")
        finally:
            status = os.waitpid(pid, 0)[1]
    if status:
        raise OutcryError(f"bench tick-to-trade: the echo of {path} failed")
    return taker.times[2] - shared[:offers]


def _memory_echo(
    stack: contextlib.ExitStack, taker: Taker, framed: bytes, shared: Array, offers: int
) -> Callable[[], int]:
    feed = ShmFeedSegment()
    stack.callback(feed.close)
    feed.begin(1, "0000000001", 0)
    rings = stack.enter_context(live.segments(1))
    data = np.frombuffer(framed + bytes(64), np.uint8)
    row, place = rings.rows[0], rings.rows[0].copy()
    taker.by_memory(feed.address, 0, 1 << 40 | 1, row, 1)
    begin = data.ctypes.data
    taker.keep += [data, place, rings]
    return lambda: int(
        echo_by_memory(
            ShmFeedHeader.of(feed.address),
            begin,
            begin + len(framed),
            Participant.of(place.ctypes.data),
            offers,
            shared.ctypes.data,
        )
    )


def connections(stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """A client and its server over TCP."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    client = stack.enter_context(socket.create_connection(listener.getsockname()))
    server = stack.enter_context(listener.accept()[0])
    for one in (client, server):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
    return client, server


def datagrams(stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """The same over UDP."""
    client, server = (
        stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
    )
    for one in (client, server):
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
    client.connect(server.getsockname())
    server.connect(client.getsockname())
    return client, server


def _socket_echo(
    stack: contextlib.ExitStack, taker: Taker, framed: bytes, shared: Array, offers: int
) -> Callable[[], int]:
    group = (GROUP[0], GROUP[1] + 1)
    spec = FeedSpec(group, interface="127.0.0.1", ttl=0)
    line = stack.enter_context(line_socket(spec))
    line.connect(group)
    heard = stack.enter_context(join(group, "127.0.0.1"))
    heard.setblocking(False)
    if taker.path == "multicast_packets":
        client, server = datagrams(stack)
        taker.by_packets(heard, client, 1)
        (events,) = build_packets(np.zeros(ANSWERS, EVENT_DTYPE), PACKET_SENDER, 0, 0)
        answers = events + bytes(TRAILER_BYTES)
    else:
        client, server = connections(stack)
        taker.by_sockets(heard, client, 1)
        sizes = sessions_live.ACCEPTED_BYTES, EXECUTED_BYTES
        answers = b"".join(
            soupbin.packet("S", bytes(size - soupbin.HEADER_BYTES)) for size in sizes
        )
    packet = np.frombuffer(mold.header("0000000001", 1, 1) + framed, np.uint8).copy()
    answer = np.frombuffer(answers, np.uint8).copy()
    buffer = np.zeros(4096, np.uint8)
    taker.keep += [packet, answer, buffer]
    return lambda: int(
        echo_by_sockets(
            line.fileno(),
            packet.ctypes.data,
            len(packet),
            server.fileno(),
            taker.strategy.order_bytes,
            answer.ctypes.data,
            len(answer),
            buffer.ctypes.data,
            offers,
            shared.ctypes.data,
        )
    )


def bench_tick_to_trade(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    password_hasher()
    wake_in_time()
    gathered = Rounds(rounds, progress)
    progress("compiling")
    compile_loops()
    cores = sorted(os.sched_getaffinity(0))
    client_core, venue_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    kept: dict[str, list[Array]] = {}
    made: dict[str, Any] = {}
    lost = 0
    paths = [path for path in PATHS if path == "shm" or not can_multicast()]
    for path in PATHS:
        if path not in paths:
            gathered.miss(f"tick_to_ack_{path}_memory_100k_p50", can_multicast())
    durabilities = {"memory": "async"} | ({"durable": "durable"} if has_disk(Path(".")) else {})
    offers, blocks = (QUICK_OFFERS, QUICK_BLOCKS) if quick else (OFFERS, BLOCKS)

    def one(number: int, add: Add) -> None:
        nonlocal lost
        echoes = {}
        with live.on_core(client_core):
            for path in rotated(paths, number):
                echoes[path] = bare_echo(path, offers, venue_core)
        venues = [(*row, packets) for row in durabilities.items() for packets in (False, True)]
        for name, durability, packets in rotated(venues, number):
            own = [path for path in paths if packets == (path == "multicast_packets")]
            if not own:
                continue
            with opened(durability, packets) as venue, live.on_core(client_core):
                for path in own:
                    venue.run(path, QUICK_OFFERS, "100k")  # its pages are there
                for path, pace in rotated([(a, b) for a in own for b in PACES], number):
                    runs = [venue.run(path, offers, pace) for _ in range(blocks)]
                    _add(add, kept, f"{path}_{name}_{pace}", runs, echoes[path])
                lost += venue.lost
                for interval, words in venue.pipeline.histograms():
                    if interval in venue.pipeline.table.doors and words.any():
                        row = summary(words)
                        del row["histogram"]
                        made[f"{interval.name} {interval.span} ({name})"] = row

    gathered.run(one)
    spans = {
        key: {
            **{f"p{rank:g}": float(np.percentile(all_, rank)) for rank in PERCENTILES},
            "max": float(all_.max()),
            "count": len(all_),
        }
        for key, arrays in kept.items()
        for all_ in [np.concatenate(arrays)]
    }
    details = {"spans_ns": spans, "doors_ns": made, "offers": offers * blocks, "period": PERIOD}
    details["lost_runs"] = lost
    return gathered.document("tick-to-trade", command, details)


def _add(
    add: Add, kept: dict[str, list[Array]], way: str, runs: list[dict[str, Array]], echo: Array
) -> None:
    """The round's figures of one way: the whole with its bare echo, and the spans' medians."""
    for span in (*SPANS, "tick_to_ack"):
        values = np.concatenate([run[span] for run in runs])
        kept.setdefault(f"{span} {way}", []).append(values)
        if span != "tick_to_ack":
            # Two neighbours may read their clocks in either order: a span is not below zero.
            median = max(1.0, float(np.median(values)))
            add(f"{span}_{way}_p50", "ns", "lower", median)
            continue
        for rank in (50, 99):
            figure = f"{span}_{way}_p{rank}"
            add(figure, "ns", "lower", float(np.percentile(values, rank)))
            add(figure, "ns", "lower", float(np.percentile(echo, rank)), "bare_echo")
