"""bench/jitter.py, cores.py, corewatch.py: gaps are found, and given their cause."""

import os
import shutil
import time

import numpy as np
import pytest

from openoutcry.bench import corewatch, jitter
from openoutcry.bench.cores import groups, relation, round_trip_ns
from openoutcry.bench.corewatch import (
    UNSEEN,
    Interval,
    Watched,
    core_watch,
    intervals,
    over,
    refusal,
)
from openoutcry.bench.doctor import Host
from openoutcry.bench.jitter import Spin, bench_jitter, explain, interrupt_counts, spin_all
from openoutcry.bench.peers.pair import run_processes
from openoutcry.bench.results import check_document

TRACE = """
          python  70/70    [000] 100.000001000:   sched:sched_switch: prev_comm=python prev_pid=70 prev_prio=120 prev_state=R ==> next_comm=a b next_pid=80 next_prio=120
             a b  80/80    [000] 100.000002000: irq:irq_handler_entry: irq=36 name=virtio1-req.0
             a b  80/80    [000] 100.000002500:  irq:softirq_entry: vec=9 [action=RCU]
             a b  80/80    [000] 100.000002700:  irq:softirq_exit: vec=9 [action=RCU]
             a b  80/80    [000] 100.000003000: irq:irq_handler_exit: irq=36 ret=handled
             a b  80/80    [000] 100.000005000:   sched:sched_switch: prev_comm=a b prev_pid=80 prev_prio=120 prev_state=S ==> next_comm=python next_pid=70 next_prio=120
          python  70/70    [001] 100.000006000:  page-faults:
noise that is no event
"""  # noqa: E501


def at(ns):
    return 100_000_000_000 + ns


def spin(*gaps, core=0, pid=70):
    lengths = np.array(gaps, np.int64).reshape(-1, 2)
    return Spin(core, 10**9, len(lengths), int(lengths[:, 1].sum()), 10**6, lengths, pid)


def test_the_trace_becomes_intervals():
    """A switch away and back, an interrupt with a soft one in it, a page fault."""
    assert intervals(TRACE.splitlines()) == [
        Interval(0, at(2500), at(2700), "soft interrupt", "RCU", 80),
        Interval(0, at(2000), at(3000), "interrupt", "virtio1-req.0", 80),
        Interval(0, at(1000), at(5000), "preempted", "a b", 70),
        Interval(1, at(6000), at(6000), "page fault", "page fault", 70),
    ]


def test_a_gap_is_shared_out_over_what_ran_in_it():
    """4 of 5 us went to the task that ran instead, 1 to the way there and back; a second gap is
    nobody's."""
    watched = Watched(intervals=intervals(TRACE.splitlines()))
    lost = explain(spin((at(500), 5_000), (at(900_000), 2_000)), watched)
    assert lost == {"preempted: a b": 4_000, "entering and leaving": 1_000, UNSEEN: 2_000}


def test_another_tasks_absence_is_not_our_gap():
    """That task 80 was away explains nothing about task 70."""
    watched = Watched(intervals=[Interval(0, at(0), at(9_000), "preempted", "x", 80)])
    assert explain(spin((at(1000), 3_000)), watched) == {UNSEEN: 3_000}


def test_only_what_overlaps_on_the_core_counts():
    """Touching counts, another core does not."""
    found = [Interval(0, 10, 20, "k", "a", 1), Interval(1, 10, 20, "k", "b", 1)]
    assert [i.what for i in over(found, 0, 20, 30)] == ["a"]
    assert over(found, 0, 21, 30) == []


def test_a_spin_sees_another_program_on_its_core():
    """With a busy neighbour pinned to the same core, the spin loses time, in gaps that add up."""
    core = min(os.sched_getaffinity(0))

    def busy():
        while time.process_time() < 1.0:
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


def test_the_subject_has_every_cores_figures():
    """One quick round: the document holds, and each core has its share lost and its causes."""
    made = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    check_document(made, "here")
    names = {row["name"] for row in made["results"]}
    for core in os.sched_getaffinity(0):
        assert {f"lost_ppb_core{core}", f"gaps_over_10us_core{core}"} <= names
        assert str(core) in made["details"]["lost_ns_by_cause"]


def test_without_perf_the_figures_stand_and_the_cause_is_missing(monkeypatch):
    """No perf: the same figures, one reason, and nobody is blamed for what was not watched."""
    monkeypatch.setattr(corewatch.shutil, "which", lambda name: None)
    made = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    assert {"name": "causes by trace", "why": "perf is not installed"} in made["missing"]
    for causes in made["details"]["lost_ns_by_cause"].values():
        assert set(causes) == {"not watched: perf is not installed"}


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
    lines, why = corewatch._script(data)
    assert lines == []
    assert why.startswith("perf script: ")


@pytest.mark.skipif(refusal() is not None, reason=f"cores cannot be watched: {refusal()}")
def test_a_watch_sees_who_took_the_core():
    """A process that shares its core with a busy one is away in the trace, and the time it was away
    is what the other had."""
    core = min(os.sched_getaffinity(0))

    def busy():
        while time.process_time() < 0.4:
            pass
        return os.getpid()

    with core_watch() as watched:
        pids = run_processes("test", [(core, busy), (core, busy)])
    away = {pid: sum(i.end_ns - i.start_ns for i in watched.intervals
                     if i.pid == pid and i.kind == "preempted") for pid in pids}  # fmt: skip
    assert all(lost > 1_000_000 for lost in away.values()), away


def test_interrupts_are_named():
    """Devices by their name, the rest by the kernel's abbreviation."""
    text = (
        "      CPU0 CPU1\n 36:  0  15 PCI-MSIX 1-edge virtio1-req.0\nLOC: 5 6 Local timer\nERR: 0\n"
    )
    assert interrupt_counts(text) == {"virtio1-req.0": [0, 15], "LOC": [5, 6]}


def test_smi_counts_that_cannot_be_read_say_why(monkeypatch):
    """Without the msr device there is a reason, not a zero."""
    assert "msr" in str(jitter.read_smi(99_999))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_a_line_goes_to_and_fro():
    """A round trip between two cores takes more than a clock cycle and less than a millisecond."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    assert 5 < round_trip_ns(first, second, 5) < 1e6


def test_cores_are_grouped_by_what_was_measured():
    """Two pairs that are near, and a core that is far from all of them."""
    table = [[0, 50, 400, 410, 900], [50, 0, 400, 400, 900], [400, 400, 0, 60, 900],
             [410, 400, 60, 0, 900], [900, 900, 900, 900, 0]]  # fmt: skip
    assert groups([0, 1, 2, 3, 4], table) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({"topology/thread_siblings_list": "0-1"}, "threads of one core"),
        ({"cache/index2/shared_cpu_list": "0-3", "cache/index2/level": "2"}, "one L2"),
        ({"topology/physical_package_id": "0"}, "two sockets"),
        ({}, "not told"),
    ],
)
def test_what_two_cores_share_is_read(tmp_path, files, answer):
    """The nearest thing first; nothing is guessed."""
    for name, text in files.items():
        path = tmp_path / "sys/devices/system/cpu/cpu0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    other = tmp_path / "sys/devices/system/cpu/cpu1/topology/physical_package_id"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("1")
    assert relation(Host(tmp_path), 0, 1) == answer
