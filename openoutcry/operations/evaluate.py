"""Evaluates the alarms where there is no Prometheus: inactive, pending, firing, as its rules do."""

from dataclasses import dataclass
from enum import StrEnum

from openoutcry.operations.alarms import ALARMS, Alarm
from openoutcry.operations.expressions import History, Labels

KEEP_S = 660.0
"""As long as the longest window of an alarm, and a scrape."""


class State(StrEnum):
    """Pending: true, and not yet for as long as the alarm asks; resolved: no longer true."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass
class ActiveAlarm:
    """An alarm of one series."""

    alarm: Alarm
    labels: Labels
    since_s: float
    value: float
    state: State = State.PENDING


class Evaluator:
    """The active alarms."""

    def __init__(self, alarms: tuple[Alarm, ...] = ALARMS) -> None:
        self.alarms = alarms
        self.active: dict[tuple[str, Labels], ActiveAlarm] = {}

    def evaluate(self, history: History, now_s: float) -> list[ActiveAlarm]:
        """Return the alarms that have begun to fire, or are over, since the last time."""
        changed = []
        for alarm in self.alarms:
            values = alarm.holds(history)
            for labels, value in values.items():
                active = self.active.setdefault(
                    (alarm.name, labels), ActiveAlarm(alarm, labels, now_s, value)
                )
                active.value = value
                if active.state is State.PENDING and now_s - active.since_s >= alarm.for_s:
                    active.state = State.FIRING
                    changed.append(active)
            for key in [k for k in self.active if k[0] == alarm.name and k[1] not in values]:
                active = self.active.pop(key)
                if active.state is State.FIRING:
                    active.state = State.RESOLVED
                    changed.append(active)
        return changed

    @property
    def firing(self) -> list[ActiveAlarm]:
        """The alarms that fire now."""
        return [one for one in self.active.values() if one.state is State.FIRING]
