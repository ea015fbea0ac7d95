"""Comma-separated values that a spreadsheet shows and does not run.

A cell of text that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to spreadsheets.
Participants choose some of that text, so it is written behind an apostrophe, which a spreadsheet
takes as "this is text".  Numbers stay as they are, also those below zero; control characters are
shown as escapes, as everywhere.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from openoutcry.cli.printable import printable

BEGINS = ("=", "+", "-", "@")
NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def cell(value: Any) -> Any:
    """The value as it may stand in a cell."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(BEGINS) and not NUMBER.fullmatch(text) else text


def write_rows(out: TextIO, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A heading and the rows below it."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in names])
    writer.writerows([cell(value) for value in row] for row in rows)


def safe_table(table: Any) -> Any:
    """The pyarrow table with the cells of its text columns as :func:`cell` has them."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            cells = [cell(value) for value in table.column(at).to_pylist()]
            table = table.set_column(at, field, pa.array(cells, field.type))
    return table
