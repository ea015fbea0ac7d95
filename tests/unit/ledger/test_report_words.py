"""Reports are said in German: every text that they are made of, and with the same figures."""

import ast
import string

import numpy as np
import pytest

from openoutcry import PACKAGE
from openoutcry.ledger import reports, tax, texts_de
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.report import Report
from openoutcry.ledger.statement import COLUMNS, WORDS, capital
from openoutcry.ledger.words import TABLES, Said, in_language, listed, word
from tests.support.ledger.pdf_texts import figures, texts_of
from tests.support.ledger.spot_day import traded

STANDING = ("balance", "position")


def said_in_the_code():
    """The templates that the ledger's code writes."""
    for path in (PACKAGE / "ledger").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_said = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Said"
            if is_said and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def fields(template):
    return sorted(name for _, name, _, _ in string.Formatter().parse(template) if name)


def test_every_text_of_statements_and_tax_reports_has_german_words():
    heading = {"venue", "participant", "from", "to", "decimals"}
    standing = {f"{which} {what}" for which in ("opening", "closing") for what in STANDING}
    columns = {*reports.STATEMENT, *tax.COLUMNS, *WORDS}
    wanted = {*said_in_the_code(), *heading, *standing, *columns}
    assert wanted | {kind.name.lower() for kind in Kind} == texts_de.TEXTS.keys()
    for english, german in texts_de.TEXTS.items():
        assert fields(english) == fields(german), english


def test_a_text_is_english_and_can_be_said_in_german():
    pair = listed([Said("{asset} with {decimals}", asset="USD", decimals=6), "BTC"])
    assert pair == "USD with 6, BTC"
    assert in_language(pair, "de") == "USD mit 6, BTC"
    assert in_language("posted", "de") == "posted", "a name that is a word by chance"
    assert (word("fees", "de"), word("fees", "en"), word("GOLD", "de")) == (
        "Gebühren",
        "fees",
        "GOLD",
    )
    hostile = Said("event {seq}: {text}", seq=7, text="{seq} {0} posted")
    assert in_language(hostile, "de") == "Ereignis 7: {seq} {0} posted"


@pytest.fixture(scope="module")
def day():
    return traded(200, 7)


@pytest.mark.parametrize("kind", ["statement", "tax"])
def test_a_german_pdf_has_the_figures_of_the_english_one(day, tmp_path, kind):
    """CSV and JSON are the same: programs read them."""
    rows = np.concatenate(day.rows)
    who = int(rows["participant"][rows["kind"] == Kind.DELIVERED][0])
    if kind == "statement":
        report = reports.statement(day.books, [rows], who)
    else:
        report = tax.tax(day.books, [rows], who)
    assert len(report.rows) > 3
    plain = report.as_csv(), report.as_json()
    shown = {}
    for language in TABLES:
        path = tmp_path / f"{language}.pdf"
        report.write_pdf(path, language)
        shown[language] = texts_of(path.read_bytes())
    assert (report.as_csv(), report.as_json()) == plain
    english, german = shown["en"], shown["de"]
    assert figures(english) == figures(german)
    title = {"statement": "Kontoauszug von Konto", "tax": "Realisierte Gewinne je Lot von"}
    assert german[0].startswith(title[kind])
    assert "page 1 of" not in " ".join(german)
    names = COLUMNS if kind == "statement" else report.columns
    columns = {word(name, "de") for name in names}
    columns = set(map(capital, columns)) if kind == "statement" else columns
    assert columns <= set(german)


def test_a_report_without_words_is_as_it_was(tmp_path):
    """Cells that are plain texts, as symbols, are said in no language."""
    report = Report("plain", ("asset", "what"), [("posted", Said("posted"))])
    assert report.texts("de") == [("posted", "gebucht")]
    report.write_pdf(tmp_path / "plain.pdf", "de")
    assert texts_of((tmp_path / "plain.pdf").read_bytes())[:3] == ["Plain", "Asset", "Vorgang"]


def test_a_statement_reads_as_one_of_a_bank(day, tmp_path):
    """Owner, account, period, each asset between its opening and its closing balance, quantities
    and prices in the market's units, fees, and page numbers."""
    rows = np.concatenate(day.rows)
    who = int(rows["participant"][rows["kind"] == Kind.DELIVERED][0])
    report = reports.statement(day.books, [rows], who)
    report.holder, report.days = "anna@example.com", (20_000, 20_001)
    report.write_pdf(tmp_path / "statement.pdf")
    texts = texts_of((tmp_path / "statement.pdf").read_bytes())
    assert texts[0] == f"Statement of account {who}"
    facts = ["Account holder", "anna@example.com", "Account", str(who), "Period"]
    at = texts.index("Account holder")
    assert texts[at : at + 6] == [*facts, "2024-10-04 to 2024-10-05"]
    assert any(text.startswith("page 1 of ") for text in texts)
    sections = report.sections()
    for section in sections:
        moved = sum(amount + fee for _, _, amount, fee, _ in section.lines)
        assert section.opening + moved == section.closing
    assert texts.count("Opening balance") == texts.count("Closing balance") == len(sections)
    words = {"price_ticks", "lots", "posted", "delivered", "reserved", "position_lots"}
    assert not words & set(texts)
    bought = [text for text in texts if text.startswith(("Buy ", "Sell "))]
    assert any(" BTC at " in text for text in bought)


def test_a_statement_without_transactions_says_so(day, tmp_path):
    who = max(int(who) for who in np.concatenate(day.rows)["participant"]) + 1
    report = reports.statement(day.books, [], who)
    report.days = 0, 20_001
    report.write_pdf(tmp_path / "empty.pdf")
    texts = texts_of((tmp_path / "empty.pdf").read_bytes())
    assert "from the opening of the account to 2024-10-05" in texts
    assert "There were no transactions in this period." in texts
    assert "1970" not in "".join(texts)
