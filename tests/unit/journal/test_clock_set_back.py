"""A clock that was set back in the middle of a journal: ls, verify, the log and an alarm say so."""

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal import Journal
from openoutcry.journal.listing import describe
from openoutcry.journal.verify import verify
from openoutcry.operations.alarms import ALARMS
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue

HOUR_NS = 3_600 * 10**9
NOON_NS = 1_800_000_000 * 10**9
SECTOR = 4096


def make(directory, orders, at, *, segment_sectors=64, block=10):
    """Blocks of ten orders; ``at``: block number -> ns after noon that its stamps have, for when it
    was written and when its orders came."""
    with Journal.create(directory, {}, segment_bytes=segment_sectors * SECTOR) as writer:
        for number in range(20):
            written_ns, received_ns = at(number)
            records = orders(writer.written_seq + 1, block)
            records["rx_ts_ns"] = NOON_NS + received_ns
            writer.append(writer.written_seq + 1, [records], block, NOON_NS + written_ns)


def back_at(number, of="both"):
    def at(block):
        ns = block * 10**9
        later = ns - HOUR_NS * (block >= number)
        return (later if of != "received" else ns, later if of != "written" else ns)

    return at


@pytest.mark.promise(
    "A clock that was set back is said by the journal's listing, its check, the log and an alarm",
    group="files",
)
@pytest.mark.parametrize("of", ["both", "written", "received"])
@pytest.mark.parametrize("segment_sectors", [4, 64])
@pytest.mark.parametrize("number", [1, 7, 19])
def test_a_clock_set_back_in_the_middle_is_said(tmp_path, orders, of, segment_sectors, number):
    """One step, wherever segments end: the command, how far, from when to when; all is sound."""
    make(tmp_path, orders, back_at(number, of), segment_sectors=segment_sectors)
    seq = 10 * number + 1
    sentence = f"the clock was set back by 0:59:59 at command {seq:,}, from 2027-01-15"
    verdict = verify(tmp_path)
    assert verdict.sound
    assert [note.startswith(sentence) for note in verdict.notes] == [True]
    (step,) = describe(tmp_path)["clock_set_back"]
    assert step["seq"] == seq
    assert step["before_ts_ns"] - step["after_ts_ns"] == HOUR_NS - 10**9
    for command in ("ls", "verify"):
        invocation = CliRunner().invoke(main, ["journal", command, str(tmp_path)])
        assert sentence in invocation.output
        assert invocation.exit_code == 0


def test_within_one_block(tmp_path, orders):
    """The very command within a block."""
    with Journal.create(tmp_path, {}) as writer:
        records = orders(1, 5_000)
        records["rx_ts_ns"] = NOON_NS
        records["rx_ts_ns"][2_500:] -= HOUR_NS
        writer.append(1, [records], 5_000, NOON_NS)
    (note,) = verify(tmp_path).notes
    assert note.startswith("the clock was set back by 1:00:00 at command 2,501")


@pytest.mark.parametrize(
    "at",
    [
        lambda number: (number * 10**9, number * 10**9),
        lambda number: (number * 10**9, number * 10**9 - 30 * 10**9 * (number % 2)),
        lambda number: (number * 10**9 + HOUR_NS * (number > 9), number * 10**9),
        lambda number: (-NOON_NS + 7, -NOON_NS),
    ],
    ids=["plain", "sources in turns", "set forward", "no clock"],
)
def test_what_is_no_step_back(tmp_path, orders, at):
    """Commands that waited for their turn, a clock that was set forward, and records without a
    time."""
    make(tmp_path, orders, at)
    assert verify(tmp_path).notes == []
    assert describe(tmp_path)["clock_set_back"] == []


def test_the_log_says_it_while_a_run_goes_on_and_when_it_goes_on(tmp_path, capsys):
    """Set back by an hour in the run, which the log and the alarm's control word say at once.  The
    run that resumes stamps by that clock: it says so, and the journal's times show it."""
    venue = InlineVenue([session("ALPHA", 1)], tmp_path / "journal")
    client = venue.client("ALPHA")
    client.enter("a1")
    venue.clock.advance(2)
    assert "set back" not in capsys.readouterr().err
    venue.clock._offset_ns -= HOUR_NS
    venue.clock.advance(2, 1)
    assert "outcry: the clock was set back by 3,600.000 s" in capsys.readouterr().err
    control = venue.run.work.shared.control
    assert control.block.clock_back_ns == HOUR_NS
    venue.again()
    assert "commands after" in capsys.readouterr().err
    control = venue.run.work.shared.control
    assert control.block.clock_back_ns > HOUR_NS - 10 * 10**9
    client = venue.client("ALPHA")
    client.enter("a2")
    venue.stop()
    assert len(describe(tmp_path / "journal")["clock_set_back"]) == 1


def test_the_alarm_is_raised_by_any_step():
    """The alarm of the rules goes by the metric of that control word."""
    (alarm,) = [alarm for alarm in ALARMS if alarm.name == "ClockSetBack"]
    assert "outcry_clock_set_back_seconds" in str(alarm)
