# (kernels have no types that mypy could see)
"""Strategies to begin with, and to measure with."""

import numpy as np
import numpy.typing as npt

import openoutcry.backtest.layout as lay
from openoutcry.backtest.desk import BUY, LIMIT_IOC, POST_ONLY_DAY, SELL, cancel, send, working
from openoutcry.backtest.strategy import Strategy
from openoutcry.wire.kernel import kernel

Words = npt.NDArray[np.int64]

OFFSET, QTY, LIMIT, INTERVAL = range(4)


@kernel
def quote(desk: Words, side: int, price: int, qty: int, wanted: bool) -> None:
    """Have one order of this side at this price, or none."""
    row = working(desk, side)
    if row != 0 and (not wanted or desk[row + lay.ROW_TICKS] != price):
        cancel(desk, desk[row])
        row = 0
    if row == 0 and wanted:
        send(desk, side, price, qty, POST_ONLY_DAY)


@kernel
def maker_on_timer(view: Words, state: Words, desk: Words) -> int:
    """Quote both sides ``offset_ticks`` away from the best, as long as the position allows it."""
    bid, ask = view[lay.BID_TICKS], view[lay.ASK_TICKS]
    if bid == lay.NOTHING or ask == lay.NOTHING:
        return 0
    position, most = view[lay.POSITION_LOTS], state[LIMIT]
    quote(desk, BUY, bid - state[OFFSET], state[QTY], position < most)
    quote(desk, SELL, ask + state[OFFSET], state[QTY], position > -most)
    return 0


maker = Strategy(
    "maker",
    {"offset_ticks": 0, "qty_lots": 1, "position_lots": 100, "interval_ns": 100_000_000},
    on_timer=maker_on_timer,
)
"""Joins the best on both sides, every ``interval_ns``."""


@kernel
def requoter_on_timer(view: Words, state: Words, desk: Words) -> int:
    """Cancel what is open and quote both sides again, whatever was filled."""
    bid, ask = view[lay.BID_TICKS], view[lay.ASK_TICKS]
    for side in (BUY, SELL):
        row = working(desk, side)
        if row != 0:
            cancel(desk, desk[row])
    if bid != lay.NOTHING and ask != lay.NOTHING:
        send(desk, BUY, bid - state[OFFSET], state[QTY], POST_ONLY_DAY)
        send(desk, SELL, ask + state[OFFSET], state[QTY], POST_ONLY_DAY)
    return 0


requoter = Strategy(
    "requoter",
    {"offset_ticks": 0, "qty_lots": 1, "interval_ns": 1_000_000},
    on_timer=requoter_on_timer,
)
"""What it sends depends on the market alone: for comparing fills."""

THRESHOLD, TAKE_QTY, TAKE_LIMIT = range(3)


@kernel
def taker_on_book(view: Words, state: Words, desk: Words) -> int:
    """Follow the larger side of the best prices, if it is ``threshold_percent`` of both or more."""
    bid_lots, ask_lots = view[lay.BID_LOTS], view[lay.ASK_LOTS]
    if bid_lots == 0 or ask_lots == 0:
        return 0
    if working(desk, BUY) != 0 or working(desk, SELL) != 0:
        return 0
    enough = state[THRESHOLD] * (bid_lots + ask_lots)
    position = view[lay.POSITION_LOTS]
    if 100 * bid_lots >= enough and position < state[TAKE_LIMIT]:
        send(desk, BUY, view[lay.ASK_TICKS], state[TAKE_QTY], LIMIT_IOC)
    elif 100 * ask_lots >= enough and position > -state[TAKE_LIMIT]:
        send(desk, SELL, view[lay.BID_TICKS], state[TAKE_QTY], LIMIT_IOC)
    return 0


taker = Strategy(
    "taker",
    {"threshold_percent": 80, "qty_lots": 1, "position_lots": 100},
    on_book=taker_on_book,
)
"""Takes the best price on the side that the book leans to."""
