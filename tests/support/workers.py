"""How many workers the tests get: ``python -m tests.support.workers`` prints the number."""

import os

import psutil

FEWEST, MOST = 2, 4
"""Two are what the suite's time is stated for.  With more than four the longest files decide."""
MEMORY_BYTES = 3 << 30
"""For each: its process with every kernel loaded takes 1 GiB, what its tests start another or two,
shared memory (a folder in memory a worker) among them."""


def workers(cores: int, memory_bytes: int) -> int:
    """One for each MEMORY_BYTES, and two more than there are cores: system tests wait a third of
    their time, for a process, a disk or a clock."""
    return max(FEWEST, min(MOST, cores + 2, memory_bytes // MEMORY_BYTES))


def workers_here() -> int:
    return workers(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)


if __name__ == "__main__":
    print(workers_here())
