"""The words of a run: what a strategy is shown, what it asks for, what is logged.

All are int64, one dimension, contiguous: the same arrays for a kernel and for plain Python.
"""

NOTHING = -(2**63)
"""A time that never comes before the end, a price that is not there."""
NEVER = 2**63 - 1
LONGEST_NS = 2**60
"""Longest latency or timer, 36 years: twice as much, added to any time of a day, still fits an i64.
"""

# view: what a strategy is shown.  Times are ns since the epoch of the day's own time stamps.
NOW_NS = 0
"""When the strategy's own machine knows it: exchange time plus the feed's latency."""
EXCHANGE_NS = 1
BID_TICKS, BID_LOTS, ASK_TICKS, ASK_LOTS = 2, 3, 4, 5
"""Best displayed prices of the others, the strategy's own orders left out; a side without has
NOTHING and 0."""
POSITION_LOTS, CASH, FEES = 6, 7, 8
"""Cash is ticks x lots, sales less purchases, before fees."""
EVENT_KIND, EVENT_ORDER, EVENT_SIDE, EVENT_TICKS, EVENT_LOTS, EVENT_LEAVES, EVENT_MAKER = range(
    9, 16
)
"""Words of the own event that ``on_event`` receives; kinds are those of EventKind."""
EVENT_REASON, LAST_TICKS = 16, 17
"""Its reason; price of the market's last trade, NOTHING before the first."""
VIEW_WORDS = 24

# desk: the orders of a strategy, and what it asks for.
REQUEST_COUNT, NEXT_ID, ROWS_END = 0, 1, 2
"""``ROWS_END``: where the rows in use end; after it none has ever been used."""
DESK_ROWS, DESK_ROW_WORDS, DESK_AT = 64, 8, 8
"""Orders in flight or open at a time, at most."""
ROW_ID, ROW_STATE, ROW_SIDE, ROW_TICKS, ROW_LEAVES, ROW_AHEAD, ROW_SENT_NS, ROW_CANCEL = range(8)
"""``ROW_AHEAD``: lots ahead in its queue when it came to rest, and since the last timer.
``ROW_CANCEL``: 1 once its cancel is under way."""
FREE, SENT, OPEN = 0, 1, 2
ASK_AT = DESK_AT + DESK_ROWS * DESK_ROW_WORDS
ASK_ROWS, ASK_WORDS = 64, 6
ASK_KIND, ASK_ID, ASK_SIDE, ASK_TICKS_, ASK_LOTS_, ASK_TYPE = range(6)
"""``ASK_TYPE``: order type, time in force in the bits from 8 on."""
DESK_WORDS = ASK_AT + ASK_ROWS * ASK_WORDS

# flight: what is under way to the exchange, first in, first out.
FLIGHT_ROWS, FLIGHT_WORDS = 256, 8
FLIGHT_ARRIVAL, FLIGHT_KIND, FLIGHT_ID, FLIGHT_SIDE, FLIGHT_TICKS, FLIGHT_LOTS, FLIGHT_TYPE = range(
    7
)

# log: the strategy's own events.
LOG_WORDS = 15
(
    LOG_NS,
    LOG_KIND,
    LOG_ORDER,
    LOG_SIDE,
    LOG_TICKS,
    LOG_LOTS,
    LOG_LEAVES,
    LOG_MAKER,
    LOG_REASON,
    LOG_AHEAD,
    LOG_POSITION,
    LOG_CASH,
    LOG_FEES,
    LOG_SENT_NS,
    LOG_IMPACT,
) = range(LOG_WORDS)
"""``LOG_IMPACT``: 1 of a fill that is not a trade of the recording, see ``drive.as_recorded``."""

# samples: equity over the day.
SAMPLES, SAMPLE_WORDS = 256, 6
SAMPLE_NS, SAMPLE_POSITION, SAMPLE_CASH, SAMPLE_FEES, SAMPLE_BID, SAMPLE_ASK = range(6)

# words: what the driver knows between two calls.
(W_ARENA, W_BATCH, W_CORE, W_DAY, W_COUNT, W_NEXT, W_OUT, W_OUT_RECORDS, W_SCRATCH, W_RESTORES,
 W_TIMER_NS, W_INTERVAL_NS, W_SAMPLE_NS, W_SAMPLE_STEP_NS, W_SAMPLES, W_LOGGED, W_DELIVERED,
 W_LOCAL_NS, W_ARRIVAL_NS, W_FLIGHT_FIRST, W_FLIGHT_COUNT, W_OPEN, W_OWN_BID, W_OWN_ASK, W_NOW_NS,
 W_BOOK_DUE, W_TIMER_DUE, W_ON_BOOK, W_ON_EVENT, W_ON_TIMER, W_RANDOM, W_MAKER_RATE, W_TAKER_RATE,
 W_POSITION, W_CASH, W_FEES, W_SEQ, W_SYMBOL,  W_SENT, W_REJECTED, W_RESTORED,
 W_EVENT_AT, W_END_NS, W_IN_CALL, W_OWN_FILLED, W_BOOK_BID, W_BOOK_BID_LOTS, W_BOOK_ASK,
 W_BOOK_ASK_LOTS, W_MISSED, W_PARTICIPANT, W_TAKEN, W_RULED,
 W_IMPACT_LOTS, W_BROKEN) = range(55)  # fmt: skip
WORDS = 64
IN_PYTHON = 1
"""In W_ON_...: the callback is there and is called by Python."""
DONE, LOG_FULL, CALL_BOOK, CALL_EVENT, CALL_TIMER = range(5)
"""Reasons for which the driver returns."""

OWN_ID = 3 << 60
"""Identifiers of the strategy's orders are those from here on, unless the day has such orders
(``Day.own_id``)."""
LATENCIES = 4096
"""Quantiles of a latency: entry i is that of (i + 1/2) / 4096."""
