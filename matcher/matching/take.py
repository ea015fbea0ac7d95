"""Matching: a taker against the displayed, hidden and all-or-none books of the opposite side.

The header's TAKER_* words hold the current taker (:func:`set_taker`); matching never nests.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    best_level,
    better_level,
    count_order,
    display_slice,
    first_order,
    join_book,
    leave_book,
    next_order,
    order_contra,
    reason_word,
    refuse_join,
    remove_order,
)
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import is_pro_rata, rule_addr
from openoutcry.matcher.book.levels import (
    book_addr,
    instrument_addr,
    key_flip,
    leave_level,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.matcher.book.links import leg_traded
from openoutcry.matcher.book.orders import (
    close_order,
    extension_addr,
    extension_of,
    order_leaves,
    order_owner,
    order_tag,
    plain_book,
    plain_price,
    reduce_in_level,
)
from openoutcry.matcher.events import book_tag, emit, emit_next
from openoutcry.matcher.matching.allocation import (
    allocation,
    mul_div,
    set_top,
    share_addr,
    share_level,
)
from openoutcry.matcher.matching.self_trade import applies_first, lots_for, prevent_self_trade
from openoutcry.matcher.matching.waiting import (
    crosses_waiting,
    prevent_with_waiting,
    simulate_waiting,
    take_waiting,
    waiting_price_after_prevention,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE

# Which books a taker trades against.
ALL_BOOKS = 0
NON_DISPLAYED_BOOKS = 1
"""Hidden and all-or-none: for a pegged order, which never crosses the displayed book."""
AT_LAST = 2
"""Displayed and hidden, all at the price of the limit: trading at last."""
WAITING_ONLY = 3
"""None, but market orders that wait: for a market order without a quote to set its band by."""


@kernel
def crosses(arena: ArenaHeader, opposite: int, limit: int) -> bool:
    """Return whether the best of the book ``opposite`` is at the key ``limit`` or better."""
    side = book_addr(arena, opposite)
    return side.best_level != 0 and side.best_key <= limit


@kernel
def crosses_non_displayed(arena: ArenaHeader, book: int, limit: int) -> bool:
    """Return whether an order for the side of ``book`` crosses hidden or all-or-none orders at
    keys up to ``limit``."""
    opposite = book & ~layout.WHICH ^ 1
    return crosses(arena, opposite | layout.HIDDEN_BOOK, limit) or crosses(
        arena, opposite | layout.ALL_OR_NONE_BOOK, limit
    )


@kernel
def crosses_any(arena: ArenaHeader, book: int, limit: int) -> bool:
    """Like :func:`crosses_non_displayed`, or displayed ones."""
    return crosses(
        arena, book & ~layout.WHICH ^ 1 | layout.DISPLAYED, limit
    ) or crosses_non_displayed(arena, book, limit)


@kernel
def set_taker(arena: ArenaHeader, order_id: int, word: int, price: int, mode: int) -> None:
    """Set the taker: its id, the tag and price of its events, its self-trade mode."""
    arena.taker_id = order_id
    arena.taker_word = word
    arena.taker_price = price
    arena.taker_mode = mode
    arena.taker_unpriced = 0
    arena.trade_price = NO_PRICE


@kernel_outlined
def take(arena: ArenaHeader, instrument: int, side: int, limit: int, qty: int, books: int) -> int:
    """Match ``qty`` lots of the taker of ``side`` up to the price ``limit``.  Returns the remainder
    that may rest: 0 also if self-trade prevention cancelled it."""
    opposite = instrument << 4 | (2 - side)
    flip = key_flip(opposite)
    worst = limit ^ flip
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    shares = is_pro_rata(arena, instrument)
    if books == AT_LAST:
        arena.trade_price = limit
    if mode != const.ALLOW and applies_first(arena, instrument):
        qty = prevent_first(arena, instrument, side, worst, qty, books, False)
    if crosses_waiting(arena, instrument, side):
        qty = take_waiting(arena, instrument, side, limit, books == AT_LAST, qty)
    if books == WAITING_ONLY:
        return qty
    in_time_order = 0
    aon = 0 if books == AT_LAST else first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while qty > 0:
        displayed = 0
        if books != NON_DISPLAYED_BOOKS:
            displayed = front_level(arena, opposite | layout.DISPLAYED, worst)
        hidden = front_level(arena, opposite | layout.HIDDEN_BOOK, worst)
        level = better_level(arena, displayed, hidden)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, slot_addr(arena, aon).level)
            if aon_key <= worst and (level == 0 or aon_key < key):
                maker = aon
                aon = next_order(arena, aon)
                # Skipped if the taker cannot fill all of it.
                if slot_addr(arena, maker).qty <= qty:
                    qty = match_maker(arena, instrument, maker, owner, mode, qty)
                continue
        if level == 0:
            break
        if shares != 0 and level == displayed:
            if in_time_order <= 0:
                in_time_order = level_addr(arena, level).total
                if qty < in_time_order and not has_own_order(arena, level, owner, mode):
                    allocate_level(arena, instrument, level, qty, 0)
                    return 0
            in_time_order -= displayed_at_head(arena, level)
        maker = level_addr(arena, level).head
        qty = match_maker(arena, instrument, maker, owner, mode, qty)
    return qty


@kernel
def displayed_at_head(arena: ArenaHeader, level: int) -> int:
    """Displayed quantity of the level's first order: filled whole, or the taker is."""
    head = level_addr(arena, level).head
    return slot_addr(arena, head).qty


@kernel
def front_level(arena: ArenaHeader, book: int, worst: int) -> int:
    """The best level of ``book`` up to the key ``worst``, or 0."""
    level = best_level(arena, book)
    return level if level != 0 and level_key(arena, level) <= worst else 0


@kernel
def match_maker(
    arena: ArenaHeader, instrument: int, maker: int, owner: int, mode: int, qty: int
) -> int:
    """Match the taker's remaining ``qty`` lots with ``maker``; returns the taker's remainder."""
    if mode != const.ALLOW and order_owner(arena, maker) == owner:
        return prevent_self_trade(arena, instrument, maker, mode, qty)
    traded = min(qty, slot_addr(arena, maker).qty)
    fill(arena, instrument, maker, traded, qty - traded)
    return qty - traded


@kernel
def trade_price(arena: ArenaHeader, maker: int) -> int:
    """The maker's price; in trading at last, the one price of that phase."""
    price = arena.trade_price
    return plain_price(arena, maker) if price == NO_PRICE else price


@kernel_outlined
def fill(arena: ArenaHeader, instrument: int, maker: int, traded: int, left: int) -> None:
    """Trade ``traded`` lots at the maker's price; ``left``: the taker's leaves after it."""
    at = slot_addr(arena, maker)
    if at.owner & layout.EXTENDED == 0:
        fill_plain(arena, instrument, maker, traded, left)
        return
    price = trade_price(arena, maker)
    maker_id = at.id
    taker_id = arena.taker_id
    leaves = order_leaves(arena, maker) - traded
    word = order_tag(arena, maker) | const.FILLED | const.MAKER
    emit_next(arena, maker_id, taker_id, price, traded, leaves, word)
    word = arena.taker_word | const.FILLED
    emit_next(arena, taker_id, maker_id, price, traded, left, word)
    instrument_addr(arena, instrument).last_price = price
    ext = extension_of(arena, maker)
    if ext.stage != 0 and leaves != 0:
        leg_traded(arena, ext)
    if traded < at.qty:
        reduce_in_level(arena, maker, traded)
    elif leaves == 0:
        remove_order(arena, instrument, maker)
    else:
        refresh(arena, instrument, maker, leaves)


@kernel
def fill_plain(arena: ArenaHeader, instrument: int, maker: int, traded: int, left: int) -> None:
    """:func:`fill` for a plain order, as most makers are."""
    at = slot_addr(arena, maker)
    price, maker_id = trade_price(arena, maker), at.id
    taker_id, taker = arena.taker_id, arena.taker_word
    leaves = at.qty - traded
    owner = at.owner & 0xFFFF
    tag = book_tag(plain_book(arena, maker), owner) | const.FILLED | const.MAKER
    cause, out = arena.cause_seq, EventRecord(arena.next_event_at)
    out = emit(out, maker_id, taker_id, price, traded, leaves, cause, tag)
    out = emit(out, taker_id, maker_id, price, traded, left, cause, taker | const.FILLED)
    arena.next_event_at = out
    instrument_addr(arena, instrument).last_price = price
    if leaves > 0:
        reduce_in_level(arena, maker, traded)
        return
    if is_pro_rata(arena, instrument):
        count_order(arena, instrument, const.LIMIT, const.DAY, 0, -1)
    leave_level(arena, maker)
    close_order(arena, instrument, maker)


@kernel_outlined
def refresh(arena: ArenaHeader, instrument: int, slot: int, leaves: int) -> None:
    """An iceberg's slice is filled: the next one joins the back of the level."""
    book = plain_book(arena, slot)
    price = plain_price(arena, slot)
    word = order_tag(arena, slot)
    order_id = slot_addr(arena, slot).id
    leave_book(arena, slot)
    set_top(arena, slot, 0)
    displayed = display_slice(arena, slot, extension_of(arena, slot), leaves)
    reason = refuse_join(arena, book, price, displayed, 0)
    if reason != 0:
        word |= reason_word(const.CANCELLED, reason)
        emit_next(arena, order_id, 0, price, leaves, 0, word)
        remove_order(arena, instrument, slot)
        return
    display = order_contra(arena, slot)
    emit_next(
        arena,
        order_id,
        display,
        price,
        displayed,
        leaves,
        word | const.REFRESHED | const.ICEBERG_FLAG,
    )
    join_book(arena, book, price, slot, displayed)


# Self-trade prevention


@kernel_outlined
def prevent_first(
    arena: ArenaHeader, instrument: int, side: int, worst: int, qty: int, books: int, looks: bool
) -> int:
    """Apply the taker's mode to every order of its participant up to the key ``worst``, in the
    order in which a taker meets them.  Returns the taker's remainder.  With ``looks`` nothing
    changes, and a result of 0 means that there is such an order."""
    mode, owner = arena.taker_mode, arena.taker_word & 0xFFFF
    opposite = instrument << 4 | (2 - side)
    if crosses_waiting(arena, instrument, side):
        limit = worst ^ key_flip(opposite)
        qty = prevent_with_waiting(arena, instrument, side, limit, books == AT_LAST, qty, looks)
        if qty == 0:
            return 0
    if books == WAITING_ONLY:
        return qty
    displayed = 0
    if books != NON_DISPLAYED_BOOKS:
        displayed = front_level(arena, opposite | layout.DISPLAYED, worst)
    hidden = front_level(arena, opposite | layout.HIDDEN_BOOK, worst)
    aon = 0 if books == AT_LAST else first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while qty > 0:
        level = better_level(arena, displayed, hidden)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, slot_addr(arena, aon).level)
            if aon_key <= worst and (level == 0 or aon_key < key):
                maker = aon
                aon = next_order(arena, aon)
                most = qty
                if arena.taker_has_budget != 0:
                    budget = arena.taker_budget
                    most = lots_for(arena, instrument, budget, plain_price(arena, maker), qty)
                fits = slot_addr(arena, maker).qty <= most
                if fits and order_owner(arena, maker) == owner:
                    if looks:
                        return 0
                    qty = prevent_self_trade(arena, instrument, maker, mode, qty)
                continue
        if level == 0:
            break
        # Before anything is cancelled, with which a level may go.
        following = next_level(arena, level)
        if following != 0 and level_key(arena, following) > worst:
            following = 0
        slot = level_addr(arena, level).head
        while slot != 0 and qty > 0:
            behind = slot_addr(arena, slot).next
            if order_owner(arena, slot) == owner:
                if looks:
                    return 0
                qty = prevent_self_trade(arena, instrument, slot, mode, qty)
            slot = behind
        if level == displayed:
            displayed = following
        else:
            hidden = following
    return qty


# Pro-rata


@kernel_outlined
def has_own_order(arena: ArenaHeader, level: int, owner: int, mode: int) -> bool:
    """Return whether self-trade prevention would apply in the level."""
    if mode == const.ALLOW:
        return False
    slot = level_addr(arena, level).head
    while slot != 0:
        if order_owner(arena, slot) == owner:
            return True
        slot = slot_addr(arena, slot).next
    return False


@kernel_outlined
def allocate_level(arena: ArenaHeader, instrument: int, level: int, qty: int, besides: int) -> None:
    """Allocate ``qty`` lots, fewer than the level displays: the first order's top share, the
    remainder pro rata, the rounding residual in time priority.  The taker keeps ``besides`` further
    lots open."""
    rule = rule_addr(arena, instrument)
    if rule.allocation == const.STEPS:
        share_level(arena, instrument, level, qty)
        fill_shares(arena, instrument, level, qty, besides)
        return
    lot = rule.qty_step_lots
    least = rule.min_allocation_lots
    queue = level_addr(arena, level)
    head, tail = queue.head, queue.tail
    top = 0
    if rule.top_share_bps > 0:
        top = mul_div(qty, rule.top_share_bps, 10_000)
        top = min(slot_addr(arena, head).qty, top)
        top -= top % lot
    rest, total = qty - top, queue.total - top
    residual = rest
    slot, taken = head, top
    while slot != 0:
        open_qty = slot_addr(arena, slot).qty - taken
        residual -= allocation(open_qty, rest, total, lot, least)
        slot, taken = slot_addr(arena, slot).next, 0
    slot, taken = head, top
    while slot != 0:
        at = slot_addr(arena, slot)
        # A refreshed slice joins after the tail and has no part in this allocation.
        following = at.next if slot != tail else 0
        open_qty = at.qty - taken
        part = allocation(open_qty, rest, total, lot, least)
        more = min(residual, open_qty - part)
        residual -= more
        part += taken + more
        if part > 0:
            qty -= part
            fill(arena, instrument, slot, part, qty + besides)
        slot, taken = following, 0
    if VERIFY:
        assert qty == 0
        assert residual == 0


@kernel_outlined
def fill_shares(arena: ArenaHeader, instrument: int, level: int, qty: int, besides: int) -> None:
    """Trade every order's share of ``qty`` lots, in time order."""
    queue = level_addr(arena, level)
    slot, tail = queue.head, queue.tail
    while slot != 0:
        # A refreshed slice joins after the tail and has no part in this allocation.
        following = slot_addr(arena, slot).next if slot != tail else 0
        part = load_i64(share_addr(arena, slot))
        if part > 0:
            qty -= part
            fill(arena, instrument, slot, part, qty + besides)
        slot = following
    if VERIFY:
        assert qty == 0


# Simulation


@kernel_outlined
def fillable(
    arena: ArenaHeader, instrument: int, side: int, limit: int, qty: int, books: int
) -> int:
    """Return how many of ``qty`` lots the taker would trade up to the price ``limit``: :func:`take`
    without side effects."""
    opposite = instrument << 4 | (2 - side)
    worst = limit ^ key_flip(opposite)
    mode = arena.taker_mode
    owner = arena.taker_word & 0xFFFF
    ends = mode not in (const.ALLOW, const.CANCEL_OLDEST)
    if (
        ends
        and applies_first(arena, instrument)
        and prevent_first(arena, instrument, side, worst, qty, books, True) == 0
    ):
        return 0
    left = qty
    price = NO_PRICE
    if crosses_waiting(arena, instrument, side):
        at_last = books == AT_LAST
        price = waiting_price_after_prevention(arena, instrument, side, limit, at_last)
    if price != NO_PRICE:
        left, meets_own = simulate_waiting(arena, instrument, side, left)
        if meets_own:
            return qty - left
    if books == WAITING_ONLY:
        return qty - left
    displayed = front_level(arena, opposite | layout.DISPLAYED, worst)
    hidden = front_level(arena, opposite | layout.HIDDEN_BOOK, worst)
    aon = 0 if books == AT_LAST else first_order(arena, opposite | layout.ALL_OR_NONE_BOOK)
    while left > 0:
        level = better_level(arena, displayed, hidden)
        key = level_key(arena, level) if level != 0 else MAX_VALUE
        if aon != 0:
            aon_key = level_key(arena, slot_addr(arena, aon).level)
            if aon_key <= worst and (level == 0 or aon_key < key):
                size = slot_addr(arena, aon).qty
                if size <= left:
                    if mode == const.ALLOW or order_owner(arena, aon) != owner:
                        left -= size
                    elif mode != const.CANCEL_OLDEST:
                        break
                aon = next_order(arena, aon)
                continue
        if level == 0:
            break
        left, ended = simulate_level(arena, level, owner, mode, left)
        if ended:
            break
        following = next_level(arena, level)
        if following != 0 and level_key(arena, following) > worst:
            following = 0
        if level == displayed:
            displayed = following
        else:
            hidden = following
    return qty - left


@kernel_outlined
def simulate_level(
    arena: ArenaHeader, level: int, owner: int, mode: int, left: int
) -> tuple[int, bool]:
    """Return what remains of ``left`` lots after one level, and whether matching would stop there.

    Reserves trade after all displayed quantity, so when matching stops at an own order only the
    displayed quantity before it counts."""
    queue = level_addr(arena, level)
    ends = mode not in (const.ALLOW, const.CANCEL_OLDEST) and has_own_order(
        arena, level, owner, mode
    )
    slot = queue.head
    while slot != 0 and left > 0:
        at = slot_addr(arena, slot)
        word = at.owner
        is_own = mode != const.ALLOW and order_owner(arena, slot) == owner
        if is_own and ends:
            break
        if not is_own:
            left -= min(left, at.qty)
            if word & layout.EXTENDED and not ends:
                left -= min(left, extension_addr(arena, word).reserve)
        slot = at.next
    return left, ends
