"""The venue file's matchers and partitions: what cannot be divided needs one of them."""

from typing import Any

from openoutcry.venue.spot_tables import is_spot
from openoutcry.wire.toml_tables import Tables

NEEDS_ONE_PARTITION = {
    "protection": "market protection",
    "breaker": "the breaker",
    "liquidation": "liquidation",
    "contract": "a contract",
    "series": "a contract",
    "margin": "scenario margin",
    "index": "an index",
}
BY_PRICE = {"loss": "none", "drawdown": "none", "maintenance_bps": 0}
"""Limits that a change of price can exceed, and the value that says that no limit is set."""


def check_division(tables: Tables, venue: dict[str, Any]) -> None:
    """Note as mistakes whatever needs one matcher, or one partition (docs/risk.md)."""
    shards, partitions = venue["shards"] or 1, venue["partitions"] or 1
    if shards > partitions:
        tables.wrong(
            ("venue", "shards"),
            f"{shards} matchers need at least as many partitions, not {partitions}",
        )
    if shards > 1 and venue["durability"] == "replicated":
        tables.wrong(
            ("venue", "shards"), f"a replicated journal needs exactly one matcher, not {shards}"
        )
    if partitions == 1:
        return
    if (venue["order_capacity"] or partitions + 1) <= partitions:
        tables.wrong(
            ("venue", "order_capacity"), f"has no order for each of {partitions} partitions"
        )
    for name, what in NEEDS_ONE_PARTITION.items():
        if name in tables.document:
            tables.wrong((name,), f"{what} needs one partition, not {partitions}")
    for name in ("speed_bump_us", "speed_bump_window_us"):
        if venue[name]:
            tables.wrong(("venue", name), f"a speed bump needs one partition, not {partitions}")
    for index, row in _rows(tables, "instrument"):
        if is_spot(row):
            tables.wrong(
                ("instrument", index, "settlement"),
                f"spot accounting needs one partition, not {partitions}",
            )
        if row.get("announced") is True:
            tables.wrong(
                ("instrument", index, "announced"),
                f"an announced instrument needs one partition, not {partitions}",
            )
        if row.get("leveraged") is True:
            tables.wrong(
                ("instrument", index, "leveraged"),
                f"a leveraged instrument needs one partition, not {partitions}",
            )
    for index, row in _rows(tables, "limits"):
        for name, none in BY_PRICE.items():
            if row.get(name, none) != none:
                tables.wrong(
                    ("limits", index, name),
                    f"depends on prices: it needs one partition, not {partitions}",
                )


def _rows(tables: Tables, name: str) -> list[tuple[int, dict[str, Any]]]:
    array = tables.document.get(name, [])
    rows = array if isinstance(array, list) else []
    return [(index, row) for index, row in enumerate(rows) if isinstance(row, dict)]
