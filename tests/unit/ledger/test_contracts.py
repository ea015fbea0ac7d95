"""The ledger over contracts: balances, margin and positions are the core's, to the unit, and
clearing is 0 after every command."""

import pytest

from openoutcry.journal.replay import instruments_to_json
from openoutcry.ledger import layout as lay_of_books
from openoutcry.ledger import reports
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS, Kind
from openoutcry.ledger.ledger_state import at, save
from openoutcry.ledger.reconcile import differences
from openoutcry.risk import layout as lay
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import hook_settings
from tests.support.ledger.contract_day import ContractDay
from tests.support.ledger.spot_day import write_journal
from tests.support.risk.contract_page import ALL, ContractMarket
from tests.support.risk.contracts import AdjustingOperator, ContractOperator, funded, run_contracts
from tests.support.risk.scenario_page import PLEDGES, PledgeMarket
from tests.support.venue.contract_floor import CONTRACT_VENUE


def day_of(seed, count=300, amount=3 * 10**7, operator=ContractOperator):
    day = funded(ContractDay(), amount)
    run_contracts(day, seed, count, operator=operator(seed, day, day.symbols, share=1.0))
    return day


@pytest.fixture(scope="module", params=[ContractOperator, AdjustingOperator])
def day(request):
    """One of which contracts are adjusted, and one without."""
    day = day_of(6, operator=request.param)
    assert bool(day.books.units_before) is (request.param is AdjustingOperator)
    return day


class Posted:
    """A market whose every command's events are posted."""

    books = None

    def send(self, record):
        if self.books is None:
            numbers = [one.number for one in self.venue.participants]
            capacity, table = self.venue.order_capacity, self.venue.instruments
            self.books, self.kinds = (
                Books(
                    {
                        "instruments": instruments_to_json(table),
                        "order_capacity": capacity,
                        "hooks": hook_settings(numbers, capacity, self.venue.risk),
                    }
                ),
                set(),
            )
        events = super().send(record)
        rows = self.books.post(record, events)
        assert differences(self.books, self.engine) is None
        assert rows["clearing"].sum() == 0
        self.kinds |= {Kind(int(kind)) for kind in rows["kind"]}
        return events


class PostedMarket(Posted, ContractMarket):
    """The page's market."""


class PostedPledges(Posted, PledgeMarket):
    """The market in which BTC may be pledged."""


def test_pledges_and_what_the_fund_takes_of_them_are_posted(tmp_path):
    kinds = set()
    for number, example in enumerate(PLEDGES):
        (tmp_path / str(number)).mkdir()
        market = PostedPledges(tmp_path / str(number))
        market.run(example)
        kinds |= market.kinds
    assert {Kind.PLEDGED, Kind.SEIZED} < kinds


def test_every_example_of_the_page_is_posted(tmp_path):
    """After each command balances, margin and positions are the core's."""
    kinds = set()
    for number, (tables, example) in enumerate(ALL):
        (tmp_path / str(number)).mkdir()
        market = PostedMarket(tmp_path / str(number), tables)
        market.run(example)
        kinds |= market.kinds
    assert {Kind.POSTED, Kind.MARKED, Kind.FUNDING, Kind.SETTLED} < kinds
    assert {Kind.TAKEN_OVER, Kind.COVERED} < kinds


SPOT = """
[[asset]]
name = "BTC"
decimals = 8
[[instrument]]
symbol = "BTC-USD"
settlement = "spot"
base = "BTC"
quote = "USD"
decimals = 2
lot_units = 100_000_000
tick_units = 1
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 1_000
market_band_ticks = 1_000
"""


def test_a_venue_with_wallets_too_has_books(tmp_path):
    """Deposits and withdrawals with a life cycle are of the journal, and not of a contract."""
    path = tmp_path / "venue.toml"
    path.write_text(CONTRACT_VENUE + SPOT)
    file = read_venue(path)
    hooks = hook_settings([one.number for one in file.participants], 64, file.risk)
    assert min(hooks["movements"], len(hooks["contracts"])) > 0
    table = instruments_to_json(file.instruments)
    books = Books({"instruments": table, "order_capacity": 64, "hooks": hooks})
    kinds = [int(row[lay_of_books.CONTRACT_KIND // 8]) for row in books.instruments]
    assert kinds == [1, 2, 0]


def test_what_is_posted_is_balanced(day):
    rows = day.transactions
    assert {Kind.POSTED, Kind.MARKED, Kind.FUNDING} <= {Kind(int(one)) for one in rows["kind"]}
    for columns in (MONEY_COLUMNS, LOT_COLUMNS):
        assert not sum(rows[name].astype(object) for name in columns).any()


def test_a_checkpoint_continues_with_the_same_books(day, tmp_path):
    home = write_journal(tmp_path / "day", day)
    half = len(day.commands) // 2
    save(at(home, half))
    again = at(home)
    assert list(again.books.nonzero_balances()) == list(day.books.nonzero_balances())
    assert again.books.units_before == day.books.units_before
    assert (again.books.instruments == day.books.instruments).all()


def test_statements_and_profits_come_to_what_is_held(day):
    """A statement raises if it does not; realised and unrealised are what contracts have paid, and
    what their options are worth."""
    rows, books = [day.transactions], day.books
    for who in range(len(day.view.participants)):
        assert reports.statement(books, rows, who).rows
    for method in ("fifo", "average"):
        report = reports.profits(books, rows, method)
        columns = [report.columns.index(name) for name in ("realised", "unrealised")]
        earned = sum(row[column] for row in report.rows for column in columns)
        assert earned == 0
        own = dict.fromkeys(range(len(day.view.participants)), 0)
        for row in report.rows:
            own[row[0]] += sum(row[column] for column in columns)
        covered = day.transactions[day.transactions["kind"] == Kind.COVERED]
        for who, profit in own.items():
            paid = int(covered["available"][covered["participant"] == who].sum())
            fees = sum(row[-1] for row in report.rows if row[0] == who)
            assert day.view.of(who, lay.PROFIT) == profit - fees, (who, paid)
