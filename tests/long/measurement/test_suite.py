"""bench/suite.py, gateway.py: one report, and a client that lies."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from openoutcry.bench import gateway, suite
from openoutcry.bench.results import document, read_document, summarise
from openoutcry.bench.subjects import SUBJECTS
from openoutcry.bench.suite import bench_all
from tests.support.bench.bench_command import bench_here
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S


def one(value: float, date: str, subject: str = "matcher") -> dict:
    bench_document = document(
        subject, [summarise("x", "ns", "lower", [value] * 3)], [], "outcry bench"
    )
    return bench_document | {"date": date}


def test_the_subjects_are_named_as_the_issue_names_them() -> None:
    """Every subject can be imported, and its peers too."""
    assert {"ring", "matcher", "gateway", "pipeline", "jitter", "cores"} <= set(SUBJECTS)
    for subject in SUBJECTS.values():
        for path in (subject.measure, subject.peers, subject.setup):
            if path:
                assert callable(subject.function(path))


def test_all_leaves_one_report_and_a_file_a_subject(tmp_path: Path) -> None:
    """The two quickest subjects through the real command: a page with both; a document and a folder
    of exports each."""
    done = subprocess.run(
        [
            *OUTCRY,
            "bench",
            "all",
            "--quick",
            "--rounds",
            "1",
            "--subjects",
            "clock,cores",
            "--out",
            "made",
            "--report",
            "all.html",
            "--export",
            "files",
            "--json",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "all.html").read_text()
    assert 'id="cores"' in page
    assert 'id="clock"' in page
    output = json.loads(done.stdout)
    assert [entry["subject"] for entry in output["documents"]] == ["clock", "cores"]
    assert read_document(tmp_path / "made" / "clock.json")["subject"] == "clock"
    for subject in ("clock", "cores"):
        names = {path.name for path in (tmp_path / "files" / subject).iterdir()}
        assert names == {"metrics.prom", "results.parquet"}


def test_a_subject_that_fails_is_said_and_the_rest_is_measured(monkeypatch) -> None:
    """A subject that ends badly is a document without figures, with its last words."""
    monkeypatch.setattr(suite.sys, "executable", "/bin/false")
    documents, partial = bench_all(1, True, lambda text: None, ["cores"])
    assert partial is None
    assert documents[0]["results"] == []
    assert documents[0]["missing"] == [{"name": "cores", "why": "ended with 1"}]


def test_an_interruption_keeps_what_was_measured(monkeypatch) -> None:
    """Control-C in the second subject leaves the first, and names what is missing."""

    def measure(name, rounds, quick, progress):
        if name == "jitter":
            raise KeyboardInterrupt
        return one(1.0, "2026", name)

    monkeypatch.setattr(suite, "_one", measure)
    documents, partial = bench_all(1, True, lambda text: None, ["cores", "jitter", "ring"])
    assert [document["subject"] for document in documents] == ["cores"]
    assert partial == "interrupted: without jitter, ring"


@pytest.mark.parametrize("arguments", [["all", "--subjects", "ring,poker"], ["poker"]])
def test_an_unknown_subject_is_a_usage_error(arguments) -> None:
    """It is named, with the ones that there are."""
    done = bench_here(*arguments)
    assert done.exit_code == 2
    assert "unknown subject 'poker'" in done.stderr
    assert "pipeline" in done.stderr


def test_no_subject_is_a_usage_error() -> None:
    """It says which there are."""
    done = bench_here()
    assert done.exit_code == 2
    assert "name a subject: all, backtest, clock," in done.stderr


def test_zero_rounds_are_a_usage_error() -> None:
    """There is nothing to say about no round."""
    done = bench_here("cores", "--rounds", "0")
    assert done.exit_code == 2
    assert "--rounds" in done.stderr


def test_an_interruption_keeps_the_whole_rounds_of_the_subject_under_way(monkeypatch) -> None:
    """What the interrupted subject has written is among the documents."""

    def follow(process, progress):
        process.wait(timeout=BOUND_S)
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "_follow", follow)
    documents, partial = bench_all(1, True, lambda text: None, ["clock", "jitter"])
    assert [document["subject"] for document in documents] == ["clock"]
    assert documents[0]["missing"] or documents[0]["results"]
    assert partial == "interrupted: without jitter"


def test_a_place_that_cannot_be_written_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where a folder is wanted, a folder where a file is."""
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["all", "--out", "file"], "--out file: there is a file of that name"),
        (["cores", "--out", "."], "--out .: there is a folder of that name"),
    ):
        assert message in str(bench_here(*arguments).exception)


@pytest.mark.long
def test_an_interrupted_bench_keeps_its_whole_rounds(tmp_path: Path) -> None:
    """SIGINT in mid-run: the document is written, marked partial, exit status 1."""
    running = subprocess.Popen(
        [*OUTCRY, "bench", "clock", "--quick", "--rounds", "40", "--out", "j.json"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    deadline = time.monotonic() + BOUND_S
    for line in running.stderr:
        if line.startswith("round 3 of 40") or time.monotonic() > deadline:
            break
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=BOUND_S)
    assert running.returncode == 1, stderr
    bench_document = read_document(tmp_path / "j.json")
    match = re.fullmatch(r"interrupted in round (\d+) of 40", bench_document["partial"])
    assert match
    assert all(row["samples"] == int(match[1]) - 1 for row in bench_document["results"])


def test_the_coordinated_client_is_shown_to_lie() -> None:
    """The matcher stands still for 20 ms of each 200, at least three times for each client.  One
    order in ten is meant to be sent in that time and the open-loop client's p99 shows it; the
    client that waits for each answer has one figure a stall among hundreds.  By how much its p99
    lies is the bench's to say: here its median knows nothing of a stall."""
    honest, coordinated = gateway.stalled(4.0)
    assert honest["p99"] > 10_000_000
    assert honest["p99"] > coordinated["p50"]
