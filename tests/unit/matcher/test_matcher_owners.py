"""Mass cancels: as the reference does them, at the cost of what the participant owns."""

import numpy as np
import pytest

from openoutcry.bench.matcher_loops import run_singly
from openoutcry.matcher import Engine, scratch_records
from openoutcry.wire import (
    EVENT_DTYPE,
    ORDER_DTYPE,
    CommandKind,
    EventKind,
    OrderType,
    Side,
    TimeInForce,
    make_instruments,
)
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_compare import assert_same
from tests.support.matcher.matcher_mixed import mixed

OWNERS = 40
"""Participants of a run: few enough to own several orders of a level, many enough that none owns a
sixteenth of the book, from where on the books are walked."""


def swept(seed, count, **switches):
    """A mixed run of many participants in which one command in twelve cancels a participant's."""
    run = mixed(seed, count, **switches)
    orders, rng = run.orders.copy(), np.random.default_rng(seed)
    named = orders["order_id"] != 0
    orders["participant"][named] = 1 + orders["order_id"][named] % OWNERS
    symbols = [b"", *run.instruments["symbol"].tolist()]
    for index in np.flatnonzero(rng.random(count) < 1 / 12):
        row = np.zeros((), ORDER_DTYPE)
        row["participant"] = rng.integers(1, OWNERS + 1)
        row["kind"] = CommandKind.MASS_CANCEL
        row["side"] = rng.integers(0, 3)
        row["symbol"] = symbols[rng.integers(len(symbols))]
        if rng.random() < 0.2:
            row["kind"], row["side"], row["symbol"] = CommandKind.DISCONNECT, 0, b""
        orders[index] = row
    orders["seq"] = run.orders["seq"]
    return run, orders


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(n, marks=pytest.mark.long) for n in range(6, 60))]
)
def test_mass_cancels_of_many_participants_are_the_references(seed):
    """Same cancels in the same order, same hashes, and lists that hold after every part, in a clone
    and in a restored engine too."""
    run, orders = swept(seed, 1500, order_capacity=400, extreme=0.0, malformed=0.0)
    engine = Engine(run.instruments, run.order_capacity)
    reference = ReferenceEngine(run.instruments, run.order_capacity)
    cancelled = 0
    for start in range(0, len(orders), 300):
        events = assert_same(engine, reference, orders[start : start + 300])
        cancelled += int((events["kind"] == EventKind.CANCELLED).sum())
        engine = engine.clone() if start % 600 else Engine.restore(engine.snapshot(), 400)
        engine.check()
    assert cancelled > 10


def rows(kind, participants, **fields):
    """Commands of one kind, one a participant."""
    table = np.zeros(len(participants), ORDER_DTYPE)
    table["kind"], table["participant"] = kind, participants
    for name, value in fields.items():
        table[name] = value
    return table


def limits(participants, symbol, first_id, prices):
    return rows(
        CommandKind.NEW,
        participants,
        symbol=symbol,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_id=np.arange(first_id, first_id + len(participants)),
        price_ticks=prices,
        qty_lots=1,
    )


def numbered(engine, orders):
    orders["seq"] = np.arange(1, len(orders) + 1)
    return engine.process(orders)


def test_orders_of_one_level_go_in_queue_order():
    """Also where replaced orders joined the queue again, among others' orders."""
    instruments = make_instruments(["A", "B"])
    symbol = instruments["symbol"][0]
    owners = np.where(np.arange(400) % 100 < 2, 7, 9)
    orders = np.concatenate(
        [
            limits(owners, symbol, 1, 100),
            rows(CommandKind.REPLACE, [7], symbol=symbol, order_id=1, price_ticks=100, qty_lots=2),
            rows(CommandKind.MASS_CANCEL, [7], symbol=symbol),
        ]
    )
    orders["seq"] = np.arange(1, len(orders) + 1)
    events = assert_same(Engine(instruments, 400), ReferenceEngine(instruments, 400), orders)
    gone = events[events["kind"] == EventKind.CANCELLED]["order_id"].tolist()
    assert gone == [2, 101, 102, 201, 202, 301, 302, 1]


@pytest.mark.promise(
    "A session's message costs the same whatever others have (open orders, orders of the day, "
    "sessions, instruments), and a token pays for it: at most 12 times an order",
    group="capacity",
)
@pytest.mark.parametrize("fields", [{}, {"side": Side.SELL}, {"kind": CommandKind.DISCONNECT}])
@pytest.mark.parametrize("owned", [0, 1])
def test_a_mass_cancel_costs_what_its_participant_owns(owned, fields):
    """Others' 40,000 open orders do not make it dearer than others' 400, by more than a noise."""
    instruments = make_instruments(["A"])
    symbol = instruments["symbol"][0]

    def fastest_ns(others):
        engine = Engine(instruments, 65_536)
        numbered(engine, limits(np.full(others, 9), symbol, 1, 100 + np.arange(others) % 50))
        out = np.zeros(scratch_records(65_536), EVENT_DTYPE)
        kind = fields.get("kind", CommandKind.MASS_CANCEL)
        sweep = rows(kind, [7], side=fields.get("side", 0))
        took = []
        for turn in range(30):
            if owned:
                numbered(engine, limits(np.array([7]), symbol, 10**6 + turn, np.array([100])))
            took.append(run_singly(engine.address, sweep.ctypes.data, 1, out.ctypes.data, 0)[0])
        return min(took)

    few = min(fastest_ns(400) for _ in range(3))
    assert fastest_ns(40_000) < 5 * few + 2_000
