"""A snapshot is the book, joined with what comes behind it at any moment; clients that are no
clients get nothing."""

import socket
import threading

import pytest

from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import fetch, snapshot
from openoutcry.wire.errors import FeedError
from tests.support.market_data.feed_support import flow, protected, unframed
from tests.support.market_data.snapshot_server import serve_next
from tests.support.waiting import BOUND_S

SESSION = "20261121AB"


def framed(messages):
    return b"".join(len(one).to_bytes(2, "big") + one for one in messages)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answering(listener, messages):
    """A thread that serves one client."""
    thread = threading.Thread(target=serve_next, args=(listener, SESSION, messages), daemon=True)
    thread.start()
    return thread


def standing(book):
    """What protects the market, as a book has it."""
    return (
        book.decline_levels,
        book.breached,
        [
            (one.symbol, one.state, one.reason, one.stopped, one.collar, one.extension)
            for one in book.instruments()
        ],
    )


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))]
)
def test_a_snapshot_and_what_follows_are_the_book(seed, listener):
    """At a moment of each flow; over a socket, for the last one of them."""
    run, events, rx_ts_ns = flow(seed, 700)
    if seed % 2:
        events, rx_ts_ns = protected(seed, run.instruments, events, rx_ts_ns)
    messages = unframed(
        Feed(run.instruments, run.order_capacity, strict=False).encode(events, rx_ts_ns, 1)
    )
    directory = messages[: 1 + len(run.instruments)]
    for cut in {len(directory), len(messages) // 3, 2 * len(messages) // 3, len(messages)}:
        book = Book()
        book.apply(framed(messages[:cut]))
        thread = answering(listener, snapshot(book, directory, cut + 1))
        session, snapshot_messages, following = fetch(listener.getsockname())
        thread.join(BOUND_S)
        joined = Book()
        joined.apply(snapshot_messages)
        assert (session, following) == (SESSION, cut + 1)
        assert joined.hash() == book.hash()
        assert standing(joined) == standing(book)
        for one in (joined, book):
            one.apply(framed(messages[following - 1 :]))
        assert joined.hash() == book.hash()
        assert standing(joined) == standing(book)


@pytest.mark.promise(
    "The pages' port, the retransmission server and the snapshot port answer what can be "
    "answered, at a limited rate for each client. Invalid requests affect no other client, "
    "and a client that does not read costs no memory",
    group="venue",
)
@pytest.mark.parametrize(
    "payload", [b"\x00\x01R", b"\x00\x02LX", b"\xff\xff", b"\x00\x00", b"GET /"]
)
def test_who_does_not_log_in_gets_nothing(listener, payload):
    thread = answering(listener, iter(()))
    with socket.create_connection(listener.getsockname(), BOUND_S) as client:
        client.sendall(payload)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) in (b"", b"\x00\x02JA")
    thread.join(BOUND_S)
    assert not thread.is_alive()


def test_what_is_no_snapshot_is_reported(listener):
    thread = answering(listener, iter(()))
    with pytest.raises(FeedError, match="the snapshot ended early"):
        fetch(listener.getsockname())
    thread.join(BOUND_S)
    listener.close()
    with pytest.raises(FeedError, match="no snapshot"):
        fetch(("127.0.0.1", 1))
