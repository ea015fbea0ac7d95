"""The ring's figures: ours compared with boost, rte_ring, the Disruptor and iceoryx2.

Each round takes every figure once from every program, one right after the other, and begins with
another of them each time. The bare bounce of a cache line is one of them. What each program does is
in docs/bench-ring.md.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from openoutcry.bench import ring_loops as loops
from openoutcry.bench.peers import ring_iceoryx2
from openoutcry.bench.peers.programs import (
    SETUP,
    Geometry,
    PeerMissing,
    build,
    need_module,
)
from openoutcry.bench.results import document, missing
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.subjects import chosen
from openoutcry.host.processes import PeerError

GEOMETRY = Geometry(loops.CAPACITY, loops.FEW, loops.PAUSES, loops.RELEASE_EVERY)

VARIANTS = {
    "bounce": ("bounce", "bounce_pause"),
    "c": ("c", "c_far"),
    "boost": ("boost", "boost_backoff"),
    "rte_ring": ("rte_ring", "rte_ring_copy", "rte_ring_backoff"),
    "disruptor": ("disruptor", "disruptor_backoff"),
    "iceoryx2": ("iceoryx2",),
}
"""Values of ``--against``, and what each name includes."""
ALWAYS = ("bounce", "c")
"""The controls are in every run."""

Measure = Callable[[], float]
Cores = tuple[int, int]


@dataclass
class Metric:
    """One figure: how we take it, which peers take it, and how."""

    name: str
    unit: str
    better: str
    ours: Measure
    peers: dict[str, Measure]


@dataclass(frozen=True)
class Counts:
    """Messages a figure."""

    round_trips: int = 400_000
    messages: int = 20_000_000
    observed: int = 100_000_000
    python_round_trips: int = 20_000


QUICK = Counts(40_000, 4_000_000, 20_000_000, 2_000)


def peers_named(text: str | None) -> list[str]:
    """The peers that ``text`` names, with their variants, and those that are always there."""
    named = chosen(text, VARIANTS)
    names = [name for name in VARIANTS if name in named or name in ALWAYS]
    return [variant for name in names for variant in VARIANTS[name]]


def setup_peers() -> int:
    """Install the peers' packages, saying what is skipped; 0 when all are there."""
    return subprocess.run(["sh", str(SETUP), sys.executable]).returncode


def bench_ring(
    rounds: int,
    quick: bool,
    command: str,
    progress: Callable[[str], None],
    peers: list[str] | None = None,
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``peers``: names as :func:`peers_named` gives them (None: all). A peer that cannot run here is
    listed in ``missing`` once, with the reason and what would give it. Raises :class:`PeerError` if
    any message of any run was lost, doubled or torn.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        why = "a ring's figures need two cores, and this process may use only one"
        return document("ring", [], [missing("every figure", why)], command)
    cores = usable[0], usable[1]
    chosen = peers_named(None) if peers is None else peers
    progress("compiling")
    loops.compile_loops()
    runs, gone = _prepare(chosen)
    metrics = _metrics(cores, QUICK if quick else Counts(), runs, chosen)
    gathered = Rounds(rounds, progress, missing=gone)

    def one_round(number: int, add: Add) -> None:
        for metric in metrics:
            progress(f"  {metric.name}")
            everybody = [("ours", metric.ours), *metric.peers.items()]
            for who, measure in rotated(everybody, number):
                add(metric.name, metric.unit, metric.better, measure(), who)

    gathered.run(one_round)
    return gathered.document("ring", command)


Run = Callable[[str, Cores, int], float]


def _prepare(chosen: list[str]) -> tuple[dict[str, Run], list[dict[str, str]]]:
    """Build the chosen peers; those that cannot be are named with the reason."""
    runs: dict[str, Run] = {}
    gone = []
    for name in chosen:
        try:
            runs[name] = _PYTHON_PEERS[name]() if name in _PYTHON_PEERS else build(name, GEOMETRY)
        except PeerMissing as error:
            gone.append(missing(name, str(error)))
    return runs, gone


def _python_peer(measure: Callable[[Cores, int], float], module: str | None = None) -> Run:
    if module is not None:
        need_module(module, "outcry bench ring --setup")
    return lambda mode, cores, count: measure(cores, count)


_PYTHON_PEERS: dict[str, Callable[[], Run]] = {
    "iceoryx2": partial(_python_peer, ring_iceoryx2.round_trip, "iceoryx2"),
}


def _metrics(cores: Cores, counts: Counts, runs: dict[str, Run], chosen: list[str]) -> list[Metric]:
    def against(mode: str, count: int, *without: str) -> dict[str, Measure]:
        """The compiled peers that are there, but for some."""
        names = [name for name in chosen if name in runs and name not in _PYTHON_PEERS]
        wanted = [name for name in names if not name.endswith(without)]
        return {name: partial(runs[name], mode, cores, count) for name in wanted}

    def python(name: str, count: int) -> dict[str, Measure]:
        names = [peer for peer in VARIANTS[name] if peer in runs]
        return {peer: partial(runs[peer], "", cores, count) for peer in names}

    trips, messages = counts.round_trips, counts.messages
    # The back-off is a way to wait for a batch: it has nothing to say about one message.
    round_trip = against("round_trip", trips, "_backoff")
    # Ways of ours for cores far from each other: docs/bench-ring.md.
    patient = partial(loops.round_trip, cores, trips, loops.PATIENT)
    round_trip |= {"patient": patient, "calibrated": partial(patient, True)}
    ways = {
        name: partial(loops.publish, cores, messages, 64, way)
        for name, way in (("plain", loops.PLAIN), ("ahead", loops.AHEAD))
    }
    return [
        Metric("round_trip", "ns", "lower", partial(loops.round_trip, cores, trips), round_trip),
        *(
            Metric(
                f"publish_{batch}",
                "1/s",
                "higher",
                partial(loops.publish, cores, messages, batch),
                against(f"publish_{batch}", messages, "bounce", "bounce_pause")
                | (ways if batch == 64 else {}),
            )
            for batch in (1, 64)
        ),
        Metric(
            "multi_claim_16",
            "1/s",
            "higher",
            partial(loops.claims, cores, messages, 16),
            {"single": partial(loops.publish, cores, messages, 16)},
        ),
        Metric(
            "python_round_trip",
            "ns",
            "lower",
            partial(loops.python_round_trip, cores, counts.python_round_trips),
            python("iceoryx2", counts.python_round_trips),
        ),
        Metric(
            "observed",
            "1/s",
            "higher",
            partial(loops.observed, cores, counts.observed),
            {"unobserved": partial(loops.publish, cores, counts.observed, 64)},
        ),
    ]


__all__ = ["PeerError", "bench_ring", "peers_named", "setup_peers"]
