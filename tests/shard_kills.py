"""Kill the matchers of a run, one after the other."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.pipeline.progress import Sample, Watcher
from openoutcry.pipeline.run import run
from openoutcry.pipeline.top import running
from openoutcry.replay.replay import replay


class Killer:
    """Kills the processes of the named stages, each after a further share of the commands."""

    def __init__(self, commands: int, *stages: str) -> None:
        self.commands, self.stages, self.killed = commands, stages, 0

    def sample(self, sample: Sample) -> None:
        due = (self.killed + 1) * self.commands // (len(self.stages) + 1)
        if self.killed == len(self.stages) or sample.commands < due:
            return
        (pipeline,) = (candidate for candidate in running() if candidate.owner.pid == os.getpid())
        rows = {r["name"]: r for r in pipeline.view(pipeline.positions(), 1)["stages"]}
        row = rows[self.stages[self.killed]]
        self.killed += 1
        if row["alive"] and not row["finished"]:
            os.kill(row["pid"], signal.SIGKILL)


def killed_until_restarted(
    options: Callable[..., Any],
    rate: int,
    is_same: Callable[[dict[str, Any]], None],
    commands: int,
    stages: tuple[str, ...],
    durability: str,
    folder: Path,
) -> None:
    """Run with these stages killed, until a run had to restart one; ``options`` takes journal and
    rate, ``is_same`` judges each result, and a replay of the last journal its state."""
    for attempt in range(6):  # a busy machine may miss the moment: each run takes twice as long
        journal = folder / f"{attempt}" if durability == "durable" else None
        killer = Killer(commands, *stages)
        run_options = options(journal=journal, durability=durability, rate=rate >> attempt)
        result = run(run_options, Watcher(sample=killer.sample))
        is_same(result)
        if result["restarts"]:
            break
    assert result["restarts"]
    if journal is not None:
        assert replay(journal)["equal"] is True
