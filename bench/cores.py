"""``outcry bench cores``: what a cache line costs on its way between every pair of cores.

Two pinned processes hand one line to and fro; a figure is the median of many short stretches of
round trips, so that an interruption costs one stretch. The map of all pairs is grouped by what was
measured, and printed next to what the kernel says of the topology.
"""

import mmap
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from openoutcry.bench.results import document
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.host.findings import Host, cores_of
from openoutcry.host.jitter_loops import bounce_return, bounce_serve
from openoutcry.host.processes import PeerError, run_processes

TRIPS, STRETCHES, QUICK_STRETCHES = 1_000, 200, 50
DEADLINE_S = 20
SAME_GROUP = 1.5
"""Pairs within this factor of a core's fastest one count as equally near."""


def bench_cores(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``bounce_A_B`` is the round trip between cores A and B in ns. In ``details`` are:

        ``map``       rows of medians by core, 0 on the diagonal
        ``cores``     the cores
        ``relation``  what the kernel says of each pair
        ``groups``    the cores that are near each other as measured
    """
    cores = sorted(os.sched_getaffinity(0))
    gathered = Rounds(rounds, progress)
    pairs = list(combinations(cores, 2))
    if not pairs:
        gathered.miss("bounce", "a round trip needs two cores, and this process may use only one")
        return document(
            "cores", [], gathered.missing, command, details={"cores": cores, "map": [[0.0]]}
        )
    stretches = QUICK_STRETCHES if quick else STRETCHES

    def one_round(number: int, add: Add) -> None:
        for first, second in pairs:
            add(f"bounce_{first}_{second}", "ns", "lower", round_trip_ns(first, second, stretches))

    gathered.run(one_round)
    results = gathered.results()
    medians = {row["name"]: row["median"] for row in results}
    table = [
        [0.0 if a == b else medians[f"bounce_{min(a, b)}_{max(a, b)}"] for b in cores]
        for a in cores
    ]
    details = {
        "cores": cores,
        "map": table,
        "relation": {f"{a}_{b}": relation(Host(), a, b) for a, b in pairs},
        "groups": groups(cores, table),
    }
    return document(
        "cores",
        results,
        gathered.missing,
        command,
        conditions=gathered.conditions(),
        details=details,
    )


def round_trip_ns(first: int, second: int, stretches: int) -> float:
    """The median over ``stretches`` of 1,000 round trips each between two cores."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    line = np.frombuffer(page, np.int64).ctypes.data
    deadline = time.monotonic_ns() + DEADLINE_S * 1_000_000_000
    # Compiled before the fork: neither side waits for the other's compiler.
    bounce_return(line, 0, deadline)
    bounce_serve(line, 1, 0, deadline)

    def serve() -> list[int]:
        return [
            bounce_serve(line, 1 + number * TRIPS, TRIPS, deadline) for number in range(stretches)
        ]

    answer = partial(bounce_return, line, stretches * TRIPS, deadline)
    took, answered = run_processes("cores", [(first, serve), (second, answer)])
    if answered != stretches * TRIPS or min(took) < 0:
        raise PeerError(
            f"cores {first} and {second}: only {answered} round trips in {DEADLINE_S} s"
        )
    return float(np.median(took)) / TRIPS


def relation(host: Host, first: int, second: int) -> str:
    """The nearest thing that the two share, as the kernel reports it."""
    place = "sys/devices/system/cpu"
    if second in cores_of(host.text(f"{place}/cpu{first}/topology/thread_siblings_list")):
        return "threads of one core"
    for index in host.names(f"{place}/cpu{first}/cache"):
        cache = f"{place}/cpu{first}/cache/{index}"
        if second in cores_of(host.text(f"{cache}/shared_cpu_list")):
            return f"one L{host.text(f'{cache}/level')}"
    sockets = [
        host.text(f"{place}/cpu{core}/topology/physical_package_id") for core in (first, second)
    ]
    if sockets[0] is None:
        return "not told"
    return "one socket" if sockets[0] == sockets[1] else "two sockets"


def groups(cores: Sequence[int], table: Sequence[Sequence[float]]) -> list[list[int]]:
    """Cores that hand lines over about as fast as the fastest pair of theirs: what was measured,
    whatever the kernel (or its hypervisor) says."""
    near: dict[int, set[int]] = {}
    for row, core in enumerate(cores):
        others = [value for column, value in enumerate(table[row]) if column != row]
        bound = SAME_GROUP * min(others)
        near[core] = {cores[c] for c, value in enumerate(table[row]) if c != row and value <= bound}
    neighbours: list[list[int]] = []
    ungrouped = set(cores)
    while ungrouped:
        core = min(ungrouped)
        # Near to each other, both ways: a core far from all is in a group by itself.
        mates = {other for other in near[core] & ungrouped if core in near[other]}
        neighbours.append(sorted({core} | mates))
        ungrouped -= {core} | mates
    return neighbours
