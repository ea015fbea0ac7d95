"""Level updates and trades of one symbol, from Tardis.dev's CSV files.

The files have the data types ``incremental_book_L2`` and ``trades``. Levels have no order ids, so
the source makes the orders:

| row | becomes |
|---|---|
| a level with more than before | NEW for the difference, at the end of the level's queue |
| a level with less than before | CANCEL or REDUCE of the last orders of its queue |
| snapshot | the same for each of its levels, and CANCEL of the levels that it does not have |
| trade of a buyer or a seller | NEW limit, immediate-or-cancel, for each order that it fills, from the front of the queue. If the level has less, the rest was hidden: NEW for it first, unless it crosses the other side |
| trade of an unknown side | nothing |

Rows in turn with the same times are one message, as are all rows of a snapshot. Its reductions come
before its additions. At the same time, trades come before levels. The time of a command is the
exchange's (``timestamp``); where it goes back, it is the latest one before.
"""  # noqa: E501

import heapq
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from openoutcry.flow.commands import (
    AGGRESSOR_ID,
    Command,
    as_recorded,
    command,
    in_chunks,
    opposite,
)
from openoutcry.flow.in_turn import RecordedBook
from openoutcry.flow.source import Array
from openoutcry.tape.files import Column, CsvFile, checked_file
from openoutcry.tape.tardis import LEVELS, MICROSECOND_NS, TRADE_COLUMNS
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import FlowError

SIDES = {"bid": Side.BUY, "ask": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}
"""Side of a level or of an aggressor."""
MOST = 2**62
"""Largest number of ticks or lots."""


class Row(NamedTuple):
    """A row of a file, in ticks and lots."""

    number: int
    ts_ns: int
    local_us: int
    is_snapshot: bool
    side: str
    price: str
    price_ticks: int
    qty_lots: int


class Message(NamedTuple):
    """Levels that change at once, or a trade."""

    ts_ns: int
    is_trade: bool
    rows: list[Row]


class TardisSource:
    """One symbol of a file of levels and, if given, one of trades; plain or packed with gzip.

    ``tick`` and ``lot`` are those of the symbol: a price or amount that is no multiple raises
    :class:`FlowError`, as do a wrong cell, a ``local_timestamp`` before that of the row above,
    levels that cross, and a file without the symbol. The error names file, row and column.
    """

    def __init__(
        self, levels: Path, trades: Path | None, symbol: str, tick: Decimal, lot: Decimal
    ) -> None:
        self.levels = checked_file(levels)
        self.trades = checked_file(trades) if trades is not None else None
        self.symbol = symbol.encode("ascii", "replace")[:8]
        self._name, self._tick, self._lot = symbol, tick, lot
        self._book, self._last_id = RecordedBook(), 0

    def chunks(self) -> Iterator[Array]:
        """Yield the commands."""
        return in_chunks(self._commands())

    def _commands(self) -> Iterator[Command]:
        self._book, self._last_id = RecordedBook(), 0
        messages = heapq.merge(
            self._trades(), self._levels(), key=lambda one: (one.ts_ns, not one.is_trade)
        )
        for message in messages:
            change = self._traded if message.is_trade else self._changed
            for done in change(message.rows):
                yield as_recorded(done, message.ts_ns)

    def _levels(self) -> Iterator[Message]:
        def times(row: Row) -> tuple[int, int]:
            return (0, 0) if row.is_snapshot else (row.ts_ns, row.local_us)

        for _, group in groupby(self._read(self.levels, LEVELS), times):
            rows = list(group)
            yield Message(rows[-1].ts_ns, False, rows)

    def _trades(self) -> Iterator[Message]:
        if self.trades is None:
            return
        for row in self._read(self.trades, TRADE_COLUMNS):
            yield Message(row.ts_ns, True, [row])

    def _read(self, path: Path, columns: tuple[Column, ...]) -> Iterator[Row]:
        """The rows of the symbol."""
        of_levels = columns is LEVELS
        what = f"a file of Tardis.dev's {'incremental_book_L2' if of_levels else 'trades'}"
        last_us = last_local_us = 0
        symbols: dict[str, None] = {}
        for number, cells in CsvFile(path, columns, what, header=True).rows():
            _, symbol, time_us, local, fifth, side, price, amount = cells
            local_us = int(local)
            if local_us < last_local_us:
                raise FlowError(
                    f"{path}: row {number}, column 4 (local_timestamp): {local} is before the row "
                    f"above ({last_local_us}): the rows are not in their order"
                )
            last_local_us = local_us
            symbols[symbol] = None
            if symbol != self._name:
                continue
            last_us = max(last_us, int(time_us))
            place = f"{path}: row {number}, column"
            yield Row(
                number,
                last_us * MICROSECOND_NS,
                local_us,
                fifth == "true" and of_levels,
                side,
                price,
                _whole(price, self._tick, "tick", 1, f"{place} 7 (price)"),
                _whole(amount, self._lot, "lot", 0 if of_levels else 1, f"{place} 8 (amount)"),
            )
        if self._name not in symbols and (symbols or of_levels):
            raise FlowError(f"{path} has no {self._name}: it has {', '.join(symbols) or 'no rows'}")

    def _changed(self, rows: list[Row]) -> Iterator[Command]:
        """The commands after which each level has what its last row says."""
        book = self._book
        levels: dict[tuple[int, int], Row | None] = {}
        if rows[0].is_snapshot:
            levels = dict.fromkeys(book.levels())
        for row in rows:
            levels[int(SIDES[row.side]), row.price_ticks] = row
        more = []
        for (side, price_ticks), last in levels.items():
            queue = book.queue(side, price_ticks)
            less = sum(queue.values()) - (last.qty_lots if last else 0)
            if last and less < 0:
                more.append((last, -less))
            while less > 0:
                order_id, lots = queue.popitem()
                kind = CommandKind.CANCEL if lots <= less else CommandKind.REDUCE
                taken = min(lots, less)
                yield from self._send(kind, Side(side), price_ticks, taken, order_id)
                less -= taken
        for row, lots in more:
            new = self._new(SIDES[row.side], row.price_ticks, lots)
            if book.would_cross(new):
                raise FlowError(
                    f"{self.levels}: row {row.number}, column 7 (price): the {row.side} at "
                    f"{row.price} crosses a level of the other side"
                )
            yield from book.in_turn(new)

    def _traded(self, rows: list[Row]) -> Iterator[Command]:
        """The executions of a trade."""
        row = rows[0]
        if row.side not in ("buy", "sell"):
            return
        taker, price_ticks = SIDES[row.side], row.price_ticks
        side, book = opposite(taker), self._book
        hidden = row.qty_lots - sum(book.queue(side, price_ticks).values())
        if hidden > 0:
            new = self._new(side, price_ticks, hidden)
            if not book.would_cross(new):
                yield from book.in_turn(new)
        left = row.qty_lots
        for order_id, lots in book.queue(side, price_ticks).items():
            if not left:
                break
            self._last_id += 1
            yield from self._send(
                CommandKind.NEW,
                taker,
                price_ticks,
                min(left, lots),
                AGGRESSOR_ID + self._last_id,
                TimeInForce.IOC,
                order_id,
            )
            left -= min(left, lots)

    def _new(self, side: Side, price_ticks: int, lots: int) -> Command:
        self._last_id += 1
        return command(CommandKind.NEW, self.symbol, side, price_ticks, lots, self._last_id)

    def _send(
        self,
        kind: CommandKind,
        side: Side,
        price_ticks: int,
        lots: int,
        order_id: int,
        time_in_force: TimeInForce = TimeInForce.DAY,
        maker_id: int = 0,
    ) -> list[Command]:
        given = command(kind, self.symbol, side, price_ticks, lots, order_id, time_in_force)
        return self._book.in_turn(given, maker_id)


def _whole(text: str, unit: Decimal, name: str, least: int, place: str) -> int:
    """``text`` in units; raises :class:`FlowError` where it is no multiple or out of range."""
    value = Decimal(text)
    if value >= MOST * unit:
        raise FlowError(f"{place}: {text} is too large for a {name} of {unit}")
    count, rest = divmod(value, unit)
    if rest:
        raise FlowError(f"{place}: {text} is no multiple of the {name} {unit}")
    if count < least:
        raise FlowError(f"{place}: {text} is not above 0")
    return int(count)
