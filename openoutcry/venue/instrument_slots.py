"""The venue file's ``[[instrument_slots]]``: room for pairs that no file has named.

A journal has a row for each from its beginning: an announced spot instrument under a symbol that
begins with ``+``.  It takes no order, and no state.  ``outcry venue instrument announce`` gives it
symbol, assets, units and rules with one command (``risk/instrument_rules.py``).
"""

from typing import Any

from openoutcry.market_data.feed import MAX_DECIMALS
from openoutcry.venue.spot_tables import SPOT
from openoutcry.wire import toml_tables
from openoutcry.wire.rule_changes import SLOT
from openoutcry.wire.toml_tables import Key, Tables

MAX_SLOTS = 1_024
INSTRUMENT_SLOTS = {
    "count": Key(toml_tables.integer(1, MAX_SLOTS)),
    "decimals": Key(toml_tables.integer(0, MAX_DECIMALS), 2),
    "schedule": Key(toml_tables.text(32), ""),
    "ouch": Key(toml_tables.boolean, True),
}


def expand_slots(tables: Tables) -> None:
    """Add an ``[[instrument]]`` to the document for each slot; mistakes are noted."""
    if "instrument_slots" not in tables.document:
        return
    rows = tables.rows("instrument_slots", INSTRUMENT_SLOTS)
    _check(tables)
    assets = [row for _, row in tables.given_rows("asset")]
    if len(assets) < 2:
        tables.wrong(("instrument_slots",), "needs two [[asset]] at least, for a pair to trade")
    if tables.mistakes:
        return
    instruments, number = tables.document.setdefault("instrument", []), 0
    for path, row in rows:
        for _ in range(row["count"]):
            number += 1
            tables.lines["instrument", len(instruments)] = tables.line_of(path)
            instruments.append(_instrument(f"{SLOT}{number}", row, *assets[:2]))


def _check(tables: Tables) -> None:
    """Note a venue that cannot have slots."""
    venue = tables.given_table("venue")
    for key, plain in (("partitions", 1), ("shards", 1), ("gateway", "golden")):
        if venue.get(key, plain) != plain:
            what = f"needs [venue] {key} = {plain!r}: no other takes a symbol while it runs"
            tables.wrong(("instrument_slots",), what)
    for path, row in tables.given_rows("instrument"):
        if str(row.get("symbol", "")).startswith(SLOT):
            tables.wrong((*path, "symbol"), f"{row['symbol']!r}: {SLOT} begins that of a slot")


def _instrument(symbol: str, row: dict[str, Any], base: Any, quote: Any) -> dict[str, Any]:
    """An instrument of any pair, of which every door can say every limit."""
    # A tick of a lot is a whole number of units; wrong decimals are noted where assets are read.
    of_base, of_quote = (n if type(n := one.get("decimals")) is int else 0 for one in (base, quote))
    finer = of_base + row["decimals"] - of_quote
    found = {
        "symbol": symbol,
        "settlement": SPOT,
        "base": base.get("name"),
        "quote": quote.get("name"),
        "lot_units": 10 ** max(finer, 0),
        "tick_units": 10 ** max(-finer, 0),
        "decimals": row["decimals"],
        "min_price_ticks": 1,
        "max_price_ticks": 1,
        "max_qty_lots": 1,
        "announced": True,
        "ouch": row["ouch"],
    }
    return found | ({"schedule": row["schedule"]} if row["schedule"] else {})
