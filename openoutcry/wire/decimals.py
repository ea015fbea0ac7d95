"""Amounts of whole units as decimal text."""


def decimal_text(units: int, decimals: int) -> str:
    """150 with 2 decimals is ``1.50``."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    if decimals == 0:
        return f"{sign}{units}"
    whole, fraction = divmod(units, 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}}"
