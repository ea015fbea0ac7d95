"""The page of red and green: each alarm's condition as one look at the metrics finds it.

Only the series that were red at the look before are kept.  How long a condition must hold, windows
of time and notifications are the work of Prometheus and Alertmanager.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from openoutcry.operations.alarms import ALARMS, Alarm, Gauge, Labels

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Key = tuple[str, Labels]


class Light(StrEnum):
    """Unknown: the venue does not report the metric, as where it does not run."""

    RED = "red"
    GREEN = "green"
    UNKNOWN = "unknown"
    NEEDS_PROMETHEUS = "needs Prometheus"


class State(StrEnum):
    """States of a red series, in Alertmanager's words."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass
class Red:
    """One series for which an alarm's condition holds."""

    alarm: Alarm
    labels: Labels
    since_s: float
    value: float
    state: State = State.FIRING

    def document(self) -> dict[str, Any]:
        """Return it in Alertmanager's form, with the value that was found."""
        names = {"alertname": self.alarm.name, "severity": self.alarm.severity}
        return {
            "status": str(self.state),
            "value": self.value,
            "labels": names | dict(self.labels),
            "annotations": {"summary": self.alarm.summary},
        }

    def line(self) -> str:
        """Return it in one line: state, severity, name, summary, labels."""
        labels = ", ".join(f"{key} {value}" for key, value in sorted(self.labels))
        where = f" ({labels})" if labels else ""
        alarm = self.alarm
        return f"{self.state}: {alarm.severity}: {alarm.name}: {alarm.summary}{where}"


class Watch:
    """The alarms over what ``collect`` returns; ``clock`` gives seconds that never go back."""

    def __init__(
        self,
        collect: "Callable[[], Iterable[Metric]]",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.collect, self.clock = collect, clock
        self.red: dict[Key, Red] = {}
        self.lights = {
            alarm.name: Light.NEEDS_PROMETHEUS if isinstance(alarm.of, str) else Light.UNKNOWN
            for alarm in ALARMS
        }

    def poll(self) -> list[Red]:
        """Look once; return what is red since this look, and what no longer is."""
        now_s, before, self.red = self.clock(), self.red, {}
        samples: dict[str, dict[Labels, float]] = {}
        for family in self.collect():
            for sample in family.samples:
                of = frozenset(sample.labels.items())
                samples.setdefault(sample.name, {})[of] = float(sample.value)
        for alarm in ALARMS:
            if not isinstance(alarm.of, Gauge):
                continue
            values = alarm.of.values(samples)
            red = {of: value for of, value in values.items() if alarm.holds(value)}
            self.lights[alarm.name] = Light.RED if red else Light.GREEN if values else Light.UNKNOWN
            for of, value in red.items():
                key = alarm.name, of
                since_s = before[key].since_s if key in before else now_s
                self.red[key] = Red(alarm, of, since_s, value)
        over = [one for key, one in before.items() if key not in self.red]
        for one in over:
            one.state = State.RESOLVED
        return [one for key, one in self.red.items() if key not in before] + over

    def lasting(self) -> list[Red]:
        """Return what is red for as long as its alarm says (``for_s``), as Prometheus fires it."""
        now_s = self.clock()
        return [one for one in self.red.values() if now_s - one.since_s >= one.alarm.for_s]

    def page(self) -> list[dict[str, str]]:
        """Return a row for each alarm of the rules, with its light at the last look."""
        return [
            {
                "name": alarm.name,
                "severity": alarm.severity,
                "summary": alarm.summary,
                "light": str(self.lights[alarm.name]),
            }
            for alarm in ALARMS
        ]
