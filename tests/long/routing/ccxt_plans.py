"""Compare our orders with those that CCXT's ``OrderRouter`` plans of the same split.

::

    python -m tests.long.routing.ccxt_plans [--books 10000] [--seed 1]

Writes ``docs/evidence/routing_ccxt.json``.
"""

import argparse
from random import Random

import numpy as np

from openoutcry.report.evidence import write_evidence
from tests.support.routing.ccxt_plans import Case

GONE = (0, 1, 3)
"""Levels of each venue that others have taken before the orders arrive."""


def compare(books, seed):
    """The figures of so many books in which something can be filled."""
    rng = Random(seed)
    rows = {(who, gone): [] for who in ("ours", "theirs") for gone in GONE}
    times = {"split_ns": [], "ccxt_ns": []}
    blocking = off_grid = orders = 0
    while len(times["split_ns"]) < books:
        try:
            case = Case(rng)
        except LookupError:
            continue
        for name, values in times.items():
            values.append(getattr(case, name))
        orders += len(case.ours)
        codes = [finding["code"] for finding in case.findings]
        # A split that cannot fill all says so itself; CCXT repeats it.
        blocking += sum(finding["blocking"] for finding in case.findings)
        off_grid += codes.count("price_precision")
        for who, gone in rows:
            rows[who, gone].append(case.outcome(getattr(case, who), gone))
    figures = {"books": books, "seed": seed, "orders": orders, "blocking": blocking}
    figures["off_grid"] = off_grid
    for (who, gone), values in rows.items():
        filled, worse = np.array(values).T
        figures[f"{who}_{gone}"] = {
            "filled_whole": int((filled > 1 - 1e-12).sum()),
            "filled_percent": round(float(filled.mean() * 100), 2),
            "worse_ppm": round(float((filled * worse).sum() / filled.sum()), 1),
            "worst_ppm": round(float(worse.max()), 1),
        }
    for name, values in times.items():
        for share in (50, 99):
            figures[f"{name[:-3]}_us_p{share}"] = round(
                float(np.percentile(values, share)) / 1_000, 1
            )
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--books", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    command = f"python -m tests.long.routing.ccxt_plans --books {given.books} --seed {given.seed}"
    figures = compare(given.books, given.seed)
    print(write_evidence("routing_ccxt", figures, command))
    print(figures)


if __name__ == "__main__":
    main()
