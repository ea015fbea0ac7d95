"""Shared memory truncated under a running pipeline: the run ends and says so."""

import os

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline import run as runs
from openoutcry.pipeline.run import Options
from openoutcry.ring.segment import SegmentError
from openoutcry.runtime.work import Work
from tests.support.processes import left_behind, left_since


def test_what_a_stage_says_of_a_truncated_segment_is_not_what_the_run_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stage that reads zeros may notice before anybody has looked at the segment."""
    before = left_behind()

    def lose(work: Work, *_: object) -> None:
        os.truncate(work.shared.sequenced.segment.path, 0)
        raise ValueError("append of sequence 1 to 14: the records are 0 to 0")

    monkeypatch.setattr(runs, "_run_inline", lose)
    with pytest.raises(SegmentError, match="sequenced was truncated while in use: 0 of "):
        runs.run(
            Options(
                source=GeneratedFlow("normal", 10, 1),
                topology="inline",
                orders=10,
                durability="none",
            )
        )
    assert not left_since(before)
