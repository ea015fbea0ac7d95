"""A venue's log: one schema, every line whole, followed behind any rotation."""

import json

import pytest

from openoutcry.runtime.work import PipelineError
from openoutcry.venue import log as venue_log
from openoutcry.venue.file import read_venue
from openoutcry.venue.log import FILE_NAME, VenueLog, follow_lines, log_folder, log_lines
from openoutcry.venue.serve import Venue
from tests.support.venue.served_venue import VENUE


def messages(lines):
    return [line["message"] for line in lines]


def test_every_line_is_followed_after_rotations(tmp_path, monkeypatch):
    """Files of some lines each: nothing is missing, nothing comes twice, only the oldest go."""
    monkeypatch.setattr(venue_log, "MAX_BYTES", 1_000)
    journal = tmp_path / "journal"
    count = [0]
    log = VenueLog(journal, "TEST", lambda: count[0])
    followed, came = follow_lines(journal), []
    for number in range(200):
        count[0] = number
        log.write("info", f"line {number}")
        for line in followed:
            if line is None:
                break
            came.append(line)
    log.close()
    assert messages(came) == [f"line {n}" for n in range(200)]
    kept = list(log_lines(journal))
    assert messages(kept) == messages(came)[-len(kept) :]
    assert len(list(log_folder(journal).iterdir())) == 1 + venue_log.KEPT
    again = follow_lines(journal, last=3)
    assert [next(again)["message"] for _ in range(3)] == ["line 197", "line 198", "line 199"]
    assert next(again) is None


def test_a_line_that_was_torn_is_left_out(tmp_path):
    log = VenueLog(tmp_path / "journal", "TEST", lambda: 0)
    log.write("info", "whole")
    log.close()
    path = log_folder(tmp_path / "journal") / FILE_NAME
    path.write_bytes(path.read_bytes() + json.dumps({"message": "torn"})[:-3].encode())
    assert messages(log_lines(tmp_path / "journal")) == ["whole"]


def test_what_ends_a_venue_is_in_its_log(tmp_path):
    (tmp_path / "venue.toml").write_text(VENUE)
    file = read_venue(tmp_path / "venue.toml")
    with pytest.raises(PipelineError):
        Venue(file).serve(resume=True)
    last = list(log_lines(file.journal))[-1]
    assert last["log.level"] == "error"
    assert "has no journal to resume" in last["message"]
