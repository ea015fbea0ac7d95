"""cli/columns.py: tables wider than the console."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from openoutcry.cli.columns import print_columns, sections
from openoutcry.wire.text import printable


def test_a_table_that_fits_is_one_table() -> None:
    """And one of no rows has its heading."""
    out = StringIO()
    print_columns(Console(file=out, width=30), ["name", "count"], [["x", "12"]], right=["count"])
    assert [line.rstrip() for line in out.getvalue().splitlines() if line.strip(" ─")] == [
        " name  count",
        " x        12",
    ]
    print_columns(Console(file=out, width=30), ["empty"], [])
    assert "empty" in out.getvalue()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(20, 120))
def test_the_columns_of_a_table_fit_with_the_gaps_between_them(
    widths: list[int], width: int
) -> None:
    """Each has the first column and at least one other, whatever their width."""
    first, *others = sections(widths, width)
    for part, least in ((first, 1), *((part, 2) for part in others)):
        assert len(part) <= least or sum(widths[at] + 2 for at in part) + 1 <= width


@pytest.mark.parametrize(
    ("entered", "shown"),
    [
        ("[/b]", "[/b]"),
        ("[red]x", "[red]x"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\x07\x9b\u202eb", "a\\x07\\x9b\\u202eb"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_participants_entered_is_neither_markup_nor_a_command_of_the_terminal(
    entered: str, shown: str
) -> None:
    out = StringIO()
    print_columns(Console(file=out, width=60, force_terminal=True), ["symbol"], [[entered]])
    assert shown in out.getvalue()
    assert entered == shown or entered not in out.getvalue()


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\x7f", "\u202e", "\ud800", "a\rb\nc"])
def test_one_function_shows_text_from_outside(text: str) -> None:
    """Tables and the client's prompt show the same escapes; a table keeps its own line ends."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode("ascii").decode("unicode_escape") == text
    assert printable(text, keep="\n").replace("\n", "\\n") == shown
