"""Journals whose feed is looked at."""

import numpy as np

from openoutcry.journal import Journal, JournalReader
from openoutcry.matcher import BookFromEvents
from openoutcry.replay.events import events_of, starting_point
from openoutcry.replay.replay import instruments_to_json


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
