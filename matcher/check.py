"""Every invariant of the arena, checked slowly in Python: for tests and after a suspicion."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import arena as at
from openoutcry.matcher.ids import id_home

BOOK_DTYPE = np.dtype(
    [("best_key", "<i8"), ("best_level", "<u4"), ("root", "<u4"), ("spare", "V16")]
)
SLOT_DTYPE = np.dtype(
    [
        ("order_id", "<i8"),
        ("qty", "<i8"),
        ("next", "<u4"),
        ("prev", "<u4"),
        ("level", "<u4"),
        ("owner", "<u2"),
        ("flags", "u1"),
        ("spare", "u1"),
    ]
)
PAGE_DTYPE = np.dtype(
    [
        ("bitmap", "<u8"),
        ("number", "<i8"),
        ("parent", "<u4"),
        ("book", "<u4"),
        ("next_free", "<u4"),
        ("spare", "<u4"),
    ]
)
LEVEL_DTYPE = np.dtype([("head", "<u4"), ("tail", "<u4"), ("total", "<i8")])
BRANCH_DTYPE = np.dtype(
    [
        ("bitmap", "<u8"),
        ("prefix", "<i8"),
        ("parent", "<u4"),
        ("shift", "<u4"),
        ("next_free", "<u4"),
        ("spare", "V36"),
        ("children", "<u4", (64,)),
    ]
)


class Tables:
    """The arena's tables as structured arrays over its own memory."""

    def __init__(self, arena: at.Arena) -> None:
        self.words = arena[: at.HEADER_BYTES].view(np.int64)
        orders, pages = self.word(at.ORDER_CAPACITY), self.word(at.PAGE_CAPACITY)

        def table(word: int, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
            start = self.word(word)
            return arena[start : start + count * dtype.itemsize].view(dtype)

        count = at.BOOKS_EACH * self.word(at.INSTRUMENT_COUNT)
        self.books = table(at.INSTRUMENTS_AT, BOOK_DTYPE, count)
        self.slots = table(at.ORDERS_AT, SLOT_DTYPE, orders + 1)
        u4 = np.dtype("<u4")
        self.ids = table(at.IDS_AT, u4, self.word(at.ID_MASK) + 1)
        self.id_links = table(at.ID_LINKS_AT, u4, orders + 1)
        self.pages = table(at.PAGES_AT, PAGE_DTYPE, pages + 1)
        self.levels = table(at.LEVELS_AT, LEVEL_DTYPE, (pages + 1) * at.PAGE_LEVELS)
        self.branches = table(at.BRANCHES_AT, BRANCH_DTYPE, pages + 1)

    def word(self, offset: int) -> int:
        return int(self.words[offset // 8])


def check_arena(arena: at.Arena) -> None:
    """Raise ``AssertionError`` naming the first invariant that does not hold."""
    tables = Tables(arena)
    assert tables.word(at.MAGIC) == at.ARENA_MAGIC, "the arena's magic is gone"
    assert tables.word(at.SIZE_BYTES) == len(arena), "the arena's size is wrong"
    open_slots: set[int] = set()
    open_pages: set[int] = set()
    open_branches: set[int] = set()
    best: list[int | None] = []
    for book in range(len(tables.books)):
        if not at.DISPLAYED <= book % at.BOOKS_EACH < at.DISPLAYED + 2:
            continue
        pages, branches = _check_index(tables, book)
        best.append(_check_book(tables, book, pages, open_slots))
        open_pages.update(pages)
        open_branches.update(branches)
    for instrument in range(len(best) // 2):
        bid_key, ask_key = best[2 * instrument], best[2 * instrument + 1]
        crossed = bid_key is not None and ask_key is not None and ~bid_key >= ask_key
        assert not crossed, f"instrument {instrument}: the book is crossed"
    _check_ids(tables, open_slots)
    _check_pool(tables, "orders", open_slots, at.FREE_ORDER, at.FRESH_ORDERS, tables.slots["next"])
    _check_pool(
        tables, "pages", open_pages, at.FREE_PAGE, at.FRESH_PAGES, tables.pages["next_free"]
    )
    _check_pool(
        tables,
        "branches",
        open_branches,
        at.FREE_BRANCH,
        at.FRESH_BRANCHES,
        tables.branches["next_free"],
    )
    assert tables.word(at.OPEN_ORDERS) == len(open_slots), "the count of open orders is wrong"
    assert tables.word(at.OPEN_PAGES) == len(open_pages), "the count of open pages is wrong"


def _check_index(tables: Tables, book: int) -> tuple[list[int], list[int]]:
    """Walk the page index of one side; returns its pages in order, and its branches."""
    pages: list[int] = []
    branches: list[int] = []
    todo = [(int(tables.books[book]["root"]), 0)]
    while todo:
        ref, parent = todo.pop()
        if ref == 0:
            assert parent == 0, f"book {book}: branch {parent} has an empty child"
            continue
        if not ref & at.IS_BRANCH:
            assert int(tables.pages[ref]["parent"]) == parent, f"page {ref}: parent is wrong"
            assert int(tables.pages[ref]["book"]) == book, f"page {ref}: book is wrong"
            pages.append(ref)
            continue
        number = ref & (at.IS_BRANCH - 1)
        branch = tables.branches[number]
        branches.append(number)
        assert int(branch["parent"]) == parent, f"branch {number}: parent is wrong"
        digits = [d for d in range(64) if int(branch["bitmap"]) >> d & 1]
        assert len(digits) >= 2, f"branch {number}: fewer than two children"
        shift, prefix = int(branch["shift"]), int(branch["prefix"])
        for digit in reversed(digits):
            child = int(branch["children"][digit])
            below = tables.branches["prefix"] if child & at.IS_BRANCH else tables.pages["number"]
            value = int(below[child & (at.IS_BRANCH - 1)])
            assert (value ^ prefix) >> (shift + 6) == 0, f"branch {number}: foreign child {digit}"
            assert (value >> shift) & 63 == digit, f"branch {number}: child {digit} is misplaced"
            todo.append((child, number))
    numbers = [int(tables.pages[page]["number"]) for page in pages]
    assert all(a < b for a, b in pairwise(numbers)), f"book {book}: pages are out of order"
    return pages, branches


def _check_book(tables: Tables, book: int, pages: list[int], open_slots: set[int]) -> int | None:
    """Walk the queues of one side; returns its best key."""
    best: int | None = None
    for page in pages:
        bitmap = int(tables.pages[page]["bitmap"])
        assert bitmap != 0, f"page {page}: open without a level"
        number = int(tables.pages[page]["number"])
        for digit in range(64):
            if not bitmap >> digit & 1:
                continue
            level = page * 64 + digit
            if best is None:
                best = (number - at.PAGE_BIAS) * 64 + digit
                found = tables.books[book]
                assert int(found["best_level"]) == level, f"book {book}: best level is wrong"
                assert int(found["best_key"]) == best, f"book {book}: best key is wrong"
            _check_queue(tables, level, open_slots)
    if best is None:
        assert int(tables.books[book]["best_level"]) == 0, f"book {book}: empty but has a best"
    return best


def _check_queue(tables: Tables, level: int, open_slots: set[int]) -> None:
    queue = tables.levels[level]
    slot, previous, total = int(queue["head"]), 0, 0
    while slot:
        assert slot not in open_slots, f"order slot {slot}: in two queues"
        open_slots.add(slot)
        order = tables.slots[slot]
        assert int(order["prev"]) == previous, f"order slot {slot}: link back is wrong"
        assert int(order["level"]) == level, f"order slot {slot}: level is wrong"
        assert int(order["qty"]) > 0, f"order slot {slot}: nothing open"
        total += int(order["qty"])
        slot, previous = int(order["next"]), slot
    assert previous == int(queue["tail"]), f"level {level}: tail is wrong"
    assert previous != 0, f"level {level}: open without an order"
    assert total == int(queue["total"]), f"level {level}: total is wrong"


def _check_ids(tables: Tables, open_slots: set[int]) -> None:
    """The id table holds exactly the open orders, each in the chain of its instrument and id."""
    mask = tables.word(at.ID_MASK)
    found: set[int] = set()
    keys: set[tuple[int, int]] = set()
    for entry in np.flatnonzero(tables.ids).tolist():
        slot = int(tables.ids[entry])
        while slot:
            assert slot not in found, f"order slot {slot}: in two chains of ids"
            found.add(slot)
            order_id = int(tables.slots["order_id"][slot])
            page = int(tables.slots["level"][slot]) // at.PAGE_LEVELS
            instrument = int(tables.pages["book"][page]) // at.BOOKS_EACH
            assert (instrument, order_id) not in keys, f"order {order_id}: open twice"
            keys.add((instrument, order_id))
            home = id_home(instrument, order_id) & mask
            assert home == entry, f"order {order_id}: in the wrong chain"
            slot = int(tables.id_links[slot])
    assert found == open_slots, "the id table and the queues hold different orders"


def _check_pool(
    tables: Tables, name: str, in_use: set[int], free: int, fresh: int, links: npt.NDArray[Any]
) -> None:
    """Every slot ever handed out is in use or on the free stack, and never both."""
    free_slots: set[int] = set()
    slot = tables.word(free)
    while slot:
        assert slot not in free_slots, f"{name}: the free stack runs in a circle"
        free_slots.add(slot)
        slot = int(links[slot])
    assert not free_slots & in_use, f"{name}: a slot is both free and in use"
    assert free_slots | in_use == set(range(1, tables.word(fresh) + 1)), f"{name}: slots are lost"
