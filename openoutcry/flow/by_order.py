"""Recordings order by order as others keep them: Databento's DBN, hftbacktest's arrays.

| record | becomes |
|---|---|
| add | NEW limit, day |
| fill of a resting order, and the cancel or change of it that follows | NEW limit, immediate-or-cancel, as of ITCH |
| cancel, change to less | REDUCE, or CANCEL of a whole order |
| another change | CANCEL and NEW |
| clear | CANCEL of every order |
| trade | nothing |

The formats do not say when a market does not match on arrival, as before an auction.  So a new
order that rests across another one begins a pause (PHASE), which ends when no two orders cross;
an execution in it is a REDUCE.
"""  # noqa: E501

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import gcd
from pathlib import Path
from typing import Any, NamedTuple, cast

from openoutcry.flow.commands import (
    AGGRESSOR_ID,
    Command,
    as_recorded,
    command,
    in_chunks,
    operator_command,
    opposite,
)
from openoutcry.flow.in_turn import RecordedBook
from openoutcry.flow.source import Array
from openoutcry.tape.dbn import DbnTape
from openoutcry.tape.files import checked_file
from openoutcry.tape.npz import NpzTape
from openoutcry.tape.records import BY_ORDER, CLEAR, LEVEL, TRADE
from openoutcry.wire.enum_numbers import PHASE_CONTINUOUS, PHASE_PRE_OPEN
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import FlowError

DECIMALS, MOST_DECIMALS = 4, 9
"""A tick is 10**-4 of a price, or less where the prices are finer."""
FIELDS = ("instrument", "ts_ns", "action", "side", "price", "qty", "order_id")
SIDES = {"B": Side.BUY, "A": Side.SELL}


class Change(NamedTuple):
    """A record: ``price`` in units of 10**-9, ``lots`` of a change the new quantity."""

    number: int
    ts_ns: int
    action: str
    side: str
    price: int
    lots: int
    order_id: int


class ByOrderSource(ABC):
    """A file of one of the formats.  Raises :class:`FlowError` naming the record."""

    is_packed = False
    """The format is itself an archive."""

    def __init__(self, path: Path, symbol: str) -> None:
        self.path = checked_file(path, raw=self.is_packed)
        self.symbol = symbol.encode("ascii", "replace")[:8]
        self._name = symbol
        units = 0
        for change in self._changes():
            if change.action in "AM":
                units = gcd(units, change.price)
        self._tick = 10 ** (MOST_DECIMALS - DECIMALS)
        while units % self._tick:
            self._tick //= 10

    def chunks(self) -> Iterator[Array]:
        """Yield the commands."""
        return in_chunks(self._commands())

    @abstractmethod
    def _changes(self) -> Iterator[Change]:
        """The records of the instrument."""

    def _commands(self) -> Iterator[Command]:
        book, last_ns, is_paused = RecordedBook(), 0, False
        for change, given, maker_id in self._translated(book):
            if change.ts_ns < last_ns:
                raise FlowError(
                    f"{self.path}: record {change.number}: time {change.ts_ns} is before that of "
                    f"the record before ({last_ns}): the records are not in their order"
                )
            last_ns = change.ts_ns
            commands = [given]
            if not is_paused and not maker_id and book.would_cross(given):
                is_paused = True
                phase = PHASE_PRE_OPEN
                commands.insert(0, operator_command(CommandKind.PHASE, self.symbol, phase))
            elif is_paused and maker_id:
                side, price = opposite(cast(Any, given).side), cast(Any, given).price_ticks
                lots = cast(Any, given).qty_lots
                commands = [command(CommandKind.REDUCE, self.symbol, side, price, lots, maker_id)]
                maker_id = 0
            for one in commands:
                for done in book.in_turn(one, maker_id):
                    yield as_recorded(done, last_ns)
            if is_paused and not book.is_crossed:
                is_paused = False
                on = operator_command(CommandKind.PHASE, self.symbol, PHASE_CONTINUOUS)
                for done in book.in_turn(on):
                    yield as_recorded(done, last_ns)

    def _translated(self, book: RecordedBook) -> Iterator[tuple[Change, Command, int]]:
        """Each record's commands, with the order that an execution names."""
        filled = 0
        for change in self._changes():
            number, _, action, _, _, lots, order_id = change
            if action in "TN":
                continue
            if action == "F":
                filled = order_id
                continue
            if action == "R":
                for one in book.order_ids():
                    yield change, self._about(CommandKind.CANCEL, change, one, 0), 0
                continue
            if action == "A":
                yield change, self._about(CommandKind.NEW, change, order_id, lots), 0
                continue
            had = book.open_lots(order_id)
            if action == "M" and not (
                lots < had and book.price_of(order_id) == self._ticks(change)
            ):
                yield change, self._about(CommandKind.CANCEL, change, order_id, had), 0
                yield change, self._about(CommandKind.NEW, change, order_id, lots), 0
            else:
                less = had - lots if action == "M" else lots
                if filled == order_id:
                    side = opposite(self._side(change))
                    price, taker = self._ticks(change), AGGRESSOR_ID + number
                    terms = side, price, less, taker, TimeInForce.IOC
                    yield change, command(CommandKind.NEW, self.symbol, *terms), order_id
                else:
                    kind = CommandKind.CANCEL if less >= had else CommandKind.REDUCE
                    yield change, self._about(kind, change, order_id, less), 0
            filled = 0

    def _about(self, kind: CommandKind, change: Change, order_id: int, lots: int) -> Command:
        if order_id >= AGGRESSOR_ID or order_id < 0:
            raise FlowError(f"{self.path}: record {change.number}: order {order_id} is too large")
        side, price = self._side(change), self._ticks(change)
        return command(kind, self.symbol, side, price, lots, order_id)

    def _ticks(self, change: Change) -> int:
        return change.price // self._tick

    def _side(self, change: Change) -> Side:
        if change.side not in SIDES:
            raise FlowError(f"{self.path}: record {change.number} has no side")
        return SIDES[change.side]


class DbnSource(ByOrderSource):
    """One symbol of a DBN file, schema MBO, plain or packed with zstd."""

    def _changes(self) -> Iterator[Change]:
        tape, number = DbnTape(self.path), 0
        if tape.schema.name != "mbo":
            raise FlowError(f"{self.path} is of the schema {tape.schema.name}, not of mbo")
        symbols = tape.header.symbols
        wanted = {key for key, one in symbols.items() if one.name == self._name}
        if not wanted:
            names = ", ".join(dict.fromkeys(one.name for one in symbols.values()))
            raise FlowError(f"{self.path} has no {self._name}: it has {names}")
        for _, records in tape.chunks():
            columns = [records[name].tolist() for name in FIELDS]
            for instrument, ts_ns, action, side, price, lots, order_id in zip(
                *columns, strict=True
            ):
                number += 1
                if instrument in wanted:
                    yield Change(
                        number, ts_ns, action.decode(), side.decode(), price, lots, order_id
                    )


class NpzSource(ByOrderSource):
    """A file of hftbacktest's events, order by order: ``data`` of an .npz."""

    is_packed = True

    def _changes(self) -> Iterator[Change]:
        tape = NpzTape(self.path)
        if tape.header.about != BY_ORDER:
            raise FlowError(f"{self.path}: it has no event of a book order by order")
        one, number = tape.header.symbols[1], 0
        unit, lot = 10 ** (MOST_DECIMALS - one.price_decimals), 10**one.qty_decimals
        for _, records in tape.chunks():
            columns = [records[name].tolist() for name in FIELDS]
            for _, ts_ns, action, side, price, qty, order_id in zip(*columns, strict=True):
                number += 1
                if action == LEVEL or (action not in (TRADE, CLEAR) and not order_id):
                    where = f"{self.path}: record {number}"
                    raise FlowError(f"{where} is not of a book order by order")
                lots, rest = divmod(qty, lot)
                if rest:
                    raise FlowError(
                        f"{self.path}: record {number}: {qty / lot} is no whole number of lots"
                    )
                yield Change(
                    number, ts_ns, action.decode(), side.decode(), price * unit, lots, order_id
                )
