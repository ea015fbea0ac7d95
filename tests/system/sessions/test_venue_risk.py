"""Kill switches of a venue that runs as processes: while orders come in, and over a kill of the
venue.  What does not need processes is in tests/unit/venue."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from openoutcry.journal.replay import replay
from openoutcry.pipeline.send import send
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    EventKind,
    Side,
)
from tests.support.venue.venue_floor import Floor, kinds, order
from tests.support.waiting import BOUND_S


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = Floor(tmp_path_factory.mktemp("floor"))
    yield trading_floor
    last = trading_floor.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(trading_floor.venue.journal)
    assert (replayed["state_hash"], replayed["commands"]) == (last["state_hash"], last["commands"])


def test_under_way_the_core_refuses_first_and_then_the_gateway(floor) -> None:
    """Orders come in all the time, and none is accepted after the KILL; from one on, which is soon,
    the gateway refuses them all."""
    first_id, enough = 100_000, threading.Event()

    def flow() -> Iterator[np.ndarray]:
        for number in itertools.count(first_id, 50):
            if enough.is_set():
                return
            yield np.concatenate([order(number + n, Side.BUY, 1, 10) for n in range(50)])

    def beyond(count: int) -> None:
        floor.venue.wait_for(lambda s: s["commands"] > count)

    floor.venue.senders += 1
    before = len(floor.journal()[0])
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(
            send,
            flow(),
            ("127.0.0.1", floor.venue.port),
            rate=1_000,
            sender_id=floor.venue.senders,
            timeout_s=BOUND_S,
        )
        try:
            beyond(before + 500)
            floor.ask("kill", "participant", "1")
            beyond(len(floor.journal()[0]) + 500)
        finally:
            enough.set()
        done = sent.result()
        assert done["acknowledged"] == done["sent_orders"]
    commands, events = floor.journal()
    kills = (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.KILL)
    killed = int(commands["seq"][kills][-1])
    ours = (commands["order_id"] >= first_id) & (commands["kind"] == CommandKind.NEW)
    behind = commands[ours & (commands["seq"] > killed)]
    assert len(behind)
    at_gateway = behind["error_code"] == 1 << ErrorBit.PARTICIPANT
    first = int(np.argmax(at_gateway))
    assert at_gateway[first:].all()
    answers = events[np.isin(events["cause_seq"], behind["seq"])]
    assert set(kinds(answers)) == {EventKind.REJECTED}
    print(
        f"refused by the core {first}, by the gateway {len(behind) - first}; "
        f"{int(behind['seq'][first]) - killed} commands behind the kill"
    )
    floor.again()
    floor.venue.wait_for(lambda status: status["risk"]["killed"] == [1])
    floor.ask("resume", "participant", "1")
    (passed,) = floor.send(order(9_000, Side.BUY, 1, 10))
    assert kinds(passed) == [EventKind.ACCEPTED]
