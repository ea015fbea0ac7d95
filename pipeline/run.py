"""Run the pipeline from a source to its last reply, and say what happened."""

import json
import os
import platform
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numba
import numpy as np
import numpy.typing as npt

import openoutcry
from openoutcry.dpdk_shim import UdpReceiver
from openoutcry.dpdk_shim.spec import PortSpec
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.journal import Journal, JournalLock, JournalReader, JournalWriter
from openoutcry.journal.lock import lock_if_there
from openoutcry.journal.places import places_of, require_distinct
from openoutcry.journal.writer import Handover
from openoutcry.pipeline import control as ct
from openoutcry.pipeline import stages as st
from openoutcry.pipeline import worker
from openoutcry.pipeline.checkpoint import EVERY as CHECKPOINT_EVERY
from openoutcry.pipeline.checkpoint import following
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.event_hash import START, hash_text
from openoutcry.pipeline.histogram import summary
from openoutcry.pipeline.host import host_info
from openoutcry.pipeline.journal_stage import JournalStage
from openoutcry.pipeline.port_source import PortSource
from openoutcry.pipeline.recording import Recording
from openoutcry.pipeline.replay import instruments_to_json, replay
from openoutcry.pipeline.resume import prime, resume_pipeline
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.stamp_clock import stamp_clock
from openoutcry.pipeline.topology import (
    RELEASE_SPAN,
    STAGE_INDEX,
    STAGE_NAMES,
    STAGES,
    WHOLE_SPAN,
    Group,
    geometry,
    plan_groups,
)
from openoutcry.ring import ProcessIdentity, remove_dead_segments
from openoutcry.wire import EventKind, OutcryError, Reason
from openoutcry.wire.memory import epoch_offset_ns

NO_LIMIT = 2**62
SAMPLE_S = 0.02
MAX_TIMELINE = 2_000
ORDER_CAPACITY = 1 << 17
# A group that dies this often, each time soon and without getting on at all, will not get on the
# next time either.
MAX_FUTILE_RESTARTS = 5
FUTILE_S = 1.0
# A stop is answered within a second: a longer journal (0.1 s a million) is left to `outcry replay`.
REPLAY_AT_STOP = 2_000_000


class PipelineError(OutcryError):
    """The pipeline could not do what it was asked to."""


class Source(Protocol):
    """Where commands come from (flow/)."""

    name: str
    instruments: npt.NDArray[Any]
    count_hint: int | None
    account: dict[str, int]

    def chunks(self) -> Iterator[npt.NDArray[Any]]: ...


@dataclass
class Options:
    """What to run.  Exactly one of ``source``, ``listen`` and ``ports`` is given."""

    source: Source | None = None
    source_kind: str = "flow"
    listen: tuple[str, int] | None = None
    instruments: npt.NDArray[Any] | None = None
    """Instruments for ``listen`` and ``ports``."""
    ports: list[PortSpec] = field(default_factory=list)
    arbitrate: bool = False
    """The ports are lines of one feed."""
    orders: int | None = None
    seed: int = 1
    rate: int = 0
    """Commands a second; 0 is as fast as they are taken."""
    topology: str = "processes"
    spare_cores: int = 1
    """Cores that no stage spins on."""
    durability: str = "durable"
    gateway: str = "golden"
    journal: Path | None = None
    resume: bool = False
    """Go on with the journal of a pipeline that was killed."""
    copies: tuple[Path, ...] = ()
    """Further directories for the journal, written side by side."""
    policy: str = "all"
    """How many of the directories must have a command before its events leave: all, quorum, any."""
    checkpoint_every: int = CHECKPOINT_EVERY
    """Commands between checkpoints beside a kept journal; 0: none."""
    order_capacity: int = ORDER_CAPACITY
    verify: bool = True
    recording: Recording | None = None
    """Filled with every command's stamps; for a source of known length."""


@dataclass
class Watcher:
    """Who is told how far things are: the display, or nobody."""

    phase: Callable[[str], None] = lambda text: None
    compiling: Callable[[str, int, int], None] = lambda label, done, total: None
    sample: Callable[["Sample"], None] = lambda sample: None
    note: Callable[[str], None] = lambda text: None


@dataclass
class Sample:
    """One look at a running pipeline."""

    t_s: float
    commands: int
    events: int
    total: int | None
    fill: dict[str, float]
    durable_lag: int


@dataclass
class _Child:
    group: Group
    pid: int
    pidfd: int
    outcome_fd: int
    started_s: float
    progress: int = -1
    futile: int = 0


@dataclass
class _State:
    """What the supervisor gathers while the run goes on."""

    timeline: list[dict[str, Any]] = field(default_factory=list)
    restarts: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    groups: list[dict[str, Any]] = field(default_factory=list)
    resumed: dict[str, Any] | None = None


def run(options: Options, watcher: Watcher | None = None) -> dict[str, Any]:
    """Run the whole chain and return the result document (its keys: docs/results.md).

    Raises an ``OutcryError`` when something asked for could not be done; whatever shared memory,
    child or half-made journal there was is gone by then.
    """
    with _handlers(_unwind, signal.SIGTERM, signal.SIGHUP):
        return _run_cleanly(options, watcher or Watcher())


def _run_cleanly(options: Options, watcher: Watcher) -> dict[str, Any]:
    remove_dead_journals(Path())
    removed = remove_dead_segments()
    if removed:
        owners = sorted({name.split(".")[1] for name in removed})
        watcher.note(
            f"removed {len(removed)} shared-memory segments left by a crashed run "
            f"(pid {', '.join(owners)})"
        )
    if options.gateway == "rtl":
        _build_gateway(options, watcher)
    started = time.monotonic()
    compile_kernels(watcher.compiling)
    compile_s = time.monotonic() - started
    with ExitStack() as stack:
        return _run(options, watcher, stack, compile_s)


@contextmanager
def _handlers(handler: Callable[[int, Any], None], *numbers: int) -> Iterator[None]:
    """Set a signal handler for a while."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _unwind(number: int, frame: Any) -> None:
    """As Control-C does: leave through every clean-up there is."""
    raise KeyboardInterrupt


def _instruments(options: Options) -> npt.NDArray[Any]:
    instruments = options.source.instruments if options.source else options.instruments
    assert instruments is not None
    return instruments


def _build_gateway(options: Options, watcher: Watcher) -> None:
    """Once before any process needs it, and before anybody waits for kernels: a missing compiler
    and a table that does not fit are refused here."""
    watcher.phase("building the gateway")
    LiveGateway.loaded(_instruments(options)).close()


def _run(options: Options, watcher: Watcher, stack: ExitStack, compile_s: float) -> dict[str, Any]:
    journaled = options.durability != "none"
    source = options.source
    instruments = _instruments(options)
    receiver = UdpReceiver(*options.listen) if options.listen else None
    if receiver:
        stack.callback(receiver.close)
    ports = PortSource(options.ports, options.arbitrate) if options.ports else None
    if ports:
        stack.callback(ports.close)
    sizes = geometry(options.topology, options.durability)
    if options.recording is not None:
        assert source is not None
        assert source.count_hint is not None
        sizes = replace(sizes, kept=min(source.count_hint, options.orders or source.count_hint))
    shared = Shared(sizes, journaled)
    stack.callback(shared.unlink)

    directory = _claim_journal(options, stack)
    started = time.monotonic()
    limit = options.orders if options.orders is not None else NO_LIMIT
    if source:
        watcher.phase("reading the source")
        shared.load_tape(source.chunks(), limit, source.count_hint)
        limit = shared.tape_count
    flow_s = time.monotonic() - started

    state = _State()
    _fill_control(shared, options, limit if source or options.orders is not None else 0)
    started = time.monotonic()
    writer = None
    if directory is not None:
        watcher.phase("preparing the journal")
        writer = _make_journal(directory, options, instruments, limit, state, shared)
        stack.callback(writer.abandon)
    journal_s = time.monotonic() - started

    work = worker.Work(
        shared=shared,
        instruments=instruments,
        order_capacity=options.order_capacity,
        rate=options.rate,
        limit=limit,
        durability=options.durability,
        journal=directory,
        copies=_copies_of(directory),
        writer=writer,
        receiver=receiver,
        ports=ports,
        gateway=options.gateway,
        recording=options.recording,
        spare_cores=options.spare_cores,
    )
    if directory is not None and options.journal is not None and options.topology == "processes":
        stack.enter_context(following(directory, options.checkpoint_every))
    watcher.phase("running")

    def stop(number: int, frame: Any) -> None:
        """Take no more input, drain, end in order."""
        state.interrupted = True
        shared.control[ct.STOP] = 1

    with _handlers(stop, *worker.STOP_SIGNALS):
        if options.topology == "inline":
            _run_inline(work, state, watcher)
        else:
            _Supervisor(work, state, watcher).run()

    result = _result(options, work, state)
    if options.recording is not None:
        options.recording.fill(shared, result["commands"], state.groups)
    result["prepare"] = {"compile_s": compile_s, "flow_s": flow_s, "journal_s": journal_s}
    if directory is not None:
        _close_journal(work, state, result)
        if options.verify and not (state.interrupted and result["commands"] > REPLAY_AT_STOP):
            watcher.phase("replaying the journal")
            result["replay"] = replay(directory)
        if options.journal is None:
            result["journal"]["path"] = None
    return result


def _claim_journal(options: Options, stack: ExitStack) -> Path | None:
    """Lock the journal's directory; without ``--journal`` a temporary one in this folder, on the
    disk that the user is on.  Refused before the source is read, and without a trace."""
    if options.durability == "none":
        return None
    if options.journal is None:
        me = ProcessIdentity.mine()
        try:
            prefix = f".outcry-journal-{me.pid}.{me.start_ticks}-"
            directory = Path(tempfile.mkdtemp(prefix=prefix, dir="."))
        except OSError as error:
            raise PipelineError(
                f"cannot keep a journal in this folder ({error.strerror}): give --journal DIR"
            ) from error
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
    else:
        directory = options.journal
        if not directory.exists():
            stack.callback(_remove_if_empty, directory)
    lock = JournalLock(directory)
    stack.callback(lock.release)
    if Journal.exists(directory) != options.resume:
        raise PipelineError(
            f"{directory} holds no journal to go on with"
            if options.resume
            else f"{directory} already holds a journal: give another --journal DIR, or --resume "
            "to go on with it"
        )
    _claim_copies(options, directory, stack)
    return directory


def _claim_copies(options: Options, directory: Path, stack: ExitStack) -> None:
    """Lock the journal's other directories as well: nobody mends or resumes one meanwhile."""
    if options.resume:
        for path in places_of(directory, JournalReader(directory).document).others:
            if (held := lock_if_there(path)) is not None:
                stack.callback(held.release)
        return
    require_distinct([directory, *options.copies])
    for path in options.copies:
        if not path.exists():
            stack.callback(_remove_if_empty, path)
        stack.callback(JournalLock(path).release)


def _copies_of(directory: Path | None) -> tuple[Path, ...]:
    """The other directories of the journal that was just made or resumed."""
    if directory is None:
        return ()
    return tuple(places_of(directory, JournalReader(directory).document).others)


def _remove_if_empty(directory: Path) -> None:
    """Remove a directory that holds nothing but our lock."""
    if [path.name for path in directory.glob("*")] == ["lock"]:
        shutil.rmtree(directory)


def remove_dead_journals(folder: Path) -> None:
    """Remove temporary journals in ``folder`` whose owner is proven dead."""
    for path in folder.glob(".outcry-journal-*.*-*"):
        pid, _, start = path.name.split("-")[2].partition(".")
        if pid.isdigit() and start.isdigit() and not ProcessIdentity(int(pid), int(start)).alive():
            shutil.rmtree(path, ignore_errors=True)


def _make_journal(
    directory: Path,
    options: Options,
    instruments: npt.NDArray[Any],
    limit: int,
    state: _State,
    shared: Shared,
) -> JournalWriter:
    """A new journal, or the one to go on with and everything put where it ends."""
    config = {
        "program": f"openoutcry {openoutcry.__version__}",
        "instruments": instruments_to_json(instruments),
        "order_capacity": options.order_capacity,
        "source": _source_name(options),
        "seed": options.seed,
        "rate": options.rate,
        "topology": options.topology,
        "durability": options.durability,
        "gateway": options.gateway,
        "layout_version": openoutcry.wire.LAYOUT_VERSION,
        "versions": {"python": platform.python_version(), "numba": numba.__version__},
        "clock": stamp_clock(shared.control[ct.EPOCH_OFFSET]),
        "host": host_info(),
    }
    durable = options.durability == "durable"
    if options.resume:
        writer, point, state.resumed = resume_pipeline(directory, config, durable)
        prime(shared, point)
        return writer
    expected = limit if options.source or options.orders is not None else 0
    return Journal.create(
        directory, config, expected_records=expected, copies=options.copies,
        policy=options.policy, direct=durable,
    )  # fmt: skip


def _fill_control(shared: Shared, options: Options, expected: int) -> None:
    control = shared.control
    control[ct.SEED] = options.seed
    control[ct.RATE] = options.rate
    control[ct.DURABILITY] = ct.DURABILITIES.index(options.durability)
    control[ct.EXPECTED] = expected
    control[ct.EPOCH_OFFSET] = epoch_offset_ns()
    control[ct.STARTED_NS] = time.monotonic_ns()
    for which in range(2):
        at = ct.REPLY_STATES + which * ct.REPLY_STATE_BYTES + ct.REPLY_EVENT_HASH
        control[at] = START


def _sample(work: worker.Work, state: _State) -> Sample:
    shared = work.shared
    control = shared.control
    first_ns = control[ct.FIRST_NS]
    fill = {
        ring: max(0, int(buffer.published_hint[0]) - buffer.gating) / buffer.capacity
        for ring, buffer in (
            ("lane", shared.lane),
            ("sequenced", shared.sequenced),
            ("events", shared.events),
        )
    }
    sequenced = int(shared.sequenced.published_hint[0])
    sample = Sample(
        t_s=(time.monotonic_ns() - first_ns) / 1e9 if first_ns else 0.0,
        commands=control.reply(ct.REPLY_COMMANDS),
        events=control.reply(ct.REPLY_CURSOR),
        total=control[ct.EXPECTED] or None,
        fill=fill,
        durable_lag=max(0, sequenced - control[ct.DURABLE_SEQ]) if work.journal else 0,
    )
    if first_ns:
        state.timeline.append(
            {
                "t_s": sample.t_s,
                "commands": sample.commands,
                "events": sample.events,
                "fill": fill,
            }
        )
        if len(state.timeline) > MAX_TIMELINE:
            del state.timeline[1::2]
    return sample


def _run_inline(work: worker.Work, state: _State, watcher: Watcher) -> None:
    """Every stage in turn in this thread; the journal whenever the others can do no more."""
    everything = Group(
        "inline", tuple(n for n in STAGE_NAMES if n != "journal" or work.writer), None
    )
    worker.announce(work.shared, everything)
    work.shared.populate()
    state.groups.append({"process": "inline", "stages": list(everything.stages), "core": None})
    group = worker.StageGroup(work, everything.stages)
    worker.say_ready(work.shared, everything.stages)
    work.shared.control[ct.GO] = 1
    journal = JournalStage(work.shared, work.writer, work.durable) if work.writer else None
    next_sample = 0.0
    while True:
        ended = group.run(worker.SLICE_NS, leave_idle=True)
        group.check()
        if journal:
            journal.step()
        if ended == st.FINISHED and (journal is None or journal.finished):
            break
        now = time.monotonic()
        if now >= next_sample:
            next_sample = now + SAMPLE_S
            watcher.sample(_sample(work, state))
    watcher.sample(_sample(work, state))
    state.outcome = group.outcome()


class _Supervisor:
    """Starts the groups, proves deaths, starts what died again, gathers the outcomes."""

    def __init__(self, work: worker.Work, state: _State, watcher: Watcher) -> None:
        self.work = work
        self.state = state
        self.watcher = watcher
        self.children: dict[int, _Child] = {}
        self.poll = select.poll()
        self.going = False

    def run(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        groups = plan_groups(
            cores,
            self.work.writer is not None,
            self.work.ports is not None,
            self.work.spare_cores,
        )
        try:
            # Nor does the supervisor disturb a stage that spins.
            spun = {group.core for group in groups}
            os.sched_setaffinity(0, [core for core in cores if core not in spun] or cores)
            for group in groups:
                child = self._start(group)
                self.state.groups.append(
                    {
                        "process": group.name,
                        "stages": list(group.stages),
                        "core": group.core,
                        "pid": child.pid,
                    }
                )
            while self.children:
                for fd, _ in self.poll.poll(SAMPLE_S * 1000 if self.going else 1):
                    self._ended(fd)
                self._watch_readiness()
                self.watcher.sample(_sample(self.work, self.state))
        finally:
            os.sched_setaffinity(0, cores)
            self._kill_all()

    def _watch_readiness(self) -> None:
        """Let input in once every stage is ready, and note when restarted ones went on.

        Without the common start a paced run would begin with a backlog made by a slow start."""
        control = self.work.shared.control
        if not self.going:
            names = [name for group in self.state.groups for name in group["stages"]]
            self.going = all(self._ready_ns(name) for name in names)
            control[ct.GO] = int(self.going)
        for restart in self.state.restarts:
            ready_ns = self._ready_ns(restart["stage"].split(" + ")[0])
            if restart["resumed_s"] is None and ready_ns:
                restart["resumed_s"] = (ready_ns - (control[ct.FIRST_NS] or ready_ns)) / 1e9

    def _ready_ns(self, stage: str) -> int:
        return self.work.shared.control.stage(STAGE_INDEX[stage], ct.STAGE_READY_NS)

    def _start(self, group: Group) -> _Child:
        pid, outcome_fd = worker.start(self.work, group)
        # A pidfd names this very process: its number cannot be given to another meanwhile.
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise PipelineError(f"cannot watch stage {group.name}: {error.strerror}") from error
        child = _Child(group, pid, pidfd, outcome_fd, time.monotonic())
        self.children[child.pidfd] = child
        self.poll.register(child.pidfd, select.POLLIN)
        return child

    def _ended(self, pidfd: int) -> None:
        child = self.children.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(child.pid, 0)
        with open(child.outcome_fd) as file:
            file.seek(0)
            text = file.read()
        if os.WIFEXITED(status) and text:
            outcome = json.loads(text)
            if "error" in outcome:
                raise PipelineError(outcome["error"])
            self.state.outcome.update(outcome)
            return
        self._restart(child, status)

    def _restart(self, child: _Child, status: int) -> None:
        """Start a group again that died without an outcome; each stage finds its own place."""
        why = (
            f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
            if os.WIFSIGNALED(status)
            else f"exited with {os.WEXITSTATUS(status)}"
        )
        control = self.work.shared.control
        progress = self.work.shared.sequenced.gating + control.reply(ct.REPLY_CURSOR)
        short = time.monotonic() - child.started_s < FUTILE_S
        futile = child.futile + 1 if short and progress == child.progress else 0
        stages = " + ".join(child.group.stages)
        if futile >= MAX_FUTILE_RESTARTS:
            raise PipelineError(f"stage {stages} keeps dying without getting on: {why}")
        for name in child.group.stages:
            index = STAGE_INDEX[name]
            restarts = control.stage(index, ct.STAGE_RESTARTS) + 1
            control.set_stage(index, ct.STAGE_RESTARTS, restarts)
            control.set_stage(index, ct.STAGE_READY_NS, 0)
        died = time.monotonic_ns()
        again = self._start(child.group)
        again.progress, again.futile = progress, futile
        first_ns = control[ct.FIRST_NS] or died
        self.state.restarts.append(
            {
                "stage": stages,
                "pid": child.pid,
                "why": why,
                "at_s": (died - first_ns) / 1e9,
                "resumed_s": None,
                "new_pid": again.pid,
            }
        )
        self.watcher.note(f"stage {stages} (pid {child.pid}) {why}: started again")

    def _kill_all(self) -> None:
        for child in self.children.values():
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            os.close(child.pidfd)
            os.close(child.outcome_fd)
        self.children.clear()


def _result(options: Options, work: worker.Work, state: _State) -> dict[str, Any]:
    control = work.shared.control
    commands = work.shared.sequenced.published
    resumed = control[ct.RESUMED_SEQ]
    acknowledged = control.reply(ct.REPLY_COMMANDS)
    last_ns = control.reply(ct.REPLY_LAST_NS)
    if work.journal is not None:
        last_ns = max(last_ns, control[ct.WRITTEN_NS])
    first_ns = control[ct.FIRST_NS]
    seconds = (last_ns - first_ns) / 1e9 if first_ns else 0.0
    source = options.source
    expected = control[ct.EXPECTED] if source or options.orders is not None else None
    account = dict(source.account) if source else {}
    if work.receiver is not None:
        account = {**work.receiver.counters(), "system_drops": work.receiver.system_drops()}
        # Beyond --orders, or in the hands of a receive stage when it was killed.
        account["records_not_sequenced"] = account["records"] - commands + resumed
    if work.ports is not None:
        account = state.outcome["ports"]
        # Of a burst that a receive stage had in its hands when it was killed.
        account["records_not_sequenced"] = account["records"] - commands + resumed
    return {
        "version": openoutcry.__version__,
        "commands": commands,
        "events": control.reply(ct.REPLY_CURSOR),
        "trades": control.reply(ct.REPLY_TRADES),
        "seconds": seconds,
        "commands_per_s": (commands - resumed) / seconds if seconds else 0.0,
        "resumed": state.resumed,
        "lost": commands - acknowledged,
        "duplicated": control.reply(ct.REPLY_DUPLICATED),
        "state_hash": state.outcome["state_hash"],
        "event_hash": hash_text(control.reply(ct.REPLY_EVENT_HASH)),
        "open_orders": state.outcome["open_orders"],
        "stages": _stage_rows(work),
        "replay": None,
        "journal": None,
        "durability": options.durability,
        "topology": options.topology,
        "gateway": options.gateway,
        "seed": options.seed,
        "rate": options.rate or None,
        "source": {
            "kind": options.source_kind,
            "name": _source_name(options),
            "account": account,
        },
        "groups": state.groups,
        "restarts": state.restarts,
        "expected": expected,
        "interrupted": state.interrupted and commands != expected,
        "rejects": _counts(control, ct.REPLY_REASONS, Reason),
        "event_kinds": _counts(control, ct.REPLY_KINDS, EventKind),
        "timeline": state.timeline,
        "depth": state.outcome["depth"],
        "clock": stamp_clock(control[ct.EPOCH_OFFSET]),
        "host": host_info(),
    }


def _source_name(options: Options) -> str:
    if options.source:
        return options.source.name
    return " ".join(spec.text for spec in options.ports) or "udp"


def _counts(control: ct.Control, at: int, names: type[EventKind] | type[Reason]) -> dict[str, int]:
    return {
        member.name: control.reply(at + 8 * int(member))
        for member in names
        if control.reply(at + 8 * int(member))
    }


def _stage_rows(work: worker.Work) -> list[dict[str, Any]]:
    """The latency table: every stage in the data's order, then the spans over several."""
    spans = [(s.name, s.span, STAGE_INDEX[s.name]) for s in STAGES]
    spans = [row for row in spans if row[0] != "journal" or work.journal is not None]
    spans.append((*RELEASE_SPAN, st.RELEASE_HISTOGRAM))
    spans.append((*WHOLE_SPAN, st.WHOLE_HISTOGRAM))
    return [
        {"name": name, "span": span, **summary(np.asarray(work.shared.histogram(index)))}
        for name, span, index in spans
    ]


def _close_journal(work: worker.Work, state: _State, result: dict[str, Any]) -> None:
    """Leave the evidence in the journal, so that anybody can prove the replay against it."""
    assert work.journal is not None
    assert work.writer is not None
    writer = work.writer
    if "journal" in state.outcome:
        # From where the journal's process let go of it: nothing is read again.
        writer = Journal.reopen(writer, Handover.from_json(state.outcome["journal"]))
    keys = ("commands", "events", "trades", "state_hash", "event_hash")
    writer.evidence({key: result[key] for key in keys})
    writer.close()
    result["journal"] = {
        "path": str(work.journal),
        "bytes": writer.bytes,
        "blocks": writer.blocks,
        "segments": len(list(work.journal.glob("segment-*"))),
    }
