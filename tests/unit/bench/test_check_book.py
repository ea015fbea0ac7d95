"""check-book tells a book that is right from one that is not, and says where."""

from pathlib import Path
from typing import Any

import pytest

from openoutcry.bench.check_book import check_book
from openoutcry.flow.lobster import KIND_NAMES
from openoutcry.tape.lobster import EXECUTION
from openoutcry.wire.errors import FlowError
from tests.support.flow.generated_market import write_lobster

# (message without its time, book after it: asks and bids best first, as price x size)
RECORDING = [
    ("1,1,18,100,1", "105x40 107x10 | 100x18 99x50"),
    ("1,2,30,100,1", "105x40 107x10 | 100x48 99x50"),
    ("1,3,20,105,-1", "105x60 107x10 | 100x48 99x50"),
    ("2,2,5,100,1", "105x60 107x10 | 100x43 99x50"),
    ("5,0,5,103,1", "105x60 107x10 | 100x43 99x50"),
    ("4,1,10,100,1", "105x60 107x10 | 100x33 99x50"),
    ("4,900,40,105,-1", "105x20 107x10 | 100x33 99x50"),
    ("4,3,20,105,-1", "107x10 | 100x33 99x50"),
    ("3,901,50,99,1", "107x10 | 100x33"),
    ("3,1,8,100,1", "107x10 | 100x25"),
    ("4,2,25,100,1", "107x10 |"),
]


def cells(book: str, levels: int = 2) -> str:
    """A row of an order book file."""
    asks, bids = (side.split() for side in book.split("|"))
    row = []
    for level in range(levels):
        for side, none in ((asks, "9999999999"), (bids, "-9999999999")):
            row += side[level].split("x") if level < len(side) else [none, "0"]
    return ",".join(row)


def run(tmp_path: Path, recording: list[tuple[str, str]], **arguments: Any) -> dict[str, Any]:
    messages, book = tmp_path / "messages.csv", tmp_path / "book.csv"
    messages.write_text("".join(f"34200.5,{message}\n" for message, _ in recording))
    book.write_text("".join(cells(book) + "\n" for _, book in recording))
    return check_book(messages, book, **arguments)


def with_book(row: int, book: str) -> list[tuple[str, str]]:
    """RECORDING with another book in one row (from 1)."""
    return [(m, book if number == row else b) for number, (m, b) in enumerate(RECORDING, start=1)]


def test_true_recording_is_equal_in_every_row(tmp_path: Path) -> None:
    """Books and makers agree throughout, orders from before the recording included."""
    result = run(tmp_path, RECORDING)
    messages = result.pop("messages")
    assert result == {
        "rows": 11,
        "equal": 11,
        "executions": 4,
        "maker_agrees": 4,
        "first_difference": None,
        "levels": 2,
        "repairs": 0,
        "rejected": 0,
    }
    assert messages["new"] == 3
    assert messages["synthetic order of the seed book"] == 3
    assert messages["execution of a hidden order (no command)"] == 1


@pytest.mark.parametrize(
    ("row", "book", "difference"),
    [
        (4, "105x60 107x10 | 100x44 99x50", ["bid", 1, [100, 44], [100, 43]]),
        (6, "105x60 107x11 | 100x33 99x50", ["ask", 2, [107, 11], [107, 10]]),
        (8, "106x1 107x10 | 100x33 99x50", ["ask", 1, [106, 1], [107, 10]]),
        (9, "107x10 | 100x33 99x50", ["bid", 2, [99, 50], None]),
        (11, "| 100x1", ["ask", 1, None, [107, 10]]),
    ],
)
def test_intended_difference_is_found(
    tmp_path: Path, row: int, book: str, difference: list[Any]
) -> None:
    """One wrong price, size or level in the recording is one unequal row, and it is named."""
    result = run(tmp_path, with_book(row, book))
    side, level, expected, actual = difference
    assert result["equal"] == 10
    assert result["first_difference"] == {
        "row": row,
        "level": level,
        "side": side,
        "expected": expected,
        "found": actual,
    }


def test_only_the_asked_levels_are_compared(tmp_path: Path) -> None:
    """A difference in the second level is none at one level; too many levels are refused."""
    recording = with_book(6, "105x60 107x11 | 100x33 99x50")
    assert run(tmp_path, recording, levels=1)["equal"] == 11
    assert run(tmp_path, recording, levels=2)["equal"] == 10
    for levels in (0, 3):
        with pytest.raises(FlowError, match=f"has 2 levels: cannot compare {levels}"):
            run(tmp_path, recording, levels=levels)


def test_maker_out_of_turn_is_counted_once_and_repaired(tmp_path: Path) -> None:
    """The recording fills an order behind the head of its queue: the makers disagree, and the
    books still agree in this row and in the next ones."""
    recording = [
        ("1,1,10,100,1", "| 100x10"),
        ("1,2,30,100,1", "| 100x40"),
        ("4,2,12,100,1", "| 100x28"),
        ("4,2,18,100,1", "| 100x10"),
        ("3,1,10,100,1", "|"),
    ]
    result = run(tmp_path, recording)
    assert result["equal"] == 5
    assert result["executions"] == 2
    assert result["maker_agrees"] == 1
    assert result["repairs"] == 2
    assert result["rejected"] == 0


def test_partly_filled_wrong_maker_gets_its_quantity_back(tmp_path: Path) -> None:
    """The order at the head is larger than the trade: it is restored by a replace."""
    recording = [
        ("1,1,50,100,1", "| 100x50"),
        ("1,2,30,100,1", "| 100x80"),
        ("4,2,30,100,1", "| 100x50"),
        ("4,1,50,100,1", "|"),
    ]
    result = run(tmp_path, recording)
    assert (result["equal"], result["maker_agrees"], result["repairs"]) == (4, 1, 2)


def test_execution_that_our_book_cannot_fill_is_no_agreement(tmp_path: Path) -> None:
    """The recording names an order that is larger there than in our book."""
    recording = [("1,1,50,100,1", "| 100x50"), ("4,1,60,100,1", "|")]
    result = run(tmp_path, recording)
    assert result["maker_agrees"] == 0
    assert result["rejected"] == 1


def test_seed_book_can_be_a_separate_file(tmp_path: Path) -> None:
    """A recording with fewer levels than the seed still has the deeper ones when they rise."""
    seed = tmp_path / "seed.csv"
    seed.write_text(cells(RECORDING[0][1]) + "\n")
    messages, book = tmp_path / "messages.csv", tmp_path / "book.csv"
    messages.write_text("".join(f"34200.5,{message}\n" for message, _ in RECORDING))
    book.write_text("".join(cells(book, levels=1) + "\n" for _, book in RECORDING))
    assert check_book(messages, book, seed)["equal"] == 11
    without = check_book(messages, book)
    assert without["first_difference"]["row"] == 8


@pytest.mark.parametrize(
    ("drop", "message"),
    [("book", "book.csv ends at row 10, before"), ("messages", "book.csv has more rows than")],
)
def test_files_of_unequal_length_are_refused(tmp_path: Path, drop: str, message: str) -> None:
    """A recording whose two files do not belong together."""
    run(tmp_path, RECORDING)
    path = tmp_path / f"{drop}.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(FlowError, match=message):
        check_book(tmp_path / "messages.csv", tmp_path / "book.csv")


def test_letter_in_the_order_book_is_named(tmp_path: Path) -> None:
    """A wrong cell in a later row leads to file, row and column."""
    run(tmp_path, RECORDING)
    path = tmp_path / "book.csv"
    path.write_text(path.read_text().replace("105,60", "105,6o"))
    with pytest.raises(FlowError, match=r"book.csv: row 3, column 2 \(ask size of level 1\): '6o'"):
        check_book(tmp_path / "messages.csv", path)


def test_a_generated_recording_is_equal_in_all_fifty_levels(tmp_path: Path) -> None:
    """Every row, every level, every maker, and every message counted."""
    counts = write_lobster(tmp_path, seed=6, messages=500)
    result = check_book(tmp_path / "messages.csv", tmp_path / "orderbook.csv")
    assert result["levels"] == 50
    assert result["rows"] == result["equal"] == 500
    assert result["executions"] == result["maker_agrees"] == counts[EXECUTION] > 20
    assert result["first_difference"] is None
    assert result["rejected"] == result["repairs"] == 0
    account = {KIND_NAMES[kind]: count for kind, count in counts.items()}
    assert {name: result["messages"][name] for name in account} == account
    assert result["messages"]["synthetic order of the seed book"] > 40


def test_messages_of_the_first_level_only_are_refused(tmp_path: Path) -> None:
    """Such a file, cut out of one of full depth, cannot give a book."""
    write_lobster(tmp_path, seed=6, messages=3_000, levels=1)
    rows = (tmp_path / "messages.csv").read_text().splitlines()
    books = (tmp_path / "orderbook.csv").read_text().splitlines()
    kept = [k for k in range(1, len(rows)) if books[k] != books[k - 1]]
    messages, book = tmp_path / "messages_1.csv", tmp_path / "orderbook_1.csv"
    messages.write_text("".join(rows[k] + "\n" for k in kept))
    book.write_text("".join(books[k] + "\n" for k in kept))
    with pytest.raises(FlowError, match="no book can be rebuilt from it"):
        check_book(messages, book)
