"""What the clock daemon says about itself comes into the journal, once."""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.pipeline import clock_evidence
from openoutcry.pipeline import control as ct
from openoutcry.pipeline.clock_evidence import EVERY_NS, ClockEvidence
from openoutcry.pipeline.journal_stage import JournalStage
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.topology import STAGE_INDEX, Geometry
from openoutcry.ptp import PageWriter
from openoutcry.ptp.page import ClockError
from openoutcry.ring.kernels import release
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.records import CLOCK_DTYPE


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


def test_a_quiet_run_keeps_its_evidence(tmp_path: Path) -> None:
    """Not one command comes: what the daemon says is written all the same, as it comes, and its
    last words before the stop are durable with the end."""
    shared, page = Shared(Geometry(lane=64, sequenced=64, events=64), True), PageWriter()
    try:
        with Journal.create(tmp_path / "j", {"instruments": []}) as writer:
            stage = JournalStage(shared, writer, durable=True)
            page.add_evidence(np.zeros(1, CLOCK_DTYPE))
            stage.clock._next_ns = 0
            assert stage.step() == 0
            assert clock_seqs(tmp_path / "j") == [1]
            page.add_evidence(np.zeros(1, CLOCK_DTYPE))
            done = shared.control.address + ct.STAGE_BLOCKS + ct.STAGE_DONE
            release(done + STAGE_INDEX["gateway"] * ct.STAGE_BYTES, stage.next_seq)
            stage.step()
            assert stage.finished
            assert clock_seqs(tmp_path / "j") == [1, 2]
            assert writer._copies.durable.block_index == writer.blocks - 1
    finally:
        page.close()
        shared.unlink()


def clock_seqs(journal: Path) -> list[int]:
    """The daemon's records in the journal, by sequence."""
    return [
        int(seq)
        for block in JournalReader(journal).all_blocks()
        if block.header.kind == BlockKind.CLOCK
        for seq in np.frombuffer(block.payload, CLOCK_DTYPE)["seq"]
    ]
