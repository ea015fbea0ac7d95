"""What is refused: instruments that the feed could not tell, and events that it cannot."""

import numpy as np
import pytest

from openoutcry.market_data.feed import Feed, check_instruments
from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE, CommandKind, OrderType, Side, TimeInForce, make_instruments
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_support import fields, flow, unframed

LIMITS = {"symbol": "ABC", "min_price_ticks": 0, "max_price_ticks": 1000, "max_qty_lots": 1000}


def events_of(instruments, *rows):
    """Events of new limit orders, (side, price, quantity), and the times of all."""
    orders = np.zeros(len(rows), ORDER_DTYPE)
    for order, (side, price, qty) in zip(orders, rows, strict=True):
        order["side"], order["price_ticks"], order["qty_lots"] = side, price, qty
    orders["seq"] = orders["order_id"] = np.arange(1, len(rows) + 1)
    orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
    orders["time_in_force"], orders["participant"] = TimeInForce.DAY, 7
    orders["symbol"] = instruments["symbol"][0]
    return Engine(instruments, 16).process(orders), np.zeros(len(rows), np.int64)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (
            "max_price_ticks",
            2**32,
            "max_price_ticks is 4294967296: the feed can publish 0 to 42949672",
        ),
        ("min_price_ticks", -1, "min_price_ticks is -1: the feed can publish 0 to 42949672"),
        ("max_qty_lots", 2**32, "max_qty_lots is 4294967296: the feed can publish 1 to 4294967295"),
    ],
)
def test_limits_that_do_not_fit_are_refused_when_the_instrument_is_declared(field, value, words):
    check_instruments(make_instruments([LIMITS]), {"ABC": 2})
    with pytest.raises(FeedError, match=f"instrument ABC: {words}"):
        check_instruments(make_instruments([LIMITS | {field: value}]), {"ABC": 2})


def test_prices_have_the_instruments_decimals():
    table = make_instruments([LIMITS])
    events, times = events_of(table, (Side.BUY, 123, 5))
    for decimals, price in ((4, 123), (2, 12_300), (0, 1_230_000), (5, 123), (12, 123)):
        last = unframed(Feed(table, 16, {"ABC": decimals}).encode(events, times, 1))[-1]
        assert fields(last)["price"] == price
    with pytest.raises(FeedError, match="instrument ABC: prices with 13 decimals"):
        Feed(table, 16, {"ABC": 13})


def test_nothing_is_cut_that_does_not_fit():
    table = make_instruments(["ABC"])
    for row, words in (
        ((Side.BUY, 2**32, 1), "event 1 has a price or a quantity that no message"),
        ((Side.BUY, -1, 1), "event 1 has a price or a quantity that no message"),
        ((Side.BUY, 1, 2**32), "event 1 has a price or a quantity that no message"),
    ):
        events, times = events_of(table, row)
        with pytest.raises(FeedError, match=words):
            Feed(table, 16).encode(events, times, 1)


def test_events_that_are_missing_or_come_again_are_found():
    run, events, times = flow(3)
    with pytest.raises(FeedError, match="event 2 is not the next one"):
        Feed(run.instruments, run.order_capacity).encode(events[1:].copy(), times, 1)
    feed = Feed(run.instruments, run.order_capacity)
    feed.encode(events[:5].copy(), times, 1)
    with pytest.raises(FeedError, match="event 5 is not the next one"):
        feed.encode(events[4:].copy(), times, 1)


def test_more_open_orders_than_there_is_room_for_are_reported():
    table = make_instruments(["ABC"])
    events, times = events_of(table, *[(Side.BUY, 1 + k, 1) for k in range(6)])
    assert len(Feed(table, 6).encode(events, times, 1)) > 0
    with pytest.raises(FeedError, match="event 6 more orders are open than fit"):
        Feed(table, 4).encode(events, times, 1)
