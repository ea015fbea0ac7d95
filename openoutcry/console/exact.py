"""Numbers of 64 bits on their way to a page: as text, because a browser's numbers have 53."""

from typing import Any

WIDE = frozenset(
    {
        "balance",
        "reserved",
        "profit",
        "credit",
        "position",
        "positions",
        "used",
        "value",
        "bought_lots",
        "sold_lots",
        "bought_at",
        "sold_at",
        "match",
        "reference",
    }
)
"""Fields of documents that may hold any number of 64 bits; of a table by instrument its values."""


def exact(document: Any, is_wide: bool = False) -> Any:
    """The document with such numbers as text."""
    if isinstance(document, dict):
        return {key: exact(value, is_wide or key in WIDE) for key, value in document.items()}
    if isinstance(document, list):
        return [exact(one, is_wide) for one in document]
    is_number = isinstance(document, int) and not isinstance(document, bool)
    return str(document) if is_wide and is_number else document
