"""TLS at the door: a connection that ends takes nobody else's with it."""

import asyncio
import socket
import time

import pytest

from openoutcry.order_entry.acceptor import in_time


def test_a_login_that_came_in_time_is_read_however_late_the_acceptor_looks():
    async def look_late():
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

    asyncio.run(look_late())
