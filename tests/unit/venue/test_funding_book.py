"""The history of funding: every payment is the ledger's, whatever was killed and made again, and a
total is of the period that it is asked of."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.checkpoint import make_checkpoints, retire_before
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.venue.file import read_venue
from openoutcry.venue.funding_book import (
    NAME,
    FundingBook,
    FundingError,
    Payment,
    perpetual_periods,
)
from openoutcry.venue.funding_follower import (
    PAUSE_S,
    RETRY_S,
    FundingFollower,
    follow,
    follow_always,
)
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

FUTURE = 'kind = "future"\nunderlying = "XAU"\nasset = "USD"\nmultiplier = 10\n'
TWO = CONTRACT_VENUE.replace(FUTURE + "expiry = 2026-11-23T16:00:00Z\n", FUTURE)
TWO = TWO.replace('kind = "future"', 'kind = "perpetual"')
TIN = {"symbol": b"TIN"}


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    """Two perpetuals that are funded by themselves, together, and while nobody holds lots."""
    assert TWO != CONTRACT_VENUE
    made = InlineFloor(tmp_path_factory.mktemp("funding"), TWO)
    made.ask("contract", "fund", "TIN", "--rate", "1000000")
    made.send(
        order(1, Side.BUY, 3, 200_000, who=1, **TIN),
        order(2, Side.SELL, 3, 200_000, who=2, **TIN),
        order(3, Side.BUY, 5, 5_000, who=3),
        order(4, Side.SELL, 5, 5_000, who=1),
    )
    made.ask("contract", "mark", "TIN", "200700")
    made.ask("contract", "fund", "TIN", "--rate", "1000000")
    made.ask("contract", "fund", "TIN", "--rate", "-1333333", "--also", "GOLD=77777")
    made.again()
    made.send(
        order(5, Side.SELL, 2, 200_000, who=1, **TIN), order(6, Side.BUY, 2, 200_000, who=2, **TIN)
    )
    for _ in range(3):
        made.ask("contract", "fund", "TIN", "--rate", "999999")
    yield made
    made.close()


@pytest.fixture
def journal(floor: InlineFloor) -> Path:
    path = floor.journal_path
    assert path is not None
    (path / NAME).unlink(missing_ok=True)
    return path


def read(journal: Path) -> int:
    """Bring the file to the journal's end."""
    with FundingFollower(journal) as follower:
        done = follower.advance()
        follower.keep()
        return done


def last_seq(journal: Path) -> int:
    return sum(len(orders) for _, orders in JournalReader(journal).chunks())


def kept(journal: Path) -> list[Any]:
    """Every payment, rate and period in the file."""
    connection = sqlite3.connect(journal / NAME)
    tables = ("payments", "rates", "contracts")
    rows = [connection.execute(f"select * from {t}").fetchall() for t in tables]
    connection.close()
    return rows


def of_ledger(journal: Path, who: int) -> list[tuple[int, ...]]:
    state = at(journal)
    found = joined(transactions(journal, state, participant=who))
    return [
        (
            int(row["cause_seq"]),
            int(row["ts_ns"]),
            state.books.symbols[int(row["instrument"])],
            int(row["qty_lots"]),
            int(row["price_ticks"]),
            int(row["available"]),
        )
        for row in found[found["kind"] == Kind.FUNDING]
    ]


def test_every_payment_is_the_ledgers(journal: Path) -> None:
    assert read(journal) == 6, "five alone, and two together"
    book = FundingBook(journal)
    for who in (1, 2, 3, 9):
        rows = book.payments(who)[::-1]
        ours = [(r.seq, r.ts_ns, r.contract, r.lots, r.mark, r.paid) for r in rows]
        assert ours == of_ledger(journal, who)
        for contract in ("TIN", "GOLD"):
            of_it = [row for row in rows if row.contract == contract]
            sums = [sum(row.paid for row in of_it[: n + 1]) for n in range(len(of_it))]
            assert [row.total for row in of_it] == sums
    assert [row.period for row in book.payments(1) if row.contract == "TIN"] == [6, 5, 4, 3, 2]
    assert {row.rate for row in book.payments(3)} == {77_777}
    assert book.since_ns() == 0


def test_a_total_is_of_the_period_that_it_is_asked_of(floor: InlineFloor, journal: Path) -> None:
    file, view = read_venue(floor.file), floor.view
    periods = perpetual_periods(file, view)
    assert periods == {"GOLD": 1, "TIN": 6}
    book = FundingBook(journal)
    assert book.totals(1, periods) == {}, "nothing was read yet"
    assert book.totals(1, {"GOLD": 0, "TIN": 6}) == {"GOLD": 0}
    read(journal)
    rows = {row.period: row for row in book.payments(2) if row.contract == "TIN"}
    for period, row in rows.items():
        assert book.totals(2, {"TIN": period}) == {"TIN": row.total}
    assert book.totals(2, {"TIN": 1}) == {"TIN": 0}, "it held nothing then"
    assert book.totals(2, {"TIN": 7}) == {}, "which is not there yet"
    assert book.totals(9, periods) == {"GOLD": 0, "TIN": 0}
    assert sum(sum(book.totals(who, periods).values()) for who in range(10)) == 0


FUNDED = [
    ("TIN", 1, 1_000_000),
    ("TIN", 2, 1_000_000),
    ("GOLD", 1, 77_777),
    ("TIN", 3, -1_333_333),
    ("TIN", 4, 999_999),
    ("TIN", 5, 999_999),
    ("TIN", 6, 999_999),
]


def test_every_period_has_its_rate_whoever_held_lots(journal: Path) -> None:
    book = FundingBook(journal)
    assert book.rates("", None, None, 100) == [], "nothing was read yet"
    read(journal)
    rows = book.rates("", None, None, 100)
    assert sorted((r.contract, r.period, r.rate) for r in rows) == sorted(FUNDED)
    assert [row.seq for row in rows] == sorted(row.seq for row in rows)
    paid = {(p.contract, p.period): p for who in (1, 2, 3) for p in book.payments(who)}
    for row in rows:
        if one := paid.get((row.contract, row.period)):
            assert (one.seq, one.ts_ns, one.rate, one.mark) == row[2:]
    of_tin = [row for row in rows if row.contract == "TIN"]
    assert book.rates("TIN", None, None, 100) == of_tin
    assert book.rates("NONE", None, None, 100) == []


def test_rates_are_the_first_from_a_moment_or_the_last_up_to_one(journal: Path) -> None:
    read(journal)
    book = FundingBook(journal)
    rows = book.rates("", None, None, 100)
    moments = [None, 0, *(row.ts_ns + more for row in rows for more in (-1, 0, 1))]
    for contract in ("", "TIN"):
        for since in moments:
            for until in moments:
                for most in (1, 2, 100):
                    right = [
                        row
                        for row in rows
                        if (not contract or row.contract == contract)
                        and (since or 0) <= row.ts_ns
                        and (until is None or row.ts_ns <= until)
                    ]
                    right = right[-most:] if since is None else right[:most]
                    assert book.rates(contract, since, until, most) == right


def test_a_file_of_the_layout_without_rates_is_made_again(journal: Path) -> None:
    read(journal)
    whole = kept(journal)
    with closing(sqlite3.connect(journal / NAME)) as connection:
        connection.executescript("drop table rates; pragma user_version = 1")
    with pytest.raises(FundingError, match="its layout is 1, not 2"):
        FundingBook(journal).rates("", None, None, 100)
    read(journal)
    assert kept(journal) == whole


def test_pages_continue_where_the_one_before_ended(journal: Path) -> None:
    read(journal)
    book, pages = FundingBook(journal), list[Payment]()
    while page := book.payments(1, before=pages[-1].number if pages else 0, most=2):
        assert len(page) <= 2
        pages += page
    assert pages == book.payments(1)
    assert len(pages) == 6


def test_who_was_killed_after_any_command_comes_to_the_same(journal: Path) -> None:
    read(journal)
    whole = kept(journal)
    (journal / NAME).unlink()
    for seq in range(1, last_seq(journal) + 3, 3):
        with FundingFollower(journal) as follower:
            follower.advance(seq)
            if seq % 2:
                follower.keep()
    assert kept(journal) == whole


def test_it_looks_again_until_the_run_is_over(journal: Path) -> None:
    looks = iter([False, True])
    follow(journal, lambda wait_s: next(looks))
    assert len(kept(journal)[0]) == 12
    assert next(looks, None) is None


@pytest.mark.parametrize("change", ["hash = x'00'", "journal = '7'", "seq = seq + 1000000"])
def test_what_is_of_another_history_is_made_again(journal: Path, change: str) -> None:
    read(journal)
    whole = kept(journal)
    connection = sqlite3.connect(journal / NAME)
    connection.execute(f"update place set {change}")
    connection.execute("delete from payments where number % 2")
    connection.commit()
    connection.close()
    read(journal)
    assert kept(journal) == whole


def test_a_damaged_file_is_named_and_made_again(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read(journal)
    whole = kept(journal)
    (journal / NAME).write_bytes(b"no database" * 100)
    with pytest.raises(FundingError, match=NAME):
        FundingBook(journal).payments(1)
    waits = list[float]()

    def is_over(wait_s: float) -> bool:
        waits.append(wait_s)
        return len(waits) == 2

    follow_always(journal, is_over)
    assert waits == [RETRY_S, PAUSE_S]
    error = f"{journal / NAME}: file is not a database"
    assert capsys.readouterr().err == f"outcry: history of funding: {error}\n"
    assert kept(journal) == whole


def test_where_the_begin_is_retired_the_history_says_since_when(journal: Path, tmp_path) -> None:
    """Written again into small segments, of which the first ones go."""
    reader = JournalReader(journal)
    small = tmp_path / "small"
    with Journal.create(small, reader.config, segment_bytes=8_192, direct=False) as writer:
        for first, orders in reader.chunks():
            writer.append(first, [np.array(orders)], len(orders), 1_000)
    read(journal)
    rows = FundingBook(journal).payments(1)[::-1]
    make_checkpoints(small, rows[2].seq)
    make_checkpoints(small)
    retire_before(small, rows[2].seq)
    assert JournalReader(small).first_seq > 1
    read(small)
    book = FundingBook(small)
    left = book.payments(1)[::-1]
    assert [row.seq for row in left] == [row.seq for row in rows if row.seq > rows[2].seq]
    assert 0 < book.since_ns() <= left[0].ts_ns
    assert left[0].total == left[0].paid
