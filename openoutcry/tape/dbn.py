"""Databento's binary encoding, DBN: its metadata and records, versions 1 to 3.

Source: the layouts of Databento's own library (https://github.com/databento/dbn), with which the
tests compare.  A file is ``DBN``, its version, the metadata and records of one schema, each with
its size, type and instrument.  It may be packed with zstd.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np

from openoutcry.tape.files import Progress, checked_file, unpacked
from openoutcry.tape.fit import Losses
from openoutcry.tape.records import (
    ASK,
    BID,
    BY_ORDER,
    BY_PRICE,
    CHUNK_RECORDS,
    DEFINITION,
    FIXED_DECIMALS,
    NO_SIDE,
    NO_TIME,
    STATISTICS,
    STATUS,
    TRADES,
    Array,
    Header,
    Symbol,
    blank,
)
from openoutcry.wire.errors import FlowError
from openoutcry.wire.extras import need

MAGIC = b"DBN"
VERSION = 3
DATASET = "OUTCRY.ITCH"
FIXED = struct.Struct("<16sHQQQ")
"""Dataset, schema, start, end, limit."""
PRELUDE_BYTES, FIXED_BYTES = 8, 100
METADATA_MOST = 1 << 28
NO_SCHEMA = 0xFFFF
SYMBOL_BYTES = {1: 22, 2: 71, 3: 71}
INSTRUMENT_ID, RAW_SYMBOL = 0, 1
"""Symbol types."""
NO_QUANTITY_32, NO_QUANTITY_64 = 2**31 - 1, 2**63 - 1
ORIGIN = "dbn"
"""Key of the metadata in a header's ``origin``."""

_HEAD = [
    ("length", "u1"),
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
]
_AFTER = [("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4")]
_TRADE = [
    *_HEAD,
    ("price", "<i8"),
    ("size", "<u4"),
    ("action", "S1"),
    ("side", "S1"),
    ("flags", "u1"),
    ("depth", "u1"),
    *_AFTER,
]
_LEVEL = [
    ("bid_price", "<i8"),
    ("ask_price", "<i8"),
    ("bid_qty", "<u4"),
    ("ask_qty", "<u4"),
    ("bid_orders", "<u4"),
    ("ask_orders", "<u4"),
]
_MBO = [
    *_HEAD,
    ("order_id", "<u8"),
    ("price", "<i8"),
    ("size", "<u4"),
    ("flags", "u1"),
    ("channel_id", "u1"),
    ("action", "S1"),
    ("side", "S1"),
    *_AFTER,
]
_TIMED = [*_HEAD, ("ts_recv", "<u8")]


def _pick(names: str, **types: str) -> list[tuple[str, str]]:
    """Fields of a definition of an earlier version, in their order."""
    known: dict[str, Any] = {one[0]: one[1] for one in DEFINITION.descr}
    return [(name, types.get(name) or known[name]) for name in names.split()]


_REFERENCE = {
    "trading_reference_price": "<i8",
    "trading_reference_date": "<u2",
    "md_security_trading_status": "u1",
    "settl_price_type": "u1",
    "raw_instrument_id": "<u4",
    "asset": "S7",
}
_PRICES = (
    "min_price_increment display_factor expiration activation high_limit_price low_limit_price "
    "max_price_variation trading_reference_price unit_of_measure_qty min_price_increment_amount "
    "price_ratio "
)
_LOTS = (
    "inst_attrib_value underlying_id raw_instrument_id market_depth_implied market_depth "
    "market_segment_id max_trade_vol min_lot_size min_lot_size_block min_lot_size_round_lot "
    "min_trade_vol "
)
_CONTRACT = "contract_multiplier decay_quantity original_contract_size "
_NAMES = (
    "trading_reference_date appl_id maturity_year decay_start_date channel_id currency "
    "settl_currency secsubtype raw_symbol group exchange asset cfi security_type unit_of_measure "
    "underlying strike_price_currency instrument_class "
)
_LETTERS = (
    "match_algorithm md_security_trading_status main_fraction price_display_format "
    "settl_price_type sub_fraction underlying_product security_update_action maturity_month "
    "maturity_day maturity_week user_defined_instrument contract_multiplier_unit "
    "flow_schedule_type tick_rule "
)
_V1_TYPES = _REFERENCE | {
    "raw_symbol": "S22",
    "_reserved2": "S4",
    "_reserved3": "S4",
    "_reserved4": "S2",
    "_reserved5": "S6",
    "_reserved": "S3",
}
_DEFINITIONS = {
    1: _pick(
        f"{_PRICES}{_LOTS}_reserved2 {_CONTRACT}_reserved3 {_NAMES}_reserved4 strike_price "
        f"_reserved5 {_LETTERS}_reserved",
        **_V1_TYPES,
    ),
    2: _pick(
        f"{_PRICES}strike_price {_LOTS}{_CONTRACT}{_NAMES}{_LETTERS}_reserved",
        **_REFERENCE,
        _reserved="S10",
    ),
    3: [*((one[0], one[1]) for one in DEFINITION.descr[4:]), ("_reserved", "S17")],
}


def _statistics(version: int) -> list[tuple[str, str]]:
    fields = [
        (one[0].replace("in_delta_ns", "ts_in_delta"), one[1]) for one in STATISTICS.descr[4:]
    ]
    if version < 3:
        fields[2] = "quantity", "<i4"
    return [*fields, ("_reserved", "S6" if version < 3 else "S18")]


class Schema:
    """A schema: its numbers, and its records by version."""

    def __init__(self, name: str, number: int, rtype: int, kind: str, levels: int = 0) -> None:
        self.name, self.number, self.rtype, self.kind, self.levels = (
            name,
            number,
            rtype,
            kind,
            levels,
        )

    def layout(self, version: int) -> np.dtype[Any]:
        """Return the records of a version."""
        if self.name == "mbo":
            return np.dtype(_MBO)
        if self.name == "trades":
            return np.dtype(_TRADE)
        if self.levels:
            return np.dtype([*_TRADE, ("levels", _LEVEL, (self.levels,))])
        if self.kind == "definition":
            return np.dtype([*_TIMED, *_DEFINITIONS[version]])
        if self.kind == "statistics":
            return np.dtype([*_TIMED, *_statistics(version)])
        return np.dtype([*_TIMED, *STATUS.descr[4:], ("_reserved", "S7")])


SCHEMAS = (
    Schema("mbo", 0, 0xA0, "event"),
    Schema("mbp-1", 1, 0x01, "depth", 1),
    Schema("mbp-10", 2, 0x0A, "depth", 10),
    Schema("trades", 4, 0x00, "event"),
    Schema("definition", 9, 0x13, "definition"),
    Schema("statistics", 10, 0x18, "statistics"),
    Schema("status", 11, 0x12, "status"),
)
OTHERS = {
    3: "tbbo",
    5: "ohlcv-1s",
    6: "ohlcv-1m",
    7: "ohlcv-1h",
    8: "ohlcv-1d",
    12: "imbalance",
    13: "ohlcv-eod",
    14: "cmbp-1",
    15: "cbbo-1s",
    16: "cbbo-1m",
    17: "tcbbo",
    18: "bbo-1s",
    19: "bbo-1m",
}
"""Schemas that are not read."""
RENAMED = {
    "ts_event": "ts_ns",
    "ts_recv": "rx_ts_ns",
    "instrument_id": "instrument",
    "publisher_id": "source",
    "size": "qty",
    "ts_in_delta": "in_delta_ns",
}
ACTION_LETTERS = np.array([b"A", b"C", b"M", b"R", b"T", b"F", b"N"])
SIDE_LETTERS = np.array([BID, ASK, NO_SIDE])


class DbnTape:
    """A DBN file, plain or packed with zstd.

    Raises :class:`FlowError` naming the byte (of the unpacked file) for a record of another type or
    size, an unknown letter and a file that is cut short.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = checked_file(path)
        self._progress = progress
        self.unread: dict[str, int] = {}
        with unpacked(self.path) as (file, _):
            self._meta, self._begin = read_metadata(self.path, file)
        number = self._meta["schema"]
        found = [one for one in SCHEMAS if one.number == number]
        if not found:
            name = OTHERS.get(number, "none" if number == NO_SCHEMA else str(number))
            names = ", ".join(one.name for one in SCHEMAS)
            raise FlowError(f"{path}: the schema {name} is not read; these are: {names}")
        self.schema = found[0]
        about = {"event": BY_ORDER, "depth": BY_PRICE}.get(self.schema.kind, "")
        self.header = Header(
            f"dbn-{self.schema.name}",
            (self.schema.kind,),
            TRADES if self.schema.name == "trades" else about,
            _symbols(self._meta),
            self.schema.levels,
            {ORIGIN: self._meta},
            Symbol("", FIXED_DECIMALS),
        )

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        self.unread = {}
        layout = self.schema.layout(self._meta["version"])
        if self._meta["ts_out"]:
            layout = np.dtype([*layout.descr, ("ts_out", "<u8")])
        at, size_bytes = self._begin, self.path.stat().st_size
        with unpacked(self.path) as (file, raw):
            _skip(file, self._begin)
            while data := _read_whole(file, layout.itemsize * CHUNK_RECORDS):
                whole = len(data) // layout.itemsize
                records = np.frombuffer(data, layout, whole)
                self._check(records, at, data[whole * layout.itemsize :])
                yield self.schema.kind, self._taken(records)
                at += len(data)
                if self._progress:
                    self._progress(raw.tell(), size_bytes)

    def _check(self, records: Array, at: int, rest: bytes) -> None:
        """Raise :class:`FlowError` for the first record that is not of the schema."""
        size = records.dtype.itemsize
        wrong = (records["length"] != size // 4) | (records["rtype"] != self.schema.rtype)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            one = records[row]
            raise FlowError(
                f"{self.path}: byte {at + row * size}: a record of type {one['rtype']:#04x} and "
                f"{4 * int(one['length'])} bytes in a file of the schema {self.schema.name}, whose "
                f"records have type {self.schema.rtype:#04x} and {size} bytes"
            )
        if rest:
            raise FlowError(
                f"{self.path} is truncated: it ends at byte {at + records.nbytes + len(rest)}, "
                f"within the record that starts at byte {at + records.nbytes}"
            )
        if self.schema.kind not in ("event", "depth"):
            return
        for name, letters in (("action", ACTION_LETTERS), ("side", SIDE_LETTERS)):
            strange = ~np.isin(records[name], letters)
            if strange.any():
                row = int(np.flatnonzero(strange)[0])
                raise FlowError(
                    f"{self.path}: byte {at + row * size + _place(records.dtype, name)}: "
                    f"{bytes(records[name][row])!r} is not of the letters of {name}"
                )

    def _taken(self, records: Array) -> Array:
        """Records of a tape."""
        taken = blank(self.schema.kind, len(records), self.schema.levels)
        names = taken.dtype.names or ()
        for name in records.dtype.names or ():
            own = _own_name(name, self.schema.kind)
            if own in names:
                _copy(records[name], taken, own)
            elif name not in ("length", "rtype"):
                lost = int(np.count_nonzero(records[name] != records[name].dtype.type()))
                if lost:
                    self.unread[name] = self.unread.get(name, 0) + lost
        unknown = taken["rx_ts_ns"] == -1
        taken["rx_ts_ns"][unknown] = 0
        if self.schema.kind == "statistics" and records.dtype["quantity"].itemsize == 4:
            quantity = taken["quantity"]
            quantity[quantity == NO_QUANTITY_32] = NO_QUANTITY_64
        return taken


def _place(dtype: np.dtype[Any], name: str) -> int:
    fields = dtype.fields
    assert fields is not None
    return fields[name][1]


def _own_name(name: str, kind: str) -> str:
    """Our name of a field of DBN."""
    if name == "channel_id" and kind in ("event", "depth"):
        return "channel"
    return RENAMED.get(name, name)


def _copy(column: Array, taken: Array, name: str) -> None:
    if name == "levels":
        for part in column.dtype.names or ():
            taken[name][part] = column[part]
    elif name in ("ts_ns", "rx_ts_ns"):
        taken[name] = column.view("<i8") if column.flags.c_contiguous else column.astype("<i8")
    else:
        taken[name] = column


def _read_whole(file: IO[bytes], size: int) -> bytes:
    """So many bytes, or what is left: a packed file gives less at once."""
    data = file.read(size)
    while data and len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _skip(file: IO[bytes], size: int) -> None:
    while size and (data := file.read(min(size, 1 << 20))):
        size -= len(data)


def read_metadata(path: Path, file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """Return the metadata as values of JSON, and the place of the first record."""
    begin = _read_whole(file, PRELUDE_BYTES)
    if not begin.startswith(MAGIC) or len(begin) < PRELUDE_BYTES:
        raise FlowError(f"{path} is not a DBN file: it does not begin with DBN")
    version, size = begin[3], int.from_bytes(begin[4:], "little")
    if version not in SYMBOL_BYTES:
        raise FlowError(f"{path}: byte 3: version {version} of DBN; 1 to 3 are read")
    if not FIXED_BYTES + 20 <= size <= METADATA_MOST:
        raise FlowError(f"{path}: byte 4: metadata of {size} bytes")
    data = _read_whole(file, size)
    if len(data) < size:
        raise FlowError(
            f"{path} is truncated: it ends at byte {PRELUDE_BYTES + len(data)}, within its metadata"
        )
    return _Metadata(path, version, data).read(), PRELUDE_BYTES + size


class _Metadata:
    """The bytes of metadata after its size."""

    def __init__(self, path: Path, version: int, data: bytes) -> None:
        self.path, self.version, self.data, self.at = path, version, data, FIXED.size

    def read(self) -> dict[str, Any]:
        dataset, schema, start, end, limit = FIXED.unpack_from(self.data)
        if self.version == 1:
            self.at += 8  # the count of records, which is no longer kept
        stype_in, stype_out, ts_out = self.take(3)
        width = SYMBOL_BYTES[1]
        if self.version > 1:
            width = int.from_bytes(self.take(2), "little")
        self.at = FIXED_BYTES
        if not 2 <= width <= 1 << 10 or ts_out > 1 or stype_out > 16:
            raise self.wrong("symbols of " + str(width) + " bytes, ts_out, or a type of symbols")
        if self.number():
            raise self.wrong("a definition of a schema, which no version has")
        found: dict[str, Any] = {
            "version": self.version,
            "dataset": self.text(dataset),
            "schema": schema,
            "start": start,
            "end": end,
            "limit": limit,
            "stype_in": stype_in,
            "stype_out": stype_out,
            "ts_out": ts_out,
            "width": width,
        }
        for name in ("symbols", "partial", "not_found"):
            found[name] = [self.text(self.take(width)) for _ in range(self.count(width))]
        found["mappings"] = [self.mapping(width) for _ in range(self.count(width + 4))]
        if any(self.data[self.at :]) or len(self.data) - self.at >= 8:
            raise self.wrong("bytes after the mappings")
        found["padding"] = len(self.data) - self.at
        return found

    def mapping(self, width: int) -> list[Any]:
        """A symbol and its intervals: first day, day after the last, its other symbol."""
        name = self.text(self.take(width))
        rows = range(self.count(width + 8))
        return [name, [[self.number(), self.number(), self.text(self.take(width))] for _ in rows]]

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise self.wrong("its metadata ends within a field")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def count(self, each: int) -> int:
        count = self.number()
        if count * each > len(self.data) - self.at:
            raise self.wrong(f"a list of {count} that its metadata has no room for")
        return count

    def text(self, data: bytes) -> str:
        begin, _, rest = data.partition(b"\0")
        if rest.strip(b"\0") or not begin.isascii():
            raise self.wrong(f"{data!r} is not text")
        return begin.decode()

    def wrong(self, what: str) -> FlowError:
        return FlowError(f"{self.path}: byte {PRELUDE_BYTES + self.at}: {what}")


def _symbols(meta: dict[str, Any]) -> dict[int, Symbol]:
    """The instruments: of the mappings, or of their places among the symbols."""
    found: dict[int, Symbol] = {}
    for name, intervals in meta["mappings"]:
        for _, _, other in intervals:
            number, text = (other, name) if meta["stype_out"] == INSTRUMENT_ID else (name, other)
            with suppress(ValueError):
                if 0 <= int(number) < 2**32:
                    found[int(number)] = Symbol(text, FIXED_DECIMALS)
    if not meta["mappings"]:
        for place, name in enumerate(meta["symbols"], start=1):
            found[place] = Symbol(name, FIXED_DECIMALS)
    return found


class DbnWriter:
    """Writes records of one schema to ``path``, packed with zstd if its name ends with .zst."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        name = header.format.removeprefix("dbn-")
        self.schema = next(one for one in SCHEMAS if one.name == name)
        self.path, self.header = path, header
        self._packer: Any = None
        if path.name.endswith(".zst"):
            zstandard = need("zstandard", "packing with zstd needs zstandard", "journal", FlowError)
            self._packer = zstandard.ZstdCompressor(write_checksum=True)
        meta: dict[str, Any] | None = header.origin.get(ORIGIN)
        is_same = meta is not None and meta.get("schema") == self.schema.number
        self._meta = dict(meta) if meta is not None and is_same else None
        self._dataset = (meta or {}).get("dataset", DATASET)
        self._layout = self.schema.layout(self._meta["version"] if self._meta else VERSION)
        self._body = path.with_name(path.name + ".body")
        self._file = self._body.open("wb")
        self._first_ns, self._last_ns = NO_TIME, 0

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        out = np.zeros(len(records), self._layout)
        out["length"], out["rtype"] = self._layout.itemsize // 4, self.schema.rtype
        names = records.dtype.names or ()
        for name in self._layout.names or ():
            own = _own_name(name, self.schema.kind)
            if own not in names:
                continue
            if name == "levels":
                for part in self._layout["levels"].base.names or ():
                    out[name][part] = records[own][part]
            elif name in ("ts_event", "ts_recv"):
                out[name] = records[own].astype("<u8")
            elif name == "quantity" and out.dtype[name].itemsize == 4:
                quantity = records[own]
                out[name] = np.where(quantity == NO_QUANTITY_64, NO_QUANTITY_32, quantity)
            else:
                out[name] = records[own]
        out["ts_recv"][records["rx_ts_ns"] == 0] = NO_TIME
        if len(out):
            times = records["ts_ns"][records["ts_ns"] >= 0]
            if len(times):
                self._first_ns = min(self._first_ns, int(times.min()))
                self._last_ns = max(self._last_ns, int(times.max()))
        self._file.write(out.tobytes())

    def close(self) -> None:
        """Write the metadata before the records."""
        self._file.close()
        meta = self._meta or self._new()
        try:
            with self.path.open("wb") as raw, self._body.open("rb") as body:
                out: Any = self._packer.stream_writer(raw, closefd=False) if self._packer else raw
                out.write(encode_metadata(meta | {"ts_out": 0}))
                while data := body.read(1 << 20):
                    out.write(data)
                if self._packer:
                    out.close()
        finally:
            self._body.unlink()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()

    def _new(self) -> dict[str, Any]:
        """The metadata of a file that was none of DBN."""
        first_ns = 0 if self._first_ns == NO_TIME else self._first_ns
        days = [datetime.fromtimestamp(ns // 10**9, UTC) for ns in (first_ns, self._last_ns)]
        begin, end = (int(f"{day:%Y%m%d}") for day in (days[0], days[1] + timedelta(days=1)))
        symbols = self.header.symbols
        return {
            "version": VERSION,
            "dataset": self._dataset,
            "schema": self.schema.number,
            "start": first_ns,
            "end": self._last_ns + 1,
            "limit": 0,
            "stype_in": RAW_SYMBOL,
            "stype_out": INSTRUMENT_ID,
            "ts_out": 0,
            "width": SYMBOL_BYTES[VERSION],
            "symbols": [one.name for one in symbols.values()],
            "partial": [],
            "not_found": [],
            "mappings": [
                [one.name, [[begin, end, str(number)]]] for number, one in symbols.items()
            ],
        }


def part_of(origin: dict[str, Any]) -> dict[str, Any]:
    """Return what is still true of a file's metadata where not all of its instruments are kept."""
    return {ORIGIN: {"dataset": origin[ORIGIN]["dataset"]}} if ORIGIN in origin else {}


def encode_metadata(meta: dict[str, Any]) -> bytes:
    """Return ``DBN``, the version, and the metadata after its size."""
    version, width = meta["version"], meta["width"]

    def text(value: str, size: int = width) -> bytes:
        data = value.encode("ascii", "replace")
        if len(data) >= size:
            raise FlowError(f"{value} does not fit DBN's {size - 1} characters of a name")
        return data.ljust(size, b"\0")

    out = io.BytesIO()
    numbers = meta["schema"], meta["start"], meta["end"], meta["limit"]
    out.write(FIXED.pack(text(meta["dataset"], 16), *numbers))
    if version == 1:
        out.write(bytes(8))
    out.write(bytes([meta["stype_in"], meta["stype_out"], meta["ts_out"]]))
    if version > 1:
        out.write(struct.pack("<H", width))
    out.write(bytes(FIXED_BYTES - out.tell()) + bytes(4))
    for name in ("symbols", "partial", "not_found"):
        out.write(struct.pack("<I", len(meta[name])))
        out.write(b"".join(text(one) for one in meta[name]))
    out.write(struct.pack("<I", len(meta["mappings"])))
    for name, intervals in meta["mappings"]:
        out.write(text(name) + struct.pack("<I", len(intervals)))
        for begin, end, other in intervals:
            out.write(struct.pack("<II", begin, end) + text(other))
    padding = meta.get("padding", -out.tell() % 8 if version > 2 else 0)
    out.write(bytes(padding))
    return MAGIC + bytes([version]) + struct.pack("<I", out.tell()) + out.getvalue()
