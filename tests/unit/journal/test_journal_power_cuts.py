"""The power goes at any moment: what is found has everything acknowledged, in order, once."""

from typing import Any

import pytest

from tests.support.journal.journal_power_cuts import cut_often, live
from tests.support.journal.power_cut import RecordingDisk


class LyingDisk(RecordingDisk):
    """Says that a write is durable and leaves it in its cache."""

    def write(self, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        return super().write(fd, data, offset)


def test_a_disk_that_lies_is_seen_by_this_test(tmp_path, orders, monkeypatch):
    """With durable writes that are not, some cut loses what was acknowledged: the simulation
    would see a writer that acknowledges too early."""
    monkeypatch.setitem(live.__globals__, "RecordingDisk", LyingDisk)
    with pytest.raises(AssertionError, match="cut"):
        cut_often(tmp_path, orders, 1, 200)
