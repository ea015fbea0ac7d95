"""commands/dispatch.py: which commands the fast path does by itself."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import id_addr
from openoutcry.matcher.commands.dispatch import fast_path, find_instrument
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import EventRecord, OrderRecord


@kernel
def take_fast_path(arena: ArenaHeader, order: OrderRecord, out: EventRecord) -> int:
    """1 if the fast path has done the command, 0 if it leaves it to the general path."""
    instrument = find_instrument(arena, order.symbol)
    entry = id_addr(arena, instrument, order.order_id)
    return 1 if fast_path(arena, order, instrument, entry, out) != 0 else 0


def new_order(order_id, price, side=Side.BUY):
    order = np.zeros(1, ORDER_DTYPE)
    order["symbol"], order["kind"], order["order_type"] = b"A", CommandKind.NEW, OrderType.LIMIT
    order["side"], order["time_in_force"], order["qty_lots"] = side, TimeInForce.GTC, 5
    order["order_id"] = order["seq"] = order_id
    order["price_ticks"] = price
    return order


@pytest.fixture
def engine():
    """An engine with room for two pages of prices, and whether the fast path takes an order."""
    engine = Engine(make_instruments(["A"]), 100, level_pages=2)
    out = np.zeros(8, EVENT_DTYPE)
    arena = ArenaHeader.of(engine.arena.ctypes.data)

    def takes(order):
        return take_fast_path(
            arena, OrderRecord.of(order.ctypes.data), EventRecord.of(out.ctypes.data)
        )

    engine.takes = takes
    return engine


def test_it_opens_a_page_of_prices(engine):
    """The first order at new prices, far from all others, needs no general path."""
    assert engine.takes(new_order(1, 100))
    assert engine.takes(new_order(2, 100_000, Side.SELL))
    assert (engine.best("A")[0], engine.best("A")[2]) == (100, 100_000)


def test_without_a_free_page_nothing_is_done(engine):
    """The general path refuses the order then, and the book is as it was."""
    assert engine.takes(new_order(1, 100))
    assert engine.takes(new_order(2, 10_000))
    before = engine.book_hash()
    assert not engine.takes(new_order(3, 1_000_000))
    assert engine.book_hash() == before
    assert engine.takes(new_order(4, 101))


def test_it_marks_a_page_that_a_hash_has_read(engine):
    """An order that joins a page after the hash was taken changes the next hash."""
    assert engine.takes(new_order(1, 100))
    hashes = {engine.book_hash()}
    for number in (2, 3):
        assert engine.takes(new_order(number, 100))
        hashes.add(engine.book_hash())
    assert len(hashes) == 3
