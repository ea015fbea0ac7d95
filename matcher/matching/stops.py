"""Waiting stops: triggers, trailing, and which is elected next."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    begin_list,
    best_level,
    cancel_order,
    first_order,
    join_book,
    leave_book,
    next_in_list,
    next_order,
    reason_word,
    refuse_join,
    trigger_book,
)
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.matcher.book.instrument_rules import (
    add_saturating,
    rule_addr,
    takes_profit,
    trails_by_bps,
)
from openoutcry.matcher.book.levels import instrument_addr, key_flip, level_key, slot_addr
from openoutcry.matcher.book.links import leg_elected
from openoutcry.matcher.book.marks import activate, marks_of
from openoutcry.matcher.book.orders import extension_of, is_older, order_leaves, order_tag
from openoutcry.matcher.events import emit_next
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

QUOTES_ELECT = const.STOPS_BY_QUOTE | const.STOPS_BY_TRADE_OR_QUOTE


@kernel
def electing_price(arena: ArenaHeader, instrument: int) -> int:
    """The last price that elects stops and that trailing ones follow, or NO_PRICE.  Before the
    first trade: the reference price, if the instrument says so."""
    state = instrument_addr(arena, instrument)
    last = state.last_price
    if last == NO_PRICE:
        options = rule_addr(arena, instrument).options
        if options & const.STOPS_BY_REFERENCE != 0:
            return state.reference
    return last


@kernel
def trailing_trigger(order_type: int, side: int, aux: int, last: int) -> int:
    """A trailing stop's trigger from the last price ``last``; NO_PRICE without one.  A distance in
    basis points is a share of the price without its sign, and at least one tick."""
    if last == NO_PRICE:
        return NO_PRICE
    distance = aux & 0xFFFFFFFF
    if trails_by_bps(order_type):
        # In parts, so that nothing overflows: floor(size * bps / 10000).
        size = max(last, -last)
        distance = max(1, size // 10_000 * distance + size % 10_000 * distance // 10_000)
    return max(NO_PRICE + 1, add_saturating(last, distance if side == const.BUY else -distance))


@kernel_outlined
def rest_stop(arena: ArenaHeader, ext: Extension, qty: int) -> None:
    """Put a stop at the back of its trigger's level, or in no level if it has no trigger yet."""
    # The next cascade checks all stops, although the last price is unchanged.
    state = instrument_addr(arena, ext.instrument)
    state.cascaded_last = NO_PRICE
    slot = ext.slot
    trigger = ext.trigger
    if trigger == NO_PRICE:
        slot_addr(arena, slot).qty = qty
        return
    book = trigger_book(ext.instrument, ext.type, ext.side)
    join_book(arena, book, trigger, slot, qty)


@kernel_outlined
def refuse_trigger(
    arena: ArenaHeader, instrument: int, order_type: int, side: int, trigger: int
) -> int:
    """Return whether the trigger book has room at ``trigger``."""
    if trigger == NO_PRICE:
        return const.ACCEPT
    return refuse_join(arena, trigger_book(instrument, order_type, side), trigger, 0, 0)


@kernel_outlined
def is_passed(
    arena: ArenaHeader, instrument: int, by: int, order_type: int, side: int, trigger: int
) -> bool:
    """Return whether a stop with this trigger would be elected at once; never before continuous
    trading."""
    if trigger == NO_PRICE or instrument_addr(arena, instrument).phase != const.CONTINUOUS:
        return False
    rise, fall = election_marks(arena, instrument)
    mark = mark_of(arena, instrument, by, order_type, side, rise, fall, NO_PRICE)
    return is_reached(trigger_book(instrument, order_type, side), trigger, mark)


@kernel
def refuse_passed(
    arena: ArenaHeader, instrument: int, by: int, order_type: int, side: int, trigger: int
) -> int:
    """Return the Reason to reject a stop whose trigger is passed, where the instrument refuses
    such, or ACCEPT."""
    if rule_addr(arena, instrument).options & const.PASSED_STOPS_REFUSED == 0:
        return const.ACCEPT
    passed = is_passed(arena, instrument, by, order_type, side, trigger)
    return const.TRIGGER_ALREADY_PASSED if passed else const.ACCEPT


@kernel_outlined
def move_triggers(arena: ArenaHeader, instrument: int) -> None:
    """Move the trailing stops' triggers by the last price, or the price that each follows, in order
    of arrival."""
    last = electing_price(arena, instrument)
    begin_list(arena, instrument, layout.TRAILING_LIST)
    ext = next_in_list(arena)
    while ext != 0:
        side = ext.side
        aux = ext.aux
        at = last
        if ext.trigger_by != 0:
            at = followed_price(arena, instrument, ext.trigger_by, ext.type, side)
            if ext.trigger_by & const.INACTIVE != 0 and is_activated(side, ext.display, at):
                activate(arena, ext)
        wanted = trailing_trigger(ext.type, side, aux, at)
        is_still = at == NO_PRICE or ext.trigger_by & const.INACTIVE != 0
        if not is_still and must_move(ext.trigger, wanted, side, max(1, aux >> 32)):
            move_trigger(arena, instrument, ext, wanted)
        ext = next_in_list(arena)


@kernel
def must_move(trigger: int, wanted: int, side: int, step: int) -> bool:
    """Return whether a trailing trigger must move to the wanted price: it has no price yet, or
    it would come at least a step nearer to the market."""
    if trigger == NO_PRICE:
        return True
    low, high = (wanted, trigger) if side == const.BUY else (trigger, wanted)
    # No difference: it may be beyond int64.
    return low < high and low <= MAX_VALUE - step and high >= low + step


@kernel_outlined
def move_trigger(arena: ArenaHeader, instrument: int, ext: Extension, trigger: int) -> None:
    """Move a trailing stop to a new trigger, with a TRIGGER_MOVED event; without room for its level
    it is cancelled."""
    slot = ext.slot
    qty = slot_addr(arena, slot).qty
    leave_book(arena, slot)
    ext.trigger = trigger
    if refuse_trigger(arena, instrument, ext.type, ext.side, trigger) != const.ACCEPT:
        cancel_order(arena, instrument, slot, reason_word(const.CANCELLED, const.BOOK_FULL))
        return
    order_id = slot_addr(arena, slot).id
    word = order_tag(arena, slot) | const.TRIGGER_MOVED | const.WAITING
    emit_next(arena, order_id, 0, trigger, qty, qty, word)
    rest_stop(arena, ext, qty)


# Election


@kernel_outlined
def next_elected(
    arena: ArenaHeader, instrument: int, rise: int, fall: int, auction_price: int
) -> int:
    """Slot of the stop that is elected next, or 0, by the marks of :func:`election_marks`.  If both
    books have one, the older.  In an uncrossing all marks are the ``auction_price`` (else
    NO_PRICE): it will be the last, and elects no stop by another price."""
    book = instrument << 4 | layout.TRIGGERS
    above = first_elected(arena, book | 1, rise, fall, auction_price)
    below = first_elected(arena, book, rise, fall, auction_price)
    if above == 0 or below == 0:
        return above | below
    is_above = is_older(arena, extension_of(arena, above), extension_of(arena, below))
    return above if is_above else below


@kernel_outlined
def first_elected(arena: ArenaHeader, book: int, rise: int, fall: int, auction_price: int) -> int:
    """The first order of a book of triggers that the marks elect, or 0.

    Stops and take-profits in it have the same mark, except by quote: then the walk passes over the
    take-profits whose triggers are inside the spread.  Those with named prices it passes
    over as far as any of their prices reaches."""
    instrument = book >> 4
    high, low = rise, fall
    if marks_of(arena, instrument).own_triggers != 0 and auction_price == NO_PRICE:
        high, low = widest_marks(arena, instrument, rise, fall)
    slot = first_order(arena, book)
    while slot != 0:
        ext = extension_of(arena, slot)
        by, kind, side = ext.trigger_by, ext.type, ext.side
        trigger = ext.trigger
        mark = mark_of(arena, instrument, by, kind, side, rise, fall, auction_price)
        if is_reached(book, trigger, mark):
            return slot
        if not (is_reached(book, trigger, high) or is_reached(book, trigger, low)):
            return 0
        slot = next_order(arena, slot)
    return 0


@kernel
def is_reached(book: int, trigger: int, mark: int) -> bool:
    """Return whether a price has reached a trigger of a book of triggers; NO_PRICE reaches none."""
    if mark == NO_PRICE:
        return False
    return trigger <= mark if book & 1 else trigger >= mark


@kernel
def mark_of(
    arena: ArenaHeader,
    instrument: int,
    by: int,
    order_type: int,
    side: int,
    rise: int,
    fall: int,
    auction_price: int,
) -> int:
    """Return which of the marks of :func:`election_marks` elects a stop.  By quote it is the best
    opposite price, of a take-profit as of a stop: the price at which it could trade.  A stop with a
    named price has its own price."""
    if by & const.BY_MASK != 0:
        if auction_price != NO_PRICE:
            return auction_price if by & const.BY_MASK == const.BY_LAST else NO_PRICE
        return followed_price(arena, instrument, by, order_type, side)
    by_side = rule_addr(arena, instrument).options & const.STOPS_BY_QUOTE != 0
    rises = (side == const.BUY) != (takes_profit(order_type) and not by_side)
    return rise if rises else fall


@kernel_outlined
def elected_now(arena: ArenaHeader, instrument: int) -> int:
    """Slot of the stop that the last trade (or the quote: options) elects next, or 0."""
    rise, fall = election_marks(arena, instrument)
    return next_elected(arena, instrument, rise, fall, NO_PRICE)


# Named prices


@kernel_outlined
def followed_price(arena: ArenaHeader, instrument: int, by: int, order_type: int, side: int) -> int:
    """Return the price that a trailing stop follows, and that elects a stop with a named price;
    NO_PRICE: no price now.  There are quotes in continuous trading only."""
    source = by & const.BY_MASK
    if source == 0 or source == const.BY_LAST:
        return electing_price(arena, instrument)
    if source == const.BY_MARK:
        return marks_of(arena, instrument).mark
    if source == const.BY_INDEX:
        return marks_of(arena, instrument).index
    if instrument_addr(arena, instrument).phase != const.CONTINUOUS:
        return NO_PRICE
    if source == const.BY_OWN_QUOTE:
        return displayed_price(arena, instrument, side, NO_PRICE)
    if source == const.BY_OPPOSITE_QUOTE:
        return displayed_price(arena, instrument, const.BUY + const.SELL - side, NO_PRICE)
    bid = displayed_price(arena, instrument, const.BUY, NO_PRICE)
    ask = displayed_price(arena, instrument, const.SELL, NO_PRICE)
    if bid == NO_PRICE or ask == NO_PRICE:
        return NO_PRICE
    # Away from the trigger, in parts, so that nothing overflows.
    half = (bid >> 1) + (ask >> 1)
    if (side == const.BUY) != takes_profit(order_type):
        return half + (bid & ask & 1)
    return half + ((bid | ask) & 1)


@kernel
def is_activated(side: int, activation: int, price: int) -> bool:
    """Return whether a price has reached the activation price of a trailing stop."""
    if price == NO_PRICE:
        return False
    return price <= activation if side == const.BUY else price >= activation


@kernel
def first_trigger(
    arena: ArenaHeader, instrument: int, by: int, order_type: int, side: int, aux: int
) -> int:
    """Return the trigger of a trailing stop that comes, or has another distance from now on;
    NO_PRICE: it has none yet."""
    if by & const.INACTIVE != 0:
        return NO_PRICE
    at = followed_price(arena, instrument, by, order_type, side)
    return trailing_trigger(order_type, side, aux, at)


@kernel_outlined
def widest_marks(arena: ArenaHeader, instrument: int, rise: int, fall: int) -> tuple[int, int]:
    """Return the highest and the lowest price that may elect a stop, the named ones among them."""
    marks = marks_of(arena, instrument)
    bid = displayed_price(arena, instrument, const.BUY, NO_PRICE)
    ask = displayed_price(arena, instrument, const.SELL, NO_PRICE)
    last = electing_price(arena, instrument)
    # NO_PRICE is less than any price.
    high = max(max(rise, fall, last), max(bid, ask), max(marks.mark, marks.index))
    low = lower_mark(lower_mark(rise, fall), last)
    low = lower_mark(lower_mark(low, bid), ask)
    return high, lower_mark(lower_mark(low, marks.mark), marks.index)


@kernel
def lower_mark(one: int, other: int) -> int:
    """Return the lower of two prices, or the other if one is NO_PRICE."""
    if one == NO_PRICE or other == NO_PRICE:
        return max(one, other)
    return min(one, other)


@kernel_outlined
def election_marks(arena: ArenaHeader, instrument: int) -> tuple[int, int]:
    """Return the prices that elect buy stops with triggers at or below the first, and sell stops
    with triggers at or above the second; NO_PRICE: none.  For take-profits see :func:`mark_of`."""
    options = rule_addr(arena, instrument).options
    last = electing_price(arena, instrument)
    if options & QUOTES_ELECT == 0:
        return last, last
    bid = displayed_price(arena, instrument, const.BUY, NO_PRICE)
    ask = displayed_price(arena, instrument, const.SELL, NO_PRICE)
    if options & const.STOPS_BY_QUOTE != 0:
        return ask, bid
    # NO_PRICE is less than any price.
    lower = ask if last == NO_PRICE or (ask != NO_PRICE and ask < last) else last
    return max(last, bid), lower


@kernel_outlined
def displayed_price(arena: ArenaHeader, instrument: int, side: int, default: int) -> int:
    """The best displayed price of ``side``, or ``default``."""
    book = instrument << 4 | layout.DISPLAYED | (side - const.BUY)
    level = best_level(arena, book)
    return level_key(arena, level) ^ key_flip(book) if level != 0 else default


@kernel_outlined
def elect(arena: ArenaHeader, slot: int) -> None:
    """Take the stop out of its trigger book and emit ELECTED."""
    ext = extension_of(arena, slot)
    leaves = order_leaves(arena, slot)
    word = order_tag(arena, slot) | const.ELECTED
    trigger = ext.trigger
    leave_book(arena, slot)
    emit_next(arena, slot_addr(arena, slot).id, 0, trigger, leaves, leaves, word)
    if ext.stage != 0:
        leg_elected(arena, ext)
