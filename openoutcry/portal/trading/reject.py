"""Why a request for an order is refused: one table of codes, which every API says in its own words.

An API has a table with one row for each :class:`Code`; a test finds a code that one of them lacks.
"""

from enum import StrEnum, auto

from openoutcry.order_entry.risk_reasons import WORDS as CHECKS
from openoutcry.portal.trading.orders import Order, is_balance_reject, refusing_check
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import Reason
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.words import PORTAL_REFUSALS, REASON_TEXTS, REASONS, Table


class Code(StrEnum):
    """Kinds of refusals."""

    UNKNOWN_SYMBOL = auto()
    UNKNOWN_ORDER = auto()
    MISSING = auto()
    """A field that such an order needs."""
    NOT_REQUIRED = auto()
    """A field that such an order does not have."""
    INVALID = auto()
    """A field that has an impossible value: ``detail`` says what is possible."""
    NOT_DECIMAL = auto()
    TOO_PRECISE = auto()
    PRICE = auto()
    """A price outside of the limits or off the steps of its market."""
    QUANTITY = auto()
    """A quantity outside of the limits or off the steps of its market."""
    VALUE = auto()
    """A value outside of what can be counted."""
    TRAILING_DISTANCE = auto()
    ICEBERG_PARTS = auto()
    """More parts of an iceberg than a market takes."""
    ICEBERG_EXCEEDS = auto()
    """An iceberg that shows more than its quantity."""
    TOO_MANY_ORDERS = auto()
    DUPLICATE = auto()
    BALANCE = auto()
    MARGIN = auto()
    WOULD_TAKE = auto()
    WOULD_TRIGGER = auto()
    NO_LIQUIDITY = auto()
    """An order for a sum, where nothing is opposite that it could trade with."""
    MARKET_CLOSED = auto()
    BOOK_FULL = auto()
    REFUSED = auto()
    """By the venue, for the reason in ``detail``."""
    NOT_CHANGED = auto()
    """A change that the venue refused, for the reason in ``detail``."""
    NOT_CANCELLED = auto()
    """A cancel that the venue refused, for the reason in ``detail``."""
    NOT_OPEN = auto()
    """The order that is to be changed or cancelled does not trade any more."""
    UNAVAILABLE = auto()
    """Nothing was sent."""
    UNKNOWN_OUTCOME = auto()
    """Sent, and not answered in time."""


class Reject(OutcryError):
    """A request that is refused."""

    def __init__(self, code: Code, field: str = "", detail: str = "") -> None:
        """``field``: of the request, in its API's word; ``detail``: more than the code says."""
        super().__init__(": ".join(part for part in (field, code, detail) if part))
        self.code, self.field, self.detail = code, field, detail


class NotReady(Reject):
    """What is released cannot be read now: the portal's reader has died and begins again."""

    def __init__(self) -> None:
        super().__init__(Code.UNAVAILABLE, detail="the portal reads the venue's journal again")


REFUSALS: Table[Code] = Table(Code, PORTAL_REFUSALS)
"""What each API says of a code."""
OF_REASONS = {reason: Code(word) for reason, word in REASONS.column("portal").items()}
OF_CHECKS = {"BALANCE": Code.BALANCE, "MARGIN": Code.MARGIN, "CAPITAL": Code.MARGIN}
OF_CHANGES = {
    REASON_TEXTS.say("FIX 58", reason): code
    for reason, code in OF_REASONS.items()
    if code not in (Code.REFUSED, Code.DUPLICATE, Code.WOULD_TRIGGER)
} | {CHECKS.say("FIX 58", check): code for check, code in OF_CHECKS.items()}
"""By how a session's answer begins to a change of an order that is refused."""


def rejection(order: Order) -> Reject:
    """Return why the core has refused an order."""
    if is_balance_reject(order):
        return Reject(Code.BALANCE)
    check, reason = refusing_check(order), Reason(order.reason)
    if check in (RiskBit.MARGIN, RiskBit.CAPITAL):
        return Reject(Code.MARGIN)
    code = OF_REASONS[reason]
    if code is not Code.REFUSED:
        return Reject(code)
    return Reject(code, detail=reason.name if check is None else check.name)


def not_changed(answer: str) -> Reject:
    """Return why a change was refused; ``answer``: of the session."""
    code = OF_CHANGES.get(answer.partition(":")[0])
    return Reject(code) if code is not None else Reject(Code.NOT_CHANGED, detail=answer)
