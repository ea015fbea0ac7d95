"""A command that runs next to a venue for days keeps off the cores of its stages."""

import time

from openoutcry.operations.aside import FOLLOWS, Aside
from openoutcry.pipeline.top import RunningPipeline, attached_again, running_owners

LOOK_S = 5.0


class Bystander:
    """Give this process a lower priority, and keep it off the cores on which a stage of a running
    pipeline spins."""

    def __init__(self) -> None:
        self._aside = Aside(FOLLOWS)
        self._known: dict[object, RunningPipeline] = {}
        self._looked_s = float("-inf")

    def poll(self) -> None:
        """Return the running pipelines; looks every few seconds, however often it is called."""
        if time.monotonic() - self._looked_s < LOOK_S:
            return
        self._looked_s = time.monotonic()
        self._known = {
            owner: pipeline
            for owner in running_owners()
            if (pipeline := attached_again(self._known.get(owner), owner)) is not None
        }
        self._aside.keep_off(
            frozenset().union(*(pipeline.spun_cores for pipeline in self._known.values()))
        )
