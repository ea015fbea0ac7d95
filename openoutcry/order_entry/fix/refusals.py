"""Why a message of orders is refused by the session layer: ``refused`` of metadata, and its
words."""

from enum import IntEnum

import openoutcry.order_entry.faults as faults
from openoutcry.order_entry import constants
from openoutcry.order_entry.risk_reasons import CHECKS
from openoutcry.wire.enums import ErrorBit, Reason


class Refusal(IntEnum):
    UNKNOWN_SYMBOL = 1
    UNSUPPORTED = 2
    """Order type, time in force or instructions, or together, are not supported here."""
    PRICE = 3
    """More decimals than the instrument has, or out of any range."""
    QUANTITY = 4
    """No whole number of lots, or out of any range."""
    UNKNOWN_ORDER = 5
    DUPLICATE = 6
    """The ClOrdID was used before."""
    THROTTLED = 7
    TOO_MANY_OPEN = 8
    MISMATCH = 9
    """A cancel or replace names another symbol or side than its order has, a replace another
    order type or time in force."""
    TOO_LATE = 10
    """The order is done, or more of it is done than the new quantity."""
    UNSUPPORTED_MESSAGE = 11
    STATUS = 12
    """No refusal: a status request, whose answer needs no command."""
    MASS_STATUS = 13
    NO_ROOM = 14
    PENDING = 15
    """A replace names an order that another replace of is under way."""
    PARTICIPANT = 16
    """Shared memory: the request names a participant that the session does not act for."""
    NAME = 17
    """Shared memory: the request gives its order no name."""


TEXTS = {
    Refusal.UNKNOWN_SYMBOL: "unknown symbol",
    Refusal.UNSUPPORTED: "this order type is not supported",
    Refusal.PRICE: "price has too many decimals or is out of range",
    Refusal.QUANTITY: "quantity is not a whole number of lots or out of range",
    Refusal.UNKNOWN_ORDER: "unknown order",
    Refusal.DUPLICATE: "ClOrdID was used before",
    Refusal.THROTTLED: "too many messages",
    Refusal.TOO_MANY_OPEN: "too many open orders",
    Refusal.MISMATCH: "symbol, side, type or time in force differs from the order's",
    Refusal.TOO_LATE: "too late",
    Refusal.UNSUPPORTED_MESSAGE: "Unsupported Message Type",
    Refusal.NO_ROOM: "the venue cannot hold more orders",
    Refusal.PENDING: "a replace of this order is pending",
    Refusal.PARTICIPANT: "the session does not act for this participant",
    Refusal.NAME: "the order has no name",
}
"""Text (58) of the answer."""
ORDER_REASONS = {
    Refusal.UNKNOWN_SYMBOL: 1,
    Refusal.UNSUPPORTED: 11,
    Refusal.QUANTITY: 13,
    Refusal.UNKNOWN_ORDER: 5,
    Refusal.DUPLICATE: 6,
    Refusal.TOO_MANY_OPEN: 3,
    Refusal.TOO_LATE: 4,
}
"""OrdRejReason (103); 99 other."""
CANCEL_REASONS = {
    Refusal.UNKNOWN_ORDER: 1,
    Refusal.DUPLICATE: 6,
    Refusal.TOO_LATE: 0,
    Refusal.PENDING: 3,
}
"""CxlRejReason (102); 99 other."""

CORE_ORDER_REASONS = {
    Reason.UNKNOWN_INSTRUMENT: 1,
    Reason.WRONG_PHASE: 2,
    Reason.QTY_LIMIT: 3,
    Reason.PRICE_LIMIT: 3,
    Reason.UNKNOWN_ORDER: 5,
    Reason.DUPLICATE_ID: 6,
    Reason.MALFORMED: 11,
    Reason.BAD_AUX: 11,
    Reason.RISK: 3,
    Reason.BAD_QTY: 13,
    Reason.OFF_LOT: 13,
}
"""OrdRejReason (103) of what the core rejects; 99 other."""
CORE_CANCEL_REASONS = {Reason.UNKNOWN_ORDER: 1, Reason.NOT_OWNER: 1}
GATEWAY_ORDER_REASONS = {
    ErrorBit.PRICE_ABOVE_LIMIT: 3,
    ErrorBit.QTY_NOT_POSITIVE: 13,
    ErrorBit.QTY_OUT_OF_LIMITS: 3,
    ErrorBit.SIDE: 11,
    ErrorBit.ORDER_TYPE: 11,
    ErrorBit.TIME_IN_FORCE: 11,
    ErrorBit.SYMBOL: 1,
    ErrorBit.QTY_STEP: 13,
    ErrorBit.COLLAR: 3,
    ErrorBit.NOTIONAL: 3,
    ErrorBit.HALTED: 2,
}
"""OrdRejReason (103) of what the gateway rejects, by the first rule that is broken; 99 other."""

FIRST_COMMON = constants.REFUSAL_THROTTLED
COMMON = (
    Refusal.THROTTLED,
    Refusal.TOO_MANY_OPEN,
    Refusal.UNKNOWN_ORDER,
    Refusal.DUPLICATE,
    Refusal.NO_ROOM,
    Refusal.TOO_LATE,
    Refusal.TOO_LATE,
)
"""First of the refusals that all protocols have in common."""
assert len(COMMON) == len(faults.Refusal)

NAME_BYTES, TEXT_COUNT = 56, 112
ROW_BYTES = 64
"""The table of :func:`rows`: 0 OrdRejReason · 1 CxlRejReason · 2 length of the text · 8 text.  The
rows from 0 are the core's reasons, and those from CORE_REASONS the refusals.  The checks of limits
begin at LIMITS, and the gateway's rules at RULES, each in the order of their bits."""
CORE_REASONS, LIMITS, RULES = 40, 60, 96


CHECK_TEXTS = {"SELF_TRADE": "self trade: no mode, in 2964 or the key self_trade"}
"""Texts of limit checks; a check that is not listed uses its name."""
assert all(len(text) <= NAME_BYTES for text in CHECK_TEXTS.values())


def rows() -> bytes:
    """Codes and texts of every reason and refusal, for kernels."""
    table = bytearray(ROW_BYTES * TEXT_COUNT)

    def put(row: int, order: int, cancel: int, text: str) -> None:
        data = text.encode()[:NAME_BYTES]
        at = ROW_BYTES * row
        table[at : at + 3] = bytes((order, cancel, len(data)))
        table[at + 8 : at + 8 + len(data)] = data

    for reason in Reason:
        order, cancel = CORE_ORDER_REASONS.get(reason, 99), CORE_CANCEL_REASONS.get(reason, 99)
        put(reason, order, cancel, reason.name.lower().replace("_", " "))
    for refusal, text in TEXTS.items():
        order, cancel = ORDER_REASONS.get(refusal, 99), CANCEL_REASONS.get(refusal, 99)
        put(CORE_REASONS + refusal, order, cancel, text)
    for bit, check in enumerate(CHECKS):
        put(LIMITS + bit, 0, 0, CHECK_TEXTS.get(check, check.lower().replace("_", " ")))
    for rule in ErrorBit:
        order = GATEWAY_ORDER_REASONS.get(rule, 99)
        put(RULES + rule, order, 99, rule.name.lower().replace("_", " "))
    return bytes(table)


assert len(Reason) <= CORE_REASONS
assert CORE_REASONS + len(Refusal) < LIMITS
assert LIMITS + len(CHECKS) <= RULES
assert RULES + len(ErrorBit) <= TEXT_COUNT
