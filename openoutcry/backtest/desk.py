"""What a strategy calls, from a kernel or from Python: send an order, cancel one, find its own."""

import numpy as np
import numpy.typing as npt

from openoutcry.backtest.layout import (
    ASK_AT,
    ASK_ROWS,
    ASK_WORDS,
    DESK_AT,
    DESK_ROW_WORDS,
    DESK_ROWS,
    FREE,
    NEXT_ID,
    REQUEST_COUNT,
    ROW_CANCEL,
    ROWS_END,
    SENT,
)
from openoutcry.matcher import constants as const
from openoutcry.wire.kernel import kernel

Words = npt.NDArray[np.int64]

LIMIT_DAY = const.LIMIT | const.DAY << 8
LIMIT_IOC = const.LIMIT | const.IOC << 8
POST_ONLY_DAY = const.POST_ONLY | const.DAY << 8
"""Kind of an order: its type, and its time in force in the bits from 8 on."""
BUY, SELL = const.BUY, const.SELL


@kernel
def send(desk: Words, side: int, price_ticks: int, qty_lots: int, what: int) -> int:
    """Send a new order; its id, or 0 if the desk has no room for another."""
    request_count = desk[REQUEST_COUNT]
    if request_count >= ASK_ROWS:
        return 0
    for at in range(DESK_AT, DESK_AT + DESK_ROWS * DESK_ROW_WORDS, DESK_ROW_WORDS):
        if desk[at + 1] == FREE:
            desk[ROWS_END] = max(desk[ROWS_END], at + DESK_ROW_WORDS)
            order_id = desk[NEXT_ID]
            desk[NEXT_ID] = order_id + 1
            desk[at] = order_id
            desk[at + 1] = SENT
            desk[at + 2] = side
            desk[at + 3] = price_ticks
            desk[at + 4] = qty_lots
            desk[at + 5] = 0
            desk[at + 6] = 0
            desk[at + 7] = 0
            ask(desk, const.NEW, order_id, side, price_ticks, qty_lots, what)
            return order_id
    return 0


@kernel
def cancel(desk: Words, order_id: int) -> int:
    """Cancel an own order that is open or under way; 1 if the cancel is sent, 0 if there is no such
    order or its cancel is under way already."""
    if desk[REQUEST_COUNT] >= ASK_ROWS:
        return 0
    for at in range(DESK_AT, desk[ROWS_END], DESK_ROW_WORDS):
        if desk[at + 1] != FREE and desk[at] == order_id and desk[at + ROW_CANCEL] == 0:
            desk[at + ROW_CANCEL] = 1
            ask(desk, const.CANCEL, order_id, desk[at + 2], desk[at + 3], desk[at + 4], LIMIT_DAY)
            return 1
    return 0


@kernel
def ask(desk: Words, kind: int, order_id: int, side: int, price: int, qty: int, what: int) -> None:
    """Add a request to the desk's list, which the next step carries out; ``desk``: address of the
    desk, ``price`` in ticks, ``qty`` in lots."""
    at = ASK_AT + desk[REQUEST_COUNT] * ASK_WORDS
    desk[at] = kind
    desk[at + 1] = order_id
    desk[at + 2] = side
    desk[at + 3] = price
    desk[at + 4] = qty
    desk[at + 5] = what
    desk[REQUEST_COUNT] += 1


@kernel
def working(desk: Words, side: int) -> int:
    """Find the first own order of a side for which no cancel is under way. Returns the index of its
    first word in the desk (``ROW_...`` count from there), or 0."""
    for at in range(DESK_AT, desk[ROWS_END], DESK_ROW_WORDS):
        if desk[at + 1] != FREE and desk[at + 2] == side and desk[at + ROW_CANCEL] == 0:
            return at
    return 0
