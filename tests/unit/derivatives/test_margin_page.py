"""Margin recomputed from docs/margin.md alone, and the page's tables of keys."""

import re
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.margin import margin
from openoutcry.derivatives.scenarios import moves, volatility_range
from openoutcry.wire.errors import OutcryError
from tests import ROOT
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE, filled

EXAMPLE_FILE = ROOT / "docs" / "margin-example.toml"
EXAMPLE = EXAMPLE_FILE.read_text()
INVERSE = """
[[asset]]
name = "COIN"
[[underlying]]
name = "SOL"
price_ticks = 151
scan_ticks = 20
extreme_thirds = 7
extreme_share = 330_001
extended = [-660_000, -333_333, 333_334, 5_000_000, 1]
extended_factor = 1_777_777
volume = 9
liquidity = [[333_333, 7_777], [1_000_001, 33_333]]
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


def test_a_far_move_of_the_volatility_is_by_the_days_to_expiry(tmp_path):
    """As the page says, between two terms and beyond all of them."""
    path, scans = tmp_path / "book.toml", []
    for days in (1, 7, 20, 28, 29, 200):
        terms = [[7, 380_001], [28, 255_000], [90, 180_000]]
        text = EXAMPLE.replace("volatility_scan = 150_000", f"volatility_terms = {terms}")
        now = datetime(2026, 12, 25, 8, tzinfo=UTC) - timedelta(days=days)
        text = text.replace("2026-11-27T00:00:00Z", now.isoformat())
        assert text.count("volatility_terms") == text.count(now.isoformat()) == 1
        path.write_text(text)
        page, book = Page(PAGE.read_text(), text), read_book(path)
        symbol = "BTC-25DEC26-60000-C"
        contract, own = page.contracts[symbol], page.underlyings["BTC"]
        left_ns = days * 86_400 * 10**9
        found = volatility_range(book.underlyings["BTC"].scan, left_ns)
        assert found == page.volatility_scan(own, contract)
        scans.append(found)
        row = book.parameters().contracts[book.numbers()[symbol]].losses
        assert all(abs(a - b) <= 1 for a, b in zip(page.losses(contract), row, strict=False))
    assert scans == [380_001, 380_001, 302_619, 255_000, 253_790, 180_000]


def test_a_far_move_is_damped_and_an_option_far_out_needs_it(tmp_path):
    """A short call far out of the money loses nothing in the first 16 scenarios and much by +500 %;
    of it counts the scan range divided by the move."""
    path = tmp_path / "book.toml"
    path.write_text(EXAMPLE.replace("unit = 1", "extended = [-660_000, 5_000_000]\nunit = 1", 1))
    book = read_book(path)
    scan = book.underlyings["BTC"].scan
    assert moves(scan, 60_000)[16:] == [(-39_600, 0, 151_516), (300_000, 0, 20_000)]
    plain = read_book(EXAMPLE_FILE)
    positions = {book.numbers()["BTC-25DEC26-60000-C"]: -1, book.numbers()["BTC-25DEC26"]: 1}
    far, near = (margin(one.parameters(), positions) for one in (book, plain))
    assert far.maintenance >= near.maintenance
    assert len(far.commodities[0].losses) == 24


def test_what_a_position_above_the_volume_needs_further(tmp_path):
    path = tmp_path / "book.toml"
    text = "volume = 1_000\nliquidity = [[10_000, 50], [100_000, 500]]\nunit = 1"
    path.write_text(EXAMPLE.replace("unit = 1", text, 1))
    parameters = read_book(path).parameters()
    needs = [margin(parameters, {0: lots}).commodities[0].addon for lots in (10, -11, 100, 101)]
    assert needs == [0, 50, 90 * 50, 91 * 50 + 500]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("extended = [0]", "extended moves are up to 8"),
        ("extended = [-1_000_000]", "extended moves are up to 8"),
        ("extended = [1, 2, 3, 4, 5, 6, 7, 8, 9]", "extended moves are up to 8"),
        ("extended = [100_000_001]", "extended"),
        ("extended_factor = -1", "extended_factor"),
        ("liquidity = [[1, 1]]", "volume: is missing"),
        ("volume = 5\nliquidity = [[1]]", "liquidity: each is a share of volume"),
        ("volume = 5\nliquidity = [[1, 1], [2, 1], [3, 1], [4, 1]]", "up to 3 charges"),
        ("volume = 0", "volume"),
        ("volatility_terms = [[7, 1_000_001]]", "volatility_terms: each is days"),
        ("volatility_terms = [[7, 1], [6, 1]]", "begin with the nearest expiry"),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_name(tmp_path, line, says):
    path = tmp_path / "book.toml"
    path.write_text(EXAMPLE.replace("unit = 1", f"{line}\nunit = 1", 1))
    with pytest.raises(OutcryError, match=re.escape(says)):
        read_book(path)


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
    losses = page.losses(page.contracts[symbol])
    assert (*losses, *[0] * (24 - len(losses))) == row.losses
    assert page.delta(page.contracts[symbol]) == row.delta
