"""A process that watches a venue gives way: last in the queue for a processor, and off the stages'
cores.

Any process that runs on a spinning stage's core stops that stage for milliseconds.
"""

import os
from collections.abc import Callable
from contextlib import suppress

NICE, FOLLOWS = 19, 10
"""FOLLOWS: of a process that has work for every order.  Off the stages' cores it delays only the
journal, and at the lowest priority it starves."""


class Aside:
    """Keeps this process out of the way: its priority is low from the first :meth:`keep_off` on.

    Not SCHED_IDLE: an alarm and the red button must work on a host without a spare core.  A watcher
    must cost little: next to a process that spins on its core it gets a sixtieth of the core, some
    milliseconds at a time.  A 99th percentile bears a hundredth."""

    def __init__(self, nice: int = NICE) -> None:
        self.nice = nice
        self.allowed = frozenset(os.sched_getaffinity(0))
        self.cores: frozenset[int] | None = None

    def _lower(self, thread: int) -> None:
        os.setpriority(os.PRIO_PROCESS, thread, self.nice)

    def _each_thread(self, do: Callable[[int], None]) -> None:
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError):  # it has ended meanwhile
                do(int(thread))

    def keep_off(self, spun: frozenset[int]) -> None:
        """Run on none of these cores, if there are others; every thread, at once."""
        cores = self.allowed - spun or self.allowed
        if cores == self.cores:
            return
        self.cores = cores
        self._each_thread(lambda thread: os.sched_setaffinity(thread, cores))
        self._each_thread(self._lower)
