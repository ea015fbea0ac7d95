"""Scenario margin in a venue in one thread: orders, liquidation, parameters changed over kills,
what the command explains, and what a venue file may not say."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import check_structure, hook_settings
from openoutcry.venue.risk_tables import LimitsError
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.enums import Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order, risk_refusal

TIN = {"symbol": b"TIN"}


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("margin")
    (folder / "margin.toml").write_text(MARGIN_FILE)
    trading_floor = InlineFloor(folder, SCENARIO_VENUE)
    yield trading_floor
    trading_floor.close()


def figures(floor: InlineFloor, who: int) -> tuple[int, int, int]:
    """Maintenance, initial, and that with orders."""
    portfolio = floor.view.portfolio
    assert portfolio is not None
    return floor.view.of(who, lay.PORTFOLIO), *portfolio.initial(who)


def test_a_hedge_needs_less_than_its_legs(floor: InlineFloor) -> None:
    """Participant 1 has 60,000: 10 lots of GOLD need 50,000, and initially 55,000."""
    (refused,) = floor.send(order(1, Side.BUY, 11, 5_000, who=1))
    assert risk_refusal(refused)[0] == {"MARGIN"}
    floor.send(order(2, Side.BUY, 10, 5_000, who=1), order(3, Side.SELL, 10, 5_000, who=2))
    assert figures(floor, 1) == (50_000, 55_000, 55_000)
    # Another 5,000 are not enough for a lot of TIN that may fill or not.
    (refused,) = floor.send(order(4, Side.SELL, 1, 200_000, who=1, **TIN))
    assert risk_refusal(refused)[0] == {"MARGIN"}
    floor.ask("limits", "set", "deposit", "5000", "--participant", "1")
    floor.send(
        order(5, Side.SELL, 1, 200_000, who=1, **TIN), order(6, Side.BUY, 1, 200_000, who=3, **TIN)
    )
    # One delta of each is offset: a tenth of GOLD's price risk, and all of TIN's, at 50 %.
    maintenance, initial, _ = figures(floor, 1)
    assert maintenance == 50_000 - 2_499 + 10_000 - 5_000
    assert initial == -(-47_501 * 11 // 10) + 5_000


def test_the_command_explains_with_the_core_s_figures(floor: InlineFloor) -> None:
    words = ["margin", "explain", str(floor.file.parent / "margin.toml"), "1"]
    journal = ["--journal", str(floor.journal_path)]
    done = CliRunner().invoke(main, [*words, *journal, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    maintenance, initial, with_orders = figures(floor, 1)
    core = document["core"]
    assert (core["maintenance"], core["initial"], core["with_orders"]) == figures(floor, 1)
    assert document["maintenance"] == maintenance
    assert document["initial"] == initial == with_orders
    assert core["equity"] == document["equity"] == 65_000
    text = CliRunner().invoke(main, [*words, *journal]).output
    shown = [f"{decimal_text(units, 2)} USD" for units in (65_000, maintenance, initial)]
    assert "equity and credit {}, maintenance {}, initial {}".format(*shown) in text


def test_the_file_s_values_are_put_in_force_at_once_and_survive_a_kill(floor: InlineFloor) -> None:
    assert "already matches" in floor.ask("contract", "margin")["done"][0]
    path = floor.file.parent / "margin.toml"
    path.write_text(MARGIN_FILE.replace("rate = 500_000", "rate = 900_000"))
    assert "now matches" in floor.ask("contract", "margin", "--reference", "rate 1")["done"][0]
    assert floor.ask("contract", "margin", "--reference", "rate 1")["repeated"]
    changed = figures(floor, 1)
    assert changed[0] == 50_000 - 4_499 + 10_000 - 9_000
    assert floor.status()["risk"]["margin_changes"] == 1
    floor.again()
    assert figures(floor, 1) == changed
    assert floor.settings().count(Setting.MARGIN_OFFSET) == 1
    path.write_text(MARGIN_FILE.replace('XAU"\nprice_ticks = 5_000', 'XAU"\nprice_ticks = 0'))
    assert "price_ticks" in floor.ask("contract", "margin", status=1)["error"]
    path.write_text(MARGIN_FILE)
    words = ["venue", "limits", "history", "--venue", str(floor.file)]
    assert "1 commands change scenario margin" in CliRunner().invoke(main, words).stdout


def test_a_participant_below_the_margin_of_all_positions_is_liquidated(floor: InlineFloor) -> None:
    """First the part after which the least is needed: of GOLD, which has most of the risk."""
    floor.send(
        order(10, Side.BUY, 10, 4_600, who=3), order(11, Side.SELL, 1, 205_000, who=2, **TIN)
    )
    assert 65_000 - 100 * 300 < figures(floor, 1)[0] < 65_000 - 100 * 100
    floor.ask("contract", "mark", "GOLD", "4900")
    assert floor.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN == 0
    floor.ask("contract", "mark", "GOLD", "4700")
    floor.wait_for(lambda s: floor.view.cell(1, 0, lay.POSITION) == 0)
    parts = [note for note in floor.notes if "liquidation: participant 1" in note]
    assert "sells 10 GOLD" in parts[0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('file = "margin.toml"', 'file = "none.toml"', "No such file"),
        ('file = "margin.toml"', "", "margin.file"),
        ("multiplier = 10\n", "multiplier = 20\n", "multiplier is 10, the venue's 20"),
        ("reference_price_ticks = 5_000", "reference_price_ticks = 5_000\nmargin = 5", "sets it"),
        (
            "housekeeping_cores = 0",
            "housekeeping_cores = 0\npartitions = 2",
            "scenario margin needs one partition",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "venue.toml"
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    path.write_text(SCENARIO_VENUE)
    assert CliRunner().invoke(main, ["venue", "check", str(path)]).exit_code == 0
    assert old in SCENARIO_VENUE
    path.write_text(SCENARIO_VENUE.replace(old, new, 1))
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1, done.output
    assert says in done.output


def test_tiers_and_legs_are_the_journals_and_values_are_not(tmp_path: Path) -> None:
    path, margin = tmp_path / "venue.toml", tmp_path / "margin.toml"
    path.write_text(SCENARIO_VENUE)
    margin.write_text(MARGIN_FILE)
    file = read_venue(path)
    hooks = hook_settings([1, 2, 3, 9], file.order_capacity, file.risk)
    margin.write_text(MARGIN_FILE.replace("scan_ticks = 500", "scan_ticks = 600"))
    check_structure(hooks, read_venue(path).risk, [1, 2, 3, 9])
    for text in (
        MARGIN_FILE.replace("SN:short:1", "SN:short:2"),
        MARGIN_FILE.replace("mark_ticks = 5_000", "mark_ticks = 5_000\ntier = 1"),
    ):
        margin.write_text(text)
        with pytest.raises(LimitsError, match="are fixed by the journal"):
            check_structure(hooks, read_venue(path).risk, [1, 2, 3, 9])
    path.write_text(SCENARIO_VENUE.replace('[margin]\nfile = "margin.toml"\n', ""))
    with pytest.raises(LimitsError, match="scenario margin, its tiers"):
        check_structure(hooks, read_venue(path).risk, [1, 2, 3, 9])


def test_every_funding_is_listed(floor: InlineFloor) -> None:
    """Positions in TIN are funded at 0.1 % of 200,000: longs pay 200 a lot."""
    before = len(funding_of(floor))
    floor.ask("contract", "fund", "TIN", "--rate", "1000000")
    rows = funding_of(floor)[before:]
    assert {row["participant"]: row["lots"] for row in rows}[3] == 1
    assert all(row["paid"] == -200 * row["lots"] for row in rows)
    assert sum(row["lots"] for row in rows) == 0
    assert {(row["contract"], row["mark"]) for row in rows} == {("TIN", 200_000)}
    words = ["margin", "funding", str(floor.journal_path), "--participant", "3"]
    lines = CliRunner().invoke(main, words).stdout.splitlines()
    assert lines[-1].endswith(" participant 3: 1 TIN at 200000: -2.00 USD")
    assert all(" participant 3: " in line for line in lines)
    words[-1] = "77"
    assert CliRunner().invoke(main, words).stdout == "no funding for participant 77\n"


def funding_of(floor: InlineFloor) -> list[dict]:
    words = ["margin", "funding", str(floor.journal_path), "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
