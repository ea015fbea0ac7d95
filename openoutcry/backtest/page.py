"""The tables and the page of all runs: equity, fills, queue position, latency sensitivity."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from openoutcry.backtest.plan import Plan
from openoutcry.backtest.tasks import TASK
from openoutcry.report.charts import Frame, both, nice_ticks
from openoutcry.report.page import render_page
from openoutcry.report.quantity import compact
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.extras import need

TABLE_ROWS = 200
"""Runs that the page lists: those with the most equity; runs.parquet has all."""
CURVES = 8
BUCKETS = (0, 1, 10, 100, 1_000, 10_000, 100_000)
"""Lots ahead in the queue when an order came to rest: from each of these on."""
Key = tuple[str, str, str]


def write_results(plan: Plan, out: Path, summary: dict[str, Any]) -> Path:
    """Write ``runs.parquet`` and ``report.html`` from what the tasks committed; returns the page.

    A task at a time: it takes no more memory for more days.
    """
    parquet = need("pyarrow.parquet", "a backtest needs pyarrow", "backtest", BacktestError)
    totals: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    fills: dict[Key, list[int]] = defaultdict(lambda: [0] * len(BUCKETS))
    curves: dict[Key, list[int]] = defaultdict(list)
    keys = {
        w.run: (w.strategy, json.dumps(dict(w.parameters), sort_keys=True), w.latency)
        for w in plan.runs()
    }
    scratch, writer = out / ".runs.parquet", None
    for day in range(len(plan.days)):
        offsets = {key: (rows[-1] if rows else 0) for key, rows in curves.items()}
        for task in plan.tasks_of(day):
            folder = out / TASK / task.name
            runs = parquet.read_table(folder / "runs.parquet")
            writer = writer or parquet.ParquetWriter(scratch, runs.schema)
            writer.write_table(runs)
            for row in runs.to_pylist():
                _add(totals[keys[row["run"]]], row)
            _count_fills(parquet.read_table(folder / "fills.parquet"), keys, fills)
            equity = parquet.read_table(folder / "equity.parquet", columns=["run", "equity"])
            for run, value in zip(*(column.to_pylist() for column in equity.columns), strict=True):
                key = keys[run]
                curves[key].append(offsets.get(key, 0) + value)
        for key, rows in curves.items():
            curves[key] = _thinned(rows)
    if writer:
        writer.close()
        scratch.replace(out / "runs.parquet")
    page = render_page("backtest.html", {}, **_values(plan, summary, totals, fills, curves))
    write_atomically(out / "report.html", page)
    return out / "report.html"


def _add(total: dict[str, int], row: dict[str, Any]) -> None:
    for name, value in row.items():
        if isinstance(value, int) and name not in ("day", "run", "drawdown"):
            total[name] += value
    total["drawdown"] = max(total["drawdown"], row["drawdown"])


def _count_fills(table: Any, keys: dict[int, Key], fills: dict[Key, list[int]]) -> None:
    columns = (table[name].to_pylist() for name in ("run", "maker", "ahead_lots"))
    for run, is_maker, ahead in zip(*columns, strict=True):
        if is_maker:
            bucket = sum(ahead >= low for low in BUCKETS) - 1
            fills[keys[run]][bucket] += 1


def _thinned(rows: list[int]) -> list[int]:
    """Return at most 1,024 of the points, the last among them."""
    while len(rows) > 1024:
        rows = rows[len(rows) % 2 :: 2] if len(rows) % 2 else rows[1::2]
    return rows


def _values(
    plan: Plan,
    summary: dict[str, Any],
    totals: dict[Key, Any],
    fills: dict[Key, list[int]],
    curves: dict[Key, list[int]],
) -> dict[str, Any]:
    ordered = sorted(totals, key=lambda key: (-totals[key]["equity"], key))
    names = {key: f"{key[0].rpartition(':')[2]} {_text(key[1])} {key[2]}" for key in ordered}
    best = [(names[key], curves[key]) for key in ordered[:CURVES] if len(curves[key]) > 1]
    latency = []
    for name in plan.latencies:
        rows = [totals[key] for key in ordered if key[2] == name]
        count = max(1, len(rows))
        latency.append(
            {
                "name": name,
                "equity": sum(row["equity"] for row in rows) // count,
                "fills": sum(row["fills"] for row in rows) // count,
                "rejected": sum(row["rejected"] for row in rows) // count,
            }
        )
    queue = [sum(fills[key][at] for key in fills) for at in range(len(BUCKETS))]
    return {
        "summary": summary,
        "plan": plan,
        "chart": _equity_chart(best),
        "curves": [name for name, _ in best],
        "latency": latency,
        "left_out": max(0, len(ordered) - TABLE_ROWS),
        "rows": [
            {
                "name": names[key],
                **totals[key],
                "ahead": totals[key]["ahead_lots"] // max(1, totals[key]["accepted"]),
            }
            for key in ordered[:TABLE_ROWS]
        ],
        "queue": [
            {"from": low, "fills": count, "share": 100 * count / max(1, sum(queue))}
            for low, count in zip(BUCKETS, queue, strict=True)
        ],
    }


def _text(parameters: str) -> str:
    return " ".join(f"{name}={value}" for name, value in json.loads(parameters).items())


def _equity_chart(curves: list[tuple[str, list[int]]]) -> Any:
    """Equity over all days of the runs with the most."""
    if not curves:
        return None
    values = [value for _, rows in curves for value in rows]
    ticks = nice_ticks(min(0, *values), max(1, *values))
    longest = max(len(rows) for _, rows in curves)

    def draw(frame: Frame) -> None:
        frame.axes([], [(value, compact(value)) for value in ticks], "time", "equity, ticks x lots")
        for number, (name, rows) in enumerate(curves):
            points = [(float(at), float(value)) for at, value in enumerate(rows)]
            frame.line(points, f"s{number}", name)

    return both("Equity over the days", (0, longest - 1), (ticks[0], ticks[-1]), draw)
