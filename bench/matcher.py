"""The matcher's figures: five streams (the worst first) and six flows, one command alone, replay,
memory; and others.

Each round takes every figure once from every peer and from us, one right after the other. What is
measured, and what each peer is given, is in docs/matcher-performance.md.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from openoutcry.bench import matcher_loops as loops
from openoutcry.bench import streams
from openoutcry.bench.peers import cpp_books, matchers
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.bench.subjects import chosen
from openoutcry.flow import FLOWS, GeneratedFlow
from openoutcry.flow.mixed import MixedFlow
from openoutcry.host import tsc
from openoutcry.host.energy import EnergyMeter, NoEnergyCounter
from openoutcry.host.processes import PeerError, die_with_parent

SEED = 1
PERCENTILES = (("p50", 50.0), ("p99", 99.0), ("p99_9", 99.9))
STRIPPED = "OUTCRY_STRIPPED"
"""Environment variable that compiles the rarer order types out of the kernels."""
CHILD_TIMEOUT_S = 300
PASSES = 3
"""A figure of a round is the best of this many passes over the same commands, peers included: what
else ran on the core meanwhile is not the matcher's. Latencies are of one pass."""

ENERGY_PASSES = 10
"""The energy is taken over this many passes: the counters advance once a millisecond."""


@dataclass(frozen=True)
class Counts:
    """Commands a figure; ``warm`` more come before them."""

    commands: int = 1_000_000
    warm: int = 250_000
    peers: int = 100_000
    memory_orders: int = loops.MEMORY_ORDERS


QUICK = Counts(100_000, 50_000, 10_000, 100_000)


def matchers_named(text: str | None) -> list[str]:
    """The peers that a list with commas names, None: all. Raises ``ValueError`` for others."""
    return chosen(text, [*cpp_books.BOOKS, *matchers.PEERS])


def setup_matchers() -> int:
    """Install the peers, saying what is skipped; 0 when all are there."""
    command = ["sh", str(matchers.SETUP), sys.executable, str(matchers.ENVIRONMENTS)]
    return subprocess.run(command).returncode


def bench_matcher(
    rounds: int,
    quick: bool,
    command: str,
    progress: Callable[[str], None],
    peers: list[str] | None = None,
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``peers``: names as :func:`matchers_named` gives them (None: all). A peer that cannot run here
    is listed in ``missing``, with the reason and what would give it. Raises :class:`PeerError` if a
    peer has another book than ours.
    """
    counts = QUICK if quick else Counts()
    gathered = Rounds(rounds, progress)
    progress("peers: checking that they have our book")
    peer_names = matchers_named(None) if peers is None else peers
    others = _prepare([n for n in peer_names if n in matchers.PEERS], counts.peers, gathered)
    with _one_core(), _stripped(counts) as stripped:
        progress("compiling")
        flows = {name: _flow(name, counts) for name in (*FLOWS, "mixed")}
        for loaded in flows.values():
            loaded.batches_ns()
        normal = flows["normal"]
        books = [name for name in peer_names if name in cpp_books.BOOKS]
        hard = streams.Streams(streams.QUICK if quick else streams.Counts(), books, gathered)

        def one_round(number: int, add: Add) -> None:
            hard.round(add, progress)
            progress("  flows")
            took = {name: _best(loaded.batches_ns) for name, loaded in flows.items()}
            for name, value in took.items():
                add(_metric(name), "ns", "lower", value)
            add(_metric("normal"), "ns", "lower", _best(stripped), "stripped")
            plain = [took[name] for name in FLOWS]
            add("command_ns_slowest", "ns", "lower", max(plain))
            add("command_ns_slowest", "ns", "lower", min(plain), "fastest")
            progress("  replay")
            add("replay_ns", "ns", "lower", _best(normal.singly_ns), "live")
            add("replay_ns", "ns", "lower", _best(normal.batches_ns))
            _latency(normal, add, gathered)
            _energy(normal, add, gathered)
            for name, measure in others.items():
                progress(f"  {name}")
                add(_metric("normal"), "ns", "lower", _best(measure), name)
            progress("  memory")
            value = float(_child("memory", counts.memory_orders, 0))
            add("memory_bytes_per_order", "count", "lower", value)

        gathered.run(one_round)
    return gathered.document("matcher", command)


def _best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(PASSES))


def _metric(flow: str) -> str:
    return f"command_ns_{flow.replace('-', '_')}"


def _flow(name: str, counts: Counts) -> loops.Loaded:
    count = counts.commands + counts.warm
    source = MixedFlow(count, SEED) if name == "mixed" else GeneratedFlow(name, count, SEED)
    return loops.load(source, counts.warm)


def _latency(loaded: loops.Loaded, add: Add, gathered: Rounds) -> None:
    """One command alone: percentiles, the timer's own cost taken off."""
    if not tsc.HAS_TSC:
        gathered.miss("latency", "no x86-64 time stamp counter on this machine")
        return
    frequency, empty = tsc.ticks_per_ns(), tsc.timer_ticks()
    ticks = loaded.single_ticks()
    for name, percent in PERCENTILES:
        value = float(np.percentile(ticks, percent) - empty) / frequency
        add(f"latency_{name}_ns", "ns", "lower", max(0.0, value))
    add("latency_timer_ns", "ns", "lower", empty / frequency)


def _energy(loaded: loops.Loaded, add: Add, gathered: Rounds) -> None:
    """Measure the energy of a command: all that the processor packages used meanwhile, so other
    cores and caches as well."""
    try:
        meter = EnergyMeter()
    except NoEnergyCounter as error:
        gathered.miss("energy_nj", str(error))
        return
    engines = [loaded.warmed() for _ in range(ENERGY_PASSES)]
    meter.joules()
    for engine in engines:
        loaded.run(engine)
    commands = ENERGY_PASSES * loaded.count
    add("energy_nj", "nJ", "lower", meter.joules() * 1e9 / commands)


def _prepare(peers: list[str], count: int, gathered: Rounds) -> dict[str, Callable[[], float]]:
    """Prepare the measurement of each chosen peer; those that are not there are named with the
    reason."""
    commands = np.concatenate(list(GeneratedFlow("normal", count, SEED).chunks()))
    commands["seq"] = np.arange(1, len(commands) + 1)
    prepared = {}
    for name in peers:
        try:
            prepared[name] = matchers.prepare(name, commands)
        except PeerMissing as error:
            gathered.miss(name, str(error))
    return prepared


@contextmanager
def _one_core() -> Iterator[None]:
    """Everything on the last of our cores: the system's own work tends to the first."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _stripped(counts: Counts) -> Iterator[Callable[[], float]]:
    """A process with the stripped kernels, which gives one figure each time it is asked."""
    process = subprocess.Popen(
        _command("stripped", counts.commands + counts.warm, counts.warm),
        env=os.environ | {STRIPPED: "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )

    def measure() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise PeerError(f"stripped: ended with {process.wait(timeout=CHILD_TIMEOUT_S)}")
        return float(json.loads(line))

    try:
        # Compiled, and out of the way, before anything else is timed.
        measure()
        yield measure
    finally:
        process.kill()
        process.communicate()


def _child(what: str, count: int, warm: int) -> str:
    done = subprocess.run(
        _command(what, count, warm),
        capture_output=True,
        text=True,
        timeout=CHILD_TIMEOUT_S,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise PeerError(f"{what} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def _command(what: str, count: int, warm: int) -> list[str]:
    module = "openoutcry.bench.matcher_loops"
    return [sys.executable, "-m", module, what, str(count), str(warm), str(SEED)]
