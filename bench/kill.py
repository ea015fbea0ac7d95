"""How long a kill takes: from the commands on the operator's lane to the last cancel's release.

A run of the whole pipeline in which one participant has a given number of open orders. The operator
sends a RISK KILL and a DISCONNECT. The bench watches the gate's cursor until it has released the
last event that they cause.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.scratch import scratch_folder
from openoutcry.matcher import Engine
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from openoutcry.ring.producer import Producer
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.runtime.shared import Shared
from openoutcry.venue.operations import disconnect
from openoutcry.venue.operator_lane import OPERATOR_RING, WIRING
from openoutcry.wire import ORDER_DTYPE, OutcryError, make_instruments
from openoutcry.wire.enums import OrderType, Side, TimeInForce

OPEN, QUICK_OPEN = 100_000, 5_000
WHO = 1
WAIT_S = 60.0
LEVELS = 1_000


class Bids:
    """A number of bids of one participant that stay open."""

    def __init__(self, count: int) -> None:
        self.name = "bids"
        self.count_hint: int | None = count
        self.account: dict[str, int] = {}
        self.instruments = make_instruments(
            [{"symbol": "A", "min_price_ticks": 1, "max_price_ticks": 1 << 20}]
        )

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        """All bids, as one array of ORDER_DTYPE."""
        assert self.count_hint is not None
        orders = np.zeros(self.count_hint, ORDER_DTYPE)
        orders["kind"], orders["side"], orders["symbol"] = 1, Side.BUY, b"A"
        orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
        orders["order_id"] = np.arange(1, len(orders) + 1)
        orders["price_ticks"] = 1 + orders["order_id"] % LEVELS
        orders["qty_lots"], orders["participant"] = 1, WHO
        yield orders


@dataclass
class Killer:
    """The operator: kills once everything is open."""

    count: int
    took_ns: int = 0
    shared: Shared | None = None
    producer: Producer | None = None
    sessions: Any = None
    feed: Any = None
    ports: Any = None
    kept: Any = None
    is_set: bool = True

    def begin(self, shared: Shared, engine: Engine | None) -> None:
        """The run's call before its first command: take the operator's lane."""
        self.shared, self.producer = shared, shared.rings[OPERATOR_RING].producer()

    def descriptors(self) -> Sequence[int]:
        """None: it asks by itself."""
        return ()

    def poll(self) -> None:
        """The run's call at each turn of its supervisor: kill once ``count`` events are released,
        then end the run.  Raises :class:`OutcryError` if the cancels are not released in WAIT_S."""
        assert self.shared is not None
        control, gate = self.shared.control, self.shared.events.cursors["gate"]
        if self.producer is None or not control.block.go:
            return
        if not control.block.stop:
            if int(gate[0]) < self.count:
                return
            self._kill(self.producer, gate)
        self.producer.close()
        self.producer = None
        self.shared.rings[OPERATOR_RING].close()
        control.block.stop = 1

    def _kill(self, producer: Producer, gate: npt.NDArray[Any]) -> None:
        records = np.concatenate([setting(Setting.KILL, 1, WHO), disconnect(WHO)])
        # Each order's cancel, and that the two commands are done.
        last = self.count + self.count + 2
        start = time.monotonic_ns()
        producer.publish(records)
        while int(gate[0]) < last:
            if time.monotonic_ns() - start > WAIT_S * 1e9:
                raise OutcryError(f"bench risk: {last - int(gate[0])} events were not released")
            time.sleep(50e-6)
        self.took_ns = time.monotonic_ns() - start


def kill_ns(durable: bool, quick: bool) -> int:
    """Nanoseconds from the kill to the last cancel's release.

    Raises :class:`OutcryError` if the run lost or refused anything.
    """
    count = QUICK_OPEN if quick else OPEN
    capacity = 1 << (count - 1).bit_length()
    killer = Killer(count)
    hooks = {"name": "risk", "participants": 256, "groups": 1, "order_capacity": capacity}
    with scratch_folder("kill") as folder:
        result = run(
            Options(
                source=Bids(count),
                orders=count,
                wiring=WIRING,
                operator=killer,
                hooks=hooks,
                order_capacity=capacity,
                durability="durable" if durable else "none",
                journal=Path(folder) / "journal" if durable else None,
                verify=False,
                volatile_journal=True,
            )
        )
    if result["open_orders"] or result["lost"] or not killer.took_ns:
        raise OutcryError(f"bench risk: {result['open_orders']} orders outlived the kill")
    return killer.took_ns
