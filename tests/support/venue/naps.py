"""Longer naps for venues of tests: most of a functional test's processor time is what the stages
of its venue use while nothing happens."""

from openoutcry.market_data import feed_process
from openoutcry.market_data import public_feed as feed
from openoutcry.pipeline import journal_thread, worker

NAP_S = 0.004


def nap_longer() -> None:
    """Let this process's stages sleep sooner and longer than those of a real venue."""
    worker.NAP_US, worker.QUIET_NS = int(NAP_S * 1e6), 2_000_000
    journal_thread.MAX_SLEEP_S = NAP_S
    feed.IDLE_S = feed_process.IDLE_S = NAP_S
