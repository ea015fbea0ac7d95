"""What the tests of risk run in several tiers share."""

from typing import Any

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.wire import make_instruments

CAPACITY, COUNT = 1 << 14, 12_000
LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}
KEYS = ("commands", "events", "state_hash", "event_hash")
TABLE = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])


class LimitedFlow(MixedFlow):
    """The mixed flow on instruments that have price limits."""

    def __init__(self, orders: int, seed: int) -> None:
        super().__init__(orders, seed)
        self.instruments = TABLE


def settings() -> dict[str, Any]:
    limits: list[dict[str, Any]] = [
        {"set": "POSITION_LONG", "value": 1_500, "who": who, "symbol": row["symbol"].decode()}
        for who in range(1, 20)
        for row in INSTRUMENTS
    ]
    limits += [{"set": "CREDIT", "value": 10**9, "who": who} for who in range(1, 129)]
    limits += [{"set": "OPEN_ORDERS", "value": 60, "who": who} for who in range(1, 129)]
    limits += [{"set": "FEE", "value": 2, "symbol": "PLAIN"}]
    return {"name": "risk", "participants": 129, "order_capacity": CAPACITY, "limits": limits}


def same(result: Any, wanted: Any) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}
