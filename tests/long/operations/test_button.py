"""The big red button while orders pour in: rehearsed again and again, then pressed, with a stage
that hangs.  The figures go to docs/evidence."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from openoutcry.operations.dump import read_dump
from openoutcry.pipeline.send import send
from openoutcry.pipeline.top import running
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.desk import ask
from openoutcry.venue.operations import STEPS
from openoutcry.wire.enums import TimeInForce
from tests.support.venue.served_venue import VENUE, ServedVenue, orders
from tests.support.waiting import BOUND_S

OPEN, FLOOD, FLOOD_RATE = 2_000, 4_000, 20_000
OFTEN = VENUE.replace("4096", "65536").replace("checkpoint_every = 0", "checkpoint_every = 99_999")
"""Each dump has the books: from a checkpoint, as on any venue, not from the journal's begin."""


class Flood:
    """Orders that trade with nobody, one sender after the other, until it is over."""

    def __init__(self, venue):
        self.venue, self.over, self.sent = venue, threading.Event(), 0
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        batch = orders(1_000_000, FLOOD, TimeInForce.IOC)
        batch["price_ticks"] = 10
        while not self.over.is_set():
            batch["order_id"] += FLOOD
            self.venue.senders += 1
            send(
                [batch],
                ("127.0.0.1", self.venue.port),
                rate=FLOOD_RATE,
                sender_id=self.venue.senders,
                timeout_s=BOUND_S,
            )
            self.sent += len(batch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def wait_for(path):
    until_s = time.monotonic() + BOUND_S
    while not path.exists():
        assert time.monotonic() < until_s, path
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.parametrize("count", [100])
def test_it_is_rehearsed_a_hundred_times_under_flood(tmp_path, count):
    """Each rehearsal goes all six steps and leaves a dump that can be read; then it is pressed
    while a stage hangs: the stage is killed and restarted, and the close goes on to its end."""
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00", venue=OFTEN)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.send(orders(1, OPEN, TimeInForce.GTC))
    took_s, failed, unread = [], [], []
    with Flood(venue) as flood:
        for number in range(count):
            begun = time.monotonic()
            answer = ask(venue.journal, {"do": "rehearse", "why": f"drill {number}"})
            took_s.append(time.monotonic() - begun)
            if len(answer["done"]) != len(STEPS) or answer["commands"] != len(STEPS):
                failed.append(number)
            wait_for(Path(answer["dump"]))  # on a busy host the answer may come before it
            dump = read_dump(Path(answer["dump"]))
            rows = dump["books"].get("orders", {}).get("rows", [])
            if len(rows) < OPEN:
                unread.append(number)
            for path in venue.journal.glob("rehearsal-*"):
                path.unlink()
        (one,) = [one for one in running() if one.owner.pid == venue.process.pid]
        gate = one.table.index["gate"]
        os.kill(one.control.stage(gate).pid, signal.SIGSTOP)
        begun = time.monotonic()
        closed = ask(venue.journal, {"do": "emergency-close", "why": "a stage hangs"})
        pressed_s = time.monotonic() - begun
    assert [line.partition(": ")[0] for line in closed["done"]] == [
        f"step {number}" for number in range(1, len(STEPS) + 1)
    ]
    status = venue.wait_for(lambda status: status["risk"]["emergency_step"] == len(STEPS))
    assert status["risk"]["market_killed"]
    assert one.open_orders == 0
    restarts = one.control.stage(gate).restarts
    result = venue.stop()
    write_evidence(
        "rehearsals",
        {
            "rehearsals": count,
            "failed": len(failed),
            "dumps_not_whole": len(unread),
            "flood_orders_sent": flood.sent,
            "flood_orders_per_s": FLOOD_RATE,
            "open_orders": OPEN,
            "rehearsal_s": {q: float(np.quantile(took_s, float(q))) for q in ("0.5", "0.99", "1")},
            "pressed_with_a_hung_stage_s": pressed_s,
            "restarts_of_the_hung_stage": restarts,
            "lost": result["last_run"]["lost"],
            "duplicated": result["last_run"]["duplicated"],
        },
        'make test-long ARGS="tests/long/operations/test_button.py"',
    )
    assert (failed, unread) == ([], [])
    assert restarts >= 1
    assert flood.sent > count * FLOOD / 10
    assert (result["last_run"]["lost"], result["last_run"]["duplicated"]) == (0, 0)
