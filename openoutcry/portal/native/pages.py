"""Pages of a list: a cursor says where the next one begins, and only the portal reads it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from openoutcry.portal.accounts.errors import InvalidRequest

MOST, DEFAULT = 500, 100


def cursor_of(kind: str, number: int) -> str:
    """The cursor of the rows after ``number`` in lists of this ``kind``; :func:`number_of` reads
    it."""
    return base64.urlsafe_b64encode(f"{kind}{number}".encode()).decode().rstrip("=")


def number_of(kind: str, cursor: str) -> int:
    """0: from the beginning.  Raises :class:`InvalidRequest` for one of another list."""
    if not cursor:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    number = text.removeprefix(kind)
    if number == text or not (number.isdigit() and len(number) <= 19):
        raise InvalidRequest("cursor: it belongs to another list")
    return int(number)


def page_of(
    kind: str, rows: Sequence[Any], limit: int, number: Callable[[Any], int]
) -> tuple[list[Any], str | None]:
    """The first ``limit`` of rows, and the cursor of what follows; ``rows`` has one more than
    ``limit`` if something follows.  ``number``: of a row."""
    chosen = list(rows[:limit])
    following = len(rows) > limit
    return chosen, cursor_of(kind, number(chosen[-1])) if following else None
