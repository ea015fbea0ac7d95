"""Reports of a ledger: at any sequence, from a checkpoint or the begin, in every format."""

import csv
import io
import json
import shutil
import subprocess
import sys
from collections import defaultdict

import ledger_flow as flow
import numpy as np
import pyarrow.parquet
import pytest
from ledger_as_of import measured

from openoutcry.ledger import layout as lay
from openoutcry.ledger import reports
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.errors import LedgerError
from openoutcry.ledger.follow import follow
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.report import amount_text
from openoutcry.ledger.standing import at, checkpoints, opened, save
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.wire.enums import EventFlag


def test_as_of_any_sequence_is_the_same_from_a_checkpoint(day, tmp_path):
    home = shutil.copytree(day, tmp_path / "day")
    standing = opened(home)
    for _ in standing.advance(until_seq=8_000):
        pass
    path = save(standing)
    assert checkpoints(home) == [(8_000, path)]
    assert opened(home, 7_999).seq == 0
    for seq in (8_000, 8_001, 12_345):
        assert opened(home, seq).seq == 8_000
        ours, plain = at(home, seq), at(day, seq)
        assert list(ours.books.standing()) == list(plain.books.standing())
        assert ours.books.orders.tobytes() == plain.books.orders.tobytes()
        assert ours.point.engine.state_hash() == plain.point.engine.state_hash()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert opened(home, 12_345).seq == 0
    with pytest.raises(LedgerError, match="ends at sequence 20000, before 20001"):
        at(home, 20_001)


def test_as_of_a_moment_is_the_last_command_by_then(day):
    orders = flow.draw(flow.COMMANDS, 11)
    for index in (0, 5_000, flow.COMMANDS - 1):
        moment = int(orders["rx_ts_ns"][index])
        assert at(day, time_ns=moment).seq == index + 1
        assert at(day, time_ns=moment - 1).seq == index


@pytest.fixture(scope="module")
def stored(day, tmp_path_factory):
    """The journal with a store and checkpoints beside it."""
    home = shutil.copytree(day, tmp_path_factory.mktemp("stored") / "day")
    follow(home, None, True, lambda: True, print, 3_000)
    return home


@pytest.mark.parametrize("begin", [0, 2_999, 3_000, 11_111, 20_000])
@pytest.mark.parametrize("end", [3_000, 13_579, 20_000])
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
            at(stored, end).books, transactions(stored, at(stored, end), begin, 7), 7, False,
            at(stored, begin).books if begin else None,
        )
        for begin, end in ((0, 20_000), (0, 9_000), (9_000, 20_000))
    )  # fmt: skip
    brought = [row for row in late.rows if row[2] == "brought forward"]
    assert brought
    assert early.rows + late.rows[len(brought) :] == whole.rows
    assert brought[0][-2:] == early.rows[-1][-2:]
    ends = at(stored, 9_000), at(stored)
    paid = [
        sum(row[7] for row in reports.fees(to.books, transactions(stored, to, begin)).rows)
        for begin, to in ((0, ends[0]), (9_000, ends[1]), (0, ends[1]))
    ]
    assert paid[0] + paid[1] == paid[2] != 0
    done = outcry("ledger", "statement", stored, "--participant", "7", "--from", "9000",
                  "--format", "json")  # fmt: skip
    assert len(json.loads(done.stdout)["rows"]) == len(late.rows)
    whole, *parts = (
        {row[:2]: row[7] + row[8] for row in reports.profits(
            to.books, transactions(stored, to, begin.seq if begin else 0), "fifo", None,
            begin and begin.books).rows}
        for begin, to in ((None, ends[1]), (None, ends[0]), (ends[0], ends[1]))
    )  # fmt: skip
    assert whole == {key: parts[0].get(key, 0) + parts[1].get(key, 0) for key in whole}


def test_a_day_s_balances_are_carried_to_the_next(stored, tmp_path, outcry):
    def closed(name, *more):
        return outcry("ledger", "end-of-day", stored, "--out", tmp_path / name, "--format", "csv",
                      *more)  # fmt: skip

    done = closed("monday", "--as-of", "9000")
    assert done.returncode == 0, done.stderr
    done = closed("tuesday", "--from", "9000", "--carried", tmp_path / "monday")
    assert done.returncode == 0, done.stderr
    assert "behind command 9,000 up to 20,000" in done.stdout
    closing = json.loads((tmp_path / "tuesday" / "closing.json").read_text())
    names = sorted(path.name for path in (tmp_path / "tuesday" / "statements").iterdir())
    assert len(names) == closing["statements"] > 50
    text = (tmp_path / "tuesday" / "statements" / "participant-7.csv").read_text()
    assert "brought forward" in text
    wanted = reports.balances(at(stored).books).as_csv()
    assert (tmp_path / "tuesday" / "balances.csv").read_text() == wanted
    again = closed("tuesday", "--from", "9000")
    assert "is there already" in again.stderr
    done = closed("other", "--from", "8999", "--carried", tmp_path / "monday")
    assert "ends at command 9,000, this day begins behind command 8,999" in done.stderr
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
    assert "not as the ledger has it" in done.stderr
    assert not (tmp_path / "other").exists()
    done = closed("other", "--day", "2026-11-23")
    assert "is no day that has ended" in done.stderr


def test_a_query_says_nothing_but_its_answer(stored):
    """DuckDB told of forty objects as leaked, whatever was asked."""
    words = [sys.executable, "-m", "openoutcry", "ledger", "sql", str(stored), "select 7", "--csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("7", "")


def test_a_participant_that_can_be_none_is_refused(stored, outcry):
    for command in ("statement", "balances", "positions", "pnl"):
        for number in ("-3", "65536"):
            done = outcry("ledger", command, stored, f"--participant={number}")
            assert done.returncode == 2
            assert f"{number} is not in the range 0<=x<=65535" in done.stderr


def test_a_store_that_lost_a_row_is_not_told_as_a_statement(stored, tmp_path, outcry):
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
    assert "journal and store part: `outcry reconcile` says where" in done.stderr
    path.write_bytes(b"PAR1")
    done = outcry("ledger", "fees", home)
    assert done.returncode == 1
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr


def test_the_trial_balance_is_balanced_and_the_reports_agree(day):
    standing = at(day)
    trial = reports.trial_balance(standing.books).rows
    totals = [row for row in trial if row[1] == "total"]
    assert len(totals) > 5
    assert all(debit == credit for _, _, debit, credit in totals)
    by_account = defaultdict(int)
    for owner, asset, account, balance in reports.balances(standing.books).rows:
        by_account[asset, f"{'venue' if owner == 'venue' else 'participants'} {account}"] += balance
    assert dict(by_account) == {
        (asset, account): credit - debit for asset, account, debit, credit in trial
        if account != "total"
    }  # fmt: skip
    charged = sum(
        row[6] + row[7] for row in reports.fees(standing.books, transactions(day, standing)).rows
    )
    assert charged == standing.books.balance(0, 0, 0)
    assert charged != 0


def test_a_statement_ends_at_the_balance(day):
    standing = at(day, 15_000)
    books = standing.books
    report = reports.statement(books, transactions(day, standing), 7)
    names = dict(zip(report.columns, report.rows[-1], strict=True))
    own = sum(books.balance(8, 0, kind) for kind in (0, 1, 2))
    assert (names["balance"], names["owed"]) == (own, books.balance(8, 0, Account.FEES_DUE))
    lots = defaultdict(int)
    for row in report.rows:
        lots[row[3]] += row[4]
    held = {r[1]: r[2] for r in reports.positions(books, 7).rows}
    assert {symbol: n for symbol, n in lots.items() if n} == {s: n for s, n in held.items() if n}


@pytest.mark.parametrize("method", METHODS)
def test_profits_are_what_was_received_and_what_is_held(day, method):
    """Realised + unrealised = money received - paid + what is held at the last price."""
    standing = at(day)
    books, cash, adjusted = standing.books, defaultdict(int), set()
    for part in transactions(day, standing):
        for row in part[np.isin(part["kind"], (lay.Kind.POSTED, lay.Kind.POSITION))]:
            sign = -1 if row["kind"] == lay.Kind.POSITION or row["side"] == 1 else 1
            multiplier = int(books.instruments[row["instrument"], lay.MULTIPLIER // 8])
            amount = int(row["price_ticks"]) * int(row["qty_lots"]) * multiplier
            cash[int(row["participant"]), books.symbols[row["instrument"]]] += sign * amount
        for row in part[np.isin(part["kind"], (lay.Kind.DIVIDEND, lay.Kind.SPLIT))]:
            key = int(row["participant"]), books.symbols[row["instrument"]]
            cash[key] -= int(row["outside"])
            adjusted.add(key)
    held = {row[:2]: row[2] for row in reports.positions(books).rows}
    rows = reports.profits(books, transactions(day, standing), method).rows
    assert len(rows) > 300
    for who, symbol, position, _, cost, _, value, realised, unrealised, _ in rows:
        assert position == held.get((who, symbol), 0)
        assert realised + unrealised == cash[who, symbol] + value
        assert cost == value - unrealised
    assert len(adjusted) > 50


def test_a_split_and_a_dividend_by_hand():
    """3 for 2 of 5 lots that cost 520: 7 lots, half a one is 35; then 5 of them are sold."""
    first, average = METHODS["fifo"](), METHODS["average"]()
    for one in (first, average):
        one.trade(3, 100)
        one.trade(2, 110)
        one.adjust(7, 35)
        assert (one.position, one.cost, one.realised) == (7, 520, 35)
        one.trade(-5, 80)
    # 4 lots for 300 and a third of 3 for 220: 73; of 520 for 7 lots five cost 371.
    assert (first.position, first.cost, first.realised) == (2, 147, 35 + 400 - 373)
    assert (average.position, average.cost, average.realised) == (2, 149, 35 + 400 - 371)
    for one in (first, average):
        cost, realised = one.cost, one.realised
        one.adjust(0, 90)
        assert (one.position, one.cost, one.realised) == (0, 0, realised + 90 - cost)
    short = METHODS["fifo"]()
    short.trade(-3, 100)
    short.adjust(-3, -6)
    assert (short.position, short.cost, short.realised) == (-3, -300, -6)


def test_first_in_first_out_and_average_cost_by_hand():
    """The usual example: 10 at 100, 10 at 120, then 15 sold at 130; then 10 more, short of 5."""
    fifo, average = METHODS["fifo"](), METHODS["average"]()
    for one in (fifo, average):
        for qty, price in ((10, 100), (10, 120), (-15, 130)):
            one.trade(qty, price)
        assert one.position == 5
    assert (fifo.realised, fifo.cost) == (10 * 30 + 5 * 10, 5 * 120)
    assert (average.realised, average.cost) == (15 * 20, 5 * 110)
    for one in (fifo, average):
        one.trade(-10, 140)
        assert (one.position, one.cost) == (-5, -700)
    assert fifo.realised == 350 + 5 * 20
    assert average.realised == 300 + 5 * 30


@pytest.mark.parametrize(
    "words",
    [["balances"], ["balances", "--negative"], ["trial-balance"], ["positions"], ["fees"],
     ["pnl", "--method", "average"], ["statement", "--participant", "7", "--pending"]],
)  # fmt: skip
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


def test_an_order_s_chain_adds_up(day, outcry):
    standing = at(day)
    fills = np.concatenate([p[p["kind"] == lay.Kind.POSTED] for p in transactions(day, standing)])
    ids, counts = np.unique(fills["order_id"], return_counts=True)
    order_id = int(ids[np.argmax(counts)])
    symbol = standing.books.symbols[fills["instrument"][fills["order_id"] == order_id][0]]
    done = outcry("ledger", "order", str(day), symbol, str(order_id), "--format", "json")
    rows = json.loads(done.stdout)["rows"]
    traded = [row for row in rows if row["what"] == "FILLED"]
    assert sum(row["qty_lots"] for row in traded) == rows[-1]["filled_lots"]
    assert len(traded) == counts.max()


@pytest.mark.parametrize(
    ("words", "message"),
    [(["balances", "nowhere"], "nowhere"), (["balances", "{day}", "--as-of", "soon"], "no moment"),
     (["balances", "{day}", "--as-of", "99999999"], "ends at sequence 20000"),
     (["order", "{day}", "GOLD", "1"], "GOLD is none of"),
     (["order", "{day}", "PLAIN", "999999999"], "has no order 999999999"),
     (["fees", "{day}", "--from", "500", "--as-of", "400"], "--from is command 500, --as-of"),
     (["balances", "{day}", "--format", "pdf"], "--out"),
     (["balances", "{day}", "--format", "csv", "--out", "/proc/none/x"], "/proc/none/x")],
)  # fmt: skip
def test_what_cannot_be_is_told_in_a_line(day, outcry, words, message):
    done = outcry("ledger", *[word.replace("{day}", str(day)) for word in words])
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_amounts_have_their_decimals():
    assert amount_text(-1_234_567, 2) == "-12,345.67"
    assert amount_text(-5, 2) == "-0.05"
    assert amount_text(1_000, 0) == "1,000"


@pytest.mark.long
def test_as_of_any_sequence_of_ten_million_commands(tmp_path):
    figures = measured(tmp_path / "day", 10_000_000)
    assert figures["commands"] > 10_000_000
    assert figures["checkpoints"] == 40
