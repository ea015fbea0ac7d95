"""The bench command and the tables made from its figures."""

import re

import pytest

from openoutcry.bench.collect import GIVEN, MEASURED
from openoutcry.bench.pipeline import Session
from openoutcry.bench.rounds import Rounds
from openoutcry.report.evidence import ROOT
from openoutcry.report.tables import DOCUMENTS, TABLES, filled
from openoutcry.ring.segment import NoRoomError, SegmentError
from tests.support.bench.bench_command import bench_here


def test_an_out_file_in_a_missing_folder_is_refused_before_measuring() -> None:
    """Nobody measures for an hour to lose it."""
    assert "no/such" in str(bench_here("pipeline", "--out", "no/such/b.json").exception)


def test_what_has_no_room_in_shared_memory_is_missing_and_the_rest_continues() -> None:
    """A container's 64 MiB: the figures of the run that needs more are named with the reason; any
    other error is passed on."""
    session = Session(True, Rounds(1), disk=True, rtl=None)
    with session.if_there_is_room("a", "b"):
        raise NoRoomError("no space: docker run --shm-size=1g")
    assert [entry["name"] for entry in session.rounds.missing] == ["a", "b"]
    assert "--shm-size" in session.rounds.missing[0]["why"]
    with pytest.raises(SegmentError), session.if_there_is_room("c"):
        raise SegmentError("truncated while in use")


def test_the_documents_quote_the_evidence_and_nothing_else() -> None:
    """Filling the marked places again changes no byte."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        assert filled(text) == text, f"{name}: run `python -m openoutcry.report.tables`"


def test_what_is_not_measured_names_the_command_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table without evidence names `make evidence` if that measures it, else the very test
    that writes the file."""
    place = "<!-- evidence: {} -->\n<!-- end -->"
    monkeypatch.setattr("openoutcry.report.tables.read_evidence", _nothing_there)
    for name in TABLES:
        match = re.search(
            "Not measured yet: `((?:make|outcry bench|python -m) [^`]*)`",
            filled(place.format(name)),
        )
        assert match is not None, name
        if name in (*MEASURED, "books", "prices"):  # these are of the rate that is measured
            assert match[1] == "make evidence"
        elif name in GIVEN:
            assert match[1].startswith("outcry bench ")
        else:
            command = match[1].removeprefix("make test-long ARGS=")
            module = command.removeprefix("python -m ")
            test = ROOT / (command if module == command else f"{module.replace('.', '/')}.py")
            assert f'"{name}"' in test.read_text(), f"{name}: {match[1]}"


def _nothing_there(name: str) -> None:
    raise FileNotFoundError(name)
