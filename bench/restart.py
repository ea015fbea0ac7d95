"""How long no order is answered when a stage dies: from its SIGKILL to the first new release."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Sample, Watcher
from openoutcry.pipeline.run import run
from openoutcry.pipeline.top import running

STAGE = "matcher"
"""Its book is rebuilt from the journal: no other stage has more to do."""
KILLS = 3
ORDERS, QUICK_ORDERS = 1_000_000, 40_000
RATE = 40_000


def restart_s(journal: Path, quick: bool) -> float | None:
    """Run a pipeline with a new journal and kill the stage's process half-way. Returns how long it
    was until the next event was released; None if the run was over by then."""
    orders = QUICK_ORDERS if quick else ORDERS
    killed: list[int] = []

    def kill(sample: Sample) -> None:
        if killed or sample.commands < orders // 2:
            return
        (pipeline,) = (pipeline for pipeline in running() if pipeline.owner.pid == os.getpid())
        stages = pipeline.view(pipeline.positions(), 1)["stages"]
        killed.extend(row["pid"] for row in stages if row["name"] == STAGE)
        with suppress(ProcessLookupError):
            os.kill(killed[0], signal.SIGKILL)

    source = GeneratedFlow("normal", orders, 1)
    options = Options(source=source, orders=orders, rate=RATE, journal=journal, verify=False)
    result = run(options, Watcher(sample=kill))
    if result["interrupted"]:
        raise KeyboardInterrupt
    seconds: list[float | None] = [row["restart_s"] for row in result["restarts"]]
    return seconds[0] if seconds else None
