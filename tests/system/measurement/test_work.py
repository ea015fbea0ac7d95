"""Plans, tasks, and what is left of them when somebody is killed."""

import shutil

from openoutcry.backtest.plan import Task, read_plan
from openoutcry.backtest.work import remaining_work, run_plan
from tests.support.backtest.work import PLAN


def test_a_plan_that_was_stopped_goes_on_with_the_same_hashes(tmp_path):
    """Whatever tasks and days were committed; what a dead process left half done is no task."""
    whole = run_plan(PLAN, tmp_path / "whole")
    assert whole["runs"] == 3 * 36
    stopped = tmp_path / "stopped"
    shutil.copytree(tmp_path / "whole", stopped)
    for name in ("tasks/day00000-part0001", "tasks/day00002-part0000", "days/day00002"):
        shutil.rmtree(stopped / name)
    (stopped / "summary.json").unlink()
    half = stopped / "tasks" / ".day00000-part0001-elsewhere-1"
    half.mkdir()
    (half / "runs.parquet").write_bytes(b"half")
    work, done = remaining_work(PLAN, stopped)
    assert (list(work), done) == ([(0, Task(0, 1)), (2, None)], 7)
    assert run_plan(PLAN, stopped) == whole
    assert read_plan(stopped) == PLAN
