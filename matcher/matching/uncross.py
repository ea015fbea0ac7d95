"""The uncrossing of an auction call: one price, the trades at it, the remainders."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    become_market,
    best_level,
    better_level,
    book_of,
    cancel_order,
    convert_to_limit,
    display_slice,
    first_order,
    join_book,
    leave_book,
    next_order,
    reason_word,
    refuse_join,
    remove_order,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.instrument_rules import (
    has_price,
    is_for_auction,
    is_market,
    rule_addr,
)
from openoutcry.matcher.book.levels import (
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    slot_addr,
)
from openoutcry.matcher.book.orders import extension_of, order_leaves, order_tag, touch_order
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.matcher.matching.auction_price import crossing_price
from openoutcry.matcher.matching.cascade import passive_price
from openoutcry.matcher.matching.lists import note_trade, settle_lists
from openoutcry.matcher.matching.stops import elect, next_elected
from openoutcry.matcher.matching.waiting import let_wait, may_wait
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def uncross(arena: ArenaHeader, instrument: int) -> None:
    """Find the price, elected stops included, trade, and cancel the auction-only remainders."""
    price = crossing_price(arena, instrument)
    while price != NO_PRICE and elect_stops(arena, instrument, price) > 0:
        price = crossing_price(arena, instrument)
    volume, surplus = arena.cross_volume, arena.cross_surplus
    word = event_tag(instrument, arena.cross_side, 0) | const.UNCROSSED
    emit_next(arena, 0, 0, price, volume, surplus, word)
    if price != NO_PRICE:
        trade_all(arena, instrument, price)
        state = instrument_addr(arena, instrument)
        state.last_price = price
        state.reference = price
    for side in range(const.BUY, const.SELL + 1):
        cancel_remainders(arena, instrument, side, price)


# Stops


@kernel_outlined
def elect_stops(arena: ArenaHeader, instrument: int, price: int) -> int:
    """Elect every stop that ``price`` triggers into the auction; returns how many."""
    count = 0
    slot = next_elected(arena, instrument, price, price, price)
    while slot != 0:
        join_auction(arena, instrument, slot)
        count += 1
        slot = next_elected(arena, instrument, price, price, price)
    return count


@kernel_outlined
def join_auction(arena: ArenaHeader, instrument: int, slot: int) -> None:
    """An elected stop joins as what it becomes."""
    elect(arena, slot)
    settle_lists(arena, instrument)
    ext = extension_of(arena, slot)
    side = ext.side
    qty = slot_addr(arena, slot).qty
    is_limit = has_price(ext.type)
    price = ext.price
    if not is_limit:
        price = MAX_VALUE if side == const.BUY else NO_PRICE
    book = book_of(instrument, layout.DISPLAYED, side)
    reason = refuse_join(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    if is_limit:
        convert_to_limit(arena, ext, price)
    else:
        become_market(arena, ext)
        ext.price = price
    join_book(arena, book, price, slot, qty)


# Trades


@kernel_outlined
def trade_all(arena: ArenaHeader, instrument: int, price: int) -> None:
    """Trade all executable orders at ``price``, each side in price-time priority."""
    buyer = first_executable(arena, instrument, const.BUY, price)
    seller = first_executable(arena, instrument, const.SELL, price)
    while buyer != 0 and seller != 0:
        traded = min(order_leaves(arena, buyer), order_leaves(arena, seller))
        emit_fill(arena, buyer, seller, price, traded)
        emit_fill(arena, seller, buyer, price, traded)
        apply_fill(arena, instrument, buyer, traded)
        apply_fill(arena, instrument, seller, traded)
        buyer = first_executable(arena, instrument, const.BUY, price)
        seller = first_executable(arena, instrument, const.SELL, price)


@kernel_outlined
def first_executable(arena: ArenaHeader, instrument: int, side: int, price: int) -> int:
    """The first order of ``side``, displayed before hidden, executable at ``price``, or 0."""
    displayed = book_of(instrument, layout.DISPLAYED, side)
    hidden = book_of(instrument, layout.HIDDEN_BOOK, side)
    level = better_level(arena, best_level(arena, displayed), best_level(arena, hidden))
    if level == 0 or level_key(arena, level) > price ^ key_flip(displayed):
        return 0
    return level_addr(arena, level).head


@kernel_outlined
def emit_fill(arena: ArenaHeader, slot: int, other: int, price: int, traded: int) -> None:
    """Write the FILLED event of one side of an auction trade."""
    order_id = slot_addr(arena, slot).id
    other_id = slot_addr(arena, other).id
    leaves = order_leaves(arena, slot) - traded
    word = order_tag(arena, slot) | const.FILLED | const.AUCTION
    emit_next(arena, order_id, other_id, price, traded, leaves, word)


@kernel_outlined
def apply_fill(arena: ArenaHeader, instrument: int, slot: int, traded: int) -> None:
    """Reduce the order by the traded lots; it keeps its priority."""
    left = order_leaves(arena, slot) - traded
    if left == 0:
        remove_order(arena, instrument, slot)
        return
    at = slot_addr(arena, slot)
    before = at.qty
    displayed = display_slice(arena, slot, extension_of(arena, slot), left)
    total_at = level_addr(arena, at.level) + layout.LEVEL_TOTAL
    others = load_i64(total_at) - before
    if displayed > MAX_VALUE - others:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.LEVEL_OVERFLOW))
        return
    touch_order(arena, slot)
    at.qty = displayed
    store_i64(total_at, others + displayed)
    note_trade(arena, slot)


# Remainders


@kernel_outlined
def cancel_remainders(arena: ArenaHeader, instrument: int, side: int, price: int) -> None:
    """Cancel auction-only remainders; market orders convert at the price or are cancelled."""
    slot = first_order(arena, book_of(instrument, layout.DISPLAYED, side))
    while slot != 0:
        following = next_order(arena, slot)
        ext = extension_of(arena, slot)
        if ext != 0:
            if is_for_auction(ext.tif):
                cancel_order(
                    arena, instrument, slot, reason_word(const.CANCELLED, const.AUCTION_REST)
                )
            elif is_market(ext.type):
                convert_market(arena, instrument, slot, ext, price)
        slot = following


@kernel_outlined
def convert_market(
    arena: ArenaHeader, instrument: int, slot: int, ext: Extension, price: int
) -> None:
    """A market order's remainder: it waits, is converted to a limit order at the auction price, or
    is cancelled."""
    order_type, tif = ext.type, ext.tif
    if may_wait(arena, instrument, order_type, tif):
        leave_book(arena, slot)
        let_wait(arena, ext, slot_addr(arena, slot).qty)
        return
    stays = order_type == const.MARKET_TO_LIMIT
    if not stays and tif == const.DAY:
        options = rule_addr(arena, instrument).options
        stays = options & const.MARKET_REST_STAYS != 0
    if stays and price != NO_PRICE:
        # The reference at which only market orders traded may be no valid price.
        price = passive_price(arena, instrument, ext.side, price)
    if price == NO_PRICE or not stays:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.MARKET_REST))
        return
    at = slot_addr(arena, slot)
    qty = at.qty
    word = order_tag(arena, slot) | const.CONVERTED
    book = book_of(instrument, layout.DISPLAYED, ext.side)
    leave_book(arena, slot)
    reason = refuse_join(arena, book, price, qty, 0)
    if reason != const.ACCEPT:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
        return
    emit_next(arena, at.id, 0, price, qty, qty, word)
    convert_to_limit(arena, ext, price)
    join_book(arena, book, price, slot, qty)
