"""PHASE: the reference price, the uncrossing at the end of a call, entry into the new phase."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    begin_list,
    best_level,
    better_level,
    book_of,
    cancel_order,
    join_book,
    leave_list,
    next_in_list,
    reason_word,
    refuse_join,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.instrument_rules import add_saturating, is_call, rule_addr
from openoutcry.matcher.book.levels import instrument_addr, key_flip, level_key, slot_addr
from openoutcry.matcher.book.orders import order_tag
from openoutcry.matcher.book.terms import ANY_PARTICIPANT, drop_terms
from openoutcry.matcher.commands.mass import DAY_ORDERS, sweep
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.matcher.matching.allocation import lose_top
from openoutcry.matcher.matching.auction_price import crossing_price
from openoutcry.matcher.matching.pegs import park_pegs
from openoutcry.matcher.matching.uncross import uncross
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def change_phase(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """The PHASE command; returns why it is refused, or ACCEPT."""
    phase = order.aux
    if order.word & 0xFFFF != 0 or phase < const.CLOSED or phase > const.TRADING_AT_LAST:
        return const.MALFORMED
    state = instrument_addr(arena, instrument)
    uncrosses, old = must_uncross(arena, instrument, phase), state.phase
    is_held = state.mode & layout.MODE_HELD != 0
    if uncrosses and is_held and phase != const.CLOSED and is_crossed(arena, instrument):
        return const.WRONG_PHASE
    if phase == const.CLOSED and (is_held or old == const.HALT):
        # Nothing trades on the way out of a halt into the night.
        state.auction_extensions = 0
        uncrosses = False
    sets = order.qty_lots
    if sets == 1 or sets == 2:
        state.reference = order.price_ticks
        if sets == 2:
            state.last_price = NO_PRICE
    elif state.last_price != NO_PRICE:
        state.reference = state.last_price
    if uncrosses and is_extended(arena, instrument):
        state.auction_extensions += 1
        emit_phase_changed(arena, instrument, old, old, const.AUCTION_EXTENDED)
        return const.ACCEPT
    set_phase(arena, instrument, phase)
    emit_phase_changed(arena, instrument, phase, old, 0)
    if uncrosses:
        uncross(arena, instrument)
        state.called = 0
        state.auction_extensions = 0
    if is_call(phase):
        begin_call(arena, instrument, phase)
    elif phase == const.CLOSED:
        drop_terms(arena, instrument, ANY_PARTICIPANT)
        sweep(arena, instrument, DAY_ORDERS, 0, reason_word(const.EXPIRED_EVENT, const.DAY_END))
    return const.ACCEPT


@kernel_outlined
def set_phase(arena: ArenaHeader, instrument: int, phase: int) -> None:
    """Enter a Phase, without the event and without an uncrossing. Outside continuous trading there
    is no TOP order."""
    state = instrument_addr(arena, instrument)
    state.phase = phase
    # Trailing stops may have entered while no cascade ran: the next one checks all.
    state.cascaded_last = NO_PRICE
    mode = state.mode & ~layout.MODE_PHASE
    state.mode = mode if phase == const.CONTINUOUS else mode | layout.MODE_PHASE
    if phase != const.CONTINUOUS and mode & layout.MODE_STEPS != 0:
        lose_top(arena, instrument << 4 | layout.DISPLAYED)
        lose_top(arena, instrument << 4 | layout.DISPLAYED | 1)


@kernel_outlined
def emit_phase_changed(
    arena: ArenaHeader, instrument: int, phase: int, old: int, reason: int
) -> None:
    """Write the PHASE_CHANGED event, with the phase before and the reference price."""
    reference = instrument_addr(arena, instrument).reference
    word = event_tag(instrument, 0, 0) | reason_word(const.PHASE_CHANGED, reason)
    emit_next(arena, 0, old, reference, phase, 0, word)


@kernel_outlined
def must_uncross(arena: ArenaHeader, instrument: int, phase: int) -> bool:
    """Return whether the phase change uncrosses: a call ends, or trading at last left the book
    crossed."""
    if phase not in (const.CONTINUOUS, const.TRADING_AT_LAST, const.CLOSED):
        return False
    if instrument_addr(arena, instrument).called != 0:
        return True
    return phase == const.CONTINUOUS and is_crossed(arena, instrument)


@kernel_outlined
def is_crossed(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether displayed or hidden orders of both sides could trade with each other."""
    bids = book_of(instrument, layout.DISPLAYED, const.BUY)
    bid = best_shown_or_hidden(arena, bids)
    ask = best_shown_or_hidden(arena, bids | 1)
    if bid == 0 or ask == 0:
        return False
    return level_key(arena, bid) ^ key_flip(bids) >= level_key(arena, ask)


@kernel
def best_shown_or_hidden(arena: ArenaHeader, displayed: int) -> int:
    """The best level of the book and the hidden one of its side, or 0."""
    hidden = displayed & ~layout.WHICH | layout.HIDDEN_BOOK
    return better_level(arena, best_level(arena, displayed), best_level(arena, hidden))


@kernel_outlined
def is_extended(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether the auction price is outside its band and an extension is left."""
    rule, state = rule_addr(arena, instrument), instrument_addr(arena, instrument)
    band, reference = rule.auction_band_ticks, state.reference
    if band == 0 or reference == NO_PRICE:
        return False
    if state.auction_extensions >= rule.auction_extensions:
        return False
    price = crossing_price(arena, instrument)
    if price == NO_PRICE:
        return False
    above, below = add_saturating(reference, band), add_saturating(reference, -band)
    return price > above or price < below


@kernel_outlined
def begin_call(arena: ArenaHeader, instrument: int, phase: int) -> None:
    """Enter a call: nothing trades until the uncrossing."""
    state = instrument_addr(arena, instrument)
    state.called = 1
    state.indicative_price = NO_PRICE
    state.indicative_volume = 0
    state.indicative_surplus = 0
    state.indicative_side = 0
    state.call_from = NO_PRICE
    state.call_to = MAX_VALUE
    park_pegs(arena, instrument)
    join_all(arena, instrument, layout.WAITING_BUYS)
    join_all(arena, instrument, layout.WAITING_SELLS)
    if phase == const.CLOSING_AUCTION:
        join_all(arena, instrument, layout.AUCTION_LIST)


@kernel_outlined
def join_all(arena: ArenaHeader, instrument: int, which: int) -> None:
    """Move the orders of a list into the call."""
    begin_list(arena, instrument, which)
    ext = next_in_list(arena)
    while ext != 0:
        join_call(arena, instrument, ext)
        ext = next_in_list(arena)


@kernel_outlined
def join_call(arena: ArenaHeader, instrument: int, ext: Extension) -> None:
    """Move an order that is parked, or waits, into the call."""
    slot = ext.slot
    at = slot_addr(arena, slot)
    price, qty = ext.price, at.qty
    book = book_of(instrument, layout.DISPLAYED, ext.side)
    reason = refuse_join(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    word = order_tag(arena, slot) | const.ELECTED
    emit_next(arena, at.id, 0, price, qty, qty, word)
    leave_list(arena, ext)
    join_book(arena, book, price, slot, qty)
