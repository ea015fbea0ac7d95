"""Recordings order by order in the formats of others (``openoutcry.tape``), as commands.

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

from collections import Counter
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
from openoutcry.tape.convert import Reading, open_tape
from openoutcry.tape.files import Progress
from openoutcry.tape.records import ACTIONS, BY_ORDER, CLEAR, LEVEL, NOTHING, TRADE
from openoutcry.wire.enum_numbers import PHASE_CONTINUOUS, PHASE_PRE_OPEN
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import make_instruments

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


class ByOrderSource:
    """One instrument of a file order by order, of any format of ``openoutcry.tape``.

    ``family`` is that of its format, otherwise found by the content.  A file that names no
    instrument has any ``symbol``; without one, the file has one instrument.  Raises
    :class:`FlowError` naming the record.
    """

    def __init__(
        self,
        path: Path,
        symbol: str = "",
        family: str = "",
        progress: Progress | None = None,
    ) -> None:
        self.path, self._how = path, Reading(family, progress=progress)
        self.account: dict[str, int] = {}
        self.count_hint: int | None = None
        header = open_tape(path, self._how).header
        if header.about != BY_ORDER or "event" not in header.kinds:
            raise FlowError(f"{path} is of the format {header.format}: not a book order by order")
        names = list(dict.fromkeys(one.name for one in header.symbols.values()))
        if not symbol and len(names) != 1:
            raise FlowError(f"{path} has several instruments, choose one: {', '.join(names[:8])}")
        if symbol and symbol not in names and names != [""]:
            raise FlowError(f"{path} has no {symbol}: it has {', '.join(names[:8])}")
        wanted = symbol if symbol in names else names[0]
        self._wanted = {key for key, one in header.symbols.items() if one.name == wanted}
        self._one = header.symbols[min(self._wanted)]
        if self._one.price_decimals > MOST_DECIMALS:
            raise FlowError(f"{path}: prices have more than {MOST_DECIMALS} decimals")
        self.symbol = (symbol or wanted or "TAPE").encode("ascii", "replace")[:8]
        self.name = f"{header.format} {path.name}"
        self.instruments = make_instruments([self.symbol])
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

    def _changes(self) -> Iterator[Change]:
        """The records of the instrument."""
        number, counts = 0, Counter[str]()
        self.account = counts
        unit, lot = 10 ** (MOST_DECIMALS - self._one.price_decimals), 10**self._one.qty_decimals
        for kind, records in open_tape(self.path, self._how).chunks():
            if kind != "event":
                number += len(records)
                continue
            columns = [records[name].tolist() for name in FIELDS]
            for instrument, ts_ns, letter, side, price, qty, order_id in zip(*columns, strict=True):
                number += 1
                if instrument not in self._wanted:
                    continue
                where = f"{self.path}: record {number}"
                if letter == LEVEL or (letter not in (TRADE, CLEAR, NOTHING) and not order_id):
                    raise FlowError(f"{where} is not of a book order by order")
                lots, rest = divmod(qty, lot)
                if rest:
                    raise FlowError(f"{where}: {qty / lot} is no whole number of lots")
                counts[ACTIONS[letter]] += 1
                action = letter.decode()
                yield Change(number, ts_ns, action, side.decode(), price * unit, lots, order_id)

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
