"""What the tests of clock page in several tiers share."""

import numpy as np
import pytest

from openoutcry.ptp.page import (
    ClockError,
    Line,
)
from openoutcry.ptp.ticks import Q48
from openoutcry.wire import CLOCK_PAGE
from openoutcry.wire.enums import ClockSource, ClockState


def a_line(**changes):
    """A locked clock: 2.5 ticks a ns, 1 us off at most."""
    values = {
        "base_ticks": 10**15,
        "base_tai_ns": 18 * 10**17,
        "mult_q48": round(0.4 * Q48),
        "bound_ns": 1_000,
        "growth_ppb": 500,
        "stale_ms": 3_000,
        "utc_offset_s": 37,
        "state": ClockState.LOCKED,
        "source": ClockSource.SIMULATED,
    }
    return Line(**values | changes)


def _private(line):
    """A page in this process' memory, with a living owner."""
    page = np.zeros(1, CLOCK_PAGE.dtype())
    for name, value in vars(line).items():
        page[name] = value
    page["owner"] = 1
    return page


# Refusals


def status_of(page, ticks=10**15):
    with pytest.raises(ClockError) as caught:
        page.at(ticks)
    return caught.value.status
