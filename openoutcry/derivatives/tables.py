"""The venue file's ``[[contract]]`` and ``[[series]]``: contracts one by one, and by rule.

Every mistake is noted with its line and key.  A file's assets and the symbols of its other
instruments are given by what reads the whole file.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from openoutcry.derivatives.contracts import (
    KINDS,
    LARGEST_MULTIPLIER,
    MAX_PRICE_TICKS,
    Contract,
    faults,
)
from openoutcry.derivatives.series import MAX_EXPIRIES, MAX_STRIKES, OPTION, SERIES_KINDS, Series
from openoutcry.wire import toml_tables
from openoutcry.wire.symbols import check_symbol
from openoutcry.wire.toml_tables import Key, KeyPath, Tables

WEEKDAYS = {
    name: number for number, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
}
TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def symbol(value: Any) -> str:
    """A symbol outside."""
    if type(value) is not str:
        raise ValueError(f"must be a text, not {toml_tables.kind_of(value)}")
    check_symbol(value)
    return value


def expiry(value: Any) -> int:
    """A date and time with its offset from UTC, as nanoseconds of UTC."""
    if type(value) is not datetime or value.tzinfo is None:
        raise ValueError("must be a date and time with its offset: 2026-12-25T08:00:00Z")
    if not datetime(2000, 1, 1, tzinfo=UTC) <= value < LATEST:
        raise ValueError(f"{value} is not between 2000 and {LATEST.year}")
    if value.microsecond:
        raise ValueError("must be a whole second")
    return int(value.timestamp()) * 1_000_000_000


def time_of_day(value: Any) -> int:
    """``"08:00"``, UTC, as seconds of the day."""
    match = TIME.fullmatch(value) if type(value) is str else None
    if not match:
        raise ValueError(f"{value!r} is not HH:MM[:SS]")
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)


_COMMON: dict[str, Key] = {
    "underlying": Key(toml_tables.text(24)),
    "asset": Key(toml_tables.text(16)),
    "multiplier": Key(toml_tables.integer(1, LARGEST_MULTIPLIER)),
    "inverse": Key(toml_tables.boolean, False),
    "strike_multiplier": Key(toml_tables.integer(1, LARGEST_MULTIPLIER), 0),
    "delivered_asset": Key(toml_tables.text(16), ""),
    "delivered_units": Key(toml_tables.integer(1, LARGEST_MULTIPLIER), 0),
}
CONTRACT: dict[str, Key] = {
    "symbol": Key(symbol),
    "kind": Key(toml_tables.one_of(KINDS)),
    **_COMMON,
    "expiry": Key(expiry, 0),
    "strike_ticks": Key(toml_tables.integer(1, MAX_PRICE_TICKS), 0),
}
SERIES: dict[str, Key] = {
    "root": Key(symbol),
    "kind": Key(toml_tables.one_of(SERIES_KINDS)),
    **_COMMON,
    "decimals": Key(toml_tables.integer(0, 8), 0),
    "weekly": Key(toml_tables.integer(0, MAX_EXPIRIES), 0),
    "monthly": Key(toml_tables.integer(0, MAX_EXPIRIES), 0),
    "quarterly": Key(toml_tables.integer(0, MAX_EXPIRIES), 0),
    "weekday": Key(toml_tables.one_of(WEEKDAYS), WEEKDAYS["Fri"]),
    "expiry_time": Key(time_of_day, 8 * 3600),
    "strike_interval_ticks": Key(toml_tables.integer(1, MAX_PRICE_TICKS), 0),
    "strikes": Key(toml_tables.integer(0, MAX_STRIKES), 0),
}


def read_contracts(
    tables: Tables, assets: Mapping[str, int], others: Collection[str] = ()
) -> list[Contract]:
    """The contracts that the file names one by one; ``others`` are symbols that exist already."""
    contracts = []
    tables.distinct(
        [((*path, "symbol"), row.get("symbol")) for path, row in tables.given_rows("contract")],
        "symbol",
    )
    for path, row in tables.rows("contract", CONTRACT):
        before = len(tables.mistakes)
        _check_assets(tables, path, row, assets)
        if row["symbol"] in others:
            tables.wrong((*path, "symbol"), f"an instrument {row['symbol']!r} already exists")
        if None in row.values():
            continue
        terms = {**row, "expiry_ns": row["expiry"]}
        del terms["expiry"]
        for text in faults(**terms):
            tables.wrong(path, text)
        if len(tables.mistakes) == before:
            contracts.append(Contract(**terms))
    return contracts


def read_series(tables: Tables, assets: Mapping[str, int]) -> list[Series]:
    """The rules of series that the file has."""
    found = []
    tables.distinct(
        [
            ((*path, "root"), (row.get("root"), row.get("kind")))
            for path, row in tables.given_rows("series")
        ],
        "series",
    )
    for path, row in tables.rows("series", SERIES):
        before = len(tables.mistakes)
        _check_assets(tables, path, row, assets)
        if None in row.values():
            continue
        option = row["kind"] == OPTION
        for name in ("strike_multiplier", "strike_interval_ticks"):
            if option and not row[name]:
                tables.wrong((*path, name), "is missing: a series of options needs it")
        for name in ("strike_multiplier", "strike_interval_ticks", "strikes"):
            if not option and row[name]:
                tables.wrong((*path, name), "applies only to a series of options")
        if option and row["delivered_asset"]:
            tables.wrong((*path, "delivered_asset"), "options are settled in cash")
        if bool(row["delivered_asset"]) != (row["delivered_units"] > 0):
            tables.wrong(path, "delivered_units and delivered_asset come together")
        if not row["weekly"] + row["monthly"] + row["quarterly"]:
            tables.wrong(path, "has no expiries: weekly, monthly or quarterly says how many")
        if len(tables.mistakes) == before:
            terms = {**row, "second_of_day": row["expiry_time"]}
            del terms["expiry_time"]
            found.append(Series(**terms))
    return found


def _check_assets(
    tables: Tables, path: KeyPath, row: Mapping[str, Any], assets: Mapping[str, int]
) -> None:
    known = ", ".join(assets) or "none ([[asset]])"
    for name in ("asset", "delivered_asset"):
        if row[name] and row[name] not in assets:
            tables.wrong((*path, name), f"there is no asset {row[name]!r}; there are: {known}")
