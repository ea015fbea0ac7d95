"""A subscriber's book: messages of ITCH 5.0 in, every displayed order of every instrument out."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import openoutcry.market_data.book_state as book_state
from openoutcry.market_data.book_apply import apply, count_ahead, list_levels, list_orders, rehash
from openoutcry.market_data.book_levels import NODE_BYTES
from openoutcry.market_data.book_state import (
    BookHeader,
    BookInstrument,
    BookLevel,
    BookOrder,
    TapeRow,
)
from openoutcry.wire.errors import FeedError

ERRORS = {
    book_state.BAD_MESSAGE: "is not a message of ITCH 5.0",
    book_state.UNKNOWN_ORDER: "is about an order that is not in the book",
    book_state.TWICE: "adds an order that is in the book already",
    book_state.TOO_MUCH: "takes off more shares than the order has, or none",
}
SIDES = "BS"
CLEARED = (
    "order_free",
    "orders_used",
    "level_free",
    "levels_used",
    "messages",
    "open",
    "now",
    "node_count",
    "level_1",
    "level_2",
    "level_3",
    "breached",
)
"""Fields of the header that are 0 in an empty book."""
ITCH_DECIMALS = 4
"""Decimals of prices, unless the stream says otherwise."""


@dataclass(frozen=True)
class Instrument:
    """Data of an instrument in addition to its book. Prices have ``price_decimals``."""

    locate: int
    symbol: str
    state: str
    """T trading, Q a call phase, P paused, H halted or closed."""
    reason: str
    last_price: int
    last_shares: int
    volume: int
    trades: int
    turnover: int
    """Sum of price times shares, modulo 2**64."""
    paired: int
    imbalance: int
    direction: str
    near_price: int
    open_price: int
    high: int
    low: int
    stopped: bool = False
    """An operational halt (h) of this market alone."""
    collar: tuple[int, int, int] | None = None
    """Reference, upper and lower price of an auction, while it is called."""
    extension: int = 0
    """How often that auction was put off."""
    code: str = ""
    """The symbol in the eight characters of other messages."""
    price_decimals: int = ITCH_DECIMALS


class Trade(NamedTuple):
    """A trade that counts in the statistics."""

    locate: int
    price: int
    shares: int
    match: int
    time_ns: int
    """Since midnight."""


class Book:
    """The displayed orders of all instruments.  With the first message of another session (S, O) it
    is empty, and knows nothing, as it did at first.

    ``orders``: room to begin with; the book grows as it must.
    """

    def __init__(self, orders: int = 1 << 16) -> None:
        self._header = np.zeros(book_state.HEADER_BYTES // 8, np.int64)
        self._instruments = np.zeros(
            (book_state.MAX_LOCATE + 1) * book_state.INSTRUMENT_BYTES // 8, np.int64
        ).reshape(book_state.MAX_LOCATE + 1, -1)
        self._state = BookHeader(self._header.ctypes.data)
        self._state.instruments = self._instruments.ctypes.data
        self._directory = np.zeros(
            (book_state.MAX_LOCATE + 1) * book_state.DIRECTORY_BYTES // 8, np.int64
        ).reshape(book_state.MAX_LOCATE + 1, -1)
        self._state.directory = self._directory.ctypes.data
        self._orders = self._levels = np.zeros(0, np.int64)
        self._tables: tuple[npt.NDArray[np.int64], ...] = ()
        self._allocate(orders)

    def _allocate(self, capacity: int) -> None:
        """Make room for ``capacity`` orders; the present ones keep their places."""
        state, old = self._state, (self._orders, self._levels)
        self._orders = lines((capacity + 1) * book_state.ORDER_BYTES)
        self._levels = lines((capacity + 1) * book_state.LEVEL_BYTES)
        for new, before in zip((self._orders, self._levels), old, strict=True):
            new[: len(before)] = before
        entries = max(64, 1 << (2 * capacity).bit_length())
        words = entries // 2  # of levels there are fewer than orders; one that is full grows all
        self._tables = tuple(
            lines(size)
            for size in (
                book_state.PLACE_BYTES * entries,
                book_state.PLACE_BYTES * entries,
                NODE_BYTES * words,
            )
        )
        state.orders, state.levels = self._orders.ctypes.data, self._levels.ctypes.data
        state.order_capacity = state.level_capacity = capacity
        state.order_table, state.level_table, state.nodes = (
            table.ctypes.data for table in self._tables
        )
        state.order_mask = state.level_mask = entries - 1
        state.node_mask, state.node_count = words - 1, 0
        orders = self._orders.view(BookOrder.dtype())
        levels = self._levels.view(BookLevel.dtype())
        free = state.level_free
        while free:  # rehash passes over a row that counts nothing
            levels["count"][free] = 0
            free = int(levels["worse"][free])
        free = state.order_free
        while free:
            orders["shares"][free] = orders["level"][free] = 0
            free = int(orders["behind"][free])
        rehash(BookHeader.of(self.address))

    @property
    def address(self) -> int:
        """Address of the header, for kernels that read the book."""
        return int(self._header.ctypes.data)

    def touch(self) -> None:
        """Have the system find all memory now rather than at a message."""
        for array in (self._orders, self._levels, *self._tables):
            array[:: 4096 // array.itemsize] |= 0

    def keep_trades(self, rows: int) -> None:
        """Keep the last trades from now on: ``rows`` of them, a power of two."""
        assert rows & (rows - 1) == 0
        self._tape = lines(rows * TapeRow.size_bytes)
        self._state.tape, self._state.tape_mask = self._tape.ctypes.data, rows - 1
        self._state.tape_count = 0

    @property
    def trades_kept(self) -> int:
        """Return how many trades have come since they are kept."""
        return self._state.tape_count

    def trades_after(self, count: int) -> list[Trade]:
        """Return the trades after the first ``count`` that were kept.  Raises :class:`FeedError` if
        some of them have been overwritten."""
        made = self._state.tape_count
        if made - count > self._state.tape_mask:
            raise FeedError(f"trades {count + 1} to {made} of the book are no longer kept")
        rows = self._tape.reshape(-1, TapeRow.size_bytes // 8)
        places = np.arange(count, made) & self._state.tape_mask
        return [Trade(*row) for row in rows[places, :5].tolist()]

    def clear(self) -> None:
        """Empty, and knowing of no instrument."""
        for name in CLEARED:
            setattr(self._state, name, 0)
        for array in (
            self._instruments,
            self._directory,
            self._orders,
            self._levels,
            *self._tables,
        ):
            array[:] = 0

    def saved(self) -> dict[str, npt.NDArray[Any]]:
        """The book as arrays, for :meth:`restore`."""
        known = np.flatnonzero(self._instruments.any(axis=1))
        orders, levels = self._state.orders_used + 1, self._state.levels_used + 1
        return {
            "book": self._header.copy(),
            "places": self._instruments[: (known[-1] + 1 if len(known) else 0)],
            "directory": self._directory[: (known[-1] + 1 if len(known) else 0)],
            "orders": self._orders[: orders * book_state.ORDER_BYTES // 8],
            "levels": self._levels[: levels * book_state.LEVEL_BYTES // 8],
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Be the book that was saved."""
        self._header[:] = arrays["book"]
        self._state.tape = 0
        self._state.instruments = self._instruments.ctypes.data
        self._instruments[:] = 0
        self._instruments[: len(arrays["places"])] = arrays["places"]
        self._state.directory = self._directory.ctypes.data
        self._directory[:] = 0
        if "directory" in arrays:
            self._directory[: len(arrays["directory"])] = arrays["directory"]
        self._orders, self._levels = arrays["orders"], arrays["levels"]
        self._allocate(self._state.order_capacity)

    @property
    def messages(self) -> int:
        """Return how many messages were taken in."""
        return self._state.messages

    @property
    def open_orders(self) -> int:
        """Displayed orders, in all instruments."""
        return self._state.open

    @property
    def time_ns(self) -> int:
        """Time of the last message, ns since midnight."""
        return self._state.now

    @property
    def decline_levels(self) -> tuple[int, int, int] | None:
        """The index, with eight decimals, at which the market-wide breaker halts (1, 2) and closes
        the market (3), 0: not at all; None: the stream has not said."""
        levels = self._state.level_1, self._state.level_2, self._state.level_3
        one, two, three = (level & (1 << 64) - 1 for level in levels)
        return (one, two, three) if one or two or three else None

    @property
    def breached(self) -> str:
        """The highest level of the breaker that the index has reached today; empty: none."""
        return chr(self._state.breached).strip("\0")

    def apply(self, messages: bytes) -> None:
        """Take in messages, each after its length (u16, big-endian).

        Raises :class:`FeedError` naming the message that cannot be; those before it are in.
        """
        data = np.frombuffer(messages, np.uint8)
        at = 0
        while at < len(messages):
            at += apply(BookHeader.of(self.address), data.ctypes.data + at, len(messages) - at)
            error = self._state.error
            self._state.error = 0
            if error == book_state.FULL:
                self._allocate(2 * self._state.order_capacity)
            elif error == book_state.BEGINS:
                self.clear()
            elif error:
                raise FeedError(f"message {self.messages + 1} of the book {ERRORS[error]}")

    def instruments(self) -> list[Instrument]:
        """Return the instruments that the stream has named, by locate."""
        return [self.instrument(int(k)) for k in np.flatnonzero(self._instruments[:, 0])]

    def instrument(self, locate: int) -> Instrument:
        """Return what the feed has said of an instrument: names, state, prices, auction."""
        row = BookInstrument(self._instruments[locate].ctypes.data)
        code = _text(row.symbol.to_bytes(8, "little", signed=True))
        decimals, *name = self._directory[locate].tolist()
        symbol = _text(np.array(name, np.int64).tobytes()) or code
        collar = (
            row.collar_reference,
            row.collar_upper,
            row.collar_lower,
        )
        return Instrument(
            locate=locate,
            symbol=symbol,
            code=code,
            price_decimals=decimals - 1 if decimals else ITCH_DECIMALS,
            state=chr(row.state).strip(" \0"),
            reason=row.reason.to_bytes(4, "big").decode("latin-1").strip(" \0"),
            last_price=row.last_price,
            last_shares=row.last_shares,
            volume=row.volume,
            trades=row.trades,
            turnover=row.turnover & (1 << 64) - 1,
            paired=row.paired,
            imbalance=row.imbalance,
            direction=chr(row.direction).strip("\0"),
            near_price=row.near_price,
            open_price=row.open_price,
            high=row.high,
            low=row.low,
            stopped=chr(row.stopped) == "H",
            collar=collar if any(collar) else None,
            extension=row.extension,
        )

    def orders(self, locate: int, side: str) -> npt.NDArray[np.int64]:
        """(price, shares, number) of a side's orders, best price first, then in their queue."""
        out = np.zeros((self.open_orders, 3), np.int64)
        at = BookHeader.of(self.address), locate, int(side == "B")
        return out[: list_orders(*at, out.ctypes.data, len(out))]

    def ahead(self, reference: int) -> tuple[int, int] | None:
        """(orders, shares) before a displayed order in the queue of its price, or None."""
        out = np.zeros(2, np.int64)
        is_displayed = count_ahead(BookHeader.of(self.address), reference, out.ctypes.data)
        return (int(out[0]), int(out[1])) if is_displayed else None

    def levels(self, locate: int, side: str, most: int = 10) -> list[tuple[int, int, int]]:
        """(price, shares, orders) of a side's best levels."""
        out = np.zeros((most, 3), np.int64)
        at = BookHeader.of(self.address), locate, int(side == "B")
        count = list_levels(*at, out.ctypes.data, most)
        return [tuple(row) for row in out[:count].tolist()]

    def hash(self) -> str:
        """Return a hash of every displayed order at its place: locate, side, price and shares."""
        hasher = blake2b(digest_size=16)
        for locate in np.flatnonzero(self._instruments[:, 1:3].any(axis=1)).tolist():
            for side in SIDES:
                hash_side(hasher, locate, side, self.orders(locate, side)[:, :2])
        return hasher.hexdigest()


def _text(data: bytes) -> str:
    return data.decode("latin-1").rstrip(" \0")


def lines(size_bytes: int) -> npt.NDArray[np.int64]:
    """Zeroed memory that begins with a cache line."""
    memory = np.zeros(size_bytes // 8 + 8, np.int64)
    first = -memory.ctypes.data % 64 // 8
    return memory[first : first + size_bytes // 8]


def hash_side(hasher: Any, locate: int, side: str, orders: npt.NDArray[np.int64]) -> None:
    """Add a side of an instrument to a hash: ``orders`` (price as in messages, shares), best
    price first, then in their queue.  Empty sides are left out."""
    if len(orders):
        hasher.update(locate.to_bytes(2, "big") + side.encode())
        hasher.update(len(orders).to_bytes(8, "big"))
        hasher.update(np.ascontiguousarray(orders, ">i8").tobytes())
