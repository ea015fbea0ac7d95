# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""At which price a call would uncross: most volume, least surplus, market pressure, reference.

Four streams of levels, displayed and hidden of both sides, are merged from the lowest price up.
Supply is summed on the way; demand begins as the sum of all that could trade and loses each level
that the price has passed.  Sums are pairs (high, low), low below 2**62, so that they are exact;
volume and surplus see them saturated at 2**63 - 1.
"""

from openoutcry.matcher.arena import (
    CROSS_SIDE,
    CROSS_SURPLUS,
    CROSS_VOLUME,
    DISPLAYED,
    EXT_RESERVE,
    EXTENDED,
    HIDDEN_BOOK,
    INDICATIVE_PRICE,
    INDICATIVE_SIDE,
    INDICATIVE_SURPLUS,
    INDICATIVE_VOLUME,
    LAST_PRICE,
    LEVEL_HEAD,
    LEVEL_TOTAL,
    REFERENCE,
    SLOT_NEXT,
    SLOT_OWNER,
)
from openoutcry.matcher.constants import BUY, INDICATIVE, SELL
from openoutcry.matcher.events import event_address, tell
from openoutcry.matcher.extended import best_level, book_of
from openoutcry.matcher.levels import (
    instrument_addr,
    level_addr,
    level_key,
    next_level,
    previous_level,
    slot_addr,
)
from openoutcry.matcher.orders import extension_addr
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u32, store_i64
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

LOW_BITS = 62
LOW_MASK = (1 << LOW_BITS) - 1


@kernel_outlined
def publish_indicative(arena: int, instrument: int) -> None:
    """INDICATIVE, if it says something new."""
    state = instrument_addr(arena, instrument)
    price = crossing_price(arena, instrument)
    volume, surplus = load_i64(arena + CROSS_VOLUME), load_i64(arena + CROSS_SURPLUS)
    side = load_i64(arena + CROSS_SIDE)
    if (
        price == load_i64(state + INDICATIVE_PRICE)
        and volume == load_i64(state + INDICATIVE_VOLUME)
        and surplus == load_i64(state + INDICATIVE_SURPLUS)
        and side == load_i64(state + INDICATIVE_SIDE)
    ):
        return
    store_i64(state + INDICATIVE_PRICE, price)
    store_i64(state + INDICATIVE_VOLUME, volume)
    store_i64(state + INDICATIVE_SURPLUS, surplus)
    store_i64(state + INDICATIVE_SIDE, side)
    tell(arena, 0, 0, price, volume, surplus, event_address(instrument, side, 0) | INDICATIVE)


# Sums


@kernel
def plus(high: int, low: int, qty: int) -> tuple[int, int]:
    low += qty & LOW_MASK
    return high + (qty >> LOW_BITS) + (low >> LOW_BITS), low & LOW_MASK


@kernel
def minus(high: int, low: int, qty: int) -> tuple[int, int]:
    low -= qty & LOW_MASK
    return high - (qty >> LOW_BITS) + (low >> LOW_BITS), low & LOW_MASK


@kernel
def saturated(high: int, low: int) -> int:
    return MAX_VALUE if high > 1 else high << LOW_BITS | low


@kernel_outlined
def add_level(arena: int, level: int, high: int, low: int, sign: int) -> tuple[int, int]:
    """Add (``sign`` 1) or take off (-1) all that the level's orders have, shown or not."""
    queue = level_addr(arena, level)
    total = load_i64(queue + LEVEL_TOTAL)
    high, low = plus(high, low, total) if sign > 0 else minus(high, low, total)
    slot = load_u32(queue + LEVEL_HEAD)
    while slot != 0:
        word = load_u32(slot_addr(arena, slot) + SLOT_OWNER)
        if word & EXTENDED:
            reserve = load_i64(extension_addr(arena, word) + EXT_RESERVE)
            high, low = plus(high, low, reserve) if sign > 0 else minus(high, low, reserve)
        slot = load_u32(slot_addr(arena, slot) + SLOT_NEXT)
    return high, low


# Bids, from the lowest that could trade


@kernel_outlined
def lowest_bid(arena: int, book: int, from_price: int) -> int:
    """The level of ``book`` with the lowest price at or above ``from_price``, or 0."""
    found = 0
    level = best_level(arena, book)
    while level != 0 and ~level_key(arena, level) >= from_price:
        found = level
        level = next_level(arena, level)
    return found


@kernel_outlined
def add_bids(arena: int, level: int, high: int, low: int) -> tuple[int, int]:
    """Add the level and all better ones."""
    while level != 0:
        high, low = add_level(arena, level, high, low, 1)
        level = previous_level(arena, level)
    return high, low


@kernel
def lower(one: int, other: int) -> int:
    return one if one <= other else other


@kernel
def bid_at(arena: int, level: int) -> int:
    return ~level_key(arena, level) if level != 0 else MAX_VALUE


@kernel
def ask_at(arena: int, level: int) -> int:
    return level_key(arena, level) if level != 0 else MAX_VALUE


@kernel
def is_nearer(price: int, than: int, reference: int) -> bool:
    """Whether ``price`` is as near to the reference as ``than`` or nearer (without one: any)."""
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


@kernel_outlined
def crossing_price(arena: int, instrument: int) -> int:
    """The price at which the call would uncross now, or NO_PRICE; the header's CROSS words get
    volume, surplus and the surplus's side (all 0 without a price)."""
    reference = load_i64(instrument_addr(arena, instrument) + REFERENCE)
    shown_ask = best_level(arena, book_of(instrument, DISPLAYED, SELL))
    unseen_ask = best_level(arena, book_of(instrument, HIDDEN_BOOK, SELL))
    remember(arena, 0, 0, 0)
    if shown_ask | unseen_ask == 0:
        return NO_PRICE
    from_price = lower(ask_at(arena, shown_ask), ask_at(arena, unseen_ask))
    shown_bid = lowest_bid(arena, book_of(instrument, DISPLAYED, BUY), from_price)
    unseen_bid = lowest_bid(arena, book_of(instrument, HIDDEN_BOOK, BUY), from_price)
    demand_high, demand_low = add_bids(arena, shown_bid, 0, 0)
    demand_high, demand_low = add_bids(arena, unseen_bid, demand_high, demand_low)
    supply_high, supply_low = 0, 0
    volume, surplus = 0, 0
    first, last, nearest, side = NO_PRICE, NO_PRICE, NO_PRICE, 0
    all_buy, all_sell = True, True
    while demand_high | demand_low != 0:
        asks = lower(ask_at(arena, shown_ask), ask_at(arena, unseen_ask))
        price = lower(asks, lower(bid_at(arena, shown_bid), bid_at(arena, unseen_bid)))
        is_ask = price == asks and shown_ask | unseen_ask != 0
        if shown_ask != 0 and level_key(arena, shown_ask) == price:
            supply_high, supply_low = add_level(arena, shown_ask, supply_high, supply_low, 1)
            shown_ask = next_level(arena, shown_ask)
        if unseen_ask != 0 and level_key(arena, unseen_ask) == price:
            supply_high, supply_low = add_level(arena, unseen_ask, supply_high, supply_low, 1)
            unseen_ask = next_level(arena, unseen_ask)
        demand, supply = saturated(demand_high, demand_low), saturated(supply_high, supply_low)
        here = min(demand, supply)
        if price == MAX_VALUE and not is_ask:
            # Only market orders are left on the buy side.
            if first == NO_PRICE and here > 0:
                return crossing_at_reference(arena, instrument, demand, supply)
            break
        if here > 0 and price != NO_PRICE:
            excess = abs(demand - supply)
            if here > volume or (here == volume and excess < surplus):
                volume, surplus = here, excess
                first, last, nearest = price, price, price
                side = surplus_side(demand, supply)
                all_buy, all_sell = demand > supply, supply > demand
            elif here == volume and excess == surplus:
                last = price
                all_buy = all_buy and demand > supply
                all_sell = all_sell and supply > demand
                if is_nearer(price, nearest, reference):
                    nearest = price
                    side = surplus_side(demand, supply)
        if shown_bid != 0 and ~level_key(arena, shown_bid) == price:
            demand_high, demand_low = add_level(arena, shown_bid, demand_high, demand_low, -1)
            shown_bid = previous_level(arena, shown_bid)
        if unseen_bid != 0 and ~level_key(arena, unseen_bid) == price:
            demand_high, demand_low = add_level(arena, unseen_bid, demand_high, demand_low, -1)
            unseen_bid = previous_level(arena, unseen_bid)
    if first == NO_PRICE:
        return NO_PRICE
    remember(arena, volume, surplus, side)
    if all_buy:
        return last
    return first if all_sell else nearest


@kernel_outlined
def crossing_at_reference(arena: int, instrument: int, demand: int, supply: int) -> int:
    """Market orders on both sides and no limit between them."""
    state = instrument_addr(arena, instrument)
    price = load_i64(state + REFERENCE)
    if price == NO_PRICE:
        price = load_i64(state + LAST_PRICE)
    if price != NO_PRICE:
        side = surplus_side(demand, supply)
        remember(arena, min(demand, supply), abs(demand - supply), side)
    return price


@kernel
def surplus_side(demand: int, supply: int) -> int:
    if demand == supply:
        return 0
    return BUY if demand > supply else SELL


@kernel
def remember(arena: int, volume: int, surplus: int, side: int) -> None:
    store_i64(arena + CROSS_VOLUME, volume)
    store_i64(arena + CROSS_SURPLUS, surplus)
    store_i64(arena + CROSS_SIDE, side)
