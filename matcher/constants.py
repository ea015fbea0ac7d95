"""Numbers of wire/enums.py and offsets of wire/records.py as the plain ints that kernels need."""

from openoutcry.wire import enums
from openoutcry.wire.enums import (
    AUX_HALVES,
    OPEN_KNOWN,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    EventFlag,
    EventKind,
    InstrumentOption,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.records import EVENT, INSTRUMENT, ORDER

# Commands. The eight small fields from ``participant`` to ``time_in_force`` are read as one word.
ORDER_WORD = ORDER.offsets["participant"]
ERROR_SHIFT = 8 * (ORDER.offsets["error_code"] - ORDER_WORD)
KIND_SHIFT = 8 * (ORDER.offsets["kind"] - ORDER_WORD)
SIDE_SHIFT = 8 * (ORDER.offsets["side"] - ORDER_WORD)
TYPE_SHIFT = 8 * (ORDER.offsets["order_type"] - ORDER_WORD)
TIF_SHIFT = 8 * (ORDER.offsets["time_in_force"] - ORDER_WORD)
MODE_SHIFT = TIF_SHIFT + SELF_TRADE_SHIFT
MODE_MASK = SELF_TRADE_MASK
KNOWN_WORD = (OPEN_KNOWN << TIF_SHIFT) - (1 << 64)
"""OPEN_KNOWN in the word: its sign."""
HALVES_WORD = AUX_HALVES << TIF_SHIFT

# Events. The six small fields from ``participant`` to ``flags`` are written as one word: the
# tag (participant, instrument, side) plus what happened (kind, reason, flags).
EVENT_WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - EVENT_WORD)
EVENT_KIND_SHIFT = 8 * (EVENT.offsets["kind"] - EVENT_WORD)
REASON_SHIFT = 8 * (EVENT.offsets["reason"] - EVENT_WORD)
EVENT_SIDE_SHIFT = 8 * (EVENT.offsets["side"] - EVENT_WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - EVENT_WORD)

ACCEPTED = int(EventKind.ACCEPTED) << EVENT_KIND_SHIFT
FILLED = int(EventKind.FILLED) << EVENT_KIND_SHIFT
CANCELLED = int(EventKind.CANCELLED) << EVENT_KIND_SHIFT
REDUCED = int(EventKind.REDUCED) << EVENT_KIND_SHIFT
REPLACED = int(EventKind.REPLACED) << EVENT_KIND_SHIFT
REJECTED = int(EventKind.REJECTED) << EVENT_KIND_SHIFT
EXPIRED_EVENT = int(EventKind.EXPIRED) << EVENT_KIND_SHIFT
ELECTED = int(EventKind.ELECTED) << EVENT_KIND_SHIFT
REPEGGED = int(EventKind.REPEGGED) << EVENT_KIND_SHIFT
REFRESHED = int(EventKind.REFRESHED) << EVENT_KIND_SHIFT
CONVERTED = int(EventKind.CONVERTED) << EVENT_KIND_SHIFT
TRIGGER_MOVED = int(EventKind.TRIGGER_MOVED) << EVENT_KIND_SHIFT
PHASE_CHANGED = int(EventKind.PHASE_CHANGED) << EVENT_KIND_SHIFT
INDICATIVE = int(EventKind.INDICATIVE) << EVENT_KIND_SHIFT
UNCROSSED = int(EventKind.UNCROSSED) << EVENT_KIND_SHIFT
COMPLETED = int(EventKind.COMPLETED) << EVENT_KIND_SHIFT
DELAYED = int(EventKind.DELAYED) << EVENT_KIND_SHIFT
ENTERED = int(EventKind.ENTERED) << EVENT_KIND_SHIFT

LAST = int(EventFlag.LAST) << FLAGS_SHIFT
MAKER = int(EventFlag.MAKER) << FLAGS_SHIFT
KEPT_PLACE = int(EventFlag.KEPT_PLACE) << FLAGS_SHIFT
HIDDEN_FLAG = int(EventFlag.HIDDEN) << FLAGS_SHIFT
WAITING = int(EventFlag.WAITING) << FLAGS_SHIFT
ICEBERG_FLAG = int(EventFlag.ICEBERG) << FLAGS_SHIFT
AUCTION = int(EventFlag.AUCTION) << FLAGS_SHIFT

NEW, CANCEL, REDUCE, REPLACE, SET_EXPIRY, MASS_CANCEL, DISCONNECT, TIME, PHASE_COMMAND = (
    int(kind) for kind in CommandKind if kind != CommandKind.RISK
)
BUY, SELL = int(Side.BUY), int(Side.SELL)
LIMIT = int(OrderType.LIMIT)
MARKET = int(OrderType.MARKET)
POST_ONLY = int(OrderType.POST_ONLY)
POST_ONLY_SLIDE = int(OrderType.POST_ONLY_SLIDE)
MARKET_TO_LIMIT = int(OrderType.MARKET_TO_LIMIT)
ICEBERG = int(OrderType.ICEBERG)
HIDDEN = int(OrderType.HIDDEN)
PEG_PRIMARY = int(OrderType.PEG_PRIMARY)
PEG_MARKET = int(OrderType.PEG_MARKET)
PEG_MIDPOINT = int(OrderType.PEG_MIDPOINT)
ALL_OR_NONE = int(OrderType.ALL_OR_NONE)
MIN_QTY_TYPE = int(OrderType.MIN_QTY)
MARKET_BUDGET = int(OrderType.MARKET_BUDGET)
DAY, IOC, FOK, GTC, GTD, AT_OPEN, AT_CLOSE = (int(tif) for tif in TimeInForce)
ALLOW, CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT = (int(mode) for mode in SelfTrade)
(
    CLOSED,
    PRE_OPEN,
    OPENING_AUCTION,
    CONTINUOUS,
    VOLATILITY_AUCTION,
    HALT,
    CLOSING_AUCTION,
    TRADING_AT_LAST,
) = (int(phase) for phase in Phase)

ACCEPT = int(Reason.NONE)
GATEWAY = int(Reason.GATEWAY)
UNKNOWN_INSTRUMENT = int(Reason.UNKNOWN_INSTRUMENT)
MALFORMED = int(Reason.MALFORMED)
BAD_QTY = int(Reason.BAD_QTY)
DUPLICATE_ID = int(Reason.DUPLICATE_ID)
UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
NOT_OWNER = int(Reason.NOT_OWNER)
WOULD_CROSS = int(Reason.WOULD_CROSS)
BOOK_FULL = int(Reason.BOOK_FULL)
LEVEL_OVERFLOW = int(Reason.LEVEL_OVERFLOW)
USER = int(Reason.USER)
IOC_REST = int(Reason.IOC_REST)
MARKET_REST = int(Reason.MARKET_REST)
FOK_UNFILLABLE = int(Reason.FOK_UNFILLABLE)
REDUCED_TO_ZERO = int(Reason.REDUCED_TO_ZERO)
OFF_STEP = int(Reason.OFF_STEP)
OFF_LOT = int(Reason.OFF_LOT)
PRICE_LIMIT = int(Reason.PRICE_LIMIT)
QTY_LIMIT = int(Reason.QTY_LIMIT)
WRONG_PHASE = int(Reason.WRONG_PHASE)
BAD_AUX = int(Reason.BAD_AUX)
EXPIRED = int(Reason.EXPIRED)
SELF_TRADE = int(Reason.SELF_TRADE)
MIN_QTY_UNFILLABLE = int(Reason.MIN_QTY_UNFILLABLE)
DAY_END = int(Reason.DAY_END)
AUCTION_REST = int(Reason.AUCTION_REST)
MASS_CANCELLED = int(Reason.MASS_CANCEL)
DISCONNECTED = int(Reason.DISCONNECTED)
AUCTION_EXTENDED = int(Reason.AUCTION_EXTENDED)
TIME_BACKWARDS = int(Reason.TIME_BACKWARDS)
OFF_LAST = int(Reason.OFF_LAST)

# Instrument rules.
RULE_BYTES = INSTRUMENT.size_bytes
RULE_LMM = INSTRUMENT.offsets["lmm1_participant"]
LMM_BYTES = INSTRUMENT.offsets["lmm2_participant"] - RULE_LMM
STEPS = int(enums.Allocation.STEPS)
RULE_BANDS = INSTRUMENT.offsets["band1_from_ticks"]
MARKET_REST_STAYS = int(InstrumentOption.MARKET_REST_STAYS)
STOPS_BY_QUOTE = int(InstrumentOption.STOPS_BY_QUOTE)
STOPS_BY_TRADE_OR_QUOTE = int(InstrumentOption.STOPS_BY_TRADE_OR_QUOTE)
STOPS_BY_REFERENCE = int(InstrumentOption.STOPS_BY_REFERENCE)
SELF_TRADE_FIRST = int(InstrumentOption.SELF_TRADE_FIRST)
HALF_STEP_MIDPOINT = int(InstrumentOption.HALF_STEP_MIDPOINT)
MARKET_WAITS = int(InstrumentOption.MARKET_WAITS)

MAX_DISPLAY_SLICES = 256
MAX_OFFSET = 1 << 40
