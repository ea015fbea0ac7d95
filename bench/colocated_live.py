"""Participants on the venue's host, as kernels over the segments of their sessions; and what takes
a venue's place when the segments alone are measured: a loop that answers."""

import contextlib
import mmap
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench import sessions_live
from openoutcry.bench.sessions_live import KEY, SILENCE_NS, SYMBOLS, shares_core
from openoutcry.client.shm import ShmConnection
from openoutcry.host.processes import wake_in_time
from openoutcry.order_entry import constants
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLIES_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    REQUESTS_BYTES,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequests,
    State,
)
from openoutcry.order_entry.shm_segments import put_request, reply_at, request_room, state_of
from openoutcry.wire import OutcryError, enum_numbers
from openoutcry.wire.enums import TimeInForce
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.layout import Layout, SharedWord, Words, i64
from openoutcry.wire.memory import copy56, copy64, monotonic_ns, pause, yield_cpu

KINDS = 8
"""Different orders, one an instrument; a power of two."""
AT_ONCE = 64
"""Orders that a participant publishes at once, at most."""
LOOKS = 1 << 20
"""Looks for a reply between two at the clock."""
GONE, REJECTED = -1, -2
ACCEPTED, CANCELED = constants.SHM_REPLY_ACCEPTED, constants.SHM_REPLY_CANCELED
REFUSED = constants.SHM_REPLY_REJECTED
LOGIN_S = 60.0

Array = npt.NDArray[Any]


class Participant(Layout, size_bytes=64):
    """A participant of the loops, or the place of one in the loop that answers."""

    requests: int = i64("address of its requests' segment")
    replies: int = i64("address of its replies' segment")
    next_request: int = i64("number of its next request")
    next_reply: int = i64("number of its next reply")
    name: int = i64("name of its next order")
    left: int = i64("orders that it has not sent")
    owed: int = i64("replies that have not come")


PARTICIPANT_BYTES = Participant.size_bytes
PARTICIPANT_WORDS = PARTICIPANT_BYTES // 8


@kernel
def round_trips(participant: Participant, orders: int, count: int, times: int) -> int:
    """Send ``count`` orders, each when the one before is acknowledged; ns of each to ``times``.
    Returns 0, GONE after a silence, REJECTED if an order was not accepted."""
    for index in range(count):
        request = ShmRequest(orders + REQUEST_BYTES * (index & KINDS - 1))
        request.id = participant.name
        start, looks = monotonic_ns(), 0
        put_request(participant.requests, request, participant.next_request)
        slot = reply_at(participant.replies, participant.next_reply)
        while slot == 0:
            pause()
            looks += 1
            if looks & LOOKS - 1 == 0 and monotonic_ns() - start > SILENCE_NS:
                return GONE
            slot = reply_at(participant.replies, participant.next_reply)
        Words(times)[index] = monotonic_ns() - start
        if ShmReply(slot).kind != ACCEPTED:
            return REJECTED
        participant.name += 1
        participant.next_request += 1
        ShmRequests(participant.requests).replies_read = participant.next_reply
        participant.next_reply += 1
    return 0


@kernel
def send_some(participant: Participant, orders: int, answers: int) -> int:
    """Publish the orders for which there is room, in both directions; how many."""
    room = request_room(ShmReplies(participant.replies), participant.next_request)
    room = min(room, (REPLY_SLOTS - participant.owed) // answers)
    count = min(participant.left, room, AT_ONCE)
    for _ in range(count):
        request = ShmRequest(orders + REQUEST_BYTES * (participant.name & KINDS - 1))
        request.id = participant.name
        put_request(participant.requests, request, participant.next_request)
        participant.name += 1
        participant.next_request += 1
    if count > 0:
        participant.left -= count
        participant.owed += answers * count
    return max(count, 0)


@kernel
def take_some(participant: Participant) -> int:
    """Read the replies that have come; how many, or REJECTED."""
    count, seq = 0, participant.next_reply
    slot = reply_at(participant.replies, seq)
    while slot != 0:
        if ShmReply(slot).kind == REFUSED:
            return REJECTED
        count += 1
        slot = reply_at(participant.replies, seq + count)
    if count > 0:
        participant.next_reply = seq + count
        participant.owed -= count
        ShmRequests(participant.requests).replies_read = seq + count - 1
    return count


@kernel
def pump(participants: int, count: int, orders: int, answers: int, yields: int) -> int:
    """Let ``count`` participants send what they have, as fast as there is room, until all is
    answered, each order by ``answers`` replies.  With ``yields`` 1 a look that found nothing gives
    the core away.  Returns the ns that it took, GONE or REJECTED."""
    start = monotonic_ns()
    last, busy = start, 1
    while busy > 0:
        busy, moved = 0, 0
        for index in range(count):
            participant = Participant(participants + PARTICIPANT_BYTES * index)
            if participant.left + participant.owed == 0:
                continue
            busy += 1
            moved += send_some(participant, orders, answers)
            taken = take_some(participant)
            if taken < 0:
                return REJECTED
            moved += taken
        if moved > 0:
            last = monotonic_ns()
        elif monotonic_ns() - last > SILENCE_NS:
            return GONE
        elif yields != 0:
            yield_cpu()
    return monotonic_ns() - start


@kernel
def answer(places: int, count: int, answers: int, stop: int) -> int:
    """Answer in place of a venue: each request by ``answers`` replies that repeat it, as many bytes
    as a venue writes, until the word ``stop`` is set. Returns the number of requests. ``places``:
    address of ``count`` participants' blocks."""
    total = 0
    while SharedWord(stop).value == 0:
        for index in range(count):
            place = Participant(places + PARTICIPANT_BYTES * index)
            done, room = 0, 0
            while done < AT_ONCE:
                seq = place.next_request
                slot = ShmRequest(
                    place.requests + HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
                )
                if slot.seq != seq:
                    break
                if room < answers:
                    read = ShmRequests(place.requests).replies_read
                    room = read + REPLY_SLOTS + 1 - place.next_reply
                    if room < answers:
                        break
                for which in range(answers):
                    number = place.next_reply
                    reply = ShmReply(
                        place.replies + HEADER_BYTES + REPLY_BYTES * (number - 1 & REPLY_SLOTS - 1)
                    )
                    copy64(reply, slot)
                    copy56(reply + 64, slot)
                    reply.kind = ACCEPTED if which == 0 else CANCELED
                    reply.seq = number
                    place.next_reply = number + 1
                room -= answers
                done += 1
                place.next_request = seq + 1
            if done > 0:
                ShmReplies(place.replies).requests_read = place.next_request - 1
                total += done
    return total


KERNELS: tuple[tuple[Callable[..., Any], int], ...] = (
    (round_trips, 4),
    (pump, 5),
    (answer, 4),
    (state_of, 1),
    (sessions_live.pump, 6),
    (sessions_live.answer_sockets, 7),
)


def compile_loops() -> None:
    """A process that is measured must not compile."""
    for function, arguments in KERNELS:
        compile_kernel(function, arguments)


def order_requests(time_in_force: TimeInForce, price_ticks: int) -> Array:
    """KINDS requests that buy 100 lots, one an instrument: (KINDS, REQUEST_BYTES)."""
    orders = np.zeros((KINDS, REQUEST_BYTES), np.uint8)
    for kind in range(KINDS):
        request = ShmRequest(orders[kind].ctypes.data)
        request.kind = constants.SHM_REQUEST_ENTER
        request.side, request.order_type = enum_numbers.SIDE_BUY, enum_numbers.ORDER_TYPE_LIMIT
        request.time_in_force = int(time_in_force)
        symbol = SYMBOLS[kind % len(SYMBOLS)].encode().ljust(8, b"\0")
        request.symbol = int.from_bytes(symbol, "little")
        request.qty_lots, request.price_ticks = 100, price_ticks
    return orders


@dataclass
class Participants:
    """The rows of the participants' loops, and what must live as long."""

    rows: Array
    keep: Sequence[Any]
    name: int = 1

    def latencies(self, orders: Array, count: int) -> Array:
        """ns from each order's publication to its acknowledgement's reading, of the first one."""
        times = np.zeros(count, np.int64)
        self._name(self.rows[:1])
        require(
            round_trips(
                Participant.of(self.rows.ctypes.data), orders.ctypes.data, count, times.ctypes.data
            )
        )
        self.name += count
        return times

    def orders_per_s(self, orders: Array, each: int, answers: int) -> float:
        """Return the orders a second of all participants together."""
        self._name(self.rows)
        self.rows[:, Participant.offset("left") // 8] = each
        rows = self.rows
        took = pump(rows.ctypes.data, len(rows), orders.ctypes.data, answers, int(shares_core()))
        require(took)
        self.name += each
        return len(self.rows) * each * 1e9 / took

    def _name(self, rows: Array) -> None:
        rows[:, Participant.offset("name") // 8] = self.name


def require(code: int) -> None:
    """Raise :class:`OutcryError` for a kernel's negative code: an order was rejected, or not
    answered."""
    if code < 0:
        why = "was rejected" if code == REJECTED else "was not answered"
        raise OutcryError(f"bench colocated: an order {why}")


@contextlib.contextmanager
def logged_in(path: str, count: int) -> Iterator[Participants]:
    """The sessions S1, S2 … of a venue."""
    rows = np.zeros((count, PARTICIPANT_WORDS), np.int64)
    with contextlib.ExitStack() as stack:
        connections = []
        for index in range(count):
            one = connection(path, f"S{index + 1}")
            stack.callback(one.close)
            connections.append(one)
            header = one.header
            rows[index, :4] = one.requests, one.replies, header.next_request, header.next_reply
            ShmRequests(one.requests).replies_read = header.next_reply - 1
        yield Participants(rows, connections)


def connection(path: str, name: str) -> ShmConnection:
    """A session that the venue has begun."""
    import socket

    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.settimeout(LOGIN_S)
    end.connect(path)
    one = ShmConnection(end, name, KEY)
    until_s = time.monotonic() + LOGIN_S
    while (state := state_of(ShmReplies.of(one.replies))) == State.OPENING:
        if time.monotonic() > until_s or one.has_closed():
            break
        time.sleep(0.0001)
    if state != State.ACTIVE:
        raise OutcryError(f"bench colocated: the session {name} does not begin")
    return one


@contextlib.contextmanager
def segments(count: int) -> Iterator[Participants]:
    """Return the segments of ``count`` sessions."""
    maps = [(mmap.mmap(-1, REQUESTS_BYTES), mmap.mmap(-1, REPLIES_BYTES)) for _ in range(count)]
    views = [tuple(np.frombuffer(one, np.uint8) for one in pair) for pair in maps]
    rows = np.zeros((count, PARTICIPANT_WORDS), np.int64)
    for index, (requests, replies) in enumerate(views):
        requests[:] = replies[:] = 0
        rows[index, :4] = requests.ctypes.data, replies.ctypes.data, 1, 1
    yield Participants(rows, [maps, views])


@contextlib.contextmanager
def bare_rings(count: int, answers: int, core: int | None) -> Iterator[Participants]:
    """Yield such segments, with a process on ``core`` that answers."""
    with segments(count) as participants:
        places = participants.rows.copy()

        def serve(stop: int) -> None:
            answer(places.ctypes.data, count, answers, stop)

        with sessions_live.serving(serve, core):
            yield participants


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This process runs there and nowhere else, and its naps end in time."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    wake_in_time()
    try:
        yield
    finally:
        wake_in_time(0)
        os.sched_setaffinity(0, before)
