"""The journal as tables for people: orders, events, trades and the audit trail, names spelt out."""

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.block import Block
from openoutcry.journal.events import Batch, Point, events_of, oldest_point
from openoutcry.risk.bits import Setting
from openoutcry.risk.words import refusal_text
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    BlockKind,
    CommandKind,
    ErrorBit,
    EventFlag,
    EventKind,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.extras import need
from openoutcry.wire.records import CLOCK_DTYPE, EVENT_DTYPE, MAX_VALUE, NO_INSTRUMENT, ORDER_DTYPE
from openoutcry.wire.symbols import names_by_code, symbol_text, symbols_of
from openoutcry.wire.text import cell

SPEAKS_NS = 5_000_000_000
"""A clock record is made every second: without one for this long nothing is known."""
UNKNOWN_NS = -(2**62)
"""The time of a word that was never said: long before every stamp."""
ROWS = 1 << 17


def arrow() -> Any:
    """pyarrow, or an error that says how to get it."""
    need("pyarrow.parquet", "this needs pyarrow", "journal", JournalError)
    import pyarrow

    return pyarrow


class StampBounds:
    """How far UTC may be from a journal's ingress stamps, by the run's own clock records.

    They are made once a second, and the clock that stamps may be slewed between two of them: the
    larger bound of the two counts.  Reads the journal once, up to ``until_block``, for them alone
    (``look`` is shown every block); ``blocks`` says how many it had.
    """

    def __init__(
        self,
        reader: JournalReader,
        until_block: int | None = None,
        look: Callable[[Block], None] | None = None,
    ) -> None:
        places, written_ns, bounds_ns = [-1], [UNKNOWN_NS], [MAX_VALUE]
        for block in reader.all_blocks(until_block=until_block):
            if look is not None:
                look(block)
            if block.header.kind != BlockKind.CLOCK:
                continue
            records = np.frombuffer(block.payload, CLOCK_DTYPE)
            for bound_ns in records["bound_ns"][records["seq"] == 0].tolist():
                places.append(block.header.block_index)
                written_ns.append(block.header.written_ts_ns)
                bounds_ns.append(bound_ns)
        self.blocks = reader.blocks
        self.last_place = places[-1]
        """The last block of clock records; -1: no such block."""
        self._places = np.array(places)
        # An unknown one is placed before the first, and one after the last.
        self._written_ns = np.array([*written_ns, UNKNOWN_NS])
        self._bounds_ns = np.array([*bounds_ns, MAX_VALUE])

    def of(
        self, block_indices: npt.NDArray[Any], rx_ts_ns: npt.NDArray[Any]
    ) -> npt.NDArray[np.int64]:
        """The bounds (int64, ns) of stamps in those blocks, one each; MAX_VALUE, unknown, for those
        that have none on either side within :data:`SPEAKS_NS`."""
        after = np.searchsorted(self._places, block_indices)
        before = after - 1
        known = abs(rx_ts_ns - self._written_ns[before]) <= SPEAKS_NS
        found_ns = np.where(known, self._bounds_ns[before], MAX_VALUE)
        near = abs(rx_ts_ns - self._written_ns[after]) <= SPEAKS_NS
        return np.where(near, np.maximum(found_ns, self._bounds_ns[after]), found_ns)


REFUSAL_FIELDS = ("contra_id", "price_ticks", "leaves_lots", "qty_lots")


class Rows(NamedTuple):
    """Orders of some blocks in a row (ORDER_DTYPE), their events (EVENT_DTYPE), and of each order
    its block's index and time."""

    records: npt.NDArray[Any]
    events: npt.NDArray[Any]
    block_indices: npt.NDArray[np.int64]
    written_ts_ns: npt.NDArray[np.int64]


def gathered(batches: Iterable[Batch]) -> Iterator[Rows]:
    """The batches' orders, at least :data:`ROWS` at a time (but for the last).

    A table costs the same for one row as for thousands, and a block may hold but a few."""
    parts: list[Batch] = []
    count = 0
    for batch in batches:
        if len(batch.commands):
            parts.append(batch)
            count += len(batch.commands)
        if count >= ROWS:
            yield _together(parts)
            parts, count = [], 0
    if parts:
        yield _together(parts)


def _together(parts: list[Batch]) -> Rows:
    lengths = [len(part.commands) for part in parts]
    return Rows(
        np.concatenate([part.commands for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.repeat([part.header.block_index for part in parts], lengths),
        np.repeat([part.header.written_ts_ns for part in parts], lengths),
    )


@cache
def _names_of(enum: type[IntEnum]) -> list[str]:
    """Members' names; a number without a member stays readable as a number."""
    known = {member.value: member.name for member in enum}
    return [known.get(code, f"{code}") for code in range(256)]


def commands_of(events: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the command of each event: its cause, or the command that had waited at a speed bump
    and entered at its cause's time. ``events``: of whole commands."""
    seqs = events["cause_seq"].copy()
    for index in np.flatnonzero(events["kind"] == EventKind.ENTERED).tolist():
        count = 1 + int(events["qty_lots"][index])
        seqs[index : index + count] = events["contra_id"][index]
    return seqs


class Tables:
    """Reads a journal as pairs of tables, many blocks at a time: orders and the events they caused.

    While a pipeline runs, it gives what was written when the reading began.  Prices are
    ticks, quantities lots; times are ns since the epoch, and the same as time stamps (UTC).
    """

    def __init__(self, directory: Path, with_events: bool = True) -> None:
        self.reader = JournalReader(directory)
        self.pa = arrow()
        self.with_events = with_events
        self.events_after_seq = 0
        """The command after which events are: others' begin was retired."""
        self._runs_begin: list[int] = []
        symbols = symbols_of(self.reader.config)
        self.symbols, self._by_code = np.array(symbols), names_by_code(symbols)

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Yield (orders, events) as arrow tables; events are left out (None) if they were not asked
        for."""
        point = oldest_point(self.reader) if self.with_events else None
        bounds = StampBounds(self.reader)
        # Whose commands are after which: known once the journal was read.
        self._runs_begin = [document["seq"] for document in self.reader.resumed]
        for rows in gathered(self._read(point, bounds.blocks)):
            found_ns = bounds.of(rows.block_indices, rows.records["rx_ts_ns"])
            orders = self.orders(rows.records, rows.written_ts_ns, found_ns)
            yield orders, self.events(rows.events) if point else None

    def _read(self, point: Point | None, until_block: int) -> Iterator[Batch]:
        """All orders, those before ``point`` without their events."""
        from_seq = 0
        if point is not None and point.seq:
            self.events_after_seq = point.seq
            for batch in events_of(self.reader, until_seq=point.seq, until_block=until_block):
                yield batch
                if batch.after_seq + len(batch.commands) >= point.seq:
                    break
            from_seq = point.seq + 1
        yield from events_of(self.reader, point, from_seq=from_seq, until_block=until_block)

    def orders(
        self,
        records: npt.NDArray[Any],
        written_ts_ns: npt.NDArray[Any],
        bounds_ns: npt.NDArray[Any],
    ) -> Any:
        """Orders as a table; ``bounds_ns`` int64, MAX_VALUE where it is unknown."""
        pa = self.pa
        tif = records["time_in_force"]
        return pa.table(
            {
                "seq": records["seq"],
                "rx_time": self._time(records["rx_ts_ns"]),
                "rx_ts_ns": records["rx_ts_ns"],
                "bound_ns": pa.array(bounds_ns, mask=bounds_ns == MAX_VALUE),
                "participant": records["participant"],
                "action": self._names(records["kind"], CommandKind),
                "order_id": records["order_id"],
                "symbol": self._text(records["symbol"]),
                "side": self._names(records["side"], Side),
                "order_type": self._order_types(records),
                "time_in_force": self._names(tif & (1 << SELF_TRADE_SHIFT) - 1, TimeInForce),
                "self_trade": self._names(tif >> SELF_TRADE_SHIFT & SELF_TRADE_MASK, SelfTrade),
                "price_ticks": records["price_ticks"],
                "qty_lots": records["qty_lots"],
                "aux": records["aux"],
                "error_code": records["error_code"],
                "errors": self._errors(records["error_code"]),
                "written_ts_ns": written_ts_ns,
                "session": self._session(records["seq"]),
                "latency_ns": written_ts_ns - records["rx_ts_ns"],
            }
        )

    def events(self, events: npt.NDArray[Any]) -> Any:
        """Events as a table."""
        flags = events["flags"]
        columns = {
            "event_seq": events["seq"],
            "cause_seq": events["cause_seq"],
            "command_seq": commands_of(events),
            "event": self._names(events["kind"], EventKind),
            "reason": self._names(events["reason"], Reason),
            "participant": events["participant"],
            "order_id": events["order_id"],
            "contra_id": events["contra_id"],
            "symbol": self._instrument(events["instrument"]),
            "side": self._names(events["side"], Side),
            "price_ticks": events["price_ticks"],
            "qty_lots": events["qty_lots"],
            "leaves_lots": events["leaves_lots"],
            "refusal": self._refusals(events),
        }
        columns |= {f.name.lower(): (flags & f.value) != 0 for f in EventFlag if f.name}
        return self.pa.table(columns)

    def empty(self) -> tuple[Any, Any]:
        """Tables without rows: their columns."""
        none = np.zeros(0, np.int64)
        orders = self.orders(np.zeros(0, ORDER_DTYPE), none, none)
        return orders, self.events(np.zeros(0, EVENT_DTYPE))

    def _session(self, seqs: npt.NDArray[Any]) -> Any:
        """The journal's id and which of its runs took the order: 1 the first, 2 the one that
        resumed it, …"""
        names = [
            f"{self.reader.journal_id:016x}/{run}" for run in range(1, len(self._runs_begin) + 2)
        ]
        return self._dictionary(np.searchsorted(self._runs_begin, seqs), names)

    def _time(self, ts_ns: npt.NDArray[Any]) -> Any:
        return self.pa.array(ts_ns.astype("datetime64[ns]"))

    def _names(self, codes: npt.NDArray[Any], enum: type[IntEnum]) -> Any:
        return self._dictionary(codes, _names_of(enum))

    def _dictionary(self, codes: npt.NDArray[Any], names: list[str]) -> Any:
        pa = self.pa
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32)), pa.array(names, pa.string())
        )

    def _text(self, symbols: npt.NDArray[Any]) -> Any:
        values, codes = np.unique(symbols, return_inverse=True)
        return self._dictionary(codes, [symbol_text(value, self._by_code) for value in values])

    def _instrument(self, indices: npt.NDArray[Any]) -> Any:
        known = indices != NO_INSTRUMENT
        codes = np.where(known, indices, len(self.symbols))
        return self._dictionary(codes, [*map(str, self.symbols), ""])

    def _order_types(self, records: npt.NDArray[Any]) -> Any:
        """Return each command's order type, or the setting that a RISK command changes."""
        is_risk = records["kind"] == CommandKind.RISK
        names = [*_names_of(OrderType), *_names_of(Setting)]
        return self._dictionary(records["order_type"] + 256 * is_risk.astype(np.int32), names)

    def _refusals(self, events: npt.NDArray[Any]) -> Any:
        """Return the text of each rejection by a limit; empty for all other events."""
        rows = np.flatnonzero(
            (events["kind"] == EventKind.REJECTED) & (events["reason"] == Reason.RISK)
        )
        columns = (events[name][rows].tolist() for name in REFUSAL_FIELDS)
        texts = [refusal_text(*figures) for figures in zip(*columns, strict=True)]
        codes = np.zeros(len(events), np.int32)
        codes[rows] = np.arange(1, len(rows) + 1)
        return self._dictionary(codes, ["", *texts])

    def _errors(self, codes: npt.NDArray[Any]) -> Any:
        values, rows = np.unique(codes, return_inverse=True)
        names = [" ".join(bit.name for bit in ErrorBit if code >> bit & 1) for code in values]
        return self._dictionary(rows, names)


def safe_table(table: Any) -> Any:
    """The pyarrow table with the cells of its text columns as :func:`cell` has them."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = table.column(at)
            cells = {value: cell(value) for value in column.unique().to_pylist()}
            if all(value == shown for value, shown in cells.items()):
                continue
            kept = [cells[value] for value in column.to_pylist()]
            table = table.set_column(at, field, pa.array(kept, field.type))
    return table
