"""The feed of a journal as files: ITCH with length framing, and a capture of its packets."""

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.journal import JournalReader
from openoutcry.market_data import mold
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.feed import Feed
from openoutcry.replay.events import Batch, events_of, starting_point
from openoutcry.wire.records import make_instruments

GROUP, PORT = "239.193.0.1", 26_400
"""Where a capture's packets go to, if nothing else is said."""
_PCAP = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
PCAP_NS_MAGIC, LINKTYPE_ETHERNET = 0xA1B23C4D, 1


class Part(NamedTuple):
    """The messages of some commands in a row."""

    first_sequence: int
    messages: bytes
    """Each behind its length."""
    ts_ns: int
    """When the last of the commands came, ns since the epoch."""
    batch: Batch


class JournalFeed:
    """The feed of a journal from its begin on, made again with the same bytes and numbers.

    Raises :class:`FeedError` if the journal's begin is retired: numbers are counted from there.
    """

    def __init__(self, directory: Path, decimals: Mapping[str, int] | None = None) -> None:
        self.reader = JournalReader(directory)
        if self.reader.first_seq > 1:
            raise FeedError(
                f"{directory} begins at sequence {self.reader.first_seq}: the feed's numbers are "
                "counted from the first command, which is retired"
            )
        config = self.reader.config
        self.instruments = make_instruments(config["instruments"])
        unknown = set(decimals or {}) - {bytes(s).decode() for s in self.instruments["symbol"]}
        if unknown:
            raise FeedError(f"{min(unknown)} is not among the journal's instruments")
        self.feed = Feed(self.instruments, int(config["order_capacity"]), decimals)
        self.point = starting_point(self.reader)
        self.session = mold.session_name(self.reader.journal_id)

    def parts(self) -> Iterator[Part]:
        """Yield the messages of all commands."""
        for batch in events_of(self.reader, self.point):
            if len(batch.events):
                first = self.feed.messages + 1
                times = batch.commands["rx_ts_ns"]
                messages = self.feed.encode(batch.events, times, batch.after_seq + 1)
                yield Part(first, messages, int(times[-1]), batch)


def instruments_of(directory: Path) -> list[str]:
    """The symbols of a journal's instruments."""
    return [row["symbol"] for row in JournalReader(directory).config["instruments"]]


def write_feed(
    directory: Path,
    out: Path,
    form: str = "itch",
    decimals: Mapping[str, int] | None = None,
    mtu: int = mold.MTU,
) -> dict[str, Any]:
    """Write a journal's feed to ``out``; returns ``messages``, ``bytes`` and ``session``.

    ``form``: ``itch``, each message behind its length (u16, big-endian), or ``pcap``, the packets
    of MoldUDP64.  Whole or not at all: it is written beside and renamed.  Raises
    :class:`FeedError` or :class:`JournalError`.
    """
    if out.exists() and not out.is_file():
        raise FeedError(f"{out} is there and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise FeedError(f"{out}: there is no folder {out.absolute().parent}")
    source = JournalFeed(directory, decimals)
    part = out.with_name(f".{out.name}.part")
    writers: dict[str, Callable[[], None]] = {
        "itch": lambda: _itch(source, part),
        "pcap": lambda: _pcap(source, part, mold.payload_bytes(mtu)),
    }
    try:
        writers[form]()
        size_bytes = part.stat().st_size
        part.replace(out)
    except OSError as error:
        raise FeedError(f"{out}: cannot write: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return {
        "path": str(out),
        "format": form,
        "session": source.session,
        "messages": source.feed.messages,
        "bytes": size_bytes,
    }


def _itch(source: JournalFeed, path: Path) -> None:
    with path.open("wb") as file:
        for part in source.parts():
            file.write(part.messages)


def _pcap(source: JournalFeed, path: Path, room: int) -> None:
    with path.open("wb") as file:
        file.write(_PCAP.pack(PCAP_NS_MAGIC, 2, 4, 0, 0, 65_535, LINKTYPE_ETHERNET))
        ts_ns = 0
        for part in source.parts():
            ts_ns = max(ts_ns, part.ts_ns)
            for packet in mold.packets(source.session, part.first_sequence, part.messages, room):
                file.write(_captured(packet, ts_ns))
        end = mold.end_of_session(source.session, source.feed.messages + 1)
        file.write(_captured(end, ts_ns))


def _captured(payload: bytes, ts_ns: int) -> bytes:
    """A packet as a capture has it: multicast over IPv4, without a UDP checksum."""
    udp = struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    group = bytes(int(part) for part in GROUP.split("."))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 16, 17, 0,
                     bytes([127, 0, 0, 1]), group)  # fmt: skip
    ip = ip[:10] + struct.pack(">H", _ip_checksum(ip)) + ip[12:]
    ethernet = bytes([1, 0, 0x5E, group[1] & 127, *group[2:], 2, 0, 0, 0, 0, 1, 8, 0])
    frame = ethernet + ip + udp
    seconds, ns = divmod(max(0, ts_ns), 1_000_000_000)
    return _PACKET.pack(seconds, ns, len(frame), len(frame)) + frame


def _ip_checksum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
