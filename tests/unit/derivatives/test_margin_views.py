"""What ``outcry margin`` says: explanations, shocks and coverage, over the example of the docs."""

import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.explain import equity_at, explain, liquidation_price
from openoutcry.derivatives.margin import margin
from openoutcry.derivatives.stress import (
    INVENTED,
    PART,
    Shock,
    addon,
    covered,
    generated,
    historical,
    kupiec,
    shocked,
)
from openoutcry.wire.errors import OutcryError
from tests import ROOT

EXAMPLE = ROOT / "docs" / "margin-example.toml"


@pytest.fixture(scope="module")
def book():
    return read_book(EXAMPLE)


def test_an_explanation_adds_up(book):
    """Per commodity: scan + months - credit, or the short minimum, and the add-on."""
    for participant in book.participants.values():
        made = explain(book, participant)
        for part in made.commodities.values():
            risk = part["scan"] + part["intra"] - part["credit"]
            assert part["maintenance"] == max(risk, part["short_minimum"]) + part["addon"]
            assert max(row["loss"] for row in part["scenarios"]) <= part["scan"]
        assert made.maintenance == sum(p["maintenance"] for p in made.commodities.values())
        counts = sum(line["counts"] for line in made.collateral.values())
        assert made.equity == counts + made.option_value
        assert made.maintenance <= made.initial <= made.with_orders


def test_an_offset_halves_what_two_hedged_positions_need(book):
    """One BTC long and fifteen ETH short: 6,000 + 6,000, less 60 % of both."""
    made = explain(book, book.participants[11])
    assert [part["credit"] for part in made.commodities.values()] == [3_600, 3_600]
    assert made.maintenance == 4_800


def test_greeks_are_those_of_all_positions(book):
    made = explain(book, book.participants[9]).greeks["BTC"]
    assert made["delta"] == pytest.approx(2 - 2 * 0.5305, abs=1e-3)
    assert made["gamma"] < 0 < made["theta"]
    assert made["vega"] < 0
    assert explain(book, book.participants[7]).greeks["BTC"]["delta"] == 1.0


@pytest.mark.parametrize("number", [7, 8, 9, 11, 12])
def test_a_liquidation_price_is_the_first_at_which_equity_is_too_little(book, number):
    participant = book.participants[number]
    positions = book.positions_of(participant)

    def is_under(price):
        moved = book.moved({"BTC": price})
        needed = margin(moved.parameters(), positions).maintenance
        return equity_at(book, participant, moved) < needed

    for down, toward in ((True, 1), (False, -1)):
        price = liquidation_price(book, participant, "BTC", down)
        if price is not None:
            assert is_under(price)
            assert not is_under(price + toward)
    assert {liquidation_price(book, book.participants[7], "BTC", True)} == {55_999}


def test_what_if_says_what_an_order_would_need(book):
    made = explain(book, book.participants[7], ("ETH-PERP", -15)).what_if
    assert made == {
        "initial_with_orders": 19_800,
        "accepted": 0,
        "maintenance_if_filled": 4_800,
    }


def test_a_shock_moves_money_from_one_side_to_the_other(book):
    """The book has both sides of every position: no shock makes or loses a unit of it."""
    for shock in INVENTED:
        made = shocked(book, shock, fund=1_000)
        assert made.gains == 0
        assert made.deficit == sum(max(0, -equity) for equity in made.failed.values())
        assert made.fund_left == 1_000 - made.deficit


def test_a_fall_of_a_fifth_makes_the_leveraged_long_fail(book):
    made = shocked(book, Shock("fall", -200_000))
    assert made.failed == {7: -2_000}
    assert made.deficit == 2_000


def test_collateral_falls_with_its_underlying(book):
    """Two BTC as collateral: worth 120,000, of which tiers and concentration take 12,000."""
    participant = replace(book.participants[9], positions={})
    fallen = book.moved({"BTC": 30_000})
    assert book.equity(participant) > equity_at(book, participant, fallen)
    assert fallen.prices["BTC"].numerator * book.prices["BTC"].denominator * 2 == (
        book.prices["BTC"].numerator * fallen.prices["BTC"].denominator
    )


# Coverage


def test_kupiec_s_test_gives_the_published_statistic():
    """Kupiec 1995 rejects at 5 % outside of 1 to 6 exceptions of 255 days at 99 %: fewer than 7."""
    accepted = [n for n in range(15) if kupiec(255, n, 0.99).p_value > 0.05]
    assert accepted == [1, 2, 3, 4, 5, 6]
    assert kupiec(255, 0, 0.99).statistic == pytest.approx(-2 * 255 * math.log(0.99))
    assert kupiec(1_000, 10, 0.99).statistic == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="exceptions are at most the days"):
        kupiec(10, 11, 0.99)


def test_a_historical_value_at_risk_and_its_add_on():
    losses = list(range(1, 101))
    assert historical(losses, 990_000) == 99
    assert historical(losses, PART) == 100
    assert (addon(losses, 60, 990_000), addon(losses, 200, 990_000)) == (39, 0)


def test_generated_prices_and_their_coverage_repeat():
    prices = generated(3, 5, 1_000_000)
    assert prices == generated(3, 5, 1_000_000)
    assert covered(prices, 990_000) == covered(prices, 990_000)
    assert covered(prices, 990_000, buffer=PART).exceptions < covered(prices, 990_000).exceptions


# The command, and the page


def run(*arguments):
    return CliRunner().invoke(main, ["margin", *map(str, arguments)])


def test_the_command_gives_the_same_numbers_as_json(book):
    done = run("explain", EXAMPLE, 7, "--order", "ETH-PERP:-15", "--json")
    document = json.loads(done.stdout)
    ours = explain(book, book.participants[7], ("ETH-PERP", -15)).document()
    assert document == {**json.loads(json.dumps(ours)), "asset": "USD"}
    shocks = json.loads(run("stress", EXAMPLE, "--json").stdout)
    assert [one["shock"] for one in shocks][-4:] == ["down-20", "down-50", "up-20", "up-50"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("explain", EXAMPLE, 99), 1, "there is no participant 99"),
        (("explain", EXAMPLE, 7, "--order", "X:1"), 2, "is not SYMBOL:LOTS"),
        (("explain", EXAMPLE, 7, "--as-of", "5"), 2, "--as-of needs --journal"),
        (("stress", EXAMPLE, "--move", "BTC:-200"), 2, "is not NAME:PERCENT"),
        (("explain", "missing.toml", 7), 1, "missing.toml: cannot be read"),
    ],
)
def test_a_mistake_is_reported_by_name(arguments, status, text):
    done = run(*arguments)
    assert done.exit_code == status
    assert text in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('name = "ETH"', 'name = "BTC"', "underlying[2].name: name 'BTC' already exists"),
        ('underlying = "ETH"', 'underlying = "SOL"', "contract[4].underlying: there is no 'SOL'"),
        ("mark_ticks = 3_001\n", "", "contract[4]: mark_ticks is missing"),
        ('"ETH:short:15"', '"ETH:15"', "offset[1].legs: 'ETH:15' is not NAME:long:RATIO"),
        ('"ETH:short:15"', '"ETH:short:0"', "a leg's side is 1 or -1"),
        ("price = [60_000, 100_000_000]", "price = [1]", "asset[2].price: must be two numbers"),
        ("[[smile]]", "[[smiles]]", "smiles: unknown key; is smile meant?"),
        ("scan_ticks = 400\n", "", "underlying[2].scan_ticks: is missing"),
        ("number = 8", "number = 7", "participant[2].number: number 7 already exists"),
        ("positions = { BTC-PERP = -1 }", "positions = { X = -1 }", "there is no contract 'X'"),
        ("strike_ticks = 60_000\n", "", "contract[3]: strike_ticks is not between"),
    ],
)
def test_a_mistake_in_a_margin_file_is_reported_by_name(tmp_path, old, new, text):
    source = EXAMPLE.read_text()
    assert old in source
    path = tmp_path / "margin.toml"
    path.write_text(source.replace(old, new, 1))
    with pytest.raises(OutcryError) as caught:
        read_book(path)
    assert text in str(caught.value)


def test_every_example_of_the_page_is_what_the_command_prints():
    """docs/margin.md: each command with the output after it, word for word."""
    page = (ROOT / "docs" / "margin.md").read_text()
    blocks = [block for block in page.split("```")[1::2] if block.startswith("console\n$ ")]
    assert len(blocks) >= 4
    for block in blocks:
        command, _, output = block.removeprefix("console\n$ ").partition("\n")
        words = command.split()
        assert words[:2] == ["outcry", "margin"]
        given = [str(ROOT / word) if word.endswith(".toml") else word for word in words[2:]]
        done = run(*given)
        assert done.exit_code == 0, done.stderr
        kept = output.strip().split("\n")
        printed = [line.rstrip() for line in done.stdout.strip().split("\n")]
        if "…" in kept:
            assert [line for line in kept if line != "…"] == [
                line for line in printed if line in kept
            ], command
        else:
            assert kept == printed, command
