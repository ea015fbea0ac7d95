"""journal/clock_report.py and cli/clock.py: a journal's evidence becomes a report a day, and the
command says what the page says."""

import json
import time

import numpy as np

from openoutcry.journal.clock_report import (
    clock_records,
)
from tests.support.journal import clock_report as shared
from tests.support.journal.clock_report import SECOND_NS, TABLE, a_run, ask
from tests.support.waiting import wait_until

daemon = shared.daemon


def when_locked():
    """The page's document, once its clock is locked."""

    def locked():
        document = json.loads(ask("--json").stdout or "{}")
        return document if document.get("state") == "locked" else None

    return wait_until(locked, "the clock is locked")


def test_the_command_shows_a_daemons_page(daemon):
    """State, source, bound and RTS 25 of the daemon that runs, as text and as one document; then
    the daemon is killed, and the very next look says that nothing is known."""
    document = when_locked()
    assert document["page"] == f"outcry.{daemon.pid}.{document['page'].split('.')[2]}.clock"
    assert document["now"]["earliest_utc_ns"] <= document["now"]["latest_utc_ns"]
    assert abs(document["now"]["earliest_utc_ns"] - time.time_ns()) < 20 * SECOND_NS
    assert (document["source"], document["simulated"]) == ("simulated", True)
    assert not document["rts25"]["holds"]
    heard = {row["source"]: row for row in document["sources"]}
    assert heard["phc_precise"]["port_state"] == "slave"
    assert heard["chrony"]["traceable"]
    assert heard["phc_precise"]["bound_ns"] > 0
    shown = ask("--zone", "Asia/Tokyo")
    assert "\nheard      phc_precise: " in shown.stdout
    assert "+0900" in shown.stdout
    assert "RTS 25" in shown.stdout


def test_a_runs_journal_takes_the_daemons_evidence_along(daemon, tmp_path):
    """The run says how far its stamps are from UTC and who knows; the report reads the daemon's
    records out of the journal, one a second without a gap."""
    when_locked()
    finished_run = a_run(tmp_path, 40_000)
    assert finished_run["clock"]["page"].startswith(f"outcry.{daemon.pid}.")
    assert abs(finished_run["clock"]["offset_ns"]) <= finished_run["clock"]["bound_ns"]
    records = clock_records(tmp_path / "journal", TABLE).records
    assert set(np.diff(records["seq"])) == {1}
    assert len(records) >= 2
    done = ask("report", str(tmp_path / "journal"), "--json")
    assert json.loads(done.stdout)["whole"]["records"] == len(records)
