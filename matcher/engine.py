"""The matcher as an object: numpy arrays in, numpy arrays out."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import arena as layout
from openoutcry.matcher.check import check_arena
from openoutcry.matcher.errors import MatcherError
from openoutcry.matcher.kernels import process_batch, scratch_records
from openoutcry.matcher.snapshot import ROW_DTYPE, decode, digest, encode
from openoutcry.matcher.views import fill_best, fill_depth, load_orders, save_orders
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE, RECORD_BYTES

BATCH_COMMANDS = 1024
"""Commands that :meth:`Engine.process` hands to the kernels at a time."""

Levels = list[tuple[int, int, int]]
Best = tuple[int | None, int, int | None, int]


class Engine:
    """Price-time matcher for the instruments of a table.

    ``instruments``: INSTRUMENT_DTYPE, as ``make_instruments`` gives it; only the symbols matter
    here, limits are the gateway's.  Room for ``order_capacity`` open orders and ``level_pages``
    pages of 64 price levels; the default of as many pages as orders can never run out of pages.
    Raises :class:`MatcherError`.
    """

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        order_capacity: int = 1 << 17,
        level_pages: int | None = None,
    ) -> None:
        self.instruments = layout.check_instruments(instruments)
        self.order_capacity = order_capacity
        self.level_pages = order_capacity if level_pages is None else level_pages
        self.arena = layout.new_arena(self.instruments, self.order_capacity, self.level_pages)
        self.address: int = self.arena.ctypes.data
        """Address of the arena, for the kernels."""
        self._words = self.arena[: layout.HEADER_BYTES].view(np.int64)
        self._index = {s: i for i, s in enumerate(self.instruments["symbol"].tolist())}
        self._out = np.empty(0, dtype=EVENT_DTYPE)
        self._best = np.zeros(6, dtype=np.int64)
        self._best_addr: int = self._best.ctypes.data
        self._depth = np.zeros((0, 3), dtype=np.int64)

    @property
    def open_orders(self) -> int:
        return int(self._words[layout.OPEN_ORDERS // 8])

    @property
    def last_seq(self) -> int:
        """``seq`` of the last command processed; 0 before the first."""
        return int(self._words[layout.LAST_SEQ // 8])

    @property
    def event_count(self) -> int:
        """Events written so far, which is the ``seq`` of the last."""
        return int(self._words[layout.EVENT_COUNT // 8])

    def process(self, orders: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Process commands (ORDER_DTYPE, one dimension) and return their events (EVENT_DTYPE),
        numbered on from ``event_count``.  The kernels read and write addresses: see
        :func:`openoutcry.matcher.kernels.process_batch` for use without copies."""
        if not isinstance(orders, np.ndarray) or orders.dtype != ORDER_DTYPE or orders.ndim != 1:
            raise MatcherError("orders: not a one-dimensional array of ORDER_DTYPE")
        orders = np.ascontiguousarray(orders)
        if not len(self._out):
            slots = scratch_records(self.order_capacity) + 2 * BATCH_COMMANDS
            self._out = np.empty(slots, dtype=EVENT_DTYPE)
        events = np.empty(len(orders) * 5 // 4 + 8, dtype=EVENT_DTYPE)
        done, total, seq = 0, 0, self.event_count + 1
        addr, out_addr = orders.ctypes.data, self._out.ctypes.data
        while done < len(orders):
            # Few commands at a time keep the buffer's used part small, so that it stays in cache.
            commands, written = process_batch(
                self.address,
                addr + done * RECORD_BYTES,
                min(len(orders) - done, BATCH_COMMANDS),
                out_addr,
                len(self._out),
            )
            batch = self._out[:written]
            batch["seq"] = np.arange(seq, seq + written)
            if total + written > len(events):
                events = np.resize(events, 2 * (total + written))
            events[total : total + written] = batch
            done, total, seq = done + commands, total + written, seq + written
        return events[:total]

    def best(self, symbol: str | bytes) -> Best:
        """(bid price or None, bid quantity, ask price or None, ask quantity): ticks and lots."""
        fill_best(self.address, self._instrument(symbol), self._best_addr)
        bid, bid_price, bid_qty, ask, ask_price, ask_qty = self._best.tolist()
        return bid_price if bid else None, bid_qty, ask_price if ask else None, ask_qty

    def depth(self, symbol: str | bytes, levels: int) -> dict[str, Levels]:
        """``{"bids": [(price_ticks, qty_lots, order_count), ...], "asks": [...]}``, best first,
        at most ``levels`` a side."""
        instrument = self._instrument(symbol)
        if levels < 0:
            raise MatcherError(f"depth: levels is {levels}, below 0")
        levels = min(levels, self.open_orders)
        if len(self._depth) < levels:
            self._depth = np.zeros((levels, 3), dtype=np.int64)
        address = self._depth.ctypes.data
        sides = []
        for side in range(2):
            count = fill_depth(
                self.address,
                instrument * layout.BOOKS_EACH + layout.DISPLAYED + side,
                levels,
                address,
            )
            sides.append([(p, q, n) for p, q, n in self._depth[:count].tolist()])
        return {"bids": sides[0], "asks": sides[1]}

    def snapshot(self) -> bytes:
        """The whole visible state as bytes; equal states give equal bytes."""
        rows = np.empty(self.open_orders, dtype=ROW_DTYPE)
        save_orders(self.address, len(self.instruments), rows.ctypes.data)
        return encode(self.instruments, rows, self.last_seq, self.event_count)

    def state_hash(self) -> str:
        """blake2b-128 of :meth:`snapshot`, in hexadecimal."""
        return digest(self.snapshot())

    @classmethod
    def restore(
        cls, data: bytes, order_capacity: int = 1 << 17, level_pages: int | None = None
    ) -> "Engine":
        """An engine that goes on where :meth:`snapshot` was taken.

        Capacities are not part of the state: give those of the first engine, or commands may be
        refused with BOOK_FULL in one and not in the other.  Raises :class:`MatcherError` for
        damaged or foreign bytes or too small a capacity, ``LayoutMismatch`` for another layout.
        """
        instruments, rows, last_seq, event_count = decode(data)
        engine = cls(instruments, order_capacity, level_pages)
        if len(rows) > order_capacity:
            raise MatcherError(
                f"snapshot: {len(rows)} open orders do not fit "
                f"an order_capacity of {order_capacity}"
            )
        count = load_orders(engine.address, rows.ctypes.data, len(rows))
        if count < len(rows):
            raise MatcherError(
                f"snapshot: order row {count}: repeats an id, crosses the book, overflows its "
                f"level or needs more than {engine.level_pages} level_pages"
            )
        engine._words[layout.LAST_SEQ // 8] = last_seq
        engine._words[layout.EVENT_COUNT // 8] = event_count
        if engine.snapshot() != data:
            raise MatcherError("snapshot: its orders are not in canonical order")
        return engine

    def check(self) -> None:
        """Verify every invariant of the memory, slowly; ``AssertionError`` says which is broken."""
        check_arena(self.arena)

    def _instrument(self, symbol: str | bytes) -> int:
        key = symbol.encode("ascii", "replace") if isinstance(symbol, str) else symbol
        index = self._index.get(key.rstrip(b"\0"))
        if index is None:
            raise MatcherError(f"symbol {symbol!r} is not in the instrument table")
        return index
