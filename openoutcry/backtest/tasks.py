"""One task: some runs of one day, their results committed by one rename.

A folder of results::

    plan.json                 what was asked for
    days/day00000/            the day's commands, prepared once
    tasks/day00000-part0000/  runs.parquet, fills.parquet, equity.parquet, done.json;
                              of several venues orders.json
    runs.parquet, report.html, summary.json    of all of it, written at the end

A task's folder appears whole or not at all, and nothing else says that it is done.  If a
worker, the driver or the machine is killed, what has been committed stays, and the rest is done
again, with the same results.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import (
    Day,
    load_day,
    open_recording,
    prepare_day,
)
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.plan import Plan, Task, Wanted
from openoutcry.backtest.routed import (
    VENUE_COLUMN,
    RoutedDay,
    is_routed,
    load_routed,
    load_routed_strategy,
    prepare_routed,
    run_routed,
)
from openoutcry.backtest.run import FILLED, Run, run_day
from openoutcry.backtest.scratch import committed, sweep
from openoutcry.backtest.strategy import load_strategy
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.extras import need

DAY, TASK = "days", "tasks"


def day_folder(out: Path, day: int) -> Path:
    """Return where a prepared day is kept."""
    return out / DAY / f"day{day:05d}"


def is_prepared(out: Path, day: int) -> bool:
    """Return whether a day is prepared."""
    return (day_folder(out, day) / "day.json").exists()


def is_done(out: Path, task: Task) -> bool:
    """Return whether a task has its results."""
    return (out / TASK / task.name / "done.json").exists()


def clean(out: Path) -> None:
    """Remove what processes that were killed have left half done."""
    for name in (DAY, TASK):
        sweep(out / name)


def prepare(plan: Plan, out: Path, day: int) -> None:
    """Write the day's commands, unless they are there."""
    if not is_prepared(out, day):
        text, folder = plan.days[day], day_folder(out, day)
        if is_routed(text):
            prepare_routed(text, folder)
        else:
            prepare_day(open_recording(text), folder)


def do_task(plan: Plan, out: Path, task: Task) -> None:
    """Make the task's runs and commit them, unless another worker has."""
    if is_done(out, task):
        return
    folder = day_folder(out, task.day)
    day = load_routed(folder) if is_routed(plan.days[task.day]) else load_day(folder)
    runs = [(wanted, _run(plan, day, task.day, wanted)) for wanted in plan.runs_of(task)]
    with committed(out / TASK / task.name) as scratch:
        _write_tables(scratch, task.day, runs)
        orders = [{"run": wanted.run, "orders": run.orders} for wanted, run in runs if run.orders]
        if orders:
            (scratch / "orders.json").write_text(json.dumps(orders))
        hashes = {str(wanted.run): run.hash for wanted, run in runs}
        done = {"day": task.day, "commands": day.count, "digest": day.digest, "hashes": hashes}
        (scratch / "done.json").write_text(json.dumps(done))


def _run(plan: Plan, day: Day | RoutedDay, number: int, wanted: Wanted) -> Run:
    given = wanted.parameters, parse_latency(wanted.latency), plan.seed_of(number, wanted)
    if isinstance(day, RoutedDay):
        return run_routed(day, load_routed_strategy(wanted.strategy), *given, plan.limits)
    return run_day(day, load_strategy(wanted.strategy), *given, plan.terms)


def _arrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet.  Raises :class:`BacktestError` without them."""
    what = "a backtest needs pyarrow"
    parquet = need("pyarrow.parquet", what, "backtest", BacktestError)
    return need("pyarrow", what, "backtest", BacktestError), parquet


def _write_tables(folder: Path, day: int, runs: list[tuple[Wanted, Run]]) -> None:
    pa, parquet = _arrow()
    rows = [
        {
            "day": day,
            "run": wanted.run,
            "strategy": wanted.strategy,
            "parameters": json.dumps(dict(wanted.parameters), sort_keys=True),
            "latency": wanted.latency,
            **run.figures,
            "state_hash": run.state_hash,
            "hash": run.hash,
        }
        for wanted, run in runs
    ]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "runs.parquet")
    fills = [(wanted.run, run.log[run.log[:, lay.LOG_KIND] == FILLED]) for wanted, run in runs]
    columns = {
        "ts_ns": lay.LOG_NS,
        "order": lay.LOG_ORDER,
        "side": lay.LOG_SIDE,
        "price_ticks": lay.LOG_TICKS,
        "qty_lots": lay.LOG_LOTS,
        "leaves_lots": lay.LOG_LEAVES,
        "maker": lay.LOG_MAKER,
        "ahead_lots": lay.LOG_AHEAD,
        "sent_ns": lay.LOG_SENT_NS,
        "impact": lay.LOG_IMPACT,
    }
    if runs[0][1].log.shape[1] > VENUE_COLUMN:
        columns["venue"] = VENUE_COLUMN
    _write_rows(folder / "fills.parquet", day, fills, columns)
    curves = [(wanted.run, run.samples) for wanted, run in runs]
    _write_rows(
        folder / "equity.parquet", day, curves, {"ts_ns": 0, "position_lots": 1, "equity": 2}
    )


def _write_rows(path: Path, day: int, parts: list[Any], columns: dict[str, int]) -> None:
    pa, parquet = _arrow()
    rows = np.concatenate([part for _, part in parts])
    run = np.concatenate([np.full(len(part), number, np.int32) for number, part in parts])
    table = {"day": np.full(len(rows), day, np.int32), "run": run}
    table |= {name: np.ascontiguousarray(rows[:, at]) for name, at in columns.items()}
    parquet.write_table(pa.table(table), path)


def summary(plan: Plan, out: Path) -> dict[str, Any]:
    """Hash of each day and of the whole, from what is committed.

    Raises :class:`BacktestError` if a task is not.
    """
    days, plan_digest = [], hashlib.blake2b(digest_size=16)
    commands = 0
    for number, name in enumerate(plan.days):
        digest = hashlib.blake2b(digest_size=16)
        for task in plan.tasks_of(number):
            try:
                done = json.loads((out / TASK / task.name / "done.json").read_text())
            except OSError as error:
                raise BacktestError(f"{out}: {task.name} is not done") from error
            for run in done["hashes"].values():
                digest.update(bytes.fromhex(run))
            commands += done["commands"] * len(done["hashes"])
        days.append({"day": name, "commands": done["commands"], "hash": digest.hexdigest()})
        plan_digest.update(digest.digest())
    return {
        "days": days,
        "runs": len(plan.runs()) * len(plan.days),
        "commands": commands,
        "hash": plan_digest.hexdigest(),
    }
