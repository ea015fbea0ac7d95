"""Market orders that wait, unpriced, for the other side (InstrumentOption.MARKET_WAITS).

They are in no level but in a list for each side, oldest first.  The flag MODE_WAITING says that
there are any.  Without it nothing here runs; with it every command goes through the general path.
Displayed and hidden orders never rest opposite them: any incoming order trades with them first.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    best_level,
    best_price,
    better_level,
    join_list,
    remove_order,
    waiting_list,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.instrument_rules import rule_addr
from openoutcry.matcher.book.levels import (
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.matcher.book.orders import extension_addr, order_owner, order_tag, touch_order
from openoutcry.matcher.events import emit_next
from openoutcry.matcher.matching.self_trade import (
    applies_first,
    lots_for,
    prevent_self_trade,
    spend,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_u32
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

TIMES = 1 << const.DAY | 1 << const.GTC | 1 << const.GTD
"""A market order is DAY; a stop that was elected may be one of the others."""


@kernel
def crosses_waiting(arena: ArenaHeader, instrument: int, side: int) -> bool:
    """Return whether market orders wait opposite to ``side``."""
    state = instrument_addr(arena, instrument)
    if state.mode & layout.MODE_WAITING == 0:
        return False
    return load_u32(state + layout.LISTS + waiting_list(const.BUY + const.SELL - side)) != 0


@kernel
def first_waiting(arena: ArenaHeader, instrument: int, side: int) -> Extension:
    """Address of the extension of the oldest market order of ``side`` that waits, or 0."""
    state = instrument_addr(arena, instrument)
    number = load_u32(state + layout.LISTS + waiting_list(side))
    return Extension(extension_addr(arena, number) if number != 0 else 0)


@kernel
def next_waiting(arena: ArenaHeader, ext: Extension) -> Extension:
    """Return the market order that has waited next longest, 0 for the last one."""
    number = ext.next
    return Extension(extension_addr(arena, number) if number != 0 else 0)


# Beginning to wait


@kernel
def may_wait(arena: ArenaHeader, instrument: int, order_type: int, tif: int) -> bool:
    """Return whether the remainder of such an order waits if it finds no counterparty."""
    if order_type != const.MARKET or (TIMES >> tif) & 1 == 0:
        return False
    options = rule_addr(arena, instrument).options
    phase = instrument_addr(arena, instrument).phase
    return options & const.MARKET_WAITS != 0 and phase == const.CONTINUOUS


@kernel_outlined
def let_wait(arena: ArenaHeader, ext: Extension, qty: int) -> None:
    """The market order, in no level and no list, waits with ``qty`` lots in its place by age."""
    slot, side = ext.slot, ext.side
    price = MAX_VALUE if side == const.BUY else NO_PRICE
    ext.price = price
    touch_order(arena, slot)
    slot_addr(arena, slot).qty = qty
    word = order_tag(arena, slot) | const.REPEGGED | const.WAITING
    emit_next(arena, slot_addr(arena, slot).id, 0, price, qty, qty, word)
    join_list(arena, ext, waiting_list(side))


# Taking


@kernel
def harder(side: int, a: int, b: int) -> int:
    """The better of two prices for a taker of ``side``; NO_PRICE means that there is no price."""
    if a == NO_PRICE or b == NO_PRICE:
        return b if a == NO_PRICE else a
    return min(a, b) if side == const.BUY else max(a, b)


@kernel_outlined
def waiting_price(arena: ArenaHeader, instrument: int, side: int, limit: int, at_last: bool) -> int:
    """The price at which the taker of ``side`` trades with market orders that wait, or NO_PRICE.
    It is the last price, else the reference price.  It is never worse for the taker than the best
    limit on their side, nor than the taker's limit.  In trading at last it is ``limit``."""
    if at_last:
        return limit
    best = best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
    return price_beside(arena, instrument, side, limit, best)


@kernel
def price_beside(arena: ArenaHeader, instrument: int, side: int, limit: int, best: int) -> int:
    """:func:`waiting_price` where ``best`` is the best limit on their side."""
    state = instrument_addr(arena, instrument)
    price = state.last_price
    if price == NO_PRICE:
        price = state.reference
    price = harder(side, price, best)
    if arena.taker_unpriced != 0:
        return price
    return harder(side, price, limit)


@kernel_outlined
def waiting_price_after_prevention(
    arena: ArenaHeader, instrument: int, side: int, limit: int, at_last: bool
) -> int:
    """:func:`waiting_price` for a simulation: the taker's own orders that prevention before any
    trade will have cancelled no longer rest or wait."""
    mode, owner = arena.taker_mode, arena.taker_word & 0xFFFF
    if at_last or mode != const.CANCEL_OLDEST or not applies_first(arena, instrument):
        return waiting_price(arena, instrument, side, limit, at_last)
    if not others_wait(arena, instrument, side, owner):
        return NO_PRICE
    opposite = instrument << 4 | (2 - side)
    flip = key_flip(opposite)
    displayed = best_level(arena, opposite | layout.DISPLAYED)
    hidden = best_level(arena, opposite | layout.HIDDEN_BOOK)
    while True:
        level = better_level(arena, displayed, hidden)
        if level == 0:
            return price_beside(arena, instrument, side, limit, NO_PRICE)
        key = level_key(arena, level)
        if key > limit ^ flip or not is_only_own(arena, level, owner):
            return price_beside(arena, instrument, side, limit, key ^ flip)
        if level == displayed:
            displayed = next_level(arena, level)
        else:
            hidden = next_level(arena, level)


@kernel
def is_only_own(arena: ArenaHeader, level: int, owner: int) -> bool:
    """Return whether every order in the level is of this participant."""
    slot = level_addr(arena, level).head
    while slot != 0:
        if order_owner(arena, slot) != owner:
            return False
        slot = slot_addr(arena, slot).next
    return True


@kernel
def others_wait(arena: ArenaHeader, instrument: int, side: int, owner: int) -> bool:
    """Return whether a market order of another participant waits opposite to ``side``."""
    ext = first_waiting(arena, instrument, const.BUY + const.SELL - side)
    while ext != 0:
        if order_owner(arena, ext.slot) != owner:
            return True
        ext = next_waiting(arena, ext)
    return False


@kernel_outlined
def take_waiting(
    arena: ArenaHeader, instrument: int, side: int, limit: int, at_last: bool, qty: int
) -> int:
    """Match the taker, ``qty`` lots of it, with the market orders that wait opposite, oldest first.
    Returns its remainder; sets WAITING_PRICE to the price, or to NO_PRICE without one."""
    price = waiting_price(arena, instrument, side, limit, at_last)
    arena.waiting_price = price
    if price == NO_PRICE:
        return qty
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    has_budget = arena.taker_has_budget != 0
    while qty > 0:
        ext = first_waiting(arena, instrument, const.BUY + const.SELL - side)
        lots = qty
        if has_budget:
            budget = arena.taker_budget
            lots = lots_for(arena, instrument, budget, price, qty)
        if ext == 0 or lots == 0:
            break
        maker = ext.slot
        if mode != const.ALLOW and order_owner(arena, maker) == owner:
            qty = prevent_self_trade(arena, instrument, maker, mode, qty)
            continue
        lots = min(lots, slot_addr(arena, maker).qty)
        if has_budget:
            spend(arena, lots, price)
        qty -= lots
        fill_waiting(arena, instrument, maker, price, lots, qty)
    return qty


@kernel_outlined
def fill_waiting(
    arena: ArenaHeader, instrument: int, maker: int, price: int, traded: int, left: int
) -> None:
    """Trade ``traded`` lots with an order that waits; ``left``: the taker's leaves after it."""
    at = slot_addr(arena, maker)
    maker_id, taker_id = at.id, arena.taker_id
    leaves = at.qty - traded
    if VERIFY:
        assert traded > 0, "a trade has lots"
        assert leaves >= 0, "no order trades more than it has"
    word = order_tag(arena, maker) | const.FILLED | const.MAKER
    emit_next(arena, maker_id, taker_id, price, traded, leaves, word)
    word = arena.taker_word | const.FILLED
    emit_next(arena, taker_id, maker_id, price, traded, left, word)
    instrument_addr(arena, instrument).last_price = price
    set_leaves(arena, instrument, maker, leaves)


@kernel_outlined
def set_leaves(arena: ArenaHeader, instrument: int, slot: int, leaves: int) -> None:
    """Set how much is open of an order that waits; with nothing open it is removed."""
    if leaves == 0:
        remove_order(arena, instrument, slot)
    else:
        touch_order(arena, slot)
        slot_addr(arena, slot).qty = leaves


@kernel_outlined
def prevent_with_waiting(
    arena: ArenaHeader, instrument: int, side: int, limit: int, at_last: bool, qty: int, looks: bool
) -> int:
    """Apply the taker's mode to every own order that waits opposite; returns its remainder.
    ``looks``: nothing happens, and 0 means that there is such an order."""
    mode, owner = arena.taker_mode, arena.taker_word & 0xFFFF
    price = waiting_price(arena, instrument, side, limit, at_last)
    arena.waiting_price = price
    if price == NO_PRICE:
        return qty
    ext = first_waiting(arena, instrument, const.BUY + const.SELL - side)
    while ext != 0 and qty > 0:
        following, slot = next_waiting(arena, ext), ext.slot
        if order_owner(arena, slot) == owner:
            if looks:
                return 0
            qty = prevent_self_trade(arena, instrument, slot, mode, qty)
        ext = following
    return qty


@kernel_outlined
def simulate_waiting(arena: ArenaHeader, instrument: int, side: int, left: int) -> tuple[int, bool]:
    """Return what remains of ``left`` lots of the taker after those that wait opposite, and whether
    an own order ends it there."""
    mode, owner = arena.taker_mode, arena.taker_word & 0xFFFF
    ext = first_waiting(arena, instrument, const.BUY + const.SELL - side)
    while ext != 0 and left > 0:
        slot = ext.slot
        if mode == const.ALLOW or order_owner(arena, slot) != owner:
            left -= min(left, slot_addr(arena, slot).qty)
        elif mode != const.CANCEL_OLDEST:
            return left, True
        ext = next_waiting(arena, ext)
    return left, False


# Both sides


@kernel
def waiting_cross(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether market orders wait on both sides, and there is a price for them by now."""
    state = instrument_addr(arena, instrument)
    if not crosses_waiting(arena, instrument, const.BUY):
        return False
    if not crosses_waiting(arena, instrument, const.SELL):
        return False
    last, reference = state.last_price, state.reference
    return last != NO_PRICE or reference != NO_PRICE
