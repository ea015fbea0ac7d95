"""Each stage by itself: how fast it goes when its input lies ready and its output has room.

The stages run one after the other in one thread over rings that hold the whole run. So each has
everything the one before has left, in memory rather than in a neighbour's cache. The slowest
process of a topology, by the sum of its stages, is the bottleneck.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from openoutcry.bench.paced import flow
from openoutcry.journal import Journal, JournalWriter
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.pipeline.run import ORDER_CAPACITY
from openoutcry.pipeline.stages.journal import JournalStage
from openoutcry.pipeline.topology import TOPOLOGY, plan_groups
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.runtime import loop
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry
from openoutcry.runtime.work import Work

COMMANDS, QUICK_COMMANDS = 1 << 18, 1 << 16
EVENTS_A_COMMAND = 4
"""Room on the event ring; the normal flow causes fewer than two a command."""
SLICE_NS = 1_000_000_000


def stage_rates(commands: int, gateway: str = "golden", journaled: bool = True) -> dict[str, float]:
    """Commands a second of each stage by itself, by name; ``journal`` is durable."""
    source = flow("normal", commands)
    table = TOPOLOGY.for_durability("async" if journaled else "none")
    sizes = Geometry(
        {"lane": commands, "sequenced": commands, "events": EVENTS_A_COMMAND * commands}
    )
    rates = {}
    with ExitStack() as stack:
        shared = Shared(sizes, table)
        stack.callback(shared.unlink)
        shared.preload(source.chunks(), commands, commands)
        shared.control.block.go = 1
        writer = stack.enter_context(_journal(source, commands)) if journaled else None
        work = Work(
            shared=shared,
            core=Core(source.instruments, ORDER_CAPACITY),
            rate=0,
            limit=commands,
            durability="async" if journaled else "none",
            journal=None,
            writer=writer,
            gateway=gateway,
        )
        shared.populate()
        for name in table.compiled:
            rates[name] = commands / run_alone(work, name)
            if name == "gateway" and writer is not None:
                rates["journal"] = commands / _run_journal(shared, writer)
    return rates


def run_alone(work: Work, name: str) -> float:
    """Seconds that the stage takes for everything; its preparation is not in them."""
    return finish(CompiledStages(work, (name,)))


def finish(group: CompiledStages) -> float:
    """Seconds that the group takes to its end."""
    before = time.perf_counter()
    while group.run(SLICE_NS, leave_idle=True) != loop.FINISHED:
        pass
    return time.perf_counter() - before


def _run_journal(shared: Shared, writer: JournalWriter) -> float:
    stage = JournalStage(shared, writer, True)
    before = time.perf_counter()
    while not stage.finished:
        stage.step()
    return time.perf_counter() - before


@contextmanager
def _journal(source: Any, commands: int) -> Iterator[JournalWriter]:
    """A journal in this folder, on the disk the user is on; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=".outcry-bench-", dir="."))
    try:
        instruments = instruments_to_json(source.instruments)
        writer = Journal.create(
            folder / "j", {"instruments": instruments}, expected_records=commands
        )
        try:
            yield writer
        finally:
            writer.abandon()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bottleneck(rates: dict[str, float]) -> dict[str, object]:
    """The process that limits the run on this machine's cores, and its slowest stage.

    A process does its stages in turn, so its rate is 1 / (sum of the stages' times).
    """
    table = TOPOLOGY if "journal" in rates else TOPOLOGY.without("journal")
    sums: list[tuple[float, str, str]] = []
    cores = sorted(os.sched_getaffinity(0))
    for group in plan_groups(cores, housekeeping_cores=0, table=table):
        times = {name: 1 / rates[name] for name in group.stages if name in rates}
        if times:
            slowest = max(times, key=lambda name: times[name])
            sums.append((1 / sum(times.values()), group.name, slowest))
    rate, process, stage = min(sums)
    return {"process": process, "stage": stage, "commands_per_s": rate}
