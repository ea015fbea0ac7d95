"""What others keep of a day, read back by their own libraries: the same book, order by order."""

import numpy as np
import pyarrow.parquet
import pytest

from openoutcry.flow import GeneratedFlow, LobsterSource
from openoutcry.market_data.bars import make_bars
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.lobster import write_lobster
from openoutcry.matcher import Engine
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE, make_instruments
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import NOON_NS
from tests.support.market_data.feed_journal import make_journal

day = shared.day


def test_the_trades_table_has_what_the_bars_have(day, tmp_path):
    home, _, symbols = day
    write_feed(home, tmp_path / "trades.parquet", "parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "trades.parquet").to_pylist()
    turnover = {}
    for row in rows:
        assert row["symbol"] in symbols
        turnover[row["symbol"]] = turnover.get(row["symbol"], 0) + row["price"] * row["shares"]
    expected = {}
    for bar in make_bars(home, 86_400):
        expected[bar.symbol] = expected.get(bar.symbol, 0) + bar.turnover
    assert turnover == expected


MIDNIGHT_NS = 1_700_006_400 * 10**9


@pytest.mark.parametrize("begin_ns", [NOON_NS, MIDNIGHT_NS - 3_000, MIDNIGHT_NS + 1_000])
def test_a_command_behind_the_time_of_the_one_before_it_is_of_the_same_moment(tmp_path, begin_ns):
    """Also around midnight: no message is dated a day off, and none before the one before it."""
    orders = np.zeros(4, ORDER_DTYPE)
    orders["kind"], orders["symbol"] = CommandKind.NEW, b"GOLD"
    orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    orders["order_id"], orders["participant"] = [1, 2, 3, 4], [1, 2, 3, 2]
    orders["side"] = [Side.SELL, Side.BUY, Side.BUY, Side.BUY]
    orders["qty_lots"], orders["price_ticks"] = [5, 2, 2, 1], [100, 100, 90, 100]
    orders["rx_ts_ns"] = begin_ns + np.array([0, 5_000, 2_000, 1_000])
    home = make_journal(tmp_path / "j", make_instruments(["GOLD"]), orders, 100, 1)
    write_feed(home, tmp_path / "x.npz", "npz", symbol="GOLD")
    with np.load(tmp_path / "x.npz") as archive:
        times = archive["data"]["exch_ts"] - begin_ns
    assert sorted(set(times.tolist())) == [0, 5_000]
    assert (np.diff(times) >= 0).all()
    write_feed(home, tmp_path / "x.parquet", "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert [ts_ns - begin_ns for ts_ns in table["ts_ns"].to_pylist()] == [5_000, 5_000]


def test_the_events_for_hftbacktest_are_the_book(day, tmp_path):
    """By our own reading of its format; the library's is the test below."""
    home, book, symbols = day
    for locate, symbol in enumerate(symbols[:3], start=1):
        write_feed(home, tmp_path / "x.npz", "npz", symbol=symbol)
        with np.load(tmp_path / "x.npz") as archive:
            data = archive["data"]
        orders = {}
        for row in data:
            kind, number = int(row["ev"]) & 0xFF, int(row["order_id"])
            if kind == 10:
                side = "B" if int(row["ev"]) >> 29 & 1 else "S"
                orders[number] = [locate, side, round(row["px"] * 10_000), int(row["qty"])]
            elif kind == 11:
                del orders[number]
            elif kind == 12:
                orders[number][3] = int(row["qty"])
        assert orders == {k: v for k, v in book.orders.items() if v[0] == locate}
        assert (np.diff(data["exch_ts"]) >= 0).all()
    with pytest.raises(FeedError, match="say which"):
        write_feed(home, tmp_path / "x.npz", "npz")
    with pytest.raises(FeedError, match="NONE is not among"):
        write_feed(home, tmp_path / "x.npz", "npz", symbol="NONE")


def test_our_own_reading_of_a_lobster_file_comes_to_the_same_book(tmp_path):
    """And to the same trades."""
    source = GeneratedFlow("normal", 4_000, 3)
    orders = np.concatenate(list(source.chunks()))
    home = make_journal(tmp_path / "j", source.instruments, orders, 1 << 12)
    write_lobster(home, tmp_path / "x.csv", None)
    expected, lots = played(source.instruments, source.chunks())
    again = LobsterSource(tmp_path / "x.csv")
    assert played(again.instruments, again.chunks()) == (expected, lots)
    assert lots > 100
    assert not [name for name in again.account if "suspicious" in name or "neither" in name]


def played(instruments, chunks):
    """The book at the end, as far as it goes, and the lots traded."""
    engine, at, lots = Engine(instruments, 1 << 12), 1, 0
    for chunk in chunks:
        commands = chunk.copy()
        commands["seq"] = np.arange(at, at + len(commands))
        at += len(commands)
        events = engine.process(commands)
        fills = events[events["kind"] == EventKind.FILLED]
        lots += int(fills["qty_lots"][fills["flags"] & EventFlag.MAKER != 0].sum())
    depth = engine.depth(instruments["symbol"][0], 1_000)
    return {side: [[int(v) for v in row] for row in depth[side]] for side in depth}, lots
