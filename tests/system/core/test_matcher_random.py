"""The kernels against the plain reference on random streams, and laws no stream may break."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine
from openoutcry.wire import (
    ORDER_DTYPE,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    Side,
    make_instruments,
)
from openoutcry.wire.enums import SELF_TRADE_SHIFT, InstrumentOption
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_compare import assert_same, compare
from tests.support.matcher.matcher_fuzz import check_in_parts, check_shards
from tests.support.matcher.matcher_mixed import TIMES_ALLOWED, mixed, odd_lots

GOOD_TIMES = [
    (t, f | mode << SELF_TRADE_SHIFT)
    for t in OrderType
    for f in TIMES_ALLOWED[t]
    for mode in range(5)
]


INSTRUMENTS = make_instruments(
    [
        {"symbol": "A", "reference_price_ticks": 100, "market_band_ticks": 2, "options": 1},
        {"symbol": "BB", "allocation": 2, "top_share_bps": 3000, "options": 2},
        {"symbol": "CCCCCCCC", "tick_table": [(0, 2), (100, 4)], "options": 4, "initial_phase": 3},
    ]
)
INT64 = st.integers(-(2**63), 2**63 - 1)
PRICES = st.one_of(st.integers(96, 104), st.integers(96, 104), st.integers(-130, 130), INT64)
QUANTITIES = st.one_of(st.integers(1, 9), st.integers(1, 9), st.integers(2**62, 2**63 - 1), INT64)
AUX = st.one_of(st.integers(-3, 12), st.integers(96, 104), st.integers(1, 9), INT64)
COMMANDS = st.lists(
    st.tuples(
        PRICES,
        QUANTITIES,
        st.sampled_from([b"A", b"A", b"A", b"BB", b"CCCCCCCC", b"", b"A\0B"]),
        st.one_of(st.integers(0, 12), st.integers(0, 12), INT64),
        AUX,
        INT64,
        st.sampled_from([0, 1, 1, 1, 2]),
        st.sampled_from([0] * 15 + [1]),
        st.sampled_from([1] * 12 + [2, 3, 4, 4, 4, 5, 6, 7, 8, 9, 9, 255]),
        st.sampled_from([1, 1, 1, 2, 2, 2, 0]),
        st.one_of(st.sampled_from(GOOD_TIMES), st.sampled_from([(1, 1), (7, 3), (255, 0)])),
        INT64,
    ),
    max_size=60,
)


def short_and_long(short, total):
    """Blocks of seeds: the first ones always, the others with the long tests."""
    more = (pytest.param(block, marks=pytest.mark.long) for block in range(short, total))
    return [*range(short), *more]


def records(commands):
    """ORDER_DTYPE from drawn tuples, in which type and time in force are one pair."""
    return np.array([(*c[:10], *c[10], *c[11:]) for c in commands], dtype=ORDER_DTYPE)


@given(COMMANDS, st.integers(1, 12))
def test_every_stream_is_answered_as_by_the_reference(commands, order_capacity):
    """Events, state and memory agree with the reference, whatever comes, in any capacity."""
    engine = Engine(INSTRUMENTS, order_capacity)
    assert_same(engine, ReferenceEngine(INSTRUMENTS, order_capacity), records(commands))


@given(st.binary(max_size=64 * 12).map(lambda raw: raw[: len(raw) // 64 * 64]))
def test_any_bytes_get_an_answer(raw):
    """Records of arbitrary bytes neither crash nor differ from the reference."""
    orders = np.frombuffer(raw, dtype=ORDER_DTYPE)
    assert_same(Engine(INSTRUMENTS, 8), ReferenceEngine(INSTRUMENTS, 8), orders)


@pytest.mark.parametrize("block", short_and_long(1, 10))
def test_mixed_commands_are_answered_as_by_the_reference(block):
    """Ten thousand and more commands a block, everything mixed, byte for byte."""
    for seed in range(10 * block, 10 * block + 10):
        compare(mixed(seed, 2000))


@pytest.mark.parametrize(
    "seeds",
    [(11, 21, 45, 66, 107, 111, 419), pytest.param(range(1000), marks=pytest.mark.long)],
    ids=["few", "many"],
)
def test_budgets_among_odd_lots_are_answered_as_by_the_reference(seeds):
    """In these few a FOK order for a budget was answered wrongly, or the judge was wrong of it."""
    for seed in seeds:
        compare(odd_lots(seed))


def test_the_random_commands_reach_everything():
    """Every event kind, every reason and every allowed combination occurs in the streams."""
    kinds, reasons, combinations = set(), set(), set()
    for seed in range(150):
        run = mixed(seed, 2000)
        events = Engine(run.instruments, run.order_capacity).process(run.orders)
        kinds |= set(np.unique(events["kind"]).tolist())
        reasons |= set(np.unique(events["reason"]).tolist())
        news = run.orders[run.orders["kind"] == 1]
        accepted = np.isin(news["seq"], events["cause_seq"][events["kind"] == EventKind.ACCEPTED])
        pairs = np.stack([news["order_type"], news["time_in_force"] & 15], axis=1)[accepted]
        combinations |= set(map(tuple, np.unique(pairs, axis=0).tolist()))
    of_others = {EventKind.DELAYED, EventKind.ENTERED, EventKind.BROKEN}
    assert kinds == set(EventKind) - of_others, "those of a speed bump, and of an operator"
    of_risk = {Reason.RISK, Reason.CLOSE_ONLY, Reason.DELISTED, Reason.RULES_CHANGED}
    others = {*of_risk, Reason.REDUCE_ONLY, Reason.LIST}
    assert reasons == set(Reason) - others, "of the hooks, and of lists, which have other streams"
    assert combinations == {(t, f) for t in OrderType for f in TIMES_ALLOWED[t]}


@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), max_size=8))
def test_chunks_do_not_matter(seed, sizes):
    """However the commands are cut, the events are the same, their numbers included."""
    run = mixed(seed, 200)
    whole = Engine(run.instruments, run.order_capacity)
    expected = whole.process(run.orders)
    cut = Engine(run.instruments, run.order_capacity)
    bounds = [0, *np.minimum(np.cumsum(sizes), 200).tolist(), 200]
    parts = [cut.process(run.orders[a:b]) for a, b in pairwise(bounds)]
    assert np.array_equal(np.concatenate(parts), expected)
    assert cut.state_hash() == whole.state_hash()


@pytest.mark.parametrize("block", short_and_long(1, 10))
def test_no_lot_is_lost_and_a_restart_changes_nothing(block):
    """Events obey their laws, snapshots go on as if nothing had happened, shards agree."""
    for seed in range(2000 + 10 * block, 2010 + 10 * block):
        run = mixed(seed, 3000)
        check_in_parts(run)
        check_shards(run)


def test_makers_are_served_by_price_then_displayed_first_then_by_time():
    """From the events alone: whoever trades as a maker is the first of those who stand there."""
    trades = 0
    types = [t for t in OrderType if t != OrderType.ALL_OR_NONE]
    plain = {"allocation": 1, "auction_band_ticks": 0}
    for seed in range(16):
        run = mixed(seed, 800, types=types, phases=False, order_capacity=200, extreme=0.0, width=8)
        for field, value in plain.items():
            run.instruments[field] = value
        # Who waits without a price goes before every price.
        run.instruments["options"] &= np.uint8(0xFF ^ InstrumentOption.MARKET_WAITS)
        # What is malformed on purpose may have become one.
        waits = run.orders["order_type"] == OrderType.ALL_OR_NONE
        run.orders["order_type"][waits] = OrderType.LIMIT
        reader = BookFromEvents()
        for event in Engine(run.instruments, 200).process(run.orders)[:, None]:
            if event["kind"][0] == EventKind.FILLED and event["flags"][0] & EventFlag.MAKER:
                instrument, side = int(event["instrument"][0]), int(event["side"][0])
                sign = -1 if side == Side.BUY else 1
                standing = [
                    o for hidden in (False, True) for o in reader.queue(instrument, side, hidden)
                ]
                first = min(
                    standing, key=lambda o: (sign * o.price_ticks, o.is_hidden, o.public_id)
                )
                assert first.order_id == event["order_id"][0], f"seed {seed}: {event[0]}"
                assert first.price_ticks == event["price_ticks"][0]
                trades += 1
            reader.apply(event)
    assert trades > 1000
