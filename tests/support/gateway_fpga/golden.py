"""What the tests of golden in several tiers share."""

import numpy as np

from openoutcry.gateway_fpga import make_rules
from openoutcry.wire import (
    make_instruments,
)
from tests.oracles.gateway import ReferenceGateway, error_code

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
        {"symbol": "TWO", "price_step_ticks": 2, "qty_step_lots": 2},
        {"symbol": "EVEN", "price_step_ticks": 8, "qty_step_lots": 6, "max_qty_lots": 2**63 - 1},
        {
            "symbol": "HUGE",
            "price_step_ticks": 2**62 - 1,
            "qty_step_lots": 2**62,
            "max_qty_lots": 2**63 - 1,
            "max_price_ticks": 2**63 - 1,
        },
        {"symbol": "LONGNAME", "min_qty_lots": 7, "max_qty_lots": 7, "max_price_ticks": 1},
        {
            "symbol": "BANDS",
            "price_step_ticks": 6,
            "tick_table": [(120, 20), (1_000, 50), (5_000, 8)],
        },
        {"symbol": "BELOW", "max_price_ticks": -5},
    ]
)
ROWS = {bytes(row["symbol"]): row for row in INSTRUMENTS}
RULES = make_rules(INSTRUMENTS)

EDGES = sorted(
    {
        value
        for middle in (0, 1, 5, 6, 7, 8, 100, 200, 1_000, 10_000, 2**32, 2**62, 2**63 - 1, -(2**63))
        for value in (middle - 1, middle, middle + 1)
        if -(2**63) <= value < 2**63
    }
)


def expected(orders: np.ndarray) -> list[int]:
    return [error_code(ReferenceGateway(ROWS).verdict(order)) for order in orders]


EDGES = (-(2**63), -1, 0, 1, 5, 7, 199, 200, 205, 10_100, 2**63 - 1)
