"""The settlement's files: balances in; transfers, balances, what settled, failed and waits out;
what failed and what waits come in again."""

import shutil
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.netting import Nets
from openoutcry.ledger.settlement.settle import Balances, Owed, Settled
from openoutcry.ledger.settlement.trades import CLEARING, Trades
from openoutcry.wire.errors import SettlementError

BALANCES: tables.Columns = {
    "member": tables.name,
    "asset": tables.name,
    "balance_units": tables.balance,
}
WAITING: tables.Columns = {
    "trade_id": tables.natural,
    "due": tables.day,
    "buyer": tables.name,
    "seller": tables.name,
    "asset": tables.name,
    "quantity_units": tables.positive,
    "cash_asset": tables.name,
    "cash_units": tables.natural,
}
"""Columns of waiting.csv and of settled.csv."""
FAILS: tables.Columns = {
    **WAITING,
    "short": tables.name,
    "short_asset": tables.name,
    "penalty_units": tables.natural,
}
OWED: tables.Columns = {
    "trade_id": tables.natural,
    "payer": tables.name,
    "payee": tables.name,
    "asset": tables.name,
    "units": tables.positive,
}
TRANSFERS = ("phase", "payer", "payee", "asset", "units")
NETS = ("settlement_day", "member", "asset", "net_units")
OBLIGATIONS = ("trade_id", "settlement_day", "delivers", "receives", "asset", "units")


def read_balances(path: Path, scales: tables.Scales | None = None) -> Balances:
    """``scales``: decimals by asset, here and below.  Raises ``SettlementError`` naming row and
    field: also for an account that is there twice."""
    balances: Balances = {}
    for number, (member, asset, units) in enumerate(tables.read(path, BALANCES, scales), 2):
        if (member, asset) in balances:
            raise SettlementError(f"{path}: row {number}: {member} has {asset} twice")
        if member == CLEARING:
            raise SettlementError(f"{path}: row {number}, member: {CLEARING} is not a member")
        balances[member, asset] = units
    return balances


def read_owed(folder: Path, scales: tables.Scales | None = None) -> list[Owed]:
    """The penalties that an earlier settlement's folder says are open."""
    return [Owed(*row) for row in tables.read(folder / "owed.csv", OWED, scales)]


def with_carried(trades: Trades, folder: Path, scales: tables.Scales | None = None) -> Trades:
    """The trades and, before them, those that failed or were not due in an earlier settlement's
    folder.

    Raises ``SettlementError`` naming the row, also for a trade that is in both, or has settled.
    """
    members = {name: at for at, name in enumerate(trades.members)}
    assets = {name: at for at, name in enumerate(trades.assets)}
    days = set(trades.days)
    known = set(trades.trade_id.tolist())
    rows = []
    files = (("settled.csv", WAITING), ("fails.csv", FAILS), ("waiting.csv", WAITING))
    for name, columns in files:
        for number, row in enumerate(tables.read(folder / name, columns, scales), 2):
            if row[0] in known:
                raise SettlementError(
                    f"{folder / name}: row {number}, trade_id: {row[0]} already exists"
                )
            known.add(row[0])
            if name != "settled.csv":
                days.add(row[1])
                rows.append(row)
    ordered = tuple(sorted(days))
    place = {day: at for at, day in enumerate(ordered)}
    before = (
        np.array(
            [
                (
                    trade_id,
                    place[due],
                    members.setdefault(buyer, len(members)),
                    members.setdefault(seller, len(members)),
                    assets.setdefault(asset, len(assets)),
                    units,
                    assets.setdefault(cash_asset, len(assets)),
                    cash,
                )
                for trade_id, due, buyer, seller, asset, units, cash_asset, cash, *_ in rows
            ],
            np.int64,
        )
        .reshape(-1, 8)
        .T
    )
    moved = np.array([place[day] for day in trades.days], np.int64)
    due = moved[trades.due] if len(trades.days) else trades.due
    own = (
        trades.trade_id,
        due,
        trades.buyer,
        trades.seller,
        trades.asset,
        trades.quantity_units,
        trades.cash,
        trades.cash_units,
    )
    both = [np.concatenate(pair) for pair in zip(before, own, strict=True)]
    return Trades(tuple(members), tuple(assets), ordered, *both)


def net_rows(trades: Trades, nets: Nets) -> Iterable[tuple[date, str, str, int]]:
    """Yield (settlement day, member, asset, units) for each net."""
    for day, member, asset, units in zip(
        nets.day.tolist(), nets.member.tolist(), nets.asset.tolist(), nets.units, strict=True
    ):
        yield trades.days[day], trades.members[member], trades.assets[asset], units


def write_settlement(
    folder: Path, trades: Trades, result: Settled, scales: tables.Scales | None = None
) -> None:
    """Write transfers.csv, balances.csv, settled.csv, fails.csv, waiting.csv (not due yet) and
    owed.csv to a new folder, all or none; ``scales``: as of ``tables.write``."""
    if folder.exists():
        raise SettlementError(f"{folder} already exists; a settlement is never overwritten")
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    try:
        for name, names, rows in (
            ("transfers.csv", TRANSFERS, result.transfers),
            ("balances.csv", list(BALANCES), sorted((*k, u) for k, u in result.balances.items())),
            ("settled.csv", list(WAITING), map(trades.row, result.settled)),
            ("fails.csv", list(FAILS), _fail_rows(trades, result)),
            ("waiting.csv", list(WAITING), map(trades.row, result.waiting(len(trades)))),
            ("owed.csv", Owed._fields, result.owed),
        ):
            tables.write(part / name, names, rows, scales)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _fail_rows(trades: Trades, result: Settled) -> Iterable[tuple[Any, ...]]:
    """Due is the day on which it should have settled first."""
    for fail in result.fails:
        yield (*trades.row(fail.at), fail.short, fail.asset, fail.penalty_units)
