"""The ports of a run: what comes before they may take it, and senders that a journal knows."""

import socket
from contextlib import suppress

import pytest

from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.pipeline.port_source import PortSource
from tests.support.dpdk_shim.shim_wire import needs_shim
from tests.support.processes import free_port
from tests.support.waiting import wait_until


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"])
def test_before_they_may_be_open_kernel_sockets_refuse_what_comes(host: str) -> None:
    """A datagram is refused as by a port where no program listens, and lost; its number is taken;
    later ones wait for the process that receives."""
    needs_shim()
    number = free_port()
    source = PortSource([parse_port(f"udp:{host}:{number}")])
    (bound,) = source.bound
    assert bound is not None
    family = bound.family
    to = ("::1" if family == socket.AF_INET6 else "127.0.0.1", number)
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect(to)

        def refused() -> bool:
            try:
                client.send(b"early")
                client.send(b"early")
            except ConnectionRefusedError:
                return True
            return False

        wait_until(refused)
        with suppress(BlockingIOError):
            assert not bound.recv(100, socket.MSG_DONTWAIT)
        source.let_in()
        assert source.is_open
        assert not source.takes
        with suppress(ConnectionRefusedError):
            client.send(b"late")
            client.send(b"late")
        assert bound.recv(100) == b"late"
        assert source.account()["system_drops"] == 0
    source.close()
