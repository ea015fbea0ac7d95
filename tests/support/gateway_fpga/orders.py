"""Instruments, settings and boundary-biased random orders that every gateway test draws from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga import Limits, Settings
from openoutcry.wire import ORDER_DTYPE, OrderType, make_instruments

INSTRUMENTS = make_instruments(
    [
        "PLAIN",
        {
            "symbol": "STEPS",
            "price_step_ticks": 5,
            "qty_step_lots": 100,
            "min_qty_lots": 200,
            "max_qty_lots": 10_000,
            "max_price_ticks": 1_000,
        },
        {"symbol": "TWO", "price_step_ticks": 2, "qty_step_lots": 2, "max_price_ticks": 2**63 - 1},
        {"symbol": "EVEN", "price_step_ticks": 8, "qty_step_lots": 6, "min_qty_lots": 12},
        {
            "symbol": "HUGE",
            "price_step_ticks": 2**40 * 5**6,
            "qty_step_lots": 2**62,
            "max_qty_lots": 2**63 - 1,
            "max_price_ticks": 2**63 - 1,
        },
        {"symbol": "LONGNAME", "min_qty_lots": 7, "max_qty_lots": 7, "max_price_ticks": 1},
        {"symbol": "BANDS", "price_step_ticks": 6, "tick_table": [(120, 20), (1_000, 50)]},
        {"symbol": "BELOW", "max_price_ticks": -5, "price_step_ticks": 15_625 * 3},
        {
            "symbol": "WIDE",
            "max_qty_lots": 2**63 - 1,
            "max_price_ticks": 2**63 - 1,
            "price_step_ticks": 3_125,
            "qty_step_lots": 25,
        },
        *({"symbol": f"F{n}", "price_step_ticks": 5**n, "qty_step_lots": 5**n} for n in range(7)),
    ]
)
SYMBOLS = [bytes(row["symbol"]) for row in INSTRUMENTS]
LIMITS = {
    b"PLAIN": Limits(reference_price_ticks=1_000, collar_bps=500, notional_limit=100_000),
    b"TWO": Limits(reference_price_ticks=2**63 - 1, collar_bps=65_535, notional_limit=2**64),
    b"EVEN": Limits(reference_price_ticks=3, collar_bps=1, notional_limit=0, halted=True),
    b"HUGE": Limits(2**62 + 12_345, collar_bps=9_999, notional_limit=2**126 - 2),
    b"WIDE": Limits(2**53 + 1, collar_bps=10_000, notional_limit=2**100 + 1),
    b"F3": Limits(notional_limit=(2**63 - 1) ** 2 - 1),
    b"F0": Limits(lowest_sell_ticks=100, highest_buy_ticks=200),
    b"F1": Limits(notional_limit=10**9, lowest_sell_ticks=8, highest_buy_ticks=7),
    b"BANDS": Limits(lowest_sell_ticks=2**62),
    b"F2": Limits(highest_buy_ticks=0),
}
SETTINGS = Settings(
    limits=LIMITS,
    check_participants=True,
    participants_on=frozenset({0, 1, 2, 3, 1_023}),
    rate_interval_ns=100,
    rate_burst_ns=250,
)


def _edges() -> list[int]:
    """On and beside every number at which some verdict turns."""
    middles = [0, 1, 5, 7, 8, 100, 200, 1_000, 10_000, 15_625, 2**32, 2**62, 2**63 - 1, -(2**63)]
    for limits in LIMITS.values():
        reference, bps = limits.reference_price_ticks, limits.collar_bps
        middles += [reference * (10_000 - bps) // 10_000, reference * (10_000 + bps) // 10_000]
        middles += [reference, limits.notional_limit // max(1, reference), limits.notional_limit]
        middles += [limits.lowest_sell_ticks, limits.highest_buy_ticks]
    near = {middle + d for middle in middles for d in (-1, 0, 1)}
    return sorted(value for value in near if -(2**63) <= value < 2**63)


EDGES = np.array(_edges(), np.int64)
STRANGERS = [b"", b"PLAI", b"PLAINX", b"plain", b"LONGNAMF", b"\0PLAIN", b"NOBODY"]


def random_orders(
    count: int, seed: int, settings: Settings = SETTINGS, symbols: list[bytes] | None = None
) -> npt.NDArray[Any]:
    """``count`` commands of which many sit on or beside a boundary, and some are pure noise."""
    dice = np.random.default_rng(seed)
    known = symbols or SYMBOLS
    orders = np.frombuffer(dice.bytes(64 * count), ORDER_DTYPE).copy()

    def mostly(name: str, values: Any, share: float) -> None:
        chosen = dice.random(count) < share
        orders[name][chosen] = np.asarray(values)[chosen]

    names = np.array([*known, *STRANGERS], "S8")
    odds = np.array([10.0] * len(known) + [1.0] * len(STRANGERS))
    mostly("symbol", dice.choice(names, count, p=odds / odds.sum()), 0.98)
    for name in ("price_ticks", "qty_lots"):
        mostly(name, EDGES[dice.integers(0, len(EDGES), count)], 0.6)
        small = dice.integers(1, 400, count) * dice.choice([1, 5, 25, 100, 3_125, 15_625], count)
        mostly(name, small, 0.4)
    # Pairs whose product lies on a notional limit.
    limits = [x.notional_limit for x in settings.limits.values() if x.notional_limit] or [2**64]
    chosen_limits = dice.integers(0, len(limits), count)
    for at in np.flatnonzero(dice.random(count) < 0.05):
        price = max(1, int(orders["price_ticks"][at]) % 2**63)
        qty = limits[chosen_limits[at]] // price + int(dice.integers(-1, 2))
        orders["price_ticks"][at], orders["qty_lots"][at] = price, min(2**63 - 1, max(0, qty))
    mostly("kind", dice.choice([1, 1, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 0, 10, 11], count), 0.98)
    mostly("side", dice.choice([1, 2, 1, 2, 0, 3], count), 0.95)
    mostly("order_type", dice.integers(0, max(OrderType) + 2, count), 0.95)
    mostly("time_in_force", dice.integers(0, 9, count) | dice.integers(0, 6, count) << 4, 0.95)
    mostly("participant", dice.choice([0, 1, 2, 3, 4, 1_023, 1_024, 1_025], count), 0.95)
    mostly("aux", dice.choice([0, 0, 0, 1, 2**32, -(2**63)], count), 0.9)
    # Time runs on by about the rate's interval, with ends of its range thrown in.
    times = np.cumsum(dice.integers(0, 60, count))
    mostly("rx_ts_ns", times, 0.98)
    return orders
