"""Tardis.dev's files of levels and trades as a day: against a plain book, and read back."""

import gzip
import random
from collections import Counter

import numpy as np
import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, send, working
from openoutcry.backtest.inputs import hashes_of
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import DayRun
from openoutcry.backtest.strategy import Strategy
from openoutcry.market_data.files import write_feed
from openoutcry.market_data.tape import Arrival
from openoutcry.matcher import Engine
from openoutcry.tape.fit import DAY_NS
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import BacktestError, FlowError
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import exported

day = shared.day

LEVELS = """\
exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
deribit,BTC,1000,1500,true,bid,100,2
deribit,BTC,1000,1500,true,bid,99.5,1.25
deribit,BTC,1000,1500,true,ask,100.5,3
deribit,ETH,1000,1500,true,ask,7,3
deribit,BTC,2000,2100,false,bid,100,5
deribit,BTC,3000,3100,false,ask,101,1
deribit,BTC,3000,3100,false,ask,100.5,0
deribit,BTC,3000,3100,false,bid,100.5,0.25
deribit,BTC,4000,4100,false,bid,100.5,0
deribit,BTC,5000,5100,false,bid,100,1
deribit,BTC,4500,6100,true,bid,99.5,2
deribit,BTC,4500,6100,true,ask,100.5,1
"""
TRADES = """\
exchange,symbol,timestamp,local_timestamp,id,side,price,amount
deribit,BTC,4000,4200,a,sell,100.5,0.25
deribit,BTC,4600,4700,b,sell,100,4
deribit,BTC,4700,4800,c,unknown,100,9
"""


def write_pair(folder, levels=LEVELS, trades=TRADES):
    (folder / "l.csv").write_text(levels)
    (folder / "t.csv").write_text(trades)
    return f"tardis:{folder / 'l.csv'}:{folder / 't.csv'}@BTC:0.5:0.25"


def replayed(prepared):
    """Levels (side, ticks: lots) after each time in us; lots of each (us, ticks) that traded."""
    engine, after, traded = prepared.engine(), {}, Counter()
    for order in np.array(prepared.records()):
        events = engine.process(order.reshape(1))
        assert not (events["kind"] == EventKind.REJECTED).any()
        at_us = int(order["rx_ts_ns"]) // 1000
        makers = (events["kind"] == EventKind.FILLED) & (events["flags"] & EventFlag.MAKER != 0)
        for event in events[makers]:
            traded[at_us, int(event["price_ticks"])] += int(event["qty_lots"])
        levels = Counter()
        for row in engine.state().rows:
            levels[int(row["side"]), int(row["price_ticks"])] += int(row["qty_lots"])
        after[at_us] = dict(levels)
    return after, dict(traded)


def test_levels_and_trades_become_the_book_that_the_files_say(tmp_path):
    """An ask goes and a bid comes at its price in one message; a snapshot replaces the book; a
    time that goes back is that of the row above."""
    prepared = prepare_day(open_recording(write_pair(tmp_path)), tmp_path / "day")
    buy, sell = int(Side.BUY), int(Side.SELL)
    after, traded = replayed(prepared)
    assert after == {
        1000: {(buy, 200): 8, (buy, 199): 5, (sell, 201): 12},
        2000: {(buy, 200): 20, (buy, 199): 5, (sell, 201): 12},
        3000: {(buy, 200): 20, (buy, 199): 5, (buy, 201): 1, (sell, 202): 4},
        4000: {(buy, 200): 20, (buy, 199): 5, (sell, 202): 4},
        4600: {(buy, 200): 4, (buy, 199): 5, (sell, 202): 4},
        5000: {(buy, 199): 8, (sell, 201): 4},
    }
    assert traded == {(4000, 201): 1, (4600, 200): 16}
    assert prepared.restores


def test_packed_files_and_a_day_without_trades(tmp_path):
    text = write_pair(tmp_path)
    plain = prepare_day(open_recording(text), tmp_path / "plain")
    for name in ("l.csv", "t.csv"):
        packed = gzip.compress((tmp_path / name).read_bytes())
        (tmp_path / f"{name}.gz").write_bytes(packed)
    packed = prepare_day(open_recording(text.replace(".csv", ".csv.gz")), tmp_path / "packed")
    assert packed.digest == plain.digest
    alone = prepare_day(open_recording(f"tardis:{tmp_path}/l.csv@BTC:0.5:0.25"), tmp_path / "alone")
    after, traded = replayed(alone)
    assert not traded
    assert after[5000] == {(int(Side.BUY), 199): 8, (int(Side.SELL), 201): 4}
    assert set(hashes_of([text], [], [])) == {str(tmp_path / "l.csv"), str(tmp_path / "t.csv")}


@pytest.mark.parametrize("seed", range(8))
def test_random_levels_are_those_of_a_plain_dict(tmp_path, seed):
    """Thousands of rows in messages in any order, with snapshots, trades of less and of more than
    their level has, and rows of its level after each trade: after each message the book is the
    dict's."""
    draw = random.Random(seed)
    book, expected, lines, trades, reset = {}, {}, [], [], False
    for at_us in range(1, 600):
        local, rows = at_us + draw.randrange(2), {}
        middle = 50 + draw.randrange(-3, 4)
        reset = not reset and (at_us == 1 or draw.random() < 0.1)
        for side, low, high in (("bid", middle - 10, middle), ("ask", middle + 1, middle + 11)):
            for price in draw.sample(range(low, high), 4):
                rows[side, price] = 0 if draw.random() < 0.3 and not reset else draw.randrange(1, 9)
        if draw.random() < 0.5:
            price = middle + draw.randrange(2)
            side = "sell" if price == middle else "buy"
            trades.append(f"x,BTC,{at_us},{9 * at_us},,{side},{price},{draw.randrange(1, 12)}")
            rows["bid" if price == middle else "ask", price] = draw.randrange(9) + reset
        if reset:
            book.clear()
        else:
            # What the new prices cross is gone in the same message.
            for side, price in list(book):
                if (side == "bid") != (price <= middle):
                    rows[side, price] = 0
        book.update(rows)
        order = list(rows.items())
        draw.shuffle(order)
        for (side, price), amount in order:
            lines.append(f"x,BTC,{at_us},{9 * local},{str(reset).lower()},{side},{price},{amount}")
        expected[at_us] = {key: amount for key, amount in book.items() if amount}
    levels_text = "\n".join([LEVELS.splitlines()[0], *lines, ""])
    trades_text = "\n".join([TRADES.splitlines()[0], *trades, ""])
    text = write_pair(tmp_path, levels_text, trades_text).replace("0.5:0.25", "1:1")
    after, traded = replayed(prepare_day(open_recording(text), tmp_path / "day"))
    names = {"bid": int(Side.BUY), "ask": int(Side.SELL)}
    for at_us, levels in expected.items():
        held = {(names[side], price): amount for (side, price), amount in levels.items()}
        assert after.get(at_us, held) == held, at_us
    assert len(traded) > 100


FLAWS = [
    ("l", "price,amount", "price", r"l\.csv: row 1 .* lacks amount"),
    ("t", "id,side", "side", r"t\.csv: row 1 .* lacks id"),
    ("l", "bid,99.5,1.25", "bid,99.5", r"l\.csv: row 3 has 7 columns"),
    ("l", "bid,99.5,1.25", "bid,9x,1.25", r"l\.csv: row 3, column 7 \(price\): '9x'"),
    ("l", "bid,99.5,1.25", "bid,99.5,-1", r"l\.csv: row 3, column 8 \(amount\): '-1'"),
    ("l", "bid,99.5,1.25", "bid,99.6,1", r"row 3, column 7 \(price\): 99\.6 is no multiple"),
    ("l", "bid,99.5,1.25", "bid,99.5,1.1", r"row 3, column 8 \(amount\): 1\.1 is no multiple"),
    ("l", "bid,99.5,1.25", "bid,0,1", r"row 3, column 7 \(price\): 0 is not above 0"),
    ("l", "bid,99.5,1.25", "bid,9e18,1", r"row 3, column 7 \(price\): 9e18 is too large"),
    ("l", "bid,99.5,1.25", "buy,99.5,1", r"row 3, column 6 \(side\): 'buy' is not bid or ask"),
    ("t", "a,sell", "a,bid", r"t\.csv: row 2, column 6 \(side\): 'bid'"),
    ("t", "100.5,0.25", "100.5,0", r"t\.csv: row 2, column 8 \(amount\): 0 is not above 0"),
    ("l", "2000,2100,false", "2000,2100,no", r"row 6, column 5 \(is_snapshot\): 'no'"),
    ("l", "2000,2100", "2000,1499", r"row 6, column 4 \(local_timestamp\): 1499 is before"),
    ("t", "4600,4700", "4600,1", r"t\.csv: row 3, column 4 \(local_timestamp\): 1 is before"),
    ("l", "2000,2100", "now,2100", r"row 6, column 3 \(timestamp\): 'now'"),
    ("l", "ask,100.5,0\n", "ask,100,1\n", r"row 8, column 7 \(price\): the ask at 100 crosses"),
    ("l", "BTC", "XRP", r"l\.csv has no BTC: it has XRP, ETH"),
    ("t", "BTC", "XRP", r"t\.csv has no BTC: it has XRP"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "message"), FLAWS)
def test_a_flaw_is_named_by_file_row_and_column(tmp_path, file, right, wrong, message):
    pair = {"l": LEVELS, "t": TRADES}
    assert right in pair[file]
    pair[file] = pair[file].replace(right, wrong)
    text = write_pair(tmp_path, pair["l"], pair["t"])
    with pytest.raises(FlowError, match=message):
        prepare_day(open_recording(text), tmp_path / "day")
    assert not (tmp_path / "day").exists()


@pytest.mark.parametrize("rest", ["BTC", "BTC:0.5", "BTC:0:1", "BTC:x:1", ":1:1", "BTC:NaN:1"])
def test_a_day_without_its_tick_and_lot_is_refused(tmp_path, rest):
    text = write_pair(tmp_path).replace("BTC:0.5:0.25", rest)
    with pytest.raises(BacktestError, match=r"SYMBOL:TICK:LOT"):
        open_recording(text)


def bid_once(view, state, desk):
    """Bid four lots at 200 ticks from the first call on."""
    if working(desk, BUY) == 0 and view[lay.POSITION_LOTS] == 0:
        send(desk, BUY, 200, 4, LIMIT_DAY)


def test_an_own_order_waits_for_its_queue(tmp_path):
    """8 lots are ahead of the own order and 12 come behind it: a trade of 9 fills one lot."""
    trades = TRADES.replace("sell,100,4", "sell,100,2.25")
    prepared = prepare_day(open_recording(write_pair(tmp_path, trades=trades)), tmp_path / "day")
    strategy = Strategy("bidder", {}, 8, on_timer=bid_once, interval_ns=100_000)
    run = DayRun(prepared, strategy, {}, parse_latency("constant:0:0"))
    while run.advance() != lay.DONE:
        bid_once(run.view, run.state, run.desk)
    log = run.result().log
    fills = log[log[:, lay.LOG_KIND] == EventKind.FILLED]
    columns = (lay.LOG_NS, lay.LOG_TICKS, lay.LOG_LOTS)
    assert fills[:, columns].tolist() == [[4_600_000, 200, 1]]


def test_each_export_is_the_day_that_itch_is(day, tmp_path):
    """The same lots at each time and price, and the same levels at the end: with auctions."""
    home, _, symbols = day
    for symbol in symbols[:3]:
        write_feed(home, tmp_path / "d.itch", "itch")
        exported(home, tmp_path / "l.csv", "tardis-levels", symbol=symbol)
        exported(home, tmp_path / "t.csv", "tardis-trades", symbol=symbol)
        pair = f"tardis:{tmp_path}/l.csv:{tmp_path}/t.csv@{symbol}:0.0001:1"
        found = outcome(prepare_day(open_recording(pair), tmp_path / f"{symbol}-tardis"))
        itch = f"itch:{tmp_path}/d.itch@{symbol}"
        assert found == outcome(prepare_day(open_recording(itch), tmp_path / f"{symbol}-itch"))
        assert len(found[0]) > 10


def test_an_export_has_the_columns_of_tardis(day, tmp_path):
    """The first message is the snapshot; a receiver's time is its latency after the exchange's."""
    home, _, symbols = day
    late = Arrival(np.array([7_000]))
    rows = {}
    for form, text in (("tardis-levels", LEVELS), ("tardis-trades", TRADES)):
        exported(home, tmp_path / form, form, symbol=symbols[0], arrival=late)
        head, *lines = (tmp_path / form).read_text().splitlines()
        assert head == text.splitlines()[0]
        rows[form] = [line.split(",") for line in lines]
        assert all(int(row[3]) - int(row[2]) == 7 for row in rows[form])
    times = {row[2] for row in rows["tardis-levels"] if row[4] == "true"}
    assert times == {rows["tardis-levels"][0][2]}


def outcome(prepared):
    """Traded lots of each time and price, levels at the end, rejected commands."""
    engine = Engine(prepared.instruments, 1 << 14)
    records = np.array(prepared.records())
    events = engine.process(records)
    fills = events[(events["kind"] == EventKind.FILLED) & (events["flags"] & EventFlag.MAKER != 0)]
    times = records["rx_ts_ns"][fills["cause_seq"] - 1] % DAY_NS // 1000
    traded, levels = Counter(), Counter()
    columns = times, fills["price_ticks"], fills["qty_lots"]
    for at_us, price, lots in zip(*(column.tolist() for column in columns), strict=True):
        traded[at_us, price] += lots
    rows = engine.state().rows
    columns = rows["side"], rows["price_ticks"], rows["qty_lots"]
    for side, price, lots in zip(*(column.tolist() for column in columns), strict=True):
        levels[side, price] += lots
    return traded, levels, int((events["kind"] == EventKind.REJECTED).sum())
