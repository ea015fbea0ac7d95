"""The conflated feed: each interval's view whole, however slow its reader."""

import random

from openoutcry.market_data.depth import (
    applied,
    by_price,
    views_of,
)
from tests.support.market_data.depth import drawn


def test_changes_by_price_make_the_new_levels_of_the_old():
    rng = random.Random(1)
    for _ in range(500):
        old, new = drawn(rng), drawn(rng)
        assert applied(old.bids, by_price(old.bids, new.bids), "B") == new.bids
        assert applied(old.asks, by_price(old.asks, new.asks), "S") == new.asks
        assert by_price(new.bids, new.bids) == []


def test_views_are_the_books():
    from openoutcry.market_data.book import Book
    from openoutcry.market_data.feed import Feed
    from tests.support.market_data.feed_support import flow

    run, events, rx_ts_ns = flow(3, 700)
    book = Book()
    book.apply(Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1))
    views = views_of(book)
    assert len(views) == len(run.instruments)
    for locate, view in views.items():
        assert view.bids == tuple(book.levels(locate, "B"))
        assert view.cut(1).asks == tuple(book.levels(locate, "S", 1))
