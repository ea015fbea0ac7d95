"""Portfolios, statements and tax reports: to the unit what ``outcry ledger`` says, and nothing
where the books do not agree."""

import base64
import json
from datetime import UTC, datetime

import psycopg
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.ledger import ledger_state, portfolio, reports
from openoutcry.ledger.layout import AT, MONEY_COLUMNS, Kind
from openoutcry.ledger.profit import METHODS
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.portal.history.packed import TRANSACTION_WORDS, unpacked
from openoutcry.portal.history.projector import follow
from openoutcry.portal.portfolio.bookkeeper import DISAGREES, Bookkeeper
from tests.support.ledger.pdf_texts import figures, texts_of
from tests.support.portal.generated import BEGIN_DAY, DAY_NS, generated_market
from tests.support.portal.generated_contracts import SYMBOLS, contract_market
from tests.support.portal.packed_rows import packed_rows
from tests.support.portal.people import fresh_database

PEOPLE, ORDERS, DAYS = 40, 12_000, 4


@pytest.fixture(scope="module")
def market(tmp_path_factory, postgresql):
    """A generated market, its history, and the ledger at its end."""
    made = generated_market(tmp_path_factory.mktemp("market"), PEOPLE, ORDERS, 5, DAYS)
    url = fresh_database(postgresql)
    follow(made.file, url, once=True)
    state = ledger_state.at(made.file.journal)
    rows = joined(transactions(made.file.journal, state))
    with psycopg.connect(url, autocommit=True) as connection:
        yield made, url, state.books, rows, Bookkeeper(made.file, connection)


@pytest.fixture(scope="module")
def contracts(tmp_path_factory, postgresql):
    """The same with futures, an option and perpetuals, the terms of some of which have ended."""
    made = contract_market(tmp_path_factory.mktemp("contracts"), 8, 1_500, 3, DAYS)
    url = fresh_database(postgresql)
    follow(made.file, url, once=True)
    state = ledger_state.at(made.file.journal)
    rows = joined(transactions(made.file.journal, state))
    with psycopg.connect(url, autocommit=True) as connection:
        yield made, state.books, rows, Bookkeeper(made.file, connection)


def records(report):
    return [dict(zip(report.columns, row, strict=True)) for row in report.rows]


def asked(keeper, **question):
    answer = keeper.answer(question)
    assert "code" not in answer, answer
    return answer


@pytest.mark.promise(
    "Wallets, history, portfolios and statements are those of core, journal and ledger, to "
    "the unit; a statement that does not agree with the books is not shown",
    group="portal",
)
@pytest.mark.parametrize("currency", ["USD", "BTC"])
def test_every_portfolio_is_what_the_ledger_says(market, currency):
    made, _, books, rows, keeper = market
    closes = portfolio.closes_of([rows])
    profits = {method: reports.profits(books, [rows], method) for method in METHODS}
    gained = 0
    for who in made.people:
        over_time = records(portfolio.performance(books, [rows], who, currency, closes))
        for method in METHODS:
            answer = asked(
                keeper, ask="portfolio", participant=who, currency=currency, method=method
            )
            assert answer["holdings"] == records(portfolio.holdings(books, who, currency))
            own = [row for row in records(profits[method]) if row["participant"] == who]
            assert answer["instruments"] == own
            assert answer["last_day"] == over_time[-1]
            gained += any(row["realised"] for row in own)
        answer = asked(keeper, ask="performance", participant=who, currency=currency)
        assert answer["days"] == over_time
        value = sum(row["value"] for row in answer_holdings(answer, books, who, currency))
        assert over_time[-1]["value"] == value
        assert len(over_time) == DAYS
    assert gained > PEOPLE


def answer_holdings(answer, books, who, currency):
    return [row for row in records(portfolio.holdings(books, who, currency)) if row["value"]]


def test_lot_methods_differ_in_what_is_realised_and_agree_in_the_sum(market):
    _, _, books, rows, _ = market
    of = {method: records(reports.profits(books, [rows], method)) for method in METHODS}
    sums = {
        name: [row["realised"] + row["unrealised"] for row in table] for name, table in of.items()
    }
    assert sums["fifo"] == sums["lifo"] == sums["average"]
    realised = {tuple(row["realised"] for row in table) for table in of.values()}
    assert len(realised) == len(METHODS)


def test_the_same_as_the_command_line(market):
    made, _, _, _, keeper = market
    who, journal = made.people[7], str(made.file.journal)

    def told(*words):
        done = CliRunner().invoke(main, ["ledger", *words, "--format", "json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["rows"]

    answer = asked(keeper, ask="portfolio", participant=who, currency="USD", method="lifo")
    name = ("--participant", str(who))
    assert told("holdings", journal, *name, "--in", "USD") == answer["holdings"]
    assert told("pnl", journal, *name, "--method", "lifo") == answer["instruments"]
    assert told("performance", journal, *name, "--in", "USD")[-1] == answer["last_day"]


def test_an_answer_follows_the_history(tmp_path, postgresql):
    """What is kept of a participant is brought along, a part of the journal at a time."""
    made = generated_market(tmp_path, 6, 3_000, 9, 2, block=256)
    url = fresh_database(postgresql)
    who = made.people[2]
    from openoutcry.portal.history import projector

    with projector.connected(url) as connection, projector.connected(url) as reading:
        writer = projector.Projector(made.file, connection)
        writer.begin()
        keeper, parts = Bookkeeper(made.file, reading), 0
        question = {"ask": "portfolio", "participant": who, "currency": "USD", "method": "average"}
        while writer.follower.poll(writer.follower.seq + 700):
            writer._write()
            answer = asked(keeper, **question)
            assert answer == asked(Bookkeeper(made.file, reading), **question)
            parts += 1
    assert parts > 3
    state = ledger_state.at(made.file.journal)
    assert answer["holdings"] == records(portfolio.holdings(state.books, who, "USD"))


@pytest.mark.parametrize("currency", ["USD", "BTC"])
def test_contracts_change_no_value_of_a_wallet(contracts, currency):
    """Their prices of earlier days are closing prices, too, and lead from no asset to another."""
    made, books, rows, keeper = contracts
    closes = portfolio.closes_of([rows])
    profits = records(reports.profits(books, [rows], "fifo"))
    assert {row["instrument"] for row in profits} > set(SYMBOLS)
    for who in made.people:
        question = {"participant": who, "currency": currency}
        answer = asked(keeper, ask="portfolio", method="fifo", **question)
        assert answer["instruments"] == [row for row in profits if row["participant"] == who]
        days = asked(keeper, ask="performance", **question)["days"]
        assert days == records(portfolio.performance(books, [rows], who, currency, closes))
        assert len(days) == DAYS
        assert days[-1]["value"] == sum(row["value"] for row in answer["holdings"])


def test_a_contract_has_earned_what_its_transactions_moved(contracts):
    """Marks, funding, premiums, payoffs and settlements, of linear and inverse contracts."""
    made, books, rows, keeper = contracts
    kinds = {Kind(int(kind)) for kind in rows["kind"]}
    assert {Kind.MARKED, Kind.FUNDING, Kind.SETTLED, Kind.PLEDGED} < kinds
    for who in made.people:
        own = rows[rows["participant"] == who]
        question = {"participant": who, "currency": "USD", "method": "fifo"}
        for row in asked(keeper, ask="portfolio", **question)["instruments"]:
            if row["instrument"] not in SYMBOLS:
                continue
            of = own[own["instrument"] == books.symbols.index(row["instrument"])]
            moved = sum(int(of[name].sum()) for name in MONEY_COLUMNS[:4])
            # An option's lots are worth their mark; every other contract is paid at each.
            worth = row["value"] if row["instrument"] == "XAU-C" else 0
            gained = moved + worth + int(of["fee_income"].sum())
            assert row["realised"] + row["unrealised"] == gained, (who, row)


# Statements


def moment(day):
    return BEGIN_DAY + day


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (1, 2), (0, DAYS), (-5, DAYS + 9), (3, 3), (DAYS, DAYS + 2)]
)
def test_statements_of_any_days_are_the_ledgers(market, first, last):
    made, _, _, _, keeper = market
    journal = made.file.journal
    begin = ledger_state.at(journal, time_ns=moment(first) * DAY_NS - 1)
    end = ledger_state.at(journal, time_ns=(moment(last) + 1) * DAY_NS - 1)
    for who in made.people[::9]:
        days = {"first_day": moment(first), "last_day": moment(last)}
        answer = asked(keeper, ask="statement", participant=who, format="csv", **days)
        rows = transactions(journal, end, begin.seq, who)
        brought = begin.books if begin.seq else None
        wanted = reports.statement(end.books, rows, who, begin=brought)
        assert base64.b64decode(answer["data"]).decode() == wanted.as_csv()
        assert answer["rows"] == len(wanted.rows)


def test_a_statement_is_a_pdf(market):
    made, _, _, _, keeper = market
    days = {"first_day": moment(0), "last_day": moment(1)}
    answer = asked(keeper, ask="statement", participant=made.people[3], format="pdf", **days)
    assert base64.b64decode(answer["data"]).startswith(b"%PDF-")
    assert answer["type"] == "application/pdf"


@pytest.mark.parametrize("ask", ["statement", "tax"])
def test_a_pdf_is_in_the_users_language_and_no_figure_is_another(market, ask):
    """Programs read CSV and JSON, which are the same in every language."""
    made, _, _, _, keeper = market
    who = made.people[3]
    terms = {"first_day": moment(0), "last_day": moment(DAYS), "participant": who}

    def file(form, language):
        answer = asked(keeper, ask=ask, format=form, language=language, **terms)
        return base64.b64decode(answer["data"])

    english, german = (texts_of(file("pdf", language)) for language in ("en", "de"))
    assert figures(english) == figures(german)
    assert len(english) > 100
    assert (english[0], german[0]) == {
        "statement": (f"Statement of account {who}", f"Kontoauszug von Konto {who}"),
        "tax": (
            f"Realised gains by lot of participant {who}",
            f"Realisierte Gewinne je Lot von Teilnehmer {who}",
        ),
    }[ask]
    for form in ("csv", "json"):
        assert file(form, "de") == file(form, "en")


def test_tax_reports_are_the_ledgers(market):
    made, _, books, rows, keeper = market
    for who in made.people[::11]:
        days = {"first_day": moment(1), "last_day": moment(2)}
        answer = asked(keeper, ask="tax", participant=who, format="csv", **days)
        times = moment(1) * DAY_NS, moment(3) * DAY_NS
        wanted = tax(books, [rows], who, *times)
        assert base64.b64decode(answer["data"]).decode() == wanted.as_csv()
        assert wanted.rows
        closed = {row[4][:10] for row in wanted.rows}
        begin = datetime.fromtimestamp(moment(1) * 86_400, UTC).date().isoformat()
        assert min(closed) >= begin


@pytest.mark.promise(
    "Wallets, history, portfolios and statements are those of core, journal and ledger, to "
    "the unit; a statement that does not agree with the books is not shown",
    group="portal",
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_what_does_not_agree_with_the_books_is_not_shown(market, postgresql, is_deleted):
    made, _, _, rows, _ = market
    who = made.people[0]
    own = rows[(rows["participant"] == who) & (rows["kind"] == 2)]
    url = fresh_database(postgresql)
    follow(made.file, url, once=True)
    with psycopg.connect(url, autocommit=True) as connection:
        damage(connection, who, int(own["event_seq"][len(own) // 2]), is_deleted)
        keeper = Bookkeeper(made.file, connection)
        days = {"first_day": 0, "last_day": moment(DAYS), "format": "csv"}
        for ask in ("statement", "tax"):
            answer = keeper.answer({"ask": ask, "participant": who, **days})
            assert answer["code"] == DISAGREES
            assert "does not add up to its balances" in answer["detail"]
        question = {"ask": "portfolio", "participant": who, "currency": "USD", "method": "fifo"}
        assert "do not add up to its" in keeper.answer(question)["detail"]
        other = keeper.answer({"ask": "statement", "participant": who + 1, **days})
        assert "code" not in other


def damage(connection, who, event_seq, is_deleted):
    """Of the command that caused an event one unit is changed, or all transactions are deleted."""
    query = """
        select event_seq, packed from history.transactions
        where participant = %s and event_seq >= %s order by 1 limit 1
    """
    at, packed = connection.execute(query, (who, event_seq)).fetchone()
    if is_deleted:
        connection.execute("delete from history.transactions where event_seq = %s", (at,))
        return
    rows = unpacked(packed, TRANSACTION_WORDS)
    rows[0, AT["available"] // 8] += 1
    query = "update history.transactions set packed = %s where event_seq = %s"
    connection.execute(query, (packed_rows(rows), at))


def test_without_a_history_there_is_no_answer(market, postgresql):
    made = market[0]
    url = fresh_database(postgresql)
    with psycopg.connect(url, autocommit=True) as connection:
        question = {"ask": "portfolio", "participant": 1_000, "currency": "USD", "method": "fifo"}
        answer = Bookkeeper(made.file, connection).answer(question)
    assert answer == {"code": "not_ready", "detail": "there is no history yet"}
