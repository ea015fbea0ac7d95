"""What a participant chooses is no formula in the spreadsheet of whoever opens a CSV file."""

import csv
import re
from io import StringIO

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.cli.csv_out import write_rows
from openoutcry.journal.tables import safe_table
from openoutcry.wire.text import BEFORE, BEGINS, NUMBER, cell, printable

FORMULAS = ["=1+1", "+A1", "-A1", "@SUM(A1)", "-1+1", "=-1", "--1", "-"]


@pytest.mark.promise(
    "One function shows and writes text from outside. On terminals, in pages, CSV, JSON, "
    "Parquet, logs, mail and webhooks it is no control character, no markup and no formula. "
    "Text that a client of the portal chooses is no control character in any answer, mail or "
    "line of its log",
    group="text",
)
@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text: str) -> None:
    out = StringIO(newline="")
    write_rows(out, ["name", text], [[text, 1]])
    heading, row = csv.reader(StringIO(out.getvalue(), newline=""))
    assert heading == ["name", f"'{text}"]
    assert row == [f"'{text}", "1"]
    assert safe_table(pa.table({"x": [text, None]}))["x"].to_pylist() == [f"'{text}", None]


@pytest.mark.parametrize("text", ["x;=1+1", "x; =1", ";@SUM(1)", "a;b;+1", " =1", "  -cmd"])
def test_no_formula_is_behind_a_semicolon_or_spaces(text: str) -> None:
    """A spreadsheet whose decimal mark is the comma splits the cells of our CSV at semicolons."""
    out = StringIO()
    csv.writer(out).writerow([cell(text)])
    cells = next(csv.reader(StringIO(out.getvalue()), delimiter=";"))
    assert [one for one in cells if one.strip(" ").startswith(BEGINS)] == []


@pytest.mark.parametrize(
    "value", ["-5", "-1,250.75", "+3", "-1e-09", "", "ORDER-1", "a=b", -5, -1.5, None, b"=x"]
)
def test_numbers_and_other_text_stay(value: object) -> None:
    assert cell(value) == value
    if isinstance(value, str):
        assert safe_table(pa.table({"x": [value]}))["x"].to_pylist() == [value]


@pytest.mark.promise(
    "One function shows and writes text from outside. On terminals, in pages, CSV, JSON, "
    "Parquet, logs, mail and webhooks it is no control character, no markup and no formula. "
    "Text that a client of the portal chooses is no control character in any answer, mail or "
    "line of its log",
    group="text",
)
@given(st.text(max_size=12))
def test_a_cell_is_printable_and_no_formula(text: str) -> None:
    shown = cell(text)
    assert shown.isprintable()
    assert not shown.startswith(BEGINS) or NUMBER.fullmatch(shown)
    assert not re.search(f"; *[{re.escape(''.join(BEGINS))}]", shown)
    assert NUMBER.fullmatch(shown) or shown == BEFORE.sub(r"\g<0>'", printable(text))
    assert safe_table(pa.table({"x": [text]}))["x"].to_pylist() == [shown]
