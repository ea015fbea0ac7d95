"""ptp/page.py: the interval is right to the nanosecond, never torn, and refused when nobody keeps
the page."""

import os
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.ptp import page as page_module
from openoutcry.ptp.clock_evidence import EVERY_NS, ClockEvidence
from openoutcry.ptp.page import (
    BUSY,
    CLOSED,
    EVIDENCE_SLOTS,
    GROWTH_PPB_MAX,
    LINE,
    OK,
    OWNER,
    SEGMENT_BYTES,
    SOURCES,
    STALE,
    STALE_MS_MAX,
    UNKNOWN,
    VERSION,
    WHAT,
    ClockError,
    ClockPage,
    PageWriter,
    interval_at,
    living_pages,
    now,
)
from openoutcry.ptp.ticks import Q48, asleep_ns, ticks_now
from openoutcry.ring import ProcessIdentity, Segment, SegmentError
from openoutcry.ring.segment import segment_name
from openoutcry.wire import CLOCK_DTYPE, LayoutMismatch
from openoutcry.wire.enums import ClockFlag, ClockSource
from openoutcry.wire.records import MAX_VALUE
from tests.support.processes import left_since
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.clock_page import _private, a_line, status_of

SECOND_NS = 1_000_000_000


def expected(line, ticks):
    """The slow way: what the page's fields mean, in Python's unbounded integers."""
    elapsed = (ticks - line.base_ticks) * line.mult_q48 >> 48
    if abs(elapsed) >= line.stale_ms * 10**6:
        return None
    grown = abs(elapsed) * line.growth_ppb
    bound = line.bound_ns + 1 + (grown + grown // 8) // 2**30
    assert bound > line.bound_ns + grown / 10**9
    first, last = line.base_tai_ns + elapsed - bound, line.base_tai_ns + elapsed + bound
    before, after = line.utc_offset_s * SECOND_NS, line.next_utc_offset_s * SECOND_NS
    leap = line.leap_tai_ns
    if first < leap <= last:
        # Each moment of the interval that could be the first or the last in UTC.
        ends = (first - before, leap - 1 - before, leap - after, last - after)
        return first, last, min(ends[0], ends[2]), max(ends[1], ends[3])
    return (first, last, *(t - (before if last < leap else after) for t in (first, last)))


lines = st.builds(
    a_line,
    base_ticks=st.integers(0, 2**62),
    base_tai_ns=st.integers(10**18, 4 * 10**18),
    mult_q48=st.integers(Q48 // 100, 100 * Q48),
    bound_ns=st.integers(0, 10**12),
    growth_ppb=st.integers(0, GROWTH_PPB_MAX),
    stale_ms=st.integers(1, STALE_MS_MAX),
    utc_offset_s=st.integers(36, 38),
    next_utc_offset_s=st.integers(36, 38),
)
near_ns = st.one_of(st.integers(-(10**6), 10**6), st.integers(-(10**12), 10**12))


@given(line=lines, ticks=near_ns, leap=st.one_of(st.none(), near_ns))
@example(line=a_line(next_utc_offset_s=38), ticks=0, leap=0)
@example(line=a_line(next_utc_offset_s=36), ticks=0, leap=500)
def test_interval_is_what_the_fields_say(line, ticks, leap):
    """Kernel and slow reference agree to the ns, in TAI and UTC, before, across and after leaps."""
    line.leap_tai_ns = MAX_VALUE if leap is None else line.base_tai_ns + leap
    page, out = _private(line), np.zeros(4, np.int64)
    ticks += line.base_ticks
    status = interval_at(page.ctypes.data, ticks, out.ctypes.data)
    answer = tuple(out.tolist()) if status == OK else None
    assert answer == expected(line, ticks)
    assert status in (OK, STALE)


def test_now_moves_with_the_counter(writer, page):
    """Two readings are as far apart as the monotonic clock says: by no less than what it says
    between them, by no more than what it says around them; the counter's rate is a rough one."""
    writer.publish(a_line(base_ticks=int(ticks_now()), mult_q48=_mult(), stale_ms=600_000))
    before_ns, first, between_ns = time.monotonic_ns(), page.now(), time.monotonic_ns()
    time.sleep(0.05)
    after_ns, last, end_ns = time.monotonic_ns(), page.now(), time.monotonic_ns()
    elapsed_ns = last.tai_ns - first.tai_ns
    assert (after_ns - between_ns) / 2 < elapsed_ns < 2 * (end_ns - before_ns)
    assert last.bound_ns >= first.bound_ns


def _mult():
    """This machine's counter, roughly, whoever else runs meanwhile."""
    start_ns, start = _reading()
    time.sleep(0.02)
    end_ns, end = _reading()
    return round((end_ns - start_ns) / (end - start) * Q48)


def _reading():
    """Clock and counter at one moment: of some attempts the one in the narrowest window."""
    attempts = [(time.monotonic_ns(), int(ticks_now()), time.monotonic_ns()) for _ in range(20)]
    before_ns, ticks, after_ns = min(attempts, key=lambda attempt: attempt[2] - attempt[0])
    return (before_ns + after_ns) // 2, ticks


def test_the_bound_only_grows_until_the_page_is_renewed(writer, page):
    """Left alone, the interval widens with every tick, by no less than the growth says."""
    writer.publish(a_line())
    widths = [page.at(10**15 + step * (25 * 10**8 + 5)).bound_ns for step in range(3)]
    assert widths == sorted(widths)
    assert 1_000 <= widths[2] - widths[0] <= 1_050


def test_a_page_without_a_line_is_refused(page):
    """Until the daemon knows the time, nobody does."""
    assert status_of(page) == UNKNOWN


@pytest.mark.parametrize("ticks", [10**15 + 75 * 10**8 + 5, 10**15 - 75 * 10**8, 0])
def test_a_stale_page_is_refused(writer, page, ticks):
    """At three seconds of age, and for a counter that was set back."""
    writer.publish(a_line())
    assert status_of(page, ticks) == STALE
    inside = 10**15 + 75 * 10**8 - 10
    assert page.at(inside).bound_ns > 1_000


def test_a_page_that_was_ended_is_refused(page, writer):
    """A daemon that ends in order says so to those who still read."""
    other = PageWriter(writer.name + "2")
    reader = ClockPage.open(other.name)
    other.publish(a_line())
    reader.at(10**15)
    other.close()
    assert status_of(reader) == CLOSED


def test_a_half_written_page_of_a_living_writer_is_busy(writer, page):
    """A reader does not wait for ever for a writer that stands still in the middle."""
    writer.publish(a_line())
    words = writer.segment.words(LINE + VERSION, 1)
    words[0] += 1
    assert status_of(page) == BUSY
    words[0] += 1
    assert page.at(10**15)


# Evidence


def a_record(**fields):
    record = np.zeros(1, CLOCK_DTYPE)
    for name, value in fields.items():
        record[name] = value
    return record


def test_evidence_comes_in_order_and_once(writer, page):
    """Who asks after a sequence gets what is newer, the oldest of the last 256 first."""
    assert len(page.evidence()) == 0
    for index in range(1, 401):
        assert writer.add_evidence(a_record(bound_ns=index)) == index
    records = page.evidence()
    assert records["seq"].tolist() == list(range(401 - EVIDENCE_SLOTS, 401))
    assert (records["bound_ns"] == records["seq"]).all()
    assert page.evidence(398)["seq"].tolist() == [399, 400]
    assert len(page.evidence(400)) == 0


def test_rts25_is_reported_since_when(writer, page):
    """One word beside the page: since when it holds, or minus since when not."""
    assert page.rts25_since_tai_ns == 0
    writer.set_rts25(-5)
    assert page.rts25_since_tai_ns == -5


def test_a_suspended_machine_is_reported_at_once(writer, page, monkeypatch):
    """It slept two seconds and the daemon has not looked yet: Python's readings say so by
    themselves; disturbed readings of the clocks are no sleep, however many there are."""
    writer.publish(a_line(base_ticks=int(ticks_now()), mult_q48=_mult(), stale_ms=600_000))
    page.now()
    boot = time.clock_gettime_ns
    slept_ns = [2 * 10**9]
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: boot(clock) + slept_ns[0])
    with pytest.raises(ClockError, match="was suspended since the last update") as caught:
        page.now()
    assert caught.value.status == STALE
    writer.set_asleep(asleep_ns())
    page.now()
    slept_ns[0] = 0
    writer.set_asleep(asleep_ns())
    pauses_s = [0.01] * 9

    def disturbed(clock):
        if pauses_s:
            time.sleep(pauses_s.pop())
        return boot(clock)

    monkeypatch.setattr(time, "clock_gettime_ns", disturbed)
    page.now()
    assert not pauses_s


def test_what_each_source_says_can_be_read(writer, page):
    """Nothing before the first look; then all of it, or as many as there is room for; what is half
    written is not given."""
    assert page.sources() == []
    reports = [{"source": "chrony", "silent": "größer"}, {"source": "kernel", "bound_ns": 7}]
    writer.set_sources(reports)
    assert page.sources() == reports
    writer.set_sources([{"source": "x" * 500}] * 100)
    assert 5 < len(page.sources()) < 8
    writer.segment.view[SOURCES + 20] ^= 1
    assert page.sources() == []


# Opening and the writer's own mistakes


def test_the_newest_living_page_is_opened(writer):
    """Without a name it is the page of the daemon that was started last."""
    assert writer.name in living_pages()
    assert ClockPage.open(living_pages()[-1]).name == living_pages()[-1]


@pytest.mark.parametrize(
    ("offset", "value", "error", "text"),
    [
        (0, 1, SegmentError, "not a clock page: wrong magic at byte 0"),
        (8, 1, LayoutMismatch, "was written with layout"),
    ],
)
def test_a_foreign_page_is_refused(writer, offset, value, error, text):
    """Another kind of segment, and a page of another layout."""
    words = writer.segment.words(offset, 1)
    before = words[0]
    words[0] = value
    with pytest.raises(error, match=text):
        ClockPage.open(writer.name)
    words[0] = before


def test_a_segment_of_another_size_is_refused(writer):
    """Nothing is read beyond what is there."""
    other = Segment.create(writer.name + "4", 4096)
    try:
        with pytest.raises(SegmentError, match=r"is not a clock page: 4096 bytes"):
            ClockPage.open(other.name)
    finally:
        other.unlink()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("growth_ppb", GROWTH_PPB_MAX + 1),
        ("stale_ms", 0),
        ("stale_ms", STALE_MS_MAX + 1),
        ("bound_ns", -1),
    ],
)
def test_a_line_out_of_range_is_not_published(writer, page, field, value):
    """The reader's arithmetic cannot overflow: what could make it so is refused by name."""
    with pytest.raises(ValueError, match=field):
        writer.publish(a_line(**{field: value}))
    assert status_of(page) == UNKNOWN


def test_the_owner_is_the_writers_thread(writer):
    """What the kernel compares with the dying thread's number."""
    owner = writer.segment.view[LINE + OWNER :][:4].view(np.uint32)[0]
    assert owner == os.getpid()


def test_now_reads_the_machines_counter(writer, page):
    """The kernel's ``now`` and Python's are the same thing."""
    writer.publish(a_line(base_ticks=int(ticks_now()), stale_ms=600_000))
    out = np.zeros(4, np.int64)
    before = page.now()
    assert now(page.address, out.ctypes.data) == OK
    assert before.earliest_tai_ns <= out[0] <= page.now().earliest_tai_ns


def test_no_files_are_left():
    """The killed writers' pages above are gone."""
    assert not left_since(set(), ".clock")


# Simulated pages, and pages of others


@pytest.fixture
def simulated_page():
    """A living page of a simulated machine, made after every other."""
    page_writer = PageWriter(segment_name(ProcessIdentity.mine(), f"z-{WHAT}"), simulated=True)
    yield page_writer
    page_writer.close()


def test_a_simulated_page_is_used_only_where_there_is_no_real_one(simulated_page, writer):
    """The real one, also if the simulated one's name is newer and a run has begun with that."""
    assert ClockPage.open().name != simulated_page.name
    record = np.zeros(1, CLOCK_DTYPE)
    evidence = ClockEvidence()
    evidence.page = ClockPage.open(simulated_page.name)
    evidence._name, evidence._is_simulated = simulated_page.name, True
    simulated_page.add_evidence(record)
    writer.add_evidence(record)
    evidence.new_records(EVERY_NS)
    assert evidence.page.name == ClockPage.open().name != simulated_page.name


def test_a_simulated_daemon_marks_page_record_and_status(table):
    """Its source is SIMULATED in the line and in every record, and it claims nothing of RTS 25."""
    with simulate(table) as simulation:
        simulation.daemon.simulated = True
        simulation.run(20)
        assert simulation.page.line["source"] == ClockSource.SIMULATED
        records = simulation.page.evidence()
        known = records[records["tai_ts_ns"] > 0]
        assert (known["source"] == ClockSource.SIMULATED).all()
        assert not (records["flags"] & ClockFlag.RTS25).any()
        assert simulation.page.rts25_since_tai_ns <= 0


@pytest.mark.parametrize("how", ["mode", "layout", "size"])
def test_a_newer_page_that_is_refused_gives_way_to_the_next(writer, monkeypatch, how):
    """Another user's (its mode lets others write), another layout's, a file of another size: the
    next one is opened, and only without any the reason is said."""
    first = ClockPage.open().name
    name = f"{first[: -len(WHAT)]}z-{WHAT}"  # of the same daemon, as a stranger may call a file
    size = 4096 if how == "size" else SEGMENT_BYTES
    other = Segment.create(name, size)
    try:
        if how == "mode":
            os.chmod(other.path, 0o666)
        monkeypatch.setattr(page_module, "living_pages", lambda: [first, name])
        assert ClockPage.open().name == first
        monkeypatch.setattr(page_module, "living_pages", lambda: [name])
        with pytest.raises(SegmentError, match=name):
            ClockPage.open()
    finally:
        other.unlink()
