"""Events become messages of ITCH 5.0: kernels against the plain reference, and both against the
book that the matcher displays."""

import numpy as np

from openoutcry.market_data.feed import Feed
from openoutcry.risk.bits import Setting
from openoutcry.wire.records import make_instruments
from tests.oracles.market_data_feed import ReferenceFeed
from tests.support.market_data.encode import times_of
from tests.support.market_data.feed_support import (
    setting_done,
    unframed,
)


def test_a_call_comes_back_before_its_room_might_not_do():
    """Halts of all instruments in a row write more than a call has room for."""
    table = make_instruments([{"symbol": f"S{n}"} for n in range(50)])
    events = np.concatenate([setting_done(np.random.default_rng(1), 50) for _ in range(40)])
    events["contra_id"], events["order_id"] = Setting.MARKET_KILL, np.arange(40) // 2 % 2 + 1
    events["leaves_lots"] = np.arange(40) % 3 == 0
    events["seq"] = events["cause_seq"] = np.arange(1, 41)
    feed, times = Feed(table, 64), np.zeros(40, np.int64)
    parts = list(feed.encode_by_session(events, times, 1))
    fast = [one for part in parts for one in unframed(part.messages)]
    assert len(parts) > 1
    assert fast == ReferenceFeed(table).encode(events, times_of(times))
