"""Portfolio margin: CME's published examples, what no subset of orders exceeds, and the optimum."""

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from openoutcry.derivatives.collateral import Haircut, Price, collateral
from openoutcry.derivatives.contracts import CALL, FUTURE, PERPETUAL, PUT, Contract
from openoutcry.derivatives.margin import (
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    Refused,
    SpreadCharge,
    margin,
    worst_margin,
)
from openoutcry.derivatives.marks import Smile, Surface
from openoutcry.derivatives.scenarios import Scan, lot_delta, moves, paired, risk_array
from tests.support.credit_optimum import compared, least_charge, portfolios
from tests.support.portfolios import random_parameters, random_portfolio

PART = 1_000_000
THIRDS = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3)
DAY = 86_400_000_000_000


def future(scan, commodity=0, tier=0, extreme=0):
    losses = (*(-scan * one // 3 for one in THIRDS), -extreme, extreme)
    return ContractRisk(commodity, tier, losses, PART)


# What CME publishes.  Its page "Inter Spread Calculations"
# (https://www.cmegroup.com/clearing/margins/spread-calc.html) has the first two; the S&P 500 risk
# arrays are those that McMillan, Options as a Strategic Investment, chapter 34, prints.


def test_cme_s_inter_commodity_spread():
    """Corn against soybeans, 2:1, at 55 %: 1,750 × 2 + 2,500 = 6,000 outright, less 3,300, is
    2,700."""
    offset = Offset((Leg(0, 1, 2), Leg(1, -1, 1)), 550_000)
    parameters = Parameters(
        (future(1_750, 0), future(2_500, 1)), (CommodityRisk(), CommodityRisk()), (offset,)
    )
    made = margin(parameters, {0: 2, 1: -1})
    assert [part.scan for part in made.commodities] == [3_500, 2_500]
    assert sum(part.credit for part in made.commodities) == 3_300
    assert made.maintenance == 2_700
    assert margin(parameters, {0: -2, 1: 1}).maintenance == 2_700
    assert margin(parameters, {0: 2, 1: 1}).maintenance == 6_000


@pytest.mark.parametrize(
    ("positions", "needed"), [({0: 1, 1: -1}, 200), ({0: 1, 2: -1}, 300), ({1: 1, 2: -1}, 250)]
)
def test_cme_s_intra_commodity_spreads(positions, needed):
    """Months 2, 3 and 4 of a product at 500, 500 and 750; spread charges of 200, 50 and 0."""
    spreads = SpreadCharge((0, 1), 200), SpreadCharge((0, 2), 50), SpreadCharge((1, 2), 0)
    months = future(500, tier=0), future(500, tier=1), future(750, tier=2)
    assert margin(Parameters(months, (CommodityRisk(spreads),)), positions).maintenance == needed


SP_FUTURE = (0, 0, -3330, -3330, 3330, 3330, -6670, -6670, 6670, 6670)
SP_FUTURE = (*SP_FUTURE, -10_000, -10_000, 10_000, 10_000, -7_000, 7_000)
SP_CALL = (-460, 610, -2640, -1730, 1270, 2340, -5210, -4540, 2540, 3430)
SP_CALL = (*SP_CALL, -8060, -7640, 3380, 3990, -3130, 1500)


@pytest.mark.parametrize(
    ("positions", "needed", "scenario"),
    [({0: 1}, 10_000, 13), ({1: 1}, 3_990, 14), ({0: 1, 1: -1}, 6_620, 13)],
)
def test_the_s_p_500_risk_arrays(positions, needed, scenario):
    """A future, a December 410 call, and the covered write of both."""
    rows = ContractRisk(0, 0, SP_FUTURE, PART), ContractRisk(0, 0, SP_CALL, 500_000)
    made = margin(Parameters(rows, (CommodityRisk(),)), positions)
    assert made.maintenance == needed
    assert made.commodities[0].active + 1 == scenario


# Scenarios


def test_scenarios_are_in_the_published_order():
    scan = Scan(30, 5)
    assert [move for move, _, _ in moves(scan, 100)] == [
        *(0, 0, 10, 10, -10, -10, 20, 20, -20, -20, 30, 30, -30, -30, 60, -60)
    ]
    assert [shift for _, shift, _ in moves(scan, 100)] == [5, -5] * 7 + [0, 0]
    assert [paired(number) for number in range(16)] == [
        *(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14, 15)
    ]


def test_a_linear_future_loses_what_its_price_moves():
    lot = Contract("F", "B", FUTURE, "USD", 10, expiry_ns=1)
    losses = risk_array(lot, 1_000, 1_000, Scan(30), None, 0)
    assert losses[:6] == (0, 0, -100, -100, 100, 100)
    assert losses[12] == 300
    assert losses[15] == 198, "twice the scan range, of which a third counts"


def test_an_inverse_lot_loses_more_when_its_price_falls():
    lot = Contract("P", "B", PERPETUAL, "BTC", 10**12, inverse=True)
    losses = risk_array(lot, 1_000, 1_000, Scan(300), None, 0)
    assert losses[12] > -losses[10] > 0
    assert losses[12] == 10**12 // 700 - 10**9


def test_an_option_is_priced_again_in_each_scenario():
    surface = Surface((Smile(30 * DAY, (PART,), (500_000,)),), 1, 9_000_000)
    scan = Scan(3_000, 100_000, ahead_ns=DAY)
    terms = ("O", "B", CALL, "USD", 1, False, 30 * DAY, 60_000, 1)
    call, put = Contract(*terms), Contract(*terms[:2], PUT, *terms[3:])
    losses = risk_array(call, 3_430, 60_000, scan, surface, 0)
    assert losses[0] < 0 < losses[1], "volatility up is a gain"
    assert losses[10] < losses[2] < losses[4] < losses[12]
    falling = risk_array(put, 3_430, 60_000, scan, surface, 0)
    assert falling[10] > falling[12]
    delta = lot_delta(call, 60_000, surface, 0, 1)
    assert 500_000 < delta < 560_000
    assert lot_delta(put, 60_000, surface, 0, 1) == delta - PART


# The rules


def test_a_short_option_needs_its_minimum():
    row = ContractRisk(0, 0, (1,) * 16, 0, 50)
    parameters = Parameters((row,), (CommodityRisk(),))
    assert margin(parameters, {0: -3}).maintenance == 150
    assert margin(parameters, {0: 3}).maintenance == 3


def test_an_add_on_and_initial_margin_are_rounded_up():
    risk = CommodityRisk(addon=3, initial=1_100_000)
    row = ContractRisk(0, 0, (10,) * 16, 500_000)
    made = margin(Parameters((row,), (risk,)), {0: 1})
    assert (made.maintenance, made.initial) == (12, 14)


def test_spreads_use_up_delta_in_their_order():
    spreads = SpreadCharge((0, 2), 10), SpreadCharge((0, 1), 1_000)
    months = tuple(future(0, tier=tier) for tier in range(3))
    parameters = Parameters(months, (CommodityRisk(spreads),))
    assert margin(parameters, {0: 2, 1: -2, 2: -1}).maintenance == 10 + 1_000


def test_a_portfolio_that_could_leave_64_bits_is_refused():
    parameters = Parameters((future(1_000),), (CommodityRisk(),))
    most = parameters.contracts[0].most_lots
    assert margin(parameters, {0: most}).maintenance > 0
    with pytest.raises(Refused, match="contract 0: more than"):
        margin(parameters, {0: most + 1})
    with pytest.raises(Refused):
        worst_margin(parameters, {0: most}, [(0, -1)])


@pytest.mark.parametrize("seed", range(3))
def test_no_subset_of_the_open_orders_needs_more(seed):
    """Every subset, and random partial fills of it: no more than the worst margin, in every
    commodity; of scan risk the worst subset needs exactly as much."""
    rng, compared = Random(seed), 0
    while compared < 60:
        parameters = random_parameters(rng, 3, 8)
        positions, orders = random_portfolio(rng, parameters, 6)
        try:
            worst = worst_margin(parameters, positions, orders)
        except Refused:
            continue
        compared += 1
        largest = [0] * len(parameters.commodities)
        for size in range(len(orders) + 1):
            for subset in combinations(orders, size):
                for partial in (False, True):
                    filled = dict(positions)
                    for contract, lots in subset:
                        fill = rng.randint(0, abs(lots)) * (1 if lots > 0 else -1)
                        filled[contract] = filled.get(contract, 0) + (fill if partial else lots)
                    made = margin(parameters, filled)
                    assert made.maintenance <= worst.maintenance
                    assert made.initial <= worst.initial
                    for number, part in enumerate(made.commodities):
                        assert part.scan <= worst.commodities[number].scan
                        largest[number] = max(largest[number], part.scan)
        assert largest == [part.scan for part in worst.commodities]


def test_without_orders_the_worst_margin_is_the_margin():
    rng = Random(9)
    for _ in range(50):
        parameters = random_parameters(rng)
        positions, _ = random_portfolio(rng, parameters, 0)
        if all(abs(n) <= parameters.contracts[c].most_lots for c, n in positions.items()):
            assert margin(parameters, positions) == worst_margin(parameters, positions, [])


def test_an_offset_that_an_open_order_can_change_gives_no_credit():
    """Nor does a later one give more because the earlier might have used its legs up."""
    legs = (Leg(0, 1, 1), Leg(1, -1, 1)), (Leg(1, -1, 1), Leg(2, 1, 1))
    rows = tuple(future(1_000, number) for number in range(3))
    parameters = Parameters(
        rows, (CommodityRisk(),) * 3, (Offset(legs[0], 100_000), Offset(legs[1], 900_000))
    )
    positions = {1: -1, 2: 1}
    assert margin(parameters, positions).maintenance == 200
    assert worst_margin(parameters, positions, [(0, 1)]).maintenance == 3_000
    assert margin(parameters, {0: 1, **positions}).maintenance == 2_800


def test_credit_is_never_more_than_the_optimum():
    """The order of offsets and spreads decides, as in SPAN: a portfolio may get less credit than it
    could, and be charged more, never the other way round.  The long tier has 1,000 portfolios, and
    docs/margin.md the gap."""
    pytest.importorskip("scipy", reason="scipy is not installed: pip install scipy")
    rows = [compared(*one) for one in portfolios(7, 30)]
    assert all(row.is_credited for row in rows)
    assert any(row.most > 100 for row in rows)
    assert any(row.charged > 100 for row in rows)


def test_the_cheapest_spreads_may_be_others_than_the_first():
    """One long in two months, one short in the third: of two charges the rule takes the first."""
    pytest.importorskip("scipy", reason="scipy is not installed: pip install scipy")
    dear, cheap = SpreadCharge((0, 1), 500), SpreadCharge((1, 2), 50)
    rows = tuple(replace(future(1_000, 0), tier=tier) for tier in range(3))
    positions = {0: 1, 1: -1, 2: 1}
    for spreads, charged in (((dear, cheap), 500), ((cheap, dear), 50)):
        made = margin(Parameters(rows, (CommodityRisk(spreads),)), positions).commodities[0]
        assert made.intra == charged
        assert least_charge(spreads, made.tiers) == pytest.approx(50)


# Collateral


def test_collateral_is_worth_its_price_less_its_haircuts():
    prices = {"USD": Price(1, 1), "BTC": Price(6, 10)}
    haircuts = {"USD": Haircut(), "BTC": Haircut(((0, 50_000), (300, 200_000)))}
    lines = collateral({"USD": 100, "BTC": 1_001}, prices, haircuts)
    assert lines["USD"].counts == 100
    assert (lines["BTC"].value, lines["BTC"].by_size) == (600, 75)
    assert lines["BTC"].counts == 525


def test_what_is_concentrated_counts_less():
    prices = {"A": Price(1, 1), "B": Price(1, 1)}
    haircuts = {"A": Haircut(), "B": Haircut(share=500_000, concentrated=500_000)}
    assert collateral({"A": 300, "B": 700}, prices, haircuts)["B"].counts == 600
    assert collateral({"A": 700, "B": 300}, prices, haircuts)["B"].counts == 300


def test_a_debt_counts_in_full_and_rounded_up():
    lines = collateral({"USD": -3}, {"USD": Price(1, 2)}, {})
    assert lines["USD"].counts == -2
    with pytest.raises(ValueError, match="X: 5 units are owed"):
        collateral({"X": -5}, {}, {})


def test_an_asset_without_a_haircut_or_a_price_counts_nothing():
    assert collateral({"X": 5}, {}, {"X": Haircut()})["X"].counts == 0
    assert collateral({"X": 5}, {"X": Price(1, 1)}, {})["X"].counts == 0


@pytest.mark.parametrize("seed", range(2))
def test_more_of_an_asset_never_counts_less(seed):
    """Without concentration, which takes a share of the whole."""
    rng = Random(seed)
    for _ in range(200):
        begins = sorted({0, *rng.sample(range(1, 1_000), 2)})
        rules = Haircut(tuple((begin, rng.randint(0, PART)) for begin in begins))
        counts = [
            collateral({"A": amount}, {"A": Price(7, 3)}, {"A": rules})["A"].counts
            for amount in range(0, 600, 37)
        ]
        assert counts == sorted(counts)
        assert counts[0] == 0
