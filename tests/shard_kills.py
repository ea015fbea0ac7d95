"""Kill the matchers of a run, one after the other."""

import os
import signal

from openoutcry.pipeline.progress import Sample
from openoutcry.pipeline.top import running


class Killer:
    """Kills the processes of the named stages, each after a further share of the commands."""

    def __init__(self, commands: int, *stages: str) -> None:
        self.commands, self.stages, self.killed = commands, stages, 0

    def sample(self, sample: Sample) -> None:
        due = (self.killed + 1) * self.commands // (len(self.stages) + 1)
        if self.killed == len(self.stages) or sample.commands < due:
            return
        (pipeline,) = (found for found in running() if found.owner.pid == os.getpid())
        rows = {r["name"]: r for r in pipeline.view(pipeline.positions(), 1)["stages"]}
        row = rows[self.stages[self.killed]]
        self.killed += 1
        if row["alive"] and not row["finished"]:
            os.kill(row["pid"], signal.SIGKILL)
