"""bench/peers/plain_exchange.py: the plain peers trade as we do, or are refused."""

import numpy as np
import pytest

from openoutcry.bench import pipeline
from openoutcry.bench.paced import paced
from openoutcry.bench.peers import plain_exchange
from openoutcry.bench.peers.plain_exchange import PEERS, Taken, as_tuples, measure
from openoutcry.bench.rounds import Rounds
from tests.support.bench.plain_exchange import flow, our_trades

pytest.importorskip("sortedcontainers")


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_every_command(name):
    """As fast as it goes and at a rate: one latency a command, the same trades."""
    source, records = flow("normal", 2_000)
    commands, trades = as_tuples(records), our_trades(source.instruments, records)
    fast = measure(name, commands, 0, trades)
    slow = measure(name, commands, 20_000, trades)
    assert len(fast.latencies) == len(slow.latencies) == 2_000
    assert (slow.latencies > 0).all()
    assert slow.seconds > 0.09


def test_a_queue_peers_time_counts_from_its_first_command():
    """Not from the fork of its sender: n commands at a rate take no less than (n - 1) / rate, and
    the seconds are those between the first intended send and the last reply."""
    source, records = flow("normal", 200)
    taken = measure("mp_queue", as_tuples(records), 1_000, our_trades(source.instruments, records))
    last_s = taken.latencies[-1] / 1e9
    assert taken.seconds == pytest.approx(0.199 + last_s, abs=1e-6)


def test_peers_lose_our_warm_up_and_get_our_commands(monkeypatch):
    """Slow only while it warms up, a peer has none of that in its figures; what it is fed at the
    rate is what our run at the rate was fed, command by command, and trades as often."""
    requests, runs = [], []

    def warming_up(commands, rate):
        taken = plain_exchange.asyncio_exchange(commands, 0)
        requests.append((commands, rate))
        latencies = np.full(len(commands), 1_000)
        latencies[: runs[0].warm if runs else 0] = 10**9
        return Taken(taken.seconds, latencies.tolist(), taken.trades)

    def kept(*arguments):
        runs.append(paced(*arguments))
        return runs[0]

    monkeypatch.setattr(pipeline, "paced", kept)
    monkeypatch.setitem(PEERS, "asyncio", warming_up)
    session = pipeline.Session(True, Rounds(1, print), ["asyncio"], False, None)
    figures = {}
    pipeline._peers(session, lambda name, *_: figures.setdefault((name, _[3:]), _[2]))
    (fast, as_they_go), (slow, rate) = requests
    assert (as_they_go, rate, session.rounds.missing) == (0, pipeline.PEER_RATE, [])
    assert len(fast) == pipeline.QUICK_PEER_ORDERS
    _, records = flow("normal", len(runs[0].recording.stamps), pipeline.SEED)
    assert slow == as_tuples(records)
    assert runs[0].warm > 0
    assert figures["whole_p99_none_2k", ("asyncio",)] == 1_000
    assert figures["whole_p99_none_2k", ()] > 0
