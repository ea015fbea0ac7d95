"""Realised gains by lot come to the realised profit of the ledger, to the unit."""

import csv
import io

import pytest

from tests.support.ledger import tax as shared

report = shared.report
ledger_state = shared.ledger_state


def test_the_command_writes_csv_and_pdf_that_are_read_back(outcry, day, report, tmp_path):
    who = report.rows[0][0]
    out = tmp_path / "gains.csv"
    command = ["audit", "report", "tax", day, "--participant", who]
    done = outcry(*command, "--format", "csv", "--out", out)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(io.StringIO(out.read_text())))
    mine = [[str(cell) for cell in row] for row in report.rows if row[0] == who]
    assert rows == [list(report.columns), *mine]
    pdf = tmp_path / "gains.pdf"
    assert outcry(*command, "--format", "pdf", "--out", pdf).returncode == 0
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert b"%%EOF" in pdf.read_bytes()[-16:]
    assert outcry(*command, "--format", "pdf").returncode == 2
    assert pytest.approx(sum(row[9] for row in report.rows if row[0] == who)) == sum(
        int(row[9]) for row in rows[1:]
    )
