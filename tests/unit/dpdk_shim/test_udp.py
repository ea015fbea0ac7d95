"""Real sockets on 127.0.0.1: every packet arrives or is accounted for by name."""

import os
import socket
from pathlib import Path

import pytest

from openoutcry.dpdk_shim import NetworkError, parse_endpoint
from openoutcry.wire.receive_queue import widen_receive_queue


@pytest.mark.parametrize("text", ["", "9000", ":9000", "host:", "host:x", "host:-1", "host:65536"])
def test_an_endpoint_that_is_invalid_is_refused(text: str) -> None:
    """What is not HOST:PORT is quoted back."""
    with pytest.raises(NetworkError, match=repr(text)):
        parse_endpoint(text)


def test_an_endpoint_is_host_and_port() -> None:
    """HOST:PORT in two parts."""
    assert parse_endpoint("localhost:65535") == ("localhost", 65_535)


def test_without_the_privilege_the_queue_is_what_the_system_allows() -> None:
    """Who may not pass the system's limit gets up to that limit, and is told how much it is (the
    kernel says twice what was asked for)."""
    most = int(Path("/proc/sys/net/core/rmem_max").read_text())
    before = os.geteuid()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        if before == 0:
            os.seteuid(65_534)
        try:
            assert widen_receive_queue(udp, 4 * most) == 2 * most
        finally:
            os.seteuid(before)
