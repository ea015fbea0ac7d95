"""A receiver's statistics are what DuckDB says of the same journal, at every minute, exactly."""

from fractions import Fraction

import numpy as np
import pytest

from openoutcry.flow.mixed import MixedFlow
from openoutcry.journal.sql import query
from openoutcry.market_data.book import Book
from openoutcry.market_data.files import JournalFeed
from openoutcry.market_data.statistics import index_of, statistics_of
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_journal import make_journal
from tests.support.market_data.feed_support import unframed

MINUTE_NS = 60 * 10**9
BEGIN_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
SUMS = """
with t as (select symbol, epoch_ns(rx_time) // {minute} as minute, match, price_ticks, qty_lots
           from trades),
     m as (select distinct minute from t)
select m.minute, symbol, arg_min(price_ticks, match), max(price_ticks), min(price_ticks),
       arg_max(price_ticks, match), sum(qty_lots)::hugeint,
       sum(price_ticks::hugeint * qty_lots)
from m join t on t.minute <= m.minute group by 1, 2 order by 1, 2
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Half an hour with auctions, hidden orders, icebergs and all else."""
    source = MixedFlow(9_000, 5)
    orders = np.concatenate(list(source.chunks()))
    orders["rx_ts_ns"] = BEGIN_NS + np.arange(len(orders)) * 200_000_000
    return make_journal(
        tmp_path_factory.mktemp("s") / "j", source.instruments, orders, 1 << 14, 300
    )


def test_at_every_minute_they_are_duckdbs(journal):
    rows = query(journal, SUMS.format(minute=MINUTE_NS)).to_pylist()
    expected = {}
    for row in rows:
        minute, symbol, *rest = row.values()
        expected.setdefault(minute, {})[symbol] = [int(value) for value in rest]
    assert len(expected) > 20
    book, compared, minute = Book(), 0, BEGIN_NS // MINUTE_NS

    def compare():
        nonlocal compared
        for symbol, figures in expected.get(minute, {}).items():
            one = statistics_of(book)[symbol]
            book_figures = [one.open, one.high, one.low, one.last, one.volume, one.turnover]
            assert book_figures == figures, (minute, symbol)
            assert one.vwap == Fraction(figures[5], figures[4])
            compared += 1

    for part in JournalFeed(journal).parts():
        midnight = part.ts_ns // (86_400 * 10**9) * 86_400 * 10**9
        for message in unframed(part.messages):
            now = (midnight + int.from_bytes(message[5:11], "big")) // MINUTE_NS
            while minute < now:
                compare()
                minute += 1
            book.apply(len(message).to_bytes(2, "big") + message)
    compare()
    assert compared > 100


def test_spread_auction_and_index(journal):
    book = Book()
    for part in JournalFeed(journal).parts():
        book.apply(part.messages)
    statistics = statistics_of(book)
    one = next(s for s in statistics.values() if s.spread is not None)
    locate = next(i.locate for i in book.instruments() if i.symbol == one.symbol)
    bid, ask = (book.levels(locate, side, 1)[0][0] for side in "BS")
    assert one.spread == ask - bid
    assert any(s.direction in "BSNO" and s.direction for s in statistics.values())
    traded = [s for s in statistics.values() if s.trades][:3]
    weights = {s.symbol: k + 1 for k, s in enumerate(traded)}
    closes = {s.symbol: s.open for s in traded}
    now = sum(weights[s.symbol] * s.last for s in traded)
    assert index_of(book, weights, closes) == Fraction(
        1_000 * now, sum(weights[s] * closes[s] for s in weights)
    )
    quiet = {s.symbol: 1 for s in statistics.values() if not s.trades}
    if quiet:
        assert index_of(book, quiet, dict.fromkeys(quiet, 5), 7) == 7
    with pytest.raises(FeedError, match="NONE is not in the stream"):
        index_of(book, {"NONE": 1}, {"NONE": 5})
