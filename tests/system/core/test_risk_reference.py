"""The kernels are the plain reference: every verdict, what it tells, and every word of the state,
around the real matcher, in flows with every order type, auctions, halts and changing limits; and
what is reserved is what the open orders need after every single command."""

from collections import Counter

import pytest

from openoutcry.risk.bits import CORPORATE_SETTINGS, RiskBit
from openoutcry.wire.enums import CommandKind
from tests.oracles.risk.reference import APPLIED
from tests.support.risk.risk_core import Operator, bits
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import pair, run, with_time


def counted(verdicts):
    return Counter(name for verdict in verdicts if verdict & 0xFF for name in bits(verdict))


@pytest.mark.long
def test_ten_thousand_mixed_commands():
    """Every check but the rarest refuses some (``test_risk_edges`` has each), and many pass.

    Wallets and contracts have their own streams (``test_spot``, ``test_contracts``)."""
    both = pair()
    symbols = instruments()["symbol"].tolist()
    run(both, mixed_commands(10_000, 2), Operator(2, both, symbols), 0.06, 2, 500)
    refusals = counted(both.verdicts)
    passed = sum(verdict == 0 for verdict in both.verdicts)
    assert passed > 2_000
    elsewhere = {"SPEED_BUMP_FULL", "WITHDRAWN", "BALANCE", "EXPIRED"}
    rare = {"ARITHMETIC", "LOSS", "DRAWDOWN", "MAX_VALUE", "CLOSED"}
    assert {bit.name for bit in RiskBit} - set(refusals) - elsewhere <= rare, refusals
    assert both.parts_traded > 0


@pytest.mark.parametrize(
    ("seed", "protection", "places"),
    [pytest.param(3, False, 64, marks=pytest.mark.long), (4, True, 96)],
)
def test_four_thousand_mixed_commands_with_a_speed_bump(seed, protection, places):
    """Who waits, who enters when, what is withdrawn, and for whom there was no room; among limits
    that change, kills, halts, pauses and liquidations, and other speed bumps."""
    both = pair(delayed=places, protection=protection)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(4_000, seed)
    if protection:
        flow = with_time(flow, both, symbols, seed)
    operator = Operator(seed, both, symbols, protecting=0.9 if protection else 0.0)
    run(both, flow, operator, 0.06, seed, 250)
    refusals = counted(both.verdicts)
    assert {"SPEED_BUMP_FULL", "WITHDRAWN"} <= set(refusals), refusals
    assert both.entered > 1_000


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_ten_thousand_mixed_commands_with_protection(seed):
    """Bands, limit states, pauses, calls and the breaker among everything else: every word and
    decision as in the plain reference, and each kind of decision happens."""
    both = pair(protection=True)
    symbols = instruments()["symbol"].tolist()
    commands = with_time(mixed_commands(10_000, seed), both, symbols, seed)
    run(both, commands, Operator(seed, both, symbols, protecting=0.99), 0.05, seed, 50)
    kinds = {kind for kind, *_ in both.reference.protection.log}
    assert kinds == set(range(1, 9)), kinds
    assert {why for kind, _, _, why in both.reference.protection.log if kind == 3} == set(
        range(1, 6)
    )


@pytest.mark.parametrize("protection", [pytest.param(False, marks=pytest.mark.long), True])
def test_three_thousand_mixed_commands_with_dividends_and_splits(protection):
    """Commands in instruments that are halted and not, with open orders and without, with valid and
    invalid ratios and prices: positions, what they need and are worth, the last price,
    the index."""
    both = pair(protection=protection)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(3_000, 6)
    if protection:
        flow = with_time(flow, both, symbols, 6)
    operator = Operator(6, both, symbols, 0.3 * protection, corporate=0.5)
    adjusted, process = Counter(), both.process

    def noted(order):
        answer = process(order)
        if order["kind"][0] == CommandKind.RISK and order["order_type"][0] in CORPORATE_SETTINGS:
            adjusted[int(order["order_type"][0]), answer[0] == APPLIED] += 1
            both.same()
        return answer

    both.process = noted
    run(both, flow, operator, 0.3, 6, 500)
    kinds = {(int(what), done) for what in CORPORATE_SETTINGS for done in (True, False)}
    assert set(adjusted) == kinds
    assert min(adjusted.values()) > 20, adjusted
