"""Every invariant of the arena, checked slowly in Python: for tests and after a suspicion."""

from itertools import pairwise
from typing import Any

import numpy as np

from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import id_home
from openoutcry.matcher.book.links import DUE, HELD, PENDING
from openoutcry.matcher.constants import BY_MASK
from openoutcry.matcher.event_bound import (
    LEG_EXTRA,
    extra_capacity,
    instrument_extra,
    order_extra,
    scratch_records,
)
from openoutcry.wire.enums import (
    MAX_LEGS,
    Allocation,
    InstrumentOption,
    OrderType,
    Phase,
    Side,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.order_types import (
    FOR_AUCTIONS,
    ORDER_TYPES,
    PEGS,
    STOPS,
    TAKE_PROFITS,
    TRAILING,
    Home,
)
from openoutcry.wire.records import INSTRUMENT_DTYPE, NO_PRICE

BOOK_DTYPE = layout.BookSide.dtype()
SLOT_DTYPE = layout.OrderSlot.dtype({"id": "order_id"})
EXTENSION_DTYPE = layout.Extension.dtype()
PAGE_DTYPE = layout.Page.dtype(bitmap="<u8")
LEVEL_DTYPE = layout.Level.dtype()
BRANCH_DTYPE = layout.Branch.dtype(bitmap="<u8", children="(64,)<u4")
OWNED_DTYPE = layout.OwnedSlot.dtype()
GROUP_DTYPE = layout.OwnerGroup.dtype()
ALL_BOOKS = tuple(range(layout.DISPLAYED, layout.TRIGGERS + 2))
LISTS = (
    layout.PEG_LIST,
    layout.TRAILING_LIST,
    layout.AUCTION_LIST,
    layout.WAITING_BUYS,
    layout.WAITING_SELLS,
    layout.DORMANT_LIST,
)
DORMANT = (HELD, PENDING, DUE)
LINKED_COUNT = layout.InstrumentState.offset("linked_count")


class Table:
    """The used part of one of the arena's tables, a list of plain numbers for each field."""

    def __init__(self, arena: layout.Arena, start: int, dtype: np.dtype[Any], count: int) -> None:
        rows = arena[start : start + count * dtype.itemsize].view(dtype)
        self.columns = {name: rows[name].tolist() for name in dtype.names or ()}
        self.count = count

    def __getitem__(self, field: str) -> list[Any]:
        return self.columns[field]


class Tables:
    """The arena's tables and words."""

    def __init__(self, arena: layout.Arena) -> None:
        self.arena = arena
        self.address: int = arena.ctypes.data
        self.words = arena[: layout.HEADER_BYTES].view(np.int64)
        self.instrument_count = self.word(layout.INSTRUMENT_COUNT)
        pages, branches = (
            self.word(layout.FRESH_PAGES) + 1,
            self.word(layout.FRESH_BRANCHES) + 1,
        )

        def table(word: int, dtype: np.dtype[Any], count: int) -> Table:
            return Table(arena, self.word(word), dtype, count)

        self.books = table(
            layout.INSTRUMENTS_AT, BOOK_DTYPE, layout.BOOKS_EACH * self.instrument_count
        )
        self.slots = table(layout.ORDERS_AT, SLOT_DTYPE, self.word(layout.FRESH_ORDERS) + 1)
        self.extensions = table(
            layout.EXTENSIONS_AT, EXTENSION_DTYPE, self.word(layout.FRESH_EXTENSIONS) + 1
        )
        self.pages = table(layout.PAGES_AT, PAGE_DTYPE, pages)
        self.levels = table(layout.LEVELS_AT, LEVEL_DTYPE, pages * layout.PAGE_LEVELS)
        self.branches = table(layout.BRANCHES_AT, BRANCH_DTYPE, branches)
        terms = self.word(layout.TERMS_COUNT)
        self.terms = table(layout.TERMS_AT, layout.WaitingTerm.dtype(), terms)
        marks = self.word(layout.TERMS_AT) + layout.MARKS_OFFSET
        dtype = layout.InstrumentMarks.dtype()
        self.marks = Table(arena, marks, dtype, self.instrument_count)
        start = self.word(layout.RULES_AT)
        self.rules = arena[start : start + self.instrument_count * INSTRUMENT_DTYPE.itemsize].view(
            INSTRUMENT_DTYPE
        )

    def word(self, offset: int) -> int:
        """Return a word of the header, by its offset."""
        return int(self.words[offset // 8])

    def extension(self, slot: int) -> int:
        """The order's extension, or 0."""
        owner = int(self.slots["owner"][slot])
        return owner & layout.EXTENSION_MASK if owner & layout.EXTENDED else 0

    def of_instrument(self, instrument: int, offset: int, kind: str = "<i8") -> int:
        """Return a field of an instrument's state, by its offset and numpy type."""
        start = self.word(layout.INSTRUMENTS_AT) + instrument * layout.INSTRUMENT_BYTES + offset
        return int(self.arena[start : start + 8].view(kind)[0])


def check_arena(arena: layout.Arena) -> None:
    """Raise ``AssertionError`` naming the first invariant that does not hold."""
    tables = Tables(arena)
    assert tables.word(layout.MAGIC) == layout.ARENA_MAGIC, "the arena's magic is gone"
    assert tables.word(layout.SIZE_BYTES) == len(arena), "the arena's size is wrong"
    instrument_of: dict[int, int] = {}
    open_pages: set[int] = set()
    open_branches: set[int] = set()
    for instrument in range(tables.instrument_count):
        best: dict[int, int | None] = {}
        stops: list[int] = []
        for which in ALL_BOOKS:
            book = instrument * layout.BOOKS_EACH + which
            pages, branches = _check_index(tables, book)
            best[which], slots = _check_book(tables, book, pages)
            _claim(instrument_of, slots, instrument)
            stops += slots if which & layout.WHICH == layout.TRIGGERS else []
            open_pages.update(pages)
            open_branches.update(branches)
        _claim(instrument_of, _check_lists(tables, instrument), instrument)
        _check_fixed_point(tables, instrument, best, stops)
    for slot in instrument_of:
        _check_order(tables, slot, instrument_of[slot])
    _check_counts(tables, instrument_of)
    _check_ids(tables, instrument_of)
    _check_expiries(tables, instrument_of)
    open_extensions = {tables.extension(slot) for slot in instrument_of} - {0}
    slots_next, extensions_next = tables.slots["next"], tables.extensions["next"]
    pages_next, branches_next = tables.pages["next_free"], tables.branches["next_free"]
    for name, in_use, free, fresh, links in (
        ("orders", set(instrument_of), layout.FREE_ORDER, layout.FRESH_ORDERS, slots_next),
        (
            "extensions",
            open_extensions,
            layout.FREE_EXTENSION,
            layout.FRESH_EXTENSIONS,
            extensions_next,
        ),
        ("pages", open_pages, layout.FREE_PAGE, layout.FRESH_PAGES, pages_next),
        (
            "branches",
            open_branches,
            layout.FREE_BRANCH,
            layout.FRESH_BRANCHES,
            branches_next,
        ),
    ):
        _check_pool(tables, name, in_use, free, fresh, links)
    assert tables.word(layout.OPEN_ORDERS) == len(instrument_of), (
        "the count of open orders is wrong"
    )
    assert tables.word(layout.OPEN_PAGES) == len(open_pages), "the count of open pages is wrong"
    _check_changed(tables)
    _check_owners(tables, instrument_of)


def _claim(instrument_of: dict[int, int], slots: list[int], instrument: int) -> None:
    for slot in slots:
        assert slot not in instrument_of, f"order slot {slot}: in two queues"
        instrument_of[slot] = instrument


# Books


def _check_index(tables: Tables, book: int) -> tuple[list[int], list[int]]:
    """Walk the page index of one side; returns its pages in order, and its branches."""
    pages: list[int] = []
    branches: list[int] = []
    of_page, of_branch = tables.pages, tables.branches
    todo = [(tables.books["root"][book], 0)]
    while todo:
        ref, parent = todo.pop()
        if ref == 0:
            assert parent == 0, f"book {book}: branch {parent} has an empty child"
            continue
        if not ref & layout.IS_BRANCH:
            assert of_page["parent"][ref] == parent, f"page {ref}: parent is wrong"
            assert of_page["book"][ref] == book, f"page {ref}: book is wrong"
            pages.append(ref)
            continue
        number = ref & (layout.IS_BRANCH - 1)
        branches.append(number)
        assert of_branch["parent"][number] == parent, f"branch {number}: parent is wrong"
        digits = [d for d in range(64) if of_branch["bitmap"][number] >> d & 1]
        assert len(digits) >= 2 or (digits and parent == 0), f"branch {number}: too few children"
        shift, prefix = of_branch["shift"][number], of_branch["prefix"][number]
        for digit in reversed(digits):
            child = of_branch["children"][number][digit]
            below = of_branch["prefix"] if child & layout.IS_BRANCH else of_page["number"]
            value = below[child & (layout.IS_BRANCH - 1)]
            assert (value ^ prefix) >> (shift + 6) == 0, f"branch {number}: foreign child {digit}"
            assert (value >> shift) & 63 == digit, f"branch {number}: child {digit} is misplaced"
            todo.append((child, number))
    numbers = [of_page["number"][page] for page in pages]
    assert all(a < b for a, b in pairwise(numbers)), f"book {book}: pages are out of order"
    return pages, branches


def _check_book(tables: Tables, book: int, pages: list[int]) -> tuple[int | None, list[int]]:
    """Walk the queues of one book; returns its best key and its order slots."""
    best: int | None = None
    slots: list[int] = []
    for page in pages:
        bitmap = tables.pages["bitmap"][page]
        assert bitmap != 0, f"page {page}: open without a level"
        number = tables.pages["number"][page]
        for digit in range(64):
            if not bitmap >> digit & 1:
                continue
            level = page * 64 + digit
            key = (number - layout.PAGE_BIAS) * 64 + digit
            if best is None:
                best = key
                assert tables.books["best_level"][book] == level, f"book {book}: wrong best level"
                assert tables.books["best_key"][book] == best, f"book {book}: wrong best key"
            for slot in _check_queue(tables, level):
                _check_place(tables, slot, book, ~key if book & 1 == 0 else key)
                slots.append(slot)
    if best is None:
        assert tables.books["best_level"][book] == 0, f"book {book}: empty but has a best"
    return best, slots


def _check_queue(tables: Tables, level: int) -> list[int]:
    of_slot = tables.slots
    slot, previous, total = tables.levels["head"][level], 0, 0
    slots: list[int] = []
    while slot:
        assert len(slots) < of_slot.count, f"level {level}: the queue runs in a circle"
        assert of_slot["prev"][slot] == previous, f"order slot {slot}: link back is wrong"
        assert of_slot["level"][slot] == level, f"order slot {slot}: level is wrong"
        assert of_slot["qty"][slot] > 0, f"order slot {slot}: nothing open"
        slots.append(slot)
        total += of_slot["qty"][slot]
        slot, previous = of_slot["next"][slot], slot
    assert previous == tables.levels["tail"][level], f"level {level}: tail is wrong"
    assert previous != 0, f"level {level}: open without an order"
    if _book_of(tables, level) & 15 < layout.TRIGGERS:
        assert total == tables.levels["total"][level], f"level {level}: total is wrong"
        assert total < 2**63, f"level {level}: total passes int64"
    return slots


def _book_of(tables: Tables, level: int) -> int:
    return int(tables.pages["book"][level >> 6])


def _check_place(tables: Tables, slot: int, book: int, price: int) -> None:
    """The order is of a type that may rest in this book, and knows its side and price."""
    which, extension = book & layout.WHICH, tables.extension(slot)
    if not extension:
        assert which == layout.DISPLAYED, f"order slot {slot}: a plain order in book {book}"
        return
    ext = {name: column[extension] for name, column in tables.extensions.columns.items()}
    order_type = ext["type"]
    if order_type in STOPS:
        home = layout.TRIGGERS
    elif ORDER_TYPES[OrderType(order_type)].home == Home.HIDDEN:
        home = layout.HIDDEN_BOOK
    elif order_type == OrderType.ALL_OR_NONE:
        home = layout.ALL_OR_NONE_BOOK
    else:
        home = layout.DISPLAYED
    assert which == home, f"order slot {slot}: type {order_type} is in book {book}"
    side = Side.SELL if book & 1 else Side.BUY
    if which == layout.TRIGGERS:
        side = Side.BUY if (book & 1) != (order_type in TAKE_PROFITS) else Side.SELL
        assert ext["trigger"] == price, f"order slot {slot}: is off its trigger"
    assert ext["side"] == side, f"order slot {slot}: on the wrong side"


def _check_fixed_point(
    tables: Tables, instrument: int, best: dict[int, int | None], stops: list[int]
) -> None:
    """Check that in continuous trading nothing is left to do: no cross, and, unless the instrument
    is held, no stop that should be elected, of the slots ``stops``."""
    if tables.of_instrument(instrument, layout.PHASE, "u1") != Phase.CONTINUOUS:
        return
    bids = [k for k in (best[layout.DISPLAYED], best[layout.HIDDEN_BOOK]) if k is not None]
    asks = [k for k in (best[layout.DISPLAYED + 1], best[layout.HIDDEN_BOOK + 1]) if k is not None]
    crossed = bids and asks and ~min(bids) >= min(asks)
    assert not crossed, f"instrument {instrument}: the book is crossed"
    for opposite, which in ((asks, layout.WAITING_BUYS), (bids, layout.WAITING_SELLS)):
        waits = tables.of_instrument(instrument, layout.LISTS + which, "<u4")
        assert not waits or not opposite, f"instrument {instrument}: waits, but need not"
    if tables.of_instrument(instrument, layout.MODE) & layout.MODE_HELD:
        return
    last: int | None = tables.of_instrument(instrument, layout.LAST_PRICE)
    options = int(tables.rules["options"][instrument])
    if last == NO_PRICE and options & InstrumentOption.STOPS_BY_REFERENCE:
        last = tables.of_instrument(instrument, layout.REFERENCE)
    buy_price = sell_price = None if last == NO_PRICE else last
    bid_key, ask = best[layout.DISPLAYED], best[layout.DISPLAYED + 1]
    bid = None if bid_key is None else ~bid_key
    if options & InstrumentOption.STOPS_BY_QUOTE:
        buy_price, sell_price = ask, bid
    elif options & InstrumentOption.STOPS_BY_TRADE_OR_QUOTE:
        buy_price = max((p for p in (buy_price, bid) if p is not None), default=None)
        sell_price = min((p for p in (sell_price, ask) if p is not None), default=None)
    for slot in stops:
        extension = tables.extension(slot)
        side, trigger = (tables.extensions[name][extension] for name in ("side", "trigger"))
        takes_profit = tables.extensions["type"][extension] in TAKE_PROFITS
        rises = (side == Side.BUY) != takes_profit
        by_side = bool(options & InstrumentOption.STOPS_BY_QUOTE)
        price = buy_price if (side == Side.BUY if by_side else rises) else sell_price
        if by := tables.extensions["trigger_by"][extension] & BY_MASK:
            marks = {name: tables.marks[name][instrument] for name in ("mark", "index")}
            price = _own_price(TriggerBy(by), side, rises, last, bid, ask, marks)
        waits = price is None or (price < trigger if rises else price > trigger)
        assert waits, f"order slot {slot}: waits though its trigger {trigger} is reached"


def _own_price(
    by: TriggerBy,
    side: int,
    rises: bool,
    last: int | None,
    bid: int | None,
    ask: int | None,
    marks: dict[str, int],
) -> int | None:
    """The price that elects a stop with a named price."""
    own, opposite = (bid, ask) if side == Side.BUY else (ask, bid)
    if by == TriggerBy.MID:
        if bid is None or ask is None:
            return None
        return (bid + ask + (not rises)) // 2
    price = {
        TriggerBy.LAST: last,
        TriggerBy.OWN_QUOTE: own,
        TriggerBy.OPPOSITE_QUOTE: opposite,
        TriggerBy.MARK: marks["mark"],
        TriggerBy.INDEX: marks["index"],
    }[by]
    return None if price == NO_PRICE else price


# The lists of owners.py


def _check_owners(tables: Tables, instrument_of: dict[int, int]) -> None:
    """Every list is linked both ways and found by its owner and instrument; every open order whose
    slot is not noted is in the list of its owner."""
    owned = Table(tables.arena, tables.word(layout.OWNED_AT), OWNED_DTYPE, tables.slots.count)
    groups = Table(
        tables.arena,
        tables.word(layout.GROUPS_AT),
        GROUP_DTYPE,
        tables.word(layout.FRESH_GROUPS) + 1,
    )
    entered = tables.word(layout.ENTERED_ORDERS)
    noted, slot = set(range(entered + 1, tables.slots.count)), tables.word(layout.NOTED_SLOTS)
    while slot:
        assert slot not in noted, f"order slot {slot}: noted twice"
        noted.add(slot)
        slot = owned["noted"][slot]
    free, group = set(), tables.word(layout.FREE_GROUP)
    while group:
        assert group not in free, f"list {group}: free twice"
        free.add(group)
        group = groups["chain"][group]
    for group in set(range(1, groups.count)) - free:
        slot, previous = groups["first"][group], 0
        assert slot != 0, f"list {group}: kept without a slot"
        while slot:
            assert owned["group"][slot] == group, f"order slot {slot}: in a list that is not its"
            assert owned["prev"][slot] == previous, f"order slot {slot}: link of its list is wrong"
            slot, previous = owned["next"][slot], slot
    for slot in range(1, tables.slots.count):
        word = tables.slots["owner"][slot]
        assert bool(word & layout.SLOT_NOTED) == (slot in noted), (
            f"order slot {slot}: wrongly noted"
        )
        assert owned["group"][slot] not in free - {0}, f"order slot {slot}: in a free list"
    for slot in set(instrument_of) - noted:
        extension = tables.extension(slot)
        if extension:
            participant = tables.extensions["owner"][extension] & 0xFFFF
            half = tables.extensions["side"][extension] - Side.BUY
        else:
            participant = tables.slots["owner"][slot] & 0xFFFF
            half = _book_of(tables, tables.slots["level"][slot]) & 1
        group = owned["group"][slot]
        assert group != 0, f"order slot {slot}: open, but in no list"
        expected = (participant << 1 | half, instrument_of[slot])
        found = (groups["owner"][group], groups["instrument"][group])
        assert found == expected, f"order slot {slot}: in the list of another"


# Orders that are more than a plain limit


def _check_order(tables: Tables, slot: int, instrument: int) -> None:
    extension = tables.extension(slot)
    if not extension:
        return
    ext = {name: column[extension] for name, column in tables.extensions.columns.items()}
    assert ext["slot"] == slot, f"extension {extension}: belongs to another order"
    assert ext["instrument"] == instrument, f"extension {extension}: of another instrument"
    assert ext["type"] in list(OrderType), f"extension {extension}: type {ext['type']}"
    assert ext["tif"] in list(TimeInForce), f"extension {extension}: time in force {ext['tif']}"
    if ext["type"] == OrderType.ICEBERG:
        assert ext["reserve"] >= 0, f"extension {extension}: reserve below 0"
        assert ext["display"] > 0, f"extension {extension}: displays nothing"
    else:
        assert ext["reserve"] == 0, f"extension {extension}: a reserve without an iceberg"


def _check_lists(tables: Tables, instrument: int) -> list[int]:
    """Walk an instrument's lists; returns the slots of orders that are in no level."""
    of_ext, waiting = tables.extensions, []
    for offset in LISTS:
        ext = tables.of_instrument(instrument, layout.LISTS + offset, "<u4")
        previous, arrival = 0, 0
        while ext:
            assert of_ext["list"][ext] == offset + 1, f"extension {ext}: list is wrong"
            assert of_ext["prev"][ext] == previous, f"extension {ext}: link back is wrong"
            assert of_ext["arrival"][ext] >= arrival, f"extension {ext}: list is out of order"
            kind = (of_ext[name][ext] for name in ("type", "tif", "side", "stage"))
            assert _list_of(*kind) == offset, f"extension {ext}: in a wrong list"
            slot = of_ext["slot"][ext]
            if tables.slots["level"][slot] == 0:
                waiting.append(slot)
            else:
                assert offset < layout.AUCTION_LIST, f"extension {ext}: parked, but is in a level"
            previous, arrival, ext = ext, of_ext["arrival"][ext], of_ext["next"][ext]
        tail = tables.of_instrument(instrument, layout.LISTS + offset + 4, "<u4")
        assert tail == previous, f"instrument {instrument}: tail of list {offset} is wrong"
    return waiting


def _list_of(order_type: int, tif: int, side: int, stage: int) -> int:
    if stage in DORMANT:
        return layout.DORMANT_LIST
    if order_type in PEGS:
        return layout.PEG_LIST
    if order_type == OrderType.MARKET and tif not in FOR_AUCTIONS:
        return layout.WAITING_BUYS if side == Side.BUY else layout.WAITING_SELLS
    return layout.TRAILING_LIST if order_type in TRAILING else layout.AUCTION_LIST


def _check_counts(tables: Tables, instrument_of: dict[int, int]) -> None:
    """Counts by instrument, its mode, and the events that its orders could cause."""
    extra = 0
    of_ext = tables.extensions
    extended: dict[int, list[int]] = {i: [] for i in range(tables.instrument_count)}
    orders = dict.fromkeys(extended, 0)
    for slot, instrument in instrument_of.items():
        orders[instrument] += 1
        if tables.extension(slot):
            extended[instrument].append(tables.extension(slot))
    for instrument, extensions in extended.items():
        types = [of_ext["type"][ext] for ext in extensions]
        stops, pegs = sum(t in STOPS for t in types), sum(t in PEGS for t in types)
        trailing = sum(t in TRAILING for t in types)
        legs, dormant = _check_legs(tables, instrument, extensions)
        in_list = trailing - sum(of_ext["type"][ext] in TRAILING for ext in dormant)
        all_or_none = types.count(OrderType.ALL_OR_NONE)
        is_pro_rata = int(tables.rules["allocation"][instrument]) != Allocation.PRICE_TIME
        own = sum(of_ext["trigger_by"][ext] != 0 for ext in extensions)
        counted = tables.marks["own_triggers"][instrument]
        assert counted == own, f"instrument {instrument}: {own} own triggers, counted {counted}"
        for name, offset, count in (
            ("waiting stops", layout.STOP_COUNT, stops),
            ("all-or-none orders", layout.ALL_OR_NONE_COUNT, all_or_none),
            ("pegs", layout.PEG_COUNT, pegs),
            ("trailing stops", layout.TRAILING_COUNT, trailing),
            ("icebergs", layout.ICEBERG_COUNT, types.count(OrderType.ICEBERG)),
            *([("orders", layout.ORDER_COUNT, orders[instrument])] if is_pro_rata else []),
        ):
            counted = tables.of_instrument(instrument, offset)
            assert counted == count, f"instrument {instrument}: {count} {name}, counted {counted}"
        listed = sum(of_ext["list"][ext] != 0 for ext in extensions)
        parked = sum(of_ext["list"][ext] > layout.AUCTION_LIST for ext in extensions)
        assert listed == pegs + in_list + parked, f"instrument {instrument}: an order in no list"
        _check_mode(tables, instrument, extensions, is_pro_rata)
        extra += sum(
            order_extra(of_ext["type"][e], of_ext["tif"][e], of_ext["slices"][e])
            for e in extensions
        )
        extra += instrument_extra(
            stops, all_or_none, pegs, trailing, orders[instrument], legs, int(is_pro_rata)
        )
        extra += LEG_EXTRA * legs
    counted = tables.word(layout.EXTRA_EVENTS)
    assert counted == extra, f"orders could cause {extra} extra events, counted {counted}"
    capacity = tables.word(layout.ORDER_CAPACITY)
    assert extra <= extra_capacity(capacity), "orders could cause more events than there is room"
    assert tables.word(layout.EXTRA_CAPACITY) == extra_capacity(capacity), "EXTRA_CAPACITY is wrong"
    assert tables.word(layout.WORST_EVENTS) == scratch_records(capacity), "WORST_EVENTS is wrong"


def _check_mode(tables: Tables, instrument: int, extensions: list[int], is_pro_rata: bool) -> None:
    """An instrument's MODE says what its orders, terms, rules and phase are."""
    of_ext = tables.extensions
    mode = tables.of_instrument(instrument, layout.MODE)
    special = mode // layout.MODE_SPECIAL
    assert special == len(extensions), f"instrument {instrument}: MODE counts {special}"
    rules = tables.rules[instrument]
    is_plain = (
        rules["price_step_ticks"] == rules["qty_step_lots"] == 1
        and rules["band1_step_ticks"] == rules["market_band_ticks"] == 0
        and not is_pro_rata
        and not int(rules["options"]) & InstrumentOption.MARKET_WAITS
    )
    waiting = (layout.WAITING_BUYS + 1, layout.WAITING_SELLS + 1)
    waits = any(of_ext["list"][ext] in waiting for ext in extensions)
    assert (mode & layout.MODE_WAITING != 0) == waits, f"instrument {instrument}: MODE_WAITING"
    termed = instrument in tables.terms["instrument"]
    assert (mode & layout.MODE_TERMS != 0) == termed, f"instrument {instrument}: MODE_TERMS"
    assert (mode & layout.MODE_RULES == 0) == is_plain, f"instrument {instrument}: MODE_RULES"
    is_continuous = tables.of_instrument(instrument, layout.PHASE, "u1") == Phase.CONTINUOUS
    assert (mode & layout.MODE_PHASE == 0) == is_continuous, f"instrument {instrument}: MODE_PHASE"


def _check_legs(tables: Tables, instrument: int, extensions: list[int]) -> tuple[int, list[int]]:
    """Return how many legs of lists there are, and the extensions of those that wait."""
    stage = tables.extensions["stage"]
    legs = sum(stage[ext] != 0 for ext in extensions)
    counted = tables.of_instrument(instrument, LINKED_COUNT, "<u4")
    assert counted == legs, f"instrument {instrument}: {legs} legs, counted {counted}"
    _check_rings(tables, instrument, extensions)
    return legs, [ext for ext in extensions if stage[ext] in DORMANT]


def _check_rings(tables: Tables, instrument: int, extensions: list[int]) -> None:
    """Every leg is in a ring of legs of one list, and has nothing to do but to enter."""
    of_ext = tables.extensions
    act_first = tables.of_instrument(instrument, layout.ACT_CHAIN, "<u4")
    assert act_first == 0, f"instrument {instrument}: a list has something to do"
    due = {ext for ext in extensions if of_ext["stage"][ext] == DUE}
    chained = []
    ext = tables.of_instrument(instrument, layout.DUE_CHAIN, "<u4")
    while ext:
        chained.append(ext)
        ext = of_ext["act_next"][ext]
    assert set(chained) == due, f"instrument {instrument}: legs that are due"
    assert chained == sorted(chained, key=lambda one: of_ext["arrival"][one])
    mode = tables.of_instrument(instrument, layout.MODE)
    assert (mode & layout.MODE_LISTS != 0) == bool(due), f"instrument {instrument}: MODE_LISTS"
    for ext in extensions:
        if of_ext["stage"][ext] == 0:
            continue
        ring = [ext]
        while of_ext["next_leg"][ring[-1]] != ext:
            ring.append(of_ext["next_leg"][ring[-1]])
            assert len(ring) <= MAX_LEGS, f"extension {ext}: its ring does not close"
        legs = [int(of_ext["leg"][leg]) for leg in ring]
        last = legs.index(max(legs))
        around = legs[last:] + legs[:last]
        assert around == sorted(set(legs), reverse=True), f"extension {ext}: ring"
        for name in ("list_key", "contingency", "instrument"):
            assert len({of_ext[name][leg] for leg in ring}) == 1, f"extension {ext}: {name}"


def _check_expiries(tables: Tables, instrument_of: dict[int, int]) -> None:
    """The heap holds exactly the orders with an expiry, none before its parent."""
    count, start = tables.word(layout.EXPIRY_COUNT), tables.word(layout.EXPIRIES_AT)
    heap = tables.arena[start : start + 4 * (count + 1)].view(np.uint32).tolist()
    of_ext = tables.extensions
    having = {
        tables.extension(slot)
        for slot in instrument_of
        if tables.extension(slot) and of_ext["heap"][tables.extension(slot)]
    }
    assert set(heap[1:]) == having, "the heap of expiries and the orders differ"
    assert len(having) == count, "an order is in the heap of expiries twice"
    for place in range(1, count + 1):
        ext = heap[place]
        assert of_ext["heap"][ext] == place, f"extension {ext}: place in the heap is wrong"
        if place > 1:
            first, then = (
                (of_ext["expiry_ns"][e], of_ext["expiry_number"][e])
                for e in (heap[place // 2], ext)
            )
            assert first < then, f"the heap of expiries is out of order at {place}"
    for slot in instrument_of:
        ext = tables.extension(slot)
        expires = bool(ext) and of_ext["tif"][ext] == TimeInForce.GTD
        assert not expires or ext in having, f"order slot {slot}: good till date without one"


# What everything shares


def _check_ids(tables: Tables, instrument_of: dict[int, int]) -> None:
    """The id table holds exactly the open orders, each in the chain of its instrument and id."""
    start, mask = tables.word(layout.IDS_AT), tables.word(layout.ID_MASK)
    entries = tables.arena[start : start + (mask + 1) * layout.ID_ENTRY_BYTES].view(np.uint32)
    start = tables.word(layout.ID_LINKS_AT)
    links = tables.arena[start : start + tables.slots.count * layout.ID_LINK_BYTES].view(np.uint32)
    chained: set[int] = set()
    names: set[tuple[int, int]] = set()
    for entry in np.flatnonzero(entries).tolist():
        slot = int(entries[entry])
        while slot:
            assert slot not in chained, f"order slot {slot}: in two chains of ids"
            assert slot in instrument_of, f"order slot {slot}: has an id, but is in no book"
            chained.add(slot)
            name = instrument_of[slot], tables.slots["order_id"][slot]
            assert name not in names, f"order {name[1]}: open twice in instrument {name[0]}"
            names.add(name)
            home = id_home(ArenaHeader.of(tables.address), *name) & mask
            assert home == entry, f"order {name[1]}: in the wrong chain"
            slot = int(links[slot])
    assert chained == set(instrument_of), "an order has no entry in the id table"


def _check_pool(
    tables: Tables, name: str, in_use: set[int], free: int, fresh: int, links: list[int]
) -> None:
    """Every slot ever handed out is in use or on the free stack, and never both."""
    free_slots: set[int] = set()
    slot = tables.word(free)
    while slot:
        assert slot not in free_slots, f"{name}: the free stack runs in a circle"
        free_slots.add(slot)
        slot = links[slot]
    assert not free_slots & in_use, f"{name}: a slot is both free and in use"
    assert free_slots | in_use == set(range(1, tables.word(fresh) + 1)), f"{name}: slots are lost"


def _check_changed(tables: Tables) -> None:
    """The pages marked as changed are those that hang in their list."""
    hanging: set[int] = set()
    page = tables.word(layout.CHANGED_PAGES)
    while page != layout.END_OF_CHANGED:
        assert page not in hanging, "the list of changed pages runs in a circle"
        hanging.add(page)
        page = tables.pages["changed"][page]
    marked = {page for page, link in enumerate(tables.pages["changed"]) if link}
    assert hanging == marked, "changed pages are marked, but not in their list"
