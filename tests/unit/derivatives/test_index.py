"""Index and mark prices: a source that stops or lies changes nothing, and too few protect."""

import re
import tomllib
from random import Random

import pytest

from openoutcry.derivatives.contracts import CALL, PUT, Contract
from openoutcry.derivatives.index import OUTLIER, SILENT, STALE, USED, Index, IndexRules
from openoutcry.derivatives.marks import (
    Basis,
    BasisRules,
    Smile,
    Surface,
    option_mark,
    premium,
)
from tests import ROOT

RULES = IndexRules({"a": 50, "b": 30, "c": 20}, stale_ns=1_000, outlier=20_000, least=2)
DAY = 86_400_000_000_000


def made(*prices, now=100):
    index = Index(RULES)
    for source, price in zip("abc", prices, strict=False):
        index.report(source, price, now)
    return index


def test_the_index_is_the_weighted_mean_rounded_to_the_nearest_tick():
    assert made(100, 101, 102).value(100).price_ticks == 101
    assert made(100, 100, 101).value(100).price_ticks == 100


def test_a_source_that_lies_is_dropped():
    value = made(10_000, 10_010, 10_500).value(100)
    assert value.sources == {"a": USED, "b": USED, "c": OUTLIER}
    assert (value.price_ticks, value.protected) == (10_004, False)


def test_the_page_says_what_its_index_comes_to():
    """docs/derivatives.md: reports to the table there."""
    page = (ROOT / "docs" / "derivatives.md").read_text()
    (table,) = re.findall(r"```toml\n(\[\[index\]\]\n.*?)```", page, re.DOTALL)
    (row,) = tomllib.loads(table)["index"]
    weights = dict(zip(row["sources"], row["weights"], strict=True))
    stale_ns = row["stale_ms"] * 1_000_000
    index = Index(IndexRules(weights, stale_ns, row["outlier_bps"] * 100, row["least"]))
    said = re.search(r"Reports of ([\d,]+), ([\d,]+) and ([\d,]+) come to ([\d,]+)", page)
    *reports, value = (int(one.replace(",", "")) for one in said.groups())
    for source, price in zip(weights, reports, strict=True):
        index.report(source, price, 0)
    found = index.value(stale_ns)
    assert (found.price_ticks, found.protected) == (value, False)
    assert list(found.sources.values()) == [USED, OUTLIER, USED]
    assert index.value(stale_ns + 1).protected


def test_a_source_that_stops_is_dropped():
    index = made(10_000, 10_010, 10_020)
    index.report("a", 10_100, 1_000)
    index.report("b", 10_100, 1_000)
    value = index.value(1_101)
    assert value.sources["c"] == STALE
    assert (value.price_ticks, value.protected) == (10_100, False)


def test_with_too_few_sources_the_last_value_is_kept_and_protected():
    index = made(10_000, 10_010, 10_020)
    before = index.value(100)
    index.report("a", 20_000, 2_000)
    after = index.value(2_000)
    assert (after.price_ticks, after.protected) == (before.price_ticks, True)
    assert not index.value(1_050).protected


def test_two_sources_that_disagree_protect():
    value = made(10_000, 20_000).value(100)
    assert value.sources == {"a": OUTLIER, "b": OUTLIER, "c": SILENT}
    assert value.protected


def test_reports_that_are_no_news_are_not_taken():
    index = made(10_000)
    assert not index.report("a", 11_000, 100)
    assert not index.report("nobody", 11_000, 200)
    assert not index.report("a", 0, 200)
    assert index.reports == {"a": (10_000, 100)}


@pytest.mark.parametrize("seed", range(3))
def test_a_minority_of_liars_cannot_take_the_index_away(seed):
    """The index is within the outlier rule of the range of the honest sources' prices."""
    rng = Random(seed)
    for _ in range(500):
        names = [str(number) for number in range(rng.choice([3, 5, 7]))]
        rules = IndexRules({name: rng.randint(1, 100) for name in names}, 10, 10_000, 1)
        index, honest = Index(rules), []
        liars = set(rng.sample(names, (len(names) - 1) // 2))
        for name in names:
            price = rng.randint(1, 10**7) if name in liars else rng.randint(99_500, 100_500)
            index.report(name, price, 5)
            if name not in liars:
                honest.append(price)
        value = index.value(5)
        assert not value.protected
        assert min(honest) * 0.99 - 1 <= value.price_ticks <= max(honest) * 1.01 + 1


def test_the_same_reports_give_the_same_index():
    """A replay takes the same reports in the same order: the values are the same."""
    rng = Random(11)
    reports = [(rng.choice("abc"), rng.randint(9_900, 10_100), now) for now in range(1, 400)]
    values = []
    for _ in range(2):
        index, seen = Index(RULES), []
        for source, price, now in reports:
            index.report(source, price, now)
            seen.append(index.value(now))
        values.append(seen)
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (({}, 1, 1, 1), "an index has sources"),
        (({"a": 1}, 1, 1, 2), "least must be between 1 and 1"),
        (({"a": 1}, 0, 1, 1), "stale_ns must be 1 or more"),
    ],
)
def test_rules_that_make_no_index_are_refused(terms, text):
    with pytest.raises(ValueError, match=text):
        IndexRules(*terms)


# Marks

BASIS = BasisRules(window_ns=1_000, widest=5_000, furthest=10_000)


def test_a_mark_is_the_index_plus_the_basis():
    basis = Basis(BASIS)
    assert basis.sample(10_000, 10_018, 10_022, 1)
    assert basis.mark(10_000) == 10_020
    assert basis.mark(20_000) == 20_020


def test_a_basis_moves_half_the_way_in_its_window():
    basis = Basis(BASIS)
    basis.sample(10_000, 9_999, 10_001, 1)
    basis.sample(10_000, 10_039, 10_041, 1_001)
    assert basis.mark(10_000) == 10_020


@pytest.mark.parametrize(("bid", "ask"), [(0, 10_010), (10_010, 0), (9_000, 11_000), (20, 10)])
def test_a_thin_or_one_sided_book_gives_no_sample(bid, ask):
    basis = Basis(BASIS)
    assert not basis.sample(10_000, bid, ask, 1)
    assert basis.mark(10_000) == 10_000


def test_a_mark_is_never_beyond_its_bound():
    basis = Basis(BASIS)
    for now in range(1, 50):
        basis.sample(10_000, 10_900, 10_910, now * 1_000)
    assert basis.mark(10_000) == 10_100
    assert basis.mark(5_000) == 5_050


SURFACE = Surface(
    (
        Smile(30 * DAY, (800_000, 1_000_000, 1_200_000), (700_000, 600_000, 650_000)),
        Smile(60 * DAY, (800_000, 1_000_000, 1_200_000), (660_000, 580_000, 620_000)),
    ),
    lowest=200_000,
    highest=2_000_000,
)


def test_a_volatility_is_linear_between_strikes_and_flat_beyond():
    assert SURFACE.volatility(1_000, 900, 30 * DAY, 0) == 650_000
    assert SURFACE.volatility(1_000, 100, 30 * DAY, 0) == 700_000
    assert SURFACE.volatility(1_000, 9_000, 30 * DAY, 0) == 650_000


def test_a_volatility_between_expiries_is_linear_in_variance():
    between = SURFACE.volatility(1_000, 1_000, 45 * DAY, 0)
    total = (600_000**2 * 30 + 580_000**2 * 60) / 2
    assert between == int((total / 45) ** 0.5)
    assert SURFACE.volatility(1_000, 1_000, 5 * DAY, 0) == 600_000
    assert SURFACE.volatility(1_000, 1_000, 500 * DAY, 0) == 580_000


def test_a_volatility_is_within_the_surface_s_bounds():
    wild = Surface((Smile(DAY, (1_000_000,), (9_000_000,)),), 200_000, 2_000_000)
    assert wild.volatility(100, 100, DAY, 0) == 2_000_000


@pytest.mark.parametrize("seed", range(2))
def test_marks_of_options_keep_to_what_arbitrage_allows(seed):
    """A call and a put of a strike differ by the forward less the strike, to the rounding of two
    marks; a mark is at least the payoff, and falls with a call's strike."""
    rng = Random(seed)
    for _ in range(60):
        forward, expiry = rng.randint(10_000, 90_000), rng.randint(1, 90) * DAY
        strikes = sorted(rng.sample(range(5_000, 150_000), 4))
        calls = []
        for strike in strikes:
            terms = ("O", "B", CALL, "USD", 1, False, expiry, strike, 1)
            call = option_mark(Contract(*terms), SURFACE, forward, 0)
            put = option_mark(Contract(*terms[:2], PUT, *terms[3:]), SURFACE, forward, 0)
            assert abs(call - put - (forward - strike)) <= 1
            assert max(0, forward - strike) <= call <= forward
            flat = premium(Contract(*terms), forward, 600_000, expiry)
            calls.append(flat)
        assert calls == sorted(calls, reverse=True)


@pytest.mark.parametrize(
    ("smiles", "text"),
    [
        ((), "a surface has smiles"),
        ((Smile(1, (2, 1), (1, 1)),), "ratios must be positive and increase"),
        ((Smile(1, (1, 2), (1,)),), "a volatility at each ratio"),
    ],
)
def test_a_surface_that_is_none_is_refused(smiles, text):
    with pytest.raises(ValueError, match=text):
        Surface(smiles, 1, 2)
