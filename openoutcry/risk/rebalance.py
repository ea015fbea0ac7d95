"""Rebalance points of cores that share the partitions of one risk state (``partitions.py``).

Before a rebalance point each core writes, to memory that all cores see, what its partitions have of
the participants and groups concerned.  It reports that it has come this far, and waits for all
others.  Then it takes over what the others wrote, and every core allocates the same parts.

    exchange    a line for each core: the number of its last rebalance point
                two places, for rebalance points of even and odd numbers: by partition, rows of
                participants and of groups

A core that died restarts after its last command whose events are out.  That is after every
rebalance point but the one it may have been at, since no core is further than one rebalance point
ahead of another.  So what it needs is still in that memory, and what it writes there again is the
same.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.layout import RiskState
from openoutcry.risk.partitions import end_of, first_of, header_of, is_rebalance_point
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import load_acquire, load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import OrderRecord

CORE_BYTES = 128
"""Size of a core's line: two cache lines, because the processor fetches them in pairs."""
REGION, EXCHANGE, CORE, CORES, WORDS = range(5)
"""Arguments of :func:`wait_for_rebalance`: addresses of the state and of the exchange, this core's
number and how many there are; int64 each."""


def exchange_bytes(partitions: int, participants: int, groups: int, cores: int) -> int:
    """Return the bytes of the block through which several cores exchange their rows."""
    rows = participants * lay.PARTICIPANT_BYTES + groups * lay.GROUP_BYTES
    return cores * CORE_BYTES + 2 * partitions * rows


@kernel
def wait_for_rebalance(args: int, order: OrderRecord) -> int:
    """0: all cores have come to this command, and what each partition has is known here; or 1: ask
    again.  Whatever this core did before must be where it survives this core.  ``args``: address of
    WORDS words, as above."""
    region, exchange = RiskState(Words(args)[REGION]), Words(args)[EXCHANGE]
    number, cores = region.rebalances + 1, Words(args)[CORES]
    mine = exchange + Words(args)[CORE] * CORE_BYTES
    if VERIFY:
        assert is_rebalance_point(region, order) == 1, "not every command is a rebalance point"
    if load_i64(mine) < number:
        exchange_rows(args, order, number, True)
        SharedWord(mine).value = number
    for core in range(cores):
        if load_acquire(exchange + core * CORE_BYTES) < number:
            return 1
    exchange_rows(args, order, number, False)
    return 0


@kernel_outlined
def exchange_rows(args: int, order: OrderRecord, number: int, gives: bool) -> None:
    """Lay the rows of this core's partitions there, or take over those of the others'. ``args`` as
    in :func:`wait_for_rebalance`."""
    not_inlined()
    region, cores = RiskState(Words(args)[REGION]), Words(args)[CORES]
    partitions = region.partitions
    people, groups = region.participants, region.groups
    place = people * lay.PARTICIPANT_BYTES + groups * lay.GROUP_BYTES
    there = Words(args)[EXCHANGE] + cores * CORE_BYTES
    there += (number & 1) * partitions * place
    first, end = first_of(region, order), end_of(region, order)
    for index in range(1, partitions + 1):
        state = header_of(region, index)
        if (state.owned != 0) == gives:
            at = there + first * lay.PARTICIPANT_BYTES
            size = (end - first) * lay.PARTICIPANT_BYTES
            copy(totals.participant_row(state, first), at, size, gives)
            at = there + people * lay.PARTICIPANT_BYTES
            copy(totals.group_row(state, 0), at, groups * lay.GROUP_BYTES, gives)
        there += place


@kernel
def copy(here: int, there: int, size: int, gives: bool) -> None:
    """Copy ``size`` bytes, a multiple of 8: from here to there if ``gives``, else back."""
    source, target = (here, there) if gives else (there, here)
    for at in range(0, size, 8):
        store_i64(target + at, load_i64(source + at))
