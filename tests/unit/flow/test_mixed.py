"""The mixed flow: the same bytes every time, everything in it, in the shares it states."""

import numpy as np
import pytest

from openoutcry.flow.mixed import COMMAND_SHARES, INSTRUMENTS, TYPE_SHARES, MixedFlow
from openoutcry.wire import CommandKind, OrderType, Phase, SelfTrade, TimeInForce
from openoutcry.wire.errors import FlowError


@pytest.fixture(scope="module")
def flow():
    """200,000 commands."""
    source = MixedFlow(200_000, 7)
    return source, np.concatenate(list(source.chunks()))


def test_one_seed_gives_the_same_bytes_in_any_chunks(flow):
    """What is generated depends on count and seed alone."""
    _, orders = flow
    again = np.concatenate(list(MixedFlow(200_000, 7).chunks(999)))
    assert again.tobytes() == orders.tobytes()
    other = np.concatenate(list(MixedFlow(200_000, 8).chunks()))
    assert other.tobytes() != orders.tobytes()


def test_every_kind_type_time_in_force_phase_and_mode_occurs(flow):
    """Nothing that a command can say is left out; the account counts every command once."""
    source, orders = flow
    new = orders[orders["kind"] == CommandKind.NEW]
    beyond = {CommandKind.RISK, CommandKind.TERMS}
    assert set(orders["kind"].tolist()) == set(CommandKind) - beyond
    assert set(new["order_type"].tolist()) == set(OrderType)
    assert set((new["time_in_force"] & 15).tolist()) == set(TimeInForce)
    assert set((new["time_in_force"] >> 4).tolist()) == set(SelfTrade)
    assert set(orders["aux"][orders["kind"] == CommandKind.PHASE].tolist()) == set(Phase)
    named = {bytes(row["symbol"]) for row in INSTRUMENTS}
    assert set(np.unique(orders["symbol"][orders["kind"] == CommandKind.NEW]).tolist()) == named
    assert sum(source.account.values()) == len(orders)
    assert len(np.unique(new["order_id"])) == len(new)


@pytest.mark.parametrize(
    ("name", "order_type"),
    [
        ("iceberg", OrderType.ICEBERG),
        ("post-only", OrderType.POST_ONLY),
        ("market", OrderType.MARKET),
        ("hidden", OrderType.HIDDEN),
        ("stop", OrderType.STOP),
        ("minimum quantity", OrderType.MIN_QTY),
    ],
)
def test_a_type_has_the_share_that_is_stated(flow, name, order_type):
    """Within five standard deviations of a binomial draw."""
    _, orders = flow
    new = orders[orders["kind"] == CommandKind.NEW]
    expected = len(new) * TYPE_SHARES[name] / 65_536
    assert abs((new["order_type"] == order_type).sum() - expected) < 5 * expected**0.5


def test_replaces_have_the_share_that_is_stated(flow):
    """Within five standard deviations, REDUCE of what cannot be divided among them."""
    _, orders = flow
    expected = len(orders) * (COMMAND_SHARES["replace"] + COMMAND_SHARES["reduce"]) / 65_536
    count = np.isin(orders["kind"], (CommandKind.REPLACE, CommandKind.REDUCE)).sum()
    assert abs(count - expected) < 5 * expected**0.5


@pytest.mark.parametrize(("orders", "seed"), [(0, 1), (-5, 1), (10, -1), (10, 2**63)])
def test_nonsense_is_refused(orders, seed):
    """A flow without commands, a seed outside 63 bits."""
    with pytest.raises(FlowError):
        MixedFlow(orders, seed)
