"""What a run says of the clock that stamped it.

Ingress time stamps are CLOCK_REALTIME as it was at the start of the run, carried on by
CLOCK_MONOTONIC.  How far that is from UTC only a clock daemon's page can tell; without one it is as
wrong as the kernel admits.
"""

import time
from typing import Any

from openoutcry.ptp import ClockPage
from openoutcry.ptp.host import Machine
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import ClockSource, ClockState


def stamp_clock(epoch_offset_ns: int) -> dict[str, Any]:
    """How far stamps of CLOCK_MONOTONIC + ``epoch_offset_ns`` are from UTC at this moment.

    ``offset_ns`` (stamp minus UTC; None without a daemon) and ``bound_ns``: UTC is within that of a
    stamp.  ``page``, ``source`` and ``state`` say who knows.
    """
    found: dict[str, Any] = {"stamps": "CLOCK_REALTIME at the start, then CLOCK_MONOTONIC"}
    try:
        page = ClockPage.open()
        page.now()
        before_ns = time.monotonic_ns()
        now = page.now()
        after_ns = time.monotonic_ns()
    except OutcryError:
        kernel = Machine().kernel()
        state = ClockState.LOCKED if kernel.synchronised else ClockState.FREE_RUNNING
        return {
            **found, "page": None, "source": "kernel", "state": state.name.lower(),
            "offset_ns": None, "bound_ns": kernel.bound_ns,
        }  # fmt: skip
    stamp_ns = (before_ns + after_ns) // 2 + epoch_offset_ns
    offset_ns = stamp_ns - now.utc_ns
    width_ns = (now.latest_utc_ns - now.earliest_utc_ns + after_ns - before_ns) // 2
    return {
        **found,
        "page": page.name,
        "source": ClockSource(int(page.line["source"][0])).name.lower(),
        "state": ClockState(int(page.line["state"][0])).name.lower(),
        "offset_ns": offset_ns,
        "bound_ns": abs(offset_ns) + width_ns + 1,
    }
