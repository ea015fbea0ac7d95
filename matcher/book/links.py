"""Legs of lists: the ring of a list's legs, and what their events will do to each other.

Every leg has an extension, so nothing here is asked about a plain order.  The legs of a list are a
ring (``next_leg``).  What happens to one leg is only noted (``act``): its leg joins a chain of its
instrument, and ``matching/lists.py`` acts on it before anything else trades.  So no walk over a
book meets an order that goes away under it.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, Extension, InstrumentState
from openoutcry.matcher.book.instrument_rules import is_pro_rata
from openoutcry.matcher.book.levels import instrument_addr, slot_addr
from openoutcry.matcher.book.orders import extension_addr
from openoutcry.matcher.event_bound import LEG_EXTRA, instrument_extra
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import U32s
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import RECORD_BYTES

HELD, PENDING, DUE, ENTERED = 1, 2, 3, 4
"""Stages of a leg: its list is not whole; it waits for the first leg; it enters as soon as it may;
it has entered."""
SHRINK, OTHERS, ENTER, RELEASE, ALL = 1, 2, 3, 4, 5
"""What there is to do: reduce the other legs; cancel them; let the leg enter; let the other legs
become due; cancel the leg and all others.  The higher number replaces the lower."""


@kernel
def shared_extra(state: InstrumentState, pro_rata: int) -> int:
    """Return the events beyond two an order that an instrument's present orders can cause;
    ``pro_rata`` is 0 or 1."""
    return instrument_extra(
        state.stop_count,
        state.all_or_none_count,
        state.peg_count,
        state.trailing_count,
        state.order_count,
        state.linked_count,
        pro_rata,
    )


@kernel_outlined
def count_linked(arena: ArenaHeader, instrument: int, sign: int) -> None:
    """Count one leg in (``sign`` 1) or out (-1)."""
    state, pro_rata = instrument_addr(arena, instrument), is_pro_rata(arena, instrument)
    before = shared_extra(state, pro_rata)
    state.linked_count += sign
    arena.extra_events += shared_extra(state, pro_rata) - before + sign * LEG_EXTRA


@kernel
def index_of(arena: ArenaHeader, ext: int) -> int:
    """Return the number of the extension at an address, from 1."""
    return (ext - arena - arena.extensions_at) // layout.EXTENSION_BYTES


@kernel
def is_dormant(ext: Extension) -> bool:
    """Return whether the order is a leg that has not entered."""
    return ext.stage != 0 and ext.stage != ENTERED


# The ring


@kernel_outlined
def link_leg(arena: ArenaHeader, ext: Extension, peer: int) -> None:
    """Put the leg into the ring of the extension ``peer`` (0: it is the first)."""
    index = index_of(arena, ext)
    ext.next_leg = index
    if peer != 0:
        other = extension_addr(arena, peer)
        ext.next_leg = other.next_leg
        other.next_leg = index
    count_linked(arena, ext.instrument, 1)


@kernel_outlined
def unlink_leg(arena: ArenaHeader, ext: Extension) -> int:
    """Take the leg out of its ring and its chain: it is a leg no more.  Returns the extension of
    another leg, or 0."""
    index = index_of(arena, ext)
    unchain(arena, ext)
    previous = index
    while extension_addr(arena, previous).next_leg != index:
        previous = extension_addr(arena, previous).next_leg
    extension_addr(arena, previous).next_leg = ext.next_leg
    ext.stage = 0
    ext.contingency = 0
    ext.leg = 0
    ext.legs = 0
    ext.list_key = 0
    ext.next_leg = 0
    count_linked(arena, ext.instrument, -1)
    return previous if previous != index else 0


@kernel_outlined
def leg_after(arena: ArenaHeader, ext: Extension, leg: int) -> Extension:
    """Return the leg of the ring of ``ext`` with the lowest number above ``leg``, or 0."""
    start = index_of(arena, ext)
    index, found = start, 0
    while True:
        here = extension_addr(arena, index)
        if here.leg > leg and (found == 0 or here.leg < extension_addr(arena, found).leg):
            found = index
        index = here.next_leg
        if index == start:
            break
    return Extension(extension_addr(arena, found) if found != 0 else 0)


# The chains


@kernel
def chain_of(arena: ArenaHeader, ext: Extension, act: int) -> int:
    """Return the address of the ends of the chain for an act (u32 each)."""
    state = instrument_addr(arena, ext.instrument)
    return state + (layout.DUE_CHAIN if act == ENTER else layout.ACT_CHAIN)


@kernel_outlined
def note_act(arena: ArenaHeader, ext: Extension, act: int) -> None:
    """Note what there is to do with the list of the leg.  Of one list there is one act, the
    strongest; but each leg enters for itself."""
    index = index_of(arena, ext)
    if act != ENTER:
        other = ext.next_leg
        while other != index:
            one = extension_addr(arena, other)
            if one.act != 0 and one.act != ENTER:
                if one.act >= act:
                    return
                unchain(arena, one)
            other = one.next_leg
    if ext.act >= act:
        return
    unchain(arena, ext)
    ends = U32s(chain_of(arena, ext, act))
    before, after = ends[1], 0
    if act == ENTER:
        # Oldest first, so that the chain follows from the orders.
        while before != 0 and extension_addr(arena, before).arrival > ext.arrival:
            after = before
            before = extension_addr(arena, before).act_prev
    ext.act = act
    ext.act_prev = before
    ext.act_next = after
    if before == 0:
        ends[0] = index
    else:
        extension_addr(arena, before).act_next = index
    if after == 0:
        ends[1] = index
    else:
        extension_addr(arena, after).act_prev = index
    state = instrument_addr(arena, ext.instrument)
    state.mode = state.mode | layout.MODE_LISTS


@kernel_outlined
def unchain(arena: ArenaHeader, ext: Extension) -> None:
    """Take the leg out of the chain it is in, if any."""
    if ext.act == 0:
        return
    ends = U32s(chain_of(arena, ext, ext.act))
    before, after = ext.act_prev, ext.act_next
    if before == 0:
        ends[0] = after
    else:
        extension_addr(arena, before).act_next = after
    if after == 0:
        ends[1] = before
    else:
        extension_addr(arena, after).act_prev = before
    ext.act = 0
    ext.act_next = 0
    ext.act_prev = 0
    state = instrument_addr(arena, ext.instrument)
    if state.act_first == 0 and state.due_first == 0:
        state.mode = state.mode & ~layout.MODE_LISTS


# What happens to a leg


@kernel
def is_worker(ext: Extension) -> bool:
    """Return whether the leg is the first of a list whose others wait for it."""
    return ext.leg == 1 and ext.contingency >= const.OTO


@kernel_outlined
def leg_ended(arena: ArenaHeader, ext: Extension) -> None:
    """The order goes; its last event is written.  Filled, it lets those enter that wait for it, and
    else all others are cancelled."""
    filled = is_worker(ext) and ext.stage == ENTERED and was_filled(arena, ext)
    peer = unlink_leg(arena, ext)
    if peer != 0:
        note_act(arena, extension_addr(arena, peer), RELEASE if filled else ALL)


@kernel
def was_filled(arena: ArenaHeader, ext: Extension) -> bool:
    """Return whether the last event of the order was a fill.  It has one of this command."""
    order_id = slot_addr(arena, ext.slot).id
    return last_was_fill(arena, order_id, ext.instrument)


@kernel
def last_was_fill(arena: ArenaHeader, order_id: int, instrument: int) -> bool:
    """Return whether the command's last event about an order, which has one, was a fill."""
    return last_kind(arena, order_id, instrument, NO_KIND) == const.FILLED


@kernel
def has_traded(arena: ArenaHeader, order_id: int, instrument: int) -> bool:
    """Return whether an order that the command at work entered or moved, and that has fewer lots
    since, was filled: self-trade prevention alone is no trade."""
    return last_kind(arena, order_id, instrument, const.REDUCED) == const.FILLED


@kernel
def last_kind(arena: ArenaHeader, order_id: int, instrument: int, passed: int) -> int:
    """Return the kind of the command's last event about an order that is not of the kind
    ``passed``; there is one."""
    at = arena.next_event_at - RECORD_BYTES
    while True:
        event = EventRecord(at)
        of_order = event.order_id == order_id
        if of_order and (event.word >> const.INSTRUMENT_SHIFT) & 0xFFFF == instrument:
            if VERIFY:
                assert event.cause_seq == arena.cause_seq
            kind = event.word & KIND_MASK
            if kind != passed:
                return kind
        at -= RECORD_BYTES


KIND_MASK, NO_KIND = 0xFF << const.EVENT_KIND_SHIFT, 0


@kernel_outlined
def leg_traded(arena: ArenaHeader, ext: Extension) -> None:
    """Part of the leg was filled."""
    if ext.contingency == const.OCO:
        note_act(arena, ext, OTHERS)
    elif ext.contingency == const.OUO:
        note_act(arena, ext, SHRINK)


@kernel_outlined
def leg_elected(arena: ArenaHeader, ext: Extension) -> None:
    """The leg, a stop, was elected."""
    if ext.contingency in (const.OCO, const.OUO):
        note_act(arena, ext, OTHERS)
