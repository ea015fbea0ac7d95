"""The kernels are the plain reference: every verdict, what it tells, and every word of the state,
around the real matcher, in flows with every order type, auctions, halts and changing limits; and
what is reserved is what the open orders need after every single command."""

import numpy as np
import pytest

from tests.support.matcher import matcher_mixed
from tests.support.risk.risk_core import Operator, Pair
from tests.support.risk.risk_flow import mixed_commands
from tests.support.risk.risk_reference import pair, run


@pytest.mark.parametrize("seed", range(12))
def test_swarms_with_extremes(seed):
    """The matcher's own random streams: malformed records, prices and quantities at the ends of
    int64, ids that meet again, all phases."""
    case = matcher_mixed.mixed(seed, 400)
    more = {"leveraged": (0,) if seed % 3 == 0 else (), "delayed": 64 if seed % 4 == 3 else 0}
    both = Pair(case.instruments, case.order_capacity, **more)
    commands = (case.orders[n : n + 1] for n in range(len(case.orders)))
    symbols = case.instruments["symbol"].tolist()
    run(both, commands, Operator(seed, both, symbols), 0.1 * (seed % 2), seed, 50)


def test_the_state_continues_from_a_copy():
    """Snapshot in the middle: bytes copied, engine restored; the second half gives the same."""
    both, again = pair(), pair()
    commands = [one.copy() for one in mixed_commands(3_000, 9)]
    for command in commands[:1_500]:
        both.process(command.copy())
    again.kernels.engine = type(both.kernels.engine).restore(
        both.kernels.engine.snapshot(), order_capacity=5_000
    )
    again.kernels.region[:] = both.kernels.region
    for number, command in enumerate(commands[1_500:]):
        command["seq"] = 1_501 + number
        one, other = both.kernels.process(command), again.kernels.process(command)
        assert one[0] == other[0]
        assert np.array_equal(one[1], other[1])
    assert both.view.digest() == again.view.digest()
    assert bytes(both.kernels.region) == bytes(again.kernels.region)
