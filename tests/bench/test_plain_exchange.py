"""bench/peers/plain_exchange.py: the plain peers trade as we do, or are refused."""

import numpy as np
import pytest

from openoutcry.bench import pipeline
from openoutcry.bench.paced import paced
from openoutcry.bench.peers import plain_exchange
from openoutcry.bench.peers.plain_exchange import PEERS, PlainBook, Taken, as_tuples, measure
from openoutcry.bench.rounds import Rounds
from openoutcry.flow import FLOWS, GeneratedFlow
from openoutcry.host.processes import PeerError
from openoutcry.matcher import Engine
from openoutcry.wire.enums import EventKind

pytest.importorskip("sortedcontainers")


def flow(name: str, count: int, seed: int = 3):
    source = GeneratedFlow(name, count, seed)
    return source, np.concatenate(list(source.chunks()))


def our_trades(instruments, records) -> int:
    """The trades of our matcher on the same commands: two fills each."""
    numbered = records.copy()
    numbered["seq"] = np.arange(1, len(records) + 1)
    engine = Engine(instruments)
    bursts = (engine.process(numbered[at : at + 64]) for at in range(0, len(numbered), 64))
    return sum(int((events["kind"] == int(EventKind.FILLED)).sum()) for events in bursts) // 2


@pytest.mark.parametrize("name", FLOWS)
def test_the_plain_book_trades_as_often_as_ours(name):
    """Every generated flow gives the same number of trades."""
    source, records = flow(name, 10_000)
    book = PlainBook()
    trade_count = sum(book.apply(command) for command in as_tuples(records))
    assert trade_count == our_trades(source.instruments, records) > 0


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


def test_a_peer_that_trades_otherwise_is_refused():
    """A figure of a peer that does something else would compare nothing."""
    _, records = flow("normal", 2_000)
    with pytest.raises(PeerError, match="trades"):
        measure("asyncio", as_tuples(records), 0, -1)


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
