"""A ledger as of any sequence of a large journal, from its checkpoints: how long that takes.

    python -m tests.oracles.ledger_as_of --commands 100000000 --home FOLDER [--evidence]

A folder that holds such a journal already is taken as it is.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.ledger import BATCH, configuration, trading
from openoutcry.journal import Journal
from openoutcry.ledger.follow import Follower
from openoutcry.ledger.ledger_state import EVERY, at, checkpoints, folder_of
from openoutcry.ledger.parquet_store import ParquetStore

STRETCH = 1_000_000
BEGIN_NS, STEP_NS = 1_700_000_000 * 10**9, 10_000
"""When the first command came, and 100,000 a second behind it."""
LIMIT_S = 2.0


def write_journal(home: Path, commands: int) -> None:
    """Fee settings, then orders that trade in pairs: the same market again and again, by number."""
    first, last = trading(STRETCH // 2), 0
    settings, market = first[:2].copy(), first[2:].copy()
    with Journal.create(home, configuration(), direct=False) as writer:
        for part in [settings, *[market] * max(1, commands // STRETCH)]:
            part["order_id"] = part["seq"] = np.arange(last + 1, last + len(part) + 1)
            part["rx_ts_ns"] = BEGIN_NS + part["seq"] * STEP_NS
            for begin in range(0, len(part), BATCH):
                batch = part[begin : begin + BATCH].copy()
                writer.append(int(batch["seq"][0]), [batch], len(batch), 1)
            last += len(part)


def measured(home: Path, commands: int, looks: int = 16, seed: int = 3) -> dict[str, Any]:
    """Seconds of looks at random sequences and moments, and at those right before a checkpoint,
    which have the most to replay."""
    if not home.exists():
        write_journal(home, commands)
    if not checkpoints(home):
        follower = Follower(home, ParquetStore(folder_of(home)))
        follower.advance()
        follower.store.finish()
    last = at(home).seq
    rng = np.random.default_rng(seed)
    seqs = [int(seq) for seq in rng.integers(1, last, looks)]
    worst = [int(seq) // EVERY * EVERY + EVERY - 1 for seq in rng.integers(1, last - EVERY, looks)]
    queries: list[dict[str, int]] = [{"seq": seq} for seq in (*seqs, *worst, last)]
    queries += [{"time_ns": BEGIN_NS + seq * STEP_NS} for seq in worst]
    seconds, cpu_seconds = [], []
    for one in queries:
        began, worked = time.perf_counter(), time.process_time()
        ledger_state = at(home, **one)
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - worked)
        assert ledger_state.seq == one.get("seq", (one.get("time_ns", 0) - BEGIN_NS) // STEP_NS)
        assert not any(ledger_state.books.sums())
    return {
        "commands": last,
        "checkpoints": len(checkpoints(home)),
        "looks": len(seconds),
        "s_median": float(np.median(seconds)),
        "s_max": max(seconds),
        "cpu_s_median": float(np.median(cpu_seconds)),
        "cpu_s_max": max(cpu_seconds),
        "limit_s": LIMIT_S,
        "seed": seed,
        "load_1_min": os.getloadavg()[0],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--commands", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true", help="Write docs/evidence.")
    given = parser.parse_args()
    figures = measured(given.home, given.commands)
    print(figures)
    if given.evidence:
        from openoutcry.report.evidence import write_evidence

        command = f"python -m tests.oracles.ledger_as_of --commands {given.commands} --home FOLDER"
        write_evidence("ledger_as_of", figures, command)
