"""The state of an engine: as rows, as bytes, as a hash, as a copy, and if its memory is sound."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openoutcry.matcher import Engine
from openoutcry.matcher.book import arena
from openoutcry.matcher.book.empty_arena import arena_bytes
from openoutcry.matcher.event_bound import scratch_records
from openoutcry.matcher.state.clone import TABLES
from openoutcry.matcher.state.digest import state_hash
from openoutcry.matcher.state.snapshot import (
    DISPLAYED_PLACE,
    ROW_DTYPE,
    STATE_DTYPE,
    decode,
    encode,
    order_row,
)
from openoutcry.wire import (
    ORDER_DTYPE,
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Side,
    TimeInForce,
    make_instruments,
)
from openoutcry.wire.enums import InstrumentOption
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher.state import state_row
from tests.support.matcher.matcher_lists import mixed_lists
from tests.support.matcher.matcher_mixed import mixed
from tests.support.matcher.matcher_quotes import mixed_quotes
from tests.support.matcher.matcher_state import COMMANDS, SEEDS, reference_after


@given(SEEDS, st.integers(1, COMMANDS))
@example(3, COMMANDS)
def test_any_state_can_be_put_back(seed, commands):
    """Whatever the plain reference got into, an engine restored from it has a sound memory, the
    same bytes and the same hashes, and so has its clone."""
    run = mixed(seed, COMMANDS)
    reference = reference_after(run, commands)
    data = reference.snapshot()
    engine = Engine.restore(data, run.order_capacity)
    for each in (engine, engine.clone()):
        each.check()
        assert each.snapshot() == data
        assert each.state_hash() == reference.state_hash()
        assert each.open_orders == reference.open_orders


@settings(max_examples=8)  # one takes 50 to 270 ms
@given(SEEDS)
def test_the_hash_kept_up_to_date_is_the_hash_of_the_rows(seed):
    """After every command, asked at once or after a while, the incremental hash is that of the
    state computed afresh."""
    run = mixed(seed, COMMANDS)
    engine = Engine(run.instruments, run.order_capacity)
    rng = np.random.default_rng(seed)
    for start in range(COMMANDS):
        engine.process(run.orders[start : start + 1])
        if rng.random() < 0.3:
            assert engine.state_hash() == state_hash(engine.state())
    engine.check()


@given(SEEDS)
def test_a_rejected_command_leaves_the_book_hash_alone(seed):
    """One REJECTED event and nothing else: only the state hash, which counts, is another."""
    run = mixed(seed, COMMANDS)
    engine = Engine(run.instruments, run.order_capacity)
    rejected = 0
    before, whole = engine.book_hash(), engine.state_hash()
    for start in range(COMMANDS):
        events = engine.process(run.orders[start : start + 1])
        after, now = engine.book_hash(), engine.state_hash()
        if events["kind"].tolist() == [6]:
            rejected += 1
            assert after == before
        assert now != whole
        before, whole = after, now
    assert rejected


@given(SEEDS, st.integers(0, 3000))
def test_a_restart_continues_as_if_nothing_had_happened(seed, cut):
    """A snapshot anywhere plus the commands after it give the straight run: its events, state and
    hash; and a second snapshot is the first, byte for byte."""
    run = mixed(seed, 3000)
    straight = Engine(run.instruments, run.order_capacity)
    straight.process(run.orders[:cut])
    data = straight.snapshot()
    restored = Engine.restore(data, run.order_capacity)
    assert restored.snapshot() == data == straight.snapshot()
    expected = straight.process(run.orders[cut:])
    assert np.array_equal(restored.process(run.orders[cut:]), expected)
    assert restored.snapshot() == straight.snapshot()
    assert restored.state_hash() == straight.state_hash()
    restored.check()


def test_a_restored_peg_notices_that_the_book_is_empty():
    """What a peg follows may be gone with the first command after a restart: it is told then."""
    orders = np.zeros(3, dtype=ORDER_DTYPE)
    orders["symbol"], orders["order_id"], orders["qty_lots"] = b"A", [1, 2, 1], 1
    orders["kind"] = [CommandKind.NEW, CommandKind.NEW, CommandKind.CANCEL]
    orders["side"], orders["time_in_force"] = [Side.BUY, Side.SELL, Side.BUY], TimeInForce.DAY
    orders["order_type"] = [OrderType.LIMIT, OrderType.PEG_MARKET, OrderType.LIMIT]
    orders["price_ticks"], orders["aux"] = [100, 90, 0], [0, -2, 0]
    straight = Engine(make_instruments(["A"]), 16)
    assert straight.process(orders[:2])["price_ticks"].tolist() == [100, 102]
    restored = Engine.restore(straight.snapshot(), 16)
    expected = straight.process(orders[2:])
    assert expected["kind"].tolist() == [EventKind.CANCELLED, EventKind.REPEGGED]
    assert np.array_equal(restored.process(orders[2:]), expected)


@pytest.mark.parametrize("seed", [2, 7, 19])
def test_every_state_on_the_way_is_the_references(seed):
    """After every single command the memory is in order, the bytes are those of the plain
    reference, and so is the hash that was kept up to date."""
    run = mixed(seed, 150)
    engine = Engine(run.instruments, run.order_capacity)
    reference = ReferenceEngine(run.instruments, run.order_capacity)
    for start in range(len(run.orders)):
        order = run.orders[start : start + 1]
        assert np.array_equal(engine.process(order), reference.process(order))
        assert engine.snapshot() == reference.snapshot()
        assert engine.state_hash() == reference.state_hash()
        engine.check()


def test_asking_costs_what_changed():
    """After an answer nothing is marked; a command marks the pages it touches and no other, however
    many are open."""
    engine = Engine(make_instruments(["A", "B"]), 4096)
    orders = np.zeros(2000, dtype=ORDER_DTYPE)
    orders["symbol"], orders["order_id"], orders["qty_lots"] = b"A", np.arange(2000), 1
    orders["price_ticks"] = np.arange(2000) * 64
    for field in ("kind", "side", "order_type", "time_in_force"):
        orders[field] = 1
    engine.process(orders)
    assert len(marked_pages(engine)) == 2000
    engine.book_hash()
    assert marked_pages(engine) == []
    orders["kind"], orders["qty_lots"] = 4, 2
    engine.process(orders[700:702])
    assert len(marked_pages(engine)) == 2
    before = engine.book_hash()
    engine.process(orders[:0])
    assert engine.book_hash() == before
    assert marked_pages(engine) == []


def marked_pages(engine: Engine) -> list[int]:
    words = engine.arena[: arena.HEADER_BYTES].view(np.int64)
    page, pages = int(words[arena.CHANGED_PAGES // 8]), []
    while page != arena.END_OF_CHANGED:
        pages.append(page)
        link = int(words[arena.PAGES_AT // 8]) + page * arena.PAGE_BYTES + arena.PAGE_CHANGED
        page = int(engine.arena[link : link + 4].view(np.uint32)[0])
    return pages


def test_a_clone_goes_its_own_way():
    """What-if runs leave the engine they came from alone, and end as it would."""
    run = mixed(11, 2000)
    engine = Engine(run.instruments, run.order_capacity)
    engine.process(run.orders[:1000])
    before = engine.snapshot()
    clone = engine.clone()
    events = clone.process(run.orders[1000:])
    assert engine.snapshot() == before
    engine.check()
    assert np.array_equal(engine.process(run.orders[1000:]), events)
    assert engine.state_hash() == clone.state_hash()
    clone.check()


def test_a_clone_copies_every_table():
    """The tables that a clone knows are all that the header tells of."""
    engine = Engine(make_instruments(["A"]), 100)
    words = engine.arena[: arena.HEADER_BYTES].view(np.int64)
    starts = sorted(int(words[word // 8]) for word in TABLES)
    assert len(set(starts)) == len(TABLES)
    fields = arena.ArenaHeader.fields.values()
    apart = ("next_event_at", "fixed_symbols_at", "fixed_extensions_at")
    tables = [f.offset for f in fields if f.name.endswith("_at") and f.name not in apart]
    assert sorted(tables) == sorted(TABLES)


def test_what_was_elected_or_converted_is_a_plain_order():
    """A field that has no effect any more is 0: two ways to the same book give the same row."""
    common = {
        "price": 100,
        "order_id": 1,
        "qty": 5,
        "instrument": 0,
        "participant": 3,
        "side": Side.BUY,
        "place": DISPLAYED_PLACE,
        "time_in_force": TimeInForce.DAY,
    }
    plain = order_row(order_type=OrderType.LIMIT, **common)
    was_stop = order_row(
        order_type=OrderType.LIMIT, trigger=99, limit=100, arrival=7, self_trade=2, **common
    )
    assert plain == was_stop
    assert plain != order_row(order_type=OrderType.LIMIT, expiry_ns=0, **common)


def test_an_indication_counts_only_in_its_call():
    """What was last published is state as long as it keeps the next from being published."""
    common = {"last": 5, "reference": None, "called": True, "extensions_used": 0}
    shown, hidden = (
        np.array([state_row(phase=phase, indicative=(101, 7, 2, 1), **common)], dtype=STATE_DTYPE)[
            0
        ]
        for phase in (Phase.OPENING_AUCTION, Phase.HALT)
    )
    assert shown["indicative_volume_lots"] == 7
    assert hidden["indicative_volume_lots"] == 0
    assert hidden["indicative_price_ticks"] == -(2**63)


def test_the_size_of_an_arena_is_known_before():
    """Capacities out of range have none, and the worst command's events are those of the bound."""
    assert arena_bytes(0, 1, 1) == arena_bytes(1, 0, 1) == arena_bytes(1, 1, 0) == 0
    assert arena_bytes(65_536, 1, 1) == arena_bytes(1, arena.MAX_ORDER_CAPACITY + 1, 1) == 0
    engine = Engine(make_instruments(["A"]), 77, 5)
    assert len(engine.arena) == arena_bytes(1, 77, 5)
    words = engine.arena[: arena.HEADER_BYTES].view(np.int64)
    assert words[arena.WORST_EVENTS // 8] == scratch_records(77)


# The check itself


def damaged(engine: Engine, table: int, item: int, size: int, offset: int, kind: str) -> np.ndarray:
    """A view of one word of the arena."""
    words = engine.arena[: arena.HEADER_BYTES].view(np.int64)
    start = int(words[table // 8]) + item * size + offset
    return engine.arena[start : start + np.dtype(kind).itemsize].view(kind)


ORDER = (arena.ORDERS_AT, arena.ORDER_SLOT_BYTES)
EXTENSION = (arena.EXTENSIONS_AT, arena.EXTENSION_BYTES)
INSTRUMENT = (arena.INSTRUMENTS_AT, arena.INSTRUMENT_BYTES)


@pytest.mark.parametrize(
    ("table", "offset", "kind", "message"),
    [
        (ORDER, arena.SLOT_ID, "<i8", "in the wrong chain|open twice"),
        (ORDER, arena.SLOT_QTY, "<i8", "total is wrong"),
        (ORDER, arena.SLOT_NEXT, "<u4", "link back|tail|circle|total|level is wrong"),
        (ORDER, arena.SLOT_PREV, "<u4", "link back"),
        (ORDER, arena.SLOT_LEVEL, "<u4", "level is wrong"),
        (EXTENSION, arena.EXT_TYPE, "u1", "type|is in book|counted|not marked"),
        (EXTENSION, arena.EXT_SIDE, "u1", "wrong side|not marked"),
        (EXTENSION, arena.EXT_INSTRUMENT, "<u4", "another instrument"),
        (EXTENSION, arena.EXT_SLOT, "<u4", "another order"),
        (EXTENSION, arena.EXT_HEAP, "<u4", "heap"),
        (INSTRUMENT, arena.MODE, "<i8", "MODE"),
        (INSTRUMENT, arena.STOP_COUNT, "<i8", "waiting stops"),
        (INSTRUMENT, arena.PEG_COUNT, "<i8", "pegs"),
        (INSTRUMENT, arena.TRAILING_COUNT, "<i8", "trailing"),
        (INSTRUMENT, arena.ALL_OR_NONE_COUNT, "<i8", "all-or-none"),
        (INSTRUMENT, arena.LISTS + arena.PEG_LIST + 4, "<u4", "tail of list"),
        (INSTRUMENT, arena.LAST_PRICE, "<i8", "not marked"),
    ],
)
def test_the_check_finds_damage(table, offset, kind, message):
    """One changed word anywhere makes the check name what is wrong."""
    run = mixed(9, COMMANDS)
    for commands in range(100, COMMANDS, 20):
        reference = reference_after(run, commands)
        engine = Engine.restore(reference.snapshot(), run.order_capacity)
        rows = engine.state().rows
        displayed = np.flatnonzero(rows["place"] == DISPLAYED_PLACE)
        if len(rows) > 3 and (rows["flags"] & 2).any() and len(displayed):
            break
    engine.check()
    item = 0
    if table is ORDER:
        item = 1 + int(displayed[0])
    if table is EXTENSION:
        item = 1
    word = damaged(engine, *table[:1], item, table[1], offset, kind)
    word ^= 1
    with pytest.raises(AssertionError, match=message):
        engine.check()
    word ^= 1
    engine.check()


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (arena.MAGIC, "magic"),
        (arena.SIZE_BYTES, "size"),
        (arena.OPEN_ORDERS, "open orders"),
        (arena.OPEN_PAGES, "open pages"),
        (arena.FREE_ORDER, "orders"),
        (arena.FREE_PAGE, "pages"),
        (arena.EXTRA_EVENTS, "extra events"),
        (arena.EXTRA_CAPACITY, "EXTRA_CAPACITY"),
        (arena.WORST_EVENTS, "WORST_EVENTS"),
    ],
)
def test_the_check_finds_a_wrong_header(offset, message):
    """One changed word of the header makes the check name what is wrong."""
    run = mixed(3, COMMANDS)
    engine = Engine.restore(reference_after(run, 300).snapshot(), run.order_capacity)
    engine.check()
    engine.arena[: arena.HEADER_BYTES].view(np.int64)[offset // 8] ^= 1
    with pytest.raises(AssertionError, match=message):
        engine.check()


def test_rows_of_a_snapshot_are_read_back_as_written():
    """Encoding and decoding change nothing, with every order type among the rows."""
    run = mixed(3, COMMANDS)
    state = reference_after(run, COMMANDS).state()
    again = decode(encode(state))
    assert again.rows.dtype == ROW_DTYPE
    for name in ("instruments", "states", "rows"):
        assert np.array_equal(getattr(again, name), getattr(state, name))
    assert (again.now_ns, again.last_seq) == (state.now_ns, state.last_seq)


def restored_anywhere(make, seed, count):
    """A core goes on as one that is restored from its snapshot again and again does.  Where market
    orders may wait, they do."""
    run, rng = make(seed, count), np.random.default_rng(seed)
    instruments = run.instruments.copy()
    if seed % 2:
        instruments["options"] &= ~np.uint32(InstrumentOption.MARKET_REST_STAYS)
        instruments["options"] |= np.uint32(InstrumentOption.MARKET_WAITS)
    straight, again = (Engine(instruments, run.order_capacity) for _ in range(2))
    at = 0
    while at < len(run.orders):
        part = run.orders[at : at + int(rng.integers(1, 200))]
        np.testing.assert_array_equal(again.process(part), straight.process(part))
        again = Engine.restore(again.snapshot(), run.order_capacity)
        at += len(part)
    assert again.state_hash() == straight.state_hash()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [mixed, mixed_lists, mixed_quotes])
def test_a_core_that_is_restored_anywhere_goes_on_alike(make, seed):
    restored_anywhere(make, seed, 800)


@pytest.mark.long
@pytest.mark.parametrize("part", range(6))
@pytest.mark.parametrize("make", [mixed, mixed_lists, mixed_quotes])
def test_many_cores_that_are_restored_anywhere_go_on_alike(make, part):
    for seed in range(1_000 + 200 * part, 1_200 + 200 * part):
        restored_anywhere(make, seed, 1_500)
