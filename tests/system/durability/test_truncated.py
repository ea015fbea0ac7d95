"""Shared memory truncated under a running pipeline: the run ends and says so."""

import os
import subprocess
from pathlib import Path

import pytest

from openoutcry.ring.segment import SHM
from tests.support.pipeline import warm_outcry
from tests.support.processes import (
    OUTCRY,
    SPREAD,
    alive,
    find_pipeline,
    left_behind,
    left_since,
    stage_pids,
)
from tests.support.waiting import BOUND_S


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
    with warm_outcry.Process(
        [*command, "--topology", topology, *SPREAD, "--journal", "day"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        pipeline = find_pipeline(process.pid)
        stages = stage_pids(pipeline)
        (segment,) = SHM.glob(f"outcry.{process.pid}.*.{what}")
        os.truncate(segment, 0)
        _, stderr = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert f"outcry: shared memory {segment} was truncated while in use: 0 of " in stderr
    assert not [pid for pid in stages if alive(pid)]
    assert not left_since(before)
