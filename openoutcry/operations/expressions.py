"""What an alarm asks of the metrics: said once, evaluated here and by Prometheus alike.

Each expression can say itself in PromQL (https://prometheus.io/docs/prometheus/latest/querying/)
and be evaluated over a :class:`History` of scrapes; the same word means the same in both.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
"""A value for each set of labels."""
Wanted = dict[str, list[dict[str, str]]]
"""Names of metrics, and the labels of series of them; no labels are all series."""


@dataclass
class Series:
    """The points of one set of labels, the oldest first."""

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    reset_s: float = -math.inf
    """When it was last below its point before: a counter began again."""

    def add(self, at_s: float, value: float, keep_s: float) -> None:
        """Add a value at a time in seconds, and forget those older than ``keep_s``; a lower value
        is a reset."""
        if self.values and value < self.values[-1]:
            self.reset_s = at_s
        self.times.append(at_s)
        self.values.append(value)
        old = bisect_left(self.times, at_s - keep_s)
        if old > SLACK:
            del self.times[:old], self.values[:old]

    def gain(self, begin: int) -> float:
        """Return the gain of a counter since its point ``begin``; one that begins again counts from
        0."""
        if self.reset_s <= self.times[begin]:
            return self.values[-1] - self.values[begin]
        return gained(list(zip(self.times[begin:], self.values[begin:], strict=True)))


SLACK = 64
"""How many points that are too old are dropped together."""


class History:
    """The scrapes of the last ``keep_s`` seconds: of samples with these names (None: all).

    By series and not by scrape: going through all scrapes for each alarm took two thirds of a
    console's look, as measured, and more with each minute.
    """

    def __init__(self, keep_s: float, names: frozenset[str] | None = None) -> None:
        self.keep_s, self.names = keep_s, names
        self.now_s = -math.inf
        """When the newest scrape was."""
        self._series: dict[str, dict[Labels, Series]] = {}

    def add(self, at_s: float, families: "Iterable[Metric]") -> None:
        """``at_s``: when, by a clock that never goes back."""
        for family in families:
            for sample in family.samples:
                if self.names is not None and sample.name not in self.names:
                    continue
                of = self._series.setdefault(sample.name, {})
                labels = frozenset(sample.labels.items())
                if labels not in of:
                    of[labels] = Series()
                of[labels].add(at_s, float(sample.value), self.keep_s)
        self.now_s = at_s
        for of in self._series.values():
            for labels in [one for one in of if of[one].times[-1] < at_s - self.keep_s]:
                del of[labels]

    def newest(self, name: str) -> Vector:
        """Return the values of a metric at the newest scrape, by their labels."""
        series = self._series.get(name, {})
        return {of: one.values[-1] for of, one in series.items() if one.times[-1] == self.now_s}

    def windows(
        self, name: str, window_s: float, labels: tuple[tuple[str, str], ...] = ()
    ) -> Iterator[tuple[Labels, Series, int]]:
        """Yield each series with these labels that has at least two points in the last
        ``window_s``: its labels, the series, and the index of the first of those points."""
        wanted = set(labels)
        for of, series in self._series.get(name, {}).items():
            if wanted <= of:
                begin = bisect_left(series.times, self.now_s - window_s)
                if len(series.times) - begin > 1:
                    yield of, series, begin


class Expression(Protocol):
    """A number of each series, both as PromQL and evaluated here."""

    def promql(self) -> str:
        """The expression for Prometheus."""

    def values(self, history: History) -> Vector:
        """Return the value of each series now; series without one are absent."""


def series_of(expression: Expression) -> Iterator[tuple[str, dict[str, str]]]:
    """The metrics that an expression looks at, each with the labels that it selects by."""
    for one in fields(expression):  # type: ignore[arg-type]
        inside = getattr(expression, one.name)
        if one.name == "name":
            yield inside, dict(getattr(expression, "labels", ()))
        elif hasattr(inside, "promql"):
            yield from series_of(inside)


def selector(name: str, labels: Mapping[str, str], window_s: int = 0) -> str:
    """Return a PromQL selector of a metric, with a window if one is given."""
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
        newest = history.newest(self.name)
        return {of: value for of, value in newest.items() if _has(of, dict(self.labels))}


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
    """Gain of a counter a second, over a window; a counter that begins again counts from 0."""

    name: str
    window_s: int
    labels: tuple[tuple[str, str], ...] = ()

    def promql(self) -> str:
        return f"rate({selector(self.name, dict(self.labels), self.window_s)})"

    def values(self, history: History) -> Vector:
        return {
            of: series.gain(begin) / (series.times[-1] - series.times[begin])
            for of, series, begin in history.windows(self.name, self.window_s, self.labels)
        }


def gained(points: list[tuple[float, float]]) -> float:
    """Return the gain of a counter over its points."""
    return sum(
        after - before if after >= before else after for (_, before), (_, after) in pairwise(points)
    )


@dataclass(frozen=True)
class Increase:
    """Gain of a counter over a window."""

    name: str
    window_s: int

    def promql(self) -> str:
        return f"increase({selector(self.name, {}, self.window_s)})"

    def values(self, history: History) -> Vector:
        windows = history.windows(self.name, self.window_s)
        return {of: series.gain(begin) for of, series, begin in windows}


@dataclass(frozen=True)
class Total:
    """The sum over all series, without labels."""

    of: Expression

    def promql(self) -> str:
        return f"sum({self.of.promql()})"

    def values(self, history: History) -> Vector:
        values = self.of.values(history)
        return {frozenset(): sum(values.values())} if values else {}


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
        buckets = history.windows(f"{self.name}_bucket", self.window_s, self.labels)
        for of, bucket, begin in buckets:
            rest = frozenset(pair for pair in of if pair[0] != "le")
            series.setdefault(rest, []).append((float(dict(of)["le"]), bucket.gain(begin)))
        quantiles = {of: quantile(self.q, sorted(edges)) for of, edges in series.items()}
        return {of: value for of, value in quantiles.items() if not math.isnan(value)}


def quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """Return a quantile of cumulative buckets (upper edge, count), the last at infinity; NaN if
    they are empty."""
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
        predictions = {}
        for of, series, begin in history.windows(self.name, self.window_s):
            times, values = (
                [at - history.now_s for at in series.times[begin:]],
                series.values[begin:],
            )
            middle, mean = sum(times) / len(times), sum(values) / len(values)
            spread = sum((at - middle) ** 2 for at in times)
            slope = (
                sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True))
                / spread
            )
            predictions[of] = mean + slope * (self.ahead_s - middle)
        return predictions
