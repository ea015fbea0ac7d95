"""What the tests of shards risk in several tiers share."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY, sharded
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind

CAPACITY, COMMANDS, PARTITIONS, PEOPLE = 1 << 14, 9_000, 8, 33
KEYS = ("commands", "events", "state_hash", "event_hash", "open_orders", "event_kinds", "rejects")
LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}
OF_PEOPLE = (
    Setting.CREDIT,
    Setting.OPEN_ORDERS,
    Setting.GROSS_POSITION,
    Setting.EXPOSURE_BUY,
    Setting.EXPOSURE_SELL,
    Setting.DEPOSIT,
    Setting.GROUP,
    Setting.KILL,
    Setting.RATE,
)
OF_INSTRUMENTS = (Setting.HALT, Setting.FEE, Setting.MARGIN, Setting.WEIGHT, Setting.MARK)


class Governed(MixedFlow):
    """The mixed flow in many instruments, its participants folded into a few, and between its
    commands the operator's: sequenced time, limits of everybody, switches, halts."""

    def __init__(self, count: int = COMMANDS, seed: int = 3) -> None:
        super().__init__(count, seed)
        self.instruments = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])
        self.seed_of_limits = seed

    def chunks(self, chunk: int = 1 << 14) -> Iterator[Any]:
        rng = np.random.default_rng([self.seed_of_limits, 29])
        symbols, now = self.instruments["symbol"].tolist(), 0
        for orders in super().chunks(chunk):
            who = orders["participant"]
            orders["participant"] = np.where(who > 0, 1 + who % (PEOPLE - 1), 0)
            mixed = []
            for at in range(0, len(orders), 40):
                now += int(rng.integers(1, 10**6))
                mixed += [self.drawn(rng, symbols) for _ in range(int(rng.integers(0, 4)))]
                time = np.zeros(1, ORDER_DTYPE)
                time["kind"], time["aux"] = CommandKind.TIME, now
                mixed += [time, orders[at : at + 40]]
            yield np.concatenate(mixed)

    def drawn(self, rng: Any, symbols: list[bytes]) -> Any:
        who, symbol = int(rng.integers(1, PEOPLE)), symbols[int(rng.integers(len(symbols)))]
        if rng.random() < 0.3:
            what = OF_INSTRUMENTS[int(rng.integers(len(OF_INSTRUMENTS)))]
            value = int(rng.random() < 0.2) if what is Setting.HALT else int(rng.integers(1, 9))
            return setting(what, value, 0, symbol)
        if rng.random() < 0.1:
            return setting(Setting.GROUP_GROSS_POSITION, int(rng.integers(200, 9_000)), 1)
        what = OF_PEOPLE[int(rng.integers(len(OF_PEOPLE)))]
        values = {
            Setting.OPEN_ORDERS: int(rng.integers(2, 60)),
            Setting.GROUP: int(rng.integers(0, 3)),
            Setting.KILL: int(rng.random() < 0.3),
            Setting.RATE: int(rng.integers(0, 10**4)),
            Setting.GROSS_POSITION: int(rng.integers(50, 5_000)),
        }
        value = values.get(what, int(rng.integers(10**6, 10**9)))
        return setting(what, NO_LIMIT if rng.random() < 0.1 else value, who, b"", 20)


def options(shards: int, partitions: int = PARTITIONS, **more: Any) -> Options:
    hooks = {
        "name": "risk",
        "participants": PEOPLE,
        "groups": 3,
        "order_capacity": CAPACITY,
        "partitions": partitions,
    }
    return Options(
        source=Governed(),
        wiring=sharded(TOPOLOGY, shards),
        order_capacity=CAPACITY,
        hooks=hooks,
        housekeeping_cores=0,
        **more,
    )


def same(result: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    """One matcher, eight partitions."""
    return run(options(1, topology="inline", durability="none"))
