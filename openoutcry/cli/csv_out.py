"""CSV that a spreadsheet shows and does not run: each cell by ``wire.text.cell``."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from openoutcry.wire.text import cell


def write_rows(out: TextIO, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A heading and the rows below it."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in names])
    writer.writerows([cell(value) for value in row] for row in rows)
