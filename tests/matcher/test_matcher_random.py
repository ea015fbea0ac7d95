"""The kernels against the plain reference on random streams, and laws no stream may break."""

import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.matcher import Engine, ReferenceEngine, process_batch, process_one, scratch_records
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, EventKind, Side, make_instruments

SYMBOLS = [b"A", b"BB", b"CCCCCCCC"]
INSTRUMENTS = make_instruments(SYMBOLS)
INT64 = st.integers(-(2**63), 2**63 - 1)
PRICES = st.one_of(st.integers(98, 103), st.integers(-130, 130), INT64)
QUANTITIES = st.one_of(st.integers(1, 9), st.integers(1, 9), st.integers(2**62, 2**63 - 1), INT64)
COMMANDS = st.lists(
    st.tuples(
        PRICES,
        QUANTITIES,
        st.sampled_from([b"A", b"A", b"A", b"BB", b"CCCCCCCC", b"", b"A\0B"]),
        st.one_of(st.integers(0, 12), INT64),
        INT64,
        INT64,
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([0] * 15 + [1]),
        st.sampled_from([1, 1, 1, 2, 3, 4, 4, 4, 255]),
        st.sampled_from([1, 1, 1, 2, 2, 2, 0]),
        st.sampled_from([1, 1, 1, 2, 3, 3, 7]),
        st.sampled_from([1, 1, 1, 1, 2, 3, 9]),
        INT64,
    ),
    max_size=80,
)
PROPERTY = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300
)


def assert_same(engine, reference, orders):
    """Both answer ``orders`` alike, in every byte, and end in the same state."""
    found, expected = engine.process(orders), reference.process(orders)
    if not np.array_equal(found, expected):
        both = min(len(found), len(expected))
        first = int(np.append(np.flatnonzero(found[:both] != expected[:both]), both)[0])
        raise AssertionError(
            f"event {first}: {found[first : first + 1]} is not {expected[first : first + 1]}"
        )
    engine.check()
    assert engine.snapshot() == reference.snapshot()
    assert engine.open_orders == reference.open_orders
    return found


@PROPERTY
@given(COMMANDS, st.integers(1, 12), st.integers(1, 6))
def test_every_stream_is_answered_as_by_the_reference(commands, order_capacity, level_pages):
    """Events, state and memory agree with the reference, whatever comes, in any capacity."""
    orders = np.array(commands, dtype=ORDER_DTYPE)
    engine = Engine(INSTRUMENTS, order_capacity, level_pages)
    reference = ReferenceEngine(INSTRUMENTS, order_capacity, level_pages)
    assert_same(engine, reference, orders)


@PROPERTY
@given(st.binary(max_size=64 * 12).map(lambda raw: raw[: len(raw) // 64 * 64]))
def test_any_bytes_get_an_answer(raw):
    """Records of arbitrary bytes neither crash nor differ from the reference."""
    orders = np.frombuffer(raw, dtype=ORDER_DTYPE)
    assert_same(Engine(INSTRUMENTS, 8), ReferenceEngine(INSTRUMENTS, 8), orders)


@pytest.mark.parametrize(
    ("seed", "ids", "prices", "order_capacity", "level_pages"),
    [
        (1, 40, 6, 64, None),
        (2, 40, 6, 5, 2),
        (3, 2000, 5000, 4096, None),
        (4, 2000, 100_000, 4096, 100),
        (5, 20_000, 400, 300, None),
    ],
)
def test_long_streams_agree_with_the_reference(
    stream, seed, ids, prices, order_capacity, level_pages
):
    """Forty thousand commands each: dense, tiny, wide, out of pages, out of orders."""
    orders = stream(seed, 40_000, ids, prices)
    engine = Engine(INSTRUMENTS, order_capacity, level_pages)
    assert_same(engine, ReferenceEngine(INSTRUMENTS, order_capacity, level_pages), orders)


@pytest.mark.long
def test_five_million_commands_agree_with_the_reference(stream):
    """A hundred streams over one pair of engines, memory checked after each."""
    engine, reference = Engine(INSTRUMENTS, 2048), ReferenceEngine(INSTRUMENTS, 2048)
    for seed in range(100):
        prices = (6, 60, 600, 60_000)[seed % 4]
        assert_same(engine, reference, stream(1000 + seed, 50_000, 3000, prices))


@PROPERTY
@given(st.integers(0, 2**32), st.lists(st.integers(1, 40), max_size=8))
def test_chunks_do_not_matter(stream_seed, sizes):
    """However the commands are cut, the events are the same, their numbers included."""
    orders = _stream(stream_seed, 200)
    whole = Engine(INSTRUMENTS, 32)
    expected = whole.process(orders)
    cut = Engine(INSTRUMENTS, 32)
    bounds = [0, *np.minimum(np.cumsum(sizes), 200).tolist(), 200]
    parts = [cut.process(orders[a:b]) for a, b in pairwise(bounds)]
    assert np.array_equal(np.concatenate(parts), expected)
    assert cut.state_hash() == whole.state_hash()


def test_batches_stop_before_a_command_that_might_not_fit(stream):
    """process_batch never passes its capacity, always gets on with the scratch size, and writes
    what process_one writes."""
    orders = stream(7, 5000, 200, 20)
    one, batch = Engine(INSTRUMENTS, 100), Engine(INSTRUMENTS, 100)
    slots = scratch_records(100)
    guard = 4
    out = np.zeros(slots + guard, dtype=EVENT_DTYPE)
    single = np.zeros(slots, dtype=EVENT_DTYPE)
    done = 0
    while done < len(orders):
        out["kind"] = 99
        at = orders.ctypes.data + 64 * done
        commands, written = process_batch(
            batch.address, at, len(orders) - done, out.ctypes.data, slots
        )
        assert commands > 0
        assert (out["kind"][slots:] == 99).all()
        counted = 0
        for index in range(commands):
            count = process_one(one.address, at + 64 * index, single.ctypes.data)
            assert np.array_equal(single[:count], out[counted : counted + count])
            counted += count
        assert counted == written
        done += commands
    assert one.state_hash() == batch.state_hash()


def test_a_batch_too_small_for_the_worst_case_does_nothing():
    """Without room for two events an open order and four, no command is begun."""
    engine = Engine(INSTRUMENTS, 8)
    orders, out = np.zeros(1, dtype=ORDER_DTYPE), np.zeros(4, dtype=EVENT_DTYPE)
    assert process_batch(engine.address, orders.ctypes.data, 1, out.ctypes.data, 3) == (0, 0)
    assert process_batch(engine.address, orders.ctypes.data, 1, out.ctypes.data, 4) == (1, 1)


def test_quantity_is_neither_lost_nor_invented(stream):
    """Of every order: accepted = traded + cancelled + reduced + still open, fills come in equal
    pairs at a price no worse than both limits."""
    orders = stream(11, 30_000, 60, 8, extreme=0.0)
    engine = Engine(INSTRUMENTS, 64)
    balance: dict[int, int] = defaultdict(int)
    events = engine.process(orders)
    for event in events:
        order_id, qty = int(event["order_id"]), int(event["qty_lots"])
        if event["kind"] == EventKind.REJECTED:
            continue
        if event["kind"] == EventKind.ACCEPTED:
            assert balance[order_id] == 0
            balance[order_id] = qty
        elif event["kind"] == EventKind.REPLACED:
            assert balance[order_id] > 0
            balance[order_id] = qty
        else:
            balance[order_id] -= qty
        assert balance[order_id] == event["leaves_lots"] >= 0
    fills = events[events["kind"] == EventKind.FILLED]
    makers, takers = fills[::2], fills[1::2]
    assert len(makers) == len(takers) > 1000
    for field in ("price_ticks", "qty_lots", "cause_seq", "instrument"):
        assert np.array_equal(makers[field], takers[field])
    assert np.array_equal(makers["order_id"], takers["contra_id"])
    assert np.array_equal(makers["contra_id"], takers["order_id"])
    assert (makers["side"] != takers["side"]).all()
    open_qty = sum(q for s in SYMBOLS for side in engine.depth(s, 99).values() for _, q, _ in side)
    assert open_qty == sum(balance.values()) > 0


def test_the_book_is_never_crossed(stream):
    """After every single command the best bid is below the best ask."""
    engine = Engine(INSTRUMENTS, 64)
    both = 0
    for order in stream(12, 5000, 60, 10)[:, None]:
        engine.process(order)
        for symbol in SYMBOLS:
            bid, _, ask, _ = engine.best(symbol)
            if bid is not None and ask is not None:
                assert bid < ask
                both += 1
    assert both > 1000


def test_makers_are_served_by_price_and_then_by_time(stream):
    """Replaying arrivals from the events alone, each maker is the oldest at the best price."""
    orders = stream(13, 20_000, 60, 6)
    queues = Replayed(check_priority=True)
    queues.apply(Engine(INSTRUMENTS, 64).process(orders))
    assert queues.trades > 1000


@pytest.mark.parametrize("prices", [6, 3000])
def test_the_book_can_be_rebuilt_from_events_alone(stream, prices):
    """Whoever reads only the event ring knows the depth."""
    engine = Engine(INSTRUMENTS, 512)
    queues = Replayed()
    for seed in range(10):
        queues.apply(engine.process(stream(20 + seed, 2000, 600, prices)))
        for index, symbol in enumerate(SYMBOLS):
            assert engine.depth(symbol, 1000) == queues.depth(index)


def test_assertions_compiled_in_hold(tmp_path):
    """With OUTCRY_VERIFY=1 the kernels' own assertions are there and none fires."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from conftest import make_stream, SYMBOLS\n"
        "from openoutcry.matcher import Engine\n"
        "from openoutcry.wire import make_instruments\n"
        "from openoutcry.wire.kernel import VERIFY\n"
        "assert VERIFY\n"
        "for capacity, pages, prices in ((5, 2, 6), (500, None, 9999)):\n"
        "    engine = Engine(make_instruments(SYMBOLS), capacity, pages)\n"
        "    engine.process(make_stream(1, 20000, 600, prices))\n"
        "    engine.check()\n"
    )
    environment = {**os.environ, "OUTCRY_VERIFY": "1"}
    folder = os.path.dirname(os.path.abspath(__file__))
    result = subprocess.run(
        [sys.executable, "-c", code, folder],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr


def test_broken_memory_is_found(stream):
    """check() notices a wrong total, a lost link, a stray id and a false counter."""
    from openoutcry.matcher import arena as layout
    from openoutcry.matcher.check import Tables

    def broken(damage):
        engine = Engine(INSTRUMENTS, 64)
        engine.process(stream(3, 500, 60, 8))
        engine.check()
        tables = Tables(engine.arena)
        damage(tables, int(tables.ids["slot"].max()))
        with pytest.raises(AssertionError) as caught:
            engine.check()
        return str(caught.value)

    def wrong_total(tables, slot):
        tables.levels[tables.slots[slot]["level"]]["total"] += 1

    def lost_link(tables, slot):
        tables.slots[slot]["prev"] = 63

    def stray_id(tables, slot):
        tables.slots[slot]["order_id"] += 1000

    def false_count(tables, _):
        tables.words[layout.OPEN_ORDERS // 8] += 1

    def false_best(tables, slot):
        level = int(tables.slots[slot]["level"])
        tables.books[int(tables.pages[level >> 6]["book"])]["best_key"] += 1

    assert "total is wrong" in broken(wrong_total)
    assert "link back is wrong" in broken(lost_link)
    assert "tag is wrong" in broken(stray_id)
    assert "count of open orders" in broken(false_count)
    assert "best key is wrong" in broken(false_best)


def _stream(seed, count):
    """A small stream for hypothesis tests, which cannot take function-scoped fixtures."""
    rng = np.random.default_rng(seed)
    orders = np.zeros(count, dtype=ORDER_DTYPE)
    orders["price_ticks"] = rng.integers(98, 104, count)
    orders["qty_lots"] = rng.integers(1, 10, count)
    orders["symbol"] = rng.choice(np.array(SYMBOLS), count)
    orders["order_id"] = rng.integers(0, 40, count)
    orders["kind"] = rng.choice([1, 1, 1, 2, 3, 4], count)
    orders["side"] = rng.integers(1, 3, count)
    orders["order_type"] = orders["time_in_force"] = 1
    orders["seq"] = np.arange(1, count + 1)
    return orders


class Replayed:
    """The book as a reader of events keeps it: who rests where, in order of arrival."""

    def __init__(self, check_priority=False):
        self.check_priority = check_priority
        self.orders = {}
        self.trades = 0

    def apply(self, events):
        for event in events:
            kind, order_id = event["kind"], int(event["order_id"])
            if kind == EventKind.REJECTED:
                continue
            if kind == EventKind.FILLED and event["flags"] & 2:
                self._check_maker(event)
            # An accepted or displaced order goes to the back; what is taken from it later, or
            # its leaving at once, is told by the events that follow.
            if kind == EventKind.ACCEPTED or (
                kind == EventKind.REPLACED and not event["flags"] & 4
            ):
                self.orders.pop(order_id, None)
                self.orders[order_id] = [int(event["instrument"]), int(event["side"]), 0, 0]
                self.orders[order_id][2] = int(event["price_ticks"])
            self.orders[order_id][3] = int(event["leaves_lots"])
            if event["leaves_lots"] == 0:
                del self.orders[order_id]

    def _check_maker(self, event):
        self.trades += 1
        if not self.check_priority:
            return
        instrument, side = int(event["instrument"]), int(event["side"])
        taker = int(event["contra_id"])
        # Dictionaries keep the order of arrival, and sorting is stable.
        rivals = [
            (price if side == Side.SELL else -price, order_id)
            for order_id, (i, s, price, _) in self.orders.items()
            if (i, s) == (instrument, side) and order_id != taker
        ]
        assert min(rivals, key=lambda rival: rival[0])[1] == event["order_id"]

    def depth(self, instrument):
        sides = []
        for side in Side:
            levels = defaultdict(lambda: [0, 0])
            for i, s, price, qty in self.orders.values():
                if (i, s) == (instrument, side):
                    levels[price][0] += qty
                    levels[price][1] += 1
            prices = sorted(levels, reverse=side == Side.BUY)
            sides.append([(price, *levels[price]) for price in prices])
        return {"bids": sides[0], "asks": sides[1]}
