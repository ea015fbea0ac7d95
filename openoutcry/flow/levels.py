"""A venue's levels as ``outcry route record`` keeps them, as orders: one at each level.

| row | command |
|---|---|
| a level that is gone | CANCEL of its order |
| less quantity | REDUCE of its order, which keeps its place |
| a new level, or more quantity | CANCEL of its order, if there is one, and NEW |
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openoutcry.flow.commands import Command, as_recorded, command, in_chunks
from openoutcry.flow.source import Array
from openoutcry.wire.enums import CommandKind, Side
from openoutcry.wire.errors import FlowError
from openoutcry.wire.extras import need

SIDES = {"bid": Side.BUY, "ask": Side.SELL}
COLUMNS = ("ts_ns", "venue", "side", "price", "quantity")


class LevelsSource:
    """One venue of a file of levels.  Raises :class:`FlowError` for a file without them."""

    def __init__(self, path: Path, venue: str) -> None:
        parquet: Any = need("pyarrow.parquet", "levels need pyarrow", "backtest", FlowError)
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise FlowError(f"{path}: {error}") from None
        missing = set(COLUMNS) - set(self._file.schema_arrow.names)
        if missing:
            raise FlowError(f"{path} has no levels: it lacks {', '.join(sorted(missing))}")
        self.path, self.venue = path, venue
        self.symbol = b"LEVELS"

    def chunks(self) -> Iterator[Array]:
        """Yield the commands."""
        return in_chunks(self._commands())

    def _commands(self) -> Iterator[Command]:
        open_orders: dict[tuple[Side, int], tuple[int, int]] = {}
        """Order and quantity of each level."""
        number = 0
        for group in range(self._file.num_row_groups):
            table = self._file.read_row_group(group, list(COLUMNS))
            columns = [table[name].to_pylist() for name in COLUMNS]
            for ts_ns, venue, name, price, quantity in zip(*columns, strict=True):
                if venue != self.venue:
                    continue
                side = SIDES[name]
                order, had = open_orders.pop((side, price), (0, 0))
                if 0 < quantity < had:
                    kept = command(
                        CommandKind.REDUCE, self.symbol, side, price, had - quantity, order
                    )
                    yield as_recorded(kept, ts_ns, 0)
                elif order:
                    gone = command(CommandKind.CANCEL, self.symbol, side, price, had, order)
                    yield as_recorded(gone, ts_ns, 0)
                if quantity > had or (quantity and not order):
                    order = number = number + 1
                    new = command(CommandKind.NEW, self.symbol, side, price, quantity, order)
                    yield as_recorded(new, ts_ns, 0)
                if quantity:
                    open_orders[side, price] = order, quantity
