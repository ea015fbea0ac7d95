"""Reports are said in German: every text that they are made of, and with the same figures."""

import ast
import string

import numpy as np
import pytest

from openoutcry import PACKAGE
from openoutcry.ledger import reports, tax, texts_de
from openoutcry.ledger.layout import Kind
from openoutcry.ledger.report import Report
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
    wanted = {*said_in_the_code(), *heading, *standing, *reports.STATEMENT, *tax.COLUMNS}
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
    title = {"statement": "Kontoauszug von Teilnehmer", "tax": "Realisierte Gewinne je Lot von"}
    assert german[0].startswith(title[kind])
    assert "page 1 of" not in " ".join(german)
    columns = {*map(word, report.columns, ["de"] * len(report.columns))}
    assert columns <= set(german)


def test_a_report_without_words_is_as_it_was(tmp_path):
    """Cells that are plain texts, as symbols, are said in no language."""
    report = Report("plain", ("asset", "what"), [("posted", Said("posted"))])
    assert report.texts("de") == [("posted", "gebucht")]
    report.write_pdf(tmp_path / "plain.pdf", "de")
    assert texts_of((tmp_path / "plain.pdf").read_bytes())[:3] == ["Plain", "Asset", "Vorgang"]
