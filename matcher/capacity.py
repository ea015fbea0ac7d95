"""Capacity shares: how many orders may be open, divided evenly among parts of the instruments.

``order_capacity`` and the events that one command may cause (``event_bound.py``) limit all
instruments together, so a shard, which knows only its own, would accept what one engine refuses.
With shares each part of the instruments has its part of both, in every engine alike.  For a command
of an instrument the arena's two capacities are set so far above what is open as its share has left.
All shares together hold one order less than the arena.

The events that a share's orders could cause are not state: they are counted again from the book
where they are not known.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import is_pro_rata
from openoutcry.matcher.book.levels import instrument_addr, slot_addr
from openoutcry.matcher.book.links import shared_extra
from openoutcry.matcher.book.orders import extension_addr
from openoutcry.matcher.commands.dispatch import find_instrument
from openoutcry.matcher.commands.general import is_foreign
from openoutcry.matcher.event_bound import LEG_EXTRA, order_extra
from openoutcry.matcher.hook_context import HookContext
from openoutcry.wire.indirect import call_batch_kernel
from openoutcry.wire.kernel import VERIFY, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT

TABLES = HookContext.offset("tables")


@kernel_outlined
def process_with_capacity_share(
    block: HookContext, arena: ArenaHeader, batch: int, order: OrderRecord, out: int, free: int
) -> int:
    """Like ``process_batch`` for one command, for whose events ``free`` records are; returns how
    many it wrote."""
    not_inlined()
    word = order.word
    kind, symbol = (word >> const.KIND_SHIFT) & 0xFF, order.symbol
    refused = (word >> const.ERROR_SHIFT) & 0xFFFF != 0
    before = arena.extra_events
    to_all = kind in (const.TIME, const.DISCONNECT) or (kind == const.MASS_CANCEL and symbol == 0)
    instrument = find_instrument(arena, symbol)
    if refused or to_all or instrument == NO_INSTRUMENT or is_foreign(arena, instrument):
        _, events = call_batch_kernel(batch, arena, order, 1, out, free)
        if to_all and (before != 0 or arena.extra_events != 0):
            block.counted = 0
        return events
    if block.counted == 0:
        count_shares(block, arena)
    shares = block.shares
    number = Words(block + TABLES)[shares + instrument]
    opened = load_i64(block.opened + number * block.opened_step)
    extra_at = block + TABLES + 8 * number
    orders, extra = arena.order_capacity, arena.extra_capacity
    left = block.orders - opened
    left_extra = block.extra - load_i64(extra_at)
    if VERIFY:
        assert left >= 0, "no more orders are open in a share than it holds"
        assert left_extra >= 0, "nor could they cause more events than its share allows"
    arena.order_capacity = arena.open_orders + left
    arena.extra_capacity = before + left_extra
    _, events = call_batch_kernel(batch, arena, order, 1, out, free)
    arena.order_capacity = orders
    arena.extra_capacity = extra
    change = arena.extra_events - before
    store_i64(extra_at, load_i64(extra_at) + change)
    return events


@kernel_outlined
def count_shares(block: HookContext, arena: ArenaHeader) -> None:
    """Count what the orders of each share could cause, from the book."""
    not_inlined()
    shares = block.shares
    numbers = block + TABLES + 8 * shares
    for number in range(shares):
        Words(block + TABLES)[number] = 0
    # One less in all, so that in every engine a page of levels is free for a replaced order.
    block.orders = (arena.order_capacity - 1) // shares
    block.extra = arena.extra_capacity // shares
    for instrument in range(arena.instrument_count):
        at = block + TABLES + 8 * Words(numbers)[instrument]
        shared = shared_extra(instrument_addr(arena, instrument), is_pro_rata(arena, instrument))
        store_i64(at, load_i64(at) + shared)
    for extension in range(1, arena.fresh_extensions + 1):
        ext = extension_addr(arena, extension)
        slot = slot_addr(arena, ext.slot)
        # A free extension has no order: its former slot has another word there.
        word = slot.owner & ~layout.SLOT_NOTED
        if word == layout.EXTENDED | extension:
            instrument = ext.instrument
            at = block + TABLES + 8 * Words(numbers)[instrument]
            order_type, tif = ext.type, ext.tif
            own = order_extra(order_type, tif, ext.slices)
            if ext.stage != 0:
                own += LEG_EXTRA
            store_i64(at, load_i64(at) + own)
    block.counted = 1
    if VERIFY:
        total = 0
        for number in range(shares):
            total += Words(block + TABLES)[number]
        assert total == arena.extra_events, "all shares have what the book has"
