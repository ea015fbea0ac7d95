"""bench risk: the peer in C agrees with the kernels, also where limits bind; from a kill to the
last cancel's release, in a run of its own."""

import pytest

from openoutcry.bench import risk as bench
from openoutcry.bench.kill import kill_ns
from openoutcry.bench.risk_pipeline import WAYS, add_pipeline
from openoutcry.wire import OutcryError
from openoutcry.wire.enums import CommandKind, EventKind
from tests.support.bench import bench_risk as shared

peer = shared.peer


@pytest.mark.parametrize("durable", [False, True])
def test_every_open_order_is_cancelled_and_released(durable, tmp_path, monkeypatch):
    """The figure is of a run that lost nothing and left nothing open: else it raises."""
    monkeypatch.chdir(tmp_path)
    assert kill_ns(durable, quick=True) > 0
    assert not list(tmp_path.iterdir())


def test_replaces_are_let_in_and_the_peer_agrees(peer):
    """A third of the commands are replaces of open orders; none is refused."""
    stream = bench.Stream(16, 4, 30_000, replaces=True)
    bench.require_agreement(stream, peer)
    replaced = stream.events["kind"] == EventKind.REPLACED
    assert (stream.orders["kind"] == CommandKind.REPLACE).mean() > 0.3
    assert replaced.sum() > 5_000


def test_the_pipeline_runs_with_every_limit_and_without(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = []
    add_pipeline(0, lambda name, unit, better, value, who="ours": rows.append((name, who, value)),
                 quick=True)  # fmt: skip
    assert {row[:2] for row in rows} == {
        (name, who) for name in ("pipeline_durable", "wire_to_ack_p50") for who in WAYS
    }
    assert all(value > 0 for _, _, value in rows)
    assert not list(tmp_path.iterdir())


def test_a_peer_that_disagrees_is_no_peer(peer):
    stream = bench.Stream(4, 2, 512)
    ours = stream.taken(stream.state(), bench.run_commands)
    theirs = stream.taken(stream.state(), peer)
    ours.require_same(theirs)
    theirs.region[8 * 40] ^= 1
    with pytest.raises(OutcryError, match="another state"):
        ours.require_same(theirs)
    theirs.verdicts[3] = 1
    with pytest.raises(OutcryError, match="another verdict in C on command 4"):
        ours.require_same(theirs)
