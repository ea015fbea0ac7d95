"""The pipeline's own figures: throughput of each way to run, and latency at fixed rates.

Each round runs every way once, one after the other, so that a host that changes pace changes all
of them; figures are medians over the rounds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.bench.results import document, missing, summarise
from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, run

SEED = 1
ORDERS = 1_000_000
QUICK_ORDERS = 200_000
PACED_SECONDS = 3

THROUGHPUT = (
    ("inline_async", "inline", "async"),
    ("inline_none", "inline", "none"),
    ("processes_none", "processes", "none"),
    ("processes_durable", "processes", "durable"),
)
PACED = (
    ("none_100k", "none", 100_000),
    ("durable_100k", "durable", 100_000),
    ("none_1m", "none", 1_000_000),
)
SPANS = ("release_p50", "release_p99", "whole_p50", "whole_p99")


def bench_pipeline(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    ``throughput_*`` are commands/s from the first command's intended send time to the last reply
    or journal write; ``release_p50_*`` and ``_p99_*`` span sequenced -> released at the rate in the
    name, ``whole_*`` intended send -> replied.  A round in which two ways to run disagree on the
    state hash fails the whole bench.
    """
    orders = QUICK_ORDERS if quick else ORDERS
    samples: dict[tuple[str, str, str], list[float]] = {}
    gone: list[dict[str, str]] = []

    def add(name: str, unit: str, better: str, value: float) -> None:
        samples.setdefault((name, unit, better), []).append(value)

    throughput, paced = list(THROUGHPUT), list(PACED)
    if not _has_disk(Path(".")):
        why = "this folder is in memory: fdatasync costs nothing here"
        names = [f"throughput_{name}" for name, _, kind in THROUGHPUT if kind == "durable"]
        names += [
            f"{span}_{name}" for name, kind, _ in PACED if kind == "durable" for span in SPANS
        ]
        gone = [missing(name, why) for name in names]
        throughput = [way for way in THROUGHPUT if way[2] != "durable"]
        paced = [way for way in PACED if way[1] != "durable"]
    for number in range(rounds):
        hashes = set()
        for name, topology, durability in throughput:
            progress(f"round {number + 1} of {rounds}: {name}")
            result = _run(orders, topology, durability, rate=0)
            hashes.add((result["state_hash"], result["event_hash"]))
            add(f"throughput_{name}", "1/s", "higher", result["commands_per_s"])
        if len(hashes) != 1:
            raise AssertionError(f"the ways to run disagree on the state: {hashes}")
        for name, durability, rate in paced:
            progress(f"round {number + 1} of {rounds}: {name}")
            count = rate if quick else PACED_SECONDS * rate
            stages = {s["name"]: s for s in _run(count, "processes", durability, rate)["stages"]}
            for span in SPANS:
                stage, figure = span.split("_")
                add(f"{span}_{name}", "ns", "lower", stages[stage][figure])
    results = [summarise(*key, values) for key, values in samples.items()]
    return document("pipeline", results, gone, command)


def _run(orders: int, topology: str, durability: str, rate: int) -> dict[str, Any]:
    options = Options(
        source=GeneratedFlow("normal", orders, SEED),
        orders=orders,
        seed=SEED,
        rate=rate,
        topology=topology,
        durability=durability,
        verify=False,
    )
    result = run(options)
    if result["lost"] or result["duplicated"]:
        raise AssertionError(f"lost {result['lost']}, duplicated {result['duplicated']}")
    return result


def _has_disk(folder: Path) -> bool:
    """False where the journal would stand in a memory file system."""
    here = folder.resolve()
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, fs, *_ = line.split()
        inside = here == Path(mount) or Path(mount) in here.parents
        if inside and len(mount) >= len(best):
            best, kind = mount, fs
    return kind not in ("tmpfs", "ramfs", "devtmpfs")
