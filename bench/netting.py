"""What netting costs: a million trades of 200 members in 50 assets to nets, compared with DuckDB.

DuckDB adds the same four legs of every trade up, in 128-bit integers, from columns in its memory;
both must come to the same nets.
"""

from collections.abc import Callable
from datetime import date
from time import perf_counter
from typing import Any

import numpy as np

from openoutcry.bench.rounds import Add, rotated
from openoutcry.ledger.settlement.netting import Nets, net
from openoutcry.ledger.settlement.trades import Trades
from openoutcry.wire import OutcryError

TRADES, QUICK_TRADES = 1_000_000, 100_000
MEMBERS, ASSETS, CASH_ASSETS, DAYS = 200, 50, 5, 2
SEED = 20
PASSES = 3
"""A figure of a round is the best of this many passes."""

SUM = """
SELECT day, member, asset, SUM(units) AS units FROM (
    SELECT due AS day, buyer AS member, asset, quantity::HUGEINT AS units FROM trades
    UNION ALL SELECT due, seller, asset, -quantity::HUGEINT FROM trades
    UNION ALL SELECT due, buyer, cash, -paid::HUGEINT FROM trades
    UNION ALL SELECT due, seller, cash, paid::HUGEINT FROM trades
) GROUP BY ALL HAVING SUM(units) <> 0 ORDER BY ALL
"""


class Netting:
    """The trades, by a seed, and what nets them."""

    def __init__(self, quick: bool) -> None:
        self.trades = seeded_trades(QUICK_TRADES if quick else TRADES)
        self.sizes = {
            "trades": len(self.trades),
            "members": MEMBERS,
            "assets": ASSETS,
            "days": DAYS,
            "seed": SEED,
        }
        self.runners: list[tuple[str, Callable[[], Any]]] = [("ours", self.ours)]
        self.missing = ""
        self._database: Any = None
        self._add_duckdb()
        self._require_agreement()

    def _add_duckdb(self) -> None:
        try:
            import duckdb
            import pyarrow as pa
        except ImportError as error:
            self.missing = f"{error.name}: pip install 'openoutcry[ledger]'"
            return
        trades = self.trades
        columns = {
            "due": trades.due,
            "buyer": trades.buyer,
            "seller": trades.seller,
            "asset": trades.asset,
            "quantity": trades.quantity_units,
            "cash": trades.cash,
            "paid": trades.cash_units,
        }
        self._database = duckdb.connect(config={"threads": 1})
        self._database.register("given", pa.table(columns))
        self._database.execute("CREATE TABLE trades AS SELECT * FROM given")
        self.runners.append(("duckdb", self.duckdb))

    def ours(self) -> Nets:
        """The nets by our kernel."""
        return net(self.trades)

    def duckdb(self) -> list[tuple[int, int, int, int]]:
        """The nets by DuckDB's SQL: rows of day, member, asset and units."""
        rows: list[tuple[int, int, int, int]] = self._database.execute(SUM).fetchall()
        return rows

    def _require_agreement(self) -> None:
        """Compiles ours, too."""
        nets = self.ours()
        rows = list(
            zip(
                nets.day.tolist(),
                nets.member.tolist(),
                nets.asset.tolist(),
                nets.units,
                strict=True,
            )
        )
        if self._database is not None and rows != self.duckdb():
            raise OutcryError("bench ledger: DuckDB's nets are not ours")

    def round(self, number: int, add: Add) -> None:
        """``netting``: trades a second, ours and DuckDB's; both on one core."""
        for who, run in rotated(self.runners, number):
            best = min(_seconds(run) for _ in range(PASSES))
            add("netting", "1/s", "higher", len(self.trades) / best, who)

    def close(self) -> None:
        """Close the database, if there is one."""
        if self._database is not None:
            self._database.close()


def _seconds(run: Callable[[], Any]) -> float:
    begin = perf_counter()
    run()
    return perf_counter() - begin


def seeded_trades(count: int) -> Trades:
    """Return trades of members drawn evenly, each against another; cash is in the last assets."""
    rng = np.random.default_rng(SEED)
    buyer = rng.integers(0, MEMBERS, count)
    first_cash = ASSETS - CASH_ASSETS
    return Trades(
        tuple(f"member {at}" for at in range(MEMBERS)),
        tuple(f"asset {at}" for at in range(ASSETS)),
        tuple(date(2026, 11, 24 + at) for at in range(DAYS)),
        np.arange(count),
        rng.integers(0, DAYS, count),
        buyer,
        (buyer + rng.integers(1, MEMBERS, count)) % MEMBERS,
        rng.integers(0, first_cash, count),
        rng.integers(1, 10**9, count),
        rng.integers(first_cash, ASSETS, count),
        rng.integers(1, 10**15, count),
    )
