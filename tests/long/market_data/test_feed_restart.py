"""What it costs until a killed feed publishes again, after a busy time."""

import numpy as np
import pytest

from openoutcry.report.evidence import write_evidence
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.market_data.feed_days import Days
from tests.support.market_data.feed_deaths import cpu_s, feed_of, killed
from tests.support.venue.served_venue import orders

COMMAND = "make test-long ARGS=tests/long/market_data/test_feed_restart.py"
KILLS, COMMANDS, RATE = 3, 100_000, 10_000
RESTART_CPU_S, CAUGHT_UP_CPU_S = 2.0, 10.0


def trading(first_id):
    """Buys and sells in turn at one price: each pair trades, so that the book stays small."""
    rows = orders(first_id, COMMANDS, TimeInForce.GTC)
    rows["price_ticks"] = 1_000
    rows["side"] = np.where(np.arange(COMMANDS) % 2, Side.SELL, Side.BUY)
    return rows


def bids(days):
    """Prices of the receiver's bids."""
    return [level[0] for level in days.receiver.book.levels(1, "B")]


@pytest.mark.long
def test_a_feed_that_is_killed_after_a_busy_time_is_back_at_once(tmp_path):
    """Its first packet is a heartbeat with the number that follows what was sent; then it sends
    what it missed, without a gap, and what comes later."""
    first, caught_up = [], []
    days = Days(tmp_path)
    try:
        days.subscribe()
        for kill in range(KILLS):
            base = 1 + 10 * COMMANDS * kill
            assert days.venue.send(trading(base), rate=RATE)["acknowledged"] == COMMANDS
            packet, spent_s = killed(days)
            assert packet.count == 0
            assert packet.sequence > days.receiver.lines.next_sequence
            first.append(spent_s)
            # Later than all that the new process missed; the feed has four decimals.
            price = 500 + kill
            days.venue.send(orders(base + COMMANDS, 1, TimeInForce.GTC, price))
            days.wait_for(lambda shown=100 * price: shown in bids(days))
            caught_up.append(cpu_s(feed_of(days)))
        assert days.venue.status()["feed"]["restarts"] == KILLS
    finally:
        days.close()
    assert max(first) < RESTART_CPU_S
    assert max(caught_up) < CAUGHT_UP_CPU_S
    write_evidence(
        "feed_restart",
        {
            "kills": KILLS,
            "commands": COMMANDS,
            "first_packet_cpu_s": max(first),
            "caught_up_cpu_s": max(caught_up),
        },
        COMMAND,
    )
