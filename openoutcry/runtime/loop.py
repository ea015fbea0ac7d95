"""The loop: runs the stages of one process in turn, each by the address of its step.

A process's plan is a row of three words a stage: its step, its context, its index in the table.
The steps are compiled by themselves (docs/decisions/011).
"""

from openoutcry.runtime.words import StageContext
from openoutcry.wire.indirect import call_step
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, SharedWord, Words, i64
from openoutcry.wire.memory import (
    fetch_add,
    full_fence,
    futex_wait,
    futex_wake,
    monotonic_ns,
    pause,
    yield_cpu,
)
from openoutcry.wire.sockets import epoll_wait
from openoutcry.wire.system_calls import sleep_us

IDLE, TIME_UP, FINISHED = 0, 1, 2


class Nap(Layout):
    """How a loop without work gives its core away."""

    us: int = i64("for how long it sleeps at least, 0: never")
    busy_ns: int = i64("when there was work last that was not alone")
    crowded_ns: int = i64("until when the core is taken to be crowded")
    quiet_ns: int = i64("how long a loop has no work before it naps each time round")
    work_ns: int = i64("when there was work last")
    since_ns: int = i64("when there was work first after as long without any")
    wake: int = i64("address of the word that other processes sleep on, 0: none do")
    woke_ns: int = i64("when they were woken last")
    epoll: int = i64("descriptor that ends a long sleep when it is readable, 0: none")
    unwatched: Words = i64(
        "address of two words, not 0: work may come that it does not show; events wait for a disk",
        of=Words,
    )
    asleep: SharedWord = i64(
        "address of the word that tells the journal to wake the loop by a socket, 0: it does not",
        of=SharedWord,
    )
    in_vain: int = i64("1: it ended a sleep, and there was no work")
    event: int = i64("room for what it says, two words")
    event_data: int = i64("the second one")


NAP_US = Nap.offset("us")
NAP_BUSY_NS = Nap.offset("busy_ns")
NAP_QUIET_NS = Nap.offset("quiet_ns")
NAP_WAKE = Nap.offset("wake")
NAP_WOKE_NS = Nap.offset("woke_ns")
NAP_EPOLL, NAP_UNWATCHED = Nap.offset("epoll"), Nap.offset("unwatched")
NAP_ASLEEP = Nap.offset("asleep")
NAP_EVENT = Nap.offset("event")
NAP_WORDS = Nap.size_bytes // 8
QUIET_SHARE, MAX_NAP_US = 256, 4_000
"""A loop sleeps for this share of the time for which it has had no work, up to 4 ms after a second
of it.  What comes then waits so long at most for each process."""
ALONE_NS, SOON_NS = 20_000_000, 2_000_000
"""What comes within ALONE_NS after a quiet time is alone: a tick of the clock, or what the disk
says of it.  The loop spins for SOON_NS after that, naps no longer than LONE_NAP_US until ALONE_NS
have passed, and then as before: one command a second does not keep it awake."""
LONE_NAP_US = 500
WAKE_NS = 4_000_000
"""Others are woken when work comes, and while it does, once in this time: a loop that spins between
two commands would not know that they sleep."""
FUTEX_MASK = 0xFFFFFFFF
WOKEN_NS = WAKE_NS + 1_000_000
"""For so long after work a process that is woken naps no longer than LONE_NAP_US; then work would
wake it."""
LONG_SLEEP_US = 80_000
"""A process that is woken sleeps so long at most, after a time as long as MAX_NAP_US needs."""
LOOK_ROUNDS = 128
AWAY_NS, CROWDED_NS = 1_000_000, 100_000_000
"""An idle loop that was off its core for AWAY_NS shares the core with busy processes.  For
CROWDED_NS it then naps for CROWDED_NAP_US after CROWDED_SPINS pauses.  A loop that spins there has
used up its share when work comes, and waits for the slices of all others; a sleeping loop is woken
before them (measured: docs/decisions/010)."""
CROWDED_NAP_US, CROWDED_SPINS = 20, 1_000
"""Pauses that are longer than a nap: of two loops that work in turns one is awake."""
CROWDED_SLEEP_MS, WOKEN_SPINS, WOKEN_CROWDED_NS = 1, 8, 400_000_000
"""A loop that sockets and the journal wake sleeps after fewer pauses, until they do, or so long.
It loses less by that, so its core is taken to be crowded for longer.  Work that they do not show
would wait for the end of a nap, so a loop that such work may reach does as one without sockets."""


class PlanRow(Layout):
    """A stage of a process's plan."""

    step: int = i64("address of its step")
    context: StageContext = i64("address of its context", of=StageContext)
    stage: int = i64("its index in the table")


class Probe(Layout, size_bytes=64):
    """Where long steps are noted; a :class:`ProbeRow` each follows."""

    threshold: int = i64("a step that takes longer is noted, ns")
    capacity: int = i64("rows that fit")
    count: int = i64("steps that were noted")
    stall_stage: int = i64("stage that stalls on purpose, NO_STALL: none does")
    stall_every: int = i64("how often, ns")
    stall_ns: int = i64("for how long")
    stall_next: int = i64("when next, CLOCK_MONOTONIC")


class ProbeRow(Layout):
    """A step that took long."""

    stage: int = i64("whose it was, IDLE_STEP: the loop waited")
    began_ns: int = i64("when it began, CLOCK_MONOTONIC")
    ended_ns: int = i64("and when it ended")


PLAN_BYTES = PlanRow.size_bytes
PROBE_THRESHOLD = Probe.offset("threshold")
PROBE_CAPACITY = Probe.offset("capacity")
PROBE_COUNT = Probe.offset("count")
PROBE_STALL_STAGE = Probe.offset("stall_stage")
PROBE_STALL_EVERY = Probe.offset("stall_every")
PROBE_STALL_NS = Probe.offset("stall_ns")
PROBE_ROWS = Probe.size_bytes
PROBE_ROW_BYTES = ProbeRow.size_bytes
IDLE_STEP = -1
NO_STALL = -2


@kernel
def heartbeat(plan: int, count: int, now: int) -> int:
    """Stamp the heartbeat of every stage of the plan; 1 if all of them have finished."""
    finished = 1
    for row in range(count):
        block = StageContext(PlanRow(plan + row * PLAN_BYTES).context).block
        block.heartbeat_ns = now
        if block.own_done == 0:
            finished = 0
    return finished


@kernel
def probe_step(probe: Probe, stage: int, before: int) -> int:
    """Note a step of ``stage`` (IDLE_STEP: the loop's own wait) that began at ``before`` if it took
    longer than the threshold; returns the time.  A stall asked for is spent here, in the step."""
    now = monotonic_ns()
    if stage == probe.stall_stage and now >= probe.stall_next:
        until = now + probe.stall_ns
        probe.stall_next = now + probe.stall_every
        while now < until:
            now = monotonic_ns()
    if now - before > probe.threshold:
        count = probe.count
        if count < probe.capacity:
            row = ProbeRow(probe + PROBE_ROWS + PROBE_ROW_BYTES * count)
            row.stage, row.began_ns, row.ended_ns = stage, before, now
        probe.count = count + 1
    return now


@kernel
def note_work(nap: Nap, now: int) -> None:
    """There was work just now."""
    if now - nap.work_ns > nap.quiet_ns:
        nap.since_ns = now
    nap.work_ns = now
    if now - nap.since_ns > ALONE_NS:
        nap.busy_ns = now


@kernel
def wake_sleepers(wake: int) -> None:
    """Wake the processes that sleep on the word."""
    fetch_add(wake, 1)
    futex_wake(wake)


@kernel
def wake_others(nap: Nap, now: int) -> None:
    """Work has come: wake the processes that sleep until then."""
    if nap.wake != 0 and now - nap.woke_ns > WAKE_NS:
        nap.woke_ns = now
        wake_sleepers(nap.wake)


@kernel
def sleep_on(wake: int, seen: int, us: int) -> int:
    """Sleep while the word is ``seen``, so long at most; 1 if it was not any more."""
    futex_wait(wake, seen & FUTEX_MASK, us * 1_000)
    return 1 if SharedWord(wake).value != seen else 0


@kernel
def sleep_until_woken(nap: Nap, seen: int, now: int) -> None:
    """Sleep as long as a loop naps, or twenty times as long if the word ``nap.wake`` is waited for;
    ``seen``: its value before the last look for work.  What is woken has work soon."""
    us = nap_us(nap, now, ALONE_NS if nap.wake == 0 else WOKEN_NS)
    if nap.wake == 0 or us <= LONE_NAP_US:
        sleep_us(us)
    elif sleep_on(nap.wake, seen, us * LONG_SLEEP_US // MAX_NAP_US) != 0:
        note_work(nap, monotonic_ns())


@kernel
def is_quiet(nap: Nap, now: int) -> int:
    """1 if the loop may nap: it has had work, and none for a while."""
    busy = nap.busy_ns
    if nap.us == 0 or busy == 0 or now - nap.work_ns <= SOON_NS:
        return 0
    return 1 if now - busy > nap.quiet_ns else 0


@kernel
def nap_us(nap: Nap, now: int, lone_ns: int) -> int:
    """Return how long a loop sleeps that has had no work for long: a share of that time, but in the
    ``lone_ns`` after work no longer than LONE_NAP_US."""
    quiet_us = (now - nap.busy_ns) // 1_000
    most_us = LONE_NAP_US if now - nap.work_ns < lone_ns else MAX_NAP_US
    return max(nap.us, min(quiet_us // QUIET_SHARE, most_us))


@kernel
def doze(nap: Nap, now: int) -> None:
    """Sleep as long as a loop naps.  If work can come by sockets alone, sleep until one of them has
    something, as long as a process that is woken."""
    us = nap_us(nap, now, ALONE_NS)
    if us < MAX_NAP_US or not is_woken(nap):
        nap.in_vain = 0
        sleep_us(us)
    else:
        sleep_until_asked(nap, LONG_SLEEP_US // 1_000)


@kernel
def is_shown(nap: Nap) -> bool:
    """Return whether sockets and the journal show all the work that may come."""
    return nap.epoll != 0 and nap.unwatched[0] == 0


@kernel
def is_woken(nap: Nap) -> bool:
    """Return whether a socket ends the loop's sleep as soon as there is work, or the journal by
    one."""
    if not is_shown(nap) or nap.in_vain != 0:
        return False
    return nap.asleep != 0 or nap.unwatched[1] == 0


@kernel
def sleep_until_asked(nap: Nap, most_ms: int) -> None:
    """Sleep until a socket has something, so long at most.  The first call does not sleep: the
    journal may have had something to say before it knew that it must."""
    if nap.asleep != 0 and nap.asleep.value == 0:
        nap.asleep.value = 1
        full_fence()
        return
    nap.in_vain = 1 if epoll_wait(nap.epoll, nap + NAP_EVENT, 1, most_ms) > 0 else 0
    disarm(nap)


@kernel
def disarm(nap: Nap) -> None:
    """The loop is awake."""
    if nap.asleep != 0 and nap.asleep.value != 0:
        nap.asleep.value = 0


@kernel
def let_others(nap: Nap) -> int:
    """Give a crowded core away; 1 if a socket has something, which takes some rounds to find."""
    if not is_woken(nap):
        nap.in_vain = 0
        sleep_us(CROWDED_NAP_US)
        return 0
    sleep_until_asked(nap, CROWDED_SLEEP_MS)
    return nap.in_vain


@kernel
def run_stages(
    plan: int, count: int, probe: Probe, slice_ns: int, spins: int, leave_idle: int, nap: Nap
) -> int:
    """Run the plan's stages in turn until ``slice_ns`` have passed or all have finished.

    ``probe``: where long steps are noted, 0 for nowhere.  With ``leave_idle`` it returns as soon as
    no stage could do anything (inline: the journal must then make room).  Otherwise an idle loop
    pauses ``spins`` times, then gives the core away each time round; in quiet times, and where
    others want the core, it sleeps, as ``nap`` says.
    """
    step = monotonic_ns()
    until = step + slice_ns
    naps = is_quiet(nap, step)
    idle = spins if naps == 1 else 0
    crowded = nap.crowded_ns > step
    shown = is_shown(nap)
    crowded_spins = min(spins, WOKEN_SPINS if shown else CROWDED_SPINS)
    rounds, looked, now, worked = 0, step, step, 0
    while True:
        work = 0
        if probe != 0:
            step = probe_step(probe, IDLE_STEP, step)
        for row in range(plan, plan + count * PLAN_BYTES, PLAN_BYTES):
            work += call_step(PlanRow(row).step, PlanRow(row).context)
            if probe != 0:
                step = probe_step(probe, PlanRow(row).stage, step)
        rounds += 1
        if work > 0:
            idle, worked = 0, 1
            nap.in_vain = 0
            disarm(nap)
        elif leave_idle == 1:
            return FINISHED if heartbeat(plan, count, monotonic_ns()) == 1 else IDLE
        else:
            idle += 1
            if idle < (crowded_spins if crowded else spins):
                pause()
            elif naps == 1:
                doze(nap, now)
            elif crowded:
                if let_others(nap) != 0:
                    idle = 0
            else:
                yield_cpu()
        if naps == 1 or (crowded and idle >= crowded_spins) or rounds & (LOOK_ROUNDS - 1) == 0:
            now = monotonic_ns()
            if worked != 0:
                note_work(nap, now)
                wake_others(nap, now)
                worked = 0
            naps = is_quiet(nap, now) if idle >= spins else 0
            if crowded:
                crowded = now < nap.crowded_ns
            elif idle >= LOOK_ROUNDS and naps == 0 and nap.us > 0:
                crowded = now - looked > AWAY_NS
                if crowded:
                    nap.crowded_ns = now + (WOKEN_CROWDED_NS if shown else CROWDED_NS)
            looked = now
            if heartbeat(plan, count, now) == 1:
                return FINISHED
            if now > until:
                return TIME_UP
