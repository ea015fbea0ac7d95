"""Text from outside into every sink: 10,000 hostile strings through every field of every door, and
through whatever shows or writes them.  No traceback, no control character, no markup, nothing that
a spreadsheet runs."""

import csv
import email
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from email import policy
from types import SimpleNamespace

import click
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.console import Console

from openoutcry.cli.columns import print_columns
from openoutcry.cli.csv_out import write_rows
from openoutcry.cli.feed_ladder import drawn
from openoutcry.console.screen.notify import post_json
from openoutcry.journal.tables import safe_table
from openoutcry.ledger.report import Report
from openoutcry.operations.notify import MailServer, send_mail
from openoutcry.operations.outward import Outward
from openoutcry.report.charts import Frame
from openoutcry.report.page import render_page
from openoutcry.report.plain import plain_output
from openoutcry.surveillance.cases import Case
from openoutcry.surveillance.definitions import DEFINITIONS
from openoutcry.surveillance.dossier import Dossier
from openoutcry.surveillance.page import case_page
from openoutcry.venue.log import VenueLog, log_folder
from openoutcry.wire.text import printable
from tests.support.security.hostile_text import (
    SAFE_NAME,
    Shape,
    as_bytes,
    controls,
    formulas,
    hostile,
    wrong_json,
)
from tests.support.surveillance import audit_journals as journals

COUNT, SEED = 10_000, 47
TEXTS = list(hostile(COUNT, SEED))


def parts(size):
    """All of them, so many at a time."""
    return [TEXTS[at : at + size] for at in range(0, COUNT, size)]


# Sinks: each gives what is wrong with what it wrote.


def table(tmp_path, monkeypatch):
    """A table on a terminal."""
    for texts in parts(2_000):
        out = io.StringIO()
        print_columns(Console(file=out, width=5_000), ["text"], [[text] for text in texts])
        yield from controls(out.getvalue())
        lines = [line.strip() for line in out.getvalue().splitlines()]
        shown = [line.strip() for text in texts for line in printable(text, "\n").split("\n")]
        yield from set(filter(None, shown)) - set(lines)


def lines(tmp_path, monkeypatch):
    """Lines that a command writes to its output and its error stream."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), plain_output():
        for text in TEXTS:
            click.echo(text)
            click.echo(f"outcry: {text}", err=True)
            print(text)
            sys.stderr.write(text)
    yield from controls(out.getvalue(), "\n\t") + controls(err.getvalue(), "\n\t")
    if out.getvalue().count("\n") != sum(2 * (text.count("\n") + 1) for text in TEXTS):
        yield "lines are missing"


def ladder(tmp_path, monkeypatch):
    """The book of a feed that somebody else sends."""
    for text in TEXTS[:1_000]:
        out = io.StringIO()
        Console(file=out, width=1_000).print(drawn(text, [], [], text, text, 4))
        yield from controls(out.getvalue())
        if "".join(printable(text).split()) not in "".join(out.getvalue().split()):
            yield f"{text!r} is not shown as it is"


def csv_rows(tmp_path, monkeypatch):
    out = io.StringIO(newline="")
    write_rows(out, ["text", *TEXTS[:20]], [[text, text, *[1] * 19] for text in TEXTS])
    yield from controls(out.getvalue())
    yield from formulas(out.getvalue())


def csv_arrow(tmp_path, monkeypatch):
    """As `outcry journal sql --csv` writes it."""
    kept = [text for text in TEXTS if not any("\ud800" <= one <= "\udfff" for one in text)]
    out = io.BytesIO()
    pyarrow.csv.write_csv(safe_table(pa.table({"text": kept, "more": kept})), out)
    yield from controls(out.getvalue().decode())
    yield from formulas(out.getvalue().decode())


def report_of():
    rows = [(text, number) for number, text in enumerate(TEXTS)]
    return Report("a report", ("name", "amount"), rows)


def report_csv(tmp_path, monkeypatch):
    text = report_of().as_csv()
    yield from controls(text)
    yield from formulas(text)
    if len(list(csv.reader(io.StringIO(text, newline="")))) != COUNT + 1:
        yield "a row is missing"


def report_json(tmp_path, monkeypatch):
    text = report_of().as_json()
    yield from wrong_json(text)
    if [row["name"] for row in json.loads(text)["rows"]] != TEXTS:
        yield "a text is different"


def report_parquet(tmp_path, monkeypatch):
    report_of().write_parquet(tmp_path / "report.parquet")
    stored = pyarrow.parquet.read_table(tmp_path / "report.parquet")["name"].to_pylist()
    yield from controls("".join(stored), "")
    if stored != [printable(text) for text in TEXTS]:
        yield "a text is different"


def report_pdf(tmp_path, monkeypatch):
    replace(report_of(), rows=report_of().rows[:300]).write_pdf(tmp_path / "report.pdf")
    if not (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF"):
        yield "no page"


def page(tmp_path, monkeypatch):
    """A template of ours: in text and in an attribute."""
    (tmp_path / "page.html").write_text(
        '<ul>{% for text in texts %}<li title="{{ text }}">{{ text }}</li>{% endfor %}</ul>'
    )
    html = render_page("page.html", {}, folder=tmp_path, texts=TEXTS)
    shape = Shape(html)
    yield from shape.strange
    yield from controls(html, "\n\t")
    items = [("li", ("title",)), ("/li", ())] * COUNT
    if shape.elements != [("ul", ()), *items, ("/ul", ())]:
        yield "a text is markup"


def case(text):
    detector = next(iter(DEFINITIONS))
    return Case(1, detector, (1,), text, 1, 1, 2, 1, 2, 50, 1, 1, 0, 0, 1, head=text)


def cases(tmp_path, monkeypatch):
    """The page of a surveillance case, whose life people write."""
    plain = None
    for texts in [["x"] * 1_000, *parts(1_000)]:
        life = [{"when_ns": 1, "action": t, "who": t, "why": t} for t in texts]
        html = case_page(Dossier(case(texts[0]), {}, texts[1]), texts[2], life)
        shape = Shape(html)
        plain = plain or shape.elements
        yield from shape.strange
        yield from controls(html, "\n\t")
        if shape.elements != plain:
            yield "a text is markup"


def pictures(tmp_path, monkeypatch):
    for text in TEXTS:
        frame = Frame((100, 100), (0, 1), (0, 1), text, "x")
        frame.line([(0, 0), (1, 1)], "bid", text)
        frame.axes([(0.5, text)], [(0.5, text)], text, text)
        svg = frame.svg()
        yield from controls(svg)
        if {name for name, _ in Shape(svg).elements} - {
            "svg", "/svg", "path", "/path", "title", "/title", "text", "/text",
        }:  # fmt: skip
            yield f"{text!r} is markup"


def log(tmp_path, monkeypatch):
    journal = tmp_path / "journal"
    venue_log = VenueLog(journal, "venue", lambda: 0)
    for text in TEXTS:
        venue_log.write("info", text)
    venue_log.close()
    raw = (log_folder(journal) / "venue.jsonl").read_text()
    yield from wrong_json(raw)
    if raw.count("\n") != COUNT:
        yield "a text is more than a line"


def mails(tmp_path, monkeypatch):
    sent = []

    class Taking:
        def __enter__(self):
            return SimpleNamespace(send_message=lambda message: sent.append(message.as_bytes()))

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(MailServer, "connected", lambda self: Taking())
    texts = TEXTS[: COUNT // 8]  # each takes more than a millisecond
    for text in texts:
        send_mail(MailServer("h", 25), "a@example.com", ["b@example.com"], f"[x] {text}", text)
    for text, raw in zip(texts, sent, strict=True):
        message = email.message_from_bytes(raw, policy=policy.default)
        if sorted(set(map(str.lower, message.keys()))) != [
            "content-transfer-encoding", "content-type", "from", "mime-version", "subject", "to",
        ] or message["To"] != "b@example.com":  # fmt: skip
            yield f"{text!r} is a header"
        yield from controls(str(message["Subject"]))
        yield from controls(message.get_content())


def webhooks(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(Outward, "post", lambda self, url, body, headers: sent.append(body))
    for text in TEXTS:
        post_json("http://127.0.0.1/", {"summary": text})
    for text, body in zip(TEXTS, sent, strict=True):
        yield from wrong_json(body.decode("ascii"))
        if json.loads(body)["summary"] != text:
            yield f"{text!r} is another text"


SINKS = (
    table, lines, ladder, csv_rows, csv_arrow, report_csv, report_json, report_parquet, report_pdf,
    page, cases, pictures, log, mails, webhooks,
)  # fmt: skip


@pytest.mark.promise(
    "One function shows and writes text from outside. On terminals, in pages, CSV, JSON, "
    "Parquet, logs, mail and webhooks it is no control character, no markup and no formula. "
    "Text that a client of the portal chooses is no control character in any answer, mail or "
    "line of its log",
    group="text",
)
@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: sink.__name__)
def test_no_text_speaks_to_what_shows_it(sink, tmp_path, monkeypatch):
    assert list(sink(tmp_path, monkeypatch))[:5] == []


# A journal whose every row has a hostile symbol and a hostile name, through every command.

SHORT = [as_bytes(text)[:14] for text in TEXTS]


def written(folder, monkeypatch):
    """A journal of 10,000 commands, most of unknown symbols, that no acceptor has checked."""
    commands = journals.orders(2, COUNT)
    strange = np.arange(COUNT) % 4 != 0
    commands["symbol"][strange] = [
        SHORT[at][:8].replace(b"\0", b"\x1b") for at in np.flatnonzero(strange)
    ]
    monkeypatch.setattr(
        journals, "token_of", lambda seq: SHORT[seq % COUNT].replace(b"\0", b"\x1b")
    )
    return journals.write(folder / "day", commands, blocks=3)


def by_form(form, text):
    if form == "csv":
        return controls(text) + formulas(text)
    return wrong_json(text) if form == "json" else controls(text)


EVERYTHING = "select * from audit"
QUESTIONS = (
    EVERYTHING,
    "select symbol, count(*) as n, list(verdict) as all from audit group by symbol",
    "select encode(symbol::varchar) as raw, {'s': symbol} as s, [symbol] as l, "
    "map([symbol], [1]) as m from orders",
)


def commands_of(day):
    """Each with the form of its output and the status that it ends with."""
    for question in QUESTIONS:
        yield "table", 0, ("journal", "sql", day, question)
        yield "csv", 0, ("journal", "sql", day, question, "--csv")
        yield "json", 0, ("journal", "sql", day, question, "--json")
    yield "table", 1, ("journal", "sql", day, "select symbol::int from orders")
    yield "json", 1, ("journal", "sql", day, "select symbol::int from orders", "--json")
    yield "table", 0, ("journal", "verify", day)
    yield "table", 0, ("audit", "build", day)
    yield "table", 0, ("audit", "verify", day)
    for form in ("table", "csv", "json"):
        yield form, 0, ("audit", "participant", day, 3, "--format", form)
        yield form, 0, ("audit", "symbol", day, "PLAIN", "--action", "NEW", "--format", form)
    yield "table", 0, ("surveillance", "run", day)
    yield "json", 0, ("surveillance", "cases", day, "--json")
    yield "table", 0, ("ledger", "balances", day)
    yield "csv", 0, ("ledger", "balances", day, "--format", "csv")
    yield "table", 0, ("feed", "bars", day)
    for form in ("csv", "parquet"):
        yield "table", 0, ("journal", "export", day, "--format", form, "--out", f"orders.{form}")
    yield "table", 0, ("replay", day)
    yield "table", 0, ("replay", day, "--until", 900, "--show-book", "PLAIN")
    yield "json", 0, ("replay", day, "--until", 900, "--show-book", "PLAIN", "--json")
    yield "table", 1, ("replay", day, "--show-book", "\x1b[31m")
    yield "table", 1, ("journal", "ls", "no \x1b[31m journal")


@pytest.mark.promise(
    "Whatever symbols and names a journal has, every command over it ends in words, and what it "
    "prints and writes is no control character and no formula",
    group="text",
)
def test_no_command_over_a_hostile_journal_speaks_or_fails(tmp_path, monkeypatch, outcry):
    day = written(tmp_path, monkeypatch)
    faults = []
    for form, status, words in commands_of(day):
        done = outcry(*words)
        wrong = by_form(form, done.stdout)[:3] + controls(done.stderr)[:3]
        if done.returncode != status or wrong or "Traceback" in done.stderr:
            faults.append((words, done.returncode, wrong, done.stderr[-2_000:]))
    assert faults == []
    text = (tmp_path / "orders.csv").read_text()
    assert controls(text) + formulas(text) == []
    made = list(tmp_path.rglob("*"))
    assert len(made) > 10
    assert [path.name for path in made if not SAFE_NAME.fullmatch(path.name)] == []
