"""The commands by which docs/operations.md opens, runs, closes, rehearses and restores a venue."""

import shlex
import subprocess

import pytest

from tests.support.console.console_venue import PASSWORD
from tests.support.processes import OUTCRY
from tests.support.user_commands import commands, run
from tests.support.waiting import BOUND_S


@pytest.mark.long
def test_a_day_and_a_bad_one(floor):
    lines = commands("operations.md")
    first, last = "outcry venue check venue.toml", "outcry replay journal"
    lines = lines[lines.index(first) : lines.index(last) + 1]
    check, serve, status, halt, resume, actions, rehearse, close, *opens, replay = lines
    assert "no mistake" in run(check, floor.folder)
    assert serve == "outcry serve venue.toml"
    # The venue of these tests has a clock of its own; this is how it is begun again.
    floor.venue.stop()
    assert "state_hash" in run(f"{replay} --json", floor.folder)
    floor.open()
    assert "TEST: open" in run(status, floor.folder)
    assert "GOLD is halted" in run(halt, floor.folder)
    assert "GOLD continues" in run(resume, floor.folder)
    output = run(actions, floor.folder)
    assert "the account: halt GOLD: a rumour" in output
    assert "rehearsal: step 6 of 6" in run(rehearse, floor.folder)
    assert not floor.venue.status()["risk"]["market_killed"]
    assert "step 6: notify" in run(close, floor.folder)
    for line in opens:
        words = [*OUTCRY, *shlex.split(line)[1:]]
        done = subprocess.run(
            words,
            cwd=floor.folder,
            input=PASSWORD + "\n",
            text=True,
            capture_output=True,
            timeout=BOUND_S,
        )
        assert done.returncode == 0, (line, done.stderr)
    for number in "23":
        run(f"outcry venue resume participant {number}", floor.folder)
    run("outcry venue resume instrument TIN", floor.folder)
    floor.venue.wait_for(
        lambda document: not document["risk"]["halted"] and not document["risk"]["killed"]
    )
