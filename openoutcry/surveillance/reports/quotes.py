"""Return the money in which each instrument of a journal is quoted, from its sequenced commands."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from openoutcry.journal.projections import JournalReader, Setting
from openoutcry.surveillance.reports.reference_data import CURRENCY, Codes
from openoutcry.wire import enum_numbers
from openoutcry.wire.asset_names import DECIMALS_MASK, asset_named, asset_text
from openoutcry.wire.errors import AuditError
from openoutcry.wire.symbols import names_by_code, symbol_text, symbols_of

RISK = enum_numbers.COMMAND_KIND_RISK
ASSET, QUOTE = Setting.LEDGER_ASSET, Setting.LEDGER_QUOTE
MAX_PURPOSES = 255
"""A number above is the eight characters of a name."""


def quotes_of(journal: Path) -> dict[str, set[str]]:
    """Return, by symbol, the names of money in which it was quoted; the first declared money
    applies to every instrument without another. Empty: the venue declared none."""
    reader = JournalReader(journal)
    symbols = symbols_of(reader.config)
    monies: dict[str, int] = {}
    quoted: dict[str, set[str]] = {}
    for what, symbol, name, decimals in _settings(reader):
        if what == ASSET:
            monies.setdefault(name, decimals)
        elif monies.get(name) == decimals and symbol in symbols:
            quoted.setdefault(symbol, set()).add(name)
    if not monies:
        return {}
    first = next(iter(monies))
    return {symbol: quoted.get(symbol, {first}) for symbol in symbols}


def _settings(reader: JournalReader) -> Iterator[tuple[int, str, str, int]]:
    """Declarations and quotes in their order: what, of which instrument, money, decimals."""
    names, assets = names_by_code(symbols_of(reader.config)), dict[int, str]()
    for _, orders in reader.chunks():
        rows = orders[orders["kind"] == RISK]
        for row in rows[np.isin(rows["order_type"], (ASSET, QUOTE))]:
            word, symbol = int(row["price_ticks"]), symbol_text(row["symbol"], names)
            name = symbol
            if word > MAX_PURPOSES and row["order_type"] == ASSET:
                assets[word] = asset_text(word, int(row["aux"]), int(row["qty_lots"]))
            if word > MAX_PURPOSES:
                name = asset_named(word, assets)
            yield int(row["order_type"]), symbol, name, int(row["aux"]) & DECIMALS_MASK


def with_quotes(codes: Codes, journal: Path) -> Codes:
    """The codes with each instrument's currency as the journal has it.

    A currency of ``[venue]`` counts only where the journal has no money.  A currency in an
    instrument's table must be that of the journal, if that is a currency's code at all.  Raises
    :class:`AuditError` naming the instrument where it is not, and where the journal has two.
    """
    instruments = dict(codes.instruments)
    for symbol, names in quotes_of(journal).items():
        if symbol not in instruments:
            continue
        where, own = f"{codes.path}: [instruments.{symbol}] currency", symbol in codes.own_currency
        known = [name for name in sorted(names) if CURRENCY.fullmatch(name)]
        has = instruments[symbol].currency
        if own and (not known or has in known):
            continue
        if own:
            raise AuditError(f"{where} = {has!r}, but the journal quotes it in {', '.join(known)}")
        if len(names) > 1 or not known:
            raise AuditError(
                f"{where} is missing: the journal quotes it in {', '.join(sorted(names))}"
            )
        instruments[symbol] = replace(instruments[symbol], currency=known[0])
    return replace(codes, instruments=instruments)
