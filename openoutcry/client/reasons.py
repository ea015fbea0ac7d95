"""What the letters and numbers of OUCH's reasons (``wire/words.py``) mean, in words."""

from openoutcry.order_entry import faults, ouch, risk_reasons
from openoutcry.wire.words import REASONS, RULES, number

REJECTED_42 = {
    "C": "wrong phase of the day",
    "D": "unsupported display",
    "H": "halted",
    "L": "the firm is not authorised",
    "N": "unsupported minimum quantity",
    "O": "other",
    "R": "unsupported cross type",
    "S": "no such instrument",
    "X": "price",
    "Z": "quantity",
    "a": "all orders of the participant are refused",
    "c": "the instrument is restricted for the participant",
    "i": "short sale",
    "m": "a limit of lots",
    "n": "a limit of money",
}
REJECTED_50 = {
    0x02: "wrong phase of the day",
    0x03: "unsupported display",
    0x04: "unsupported MaxFloor",
    0x05: "unsupported peg",
    0x06: "price collar",
    0x07: "halted",
    0x08: "unsupported intermarket sweep",
    0x09: "side",
    0x0C: "order entry is disabled, or the participant is switched off",
    0x0D: "unsupported minimum quantity",
    0x0F: "other",
    0x12: "would trade, and is post-only",
    0x13: "quantity",
    0x14: "unsupported cross type",
    0x15: "the open order cannot be changed in this way",
    0x16: "routing is not offered",
    0x17: "no such instrument",
    0x1A: "retail is not offered",
    0x1D: "price",
    0x1F: "a limit of money",
    0x29: "too many messages",
}
CANCELED = {
    "I": "immediate or cancel: the untraded remainder",
    "Q": "would have traded with an order of the same owner",
    "S": "by the operator",
    "T": "it has expired",
    "U": "asked for",
    "Z": "by the session layer",
}

_REJECTS = REASONS, RULES, ouch.WORDS, risk_reasons.WORDS
assert {word for table in _REJECTS for word in table.column("OUCH 4.2").values()} <= {*REJECTED_42}
assert {
    number(word)
    for table in (*_REJECTS, faults.WORDS)
    for word in table.column("OUCH 5.0").values()
} <= {*REJECTED_50}
assert set(REASONS.column("OUCH cancel").values()) <= {*CANCELED}


def reason_words(kind: str, reason: str | int) -> str:
    """The reason of a message of type ``kind`` in words; "" if there is nothing to say."""
    if kind == "J":
        known = REJECTED_50.get(reason) if isinstance(reason, int) else REJECTED_42.get(reason)
        return known or "unknown reason"
    return CANCELED.get(str(reason), "") if kind in ("C", "D") else ""
