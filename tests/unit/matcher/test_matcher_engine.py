"""The engine's own promises: depth, snapshots, and what it says to bad input."""

from dataclasses import replace

import numpy as np
import pytest

from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.state.snapshot import HEADER_DTYPE, ROW_DTYPE, decode, encode
from openoutcry.wire import (
    EVENT_DTYPE,
    INSTRUMENT_DTYPE,
    LAYOUT_HASH,
    ORDER_DTYPE,
    LayoutMismatch,
    make_instruments,
)
from tests.oracles.matcher.engine import ReferenceEngine

SYMBOLS = ["A", "BB", "CCCCCCCC"]
INSTRUMENTS = make_instruments(SYMBOLS)


@pytest.fixture
def engine(stream):
    """An engine with a few hundred open orders in three instruments."""
    engine = Engine(INSTRUMENTS, 1024)
    engine.process(stream(5, 4000, 4000, 500))
    assert engine.open_orders > 200
    return engine


def test_depth_and_best_say_the_same(make_script):
    """Levels come best first with quantity and count; best is their first."""
    engine = Engine(INSTRUMENTS, 16)
    assert engine.best("A") == (None, 0, None, 0)
    assert engine.depth("A", 5) == {"bids": [], "asks": []}
    make_script(engine).run("""
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=2 BUY 2@100
    ACCEPTED id=2 2@100 leaves=2
NEW id=3 BUY 9@-70
    ACCEPTED id=3 9@-70 leaves=9
NEW id=4 SELL 4@101
    ACCEPTED id=4 4@101 leaves=4
NEW id=5 SELL 1@99 sym=BB
    ACCEPTED id=5 1@99 leaves=1
""")
    assert engine.best("A") == (100, 7, 101, 4)
    assert engine.best(b"BB") == (None, 0, 99, 1)
    assert engine.depth("A", 9) == {"bids": [(100, 7, 2), (-70, 9, 1)], "asks": [(101, 4, 1)]}
    assert engine.depth("A", 1) == {"bids": [(100, 7, 2)], "asks": [(101, 4, 1)]}
    assert engine.depth("A", 0) == {"bids": [], "asks": []}


def test_counters_follow_the_commands(engine):
    """Last sequence, event count and open orders are those of what was processed."""
    assert engine.last_seq == 4000
    assert engine.open_orders == sum(
        n for s in SYMBOLS for side in engine.depth(s, 10**6).values() for _, _, n in side
    )
    order = np.zeros(1, dtype=ORDER_DTYPE)
    order["seq"] = 4001
    count = engine.event_count
    assert engine.process(order)["seq"].tolist() == [count + 1]
    assert engine.event_count == count + 1
    assert len(engine.process(order[:0])) == 0


def test_restored_engine_continues_as_if_nothing_had_happened(stream):
    """Snapshot, restore and go on gives the events and the state of a straight run."""
    first, second = stream(8, 5000, 300, 20), stream(9, 5000, 300, 20)
    straight = Engine(INSTRUMENTS, 256)
    straight.process(first)
    data = straight.snapshot()
    expected = straight.process(second)
    restored = Engine.restore(data, 256)
    restored.check()
    assert restored.snapshot() == data
    assert np.array_equal(restored.process(second), expected)
    assert restored.snapshot() == straight.snapshot()
    assert restored.state_hash() == straight.state_hash() != Engine.restore(data).state_hash()


def test_state_does_not_depend_on_the_way_there(make_script):
    """Two histories that end in the same book, count and sequence have the same bytes."""
    one, other = Engine(INSTRUMENTS, 16), Engine(INSTRUMENTS, 99, 7)
    make_script(one).run("""
NEW id=9 BUY 5@77
    ACCEPTED id=9 5@77 leaves=5
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
CANCEL id=9
    CANCELLED id=9 5@77 leaves=0 USER
""")
    make_script(other).run("""
NEW id=1 BUY 9@900
    ACCEPTED id=1 9@900 leaves=9
REPLACE id=1 7@100
    REPLACED id=1 7@100 leaves=7
REDUCE id=1 2
    REDUCED id=1 2@100 leaves=5
""")
    assert one.snapshot() == other.snapshot()
    make_script(one).run("CANCEL id=1\n    CANCELLED id=1 5@100 leaves=0 USER\n")
    assert one.state_hash() != other.state_hash()


def test_empty_books_can_be_kept_too():
    """A snapshot before the first command restores."""
    data = Engine(INSTRUMENTS, 4).snapshot()
    assert Engine.restore(data).snapshot() == data == ReferenceEngine(INSTRUMENTS).snapshot()


def test_every_flipped_byte_of_a_snapshot_is_noticed(engine):
    """No single damaged byte passes."""
    data = engine.snapshot()
    rng = np.random.default_rng(1)
    places = [*range(HEADER_DTYPE.itemsize + 64), *rng.integers(64, len(data), 200).tolist()]
    for at in places:
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        with pytest.raises((MatcherError, LayoutMismatch)):
            Engine.restore(bytes(damaged))


def test_damaged_and_foreign_snapshots_are_refused_with_a_reason(engine):
    """The message says what is wrong with the bytes."""
    data = engine.snapshot()
    with pytest.raises(MatcherError, match="0 bytes are fewer than a header"):
        Engine.restore(b"")
    with pytest.raises(MatcherError, match="byte 0: not the start of a matcher snapshot"):
        Engine.restore(b"PNG" + data[3:])
    with pytest.raises(MatcherError, match=r"bytes, its header speaks of"):
        Engine.restore(data[:-1])
    with pytest.raises(MatcherError, match="the checksum does not match"):
        Engine.restore(data[:-1] + b"\x99")
    with pytest.raises(LayoutMismatch, match="snapshot was written with layout"):
        Engine.restore(data[:8] + (LAYOUT_HASH ^ 1).to_bytes(8, "little") + data[16:])


def test_snapshots_that_do_not_fit_are_refused_with_a_reason(engine):
    """Too few order slots or pages: the message names the number to raise."""
    data = engine.snapshot()
    with pytest.raises(MatcherError, match="do not fit an order_capacity of 10"):
        Engine.restore(data, 10)
    with pytest.raises(MatcherError, match="needs more than 2 level_pages"):
        Engine.restore(data, 1024, 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r["qty_lots"].__setitem__(3, 0), "order row 3: qty_lots is 0"),
        (lambda r: r["side"].__setitem__(3, 9), "order row 3: side is 9"),
        (lambda r: r["instrument"].__setitem__(3, 9), "order row 3: instrument is 9"),
        (lambda r: r["order_id"].__setitem__(3, r["order_id"][0]), "order row 3: repeats an id"),
        (lambda r: r.__setitem__(slice(0, 9), r[8::-1].copy()), "not in canonical order"),
        (lambda r: r["flags"].__setitem__(3, 16), "order row 3: flags is 16"),
        (lambda r: r["flags"].__setitem__(3, 8), "order row 3: trigger_by is 0"),
        (lambda r: r["trigger_by"].__setitem__(3, 2), "order row 3: trigger_by is 2"),
        (lambda r: r["place"].__setitem__(3, 4), "order row 3: place is 4"),
        (lambda r: r["place"].__setitem__(3, 5), "order row 3: place is 5"),
        (lambda r: r["order_type"].__setitem__(3, 99), "order row 3: order_type is 99"),
        (lambda r: r["order_type"].__setitem__(3, 6), "order row 3: place is 0"),
        (lambda r: r["time_in_force"].__setitem__(3, 9), "order row 3: time_in_force is 9"),
        (lambda r: r["aux"].__setitem__(3, 1), "not in canonical order"),
    ],
)
def test_nonsense_under_a_good_checksum_is_refused(engine, damage, message):
    """A forged snapshot cannot put the memory out of order."""
    state = decode(engine.snapshot())
    damage(state.rows)
    with pytest.raises(MatcherError, match=message):
        Engine.restore(encode(state))


def test_a_crossed_snapshot_is_refused():
    """A bid at an ask's price cannot be restored into continuous trading."""
    state = Engine(INSTRUMENTS).state()
    rows = np.zeros(2, dtype=ROW_DTYPE)
    rows["order_id"], rows["qty_lots"] = [1, 2], 1
    rows["order_type"], rows["time_in_force"] = 1, 1
    rows["side"], rows["price_ticks"] = [1, 2], [100, 100]
    with pytest.raises(MatcherError, match="instrument row 0: its orders cross"):
        Engine.restore(encode(replace(state, rows=rows)))


def test_bad_arguments_are_named():
    """Wrong arrays, symbols, capacities and levels get a message with their name."""
    engine = Engine(INSTRUMENTS, 4)
    with pytest.raises(MatcherError, match="orders: not a one-dimensional array of ORDER_DTYPE"):
        engine.process(np.zeros(3))
    with pytest.raises(MatcherError, match="symbol 'NOPE' is not in the instrument table"):
        engine.best("NOPE")
    with pytest.raises(MatcherError, match="levels is -1"):
        engine.depth("A", -1)
    with pytest.raises(MatcherError, match="order_capacity is 0"):
        Engine(INSTRUMENTS, 0)
    with pytest.raises(MatcherError, match="level_pages is -3"):
        Engine(INSTRUMENTS, 4, -3)
    with pytest.raises(MatcherError, match="instruments: not an array of INSTRUMENT_DTYPE"):
        Engine(np.zeros(3))
    with pytest.raises(MatcherError, match="1 to 65535 rows"):
        Engine(INSTRUMENTS[:0])
    with pytest.raises(MatcherError, match="row 0: symbol is empty"):
        Engine(np.zeros(2, dtype=INSTRUMENT_DTYPE))
    with pytest.raises(MatcherError, match="symbol b'A' occurs twice"):
        Engine(INSTRUMENTS[[0, 1, 0]])


def test_orders_of_a_strided_array_are_processed(stream):
    """Every second record of an array is as good as an array of its own."""
    orders = stream(4, 1000)
    one, other = Engine(INSTRUMENTS, 64), Engine(INSTRUMENTS, 64)
    assert np.array_equal(one.process(orders[::2]), other.process(orders[::2].copy()))


def test_four_thousand_instruments_are_distinguished():
    """Every symbol of a full table is found, and books do not touch each other."""
    table = make_instruments([f"S{i}" for i in range(4096)])
    engine = Engine(table, 5000)
    orders = np.zeros(4096, dtype=ORDER_DTYPE)
    orders["symbol"], orders["order_id"] = table["symbol"], np.arange(4096)
    orders["price_ticks"], orders["qty_lots"] = np.arange(4096) * 64, 1
    for field in ("kind", "side", "order_type", "time_in_force"):
        orders[field] = 1
    events = engine.process(orders[::-1])
    assert np.array_equal(events["instrument"], np.arange(4096)[::-1])
    assert engine.best("S4095") == (4095 * 64, 1, None, 0)
    engine.check()


def test_ids_that_share_their_home_are_found_and_forgotten():
    """Runs of colliding ids in the id table close up again after any deletion."""
    ids = [group * 2**61 + low - 2**63 for group in range(7) for low in range(4)]
    engine = Engine(INSTRUMENTS[:1], 64)
    orders = np.zeros(len(ids), dtype=ORDER_DTYPE)
    orders["symbol"], orders["order_id"], orders["qty_lots"] = b"A", ids, 1
    for field in ("kind", "side", "order_type", "time_in_force"):
        orders[field] = 1
    engine.process(orders)
    engine.check()
    rng = np.random.default_rng(1)
    orders["kind"] = 2
    for index in rng.permutation(len(ids)):
        assert engine.process(orders[index : index + 1])["kind"].tolist() == [3]
        engine.check()
    assert engine.open_orders == 0


def test_one_command_may_sweep_the_whole_book():
    """A market order through a full book writes two fills a maker and two events of its own."""
    makers = 3000
    orders = np.zeros(makers + 1, dtype=ORDER_DTYPE)
    orders["symbol"], orders["order_id"], orders["qty_lots"] = b"A", np.arange(makers + 1), 1
    orders["price_ticks"] = np.arange(makers + 1) * 37 % 1009
    for field in ("kind", "side", "order_type", "time_in_force"):
        orders[field] = 1
    orders["side"][-1], orders["order_type"][-1], orders["qty_lots"][-1] = 2, 2, makers + 1
    engine = Engine(INSTRUMENTS, makers)
    events = engine.process(orders)
    assert np.array_equal(events["seq"], np.arange(1, makers + 2 * makers + 3))
    assert np.array_equal(events, ReferenceEngine(INSTRUMENTS, makers).process(orders))
    assert engine.open_orders == 0
    engine.check()


@pytest.mark.parametrize("capacity", [1000.0, "9", None])
def test_a_capacity_that_is_no_integer_is_named(capacity):
    """A clear error instead of the compiler's."""
    with pytest.raises(MatcherError, match=r"order_capacity is .*, not an integer"):
        Engine(INSTRUMENTS, capacity)


def test_one_order_that_sweeps_many_makers_grows_the_answer_once():
    """As many events as thousands of commands cause, from one, with and without a buffer."""
    makers = 5000
    orders = np.zeros(makers + 1, dtype=ORDER_DTYPE)
    orders["symbol"], orders["kind"], orders["order_type"], orders["time_in_force"] = b"A", 1, 1, 1
    orders["order_id"] = orders["seq"] = np.arange(1, makers + 2)
    orders["side"], orders["qty_lots"], orders["price_ticks"] = 1, 1, 100
    orders["side"][-1], orders["qty_lots"][-1] = 2, makers
    one, other = (Engine(INSTRUMENTS, makers + 1) for _ in range(2))
    rested = one.process(orders[:-1])
    other.process(orders[:-1])
    swept = one.process(orders[-1:])
    assert len(rested) == makers
    assert len(swept) == 2 * makers + 1
    assert swept["seq"].tolist() == list(range(makers + 1, 3 * makers + 2))
    buffer = np.zeros(2 * makers + 1, dtype=EVENT_DTYPE)
    again = other.process(orders[-1:], out=buffer)
    assert np.shares_memory(again, buffer)
    assert np.array_equal(again, swept)


def test_events_are_written_to_the_callers_buffer_again_and_again(stream):
    """A buffer that is large enough is used, one that is not is replaced by a larger array, and
    what cannot be one is refused before anything has happened."""
    orders = stream(7, 3000)
    engine, other = Engine(INSTRUMENTS, 500), Engine(INSTRUMENTS, 500)
    buffer = np.empty(4000, dtype=EVENT_DTYPE)
    for part in np.array_split(orders, 6):
        events = engine.process(part, out=buffer)
        assert np.shares_memory(events, buffer)
        assert np.array_equal(events, other.process(part))
    few = np.empty(10, dtype=EVENT_DTYPE)
    events = engine.process(stream(8, 500), out=few)
    assert len(events) >= 500
    assert not np.shares_memory(events, few)
    count = engine.event_count
    for wrong in (buffer[::2], np.zeros(9), np.frombuffer(bytes(640), dtype=EVENT_DTYPE)):
        with pytest.raises(MatcherError, match="out: not"):
            engine.process(orders, out=wrong)
    assert engine.event_count == count


def test_events_are_the_same_however_they_are_written(stream):
    """Straight into a large buffer, into one that is used up on the way, into a new array, and a
    few commands at a time; what an engine has answered stays as it was while it goes on."""
    orders = stream(9, 9000)
    ways = [Engine(INSTRUMENTS, 300) for _ in range(4)]
    wanted = np.concatenate([ways[0].process(part) for part in np.array_split(orders, 90)])
    assert len(wanted) > 9000
    whole = ways[1].process(orders)
    for engine, slots in zip(ways[2:], (len(wanted) + 20_000, len(wanted)), strict=True):
        buffer = np.empty(slots, dtype=EVENT_DTYPE)
        events = engine.process(np.frombuffer(orders.tobytes(), ORDER_DTYPE), out=buffer)
        assert np.shares_memory(events, buffer)
        assert events.tobytes() == wanted.tobytes()
    assert whole.tobytes() == wanted.tobytes()
    assert len({engine.state_hash() for engine in ways}) == 1


def test_an_answer_of_many_events_to_one_order_is_the_callers():
    """The array that is handed over is not written to again."""
    makers = 10_000
    orders = np.zeros(makers + 1, dtype=ORDER_DTYPE)
    orders["symbol"], orders["kind"], orders["order_type"], orders["time_in_force"] = b"A", 1, 1, 1
    orders["order_id"] = orders["seq"] = np.arange(1, makers + 2)
    orders["side"], orders["qty_lots"], orders["price_ticks"] = 1, 1, 100
    orders["side"][-1], orders["qty_lots"][-1] = 2, makers
    engine = Engine(INSTRUMENTS, makers + 1)
    rested = engine.process(orders[:-1])
    swept = engine.process(orders[-1:])
    before = [rested.tobytes(), swept.tobytes()]
    orders["order_id"] += makers
    assert len(engine.process(orders)) == makers + 1 + 2 * makers
    assert [rested.tobytes(), swept.tobytes()] == before
