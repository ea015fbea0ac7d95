"""Every subject on a machine that shows or allows less: it runs, and says what it could not see."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openoutcry.bench.subjects import SUBJECTS
from openoutcry.host.doctor_costs import real_time_refusal
from tests.support.bench.situations import SITUATIONS, command_in, why_not
from tests.support.processes import OUTCRY

TIMEOUT_S = 550
SAYS: dict[str, dict[str, str]] = {
    "one core": {
        "cores": "needs two cores",
        "ring": "need two cores",
        "doctor": "may use 1 (",
    },
    "no rights": {
        "jitter": "perf_event_paranoid",
        "pipeline": "not watched: perf_event_paranoid",
        "shim": "no network namespace: Operation not permitted",
        "doctor": "no rights over the machine",
    },
    "no perf events": {
        "jitter": "not watched: perf events are not permitted here: Operation not permitted",
        "pipeline": "No events can be counted here (hardware counters: Operation not permitted",
        "doctor": "seccomp",
    },
    "container": {
        "jitter": "/proc/interrupts has no column",
        "cores": "not told",
        "pipeline": "docker run --shm-size=1g",
        "shim": "no packet socket: Operation not permitted",
        "doctor": "no cores in sysfs",
    },
    "container, one core": {
        "cores": "needs two cores",
        "pipeline": "docker run --shm-size=1g",
    },
}
"""What a subject says of a situation that it cannot see all in; of a subject without a word here
nothing is hidden by it."""
CHEAPEST = (
    ("one core", "ring"),
    ("no rights", "jitter"),
    ("no perf events", "jitter"),
    ("container", "jitter"),
)


def run_in(situation: str, subject: str, folder: Path) -> tuple[dict[str, Any], str]:
    """The document that the real command prints there, and its text."""
    if why := why_not(situation):
        pytest.skip(f"{situation}: {why}")
    words = ["doctor"] if subject == "doctor" else ["bench", subject, "--quick", "--rounds", "1"]
    if subject == "pipeline":
        words += ["--explain", "--perf"]
    done = subprocess.run(
        command_in(situation, [*OUTCRY, *words, "--json"]),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return json.loads(done.stdout), done.stdout


def check(situation: str, subject: str, folder: Path) -> None:
    document, text = run_in(situation, subject, folder)
    if subject == "doctor":
        assert "Error(" not in text
    else:
        assert document["results"] or document["missing"]
        assert all(entry["why"] for entry in document["missing"])
    assert SAYS[situation].get(subject, "") in text
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("situation", "subject"), CHEAPEST)
def test_it_runs_and_says_what_it_could_not_see(situation, subject, tmp_path) -> None:
    """The cheapest subject of each situation, through the real command."""
    check(situation, subject, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("subject", [*SUBJECTS, "doctor"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_subject_runs_and_says_what_it_could_not_see(situation, subject, tmp_path) -> None:
    """All of them, in each situation."""
    check(situation, subject, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("situation", SITUATIONS)
def test_all_subjects_leave_one_report(situation, tmp_path) -> None:
    """`bench all` ends well, its page has every subject, and each that has no figure its reason."""
    if why := why_not(situation):
        pytest.skip(f"{situation}: {why}")
    words = ["bench", "all", "--quick", "--rounds", "1", "--report", "all.html", "--json"]
    done = subprocess.run(
        command_in(situation, [*OUTCRY, *words]),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "all.html").read_text()
    for document in json.loads(done.stdout)["documents"]:
        assert f'id="{document["subject"]}"' in page
        assert document["results"] or document["missing"], document["subject"]
        assert not document.get("partial"), document["partial"]


def test_a_situation_is_what_it_is_called() -> None:
    """One core, no rights, a filter, a small /dev/shm, no /sys: seen from inside."""
    look = """id -u; nproc; df --output=size --block-size=1M /dev/shm | tail -1; ls /sys | wc -l
              grep Seccomp: /proc/self/status | cut --fields=2"""
    seen = {}
    for situation in SITUATIONS:
        if why_not(situation) is None:
            done = subprocess.run(
                command_in(situation, ["sh", "-c", look]),
                text=True,
                capture_output=True,
                check=True,
            )
            seen[situation] = done.stdout.split()
    if not seen:
        pytest.skip("none of the situations can be made here")
    for situation, (user, cores, shm, in_sys, filtered) in seen.items():
        assert cores == "1" or "one core" not in situation
        assert user == "1000" or situation != "no rights"
        assert filtered == "2" or situation in ("one core", "no rights")
        assert (shm, in_sys) == ("64", "0") or not situation.startswith("container")


def test_real_time_priority_is_tried_and_not_guessed() -> None:
    """Who has no rights is refused by the kernel itself; the process that asked stays as it was."""
    before = os.sched_getscheduler(0)
    assert isinstance(real_time_refusal(), str)
    assert os.sched_getscheduler(0) == before
    if why_not("no rights"):
        pytest.skip(str(why_not("no rights")))
    ask = "from openoutcry.host.doctor_costs import *; print(real_time_refusal())"
    done = subprocess.run(
        command_in("no rights", [sys.executable, "-c", ask]),
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == "Operation not permitted"
