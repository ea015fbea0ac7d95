"""Markets of agents: honest and manipulating, drawn now; the rules as written beside; money."""

import numpy as np
import pytest

import openoutcry.surveillance.detect.layout as lay
from openoutcry.bench.agent_days import agent_market, chosen_manipulators
from openoutcry.bench.surveillance_accuracy import wilson
from openoutcry.flow.manipulators import LIQUID
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.surveillance.written import as_written
from openoutcry.wire import ORDER_DTYPE, OutcryError, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, TimeInForce
from openoutcry.wire.errors import FlowError
from tests.oracles.surveillance.detectors import Reference, as_dicts


def test_a_market_is_its_seeds() -> None:
    """Byte for byte; another seed is another market."""

    def commands(seed: int) -> bytes:
        market = agent_market(seed, 2, ("spoofer",))
        parts = [part for part, _ in market.run(Engine(market.instruments))]
        return np.concatenate(parts).tobytes()

    assert commands(3) == commands(3)
    assert commands(3) != commands(4)


def test_what_cannot_be_a_market_is_refused() -> None:
    with pytest.raises(FlowError, match="two minutes"):
        agent_market(1, 1, ())
    with pytest.raises(OutcryError, match="no manipulator 'thief'"):
        chosen_manipulators("spoofer,thief")
    assert chosen_manipulators("all") == LIQUID


def test_an_interval_holds_its_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(19, 20)
    assert low < 0.95 < high
    # Wilson 1927, as published tables have 8 of 10.
    assert [round(value, 3) for value in wilson(8, 10)] == [0.490, 0.943]


def orders_of(rows: list[tuple[int, int, int, int, int, int]]) -> np.ndarray:
    """(kind, participant, side, price, lots, order id), a second apart."""
    orders = np.zeros(len(rows), ORDER_DTYPE)
    names = ("kind", "participant", "side", "price_ticks", "qty_lots", "order_id")
    for order, row in zip(orders, rows, strict=True):
        for name, value in zip(names, row, strict=True):
            order[name] = value
    orders["symbol"], orders["order_type"] = b"AA", OrderType.LIMIT
    orders["time_in_force"] = TimeInForce.DAY
    orders["seq"] = np.arange(1, len(rows) + 1)
    orders["rx_ts_ns"] = 1_790_000_000 * 10**9 + orders["seq"] * 10**9
    return orders


def test_the_rules_as_written_say_what_is_written() -> None:
    """Eleven trades of a pair, a trade back within the minute, five cancels: an alarm each."""
    new, cancel = int(CommandKind.NEW), int(CommandKind.CANCEL)
    rows = []
    for n in range(11):
        rows += [(new, 1, 1, 100, 5, 10 + 2 * n), (new, 2, 2, 100, 5, 11 + 2 * n)]
    rows += [(new, 3, 1, 100, 7, 50), (new, 4, 2, 100, 7, 51)]
    rows += [(new, 4, 1, 100, 7, 52), (new, 3, 2, 100, 7, 53)]
    for n in range(5):
        rows += [(new, 5, 1, 90, 1, 60 + n), (cancel, 5, 1, 90, 1, 60 + n)]
    orders = orders_of(rows)
    alarms = as_written(orders, Engine(make_instruments(["AA"])).process(orders))
    assert [(a.rule, a.participants) for a in alarms] == [
        ("cancels", (5,)),
        ("reciprocal", (3, 4)),
        ("wash_pair", (1, 2)),
    ]


def test_money_below_zero_is_reported_once_until_it_is_over() -> None:
    """By the events of deposits and trades; the kernel and the reference say the same."""
    rows = make_instruments([{"symbol": "AA", "min_price_ticks": 1, "max_price_ticks": 1 << 20}])
    config = {
        "instruments": instruments_to_json(rows),
        "hooks": {
            "name": "risk",
            "participants": 4,
            "limits": [{"set": "DEPOSIT", "value": 100, "who": 1}],
        },
    }
    new = int(CommandKind.NEW)
    trades = [
        (new, 1, 1, 50, 3, 1),
        (new, 2, 2, 50, 3, 2),
        (new, 1, 1, 50, 1, 3),
        (new, 2, 2, 50, 1, 4),
    ]
    orders, engine = orders_of(trades), Engine(rows)
    events = engine.process(orders)
    deposit = np.asarray(setting(Setting.DEPOSIT, 200, 1)).copy()
    deposit["seq"], deposit["rx_ts_ns"] = 5, orders["rx_ts_ns"][-1]
    answer = np.zeros(1, events.dtype)
    answer["kind"], answer["cause_seq"], answer["seq"] = EventKind.COMPLETED, 5, len(events) + 1
    answer["contra_id"], answer["leaves_lots"], answer["qty_lots"] = Setting.DEPOSIT, 200, 1
    answer["instrument"] = 65535
    later = orders_of([(new, 1, 1, 50, 9, 6), (new, 2, 2, 50, 9, 7)])
    later["seq"] += 5
    more = engine.process(later)
    more["seq"] += 1
    detectors, reference = Detectors(config), Reference(config)
    all_hits = []
    for commands, caused in ((orders, events), (deposit, answer), (later, more)):
        hits = as_dicts(detectors.watch(commands, caused))
        assert hits == reference.watch(commands, caused)
        all_hits += hits
    assert [hit["detector"] for hit in all_hits] == [lay.Detector.NEGATIVE_BALANCE] * 2
    assert [hit["gain_half_ticks"] for hit in all_hits] == [-50, -350]
