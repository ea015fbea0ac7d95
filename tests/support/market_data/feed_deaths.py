"""Kill a served venue's feed, and say what it costs until its place is taken."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from openoutcry.host.processes import named_children
from openoutcry.market_data import mold
from openoutcry.market_data.publisher import join
from tests.support.waiting import BOUND_S, wait_until


def cpu_s(pid):
    """Processor time of a process, of all its threads that are alive."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def feed_of(days):
    """The feed's pid, None while there is none."""
    return dict(named_children(days.venue.process.pid)).get("feed")


def killed(days):
    """Kill the feed; its first packet after that, and the processor time that the new process and
    the supervisor had used by then."""
    with join(days.spec.a, "127.0.0.1") as line:
        line.setblocking(True)
        line.settimeout(BOUND_S)
        line.recv(2_000)
        old, supervisor = feed_of(days), days.venue.process.pid
        begun_s = cpu_s(supervisor)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: feed_of(days) not in (None, old), "the feed is there again")
        line.setblocking(False)
        with suppress(BlockingIOError):
            while True:  # what the one before it sent
                mold.parse(line.recv(2_000))
        line.setblocking(True)
        line.settimeout(BOUND_S)
        packet = mold.parse(line.recv(2_000))
        return packet, cpu_s(feed_of(days)) + cpu_s(supervisor) - begun_s
