"""The operator switches the sessions of a venue off and on, in one thread."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.client import SessionEnded
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE

SWITCHED = f"""
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:1"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:2"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
grace_ms = 3_600_000
timeout_ms = 600_000
[[session]]
name = "STAYS"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
cancel_on_disconnect = "none"
timeout_ms = 600_000
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 1
password = "{HASH}"
"""


def done(floor: InlineFloor, *words: str) -> str:
    """What an operator's command prints."""
    result = floor.outcry(*words)
    assert result.exit_code == 0, result.output
    return result.output


def about(floor: InlineFloor, what: str) -> str:
    return CliRunner().invoke(main, ["venue", what, str(floor.file)]).output


def test_the_operator_switches_sessions_off_and_on_and_sees_refused_logins(tmp_path: Path) -> None:
    floor = InlineFloor(tmp_path, VENUE + SWITCHED)
    one, stays = floor.client("ONE"), floor.client("STAYS")
    firm = floor.fix("FIRM", target="TEST")
    for client in (one, stays):
        client.enter("A", symbol="GOLD", price=10_000)
        assert client.message()[0] == "A"
    assert "is killed" in done(floor, "kill", "session", "ONE")
    assert one.packet() == ("Z", b"")
    assert one.packet() == ("", b""), "the connection is closed"
    assert floor.client("ONE").answer == ("J", b"A")
    done(floor, "kill", "session", "FIRM")
    with pytest.raises(SessionEnded, match="logged out"):
        firm.next(0)
    done(floor, "kill", "session", "STAYS")
    done(floor, "resume", "session", "STAYS")
    unknown = floor.outcry("kill", "session", "NOBODY")
    assert unknown.exit_code == 1
    assert "there is no session 'NOBODY'" in unknown.output
    for _ in range(5):
        assert floor.client("STAYS", password="wrong").answer == ("J", b"A")
    assert floor.client("NOSUCH").answer == ("J", b"A")
    rows = floor.wait_for(
        lambda s: sum(row["refused_logins"] != {} for row in s.get("sessions", [])) == 3
    )["sessions"]
    by_name = {row["name"]: row for row in rows}
    assert (by_name["ONE"]["killed"], by_name["FIRM"]["killed"]) == (True, True)
    assert by_name["ONE"]["refused_logins"] == {"switched off": 1}
    assert by_name["STAYS"]["refused_logins"] == {"wrong name or password": 5}
    assert (by_name["STAYS"]["killed"], by_name["STAYS"]["locked"]) == (False, True)
    assert by_name[""]["refused_logins"] == {"wrong name or password": 1}
    shown = about(floor, "sessions")
    assert "logins refused: 5 wrong name or password" in shown
    assert "session STAYS is locked out" in about(floor, "status")
    floor.again()
    assert floor.client("ONE").answer == ("J", b"A"), "over restarts too"
    done(floor, "resume", "session", "ONE")
    again, there = floor.client("ONE"), floor.client("STAYS")
    assert [again.message()[0] for _ in range(2)] == ["A", "C"], "its policy is all, at once"
    assert there.message()[0] == "A"
    there.cancel("A")
    assert there.message()[0] == "C", "its policy is none"
    for client in (again, there):
        client.close()
    assert floor.close()["open_orders"] == 0
