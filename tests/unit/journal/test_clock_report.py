"""journal/clock_report.py and cli/clock.py: a journal's evidence becomes a report a day, and the
command says what the page says."""

import json
import os
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from openoutcry.cli.clock import local, report_lines
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.clock_report import (
    clock_records,
    place,
    summarise,
)
from openoutcry.ptp import PageWriter
from openoutcry.ptp.simulate import Simulation, World
from openoutcry.wire.enums import ClockEvent, ClockSource, ClockState
from tests.support.journal import clock_report as shared
from tests.support.journal.clock_report import MIDNIGHT_UTC_S, SECOND_NS, TABLE, a_run, ask, records
from tests.support.processes import left_since

daemon = shared.daemon
UTC = ZoneInfo("UTC")


def test_a_good_night_is_two_days():
    """A minute on both sides of midnight: two days, all of it within RTS 25."""
    summary = summarise(records(121), TABLE, UTC)
    assert [(d["day"], d["covered_s"]) for d in summary["days"]] == [
        ("2027-01-15", 60.0),
        ("2027-01-16", 60.0),
    ]
    assert summary["rts25_held"]
    assert summary["whole"]["rts25_share"] == 1.0
    assert summary["whole"]["state_s"] == {"locked": 120.0}
    assert summary["whole"]["grandmasters"] == ["0000000000c0ffee"]
    assert summary["whole"]["bound_p99_ns"] == 2_000
    assert any("held all the time" in line for line in report_lines(summary))


def test_a_zone_moves_midnight():
    """In Berlin the same two minutes are of one day."""
    summary = summarise(records(121), TABLE, ZoneInfo("Europe/Berlin"))
    assert [d["day"] for d in summary["days"]] == ["2027-01-16"]


def test_a_bad_minute_counts():
    """Thirty seconds beyond 100 us are a quarter of two minutes, and the verdict is no."""
    rows = records(121)
    rows["flags"][10:40] = 0
    rows["state"][10:40] = ClockState.HOLDOVER
    rows["event"][10] = ClockEvent.CRITICAL
    rows["bound_ns"][10:40] = 150_000
    summary = summarise(rows, TABLE, UTC)
    assert not summary["rts25_held"]
    assert summary["whole"]["rts25_share"] == 0.75
    assert summary["whole"]["state_s"] == {"locked": 90.0, "holdover": 30.0}
    assert summary["whole"]["bound_max_ns"] == 150_000
    assert [e["event"] for e in summary["events"]] == ["critical"]
    assert any("did NOT hold" in line for line in report_lines(summary))


def test_a_gap_is_no_evidence():
    """An hour without a record is not held, whatever stands on both sides of it."""
    rows = np.concatenate([records(10), records(10, MIDNIGHT_UTC_S + 3_600)])
    summary = summarise(rows, TABLE, UTC)
    assert not summary["rts25_held"]
    assert 3_600 < summary["whole"]["without_evidence_s"] < 3_660
    assert summary["whole"]["rts25_share"] == 1.0


def written(folder, fault_at_s, fault, seconds=120):
    """The journal of a simulated daemon's evidence, one block a second, the machine hit by
    ``fault``."""
    with (
        Simulation(TABLE, World()) as simulation,
        Journal.create(folder / "journal", {"instruments": []}) as writer,
    ):
        seq = 0
        for second in range(seconds):
            simulation.run(1, {0.0: lambda: fault(simulation)} if second == fault_at_s else {})
            records = simulation.page.evidence(seq)
            seq = int(records["seq"][-1])
            writer.clock(records, TABLE.utc_of(simulation.machine.true_tai_ns))
        writer.sync()
    return folder / "journal"


def test_a_suspend_is_in_the_report(tmp_path):
    """While nothing is known a record has no time of its own: it is placed all the same, RTS 25 is
    not held there, and what happened is told."""
    journal = written(tmp_path, 60, lambda simulation: simulation.machine.suspend(30 * SECOND_NS))
    evidence = clock_records(journal, TABLE)
    summary = summarise(evidence.records, TABLE, UTC, evidence.since_tai_ns, evidence.until_tai_ns)
    unknown = evidence.records["state"] == ClockState.UNKNOWN
    assert unknown[60:].sum() >= 8
    assert evidence.records["tai_ts_ns"].min() > 0
    assert list(np.diff(evidence.records["seq"])) == [1] * (len(evidence.records) - 1)
    assert not summary["rts25_held"]
    assert summary["whole"]["rts25_share"] < 1
    assert summary["whole"]["state_s"]["unknown"] > 4
    assert summary["whole"]["without_evidence_s"] > 20
    event_names = [event["event"] for event in summary["events"]]
    assert "suspended" in event_names
    assert any("about 20" in line and "suspended" in line for line in report_lines(summary))


def test_a_page_read_again_is_counted_once(tmp_path):
    """A journal that is resumed takes what the page holds from its beginning, also the records of
    moments at which nothing was known; another daemon's are others."""
    rows = records(10)
    rows["seq"] = np.arange(1, 11)
    rows[:2]["tai_ts_ns"], rows[:2]["state"] = 0, ClockState.UNKNOWN
    other = rows.copy()
    other["tai_ts_ns"][2:] += 20 * SECOND_NS
    with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
        for part in (rows[:6], rows, other):
            writer.clock(part, TABLE.utc_of(int(part["tai_ts_ns"][-1])))
        writer.sync()
    journalled = clock_records(tmp_path / "j", TABLE).records
    assert list(journalled["seq"]) == [*range(1, 11), *range(1, 11)]


def test_what_cannot_be_known_is_placed_from_the_last_known_moment_on():
    """The first one stands where the last known one does, the others when they were written, none
    after the next known one."""
    rows = records(6)
    start = int(rows["tai_ts_ns"][0])
    rows["tai_ts_ns"][1:5] = 0
    block = start + np.array([9, 9, 2, 3, 9, 9]) * SECOND_NS
    placed = place(rows, block)["tai_ts_ns"] - start
    assert list(placed // SECOND_NS) == [0, 0, 2, 3, 5, 5]


def test_missing_records_are_no_evidence():
    """Between two records of which one is missing nobody knows what that one said."""
    rows = records(121)
    rows["seq"] = np.arange(1, 122)
    summary = summarise(np.delete(rows, [50, 51]), TABLE, UTC)
    assert not summary["rts25_held"]
    assert summary["whole"]["missing_records"] == 2
    assert summary["whole"]["without_evidence_s"] == 3.0
    assert any("2 records are missing" in line for line in report_lines(summary))


@pytest.mark.parametrize(
    ("before_s", "after_s", "held"), [(0, 1, True), (60, 0, False), (0, 60, False)]
)
def test_a_daemon_that_came_late_or_went_early_is_a_hole(before_s, after_s, held):
    """What the journal covers and the daemon did not is without evidence."""
    rows = records(121)
    first, last = int(rows["tai_ts_ns"][0]), int(rows["tai_ts_ns"][-1])
    summary = summarise(rows, TABLE, UTC, first - before_s * SECOND_NS, last + after_s * SECOND_NS)
    assert summary["rts25_held"] == held
    assert summary["whole"]["without_evidence_s"] == (0 if held else 60 if before_s else 55)


def test_after_its_last_word_a_daemon_speaks_for_nothing():
    """Between the daemon's end and the next one's first word RTS 25 is not held."""
    rows = records(121)
    rows["event"][60] = ClockEvent.STOPPED
    assert not summarise(rows, TABLE, UTC)["rts25_held"]


def test_a_simulated_clock_is_evidence_of_nothing():
    """Marked in the figures, at every event and in the text; RTS 25 is not held, whatever its flags
    say."""
    rows = records(10)
    rows["source"], rows["event"][5] = ClockSource.SIMULATED, ClockEvent.STEP
    summary = summarise(rows, TABLE, UTC)
    assert not summary["rts25_held"]
    assert summary["whole"]["rts25_share"] == 0
    assert summary["whole"]["simulated_s"] == summary["whole"]["covered_s"] > 0
    assert all(event["simulated"] for event in summary["events"])
    assert sum("SIMULATED" in line for line in report_lines(summary)) >= 3


def test_times_of_day_in_a_zone_keep_the_leap_second():
    """23:59:60 UTC is 00:59:60 in Berlin."""
    berlin = ZoneInfo("Europe/Berlin")
    assert local("2016-12-31T23:59:60.250000000Z", berlin) == "2017-01-01T00:59:60.250000000+0100"
    assert local("2016-12-31T23:59:60.250000000Z", UTC) == "2016-12-31T23:59:60.250000000Z"
    assert local(None, berlin) == "-"


def test_a_run_without_a_daemon_has_the_kernels_word(tmp_path):
    """The result and the journal's configuration say what the kernel says; there is no evidence to
    report on, and the report's exit status says so."""
    finished_run = a_run(tmp_path, 2_000)
    if finished_run["clock"]["page"] is not None:
        pytest.skip("a clock daemon runs on this machine")
    assert finished_run["clock"]["offset_ns"] is None
    assert finished_run["clock"]["bound_ns"] > 0
    assert JournalReader(tmp_path / "journal").config["clock"]["source"] == "kernel"
    done = ask("report", str(tmp_path / "journal"))
    assert done.returncode == 1
    assert "holds no clock evidence" in done.stderr


def test_rts25_is_not_said_to_hold_where_the_time_is_not_known():
    """The page's last word was that it holds; its line has been marked unknown since."""
    writer = PageWriter()
    try:
        writer.set_rts25(1_800_000_000 * SECOND_NS)
        writer.add_evidence(records(1))
        document = json.loads(ask("--json").stdout)
        shown = ask().stdout
    finally:
        writer.close()
    assert document["now"] is None
    assert document["rts25"] == {"holds": False, "since_utc": None}
    assert "NOT KNOWN" in shown
    assert "DOES NOT HOLD" in shown


def test_without_a_daemon_the_kernel_is_asked():
    """The kernel's own estimate, and no word of RTS 25."""
    document = json.loads(ask("--json").stdout)
    if document["page"] is not None:
        pytest.skip("a clock daemon runs on this machine")
    assert document["source"] == "kernel"
    assert document["bound_ns"] > 0
    assert not document["rts25"]["holds"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--zone", "Mars/Base"], "is not a time zone"),
        (["serve", "--phc", "/dev/ptp-none"], "/dev/ptp-none does not exist"),
        (["report", "/nowhere"], "/nowhere"),
    ],
)
def test_a_mistake_is_one_line(arguments, text):
    """A wrong zone, a device or a journal that is not there: named, with a non-zero exit."""
    done = ask(*arguments)
    assert done.returncode != 0
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_no_page_is_left():
    """Daemons that ended have taken theirs with them."""
    assert not left_since(set(), ".clock")
    assert os.path.isdir("/dev/shm")
