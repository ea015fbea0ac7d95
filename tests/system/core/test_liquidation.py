"""Under its maintenance margin a participant is killed by the core itself, at the very command, and
only the parts that the operator's lane has said make smaller what it holds."""

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from tests.support.risk.risk_core import PARTICIPANTS, Operator, Pair
from tests.support.risk.risk_flow import instruments, mixed_commands


def calls_everybody(both, rng):
    """Everybody trades on a balance that a few trades use up."""
    for index in range(len(both.reference.instruments)):
        symbol = both.reference.instruments[index].symbol
        yield setting(Setting.MARGIN, int(rng.integers(1, 40_000)), symbol=symbol)
        yield setting(Setting.FEE, int(rng.integers(0, 200)), symbol=symbol)
    for who in range(1, PARTICIPANTS):
        yield setting(Setting.CREDIT, int(rng.integers(10**7, 10**9)), who)
        yield setting(Setting.MAINTENANCE, int(rng.integers(1, 10_001)), who)


def liquidations(seed, count):
    """The mixed flow, everybody near the maintenance margin, and an operator who closes out."""
    both = Pair(instruments(), leveraged=(4,), multipliers=[1, 1, 5, 1, 2, 1, 1, 1])
    rng = np.random.default_rng([seed, 61])
    symbols = [one.symbol for one in both.reference.instruments]
    operator = Operator(seed, both, symbols)
    for record in calls_everybody(both, rng):
        both.process(record)
    for number, command in enumerate(mixed_commands(count, seed)):
        both.process(command.copy())
        if number % 50 == 0:
            one = symbols[int(rng.integers(len(symbols)))] if number % 100 else b""
            both.process(setting(Setting.MARK, 0, symbol=one))
        if number % 20 == 0:
            who = int(rng.integers(1, PARTICIPANTS))
            both.process(setting(Setting.DEPOSIT, operator.withdrawn(who), who))
        for _ in range(3):
            if operator.called():
                held = [abs(cell.position) for row in both.reference.cells for cell in row]
                record = operator.step()
                both.process(record)
                if record["order_id"] > lay.PART_IDS:
                    now = [abs(cell.position) for row in both.reference.cells for cell in row]
                    who = int(record["participant"][0]) * len(symbols)
                    assert (
                        max(
                            n - h
                            for n, h in zip(
                                now[who : who + len(symbols)],
                                held[who : who + len(symbols)],
                                strict=True,
                            )
                        )
                        <= 0
                    )
    both.same()
    return both


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_kernels_and_reference_close_out_alike(seed):
    both = liquidations(seed, 4_000)
    assert both.reference.parts > 20
    assert both.parts_traded > 5
    assert any(one.called_seq for one in both.reference.participants)
