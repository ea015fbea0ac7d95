"""The cascade after a command in continuous trading: stops, all-or-none orders, pegs."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    ELECTED_AS_POST_ONLY,
    become_market,
    best_price,
    book_of,
    cancel_order,
    convert_to_limit,
    first_order,
    leave_book,
    next_order,
    reason_word,
    refuse_join,
    remove_order,
)
from openoutcry.matcher.book.arena import ArenaHeader, InstrumentState
from openoutcry.matcher.book.instrument_rules import (
    add_saturating,
    ceil_step,
    floor_step,
    has_price,
    is_within,
    rule_addr,
)
from openoutcry.matcher.book.levels import book_addr, instrument_addr, key_flip, slot_addr
from openoutcry.matcher.book.marks import marks_of
from openoutcry.matcher.book.orders import extension_of, order_tag, plain_price
from openoutcry.matcher.events import emit_next
from openoutcry.matcher.matching.allocation import rest_after_arrival
from openoutcry.matcher.matching.lists import settle_lists
from openoutcry.matcher.matching.pegs import quotes_moved, repeg_all
from openoutcry.matcher.matching.stops import (
    QUOTES_ELECT,
    displayed_price,
    elect,
    elected_now,
    electing_price,
    election_marks,
    move_triggers,
    widest_marks,
)
from openoutcry.matcher.matching.take import (
    ALL_BOOKS,
    WAITING_ONLY,
    crosses,
    crosses_any,
    fillable,
    set_taker,
    take,
)
from openoutcry.matcher.matching.waiting import (
    crosses_waiting,
    first_waiting,
    let_wait,
    may_wait,
    set_leaves,
    waiting_cross,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.records import MAX_VALUE, NO_PRICE


@kernel_outlined
def cascade(arena: ArenaHeader, instrument: int) -> None:
    """Settle lists, move trailing stops, elect stops one by one, trade all-or-none orders, reprice
    pegs; start again after each, until nothing changes or legs of lists are due."""
    state = instrument_addr(arena, instrument)
    by_quote = rule_addr(arena, instrument).options & QUOTES_ELECT
    again = True
    while again:
        again = False
        if state.mode & layout.MODE_LISTS != 0:
            settle_lists(arena, instrument)
            if state.due_first != 0:
                return
        last = electing_price(arena, instrument)
        moved = last != state.cascaded_last
        own = state.stop_count != 0 and marks_of(arena, instrument).own_triggers != 0
        if state.stop_count != 0 and (moved or by_quote != 0 or own):
            if (moved or own) and state.trailing_count != 0:
                move_triggers(arena, instrument)
            slot = elected_now(arena, instrument)
            if slot != 0:
                enter_elected(arena, instrument, slot)
                again = True
                # One election may enable another, whatever the last price.
                state.cascaded_last = NO_PRICE
                continue
        state.cascaded_last = last
        if waiting_cross(arena, instrument):
            trade_waiting(arena, instrument)
            again = True
            continue
        if (
            all_or_none_crosses(arena, instrument, state)
            and trade_all_or_none(arena, instrument) != 0
        ):
            again = True
            continue
        if state.peg_count != 0:
            again = repeg_all(arena, instrument) != 0


@kernel
def is_stable(arena: ArenaHeader, instrument: int, state: InstrumentState) -> bool:
    """Return whether :func:`cascade` is known to have nothing to do, by a cheap test."""
    if state.mode & layout.MODE_LISTS != 0:
        return False
    if state.stop_count != 0 and not no_stop_elected(arena, instrument, state):
        return False
    if state.peg_count != 0 and quotes_moved(arena, instrument, state):
        return False
    return not (all_or_none_crosses(arena, instrument, state) or waiting_cross(arena, instrument))


@kernel
def no_stop_elected(arena: ArenaHeader, instrument: int, state: InstrumentState) -> bool:
    """Return whether no stop can be elected and none trails at current prices."""
    last = electing_price(arena, instrument)
    moved = last != state.cascaded_last
    options = rule_addr(arena, instrument).options
    own = marks_of(arena, instrument).own_triggers != 0
    if options & QUOTES_ELECT == 0 and not moved and not own:
        return True
    if last == NO_PRICE or ((moved or own) and state.trailing_count != 0):
        return False
    rise, fall = election_marks(arena, instrument)
    if options & const.STOPS_BY_QUOTE != 0:
        # Take-profits have the other mark: the farther one finds all that may be elected.
        rise, fall = max(rise, fall), fall if fall != NO_PRICE else rise
    if own:
        rise, fall = widest_marks(arena, instrument, rise, fall)
    if fall == NO_PRICE:
        fall = MAX_VALUE
    triggers = instrument << 4 | layout.TRIGGERS
    return not (crosses(arena, triggers | 1, rise) or crosses(arena, triggers, ~fall))


@kernel
def all_or_none_crosses(arena: ArenaHeader, instrument: int, state: InstrumentState) -> bool:
    """Return whether the best all-or-none order of either side crosses the opposite books."""
    if state.all_or_none_count == 0:
        return False
    bids = instrument << 4 | layout.ALL_OR_NONE_BOOK
    return best_all_or_none_crosses(arena, bids) or best_all_or_none_crosses(arena, bids | 1)


@kernel
def best_all_or_none_crosses(arena: ArenaHeader, book: int) -> bool:
    """Return whether the best all-or-none order of a book meets a price of the other side."""
    side = book_addr(arena, book)
    return side.best_level != 0 and (
        crosses_any(arena, book, ~side.best_key)
        or crosses_waiting(arena, book >> 4, (book & 1) + const.BUY)
    )


# Stops


@kernel_outlined
def enter_elected(arena: ArenaHeader, instrument: int, slot: int) -> None:
    """Elect the stop and enter it as a new taker."""
    elect(arena, slot)
    settle_lists(arena, instrument)
    ext = extension_of(arena, slot)
    at = slot_addr(arena, slot)
    side = ext.side
    price = ext.price
    can_take, limit, rest_price, books = 1, price, price, ALL_BOOKS
    order_type = ext.type
    is_limit = has_price(order_type)
    if (ELECTED_AS_POST_ONLY >> order_type) & 1 != 0:
        best = best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
        crossed = best != NO_PRICE and (price >= best if side == const.BUY else price <= best)
        if crossed or crosses_waiting(arena, instrument, side):
            reason = const.WOULD_CROSS
            cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
            return
        can_take = 0
    if not is_limit:
        can_take, limit, rest_price = market_limit(arena, instrument, side)
        if ext.tif != const.DAY:
            rest_price = NO_PRICE
        if can_take == 0 and crosses_waiting(arena, instrument, side):
            can_take, books = 1, WAITING_ONLY
    qty = at.qty
    book = book_of(instrument, layout.DISPLAYED, side)
    if rest_price != NO_PRICE:
        reason = refuse_join(arena, book, rest_price, qty, 0)
        if reason != const.ACCEPT:
            cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, reason))
            return
    word = order_tag(arena, slot)
    set_taker(arena, at.id, word, price, ext.mode)
    left = qty
    arena.taker_unpriced = 0 if is_limit else 1
    if can_take != 0:
        left = take(arena, instrument, side, limit, qty, books)
    at.qty = left
    if left == 0:
        remove_order(arena, instrument, slot)
    elif rest_price == NO_PRICE:
        if (
            may_wait(arena, instrument, const.MARKET, ext.tif)
            and best_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE) == NO_PRICE
        ):
            become_market(arena, ext)
            let_wait(arena, ext, left)
        else:
            cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.MARKET_REST))
    else:
        if not is_limit:
            emit_next(
                arena,
                at.id,
                0,
                rest_price,
                left,
                left,
                word | const.CONVERTED,
            )
        convert_to_limit(arena, ext, rest_price)
        rest_after_arrival(arena, book, rest_price, slot, left)


@kernel_outlined
def market_limit(arena: ArenaHeader, instrument: int, side: int) -> tuple[int, int, int]:
    """A market order's limits: (whether it may trade, limit price, price at which its remainder may
    rest or NO_PRICE)."""
    rule = rule_addr(arena, instrument)
    band = rule.market_band_ticks
    farthest = MAX_VALUE if side == const.BUY else NO_PRICE
    if band == 0:
        return 1, farthest, NO_PRICE
    best = displayed_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
    if best == NO_PRICE:
        return 0, farthest, NO_PRICE
    limit = add_saturating(best, band if side == const.BUY else -band)
    if rule.options & const.MARKET_REST_STAYS == 0:
        return 1, limit, NO_PRICE
    return 1, limit, passive_price(arena, instrument, side, limit)


@kernel_outlined
def passive_price(arena: ArenaHeader, instrument: int, side: int, limit: int) -> int:
    """``limit`` rounded to the passive side to a price that an order may have, or NO_PRICE."""
    state = instrument_addr(arena, instrument)
    if side == const.BUY:
        price = floor_step(arena, instrument, min(limit, state.max_price), 0)
    else:
        price = ceil_step(arena, instrument, max(limit, state.min_price), 0)
    return price if is_within(arena, instrument, price) else NO_PRICE


# Market orders that wait


@kernel_outlined
def trade_waiting(arena: ArenaHeader, instrument: int) -> None:
    """Market orders wait on both sides, and have a price by now: of the two oldest the younger
    takes."""
    buy = first_waiting(arena, instrument, const.BUY)
    ext = first_waiting(arena, instrument, const.SELL)
    if buy.arrival > ext.arrival:
        ext = buy
    slot, side = ext.slot, ext.side
    at, price = slot_addr(arena, slot), ext.price
    word, mode = order_tag(arena, slot), ext.mode
    set_taker(arena, at.id, word, price, mode)
    arena.taker_unpriced = 1
    qty = at.qty
    left = take(arena, instrument, side, price, qty, WAITING_ONLY)
    set_leaves(arena, instrument, slot, left)


# All-or-none


@kernel_outlined
def trade_all_or_none(arena: ArenaHeader, instrument: int) -> int:
    """Trade the first all-or-none order that can be filled whole; returns whether there was one."""
    for side in range(const.BUY, const.SELL + 1):
        book = book_of(instrument, layout.ALL_OR_NONE_BOOK, side)
        slot = first_order(arena, book)
        # If an order crosses nothing, neither do those after it.
        while slot != 0 and (
            crosses_any(arena, book, plain_price(arena, slot) ^ key_flip(book ^ 1))
            or crosses_waiting(arena, instrument, side)
        ):
            at = slot_addr(arena, slot)
            price, qty = plain_price(arena, slot), at.qty
            word = order_tag(arena, slot)
            mode = extension_of(arena, slot).mode
            set_taker(arena, at.id, word, price, mode)
            if fillable(arena, instrument, side, price, qty, ALL_BOOKS) == qty:
                leave_book(arena, slot)
                left = take(arena, instrument, side, price, qty, ALL_BOOKS)
                if VERIFY:
                    assert left == 0
                remove_order(arena, instrument, slot)
                return 1
            slot = next_order(arena, slot)
    return 0
