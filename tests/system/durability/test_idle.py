"""A process that has nothing to do leaves the core to others."""

import os
import signal
import time
from pathlib import Path

from openoutcry.flow import GeneratedFlow
from openoutcry.host.processes import fork
from openoutcry.journal.core import Core
from openoutcry.pipeline import worker
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry, Group
from openoutcry.runtime.work import Work
from tests.support.waiting import wait_until


def test_a_stage_whose_work_never_comes_leaves_the_core():
    """Its process, for two seconds: it would take one core's time, and takes a few hundredths."""
    source = GeneratedFlow("normal", 10, 1)
    shared = Shared(Geometry({"lane": 16, "sequenced": 16, "events": 64}), TOPOLOGY)
    try:
        shared.preload(source.chunks(), 10, 10)
        work = Work(
            shared=shared,
            core=Core(source.instruments, 64),
            rate=0,
            limit=10,
            durability="none",
            journal=None,
            writer=None,
        )
        group = Group("receive", ("receive",), None)
        pid = fork(lambda: len(worker.run_group(work, group)))  # nobody says go
        try:
            place = TOPOLOGY.index["receive"]
            wait_until(lambda: shared.control.stage(place).ready_ns, "it waits for input")
            time.sleep(0.5)
            before = processor_s(pid)
            time.sleep(2)
            assert processor_s(pid) - before < 1
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    finally:
        shared.unlink()


def processor_s(pid):
    used = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
