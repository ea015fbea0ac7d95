"""Compile every kernel before the run, one named step after the other.

The machine code is kept on disk (wire/kernel.py), so only the first run on a machine waits.  The
matcher is two thirds of it and one kernel: where there are two cores, a process beside this one
compiles the others meanwhile.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga import make_rules, validate_batch
from openoutcry.host.processes import fork
from openoutcry.matcher import Engine, process_batch
from openoutcry.pipeline.contract import loop
from openoutcry.pipeline.contract.histogram import record_spans
from openoutcry.pipeline.contract.table import Topology
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.pipeline.worker import step_address
from openoutcry.replay.event_hash import hash_array
from openoutcry.ring import Sequence
from openoutcry.ring import kernels as ring
from openoutcry.ring.policy import quorum_sequence
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.kernel import compile_kernel, is_kept


def compile_kernels(
    progress: Callable[[str, int, int], None],
    table: Topology = TOPOLOGY,
) -> None:
    """Call ``progress(what, done, total)`` before each step and once at the end."""
    orders: list[Any] = [np.zeros(0, ORDER_DTYPE)]

    def flow() -> None:
        orders[0] = next(GeneratedFlow("normal", 64, 1).chunks())

    def gateway() -> None:
        rules = make_rules(GeneratedFlow("normal", 64, 1).instruments)
        validate_batch(orders[0].ctypes.data, len(orders[0]), rules.ctypes.data)

    def matcher() -> None:
        compile_kernel(process_batch, 5)

    def book() -> None:
        instruments = GeneratedFlow("normal", 64, 1).instruments
        engine = Engine(instruments, 1024)
        hash_array(1, engine.process(orders[0]))
        engine.state_hash()
        engine.depth(bytes(instruments["symbol"][0]), 5)

    def rings() -> None:
        for kernel, count in (
            (ring.last_published_sized, 3),
            (ring.gating_cursor, 1),
            (ring.published_count, 4),
            (ring.release, 2),
            (record_spans, 7),
            (quorum_sequence, 3),
        ):
            compile_kernel(kernel, count)
        word = np.zeros(1, np.int64)
        Sequence(word.ctypes.data).get()

    def steps_and_loop() -> None:
        for row in table.stages:
            if row.compiled:
                step_address(row)
        compile_kernel(loop.run_stages, 7)

    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("matcher", matcher),
        ("order flow", flow),
        ("gateway", gateway),
        ("rings", rings),
        ("stage loop", steps_and_loop),
        ("book", book),
    )
    with compiled_in_parallel([step for _, step in steps[1:-1]]):
        for index, (label, step) in enumerate(steps):
            progress(label, index, len(steps))
            step()
    progress("", len(steps), len(steps))


@contextmanager
def compiled_in_parallel(steps: list[Callable[[], None]]) -> Iterator[None]:
    """Compile these in a process of their own meanwhile, if the matcher is to be compiled and there
    is a core for it.  Whoever needs one of its kernels waits for that one (wire/kernel.py); what it
    cannot do is left to this process."""
    if is_kept(process_batch) or len(os.sched_getaffinity(0)) < 2:
        yield
        return

    def compile_all() -> None:
        with suppress(Exception):
            for step in steps:
                step()

    child = fork(compile_all)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    compile_kernels(lambda what, done, total: None)
