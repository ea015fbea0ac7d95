"""hftbacktest's side of `outcry bench backtest`: PYTHON day_hftbacktest.py FILE ARGUMENTS (JSON).

FILE is a day's feed as hftbacktest reads it (made by bench/backtest.py).  The strategy is our
`requoter`, with hftbacktest's own calls.  Prints one JSON document: how long the run took (compiled
and loaded before), and every fill: exchange time, side, price in ticks, number of the order.
"""

import json
import sys
import time
from typing import Any

import numpy as np


def strategy() -> Any:
    """The requoter, compiled. Imported here: hftbacktest is in a separate environment."""
    from hftbacktest import FILLED, GTX, LIMIT
    from numba import njit

    @njit
    def requoter(
        hbt: Any, offset: int, qty: float, interval: int, tick: float, fills: Any, feed_ns: int
    ) -> Any:
        """Cancel what is open and quote both sides again at every step; ``fills`` has room."""
        count, next_id, steps = 0, 1, 0
        ids = np.zeros(2, np.int64)
        # Its clock begins with the exchange's; ours with the first message's being known.
        hbt.elapse(feed_ns)
        while hbt.elapse(interval) == 0:
            steps += 1
            orders = hbt.orders(0)
            values = orders.values()
            while values.has_next():
                order = values.get()
                if order.status == FILLED:
                    fills[count, 0] = order.exch_timestamp
                    fills[count, 1] = order.side
                    fills[count, 2] = order.exec_price_tick
                    fills[count, 3] = order.order_id
                    count += 1
            hbt.clear_inactive_orders(0)
            depth = hbt.depth(0)
            for order_id in ids:
                if order_id != 0 and order_id in orders:
                    hbt.cancel(0, order_id, False)
            ids[:] = 0
            if depth.best_bid_qty > 0 and depth.best_ask_qty > 0:
                bid, ask = depth.best_bid_tick - offset, depth.best_ask_tick + offset
                hbt.submit_buy_order(0, next_id, bid * tick, qty, GTX, LIMIT, False)
                hbt.submit_sell_order(0, next_id + 1, ask * tick, qty, GTX, LIMIT, False)
                ids[0], ids[1] = next_id, next_id + 1
                next_id += 2
        return count, next_id - 1, steps

    return requoter


def backtest(feed: Any, a: dict[str, Any]) -> Any:
    """An hftbacktest of one instrument over ``feed``, its depth in a vector or a hash map as ``a``
    says."""
    from hftbacktest import (
        BacktestAsset,
        HashMapMarketDepthBacktest,
        ROIVectorMarketDepthBacktest,
    )

    asset = (
        BacktestAsset()
        .data(feed)
        .linear_asset(1.0)
        .constant_order_latency(a["order_ns"], a["feed_ns"])
        .l3_fifo_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(float(a["tick"]))
        .lot_size(1.0)
    )
    if a["depth"] == "vector":
        low, high = a["range"]
        asset = asset.roi_lb(float(low)).roi_ub(float(high))
        return ROIVectorMarketDepthBacktest([asset])
    return HashMapMarketDepthBacktest([asset])


def run(requoter: Any, feed: Any, a: dict[str, Any]) -> Any:
    """One pass of the strategy: its time in ns, its fills (rows of four words), the orders it sent,
    its steps."""
    fills = np.zeros((1 << 20, 4), np.int64)
    hbt = backtest(feed, a)
    started = time.perf_counter_ns()
    count, sent, steps = requoter(
        hbt,
        a["offset"],
        float(a["qty"]),
        a["interval_ns"],
        float(a["tick"]),
        fills,
        a["feed_ns"],
    )
    took_ns = time.perf_counter_ns() - started
    hbt.close()
    return took_ns, fills[:count], sent, steps


def main() -> None:
    """Run the strategy over the file, once to compile and then as often as asked; print the
    document."""
    feed = np.load(sys.argv[1])["data"]
    a = json.loads(sys.argv[2])
    requoter = strategy()
    run(requoter, feed[: min(len(feed), 5_000)], a)
    took = []
    for _ in range(a["passes"]):
        took_ns, fills, sent, steps = run(requoter, feed, a)
        took.append(took_ns)
    print(json.dumps({"took_ns": min(took), "fills": fills.tolist(), "sent": sent, "steps": steps}))


if __name__ == "__main__":
    main()
