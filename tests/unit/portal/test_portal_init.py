"""``outcry portal init``: an example where no file is, and sessions for a file that exists."""

import stat
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import Phase


def test_init_writes_an_example_that_opens_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spot.toml"
    done = CliRunner().invoke(main, ["portal", "init", str(path), "--users", "1"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{path}: an example with wallets for USD, BTC and ETH\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    venue = read_venue(path)
    assert [one.name for one in venue.sessions.sessions] == ["PORTAL1000"]
    checked = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert (checked.exit_code, "3 instruments" in checked.output) == (0, True), checked.output
    assert "no mistake" in checked.output


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
    assert [one.name for one in read_venue(path).sessions.sessions] == ["PORTAL1000", "PORTAL1001"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "spot.toml"
    done = CliRunner().invoke(main, ["portal", "init", str(path)])
    assert done.exit_code != 0
    assert "No such file or directory" in done.output
