# (intrinsics have no types that mypy could see)
"""Price levels: FIFO queues in pages of 64 ticks, and an ordered index over the pages.

The index of one side is a radix tree over the page number, six bits a step, in which a branch
exists only where at least two pages part: few pages near the market make it one step deep, and
prices anywhere in int64 make it ten at most.  Everything is in keys (see ``arena``), so "better"
is "smaller" and both sides run through the same lines.
"""

import openoutcry.matcher.book.arena as layout
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    count_leading_zeros,
    count_trailing_zeros,
    load_fixed,
    load_i64,
    load_u32,
    store_i64,
    store_u32,
)

LAST_BIT = -(1 << 63)
"""Makes a bitmap's first set bit one there always is."""


@kernel
def instrument_addr(arena: int, instrument: int) -> int:
    return arena + load_fixed(arena + layout.INSTRUMENTS_AT) + instrument * layout.INSTRUMENT_BYTES


@kernel
def book_addr(arena: int, book: int) -> int:
    return arena + load_fixed(arena + layout.INSTRUMENTS_AT) + book * layout.BOOK_BYTES


@kernel
def slot_addr(arena: int, slot: int) -> int:
    return arena + load_fixed(arena + layout.ORDERS_AT) + slot * layout.ORDER_SLOT_BYTES


@kernel
def level_addr(arena: int, level: int) -> int:
    return arena + load_fixed(arena + layout.LEVELS_AT) + level * layout.LEVEL_BYTES


@kernel
def page_addr(arena: int, page: int) -> int:
    return arena + load_fixed(arena + layout.PAGES_AT) + page * layout.PAGE_BYTES


@kernel
def branch_addr(arena: int, branch: int) -> int:
    """``branch`` may carry the IS_BRANCH bit."""
    return (
        arena
        + load_fixed(arena + layout.BRANCHES_AT)
        + (branch & (layout.IS_BRANCH - 1)) * layout.BRANCH_BYTES
    )


@kernel
def key_flip(book: int) -> int:
    """What a price is xor-ed with to give its key, and back: -1 for bids, 0 for asks."""
    return (book & 1) - 1


@kernel
def page_number(key: int) -> int:
    return (key >> 6) + layout.PAGE_BIAS


@kernel
def level_key(arena: int, level: int) -> int:
    """Key of an open level."""
    number = load_i64(page_addr(arena, level >> 6) + layout.PAGE_NUMBER)
    return ((number - layout.PAGE_BIAS) << 6) | (level & 63)


@kernel
def is_touched(arena: int, page: int) -> bool:
    return load_u32(page_addr(arena, page) + layout.PAGE_CHANGED) != 0


@kernel
def touch_page(arena: int, page: int) -> None:
    """Something in this page changes: the state hash folds it again when it is next asked for.
    Until a hash is asked for, every page is marked and the branch predicted."""
    link = page_addr(arena, page) + layout.PAGE_CHANGED
    if not is_touched(arena, page):
        store_u32(link, load_i64(arena + layout.CHANGED_PAGES))
        store_i64(arena + layout.CHANGED_PAGES, page)


@kernel
def touch_instrument(arena: int, instrument: int) -> None:
    """As :func:`touch_page`, of an instrument's state and its orders that are in no level."""
    link = instrument_addr(arena, instrument) + layout.INSTRUMENT_CHANGED
    if load_u32(link) == 0:
        store_u32(link, load_i64(arena + layout.CHANGED_INSTRUMENTS))
        store_i64(arena + layout.CHANGED_INSTRUMENTS, instrument + 1)


# Queues


@kernel
def join_level(arena: int, book: int, page: int, key: int, slot: int, qty: int) -> None:
    """Put the order in ``slot`` at the back of the level ``key``.

    ``page`` is the page of that key as :func:`find_page` gave it; if it is 0 the page is opened
    now (the caller knows that :func:`has_free_page`).
    """
    if page == 0:
        page = open_page(arena, book, page_number(key))
    touch_page(arena, page)
    join_touched(arena, book, page, key, slot, qty)


@kernel
def join_touched(arena: int, book: int, page: int, key: int, slot: int, qty: int) -> None:
    """As :func:`join_level`, in an open page that is marked as changed."""
    level = (page << 6) | (key & 63)
    order = slot_addr(arena, slot)
    queue = level_addr(arena, level)
    bitmap_at = page_addr(arena, page) + layout.PAGE_BITMAP
    bitmap = load_i64(bitmap_at)
    # Whether the level is open, and whether there is an order before, is a coin toss to the
    # branch predictor: both are selections here, not branches.
    is_open = (bitmap >> (key & 63)) & 1
    tail = load_u32(queue + layout.LEVEL_TAIL) * is_open
    link_at = queue + layout.LEVEL_HEAD if tail == 0 else slot_addr(arena, tail) + layout.SLOT_NEXT
    store_i64(order + layout.SLOT_QTY, qty)
    store_u32(order + layout.SLOT_NEXT, 0)
    store_u32(order + layout.SLOT_PREV, tail)
    store_u32(order + layout.SLOT_LEVEL, level)
    store_u32(link_at, slot)
    store_u32(queue + layout.LEVEL_TAIL, slot)
    store_i64(queue + layout.LEVEL_TOTAL, load_i64(queue + layout.LEVEL_TOTAL) * is_open + qty)
    store_i64(bitmap_at, bitmap | (1 << (key & 63)))
    side = book_addr(arena, book)
    # Whether it is the new best is a selection too: 1.1 ns a command in a market that runs.
    best_key = load_i64(side + layout.BOOK_BEST_KEY)
    best_level = load_u32(side + layout.BOOK_BEST_LEVEL)
    is_best = (best_level == 0) | (key < best_key)
    store_i64(side + layout.BOOK_BEST_KEY, key if is_best else best_key)
    store_u32(side + layout.BOOK_BEST_LEVEL, level if is_best else best_level)


@kernel
def leave_level(arena: int, slot: int) -> None:
    """Take the order in ``slot`` out of its queue, from any position; an emptied level closes."""
    touch_page(arena, load_u32(slot_addr(arena, slot) + layout.SLOT_LEVEL) >> 6)
    leave_touched(arena, slot)


@kernel
def leave_touched(arena: int, slot: int) -> None:
    """As :func:`leave_level`, in a page that is marked as changed."""
    order = slot_addr(arena, slot)
    level = load_u32(order + layout.SLOT_LEVEL)
    queue = level_addr(arena, level)
    following = load_u32(order + layout.SLOT_NEXT)
    previous = load_u32(order + layout.SLOT_PREV)
    total = load_i64(queue + layout.LEVEL_TOTAL) - load_i64(order + layout.SLOT_QTY)
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
    store_i64(queue + layout.LEVEL_TOTAL, total)
    # Trigger levels keep no totals: the links decide.
    is_empty = 1 if following | previous == 0 else 0
    head = page_addr(arena, level >> 6)
    bitmap = load_i64(head + layout.PAGE_BITMAP) & ~(is_empty << (level & 63))
    store_i64(head + layout.PAGE_BITMAP, bitmap)
    # While the page lasts, the next best is its first level: selected, as a market that runs
    # empties its best level with every eighth command (1.1 ns a command).
    side = book_addr(arena, load_u32(head + layout.PAGE_BOOK))
    best_level = load_u32(side + layout.BOOK_BEST_LEVEL)
    moves = (is_empty != 0) & (best_level == level)
    digit = count_trailing_zeros(bitmap | LAST_BIT)
    key = ((load_i64(head + layout.PAGE_NUMBER) - layout.PAGE_BIAS) << 6) | digit
    store_u32(side + layout.BOOK_BEST_LEVEL, level & ~63 | digit if moves else best_level)
    store_i64(side + layout.BOOK_BEST_KEY, key if moves else load_i64(side + layout.BOOK_BEST_KEY))
    if bitmap == 0:
        close_page(arena, side, level >> 6)
        if moves:
            find_best(arena, side)


@kernel_outlined
def find_best(arena: int, side: int) -> None:
    """The best level is the first of the first page, if there is one."""
    page = first_page(arena, load_u32(side + layout.BOOK_ROOT))
    if page == 0:
        store_u32(side + layout.BOOK_BEST_LEVEL, 0)
        return
    best = (page << 6) | count_trailing_zeros(load_i64(page_addr(arena, page) + layout.PAGE_BITMAP))
    store_u32(side + layout.BOOK_BEST_LEVEL, best)
    store_i64(side + layout.BOOK_BEST_KEY, level_key(arena, best))


@kernel
def next_level(arena: int, level: int) -> int:
    """The next worse open level of the same side, or 0."""
    page = level >> 6
    # -2 << 63 is 0: no bit lies above the last.
    worse = load_i64(page_addr(arena, page) + layout.PAGE_BITMAP) & (-2 << (level & 63))
    if worse == 0:
        page = next_page(arena, page)
        if page == 0:
            return 0
        worse = load_i64(page_addr(arena, page) + layout.PAGE_BITMAP)
    return (page << 6) | count_trailing_zeros(worse)


@kernel
def previous_level(arena: int, level: int) -> int:
    """The next better open level of the same side, or 0."""
    page = level >> 6
    better = load_i64(page_addr(arena, page) + layout.PAGE_BITMAP) & ((1 << (level & 63)) - 1)
    if better == 0:
        page = previous_page(arena, page)
        if page == 0:
            return 0
        better = load_i64(page_addr(arena, page) + layout.PAGE_BITMAP)
    return (page << 6) | (63 - count_leading_zeros(better))


# Pages


@kernel
def hint_addr(arena: int, book: int, number: int) -> int:
    """Where the page that was last found under this hash is kept."""
    hash_ = (number + book * 40503) & load_fixed(arena + layout.HINT_MASK)
    return arena + load_fixed(arena + layout.HINTS_AT) + hash_ * 4


@kernel
def hinted_page(arena: int, book: int, number: int) -> int:
    """A page that may be the one asked for."""
    return load_u32(hint_addr(arena, book, number))


@kernel
def find_page(arena: int, book: int, number: int) -> int:
    """The open page ``number`` of ``book``, or 0: one look at the hints, else a walk."""
    hint = hint_addr(arena, book, number)
    page = load_u32(hint)
    head = page_addr(arena, page)
    # Page 0 and closed pages belong to NO_BOOK, so a stale hint can never match.
    if load_i64(head + layout.PAGE_NUMBER) == number and load_u32(head + layout.PAGE_BOOK) == book:
        return page
    page = walk_to_page(arena, load_u32(book_addr(arena, book) + layout.BOOK_ROOT), number)
    if page != 0:
        store_u32(hint, page)
    return page


@kernel
def walk_to_page(arena: int, ref: int, number: int) -> int:
    """The page ``number`` under ``ref`` (a page, a branch or 0), or 0."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = (number >> load_u32(branch + layout.BRANCH_SHIFT)) & 63
        if (load_i64(branch + layout.BRANCH_BITMAP) >> digit) & 1 == 0:
            return 0
        ref = load_u32(branch + layout.BRANCH_CHILDREN + digit * 4)
    # A branch tests only its own six bits, so the page found may still be another.
    if ref != 0 and load_i64(page_addr(arena, ref) + layout.PAGE_NUMBER) != number:
        return 0
    return ref


@kernel
def has_free_page(arena: int) -> bool:
    return load_i64(arena + layout.OPEN_PAGES) < load_fixed(arena + layout.PAGE_CAPACITY)


@kernel
def open_page(arena: int, book: int, number: int) -> int:
    """Take a page from the pool and hang it into the index of ``book``."""
    page = load_i64(arena + layout.FREE_PAGE)
    if page != 0:
        store_i64(
            arena + layout.FREE_PAGE, load_u32(page_addr(arena, page) + layout.PAGE_NEXT_FREE)
        )
    else:
        page = load_i64(arena + layout.FRESH_PAGES) + 1
        store_i64(arena + layout.FRESH_PAGES, page)
    if VERIFY:
        assert has_free_page(arena)
        assert page <= load_fixed(arena + layout.PAGE_CAPACITY)
    store_i64(arena + layout.OPEN_PAGES, load_i64(arena + layout.OPEN_PAGES) + 1)
    head = page_addr(arena, page)
    store_i64(head + layout.PAGE_BITMAP, 0)
    store_i64(head + layout.PAGE_NUMBER, number)
    store_u32(head + layout.PAGE_BOOK, book)
    attach_page(arena, book_addr(arena, book), page, number)
    return page


@kernel_outlined
def close_page(arena: int, side: int, page: int) -> None:
    """Unhang an empty page and give it back."""
    detach_page(arena, side, page)
    head = page_addr(arena, page)
    store_u32(head + layout.PAGE_BOOK, layout.NO_BOOK)
    store_u32(head + layout.PAGE_NEXT_FREE, load_i64(arena + layout.FREE_PAGE))
    store_i64(arena + layout.FREE_PAGE, page)
    store_i64(arena + layout.OPEN_PAGES, load_i64(arena + layout.OPEN_PAGES) - 1)


@kernel
def first_page(arena: int, ref: int) -> int:
    """The best page under ``ref`` (a page, a branch or 0)."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = count_trailing_zeros(load_i64(branch + layout.BRANCH_BITMAP))
        ref = load_u32(branch + layout.BRANCH_CHILDREN + digit * 4)
    return ref


@kernel
def next_page(arena: int, page: int) -> int:
    """The next worse page of the same side, or 0: climb until a later child is there."""
    head = page_addr(arena, page)
    number = load_i64(head + layout.PAGE_NUMBER)
    parent = load_u32(head + layout.PAGE_PARENT)
    while parent != 0:
        branch = branch_addr(arena, parent)
        digit = (number >> load_u32(branch + layout.BRANCH_SHIFT)) & 63
        later = load_i64(branch + layout.BRANCH_BITMAP) & (-2 << digit)
        if later != 0:
            digit = count_trailing_zeros(later)
            return first_page(arena, load_u32(branch + layout.BRANCH_CHILDREN + digit * 4))
        parent = load_u32(branch + layout.BRANCH_PARENT)
    return 0


@kernel
def last_page(arena: int, ref: int) -> int:
    """The worst page under ``ref`` (a page, a branch or 0)."""
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        digit = 63 - count_leading_zeros(load_i64(branch + layout.BRANCH_BITMAP))
        ref = load_u32(branch + layout.BRANCH_CHILDREN + digit * 4)
    return ref


@kernel
def previous_page(arena: int, page: int) -> int:
    """The next better page of the same side, or 0: climb until an earlier child is there."""
    head = page_addr(arena, page)
    number = load_i64(head + layout.PAGE_NUMBER)
    parent = load_u32(head + layout.PAGE_PARENT)
    while parent != 0:
        branch = branch_addr(arena, parent)
        digit = (number >> load_u32(branch + layout.BRANCH_SHIFT)) & 63
        earlier = load_i64(branch + layout.BRANCH_BITMAP) & ((1 << digit) - 1)
        if earlier != 0:
            digit = 63 - count_leading_zeros(earlier)
            return last_page(arena, load_u32(branch + layout.BRANCH_CHILDREN + digit * 4))
        parent = load_u32(branch + layout.BRANCH_PARENT)
    return 0


# The index over the pages


@kernel
def set_parent(arena: int, ref: int, parent: int) -> None:
    if ref & layout.IS_BRANCH:
        store_u32(branch_addr(arena, ref) + layout.BRANCH_PARENT, parent)
    else:
        store_u32(page_addr(arena, ref) + layout.PAGE_PARENT, parent)


@kernel
def set_child(arena: int, side: int, parent: int, number: int, ref: int) -> None:
    """Hang ``ref`` where ``number`` leads from ``parent``, or make it the root of ``side``."""
    set_parent(arena, ref, parent)
    if parent == 0:
        store_u32(side + layout.BOOK_ROOT, ref)
        return
    branch = branch_addr(arena, parent)
    digit = (number >> load_u32(branch + layout.BRANCH_SHIFT)) & 63
    store_i64(branch + layout.BRANCH_BITMAP, load_i64(branch + layout.BRANCH_BITMAP) | (1 << digit))
    store_u32(branch + layout.BRANCH_CHILDREN + digit * 4, ref)


@kernel
def attach_page(arena: int, side: int, page: int, number: int) -> None:
    """Hang a page that is not there yet into the index; takes one branch at most."""
    parent = 0
    ref = load_u32(side + layout.BOOK_ROOT)
    while ref & layout.IS_BRANCH:
        branch = branch_addr(arena, ref)
        shift = load_u32(branch + layout.BRANCH_SHIFT)
        if (number ^ load_i64(branch + layout.BRANCH_PREFIX)) >> (shift + 6) != 0:
            break
        parent = ref & (layout.IS_BRANCH - 1)
        digit = (number >> shift) & 63
        if (load_i64(branch + layout.BRANCH_BITMAP) >> digit) & 1 == 0:
            ref = 0
            break
        ref = load_u32(branch + layout.BRANCH_CHILDREN + digit * 4)
    if ref == 0:
        set_child(arena, side, parent, number, page)
        return
    # ``ref`` is in the place of the page: a new branch splits the two at their highest
    # differing group of six bits.
    if ref & layout.IS_BRANCH:
        other = load_i64(branch_addr(arena, ref) + layout.BRANCH_PREFIX)
    else:
        other = load_i64(page_addr(arena, ref) + layout.PAGE_NUMBER)
    fork = open_branch(arena)
    branch = branch_addr(arena, fork)
    store_i64(branch + layout.BRANCH_BITMAP, 0)
    store_i64(branch + layout.BRANCH_PREFIX, number)
    store_u32(branch + layout.BRANCH_SHIFT, (63 - count_leading_zeros(number ^ other)) // 6 * 6)
    set_child(arena, side, parent, number, fork | layout.IS_BRANCH)
    set_child(arena, side, fork, other, ref)
    set_child(arena, side, fork, number, page)


@kernel
def detach_page(arena: int, side: int, page: int) -> None:
    """Take a page out of the index; a branch left with one child gives it to its parent."""
    head = page_addr(arena, page)
    number = load_i64(head + layout.PAGE_NUMBER)
    parent = load_u32(head + layout.PAGE_PARENT)
    if parent == 0:
        store_u32(side + layout.BOOK_ROOT, 0)
        return
    branch = branch_addr(arena, parent)
    digit = (number >> load_u32(branch + layout.BRANCH_SHIFT)) & 63
    bitmap = load_i64(branch + layout.BRANCH_BITMAP) & ~(1 << digit)
    store_i64(branch + layout.BRANCH_BITMAP, bitmap)
    if bitmap & (bitmap - 1) == 0:
        only = load_u32(branch + layout.BRANCH_CHILDREN + count_trailing_zeros(bitmap) * 4)
        set_child(arena, side, load_u32(branch + layout.BRANCH_PARENT), number, only)
        store_u32(branch + layout.BRANCH_NEXT_FREE, load_i64(arena + layout.FREE_BRANCH))
        store_i64(arena + layout.FREE_BRANCH, parent)


@kernel
def open_branch(arena: int) -> int:
    """A branch from the pool; as every branch has two children, pages run out first."""
    branch = load_i64(arena + layout.FREE_BRANCH)
    if branch != 0:
        store_i64(
            arena + layout.FREE_BRANCH,
            load_u32(branch_addr(arena, branch) + layout.BRANCH_NEXT_FREE),
        )
        return branch
    branch = load_i64(arena + layout.FRESH_BRANCHES) + 1
    store_i64(arena + layout.FRESH_BRANCHES, branch)
    if VERIFY:
        assert branch <= load_fixed(arena + layout.PAGE_CAPACITY)
    return branch
