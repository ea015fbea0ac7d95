"""bench/peers/plain_exchange.py: the plain peers trade as we do, or are refused."""

import numpy as np
import pytest

from openoutcry.bench.peers.pair import PeerError
from openoutcry.bench.peers.plain_exchange import PEERS, PlainBook, as_tuples, measure, our_trades
from openoutcry.flow import FLOWS, GeneratedFlow

pytest.importorskip("sortedcontainers")


def flow(name: str, count: int):
    source = GeneratedFlow(name, count, 3)
    return source, np.concatenate(list(source.chunks()))


@pytest.mark.parametrize("name", FLOWS)
def test_the_plain_book_trades_as_often_as_ours(name):
    """Every generated flow gives the same number of trades."""
    source, records = flow(name, 10_000)
    book = PlainBook()
    made = sum(book.apply(command) for command in as_tuples(records))
    assert made == our_trades(source.instruments, records) > 0


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
