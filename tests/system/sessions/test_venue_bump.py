"""A venue with a speed bump, over OUCH and FIX: acknowledged when it comes, let in when its time
has come, over kills of the venue too; the audit reads from the journal that nobody came first
out of turn."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client import FixClient
from openoutcry.journal import JournalReader
from openoutcry.journal.archive import retire
from openoutcry.order_entry import sessions_checkpoint as checkpoint
from openoutcry.pipeline.top import running
from openoutcry.replay.checkpoint import make_checkpoints
from openoutcry.replay.events import events_of, starting_point
from openoutcry.replay.replay import replay
from openoutcry.risk.bits import Setting
from openoutcry.venue.fairness import fairness
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, Client
from tests.support.processes import free_port
from tests.support.surveillance import audit_journals as journals
from tests.support.venue.served_venue import VENUE, WAIT_S, ServedVenue

BUMP_US, WINDOW_US = 30_000, 20_000
TEXT = VENUE.replace(
    "housekeeping_cores = 0",
    f"housekeeping_cores = 0\nspeed_bump_us = {BUMP_US}\nspeed_bump_window_us = {WINDOW_US}\n"
    "speed_bump_seed = 11\nspeed_bump_orders = 64",
)
SESSIONS = """
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:FIX"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 2
password = "HASH"
cancel_on_disconnect = "none"
"""


class Bumped:
    def __init__(self, folder):
        self.ports = free_port(), free_port()
        text = SESSIONS.replace("HASH", HASH).replace("OUCH", str(self.ports[0]))
        self.venue = ServedVenue(
            folder, "2026-11-23T10:00", text.replace("FIX", str(self.ports[1])), TEXT
        )
        self.file = str(folder / "venue.toml")
        self.open()

    def open(self):
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")

    def ouch(self, sequence=0):
        """0: from the newest message on."""
        return Client(self.ports[0], "ONE", sequence=sequence)

    def fix(self):
        return FixClient("127.0.0.1", self.ports[1], "FIRM", PASSWORD, target="TEST",
                         heartbeat_s=600, timeout_s=300)  # fmt: skip

    def journal(self):
        reader = JournalReader(self.venue.journal)
        batches = [(np.array(b.commands), np.array(b.events))
                   for b in events_of(reader, starting_point(reader))]  # fmt: skip
        return tuple(np.concatenate(column) for column in zip(*batches, strict=True))

    def run(self, *words):
        completed = CliRunner().invoke(main, words)
        assert completed.exit_code == 0, completed.output
        return completed.output


def from_a_checkpoint(served, cut):
    """What the sessions know at the journal's end is the same from their state at ``cut``, where
    something waits."""
    venue_file, reader = read_venue(Path(served.file)), JournalReader(served.venue.journal)
    spec = replace(venue_file.sessions, delayed=64, day="20261123", day_begin_ns=1)
    whole, again = (
        checkpoint.Shadow(spec, venue_file.instruments, served.venue.journal) for _ in range(2)
    )
    point = checkpoint.resume(whole, reader, -1)
    for batch in events_of(reader, point, from_seq=1, until_seq=cut):
        whole.apply(batch, 1 << 62)
    assert len(checkpoint.arrays_of(whole)["places"]) > 0
    again.begin()
    checkpoint.put_back(again, checkpoint.arrays_of(whole))
    for batch in events_of(reader, point, from_seq=cut + 1):
        whole.apply(batch, 1 << 62)
        again.apply(batch, 1 << 62)
    mine, theirs = checkpoint.arrays_of(whole), checkpoint.arrays_of(again)
    for name in mine:
        assert mine[name].tobytes() == theirs[name].tobytes(), name


def order_id_told(client, *letters):
    """The next messages are these."""
    messages = [client.message() for _ in letters]
    assert [kind for kind, _ in messages] == list(letters), messages
    return [fields for _, fields in messages]


def report(client, timeout_s=300):
    message = client.next(timeout_s)
    return message[150], message[39], message[11]


@pytest.fixture(scope="module")
def bumped(tmp_path_factory):
    served = Bumped(tmp_path_factory.mktemp("bumped"))
    yield served
    last = served.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(served.venue.journal)
    assert (replayed["state_hash"], replayed["commands"]) == (last["state_hash"], last["commands"])
    audit = json.loads(served.run("venue", "fairness", served.file, "--json"))
    assert audit["out_of_turn"] == 0, audit
    assert audit["delayed"] >= 10
    assert audit["waiting"] == 0, "what was acknowledged enters before the run ends"
    assert ", 0 out of turn" in served.run("venue", "fairness", served.file)
    commands, events = served.journal()
    releases = commands[(commands["kind"] == CommandKind.RISK)
                        & (commands["order_type"] == Setting.RELEASE)]  # fmt: skip
    assert len(releases) > 0, "nobody waits for the next command to come"
    delayed = events["cause_seq"][events["kind"] == EventKind.DELAYED].tolist()
    for cut in (delayed[0], delayed[len(delayed) // 2], delayed[-1]):
        from_a_checkpoint(served, cut)
    stamps = dict(zip(commands["seq"].tolist(), commands["rx_ts_ns"].tolist(), strict=True))
    for event in events[events["kind"] == EventKind.ENTERED]:
        waited_ns = stamps[int(event["cause_seq"])] - stamps[int(event["contra_id"])]
        assert waited_ns >= BUMP_US * 1_000


def test_ouch_is_accepted_at_once_and_has_its_place_when_it_enters(bumped):
    client = bumped.ouch()
    client.enter("A1", symbol="GOLD", price=10_000)
    client.cancel("A1")
    accepted, placed, gone = order_id_told(client, "A", "T", "C")
    assert placed["order_reference_number" if "order_reference_number" in placed else "reference"]
    assert accepted["shares"] == gone["shares"] == 100
    client.enter("A2", symbol="GOLD", price=10_000)
    client.replace("A2", "A3", 50, 11_000)
    client.cancel("A3")
    order_id_told(client, "A", "T", "U", "C")
    client.close()


def test_fix_tells_pending_and_then_what_became_of_it(bumped):
    client = bumped.fix()
    client.buy("GOLD", 10, "100", name="F1")
    client.replace("F1", "GOLD", "1", 8, "101", name="F2")
    client.cancel("F2", "GOLD", "1", name="F3")
    reports = [report(client) for _ in range(6)]
    # Pending and what became of it, each in their order: a slow machine mixes the two.
    pending = [one for one in reports if one[0] in "A6E"]
    assert pending == [("A", "A", "F1"), ("E", "E", "F2"), ("6", "6", "F3")]
    assert [one for one in reports if one not in pending] == [
        ("0", "0", "F1"), ("5", "0", "F2"), ("4", "4", "F3"),
    ]  # fmt: skip
    client.close()


def test_what_was_acknowledged_enters_after_a_kill_of_the_venue(bumped):
    client = bumped.ouch()
    before = client.number
    for number in range(4):
        client.enter(f"K{number}", symbol="GOLD", price=10_000)
    while sum(body[:1] == b"A" for body in client.messages) < 4:
        client.message()
    bumped.venue.kill()
    messages = list(client.messages)
    client.close()
    bumped.open()
    client = bumped.ouch(before)
    for number in range(4):
        client.cancel(f"K{number}")
    while sum(body[:1] == b"C" for body in client.messages) < 4:
        client.message()
    assert client.messages[: len(messages)] == messages, "byte for byte"
    assert sum(body[:1] == b"T" for body in client.messages) == 4
    client.close()


def test_a_kill_of_the_participant_takes_what_waits(bumped):
    client = bumped.ouch()
    client.enter("W1", symbol="GOLD", price=10_000)
    order_id_told(client, "A")
    bumped.run("kill", "participant", "1", "--venue", bumped.file)
    letter = client.message()[0]
    while letter != "C":
        assert letter == "T"
        letter = client.message()[0]
    bumped.run("resume", "participant", "1", "--venue", bumped.file)
    client.close()


def kill_stage(venue, stage):
    """SIGKILL of the process that has it, and wait for the next one."""
    (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)

    def pid_of():
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        return next(row["pid"] for row in rows if row["name"] == stage)

    before = pid_of()
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + WAIT_S
    while pid_of() == before:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("stage", ["gateway", "matcher", "sessions"])
def test_any_stage_may_die_while_commands_wait(bumped, stage):
    client = bumped.ouch()
    before, names = client.number, [f"{stage[0].upper()}{n}" for n in range(3)]
    for name in names:
        client.enter(name, symbol="GOLD", price=10_000)
    while sum(body[:1] == b"A" for body in client.messages) < 3:
        client.message()
    messages = list(client.messages)
    kill_stage(bumped.venue, stage)
    client.close()
    client = bumped.ouch(before)
    for name in names:
        client.cancel(name)
    while sum(body[:1] == b"C" for body in client.messages) < 3:
        client.message()
    assert client.messages[: len(messages)] == messages
    assert sum(body[:1] == b"T" for body in client.messages) == 3
    client.close()


def test_the_audit_of_a_journal_without_its_begin_knows_who_waits(tmp_path):
    """The speed bump was set, and commands wait, before the oldest checkpoint."""
    home = journals.write(tmp_path / "j", journals.orders(7, 6_000, 40_000_000), 60, bump=True)
    whole = fairness(home)
    assert (whole["out_of_turn"], whole["delayed"] > 1_000) == (0, True), whole
    make_checkpoints(home, 2_000)
    assert retire(home)
    rest = fairness(home)
    assert (rest["out_of_turn"], rest["waiting"]) == (0, whole["waiting"]), rest
    assert rest["delayed"] > 1_000
