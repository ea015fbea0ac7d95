"""Share a level in steps (Allocation.STEPS), and which order has bettered the market (TOP).

The steps are those of CME's algorithms A, C, F, K, O, Q, S and T, each of which is a choice of
parameters: docs/matcher.md has the table.  One kernel for all: which steps there are is data.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import join_book
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import rule_addr
from openoutcry.matcher.book.levels import (
    book_addr,
    instrument_addr,
    key_flip,
    level_addr,
    slot_addr,
)
from openoutcry.matcher.book.orders import extension_of, order_owner, touch_order
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import U16s
from openoutcry.wire.memory import (
    count_leading_zeros,
    load_i64,
    load_u16,
    load_u32,
    store_i64,
    store_u32,
)
from openoutcry.wire.records import LEAD_MARKET_MAKERS, MAX_VALUE

# The TOP order


@kernel_outlined
def rest_after_arrival(arena: ArenaHeader, book: int, price: int, slot: int, qty: int) -> None:
    """Like :func:`join_book`, for an order that rests for the first time or has moved: in
    continuous trading it may be the first to better the market."""
    instrument = book >> 4
    state = instrument_addr(arena, instrument)
    if state.mode & layout.MODE_STEPS != 0:
        set_top(arena, slot, 0)
        side = book_addr(arena, book)
        betters = side.best_level == 0 or price ^ key_flip(book) < side.best_key
        if betters and book & layout.WHICH == layout.DISPLAYED and state.phase == const.CONTINUOUS:
            lose_top(arena, book)
            if qty >= rule_addr(arena, instrument).top_min_lots:
                set_top(arena, slot, layout.SLOT_TOP)
    join_book(arena, book, price, slot, qty)


@kernel_outlined
def lose_top(arena: ArenaHeader, book: int) -> None:
    """The side has no TOP order any more.  It would be the first of the best level."""
    level = book_addr(arena, book).best_level
    if level != 0:
        slot = level_addr(arena, level).head
        if is_top(arena, slot):
            touch_order(arena, slot)
            set_top(arena, slot, 0)


@kernel
def owner_addr(arena: ArenaHeader, slot: int) -> int:
    """Return where the order's participant and flags are."""
    ext = extension_of(arena, slot)
    return ext + layout.EXT_OWNER if ext != 0 else slot_addr(arena, slot) + layout.SLOT_OWNER


@kernel_outlined
def set_top(arena: ArenaHeader, slot: int, flag: int) -> None:
    """Give or take the flag (SLOT_TOP or 0)."""
    at = owner_addr(arena, slot)
    store_u32(at, load_u32(at) & ~layout.SLOT_TOP | flag)


@kernel_outlined
def is_top(arena: ArenaHeader, slot: int) -> bool:
    """Return whether an order is the TOP order of its side."""
    return load_u32(owner_addr(arena, slot)) & layout.SLOT_TOP != 0


# Shares


@kernel
def share_addr(arena: ArenaHeader, slot: int) -> int:
    """Return the address of an order's share in the allocation under way, an int64."""
    return arena + arena.shares_at + slot * 8


@kernel
def open_after(arena: ArenaHeader, slot: int) -> int:
    """Return how much the order displays beyond its share so far."""
    displayed = slot_addr(arena, slot).qty
    return displayed - load_i64(share_addr(arena, slot))


@kernel
def give(arena: ArenaHeader, slot: int, wanted: int) -> int:
    """Add to the order's share as much of ``wanted`` lots as it has; returns how much."""
    lots = min(wanted, open_after(arena, slot))
    at = share_addr(arena, slot)
    store_i64(at, load_i64(at) + lots)
    return lots


@kernel
def whole_lots(qty: int, lot: int) -> int:
    """Return ``qty`` rounded down to a multiple of ``lot``."""
    return qty - qty % lot


@kernel_outlined
def share_level(arena: ArenaHeader, instrument: int, level: int, qty: int) -> None:
    """Write each order's share of ``qty`` lots, fewer than the level displays, into the table of
    shares."""
    rule = rule_addr(arena, instrument)
    lot = rule.qty_step_lots
    head = level_addr(arena, level).head
    slot = head
    while slot != 0:
        store_i64(share_addr(arena, slot), 0)
        slot = slot_addr(arena, slot).next
    top = head if is_top(arena, head) else 0
    if top != 0:
        share = mul_div(qty, rule.top_share_bps, 10_000)
        if rule.top_max_lots != 0:
            share = min(share, rule.top_max_lots)
        displayed = slot_addr(arena, head).qty
        qty -= give(arena, head, whole_lots(min(share, displayed), lot))
    base = qty
    for maker in range(LEAD_MARKET_MAKERS):
        at = rule + const.RULE_LMM + maker * const.LMM_BYTES
        if U16s(at)[1] != 0:
            share = whole_lots(mul_div(base, U16s(at)[1], 10_000), lot)
            qty -= share_in_time(arena, head, min(share, qty), load_u16(at), top)
    by_size = whole_lots(mul_div(qty, 10_000 - rule.fifo_share_bps, 10_000), lot)
    share_in_time(arena, head, qty - by_size, -1, 0)
    if by_size > 0:
        least = rule.min_allocation_lots
        leveling = rule.leveling
        left = share_by_size(arena, head, by_size, lot, least, leveling)
        share_in_time(arena, head, left, -1, 0)


@kernel_outlined
def share_in_time(arena: ArenaHeader, head: int, qty: int, owner: int, besides: int) -> int:
    """Give ``qty`` lots in time order, to orders of ``owner`` (-1: all) but ``besides``; returns
    how much was taken."""
    left = qty
    slot = head
    while slot != 0 and left > 0:
        if slot != besides and (owner < 0 or order_owner(arena, slot) == owner):
            left -= give(arena, slot, left)
        slot = slot_addr(arena, slot).next
    return qty - left


@kernel_outlined
def share_by_size(
    arena: ArenaHeader, head: int, qty: int, lot: int, least: int, leveling: int
) -> int:
    """Give ``qty`` lots pro rata and, with ``leveling``, a lot to each order that gets nothing;
    return what is left over."""
    total = 0
    slot = head
    while slot != 0:
        total += open_after(arena, slot)
        slot = slot_addr(arena, slot).next
    left = qty
    slot = head
    while slot != 0:
        part = allocation(open_after(arena, slot), qty, total, lot, least)
        left -= part
        if part > 0:
            give(arena, slot, part)
        elif leveling != 0 and open_after(arena, slot) > 0:
            # Marked until it is leveled, or not.
            at = share_addr(arena, slot)
            store_i64(at, ~load_i64(at))
        slot = slot_addr(arena, slot).next
    return level_lots(arena, head, left, lot) if leveling != 0 else left


@kernel
def open_if_marked(arena: ArenaHeader, slot: int) -> int:
    """Return the lots of a marked order (its share is below 0) that are not allocated yet, else
    0."""
    share = load_i64(share_addr(arena, slot))
    return slot_addr(arena, slot).qty - ~share if share < 0 else 0


@kernel_outlined
def count_marked(arena: ArenaHeader, head: int, least: int) -> int:
    """Marked orders that still have ``least`` lots or more."""
    count = 0
    slot = head
    while slot != 0:
        if open_if_marked(arena, slot) >= least:
            count += 1
        slot = slot_addr(arena, slot).next
    return count


@kernel_outlined
def level_lots(arena: ArenaHeader, head: int, qty: int, lot: int) -> int:
    """Give each marked order a lot while ``qty`` lasts, the larger first, of two the earlier; marks
    go.  Returns what is left.

    No order of sizes is kept: the least size of which all get one is searched for, bit by bit.
    """
    lots = qty // lot
    low, high = 0, MAX_VALUE  # More than ``lots`` orders have ``low``, no more have ``high``.
    if count_marked(arena, head, 1) <= lots:
        high = 1
    while high - low > 1:
        middle = low + (high - low) // 2
        if count_marked(arena, head, middle) <= lots:
            high = middle
        else:
            low = middle
    spare = lots - count_marked(arena, head, high)
    slot = head
    while slot != 0:
        size = open_if_marked(arena, slot)
        if size > 0:
            at = share_addr(arena, slot)
            store_i64(at, ~load_i64(at))
            if size >= high or (spare > 0 and size == low):
                spare -= 0 if size >= high else 1
                qty -= give(arena, slot, lot)
        slot = slot_addr(arena, slot).next
    if VERIFY:
        assert qty >= 0
    return qty


@kernel
def allocation(open_qty: int, rest: int, total: int, lot: int, least: int) -> int:
    """floor(open_qty * rest / total), whole lots, nothing if below ``least``."""
    part = mul_div(open_qty, rest, total)
    part -= part % lot
    return part if part >= least else 0


@kernel_outlined
def mul_div(a: int, b: int, c: int) -> int:
    """floor(a * b / c) for 0 <= a, 0 <= b <= c, 0 < c, whatever the product: bit by bit where it
    would not fit an int64."""
    if a == 0 or b == 0:
        return 0
    if count_leading_zeros(a) + count_leading_zeros(b) >= 65:
        return a * b // c
    quotient = 0
    remainder = 0
    for shift in range(63 - count_leading_zeros(a), -1, -1):
        quotient <<= 1
        if remainder >= c - remainder:
            remainder -= c - remainder
            quotient += 1
        else:
            remainder += remainder
        if (a >> shift) & 1:
            if remainder >= c - b:
                remainder -= c - b
                quotient += 1
            else:
                remainder += b
    return quotient
