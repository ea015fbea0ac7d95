"""Compile every kernel before the run.

The machine code is kept on disk (wire/kernel.py), so only the first run on a machine waits.  One
process per core compiles what is missing; each takes the next part of the work when it has finished
one, and the matcher, the longest part, comes first.  This process compiles nothing: numba's record
of all that it has typed would stay in its memory, and in that of every stage.  It then loads the
machine code.
"""

import gc
import mmap
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.flow.generate import generate
from openoutcry.gateway_fpga import make_rules, validate_batch
from openoutcry.gateway_fpga.golden import GatewayRules
from openoutcry.host.processes import fork
from openoutcry.journal.event_hash import hash_array, hash_events
from openoutcry.matcher import Engine, process_batch
from openoutcry.matcher.book.depth import fill_depth
from openoutcry.matcher.book.empty_arena import arena_bytes, keep_id_key, lay_out
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.amend import replace_any
from openoutcry.matcher.commands.phases import change_phase
from openoutcry.matcher.commands.plain_commands import plain_on_plain, plain_on_special
from openoutcry.matcher.hooks import process_hooked
from openoutcry.matcher.state.running_digest import fold_changes
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.pipeline.worker import step_address
from openoutcry.ring import Sequence as RingSequence
from openoutcry.ring import kernels as ring
from openoutcry.ring.policy import quorum_sequence
from openoutcry.runtime import loop
from openoutcry.runtime.histogram import record_spans
from openoutcry.runtime.table import Topology
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.kernel import compile_kernel, is_kept

Progress = Callable[[str, int, int], None]
Kernels = Sequence[tuple[Callable[..., Any], int]]
LOOK_S, SAY_S = 0.1, 10.0
"""How often it is looked what was compiled, and how long at most nothing is said."""
MAX_PROCESSES = 8
WAITING, UNDER_WAY, DONE = 0, 1, 2

RINGS: Kernels = (
    (ring.last_published_sized, 3),
    (ring.gating_cursor, 1),
    (ring.published_count, 4),
    (ring.sleep_until_published, 5),
    (ring.release, 2),
    (record_spans, 7),
    (quorum_sequence, 3),
)
BOOK: Kernels = (
    (fold_changes, 1),
    (lay_out, 5),
    (arena_bytes, 3),
    (keep_id_key, 2),
    (hash_events, 3),
    (fill_depth, 5),
)


MATCHER_AHEAD: Kernels = (
    (plain_on_plain, 5),
    (plain_on_special, 5),
    (replace_any, 4),
    (change_phase, 3),
)
"""Parts of the matcher that take as long as what follows a command, which another process compiles
meanwhile."""


@dataclass(frozen=True)
class Part:
    """Kernels that one process compiles, each with how many int64 arguments it has."""

    label: str
    kernels: Kernels
    long: bool = False
    """Compiling it takes long enough for separate processes to pay."""
    ahead: Kernels = ()
    """What they call, or what the kernels of another part call, to be compiled first."""

    @property
    def missing(self) -> Kernels:
        """The kernels whose machine code is not in the cache, and what is to be compiled first."""
        missing = [(kernel, count) for kernel, count in self.kernels if not is_kept(kernel)]
        return [*self.ahead, *missing] if missing or not self.kernels else []


def compile_kernels(
    progress: Progress,
    table: Topology = TOPOLOGY,
    more: Sequence[Part] = (),
    generates: bool = True,
    hooked: bool = False,
) -> None:
    """Call ``progress(what, done, total)`` before each step and once at the end.

    Further kernels that are needed are ``more``; with ``generates`` orders are generated, and with
    ``hooked`` there are kernels around the matcher.
    """
    steps = [(row.code.step, 1) for row in table.stages if row.compiled]
    elsewhere = {kernel for part in more for kernel, _ in part.kernels}
    matcher: Kernels = [(process_batch, 5), *([(process_hooked, 5)] if hooked else [])]
    first = Part("matcher", matcher, long=True, ahead=MATCHER_AHEAD)
    parts = [
        first,
        *([Part("stops and auctions", (), ahead=[(after_command, 2)])] if first.missing else []),
        *more,
        Part(
            "stages", [step for step in steps if step[0] not in elsewhere] + [(loop.run_stages, 7)]
        ),
        *([Part("order flow", [(generate, 3)])] if generates else []),
        Part("book", BOOK),
        Part("gateway and rings", [(validate_batch, 3), *RINGS]),
    ]
    compile_parts(parts, progress)
    load(progress, table, generates)


def load(progress: Progress, table: Topology, generates: bool) -> None:
    """The machine code of what every run calls; what is still missing is compiled."""
    orders: list[Any] = [np.zeros(0, ORDER_DTYPE)]
    instruments = GeneratedFlow("normal", 64, 1).instruments

    def matcher() -> None:
        compile_kernel(process_batch, 5)

    def flow() -> None:
        orders[0] = next(GeneratedFlow("normal", 64, 1).chunks())

    def gateway() -> None:
        rules = make_rules(instruments)
        validate_batch(orders[0].ctypes.data, len(orders[0]), GatewayRules.of(rules.ctypes.data))

    def rings() -> None:
        for kernel, count in RINGS:
            compile_kernel(kernel, count)
        word = np.zeros(1, np.int64)
        RingSequence(word.ctypes.data).get()
        RingSequence(word.ctypes.data).set(0)

    def steps_and_loop() -> None:
        for row in table.stages:
            if row.compiled:
                step_address(row)
        compile_kernel(loop.run_stages, 7)

    def book() -> None:
        engine = Engine(instruments, 1024)
        hash_array(1, engine.process(orders[0]) if generates else np.zeros(0, EVENT_DTYPE))
        engine.state_hash()
        engine.depth(bytes(instruments["symbol"][0]), 5)

    steps: list[tuple[str, Callable[[], None]]] = [
        ("matcher", matcher),
        *([("order flow", flow)] if generates else []),
        ("gateway", gateway),
        ("rings", rings),
        ("stage loop", steps_and_loop),
        ("book", book),
    ]
    for index, (label, step) in enumerate(steps):
        progress(label, index, len(steps))
        step()
    progress("", len(steps), len(steps))


def compile_parts(parts: Sequence[Part], progress: Progress) -> None:
    """Compile what is missing of the parts, in processes that end with it, if a long one is.

    Calls ``progress(what, done, total)`` when a part begins or is done, and each SAY_S.  A part
    that a process cannot compile, or leaves when it is killed, is compiled when the kernel is first
    called.
    """
    parts = [part for part in parts if part.missing]
    if not any(part.long for part in parts):
        return
    states = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.uint8)[: len(parts)]
    # Each process takes a byte, the number of its next part, until the pipe is empty.
    taken, given = os.pipe()
    os.write(given, bytes(range(len(parts))))
    os.close(given)

    def work() -> None:
        # Collecting numba's objects is not worth its time: 6 % of the time.
        gc.disable()
        while number := os.read(taken, 1):
            states[number[0]] = UNDER_WAY
            with suppress(Exception):
                for kernel, count in parts[number[0]].missing:
                    compile_kernel(kernel, count)
            states[number[0]] = DONE

    count = min(len(os.sched_getaffinity(0)), len(parts), MAX_PROCESSES)
    children: list[int] = []
    try:
        for _ in range(count):
            children.append(fork(work, name="compile"))
        _watch(children, parts, states, progress)
    finally:
        os.close(taken)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _watch(children: list[int], parts: Sequence[Part], states: Any, progress: Progress) -> None:
    """Watch the processes until all of them have ended; they leave the list."""
    said, begun_s = "", time.monotonic()
    said_s = begun_s
    progress(f"{parts[0].label}, 0 s so far", 0, len(parts))
    while children:
        for pid in list(children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                children.remove(pid)
        now_s = time.monotonic()
        names = [
            part.label for part, state in zip(parts, states, strict=True) if state == UNDER_WAY
        ]
        done = int(np.count_nonzero(states == DONE))
        under_way = " and ".join(names)
        if names and (under_way != said or now_s - said_s >= SAY_S):
            said, said_s = under_way, now_s
            progress(f"{under_way}, {now_s - begun_s:.0f} s so far", done, len(parts))
        time.sleep(LOOK_S)


if __name__ == "__main__":
    compile_kernels(lambda what, done, total: None)
