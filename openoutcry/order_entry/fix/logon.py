"""The Logon of FIX as the acceptor reads it: whole, in order, and the names in it.

The session layer's kernels read it again, and answer it; here it only decides about the login.
"""

import asyncio
import re
from dataclasses import dataclass

MAX_LOGON = 2048
"""Bytes of the longest that is read."""
READ_BYTES = 1 << 12
SOH = b"\x01"
_HEAD = re.compile(rb"8=(FIX[!-~]{1,10})\x019=(\d{1,5})\x0135=A\x01")
_BEGIN = b"8=FIX"
_NAMES = (b"49", b"56", b"553", b"554", b"96")
_TRAILER_BYTES = 7


class LogonError(ValueError):
    """The first message is not a Logon; gives the reason."""


@dataclass(frozen=True)
class Logon:
    """Content of a Logon (35=A), as text of the wire."""

    begin: str
    sender: str
    """SenderCompID (49): the session's name."""
    target: str
    username: str
    """Username (553), empty without one."""
    password: str
    """Password (554); over FIX 4.2, which has none, also RawData (96)."""


def first_message(data: bytes) -> int:
    """Bytes of the Logon at the begin of ``data``; 0 if it is not whole yet.

    Raises :class:`LogonError` for what can become none.
    """
    if not data.startswith(_BEGIN[: len(data)]):
        raise LogonError("not FIX")
    head = _HEAD.match(data)
    if head is None:
        if data.count(SOH) >= 3 or len(data) > 64:
            raise LogonError("the first message is not a Logon")
        return 0
    size = data.index(b"35=A") + int(head[2]) + _TRAILER_BYTES
    if size > MAX_LOGON:
        raise LogonError(f"a Logon of {size} bytes is too long")
    return size if len(data) >= size else 0


def read_logon(data: bytes) -> Logon:
    """A whole one, as :func:`first_message` found it.

    Raises :class:`LogonError` naming what is wrong."""
    head, tail = _HEAD.match(data), data[-_TRAILER_BYTES:]
    if head is None or tail != b"10=%03d\x01" % (sum(data[:-_TRAILER_BYTES]) % 256):
        raise LogonError("wrong check sum")
    fields: dict[bytes, bytes] = {}
    for part in data[:-1].split(SOH):
        tag, _, value = part.partition(b"=")
        if tag in _NAMES and tag in fields:
            raise LogonError(f"{tag.decode()} occurs twice")
        fields[tag] = value
    texts = {tag: fields.get(tag, b"") for tag in _NAMES}
    for tag, text in texts.items():
        if not (text.isascii() and text.decode("ascii").isprintable()):
            raise LogonError(f"{tag.decode()} is not printable ASCII")
    length = fields.get(b"95")
    if length is not None and length != str(len(texts[b"96"])).encode():
        raise LogonError("95 is not the length of 96")
    sender, target, username, password, raw = (text.decode() for text in texts.values())
    if head[1] == b"FIX.4.2":
        password = password or raw
    if not sender or not target:
        raise LogonError("49 or 56 is missing")
    return Logon(head[1].decode(), sender, target, username, password)


async def logon_of(reader: asyncio.StreamReader, target: str) -> tuple[Logon, bytes]:
    """The Logon of a connection of FIX 4.4 to ``target`` whose numbers begin at 1, and everything
    that was read.

    Raises :class:`LogonError`, and ``ConnectionError`` if the connection ends before."""
    data = b""
    while not (size := first_message(data)):
        part = await reader.read(READ_BYTES)
        if not part:
            raise ConnectionError
        data += part
    logon = read_logon(data[:size])
    if logon.begin != "FIX.4.4" or logon.target != target:
        raise LogonError(f"{logon.begin} to {logon.target}")
    if re.search(rb"\x0134=0*1\x01", data[:size]) is None:
        raise LogonError("a Logon's MsgSeqNum is 1 here")
    return logon, data
