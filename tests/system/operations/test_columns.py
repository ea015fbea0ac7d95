"""cli/columns.py: tables wider than the console."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from openoutcry.cli.columns import print_columns, sections


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(20, 120))
def test_every_line_fits_and_every_cell_is_whole(widths: list[int], width: int) -> None:
    """All columns once, the first in each table; a table is cut only where two columns do not
    fit."""
    names = [f"{at:x}" * wide for at, wide in enumerate(widths)]
    rows = [["v" * wide for wide in widths]]
    out = StringIO()
    print_columns(Console(file=out, width=width), names, rows)
    assert all(len(line.rstrip()) <= width for line in out.getvalue().splitlines())
    parts = sections(widths, width)
    assert [at for part in parts for at in part if at or part is parts[0]] == [*range(len(widths))]
    for part in parts:
        assert part[0] == 0
        if len(part) > (1 if part is parts[0] else 2):  # fewer stand whatever their width
            assert sum(widths[at] + 2 for at in part) + 1 <= width
        if sum(widths[at] + 2 for at in part) + 1 <= width:
            line = "  ".join(names[at] for at in part)
            assert any(text.strip() == line for text in out.getvalue().splitlines())
