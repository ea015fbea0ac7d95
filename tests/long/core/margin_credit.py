"""Credits and charges of random portfolios against the best there could be.

::

    python -m tests.long.core.margin_credit [--count 1000] [--seed 56]

Writes ``docs/evidence/margin_credit.json``.
"""

import argparse

from openoutcry.report.evidence import write_evidence
from tests.support.credit_optimum import figures


def main() -> None:
    """Compare, and write the evidence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=56)
    given = parser.parse_args()
    command = f"python -m tests.long.core.margin_credit --count {given.count} --seed {given.seed}"
    found = figures(given.seed, given.count)
    print(found)
    print(write_evidence("margin_credit", found, command))


if __name__ == "__main__":
    main()
