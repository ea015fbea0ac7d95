"""Run the pipeline from a source to its last reply, and return the result."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.dpdk_shim import native
from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.host.build import holding, this_build
from openoutcry.host.processes import STOP_SIGNALS, handling
from openoutcry.journal.checkpoint import Follower, following
from openoutcry.journal.core import RISK
from openoutcry.journal.event_hash import START
from openoutcry.journal.replay import replay
from openoutcry.journal.risk_hooks import risk_kernels
from openoutcry.pipeline import worker
from openoutcry.pipeline.compile import Part, compile_kernels
from openoutcry.pipeline.deaths import Deaths
from openoutcry.pipeline.journal_setup import (
    claim_journal,
    close_journal,
    copies_of,
    make_journal,
    policy_of,
    remove_dead_journals,
)
from openoutcry.pipeline.journal_thread import JournalThread
from openoutcry.pipeline.options import ORDER_CAPACITY, Options, Source
from openoutcry.pipeline.port_source import PortSource
from openoutcry.pipeline.progress import SAMPLE_S, RunState, Sample, Watcher, take_sample
from openoutcry.pipeline.result import make_result
from openoutcry.pipeline.supervisor import Supervisor
from openoutcry.pipeline.topology import geometry, replicated
from openoutcry.ring import remove_dead_segments
from openoutcry.runtime import control as control_words
from openoutcry.runtime import loop
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Group
from openoutcry.runtime.work import PipelineError, Work
from openoutcry.wire.enums import CommandKind

MAX_AHEAD_NS = 24 * 3600 * 1_000_000_000
"""A TIME can never be undone: one far ahead expires every GTD order there is.  So the clock of this
host bounds it where commands enter, once; whatever is sequenced a replay takes as it is."""


def bounded_times(
    chunks: Iterable[npt.NDArray[Any]], name: str, now_ns: int
) -> Iterator[npt.NDArray[Any]]:
    """The chunks of the source ``name``; raises :class:`PipelineError` at a TIME more than a day
    ahead of ``now_ns`` (since the epoch)."""
    count = 0
    for chunk in chunks:
        ahead = (chunk["kind"] == CommandKind.TIME) & (chunk["aux"] > now_ns + MAX_AHEAD_NS)
        if ahead.any():
            at = int(np.argmax(ahead))
            raise PipelineError(
                f"{name}, command {count + at + 1}: TIME {int(chunk['aux'][at])} is more than a "
                "day ahead of this host's clock: it would expire every GTD order, and time never "
                "goes back"
            )
        count += len(chunk)
        yield chunk


__all__ = ["ORDER_CAPACITY", "Options", "PipelineError", "Sample", "Source", "Watcher", "run"]

NO_LIMIT = 2**62
# A stop is answered within a second: a longer journal (0.3 s a million) is left to `outcry replay`.
FEED_DRAIN_S = 10.0
"""How long a run's end waits for its feed to publish everything."""
REPLAY_AT_STOP = 500_000
LAST_S = 0.001
"""How long a finished inline run sleeps at a time while its journal completes in parallel."""
UNAUTHENTICATED = (
    "unauthenticated: any sender that reaches this network port can act for any participant "
    "except the exchange operator (docs/packets.md)"
)


def run(options: Options, watcher: Watcher | None = None) -> dict[str, Any]:
    """Run the whole chain and return the result document (its keys: docs/results.md).

    Raises an ``OutcryError`` when something asked for could not be done; whatever shared memory,
    child or half-made journal there was is gone by then.
    """
    unwind = _Unwind()
    with handling(unwind, *unwind.signals()):
        return _run_cleanly(options, unwind.asked_by(_with_operator(options, watcher or Watcher())))


def _with_operator(options: Options, watcher: Watcher) -> Watcher:
    """The operator acts whenever a sample is taken.  The sessions' ports open once all commands due
    at the start are processed: before the first phase, every order would be refused."""
    operator = options.operator
    if operator is None:
        return watcher

    def sample(taken: Sample) -> None:
        operator.poll()
        sessions = operator.sessions
        if operator.is_set:
            if sessions is not None and not sessions.is_open:
                sessions.listen(watcher.note)
            if operator.ports is not None and not operator.ports.is_open:
                operator.ports.let_in()
        watcher.sample(taken)

    met = copy(watcher)
    met.sample = sample
    met.descriptors = operator.descriptors
    return met


def _run_cleanly(options: Options, watcher: Watcher) -> dict[str, Any]:
    _check_shards(options)
    for spec in options.ports:
        native.load(dpdk=spec.kind == "dpdk")  # or why it cannot be built, before any waiting
    this_build()  # as it is before anything of it is compiled
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
    compile_kernels(
        watcher.compiling,
        options.wiring,
        parts_of(options),
        isinstance(options.source, GeneratedFlow),
        hooked=options.hooks is not None,
    )
    if options.hooks is not None:
        watcher.phase("preparing risk")
        options.core.fresh()  # their kernels as well: no stage waits for them
    compile_s = time.monotonic() - started
    with ExitStack() as stack:
        stack.enter_context(holding())
        return _run(options, watcher, stack, compile_s)


def parts_of(options: Options) -> list[Part]:
    """The kernels that this run needs and another may not, in the order of the time they take."""
    parts = []
    if options.sessions is not None:
        from openoutcry.order_entry.sessions import STAGES  # a second of imports, for a venue only
        from openoutcry.order_entry.sessions_state import protocol_kernels

        protocols = protocol_kernels(options.sessions)
        steps = [(row.code.step, 1) for row in STAGES if row.compiled]
        parts.append(Part("sessions", [*steps, *protocols.pop("sessions")], long=True))
        names = sorted(protocols, key=lambda name: not name.startswith("FIX"))
        parts += [Part(name, protocols[name], long=name.startswith("FIX")) for name in names]
    if options.hooks is not None and options.hooks.get("name") == RISK:
        parts.insert(1, Part("risk", risk_kernels(options.hooks)))
    if options.feed is not None:
        from openoutcry.market_data.public_feed import KERNELS

        parts.append(Part("feed", KERNELS))
    return parts


def _check_shards(options: Options) -> None:
    """Hooks see all instruments, so they need one matcher; but risk may be divided."""
    shards, hooks = options.wiring.shards, options.hooks
    if hooks is None or shards == 1:
        return
    if hooks["name"] != RISK:
        raise PipelineError("hooks around the matcher see all instruments: they need one matcher")
    if options.core.partitions < shards:
        raise PipelineError(
            f"{shards} matchers need risk in at least as many partitions, not "
            f"{options.core.partitions}"
        )


class _Unwind:
    """Leaves through every clean-up, as after Control-C. A signal that comes where an exception is
    swallowed (at the end of an object) takes effect at the next step."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: Any) -> None:
        self.came = True
        raise KeyboardInterrupt

    @staticmethod
    def signals() -> list[signal.Signals]:
        """An interrupt that is ignored, or handled by the caller, is left alone."""
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return [signal.SIGTERM, signal.SIGHUP, *([signal.SIGINT] if ours else [])]

    def asked_by(self, watcher: Watcher) -> Watcher:
        """The watcher, by whose steps a signal that was lost is found."""

        def first(tell: Callable[..., None]) -> Callable[..., None]:
            def checked(*what: Any) -> None:
                if self.came:
                    raise KeyboardInterrupt
                tell(*what)

            return checked

        checked_watcher = copy(watcher)
        checked_watcher.phase = first(watcher.phase)
        checked_watcher.compiling = first(watcher.compiling)
        return checked_watcher


def _build_gateway(options: Options, watcher: Watcher) -> None:
    """Once before any process needs it, and before kernels are compiled: a missing compiler and a
    table that does not fit are refused here."""
    watcher.phase("building the gateway")
    LiveGateway.loaded(options.table, options.gateway_settings).close()


def _run(options: Options, watcher: Watcher, stack: ExitStack, compile_s: float) -> dict[str, Any]:
    state = RunState()
    work, prepare, supervisor = prepared(options, watcher, stack, state)
    watcher.phase("running")

    def stop(number: int, frame: Any) -> None:
        """Take no more input, drain, end in order."""
        state.interrupted = True
        work.shared.control.block.stop = 1

    with handling(stop, *STOP_SIGNALS):
        try:
            if options.topology == "inline":
                _run_inline(work, state, watcher)
            else:
                (supervisor or Supervisor(work, state, watcher, options.stall)).run()
        except Exception:
            # Whatever went wrong, a lost segment is why, if one is lost.
            work.shared.check()
            raise
    if work.feed is not None:
        work.feed.finish(FEED_DRAIN_S)
    return finished(options, work, state, watcher, {"compile_s": compile_s, **prepare})


def finished(
    options: Options,
    work: Work,
    state: RunState,
    watcher: Watcher,
    prepare: dict[str, float],
) -> dict[str, Any]:
    """The result of a run whose stages have ended; the journal has its evidence."""
    result = make_result(options, work, state)
    result["policy"] = {"name": options.policy, "text": policy_of(options).text}
    if options.recording is not None:
        options.recording.fill(work.shared, result["commands"], state.groups)
    result["prepare"] = prepare
    if work.journal is not None:
        close_journal(work, state, result)
        if options.verify and not (state.interrupted and result["commands"] > REPLAY_AT_STOP):
            watcher.phase("replaying the journal")
            result["replay"] = replay(work.journal)
        if options.journal is None:
            result["journal"]["path"] = None
    return result


def prepared(
    options: Options, watcher: Watcher, stack: ExitStack, state: RunState
) -> tuple[Work, dict[str, float], Supervisor | None]:
    """Everything that the processes share, given back through ``stack``; how long its parts took;
    and who started the processes, if that was before they could begin."""
    _check_replication(options, watcher)
    ports = _make_ports(options, stack)
    if ports and not ports.sessions:
        watcher.note(UNAUTHENTICATED)
    shared = _make_shared(options)
    stack.callback(shared.unlink)

    directory = claim_journal(options, stack)
    started = time.monotonic()
    limit = options.orders if options.orders is not None else NO_LIMIT
    if options.source:
        watcher.phase("reading the source")
        limit = _preload(shared, options, options.source, limit)
    flow_s = time.monotonic() - started

    _fill_control(shared, options, limit if limit != NO_LIMIT else 0)
    work = _make_work(options, shared, directory, limit)
    work.ports = ports
    if ports and options.operator is not None:
        options.operator.ports = ports
    elif ports:
        ports.let_in()
    supervisor = None
    shm_feed = _make_shm_feed(options, stack)
    if options.warm_run is not None:
        work.sessions = _make_sessions(options, shared, directory, watcher, stack, shm_feed)
        # From here on, not from the lead on: its own restart needs them as well.
        _follow_journal(options, work, stack)
        supervisor = options.warm_run.wait(work, state, watcher, options.stall, stack)
    started = time.monotonic()
    if directory is not None:
        _begin_journal(options, work, state, watcher, stack)
    if options.operator is not None:
        options.operator.begin(shared, state.resumed_engine)
        state.resumed_engine = None
    journal_s = time.monotonic() - started
    if options.warm_run is None:
        work.sessions = _make_sessions(options, shared, directory, watcher, stack, shm_feed)
        if options.doors:
            _open_sessions(options, work, watcher)
    if options.operator is not None:
        options.operator.kept = work.kept
        if work.sessions is not None:
            options.operator.sessions = work.sessions
    work.feed = _open_feed(options, shared, directory, watcher, stack, shm_feed)
    if options.warm_run is None:
        _follow_journal(options, work, stack)
    return work, {"flow_s": flow_s, "journal_s": journal_s}, supervisor


def _make_work(options: Options, shared: Shared, directory: Path | None, limit: int) -> Work:
    """Make the work of each group, before there is a journal."""
    return Work(
        shared=shared,
        core=options.core,
        rate=options.rate,
        limit=limit,
        durability=options.durability,
        journal=directory,
        writer=None,
        gateway=options.gateway,
        settings=options.gateway_settings,
        recording=options.recording,
        housekeeping_cores=options.housekeeping_cores,
        replication=options.replication,
        synced=policy_of(options).synced,
        deaths=Deaths(shared, options.deaths) if options.deaths else None,
    )


def _begin_journal(
    options: Options, work: Work, state: RunState, watcher: Watcher, stack: ExitStack
) -> None:
    """The journal, and everything put where it ends."""
    assert work.journal is not None
    watcher.phase("preparing the journal")
    writer, senders = make_journal(work.journal, options, work.limit, state, work.shared)
    work.writer, work.copies = writer, copies_of(work.journal)
    stack.callback(writer.abandon)
    if work.ports:
        work.ports.restore(senders.rows())
    if options.warm_run is not None:
        options.warm_run.begin(work, writer)


def _check_replication(options: Options, watcher: Watcher) -> None:
    """Check replication before anything is made: that replicas are asked for in one way only, and
    that the cluster answers and takes us."""
    replicated = options.durability == "replicated"
    if replicated != (options.replication is not None):
        raise PipelineError("--durability replicated and --nats need each other")
    if options.replication is None:
        return
    if options.topology == "inline":
        raise PipelineError("--durability replicated needs a separate process: not with inline")
    if options.journal is None:
        raise PipelineError("--durability replicated needs --journal DIR, which it replicates")
    from openoutcry.replica.access import access_of  # for a replicated run only
    from openoutcry.replica.jetstream import stream_name
    from openoutcry.replica.link import reach

    stream_name(options.replication.venue)
    if options.warm_run is None:  # a standby waits until it answers
        reach(access_of(options.replication.nats)).close()
    if options.wiring.shards > 1:
        watcher.note(
            f"none of the {options.wiring.shards} matchers has the whole state: standbys compare "
            "only the hash of the events"
        )
    watcher.note(
        f"replicated as {options.replication.venue}: an event is published once its command is "
        "stored "
        f"{policy_of(options).text}"
    )


def _follow_journal(options: Options, work: Work, stack: ExitStack) -> None:
    """Take checkpoints of the core, and of the sessions' state, during the run."""
    if work.journal is None or options.journal is None or options.topology != "processes":
        return
    if not options.checkpoint_every:
        return
    make = work.sessions.follower if work.sessions else Follower
    checkpointer = following(work.journal, options.checkpoint_every, make)
    stack.callback(checkpointer.close)
    work.kept.append(checkpointer)


def _make_shm_feed(options: Options, stack: ExitStack) -> Any:
    """The memory of the feed for readers on this host, where there is one: before the sessions,
    whose logins hand it out."""
    if options.feed is None or not options.feed.shm:
        return None
    from openoutcry.market_data.shm_feed import ShmFeedSegment  # for a venue only

    segment = ShmFeedSegment()
    stack.callback(segment.close)
    return segment


def _make_sessions(
    options: Options,
    shared: Shared,
    journal: Path | None,
    watcher: Watcher,
    stack: ExitStack,
    shm_feed: Any = None,
) -> Any:
    """The participants' sessions, where there are any."""
    if options.sessions is None:
        return None
    from openoutcry.order_entry.sessions import Sessions  # a second of imports, for a venue only
    from openoutcry.order_entry.sessions_state import compile_protocols

    compile_protocols(options.sessions, watcher.phase)
    sessions = Sessions(options.sessions, shared, options.table, journal, options.resume)
    sessions.shm_feed = shm_feed
    if options.answer is not None:
        sessions.answer_by(options.answer(shared))
    stack.callback(sessions.close)
    return sessions


def _open_sessions(options: Options, work: Work, watcher: Watcher) -> None:
    """Their doors; a venue opens the ports once its phases are set (:func:`_with_operator`)."""
    if work.sessions is None:
        return
    work.sessions.bind()
    if options.operator is None:
        work.sessions.listen(watcher.note)
    work.kept.append(work.sessions.open_doors())


def _open_feed(
    options: Options,
    shared: Shared,
    journal: Path | None,
    watcher: Watcher,
    stack: ExitStack,
    shm_feed: Any = None,
) -> Any:
    """The public market data, if it is asked for."""
    if options.feed is None:
        return None
    if journal is None:
        raise PipelineError(
            "market data comes from the journal, which --durability none does not write"
        )
    from openoutcry.market_data.feed_process import publish
    from openoutcry.market_data.public_feed import PublicFeed, compile_feed  # for a venue only

    compile_feed(lambda: watcher.phase("compiling the feed"))
    make, door = options.feed_door, None
    if make is not None:
        door = partial(make, shared)
    feed = PublicFeed(
        options.feed, shared, options.table, options.order_capacity, journal, shm_feed, door
    )
    stack.callback(feed.close)
    if feed.retransmission:
        watcher.note("retransmission on {}:{}".format(*feed.retransmission))
    watcher.note("feed on {}:{}".format(*options.feed.a))
    feed.start(publish)
    if options.operator is not None:
        options.operator.feed = feed
    return feed


def _make_ports(options: Options, stack: ExitStack) -> PortSource | None:
    """The packet shim's ports, if there are any, with their sessions and rates."""
    if not options.ports:
        return None
    ports = PortSource(
        options.ports,
        options.arbitrate,
        options.admission,
        options.packet_sessions,
        bound=options.warm_run is None,
        is_patient=options.operator is not None,
    )
    stack.callback(ports.close)
    return ports


def _make_shared(options: Options) -> Shared:
    table = options.wiring.for_durability(options.durability)
    policy = policy_of(options)
    if options.replication is not None:
        table = replicated(table, policy.waits_for, policy.which)
    sizes = geometry(options.topology, options.durability, table)
    if options.recording is not None:
        assert options.source is not None
        hint = options.source.count_hint
        assert hint is not None
        more = sum(source.count_hint or 0 for source in options.more_sources.values())
        sizes = replace(sizes, kept=min(hint, options.orders or hint) + more)
    return Shared(
        sizes,
        table,
        network=options.source is None,
        region_bytes=options.core.region_bytes,
        exchange_bytes=options.core.exchange_bytes(table.shards),
        clock=options.clock,
    )


def _preload(shared: Shared, options: Options, source: Source, limit: int) -> int:
    """Preload the sources' commands; returns how many.  ``limit`` is the first one's."""
    first = shared.table[shared.table.sources[0]].writes
    now_ns = time.time_ns()
    chunks = bounded_times(source.chunks(), source.name, now_ns)
    count = shared.preload(chunks, limit, source.count_hint, first)
    for lane, more in options.more_sources.items():
        chunks = bounded_times(more.chunks(), more.name, now_ns)
        count += shared.preload(chunks, NO_LIMIT, more.count_hint, lane)
    return count


def _fill_control(shared: Shared, options: Options, expected: int) -> None:
    control = shared.control
    control.block.build = this_build().number
    control.block.config = options.config_number
    control.block.seed = options.seed
    control.block.rate = options.rate
    control.block.durability = control_words.DURABILITIES.index(options.durability)
    control.block.expected = expected
    control.block.epoch_offset = options.clock.epoch_offset_ns()
    control.block.started_ns = options.clock.monotonic_ns()
    for which in range(2):
        control.reply_state(which).event_hash = START


def inline_stages(work: Work, state: RunState) -> tuple[worker.CompiledStages, list[Any]]:
    """All stages in this process, which may begin: those that are compiled, and those of Python."""
    inline_group = Group("inline", work.table.names, None)
    worker.announce(work.shared, inline_group)
    state.groups.append({"process": "inline", "stages": list(inline_group.stages), "core": None})
    group = worker.CompiledStages(work, inline_group.stages)
    worker.mark_ready(work.shared, inline_group.stages)
    work.shared.control.block.go = 1
    return group, [worker.make_stage(work, row) for row in work.table.stages if not row.compiled]


def _run_inline(work: Work, state: RunState, watcher: Watcher) -> None:
    """Run every stage in turn in this thread.  Uncompiled stages (the journal) run when the others
    can do no more or, if no stage waits for them, in a parallel thread."""
    work.shared.populate()
    group, apart = inline_stages(work, state)
    journal_thread = JournalThread(apart) if work.durability == "async" else None
    in_turn = apart if journal_thread is None else []
    next_sample = 0.0
    with journal_thread or nullcontext():
        while True:
            # With no stage in turn an idle loop stays in its kernel: a turn of Python's takes 0.8
            # us.
            ended = group.run(worker.SLICE_NS, bool(in_turn))
            group.check()
            for stage in in_turn:
                stage.step()
            if journal_thread is not None:
                journal_thread.check()
            if ended == loop.FINISHED:
                if all(stage.finished for stage in apart):
                    break
                if journal_thread is not None:
                    journal_thread.wait(LAST_S)
            now = time.monotonic()
            if now >= next_sample:
                next_sample = now + SAMPLE_S
                work.shared.check()
                watcher.sample(take_sample(work, state, watcher.note))
    work.shared.check()
    watcher.sample(take_sample(work, state, watcher.note))
    state.outcome = group.outcome()
