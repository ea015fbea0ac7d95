"""Pledges that hedge: what they gain in a scenario is part of its loss before the worst one is
chosen, and collateral and margin together never count more than the portfolio is worth there."""

import re
from fractions import Fraction
from random import Random

import pytest

from openoutcry.derivatives.book import Participant, read_book
from openoutcry.derivatives.collateral import Haircut, Hedge, Price, collateral, gain_of
from openoutcry.derivatives.margin import margin, worst_margin
from openoutcry.wire import wide
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import kernel
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE
from tests.unit.derivatives.test_margin_page import EXAMPLE, INVERSE

BTC = 100_000_000
HEDGED = EXAMPLE.replace("spreads = [[0, 1, 500]]", "spreads = [[0, 1, 500]]\npledges_hedge = true")


def book_of(tmp_path, text=HEDGED):
    path = tmp_path / "book.toml"
    path.write_text(text)
    return read_book(path)


def needs(book, positions, amount):
    """Maintenance margin with an amount of BTC."""
    one = Participant({"USD": 0, "BTC": amount}, positions)
    return margin(book.parameters(), book.positions_of(one), book.gains_of(one)).maintenance


def test_a_short_hedged_by_coins_asks_less_and_a_long_never_does(tmp_path):
    book, plain = book_of(tmp_path), book_of(tmp_path, EXAMPLE)
    assert needs(plain, {"BTC-PERP": -1}, BTC) == needs(book, {"BTC-PERP": -1}, 0) == 6_000
    # 51,000 of 60,000 count, and gain a tenth, rounded down.
    assert needs(book, {"BTC-PERP": -1}, BTC) == 901
    rng = Random(1)
    for _ in range(100):
        longs = {"BTC-PERP": rng.randint(0, 9), "BTC-25DEC26": rng.randint(0, 9)}
        amount = rng.randint(0, 9 * BTC)
        assert needs(book, longs, amount) >= needs(plain, longs, amount)


def test_short_both_ways_gets_the_gain_only_where_the_price_rises(tmp_path):
    """A flat credit would take the same off both; the fall of a pledge without a haircut costs."""
    text = re.sub(r"tiers = .*\nshare = .*\nconcentrated = .*\n", "", HEDGED)
    put = re.search(r"\[\[contract\]\]\nsymbol = \"BTC-25DEC26-60000-C\".*?tier = 1\n", text, re.S)
    assert put
    text += put[0].replace("60000-C", "60000-P").replace('"call"', '"put"')
    book = book_of(tmp_path, text)
    both = {"BTC-25DEC26-60000-C": -1, "BTC-25DEC26-60000-P": -1}
    assert needs(book, both, BTC) > needs(book, both, 0)
    call = {"BTC-25DEC26-60000-C": -1}
    assert needs(book, call, BTC) < needs(book, call, 0)


@pytest.mark.parametrize("seed", range(4))
def test_no_more_is_counted_than_the_portfolio_is_worth_in_the_scenario(seed, tmp_path):
    """Random haircuts, scan ranges and portfolios.  Equity that just covers the maintenance margin
    is, in each scenario, at least what the contracts lose less the change of the coins' true
    value; of extreme and extended moves by the share that counts."""
    rng, hedged = Random(seed), 0
    for _ in range(60):
        scan = rng.choice([1, 6_000, 59_999, rng.randint(1, 200_000)])
        tiers = [[0, rng.choice([0, rng.randint(0, 10**6)])], [rng.randint(1, 10**6), 300_000]]
        text = HEDGED.replace("scan_ticks = 6_000", f"scan_ticks = {scan}\nextended = [-660_000]")
        text = text.replace("tiers = [[0, 50_000], [100_000, 100_000]]", f"tiers = {tiers}")
        book = book_of(tmp_path, text)
        own, parameters = book.underlyings["BTC"], book.parameters()
        names = [name for name, one in book.contracts.items() if one.underlying == "BTC"]
        positions = {name: rng.randint(-5, 5) for name in names}
        amount = rng.choice([0, 1, BTC, rng.randint(0, 20 * BTC)])
        one = Participant({"BTC": amount}, positions)
        line = book.lines_of(one)["BTC"]
        made = margin(parameters, book.positions_of(one), book.gains_of(one))
        cash = made.maintenance - line.counts
        page = Page(PAGE.read_text(), text)
        for place, (move, _, share) in enumerate(page.scenarios(page.underlyings["BTC"], 0)):
            to = max(1, own.price_ticks + move) - own.price_ticks
            change = Fraction(amount * 60_000 * to * share, BTC * own.price_ticks * 10**6)
            numbers = book.numbers()
            losses = sum(
                lots * parameters.contracts[numbers[name]].losses[place]
                for name, lots in positions.items()
            )
            assert cash + Fraction(amount * 60_000, BTC) + change - losses >= 0, place
        hedged += amount > 0 and made.maintenance < needs(book, positions, 0)
    assert hedged > 3


def test_a_gain_is_never_more_than_the_coins_gain_and_a_loss_at_most_what_counts():
    rng = Random(3)
    for _ in range(2_000):
        price = Price(rng.choice([0, 1, rng.randint(1, 10**12)]), rng.randint(1, 10**9))
        haircut = Haircut(((0, rng.randint(0, 10**6)),), rng.randint(0, 10**6), 10**6)
        moves = [Fraction(rng.randint(-100, 300), 100) for _ in range(24)]
        unit = Fraction(price.numerator, price.denominator)
        hedge = Hedge.exact(0, [unit * max(move, -1) for move in moves], Fraction(7))
        amount = rng.choice([0, 1, 2**61, rng.randint(1, 10**12)])
        line = collateral({"A": amount}, {"A": price}, {"A": haircut})["A"]
        gain = gain_of(hedge, line)
        for move, own in zip(moves, gain.by_scenario, strict=True):
            assert line.counts + own <= amount * unit * (1 + max(move, -1))
            assert -line.counts <= own


def test_the_delta_that_a_pledge_hedges_gives_no_other_leg_a_credit(tmp_path):
    """A short that coins cover all of offsets nothing; a part that they do not cover does."""
    book = book_of(tmp_path, re.sub(r"tiers = .*\nshare = .*\nconcentrated = .*\n", "", HEDGED))

    def credits(amount):
        one = Participant({"BTC": amount}, {"BTC-PERP": -2, "ETH-PERP": 30})
        made = margin(book.parameters(), book.positions_of(one), book.gains_of(one))
        return [part.credit for part in made.commodities]

    assert credits(2 * BTC) == [0, 0]
    none, half = credits(0), credits(BTC)
    assert all(0 < some < all_ for some, all_ in zip(half, none, strict=True))
    assert abs(half[1] * 2 - none[1]) <= 2


@pytest.mark.parametrize("seed", range(2))
def test_margin_with_pledges_is_the_page_s_to_the_unit(seed, tmp_path):
    """By the oracle that has read nothing but the page."""
    sol = INVERSE.replace("addon = 1_234_567", "pledges_hedge = true\naddon = 1_234_567")
    sol = sol.replace(
        "[[underlying]]", '[[asset]]\nname = "SOL"\nprice = [777, 1_000]\n[[underlying]]'
    )
    text = HEDGED + sol
    page, book = Page(PAGE.read_text(), text), book_of(tmp_path, text)
    parameters, numbers = book.parameters(), book.numbers()
    symbols = [symbol for symbol, one in book.contracts.items() if not one.is_option]
    rng, changed, credited = Random(seed), 0, 0
    for _ in range(150):
        chosen = rng.sample(symbols, rng.randint(0, len(symbols)))
        positions = {symbol: rng.choice((-1, 1)) * rng.randint(1, 40) for symbol in chosen}
        pledged = {
            "BTC": rng.randint(0, 30 * BTC),
            "SOL": rng.choice([0, 1, rng.randint(1, 10**6)]),
        }
        one = Participant(pledged, positions)
        made = margin(parameters, book.positions_of(one), book.gains_of(one))
        assert page.margin(positions, pledged) == (made.maintenance, made.initial), positions
        plain = margin(parameters, {numbers[name]: lots for name, lots in positions.items()})
        changed += made.maintenance < plain.maintenance
        credited += any(part.credit for part in made.commodities)
    assert changed > 10
    assert credited > 10


def test_orders_are_checked_with_the_hedge(tmp_path):
    """A sale that the coins cover asks little; the purchase beside it fills alone as well."""
    book = book_of(tmp_path)
    one = Participant({"BTC": BTC}, {}, (("BTC-PERP", -1),))
    both = Participant({"BTC": BTC}, {}, (("BTC-PERP", -1), ("BTC-PERP", 1)))
    for who, least, most in ((one, 900, 1_000), (both, 6_600, 6_600)):
        made = worst_margin(book.parameters(), {}, book.orders_of(who), book.gains_of(who))
        assert least <= made.initial <= most


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "scan_ticks = 400",
            "scan_ticks = 400\npledges_hedge = true",
            r"needs an \[\[asset\]\] ETH",
        ),
        ("scan_ticks = 400", "scan_ticks = 400\npledges_hedge = 1", "true or false"),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_name(old, new, says, tmp_path):
    with pytest.raises(OutcryError, match=f"pledges_hedge.*{says}"):
        book_of(tmp_path, EXAMPLE.replace(old, new))


def test_a_product_is_shifted_as_in_whole_numbers():
    @kernel
    def shifted(a: int, b: int, bits: int) -> int:
        return int(wide.mul_shift(a, b, bits))

    rng, ends = Random(5), (0, 1, -1, 2**63 - 1, -(2**63), 2**61)
    for _ in range(3_000):
        a, b = (rng.choice([*ends, rng.randint(-(2**63), 2**63 - 1)]) for _ in range(2))
        bits = rng.choice([0, 1, 60, rng.randint(0, 60)])
        assert shifted(a, b, bits) == min(max(a * b >> bits, -(2**63)), 2**63 - 1)
