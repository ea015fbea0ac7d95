"""Who watches a venue stands aside: last in the queue for a processor, and off the stages' cores.

A stage that spins is stopped for milliseconds by whoever is put on its core.
"""

import os
from contextlib import suppress

NICE, FOLLOWS = 19, 10
"""FOLLOWS: of who has work for every order.  Off the stages' cores he is in nobody's way but the
journal's, and at the lowest priority he starves."""


class Aside:
    """Of this process: its priority is a low one from now on."""

    def __init__(self, nice: int = NICE) -> None:
        self.nice = nice
        self.allowed = frozenset(os.sched_getaffinity(0))
        self.cores = self.allowed
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, nice)

    def keep_off(self, spun: frozenset[int]) -> None:
        """Run on none of these cores, if there are others; every thread, at once."""
        wanted = self.allowed - spun or self.allowed
        if wanted == self.cores:
            return
        self.cores = wanted
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread), wanted)
                os.setpriority(os.PRIO_PROCESS, int(thread), self.nice)
