"""Contracts in a venue in one thread: marks, funding, liquidation, the fund, takeovers and expiry,
asked for and by themselves, over kills; and what a venue file may not say."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.order_entry.drop_copy import COPY_DTYPE
from openoutcry.order_entry.spec import Protocol
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.venue.corporate_desk import CorporateDesk
from openoutcry.venue.desk import DeskError
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import check_structure, hook_settings
from openoutcry.venue.risk_tables import LimitsError
from openoutcry.venue.waterfall import next_of_rank
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.off_book import is_off_book
from tests.support.order_entry.sessions_venue import HASH
from tests.support.risk.contract_page import TABLES, ContractMarket
from tests.support.venue.contract_floor import CONTRACT_VENUE, CONTRACTS, OF_GOLD
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import kinds, order, risk_refusal

COPIES = f"""
[[port]]
protocol = "drop-copy"
address = "127.0.0.1:1"
[[port]]
protocol = "fix-drop-copy"
address = "127.0.0.1:2"
[[session]]
name = "COPY"
protocol = "drop-copy"
participant = 1
password = "{HASH}"
[[session]]
name = "REPORTS"
protocol = "fix-drop-copy"
participant = 2
password = "{HASH}"
"""


pytestmark = pytest.mark.xdist_group("contracts")  # one day of one venue


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("contracts"), CONTRACT_VENUE + COPIES)
    yield trading_floor
    trading_floor.close()


def balance(floor: InlineFloor, who: int) -> int:
    return floor.view.of(who, lay.BALANCE)


def test_marks_and_funding_are_done_once_by_their_reference(floor: InlineFloor) -> None:
    floor.send(order(1, Side.BUY, 10, 5_000, who=1), order(2, Side.SELL, 10, 5_000, who=2))
    tin = {"symbol": b"TIN"}
    floor.send(
        order(3, Side.BUY, 1, 200_000, who=3, **tin), order(4, Side.SELL, 1, 200_000, who=2, **tin)
    )
    words = ("contract", "mark", "GOLD", "4900", "--index", "4890", "--reference", "mark 1")
    assert "valued at 4900 ticks (index 4890)" in floor.ask(*words)["done"][0]
    assert floor.ask(*words)["repeated"]
    assert [balance(floor, who) for who in (1, 2)] == [50_000, 210_000]
    row = floor.status()["risk"]["contracts"]["GOLD"]
    assert (row["mark"], row["index"], row["expired"], row["final"]) == (4_900, 4_890, False, None)
    assert "no index yet" in floor.ask("contract", "fund", "TIN", status=1)["error"]
    floor.ask("contract", "mark", "TIN", "200200", "--index", "200000")
    floor.ask("contract", "fund", "TIN")
    # 0.1 % above the index, of 200,200 units: 200, and a fifth is carried.
    assert [balance(floor, who) for who in (2, 3)] == [210_000, 100_000]
    assert floor.status()["risk"]["contracts"]["TIN"]["period"] == 1
    assert floor.settings().count(Setting.CONTRACT_MARK) == 2


def test_a_default_goes_through_the_market_the_fund_and_the_other_side(
    floor: InlineFloor,
) -> None:
    """As on docs/derivatives.md, by the venue itself, with a kill after each step."""
    floor.ask("contract", "mark", "GOLD", "4600")
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [1])
    (refused,) = floor.send(order(5, Side.BUY, 1, 4_000, who=1))
    assert "KILLED" in risk_refusal(refused)[0]
    floor.again()
    floor.send(order(6, Side.BUY, 4, 4_500, who=3))
    floor.wait_for(lambda s: floor.view.cell(1, 0, lay.POSITION) == 6)
    assert balance(floor, 1) == 16_000
    floor.ask("contract", "mark", "GOLD", "4300")
    assert floor.status()["risk"]["deficits"] == {"1": 2_000}
    floor.again()
    assert floor.view.contracts.word("takeovers") == 0
    assert next_of_rank(floor.view, 1, 0) == 2
    floor.ask("contract", "mark", "GOLD", "4200")
    status = floor.wait_for(lambda s: s["risk"]["insurance_fund"]["covers"] == 1)
    assert status["risk"]["deficits"] == {}
    assert status["risk"]["insurance_fund"] == {
        "participant": 9,
        "balance": 0,
        "covers": 1,
        "covered": 2_000,
        "fees": 0,
        "takeovers": 1,
        "taken_over": 6,
        "losses": 6_000,
    }
    floor.again()
    assert [balance(floor, who) for who in (1, 9)] == [0, 0]
    assert floor.view.cell(2, 0, lay.POSITION) == -4
    total = sum(balance(floor, who) for who in range(10))
    assert total == 60_000 + 200_000 + 100_000 + 2_000
    takeover = "participant 2 takes over 6 GOLD"
    assert any(takeover in note for note in floor.notes)
    words = ["venue", "limits", "history", "--venue", str(floor.file)]
    history = CliRunner().invoke(main, words).stdout
    for text in (
        f"participant 1: {takeover} and pays 60.00 USD",
        "the insurance fund pays 20.00 USD",
    ):
        assert text in history
    assert "GOLD: marked at 4200" in history


def test_both_participants_hear_of_a_takeover(floor: InlineFloor) -> None:
    """On their drop copies, also after kills: participant 1 sold 6 to 2, at the mark."""
    copy, sold = floor.copy("COPY"), None
    while sold is None:
        kind, body = copy.packet()
        assert kind == "S"
        event = np.frombuffer(body, COPY_DTYPE)["event"][0]
        if event["kind"] == EventKind.FILLED and is_off_book(int(event["order_id"])):
            sold = event
    assert (sold["participant"], sold["side"]) == (1, Side.SELL)
    assert (sold["qty_lots"], sold["price_ticks"]) == (6, 4_200)
    reports = floor.fix("REPORTS", target="TEST", protocol=Protocol.FIX_DROP_COPY)
    order_id = f"P{sold['contra_id']}"
    while (bought := reports.next(1.0))[37] != order_id or bought[150] != "F":
        pass
    wanted = {54: "1", 32: "6", 31: "42.00", 151: "0", 448: "2"}
    assert {tag: bought[tag] for tag in wanted} == wanted


def test_past_its_expiry_orders_are_cancelled_and_all_is_settled(floor: InlineFloor) -> None:
    floor.send(order(7, Side.BUY, 1, 4_000, who=3))
    early = floor.ask("contract", "expire", "GOLD", "4250", status=1)["error"]
    assert "GOLD has not expired yet" in early
    floor.at("2026-11-23T16:00")
    status = floor.wait_for(lambda s: s["risk"]["contracts"]["GOLD"]["expired"])
    assert status["risk"]["contracts"]["GOLD"]["final"] is None
    floor.wait_for(lambda s: floor.view.of(3, lay.OPEN) == 0)
    (refused,) = floor.send(order(8, Side.BUY, 1, 4_000, who=3))
    assert risk_refusal(refused)[0] == {"EXPIRED"}
    _, events = floor.journal()
    assert EventKind.CANCELLED in kinds(events[events["order_id"] == 7])
    before = balance(floor, 3)
    floor.again()
    assert (
        "4 lots are settled at 4250 ticks"
        in floor.ask("contract", "expire", "GOLD", "4250")["done"][0]
    )
    assert balance(floor, 3) == before + 4 * 10 * 50
    assert not floor.view.cells[:, 0, lay.POSITION // 8].any()
    assert floor.status()["risk"]["contracts"]["GOLD"]["final"] == 4_250
    again = floor.ask("contract", "mark", "GOLD", "4300", status=1)["error"]
    assert "was settled at 4250 ticks" in again


def test_a_pause_stops_entry(floor: InlineFloor) -> None:
    floor.ask("contract", "pause", "TIN")
    assert floor.status()["risk"]["contracts"]["TIN"]["paused"]
    (refused,) = floor.send(order(9, Side.BUY, 1, 200_000, who=3, symbol=b"TIN"))
    assert EventKind.REJECTED in kinds(refused)
    floor.ask("contract", "resume", "TIN")
    (passed,) = floor.send(order(10, Side.BUY, 1, 100_000, who=3, symbol=b"TIN"))
    assert kinds(passed) == [EventKind.ACCEPTED]


def test_a_rate_that_is_worked_out_ends_at_three_quarters_of_a_percent(
    floor: InlineFloor,
) -> None:
    """As on docs/derivatives.md; a rate that is given has another end."""
    for mark, rate in ((220_000, 7_500_000), (180_000, -7_500_000)):
        floor.ask("contract", "mark", "TIN", str(mark), "--index", "200000")
        floor.ask("contract", "fund", "TIN")
        assert floor.view.contracts.of(1, "rate") == rate
    floor.ask("contract", "mark", "TIN", "200200", "--index", "200000")


def test_the_day_has_a_settlement_price(floor: InlineFloor) -> None:
    """By itself, once trading in the contract has ended: here as the next day begins."""
    assert floor.status()["risk"]["contracts"]["TIN"]["day"] == 0
    floor.stop()
    floor.at("2026-11-24T08:30")
    floor.open()
    row = floor.wait_for(lambda s: s["risk"]["contracts"]["TIN"]["day"])["risk"]["contracts"]["TIN"]
    assert (row["day"], row["settlement"]) == (20261123, 200_200)
    floor.again()
    done = floor.ask("contract", "settle", "TIN", "--price", "200300")["done"][0]
    assert done == "TIN: the settlement price of 20261124 is 200300 ticks"
    twice = floor.ask("contract", "settle", "TIN", status=1)["error"]
    assert "already has the settlement price of day 20261124" in twice


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mark", "LEAD", "5"), "there is no instrument 'LEAD'"),
        (("fund", "TIN", "--rate", "1000000001"), "is not -1000000000 to 1000000000"),
        (("mark", "TIN", str(2**41)), "ticks"),
    ],
)
def test_what_cannot_be_is_reported(floor: InlineFloor, words: tuple[str, ...], says: str) -> None:
    assert says in floor.ask("contract", *words, status=1)["error"]
    margin = floor.ask("limits", "set", "margin", "5", "--instrument", "GOLD", status=1)
    assert "GOLD has margin_bps" in margin["error"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('symbol = "GOLD"\nkind', 'symbol = "LEAD"\nkind', "there is no [[instrument]] 'LEAD'"),
        (
            "margin_bps = 1_000",
            "margin_bps = 1_000\nmargin = 5",
            "margin: margin_bps already sets it",
        ),
        *(
            (
                "min_price_ticks = 1\n",
                f"min_price_ticks = {lowest}\n",
                "margin_bps: follows the price",
            )
            for lowest in (0, -10_000)
        ),
        ("margin_bps = 1_000", "margin_bps = 1_000\nleveraged = true", "how it is paid"),
        ("margin_bps = 1_000", "margin_bps = 1_000\nmultiplier = 3", "sets the value of a tick"),
        ("reference_price_ticks = 5_000\n", "", "reference_price_ticks: is missing"),
        ("fund = 9", "fund = 8", "liquidation.fund: there is no participant 8"),
        (
            "multiplier = 10\n",
            'multiplier = 10\ndelivered_asset = "XAU"\ndelivered_units = 1\n',
            "delivered_asset",
        ),
        (
            "multiplier = 10\n",
            'multiplier = 10\ndelivered_asset = "USD"\ndelivered_units = 1\n',
            "delivers the asset that it is paid in",
        ),
        (
            "[[limits]]\nparticipant = 3",
            '[[limits]]\nparticipant = 3\ninstrument = "GOLD"\nopening_position = 5\n'
            "opening_price = 5\n[[limits]]\nparticipant = 3",
            "a contract starts without positions",
        ),
        (
            "housekeeping_cores = 0",
            "housekeeping_cores = 0\npartitions = 2",
            "a contract needs one",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(CONTRACT_VENUE)
    assert CliRunner().invoke(main, ["venue", "check", str(path)]).exit_code == 0
    assert old in CONTRACT_VENUE
    path.write_text(CONTRACT_VENUE.replace(old, new, 1))
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1, done.output
    assert says in done.output


def test_a_margin_that_follows_the_price_has_no_mark_at_which_it_is_nothing(tmp_path: Path) -> None:
    market = ContractMarket(tmp_path, TABLES)
    for price, done in ((1, True), (0, False), (-3_763, False)):
        day = 20261123 if done else 20261124
        for what, number in ((Setting.CONTRACT_MARK, 0), (Setting.CONTRACT_SETTLE, day)):
            assert market.apply(what, price, 0, "OIL-Z", number) == done
    assert market.view.instruments[0, lay.MARGIN // 8] == 1
    assert market.apply(Setting.CONTRACT_MARK, -3_763, 0, "GOLD-P"), "its margin is an amount"
    assert market.view.instruments[1, lay.MARGIN // 8] == 10_000


@pytest.mark.parametrize("contracts", [CONTRACTS, ""], ids=["a contract and another", "two others"])
def test_two_kinds_of_money_in_margin_accounts_are_refused(tmp_path: Path, contracts: str) -> None:
    text = VENUE + '[[asset]]\nname = "USD"\ndecimals = 2\n' * (not contracts) + contracts
    text += '[[asset]]\nname = "EUR"\ndecimals = 2\n'
    text = text.replace('symbol = "GOLD"', 'symbol = "GOLD"' + OF_GOLD * bool(contracts), 1)
    text = text.replace('symbol = "TIN"', 'symbol = "TIN"\nasset = "EUR"', 1)
    text = re.sub(r'\[\[contract\]\]\nsymbol = "TIN"[^[]*', "", text)
    path = tmp_path / "venue.toml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1
    assert "asset: TIN is quoted in EUR, and GOLD in USD: a margin account has" in done.output
    path.write_text(text.replace('asset = "EUR"\n', "", 1))
    assert CliRunner().invoke(main, ["venue", "check", str(path)]).exit_code == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [("multiplier = 10", "multiplier = 20"), ("fund = 9", "fund = 3"), ("T16:", "T17:")],
)
def test_contracts_are_the_journals(tmp_path: Path, old: str, new: str) -> None:
    """Another multiplier, fund or expiry needs another journal."""
    path = tmp_path / "venue.toml"
    path.write_text(CONTRACT_VENUE)
    file = read_venue(path)
    hooks = hook_settings([1, 2, 3, 9], file.order_capacity, file.risk)
    check_structure(hooks, file.risk, [1, 2, 3, 9])
    path.write_text(CONTRACT_VENUE.replace(old, new, 1))
    with pytest.raises(LimitsError, match="are fixed by the journal"):
        check_structure(hooks, read_venue(path).risk, [1, 2, 3, 9])


@pytest.mark.parametrize("symbol", ["OIL-Z", "GOLD-P", "OIL-C"])
def test_an_issuer_s_action_on_a_contract_is_refused_before_anything_is_cancelled(
    tmp_path: Path, symbol: str
) -> None:
    with pytest.raises(DeskError, match=f"{symbol} is leveraged or a contract"):
        issuers(tmp_path, symbol).work_of({"do": "split", "instrument": symbol, "new": 2}, 0)


def test_a_dividend_on_an_index_s_source_is_refused(tmp_path: Path) -> None:
    """Its contracts would be marked at the lower price."""
    request = {"do": "dividend", "instrument": "CASH", "amount": 2, "lots": 1, "price": 50}
    assert issuers(tmp_path, "CASH").work_of(request, 0).more == {"price": 50}
    index = SimpleNamespace(underlying="OIL", contracts=("OIL-Z",))
    with pytest.raises(DeskError, match="CASH is in the index of OIL, whose contracts"):
        issuers(tmp_path, "CASH", {"CASH": index}).work_of(request, 0)


CASH = """
[[instrument]]
symbol = "CASH"
min_price_ticks = 1
max_price_ticks = 1_000
reference_price_ticks = 100
"""


def issuers(folder: Path, halted: str, sources: dict[str, Any] | None = None) -> CorporateDesk:
    """The desk of the page's venue, where an instrument is halted."""
    market = ContractMarket(folder, TABLES.replace("[[contract]]", CASH + "[[contract]]", 1))
    row = market.view.instruments[market.symbols.index(halted)]
    row[lay.HALT // 8] |= OPERATORS_HALT
    given = market.symbols, MoneySpec(), market.view, lambda symbol, on: [], sources or {}
    return CorporateDesk(*given)
