"""Tardis.dev's CSV files, there and back; no library of theirs reads files."""

import random
from decimal import Decimal

import pytest

from openoutcry.tape.convert import convert, info, open_tape
from openoutcry.tape.dbn import SCHEMAS
from openoutcry.wire.errors import FlowError
from tests.support.tape.market import read

START_US = 1_700_000_000_000_000
# The first rows of the documents' examples.
TRADES = """exchange,symbol,timestamp,local_timestamp,id,side,price,amount
deribit,BTC-PERPETUAL,1585699201847000,1585699201939000,82463113,sell,6423.5,70
deribit,ETH-PERPETUAL,1585699202957000,1585699203089000,82463114,buy,133.25,0.001
deribit,BTC-PERPETUAL,1585699202957000,1585699203089001,,unknown,6424,10
"""
LEVELS = """exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
deribit,BTC-PERPETUAL,1585699200245000,1585699200275000,true,ask,6450,10
deribit,BTC-PERPETUAL,1585699200245000,1585699200275000,true,bid,6412.5,1180
deribit,BTC-PERPETUAL,1585699200246000,1585699200276000,false,bid,6412.5,0
"""
SNAPSHOTS = """exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,\
bids[0].price,bids[0].amount,asks[1].price,asks[1].amount,bids[1].price,bids[1].amount
deribit,BTC-PERPETUAL,1585699200245000,1585699200275000,6421.5,18640,6421,50,6422,10,,
"""


def random_file(kind, seed, count=1_000):
    """A file of random rows: times, decimals and sides of all kinds."""
    draw, now = random.Random(seed), START_US
    lines = []

    def number(places):
        whole = draw.randrange(10 ** draw.randint(1, 9))
        text = format(Decimal(whole).scaleb(-draw.randint(0, places)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text

    for at in range(count):
        now += draw.randrange(0, 10**6)
        head = f"venue,{draw.choice(['A-B', 'C/D'])},{now},{now + draw.randrange(1, 10**5)}"
        if kind == "trades":
            rest = f"{at + 1},{draw.choice(['buy', 'sell', 'unknown'])},{number(6)},{number(8)}"
        elif kind == "levels":
            flag = draw.choice(["true", "false"])
            rest = f"{flag},{draw.choice(['bid', 'ask'])},{number(6)},{number(8)}"
        else:
            rest = ",".join(number(6 - at % 2) for at in range(4 * 5))
        lines.append(f"{head},{rest}")
    head = {"trades": TRADES, "levels": LEVELS}.get(kind, "").partition("\n")[0]
    if not head:
        names = [
            f"{side}[{at}].{name}"
            for at in range(5)
            for side in ("asks", "bids")
            for name in ("price", "amount")
        ]
        head = TRADES[: TRADES.index("id,")] + ",".join(names)
    return "\n".join([head, *lines]) + "\n"


@pytest.mark.parametrize("kind", ["trades", "levels", "snapshots"])
@pytest.mark.parametrize("seed", [1, 2])
def test_there_and_back_through_parquet_is_the_same_file(kind, seed, tmp_path):
    text = random_file(kind, seed, 1_000 if kind != "snapshots" else 300)
    (tmp_path / "a.csv").write_text(text)
    done = convert(tmp_path / "a.csv", tmp_path / "a.parquet")
    back = convert(tmp_path / "a.parquet", tmp_path / "b.csv")
    assert done["losses"] == back["losses"] == []
    name = "snapshot" if kind == "snapshots" else kind
    assert done["from"] == back["format"] == f"tardis-{name}"
    assert (tmp_path / "b.csv").read_text() == text


@pytest.mark.parametrize("text", [TRADES, LEVELS, SNAPSHOTS], ids=["trades", "levels", "snapshot"])
def test_the_documented_examples_come_back(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    assert convert(tmp_path / "a.csv", tmp_path / "a.parquet")["losses"] == []
    assert convert(tmp_path / "a.parquet", tmp_path / "b.csv")["losses"] == []
    assert (tmp_path / "b.csv").read_text() == text


def test_the_records_are_what_the_rows_say(tmp_path):
    (tmp_path / "a.csv").write_text(TRADES)
    tape = open_tape(tmp_path / "a.csv")
    rows = read(tape)
    assert [tape.header.symbol(n).name for n in rows["instrument"].tolist()] == [
        "BTC-PERPETUAL",
        "ETH-PERPETUAL",
        "BTC-PERPETUAL",
    ]
    assert [(one.price_decimals, one.qty_decimals) for one in tape.header.symbols.values()] == [
        (1, 0),
        (2, 3),
    ]
    assert rows["price"].tolist() == [64_235, 13_325, 64_240]
    assert rows["qty"].tolist() == [70, 1, 10]
    assert rows["side"].tolist() == [b"A", b"B", b"N"]
    assert rows["ts_ns"][0] == 1_585_699_201_847_000_000


def test_trades_become_dbn_with_the_loss_of_what_it_has_no_room_for(tmp_path):
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    (tmp_path / "a.csv").write_text(TRADES)
    done = convert(tmp_path / "a.csv", tmp_path / "a.dbn", allowed=["all"])
    assert {one["name"]: one["count"] for one in done["losses"]} == {
        "match_id": 2,
        "origin": 1,
        "qty_decimals": 1,
    }
    assert done["format"] == f"dbn-{SCHEMAS[3].name}"
    decoder = dbn.DBNDecoder()
    decoder.write((tmp_path / "a.dbn").read_bytes())
    _, *trades = decoder.decode()
    assert [one.price for one in trades] == [6_423_500_000_000, 133_250_000_000, 6_424_000_000_000]
    assert [one.size for one in trades] == [70, 1, 10]
    assert trades[0].ts_recv == 1_585_699_201_939_000_000


@pytest.mark.parametrize(
    ("row", "cell", "text", "message"),
    [
        (2, 3, "soon", r"row 2, column 3 \(timestamp\): 'soon'"),
        (3, 6, "up", r"row 3, column 6 \(side\): 'up'"),
        (4, 8, "1.2.3", r"row 4, column 8 \(amount\): '1.2.3'"),
        (4, 7, "999999999999999999", r"row 4, column 7 \(price\)"),
        (3, 1, "other", r"row 3, column 1 \(exchange\): other after deribit"),
        (1, 5, "name", r"row 1 is .* not the header"),
    ],
)
def test_a_wrong_cell_is_named(row, cell, text, message, tmp_path):
    rows = [line.split(",") for line in TRADES.splitlines()]
    rows[row - 1][cell - 1] = text
    if "price" in message:
        rows[1][6] = "0.000000000000001"
    (tmp_path / "a.csv").write_text("".join(",".join(one) + "\n" for one in rows))
    with pytest.raises(FlowError, match=rf"a\.csv: {message}"):
        convert(tmp_path / "a.csv", tmp_path / "a.parquet")
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_a_truncated_row_is_named(tmp_path):
    for end in range(len(TRADES) - 40, len(TRADES) - 3):
        (tmp_path / "a.csv").write_text(TRADES[:end])
        if TRADES[:end].endswith(("\n", "6424,1", "6424,10")):
            continue
        with pytest.raises(FlowError, match=r"a\.csv: row 4"):
            info(open_tape(tmp_path / "a.csv"))
