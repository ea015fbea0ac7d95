"""`outcry data import`: a recording as the commands that rebuild its book."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.__main__ import main
from openoutcry.flow import RecordFile
from openoutcry.flow.by_order import ByOrderSource
from openoutcry.matcher import Engine
from openoutcry.tape.convert import convert, write_tape
from openoutcry.wire.enums import EventKind
from openoutcry.wire.errors import FlowError
from tests.support.tape.market import MemoryTape, drawn, header, lobster_of, records_of


def book_after(source):
    """The book after a run of the commands, and how many were rejected."""
    engine = Engine(source.instruments, 1 << 12)
    commands = np.concatenate(list(source.chunks()))
    commands["seq"] = np.arange(1, len(commands) + 1)
    events = engine.process(commands)
    rows = engine.state().rows
    names = ("order_id", "side", "price_ticks", "qty_lots")
    book = sorted(zip(*(rows[name].tolist() for name in names), strict=True))
    return book, int((events["kind"] == EventKind.REJECTED).sum())


@pytest.mark.parametrize("form", ["parquet", "dbn", "npz", "itch"])
def test_each_format_rebuilds_the_book_of_a_random_market(form, tmp_path):
    """Executed as the recording says it, in every format."""
    ops, orders = drawn(4, 1_000)
    path = tmp_path / f"a.{form}"
    symbol = "AAA" if form == "npz" else None
    write_tape(MemoryTape(header(), records_of(ops)), path, symbol=symbol, allowed=["all"])
    words = ["data", "import", str(path), str(tmp_path / "orders.bin"), "--symbol", "AAA", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["symbol"] == "AAA"
    book, rejected = book_after(RecordFile(tmp_path / "orders.bin"))
    expected = [
        (number, 1 if side == "B" else 2, price, qty)
        for number, (instrument, side, price, qty) in orders.items()
        if instrument == 1
    ]
    assert (book, rejected) == (sorted(expected), 0)


def test_a_book_that_is_not_order_by_order_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text(
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\nx,A,1,2,3,buy,4,5\n"
    )
    with pytest.raises(FlowError, match=r"t\.csv is of the format tardis-trades: not a book"):
        ByOrderSource(tmp_path / "t.csv")
    (tmp_path / "a.csv").write_text(lobster_of(drawn(1, 50, instruments=1)[0]))
    convert(tmp_path / "a.csv", tmp_path / "a.parquet")
    assert ByOrderSource(tmp_path / "a.parquet").symbol == b"TAPE"
    path = tmp_path / "b.itch"
    write_tape(MemoryTape(header(), records_of(drawn(1, 50)[0])), path)
    with pytest.raises(FlowError, match="several instruments, choose one: AAA, BBB"):
        ByOrderSource(path)
    with pytest.raises(FlowError, match="has no CCC: it has AAA, BBB"):
        ByOrderSource(path, "CCC")
