"""What the tests of risk reference in several tiers share."""

import numpy as np

from openoutcry.risk.bits import NO_LIMIT
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import REDUCE_ONLY, CommandKind, Phase, Side
from tests.oracles.risk.protection import PAUSED
from tests.support.risk.risk_core import Pair
from tests.support.risk.risk_flow import instruments


def pair(**more):
    return Pair(instruments(), leveraged=(4,), multipliers=[1, 1, 5, 1, 2, 1, 1, 1], **more)


def with_time(commands, both, symbols, seed):
    """Between the commands sequenced time goes on by seconds, prices move as they never do in the
    mixed flow, and instruments that pause, or have paused, are called and opened again."""
    rng, moved = np.random.default_rng([seed, 23]), 0
    for number, command in enumerate(commands):
        if number % 80 == 0:
            moved = int(np.clip(moved + 10 * rng.integers(-80, 81), -20_000, 20_000))
        if command["kind"] in (CommandKind.NEW, CommandKind.REPLACE) and command["price_ticks"]:
            command["price_ticks"] += moved
            row = both.reference.protection.rows[symbols.index(bytes(command["symbol"][0]))]
            if row.high != NO_LIMIT and rng.random() < 0.2:
                command["price_ticks"] = row.high if command["side"] == Side.BUY else row.low
        if number % 40 == 0:
            yield operator_command(
                CommandKind.TIME, aux=both.reference.now + int(rng.integers(1, 8 * 10**9))
            )
        if number % 20 == 10:
            index = int(rng.integers(len(symbols)))
            row = both.reference.protection.rows[index]
            if row.state >= PAUSED or row.phase != Phase.CONTINUOUS:
                calls = row.phase == Phase.VOLATILITY_AUCTION
                phase = Phase.CONTINUOUS if calls else Phase.VOLATILITY_AUCTION
                phase = Phase.CLOSED if row.until == NO_LIMIT and row.state == PAUSED else phase
                yield operator_command(CommandKind.PHASE, symbol=symbols[index], aux=phase)
        yield command


def operator_command(kind, **fields):
    """A command of the operator's lane."""
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record


def run(both, commands, operator, share, seed, look_every):
    rng = np.random.default_rng([seed, 19])
    for number, command in enumerate(commands):
        while rng.random() < share:
            both.process(operator.draw())
        if operator.called() and rng.random() < 2 * share:
            both.process(operator.step())
        command = command.copy()
        if command["kind"] == CommandKind.NEW:
            # Reduce-only orders have a judge of their own (tests/unit/risk/test_reduce_only.py).
            command["time_in_force"] &= REDUCE_ONLY - 1
        both.process(command.copy())
        if rng.random() < share and command["kind"] == CommandKind.NEW:
            again = command.copy()
            again["order_id"] += 1 << 40
            both.process(again)
        if number % look_every == 0:
            both.same()
    both.same()
