"""A figure as people say it."""

PERCENT_FROM_PPB = 1e6
"""A tenth of a per cent: from here on people say per cent."""


def quantity(value: float, unit: str) -> str:
    """Three digits and the unit that people say: 1.24 µs, 12.4 M/s."""
    if unit == "ns":
        return duration(value)
    if unit == "ms":
        return duration(value * 1e6)
    if unit == "s":
        return f"{value:.3g} s"
    if unit == "ppb" and abs(value) >= PERCENT_FROM_PPB:
        return f"{value / 1e7:.3g} %"
    ending = {"1/s": "/s", "B/s": "B/s", "B": "B", "ppb": " ppb", "nJ": " nJ"}.get(unit, "")
    return compact(value) + ending


def ratio(value: float) -> str:
    """Three figures, and never an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_as_fraction(value: float) -> str:
    """A ratio; one far below 1 as the fraction that people say: 1/60."""
    return f"1/{1 / value:,.0f}" if 0 < value < 0.1 else ratio(value)


def compact(value: float) -> str:
    """1500000 -> 1.5 M, with three digits."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def duration(ns: float | None) -> str:
    """1240 -> 1.24 µs, with three digits; None is not known."""
    if ns is None:
        return "unknown"
    sign, size_ns = ("-", -ns) if ns < 0 else ("", ns)
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if size_ns >= size * 0.9995:
            return f"{sign}{_three_digits(size_ns / size)} {unit}"
    return f"{sign}{_three_digits(size_ns)} ns"


def _three_digits(value: float) -> str:
    if value >= 99.95 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
