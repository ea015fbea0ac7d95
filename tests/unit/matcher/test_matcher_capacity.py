"""Capacity shares: each part of the instruments has its part of what may be open, so that any
number of shards refuses for lack of capacity what one engine refuses."""

from typing import Any

import numpy as np
import pytest

from openoutcry.journal.core import Core
from openoutcry.matcher import Engine
from openoutcry.matcher.event_bound import extra_capacity
from openoutcry.risk.partitioned import partition_numbers
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Reason, Side, TimeInForce
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher import books
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed

PARTITIONS = 4
TABLE = make_instruments(["GOLD", "ZINC", "LEAD", "NICKEL", "TIN"])
"""In partitions 1, 0, 3, 2 and 1."""


def core(table: Any, capacity: int, partitions: int = PARTITIONS) -> Core:
    hooks = {
        "name": "risk",
        "participants": 1 << 12,
        "groups": 1,
        "order_capacity": capacity,
        "partitions": partitions,
    }
    return Core(table, capacity, hooks=hooks)


def order(order_id: int, symbol: str, **more: Any) -> np.ndarray:
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["order_id"], record["side"] = CommandKind.NEW, order_id, Side.BUY
    record["symbol"], record["participant"] = symbol.encode(), 1
    record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    record["qty_lots"], record["price_ticks"] = 5, 100 + order_id
    for name, value in more.items():
        record[name] = value
    return record


def numbered(commands: list[np.ndarray]) -> np.ndarray:
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    return orders


def reasons(events: np.ndarray) -> list[Reason]:
    return [Reason(int(reason)) for reason in events["reason"]]


def test_a_share_holds_its_part_of_the_orders_and_no_more() -> None:
    engine = core(TABLE, 17).fresh()
    gold = [order(n, "GOLD") for n in range(1, 4)] + [order(4, "TIN")]
    events = engine.process(numbered([*gold, order(5, "GOLD"), order(6, "TIN"), order(7, "LEAD")]))
    full = [Reason.BOOK_FULL] * 2
    assert reasons(events) == [Reason.NONE] * 4 + full + [Reason.NONE]
    assert engine.open_orders == 5
    engine.check()


def test_two_icebergs_that_one_engine_could_not_take_are_refused_by_each_ones_share() -> None:
    """Together more slices than all instruments have room for, each fewer: two shards, of which
    neither sees the other's, took both, and a replay one."""
    capacity = 256
    lots = extra_capacity(capacity) * 9 // 40
    iceberg = {"order_type": OrderType.ICEBERG, "aux": 1, "qty_lots": lots}
    less = iceberg | {"qty_lots": 30}
    commands = numbered(
        [order(1, "GOLD", **iceberg), order(2, "ZINC", **iceberg), order(3, "GOLD", **less)]
    )
    whole, plain = core(TABLE, capacity, 2), core(TABLE, capacity, 1)
    assert reasons(plain.fresh().process(commands))[1] is Reason.BOOK_FULL
    one = whole.fresh()
    whole_reasons = reasons(one.process(commands))
    assert whole_reasons == [Reason.BOOK_FULL, Reason.BOOK_FULL, Reason.NONE]
    shards = [whole.shard(whole.fresh(), number, 2, 0) for number in range(2)]
    events = np.concatenate([shard.process(commands) for shard in shards])
    assert reasons(events[np.argsort(events["cause_seq"])]) == whole_reasons


@pytest.mark.parametrize("seed", range(4))
def test_what_a_share_refuses_is_what_its_own_engine_would(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of order and command, at capacities that are always short: the plain engines have
    a partition each and its share of both capacities, but pages enough.
    Engines that were restored count anew."""
    run, capacity = mixed(seed, 1_500), 24
    orders = run.orders.copy()
    orders["participant"] %= 1 << 12
    whole_core = core(run.instruments, capacity)
    whole, numbers = whole_core.fresh(), partition_numbers(run.instruments, PARTITIONS).tolist()
    monkeypatch.setattr(books, "extra_capacity", lambda _: extra_capacity(capacity) // PARTITIONS)
    share = (capacity - 1) // PARTITIONS
    plain = [
        ReferenceEngine(run.instruments, share, capacity, shard=(numbers, n))
        for n in range(PARTITIONS)
    ]
    full = 0
    for at in range(0, len(orders), 100):
        part = orders[at : at + 100]
        events = whole.process(part)
        # What risk refuses by itself the plain engines refuse as well, for another reason.
        part = part.copy()
        by_risk = events["cause_seq"][events["reason"] == Reason.RISK]
        part["error_code"][np.isin(part["seq"], by_risk)] = 1
        wanted = [engine.process(part) for engine in plain]
        for number in range(PARTITIONS):
            assert partition_events(events, numbers, number) == partition_events(
                wanted[number], numbers, number
            )
        full += int((events["reason"] == Reason.BOOK_FULL).sum())
        whole.check()
        if at % 300 == 0:
            whole = whole_core.restored(whole.snapshot())
    assert full > 5, full
    assert isinstance(whole, Engine)


def partition_events(events: np.ndarray, numbers: list[int], number: int) -> list[tuple[int, ...]]:
    """What the events of a partition's instruments say; an expiry has more in a shard."""
    keys = ("cause_seq", "kind", "reason", "order_id", "qty_lots", "price_ticks", "instrument")
    rows = [
        tuple(int(one[key]) for key in keys)
        for one in events
        if one["instrument"] != NO_INSTRUMENT and numbers[one["instrument"]] == number
    ]
    others = (Reason.RISK, Reason.GATEWAY)
    return [one for one in rows if one[1] != EventKind.COMPLETED and one[2] not in others]
