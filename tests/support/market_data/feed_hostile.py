"""Subscribers who want no good: run as a script, with addresses and a count, it connects them, says
how many connections stand, and keeps them until its input ends."""

import json
import resource
import socket
import sys
from contextlib import ExitStack, suppress
from typing import Any

from openoutcry.market_data import mold
from openoutcry.market_data.glimpse import packet_of
from openoutcry.wire.messages import SOUPBIN


def connect_all(stack: ExitStack, spec: dict[str, Any], count: int) -> int:
    """So many of each kind; returns how many connections stand."""
    login = SOUPBIN.from_client("L").pack(username="", password="", session="", sequence="1")
    stands = 0
    for number in range(count):
        payloads = (b"", packet_of("L", login[1:]), b"GET / HTTP/1.1\r\n", b"\xff\xff" + bytes(500))
        for name in ("snapshots", "stream", "pages"):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            one.settimeout(0.05)
            with suppress(OSError):
                one.connect(tuple(spec[name]))
                one.sendall(payloads[number % len(payloads)])
                stands += 1
        asks = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asks.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        session = spec["session"] if number % 2 else "NOSUCHONE0"
        for first in (1, 2**63, 0):
            asks.sendto(mold.header(session, first, 0xFFFF), tuple(spec["retransmission"]))
            asks.sendto(bytes(number % 40), tuple(spec["retransmission"]))
    return stands


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as all_of_them:
        print(connect_all(all_of_them, json.loads(sys.argv[1]), int(sys.argv[2])), flush=True)
        sys.stdin.read()
