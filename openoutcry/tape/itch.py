"""NASDAQ TotalView-ITCH 5.0 as files: every message after its length, and what it says of a market.

Source: "NASDAQ TotalView-ITCH 5.0", the venue's specification.  Each message follows a two-byte
big-endian length; in some files these two bytes are zero, and the size is that of the type.

| message | record |
|---|---|
| R, H, S | definition; status; status of instrument 0, the whole market |
| A, F | A |
| E, C that is printed | T of the taker, F and C of the order |
| C that is not printed | C, with a detail: a Q counts its shares |
| X, D | C |
| U | C and A, with a detail |
| P, Q | T, with a detail |
| o of a feed of our own | symbol and decimals of an instrument |
| all others | none; counted |
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from openoutcry.tape.files import Progress, checked_file, unpacked
from openoutcry.tape.fit import DAY_NS, Losses
from openoutcry.tape.orders import Event, OpenOrders, Resting, Step, Steps
from openoutcry.tape.records import (
    ADD,
    AFTER_HALT,
    ASK,
    BID,
    CANCEL,
    CLOSING,
    CROSS,
    FILL,
    HIDDEN,
    NO_PRICE,
    NO_SIDE,
    OPENING,
    OPPOSITE,
    REPLACED,
    TRADE,
    UNPRINTED,
    Array,
    Header,
    Rows,
    Symbol,
    blank,
)
from openoutcry.wire.errors import FlowError
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50
from openoutcry.wire.symbols import CODE_BYTES, code_of

READ_BYTES = 1 << 20
DECIMALS = 4


class MessageType(NamedTuple):
    size_bytes: int
    """Size of the message with its type byte, without its framing."""
    name: str


MESSAGE_TYPES = {
    b"S": MessageType(12, "system event"),
    b"R": MessageType(39, "stock directory"),
    b"H": MessageType(25, "trading action"),
    b"Y": MessageType(20, "Reg SHO restriction"),
    b"L": MessageType(26, "market participant position"),
    b"V": MessageType(35, "circuit breaker decline level"),
    b"W": MessageType(12, "circuit breaker status"),
    b"K": MessageType(28, "IPO quoting period"),
    b"J": MessageType(35, "limit up-limit down auction collar"),
    b"h": MessageType(21, "operational halt"),
    b"A": MessageType(36, "add order"),
    b"F": MessageType(40, "add order with attribution"),
    b"E": MessageType(31, "order executed"),
    b"C": MessageType(36, "order executed with price"),
    b"X": MessageType(23, "order cancel"),
    b"D": MessageType(19, "order delete"),
    b"U": MessageType(35, "order replace"),
    b"P": MessageType(44, "trade"),
    b"Q": MessageType(40, "cross trade"),
    b"B": MessageType(19, "broken trade"),
    b"I": MessageType(50, "net order imbalance"),
    b"N": MessageType(20, "retail price improvement"),
    b"O": MessageType(48, "direct listing with capital raise"),
    b"o": MessageType(53, "order book directory"),
}

LOCATE, TRACKING, TIME = slice(1, 3), slice(3, 5), slice(5, 11)
SYMBOL_AT = {b"A": slice(24, 32), b"F": slice(24, 32), b"R": slice(11, 19)}
ADDED = struct.Struct(">11xQcI8sI")
EXECUTED = struct.Struct(">11xQIQ")
PRICED = struct.Struct(">11xQIQcI")
CANCELLED = struct.Struct(">11xQI")
DELETED = struct.Struct(">11xQ")
REPLACEMENT = struct.Struct(">11xQQII")
TRADED = struct.Struct(">11xQcI8sIQ")
CROSSED = struct.Struct(">11xQ8sIQc")
HEAD = struct.Struct(">cHH6s")
SIDES = {b"B": BID, b"S": ASK}
LETTERS = {BID: b"B", ASK: b"S", NO_SIDE: b"B"}
CROSSES = {b"O": OPENING, b"C": CLOSING, b"H": AFTER_HALT}
CROSS_LETTERS = {detail: letter for letter, detail in CROSSES.items()} | {CROSS: b"I"}
MARKET_ACTIONS = {b"O": 0, b"S": 1, b"Q": 7, b"M": 12, b"E": 13, b"C": 15}
"""Codes of S, and Databento's actions of a status: none, before the opening, trading, closed, after
the close, not available."""
STATES = {b"T": 7, b"H": 8, b"P": 9, b"Q": 3}
"""States of H: trading, halted, paused, quotations only."""
CONSTANTS = {
    "market_category": " ",
    "financial_status": " ",
    "classification": "C",
    "sub_type": "Z",
    "authenticity": "P",
    "short_sale_threshold": " ",
    "ipo": "N",
    "luld_tier": " ",
    "etp": "N",
    "etp_leverage": 0,
    "inverse": "N",
}
"""What a directory message says that no record does; the writer says these."""


def messages_of(
    path: Path, progress: Progress | None = None, marks: Callable[[], None] | None = None
) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (byte offset, type, message) of each message, framing checked and left out.

    A length of zero with no message after it marks the end of a session: ``marks`` is called.
    Raises :class:`FlowError` naming the byte for an unknown message type, a length that is not the
    type's, or a truncated file."""
    size_bytes = path.stat().st_size
    sizes = {kind[0]: (kind, entry.size_bytes) for kind, entry in MESSAGE_TYPES.items()}
    start = 0  # byte offset, unpacked, of data[0]
    data = b""
    with unpacked(path) as (file, raw):
        while more := file.read(READ_BYTES):
            data += more
            at = 0
            while at + FRAME_BYTES < len(data):
                framed = data[at] << 8 | data[at + 1]
                if framed == 0 == data[at + FRAME_BYTES]:
                    if marks:
                        marks()
                    at += FRAME_BYTES
                    continue
                entry = sizes.get(data[at + FRAME_BYTES])
                if entry is None:
                    raise _unknown_type(path, start + at, data[at : at + 64])
                kind, size = entry
                if framed not in (0, size):
                    raise FlowError(
                        f"{path}: byte {start + at}: length {framed} before a "
                        f"message of type {kind.decode()!r}, which has {size} bytes"
                    )
                end = at + FRAME_BYTES + size
                if end > len(data):
                    break
                yield start + at, kind, data[at + FRAME_BYTES : end]
                at = end
            start += at
            data = data[at:]
            if progress:
                progress(raw.tell(), size_bytes)
    if data == bytes(FRAME_BYTES):
        if marks:
            marks()
    elif data:
        raise FlowError(
            f"{path} is truncated: it ends at byte {start + len(data)}, within the "
            f"message that starts at byte {start}"
        )


def _unknown_type(path: Path, at: int, begin: bytes) -> FlowError:
    kind = begin[FRAME_BYTES : FRAME_BYTES + 1]
    looks = "; it looks like text" if at == 0 and begin.isascii() and 0 not in begin else ""
    return FlowError(
        f"{path}: byte {at + FRAME_BYTES}: unknown message type {kind!r}: the "
        f"file is not TotalView-ITCH 5.0, or is damaged before this byte{looks}"
    )


def symbol_of(where: str, kind: bytes, message: bytes) -> bytes:
    """Return the symbol that a message of :data:`SYMBOL_AT` names.  Raises :class:`FlowError`."""
    symbol = message[SYMBOL_AT[kind]].rstrip(b" ")
    if not symbol or any(not 0x21 <= c <= 0x7E for c in symbol):
        raise FlowError(f"{where}: {symbol!r} is not a symbol")
    return symbol


class ItchRecords:
    """Messages, one after the other, as records of a tape.

    ``numbers`` are the instruments' by symbol, if a locate does not say them.  What no record says
    is counted in ``unread``.
    """

    def __init__(self, rows: Rows, numbers: dict[bytes, int] | None = None) -> None:
        self.rows, self.unread = rows, Counter[str]()
        self._numbers, self._book = numbers, OpenOrders()

    def said(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int = 0) -> None:
        """Append the records of a message."""
        if message[TRACKING] != b"\0\0":
            self.unread["tracking number"] += 1
        handler = self._HANDLERS.get(kind)
        if handler is None:
            self.unread[f"{kind.decode()} {MESSAGE_TYPES[kind].name}"] += 1
        else:
            handler(self, where, kind, message, ts_ns, sequence)

    def _number(self, message: bytes, symbol: bytes = b"") -> int:
        if self._numbers is not None:
            return self._numbers.get(symbol.rstrip(b" "), 0)
        return int.from_bytes(message[LOCATE], "big")

    def _added(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        reference, letter, shares, symbol, price = ADDED.unpack_from(message)
        if letter not in SIDES:
            raise FlowError(f"{where}: {letter!r} is not a side, B or S")
        if kind == b"F" and message[36:40].strip(b" \0"):
            self.unread["attribution"] += 1
        if reference in self._book.orders:
            self.unread["suspicious: the reference of an order that is open"] += 1
        number, side = self._number(message, symbol), SIDES[letter]
        self._book.add(reference, Resting(number, side, price, shares))
        self.rows.event(ts_ns, ADD, side, price, shares, reference, number, sequence=sequence)

    def _changed(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        """E, C, X, D, U: messages about an order."""
        reference = DELETED.unpack_from(message)[0]
        order = self._book.orders.get(reference)
        if order is None:
            self.unread[f"{kind.decode()} {MESSAGE_TYPES[kind].name}, of an unknown order"] += 1
            return
        number, side, price = order.instrument, order.side, order.price
        of_order: dict[str, Any] = {"instrument": number, "sequence": sequence}
        shares, detail, match = order.qty, 0, 0
        if kind in b"EC":
            _, shares, match = EXECUTED.unpack_from(message)
            paid, printed = price, True
            if kind == b"C":
                _, _, _, letter, paid = PRICED.unpack_from(message)
                printed = letter == b"Y"
            if printed:
                at = of_order | {"match_id": match}
                self.rows.event(ts_ns, TRADE, OPPOSITE[side], paid, shares, **at)
                self.rows.event(ts_ns, FILL, side, paid, shares, reference, **at)
                match = 0
            else:
                detail = UNPRINTED
                if paid != price:
                    self.unread["price of an execution that is not printed"] += 1
        elif kind == b"X":
            shares = CANCELLED.unpack_from(message)[1]
        elif kind == b"U":
            detail = REPLACED
        if not 0 < shares <= order.qty:
            raise FlowError(f"{where}: order {reference} has {order.qty} shares, not {shares}")
        if kind == b"X" and shares == order.qty:
            self.unread["X of all shares"] += 1
        self._book.take(reference, shares)
        of_order |= {"detail": detail, "match_id": match}
        self.rows.event(ts_ns, CANCEL, side, price, shares, reference, **of_order)
        if kind == b"U":
            _, new, shares, price = REPLACEMENT.unpack_from(message)
            self._book.add(new, Resting(number, side, price, shares))
            self.rows.event(ts_ns, ADD, side, price, shares, new, **of_order)

    def _traded(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        reference, _, shares, symbol, price, match = TRADED.unpack_from(message)
        self.rows.event(
            ts_ns,
            TRADE,
            NO_SIDE,
            price,
            shares,
            reference,
            self._number(message, symbol),
            match_id=match,
            sequence=sequence,
            detail=HIDDEN,
        )

    def _crossed(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        shares, symbol, price, match, letter = CROSSED.unpack_from(message)
        if shares >= 2**63:
            raise FlowError(f"{where}: {shares} shares")
        self.rows.event(
            ts_ns,
            TRADE,
            NO_SIDE,
            price,
            shares,
            0,
            self._number(message, symbol),
            match_id=match,
            sequence=sequence,
            detail=CROSSES.get(letter, CROSS),
        )

    def _listed(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        row = ITCH50.from_server("R").unpack(message)
        if any(str(row[name]).strip() != str(value).strip() for name, value in CONSTANTS.items()):
            self.unread["R: category, status, class, threshold, tier, ETP"] += 1
        record = blank("definition")[0]
        record["ts_ns"] = ts_ns
        record["instrument"] = self._number(message, message[SYMBOL_AT[b"R"]])
        record["raw_symbol"] = message[SYMBOL_AT[b"R"]].rstrip(b" ")
        record["min_lot_size_round_lot"] = min(row["round_lot"], 2**31 - 1)
        record["min_lot_size"] = row["round_lot"] if row["round_lots_only"] == "Y" else 1
        self.rows.add("definition", record.tolist())

    def _state(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        record = blank("status")[0]
        record["ts_ns"] = ts_ns
        if kind == b"S":
            action = MARKET_ACTIONS.get(message[11:12])
            if message[11:12] == b"O":
                self._begun(ts_ns, sequence)
        else:
            action = STATES.get(message[19:20])
            record["instrument"] = self._number(message, message[11:19])
            record["is_trading"] = b"Y" if action == 7 else b"N"
            if message[21:25].strip(b" \0"):
                self.unread["H: reason"] += 1
        if action is None:
            raise FlowError(f"{where}: {kind.decode()} with an unknown code")
        record["action"] = action
        self.rows.add("status", record.tolist())

    def _begun(self, ts_ns: int, sequence: int) -> None:
        """Another session: what is displayed still is said again."""
        for reference, order in self._book.orders.items():
            of_order = {"instrument": order.instrument, "sequence": sequence}
            self.rows.event(
                ts_ns, CANCEL, order.side, order.price, order.qty, reference, **of_order
            )
        self._book.orders.clear()

    def _named(self, where: str, kind: bytes, message: bytes, ts_ns: int, sequence: int) -> None:
        """The header has it."""

    _HANDLERS: ClassVar[dict[bytes, Callable[..., None]]] = {
        b"A": _added,
        b"F": _added,
        b"E": _changed,
        b"C": _changed,
        b"X": _changed,
        b"D": _changed,
        b"U": _changed,
        b"P": _traded,
        b"Q": _crossed,
        b"R": _listed,
        b"H": _state,
        b"S": _state,
        b"o": _named,
    }


class ItchTape:
    """A TotalView-ITCH 5.0 file, plain or packed with gzip, zstd or xz; it is read twice, first for
    its symbols.

    ``midnight_ns`` is the midnight before the first message.  Raises :class:`FlowError` naming the
    byte.
    """

    def __init__(
        self, path: Path, progress: Progress | None = None, midnight_ns: int = 0, name: str = ""
    ) -> None:
        self.path, self._progress, self._midnight_ns = checked_file(path), progress, midnight_ns
        self.unread: dict[str, int] = {}
        by_locate, names = dict[int, Symbol](), dict[bytes, int]()
        is_numbered, has_events = True, False
        for at, kind, message in messages_of(path):
            locate = int.from_bytes(message[LOCATE], "big")
            if kind == b"o":
                row = ITCH50.from_server("o").unpack(message)
                by_locate[locate] = Symbol(row["symbol"].rstrip(), row["price_decimals"])
            elif kind in SYMBOL_AT:
                has_events = has_events or kind != b"R"
                symbol = symbol_of(f"{path}: byte {at}", kind, message)
                if symbol not in names:
                    names[symbol] = locate
                    by_locate.setdefault(locate, Symbol(symbol.decode(), DECIMALS))
                is_numbered = is_numbered and locate > 0 and names[symbol] == locate
        is_numbered = is_numbered and len(names) == len(by_locate)
        self._numbers: dict[bytes, int] | None = None
        if not is_numbered:
            self._numbers = {symbol: at for at, symbol in enumerate(names, start=1)}
            by_locate = {
                at: Symbol(symbol.decode(), DECIMALS) for symbol, at in self._numbers.items()
            }
        self.header = Header("itch", ("event", "definition", "status"))
        self.header.symbols = dict(sorted(by_locate.items()))

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        rows = Rows()
        records = ItchRecords(rows, self._numbers)
        self.unread = records.unread
        if self._numbers is not None:
            records.unread["stock locate"] += 1
        last_ns, day_ns = 0, self._midnight_ns
        for at, kind, message in messages_of(self.path, self._progress):
            time_ns = int.from_bytes(message[TIME], "big")
            if time_ns < last_ns and (
                last_ns - time_ns > DAY_NS // 2 or (kind == b"S" and message[11:12] == b"O")
            ):
                day_ns += DAY_NS
            last_ns = time_ns
            records.said(f"{self.path}: byte {at}", kind, message, day_ns + time_ns)
            yield from rows.taken()
        yield from rows.taken(end=True)


class ItchWriter:
    """Writes every message after its length to ``path``."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        self._file = path.open("wb")
        self._header, self._losses, self._steps = header, losses, Steps(losses)
        if not all(one.name for one in header.symbols.values()):
            raise FlowError("itch names every instrument: give the symbol of the file (--name)")
        self._codes = {number: code_of(one.name) for number, one in header.symbols.items()}
        self._listed: set[int] = set()

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        if kind == "event":
            for step in self._steps.of(records):
                self._step(step)
            return
        self._drain()
        for record in records:
            if kind == "definition":
                self._definition(record)
            else:
                self._status(record)

    def close(self) -> None:
        """Write what is left."""
        self._drain()
        self._file.close()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()

    def _drain(self) -> None:
        for step in self._steps.end():
            self._step(step)

    def _send(self, kind: bytes, number: int, ts_ns: int, body: bytes) -> None:
        size = MESSAGE_TYPES[kind].size_bytes
        head = HEAD.pack(kind, number, 0, (ts_ns % DAY_NS).to_bytes(6, "big"))
        message = (head + body).ljust(size, b" ")
        assert len(message) == size
        self._file.write(size.to_bytes(FRAME_BYTES, "big") + message)

    def _code(self, number: int) -> bytes:
        return self._codes.get(number, str(number).encode()).ljust(CODE_BYTES)[:CODE_BYTES]

    def _list(self, number: int, ts_ns: int, round_lot: int = 1, only: str = "N") -> None:
        """Send the directory of an instrument, once."""
        if number in self._listed or number not in self._codes:
            return
        self._listed.add(number)
        stock = {
            "locate": number,
            "timestamp": ts_ns % DAY_NS,
            "stock": self._code(number).decode(),
        }
        terms = CONSTANTS | {"round_lot": round_lot, "round_lots_only": only}
        self._raw(ITCH50.from_server("R").pack(**stock, **terms))
        one = self._header.symbols[number]
        if len(one.name) > CODE_BYTES or one.price_decimals != DECIMALS:
            long = {"symbol": one.name, "price_decimals": one.price_decimals}
            self._raw(ITCH50.from_server("o").pack(**stock, **long))

    def _raw(self, message: bytes) -> None:
        self._file.write(len(message).to_bytes(FRAME_BYTES, "big") + message)

    def _definition(self, record: Any) -> None:
        number, lot = int(record["instrument"]), int(record["min_lot_size_round_lot"])
        usual = blank("definition")[0]
        for name in ("ts_ns", "instrument", "raw_symbol", "min_lot_size_round_lot", "min_lot_size"):
            usual[name] = record[name]
        if usual.tobytes() != record.tobytes():
            reason = "ITCH says an instrument's symbol and round lot"
            self._losses.add("definition", 1, reason)
        only = "Y" if int(record["min_lot_size"]) == lot != 1 else "N"
        if number in self._listed:
            self._losses.add("definition", 1, "ITCH says an instrument's symbol and round lot")
        self._list(number, int(record["ts_ns"]), 1 if lot == 2**31 - 1 else lot, only)

    def _status(self, record: Any) -> None:
        number, action, ts_ns = (int(record[name]) for name in ("instrument", "action", "ts_ns"))
        table = STATES if number else MARKET_ACTIONS
        found = [letter for letter, value in table.items() if value == action]
        usual = blank("status")[0]
        for name in ("ts_ns", "instrument", "action", "is_trading"):
            usual[name] = record[name]
        if not found or usual.tobytes() != record.tobytes():
            self._losses.add("status", 1, "ITCH says trading, quoting, paused and halted alone")
        if not found:
            return
        if number:
            self._list(number, ts_ns)
            self._send(b"H", number, ts_ns, self._code(number) + found[0] + b"     ")
        else:
            self._send(b"S", 0, ts_ns, found[0])

    def _step(self, step: Step) -> None:
        event = step.event
        self._list(event.instrument, event.ts_ns)
        number, ts_ns, reference = event.instrument, event.ts_ns, event.order_id
        if step.kind == "add":
            price = self._price(event)
            body = struct.pack(">Q", reference) + LETTERS[event.side]
            body += struct.pack(">I", event.qty) + self._code(number) + struct.pack(">I", price)
            self._send(b"A", number, ts_ns, body)
        elif step.kind == "replace":
            assert step.other is not None
            new = step.other
            body = struct.pack(">QQII", reference, new.order_id, new.qty, self._price(new))
            self._send(b"U", number, ts_ns, body)
        elif step.kind == "execution":
            self._executed(step)
        elif step.kind == "trade":
            self._trade(event)
        elif event.detail == UNPRINTED:
            body = struct.pack(">QIQ", reference, event.qty, event.match_id) + b"N"
            self._send(b"C", number, ts_ns, body + struct.pack(">I", self._price(event)))
        elif step.kind == "whole":
            self._send(b"D", number, ts_ns, struct.pack(">Q", reference))
        else:
            if step.left < 0:
                self._losses.add("unknown", 1, "the cancel of an order that was never added")
            self._send(b"X", number, ts_ns, struct.pack(">QI", reference, event.qty))

    def _executed(self, step: Step) -> None:
        event = step.event
        body = struct.pack(">QIQ", event.order_id, event.qty, event.match_id)
        if step.price in (event.price, NO_PRICE):
            self._send(b"E", event.instrument, event.ts_ns, body)
        else:
            body += b"Y" + struct.pack(">I", self._price(event))
            self._send(b"C", event.instrument, event.ts_ns, body)

    def _trade(self, event: Event) -> None:
        number, code, price = event.instrument, self._code(event.instrument), self._price(event)
        if event.detail in CROSS_LETTERS:
            body = struct.pack(">Q", event.qty) + code + struct.pack(">IQ", price, event.match_id)
            self._send(b"Q", number, event.ts_ns, body + CROSS_LETTERS[event.detail])
            return
        if event.side != NO_SIDE or event.detail != HIDDEN:
            self._losses.add("side", 1, "a trade of no displayed order has no side")
        body = struct.pack(">Q", event.order_id) + b"B" + struct.pack(">I", event.qty)
        body += code + struct.pack(">IQ", price, event.match_id)
        self._send(b"P", number, event.ts_ns, body)

    def _price(self, event: Event) -> int:
        if event.price == NO_PRICE:
            raise FlowError(f"ITCH has no such message without a price: order {event.order_id}")
        return event.price
