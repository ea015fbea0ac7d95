"""Rows that a test adds to the table, and the kernels of its stages: a second lane with its source,
a stage that copies every command to a ring of its own, and one that reads that ring."""

import mmap
import sys
from types import ModuleType

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options
from openoutcry.pipeline.stages import receive
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.ring.kernels import publish, slot_address
from openoutcry.runtime import words
from openoutcry.runtime.table import Reader, Ring, Stage
from openoutcry.runtime.words import StageContext
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words, i64
from openoutcry.wire.record_blocks import OrderRecord

COMMANDS = 12_000
SECOND_LANE = 10**12
"""Added to the order ids of the second lane's commands, so that records tell their lane."""

COPIER = ModuleType("copier")
"""It has nothing but its step."""
RINGS = (
    Ring("lane2", "order", inline=256, memory=256, durable=256, lane=2),
    Ring("copied", "order", inline=1024, memory=1024, durable=1024),
)
STAGES = (
    Stage("receive2", ("source",), "lane2", receive, "intended", "received"),
    Stage("copier", ("sequenced",), "copied", COPIER),
    Stage("tally", ("copied",), "", sys.modules[__name__]),
)
READERS = (Reader("audit", 2048), Reader("slow", 512), Reader("stuck", 256))
TABLE = TOPOLOGY.extended(rings=RINGS, stages=STAGES, released=READERS)

# Anonymous and shared: what forked stages write here, this process sees.
digests = np.frombuffer(mmap.mmap(-1, 8 * (2 * COMMANDS + 1)), np.int64)


class TallyContext(StageContext):
    """The tally's context."""

    digests: Words = i64("address of a word a command", of=Words)


@kernel
def copy_step(context: StageContext) -> int:
    """One record out for each one in."""
    next_seq = context.next
    count = words.available(context, words.BURST)
    if count == 0:
        return words.idle(context)
    count = words.free_slots(context, next_seq, count)
    if count <= 0:
        return 0
    out, mask = context.out_ring, context.out_mask
    for seq in range(next_seq, next_seq + count):
        publish(out, mask, seq, slot_address(context.in_ring, context.in_mask, seq))
    out.published = next_seq + count - 1
    return words.advance(context, count)


COPIER.step = copy_step


@kernel
def step(context: TallyContext) -> int:
    """Note the order id of each record by its place on the ring."""
    next_seq = context.next
    count = words.available(context, words.BURST)
    if count == 0:
        return words.idle(context)
    for seq in range(next_seq, next_seq + count):
        order = OrderRecord(slot_address(context.in_ring, context.in_mask, seq))
        context.digests[seq] = order.order_id
    return words.advance(context, count)


def prepare(group, name):
    group.contexts.set(name, TallyContext.words(digests=digests.ctypes.data))


class Marked(GeneratedFlow):
    """A generated flow whose order ids are moved."""

    def chunks(self):
        for chunk in super().chunks():
            chunk["order_id"] += SECOND_LANE
            yield chunk


def sources():
    return GeneratedFlow("normal", COMMANDS, 1), Marked("normal", COMMANDS, 2)


def options(**more):
    first, second = sources()
    return Options(
        source=first,
        more_sources={"lane2": second},
        wiring=TABLE,
        housekeeping_cores=0,
        order_capacity=1 << 15,
        **more,
    )


def check_lanes(commands):
    """Every lane's commands are there once and in its order, whatever the merge."""
    of_second = commands["order_id"] >= SECOND_LANE
    for source, lane in zip(sources(), (commands[~of_second], commands[of_second]), strict=True):
        sent = np.concatenate(list(source.chunks()))
        assert len(lane) == len(sent)
        for name in ("order_id", "price_ticks", "qty_lots", "symbol", "kind", "aux"):
            assert np.array_equal(lane[name], sent[name]), name
