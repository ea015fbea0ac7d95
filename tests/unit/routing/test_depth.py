"""What the depth shows is what a rebuild from all reports shows, whatever comes."""

from random import Random

import pytest

from openoutcry.market_data.book import Book
from openoutcry.routing.depth import HALTED, LIVE, LOST, Depth
from openoutcry.routing.depth_kernels import NAMES
from openoutcry.routing.instruments import BUY, SELL, Listing, Market, RoutingError, Venue
from openoutcry.wire.feed_messages import ITCH50
from tests.oracles.routing_split import ReferenceDepth
from tests.support.routing.markets import GOLD, random_market, random_side


def two_venues(**first):
    venues = Venue("A", taker_ppm=1_000, stale_ns=100), Venue("B", stale_ns=100)
    listings = tuple(Listing(v.name, GOLD, "GOLD", 4, 2, **first) for v in venues)
    return Depth(Market(GOLD, venues, listings), 3)


def live(depth):
    for venue in range(2):
        depth.set_status(venue, LIVE, 0)
    return depth


def test_levels_are_in_order_of_price_with_fee():
    depth = live(two_venues())
    assert depth.set_levels(0, [(9_000, 5)], [(10_000, 5), (10_020, 6)], 10)
    assert depth.set_levels(1, [(8_995, 7)], [(10_005, 7)], 20)
    asks = [(one.price, one.quantity, one.venue, one.since_ns) for one in depth.take_side(BUY, 30)]
    assert asks == [(10_005, 7, 1, 20), (10_000, 5, 0, 10), (10_020, 6, 0, 10)]
    assert [one.venue for one in depth.take_side(SELL, 30)] == [1, 0], "9000 less 0.1 % is 8991"
    assert depth.mid(30) == (10_000, 9_000)


def test_an_unchanged_level_keeps_its_age():
    depth = live(two_venues())
    depth.set_levels(0, [], [(100, 5), (101, 5), (102, 5)], 10)
    changes = depth.changes
    depth.set_levels(0, [], [(100, 5), (101, 5), (102, 5)], 20)
    assert depth.changes == changes
    depth.set_levels(0, [], [(100, 5), (102, 5), (103, 1)], 30)
    assert [(one.price, one.since_ns) for one in depth.take_side(BUY, 30)] == [
        (100, 10),
        (102, 10),
        (103, 30),
    ]


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda depth: depth.set_status(0, LOST, 50), "lost"),
        (lambda depth: depth.set_status(0, HALTED, 50), "halted"),
        (lambda depth: depth.set_levels(0, [(100, 1)], [(100, 1)], 50), "crossed"),
        (lambda depth: depth.heard(1, 200), "stale"),
        (lambda depth: depth.set_levels(0, [], [(101, 1), (100, 1)], 50), "lost"),
        (lambda depth: depth.set_levels(0, [], [(100, 0)], 50), "lost"),
        (lambda depth: depth.set_levels(0, [(1 << 60, 1)], [], 50), "lost"),
    ],
)
def test_a_feed_that_is_not_right_is_marked_and_not_traded_on(spoil, name):
    depth = live(two_venues())
    for venue in range(2):
        depth.set_levels(venue, [(99, 1)], [(100, 1)], 50)
    spoil(depth)
    now_ns = 200 if name == "stale" else 60
    assert depth.status(0, now_ns) == name
    assert [one.venue for one in depth.take_side(BUY, now_ns)] == [1]


def test_a_lost_feed_returns_only_with_new_levels():
    depth = live(two_venues())
    depth.set_levels(0, [(99, 1)], [(100, 1)], 10)
    depth.set_status(0, LOST, 20)
    depth.set_status(0, LIVE, 30)
    assert depth.take_side(BUY, 30) == []
    depth.set_levels(0, [(99, 1)], [(100, 1)], 40)
    assert depth.take_side(BUY, 40)[0].since_ns == 40


@pytest.mark.parametrize("seed", range(6))
def test_the_kernels_equal_a_rebuild_over_gaps_resets_and_crossed_feeds(seed):
    rng = Random(seed)
    market = random_market(rng, rng.randint(1, 5))
    depth, reference = Depth(market, 6), ReferenceDepth(market, 6)
    now_ns = 0
    for _ in range(400):
        now_ns += rng.choice([0, 1, 50, 600])
        venue = rng.randrange(len(market.venues))
        kind = rng.random()
        if kind < 0.15:
            status = rng.choice([LOST, LIVE, LIVE, LIVE, HALTED])
            depth.set_status(venue, status, now_ns)
            reference.set_status(venue, NAMES[status], now_ns)
        else:
            listing = market.listings[venue]
            bids, asks = (
                random_side(rng, listing, side, rng.randint(0, 8), spread=2) for side in (1, -1)
            )
            if kind < 0.25:
                bids = [(price + 10**listing.price_decimals, lots) for price, lots in bids]
            elif kind < 0.3 and len(asks) > 1:
                asks[0], asks[1] = asks[1], asks[0]
            done = depth.set_levels(venue, bids, asks, now_ns)
            assert done == reference.set_levels(venue, bids, asks, now_ns)
        for number in range(len(market.venues)):
            assert depth.status(number, now_ns) == reference.status(number, now_ns)
        for side in (BUY, SELL):
            assert depth.take_side(side, now_ns) == reference.take_side(side, now_ns)


def add(book, reference, side, shares, price):
    order = {"reference": reference, "side": side, "shares": shares, "price": price}
    message = ITCH50.from_server("A").pack(locate=1, stock="GOLD", **order)
    book.apply(len(message).to_bytes(2, "big") + message)


def test_a_receiver_s_book_is_followed_in_the_router_s_units():
    depth = live(two_venues())
    market = depth.market
    coarse = Listing("A", GOLD, "GOLD", price_decimals=4, quantity_decimals=0)
    depth = live(Depth(Market(GOLD, market.venues, (coarse, market.listings[1])), 2))
    book = Book(16)
    for number, price in enumerate([10_000, 10_100, 10_100, 10_300], start=1):
        add(book, number, "S", number, price)
    add(book, 9, "B", 4, 9_900)
    assert depth.follow(0, book, 1, 5)
    assert [(one.price, one.quantity) for one in depth.take_side(BUY, 5)] == [
        (10_000, 100),
        (10_100, 500),
    ]
    assert [(one.price, one.quantity) for one in depth.take_side(SELL, 5)] == [(9_900, 400)]


def test_a_depth_has_a_bound():
    with pytest.raises(RoutingError, match="0 levels"):
        Depth(two_venues().market, 0)
