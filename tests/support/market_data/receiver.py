"""What the tests of receiver in several tiers share."""

import socket
import threading
from contextlib import ExitStack

import pytest

from openoutcry.market_data.glimpse import serve_one, snapshot

SESSION = "20261121AB"


@pytest.fixture
def stack():
    with ExitStack() as exit_stack:
        yield exit_stack


def answering(stack, book, directory, following, times):
    """A thread that gives one snapshot so many times; its address."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve():
        for _ in range(times):
            connection, _ = listener.accept()
            with connection:
                serve_one(connection, SESSION, snapshot(book, directory, following))

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()
