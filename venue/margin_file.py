"""The venue file's ``[margin]``: the margin of all contracts is by scenarios, with the parameters
of a margin file (docs/margin.md).

The margin file has each contract of the venue with the same terms.  Its values are those that a new
journal begins with; ``outcry venue contract margin`` puts a changed file's in force while trading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.margin import MAX_CONTRACTS, ContractRisk, Parameters
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue.contract_tables import ContractTerms
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import Key, Tables

MARGIN = {"file": Key(toml_tables.text(4_096))}
BY_SCENARIO = {
    "margin": "[margin] sets it",
    "margin_bps": "[margin] sets it",
}
"""Keys of ``[[instrument]]`` that a contract under scenario margin has not, and why."""


def read_margin(
    tables: Tables, folder: Path, contracts: Mapping[str, ContractTerms], symbols: list[str]
) -> tuple[Path | None, Parameters | None]:
    """The margin file and its parameters, contracts in the order of the instruments; both None
    without ``[margin]``.  Mistakes are noted."""
    if "margin" not in tables.document:
        return None, None
    name = tables.table("margin", MARGIN)["file"]
    if "liquidation" not in tables.document:
        tables.wrong(("margin",), "needs a table [liquidation]")
    for path, row in tables.given_rows("instrument"):
        for key, why in BY_SCENARIO.items():
            if key in row and row.get("symbol") in contracts:
                tables.wrong((*path, key), f"does not apply under scenario margin: {why}")
    if name is None:
        return None, None
    file = folder / name
    try:
        return file, margin_parameters(
            file, {s: contracts[s].contract for s in symbols if s in contracts}
        )
    except OutcryError as error:
        tables.wrong(("margin", "file"), str(error))
        return None, None


def changing_commands(
    now: Parameters, new: Parameters, symbols: Sequence[str]
) -> list[npt.NDArray[Any]]:
    """The commands that put other values in force, or nothing where they are the same; ``symbols``:
    of the contracts in their order.

    Raises :class:`OutcryError` if tiers, spreads or legs are others."""
    if now.shape() != new.shape():
        raise OutcryError(
            "tiers, spreads and legs of offsets are fixed by the journal: only values can change"
        )
    staged = []
    for symbol, was, row in zip(symbols, now.contracts, new.contracts, strict=True):
        pairs = [_pairs(one) for one in (was, row)]
        staged += [
            setting(Setting.MARGIN_ARRAY, pair[0], 2 * place, code_of(symbol), pair[1])
            for place, (before, pair) in enumerate(zip(*pairs, strict=True))
            if before != pair
        ]
    for number, (old, own) in enumerate(zip(now.commodities, new.commodities, strict=True)):
        place = number << 8
        if (old.addon, old.initial) != (own.addon, own.initial):
            what = Setting.MARGIN_COMMODITY
            staged.append(setting(what, own.addon, place, second=own.initial))
        staged += [
            setting(Setting.MARGIN_COMMODITY, spread.charge, place | item)
            for item, (before, spread) in enumerate(zip(old.spreads, own.spreads, strict=True), 1)
            if before != spread
        ]
    staged += [
        setting(Setting.MARGIN_OFFSET, offset.rate, number)
        for number, (before, offset) in enumerate(zip(now.offsets, new.offsets, strict=True))
        if before != offset
    ]
    if not staged:
        return []
    drop, apply = (setting(Setting.MARGIN_APPLY, count) for count in (0, len(staged)))
    return [drop, *staged, apply]


def _pairs(row: ContractRisk) -> list[tuple[int, int]]:
    """Return the pairs in the form of MARGIN_ARRAY."""
    losses = row.losses
    return [*zip(losses[::2], losses[1::2], strict=True), (row.delta, row.short_minimum)]


def margin_parameters(file: Path, contracts: Mapping[str, Contract]) -> Parameters:
    """The parameters of a margin file for these contracts, in their order.

    Raises :class:`OutcryError` naming what does not fit them.
    """
    try:
        book = read_book(file)
    except OSError as error:
        raise OutcryError(f"{file}: {error.strerror}") from None
    if not 1 <= len(contracts) <= MAX_CONTRACTS:
        raise OutcryError(f"scenario margin covers 1 to {MAX_CONTRACTS} contracts ([[contract]])")
    for symbol in (*contracts, *book.contracts):
        if symbol not in book.contracts:
            raise OutcryError(f"{file}: there is no [[contract]] {symbol}")
        if symbol not in contracts:
            raise OutcryError(f"{file}: {symbol} is not a contract of the venue")
        for field in fields(Contract):
            here, there = (getattr(one[symbol], field.name) for one in (contracts, book.contracts))
            if here != there:
                raise OutcryError(f"{file}: {symbol}: {field.name} is {there}, the venue's {here}")
    ordered = {symbol: book.contracts[symbol] for symbol in contracts}
    try:
        return replace(book, contracts=ordered).parameters()
    except ValueError as error:
        raise OutcryError(f"{file}: {error}") from None
