"""What was traded in a part of a journal: each participant's volume in money, by which fee tiers
go, and each instrument's lots, by which a limit goes.

Money of other assets is converted at the venue's own prices: the last trade, before the fill, of
the spot instrument between the two assets.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.transactions import transactions
from openoutcry.wire.errors import LedgerError


@dataclass
class Volumes:
    """Traded volumes of one part of a journal."""

    paid: Counter[int] = field(default_factory=Counter)
    """By participant: units of the asset that its spot fills were worth."""
    unconverted: Counter[str] = field(default_factory=Counter)
    """By asset: units of fills that had no price in the asset, which count nothing."""


class _Converter:
    """An asset's worth in another, as trades between the two pass."""

    def __init__(
        self, instrument: int, numerator: int, denominator: int, by_price: bool, last: int
    ) -> None:
        """A unit is worth ``numerator`` / ``denominator`` times the price (``by_price``), or
        divided by it; ``last``: the price so far, 0: there was no trade yet."""
        self.instrument, self.by_price = instrument, by_price
        self.numerator, self.denominator, self.last = numerator, denominator, last

    def prices(self, fills: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Before each fill, 0: there was no trade yet."""
        if not len(fills):
            return np.zeros(0, np.int64)
        trades = (fills["instrument"] == self.instrument) & (fills["kind"] == lay.Kind.POSTED)
        places = np.where(trades, np.arange(len(fills)), -1)
        before = np.concatenate([[-1], np.maximum.accumulate(places)[:-1]])
        prices = np.where(before >= 0, fills["price_ticks"][before], self.last)
        if places.max(initial=-1) >= 0:
            self.last = int(fills["price_ticks"][places.max()])
        return np.asarray(prices)

    def worth(self, units: int, price: int) -> int:
        if self.by_price:
            return units * self.numerator * price // self.denominator
        return units * self.numerator // (self.denominator * price)


def spot_volumes(directory: Path, after_seq: int, until_seq: int, asset: str) -> Volumes:
    """Return the volume of the commands after ``after_seq`` up to ``until_seq``: both sides of
    every spot fill, in units of ``asset``, rounded down.

    Raises :class:`LedgerError` if no spot instrument is paid in the asset."""
    until, found = at(directory, until_seq), Volumes()
    spot, names = until.books.spot, [name for name, _ in until.books.wallets]
    if asset not in [names[quote] for _, quote, _ in spot.values()]:
        raise LedgerError(f"no spot instrument is paid in {asset!r}")
    wanted = names.index(asset)
    multipliers = until.books.instruments[:, lay.MULTIPLIER // lay.WORD]
    last = _last_prices(directory, after_seq, until.books.count)
    converters: dict[int, _Converter] = {}
    for index, (base, quote, lot_units) in sorted(spot.items()):
        tick_units = int(multipliers[index])
        if quote == wanted:
            one = _Converter(index, tick_units, lot_units, True, last[index])
            converters.setdefault(base, one)
        elif base == wanted:
            one = _Converter(index, lot_units, tick_units, False, last[index])
            converters.setdefault(quote, one)
    quotes = np.full(until.books.count, -1)
    quotes[list(spot)] = [quote for _, quote, _ in spot.values()]
    for rows in transactions(directory, until, after_seq):
        posted = rows[np.isin(rows["kind"], (lay.Kind.POSTED, lay.Kind.BROKEN))]
        fills = posted[quotes[posted["instrument"]] >= 0]
        _add(found, fills, quotes[fills["instrument"]], wanted, converters, names)
    return found


def _last_prices(directory: Path, seq: int, count: int) -> list[int]:
    """Return the last price of each instrument after a command; 0 if it has not traded."""
    if not seq:
        return [0] * count
    last = at(directory, seq).books.instruments[:, lay.LAST // lay.WORD].tolist()
    # An instrument that came later, in a journal that continues this one, had no price.
    return [0 if price == lay.NO_LAST else price for price in last] + [0] * (count - len(last))


def _add(
    found: Volumes,
    fills: npt.NDArray[Any],
    quotes: npt.NDArray[Any],
    wanted: int,
    converters: dict[int, _Converter],
    names: list[str],
) -> None:
    prices = {quote: one.prices(fills) for quote, one in converters.items()}
    sign = np.where(fills["kind"] == lay.Kind.BROKEN, -1, 1)
    who, units = fills["participant"].tolist(), (sign * np.abs(fills["clearing"])).tolist()
    for place, quote in enumerate(quotes.tolist()):
        if quote == wanted:
            found.paid[who[place]] += units[place]
        elif quote in converters and prices[quote][place] > 0:
            price = int(prices[quote][place])
            found.paid[who[place]] += converters[quote].worth(units[place], price)
        else:
            found.unconverted[names[quote]] += units[place]


def traded_lots(directory: Path, after_seq: int, until_seq: int) -> dict[str, int]:
    """Return the lots that each instrument traded in the commands after ``after_seq`` up to
    ``until_seq``."""
    until = at(directory, until_seq)
    lots = np.zeros(until.books.count, np.int64)
    for rows in transactions(directory, until, after_seq):
        for kind, sign in ((lay.Kind.POSTED, 1), (lay.Kind.BROKEN, -1)):
            fills = rows[rows["kind"] == kind]
            np.add.at(lots, fills["instrument"], sign * fills["qty_lots"])
    return dict(zip(until.books.symbols, (lots // 2).tolist(), strict=True))
