"""A split is the optimum, and what it says of itself is true."""

from random import Random

import pytest

from openoutcry.routing.depth import LIVE, Depth
from openoutcry.routing.instruments import BUY, PART, SELL, Listing, Market, Venue
from openoutcry.routing.split import Splitter, total_cost
from openoutcry.routing.split_kernels import MAX_NODES, SplitHeader
from tests.oracles.routing_optimum import best_single
from tests.oracles.routing_split import SplitLimits, optimal_split
from tests.support.routing.markets import GOLD, filled_depth, random_market


def depth_of(*venues):
    """A depth of (venue, listing's terms, asks)."""
    listings = tuple(Listing(v.name, GOLD, "GOLD", 4, 2, **terms) for v, terms, _ in venues)
    depth = Depth(Market(GOLD, tuple(v for v, _, _ in venues), listings), 8)
    for number, (_, _, asks) in enumerate(venues):
        depth.set_status(number, LIVE, 0)
        assert depth.set_levels(number, [], asks, 0)
    return depth


def shares(depth, quantity, limit=0, most=None):
    plan = Splitter(depth).plan(BUY, quantity, limit, 0, most)
    return {one.venue: (one.quantity, one.price) for one in plan.slices}


def test_the_cheapest_levels_after_fees_are_taken():
    depth = depth_of(
        (Venue("A", taker_ppm=2_000), {}, [(10_000, 5), (10_010, 9)]),
        (Venue("B"), {}, [(10_019, 4), (10_025, 9)]),
    )
    assert shares(depth, 12) == {1: (7, 10_025), 0: (5, 10_000)}
    plan = Splitter(depth).plan(BUY, 12, 0, 0)
    assert plan.notional == 5 * 10_000 + 4 * 10_019 + 3 * 10_025
    assert plan.fees == 5 * 10_000 * 2_000


def test_nothing_is_taken_beyond_the_limit_the_venue_or_the_balance():
    depth = depth_of(
        (Venue("A"), {"max_quantity": 3}, [(10_000, 5), (10_010, 9)]),
        (Venue("B"), {}, [(10_019, 4), (10_025, 9)]),
    )
    assert shares(depth, 20, 10_019) == {0: (3, 10_000), 1: (4, 10_019)}
    assert shares(depth, 20, 10_019, [0, 2]) == {1: (2, 10_019)}
    assert shares(depth, 20, 9_999) == {}


def test_a_minimum_is_reached_or_the_venue_left_out():
    cheap = (Venue("A"), {"min_quantity": 5}, [(10_000, 3), (10_100, 9)])
    depth = depth_of(cheap, (Venue("B"), {}, [(10_010, 50)]))
    assert shares(depth, 10) == {1: (10, 10_010)}, "the fifth at A costs more than A saves"
    cheap = (Venue("A"), {"min_quantity": 5}, [(9_000, 3), (10_100, 9)])
    depth = depth_of(cheap, (Venue("B"), {}, [(10_010, 50)]))
    assert shares(depth, 10) == {0: (5, 10_100), 1: (5, 10_010)}


def test_a_lot_that_does_not_fit_leaves_the_cheaper_venue_a_part():
    depth = depth_of(
        (Venue("A"), {"lot": 10}, [(10_000, 100)]),
        (Venue("B"), {}, [(9_990, 12), (10_500, 3)]),
    )
    assert shares(depth, 15) == {0: (10, 10_000), 1: (5, 9_990)}


def test_an_order_s_fee_is_paid_only_where_it_is_earned():
    depth = depth_of(
        (Venue("A", order_fee=50), {}, [(10_000, 4)]), (Venue("B"), {}, [(10_010, 50)])
    )
    assert shares(depth, 10) == {1: (10, 10_010)}
    depth = depth_of(
        (Venue("A", order_fee=30), {}, [(10_000, 4)]), (Venue("B"), {}, [(10_010, 50)])
    )
    assert shares(depth, 10) == {0: (4, 10_000), 1: (6, 10_010)}


def test_a_least_notional_counts_at_the_lowest_price():
    terms = {"min_notional": 50_000}
    depth = depth_of((Venue("A"), terms, [(10_000, 9)]), (Venue("B"), {}, [(10_010, 9)]))
    assert shares(depth, 4) == {1: (4, 10_010)}
    assert shares(depth, 5) == {0: (5, 10_000)}


def test_only_the_share_that_is_expected_is_counted_on():
    depth = depth_of(
        (Venue("A", shown_ppm=PART // 2), {}, [(10_000, 6), (10_010, 4)]),
        (Venue("B"), {}, [(10_020, 9)]),
    )
    assert shares(depth, 6) == {0: (5, 10_010), 1: (1, 10_020)}


def limits_of(depth, side):
    """The same for the reference."""
    levels = depth.take_side(side, 0)
    limits = []
    for number, listing in enumerate(depth.market.listings):
        own = [one for one in levels if one.venue == number]
        lowest = min((one.price for one in own), default=1)
        fee = depth.market.venues[number].order_fee * PART
        pairs = [(one.key, one.quantity) for one in own]
        limits.append(
            SplitLimits(pairs, listing.lot_units(), listing.least(lowest), listing.most(), fee)
        )
    return limits


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_finds_what_all_quantities_of_all_venues_show(seed):
    """By the reference, on small random books: what is filled is the most, and it costs no more
    than a thousandth above the least; nearly always exactly the least."""
    rng = Random(seed)
    exact = 0
    for _ in range(25):
        market = random_market(rng, rng.randint(1, 4))
        market = Market(
            GOLD,
            market.venues,
            tuple(
                Listing(one.venue, GOLD, "GOLD", 4, 2, lot=one.lot, min_quantity=one.min_quantity)
                for one in market.listings
            ),
        )
        depth = filled_depth(rng, market)
        side, quantity = rng.choice([BUY, SELL]), rng.randint(1, 60)
        plan = Splitter(depth).plan(side, quantity, 0, 0)
        filled, cost = optimal_split(quantity, limits_of(depth, side))
        assert plan.filled == filled
        assert cost <= total_cost(plan) <= cost + abs(cost) // 300
        exact += total_cost(plan) == cost
        single = best_single(depth, side, quantity, 0, 0)
        assert single is None or single.filled <= filled
        if single and single.filled == filled:
            assert total_cost(plan) <= total_cost(single)
    assert exact >= 24


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_keeps_lots_minimums_and_limits(seed):
    rng = Random(seed)
    for _ in range(40):
        depth = filled_depth(rng, random_market(rng, rng.randint(2, 16)), 8)
        splitter = Splitter(depth)
        quantity = rng.randint(1, 20_000)
        plan = splitter.plan(rng.choice([BUY, SELL]), quantity, 0, 0)
        assert plan.filled <= quantity
        for one in plan.slices:
            listing = depth.market.listings[one.venue]
            assert one.quantity % listing.lot_units() == 0
            assert listing.least(one.price) <= one.quantity <= listing.most()
        assert SplitHeader(splitter.address).nodes <= MAX_NODES


def test_what_no_lot_can_fill_is_not_searched_for():
    """Lots of 10 and 25: of 133 no venue's orders fill the last 3."""
    depth = depth_of(
        (Venue("A", taker_ppm=300), {"lot": 10}, [(10_000, 50), (10_010, 90)]),
        (Venue("B"), {"lot": 25}, [(10_005, 100), (10_025, 100)]),
    )
    splitter = Splitter(depth)
    assert splitter.plan(BUY, 133, 0, 0).filled == 130
    assert SplitHeader(splitter.address).quantity == 130


def test_a_plan_is_not_worse_than_one_venue_within_the_tolerance():
    """The best venue alone is one part in two million cheaper than what the search ends with."""
    depth = depth_of(
        (Venue("A"), {}, [(1_000_300, 29), (1_000_400, 40)]),
        (Venue("B"), {"lot": 10}, [(1_000_300, 200)]),
    )
    assert total_cost(Splitter(depth).plan(BUY, 190, 0, 0)) == 190 * 1_000_300 * PART
