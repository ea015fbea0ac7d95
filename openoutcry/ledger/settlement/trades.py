"""Trades that are to be settled, as columns, and the obligations that each of them is."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.cycle import settlement_date
from openoutcry.wire.errors import SettlementError

Ints = npt.NDArray[np.int64]
CLEARING = "clearing"
"""The account that is buyer to every seller and seller to every buyer; no member has this name."""

COLUMNS: tables.Columns = {
    "trade_id": tables.natural,
    "trade_date": tables.day,
    "market": tables.name,
    "buyer": tables.name,
    "seller": tables.name,
    "asset": tables.name,
    "quantity_units": tables.positive,
    "cash_asset": tables.name,
    "cash_units": tables.natural,
}


@dataclass(frozen=True)
class Trades:
    """n trades; ``members``, ``assets`` and ``days`` are what the indices of the columns mean.

    ``trade_id``, ``quantity_units``, ``cash_units``: int64 of (n,); ``due``, ``buyer``, ``seller``,
    ``asset``, ``cash``: indices of (n,).  ``days`` ascend.
    """

    members: tuple[str, ...]
    assets: tuple[str, ...]
    days: tuple[date, ...]
    trade_id: Ints
    due: Ints
    buyer: Ints
    seller: Ints
    asset: Ints
    quantity_units: Ints
    cash: Ints
    cash_units: Ints

    def __len__(self) -> int:
        return len(self.trade_id)

    def chosen(self, which: npt.NDArray[np.bool_] | Ints) -> "Trades":
        """Some of them, with the same members, assets and days."""
        columns = (
            "trade_id",
            "due",
            "buyer",
            "seller",
            "asset",
            "quantity_units",
            "cash",
            "cash_units",
        )
        return Trades(
            self.members,
            self.assets,
            self.days,
            *(getattr(self, column)[which] for column in columns),
        )

    def row(self, at: int) -> tuple[int, date, str, str, str, int, str, int]:
        """One as trade_id, day, buyer, seller, asset, units, cash asset, units."""
        return (
            int(self.trade_id[at]),
            self.days[self.due[at]],
            self.members[self.buyer[at]],
            self.members[self.seller[at]],
            self.assets[self.asset[at]],
            int(self.quantity_units[at]),
            self.assets[self.cash[at]],
            int(self.cash_units[at]),
        )


def read_trades(
    path: Path,
    days: int | None = None,
    closed: Collection[date] = (),
    opened: Collection[date] = (),
    scales: tables.Scales | None = None,
) -> Trades:
    """The trades of a CSV file, each with the day on which it is due.

    days: n of T+n for all of them; None: by market and date.  closed, opened: see
    ``settlement_date``.  scales: decimals by asset, for a file with decimal amounts.
    Raises ``SettlementError`` naming row and field.  Also for a trade that occurs twice, one with
    oneself, one of an asset against itself, and one in the name of the clearing account.
    """
    members, assets = _Numbered(), _Numbered()
    seen: set[int] = set()
    rows: list[tuple[int, ...]] = []
    due: list[date] = []
    shut, more = frozenset(closed), frozenset(opened)
    for number, row in enumerate(tables.read(path, COLUMNS, scales), 2):
        trade_id, trade_date, market, buyer, seller, asset, units, cash_asset, cash = row
        fault = _fault(seen, trade_id, buyer, seller, asset, cash_asset)
        if fault:
            raise SettlementError(f"{path}: row {number}, {fault}")
        seen.add(trade_id)
        try:
            due.append(settlement_date(market, trade_date, days, shut, more))
        except SettlementError as error:
            raise SettlementError(f"{path}: row {number}, market: {error}") from None
        rows.append(
            (
                trade_id,
                members[buyer],
                members[seller],
                assets[asset],
                units,
                assets[cash_asset],
                cash,
            )
        )
    ordered = tuple(sorted(set(due)))
    index = {day: at for at, day in enumerate(ordered)}
    columns = np.array(rows, np.int64).reshape(-1, 7).T
    return Trades(
        tuple(members),
        tuple(assets),
        ordered,
        columns[0].copy(),
        np.array([index[day] for day in due], np.int64),
        *(column.copy() for column in columns[1:]),
    )


def _fault(
    seen: set[int], trade_id: int, buyer: str, seller: str, asset: str, cash_asset: str
) -> str:
    if trade_id in seen:
        return f"trade_id: {trade_id} occurs twice"
    if buyer == seller:
        return f"seller: {seller} trades with itself"
    if CLEARING in (buyer, seller):
        return f"{'buyer' if buyer == CLEARING else 'seller'}: {CLEARING} is not a member"
    if asset == cash_asset:
        return f"cash_asset: {asset} is paid with itself"
    return ""


class _Numbered(dict[str, int]):
    """Names, each with a number in the order in which they came."""

    def __missing__(self, key: str) -> int:
        self[key] = len(self)
        return self[key]


def obligations(trades: Trades) -> Iterator[tuple[int, date, str, str, str, int]]:
    """Return the obligations of each trade after novation: (trade_id, day, deliverer, receiver,
    asset, units).

    Four of each trade, every one with the clearing account on one side; of a price of 0 two."""
    for at in range(len(trades)):
        trade_id, day, buyer, seller, asset, units, cash_asset, cash = trades.row(at)
        yield trade_id, day, seller, CLEARING, asset, units
        yield trade_id, day, CLEARING, buyer, asset, units
        if cash:
            yield trade_id, day, buyer, CLEARING, cash_asset, cash
            yield trade_id, day, CLEARING, seller, cash_asset, cash
