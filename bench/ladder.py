"""Latency at a ladder of rates, up to the knee.

The knee is the highest rate at which the median wire-to-acknowledgement latency is still within
KNEE_FACTOR of the lowest rung's and the rate asked for is achieved.  It is closed in on between the
last rung below and the first above.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from openoutcry.bench.paced import Paced, paced, percentiles
from openoutcry.ring.segment import NoRoomError

RATES = (
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    2_000_000,
    3_000_000,
    5_000_000,
    7_000_000,
    10_000_000,
    14_000_000,
    20_000_000,
    30_000_000,
)
QUICK_RATES = (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
KNEE_FACTOR = 10
ACHIEVED = 0.95
BISECTIONS = 2

Run = Callable[[int], Paced]
Rung = dict[str, Any]


def climb(
    durability: str, seconds: float, rates: Sequence[int], *, gateway: str = "golden"
) -> list[Rung]:
    """Measure rung by rung until one is beyond the knee, then close in on it.

    Each rung: ``rate``, ``achieved``, ``warm_p50``, ``p50`` ... ``max`` of the whole span in ns,
    ``stages`` (p50 and p99 of each), ``beyond`` (the knee or not); in the order of their rates.
    """
    return climb_with(lambda rate: paced(rate, seconds, durability, gateway=gateway), rates)


def climb_with(run: Run, rates: Sequence[int]) -> list[Rung]:
    """:func:`climb` by any way to run.  Where shared memory ends first the last rung says so in
    ``ended``; not even the first: ``NoRoomError``."""
    rungs: list[Rung] = []
    for rate in rates:
        try:
            rungs.append(_rung(run(rate), rungs))
        except NoRoomError as error:
            if not rungs:
                raise
            rungs[-1]["ended"] = str(error)
            break
        if rungs[-1]["beyond"]:
            break
    if rungs[-1]["beyond"] and len(rungs) > 1:
        low, high = rungs[-2]["rate"], rungs[-1]["rate"]
        for _ in range(BISECTIONS):
            between = int(math.sqrt(low * high))
            rung = _rung(run(between), rungs)
            rungs.append(rung)
            low, high = (low, between) if rung["beyond"] else (between, high)
    return sorted(rungs, key=lambda rung: int(rung["rate"]))


def _rung(done: Paced, before: Sequence[Rung]) -> Rung:
    spans = done.spans()
    figures = percentiles(spans["whole"])
    stages = {}
    for name, values in spans.items():
        if name != "whole":
            stage = percentiles(values)
            stages[name] = {"p50": stage["p50"], "p99": stage["p99"]}
    base = before[0]["p50"] if before else figures["p50"]
    beyond = figures["p50"] > KNEE_FACTOR * base or done.achieved < ACHIEVED * done.rate
    return {
        "rate": done.rate,
        "achieved": done.achieved,
        "warm_p50": percentiles(done.warm_up())["p50"] if done.warm else None,
        **figures,
        "stages": stages,
        "beyond": bool(beyond),
    }
