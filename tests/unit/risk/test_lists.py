"""Lists of orders reserve for the dearest leg once: kernels and the plain reference, which adds up
what is open each time, hold the same after every command, and no wallet is below its credit."""

import pytest

from tests.support.risk.contracts import contract_instruments, contract_pair, run_contracts
from tests.support.risk.contracts import funded as contracts_funded
from tests.support.risk.portfolio import PortfolioOperator, portfolio_pair
from tests.support.risk.risk_flow import instruments, list_commands
from tests.support.risk.spot import SpotOperator, funded, run_spot, spot_pair


@pytest.mark.parametrize("seed", range(6))
def test_kernels_and_reference_hold_the_same_of_lists_in_every_wallet(seed):
    both = spot_pair()
    funded(both, 10**8)
    symbols = instruments()["symbol"].tolist()
    operator = SpotOperator(seed, both, symbols, share=(0.5, 1.0)[seed % 2])
    run_spot(both, list_commands(500, seed), operator, 0.1, seed)


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_hold_the_same_of_lists_in_contracts(seed):
    both = contracts_funded(contract_pair(), 10**9)
    run_contracts(both, seed, 400, 0.1, flow=list_commands)


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_hold_the_same_of_lists_under_scenario_margin(seed):
    both = contracts_funded(portfolio_pair(seed), 10**8)
    operator = PortfolioOperator(seed, both, contract_instruments()["symbol"].tolist())
    run_contracts(both, seed, 300, 0.1, operator=operator, flow=list_commands)
