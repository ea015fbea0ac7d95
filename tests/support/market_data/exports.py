"""What the tests of exports in several tiers share."""

import numpy as np
import pytest

from openoutcry.flow.mixed import MixedFlow
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.tape import export
from tests.support.market_data.feed_journal import book_of, make_journal
from tests.support.market_data.feed_support import PlainBook, unframed

NOON_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A journal with auctions, icebergs, hidden orders; its public book at the end; its symbols."""
    home = tmp_path_factory.mktemp("exports")
    source = MixedFlow(6_000, 5)
    orders = np.concatenate(list(source.chunks()))
    orders["rx_ts_ns"] = NOON_NS + 200_000 * np.arange(len(orders))
    make_journal(home / "j", source.instruments, orders, 1 << 14)
    write_feed(home / "j", home / "day.itch")
    book = PlainBook()
    for message in unframed((home / "day.itch").read_bytes()):
        book.apply(message)
    assert book_of(home / "j")[1] == len(orders)
    return home / "j", book, [bytes(s).decode() for s in source.instruments["symbol"]]


def exported(home, path, to_name="", symbol=None, **more):
    """Export a journal whatever is lost."""
    return export(home, path, to_name, symbol, ["all"], **more)
