"""Rows of the history, made from the events of the journal; each transaction takes what has come
since the last."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.copy_rows import HEADER, TRAILER, names_table
from openoutcry.ledger.layout import DAY_NS as LEDGER_DAY_NS
from openoutcry.ledger.layout import Kind
from openoutcry.portal.history import fold
from openoutcry.portal.history.binary import FEE_BYTES, FEE_WORDS, fees
from openoutcry.portal.history.changes import CHANGE_SIZE, TOKEN_BYTES, change_rows
from openoutcry.portal.history.fold import Fold, PastOrder
from openoutcry.portal.history.schema import CANDLES
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.orders import STATES, Order
from openoutcry.risk.bits import MovementStep
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.open_orders import ENTRY_BYTES

Row = tuple[Any, ...]
Records = npt.NDArray[Any]
CHANGES = "order_changes"
ORDERS, OLD = "orders", "old_orders"
"""Names of rows of orders that the database does not have, and of those that it has."""
PLACES = 1 << 12
"""Orders that there is room for at the start."""


@dataclass
class Output:
    """Rows of a table, as PostgreSQL's binary COPY takes them, or what they are made of."""

    table: str
    most_bytes: int
    """Largest size of a row."""
    head: bytes = HEADER
    room: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def hold(self, used: int, rows: int) -> int:
        """Make room for this many more rows; the address at which the next goes."""
        needed = used + rows * self.most_bytes
        if needed > len(self.room):
            larger = np.empty(2 * needed, np.uint8)
            larger[:used] = self.room[:used]
            self.room = larger
        return self.room.ctypes.data + used


class Rows:
    """Rows that one transaction adds, and the orders that are open."""

    def __init__(self, markets: Markets) -> None:
        count = 1 + max(markets.by_index, default=0)
        self._state = np.zeros(Fold.size_bytes, np.uint8)
        self.fold = Fold(self._state.ctypes.data)
        self._markets = np.zeros(count, np.uint8)
        self._markets[list(markets.by_index)] = 1
        self._units = np.zeros(count, np.int64)
        self._units[[one.index for one in markets.every]] = [
            one.inverse_units for one in markets.every
        ]
        named = {market.index: (market.base, market.quote) for market in markets.every}
        assets = [name for index in range(count) for name in named.get(index, ("", ""))]
        self._names = [names_table(list(one)) for one in (STATES, assets)]
        self._candles = np.zeros((count, fold.LENGTHS, fold.CANDLE_SIZE), np.uint8)
        self._lengths = np.array(list(CANDLES.values()), np.int64)
        self._no_name = np.zeros(TOKEN_BYTES, np.uint8)
        self._orders = np.zeros((PLACES, fold.ORDER_SIZE), np.uint8)
        self._free = np.arange(PLACES, dtype=np.int64)
        self._touched = np.zeros(PLACES, np.int64)
        self._table = np.zeros((4 * PLACES, ENTRY_BYTES), np.uint8)
        self._outputs = [
            Output(CHANGES, CHANGE_SIZE, b""),
            Output("fills", fold.FILL_BYTES),
            Output("trades", fold.TRADE_BYTES),
            *(Output(table, fold.CANDLE_BYTES) for table in CANDLES),
        ]
        state = self.fold
        state.states, state.assets = (one.ctypes.data for one in self._names)
        state.markets, state.market_count = Bytes.of(self._markets.ctypes.data), count
        state.inverse_units = Words.of(self._units.ctypes.data)
        state.candles = self._candles.ctypes.data
        state.lengths = Words.of(self._lengths.ctypes.data)
        state.no_name, state.free_count = self._no_name.ctypes.data, PLACES
        self._place()
        self._begin()

    def _place(self) -> None:
        state = self.fold
        state.table, state.mask = self._table.ctypes.data, len(self._table) - 1
        state.orders = self._orders.ctypes.data
        state.free = Words.of(self._free.ctypes.data)
        state.touched = Words.of(self._touched.ctypes.data)

    def _begin(self) -> None:
        """Begin a transaction, in which nothing is written yet."""
        self.postings: list[Records] = []
        """The ledger's transactions."""
        self.balances: list[Row] = []
        self.days: set[int] = set()
        self.fold.rows = self.fold.trade_count = 0
        for index, output in enumerate(self._outputs):
            size = len(output.head)
            output.room = np.empty(max(len(output.room), size), np.uint8)
            output.room[:size] = np.frombuffer(output.head, np.uint8)
            self._set_end(index, output.hold(size, 0))

    def _end(self, index: int) -> int:
        """Address where the next row of an output goes."""
        state = self.fold
        if index < 3:
            return int((state.changes, state.fills, state.trades)[index])
        return int(state.candle_rows[index - 3])

    def _set_end(self, index: int, address: int) -> None:
        if index < 3:
            setattr(self.fold, ("changes", "fills", "trades")[index], address)
        else:
            self.fold.candle_rows[index - 3] = address

    def __len__(self) -> int:
        return int(self.fold.rows)

    def take(self, commands: Records, events: Records, notes: Records, names: Records) -> None:
        """Add the rows of what commands (ORDER_DTYPE) of one day and all their events (EVENT_DTYPE)
        changed; ``names``: the clients' of the commands, uint8[commands, TOKEN_BYTES], or empty."""
        self._make_room(2 * len(commands))
        for index, output in enumerate(self._outputs):
            used = self._end(index) - output.room.ctypes.data
            self._set_end(index, output.hold(used, len(events) + len(self._markets)))
        before = self.fold.rows
        commands, events = np.ascontiguousarray(commands), np.ascontiguousarray(events)
        notes = np.ascontiguousarray(notes)
        fold.fold(
            self.fold,
            commands.ctypes.data,
            len(commands),
            events.ctypes.data,
            notes.ctypes.data,
            len(events),
            names.ctypes.data if len(names) else 0,
        )
        if self.fold.rows > before:
            self.days.update(np.unique(commands["rx_ts_ns"] // LEDGER_DAY_NS).tolist())

    def _make_room(self, more: int) -> None:
        """Make room for this many more orders."""
        count, state = len(self._orders), self.fold
        if state.free_count >= more:
            return
        new = 1 << (count + more).bit_length()
        self._orders = np.concatenate(
            [self._orders, np.zeros((new - count, fold.ORDER_SIZE), np.uint8)]
        )
        free = np.zeros(new, np.int64)
        free[: state.free_count] = self._free[: state.free_count]
        free[state.free_count : state.free_count + new - count] = np.arange(count, new)
        touched = np.zeros(new, np.int64)
        touched[: state.touched_count] = self._touched[: state.touched_count]
        self._free, self._touched = free, touched
        state.free_count += new - count
        old, self._table = self._table, np.zeros((4 * new, ENTRY_BYTES), np.uint8)
        self._place()
        fold.moved(old.ctypes.data, len(old), state.table, state.mask)

    def restore(self, order: Order) -> None:
        """An open order that was entered before the first event that is here."""
        self._make_room(1)
        state = self.fold
        state.free_count -= 1
        place = int(state.free[state.free_count])
        self._orders[place] = 0
        kept = PastOrder(state.orders + place * fold.ORDER_SIZE)
        for name in SAME:
            setattr(kept, name, int(getattr(order, name)))
        kept.state = STATES.index(order.state)
        kept.last_ticks = order.fills[-1].price_ticks if order.fills else 0
        at = place * fold.ORDER_SIZE
        rows = self._orders.reshape(-1)
        words = rows[at + PastOrder.offset("executed") :][:16].view(np.int64)
        words[:] = divmod(order.executed_tick_lots, 1 << 32)
        client = order.client_id.encode("latin-1")
        name_at = at + PastOrder.offset("client")
        rows[name_at] = len(client)
        rows[name_at + 1 : name_at + 1 + len(client)] = np.frombuffer(client, np.uint8)
        fold.restored(state, place)

    def order_rows(self) -> dict[str, bytes]:
        """A row for each order that changed, as it is after the last change: of those that the
        database does not have, and of those that it has."""
        state = self.fold
        new, old = np.empty((2, max(1, state.touched_count * fold.ORDER_BYTES)), np.uint8)
        state.new_orders, state.old_orders = new.ctypes.data, old.ctypes.data
        fold.order_rows(state)
        found = {}
        for table, rows, end in ((ORDERS, new, state.new_orders), (OLD, old, state.old_orders)):
            if end > rows.ctypes.data:
                found[table] = b"".join((HEADER, rows[: end - rows.ctypes.data].data, TRAILER))
        return found

    def finish(self) -> dict[str, bytes]:
        """The rows by table, without tables that have none; the next transaction begins."""
        fold.end_candles(self.fold)
        found = self.order_rows()
        for index, output in enumerate(self._outputs):
            used = self._end(index) - output.room.ctypes.data
            if output.table == CHANGES and used:
                found[CHANGES] = change_rows(output.room[:used])
            elif used > len(output.head):
                found[output.table] = b"".join((output.room[:used].data, TRAILER))
        self._begin()
        return found


SAME = (
    "number",
    "participant",
    "instrument",
    "core_id",
    "side",
    "order_type",
    "time_in_force",
    "price_ticks",
    "lots",
    "aux",
    "created_ns",
    "updated_ns",
    "executed_lots",
    "leaves_lots",
    "is_waiting",
    "prevented_lots",
    "reason",
    "seq",
)
"""Fields that an order and its place have."""
DEPOSITS = frozenset({MovementStep.SEE, MovementStep.CREDIT, MovementStep.REVERSE})
FEE_KINDS = (Kind.POSTED, Kind.DELIVERED)
TRANSFER = "transfer"
"""A deposit or withdrawal in one step, by the operator."""


def movement_rows(posted: Records, monies: list[str]) -> Iterable[Row]:
    """A row for each step of a deposit or withdrawal among the ledger's transactions."""
    for row in posted[np.isin(posted["kind"], (Kind.DEPOSIT, Kind.MOVEMENT))]:
        kind, step, number, amount = TRANSFER, TRANSFER, int(row["cause_seq"]), -int(row["outside"])
        if row["kind"] == Kind.MOVEMENT:
            taken = MovementStep(int(row["contra_id"]))
            kind = "deposit" if taken in DEPOSITS else "withdrawal"
            step, number, amount = taken.name.lower(), int(row["order_id"]), int(row["qty_lots"])
        yield (
            int(row["ts_ns"]) // LEDGER_DAY_NS,
            int(row["event_seq"]),
            int(row["part"]),
            int(row["participant"]),
            number,
            kind,
            step,
            monies[int(row["asset"])],
            amount,
            int(row["available"]),
            int(row["reserved"]),
            int(row["ts_ns"]),
            int(row["cause_seq"]),
        )


def fee_rows(posted: Records, symbols: list[str], monies: list[str]) -> bytes:
    """Fees of the ledger's transactions, summed up by participant, day, instrument and asset, as
    binary COPY; nothing without fees."""
    paid = posted[np.isin(posted["kind"], FEE_KINDS) & (posted["fee_income"] != 0)]
    if not len(paid):
        return b""
    rows = np.empty((len(paid), FEE_WORDS), np.int64)
    for column, name in enumerate(("participant", "ts_ns", "instrument", "asset", "fee_income")):
        rows[:, column] = paid[name]
    rows[:, 1] //= LEDGER_DAY_NS
    rows = rows[np.lexsort(rows[:, 3::-1].T)]
    begins = np.flatnonzero(np.append(True, (rows[1:, :4] != rows[:-1, :4]).any(axis=1)))
    sums = np.ascontiguousarray(rows[begins])
    sums[:, 4] = np.add.reduceat(rows[:, 4], begins)
    out = np.empty(len(sums) * FEE_BYTES, np.uint8)
    tables = names_table([*symbols, ""]), names_table(monies)
    terms = tables[0].ctypes.data, len(tables[0]), tables[1].ctypes.data
    end = fees(out.ctypes.data, sums.ctypes.data, len(sums), *terms)
    return b"".join((HEADER, out[: end - out.ctypes.data].data, TRAILER))
