"""Reduce-only orders are cut in the command that takes the position from them.

The hooks say that a NEW or a REPLACE enters next to reduce-only orders (the verdict REDUCES).  Its
command then has three parts, each with the hooks after it:

    the order enters, and may trade; what it sets off waits
    the orders that the hooks name are cut, the least likely to trade first
    what the order set off happens: stops, all-or-none orders, pegs

So nothing that a stop trades meets a reduce-only order that is too large by then.  Off-book trades,
takeovers and busts change positions as well: orders are cut after them, before the command's
answer.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import cancel_order, reason_word
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.depth import note_best
from openoutcry.matcher.book.instrument_rules import rule_addr
from openoutcry.matcher.book.levels import slot_addr, touch_instrument
from openoutcry.matcher.book.links import leg_after
from openoutcry.matcher.book.orders import (
    extension_addr,
    extension_of,
    order_leaves,
    order_price,
    order_tag,
)
from openoutcry.matcher.book.owners import gather, keep_slot, sort_rows, sweep_addr
from openoutcry.matcher.capacity import process_with_capacity_share
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.dispatch import find_instrument
from openoutcry.matcher.events import emit_next, mark_last
from openoutcry.matcher.hook_context import HookContext
from openoutcry.matcher.matching.self_trade import reduce_order
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import OPEN_KNOWN, REDUCE_ONLY
from openoutcry.wire.indirect import call_after, call_batch_kernel, call_before
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT, RECORD_BYTES

EVENT_WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT, KIND_SHIFT, SIDE_SHIFT = (
    8 * (EVENT.offsets[name] - EVENT_WORD) for name in ("instrument", "kind", "side")
)
REJECTED = enum_numbers.EVENT_KIND_REJECTED
TRADED = 1 << enum_numbers.EVENT_KIND_FILLED | 1 << enum_numbers.EVENT_KIND_BROKEN
"""Kinds that change a position."""
FLAGLESS = ~const.KNOWN_WORD
"""A command's word without REDUCE_ONLY, its sign."""
assert REDUCE_ONLY == OPEN_KNOWN


@kernel_outlined
def enter_reducing(block: HookContext, order: OrderRecord, out: int, room: int) -> int:
    """Process a NEW or a REPLACE with the verdict REDUCES; returns the number of its events at
    ``out``, where ``room`` fit."""
    not_inlined()
    arena, record = ArenaHeader(block.arena), order
    if (order.word >> const.KIND_SHIFT) & 0xFF == const.NEW:
        record = without_flag(arena, order)
    arena.defers = 1
    if block.shares == 0:
        _, events = call_batch_kernel(block.batch, arena, record, 1, out, room)
    else:
        events = process_with_capacity_share(block, arena, block.batch, record, out, room)
    arena.defers = 0
    if events == 0:
        return 0
    tell(block, order, out, events)
    word = EventRecord(out).word
    if (word >> KIND_SHIFT) & 0xFF == REJECTED:
        return events
    last = EventRecord(out + (events - 1) * RECORD_BYTES)
    last.word = last.word & ~const.LAST
    instrument, side = find_instrument(arena, order.symbol), (word >> SIDE_SHIFT) & 0xFF
    events += cut_side(block, order, instrument, word & 0xFFFF, side, out + events * RECORD_BYTES)
    # A quote has two sides; of any other order nothing is to be cut there.
    side = const.BUY + const.SELL - side
    events += cut_side(block, order, instrument, word & 0xFFFF, side, out + events * RECORD_BYTES)
    events += set_off(block, order, instrument, out + events * RECORD_BYTES)
    mark_last(out + events * RECORD_BYTES)
    if block.shares != 0:
        # What a share's orders could cause is another by now.
        block.counted = 0
    return events


@kernel
def without_flag(arena: ArenaHeader, order: OrderRecord) -> OrderRecord:
    """Return a copy of a NEW that is not reduce-only: the matcher knows no such orders."""
    record = OrderRecord(arena + layout.RESTATED)
    record.price_ticks = order.price_ticks
    record.qty_lots = order.qty_lots
    record.symbol = order.symbol
    record.order_id = order.order_id
    record.aux = order.aux
    record.rx_ts_ns = order.rx_ts_ns
    record.word = order.word & FLAGLESS
    record.seq = order.seq
    return record


@kernel_outlined
def cut_traded(block: HookContext, order: OrderRecord, out: int, count: int) -> int:
    """Cut the orders of those whose fills or broken trades, without orders in the book, are among
    the ``count`` events at ``out``; returns how many events follow these."""
    not_inlined()
    arena, more = ArenaHeader(block.arena), 0
    for index in range(count):
        word = EventRecord(out + index * RECORD_BYTES).word
        if (TRADED >> ((word >> KIND_SHIFT) & 0xFF)) & 1 == 0:
            continue
        instrument, cuts = (word >> INSTRUMENT_SHIFT) & 0xFFFF, 0
        for side in range(const.BUY, const.SELL + 1):
            at = out + (count + more + cuts) * RECORD_BYTES
            cuts += cut_side(block, order, instrument, word & 0xFFFF, side, at)
        more += cuts
        if cuts != 0:
            more += set_off(block, order, instrument, out + (count + more) * RECORD_BYTES)
    if more != 0 and block.shares != 0:
        block.counted = 0
    arena.defers = 0
    return more


@kernel_outlined
def cut_side(
    block: HookContext, order: OrderRecord, instrument: int, participant: int, side: int, out: int
) -> int:
    """Cut the participant's reduce-only orders on a side to what the hooks say; returns the number
    of events at ``out``.

    Those that wait go first, then all-or-none and hidden ones, then what is displayed: the worse
    price first, and at one price the younger."""
    arena = ArenaHeader(block.arena)
    record = OrderRecord(arena + layout.RESTATED)
    record.symbol = rule_addr(arena, instrument).symbol
    record.word = participant | side << const.SIDE_SHIFT
    left = call_before(block.excess, block.region, record)
    if left == 0:
        return 0
    arena.next_event_at = out
    arena.cause_seq = order.seq
    touch_instrument(arena, instrument)
    step = rule_addr(arena, instrument).qty_step_lots
    count = gather(arena, instrument, participant, side)
    sort_rows(arena, count)
    told, owner = 0, participant << 1 | (side - const.BUY)
    for index in range(count - 1, -1, -1):
        slot = sweep_addr(arena, index).slot
        ext = extension_of(arena, slot)
        if ext != 0 and ext.stage != 0:
            keep_slot(arena, instrument, owner, slot)
            if left > 0 and not has_likelier_leg(arena, ext, index):
                # A list is as likely to trade as its likeliest leg.
                cut_legs(block, record, instrument, ext, left, step)
                told += finish(block, order, out + told * RECORD_BYTES)
                record.word = participant | side << const.SIDE_SHIFT
                left = call_before(block.excess, block.region, record)
            continue
        record.order_id = slot_addr(arena, slot).id
        record.qty_lots = left
        lots = call_before(block.cut, block.region, record) if left > 0 else 0
        lots += -lots % step
        left -= lots
        if not take_off(arena, instrument, slot, lots):
            keep_slot(arena, instrument, owner, slot)
    return told + finish(block, order, out + told * RECORD_BYTES)


@kernel
def has_likelier_leg(arena: ArenaHeader, ext: Extension, index: int) -> bool:
    """Return whether another leg of the list is among the first ``index`` rows, which are likelier
    to trade."""
    own = extension_addr(arena, ext.next_leg)
    while own != ext:
        for row in range(index):
            if sweep_addr(arena, row).slot == own.slot:
                return True
        own = extension_addr(arena, own.next_leg)
    return False


@kernel_outlined
def cut_legs(
    block: HookContext,
    record: OrderRecord,
    instrument: int,
    ext: Extension,
    lots: int,
    step: int,
) -> None:
    """Cut every leg of a list as the hooks say, which know of ``lots`` that are too many."""
    arena = ArenaHeader(block.arena)
    leg = leg_after(arena, ext, 0)
    while leg != 0:
        following, slot = leg_after(arena, leg, leg.leg), leg.slot
        record.order_id = slot_addr(arena, slot).id
        record.qty_lots = lots
        less = call_before(block.cut, block.region, record)
        take_off(arena, instrument, slot, less + -less % step)
        leg = following


@kernel
def take_off(arena: ArenaHeader, instrument: int, slot: int, lots: int) -> bool:
    """Make an order smaller, with a REDUCED event; returns whether it is gone instead, with a
    CANCELLED."""
    if lots <= 0:
        return False
    left = order_leaves(arena, slot) - lots
    if left <= 0:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.REDUCE_ONLY))
        return True
    reduce_order(arena, slot, lots)
    word = reason_word(order_tag(arena, slot) | const.REDUCED, const.REDUCE_ONLY)
    emit_next(arena, slot_addr(arena, slot).id, 0, order_price(arena, slot), lots, left, word)
    return False


@kernel_outlined
def set_off(block: HookContext, order: OrderRecord, instrument: int, out: int) -> int:
    """Let happen in an instrument what has waited; returns the number of events at ``out``."""
    arena = ArenaHeader(block.arena)
    arena.next_event_at = out
    arena.cause_seq = order.seq
    touch_instrument(arena, instrument)
    after_command(arena, instrument)
    return finish(block, order, out)


@kernel
def finish(block: HookContext, order: OrderRecord, out: int) -> int:
    """Count the events from ``out`` on, and give them to the hooks; returns their number."""
    arena = ArenaHeader(block.arena)
    events = (arena.next_event_at - out) // RECORD_BYTES
    arena.event_count += events
    if events != 0:
        tell(block, order, out, events)
    return events


@kernel
def tell(block: HookContext, order: OrderRecord, out: int, events: int) -> None:
    """Give events to the hooks."""
    if block.quotes != 0:
        note_best(ArenaHeader(block.arena), block.quotes, out, events)
    call_after(block.after, block.region, order, out, events)
