"""Bitstamp: order-by-order events of a crypto market, as the R package ob-analytics records them.

Prices become ticks of 0.01, volumes (satoshi) lots; both are read as decimal text, exactly.

| event | becomes |
|---|---|
| created | NEW limit, day |
| changed | REPLACE by the recorded volume |
| deleted | CANCEL |

A recorded order that crosses the market trades in our book on arrival, as it did on the venue. The
recording then reports the same trade again: as a changed or deleted event of each order. So
"changed" sets the open quantity to what the venue says is left; it does not take the difference off
a second time. After the same trade it changes nothing. Where the venue traded against an order from
before the recording, it brings our book back to the venue's.

Commands about orders that our book has filled, and about orders from before the recording, are sent
all the same. The matcher rejects them as unknown.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from openoutcry.flow.commands import AGGRESSOR_ID, Command, command, in_chunks
from openoutcry.flow.source import Array
from openoutcry.tape.files import Column, CsvFile, Progress, checked_file
from openoutcry.wire.enums import CommandKind, Side
from openoutcry.wire.errors import FlowError
from openoutcry.wire.records import make_instruments

PRICE_DECIMALS = 2

WHOLE = Column("", r"[0-9]{1,18}", "a whole number")
COLUMNS = (
    Column("id", WHOLE.pattern, WHOLE.meaning),
    Column("timestamp", WHOLE.pattern, WHOLE.meaning),
    Column("exchange.timestamp", WHOLE.pattern, WHOLE.meaning),
    Column("price", r"[0-9]{1,15}(\.[0-9]{1,2})?", "a price with two decimals at most"),
    Column("volume", WHOLE.pattern, WHOLE.meaning),
    Column("action", r"created|changed|deleted", "created, changed or deleted"),
    Column("direction", r"bid|ask", "bid or ask"),
)

KINDS = {
    "created": CommandKind.NEW,
    "changed": CommandKind.REPLACE,
    "deleted": CommandKind.CANCEL,
}


class BitstampSource:
    """A Bitstamp order event file (CSV with a header), plain or .xz.

    Raises :class:`FlowError` naming row and column for a wrong cell, and for a broken .xz file.
    """

    def __init__(
        self, path: str | Path, symbol: str = "BTCUSD", progress: Progress | None = None
    ) -> None:
        self.path = checked_file(path)
        self.name = f"Bitstamp {self.path.name}"
        self.symbol = symbol.encode()
        self.instruments = make_instruments([self.symbol])
        self.count_hint: int | None = None
        self.account: dict[str, int] = {}
        self._progress = progress

    def chunks(self) -> Iterator[Array]:
        """Yield the commands."""
        return in_chunks(self._commands())

    def _commands(self) -> Iterator[Command]:
        counts: Counter[str] = Counter()
        self.account = counts
        open_lots: dict[int, int] = {}
        file = CsvFile(self.path, COLUMNS, "a Bitstamp order event file", header=True)
        for row, (id_text, _, _, price, volume, action, direction) in file.rows(self._progress):
            order_id = int(id_text)
            if order_id >= AGGRESSOR_ID:
                raise FlowError(f"{self.path}: row {row}, column 1 (id): {order_id} is too large")
            price_ticks = ticks(price)
            qty_lots = int(volume)
            if price_ticks < 1:
                raise FlowError(f"{self.path}: row {row}, column 4 (price): {price} is not above 0")
            if qty_lots < 1 and action != "deleted":
                raise FlowError(f"{self.path}: row {row}, column 5 (volume): 0 in {action}")
            counts[_account_name(action, qty_lots, open_lots.get(order_id))] += 1
            if action == "deleted":
                # The volume of a cancel means nothing, but the gateway wants it above zero.
                qty_lots = max(1, open_lots.pop(order_id, qty_lots))
            else:
                open_lots[order_id] = qty_lots
            side = Side.BUY if direction == "bid" else Side.SELL
            yield command(KINDS[action], self.symbol, side, price_ticks, qty_lots, order_id)


def ticks(price: str) -> int:
    """Decimal text as a whole number of hundredths, exactly."""
    whole, _, fraction = price.partition(".")
    return int(whole + fraction.ljust(PRICE_DECIMALS, "0"))


def _account_name(action: str, volume: int, open_before: int | None) -> str:
    """Return the name under which an event is counted, by the volume that the recording itself last
    gave the order."""
    if action == "created":
        return "created" if open_before is None else "created again"
    if open_before is None:
        return f"{action}, of an order not open in the recording"
    if action == "changed":
        if volume == open_before:
            return "changed, volume unchanged"
        return "changed, volume down" if volume < open_before else "changed, volume up"
    return "deleted, nothing left" if volume == 0 else "deleted, cancelled"
