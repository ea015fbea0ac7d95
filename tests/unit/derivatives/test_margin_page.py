"""Margin recomputed from docs/margin.md alone, and the page's tables of keys."""

from random import Random

import pytest

from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.margin import margin
from tests import ROOT
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE, filled

EXAMPLE = (ROOT / "docs" / "margin-example.toml").read_text()
INVERSE = """
[[asset]]
name = "COIN"
[[underlying]]
name = "SOL"
price_ticks = 151
scan_ticks = 20
extreme_thirds = 7
extreme_share = 330_001
unit = 43
addon = 1_234_567
initial = 1_333_333
spreads = [[0, 2, 7_777], [0, 1, 9_999]]
[[contract]]
symbol = "SOL-INV"
underlying = "SOL"
kind = "perpetual"
asset = "USD"
multiplier = 1_000_003
inverse = true
mark_ticks = 149
[[contract]]
symbol = "SOL-1"
underlying = "SOL"
kind = "future"
asset = "USD"
multiplier = 43
expiry = 2027-03-26T08:00:00Z
mark_ticks = 152
tier = 1
[[contract]]
symbol = "SOL-2"
underlying = "SOL"
kind = "future"
asset = "USD"
multiplier = 41
expiry = 2027-06-25T08:00:00Z
mark_ticks = 154
tier = 2
[[offset]]
legs = ["SOL:long:3", "ETH:short:1", "BTC:long:2"]
rate = 333_333
"""
"""Numbers that do not divide: every rounding shows."""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    path = tmp_path_factory.mktemp("margin") / "book.toml"
    path.write_text(EXAMPLE + INVERSE)
    return Page(PAGE.read_text(), path.read_text()), read_book(path)


def test_the_page_has_every_key_with_its_default() -> None:
    """`python -m tests.support.margin_keys` writes the tables."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


def test_margin_without_options_is_the_page_s_to_the_unit(both):
    """Random portfolios of futures and perpetuals, linear and inverse, with charges and credits."""
    page, book = both
    parameters, numbers = book.parameters(), book.numbers()
    symbols = [symbol for symbol, one in book.contracts.items() if not one.is_option]
    rng, credited = Random(74), 0
    for _ in range(200):
        chosen = rng.sample(symbols, rng.randint(1, len(symbols)))
        positions = {symbol: rng.choice((-1, 1)) * rng.randint(1, 40) for symbol in chosen}
        made = margin(parameters, {numbers[symbol]: lots for symbol, lots in positions.items()})
        assert page.margin(positions) == (made.maintenance, made.initial), positions
        credited += any(part.credit for part in made.commodities)
    assert credited > 20, "the offsets take part"


def test_margin_with_options_is_the_page_s_within_a_tick_a_lot(both):
    """The page's formula in floating point, the venue's in whole numbers."""
    page, book = both
    parameters, numbers = book.parameters(), book.numbers()
    option = "BTC-25DEC26-60000-C"
    rng = Random(75)
    for _ in range(60):
        positions = {option: rng.choice((-1, 1)) * rng.randint(1, 9)}
        for symbol in ("BTC-PERP", "BTC-25DEC26", "ETH-PERP"):
            positions[symbol] = rng.randint(-9, 9)
        made = margin(parameters, {numbers[symbol]: lots for symbol, lots in positions.items()})
        maintenance, initial = page.margin(positions)
        within = 2 * abs(positions[option]) + 2
        assert abs(maintenance - made.maintenance) <= within, positions
        assert abs(initial - made.initial) <= 1.1 * within + 1, positions


@pytest.mark.parametrize("symbol", ["BTC-PERP", "SOL-INV", "SOL-2", "ETH-PERP"])
def test_a_lot_s_scenarios_and_delta_are_the_page_s(both, symbol):
    page, book = both
    row = book.parameters().contracts[book.numbers()[symbol]]
    assert tuple(page.losses(page.contracts[symbol])) == row.losses
    assert page.delta(page.contracts[symbol]) == row.delta
