"""A subscriber's book is the matcher's: kernels against a plain book, hashes, damaged streams."""

import random
from types import SimpleNamespace

import pytest

from openoutcry.cli.feed import ladder
from openoutcry.market_data.book import Book
from openoutcry.market_data.lines import Lines
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import ITCH50
from tests.support.market_data.feed_support import PlainBook


def framed(kind, **values):
    message = ITCH50.from_server(kind).pack(**values)
    return len(message).to_bytes(2, "big") + message


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
        "T",
        8,
        2,
        "S",
        9,
    )
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
        (framed("A", locate=3, reference=9, side="?", shares=1), "is not a message of ITCH 5.0"),
        (framed("A", locate=3, reference=9, side="B", shares=0), "is not a message of ITCH 5.0"),
        (b"\x00\x13" + framed("A")[2:21], "is not a message of ITCH 5.0"),
        (b"\x00\x02AB", "is not a message of ITCH 5.0"),
        (ADD[:-1], "is not a message of ITCH 5.0"),
        (b"\x00", "is not a message of ITCH 5.0"),
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


@pytest.mark.parametrize("width", [3, 60, 3_000, 2**31, 2**32])
def test_levels_far_from_the_best_find_their_place(width):
    """Between their neighbours, of which some are gone by then; through growth too."""
    rng, book, plain, alive = random.Random(width), Book(orders=4), PlainBook(), []
    for number in range(1, 4_000):
        if alive and rng.random() < 0.45:
            data = framed("D", locate=1, reference=alive.pop(rng.randrange(len(alive))))
        else:
            alive.append(number)
            data = framed(
                "A",
                locate=1 + number % 2,
                reference=number,
                side=rng.choice("BS"),
                shares=1 + number % 9,
                price=2**32 - width + rng.randrange(width),
            )
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
        ("R", {}),
        ("V", {"locate": 0, "level1": 93 * 10**9}),
        ("W", {"locate": 0, "level": "1"}),
        ("H", {"state": "Q", "reason": "MWCQ"}),
        ("h", {"market": "Q", "action": "H"}),
        ("J", {"reference_price": 10_000, "upper": 11_000, "lower": 9_000, "extension": 2}),
    ):
        book.apply(
            framed(kind, **(one if more.get("locate", 1) and kind not in "VW" else {}), **more)
        )
    (gold,) = book.instruments()
    assert (gold.collar, gold.extension, gold.stopped) == ((10_000, 11_000, 9_000), 2, True)
    assert (book.decline_levels, book.breached) == ((93 * 10**9, 0, 0), "1")
    receiver = SimpleNamespace(lines=Lines(lambda data, first: None), book=book)
    shown = ladder(receiver, "GOLD", 5)
    assert str(shown.title) == "GOLD Q MWCQ, stopped"
    assert "level 1 of the breaker · collar 0.9000 to 1.1000" in shown.caption
    book.apply(framed("H", **one, state="T", reason="CONT"))
    assert (book.instrument(1).collar, book.instrument(1).extension) == (None, 0)
