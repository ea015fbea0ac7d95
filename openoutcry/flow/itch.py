"""NASDAQ TotalView-ITCH 5.0: every order of a trading day, as the venue publishes it.

Source: "NASDAQ TotalView-ITCH 5.0", the venue's specification.  Each message follows a two-byte
big-endian length; in some files these two bytes are zero, and the size is that of the type.
Prices are dollars times 10,000 and stay so, as ticks; lots are shares.

| message | becomes |
|---|---|
| A, F add order | NEW limit, day |
| E, C order executed | NEW limit, immediate-or-cancel, on the other side, at the resting order's price: the book must find the resting order by itself |
| X order cancel | REDUCE |
| D order delete | CANCEL |
| U order replace | CANCEL of the old order and NEW of the new one |
| H trading action, in a feed of our own (`outcry feed`) | PHASE: CONTINUOUS if it trades, else PRE_OPEN; executions while it does not (C, of an auction) are REDUCE |
| S system event O, not the first | CANCEL of every order: another day's messages follow, with all that still rests |
| all others | nothing; counted |
"""  # noqa: E501

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

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
from openoutcry.tape.files import Progress, checked_file
from openoutcry.tape.itch import MESSAGE_TYPES, SYMBOL_AT, messages_of, symbol_of
from openoutcry.wire.enums import CommandKind, Phase, Side, TimeInForce
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import MAX_INSTRUMENTS, make_instruments

# Bytes 0 to 10 of every message: type, stock locate (2), tracking number (2), time stamp (6).
TIME = slice(5, 11)
DAY_NS = 86_400 * 10**9
LATE_NS = 10**9
"""A venue's ports stamp commands before it puts them in their order: a time may be so much before
the one above it."""
STOCK, REASON = slice(11, 19), slice(21, 25)
OUR_REASONS = {
    b"CLSD": Phase.PRE_OPEN,
    b"PREO": Phase.PRE_OPEN,
    b"OPEN": Phase.PRE_OPEN,
    b"CONT": Phase.CONTINUOUS,
    b"VOLA": Phase.PRE_OPEN,
    b"HALT": Phase.PRE_OPEN,
    b"CLOS": Phase.PRE_OPEN,
    b"LAST": Phase.CONTINUOUS,
}
"""Reasons of H messages that no other venue has, and the phase in which our book does as theirs
did. The feed reports what rests, so the phase only matters if orders trade on arrival."""
ADD = struct.Struct(">11xQcI8sI")
EXECUTED = struct.Struct(">11xQI")
REFERENCE = struct.Struct(">11xQ")
REPLACED = struct.Struct(">11xQQII")


class RestingOrder:
    """Data of an order that later messages about it leave out."""

    __slots__ = ("price_ticks", "qty_lots", "side", "symbol")

    def __init__(self, symbol: bytes, side: Side, price_ticks: int, qty_lots: int) -> None:
        self.symbol = symbol
        self.side = side
        self.price_ticks = price_ticks
        self.qty_lots = qty_lots


class ItchSource:
    """A TotalView-ITCH 5.0 file, plain or packed with gzip, zstd or xz.

    Opening it reads it once to collect the symbols that orders name (or, in a file without
    orders, those of the directory).  ``symbols`` keeps only the orders of these.  What is well
    formed and still suspicious is counted in ``account``: time that goes backwards, an order
    reference that an open order has, no shares.  ``recorded``: as :func:`as_recorded` says.
    Raises :class:`FlowError` naming the byte for an unknown message type, a length that is not the
    type's, or a truncated file.
    """

    def __init__(
        self,
        path: str | Path,
        symbols: Collection[str] | None = None,
        progress: Progress | None = None,
        recorded: bool = False,
    ) -> None:
        self.path = checked_file(path)
        self.recorded = recorded
        self.name = f"ITCH {self.path.name}"
        self.count_hint: int | None = None
        self.account: dict[str, int] = {}
        self._progress = progress
        self._kept = None if symbols is None else {s.encode("ascii", "replace") for s in symbols}
        self._phases: dict[bytes, Phase] = {}
        self._sessions = 0
        self.instruments = self._find_instruments()
        self._symbols = frozenset(self.instruments["symbol"].tolist())

    def chunks(self) -> Iterator[Array]:
        """Yield the commands."""
        return in_chunks(self._commands())

    def _find_instruments(self) -> Array:
        ordered: dict[bytes, None] = {}
        listed: dict[bytes, None] = {}
        for at, kind, message in self._read(None):
            if kind in SYMBOL_AT:
                symbol = symbol_of(f"{self.path}: byte {at}", kind, message)
                (listed if kind == b"R" else ordered)[symbol] = None
        if self._kept is not None:
            missing = self._kept - ordered.keys()
            if missing:
                raise FlowError(f"{self.path} has no order of {min(missing).decode()}")
            ordered = {symbol: None for symbol in ordered if symbol in self._kept}
        symbols = ordered or listed
        if not symbols:
            raise FlowError(f"{self.path} has no order and no stock directory: it names no symbol")
        if len(symbols) > MAX_INSTRUMENTS:
            raise FlowError(
                f"{self.path} names {len(symbols)} symbols; an instrument table has at most "
                f"{MAX_INSTRUMENTS}: choose some (--symbols)"
            )
        return make_instruments(symbols)

    def _read(self, progress: Progress | None) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (byte offset, type, message) of each message; count the marks of sessions' ends."""
        self._sessions = 0

        def mark() -> None:
            self._sessions += 1

        return messages_of(self.path, progress, mark)

    def _commands(self) -> Iterator[Command]:
        counts: Counter[str] = Counter()
        self.account = counts
        names = {kind: f"{kind.decode()} {entry.name}" for kind, entry in MESSAGE_TYPES.items()}
        handlers = {
            b"A": self._add,
            b"F": self._add,
            b"E": self._execute,
            b"C": self._execute,
            b"X": self._reduce,
            b"D": self._delete,
            b"U": self._replace,
            b"H": self._phase,
            b"S": self._begin,
        }
        self._phases = {}
        resting: dict[int, RestingOrder] = {}
        last_ns, day_ns = b"", 0
        books: dict[bytes, RecordedBook] = defaultdict(RecordedBook)
        for at, kind, message in self._read(self._progress):
            time_ns = message[TIME]
            is_begin = kind == b"S" and message[11:12] == b"O"
            if time_ns < last_ns:
                back_ns = int.from_bytes(last_ns, "big") - int.from_bytes(time_ns, "big")
                if is_begin or back_ns > DAY_NS // 2:
                    day_ns += DAY_NS
                elif self.recorded and back_ns > LATE_NS:
                    raise FlowError(
                        f"{self.path}: byte {at}: time goes backwards by {back_ns / 1e9:.9f} s: "
                        "the messages are not in their order"
                    )
                else:
                    counts["suspicious: time goes backwards"] += 1
            last_ns = time_ns
            handler = handlers.get(kind)
            if handler is None:
                counts[f"{names[kind]} (no command)"] += 1
                continue
            commands = handler(at, message, resting)
            if commands:
                counts[names[kind]] += 1
                if self.recorded:
                    ts_ns = day_ns + int.from_bytes(time_ns, "big")
                    maker_id = REFERENCE.unpack_from(message)[0] if kind in (b"E", b"C") else 0
                    commands = [
                        as_recorded(one, ts_ns)
                        for given in commands
                        for one in books[cast(Any, given).symbol].in_turn(given, maker_id)
                    ]
                yield from commands
            elif kind in (b"H", b"S"):
                counts[f"{names[kind]} (no command)"] += 1
            elif self._kept is not None:
                counts[f"{names[kind]}, of another symbol (no command)"] += 1
            else:
                counts[f"{names[kind]}, of an order never added (no command)"] += 1
        if self._sessions:
            counts["end of a session (no command)"] = self._sessions

    def _suspect(self, resting: dict[int, RestingOrder], reference: int, shares: int) -> None:
        """Count what is well formed and cannot be right; it is run all the same."""
        counts = cast("Counter[str]", self.account)
        if reference in resting:
            counts["suspicious: the reference of an order that is open"] += 1
        if shares == 0:
            counts["suspicious: no shares"] += 1

    def _begin(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        if message[11:12] != b"O":
            return []
        gone = [_about(CommandKind.CANCEL, order, 0, number) for number, order in resting.items()]
        resting.clear()
        return gone

    def _add(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        reference, letter, shares, symbol, price = ADD.unpack_from(message)
        symbol = symbol.rstrip(b" ")
        if self._kept is not None and symbol not in self._kept:
            return []
        if letter not in (b"B", b"S"):
            raise FlowError(f"{self.path}: byte {at + 21}: {letter!r} is not a side, B or S")
        side = Side.BUY if letter == b"B" else Side.SELL
        return [self._rest(at, resting, reference, RestingOrder(symbol, side, price, shares))]

    def _rest(
        self, at: int, resting: dict[int, RestingOrder], reference: int, order: RestingOrder
    ) -> Command:
        if reference >= AGGRESSOR_ID:
            raise FlowError(f"{self.path}: byte {at}: order reference {reference} is too large")
        self._suspect(resting, reference, order.qty_lots)
        resting[reference] = order
        return _about(CommandKind.NEW, order, order.qty_lots, reference)

    def _execute(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        reference, shares = EXECUTED.unpack_from(message)
        order = resting.get(reference)
        if order is None:
            return []
        self._suspect({}, reference, shares)
        _take(resting, reference, order, shares)
        if self._phases.get(order.symbol) == Phase.PRE_OPEN:
            return [_about(CommandKind.REDUCE, order, shares, reference)]
        return [
            command(
                CommandKind.NEW,
                order.symbol,
                opposite(order.side),
                order.price_ticks,
                shares,
                AGGRESSOR_ID + at,
                TimeInForce.IOC,
            )
        ]

    def _phase(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        symbol, phase = message[STOCK].rstrip(b" "), OUR_REASONS.get(message[REASON])
        known = self._phases.get(symbol, Phase.CONTINUOUS)
        if phase in (None, known) or symbol not in self._symbols:
            return []
        self._phases[symbol] = phase
        return [operator_command(CommandKind.PHASE, symbol, aux=int(phase))]

    def _reduce(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        reference, shares = EXECUTED.unpack_from(message)
        order = resting.get(reference)
        if order is None:
            return []
        self._suspect({}, reference, shares)
        _take(resting, reference, order, shares)
        return [_about(CommandKind.REDUCE, order, shares, reference)]

    def _delete(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        (reference,) = REFERENCE.unpack_from(message)
        order = resting.pop(reference, None)
        if order is None:
            return []
        return [_about(CommandKind.CANCEL, order, order.qty_lots, reference)]

    def _replace(self, at: int, message: bytes, resting: dict[int, RestingOrder]) -> list[Command]:
        old_reference, new_reference, shares, price = REPLACED.unpack_from(message)
        old = resting.pop(old_reference, None)
        if old is None:
            return []
        new = RestingOrder(old.symbol, old.side, price, shares)
        return [
            _about(CommandKind.CANCEL, old, old.qty_lots, old_reference),
            self._rest(at, resting, new_reference, new),
        ]


def _about(kind: CommandKind, order: RestingOrder, qty_lots: int, reference: int) -> Command:
    return command(kind, order.symbol, order.side, order.price_ticks, qty_lots, reference)


def _take(
    resting: dict[int, RestingOrder], reference: int, order: RestingOrder, shares: int
) -> None:
    """Take shares off what is remembered; forget an order of which nothing is left."""
    order.qty_lots -= shares
    if order.qty_lots <= 0:
        del resting[reference]
