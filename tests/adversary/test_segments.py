"""A segment of a running pipeline is truncated: the run ends by an error that names it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import OUTCRY, find_pipeline, left_behind

from openoutcry.pipeline.compile import compile_kernels
from openoutcry.ring.segment import segment_name

ENDLESS = ["run", "--orders", "10000000", "--rate", "2000", "--json"]


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """No run below waits for a compiler."""
    compile_kernels(lambda what, done, total: None)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("what", ["control", "lane", "sequenced", "events", "stamps"])
def test_a_truncated_segment_ends_the_run(what: str, half: bool, tmp_path: Path) -> None:
    """Each segment, to nothing and to its half: a SegmentError, no shared memory left; Control-C
    meanwhile takes nothing away from that."""
    with subprocess.Popen(
        [*OUTCRY, *ENDLESS], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            pipeline = find_pipeline(process.pid)
            path = Path("/dev/shm") / segment_name(pipeline.owner, what)
            os.truncate(path, path.stat().st_size // 2 if half else 0)
            time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0, out
    assert path.name in err
    assert "Traceback" not in err
    assert left_behind() == set()
