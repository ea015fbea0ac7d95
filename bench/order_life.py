"""How fast an audit trail is made and asked: an order's life, a participant's hour.

The journal is a generated day: its commands spread evenly over ten hours of trading.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.flow.generate import GeneratedFlow
from openoutcry.journal import Journal
from openoutcry.journal.replay import instruments_to_json
from openoutcry.surveillance.audit.build import build, files_of
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.audit.verify import verify
from openoutcry.wire.records import ORDER_DTYPE

OPEN_NS, TRADING_NS, HOUR_NS = 1_790_000_000_000_000_000, 36_000 * 10**9, 3_600 * 10**9
WRITTEN_NS = 80_000
"""Time from ingress to the disk, of every block."""
BLOCK, SEED = 16_384, 7
ORDERS, HOURS = 200, 9
"""How many are asked for."""


def write_day(directory: Path, commands: int, seed: int = SEED, *, direct: bool = True) -> None:
    """A journal of a generated day."""
    flow = GeneratedFlow("normal", commands, seed)
    config = {"instruments": instruments_to_json(flow.instruments), "order_capacity": 1 << 20}
    with Journal.create(directory, config, expected_records=commands, direct=direct) as writer:
        for chunk in flow.chunks():
            for at in range(0, len(chunk), BLOCK):
                part = np.array(chunk[at : at + BLOCK], ORDER_DTYPE)
                first = writer.written_seq + 1
                part["seq"] = np.arange(first, first + len(part))
                part["rx_ts_ns"] = OPEN_NS + part["seq"] * (TRADING_NS // commands)
                writer.append(first, [part], len(part), int(part["rx_ts_ns"][-1]) + WRITTEN_NS)


def order_life_ms(
    folder: Path,
    orders: int = ORDERS,
    seed: int = SEED,
    *,
    cold: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return how long each of some orders, drawn from all over a trail, took to be answered, in
    ms. With ``cold``, none of the trail's pages is in memory when it is asked for. With
    ``clock``, times are in seconds."""
    trail = Trail(folder)
    rng = np.random.default_rng(seed)
    ids: list[int] = []
    while len(ids) < orders:
        link = trail.links[int(rng.integers(len(trail.links)))]
        known = trail._index(link).arrays["order_ids"]
        ids.append(int(known[int(rng.integers(len(known)))]))
    if not cold:
        return [_took_ms(partial(trail.order, order_id), clock) for order_id in ids]
    times_ms = []
    for order_id in ids:
        _forget(folder)
        fresh = Trail(folder)
        times_ms.append(_took_ms(partial(fresh.order, order_id)))
    return times_ms


def generated_life_ms(commands: int, orders: int = ORDERS) -> list[float]:
    """:func:`order_life_ms` of a trail that is made for it, and removed."""
    with tempfile.TemporaryDirectory(prefix="outcry-life-") as home:
        journal, folder = Path(home) / "journal", Path(home) / "audit"
        write_day(journal, commands, direct=False)
        build(journal, folder)
        return order_life_ms(folder, orders)


def participant_hour_s(
    folder: Path, hours: int = HOURS, clock: Callable[[], float] = time.perf_counter
) -> dict[int, list[float]]:
    """Return how long each hour of the day took to be answered, in seconds, for the busiest
    participant, one in the middle and the quietest."""
    trail = Trail(folder)
    counts: dict[int, int] = {}
    for link in trail.links:
        arrays = trail._index(link).arrays
        rows = np.diff(arrays["participant_rows"])
        for who, count in zip(arrays["participants"].tolist(), rows.tolist(), strict=True):
            counts[who] = counts.get(who, 0) + count
    by_size = sorted(counts, key=lambda who: counts[who])
    times_s: dict[int, list[float]] = {}
    for who in (by_size[-1], by_size[len(by_size) // 2], by_size[0]):
        times_s[who] = []
        for hour in range(hours):
            begin = OPEN_NS + hour * HOUR_NS
            ms = _took_ms(partial(trail.participant, who, begin, begin + HOUR_NS), clock)
            times_s[who].append(ms / 1e3)
    return times_s


def _took_ms(what: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    assert what() is not None
    return (clock() - started) * 1e3


def _forget(folder: Path) -> None:
    """Have the system drop the trail's pages."""
    trail = Trail(folder)
    for link in trail.links:
        for path in files_of(folder, link):
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def measure(home: Path, commands: int, progress: Callable[[str], None] = print) -> dict[str, Any]:
    """Write, build, verify and ask a trail of ``commands`` commands in ``home``; the figures."""
    journal, folder = home / "journal", home / "audit"
    if not Journal.exists(journal):
        progress(f"a journal of {commands:,} commands")
        write_day(journal, commands)
    progress("the trail")
    started, began = time.perf_counter(), time.process_time()
    result = build(journal, folder, progress=lambda seq, last: progress(f"{seq:,} of {last:,}"))
    build_s, build_cpu_s = time.perf_counter() - started, time.process_time() - began
    started = time.perf_counter()
    checked = verify(folder)
    verify_s = time.perf_counter() - started
    assert not checked["faults"], checked["faults"]
    progress("orders")
    warm = order_life_ms(folder)
    processor = order_life_ms(folder, clock=time.process_time)
    cold = order_life_ms(folder, 20, cold=True)
    progress("hours")
    hours = participant_hour_s(folder)
    hours_cpu = participant_hour_s(folder, clock=time.process_time)
    return {
        "commands": commands,
        "rows": result["rows"],
        "parts": result["parts"],
        "bytes": checked["bytes"],
        "build_s": build_s,
        "build_cpu_s": build_cpu_s,
        "verify_s": verify_s,
        "load": os.getloadavg()[1],
        "participant_hour_cpu_s": {str(w): _spread(took) for w, took in hours_cpu.items()},
        "order_life_ms": _spread(warm),
        "order_life_cpu_ms": _spread(processor),
        "order_life_cold_ms": _spread(cold),
        "participant_hour_s": {str(who): _spread(took) for who, took in hours.items()},
    }


def _spread(values: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": max(values), "count": len(values)}
