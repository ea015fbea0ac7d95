"""Rows of the history, made from the events of the journal; each transaction takes what has come
since the last."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.copy_rows import HEADER, TRAILER, names_table
from openoutcry.ledger.layout import DAY_NS as LEDGER_DAY_NS
from openoutcry.ledger.layout import Kind
from openoutcry.portal.history import fold
from openoutcry.portal.history.binary import FEE_BYTES, FEE_WORDS, fees
from openoutcry.portal.history.changes import CHANGE_SIZE, add_changes
from openoutcry.portal.history.fold import Fold, PastOrder
from openoutcry.portal.history.output import Output
from openoutcry.portal.history.packed import add_transactions
from openoutcry.portal.history.schema import CANDLES
from openoutcry.portal.trading.follower import TOKEN_BYTES, name_at
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.order_events import STATE_NAMES
from openoutcry.portal.trading.orders import Order
from openoutcry.risk.bits import MovementStep, PauseCause, Setting
from openoutcry.wire.enums import LEGS_SHIFT, CommandKind, EventKind, Phase, Side, Term
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.open_orders import ENTRY_BYTES
from openoutcry.wire.order_ids import LEG_ORDER_IDS

Row = tuple[Any, ...]
OWN_TERMS = 3
"""Values of a term that is about no list: which it is, its price and ``aux``."""
Records = npt.NDArray[Any]
CHANGES, FILLS, TRADES = "order_changes", "fills", "trades"
TRANSACTIONS = "transactions"
ORDERS, OLD = "orders", "old_orders"
"""Names of rows of orders that the database does not have, and of those that it has."""
OLD_CANDLES = {table: f"old_{table}" for table in CANDLES}
"""Names of those that it may have."""
CANDLE_OUTPUTS = (*CANDLES, *OLD_CANDLES.values())
PLACES = 1 << 12
"""Orders that there is room for at the start."""


class Rows:
    """Rows that one transaction adds, and the orders that are open."""

    def __init__(self, markets: Markets) -> None:
        count = markets.count
        self._state = np.zeros(Fold.size_bytes, np.uint8)
        self.fold = Fold(self._state.ctypes.data)
        self._markets = np.zeros(count, np.uint8)
        self._units = np.zeros(count, np.int64)
        self._candles = np.zeros((count, fold.LENGTHS, fold.CANDLE_SIZE), np.uint8)
        self._lengths = np.array(list(CANDLES.values()), np.int64)
        self._no_name = np.zeros(TOKEN_BYTES, np.uint8)
        self._orders = np.zeros((PLACES, fold.ORDER_SIZE), np.uint8)
        self._free = np.arange(PLACES, dtype=np.int64)
        self._touched = np.zeros(PLACES, np.int64)
        self._table = np.zeros((4 * PLACES, ENTRY_BYTES), np.uint8)
        self._changes = np.empty(0, np.uint8)
        names = TRANSACTIONS, ORDERS, OLD, CHANGES, FILLS, TRADES, *CANDLE_OUTPUTS
        self._outputs = {name: Output() for name in names}
        self._announced: dict[tuple[int, int], Row] = {}
        """What TERMS commands have said of orders to come, by instrument and the core's id."""
        state = self.fold
        self.name(markets)
        state.markets, state.market_count = Bytes.of(self._markets.ctypes.data), count
        state.inverse_units = Words.of(self._units.ctypes.data)
        state.candles = self._candles.ctypes.data
        state.lengths = Words.of(self._lengths.ctypes.data)
        state.no_name, state.free_count = self._no_name.ctypes.data, PLACES
        self._place()
        self._begin()

    def name(self, markets: Markets) -> None:
        """Take the markets that there are now."""
        self.named = len(markets.every)
        self._markets[list(markets.by_index)] = 1
        self._units[[one.index for one in markets.every]] = [
            one.inverse_units for one in markets.every
        ]
        named = {market.index: (market.base, market.quote) for market in markets.every}
        assets = [name for index in range(markets.count) for name in named.get(index, ("", ""))]
        self._names = [names_table(list(one)) for one in (STATE_NAMES, assets)]
        self.fold.states, self.fold.assets = (one.ctypes.data for one in self._names)

    def _place(self) -> None:
        state = self.fold
        state.table, state.mask = self._table.ctypes.data, len(self._table) - 1
        state.orders = self._orders.ctypes.data
        state.free = Words.of(self._free.ctypes.data)
        state.touched = Words.of(self._touched.ctypes.data)

    def _begin(self) -> None:
        """Begin a transaction, in which nothing is written yet."""
        self.balances: list[Row] = []
        self.movements: list[Row] = []
        self.account_events: list[Row] = []
        self.market_events: list[Row] = []
        self.broken_trades: list[Row] = []
        self.list_orders: list[Row] = []
        self.order_terms: list[Row] = []
        self.fees: list[Records] = []
        """Sums of each step."""
        self.days: set[int] = set()
        self.posting_days: set[int] = set()
        """Days of the ledger's transactions, where ``days`` are those of all else."""
        self.fold.rows = self.fold.trade_count = 0

    def _write(self, room: dict[str, int], write: Callable[[], None]) -> None:
        """Have rows written, at most this many bytes of each of these tables."""
        state, candles = self.fold, CANDLE_OUTPUTS
        for name, most_bytes in room.items():
            at = self._outputs[name].hold(most_bytes)
            if name in candles:
                state.candle_rows[candles.index(name)] = at
            else:
                setattr(state, NEXT[name], at)
        write()
        for name in room:
            is_candle = name in candles
            place = candles.index(name) if is_candle else 0
            end = state.candle_rows[place] if is_candle else getattr(state, NEXT[name])
            self._outputs[name].end(int(end))

    def __len__(self) -> int:
        return int(self.fold.rows)

    def take(self, commands: Records, events: Records, notes: Records, names: Records) -> None:
        """Add the rows of what commands (ORDER_DTYPE) of one day and all their events (EVENT_DTYPE)
        changed; ``names``: the clients' of the commands, uint8[commands, TOKEN_BYTES], or empty."""
        self._make_room(2 * len(commands))
        before, count = self.fold.rows, len(events)
        commands, events = np.ascontiguousarray(commands), np.ascontiguousarray(events)
        notes = np.ascontiguousarray(notes)
        if len(self._changes) < count * CHANGE_SIZE:
            self._changes = np.empty(2 * count * CHANGE_SIZE, np.uint8)
        begin = self.fold.changes = self._changes.ctypes.data
        candles = dict.fromkeys(CANDLE_OUTPUTS, (count + len(self._markets)) * fold.CANDLE_BYTES)
        self._write(
            {FILLS: count * fold.FILL_BYTES, TRADES: count * fold.TRADE_BYTES, **candles},
            lambda: fold.fold(
                self.fold,
                commands.ctypes.data,
                len(commands),
                events.ctypes.data,
                notes.ctypes.data,
                count,
                names.ctypes.data if len(names) else 0,
            ),
        )
        add_changes(self._outputs[CHANGES], self._changes[: self.fold.changes - begin])
        self.market_events += market_event_rows(commands, events)
        self.broken_trades += broken_trade_rows(commands, events)
        self._take_terms(commands, events, names)
        if self.fold.rows > before:
            self.days |= days_of(commands["rx_ts_ns"])

    def _take_terms(self, commands: Records, events: Records, names: Records) -> None:
        """Add a row for each order that is one of a list, or of which a session has said another
        term: its order is the next command."""
        is_terms = commands["kind"] == CommandKind.TERMS
        is_own = np.isin(commands["order_type"], (Term.EXPIRY, Term.TRIGGER))
        is_own &= commands["order_id"] >= LEG_ORDER_IDS
        is_terms &= (commands["order_type"] == Term.LIST) | is_own
        if not (self._announced or is_terms.any()):
            return
        first, texts = int(commands["seq"][0]), names.tobytes()
        for event in events[np.isin(events["kind"], (EventKind.COMPLETED, *COMES))]:
            place = int(event["cause_seq"]) - first
            command, of = commands[place], (int(event["instrument"]), int(event["order_id"]))
            if event["kind"] == EventKind.COMPLETED:
                term = int(command["order_type"])
                if is_terms[place] and term != Term.LIST:
                    self._announced[of] = (term, int(command["price_ticks"]), int(command["aux"]))
                elif is_terms[place]:
                    leg, aux = int(command["qty_lots"]), int(command["aux"])
                    core_id = int(command["price_ticks"])
                    number = int(command["seq"]) if leg == 1 else 0
                    terms = leg, aux >> LEGS_SHIFT, aux & (1 << LEGS_SHIFT) - 1
                    self._announced[of] = (core_id, number, *terms, name_at(texts, place))
            elif command["kind"] == CommandKind.NEW and command["order_id"] == of[1]:
                said = self._announced.pop(of, None)
                seq, whose = int(command["seq"]), int(command["participant"])
                if said is not None and len(said) == OWN_TERMS:
                    self.order_terms.append((seq, *said))
                elif said is not None:
                    row = seq, whose, of[0], *said, int(command["rx_ts_ns"]), seq
                    self.list_orders.append(row)

    def post(self, posted: Records, monies: list[str]) -> None:
        """Add the rows of the ledger's transactions (TRANSACTION_DTYPE) of whole commands."""
        add_transactions(self._outputs[TRANSACTIONS], posted)
        self.movements += movement_rows(posted, monies)
        self.account_events += account_event_rows(posted, monies)
        self.fees.append(fees_of(posted))
        self.posting_days |= days_of(posted["ts_ns"])

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

    def restore(self, order: Order, last_ticks: int) -> None:
        """An open order that was entered before the first event that is here; ``last_ticks``: the
        price of its last fill, if it is one of a budget."""
        self._make_room(1)
        state = self.fold
        state.free_count -= 1
        place = int(state.free[state.free_count])
        self._orders[place] = 0
        kept = PastOrder(state.orders + place * fold.ORDER_SIZE)
        for name in SAME:
            setattr(kept, name, int(getattr(order, name)))
        kept.state = STATE_NAMES.index(order.state)
        kept.last_ticks = last_ticks
        at = place * fold.ORDER_SIZE
        rows = self._orders.reshape(-1)
        words = rows[at + PastOrder.offset("executed") :][:16].view(np.int64)
        words[:] = divmod(order.executed_tick_lots, 1 << 32)
        client = order.client_id.encode("latin-1")
        begin = at + PastOrder.offset("client")
        rows[begin] = len(client)
        rows[begin + 1 : begin + 1 + len(client)] = np.frombuffer(client, np.uint8)
        fold.restored(state, place)

    def restore_candles(self, length: int, newest: dict[int, int], until_s: int) -> None:
        """The database may have candles of the table with the index ``length`` that begin up to
        ``newest`` of an instrument, of others up to ``until_s``."""
        for instrument in range(len(self._candles)):
            at = self._candles[instrument, length].ctypes.data
            fold.PastCandle(at).newest_s = newest.get(instrument, until_s)

    def finish(self) -> dict[str, memoryview]:
        """The rows by table, without tables that have none; the next transaction begins.  Of orders
        a row for each that changed, as it is after the last change."""
        self._write(
            dict.fromkeys(CANDLE_OUTPUTS, len(self._markets) * fold.CANDLE_BYTES),
            lambda: fold.end_candles(self.fold),
        )
        self._write(
            dict.fromkeys((ORDERS, OLD), self.fold.touched_count * fold.ORDER_BYTES),
            lambda: fold.order_rows(self.fold),
        )
        found = {name: output.finish() for name, output in self._outputs.items()}
        self._begin()
        return {name: rows for name, rows in found.items() if len(rows)}


NEXT = {FILLS: "fills", TRADES: "trades", ORDERS: "new_orders", OLD: "old_orders"}
"""Fields of ``Fold`` that say where a table's next row goes."""
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
COMES = EventKind.ACCEPTED, EventKind.REJECTED
FEE_KINDS = (Kind.POSTED, Kind.DELIVERED, Kind.BROKEN, Kind.RETURNED)
FEE_KEY = np.array([1 << 44, 1 << 24, 1 << 8, 1])
"""Participant, day, instrument and asset as one number."""
NO_FEES = np.empty((0, FEE_WORDS), np.int64)
ACCOUNT_EVENTS = {
    Kind.FUNDING: "funding",
    Kind.SETTLED: "settled",
    Kind.COVERED: "covered",
    Kind.TAKEN_OVER: "taken_over",
    Kind.SEIZED: "seized",
    Kind.ADJUSTED: "adjusted",
    Kind.LIQUIDATION_FEE: "liquidation_fee",
    Kind.BROKEN: "broken",
}
PAUSES = Phase.HALT, Phase.VOLATILITY_AUCTION
PAUSED = {int(cause): f"paused_{cause.name.lower()}" for cause in PauseCause}
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


def account_event_rows(posted: Records, monies: list[str]) -> Iterable[Row]:
    """A row for each of the ledger's transactions by which a position or collateral changed without
    an order of its owner.  The last column but two is what the participant was paid."""
    for row in posted[np.isin(posted["kind"], list(ACCOUNT_EVENTS))]:
        yield (
            int(row["ts_ns"]) // LEDGER_DAY_NS,
            int(row["event_seq"]),
            int(row["part"]),
            int(row["participant"]),
            ACCOUNT_EVENTS[Kind(int(row["kind"]))],
            int(row["instrument"]),
            int(row["qty_lots"]),
            int(row["price_ticks"]),
            monies[int(row["asset"])],
            -int(row["clearing"]),
            int(row["ts_ns"]),
            int(row["cause_seq"]),
        )


def broken_trade_rows(commands: Records, events: Records) -> Iterable[Row]:
    """A row for each trade that was taken back: its number, then day, time and command of the
    bust."""
    is_broken = (events["kind"] == EventKind.BROKEN) & (events["side"] == Side.BUY)
    for row in events[is_broken]:
        seq = int(row["cause_seq"])
        at_ns = int(commands["rx_ts_ns"][seq - int(commands["seq"][0])])
        yield int(row["contra_id"]), at_ns // LEDGER_DAY_NS, at_ns, seq


def market_event_rows(commands: Records, events: Records) -> Iterable[Row]:
    """A row for each pause of an instrument, its end, and each change of its state: day, event,
    instrument, what became of it, time, and command."""
    kinds = events["kind"]
    of_phase = kinds == EventKind.PHASE_CHANGED
    of_state = (kinds == EventKind.COMPLETED) & (events["contra_id"] == Setting.INSTRUMENT_STATE)
    for row in events[of_phase | of_state]:
        if row["kind"] == EventKind.COMPLETED:
            kind = InstrumentState(int(row["leaves_lots"])).name.lower()
        elif row["qty_lots"] in PAUSES and row["contra_id"] in PAUSES:
            continue
        elif row["qty_lots"] in PAUSES:
            kind = PAUSED.get(int(row["order_id"]), "halted")
        elif row["contra_id"] in PAUSES and row["qty_lots"] == Phase.CONTINUOUS:
            kind = "resumed"
        else:
            continue
        time_ns = int(commands["rx_ts_ns"][int(row["cause_seq"] - commands["seq"][0])])
        where = time_ns // LEDGER_DAY_NS, int(row["seq"]), int(row["instrument"])
        yield (*where, kind, time_ns, int(row["cause_seq"]))


def days_of(times_ns: npt.NDArray[np.int64]) -> set[int]:
    """The days of moments, of which most are in order."""
    days = times_ns // LEDGER_DAY_NS
    return set(days[np.flatnonzero(np.diff(days, prepend=-1))].tolist())


def fees_of(posted: Records) -> npt.NDArray[np.int64]:
    """Sums of the fees of the ledger's transactions: FEE_WORDS numbers of each."""
    paid = np.flatnonzero(posted["fee_income"])
    paid = paid[np.isin(posted["kind"][paid], FEE_KINDS)]
    rows = np.empty((len(paid), FEE_WORDS), np.int64)
    for column, name in enumerate(("participant", "ts_ns", "instrument", "asset", "fee_income")):
        rows[:, column] = posted[name][paid]
    rows[:, 1] //= LEDGER_DAY_NS
    return summed(rows)


def summed(fees: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """One sum of each participant, day, instrument and asset, ordered by these."""
    if not len(fees):
        return fees
    keys = fees[:, :4] @ FEE_KEY
    order = np.argsort(keys)
    begins = np.flatnonzero(np.diff(keys[order], prepend=-1))
    sums = fees[order[begins]]
    sums[:, 4] = np.add.reduceat(fees[order, 4], begins)
    return sums


def fee_rows(sums: list[Records], symbols: list[str], monies: list[str]) -> bytes:
    """Sums of fees as binary COPY; nothing without fees."""
    rows = summed(np.concatenate([NO_FEES, *sums]))
    if not len(rows):
        return b""
    out = np.empty(len(rows) * FEE_BYTES, np.uint8)
    tables = names_table([*symbols, ""]), names_table(monies)
    terms = tables[0].ctypes.data, len(tables[0]), tables[1].ctypes.data
    end = fees(out.ctypes.data, rows.ctypes.data, len(rows), *terms)
    return b"".join((HEADER, out[: end - out.ctypes.data].data, TRAILER))
