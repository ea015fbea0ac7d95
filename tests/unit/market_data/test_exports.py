"""What others keep of a day, read back by their own libraries: the same book, order by order."""

import numpy as np
import pyarrow.parquet
import pytest

from openoutcry.flow import GeneratedFlow, LobsterSource
from openoutcry.market_data.bars import make_bars
from openoutcry.market_data.tape import Arrival, journal_tape
from openoutcry.matcher import Engine
from openoutcry.tape.records import LAST
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.errors import FeedError, FlowError
from openoutcry.wire.records import ORDER_DTYPE, make_instruments
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import NOON_NS, exported
from tests.support.market_data.feed_journal import make_journal

day = shared.day


def test_the_trades_table_has_what_the_bars_have(day, tmp_path):
    home, _, symbols = day
    exported(home, tmp_path / "trades.parquet", "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "trades.parquet")
    rows = [row for row in table.to_pylist() if row["action"] == "T"]
    turnover = {}
    for row in rows:
        assert row["symbol"] in symbols
        turnover[row["symbol"]] = turnover.get(row["symbol"], 0) + row["price"] * row["qty"]
    expected = {}
    for bar in make_bars(home, 86_400):
        expected[bar.symbol] = expected.get(bar.symbol, 0) + bar.turnover
    assert turnover == expected


MIDNIGHT_NS = 1_700_006_400 * 10**9


@pytest.mark.parametrize("begin_ns", [NOON_NS, MIDNIGHT_NS - 3_000, MIDNIGHT_NS + 1_000])
def test_a_command_after_the_time_of_the_one_before_it_is_of_the_same_moment(tmp_path, begin_ns):
    """Also around midnight: no message is dated a day off, and none before the one before it."""
    orders = np.zeros(4, ORDER_DTYPE)
    orders["kind"], orders["symbol"] = CommandKind.NEW, b"GOLD"
    orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    orders["order_id"], orders["participant"] = [1, 2, 3, 4], [1, 2, 3, 2]
    orders["side"] = [Side.SELL, Side.BUY, Side.BUY, Side.BUY]
    orders["qty_lots"], orders["price_ticks"] = [5, 2, 2, 1], [100, 100, 90, 100]
    orders["rx_ts_ns"] = begin_ns + np.array([0, 5_000, 2_000, 1_000])
    home = make_journal(tmp_path / "j", make_instruments(["GOLD"]), orders, 100, 1)
    exported(home, tmp_path / "x.npz", "npz-orders", symbol="GOLD")
    with np.load(tmp_path / "x.npz") as archive:
        times = archive["data"]["exch_ts"] - begin_ns
    assert sorted(set(times.tolist())) == [0, 5_000]
    assert (np.diff(times) >= 0).all()
    exported(home, tmp_path / "x.parquet", "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    times = [row["ts_ns"] - begin_ns for row in table.to_pylist() if row["action"] == "T"]
    assert times == [5_000, 5_000]


def test_the_events_for_hftbacktest_are_the_book(day, tmp_path):
    """By our own reading of its format; the library's is the test below."""
    home, book, symbols = day
    for locate, symbol in enumerate(symbols[:3], start=1):
        exported(home, tmp_path / "x.npz", "npz-orders", symbol=symbol)
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
    with pytest.raises(FlowError, match="--symbol"):
        exported(home, tmp_path / "x.npz", "npz-orders")
    with pytest.raises(FeedError, match="NONE is not among"):
        exported(home, tmp_path / "x.npz", "npz-orders", symbol="NONE")


def test_our_own_reading_of_a_lobster_file_comes_to_the_same_book(tmp_path):
    """And to the same trades."""
    source = GeneratedFlow("normal", 4_000, 3)
    orders = np.concatenate(list(source.chunks()))
    home = make_journal(tmp_path / "j", source.instruments, orders, 1 << 12)
    exported(home, tmp_path / "x.csv", "lobster", None)
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


def swept(tmp_path):
    """Three sales, all bought by one command; the next two come in the same nanosecond, one
    of them of another instrument."""
    orders = np.zeros(7, ORDER_DTYPE)
    orders["kind"], orders["symbol"] = CommandKind.NEW, b"GOLD"
    orders["order_type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    orders["order_id"], orders["participant"] = np.arange(1, 8), [1, 1, 1, 2, 3, 3, 2]
    orders["side"] = [Side.SELL] * 3 + [Side.BUY, Side.BUY, Side.SELL, Side.SELL]
    orders["price_ticks"], orders["qty_lots"] = [100, 101, 102, 102, 99, 105, 106], 5
    orders["qty_lots"][3] = 17
    orders["symbol"][4] = b"TIN"
    orders["seq"] = np.arange(1, 8)
    orders["rx_ts_ns"] = NOON_NS + np.array([0, 10, 20, 30, 30, 30, 40])
    table = make_instruments(["GOLD", "TIN"])
    return make_journal(tmp_path / "journal", table, orders, 1 << 10), ["GOLD", "TIN"]


def test_an_event_ends_with_its_command_and_not_with_a_message(tmp_path):
    home, _ = swept(tmp_path)
    rows = [row for kind, part in journal_tape(home).chunks() if kind == "event" for row in part]
    ends = [(row["instrument"], row["action"]) for row in rows if row["flags"] & LAST]
    assert ends == [(1, b"A")] * 4 + [(2, b"A")] + [(1, b"A")] * 2
    # The sweep: three executions of T, F and C each, and what rests of it.
    sweep = [row["action"].decode() for row in rows if row["ts_ns"] == NOON_NS + 30]
    assert sweep[:10] == [*"TFC" * 3, "A"]


def test_local_times_are_drawn_by_event_from_a_table(tmp_path):
    home, _ = swept(tmp_path)
    table = np.array([5, 7, 1_000], np.int64)
    runs = []
    for seed in (3, 3, 4):
        tape = journal_tape(home, arrival=Arrival(table, seed))
        rows = np.concatenate([part for kind, part in tape.chunks() if kind == "event"])
        runs.append(rows[["sequence", "ts_ns", "rx_ts_ns", "flags", "instrument"]].tolist())
    assert runs[0] == runs[1] != runs[2]
    times = [at for _, _, at, _, _ in runs[0]]
    assert times == sorted(times)
    open_events = {}
    for _, sent_ns, at, flags, instrument in runs[0]:
        assert at >= sent_ns + 5
        assert open_events.setdefault(instrument, at) == at
        if flags & LAST:
            del open_events[instrument]
    assert not open_events
    exported(home, tmp_path / "x.npz", "npz-orders", symbol="GOLD", arrival=Arrival(table, 3))
    data = np.load(tmp_path / "x.npz")["data"]
    assert set(data["local_ts"]) <= set(times)
    assert (data["local_ts"] - data["exch_ts"] >= 5).all()
    exported(home, tmp_path / "y.npz", "npz-orders", symbol="GOLD")
    data = np.load(tmp_path / "y.npz")["data"]
    assert (data["local_ts"] == data["exch_ts"]).all()
