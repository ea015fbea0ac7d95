"""What the clock daemon says about itself comes into the journal, once."""

import numpy as np
import pytest

from openoutcry.pipeline import clock_evidence
from openoutcry.pipeline.clock_evidence import EVERY_NS, ClockEvidence
from openoutcry.ptp.page import ClockError
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
