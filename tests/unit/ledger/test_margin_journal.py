"""``outcry margin --journal``: the participants are those of the ledger."""

import json

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.ledger import reports
from openoutcry.ledger.ledger_state import at
from tests.support.ledger import ledger_flow as flow

HEAD = """
[margin]
asset = "CASH"
now = 2026-11-27T00:00:00Z
[[asset]]
name = "CASH"
"""
EACH = """
[[underlying]]
name = "{0}"
price_ticks = 100_000
scan_ticks = 9_000
unit = 1
[[contract]]
symbol = "{0}"
underlying = "{0}"
kind = "perpetual"
asset = "CASH"
multiplier = 1
mark_ticks = 100_000
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A journal, and a margin file for all of its instruments."""
    home = tmp_path_factory.mktemp("margin")
    journal = flow.write_journal(home / "day", flow.draw(2_000, 5))
    symbols = at(journal).books.symbols
    path = home / "margin.toml"
    path.write_text(HEAD + "".join(EACH.format(symbol) for symbol in symbols))
    return path, journal


def run(*arguments):
    done = CliRunner().invoke(main, ["margin", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_participants_positions_and_money_are_the_ledgers(files):
    path, journal = files
    books = at(journal).books
    lots = {}
    for who, symbol, held, *_ in reports.positions(books).rows:
        lots.setdefault(who, {})[symbol] = held
    money = {}
    for owner, asset, _, value in reports.balances(books).rows:
        if asset == "CASH" and owner.startswith("participant "):
            money[int(owner.split()[1])] = money.get(int(owner.split()[1]), 0) + value
    who = max(lots, key=lambda one: len(lots[one]))
    document = run("explain", path, who, "--journal", journal)
    assert document["equity"] == money.get(who, 0)
    for symbol, part in document["commodities"].items():
        assert part["scan"] == abs(lots[who].get(symbol, 0)) * 9_000


def test_a_moment_of_the_journal_can_be_chosen(files):
    path, journal = files
    early, late = (
        run("stress", path, "--journal", journal, "--as-of", moment) for moment in (400, 2_000)
    )
    assert [one["shock"] for one in early] == [one["shock"] for one in late]
    assert early != late


def test_an_instrument_that_the_file_has_not_is_refused_by_name(files, tmp_path):
    _, journal = files
    some = tmp_path / "some.toml"
    some.write_text(HEAD + EACH.format("OTHER"))
    done = CliRunner().invoke(main, ["margin", "stress", str(some), "--journal", str(journal)])
    assert done.exit_code == 1
    assert "the margin file has no contract" in done.stderr
