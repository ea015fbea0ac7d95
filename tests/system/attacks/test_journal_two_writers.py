"""One journal, one writer: whatever is removed, moved or put in its place under a running one."""

import signal
import subprocess

import pytest

from openoutcry.journal.verify import verify
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, find_pipeline
from tests.support.waiting import BOUND_S


@pytest.mark.promise(
    "One writer: a second pipeline is kept out of each directory of a journal in use, also "
    "when the file `lock` is removed. A superseded writer, or one whose directory is removed,"
    " moved, replaced or cut, acknowledges nothing more",
    group="files",
)
def test_a_second_resume_is_refused_when_the_lock_file_is_removed(tmp_path):
    """The pipeline goes on alone, and its journal is sound."""
    journal = tmp_path / "j"
    more = ["--orders", "60000", "--rate", "100", "--seed", "4", "--json"]
    command = [*OUTCRY, "run", *more, "--journal", str(journal)]
    with warm_outcry.Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            find_pipeline(process.pid)
            (journal / "lock").unlink()
            second = warm_outcry.run_command([*command, "--resume"])
            assert process.poll() is None, "the first one was at work all the while"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=BOUND_S)
        finally:
            process.kill()
    assert second.returncode == 1
    assert "is in use by a running pipeline" in second.stderr
    assert process.returncode in (0, 1, 130), err
    assert verify(journal).sound
