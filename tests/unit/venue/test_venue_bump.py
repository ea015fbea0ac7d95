"""A venue with a speed bump in one thread, over OUCH and FIX: it acknowledges an order when it
comes and lets it in when its time has come, over restarts too; the audit reads from the journal
that no order came first out of turn."""

import json

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import JournalReader
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.journal.events import events_of
from openoutcry.order_entry import session_region
from openoutcry.order_entry import sessions_checkpoint as checkpoint
from openoutcry.risk.bits import Setting
from openoutcry.venue.fairness import fairness
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.surveillance import audit_journals as journals
from tests.support.venue.bumped import BUMP_US, SESSIONS, TEXT, WINDOW_US
from tests.support.venue.floor import InlineFloor

PATIENCE_S = 1.0


@pytest.fixture(scope="module")
def bumped(tmp_path_factory):
    floor = InlineFloor(tmp_path_factory.mktemp("bumped"), TEXT + SESSIONS.format(ouch=1, fix=2))
    yield floor
    if floor.run is not None:
        floor.drop()


def ouch(bumped, sequence=0):
    """0: from the newest message on."""
    client = bumped.client("ONE", sequence=sequence)
    client.socket.patience_s = PATIENCE_S
    return client


def letters(client, *wanted):
    """The next messages are these."""
    messages = [client.message() for _ in wanted]
    assert [kind for kind, _ in messages] == list(wanted), messages
    return [fields for _, fields in messages]


def until(client, letter, count):
    """All messages up to ``count`` of that letter."""
    while sum(body[:1] == letter for body in client.messages) < count:
        client.message()
    return list(client.messages)


def test_ouch_is_accepted_at_once_and_has_its_place_when_it_enters(bumped):
    client = ouch(bumped)
    client.enter("A1", symbol="GOLD", price=10_000)
    client.cancel("A1")
    accepted, placed, gone = letters(client, "A", "T", "C")
    assert placed["order_reference_number" if "order_reference_number" in placed else "reference"]
    assert accepted["shares"] == gone["shares"] == 100
    client.enter("A2", symbol="GOLD", price=10_000)
    client.replace("A2", "A3", 50, 11_000)
    client.cancel("A3")
    letters(client, "A", "T", "U", "C")
    client.close()


def test_fix_says_pending_and_then_what_became_of_it(bumped):
    client = bumped.fix("FIRM", target="TEST")
    client.socket.patience_s = PATIENCE_S
    client.buy("GOLD", 10, "100", name="F1")
    client.replace("F1", "GOLD", "1", 8, "101", name="F2")
    client.cancel("F2", "GOLD", "1", name="F3")
    reports = [client.next(0) for _ in range(6)]
    assert [(one[150], one[39], one[11]) for one in reports] == [
        ("A", "A", "F1"),
        ("E", "E", "F2"),
        ("6", "6", "F3"),
        ("0", "0", "F1"),
        ("5", "0", "F2"),
        ("4", "4", "F3"),
    ]
    client.close()


def test_what_was_acknowledged_enters_after_a_restart(bumped):
    client = ouch(bumped)
    before = client.number
    for number in range(4):
        client.enter(f"K{number}", symbol="GOLD", price=10_000)
    messages = until(client, b"A", 4)
    bumped.again()
    client = ouch(bumped, before)
    for number in range(4):
        client.cancel(f"K{number}")
    assert until(client, b"C", 4)[: len(messages)] == messages, "byte for byte"
    assert sum(body[:1] == b"T" for body in client.messages) == 4
    client.close()


def test_a_kill_of_the_participant_takes_what_waits(bumped):
    client = ouch(bumped)
    client.enter("W1", symbol="GOLD", price=10_000)
    letters(client, "A")
    bumped.ask("kill", "participant", "1")
    assert [one[:1] for one in until(client, b"C", 1)[1:]] in ([b"C"], [b"T", b"C"])
    bumped.ask("resume", "participant", "1")
    client.close()


def test_an_order_that_is_sequenced_after_its_delay_enters_at_once(bumped):
    """As where the machine keeps the gateway from the sessions' lane for longer than the delay:
    then it lets in first what waits.  An order that has had its delay is Accepted with its place in
    the book, which no Priority Update follows."""
    client = ouch(bumped)
    client.enter("L1", symbol="GOLD", price=10_000)
    letters(client, "A")
    for name in ("L2", "L3"):
        client.enter(name, symbol="GOLD", price=10_000)
    bumped.run.step_alone("sessions")
    bumped.clock.move(1_000 * (BUMP_US + WINDOW_US))
    letters(client, "T", "A", "A")
    for name in ("L1", "L2", "L3"):
        client.cancel(name)
    letters(client, "C", "C", "C")
    client.close()


def test_a_row_stays_that_the_answer_to_a_waiting_command_names(bumped):
    """Also where the command has let another one in, before it waited itself."""
    client = ouch(bumped)
    client.enter("R1", symbol="GOLD", price=10_000)
    letters(client, "A")
    client.enter("R2", symbol="GOLD", price=10_000)
    for stage in ("sessions", "gateway"):
        bumped.run.step_alone(stage)
    bumped.clock.move(1_000 * (BUMP_US + WINDOW_US))
    # R2 has not reached the core, so the gateway does not yet ask the core which orders are due.
    client.cancel("R1")
    client.enter("R3", symbol="NONE", price=10_000)
    for stage in ("sessions", "gateway"):
        bumped.run.step_alone(stage)
    letters(client, "A", "T", "T", "J")
    region = bumped.run.work.sessions.region
    waits = region.waiting[region.waiting[:, session_region.WAIT_SEQ // 8] != 0]
    assert len(waits) == 1, "the cancel"
    assert region[session_region.ANSWERED_SEQ] <= waits[0, session_region.WAIT_LANE // 8]
    client.cancel("R2")
    letters(client, "C", "C")
    client.close()


def test_sessions_that_die_after_any_event_say_everything_once(bumped):
    """What they have said is made again byte for byte, and the rest follows, also where they die
    between the ENTERED of a command that has waited and its own events."""
    client = ouch(bumped)
    for name in ("D1", "D2"):
        client.enter(name, symbol="GOLD", price=10_000)
    letters(client, "A", "A", "T", "T")
    client.replace("D1", "D3", 50, 11_000)
    client.cancel("D2")
    letters(client, "U", "C")
    client.cancel("D3")
    client.enter("D4", symbol="GOLD", price=10_000)
    client.socket.patience_s = 0.0
    letters(client, "A")
    client.close()
    stream = bumped.run.work.sessions.streams[0]
    said = stream.digest_of(stream.count)
    _, events = bumped.journal()
    entered = events["seq"][events["kind"] == EventKind.ENTERED]
    for last in (*entered[-3:].tolist(), int(entered[-1]) + 1, len(events)):
        bumped.sessions_again(last)
        bumped.step()
        assert (bumped.run.work.sessions.different, stream.digest_of(stream.count)) == (0, said)
    client = ouch(bumped)
    letters(client, "C", "T")
    client.cancel("D4")
    letters(client, "C")
    client.close()


def from_a_checkpoint(floor, cut):
    """What the sessions know at the journal's end is the same from their state at ``cut``, where
    something waits."""
    reader = JournalReader(floor.journal_path)
    whole, again = (
        checkpoint.Shadow(floor.spec, floor.venue.file.instruments, floor.journal_path)
        for _ in range(2)
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


def test_the_audit_finds_no_order_out_of_turn_and_none_waits_when_the_run_has_ended(bumped):
    client = ouch(bumped)
    client.enter("Z1", symbol="GOLD", price=10_000)
    letters(client, "A")
    bumped.close()
    shown = CliRunner().invoke(main, ["venue", "fairness", str(bumped.file), "--json"])
    audit = json.loads(shown.output)
    assert audit["out_of_turn"] == 0, audit
    assert audit["delayed"] >= 10
    assert audit["waiting"] == 0, "what was acknowledged enters before the run ends"
    shown = CliRunner().invoke(main, ["venue", "fairness", str(bumped.file)])
    assert ", 0 out of turn" in shown.output
    commands, events = bumped.journal()
    releases = commands[
        (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.RELEASE)
    ]
    assert len(releases) > 0, "no command waits for the next one to come"
    delayed = events["cause_seq"][events["kind"] == EventKind.DELAYED].tolist()
    for cut in (delayed[0], delayed[len(delayed) // 2], delayed[-1]):
        from_a_checkpoint(bumped, cut)
    stamps = dict(zip(commands["seq"].tolist(), commands["rx_ts_ns"].tolist(), strict=True))
    for event in events[events["kind"] == EventKind.ENTERED]:
        waited_ns = stamps[int(event["cause_seq"])] - stamps[int(event["contra_id"])]
        assert waited_ns >= BUMP_US * 1_000


def test_the_audit_of_a_journal_without_its_beginning_knows_the_waiting_commands(tmp_path):
    """The speed bump was set, and commands wait, before the oldest checkpoint."""
    home = journals.write(tmp_path / "j", journals.orders(7, 6_000, 40_000_000), 60, bump=True)
    whole = fairness(home)
    assert (whole["out_of_turn"], whole["delayed"] > 1_000) == (0, True), whole
    make_checkpoints(home, 2_000)
    assert retire(home)
    rest = fairness(home)
    assert (rest["out_of_turn"], rest["waiting"]) == (0, whole["waiting"]), rest
    assert rest["delayed"] > 1_000
