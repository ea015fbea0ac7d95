"""A journal in other people's formats: Parquet, CSV, packet captures, LOBSTER."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalError, JournalReader
from openoutcry.replay.events import events_of, oldest_point
from openoutcry.replay.tables import Tables
from openoutcry.wire.beside import written_beside
from openoutcry.wire.enums import EventFlag, EventKind, PacketKind, Side
from openoutcry.wire.layout import LAYOUT_HASH
from openoutcry.wire.records import MAX_PACKET_RECORDS, PACKET_HEADER_DTYPE, PACKET_MAGIC

DAY_NS = 86_400_000_000_000
PORT = 9000
_PCAP = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
PCAP_NS_MAGIC, LINKTYPE_ETHERNET = 0xA1B23C4D, 1


def export(directory: Path, form: str, out: Path, what: str, symbol: str | None) -> dict[str, Any]:
    """Write the journal's ``what`` (orders or events) to ``out``; returns ``rows`` and ``bytes``.

    Whole or not at all: it is written beside and renamed.  ``pcap`` has the orders as the packets
    of ``docs/packets.md``, with the ingress time to the ns; ``lobster`` the message file of one
    instrument, prices in ticks.  Raises :class:`JournalError`.
    """
    if out.exists() and not out.is_file():
        raise JournalError(f"{out} is there and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise JournalError(f"{out}: there is no folder {out.absolute().parent}")
    writers: dict[str, Callable[[Path], int]] = {
        "parquet": lambda part: _parquet(directory, part, what),
        "csv": lambda part: _csv(directory, part, what),
        "pcap": lambda part: _pcap(directory, part),
        "lobster": lambda part: _lobster(directory, part, symbol),
    }
    try:
        with written_beside(out) as part:
            rows = writers[form](part)
            size_bytes = part.stat().st_size
    except OSError as error:
        raise JournalError(f"{out}: cannot write: {error.strerror}") from None
    return {"path": str(out), "format": form, "rows": rows, "bytes": size_bytes}


def _rows(directory: Path, what: str) -> tuple[Any, Any, Iterator[Any]]:
    """pyarrow, the schema, and the tables of orders or events."""
    tables = Tables(directory, what == "events")
    pick = ("orders", "events").index(what)
    schema = tables.empty()[pick].schema
    return tables.pa, schema, (pair[pick] for pair in tables.batches())


def _parquet(directory: Path, part: Path, what: str) -> int:
    pa, schema, tables = _rows(directory, what)
    plain = pa.schema([pa.field(f.name, _plain(pa, f.type)) for f in schema])
    rows = 0
    with pa.parquet.ParquetWriter(part, plain, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(plain))
            rows += len(table)
    return rows


def _plain(pa: Any, kind: Any) -> Any:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _csv(directory: Path, part: Path, what: str) -> int:
    pa, schema, tables = _rows(directory, what)
    import pyarrow.csv

    plain = pa.schema([pa.field(f.name, _plain(pa, f.type)) for f in schema])
    rows = 0
    with pyarrow.csv.CSVWriter(part, plain) as writer:
        for table in tables:
            writer.write_table(table.cast(plain))
            rows += len(table)
    return rows


def _pcap(directory: Path, part: Path) -> int:
    """One UDP packet for the orders that arrived at the same moment, at most 22 of them."""
    rows = 0
    with part.open("wb") as file:
        file.write(_PCAP.pack(PCAP_NS_MAGIC, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET))
        for batch in events_of(JournalReader(directory)):
            records = batch.commands
            if not len(records):
                continue
            cuts = np.flatnonzero(np.diff(records["rx_ts_ns"])) + 1
            for burst in np.split(records, cuts):
                for at in range(0, len(burst), MAX_PACKET_RECORDS):
                    file.write(_packet(burst[at : at + MAX_PACKET_RECORDS]))
            rows += len(records)
    return rows


def _packet(records: Any) -> bytes:
    ts_ns = int(records["rx_ts_ns"][0])
    head = np.zeros(1, PACKET_HEADER_DTYPE)
    head["magic"], head["layout_tag"] = PACKET_MAGIC, LAYOUT_HASH & 0xFFFFFFFF
    head["first_seq"], head["sent_ts_ns"] = records["seq"][0], ts_ns
    head["count"], head["kind"] = len(records), PacketKind.ORDERS
    payload = head.tobytes() + records.tobytes()
    udp = struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0,
                     bytes([127, 0, 0, 1]), bytes([127, 0, 0, 1]))  # fmt: skip
    ip = ip[:10] + struct.pack(">H", _ip_checksum(ip)) + ip[12:]
    frame = bytes(12) + b"\x08\x00" + ip + udp
    seconds, ns = divmod(max(0, ts_ns), 1_000_000_000)
    return _PACKET.pack(seconds, ns, len(frame), len(frame)) + frame


def _ip_checksum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _lobster(directory: Path, part: Path, symbol: str | None) -> int:
    """LOBSTER's message file: seconds after midnight (UTC), type, order id, size, price, direction.

    1 submission, 2 partial cancellation, 3 deletion, 4 execution of a visible order, 5 of a hidden
    one; an order that trades at once is a submission and the executions of what it met.
    """
    reader = JournalReader(directory)
    symbols = [row["symbol"] for row in reader.config["instruments"]]
    if symbol is None and len(symbols) > 1:
        raise JournalError(f"LOBSTER files are of one instrument: give --symbol ({symbols[0]}, …)")
    if symbol is not None and symbol not in symbols:
        raise JournalError(f"{symbol} is not among the journal's instruments")
    instrument = symbols.index(symbol) if symbol is not None else 0
    point = oldest_point(reader)
    rows = 0
    with part.open("w") as file:
        for batch in events_of(reader, point):
            mine = batch.events[batch.events["instrument"] == instrument]
            times = batch.commands["rx_ts_ns"][mine["cause_seq"] - batch.after_seq - 1]
            for event, ts_ns in zip(mine, times, strict=True):
                line = _lobster_line(event)
                if line:
                    second, ns = divmod(int(ts_ns) % DAY_NS, 1_000_000_000)
                    file.write(f"{second}.{ns:09d},{line}\n")
                    rows += 1
    return rows


def _lobster_line(event: Any) -> str:
    """All of a message but its time; empty if LOBSTER has no message for the event."""
    kind, flags = int(event["kind"]), int(event["flags"])
    direction = 1 if event["side"] == Side.BUY else -1
    rest = f"{event['order_id']},{event['qty_lots']},{event['price_ticks']},{direction}"
    visible = not flags & (EventFlag.HIDDEN | EventFlag.WAITING)
    if kind == EventKind.ACCEPTED and visible:
        return f"1,{rest}"
    if kind == EventKind.REDUCED and visible:
        return f"2,{rest}"
    if kind in (EventKind.CANCELLED, EventKind.EXPIRED) and visible:
        return f"3,{rest}"
    if kind == EventKind.FILLED and flags & EventFlag.MAKER:
        return f"5,{rest}" if flags & EventFlag.HIDDEN else f"4,{rest}"
    return ""
