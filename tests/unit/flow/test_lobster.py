"""LOBSTER messages become the commands that rebuild the recorded book."""

from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import FlowError, LobsterSource
from openoutcry.flow.commands import AGGRESSOR_ID, SEED_ID
from openoutcry.tape.lobster import read_book
from openoutcry.wire.enums import CommandKind, Side, TimeInForce

NO_LEVEL = "9999999999,0,-9999999999,0"


def translate(tmp_path: Path, rows: list[str], seed: str = "") -> tuple[LobsterSource, list[Any]]:
    """The source, and (kind, side, price, quantity, id, time in force) of each command."""
    messages = tmp_path / "messages.csv"
    messages.write_text("".join(f"34200.5,{row}\n" for row in rows))
    book = tmp_path / "seed.csv"
    book.write_text(seed)
    source = LobsterSource(messages, book if seed else None)
    names = ["kind", "side", "price_ticks", "qty_lots", "order_id", "time_in_force"]
    commands = [row for chunk in source.chunks() for row in chunk[names].tolist()]
    return source, commands


def test_each_kind_becomes_its_command(tmp_path: Path) -> None:
    """New, reduce, execution and delete of a known order; hidden, cross and halt are counted."""
    source, commands = translate(
        tmp_path,
        [
            "1,7,100,5853300,1",
            "2,7,10,5853300,1",
            "4,7,20,5853300,1",
            "3,7,70,5853300,1",
            "5,0,5,5853350,-1",
            "6,-1,5,5853350,-1".replace("-1,5", "0,5"),
            "7,0,0,-1,-1",
        ],
    )
    assert commands == [
        (CommandKind.NEW, Side.BUY, 5853300, 100, 7, TimeInForce.DAY),
        (CommandKind.REDUCE, Side.BUY, 5853300, 10, 7, TimeInForce.DAY),
        (CommandKind.NEW, Side.SELL, 5853300, 20, AGGRESSOR_ID + 3, TimeInForce.IOC),
        (CommandKind.CANCEL, Side.BUY, 5853300, 70, 7, TimeInForce.DAY),
    ]
    assert {name: count for name, count in source.account.items() if count} == {
        "new": 1,
        "reduce": 1,
        "execution of a visible order": 1,
        "delete": 1,
        "execution of a hidden order (no command)": 1,
        "cross trade (no command)": 1,
        "halt (no command)": 1,
    }


def test_a_seed_book_represents_orders_from_before_the_recording(tmp_path: Path) -> None:
    """One synthetic order a level; messages about unseen orders reduce it by their size."""
    source, commands = translate(
        tmp_path,
        ["1,7,18,100,1", "3,3,40,105,-1", "2,4,5,99,1", "3,5,9,98,1", "4,6,60,105,-1"],
        seed="105,100,100,30,9999999999,0,99,50,9999999999,0,-9999999999,0\n",
    )
    day = TimeInForce.DAY
    assert commands == [
        (CommandKind.NEW, Side.SELL, 105, 100, SEED_ID, day),
        (CommandKind.NEW, Side.BUY, 100, 12, SEED_ID + 1, day),
        (CommandKind.NEW, Side.BUY, 99, 50, SEED_ID + 2, day),
        (CommandKind.NEW, Side.BUY, 100, 18, 7, day),
        (CommandKind.REDUCE, Side.SELL, 105, 40, SEED_ID, day),
        (CommandKind.REDUCE, Side.BUY, 99, 5, SEED_ID + 2, day),
        (CommandKind.CANCEL, Side.BUY, 98, 9, 5, day),
        (CommandKind.NEW, Side.BUY, 105, 60, AGGRESSOR_ID + 5, TimeInForce.IOC),
    ]
    assert source.account["synthetic order of the seed book"] == 3
    assert source.account["… of these, reduces and deletes applied to a synthetic order"] == 2
    assert source.account["… of these, reduces and deletes of orders never seen"] == 1
    assert source.account["… of these, executions of orders from before the recording"] == 1


def test_level_that_is_only_the_first_message_gets_no_synthetic_order(tmp_path: Path) -> None:
    """The seed book contains the first message, which then comes as the order it was."""
    _, commands = translate(tmp_path, ["1,7,18,100,1"], seed=f"105,100,100,18,{NO_LEVEL}\n")
    assert [row[4] for row in commands] == [SEED_ID, 7]


def test_first_message_that_is_no_new_order_is_in_the_seed_book(tmp_path: Path) -> None:
    """It is counted, and not applied a second time."""
    source, commands = translate(tmp_path, ["2,7,18,100,1"], seed="105,100,100,12\n")
    assert [row[4] for row in commands] == [SEED_ID, SEED_ID + 1]
    assert source.account["first message, contained in the seed book (no command)"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,7,1x0,100,1", r"row 2, column 4 \(size\): '1x0' is not a whole number"),
        ("1,7,100,58.5,1", r"row 2, column 5 \(price\): '58.5' is not a whole number"),
        ("8,7,100,100,1", r"row 2, column 2 \(type\): '8' is not a message type"),
        ("1,7,100,100,2", r"row 2, column 6 \(direction\): '2' is not 1 \(buy\) or -1 \(sell\)"),
        ("1,7,-1,100,1", r"row 2, column 4 \(size\): -1 is below 0"),
        ("3,7,10,-1,1", r"row 2, column 5 \(price\): -1 is below 1"),
        ("1,7,100,100", r"row 2 has 5 columns, but a LOBSTER message file has 6"),
        ("1,7,100,100,1,9", r"row 2 has 7 columns"),
        ("1,7,100,99999999999999999999,1", r"row 2, column 5 \(price\)"),
    ],
)
def test_wrong_cell_names_file_row_and_column(tmp_path: Path, row: str, message: str) -> None:
    """Whatever is wrong in a row, the error leads to it."""
    with pytest.raises(FlowError, match=r"messages.csv: " + message):
        translate(tmp_path, ["1,7,100,100,1", row])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("105,100,100\n", "row 1 has 3 columns, but a LOBSTER order book file has four"),
        ("105,100,100,3a\n", r"row 1, column 4 \(bid size of level 1\): '3a'"),
        ("105,1,100,3\n105,1,100\n", "row 2 has 3 columns"),
    ],
)
def test_wrong_book_names_row_and_column(tmp_path: Path, text: str, message: str) -> None:
    """A seed book or order book that is none is refused."""
    path = tmp_path / "book.csv"
    path.write_text(text)
    with pytest.raises(FlowError, match=message):
        list(read_book(path))


def test_a_time_that_no_clock_shows_is_refused(tmp_path: Path) -> None:
    """What has no room in a record's nanoseconds is a wrong cell, not an error while it is read."""
    path = tmp_path / "messages.csv"
    path.write_text("99999999999999999999.5,1,7,100,50,1\n")
    with pytest.raises(FlowError, match=r"row 1, column 1 \(time\): '99999999999999999999.5'"):
        list(LobsterSource(path, recorded=True).chunks())


def test_suspicious_messages_are_counted(tmp_path: Path) -> None:
    """Time that goes backwards, an open order's identifier again, and no shares, which are no
    command."""
    path = tmp_path / "messages.csv"
    path.write_text("2,1,7,100,50,1\n1.5,1,7,100,50,1\n3,1,8,0,50,1\n4,3,7,100,50,1\n")
    source = LobsterSource(path)
    assert sum(len(chunk) for chunk in source.chunks()) == 3
    assert {name: n for name, n in source.account.items() if name.startswith("suspicious")} == {
        "suspicious: time goes backwards": 1,
        "suspicious: the identifier of an order that is open": 1,
        "suspicious: no shares (no command)": 1,
    }
