"""Slow, dead and hostile subscribers of every kind: orders are acknowledged and told as without
them, and what the feed's processes hold of them is bounded."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import TimeInForce
from tests.support.market_data import feed_hostile
from tests.support.market_data.feed_days import Days
from tests.support.pipeline import warm_outcry
from tests.support.venue.served_venue import orders

KINDS = 4
MAX_KIB_EACH = 300
"""Additional memory for each of them, in all processes of the venue; an open stream or page has a
task, its buffers, and a piece of the file."""
COMMAND = "make test-long ARGS=tests/system/sessions/test_venue_feed_hostile.py"


def descriptors(pids: list[int]) -> int:
    """The most that any of these processes has open."""
    most = 0
    for pid in pids:
        with suppress(OSError):
            most = max(most, len(list(Path(f"/proc/{pid}/fd").iterdir())))
    return most


@contextmanager
def hostile(days: Days, count: int) -> Iterator[int]:
    """So many of each kind, in a process of their own; how many connections stand."""
    addresses = {
        name: getattr(days.spec, name)
        for name in ("snapshots", "stream", "pages", "retransmission")
    }
    addresses["session"] = days.receiver.lines.session.decode()
    script = [sys.executable, feed_hostile.__file__, json.dumps(addresses), str(count)]
    with warm_outcry.Process(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        yield int(process.stdout.readline())
        process.stdin.close()


@pytest.mark.parametrize("count", [25, pytest.param(1_000, marks=pytest.mark.long)])
def test_many_that_are_slow_dead_or_hostile(count, tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < KINDS * count + 200:
        pytest.skip(f"{hard} descriptors are all that this user may have")
    days = Days(tmp_path)
    try:
        venue = days.venue
        assert venue.send(orders(1, 50, TimeInForce.DAY))["acknowledged"] == 50
        days.page().close()
        days.subscribe()
        days.wait_for(lambda: days.receiver.book.open_orders == 50)
        pids = venue.children()
        held, open_before = sum(venue.memories().values()), descriptors(pids)
        with hostile(days, count) as stands:
            assert stands >= count  # of those who wait in a line some are not let in
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
                "subscribers": KINDS * count,
                "connections": stands,
                "orders": 450,
                "acknowledged": 450,
                "told": until.book.open_orders,
                "grown_kib": grown // 1024,
                "descriptors_before": open_before,
                "descriptors": open_now,
            }
            assert grown < MAX_KIB_EACH * 1024 * KINDS * count + (32 << 20), figures
            assert open_now <= open_before + 2 * count + 64, figures
        venue.set_time("2026-11-23T18:00")
        while not days.receiver.lines.complete:
            days.receiver.poll(0.05)
        venue.wait_for(lambda status: status["state"] == "closed")
    finally:
        days.close()
    if count == 1_000:
        write_evidence("feed_hostile", figures, COMMAND)
