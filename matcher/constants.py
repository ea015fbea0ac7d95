"""Numbers of wire/enums.py and offsets of wire/records.py as the plain ints that kernels need."""

from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    AUX_HALVES,
    OPEN_KNOWN,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    Contingency,
    Phase,
    SelfTrade,
    Term,
    TriggerBy,
)
from openoutcry.wire.order_types import FOR_AUCTIONS, type_bits
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

ACCEPTED = enum_numbers.EVENT_KIND_ACCEPTED << EVENT_KIND_SHIFT
FILLED = enum_numbers.EVENT_KIND_FILLED << EVENT_KIND_SHIFT
BROKEN = enum_numbers.EVENT_KIND_BROKEN << EVENT_KIND_SHIFT
CANCELLED = enum_numbers.EVENT_KIND_CANCELLED << EVENT_KIND_SHIFT
REDUCED = enum_numbers.EVENT_KIND_REDUCED << EVENT_KIND_SHIFT
REPLACED = enum_numbers.EVENT_KIND_REPLACED << EVENT_KIND_SHIFT
REJECTED = enum_numbers.EVENT_KIND_REJECTED << EVENT_KIND_SHIFT
EXPIRED_EVENT = enum_numbers.EVENT_KIND_EXPIRED << EVENT_KIND_SHIFT
ELECTED = enum_numbers.EVENT_KIND_ELECTED << EVENT_KIND_SHIFT
REPEGGED = enum_numbers.EVENT_KIND_REPEGGED << EVENT_KIND_SHIFT
REFRESHED = enum_numbers.EVENT_KIND_REFRESHED << EVENT_KIND_SHIFT
CONVERTED = enum_numbers.EVENT_KIND_CONVERTED << EVENT_KIND_SHIFT
TRIGGER_MOVED = enum_numbers.EVENT_KIND_TRIGGER_MOVED << EVENT_KIND_SHIFT
PHASE_CHANGED = enum_numbers.EVENT_KIND_PHASE_CHANGED << EVENT_KIND_SHIFT
INDICATIVE = enum_numbers.EVENT_KIND_INDICATIVE << EVENT_KIND_SHIFT
UNCROSSED = enum_numbers.EVENT_KIND_UNCROSSED << EVENT_KIND_SHIFT
COMPLETED = enum_numbers.EVENT_KIND_COMPLETED << EVENT_KIND_SHIFT
DELAYED = enum_numbers.EVENT_KIND_DELAYED << EVENT_KIND_SHIFT
ENTERED = enum_numbers.EVENT_KIND_ENTERED << EVENT_KIND_SHIFT

LAST = enum_numbers.EVENT_FLAG_LAST << FLAGS_SHIFT
MAKER = enum_numbers.EVENT_FLAG_MAKER << FLAGS_SHIFT
KEPT_PLACE = enum_numbers.EVENT_FLAG_KEPT_PLACE << FLAGS_SHIFT
HIDDEN_FLAG = enum_numbers.EVENT_FLAG_HIDDEN << FLAGS_SHIFT
WAITING = enum_numbers.EVENT_FLAG_WAITING << FLAGS_SHIFT
ICEBERG_FLAG = enum_numbers.EVENT_FLAG_ICEBERG << FLAGS_SHIFT
AUCTION = enum_numbers.EVENT_FLAG_AUCTION << FLAGS_SHIFT

NEW, CANCEL, REDUCE, REPLACE, SET_EXPIRY, MASS_CANCEL, DISCONNECT, TIME, PHASE_COMMAND, TERMS = (
    int(kind) for kind in CommandKind if kind != CommandKind.RISK
)
RISK = enum_numbers.COMMAND_KIND_RISK
TERM_LIST, TERM_EXPIRY, TERM_TRIGGER, TERM_QUOTE = (int(term) for term in Term)
LIST_TERM, EXPIRY_TERM, TRIGGER_TERM, QUOTE_TERM = (1 << term for term in Term)
"""Their bits in the terms of the NEW at work."""
BY_LAST, BY_OWN_QUOTE, BY_OPPOSITE_QUOTE, BY_MID, BY_MARK, BY_INDEX = map(int, TriggerBy)
BY_MASK = 0x7F
"""Of an extension's ``trigger_by``: the TriggerBy, 0 of the instrument's rule."""
INACTIVE = 0x80
"""And: its trailing stop waits for its activation price."""
OCO, OUO, OTO, OTOCO, OTOUO = (int(kind) for kind in Contingency)
BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
LIMIT = enum_numbers.ORDER_TYPE_LIMIT
MARKET = enum_numbers.ORDER_TYPE_MARKET
POST_ONLY = enum_numbers.ORDER_TYPE_POST_ONLY
POST_ONLY_SLIDE = enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE
MARKET_TO_LIMIT = enum_numbers.ORDER_TYPE_MARKET_TO_LIMIT
ICEBERG = enum_numbers.ORDER_TYPE_ICEBERG
HIDDEN = enum_numbers.ORDER_TYPE_HIDDEN
PEG_PRIMARY = enum_numbers.ORDER_TYPE_PEG_PRIMARY
PEG_MARKET = enum_numbers.ORDER_TYPE_PEG_MARKET
PEG_MIDPOINT = enum_numbers.ORDER_TYPE_PEG_MIDPOINT
ALL_OR_NONE = enum_numbers.ORDER_TYPE_ALL_OR_NONE
MIN_QTY_TYPE = enum_numbers.ORDER_TYPE_MIN_QTY
MARKET_BUDGET = enum_numbers.ORDER_TYPE_MARKET_BUDGET
DAY = enum_numbers.TIME_IN_FORCE_DAY
IOC = enum_numbers.TIME_IN_FORCE_IOC
FOK = enum_numbers.TIME_IN_FORCE_FOK
GTC = enum_numbers.TIME_IN_FORCE_GTC
GTD = enum_numbers.TIME_IN_FORCE_GTD
AT_OPEN = enum_numbers.TIME_IN_FORCE_AT_OPEN
AT_CLOSE = enum_numbers.TIME_IN_FORCE_AT_CLOSE
FOR_AUCTION_BITS = type_bits(FOR_AUCTIONS)
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

ACCEPT = enum_numbers.REASON_NONE
GATEWAY = enum_numbers.REASON_GATEWAY
UNKNOWN_INSTRUMENT = enum_numbers.REASON_UNKNOWN_INSTRUMENT
MALFORMED = enum_numbers.REASON_MALFORMED
BAD_QTY = enum_numbers.REASON_BAD_QTY
DUPLICATE_ID = enum_numbers.REASON_DUPLICATE_ID
UNKNOWN_ORDER = enum_numbers.REASON_UNKNOWN_ORDER
NOT_OWNER = enum_numbers.REASON_NOT_OWNER
WOULD_CROSS = enum_numbers.REASON_WOULD_CROSS
BOOK_FULL = enum_numbers.REASON_BOOK_FULL
LEVEL_OVERFLOW = enum_numbers.REASON_LEVEL_OVERFLOW
USER = enum_numbers.REASON_USER
IOC_REST = enum_numbers.REASON_IOC_REST
MARKET_REST = enum_numbers.REASON_MARKET_REST
FOK_UNFILLABLE = enum_numbers.REASON_FOK_UNFILLABLE
REDUCED_TO_ZERO = enum_numbers.REASON_REDUCED_TO_ZERO
OFF_STEP = enum_numbers.REASON_OFF_STEP
OFF_LOT = enum_numbers.REASON_OFF_LOT
PRICE_LIMIT = enum_numbers.REASON_PRICE_LIMIT
QTY_LIMIT = enum_numbers.REASON_QTY_LIMIT
WRONG_PHASE = enum_numbers.REASON_WRONG_PHASE
BAD_AUX = enum_numbers.REASON_BAD_AUX
EXPIRED = enum_numbers.REASON_EXPIRED
SELF_TRADE = enum_numbers.REASON_SELF_TRADE
MIN_QTY_UNFILLABLE = enum_numbers.REASON_MIN_QTY_UNFILLABLE
DAY_END = enum_numbers.REASON_DAY_END
AUCTION_REST = enum_numbers.REASON_AUCTION_REST
MASS_CANCELLED = enum_numbers.REASON_MASS_CANCEL
DISCONNECTED = enum_numbers.REASON_DISCONNECTED
AUCTION_EXTENDED = enum_numbers.REASON_AUCTION_EXTENDED
TIME_BACKWARDS = enum_numbers.REASON_TIME_BACKWARDS
OFF_LAST = enum_numbers.REASON_OFF_LAST
REDUCE_ONLY = enum_numbers.REASON_REDUCE_ONLY
LIST = enum_numbers.REASON_LIST
TRIGGER_ALREADY_PASSED = enum_numbers.REASON_TRIGGER_ALREADY_PASSED
RULES_CHANGED = enum_numbers.REASON_RULES_CHANGED

# Instrument rules.
RULE_BYTES = INSTRUMENT.size_bytes
RULE_LMM = INSTRUMENT.offsets["lmm1_participant"]
LMM_BYTES = INSTRUMENT.offsets["lmm2_participant"] - RULE_LMM
STEPS = enum_numbers.ALLOCATION_STEPS
RULE_BANDS = INSTRUMENT.offsets["band1_from_ticks"]
MARKET_REST_STAYS = enum_numbers.INSTRUMENT_OPTION_MARKET_REST_STAYS
STOPS_BY_QUOTE = enum_numbers.INSTRUMENT_OPTION_STOPS_BY_QUOTE
STOPS_BY_TRADE_OR_QUOTE = enum_numbers.INSTRUMENT_OPTION_STOPS_BY_TRADE_OR_QUOTE
STOPS_BY_REFERENCE = enum_numbers.INSTRUMENT_OPTION_STOPS_BY_REFERENCE
SELF_TRADE_FIRST = enum_numbers.INSTRUMENT_OPTION_SELF_TRADE_FIRST
HALF_STEP_MIDPOINT = enum_numbers.INSTRUMENT_OPTION_HALF_STEP_MIDPOINT
MARKET_WAITS = enum_numbers.INSTRUMENT_OPTION_MARKET_WAITS
PASSED_STOPS_REFUSED = enum_numbers.INSTRUMENT_OPTION_PASSED_STOPS_REFUSED

MAX_DISPLAY_SLICES = 256
MAX_OFFSET = 1 << 40
