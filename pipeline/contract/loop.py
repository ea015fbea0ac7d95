"""The loop: runs the stages of one process in turn, each by the address of its step.

A process's plan is a row of three words a stage: its step, its context, its index in the table.
The steps are compiled by themselves (docs/decisions/011).
"""

from openoutcry.pipeline.contract import control
from openoutcry.pipeline.contract.words import StageContext
from openoutcry.wire.indirect import call_step
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, monotonic_ns, pause, store_i64, yield_cpu
from openoutcry.wire.sleep import sleep_us

IDLE, TIME_UP, FINISHED = 0, 1, 2

# Words of a nap, as byte offsets: for how long (0: never), when there was work last, until when the
# core is taken to be crowded, and how long a loop has no work before it naps each time round.
NAP_US, NAP_BUSY_NS, NAP_CROWDED_NS, NAP_QUIET_NS, NAP_WORDS = 0, 8, 16, 24, 4
LOOK_ROUNDS = 128
AWAY_NS, CROWDED_NS = 1_000_000, 100_000_000
"""A loop that has nothing to do and is away from its core for so long shares it with others who are
busy: for the latter time it naps, CROWDED_NAP_US after CROWDED_SPINS pauses.  Whoever spins there
has used up his share when work comes, and waits for the slices of all others; whoever sleeps is
woken before them (measured: docs/decisions/010)."""
CROWDED_NAP_US, CROWDED_SPINS = 20, 1_000
"""Pauses that are longer than a nap: of two loops that work in turns one is awake."""

# A plan's rows, as byte offsets.
PLAN_STEP, PLAN_CONTEXT, PLAN_STAGE, PLAN_BYTES = 0, 8, 16, 24

# Words of a probe, as byte offsets; rows of three words follow: stage, began ns, ended ns.
PROBE_THRESHOLD, PROBE_CAPACITY, PROBE_COUNT = 0, 8, 16
PROBE_STALL_STAGE, PROBE_STALL_EVERY, PROBE_STALL_NS, PROBE_STALL_NEXT = 24, 32, 40, 48
PROBE_ROWS = 64
IDLE_STEP = -1
NO_STALL = -2


@kernel
def heartbeat(plan: int, count: int, now: int) -> int:
    """Stamp the heartbeat of every stage of the plan; 1 if all of them have finished."""
    finished = 1
    for row in range(count):
        block = StageContext(load_i64(plan + row * PLAN_BYTES + PLAN_CONTEXT)).block
        store_i64(block + control.STAGE_HEARTBEAT_NS, now)
        if load_i64(block + control.STAGE_DONE) == 0:
            finished = 0
    return finished


@kernel
def probe_step(probe: int, stage: int, before: int) -> int:
    """Note a step of ``stage`` (IDLE_STEP: the loop's own wait) that began at ``before`` if it took
    longer than the threshold; returns the time.  A stall asked for is spent here, in the step."""
    now = monotonic_ns()
    if stage == load_i64(probe + PROBE_STALL_STAGE) and now >= load_i64(probe + PROBE_STALL_NEXT):
        until = now + load_i64(probe + PROBE_STALL_NS)
        store_i64(probe + PROBE_STALL_NEXT, now + load_i64(probe + PROBE_STALL_EVERY))
        while now < until:
            now = monotonic_ns()
    if now - before > load_i64(probe + PROBE_THRESHOLD):
        count = load_i64(probe + PROBE_COUNT)
        if count < load_i64(probe + PROBE_CAPACITY):
            at = probe + PROBE_ROWS + 24 * count
            store_i64(at, stage)
            store_i64(at + 8, before)
            store_i64(at + 16, now)
        store_i64(probe + PROBE_COUNT, count + 1)
    return now


@kernel
def is_quiet(nap: int, now: int) -> int:
    """1 if the loop may nap: it has had work, and none for a while."""
    busy = load_i64(nap + NAP_BUSY_NS)
    return (
        1
        if load_i64(nap + NAP_US) > 0 and busy > 0 and now - busy > load_i64(nap + NAP_QUIET_NS)
        else 0
    )


@kernel
def run_stages(
    plan: int, count: int, probe: int, slice_ns: int, spins: int, leave_idle: int, nap: int
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
    crowded = load_i64(nap + NAP_CROWDED_NS) > step
    rounds, looked = 0, step
    while True:
        work = 0
        if probe != 0:
            step = probe_step(probe, IDLE_STEP, step)
        for row in range(plan, plan + count * PLAN_BYTES, PLAN_BYTES):
            work += call_step(load_i64(row + PLAN_STEP), load_i64(row + PLAN_CONTEXT))
            if probe != 0:
                step = probe_step(probe, load_i64(row + PLAN_STAGE), step)
        rounds += 1
        if work > 0:
            idle = 0
        elif leave_idle == 1:
            return FINISHED if heartbeat(plan, count, monotonic_ns()) == 1 else IDLE
        else:
            idle += 1
            if idle < (min(spins, CROWDED_SPINS) if crowded else spins):
                pause()
            elif naps == 1:
                sleep_us(load_i64(nap + NAP_US))
            elif crowded:
                sleep_us(CROWDED_NAP_US)
            else:
                yield_cpu()
        if naps == 1 or rounds & (LOOK_ROUNDS - 1) == 0:
            now = monotonic_ns()
            if idle < min(spins, LOOK_ROUNDS):
                store_i64(nap + NAP_BUSY_NS, now)
            naps = is_quiet(nap, now) if idle >= spins else 0
            if crowded:
                crowded = now < load_i64(nap + NAP_CROWDED_NS)
            elif idle >= LOOK_ROUNDS and naps == 0 and load_i64(nap + NAP_US) > 0:
                crowded = now - looked > AWAY_NS
                if crowded:
                    store_i64(nap + NAP_CROWDED_NS, now + CROWDED_NS)
            looked = now
            if heartbeat(plan, count, now) == 1:
                return FINISHED
            if now > until:
                return TIME_UP
