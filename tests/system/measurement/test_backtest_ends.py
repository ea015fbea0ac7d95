"""How `outcry backtest` ends, as a process: Control-C, SIGKILL, a wrong strategy, a wrong day."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.flow.generated_market import write_lobster
from tests.support.processes import OUTCRY
from tests.support.waiting import BOUND_S, wait_until

DAYS = [f"generated:normal:100000:{seed}" for seed in range(1, 5)]
WILD = """
from openoutcry.backtest.strategy import Strategy
from openoutcry.wire.kernel import kernel


@kernel
def on_timer(view, state, desk):
    {array}[{index}] = 7
    return 0


wild = Strategy("wild", {{}}, 8, on_timer=on_timer, interval_ns=1_000)
"""


def start(out: Path, *days: str, strategy: str = "maker", workers: int = 0):
    """The command, in a session of its own."""
    words = [*days, "--strategy", strategy, "--out", str(out), "--workers", str(workers), "--json"]
    return subprocess.Popen(
        [*OUTCRY, "backtest", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def summary_of(out: Path) -> dict:
    """What the same command says once it has done everything."""
    process = start(out, *DAYS)
    told, error = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, error
    return json.loads(told)


def half_written(out: Path) -> list[Path]:
    return [*out.glob("days/.*"), *out.glob("tasks/.*")]


def stop_in_the_middle(process: subprocess.Popen, out: Path) -> None:
    """Stop the process while a folder is half written."""

    def is_stopped() -> bool:
        assert process.poll() is None, "the command was done before it was stopped"
        if not half_written(out):
            return False
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        if half_written(out):
            return True
        os.kill(process.pid, signal.SIGCONT)
        return False

    wait_until(is_stopped, "a folder is half written")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results of the command that nothing has stopped."""
    return summary_of(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_leaves_no_half_folder_once_it_runs_again(tmp_path, how, whole):
    """Control-C ends it with status 1 and removes what is half written; what SIGKILL leaves is
    removed by the next start.  The results are the same."""
    process = start(tmp_path, *DAYS)
    stop_in_the_middle(process, tmp_path)
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    told, error = process.communicate(timeout=BOUND_S)
    assert not (tmp_path / "summary.json").exists()
    if how == signal.SIGINT:
        assert process.returncode == 1
        assert json.loads(told) == {"error": "Aborted!"}
        assert "Traceback" not in error
        assert half_written(tmp_path) == []
    else:
        assert process.returncode == -signal.SIGKILL
        assert half_written(tmp_path) != []
    assert summary_of(tmp_path) == whole
    assert half_written(tmp_path) == []


def require_named(tmp_path: Path, array: str, index: str, workers: int) -> None:
    """The command fails with the strategy's name, and the process does not die of a signal."""
    path = tmp_path / "mine.py"
    path.write_text(WILD.format(array=array, index=index))
    process = start(tmp_path / "out", DAYS[0], strategy=f"{path}:wild", workers=workers)
    told, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    named = "strategy wild: a callback reads or writes beyond the end of an array"
    assert json.loads(told)["error"].startswith(named)


@pytest.mark.parametrize(
    ("array", "index"), [("state", "1_000_000_000_000"), ("desk", "-100_000"), ("view", "24")]
)
def test_a_kernel_that_writes_out_of_range_is_named(tmp_path, array, index):
    require_named(tmp_path, array, index, workers=0)


@pytest.mark.long
def test_a_kernel_that_writes_out_of_range_is_named_on_ray(tmp_path):
    """Not as a worker that died, which Ray would start again.  (Ray gives itself 30 s to start,
    which a loaded machine may not have: no test for every day.)"""
    require_named(tmp_path, "state", "1_000_000_000_000", workers=1)


def test_halves_of_a_file_that_are_swapped_are_named(tmp_path):
    """File, row and column of the first time that is before the row above."""
    write_lobster(tmp_path, 2, 300)
    path = tmp_path / "messages.csv"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[150:] + rows[:150]))
    process = start(tmp_path / "out", f"lobster:{path}")
    told, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert f"{path}: row 151, column 1 (time)" in json.loads(told)["error"]
    assert half_written(tmp_path / "out") == []
