"""What pages show of a participant's margin: the core's numbers, and what its check will say of an
order."""

from random import Random

import pytest

from openoutcry.risk import layout as lay
from openoutcry.venue.file import read_venue
from openoutcry.venue.margin_view import MarginView
from openoutcry.wire.enums import CommandKind, EventKind, Side
from openoutcry.wire.errors import OutcryError
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order, risk_refusal

SYMBOLS, PRICES = ("GOLD", "TIN"), (5_000, 200_000)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("views")
    (folder / "margin.toml").write_text(MARGIN_FILE)
    trading_floor = InlineFloor(folder, SCENARIO_VENUE.replace("margin_bps", "#"))
    trading_floor.send(
        order(1, Side.BUY, 4, 5_000, who=1),
        order(2, Side.SELL, 4, 5_000, who=2),
        order(3, Side.BUY, 2, 200_000, who=2, symbol=b"TIN"),
        order(4, Side.SELL, 2, 200_000, who=1, symbol=b"TIN"),
    )
    yield trading_floor
    trading_floor.close()


def shown(floor: InlineFloor, who: int, *order_terms) -> dict:
    file = read_venue(floor.file)
    view = MarginView(file.risk, list(file.symbols), floor.view)
    return view.document(who, *order_terms)


def test_the_numbers_are_the_core_s_and_add_up(floor: InlineFloor) -> None:
    view = floor.view
    for who in (1, 2, 3):
        document = shown(floor, who)
        figures = document["initial"], document["with_orders"]
        assert figures == view.portfolio.initial(who)
        assert document["maintenance"] == view.of(who, lay.PORTFOLIO)
        assert document["equity"] == view.equity(who)
        parts = document["commodities"].values()
        assert document["maintenance"] == sum(part["maintenance"] for part in parts)
        for part in parts:
            assert part["scan"] == max(part["scenarios"])
            assert part["scenarios"][part["active"]] == part["scan"]
    assert set(shown(floor, 1)["commodities"]) == {"XAU", "SN"}
    assert shown(floor, 3)["commodities"] == {}


def test_positions_have_their_mark_and_their_last_funding(floor: InlineFloor) -> None:
    floor.ask("contract", "mark", "TIN", "200400", "--index", "200000")
    floor.ask("contract", "fund", "TIN", "--rate", "1000000")
    row = shown(floor, 1)["positions"]["TIN"]
    assert row == {
        "lots": -2,
        "mark": 200_400,
        "index": 200_000,
        "takeover_place": 1,
        "takeover_of": 1,
        "funding_period": 1,
        "funding_rate": 1_000_000,
    }
    assert "funding_rate" not in shown(floor, 1)["positions"]["GOLD"]


def test_greeks_and_liquidation_prices_are_at_the_core_s_marks(floor: InlineFloor) -> None:
    document = shown(floor, 1)
    assert document["greeks"]["XAU"]["delta"] == 40.0
    assert document["greeks"]["SN"]["delta"] == -2.0
    below = document["liquidation"]["XAU"]["below"]
    far = 40 * (5_000 - below)
    assert document["equity"] - far < document["maintenance"] <= document["equity"] - far + 40


def test_what_if_says_what_the_core_will_answer(floor: InlineFloor) -> None:
    """Of orders at any price, by participants with positions and open orders."""
    rng, answers, file = Random(56), {True: 0, False: 0}, read_venue(floor.file)
    for number in range(1_000, 1_030):
        place, who = rng.randrange(2), rng.choice([1, 2, 3])
        side, lots = rng.choice([Side.BUY, Side.SELL]), rng.randint(1, 8)
        # Far from the other side, so that nothing trades; a buyer may pay more than the mark.
        price = PRICES[place] + (rng.randint(-50, 40) if side is Side.BUY else rng.randint(50, 90))
        asked = SYMBOLS[place], lots if side is Side.BUY else -lots
        view = MarginView(file.risk, list(file.symbols), floor.view)
        is_accepted = view.what_if(who, asked, price)["accepted"]
        record = order(number, side, lots, price, who=who, symbol=SYMBOLS[place].encode())
        (events,) = floor.send(record)
        refused = (events["kind"] == EventKind.REJECTED).any()
        assert is_accepted == (not refused or "MARGIN" not in risk_refusal(events)[0])
        answers[is_accepted] += 1
        if not refused and rng.random() < 0.7:
            record["kind"] = CommandKind.CANCEL
            floor.send(record)
    assert min(answers.values()) > 3, answers


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ((70_000,), "there is no participant 70000"),
        ((1, ("LEAD", 1)), "LEAD:1 is not lots of a contract"),
        ((1, ("GOLD", 0)), "GOLD:0 is not lots of a contract"),
        ((1, ("GOLD", 2**50)), "GOLD: contract 0: more than"),
    ],
)
def test_what_cannot_be_is_refused_by_name(floor: InlineFloor, terms, says: str) -> None:
    with pytest.raises(OutcryError, match=says):
        shown(floor, *terms)


def test_a_venue_without_scenario_margin_has_none(floor: InlineFloor, tmp_path) -> None:
    (tmp_path / "venue.toml").write_text(CONTRACT_VENUE)
    file = read_venue(tmp_path / "venue.toml")
    with pytest.raises(OutcryError, match="its file has no \\[margin\\]"):
        MarginView(file.risk, list(file.symbols), floor.view)


def test_after_a_split_margin_is_the_same_as_by_a_file_in_new_prices(floor) -> None:
    """Of 2 for 1: the file keeps the terms of the listing."""
    was = shown(floor, 1)
    floor.ask("halt", "GOLD")
    floor.ask("contract", "adjust", "XAU", "2")
    now = shown(floor, 1)
    for name in ("equity", "maintenance", "initial", "with_orders", "commodities"):
        assert now[name] == was[name]
    assert now["greeks"]["XAU"]["delta"] == 2 * was["greeks"]["XAU"]["delta"]
    split = MARGIN_FILE.replace("price_ticks = 5_000\nscan_ticks = 500\nunit = 10\n", "#\n")
    assert split != MARGIN_FILE
    new = "price_ticks = 2_500\nscan_ticks = 250\nunit = 20\n"
    split = split.replace("#\n", new).replace("mark_ticks = 5_000", "mark_ticks = 2_500")
    (floor.file.parent / "margin.toml").write_text(split)
    # A third of the scan range is whole ticks, so arrays are not quite the same.
    floor.ask("contract", "margin")
    assert shown(floor, 1)["maintenance"] == was["maintenance"]
