"""Assertions in the kernels of the feed and of the receiver's book: they fire under VERIFY alone,
cost nothing without it, and hold wherever orders and levels go."""

import pytest

from tests.support.verified import (
    assert_costs_nothing,
    assert_fires_under_verify_alone,
    assert_passes_under_verify,
)

WRONG_CALLS = """
import numpy as np
from openoutcry.market_data import book_apply, encode
from openoutcry.market_data import book_levels as levels
from openoutcry.market_data import book_state as b
from openoutcry.market_data import state as s

fired, right = {}, []


class Feed:
    '''The encoder's memory for eight orders.'''

    def __init__(self):
        self.words = np.zeros(s.HEADER_BYTES // 8, np.int64)
        self.rows = np.zeros(9 * s.ROW_BYTES // 8, np.int64)
        self.table = np.zeros(64, np.uint32)
        self.words[s.ROWS // 8], self.words[s.CAPACITY // 8] = self.rows.ctypes.data, 8
        self.words[s.TABLE // 8], self.words[s.TABLE_MASK // 8] = self.table.ctypes.data, 63
        self.at = self.words.ctypes.data

    def insert(self, order_id=1):
        return int(s.insert(self.at, 0, order_id, 1))

    def word(self, row, at):
        return (row - self.rows.ctypes.data + at) // 8


feed = Feed()
right.append(fires(feed.insert))
fired["an order that is open twice"] = fires(feed.insert)
row = feed.insert(2)
right += [fires(s.link, feed.at, row, 0), fires(s.unlink, feed.at, row)]
s.link(feed.at, row, 0)
fired["an order on the list twice"] = fires(s.link, feed.at, row, 0)
feed = Feed()
row = feed.insert()
s.link(feed.at, row, 0)
fired["an order forgotten before it is told of"] = fires(s.remove, feed.at, row)
feed = Feed()
row = feed.insert()
right.append(fires(s.remove, feed.at, row))
feed.rows[feed.word(row, s.FeedOrder.offset("ref"))] = 7
fired["a free row that the public knows"] = fires(feed.insert, 3)
feed = Feed()
row = feed.insert()
s.link(feed.at, row, 0)
feed.words[s.FeedState.offset("pending_first") // 8] = feed.insert(2)
fired["a list that leads elsewhere"] = fires(s.unlink, feed.at, row)
fired["an end of what nobody knew"] = fires(encode.forget, feed.at, row)


class Book:
    '''The receiver's memory for eight orders.'''

    def __init__(self):
        self.words = np.zeros(b.HEADER_BYTES // 8, np.int64)
        self.kept = {}
        for at, size in (
            (b.ORDERS, 9 * b.ORDER_BYTES), (b.LEVELS, 9 * b.LEVEL_BYTES),
            (b.ORDER_TABLE, 64 * b.PLACE_BYTES), (b.LEVEL_TABLE, 64 * b.PLACE_BYTES),
            (b.INSTRUMENTS, 2 * b.INSTRUMENT_BYTES), (b.NODES, 32 * levels.NODE_BYTES),
        ):
            self.kept[at] = np.zeros(size // 8, np.int64)
            self.words[at // 8] = self.kept[at].ctypes.data
        self.words[[b.ORDER_CAPACITY // 8, b.LEVEL_CAPACITY // 8]] = 8
        self.words[[b.ORDER_MASK // 8, b.LEVEL_MASK // 8]] = 63
        self.words[b.NODE_MASK // 8] = 31
        self.at = self.words.ctypes.data

    def enter(self, ref, price=100, shares=5):
        return book_apply.enter(self.at, ref, 1, 1, price, shares)

    def leave(self, ref):
        book_apply.leave(self.at, book_apply.find(self.at, ref))

    def level(self, at, value):
        self.kept[b.LEVELS][(b.LEVEL_BYTES + at) // 8] = value


def entered():
    book = Book()
    book.enter(1)
    return book


book = entered()
right += [fires(book.enter, 2), fires(book.enter, 3, 101), fires(book.leave, 1)]
book = entered()
book.level(b.BookLevel.offset("total"), 4)
fired["a level without its order's shares"] = fires(book.leave, 1)
book = entered()
book.level(b.COUNT, 2)
fired["a level that counts an order more"] = fires(book.leave, 1)
book = entered()
book.words[b.OPEN // 8] = 0
fired["an order that nobody counted"] = fires(book.leave, 1)
book = entered()
fired["a level that still has orders"] = fires(levels.drop_level, book.at, 1)
table, rows = np.zeros(32, np.uint32), np.zeros(8, np.int64)
place = table.ctypes.data
fired["a key taken out twice"] = fires(b.take_out, place, 31, rows.ctypes.data, 32, place)
book = entered()
fired["a level entered twice"] = fires(levels.note, book.at, b.key_of(1, 1, 100))
book = entered()
fired["a level that nobody entered"] = fires(levels.forget, book.at, b.key_of(1, 1, 900))
print(fired | {"right": any(right)})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """Orders that are open twice or forgotten too early, lists and levels that lack one."""
    assert_fires_under_verify_alone(WRONG_CALLS, verify)


@pytest.mark.long
def test_without_verify_the_machine_code_has_no_trace_of_them(tmp_path):
    kernels = {
        "openoutcry.market_data.state": ("insert", "remove", "link", "unlink"),
        "openoutcry.market_data.book_state": ("take_out",),
        "openoutcry.market_data.book_levels": ("note", "forget"),
        "openoutcry.market_data.book_apply": ("enter", "leave"),
    }
    assert_costs_nothing(kernels, tmp_path)


@pytest.mark.long
def test_the_feed_and_the_book_pass_under_verify() -> None:
    """The assertions hold in flows with every kind of message, and in damaged streams."""
    assert_passes_under_verify(
        "tests/unit/market_data/test_encode.py", "tests/unit/market_data/test_book.py"
    )
