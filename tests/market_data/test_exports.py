"""What others keep of a day, read back by their own libraries: the same book, order by order."""

import json
import subprocess

import numpy as np
import pyarrow.parquet
import pytest
from feed_journal import book_of, make_journal
from feed_support import PlainBook, unframed

from openoutcry.bench.peers.feed_peers import environment
from openoutcry.flow import GeneratedFlow, LobsterSource
from openoutcry.flow.mixed import MixedFlow
from openoutcry.market_data.bars import make_bars
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.lobster import write_lobster
from openoutcry.matcher import Engine
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE, make_instruments

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


def test_databentos_own_decoder_rebuilds_the_book(day, tmp_path):
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    home, book, symbols = day
    write_feed(home, tmp_path / "day.dbn", "dbn")
    decoder = dbn.DBNDecoder()
    decoder.write((tmp_path / "day.dbn").read_bytes())
    metadata, *records = decoder.decode()
    assert metadata.schema == dbn.Schema.MBO
    assert metadata.symbols == symbols
    sides, orders, traded = {dbn.Side.BID: "B", dbn.Side.ASK: "S"}, {}, {}
    for one in records:
        if one.action == dbn.Action.ADD:
            assert one.order_id not in orders
            side = sides[one.side]
            orders[one.order_id] = [one.instrument_id, side, one.price // 100_000, one.size]
        elif one.action == dbn.Action.CANCEL:
            orders[one.order_id][3] -= one.size
            if orders[one.order_id][3] == 0:
                del orders[one.order_id]
        elif one.action == dbn.Action.TRADE:
            name = symbols[one.instrument_id - 1]
            traded[name] = traded.get(name, 0) + one.size
    assert orders == book.orders
    assert [one.sequence for one in records] == sorted(one.sequence for one in records)
    expected = {}
    for bar in make_bars(home, 86_400):
        expected[bar.symbol] = expected.get(bar.symbol, 0) + bar.volume_lots
    assert traded == expected


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


def test_a_lobster_file_has_the_book_and_what_traded(day, tmp_path):
    """Order by order: hidden orders, stops, and what an auction takes, too."""
    home, book, symbols = day
    traded, kinds = {}, set()
    for locate, symbol in enumerate(symbols, start=1):
        done = write_lobster(home, tmp_path / "x.csv", symbol)
        rows = [line.split(",") for line in (tmp_path / "x.csv").read_text().splitlines()]
        assert done["rows"] == len(rows)
        orders = {}
        for _, kind, number, size, price, direction in rows:
            kind, number, size = int(kind), int(number), int(size)
            kinds.add(kind)
            if kind == 1:
                assert number not in orders
                orders[number] = [locate, "B" if direction == "1" else "S", int(price), size]
            elif kind <= 4:
                orders[number][3] -= size
                assert (orders[number][3] == 0) >= (kind == 3)
                if not orders[number][3]:
                    del orders[number]
            if kind >= 4:
                traded[symbol] = traded.get(symbol, 0) + size
        assert orders == {k: v for k, v in book.orders.items() if v[0] == locate}
    expected = dict.fromkeys(traded, 0)
    for bar in make_bars(home, 86_400):
        if bar.symbol in expected:
            expected[bar.symbol] += bar.volume_lots
    assert traded == expected
    assert kinds == {1, 2, 3, 4, 5, 6}
    with pytest.raises(FeedError, match="are of one instrument: give --symbol"):
        write_lobster(home, tmp_path / "x.csv", None)


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


READER = """
import json, sys
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order
data = np.load(sys.argv[1])["data"]
validate_event_order(data)
asset = (BacktestAsset().data([sys.argv[1]]).linear_asset(1.0).constant_order_latency(0, 0)
         .l3_fifo_queue_model().no_partial_fill_exchange().trading_value_fee_model(0, 0)
         .tick_size(0.0001).lot_size(1.0))
hbt = HashMapMarketDepthBacktest([asset])
while hbt.elapse(60_000_000_000) == 0:
    pass
depth = hbt.depth(0)
print(json.dumps([float(depth.best_bid), float(depth.best_bid_qty), float(depth.best_ask),
                  float(depth.best_ask_qty)]))
"""


@pytest.mark.long
def test_hftbacktest_replays_the_events(day, tmp_path):
    """In an environment of its own, as it wants an older numpy than ours."""
    python = environment("hftbacktest") / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {python}: outcry bench market-data --setup")
    home, book, symbols = day
    write_feed(home, tmp_path / "x.npz", "npz", symbol=symbols[0])
    done = subprocess.run([str(python), "-c", READER, str(tmp_path / "x.npz")],
                          capture_output=True, text=True, timeout=600)  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = []
    for side in "BS":
        queue = book.queue(1, side)
        best = [shares for price, shares in queue if price == queue[0][0]]
        expected += [queue[0][0] / 10_000, float(sum(best))]
    assert json.loads(done.stdout) == pytest.approx(expected)
