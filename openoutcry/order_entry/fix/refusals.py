"""Why a message of orders is refused by the session layer: ``refused`` of metadata, and its
words."""

from enum import IntEnum

import openoutcry.order_entry.faults as faults
from openoutcry.order_entry import constants, risk_reasons
from openoutcry.order_entry.risk_reasons import CHECKS
from openoutcry.wire.enums import ErrorBit, Reason
from openoutcry.wire.words import FIX_REFUSALS, REASON_TEXTS, REASONS, Table
from openoutcry.wire.words import RULES as RULES_OF_GATEWAY


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
    NO_QUANTITY = 18
    """The quantity of a replace is not above 0."""
    MASS_STATUS_SCOPE = 19
    """A mass status request of less than all orders."""
    MASS_CANCEL_SCOPE = 20
    """A mass cancel of other than a security or all."""
    UNUSED_FIELD = 21
    """Shared memory: a field that this kind of request does not have, or a reserved one, is set."""
    LIST = 22
    """Of a list of orders: its contingency, how many they are, or two of them do not fit."""
    NOT_ADMITTED = 23
    """The venue file does not let the session or its participant enter such an order."""
    QUOTES_DONE = 24
    """No refusal: what answers a cancel of quotes, after its commands."""


REFUSALS: Table[Refusal] = Table(Refusal, FIX_REFUSALS)
FIRST_COMMON = constants.REFUSAL_THROTTLED
"""First of the refusals that all protocols have in common."""
COMMON = tuple(Refusal[name] for name in faults.WORDS.column("FIX").values())
"""FIX's of each of them."""

FIRST_REPLY = 128
"""First reason of a reply over shared memory that is one of these (``order_entry/shm_out.py``)."""
TEXT_BYTES, TEXT_COUNT = 120, 124
ROW_BYTES = 128
"""The table of :func:`rows`: 0 OrdRejReason · 1 CxlRejReason · 2 length of the text · 8 text.  The
rows from 0 are the core's reasons, and those from CORE_REASONS the refusals.  The checks of limits
begin at LIMITS, and the gateway's rules at RULES, each in the order of their bits."""
CORE_REASONS, LIMITS, RULES = 44, 70, 108


def text_of_reply(reason: int, figures: tuple[int, int, int, int], is_order: bool) -> str:
    """Return the text that FIX says of the reject in a reply over shared memory.  ``figures``:
    ``match``, ``price_ticks``, ``leaves_lots`` and ``qty_lots`` of the reply; ``is_order``: a new
    order is rejected, and not a change."""
    bits, *amounts = figures
    if reason >= FIRST_REPLY:
        refused = reason - FIRST_REPLY
        if reason >= FIRST_COMMON:
            refused = COMMON[reason - FIRST_COMMON]
        return REFUSALS.say("FIX 58", Refusal(refused))
    first = (bits & -bits).bit_length() - 1
    if reason == Reason.GATEWAY:
        return RULES_OF_GATEWAY.say("FIX 58", ErrorBit(first & 15))
    if reason == Reason.RISK and 0 <= first < len(CHECKS):
        text = risk_reasons.WORDS.say("FIX 58", CHECKS[first])
        if CHECKS[first] in risk_reasons.FIGURELESS:
            return text
        limit, now, asked = amounts
        return f"{text}: limit {limit}, now {now}, asked {asked}"
    if reason == Reason.UNKNOWN_ORDER and not is_order:
        return REFUSALS.say("FIX 58", Refusal.TOO_LATE)
    return REASON_TEXTS.say("FIX 58", Reason(reason))


def rows() -> bytes:
    """Codes and texts of every reason and refusal, for kernels."""
    table = bytearray(ROW_BYTES * TEXT_COUNT)

    def put(row: int, order: int, cancel: int, text: str) -> None:
        data = text.encode()
        assert len(data) <= TEXT_BYTES, text
        at = ROW_BYTES * row
        table[at : at + 3] = bytes((order, cancel, len(data)))
        table[at + 8 : at + 8 + len(data)] = data

    for reason in Reason:
        order, cancel = (int(REASONS.say(tag, reason)) for tag in ("FIX 103", "FIX 102"))
        put(reason, order, cancel, REASON_TEXTS.say("FIX 58", reason))
    for refusal, text in REFUSALS.offered("FIX 58").items():
        order, cancel = (int(REFUSALS.say(tag, refusal)) for tag in ("FIX 103", "FIX 102"))
        put(CORE_REASONS + refusal, order, cancel, text)
    for bit, text in enumerate(risk_reasons.WORDS.column("FIX 58").values()):
        put(LIMITS + bit, 0, 0, text)
    for rule, code in RULES_OF_GATEWAY.column("FIX 103").items():
        put(RULES + rule, int(code), 99, RULES_OF_GATEWAY.say("FIX 58", rule))
    return bytes(table)


assert len(Reason) <= CORE_REASONS
assert CORE_REASONS + len(Refusal) < LIMITS
assert LIMITS + len(CHECKS) <= RULES
assert RULES + len(ErrorBit) <= TEXT_COUNT
