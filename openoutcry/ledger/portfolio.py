"""What a participant's wallets are worth in one asset, and what was put into them, day by day.

An asset is worth what the last prices say: by the market between it and the currency, or through as
few other markets as possible.  Of several such ways, that one counts whose market comes first in
the venue's table.  An asset to which no traded market leads has no value, and is named.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.books import Books
from openoutcry.ledger.profit import half_even
from openoutcry.ledger.report import Report
from openoutcry.ledger.reports import DIFFERS, Rows, wide_sums
from openoutcry.wire.errors import LedgerError

Prices = Mapping[int, int]
"""Last price in ticks by instrument; those of contracts say nothing about assets."""
BPS = 10_000
OWN = ("available", "reserved", "margin")
HOLDINGS = (
    "participant",
    "asset",
    "available",
    "reserved",
    "total",
    "currency",
    "price",
    "value",
    "share_bps",
)
PERFORMANCE = ("participant", "day", "currency", "value", "invested", "gain")


def asset_named(books: Books, name: str) -> int:
    """Number of an asset that has wallets.  Raises :class:`LedgerError`."""
    names = [one for one, _ in books.wallets]
    if name not in names:
        raise LedgerError(
            f"{name!r}: no asset with wallets; there are {', '.join(names) or 'none'}"
        )
    return lay.MONEY_SLOTS + names.index(name)


def last_prices(books: Books) -> dict[int, int]:
    """Return the last price in ticks of each spot instrument that has traded."""
    prices = {index: int(books.instruments[index, lay.LAST // 8]) for index in books.spot}
    return {index: price for index, price in prices.items() if 0 < price < lay.NO_LAST}


def rates(books: Books, prices: Prices, currency: int) -> dict[int, Fraction]:
    """Return, by asset, the units of the currency that one unit of it is worth."""
    found = {currency: Fraction(1)}
    is_new = True
    while is_new:
        reached: dict[int, Fraction] = {}
        for index in sorted(prices.keys() & books.spot.keys()):
            rules = books.instruments[index]
            base, quote = int(rules[lay.BASE // 8]), int(rules[lay.QUOTE // 8])
            paid = prices[index] * int(rules[lay.MULTIPLIER // 8])
            of_base = Fraction(paid, int(rules[lay.LOT_UNITS // 8]))
            if quote in found and base not in found:
                reached.setdefault(base, found[quote] * of_base)
            elif base in found and quote not in found:
                reached.setdefault(quote, found[base] / of_base)
        found |= reached
        is_new = bool(reached)
    return found


def worth(units: int, rate: Fraction) -> int:
    """Rounded half to even."""
    return half_even(units * rate.numerator, rate.denominator)


def holdings(books: Books, participant: int, currency: str) -> Report:
    """Return a participant's amount of each asset, its value, and its share of the whole."""
    into = asset_named(books, currency)
    rate = rates(books, last_prices(books), into)
    held: list[tuple[int, int, int, int | None]] = []
    for asset in range(lay.MONEY_SLOTS, books.first_lots):
        free = books.balance(participant + 1, asset, Account.AVAILABLE)
        reserved = books.balance(participant + 1, asset, Account.RESERVED)
        if free or reserved:
            value = worth(free + reserved, rate[asset]) if asset in rate else None
            held.append((asset, free, reserved, value))
    whole = sum(value for *_, value in held if value is not None)
    rows: list[tuple[Any, ...]] = []
    for asset, free, reserved, value in held:
        one = 10 ** books.decimals(asset)
        rows.append(
            (
                participant,
                books.assets[asset],
                free,
                reserved,
                free + reserved,
                currency,
                worth(one, rate[asset]) if asset in rate else None,
                value,
                None if value is None or whole <= 0 else half_even(BPS * value, whole),
            )
        )
    money = dict.fromkeys(("available", "reserved", "total"), "asset")
    money |= dict.fromkeys(("price", "value"), "currency")
    notes = [
        f"{books.assets[asset]}: no traded market leads to {currency}; it is not part of the value"
        for asset, _, _, value in held
        if value is None
    ]
    title = f"holdings of participant {participant}"
    return Report(title, HOLDINGS, rows, money, books.scales, notes)


def closes_of(rows: Rows) -> dict[int, dict[int, int]]:
    """Return, by day (since 1970), the last price in ticks of each instrument that traded on it,
    from every participant's transactions."""
    closes: dict[int, dict[int, int]] = defaultdict(dict)
    for part in rows:
        fills = part[part["kind"] == lay.Kind.POSTED]
        keys = (fills["ts_ns"] // lay.DAY_NS) << 16 | fills["instrument"]
        # Of each key the last row: the first one in reverse order.
        found, first = np.unique(keys[::-1], return_index=True)
        prices = fills["price_ticks"][::-1][first]
        for key, price in zip(found.tolist(), prices.tolist(), strict=True):
            day, index = divmod(key, 1 << 16)
            closes[day][index] = price
    return closes


Sums = dict[int, dict[int, int]]
"""Units by day and asset."""


def _add(sums: Sums, own: npt.NDArray[Any], amounts: npt.NDArray[np.int64]) -> None:
    keys = (own["ts_ns"] // lay.DAY_NS) << 16 | own["asset"].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.diff(keys[order], prepend=-1))
    totals = wide_sums(amounts[order], begins)
    for at, total in zip(begins.tolist(), totals, strict=True):
        day, asset = divmod(int(keys[order[at]]), 1 << 16)
        of = sums.setdefault(day, {})
        of[asset] = of.get(asset, 0) + total


class Performance:
    """Holdings and receipts of a participant's wallets, by day, updated by its transactions."""

    def __init__(self, participant: int) -> None:
        self.participant = participant
        self._moved: Sums = {}
        self._brought: Sums = {}
        """Amounts from outside: deposits less withdrawals."""

    def add(self, part: npt.NDArray[Any]) -> None:
        """Transactions that follow those that were added before."""
        own = part[(part["participant"] == self.participant) & (part["asset"] >= lay.MONEY_SLOTS)]
        if len(own):
            _add(self._moved, own, sum(own[name] for name in OWN))
            _add(self._brought, own, -own["outside"])

    def report(self, books: Books, currency: str, closes: Mapping[int, Prices]) -> Report:
        """A row for each day on which anything was traded or the participant brought or took
        money; the last is at the last prices of these books.

        What came from outside counts at the prices of its day's end.  Where none leads to the
        currency yet, those of the first day on which one does count.  ``closes``: as of
        :func:`closes_of`.  Raises
        :class:`LedgerError` if the transactions do not come to what the books have."""
        into, now = asset_named(books, currency), books.now_ns // lay.DAY_NS
        days = self._days(closes, now)
        held: dict[int, int] = defaultdict(int)
        waiting: dict[int, int] = defaultdict(int)
        invested, rows = 0, list[tuple[Any, ...]]()
        first = min(days)
        prices: dict[int, int] = {}
        for day in sorted(day for day in closes if day < first):
            prices |= closes[day]
        for day, of_day in days.items():
            prices |= closes.get(day, {})
            if day == now:
                prices = last_prices(books)
            rate = rates(books, prices, into)
            for one in of_day:
                for asset, units in self._moved.get(one, {}).items():
                    held[asset] += units
                for asset, units in self._brought.get(one, {}).items():
                    waiting[asset] += units
            for asset in [asset for asset in waiting if asset in rate]:
                invested += worth(waiting.pop(asset), rate[asset])
            value = sum(worth(units, rate[asset]) for asset, units in held.items() if asset in rate)
            shown = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
            rows.append((self.participant, shown, currency, value, invested, value - invested))
        self._require_agreement(books, held)
        money = dict.fromkeys(("value", "invested", "gain"), "currency")
        names = [books.assets[asset] for asset in sorted(waiting) if waiting[asset]]
        notes = [
            f"{name}: no traded market leads to {currency}; it is not counted" for name in names
        ]
        title = f"performance of participant {self.participant}"
        return Report(title, PERFORMANCE, rows, money, books.scales, notes)

    def _days(self, closes: Mapping[int, Prices], now: int) -> dict[int, list[int]]:
        """The days of the report, each with the days whose transactions it has: what a journal's
        configuration opens with has no day, and belongs to the first."""
        flows = {day for day, of in self._brought.items() if any(of.values())}
        own = {day for day in self._moved if day}
        first = min({*own, *closes} if 0 in self._moved else own, default=now)
        shown = sorted({day for day in {*closes, *flows} if first <= day <= now} | {now})
        days: dict[int, list[int]] = {day: [] for day in shown}
        for day in sorted(self._moved):
            days[next(one for one in shown if one >= min(day, now))].append(day)
        return days

    def _require_agreement(self, books: Books, held: Mapping[int, int]) -> None:
        for asset in range(lay.MONEY_SLOTS, books.first_lots):
            kinds = Account.AVAILABLE, Account.RESERVED, Account.MARGIN
            has = sum(books.balance(self.participant + 1, asset, kind) for kind in kinds)
            if held.get(asset, 0) != has:
                raise LedgerError(
                    f"the transactions of participant {self.participant} do not add up to its "
                    f"{books.assets[asset]}: {DIFFERS}"
                )


def performance(
    books: Books, rows: Rows, participant: int, currency: str, closes: Mapping[int, Prices]
) -> Report:
    """Like :meth:`Performance.report`, for every transaction from the journal's begin on."""
    made = Performance(participant)
    for part in rows:
        made.add(part)
    return made.report(books, currency, closes)
