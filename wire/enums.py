"""The small numbers that stand in records, each with a name a person reads.

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
    """New price and new open quantity; keeps its place only if the price stays and qty shrinks."""


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    """Trades against whatever is there; what is left is cancelled.  ``price_ticks`` is ignored."""
    POST_ONLY = 3
    """A limit order that is rejected when it would trade on arrival."""


class TimeInForce(IntEnum):
    DAY = 1
    IOC = 2
    FOK = 3


class EventKind(IntEnum):
    """What happened (``kind`` of an event record)."""

    ACCEPTED = 1
    FILLED = 2
    """One side of a trade; a trade is two of them, the maker's first."""
    CANCELLED = 3
    REDUCED = 4
    REPLACED = 5
    REJECTED = 6


class EventFlag(IntFlag):
    LAST = 1
    """The last event that its command caused: every command has exactly one."""
    MAKER = 2
    """A fill of the order that rested in the book."""
    KEPT_PLACE = 4
    """A replaced order kept its place in the queue."""


class Reason(IntEnum):
    """Why an order was rejected or cancelled (``reason`` of an event record)."""

    NONE = 0
    GATEWAY = 1
    """The gateway's verdict was not zero; ``contra_id`` carries the ``error_code`` bits."""
    UNKNOWN_INSTRUMENT = 2
    MALFORMED = 3
    """Kind, side, order type or time in force is no declared value, or a combination makes no
    sense (a post-only order that must not rest)."""
    BAD_QTY = 4
    DUPLICATE_ID = 5
    UNKNOWN_ORDER = 6
    NOT_OWNER = 7
    WOULD_CROSS = 8
    BOOK_FULL = 9
    """No room for another open order, or for another price level."""
    LEVEL_OVERFLOW = 10
    """The quantity at the price level would pass 2**63 - 1."""
    USER = 11
    IOC_REST = 12
    MARKET_REST = 13
    FOK_UNFILLABLE = 14
    REDUCED_TO_ZERO = 15


class ErrorBit(IntEnum):
    """Bit numbers of ``error_code``, the gateway's verdict; bits 10 to 14 are reserved for the
    hardware gateway's collar, notional, participant, halt and rate checks."""

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
    KIND = 15


class BlockKind(IntEnum):
    """What a journal block carries (``kind`` of a block header)."""

    CONFIG = 1
    """JSON: instruments, seed, topology, versions; the first block of a journal."""
    COMMANDS = 2
    """Whole order records in sequence."""
    EVIDENCE = 3
    """JSON: state hash and event hash at a sequence; written at a clean stop."""


class PacketKind(IntEnum):
    ORDERS = 1
    EVENTS = 2


ENUMS: tuple[type[IntEnum] | type[IntFlag], ...] = (
    CommandKind,
    Side,
    OrderType,
    TimeInForce,
    EventKind,
    EventFlag,
    Reason,
    ErrorBit,
    BlockKind,
    PacketKind,
)
