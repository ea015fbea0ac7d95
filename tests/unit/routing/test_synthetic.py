"""A synthetic level costs what its legs cost, rounded against the order."""

from fractions import Fraction
from random import Random

import pytest

from openoutcry.routing.depth import LIVE, LOST, Depth
from openoutcry.routing.instruments import (
    BUY,
    PART,
    SELL,
    Instrument,
    Listing,
    Market,
    RoutingError,
    Venue,
)
from openoutcry.routing.synthetic import Basket, Path

BTC_ETH = Instrument("BTC/ETH", "BTC", "ETH", 4, 4)
ETH_USD = Instrument("ETH/USD", "ETH", "USD", 2, 3)
USD_ETH = Instrument("USD/ETH", "USD", "ETH", 8, 0)
BTC_USD = Instrument("BTC/USD", "BTC", "USD", 2, 4)


def depth_of(instrument, bids, asks, fees=(0,)):
    """Every venue has these levels."""
    venues = tuple(Venue(f"V{n}", taker_ppm=fee) for n, fee in enumerate(fees))
    listings = tuple(
        Listing(v.name, instrument, "X", instrument.price_decimals, instrument.quantity_decimals)
        for v in venues
    )
    depth = Depth(Market(instrument, venues, listings))
    for number in range(len(venues)):
        depth.set_status(number, LIVE, 0)
        assert depth.set_levels(number, bids, asks, 0)
    return depth


def test_a_path_has_the_product_of_the_prices_and_the_smaller_size():
    btc = depth_of(BTC_ETH, [(190_000, 5_000)], [(200_000, 10_000), (210_000, 10_000)])
    eth = depth_of(ETH_USD, [(299_000, 8_000)], [(300_000, 30_000), (310_000, 50_000)])
    path = Path(BTC_USD, [btc, eth])
    # 1 BTC is 20 ETH: 30 ETH at 3000 are 1 BTC and 10 of the 21 ETH that the second BTC costs.
    assert [tuple(level) for level in path.take_side(BUY, 0)] == [
        (6_000_000, 10_000),
        (6_300_000, 4_761),
        (6_510_000, 5_239),
    ]
    # 0.5 BTC gives 9.5 ETH, of which 8 find a bid.
    assert [tuple(level) for level in path.take_side(SELL, 0)] == [(5_681_000, 4_210)]


def test_an_inverted_leg_is_taken_on_its_other_side():
    btc = depth_of(BTC_ETH, [(190_000, 10_000)], [(200_000, 10_000)])
    usd = depth_of(USD_ETH, [(33_000, 90_000)], [(34_000, 90_000)])
    path = Path(BTC_USD, [btc, usd])
    ((price, quantity),) = path.take_side(BUY, 0)
    assert quantity == 10_000
    assert price == -(-20 * 10**8 * 100 // 33_000), "20 ETH cost 20 / 0.00033 USD, rounded up"
    ((price, quantity),) = path.take_side(SELL, 0)
    assert price == 19 * 10**8 * 100 // 34_000, "19 ETH are 19 / 0.00034 USD, rounded down"


def test_a_path_needs_legs_that_meet():
    btc, eth = depth_of(BTC_ETH, [], []), depth_of(ETH_USD, [], [])
    with pytest.raises(RoutingError, match="ETH/USD does not trade BTC"):
        Path(BTC_USD, [eth, btc])
    with pytest.raises(RoutingError, match="end at ETH"):
        Path(BTC_USD, [btc])
    with pytest.raises(RoutingError, match="4 legs"):
        Path(BTC_USD, [btc, eth, eth, eth])


def test_a_leg_that_is_lost_empties_the_book_until_it_returns():
    btc = depth_of(BTC_ETH, [], [(200_000, 10_000)])
    eth = depth_of(ETH_USD, [], [(300_000, 30_000)])
    path = Path(BTC_USD, [btc, eth])
    before = path.take_side(BUY, 0)
    assert before is path.take_side(BUY, 0), "nothing changed: nothing is computed"
    eth.set_status(0, LOST, 1)
    assert path.take_side(BUY, 1) == []
    eth.set_status(0, LIVE, 2)
    eth.set_levels(0, [], [(300_000, 30_000)], 2)
    assert path.take_side(BUY, 2) == before


def random_levels(rng, price, size, side, count):
    rows = []
    for _ in range(count):
        price -= side * rng.randint(1, max(1, price // 200))
        rows.append((price, rng.randint(1, size)))
    return rows


def random_depth(rng, instrument, price, size):
    bids, asks = (random_levels(rng, price, size, side, rng.randint(0, 5)) for side in (1, -1))
    return depth_of(instrument, bids, asks, [rng.choice([0, 500, 1_000]) for _ in range(2)])


def paid(depth, side, get):
    """What it costs to get an amount from a leg, level by level, as a fraction; None: too much."""
    leg = depth.market.instrument
    total = Fraction(0)
    for level in depth.take_side(side, 0):
        base = Fraction(level.quantity, 10**leg.quantity_decimals)
        quote = base * Fraction(abs(level.key), PART * 10**leg.price_decimals)
        gives, costs = (base, quote) if side == BUY else (quote, base)
        part = min(get, gives)
        total, get = total + costs * part / gives, get - part
    return total if get == 0 else None


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_levels_are_what_the_legs_cost_one_after_the_other(seed, side):
    """To the end of each level: no less than the exact cost, and within the roundings."""
    rng = Random(seed)
    inverted = rng.random() < 0.5
    btc = random_depth(rng, BTC_ETH, 200_000, 30_000)
    eth = random_depth(
        rng, *((USD_ETH, 33_000, 300_000) if inverted else (ETH_USD, 300_000, 90_000))
    )
    path = Path(BTC_USD, [btc, eth])
    total = spent = 0
    for number, level in enumerate(path.take_side(side, 0), start=1):
        total, spent = total + level.quantity, spent + level.price * level.quantity
        quantity, money = Fraction(total, 10**4), Fraction(spent, 10**6)
        if side == BUY:
            middle = paid(btc, BUY, quantity)
            exact = paid(eth, SELL if inverted else BUY, middle)
            assert exact <= money
            assert money - exact <= number * Fraction(level.price, 10**6) + quantity / 100
        else:
            middle = paid(eth, BUY if inverted else SELL, money)
            needed = paid(btc, SELL, middle)
            assert needed <= quantity, "the money that is shown needs no more than is shown"
    assert bool(total) == bool(
        btc.take_side(side, 0) and eth.take_side(-side if inverted else side, 0)
    )


def test_a_basket_buys_positive_and_sells_negative_weights():
    near = depth_of(Instrument("NEAR", "N", "USD", 2, 0), [(990, 4)], [(1_000, 4), (1_010, 9)])
    far = depth_of(Instrument("FAR", "F", "USD", 2, 0), [(1_500, 6), (1_480, 4)], [(1_600, 6)])
    spread = Basket(Instrument("SPREAD", "S", "USD", 2, 0), [near, far], [1, -2])
    assert [tuple(level) for level in spread.take_side(BUY, 0)] == [
        (1_000 - 3_000, 3),
        (1_000 - 2_960, 1),
        (1_010 - 2_960, 1),
    ]
    assert [tuple(level) for level in spread.take_side(SELL, 0)] == [(990 - 3_200, 3)]
    index = Basket(Instrument("INDEX", "I", "USD", 2, 0), [near, far], [1, 1], divisor=3)
    assert index.take_side(BUY, 0)[0] == (867, 4), "2600 / 3, rounded up"
    assert index.take_side(SELL, 0)[0] == (830, 4)


def test_a_basket_needs_one_quote_asset_and_weights():
    near = depth_of(Instrument("NEAR", "N", "USD", 2, 0), [], [])
    for quote, weight in (("EUR", 1), ("USD", 0)):
        with pytest.raises(RoutingError, match="needs a weight"):
            Basket(Instrument("S", "S", quote, 2, 0), [near], [weight])
