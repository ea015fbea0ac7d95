"""Plans, tasks, and what is left of them when somebody is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from openoutcry.backtest.plan import Plan, Task, read_plan
from openoutcry.backtest.work import remaining_work, run_plan
from tests.support.backtest.backtest_days import recorded_venues
from tests.support.processes import started_by
from tests.support.waiting import BOUND_S

PLAN = Plan(
    tuple(f"generated:normal:600:{seed}" for seed in range(1, 4)),
    ("maker", "taker"),
    {"qty_lots": tuple(range(1, 10))},
    ("constant:1000:1000", "drawn:1000:9000"),
    maker_fee=10,
    taker_fee=30,
)


DAYS = [f"generated:normal:1500:{seed}" for seed in range(1, 101)]


def test_a_plan_that_was_stopped_continues_with_the_same_hashes(tmp_path):
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


def outcry(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "openoutcry", "backtest", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def gone(process):
    """Wait until the process and all that it started are gone."""
    until = time.monotonic() + BOUND_S
    while time.monotonic() < until:
        if not [p for p in psutil.process_iter(["pid"]) if _session(p.pid) == process.pid]:
            return
        time.sleep(0.2)
    raise AssertionError("processes are left")


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def tasks_done(out):
    return len(list((out / "tasks").glob("day*"))) if (out / "tasks").exists() else 0


GRID = [
    "--strategy",
    "maker",
    "--param",
    "offset_ticks=0..9",
    "--param",
    "qty_lots=1..10",
    "--latency",
    "drawn:1000:9000",
]


@pytest.mark.long
def test_a_hundred_days_of_a_hundred_parameters_survive_every_death(tmp_path):
    """SIGKILL of a worker, of the driver, of the node (Ray's own processes): the same hashes as
    without Ray and without a death."""
    calm = outcry(*DAYS, *GRID, "--out", str(tmp_path / "calm"), "--workers", "0", "--json")
    expected = json.loads(calm.communicate(timeout=3_000)[0])
    out = tmp_path / "killed"
    command = [*DAYS, *GRID, "--out", str(out), "--workers", "2", "--json"]
    for words, reach, count in (
        ("ray::do_work", "worker", 100),
        (None, "driver", 250),
        ("raylet", "node", 400),
    ):
        process = outcry(*command)
        until = time.monotonic() + 1_200
        while tasks_done(out) < count and time.monotonic() < until:
            if process.poll() is not None:
                # Ray gives itself 30 s to start, which a loaded machine may not have.
                process = outcry(*command)
            time.sleep(0.05)
        assert tasks_done(out) >= count
        if words is None:
            process.kill()
        else:
            while not (victims := started_by(process.pid, words)) and time.monotonic() < until:
                time.sleep(0.01)
            assert victims, reach
            victims[0].send_signal(signal.SIGKILL)
        if reach == "worker":
            assert json.loads(process.communicate(timeout=3_000)[0]) == expected
            # The rest is for the others to do.
            for folder in sorted((out / "tasks").glob("day*"))[count:]:
                shutil.rmtree(folder)
        else:
            process.communicate(timeout=BOUND_S)
            assert process.returncode != 0, reach
        gone(process)
    last = outcry(*command)
    assert json.loads(last.communicate(timeout=3_000)[0]) == expected
    gone(last)
    keep_evidence(
        "backtest_deaths",
        "hundred",
        {
            "days": len(DAYS),
            "runs": expected["runs"],
            "commands": expected["commands"],
            "workers": 2,
            "killed": ["worker", "driver", "node"],
            "different_hashes": 0,
            "hash": expected["hash"],
        },
    )


@pytest.mark.long
def test_memory_does_not_grow_with_the_days(tmp_path):
    """Resident memory at most, of a run of the largest day alone and of one of thirty."""
    given = ["--param", "offset_ticks=0..9", "--workers", "0", "--json"]
    largest = "generated:normal:300000:30"
    days = [f"generated:normal:{10_000 * seed}:{seed}" for seed in range(1, 31)]
    peak_kib = {}
    for name, plan in (("largest_day", [largest]), ("thirty_days", days)):
        process = outcry(*plan, *given, "--strategy", "maker", "--out", str(tmp_path / name))
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["runs"] == 10 * len(plan)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        peak_kib[name] = usage.ru_maxrss
    ratio = peak_kib["thirty_days"] / peak_kib["largest_day"]
    assert ratio <= 1.2
    keep_evidence(
        "backtest_memory",
        "memory",
        {
            "days": len(days),
            "orders_of_the_largest": 300_000,
            "ratio": round(ratio, 3),
            **{f"{name}_peak_kib": value for name, value in peak_kib.items()},
        },
    )


def keep_evidence(name, which, figures):
    from openoutcry.report.evidence import write_evidence

    write_evidence(
        name, figures, f"make test-long ARGS='tests/system/measurement/test_work.py -k {which}'"
    )


@pytest.mark.long
@pytest.mark.parametrize("over_venues", [False, True])
def test_on_ray_as_in_one_process(tmp_path, over_venues):
    """Two workers: the same hashes.  (Ray gives itself 30 s to start, which a loaded machine may
    not have: no test for every day.)"""
    days = [f"generated:normal:400:{seed}" for seed in range(1, 4)]
    plan = Plan(tuple(days), ("maker",), {"qty_lots": tuple(range(1, 33))})
    if over_venues:
        path = recorded_venues(tmp_path, *(f'day = "{day}"' for day in days[:2]))
        quantities = {"quantity": tuple(range(10, 42))}
        plan = Plan((f"venues:{path}@GOLD/USD",), ("take",), quantities)
    expected = run_plan(plan, tmp_path / "here")
    assert run_plan(plan, tmp_path / "ray", workers=2) == expected
    assert not list(Path("/tmp").glob("outcry-ray-*"))
