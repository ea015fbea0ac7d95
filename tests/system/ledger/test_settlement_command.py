"""``outcry settlement``: every command of its page, and what its files say then."""

import csv
import json

import pytest

from tests.oracles import settlement_verifier
from tests.support.user_commands import commands, run

LINES = commands("settlement.md")
USD = {"USD": 2}
SETTLE = "settle trades.csv --decimals USD=2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every command of the page, in its order; what each printed is in ``said.json``."""
    folder = tmp_path_factory.mktemp("settlement")
    outputs = {line.split()[2]: run(line, folder) for line in LINES}
    (folder / "said.json").write_text(json.dumps(outputs))
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_the_pages_commands_say_what_the_page_says(folder):
    outputs = json.loads((folder / "said.json").read_text())
    assert outputs["due"] == "2026-11-27 (T+1)\n"
    assert len(rows(folder / "obligations.csv")) == 12
    assert rows(folder / "nets.csv") == [
        ["2026-11-23", "ann", "USD", "700.00"], ["2026-11-23", "ann", "COIN", "-5"],
        ["2026-11-23", "cat", "USD", "-700.00"], ["2026-11-23", "cat", "COIN", "5"],
        ["2026-11-24", "ann", "ACME", "30"], ["2026-11-24", "ann", "USD", "-3000.00"],
        ["2026-11-24", "bob", "ACME", "-20"], ["2026-11-24", "bob", "USD", "1990.00"],
        ["2026-11-24", "cat", "ACME", "-10"], ["2026-11-24", "cat", "USD", "1010.00"],
    ]  # fmt: skip


def test_what_fails_on_the_first_day_settles_on_the_second(folder):
    assert [row[:1] + row[8:] for row in rows(folder / "day1" / "fails.csv")] == [
        ["1", "bob", "ACME", "0.30"],
        ["2", "cat", "ACME", "0.10"],
    ]
    assert rows(folder / "day2" / "fails.csv") == []
    after = {tuple(row[:2]): row[2] for row in rows(folder / "day2" / "balances.csv")}
    assert {key: amount for key, amount in after.items() if float(amount)} == {
        ("ann", "USD"): "2700.30",
        ("ann", "ACME"): "30",
        ("bob", "USD"): "1989.80",
        ("cat", "COIN"): "5",
        ("cat", "USD"): "1009.90",
    }


def test_an_independent_verifier_finds_the_files_of_the_page(folder):
    """Written from the page alone, and none of our code."""
    trades, names = folder / "trades.csv", ("obligations.csv", "nets.csv")
    settlement_verifier.check_obligations(trades, *(folder / name for name in names), USD)
    day1, day2 = folder / "day1", folder / "day2"
    before = folder / "balances.csv"
    settlement_verifier.check_settlement(day1, trades, before, "2026-11-24", decimals=USD)
    later, before = folder / "later.csv", folder / "balances2.csv"
    settlement_verifier.check_settlement(day2, later, before, "2026-11-25", day1, decimals=USD)


def test_corporate_actions_write_movements_and_commands(folder):
    assert rows(folder / "paid.csv") == [
        ["issuer", "ann", "USD", "0.75"],
        ["bob", "issuer", "USD", "0.18"],
    ]
    assert [row[0] for row in rows(folder / "dividend.csv")] == ["REPLACE", "PHASE"]
    assert rows(folder / "moved.csv") == [
        ["issuer", "ann", "ACME", "15"],
        ["bob", "issuer", "ACME", "3"],
        ["bob", "issuer", "USD", "0.34"],
    ]
    assert rows(folder / "split.csv")[0][4:6] == ["67", "45"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("net nowhere.csv --out x.csv", 1),
        ("net balances.csv --out x.csv", 1),
        ("due MOON 2026-11-25", 1),
        ("due XNYS yesterday", 2),
        (f"{SETTLE} --balances balances.csv --day 2026-11-24 --out day1", 1),
        (f"{SETTLE} --balances trades.csv --day 2026-11-24 --out day3", 1),
        ("net trades.csv --out x.csv", 1),
        ("net trades.csv --decimals USD=two --out x.csv", 2),
        ("net trades.csv --decimals USD=2 --decimals USD=3 --out x.csv", 2),
    ],
)
def test_what_is_refused_leaves_nothing(words, status, folder):
    before = sorted(folder.iterdir())
    run(f"outcry settlement {words}", folder, status)
    assert sorted(folder.iterdir()) == before


def test_units_settle_to_the_same_as_decimals(folder):
    """Files of both kinds are read; what is written is decimal, or units with ``--units``."""
    first = f"{SETTLE} --balances balances.csv --day 2026-11-24"
    run(f"outcry settlement {first} --units --out units", folder)
    run("outcry settlement net trades.csv --decimals USD=2 --units --out units.csv", folder)
    units = folder / "units"
    assert (units / "balances.csv").read_text().startswith("member,asset,balance_units\n")
    assert rows(folder / "units.csv")[0] == ["2026-11-23", "ann", "USD", "70000"]
    # What was written in units is carried on in decimals, and in units as ever.
    later = "settle later.csv --balances balances2.csv --day 2026-11-25"
    run(f"outcry settlement {later} --decimals USD=2 --carried units --out day3", folder)
    for name in ("balances.csv", "transfers.csv", "settled.csv", "owed.csv"):
        assert (folder / "day3" / name).read_bytes() == (folder / "day2" / name).read_bytes()
    old = "trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units\n"
    (folder / "old.csv").write_text(old)
    again = f"settle old.csv --balances {units / 'balances.csv'} --day 2026-11-24"
    run(f"outcry settlement {again} --carried units --out old", folder)
    assert rows(folder / "old" / "fails.csv")[0][5:8] == ["30", "USD", "300000"]
    assert rows(folder / "day1" / "fails.csv")[0][5:8] == ["30", "USD", "3000.00"]
