"""A journal in other people's formats: Parquet, CSV, packet captures."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.events import events_of
from openoutcry.journal.tables import Tables, safe_table
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import MAX_PACKET_RECORDS, PACKET_HEADER_DTYPE, PACKET_MAGIC

PORT = 9000
_PCAP = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
PCAP_NS_MAGIC, LINKTYPE_ETHERNET = 0xA1B23C4D, 1


def export(directory: Path, form: str, out: Path, what: str) -> dict[str, Any]:
    """Write the journal's ``what`` (orders or events) to ``out``; returns ``rows`` and ``bytes``.

    Whole or not at all: it is written under another name and renamed.  ``pcap`` has the orders as
    the packets of ``docs/packets.md``, with the ingress time to the ns.  Raises
    :class:`JournalError`.
    """
    if out.exists() and not out.is_file():
        raise JournalError(f"{out} exists and is not a regular file")
    if not out.absolute().parent.is_dir():
        raise JournalError(f"{out}: there is no folder {out.absolute().parent}")
    writers: dict[str, Callable[[Path], int]] = {
        "parquet": lambda part: _parquet(directory, part, what),
        "csv": lambda part: _csv(directory, part, what),
        "pcap": lambda part: _pcap(directory, part),
    }
    try:
        with replacing(out) as part:
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
            writer.write_table(safe_table(table.cast(plain)))
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
    ip = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(udp),
        0,
        0x4000,
        64,
        17,
        0,
        bytes([127, 0, 0, 1]),
        bytes([127, 0, 0, 1]),
    )
    ip = ip[:10] + struct.pack(">H", _ip_checksum(ip)) + ip[12:]
    frame = bytes(12) + b"\x08\x00" + ip + udp
    seconds, ns = divmod(max(0, ts_ns), 1_000_000_000)
    return _PACKET.pack(seconds, ns, len(frame), len(frame)) + frame


def _ip_checksum(header: bytes) -> int:
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
