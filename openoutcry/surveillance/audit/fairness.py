"""Fairness, from the journal alone: arrival against processing, lanes, latencies by participant.

The latency test asks whether a participant's commands are systematically slower from ingress to the
journal.  Latencies come in bursts and share a block's write.  They are therefore ranked within a
stretch of blocks, and a participant's mean rank in a stretch is one observation.  Labels are
permuted within stretches (seeded).  The test compares the largest of all participants' statistics,
so that many participants do not give many chances.  It reports its power: how slow a participant
must be to be found.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.events import commands_of
from openoutcry.journal.projections import JournalReader
from openoutcry.order_entry.command_metadata import BLOCK_KEY, unpack

STRETCH_COMMANDS, MAX_STRETCHES = 256, 300
PERMUTATIONS, SEED = 499, 20_261_122
LEVEL, POWER = 0.05, 0.95
FEWEST = 8
"""Stretches that a participant must be in to be judged."""
MAX_FAULTS_SHOWN = 20
Array = npt.NDArray[Any]
COLUMNS = ("rx_ts_ns", "written_ts_ns", "participant", "of_session")


@dataclass(frozen=True)
class Arrivals:
    """Every command of a journal, in its sequence: ns since the epoch, int64."""

    rx_ts_ns: Array
    written_ts_ns: Array
    participant: Array
    of_session: Array
    """Whether it came on the sessions' lane (bool)."""


def arrivals_of(directory: Path) -> Arrivals:
    """Read a journal's commands, the operator's (participant 0) too."""
    reader = JournalReader(directory)
    sessions = len(reader.config.get("sessions", []))
    parts: list[tuple[Array, Array, Array, Array]] = []
    for block in reader.all_blocks():
        records = commands_of(block)
        if not len(records):
            continue
        mine = np.zeros(len(records), bool)
        text = block.note.get(BLOCK_KEY, "")
        if text:
            noted, _ = unpack(text, len(records), max(sessions, 1))
            mine[noted] = True
        written = np.full(len(records), block.header.written_ts_ns)
        parts.append((records["rx_ts_ns"], written, records["participant"], mine))
    none = np.zeros(0, np.int64)
    if not parts:
        return Arrivals(none, none, none, none.astype(bool))
    return Arrivals(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def order_of(arrivals: Arrivals, burst: int, lanes: int) -> dict[str, Any]:
    """Arrival against processing.

    Commands of the sessions' lane that were sequenced after a later one of that lane count as
    ``out_of_lane``.  Each is a fault, because a lane is first in, first out.  Commands of any lane
    sequenced after a later one count as ``overtaken``, by at most ``overtaken_ns_max``.  A merge of
    lanes overtakes by bursts.

    At most ``passed_max`` later commands of other lanes went before one.  Commands that were passed
    more often than turns of ``burst`` commands of each of the other ``lanes`` explain, given what
    waited in their own lane, are ``unfair``.
    """
    rx = arrivals.rx_ts_ns
    latest = np.maximum.accumulate(rx) if len(rx) else rx
    by_ns = latest - rx
    faults = []
    own = np.flatnonzero(arrivals.of_session)
    behind = np.maximum.accumulate(rx[own]) > rx[own] if len(own) else np.zeros(0, bool)
    for index in own[behind][:MAX_FAULTS_SHOWN].tolist():
        faults.append({"seq": index + 1, "what": "was sequenced after a later arrival of its lane"})
    passed, unfair = _passed(arrivals, burst, max(1, lanes - 1))
    for index in np.flatnonzero(unfair)[: MAX_FAULTS_SHOWN - len(faults)].tolist():
        what = f"{int(passed[index]):,} commands of other lanes that came later went before it"
        faults.append({"seq": index + 1, "what": what})
    return {
        "commands": len(rx),
        "overtaken": int(np.count_nonzero(by_ns)),
        "overtaken_ns_max": int(by_ns.max(initial=0)),
        "out_of_lane": int(behind.sum()),
        "passed_max": int(passed.max(initial=0)),
        "unfair": int(unfair.sum()),
        "faults": faults,
    }


def by_run(
    arrivals: Arrivals, ends: list[int], burst: int, lanes: int, first_seq: int = 1
) -> dict[str, Any]:
    """:func:`order_of` of each of a journal's runs, together: another run's clock may be
    otherwise.  ``ends``: how many commands there were when each later run began."""
    total: dict[str, Any] = {}
    bounds = [0, *ends, len(arrivals.rx_ts_ns)]
    for begin, end in pairwise(bounds):
        part = Arrivals(*(getattr(arrivals, name)[begin:end] for name in COLUMNS))
        figures = order_of(part, burst, lanes)
        for fault in figures["faults"]:
            fault["seq"] += begin + first_seq - 1
        for name, value in figures.items():
            if name.endswith("_max"):
                total[name] = max(total.get(name, 0), value)
            else:
                total[name] = total[name] + value if name in total else value
    return total


def _passed(arrivals: Arrivals, burst: int, others: int) -> tuple[Array, Array]:
    """Return for each command how many commands of the other lanes came later but were sequenced
    before it, and whether that is more than turns explain."""
    count = len(arrivals.rx_ts_ns)
    passed, unfair = np.zeros(count, np.int64), np.zeros(count, bool)
    for mine in (arrivals.of_session, ~arrivals.of_session):
        own, other = np.flatnonzero(mine), np.flatnonzero(~mine)
        if not len(own) or not len(other):
            continue
        # A lane is first in, first out: the running maximum is its time of entry.
        times = np.maximum.accumulate(arrivals.rx_ts_ns[other])
        came_before = np.searchsorted(times, arrivals.rx_ts_ns[own], side="right")
        went_before = np.searchsorted(other, own)
        over = np.maximum(0, went_before - came_before)
        passed[own] = over
        first = other[np.minimum(came_before, len(other) - 1)]
        ahead = np.searchsorted(own, own) - np.searchsorted(own, first)
        turns = 1 + -(-np.maximum(0, ahead) // burst)
        unfair[own] = over > burst * others * turns
    return passed, unfair


@dataclass
class LatencyTest:
    """Result of the test.

    In ``slow`` are (participant, z, p) of those whose commands are slower or faster than others' at
    :data:`LEVEL`, the most different first.  Ranks are relative, so one that is far off moves the
    others a little the other way.  The first one's p over all participants is ``p``.

    A shift of the mean rank by ``detectable`` would be found with :data:`POWER` probability, for
    the participant in the middle.  A shift of 0.5 means always the slowest.  The shift for the
    participant that was present least is ``detectable_worst``."""

    participants: int = 0
    stretches: int = 0
    p: float = 1.0
    slow: list[tuple[int, float, float]] = field(default_factory=list)
    detectable: float | None = None
    detectable_worst: float | None = None


def observations(arrivals: Arrivals) -> tuple[Array, Array]:
    """(stretches, participants) mean ranks from 0 (fastest) to 1, NaN where a participant was not
    there, and the participants' numbers."""
    count = len(arrivals.rx_ts_ns) // STRETCH_COMMANDS
    who = np.unique(arrivals.participant[arrivals.participant != 0])
    if not count or len(who) < 2:
        return np.zeros((0, len(who))), who
    picked = np.unique(np.linspace(0, count - 1, min(count, MAX_STRETCHES)).astype(int))
    out = np.full((len(picked), len(who)), np.nan)
    for row, stretch in enumerate(picked.tolist()):
        at = slice(stretch * STRETCH_COMMANDS, (stretch + 1) * STRETCH_COMMANDS)
        latency = (arrivals.written_ts_ns - arrivals.rx_ts_ns)[at]
        column = np.searchsorted(who, arrivals.participant[at])
        mine = arrivals.participant[at] != 0
        ranks = mean_ranks(latency[mine])
        sums = np.bincount(column[mine], ranks, len(who))
        counts = np.bincount(column[mine], minlength=len(who))
        out[row] = np.where(counts > 0, sums / np.maximum(1, counts), np.nan)
    return out, who


def mean_ranks(values: Array) -> Array:
    """Ranks from 0 to 1, equal values the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = (ends - counts / 2) / max(1, len(values))
    ranks: Array = middle[place]
    return ranks


def latency_test(arrivals: Arrivals, permutations: int = PERMUTATIONS) -> LatencyTest:
    """Return whether a participant is systematically slower or faster; see the module's text."""
    values, who = observations(arrivals)
    observed = ~np.isnan(values)
    values, observed = values[observed.sum(axis=1) >= 2], observed[observed.sum(axis=1) >= 2]
    judged = observed.sum(axis=0) >= FEWEST
    values, observed, who = values[:, judged], observed[:, judged], who[judged]
    if len(who) < 2 or not len(values):
        return LatencyTest(len(who), len(values))
    centred = np.where(
        observed,
        values - np.nanmean(np.where(observed, values, np.nan), axis=1, keepdims=True),
        0.0,
    )
    spread = np.sqrt(_variance(centred, observed).sum(axis=0))
    spread[spread == 0] = np.inf
    z = centred.sum(axis=0) / spread
    drawn = _permuted(centred, observed, spread, permutations)
    largest = np.sort(np.abs(drawn).max(axis=1))
    critical = float(largest[min(len(largest) - 1, int((1 - LEVEL) * (len(largest) + 1)))])
    p = (1 + np.count_nonzero(largest >= np.abs(z)[:, None], axis=1)) / (1 + len(largest))
    slow = [(int(who[i]), float(z[i]), float(p[i])) for i in np.flatnonzero(p <= LEVEL).tolist()]
    slow.sort(key=lambda row: -abs(row[1]))
    shifts = [
        _detectable(drawn[:, i], critical, float(spread[i]), int(observed[:, i].sum()))
        for i in range(len(who))
    ]
    return LatencyTest(
        len(who), len(values), float(p.min()), slow, float(np.median(shifts)), max(shifts)
    )


def _variance(centred: Array, observed: Array) -> Array:
    """Return the variance of what is permuted into each place of a stretch."""
    counts = observed.sum(axis=1, keepdims=True)
    variance: Array = (centred**2).sum(axis=1, keepdims=True) / counts * observed
    return variance


def _permuted(centred: Array, observed: Array, spread: Array, times: int) -> Array:
    """(times, participants) statistics with the labels permuted within stretches, seeded."""
    rng = np.random.default_rng(SEED)
    rows = np.arange(len(centred))[:, None]
    home = np.argsort(~observed, axis=1, kind="stable")
    out = np.empty((times, centred.shape[1]))
    for draw in range(times):
        keys = np.where(observed, rng.random(centred.shape), 2.0)
        mixed = np.zeros_like(centred)
        mixed[rows, home] = centred[rows, np.argsort(keys, axis=1)]
        out[draw] = mixed.sum(axis=0) / spread
    return out


def _detectable(drawn: Array, critical: float, spread: float, stretches: int) -> float:
    """The smallest shift of the mean rank that is found with :data:`POWER` probability."""
    needed = critical - float(np.quantile(drawn, 1 - POWER))
    return needed * spread / stretches


def fairness(directory: Path, burst: int) -> dict[str, Any]:
    """All of it, as JSON can hold it; ``burst``: commands that a lane's turn has at most."""
    reader = JournalReader(directory)
    arrivals = arrivals_of(directory)
    for _ in reader.all_blocks():  # all resumptions are known after the last
        pass
    lanes = len(reader.config.get("lanes", ["lane"]))
    ends = [run["seq"] - reader.first_seq + 1 for run in reader.resumed]
    test = latency_test(arrivals)
    return {
        "order": by_run(arrivals, ends, burst, lanes, reader.first_seq),
        "latency": {
            "participants": test.participants,
            "stretches": test.stretches,
            "p": test.p,
            "different": [
                {"participant": who, "z": z, "p": p, "slower": z > 0} for who, z, p in test.slow
            ],
            "detectable_rank_shift": test.detectable,
            "detectable_rank_shift_worst": test.detectable_worst,
            "level": LEVEL,
            "power": POWER,
        },
    }
