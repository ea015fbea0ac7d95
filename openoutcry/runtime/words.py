"""A stage's context, and what the steps of all stages have in common.

A context is a block of int64 words (addresses, the next sequence, cached limits) private to the
stage's process.  Everything that must outlive the process is in shared memory (``control.py``, the
rings, the stamps).  The first words are the same for every stage and derived from its row of the
table (``shared.Contexts``).  A class of ``StageContext`` adds what only one stage needs.

A step does a bounded burst of work and returns how much it did.
"""

from openoutcry.ring.kernels import gate, published_count
from openoutcry.ring.layout import RingHeader
from openoutcry.runtime.control import ControlSegment, StageBlock
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, SharedWord, Words, i64
from openoutcry.wire.memory import load_i64, monotonic_ns

# Bursts are short so that a neighbour in the same process is never kept waiting for long, and long
# enough to share one clock reading (19 ns).
BURST = 64
MAX_VALUE = 2**63 - 1

CONTEXT_BYTES = 1024


class StageContext(Layout, size_bytes=1024):
    """Arguments of every stage's step."""

    control: ControlSegment = i64("address of the control segment", of=ControlSegment)
    block: StageBlock = i64("address of this stage's block in it", of=StageBlock)
    in_ring: RingHeader = i64("address of the ring that it reads", of=RingHeader)
    in_mask: int = i64("its slots, less one")
    in_cursor: SharedWord = i64("address of this stage's cursor on it", of=SharedWord)
    in_end: SharedWord = i64(
        "address of the word that holds 1 + last sequence of the input once it has ended",
        of=SharedWord,
    )
    barrier: SharedWord = i64(
        "address of the cursor on the same ring that gates this stage, 0: none", of=SharedWord
    )
    out_ring: RingHeader = i64("address of the ring that it writes", of=RingHeader)
    out_mask: int = i64("its slots, less one")
    out_limit: int = i64("last sequence that may be claimed on it, as last looked up")
    next: int = i64("next sequence to take (a source: to write)")
    stamp_mask: int = i64("stamps that there are, less one")
    since: Words = i64(
        "address of the stamps, by command, where this stage's interval begins", of=Words
    )
    until: Words = i64("and where it ends; 0: nothing measures from there", of=Words)
    histogram: int = i64("address of this interval's histogram")
    confirmed: int = i64("address of the confirmers' sequences (ring/policy.py)")
    confirmers: int = i64("how many there are")
    needed: int = i64("how many of them must have a command")
    clock: int = i64("address of the word that says the time, 0: the system's clock does")


BLOCK = StageContext.offset("block")
HISTOGRAM = StageContext.offset("histogram")


@kernel
def now_ns(context: StageContext) -> int:
    """Return the time of the clock that the run follows (runtime/stage_clock.py)."""
    clock = context.clock
    return monotonic_ns() if clock == 0 else load_i64(clock)


@kernel
def available(context: StageContext, most: int) -> int:
    """Return how many records from NEXT on this stage may take, at most ``most``."""
    next_seq = context.next
    barrier = context.barrier
    if barrier != 0:
        return max(0, min(barrier.value - next_seq + 1, most))
    return published_count(context.in_ring, context.in_mask, next_seq, most)


@kernel
def advance(context: StageContext, count: int) -> int:
    """Advance past ``count`` records and give their slots back; returns ``count``."""
    next_seq = context.next + count
    context.next = next_seq
    context.in_cursor.value = next_seq - 1
    return count


@kernel
def free_slots(context: StageContext, first: int, wanted: int) -> int:
    """Return how many of ``wanted`` sequences from ``first`` may be written on the stage's out
    ring.

    The gating cursors belong to other cores: they are read again only when the last reading does
    not suffice.
    """
    limit = context.out_limit
    if first + wanted - 1 > limit:
        ring = context.out_ring
        limit = gate(ring) + context.out_mask + 1
        context.out_limit = limit
    return min(wanted, limit - first + 1)


@kernel
def input_ended(context: StageContext) -> bool:
    """Everything that will ever come has been taken."""
    return context.in_end.value == context.next


@kernel
def finish(context: StageContext, last_seq: int) -> None:
    """Say once that this stage has done all there will be, up to ``last_seq`` of the ring it
    writes (of the one it reads, if it writes none)."""
    context.block.done = last_seq + 1


@kernel
def idle(context: StageContext) -> int:
    """Finish if nothing can be taken and nothing will come. For a stage that counts as its input
    does."""
    if input_ended(context):
        finish(context, context.next - 1)
    return 0
