"""What protocols answer to a reject by a limit (reason RISK), by the first check that failed.

The checks' numbers are those of ``risk/bits.py``, which this room does not import; a test compares.
"""

CHECKS = (
    "ARITHMETIC", "UNKNOWN_PARTICIPANT", "MARKET_KILLED", "HALTED", "GROUP_KILLED", "KILLED",
    "RESTRICTED", "SHORT_SALE", "SELF_TRADE", "MAX_QTY", "MAX_VALUE", "UNPRICED", "PRICE_DISTANCE",
    "PRICE_BAND", "ADV_SHARE", "DUPLICATE", "RATE", "OPEN_ORDERS", "POSITION_LONG",
    "POSITION_SHORT", "GROSS_POSITION", "GROUP_GROSS_POSITION", "EXPOSURE_BUY", "EXPOSURE_SELL",
    "CAPITAL", "LOSS", "DRAWDOWN", "SPEED_BUMP_FULL", "WITHDRAWN", "BALANCE",
    "SUSPENDED", "CLOSED", "EXPIRED", "MARGIN",
)  # fmt: skip
FIGURELESS = frozenset(
    {
        "MARKET_KILLED",
        "HALTED",
        "GROUP_KILLED",
        "KILLED",
        "RESTRICTED",
        "SELF_TRADE",
        "UNPRICED",
        "WITHDRAWN",
        "SUSPENDED",
        "CLOSED",
        "EXPIRED",
    }
)
"""Switches: they have no limit in figures."""
LETTERS = {
    "MARKET_KILLED": "a",
    "HALTED": "H",
    "EXPIRED": "H",
    "GROUP_KILLED": "a",
    "KILLED": "a",
    "SUSPENDED": "a",
    "CLOSED": "a",
    "RESTRICTED": "c",
    "SHORT_SALE": "i",
    "MAX_QTY": "m",
    "MAX_VALUE": "n",
    "PRICE_DISTANCE": "X",
    "PRICE_BAND": "X",
    "ADV_SHARE": "m",
    "POSITION_LONG": "m",
    "POSITION_SHORT": "m",
    "GROSS_POSITION": "m",
    "GROUP_GROSS_POSITION": "m",
    "EXPOSURE_BUY": "n",
    "EXPOSURE_SELL": "n",
    "CAPITAL": "n",
    "MARGIN": "n",
    "BALANCE": "n",
}
"""OUCH 4.2's reasons of pre-trade risk.  Letter a: everything is rejected; c: the symbol is
restricted; i: a short sale; m: shares beyond a limit; n: money beyond a limit.  Every other is O,
"other"."""
CODES = {
    "MARKET_KILLED": 0x000C,
    "HALTED": 0x0007,
    "EXPIRED": 0x0007,
    "GROUP_KILLED": 0x000C,
    "KILLED": 0x000C,
    "SUSPENDED": 0x000C,
    "CLOSED": 0x000C,
    "MAX_QTY": 0x0013,
    "MAX_VALUE": 0x001F,
    "PRICE_DISTANCE": 0x0006,
    "PRICE_BAND": 0x0006,
    "RATE": 0x0029,
}
"""OUCH 5.0's, as of the gateway's checks of the same kind; every other is "other"."""


def letter(bits: int) -> str:
    """OUCH 4.2's letter for an event's ``contra_id``."""
    return LETTERS.get(_first(bits), "O")


def code(bits: int, other: int) -> int:
    """OUCH 5.0's code for an event's ``contra_id``; ``other``: of a check that has none."""
    return CODES.get(_first(bits), other)


def text(bits: int, limit: int, current: int, requested: int) -> str:
    """A line about a reject, from its event's ``contra_id``, ``price_ticks``, ``leaves_lots`` and
    ``qty_lots``: the first check that failed with its figures, then the others."""
    first, *others = [name for bit, name in enumerate(CHECKS) if bits >> bit & 1] or ["RISK"]
    figures = (
        f": limit {limit}, now {current}, asked {requested}" if first not in FIGURELESS else ""
    )
    if first == "BALANCE":
        figures = f": asset {current} has {limit} available, {requested} needed"
    return first + figures + "".join(f"; {name}" for name in others)


def _first(bits: int) -> str:
    return next((name for bit, name in enumerate(CHECKS) if bits >> bit & 1), "")
