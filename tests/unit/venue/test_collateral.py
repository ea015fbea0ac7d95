"""Collateral in a venue in one thread: pledged by the operator, priced by an index, with haircuts
that change over a kill; explained, recorded, and refused by name where it cannot be."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk import layout as lay
from openoutcry.venue.collateral_desk import CollateralDesk
from openoutcry.venue.desk import UNAVAILABLE, DeskError
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.file import read_venue
from openoutcry.venue.margin_view import MarginView
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.enums import Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order, risk_refusal

WALLETS = """
[[asset]]
name = "XAU"
decimals = 6
[[instrument]]
symbol = "XAU-USD"
settlement = "spot"
base = "XAU"
quote = "USD"
lot_units = 1_000_000
tick_units = 1
min_price_ticks = 1
max_price_ticks = 100_000
[[index]]
underlying = "XAU"
sources = ["east"]
every_ms = 500
stale_ms = 3_600_000
"""
PLEDGED = """
[[asset]]
name = "XAU"
price = [50_000, 1_000_000]
tiers = [[0, 100_000], [100_000, 200_000]]
"""
HEDGED_FILE = MARGIN_FILE.replace("scan_ticks", "pledges_hedge = true\nscan_ticks", 1) + PLEDGED
FILE = SCENARIO_VENUE.replace("[margin]\n", '[margin]\ncollateral = ["XAU"]\n') + WALLETS


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("collateral")
    (folder / "margin.toml").write_text(MARGIN_FILE + PLEDGED)
    trading_floor = InlineFloor(folder, FILE)
    trading_floor.ask("deposit", "1", "5000000", "--asset", "XAU")
    yield trading_floor
    trading_floor.close()


def counted(floor: InlineFloor, who: int = 1) -> int:
    portfolio = floor.view.portfolio
    assert portfolio is not None
    return int(portfolio.collateral()[who])


def mark(floor: InlineFloor) -> int:
    contracts = floor.view.contracts
    assert contracts is not None
    return contracts.of(0, "mark")


def test_what_is_pledged_lets_an_order_in(floor: InlineFloor) -> None:
    """Participant 1 has 60,000, and 11 lots of GOLD need 60,500."""
    (refused,) = floor.send(order(1, Side.BUY, 11, 5_000, who=1))
    assert risk_refusal(refused)[0] == {"MARGIN"}
    done = floor.ask("contract", "pledge", "1", "XAU", "3000000")["done"]
    assert done == ["participant 1 pledges 3.000000 XAU"]
    assert counted(floor) == 150_000 - 10_000 - 10_000
    floor.send(order(2, Side.BUY, 11, 5_000, who=1), order(3, Side.SELL, 11, 5_000, who=2))
    assert floor.view.cell(1, 0, lay.POSITION) == 11


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pledge", "1", "XAU", "2000001"), "has 2.000000 XAU available"),
        (("pledge", "1", "USD", "1"), "'USD' is no collateral; there are XAU"),
        (("release", "1", "XAU", "3000001"), "has pledged 3.000000 XAU"),
        (("release", "1", "XAU", "3000000"), "would not cover its initial margin"),
        (("collateral", "XAU", "1", "0"), "a price is for 1 unit"),
    ],
)
def test_what_cannot_be_is_refused_by_name(floor: InlineFloor, words, says) -> None:
    before = counted(floor)
    assert says in floor.ask("contract", *words, status=1)["error"]
    assert counted(floor) == before


def test_of_two_pledges_at_once_none_is_said_to_be_done_by_the_other() -> None:
    """Both would see that what is pledged has changed."""
    wallets = SimpleNamespace(balance=lambda who, name: (100, 0, 0), text=lambda units, asset: "")
    portfolio = SimpleNamespace(pledged=lambda who: {0: 5})
    seen = SimpleNamespace(participants=range(4), wallets=wallets, portfolio=portfolio)
    desk = CollateralDesk(seen, SimpleNamespace(collateral={"XAU": 0}, money=MoneySpec()))
    asked = {"do": "contract-pledge", "asset": "XAU", "participant": 1, "amount": 60}
    first = desk.work_of(asked, 0)
    first.begun()
    for do in ("contract-pledge", "contract-release"):
        with pytest.raises(DeskError, match="in progress; try again") as passing:
            desk.work_of(asked | {"do": do, "amount": 5}, 0)
        assert passing.value.code == UNAVAILABLE
    desk.work_of(asked | {"participant": 2}, 0)
    first.ended()
    desk.work_of(asked, 0)


def test_haircuts_of_the_file_are_in_force_at_once_and_after_a_kill(floor: InlineFloor) -> None:
    path = floor.file.parent / "margin.toml"
    path.write_text(MARGIN_FILE + PLEDGED.replace("[0, 100_000]", "[0, 300_000]"))
    assert "now matches" in floor.ask("contract", "margin")["done"][0]
    assert counted(floor) == 150_000 - 30_000 - 10_000
    floor.again()
    assert counted(floor) == 150_000 - 30_000 - 10_000
    assert "already matches" in floor.ask("contract", "margin")["done"][0]


def test_an_index_moves_the_price_of_the_asset_with_its_name(floor: InlineFloor) -> None:
    """5,000 ticks of it are 50,000 for a whole unit."""
    floor.ask("contract", "report", "XAU", "east", "4900")
    floor.wait_for(lambda s: counted(floor) == 147_000 - 30_000 - 9_400)


def test_the_figures_are_explained(floor: InlineFloor) -> None:
    file = read_venue(floor.file)
    document = MarginView(file.risk, list(file.symbols), floor.view).document(1)
    line = document["collateral"]["XAU"]
    assert (line["amount"], line["value"], line["counts"]) == (3_000_000, 147_000, counted(floor))
    assert document["equity"] == floor.view.equity(1) + counted(floor)
    # Both positions and pledge fall with XAU; without the pledge 49,000 would be too little now.
    assert 3_700 < document["liquidation"]["XAU"]["below"] < 4_300
    words = ["margin", "explain", str(floor.file.parent / "margin.toml"), "1"]
    words += ["--journal", str(floor.journal_path)]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    core = json.loads(done.output)["core"]
    assert core["collateral"]["XAU"] == line
    assert core["equity"] == document["equity"]
    assert "pledged 3.000000 XAU are worth 1470.00 USD" in CliRunner().invoke(main, words).output


def test_a_price_liquidates_and_the_fund_takes_the_pledge_over(floor: InlineFloor) -> None:
    """Losses are owed against collateral until it no longer covers the margin."""
    floor.ask("contract", "report", "XAU", "east", "4300")
    floor.wait_for(lambda s: floor.view.equity(1) == 60_000 - 11 * 700 * 10)
    assert not floor.view.of(1, lay.FLAGS)
    assert floor.view.debts() == {1: 17_000}
    floor.wait_for(lambda s: s["risk"].get("debts") == {"1": 17_000})
    floor.send(order(10, Side.BUY, 11, 4_000, who=2))
    floor.ask("contract", "report", "XAU", "east", "4000")
    # The fund has 2,000, of 86,000 that the pledge of 3,000,000 counts.
    floor.wait_for(lambda s: floor.view.equity(1) == 2_000 - 50_000)
    portfolio = floor.view.portfolio
    assert portfolio is not None
    taken = -(-3_000_000 * 2_000 // 86_000)
    assert list(portfolio.pledged(1).values()) == [3_000_000 - taken]
    history = CliRunner().invoke(main, ["venue", "limits", "history", "--venue", str(floor.file)])
    for text in ("pledges 3.000000 XAU", f"takes over {decimal_text(taken, 6)} XAU", "are worth"):
        assert text in history.stdout, history.stdout


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory):
    """Participant 3 has no money."""
    folder = tmp_path_factory.mktemp("poor")
    (folder / "margin.toml").write_text(MARGIN_FILE + PLEDGED)
    trading_floor = InlineFloor(
        folder, FILE.replace("opening_balance = 100_000", "opening_balance = 1")
    )
    yield trading_floor
    trading_floor.close()


def test_a_hedge_with_its_own_asset_is_not_called_between_two_commands(poor: InlineFloor) -> None:
    """What is pledged rises before the marks, and falls after them."""
    poor.ask("deposit", "3", "1000000", "--asset", "XAU")
    poor.ask("contract", "pledge", "3", "XAU", "1000000")
    poor.send(order(1, Side.SELL, 1, 5_000, who=3), order(2, Side.BUY, 1, 5_000, who=2))
    for price, worth in ((9_500, 85_500), (5_000, 45_000)):
        poor.ask("contract", "report", "XAU", "east", str(price))
        poor.wait_for(lambda s, now=(price, worth): (mark(poor), counted(poor, 3)) == now)
        assert not poor.view.of(3, lay.FLAGS)


def test_a_pledge_out_of_a_reversed_deposit_pays_for_it(poor: InlineFloor) -> None:
    poor.ask("deposit", "seen", "1", "500000", "XAU", "--reference", "tx 1")
    poor.ask("deposit", "credit", "tx 1")
    poor.ask("contract", "pledge", "1", "XAU", "400000")
    assert counted(poor) == 18_000
    poor.ask("deposit", "reverse", "tx 1")
    poor.wait_for(lambda s: s["risk"]["shortfalls"] == [])
    assert counted(poor) == 0
    text = "0.400000 XAU that participant 1 pledged pay for its reversed deposit"
    assert text in poor.notes


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('collateral = ["XAU"]', 'collateral = ["XAU", "XAU"]', "named once"),
        ('collateral = ["XAU"]', 'collateral = ["ZZZ"]', "'ZZZ' is not an asset with wallets"),
        ('collateral = ["XAU"]', 'collateral = ["USD"]', "USD is collateral"),
        ('collateral = ["XAU"]', "collateral = []", "pledges_hedge needs XAU in the venue's"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "venue.toml"
    (tmp_path / "margin.toml").write_text(HEDGED_FILE)
    path.write_text(FILE)
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 0, done.output
    path.write_text(FILE.replace(old, new, 1))
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1, done.output
    assert says in done.output


def test_a_hedge_is_in_force_from_the_file_and_follows_it(tmp_path: Path) -> None:
    """A hedged short needs less; wider scans change contracts and hedge together, after a kill
    too; a file without the hedge is another journal's."""
    (tmp_path / "margin.toml").write_text(HEDGED_FILE)
    floor = InlineFloor(tmp_path, FILE.replace("opening_balance = 100_000", "opening_balance = 1"))
    floor.ask("deposit", "3", "1000000", "--asset", "XAU")
    floor.ask("contract", "pledge", "3", "XAU", "1000000")
    floor.send(order(1, Side.SELL, 1, 5_000, who=3), order(2, Side.BUY, 1, 5_000, who=2))
    file, needed = read_venue(floor.file), []
    for scan in (None, 900):
        if scan:
            path = tmp_path / "margin.toml"
            path.write_text(
                re.sub(r"scan_ticks = \S+", f"scan_ticks = {scan}", HEDGED_FILE, count=1)
            )
            assert "now matches" in floor.ask("contract", "margin")["done"][0]
        document = MarginView(file.risk, list(file.symbols), floor.view).document(3)
        (commodity,) = document["commodities"].values()
        assert floor.view.scenario_margin(3) == document["maintenance"]
        needed.append((document["maintenance"], commodity["scenarios"][10]))
        floor.again()
    assert needed == [(501, 501), (901, 901)], "of 5,000 and of 9,000 nine tenths are hedged"
    (tmp_path / "margin.toml").write_text(MARGIN_FILE + PLEDGED)
    with pytest.raises(AssertionError, match="assets of collateral are fixed by the journal"):
        floor.ask("contract", "margin")
    floor.close()
