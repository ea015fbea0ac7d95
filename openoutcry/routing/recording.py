"""The levels of a market as a Parquet file: what each venue showed, and when.

A row sets one level of a venue to its quantity, or to 0 when it is gone.  Prices and quantities are
the venue's whole units; ``after_fee`` is the price with the taker's fee.  Levels of a feed that is
not traded on (lost, crossed, stale) are gone.  A backtest replays one venue of a file as a day.
"""

import json
from pathlib import Path
from typing import Any

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, PART, SELL, Instrument, Market, RoutingError
from openoutcry.routing.synthetic import Synthetic
from openoutcry.wire.closing import Closing
from openoutcry.wire.extras import need

ROWS = 10_000
"""Rows of a group; they are in memory until it is full."""
FEE_DECIMALS = 6
NAMES = ("ts_ns", "venue", "side", "price", "quantity", "after_fee")
COLUMNS = NAMES[:5]
"""What a level is; its price after fees follows from the market."""
TEXTS = ("venue", "side")
SIDES = {BUY: "ask", SELL: "bid"}
"""What an order of that side takes."""
Key = tuple[str, str, int]


class Recording(Closing):
    """The file of one market, or of one synthetic book, whose venue has no name."""

    def __init__(self, path: Path, market: Market | Instrument) -> None:
        """Raises :class:`RoutingError` without pyarrow."""
        what = "a recording needs pyarrow"
        self._arrow: Any = need("pyarrow", what, "backtest", RoutingError)
        parquet: Any = need("pyarrow.parquet", what, "backtest", RoutingError)
        one = market if isinstance(market, Instrument) else market.instrument
        scales = {"": (one.price_decimals, one.quantity_decimals)}
        if isinstance(market, Market):
            scales = {e.venue: (e.price_decimals, e.quantity_decimals) for e in market.listings}
        facts: dict[str, Any] = {"symbol": one.symbol, "decimals": scales}
        facts["after_fee_decimals"] = one.price_decimals + FEE_DECIMALS
        text, number = self._arrow.string(), self._arrow.int64()
        self._schema = self._arrow.schema(
            [(name, text if name in TEXTS else number) for name in NAMES],
            {"outcry": json.dumps(facts)},
        )
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._shown: dict[Key, tuple[int, int]] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._last_ns = self.count = 0

    def take(self, depth: Depth, now_ns: int) -> None:
        """Record what a market's venues show now."""
        shown = {}
        for side, name in SIDES.items():
            for level in depth.take_side(side, now_ns):
                listing = depth.market.listings[level.venue]
                price = level.price // listing.price_factor
                quantity = level.quantity // listing.quantity_factor
                shown[listing.venue, name, price] = quantity, abs(level.key)
        self._note(shown, now_ns)

    def take_synthetic(self, book: Synthetic, now_ns: int) -> None:
        """Record a synthetic book, whose prices are after fees."""
        shown = {
            ("", name, one.price): (one.quantity, one.price * PART)
            for side, name in SIDES.items()
            for one in book.take_side(side, now_ns)
        }
        self._note(shown, now_ns)

    def _note(self, shown: dict[Key, tuple[int, int]], now_ns: int) -> None:
        """Write what has changed: first what is gone."""
        self._last_ns = now_ns
        for key, (_, after_fee) in self._shown.items():
            if key not in shown:
                self._rows.append((now_ns, *key, 0, after_fee))
        for key, level in shown.items():
            if self._shown.get(key) != level:
                self._rows.append((now_ns, *key, *level))
        self._shown = shown
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = [list(column) for column in zip(*self._rows, strict=True)]
        if columns:
            self._writer.write_table(
                self._arrow.table(dict(zip(NAMES, columns, strict=True)), self._schema)
            )
        self.count += len(self._rows)
        self._rows = []

    def close(self) -> None:
        """Write that nothing is shown after the last look, and the rest of the rows; before it the
        file cannot be read."""
        self._note({}, self._last_ns)
        self._flush()
        self._writer.close()
