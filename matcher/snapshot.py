"""A book as bytes: the same visible state gives the same bytes, whatever memory it lay in.

header       64 bytes, HEADER_DTYPE
instruments 256 bytes each, INSTRUMENT_DTYPE
orders       32 bytes each, ROW_DTYPE: by instrument, bids then asks, best level first,
             in queue order
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.errors import MatcherError
from openoutcry.wire.layout import LAYOUT_HASH, check_layout
from openoutcry.wire.records import INSTRUMENT_DTYPE, MAX_INSTRUMENTS

SNAPSHOT_MAGIC = int.from_bytes(b"OUTCRYMS", "little")
SNAPSHOT_VERSION = 1

HEADER_DTYPE = np.dtype(
    [
        ("magic", "<u8"),
        ("layout_hash", "<u8"),
        ("version", "<u4"),
        ("instrument_count", "<u4"),
        ("order_count", "<i8"),
        ("last_seq", "<i8"),
        ("event_count", "<i8"),
        ("checksum", "V16"),  # blake2b-128 over everything else
    ]
)
ROW_DTYPE = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("order_id", "<i8"),
        ("qty_lots", "<i8"),
        ("instrument", "<u2"),
        ("participant", "<u2"),
        ("side", "u1"),
        ("flags", "u1"),  # bit 0: post-only
        ("reserved", "<u2"),
    ]
)
HEADER_BYTES = HEADER_DTYPE.itemsize
CHECKSUM_AT = HEADER_BYTES - 16
ROW_BYTES = ROW_DTYPE.itemsize
ROW_PRICE = 0
ROW_ID = 8
ROW_QTY = 16
ROW_INSTRUMENT = 24
ROW_PARTICIPANT = 26
ROW_SIDE = 28
ROW_FLAGS = 29

Table = npt.NDArray[Any]


def digest(data: bytes) -> str:
    """The state hash of a snapshot: blake2b-128 in hexadecimal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def encode(instruments: Table, rows: Table, last_seq: int, event_count: int) -> bytes:
    """Snapshot of ``rows`` (ROW_DTYPE in canonical order) over ``instruments``."""
    header = np.zeros(1, dtype=HEADER_DTYPE)
    header["magic"] = SNAPSHOT_MAGIC
    header["layout_hash"] = LAYOUT_HASH
    header["version"] = SNAPSHOT_VERSION
    header["instrument_count"] = len(instruments)
    header["order_count"] = len(rows)
    header["last_seq"] = last_seq
    header["event_count"] = event_count
    head = header.tobytes()[:CHECKSUM_AT]
    body = instruments.tobytes() + rows.tobytes()
    return head + _checksum(head, body) + body


def decode(data: bytes) -> tuple[Table, Table, int, int]:
    """Instruments, rows, last_seq and event_count of a snapshot.

    Raises :class:`MatcherError` saying what is wrong with bytes that are no whole, undamaged
    snapshot, and ``LayoutMismatch`` for one from another layout.
    """
    if len(data) < HEADER_BYTES:
        raise MatcherError(f"snapshot: {len(data)} bytes are fewer than a header's {HEADER_BYTES}")
    header = np.frombuffer(data, dtype=HEADER_DTYPE, count=1)[0]
    if int(header["magic"]) != SNAPSHOT_MAGIC:
        raise MatcherError("snapshot: byte 0: not the start of a matcher snapshot")
    check_layout(int(header["layout_hash"]), "snapshot")
    if int(header["version"]) != SNAPSHOT_VERSION:
        raise MatcherError(
            f"snapshot: version {header['version']}, this program reads {SNAPSHOT_VERSION}"
        )
    instrument_count, order_count = int(header["instrument_count"]), int(header["order_count"])
    size = HEADER_BYTES + instrument_count * INSTRUMENT_DTYPE.itemsize + order_count * ROW_BYTES
    if order_count < 0 or instrument_count > MAX_INSTRUMENTS or len(data) != size:
        raise MatcherError(f"snapshot: {len(data)} bytes, its header speaks of {size}")
    if data[CHECKSUM_AT:HEADER_BYTES] != _checksum(data[:CHECKSUM_AT], data[HEADER_BYTES:]):
        raise MatcherError("snapshot: damaged: the checksum does not match")
    body = HEADER_BYTES + instrument_count * INSTRUMENT_DTYPE.itemsize
    instruments = np.frombuffer(
        data, dtype=INSTRUMENT_DTYPE, count=instrument_count, offset=HEADER_BYTES
    ).copy()
    rows = np.frombuffer(data, dtype=ROW_DTYPE, count=order_count, offset=body).copy()
    _check_rows(rows, instrument_count)
    return instruments, rows, int(header["last_seq"]), int(header["event_count"])


def _checksum(head: bytes, body: bytes) -> bytes:
    hasher = hashlib.blake2b(head, digest_size=16)
    hasher.update(body)
    return hasher.digest()


def _check_rows(rows: Table, instrument_count: int) -> None:
    """A checksum does not make nonsense sensible: what the kernels rely on is checked."""
    for field, bad in (
        ("qty_lots", rows["qty_lots"] <= 0),
        ("instrument", rows["instrument"] >= instrument_count),
        ("side", (rows["side"] < 1) | (rows["side"] > 2)),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise MatcherError(f"snapshot: order row {row}: {field} is {rows[field][row]}")
