"""Books outside the venue as sources of an index."""

import pytest

from openoutcry.routing.depth import LIVE, LOST
from openoutcry.routing.index_feed import IndexFeed
from openoutcry.routing.instruments import Listing, Market, Venue
from tests.support.routing.markets import GOLD


class Books:
    """A connector with a book that the test sets; None: the feed is lost."""

    def __init__(self, book):
        self.book = book

    def follow(self, depth, number, now_ns):
        depth.set_status(number, LOST if self.book is None else LIVE, now_ns)
        if self.book is not None:
            depth.set_levels(number, *self.book, now_ns)


def feed_of(*books, more=0):
    venues = tuple(Venue(name, taker_ppm=500, stale_ns=100) for name in "AB")
    listings = tuple(
        Listing(one.name, GOLD, "GOLD", GOLD.price_decimals, GOLD.quantity_decimals)
        for one in venues
    )
    reported = {}
    connectors = dict(zip("AB", map(Books, books), strict=True))
    market = Market(GOLD, venues, listings)
    decimals = GOLD.price_decimals + more
    return IndexFeed(market, connectors, decimals, reported.__setitem__), reported


def test_each_venue_with_a_book_of_two_sides_reports_its_middle():
    first, second = ([(98, 5)], [(101, 5), (104, 9)]), ([(90, 1)], [(92, 1)])
    feed, reported = feed_of(first, second)
    feed.step(10)
    assert reported == {"A": 100, "B": 91}, "99.5 is rounded upwards, fees do not count"
    reported.clear()
    feed.connectors["A"].book = None
    feed.connectors["B"].book = [(90, 1)], []
    feed.step(20)
    assert reported == {}


@pytest.mark.parametrize(("more", "ticks"), [(2, 9_950), (1, 995), (-1, 10)])
def test_prices_have_the_decimals_of_the_contract(more, ticks):
    feed, reported = feed_of(([(98, 5)], [(101, 5)]), None, more=more)
    feed.step(10)
    assert reported == {"A": ticks}
