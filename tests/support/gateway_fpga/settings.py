"""What the tests of settings in several tiers share."""

from typing import Any

import numpy as np

from openoutcry.gateway_fpga import Limits, Settings, make_rules, validate_orders
from openoutcry.wire import ORDER_DTYPE, CommandKind, OrderType, make_instruments
from tests.oracles.gateway import ReferenceGateway, error_code

INSTRUMENTS = make_instruments(
    [{"symbol": s, "max_price_ticks": 2**63 - 1, "max_qty_lots": 2**63 - 1} for s in "ABCDE"]
)
ROWS = {bytes(row["symbol"]): row for row in INSTRUMENTS}
LIMITS = {
    b"A": Limits(reference_price_ticks=1_000, collar_bps=500, notional_limit=100_000),
    b"B": Limits(reference_price_ticks=2**63 - 1, collar_bps=65_535, notional_limit=2**64),
    b"C": Limits(reference_price_ticks=3, collar_bps=1, notional_limit=0, halted=True),
    b"D": Limits(reference_price_ticks=2**62 + 12_345, collar_bps=9_999, notional_limit=2**126 - 2),
}
SETTINGS = Settings(
    limits=LIMITS,
    check_participants=True,
    participants_on=frozenset({0, 1, 3, 1_023}),
    rate_interval_ns=100,
    rate_burst_ns=250,
)


def make_orders(**columns: Any) -> np.ndarray:
    """Good new limit orders of participant 1 in A, but for the columns given."""
    count = max(len(c) if isinstance(c, list | np.ndarray) else 1 for c in columns.values())
    orders = np.zeros(count, ORDER_DTYPE)
    good = {
        "price_ticks": 1_000,
        "qty_lots": 1,
        "symbol": b"A",
        "kind": CommandKind.NEW,
        "side": 1,
        "order_type": OrderType.LIMIT,
        "time_in_force": 1,
        "participant": 1,
    }
    for name, values in (good | columns).items():
        orders[name] = values
    return orders


def codes(orders: np.ndarray, chosen: Settings) -> list[int]:
    orders = orders.copy()
    validate_orders(orders, make_rules(INSTRUMENTS, chosen))
    return [int(code) for code in orders["error_code"]]


def expected(orders: np.ndarray, chosen: Settings) -> list[int]:
    reference = ReferenceGateway(ROWS, chosen)
    return [error_code(reference.verdict(order)) for order in orders]


def edges() -> list[int]:
    """On and beside every price and quantity at which a verdict turns."""
    middles = [0, 1, 2, 3, 100, 950, 1_050, 2**32, 2**62, 2**63 - 1, -(2**63)]
    for limits in LIMITS.values():
        reference, bps = limits.reference_price_ticks, limits.collar_bps
        middles += [reference, reference * (10_000 - bps) // 10_000]
        middles += [reference * (10_000 + bps) // 10_000, limits.notional_limit // reference]
    near = {middle + d for middle in middles for d in (-1, 0, 1)}
    return sorted(value for value in near if -(2**63) <= value < 2**63)


EDGES = edges()
