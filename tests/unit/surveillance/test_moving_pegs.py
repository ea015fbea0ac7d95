"""Moving others' pegged orders: found by kernels and reference alike, honest quotes left alone."""

from typing import Any

import numpy as np
import pytest

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.oracles.surveillance.detectors import Reference, as_dicts

SECOND = 10**9
BUY, SELL = int(Side.BUY), int(Side.SELL)
INSTRUMENTS = make_instruments(["AA"])
CONFIG = {"instruments": instruments_to_json(INSTRUMENTS)}
HOLDER, QUOTES, MOVER = 1, 2, 9


class Day:
    """Commands, each at its own time."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.now_ns = 1_790_000_000 * SECOND

    def send(self, kind: int, who: int, side: int, price: int, lots: int, **more: Any) -> int:
        row = np.zeros(1, ORDER_DTYPE)
        names = {"kind": kind, "participant": who, "side": side, "price_ticks": price}
        names |= {"qty_lots": lots, "order_type": OrderType.LIMIT}
        names |= {"time_in_force": TimeInForce.DAY, "order_id": len(self.rows) + 1, **more}
        for name, value in names.items():
            row[name] = value
        row["symbol"], row["seq"], row["rx_ts_ns"] = b"AA", len(self.rows) + 1, self.now_ns
        self.rows.append(row)
        return int(row["order_id"][0])

    def new(self, who: int, side: int, price: int, lots: int, **more: Any) -> int:
        return self.send(CommandKind.NEW, who, side, price, lots, **more)

    def cancel(self, who: int, side: int, order_id: int) -> None:
        self.send(CommandKind.CANCEL, who, side, 100, 1, order_id=order_id)

    def wait(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)

    def hits(self) -> list[dict[str, Any]]:
        """Return the hits of both, which must be the same."""
        orders = np.concatenate(self.rows)
        events = Engine(INSTRUMENTS).process(orders)
        found = as_dicts(Detectors(CONFIG).watch(orders, events))
        assert found == Reference(CONFIG).watch(orders, events)
        return [hit for hit in found if hit["detector"] == lay.Detector.MOVING_PEGS]


def open_day(side: int = BUY) -> Day:
    """A spread of ten, and one who holds a large order at its middle."""
    day = Day()
    day.new(QUOTES, BUY, 95, 500)
    day.new(QUOTES, SELL, 105, 500)
    limit = 200 if side == BUY else 1
    day.new(HOLDER, side, limit, 900, order_type=OrderType.PEG_MIDPOINT)
    return day


def cycle(day: Day, side: int = BUY, lots: int = 1, own: int = 30, **how: float) -> int:
    """Move it, trade with it, be gone; the command that moved it."""
    moved = day.new(MOVER, side, 103 if side == BUY else 97, lots)
    day.wait(how.get("trade_s", 0.2))
    price = 104 if side == BUY else 96
    other = BUY + SELL - side
    day.new(how.get("trader", MOVER), other, price, own, time_in_force=TimeInForce.IOC)
    day.wait(how.get("after_s", 1))
    if how.get("withdraws", 1):
        day.cancel(MOVER, side, moved)
    day.wait(20)
    return moved


@pytest.mark.parametrize("side", [BUY, SELL])
def test_three_cycles_are_a_hit_with_its_commands(side: int) -> None:
    day = open_day(side)
    for _ in range(2):
        cycle(day, side)
    assert day.hits() == []
    moved = cycle(day, side)
    (hit,) = day.hits()
    assert hit["participants"] == [MOVER]
    assert (hit["lots"], hit["repeats"], hit["first_seq"]) == (30, 3, moved)
    # The middle was 100: 4 ticks better, three times 30 lots, in half ticks.
    assert hit["gain_half_ticks"] == 3 * 2 * 4 * 30
    assert hit["evidence"] == [moved, moved + 1, moved + 2, 0]


@pytest.mark.parametrize(
    "how",
    [
        {"withdraws": 0},
        {"trade_s": 11},
        {"after_s": 11},
        {"trader": QUOTES},
        {"lots": 20},
    ],
    ids=["stays", "trades late", "withdraws late", "another trades", "shows as much as it trades"],
)
def test_what_is_not_the_pattern_is_left_alone(how: dict[str, Any]) -> None:
    day = open_day()
    for _ in range(4):
        cycle(day, BUY, **how)
    assert day.hits() == []


def test_a_trade_after_the_order_is_gone_is_left_alone() -> None:
    """The mover's order was executed by another first: what it moved has moved back."""
    day = open_day()
    for _ in range(4):
        day.new(MOVER, BUY, 103, 1)
        day.new(QUOTES, SELL, 103, 2, time_in_force=TimeInForce.IOC)
        day.new(MOVER, SELL, 100, 30, time_in_force=TimeInForce.IOC)
        day.wait(20)
    assert day.hits() == []


def test_an_order_that_was_executed_after_the_trade_is_gone() -> None:
    day = open_day()
    for _ in range(3):
        day.new(MOVER, BUY, 103, 1)
        day.new(MOVER, SELL, 104, 30, time_in_force=TimeInForce.IOC)
        day.new(QUOTES, SELL, 103, 900, time_in_force=TimeInForce.IOC)
        day.new(HOLDER, BUY, 200, 900, order_type=OrderType.PEG_MIDPOINT)
        day.wait(20)
    (hit,) = day.hits()
    assert hit["participants"] == [MOVER]


def test_others_quotes_in_between_hide_nothing() -> None:
    """They move the pegged order, too, this way and that."""
    day = open_day()
    for _ in range(3):
        moved = day.new(MOVER, BUY, 103, 1)
        quotes = [day.new(QUOTES, SELL, 104, 5), day.new(QUOTES, BUY, 102, 5)]
        day.cancel(QUOTES, SELL, quotes[0])
        day.new(MOVER, SELL, 104, 30, time_in_force=TimeInForce.IOC)
        day.cancel(MOVER, BUY, moved)
        day.cancel(QUOTES, BUY, quotes[1])
        day.wait(20)
    (hit,) = day.hits()
    assert hit["gain_half_ticks"] == 3 * 2 * 4 * 30


def test_several_steps_are_one_way() -> None:
    """A ladder of small orders, each a little higher: the gain counts from before the first."""
    day = open_day()
    for _ in range(3):
        steps = [day.new(MOVER, BUY, price, 1) for price in (97, 99, 101, 103)]
        day.new(MOVER, SELL, 104, 30, time_in_force=TimeInForce.IOC)
        day.wait(1)
        for order_id in steps[::-1]:
            day.cancel(MOVER, BUY, order_id)
        day.wait(20)
    (hit,) = day.hits()
    assert hit["gain_half_ticks"] == 3 * 2 * 4 * 30


def test_an_order_moved_by_a_replace_counts() -> None:
    """An old order far away, moved into the spread and back."""
    day = open_day()
    order_id = day.new(MOVER, BUY, 90, 1)
    for _ in range(3):
        day.send(CommandKind.REPLACE, MOVER, BUY, 103, 1, order_id=order_id)
        day.new(MOVER, SELL, 104, 30, time_in_force=TimeInForce.IOC)
        day.wait(1)
        day.send(CommandKind.REPLACE, MOVER, BUY, 90, 1, order_id=order_id)
        day.wait(20)
    (hit,) = day.hits()
    assert (hit["repeats"], hit["participants"]) == (3, [MOVER])
