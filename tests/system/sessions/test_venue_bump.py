"""A stage of a venue with a speed bump dies while commands wait.  What does not need processes is
in tests/unit/venue."""

import os
import signal

import pytest

from openoutcry.pipeline.top import running
from openoutcry.replay.replay import replay
from openoutcry.venue.fairness import fairness
from tests.support.order_entry.sessions_venue import Client
from tests.support.processes import free_port
from tests.support.venue.bumped import SESSIONS, TEXT
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    ouch = free_port()
    text = SESSIONS.format(ouch=ouch, fix=free_port())
    served = ServedVenue(tmp_path_factory.mktemp("bumped"), "2026-11-23T10:00", text, TEXT)
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
    """SIGKILL of the process that has it, and wait for the next one."""
    (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)

    def pid_of():
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        return next(row["pid"] for row in rows if row["name"] == stage)

    before = pid_of()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pid_of() != before, f"{stage} is started again")


@pytest.mark.parametrize(
    "stage",
    ["matcher", *(pytest.param(s, marks=pytest.mark.long) for s in ("gateway", "sessions"))],
)
def test_any_stage_may_die_while_commands_wait(venue, stage):
    client = Client(venue.ouch, "ONE", sequence=0)
    before, names = client.number, [f"{stage[0].upper()}{n}" for n in range(3)]
    for name in names:
        client.enter(name, symbol="GOLD", price=10_000)
    while sum(body[:1] == b"A" for body in client.messages) < 3:
        client.message()
    messages = list(client.messages)
    kill_stage(venue, stage)
    client.close()
    client = Client(venue.ouch, "ONE", sequence=before)
    for name in names:
        client.cancel(name)
    while sum(body[:1] == b"C" for body in client.messages) < 3:
        client.message()
    assert client.messages[: len(messages)] == messages
    assert sum(body[:1] == b"T" for body in client.messages) == 3, client.messages
    client.close()
