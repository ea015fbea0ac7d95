"""Nobody fills the book for everybody: what one participant may hold is bounded, in the core, by a
setting that the journal keeps."""

import socket
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.journal import JournalReader
from openoutcry.journal.core import OPEN_ORDERS
from openoutcry.journal.replay import replay
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import CommandKind, EventKind, Reason
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.dpdk_shim.udp_runs import (
    killed,
    limit_orders,
    listening,
    replied_events,
    started,
    stopped,
)
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S

BOUND = 100


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    compile_kernels(lambda what, done, total: None)


class Client:
    """Sends as one participant and hears what comes of it."""

    def __init__(self, port: int, participant: int) -> None:
        self.participant, self.next_seq = participant, 1
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(BOUND_S)

    def send(self, first_id: int, count: int, kind: CommandKind = CommandKind.NEW) -> np.ndarray:
        orders = limit_orders(count)
        orders["order_id"] += first_id - 1
        orders["participant"], orders["kind"] = self.participant, kind
        came = [np.zeros(0, EVENT_DTYPE)]
        for data in build_packets(orders, self.participant, self.next_seq, 0):
            self.socket.send(data)
            wanted = sum(map(len, came)) + (len(data) - 32) // 64
            while sum(map(len, came)) < wanted:
                came.append(replied_events(self.socket.recv(4_096)))
        self.next_seq += count
        return np.concatenate(came)


def kinds(events: np.ndarray) -> list[int]:
    return [int(kind) for kind in events["kind"]]


@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
def test_one_participant_cannot_hold_more_than_his_share(tmp_path: Path) -> None:
    """Three times his bound: what is beyond is refused by name with its figures, somebody else's
    orders are not, a cancel makes room for one more, it is told, and after a crash of everything
    the journal's bound is the bound."""
    port = free_port()
    arguments = ["--participant-orders", f"{BOUND}"]
    with listening(tmp_path, port, *arguments) as process:
        started(process)
        greedy, other = Client(port, 7), Client(port, 8)
        events = greedy.send(1, 3 * BOUND)
        assert kinds(events) == [EventKind.ACCEPTED] * BOUND + [EventKind.REJECTED] * 2 * BOUND
        refused = events[BOUND:]
        assert set(refused["reason"]) == {Reason.RISK}
        assert set(refused["contra_id"]) == {1 << RiskBit.OPEN_ORDERS}
        figures = {
            (int(e["price_ticks"]), int(e["leaves_lots"]), int(e["qty_lots"])) for e in refused
        }
        assert figures == {(BOUND, BOUND, BOUND + 1)}
        assert set(kinds(other.send(10_001, BOUND))) == {EventKind.ACCEPTED}
        assert kinds(greedy.send(1, 1, CommandKind.CANCEL)) == [EventKind.CANCELLED]
        assert kinds(greedy.send(501, 2)) == [EventKind.ACCEPTED, EventKind.REJECTED]
        assert process.stderr is not None
        # Each of the two once; as of some moment, at which one of them may have made room.
        wanted = {
            f"participant {who} holds {BOUND} open orders, the most that are allowed"
            for who in (7, 8)
        }
        while wanted:
            line = process.stderr.readline()
            assert line
            wanted -= {text for text in wanted if text in line}
        killed(process, tmp_path / "j")
    with listening(tmp_path, port, "--resume") as process:
        started(process)
        again = Client(port, 7)
        again.next_seq = 10_000
        assert kinds(again.send(601, 1)) == [EventKind.REJECTED]
        assert kinds(again.send(2, 1, CommandKind.CANCEL)) == [EventKind.CANCELLED]
        assert kinds(again.send(602, 1)) == [EventKind.ACCEPTED]
        result = stopped(process)
    assert result["open_orders"] == 2 * BOUND
    assert replay(tmp_path / "j")["equal"] is True


@pytest.mark.smoke
@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
def test_by_default_it_takes_four_to_fill_the_book(tmp_path: Path) -> None:
    port = free_port()
    with listening(tmp_path, port) as process:
        started(process)
        stopped(process)
    config = JournalReader(tmp_path / "j").config
    assert config["hooks"] == {"name": OPEN_ORDERS, "limit": config["order_capacity"] // 4}
