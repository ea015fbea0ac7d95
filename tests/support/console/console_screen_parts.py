"""What the tests of console screen parts in several tiers share."""

from openoutcry.client import Message
from openoutcry.client.ouch import DAY42


def venue_message(kind, token, **fields):
    """A message of the venue's, with what is not said of no matter."""
    empty = {
        "timestamp": 1,
        "side": "B",
        "symbol": "TIN",
        "shares": 0,
        "price": 10_000,
        "time_in_force": DAY42,
        "display": "Y",
        "state": "L",
        "reason": "U",
        "liquidity": "A",
        "match": 1,
        "reference": 1,
    }
    return Message(0, kind, kind, empty | {"token": token} | fields)
