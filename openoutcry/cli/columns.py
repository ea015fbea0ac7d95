"""Tables as wide as the terminal: columns that do not fit are shown below, uncut."""

from collections.abc import Collection, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openoutcry.wire.text import printable

EDGES, BETWEEN = 2, 2
"""Characters at both ends of a line, and from one column to the next."""


def print_columns(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[str] = (),
) -> None:
    """Print rows under their names, those in ``right`` aligned right.

    Cells are text as participants entered it: nothing in it is markup, and control characters are
    shown as escapes.  Where the rows are wider than the console, the columns are in several tables,
    one beneath the other, each beginning with the first column.  Only a cell wider than the console
    is folded.
    """
    rows = [[printable(cell, keep="\n") for cell in row] for row in rows]
    widths = [
        max(cell_len(name), *(cell_len(row[at]) for row in rows)) if rows else cell_len(name)
        for at, name in enumerate(names)
    ]
    for columns in sections(widths, console.width):
        table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
        for at in columns:
            justify: Literal["left", "right"] = "right" if names[at] in right else "left"
            table.add_column(names[at], justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*(Text(row[at]) for at in columns))
        console.print(table)


def sections(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each table: all of them in order, the first in every one."""
    parts: list[list[int]] = [[]]
    used = EDGES
    for at, wide in enumerate(widths):
        if len(parts[-1]) > (len(parts) > 1) and used + wide + BETWEEN > width + 1:
            parts.append([0])
            used = EDGES + widths[0] + BETWEEN
        parts[-1].append(at)
        used += wide + BETWEEN
    return parts
