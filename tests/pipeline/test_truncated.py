"""Shared memory truncated under a running pipeline: the run ends and says so."""

import os
import subprocess
from pathlib import Path

import pytest
from processes import OUTCRY, SPREAD, alive, find_pipeline, left_behind, stage_pids

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline import run as runs
from openoutcry.pipeline.run import Options
from openoutcry.pipeline.worker import Work
from openoutcry.ring.segment import SHM, SegmentError


@pytest.mark.parametrize(
    ("topology", "what"),
    [
        ("processes", "control"),
        ("inline", "sequenced"),
        pytest.param("processes", "sequenced", marks=pytest.mark.long),
        pytest.param("processes", "events", marks=pytest.mark.long),
    ],
)
def test_a_pipeline_whose_segment_is_truncated_ends_and_names_it(
    tmp_path: Path, topology: str, what: str
) -> None:
    """Whichever it is: one line that names it, no stage goes on, no segment is left."""
    before = left_behind()
    command = [*OUTCRY, "run", "--orders", "400000", "--rate", "20000", "--flow", "normal"]
    with subprocess.Popen(
        [*command, "--topology", topology, *SPREAD, "--journal", "day"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        pipeline = find_pipeline(process.pid)
        stages = stage_pids(pipeline)
        (segment,) = SHM.glob(f"outcry.{process.pid}.*.{what}")
        os.truncate(segment, 0)
        _, stderr = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert f"outcry: shared memory {segment} was truncated while in use: 0 of " in stderr
    assert not [pid for pid in stages if alive(pid)]
    assert left_behind() == before


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
    assert left_behind() == before
