"""LOBSTER: order-by-order messages of one NASDAQ stock, as sold by lobsterdata.com.

A row is a time in seconds after midnight, a type, an order, a size, a price in dollars times 10,000
and the side of the resting order.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from openoutcry.tape.files import Column, CsvFile, Progress, checked_file, unpacked
from openoutcry.tape.fit import DAY_NS, Losses
from openoutcry.tape.orders import OpenOrders, Resting, Step, Steps
from openoutcry.tape.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CROSS,
    FILL,
    HIDDEN,
    NO_PRICE,
    OPPOSITE,
    PLAIN,
    TRADE,
    WHOLE,
    Array,
    Header,
    Rows,
    Symbol,
    blank,
)
from openoutcry.wire.errors import FlowError

NEW, REDUCE, DELETE, EXECUTION, HIDDEN_EXECUTION, CROSS_TRADE, HALT = range(1, 8)
DECIMALS = 4
WHOLE_NUMBER = r"-?[0-9]{1,18}"
COLUMNS = (
    Column("time", r"[0-9]{1,9}(\.[0-9]+)?", "a number of seconds after midnight"),
    Column("type", r"[1-7]", "a message type from 1 to 7"),
    Column("order id", r"[0-9]{1,18}", "a whole number"),
    Column("size", WHOLE_NUMBER, "a whole number"),
    Column("price", WHOLE_NUMBER, "a whole number"),
    Column("direction", r"-?1", "1 (buy) or -1 (sell)"),
)
DAY_S, HALF_DAY_S = 86_400, 43_200
STATUS_OF_HALT = {-1: 8, 0: 3, 1: 7}
"""Prices of type 7, and Databento's actions of a status: halted, quoting, trading."""


class Message(NamedTuple):
    """One row of a message file; ``side`` is that of the resting order."""

    row: int
    kind: int
    order_id: int
    qty_lots: int
    price_ticks: int
    side: bytes
    ts_ns: int = 0
    """After the midnight before the first row."""
    is_cut: bool = False
    """Its time has more than nine decimals."""


def messages_of(
    path: Path,
    progress: Progress | None = None,
    backwards: Callable[[int, str, float], None] | None = None,
) -> Iterator[Message]:
    """Yield the rows of a message file; ``backwards`` is called with row, time and the time above
    where time goes back.  Raises :class:`FlowError` naming row and column."""
    last_s, days = 0.0, 0
    for row, cells in CsvFile(path, COLUMNS, "a LOBSTER message file").rows(progress):
        time, kind, order_id, size, price, direction = cells
        # Nanoseconds past midnight as a float are exact to a hundredth of a microsecond.
        if float(time) < last_s - HALF_DAY_S:
            days += 1  # a session that goes on after midnight
        elif float(time) < last_s and backwards is not None:
            backwards(row, time, last_s)
        last_s = float(time)
        whole, _, part = time.partition(".")
        ts_ns = (days * DAY_S + int(whole)) * 10**9 + int(part[:9].ljust(9, "0"))
        side = BID if direction == "1" else ASK
        message = Message(row, int(kind), int(order_id), int(size), int(price), side, ts_ns)
        if part[9:].strip("0"):
            message = message._replace(is_cut=True)
        if message.kind <= EXECUTION:
            for at, value, least in ((4, message.qty_lots, 0), (5, message.price_ticks, 1)):
                if value < least:
                    raise FlowError(
                        f"{path}: row {row}, column {at} ({COLUMNS[at - 1].name}): "
                        f"{value} is below {least} in a message of type {kind}"
                    )
        yield message


class LobsterTape:
    """A message file of one stock, plain or packed with gzip, zstd or xz.

    ``midnight_ns`` is the midnight before the first row.  Raises :class:`FlowError` naming row and
    column.
    """

    def __init__(
        self, path: Path, progress: Progress | None = None, midnight_ns: int = 0, name: str = ""
    ) -> None:
        self.path, self._progress, self._midnight_ns = checked_file(path), progress, midnight_ns
        self.unread: dict[str, int] = {}
        symbols = {1: Symbol(name, DECIMALS)}
        self.header = Header("lobster", ("event", "status"), symbols=symbols)

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        unread: Counter[str] = Counter()
        self.unread = unread
        rows, book = Rows(), OpenOrders()
        for message in messages_of(self.path, self._progress):
            self._said(message, rows, book, unread)
            yield from rows.taken()
        yield from rows.taken(end=True)

    def _said(self, message: Message, rows: Rows, book: OpenOrders, unread: Counter[str]) -> None:
        _, kind, order_id, qty, price, side, ts_ns, is_cut = message
        if is_cut:
            unread["times below 1 ns"] += 1
        ts_ns += self._midnight_ns
        if kind <= EXECUTION and not qty:
            unread["no shares"] += 1
        elif kind == NEW:
            book.add(order_id, Resting(1, side, price, qty))
            rows.event(ts_ns, ADD, side, price, qty, order_id)
        elif kind == HALT:
            self._halt(message, ts_ns, rows, unread)
        elif kind in (HIDDEN_EXECUTION, CROSS_TRADE):
            if min(qty, price) < 0:
                raise FlowError(
                    f"{self.path}: row {message.row}, column {4 if qty < 0 else 5}: "
                    f"{min(qty, price)} is below 0 in a message of type {kind}"
                )
            detail = HIDDEN if kind == HIDDEN_EXECUTION else CROSS
            rows.event(ts_ns, TRADE, OPPOSITE[side], price, qty, order_id, detail=detail)
        else:
            if kind == EXECUTION:
                rows.event(ts_ns, TRADE, OPPOSITE[side], price, qty)
                rows.event(ts_ns, FILL, side, price, qty, order_id)
            known = book.take(order_id, qty)
            if kind == DELETE and known > 0:
                unread["suspicious: delete of less than an order has"] += 1
                book.take(order_id, known)
            elif kind == REDUCE and known == 0:
                unread["suspicious: reduction of all that an order has"] += 1
            detail = WHOLE if kind == DELETE and known else PLAIN
            rows.event(ts_ns, CANCEL, side, price, qty, order_id, detail=detail)

    def _halt(self, message: Message, ts_ns: int, rows: Rows, unread: Counter[str]) -> None:
        action = STATUS_OF_HALT.get(message.price_ticks)
        if action is None:
            unread["halt of another kind"] += 1
            return
        record = blank("status")[0]
        record["ts_ns"], record["instrument"], record["action"] = ts_ns, 1, action
        record["is_trading"] = b"Y" if action == 7 else b"N"
        rows.add("status", record.tolist())


class LobsterWriter:
    """Writes the messages of one instrument to ``path``."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        self._file = path.open("w")
        self._losses, self._steps = losses, Steps(losses)

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        if kind == "event":
            self._file.writelines(map(self._line, self._steps.of(records)))
            return
        self._file.writelines(map(self._line, self._steps.end()))
        halts = {action: price for price, action in STATUS_OF_HALT.items()}
        columns = records["ts_ns"].tolist(), records["action"].tolist()
        for ts_ns, action in zip(*columns, strict=True):
            if action in halts:
                self._file.write(f"{_seconds(ts_ns)},7,0,0,{halts[action]},-1\n")
            else:
                reason = "LOBSTER has halts, quoting and trading alone"
                self._losses.add(f"status {action}", 1, reason)

    def close(self) -> None:
        """Write what is left."""
        self._file.writelines(map(self._line, self._steps.end()))
        self._file.close()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()

    def _line(self, step: Step) -> str:
        event = step.event
        if step.kind == "replace":
            self._losses.add("detail", 1, "a replacement is said as a cancel and an addition")
            assert step.other is not None
            gone = self._line(Step("whole", event))
            return gone + self._line(Step("add", step.other))
        if step.price not in (event.price, NO_PRICE):
            self._losses.add("price", 1, "an execution has its order's price")
            event = event._replace(price=step.price)
        side = OPPOSITE[event.side] if step.kind == "trade" else event.side
        if event.price == NO_PRICE:
            raise FlowError(f"LOBSTER has no record without a price: order {event.order_id}")
        kind = {"add": NEW, "part": REDUCE, "whole": DELETE, "execution": EXECUTION}.get(step.kind)
        if kind is None:
            kind = HIDDEN_EXECUTION if event.detail in (PLAIN, HIDDEN) else CROSS_TRADE
        return (
            f"{_seconds(event.ts_ns)},{kind},{event.order_id},{event.qty},{event.price},"
            f"{-1 if side == ASK else 1}\n"
        )


def _seconds(ts_ns: int) -> str:
    """Seconds after midnight, without the zeros at the end."""
    second, ns = divmod(ts_ns % DAY_NS, 10**9)
    return f"{second}.{ns:09d}".rstrip("0").rstrip(".")


def read_book(path: str | Path, progress: Progress | None = None) -> Iterator[list[int]]:
    """Yield the rows of a LOBSTER order book file as they are written: ask price, ask size, bid
    price, bid size of each level. Raises :class:`FlowError` naming row and column."""
    path = checked_file(path)
    what = "a LOBSTER order book file"
    with unpacked(path) as (file, _):
        first = file.readline(1 << 16)
    count = first.count(b",") + 1
    if count % 4:
        raise FlowError(f"{path}: row 1 has {count} columns, but {what} has four for each level")
    names = ("ask price", "ask size", "bid price", "bid size")
    columns = tuple(
        Column(f"{names[at % 4]} of level {at // 4 + 1}", WHOLE_NUMBER, "a whole number")
        for at in range(count)
    )
    for _, row in CsvFile(path, columns, what).rows(progress):
        yield [int(cell) for cell in row]
