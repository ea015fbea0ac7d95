"""A venue stays open over days and over its own death: phases come by the calendar and once each,
DAY orders end with their day, GTC orders are carried over, what was acknowledged is never lost and
nothing is executed twice, however often all of it is killed."""

from pathlib import Path

from tests.support.venue.served_venue import PORT, VENUE


def test_what_cannot_be_served_is_reported_in_a_line(outcry, tmp_path: Path) -> None:
    (tmp_path / "venue.toml").write_text(VENUE + PORT.format(port=0))
    done = outcry("serve", "venue.toml", "--resume")
    assert (done.returncode, done.stderr) == (
        1,
        f"outcry: {tmp_path}/journal has no journal to resume; start without --resume\n",
    )
    (tmp_path / "venue.toml").write_text(VENUE.replace("GOLD", ""))
    done = outcry("serve", "venue.toml")
    assert done.returncode == 1
    assert "venue.toml: line 16: instrument[1].symbol: '' is not 1 to 24" in done.stderr
    shown = outcry("venue", "status", "venue.toml")
    assert shown.returncode == 1
