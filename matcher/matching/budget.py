"""Orders for a budget: they take while what is left of it, price ticks times lots, pays for lots.

The header's TAKER_BUDGET word is what is left; no other order reads it.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    better_level,
    first_order,
    next_order,
    reason_word,
)
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import is_market, is_pro_rata
from openoutcry.matcher.book.levels import (
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.matcher.book.orders import order_owner
from openoutcry.matcher.events import emit_next
from openoutcry.matcher.matching.self_trade import (
    applies_first,
    lots_for,
    prevent_self_trade,
    spend,
)
from openoutcry.matcher.matching.take import (
    WAITING_ONLY,
    allocate_level,
    displayed_at_head,
    fill,
    front_level,
    has_own_order,
    prevent_first,
    simulate_level,
)
from openoutcry.matcher.matching.waiting import (
    crosses_waiting,
    is_only_own,
    simulate_waiting,
    take_waiting,
    waiting_price_after_prevention,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

GOES_ON, PAYS_NO_MORE = 1, 2
"""TAKER_HAS_BUDGET: what is left of the budget pays for no lot at the current price."""


@kernel_outlined
def enter_budget(
    arena: ArenaHeader,
    order: OrderRecord,
    instrument: int,
    side: int,
    can_take: int,
    limit: int,
    books: int,
) -> None:
    """Let the new order, whose taker is set, trade up to the price ``limit``, and cancel what is
    left of it.  A FOK order that would not be used up is cancelled instead."""
    qty, budget = order.qty_lots, order.aux
    tif = (order.word >> const.TIF_SHIFT) & 0xF
    arena.taker_has_budget = GOES_ON
    arena.taker_budget = budget
    left, reason = qty, const.FOK_UNFILLABLE
    if tif != const.FOK or (
        can_take != 0 and would_be_used_up(arena, instrument, side, limit, qty, budget, books)
    ):
        if can_take != 0:
            left = take_for_budget(arena, instrument, side, limit, qty, books)
        order_type = (order.word >> const.TYPE_SHIFT) & 0xFF
        reason = const.MARKET_REST if is_market(order_type) else const.IOC_REST
        if arena.taker_has_budget == PAYS_NO_MORE:
            reason = const.OFF_LOT
    arena.taker_has_budget = 0
    if left > 0:
        word = arena.taker_word | reason_word(const.CANCELLED, reason)
        price = arena.taker_price
        emit_next(arena, arena.taker_id, 0, price, left, 0, word)


@kernel
def is_spent(arena: ArenaHeader, instrument: int, price: int, qty: int) -> bool:
    """Return whether the taker wants no more, or what is left of its budget pays for none of the
    ``qty`` lots that it wants at ``price``: then it ends there."""
    budget = arena.taker_budget
    if lots_for(arena, instrument, budget, price, qty) != 0:
        return False
    arena.taker_has_budget = PAYS_NO_MORE
    return True


@kernel_outlined
def take_for_budget(
    arena: ArenaHeader, instrument: int, side: int, limit: int, qty: int, books: int
) -> int:
    """Like ``take``, limited by the budget: it ends as soon as the rest of the budget does not pay
    for a lot at the current price."""
    opposite = instrument << 4 | (2 - side)
    flip = key_flip(opposite)
    worst = limit ^ flip
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    shares = is_pro_rata(arena, instrument)
    if mode != const.ALLOW and applies_first(arena, instrument):
        qty = prevent_first(arena, instrument, side, worst, qty, books, False)
    if crosses_waiting(arena, instrument, side):
        qty = take_waiting(arena, instrument, side, limit, False, qty)
        price = arena.waiting_price
        if price != NO_PRICE and is_spent(arena, instrument, price, qty):
            return qty
    if books == WAITING_ONLY:
        return qty
    in_time_order = 0
    aon = first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while qty > 0:
        displayed = front_level(arena, opposite | layout.DISPLAYED, worst)
        hidden = front_level(arena, opposite | layout.HIDDEN_BOOK, worst)
        level = better_level(arena, displayed, hidden)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        budget = arena.taker_budget
        if aon != 0:
            aon_key = level_key(arena, slot_addr(arena, aon).level)
            if aon_key <= worst and (level == 0 or aon_key < key):
                maker = aon
                aon = next_order(arena, aon)
                lots = lots_for(arena, instrument, budget, aon_key ^ flip, qty)
                if slot_addr(arena, maker).qty <= lots:
                    qty = match_for_budget(arena, instrument, maker, aon_key ^ flip, lots, qty)
                    if is_spent(arena, instrument, aon_key ^ flip, qty):
                        break
                continue
        if level == 0:
            break
        price = key ^ flip
        lots = lots_for(arena, instrument, budget, price, qty)
        if is_spent(arena, instrument, price, qty):
            break
        if shares != 0 and level == displayed:
            if in_time_order <= 0:
                in_time_order = level_addr(arena, level).total
                if lots < in_time_order and not has_own_order(arena, level, owner, mode):
                    allocate_level(arena, instrument, level, lots, qty - lots)
                    arena.taker_has_budget = PAYS_NO_MORE
                    return qty - lots
            in_time_order -= displayed_at_head(arena, level)
        maker = level_addr(arena, level).head
        qty = match_for_budget(arena, instrument, maker, price, lots, qty)
        if is_spent(arena, instrument, price, qty):
            break
    return qty


@kernel
def match_for_budget(
    arena: ArenaHeader, instrument: int, maker: int, price: int, lots: int, qty: int
) -> int:
    """Match ``lots`` of the taker's remaining ``qty`` with ``maker``; returns its remainder."""
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    if mode != const.ALLOW and order_owner(arena, maker) == owner:
        return prevent_self_trade(arena, instrument, maker, mode, qty)
    traded = min(lots, slot_addr(arena, maker).qty)
    spend(arena, traded, price)
    fill(arena, instrument, maker, traded, qty - traded)
    return qty - traded


@kernel_outlined
def would_be_used_up(
    arena: ArenaHeader, instrument: int, side: int, limit: int, qty: int, budget: int, books: int
) -> bool:
    """Return whether the order would trade and end by its quantity or its budget, not for want
    of others: :func:`take_for_budget` without side effects."""
    opposite = instrument << 4 | (2 - side)
    flip = key_flip(opposite)
    worst = limit ^ flip
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    ends = mode not in (const.ALLOW, const.CANCEL_OLDEST)
    if ends and applies_first(arena, instrument):
        meets = prevent_first(arena, instrument, side, worst, qty, books, True) == 0
        if meets:
            return False
    # Prevention before any trade will have cancelled its own orders.
    own_go_first = mode == const.CANCEL_OLDEST and applies_first(arena, instrument)
    left = qty
    price = NO_PRICE
    if crosses_waiting(arena, instrument, side):
        price = waiting_price_after_prevention(arena, instrument, side, limit, False)
    if price != NO_PRICE:
        lots = lots_for(arena, instrument, budget, price, left)
        if lots == 0:
            return False
        unmet, ended = simulate_waiting(arena, instrument, side, lots)
        left, budget = left - (lots - unmet), budget - (lots - unmet) * price
        if lots_for(arena, instrument, budget, price, left) == 0:
            return True
        if ended:
            return False
    if books == WAITING_ONLY:
        return False
    displayed = front_level(arena, opposite | layout.DISPLAYED, worst)
    hidden = front_level(arena, opposite | layout.HIDDEN_BOOK, worst)
    aon = first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while True:
        level = better_level(arena, displayed, hidden)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, slot_addr(arena, aon).level)
            if aon_key <= worst and (level == 0 or aon_key < key):
                price = aon_key ^ flip
                lots = lots_for(arena, instrument, budget, price, left)
                size = slot_addr(arena, aon).qty
                if size <= lots:
                    if mode == const.ALLOW or order_owner(arena, aon) != owner:
                        left, budget = left - size, budget - size * price
                        if lots_for(arena, instrument, budget, price, left) == 0:
                            return True
                    elif mode != const.CANCEL_OLDEST:
                        return False
                aon = next_order(arena, aon)
                continue
        if level == 0:
            return False
        price = key ^ flip
        if not (own_go_first and is_only_own(arena, level, owner)):
            lots = lots_for(arena, instrument, budget, price, left)
            if lots == 0:
                return price > 0 and left < qty
            unmet, ended = simulate_level(arena, level, owner, mode, lots)
            left, budget = left - (lots - unmet), budget - (lots - unmet) * price
            if lots_for(arena, instrument, budget, price, left) == 0:
                return True
            if ended:
                return False
        following = next_level(arena, level)
        if following != 0 and level_key(arena, following) > worst:
            following = 0
        if level == displayed:
            displayed = following
        else:
            hidden = following
