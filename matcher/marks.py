"""Marks and indices of contracts, which the hooks keep: what they elect, they elect in the command
that brings them.

The arena follows the region (:class:`Marks`), so neither is in a snapshot of the matcher.  Stops
that another mark elects trade before the answer to its command, as what a hold kept back does.
"""

from dataclasses import dataclass

from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.marks import marks_of
from openoutcry.matcher.commands.general import is_foreign
from openoutcry.matcher.hook_context import HookContext
from openoutcry.matcher.reducing import cut_traded, set_off
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_PRICE, RECORD_BYTES


@dataclass(frozen=True)
class Marks:
    """Where the region has the marks of its contracts."""

    first_at: int
    """The first contract's row."""
    step_bytes: int
    """To the next one's."""
    count: int
    instrument_at: int
    """Where in a row its instrument's index is,"""
    mark_at: int
    """its mark,"""
    index_at: int
    """its index price (0: none), and"""
    marks_at: int
    """how often it was marked (0, with a mark of 0: it has no mark yet)."""


@kernel_outlined
def follow_marks(block: HookContext, order: OrderRecord, out: int, elects: bool) -> int:
    """Give the arena the marks of the region.  If ``elects``, the stops that these elect trade now,
    by the command at ``order``; returns the number of events at ``out``."""
    not_inlined()
    arena, written = ArenaHeader(block.arena), 0
    for number in range(block.marks_count):
        row = block.marks + number * block.marks_step
        instrument = Words(row + block.mark_instrument)[0]
        mark, index = Words(row + block.mark_price)[0], Words(row + block.mark_index)[0]
        mark = mark if mark != 0 or Words(row + block.mark_count)[0] != 0 else NO_PRICE
        index = index if index != 0 else NO_PRICE
        marks = marks_of(arena, instrument)
        if marks.mark == mark and marks.index == index:
            continue
        marks.mark = mark
        marks.index = index
        if not elects or marks.own_triggers == 0 or is_foreign(arena, instrument):
            continue
        at = out + written * RECORD_BYTES
        events = set_off(block, order, instrument, at)
        if events != 0 and block.excess != 0:
            events += cut_traded(block, order, at, events)
        written += events
    if written != 0 and block.shares != 0:
        block.counted = 0
    return written
