"""``outcry ledger questions``: every command of its page, its formats, and what it refuses."""

import csv
import io
import json

import pytest

from openoutcry.ledger.questions.sample import write_sample
from tests.support.user_commands import commands, run

LINES = commands("reference-questions.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    write_sample(folder / "books", 1)
    return folder


def test_the_first_command_makes_the_books_that_the_others_ask(folder, tmp_path):
    assert "22 faults" in run(LINES[0], tmp_path)
    for path in (folder / "books").iterdir():
        assert path.read_bytes() == (tmp_path / "books" / path.name).read_bytes()


@pytest.mark.parametrize("line", LINES[1:])
def test_commands_of_the_page(line, folder):
    printed = run(line, folder)
    if line.endswith("--csv"):
        rows = list(csv.DictReader(io.StringIO(printed)))
        assert {row["currency"] for row in rows} >= {"ETH", "USD"}
    elif line.endswith("--json"):
        assert len(json.loads(printed)["corrected"]["anomalies"]) == 22
    else:
        assert "faithful:" in printed or "corrected:" in printed


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("q1 --data books --csv", 2),
        ("fees --data books --as faithful", 2),
        ("q3 --data books --from 2024-10-01", 2),
        ("q3 --data books --order 1", 1),
        ("q1 --data nowhere", 1),
        ("q1 --data books --as faithful --on oracle", 1),
    ],
)
def test_what_is_refused(words, status, folder):
    run(f"outcry ledger questions {words}", folder, status)
