"""Trade with a venue over the protocols that it speaks, from Python.

>>> from openoutcry.client import OuchClient
>>> with OuchClient("127.0.0.1", 9001, "ALICE", "secret") as client:
...     token = client.buy("OUTCRY", 100, "1.2500")
...     print(client.next(timeout_s=1))
"""

from openoutcry.client.drop_copy import Copy, DropCopyClient
from openoutcry.client.fix import FixClient, FixMessage, FixNumbers
from openoutcry.client.ouch import (
    LoginRejected,
    Message,
    OuchClient,
    price4,
    price_text,
)
from openoutcry.client.waiting import ClientError, SessionEnded

__all__ = [
    "ClientError",
    "Copy",
    "DropCopyClient",
    "FixClient",
    "FixMessage",
    "FixNumbers",
    "LoginRejected",
    "Message",
    "OuchClient",
    "SessionEnded",
    "price4",
    "price_text",
]
