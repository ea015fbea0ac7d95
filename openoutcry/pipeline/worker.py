"""One process of the pipeline: prepares its group's stages, runs them, reports the outcome."""

import faulthandler
import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim.shim import Shim
from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.host.build import require_same, this_build
from openoutcry.host.info import isolated_cores
from openoutcry.host.processes import STOP_SIGNALS, fork_reporting, wake_in_time
from openoutcry.journal.checkpoint import recover_from_any
from openoutcry.journal.replay import depth_of
from openoutcry.matcher import Engine
from openoutcry.pipeline.gateway_stage import sequenced_commands
from openoutcry.pipeline.journal_thread import Idle
from openoutcry.pipeline.stall import DUMP_SIGNAL
from openoutcry.ring import ProcessIdentity
from openoutcry.ring.sigbus import lock_memory, set_handler
from openoutcry.risk import rebalance
from openoutcry.risk.partitioned import pieces
from openoutcry.runtime import loop
from openoutcry.runtime.loop import Nap
from openoutcry.runtime.shared import Contexts, Shared
from openoutcry.runtime.table import Group, Stage
from openoutcry.runtime.work import Work
from openoutcry.wire import OutcryError
from openoutcry.wire.indirect import kernel_address

CORE = "core "
"""Before the name of a matcher stage: the key of its book in the outcome."""
SLICE_NS = 20_000_000
# A pause is 10 to 40 ns: this many keep a stage awake for over 100 us, then it yields the core
# each time round.
SPINS = 4_000
NAP_US, QUIET_NS = 500, 100_000_000
"""A loop that has had no work for QUIET_NS sleeps for NAP_US in each round, unless the core is
isolated for it (isolcpus).  Otherwise an idle venue would keep every core busy.  It does not nap
where steps are timed."""
GATHERED_RECORDS, GATHER_S = 4_096, 0.001
"""A journal that no event waits for pauses this long after a block of fewer records."""
REPORT_LEVELS = 50


class CompiledStages:
    """The compiled stages of one group, each at its own place, and the matcher's engine."""

    def __init__(self, work: Work, stages: tuple[str, ...]) -> None:
        self.work, self._stages = work, stages
        self.contexts = Contexts(work.shared)
        self.engines: dict[str, Engine] = {}
        """By matcher stage."""
        self.rtl: LiveGateway | None = None
        self.shim: Shim | None = None
        self.watched: dict[int, int] = {}
        self.probe = 0
        table = work.table
        rows = [table[name] for name in stages if table[name].compiled]
        if not work.ports:
            # It answers no participant then: what does goes first.
            rows.sort(key=lambda row: row.name == "replies")
        if work.recording is not None and rows:
            probe = work.shared.probe(min(table.index[row.name] for row in rows))
            self.probe = work.recording.prepare(probe, table.index)
        plan = []
        for row in rows:
            before = len(self.contexts.keep_alive)
            self.contexts.wire(row.name)
            prepare = getattr(row.code, "prepare", None)
            if prepare is not None:
                prepare(self, row.name)
            step, context = step_address(row), self.contexts.address_of(row.name)
            if work.deaths is not None:
                kept = self.contexts.keep_alive[before:]
                step, context = work.deaths.plan(self.contexts, row.name, step, kept)
            plan.append((step, context, table.index[row.name]))
        self._rows = rows
        self._awaits_ports = work.ports is not None and work.table.sources[0] in stages
        if work.prefork is None or work.start is not None:
            self.open_ports()
        self.plan = np.array(plan, np.int64).reshape(-1, loop.PLAN_BYTES // 8)
        self.nap = np.zeros(loop.NAP_WORDS, np.int64)
        # Inline, an order waits for this call: numpy's ``.ctypes`` would be most of it (2.3 us of
        # an idle turn, 0.6 without).
        self._plan = (self.plan.ctypes.data, len(self.plan), loop.Probe.of(self.probe))
        self._nap = self.nap.ctypes.data

    def rebuild_engine(self, name: str) -> Engine:
        """The stage's engine; what its hooks keep lies where the exchange operator sees it."""
        engine = rebuild_engine(self.work, name, self._stages)
        regions = self.work.shared.regions
        if engine.hooks is None:
            return engine
        if regions:
            region = regions[self.work.table[name].shard or 0]
            place_region(region, engine.region)
            engine.region = region
            engine.hooks = replace(engine.hooks, region=region)
        hooks = engine.hooks
        if engine.shard is not None:
            words = rebalance_args(self.work, engine, engine.shard[1])
            hooks = replace(hooks, rebalance_args=words.ctypes.data)
            self.contexts.keep_alive.append(words)
        block = hooks.block(engine.address, engine.region)
        engine.core_address = block.ctypes.data
        self.contexts.keep_alive.append(block)
        return engine

    def run(self, slice_ns: int, leave_idle: bool) -> int:
        """Run the stages for ``slice_ns``, with ``leave_idle`` until none can do anything; returns
        FINISHED, IDLE or TIME_UP."""
        return int(
            loop.run_stages(*self._plan, slice_ns, SPINS, int(leave_idle), Nap.of(self._nap))
        )

    def open_ports(self) -> None:
        """Open the group's ports, if it has any and they may be open by now."""
        if not self._awaits_ports or not self.work.ports.is_open:
            return
        self._awaits_ports = False
        table = self.work.table
        self.shim = self.work.ports.open(self.work.shared, table[table.sources[0]].writes)
        for row in self._rows:
            opened = getattr(row.code, "opened", None)
            if opened is not None:
                opened(self, row.name)

    def check(self) -> None:
        """Open the group's devices if they are not yet, and publish which of them carry packets.
        Raises if one is gone and the run does not wait for it."""
        self.open_ports()
        if self.shim is not None:
            for index, error in enumerate(self.shim.check(self.work.ports.is_patient)):
                self.work.shared.control.set_port(index, error)

    def outcome(self) -> dict[str, Any]:
        """Return what only this group knows at the end: the book, if it has the matcher, and what
        the ports took in, if it has them."""
        outcome: dict[str, Any] = {}
        if self.shim is not None:
            outcome["ports"] = self.shim.account()
            self.shim.close()
        return outcome | {
            CORE + name: core_outcome(engine) for name, engine in self.engines.items()
        }


def rebalance_args(work: Work, engine: Engine, shard: int) -> npt.NDArray[np.int64]:
    """The arguments with which a shard waits for the others at a rebalance point."""
    place = work.shared.rebalance_exchange
    assert place is not None, "hooks over several matchers need an exchange"
    words = np.zeros(rebalance.WORDS, np.int64)
    words[rebalance.REGION], words[rebalance.EXCHANGE] = engine.region.ctypes.data, place.address
    words[rebalance.CORE], words[rebalance.CORES] = shard, work.table.shards
    return words


def core_outcome(engine: Engine) -> dict[str, Any]:
    """A matcher's final counts and hashes; of a shard's hooks what their hash is made of."""
    divided = engine.shard is not None and engine.hooks is not None
    return {
        "pieces": pieces(engine.region) if divided else None,
        "state_hash": engine.state_hash(),
        "digest": engine.own_digest(),
        "now_ns": engine.now_ns,
        "open_orders": engine.open_orders,
        "depth": depth_of(engine, REPORT_LEVELS),
    }


def step_address(row: Stage) -> int:
    """Address of a stage's step, compiled if it was not yet."""
    return kernel_address(row.code.step, 1)


def rebuild_engine(work: Work, name: str, stages: tuple[str, ...] = ()) -> Engine:
    """The book of the stage ``name`` as of the last command whose events are all out, of a shard
    its own instruments' part of it.  The ring still holds everything later.  ``stages``: those of
    this process."""
    last = int(work.shared.sequenced.cursors[name][0])
    engine = _rebuild_whole(work, last, stages)
    shard = work.table[name].shard
    if shard is not None:
        events = _events_of_shard(work, name, last, engine.event_count)
        engine = work.core.shard(engine, shard, work.table.shards, events)
    assert engine.last_seq == last, (engine.last_seq, last)
    return engine


def _events_of_shard(work: Work, name: str, last: int, events: int) -> int:
    """Return how many events the shard had published by command ``last``; ``events``: all
    shards, which is what each ring is numbered on from when a run begins."""
    control, index = work.shared.control, work.table.index[name]
    if last == control.block.resumed_seq:
        return events
    places = control.stage(index).places
    for which in range(2):
        seq, events_by_then = places[2 * which], places[2 * which + 1]
        if seq == last:
            return events_by_then
    raise OutcryError(f"stage {name}: no position is stored for its cursor, which is at {last}")


def _rebuild_whole(work: Work, last: int, stages: tuple[str, ...]) -> Engine:
    """The whole core after command ``last``: fresh at the start; after a death from the journal,
    else from the preloaded input through the gateway's rules."""
    shared, start = work.shared, work.start
    if start is not None and start.seq == last:
        assert work.prefork is not None
        return work.core.restored(work.prefork.snapshot())
    if last and work.journal is not None:
        # Not less than the cursor: the ring gives away what lies before it as soon as the journal
        # has it.  The journal waits only for the ring, so it gets here.
        while shared.control.block.written_seq < last:
            time.sleep(0.001)
        sessions = work.sessions
        if sessions is not None and sessions.stage_name in stages and work.table.shards == 1:
            point = sessions.recover(work, last)
            if point is not None:
                return point.engine
        return recover_from_any([work.journal, *work.copies], last).engine
    engine = work.core.fresh()
    if last == 0:
        return engine
    rules = make_rules(work.instruments, work.settings)
    for records in sequenced_commands(work, last):
        validate_orders(records, rules)
        engine.process(records)
    return engine


def run_group(work: Work, group: Group) -> dict[str, Any]:
    """Run one group to its end in this process."""
    apart = [work.table[name] for name in group.stages if not work.table[name].compiled]
    if apart:
        return _run_python(work, apart[0])
    stages = CompiledStages(work, group.stages)
    wake = work.shared.control.block.address_of("woken")
    stages.nap[loop.NAP_WAKE // 8] = wake
    if not stages.probe and group.core not in isolated_cores():
        stages.nap[loop.NAP_US // 8] = NAP_US
        stages.nap[loop.NAP_QUIET_NS // 8] = QUIET_NS
        # A stage whose work never comes (an unused port) may nap as well.
        stages.nap[loop.NAP_BUSY_NS // 8] = time.monotonic_ns()
        wake_in_time()
        if not work.ports and set(group.stages) == set(work.table.compiled):
            # Nothing else in this process, and no device that must be asked.
            for at, word in stages.watched.items():
                stages.nap[at // 8] = word
            if work.durable and work.table.confirmers(work.table.gate.name) == ("journal",):
                asleep = work.shared.control.block.address_of("loop_asleep")
                stages.nap[loop.NAP_ASLEEP // 8] = asleep
    control, index = work.shared.control, work.shared.table.index
    is_restarted = any(control.stage(index[n]).restarts for n in group.stages)
    if not is_restarted:
        keep_in_memory(stages)
    if work.sessions is not None and work.sessions.stage_name in group.stages:
        work.sessions.touch_ahead(wake)
    mark_ready(work.shared, group.stages)
    if is_restarted:
        keep_in_memory_later(stages)
    tell = state_teller(work, stages)
    while stages.run(SLICE_NS, leave_idle=False) != loop.FINISHED:
        stages.check()
        if tell is not None:
            tell()
    loop.wake_sleepers(wake)  # what they wait for has ended
    return stages.outcome()


def keep_in_memory(stages: CompiledStages) -> None:
    """Touch and lock the matchers' memory: the first touch of a page would add to some order's
    latency.  It takes about 2 s a GB."""
    for engine in stages.engines.values():
        lock_memory(engine.address, engine.arena.nbytes)


def keep_in_memory_later(stages: CompiledStages) -> None:
    """As :func:`keep_in_memory` by a thread, on the cores that the run's supervisor has: no
    participant waits.  Meanwhile a new thread of this process would wait for it."""

    def lock() -> None:
        with suppress(OSError):
            os.sched_setaffinity(0, os.sched_getaffinity(os.getppid()))
        keep_in_memory(stages)

    Thread(target=lock, name="lock memory", daemon=True).start()


def state_teller(work: Work, stages: CompiledStages) -> Callable[[], None] | None:
    """Return the function that reports the state's hash, for a group with the matcher of a
    replicated run; of several shards none knows the whole."""
    if work.replication is None or len(stages.engines) != 1 or work.table.shards > 1:
        return None
    from openoutcry.replica.state_check import StateTeller  # for a replicated run only

    (engine,) = stages.engines.values()
    return StateTeller(work.shared.control, engine).tell


def make_stage(work: Work, row: Stage) -> Any:
    """A stage of Python: has ``step() -> int``, ``finished`` and ``outcome()``, which is JSON."""
    stage = row.code.make_stage(work)
    return stage if work.deaths is None else work.deaths.of_python(row.name, stage)


def _run_python(work: Work, row: Stage) -> dict[str, Any]:
    # It mostly waits for the disk, so real-time priority starves no process and keeps the wake-up
    # short when cores are shared (measured: 4 ms p50 under contention without it).  That changes
    # when there is nothing to do: a look each 20 us took 60 % of a core.  Two such pipelines on one
    # core left 5 % to all others, the kernel's bound for real time.  So it then sleeps longer.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        wake_in_time()
    stage = make_stage(work, row)
    mark_ready(work.shared, (row.name,))
    is_journal = row.name == "journal"
    idle = Idle(work.shared.control.block.address_of("woken") if is_journal else 0)
    is_woken = is_journal and work.durable
    gathers = is_journal and work.durability == "async"
    while not stage.finished:
        done = stage.step()
        if gathers and 0 < done < GATHERED_RECORDS:
            # No participant waits for this block: without a pause a block for each few commands
            # took 36 % of a core, at the priority above, from the feed and from clients.
            time.sleep(GATHER_S)
        elif is_woken and done == 0:
            stage.sleep_for_work()
        else:
            idle.after(done)
    return dict(stage.outcome())


def start(work: Work, group: Group, stack_fd: int) -> tuple[int, int]:
    """Fork a process for the group; returns its pid and the descriptor its outcome comes from.

    The outcome is one JSON document in an anonymous file; a process that dies without one was
    killed.  On a signal (``stall.DUMP_SIGNAL``), or on its own fault (SIGSEGV and the like), it
    writes its Python stack to ``stack_fd``.  Raises :class:`BuildError` if a source was replaced
    meanwhile.
    """
    require_same()
    try:
        return fork_reporting(partial(_run_child, work, group, stack_fd), STOP_SIGNALS)
    except OSError as error:
        raise OutcryError(f"cannot start stage {group.name}: {error.strerror}") from error


def _run_child(work: Work, group: Group, stack_fd: int) -> dict[str, Any]:
    """Run in the group's process. Signals to stop go to the whole process group: they are ignored
    here, and the supervisor drains the stages instead."""
    try:
        faulthandler.register(DUMP_SIGNAL, stack_fd, all_threads=True)
        faulthandler.enable(stack_fd)
        set_handler()
        announce(work.shared, group)
        if group.allowed:
            os.sched_setaffinity(0, group.allowed)
        work.shared.populate()
        if work.prefork is not None:
            run_when_leading(work, group)
        return run_group(work, group)
    except OutcryError:
        raise
    except MemoryError:
        raise OutcryError(f"stage {' + '.join(group.stages)}: out of memory") from None
    except Exception as error:
        text = f"stage {' + '.join(group.stages)}: {traceback.format_exc()}"
        raise OutcryError(text) from error


def run_when_leading(work: Work, group: Group) -> None:
    """Run in a stage's process: be ready, wait, and know afterwards what the start says."""
    prefork = work.prefork
    assert prefork is not None
    rows = [work.table[name] for name in group.stages]
    if all(row.compiled for row in rows):
        # Over rings in which nothing is: its kernels are loaded, its memory is there.
        for engine in CompiledStages(work, group.stages).engines.values():
            work.core.restored(engine.snapshot())
    follow = None
    if work.sessions is not None and work.sessions.stage_name in group.stages:
        assert work.journal is not None
        journal = work.journal
        follow = lambda: work.sessions.follow(journal)  # noqa: E731
        follow()
    prefork.wait(follow)
    work.take_start(prefork.start())


def place_region(target: npt.NDArray[np.uint8], region: npt.NDArray[np.uint8]) -> None:
    """Copy the hooks' state to where other processes read it.  The word that says it is complete
    comes last.  Without that the gateway took half a copy for the whole, and let orders for a
    halted instrument through to the core until the core next published a change."""
    words, source = target.view(np.int64), region.view(np.int64)
    words[0] = 0
    words[1:] = source[1:]
    words[0] = source[0]


def mark_ready(shared: Shared, stages: tuple[str, ...]) -> None:
    """The stages have found their places; they wait for nothing but input."""
    for name in stages:
        shared.control.stage(shared.table.index[name]).ready_ns = time.monotonic_ns()


def announce(shared: Shared, group: Group) -> None:
    """Register this process for the group's stages in the control segment."""
    me = ProcessIdentity.mine()
    for name in group.stages:
        index = shared.table.index[name]
        shared.control.stage(index).build = this_build().number
        shared.control.stage(index).config = shared.control.block.config
        shared.control.stage(index).start = me.start_ticks
        shared.control.stage(index).core = -1 if group.core is None else group.core
        shared.control.stage(index).pid = me.pid
        for ring in shared.rings.values():
            if name in ring.cursors:
                ring.register(name, me)
