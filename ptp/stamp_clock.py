"""The accuracy of a run's time stamps.

Packets are stamped by the card, the kernel, their capture or the clock daemon's page.  All else
is stamped by CLOCK_REALTIME as it was at the start of the run, carried on by CLOCK_MONOTONIC.
How far that is from UTC only a clock daemon's page can say; without one it is as wrong as the
kernel admits.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ptp import ClockError, ClockPage
from openoutcry.ptp.host import Machine
from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.wire import CLOCK_DTYPE, OutcryError
from openoutcry.wire.enums import ClockEvent, ClockSource, ClockState
from openoutcry.wire.records import MAX_VALUE

READINGS = 8
"""Readings of the page with which stamps are compared; the one that the scheduler stretched least
is used."""


OWN = "CLOCK_REALTIME at the start, then CLOCK_MONOTONIC"
STAMPED_BY = {
    "hardware_times": "the card",
    "kernel_times": "the kernel, CLOCK_REALTIME",
    "capture_times": "the capture",
    "clock_page_times": "the clock daemon's page",
    "host_times": OWN,
}
"""What stamps packets, by the counter of a port."""
OF_HOST = ("clock_page_times", "host_times")
STAMPS_OF = {
    "udp": ("hardware_times", "kernel_times", *OF_HOST),
    "packet": ("hardware_times", "kernel_times", *OF_HOST),
    "xdp": OF_HOST,
    "pcap": ("capture_times", *OF_HOST),
    "dpdk": ("hardware_times", "capture_times", *OF_HOST),
}
"""Counters of the stamps that the packets of each kind of port can have, the preferred first."""


def stamps_before(kinds: Iterable[str]) -> str:
    """Return what can stamp the packets of ports of these ``kinds``, the preferred first; without
    ports, OWN.  For a run that has not begun; afterwards :func:`stamped_by` counts."""
    counters = {counter for kind in kinds for counter in STAMPS_OF[kind]}
    names = [who for counter, who in STAMPED_BY.items() if counter in counters]
    return "; else ".join(names) or OWN


def stamped_by(account: Mapping[str, int]) -> str:
    """Return what stamped the packets of a source, by its account; of one without packets, OWN."""
    counts = {who: account.get(counter, 0) for counter, who in STAMPED_BY.items()}
    found = {who: count for who, count in counts.items() if count}
    if len(found) < 2:
        return next(iter(found), OWN)
    return "; ".join(f"{count:,} packets by {who}" for who, count in found.items())


def stamp_clock(epoch_offset_ns: int, stamps: str = OWN) -> dict[str, Any]:
    """Return how far stamps of CLOCK_MONOTONIC + ``epoch_offset_ns`` are from UTC at this moment.

    ``stamps``: what stamps the run's input (:func:`stamped_by`).

    ``offset_ns`` (stamp minus UTC; None without a daemon) and ``bound_ns``: UTC is within that of a
    stamp.  ``page``, ``source`` and ``state`` say who knows.
    """
    document: dict[str, Any] = {"stamps": stamps}
    try:
        page = ClockPage.open()
        page.now()
        record = stamp_record(page, epoch_offset_ns)[0]
        if record["bound_ns"] == MAX_VALUE:
            raise ClockError(f"{page.name}: the time is not known, or simulated")
    except OutcryError:
        kernel = Machine().kernel()
        state = ClockState.LOCKED if kernel.synchronised else ClockState.FREE_RUNNING
        return {
            **document,
            "page": None,
            "source": "kernel",
            "state": state.name.lower(),
            "offset_ns": None,
            "bound_ns": kernel.bound_ns,
        }
    return {
        **document,
        "page": page.name,
        "source": ClockSource(int(record["source"])).name.lower(),
        "state": ClockState(int(record["state"])).name.lower(),
        "offset_ns": -int(record["offset_ns"]),
        "bound_ns": int(record["bound_ns"]),
    }


def stamp_record(page: ClockPage | None, epoch_offset_ns: int) -> npt.NDArray[Any]:
    """The same as one clock record (an array of one CLOCK_DTYPE) for the journal.

    Its ``seq`` is 0, as it is the run's record and not the daemon's.  In ``offset_ns`` is UTC minus
    stamp.  In ``bound_ns`` is how far UTC may be from a stamp: that much plus the page's tolerance,
    and MAX_VALUE where it is unknown.
    """
    record = np.zeros(1, CLOCK_DTYPE)
    record["bound_ns"], record["event"] = MAX_VALUE, ClockEvent.SAMPLE
    record["state"], record["source"] = ClockState.UNKNOWN, ClockSource.NONE
    if page is None:
        return record
    readings = []
    try:
        for _ in range(READINGS):
            before_ns = time.monotonic_ns()
            now = page.now()
            readings.append((time.monotonic_ns() - before_ns, before_ns, now))
    except OutcryError:
        return record
    took_ns, before_ns, now = min(readings, key=lambda reading: reading[0])
    after_ns = before_ns + took_ns
    offset_ns = now.utc_ns - ((before_ns + after_ns) // 2 + epoch_offset_ns)
    width_ns = (now.latest_utc_ns - now.earliest_utc_ns + after_ns - before_ns) // 2
    record["tai_ts_ns"], record["offset_ns"] = now.tai_ns, offset_ns
    if width_ns < UNBOUNDED_NS:
        record["bound_ns"] = abs(offset_ns) + width_ns + 1
    record["state"], record["source"] = page.line["state"], page.line["source"]
    record["utc_offset_s"] = (now.tai_ns - now.utc_ns) // 1_000_000_000
    return record
