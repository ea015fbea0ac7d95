"""What a member is given names that member alone: reports and proofs, for every pair of members."""

import itertools
import json
import re
import shutil
import zlib

import numpy as np
import pytest

from openoutcry.ledger import reports
from openoutcry.ledger.day_end import end_day
from openoutcry.ledger.ledger_state import at, opened, save
from openoutcry.ledger.proof.files import inclusion_document
from openoutcry.ledger.proof.tree import SumTree
from openoutcry.ledger.tax import tax
from openoutcry.ledger.transactions import transactions
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire.enums import Side
from tests.oracles.ledger_trades import new
from tests.support.ledger import ledger_flow as flow

MEMBERS = (7_013, 7_127, 7_243, 7_351, 7_477)
ROOM = 1 << 13
BEGIN = 20_000


def marks(member):
    """What gives a member away: its number, its deposits, their sum."""
    return str(member), str(member * 1_009), str(member * 1_013), str(member * 2_022)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Every pair has traded, and each member has sent money that the venue does not know."""
    commands = [setting(Setting.LEDGER_ASSET, 2, 0, b"USD")]
    commands += [setting(Setting.LEDGER_QUOTE, 2, 0, b"PLAIN", named("USD"))]
    commands += [setting(Setting.LEDGER_TIER, flow.rates(100, 1_500), 0)]
    commands += [setting(Setting.LEDGER_FEES, 0, -1)]
    commands += [setting(Setting.FEE, 2, 0, b"PLAIN")]
    for member in MEMBERS:
        commands += [setting(Setting.DEPOSIT, member * 1_009, member, b"USD")]
        commands += [setting(Setting.DEPOSIT, member * 1_013, member, b"CHF")]
        commands += [setting(Setting.POSITION, 500, member, b"PLAIN", second=100)]
    for number, (seller, buyer) in enumerate(itertools.permutations(MEMBERS, 2)):
        commands.append(new(Side.SELL, 100, 3, seller, 100 + 2 * number, day=BEGIN))
        commands.append(new(Side.BUY, 100, 3, buyer, 101 + 2 * number, day=BEGIN))
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    orders["rx_ts_ns"] = BEGIN * flow.DAY_NS
    document = flow.config(participants=ROOM, leveraged=()) | {"source": "venue Members"}
    return flow.write_journal(tmp_path_factory.mktemp("members") / "day", orders, document)


def named(text):
    return int(np.array([text.encode()], "S8").view(np.int64)[0])


def words(data):
    """Every number in a file's text, a PDF's pages unpacked."""
    if data.startswith(b"%PDF"):
        parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
        data = b"\n".join(zlib.decompress(part) for part in parts if part[:1] == b"x")
        assert b"Tj" in data
    text = data.decode("latin-1")
    whole = re.sub(r"(?<=\d),(?=\d{3}\b)|(?<=\d)\.(?=\d)", "", text)
    return {*re.findall(r"\d+", text), *re.findall(r"\d+", whole)}


def assert_alone(what, member, data):
    seen = words(data)
    for other in MEMBERS:
        if other != member:
            assert seen.isdisjoint(marks(other)), (what, member, other)


def shown(report, tmp_path):
    """A report in every format that a member may be sent."""
    yield report.as_csv().encode()
    yield report.as_json().encode()
    path = tmp_path / "report.pdf"
    report.write_pdf(path)
    yield path.read_bytes()
    yield "\n".join([*report.heading.values(), *map(str, report.texts()), *report.notes]).encode()


@pytest.mark.promise("A statement, a report and a proof name their member alone.", group="files")
@pytest.mark.parametrize(
    "name", ["statement", "pending", "balances", "positions", "fifo", "average", "tax"]
)
def test_reports_of_a_member_name_no_other(market, tmp_path, name):
    ledger_state = at(market)
    books = ledger_state.books
    assert len(books.remarks) == len(MEMBERS)
    for member in MEMBERS:
        rows = list(transactions(market, ledger_state, 0, member))
        report = {
            "statement": lambda m, rows: reports.statement(books, rows, m),
            "pending": lambda m, rows: reports.statement(books, rows, m, pending=True),
            "balances": lambda m, rows: reports.balances(books, m),
            "positions": lambda m, rows: reports.positions(books, m),
            "fifo": lambda m, rows: reports.profits(books, rows, "fifo", m),
            "average": lambda m, rows: reports.profits(books, rows, "average", m),
            "tax": lambda m, rows: tax(books, rows, m),
        }[name](member, rows)
        for data in shown(report, tmp_path):
            assert_alone(name, member, data)
            assert not words(data).isdisjoint(marks(member))
        if name != "tax":
            assert len(report.notes) == 1
            assert f"to participant {member}:" in report.notes[0]
    # What the operator sees has all of them.
    assert all(f"participant {m}:" in str(reports.balances(books).notes) for m in MEMBERS)


@pytest.mark.parametrize("form", ["csv", "json", "pdf"])
def test_the_statements_of_a_closed_day_name_no_other(market, tmp_path, form):
    end_day(market, at(market, 12), at(market), tmp_path / "out", form)
    for member in MEMBERS:
        path = tmp_path / "out" / "statements" / f"participant-{member}.{form}"
        assert_alone(form, member, path.read_bytes())


def test_a_checkpoint_keeps_whose_each_note_is(market, tmp_path):
    ledger_state = at(market)
    path = save(ledger_state, tmp_path / "ledger")
    home = shutil.copytree(market, tmp_path / "day")
    shutil.copytree(path.parent, home / "ledger")
    again = opened(home)
    assert again.seq == ledger_state.seq
    assert again.books.remarks == ledger_state.books.remarks
    assert {remark.participant for remark in again.books.remarks} == set(MEMBERS)


def test_a_proof_names_no_other(market):
    held = {f"member{m}": (m * 1_009, m * 1_013) for m in MEMBERS}
    tree = SumTree(b"k" * 32, 100, held)
    for member in MEMBERS:
        document = json.dumps(inclusion_document(tree.inclusion(f"member{member}")))
        assert set(re.findall(r"member(\d+)", document)) == {str(member)}
