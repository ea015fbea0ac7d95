"""How well surveillance sees: precision and recall on agents, next to those of the rules as
written.

A unit is an act. Recall is the share of labelled acts that have a case of the act's pattern.
Precision is the share of a pattern's cases whose participants did something labelled then. What a
manipulator did without a label (it gained nothing) counts neither way and is reported.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

from openoutcry.bench.agent_days import agent_market, configuration
from openoutcry.flow.agent_market import CROWD_FROM, SYMBOLS, AgentMarket, Label
from openoutcry.flow.manipulators import ACTS, FIRST, LIQUID, settings_text
from openoutcry.matcher import Engine
from openoutcry.surveillance.cases import Case, fold
from openoutcry.surveillance.detect.settings import settings_of_text
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.surveillance.written import Alarm, as_written

MINUTES, CROWD = 20, 60
RARE_MINUTES, RARE_CROWD = 50, 1_500
"""A market in which less than one window in 1,000 holds an act of manipulation."""
SLACK_NS = 60 * 10**9
PATTERNS = tuple(pattern for _, pattern, _ in ACTS.values())
WRITTEN = {
    "spoofing": ("spoofing", "layering"),
    "wash_pair": ("wash_pair", "wash_related", "wash_self"),
    "reciprocal": ("wash_pair", "wash_related"),
    "cancels": ("quote_stuffing",),
}
"""Patterns that each rule as written is to find."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); 0 to 1 of nothing."""
    if not count:
        return 0.0, 1.0
    z, p = 1.959964, hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass
class Accuracy:
    """Counts over markets, by pattern and by rule as written."""

    seen: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    unlabelled: Counter[str] = field(default_factory=Counter)
    written_seen: Counter[str] = field(default_factory=Counter)
    written_missed: Counter[str] = field(default_factory=Counter)
    written_right: Counter[str] = field(default_factory=Counter)
    written_wrong: Counter[str] = field(default_factory=Counter)
    profits: dict[str, list[int]] = field(default_factory=dict)
    false: list[dict[str, Any]] = field(default_factory=list)
    commands: int = 0
    windows: int = 0
    """Participant, symbol and five minutes in which there was an order."""
    labelled_windows: int = 0
    honest_days: int = 0
    """Honest participants, a market each."""

    def join(self, other: "Accuracy") -> None:
        """Count what another has counted, too."""
        for name, value in vars(other).items():
            if name == "profits":
                for pattern, profits in other.profits.items():
                    self.profits.setdefault(pattern, []).extend(profits)
            else:
                setattr(self, name, getattr(self, name) + value)

    def add(self, seed: int, market: AgentMarket, cases: list[Case], alarms: list[Alarm]) -> None:
        """Count one market."""
        for label in market.labels:
            self.profits.setdefault(label.pattern, []).append(label.profit_ticks)
            seen = any(c.detector == label.pattern and meets(label, *span(c)) for c in cases)
            (self.seen if seen else self.missed)[label.pattern] += 1
        for case in cases:
            if any(meets(label, *span(case)) for label in market.labels):
                self.right[case.detector] += 1
            elif all(FIRST <= who < CROWD_FROM for who in case.participants):
                self.unlabelled[case.detector] += 1
            else:
                self.wrong[case.detector] += 1
                self.false.append({"seed": seed, **case.as_json()})
        self._written(market, alarms)

    def _written(self, market: AgentMarket, alarms: list[Alarm]) -> None:
        for rule, patterns in WRITTEN.items():
            mine = [alarm for alarm in alarms if alarm.rule == rule]
            acts = [label for label in market.labels if label.pattern in patterns]
            for label in acts:
                seen = any(meets(label, a.participants, a.begin_ns, a.end_ns) for a in mine)
                (self.written_seen if seen else self.written_missed)[rule] += 1
            for a in mine:
                right = any(meets(label, a.participants, a.begin_ns, a.end_ns) for label in acts)
                (self.written_right if right else self.written_wrong)[rule] += 1

    def shares(self, name: str, written: bool = False) -> dict[str, Any]:
        """Precision and recall of a pattern or rule, each with its interval and counts."""
        if written:
            seen, missed = self.written_seen[name], self.written_missed[name]
            right, wrong = self.written_right[name], self.written_wrong[name]
        else:
            seen, missed, right, wrong = (
                self.seen[name],
                self.missed[name],
                self.right[name],
                self.wrong[name],
            )
        return {
            "acts": seen + missed,
            "recall": seen / max(seen + missed, 1),
            "recall_95": wilson(seen, seen + missed),
            "alarms": right + wrong,
            "precision": right / max(right + wrong, 1),
            "precision_95": wilson(right, right + wrong),
            "false": wrong,
            "precision_at_1_in_1000": self.at_base_rate(seen, missed, wrong),
        }

    def at_base_rate(self, seen: int, missed: int, wrong: int) -> float:
        """Precision if one window of a participant, symbol and five minutes in 1,000 held an act:
        recall and false alarms a window as they were measured."""
        true = seen / max(seen + missed, 1) / 1_000
        false = wrong / max(self.windows - self.labelled_windows, 1) * 999 / 1_000
        return true / (true + false) if true else 0.0

    def document(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "detectors": {name: self.shares(name) for name in PATTERNS},
            "other_detectors": {
                name: self.right[name] + self.wrong[name]
                for name in sorted({*self.right, *self.wrong} - {*PATTERNS})
            },
            "written": {name: self.shares(name, True) for name in WRITTEN},
            "unlabelled_acts_flagged": dict(self.unlabelled),
            "profit_ticks_median": {k: float(np.median(v)) for k, v in self.profits.items()},
            "false_alarms": len(self.false),
            "honest_participant_days": self.honest_days,
            "false_by_detector": dict(self.wrong),
            "commands": self.commands,
            "windows": self.windows,
            "labelled_windows": self.labelled_windows,
        }


def span(case: Case) -> tuple[tuple[int, ...], int, int]:
    """A case's participants, and its first and last ns."""
    return case.participants, case.first_ns, case.last_ns


def meets(label: Label, who: Iterable[int], begin_ns: int, end_ns: int) -> bool:
    """Return whether a participant of the label is named, at about its time."""
    return bool(set(who) & set(label.participants)) and (
        begin_ns <= label.end_ns + SLACK_NS and end_ns >= label.begin_ns
    )


def measure(
    seeds: Iterable[int],
    names: tuple[str, ...] = LIQUID,
    styles: Mapping[str, Mapping[str, float]] | None = None,
    minutes: int = MINUTES,
    crowd: int = CROWD,
) -> Accuracy:
    """Run a market for each seed, and count; ``styles`` as manipulators have them."""
    accuracy = Accuracy()
    for seed in seeds:
        count(accuracy, seed, agent_market(seed, minutes, names, styles=styles, crowd=crowd))
    return accuracy


def count(accuracy: Accuracy, seed: int, market: AgentMarket) -> list[Case]:
    """Run one market, look at it, and count; its cases."""
    engine = Engine(market.instruments)
    parts = [part for part in market.run(engine) if len(part[0])]
    commands = np.concatenate([part[0] for part in parts])
    events = np.concatenate([part[1] for part in parts])
    detectors = Detectors(configuration(market), settings_of_text(settings_text(market)))
    hits = detectors.watch(commands, events)
    cases = fold(hits, SYMBOLS, [""] * len(hits))
    accuracy.add(seed, market, cases, as_written(commands, events))
    accuracy.commands += len(commands)
    _count_windows(accuracy, market, commands)
    return cases


def _count_windows(accuracy: Accuracy, market: AgentMarket, commands: Any) -> None:
    rows = set(
        zip(
            commands["participant"].tolist(),
            commands["symbol"].tolist(),
            (commands["rx_ts_ns"] // (300 * 10**9)).tolist(),
            strict=True,
        )
    )
    accuracy.windows += len(rows)
    labelled = {
        (label.participants[0], label.pattern, n)
        for label in market.labels
        for n in range(label.begin_ns // (300 * 10**9), label.end_ns // (300 * 10**9) + 1)
    }
    accuracy.labelled_windows += len(labelled)
    honest = {who for who, _, _ in rows if 0 < who < FIRST or who >= CROWD_FROM}
    accuracy.honest_days += len(honest)
