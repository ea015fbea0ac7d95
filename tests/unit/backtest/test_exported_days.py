"""What we write of a journal for others is, read back, the same day."""

import numpy as np
import pytest

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.market_data.files import write_feed
from openoutcry.matcher import Engine
from openoutcry.tape.fit import DAY_NS
from openoutcry.wire.enums import EventFlag, EventKind
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import exported

day = shared.day
FORMS = ["dbn", "npz", "lobster"]


def day_of(home, folder, form, symbol):
    """The day of an export."""
    path = folder / f"{symbol}.{form}"
    if form == "itch":
        write_feed(home, path)
    else:
        names = {"dbn": "dbn-mbo", "npz": "npz-orders"}
        exported(home, path, names.get(form, form), None if form == "dbn" else symbol)
    text = f"{form}:{path}" if form in ("npz", "lobster") else f"{form}:{path}@{symbol}"
    return prepare_day(open_recording(text), folder / f"{symbol}-{form}")


def outcome(records, instruments):
    """Each trade with its time, and the book at the end."""
    engine = Engine(instruments, 1 << 14)
    events = engine.process(np.array(records))
    fills = events[(events["kind"] == EventKind.FILLED) & (events["flags"] & EventFlag.MAKER != 0)]
    times = records["rx_ts_ns"][fills["cause_seq"] - 1] % DAY_NS
    columns = fills["order_id"], fills["price_ticks"], fills["qty_lots"]
    trades = list(zip(times.tolist(), *(column.tolist() for column in columns), strict=True))
    rows = engine.state().rows
    names = ("order_id", "side", "price_ticks", "qty_lots")
    book = sorted(zip(*(rows[name].tolist() for name in names), strict=True))
    return trades, book, int((events["kind"] == EventKind.REJECTED).sum())


@pytest.mark.parametrize("form", FORMS)
def test_each_export_is_the_day_that_itch_is(day, tmp_path, form):
    """The same trades at the same times, order by order, and the same book: with auctions."""
    home, book, symbols = day
    for locate, symbol in enumerate(symbols[:3], start=1):
        itch = day_of(home, tmp_path, "itch", symbol)
        other = day_of(home, tmp_path, form, symbol)
        expected = outcome(itch.records(), itch.instruments)
        found = outcome(other.records(), other.instruments)
        assert found == expected
        assert found[2] == 0
        public = {
            (number, 1 if side == "B" else 2, price, lots)
            for number, (where, side, price, lots) in book.orders.items()
            if where == locate
        }
        assert set(found[1]) == public
        assert len(found[0]) > 10
