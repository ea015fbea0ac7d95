"""One process of the pipeline: prepares the stages of its group, runs them, says how it ended."""

import ctypes
import faulthandler
import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim import UdpReceiver
from openoutcry.dpdk_shim.senders import Key
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.gateway_fpga import Settings, make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.journal import Journal, JournalWriter
from openoutcry.matcher import Engine, scratch_records
from openoutcry.pipeline import stages as st
from openoutcry.pipeline.control import (
    STAGE_CORE,
    STAGE_PID,
    STAGE_READY_NS,
    STAGE_RESTARTS,
    STAGE_START,
    WRITTEN_SEQ,
)
from openoutcry.pipeline.gateway_stage import make_gateway, sequenced_commands
from openoutcry.pipeline.journal_stage import JournalStage
from openoutcry.pipeline.port_source import PortSource
from openoutcry.pipeline.recording import Recording
from openoutcry.pipeline.shared import Contexts, Shared
from openoutcry.pipeline.stall import DUMP_SIGNAL
from openoutcry.pipeline.topology import STAGE_INDEX, Group
from openoutcry.replay.checkpoint import recover_from_any
from openoutcry.replay.replay import depth_of
from openoutcry.ring import ProcessIdentity
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, OutcryError
from openoutcry.wire.records import MAX_PACKET_RECORDS

SLICE_NS = 20_000_000
# A pause is 10 to 40 ns: this many keep a stage awake for over 100 us, then it yields the core
# each time round.
SPINS = 4_000
REPORT_LEVELS = 50
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Work:
    """What every group of a run is given."""

    shared: Shared
    instruments: npt.NDArray[Any]
    order_capacity: int
    rate: int
    limit: int
    """Commands to take at most."""
    durability: str
    journal: Path | None
    writer: JournalWriter | None
    """The journal as the supervisor made it: the first journal process goes on with this one, any
    later one finds its place on the disk."""
    receiver: UdpReceiver | None
    ports: PortSource | None = None
    gateway: str = "golden"
    """Who validates: the golden model or the RTL."""
    settings: Settings = field(default_factory=Settings)
    """The gateway's."""
    recording: Recording | None = None
    """Keep every command's stamps and note long steps."""
    spare_cores: int = 1
    """Cores that no stage spins on."""
    copies: tuple[Path, ...] = ()
    """The journal's other directories."""

    @property
    def key_of(self) -> Callable[[int], Key] | None:
        """Who the sender with an index is; None without a network."""
        network = self.receiver or self.ports
        return network.sender_key if network else None

    @property
    def durable(self) -> bool:
        return self.durability == "durable"


class StageGroup:
    """The compiled stages of one group, each at its own place, and the matcher's engine."""

    def __init__(self, work: Work, stages: tuple[str, ...]) -> None:
        self.work = work
        self.contexts = Contexts(work.shared)
        self.engine: Engine | None = None
        self.rtl: LiveGateway | None = None
        if work.recording is not None and stages != ("journal",):
            first = min(STAGE_INDEX[name] for name in stages)
            probe = work.recording.prepare(work.shared.probe(first))
            self.contexts.set("receive", {st.PROBE: probe})
        self.shim: Shim | None = None
        self.bits = sum(1 << STAGE_INDEX[name] for name in stages if name != "journal")
        prepare = {
            "receive": self._receive,
            "gateway": self._gateway,
            "matcher": self._matcher,
            "gate": lambda: self.contexts.prepare_gate(work.durable),
            "replies": self._replies,
        }
        for name in stages:
            if name in prepare:
                prepare[name]()

    def _receive(self) -> None:
        work = self.work
        self.contexts.prepare_receive(work.rate, work.limit)
        # A rate limit's verdicts depend on the times at which commands were received: where no
        # journal keeps them, the preloaded input does.
        keeps_times = work.journal is None and work.settings.rate_interval_ns != 0
        self.contexts.set("receive", {st.KEEPS_RX_TS: int(keeps_times)})
        if work.receiver is not None:
            records = np.zeros(st.BURST * MAX_PACKET_RECORDS, ORDER_DTYPE)
            self.contexts.keep_alive.append(records)
            words = {
                st.UDP: work.receiver.rx_addr,
                st.UDP_OUT: records.ctypes.data,
                st.UDP_SENT: work.receiver.sent_ts_ns.ctypes.data,
                st.UDP_SENDERS: work.receiver.senders.ctypes.data,
                st.UDP_SEQS: work.receiver.seqs.ctypes.data,
                st.STAMPS_SENDERS: work.shared.stamp_address("senders"),
                st.STAMPS_SENDER_SEQS: work.shared.stamp_address("sender_seqs"),
            }
            self.contexts.set("receive", words)
        if work.ports is not None:
            self.shim = work.ports.open(work.shared)
            words = {st.SHIM: self.shim.address, st.SHIM_POLL: self.shim.poll_function}
            self.contexts.set("receive", words)

    def _gateway(self) -> None:
        done = int(self.work.shared.sequenced.published)
        rules, self.rtl = make_gateway(self.work, done)
        self.contexts.prepare_gateway(rules)
        if self.rtl is not None:
            words = {st.RTL: self.rtl.function, st.RTL_HANDLE: self.rtl.handle}
            self.contexts.set("gateway", words)

    def _matcher(self) -> None:
        work = self.work
        self.engine = rebuild_engine(work)
        # One worst case beyond a burst: see stages.matcher.
        records = st.BURST + scratch_records(work.order_capacity)
        scratch = np.zeros(records, EVENT_DTYPE)
        self.contexts.prepare_matcher(
            self.engine.address, scratch, self.engine.last_seq, self.engine.event_count
        )

    def _replies(self) -> None:
        self.contexts.prepare_replies()
        if self.work.receiver is not None:
            self.contexts.set("replies", {st.TX: self.work.receiver.tx_addr})
        if self.shim is not None:
            words = {st.SHIM: self.shim.address, st.SHIM_REPLY: self.shim.reply_function}
            self.contexts.set("replies", words)

    def run(self, slice_ns: int, leave_idle: bool) -> int:
        return int(
            st.run_stages(self.contexts.address, self.bits, slice_ns, SPINS, int(leave_idle))
        )

    def check(self) -> None:
        """Raise if the group's device is gone."""
        if self.shim is not None:
            self.shim.check()

    def outcome(self) -> dict[str, Any]:
        """What only this group knows at the end: the book, if it has the matcher, and what the
        ports took in, if it has them."""
        said: dict[str, Any] = {}
        if self.shim is not None:
            said["ports"] = self.shim.account()
            self.shim.close()
        if self.engine is None:
            return said
        return said | {
            "state_hash": self.engine.state_hash(),
            "open_orders": self.engine.open_orders,
            "depth": depth_of(self.engine, REPORT_LEVELS),
        }


def rebuild_engine(work: Work) -> Engine:
    """The matcher as of the last command whose events are all out: fresh at the start; after a
    death from the journal, else from the tape through the gateway's rules.  The ring still holds
    everything later."""
    shared = work.shared
    last = int(shared.sequenced.cursors["matcher"][0])
    if last and work.journal is not None:
        # Not less than the cursor: the ring gives away what lies before it as soon as the journal
        # has it.  The journal waits only for the ring, so it gets here.
        while shared.control[WRITTEN_SEQ] < last:
            time.sleep(0.001)
        engine = recover_from_any([work.journal, *work.copies], last).engine
    else:
        engine = Engine(work.instruments, work.order_capacity)
    # First touch of a page would stand in some order's latency.
    engine.arena[::4096] = engine.arena[::4096]
    if last == 0 or work.journal is not None:
        assert engine.last_seq == last, (engine.last_seq, last)
        return engine
    if shared.tape is not None:
        rules = make_rules(work.instruments, work.settings)
        for records in sequenced_commands(work, last):
            validate_orders(records, rules)
            engine.process(records)
    else:
        raise OutcryError(
            "the matcher died and cannot be rebuilt: with --durability none nothing keeps the "
            "commands that came from the network"
        )
    assert engine.last_seq == last, (engine.last_seq, last)
    return engine


def run_group(work: Work, group: Group) -> dict[str, Any]:
    """Run one group to its end in this process."""
    if "journal" in group.stages:
        return _run_journal(work)
    stages = StageGroup(work, group.stages)
    say_ready(work.shared, group.stages)
    while stages.run(SLICE_NS, leave_idle=False) != st.FINISHED:
        stages.check()
    return stages.outcome()


def _run_journal(work: Work) -> dict[str, Any]:
    assert work.journal is not None
    # Mostly blocked in the disk, so real-time priority starves nobody and keeps the wake-up short
    # when cores are shared (measured: 4 ms p50 under contention without it).
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1_000, 0, 0, 0)
    writer = work.writer
    if writer is None or work.shared.control.stage(STAGE_INDEX["journal"], STAGE_RESTARTS):
        writer = Journal.resume(work.journal, direct=work.durable)
    stage = JournalStage(work.shared, writer, work.durable, work.key_of)
    say_ready(work.shared, ("journal",))
    while not stage.finished:
        if stage.step() == 0:
            time.sleep(20e-6)
    return {"journal": writer.hand_over().as_json()}


def start(work: Work, group: Group, stack_fd: int) -> tuple[int, int]:
    """Fork a process for the group; returns its pid and the descriptor its outcome comes from.

    The outcome is one JSON document in an anonymous file; a process that dies without one was
    killed.  Asked by a signal (``stall.DUMP_SIGNAL``) it writes its Python stack to ``stack_fd``.
    """
    outcome_fd = os.memfd_create("outcome")
    supervisor = os.getpid()
    # A signal for the supervisor must not run its handler in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(outcome_fd)
        raise OutcryError(f"cannot start stage {group.name}: {error.strerror}") from error
    finally:
        if os.getpid() == supervisor:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if pid:
        return pid, outcome_fd
    _child(work, group, supervisor, outcome_fd, stack_fd)


def _child(work: Work, group: Group, supervisor: int, outcome_fd: int, stack_fd: int) -> NoReturn:
    status = 1
    try:
        # No stage outlives its supervisor, not even one that was killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(1)
        # These go to the whole process group; the supervisor drains us instead.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        faulthandler.register(DUMP_SIGNAL, stack_fd, all_threads=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        announce(work.shared, group)
        if group.allowed:
            os.sched_setaffinity(0, group.allowed)
        work.shared.populate()
        outcome = run_group(work, group)
        status = 0
    except OutcryError as error:
        outcome = {"error": str(error)}
    except BaseException:
        outcome = {"error": f"stage {' + '.join(group.stages)}: {traceback.format_exc()}"}
    try:
        with open(outcome_fd, "w") as file:
            json.dump(outcome, file)
    finally:
        os._exit(status)


def say_ready(shared: Shared, stages: tuple[str, ...]) -> None:
    """The stages have found their places; they wait for nothing but input."""
    for name in stages:
        shared.control.set_stage(STAGE_INDEX[name], STAGE_READY_NS, time.monotonic_ns())


def announce(shared: Shared, group: Group) -> None:
    """Write who runs the group's stages into the control segment."""
    me = ProcessIdentity.mine()
    for name in group.stages:
        index = STAGE_INDEX[name]
        shared.control.set_stage(index, STAGE_START, me.start_ticks)
        shared.control.set_stage(index, STAGE_CORE, -1 if group.core is None else group.core)
        shared.control.set_stage(index, STAGE_PID, me.pid)
        for ring in (shared.lane, shared.sequenced, shared.events):
            if name in ring.cursors:
                ring.register(name, me)
