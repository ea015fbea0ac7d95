"""The market protection's part of the risk state: one block behind its tables, all int64 words.

header   the trading day, the breaker's levels, what fired, the log's count
log      the last decisions: kind, instrument, sequenced time, a value
quotes   of each instrument six words, as the matcher's ``fill_best`` writes them
rows     of each instrument its rules, what stands, and its window of trades by the second
"""

from openoutcry.risk.bits import PauseCause

SLOTS = 300
"""The last five minutes are kept by the second."""
SLOT_BYTES = 5 * 8
"""Second, sum, count, lowest, highest."""
LOG_ENTRIES = 64
LOG_ENTRY_BYTES = 4 * 8
QUOTE_BYTES = 6 * 8
NEVER = 2**63 - 1
PRICE_LIMIT = 1 << 30
"""Only an instrument whose prices are limited to this is protected: then no sum leaves int64."""
WEIGHT_LIMIT = 1 << 16
TRADES_LIMIT = 1 << 31
"""More trades than these are not counted in a mean."""

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS

# Header.
(
    QUOTES_AT, ROWS_AT, DAY, CUT_OFF_NS, LEVEL_FIRED, MARKET_UNTIL_NS, LOGGED, PAUSES,
    LEVEL_1_BPS, LEVEL_2_BPS, LEVEL_3_BPS, HALT_1_NS, HALT_2_NS, INDEXED,
) = range(0, 14 * 8, 8)  # fmt: skip
"""QUOTES_AT, ROWS_AT: offsets in the block.  LEVEL_FIRED: the highest that fired today.  INDEXED:
how many instruments have a weight.  MARKET_UNTIL_NS: the market is halted until then; 0: it is not;
NEVER: for the day."""
LOG_AT = 16 * 8
HEADER_BYTES = LOG_AT + LOG_ENTRIES * LOG_ENTRY_BYTES

# An instrument's row: its rules,
(
    BAND_BPS, TICKS_A_UNIT, STATIC_BPS, VOLATILITY_BPS, VOLATILITY_S, VELOCITY_TICKS, VELOCITY_S,
    LIMIT_STATE_NS, PAUSE_NS, CALL_NS, RENEWAL_NS, WEIGHT, HALT_GROUP, CANCEL_RESTING,
) = range(0, 14 * 8, 8)  # fmt: skip
# and what stands.
(
    PHASE, STATE, SINCE_NS, UNTIL_NS, WHY, REFERENCE, REFERENCE_AT_NS, STATIC_REFERENCE, LOW, HIGH,
    CLOSE, SECOND, SUM, TRADES, LOWEST, HIGHEST, FAST_LOWEST, FAST_HIGHEST, PAUSED_TIMES,
) = range(16 * 8, 35 * 8, 8)  # fmt: skip
"""SECOND: the one that the window was last brought to; SUM and TRADES: of five minutes, LOWEST and
HIGHEST of VOLATILITY_S, FAST_* of VELOCITY_S, up to it.  CLOSE: the last price as the day began."""
SLOTS_AT = 40 * 8
ROW_BYTES = SLOTS_AT + SLOTS * SLOT_BYTES

NORMAL, LIMIT_STATE, PAUSED, DUE, CALLING = range(5)
"""DUE: the pause is over, and a call phase is waited for; CALLING: the re-opening auction."""
BY_BANDS, BY_VOLATILITY, BY_VELOCITY, BY_MARKET, BY_GROUP = (int(cause) for cause in PauseCause)
NEW_BANDS, LIMIT, PAUSE, REOPEN, CALL, OPENED, MARKET_HALT, NEW_DAY = range(1, 9)
"""The log's kinds; their values: the reference, 0, why, 0, 0, the reference, the level, the day."""
OPERATORS_HALT, PROTECTIONS_HALT = 1, 2
"""Bits of an instrument's HALT in the risk state."""


def block_bytes(instruments: int) -> int:
    return HEADER_BYTES + instruments * (QUOTE_BYTES + ROW_BYTES)
