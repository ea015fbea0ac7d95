"""Evaluates the alarms where there is no Prometheus: inactive, pending, firing, as its rules do."""

from dataclasses import dataclass
from enum import StrEnum

from openoutcry.operations.alarms import ALARMS, Alarm
from openoutcry.operations.expressions import History, Labels

KEEP_S = 660.0
"""As long as the longest window of an alarm, and a scrape."""


class State(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass
class Standing:
    """An alarm of one series."""

    alarm: Alarm
    labels: Labels
    since_s: float
    value: float
    state: State = State.PENDING


class Evaluator:
    """The alarms that stand."""

    def __init__(self, alarms: tuple[Alarm, ...] = ALARMS) -> None:
        self.alarms = alarms
        self.standing: dict[tuple[str, Labels], Standing] = {}

    def evaluate(self, history: History, now_s: float) -> list[Standing]:
        """What has begun to fire, or is over, since the last time."""
        changed = []
        for alarm in self.alarms:
            values = alarm.holds(history)
            for labels, value in values.items():
                standing = self.standing.setdefault(
                    (alarm.name, labels), Standing(alarm, labels, now_s, value)
                )
                standing.value = value
                if standing.state is State.PENDING and now_s - standing.since_s >= alarm.for_s:
                    standing.state = State.FIRING
                    changed.append(standing)
            for key in [k for k in self.standing if k[0] == alarm.name and k[1] not in values]:
                standing = self.standing.pop(key)
                if standing.state is State.FIRING:
                    standing.state = State.RESOLVED
                    changed.append(standing)
        return changed

    @property
    def firing(self) -> list[Standing]:
        return [one for one in self.standing.values() if one.state is State.FIRING]
