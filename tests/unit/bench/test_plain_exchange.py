"""bench/peers/plain_exchange.py: the plain peers trade as we do, or are refused."""

import pytest

from openoutcry.bench.peers.plain_exchange import PlainBook, as_tuples, measure
from openoutcry.flow import FLOWS
from openoutcry.host.processes import PeerError
from tests.support.bench.plain_exchange import flow, our_trades

pytest.importorskip("sortedcontainers")


@pytest.mark.parametrize("name", FLOWS)
def test_the_plain_book_trades_as_often_as_ours(name):
    """Every generated flow gives the same number of trades."""
    source, records = flow(name, 10_000)
    book = PlainBook()
    trade_count = sum(book.apply(command) for command in as_tuples(records))
    assert trade_count == our_trades(source.instruments, records) > 0


def test_a_peer_that_trades_otherwise_is_refused():
    """A figure of a peer that does something else would compare nothing."""
    _, records = flow("normal", 2_000)
    with pytest.raises(PeerError, match="trades"):
        measure("asyncio", as_tuples(records), 0, -1)
