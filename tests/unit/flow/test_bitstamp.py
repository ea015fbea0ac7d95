"""Bitstamp events become commands, with prices and volumes exact."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.flow import BitstampSource, FlowError
from openoutcry.flow.bitstamp import ticks
from openoutcry.matcher.engine import Engine
from openoutcry.matcher.state.snapshot import decode
from openoutcry.wire.enums import CommandKind, EventKind, Reason, Side
from tests.support.flow.generated_market import write_bitstamp

HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"


def write(path: Path, rows: list[str]) -> Path:
    """Rows of id, price, volume, action, direction as a file."""
    lines = []
    for row in rows:
        order_id, rest = row.split(",", 1)
        lines.append(f"{order_id},1430438404518,1430438404000,{rest}\n")
    path.write_text(HEADER + "".join(lines))
    return path


def test_each_event_becomes_its_command(tmp_path: Path) -> None:
    """Created, changed to what is left, and deleted, with or without something left."""
    rows = [
        "5,236.47,200000000,created,bid",
        "5,236.47,178855669,changed,bid",
        "5,236.47,0,deleted,bid",
        "6,240,7,created,ask",
        "6,240,7,deleted,ask",
        "9,239.5,3,deleted,ask",
        "9,239.5,3,changed,ask",
    ]
    source = BitstampSource(write(tmp_path / "events.csv", rows))
    (orders,) = source.chunks()
    names = ["kind", "side", "price_ticks", "qty_lots", "order_id"]
    assert orders[names].tolist() == [
        (CommandKind.NEW, Side.BUY, 23_647, 200_000_000, 5),
        (CommandKind.REPLACE, Side.BUY, 23_647, 178_855_669, 5),
        (CommandKind.CANCEL, Side.BUY, 23_647, 178_855_669, 5),
        (CommandKind.NEW, Side.SELL, 24_000, 7, 6),
        (CommandKind.CANCEL, Side.SELL, 24_000, 7, 6),
        (CommandKind.CANCEL, Side.SELL, 23_950, 3, 9),
        (CommandKind.REPLACE, Side.SELL, 23_950, 3, 9),
    ]
    assert source.account == {
        "created": 2,
        "changed, volume down": 1,
        "deleted, nothing left": 1,
        "deleted, cancelled": 1,
        "deleted, of an order not open in the recording": 1,
        "changed, of an order not open in the recording": 1,
    }


@given(st.integers(0, 10**15 - 1), st.integers(0, 99))
def test_decimal_text_becomes_ticks_exactly(whole: int, cents: int) -> None:
    """No price is rounded, however large."""
    assert ticks(f"{whole}.{cents:02}") == whole * 100 + cents
    assert ticks(str(whole)) == whole * 100
    assert ticks(f"{whole}.{cents // 10}") == whole * 100 + cents // 10 * 10


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("5,236.47x,1,created,bid", r"row 3, column 4 \(price\): '236.47x' is not a price with"),
        ("5,236.475,1,created,bid", r"row 3, column 4 \(price\): '236.475' is not a price with"),
        ("5,0.00,1,created,bid", r"row 3, column 4 \(price\): 0.00 is not above 0"),
        ("5,236.47,1.5,created,bid", r"row 3, column 5 \(volume\): '1.5' is not a whole number"),
        ("5,236.47,0,created,bid", r"row 3, column 5 \(volume\): 0 in created"),
        ("x,236.47,1,created,bid", r"row 3, column 1 \(id\): 'x' is not a whole number"),
        ("5,236.47,1,made,bid", r"row 3, column 6 \(action\): 'made' is not created, changed or"),
        ("5,236.47,1,created,buy", r"row 3, column 7 \(direction\): 'buy' is not bid or ask"),
        ("5,236.47,1,created", r"row 3 has 6 columns, but a Bitstamp order event file has 7"),
    ],
)
def test_wrong_cell_names_row_and_column(tmp_path: Path, row: str, message: str) -> None:
    """Whatever is wrong in a row, the error leads to it."""
    path = write(tmp_path / "events.csv", ["4,236.47,1,created,bid", row])
    with pytest.raises(FlowError, match=r"events.csv: " + message):
        list(BitstampSource(path).chunks())


def test_missing_header_is_named(tmp_path: Path) -> None:
    """A file that starts with data is foreign."""
    path = tmp_path / "events.csv"
    path.write_text("5,1,1,236.47,1,created,bid\n")
    with pytest.raises(FlowError, match=r"row 1 is '5,1,1,236.47,1,created,bid', not the header"):
        list(BitstampSource(path).chunks())


def test_generated_hours_end_in_the_generated_book(tmp_path: Path) -> None:
    """After events in which orders cross, and trades are reported of both sides, our book holds
    exactly the orders and volumes that the market ended with; only orders that our book had filled
    by itself, and whose end the recording reports, were rejected."""
    path = tmp_path / "orders.csv.xz"
    recorded = write_bitstamp(path, seed=4, events=2_000)
    source = BitstampSource(path)
    orders = np.concatenate(list(source.chunks()))
    assert len(orders) == sum(source.account.values())
    orders["seq"] = np.arange(1, len(orders) + 1)
    engine = Engine(source.instruments)
    events = engine.process(orders)
    rows = decode(engine.snapshot()).rows
    assert {int(row["order_id"]): int(row["qty_lots"]) for row in rows} == recorded
    assert len(recorded) > 100
    reasons = Counter(events["reason"][events["kind"] == EventKind.REJECTED].tolist())
    assert set(reasons) == {Reason.UNKNOWN_ORDER}
    assert reasons[Reason.UNKNOWN_ORDER] >= source.account["deleted, nothing left"] > 100
