"""An index of several sources: weights, staleness, outliers, and a protected state.

The value is a function of what the sources reported and of the time that the caller gives.  A venue
journals both with the marks that it makes of them (``marking.py``).  A source that
stops is dropped when its report is stale, one that lies when it is too far from the median.  While
the majority of fresh sources are honest, the median is between two honest prices, and the index at
most the outlier rule's share away from it.  With fewer sources than the rule demands the index
keeps its last value and is protected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openoutcry.derivatives.contracts import MAX_PRICE_TICKS

PART = 1_000_000
USED, SILENT, STALE, OUTLIER = "used", "silent", "stale", "outlier"


@dataclass(frozen=True)
class IndexRules:
    """Rules of an index; times in nanoseconds, shares in millionths."""

    weights: Mapping[str, int]
    """Weights of the sources, by name; each is 1 or more."""
    stale_ns: int
    """A report older than this is not used."""
    outlier: int
    """A report is dropped that is farther from the median, as a share of it."""
    least: int
    """With fewer sources that are used the index is protected."""

    def __post_init__(self) -> None:
        if not self.weights or min(self.weights.values()) < 1:
            raise ValueError("an index has sources, and each a weight of 1 or more")
        if not 1 <= self.least <= len(self.weights):
            raise ValueError(f"least must be between 1 and {len(self.weights)}, the sources")
        if self.stale_ns < 1 or not 0 <= self.outlier < PART:
            raise ValueError("stale_ns must be 1 or more, outlier between 0 and 999999")


@dataclass(frozen=True)
class IndexValue:
    """An index at a time."""

    price_ticks: int
    """0: there has not been one yet."""
    protected: bool
    sources: Mapping[str, str]
    """By source: whether it is used, or why not."""


@dataclass
class Index:
    """An index and what its sources reported last."""

    rules: IndexRules
    reports: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Price and time of each source's newest report."""
    last_ticks: int = 0

    def report(self, source: str, price_ticks: int, time_ns: int) -> bool:
        """Take a source's price; false for a price or source that there is not, or one that is not
        newer than the source's last."""
        known = source in self.rules.weights and 1 <= price_ticks <= MAX_PRICE_TICKS
        if not known or time_ns <= self.reports.get(source, (0, -1))[1]:
            return False
        self.reports[source] = (price_ticks, time_ns)
        return True

    def value(self, now_ns: int) -> IndexValue:
        """The index at a time; it is the last value of the next that is protected."""
        rules, states = self.rules, {}
        fresh: dict[str, int] = {}
        for source in sorted(rules.weights):
            price_ticks, time_ns = self.reports.get(source, (0, 0))
            if not price_ticks:
                states[source] = SILENT
            elif not now_ns - rules.stale_ns <= time_ns <= now_ns:
                states[source] = STALE
            else:
                states[source], fresh[source] = USED, price_ticks
        if fresh:
            middle = twice_median(list(fresh.values()))
            for source, price_ticks in list(fresh.items()):
                if abs(2 * price_ticks - middle) * PART > rules.outlier * middle:
                    states[source] = OUTLIER
                    del fresh[source]
        if len(fresh) < rules.least:
            return IndexValue(self.last_ticks, True, states)
        weight = sum(rules.weights[source] for source in fresh)
        total = sum(rules.weights[source] * price for source, price in fresh.items())
        self.last_ticks = (2 * total + weight) // (2 * weight)
        return IndexValue(self.last_ticks, False, states)


def twice_median(prices: list[int]) -> int:
    """Twice the median, which is a whole number."""
    ordered, half = sorted(prices), len(prices) // 2
    return ordered[half] + ordered[-half - 1]
