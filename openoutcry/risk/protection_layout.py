"""The market protection's part of the risk state: one block after its tables, all int64 words.

header   the trading day, the breaker's levels, what fired, the log's count
log      the last decisions: kind, instrument, sequenced time, a value
quotes   of each instrument six words, as the matcher's ``fill_best`` writes them
rows     of each instrument its rules, their present state, and its trades of each second
"""

from openoutcry.risk import constants
from openoutcry.wire.layout import Layout, area, i64

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


class ProtectionHeader(Layout, size_bytes=2176):
    """The header of the protection's block."""

    quotes_at: int = i64("offset of the instruments' best prices")
    rows_at: int = i64("offset of the instruments' rows")
    day: int = i64("number of the trading day")
    cut_off_ns: int = i64("when levels 1 and 2 of the breaker end for the day")
    level_fired: int = i64("highest level of the breaker that fired today")
    market_until_ns: int = i64("the market is halted until then; 0: it is not; NEVER: for the day")
    logged: int = i64("decisions so far")
    pauses: int = i64("pauses so far")
    level_1_bps: int = i64("fall of the index that fires level 1,")
    level_2_bps: int = i64("level 2")
    level_3_bps: int = i64("and level 3")
    halt_1_ns: int = i64("how long level 1 halts the market,")
    halt_2_ns: int = i64("and level 2")
    indexed: int = i64("instruments that have a weight in the index")
    log_at: int = area(2048, "the last decisions, LOG_ENTRIES entries", at=128)


HEADER_BYTES = ProtectionHeader.size_bytes
QUOTES_AT = ProtectionHeader.offset("quotes_at")
ROWS_AT = ProtectionHeader.offset("rows_at")
DAY = ProtectionHeader.offset("day")
CUT_OFF_NS = ProtectionHeader.offset("cut_off_ns")
LEVEL_FIRED = ProtectionHeader.offset("level_fired")
MARKET_UNTIL_NS = ProtectionHeader.offset("market_until_ns")
LOGGED = ProtectionHeader.offset("logged")
PAUSES = ProtectionHeader.offset("pauses")
LEVEL_1_BPS = ProtectionHeader.offset("level_1_bps")
LEVEL_2_BPS = ProtectionHeader.offset("level_2_bps")
LEVEL_3_BPS = ProtectionHeader.offset("level_3_bps")
HALT_1_NS = ProtectionHeader.offset("halt_1_ns")
HALT_2_NS = ProtectionHeader.offset("halt_2_ns")
INDEXED = ProtectionHeader.offset("indexed")
LOG_AT = ProtectionHeader.offset("log_at")


class ProtectionRow(Layout, size_bytes=12320):
    """An instrument's row: its rules, and its state."""

    band_bps: int = i64("price band around the reference")
    ticks_a_unit: int = i64("ticks a unit of money, for the bands' tables")
    static_bps: int = i64("how far a trade may be from the static reference")
    volatility_bps: int = i64("how far prices may move within ``volatility_s``")
    volatility_s: int = i64("seconds of the volatility window")
    velocity_ticks: int = i64("how far prices may move within ``velocity_s``")
    velocity_s: int = i64("seconds of the velocity window")
    limit_state_ns: int = i64("a limit state that lasts this long becomes a pause")
    pause_ns: int = i64("how long a pause lasts")
    call_ns: int = i64("how long the re-opening auction's call lasts")
    renewal_ns: int = i64("how old a reference may be before it is renewed")
    weight: int = i64("weight in the index")
    halt_group: int = i64("instruments of one group are paused together, 0: alone")
    cancel_resting: int = i64("1: orders beyond a new band are cancelled")
    phase: int = i64("the instrument's phase", at=128)
    state: int = i64("NORMAL to CALLING")
    since_ns: int = i64("since when it is in that state")
    until_ns: int = i64("when the state ends")
    why: int = i64("PauseCause of the last pause")
    reference: int = i64("reference of the bands, ticks")
    reference_at_ns: int = i64("when it was set")
    static_reference: int = i64("price of the last auction")
    low: int = i64("lower band")
    high: int = i64("upper band")
    close: int = i64("last price as the day began")
    second: int = i64("second that the window was last brought to")
    sum: int = i64("prices of five minutes, up to ``second``, added")
    trades: int = i64("trades of five minutes")
    lowest: int = i64("lowest price of ``volatility_s``")
    highest: int = i64("highest price of ``volatility_s``")
    fast_lowest: int = i64("lowest price of ``velocity_s``")
    fast_highest: int = i64("highest price of ``velocity_s``")
    paused_times: int = i64("pauses today")
    slots_at: int = area(12000, "the window, SLOTS seconds", at=320)


ROW_BYTES = ProtectionRow.size_bytes
BAND_BPS = ProtectionRow.offset("band_bps")
TICKS_A_UNIT = ProtectionRow.offset("ticks_a_unit")
STATIC_BPS = ProtectionRow.offset("static_bps")
VOLATILITY_BPS = ProtectionRow.offset("volatility_bps")
VOLATILITY_S = ProtectionRow.offset("volatility_s")
VELOCITY_TICKS = ProtectionRow.offset("velocity_ticks")
VELOCITY_S = ProtectionRow.offset("velocity_s")
LIMIT_STATE_NS = ProtectionRow.offset("limit_state_ns")
PAUSE_NS = ProtectionRow.offset("pause_ns")
CALL_NS = ProtectionRow.offset("call_ns")
RENEWAL_NS = ProtectionRow.offset("renewal_ns")
WEIGHT = ProtectionRow.offset("weight")
HALT_GROUP = ProtectionRow.offset("halt_group")
CANCEL_RESTING = ProtectionRow.offset("cancel_resting")
PHASE = ProtectionRow.offset("phase")
STATE = ProtectionRow.offset("state")
SINCE_NS = ProtectionRow.offset("since_ns")
UNTIL_NS = ProtectionRow.offset("until_ns")
WHY = ProtectionRow.offset("why")
REFERENCE = ProtectionRow.offset("reference")
REFERENCE_AT_NS = ProtectionRow.offset("reference_at_ns")
STATIC_REFERENCE = ProtectionRow.offset("static_reference")
LOW = ProtectionRow.offset("low")
HIGH = ProtectionRow.offset("high")
CLOSE = ProtectionRow.offset("close")
SECOND = ProtectionRow.offset("second")
SUM = ProtectionRow.offset("sum")
TRADES = ProtectionRow.offset("trades")
LOWEST = ProtectionRow.offset("lowest")
HIGHEST = ProtectionRow.offset("highest")
FAST_LOWEST = ProtectionRow.offset("fast_lowest")
FAST_HIGHEST = ProtectionRow.offset("fast_highest")
PAUSED_TIMES = ProtectionRow.offset("paused_times")
SLOTS_AT = ProtectionRow.offset("slots_at")


NORMAL, LIMIT_STATE, PAUSED, DUE, CALLING = range(5)
"""DUE: the pause is over, and a call phase is waited for; CALLING: the re-opening auction."""
BY_BANDS, BY_VOLATILITY, BY_VELOCITY = (
    constants.PAUSE_BY_BANDS,
    constants.PAUSE_BY_VOLATILITY,
    constants.PAUSE_BY_VELOCITY,
)
BY_MARKET, BY_GROUP = constants.PAUSE_BY_MARKET, constants.PAUSE_BY_GROUP
NEW_BANDS, LIMIT, PAUSE, REOPEN, CALL, OPENED, MARKET_HALT, NEW_DAY = range(1, 9)
"""The log's kinds; their values: the reference, 0, why, 0, 0, the reference, the level, the day."""
OPERATORS_HALT, PROTECTIONS_HALT = 1, 2
"""Bits of an instrument's HALT in the risk state."""


def block_bytes(instruments: int) -> int:
    """Return the bytes of the protection block for this many instruments."""
    return HEADER_BYTES + instruments * (QUOTE_BYTES + ROW_BYTES)
