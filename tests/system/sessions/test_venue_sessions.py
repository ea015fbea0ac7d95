"""Participants trade at a venue over OUCH 4.2: they log in, are answered, and after everything was
killed recover their stream from any number; the next day has a stream of its own."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client import FixClient, SessionEnded
from openoutcry.order_entry.sessions_checkpoint import newest_seq
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import ServedVenue

SESSIONS = """
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:PORT"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
"""


def refused(venue: ServedVenue) -> str:
    """Why the venue does not start."""
    venue.start()
    assert venue.process is not None
    _, err = venue.process.communicate(timeout=600)
    assert venue.process.returncode != 0
    return err


def test_a_session_over_two_days_and_a_kill(tmp_path: Path) -> None:
    port = free_port()
    text = SESSIONS.replace("PORT", str(port)).replace("HASH", HASH)
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", port=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    assert client.answer == ("A", b"  20261123" + b"1".rjust(20))
    client.enter("A", symbol="GOLD")
    assert client.message()[0] == "A"
    before = list(client.messages)
    venue.kill()
    client.close()
    file = tmp_path / "venue.toml"
    (row,) = text.split("[[session]]")[1:]
    second = row.replace("ONE", "TWO")
    file.write_text(file.read_text().replace(f"[[session]]{row}", f"[[session]]{second}"))
    assert "session 1 was ONE OUCH42 of participant 1, not TWO" in refused(venue)
    file.write_text(f"{file.read_text()}[[session]]{row}".replace("TWO", "XXX"))
    file.write_text(file.read_text().replace("ONE", "TWO").replace("XXX", "ONE"))
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    client.message()
    assert client.messages == before
    client.close()
    assert Client(port, "TWO").answer[0] == "A", "a new session, behind the one that was there"
    venue.set_time("2026-11-23T18:00")
    venue.wait_for(lambda status: status["state"] == "closed")
    assert newest_seq(venue.journal) > 0, "the next day begins from there"
    venue.set_time("2026-11-24T10:00")
    venue.wait_for_phase("CONTINUOUS")
    client = Client(port, "ONE")
    assert client.answer[1][:10] == b"  20261124"
    client.close()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)


SWITCHED = """
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
grace_ms = 3_600_000
timeout_ms = 600_000
[[session]]
name = "STAYS"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
cancel_on_disconnect = "none"
timeout_ms = 600_000
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 1
password = "HASH"
"""


def output_of(*words: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_operator_switches_sessions_off_and_on_and_sees_who_was_refused(tmp_path: Path) -> None:
    ports = {"OUCH": str(free_port()), "FIX": str(free_port())}
    text = SWITCHED.replace("HASH", HASH)
    for name, port in ports.items():
        text = text.replace(name, port, 1)
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", port=text)
    file = str(tmp_path / "venue.toml")
    ouch = int(ports["OUCH"])
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    one, stays = Client(ouch, "ONE"), Client(ouch, "STAYS")
    firm = FixClient(
        "127.0.0.1", int(ports["FIX"]), "FIRM", PASSWORD, target="TEST", heartbeat_s=600,
        timeout_s=300,
    )  # fmt: skip
    for client in (one, stays):
        client.enter("A", symbol="GOLD", price=10_000)
        assert client.message()[0] == "A"
    assert "is killed" in output_of("kill", "session", "ONE", "--venue", file)
    assert one.packet() == ("Z", b"")
    assert one.packet() == ("", b""), "the connection is closed"
    assert Client(ouch, "ONE").answer == ("J", b"A")
    output_of("kill", "session", "FIRM", "--venue", file)
    with pytest.raises(SessionEnded, match="logged out"):
        firm.next(300)
    output_of("kill", "session", "STAYS", "--venue", file)
    output_of("resume", "session", "STAYS", "--venue", file)
    unknown = CliRunner().invoke(main, ["kill", "session", "NOBODY", "--venue", file])
    assert unknown.exit_code == 1
    assert "there is no session 'NOBODY'" in unknown.output
    for _ in range(5):
        assert Client(ouch, "STAYS", password="wrong").answer == ("J", b"A")
    assert Client(ouch, "NOSUCH").answer == ("J", b"A")
    rows = venue.wait_for(
        lambda s: sum(row["refused_logins"] != {} for row in s.get("sessions", [])) == 3
    )["sessions"]
    by_name = {row["name"]: row for row in rows}
    assert (by_name["ONE"]["killed"], by_name["FIRM"]["killed"]) == (True, True)
    assert by_name["ONE"]["refused_logins"] == {"switched off": 1}
    assert by_name["STAYS"]["refused_logins"] == {"wrong name or password": 5}
    assert (by_name["STAYS"]["killed"], by_name["STAYS"]["locked"]) == (False, True)
    assert by_name[""]["refused_logins"] == {"wrong name or password": 1}
    shown = output_of("venue", "sessions", file)
    assert "logins refused: 5 wrong name or password" in shown
    assert "session STAYS is locked out" in output_of("venue", "status", file)
    venue.kill()
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    assert Client(ouch, "ONE").answer == ("J", b"A"), "over restarts too"
    output_of("resume", "session", "ONE", "--venue", file)
    again, there = Client(ouch, "ONE"), Client(ouch, "STAYS")
    assert [again.message()[0] for _ in range(2)] == ["A", "C"], "its policy is all, at once"
    assert there.message()[0] == "A"
    there.cancel("A")
    assert there.message()[0] == "C", "its policy is none"
    for client in (again, there):
        client.close()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"], last["open_orders"]) == (0, 0, 0)
