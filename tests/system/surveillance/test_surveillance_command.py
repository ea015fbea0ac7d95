"""``outcry surveillance`` as people run it, over a market of manipulators."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from openoutcry.surveillance.detect.settings import Settings, read_settings
from openoutcry.surveillance.evidence import ROW_BYTES
from openoutcry.surveillance.run import run
from openoutcry.wire.errors import SurveillanceError
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S

MANIPULATORS = "wash_ring,wash_related,stuffer"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of twelve minutes with four manipulators."""
    folder = tmp_path_factory.mktemp("market")
    done = warm_outcry.run(
        [
            "surveillance",
            "sample",
            "day",
            "--seed",
            "4",
            "--minutes",
            "12",
            "--manipulators",
            MANIPULATORS,
        ],
        folder,
        600,
    )
    assert done.returncode == 0, done.stderr
    return folder / "day"


def bare_copy(sample: Path, to: Path) -> Path:
    """The journal, without what surveillance has left beside it."""
    shutil.copytree(sample, to, ignore=shutil.ignore_patterns("surveillance"))
    return to


def test_cases_of_a_market_are_found_shown_and_closed(outcry, outcry_json, sample, tmp_path):
    """Each labelled act has its case; a page shows one; closing takes another person."""
    day = bare_copy(sample, tmp_path / "day")
    settings = day / "surveillance.toml"
    done = outcry_json("surveillance", "run", day, "--settings", settings)
    assert done["seq"] > 10_000
    cases = outcry_json("surveillance", "cases", day)["cases"]
    assert len(cases) == done["cases"]
    detected = {(case["detector"], tuple(case["participants"])) for case in cases}
    for label in json.loads((day / "labels.json").read_text()):
        assert (label["pattern"], tuple(label["participants"])) in detected
    number = next(case["number"] for case in cases if case["detector"] == "wash_ring")
    page = tmp_path / "case.html"
    done = outcry("surveillance", "show", day, number, "--settings", settings, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "<svg" in text
    assert "http" not in text
    shown = outcry_json("surveillance", "close", day, number, "--why", "agreed upon")
    assert shown["status"] == "closing"
    again = outcry("surveillance", "close", day, number, "--why", "agreed upon")
    assert again.returncode == 1
    assert "another person has to agree" in again.stderr
    out = tmp_path / "cases.json"
    assert outcry("surveillance", "export", day, "--out", out).returncode == 0
    exported = json.loads(out.read_text())
    assert [entry["action"] for entry in exported["life"]] == ["close"]
    assert exported["cases"][number - 1]["status"] == "closing"


def evidence(day: Path) -> bytes:
    return (day / "surveillance" / "hits.bin").read_bytes()


def test_parted_or_whole_or_killed_the_evidence_is_the_same(outcry, sample, tmp_path):
    """Bytes of hits and hashes: in one run, to the half and on, and behind a kill of a follower."""
    whole, parted, killed = (bare_copy(sample, tmp_path / n) for n in ("whole", "parted", "killed"))
    options = ["--settings", sample / "surveillance.toml"]
    assert outcry("surveillance", "run", whole, *options).returncode == 0
    for more in (["--until", "11111"], ["--every", "5000"]):
        assert outcry("surveillance", "run", parted, *options, *more).returncode == 0
    command = [*OUTCRY, "surveillance", "follow", killed, *options, "--every", "4000"]
    child = warm_outcry.Process([str(part) for part in command], stdout=subprocess.DEVNULL)
    path = killed / "surveillance" / "hits.bin"
    until = time.monotonic() + BOUND_S
    while not (path.exists() and path.stat().st_size) and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    # What is torn off in the middle of a hit is made again, also if a checkpoint came behind it.
    path.write_bytes(path.read_bytes()[:-7])
    assert outcry("surveillance", "run", killed, *options).returncode == 0
    assert len(evidence(whole)) > 0
    assert evidence(parted) == evidence(killed) == evidence(whole)


def test_evidence_torn_at_any_byte_is_made_again(sample, tmp_path):
    """Also where a checkpoint stands behind what was torn off: an older one goes on before it, or
    the journal's beginning does.  What is another hit than was written is refused."""
    settings = read_settings(sample / "surveillance.toml")
    day = bare_copy(sample, tmp_path / "day")
    run(day, settings, until_seq=9_000, every=3_000)
    run(day, settings, every=5_000)
    whole, path = evidence(day), day / "surveillance" / "hits.bin"
    assert len(whole) > 2 * ROW_BYTES
    for cut in (1, 7, ROW_BYTES - 1, ROW_BYTES, ROW_BYTES + 1, len(whole) - 1, len(whole)):
        path.write_bytes(whole[: len(whole) - cut])
        run(day, settings, every=5_000)
        assert evidence(day) == whole, cut
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(SurveillanceError, match="was changed after it was written"):
        run(day, settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[related]]\nparticipants = 3\n", "related 1: participants is missing or no list"),
        ("[[related]]\nparticipants = [70000]\n", "related 1: participant 70000"),
        ("[[related]]\nparticipants = []\n", r"related 1: participants are \[\], not two"),
        ("[[related]]\nparticipants = [7, 7]\n", "related 1: participants are .*, not two"),
        ("[[linked]]\nsymbols = ['OUTCRY']\n", "linked 1: symbols"),
        ("[[linked]]\nsymbols = ['OUTCRY', 'NONE']\n", "no instrument 'NONE'"),
        ("[parameters]\nspoof_repeats = 0\n", "spoof_repeats is 0"),
        ("[other]\n", "unknown table 'other'"),
        ("[[client_order]]\nside = 'up'\n", "client_order 1: side is 'up'|known is missing"),
        (
            "[[client_order]]\nbroker = 1\nclient = 2\nsymbol = 'OUTCRY'\nside = 'buy'\n"
            "lots = 5\nknown = 9999-01-01T00:00:00Z\n",
            "client_order 1: known is 9999-01-01 .*, not 1970",
        ),
        ("not toml", "settings.toml"),
        (
            "parameters = 5\n",
            r"settings.toml: line 1: parameters must be written as \[parameters\]",
        ),
        ("[related]\nparticipants = [1, 2]\n", r"related must be written as \[\[related\]\]"),
        (
            "[[linked]]\nsymbols = ['OUTCRY', 'A']\n[[linked]]\nsymbols = ['B', 'OUTCRY']\n",
            "linked 2: 'OUTCRY' is already linked with another",
        ),
    ],
)
def test_bad_settings_are_named(outcry, sample, tmp_path, text, words):
    day, file = bare_copy(sample, tmp_path / "day"), tmp_path / "settings.toml"
    file.write_text(text)
    done = outcry("surveillance", "run", day, "--settings", file)
    assert done.returncode == 1
    assert re.search(words, done.stderr), done.stderr


def test_settings_that_do_not_fit_the_journal_leave_nothing_and_may_be_corrected(sample, tmp_path):
    day = bare_copy(sample, tmp_path / "day")
    with pytest.raises(SurveillanceError, match="no instrument 'NONE'"):
        run(day, Settings(linked=(("OUTCRY", "NONE"),)))
    assert not (day / "surveillance").exists()
    assert run(day, Settings(), until_seq=2_000).seq == 2_000


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b'{"digest": 5}\n'])
def test_kept_settings_that_were_changed_are_reported(outcry, sample, tmp_path, data):
    day = bare_copy(sample, tmp_path / "day")
    (day / "surveillance").mkdir()
    (day / "surveillance" / "settings.json").write_bytes(data)
    for command in ("run", "cases"):
        done = outcry("surveillance", command, day)
        assert done.returncode == 1
        assert "settings.json was changed after it was written" in done.stderr


def test_other_settings_do_not_change_cases_that_stand(outcry, sample, tmp_path):
    day, file = bare_copy(sample, tmp_path / "day"), tmp_path / "settings.toml"
    assert outcry("surveillance", "run", day, "--until", "2000").returncode == 0
    file.write_text("[parameters]\nspoof_repeats = 4\n")
    done = outcry("surveillance", "run", day, "--settings", file)
    assert done.returncode == 1
    assert "begun with other settings" in done.stderr
    missing = outcry("surveillance", "cases", tmp_path)
    assert missing.returncode == 1
