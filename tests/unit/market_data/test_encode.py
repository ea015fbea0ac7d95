"""Events become messages of ITCH 5.0: kernels against the plain reference, and both against the
book that the matcher displays."""

import numpy as np
import pytest

from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import snapshot
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import FeedError
from openoutcry.wire.records import make_instruments
from openoutcry.wire.symbols import code_of
from tests.oracles.market_data_feed import ReferenceFeed
from tests.support.market_data.encode import times_of
from tests.support.market_data.feed_support import fields, flow, setting_done, unframed


def framed(messages: list[bytes]) -> bytes:
    return b"".join(len(one).to_bytes(2, "big") + one for one in messages)


def test_a_call_comes_back_before_its_room_might_not_do():
    """Halts of all instruments in a row write more than a call has room for."""
    table = make_instruments([{"symbol": f"S{n}"} for n in range(50)])
    events = np.concatenate([setting_done(np.random.default_rng(1), 50) for _ in range(40)])
    events["contra_id"], events["order_id"] = Setting.MARKET_KILL, np.arange(40) // 2 % 2 + 1
    events["leaves_lots"] = np.arange(40) % 3 == 0
    events["seq"] = events["cause_seq"] = np.arange(1, 41)
    feed, times = Feed(table, 64), np.zeros(40, np.int64)
    parts = list(feed.encode_by_session(events, times, 1))
    fast = [one for part in parts for one in unframed(part.messages)]
    assert len(parts) > 1
    assert fast == ReferenceFeed(table).encode(events, times_of(times))


def test_the_order_book_directory_announces_long_symbols_and_fine_ticks():
    """What R cannot say comes after it, in the stream and in a snapshot; a book decodes by it."""
    run, events, rx_ts_ns = flow(2, 300)
    codes = [bytes(code).decode() for code in run.instruments["symbol"]]
    symbols = [f"{code}-PERPETUAL-2026" if at == 1 else code for at, code in enumerate(codes)]
    table = run.instruments.copy()
    table["symbol"][1] = code_of(symbols[1])
    decimals = {symbols[0]: 12, symbols[1]: 2}
    feed = Feed(table, run.order_capacity, decimals, False, symbols)
    messages = unframed(feed.encode(events, rx_ts_ns, 1))
    assert messages == ReferenceFeed(table, decimals, symbols).encode(events, times_of(rx_ts_ns))
    said = [fields(one) for one in messages if one[:1] == b"o"]
    assert [(one["locate"], one["symbol"].rstrip(), one["price_decimals"]) for one in said] == [
        (1, symbols[0], 12),
        (2, symbols[1], 4),
    ]
    begin = messages[: 1 + len(codes) + 2]
    assert feed.directory_now(begin) == begin
    book = Book()
    book.apply(framed(messages))
    shown = {one.symbol: (one.code, one.price_decimals) for one in book.instruments()}
    assert shown[symbols[0]] == (codes[0], 12)
    assert shown[symbols[1]] == (code_of(symbols[1]).decode(), 4)
    joined, again = Book(), Book()
    snapshot_messages = [*snapshot(book, begin, 1)][:-1]
    joined.apply(framed(snapshot_messages))
    again.restore(book.saved())
    for other in (joined, again):
        assert other.hash() == book.hash()
        assert [(one.symbol, one.code, one.price_decimals) for one in other.instruments()] == [
            (one.symbol, one.code, one.price_decimals) for one in book.instruments()
        ]


def test_a_feed_continues_only_with_the_directory_that_it_began_with():
    table = make_instruments(["GOLD", {"symbol": code_of("SILVER-FUTURE-2026")}])
    symbols = ["GOLD", "SILVER-FUTURE-2026"]
    saved = Feed(table, 16, {"GOLD": 6}, symbols=symbols).saved()
    Feed(table, 16, {"GOLD": 6}, symbols=symbols).restore(saved)
    for decimals, names in (({"GOLD": 7}, symbols), ({"GOLD": 6}, ["GOLD", "SILVER01"])):
        with pytest.raises(FeedError, match="other instruments"):
            Feed(table, 16, decimals, symbols=names).restore(saved)
    older = {name: rows for name, rows in saved.items() if name != "announced"}
    plain = Feed(make_instruments(["GOLD"]), 16)
    plain.restore({n: rows for n, rows in plain.saved().items() if n != "announced"})
    with pytest.raises(FeedError, match="other instruments"):
        Feed(table, 16, {"GOLD": 6}, symbols=symbols).restore(older)


def test_a_broken_trade_is_said_once():
    """Of the two events of a bust, by the match number; a book of the feed reads on."""
    run, events, rx_ts_ns = flow(2, 300)
    more = np.zeros(3, events.dtype)
    more["kind"] = [EventKind.BROKEN, EventKind.BROKEN, EventKind.COMPLETED]
    more["side"], more["contra_id"], more["instrument"] = [Side.BUY, Side.SELL, 0], 17, 1
    more["order_id"], more["flags"] = 5, [0, 0, EventFlag.LAST]
    more["contra_id"][2], more["leaves_lots"] = Setting.BUST, [0, 8, 50]
    more["seq"] = events["seq"][-1] + 1 + np.arange(3)
    more["cause_seq"] = len(rx_ts_ns) + 1
    events, times = np.concatenate([events, more]), np.append(rx_ts_ns, rx_ts_ns[-1])
    messages = unframed(Feed(run.instruments, run.order_capacity).encode(events, times, 1))
    assert messages == ReferenceFeed(run.instruments).encode(events, times_of(times))
    assert [fields(one)["match"] for one in messages if one[:1] == b"B"] == [17]
    assert messages[-1][:1] == b"B"
    Book().apply(framed(messages))
