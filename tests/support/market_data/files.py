"""What the tests of files in several tiers share."""

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.market_data.files import write_feed
from tests.support.market_data.feed_journal import make_journal

NOON_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A journal of a generated market, its feed as a file, and its book at the end."""
    home = tmp_path_factory.mktemp("feed")
    source = GeneratedFlow("normal", 20_000, 3)
    orders = np.concatenate(list(source.chunks()))
    orders["rx_ts_ns"] = NOON_NS + 20_000 * np.arange(len(orders))
    make_journal(home / "j", source.instruments, orders, 1 << 14)
    report = write_feed(home / "j", home / "day.itch")
    return home / "j", home / "day.itch", source.instruments, report
