"""Between two trading days the operator's desk keeps what stops something, over a kill of the
venue, and the next run begins with it; what opens is refused in a line."""

from pathlib import Path

from openoutcry.risk.bits import Setting
from openoutcry.venue.desk_queue import NAME
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import Floor


def test_what_is_asked_for_between_two_days_is_done_first(tmp_path: Path) -> None:
    floor = Floor(tmp_path, VENUE)
    floor.venue.set_time("2026-11-23T17:06")
    floor.venue.wait_for(lambda s: s["state"] == "closed")
    kept = floor.ask("kill", "participant", "1")
    assert kept["queued"]
    assert "when the next day begins" in kept["done"][0]
    assert floor.ask("halt", "TIN")["queued"]
    assert "closed between" in floor.ask("resume", "participant", "1", status=1)["error"]
    assert "no participant 9" in floor.ask("kill", "participant", "9", status=1)["error"]
    floor.venue.kill()
    floor.venue.set_time("2026-11-24T07:00")
    floor.venue.start()
    floor.venue.wait_for(lambda s: s["state"] == "closed")
    floor.venue.set_time("2026-11-24T08:00")
    floor.venue.wait_for(lambda s: s["state"] == "open" and s["risk"].get("killed") == [1])
    floor.venue.wait_for(lambda s: not (floor.venue.journal / NAME).exists())
    assert [what for what in floor.settings() if what in (Setting.KILL, Setting.HALT)] == [
        Setting.KILL, Setting.HALT
    ]  # fmt: skip
    assert floor.venue.status()["risk"]["halted"] == ["TIN"]
    floor.ask("resume", "participant", "1")
    floor.venue.stop()
