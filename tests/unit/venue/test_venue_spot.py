"""Spot instruments in a venue: the file's mistakes, each by its word; wallets by the operator's
desk, over a restart and in a replay."""

import json
import re
from fractions import Fraction

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.journal.checkpoint import recover
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.ledger.schedules import money
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View
from openoutcry.venue.desk import DeskError
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.limits import LimitsError, check_structure, hook_settings
from openoutcry.venue.spot_tables import tick_units
from openoutcry.wire.enums import Side
from tests.support.risk.spot_page import HEAD, PEOPLE, TABLES
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import PORT, VENUE
from tests.support.venue.spot_floor import FLOOR
from tests.support.venue.venue_floor import MORE, order

FILE = HEAD + PEOPLE + TABLES
BTC_USD = TABLES.index('symbol = "BTC-USD"')


MAX_PRICE = next(line for line in FILE.splitlines() if line.startswith("max_price_ticks"))
LEAST = "taker_bps = 10\nminimum = 3"


def with_key(key, symbol="BTC-USD"):
    return FILE.replace(f'symbol = "{symbol}"\n', f'symbol = "{symbol}"\n{key}\n')


def without(key):
    """The first instrument's."""
    head, tail = FILE.split('symbol = "BTC-USD"')
    return head + 'symbol = "BTC-USD"' + tail.replace(key + "\n", "", 1)


def instead(old, new):
    assert old in FILE
    return FILE.replace(old, new, 1)


def read(tmp_path, text):
    path = tmp_path / "venue.toml"
    path.write_text(text)
    return read_venue(path)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (instead("lot_units = 10_000 ", "lot_units = 1_000 "), "tick_units", "would be 1/10 units"),
        (instead("lot_units = 10_000 ", "lot_units = 20_000 "), "tick_units", "is 2 units of USD"),
        (instead("decimals = 6 ", "decimals = 2 "), "tick_units", "1/10000 units of USD"),
        (instead('base = "BTC"', 'base = "XRP"'), "base", "no asset 'XRP'; there are: USD, BTC"),
        (instead('quote = "USD"', 'quote = "EUR"'), "quote", "no asset 'EUR'"),
        (instead('quote = "USD"', 'quote = "BTC"'), "quote", "is also the base asset"),
        (without("min_price_ticks = 1"), "min_price_ticks", "must be 1 or more"),
        (without(MAX_PRICE), "max_price_ticks", "must be at most"),
        (with_key("multiplier = 5"), "multiplier", "tick_units replaces it"),
        (with_key("leveraged = true"), "leveraged", "deliver from a wallet"),
        (with_key("fee = 5"), "fee", "fees follow a schedule"),
        (with_key("margin = 5"), "margin", "deliver from a wallet"),
        (with_key('asset = "USD"'), "asset", "quote names the asset that pays"),
        (with_key("amount_decimals = 2"), "amount_decimals", "its quote asset sets"),
        (instead('settlement = "spot"', 'settlement = "later"'), "settlement", "later"),
        (instead('settlement = "spot"\n', ""), "base", "only"),
        (without("tick_units = 1                # 0.01 x 0.0001 USD, in units of USD"),
         "tick_units", "is missing: a spot instrument needs it"),
        (instead('"received" ', '"quote" ').replace("taker_bps = 10", LEAST, 1), "minimum",
         "a minimum is not possible where buyers pay in the quote asset"),
        (instead("taker_bps = 10", "taker_bps = 10\nminimum = 2305843009213693953"), "minimum",
         "is at most 2305843009213693952"),
        (instead('"received" ', '"both" '), "collect", "both"),
        (instead("[calendar]", "partitions = 2\n[calendar]"), "settlement", "one partition, not 2"),
        (FILE + "[[limits]]\nno_short_sale = true\n", "no_short_sale", "has no positions"),
        (FILE + '[[limits]]\nasset = "EUR"\ncredit = 1\n', "asset", "no asset 'EUR'"),
        (FILE + '[[limits]]\nasset = "USD"\nloss = 1\n', "loss", "does not apply to an asset"),
        (FILE + '[[limits]]\nasset = "USD"\ncredit = "none"\n', "credit", "must be 0 to"),
        (FILE + '[[limits]]\nparticipant = 1\nasset = "USD"\nopening_balance = -1\n',
         "opening_balance", "must be 0 or more for a wallet"),
        (FILE + '[[limits]]\nasset = "USD"\nopening_balance = 1\n', "opening_balance",
         "applies to one participant"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_file_has_its_own_word(tmp_path, text, key, message):
    assert len(read(tmp_path, FILE).risk.money.spot) == 3
    with pytest.raises(VenueFileError) as error:
        read(tmp_path, text)
    found = [one for one in error.value.mistakes if one.key.endswith(key) and message in one.text]
    assert found, [str(one) for one in error.value.mistakes]


def test_an_asset_row_needs_a_spot_instrument(tmp_path):
    text = VENUE + MORE + PORT.format(port=1) + '[[asset]]\nname = "USD"\ndecimals = 2\n'
    assert read(tmp_path, text).risk.money.spot == {}
    with pytest.raises(VenueFileError, match="no spot instrument, and so no wallets"):
        read(tmp_path, text + '[[limits]]\nparticipant = 1\nasset = "USD"\ncredit = 5\n')
    with pytest.raises(VenueFileError, match="the venue has no spot instrument"):
        read(
            tmp_path,
            text + '[[fee_schedule]]\nname = "a"\nmaker_bps = 0\ntaker_bps = 0\n'
            'collect = "quote"\n',
        )


def test_a_tick_of_a_lot_is_exact():
    assert tick_units(10_000, 8, 6, 2) == 1
    assert tick_units(100_000, 8, 8, 5) == 1
    assert tick_units(1, 18, 2, 2) == Fraction(1, 10**18)


def test_what_is_the_journals_needs_a_new_one(tmp_path):
    venue = read(tmp_path, FILE)
    hooks = hook_settings([1], 1_024, venue.risk)
    again = json.loads(json.dumps(hooks))
    check_structure(again, venue.risk, [1])
    for other in (
        FILE.replace("lot_units = 10_000 ", "lot_units = 20_000 ").replace(
            "tick_units = 1  ", "tick_units = 2  "
        ),
        FILE.replace("ETH", "DOT"),
    ):
        with pytest.raises(LimitsError):
            check_structure(again, read(tmp_path, other).risk, [1])


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("spot"), FLOOR)
    yield trading_floor
    trading_floor.close()


def balance(floor, who, asset):
    view = View(recover(floor.journal_path).engine.region)
    assert all(held == net for held, net in map(view.wallets.total, view.wallets.names))
    return view.wallets.balance(who, asset)[:2]


def test_wallets_by_the_desk_over_a_restart_and_in_a_replay(floor):
    """Deposits, an order and its fill, what may not go out, a restart, and the same hash again."""
    floor.ask("deposit", "1", "5000000000", "--asset", "USD")
    floor.ask("deposit", "3", "100000000", "--asset", "BTC")
    bid = order(1, Side.BUY, 100, 50_000, who=1)
    offer = order(2, Side.SELL, 40, 50_000, who=3)
    for one in (bid, offer):
        one["symbol"] = b"BTC-USD"
    floor.send(bid, offer)
    assert balance(floor, 1, "USD") == (5_000_000_000 - 5_000_000, 3_000_000)
    assert balance(floor, 1, "BTC") == (400_000, 0)
    assert balance(floor, 3, "USD") == (1_998_000, 0)
    before = floor.settings()
    for words, message in (
        (("withdraw", "1", "4995000001", "--asset", "USD"), "4995.000000 USD available (3.000000"),
        (("withdraw", "1", "1", "--asset", "ETH"), "participant 1 has 0.00000000 ETH available"),
        (("deposit", "1", "1", "--asset", "EUR"), "there is no asset 'EUR'"),
        (("deposit", "1", "1", "--asset", "USD", "--purpose", "clearing"), "purposes are outside"),
        (("deposit", "1", "2001", "--asset", "USD", "--purpose", "fees"), "fees are 0.002000 USD"),
        (("assets", "declare", "DOT", "2"), "room for 3 assets"),
        (("assets", "quote", "BTC-USD", "USD", "6"), "its quote asset is fixed by the journal"),
    ):
        done = floor.outcry(*words)
        assert done.exit_code == 1
        assert message in done.output
    assert floor.settings() == before
    floor.ask("withdraw", "1", "4995000000", "--asset", "USD")
    floor.ask("deposit", "3", "2000", "--asset", "USD", "--purpose", "fees")
    floor.ask("assets", "credit", "3", "700", "ETH")
    floor.ask("fees", "volume", "3", "50")
    floor.ask("fees", "collect", "standard", "quote")
    floor.again()
    assert balance(floor, 1, "USD") == (0, 3_000_000)
    assert balance(floor, 3, "USD") == (2_000_000, 0)
    shown = CliRunner().invoke(
        main, ["venue", "limits", "show", "--venue", str(floor.file), "--json"]
    )
    rows = {(row["of"], row["what"]): row["value"] for row in json.loads(shown.stdout)}
    assert rows["participant 1 USD", "reserved"] == 3_000_000
    assert rows["participant 3 ETH", "credit"] == 700
    history = CliRunner().invoke(main, ["venue", "fees", "history", "--venue", str(floor.file)])
    assert "participant 3 may owe 0.00000700 ETH" in history.output
    assert "buyers pay in the quote asset" in history.output
    assert Setting.ASSET_CREDIT in floor.settings()


def test_the_ledger_has_every_wallet_of_the_core(floor):
    """Reconciled after each command; the rows of assets and fees say what the venue's file says."""
    verdict = Reconciliation(floor.journal_path, None, every=1).advance()
    assert verdict.difference is None
    books = at(floor.journal_path).books
    for who in range(1, 4):
        for number, (name, _) in enumerate(books.wallets):
            held = [int(books.in_wallets(kind)[who, number]) for kind in (0, 1)]
            assert held == list(balance(floor, who, name))
    assert not books.remarks
    shown = CliRunner().invoke(main, ["venue", "assets", "show", "--venue", str(floor.file)])
    assert re.search(r"BTC-MARGIN|USD-MARGIN", shown.output)
    rows = {row["asset"]: row["instruments"] for row in money(books)}
    assert rows["BTC"] == ["BTC-USD", "ETH-BTC"]
    assert rows["USD-MARGIN"] == ["GOLD", "TIN"]
    fees = CliRunner().invoke(main, ["venue", "fees", "show", "--venue", str(floor.file)])
    assert "standard" in fees.output


@pytest.mark.parametrize(
    ("volumes", "why"),
    [
        ("7", "'7' is not NAME=VOLUME"),
        ("1=5 1=6", "its name occurs twice"),
        ("1=-5", "is not NAME=VOLUME"),
        ("9999=5", "participants are 1 to"),
        ("x=5", "participants are 1 to"),
        (f"1={2**63}", "participants are 1 to"),
    ],
)
def test_volumes_that_cannot_be_have_their_own_word(floor, volumes, why):
    with pytest.raises(DeskError, match=re.escape(why)):
        floor._desk._work_of({"do": "fee-roll", "volumes": volumes})


def test_average_volumes_that_cannot_be_have_their_own_word(floor):
    for volumes, why in (("LEAD=5", "no instrument 'LEAD'"), (f"GOLD={2**63}", "more than")):
        with pytest.raises(DeskError, match=why):
            floor._desk._work_of({"do": "adv-roll", "volumes": volumes})


def test_a_minimum_by_the_desk(floor):
    """While buyers pay in the quote asset there is none."""
    floor.ask("fees", "collect", "standard", "received")
    floor.ask("fees", "minimum", "standard", "3")
    shown = floor.outcry("fees", "collect", "standard", "quote")
    assert "a minimum is not possible where buyers pay in the quote asset" in shown.output
    floor.ask("fees", "minimum", "standard", "0")
    floor.ask("fees", "collect", "standard", "quote")
    shown = floor.outcry("fees", "minimum", "standard", "3")
    assert "a minimum is not possible where buyers pay in the quote asset" in shown.output
