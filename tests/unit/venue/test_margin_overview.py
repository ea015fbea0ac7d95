"""All participants' margins on one page: the core's figures, the nearest to a call first, and who
takes positions over first."""

from fractions import Fraction
from random import Random

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.venue.margin_overview import margin_overview, nearest
from openoutcry.venue.waterfall import next_of_rank, place_of, ranked
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order

SYMBOLS = ["GOLD", "TIN"]


@pytest.fixture(scope="module", params=[CONTRACT_VENUE, SCENARIO_VENUE], ids=["lots", "scenarios"])
def floor(request, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("overview")
    (folder / "margin.toml").write_text(MARGIN_FILE)
    trading_floor = InlineFloor(folder, request.param)
    tin = {"symbol": b"TIN"}
    trading_floor.send(
        order(1, Side.BUY, 8, 5_000, who=1),
        order(2, Side.SELL, 8, 5_000, who=2),
        order(3, Side.BUY, 2, 200_000, who=3, **tin),
        order(4, Side.SELL, 2, 200_000, who=2, **tin),
        order(5, Side.BUY, 1, 4_900, who=3),
    )
    yield trading_floor
    trading_floor.close()


def test_the_nearest_to_a_call_is_first(floor: InlineFloor) -> None:
    view = floor.view
    document = margin_overview(view, SYMBOLS, {1: "one"})
    rows = document["participants"]
    assert {row["number"] for row in rows} == {1, 2, 3}, "the fund holds nothing"
    parts = [Fraction(row["maintenance"], row["equity"]) for row in rows]
    assert parts == sorted(parts, reverse=True)
    for row in rows:
        who = row["number"]
        assert (row["equity"], row["maintenance"]) == (view.means(who), view.maintenance(who))
        assert row["excess"] == row["equity"] - row["maintenance"]
        if view.portfolio is not None:
            assert (row["initial"], row["with_orders"]) == view.portfolio.initial(who)
        else:
            assert row["with_orders"] == row["initial"] + view.of(who, lay.RESERVED)
    assert [row["name"] for row in rows if row["number"] == 1] == ["one"]
    assert next(row for row in rows if row["number"] == 2)["positions"] == {"GOLD": -8, "TIN": -2}


def test_contracts_name_who_takes_over_first_and_the_fund_is_shown(floor: InlineFloor) -> None:
    document = margin_overview(floor.view, SYMBOLS, {})
    assert document["contracts"]["TIN"]["ranks"] == {"long": [3], "short": [2]}
    assert document["contracts"]["GOLD"]["mark"] == 5_000
    assert (
        document["insurance_fund"] | {"participant": 9, "balance": 2_000}
        == (document["insurance_fund"])
    )


def test_ranks_are_the_order_in_which_the_core_takes_them(floor: InlineFloor) -> None:
    """By the exact rule, with ties, losses and insolvent participants, in a copy of the state."""
    region, rng = floor.shared.regions[0].copy(), Random(56)
    view = View(region)
    count, at = len(view.participants), view.contracts.of(0, "mark")
    value = view.contracts.value(0, at)
    for _ in range(200):
        for who in range(count):
            view.cells[who, 0, lay.POSITION // 8] = rng.choice([-3, -1, 0, 1, 2])
            view.cells[who, 0, lay.MARK // 8] = rng.randint(-3, 3) * value
            view.participants[who, lay.FUNDED // 8] = rng.choice([-5, 0, 7, 10**6])
            view.participants[who, lay.PROFIT // 8] = 0
            view.participants[who, lay.CREDIT // 8] = 0
        for is_long in (True, False):

            def rank(who: int) -> tuple[bool, Fraction, int]:
                held, cost = (view.cell(who, 0, at) for at in (lay.POSITION, lay.MARK))
                means = view.means(who)
                return means <= 0, -Fraction(held * value - cost, max(means, 1)), who

            sign = 1 if is_long else -1
            holders = [w for w in range(count) if view.cell(w, 0, lay.POSITION) * sign > 0]
            expected = sorted(holders, key=rank)
            for most in (1, 3, count):
                assert ranked(view, 0, is_long, most) == expected[:most]
            if expected:
                place = rng.randrange(len(expected))
                assert place_of(view, expected[place], 0) == (place + 1, len(expected))
            none = [w for w in range(count) if view.cell(w, 0, lay.POSITION) == 0]
            assert not none or place_of(view, none[0], 0) == (0, 0)
            others = [w for w in range(count) if view.cell(w, 0, lay.POSITION) * sign < 0]
            if others and expected:
                first = expected[0] if view.means(expected[0]) > 0 else None
                assert next_of_rank(view, others[0], 0) == first


def test_those_with_nothing_left_come_before_all_and_the_unlimited_last(floor: InlineFloor) -> None:
    view = View(floor.shared.regions[0].copy())
    view.participants[3, lay.FUNDED // 8] = -view.participants[3, lay.PROFIT // 8] - 5
    view.participants[1, lay.MAINTENANCE_BPS // 8] = 0
    assert nearest(view) == [3, 2, 1]
