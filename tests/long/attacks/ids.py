"""What a command costs with a million open orders whose ids an adversary has chosen.

    python -m tests.long.attacks.ids [--orders 1000000] [--evidence FILE]

He knows the source and searches ids that share one chain of the id table under the key of another
engine; half of the book has such ids, the rest are counted up.  Then orders with ids that are in
use are sent, which are looked up and refused: each many times, so that the least of its times is
its own and not the machine's.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.matcher.book import arena
from openoutcry.matcher.book.ids import id_home
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import EventKind
from tests.support.adversary.disasters import add_evidence

BATCH = 64
REPEATS = 15
SAMPLES = 4_000
KNOWN_KEY, REAL_KEY = 5, 0x3C6EF372FE94F82B


def resting(ids: np.ndarray, first_seq: int) -> np.ndarray:
    orders = np.zeros(len(ids), ORDER_DTYPE)
    orders["symbol"], orders["kind"], orders["order_type"], orders["time_in_force"] = b"A", 1, 1, 1
    orders["order_id"], orders["seq"] = ids, np.arange(first_seq, first_seq + len(ids))
    orders["side"], orders["qty_lots"], orders["price_ticks"] = 1, 1, 100
    orders["participant"] = 1
    return orders


def chosen_ids(engine: Engine, count: int) -> np.ndarray:
    """Ids of one chain in 16 under this engine's key."""
    mask = engine._word(arena.ID_MASK)
    ids, candidate = [], 1 << 40
    while len(ids) < count:
        if id_home(engine.address, 1, candidate) & mask < mask // 16:
            ids.append(candidate)
        candidate += 1
    return np.array(ids)


def chain_length_of(engine: Engine) -> tuple[int, float]:
    """The longest chain of the id table, and the mean of those that are not empty."""

    def table(word: int, count: int) -> np.ndarray:
        start = engine._word(word)
        return engine.arena[start : start + count * 4].view(np.uint32)

    slots = table(arena.IDS_AT, engine._word(arena.ID_MASK) + 1)
    links = table(arena.ID_LINKS_AT, engine.order_capacity + 1)
    slots, length, count, orders = slots[slots != 0], 0, 0, 0
    count = len(slots)
    while len(slots):
        length, orders = length + 1, orders + len(slots)
        slots = links[slots]
        slots = slots[slots != 0]
    return length, orders / count


def least_time_ns(engine: Engine, order_id: int) -> float:
    """Return the least time of looking up and refusing an id that is in use."""
    best = 2**62
    for _ in range(REPEATS):
        batch = resting(np.full(BATCH, order_id), engine.last_seq + 1)
        before = time.perf_counter_ns()
        events = engine.process(batch)
        best = min(best, time.perf_counter_ns() - before)
        assert (events["kind"] == EventKind.REJECTED).all()
    return best / BATCH


def measure(orders: int) -> dict[str, Any]:
    instruments, capacity = make_instruments(["A"]), 1 << max(10, (orders + 1_000).bit_length())
    known = Engine(instruments, capacity, id_key=KNOWN_KEY)
    engine = Engine(instruments, capacity, id_key=REAL_KEY)
    chosen = chosen_ids(known, orders // 2)
    ids = np.concatenate([chosen, np.arange(1, orders - len(chosen) + 1)])
    for first in range(0, orders, 4_096):
        engine.process(resting(ids[first : first + 4_096], first + 1))
    assert engine.open_orders == orders
    sample = np.random.default_rng(1).choice(ids, SAMPLES, replace=False)
    least_ns = np.array([least_time_ns(engine, int(order_id)) for order_id in sample])
    for _ in range(3):
        # A machine that does other things as well: the slowest ones are looked at again.
        for place in np.argsort(least_ns)[-20:]:
            least_ns[place] = min(least_ns[place], least_time_ns(engine, int(sample[place])))
    longest, mean = chain_length_of(engine)
    median, worst = float(np.median(least_ns)), float(least_ns.max())
    return {
        "open_orders": orders,
        "chosen_ids": len(chosen),
        "samples": SAMPLES,
        "median_ns": round(median, 1),
        "worst_ns": round(worst, 1),
        "worst_by_median": round(worst / median, 2),
        "longest_chain": longest,
        "mean_chain": round(mean, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    report = measure(given.orders)
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "chosen_ids", report)


if __name__ == "__main__":
    main()
