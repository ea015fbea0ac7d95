"""Looks at a venue once a second, evaluates the alarms, and reports what has changed."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from openoutcry.operations.alarms import ALARMS, Alarm, names_of
from openoutcry.operations.evaluate import KEEP_S, ActiveAlarm, Evaluator
from openoutcry.operations.expressions import History
from openoutcry.operations.notify import Notify, NotifyError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

RETRY_S = 30.0


class Watch:
    """Watches the alarms over what ``collect`` returns.  A receiver that cannot be reached gets the
    missed alarms later, with one try every ``RETRY_S``.  Only its time-out delays anything else."""

    def __init__(
        self,
        collect: "Callable[[], Iterable[Metric]]",
        receivers: Sequence[Notify],
        note: Callable[[str], None],
        alarms: tuple[Alarm, ...] = ALARMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``note`` receives what goes wrong; ``clock`` gives seconds that never go back."""
        self.collect, self.note, self.clock = collect, note, clock
        self.history, self.evaluator = History(KEEP_S, names_of(alarms)), Evaluator(alarms)
        self.missed: list[tuple[Notify, list[ActiveAlarm]]] = [(one, []) for one in receivers]
        self._retry_s = 0.0

    def poll(self) -> list[ActiveAlarm]:
        """One look; returns what has changed."""
        now_s = self.clock()
        self.history.add(now_s, self.collect())
        changed = self.evaluator.evaluate(self.history, now_s)
        for notify, missed in self.missed:
            if not missed and not changed:
                continue
            waits = bool(missed) and now_s < self._retry_s
            missed += changed
            if not waits:
                self._notify(notify, missed, now_s)
        return changed

    def _notify(self, notify: Notify, missed: list[ActiveAlarm], now_s: float) -> None:
        try:
            notify(missed)
        except NotifyError as error:
            self._retry_s = now_s + RETRY_S
            self.note(f"not delivered: {error}")
        else:
            missed.clear()
