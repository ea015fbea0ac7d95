"""SoupBinTCP 3.00, and 4.10's timeout: packets of a length, a type and data; a numbered stream out.

A packet is a u16 length (without itself, big-endian), a type byte, and data.  What the server sends
in ``S`` packets is numbered from 1, and a login can request it again.  What clients send in ``U``
packets has no numbers.  A client that lost its connection sends it again, which does no harm
because a token is accepted once.  Source: Nasdaq, SoupBinTCP 3.00 and 4.10.
"""

from dataclasses import dataclass

from openoutcry.order_entry import constants
from openoutcry.wire.big_endian import load_be16, store_be16
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_u8, store_u8
from openoutcry.wire.messages import PACKET_LENGTH_BYTES, SOUPBIN

HEADER_BYTES = PACKET_LENGTH_BYTES + 1
"""Before the data of a packet: its length and its type."""
MAX_CLIENT_PACKET = 512
"""Longest packet of a client, without the length: more than any message with every option."""
HEARTBEAT_MS, SILENCE_MS = 1_000, 15_000
"""Each side sends a message every second; a side that is silent for 15 s is disconnected."""

OVERSIZE, UNKNOWN_TYPE, BAD_LENGTH = (
    constants.FAULT_OVERSIZE,
    constants.FAULT_UNKNOWN_TYPE,
    constants.FAULT_BAD_LENGTH,
)
APPLICATION, HEARTBEAT, LOGOUT, LOGIN, DEBUG = (
    constants.KIND_APPLICATION,
    constants.KIND_HEARTBEAT,
    constants.KIND_LOGOUT,
    constants.KIND_LOGIN,
    constants.KIND_DEBUG,
)
_DATA, _HEARTBEAT, _LOGOUT, _LOGIN, _DEBUG = (ord(letter) for letter in "UROL+")
_LOGIN_BYTES = SOUPBIN.client[0].size_bytes
_LOGIN_4_10_BYTES = SOUPBIN.client[1].size_bytes
_SEQUENCED = ord("S")


@kernel
def frame(buffer: int, length: int) -> int:
    """Bytes of the first packet in the buffer, its length included; 0: not whole yet; < 0: a
    fault, which no further byte can mend."""
    if length < PACKET_LENGTH_BYTES:
        return 0
    size = load_be16(buffer)
    if size == 0:
        return BAD_LENGTH
    if size > MAX_CLIENT_PACKET:
        return OVERSIZE
    whole = PACKET_LENGTH_BYTES + size
    return whole if length >= whole else 0


@kernel
def classify(packet: int, length: int) -> int:
    """Return the kind of a client's whole packet: APPLICATION (its data begin at HEADER_BYTES),
    another kind, or a fault."""
    kind = load_u8(packet + PACKET_LENGTH_BYTES)
    if kind == _DATA:
        return APPLICATION if length > HEADER_BYTES else BAD_LENGTH
    if kind == _DEBUG:
        return DEBUG
    if kind == _LOGIN:
        size = length - PACKET_LENGTH_BYTES
        return LOGIN if size in (_LOGIN_BYTES, _LOGIN_4_10_BYTES) else BAD_LENGTH
    if kind != _HEARTBEAT and kind != _LOGOUT:
        return UNKNOWN_TYPE
    if length != HEADER_BYTES:
        return BAD_LENGTH
    return HEARTBEAT if kind == _HEARTBEAT else LOGOUT


@kernel
def sequenced(out: int, data_bytes: int) -> int:
    """Write the header of an ``S`` packet; its data follow at HEADER_BYTES.  Its whole size.
    ``out``: address where it goes."""
    store_be16(out, data_bytes + 1)
    store_u8(out + PACKET_LENGTH_BYTES, _SEQUENCED)
    return HEADER_BYTES + data_bytes


# What happens once a connection, or once a second, is plain Python.


def packet(kind: str, data: bytes = b"") -> bytes:
    """One packet."""
    return (len(data) + 1).to_bytes(PACKET_LENGTH_BYTES, "big") + kind.encode() + data


SERVER_HEARTBEAT, CLIENT_HEARTBEAT = packet("H"), packet("R")
END_OF_SESSION, LOGOUT_REQUEST = packet("Z"), packet("O")


@dataclass(frozen=True)
class LoginRequest:
    """A Login Request Packet, without its padding."""

    username: str
    password: str
    session: str = ""
    sequence: int = 1
    """First number wanted; 0: only what is new."""
    timeout_ms: int = 0
    """4.10: the client's heartbeat timeout; 0: a 3.00 login, without one."""


class LoginError(ValueError):
    """A login request that cannot be read; says which field."""


def login_packet(login: LoginRequest) -> bytes:
    """A client's login, padded as the specification says: text left-, numbers right-justified."""
    fields = {
        "username": login.username,
        "password": login.password,
        "session": login.session,
        "sequence": str(login.sequence),
    }
    if not login.timeout_ms:
        return packet("L", SOUPBIN.client[0].pack(**fields)[1:])
    return packet("L", SOUPBIN.client[1].pack(**fields, timeout_ms=str(login.timeout_ms))[1:])


def read_login(data: bytes) -> LoginRequest:
    """The login in a whole packet (from its length on), in either padding.

    Raises :class:`LoginError` naming the field."""
    size = len(data) - PACKET_LENGTH_BYTES
    message = next(
        (m for m in SOUPBIN.client if m.kind == "L" and m.size_bytes == size), SOUPBIN.client[0]
    )
    if size != message.size_bytes or data[PACKET_LENGTH_BYTES:HEADER_BYTES] != b"L":
        raise LoginError(f"not a login request: {len(data)} bytes")
    fields = {name: text.strip(" ") for name, text in message.unpack(data[2:]).items()}
    numbers = {}
    for name in ("sequence", "timeout_ms"):
        text = fields.get(name, "") or "0"
        if not (text.isascii() and text.isdigit()):
            raise LoginError(f"{name} {text!r} is not a number")
        numbers[name] = int(text)
    for name in ("username", "password", "session"):
        if not (fields[name].isascii() and fields[name].isprintable()):
            raise LoginError(f"{name} is not printable ASCII")
    return LoginRequest(
        fields["username"],
        fields["password"],
        fields["session"],
        numbers["sequence"],
        numbers["timeout_ms"],
    )


def login_accepted(session: str, sequence: int) -> bytes:
    """``sequence``: the number of the first message that will come."""
    fields = SOUPBIN.from_server("A").pack(session=session, sequence=str(sequence))
    return packet("A", fields[1:])


def login_rejected(reason: str) -> bytes:
    """``reason``: "A" not authorised, "S" session not available."""
    return packet("J", reason.encode())
