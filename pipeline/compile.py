"""Compile every kernel before the run, one named step after the other.

The machine code is kept on disk (wire/kernel.py), so only the first run on a machine waits.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga import make_rules, validate_batch
from openoutcry.matcher import Engine
from openoutcry.pipeline.histogram import record_spans
from openoutcry.pipeline.stages import loop
from openoutcry.pipeline.topology import TOPOLOGY, Topology
from openoutcry.pipeline.worker import step_address
from openoutcry.replay.event_hash import hash_array
from openoutcry.ring import kernels as ring
from openoutcry.ring.policy import safe_sequence
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.kernel import compile_kernel


def compile_kernels(
    progress: Callable[[str, int, int], None],
    table: Topology = TOPOLOGY,
    until: str = "stage loop",
) -> None:
    """Call ``progress(what, done, total)`` before each step up to ``until`` and once at the end."""
    orders: list[Any] = [np.zeros(0, ORDER_DTYPE)]

    def flow() -> None:
        orders[0] = next(GeneratedFlow("normal", 64, 1).chunks())

    def gateway() -> None:
        rules = make_rules(GeneratedFlow("normal", 64, 1).instruments)
        validate_batch(orders[0].ctypes.data, len(orders[0]), rules.ctypes.data)

    def matcher() -> None:
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
            (safe_sequence, 3),
        ):
            compile_kernel(kernel, count)

    def steps_and_loop() -> None:
        for row in table.stages:
            if row.compiled:
                step_address(row)
        compile_kernel(loop.run_stages, 6)

    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("order flow", flow),
        ("gateway", gateway),
        ("matcher", matcher),
        ("rings", rings),
        ("stage loop", steps_and_loop),
    )
    steps = steps[: 1 + [label for label, _ in steps].index(until)]
    for index, (label, step) in enumerate(steps):
        progress(label, index, len(steps))
        step()
    progress("", len(steps), len(steps))


if __name__ == "__main__":
    # ``python -m openoutcry.pipeline.compile matcher``: no test runs the stage loop under VERIFY.
    last = sys.argv[1] if len(sys.argv) > 1 else "stage loop"
    compile_kernels(lambda what, done, total: None, until=last)
