"""What protocols answer to a reject by a limit (reason RISK), by the first check that failed.

The checks' numbers are those of ``risk/bits.py``, which this room does not import; a test compares.
"""

from openoutcry.wire import words

CHECKS = words.names_in(words.CHECKS)
WORDS: words.Table[str] = words.Table(CHECKS, words.CHECKS)
FIGURELESS = frozenset(name for name, has in WORDS.column("figures").items() if has == "no")
"""Switches: they have no limit in figures."""


def letter(bits: int) -> str:
    """OUCH 4.2's letter for an event's ``contra_id``."""
    first = _first(bits)
    return WORDS.say("OUCH 4.2", first) if first else "O"


def code(bits: int, other: int) -> int:
    """OUCH 5.0's code for an event's ``contra_id``; ``other``: if no check failed."""
    first = _first(bits)
    return words.number(WORDS.say("OUCH 5.0", first)) if first else other


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
