"""A journal's book at any command: its queues, stepping forward and back, in words.

Back is the nearest state kept and the commands after it: the journal's checkpoints, and one in
memory each :data:`EVERY` commands that were stepped over.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.events import NO_LIMIT
from openoutcry.journal.reader import read_commands
from openoutcry.matcher import Engine
from openoutcry.matcher.state.snapshot import (
    ALL_OR_NONE_PLACE,
    DISPLAYED_PLACE,
    HIDDEN_PLACE,
    NO_PLACE,
    TRIGGER_PLACE,
)
from openoutcry.risk.words import refusal_text
from openoutcry.wire.enums import (
    SELF_TRADE_SHIFT,
    CommandKind,
    ErrorBit,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from openoutcry.wire.notes import fee_units
from openoutcry.wire.records import NO_INSTRUMENT, NO_PRICE
from openoutcry.wire.symbols import code_of, names_by_code, symbol_text, symbols_of

EVERY, KEPT = 1_024, 64
WINDOW = 1 << 14
"""Commands that are read at once."""
PLACES = {
    DISPLAYED_PLACE: "displayed",
    HIDDEN_PLACE: "hidden",
    ALL_OR_NONE_PLACE: "all or none",
    TRIGGER_PLACE: "waits for its trigger",
    NO_PLACE: "waits",
}
Records = npt.NDArray[Any]


class BookOrder(NamedTuple):
    """An open order; prices in ticks, quantities in lots."""

    order_id: int
    participant: int
    side: Side
    order_type: OrderType
    price_ticks: int
    qty_lots: int
    """Open; of an iceberg what it shows."""
    reserve_lots: int
    place: int
    """A key of :data:`PLACES`."""
    trigger_ticks: int


def orders_of(engine: Engine, symbol: str) -> list[BookOrder]:
    """The open orders of an instrument: displayed, hidden, all-or-none, each bids then asks, the
    best price first and in the order in which they trade; then what waits.

    Raises ``MatcherError`` for a symbol that is not in the table.
    """
    engine.best(symbol)
    codes = engine.instruments["symbol"].tolist()
    rows = engine.state().rows
    return [
        BookOrder(
            int(row["order_id"]),
            int(row["participant"]),
            Side(row["side"]),
            OrderType(row["order_type"]),
            int(row["price_ticks"]),
            int(row["qty_lots"]),
            int(row["reserve_lots"]),
            int(row["place"]),
            int(row["trigger_ticks"]),
        )
        for row in rows[rows["instrument"] == codes.index(code_of(symbol))]
    ]


def phase_of(engine: Engine, symbol: str) -> Phase:
    """The instrument's trading phase."""
    codes = engine.instruments["symbol"].tolist()
    return Phase(engine.state().states["phase"][codes.index(code_of(symbol))])


class Stepper:
    """A journal's core after any command, and the events of that command.

    ``seq`` is its place; raises :class:`JournalError` for a command that the journal does
    not have.
    """

    def __init__(self, directory: str | os.PathLike[str], seq: int | None = None) -> None:
        self.directory = Path(directory)
        reader = JournalReader(directory)
        for _ in reader.all_blocks(NO_LIMIT):  # the last segment tells how far it goes
            pass
        self.first_seq, self.last_seq = reader.first_seq, reader.last_seq
        self.symbols = symbols_of(reader.config)
        self._states: dict[int, Engine] = {}
        self._window: Records = np.zeros(0)
        self._window_seq = 0
        self.command: Any = None
        """The command at ``seq``; None before the first."""
        self.events: Records = np.zeros(0)
        """Its events."""
        self.engine: Engine
        self.goto(self.last_seq if seq is None else seq)

    @property
    def seq(self) -> int:
        """Number of the last command that was replayed, 0 before the first."""
        return self.engine.last_seq

    def goto(self, seq: int) -> None:
        """Continue after command ``seq``."""
        if not self.first_seq - 1 <= seq <= self.last_seq:
            raise JournalError(
                f"{self.directory}: command {seq:,} was requested; it has {self.first_seq:,} to "
                f"{self.last_seq:,}"
            )
        before = max(self.first_seq - 1, seq - 1)
        self._stand(before)
        self.command, self.events = None, np.zeros(0)
        for _ in range(seq - before):
            self.forward()

    def forward(self) -> bool:
        """One command on; False at the journal's end."""
        if self.seq >= self.last_seq:
            return False
        self.command = self.commands_from(self.seq + 1)[0]
        self.events = self.engine.process(np.array([self.command]))
        self._keep()
        return True

    def back(self) -> bool:
        """One command back; False before the first."""
        if self.seq < self.first_seq:
            return False
        self.goto(self.seq - 1)
        return True

    def _stand(self, seq: int) -> None:
        """The engine after ``seq``, from the nearest state that there is."""
        known = sorted(self._states)
        at = bisect_right(known, seq)
        near = known[at - 1] if at else -1
        here = self.seq if hasattr(self, "engine") else -2
        if not near <= here <= seq:
            if near >= 0 and seq - near <= EVERY * KEPT:
                self.engine = self._states[near].clone()
            else:
                # One step before it is kept, so that stepping back reads the journal once.
                self.engine = recover(self.directory, max(self.first_seq - 1, seq - EVERY)).engine
                self._remember()
        while self.seq < seq:
            commands = self.commands_from(self.seq + 1)
            self.engine.process(commands[: min(seq - self.seq, EVERY - self.seq % EVERY)])
            self._keep()

    def _keep(self) -> None:
        if self.seq % EVERY == 0:
            self._remember()

    def _remember(self) -> None:
        self._states[self.seq] = self.engine.clone()
        if len(self._states) > KEPT:
            del self._states[min(self._states)]

    def commands_from(self, seq: int) -> Records:
        """Commands from ``seq`` on, at least one."""
        end = self._window_seq + len(self._window)
        if not self._window_seq <= seq < end:
            last = min(self.last_seq, seq + WINDOW)
            parts = list(read_commands(self.directory, max(self.first_seq, seq - WINDOW), last))
            self._window = np.concatenate(parts)
            self._window_seq = int(self._window["seq"][0])
        return self._window[seq - self._window_seq :]


def command_text(command: Any, symbols: list[str]) -> str:
    """One line about a command (ORDER_DTYPE)."""
    kind = _name(CommandKind, command["kind"])
    words = [f"{int(command['seq']):,}", kind]
    symbol = symbol_text(command["symbol"], names_by_code(symbols))
    words += [symbol] if symbol else []
    if command["kind"] in (CommandKind.NEW, CommandKind.REPLACE):
        price = int(command["price_ticks"])
        words += [
            f"order {int(command['order_id'])}",
            _name(Side, command["side"]),
            f"{int(command['qty_lots'])} @ {price}",
        ]
    elif command["order_id"]:
        words.append(f"order {int(command['order_id'])}")
    if command["kind"] == CommandKind.NEW:
        tif = int(command["time_in_force"]) & (1 << SELF_TRADE_SHIFT) - 1
        words += [_name(OrderType, command["order_type"]), _name(TimeInForce, tif)]
    if command["aux"]:
        words.append(f"aux {int(command['aux'])}")
    return " ".join([*words, f"participant {int(command['participant'])}"])


def event_text(event: Any, symbols: list[str]) -> str:
    """One line about an event (EVENT_DTYPE)."""
    kind, reason = int(event["kind"]), int(event["reason"])
    words = [_name(EventKind, kind)]
    if event["instrument"] != NO_INSTRUMENT:
        words.append(symbols[int(event["instrument"])])
    if kind == EventKind.PHASE_CHANGED:
        words.append(f"{_name(Phase, event['contra_id'])} -> {_name(Phase, event['qty_lots'])}")
        return " ".join(words)
    if kind == EventKind.REJECTED and reason == Reason.RISK:
        names = ("contra_id", "price_ticks", "leaves_lots", "qty_lots")
        words.append(refusal_text(*(int(event[name]) for name in names)))
        return " ".join([*words, f"order {int(event['order_id'])}"])
    price = int(event["price_ticks"])
    words += [f"order {int(event['order_id'])}", f"{int(event['qty_lots'])}"]
    words += [f"@ {price}"] if price != NO_PRICE else []
    if kind == EventKind.BROKEN:
        words.append(f"trade {int(event['contra_id'])}, fee {fee_units(int(event['leaves_lots']))}")
    else:
        words.append(f"leaves {int(event['leaves_lots'])}")
    if kind == EventKind.FILLED:
        words.append(f"against {int(event['contra_id'])}")
    if reason == Reason.GATEWAY:
        words += [bit.name for bit in ErrorBit if int(event["contra_id"]) >> bit & 1]
    elif reason:
        words.append(_name(Reason, reason))
    words += [f.name for f in EventFlag if f.name and f != EventFlag.LAST and event["flags"] & f]
    return " ".join([*words, f"participant {int(event['participant'])}"])


def _name(enum: type[Any], code: Any) -> str:
    try:
        return str(enum(int(code)).name)
    except ValueError:
        return f"{int(code)}"


def book_lines(engine: Engine, symbol: str, levels: int) -> Iterator[str]:
    """The book as people read it: each level's displayed orders in their queue, then what is not
    displayed."""
    orders = orders_of(engine, symbol)
    yield f"{symbol}: {phase_of(engine, symbol).name}, {len(orders):,} open orders"
    for side in (Side.SELL, Side.BUY):
        mine = [o for o in orders if o.side == side and o.place == DISPLAYED_PLACE]
        prices = list(dict.fromkeys(o.price_ticks for o in mine))[:levels]
        for price in reversed(prices) if side == Side.SELL else prices:
            level = [o for o in mine if o.price_ticks == price]
            queue = " ".join(f"{o.order_id}:{o.qty_lots}" for o in level)
            total = sum(o.qty_lots for o in level)
            word = "ask" if side == Side.SELL else "bid"
            yield f"  {word} {price:>12,} {total:>10,} lots  {queue}"
    for o in orders:
        if o.place != DISPLAYED_PLACE:
            trigger = f" trigger {o.trigger_ticks:,}" if o.trigger_ticks else ""
            yield (
                f"  {PLACES[o.place]}: {o.side.name} {o.order_id} {o.order_type.name} "
                f"{o.qty_lots:,} @ {o.price_ticks:,}{trigger}"
            )
