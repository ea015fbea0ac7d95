"""A strategy of one's own over a generated day: it joins the best bid while it is not too long, and
sells what it has at the best offer.

    outcry backtest generated:normal:20000:1 --strategy examples/backtest_strategy.py:patient \
        --param qty_lots=1,5 --latency constant:5000:5000 --out results --workers 0

The same strategy runs over LOBSTER, ITCH and DBN files, and over a journal (docs/backtest.md).
"""

import openoutcry.backtest.layout as lay
from openoutcry.backtest.desk import BUY, POST_ONLY_DAY, SELL, cancel, send, working
from openoutcry.backtest.strategy import Strategy, Words
from openoutcry.wire.kernel import kernel

QTY_LOTS, MOST_LOTS = range(2)
"""Places of the parameters in the state, in the order in which they are named below."""


@kernel
def keep(desk: Words, side: int, price_ticks: int, qty_lots: int) -> None:
    """Have one order of this side, at this price, or none for 0 lots."""
    row = working(desk, side)
    if row != 0 and (qty_lots == 0 or desk[row + lay.ROW_TICKS] != price_ticks):
        cancel(desk, desk[row])
    elif row == 0 and qty_lots > 0:
        send(desk, side, price_ticks, qty_lots, POST_ONLY_DAY)


@kernel
def on_book(view: Words, state: Words, desk: Words) -> int:
    """Follow the best prices."""
    bid, ask = view[lay.BID_TICKS], view[lay.ASK_TICKS]
    if bid == lay.NOTHING or ask == lay.NOTHING:
        return 0
    position = view[lay.POSITION_LOTS]
    keep(desk, BUY, bid, state[QTY_LOTS] if position < state[MOST_LOTS] else 0)
    keep(desk, SELL, ask, min(position, state[QTY_LOTS]) if position > 0 else 0)
    return 0


patient = Strategy("patient", {"qty_lots": 1, "most_lots": 20}, on_book=on_book)
