"""Journals whose feed is looked at."""

import numpy as np

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoint import make_checkpoints
from openoutcry.journal.events import events_of, starting_point
from openoutcry.journal.replay import instruments_to_json
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE, make_instruments
from tests.oracles.matcher.book_from_events import BookFromEvents


def make_journal(home, instruments, orders, order_capacity, blocks=7, segment_bytes=1 << 20):
    """A journal of some blocks with these commands."""
    config = {
        "instruments": instruments_to_json(instruments),
        "order_capacity": order_capacity,
    }
    orders = orders.copy()
    orders["seq"] = np.arange(1, len(orders) + 1)
    with Journal.create(home, config, segment_bytes=segment_bytes, direct=False) as writer:
        at = 0
        for number, part in enumerate(np.array_split(orders, blocks)):
            if len(part):
                writer.append(at + 1, [part], len(part), 1_000 + number)
                at += len(part)
    return home


def book_of(home):
    """The book at a journal's end, from its events, and how many commands there were."""
    reader = JournalReader(home)
    point, book = starting_point(reader), BookFromEvents()
    for batch in events_of(reader, point):
        book.apply(batch.events)
    return book, point.seq


def each_second_trades(home):
    """A journal of 400 orders for a lot, each second of which trades."""
    orders = np.zeros(400, ORDER_DTYPE)
    numbers = np.arange(400)
    orders["kind"], orders["symbol"] = CommandKind.NEW, b"GOLD"
    orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    orders["order_id"], orders["participant"] = numbers + 1, 1 + numbers % 2
    orders["side"] = np.where(numbers % 2, Side.SELL, Side.BUY)
    orders["qty_lots"], orders["price_ticks"] = 1, 100
    orders["rx_ts_ns"] = 1_700_049_600 * 10**9 + numbers * 10**9
    return make_journal(home, make_instruments(["GOLD"]), orders, 100, 40, segment_bytes=1 << 15)


def without_its_begin(home):
    """The same, of which 141 to 400 are left, with checkpoints behind 150 and 300."""
    each_second_trades(home)
    make_checkpoints(home, 150)
    assert retire(home)
    assert JournalReader(home).first_seq == 141
    return home
