"""What the clock daemon says about itself comes into the journal, once."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.tables import StampBounds, Tables
from openoutcry.pipeline.stages.journal import JournalStage
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.ptp import PageWriter, clock_evidence, load_table
from openoutcry.ptp.clock_evidence import EVERY_NS, ClockEvidence
from openoutcry.ptp.daemon import measure_nominal
from openoutcry.ptp.host import Machine
from openoutcry.ptp.page import ClockError, Line
from openoutcry.ptp.ticks import Q48, ticks_now
from openoutcry.ring.kernels import release
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry
from openoutcry.wire.enums import BlockKind, ClockSource, ClockState
from openoutcry.wire.memory import epoch_offset_ns
from openoutcry.wire.records import CLOCK_DTYPE, MAX_VALUE, ORDER_DTYPE


class Page:
    """A clock page of records 1 to ``last``."""

    last = 0
    name = "first"

    @classmethod
    def open(cls):
        if not cls.last:
            raise ClockError("no clock daemon is running")
        return cls()

    def evidence(self, after_seq):
        records = np.zeros(self.last, CLOCK_DTYPE)
        records["seq"] = np.arange(1, self.last + 1)
        return records[after_seq:]


def test_each_record_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing without a daemon, all there is when one comes, then what is new, at most once a
    second."""
    monkeypatch.setattr(clock_evidence, "ClockPage", Page)
    monkeypatch.setattr(Page, "last", 0)
    clock = ClockEvidence()
    assert clock.new_records(0) is None
    Page.last = 3
    assert clock.new_records(EVERY_NS - 1) is None
    assert list(clock.new_records(EVERY_NS)["seq"]) == [1, 2, 3]
    Page.last = 5
    assert clock.new_records(2 * EVERY_NS - 1) is None
    assert list(clock.new_records(2 * EVERY_NS)["seq"]) == [4, 5]
    assert clock.new_records(3 * EVERY_NS) is None
    Page.last = 6
    assert list(clock.new_records(4 * EVERY_NS)["seq"]) == [6]
    assert clock.new_records(5 * EVERY_NS) is None
    monkeypatch.setattr(Page, "name", "second")
    assert list(clock.new_records(6 * EVERY_NS)["seq"]) == [1, 2, 3, 4, 5, 6]
    Page.last = 7
    assert list(clock.new_records(6 * EVERY_NS + 1, at_once=True)["seq"]) == [7]


@pytest.fixture
def shared() -> Iterator[Shared]:
    """A run's rings and control words, of nobody yet."""
    memory = Shared(Geometry({"lane": 64, "sequenced": 64, "events": 64}), TOPOLOGY)
    memory.control.block.epoch_offset = epoch_offset_ns()
    yield memory
    memory.unlink()


@pytest.fixture
def daemon() -> Iterator[PageWriter]:
    """The page of a daemon that says the system clock is 3 ms slow, give or take 2 us."""
    page, table = PageWriter(), load_table()
    nominal_ns = measure_nominal(Machine())
    # Of many pairs of readings the one that the scheduler stretched least.
    pairs = [(ticks_now(), time.time_ns(), ticks_now()) for _ in range(16)]
    ticks, utc_ns, _ = min(pairs, key=lambda pair: pair[2] - pair[0])
    tai_ns = table.tai_of(utc_ns) + 3_000_000
    offset_s = table.offset_at(tai_ns)
    mult = round(nominal_ns * Q48)
    line = Line(
        ticks, tai_ns, mult, 2_000, 0, 60_000, offset_s, ClockState.LOCKED, ClockSource.CHRONY
    )
    page.publish(line)
    yield page
    page.close()


def test_a_quiet_run_keeps_its_evidence(tmp_path: Path, shared: Shared, daemon: PageWriter) -> None:
    """Not one command comes: what the daemon says is written all the same, as it comes, and its
    last words before the stop are durable with the end."""
    with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
        stage = JournalStage(shared, writer, durable=True)
        daemon.add_evidence(np.zeros(1, CLOCK_DTYPE))
        stage.clock._next_ns = 0
        assert stage.step() == 0
        assert list(clock_records(tmp_path / "j")["seq"]) == [1, 0]
        daemon.add_evidence(np.zeros(1, CLOCK_DTYPE))
        release(shared.end_of("sequenced"), stage.next_seq)
        stage.step()
        assert stage.finished
        assert list(clock_records(tmp_path / "j")["seq"]) == [1, 0, 2, 0]
        assert writer._copies.durable.block_index == writer.blocks - 1


def test_a_stamps_distance_from_utc_is_recorded(
    tmp_path: Path, shared: Shared, daemon: PageWriter
) -> None:
    """The daemon knows its own time to 2 us, and the stamps are 3 ms off it: that is their bound,
    in the journal's tables too."""
    rows = np.zeros(1, ORDER_DTYPE)
    with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
        daemon.add_evidence(np.zeros(1, CLOCK_DTYPE))
        JournalStage(shared, writer, durable=True)
        rows["seq"], rows["rx_ts_ns"] = 1, time.time_ns()
        writer.append(1, [rows], 1, time.time_ns())
        writer.sync()
    record = clock_records(tmp_path / "j")[-1]
    assert record["seq"] == 0
    assert 2_000_000 < record["offset_ns"] < 4_000_000
    assert record["offset_ns"] + 2_000 <= record["bound_ns"] < 8_000_000
    ((orders, _),) = Tables(tmp_path / "j", with_events=False).batches()
    assert orders["bound_ns"].to_pylist() == [int(record["bound_ns"])]


def test_a_resumed_run_says_how_its_own_stamps_are(tmp_path: Path, shared: Shared) -> None:
    """It stamps by a clock of its own: without a daemon the word of the run before is over."""
    rows = np.zeros(1, ORDER_DTYPE)
    rows["seq"], rows["rx_ts_ns"] = 1, time.time_ns()
    with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
        writer.clock(a_stamp(5_000), time.time_ns())
        writer.append(1, [rows], 1, time.time_ns())
        JournalStage(shared, writer, durable=True)
        rows["seq"] = 2
        writer.append(2, [rows], 1, time.time_ns())
        writer.sync()
    if ClockEvidence().new_records(0) is not None:
        pytest.skip("a clock daemon runs on this machine")
    assert clock_records(tmp_path / "j")[-1]["bound_ns"] == MAX_VALUE
    ((orders, _),) = Tables(tmp_path / "j", with_events=False).batches()
    assert orders["bound_ns"].to_pylist()[1:] == [None]


def test_the_bounds_of_stamps_are_of_the_records_on_both_sides(tmp_path: Path) -> None:
    """The larger of the two; the one before alone where no other comes within five seconds; none
    before the first, nor five seconds after the last."""
    second = 1_000_000_000
    blocks = [(0, 0), (10, 7), (11, 0), (13, 9), (14, 0)]
    with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
        for at_s, bound_ns in blocks:
            if bound_ns:
                writer.clock(a_stamp(bound_ns), at_s * second)
            else:
                rows = np.zeros(1, ORDER_DTYPE)
                rows["seq"] = writer.written_seq + 1
                writer.append(int(rows["seq"][0]), [rows], 1, at_s * second)
        writer.sync()
    bounds = StampBounds(JournalReader(tmp_path / "j"))
    bounds_ns = [
        bounds.of(np.full(len(stamps), index), np.array(stamps) * second).tolist()
        for index, stamps in ((1, [0, 9]), (3, [7, 10, 15, 16]), (5, [14, 18, 19]))
    ]
    no = MAX_VALUE
    assert bounds_ns == [[no, no], [7, 9, 9, no], [9, 9, no]]


def a_stamp(bound_ns: int) -> np.ndarray:
    """A run's own record, as ``stamp_record`` makes it."""
    record = np.zeros(1, CLOCK_DTYPE)
    record["bound_ns"] = bound_ns
    return record


def clock_records(journal: Path) -> np.ndarray:
    """The journal's clock records, the daemon's and the run's own."""
    return np.concatenate(
        [
            np.frombuffer(bytes(block.payload), CLOCK_DTYPE)
            for block in JournalReader(journal).all_blocks()
            if block.header.kind == BlockKind.CLOCK
        ]
    )
