"""Every command of docs/commands.md is run here, with fewer orders."""

import shlex
from pathlib import Path

import pytest

from openoutcry.journal import Journal
from tests.support.user_commands import commands, run

LINES = commands("commands.md")
FEWER = " --orders 2000"
LOBSTER = "34200.1,1,11,100,5853300,1\n34200.2,1,12,50,5853400,-1\n34200.3,3,11,100,5853300,1\n"
BOOK = ("9999999999,0,5853300,100\n", "5853400,50,5853300,100\n", "5853400,50,-9999999999,0\n")
ITCH_ADD = (
    b"\x00\x24A"
    + bytes(10)
    + (7).to_bytes(8, "big")
    + b"B"
    + (100).to_bytes(4, "big")
    + b"AAPL    "
    + (5_853_300).to_bytes(4, "big")
)
BITSTAMP = """id,timestamp,exchange.timestamp,price,volume,action,direction
65595247,1430438404518,1430438404000,236.47,200000000,created,bid
65595247,1430438404635,1430438404000,236.47,178855669,changed,bid
65595248,1430438404700,1430438404000,236.51,100000000,created,ask
"""


FILES = {
    "messages.csv": LOBSTER.encode(),
    "book.csv": "".join(BOOK).encode(),
    "seed.csv": BOOK[0].encode(),
    "day.itch": ITCH_ADD,
    "orders.csv": BITSTAMP.encode(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a small file of each recorded format."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_every_command_of_the_page_is_in_one_of_these_tests() -> None:
    assert sorted(LINES) == sorted([*RUNS, *RECORDED, *JOURNAL, *LOOKS])


RUNS = [
    line
    for line in LINES
    if line.startswith("outcry run") and ".csv" not in line and "--journal" not in line
]
RECORDED = [line for line in LINES if ".csv" in line]
JOURNAL = [line for line in LINES if " day" in line]
LOOKS = [
    line
    for line in LINES
    if shlex.split(line)[1] in ("top", "rings", "doctor", "clock", "bench") and line not in RECORDED
]


@pytest.mark.parametrize("line", RUNS)
def test_runs(line: str, tmp_path: Path) -> None:
    assert "sent -> replied" in run(line + FEWER, tmp_path)


def test_recorded_markets(folder: Path) -> None:
    bitstamp, check_book = RECORDED
    run(bitstamp, folder)
    assert Journal.exists(folder / "recorded")
    run("outcry run --lobster messages.csv --seed-book seed.csv", folder)
    run("outcry run --itch day.itch", folder)
    assert "3 of 3" in run(check_book, folder)


def test_the_journals_commands(tmp_path: Path) -> None:
    """A run into two directories, the same resumed, and everything asked of its journal."""
    for line in JOURNAL:
        run(line + (FEWER if line.startswith("outcry run") else ""), tmp_path)
    assert (tmp_path / "orders.parquet").stat().st_size > 0


@pytest.mark.parametrize("line", LOOKS)
def test_looks(line: str, tmp_path: Path) -> None:
    run(line, tmp_path)
