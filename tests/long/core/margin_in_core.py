"""Portfolios and orders without end in the risk state of a core, against the plain margin.

::

    python -m tests.long.core.margin_in_core --count 1000000 --state FILE [--evidence]

Each block has parameters of its number alone.  A participant gets a random portfolio; its
maintenance margin and the core's answer to one more order must be what ``derivatives/margin.py``
says.  The state has the blocks that agreed, by the commit that they ran on, so a run continues
where an earlier one was stopped.  ``--evidence`` writes ``docs/evidence/margin_in_core.json`` at
the end, or when the run is interrupted.
"""

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np

from openoutcry.derivatives.margin import Parameters, Refused, margin, worst_margin
from openoutcry.host.commit import commit
from openoutcry.report.evidence import write_evidence
from openoutcry.risk import layout as lay
from openoutcry.risk.before import before
from openoutcry.risk.bits import RiskBit
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.margin_commands import begin_again
from openoutcry.risk.region import View, make_region
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.portfolios import random_parameters, random_portfolio

BLOCK = 1_000
"""Portfolios, all of the same parameters; of each one order."""
PRICE, WHO = 1_000, 1
MARGIN, ARITHMETIC = 1 << RiskBit.MARGIN, 1 << RiskBit.ARITHMETIC


class Block:
    """A core with random parameters and one participant."""

    def __init__(self, number: int) -> None:
        self.rng = Random(f"core {number}")
        self.parameters: Parameters = random_parameters(self.rng, 3, 8)
        count = len(self.parameters.contracts)
        rows = [
            {
                "symbol": f"C{n}",
                "min_price_ticks": 1,
                "max_price_ticks": 2_000,
                "reference_price_ticks": PRICE,
            }
            for n in range(count)
        ]
        self.table = make_instruments(rows)
        self.region = make_region(
            self.table,
            2,
            order_capacity=4,
            leveraged=range(count),
            contracts=dict.fromkeys(range(count), (PERPETUAL, 0, 1, 0, 0, 0, 0)),
            margin=self.parameters.numbers(),
        )
        self.view = View(self.region)
        assert self.view.portfolio is not None
        base = self.region.ctypes.data
        block = base + self.view.word(lay.PORTFOLIO_AT)
        self.addresses = base, block, base + self.view.portfolio.word("table_at")
        self.order = np.zeros(1, ORDER_DTYPE)
        self.order["kind"], self.order["order_type"] = CommandKind.NEW, OrderType.LIMIT
        self.order["time_in_force"], self.order["participant"] = TimeInForce.DAY, WHO
        self.refused = self.accepted = 0

    def run(self) -> None:
        """Compare every portfolio of the block; raise AssertionError at a difference."""
        for _ in range(BLOCK):
            positions, orders = random_portfolio(self.rng, self.parameters, 6)
            orders = [(contract, lots) for contract, lots in orders if lots]
            try:
                worst_margin(self.parameters, positions, orders)
            except Refused:
                continue
            self.hold(positions, orders)
            self.compare(positions, orders)

    def hold(self, positions: dict[int, int], orders: list[tuple[int, int]]) -> None:
        cells = self.view.cells[WHO]
        for at in (lay.POSITION, lay.BUY_LOTS, lay.SELL_LOTS):
            cells[:, at // 8] = 0
        for contract, lots in positions.items():
            cells[contract, lay.POSITION // 8] = lots
        for contract, lots in orders:
            cells[contract, (lay.BUY_LOTS if lots > 0 else lay.SELL_LOTS) // 8] += abs(lots)
        begin_again(*self.addresses, WHO)

    def compare(self, positions: dict[int, int], orders: list[tuple[int, int]]) -> None:
        parameters, rng, row = self.parameters, self.rng, self.view.participants[WHO]
        said = parameters, positions, orders
        assert row[lay.PORTFOLIO // 8] == margin(parameters, positions).maintenance, said
        contract = rng.randrange(len(parameters.contracts))
        lots = rng.choice([-1, 1]) * rng.randint(1, 50)
        now = worst_margin(parameters, positions, orders).initial
        try:
            asked: int | None = worst_margin(
                parameters, positions, [*orders, (contract, lots)]
            ).initial
        except Refused:
            asked = None
        # Worse than the mark by some ticks, or better.
        away = rng.randint(-3, 3)
        loss = max(0, away * abs(lots))
        limit = now if asked is None else asked + loss
        available = rng.choice([limit - 1, limit, limit + 1, now])
        row[lay.CREDIT // 8] = max(available, 0)
        self.order["symbol"] = self.table["symbol"][contract]
        self.order["side"] = Side.BUY if lots > 0 else Side.SELL
        self.order["qty_lots"] = abs(lots)
        self.order["price_ticks"] = PRICE + (away if lots > 0 else -away)
        answer = before(self.addresses[0], self.order.ctypes.data) >> 8
        wanted = 0
        if asked is None:
            wanted = ARITHMETIC
        elif asked + loss > max(available, 0) and asked + loss > now:
            wanted = MARGIN
        assert answer == wanted, (*said, contract, lots, away, available)
        self.refused += answer != 0
        self.accepted += answer == 0


def main() -> None:
    """Run blocks until there are ``--count`` portfolios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    blocks: dict[str, int] = {}
    if options.state.exists():
        blocks = json.loads(options.state.read_text())
    build = commit()
    try:
        while (done := sum(blocks.values())) * BLOCK < options.count:
            Block(done).run()
            blocks[build] = blocks.get(build, 0) + 1
            write_atomically(options.state, json.dumps(blocks))
    except KeyboardInterrupt:
        print("interrupted")
    count = sum(blocks.values()) * BLOCK
    print(f"{count} portfolios, 0 differences")
    if options.evidence:
        command = f"python -m tests.long.core.margin_in_core --count {count} --state FILE"
        builds = {name: number * BLOCK for name, number in blocks.items()}
        figures = {"portfolios": count, "different": 0, "builds": builds}
        write_evidence("margin_in_core", figures, f"{command} --evidence")


if __name__ == "__main__":
    main()
