"""Splits and dividends: the detectors forget prices and lots of before; the operator's cancel of
everybody's orders is nobody's withdrawal."""

import numpy as np
import pytest

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal import Journal
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.surveillance.audit.build import build, folder_of
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.detect import corporate
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Side, TimeInForce
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.surveillance.surveillance_flow import (
    BEGIN_NS,
    SECOND,
    SYMBOLS,
    random_orders,
    settings_of,
)

CONFIG = {
    "instruments": instruments_to_json(
        make_instruments(
            [{"symbol": one, "min_price_ticks": 1, "max_price_ticks": 1 << 20} for one in SYMBOLS]
        )
    ),
    "hooks": {"name": "risk", "participants": 8, "order_capacity": 1 << 14},
    "order_capacity": 1 << 14,
}


def cancel_all(symbol: str, participant: int) -> np.ndarray:
    """A mass cancel: of everybody's orders if the operator (0) sends it."""
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["symbol"] = CommandKind.MASS_CANCEL, symbol.encode()
    record["participant"], record["aux"] = participant, 0 if participant else 1
    return record


def split(symbol: str, new: int, old: int, price: int) -> np.ndarray:
    """What an operator sends: halt, everybody's cancel, split, and the halt is over."""
    name = symbol.encode()
    return np.concatenate(
        [
            setting(Setting.HALT, 1, 0, name),
            cancel_all(symbol, 0),
            setting(Setting.SPLIT, new << 32 | old, 0, name, price),
            setting(Setting.HALT, 0, 0, name),
        ]
    )


def numbered(parts: list[np.ndarray], apart_ns: int = SECOND // 4) -> np.ndarray:
    """The parts in a row, in sequence and time."""
    orders = np.concatenate(parts)
    orders["seq"] = np.arange(1, len(orders) + 1)
    orders["rx_ts_ns"] = BEGIN_NS + orders["seq"] * apart_ns
    return orders


def watched(orders: np.ndarray, settings: Settings) -> list[dict]:
    """The hits; kernels and reference say the same."""
    events = Core.of(CONFIG).fresh().process(orders)
    applied = (events["kind"] == EventKind.COMPLETED) & (events["contra_id"] == Setting.SPLIT)
    splits = (orders["kind"] == CommandKind.RISK) & (orders["order_type"] == Setting.SPLIT)
    assert applied.sum() == splits.sum()
    hits = as_dicts(Detectors(CONFIG, settings).watch(orders, events))
    assert hits == Reference(CONFIG, settings).watch(orders, events)
    return hits


def test_the_settings_are_the_risk_rooms() -> None:
    ours = corporate.DIVIDEND, corporate.SPLIT, corporate.ADJUST
    assert ours == (Setting.DIVIDEND, Setting.SPLIT, Setting.CONTRACT_ADJUST)


@pytest.mark.parametrize("seed", [3, 8])
def test_kernels_and_reference_agree_over_splits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = settings_of(rng)
    parts = []
    for number in range(3):
        part = random_orders(rng, 250)
        part["order_id"] += 10_000 * number
        parts += [part, split(SYMBOLS[number % 2], 1 + number, 2, 500 + number)]
    assert len(watched(numbered(parts), settings)) > 30


def limits(rows: list[tuple[int, int, int, int]], first_id: int) -> np.ndarray:
    """(participant, side, price, lots): day orders."""
    orders = np.zeros(len(rows), ORDER_DTYPE)
    for number, (order, row) in enumerate(zip(orders, rows, strict=True)):
        order["participant"], order["side"], order["price_ticks"], order["qty_lots"] = row
        order["order_id"] = first_id + number
    orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
    orders["time_in_force"], orders["symbol"] = TimeInForce.DAY, b"AA"
    return orders


def climb(first_price: int, steps: int, first_id: int) -> np.ndarray:
    """Participant 1 buys up a ladder, each time all that stands at the best price."""
    ladder = [(2, Side.SELL, first_price + 2 * n, 5) for n in range(steps + 1)]
    ladder += [(2, Side.BUY, first_price - 3, 5)]
    return limits(ladder + [(1, Side.BUY, first_price + 2 * n, 5) for n in range(steps)], first_id)


def test_half_a_ramp_before_a_split_and_half_after_it_is_none() -> None:
    """Six trades before and six behind are no twelve: what they moved is not of one size."""
    settings = Settings(parameters={"ramp_trades": 8, "ramp_few_trades": 8, "ramp_bps": 1})
    halves = [climb(1000, 6, 1), climb(502, 6, 100)]
    plain = watched(numbered([*halves[:1], cancel_all("AA", 0), halves[1]]), settings)
    assert lay.Detector.RAMPING in {hit["detector"] for hit in plain}
    parted = watched(numbered([halves[0], split("AA", 2, 1, 500), halves[1]]), settings)
    assert lay.Detector.RAMPING not in {hit["detector"] for hit in parted}


def test_cancels_by_the_operator_do_not_count_as_withdrawals() -> None:
    orders = limits([(1, Side.BUY, 1000 - n % 9, 1) for n in range(250)], 1)
    for by, expected in ((0, False), (1, True)):
        hits = watched(numbered([orders, cancel_all("AA", by)], 10**6), Settings())
        assert (lay.Detector.EXCESSIVE_CANCELS in {h["detector"] for h in hits}) is expected


def test_the_trail_has_the_split_and_whose_orders_it_took_away(tmp_path) -> None:
    """A row of the operator's split, and each order's life ends with the cancel before it."""
    orders = numbered(
        [
            limits([(1, Side.BUY, 1000, 5), (2, Side.BUY, 999, 5)], 1),
            split("AA", 2, 1, 500),
            limits([(1, Side.SELL, 501, 7)], 10),
        ]
    )
    home = tmp_path / "day"
    with Journal.create(home, CONFIG, direct=False) as writer:
        writer.append(1, [orders], len(orders), 1)
    build(home)
    trail = Trail(folder_of(home), list(SYMBOLS))
    for number in (1, 2):
        life = trail.order(number)
        assert [row["action"] for row in life.to_pylist()] == ["NEW", "CANCEL"]
        assert life["event_seq"].to_pylist()[-1] < trail.order(10)["event_seq"].to_pylist()[0]
    actions = [row["action"] for table in trail.day("2023-11-14") for row in table.to_pylist()]
    # Halt; the cancel with its two orders; split; the halt is over.
    done = ["COMPLETE", "CANCEL", "CANCEL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert actions == ["NEW", "NEW", *done, "NEW"]
