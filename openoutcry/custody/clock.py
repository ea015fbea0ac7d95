"""Finds a clock that was set: waits, limits and deadlines are measured by it."""

import time
from collections.abc import Callable

SECOND_NS, WINDOW_NS = 10**9, 3_600 * 10**9
OFF_S = 5
"""Seconds by which a clock may be set within an hour."""


def since_boot_ns() -> int:
    """Return nanoseconds since this machine started: a clock that no program can set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Steps:
    """Compares a clock with the time since this machine started, whose rate it has.  Many small
    steps are one large step: those of an hour count together."""

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.time_ns,
        since_boot_ns: Callable[[], int] = since_boot_ns,
    ) -> None:
        self.clock_ns, self.since_boot_ns = clock_ns, since_boot_ns
        self._began = since_boot_ns()
        self._ahead = clock_ns() - self._began

    def look(self) -> int:
        """Return the seconds by which it was set since the last hour began; 0: few or none.  What
        was returned once is not returned again."""
        boot = self.since_boot_ns()
        ahead = self.clock_ns() - boot
        moved = ahead - self._ahead
        is_off = abs(moved) > OFF_S * SECOND_NS
        if is_off or boot - self._began > WINDOW_NS:
            self._began, self._ahead = boot, ahead
        return round(moved / SECOND_NS) if is_off else 0
