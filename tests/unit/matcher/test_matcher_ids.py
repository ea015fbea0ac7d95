"""The id table: what a command costs does not depend on ids that clients choose."""

import numpy as np
import pytest

from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.book import arena
from openoutcry.matcher.book.ids import id_home
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, Reason
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.support.matcher.matcher_mixed import mixed

INSTRUMENTS = make_instruments(["A", "BB"])
CAPACITY = 1 << 13
CHAIN = 12
"""Longer than any chain of so many orders whose ids fall by lot, but for one key in a million."""


def chain_lengths(engine: Engine):
    """How many orders each chain has that is not empty: the probes of who looks for its last."""

    def table(word, count):
        start = engine._word(word)
        return engine.arena[start : start + count * 4].view(np.uint32)

    entries = table(arena.IDS_AT, engine._word(arena.ID_MASK) + 1)
    links = table(arena.ID_LINKS_AT, engine.order_capacity + 1)
    lengths = []
    for slot in entries[entries != 0].tolist():
        length = 0
        while slot:
            length, slot = length + 1, int(links[slot])
        lengths.append(length)
    return lengths


def resting(ids):
    orders = np.zeros(len(ids), dtype=ORDER_DTYPE)
    orders["symbol"], orders["kind"], orders["order_type"], orders["time_in_force"] = b"A", 1, 1, 1
    orders["order_id"], orders["seq"] = ids, np.arange(1, len(ids) + 1)
    orders["side"], orders["qty_lots"], orders["price_ticks"] = 1, 1, 100
    return orders


def filled(ids, key):
    engine = Engine(INSTRUMENTS, CAPACITY, id_key=key)
    events = engine.process(resting(ids))
    assert (events["kind"] == 1).all()
    engine.check()
    return engine


def colliding_ids(home, mask, count):
    """Ids whose entries are all the same, by a search over blocks of ids with ``home``."""
    ids, block = [], 1
    while len(ids) < count:
        first = block << 10
        low = -home(first) & mask
        if low < 1024:
            ids.append(first + low)
        block += 1
    return ids


def fixed_hash(order_id):
    """A hash without a key, as the table once had it."""
    product = ((order_id >> 10) * 0x9E3779B97F4A7C15) & (2**64 - 1)
    return order_id + (product >> 32)


FAMILIES = {
    "chosen for a fixed hash": lambda: colliding_ids(fixed_hash, 16383, 2000),
    "one low part": lambda: [n << 10 for n in range(2000)],
    "sums of powers": lambda: [
        (1 << a) + (1 << b) + c for a in range(12, 62) for b in range(2, 12) for c in range(4)
    ],
    "in a row": lambda: list(range(-1000, 1000)),
    "by lot": lambda: np.random.default_rng(4).integers(-(2**63), LEG_ORDER_IDS, 2000).tolist(),
}
"""Ids that an adversary without the key would try."""


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, 20_260_101])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_choice_of_ids_makes_long_chains(name, key):
    """Whatever the ids and the key, nobody's order is more than a few probes away."""
    ids = FAMILIES[name]()
    lengths = chain_lengths(filled(ids, key))
    assert sum(lengths) == len(ids) == 2000
    assert max(lengths) <= CHAIN


@pytest.mark.promise(
    "What a command costs does not depend on ids that clients choose: they are hashed"
    " with a key drawn for each journal",
    group="capacity",
)
def test_ids_chosen_for_one_key_collide_under_that_key_alone():
    """Whoever knows the key can make a chain as long as he likes, and none under another key: so
    it is the key that protects, and it has to be secret."""
    known = Engine(INSTRUMENTS, CAPACITY, id_key=5)
    ids = colliding_ids(lambda i: id_home(known.address, 0, i), known._word(arena.ID_MASK), 200)
    assert chain_lengths(filled(ids, 5)) == [200]
    assert max(chain_lengths(filled(ids, 6))) <= CHAIN


def test_events_state_and_hashes_do_not_depend_on_the_key():
    """Any key gives the same bytes, and a snapshot taken under one goes on under another."""
    for seed in range(6):
        run = mixed(seed, 1500)
        one = Engine(run.instruments, run.order_capacity)
        other = Engine(run.instruments, run.order_capacity, id_key=seed + 77)
        half = len(run.orders) // 2
        assert np.array_equal(one.process(run.orders[:half]), other.process(run.orders[:half]))
        assert one.state_hash() == other.state_hash()
        other = Engine.restore(other.clone().snapshot(), run.order_capacity, id_key=seed)
        assert np.array_equal(one.process(run.orders[half:]), other.process(run.orders[half:]))
        assert one.snapshot() == other.snapshot()
        other.check()


@pytest.mark.parametrize("key", [0, 20_260_101])
def test_a_full_table_of_ids_with_the_same_low_bits_finds_each_and_no_other(key):
    """As many orders as there is room for, 40 low bits the same: one more and one that is not there
    are refused, each that is there is found, and the table takes as many again."""
    ids = [n << 40 | 7 for n in range(CAPACITY)]
    order = np.random.default_rng(11).permutation(CAPACITY)
    engine = filled(ids, key)
    lengths = chain_lengths(engine)
    assert sum(lengths) == CAPACITY
    assert max(lengths) <= CHAIN
    for first in (CAPACITY, 3 * CAPACITY):
        others = resting([n << 40 | 7 for n in range(first, first + 64)])
        (full,) = {int(reason) for reason in engine.process(others)["reason"]}
        assert full == Reason.BOOK_FULL
        others["kind"] = CommandKind.CANCEL
        (unknown,) = {int(reason) for reason in engine.process(others)["reason"]}
        assert unknown == Reason.UNKNOWN_ORDER
    cancels = resting(np.array(ids)[order])
    cancels["kind"] = CommandKind.CANCEL
    assert (engine.process(cancels)["kind"] == EventKind.CANCELLED).all()
    assert chain_lengths(engine) == []
    again = engine.process(resting([n << 40 | 9 for n in range(CAPACITY)]))
    assert (again["kind"] == EventKind.ACCEPTED).all()
    engine.check()


def test_one_id_may_be_open_in_every_instrument():
    """Its chains differ, whatever the key."""
    symbols = [f"S{n}" for n in range(300)]
    orders = resting([42] * 300)
    orders["symbol"] = symbols
    for key in range(5):
        engine = Engine(make_instruments(symbols), 400, id_key=key)
        engine.process(orders)
        assert chain_lengths(engine) == [1] * 300
        engine.check()


@pytest.mark.parametrize("key", [-1, 2**63, 1.5])
def test_a_key_out_of_its_range_is_named(key):
    """63 bits."""
    with pytest.raises(MatcherError, match="id_key is"):
        Engine(INSTRUMENTS, 10, id_key=key)
