"""The feed of a journal as files: ITCH with length framing, and captures of its packets."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.journal.events import Batch, events_of, starting_point
from openoutcry.market_data import mold
from openoutcry.market_data.feed import Feed
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import MOLD_COUNT_AT, MOLD_HEADER_BYTES
from openoutcry.wire.records import make_instruments
from openoutcry.wire.symbols import symbols_of

GROUP, PORT = "239.193.0.1", 26_400
"""Where a capture's packets go to, if nothing else is said."""
_PCAP = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
PCAP_NS_MAGIC, LINKTYPE_ETHERNET = 0xA1B23C4D, 1
SECTION, INTERFACE, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
"""Blocks of pcapng (draft-ietf-opsawg-pcapng)."""


class Part(NamedTuple):
    """The messages of some commands in a row."""

    session: str
    first_sequence: int
    messages: bytes
    """Each after its length."""
    ts_ns: int
    """When the last of the commands came, ns since the epoch."""
    batch: Batch
    """The commands, and more if a session ends among them."""
    ends: bool
    """They are the session's last."""
    causes: bytes = b""
    """The same messages, with the number of the causing command as their time."""


class JournalFeed:
    """The feed of a journal from its begin on, made again with the same bytes and numbers.

    ``session``: only the messages of that one (from 1; -1: of the last one) are given; None: all.
    ``causes``: parts have them.
    Raises :class:`FeedError` if the journal's begin is retired: numbers are counted from there.
    """

    def __init__(
        self,
        directory: Path,
        decimals: Mapping[str, int] | None = None,
        session: int | None = None,
        causes: bool = False,
    ) -> None:
        self.only, self.sessions, self.messages = session, 0, 0
        self.reader = JournalReader(directory)
        if self.reader.first_seq > 1:
            raise FeedError(
                f"{directory} begins at sequence {self.reader.first_seq}: the feed's numbers are "
                "counted from the first command, which is retired"
            )
        config = self.reader.config
        self.instruments = make_instruments(config["instruments"])
        symbols = symbols_of(config)
        unknown = set(decimals or {}) - set(symbols)
        if unknown:
            raise FeedError(f"{min(unknown)} is not among the journal's instruments")
        self.feed = Feed(self.instruments, int(config["order_capacity"]), decimals, symbols=symbols)
        self._causes = (
            Feed(self.instruments, int(config["order_capacity"]), decimals, symbols=symbols)
            if causes
            else None
        )
        self.point = starting_point(self.reader)

    @property
    def session(self) -> str:
        """Name of the session that is asked for; else of the last one that had a message."""
        return self.name_of(self.only or max(1, self.sessions))

    def name_of(self, session: int) -> str:
        """Return the ten characters that name a session, by its number."""
        return mold.session_name(self.reader.journal_id, session, self.reader.is_test)

    def parts(self) -> Iterator[Part]:
        """Yield the messages of all commands, those of each session for themselves."""
        for batch in events_of(self.reader, self.point):
            if len(batch.events):
                times = batch.commands["rx_ts_ns"]
                first = batch.after_seq + 1
                parts = self.feed.encode_by_session(batch.events, times, first)
                for part, causes in zip(parts, self._told_again(batch, first), strict=False):
                    self.sessions = part.session
                    if self.only in (None, part.session):
                        count = self.feed.messages_before if part.ends else self.feed.messages
                        self.messages += count + 1 - part.first_sequence
                        yield Part(
                            self.name_of(part.session),
                            part.first_sequence,
                            part.messages,
                            int(times[-1]),
                            batch,
                            part.ends,
                            causes,
                        )

    def _told_again(self, batch: Batch, first: int) -> Iterable[bytes]:
        """The same messages by a second feed, to which each command came at its own number."""
        if self._causes is None:
            return repeat(b"")
        numbers = np.arange(first, first + len(batch.commands), dtype=np.int64)
        parts = self._causes.encode_by_session(batch.events, numbers, first)
        return [part.messages for part in parts]


def instruments_of(directory: Path) -> list[str]:
    """The symbols of a journal's instruments."""
    return symbols_of(JournalReader(directory).config)


def write_feed(
    directory: Path,
    out: Path,
    form: str = "itch",
    decimals: Mapping[str, int] | None = None,
    mtu: int = mold.MTU,
    session: int | None = None,
) -> dict[str, Any]:
    """Write a journal's feed to ``out``; returns ``messages``, ``bytes``, ``session`` (its name)
    and ``sessions`` (how many the journal has).

    Write one ``session``, numbered from 1, or all of them in turn (None).  The ``form`` ``itch`` is
    each message after its length (u16, big-endian).  Choose ``pcap`` or ``pcapng`` for the packets
    of MoldUDP64.  The file is written whole or not at all: next to its place, then renamed.  The
    formats of others are written by ``market_data/tape.py``.

    Raises :class:`FeedError` or :class:`JournalError`.
    """
    if out.exists() and not out.is_file():
        raise FeedError(f"{out} exists and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise FeedError(f"{out}: there is no folder {out.absolute().parent}")
    source = JournalFeed(directory, decimals, session)
    room = mold.payload_bytes(mtu)
    writers: dict[str, Callable[[Path], None]] = {
        "itch": lambda part: _itch(source, part),
        "pcap": lambda part: _pcap(source, part, room),
        "pcapng": lambda part: _pcapng(source, part, room),
    }
    try:
        with replacing(out) as part:
            writers[form](part)
            if session is not None and not 1 <= session <= source.sessions:
                raise FeedError(
                    f"{directory} has {source.sessions} sessions: there is no {session}"
                )
            size_bytes = part.stat().st_size
    except OSError as error:
        raise FeedError(f"{out}: cannot write: {error.strerror}") from None
    return {
        "path": str(out),
        "format": form,
        "session": source.session,
        "sessions": source.sessions,
        "messages": source.messages,
        "bytes": size_bytes,
    }


def _itch(source: JournalFeed, path: Path) -> None:
    with path.open("wb") as file:
        for part in source.parts():
            file.write(part.messages)


def _packets(source: JournalFeed, room: int) -> Iterator[tuple[bytes, int]]:
    """Each packet as a frame, and its time; after each session's last its end."""
    ts_ns, following, ends = 0, 1, False
    for part in source.parts():
        ts_ns, following, ends = max(ts_ns, part.ts_ns), part.first_sequence, part.ends
        for packet in mold.packets(part.session, part.first_sequence, part.messages, room):
            following += int.from_bytes(packet[MOLD_COUNT_AT:MOLD_HEADER_BYTES], "big")
            yield _frame(packet), ts_ns
        if ends:
            yield _frame(mold.end_of_session(part.session, following)), ts_ns
    if not ends:  # the journal's end, though more may come
        yield _frame(mold.end_of_session(source.session, following)), ts_ns


def _pcap(source: JournalFeed, path: Path, room: int) -> None:
    with path.open("wb") as file:
        file.write(_PCAP.pack(PCAP_NS_MAGIC, 2, 4, 0, 0, 65_535, LINKTYPE_ETHERNET))
        for frame, ts_ns in _packets(source, room):
            seconds, ns = divmod(max(0, ts_ns), 1_000_000_000)
            file.write(_PACKET.pack(seconds, ns, len(frame), len(frame)) + frame)


def _block(kind: int, body: bytes) -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + size + body + size


def _pcapng(source: JournalFeed, path: Path, room: int) -> None:
    with path.open("wb") as file:
        file.write(_block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        # if_tsresol 9: times are in ns.
        options = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
        file.write(_block(INTERFACE, struct.pack("<HHI", LINKTYPE_ETHERNET, 0, 65_535) + options))
        for frame, ts_ns in _packets(source, room):
            high, low = divmod(max(0, ts_ns), 1 << 32)
            head = struct.pack("<IIIII", 0, high, low, len(frame), len(frame))
            file.write(_block(ENHANCED_PACKET, head + frame))


def _frame(payload: bytes) -> bytes:
    """A packet as a capture has it: multicast over IPv4, without a UDP checksum."""
    udp = struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    group = bytes(int(part) for part in GROUP.split("."))
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 16, 17, 0, bytes([127, 0, 0, 1]), group
    )
    ip = ip[:10] + struct.pack(">H", _ip_checksum(ip)) + ip[12:]
    ethernet = bytes([1, 0, 0x5E, group[1] & 127, *group[2:], 2, 0, 0, 0, 0, 1, 8, 0])
    return ethernet + ip + udp


def _ip_checksum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
