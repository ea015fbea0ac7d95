"""Money in a venue: assets, fee schedules and deposits, of the file and of the operator, followed
by the ledger; mistakes of the file with their lines."""

import json
import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.ledger.accounts import Account, VenueAccount
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk.bits import LEDGER_SETTINGS, Setting
from openoutcry.venue.fee_tables import millionths
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.wire.enums import EventKind, Side
from tests import ROOT
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import PORT, VENUE
from tests.support.venue.venue_floor import MORE, WORD, order

MONEY = """
[[asset]]
name = "USD"
decimals = 2
[[asset]]
name = "EUR"
decimals = 2
[[fee_schedule]]
name = "standard"
maker_bps = -1
taker_bps = 25
minimum = 3
[[fee_schedule]]
name = "standard"
from_volume = 1_000_000
maker_bps = -2
taker_bps = 12.5
[[fee_schedule]]
name = "free"
maker_bps = 0
taker_bps = 0
[[fees]]
schedule = "standard"
[[fees]]
group = "alpha"
schedule = "free"
[[fees]]
participant = 3
instrument = "GOLD"
schedule = "standard"
"""


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("money"), VENUE + MORE + MONEY)
    yield trading_floor
    trading_floor.close()


def shown(floor, *words):
    done = CliRunner().invoke(main, ["venue", *words, "--venue", str(floor.file), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_what_the_file_and_the_operator_say_of_money_the_ledger_follows(floor):
    """Fees of the file, another schedule while trading, deposits with a purpose, a kill, and books
    that are the core's at the end."""
    first = floor.settings()
    money = [one for one in first if one in LEDGER_SETTINGS]
    assert money[:4] == [Setting.LEDGER_ASSET] * 2 + [Setting.LEDGER_QUOTE] * 2
    assert first.index(money[-1]) < first.index(Setting.DEPOSIT)
    assert first.count(Setting.LEDGER_TIER) == 16
    books = at(floor.journal_path).books
    assert books.monies == [("USD", 2), ("EUR", 2)]
    assert books.remarks == []
    fees = shown(floor, "fees", "show")
    rates = ("schedule", "from_volume", "maker_bps", "taker_bps", "minimum")
    assert [tuple(row[name] for name in rates) for row in fees["schedules"]] == [
        ("standard", 0, "-1", "25", 3),
        ("standard", 1_000_000, "-2", "12.5", 3),
        ("free", 0, "0", "0", 0),
    ]
    assert [tuple(row.values()) for row in fees["payers"]] == [
        (None, "", "standard"),
        (2, "", "free"),
        (3, "", "free"),
        (3, "GOLD", "standard"),
    ]
    words = ("deposit", "2", "100000", "--asset", "USD", "--why", "wire 7", "--operator")
    assert floor.ask(*words, "anna", password=WORD)["waits"]
    floor.ask(*words, "bert", password=WORD)
    # 10 lots at 100: the taker pays 0.25 % of 1,000, half to even 2, at least 3.
    floor.send(order(1, Side.SELL, 10, 100, who=1), order(2, Side.BUY, 10, 100, who=3))
    books = at(floor.journal_path).books
    assert books.balance(4, 0, Account.FEES_DUE) == -3
    assert books.balance(2, 0, Account.FEES_DUE) == 0
    floor.ask("fees", "set", "7", "--maker-bps", "0", "--taker-bps", "100")
    floor.ask("fees", "minimum", "7", "11")
    floor.ask("fees", "assign", "7", "--participant", "2")
    floor.ask("assets", "declare", "GBP", "2")
    floor.ask("deposit", "1", "500", "--asset", "USD", "--purpose", "clearing")
    floor.ask("withdraw", "3", "3", "--purpose", "fees")
    floor.again()
    assert [s for s in floor.settings() if s in LEDGER_SETTINGS][-4:] == [
        Setting.LEDGER_TIER,
        Setting.LEDGER_MINIMUM,
        Setting.LEDGER_FEES,
        Setting.LEDGER_ASSET,
    ]
    floor.send(order(3, Side.SELL, 10, 100, who=1), order(4, Side.BUY, 10, 100, who=2))
    books = at(floor.journal_path).books
    assert books.balance(3, 0, Account.FEES_DUE) == -11
    assert books.balance(4, 0, Account.FEES_DUE) == 0
    assert books.balance(0, 0, VenueAccount.FEE_INCOME) == 14
    assert books.balance(0, 0, VenueAccount.CLEARING) == -500
    rows = shown(floor, "fees", "history")
    operators = {row["what"]: row["operator"] for row in rows}
    assert operators["participant 2 gets 1000.00 USD from outside"] == "bert"
    assert operators["participant 3 gives 0.03 USD to fees"] == ""
    assert [row["asset"] for row in shown(floor, "assets", "show")["assets"]] == [
        "USD",
        "EUR",
        "GBP",
    ]
    actions = CliRunner().invoke(main, ["venue", "actions", str(floor.file)])
    assert "anna: deposit 2 100000 units USD outside: wire 7" in actions.stdout
    assert "bert: deposit 2 100000 units USD outside: wire 7" in actions.stdout
    assert Reconciliation(floor.journal_path, None).advance().difference is None


def test_dividends_and_splits_adjust_what_is_held_and_the_price(floor):
    """By two persons, of a halted instrument: positions, money, open orders, the reference price;
    the same in the core, the ledger and a venue that was killed behind it."""
    floor.send(order(11, Side.SELL, 7, 200, who=1), order(12, Side.BUY, 7, 200, who=2))
    floor.send(order(13, Side.SELL, 5, 210, who=1))
    before = at(floor.journal_path).books
    lots = {who: before.balance(who + 1, 8, 0) + before.balance(who + 1, 8, 1) for who in (1, 2, 3)}
    assert lots[2] > 0 > lots[1]
    words = ("corporate", "split", "GOLD", "3", "2", "--operator")
    assert "GOLD is not halted" in floor.outcry(*words[:-1]).output
    floor.ask("halt", "GOLD")
    assert floor.ask(*words, "anna", password=WORD)["waits"]
    done = floor.ask(*words, "bert", password=WORD)
    assert done["price"] == 133
    assert done["done"][0] == "GOLD: all open orders are cancelled"
    books = at(floor.journal_path).books
    for who, was in lots.items():
        whole, part = divmod(abs(was) * 3, 2)
        sign = 1 if was > 0 else -1
        assert books.balance(who + 1, 8, 0) == sign * whole
        money = [sum(b.balance(who + 1, 0, kind) for kind in range(3)) for b in (before, books)]
        # Half a lot at 133 is 66.5: half to even.
        assert money[1] - money[0] == sign * 66 * part
    floor.again()
    floor.ask("corporate", "dividend", "GOLD", "5", "--lots", "3", "--price", "131")
    paid = at(floor.journal_path).books
    for who in lots:
        held = books.balance(who + 1, 8, 0)
        due = round(Fraction(5 * abs(held), 3)) * (1 if held > 0 else -1)
        money = [sum(b.balance(who + 1, 0, kind) for kind in range(3)) for b in (books, paid)]
        assert money[1] - money[0] == due
    floor.ask("resume", "instrument", "GOLD")
    floor.wait_for(lambda s: s["phases_sequenced"] and not s["risk"]["halted"])
    _, events = floor.journal()
    phase_changes = events[events["kind"] == EventKind.PHASE_CHANGED]
    assert phase_changes["price_ticks"][phase_changes["instrument"] == 0][-1] == 131
    rows = {row["what"]: row["operator"] for row in shown(floor, "fees", "history")}
    assert rows["GOLD split: 3 new lots for 2, the new price is 133 ticks"] == "bert"
    assert "GOLD dividend: 0.05 USD for 3 lots, the new price is 131 ticks" in rows
    assert Reconciliation(floor.journal_path, None).advance().difference is None


def test_the_commands_of_the_ledger_s_page_run(floor):
    text = (ROOT / "docs" / "ledger.md").read_text()
    block = text.split("## Dividends and splits")[1].split("```")[1]
    lines = [re.split(r"\s{2,}", line)[0] for line in block.splitlines() if "outcry" in line]
    assert len(lines) == 7
    for line in lines:
        done = floor.typed(*shlex.split(line)[2:], "--json", password=WORD)
        answer = json.loads(done.stdout.splitlines()[-1])
        assert answer["done"]
        assert answer.get("waits", False) == ("--operator" in line)
    assert Reconciliation(floor.journal_path, None).advance().difference is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deposit", "1", "5", "--asset", "CHF"], "there is no asset 'CHF'; there are: USD, EUR"),
        (["deposit", "1", "5", "--asset", "EUR"], "one balance, and cannot hold EUR as well"),
        (["assets", "quote", "TIN", "EUR", "2"], "GOLD is quoted in USD: a margin account has"),
        (["deposit", "99999", "5"], "there is no participant 99999"),
        (["deposit", "1", "9223372036854775807"], "is not"),
        (["withdraw", "2", "99999999"], "available; 999999.99 USD"),
        (["assets", "declare", "USD", "4"], "scale mismatch: USD has 2 decimals, not 4"),
        (["assets", "declare", "GOLD", "2"], "GOLD is an instrument's symbol"),
        (["assets", "quote", "GOLD", "USD", "4"], "amounts of GOLD have 4 decimals, USD has 2"),
        (["assets", "quote", "LEAD", "USD", "2"], "there is no instrument 'LEAD'"),
        (["fees", "set", "dear", "--maker-bps", "1", "--taker-bps", "1"], "no fee schedule 'dear'"),
        (
            ["fees", "set", "free", "--maker-bps", "0.001", "--taker-bps", "1"],
            "hundredth of a basis",
        ),
        (
            ["fees", "set", "free", "--maker-bps", "1", "--taker-bps", "10001"],
            "more than the whole amount",
        ),
        (
            ["fees", "set", "free", "--maker-bps", "1", "--taker-bps", "x"],
            "not a number of basis points",
        ),
        (["fees", "set", "free", "--tier", "8", "--maker-bps", "1", "--taker-bps", "1"], "0 to 7"),
        (["fees", "assign", "free", "--instrument", "LEAD"], "there is no instrument 'LEAD'"),
        (["corporate", "split", "LEAD", "2", "1"], "there is no instrument 'LEAD'"),
        (["corporate", "split", "TIN", "2", "1"], "TIN is not halted"),
    ],
)
def test_what_cannot_be_is_reported_and_sends_nothing(floor, words, message):
    before = len(floor.settings())
    done = floor.outcry(*words)
    assert done.exit_code != 0
    assert message in done.output
    assert len(floor.settings()) == before


def test_basis_points_are_exact():
    assert [millionths(one) for one in (1, 2.5, -0.01, "12.25", 0.29)] == [100, 250, -1, 1225, 29]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('[[asset]]\nname = "USD"\ndecimals = 4', "asset 'USD' already exists"),
        ('[[asset]]\nname = "GOLD"\ndecimals = 2', "'GOLD' is also an instrument's symbol"),
        ('[[asset]]\nname = "TOO LONG"\ndecimals = 2', "without space and colon"),
        ('[[asset]]\nname = "X"\ndecimals = 19', "19 is not 0 to 18"),
        (
            '[[fee_schedule]]\nname = "none"\nmaker_bps = 0\ntaker_bps = 0',
            "not a valid name of a schedule",
        ),
        ('[[fee_schedule]]\nname = "a"\nmaker_bps = 0.123\ntaker_bps = 0', "hundredth of a basis"),
        (
            '[[fee_schedule]]\nname = "a"\nfrom_volume = 5\nmaker_bps = 1\ntaker_bps = 1',
            "'a' has no tier that starts at volume 0",
        ),
        ('[[fee_schedule]]\nname = "standard"\nmaker_bps = 1\ntaker_bps = 1', "already exists"),
        ('[[fees]]\nschedule = "dear"\nparticipant = 1', "there is no fee schedule 'dear'"),
        ('[[fees]]\nschedule = "free"', "the fees of everybody:all already exists"),
        ('[[fees]]\nschedule = "free"\nparticipant = 9', "there is no participant 9"),
        ('[[fees]]\nschedule = "free"\ngroup = "beta"', "no participant is in group 'beta'"),
        ('[[fees]]\nschedule = "free"\ninstrument = "LEAD"', "there is no instrument 'LEAD'"),
        ('[[instrument]]\nsymbol = "LEAD"\nasset = "CHF"', "there is no asset 'CHF'"),
        ('[[instrument]]\nsymbol = "LEAD"\ndecimals = 4', "have 4 decimals, but USD has 2"),
    ],
)
def test_a_mistake_of_the_file_is_reported_with_its_line(tmp_path, line, message):
    text = VENUE + MORE + MONEY + PORT.format(port=1)
    path = Path(tmp_path / "venue.toml")
    path.write_text(text)
    assert read_venue(path).risk.money.payers[3, "GOLD"] == "standard"
    path.write_text(text + line + "\n")
    with pytest.raises(VenueFileError) as error:
        read_venue(path)
    (mistake,) = [one for one in error.value.mistakes if message in one.text]
    assert mistake.line > text.count("\n")
