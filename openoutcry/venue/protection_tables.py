"""The venue file's tables of market protection: ``[[protection]]`` and ``[breaker]``."""

import re
from collections.abc import Callable
from typing import Any

from openoutcry.risk.bits import Setting
from openoutcry.risk.protection_layout import PRICE_LIMIT, SECOND_NS, SLOTS, WEIGHT_LIMIT
from openoutcry.risk.protection_rules import BREAKER_DEFAULTS, DEFAULTS
from openoutcry.wire import toml_tables
from openoutcry.wire.toml_tables import Key, Tables

TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
MAX_S = 86_400


def time_of_day(value: Any) -> int:
    """HH:MM, in seconds after midnight."""
    match = TIME.fullmatch(toml_tables.text()(value))
    if not match:
        raise ValueError(f"{value!r} is not HH:MM")
    return int(match[1]) * 3600 + int(match[2]) * 60


def weights(value: Any) -> dict[str, int]:
    """``{ GOLD = 2, TIN = 1 }``."""
    if type(value) is not dict or not value:
        raise ValueError("is not a table of symbols and weights, such as { GOLD = 2, TIN = 1 }")
    return {
        symbol: toml_tables.integer(1, WEIGHT_LIMIT)(weight) for symbol, weight in value.items()
    }


def three(parse: Callable[[Any], int], count: int) -> Callable[[Any], tuple[int, ...]]:
    """Return a reader of a list of exactly ``count`` values."""

    def read(value: Any) -> tuple[int, ...]:
        entries = toml_tables.list_of(parse)(value)
        if len(entries) != count:
            raise ValueError(f"has {len(entries)} entries, not {count}")
        return entries

    return read


PROTECTION = {
    "instruments": Key(toml_tables.list_of(toml_tables.text()), ()),
    "luld_bps": Key(toml_tables.integer(0, 10_000), 0),
    "luld_unit_ticks": Key(toml_tables.integer(0, PRICE_LIMIT), 0),
    "renewal_s": Key(toml_tables.integer(0, MAX_S), 30),
    "limit_state_s": Key(toml_tables.integer(0, MAX_S), 15),
    "static_bps": Key(toml_tables.integer(0, 10_000), 0),
    "volatility_bps": Key(toml_tables.integer(0, PRICE_LIMIT), 0),
    "volatility_s": Key(toml_tables.integer(1, SLOTS), SLOTS),
    "velocity_ticks": Key(toml_tables.integer(0, PRICE_LIMIT), 0),
    "velocity_s": Key(toml_tables.integer(1, SLOTS), 1),
    "pause_s": Key(toml_tables.integer(1, MAX_S), 300),
    "call_s": Key(toml_tables.integer(1, MAX_S), 60),
    "together": Key(toml_tables.boolean, False),
    "cancel_resting": Key(toml_tables.boolean, False),
}
BREAKER = {
    "index": Key(weights, None),
    "levels_bps": Key(three(toml_tables.integer(0, 10_000), 3), (700, 1_300, 2_000)),
    "halt_s": Key(three(toml_tables.integer(1, MAX_S), 2), (900, 900)),
    "cut_off": Key(time_of_day, 15 * 3600 + 25 * 60),
}
Place = tuple[Setting, int, str]
Value = tuple[int, int]


def read_protection(tables: Tables, symbols: list[str]) -> tuple[dict[Place, Value], int] | None:
    """The settings that are in the file, and when levels 1 and 2 end, s after midnight.

    The third word of a setting is the breaker's level or a symbol.  None: the venue has no
    protection."""
    rows = tables.rows("protection", PROTECTION)
    breaker = tables.table("breaker", BREAKER)
    if not rows and "breaker" not in tables.document:
        return None
    wanted: dict[Place, Value] = {}
    owner: dict[str, Any] = {}
    for number, (path, row) in enumerate(rows, start=1):
        chosen = row["instruments"] or [one for one in symbols if not _named(rows, one)]
        for symbol in chosen:
            if symbol not in symbols:
                tables.wrong((*path, "instruments"), f"there is no instrument {symbol!r}")
            elif symbol in owner:
                line = tables.line_of(owner[symbol])
                tables.wrong(
                    (*path, "instruments"), f"{symbol} already has a protection, in line {line}"
                )
            else:
                wanted |= _settings_of(row, symbol, number)
            owner.setdefault(symbol, path)
        protects = ("luld_bps", "static_bps", "volatility_bps", "velocity_ticks")
        if not any(row[name] for name in protects) and not row["together"]:
            tables.wrong(path, f"sets no protection; set one of {', '.join(protects)}")
    if "breaker" in tables.document:
        wanted |= _breaker(tables, breaker, symbols)
        owner |= dict.fromkeys(breaker["index"] or {}, ("breaker", "index"))
    _check_prices(tables, owner)
    return wanted, breaker["cut_off"]


def _named(rows: list[Any], symbol: str) -> bool:
    return any(symbol in (row["instruments"] or ()) for _, row in rows)


def _settings_of(row: dict[str, Any], symbol: str, number: int) -> dict[Place, Value]:
    values = {
        Setting.LULD: (row["luld_bps"], row["luld_unit_ticks"]),
        Setting.STATIC_BAND: (row["static_bps"], 0),
        Setting.VOLATILITY: (row["volatility_bps"], row["volatility_s"]),
        Setting.VELOCITY: (row["velocity_ticks"], row["velocity_s"]),
        Setting.LIMIT_STATE: (row["limit_state_s"] * SECOND_NS, 0),
        Setting.PAUSE: (row["pause_s"] * SECOND_NS, row["call_s"] * SECOND_NS),
        Setting.RENEWAL: (row["renewal_s"] * SECOND_NS, 0),
        Setting.HALT_GROUP: (number if row["together"] else 0, 0),
        Setting.CANCEL_RESTING: (int(row["cancel_resting"]), 0),
    }
    return {(what, 0, symbol): value for what, value in values.items()}


def _breaker(tables: Tables, row: dict[str, Any], symbols: list[str]) -> dict[Place, Value]:
    wanted: dict[Place, Value] = {}
    if row["index"] is None and "index" not in tables.given_table("breaker"):
        tables.wrong(("breaker", "index"), "is missing")
    for symbol, weight in (row["index"] or {}).items():
        if symbol not in symbols:
            tables.wrong(("breaker", "index"), f"there is no instrument {symbol!r}")
        wanted[Setting.INDEX_WEIGHT, 0, symbol] = weight, 0
    levels = row["levels_bps"]
    used = [bps for bps in levels if bps]
    if used != sorted(set(used)):
        tables.wrong(("breaker", "levels_bps"), f"{list(levels)} must increase")
    for level, bps in enumerate(levels, start=1):
        halt_ns = row["halt_s"][level - 1] * SECOND_NS if level < 3 else 0
        wanted[Setting.BREAKER, level, ""] = bps, halt_ns
    return wanted


def _check_prices(tables: Tables, owner: dict[str, Any]) -> None:
    """Check that protected instruments have price limits, so that no sum of prices leaves int64;
    what counts in the index has a price at the beginning."""
    for path, row in tables.given_rows("instrument"):
        symbol = row.get("symbol")
        if not isinstance(symbol, str) or symbol not in owner:
            continue
        ends = [row.get(f"{end}_price_ticks") for end in ("min", "max")]
        band = row.get("market_band_ticks", 0)
        known = all(type(one) is int for one in (*ends, band))
        if not known or max(band - ends[0], ends[1] + band) > PRICE_LIMIT:
            tables.wrong(
                (*path, "symbol"),
                f"{symbol} is protected (line "
                f"{tables.line_of(owner[symbol])}): it needs min_price_ticks and "
                f"max_price_ticks within {PRICE_LIMIT:,}",
            )


def unprotected(what: Setting, who: int) -> Value:
    """The default, which applies where the file says nothing."""
    return BREAKER_DEFAULTS[who] if what is Setting.BREAKER else DEFAULTS[what]
