"""Price levels: FIFO queues in pages of 64 ticks, and an ordered index over the pages.

The index of one side is a radix tree over the page number, with six bits a step.  A branch exists
only where the paths to two or more pages part; the root stays with one, too.  Few pages near the
market make the tree one step deep, and prices anywhere in int64 make it ten at most.  Everything is
in keys (see ``arena``), so "better" is "smaller" and both sides run through the same lines.
"""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import (
    ArenaHeader,
    BookSide,
    Branch,
    InstrumentState,
    Level,
    OrderSlot,
    Page,
)
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import U32s
from openoutcry.wire.memory import (
    count_leading_zeros,
    count_trailing_zeros,
    load_i64,
    load_u32,
    store_i64,
    store_u32,
)

LAST_BIT = -(1 << 63)
"""Makes a bitmap's first set bit one there always is."""


@kernel
def instrument_addr(arena: ArenaHeader, instrument: int) -> InstrumentState:
    """Return the state of an instrument, by its index."""
    return InstrumentState(arena + arena.instruments_at + instrument * layout.INSTRUMENT_BYTES)


@kernel
def book_addr(arena: ArenaHeader, book: int) -> BookSide:
    """Return one side of one of an instrument's books: ``book`` is ``instrument << 4 | which |
    side``."""
    return BookSide(arena + arena.instruments_at + book * layout.BOOK_BYTES)


@kernel
def slot_addr(arena: ArenaHeader, slot: int) -> OrderSlot:
    """Return the order in a slot."""
    return OrderSlot(arena + arena.orders_at + slot * layout.ORDER_SLOT_BYTES)


@kernel
def level_addr(arena: ArenaHeader, level: int) -> Level:
    """Return a level: ``level`` is ``page << 6 | key & 63``."""
    return Level(arena + arena.levels_at + level * layout.LEVEL_BYTES)


@kernel
def page_addr(arena: ArenaHeader, page: int) -> Page:
    """Return a page, by its number from 1."""
    return Page(arena + arena.pages_at + page * layout.PAGE_BYTES)


@kernel
def branch_addr(arena: ArenaHeader, branch: int) -> Branch:
    """``branch`` may carry the IS_BRANCH bit."""
    return Branch(
        arena + arena.branches_at + (branch & (layout.IS_BRANCH - 1)) * layout.BRANCH_BYTES
    )


@kernel
def key_flip(book: int) -> int:
    """Return the value with which a price is xor-ed to give its key, and back: -1 for bids, 0 for
    asks."""
    return (book & 1) - 1


@kernel
def page_number(key: int) -> int:
    """Return the number that the page of a key has in the tree: 64 consecutive keys share one."""
    return (key >> 6) + layout.PAGE_BIAS


@kernel
def level_key(arena: ArenaHeader, level: int) -> int:
    """Key of an open level."""
    number = page_addr(arena, level >> 6).number
    return ((number - layout.PAGE_BIAS) << 6) | (level & 63)


@kernel
def is_touched(arena: ArenaHeader, page: int) -> bool:
    """Return whether the page is in the list of those that changed since the last state hash."""
    return page_addr(arena, page).changed != 0


@kernel
def touch_page(arena: ArenaHeader, page: int) -> None:
    """Something in this page changes: the state hash folds it again when it is next asked for.
    Until a hash is asked for, every page is marked and the branch predicted."""
    link = page_addr(arena, page) + layout.PAGE_CHANGED
    if not is_touched(arena, page):
        store_u32(link, arena.changed_pages)
        arena.changed_pages = page


@kernel
def touch_instrument(arena: ArenaHeader, instrument: int) -> None:
    """Like :func:`touch_page`, for an instrument's state and its orders that are in no level."""
    link = instrument_addr(arena, instrument) + layout.INSTRUMENT_CHANGED
    if load_u32(link) == 0:
        store_u32(link, arena.changed_instruments)
        arena.changed_instruments = instrument + 1


# Queues


@kernel
def join_level(arena: ArenaHeader, book: int, page: int, key: int, slot: int, qty: int) -> None:
    """Put the order in ``slot`` at the back of the level ``key``.

    ``page`` is the page of that key as :func:`find_page` gave it; if it is 0 the page is opened
    now (the caller knows that :func:`has_free_page`).
    """
    if page == 0:
        page = open_page(arena, book, page_number(key))
    touch_page(arena, page)
    join_touched(arena, book, page, key, slot, qty)


@kernel
def join_touched(arena: ArenaHeader, book: int, page: int, key: int, slot: int, qty: int) -> None:
    """Like :func:`join_level`, in an open page that is marked as changed."""
    level = (page << 6) | (key & 63)
    order = slot_addr(arena, slot)
    queue = level_addr(arena, level)
    bitmap_at = page_addr(arena, page) + layout.PAGE_BITMAP
    bitmap = load_i64(bitmap_at)
    # Whether the level is open, and whether there is an order before, is a coin toss to the
    # branch predictor: both are selections here, not branches.
    is_open = (bitmap >> (key & 63)) & 1
    tail = queue.tail * is_open
    link_at = queue + layout.LEVEL_HEAD if tail == 0 else slot_addr(arena, tail) + layout.SLOT_NEXT
    order.qty = qty
    order.next = 0
    order.prev = tail
    order.level = level
    store_u32(link_at, slot)
    queue.tail = slot
    queue.total = queue.total * is_open + qty
    store_i64(bitmap_at, bitmap | (1 << (key & 63)))
    side = book_addr(arena, book)
    # Whether it is the new best is a selection too: 1.1 ns a command in a market that runs.
    best_key = side.best_key
    best_level = side.best_level
    is_best = (best_level == 0) | (key < best_key)
    side.best_key = key if is_best else best_key
    side.best_level = level if is_best else best_level


@kernel
def leave_level(arena: ArenaHeader, slot: int) -> None:
    """Take the order in ``slot`` out of its queue, from any position; an emptied level closes."""
    touch_page(arena, slot_addr(arena, slot).level >> 6)
    leave_touched(arena, slot)


@kernel
def leave_touched(arena: ArenaHeader, slot: int) -> None:
    """Like :func:`leave_level`, in a page that is marked as changed."""
    order = slot_addr(arena, slot)
    level = order.level
    queue = level_addr(arena, level)
    following = order.next
    previous = order.prev
    total = queue.total - order.qty
    # Selections, not branches: see join_level.
    forward_at = (
        queue + layout.LEVEL_HEAD
        if previous == 0
        else slot_addr(arena, previous) + layout.SLOT_NEXT
    )
    back_at = (
        queue + layout.LEVEL_TAIL
        if following == 0
        else slot_addr(arena, following) + layout.SLOT_PREV
    )
    store_u32(forward_at, following)
    store_u32(back_at, previous)
    queue.total = total
    # Trigger levels keep no totals: the links decide.
    is_empty = 1 if following | previous == 0 else 0
    head = page_addr(arena, level >> 6)
    bitmap = head.bitmap & ~(is_empty << (level & 63))
    head.bitmap = bitmap
    # While the page lasts, the next best is its first level: selected, as a market that runs
    # empties its best level with every eighth command (1.1 ns a command).
    side = book_addr(arena, head.book)
    best_level = side.best_level
    moves = (is_empty != 0) & (best_level == level)
    digit = count_trailing_zeros(bitmap | LAST_BIT)
    key = ((head.number - layout.PAGE_BIAS) << 6) | digit
    side.best_level = level & ~63 | digit if moves else best_level
    side.best_key = key if moves else side.best_key
    if bitmap == 0:
        close_page(arena, side, level >> 6)
        if moves:
            find_best(arena, side)


@kernel_outlined
def find_best(arena: ArenaHeader, side: BookSide) -> None:
    """The best level is the first of the first page, if there is one."""
    page = first_page(arena, side.root)
    if page == 0:
        side.best_level = 0
        return
    best = (page << 6) | count_trailing_zeros(page_addr(arena, page).bitmap)
    side.best_level = best
    side.best_key = level_key(arena, best)


@kernel
def next_level(arena: ArenaHeader, level: int) -> int:
    """The next worse open level of the same side, or 0."""
    page = level >> 6
    # -2 << 63 is 0: no bit lies above the last.
    worse = page_addr(arena, page).bitmap & (-2 << (level & 63))
    if worse == 0:
        page = next_page(arena, page)
        if page == 0:
            return 0
        worse = page_addr(arena, page).bitmap
    return (page << 6) | count_trailing_zeros(worse)


@kernel
def previous_level(arena: ArenaHeader, level: int) -> int:
    """The next better open level of the same side, or 0."""
    page = level >> 6
    better = page_addr(arena, page).bitmap & ((1 << (level & 63)) - 1)
    if better == 0:
        page = previous_page(arena, page)
        if page == 0:
            return 0
        better = page_addr(arena, page).bitmap
    return (page << 6) | (63 - count_leading_zeros(better))


# Pages


@kernel
def hint_addr(arena: ArenaHeader, book: int, number: int) -> int:
    """Return where the page that was last found under this hash is kept."""
    hash_ = (number + book * 40503) & arena.hint_mask
    return arena + arena.hints_at + hash_ * 4


@kernel
def hinted_page(arena: ArenaHeader, book: int, number: int) -> int:
    """A page that may be the one asked for."""
    return load_u32(hint_addr(arena, book, number))


@kernel
def find_page(arena: ArenaHeader, book: int, number: int) -> int:
    """The open page ``number`` of ``book``, or 0: one look at the hints, else a walk."""
    hint = hint_addr(arena, book, number)
    page = load_u32(hint)
    head = page_addr(arena, page)
    # Page 0 and closed pages belong to NO_BOOK, so a stale hint can never match.
    if head.number == number and head.book == book:
        return page
    page = walk_to_page(arena, book_addr(arena, book).root, number)
    if page != 0:
        keep_hint(hint, page)
    return page


@kernel
def keep_hint(hint: int, page: int) -> None:
    """Note the page that a hint leads to from now on."""
    store_u32(hint, page)


@kernel
def walk_to_page(arena: ArenaHeader, ref: int, number: int) -> int:
    """The page ``number`` under ``ref`` (a page, a branch or 0), or 0."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = (number >> branch.shift) & 63
        if (branch.bitmap >> digit) & 1 == 0:
            return 0
        ref = U32s(branch + layout.BRANCH_CHILDREN)[digit]
    # A branch tests only its own six bits, so the page found may still be another.
    if ref != 0 and page_addr(arena, ref).number != number:
        return 0
    return ref


@kernel
def has_free_page(arena: ArenaHeader) -> bool:
    """Return whether another page can be opened."""
    return arena.open_pages < arena.fixed_page_capacity


@kernel
def open_page(arena: ArenaHeader, book: int, number: int) -> int:
    """Take a page from the pool and hang it into the index of ``book``."""
    page = arena.free_page
    if page != 0:
        arena.free_page = page_addr(arena, page).next_free
    else:
        page = arena.fresh_pages + 1
        arena.fresh_pages = page
    if VERIFY:
        assert has_free_page(arena)
        assert page <= arena.fixed_page_capacity
    arena.open_pages += 1
    head = page_addr(arena, page)
    head.bitmap = 0
    head.number = number
    head.book = book
    attach_page(arena, book_addr(arena, book), page, number)
    return page


@kernel_outlined
def ready_page(arena: ArenaHeader, book: int, page: int, number: int) -> int:
    """The page ``number`` of ``book``, open and marked as changed, which was found at ``page`` or
    (0) not at all; 0 if no page is free."""
    if page == 0:
        if not has_free_page(arena):
            return 0
        page = open_page(arena, book, number)
        keep_hint(hint_addr(arena, book, number), page)
    touch_page(arena, page)
    return page


@kernel_outlined
def close_page(arena: ArenaHeader, side: BookSide, page: int) -> None:
    """Unhang an empty page and give it back."""
    detach_page(arena, side, page)
    head = page_addr(arena, page)
    head.book = layout.NO_BOOK
    head.next_free = arena.free_page
    arena.free_page = page
    arena.open_pages -= 1


@kernel
def first_page(arena: ArenaHeader, ref: int) -> int:
    """The best page under ``ref`` (a page, a branch or 0)."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = count_trailing_zeros(branch.bitmap)
        ref = U32s(branch + layout.BRANCH_CHILDREN)[digit]
    return ref


@kernel
def next_page(arena: ArenaHeader, page: int) -> int:
    """The next worse page of the same side, or 0: climb until a later child is there."""
    head = page_addr(arena, page)
    number = head.number
    parent = head.parent
    while parent != 0:
        branch = branch_addr(arena, parent)
        digit = (number >> branch.shift) & 63
        later = branch.bitmap & (-2 << digit)
        if later != 0:
            digit = count_trailing_zeros(later)
            return first_page(arena, U32s(branch + layout.BRANCH_CHILDREN)[digit])
        parent = branch.parent
    return 0


@kernel
def last_page(arena: ArenaHeader, ref: int) -> int:
    """The worst page under ``ref`` (a page, a branch or 0)."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = 63 - count_leading_zeros(branch.bitmap)
        ref = U32s(branch + layout.BRANCH_CHILDREN)[digit]
    return ref


@kernel
def previous_page(arena: ArenaHeader, page: int) -> int:
    """The next better page of the same side, or 0: climb until an earlier child is there."""
    head = page_addr(arena, page)
    number = head.number
    parent = head.parent
    while parent != 0:
        branch = branch_addr(arena, parent)
        digit = (number >> branch.shift) & 63
        earlier = branch.bitmap & ((1 << digit) - 1)
        if earlier != 0:
            digit = 63 - count_leading_zeros(earlier)
            return last_page(arena, U32s(branch + layout.BRANCH_CHILDREN)[digit])
        parent = branch.parent
    return 0


# The index over the pages


@kernel
def set_parent(arena: ArenaHeader, ref: int, parent: int) -> None:
    """Note the branch above a branch or page."""
    if ref & layout.IS_BRANCH:
        branch_addr(arena, ref).parent = parent
    else:
        page_addr(arena, ref).parent = parent


@kernel
def set_child(arena: ArenaHeader, side: BookSide, parent: int, number: int, ref: int) -> None:
    """Hang ``ref`` where ``number`` leads from ``parent``, or make it the root of ``side``."""
    set_parent(arena, ref, parent)
    if parent == 0:
        side.root = ref
        return
    branch = branch_addr(arena, parent)
    digit = (number >> branch.shift) & 63
    branch.bitmap |= 1 << digit
    U32s(branch + layout.BRANCH_CHILDREN)[digit] = ref


@kernel
def attach_page(arena: ArenaHeader, side: BookSide, page: int, number: int) -> None:
    """Hang a page that is not there yet into the index; takes one branch at most."""
    parent = 0
    ref = side.root
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        shift = branch.shift
        if (number ^ branch.prefix) >> (shift + 6) != 0:
            break
        parent = ref & (layout.IS_BRANCH - 1)
        digit = (number >> shift) & 63
        if (branch.bitmap >> digit) & 1 == 0:
            ref = 0
            break
        ref = U32s(branch + layout.BRANCH_CHILDREN)[digit]
    if ref == 0:
        set_child(arena, side, parent, number, page)
        return
    # ``ref`` is in the place of the page: a branch splits the two at their highest differing group
    # of six bits.
    fork = 0
    if ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        other = branch.prefix
        if parent == 0 and branch.bitmap & (branch.bitmap - 1) == 0:
            # The root has one child: it is the one to split them.
            fork = ref & (layout.IS_BRANCH - 1)
            ref = U32s(branch + layout.BRANCH_CHILDREN)[count_trailing_zeros(branch.bitmap)]
    else:
        other = page_addr(arena, ref).number
    if fork == 0:
        fork = open_branch(arena)
    branch = branch_addr(arena, fork)
    branch.bitmap = 0
    branch.prefix = number
    branch.shift = (63 - count_leading_zeros(number ^ other)) // 6 * 6
    set_child(arena, side, parent, number, fork | layout.IS_BRANCH)
    set_child(arena, side, fork, other, ref)
    set_child(arena, side, fork, number, page)


@kernel
def detach_page(arena: ArenaHeader, side: BookSide, page: int) -> None:
    """Take a page out of the index; a branch left with one child gives it to its parent.  The root
    keeps a single child: in a market of few pages it would be closed and opened with every other
    order."""
    head = page_addr(arena, page)
    number = head.number
    parent = head.parent
    if parent == 0:
        side.root = 0
        return
    branch = branch_addr(arena, parent)
    digit = (number >> branch.shift) & 63
    bitmap = branch.bitmap & ~(1 << digit)
    branch.bitmap = bitmap
    if bitmap & (bitmap - 1) != 0:
        return
    above = branch.parent
    if above != 0:
        only = U32s(branch + layout.BRANCH_CHILDREN)[count_trailing_zeros(bitmap)]
        set_child(arena, side, above, number, only)
    elif bitmap == 0:
        side.root = 0
    else:
        return
    branch.next_free = arena.free_branch
    arena.free_branch = parent


@kernel
def open_branch(arena: ArenaHeader) -> int:
    """A branch from the pool.  A branch has two children at least, a root one, so there are never
    more than pages."""
    branch = arena.free_branch
    if branch != 0:
        arena.free_branch = branch_addr(arena, branch).next_free
        return branch
    branch = arena.fresh_branches + 1
    arena.fresh_branches = branch
    if VERIFY:
        assert branch <= arena.fixed_page_capacity
    return branch
