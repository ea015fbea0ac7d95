"""A report: columns and rows, as a table, CSV, JSON or Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.ledger.ledger_state import write_whole
from openoutcry.ledger.words import Said, in_language, word
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.extras import need
from openoutcry.wire.text import cell, printable


@dataclass
class Report:
    """``rows`` hold whole numbers (amounts in their asset's smallest unit) and texts."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    decimals: dict[str, str] = field(default_factory=dict)
    """By column of amounts: the column that names its asset."""
    scales: dict[str, int] = field(default_factory=dict)
    """Decimals by asset."""
    notes: list[str] = field(default_factory=list)
    heading: dict[str, str] = field(default_factory=dict)
    """Subject of the report, by name: above the table, and in JSON."""

    @property
    def numbers(self) -> list[str]:
        """The columns that have numbers."""
        return [
            name
            for at, name in enumerate(self.columns)
            if any(type(row[at]) is int for row in self.rows)
        ]

    def texts(self, language: str = "en") -> list[tuple[str, ...]]:
        """Rows for people: amounts with their decimals, words in ``language``."""
        at = {name: index for index, name in enumerate(self.columns)}

        def text(row: tuple[Any, ...], name: str) -> str:
            value = row[at[name]]
            if value is None:
                return ""
            if name in self.decimals:
                return amount_text(value, self.scales.get(row[at[self.decimals[name]]], 0))
            if type(value) is int and name.endswith("lots"):
                return f"{value:,}"
            return in_language(value, language) if isinstance(value, str) else str(value)

        return [tuple(text(row, name) for name in self.columns) for row in self.rows]

    def as_csv(self) -> str:
        """Return the rows as CSV, safe to open in a spreadsheet."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(map(cell, self.columns))
        writer.writerows(map(cell, row) for row in self.rows)
        return out.getvalue()

    def as_json(self) -> str:
        """Return one JSON document with title, rows and notes."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        heading = {"heading": self.heading} if self.heading else {}
        return json.dumps({"report": self.title, **heading, "rows": rows, "notes": self.notes})

    def write_parquet(self, path: Path) -> None:
        """Whole numbers are int64, or decimals of 38 digits where one does not fit."""
        pa = arrow()
        columns = {}
        for at, name in enumerate(self.columns):
            values = [_stored(row[at]) for row in self.rows]
            integers = [value for value in values if type(value) is int]
            kind = pa.string()
            if integers:
                fits = all(-(2**63) <= value < 2**63 for value in integers)
                kind = pa.int64() if fits else pa.decimal128(38)
            columns[name] = pa.array(values, kind)
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(pa.table(columns), sink)
        write_whole(path, sink.getvalue().to_pybytes())

    def write_pdf(self, path: Path, language: str = "en") -> None:
        """Pages to be sent to a member, in ``en`` or ``de``; the figures are the same."""
        page = pages_of("landscape", language)
        page.set_font("Helvetica", "B", 14)
        title = in_language(self.title, language)
        page.cell(0, 10, latin(capital(title)), new_x="LMARGIN", new_y="NEXT")
        page.set_font("Helvetica", size=9)
        for name, text in self.heading.items():
            line = f"{word(name, language)}: {in_language(text, language)}"
            page.cell(0, 5, latin(line), new_x="LMARGIN", new_y="NEXT")
        page.set_font("Helvetica", size=7)
        numbers = set(self.numbers)
        align = ["RIGHT" if name in numbers else "LEFT" for name in self.columns]
        head = [word(name, language) for name in self.columns]
        rows = [[latin(cell) for cell in row] for row in (head, *self.texts(language))]
        # As wide as the longest text of each, so that nothing is broken into lines if it all fits.
        widths = [
            max(page.get_string_width(cell) for cell in column) + 4
            for column in zip(*rows, strict=True)
        ]
        add_table(page, rows, align, min(sum(widths), page.epw), widths)
        self._end_pdf(page, path, language)

    def _end_pdf(self, page: Any, path: Path, language: str) -> None:
        """Add the notes to a PDF, and write it."""
        for note in self.notes:
            text = latin(in_language(note, language))
            page.multi_cell(0, 5, text, new_x="LMARGIN", new_y="NEXT")
        write_whole(path, bytes(page.output()))


def _stored(value: Any) -> Any:
    """A value that a column of text or of numbers holds."""
    return printable(value) if isinstance(value, str) else value


def pages_of(orientation: str, language: str) -> Any:
    """Return a PDF with its first page open, whose pages have numbers.  Raises
    :class:`LedgerError` without fpdf2."""
    need("fpdf", "statements as PDF need fpdf2", "ledger", LedgerError)
    from fpdf import FPDF

    class Pages(FPDF):
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("Helvetica", size=7)
            pages = Said("page {number} of {count}", number=self.page_no(), count="{nb}")
            self.cell(0, 6, in_language(pages, language), align="R")

    page = Pages(orientation=orientation)
    page.set_creation_date(datetime(1970, 1, 1, tzinfo=UTC))  # the same bytes every time
    page.add_page()
    return page


def add_table(
    page: Any,
    rows: Iterable[Sequence[str]],
    align: Sequence[str],
    width: float,
    widths: Sequence[float] | None = None,
) -> None:
    """Add a table to a PDF, the first row its head, whose cells are :func:`latin`.  ``align``: of
    each column; ``width`` and, where they are not equal, ``widths`` of the columns in millimetres.
    """
    with page.table(
        text_align=align,
        col_widths=widths,
        borders_layout="HORIZONTAL_LINES",
        line_height=4.5,
        width=width,
        align="LEFT",
    ) as table:
        for row in rows:
            table.row(row)


def capital(text: str) -> str:
    """Return a text with a capital letter at its begin."""
    return text[:1].upper() + text[1:]


def latin(text: str) -> str:
    """The characters that the built-in fonts have."""
    return printable(text).encode("latin-1", "replace").decode("latin-1")


def amount_text(amount: int, decimals: int) -> str:
    """``-1234567`` with 2 decimals is ``-12,345.67``."""
    return decimal_text(amount, decimals, ",")


def arrow() -> Any:
    """pyarrow, or an error that says how to get it."""
    need("pyarrow.parquet", "this needs pyarrow", "ledger", LedgerError)
    import pyarrow

    return pyarrow
