"""Self-trade prevention: what a taker and a maker of one participant lose."""

import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import cancel_order, reason_word
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import rule_addr
from openoutcry.matcher.book.levels import slot_addr
from openoutcry.matcher.book.orders import (
    extension_of,
    order_leaves,
    order_price,
    order_tag,
    plain_price,
    reduce_in_level,
    touch_order,
)
from openoutcry.matcher.events import emit_next
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined


@kernel_outlined
def prevent_self_trade(arena: ArenaHeader, instrument: int, maker: int, mode: int, qty: int) -> int:
    """Taker and maker belong to one participant: apply the mode; returns the taker's remainder."""
    if mode == const.DECREMENT:
        leaves = order_leaves(arena, maker)
        both = min(qty, leaves)
        if arena.taker_has_budget != 0:
            both = decrement_budget(arena, instrument, maker, qty, leaves)
            if both == 0:
                return qty
        decrement_maker(arena, instrument, maker, both, leaves - both)
        emit_taker(arena, const.REDUCED if qty > both else const.CANCELLED, both, qty - both)
        return qty - both
    if mode != const.CANCEL_NEWEST:
        cancel_order(arena, instrument, maker, reason_word(const.CANCELLED, const.SELF_TRADE))
    if mode == const.CANCEL_OLDEST:
        return qty
    if VERIFY:
        assert mode in (const.CANCEL_NEWEST, const.CANCEL_BOTH)
    emit_taker(arena, const.CANCELLED, qty, 0)
    return 0


@kernel_outlined
def decrement_budget(arena: ArenaHeader, instrument: int, maker: int, qty: int, leaves: int) -> int:
    """Take what the smaller of both orders, ``qty`` and ``leaves``, costs at the maker's price off
    the taker's budget, or as many lots as it pays for; returns how many."""
    budget = arena.taker_budget
    price = arena.waiting_price
    if slot_addr(arena, maker).level != 0:
        price = plain_price(arena, maker)
    lots = min(lots_for(arena, instrument, budget, price, qty), leaves)
    spend(arena, lots, price)
    return lots


@kernel
def spend(arena: ArenaHeader, lots: int, price: int) -> None:
    """Take what ``lots`` at ``price`` cost off the taker's budget."""
    left = arena.taker_budget - lots * price
    if VERIFY:
        assert left >= 0, "no order trades for more than its budget"
    arena.taker_budget = left


@kernel_outlined
def lots_for(arena: ArenaHeader, instrument: int, budget: int, price: int, qty: int) -> int:
    """Return how many of ``qty`` lots (all that its order still wants) ``budget`` pays for at
    ``price``: all of them, or else whole steps of the instrument.  At a price of zero or less,
    0."""
    if price <= 0:
        return 0
    lots = budget // price
    if lots >= qty:
        return qty
    return lots - lots % rule_addr(arena, instrument).qty_step_lots


@kernel
def emit_taker(arena: ArenaHeader, kind: int, qty: int, leaves: int) -> None:
    """Write an event of the taker whose reason is SELF_TRADE."""
    word = arena.taker_word | reason_word(kind, const.SELF_TRADE)
    price = arena.taker_price
    emit_next(arena, arena.taker_id, 0, price, qty, leaves, word)


@kernel
def decrement_maker(arena: ArenaHeader, instrument: int, maker: int, qty: int, leaves: int) -> None:
    """Take lots off a maker of the same participant; with none left it is cancelled."""
    if leaves == 0:
        cancel_order(arena, instrument, maker, reason_word(const.CANCELLED, const.SELF_TRADE))
        return
    word = order_tag(arena, maker) | reason_word(const.REDUCED, const.SELF_TRADE)
    order_id = slot_addr(arena, maker).id
    emit_next(arena, order_id, 0, order_price(arena, maker), qty, leaves, word)
    reduce_order(arena, maker, qty)


@kernel_outlined
def reduce_order(arena: ArenaHeader, slot: int, qty: int) -> None:
    """Reduce an order by ``qty`` lots, fewer than its leaves: an iceberg's reserve first."""
    touch_order(arena, slot)
    ext = extension_of(arena, slot)
    if ext != 0:
        spared = min(qty, ext.reserve)
        ext.reserve -= spared
        qty -= spared
    at = slot_addr(arena, slot)
    if qty == 0:
        return
    if at.level != 0:
        reduce_in_level(arena, slot, qty)
    else:
        at.qty -= qty


@kernel
def applies_first(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether self-trade prevention comes before any trade."""
    options = rule_addr(arena, instrument).options
    return options & const.SELF_TRADE_FIRST != 0
