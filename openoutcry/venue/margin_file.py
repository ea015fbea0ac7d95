"""The venue file's ``[margin]``: the margin of all contracts is by scenarios, with the parameters
of a margin file (docs/margin.md).

The margin file has each contract of the venue with the same terms.  Its values are those that a new
journal begins with; ``outcry venue contract margin`` puts a changed file's in force while trading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.collateral import CollateralRisk, Haircut, Hedge
from openoutcry.derivatives.contracts import Contract
from openoutcry.derivatives.margin import MAX_CONTRACTS, ContractRisk, Parameters
from openoutcry.derivatives.margin_layout import padded_tiers
from openoutcry.derivatives.scenarios import SPAN_SCENARIOS
from openoutcry.risk.bits import Setting
from openoutcry.risk.margin_commands import HEDGE_ITEM, LIQUIDITY_ITEM
from openoutcry.risk.region import setting
from openoutcry.venue.contract_tables import ContractTerms
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.symbols import code_of
from openoutcry.wire.toml_tables import Key, Tables

MARGIN = {
    "file": Key(toml_tables.text(4_096)),
    "collateral": Key(toml_tables.list_of(toml_tables.text(16)), ()),
}
BY_SCENARIO = {
    "margin": "[margin] sets it",
    "margin_bps": "[margin] sets it",
}
"""Keys of ``[[instrument]]`` that a contract under scenario margin has not, and why."""


@dataclass(frozen=True)
class MarginSpec:
    """The venue file's ``[margin]``."""

    file: Path | None = None
    parameters: Parameters | None = None
    """Initial ones of a new journal; None: a lot has one margin."""
    collateral: dict[str, int] = field(default_factory=dict)
    """Assets that participants may pledge, with their numbers in wallets."""


def read_margin(
    tables: Tables,
    folder: Path,
    contracts: Mapping[str, ContractTerms],
    symbols: list[str],
    wallets: Sequence[str],
) -> MarginSpec:
    """The margin file and its parameters, contracts in the order of the instruments; ``wallets``:
    the assets that have some.  Mistakes are noted."""
    if "margin" not in tables.document:
        return MarginSpec()
    table = tables.table("margin", MARGIN)
    name, collateral = table["file"], {}
    for asset in table["collateral"] or ():
        if asset in wallets and asset not in collateral:
            collateral[asset] = wallets.index(asset)
        else:
            text = f"{asset!r} is not an asset with wallets, named once: "
            text += f"there are {', '.join(wallets) or 'none without a spot instrument'}"
            tables.wrong(("margin", "collateral"), text)
    if "liquidation" not in tables.document:
        tables.wrong(("margin",), "needs a table [liquidation]")
    for path, row in tables.given_rows("instrument"):
        for key, why in BY_SCENARIO.items():
            if key in row and row.get("symbol") in contracts:
                tables.wrong((*path, key), f"does not apply under scenario margin: {why}")
    if name is None:
        return MarginSpec()
    file, covered = folder / name, {s: contracts[s].contract for s in symbols if s in contracts}
    try:
        return MarginSpec(file, margin_parameters(file, covered, collateral), collateral)
    except OutcryError as error:
        tables.wrong(("margin", "file"), str(error))
        return MarginSpec()


def changing_commands(
    now: Parameters, new: Parameters, symbols: Sequence[str]
) -> list[npt.NDArray[Any]]:
    """The commands that put other values in force, or nothing where they are the same; ``symbols``:
    of the contracts in their order.

    Raises :class:`OutcryError` if tiers, spreads or legs are others."""
    if now.shape() != new.shape():
        raise OutcryError(
            "tiers, spreads, legs of offsets and the assets of collateral are fixed by the "
            "journal: only values can change"
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
            setting(Setting.MARGIN_COMMODITY, tier[1], place | item, second=tier[0])
            for item, (before, tier) in enumerate(
                zip(old.liquidity, own.liquidity, strict=True), LIQUIDITY_ITEM
            )
            if before != tier
        ]
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
    for number, (known, wanted) in enumerate(zip(now.collateral, new.collateral, strict=True)):
        staged += _haircut_commands(number, known.haircut, wanted.haircut)
        if known.hedge is not None and wanted.hedge is not None:
            staged += _hedge_commands(known.hedge, wanted.hedge)
    if not staged:
        return []
    drop, apply = (setting(Setting.MARGIN_APPLY, count) for count in (0, len(staged)))
    return [drop, *staged, apply]


def _haircut_commands(number: int, known: Haircut, wanted: Haircut) -> list[npt.NDArray[Any]]:
    """Return what changes one haircut into another; its asset's price is not the file's to
    change."""
    tiers = enumerate(zip(padded_tiers(known), padded_tiers(wanted), strict=True))
    staged = [
        setting(Setting.COLLATERAL_TIER, tier[0], number << 8 | place, second=tier[1])
        for place, (before, tier) in tiers
        if before != tier
    ]
    now, share = ((one.share, one.concentrated) for one in (known, wanted))
    if now != share:
        staged.append(setting(Setting.COLLATERAL_SHARE, share[0], number, second=share[1]))
    return staged


def _hedge_commands(known: Hedge, wanted: Hedge) -> list[npt.NDArray[Any]]:
    rows = [
        [*zip(one.gains[::2], one.gains[1::2], strict=True), (one.bits, one.delta)]
        for one in (known, wanted)
    ]
    return [
        setting(Setting.MARGIN_COMMODITY, pair[0], wanted.commodity << 8 | item, second=pair[1])
        for item, (before, pair) in enumerate(zip(*rows, strict=True), HEDGE_ITEM)
        if before != pair
    ]


def _pairs(row: ContractRisk) -> list[tuple[int, int]]:
    """Return the pairs in the form of MARGIN_ARRAY."""
    pairs = [*zip(row.losses[::2], row.losses[1::2], strict=True)]
    first = SPAN_SCENARIOS // 2
    return [*pairs[:first], (row.delta, row.short_minimum), *pairs[first:]]


def margin_parameters(
    file: Path,
    contracts: Mapping[str, Contract],
    collateral: Mapping[str, int],
    in_force: Mapping[str, Contract] | None = None,
) -> Parameters:
    """The parameters of a margin file for these contracts, in their order, and for these assets
    with their numbers in wallets.

    ``in_force``: the contracts' terms after splits; the file has those at the listing.

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
        for term in fields(Contract):
            here, there = (getattr(one[symbol], term.name) for one in (contracts, book.contracts))
            if here != there:
                raise OutcryError(f"{file}: {symbol}: {term.name} is {there}, the venue's {here}")
    for asset in collateral:
        if asset not in book.haircuts or asset == book.asset:
            raise OutcryError(f"{file}: {asset} is collateral: it needs its own [[asset]]")
    ordered = dict(in_force or {symbol: book.contracts[symbol] for symbol in contracts})
    for name, own in book.underlyings.items():
        if own.pledges_hedge and name not in collateral:
            raise OutcryError(
                f"{file}: {name}: pledges_hedge needs {name} in the venue's collateral of [margin]"
            )
    try:
        hedges = book.hedges()
        pledged = tuple(
            CollateralRisk(number, book.prices[asset], book.haircuts[asset], hedges.get(asset))
            for asset, number in collateral.items()
        )
        return replace(replace(book, contracts=ordered).parameters(), collateral=pledged)
    except ValueError as error:
        raise OutcryError(f"{file}: {error}") from None
