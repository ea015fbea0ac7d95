"""Do what the events of legs have noted (``book/links.py``): cancel, reduce or release other legs.

This runs before anything else trades: at the start of each round of the cascade, and after a stop
was elected.  At most one leg of those that end each other rests in a book in which orders trade
(``refuse_leg``), so two legs never trade in one sweep.
"""

import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    cancel_order,
    detach_extension,
    needs_extension,
    reason_word,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.levels import instrument_addr, slot_addr
from openoutcry.matcher.book.links import (
    ALL,
    DUE,
    ENTER,
    OTHERS,
    RELEASE,
    index_of,
    leg_after,
    leg_traded,
    note_act,
    unchain,
    unlink_leg,
)
from openoutcry.matcher.book.orders import (
    extension_addr,
    extension_of,
    order_leaves,
    order_price,
    order_tag,
    touch_order,
)
from openoutcry.matcher.events import emit_next
from openoutcry.matcher.matching.self_trade import reduce_order
from openoutcry.wire.kernel import kernel, kernel_outlined


@kernel_outlined
def note_trade(arena: ArenaHeader, slot: int) -> None:
    """Part of the open order was filled: its list, if it is a leg, will follow."""
    ext = extension_of(arena, slot)
    if ext != 0 and ext.stage != 0:
        leg_traded(arena, ext)


@kernel_outlined
def settle_lists(arena: ArenaHeader, instrument: int) -> None:
    """Do everything that is noted in an instrument, but let no leg enter."""
    state = instrument_addr(arena, instrument)
    while state.act_first != 0:
        ext = extension_addr(arena, state.act_first)
        act = ext.act
        unchain(arena, ext)
        if act == RELEASE:
            release(arena, ext)
        elif act == ALL:
            cancel_all(arena, instrument, ext)
        elif act == OTHERS:
            cancel_others(arena, instrument, ext)
        else:
            shrink_others(arena, ext)


@kernel_outlined
def release(arena: ArenaHeader, ext: Extension) -> None:
    """The first leg is filled: the others are due.  By OTO each is an order for itself from now
    on."""
    after = leg_after(arena, ext, 0)
    while after != 0:
        leg, contingency = after.leg, after.contingency
        following = leg_after(arena, after, leg)
        after.stage = DUE
        after.contingency = const.OUO if contingency == const.OTOUO else const.OCO
        if contingency == const.OTO:
            isolate(arena, after)
        note_act(arena, after, ENTER)
        after = following


@kernel
def isolate(arena: ArenaHeader, ext: Extension) -> None:
    """Make the leg the only one of its ring, which ``legs`` 0 says in a snapshot."""
    index = index_of(arena, ext)
    previous = index
    while extension_addr(arena, previous).next_leg != index:
        previous = extension_addr(arena, previous).next_leg
    extension_addr(arena, previous).next_leg = ext.next_leg
    ext.next_leg = index
    ext.legs = 0


@kernel_outlined
def cancel_all(arena: ArenaHeader, instrument: int, ext: Extension) -> None:
    """Cancel every leg of the list, in their order."""
    leg = leg_after(arena, ext, 0)
    while leg != 0:
        following = leg_after(arena, leg, leg.leg)
        cancel_leg(arena, instrument, leg)
        leg = following


@kernel_outlined
def cancel_others(arena: ArenaHeader, instrument: int, ext: Extension) -> None:
    """Cancel every other leg, in their order; what is left is no leg any more."""
    leg = leg_after(arena, ext, 0)
    while leg != 0:
        following = leg_after(arena, leg, leg.leg)
        if leg != ext:
            cancel_leg(arena, instrument, leg)
        leg = following
    slot = ext.slot
    touch_order(arena, slot)
    unlink_leg(arena, ext)
    in_book = slot_addr(arena, slot).level != 0
    if in_book and ext.heap == 0 and not needs_extension(ext.type, ext.tif):
        detach_extension(arena, ext)


@kernel
def cancel_leg(arena: ArenaHeader, instrument: int, ext: Extension) -> None:
    """Cancel a leg because of another."""
    slot = ext.slot
    unlink_leg(arena, ext)
    cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.LIST))


@kernel_outlined
def shrink_others(arena: ArenaHeader, ext: Extension) -> None:
    """Reduce the other leg to what the one that traded has left."""
    left = order_leaves(arena, ext.slot)
    leg = leg_after(arena, ext, 0)
    while leg != 0:
        slot = leg.slot
        more = order_leaves(arena, slot) - left
        if leg != ext and more > 0:
            reduce_order(arena, slot, more)
            word = order_tag(arena, slot) | reason_word(const.REDUCED, const.LIST)
            order_id = slot_addr(arena, slot).id
            emit_next(arena, order_id, 0, order_price(arena, slot), more, left, word)
        leg = leg_after(arena, ext, leg.leg)
