"""Reports of a ledger: at any sequence, from a checkpoint or the begin, in every format."""

import json
import shutil
from collections import defaultdict

import numpy as np
import pytest

from openoutcry.ledger import layout as lay
from openoutcry.ledger import reports
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.ledger_state import at, checkpoints, opened, save
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.report import amount_text
from openoutcry.ledger.transactions import transactions
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire.errors import LedgerError
from tests.oracles.ledger_trades import booked, trade_on
from tests.support.ledger import ledger_flow as flow


def test_as_of_any_sequence_is_the_same_from_a_checkpoint(day, tmp_path):
    home = shutil.copytree(day, tmp_path / "day")
    ledger_state = opened(home)
    for _ in ledger_state.advance(until_seq=8_000):
        pass
    path = save(ledger_state)
    assert checkpoints(home) == [(8_000, path)]
    assert opened(home, 7_999).seq == 0
    for seq in (8_000, 8_001, 12_345):
        assert opened(home, seq).seq == 8_000
        ours, plain = at(home, seq), at(day, seq)
        assert list(ours.books.nonzero_balances()) == list(plain.books.nonzero_balances())
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


def test_the_trial_balance_is_balanced_and_the_reports_agree(day):
    ledger_state = at(day)
    trial = reports.trial_balance(ledger_state.books).rows
    totals = [row for row in trial if row[1] == "total"]
    assert len(totals) > 5
    assert all(debit == credit for _, _, debit, credit in totals)
    by_account = defaultdict(int)
    for owner, asset, account, balance in reports.balances(ledger_state.books).rows:
        by_account[asset, f"{'venue' if owner == 'venue' else 'participants'} {account}"] += balance
    assert dict(by_account) == {
        (asset, account): credit - debit
        for asset, account, debit, credit in trial
        if account != "total"
    }
    charged = sum(
        row[6] + row[7]
        for row in reports.fees(ledger_state.books, transactions(day, ledger_state)).rows
    )
    assert charged == ledger_state.books.balance(0, 0, 0)
    assert charged != 0


def test_a_statement_ends_at_the_balance(day):
    ledger_state = at(day, 15_000)
    books = ledger_state.books
    report = reports.statement(books, transactions(day, ledger_state), 7)
    rows = [dict(zip(report.columns, row, strict=True)) for row in report.rows]
    own = sum(books.balance(8, 0, kind) for kind in (0, 1, 2))
    opening, *moves = [row for row in rows if row["asset"] == "CASH"]
    *moves, closing = moves
    assert (opening["what"], closing["what"]) == ("opening balance", "closing balance")
    assert (opening["balance"], opening["owed"]) == (0, 0)
    assert (closing["balance"], closing["owed"]) == (own, books.balance(8, 0, Account.FEES_DUE))
    # Each row adds up: what moved and its fees are what the balance moved by.
    before = opening
    for row in [*moves, closing]:
        assert row["balance"] == before["balance"] + row["amount"] + row["fees"], row
        assert row["owed"] == before["owed"] + row["fees_due"], row
        before = row
    lots = defaultdict(int)
    for row in report.rows:
        lots[row[3]] += row[4]
    held = {r[1]: r[2] for r in reports.positions(books, 7).rows}
    ends = {
        row["instrument"]: row["position_lots"] for row in rows if row["what"] == "closing position"
    }
    assert ends == {symbol: count for symbol, count in held.items() if count}
    assert {symbol: n for symbol, n in lots.items() if n} == {s: n for s, n in held.items() if n}


def test_a_statement_says_whose_it_is_of_which_time_and_what_was_paid():
    """The trade of docs/ledger.md: flat fees of 2 a lot, 0.15 % of the taker by schedule."""
    flat = [
        setting(Setting.FEE, 2, 0, b"PLAIN"),
        setting(Setting.LEDGER_ASSET, 2, 0, b"USD"),
        setting(Setting.LEDGER_QUOTE, 2, 0, b"PLAIN", usd()),
        setting(Setting.LEDGER_TIER, flow.rates(100, 1_500), 0),
        setting(Setting.LEDGER_FEES, 0, -1),
        setting(Setting.DEPOSIT, 10_000, 1),
    ]
    document = flow.config() | {"source": "venue Sample Exchange"}
    books, rows = booked(document, [*flat, *trade_on(20_000, 1, 101, 10)])
    report = reports.statement(books, [rows], 1)
    assert report.heading == {
        "venue": "Sample Exchange",
        "participant": "1",
        "from": "the venue's first command",
        "to": "2024-10-04 00:00:00.000000000 UTC, command 8 included",
        "decimals": "USD with 2",
    }
    texts = [dict(zip(report.columns, row, strict=True)) for row in report.texts()]
    names = (
        "what",
        "lots",
        "position_lots",
        "lot_price",
        "amount",
        "fees",
        "fees_due",
        "balance",
        "owed",
    )
    assert [tuple(row[name] for name in names) for row in texts] == [
        ("opening balance", "0", "", "", "0.00", "0.00", "0.00", "0.00", "0.00"),
        ("deposit", "0", "", "", "100.00", "0.00", "0.00", "100.00", "0.00"),
        ("posted", "10", "10", "1.01", "-10.10", "-0.20", "-0.02", "89.70", "-0.02"),
        ("closing balance", "0", "", "", "0.00", "0.00", "0.00", "89.70", "-0.02"),
        ("closing position", "0", "10", "", "0", "0", "0", "0", "0"),
    ]
    assert json.loads(report.as_json())["heading"] == report.heading


def usd():
    return int(np.array([b"USD"], "S8").view(np.int64)[0])


@pytest.mark.parametrize("method", METHODS)
def test_profits_are_what_was_received_and_what_is_held(day, method):
    """Realised + unrealised = money received - paid + what is held at the last price."""
    ledger_state = at(day)
    books, cash, adjusted = ledger_state.books, defaultdict(int), set()
    for part in transactions(day, ledger_state):
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
    rows = reports.profits(books, transactions(day, ledger_state), method).rows
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


def test_an_order_s_chain_adds_up(day, outcry):
    ledger_state = at(day)
    fills = np.concatenate(
        [p[p["kind"] == lay.Kind.POSTED] for p in transactions(day, ledger_state)]
    )
    ids, counts = np.unique(fills["order_id"], return_counts=True)
    order_id = int(ids[np.argmax(counts)])
    symbol = ledger_state.books.symbols[fills["instrument"][fills["order_id"] == order_id][0]]
    done = outcry("ledger", "order", str(day), symbol, str(order_id), "--format", "json")
    rows = json.loads(done.stdout)["rows"]
    traded = [row for row in rows if row["what"] == "FILLED"]
    assert sum(row["qty_lots"] for row in traded) == rows[-1]["filled_lots"]
    assert len(traded) == counts.max()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["balances", "nowhere"], "nowhere"),
        (["balances", "{day}", "--as-of", "soon"], "is not a time"),
        (["balances", "{day}", "--as-of", "99999999"], "ends at sequence 20000"),
        (["order", "{day}", "GOLD", "1"], "GOLD is not one of"),
        (["order", "{day}", "PLAIN", "999999999"], "has no order 999999999"),
        (
            ["fees", "{day}", "--from", "500", "--as-of", "400"],
            "--from (command 500) is after --as-of",
        ),
        (["balances", "{day}", "--format", "pdf"], "--out"),
        (["balances", "{day}", "--format", "csv", "--out", "/proc/none/x"], "/proc/none/x"),
    ],
)
def test_what_cannot_be_is_reported_in_a_line(day, outcry, words, message):
    done = outcry("ledger", *[word.replace("{day}", str(day)) for word in words])
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_amounts_have_their_decimals():
    assert amount_text(-1_234_567, 2) == "-12,345.67"
    assert amount_text(-5, 2) == "-0.05"
    assert amount_text(1_000, 0) == "1,000"
