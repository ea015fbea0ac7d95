"""GLIMPSE 5.0: the whole book at one moment, over SoupBinTCP, and where live data continue.

After the login the server sends, as sequenced data, the directory, the breaker's levels and any
breached level.  Each instrument's state follows (and that it is stopped, and its auction's collar),
then every displayed order, best price first and in the order of its queue.  The last message is
``G``, with the number of the first live message that is not included.  Source: Nasdaq, GLIMPSE 5.0.
"""

import socket
import time
from collections.abc import Iterator

from openoutcry.market_data.book import SIDES, Book
from openoutcry.market_data.spec import Address
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import FRAME_BYTES, GLIMPSE, ITCH50
from openoutcry.wire.messages import PACKET_LENGTH_BYTES, SOUPBIN

TIMEOUT_S = 30.0
MAX_LOGIN = 64
"""Bytes of a login, at most."""
SEND_BYTES = MAX_PACKET = 1 << 16
SLOWEST_BYTES_PER_S = 1 << 16
"""Lowest rate at which a client may take a snapshot."""


def snapshot(book: Book, directory: list[bytes], next_sequence: int) -> Iterator[bytes]:
    """The messages of a snapshot.  ``directory``: those with which the stream began (S, R, o)."""
    yield from directory
    now = {"timestamp": book.time_ns}
    add, action = ITCH50.from_server("A"), ITCH50.from_server("H")
    if book.decline_levels:
        levels = dict(zip(("level1", "level2", "level3"), book.decline_levels, strict=True))
        yield ITCH50.from_server("V").pack(**now, **levels)
    if book.breached:
        yield ITCH50.from_server("W").pack(**now, level=book.breached)
    instruments = book.instruments()
    for instrument in instruments:
        named = now | {"locate": instrument.locate, "stock": instrument.code}
        yield action.pack(**named, state=instrument.state, reason=instrument.reason)
        if instrument.stopped:
            yield ITCH50.from_server("h").pack(**named, market="Q", action="H")
        if instrument.collar:
            reference, upper, lower = instrument.collar
            yield ITCH50.from_server("J").pack(
                **named,
                reference_price=reference,
                upper=upper,
                lower=lower,
                extension=instrument.extension,
            )
    for instrument in instruments:
        named = now | {"locate": instrument.locate, "stock": instrument.code}
        for side in SIDES:
            for price, shares, reference in book.orders(instrument.locate, side).tolist():
                yield add.pack(**named, reference=reference, side=side, shares=shares, price=price)
    yield GLIMPSE.from_server("G").pack(sequence=str(next_sequence))


def packet_of(kind: str, data: bytes) -> bytes:
    """A packet of SoupBinTCP."""
    return (len(data) + 1).to_bytes(PACKET_LENGTH_BYTES, "big") + kind.encode() + data


def refusal_of(login: bytes, session: str) -> bytes:
    """Return the packet that refuses a login; empty: it is accepted.  Snapshots are public: any
    name and password will do."""
    sizes = {one.size_bytes for one in SOUPBIN.client if one.kind == "L"}
    if login[:1] != b"L" or len(login) not in sizes:
        return packet_of("J", b"A")
    fields = SOUPBIN.from_client("L").unpack(login[: SOUPBIN.from_client("L").size_bytes])
    return b"" if fields["session"].strip() in ("", session) else packet_of("J", b"S")


def give(
    connection: socket.socket, session: str, messages: Iterator[bytes], timeout_s: float = TIMEOUT_S
) -> None:
    """Accept a client's login and send the messages.

    Raises :class:`TimeoutError` for one that has fallen ``timeout_s`` behind SLOWEST_BYTES_PER_S.
    """
    until_s = time.monotonic() + timeout_s
    accepted = SOUPBIN.from_server("A").pack(session=session, sequence="1")
    out = bytearray(packet_of("A", accepted[1:]))
    for message in messages:
        out += packet_of("S", message)
        if len(out) >= SEND_BYTES:
            _wait_until(connection, until_s)
            connection.sendall(out)
            until_s += len(out) / SLOWEST_BYTES_PER_S
            out.clear()
    _wait_until(connection, until_s)
    connection.sendall(out + packet_of("Z", b""))


def _wait_until(connection: socket.socket, until_s: float) -> None:
    """The next call waits until then in all.  Raises :class:`TimeoutError` if it is past."""
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    connection.settimeout(left_s)


def packet_in(data: bytes | bytearray, most: int) -> bytes | None:
    """Return the first packet in ``data`` without its length, None: it is not whole yet.

    Raises :class:`FeedError` for one of more than ``most`` bytes."""
    if len(data) < PACKET_LENGTH_BYTES:
        return None
    size = int.from_bytes(data[:PACKET_LENGTH_BYTES], "big")
    if not 1 <= size <= most:
        raise FeedError(f"a packet of {size} bytes")
    end = PACKET_LENGTH_BYTES + size
    return bytes(data[PACKET_LENGTH_BYTES:end]) if len(data) >= end else None


def _read(connection: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    """The next packet without its length, and what was read after it.

    Raises :class:`FeedError` if it has no bytes, or if there will be no more.
    """
    while (packet := packet_in(data, MAX_PACKET)) is None:
        more = connection.recv(SEND_BYTES)
        if not more:
            raise FeedError("the connection was closed")
        data += more
    return packet, data[PACKET_LENGTH_BYTES + len(packet) :]


def fetch(
    server: Address, username: str = "", password: str = "", timeout_s: float = TIMEOUT_S
) -> tuple[str, bytes, int]:
    """A snapshot: its session, its messages, each after its length, and the number of the first
    live message that is not in it.  Raises :class:`FeedError`."""
    login = SOUPBIN.from_client("L").pack(username=username, password=password, sequence="1")
    parts: list[bytes] = []
    where = "{}:{}".format(*server)
    try:
        with socket.create_connection(server, timeout_s) as connection:
            connection.sendall(packet_of("L", login[1:]))
            packet, rest = _read(connection, b"")
            if packet[:1] != b"A":
                raise FeedError(f"{where}: the snapshot is refused ({packet[1:2]!r})")
            session = SOUPBIN.from_server("A").unpack(packet)["session"].strip()
            while True:
                packet, rest = _read(connection, rest)
                kind, message = packet[:1], packet[1:]
                if kind == b"S" and message[:1] == b"G":
                    number = GLIMPSE.from_server("G").unpack(message)["sequence"]
                    return session, b"".join(parts), int(number)
                if kind == b"S":
                    parts.append(len(message).to_bytes(FRAME_BYTES, "big") + message)
                elif kind == b"Z":
                    raise FeedError("the snapshot ended early")
    except (OSError, ValueError) as error:
        raise FeedError(f"{where}: no snapshot: {error}") from None
