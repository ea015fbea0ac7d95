"""Portfolios and orders without end: the margin kernels against the reference.

::

    python -m tests.long.core.margin_portfolios --count 10000000 --state FILE

Each block of portfolios has a seed of its number alone.  The state is the number of blocks that
agreed, so a run continues where an earlier one was stopped.
"""

import argparse
from pathlib import Path
from random import Random

import numpy as np

from openoutcry.derivatives.margin import Margin, Parameters, Refused, worst_margin
from openoutcry.derivatives.margin_kernels import (
    ACCEPTED,
    REFUSED,
    TOO_LITTLE,
    check_order,
)
from openoutcry.derivatives.margin_kernels import worst_margin as worst_margin_kernel
from openoutcry.derivatives.margin_layout import MarginWork, Totals, rows_of, table_of, work_of
from tests.support.portfolios import random_parameters, random_portfolio

BLOCK = 1_000
"""Portfolios, all of the same parameters; of each one check of a further order."""
FIELDS = ("scan", "active", "intra", "price_risk", "credit", "addon", "maintenance", "initial")


def expected(parameters: Parameters, positions: dict[int, int], orders: list[tuple[int, int]]):
    """The reference's margin, or REFUSED."""
    try:
        return worst_margin(parameters, positions, orders)
    except Refused:
        return REFUSED


class Block:
    """Parameters, and memory for portfolios of them."""

    def __init__(self, number: int) -> None:
        self.rng = Random(f"margin {number}")
        self.parameters = random_parameters(self.rng, 3, 8)
        self.table, self.work = table_of(self.parameters), work_of(self.parameters)
        self.at = self.table.ctypes.data, self.work.ctypes.data
        count = len(self.parameters.commodities)
        begin = MarginWork.size_bytes // 8
        rows = self.work[begin : begin + count * Totals.size_bytes // 8].reshape(count, -1)
        places = [Totals.offset(name) // 8 for name in FIELDS]
        self.results = rows, places, Totals.offset("shorts") // 8

    def run(self) -> None:
        """Compare every portfolio of the block; raise AssertionError at a difference."""
        for _ in range(BLOCK):
            positions, orders = random_portfolio(self.rng, self.parameters, 6)
            self.compare(positions, orders)

    def compare(self, positions: dict[int, int], orders: list[tuple[int, int]]) -> None:
        parameters, rng = self.parameters, self.rng
        theirs = expected(parameters, positions, orders)
        rows, opened = rows_of(positions), rows_of(orders)
        table, work = self.at
        ours = worst_margin_kernel(
            table, rows.ctypes.data, len(rows), opened.ctypes.data, len(opened), work
        )
        if theirs == REFUSED:
            assert ours == REFUSED, (parameters, positions, orders)
            return
        assert isinstance(theirs, Margin)
        assert ours == theirs.initial, (parameters, positions, orders)
        table_rows, places, shorts = self.results
        found = table_rows[:, [*places, shorts]].tolist()
        for row, part in zip(found, theirs.commodities, strict=True):
            values = [getattr(part, name) for name in FIELDS]
            assert row == [*values, part.short_minimum], (parameters, positions, orders)
        contract = rng.randrange(len(parameters.contracts))
        lots = rng.choice([-1, 1]) * rng.randint(1, 50)
        after = expected(parameters, positions, [*orders, (contract, lots)])
        limit = theirs.initial if after == REFUSED else after.initial
        available = rng.choice([limit - 1, limit, limit + 1, theirs.initial])
        answer = check_order(table, work, contract, lots, available)
        if after == REFUSED:
            assert answer == REFUSED, (parameters, positions, orders, contract, lots)
        else:
            fits = ACCEPTED if after.initial <= available else TOO_LITTLE
            assert answer == fits, (parameters, positions, orders, contract, lots, available)


def main() -> None:
    """Run blocks until there are ``--count`` portfolios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    done = int(options.state.read_text()) if options.state.exists() else 0
    np.seterr(all="raise")
    while done * BLOCK < options.count:
        Block(done).run()
        done += 1
        options.state.write_text(str(done))
    print(f"{done * BLOCK} portfolios, 0 differences")


if __name__ == "__main__":
    main()
