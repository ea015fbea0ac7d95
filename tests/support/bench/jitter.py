"""What the tests of jitter in several tiers share."""

import struct
from pathlib import Path

import numpy as np
import pytest

from openoutcry.bench.jitter import Spin
from openoutcry.host import core_accounts, corewatch
from openoutcry.host.corewatch import (
    core_watch,
)

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


TRACEPOINTS = [
    Path("/sys/kernel/tracing/events", f"{name.replace(':', '/')}_{end}")
    for name in corewatch.PAIRED
    for end in ("entry", "exit")
]


def watch_of(body):
    """A watch of ``body`` and what that returned; anew, up to five times, while perf is blind for
    another reason than events lost: its script now and then cannot read what its record wrote."""
    for _ in range(5):
        with core_watch() as watched:
            returned = body()
        if watched.blind is None or "had no room" in watched.blind:
            break
    return watched, returned


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
