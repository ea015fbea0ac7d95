"""The feed's process hangs or is killed: alarms fire, pages say so, and it is back at once."""

import os
import signal

from openoutcry.console.market import DOWN, Market
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import TimeInForce
from tests.support.market_data.feed_days import Days
from tests.support.market_data.feed_deaths import feed_of, killed
from tests.support.operations.alarm_looks import Looks
from tests.support.venue.served_venue import orders
from tests.support.waiting import wait_until

RESTART_CPU_S = 2.0


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
