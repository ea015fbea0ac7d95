"""A folder that another release began stays readable and its closed cases closed; this release
continues behind it and says what differs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal.desk_record import NAME as DESK
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.evidence import NAME as HITS
from openoutcry.surveillance.evidence import ROW_BYTES, read_hits
from openoutcry.surveillance.run import CaseBook, folder_of, run
from openoutcry.wire.errors import SurveillanceError
from tests.support.surveillance import audit_journals as journals
from tests.support.surveillance.surveillance_flow import LOW

LATER = Settings(parameters=LOW)
UNTIL = 700


def begun(home: Path, monkeypatch: pytest.MonkeyPatch, until_seq: int = UNTIL) -> None:
    """Let another release examine a journal, and two people close its cases."""
    import openoutcry.surveillance.run as module

    with monkeypatch.context() as other:
        values = Settings.values

        def before(self: Settings) -> dict[str, int]:
            rows = values(self)
            return {name: rows[name] for name in rows if name != "ramp_few_trades"}

        other.setattr(Settings, "values", before)
        other.setattr(Settings, "digest", lambda self: "0" * 32)
        other.setattr(module, "detectors_digest", lambda: "another")
        run(home, LATER, until_seq)
    book = CaseBook.of(home)
    for case in book.cases:
        for who in ("anna", "bert"):
            book.act(case, "close", who, "looked at it")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A journal with many hits."""
    journals.write(tmp_path / "day", journals.orders())
    return tmp_path / "day"


def hits_of(home: Path) -> Any:
    return read_hits(folder_of(home), CaseBook.of(home).begin)[0]


def test_it_is_read_closed_cases_stay_closed_and_what_differs_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(home, monkeypatch)
    before = (folder_of(home) / HITS).read_bytes()
    cases = CaseBook.of(home).cases
    done = run(home, LATER)
    assert "ramp_few_trades was not there, now 1" in done.continued
    assert f"up to command {UNTIL}" in done.continued
    after = (folder_of(home) / HITS).read_bytes()
    assert after[: len(before)] == before
    assert len(after) > len(before)
    book = CaseBook.of(home)
    now = {case.number: case for case in book.cases}
    statuses = set()
    for case in cases:
        same = now[case.number]
        assert (same.detector, same.participants) == (case.detector, case.participants)
        status = book.state_of(same).status
        assert status == ("closed" if same.hits == case.hits else "open")
        statuses.add(status)
    assert "closed" in statuses
    assert done.continued in json.dumps(
        [json.loads(line) for line in (home / DESK).read_text().splitlines()], ensure_ascii=False
    )


def test_what_comes_after_is_what_this_release_finds(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(home, monkeypatch)
    run(home, LATER, UNTIL + 100)
    run(home, LATER)
    hits = hits_of(home)
    journals.write(tmp_path / "again", journals.orders())
    run(tmp_path / "again", LATER)
    whole = hits_of(tmp_path / "again")
    new, same = hits[hits["seq"] > UNTIL].copy(), whole[whole["seq"] > UNTIL].copy()
    assert hits["number"].tolist() == list(range(1, len(hits) + 1))
    new["number"] = same["number"] = 0
    assert np.array_equal(new, same)
    assert len(new)


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_kill_right_after_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    begun(home, monkeypatch)
    run(home, LATER)
    path = folder_of(home) / HITS
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - lost * ROW_BYTES])
    for checkpoint in folder_of(home).glob("checkpoint-*"):
        checkpoint.unlink()
    done = run(home, LATER)
    assert (done.lost, done.continued) == (lost, "")
    assert path.read_bytes() == whole


def test_a_folder_that_does_not_say_its_parameters_is_read_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all folders before this release: a digest alone, and checkpoints of another layout."""
    begun(home, monkeypatch)
    path = folder_of(home) / "settings.json"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({name: row[name] for name in ("digest", "journal_id")}) + "\n")
    for checkpoint in folder_of(home).glob("checkpoint-*"):
        checkpoint.write_bytes(b"OUTCRYS2" + checkpoint.read_bytes()[8:])
    done = run(home, LATER)
    assert "does not say its parameters" in done.continued
    assert f"up to command {UNTIL}" in done.continued
    assert run(home, LATER).continued == ""


def test_settings_that_people_changed_are_refused_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(home, monkeypatch)
    with pytest.raises(SurveillanceError, match=r"other settings .*differ in parameters\)"):
        run(home, Settings())
    path = folder_of(home) / "settings.json"
    row = json.loads(path.read_text())
    path.write_text(json.dumps(row | {"journal_id": "0" * 16}) + "\n")
    with pytest.raises(SurveillanceError, match=r"another journal .*the journal: 0000000000000000"):
        run(home, LATER)
