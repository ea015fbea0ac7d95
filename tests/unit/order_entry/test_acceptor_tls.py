"""TLS at the door: a connection that ends takes nobody else's with it."""

import asyncio
import socket
import ssl
import time

import pytest

from openoutcry.order_entry.acceptor import HANDSHAKES, HANDSHAKES_EACH, in_time
from openoutcry.order_entry.spec import PortSpec, Protocol
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue


async def test_a_login_that_came_in_time_is_read_however_late_the_acceptor_looks():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        late = loop.create_task(in_time(loop.sock_recv(ours, 9), loop.time() + 0.1))
        await asyncio.sleep(0)
        theirs.sendall(b"login")
        time.sleep(0.2)  # without a core
        assert await late == b"login"
        with pytest.raises(TimeoutError):
            await in_time(loop.sock_recv(ours, 9), loop.time() + 0.01)
        assert not loop.remove_reader(ours), "nobody looks at it any more"


def test_few_handshakes_begin_at_once_in_all_and_of_one_address(monkeypatch):
    """They take the loop from the orders of others, and need no login."""
    context, begun = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    port = PortSpec(Protocol.OUCH42, "127.0.0.1", 0)

    async def begin(*_, **__):
        begun.append(None)
        raise ConnectionError

    with InlineVenue([session("ONE", 1)]) as venue:
        monkeypatch.setattr(venue.loop, "connect_accepted_socket", begin)

        def came(address):
            ours, theirs = socket.socketpair()
            ours.close()
            venue.loop.call_soon(venue.acceptor.admit, theirs, port, (address, 40_000), context)
            venue.loop.settle()
            return len(begun)

        first = [came("192.0.2.1") for _ in range(2 * HANDSHAKES_EACH.at_once)]
        assert first[-1] == HANDSHAKES_EACH.at_once
        venue.clock.advance(1 / HANDSHAKES.per_s)
        assert came("192.0.2.2") == first[-1] + 1, "another address does not wait for the first"
        assert came("192.0.2.3") == first[-1] + 1, "all of them have begun as many as they may"
        venue.clock.advance(1.0)
        venue.loop.settle()
        assert 2 < len(begun) - first[-1] <= 2 + HANDSHAKES_EACH.per_s
