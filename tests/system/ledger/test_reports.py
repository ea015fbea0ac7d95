"""Reports of a ledger: at any sequence, from a checkpoint or the begin, in every format."""

import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import pytest

from openoutcry.ledger import layout as lay
from openoutcry.ledger import reports
from openoutcry.ledger.follow import follow
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.wire.enums import EventFlag


@pytest.fixture(scope="module")
def stored(day, tmp_path_factory):
    """The journal with a store and checkpoints beside it."""
    home = shutil.copytree(day, tmp_path_factory.mktemp("stored") / "day")
    follow(home, None, True, lambda: True, print, 3_000)
    return home


@pytest.mark.parametrize(
    "begin",
    [0, 11_111, *(pytest.param(at, marks=pytest.mark.long) for at in (2_999, 3_000, 20_000))],
)
@pytest.mark.parametrize(
    "end", [13_579, *(pytest.param(at, marks=pytest.mark.long) for at in (3_000, 20_000))]
)
def test_transactions_out_of_the_store_are_those_of_a_replay(day, stored, begin, end):
    if begin > end:
        return
    ours, plain = (joined(transactions(home, at(home, end), begin)) for home in (stored, day))
    assert len(plain) or end - begin < 2
    flags = int(EventFlag.MAKER | EventFlag.AUCTION)
    for name in lay.TRANSACTION_DTYPE.names:
        if name == "flags":
            assert ((ours[name] & flags != 0) == (plain[name] & flags != 0)).all()
        else:
            assert (ours[name] == plain[name]).all(), name
    one = joined(transactions(stored, at(stored, end), begin, 7))
    assert (one["event_seq"] == plain["event_seq"][plain["participant"] == 7]).all()


def test_reports_of_a_period_begin_with_what_was_brought_forward(stored, outcry):
    """Two statements are one; fees of two periods add up; profits of a period are what prices made
    of what was held."""
    whole, early, late = (
        reports.statement(
            at(stored, end).books,
            transactions(stored, at(stored, end), begin, 7),
            7,
            False,
            at(stored, begin).books if begin else None,
        )
        for begin, end in ((0, 20_000), (0, 9_000), (9_000, 20_000))
    )
    moves = {}
    for name, report in (("whole", whole), ("early", early), ("late", late)):
        stands = ("opening", "closing")
        moves[name] = [row for row in report.rows if not row[2].startswith(stands)]
        of = {
            which: [(row[5], *row[8:]) for row in report.rows if row[2].startswith(which)]
            for which in stands
        }
        moves[name, "opening"], moves[name, "closing"] = of["opening"], of["closing"]
    assert moves["early"] + moves["late"] == moves["whole"]
    assert moves["early", "closing"] == moves["late", "opening"]
    assert moves["late", "closing"] == moves["whole", "closing"]
    ends = at(stored, 9_000), at(stored)
    paid = [
        sum(row[7] for row in reports.fees(to.books, transactions(stored, to, begin)).rows)
        for begin, to in ((0, ends[0]), (9_000, ends[1]), (0, ends[1]))
    ]
    assert paid[0] + paid[1] == paid[2] != 0
    done = outcry(
        "ledger", "statement", stored, "--participant", "7", "--from", "9000", "--format", "json"
    )
    assert len(json.loads(done.stdout)["rows"]) == len(late.rows)
    whole, *parts = (
        {
            row[:2]: row[7] + row[8]
            for row in reports.profits(
                to.books,
                transactions(stored, to, begin.seq if begin else 0),
                "fifo",
                None,
                begin and begin.books,
            ).rows
        }
        for begin, to in ((None, ends[1]), (None, ends[0]), (ends[0], ends[1]))
    )
    assert whole == {key: parts[0].get(key, 0) + parts[1].get(key, 0) for key in whole}


def test_a_day_s_balances_are_carried_to_the_next(stored, tmp_path, outcry):
    def closed(name, *more):
        return outcry(
            "ledger", "end-of-day", stored, "--out", tmp_path / name, "--format", "csv", *more
        )

    done = closed("monday", "--as-of", "9000")
    assert done.returncode == 0, done.stderr
    done = closed("tuesday", "--from", "9000", "--carried", tmp_path / "monday")
    assert done.returncode == 0, done.stderr
    assert "after command 9,000 up to 20,000" in done.stdout
    closing = json.loads((tmp_path / "tuesday" / "closing.json").read_text())
    names = sorted(path.name for path in (tmp_path / "tuesday" / "statements").iterdir())
    assert len(names) == closing["statements"] > 50
    text = (tmp_path / "tuesday" / "statements" / "participant-7.csv").read_text()
    assert "opening balance" in text
    wanted = reports.balances(at(stored).books).as_csv()
    assert (tmp_path / "tuesday" / "balances.csv").read_text() == wanted
    again = closed("tuesday", "--from", "9000")
    assert "already exists" in again.stderr
    done = closed("other", "--from", "8999", "--carried", tmp_path / "monday")
    assert "ends at command 9,000, this day begins after command 8,999" in done.stderr
    # Another journal's day, with the same figures; and a folder that is none of ours.
    path = tmp_path / "monday" / "closing.json"
    closing = json.loads(path.read_text())
    path.write_text(json.dumps(closing | {"journal_id": f"{1:016x}"}))
    done = closed("other", "--from", "9000", "--carried", tmp_path / "monday")
    assert "is a day of journal 0000000000000001, not of" in done.stderr
    path.write_text(json.dumps(closing))
    (tmp_path / "other.tmp").mkdir()
    assert closed("other", "--as-of", "10").returncode == 0
    assert (tmp_path / "other.tmp").is_dir()
    shutil.rmtree(tmp_path / "other")
    assert not list(tmp_path.glob(".other*"))
    path = tmp_path / "monday" / "balances.csv"
    head, first, *rest = path.read_text().splitlines(keepends=True)
    another = (int(first[-2]) + 1) % 10
    path.write_text("".join([head, f"{first[:-2]}{another}\n", *rest]))
    done = closed("other", "--from", "9000", "--carried", tmp_path / "monday")
    assert "differs from the ledger" in done.stderr
    assert not (tmp_path / "other").exists()
    done = closed("other", "--day", "2026-11-23")
    assert "is not a finished day" in done.stderr


def test_a_query_says_nothing_but_its_answer(stored):
    """DuckDB told of forty objects as leaked, whatever was asked, as the interpreter ended."""
    words = [sys.executable, "-m", "openoutcry", "ledger", "sql", str(stored), "select 7", "--csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("7", "")


def test_a_participant_that_can_be_none_is_refused(stored, outcry):
    for command in ("statement", "balances", "positions", "pnl"):
        for number in ("-3", "65536"):
            done = outcry("ledger", command, stored, f"--participant={number}")
            assert done.returncode == 2
            assert f"{number} is not in the range 0<=x<=65535" in done.stderr


def test_a_store_that_lost_a_row_is_not_reported_as_a_statement(stored, tmp_path, outcry):
    home = shutil.copytree(stored, tmp_path / "day")
    for path in sorted(home.rglob("part-*.parquet")):
        table = pyarrow.parquet.read_table(path, partitioning=None)
        mine = (table["participant"].to_numpy() == 7) & (table["kind"].to_numpy() == "POSTED")
        if mine.any():
            keep = np.ones(table.num_rows, bool)
            keep[np.argmax(mine)] = False
            pyarrow.parquet.write_table(table.filter(keep), path)
            break
    done = outcry("ledger", "statement", home, "--participant", "7")
    assert done.returncode == 1
    assert "journal and store differ; `outcry ledger reconcile` shows where" in done.stderr
    path.write_bytes(b"PAR1")
    done = outcry("ledger", "fees", home)
    assert done.returncode == 1
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["balances"],
        ["balances", "--negative"],
        ["trial-balance"],
        ["positions"],
        ["fees"],
        ["pnl", "--method", "average"],
        ["statement", "--participant", "7", "--pending"],
    ],
)
def test_every_report_comes_in_every_format(day, outcry, tmp_path, words):
    name, *more = words
    arguments = [name, str(day), "--as-of", "3000", *more]

    def printed(form, *options):
        done = outcry("ledger", *arguments, "--format", form, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = json.loads(printed("json"))["rows"]
    assert rows
    csv_rows = list(csv.DictReader(io.StringIO(printed("csv"))))
    assert csv_rows == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    out = tmp_path / "report.parquet"
    assert printed("parquet", "--out", str(out)) == f"{out}: {len(rows):,} rows\n"
    assert pyarrow.parquet.read_table(out).num_rows == len(rows)
    if name == "statement":
        printed("pdf", "--out", str(tmp_path / "report.pdf"))
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
