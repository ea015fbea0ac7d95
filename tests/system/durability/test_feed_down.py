"""The feed's process hangs or is killed: alarms fire, pages say so, and it is back at once."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from openoutcry.console.market import DOWN, Market
from openoutcry.host.processes import named_children
from openoutcry.market_data import mold
from openoutcry.market_data.publisher import join
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import TimeInForce
from tests.support.market_data.feed_days import Days
from tests.support.operations.alarm_looks import Looks
from tests.support.venue.served_venue import orders
from tests.support.waiting import BOUND_S, wait_until

RESTART_CPU_S = 2.0


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def feed_of(days):
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


def test_a_feed_that_hangs_or_dies_is_said_and_comes_back(tmp_path):
    days = Days(tmp_path)
    market = None
    try:
        file = read_venue(days.venue.folder / "venue.toml")
        down, restarted = (Looks(name, file) for name in ("FeedDown", "FeedRestarted"))
        days.venue.send(orders(1, 6, TimeInForce.GTC))
        days.subscribe()
        days.wait_for(lambda: bool(days.receiver.book.levels(1, "B")))
        market = Market(file.feed, file.journal)
        market.start()
        wait_until(lambda: market.view("GOLD")["error"] == "", "the page shows the market")
        assert not down.look()
        assert not restarted.look()

        feed = feed_of(days)
        os.kill(feed, signal.SIGSTOP)
        wait_until(lambda: market.view("GOLD")["error"] == DOWN, "the page says that it is down")
        wait_until(lambda: days.venue.status()["feed"]["up"] == 0, "so does the status")
        down.goes(True, 30)
        os.kill(feed, signal.SIGCONT)
        wait_until(lambda: market.view("GOLD")["error"] == "", "the page shows the market again")
        down.goes(False, 20)

        kept = days.receiver.lines.next_sequence
        packet, spent_s = killed(days)
        assert spent_s < RESTART_CPU_S
        assert (packet.count, packet.sequence) == (0, kept)
        wait_until(lambda: days.venue.status()["feed"]["restarts"] == 1, "the restart is counted")
        assert restarted.look()
        days.venue.send(orders(21, 6, TimeInForce.GTC, 500))
        days.wait_for(lambda: days.receiver.lines.next_sequence == kept + 6)
    finally:
        if market is not None:
            market.stop()
        days.close()
