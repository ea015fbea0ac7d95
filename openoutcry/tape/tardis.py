"""Tardis.dev's CSV files: ``trades``, ``incremental_book_L2`` and ``book_snapshot_N``.

Source: https://docs.tardis.dev/downloadable-csv-files.  Times are in us.  A level of a file of
levels says whether it is a snapshot's; the first of a snapshot after one of none begins a book.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.tape.files import Column, CsvFile, Progress, checked_file, unpacked
from openoutcry.tape.fit import Losses
from openoutcry.tape.records import (
    ASK,
    BID,
    BY_PRICE,
    CHUNK_RECORDS,
    LEVEL,
    NO_PRICE,
    NO_SIDE,
    NOTHING,
    SNAPSHOT,
    TRADE,
    TRADES,
    Array,
    Header,
    Rows,
    Symbol,
    depth_dtype,
)
from openoutcry.wire.errors import FlowError

MICROSECOND_NS = 1_000
ORIGIN = "tardis"
"""Key of the exchange's name in a header's ``origin``."""
OUR_EXCHANGE = "outcry"
MOST_DECIMALS = 18
TIME = r"[0-9]{1,15}|[1-8][0-9]{15}", "a time in us since the epoch"
NUMBER = r"[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", "a decimal number, 0 or more"
MAYBE = rf"({NUMBER[0]})?", "a decimal number, 0 or more, or nothing"
HEAD = (
    Column("exchange", r".*", "text"),
    Column("symbol", r".+", "a symbol"),
    Column("timestamp", *TIME),
    Column("local_timestamp", *TIME),
)
TAIL = (Column("price", *NUMBER), Column("amount", *NUMBER))
LEVELS = (
    *HEAD,
    Column("is_snapshot", r"true|false", "true or false"),
    Column("side", r"bid|ask", "bid or ask"),
    *TAIL,
)
TRADE_COLUMNS = (
    *HEAD,
    Column("id", r".*", "text"),
    Column("side", r"buy|sell|unknown", "buy, sell or unknown"),
    *TAIL,
)
SIDES = {"bid": BID, "ask": ASK, "buy": BID, "sell": ASK, "unknown": NO_SIDE}
LEVEL_SIDES = {BID: "bid", ASK: "ask"}
TRADE_SIDES = {BID: "buy", ASK: "sell", NO_SIDE: "unknown"}
BEGIN = b"exchange,symbol,timestamp,local_timestamp,"
FIRST_LEVEL = "asks[0].price"
LEVELS_MOST = 1_000


def snapshot_columns(levels: int) -> tuple[Column, ...]:
    """Return the columns of a file of snapshots with so many levels."""
    found = list(HEAD)
    for at in range(levels):
        for side in ("asks", "bids"):
            found += [Column(f"{side}[{at}].{name}", *MAYBE) for name in ("price", "amount")]
    return tuple(found)


def head_of(path: Path) -> list[str]:
    """Return the names of a file's columns."""
    with unpacked(path) as (file, _):
        return file.readline(1 << 20).decode("latin-1").rstrip("\r\n").split(",")


class TardisTape:
    """A file of Tardis.dev's, plain or packed; it is read twice, first for its symbols and
    decimals.  Raises :class:`FlowError` naming row and column."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path, self._progress = checked_file(path), progress
        self.unread: dict[str, int] = {}
        names, levels = head_of(path), 0
        columns: tuple[Column, ...]
        if "is_snapshot" in names:
            what, columns, about = "incremental_book_L2", LEVELS, BY_PRICE
        elif FIRST_LEVEL in names:
            levels = sum(bool(re.fullmatch(r"asks\[\d+\]\.price", name)) for name in names)
            if levels > LEVELS_MOST:
                raise FlowError(f"{path}: row 1 has {levels} levels: more than {LEVELS_MOST}")
            what, columns, about = f"book_snapshot_{levels}", snapshot_columns(levels), BY_PRICE
        else:
            what, columns, about = "trades", TRADE_COLUMNS, TRADES
        self._file = CsvFile(path, columns, f"a file of Tardis.dev's {what}", header=True)
        self._levels = levels
        self._numbers: dict[str, int] = {}
        exchange, symbols = self._scan()
        kind = "depth" if levels else "event"
        name = (
            "tardis-snapshot" if levels else f"tardis-{'trades' if about == TRADES else 'levels'}"
        )
        self.header = Header(name, (kind,), about, symbols, levels, {ORIGIN: exchange})

    def _scan(self) -> tuple[str, dict[int, Symbol]]:
        """The exchange, and the symbols with their decimals."""
        exchange: str | None = None
        places: dict[str, list[int]] = {}
        for number, cells in self._file.rows():
            if exchange is None:
                exchange = cells[0]
            elif cells[0] != exchange:
                raise FlowError(
                    f"{self.path}: row {number}, column 1 (exchange): {cells[0]} after {exchange}: "
                    "a tape is of one exchange"
                )
            known = places.setdefault(cells[1], [0, 0])
            values = cells[4:] if self._levels else cells[-2:]
            for at, text in enumerate(values):
                if text and (count := _decimals(text)) > known[at % 2]:
                    known[at % 2] = count
        symbols = {at: Symbol(name, *places[name]) for at, name in enumerate(places, start=1)}
        self._numbers = {one.name: at for at, one in symbols.items()}
        return exchange or "", symbols

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield the records."""
        unread: Counter[str] = Counter()
        self.unread = unread
        if self._levels:
            yield from self._snapshots()
            return
        rows = Rows()
        is_trades = self.header.about == TRADES
        for number, cells in self._file.rows(self._progress):
            _, name, time_us, local_us, fifth, side, price, amount = cells
            instrument = self._numbers[name]
            one = self.header.symbols[instrument]
            place = f"{self.path}: row {number}, column"
            match = 0
            if is_trades and fifth:
                if (
                    fifth.isascii()
                    and fifth.isdigit()
                    and str(int(fifth)) == fifth
                    and len(fifth) < 20
                ):
                    match = int(fifth)
                else:
                    unread["id that is no whole number"] += 1
            rows.event(
                int(time_us) * MICROSECOND_NS,
                TRADE if is_trades else LEVEL,
                SIDES[side],
                _whole(price, one.price_decimals, f"{place} 7 (price)"),
                _whole(amount, one.qty_decimals, f"{place} 8 (amount)"),
                instrument=instrument,
                rx_ts_ns=int(local_us) * MICROSECOND_NS,
                match_id=match,
                flags=SNAPSHOT if fifth == "true" and not is_trades else 0,
            )
            yield from rows.taken()
        yield from rows.taken(end=True)

    def _snapshots(self) -> Iterator[tuple[str, Array]]:
        size = max(1, CHUNK_RECORDS // self._levels)
        records, count = np.zeros(size, depth_dtype(self._levels)), 0
        for number, cells in self._file.rows(self._progress):
            record = records[count]
            instrument = self._numbers[cells[1]]
            one = self.header.symbols[instrument]
            record["ts_ns"], record["rx_ts_ns"] = (
                int(cell) * MICROSECOND_NS for cell in cells[2:4]
            )
            record["instrument"], record["price"] = instrument, NO_PRICE
            record["action"], record["side"], record["flags"] = NOTHING, NO_SIDE, SNAPSHOT
            for at in range(4 * self._levels):
                level, place = divmod(at, 4)
                side, is_qty = ("ask", "bid")[place // 2], place % 2
                decimals = one.qty_decimals if is_qty else one.price_decimals
                where = f"{self.path}: row {number}, column {at + 5}"
                text = cells[at + 4]
                value = _whole(text, decimals, where) if text else (0 if is_qty else NO_PRICE)
                record["levels"][level][f"{side}_{'qty' if is_qty else 'price'}"] = value
            count += 1
            if count == size:
                yield "depth", records[:count].copy()
                count = 0
        if count:
            yield "depth", records[:count].copy()


def _decimals(text: str) -> int:
    """Decimals that a number needs."""
    digits, _, power = text.lower().partition("e")
    _, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    if not power:
        return len(fraction)
    whole = digits.partition(".")[0] + fraction
    zeros = len(whole) - len(whole.rstrip("0")) if whole.strip("0") else len(whole)
    return max(0, len(fraction) - int(power) - (0 if fraction else min(zeros, -min(0, int(power)))))


def _whole(text: str, decimals: int, place: str) -> int:
    """A number in units of its decimals."""
    digits, _, power = text.lower().partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    shift = decimals - len(fraction) + int(power or 0)
    value = int(whole + fraction)
    value = value * 10**shift if shift >= 0 else value // 10**-shift
    if value >= NO_PRICE or decimals > MOST_DECIMALS:
        raise FlowError(f"{place}: {text} is too large for {decimals} decimals in 63 bits")
    return value


def decimal_text(value: int, decimals: int) -> str:
    """Return a whole number of units as text, without zeros at the end."""
    if not decimals:
        return str(value)
    sign, digits = ("-", -value) if value < 0 else ("", value)
    whole, part = divmod(digits, 10**decimals)
    fraction = f"{part:0{decimals}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


class TardisWriter:
    """Writes trades, levels or snapshots to ``path``."""

    def __init__(self, path: Path, header: Header, losses: Losses) -> None:
        self._header, self._losses = header, losses
        self._exchange = header.origin.get(ORIGIN, OUR_EXCHANGE)
        self._file = path.open("w")
        columns: tuple[Column, ...] = TRADE_COLUMNS
        if header.format == "tardis-levels":
            columns = LEVELS
        elif header.format == "tardis-snapshot":
            columns = snapshot_columns(header.levels)
        self._file.write(",".join(column.name for column in columns) + "\n")

    def write(self, kind: str, records: Array) -> None:
        """Append records."""
        names = ("ts_ns", "rx_ts_ns", "instrument", "price", "qty", "side", "flags", "match_id")
        columns = [records[name].tolist() for name in names]
        for at, row in enumerate(zip(*columns, strict=True)):
            ts_ns, rx_ts_ns, number, price, qty, side, flags, match = row
            one = self._header.symbol(number)
            if not rx_ts_ns:
                reason = "Tardis has a local time in every row: the exchange's is written"
                self._losses.add("no rx_ts_ns", 1, reason)
            local_us = (rx_ts_ns or ts_ns) // MICROSECOND_NS
            if ts_ns < 0 or local_us < 0:
                raise FlowError(f"a time before 1970 does not fit {self._header.format}")
            head = f"{self._exchange},{one.name},{ts_ns // MICROSECOND_NS},{local_us}"
            if kind == "depth":
                self._snapshot(head, records[at], one)
                continue
            if price == NO_PRICE:
                raise FlowError(f"{self._header.format} has no record without a price")
            if self._header.format == "tardis-levels":
                if side not in LEVEL_SIDES:
                    raise FlowError("tardis-levels has no level without a side")
                middle = f"{'true' if flags & SNAPSHOT else 'false'},{LEVEL_SIDES[side]}"
            else:
                middle = f"{match or ''},{TRADE_SIDES[side]}"
            self._file.write(
                f"{head},{middle},{decimal_text(price, one.price_decimals)},"
                f"{decimal_text(qty, one.qty_decimals)}\n"
            )

    def _snapshot(self, head: str, record: Any, one: Symbol) -> None:
        cells = [head]
        levels = record["levels"]
        for level in levels:
            for side in ("ask", "bid"):
                price, qty = int(level[f"{side}_price"]), int(level[f"{side}_qty"])
                there = price != NO_PRICE
                cells.append(decimal_text(price, one.price_decimals) if there else "")
                cells.append(decimal_text(qty, one.qty_decimals) if there else "")
        if levels["bid_orders"].any() or levels["ask_orders"].any():
            self._losses.add("orders", 1, "Tardis does not say how many orders a level has")
        if record["price"] != NO_PRICE or record["qty"]:
            self._losses.add("price", 1, "a snapshot does not say what changed it")
        self._file.write(",".join(cells) + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()

    def abort(self) -> None:
        """Close the file: it is not wanted."""
        self._file.close()
