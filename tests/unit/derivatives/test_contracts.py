"""What contracts pay: exactly what the other side is paid, whatever the path of prices."""

from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random

import pytest

from openoutcry.derivatives.contracts import (
    CALL,
    FUTURE,
    PERPETUAL,
    PUT,
    RATE_UNIT,
    Contract,
    adjusted,
    delivery,
    funding,
    lot_value,
    notional,
    payoff,
    settlement,
    variation,
)
from openoutcry.derivatives.series import (
    OPTION,
    Series,
    contracts_of,
    expiries,
    strikes,
    symbol_of,
)
from openoutcry.derivatives.tables import read_contracts, read_series
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import parse_tables

SECOND = 1_000_000_000


def at(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND


EXPIRY = at(2026, 12, 25, 8)
LINEAR = Contract("BTC-25DEC26", "BTC", FUTURE, "USD", 10, expiry_ns=EXPIRY)
INVERSE = Contract("BTC-INV-PERP", "BTC", PERPETUAL, "BTC", 10_000_000_000_000, inverse=True)
ASSETS = {"USD": 2, "BTC": 8}


def option(kind, strike, inverse=False):
    asset, lot = ("BTC", 100_000_000) if inverse else ("USD", 10)
    return Contract("O", "BTC", kind, asset, 10, inverse, EXPIRY, strike, lot)


def test_a_linear_lot_is_its_multiplier_a_tick():
    assert variation(LINEAR, 3, 60_000, 60_150) == 3 * 10 * 150
    assert variation(LINEAR, -3, 60_000, 60_150) == -4_500


def test_an_inverse_lot_is_worth_a_fixed_amount_of_money():
    """A lot of 100 dollars in units of 10^-8 BTC, at a price in ticks of 0.1 dollars: it is
    100 / 50,000 = 0.002 BTC at first, and 100 / 60,000 afterwards."""
    lot = Contract("P", "BTC", PERPETUAL, "BTC", 100 * 10**8 * 10, inverse=True)
    assert lot_value(lot, 500_000) == -200_000
    assert variation(lot, 5, 500_000, 600_000) == 5 * (200_000 - 166_666)


@pytest.mark.parametrize("seed", range(3))
def test_no_path_of_prices_makes_or_loses_a_unit(seed):
    """Positions that sum to zero pay each other exactly, and marks in between change nothing."""
    rng = Random(seed)
    for _ in range(300):
        lots = [rng.randint(-1_000, 1_000) for _ in range(5)]
        lots.append(-sum(lots))
        path = [rng.randint(1, 10**6) for _ in range(6)]
        for contract in (LINEAR, INVERSE):
            paid = [sum(variation(contract, own, a, b) for a, b in pairwise(path)) for own in lots]
            assert sum(paid) == 0
            assert paid == [variation(contract, own, path[0], path[-1]) for own in lots]


@pytest.mark.parametrize(
    ("kind", "final", "paid"), [(CALL, 61_000, 10_000), (CALL, 59_000, 0), (PUT, 59_000, 10_000)]
)
def test_an_option_pays_what_it_is_in_the_money(kind, final, paid):
    assert payoff(option(kind, 60_000), final) == paid
    assert settlement(option(kind, 60_000), 77, final) == paid


def test_an_inverse_option_pays_the_share_of_its_asset_rounded_down():
    assert payoff(option(CALL, 60_000, inverse=True), 70_000) == 100_000_000 * 10_000 // 70_000
    for lot in (option(PUT, 60_000, inverse=True), INVERSE):
        with pytest.raises(ValueError, match="an inverse lot has no value at 0"):
            payoff(lot, 0) if lot.is_option else lot_value(lot, 0)
    assert payoff(option(PUT, 60_000, inverse=True), 50_000) == 100_000_000 * 10_000 // 50_000


def test_a_delivered_lot_exchanges_its_value_for_its_units():
    made = Contract(
        "D", "BTC", FUTURE, "USD", 10, False, EXPIRY, delivered_asset="BTC", delivered_units=10**7
    )
    assert delivery(made, 61_000) == (610_000, 10**7)
    assert settlement(made, 60_000, 61_000) == 10_000


def test_funding_is_exact_over_periods_and_equal_on_both_sides():
    """Each period's part is rounded down, and the rest carried: no unit is lost in the long run."""
    rng, carry, paid, exact = Random(5), 0, 0, 0
    for _ in range(1_000):
        mark, rate = rng.randint(50_000, 70_000), rng.randint(-RATE_UNIT // 1000, RATE_UNIT // 1000)
        per_lot, carry = funding(INVERSE, mark, rate, carry)
        paid += per_lot
        exact += notional(INVERSE, mark) * rate
        assert 0 <= carry < RATE_UNIT
        assert paid == exact // RATE_UNIT


def test_a_split_leaves_a_lot_worth_what_it_was():
    halved = adjusted(LINEAR, 2, 1)
    assert lot_value(halved, 30_000) == lot_value(LINEAR, 60_000)
    call = adjusted(option(CALL, 60_000), 2, 1)
    assert call.strike_ticks == 30_000
    assert payoff(call, 31_000) == payoff(option(CALL, 60_000), 62_000) > 0


@pytest.mark.parametrize("kind", [CALL, PUT])
def test_an_adjusted_option_pays_what_it_would_have_paid(kind):
    """7 for 1: the strike is 8,571 3/7, of which a lot keeps the rest in units."""
    before = option(kind, 60_000)
    after = adjusted(before, 7, 1)
    assert (after.strike_ticks, after.strike_rest) == (8_571, 3 * before.strike_multiplier)
    for price in range(8_500, 8_640):
        assert payoff(after, price) == payoff(before, 7 * price)
    assert adjusted(after, 1, 7) == before


def test_a_split_that_does_not_come_out_whole_is_refused():
    with pytest.raises(ValueError, match="multiplier would not be whole after 1 for 7"):
        adjusted(LINEAR, 1, 7)
    with pytest.raises(ValueError, match="an inverse contract is settled instead"):
        adjusted(INVERSE, 2, 1)


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"kind": PERPETUAL}, "a perpetual has no expiry"),
        ({"kind": CALL}, "strike_ticks is not between"),
        ({"strike_ticks": 5}, "only an option has a strike"),
        ({"delivered_asset": "USD", "delivered_units": 1}, "delivers the asset that it is paid in"),
        ({"delivered_asset": "BTC"}, "come together"),
        ({"multiplier": 0}, "multiplier is not between"),
        ({"kind": 9}, "is not one of"),
    ],
)
def test_terms_that_make_no_contract_are_refused(terms, text):
    plain = {"symbol": "X", "underlying": "BTC", "kind": FUTURE, "asset": "USD", "multiplier": 1}
    with pytest.raises(ValueError, match=text):
        Contract(**{**plain, "expiry_ns": EXPIRY, **terms})


# Series


def test_expiries_are_the_next_of_each_cycle():
    series = Series("BTC", "BTC", FUTURE, "USD", 10, weekly=2, monthly=2, quarterly=2)
    days = [datetime.fromtimestamp(ns // SECOND, UTC) for ns in expiries(series, at(2026, 11, 20))]
    assert [day.strftime("%d%b%y %H") for day in days] == [
        "20Nov26 08",
        "27Nov26 08",
        "25Dec26 08",
        "26Mar27 08",
    ]


def test_an_expiry_that_has_passed_is_not_listed_again():
    series = Series("BTC", "BTC", FUTURE, "USD", 10, weekly=1)
    assert expiries(series, at(2026, 11, 20, 8)) == [at(2026, 11, 27, 8)]
    assert expiries(series, at(2026, 11, 20, 8) - 1) == [at(2026, 11, 20, 8)]


def test_an_expiry_on_a_holiday_is_the_day_before():
    series = Series("BTC", "BTC", FUTURE, "USD", 10, quarterly=1)
    closed = [date(2026, 12, 25), date(2026, 12, 24)]
    assert expiries(series, at(2026, 12, 1), closed) == [at(2026, 12, 23, 8)]


def test_every_cycle_gives_as_many_expiries_as_it_says_on_any_day():
    for month in range(1, 13):
        for day in (1, 15, 28):
            now = at(2027, month, day, 9)
            for cycle in ("weekly", "monthly", "quarterly"):
                for count in (1, 5, 24):
                    series = Series("B", "B", FUTURE, "USD", 1, **{cycle: count})
                    found = expiries(series, now, [date(2027, month, 26)])
                    assert len(found) == count
                    assert min(found) > now


def test_strikes_are_multiples_around_the_reference():
    series = Series("B", "B", OPTION, "USD", 1, strike_interval_ticks=500, strikes=2)
    assert strikes(series, 60_249) == [59_000, 59_500, 60_000, 60_500, 61_000]
    assert strikes(series, 60_250)[2] == 60_500
    assert strikes(series, 600) == [500, 1_000, 1_500]


def test_a_series_of_options_has_a_call_and_a_put_of_each_strike():
    series = Series(
        "BTC",
        "BTC",
        OPTION,
        "USD",
        10,
        strike_multiplier=10,
        decimals=2,
        weekly=1,
        strike_interval_ticks=50,
        strikes=1,
    )
    listed = contracts_of(series, at(2026, 11, 20, 9), 100)
    assert [one.symbol for one in listed] == [
        "BTC-27NOV26-0d5-C",
        "BTC-27NOV26-0d5-P",
        "BTC-27NOV26-1-C",
        "BTC-27NOV26-1-P",
        "BTC-27NOV26-1d5-C",
        "BTC-27NOV26-1d5-P",
    ]
    more = set(contracts_of(series, at(2026, 11, 20, 9), 150)) - set(listed)
    assert {one.symbol for one in more} == {"BTC-27NOV26-2-C", "BTC-27NOV26-2-P"}


def test_a_perpetual_has_its_symbol():
    assert symbol_of("BTC", PERPETUAL) == "BTC-PERP"


# The venue file

FILE = """
[[contract]]
symbol = "BTC-PERP"
underlying = "BTC"
kind = "perpetual"
asset = "BTC"
multiplier = 10000000000
inverse = true

[[contract]]
symbol = "BTC-C"
underlying = "BTC"
kind = "call"
asset = "USD"
multiplier = 10
expiry = 2026-12-25T08:00:00Z
strike_ticks = 60000
strike_multiplier = 10

[[series]]
root = "BTC"
underlying = "BTC"
kind = "future"
asset = "USD"
multiplier = 10
delivered_asset = "BTC"
delivered_units = 1000
weekly = 2
expiry_time = "08:30"
"""


def tables_of(text):
    def fail(mistakes):
        return OutcryError(str(mistakes[0]))

    return parse_tables(text, fail)


def test_contracts_and_series_are_read_from_a_file():
    tables = tables_of(FILE)
    contracts, series = read_contracts(tables, ASSETS), read_series(tables, ASSETS)
    assert tables.mistakes == []
    assert [one.symbol for one in contracts] == ["BTC-PERP", "BTC-C"]
    assert contracts[1] == Contract(
        "BTC-C", "BTC", CALL, "USD", 10, expiry_ns=EXPIRY, strike_ticks=60_000, strike_multiplier=10
    )
    assert series == [
        Series(
            "BTC",
            "BTC",
            FUTURE,
            "USD",
            10,
            delivered_asset="BTC",
            delivered_units=1000,
            weekly=2,
            second_of_day=8 * 3600 + 1800,
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('kind = "perpetual"', 'kind = "swap"', "contract[1].kind: 'swap'"),
        ('asset = "BTC"\nmul', 'asset = "ETH"\nmul', "contract[1].asset: there is no asset 'ETH'"),
        ("inverse = true", "invers = true", "contract[1].invers: unknown key; is inverse meant?"),
        ('"BTC-C"', '"BTC-PERP"', "contract[2].symbol: symbol 'BTC-PERP' already exists"),
        ('"BTC-C"', '"SPOT"', "contract[2].symbol: an instrument 'SPOT' already exists"),
        ("08:00:00Z", "08:00:00", "contract[2].expiry: must be a date and time with its offset"),
        ("strike_ticks = 60000\n", "", "contract[2]: strike_ticks is not between"),
        ("weekly = 2\n", "", "series[1]: has no expiries"),
        ('"08:30"', '"8:30"', "series[1].expiry_time: '8:30' is not HH:MM"),
        (
            "weekly = 2",
            "weekly = 2\nstrikes = 3",
            "series[1].strikes: applies only to a series of options",
        ),
        ("delivered_units = 1000\n", "", "series[1]: delivered_units and delivered_asset come"),
    ],
)
def test_a_mistake_is_reported_by_name(old, new, text):
    assert old in FILE
    tables = tables_of(FILE.replace(old, new, 1))
    read_contracts(tables, ASSETS, {"SPOT"})
    read_series(tables, ASSETS)
    assert any(text in str(mistake) for mistake in tables.mistakes), tables.mistakes
    assert all(mistake.line for mistake in tables.mistakes)
