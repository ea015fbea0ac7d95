"""What the tests of gateway settings in several tiers share."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga import Settings, make_rules, validate_orders
from openoutcry.journal import JournalReader

RATE = Settings(rate_interval_ns=20_000, rate_burst_ns=200_000)
"""Refuses most orders of a flow that comes as fast as it can: a matter of nanoseconds."""


def journaled(directory: Path) -> npt.NDArray[Any]:
    """The commands of a whole journal."""
    return np.concatenate([orders for _, orders in JournalReader(directory).chunks()])


def verdicts(commands: npt.NDArray[Any], instruments: npt.NDArray[Any], chosen: Settings) -> Any:
    """What the golden model, fresh, says of commands as they stand in a journal."""
    again = commands.copy()
    validate_orders(again, make_rules(instruments, chosen))
    return again["error_code"]
