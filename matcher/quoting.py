"""Ask the hooks about a quote: its two sides as the commands that they amount to.

A quote is done whole or not at all.  So the hooks judge both sides before the matcher changes
anything, in the order in which they will be done (``commands/quotes.py``).
"""

import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.terms import peek_terms
from openoutcry.matcher.commands.new import is_own_side
from openoutcry.matcher.commands.quotes import NAMED, OTHER, meets_other, own_slot, side_of
from openoutcry.matcher.hook_context import HookContext
from openoutcry.wire.enums import REDUCE_ONLY
from openoutcry.wire.indirect import call_before
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES


@kernel
def is_quote(arena: ArenaHeader, order: OrderRecord, instrument: int) -> bool:
    """Return whether the NEW has the term QUOTE; then the terms at work are its own."""
    peek_terms(arena, order, instrument)
    if arena.new_terms & const.QUOTE_TERM == 0:
        arena.new_terms = 0
    return arena.new_terms != 0


@kernel_outlined
def ask_quote(block: HookContext, order: OrderRecord, instrument: int, out: int) -> int:
    """Return the hooks' verdict on both sides, which are written at ``out``.  What the matcher will
    refuse by itself is not asked about, and hooks that judge no quotes refuse them all."""
    not_inlined()
    arena = ArenaHeader(block.arena)
    if block.quote == 0 or order.time_in_force & REDUCE_ONLY != 0:
        return const.MALFORMED
    first = OTHER if meets_other(arena, order, instrument) else NAMED
    for place in range(2):
        which = first if place == 0 else OTHER - first
        side, price, qty, order_id = side_of(arena, order, which)
        slot = own_slot(arena, order, instrument, which)
        if slot != 0 and not is_own_side(arena, slot, order, side):
            return 0
        record = OrderRecord(out + place * RECORD_BYTES)
        record.price_ticks = price
        record.qty_lots = qty
        record.symbol = order.symbol
        record.order_id = order_id
        record.aux = 0
        record.word = order.word & ~(0xFF << const.SIDE_SHIFT) | side << const.SIDE_SHIFT
        record.seq = order.seq
        record.kind = const.NEW if slot == 0 else const.REPLACE
        if qty == 0:
            record.kind = 0 if slot == 0 else const.CANCEL
    return call_before(block.quote, block.region, out)
