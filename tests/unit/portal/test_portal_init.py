"""``outcry portal init``: an example where no file is, and sessions for a file that exists."""

import os
import pwd
import stat
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.init import _write_keys, prepare, write_example
from openoutcry.portal.trading.broker import read_passwords
from openoutcry.portal.trading.session_broker import SessionBroker
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import Phase
from openoutcry.wire.errors import OutcryError
from tests.support.order_entry.sessions_venue import HASH


def test_init_writes_an_example_that_opens_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    done = CliRunner().invoke(main, ["portal", "init", str(path), "--users", "1"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{path}: an example with wallets for USD, BTC and ETH\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    venue = read_venue(path)
    assert [one.name for one in venue.sessions.sessions] == ["PORTAL-1"]
    checked = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert (checked.exit_code, "3 instruments" in checked.output) == (0, True), checked.output
    assert "no mistake" in checked.output


def test_a_portal_of_a_venue_with_a_speed_bump_does_not_begin(tmp_path: Path) -> None:
    """It would show no order that waits."""
    path = tmp_path / "spot.toml"
    CliRunner().invoke(main, ["portal", "init", str(path), "--users", "1"])
    path.write_text(path.read_text().replace("[venue]", "[venue]\nspeed_bump_us = 350", 1))
    done = CliRunner().invoke(main, ["portal", "serve", str(path)])
    assert done.exit_code != 0
    assert "speed_bump_us: a portal shows no orders that wait" in done.output + str(done.exception)
    assert not (folder_of(read_venue(path)) / "postgresql").exists()


def test_the_example_never_closes(tmp_path: Path) -> None:
    """Each day of the week begins where the one before ends, at midnight."""
    path = tmp_path / "spot.toml"
    assert CliRunner().invoke(main, ["portal", "init", str(path), "--users", "1"]).exit_code == 0
    calendar = read_venue(path).calendar
    monday = date(2026, 11, 30)
    days = [calendar.trading_day(monday + timedelta(days=number)) for number in range(8)]
    for day, following in pairwise(days):
        assert day is not None
        assert following is not None
        assert following.begin_ns == day.end_ns
        assert utc_text(day.end_ns) == f"{following.day}T00:00:00Z"
        assert {command.phase for command in following.phases} == {None}
        for at_ns in (day.end_ns - 1, day.end_ns):
            assert set(calendar.expected(at_ns).values()) == {Phase.CONTINUOUS}


def test_a_file_that_exists_keeps_its_text(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    assert CliRunner().invoke(main, ["portal", "init", str(path), "--users", "1"]).exit_code == 0
    before = path.read_text()
    again = CliRunner().invoke(
        main, ["portal", "init", str(path), "--users", "1", "--first", "1001"]
    )
    assert again.exit_code == 0, again.output
    assert "an example" not in again.output
    assert path.read_text().startswith(before)
    sessions = read_venue(path).sessions.sessions
    assert [(one.name, one.participant, one.acts_for) for one in sessions] == [
        ("PORTAL-1", 999, ((1000, 1000),)),
        ("PORTAL-2", 999, ((1001, 1001),)),
    ]


@pytest.mark.parametrize("users", [2, 3, 31, 64, 1_000, 63_900])
def test_each_participant_has_one_session_and_neighbours_have_several(
    tmp_path: Path, users: int
) -> None:
    path = tmp_path / "spot.toml"
    write_example(path)
    text = path.read_text().replace("participant_capacity = 1_063", "participant_capacity = 65_000")
    path.write_text(text.replace("number = 1\n", "number = 1001\n"))  # within the range
    for more in (0, 5):
        prepare(read_venue(path), 1000, users + more)
    file = read_venue(path)
    keys = read_passwords(folder_of(file) / "sessions.json")
    broker = SessionBroker(file, keys)
    wanted = {*range(1000, 1000 + users + 5)} - {1001}
    assert broker.participants == sorted(wanted)
    counts = Counter(
        number
        for session in file.sessions.sessions
        for first, last in session.acts_for
        for number in range(first, last + 1)
    )
    assert set(counts) == wanted
    assert set(counts.values()) == {1}, "no participant's orders come by two sessions"
    assert {row.participant for row in file.sessions.sessions} == {999}
    assert all(row.rings for row in file.sessions.sessions)
    shares = Counter(broker.session_of(number) for number in wanted if number < 1000 + users)
    assert max(shares.values()) <= 2 * (users // len(shares)) + 2
    assert {row.uid for row in file.sessions.sessions} == {-1}, "of the venue's own account"
    assert [port.path for port in file.sessions.ports] == [file.journal.parent / "shm.socket"]


def test_gaps_that_no_ranges_can_say_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    write_example(path)
    rows = "".join(f'[[participant]]\nnumber = {n}\nname = "P{n}"\n' for n in range(901, 1000, 2))
    path.write_text(path.read_text() + rows)
    with pytest.raises(OutcryError, match="more than 32 ranges; choose a --first without gaps"):
        prepare(read_venue(path), 900, 100)
    with pytest.raises(OutcryError, match="no participant below 1 is free"):
        prepare(read_venue(path), 1, 64)


def test_a_file_that_everybody_may_read_gets_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    write_example(path)
    path.chmod(0o644)
    with pytest.raises(OutcryError, match=f"every user may read it.*run chmod o= {path}"):
        prepare(read_venue(path), 1000, 1)
    assert read_venue(path).sessions.sessions == ()
    path.chmod(0o640)
    prepare(read_venue(path), 1000, 1)


def test_the_portal_may_have_an_account_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    name = pwd.getpwuid(os.getuid()).pw_name
    done = CliRunner().invoke(main, ["portal", "init", str(path), "--users", "2", "--user", name])
    assert done.exit_code == 0, done.output
    assert {row.uid for row in read_venue(path).sessions.sessions} == {os.getuid()}


def keys_of(path: Path) -> dict[str, str]:
    return read_passwords(folder_of(read_venue(path)) / "sessions.json")


def test_sessions_over_tcp_are_for_a_portal_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    where = ["--tcp", "192.0.2.1:9003", "--from", "192.0.2.7"]
    done = CliRunner().invoke(main, ["portal", "init", str(path), "--users", "2", *where])
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"{path}: a port for shm at 192.0.2.1:9003\n")
    file, keys = read_venue(path), keys_of(path)
    assert {str(*row.networks) for row in file.sessions.sessions} == {"192.0.2.7/32"}
    broker = SessionBroker(file, keys)
    assert (broker.participants, broker.at) == ([1000, 1001], ("192.0.2.1", 9003))
    assert SessionBroker(file, keys, ("203.0.113.1", 1)).at == ("203.0.113.1", 1)


def test_a_portal_on_the_same_host_keeps_to_shared_memory(tmp_path: Path) -> None:
    """Sessions that were there before may not log in over TCP, where its settings name a port."""
    path = tmp_path / "spot.toml"
    write_example(path)
    prepare(read_venue(path), 1000, 1)
    here = read_venue(path).journal.parent / "shm.socket"
    with pytest.raises(OutcryError, match=r"needs a \[\[port\]\] of shm with an address"):
        SessionBroker(read_venue(path), keys_of(path), ("192.0.2.1", 9003))
    prepare(read_venue(path), 1001, 1, "0.0.0.0:9003", "192.0.2.0/24")
    file, keys = read_venue(path), keys_of(path)
    assert (SessionBroker(file, keys).at, len(keys)) == (here, 2)
    with pytest.raises(OutcryError, match=r"session PORTAL-1 .* may not log in over TCP: it needs"):
        SessionBroker(file, keys, ("192.0.2.1", 9003))


@pytest.mark.parametrize(
    "terms", [("1.2.3.4", "1.2.3.4"), ("1.2.3.4:70000", "1.2.3.4"), ("1.2.3.4:1", "1.2.3.4/x")]
)
def test_a_port_or_network_that_is_none_is_named(tmp_path: Path, terms: tuple[str, str]) -> None:
    path = tmp_path / "spot.toml"
    write_example(path)
    before = path.read_text()
    with pytest.raises(OutcryError, match=r"the portal's port or network: '1.2.3.4"):
        prepare(read_venue(path), 1000, 1, *terms)
    assert path.read_text() == before
    alone = CliRunner().invoke(main, ["portal", "init", str(path), "--tcp", "1.2.3.4:1"])
    assert (alone.exit_code, "--tcp and --from are given together" in alone.output) == (2, True)


OLDER = """
[[session]]
name = "PORTAL{number}"
protocol = "fix-4.4"
participant = {number}
password = "{hash}"
cancel_on_disconnect = "none"
"""


def test_the_participants_of_an_older_portal_get_sessions_and_it_loses_those_over_fix(
    tmp_path: Path,
) -> None:
    """Their rows stay in the file, as the journal knows sessions by their places."""
    path = tmp_path / "spot.toml"
    write_example(path)
    rows = "".join(OLDER.format(number=number, hash=HASH) for number in range(1000, 1004))
    port = '\n[[port]]\nprotocol = "fix-4.4"\naddress = "127.0.0.1:9003"\n'
    path.write_text(path.read_text() + rows + port)
    folder = folder_of(read_venue(path))
    make_folder(folder)
    _write_keys(folder / "sessions.json", {f"PORTAL{number}": "x" for number in range(1000, 1003)})
    with pytest.raises(OutcryError, match=r"session PORTAL1000 .* over FIX.*`outcry portal init`"):
        SessionBroker(read_venue(path), keys_of(path))
    (*_, said) = prepare(read_venue(path), 1000, 2)
    assert said.startswith(f"{path}: the portal no longer uses PORTAL1000, PORTAL1001, which stay")
    with pytest.raises(OutcryError, match=r"session PORTAL1002 .* over FIX"):
        SessionBroker(read_venue(path), keys_of(path))
    prepare(read_venue(path), 1000, 5)
    file = read_venue(path)
    assert [row.name for row in file.sessions.sessions[:5]] == [
        *(f"PORTAL{number}" for number in range(1000, 1004)),
        "PORTAL-1",
    ]
    # The keys of 1003 are nobody's: it is a member's own session.
    assert SessionBroker(file, keys_of(path)).participants == [1000, 1001, 1002, 1004]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "spot.toml"
    done = CliRunner().invoke(main, ["portal", "init", str(path)])
    assert done.exit_code != 0
    assert "No such file or directory" in done.output
