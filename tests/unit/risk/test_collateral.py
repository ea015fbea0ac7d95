"""Collateral in several assets in the core: pledges count after haircuts as the plain reference
says, change while trading, are never more than a wallet holds, and pay for what is owed."""

from dataclasses import replace

import numpy as np
import pytest

from openoutcry.derivatives.collateral import Haircut, Price, collateral
from openoutcry.derivatives.margin import margin, parameters_of
from openoutcry.derivatives.margin_layout import parameters_in, table_of
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import MovementStep, Setting
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.wire.enums import Side
from tests.support.risk.collateral import (
    COLLATERAL,
    HEDGING,
    CollateralOperator,
    ConservedCollateral,
    collateral_given,
    collateral_pair,
    haircut_commands,
    pledge,
    seizure,
    with_wallets,
)
from tests.support.risk.contracts import contract_instruments, funded, run_contracts
from tests.support.risk.movements import Movements
from tests.support.risk.portfolio import UNDER_SCENARIOS, bits_of, new
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import mixed_commands
from tests.support.risk.scenario_page import PLEDGES, PledgeMarket
from tests.support.risk.spot import BTC, ETH, in_asset

SYMBOLS = contract_instruments()["symbol"].tolist()
DONE = 1 << 8


@pytest.mark.parametrize(("seed", "assets"), [*((n, COLLATERAL) for n in range(3)), (4, HEDGING)])
def test_kernels_and_reference_are_the_same_after_every_command(seed, assets):
    """Every word of the state; what is pledged counts as the plain collateral says."""
    both = with_wallets(funded(collateral_pair(seed, assets), 10**6))
    operator = CollateralOperator(seed, both, SYMBOLS)
    run_contracts(both, seed, 150, 0.4, operator=operator)
    assert any(both.reference.portfolio.pledges.values())


@pytest.mark.parametrize(("seed", "assets"), [(25, COLLATERAL), (26, COLLATERAL), (27, HEDGING)])
def test_no_unit_is_made_and_only_those_under_their_margin_are_called(seed, assets):
    """Money and every asset are as much as came in; pledges change while positions are open."""
    both = with_wallets(funded(ConservedCollateral(seed, assets), 5 * 10**6, 10_000), 10**8)
    operator = CollateralOperator(seed, both, SYMBOLS)
    run_contracts(both, seed, 400, 0.5, operator=operator)
    both.check()
    assert both.called


@pytest.mark.parametrize("example", PLEDGES)
def test_an_example_of_the_page(example, tmp_path):
    PledgeMarket(tmp_path).run(example)


def rich():
    """Participant 1 has nothing but assets, all of which count, and no credit; others no limits."""
    both = with_wallets(collateral_pair())
    for what, value in ((Setting.CREDIT, 0), (Setting.MAINTENANCE, 10_000)):
        assert both.process(setting(what, value, 1))[0] == DONE
    return both


def done(both, command):
    return both.process(command)[0] == DONE


def test_an_order_passes_by_what_is_pledged_and_haircuts_of_pledges_call_while_trading():
    both = rich()
    assert bits_of(new(both, 1, Side.BUY, 100)) == ["MARGIN"]
    assert done(both, pledge(1, BTC, 10**9))
    counted = both.reference.portfolio.collateral(1)
    assert counted == int(both.view.portfolio.collateral()[1]) > 10**7
    assert bits_of(new(both, 1, Side.BUY, 100)) == []
    assert bits_of(new(both, 2, Side.SELL, 100)) == []
    assert both.view.cell(1, 0, lay.POSITION) == 100
    assert not done(both, pledge(1, BTC, -(10**9)))
    assert done(both, pledge(1, BTC, -1))
    everything = haircut_commands(0, Haircut(((0, 10**6),)))
    for number in range(len(everything)):
        assert not both.view.of(1, lay.FLAGS), "all of it at once"
        assert done(both, everything[number : number + 1])
    assert both.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    assert both.reference.portfolio.collateral(1) == 0
    both.same()


def test_a_price_calls_only_those_whose_pledges_no_longer_cover_their_positions():
    both = rich()
    for who, amount in ((1, 10**9), (3, 10**9)):
        assert done(both, pledge(who, BTC, amount))
    assert bits_of(new(both, 1, Side.BUY, 100)) == []
    assert bits_of(new(both, 2, Side.SELL, 100)) == []
    needed = both.reference.portfolio.maintenance(1)
    worth = next(units for units in range(10**5, 0, -100) if counts_at(both, units) < needed)
    assert done(both, setting(Setting.COLLATERAL_PRICE, worth + 100, 0, second=10**6))
    assert not both.view.of(1, lay.FLAGS)
    assert done(both, setting(Setting.COLLATERAL_PRICE, worth, 0, second=10**6))
    assert both.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    assert not both.view.of(3, lay.FLAGS)
    both.same()


def test_what_a_reversed_deposit_left_short_comes_back_whatever_depends_on_it():
    """It is not there: until then it counts, and the fund could take it over."""
    both = collateral_pair(requests=16, movements=4)
    for what, value in ((Setting.CREDIT, 0), (Setting.MAINTENANCE, 10_000)):
        assert done(both, setting(what, value, 1))
    desk = Movements(both)
    for reference in ("kept", "undone"):
        assert desk.first(MovementStep.SEE, reference, 1, BTC, 10**9)
        assert desk.then(MovementStep.CREDIT, reference)
    assert done(both, pledge(1, BTC, 2 * 10**9))
    assert bits_of(new(both, 1, Side.BUY, 100)) == []
    assert bits_of(new(both, 2, Side.SELL, 100)) == []
    worth = both.reference.portfolio.maintenance(1) * 3 // 2
    assert done(both, setting(Setting.COLLATERAL_PRICE, worth, 0, second=2 * 10**9))
    assert not both.view.of(1, lay.FLAGS)
    assert not done(both, pledge(1, BTC, -(10**9)))
    assert desk.then(MovementStep.REVERSE, "undone")
    assert desk.wallet(1, BTC) == [-(10**9), 2 * 10**9, 0, 10**9]
    assert not done(both, pledge(1, BTC, -(10**9) - 1))
    assert done(both, pledge(1, BTC, -(10**9)))
    assert desk.wallet(1, BTC) == [0, 10**9, 0, 0]
    assert both.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    both.same()


def counts_at(both, units):
    """What 10**9 BTC count at ``units`` for a million."""
    rules = {BTC: COLLATERAL[0].haircut}
    return collateral({BTC: 10**9}, {BTC: Price(units, 10**6)}, rules)[BTC].counts


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (pledge(1, ETH, 1), "it is no collateral"),
        (pledge(1, 200, 1), "there is no such asset"),
        (pledge(0, BTC, 1), "the exchange has no margin"),
        (pledge(1, BTC, 0), "nothing"),
        (pledge(1, BTC, 10**9 + 1), "more than the wallet has"),
        (pledge(1, BTC, -1), "more than is pledged"),
        (seizure(1, BTC, 1, 1), "nothing is owed"),
        (setting(Setting.COLLATERAL_PRICE, 1, 0, second=0), "no price"),
        (setting(Setting.COLLATERAL_PRICE, 1, 2, second=1), "no such row"),
        (setting(Setting.COLLATERAL_TIER, 0, 4, second=1), "no such tier"),
        (setting(Setting.COLLATERAL_SHARE, 10**6 + 1, 0, second=1), "more than all"),
    ],
)
def test_what_makes_no_sense_changes_nothing(command, why):
    both = with_wallets(collateral_pair())
    before = both.view.digest()
    assert not done(both, command.copy()), why
    assert both.view.digest() == before
    both.same()


def test_tiers_that_do_not_increase_are_refused_when_they_would_be_in_force():
    both = rich()
    staged = [(0, 5), (9, 5), (9, 6), (2**62, 0)]
    for place, (begin, rate) in enumerate(staged):
        assert done(both, setting(Setting.COLLATERAL_TIER, begin, place, second=rate))
    assert not done(both, setting(Setting.MARGIN_APPLY, 4))
    assert done(both, setting(Setting.COLLATERAL_TIER, 10, 2, second=6))
    assert done(both, setting(Setting.MARGIN_APPLY, 5))
    tiers = both.view.portfolio.parameters.collateral[0].haircut.tiers
    assert tiers == ((0, 5), (9, 5), (10, 6))
    both.same()


@pytest.mark.parametrize("assets", [COLLATERAL, HEDGING])
def test_parameters_with_collateral_are_read_back_from_a_journals_numbers(assets):
    parameters = parameters_of(collateral_given(assets=assets)["margin"])
    assert parameters.collateral == assets
    assert parameters_of(parameters.numbers()) == parameters
    assert parameters_in(table_of(parameters)) == parameters
    assert "collateral" not in replace(parameters, collateral=()).numbers()


def test_collateral_needs_wallets():
    given = collateral_given() | {"spot": None}
    with pytest.raises(RiskError, match="an asset with wallets, of which there are 0"):
        make_region(contract_instruments(), 9, **given)


def test_a_snapshot_continues_with_the_same_collateral():
    """Restored from bytes, the core gives the same events and state, what is pledged included."""
    table, given = contract_instruments(), collateral_given()
    settings = {
        "participants": PARTICIPANTS,
        "order_capacity": 5_000,
        **{name: given[name] for name in ("multipliers", "leveraged", "fund", "margin", "assets")},
        "contracts": [[index, *terms] for index, terms in UNDER_SCENARIOS.items()],
        "spot": [[index, *terms] for index, terms in given["spot"].items()],
        "limits": [
            {"set": name, "who": who, "value": value}
            for who in range(1, PARTICIPANTS)
            for name, value in (("CREDIT", 0), ("MAINTENANCE", 10_000))
        ],
    }
    hooks = risk_hooks(settings, table)
    one = Engine(table, 5_000, hooks=hooks)
    first = [in_asset(Setting.DEPOSIT, 10**9, who, BTC) for who in range(1, PARTICIPANTS)]
    first += [pledge(who, BTC, 10**8 + who) for who in range(1, PARTICIPANTS)]
    commands = first + [row.copy() for row in mixed_commands(400, 5)]
    for number in range(100, 400, 50):
        commands.insert(number, setting(Setting.COLLATERAL_PRICE, number, 0, second=3_000))
        commands.insert(number, pledge(1, BTC, 1_000_000 * (number % 3 - 1)))
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    one.process(orders[:200])
    other = Engine.restore(one.snapshot(), 5_000, hooks=hooks)
    assert np.array_equal(one.process(orders[200:]), other.process(orders[200:]))
    assert one.state_hash() == other.state_hash()
    view = View(one.region)
    assert view.participants[:, lay.OPEN // 8].any(), "orders were accepted by what was pledged"
    before, pledges = one.state_hash(), view.portfolio.pledges
    pledges[3, 0] += 1
    assert one.state_hash() != before


def most_sold(both):
    """How many lots participant 1 may sell."""
    least, most = 0, 10**5
    while least < most:
        middle = (least + most + 1) // 2
        plain = both.reference.portfolio
        needed = margin(plain.parameters, {0: -middle}, plain.gains(1)).initial
        least, most = (middle, most) if needed <= plain.collateral(1) else (least, middle - 1)
    return least


def test_coins_hedge_a_short_until_they_leave():
    """Participant 1 pledges just what its short needs with the hedge.  Nothing of it can be
    released, sold or withdrawn; with fewer coins the order would not have passed."""
    both, plain = with_wallets(collateral_pair(assets=HEDGING)), with_wallets(collateral_pair())
    for one in (both, plain):
        for what, value in ((Setting.CREDIT, 0), (Setting.MAINTENANCE, 10_000)):
            assert done(one, setting(what, value, 1))
        assert done(one, pledge(1, BTC, 10**9))
    lots = most_sold(both)
    assert lots > most_sold(plain) > 0, "the hedge lets more in"
    assert bits_of(new(both, 1, Side.SELL, lots)) == []
    assert bits_of(new(both, 2, Side.BUY, lots)) == []
    assert both.view.cell(1, 0, lay.POSITION) == -lots
    held = both.reference.portfolio.maintenance(1)
    assert not done(both, pledge(1, BTC, -(10**8))), "it hedges"
    assert not done(both, in_asset(Setting.DEPOSIT, -1, 1, BTC)), "it is reserved"
    both.same()
    gains = both.reference.portfolio.parameters.collateral[0].hedge
    flat = [setting(Setting.MARGIN_COMMODITY, 0, 0xC0 + item) for item in range(12)]
    assert gains is not None
    for command in (*flat, setting(Setting.MARGIN_APPLY, len(flat))):
        assert not both.view.of(1, lay.FLAGS), "all of it at once"
        assert done(both, command)
    assert both.reference.portfolio.maintenance(1) > held
    assert both.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    both.same()
