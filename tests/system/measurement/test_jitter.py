"""bench/jitter.py, cores.py, corewatch.py: gaps are found, and given their cause."""

import os
import shutil
import signal
import time
from contextlib import nullcontext

import pytest

from openoutcry.bench import jitter
from openoutcry.bench.cores import round_trip_ns
from openoutcry.bench.jitter import bench_jitter, explain, spin_all
from openoutcry.host import core_accounts, corewatch
from openoutcry.host.corewatch import (
    core_watch,
    intervals,
    refusal,
)
from openoutcry.host.processes import run_processes
from openoutcry.wire.extras import PROGRAMS
from tests.support.bench.jitter import TRACE, TRACEPOINTS, at, spin, watch_of

NO_PERF = f"perf is not installed: {PROGRAMS['perf']}"


def test_a_spin_sees_another_program_on_its_core():
    """With a busy neighbour pinned to the same core, the spin loses time, in gaps that add up."""
    core = min(os.sched_getaffinity(0))

    def busy():
        while time.process_time() < 0.3:
            pass

    def spin_there():
        (one,) = spin_all([core], 0.3)
        return [one.spun_ns, one.lost_ns, one.seen, int(one.gaps[:, 1].sum()), one.readings]

    _, (spun, lost, seen, in_gaps, readings) = run_processes(
        "test", [(core, busy), (None, spin_there)]
    )
    assert lost > spun / 100
    assert lost == in_gaps
    assert seen > 0
    assert readings > 1000


def test_without_perf_the_figures_stand_and_the_cause_is_missing(monkeypatch):
    """No perf: the same figures, one reason, and nobody is blamed for what was not watched."""
    monkeypatch.setattr(corewatch.shutil, "which", lambda name: None)
    monkeypatch.setattr(jitter, "QUICK_SPIN_S", 0.05)
    document = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    assert {"name": "causes by trace", "why": NO_PERF} in document["missing"]
    for causes in document["details"]["lost_ns_by_cause"].values():
        assert set(causes) == {f"not watched: {NO_PERF}"}


@pytest.mark.skipif(refusal() is not None, reason=f"cores cannot be watched: {refusal()}")
def test_a_watch_without_interrupts_says_so(monkeypatch):
    """A kernel without one of the tracepoints is watched for switches and faults only; what they do
    not explain is called not watched."""
    monkeypatch.setitem(corewatch.PAIRED, "irq_vectors:no_such_thing", "nothing")
    with core_watch() as watched:
        pass
    assert watched.refused is None
    assert watched.unwatched.startswith("interrupts (perf record: ")
    assert "no_such_thing" in watched.unwatched
    assert list(explain(spin((at(0), 3_000)), watched)) == [f"not watched: {watched.unwatched}"]


@pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed")
def test_a_recording_that_perf_cannot_read_is_no_empty_one(tmp_path):
    """perf's complaint is handed on: no intervals would otherwise mean that nothing happened."""
    data = tmp_path / "perf.data"
    data.write_bytes(b"not a recording")
    lines, why, lost = corewatch._script(data)
    assert (lines, lost) == ([], None)
    assert why.startswith("perf script ended with ")


@pytest.mark.skipif(refusal() is not None, reason=f"cores cannot be watched: {refusal()}")
def test_a_watch_that_lost_events_says_so(monkeypatch):
    """perf stands still while one page a core fills up: lost time that nothing explains is called
    not watched, and no hypervisor is blamed for it."""
    monkeypatch.setattr(corewatch, "BUFFER_PAGES", 1)
    recorders = []
    begun = corewatch._Recorder.enabled
    monkeypatch.setattr(
        corewatch._Recorder,
        "enabled",
        lambda recorder: recorders.append(recorder) or begun(recorder),
    )

    def work():
        recorders[-1].process.send_signal(signal.SIGSTOP)
        for _ in range(2000):
            time.sleep(0.0001)
        recorders[-1].process.send_signal(signal.SIGCONT)

    watched, _ = watch_of(work)
    assert watched.refused is None
    assert "events that perf dropped (Processed " in watched.unwatched
    assert watched.rest.startswith("not watched: ")


def test_a_recording_that_ends_in_a_bad_record_is_kept_up_to_it(tmp_path, monkeypatch):
    """perf script stops in the middle (status 242): the intervals before it stand, and what they do
    not explain is called not watched, with perf's words."""
    tool = tmp_path / "perf"
    tool.write_text(
        f"#!/bin/sh\ncat <<'END'\n{TRACE}END\n"
        "echo 'failed to process type: 17 [Bad address]' >&2\nexit 242\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(corewatch, "refusal", lambda: None)
    monkeypatch.setattr(corewatch, "_recording", lambda data, watched: nullcontext())
    with core_watch() as watched:
        pass
    assert watched.refused is None
    assert watched.intervals == intervals(TRACE.splitlines())
    assert "what came after" in watched.blind
    assert "242: failed to process type: 17 [Bad address]" in watched.rest


@pytest.mark.skipif(refusal() is not None, reason=f"cores cannot be watched: {refusal()}")
def test_a_watch_sees_what_took_the_core():
    """A process that shares its core with a busy one is away in the trace, and the time it was away
    is what the other had."""
    core = min(os.sched_getaffinity(0))

    def busy():
        while time.process_time() < 0.1:
            pass
        return os.getpid()

    watched, pids = watch_of(lambda: run_processes("test", [(core, busy), (core, busy)]))
    away = {
        pid: sum(
            i.end_ns - i.start_ns
            for i in watched.intervals
            if i.pid == pid and i.kind == "preempted"
        )
        for pid in pids
    }
    assert all(lost > 1_000_000 for lost in away.values()), (away, watched.blind)


def test_a_host_that_shows_no_accounts_is_measured_all_the_same(monkeypatch, tmp_path):
    """A container without /proc/interrupts and /proc/stat: gaps as ever, the accounts missing."""
    monkeypatch.setattr(core_accounts, "ROOT", tmp_path)
    monkeypatch.setattr(jitter, "QUICK_SPIN_S", 0.05)
    document = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    core = min(os.sched_getaffinity(0))
    assert f"lost_ppb_core{core}" in {row["name"] for row in document["results"]}
    assert f"interrupts_core{core}" in {row["name"] for row in document["missing"]}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_a_line_goes_to_and_fro():
    """A round trip between two cores takes more than a clock cycle and less than a millisecond."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    assert 5 < round_trip_ns(first, second, 5) < 1e6


@pytest.mark.skipif(refusal() is not None, reason=f"cores cannot be watched: {refusal()}")
def test_a_kernel_with_every_tracepoint_is_watched_as_a_whole():
    """None of the events that we ask for is one that the kernel refuses to sample: the timer's
    interrupts of a core that works are there."""
    if not all(path.exists() for path in TRACEPOINTS):
        pytest.skip("this kernel has not all of the tracepoints, or no tracefs is mounted")

    def work():
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pass

    watched, _ = watch_of(work)
    assert watched.blind is None
    assert "timer interrupt" in {interval.kind for interval in watched.intervals}
