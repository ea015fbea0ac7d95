"""What others keep of a day, read back by their own libraries: the same book, order by order."""

import numpy as np
import pytest

from openoutcry.market_data.bars import make_bars
from openoutcry.market_data.tape import Arrival
from openoutcry.wire.errors import FlowError
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import exported

day = shared.day


def test_databentos_own_decoder_rebuilds_the_book(day, tmp_path):
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    home, book, symbols = day
    exported(home, tmp_path / "day.dbn", "dbn-mbo")
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


def test_databentos_own_decoder_sees_events_that_end_with_a_whole_book(day, tmp_path):
    """At each F_LAST the instrument's book is not crossed, and all its records are of one time."""
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    home, _, _ = day
    table = np.array([20_000, 30_000, 90_000], np.int64)
    exported(home, tmp_path / "day.dbn", "dbn-mbo", arrival=Arrival(table, 5))
    decoder = dbn.DBNDecoder()
    decoder.write((tmp_path / "day.dbn").read_bytes())
    _, *records = decoder.decode()
    open_event, flags, messages = {}, 0, set()
    received = [one.ts_recv for one in records]
    assert received == sorted(received)
    for one in records:
        assert one.ts_recv - one.ts_event == one.ts_in_delta >= 20_000
        assert open_event.setdefault(one.instrument_id, one.ts_event) == one.ts_event
        messages.add(one.sequence)
        if one.flags & dbn.F_LAST:
            flags += 1
            del open_event[one.instrument_id]
    assert not open_event
    assert 0 < flags < len(messages)


def test_a_lobster_file_has_the_book_and_what_traded(day, tmp_path):
    """Order by order: hidden orders, stops, and what an auction takes, too."""
    home, book, symbols = day
    traded, kinds = {}, set()
    for locate, symbol in enumerate(symbols, start=1):
        done = exported(home, tmp_path / "x.csv", "lobster", symbol)
        rows = [line.split(",") for line in (tmp_path / "x.csv").read_text().splitlines()]
        assert done["format"] == "lobster"
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
    assert kinds == {1, 2, 3, 4, 5, 6, 7}
    with pytest.raises(FlowError, match="holds one instrument: name it"):
        exported(home, tmp_path / "x.csv", "lobster", None)
