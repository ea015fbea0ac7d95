"""The small numbers that are in records, each with a name a person reads.

Zero is never a valid value of a command's enumeration: a record of zeros is malformed in every
field, so an unwritten slot can never pass for an order.
"""

from enum import IntEnum, IntFlag


class CommandKind(IntEnum):
    """What a command asks of the matcher (``kind`` of an order record)."""

    NEW = 1
    CANCEL = 2
    REDUCE = 3
    """Take ``qty_lots`` off an open order; it keeps its place."""
    REPLACE = 4
    """New price and new open quantity; keeps its place only if the price stays and qty shrinks.
    An iceberg's ``aux``, if not 0, is its new display quantity, from the next refresh on.
    With OPEN_KNOWN what the order has lost since its sender looked is taken off as well."""
    SET_EXPIRY = 5
    """An open order becomes good-till-date and expires after ``aux``, ns since the epoch."""
    MASS_CANCEL = 6
    """Cancel the participant's orders, of one instrument or (a symbol of zeros) of all; ``side`` 0
    means both.  With ``aux`` 1, cancel every participant's orders; only the exchange operator
    (participant 0) may send that.  With ``aux`` NEW_DAY the trading day ``qty_lots``, YYYYMMDD,
    begins in an instrument that never closes: orders that are good for the day expire (DAY_END).
    Refused (TIME_BACKWARDS) when that day or a later one has begun.  Operator only."""
    DISCONNECT = 7
    """The participant's session is gone: cancel all orders of it in every instrument."""
    TIME = 8
    """It is ``aux`` ns since the epoch; whatever expired before is cancelled.  Operator only."""
    PHASE = 9
    """The instrument enters the trading phase ``aux``; ``qty_lots`` 1 makes ``price_ticks`` its
    reference price, 2 does and forgets the last trade, too (a split).  Operator only."""
    RISK = 10
    """A limit or a switch of the risk around the matcher: ``order_type`` says which (risk/bits.py),
    ``aux`` is its value, ``qty_lots`` whose it is.  Operator only; MALFORMED without risk or for
    senseless values."""
    TERMS = 11
    """A further term of the NEW that follows, which has the same participant, symbol and order id:
    ``order_type`` says which (Term); ``price_ticks``, ``qty_lots`` and ``aux`` are its values.  It
    waits until that NEW comes, accepted or not, and then is used up."""


class Term(IntEnum):
    """What a TERMS command says of the order to come (its ``order_type``)."""

    LIST = 1
    """The order is a leg of a list: ``price_ticks`` is the order id of its first leg, which comes
    first, and ``qty_lots`` the leg's place, from 1.  ``aux`` has the Contingency in its low eight
    bits, and above them how many legs the list has."""
    EXPIRY = 2
    """The order, a GTC one of any type, is good till date: until ``aux``, ns since the epoch."""
    TRIGGER = 3
    """Of a stop: which price elects it, the TriggerBy in the low eight bits of ``aux`` (0: as the
    instrument's options say).  A trailing stop with HAS_ACTIVATION in ``aux`` begins to trail when
    that price reaches ``price_ticks``: from below if it sells, from above if it buys."""
    QUOTE = 4
    """The order, a LIMIT or POST_ONLY one, DAY or GTC, is one side of a quote.  ``price_ticks``,
    ``qty_lots`` (0: none) and ``aux`` are price, lots and order id of the other side.  What is open
    by these ids is replaced by the NEW, both sides in one command."""


class TriggerBy(IntEnum):
    """Which price elects a stop, and is followed by a trailing one."""

    LAST = 1
    """The last trade, as without an option of the instrument."""
    OWN_QUOTE = 2
    """The best displayed price of its own side: a buy the bid."""
    OPPOSITE_QUOTE = 3
    """The best displayed price of the other side: a buy the offer."""
    MID = 4
    """The middle between bid and offer; half a tick does not reach a trigger."""
    MARK = 5
    """The contract's mark (CONTRACT_MARK of ``risk/bits.py``)."""
    INDEX = 6
    """The index price that came with that mark."""


class Contingency(IntEnum):
    """What the legs of a list do to each other; docs/matcher.md has the rules."""

    OCO = 1
    """One cancels the other: as soon as one leg trades, ends or is elected, the others are
    cancelled."""
    OUO = 2
    """One updates the other: as OCO, but a partial fill only reduces the others to what it left
    open."""
    OTO = 3
    """One triggers the other: the first leg works; once it is filled, the others enter."""
    OTOCO = 4
    """As OTO; the others are linked as by OCO."""
    OTOUO = 5
    """As OTO; the others are linked as by OUO."""


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """How a new order trades; what ``aux`` means to it is said here."""

    LIMIT = 1
    MARKET = 2
    """Trades against whatever is there, no further than the instrument's protection band; what is
    left is cancelled or stays at the band.  ``price_ticks`` is ignored."""
    POST_ONLY = 3
    """A limit order that is rejected when it would trade on arrival."""
    POST_ONLY_SLIDE = 4
    """A limit order that, when it would trade on arrival, is priced one step short of that."""
    MARKET_TO_LIMIT = 5
    """Trades at the best opposite price only; what is left stays as a limit order at that price."""
    STOP = 6
    """A market order that waits for its trigger price, ``aux``."""
    STOP_LIMIT = 7
    """A limit order that waits for its trigger price, ``aux``."""
    TRAILING_STOP = 8
    """A stop whose trigger follows the last trade: ``aux`` is the distance in ticks (low 32 bits)
    and the smallest move of the trigger in ticks (next 31 bits)."""
    TRAILING_STOP_BPS = 9
    """Like TRAILING_STOP, its distance in basis points of the last trade."""
    ICEBERG = 10
    """A limit order that shows at most ``aux`` lots at a time."""
    HIDDEN = 11
    """A limit order that shows nothing and trades after what is shown at its price."""
    PEG_PRIMARY = 12
    """Hidden; follows the best price on the order's side at a distance of ``aux`` ticks (positive
    is more aggressive).  Its price stays within its limit and short of the opposite best."""
    PEG_MARKET = 13
    """Like PEG_PRIMARY, following the best price of the opposite side."""
    PEG_MIDPOINT = 14
    """Like PEG_PRIMARY, following the middle of both."""
    ALL_OR_NONE = 15
    """A limit order that trades as a whole or waits; hidden, after everything at its price."""
    MIN_QTY = 16
    """A limit order of which at least ``aux`` lots must trade on arrival, or none."""
    TRAILING_STOP_LIMIT = 17
    """Like TRAILING_STOP; elected, it is a limit order at its price, which does not move."""
    TRAILING_STOP_LIMIT_BPS = 18
    """Like TRAILING_STOP_LIMIT, its distance in basis points of the last trade."""
    POST_ONLY_STOP_LIMIT = 19
    """A post-only order that waits for its trigger price, ``aux``: elected, it is cancelled when it
    would trade."""
    MARKET_BUDGET = 20
    """A market order, IOC or FOK, for what the budget ``aux``, price ticks times lots, pays for: no
    more than ``qty_lots``, whole lots."""
    LIMIT_BUDGET = 21
    """Like MARKET_BUDGET, at its price or better."""
    TAKE_PROFIT = 22
    """A market order that waits for its trigger price, ``aux``, on the side of a profit: a sell for
    a price at or above it, a buy for one at or below it."""
    TAKE_PROFIT_LIMIT = 23
    """A limit order that waits as a TAKE_PROFIT does."""


class TimeInForce(IntEnum):
    """How long an order may rest: the low four bits of ``time_in_force``."""

    DAY = 1
    """Until its instrument closes."""
    IOC = 2
    FOK = 3
    GTC = 4
    GTD = 5
    """Until ``aux`` ns since the epoch, so only for order types that leave ``aux`` free; a fill at
    that very instant still counts.  Others become it by SET_EXPIRY."""
    AT_OPEN = 6
    AT_CLOSE = 7


class SelfTrade(IntEnum):
    """What a taker does when it meets a resting order of the same participant: the high four bits
    of ``time_in_force``."""

    ALLOW = 0
    CANCEL_NEWEST = 1
    """What is left of the taker is cancelled."""
    CANCEL_OLDEST = 2
    """The resting order is cancelled; the taker continues."""
    CANCEL_BOTH = 3
    DECREMENT = 4
    """Both lose the smaller of the two quantities without a trade."""


MIN_LEGS, MAX_LEGS = 2, 8
"""Most legs of a list."""
LEGS_SHIFT = 8
"""Of ``aux`` of the term LIST: where the number of legs begins."""
HAS_ACTIVATION = 1 << 8
"""Of ``aux`` of the term TRIGGER: ``price_ticks`` is an activation price."""
NEW_DAY = 2
"""``aux`` of a MASS_CANCEL by which an instrument's trading day begins."""
TIF_MASK = 15
"""Mask of the TimeInForce in ``time_in_force``."""
SELF_TRADE_SHIFT = 4
SELF_TRADE_MASK = 7
"""Mask of the self-trade bits, after the shift."""
OPEN_KNOWN = 1 << 7
"""``time_in_force`` of a REPLACE: ``aux`` is the open quantity that its sender knew of.  What the
order has lost since, by trades under way, is taken off ``qty_lots``; if nothing is left, the order
is cancelled.  Trigger, distance, display and offset stay as they are."""
REDUCE_ONLY = 1 << 7
"""``time_in_force`` of a NEW: it may only make the participant's position smaller
(``risk/reduce_only.py``)."""
AUX_HALVES = 1
"""``time_in_force`` of a REPLACE with OPEN_KNOWN: that quantity is the low half of ``aux`` (u32);
the high half (i32) is what ``aux`` would be."""


class Phase(IntEnum):
    """Trading phase of an instrument."""

    CLOSED = 1
    PRE_OPEN = 2
    OPENING_AUCTION = 3
    CONTINUOUS = 4
    VOLATILITY_AUCTION = 5
    HALT = 6
    CLOSING_AUCTION = 7
    TRADING_AT_LAST = 8


class Allocation(IntEnum):
    """How a level is shared among its orders."""

    PRICE_TIME = 1
    PRO_RATA = 2
    STEPS = 3
    """The order that bettered the market, lead market makers, a share by time, the rest pro rata,
    leveling, then by time: each step if its parameter is not 0."""


class InstrumentOption(IntFlag):
    MARKET_REST_STAYS = 1
    """A market order's rest stays as a limit order at the protection band."""
    STOPS_BY_QUOTE = 2
    """Stops are elected by the best opposite quote instead of the last trade."""
    HALF_STEP_MIDPOINT = 4
    """A midpoint peg may rest half a price step off the tick table."""
    SELF_TRADE_FIRST = 8
    """Self-trade prevention applies to all that a taker's limit reaches before it trades at all,
    not when it meets its own order in the queue."""
    STOPS_BY_REFERENCE = 16
    """Before the first trade the reference price replaces the last: stops are elected by it, also
    on entry, and trailing stops keep their distance from it."""
    STOPS_BY_TRADE_OR_QUOTE = 32
    """Stops are elected by the last trade or by the best quote on their side, by the first of the
    two to reach the trigger.  A buy uses the best bid, a sell at the best offer.  Not with
    STOPS_BY_QUOTE."""
    MARKET_WAITS = 64
    """The remainder of a market order that finds no counterparty waits in continuous trading,
    without a price, for the next order on the other side.  Not with MARKET_REST_STAYS."""
    PASSED_STOPS_REFUSED = 128
    """In continuous trading a new stop, or a new trigger of one, that the market has already passed
    is rejected (TRIGGER_ALREADY_PASSED).  Without this option the stop is elected at once."""


class EventKind(IntEnum):
    """What happened (``kind`` of an event record)."""

    ACCEPTED = 1
    FILLED = 2
    """One side of a trade; a trade is two of them, the maker's first (in an auction the buyer's).
    The trade's match number is the event ``seq`` of the first of the two."""
    CANCELLED = 3
    REDUCED = 4
    REPLACED = 5
    REJECTED = 6
    EXPIRED = 7
    ELECTED = 8
    """A stop's trigger was reached: from here on it is an incoming order."""
    REPEGGED = 9
    """A pegged order has a new price, or (flag WAITING) none.  Of a market order, with that flag:
    its rest waits without a price (MARKET_WAITS)."""
    REFRESHED = 10
    """An iceberg shows its next slice, at the back of its level."""
    CONVERTED = 11
    """What is left of a market order is now a limit order at this price."""
    TRIGGER_MOVED = 12
    """A trailing stop's trigger is now ``price_ticks``."""
    PHASE_CHANGED = 13
    """``qty_lots`` is the new phase, ``contra_id`` the old, ``price_ticks`` the reference price.
    Of an instrument that the market protection has paused ``order_id`` is why (PauseCause of
    risk/bits.py), and ``leaves_lots`` the level of the market-wide breaker."""
    INDICATIVE = 14
    """A call phase's uncrossing price, volume, surplus (``leaves_lots``) and the surplus's side."""
    UNCROSSED = 15
    """The auction's price, volume, surplus and its side; its fills follow."""
    COMPLETED = 16
    """A TIME, MASS_CANCEL or DISCONNECT is done, and ``qty_lots`` orders were removed.  Or a TERMS
    command is done: ``order_id`` is the order to come and ``contra_id`` the Term.  Or a RISK
    command is done: ``contra_id`` is what was set, ``leaves_lots`` the value, ``qty_lots`` the
    participant or instrument, ``order_id`` the operator and ``price_ticks`` the second value.  The
    settings that the breaker's levels depend on use other fields (risk/bits.py, TRADING_DAY)."""
    DELAYED = 17
    """The command waits at the speed bump until ``contra_id``, ns since the epoch;
    ``leaves_lots`` is its place in the queue."""
    ENTERED = 18
    """The command ``contra_id``, which was DELAYED, enters the matcher; it causes the next
    ``qty_lots`` events.  Its price is in ``price_ticks``.  Its place in the queue is in bits 0 to
    31 of ``leaves_lots``, its kind in bits 32 to 39 and its order type in bits 40 to 47."""
    BROKEN = 19
    """The operator has taken back one side of the trade whose match number is ``contra_id``: its
    order, price and lots, the flags MAKER and AUCTION that its fill had, and in ``leaves_lots`` the
    note of its fee (``wire/notes.py``).  The order stays as it was; positions, money and fees do
    not."""


class EventFlag(IntFlag):
    LAST = 1
    """The last event that its command caused: every command has exactly one."""
    MAKER = 2
    """A fill of the order that rested in the book."""
    KEPT_PLACE = 4
    """A replaced order kept its place in the queue."""
    HIDDEN = 8
    """The order displays nothing; displayed orders at its price trade before it."""
    WAITING = 16
    """The order is open but not in the book: a stop before its election, a peg without a price, an
    order for an auction still to come."""
    ICEBERG = 32
    """``contra_id`` is the display quantity."""
    AUCTION = 64
    """A fill in an uncrossing."""


class Reason(IntEnum):
    """Why an order was rejected or cancelled (``reason`` of an event record)."""

    NONE = 0
    GATEWAY = 1
    """The gateway's verdict was not zero; ``contra_id`` carries the ``error_code`` bits."""
    UNKNOWN_INSTRUMENT = 2
    MALFORMED = 3
    """Kind, side, order type or time in force is not a declared value, or a combination makes no
    sense (a post-only order that must not rest)."""
    BAD_QTY = 4
    DUPLICATE_ID = 5
    UNKNOWN_ORDER = 6
    NOT_OWNER = 7
    WOULD_CROSS = 8
    BOOK_FULL = 9
    """No room for another open order, another price level, the events it could cause, or another
    term that waits."""
    LEVEL_OVERFLOW = 10
    """The quantity at the price level would pass 2**63 - 1."""
    USER = 11
    IOC_REST = 12
    MARKET_REST = 13
    FOK_UNFILLABLE = 14
    REDUCED_TO_ZERO = 15
    OFF_STEP = 16
    """The price is not a multiple of the price step there."""
    OFF_LOT = 17
    """The quantity is not a multiple of the quantity step."""
    PRICE_LIMIT = 18
    """Outside the instrument's price limits."""
    QTY_LIMIT = 19
    """Outside the instrument's quantity limits."""
    WRONG_PHASE = 20
    BAD_AUX = 21
    """The trigger, display quantity, distance, minimum or expiry in ``aux`` makes no sense."""
    EXPIRED = 22
    """Its time was over, on arrival or later."""
    SELF_TRADE = 23
    MIN_QTY_UNFILLABLE = 24
    DAY_END = 25
    AUCTION_REST = 26
    """What an order for one auction had left after it."""
    MASS_CANCEL = 27
    DISCONNECTED = 28
    AUCTION_EXTENDED = 29
    """The uncrossing price was outside the auction's band, so the auction call continues."""
    TIME_BACKWARDS = 30
    OFF_LAST = 31
    """Trading at last takes no other price than the last."""
    RISK = 32
    """A limit of the participant, the instrument or the market.  The bit of every check that failed
    (``risk/bits.py``) is set in ``contra_id``.  For the lowest of these bits, ``price_ticks`` is
    the limit, ``leaves_lots`` what already counts against it, and ``qty_lots`` the value with this
    order."""
    TRIGGER_ALREADY_PASSED = 33
    """A stop would be elected at once (PASSED_STOPS_REFUSED)."""
    DELISTED = 34
    """The instrument was delisted."""
    CLOSE_ONLY = 35
    """From here on the instrument takes only orders that make a position or a holding smaller."""
    REDUCE_ONLY = 36
    """The position is smaller by now than what this reduce-only order would have taken off it."""
    RULES_CHANGED = 37
    """The instrument's rules have changed, and do not permit the open order.  Of a change that is
    refused because of such orders, ``contra_id`` is how many there are."""
    LIST = 38
    """The order is a leg of a list, and what happened to another leg ended or reduced it.  Or the
    list that it continues does not wait for it; or it has not entered, and cannot be replaced."""


class ErrorBit(IntEnum):
    """Bit numbers of ``error_code``, the gateway's verdict."""

    PRICE_NOT_POSITIVE = 0
    PRICE_ABOVE_LIMIT = 1
    QTY_NOT_POSITIVE = 2
    QTY_OUT_OF_LIMITS = 3
    SIDE = 4
    ORDER_TYPE = 5
    TIME_IN_FORCE = 6
    SYMBOL = 7
    PRICE_STEP = 8
    QTY_STEP = 9
    COLLAR = 10
    """Too far from the reference price."""
    NOTIONAL = 11
    """Price times quantity above the instrument's limit."""
    PARTICIPANT = 12
    """The participant is switched off."""
    HALTED = 13
    """The symbol is halted at the gateway."""
    RATE = 14
    """The participant's order rate is used up."""
    KIND = 15
    """No declared kind, or one that only the exchange operator (participant 0) may send."""


class BlockKind(IntEnum):
    """What a journal block carries (``kind`` of a block header)."""

    CONFIG = 1
    """JSON: instruments, seed, topology, versions; the first block of every segment."""
    COMMANDS = 2
    """Whole order records in sequence."""
    EVIDENCE = 3
    """JSON: state hash and event hash at a sequence; written at a clean stop."""
    CLOCK = 4
    """Whole records that say how wrong the time may be."""


class PacketKind(IntEnum):
    ORDERS = 1
    EVENTS = 2


class ClockState(IntEnum):
    """How a clock is held (``state`` of a clock record)."""

    UNKNOWN = 1
    """Nothing is known about the time; do not use it."""
    LOCKED = 2
    """It follows its source."""
    HOLDOVER = 3
    """It followed a source, which is silent or not to be believed; the bound grows."""
    FREE_RUNNING = 4
    """No source states this clock's error."""


class ClockSource(IntEnum):
    """What a clock follows."""

    NONE = 1
    PHC_PRECISE = 2
    """A PTP hardware clock, read together with the system's by the hardware."""
    PHC_EXTENDED = 3
    """A PTP hardware clock between two readings of the system's, taken in the driver."""
    PHC_BASIC = 4
    """A PTP hardware clock between two readings of the system's, taken in the kernel."""
    LINUXPTP = 5
    """The system clock, corrected by what ptp4l measures with software time stamps."""
    CHRONY = 6
    """The system clock, corrected by chrony's tracking report."""
    KERNEL = 7
    """The system clock with the kernel's own estimate of its error (adjtimex)."""
    SIMULATED = 8


class ClockEvent(IntEnum):
    """Why a clock record was made."""

    SAMPLE = 1
    """The regular one."""
    STATE = 2
    """The state, the source or the grandmaster is another than before."""
    WARNING = 3
    """More than 10 us from the source, or as badly known as that."""
    CRITICAL = 4
    """More than 100 us: RTS 25 does not hold."""
    CLEARED = 5
    """Within 10 us again."""
    STEP = 6
    """The source jumped."""
    SLEW = 7
    """The source runs at another rate than the counter allows."""
    DISAGREE = 8
    """Two sources contradict each other."""
    SUSPENDED = 9
    """The machine slept."""
    MIGRATED = 10
    """The counter jumped or changed its rate: another machine, or another core's counter."""
    LEAP = 11
    """The UTC offset changed."""
    STOPPED = 12
    """The last record of a daemon that ended in order."""


class ClockFlag(IntFlag):
    """Bits of ``flags`` in a clock record."""

    TRACEABLE = 1
    """The source says that its time is traceable to UTC."""
    RTS25 = 2
    """Within 100 us of UTC, traceable, and granular to 1 us or better."""
    LEAP_INSERT = 4
    """A second will be inserted at the end of the UTC day."""
    LEAP_DELETE = 8
    """A second will be left out at the end of the UTC day."""
    DOUBTED = 16
    """The source contradicted itself or another; the bound covers both."""
    OFFSET_DISPUTED = 32
    """The source states another UTC offset or leap second than the list, which is used."""
    LIST_EXPIRED = 64
    """The list of leap seconds ends before this moment."""


ENUMS: tuple[type[IntEnum] | type[IntFlag], ...] = (
    CommandKind,
    Term,
    TriggerBy,
    Contingency,
    Side,
    OrderType,
    TimeInForce,
    SelfTrade,
    Phase,
    Allocation,
    InstrumentOption,
    EventKind,
    EventFlag,
    Reason,
    ErrorBit,
    BlockKind,
    PacketKind,
    ClockState,
    ClockSource,
    ClockEvent,
    ClockFlag,
)
