"""The uncrossing price of a call: maximum volume, minimum surplus, market pressure, reference.

Sums are pairs (high, low), low below 2**62, so that they are exact; reported values saturate at
INT64_MAX.
"""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.any_order import best_level, book_of
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.levels import (
    instrument_addr,
    level_addr,
    level_key,
    next_level,
    page_addr,
    previous_level,
    slot_addr,
)
from openoutcry.matcher.book.orders import extension_addr
from openoutcry.matcher.constants import BUY, INDICATIVE, SELL
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

LOW_BITS = 62
LOW_MASK = (1 << LOW_BITS) - 1


@kernel_outlined
def publish_indicative(arena: ArenaHeader, instrument: int) -> None:
    """Publish INDICATIVE if it changed."""
    state = instrument_addr(arena, instrument)
    price = crossing_price(arena, instrument)
    state.call_from = arena.cross_from
    state.call_to = arena.cross_to
    volume, surplus = arena.cross_volume, arena.cross_surplus
    side = arena.cross_side
    if (
        price == state.indicative_price
        and volume == state.indicative_volume
        and surplus == state.indicative_surplus
        and side == state.indicative_side
    ):
        return
    state.indicative_price = price
    state.indicative_volume = volume
    state.indicative_surplus = surplus
    state.indicative_side = side
    emit_next(arena, 0, 0, price, volume, surplus, event_tag(instrument, side, 0) | INDICATIVE)


# Sums


@kernel
def add_qty(high: int, low: int, qty: int) -> tuple[int, int]:
    """Add lots to a sum of two words, and return the sum."""
    return normalize(high + (qty >> LOW_BITS), low + (qty & LOW_MASK))


@kernel
def normalize(high: int, low: int) -> tuple[int, int]:
    """The pair with the carry or borrow of ``low`` moved to ``high``."""
    return high + (low >> LOW_BITS), low & LOW_MASK


@kernel
def saturate(high: int, low: int) -> int:
    """Return a sum of two words as an int64, MAX_VALUE if it is larger."""
    return MAX_VALUE if high > 1 else high << LOW_BITS | low


@kernel
def exceeds(high: int, low: int, than_high: int, than_low: int) -> bool:
    """Return whether one sum of two words is larger than another."""
    return high > than_high or (high == than_high and low > than_low)


@kernel
def balance(
    demand_high: int, demand_low: int, supply_high: int, supply_low: int
) -> tuple[int, int, int, int, int]:
    """The surplus's side (0: none), what would trade, and the surplus, the last two as pairs."""
    high, low = normalize(demand_high - supply_high, demand_low - supply_low)
    if high < 0:
        high, low = normalize(supply_high - demand_high, supply_low - demand_low)
        return SELL, demand_high, demand_low, high, low
    return (BUY if high | low != 0 else 0), supply_high, supply_low, high, low


@kernel_outlined
def add_level(arena: ArenaHeader, level: int, high: int, low: int) -> tuple[int, int]:
    """Add the leaves of all the level's orders, displayed and reserve."""
    queue = level_addr(arena, level)
    high, low = add_qty(high, low, queue.total)
    book = page_addr(arena, level >> 6).book
    if instrument_addr(arena, book >> 4).iceberg_count == 0:
        return high, low
    slot = queue.head
    while slot != 0:
        word = slot_addr(arena, slot).owner
        if word & layout.EXTENDED:
            high, low = add_qty(high, low, extension_addr(arena, word).reserve)
        slot = slot_addr(arena, slot).next
    return high, low


# Prices


@kernel
def lower_price(one: int, other: int) -> int:
    """Return the smaller of two prices."""
    return one if one <= other else other


@kernel
def ask_at(arena: ArenaHeader, displayed: int, hidden: int) -> int:
    """The lower price of two levels of asks, each of which may be 0."""
    one = level_key(arena, displayed) if displayed != 0 else MAX_VALUE
    return lower_price(one, level_key(arena, hidden)) if hidden != 0 else one


@kernel
def bid_at(arena: ArenaHeader, displayed: int, hidden: int) -> int:
    """The higher price of two levels of bids, each of which may be 0."""
    return ~ask_at(arena, displayed, hidden)


@kernel
def lowest_at(arena: ArenaHeader, displayed: int, hidden: int) -> int:
    """The lower price of two levels of bids, each of which may be 0."""
    one = ~level_key(arena, displayed) if displayed != 0 else MAX_VALUE
    return lower_price(one, ~level_key(arena, hidden)) if hidden != 0 else one


@kernel
def is_nearer(price: int, than: int, reference: int) -> bool:
    """Return whether ``price`` is as near to the reference as ``than`` or nearer (without one:
    any)."""
    if reference == NO_PRICE:
        return True
    if price >= reference and than >= reference:
        return price <= than
    if price <= reference and than <= reference:
        return price >= than
    # One on either side.  Differences may be beyond int64, so the middle of both, rounded down,
    # says which is nearer.
    middle = (price & than) + ((price ^ than) >> 1)
    if price > reference:
        return middle < reference or (middle == reference and (price ^ than) & 1 == 0)
    return middle >= reference


@kernel
def qty_at_key(arena: ArenaHeader, displayed: int, hidden: int, key: int) -> tuple[int, int]:
    """Total quantity of those of the two levels that are at ``key``."""
    high, low = 0, 0
    if displayed != 0 and level_key(arena, displayed) == key:
        high, low = add_level(arena, displayed, high, low)
    if hidden != 0 and level_key(arena, hidden) == key:
        high, low = add_level(arena, hidden, high, low)
    return high, low


@kernel
def next_if_at(arena: ArenaHeader, level: int, key: int) -> int:
    """``level``, or the next worse one if it is at ``key``."""
    return next_level(arena, level) if level != 0 and level_key(arena, level) == key else level


@kernel
def previous_if_at(arena: ArenaHeader, level: int, key: int) -> int:
    """``level``, or the next better one if it is at ``key``."""
    return previous_level(arena, level) if level != 0 and level_key(arena, level) == key else level


@kernel_outlined
def lowest_bid(
    arena: ArenaHeader, level: int, from_price: int, high: int, low: int
) -> tuple[int, int, int]:
    """Return the level with the lowest price at or above ``from_price``, searched from ``level`` on
    (0: none), and the sum with all levels passed."""
    lowest = 0
    while level != 0 and ~level_key(arena, level) >= from_price:
        lowest = level
        high, low = add_level(arena, level, high, low)
        level = next_level(arena, level)
    return lowest, high, low


@kernel_outlined
def crossing_price(arena: ArenaHeader, instrument: int) -> int:
    """The price at which the call would uncross now, or NO_PRICE; the header's CROSS words get
    volume, surplus and the surplus's side (all 0 without a price).

    The most volume trades when the best bids and asks are paired off until they no longer cross.
    The prices that give it lie between the last pair's prices.  So :func:`choose_price` checks no
    others, unless the volume would saturate.
    """
    store_outcome(arena, 0, 0, 0)
    displayed_ask = best_level(arena, book_of(instrument, layout.DISPLAYED, SELL))
    hidden_ask = best_level(arena, book_of(instrument, layout.HIDDEN_BOOK, SELL))
    displayed_bid = best_level(arena, book_of(instrument, layout.DISPLAYED, BUY))
    hidden_bid = best_level(arena, book_of(instrument, layout.HIDDEN_BOOK, BUY))
    all_asks, other_asks, all_bids, other_bids = (
        displayed_ask,
        hidden_ask,
        displayed_bid,
        hidden_bid,
    )
    first_ask, second_ask, first_bid, second_bid = 0, 0, 0, 0
    from_price = ask_at(arena, displayed_ask, hidden_ask)
    to_price = bid_at(arena, displayed_bid, hidden_bid)
    # Totals paired off, and totals better than the last price of each side.
    bought_high, bought_low, demand_high, demand_low = 0, 0, 0, 0
    sold_high, sold_low, supply_high, supply_low = 0, 0, 0, 0
    volume, bid_left, ask_left = 0, 0, 0
    lowest = from_price
    while displayed_ask | hidden_ask != 0 and displayed_bid | hidden_bid != 0:
        ask, bid = (
            ask_at(arena, displayed_ask, hidden_ask),
            bid_at(arena, displayed_bid, hidden_bid),
        )
        if bid < ask:
            break
        if bid_left == 0:
            to_price, first_bid, second_bid = bid, displayed_bid, hidden_bid
            demand_high, demand_low = bought_high, bought_low
            high, low = qty_at_key(arena, displayed_bid, hidden_bid, ~bid)
            bid_left = saturate(high, low)
            bought_high, bought_low = normalize(bought_high + high, bought_low + low)
        if ask_left == 0:
            from_price, first_ask, second_ask = ask, displayed_ask, hidden_ask
            supply_high, supply_low = sold_high, sold_low
            high, low = qty_at_key(arena, displayed_ask, hidden_ask, ask)
            ask_left = saturate(high, low)
            sold_high, sold_low = normalize(sold_high + high, sold_low + low)
        traded = min(bid_left, ask_left)
        if volume > MAX_VALUE - traded:
            arena.cross_from = lowest
            arena.cross_to = MAX_VALUE
            return choose_price(
                arena, instrument, all_asks, other_asks, all_bids, other_bids, 0, 0, 0, 0
            )
        volume += traded
        bid_left -= traded
        ask_left -= traded
        if bid_left == 0:
            displayed_bid, hidden_bid = (
                next_if_at(arena, displayed_bid, ~bid),
                next_if_at(arena, hidden_bid, ~bid),
            )
        if ask_left == 0:
            displayed_ask, hidden_ask = (
                next_if_at(arena, displayed_ask, ask),
                next_if_at(arena, hidden_ask, ask),
            )
    if volume == 0:
        # Any new order may set the price.
        arena.cross_from = NO_PRICE
        arena.cross_to = MAX_VALUE
        return NO_PRICE
    arena.cross_from = from_price
    arena.cross_to = to_price
    return choose_price(
        arena,
        instrument,
        first_ask,
        second_ask,
        first_bid,
        second_bid,
        demand_high,
        demand_low,
        supply_high,
        supply_low,
    )


@kernel_outlined
def choose_price(
    arena: ArenaHeader,
    instrument: int,
    displayed_ask: int,
    hidden_ask: int,
    displayed_bid: int,
    hidden_bid: int,
    demand_high: int,
    demand_low: int,
    supply_high: int,
    supply_low: int,
) -> int:
    """The best price from CROSS_FROM to CROSS_TO.  The asks are the first levels at or above the
    one, the bids the first at or below the other; demand and supply are sums of what is better."""
    reference = instrument_addr(arena, instrument).reference
    from_price, to_price = arena.cross_from, arena.cross_to
    displayed_bid, demand_high, demand_low = lowest_bid(
        arena, displayed_bid, from_price, demand_high, demand_low
    )
    hidden_bid, demand_high, demand_low = lowest_bid(
        arena, hidden_bid, from_price, demand_high, demand_low
    )
    volume_high, volume_low, surplus_high, surplus_low = 0, 0, 0, 0
    first, last, nearest, side = NO_PRICE, NO_PRICE, NO_PRICE, 0
    all_buy, all_sell = True, True
    while displayed_bid | hidden_bid | displayed_ask | hidden_ask != 0:
        ask = ask_at(arena, displayed_ask, hidden_ask)
        price = lower_price(ask, lowest_at(arena, displayed_bid, hidden_bid))
        if price > to_price or demand_high | demand_low == 0:
            break
        is_ask = price == ask and displayed_ask | hidden_ask != 0
        if is_ask:
            high, low = qty_at_key(arena, displayed_ask, hidden_ask, ask)
            supply_high, supply_low = normalize(supply_high + high, supply_low + low)
            displayed_ask, hidden_ask = (
                next_if_at(arena, displayed_ask, ask),
                next_if_at(arena, hidden_ask, ask),
            )
        left, high, low, left_high, left_low = balance(
            demand_high, demand_low, supply_high, supply_low
        )
        if price == MAX_VALUE and not is_ask:
            # Only market orders are left on the buy side.
            if first == NO_PRICE and high | low != 0:
                price = reference_or_last(arena, instrument)
                if price != NO_PRICE:
                    store_outcome(arena, saturate(high, low), saturate(left_high, left_low), left)
                return price
            break
        if high | low != 0 and price != NO_PRICE:
            same = high == volume_high and low == volume_low
            if exceeds(high, low, volume_high, volume_low) or (
                same and exceeds(surplus_high, surplus_low, left_high, left_low)
            ):
                volume_high, volume_low = high, low
                surplus_high, surplus_low = left_high, left_low
                first, last, nearest, side = price, price, price, left
                all_buy, all_sell = left == BUY, left == SELL
            elif same and left_high == surplus_high and left_low == surplus_low:
                last = price
                all_buy = all_buy and left == BUY
                all_sell = all_sell and left == SELL
                if is_nearer(price, nearest, reference):
                    nearest, side = price, left
            elif left == SELL:
                # Higher prices only lose demand and add supply.
                break
        high, low = qty_at_key(arena, displayed_bid, hidden_bid, ~price)
        demand_high, demand_low = normalize(demand_high - high, demand_low - low)
        displayed_bid = previous_if_at(arena, displayed_bid, ~price)
        hidden_bid = previous_if_at(arena, hidden_bid, ~price)
    if first == NO_PRICE:
        return NO_PRICE
    volume, surplus = saturate(volume_high, volume_low), saturate(surplus_high, surplus_low)
    store_outcome(arena, volume, surplus, side)
    if all_buy:
        return last
    return first if all_sell else nearest


@kernel_outlined
def reference_or_last(arena: ArenaHeader, instrument: int) -> int:
    """The price when both sides hold market orders only."""
    state = instrument_addr(arena, instrument)
    price = state.reference
    return state.last_price if price == NO_PRICE else price


@kernel
def store_outcome(arena: ArenaHeader, volume: int, surplus: int, side: int) -> None:
    """Note volume, surplus (in lots) and the surplus's side in the header."""
    arena.cross_volume = volume
    arena.cross_surplus = surplus
    arena.cross_side = side
