"""The sender against a real responder process that speaks packets, and against nobody."""

import multiprocessing as mp
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import openoutcry.cli.send as command
from openoutcry.pipeline import send as send_module
from openoutcry.pipeline.send import SendError, UdpLine, send, send_by_line
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, EventFlag, EventKind
from openoutcry.wire.records import MAX_PACKET_RECORDS, RECORD_BYTES
from tests.support.dpdk_shim.packet_door import PacketDoor
from tests.support.pipeline.send import make_orders
from tests.support.waiting import BOUND_S, wait_until

FORK = mp.get_context("fork")
Answer = Callable[[np.ndarray, int], np.ndarray]
QUIET_S = 0.1


class Responder(PacketDoor):
    """A receiver that counts the orders that another process has answered."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = FORK.Value("q", 0)


def accept(orders: np.ndarray, first_cause: int) -> np.ndarray:
    """One event an order, to the order's owner."""
    events = np.zeros(len(orders), EVENT_DTYPE)
    for name in ("order_id", "participant", "price_ticks"):
        events[name] = orders[name]
    events["cause_seq"] = first_cause + np.arange(len(orders))
    events["kind"] = EventKind.ACCEPTED
    events["flags"] = EventFlag.LAST
    return events


def fill_twice(orders: np.ndarray, first_cause: int) -> np.ndarray:
    """Three events an order: a fill of the next one as if it rested, accepted, its own fill."""
    events = np.repeat(accept(orders, first_cause), 3)
    events["kind"][0::3] = events["kind"][2::3] = EventKind.FILLED
    events["order_id"][0::3] += 1
    events["flags"][:] = 0
    events["flags"][0::3] = EventFlag.MAKER
    events["flags"][2::3] = EventFlag.LAST
    return events


def only_price_1(orders: np.ndarray, first_cause: int) -> np.ndarray:
    events = fill_twice(orders, first_cause)
    return events[events["price_ticks"] == 1]


def enter_the_last(orders: np.ndarray, first_cause: int) -> np.ndarray:
    """A speed bump lets in an order of each command's name before the command itself waits: an
    event of somebody else, its own, and only then the command's, of those with price 1 alone."""
    events = np.repeat(accept(orders, first_cause), 4)
    events["kind"][0::4], events["kind"][3::4] = EventKind.ENTERED, EventKind.DELAYED
    events["kind"][1::4], events["flags"][1::4] = EventKind.FILLED, EventFlag.MAKER
    events["qty_lots"][0::4], events["participant"][1::4] = 2, 999
    events["flags"][0::4] = events["flags"][2::4] = 0
    return events


def every_other(orders: np.ndarray, first_cause: int) -> np.ndarray:
    return accept(orders, first_cause)[orders["order_id"] % 2 == 0]


def nobody(orders: np.ndarray, first_cause: int) -> np.ndarray:
    return accept(orders, first_cause)[:0]


class PatientLine(UdpLine):
    """Silence on it means that no reply is left: while ``is_done`` says that the other side has not
    answered so many orders, it waits."""

    def __init__(self, to: tuple[str, int], is_done: Callable[[int], bool]) -> None:
        super().__init__(to)
        self.sent_orders, self.is_done = 0, is_done

    def send(self, header: bytes, records: memoryview) -> None:
        super().send(header, records)
        self.sent_orders += records.nbytes // RECORD_BYTES

    def wait(self, seconds: float) -> None:
        wait_until(
            lambda: self.is_done(self.sent_orders) or select.select([self.udp], [], [], 0)[0],
            "the orders are answered",
        )
        super().wait(seconds)


def send_to(receiver: Responder, chunks: Iterable[np.ndarray], **more: Any) -> dict[str, Any]:
    """Some of which have no reply."""
    with PatientLine(receiver.at, lambda sent: receiver.answered.value >= sent) as line:
        return send_by_line(chunks, line, timeout_s=QUIET_S, **more)


def _respond(receiver: Responder, answer: Answer, received: Any, delay_s: float) -> None:
    cause = event_seq = 1
    while True:
        orders = receiver.take()
        count = len(orders)
        if count == 0:
            time.sleep(20e-6)
            continue
        if received is not None:
            received.send_bytes(orders.tobytes())
        time.sleep(delay_s)
        events = answer(orders, cause)
        events["seq"] = event_seq + np.arange(len(events))
        cause += count
        event_seq += len(events)
        if answer is enter_the_last:
            events = events[(events["kind"] != EventKind.DELAYED) | (events["price_ticks"] == 1)]
        receiver.reply(events)
        receiver.answered.value += count


@contextmanager
def responder(
    answer: Answer = accept, received: Any = None, delay_s: float = 0.0
) -> Iterator[Responder]:
    """A process that answers order packets until the block ends."""
    with Responder() as receiver:
        child = FORK.Process(target=_respond, args=(receiver, answer, received, delay_s))
        child.start()
        try:
            yield receiver
        finally:
            child.kill()
            child.join()


def at(receiver: PacketDoor) -> tuple[str, int]:
    return receiver.at


def test_every_order_arrives_and_is_acknowledged() -> None:
    """Unpaced, in two chunks: full packets, every order answered, the account adds up."""
    orders = make_orders(40_000)
    with responder() as receiver:
        result = send([orders[:1_000], orders[1_000:]], at(receiver), timeout_s=BOUND_S)
        counters = receiver.counters()
    assert result["sent_orders"] == result["acknowledged"] == result["reply_events"] == 40_000
    assert result["unanswered"] == result["bad_replies"] == 0
    assert result["stopped"] is None
    assert result["sent_packets"] == counters["packets"] == counters["published"]
    assert result["sent_packets"] == -(-1_000 // 22) + -(-39_000 // 22)
    assert result["reply_packets"] == counters["reply_packets"]
    assert counters["records"] == 40_000
    assert counters["gap_records"] == counters["duplicate_packets"] == 0
    latency = result["latency"]
    assert latency["count"] == 40_000
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]


def test_orders_arrive_unchanged_and_in_order() -> None:
    """What the other side receives is what was given, byte for byte."""
    orders = make_orders(900)  # no more than a pipe holds
    inbox, outbox = FORK.Pipe(duplex=False)
    with responder(received=outbox) as receiver:
        send([orders], at(receiver), timeout_s=BOUND_S)
        data = b""
        while len(data) < orders.nbytes and inbox.poll(BOUND_S):
            data += inbox.recv_bytes()
    assert data == orders.tobytes()


def test_paced_orders_leave_one_by_one_and_on_time() -> None:
    """At a rate the sender needs the schedule's time, and latency has a name and a count."""
    with responder() as receiver:
        result = send([make_orders(400)], at(receiver), rate=2_000, timeout_s=BOUND_S)
    assert result["acknowledged"] == 400
    assert result["seconds"] >= 399 / 2_000
    assert result["rate"] == 2_000
    assert result["window"] is None
    assert result["latency"]["span"] == "intended send to first reply"


def test_latency_counts_from_the_intended_time() -> None:
    """A source that stalls for 50 ms delays its orders, and each is charged from when it was due;
    being behind, they share packets."""
    orders = make_orders(120)

    def stalling() -> Iterator[np.ndarray]:
        yield orders[:10]
        time.sleep(0.05)
        yield orders[10:]

    with responder() as receiver:
        result = send(stalling(), at(receiver), rate=1_000_000, timeout_s=BOUND_S)
    assert result["acknowledged"] == 120
    assert result["sent_packets"] <= 10 + 110 // MAX_PACKET_RECORDS
    assert result["latency"]["p50"] >= 49_000_000


def test_the_window_bounds_what_is_under_way() -> None:
    """Unpaced against a slow receiver never more than the window is unanswered."""
    most = 0

    def watch(sent: int, acknowledged: int) -> None:
        nonlocal most
        most = max(most, sent - acknowledged)

    with responder(delay_s=0.03) as receiver:
        result = send(
            [make_orders(1_000)], at(receiver), window=64, progress=watch, timeout_s=BOUND_S
        )
    assert result["acknowledged"] == 1_000
    assert result["window"] == 64
    assert 0 < most <= 64


def test_only_the_first_event_of_a_command_acknowledges_it() -> None:
    """Fills of makers and further events of a command acknowledge nobody else's order."""
    orders = make_orders(2_000, participants=1)
    with responder(fill_twice) as receiver:
        result = send([orders], at(receiver), window=256, timeout_s=BOUND_S)
    assert result["acknowledged"] == result["latency"]["count"] == 2_000
    assert result["reply_events"] == 6_000


def test_commands_for_one_order_are_answered_in_turn() -> None:
    """Three commands that name one order need three causes, not three events."""
    orders = np.repeat(make_orders(100, participants=1), 3)
    with responder(fill_twice) as receiver:
        result = send([orders], at(receiver), timeout_s=BOUND_S)
    assert result["acknowledged"] == 300
    assert result["unanswered"] == 0
    orders["price_ticks"] = np.tile([0, 0, 1], 100)
    with responder(only_price_1) as receiver:
        result = send_to(receiver, [orders])
    assert result["acknowledged"] == 100
    assert result["unanswered"] == 200


def test_what_enters_from_a_speed_bump_acknowledges_no_other_command() -> None:
    """It has the cause of the command at whose time it enters; that one is acknowledged by its own
    DELAYED, if it comes, and by nothing else."""
    orders = np.repeat(make_orders(200, participants=1), 3)
    orders["price_ticks"] = 1
    with responder(enter_the_last) as receiver:
        result = send([orders], at(receiver), timeout_s=BOUND_S)
    assert (result["acknowledged"], result["unanswered"]) == (600, 0)
    assert result["reply_events"] == 1_800
    orders["price_ticks"] = np.tile([0, 0, 1], 200)
    with responder(enter_the_last) as receiver:
        result = send_to(receiver, [orders])
    assert (result["acknowledged"], result["unanswered"]) == (200, 400)


def test_the_oldest_command_for_an_order_is_answered_first() -> None:
    """A reply after the second command is charged from when the first one left."""
    orders = np.repeat(make_orders(1), 2)
    orders["price_ticks"] = [0, 1]

    def slow() -> Iterator[np.ndarray]:
        yield orders[:1]
        time.sleep(0.05)
        yield orders[1:]

    with responder(only_price_1) as receiver:
        result = send_to(receiver, slow())
    assert result["latency"]["count"] == 1
    assert result["latency"]["max"] >= 50_000_000


def test_unanswered_orders_are_reported() -> None:
    """When half the replies never come the result says how many, after the timeout."""
    with responder(every_other) as receiver:
        result = send_to(receiver, [make_orders(1_000)])
    assert result["sent_orders"] == 1_000
    assert result["acknowledged"] == result["unanswered"] == 500
    assert result["stopped"] is None


def test_lost_replies_do_not_use_up_the_window_without_end() -> None:
    """Unanswered orders are written off after the timeout, so that the rest can be sent."""
    with responder(every_other) as receiver:
        result = send_to(receiver, [make_orders(600)], window=200)
    assert result["sent_orders"] == 600
    assert result["acknowledged"] == result["unanswered"] == 300


def test_a_receiver_that_never_answers_stops_the_sending() -> None:
    """Not one reply to a whole window: the result says why not everything was sent."""
    with responder(nobody) as receiver:
        result = send([make_orders(5_000)], at(receiver), timeout_s=0.2, window=100)
    assert result["stopped"] == "no reply for 0.2 s"
    assert result["acknowledged"] == 0
    assert result["sent_orders"] == result["unanswered"] == 88, "whole packets within the window"
    assert result["latency"] == {
        "span": "send to first reply",
        "count": 0,
        **dict.fromkeys(("p50", "p90", "p99", "p999", "max"), 0),
    }


def test_the_command_says_that_it_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And after how long, where the last orders are the ones without a reply."""
    monkeypatch.setattr(command, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(command, "send_packets", partial(send, timeout_s=0.2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        to = f"127.0.0.1:{silent.getsockname()[1]}"
        done = CliRunner().invoke(command.send, ["--to", to, "--orders", "3"])
    assert done.exit_code == 1
    assert "0 acknowledged, 3 unanswered\n" in done.output
    assert done.output.endswith("gave up on 3 orders: no reply for 0.2 s\n")


@pytest.mark.promise(
    "Each order of a sender is delivered at most once, although packets are duplicated, "
    "delayed and reordered; with a journal also across SIGKILL of all processes and "
    "`--resume`. Replies of another exchange are counted and ignored by the client",
    group="network",
)
def test_foreign_replies_are_counted_and_ignored() -> None:
    """Noise from the other side is no acknowledgement."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(BOUND_S)

        def babble(socket_: socket.socket) -> None:
            _, peer = socket_.recvfrom(2_000)
            for data in (b"", b"hello", bytes(96), bytes(60_000)):
                socket_.sendto(data, peer)

        child = FORK.Process(target=babble, args=(other,))
        child.start()
        with PatientLine(other.getsockname(), lambda _: not child.is_alive()) as line:
            result = send_by_line([make_orders(3)], line, timeout_s=QUIET_S)
        child.join()
    assert result["bad_replies"] == 4
    assert result["acknowledged"] == 0
    assert result["unanswered"] == 3


def test_replies_that_the_system_drops_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """When our own queue overflows, the missing answers are not laid at the receiver's door."""
    monkeypatch.setattr(send_module, "QUEUE_BYTES", 4096)
    orders = make_orders(23, participants=23)  # whose answers share no packet
    with responder() as receiver:

        def stalling() -> Iterator[np.ndarray]:
            yield orders[:22]
            while receiver.counters()["reply_packets"] < 22:
                time.sleep(0.001)
            yield orders[22:]

        result = send_to(receiver, stalling())
    assert result["dropped_replies"] > 0
    assert result["acknowledged"] + result["dropped_replies"] == 23
    assert result["unanswered"] == result["dropped_replies"]


def test_a_missing_listener_is_reported() -> None:
    """A refused connection names the host and port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SendError, match=rf"127\.0\.0\.1:{port}: no process listens there"):
        send([make_orders(10)], ("127.0.0.1", port))
    with pytest.raises(SendError, match=rf"127\.0\.0\.1:{port}: no process listens there"):
        send([make_orders(10)], ("127.0.0.1", port), rate=1_000)


def test_a_receiver_that_ends_in_mid_run_is_said_with_the_figures_so_far() -> None:
    """What was measured before the receiver went is kept, and the result says that it went."""
    orders = make_orders(2_000)
    with Responder() as receiver:
        child = FORK.Process(target=_respond, args=(receiver, accept, None, 0.0))
        child.start()

        def chunks() -> Iterator[np.ndarray]:
            yield orders[:1_000]
            while receiver.counters()["reply_packets"] == 0:
                time.sleep(0.001)
            child.kill()
            child.join()
            receiver.close()
            yield orders[1_000:]

        result = send(chunks(), at(receiver), timeout_s=5)
    assert result["stopped"] == "the receiver no longer listens (connection refused)"
    assert 0 < result["acknowledged"] <= 1_000
    assert result["acknowledged"] + result["unanswered"] == result["sent_orders"] < 2_000


def test_senseless_parameters_are_refused() -> None:
    """A rate or a window of nothing cannot be meant."""
    with pytest.raises(SendError, match="rate"):
        send([], ("127.0.0.1", 9), rate=0)
    with pytest.raises(SendError, match="window"):
        send([], ("127.0.0.1", 9), window=0)
    with pytest.raises(ValueError, match="ORDER_DTYPE"):
        send([np.zeros(3, EVENT_DTYPE)], ("127.0.0.1", 9))


def test_nothing_to_send_is_a_result_of_nothing() -> None:
    """An empty source sends no packet, waits for none, and divides by nothing."""
    result = send([np.zeros(0, ORDER_DTYPE)], ("127.0.0.1", 9))
    assert result["sent_packets"] == result["sent_orders"] == result["unanswered"] == 0
    assert result["orders_per_s"] == 0
