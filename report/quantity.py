"""A figure as people say it."""

from openoutcry.report.charts import compact, ns_text

PERCENT_FROM_PPB = 1e6
"""A tenth of a per cent: from here on people say per cent."""


def quantity(value: float, unit: str) -> str:
    """Three digits and the unit that people say: 1.24 µs, 12.4 M/s."""
    if unit == "ns":
        return ns_text(value)
    if unit == "s":
        return f"{value:.3g} s"
    if unit == "ppb" and abs(value) >= PERCENT_FROM_PPB:
        return f"{value / 1e7:.3g} %"
    ending = {"1/s": "/s", "B/s": "B/s", "ppb": " ppb"}.get(unit, "")
    return compact(value) + ending


def ratio(value: float) -> str:
    """Three figures, and never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_as_fraction(value: float) -> str:
    """A ratio; one far below 1 as the fraction that people say: 1/60."""
    return f"1/{1 / value:,.0f}" if 0 < value < 0.1 else ratio(value)


def duration(ns: int | None) -> str:
    """``1.234 us``; None is not known."""
    if ns is None:
        return "unknown"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if abs(ns) >= size:
            return f"{ns / size:,.3f} {unit}"
    return f"{ns} ns"
