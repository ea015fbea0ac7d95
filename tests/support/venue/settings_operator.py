"""An operator of an inline venue who sends the given settings, and does nothing else."""

from typing import Any

import numpy as np

from openoutcry.venue.limits import hook_settings
from openoutcry.venue.operator_lane import OPERATOR_RING, WIRING
from openoutcry.venue.risk_tables import RiskSpec
from openoutcry.wire import ORDER_DTYPE


class SettingsOperator:
    """``records``: RISK commands, in their order."""

    sessions = feed = None
    is_set = True

    def __init__(self, *records: np.void) -> None:
        self.records = list(records)

    def begin(self, shared: Any, engine: Any) -> None:
        self.shared, self.ring = shared, shared.rings[OPERATOR_RING]
        self.producer = self.ring.producer()
        if engine is not None:
            self.records.clear()

    def descriptors(self) -> list[int]:
        return []

    def poll(self) -> None:
        if self.producer is None or not self.shared.control.block.go:
            return
        while self.records:
            self.producer.publish(np.array(self.records.pop(0), ORDER_DTYPE).reshape(-1))
        if self.shared.control.block.stop:
            self.producer.close()
            self.producer = None
            self.ring.close()


def with_settings(*records: np.void, delayed: int = 0) -> dict[str, Any]:
    """What an inline venue is made with that has these settings; ``delayed`` commands may wait at
    its speed bump."""
    hooks = hook_settings([1, 2], 1 << 12, RiskSpec(multipliers=(1, 1)), delayed=delayed)
    more = {"spec": {"delayed": delayed}} if delayed else {}
    return {"hooks": hooks, "wiring": WIRING, "operator": SettingsOperator(*records)} | more
