"""bench/jitter.py, cores.py, corewatch.py: gaps are found, and given their cause."""

import os
import shutil
import signal
import struct
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openoutcry.bench import jitter
from openoutcry.bench.cores import groups, relation, round_trip_ns
from openoutcry.bench.jitter import Spin, bench_jitter, explain, spin_all
from openoutcry.bench.results import check_document
from openoutcry.host import core_accounts, corewatch
from openoutcry.host.core_accounts import accounts_between, interrupt_counts, read_accounts
from openoutcry.host.corewatch import (
    UNSEEN,
    Interval,
    Watched,
    core_watch,
    intervals,
    over,
    refusal,
)
from openoutcry.host.findings import Host
from openoutcry.host.processes import run_processes

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
    kernel_intervals = [Interval(0, 10, 20, "k", "a", 1), Interval(1, 10, 20, "k", "b", 1)]
    assert [i.what for i in over(kernel_intervals, 0, 20, 30)] == ["a"]
    assert over(kernel_intervals, 0, 21, 30) == []


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


@pytest.mark.long
def test_the_subject_has_every_cores_figures():
    """One quick round: the document holds, and each core has its share lost and its causes."""
    document = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    check_document(document, "here")
    names = {row["name"] for row in document["results"]}
    for core in os.sched_getaffinity(0):
        assert {f"lost_ppb_core{core}", f"gaps_over_10us_core{core}"} <= names
        assert str(core) in document["details"]["lost_ns_by_cause"]
        rates = document["details"]["interrupts_per_s_by_name"][str(core)]
        total = next(r for r in document["results"] if r["name"] == f"interrupts_core{core}")
        assert sum(rates.values()) == pytest.approx(total["median"])
    all_names = names | {row["name"] for row in document["missing"]}
    for figures in jitter.FIGURES.values():
        assert {f"{name}_core{core}" for name, _, _ in figures} <= all_names


def test_without_perf_the_figures_stand_and_the_cause_is_missing(monkeypatch):
    """No perf: the same figures, one reason, and nobody is blamed for what was not watched."""
    monkeypatch.setattr(corewatch.shutil, "which", lambda name: None)
    monkeypatch.setattr(jitter, "QUICK_SPIN_S", 0.05)
    document = bench_jitter(1, True, "outcry bench jitter", lambda text: None)
    assert {"name": "causes by trace", "why": "perf is not installed"} in document["missing"]
    for causes in document["details"]["lost_ns_by_cause"].values():
        assert set(causes) == {"not watched: perf is not installed"}


TRACEPOINTS = [Path("/sys/kernel/tracing/events", f"{name.replace(':', '/')}_{end}")
               for name in corewatch.PAIRED for end in ("entry", "exit")]  # fmt: skip


def watch_of(body):
    """A watch of ``body`` and what that returned; anew, up to five times, while perf is blind for
    another reason than events lost: its script now and then cannot read what its record wrote."""
    for _ in range(5):
        with core_watch() as watched:
            returned = body()
        if watched.blind is None or "had no room" in watched.blind:
            break
    return watched, returned


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
    monkeypatch.setattr(corewatch._Recorder, "enabled",
                        lambda recorder: recorders.append(recorder) or begun(recorder))  # fmt: skip

    def work():
        recorders[-1].process.send_signal(signal.SIGSTOP)
        for _ in range(2000):
            time.sleep(0.0001)
        recorders[-1].process.send_signal(signal.SIGCONT)

    watched, _ = watch_of(work)
    assert watched.refused is None
    assert "what perf had no room for (Processed " in watched.unwatched
    assert watched.rest.startswith("not watched: ")


def test_a_recording_that_ends_in_a_bad_record_is_kept_up_to_it(tmp_path, monkeypatch):
    """perf script stops in the middle (status 242): the intervals before it stand, and what they do
    not explain is called not watched, with perf's words."""
    tool = tmp_path / "perf"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{TRACE}END\n"
                    "echo 'failed to process type: 17 [Bad address]' >&2\nexit 242\n")  # fmt: skip
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
def test_a_watch_sees_who_took_the_core():
    """A process that shares its core with a busy one is away in the trace, and the time it was away
    is what the other had."""
    core = min(os.sched_getaffinity(0))

    def busy():
        while time.process_time() < 0.1:
            pass
        return os.getpid()

    watched, pids = watch_of(lambda: run_processes("test", [(core, busy), (core, busy)]))
    away = {pid: sum(i.end_ns - i.start_ns for i in watched.intervals
                     if i.pid == pid and i.kind == "preempted") for pid in pids}  # fmt: skip
    assert all(lost > 1_000_000 for lost in away.values()), (away, watched.blind)


def test_interrupts_are_named_and_their_columns_are_the_headers():
    """Devices by their names, the rest by the kernel's abbreviation; core 1 is offline and has no
    column; two interrupts of one name are summed; ERR is nobody's."""
    text = (
        "       CPU0 CPU2\n 36:  0  15 PCI-MSIX 1-edge virtio1-req.0\n"
        " 37:  1  2 PCI-MSIX 2-edge virtio1-req.0\n"
        " 16:  3  4 IO-APIC 16-fasteoi i801_smbus, uhci_hcd:usb3\n"
        "LOC: 5 6 Local timer interrupts\nERR: 0\n"
    )
    assert interrupt_counts(text) == {
        "virtio1-req.0": {0: 1, 2: 17},
        "i801_smbus, uhci_hcd:usb3": {0: 3, 2: 4},
        "LOC": {0: 5, 2: 6},
    }


KERNEL = {
    "proc/interrupts": "  CPU0 CPU2\n1: 5 7 IO-APIC 1-edge i8042\nLOC: 1 100 Local timer\n",
    "proc/stat": "cpu 9 9 9 9 9 9 9 9 9 9\ncpu2 1 2 3 4 5 6 7 40 0 0\n",
    "proc/schedstat": "version 15\ncpu2 0 0 800 5 6 7 111 222 333\n",
    "proc/self/schedstat": "1000 2000 30\n",
}


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A pretended host's accounts; returns what writes one of them anew."""
    monkeypatch.setattr(core_accounts, "ROOT", tmp_path)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    for name, text in KERNEL.items():
        write(name, text)
    write("dev/cpu/2/msr", bytes(0x34) + struct.pack("<Q", 17))
    return write


def test_the_kernels_accounts_become_figures_of_the_spin(kernel):
    """What came between two readings, a second of spinning: by core, by name, and the SMIs."""
    before = read_accounts(2)
    kernel("proc/interrupts", "  CPU2\n1: 9 IO-APIC 1-edge i8042\n9: 1 x new\nLOC: 350 Local\n")
    kernel("proc/stat", "cpu2 1 2 3 4 5 6 7 42 0 0\n")
    kernel("proc/schedstat", "version 15\ncpu2 0 0 800 5 6 7 111 222 433\n")
    kernel("proc/self/schedstat", "1000 7000 34\n")
    kernel("dev/cpu/2/msr", bytes(0x34) + struct.pack("<Q", 19))
    one = replace(spin(core=2), accounts=accounts_between(before, read_accounts(2)))
    figures = {}
    jitter.counted(one, lambda name, unit, better, value: figures.update({name: value}), None)
    assert figures == {
        "interrupts_core2": 253, "steal_ppb_core2": 2e9 / os.sysconf("SC_CLK_TCK"),
        "switches_core2": 100, "own_switches_core2": 4, "own_wait_ppb_core2": 5_000, "smi_core2": 2,
    }  # fmt: skip
    assert jitter.by_name(one) == {"i8042": 2, "new": 1, "LOC": 250}


def test_accounts_that_cannot_be_read_are_missing_with_the_reason(kernel, tmp_path):
    """No file, no column for the core, a kernel that does not count, no msr device: figures are
    left out, not zero, and nothing fails."""
    (tmp_path / "proc/stat").unlink()
    kernel("proc/self/schedstat", "0 0 0\n")
    accounts = read_accounts(1)
    one = replace(spin(core=1), accounts=accounts_between(accounts, accounts))
    missed = {}
    jitter.counted(one, None, lambda name, why: missed.update({name: why}))
    at_root = {name: why.replace(str(tmp_path), "") for name, why in missed.items()}
    assert at_root["smi_core1"].startswith("/dev/cpu/1/msr: No such file or directory")
    assert {name: why for name, why in at_root.items() if name != "smi_core1"} == {
        "interrupts_core1": "/proc/interrupts has no column CPU1",
        "steal_ppb_core1": "/proc/stat: No such file or directory",
        "switches_core1": "/proc/schedstat has no line cpu1",
        "own_switches_core1": "/proc/self/schedstat: this kernel does not count",
        "own_wait_ppb_core1": "/proc/self/schedstat: this kernel does not count",
    }
    assert jitter.by_name(one) == {}


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
