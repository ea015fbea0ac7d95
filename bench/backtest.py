"""The backtest's figures: a day with a strategy, and two workers compared with one.

The day is compared with hftbacktest, in time and fill by fill.

hftbacktest is given the same day as its own feed (executions as FILL and then CANCEL or MODIFY) and
the same strategy in its own calls. It has the same latencies, its exact queue model for
order-by-order data (l3_fifo_queue_model) and both of its depths. Its time is its run alone; ours is
all of a run: a new matcher, the driver, the hash of every own event.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Day, prepare_day
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.plan import Plan
from openoutcry.backtest.run import FILLED, Run, run_day
from openoutcry.backtest.strategies import requoter
from openoutcry.backtest.work import run_plan
from openoutcry.bench.backtest_day import recorded_market
from openoutcry.bench.peers.matchers import ENVIRONMENTS, SOURCES
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.host.processes import PeerError, die_with_parent
from openoutcry.wire.enums import CommandKind, Side, TimeInForce

NAME = "hftbacktest"
PYTHON = ENVIRONMENTS / NAME / "bin" / "python"
ORDERS, QUICK_ORDERS = 1_000_000, 100_000
LATENCY_NS = 50_000
INTERVAL_NS = 1_000_000
PASSES = 3
TIMEOUT_S = 900
DAYS, QUICK_DAYS = 24, 4
ORDERS_A_DAY, QUICK_ORDERS_A_DAY = 100_000, 5_000
FEED = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
ADD, CANCEL, MODIFY, FILL = 10, 11, 12, 13
"""hftbacktest's events, from its documentation of the data format."""


def setup_backtest() -> int:
    """Install hftbacktest into a separate environment; return 0 when it is there."""
    has_it = [str(PYTHON), "-c", f"import {NAME}"]
    if PYTHON.exists() and subprocess.run(has_it).returncode == 0:
        return 0
    commands = (
        [sys.executable, "-m", "venv", str(PYTHON.parents[1])],
        [str(PYTHON), "-m", "pip", "install", "--quiet", NAME],
    )
    return max(subprocess.run(command).returncode for command in commands)


def bench_backtest(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.  Raises :class:`PeerError` if hftbacktest has
    a fill that :func:`compare` cannot explain."""
    gathered = Rounds(rounds, progress)
    with tempfile.TemporaryDirectory(prefix="outcry-bench-") as folder:
        progress("making the day")
        orders = QUICK_ORDERS if quick else ORDERS
        day = prepare_day(recorded_market("normal", orders, 1), Path(folder) / "day")
        theirs = _peer(day, Path(folder), gathered)
        ours = _ours(day)
        details: dict[str, Any] = {"commands": day.count}
        if theirs is not None:
            details["fills"] = compare(day, ours, theirs("vector")["fills"])

        def one(number: int, add: Add) -> None:
            progress("  one day")
            add("day_ns_per_command", "ns", "lower", _best(day) / day.count)
            for depth in ("vector", "hash") if theirs is not None else ():
                assert theirs is not None
                took_ns = theirs(depth)["took_ns"]
                add("day_ns_per_command", "ns", "lower", took_ns / day.count, f"{NAME}_{depth}")
            for workers in (1, 2) if number % 2 else (2, 1):
                progress(f"  {workers} workers")
                who = "one_worker" if workers == 1 else "ours"
                rate = tasks_per_s(workers, Path(folder), quick)
                add("tasks_per_s", "1/s", "higher", rate, who)

        gathered.run(one)
    document = gathered.document("backtest", command)
    document["details"] = details
    return document


def tasks_per_s(workers: int, folder: Path, quick: bool) -> float:
    """Tasks a second on Ray, from the first that is done to the last: days are generated and
    written meanwhile; Ray's own start is left out."""
    days, orders = (QUICK_DAYS, QUICK_ORDERS_A_DAY) if quick else (DAYS, ORDERS_A_DAY)
    plan = Plan(
        tuple(f"generated:normal:{orders}:{seed}" for seed in range(1, days + 1)),
        ("maker",),
        {"offset_ticks": (0, 1), "qty_lots": tuple(range(1, 17))},
    )
    seen: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run_plan(
            plan,
            Path(out),
            workers,
            progress=lambda done, count: seen.append((time.perf_counter(), done)),
        )
    (first_s, _), (last_s, count) = next(row for row in seen if row[1]), seen[-1]
    return (count - 1) / (last_s - first_s)


def _ours(day: Day) -> Run:
    latency = parse_latency(f"constant:{LATENCY_NS}:{LATENCY_NS}")
    return run_day(day, requoter, {"interval_ns": INTERVAL_NS}, latency)


def _best(day: Day) -> float:
    took = []
    for _ in range(PASSES):
        started = time.perf_counter_ns()
        _ours(day)
        took.append(time.perf_counter_ns() - started)
    return float(min(took))


def _peer(day: Day, folder: Path, gathered: Rounds) -> Callable[[str], dict[str, Any]] | None:
    """Return the function that runs hftbacktest over the day, by its depth; None, with a note,
    where it is missing."""
    if not PYTHON.exists():
        gathered.miss(NAME, f"no {PYTHON}: outcry bench backtest --setup")
        return None
    feed = feed_of(day)
    np.savez(folder / "feed.npz", data=feed)
    prices = [int(feed["px"].min()) - 1_000, int(feed["px"].max()) + 1_000]
    config = {
        "order_ns": LATENCY_NS,
        "feed_ns": LATENCY_NS,
        "tick": 1,
        "range": prices,
        "offset": 0,
        "qty": 1,
        "interval_ns": INTERVAL_NS,
        "passes": PASSES,
    }

    def run(depth: str) -> dict[str, Any]:
        program = str(SOURCES / "day_hftbacktest.py")
        done = subprocess.run(
            [str(PYTHON), program, str(folder / "feed.npz"), json.dumps(config | {"depth": depth})],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            preexec_fn=die_with_parent,
        )
        if done.returncode:
            raise PeerError(f"{NAME} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    return run


def feed_of(day: Day) -> Any:
    """The day as hftbacktest reads it: array of FEED."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    known: dict[int, list[int]] = {}

    def left(order_id: int, ts_ns: int, qty: int) -> None:
        order = known[order_id]
        order[2] -= qty
        is_gone = order[2] <= 0
        kind = CANCEL if is_gone else MODIFY
        rows.append((kind, order[0], ts_ns, order[1], max(0, order[2]), order_id))
        if is_gone:
            del known[order_id]

    for (
        price,
        qty,
        _,
        order_id,
        maker,
        ts_ns,
        _,
        _,
        kind,
        side,
        _,
        tif,
        _,
    ) in day.records().tolist():
        if kind == CommandKind.NEW and tif != TimeInForce.IOC:
            known[order_id] = [side, price, qty]
            rows.append((ADD, side, ts_ns, price, qty, order_id))
        elif kind == CommandKind.NEW and maker in known:
            rows.append((FILL, known[maker][0], ts_ns, price, qty, maker))
            left(maker, ts_ns, qty)
        elif order_id in known:
            left(order_id, ts_ns, qty if kind == CommandKind.REDUCE else known[order_id][2])
    feed = np.zeros(len(rows), FEED)
    kinds, sides, times, prices, lots, ids = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    feed["ev"] = kinds | EXCHANGE | LOCAL | np.where(sides == Side.BUY, BUY, SELL)
    feed["exch_ts"], feed["local_ts"] = times, times + LATENCY_NS
    feed["px"], feed["qty"], feed["order_id"] = prices, lots, ids
    return feed


def compare(day: Day, ours: Run, theirs: list[list[int]]) -> dict[str, int]:
    """Fills of both, order by order.

    - ``equal``: the same order at the same time and price;

    - ``through``: ours, at a moment at which the record has an execution at a worse price.

    The market traded through an own order there. hftbacktest's queue does not know of that, and
    fills such an order later (``later``) or never.

    Raises :class:`PeerError` for any other difference.
    """
    fills = {
        row[lay.LOG_ORDER] - lay.OWN_ID + 1: row
        for row in ours.log.tolist()
        if row[lay.LOG_KIND] == FILLED
    }
    records = day.records()
    times = np.asarray(records["rx_ts_ns"])
    result = {"ours": len(fills), "theirs": len(theirs), "equal": 0, "through": 0, "later": 0}
    others = {row[3]: row for row in theirs}
    for order, row in fills.items():
        other = others.pop(order, None)
        if other and other[0] == row[lay.LOG_NS] and other[2] == row[lay.LOG_TICKS]:
            result["equal"] += 1
            continue
        first, last = np.searchsorted(times, [row[lay.LOG_NS], row[lay.LOG_NS] + 1])
        now = records[first:last]
        executed = now[now["time_in_force"] == TimeInForce.IOC]["price_ticks"]
        is_worse = executed < row[lay.LOG_TICKS]
        if row[lay.LOG_SIDE] != Side.BUY:
            is_worse = executed > row[lay.LOG_TICKS]
        if not is_worse.any() or (other and other[0] < row[lay.LOG_NS]):
            raise PeerError(f"{NAME}: order {order}: ours {row}, theirs {other}")
        result["through"] += 1
        result["later"] += other is not None
    if others:
        raise PeerError(f"{NAME}: fills that we do not have: {sorted(others.values())[:3]}")
    return result
