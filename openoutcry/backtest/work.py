"""All tasks of a plan: in this process, or on Ray."""

import json
import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from openoutcry.backtest.plan import Plan, Task, keep_plan
from openoutcry.backtest.scratch import sweep_named
from openoutcry.backtest.tasks import clean, do_task, is_done, is_prepared, prepare, summary
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.extras import need

Progress = Callable[[int, int], None]
"""Called with (tasks done, tasks in all)."""
OBJECT_STORE_BYTES = 80 << 20
"""The least that Ray takes: tasks and results go through files."""
AHEAD = 2
"""Tasks given to Ray beyond those that run, for each worker."""
RETRIES = 3
"""How often a task is given to another worker after its worker has died."""
FOLDER = "outcry-ray-"
"""Ray's files on this machine: then the number of the process, and more."""

Work = tuple[int, Task | None]
"""A day to prepare (no task), or a task of it."""


def run_plan(
    plan: Plan,
    out: Path,
    workers: int = 0,
    address: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Do what of the plan is not done yet; returns (and writes) the summary.

    The runs use ``workers`` processes of Ray on this machine; 0: no Ray, everything in this
    process.  With the ``address`` of a Ray cluster, whose nodes all see ``out``, ``workers`` is how
    many tasks it is given at a time.  Raises :class:`BacktestError` for a plan that cannot be run,
    or another than the folder's.
    """
    plan.check()
    need("pyarrow", "a backtest needs pyarrow", "backtest", BacktestError)
    keep_plan(plan, out)
    clean(out)
    if workers or address:
        try:
            _on_ray(plan, out, max(1, workers), address, progress)
        finally:
            clean(out)
    else:
        _here(plan, out, progress)
    # A file that has changed meanwhile may be in some of the runs only.
    keep_plan(plan, out)
    document = summary(plan, out)
    write_atomically(out / "summary.json", json.dumps(document, indent=1) + "\n")
    return document


def remaining_work(plan: Plan, out: Path) -> tuple[deque[Work], int]:
    """Return the tasks that remain, and how many are done already."""
    work: deque[Work] = deque()
    done = 0
    for day in range(len(plan.days)):
        tasks = [task for task in plan.tasks_of(day) if not is_done(out, task)]
        done += len(plan.tasks_of(day)) - len(tasks)
        if tasks and not is_prepared(out, day):
            work.append((day, None))
        else:
            work.extend((day, task) for task in tasks)
    return work, done


def do_work(plan: Plan, out: Path, work: Work) -> Work:
    """One piece of it, wherever this is called."""
    day, task = work
    if task is None:
        prepare(plan, out, day)
    else:
        do_task(plan, out, task)
    return work


def _here(plan: Plan, out: Path, progress: Progress | None) -> None:
    work, done = remaining_work(plan, out)
    count = len(plan.days) * len(plan.tasks_of(0))
    while work:
        done += _after(plan, out, work, do_work(plan, out, work.popleft()))
        if progress:
            progress(done, count)


def _after(plan: Plan, out: Path, work: deque[Work], finished: Work) -> int:
    """A prepared day's tasks come next; how many tasks are done by this."""
    day, task = finished
    if task is not None:
        return 1
    work.extendleft(
        (day, next_task)
        for next_task in reversed(plan.tasks_of(day))
        if not is_done(out, next_task)
    )
    return 0


def _on_ray(
    plan: Plan, out: Path, workers: int, address: str | None, progress: Progress | None
) -> None:
    ray = need("ray", "workers need ray", "backtest", BacktestError)
    out = out.resolve()
    work, done = remaining_work(plan, out)
    count = len(plan.days) * len(plan.tasks_of(0))
    if not work:
        return
    # Ray says on standard output that a worker died, where --json has its one document.
    with redirect_stdout(sys.stderr), _session(ray, workers, address):
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(do_work)
        plan_ref = ray.put(plan)
        under_way: set[Any] = set()
        try:
            while work or under_way:
                while work and len(under_way) < workers * (1 + AHEAD):
                    under_way.add(remote.remote(plan_ref, out, work.popleft()))
                ready, _ = ray.wait(list(under_way), num_returns=1)
                under_way.difference_update(ready)
                for finished in ray.get(ready):
                    done += _after(plan, out, work, finished)
                if progress:
                    progress(done, count)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, Exception) else BacktestError(str(error)) from error
        except ray.exceptions.WorkerCrashedError as error:
            raise BacktestError(
                f"{RETRIES + 1} processes died in a task of {', '.join(plan.strategies)}; what "
                "is done is kept: --workers 0 shows the failure of a strategy in this process"
            ) from error
        except ray.exceptions.RayError as error:
            raise BacktestError(
                f"Ray is gone ({type(error).__name__}); what is done is kept: run the same again"
            ) from error


@contextmanager
def _session(ray: Any, workers: int, address: str | None) -> Iterator[None]:
    """A cluster to give tasks to: our own on this machine, gone when this ends, or the one at
    ``address``."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Its sockets' paths are long: not below a deep TMPDIR.
    sweep_named(Path("/tmp"), FOLDER)
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", dir="/tmp") as folder:
        own: dict[str, Any] = {
            "num_cpus": workers,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
        try:
            try:
                ray.init(
                    log_to_driver=False,
                    logging_level="ERROR",
                    **({"address": address} if address else own),
                )
            except Exception as error:  # Ray has no separate class for what it raises here.
                first = str(error).partition("\n")[0]
                raise BacktestError(f"Ray has not started: {first}") from error
            yield
        finally:
            ray.shutdown()
