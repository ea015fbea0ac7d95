"""The venue file's spot instruments: two assets, what a lot and a tick are in their units, and
nothing that could round.

The price of an instrument has ``decimals``, in its quote asset for one of its base asset.  A tick
of a lot is then a number of units of the quote asset, which must be whole, and the file says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from openoutcry.market_data.feed import MAX_DECIMALS
from openoutcry.risk.bits import LARGEST
from openoutcry.wire import toml_tables
from openoutcry.wire.rule_changes import PRICE_LIMIT
from openoutcry.wire.toml_tables import Key, Tables

SPOT, MARGIN = "spot", "margin"
SPOT_ONLY = ("base", "quote", "lot_units", "tick_units")
"""Keys of ``[[instrument]]`` that a spot instrument has, and no other."""
MARGIN_ONLY = {
    "asset": "quote names the asset that pays",
    "amount_decimals": "its quote asset sets them",
    "multiplier": "tick_units replaces it",
    "leveraged": "sellers deliver from a wallet",
    "fee": "fees follow a schedule",
    "margin": "sellers deliver from a wallet",
}
"""Keys that a spot instrument has not, and why."""
OF_POSITIONS = {"no_short_sale", "opening_position", "opening_price"}
"""Keys of ``[[limits]]`` about positions, which spot has none of."""


@dataclass(frozen=True)
class SpotTerms:
    """How an instrument is paid from wallets."""

    base: str
    quote: str
    lot_units: int
    """Units of the base asset a lot."""
    tick_units: int
    """Units of the quote asset a tick and lot."""


def spot_keys(name: Any) -> dict[str, Key]:
    """Keys of ``[[instrument]]``; ``name`` reads an asset's name."""
    units = toml_tables.integer(1, LARGEST)
    return {
        "settlement": Key(toml_tables.one_of({kind: kind for kind in (SPOT, MARGIN)}), MARGIN),
        "base": Key(name, None),
        "quote": Key(name, None),
        "lot_units": Key(units, None),
        "tick_units": Key(units, None),
    }


def is_spot(row: Mapping[str, Any]) -> bool:
    """Return whether an entry of ``[[instrument]]``, as the file has it, is of a spot
    instrument."""
    return row.get("settlement") == SPOT


def has_spot(tables: Tables) -> bool:
    """Return whether any instrument of a venue file settles in wallets."""
    return any(is_spot(row) for _, row in tables.given_rows("instrument"))


def tick_units(lot_units: int, base: int, quote: int, decimals: int) -> Fraction:
    """Units of the quote asset that a tick of a lot is, from the decimals of both assets and of
    the price."""
    return Fraction(lot_units * 10**quote, 10 ** (base + decimals))


def read_spot(tables: Tables, assets: Mapping[str, int]) -> dict[str, SpotTerms]:
    """The spot instruments by symbol; mistakes of single values are noted where rows are read."""
    terms: dict[str, SpotTerms] = {}
    for path, row in tables.given_rows("instrument"):
        if not is_spot(row):
            for name in SPOT_ONLY:
                if name in row:
                    tables.wrong((*path, name), 'applies only to settlement = "spot"')
            continue
        before = len(tables.mistakes)
        for name in SPOT_ONLY:
            if name not in row:
                tables.wrong((*path, name), "is missing: a spot instrument needs it")
        for name, why in MARGIN_ONLY.items():
            if name in row:
                tables.wrong((*path, name), f"does not apply to a spot instrument: {why}")
        _check_assets(tables, path, row, assets)
        _check_prices(tables, path, row)
        whole = all(type(row.get(name)) is int for name in ("lot_units", "tick_units"))
        if len(tables.mistakes) > before or not whole:
            continue
        _check_units(tables, path, row, assets)
        units = row["lot_units"], row["tick_units"]
        terms[str(row.get("symbol", ""))] = SpotTerms(row["base"], row["quote"], *units)
    return terms


def _check_assets(
    tables: Tables, path: Any, row: Mapping[str, Any], assets: Mapping[str, int]
) -> None:
    known = ", ".join(assets) or "none ([[asset]])"
    for name in ("base", "quote"):
        if name in row and row[name] not in assets:
            tables.wrong((*path, name), f"there is no asset {row[name]!r}; there are: {known}")
    if "base" in row and row["base"] == row.get("quote"):
        tables.wrong((*path, "quote"), "is also the base asset")


def _check_prices(tables: Tables, path: Any, row: Mapping[str, Any]) -> None:
    """A buy reserves its worst price, which must be known, and no buyer is paid for buying."""
    low, high = row.get("min_price_ticks"), row.get("max_price_ticks")
    if type(low) is not int or low < 1:
        tables.wrong((*path, "min_price_ticks"), "must be 1 or more for a spot instrument")
    if type(high) is not int or high > PRICE_LIMIT:
        tables.wrong(
            (*path, "max_price_ticks"), f"must be at most {PRICE_LIMIT} for a spot instrument"
        )


def _check_units(
    tables: Tables, path: Any, row: Mapping[str, Any], assets: Mapping[str, int]
) -> None:
    """A tick of a lot must be whole units of the quote asset, and as many as the file says."""
    base, quote, decimals = row["base"], row["quote"], row.get("decimals", 2)
    if type(decimals) is not int or not 0 <= decimals <= MAX_DECIMALS:
        return  # as is said where it is read
    exact = tick_units(row["lot_units"], assets[base], assets[quote], decimals)
    if exact.denominator != 1:
        tables.wrong(
            (*path, "tick_units"),
            f"a tick of a lot would be {exact} units of {quote}, and amounts would round: give "
            f"{quote} more decimals, the price fewer, or a lot more units",
        )
    elif exact != row["tick_units"]:
        tables.wrong(
            (*path, "tick_units"),
            f"a tick of a lot is {exact} units of {quote} (lot_units of {base} with "
            f"{assets[base]} decimals, prices with {decimals}, {quote} with {assets[quote]}), not "
            f"{row['tick_units']}",
        )


def check_limits(tables: Tables) -> None:
    """Note rows of ``[[limits]]`` about positions in a spot instrument."""
    spot = {row.get("symbol") for _, row in tables.given_rows("instrument") if is_spot(row)}
    every = all(is_spot(row) for _, row in tables.given_rows("instrument"))
    for path, row in tables.given_rows("limits"):
        for name in OF_POSITIONS & set(row):
            of_spot = row.get("instrument") in spot if "instrument" in row else bool(spot)
            if of_spot and (row[name] or every):
                tables.wrong(
                    (*path, name),
                    "a spot instrument has no positions: sellers deliver from a wallet"
                    + ("" if "instrument" in row else "; name the instruments that have"),
                )
