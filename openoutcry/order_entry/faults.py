"""Why a connection is ended: what ``frame`` and ``decode`` of a protocol return below zero."""

from enum import IntEnum

from openoutcry.wire.words import COMMON_REFUSALS, Table


class Fault(IntEnum):
    """Each is counted by its name; the connection is closed, or answered as the protocol says."""

    OVERSIZE = -1
    """A message longer than the protocol has any."""
    UNKNOWN_TYPE = -2
    """A packet or message type that the protocol does not have, or not from a client."""
    BAD_LENGTH = -3
    """A message of another length than its type has."""
    MALFORMED = -4
    """A field that cannot be read at all."""
    NOT_LOGGED_IN = -5
    TWICE = -6
    """A second login on one connection."""
    CHECKSUM = -7
    SEQUENCE = -8
    """A sequence number that is lower than expected."""
    BEGIN = -9
    """It does not begin as the protocol's messages do."""
    READ_ONLY = -10
    """An order on a session that only listens."""
    STREAM_FULL = -11
    """The session has received nearly as many messages as a day can hold."""


class Kind(IntEnum):
    """Results of ``decode`` for a whole message."""

    IGNORE = 0
    APPLICATION = 1
    HEARTBEAT = 16
    LOGOUT = 17
    LOGIN = 18
    DEBUG = 19
    TEST_REQUEST = 20
    RESEND = 21
    SEQUENCE_RESET = 22
    REJECT = 23
    DISCONNECT = 24
    """Send everything that is pending, then end the connection without a logout."""
    LIST = 25
    """A list of orders, or an order with a term: the protocol's fields have them."""


class Refusal(IntEnum):
    """Why the session layer refuses an application message (``refused`` of its metadata), for every
    protocol alike; a protocol's own codes are 1 to 199."""

    THROTTLED = 200
    TOO_MANY_OPEN = 201
    """The session has as many open orders as it may."""
    UNKNOWN_ORDER = 202
    """The message names an order that is not of this session, or is over."""
    DUPLICATE_TOKEN = 203
    VENUE_FULL = 204
    """No order row or no place for a token is left."""
    NO_EFFECT = 205
    """A quantity to reduce to that is not below what is open."""
    TOO_LATE = 206
    """The order is done, or goes by another name."""
    NOT_ADMITTED = 207
    """The session or its participant may not enter such an order."""


WORDS: Table[Refusal] = Table(Refusal, COMMON_REFUSALS)
