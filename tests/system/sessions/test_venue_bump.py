"""A stage of a venue with a speed bump dies while commands wait.  What does not need processes is
in tests/unit/venue."""

import itertools
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.journal.replay import replay
from openoutcry.pipeline.top import running
from openoutcry.venue.fairness import fairness
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.order_entry.sessions_venue import Client
from tests.support.processes import free_port
from tests.support.venue.bumped import BUMP_US, SESSIONS, TEXT
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    ouch = free_port()
    text = SESSIONS.format(ouch=ouch, fix=free_port())
    longest = TEXT.replace(f"speed_bump_us = {BUMP_US}", "speed_bump_us = 100_000")
    served = ServedVenue(tmp_path_factory.mktemp("bumped"), "2026-11-23T10:00", text, longest)
    served.ouch = ouch
    served.start()
    served.wait_for_phase("CONTINUOUS")
    yield served
    last = served.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(served.journal)
    assert (replayed["state_hash"], replayed["commands"]) == (last["state_hash"], last["commands"])
    audit = fairness(served.journal)
    assert (audit["out_of_turn"], audit["waiting"]) == (0, 0), audit


def kill_stage(venue, stage):
    """SIGKILL of the process that has it, and wait for the next one; ns since the epoch at its
    death."""
    (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)

    def pid_of():
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        return next(row["pid"] for row in rows if row["name"] == stage)

    before = pid_of()
    os.kill(before, signal.SIGKILL)
    died_ns = time.time_ns()
    wait_until(lambda: pid_of() != before, f"{stage} is started again")
    return died_ns


def when_entered(venue, count):
    """When those of the last ``count`` orders entered that had waited at the speed bump, and how
    many they are."""
    reader = JournalReader(venue.journal)
    batches = [
        (np.array(batch.commands), np.array(batch.events))
        for batch in events_of(reader, starting_point(reader))
    ]
    commands, events = (np.concatenate(part) for part in zip(*batches, strict=True))
    orders = commands["seq"][commands["kind"] == CommandKind.NEW][-count:]
    entries = events[(events["kind"] == EventKind.ENTERED) & np.isin(events["contra_id"], orders)]
    return commands["rx_ts_ns"][np.isin(commands["seq"], entries["cause_seq"])], len(entries)


def dies_while_orders_wait(venue, stage, names):
    """One death: nothing is lost or sent twice.  Returns whether an order waited over it: on a busy
    machine all may have entered before.  An order that is sequenced after its delay does not
    wait, and no Priority Update follows its acceptance."""
    client = Client(venue.ouch, "ONE", sequence=0)
    before = client.number
    for name in names:
        client.enter(name, symbol="GOLD", price=10_000)
    while sum(body[:1] == b"A" for body in client.messages) < len(names):
        client.message()
    messages = list(client.messages)
    died_ns = kill_stage(venue, stage)
    client.close()
    client = Client(venue.ouch, "ONE", sequence=before)
    for name in names:
        client.cancel(name)
    while sum(body[:1] == b"C" for body in client.messages) < len(names):
        client.message()
    client.close()
    assert client.messages[: len(messages)] == messages
    entered_ns, entries = when_entered(venue, len(names))
    letters = Counter(body[:1] for body in client.messages)
    assert letters == {b"A": len(names), b"T": entries, b"C": len(names)}, client.messages
    return bool((entered_ns > died_ns).any())


@pytest.mark.parametrize(
    "stage",
    ["matcher", *(pytest.param(s, marks=pytest.mark.long) for s in ("gateway", "sessions"))],
)
def test_any_stage_may_die_while_commands_wait(venue, stage):
    rounds = ([f"{stage[0].upper()}{number}{n}" for n in range(3)] for number in itertools.count())
    wait_until(
        lambda: dies_while_orders_wait(venue, stage, next(rounds)),
        f"an order waits while {stage} dies",
    )
