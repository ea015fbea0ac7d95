"""The rules of an instrument change by command while it trades: kernels and plain core agree, and
no order is open that the rules do not permit."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue.carry import off_rules
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Phase, Reason, Side
from openoutcry.wire.order_types import UNPRICED
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import INSTRUMENT_DTYPE, NO_PRICE
from openoutcry.wire.rule_changes import FIELDS, block_bytes, can_be, changes_between, enter_block
from tests.support.risk.contracts import ContractOperator, contract_pair
from tests.support.risk.risk_core import Operator
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import operator_command, pair
from tests.support.risk.spot import SpotOperator, spot_pair

BOUNDS = "min_price_ticks", "max_price_ticks", "market_band_ticks"
STEPS = (1, 1, 2, 5, 10, 3, 25)


def words(symbol, row, new, cancels=1):
    """The commands that stage a change, and the one that puts it in force."""
    found = changes_between(row, new)
    staged = [
        setting(Setting.INSTRUMENT_RULE, value, number, symbol, second)
        for number, value, second in found
    ]
    return [*staged, setting(Setting.INSTRUMENT_APPLY, len(found), cancels, symbol)]


def drawn(rng, row):
    """Another row; some make no sense."""
    new = row.copy()
    for name in rng.choice(FIELDS, int(rng.integers(1, 4)), replace=False):
        if name in ("price_step_ticks", "qty_step_lots", "min_qty_lots"):
            new[name] = rng.choice(STEPS)
        elif name == "max_qty_lots":
            new[name] = rng.choice([50, 1_000, 2**62])
        elif name == "min_price_ticks":
            new[name] = rng.choice([0, 1, 10, 30_000, 49_990])
        elif name == "max_price_ticks":
            new[name] = rng.choice([50_010, 70_000, 150_000, 200_000, 2**51])
        else:
            new[name] = rng.choice([0, 5, 50, 2_000])
    if rng.random() < 0.3:
        bands = int(rng.integers(0, 4))
        starts = np.sort(rng.integers(4_000, 6_000, bands)) * 10
        for number in range(1, 11):
            is_set = number <= bands
            new[f"band{number}_from_ticks"] = starts[number - 1] if is_set else 0
            new[f"band{number}_step_ticks"] = rng.choice([1, 2, 5, 10]) if is_set else 0
    if rng.random() < 0.1:
        new[rng.choice(FIELDS)] = rng.choice([-1, 0, 2**62 + 1])
    return new


def off_by_hand(state, index, row):
    """Ids of the open orders that a row does not permit, as the carrying over of a journal says."""
    bounds = any(row[name] != state.instruments[index][name] for name in BOUNDS)
    own = state.rows[state.rows["instrument"] == index]
    rules = np.array([row], INSTRUMENT_DTYPE)
    return {
        int(one["order_id"])
        for one in own
        if off_rules(rules[0], one) or (bounds and OrderType(int(one["order_type"])) in UNPRICED)
    }


def change(both, rng, index, cancels):
    """Change an instrument's rules in some way; True if that was done."""
    engine = both.kernels.engine
    row = engine.instruments[index].copy()
    new = drawn(rng, row)
    before, seq = engine.state(), engine.event_count
    *staged, last = words(row["symbol"], row, new, cancels)
    for word in staged:
        both.process(word)
    if not staged:
        return False
    if rng.random() < 0.1:
        last["aux"] += 1
    both.kernels.cancelled = np.zeros(0)
    verdict, events = both.process(last)
    gone = off_by_hand(before, index, new) if verdict & 0xFF00 else set()
    if not verdict & 0xFF00:
        both.process(setting(Setting.INSTRUMENT_APPLY, 0, 0, row["symbol"]))
        assert engine.instruments[index] == row
        return False
    if events["reason"][0] == Reason.RULES_CHANGED:
        assert not cancels
        assert events["contra_id"][0] == len(gone) > 0
        assert both.view.rules.word("in_the_way") == len(gone)
        assert engine.instruments[index] == row
        assert engine.event_count == seq
        both.process(setting(Setting.INSTRUMENT_APPLY, 0, 0, row["symbol"]))
        return False
    cancelled = both.kernels.cancelled
    cancelled = cancelled[cancelled["reason"] == Reason.RULES_CHANGED]
    assert set(cancelled["order_id"].tolist()) == gone
    assert engine.instruments[index] == new
    after = engine.state()
    assert not off_by_hand(after, index, new)
    return True


PAIRS = {
    "margin": (pair, Operator),
    "spot": (spot_pair, SpotOperator),
    "contracts": (contract_pair, ContractOperator),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3, 4))])
def test_rules_change_in_the_middle_of_every_flow(kind, seed):
    """Every order type, auctions, halts and limits that change; each change cancels just the orders
    that it does not permit, or is refused with their number; and every word of the state is the
    reference's."""
    make, operating = PAIRS[kind]
    both = make(rules=True)
    engine, rng = both.kernels.engine, np.random.default_rng([seed, 117])
    symbols = engine.instruments["symbol"].tolist()
    operator, done = operating(seed, both, symbols), [0, 0]
    both.process(operator_command(CommandKind.TIME, aux=10**18))
    for number, command in enumerate(mixed_commands(6_000, seed)):
        if rng.random() < 0.05:
            both.process(operator.draw())
        both.process(command.copy())
        if number % 40 == 0:
            cancels = int(rng.integers(2))
            done[cancels] += change(both, rng, int(rng.integers(len(symbols))), cancels)
        if number % 1_000 == 0:
            both.same()
            engine.check()
            again = Engine.restore(engine.snapshot(), 5_000)
            assert again.state_hash() == engine.state_hash()
            assert np.array_equal(again.instruments, engine.instruments)
    both.same()
    assert min(done) > 3, done


def random_rows(rng, count):
    for _ in range(count):
        row = make_instruments(["X"])[0]
        for name in rng.choice(FIELDS, 3):
            row[name] = rng.choice([-1, 0, 1, 7, 10**6, 2**62, 2**62 + 1, -(2**62), 2**63 - 1])
        bands = int(rng.integers(0, 5))
        for band in range(1, bands + 1):
            row[f"band{band}_from_ticks"] = rng.choice([-10, 0, 10, 20, 30, 45, 60])
            row[f"band{band}_step_ticks"] = rng.choice([0, 1, 2, 5, 10, -5])
        yield row


def test_the_core_takes_the_rows_that_a_table_may_have():
    rng, taken = np.random.default_rng(5), 0
    for row in random_rows(rng, 3_000):
        names = INSTRUMENT_DTYPE.names
        try:
            make_instruments([dict(zip(names, row.item(), strict=True))])
        except ValueError:
            expected = False
        else:
            expected = True
        own = np.array([row], INSTRUMENT_DTYPE)
        assert can_be(InstrumentRecord.of(own.ctypes.data)) == expected, row
        taken += expected
    assert 300 < taken < 2_700


def test_a_journal_without_the_room_refuses_a_change():
    both = pair()
    for record in (
        setting(Setting.INSTRUMENT_RULE, 5, 0, instruments()["symbol"][0]),
        setting(Setting.INSTRUMENT_APPLY, 1, 0, instruments()["symbol"][0]),
    ):
        assert both.process(record)[0] == 0
    both.same()


def test_no_rule_changes_in_a_call():
    both = pair(rules=True)
    symbol, row = instruments()["symbol"][0], instruments()[0]
    new = row.copy()
    new["price_step_ticks"] = 5 if row["price_step_ticks"] != 5 else 10
    both.process(operator_command(CommandKind.PHASE, symbol=symbol, aux=Phase.VOLATILITY_AUCTION))
    *staged, last = words(symbol, row, new)
    for word in staged:
        assert both.process(word)[0]
    assert both.process(last)[0] == 0
    both.process(operator_command(CommandKind.PHASE, symbol=symbol, aux=Phase.CONTINUOUS))
    again = both.process(words(symbol, row, new)[-1])
    assert again[1]["kind"][0] == EventKind.COMPLETED
    both.same()


def test_a_tick_of_one_needs_no_rules_and_another_does():
    """A plain order is checked by the new step at once, and by none after it is 1 again."""
    both = pair(rules=True)
    engine = both.kernels.engine
    plain = next(
        index for index, row in enumerate(engine.instruments) if row["price_step_ticks"] == 1
    )
    row = engine.instruments[plain].copy()
    new = row.copy()
    new["price_step_ticks"] = 10
    number = 0

    def order(price):
        nonlocal number
        number += 1
        fields = {"participant": 1, "symbol": row["symbol"], "side": Side.BUY, "qty_lots": 100}
        more = {"price_ticks": price, "order_id": number, "order_type": 1, "time_in_force": 4}
        _, events = both.process(operator_command(1, **fields, **more))
        return events["reason"][0]

    assert engine.instruments[plain]["reference_price_ticks"] in (NO_PRICE, 50_000)
    assert order(40_001) == Reason.NONE
    for word in words(row["symbol"], row, new):
        both.process(word)
    assert both.kernels.cancelled["order_id"].tolist() == [1]
    assert order(40_001) == Reason.OFF_STEP
    assert order(40_010) == Reason.NONE
    for word in words(row["symbol"], new, row):
        both.process(word)
    assert order(40_001) == Reason.NONE
    both.same()


def test_the_block_of_a_copy_is_the_table():
    table = instruments()
    block = np.zeros(block_bytes(len(table)) // 8, np.int64)
    enter_block(block, 0, table)
    assert block[384 // 8 :].view(INSTRUMENT_DTYPE).tolist() == table.tolist()
