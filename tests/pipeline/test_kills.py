"""Stages killed with SIGKILL in mid-run: one state, nothing lost, nothing doubled.

The seed decides which stage dies and when; a failure names it.
"""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import warm_outcry
from processes import OUTCRY, SPREAD, find_pipeline

from openoutcry.pipeline.top import RunningPipeline

ORDERS, RATE = 60_000, 30_000
FEWER_ORDERS = 30_000
"""Of a run in which one stage dies: a second, which each of its processes spins through."""
KILLS_A_RUN = 5
ATTEMPTS = 5


def run_and_kill(
    folder: Path, seed: int, kills: int, arguments: tuple[str, ...] = (), orders: int = ORDERS
) -> tuple[dict[str, Any], list[str]]:
    """Run the pipeline, kill ``kills`` random stages at random moments; returns the result and
    which stages were killed."""
    rng = random.Random(seed)
    command = [*OUTCRY, "run", "--orders", str(orders), "--rate", str(RATE), "--seed", "9",
               *SPREAD, "--json", *arguments]  # fmt: skip
    killed: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        with suppress(AssertionError):  # it was over before we came to look
            pipeline = find_pipeline(process.pid)
            for _ in range(kills):
                time.sleep(rng.uniform(0.0, 0.25))
                name = kill_one(pipeline, rng)
                if name:
                    killed.append(name)
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, f"seed {seed}, killed {killed}: {err}"
    return json.loads(out), killed


def kill_one(pipeline: RunningPipeline, rng: random.Random) -> str:
    """SIGKILL the process of a random living stage; its name, or nothing if all had finished."""
    stages = pipeline.view(pipeline.positions(), 1)["stages"]
    candidates = [row for row in stages if row["alive"] and not row["finished"]]
    if not candidates:
        return ""
    victim = rng.choice(candidates)
    try:
        os.kill(victim["pid"], signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return str(victim["name"])


def undisturbed_run(folder: Path, orders: int) -> dict[str, Any]:
    """The same orders inline, as fast as it goes, with nobody killed."""
    arguments = ["run", "--orders", orders, "--seed", "9", "--topology", "inline", "--json"]
    done = warm_outcry.run(arguments, folder)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return undisturbed_run(tmp_path_factory.mktemp("calm"), ORDERS)


@pytest.fixture(scope="module")
def fewer_undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return undisturbed_run(tmp_path_factory.mktemp("calm"), FEWER_ORDERS)


def check_same(result: dict[str, Any], undisturbed: dict[str, Any], context: str) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], f"{context}: {key}"
    assert (result["lost"], result["duplicated"]) == (0, 0), context
    if result["journal"]:
        assert result["replay"]["equal"] is True, context


@pytest.mark.parametrize(
    ("durability", "seed"),
    [
        pytest.param(
            durability, seed, marks=[pytest.mark.long] if seed or durability == "async" else []
        )
        for durability in ("durable", "async", "none")
        for seed in range(4)
    ],
)
def test_killed_stages_change_nothing(
    durability: str, seed: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Several random stages killed at random moments: the same events, trades and book.  A run of
    two seconds can be over before a busy machine lets this process kill anything: then again."""
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        result, killed = run_and_kill(folder, seed, KILLS_A_RUN, ("--durability", durability))
        check_same(result, undisturbed, f"seed {seed}, killed {killed}")
        if result["restarts"]:
            break
    assert result["restarts"], f"killed {killed}, and nothing was restarted"
    assert all("SIGKILL" in restart["why"] for restart in result["restarts"])


def run_and_kill_these(
    folder: Path, arguments: tuple[str, ...], stages: list[str], pause_s: float = 0.0
) -> tuple[dict[str, Any], str, list[int]]:
    """Run the pipeline and kill these stages' processes, the first events being out: the result,
    what was said, and who was killed.  A run may be over before a busy machine lets this process
    kill anything: then again."""
    for attempt in range(ATTEMPTS):
        run_folder = folder / str(attempt)
        run_folder.mkdir()
        pids: list[int] = []
        with subprocess.Popen(
            [*OUTCRY, "run", *arguments, *SPREAD, "--json"],
            cwd=run_folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            with suppress(AssertionError, ProcessLookupError):
                pipeline = find_pipeline(process.pid)
                rows = pipeline.view(pipeline.positions(), 1)["stages"]
                for stage in stages:
                    (pid,) = [row["pid"] for row in rows if row["name"] == stage]
                    time.sleep(pause_s if pids else 0)
                    os.kill(pid, signal.SIGKILL)
                    pids.append(pid)
            out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        result = json.loads(out)
        if result["restarts"]:
            return result, err, pids
    raise AssertionError(f"{stages} were not killed in any of {ATTEMPTS} runs")


@pytest.mark.parametrize("stage", ["receive", "gateway", "journal", "matcher", "gate", "replies"])
def test_each_stage_can_be_killed(
    stage: str, tmp_path: Path, fewer_undisturbed: dict[str, Any]
) -> None:
    """The process of the named stage is killed once; the run says which stages died and why."""
    arguments = ("--orders", str(FEWER_ORDERS), "--rate", str(RATE), "--seed", "9")
    result, err, pids = run_and_kill_these(tmp_path, arguments, [stage])
    check_same(result, fewer_undisturbed, stage)
    (pid,) = pids
    assert [r["pid"] for r in result["restarts"]] == [pid]
    (restart,) = result["restarts"]
    assert stage in restart["stage"].split(" + ")
    assert restart["at_s"] <= restart["resumed_s"]
    # To the first release after it, not only to where the stage is ready; there is none if all has
    # been released by then.
    if restart["restart_s"] is None:
        assert restart["resumed_s"] > 0.9 * FEWER_ORDERS / RATE
    else:
        assert restart["resumed_s"] - restart["at_s"] <= restart["restart_s"]
    assert f"(pid {pid}) killed by SIGKILL: restarted" in err


AT_FULL_SPEED = ("--orders", "3000000", "--seed", "4")


@pytest.fixture(scope="module")
def calm_at_full_speed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same orders inline, with nobody killed."""
    arguments = ["run", *AT_FULL_SPEED, "--topology", "inline", "--durability", "none", "--json"]
    done = warm_outcry.run(arguments, tmp_path_factory.mktemp("calm"))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.long
@pytest.mark.parametrize(
    ("first", "pause_s"),
    [
        ("journal", 0.004),
        ("matcher", 0.0),
        *(
            pytest.param(first, pause_s, marks=pytest.mark.long)
            for first, pause_s in (
                ("journal", 0.0), ("journal", 0.02), ("matcher", 0.004), ("matcher", 0.02),
            )
        ),
    ],
)  # fmt: skip
def test_journal_and_matcher_killed_at_full_speed(
    first: str, pause_s: float, tmp_path: Path, calm_at_full_speed: dict[str, Any]
) -> None:
    """Both die within moments while the rings wrap every few milliseconds: the matcher is rebuilt
    up to its own cursor, however far the journal lags behind, and the hashes are those of the
    replay and of the inline run."""
    second = "matcher" if first == "journal" else "journal"
    arguments = (*AT_FULL_SPEED, "--durability", "async")
    result, _, _ = run_and_kill_these(tmp_path, arguments, [first, second], pause_s)
    check_same(result, calm_at_full_speed, f"{first} then {second}, {pause_s} s")


@pytest.mark.long
def test_two_hundred_kills(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """200 SIGKILLs of random stages at random moments, durable: one answer every time.

    The figures go to docs/evidence/kills.json.
    """
    from openoutcry.report.evidence import write_evidence

    done: dict[str, int] = {}
    runs = 0
    while sum(done.values()) < 200:
        folder = tmp_path / str(runs)
        folder.mkdir()
        result, killed = run_and_kill(folder, seed=1000 + runs, kills=KILLS_A_RUN)
        check_same(result, undisturbed, f"seed {1000 + runs}, killed {killed}")
        assert len(result["restarts"]) == len(killed)
        for name in killed:
            done[name] = done.get(name, 0) + 1
        runs += 1
    write_evidence(
        "kills",
        {
            "kills": sum(done.values()),
            "by_stage": done,
            "runs": runs,
            "orders_a_run": ORDERS,
            "rate": RATE,
            "first_seed": 1000,
            "lost": 0,
            "duplicated": 0,
            "different_hashes": 0,
            "state_hash": undisturbed["state_hash"],
        },
        "make test-long ARGS=tests/pipeline/test_kills.py",
    )
