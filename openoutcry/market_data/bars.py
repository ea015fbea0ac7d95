"""Bars: what an instrument traded at in each second, minute or day, exactly.

A projection of the journal: a trade belongs to the time at which the command that caused it came.
"""

from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.events import Batch, events_of, oldest_point
from openoutcry.journal.tables import arrow
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import FeedError
from openoutcry.wire.off_book import are_off_book
from openoutcry.wire.symbols import symbols_of

SECOND_NS = 1_000_000_000
EVER_NS = 2**63 - 1


@dataclass
class Bar:
    """The trades of an instrument in one interval.  Prices in ticks, quantities in lots."""

    symbol: str
    start_ns: int
    """ns since the epoch, a multiple of the interval (UTC)."""
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    turnover: int
    """Sum of price times quantity, ticks times lots, however large."""
    trades: int

    @property
    def vwap(self) -> Fraction:
        """Price by volume, in ticks, exactly."""
        return Fraction(self.turnover, self.volume_lots)

    def add(self, other: "Bar") -> None:
        """Later trades of the same interval."""
        self.high_ticks = max(self.high_ticks, other.high_ticks)
        self.low_ticks = min(self.low_ticks, other.low_ticks)
        self.close_ticks = other.close_ticks
        self.volume_lots += other.volume_lots
        self.turnover += other.turnover
        self.trades += other.trades


def make_bars(
    directory: Path,
    every_s: int = 60,
    symbol: str | None = None,
    from_ns: int = 0,
    until_ns: int = EVER_NS,
) -> list[Bar]:
    """The bars of a journal, by time and then by instrument; none where nothing traded.

    ``symbol``: of this instrument alone.  ``from_ns`` to below ``until_ns``: trades of that time.
    Raises :class:`FeedError` for an instrument that is not there.
    """
    reader = JournalReader(directory)
    symbols = symbols_of(reader.config)
    if symbol is not None and symbol not in symbols:
        raise FeedError(f"{symbol} is not among the journal's instruments")
    only = symbols.index(symbol) if symbol is not None else None
    bars: dict[tuple[int, int], Bar] = {}
    for batch in events_of(reader, oldest_point(reader)):
        if len(batch.events):
            trades, times = _trades(batch)
            kept = (times >= from_ns) & (times < until_ns)
            kept &= True if only is None else trades["instrument"] == only
            _gather(bars, trades[kept], times[kept], every_s * SECOND_NS, symbols)
    return [bars[key] for key in sorted(bars)]


def _trades(batch: Batch) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """One event of each trade of the book (the maker's, in an auction the buyer's), and when it
    was."""
    events = batch.events
    flags = events["flags"]
    one = (flags & EventFlag.MAKER != 0) | (
        (flags & EventFlag.AUCTION != 0) & (events["side"] == Side.BUY)
    )
    trades = events[(events["kind"] == EventKind.FILLED) & one & ~are_off_book(events["order_id"])]
    times = batch.commands["rx_ts_ns"][trades["cause_seq"] - batch.after_seq - 1]
    return trades, times


def _gather(
    bars: dict[tuple[int, int], Bar],
    trades: npt.NDArray[Any],
    times: npt.NDArray[np.int64],
    every_ns: int,
    symbols: list[str],
) -> None:
    """Add trades, in their order, to their bars."""
    starts, instruments = times // every_ns * every_ns, trades["instrument"]
    order = np.lexsort((instruments, starts))
    if not len(order):
        return
    starts, instruments, trades = starts[order], instruments[order], trades[order]
    changes = (np.diff(starts) != 0) | (np.diff(instruments) != 0)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(order)]
    for begin, end in pairwise(bounds):
        part = trades[begin:end]
        prices, lots = part["price_ticks"].tolist(), part["qty_lots"].tolist()
        bar = Bar(
            symbol=symbols[instruments[begin]],
            start_ns=int(starts[begin]),
            open_ticks=prices[0],
            high_ticks=max(prices),
            low_ticks=min(prices),
            close_ticks=prices[-1],
            volume_lots=sum(lots),
            turnover=sum(price * qty for price, qty in zip(prices, lots, strict=True)),
            trades=len(prices),
        )
        key = int(starts[begin]), int(instruments[begin])
        if key in bars:
            bars[key].add(bar)
        else:
            bars[key] = bar


def write_parquet(bars: list[Bar], out: Path) -> int:
    """Write bars as a table (turnover as a decimal of 38 digits); returns its size in bytes.

    Whole or not at all.  Raises :class:`FeedError`.
    """
    pa = arrow()
    if not out.absolute().parent.is_dir() or (out.exists() and not out.is_file()):
        raise FeedError(f"{out}: not a file in an existing folder")
    kinds = {"symbol": pa.string(), "turnover": pa.decimal128(38, 0)}
    schema = pa.schema(
        [pa.field(name, kinds.get(name, pa.int64())) for name in Bar.__dataclass_fields__]
    )
    try:
        table = pa.Table.from_pylist([asdict(bar) for bar in bars], schema)
        with replacing(out) as part:
            pa.parquet.write_table(table, part, compression="zstd")
        return out.stat().st_size
    except OSError as error:
        raise FeedError(f"{out}: cannot write: {error.strerror}") from None
    except pa.ArrowInvalid as error:
        raise FeedError(f"{out}: {error}") from None
