"""The journal as tables for people: orders, events, trades and the audit trail, names spelt out.

Events do not stand in a journal: they are what the commands cause, so they are made by replaying.
"""

from bisect import bisect
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.pipeline.checkpoint import STEP, commands_after, starting_point
from openoutcry.wire.enums import (
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
from openoutcry.wire.records import CLOCK_DTYPE, MAX_VALUE, NO_INSTRUMENT

SPEAKS_NS = 5_000_000_000
"""A clock record is made every second: without one for so long nothing is known."""
HOW_TO_INSTALL = "pip install 'openoutcry[journal]'"


def arrow() -> Any:
    """pyarrow, or an error that says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise JournalError(f"this needs pyarrow: {HOW_TO_INSTALL}") from None
    return pyarrow


class StampBounds:
    """How far UTC may be from a journal's ingress stamps, by the run's own clock records.

    They are made once a second, and the clock that stamps may be slewed between two of them: the
    larger bound of the two counts.  Reads the journal once, for them alone.
    """

    def __init__(self, reader: JournalReader) -> None:
        self._places: list[int] = []
        self._marks: list[tuple[int, int]] = []
        for block in reader.all_blocks():
            if block.header.kind != BlockKind.CLOCK:
                continue
            records = np.frombuffer(block.payload, CLOCK_DTYPE)
            for bound_ns in records["bound_ns"][records["seq"] == 0].tolist():
                self._places.append(block.header.block_index)
                self._marks.append((block.header.written_ts_ns, bound_ns))

    def of(self, block_index: int, rx_ts_ns: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The bounds (int64, ns) of stamps in that block; MAX_VALUE, unknown, for those that have
        none before them within :data:`SPEAKS_NS`."""
        at = bisect(self._places, block_index)
        bounds_ns = np.full(len(rx_ts_ns), MAX_VALUE)
        for written_ns, bound_ns in self._marks[:at][-1:]:
            bounds_ns[abs(rx_ts_ns - written_ns) <= SPEAKS_NS] = bound_ns
        for written_ns, bound_ns in self._marks[at : at + 1]:
            near = abs(rx_ts_ns - written_ns) <= SPEAKS_NS
            bounds_ns[near] = np.maximum(bounds_ns[near], bound_ns)
        return bounds_ns


class Tables:
    """Reads a journal block by block as pairs of tables: its orders and the events they caused.

    Works beside a running pipeline for what it has written.  Prices are ticks, quantities lots;
    times are ns since the epoch, and the same as time stamps (UTC).
    """

    def __init__(self, directory: Path, with_events: bool = True) -> None:
        self.reader = JournalReader(directory)
        self.pa = arrow()
        self.with_events = with_events
        self.symbols = np.array([row["symbol"] for row in self.reader.config["instruments"]])

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Yield (orders, events) as arrow tables; events is None if they were not asked for."""
        point = starting_point(self.reader) if self.with_events else None
        bounds = StampBounds(self.reader)
        for block in self.reader.all_blocks():
            seq = point.engine.last_seq if point else block.header.first_seq - 1
            records = commands_after(block, seq)
            for at in range(0, len(records), STEP):
                part = records[at : at + STEP]
                events = self.events(point.engine.process(part)) if point else None
                found = bounds.of(block.header.block_index, part["rx_ts_ns"])
                yield self.orders(part, block.header.written_ts_ns, found), events

    def orders(
        self, records: npt.NDArray[Any], written_ts_ns: int, bounds_ns: npt.NDArray[Any]
    ) -> Any:
        """Orders of one block as a table; ``bounds_ns`` int64, MAX_VALUE where it is unknown."""
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
                "order_type": self._names(records["order_type"], OrderType),
                "time_in_force": self._names(tif & (1 << SELF_TRADE_SHIFT) - 1, TimeInForce),
                "self_trade": self._names(tif >> SELF_TRADE_SHIFT, SelfTrade),
                "price_ticks": records["price_ticks"],
                "qty_lots": records["qty_lots"],
                "aux": records["aux"],
                "error_code": records["error_code"],
                "errors": self._errors(records["error_code"]),
                "written_ts_ns": pa.array(np.full(len(records), written_ts_ns)),
                "latency_ns": written_ts_ns - records["rx_ts_ns"],
            }
        )

    def events(self, events: npt.NDArray[Any]) -> Any:
        """Events as a table."""
        flags = events["flags"]
        columns = {
            "event_seq": events["seq"],
            "cause_seq": events["cause_seq"],
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
        }
        columns |= {f.name.lower(): (flags & f.value) != 0 for f in EventFlag if f.name}
        return self.pa.table(columns)

    def empty(self) -> tuple[Any, Any]:
        """Tables without rows: their columns."""
        from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE

        none = np.zeros(0, np.int64)
        return self.orders(np.zeros(0, ORDER_DTYPE), 0, none), self.events(np.zeros(0, EVENT_DTYPE))

    def _time(self, ts_ns: npt.NDArray[Any]) -> Any:
        return self.pa.array(ts_ns.astype("datetime64[ns]"))

    def _names(self, codes: npt.NDArray[Any], enum: type[IntEnum]) -> Any:
        """Members' names; a number that is none's stays readable as a number."""
        names = [enum(k).name if k in list(enum) else f"{k}" for k in range(256)]
        return self._dictionary(codes, names)

    def _dictionary(self, codes: npt.NDArray[Any], names: list[str]) -> Any:
        pa = self.pa
        return pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32)), pa.array(names, pa.string())
        )

    def _text(self, symbols: npt.NDArray[Any]) -> Any:
        found, codes = np.unique(symbols, return_inverse=True)
        return self._dictionary(codes, [s.decode("ascii", "backslashreplace") for s in found])

    def _instrument(self, indices: npt.NDArray[Any]) -> Any:
        known = indices != NO_INSTRUMENT
        codes = np.where(known, indices, len(self.symbols))
        return self._dictionary(codes, [*map(str, self.symbols), ""])

    def _errors(self, codes: npt.NDArray[Any]) -> Any:
        found, rows = np.unique(codes, return_inverse=True)
        names = [" ".join(bit.name for bit in ErrorBit if code >> bit & 1) for code in found]
        return self._dictionary(rows, names)
