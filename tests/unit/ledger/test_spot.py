"""The ledger over spot instruments: every wallet is the core's and the plain reference's, to the
unit, after each command; what was posted is balanced by asset and comes to every report."""

import json
import shutil
from collections import defaultdict

import numpy as np
import pytest

import openoutcry.ledger.layout as lay
from openoutcry.journal.core import Core
from openoutcry.ledger import books as books_module
from openoutcry.ledger import reports
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.books import Books
from openoutcry.ledger.day_end import end_day
from openoutcry.ledger.follow import follow
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS, MONEY_SLOTS, Kind
from openoutcry.ledger.ledger_state import at, opened, save
from openoutcry.ledger.parquet_store import ask
from openoutcry.ledger.reconcile import Reconciliation, differences
from openoutcry.ledger.settlement.journal import trades_of
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.risk.bits import MovementStep, Setting
from openoutcry.risk.region import View
from openoutcry.venue.fee_tables import asset, quote
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.errors import LedgerError
from tests.support.ledger.spot_day import configuration, traded, write_journal
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.spot import ASSETS, BTC, USD, in_asset


@pytest.mark.parametrize("seed", range(2))
def test_every_wallet_is_the_cores_and_the_references(seed):
    """Every second seed with a speed bump."""
    traded(200, seed, delayed=64 * (seed % 2))


@pytest.mark.parametrize("seed", [3, 6])
def test_every_step_of_a_deposit_or_withdrawal_is_posted(seed, tmp_path):
    """With so little room that the core forgets movements; a checkpoint has what is under way."""
    day = traded(250, seed, movements=8)
    rows = np.concatenate(day.rows)
    steps = rows["contra_id"][rows["kind"] == Kind.MOVEMENT]
    assert {*steps.tolist()} == set(MovementStep)
    home = write_journal(tmp_path / "day", day)
    save(at(home, len(rows) // 4))
    resumed = at(home)
    assert list(resumed.books.nonzero_balances()) == list(day.books.nonzero_balances())
    assert resumed.books.movements.document() == day.books.movements.document()
    assert len(day.books.movements.assets) < 40


@pytest.fixture(scope="module")
def day():
    return traded(500, 7)


@pytest.fixture(scope="module")
def rows(day):
    return np.concatenate(day.rows)


@pytest.fixture(scope="module")
def home(day, tmp_path_factory):
    return write_journal(tmp_path_factory.mktemp("spot") / "day", day)


def test_the_days_have_what_they_are_about(day, rows):
    """Fills and fees of every spot instrument, in either asset, and rebates."""
    spot = np.isin(rows["instrument"], list(day.books.spot))
    assert {int(Kind.POSTED), int(Kind.DELIVERED), int(Kind.PENDING), int(Kind.CHANGED)} < {
        *rows["kind"][spot].tolist()
    }
    income = rows["fee_income"]
    for kind in (Kind.POSTED, Kind.DELIVERED):
        assert (income[spot & (rows["kind"] == kind)] > 0).any()
    assert (income[spot] < 0).any()
    assert {*rows["asset"][spot].tolist()} == {MONEY_SLOTS + n for n in range(len(ASSETS))}


def test_every_transaction_sums_to_zero_and_the_accounts_are_their_sums(day, rows):
    for columns in (MONEY_COLUMNS, LOT_COLUMNS):
        assert not sum(rows[name].astype(object) for name in columns).any()
    assert day.books.sums() == [0] * len(day.books.assets)
    spot = np.isin(rows["instrument"], list(day.books.spot))
    assert not any(rows[name][spot].any() for name in LOT_COLUMNS)
    sums = defaultdict(int)
    for row in rows:
        for kind in (Account.AVAILABLE, Account.RESERVED):
            key = int(row["participant"]), int(row["asset"]), kind
            sums[key] += int(row[MONEY_COLUMNS[kind]])
    for (who, number, kind), total in sums.items():
        assert day.books.balance(who + 1, number, kind) == total


def test_posted_in_one_batch_or_many_is_the_same(day, rows):
    """As from a journal: the transactions do not depend on where a batch ends."""
    commands, books = np.concatenate(day.commands), Books(day.configuration)
    events = Core.of(day.configuration).fresh().process(commands)
    assert np.array_equal(books.post(commands, events), rows)


def test_deposits_into_wallets_are_posted_with_what_is_around_them(day, monkeypatch):
    """Each by itself cost 0.3 ms, as much as 200 trades; nothing is kept free for other rows."""
    who, count, sizes = 3, 50, []
    books = Books(day.configuration)
    order = in_asset(Setting.DEPOSIT, 1_000, who, USD)
    commands, events = np.repeat(order, count), np.zeros(count, EVENT_DTYPE)
    commands["seq"] = events["seq"] = events["cause_seq"] = np.arange(1, count + 1)
    events["kind"], events["participant"] = EventKind.COMPLETED, who
    post = books_module.post

    def counted(state, commands, first, events, size, rows):
        sizes.append(size)
        return post(state, commands, first, events, size, rows)

    monkeypatch.setattr(books_module, "post", counted)
    rows = books.post(commands, events)
    assert sizes == [count]
    assert len(rows) == count
    assert rows.base is None or len(rows.base) < 3 * count


def test_a_checkpoint_continues_with_the_same_wallets(day, home, tmp_path):
    home = shutil.copytree(home, tmp_path / "day", ignore=shutil.ignore_patterns("ledger"))
    middle = at(home, 500)
    save(middle)
    resumed = opened(home, 700)
    assert resumed.seq == 500
    assert list(resumed.books.nonzero_balances()) == list(middle.books.nonzero_balances())
    assert np.array_equal(resumed.books.schedules, middle.books.schedules)
    end = at(home)
    assert list(end.books.nonzero_balances()) == list(day.books.nonzero_balances())
    assert differences(end.books, end.point.engine) is None


def test_reports_come_to_the_balances(day, rows, tmp_path):
    books = day.books
    for who in range(PARTICIPANTS):
        report = reports.statement(books, [rows], who, pending=True)
        closing = {row[8]: row[13] for row in report.rows if row[2] == "closing balance"}
        for number, (name, _) in enumerate(ASSETS):
            wallet = sum(day.reference.wallets.wallet(who, number)[:2])
            assert closing.get(name, 0) == wallet
        assert json.loads(report.as_json())["heading"]["participant"] == str(who)
    reports.statement(books, [rows], 0).write_pdf(tmp_path / "statement.pdf")
    assert (tmp_path / "statement.pdf").read_bytes().startswith(b"%PDF")
    trial = reports.trial_balance(books).rows
    for name, _ in ASSETS:
        assert [row[2:] for row in trial if row[:2] == (name, "venue fee_income")] == [
            ((-amount, 0) if amount < 0 else (0, amount))
            for amount in [day.reference.wallets.fees[[a for a, _ in ASSETS].index(name)]]
            if amount
        ]


def test_a_statement_shows_each_asset_in_its_decimals(day, rows):
    who = int(rows["participant"][rows["kind"] == Kind.DELIVERED][0])
    report = reports.statement(day.books, [rows], who)
    fills = [row for row in report.rows if row[2] in ("posted", "delivered") and row[4] == 0]
    assert {row[2] for row in fills} == {"posted", "delivered"}
    for row in fills:
        assert (row[7] is None) == (row[2] == "delivered")
    assert (report.scales["BTC"], report.scales["CASH"]) == (8, 0)


def test_money_of_margin_accounts_is_named_apart_from_the_wallets(day):
    """LEDGER_ASSET and LEDGER_QUOTE of a venue that has both kinds of instruments."""
    books, engine = Books(day.configuration), Core.of(day.configuration).fresh()
    commands = [asset(name, decimals) for name, decimals in ASSETS]
    commands += [quote("TOPSHARE", "BTC", 8), quote("PLAIN", "BTC", 8), asset("ETH", 2)]
    for command in commands:
        books.post(command, engine.process(command))
    assert books.monies == [("USD", 2), ("BTC", 8)]
    assert books.money_names[:2] == ["USD-MARGIN", "BTC-MARGIN"]
    assert books.money_names[MONEY_SLOTS:] == [name for name, _ in ASSETS]
    assert [remark.text for remark in books.remarks] == [
        "LEDGER_QUOTE: PLAIN is a spot instrument: its quote asset is fixed by the journal",
        "LEDGER_ASSET: scale mismatch: ETH has 9 decimals, not 2",
    ]


def test_profits_are_what_came_in_less_what_went_out_and_fees_are_the_venues(day, rows):
    books = day.books
    spot = np.isin(rows["instrument"], list(books.spot))
    paid, lots = defaultdict(int), defaultdict(int)
    for row in rows[spot & (rows["kind"] == Kind.POSTED)]:
        key = int(row["participant"]), books.symbols[row["instrument"]]
        paid[key] += int(row["clearing"])
        lots[key] += int(row["qty_lots"]) * (1 if row["side"] == Side.BUY else -1)
    for method in ("fifo", "average"):
        fees = defaultdict(int)
        for row in reports.profits(books, [rows], method).rows:
            who, symbol, position, name, _, last, worth, realised, unrealised, fee = row
            fees[name] += fee
            if books.symbols.index(symbol) in books.spot and last is not None:
                assert position == lots[who, symbol]
                assert realised + unrealised == worth - paid[who, symbol]
        collected = day.reference.wallets
        moved = defaultdict(int)
        for row in rows[(rows["kind"] == Kind.DEPOSIT) & (rows["fee_income"] != 0)]:
            moved[books.assets[row["asset"]]] += int(row["fee_income"])
        for number, (name, _) in enumerate(ASSETS):
            assert fees[name] + moved[name] == collected.fees[number]
    by_asset = defaultdict(int)
    for row in reports.fees(books, [rows]).rows:
        by_asset[row[4]] += row[7]
    assert {name: by_asset[name] for name, _ in ASSETS} == {name: fees[name] for name, _ in ASSETS}


def test_taxed_gains_are_the_realised_profits(day, rows):
    realised = defaultdict(int)
    for row in reports.profits(day.books, [rows], "fifo").rows:
        realised[row[0], row[1]] += row[7]
    gains = defaultdict(int)
    for row in tax(day.books, [rows]).rows:
        gains[row[0], row[1]] += row[9]
    assert {key: gain for key, gain in gains.items() if gain} == {
        key: gain for key, gain in realised.items() if gain
    }


def test_a_day_ends_with_the_balances_that_the_next_begins_with(home, tmp_path):
    middle, end = at(home, 600), at(home)
    first = end_day(home, None, middle, tmp_path / "one", "json")
    end_day(home, middle, end, tmp_path / "two", "csv", carried=tmp_path / "one")
    assert first["statements"] > 3


def test_the_store_is_what_was_posted_and_reconciliation_says_so(day, rows, home):
    follow(home, None, True, lambda: False, print, every=500)
    verdict = Reconciliation(home, None, every=400).advance()
    assert (verdict.difference, verdict.seq) == (None, len(day.commands))
    assert verdict.store_event_seq == day.books.event_seq
    stored = joined(transactions(home, at(home)))
    for name in lay.AT:
        if name not in ("flags", "label"):
            assert np.array_equal(stored[name], rows[name]), name
    query = (
        "select participant, asset, sum(balance) from balances where participant >= 0 group by all"
    )
    held = {
        tuple(row.values())[:2]: int(row["sum(balance)"])
        for row in ask(home / "ledger", query).to_pylist()
    }
    for who in range(PARTICIPANTS):
        for number, (name, _) in enumerate(ASSETS):
            wallet = sum(day.reference.wallets.wallet(who, number)[:2])
            assert held.get((who, name), 0) == wallet
    fees = ask(home / "ledger", "select sum(lot_fee) as lot from trades where instrument = 'PLAIN'")
    assert fees.to_pylist() == [{"lot": 0}]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w.rows.__setitem__((3, BTC, 0), w.rows[3, BTC, 0] + 1), "available BTC of part"),
        (lambda w: w.rows.__setitem__((3, USD, 1), w.rows[3, USD, 1] - 1), "reserved USD of part"),
        (lambda w: w.assets.__setitem__((BTC, 2), w.assets[BTC, 2] + 1), "fees in BTC"),
        (lambda w: w.assets.__setitem__((USD, 3), w.assets[USD, 3] + 1), "came in and did not go"),
    ],
)
def test_a_unit_that_differs_is_named_with_its_asset(home, spoil, words):
    end = at(home)
    spoil(View(end.point.engine.region).wallets)
    assert words in differences(end.books, end.point.engine)


def test_an_asset_that_has_no_wallet_is_an_error_that_names_the_event(day):
    """The core refuses it; a journal that says otherwise is not followed."""
    books = Books(configuration())
    command = in_asset(Setting.DEPOSIT, 5, 1, USD)
    events = Core.of(configuration()).fresh().process(command)
    command["price_ticks"] = 1 << 40
    with pytest.raises(LedgerError, match=r"event 1 of .*has no wallets"):
        books.post(command, events)


def test_more_assets_than_a_transaction_can_name_are_refused():
    document = configuration()
    document["hooks"]["assets"] = [[f"A{number}", 0] for number in range(249)]
    document["hooks"]["spot"] = [[0, 1, 0, 1]]
    with pytest.raises(LedgerError, match="249 assets: the ledger has room for 248"):
        Books(document)


def test_settlement_has_no_spot_trade(day, home):
    """Wallets have settled it; what is left are the margin instruments' that deliver lots."""
    spot = {day.books.symbols[index] for index in day.books.spot}
    delivered = {row[5] for row in trades_of(home, "XNYS")}
    assert not delivered & spot
    assert delivered
