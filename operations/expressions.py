"""What an alarm asks of the metrics: said once, evaluated here and by Prometheus alike.

Each expression can say itself in PromQL (https://prometheus.io/docs/prometheus/latest/querying/)
and be evaluated over a :class:`History` of scrapes; the same word means the same in both.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
"""A value for each set of labels."""


class History:
    """The scrapes of the last ``keep_s`` seconds: of samples with these names (None: all)."""

    def __init__(self, keep_s: float, names: frozenset[str] | None = None) -> None:
        self.keep_s, self.names = keep_s, names
        self.scrapes: deque[tuple[float, dict[str, Vector]]] = deque()

    def add(self, at_s: float, families: "Iterable[Metric]") -> None:
        """``at_s``: when, by a clock that never goes back."""
        taken: dict[str, Vector] = {}
        for family in families:
            for sample in family.samples:
                if self.names is not None and sample.name not in self.names:
                    continue
                vector = taken.setdefault(sample.name, {})
                vector[frozenset(sample.labels.items())] = float(sample.value)
        self.scrapes.append((at_s, taken))
        while self.scrapes[0][0] < at_s - self.keep_s:
            self.scrapes.popleft()

    def newest(self, name: str) -> Vector:
        return self.scrapes[-1][1].get(name, {}) if self.scrapes else {}

    def over(self, name: str, window_s: float) -> dict[Labels, list[tuple[float, float]]]:
        """Each series' points (time, value) of the last ``window_s``."""
        if not self.scrapes:
            return {}
        begin = self.scrapes[-1][0] - window_s
        found: dict[Labels, list[tuple[float, float]]] = {}
        for at_s, taken in self.scrapes:
            if at_s >= begin:
                for labels, value in taken.get(name, {}).items():
                    found.setdefault(labels, []).append((at_s, value))
        return found


class Expression(Protocol):
    def promql(self) -> str: ...

    def values(self, history: History) -> Vector: ...


def selector(name: str, labels: Mapping[str, str], window_s: int = 0) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return name + (f"{{{inside}}}" if inside else "") + (f"[{window_s}s]" if window_s else "")


def _has(labels: Labels, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= dict(labels).items()


@dataclass(frozen=True)
class Now:
    """A series' newest value."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def promql(self) -> str:
        return selector(self.name, dict(self.labels))

    def values(self, history: History) -> Vector:
        found = history.newest(self.name)
        return {of: value for of, value in found.items() if _has(of, dict(self.labels))}


@dataclass(frozen=True)
class Absolute:
    """Without the sign."""

    of: Expression

    def promql(self) -> str:
        return f"abs({self.of.promql()})"

    def values(self, history: History) -> Vector:
        return {of: abs(value) for of, value in self.of.values(history).items()}


@dataclass(frozen=True)
class Rate:
    """What a counter gains a second, over a window; a counter that begins anew counts from 0."""

    name: str
    window_s: int
    labels: tuple[tuple[str, str], ...] = ()

    def promql(self) -> str:
        return f"rate({selector(self.name, dict(self.labels), self.window_s)})"

    def values(self, history: History) -> Vector:
        found = {}
        for of, points in history.over(self.name, self.window_s).items():
            if len(points) > 1 and _has(of, dict(self.labels)):
                found[of] = gained(points) / (points[-1][0] - points[0][0])
        return found


def gained(points: list[tuple[float, float]]) -> float:
    """What a counter has gained over its points."""
    return sum(
        after - before if after >= before else after for (_, before), (_, after) in pairwise(points)
    )


@dataclass(frozen=True)
class Increase:
    """What a counter has gained over a window."""

    name: str
    window_s: int

    def promql(self) -> str:
        return f"increase({selector(self.name, {}, self.window_s)})"

    def values(self, history: History) -> Vector:
        found = history.over(self.name, self.window_s)
        return {of: gained(points) for of, points in found.items() if len(points) > 1}


@dataclass(frozen=True)
class Total:
    """The sum over all series, without labels."""

    of: Expression

    def promql(self) -> str:
        return f"sum({self.of.promql()})"

    def values(self, history: History) -> Vector:
        found = self.of.values(history)
        return {frozenset(): sum(found.values())} if found else {}


@dataclass(frozen=True)
class Share:
    """One expression as a part of another with the same labels; nothing where that is 0."""

    part: Expression
    whole: Expression

    def promql(self) -> str:
        whole = self.whole.promql()
        return f"({self.part.promql()}) / (({whole}) > 0)"

    def values(self, history: History) -> Vector:
        part, whole = self.part.values(history), self.whole.values(history)
        return {of: part[of] / whole[of] for of in part if whole.get(of, 0) > 0}


@dataclass(frozen=True)
class Used:
    """One minus."""

    free: Expression

    def promql(self) -> str:
        return f"1 - {self.free.promql()}"

    def values(self, history: History) -> Vector:
        return {of: 1 - value for of, value in self.free.values(history).items()}


@dataclass(frozen=True)
class Quantile:
    """A quantile of a classic histogram over a window, as PromQL's ``histogram_quantile``: linear
    between the edges of a bucket."""

    q: float
    name: str
    window_s: int
    labels: tuple[tuple[str, str], ...] = ()

    def promql(self) -> str:
        buckets = selector(f"{self.name}_bucket", dict(self.labels), self.window_s)
        return f"histogram_quantile({self.q}, rate({buckets}))"

    def values(self, history: History) -> Vector:
        series: dict[Labels, list[tuple[float, float]]] = {}
        for of, points in history.over(f"{self.name}_bucket", self.window_s).items():
            if len(points) > 1 and _has(of, dict(self.labels)):
                rest = frozenset(pair for pair in of if pair[0] != "le")
                series.setdefault(rest, []).append((float(dict(of)["le"]), gained(points)))
        found = {of: quantile(self.q, sorted(buckets)) for of, buckets in series.items()}
        return {of: value for of, value in found.items() if not math.isnan(value)}


def quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """Of cumulative buckets (upper edge, count), the last at infinity; NaN if they are empty."""
    total = buckets[-1][1]
    if not total:
        return math.nan
    rank, below, lower = q * total, 0.0, 0.0
    for upper, reached in buckets[:-1]:
        if reached >= rank:
            inside = reached - below
            return lower + (upper - lower) * ((rank - below) / inside if inside else 1.0)
        below, lower = reached, upper
    return lower


@dataclass(frozen=True)
class Predicted:
    """Where a value will be in ``ahead_s``, by the straight line through its last points (least
    squares, as PromQL's ``predict_linear``)."""

    name: str
    window_s: int
    ahead_s: int

    def promql(self) -> str:
        return f"predict_linear({selector(self.name, {}, self.window_s)}, {self.ahead_s})"

    def values(self, history: History) -> Vector:
        found = {}
        for of, points in history.over(self.name, self.window_s).items():
            if len(points) > 1:
                now_s = history.scrapes[-1][0]
                times = [at - now_s for at, _ in points]
                middle = sum(times) / len(points)
                mean = sum(value for _, value in points) / len(points)
                spread = sum((at - middle) ** 2 for at in times)
                slope = (
                    sum(
                        (at - middle) * (value - mean)
                        for at, (_, value) in zip(times, points, strict=True)
                    )
                    / spread
                )
                found[of] = mean + slope * (self.ahead_s - middle)
        return found
