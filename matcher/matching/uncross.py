# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""The end of a call: one price, all that trades at it, and what becomes of the rest."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    become_limit,
    best_level,
    book_of,
    count_order,
    end,
    first_order,
    forget,
    next_order,
    reason_word,
    refuse_place,
    show,
    stand,
    unlist,
    withdraw,
)
from openoutcry.matcher.book.instrument_rules import is_market, rule_addr
from openoutcry.matcher.book.levels import (
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    slot_addr,
)
from openoutcry.matcher.book.orders import extension_of, order_address, order_leaves, touch_order
from openoutcry.matcher.events import event_address, tell
from openoutcry.matcher.matching.auction_price import crossing_price
from openoutcry.matcher.matching.cascade import passive_price
from openoutcry.matcher.matching.stops import elect, next_elected
from openoutcry.matcher.matching.take import better_level
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u32, store_i64, store_u8
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def uncross(arena: int, instrument: int) -> None:
    """Find the price, stops that it elects included, trade, and clear away what was only for
    this."""
    price = crossing_price(arena, instrument)
    while price != NO_PRICE and elect_at(arena, instrument, price) > 0:
        price = crossing_price(arena, instrument)
    volume, surplus = load_i64(arena + layout.CROSS_VOLUME), load_i64(arena + layout.CROSS_SURPLUS)
    word = event_address(instrument, load_i64(arena + layout.CROSS_SIDE), 0) | const.UNCROSSED
    tell(arena, 0, 0, price, volume, surplus, word)
    if price != NO_PRICE:
        trade_all(arena, instrument, price)
        state = instrument_addr(arena, instrument)
        store_i64(state + layout.LAST_PRICE, price)
        store_i64(state + layout.REFERENCE, price)
    for side in range(const.BUY, const.SELL + 1):
        clear_rests(arena, instrument, side, price)


# Stops


@kernel_outlined
def elect_at(arena: int, instrument: int, price: int) -> int:
    """Let every stop that ``price`` elects join the auction; returns how many."""
    count = 0
    slot = next_elected(arena, instrument, price, price)
    while slot != 0:
        join_auction(arena, instrument, slot)
        count += 1
        slot = next_elected(arena, instrument, price, price)
    return count


@kernel_outlined
def join_auction(arena: int, instrument: int, slot: int) -> None:
    """An elected stop is a market or limit order of the auction."""
    elect(arena, slot)
    ext = extension_of(arena, slot)
    side, tif = load_u8(ext + layout.EXT_SIDE), load_u8(ext + layout.EXT_TIF)
    qty = load_i64(slot_addr(arena, slot) + layout.SLOT_QTY)
    is_limit = load_u8(ext + layout.EXT_TYPE) == const.STOP_LIMIT
    price = load_i64(ext + layout.EXT_PRICE)
    if not is_limit:
        price = MAX_VALUE if side == const.BUY else NO_PRICE
    book = book_of(instrument, layout.DISPLAYED, side)
    reason = refuse_place(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        end(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    if is_limit:
        become_limit(arena, ext, price)
    else:
        count_order(arena, instrument, load_u8(ext + layout.EXT_TYPE), tif, 0, -1)
        count_order(arena, instrument, const.MARKET, tif, 0, 1)
        unlist(arena, ext)
        store_u8(ext + layout.EXT_TYPE, const.MARKET)
        store_i64(ext + layout.EXT_PRICE, price)
    stand(arena, book, price, slot, qty)


# Trades


@kernel_outlined
def trade_all(arena: int, instrument: int, price: int) -> None:
    """Trade the buyers at ``price`` or better with the sellers, each side best first."""
    buyer = first_willing(arena, instrument, const.BUY, price)
    seller = first_willing(arena, instrument, const.SELL, price)
    while buyer != 0 and seller != 0:
        traded = min(order_leaves(arena, buyer), order_leaves(arena, seller))
        tell_fill(arena, buyer, seller, price, traded)
        tell_fill(arena, seller, buyer, price, traded)
        settle_fill(arena, instrument, buyer, traded)
        settle_fill(arena, instrument, seller, traded)
        buyer = first_willing(arena, instrument, const.BUY, price)
        seller = first_willing(arena, instrument, const.SELL, price)


@kernel_outlined
def first_willing(arena: int, instrument: int, side: int, price: int) -> int:
    """The first order of ``side``, displayed before hidden, that trades at ``price``, or 0."""
    shown = book_of(instrument, layout.DISPLAYED, side)
    unseen = book_of(instrument, layout.HIDDEN_BOOK, side)
    level = better_level(arena, best_level(arena, shown), best_level(arena, unseen))
    if level == 0 or level_key(arena, level) > price ^ key_flip(shown):
        return 0
    return load_u32(level_addr(arena, level) + layout.LEVEL_HEAD)


@kernel_outlined
def tell_fill(arena: int, slot: int, other: int, price: int, traded: int) -> None:
    order_id = load_i64(slot_addr(arena, slot) + layout.SLOT_ID)
    other_id = load_i64(slot_addr(arena, other) + layout.SLOT_ID)
    leaves = order_leaves(arena, slot) - traded
    word = order_address(arena, slot) | const.FILLED | const.AUCTION
    tell(arena, order_id, other_id, price, traded, leaves, word)


@kernel_outlined
def settle_fill(arena: int, instrument: int, slot: int, traded: int) -> None:
    """Take what was traded off the order, which keeps its place."""
    left = order_leaves(arena, slot) - traded
    if left == 0:
        forget(arena, instrument, slot)
        return
    at = slot_addr(arena, slot)
    before = load_i64(at + layout.SLOT_QTY)
    shown = show(arena, slot, extension_of(arena, slot), left)
    total_at = level_addr(arena, load_u32(at + layout.SLOT_LEVEL)) + layout.LEVEL_TOTAL
    others = load_i64(total_at) - before
    if shown > MAX_VALUE - others:
        end(arena, instrument, slot, reason_word(const.CANCELLED, const.LEVEL_OVERFLOW))
        return
    touch_order(arena, slot)
    store_i64(at + layout.SLOT_QTY, shown)
    store_i64(total_at, others + shown)


# Rests


@kernel_outlined
def clear_rests(arena: int, instrument: int, side: int, price: int) -> None:
    """What was only for this auction goes, market orders stay at its price or go."""
    slot = first_order(arena, book_of(instrument, layout.DISPLAYED, side))
    while slot != 0:
        following = next_order(arena, slot)
        ext = extension_of(arena, slot)
        if ext != 0:
            if load_u8(ext + layout.EXT_TIF) >= const.AT_OPEN:
                end(arena, instrument, slot, reason_word(const.CANCELLED, const.AUCTION_REST))
            elif is_market(load_u8(ext + layout.EXT_TYPE)):
                clear_market(arena, instrument, slot, ext, price)
        slot = following


@kernel_outlined
def clear_market(arena: int, instrument: int, slot: int, ext: int, price: int) -> None:
    """A market order that is left: a limit order at the auction's price from here on, or gone."""
    stays = load_u8(ext + layout.EXT_TYPE) == const.MARKET_TO_LIMIT
    if not stays and load_u8(ext + layout.EXT_TIF) == const.DAY:
        options = load_u8(rule_addr(arena, instrument) + const.RULE_OPTIONS)
        stays = options & const.MARKET_REST_STAYS != 0
    if stays and price != NO_PRICE:
        # The reference at which only market orders traded may be no valid price.
        price = passive_price(arena, instrument, load_u8(ext + layout.EXT_SIDE), price)
    if price == NO_PRICE or not stays:
        end(arena, instrument, slot, reason_word(const.CANCELLED, const.MARKET_REST))
        return
    at = slot_addr(arena, slot)
    qty = load_i64(at + layout.SLOT_QTY)
    word = order_address(arena, slot) | const.CONVERTED
    book = book_of(instrument, layout.DISPLAYED, load_u8(ext + layout.EXT_SIDE))
    withdraw(arena, slot)
    reason = refuse_place(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        end(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    tell(arena, load_i64(at + layout.SLOT_ID), 0, price, qty, qty, word)
    become_limit(arena, ext, price)
    stand(arena, book, price, slot, qty)
