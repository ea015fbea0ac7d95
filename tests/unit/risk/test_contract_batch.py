"""Settings of several contracts that are in force at once: no hedge is judged by a part of them,
and kernels and reference stay equal, whatever comes in between."""

import numpy as np
import pytest

from openoutcry.derivatives.margin_layout import collateral_in
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import PERPETUAL, STAGED
from openoutcry.risk.region import View, at_once, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.risk.collateral import CollateralOperator, collateral_pair, with_wallets
from tests.support.risk.contracts import (
    ContractOperator,
    contract_instruments,
    contract_pair,
    funded,
    run_contracts,
)
from tests.support.risk.risk_core import Pair
from tests.support.risk.risk_reference import operator_command

SYMBOLS, START, UNITS = (b"NEAR", b"MID", b"FAR"), 10_000, 10
ROW = {"min_price_ticks": 1, "max_price_ticks": 100_000, "reference_price_ticks": START}
CONTRACTS = dict.fromkeys(range(3), (PERPETUAL, 0, UNITS, 0, 0, 0, 1000))
GIVEN = {"multipliers": [UNITS] * 3, "leveraged": (0, 1, 2), "contracts": CONTRACTS}
PEOPLE = (1, 2, 3, 4)
DONE = 1 << 8


def table():
    return make_instruments([{"symbol": symbol} | ROW for symbol in SYMBOLS])


def mark(symbol, price):
    return setting(Setting.CONTRACT_MARK, price, 0, symbol, price)


def staged(record):
    record["time_in_force"] = STAGED
    return record


def order(who, symbol, side, lots, number, price=START, tif=TimeInForce.DAY):
    record = operator_command(CommandKind.NEW, participant=who, symbol=symbol, side=side)
    record["qty_lots"], record["price_ticks"], record["order_id"] = lots, price, number
    record["order_type"], record["time_in_force"] = OrderType.LIMIT, tif
    return record


def hedged(rng):
    """Participants whose lots in three contracts of one index add up to none.  Their money is half
    above what they must have, less than what a leg loses when the index moves by a fifth."""
    both, number = Pair(table(), **GIVEN, fund=8), 0
    for who in PEOPLE:
        both.process(setting(Setting.DEPOSIT, 10**12, who))
    for one, other in ((1, 2), (3, 4)):
        lots = [int(lots) for lots in rng.integers(1, 50, 2)]
        for symbol, size in zip(SYMBOLS, (*lots, -sum(lots)), strict=True):
            for who, side in ((one, Side.BUY), (other, Side.SELL)):
                number += 1
                sided = side if size > 0 else 3 - side
                both.process(order(who, symbol, sided, abs(size), number))
    for who in PEOPLE:
        both.process(setting(Setting.MAINTENANCE, 5_000, who))
        both.process(setting(Setting.CREDIT, 0, who))
        needed = both.view.of(who, lay.MARGINED) // 2
        both.process(setting(Setting.DEPOSIT, needed * 3 // 2 - 10**12, who))
    return both


def called(both):
    return [who for who in PEOPLE if both.view.of(who, lay.FLAGS)]


@pytest.mark.parametrize("is_applied", [False, True])
def test_haircuts_applied_or_dropped_within_a_batch_lose_no_price(is_applied):
    """Nor does a price remain staged that nothing has staged."""
    both = collateral_pair(4)
    for value in (7, 9):
        prices = [
            staged(setting(Setting.COLLATERAL_PRICE, value + row, row, second=3)) for row in (0, 1)
        ]
        haircut = setting(Setting.COLLATERAL_SHARE, 500_000, 0, second=value)
        dropped = setting(Setting.MARGIN_APPLY, 0)
        commands = [dropped, haircut, prices[0], prices[1]]
        commands += [setting(Setting.MARGIN_APPLY, 1)] if is_applied else [dropped.copy()]
        for command in (*commands, setting(Setting.CONTRACT_APPLY, 2)):
            assert both.process(command)[0] == DONE
        assert [row[1] for row in collateral_in(both.view.portfolio.table)] == [value, value + 1]
        both.process(setting(Setting.COLLATERAL_PRICE, 5, 0, second=3))
        for command in (dropped.copy(), haircut.copy(), setting(Setting.MARGIN_APPLY, 1)):
            assert both.process(command)[0] == DONE
        both.process(staged(mark_of_first(6_000)))
        assert both.process(setting(Setting.CONTRACT_APPLY, 1))[0] == DONE
        assert collateral_in(both.view.portfolio.table)[0][1] == 5
    both.same()


def mark_of_first(price):
    return setting(Setting.CONTRACT_MARK, price, 0, bytes(contract_instruments()["symbol"][0]))


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_are_the_same_with_batches_of_all_kinds(seed):
    """Marks, funding, settlement and expiry, whole and not, as any other command between them."""
    both = funded(contract_pair())
    symbols = contract_instruments()["symbol"].tolist()
    operator = ContractOperator(seed, both, symbols, batches=0.3)
    run_contracts(both, seed, 200, operator=operator)
    assert both.reference.contracts.applied > 1
    assert {one.settled for one in both.reference.contracts.rows.values() if one.expiry} == {True}


def test_they_are_with_scenario_margin_and_prices_of_collateral():
    both = with_wallets(funded(collateral_pair(4), 5 * 10**6, 10_000), 10**8)
    symbols = contract_instruments()["symbol"].tolist()
    operator = CollateralOperator(4, both, symbols, batches=0.3)
    run_contracts(both, 4, 200, operator=operator)
    assert both.reference.contracts.applied > 1


@pytest.mark.parametrize("seed", range(4))
def test_a_hedge_is_never_called_by_parallel_moves_of_its_index(seed):
    """Whatever orders come between the commands of a look; one by one the same marks call it."""
    rng = np.random.default_rng(seed)
    both, number = hedged(rng), 100
    for price in (int(part) for part in START * rng.integers(70, 131, 12) // 100):
        symbols = [SYMBOLS[place] for place in rng.permutation(3)]
        for record in at_once([mark(symbol, price) for symbol in symbols]).reshape(-1, 1):
            assert both.process(record)[0] == DONE
            assert called(both) == []
            number += 1
            who, symbol = int(rng.choice(PEOPLE)), SYMBOLS[int(rng.integers(3))]
            both.process(order(who, symbol, 1, 1, number, START // 2, TimeInForce.IOC))
        assert {one.mark for one in both.reference.contracts.rows.values()} == {price}
        both.same()
    both.process(mark(SYMBOLS[2], both.reference.contracts.rows[2].mark * 3 // 2))
    assert called(both)
    both.same()


def test_a_batch_of_which_a_command_is_missing_changes_nothing():
    both = hedged(np.random.default_rng(5))
    apply, drop = (setting(Setting.CONTRACT_APPLY, count) for count in (2, 0))
    assert both.process(staged(mark(SYMBOLS[0], 12_000)))[0] == DONE
    assert both.process(apply.copy())[0] == 0
    assert both.process(staged(mark(SYMBOLS[0], 13_000)))[0] == 0
    # One that is in force at once does not wait for the others.
    assert both.process(mark(SYMBOLS[0], 10_100))[0] == DONE
    assert both.view.contracts.of(0, "mark") == 10_100
    assert both.process(drop.copy())[0] == DONE
    assert both.process(apply.copy())[0] == 0
    for record in at_once([mark(symbol, 9_000) for symbol in SYMBOLS]).reshape(-1, 1):
        assert both.process(record)[0] == DONE
    assert [both.view.contracts.of(index, "mark") for index in range(3)] == [9_000] * 3
    both.same()


def test_a_batch_that_does_not_fit_changes_nothing():
    """Of two marks the second takes a balance past 2**62: the first is not in force either."""
    both = hedged(np.random.default_rng(6))
    both.process(setting(Setting.DEPOSIT, 2**62 - both.view.of(1, lay.BALANCE) - 1, 1))
    gains = SYMBOLS[0] if both.view.cell(1, 0, lay.POSITION) > 0 else SYMBOLS[2]
    other = next(symbol for symbol in SYMBOLS if symbol != gains)
    batch = at_once([mark(other, START), mark(gains, 20_000)]).reshape(-1, 1)
    verdicts = [both.process(record)[0] for record in batch]
    assert verdicts == [DONE, DONE, DONE, 0]
    assert both.view.contracts.word("staged") == 2
    assert {both.view.contracts.of(index, "mark") for index in range(3)} == {START}
    both.same()


def test_a_snapshot_between_two_commands_of_a_batch_continues_with_the_same_state():
    """As a venue that was killed there and replays its journal."""
    settings = {"participants": 9, "order_capacity": 5_000, **GIVEN}
    settings["contracts"] = [[index, *terms] for index, terms in CONTRACTS.items()]
    hooks = risk_hooks(settings, table())
    one = Engine(table(), 5_000, hooks=hooks)
    batches = [at_once([mark(symbol, price) for symbol in SYMBOLS]) for price in (9_000, 12_000)]
    orders = np.concatenate(
        [order(1, SYMBOLS[0], 1, 5, 1), order(2, SYMBOLS[0], 2, 5, 2), *batches]
    )
    orders["seq"] = np.arange(1, len(orders) + 1)
    for place in range(len(orders)):
        other = Engine.restore(one.snapshot(), 5_000, hooks=hooks)
        one.process(orders[place : place + 1])
        other.process(orders[place : place + 1])
        assert one.state_hash() == other.state_hash()
    assert View(one.region).contracts.word("applied") == 2
    assert View(one.region).of(1, lay.BALANCE) == 2_000 * 5 * UNITS
