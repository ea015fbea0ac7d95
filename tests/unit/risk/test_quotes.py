"""Quotes: both sides are within every limit together, or the quote is refused.

Kernels and the plain reference hold the same after every command."""

import numpy as np
import pytest

from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import View, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import EventKind
from tests.support.ledger.spot_day import configuration
from tests.support.matcher.matcher_script import SYMBOLS, parse_command
from tests.support.risk.contracts import contract_instruments, contract_pair, run_contracts
from tests.support.risk.contracts import funded as contracts_funded
from tests.support.risk.portfolio import PortfolioOperator, portfolio_pair
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import instruments, quote_commands
from tests.support.risk.spot import ASSETS, SpotOperator, funded, in_asset, run_spot, spot_pair


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_hold_the_same_of_quotes_in_every_wallet(seed):
    both = spot_pair()
    funded(both, 10**12)
    symbols = instruments()["symbol"].tolist()
    operator = SpotOperator(seed, both, symbols, share=(0.5, 1.0)[seed % 2])
    run_spot(both, quote_commands(700, seed), operator, 0.03, seed)


@pytest.mark.parametrize("seed", range(4))
def test_kernels_and_reference_hold_the_same_of_quotes_in_contracts(seed):
    both = contracts_funded(contract_pair(), 10**9)
    run_contracts(both, seed, 400, 0.1, flow=quote_commands)


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_hold_the_same_of_quotes_under_scenario_margin(seed):
    both = contracts_funded(portfolio_pair(seed), 10**8)
    operator = PortfolioOperator(seed, both, contract_instruments()["symbol"].tolist())
    run_contracts(both, seed, 300, 0.1, operator=operator, flow=quote_commands)


@pytest.mark.parametrize("seed", range(2))
def test_a_core_restored_anywhere_between_a_term_and_its_quote_continues_alike(seed):
    """One batch, and a core that is restored from a snapshot after every seventh command."""
    core = Core.of(configuration())
    deposits = [
        in_asset(Setting.DEPOSIT, 10**8, who, asset)
        for who in range(PARTICIPANTS)
        for asset in range(len(ASSETS))
    ]
    commands = np.concatenate([*deposits, *quote_commands(400, seed)])
    commands["seq"] = np.arange(1, len(commands) + 1)
    once, again, parts = core.fresh(), core.fresh(), []
    told = once.process(commands)
    for number in range(len(commands)):
        parts.append(again.process(commands[number : number + 1]))
        if number % 7 == 0:
            again = core.restored(again.snapshot())
    assert np.concatenate(parts).tobytes() == told.tobytes()
    assert once.state_hash() == again.state_hash()
    assert View(once.region).word(lay.RiskState.offset("linking")) == 0


class Alice:
    """Participant 1 of a core with these limits of hers."""

    def __init__(self, *limits):
        hooks = {"name": "risk", "participants": 4, "order_capacity": 64}
        instruments = instruments_to_json(make_instruments(SYMBOLS))
        document = {"instruments": instruments, "order_capacity": 64, "hooks": hooks}
        self.engine, self.seq = Core.of(document).fresh(), 0
        for limit in limits:
            self.process(limit)

    def process(self, order):
        self.seq += 1
        order["seq"] = self.seq
        return self.engine.process(order)

    def quotes(self, bid, offer):
        """Kinds and details of the events of a quote."""
        self.process(parse_command(f"TERMS id=1 QUOTE {offer} other=2", 0))
        events = self.process(parse_command(f"NEW id=1 BUY {bid}", 0))
        return [(EventKind(kind), int(bits)) for kind, bits in events[["kind", "contra_id"]]]


ENTERS = [(EventKind.ACCEPTED, 0)] * 2


def test_a_quote_that_either_side_could_pay_and_not_both_is_refused():
    """With a fee of 50 a lot a bid of 6 at 100 needs 900 of 1,000, and an offer of 6 needs 300."""
    alice = Alice(setting(Setting.CREDIT, 1000, 1))
    assert alice.quotes("6@100", "6@150") == ENTERS
    fee = setting(Setting.FEE, 50, 0, parse_command("NEW", 0)["symbol"][0])
    alice = Alice(setting(Setting.CREDIT, 1000, 1), fee)
    assert alice.quotes("6@100", "6@150") == [(EventKind.REJECTED, 1 << RiskBit.CAPITAL)]
    assert alice.quotes("6@100", "1@150") == ENTERS


def test_the_limit_on_open_orders_counts_both_sides():
    alice = Alice(setting(Setting.OPEN_ORDERS, 1, 1))
    assert alice.quotes("6@100", "6@150") == [(EventKind.REJECTED, 1 << RiskBit.OPEN_ORDERS)]
    assert alice.quotes("6@100", "0") == ENTERS[:1]
    assert alice.quotes("6@101", "0") == [(EventKind.REPLACED, 0)]


def test_a_quote_that_is_refused_costs_nothing_of_the_rate():
    """Two messages at a time: a quote takes both, and one that is refused none."""
    alice = Alice(
        setting(Setting.RATE, 10**9, 1, 0, 2),
        setting(Setting.MAX_QTY, 10, 1, parse_command("NEW", 0)["symbol"][0]),
    )
    for _ in range(3):
        assert alice.quotes("6@100", "11@150") == [(EventKind.REJECTED, 1 << RiskBit.MAX_QTY)]
    assert alice.quotes("6@100", "6@150") == ENTERS
    assert alice.quotes("6@100", "6@150") == [(EventKind.REJECTED, 1 << RiskBit.RATE)]
