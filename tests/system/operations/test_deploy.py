"""A venue's processes are of one build, and a new build is proven on the old one's journal."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from openoutcry.host import build
from openoutcry.operations import deploy
from openoutcry.pipeline.top import running
from openoutcry.runtime import control as control_words
from openoutcry.venue.canary import (
    NAME,
    SERVED_NAME,
    canary,
    require_canary,
)
from openoutcry.venue.file import read_venue
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import TimeInForce
from tests import ROOT
from tests.support.operations.deploy import copy_of
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.venue import served_venue
from tests.support.venue.served_venue import VENUE, ServedVenue, orders
from tests.support.waiting import BOUND_S


def outcry(*words, folder=".", status=0):
    done = warm_outcry.run(words, folder, BOUND_S)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_a_stage_of_another_build_is_not_started(tmp_path):
    """A source is replaced under a venue that runs; a stage dies: the venue ends, says why, and the
    journal goes on from where it was."""
    package = copy_of(tmp_path / "installed")
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00")
    environment = os.environ | {"PYTHONPATH": f"{package.parent}:{ROOT}"}
    script = [sys.executable, served_venue.__file__, str(tmp_path)]
    venue.process = subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    venue.wait_for_phase("CONTINUOUS")
    venue.send(orders(1, 10, TimeInForce.GTC))
    path = package / "matcher" / "matching" / "take.py"
    path.write_text(path.read_text() + "# tomorrow's\n")
    (one,) = [one for one in running() if one.owner.pid == venue.process.pid]
    rows = deploy.compare(read_venue(tmp_path / "venue.toml"))
    assert [row.process for row in rows if "build" in row.odd] == [deploy.INSTALLED]
    os.kill(one.control.stage(one.table.index["matcher"]).pid, signal.SIGKILL)
    _, err = venue.process.communicate(timeout=BOUND_S)
    assert venue.process.returncode != 0
    assert "matcher/matching/take.py changed since this run began" in err
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    assert (venue.commands()["order_id"] > 0).sum() == 10
    venue.stop()


def test_every_process_says_what_it_is_and_the_odd_one_is_named(tmp_path):
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00")
    file = tmp_path / "venue.toml"
    assert "the venue is not open" in outcry("venue", "deploy", "check", file, status=1)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    metrics = [*OUTCRY, "venue", "metrics", str(file), "--address", f"127.0.0.1:{free_port()}"]
    with warm_outcry.Process(metrics, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr.readline().startswith("http")
            document = json.loads(outcry("venue", "deploy", "check", file, "--json"))
            rows = deploy.compare(read_venue(file))
            file.write_text(file.read_text() + "# another day's\n")
            changed = outcry("venue", "deploy", "check", file, status=1)
        finally:
            server.terminate()
    names = {row["process"] for row in document["processes"]}
    stages = {"receive", "gateway", "matcher", "gate", "replies", "journal"}
    assert names == {"supervisor", "metrics", deploy.INSTALLED} | stages
    assert document["same"] is True
    assert len({row["build"] for row in document["processes"]}) == 1
    assert not any(row.odd for row in rows)
    assert f"{deploy.INSTALLED} is of another configuration" in changed
    # A matcher of another build, as its own words would say.
    (one,) = [one for one in running() if one.owner.pid == venue.process.pid]
    control = control_words.Control.attach(one.control.segment.name)
    control.stage(one.table.index["matcher"]).build = 7
    pid = control.stage(one.table.index["matcher"]).pid
    output = outcry("venue", "deploy", "check", status=1)
    assert f"matcher (pid {pid}) is of another build" in output
    assert output.count(" is of another") == 1
    venue.stop()


def test_a_build_that_has_not_replayed_the_journal_does_not_open_the_venue(tmp_path):
    """`canary = true`: a day of another build's, then this one's canary, then it opens; a journal
    whose hashes are others is not opened."""
    text = VENUE.replace("checkpoint_every = 0", "checkpoint_every = 0\ncanary = true")
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00", venue=text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.send(orders(1, 50, TimeInForce.GTC))
    venue.set_time("2026-01-05T17:05:01")
    venue.wait_for(lambda status: status["state"] == "closed")
    venue.stop()
    served = tmp_path / "journal" / SERVED_NAME
    assert json.loads(served.read_text())["build"] == build.this_build().text
    served.write_text('{"build": "of yesterday"}')
    venue.set_time("2026-01-06T10:00:00")
    venue.start()
    _, err = venue.process.communicate(timeout=BOUND_S)
    assert venue.process.returncode != 0
    assert "the venue file requires its canary; run `outcry venue deploy canary" in err
    output = outcry("venue", "deploy", "canary", "journal", folder=tmp_path)
    assert "the same as what was recorded" in output
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.stop()
    # What came out is looked at, not only that something did.
    served.write_text('{"build": "of yesterday"}')
    kept = tmp_path / "journal" / NAME
    report = json.loads(kept.read_text())
    for change, says in (
        ({"differences": ["trades at the end: recorded 1, replayed 2"]}, "found differences"),
        ({"until_seq": 1}, "has seen 1 commands"),
        ({"journal_id": "0" * 16}, "belongs to another journal"),
        ({"build": "0"}, "has not served"),
    ):
        kept.write_text(json.dumps(report | change))
        with pytest.raises(OutcryError, match=says):
            require_canary(venue.journal)
    kept.write_text(json.dumps(report))
    require_canary(venue.journal)


def test_differences_are_listed_by_command(tmp_path, monkeypatch):
    """The matcher of the new build is another: which commands' events, and what they are now."""
    from openoutcry.matcher import Engine

    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00")
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    venue.send(orders(1, 50, TimeInForce.GTC))
    venue.stop()
    assert canary(venue.journal)["differences"] == []
    commands = venue.commands()
    # The first: however many share its block, it is among the twenty that are listed.
    (wrong,) = commands["seq"][commands["order_id"] == 1]
    process = Engine.process

    def other(self, records, *more):
        events = np.array(process(self, records, *more))
        events["qty_lots"][events["cause_seq"] == wrong] += 1
        return events

    monkeypatch.setattr(Engine, "process", other)
    report = canary(venue.journal)
    (first, *_) = report["differences"]
    assert first.startswith("the events of commands ")
    low, high = (int(word.replace(",", "")) for word in first.split()[4:7:2])
    assert low <= wrong <= high
    assert any(
        line.startswith(f"command {wrong:,} (NEW, order 1): now ACCEPTED 6 at 1000")
        for line in report["events"]
    )
