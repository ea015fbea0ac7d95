"""A core that is carried over goes on as one that was not: the same events, the same state."""

import numpy as np
import pytest

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue.carry import carried_engine
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Reason, Side, TimeInForce
from tests.support.risk.carried import (
    PLAIN_ROWS,
    Core,
    collateral_flow,
    contract_flow,
    enlarged,
    make_instruments,
    plain_flow,
    portfolio_flow,
    require_twins,
    settings_of,
    spot_flow,
)
from tests.support.risk.risk_reference import operator_command

FLOWS = {
    "plain": plain_flow,
    "spot": spot_flow,
    "contracts": contract_flow,
    "scenarios": portfolio_flow,
    "pledges": collateral_flow,
}
EXPECTED = {"plain": 8, "spot": 20, "contracts": 20, "scenarios": 20, "pledges": 20}
"""How often a flow's cores were carried over at least: with commands that wait none is."""


@pytest.mark.parametrize("kind", FLOWS)
def test_a_core_that_is_carried_over_goes_on_like_its_twin(kind):
    done = 0
    for seed in (0, 1, 3, 5, 13):
        flow = FLOWS[kind](seed)
        rng = np.random.default_rng(seed)
        places = sorted(set(rng.integers(1, len(flow.commands), 6).tolist()))
        done += require_twins(flow, places)
    assert done >= EXPECTED[kind]


def test_a_market_order_in_a_call_counts_as_open():
    """A call auction goes on in the new core, in which a market order may stay open."""
    hooks = settings_of({"leveraged": (), "multipliers": [1] * 8})
    symbol, names = b"PLAIN", [row["symbol"].decode() for row in PLAIN_ROWS]
    one = Core(make_instruments(PLAIN_ROWS), 5_000, 0, hooks).fresh()
    call = operator_command(CommandKind.PHASE, symbol=symbol, aux=Phase.PRE_OPEN)
    send(one, [call, setting(Setting.OPEN_ORDERS, 0, 1)], 1)
    two = carried_engine(one, enlarged(PLAIN_ROWS, hooks), names)
    fields = {"symbol": symbol, "participant": 1, "order_id": 7, "side": Side.BUY, "qty_lots": 1}
    fields |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.DAY}
    entered = operator_command(CommandKind.NEW, **fields)
    told = [send(core, [entered.copy()], 3) for core in (one, two)]
    assert told[0].tolist() == told[1].tolist()
    assert int(told[1]["reason"][0]) == Reason.RISK


def send(core, commands, first_seq):
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(first_seq, first_seq + len(orders))
    return core.process(orders)
