"""Text from outside, as every sink shows it: terminal, page, CSV, log, SQL, mail, file name.

A participant, a peer, a file or a name on this host supplies the text.  The one function that
renders it is :func:`printable`; :func:`cell` renders it as a cell of CSV.  What a protocol accepts
as text is defined in ``wire/printable.py``.
"""

import re
from typing import Any

UNSURE = re.compile(r"[^ -~]")
"""Characters that may not be shown unchanged: everything but printable ASCII is examined."""
BEGINS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of a formula; the last four are their full-width forms, which some spreadsheets
take as well."""
BEFORE = re.compile(f"(?:^|;) *(?=[{re.escape(''.join(BEGINS))}])")
"""What is before a formula: the begin of a cell or, where the comma is the decimal mark, a
semicolon, which separates cells there."""
NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def printable(text: str, keep: str = "") -> str:
    """The text with each control character, each half of a surrogate pair and each character that
    turns or hides others as an escape.  ``keep``: characters that stay."""

    def shown(found: re.Match[str]) -> str:
        one = found[0]
        if one.isprintable() or one in keep:
            return one
        return one.encode("unicode_escape").decode()

    return UNSURE.sub(shown, text)


def text_of(data: bytes, encoding: str = "utf-8") -> str:
    """Bytes from outside, which may be no text at all, as text that may be shown and stored."""
    return printable(bytes(data).decode(encoding, "backslashreplace"))


def cell(value: Any) -> Any:
    """A value as a spreadsheet shows it and does not run it.

    A cell of text that begins with one of BEGINS is a formula to spreadsheets, so it is written
    after an apostrophe, which they take as "this is text", also behind a semicolon.  Numbers stay
    as they are.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return text if NUMBER.fullmatch(text) else BEFORE.sub(r"\g<0>'", text)
