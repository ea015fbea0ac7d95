"""Scenario margin in the core: an order is accepted or refused as the plain reference says, the
maintenance margin is that of the positions, parameters change while trading, and no participant is
called that has enough."""

import numpy as np
import pytest

from openoutcry.derivatives.margin import margin
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.risk.words import refusal_text
from openoutcry.wire.enums import EventKind, OrderType, Side, TimeInForce
from tests.support.risk.contracts import contract_instruments, funded, run_contracts
from tests.support.risk.portfolio import (
    UNDER_SCENARIOS,
    ConservedPortfolio,
    PortfolioOperator,
    bits_of,
    new,
    portfolio_given,
    portfolio_pair,
    scenario_parameters,
)
from tests.support.risk.risk_core import PARTICIPANTS, bits
from tests.support.risk.risk_flow import mixed_commands
from tests.support.risk.scenario_page import EXAMPLES, ScenarioMarket

SYMBOLS = contract_instruments()["symbol"].tolist()
MARK = 100_000


def run_portfolio(both, seed, count, share=0.3):
    operator = PortfolioOperator(seed, both, SYMBOLS)
    return run_contracts(both, seed, count, share, operator=operator)


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_are_the_same_after_every_command(seed):
    """Every word of the state, and each participant's work as it is when made from nothing."""
    both = funded(portfolio_pair(seed), 2 * 10**7)
    run_portfolio(both, seed, 330)
    refused = [verdict for verdict in both.verdicts if verdict & 0xFF]
    assert any(verdict >> 8 == 1 << RiskBit.MARGIN for verdict in refused)
    assert both.reference.portfolio.applied > 0


@pytest.mark.parametrize("seed", [14, 17, 19])
def test_no_unit_is_made_and_only_those_under_their_margin_are_called(seed):
    both = funded(ConservedPortfolio(seed), 10**8, 10_000)
    run_portfolio(both, seed, 500, 0.4)
    assert len(both.called) >= 3
    assert both.parts_traded > 0, "some of their positions were closed out"
    both.check()


def margin_of(both, lots, index=0):
    """Initial margin of lots of one contract alone, by the plain reference."""
    plain = both.reference.portfolio
    return margin(plain.parameters, {plain.number[index]: lots}).initial


def deposit(both, who, amount):
    assert both.process(setting(Setting.DEPOSIT, amount, who))[0] == 1 << 8


def rich(amount=10**9):
    """Two participants without limits and one, 1, with as much as ``amount`` and no credit."""
    both = portfolio_pair()
    for what, value in ((Setting.CREDIT, 0), (Setting.MAINTENANCE, 10_000)):
        assert both.process(setting(what, value, 1))[0] == 1 << 8
    deposit(both, 1, amount)
    return both


def test_an_order_needs_the_margin_of_the_worst_subset_to_the_unit():
    needed = margin_of(portfolio_pair(), 1_000)
    for amount, wanted in ((needed, []), (needed - 1, ["MARGIN"])):
        both = rich(amount)
        verdict, events = new(both, 1, Side.BUY, 1_000)
        assert bits(verdict) == wanted
        if wanted:
            row = events[0]
            figures = [int(row[name]) for name in ("price_ticks", "leaves_lots", "qty_lots")]
            assert figures == [amount, 0, needed]
            text = refusal_text(int(row["contra_id"]), *figures)
            assert text == f"MARGIN: limit {amount}, now 0, asked {needed}"


def test_orders_of_both_sides_need_no_more_than_the_worse_of_them():
    """They cannot both be lost: but each scenario has the orders that lose in it."""
    both = rich(margin_of(portfolio_pair(), 1_000))
    assert bits_of(new(both, 1, Side.BUY, 1_000, price=MARK - 10)) == []
    assert bits_of(new(both, 1, Side.SELL, 900, price=MARK + 10)) == []
    assert bits_of(new(both, 1, Side.BUY, 100, price=MARK - 10)) == ["MARGIN"]


def test_an_order_worse_than_the_mark_needs_what_it_would_lose_at_once():
    needed = margin_of(portfolio_pair(), 10)
    both = rich(needed + 10 * 5 * 7 - 1)
    assert bits_of(new(both, 1, Side.BUY, 10, price=MARK + 7)) == ["MARGIN"]
    deposit(both, 1, 1)
    assert bits_of(new(both, 1, Side.BUY, 10, price=MARK + 7)) == []


@pytest.mark.parametrize(
    ("bands", "money", "answer"),
    [
        ("price_distance_bps = 500", 10**9, "UNPRICED"),
        ("price_distance_bps = 500\nmarket_band_ticks = 1_000", 10_599, "MARGIN"),
        ("price_distance_bps = 500\nmarket_band_ticks = 1_000", 10_600, "passes"),
    ],
    ids=["no market band", "too little", "enough"],
)
def test_an_order_without_a_price_needs_its_loss_at_the_end_of_the_band(
    tmp_path, bands, money, answer
):
    """6,600 of margin, and 4,000 that a lot loses at 3,000 and 1,000 ticks above the mark."""
    market = ScenarioMarket(tmp_path, bands=bands)
    market.run(f"DEPOSIT {money} p1\nDEPOSIT 100000 p2\nNEW SELL 1@62000 BTC-PERP p2 -> passes")
    ioc = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
    assert market.passed(market.new(Side.BUY, 1, 0, b"BTC-PERP", 1, **ioc)) == answer


def test_what_needs_no_more_than_now_passes_with_too_little():
    """A participant that no longer has the initial margin may still close out."""
    both = rich()
    assert bits_of(new(both, 2, Side.SELL, 500)) == []
    assert bits_of(new(both, 1, Side.BUY, 500)) == []
    assert both.view.cell(1, 0, lay.POSITION) == 500
    held = both.view.of(1, lay.PORTFOLIO)
    deposit(both, 1, held - both.view.equity(1))
    assert both.view.of(1, lay.FLAGS) == 0
    assert bits_of(new(both, 1, Side.BUY, 1)) == ["MARGIN"]
    assert bits_of(new(both, 1, Side.SELL, 500)) == []
    assert both.process(setting(Setting.DEPOSIT, -1, 1))[0] == 1 << 8
    assert both.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    both.same()


def test_a_mark_calls_only_participants_with_less_than_their_positions_need():
    both = rich()
    for who in (3, 4):
        assert both.process(setting(Setting.CREDIT, 0, who))[0] == 1 << 8
        assert both.process(setting(Setting.MAINTENANCE, 1, who))[0] == 1 << 8
        deposit(both, who, margin_of(both, 100))
    assert bits_of(new(both, 3, Side.SELL, 100)) == []
    assert bits_of(new(both, 4, Side.BUY, 100)) == []
    spare = both.view.equity(4) - both.view.of(4, lay.PORTFOLIO)
    ticks = spare // (100 * 5)
    for price, called in ((MARK - ticks, 0), (MARK - ticks - 1, lay.KILLED_BY_MARGIN)):
        assert both.process(setting(Setting.CONTRACT_MARK, price, 0, SYMBOLS[0]))[0] == 1 << 8
        assert both.view.of(4, lay.FLAGS) & lay.KILLED_BY_MARGIN == called
        assert both.view.of(3, lay.FLAGS) == 0
    both.same()


def test_staged_parameters_are_in_force_all_at_once_or_not_at_all():
    both = rich()
    assert bits_of(new(both, 2, Side.SELL, 500)) == []
    assert bits_of(new(both, 1, Side.BUY, 500)) == []
    before = both.view.of(1, lay.PORTFOLIO)
    operator = PortfolioOperator(0, both, SYMBOLS)
    batch = list(operator.whole(scenario_parameters(9)))
    for command in (*batch[:5], *batch[6:]):
        answer = both.process(command.copy())[0]
    assert answer == 0, "one is missing"
    assert both.view.of(1, lay.PORTFOLIO) == before
    for command in batch:
        assert both.process(command.copy())[0] == 1 << 8
    assert both.view.of(1, lay.PORTFOLIO) != before
    assert both.view.portfolio.parameters.contracts[0].losses == (
        scenario_parameters(9).contracts[0].losses
    )
    both.same()


def test_parameters_for_which_a_position_is_too_large_are_refused():
    both = rich(2**60)
    assert bits_of(new(both, 2, Side.SELL, 2_000)) == []
    assert bits_of(new(both, 1, Side.BUY, 2_000)) == []
    assert both.process(setting(Setting.MARGIN_ARRAY, 2**41, 4, SYMBOLS[0], 0))[0] == 1 << 8
    assert both.process(setting(Setting.MARGIN_APPLY, 1))[0] == 0
    assert both.process(setting(Setting.MARGIN_ARRAY, 2**40, 4, SYMBOLS[0], 0))[0] == 1 << 8
    assert both.process(setting(Setting.MARGIN_APPLY, 2))[0] == 1 << 8
    assert bits_of(new(both, 1, Side.BUY, 49)) == ["ARITHMETIC"]
    both.same()


def test_a_margin_of_each_lot_cannot_be_set():
    both = portfolio_pair()
    assert both.process(setting(Setting.MARGIN, 5, 0, SYMBOLS[0]))[0] == 0
    assert both.process(setting(Setting.MARGIN, 5, 0, SYMBOLS[2]))[0] == 1 << 8


def test_a_snapshot_continues_with_the_same_margins():
    """Restored from bytes, the core gives the same events and state; its hash has the parameters
    in force and what is staged."""
    table = contract_instruments()
    given = portfolio_given()
    settings = {
        "participants": PARTICIPANTS,
        "order_capacity": 5_000,
        **{name: given[name] for name in ("multipliers", "leveraged", "fund", "margin")},
        "contracts": [[index, *terms] for index, terms in UNDER_SCENARIOS.items()],
        "limits": [
            {"set": name, "who": who, "value": value}
            for who in range(1, PARTICIPANTS)
            for name, value in (("CREDIT", 0), ("DEPOSIT", 5 * 10**6), ("MAINTENANCE", 10_000))
        ],
    }
    hooks = risk_hooks(settings, table)
    one = Engine(table, 5_000, hooks=hooks)
    commands = [row.copy() for row in mixed_commands(600, 5)]
    for number in range(100, 600, 50):
        commands.insert(number, setting(Setting.MARGIN_APPLY, 1))
        value = number * 1_000
        commands.insert(number, setting(Setting.MARGIN_ARRAY, value, 4, SYMBOLS[0], -value))
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    events = one.process(orders[:300])
    other = Engine.restore(one.snapshot(), 5_000, hooks=hooks)
    more = one.process(orders[300:])
    assert np.array_equal(more, other.process(orders[300:]))
    assert one.state_hash() == other.state_hash()
    refused = np.concatenate([events, more])
    refused = refused[refused["kind"] == EventKind.REJECTED]
    assert (refused["contra_id"] == 1 << RiskBit.MARGIN).any()
    view = View(one.region)
    assert view.portfolio.word("applied") == 10
    for words in (view.portfolio.table, view.portfolio.staged):
        before = one.state_hash()
        words[-1] += 1
        assert one.state_hash() != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"contracts": []}, "covers 0 of 6 contracts"),
        ({"commodities": []}, "1 to 256 commodities"),
        ({"offsets": [[1, 0]]}, "scenario margin: "),
    ],
)
def test_parameters_that_cannot_be_are_refused_by_name(change, says):
    given = portfolio_given()
    with pytest.raises(RiskError, match=says):
        make_region(contract_instruments(), 9, **given | {"margin": given["margin"] | change})
    contracts = UNDER_SCENARIOS | {0: (*UNDER_SCENARIOS[0][:-1], 5)}
    with pytest.raises(RiskError, match="no margin_bps"):
        make_region(contract_instruments(), 9, **given | {"contracts": contracts})


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page(example, tmp_path):
    ScenarioMarket(tmp_path).run(example)
