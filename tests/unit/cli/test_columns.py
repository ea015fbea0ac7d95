"""cli/columns.py: tables wider than the console."""

from io import StringIO

from rich.console import Console

from openoutcry.cli.columns import print_columns


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
