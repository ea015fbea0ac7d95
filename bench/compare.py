"""``outcry bench compare A.json B.json``: faster, slower, or cannot tell.

Both documents hold each round's figure. A difference is called only when three things agree:

- The bootstrap interval of the ratio of medians leaves out 1.

- A permutation test of the rounds (held to 5 % over all figures together, Holm) rejects chance.

- The difference is at least the threshold.

Every verdict is printed with the smallest difference that these rounds could have shown. Where
there are too few rounds for that number of figures, the verdict says that instead.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.results import (
    CONFIDENCE_PERCENT,
    RESAMPLES,
    Document,
    ResultError,
)

FLOOR_PERCENT = 1.0
"""Smaller differences are not called without a threshold: runs of one build differ by as much."""
PERMUTATIONS = 5_000
"""This many are drawn where there are more than EXACT."""
EXACT = 20_000
ALPHA = 1 - CONFIDENCE_PERCENT / 100
POWER_Z = 1.959964 + 0.841621
"""A true difference of this many standard errors is found in 80 of 100 comparisons at 5 %."""
HOST_KEYS = ("cpu_model", "cores_usable", "governor", "kernel", "memory_bytes", "virtualisation")
PROCESSOR_KEYS = (
    "cpu_family",
    "cpu_model_number",
    "cpu_stepping",
    "l2_cache_bytes",
    "l3_cache_bytes",
)
"""Two processors of one name may differ in these; documents from before they were recorded have
none of them."""
WIDE, LOG_WIDTH = 120, 160
"""Columns of a terminal that has room for the reasons; columns where there is no terminal."""
FASTER, SLOWER, CANNOT_TELL = "faster", "slower", "cannot tell"

Array = npt.NDArray[np.float64]


@dataclass
class Verdict:
    """One figure of both documents.  ``ratio`` is B / A (None: A is 0); percentages are of A's
    median."""

    name: str
    unit: str
    a: float
    b: float
    ratio: float | None
    interval: list[float] | None
    detectable_percent: float | None
    verdict: str
    why: str


def compare(
    a: Document,
    b: Document,
    threshold_percent: float | None = None,
    figures: Collection[str] = (),
) -> list[Verdict]:
    """A verdict for each figure that both documents have (of those named, if any), in A's order.

    Raises :class:`ResultError` if the documents are of different subjects, share no figure, lack
    one that is named, or give one figure in different units.
    """
    if a["subject"] != b["subject"]:
        raise ResultError(f"A is of {a['subject']} and B of {b['subject']}: nothing to compare")
    theirs = {row["name"]: row for row in b["results"]}
    pairs = [(row, theirs[row["name"]]) for row in a["results"] if row["name"] in theirs]
    if not pairs:
        raise ResultError(f"A and B share no figure of {a['subject']}")
    if figures:
        for name in figures:
            if name not in {row["name"] for row, _ in pairs}:
                raise ResultError(f"no figure that A and B share is called {name!r}")
        pairs = [pair for pair in pairs if pair[0]["name"] in figures]
    for before, after in pairs:
        for key in ("unit", "better"):
            if before[key] != after[key]:
                raise ResultError(
                    f"{before['name']}: {key} is {before[key]} in A, {after[key]} in B"
                )
    chances = holm([_chance(before, after) for before, after in pairs])
    floor = FLOOR_PERCENT if threshold_percent is None else threshold_percent
    return [
        _judge(*pair, chance, floor, len(pairs))
        for pair, chance in zip(pairs, chances, strict=True)
    ]


def _rounds(row: dict[str, Any]) -> Array:
    return np.asarray(row.get("rounds") or [], np.float64)


def _chance(before: dict[str, Any], after: dict[str, Any]) -> float:
    a, b = _rounds(before), _rounds(after)
    return permutation_chance(a, b) if _usable(a) and _usable(b) else 1.0


def _usable(rounds: Array) -> bool:
    return len(rounds) >= 2


def _judge(
    before: dict[str, Any],
    after: dict[str, Any],
    chance: float,
    floor_percent: float,
    figures: int,
) -> Verdict:
    a, b = _rounds(before), _rounds(after)
    was, now = before["median"], after["median"]
    verdict = Verdict(
        before["name"],
        before["unit"],
        was,
        now,
        now / was if was else None,
        None,
        None,
        CANNOT_TELL,
        "",
    )
    if not (_usable(a) and _usable(b)):
        verdict.why = "fewer than two rounds in A or B"
        return verdict
    if least_chance(len(a), len(b)) * figures > ALPHA:
        verdict.why = f"{min(len(a), len(b))} rounds are too few for {figures} figures: "
        verdict.why += f"take {rounds_needed(figures)}, or name fewer (--figure)"
        return verdict
    if (a > 0).all() and (b > 0).all():
        resampled = bootstrap_ratios(a, b)
        tail = (100 - CONFIDENCE_PERCENT) / 2
        low, high = np.percentile(resampled, [tail, 100 - tail])
        verdict.interval = [float(low), float(high)]
        verdict.detectable_percent = 100 * (math.exp(POWER_Z * float(np.log(resampled).std())) - 1)
        if low <= 1 <= high:
            verdict.why = "the interval holds 1"
            return verdict
    # With zeros there is no ratio of every round: the ranks decide alone.
    difference = math.inf if verdict.ratio is None else 100 * abs(verdict.ratio - 1)
    if was == now:
        verdict.why = "the medians are equal"
    elif chance > ALPHA:
        verdict.why = f"chance gives as much in {chance:.0%} of shuffles"
    elif difference < floor_percent:
        verdict.why = f"{difference:.1f} % is below {floor_percent:g} %"
    else:
        more = now > was
        verdict.verdict = SLOWER if more == (before["better"] == "lower") else FASTER
        size = "from 0" if verdict.ratio is None else f"{difference:.1f} %"
        verdict.why = f"{size} {'more' if more else 'less'}"
    return verdict


def least_chance(a: int, b: int) -> float:
    """The smallest that :func:`permutation_chance` can be for ``a`` and ``b`` rounds. Two orders of
    all have every round of one side before every round of the other. Where permutations are drawn,
    their number sets the limit."""
    ways = math.comb(a + b, a)
    return 2 / ways if ways <= EXACT else 1 / (PERMUTATIONS + 1)


def rounds_needed(figures: int) -> int:
    """Return how many rounds each side needs so that one of ``figures`` figures can be called."""
    return next(n for n in range(2, 1_000) if least_chance(n, n) * figures <= ALPHA)


def bootstrap_ratios(a: Array, b: Array, seed: int = 1) -> Array:
    """Ratios of medians, b / a, of rounds drawn again with replacement: float64[RESAMPLES]."""
    random = np.random.default_rng(seed)
    drawn = [np.median(random.choice(x, (RESAMPLES, len(x))), axis=1) for x in (a, b)]
    return np.asarray(drawn[1] / drawn[0])


def permutation_chance(a: Array, b: Array, seed: int = 1) -> float:
    """Return how often rounds shuffled between a and b differ at least as much. The test is
    two-sided, by the difference of mean ranks (Mann and Whitney's statistic). It takes all ways
    to share the rounds out if there are at most EXACT, else PERMUTATIONS seeded shuffles."""
    both = np.concatenate([a, b])
    ranks = _ranks(both)
    middle = ranks.mean()
    seen = abs(ranks[: len(a)].mean() - middle)
    if math.comb(len(both), len(a)) <= EXACT:
        others = ranks[_ways(len(both), len(a))].mean(axis=1)
        return float((np.abs(others - middle) >= seen - 1e-9).mean())
    random = np.random.default_rng(seed)
    shuffled = random.permuted(np.tile(ranks, (PERMUTATIONS, 1)), axis=1)
    others = np.abs(shuffled[:, : len(a)].mean(axis=1) - middle)
    return float(((others >= seen - 1e-9).sum() + 1) / (PERMUTATIONS + 1))


@cache
def _ways(count: int, chosen: int) -> npt.NDArray[np.int64]:
    """Every way to choose ``chosen`` of ``count``: int64[ways, chosen]."""
    return np.array(list(combinations(range(count), chosen)), np.int64)


def _ranks(values: Array) -> Array:
    """Ranks from 1; equal values share their mean rank."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[where], np.float64)


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's adjustment: the chance that any of this many figures differs that much by chance."""
    order = np.argsort(chances)
    adjusted = [1.0] * len(chances)
    so_far = 0.0
    for place, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = so_far
    return adjusted


def warnings(a: Document, b: Document) -> list[str]:
    """Return reasons that make the two hard to compare, in sentences."""
    notes = []
    recorded = [key for key in PROCESSOR_KEYS if key in a["host"] and key in b["host"]]
    for key in (*HOST_KEYS, *recorded):
        value_a, value_b = a["host"].get(key), b["host"].get(key)
        if value_a != value_b:
            notes.append(f"different hosts: {key} is {value_a!r} in A and {value_b!r} in B")
    if a["command"] != b["command"]:
        notes.append(f"different commands: {a['command']!r} and {b['command']!r}")
    for letter, document in (("A", a), ("B", b)):
        if document.get("partial"):
            notes.append(f"{letter} is partial: {document['partial']}")
        noisy = (document.get("noise") or {}).get("noisy_rounds_kept")
        if noisy:
            notes.append(f"{letter} was taken on a noisy host: {noisy} disturbed rounds")
    names = {"A": {row["name"] for row in a["results"]}, "B": {row["name"] for row in b["results"]}}
    for letter, other in (("A", "B"), ("B", "A")):
        for name in sorted(names[letter] - names[other]):
            notes.append(f"{name} is only in {letter}")
    return notes
