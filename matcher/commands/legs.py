"""Legs of lists: what a NEW that is one must be, and how it enters once its list lets it.

A leg is an order from its NEW on, accepted and without a book (DORMANT_LIST), so every command
about an order finds it.  When it enters, the same functions as those of a NEW take it.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    attach_plain_extension,
    count_order,
    detach_extension,
    extension_index,
    has_slot,
    join_list,
    leave_list,
    reason_word,
    type_flags,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.expiry import expire_at, never_expire
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.instrument_rules import (
    has_price,
    is_pro_rata,
    is_stop,
    is_trailing,
    refuse_phase,
)
from openoutcry.matcher.book.levels import instrument_addr, slot_addr
from openoutcry.matcher.book.links import (
    ALL,
    DUE,
    ENTER,
    ENTERED,
    HELD,
    PENDING,
    RELEASE,
    count_linked,
    has_traded,
    last_was_fill,
    leg_after,
    leg_traded,
    note_act,
    unlink_leg,
)
from openoutcry.matcher.book.orders import (
    close_order,
    extension_addr,
    extension_of,
    order_leaves,
    order_owner,
    order_tag,
)
from openoutcry.matcher.book.terms import new_terms
from openoutcry.matcher.commands.new import (
    auction_price,
    emit_accepted,
    enter_by_type,
    open_new,
    order_tif,
    order_type_of,
    requested_slices,
)
from openoutcry.matcher.events import command_number, emit_next, event_tag
from openoutcry.wire.enums import LEGS_SHIFT
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.order_types import LEG_TIMES, LEGS, RESTING, RESTING_LEGS, type_bits
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_PRICE

LEG_BITS, RESTING_LEG_BITS = type_bits(LEGS), type_bits(RESTING_LEGS)
LEG_TIME_BITS, RESTING_TIME_BITS = type_bits(LEG_TIMES), type_bits(RESTING)
IS_LEG = const.LIST_TERM


@kernel
def is_leg(arena: ArenaHeader) -> bool:
    """Return whether the NEW at work is a leg of a list."""
    return arena.new_terms & IS_LEG != 0


# A NEW that is a leg


@kernel_outlined
def enter_leg(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """NEW of a leg, valid as an order: it waits, and with the last leg the list enters.  Returns
    why it is refused, or ACCEPT."""
    new, order_type = new_terms(arena), order_type_of(order)
    first = Extension(0)
    if new.leg != 1:
        first = first_leg(arena, order, instrument, new.list_id)
        if first == 0:
            return const.LIST
    reason = refuse_leg(arena, order, instrument, first)
    if reason == const.ACCEPT:
        reason = refuse_room(arena, order, instrument)
    if reason != const.ACCEPT:
        return reason
    price = 0
    if has_price(order_type):
        price = order.price_ticks
    elif not is_stop(order_type):
        price = auction_price(order)
    trigger = 0
    if is_stop(order_type):
        trigger = NO_PRICE if is_trailing(order_type) else order.aux
    contra = trigger
    if order_type == const.ICEBERG:
        contra = order.aux
    emit_link(arena, order, instrument)
    emit_accepted(arena, order, instrument, price, contra, type_flags(order_type) | const.WAITING)
    new.stage = HELD
    new.peer = 0
    if first != 0:
        new.peer = extension_index(arena, first)
    slot = open_new(arena, order, instrument, order_type, price, command_number(arena))
    slot_addr(arena, slot).qty = order.qty_lots
    ext = extension_of(arena, slot)
    ext.aux = order.aux
    ext.trigger = trigger
    join_list(arena, ext, layout.DORMANT_LIST)
    if new.leg == new.legs:
        begin_list_of(arena, ext)
    return const.ACCEPT


@kernel
def emit_link(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """Say of which list the order is a leg, as its terms said it."""
    new, word = new_terms(arena), order.word
    tag = event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)
    what = new.contingency | new.legs << LEGS_SHIFT
    emit_next(
        arena, order.order_id, const.TERM_LIST, new.list_id, new.leg, what, tag | const.COMPLETED
    )


@kernel_outlined
def first_leg(arena: ArenaHeader, order: OrderRecord, instrument: int, list_id: int) -> Extension:
    """Return the first leg of the list that the NEW continues, or 0: it must be the participant's,
    and the NEW the next leg of the same list."""
    new = new_terms(arena)
    slot = find_id(arena, instrument, list_id)
    if slot == 0 or order_owner(arena, slot) != order.word & 0xFFFF:
        return Extension(0)
    ext = extension_of(arena, slot)
    if ext == 0 or ext.stage != HELD or ext.leg != 1:
        return Extension(0)
    if ext.contingency != new.contingency or ext.legs != new.legs:
        return Extension(0)
    last = 1
    leg = leg_after(arena, ext, 1)
    while leg != 0:
        last = leg.leg
        leg = leg_after(arena, ext, last)
    return ext if new.leg == last + 1 else Extension(0)


@kernel_outlined
def refuse_leg(arena: ArenaHeader, order: OrderRecord, instrument: int, first: Extension) -> int:
    """Why the order may not be this leg, or ACCEPT.  Of legs that end each other at most one may
    be in a book where orders trade; all others are stops."""
    new, order_type, tif = new_terms(arena), order_type_of(order), order_tif(order)
    if (LEG_BITS >> order_type) & 1 == 0 or (LEG_TIME_BITS >> tif) & 1 == 0:
        return const.MALFORMED
    contingency = new.contingency
    least = 1
    if contingency >= const.OTO:
        if new.leg == 1 or contingency == const.OTO:
            return const.ACCEPT
        least = 2
    updates = contingency in (const.OUO, const.OTOUO)
    if updates and (is_pro_rata(arena, instrument) != 0 or order_type == const.ICEBERG):
        return const.MALFORMED
    if is_stop(order_type):
        return const.ACCEPT
    if (RESTING_LEG_BITS >> order_type) & 1 == 0 or (RESTING_TIME_BITS >> tif) & 1 == 0:
        return const.MALFORMED
    if first != 0:
        leg = leg_after(arena, first, least - 1)
        while leg != 0:
            if not is_stop(leg.type):
                return const.MALFORMED
            leg = leg_after(arena, first, leg.leg)
    return const.ACCEPT


@kernel_outlined
def refuse_room(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """Return whether there is capacity for the leg."""
    if not has_slot(arena):
        return const.BOOK_FULL
    order_type, tif = order_type_of(order), order_tif(order)
    slices = requested_slices(order, order_type)
    before = arena.extra_events
    count_order(arena, instrument, order_type, tif, slices, 1)
    count_linked(arena, instrument, 1)
    after = arena.extra_events
    count_linked(arena, instrument, -1)
    count_order(arena, instrument, order_type, tif, slices, -1)
    return const.BOOK_FULL if after > before and after > arena.extra_capacity else const.ACCEPT


@kernel_outlined
def begin_list_of(arena: ArenaHeader, ext: Extension) -> None:
    """The list is whole: its first leg is due, or all are."""
    number, contingency = command_number(arena), ext.contingency
    leg = leg_after(arena, ext, 0)
    while leg != 0:
        leg.list_key = number
        leg.stage = PENDING
        if leg.leg == 1 or contingency < const.OTO:
            leg.stage = DUE
            note_act(arena, leg, ENTER)
        leg = leg_after(arena, ext, leg.leg)


@kernel_outlined
def break_list(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """The NEW at work, a leg, is refused: the legs of its list that wait for it are cancelled."""
    new = new_terms(arena)
    slot = find_id(arena, instrument, new.list_id)
    if slot == 0 or order_owner(arena, slot) != order.word & 0xFFFF:
        return
    ext = extension_of(arena, slot)
    if ext != 0 and ext.stage == HELD and ext.leg == 1:
        note_act(arena, ext, ALL)


# A leg that enters


@kernel
def may_enter(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether legs that are due enter in the instrument's phase."""
    state = instrument_addr(arena, instrument)
    if state.mode & layout.MODE_HELD != 0:
        return False
    return state.phase not in (const.CLOSED, const.HALT, const.TRADING_AT_LAST)


@kernel_outlined
def enter_due(arena: ArenaHeader, instrument: int) -> None:
    """Let the leg enter that is due first."""
    ext = extension_addr(arena, instrument_addr(arena, instrument).due_first)
    new = new_terms(arena)
    slot, qty, leg, contingency = ext.slot, order_leaves(arena, ext.slot), ext.leg, ext.contingency
    order_id, word, price = slot_addr(arena, slot).id, order_tag(arena, slot), ext.price
    has_expiry, expiry_ns, expiry_number = ext.heap != 0, ext.expiry_ns, ext.expiry_number
    legs, list_key = ext.legs, ext.list_key
    order = restate_leg(arena, ext)
    trigger_by, activation = ext.trigger_by, ext.display
    peer = take_out(arena, instrument, ext)
    arena.new_terms = 0
    if trigger_by != 0:
        arena.new_terms = const.TRIGGER_TERM
        new.trigger_by = trigger_by
        new.activation = activation
    if peer != 0:
        arena.new_terms |= IS_LEG
        new.leg = leg
        new.legs = legs
        new.contingency = contingency
        new.list_id = list_key
        new.stage = ENTERED
        new.peer = peer
    state = instrument_addr(arena, instrument)
    arena.entering = 1
    reason = refuse_phase(state, order_type_of(order), order_tif(order), order.price_ticks)
    if reason == const.ACCEPT:
        reason = enter_by_type(arena, order, instrument)
    arena.entering = 0
    arena.new_terms = 0
    if reason != const.ACCEPT:
        what = word | reason_word(const.CANCELLED, reason)
        emit_next(arena, order_id, 0, price, qty, 0, what)
    slot = find_id(arena, instrument, order_id)
    if slot == 0:
        if peer != 0:
            filled = contingency >= const.OTO and leg == 1
            filled = filled and last_was_fill(arena, order_id, instrument)
            note_act(arena, extension_addr(arena, peer), RELEASE if filled else ALL)
        return
    if has_expiry:
        open_ext = extension_of(arena, slot)
        if open_ext == 0:
            open_ext = attach_plain_extension(arena, slot)
        open_ext.tif = const.GTD
        expire_at(arena, extension_index(arena, open_ext), expiry_ns, expiry_number)
    left = order_leaves(arena, slot)
    if peer != 0 and left < qty and has_traded(arena, order_id, instrument):
        leg_traded(arena, extension_of(arena, slot))


@kernel_outlined
def restate_leg(arena: ArenaHeader, ext: Extension) -> OrderRecord:
    """Return the address of the NEW by which the leg would come now: what is left of it."""
    order = OrderRecord(arena + layout.RESTATED)
    at = slot_addr(arena, ext.slot)
    tif = const.GTC if ext.tif == const.GTD else ext.tif
    order.price_ticks = ext.price
    order.qty_lots = order_leaves(arena, ext.slot)
    order.order_id = at.id
    order.aux = ext.aux
    if ext.type == const.ICEBERG:
        order.aux = min(ext.aux, order.qty_lots)
    order.word = (
        ext.participant
        | const.NEW << const.KIND_SHIFT
        | ext.side << const.SIDE_SHIFT
        | ext.type << const.TYPE_SHIFT
        | tif << const.TIF_SHIFT
        | ext.mode << const.MODE_SHIFT
    )
    return order


@kernel_outlined
def take_out(arena: ArenaHeader, instrument: int, ext: Extension) -> int:
    """Take the leg out of everything, without an event.  Returns the extension of another leg of
    its list, or 0."""
    peer = unlink_leg(arena, ext)
    slot = ext.slot
    count_order(arena, instrument, ext.type, ext.tif, ext.slices, -1)
    leave_list(arena, ext)
    if ext.heap != 0:
        never_expire(arena, extension_index(arena, ext))
    detach_extension(arena, ext)
    close_order(arena, instrument, slot)
    return peer
