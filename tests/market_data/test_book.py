"""A subscriber's book is the matcher's: kernels against a plain book, hashes, damaged streams."""

import random
from hashlib import blake2b
from types import SimpleNamespace

import numpy as np
import pytest
from feed_support import NO_LIMIT, PlainBook, by_command, flow, unframed
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.cli.feed import ladder
from openoutcry.market_data.book import Book, hash_side
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.lines import Lines
from openoutcry.matcher import BookFromEvents
from openoutcry.wire.enums import Side
from openoutcry.wire.feed_messages import ITCH50

SIDES = ((Side.BUY, "B"), (Side.SELL, "S"))


def framed(kind, **values):
    message = ITCH50.from_server(kind).pack(**values)
    return len(message).to_bytes(2, "big") + message


def hash_of_the_matchers(truth, count):
    """The hash of what a matcher displays, by its events."""
    digest = blake2b(digest_size=16)
    for index in range(count):
        for side, letter in SIDES:
            queue = [o for o in truth.queue(index, side) if o.price_ticks not in NO_LIMIT]
            rows = [(order.price_ticks, order.shown_lots) for order in queue]
            hash_side(digest, index + 1, letter, np.array(rows, np.int64).reshape(-1, 2))
    return digest.hexdigest()


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


def test_trades_are_counted_once():
    """E, C that is printable, P and Q count; C of an auction does not."""
    book = Book()
    for data in (
        framed("R", locate=3, stock="ABC"),
        framed("H", locate=3, stock="ABC", state="T"),
        framed("A", locate=3, reference=1, side="B", shares=100, stock="ABC", price=50_000),
        framed("E", locate=3, reference=1, shares=10, match=1),
        framed("C", locate=3, reference=1, shares=10, match=2, printable="Y", price=40_000),
        framed("C", locate=3, reference=1, shares=10, match=3, printable="N", price=30_000),
        framed("P", locate=3, side="B", shares=7, stock="ABC", price=45_000, match=4),
        framed("Q", locate=3, shares=30, stock="ABC", price=30_000, match=5, cross_type="O"),
        framed("I", locate=3, paired=8, imbalance=2, direction="S", stock="ABC", near_price=9),
    ):
        book.apply(data)
    instruments = book.instruments()
    assert [one.symbol for one in instruments] == ["ABC"]
    one = instruments[0]
    assert (one.volume, one.trades, one.last_price, one.last_shares) == (57, 4, 30_000, 30)
    assert one.turnover == 500_000 + 400_000 + 315_000 + 900_000
    assert (one.state, one.paired, one.imbalance, one.direction, one.near_price) == (
        "T", 8, 2, "S", 9,
    )  # fmt: skip
    assert book.levels(3, "B") == [(50_000, 70, 1)]


ADD = framed("A", locate=3, reference=1, side="B", shares=100, stock="ABC", price=50_000)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (framed("D", locate=3, reference=2), "is about an order that is not in the book"),
        (framed("E", locate=3, reference=2, shares=1), "is about an order that is not in"),
        (framed("U", locate=3, reference=2, new_reference=4, shares=1), "is about an order"),
        (framed("X", locate=3, reference=1, shares=101), "takes off more shares"),
        (framed("E", locate=3, reference=1, shares=0), "takes off more shares than the order has"),
        (framed("U", locate=3, reference=1, new_reference=1, shares=1), "adds an order that is"),
        (ADD, "adds an order that is in the book already"),
        (framed("A", locate=3, reference=9, side="?", shares=1), "is no message of ITCH 5.0"),
        (framed("A", locate=3, reference=9, side="B", shares=0), "is no message of ITCH 5.0"),
        (b"\x00\x13" + framed("A")[2:21], "is no message of ITCH 5.0"),
        (b"\x00\x02AB", "is no message of ITCH 5.0"),
        (ADD[:-1], "is no message of ITCH 5.0"),
        (b"\x00", "is no message of ITCH 5.0"),
    ],
)
def test_what_cannot_be_is_named_and_changes_nothing(data, words):
    book = Book()
    book.apply(ADD)
    before = book.hash()
    with pytest.raises(FeedError, match=f"message 2 of the book {words}"):
        book.apply(data)
    assert book.hash() == before
    assert book.messages == 1


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


@pytest.mark.parametrize("width", [3, 60, 3_000, 2**31, 2**32])
def test_levels_far_from_the_best_find_their_place(width):
    """Between their neighbours, of which some are gone by then; through growth too."""
    rng, book, plain, alive = random.Random(width), Book(orders=4), PlainBook(), []
    for number in range(1, 4_000):
        if alive and rng.random() < 0.45:
            data = framed("D", locate=1, reference=alive.pop(rng.randrange(len(alive))))
        else:
            alive.append(number)
            data = framed("A", locate=1 + number % 2, reference=number, side=rng.choice("BS"),
                          shares=1 + number % 9,
                          price=2**32 - width + rng.randrange(width))  # fmt: skip
        book.apply(data)
        plain.apply(data[2:])
    for locate in (1, 2):
        for side in "BS":
            rows = [tuple(row) for row in book.orders(locate, side)[:, :2].tolist()]
            assert rows == plain.queue(locate, side)


def test_the_ladder_shows_what_protects_the_market():
    """State and reason, that this market alone stops it, its auction's collar, the breaker."""
    book, one = Book(), {"locate": 1, "stock": "GOLD"}
    for kind, more in (
        ("R", {}), ("V", {"locate": 0, "level1": 93 * 10**9}), ("W", {"locate": 0, "level": "1"}),
        ("H", {"state": "Q", "reason": "MWCQ"}), ("h", {"market": "Q", "action": "H"}),
        ("J", {"reference_price": 10_000, "upper": 11_000, "lower": 9_000, "extension": 2}),
    ):  # fmt: skip
        book.apply(framed(kind, **(one if more.get("locate", 1) and kind not in "VW" else {}),
                          **more))  # fmt: skip
    (gold,) = book.instruments()
    assert (gold.collar, gold.extension, gold.stopped) == ((10_000, 11_000, 9_000), 2, True)
    assert (book.decline_levels, book.breached) == ((93 * 10**9, 0, 0), "1")
    receiver = SimpleNamespace(lines=Lines(lambda data, first: None), book=book)
    shown = ladder(receiver, "GOLD", 5)
    assert shown.title == "GOLD Q MWCQ, stopped"
    assert "level 1 of the breaker · collar 0.9000 to 1.1000" in shown.caption
    book.apply(framed("H", **one, state="T", reason="CONT"))
    assert (book.instrument(1).collar, book.instrument(1).extension) == (None, 0)
