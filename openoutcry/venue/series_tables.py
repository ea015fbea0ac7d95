"""The venue file's ``[[series]]``: contracts by rule, listed while trading.

Instruments are the journal's, so a journal has all contracts that the rule can come to: every
expiry from ``first`` to ``last`` and every strike from ``lowest_strike_ticks`` to
``highest_strike_ticks``.  Each is an instrument with the keys of ``template`` that takes no order
until it is listed (``series_timer.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from openoutcry.derivatives.contracts import CALL, FUTURE, KINDS, MAX_PRICE_TICKS, PUT
from openoutcry.derivatives.series import Series, expiries, symbol_of
from openoutcry.derivatives.tables import read_series
from openoutcry.wire import toml_tables
from openoutcry.wire.toml_tables import Key, Tables

MAX_DAYS, MAX_CONTRACTS = 1_100, 2_048
NAMES = {number: name for name, number in KINDS.items()}


def _day(value: Any) -> date:
    if type(value) is not date:
        raise ValueError("must be a date: 2026-12-31")
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or "symbol" in value:
        raise ValueError("must be a table of keys of [[instrument]], without symbol")
    return dict(value)


STRIKE = toml_tables.integer(0, MAX_PRICE_TICKS)
ROOM: dict[str, Key] = {
    "first": Key(_day),
    "last": Key(_day),
    "lowest_strike_ticks": Key(STRIKE, 0),
    "highest_strike_ticks": Key(STRIKE, 0),
    "template": Key(_table),
}
"""Keys of ``[[series]]`` that say for which contracts a journal has room."""


@dataclass(frozen=True)
class SeriesSpec:
    """A series of a venue, and the symbols of all its contracts that the journal has."""

    rule: Series
    symbols: tuple[str, ...]
    reference_ticks: int
    """Strikes are around it while the underlying has no index."""
    first_mark_ticks: int


def expand_series(tables: Tables) -> tuple[SeriesSpec, ...]:
    """Add an ``[[instrument]]`` and a ``[[contract]]`` to the document for each contract of each
    series; mistakes are noted."""
    if "series" not in tables.document:
        return ()
    assets = {str(row.get("name")): 0 for _, row in tables.given_rows("asset")}
    given = list(tables.given_rows("series"))
    plain = [{k: v for k, v in row.items() if k not in ROOM} for _, row in given]
    rules = Tables({"series": plain}, tables.lines)
    series = read_series(rules, assets)
    tables.mistakes += rules.mistakes
    room = Tables(
        {"series": [{k: v for k, v in row.items() if k in ROOM} for _, row in given]}, tables.lines
    )
    rooms = [row for _, row in room.rows("series", ROOM)]
    tables.mistakes += room.mistakes
    if rules.mistakes or room.mistakes:
        return ()
    found = []
    for (path, _), rule, row in zip(given, series, rooms, strict=True):
        contracts = _contracts(rule, row)
        if not contracts or len(contracts) > MAX_CONTRACTS:
            text = f"comes to {len(contracts)} contracts; 1 to {MAX_CONTRACTS} are possible"
            tables.wrong(path, text)
            continue
        for name, template in (("instrument", row["template"]), ("contract", {})):
            rows = tables.document.setdefault(name, [])
            for contract in contracts:
                line = tables.line_of(path)
                tables.lines[name, len(rows)] = line
                own = contract if name == "contract" else {"symbol": contract["symbol"]}
                rows.append(template | own)
        mark = row["template"].get("reference_price_ticks", 0)
        middle = (row["lowest_strike_ticks"] + row["highest_strike_ticks"]) // 2
        symbols = tuple(contract["symbol"] for contract in contracts)
        found.append(SeriesSpec(rule, symbols, middle, mark if type(mark) is int else 0))
    return tuple(found)


def _contracts(rule: Series, room: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of ``[[contract]]``, by expiry, strike and kind."""
    first, last = room["first"], room["last"]
    days = min((last - first).days + 1, MAX_DAYS)
    moments: set[int] = set()
    for number in range(days):
        at = first + timedelta(number)
        midnight = datetime(at.year, at.month, at.day, tzinfo=UTC)
        moments.update(expiries(rule, int(midnight.timestamp()) * 10**9))
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(1)
    rows = []
    for moment in sorted(one for one in moments if one < int(end.timestamp()) * 10**9):
        if rule.kind == FUTURE:
            rows.append(_row(rule, FUTURE, moment, 0))
            continue
        step = rule.strike_interval_ticks
        lowest = max(-(-room["lowest_strike_ticks"] // step), 1) * step
        for strike in range(lowest, room["highest_strike_ticks"] + 1, step):
            rows += [_row(rule, kind, moment, strike) for kind in (CALL, PUT)]
            if len(rows) > MAX_CONTRACTS:
                return rows
    return rows


def _row(rule: Series, kind: int, expiry_ns: int, strike: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": symbol_of(rule.root, kind, expiry_ns, strike, rule.decimals),
        "kind": NAMES[kind],
        "underlying": rule.underlying,
        "asset": rule.asset,
        "multiplier": rule.multiplier,
        "inverse": rule.inverse,
        "expiry": datetime.fromtimestamp(expiry_ns // 10**9, UTC),
    }
    if strike:
        row |= {"strike_ticks": strike, "strike_multiplier": rule.strike_multiplier}
    if rule.delivered_units:
        row |= {"delivered_asset": rule.delivered_asset, "delivered_units": rule.delivered_units}
    return row
