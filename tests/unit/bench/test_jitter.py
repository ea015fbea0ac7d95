"""bench/jitter.py, cores.py, corewatch.py: gaps are found, and given their cause."""

import os
import struct
from dataclasses import replace

import pytest

from openoutcry.bench import jitter
from openoutcry.bench.cores import groups, relation
from openoutcry.bench.jitter import explain
from openoutcry.host.core_accounts import accounts_between, interrupt_counts, read_accounts
from openoutcry.host.corewatch import (
    UNSEEN,
    Interval,
    Watched,
    intervals,
    over,
)
from openoutcry.host.findings import Host
from tests.support.bench import jitter as shared
from tests.support.bench.jitter import TRACE, at, spin

kernel = shared.kernel


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
        "interrupts_core2": 253,
        "steal_ppb_core2": 2e9 / os.sysconf("SC_CLK_TCK"),
        "switches_core2": 100,
        "own_switches_core2": 4,
        "own_wait_ppb_core2": 5_000,
        "smi_core2": 2,
    }
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


def test_cores_are_grouped_by_what_was_measured():
    """Two pairs that are near, and a core that is far from all of them."""
    table = [
        [0, 50, 400, 410, 900],
        [50, 0, 400, 400, 900],
        [400, 400, 0, 60, 900],
        [410, 400, 60, 0, 900],
        [900, 900, 900, 900, 0],
    ]
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
