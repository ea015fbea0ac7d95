"""Stages that live and make no progress: reported, dumped, restarted; and nobody else is."""

import os
import signal
import time
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline import stall, worker
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Sample, Watcher
from openoutcry.pipeline.run import run
from openoutcry.pipeline.stall import StallPolicy
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.work import PipelineError, Work
from tests.support.deaths import KillerFromOutside

ORDERS, CAPACITY = 20_000, 1 << 14
POLICY = StallPolicy(report_s=0.2, restart_s=0.5)


def options(journal: Path | None, policy: StallPolicy = POLICY) -> Options:
    return Options(
        source=GeneratedFlow("normal", ORDERS, 5),
        orders=ORDERS,
        seed=5,
        journal=journal,
        durability="durable" if journal else "none",
        stall=policy,
        order_capacity=CAPACITY,
    )


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    return run(
        Options(
            source=GeneratedFlow("normal", ORDERS, 5),
            orders=ORDERS,
            seed=5,
            topology="inline",
            durability="none",
            order_capacity=CAPACITY,
        )
    )


def check_same(result: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], key
    assert (result["lost"], result["duplicated"]) == (0, 0)


def stop_at_start(monkeypatch: pytest.MonkeyPatch, victim: str, ready: bool = True) -> None:
    """The first process that runs ``victim`` stops itself once it is ready, or just before."""
    mark_ready = worker.mark_ready

    def ready_and_stopped(shared: Any, stages: tuple[str, ...]) -> None:
        if ready:
            mark_ready(shared, stages)
        index = TOPOLOGY.index[victim]
        if victim in stages and not shared.control.stage(index).restarts:
            os.kill(os.getpid(), signal.SIGSTOP)
        if not ready:
            mark_ready(shared, stages)

    monkeypatch.setattr(worker, "mark_ready", ready_and_stopped)


@pytest.mark.promise(
    "A process killed at any point leaves a working ring; nothing published is lost. A "
    "stopped stage is reported and restarted; one that a fault killed leaves the stack that "
    "it died with, in the result and in a venue's log",
    group="shared-memory",
)
@pytest.mark.parametrize(
    ("victim", "ready"), [("journal", True), ("matcher", True), ("matcher", False)]
)
def test_a_stopped_stage_is_reported_and_restarted(
    victim: str,
    ready: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, Any],
) -> None:
    """SIGSTOP: the same events as undisturbed, and an account of what was found and done."""
    stop_at_start(monkeypatch, victim, ready)
    notes: list[str] = []
    result = run(options(tmp_path / "j"), Watcher(note=notes.append))
    check_same(result, undisturbed)
    assert result["replay"]["equal"]
    report = next(row for row in result["stalls"] if victim in row["stage"])
    assert report["killed"]
    assert report["state"] == "it is stopped by a signal"
    assert "T (stopped)" in report["dump"]
    restart = next(row for row in result["restarts"] if row["pid"] == report["pid"])
    assert "made no progress" in restart["why"]
    assert any("made no progress" in note for note in notes)


def test_a_stage_that_takes_a_while_to_die_keeps_its_cause(
    monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """Between its SIGKILL and its death it is looked at again, and is not stopped any more."""
    stop_at_start(monkeypatch, "matcher", ready=False)
    killed: list[int] = []
    is_stopped, kill = stall.is_stopped, signal.pidfd_send_signal

    def kill_late(pidfd: int, number: int) -> None:
        killed.append(pidfd)
        Timer(0.3, kill, (pidfd, number)).start()

    monkeypatch.setattr(signal, "pidfd_send_signal", kill_late)
    monkeypatch.setattr(stall, "is_stopped", lambda pid: not killed and is_stopped(pid))
    result = run(options(None))
    check_same(result, undisturbed)
    assert len(killed) == 1
    assert [row["why"].split(" for ")[0] for row in result["restarts"]] == ["made no progress"]


def spin_without_progress(work: Work, stages: tuple[str, ...]) -> None:
    """A loop that beats its heart and does nothing else."""
    while True:
        for name in stages:
            index = TOPOLOGY.index[name]
            work.shared.control.stage(index).heartbeat_ns = time.monotonic_ns()


def spin_first(monkeypatch: pytest.MonkeyPatch, victim: str, times: int) -> None:
    run_group = worker.run_group

    def spinning(work: Work, group: Any) -> dict[str, Any]:
        restarts = work.shared.control.stage(TOPOLOGY.index[victim]).restarts
        if victim in group.stages and restarts < times:
            worker.mark_ready(work.shared, group.stages)
            spin_without_progress(work, group.stages)
        return run_group(work, group)

    monkeypatch.setattr(worker, "run_group", spinning)


def test_a_stage_that_spins_without_taking_its_input_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """Its heartbeat is fresh; the dump names the Python function that it hangs in."""
    monkeypatch.setattr(stall, "PYTHON_DUMP_S", 60.0)
    spin_first(monkeypatch, "journal", times=1)
    result = run(options(tmp_path / "j"))
    check_same(result, undisturbed)
    report = result["stalls"][0]
    assert (report["stage"], report["killed"]) == ("journal", True)
    assert "in spin_without_progress" in report["dump"]
    assert [row["stage"] for row in result["restarts"]] == ["journal"]


def test_a_stage_that_hangs_again_and_again_is_a_crash_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spin_first(monkeypatch, "journal", times=1_000)
    with pytest.raises(PipelineError, match=r"journal is in a crash loop .* made no progress"):
        run(options(tmp_path / "j", StallPolicy(report_s=0.05, restart_s=0.1)))


def test_a_stage_that_continues_by_itself_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """Reported, continued by somebody, never killed."""
    stop_at_start(monkeypatch, "journal")
    stopped: list[int] = []

    def note(text: str) -> None:
        if "made no progress" in text:
            stopped.append(int(text.split("pid ")[1].split(")")[0]))
            os.kill(stopped[-1], signal.SIGCONT)

    result = run(options(tmp_path / "j", StallPolicy(0.1, 600.0)), Watcher(note=note))
    check_same(result, undisturbed)
    assert stopped
    assert result["restarts"] == []
    assert not any(row["killed"] for row in result["stalls"])


def test_an_idle_pipeline_is_not_stalled() -> None:
    """A paced run in which the stages wait most of the time."""
    flow = GeneratedFlow("normal", 20, 5)
    strict = StallPolicy(report_s=0.3, restart_s=600.0)
    samples: list[Sample] = []
    result = run(
        Options(source=flow, orders=20, seed=5, rate=20, durability="none", stall=strict),
        Watcher(sample=samples.append),
    )
    assert result["commands"] == 20
    assert result["stalls"] == []


@pytest.mark.promise(
    "A process killed at any point leaves a working ring; nothing published is lost. A "
    "stopped stage is reported and restarted; one that a fault killed leaves the stack that "
    "it died with, in the result and in a venue's log",
    group="shared-memory",
)
def test_a_stage_that_a_fault_killed_leaves_where_it_was(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """SIGSEGV: the same events as undisturbed, and the stack that it died with."""
    details: list[str] = []
    run_options = options(tmp_path / "j", StallPolicy())
    run_options.deaths = (Death("matcher", 1_000, number=signal.SIGSEGV),)
    result = run(run_options, Watcher(detail=details.append))
    check_same(result, undisturbed)
    (restart,) = result["restarts"]
    assert restart["why"] == "killed by SIGSEGV"
    assert "Segmentation fault" in restart["trace"]
    assert "worker.py" in restart["trace"]
    assert any("killed by SIGSEGV: Fatal Python error" in text for text in details)


def test_a_stage_that_stops_in_mid_run_is_killed_by_the_supervisor(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """SIGSTOP with published events whose input it has not given back: the same events."""
    stop = Death("matcher", ORDERS // 2, Place.BEFORE_RETURN, number=signal.SIGSTOP)
    run_options = options(tmp_path / "j")
    run_options.deaths = (stop,)
    result = run(run_options)
    check_same(result, undisturbed)
    assert result["replay"]["equal"]
    report = next(row for row in result["stalls"] if "matcher" in row["stage"])
    assert report["killed"]
    assert report["pid"] in [row["pid"] for row in result["restarts"]]


def test_a_stage_is_killed_from_outside(undisturbed: dict[str, Any]) -> None:
    """SIGKILL by another process is no stall."""
    killer = KillerFromOutside("gate", ORDERS // 2)
    run_options = options(None, StallPolicy())
    run_options.deaths = (killer.death,)
    result = run(run_options, Watcher(sample=killer.sample))
    check_same(result, undisturbed)
    assert [(row["pid"], row["why"]) for row in result["restarts"]] == [
        (*killer.pids, "killed by SIGKILL")
    ]
    assert not any(row["killed"] for row in result["stalls"])
