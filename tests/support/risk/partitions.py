"""What the tests of partitions in several tiers share."""

import numpy as np

from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind
from tests.support.risk.risk_core import Operator
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_partitions import Triple


def time(now):
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["aux"] = CommandKind.TIME, now
    return record


def few(limited):
    """Without values at which totals of the whole end that a partition's do not."""
    return limited["aux"][0] == NO_LIMIT or abs(int(limited["aux"][0])) < 1 << 50


def govern(partitions, seed, count):
    """The mixed flow among limits that move, with and without room; looked at at every command."""
    both = Triple(instruments(), partitions)
    operator = Operator(seed, both.limits, instruments()["symbol"].tolist(), corporate=0.05)
    rng = np.random.default_rng(seed)
    for number, command in enumerate(mixed_commands(count, seed)):
        if rng.random() < 0.12:
            operator.pair = both.limits
            drawn = operator.draw()
            if few(drawn):
                both.process(drawn)
        if number % 60 == 0:
            for one in both.plain.parts:
                for halted in [rules for rules in one.instruments if rules.halted]:
                    both.process(setting(Setting.HALT, 0, 0, halted.symbol))
            both.process(time(both.plain.whole.now + int(rng.integers(1, 10**9))))
        both.process(command.copy())
        if number % 250 == 0:
            both.same()
    both.same()
    return both
