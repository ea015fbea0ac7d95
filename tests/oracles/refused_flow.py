"""A generated market among whose commands each reject of the gateway has a stated share."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga.settings_file import settings_of
from openoutcry.wire import ORDER_DTYPE, CommandKind, ErrorBit, OrderType, Side, make_instruments

EVERY = 32
"""Among this many commands one is refused for each reason."""
DOCUMENT: dict[str, Any] = {
    "symbols": {
        "STEPS": {
            "reference_price_ticks": 900,
            "collar_bps": 2_000,
            "notional_limit": 9_500_000,
        },
        "HALTED": {"halted": True},
    },
    "participants": {"disabled": [1_023]},
    # Nobody with a bucket comes near it: what is refused does not depend on when orders came.
    "rate": {"interval_ns": 1, "burst_ns": 2**32 - 1},
}
SETTINGS = settings_of(DOCUMENT)
GOOD = {
    "price_ticks": 995,
    "qty_lots": 200,
    "symbol": b"STEPS",
    "participant": 1,
    "kind": CommandKind.NEW,
    "side": Side.BUY,
    "order_type": OrderType.LIMIT,
    "time_in_force": 1,
}
FAULTS: dict[ErrorBit, dict[str, Any]] = {
    ErrorBit.PRICE_NOT_POSITIVE: {"price_ticks": 0},
    ErrorBit.PRICE_ABOVE_LIMIT: {"price_ticks": 1_005},
    ErrorBit.QTY_NOT_POSITIVE: {"qty_lots": 0},
    ErrorBit.QTY_OUT_OF_LIMITS: {"qty_lots": 10_100, "price_ticks": 800},
    ErrorBit.SIDE: {"side": 3},
    ErrorBit.ORDER_TYPE: {"order_type": 200},
    ErrorBit.TIME_IN_FORCE: {"time_in_force": 15},
    ErrorBit.SYMBOL: {"symbol": b"NOBODY"},
    ErrorBit.PRICE_STEP: {"price_ticks": 996},
    ErrorBit.QTY_STEP: {"qty_lots": 250},
    ErrorBit.COLLAR: {"price_ticks": 500},
    ErrorBit.NOTIONAL: {"qty_lots": 10_000},
    ErrorBit.PARTICIPANT: {"participant": 1_023},
    ErrorBit.HALTED: {"symbol": b"HALTED"},
    ErrorBit.RATE: {"participant": 2_000},
    ErrorBit.KIND: {"kind": 99},
}
"""What is wrong with the order that is refused for each reason.  Who has no bucket has no bit
either: ``RATE`` comes with ``PARTICIPANT``."""


class RefusedFlow:
    """A source: every other command is of a generated flow, the others are refused, in each 32 one
    for each reason, in an order that is drawn anew each time."""

    def __init__(self, orders: int, seed: int) -> None:
        assert orders % EVERY == 0
        self.orders, self.seed = orders, seed
        self.name = f"refused, seed {seed}"
        self.instruments = make_instruments(
            [
                *GeneratedFlow("normal", 1, 1).instruments["symbol"],
                "HALTED",
                {
                    "symbol": "STEPS",
                    "price_step_ticks": 5,
                    "qty_step_lots": 100,
                    "min_qty_lots": 200,
                    "max_qty_lots": 10_000,
                    "max_price_ticks": 1_000,
                },
            ]
        )
        self.count_hint: int | None = orders
        self.account: dict[str, int] = {}

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        half = EVERY // 2
        dice = np.random.default_rng(self.seed)
        good = np.concatenate(list(GeneratedFlow("normal", self.orders // 2, self.seed).chunks()))
        for at in range(0, self.orders // 2, half):
            chunk = np.zeros(EVERY, ORDER_DTYPE)
            chunk[0::2] = good[at : at + half]
            for n, bit in enumerate(dice.permutation(list(ErrorBit)).tolist()):
                for name, value in (GOOD | FAULTS[ErrorBit(bit)]).items():
                    chunk[name][2 * n + 1] = value
                chunk["order_id"][2 * n + 1] = 2**40 + at + n
            yield chunk
