"""What was measured, on the terminal: no figure without its unit, however narrow."""

import io
import json

import pytest
from rich.console import Console

from openoutcry.report import terminal
from openoutcry.report.quantity import quantity
from openoutcry.report.run_text import PERCENTILES, stage_table
from tests import ROOT

EVIDENCE = ROOT / "docs" / "evidence"
BENCHES = [path for path in sorted(EVIDENCE.glob("*.json")) if '"against"' in path.read_text()]

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


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_no_figure_of_a_bench_is_cut(path):
    """Every bench whose figures are kept, on the 80 characters of a pipe: rows on one line but for
    the name, which is folded."""
    kept = json.loads(path.read_text())
    out = io.StringIO()
    measured = kept["figures"] | {"host": kept["host"], "subject": kept["name"]}
    Console(file=out, width=80).print(terminal._table(measured))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()
    for row in measured["results"]:
        figure = quantity(row["median"], row["unit"])
        assert any(
            line.startswith(f" {row['name'][:6]}") and f" {figure} " in line for line in lines
        )
