"""A venue's log: one schema, every line whole, followed behind any rotation."""

import pytest

from openoutcry.venue.log import log_folder, log_lines
from tests.support.venue.served_venue import ServedVenue
from tests.support.venue.venue_log import messages


def test_a_venue_says_when_it_begins_ends_and_what_happened(tmp_path):
    """Of a real venue, over a kill; each line has its place in the journal."""
    venue = ServedVenue(tmp_path, "2026-01-05T08:30:00")
    venue.start()
    venue.wait_for_phase("PRE_OPEN")
    venue.kill()
    venue.start()
    venue.wait_for_phase("PRE_OPEN")
    venue.set_time("2026-01-05T10:00:00")
    venue.wait_for_phase("CONTINUOUS")
    venue.stop()
    lines = list(log_lines(venue.journal))
    texts = messages(lines)
    assert texts.count("serving") == 2
    assert texts[-1] == "stopped"
    (opened,) = [line for line in lines if "CONTINUOUS" in line["message"]]
    assert 0 < opened["event.sequence"] <= len(venue.commands())
    numbers = [line["event.sequence"] for line in lines[texts.index("serving", 1) + 1 :]]
    assert numbers == sorted(numbers)
    keys = {"@timestamp", "log.level", "message", "ecs.version", "service.name",
            "service.node.name", "process.pid", "event.sequence"}  # fmt: skip
    assert all(set(line) == keys for line in lines)
    assert log_folder(venue.journal).stat().st_mode & 0o077 == 0


def test_what_ends_a_venue_is_in_its_log(tmp_path):
    from openoutcry.pipeline.contract.work import PipelineError
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.serve import Venue

    ServedVenue(tmp_path, "2026-01-05T08:30:00")
    file = read_venue(tmp_path / "venue.toml")
    with pytest.raises(PipelineError):
        Venue(file).serve(resume=True)
    last = list(log_lines(file.journal))[-1]
    assert last["log.level"] == "error"
    assert "holds no journal to resume" in last["message"]
