"""Scales are exact, and what a venue cannot take is refused with its name."""

import pytest

from openoutcry.routing.instruments import (
    BUY,
    SELL,
    Instrument,
    Listing,
    Market,
    RoutingError,
    Venue,
    market_of,
)

GOLD = Instrument("GOLD/USD", "GOLD", "USD", price_decimals=4, quantity_decimals=3)


def listing(**changes):
    values = {"venue": "A", "symbol": "GOLD", "price_decimals": 2, "quantity_decimals": 0}
    return Listing(instrument=GOLD, **values | changes)


def test_numbers_are_scaled_exactly():
    assert GOLD.price("1.25") == 12_500
    assert GOLD.quantity("0.001") == 1
    assert GOLD.price_text(12_500) == "1.2500"
    assert GOLD.quantity_text(1) == "0.001"


@pytest.mark.parametrize("text", ["1.00001", "-1", "0", "NaN", "x", "1e30", "99999999999"])
def test_a_price_that_cannot_be_carried_is_refused(text):
    with pytest.raises(RoutingError, match=r"GOLD/USD: price"):
        GOLD.price(text)


def test_a_listing_converts_steps_lots_and_minimums():
    one = listing(price_step=5, lot=2, min_quantity=3, min_notional=10_000)
    assert (one.price_factor, one.quantity_factor, one.lot_units()) == (100, 1_000, 2_000)
    assert one.least(1_000_000) == 4_000, "3 is rounded up to whole lots of 2"
    assert one.least(100_000) == 10_000, "10.00 a unit: 10 of them make a notional of 100.00"
    assert one.rounded_price(BUY, 10_499) == 10_000
    assert one.rounded_price(SELL, 10_001) == 10_500


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"price_decimals": 5}, "price_decimals 5 must be 0 to 4"),
        ({"quantity_decimals": 4}, "quantity_decimals 4 must be 0 to 3"),
        ({"lot": 0}, "lot 0 is below 1"),
    ],
)
def test_a_listing_that_does_not_fit_names_its_venue(changes, text):
    with pytest.raises(RoutingError, match=f"A: GOLD: {text}"):
        listing(**changes)


def test_a_market_needs_one_listing_of_each_venue():
    one = market_of(GOLD, {"A": Venue("A"), "B": Venue("B")}, [listing(), listing(venue="B")])
    assert one.number("B") == 1
    with pytest.raises(RoutingError, match="not listed at C"):
        one.number("C")
    with pytest.raises(RoutingError, match="each venue needs one listing"):
        Market(GOLD, (Venue("A"), Venue("B")), (listing(), listing()))
    with pytest.raises(RoutingError, match="0 venues"):
        Market(GOLD, (), ())


def test_a_fee_beyond_half_the_price_is_refused():
    with pytest.raises(RoutingError, match="taker_ppm"):
        Venue("A", taker_ppm=500_001)
