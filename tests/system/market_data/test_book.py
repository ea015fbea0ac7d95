"""A subscriber's book is the matcher's: kernels against a plain book, hashes, damaged streams."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.market_data.book import Book, hash_side
from openoutcry.market_data.feed import Feed
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import FeedError
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.support.market_data.feed_support import NO_LIMIT, PlainBook, by_command, flow, unframed

SIDES = ((Side.BUY, "B"), (Side.SELL, "S"))


def hash_of_the_matchers(truth, count):
    """The hash of what a matcher displays, by its events."""
    digest = blake2b(digest_size=16)
    for index in range(count):
        for side, letter in SIDES:
            queue = [o for o in truth.queue(index, side) if o.price_ticks not in NO_LIMIT]
            rows = [(order.price_ticks, order.shown_lots) for order in queue]
            hash_side(digest, index + 1, letter, np.array(rows, np.int64).reshape(-1, 2))
    return digest.hexdigest()


@settings(max_examples=8)  # one takes 0.4 s
@given(st.integers(0, 10**6))
def test_the_book_is_the_matchers_after_every_command(seed):
    """From a memory for two orders on, which has to grow; by hash, orders and levels."""
    run, events, rx_ts_ns = flow(seed, 150)
    feed, book = Feed(run.instruments, run.order_capacity), Book(orders=2)
    truth, plain = BookFromEvents(), PlainBook()
    for command in by_command(events):
        truth.apply(command)
        data = feed.encode(command, rx_ts_ns, 1)
        book.apply(data)
        for message in unframed(data):
            plain.apply(message)
        assert book.hash() == hash_of_the_matchers(truth, len(run.instruments))
    assert book.messages == feed.messages
    assert book.open_orders == len(plain.orders)
    for index in range(len(run.instruments)):
        for side, letter in SIDES:
            orders = [tuple(row) for row in book.orders(index + 1, letter)[:, :2].tolist()]
            assert orders == plain.queue(index + 1, letter)
            for place, (price, _, number) in enumerate(book.orders(index + 1, letter).tolist()):
                ahead = [shares for one, shares in orders[:place] if one == price]
                assert book.ahead(number) == (len(ahead), sum(ahead))
            assert book.ahead(0) is None
            depth = truth.depth(index, 10**6)["bids" if side == Side.BUY else "asks"]
            shown = [level for level in depth if level[0] not in NO_LIMIT]
            assert book.levels(index + 1, letter, 10**3) == shown


@pytest.mark.promise(
    "A damaged feed is rejected or read, and no offset in it is followed outside of its "
    "bytes. The feed in shared memory has every message of the lines once; its readers can "
    "neither change it nor hold the venue up",
    group="venue",
)
@given(st.integers(0, 50), st.data())
def test_damaged_streams_are_refused_or_read_but_never_followed_into_the_wild(seed, data):
    """Any bytes changed anywhere: an error that names the message, or a book that still adds up."""
    run, events, rx_ts_ns = flow(seed, 60)
    stream = bytearray(Feed(run.instruments, run.order_capacity).encode(events, rx_ts_ns, 1))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    book, message = Book(orders=4), ""
    try:
        book.apply(bytes(stream))
    except FeedError as error:
        message = str(error)
    assert message.startswith(f"message {book.messages + 1} of the book" if message else "")
    total = 0
    for locate in {1 + k for k in range(len(run.instruments))}:
        for side in "BS":
            orders, levels = book.orders(locate, side), book.levels(locate, side, 1000)
            assert sum(level[1] for level in levels) == orders[:, 1].sum()
            total += len(orders)
    assert total <= book.open_orders
