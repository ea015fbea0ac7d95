"""The conflated feed: each interval's view whole, however slow its reader."""

import random

import numpy as np

from openoutcry.market_data.depth import (
    DepthBook,
    View,
    applied,
    by_price,
    names_of,
    packed,
    records_of,
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


def test_a_datagram_that_comes_twice_or_late_changes_nothing():
    rng, book, packets, seq = random.Random(7), DepthBook(), [], 0
    for number in range(3):
        view = drawn(rng)
        records = packed([(view, row) for row in records_of(None, view, again=True)])
        records["seq"], records["itch_seq"] = seq + 1 + np.arange(len(records)), number
        seq += len(records)
        packets.append(records.tobytes())
    for packet in (*packets, packets[-1], packets[0]):
        book.take(packet)
        if book.itch_seq == 2:
            assert (book.seq, book.gaps) == (seq, 0)
            assert (book.levels(1, "B"), book.levels(1, "S")) == (view.bids, view.asks)
    assert book.itch_seq == 2


def test_a_listener_knows_symbols_of_24_characters_and_price_decimals():
    """Records have a code of eight characters; the whole view names what it is the code of."""
    views = [
        View(1, "ETH-BTC-PERPETUAL-2026-X", "T", ((5, 3, 1),), code="ETH4FQEH", price_decimals=9),
        View(2, "GOLD", "T", ((7, 2, 1),)),
    ]
    records = packed([(view, row) for view in views for row in records_of(None, view, again=True)])
    named, book = names_of(views), DepthBook()
    assert len(named) == 1
    records["seq"] = 2 + np.arange(len(records))
    named["seq"] = 1
    book.take(named.tobytes())
    book.take(records.tobytes())
    assert book.symbols == {1: "ETH-BTC-PERPETUAL-2026-X", 2: "GOLD"}
    assert book.price_decimals == {1: 9, 2: 4}
    assert (book.levels(1, "B"), book.levels(2, "B")) == (((5, 3, 1),), ((7, 2, 1),))
    assert book.last == {1: (0, 0, 0), 2: (0, 0, 0)}
    assert book.gaps == 0
    unnamed = DepthBook()
    unnamed.take(records.tobytes())
    assert unnamed.symbols == {1: "ETH4FQEH", 2: "GOLD"}
