"""How long the market's data and the strategy's orders are under way: tables of quantiles.

Each model is 4,096 latencies in ascending order, entry i the quantile (i + 1/2) / 4,096; a run
draws from them with its seed.  A constant is the same number 4,096 times.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.backtest.layout import LATENCIES, LONGEST_NS
from openoutcry.wire.errors import BacktestError

Table = npt.NDArray[np.int64]
P99 = NormalDist().inv_cdf(0.99)


def in_range(what: str, value: int, least: int, most: int) -> int:
    """Return ``value``.

    Raises :class:`BacktestError` if it is not ``least`` to ``most``; ``what`` names it.
    """
    if not least <= value <= most:
        raise BacktestError(f"{what} is {value}, not {least} to {most}")
    return value


def constant(latency_ns: int) -> Table:
    """Always the same.  Raises :class:`BacktestError` below 0 and above 2**60 ns."""
    in_range("a constant latency in ns", latency_ns, 0, LONGEST_NS)
    return np.full(LATENCIES, latency_ns, np.int64)


def drawn(p50_ns: int, p99_ns: int) -> Table:
    """Log-normal, with this median and 99th percentile."""
    if not 0 < p50_ns <= p99_ns:
        raise BacktestError(f"a drawn latency has 0 < p50 <= p99, not {p50_ns} and {p99_ns}")
    in_range("the p99 of a drawn latency in ns", p99_ns, 1, LONGEST_NS)
    sigma = math.log(p99_ns / p50_ns) / P99
    normal = NormalDist()
    values = [
        min(round(p50_ns * math.exp(sigma * normal.inv_cdf((i + 0.5) / LATENCIES))), LONGEST_NS)
        for i in range(LATENCIES)
    ]
    return np.array(values, np.int64)


def measured(histogram: Sequence[Sequence[int]]) -> Table:
    """Return a latency drawn from a run's histogram: rows of (upper edge of a bucket in ns, count),
    ascending."""
    try:
        rows = np.array(histogram, np.int64)
    except OverflowError as error:
        raise BacktestError(f"a histogram's numbers are int64: {error}") from None
    if rows.ndim != 2 or rows.shape[1] != 2 or rows[:, 1].sum() <= 0 or (rows < 0).any():
        raise BacktestError("a histogram is rows of (upper edge in ns, count), not all of them 0")
    reached = np.cumsum(rows[:, 1])
    ranks = ((2 * np.arange(LATENCIES, dtype=np.int64) + 1) * int(reached[-1])) // (2 * LATENCIES)
    return np.minimum(rows[np.searchsorted(reached, ranks, side="right"), 0], LONGEST_NS)


@dataclass(frozen=True)
class Latency:
    """Feed and order latency of a run, by the text that asked for them."""

    name: str
    feed: Table
    order: Table

    @property
    def table(self) -> Table:
        """Both, one after the other, as the driver reads them."""
        return np.concatenate([self.feed, self.order])


def parse_latency(text: str, base: Path = Path()) -> Latency:
    """``constant:FEED_NS:ORDER_NS``, ``drawn:P50_NS:P99_NS`` (each way) or ``measured:FILE:NAME``,
    where FILE is what ``outcry run --histograms FILE`` wrote and NAME one of its stages or spans
    (each way); a relative FILE is one of ``base``.  Raises :class:`BacktestError` for anything
    else."""
    kind, *rest = text.split(":")
    try:
        if kind == "constant":
            feed_ns, order_ns = map(int, rest)
            if min(feed_ns, order_ns) < 0:
                raise ValueError
            return Latency(text, constant(feed_ns), constant(order_ns))
        if kind == "drawn":
            table = drawn(*map(int, rest))
        elif kind == "measured":
            path, name = rest
            table = measured(_histogram(base / path, name))
        else:
            raise ValueError
    except (ValueError, TypeError):
        raise BacktestError(
            f"latency {text!r} is not one of constant:FEED_NS:ORDER_NS, drawn:P50_NS:P99_NS and "
            "measured:FILE:NAME"
        ) from None
    return Latency(text, table, table)


def _histogram(path: Path, name: str) -> Any:
    try:
        document = json.loads(path.read_text())
        rows = {stage["name"]: stage["histogram"] for stage in document["stages"]}
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise BacktestError(f"{path}: no file of histograms: {error}") from error
    if name not in rows:
        raise BacktestError(f"{path} has no {name!r}: it has {', '.join(sorted(rows))}")
    return rows[name]
