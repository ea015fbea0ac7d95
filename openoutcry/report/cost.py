"""What a million orders cost on a rented machine: list prices over a measured rate."""

from typing import Any

from openoutcry.report.documents import table
from openoutcry.report.quantity import quantity

METRIC = "knee_durable"
"""The highest rate that the whole pipeline sustained, nothing released before it was on disk."""
HOUR_S = 3600


def cost_rows(prices: dict[str, Any], pipeline: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row an instance, cheapest first: name, price with its date and source, rate, and
    price / (rate × 3600 s) × 1,000,000.

    Raises ``ValueError`` for an instance with another number of processors than the machine that
    the rate was measured on: it says nothing of that one.
    """
    (rate,) = (r["median"] for r in pipeline["figures"]["results"] if r["name"] == METRIC)
    cores = pipeline["host"]["cores_usable"]
    rows: list[tuple[str, ...]] = []
    for row in sorted(prices["figures"]["instances"], key=lambda row: row["usd_per_hour"]):
        if row["vcpus"] != cores:
            raise ValueError(
                f"prices.json: {row['instance']} has {row['vcpus']} processors, the measured "
                f"machine {cores}"
            )
        micro_usd = row["usd_per_hour"] / (rate * HOUR_S) * 1e6 * 1e6
        price = f"{row['usd_per_hour']:g} USD an hour, [{row['as_of']}]({row['source']})"
        rows.append(
            (
                f"{row['provider']}, {row['instance']}",
                price,
                quantity(rate, "1/s"),
                f"**{micro_usd:.2g} µUSD**",
            )
        )
    return rows


def cost_table(prices: dict[str, Any], pipeline: dict[str, Any]) -> str:
    """Return the cost of a million orders on each instance, as a Markdown table."""
    header = "| instance | price | highest rate sustained, durable | a million orders |"
    return table(header, cost_rows(prices, pipeline))
