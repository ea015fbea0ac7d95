"""Trades off the book by the operator's desk: once for each reference wherever the machine was cut
off, in wallets and in margin, in ledger, feed and surveillance, and the same in a replay."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.market_data.bars import make_bars
from openoutcry.surveillance.cases import Case
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.dossier import dossier
from openoutcry.surveillance.run import Watching
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.off_book_desk import BUYER, SELLER, off_book, off_book_legs
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.off_book import OFF_BOOK_SHIFT
from tests.support.venue.cut_requests import cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, wallet
from tests.support.venue.venue_floor import WORD, order

USD, BTC = 10**6, 10**8


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("off-book"), FLOOR)
    for who in ("1", "2"):
        trading_floor.ask("deposit", who, str(10**6 * USD), "--asset", "USD")
        trading_floor.ask("deposit", who, str(1_000 * BTC), "--asset", "BTC")
    yield trading_floor
    trading_floor.close()


def asked(floor, request):
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, floor.journal_path, request)
        while not answer.done():
            floor.step()
    return answer.result()


def spot(reference, lots=50, price=5_000_000, asked_by=BUYER, buyer=1, seller=2):
    return off_book("BTC-USD", buyer, seller, lots, price, asked_by, reference)


def fills(floor):
    """The FILLED events of trades off the book."""
    _, events = floor.journal()
    is_off_book = events["order_id"] >> OFF_BOOK_SHIFT == 3
    return events[is_off_book & (events["kind"] == EventKind.FILLED)]


def test_what_two_agreed_on_is_traded_once(floor):
    before = wallet(floor, 1, "USD")[0], wallet(floor, 2, "BTC")[0]
    done = asked(floor, spot("rfq 1"))
    assert done["done"] == ["1 buys 50 BTC-USD at 5000000 ticks from 2, off the book"]
    assert asked(floor, spot("rfq 1"))["repeated"]
    # 50 lots of 0.0001 BTC at 50,000.00.
    assert before[0] - wallet(floor, 1, "USD")[0] == 250 * USD
    assert before[1] - wallet(floor, 2, "BTC")[0] == BTC // 200
    assert [int(one) for one in fills(floor)["participant"]] == [2, 1]
    with pytest.raises(DeskError, match="'rfq 1' belongs to a different request"):
        asked(floor, spot("rfq 1", lots=51))


def test_the_command_books_a_trade(floor):
    count = len(fills(floor))
    command = ("off-book", "1", "2", "5", "BTC-USD", "5000000", "--asked-by", "seller")
    done = floor.ask(*command, "--reference", "by command")
    assert done["done"] == ["1 buys 5 BTC-USD at 5000000 ticks from 2, off the book"]
    assert floor.ask(*command, "--reference", "by command")["repeated"]
    assert len(fills(floor)) == count + 2


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("asked_by", [BUYER, SELLER])
def test_a_machine_that_is_gone_after_any_command_trades_once(floor, after, asked_by):
    request = spot(f"cut {asked_by} {after}", asked_by=asked_by)
    before, count = wallet(floor, 2, "USD")[0], len(fills(floor))
    cut_off(floor, request, after)
    for _ in range(2):
        asked(floor, request)
    floor.again()
    assert asked(floor, request)["repeated"]
    assert len(fills(floor)) == count + 2
    fee = 0 if asked_by == BUYER else 250 * USD // 1_000
    assert wallet(floor, 2, "USD")[0] - before == 250 * USD - fee


def test_what_a_side_cannot_pay_is_refused_with_the_reason(floor):
    count = len(fills(floor))
    with pytest.raises(DeskError, match="refused by the limits of a side: balance"):
        asked(floor, spot("too much", buyer=3, seller=2))
    with pytest.raises(DeskError, match="max qty"):
        asked(floor, spot("too large", lots=101))
    assert len(fills(floor)) == count
    floor.ask("deposit", "3", str(1_000 * USD), "--asset", "USD")
    asked(floor, spot("too much", buyer=3, seller=2))
    assert len(fills(floor)) == count + 2


@pytest.mark.promise(
    "Reopening a killed market, and a trade off the book that a named operator asks for, take"
    " two people",
    group="venue",
)
@pytest.mark.parametrize("second", ["of two", "of the other"])
def test_no_person_alone_lets_two_participants_trade(floor, second):
    """At any price within the bands it moves money from one to the other, as a deposit does."""
    count, terms = len(fills(floor)), {"password": WORD}
    request = spot("of two", lots=7 + len(second)) | terms
    assert asked(floor, request | {"operator": "anna", "reference": f"of two {second}"})["waits"]
    assert len(fills(floor)) == count
    last = request | {"operator": "bert", "reference": f"{second} {second}"}
    assert "waits" not in asked(floor, last)
    assert len(fills(floor)) == count + 2


def pair(reference, lots=50, second="ETH-USD"):
    """Participant 1 buys one and sells another."""
    legs = [("BTC-USD", BUYER, lots, 5_000_000), (second, SELLER, 20, 300_000)]
    return off_book_legs(1, 2, legs, reference)


def test_several_legs_are_traded_together(floor):
    floor.ask("deposit", "1", str(10**10), "--asset", "ETH")
    before, count = wallet(floor, 1, "ETH")[0], len(fills(floor))
    done = asked(floor, pair("pair"))
    assert done["done"] == [
        "1 buys 50 BTC-USD at 5000000 ticks from 2; 2 buys 20 ETH-USD at 300000 ticks from 1, off "
        "the book"
    ]
    assert asked(floor, pair("pair"))["repeated"]
    assert [int(one) for one in fills(floor)["participant"][count:]] == [2, 1, 2, 1]
    assert wallet(floor, 1, "ETH")[0] < before
    with pytest.raises(DeskError, match="max qty"):
        asked(floor, pair("pair too large", lots=101))
    assert len(fills(floor)) == count + 4


@pytest.mark.parametrize("after", range(5))
def test_a_machine_that_is_gone_between_legs_trades_all_once(floor, after):
    floor.ask("deposit", "1", str(10**10), "--asset", "ETH")
    count, request = len(fills(floor)), pair(f"cut pair {after}")
    cut_off(floor, request, after)
    assert len(fills(floor)) == count + 4 * (after >= 4)
    for _ in range(2):
        asked(floor, request)
    floor.again()
    assert asked(floor, request)["repeated"]
    assert len(fills(floor)) == count + 4


def test_legs_that_cannot_be_are_named(floor):
    for legs, why in (
        ([], "a list of 1 to 8"),
        ([("BTC-USD", BUYER, 1, 5_000_000)] * 9, "a list of 1 to 8"),
        ([("XYZ", BUYER, 1, 5_000_000)], "no instrument 'XYZ'"),
        ([("BTC-USD", "both", 1, 5_000_000)], "asked_by is buyer or seller"),
    ):
        with pytest.raises(DeskError, match=why):
            asked(floor, off_book_legs(1, 2, legs, "wrong"))
    with pytest.raises(DeskError, match="each is a table"):
        asked(floor, off_book_legs(1, 2, [], "wrong") | {"legs": "[1]"})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"instrument": "XYZ"}, "no instrument 'XYZ'"),
        ({"asked_by": "both"}, "asked_by is buyer or seller"),
        ({"seller": 1}, "two participants"),
        ({"buyer": 999_999}, "participant"),
        ({"lots": "5"}, "lots and price"),
        ({"price": 2**60}, "lots and price"),
    ],
)
def test_what_cannot_be_is_named(floor, change, why):
    with pytest.raises(DeskError, match=why):
        asked(floor, spot("wrong") | change)


def test_a_margined_instrument_trades_off_the_book_too(floor):
    view = floor._desk.view
    index = floor._desk.limits.symbols.index("TIN")
    before = view.cell(1, index, 0), view.cell(2, index, 0)
    asked(floor, off_book("TIN", 2, 1, 10, 500, SELLER, "rfq tin"))
    floor.step()
    view = floor._desk.view
    assert (view.cell(1, index, 0), view.cell(2, index, 0)) == (before[0] - 10, before[1] + 10)


def test_ledger_and_bars_have_what_they_should(floor):
    """The books agree with the core after every command; bars are of the book's trades."""
    terms = {"symbol": b"BTC-USD"}
    floor.publish(order(9_001, Side.SELL, 3, 5_200_000, 2, **terms))
    floor.publish(order(9_002, Side.BUY, 3, 5_200_000, 1, **terms))
    of_day = make_bars(floor.journal_path, 86_400, "BTC-USD")
    assert [(bar.open_ticks, bar.volume_lots) for bar in of_day] == [(5_200_000, 3)]
    assert fills(floor)["price_ticks"].max() == 5_000_000
    assert Reconciliation(floor.journal_path, None, every=1).advance().difference is None


def test_surveillance_reads_a_trade_off_the_book_as_one(floor):
    """A price far from the market opens no case, and the dossier of a side has the trade."""
    asked(floor, spot("rfq far", price=3_000_000))
    settings = Settings()
    watching = Watching(floor.journal_path, settings)
    hits = [hit for batch in watching.advance() for hit in batch]
    watching.close()
    commands, _ = floor.journal()
    at = int(fills(floor)["cause_seq"][-1])
    assert not [hit for hit in hits if hit["seq"] == at]
    when_ns = int(commands["rx_ts_ns"][commands["seq"] == at][0])
    case = Case(1, "none", (1,), "BTC-USD", *3 * [when_ns], at, at, 0, 0, 50, 0, 0, 0)
    found = dossier(floor.journal_path, case, settings)
    assert (when_ns, 3_000_000, 50, "buy") in found.trades
    rows = [(row["what"], row["side"], row["type"]) for row in found.lines if row["seq"] == at]
    assert rows == [("accepted", "buy", "off book"), ("filled", "buy", "")]
