"""Several engines behind one stream of commands: each instrument sees what it sees in one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.book.shards import spread
from openoutcry.matcher.state.digest import joined_hash
from openoutcry.wire import (
    ORDER_DTYPE,
    CommandKind,
    EventFlag,
    EventKind,
    Reason,
    make_instruments,
)
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed

ROOMY = 4096
"""Capacity enough for no shard to be full where the whole is not."""


def seen_by(events, instrument):
    """An instrument's events, without what each engine counts for itself."""
    mine = events[(events["instrument"] == instrument) & (events["kind"] != EventKind.COMPLETED)]
    mine = mine.copy()
    mine["seq"] = 0
    timed_out = (mine["kind"] == EventKind.EXPIRED) & (mine["reason"] == Reason.EXPIRED)
    for name in ("leaves_lots", "contra_id"):
        mine[name][timed_out] = 0
    mine["flags"] &= ~np.uint8(EventFlag.LAST)
    return mine


@given(st.integers(0, 10**6), st.integers(1, 4), st.data())
def test_each_instrument_sees_the_same_events(seed, count, data):
    """Whatever the map, the engines together answer as one, and each answers for its own only."""
    run = mixed(seed, 800)
    owner = st.integers(0, count - 1)
    shard_of = [data.draw(owner) for _ in run.instruments]
    whole = Engine(run.instruments, ROOMY)
    expected = whole.process(run.orders)
    engines = [Engine(run.instruments, ROOMY, shard=(shard_of, k)) for k in range(count)]
    shard_events = [engine.process(run.orders) for engine in engines]
    for instrument, home in enumerate(shard_of):
        for shard, events in enumerate(shard_events):
            mine = expected if shard == home else expected[:0]
            assert np.array_equal(seen_by(events, instrument), seen_by(mine, instrument))
    nobody = [
        e[(e["instrument"] == NO_INSTRUMENT) & (e["kind"] == EventKind.REJECTED)]
        for e in (expected, *shard_events)
    ]
    for_all = [int(np.isin(e["reason"], [Reason.TIME_BACKWARDS]).sum()) for e in nobody]
    assert all(n == for_all[0] for n in for_all)
    assert len(nobody[1]) == len(nobody[0])
    assert sum(engine.open_orders for engine in engines) == whole.open_orders
    for engine in engines:
        engine.check()
        assert engine.last_seq == whole.last_seq


@pytest.mark.parametrize("seed", range(3))
def test_the_shards_parts_of_the_state_are_the_whole(seed):
    """What the hash is made of adds up; and the whole's state cut in parts goes on as the shards
    that have been shards from the beginning."""
    run, count = mixed(seed, 1200), 3
    shard_of = [index % count for index in range(len(run.instruments))]
    whole, half = Engine(run.instruments, ROOMY), Engine(run.instruments, ROOMY)
    whole.process(run.orders)
    half.process(run.orders[:700])
    digests = []
    for k in range(count):
        engine = Engine(run.instruments, ROOMY, shard=(shard_of, k))
        engine.process(run.orders[:700])
        part = half.as_shard((shard_of, k), engine.event_count)
        assert part.snapshot() == engine.snapshot()
        wanted = engine.process(run.orders[700:])
        assert np.array_equal(part.process(run.orders[700:]), wanted)
        assert part.state_hash() == engine.state_hash()
        part.check()
        digests.append(part.own_digest())
    numbers = whole.last_seq, whole.event_count
    joined = joined_hash(run.instruments, whole.now_ns, digests, *numbers)
    assert joined == whole.state_hash()


@pytest.mark.parametrize("seed", range(6))
def test_a_shard_is_the_references_shard(seed):
    """Skipped commands, commands of the operator and those of no instrument: event for event, and
    the same state at the end."""
    run = mixed(seed, 800)
    shard = ([index % 3 for index in range(len(run.instruments))], seed % 3)
    engine = Engine(run.instruments, run.order_capacity, shard=shard)
    reference = ReferenceEngine(run.instruments, run.order_capacity, shard=shard)
    assert np.array_equal(engine.process(run.orders), reference.process(run.orders))
    assert engine.snapshot() == reference.snapshot()
    assert engine.state_hash() == reference.state_hash()


def test_a_shard_is_restored_as_a_shard():
    """Snapshot and later commands give the straight run; the map is given again."""
    run = mixed(4, 1200)
    shard = ([index % 2 for index in range(len(run.instruments))], 1)
    straight = Engine(run.instruments, run.order_capacity, shard=shard)
    straight.process(run.orders[:600])
    restored = Engine.restore(straight.snapshot(), run.order_capacity, shard=shard)
    clone = straight.clone()
    expected = straight.process(run.orders[600:])
    assert np.array_equal(restored.process(run.orders[600:]), expected)
    assert np.array_equal(clone.process(run.orders[600:]), expected)
    assert restored.state_hash() == straight.state_hash() == clone.state_hash()


def test_a_foreign_command_leaves_no_trace_but_its_number():
    """No event, the same book; the sequence goes on."""
    engine = Engine(make_instruments(["A", "B"]), 16, shard=([0, 1], 0))
    before = engine.book_hash()
    order = np.zeros(1, dtype=ORDER_DTYPE)
    order["seq"], order["symbol"], order["qty_lots"] = 9, b"B", 1
    for field in ("kind", "side", "order_type", "time_in_force"):
        order[field] = 1
    assert len(engine.process(order)) == 0
    assert engine.book_hash() == before
    assert (engine.last_seq, engine.event_count) == (9, 0)
    order["kind"], order["symbol"] = CommandKind.DISCONNECT, b""
    assert engine.process(order)["kind"].tolist() == [EventKind.COMPLETED]


def test_symbols_are_spread_by_their_name_alone():
    """The map gives every shard its share, and more instruments move nobody."""
    table = make_instruments([f"SYM{i}" for i in range(400)])
    shards = spread(table, 4)
    assert min(np.bincount(shards, minlength=4)) > 60
    assert np.array_equal(spread(table[:100], 4), shards[:100])
    assert not spread(table, 1).any()
    with pytest.raises(MatcherError, match="shard_count is 0"):
        spread(table, 0)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        (([0], 0), "no whole number for each of 2 instruments"),
        (([0.5, 1], 0), "no whole number for each of 2 instruments"),
        (([0, 999], 0), "shard map: 999 is not 0 to 255"),
        (([0, 1], -1), "shard: -1 is not 0 to 255"),
    ],
)
def test_a_bad_map_is_refused(shard, message):
    """A map names a shard for each instrument."""
    with pytest.raises(MatcherError, match=message):
        Engine(make_instruments(["A", "B"]), 4, shard=shard)
