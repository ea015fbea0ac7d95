"""Slow, dead and hostile subscribers of every kind: orders are acknowledged and told as without
them, and what the feed's processes hold of them is bounded."""

import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from feed_days import Days
from served_venue import orders

from openoutcry.market_data import mold
from openoutcry.market_data.glimpse import packet_of
from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import TimeInForce
from openoutcry.wire.messages import SOUPBIN

KINDS = 4
MOST_KIB_EACH = 300
"""Of memory more for each of them, in all processes of the venue; an open stream or page has a
task, its buffers, and a piece of the file."""
COMMAND = "make test-long ARGS=tests/venue/test_venue_feed_hostile.py"


def descriptors(pids: list[int]) -> int:
    """The most that any of these processes has open."""
    most = 0
    for pid in pids:
        with suppress(OSError):
            most = max(most, len(list(Path(f"/proc/{pid}/fd").iterdir())))
    return most


def connect_all(stack: ExitStack, spec, count: int) -> int:
    """So many of each kind; returns how many connections stand."""
    login = SOUPBIN.from_client("L").pack(username="", password="", session="", sequence="1")
    stands = 0
    for number in range(count):
        said = (b"", packet_of("L", login[1:]), b"GET / HTTP/1.1\r\n", b"\xff\xff" + bytes(500))
        for address in (spec.snapshots, spec.stream, spec.pages):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            one.setblocking(False)
            with suppress(OSError):
                one.connect(address)
            with suppress(OSError):
                one.setblocking(True)
                one.settimeout(0.05)
                one.sendall(said[number % len(said)])
                stands += 1
        asks = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asks.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        for first in (1, 2**63, 0):
            asks.sendto(mold.header(spec_name(spec, number), first, 0xFFFF), spec.retransmission)
            asks.sendto(bytes(number % 40), spec.retransmission)
    return stands


def spec_name(spec, number: int) -> str:
    return spec.session if number % 2 else "NOSUCHONE0"


class Spec:
    """Addresses, and the session's name."""

    def __init__(self, days: Days) -> None:
        self.__dict__.update(vars(days.spec))
        self.session = days.receiver.lines.session.decode()


@pytest.mark.parametrize("count", [25, pytest.param(1_000, marks=pytest.mark.long)])
def test_many_that_are_slow_dead_or_hostile(count, tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < KINDS * count + 200:
        pytest.skip(f"{hard} descriptors are all that this user may have")
    before_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    days = Days(tmp_path)
    try:
        venue = days.venue
        assert venue.send(orders(1, 50, TimeInForce.DAY))["acknowledged"] == 50
        days.page().close()
        days.subscribe()
        days.wait_for(lambda: days.receiver.book.open_orders == 50)
        pids = venue.children()
        held, open_before = sum(venue.memories().values()), descriptors(pids)
        with ExitStack() as stack:
            stands = connect_all(stack, Spec(days), count)
            done = venue.send(orders(1_001, 400, TimeInForce.DAY, 5_000))
            # Every order, and every message of it, on the lines.
            days.stream.close()  # it was silent meanwhile, as they are
            until = days.receiver
            assert done["acknowledged"] == 400
            while until.book.open_orders < 450:
                until.poll(0.05)
            assert until.lines.unfinished == 0
            assert set(pids) <= set(venue.children())  # nobody died of it
            grown = sum(venue.memories().values()) - held
            open_now = descriptors(pids)
            figures = {
                "subscribers": KINDS * count, "connections": stands, "orders": 450,
                "acknowledged": 450, "told": until.book.open_orders,
                "grown_kib": grown // 1024, "descriptors_before": open_before,
                "descriptors": open_now,
            }  # fmt: skip
            assert grown < MOST_KIB_EACH * 1024 * KINDS * count + (32 << 20), figures
            assert open_now <= open_before + 2 * count + 64, figures
        venue.set_time("2026-11-23T18:00")
        while not days.receiver.lines.complete:
            days.receiver.poll(0.05)
        venue.wait_for(lambda status: status["state"] == "closed")
    finally:
        days.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before_limit)
    if count == 1_000:
        write_evidence("feed_hostile", figures, COMMAND)
