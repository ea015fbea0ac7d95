"""hftbacktest's events: the array ``data`` of an .npz, read and written piece by piece.

Source: the library's types (https://github.com/nkaz001/hftbacktest): 64 bytes an event.  Bits of
``ev`` say whether it is the exchange's, the receiver's or both's, and the side; its lowest byte
says what it is.  Prices and quantities are floats.
"""

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from openoutcry.tape.files import Progress, checked_file
from openoutcry.tape.fit import Losses
from openoutcry.tape.orders import OpenOrders, Resting
from openoutcry.tape.records import (
    ADD,
    ASK,
    BID,
    BY_ORDER,
    BY_PRICE,
    CANCEL,
    CHUNK_RECORDS,
    CLEAR,
    FILL,
    LEVEL,
    MODIFY,
    NO_PRICE,
    SNAPSHOT,
    TRADE,
    TRADES,
    Array,
    Header,
    Symbol,
    blank,
)
from openoutcry.wire.errors import FlowError

EXCH, LOCAL, BUY_SIDE, SELL_SIDE = 1 << 31, 1 << 30, 1 << 29, 1 << 28
DEPTH, DEPTH_SNAPSHOT = 1, 4
KINDS = {
    DEPTH: LEVEL,
    2: TRADE,
    3: CLEAR,
    DEPTH_SNAPSHOT: LEVEL,
    10: ADD,
    11: CANCEL,
    12: MODIFY,
    13: FILL,
}
"""Lowest byte of ``ev``, and the action."""
LAYOUT = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)
MEMBER = "data.npy"
DECIMALS_MOST = 9
SIZE_MOST = 2.0**53


class NpzTape:
    """A file of one instrument; it is read twice, first for its decimals.  Raises
    :class:`FlowError` naming the record."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path, self._progress = checked_file(path, raw=True), progress
        self.unread: dict[str, int] = {}
        decimals, kinds, first = [0, 0], set[int](), 1
        for data in self._read():
            self._check(data, first)
            first += len(data)
            kinds |= set((data["ev"] & 0xFF).tolist())
            for at, name in enumerate(("px", "qty")):
                decimals[at] = _decimals(data[name], decimals[at])
        unknown = kinds - set(KINDS)
        if unknown:
            raise FlowError(f"{path} has events of the type {min(unknown)}, which is unknown")
        about = BY_ORDER if kinds & {10, 11, 12, 13} else TRADES if kinds == {2} else BY_PRICE
        self.header = Header(
            "npz-orders" if about == BY_ORDER else "npz-levels",
            ("event",),
            about,
            {1: Symbol("", *decimals)},
        )

    def _read(self) -> Iterator[Array]:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(MEMBER) as file:
                for data in _pieces(file):
                    if data.dtype != LAYOUT:
                        raise FlowError(f"{self.path} has no events of hftbacktest: {data.dtype}")
                    yield data
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
            raise FlowError(f"{self.path} has no events of hftbacktest: {error}") from None
        except Exception as error:  # zlib's own, and what a damaged header makes.
            if isinstance(error, FlowError):
                raise
            raise FlowError(f"{self.path}: its packed bytes are broken: {error}") from None

    def _check(self, data: Array, first: int) -> None:
        for name in ("px", "qty"):
            there = np.isfinite(data[name]) & (np.abs(data[name]) < SIZE_MOST)
            # An event that clears the book has any price.
            there |= (data["ev"] & 0xFF) == 3
            if not there.all():
                at = int(np.flatnonzero(~there)[0])
                raise FlowError(
                    f"{self.path}: record {first + at}: {name} is {data[name][at]}, no number of "
                    "less than 53 bits"
                )

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        unread: Counter[str] = Counter()
        self.unread = unread
        one, done = self.header.symbols[1], 0
        for data in self._read():
            both = (data["ev"] & EXCH) > 0
            unread["events of the receiver alone"] += int((~both).sum())
            unread["events of the exchange alone"] += int(((data["ev"] & LOCAL) == 0)[both].sum())
            for name in ("ival", "fval"):
                unread[name] += int(np.count_nonzero(data[name]))
            data = data[both]
            records = blank("event", len(data))
            records["ts_ns"], records["rx_ts_ns"] = data["exch_ts"], data["local_ts"]
            records["instrument"], records["order_id"] = 1, data["order_id"]
            kinds = data["ev"] & 0xFF
            for kind, action in KINDS.items():
                records["action"][kinds == kind] = action
            records["flags"][kinds == DEPTH_SNAPSHOT] = SNAPSHOT
            for bit, side in ((BUY_SIDE, BID), (SELL_SIDE, ASK)):
                records["side"][(data["ev"] & bit) > 0] = side
            for field, name, places in (
                ("price", "px", one.price_decimals),
                ("qty", "qty", one.qty_decimals),
            ):
                values = np.where(np.abs(data[name]) < SIZE_MOST, data[name], 0.0)
                whole = np.rint(values * 10.0**places)
                unread[name] += int((whole / 10.0**places != data[name]).sum())
                records[field] = whole.astype("<i8")
            for name in [name for name, count in unread.items() if not count]:
                del unread[name]
            yield "event", records
            done += len(data)
            if self._progress:
                self._progress(done, done + 1)


def _pieces(file: IO[bytes]) -> Iterator[Array]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, order, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, order, dtype = np.lib.format.read_array_header_2_0(file)
    if len(shape) != 1 or dtype.hasobject:
        raise ValueError(f"an array of {dtype} of the shape {shape}")
    del order
    left = shape[0]
    while left:
        wanted = min(left, CHUNK_RECORDS) * dtype.itemsize
        data = b""
        while len(data) < wanted and (more := file.read(wanted - len(data))):
            data += more
        if len(data) < wanted:
            raise ValueError(f"{left} events are missing at its end")
        yield np.frombuffer(data, dtype)
        left -= wanted // dtype.itemsize
    if file.read(1):
        raise ValueError("bytes after its last event")


def _decimals(values: Array, least: int) -> int:
    """Decimals, at least so many, of which each float is the nearest to a whole number."""
    values = values[np.isfinite(values) & (np.abs(values) < SIZE_MOST)]
    for places in range(least, DECIMALS_MOST):
        unit = 10.0**places
        whole = np.rint(values * unit)
        if (np.abs(whole) < SIZE_MOST).all() and (whole / unit == values).all():
            return places
    return DECIMALS_MOST


class NpzWriter:
    """Writes the events of one instrument to ``path``."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        self.path, self._losses = path, losses
        self._by_order = header.format == "npz-orders"
        one = next(iter(header.symbols.values()), header.other)
        self._units = 10.0**one.price_decimals, 10.0**one.qty_decimals
        self._book = OpenOrders()
        self._body = path.with_name(path.name + ".body")
        self._file = self._body.open("wb")
        self._count = 0

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        out = np.zeros(len(records), LAYOUT)
        numbers = {action: number for number, action in reversed(KINDS.items())}
        for action, number in numbers.items():
            out["ev"][records["action"] == action] = number
        is_snapshot = (records["action"] == LEVEL) & (records["flags"] & SNAPSHOT > 0)
        out["ev"][is_snapshot] = DEPTH_SNAPSHOT
        flags = records["flags"] & ~np.uint8(SNAPSHOT)
        lost = int(np.count_nonzero(flags))
        self._losses.add("flags", lost, "hftbacktest has the flag of a snapshot's level alone")
        out["ev"] |= np.uint64(EXCH | LOCAL)
        out["ev"][records["side"] == BID] |= np.uint64(BUY_SIDE)
        out["ev"][records["side"] == ASK] |= np.uint64(SELL_SIDE)
        out["exch_ts"] = records["ts_ns"]
        out["local_ts"] = np.where(records["rx_ts_ns"] == 0, records["ts_ns"], records["rx_ts_ns"])
        reason = "hftbacktest has a local time in every event: the exchange's is written"
        self._losses.add("no rx_ts_ns", int((records["rx_ts_ns"] == 0).sum()), reason)
        out["px"] = np.where(records["price"] == NO_PRICE, 0, records["price"]) / self._units[0]
        gone = (records["price"] == NO_PRICE) & (records["action"] != CLEAR)
        self._losses.add("price", int(gone.sum()), "a record without a price has the price 0")
        out["qty"] = records["qty"] / self._units[1]
        out["order_id"] = records["order_id"]
        if self._by_order:
            self._parts(records, out)
        self._file.write(out.tobytes())
        self._count += len(out)

    def _parts(self, records: Array, out: Array) -> None:
        """Say the cancel of a part as a modification: a cancel of hftbacktest's is of the whole."""
        book = self._book
        columns = [
            records[name].tolist() for name in ("action", "order_id", "qty", "price", "side")
        ]
        for at, (action, order, qty, price, side) in enumerate(zip(*columns, strict=True)):
            if action in (ADD, MODIFY):
                book.add(order, Resting(1, side, price, qty))
            elif action == CLEAR:
                book.orders.clear()
            elif action == CANCEL:
                left = book.take(order, qty)
                if left > 0:
                    ev = int(out["ev"][at]) & ~0xFF | 12
                    out["ev"][at], out["qty"][at] = ev, left / self._units[1]
                    reason = "said as a modification to what is left"
                    self._losses.add("partial cancel", 1, reason)

    def close(self) -> None:
        """Write the archive."""
        self._file.close()
        head = io.BytesIO()
        shape = {"descr": np.lib.format.dtype_to_descr(LAYOUT), "fortran_order": False}
        np.lib.format.write_array_header_1_0(head, shape | {"shape": (self._count,)})
        entry = zipfile.ZipInfo(MEMBER)
        entry.compress_type = zipfile.ZIP_DEFLATED
        try:
            with (
                zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive,
                archive.open(entry, "w", force_zip64=True) as out,
                self._body.open("rb") as body,
            ):
                out.write(head.getvalue())
                while data := body.read(1 << 20):
                    out.write(data)
        finally:
            self._body.unlink()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()
