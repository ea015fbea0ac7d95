"""The result of a run on the terminal."""

import io

import pytest
from rich.console import Console

from openoutcry.report.run_text import PERCENTILES, stage_table

# The widest that there are: six characters and a unit, the longest name and span of a table.
ROWS = [
    {"name": "round trip", "span": "sent -> reply received", "count": 9},
    {"name": "release", "span": "sequenced -> released", "count": 9},
]
FIGURES = {"p50": 1_650, "p90": 2_330_000, "p99": 1.68e9, "p999": 27_100, "max": 590_000.0}


@pytest.mark.parametrize("width", [70, 80, 120])
def test_no_figure_of_a_stage_is_cut(width):
    """With its unit, and the words of its span: on 80 characters, and wrapped on fewer."""
    out = io.StringIO()
    rows = [row | FIGURES for row in ROWS]
    Console(file=out, width=width).print(stage_table(rows, "Latency by stage"))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    for row in ROWS:
        (line,) = (line for line in lines if line.startswith(f" {row['name']} "))
        for figure in ("1.65 µs", "2.33 ms", "1.68 s", "27.1 µs", "590 µs"):
            assert figure in line
    for _, heading in PERCENTILES:
        assert heading in out.getvalue()
    for word in ("reply", "received", "sequenced", "released"):
        assert word in out.getvalue()
