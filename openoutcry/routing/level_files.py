"""A recording of levels as messages of ITCH 5.0, and as Databento's market by order.

Each level is an order: it is added, reduced, replaced where there is more, and deleted.  A locate
is a venue; of a synthetic book there is one.  Prices are the venue's, without fees,
in ten-thousandths or finer units.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.market_data.book import ITCH_DECIMALS
from openoutcry.market_data.tape import FeedTape
from openoutcry.routing.instruments import RoutingError
from openoutcry.routing.recording import COLUMNS
from openoutcry.tape.convert import ALL, write_tape
from openoutcry.tape.fit import DAY_NS
from openoutcry.tape.records import Symbol
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import FeedError, FlowError
from openoutcry.wire.extras import need
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50
from openoutcry.wire.symbols import CODE_BYTES, code_of

LETTERS = {"bid": "B", "ask": "S"}
Row = dict[str, Any]


class Part(NamedTuple):
    """The messages of one look, each after its length."""

    first_sequence: int
    messages: bytes
    ts_ns: int
    causes: bytes
    """The same messages with the look's number as their time."""


class Levels:
    """The messages of a file that ``Recording`` wrote.  Raises :class:`RoutingError` for
    another file."""

    def __init__(self, path: Path) -> None:
        parquet: Any = need("pyarrow.parquet", "levels need pyarrow", "backtest", RoutingError)
        try:
            self._file = parquet.ParquetFile(path)
            facts = json.loads(self._file.schema_arrow.metadata[b"outcry"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RoutingError(f"{path} is no recording: {error}") from None
        self.symbol: str = facts["symbol"]
        places = {name: price for name, (price, _) in facts["decimals"].items()}
        self.decimals = {name: max(price, ITCH_DECIMALS) for name, price in places.items()}
        """Of the prices of messages, by venue."""
        self._scales = {name: 10 ** (self.decimals[name] - place) for name, place in places.items()}
        self._locates = {name: number for number, name in enumerate(self.decimals, start=1)}
        self._orders: dict[tuple[str, str, int], tuple[int, int]] = {}
        """Number and quantity of each level."""
        self._last = self._sequence = 0

    @property
    def names(self) -> list[str]:
        """Name of each locate: the instrument's symbol, and where it is traded."""
        return [f"{self.symbol}@{name}" if name else self.symbol for name in self.decimals]

    @property
    def symbols(self) -> dict[int, Symbol]:
        """Name and decimals of each locate."""
        pairs = zip(self.names, self.decimals.values(), strict=True)
        return {at: Symbol(name, places) for at, (name, places) in enumerate(pairs, start=1)}

    def parts(self) -> Iterator[Part]:
        """Yield the messages of each look: first the directory, with the first one."""
        look = [*self._directory()]
        for number, (ts_ns, rows) in enumerate(self._looks(), start=1):
            for row in rows:
                look += self._said(row)
            yield self._part(look, ts_ns, number)
            look = []

    def _looks(self) -> Iterator[tuple[int, list[Row]]]:
        rows: list[Row] = []
        for group in range(self._file.num_row_groups):
            for row in self._file.read_row_group(group, list(COLUMNS)).to_pylist():
                if rows and row["ts_ns"] != rows[0]["ts_ns"]:
                    yield rows[0]["ts_ns"], rows
                    rows = []
                rows.append(row)
        if rows:
            yield rows[0]["ts_ns"], rows

    def _directory(self) -> Iterator[tuple[str, Row]]:
        yield "S", {"locate": 0, "event": "O"}
        for name, locate in self._locates.items():
            symbol = name or self.symbol
            stock = {"locate": locate, "stock": code_of(symbol).decode()}
            yield "R", stock | {"round_lot": 1, "round_lots_only": "N"}
            more = {"symbol": symbol, "price_decimals": self.decimals[name]}
            if len(symbol) > CODE_BYTES or self.decimals[name] != ITCH_DECIMALS:
                yield "o", stock | more

    def _said(self, row: Row) -> Iterator[tuple[str, Row]]:
        """Return what a row changes."""
        key, now = (row["venue"], row["side"], row["price"]), row["quantity"]
        order, had = self._orders.pop(key, (0, 0))
        named = {"locate": self._locates[key[0]], "reference": order}
        if now == 0:
            yield "D", named
        elif order and now < had:
            yield "X", named | {"shares": had - now}
        else:
            self._last += 1
            terms = {"shares": now, "price": row["price"] * self._scales[key[0]]}
            if order:
                yield "U", named | terms | {"new_reference": self._last}
            else:
                stock = code_of(key[0] or self.symbol).decode()
                terms |= {"reference": self._last, "side": LETTERS[key[1]], "stock": stock}
                yield "A", named | terms
            order = self._last
        if now:
            self._orders[key] = order, now

    def _part(self, look: list[tuple[str, Row]], ts_ns: int, number: int) -> Part:
        first, self._sequence = self._sequence + 1, self._sequence + len(look)
        both = [
            b"".join(_framed(kind, row, time_ns) for kind, row in look)
            for time_ns in (ts_ns % DAY_NS, number)
        ]
        return Part(first, both[0], ts_ns, both[1])


def _framed(kind: str, row: Row, time_ns: int) -> bytes:
    data = ITCH50.from_server(kind).pack(**row, timestamp=time_ns)
    return len(data).to_bytes(FRAME_BYTES, "big") + data


def write_levels(source: Path, out: Path, form: str) -> None:
    """Write a recording as ``itch`` (each message after its length) or ``dbn``, whole or not at
    all.  Raises :class:`RoutingError`."""
    levels = Levels(source)
    try:
        with replacing(out) as part:
            if form == "dbn":
                write_tape(FeedTape(levels.parts(), levels.symbols), part, "dbn-mbo", None, [ALL])
            else:
                with part.open("wb") as file:
                    for one in levels.parts():
                        file.write(one.messages)
    except (FeedError, FlowError, ValueError) as error:
        # A price or a quantity that 32 bits do not carry.
        raise RoutingError(f"{out}: {error}") from None
    except OSError as error:
        raise RoutingError(f"{out}: {error.strerror}") from None
