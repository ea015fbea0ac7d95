"""Contracts after a split of their underlying: positions and money stay, a lot is worth what it
was, and kernels and reference are the same around it."""

from fractions import Fraction

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import CALL, FUTURE, PERPETUAL, PUT
from openoutcry.risk.region import at_once, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.risk.contracts import (
    EXPIRY_NS,
    RATIOS,
    AdjustingOperator,
    adjustment,
    contract_instruments,
    contract_pair,
    funded,
    run_contracts,
)
from tests.support.risk.portfolio import portfolio_given
from tests.support.risk.risk_core import Pair
from tests.support.risk.risk_reference import operator_command

SYMBOLS = contract_instruments()["symbol"].tolist()
OWN = (b"FUT", b"PERP", b"CALL", b"PUT", b"COIN")
DONE, PEOPLE = 1 << 8, (1, 2, 3, 4)
ROW = {"min_price_ticks": 1, "max_price_ticks": 1_000_000, "reference_price_ticks": 10_001}
TERMS = {
    0: (FUTURE, 0, 60, EXPIRY_NS, 0, 0, 700),
    1: (PERPETUAL, 0, 30, 0, 0, 0, 0),
    2: (CALL, 0, 6, EXPIRY_NS, 10_000, 60, 0),
    3: (PUT, 0, 6, EXPIRY_NS, 9_999, 60, 0),
    4: (PERPETUAL, 1, 10**12, 0, 0, 0, 0),
}
GIVEN = {"multipliers": [60, 30, 6, 6, 1], "leveraged": (0, 1, 4), "contracts": TERMS, "fund": 8}


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_are_the_same_after_every_command(seed):
    both = funded(contract_pair())
    operator = AdjustingOperator(seed, both, SYMBOLS, batches=0.2 * (seed % 2))
    run_contracts(both, seed, 250, share=0.6, operator=operator)
    assert sum(one.adjustments for one in both.reference.contracts.rows.values()) > 3


def test_they_are_with_scenario_margin():
    both = funded(Pair(contract_instruments(), **portfolio_given(3)))
    operator = AdjustingOperator(3, both, SYMBOLS, batches=0.2)
    run_contracts(both, 3, 200, share=0.6, operator=operator)
    assert sum(one.adjustments for one in both.reference.contracts.rows.values()) > 3


def order(who, symbol, side, lots, number, price=10_001):
    record = operator_command(CommandKind.NEW, participant=who, symbol=symbol, side=side)
    record["qty_lots"], record["price_ticks"], record["order_id"] = lots, price, number
    record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    return record


def held(seed):
    """Four participants that hold random lots of each contract, and are checked."""
    rng, number = np.random.default_rng([seed, 56]), 0
    both = Pair(make_instruments([{"symbol": symbol} | ROW for symbol in OWN]), **GIVEN)
    for who in PEOPLE:
        both.process(setting(Setting.DEPOSIT, 10**9, who))
    for symbol in OWN:
        for one, other in ((1, 2), (3, 4), (1, 4)):
            lots, price = int(rng.integers(1, 50)), int(rng.integers(9_000, 11_000))
            for who, side in ((one, Side.BUY), (other, Side.SELL)):
                number += 1
                both.process(order(who, symbol, side, lots, number, price))
    for who in PEOPLE:
        both.process(setting(Setting.MAINTENANCE, 5_000, who))
        both.process(setting(Setting.CREDIT, 0, who))
    return both


def halted(both, *symbols):
    for symbol in symbols:
        assert both.process(setting(Setting.HALT, 1, 0, symbol))[0] == DONE
    return both


def sums(both, name):
    return both.view.participants[:, name // 8].tolist()


def positions(both):
    return both.view.cells[:, :, lay.POSITION // 8].tolist()


@pytest.mark.parametrize(("new", "old"), RATIOS[:6])
def test_no_money_is_made_and_no_position_moves(new, old):
    """A participant gains at most half a tick of the new lot for each lot it holds."""
    both = halted(held(new + old), *OWN[:4])
    contracts, lots = both.view.contracts, positions(both)
    were = {n: (contracts.of(n, "multiplier"), contracts.of(n, "mark")) for n in range(4)}
    balances, profits = sums(both, lay.BALANCE), sums(both, lay.PROFIT)
    for record in at_once([adjustment(symbol, new, old) for symbol in OWN[:4]]).reshape(-1, 1):
        assert both.process(record)[0] == DONE
    both.same()
    assert positions(both) == lots
    assert sum(sums(both, lay.BALANCE)) == sum(balances)
    assert sums(both, lay.FLAGS) == [0] * len(balances)
    for number in (0, 1):
        multiplier, mark = were[number]
        assert contracts.of(number, "multiplier") == Fraction(multiplier * new, old)
        away = abs(contracts.of(number, "mark") - Fraction(mark * old, new))
        assert away <= Fraction(1, 2)
        assert both.view.instruments[number, lay.LAST // 8] == contracts.of(number, "mark")
    for number in (2, 3):
        assert (contracts.of(number, "multiplier"), contracts.of(number, "mark")) == were[number]
    for who, (balance, profit) in enumerate(zip(balances, profits, strict=True)):
        most = sum(abs(lots[who][n]) * contracts.of(n, "multiplier") for n in (0, 1))
        gained = both.view.of(who, lay.BALANCE) - balance
        assert both.view.of(who, lay.PROFIT) - profit == gained
        assert 2 * abs(gained) <= most


@pytest.mark.parametrize(("new", "old"), RATIOS[:6])
@pytest.mark.parametrize("number", [2, 3])
def test_an_option_pays_what_it_would_have_paid(new, old, number):
    """At each final price of before that is a whole price after it, however often it is split."""
    both, one = halted(held(1), OWN[number]), TERMS[number]
    for first, second in ((new, old), (old, new), (3, 1), (1, 2), (new, old)):
        assert both.process(adjustment(OWN[number], first, second))[0] == DONE
    contract = both.reference.contracts.rows[number]
    ratio, (_, _, _, _, strike, units, _) = Fraction(3 * new, 2 * old), one
    assert contract.strike_multiplier == units * ratio
    assert both.view.contracts.of(number, "strike_rest") == contract.strike_rest
    for price in range(9_000, 11_000, 6):
        after = price / ratio
        if after.denominator == 1:
            inside = price - strike if number == 2 else strike - price
            assert contract.payoff(int(after)) == max(units * inside, 0)
    both.process(operator_command(CommandKind.TIME, aux=EXPIRY_NS))
    final = int(9_000 / ratio)
    assert both.process(setting(Setting.CONTRACT_EXPIRE, final, 5 << 1, OWN[number]))[0] == DONE
    both.same()


def test_scenario_margin_is_the_same_to_the_unit():
    both = funded(Pair(contract_instruments(), **portfolio_given(5)), 10**9)
    for number, (who, side) in enumerate(((1, Side.BUY), (2, Side.SELL)) * 2):
        symbol = SYMBOLS[0 if number < 2 else 5]
        both.process(order(who, symbol, side, 7, number + 1, 100_000 if number < 2 else 11_000))
    was, equity = sums(both, lay.PORTFOLIO), [both.view.equity(who) for who in range(9)]
    assert any(was)
    mark = both.view.contracts.of(0, "mark")
    assert mark % 2 == 0
    halted(both, SYMBOLS[0], SYMBOLS[5])
    for index in (0, 5):
        assert both.process(adjustment(SYMBOLS[index], 2, 1))[0] == DONE
    assert sums(both, lay.PORTFOLIO) == was
    assert [both.view.equity(who) for who in range(9)] == equity
    both.same()


def test_gains_after_it_are_those_of_the_whole_lot():
    """3 for 1 at 10,001: the mark is 3,334 and then 3,300, which is 9,900 before it."""
    both = halted(held(2), OWN[1])
    lots, balance = both.view.cell(1, 1, lay.POSITION), both.view.of(1, lay.BALANCE)
    assert both.process(adjustment(OWN[1], 3, 1))[0] == DONE
    assert both.process(setting(Setting.CONTRACT_MARK, 3_300, 1 << 1, OWN[1]))[0] == DONE
    assert both.view.of(1, lay.BALANCE) - balance == lots * 30 * (9_900 - 10_001)
    both.same()


@pytest.mark.parametrize(
    ("number", "new", "old"), [(0, 1, 7), (2, 1, 7), (4, 2, 1), (0, 0, 1), (0, 1_000_001, 1)]
)
def test_what_is_not_whole_or_inverse_is_refused(number, new, old):
    both = halted(held(3), OWN[number])
    rows = both.view.contracts.rows.copy()
    assert both.process(adjustment(OWN[number], new, old))[0] == 0
    assert np.array_equal(both.view.contracts.rows, rows)
    both.same()


def test_orders_and_trading_keep_it_away():
    """Also between staging and the end of the batch."""
    both = held(4)
    assert both.process(adjustment(OWN[0], 2, 1))[0] == 0, "it trades"
    both.process(order(1, OWN[0], Side.BUY, 1, 900, 9_000))
    halted(both, OWN[0], OWN[1])
    assert both.process(adjustment(OWN[0], 2, 1))[0] == 0, "an order is open"
    both.process(operator_command(CommandKind.MASS_CANCEL, symbol=OWN[0], aux=1))
    batch = at_once([adjustment(symbol, 2, 1) for symbol in OWN[:2]])
    both.process(batch[0:1])
    both.process(batch[1:2])
    both.process(batch[2:3])
    both.process(setting(Setting.HALT, 0, 0, OWN[1]))
    assert both.process(batch[3:4])[0] == 0, "one of them trades again"
    assert both.view.contracts.of(0, "multiplier") == 60
    both.process(setting(Setting.HALT, 1, 0, OWN[1]))
    assert both.process(batch[3:4])[0] == DONE
    assert both.view.contracts.of(0, "multiplier") == 120
    both.same()


def test_a_price_of_other_terms_is_refused():
    """A mark that was on its way when the terms changed, and one staged before."""
    both = halted(held(6), OWN[0])
    assert both.process(setting(Setting.CONTRACT_MARK, 10_100, 1 << 1, OWN[0]))[0] == 0, "not yet"
    staged = at_once([setting(Setting.CONTRACT_MARK, 10_200, 0, symbol) for symbol in OWN[:2]])
    for record in staged[:3].reshape(-1, 1):
        both.process(record)
    assert both.process(adjustment(OWN[0], 2, 1))[0] == 0, "a mark is staged"
    both.process(setting(Setting.CONTRACT_APPLY, 0))
    assert both.process(adjustment(OWN[0], 2, 1))[0] == DONE
    for what in (Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE):
        assert both.process(setting(what, 10_200, 0, OWN[0], 20_300_101))[0] == 0
        assert both.process(setting(what, 5_100, 1 << 1, OWN[0], 20_300_101))[0] == DONE
    both.same()
