"""Lists of orders reserve for the dearest leg once: kernels and the plain reference, which adds up
what is open each time, hold the same after every command, and no wallet is below its credit."""

import numpy as np
import pytest

from openoutcry.journal.core import Core
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View
from openoutcry.wire.enums import Reason
from openoutcry.wire.open_orders import IS_LEG, is_link
from tests.support.ledger.spot_day import configuration
from tests.support.risk.contracts import contract_instruments, contract_pair, run_contracts
from tests.support.risk.contracts import funded as contracts_funded
from tests.support.risk.portfolio import PortfolioOperator, portfolio_pair
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import instruments, list_commands
from tests.support.risk.spot import ASSETS, SpotOperator, funded, in_asset, run_spot, spot_pair


@pytest.mark.parametrize("seed", range(6))
def test_kernels_and_reference_hold_the_same_of_lists_in_every_wallet(seed):
    both = spot_pair()
    funded(both, 10**12)
    symbols = instruments()["symbol"].tolist()
    operator = SpotOperator(seed, both, symbols, share=(0.5, 1.0)[seed % 2])
    run_spot(both, list_commands(700, seed), operator, 0.03, seed)


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_hold_the_same_of_lists_in_contracts(seed):
    both = contracts_funded(contract_pair(), 10**9)
    run_contracts(both, seed, 400, 0.1, flow=list_commands)


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_hold_the_same_of_lists_under_scenario_margin(seed):
    both = contracts_funded(portfolio_pair(seed), 10**8)
    operator = PortfolioOperator(seed, both, contract_instruments()["symbol"].tolist())
    run_contracts(both, seed, 300, 0.1, operator=operator, flow=list_commands)


@pytest.mark.parametrize("seed", range(3))
def test_a_core_restored_anywhere_between_terms_and_their_order_continues_alike(seed):
    """One batch, and a core that is restored from a snapshot after every seventh command."""
    core = Core.of(configuration())
    deposits = [
        in_asset(Setting.DEPOSIT, 10**8, who, asset)
        for who in range(PARTICIPANTS)
        for asset in range(len(ASSETS))
    ]
    commands = np.concatenate([*deposits, *list_commands(400, seed)])
    commands["seq"] = np.arange(1, len(commands) + 1)
    once, again, parts = core.fresh(), core.fresh(), []
    told = once.process(commands)
    for number in range(len(commands)):
        parts.append(again.process(commands[number : number + 1]))
        if number % 7 == 0:
            again = core.restored(again.snapshot())
    assert np.concatenate(parts).tobytes() == told.tobytes()
    assert once.state_hash() == again.state_hash()
    view = View(once.region)
    legs = {order_id for order_id, meta, *_ in view.open_orders() if meta & IS_LEG}
    links = {row[0] for row in view.order_rows() if is_link(row[1])}
    assert legs == links
    assert view.word(lay.RiskState.offset("linking")) == 0
    assert (told["reason"] == Reason.LIST).sum() > 2
