"""Alarms over what is really collected, by a clock that the test moves."""

from openoutcry.operations.alarms import ALARMS
from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.watch import Watch

STEP_S = 10.0


class Looks:
    """One alarm of a venue, looked at each STEP_S of a clock of its own."""

    def __init__(self, name, venue=None):
        (self.alarm,) = [one for one in ALARMS if one.name == name]
        self.now_s, self.metrics = 0.0, VenueMetrics(venue)
        self.watch = Watch(self.metrics.collect, [], print, (self.alarm,), lambda: self.now_s)

    def look(self, meanwhile=None, seconds=STEP_S):
        """One look; ``meanwhile`` is what happens before it.  Returns whether it fires."""
        self.now_s += seconds
        if meanwhile is not None:
            meanwhile()
        self.watch.poll()
        return bool(self.watch.evaluator.firing)

    def goes(self, fires, seconds, meanwhile=None):
        """Looks for so many seconds; it must come to ``fires`` within, and stay there."""
        until_s, fired = self.now_s + seconds, []
        while self.now_s < until_s:
            fired.append(self.look(meanwhile))
        assert fired[-1] == fires, (
            self.alarm.name,
            fired,
            self.alarm.of.values(self.watch.history),
        )
        assert fired.index(fires) * STEP_S >= (self.alarm.for_s - STEP_S) * fires, fired

    def driven(self, quiet, loud, seconds):
        """Quiet, loud, quiet again; each for so many seconds, and its edge within each."""
        self.goes(False, seconds, quiet)
        self.goes(True, seconds, loud)
        self.goes(False, seconds, quiet)
