"""A stage's context, and what the steps of all stages have in common.

A context is a block of int64 words (addresses, the next sequence, cached limits) private to the
stage's process; everything that must outlive the process is in shared memory (``control.py``,
the rings, the stamps).  The first words are the same for every stage and derived from its row of
the table (``shared.Contexts``); from OWN on a stage keeps what only it needs.

A step does a bounded burst of work and returns how much it did.
"""

from openoutcry.pipeline.contract import control as ct
from openoutcry.ring.kernels import gate, published_count
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_acquire, load_i64, monotonic_ns, store_i64, store_release

# Bursts are short so that a neighbour in the same process is never kept waiting for long, and long
# enough to share one clock reading (19 ns).
BURST = 64
MAX_VALUE = 2**63 - 1

CONTEXT_BYTES = 1024
(
    CONTROL,
    BLOCK,  # this stage's block in the control segment
    IN_RING,
    IN_MASK,
    IN_CURSOR,  # address of this stage's cursor on the ring it reads
    IN_END,  # address of the word that holds 1 + last sequence of the input once it has ended
    BARRIER,  # address of the cursor on the same ring that gates this stage, 0 for none
    OUT_RING,
    OUT_MASK,
    OUT_LIMIT,  # last sequence that may be claimed on the ring it writes, as last looked up
    NEXT,  # next sequence to take (a source: to write)
    STAMP_MASK,
    SINCE,  # stamps by command sequence where this stage's interval begins
    UNTIL,  # and where it ends; 0 where nothing measures from there
    HISTOGRAM,  # of this stage's interval
    CONFIRMED,  # addresses of the confirmers' sequences (ring/policy.py)
    CONFIRMERS,  # how many there are
    NEEDED,  # how many of them must have a command
    CLOCK,  # address of the word that says the time, 0: the system's clock does
    OWN,  # the stage's own words begin here
) = range(0, 8 * 20, 8)


def own_words(count: int) -> range:
    """Byte offsets of ``count`` words of a stage's own."""
    assert OWN + 8 * count <= CONTEXT_BYTES
    return range(OWN, OWN + 8 * count, 8)


@kernel
def now_ns(context: int) -> int:
    """What time it is, of the clock that the run goes by (pipeline/contract/stage_clock.py)."""
    clock = load_i64(context + CLOCK)
    return monotonic_ns() if clock == 0 else load_i64(clock)


@kernel
def ready(context: int, most: int) -> int:
    """How many records from NEXT on this stage may take, at most ``most``."""
    next_seq = load_i64(context + NEXT)
    barrier = load_i64(context + BARRIER)
    if barrier != 0:
        return max(0, min(load_acquire(barrier) - next_seq + 1, most))
    return published_count(load_i64(context + IN_RING), load_i64(context + IN_MASK), next_seq, most)


@kernel
def took(context: int, count: int) -> int:
    """Advance past ``count`` records and give their slots back; returns ``count``."""
    next_seq = load_i64(context + NEXT) + count
    store_i64(context + NEXT, next_seq)
    store_release(load_i64(context + IN_CURSOR), next_seq - 1)
    return count


@kernel
def room(context: int, first: int, wanted: int) -> int:
    """How many of ``wanted`` sequences from ``first`` may be written on the stage's out ring.

    The gating cursors belong to other cores: they are read again only when the last reading does
    not suffice.
    """
    limit = load_i64(context + OUT_LIMIT)
    if first + wanted - 1 > limit:
        ring = load_i64(context + OUT_RING)
        limit = gate(ring) + load_i64(context + OUT_MASK) + 1
        store_i64(context + OUT_LIMIT, limit)
    return min(wanted, limit - first + 1)


@kernel
def input_ended(context: int) -> bool:
    """Everything that will ever come has been taken."""
    return load_acquire(load_i64(context + IN_END)) == load_i64(context + NEXT)


@kernel
def finish(context: int, last_seq: int) -> None:
    """Say once that this stage has done all there will be, up to ``last_seq`` of the ring it
    writes (of the one it reads, if it writes none)."""
    store_release(load_i64(context + BLOCK) + ct.STAGE_DONE, last_seq + 1)


@kernel
def idle(context: int) -> int:
    """Nothing to take: finish if nothing will come.  For a stage that counts as its input does."""
    if input_ended(context):
        finish(context, load_i64(context + NEXT) - 1)
    return 0
