"""A verifier of settlements, written from docs/settlement.md alone.

It imports nothing of the product.  From the files that went in it computes every file that must
come out, and raises ``Mismatch`` at the first that differs.  Clarity comes before speed: each
question is answered by a sum over all trades.
"""

import csv
import io
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import exchange_calendars

TRADE = "trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units"
DUE = "trade_id,due,buyer,seller,asset,quantity_units,cash_asset,cash_units"
COLUMNS = {
    "transfers.csv": "phase,payer,payee,asset,units",
    "balances.csv": "member,asset,balance_units",
    "settled.csv": DUE,
    "fails.csv": DUE + ",short,short_asset,penalty_units",
    "waiting.csv": DUE,
    "owed.csv": "trade_id,payer,payee,asset,units",
    "obligations.csv": "trade_id,settlement_day,delivers,receives,asset,units",
    "nets.csv": "settlement_day,member,asset,net_units",
}
ASSET_OF = {
    **dict.fromkeys(("quantity_units", "balance_units", "net_units", "units"), "asset"),
    **dict.fromkeys(("cash_units", "penalty_units"), "cash_asset"),
}
DECIMAL = {name: name.replace("_units", "").replace("units", "amount") for name in ASSET_OF}
MOST_LINKED = 16
Row = dict[str, str]
Account = tuple[str, str]
Decimals = dict[str, int]
"""By asset; of those that are not named 0."""
Trade = tuple[int, str, str, str, str, int, str, int]
"""The columns of DUE."""


class Mismatch(Exception):
    """A file is not what the page says it must be."""


# When a trade is due


def us_bank_holiday(day: date) -> bool:
    columbus = day.month == 10 and day.weekday() == 0 and 8 <= day.day <= 14
    veterans = day.month == 11 and (day.day == 11 or (day.day == 12 and day.weekday() == 0))
    return columbus or veterans


def target_day(day: date) -> bool:
    """Whether T2S settles; Easter by the table of Gauss."""
    a, b, c = day.year % 19, day.year % 4, day.year % 7
    d = (19 * a + 24) % 30
    e = (2 * b + 4 * c + 6 * d + 5) % 7
    easter = date(day.year, 3, 22) + timedelta(days=d + e - (7 if d + e == 35 else 0))
    off = {easter - timedelta(days=2), easter + timedelta(days=1)}
    fixed = {(1, 1), (5, 1), (12, 25), (12, 26)}
    return day.weekday() < 5 and (day.month, day.day) not in fixed and day not in off


@cache
def sessions_of(market: str, begin: date, end: date) -> list[date]:
    calendar = exchange_calendars.get_calendar(market, start=str(begin), end=str(end))
    return [one.date() for one in calendar.sessions]


def due_day(market: str, trade_date: date) -> date:
    """For XNYS, XETR since 2017 and 24/7."""
    begin, end = date(trade_date.year - 1, 12, 1), date(trade_date.year + 1, 3, 1)
    sessions = sessions_of(market, begin, end)
    session = next(day for day in sessions if day >= trade_date)
    if market == "XNYS":
        days = [day for day in sessions if not us_bank_holiday(day)]
        cycle = 3 if session < date(2017, 9, 5) else 2 if session < date(2024, 5, 28) else 1
    elif market == "XETR":
        every = (begin + timedelta(days=at) for at in range((end - begin).days))
        days = [day for day in every if target_day(day)]
        cycle = 2 if session < date(2027, 10, 11) else 1
    else:
        days, cycle = sessions, 0
    from_here = [day for day in days if day <= session][-1]
    return days[days.index(from_here) + cycle]


# The files


def rows_of(path: Path, columns: str, decimals: Decimals) -> list[Row]:
    """Rows with whole units, of a file with units or decimal amounts."""
    names = columns.split(",")
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    if header == [DECIMAL.get(name, name) for name in names]:
        for row in rows:
            for name in ASSET_OF.keys() & row.keys():
                units = Fraction(row[name]) * 10 ** decimals.get(row[ASSET_OF[name]], 0)
                if units.denominator != 1:
                    raise Mismatch(f"{path.name}: {row[name]} has too many decimals")
                row[name] = str(units)
    elif header != names:
        raise Mismatch(f"{path.name}: its columns are {header}")
    return rows


def written(units: int, decimals: int) -> str:
    digits = str(abs(units)).zfill(decimals + 1)
    text = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return "-" * (units < 0) + text


def trades_of(rows: Iterable[Row]) -> list[Trade]:
    """Rows with or without their due day."""
    trades = []
    for row in rows:
        due = row.get("due") or str(due_day(row["market"], date.fromisoformat(row["trade_date"])))
        names = row["buyer"], row["seller"], row["asset"]
        units, cash = int(row["quantity_units"]), int(row["cash_units"])
        trades.append((int(row["trade_id"]), due, *names, units, row["cash_asset"], cash))
    return trades


def compare(path: Path, rows: Iterable[Iterable[Any]], decimals: Decimals) -> None:
    """The file is these rows, byte for byte; with decimals they are decimal amounts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = COLUMNS[path.name].split(",")
    writer.writerow([DECIMAL.get(name, name) if decimals else name for name in names])
    for values in rows:
        row = dict(zip(names, values, strict=True))
        for name in ASSET_OF.keys() & row.keys() if decimals else ():
            row[name] = written(row[name], decimals.get(row[ASSET_OF[name]], 0))
        writer.writerow(row.values())
    if path.read_bytes() != text.getvalue().encode():
        raise Mismatch(f"{path.name} is not what the input settles to")


def check_obligations(
    trades: Path, obligations: Path, nets: Path, decimals: Decimals | None = None
) -> None:
    """What ``outcry settlement obligations`` and ``net`` wrote."""
    owed, sums, members, assets = [], dict[tuple[str, str, str], int](), list[str](), list[str]()
    for trade in trades_of(rows_of(trades, TRADE, decimals or {})):
        number, day, buyer, seller, asset, units, cash_asset, cash = trade
        members += [name for name in (buyer, seller) if name not in members]
        assets += [name for name in (asset, cash_asset) if name not in assets]
        owed.append((number, day, seller, "clearing", asset, units))
        owed.append((number, day, "clearing", buyer, asset, units))
        if cash:
            owed.append((number, day, buyer, "clearing", cash_asset, cash))
            owed.append((number, day, "clearing", seller, cash_asset, cash))
    for _, day, gives, gets, asset, units in owed:
        sums[day, gives, asset] = sums.get((day, gives, asset), 0) - units
        sums[day, gets, asset] = sums.get((day, gets, asset), 0) + units
    if any(units for (_, name, _), units in sums.items() if name == "clearing"):
        raise Mismatch("the clearing account is left with something")
    order = sorted(
        (day, members.index(name), assets.index(asset), units)
        for (day, name, asset), units in sums.items()
        if name != "clearing" and units
    )
    compare(obligations, owed, decimals or {})
    compare(
        nets,
        ((day, members[name], assets[asset], units) for day, name, asset, units in order),
        decimals or {},
    )


# Delivery against payment


def changes(trade: Trade) -> dict[Account, int]:
    _, _, buyer, seller, asset, units, cash_asset, cash = trade
    return {
        (buyer, asset): units,
        (seller, asset): -units,
        (buyer, cash_asset): -cash,
        (seller, cash_asset): cash,
    }


class Choice:
    """Which of the due trades settle: ``kept`` and ``out``, numbers in the order of due days."""

    def __init__(self, trades: list[Trade], balances: dict[Account, int]) -> None:
        self.effects = [changes(trade) for trade in trades]
        self.balances = balances
        self.kept = set(range(len(trades)))
        self.out: dict[int, Account] = {}
        self.queue: set[int] = set()
        self.take_out()
        self.queue = set(self.out)
        while True:
            while self.queue:
                trade = min(self.queue)
                self.queue.remove(trade)
                if trade in self.out and not self.lacking([trade]):
                    self.put_back(trade)
            groups = (self.group(trade) for trade in sorted(self.out))
            found = next((group for group in groups if group), [])
            if not found:
                break
            for trade in found:
                self.put_back(trade)

    def room(self, account: Account, more: Iterable[int] = ()) -> int:
        chosen = (self.effects[trade].get(account, 0) for trade in (*self.kept, *more))
        return self.balances.get(account, 0) + sum(chosen)

    def lacking(self, trades: list[int]) -> list[Account]:
        """The accounts that would be short if these trades settled too."""
        accounts = {account for trade in trades for account in self.effects[trade]}
        return sorted(account for account in accounts if self.room(account, trades) < 0)

    def take_out(self) -> None:
        accounts = {account for effect in self.effects for account in effect}
        while short := sorted(account for account in accounts if self.room(account) < 0):
            for account in short:
                while self.room(account) < 0:
                    givers = (one for one in self.kept if self.effects[one].get(account, 0) < 0)
                    latest = max(givers)
                    self.kept.remove(latest)
                    self.out[latest] = account

    def put_back(self, trade: int) -> None:
        del self.out[trade]
        self.kept.add(trade)
        for account, units in self.effects[trade].items():
            if units > 0:
                self.queue |= {o for o in self.out if self.effects[o].get(account, 0) < 0}

    def group(self, trade: int) -> list[int]:
        group = [trade]
        while short := self.lacking(group):
            bringers = (
                one
                for one in sorted(self.out)
                if one not in group and self.effects[one].get(short[0], 0) > 0
            )
            found = next(bringers, None)
            if found is None or len(group) == MOST_LINKED:
                return []
            group.append(found)
        return group

    def reason(self, trade: int) -> Account:
        """The account for which a trade fails."""
        short = self.lacking([trade])
        return self.out[trade] if self.out[trade] in short else short[0]


def check_settlement(
    folder: Path,
    trades: Path,
    balances: Path,
    day: str,
    carried: Path | None = None,
    penalty_ppm: int = 100,
    decimals: Decimals | None = None,
) -> None:
    """What ``outcry settlement settle`` wrote to its folder."""
    rows, claims = rows_of(trades, TRADE, decimals or {}), []
    if carried is not None:
        fails, waiting = (
            rows_of(carried / name, COLUMNS[name], decimals or {})
            for name in ("fails.csv", "waiting.csv")
        )
        rows = fails + waiting + rows
        claims = [
            (row["trade_id"], row["payer"], row["payee"], row["asset"], int(row["units"]))
            for row in rows_of(carried / "owed.csv", COLUMNS["owed.csv"], decimals or {})
        ]
    given = trades_of(rows)
    before = {
        (row["member"], row["asset"]): int(row["balance_units"])
        for row in rows_of(balances, COLUMNS["balances.csv"], decimals or {})
    }
    due = sorted((trade[1], at) for at, trade in enumerate(given) if trade[1] <= day)
    choice = Choice([given[at] for _, at in due], before)
    settled = sorted(due[trade][1] for trade in choice.kept)
    failed = sorted((due[trade][1], choice.reason(trade)) for trade in choice.out)
    nets: dict[Account, int] = {}
    for at in settled:
        for account, units in changes(given[at]).items():
            nets[account] = nets.get(account, 0) + units
    gives = sorted((*key, -units) for key, units in nets.items() if units < 0)
    gets = sorted((*key, units) for key, units in nets.items() if units > 0)
    transfers: list[tuple[str, str, str, str, int]] = [
        (phase, member, "clearing", asset, units)
        for phase in ("pending", "post")
        for member, asset, units in gives
    ]
    transfers += [("deliver", "clearing", *get) for get in gets]
    after = dict(before)
    for key, units in nets.items():
        if units:
            after[key] = after.get(key, 0) + units
    fails_out, owed = [], []
    for at, (short, asset) in failed:
        number, _, buyer, seller, _, _, cash_asset, cash = given[at]
        penalty = round(Fraction(cash * penalty_ppm, 1_000_000))
        fails_out.append((*given[at], short, asset, penalty))
        if penalty:
            other = buyer if short == seller else seller
            claims.append((str(number), short, other, cash_asset, penalty))
    for number, payer, payee, asset, units in claims:
        if after.get((payer, asset), 0) < units:
            owed.append((number, payer, payee, asset, units))
            continue
        transfers.append(("penalty", payer, payee, asset, units))
        after[payer, asset] -= units
        after[payee, asset] = after.get((payee, asset), 0) + units
    done = {*settled, *(at for at, _ in failed)}
    compare(folder / "transfers.csv", transfers, decimals or {})
    compare(
        folder / "balances.csv",
        sorted((*key, units) for key, units in after.items()),
        decimals or {},
    )
    compare(folder / "settled.csv", (given[at] for at in settled), decimals or {})
    compare(folder / "fails.csv", fails_out, decimals or {})
    compare(
        folder / "waiting.csv", (t for at, t in enumerate(given) if at not in done), decimals or {}
    )
    compare(folder / "owed.csv", owed, decimals or {})
