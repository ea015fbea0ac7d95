"""A figure as people say it."""

from openoutcry.pipeline.report_charts import compact, ns_text


def quantity(value: float, unit: str) -> str:
    """Three digits and the unit that people say: 1.24 µs, 12.4 M/s."""
    if unit == "ns":
        return ns_text(value)
    if unit == "s":
        return f"{value:.3g} s"
    ending = {"1/s": "/s", "B/s": "B/s", "ppb": " ppb"}.get(unit, "")
    return compact(value) + ending
