"""Every command of docs/ledger.md is run here."""

import shlex
import shutil

import pytest

from tests.support.pipeline import warm_outcry
from tests.support.user_commands import commands
from tests.support.waiting import BOUND_S

LINES = [
    pytest.param(line, marks=pytest.mark.long if " end-of-day " in line else ())
    for line in commands("ledger.md")
]
"""The end of a day writes a PDF for each participant."""


@pytest.fixture(scope="module")
def folder(day, tmp_path_factory):
    """One folder for all: what is followed first is asked later."""
    home = tmp_path_factory.mktemp("page")
    shutil.copytree(day, home / "day")
    return home


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_page(folder, line):
    outcry, *words = shlex.split(line)
    assert outcry == "outcry"
    if words[:2] == ["ledger", "order"]:
        words = [*words[:-2], *an_order(folder / "day")]
    done = warm_outcry.run(words, folder, BOUND_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def an_order(home):
    from openoutcry.ledger.ledger_state import at
    from openoutcry.ledger.transactions import transactions

    ledger_state = at(home, 1_000)
    rows = (row for part in transactions(home, ledger_state) for row in part)
    row = next(
        row for row in rows if row["order_id"] and row["instrument"] < ledger_state.books.count
    )
    return [ledger_state.books.symbols[row["instrument"]], str(row["order_id"])]
