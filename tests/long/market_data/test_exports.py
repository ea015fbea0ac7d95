"""What others keep of a day, read back by their own libraries: the same book, order by order."""

import json
import subprocess

import pytest

from openoutcry.bench.peers.feed_peers import environment
from tests.support.market_data import exports as shared
from tests.support.market_data.exports import exported
from tests.support.waiting import BOUND_S

day = shared.day


READER = """
import json, sys
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.data import validate_event_order
data = np.load(sys.argv[1])["data"]
validate_event_order(data)
asset = (BacktestAsset().data([sys.argv[1]]).linear_asset(1.0).constant_order_latency(0, 0)
         .l3_fifo_queue_model().no_partial_fill_exchange().trading_value_fee_model(0, 0)
         .tick_size(0.0001).lot_size(1.0))
hbt = HashMapMarketDepthBacktest([asset])
while hbt.elapse(60_000_000_000) == 0:
    pass
depth = hbt.depth(0)
print(json.dumps([float(depth.best_bid), float(depth.best_bid_qty), float(depth.best_ask),
                  float(depth.best_ask_qty)]))
"""


@pytest.mark.long
def test_hftbacktest_replays_the_events(day, tmp_path):
    """In an environment of its own, as it wants an older numpy than ours."""
    python = environment("hftbacktest") / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {python}: outcry bench market-data --setup")
    home, book, symbols = day
    exported(home, tmp_path / "x.npz", "npz-orders", symbol=symbols[0])
    done = subprocess.run(
        [str(python), "-c", READER, str(tmp_path / "x.npz")],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for side in "BS":
        queue = book.queue(1, side)
        best = [shares for price, shares in queue if price == queue[0][0]]
        expected += [queue[0][0] / 10_000, float(sum(best))]
    assert json.loads(done.stdout) == pytest.approx(expected)
