"""The kernels are the plain reference: every verdict, what it tells, and every word of the state,
around the real matcher, in flows with every order type, auctions, halts and changing limits; and
what is reserved is what the open orders need after every single command."""

from collections import Counter

import matcher_mixed
import numpy as np
import pytest
from risk_core import PARTICIPANTS, Operator, Pair, bits

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.risk.bits import RiskBit
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind

LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}


def instruments():
    """Those of the mixed flow, all but one with price limits."""
    return make_instruments([(LIMITED if n != 2 else {}) | dict(row)
                             for n, row in enumerate(INSTRUMENTS)])  # fmt: skip


def pair(**more):
    return Pair(instruments(), leveraged=(4,), multipliers=[1, 1, 5, 1, 2, 1, 1, 1], **more)


def mixed_commands(count, seed):
    """The mixed flow, its participants folded into a few."""
    for chunk in MixedFlow(count, seed).chunks(count):
        who = chunk["participant"]
        chunk["participant"] = np.where(who > 0, 1 + who % PARTICIPANTS, 0)
        yield from (chunk[n : n + 1] for n in range(len(chunk)))


def run(both, commands, operator, share, seed, look_every):
    rng = np.random.default_rng([seed, 19])
    for number, command in enumerate(commands):
        while rng.random() < share:
            both.process(operator.draw())
        both.process(command.copy())
        if rng.random() < share and command["kind"] == CommandKind.NEW:
            again = command.copy()
            again["order_id"] += 1 << 40
            both.process(again)
        if number % look_every == 0:
            both.same()
    both.same()


def counted(verdicts):
    return Counter(name for verdict in verdicts if verdict & 0xFF for name in bits(verdict))


def test_ten_thousand_mixed_commands():
    """Every check but the two rarest refuses some (``test_risk_edges`` has each), and many pass."""
    both = pair()
    symbols = instruments()["symbol"].tolist()
    run(both, mixed_commands(10_000, 7), Operator(7, both, symbols), 0.06, 7, 500)
    found = counted(both.verdicts)
    passed = sum(verdict == 0 for verdict in both.verdicts)
    assert passed > 2_000
    assert {bit.name for bit in RiskBit} - set(found) <= {"ARITHMETIC", "LOSS"}, found


@pytest.mark.parametrize("seed", range(12))
def test_swarms_with_extremes(seed):
    """The matcher's own random streams: malformed records, prices and quantities at the ends of
    int64, ids that meet again, all phases."""
    case = matcher_mixed.mixed(seed, 400)
    both = Pair(case.instruments, case.order_capacity, leveraged=(0,) if seed % 3 == 0 else ())
    commands = (case.orders[n : n + 1] for n in range(len(case.orders)))
    symbols = case.instruments["symbol"].tolist()
    run(both, commands, Operator(seed, both, symbols), 0.1 * (seed % 2), seed, 50)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_ten_million_mixed_commands(seed):
    """In pieces of 100,000."""
    both = pair()
    symbols = instruments()["symbol"].tolist()
    run(both, mixed_commands(100_000, seed), Operator(seed, both, symbols), 0.03, seed, 5_000)


def test_the_state_goes_on_from_a_copy():
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
