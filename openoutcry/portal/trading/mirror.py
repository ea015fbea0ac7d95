"""The venue as its released events show it: books, trades, orders and wallets, in memory.

Orders, trades and candles are made here, of the steps of a source; books and wallets are the core's
(``follower.py``), which the source shows as of the same moment.
"""

import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from openoutcry.portal.trading.follower import Follower, State, Step, name_at
from openoutcry.portal.trading.indices import Indices
from openoutcry.portal.trading.instruments import Market, Markets
from openoutcry.portal.trading.order_events import BROKEN_KIND, FILLED_KIND, KINDS
from openoutcry.portal.trading.orders import (
    MAKER,
    NEW_COMMAND,
    SHOWN,
    Fill,
    Order,
    Orders,
    Report,
)
from openoutcry.portal.trading.public import Candle, Tape, Trade
from openoutcry.portal.trading.reject import NotReady
from openoutcry.portal.trading.released import Released
from openoutcry.portal.trading.venue_watch import NO_LIMIT
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, MovementState, Setting
from openoutcry.risk.instrument_state import state_in
from openoutcry.risk.layout import RiskCell
from openoutcry.risk.movements import OneMovement
from openoutcry.risk.region import Wallets
from openoutcry.risk.spot_layout import QUOTE_FEE_AT, RATE_BITS, TAKER_AT
from openoutcry.venue.contract_figures import Figures, read_figures
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.enum_numbers import COMMAND_KIND_TERMS as TERMS
from openoutcry.wire.enum_numbers import EVENT_FLAG_AUCTION as AUCTION
from openoutcry.wire.enum_numbers import EVENT_KIND_COMPLETED as COMPLETED
from openoutcry.wire.enum_numbers import EVENT_KIND_PHASE_CHANGED as PHASE_CHANGED
from openoutcry.wire.enums import Phase, Side
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.off_book import is_off_book

MARK = RiskCell.offset("mark") // 8
"""In a cell of a spot instrument: the participant's fee terms."""
_made: Callable[..., Any] = namedtuple
"""Its fields are known at run time: they are the layout's."""
EventRow = _made("EventRow", EVENT_DTYPE.names)
CommandRow = _made("CommandRow", ORDER_DTYPE.names)
SEQ, KIND, QTY = (CommandRow._fields.index(name) for name in ("seq", "kind", "qty_lots"))
Levels = list[tuple[int, int, int]]
FIGURES_REST = 9
"""How many times as long as a read of the contracts' figures no other one begins: they take a tenth
of a processor at most, whoever asks for them."""
Source = Follower | Released
"""Where released commands come from: a core of this process, or that of the portal's reader."""


@dataclass
class Moment:
    """Changes of a poll, in order."""

    seq: int = 0
    reports: list[Report] = field(default_factory=list)
    """Reports that participants receive."""
    changes: list[Report] = field(default_factory=list)
    """Everything that changed an order: the reports, and what the API has no report for."""
    trades: list[tuple[int, Trade]] = field(default_factory=list)
    off_book: list[tuple[int, Trade]] = field(default_factory=list)
    """Trades off the book."""
    candles: dict[tuple[int, str], Candle] = field(default_factory=dict)
    off_book_fills: list[Report] = field(default_factory=list)
    """What participants traded off the book, each with an order that is in no list."""
    broken: list[tuple[Order, Fill]] = field(default_factory=list)
    """Fills of trades that the operator has taken back."""
    touched: set[int] = field(default_factory=set)
    """Instruments whose book may have changed."""
    wallets: set[int] = field(default_factory=set)
    """Participants whose wallets may have changed."""


class Mirror:
    """Follows one venue.  :meth:`poll` brings it to what is released; one thread."""

    def __init__(self, source: Source, is_served: Callable[[int], bool]) -> None:
        """``is_served``: whether a participant's orders are kept."""
        self.source, self.file = source, source.file
        self.held = source.held
        """What is released.  As of ``seq`` in a listener and in :meth:`as_of_seq`; else of that
        or later."""
        self.markets = Markets(self.file)
        units = {contract.index: contract.inverse_units for contract in self.markets.contracts}
        self.orders = Orders(is_served, units)
        self.is_served = is_served
        self.tapes = {market.index: Tape() for market in self.markets.every}
        self.indices = Indices(self.file.risk.indices)
        self.figures_seq = 0
        """The command that the figures of contracts are true after."""
        self._figures: dict[str, Figures] = {}
        self._figures_due_s = 0.0
        """Before this, ``time.monotonic()``, they are not read again."""
        self.phases: dict[int, int] = {}
        self.listeners: list[Callable[[Moment], None]] = []
        self.seq = self.began_seq = 0
        """The last command that was taken, and the one before the first."""
        self.journal_id = 0
        """Identifies the venue's journal; 0 before the start."""
        self.time_ns = 0
        self._has_pairs = False
        """Whether the pairs that were announced before the start are known."""
        self._moment = Moment()
        """What no listener knows yet."""

    # The venue's process

    @property
    def state(self) -> str:
        """The venue's state, as its last status says."""
        return self.source.state

    @property
    def is_open(self) -> bool:
        """Return whether the venue takes orders now, and their outcome is seen."""
        return self.source.is_ready and self.source.is_open

    def require_ready(self) -> None:
        """Raise :class:`NotReady` while what is released cannot be read."""
        if self.source.is_restarting:
            raise NotReady

    # Following

    def begin(self) -> bool:
        """Open the source; False: there is no journal yet.  Raises :class:`OutcryError`."""
        if self.journal_id:
            return self.source.is_ready
        if not self.source.begin():
            return False
        began = self.source.began
        assert began is not None
        self.seq = self.began_seq = began.seq
        self.journal_id, self.phases = began.journal_id, dict(began.phases)
        return True

    def poll(self, until_seq: int = NO_LIMIT) -> int:
        """Take what was released since, of whole blocks up to ``until_seq``; how many commands that
        was.  Much takes several polls: 0 is the end."""
        if not self.begin():
            return 0
        count = 0
        for step in self.source.steps(until_seq):
            self._follow_pairs(step)
            self._apply(step)
            count += len(step.commands)
        if not count and not self._moment.seq:
            return 0
        try:
            with self.source.held() as state:
                return count + self._show(state, until_seq)
        except NotReady:  # the next poll shows it
            return count

    def _follow(self, state: State) -> None:
        """Take rules, terms and pairs that are others by now."""
        self.markets.follow(state.view)
        for index in self.markets.by_index.keys() - self.tapes.keys():
            self.tapes[index] = Tape()

    def _follow_pairs(self, step: Step) -> None:
        """Take the pairs that were announced before what a step tells of them."""
        if not self.markets.has_slots:
            return
        if self._has_pairs and not (step.commands["order_type"] == Setting.INSTRUMENT_APPLY).any():
            return
        with suppress(NotReady), self.source.held() as state:
            if state is not None:
                self._follow(state)
                self._has_pairs = True

    @contextmanager
    def as_of_seq(self) -> Iterator[None]:
        """Have the state that is released be that of ``seq``.  Raises :class:`NotReady`."""
        with self.source.held() as state:
            if state is not None:
                self._show(state, NO_LIMIT)
            yield

    def _show(self, state: State | None, until_seq: int) -> int:
        """Take what is left up to the state, and tell the listeners; how many commands were
        left."""
        if state is not None:
            self._follow(state)
        count = 0
        for step in self.source.rest() if until_seq == NO_LIMIT else ():
            self._apply(step)
            count += len(step.commands)
        if not self._moment.seq:
            return 0
        moment, self._moment = self._moment, Moment()
        assert state is not None
        wallets = state.view.wallets
        if wallets is not None and wallets.count > len(self.markets.assets):
            # One was declared while the venue traded.
            self.markets.assets |= {name: wallets.decimals(name) for name in wallets.names}
        for listener in self.listeners:
            listener(moment)
        return count

    def _apply(self, step: Step) -> None:
        # Tuples with names: a field of a record of numpy costs ten times as much.
        rows, names, moment = step.commands.tolist(), step.names.tobytes(), self._moment
        first, last = rows[0][SEQ], CommandRow._make(rows[-1])
        self.seq, self.time_ns = last.seq, last.rx_ts_ns
        moment.seq = self.seq
        for row, note in zip(step.events.tolist(), step.notes.tolist(), strict=True):
            event = EventRow._make(row)
            kind = event.kind
            place = event.cause_seq - first
            command = CommandRow._make(rows[place])
            instrument, time_ns = event.instrument, command.rx_ts_ns
            moment.touched.add(instrument)
            if kind == PHASE_CHANGED:
                self.phases[instrument] = event.qty_lots
            if kind == COMPLETED and command.kind == TERMS and self.is_served(event.participant):
                self.orders.announced(command, instrument, name_at(names, place))
            if kind == BROKEN_KIND and self.is_served(event.participant):
                moment.wallets.add(event.participant)
                if (filled := self.orders.broken(event)) is not None:
                    moment.broken.append(filled)
            if KINDS >> kind & 1 == 0:
                continue
            if kind == FILLED_KIND:
                self._trade(event, instrument, time_ns, moment)
            participant = event.participant
            if self.is_served(participant):
                moment.wallets.add(participant)
                name = name_at(names, place)
                self._of_order(event, note, command, instrument, name, time_ns, moment)
        moment.wallets.update([row[QTY] for row in rows if row[KIND] == RISK_KIND])
        if self.file.risk.indices:
            self.indices.follow(step.commands)

    def _trade(self, event: Any, instrument: int, time_ns: int, moment: Moment) -> None:
        flags = event.flags
        is_buy = event.side == Side.BUY
        counts = is_buy if flags & AUCTION else bool(flags & MAKER)
        if instrument not in self.markets.by_index or not counts:
            return
        trade = Trade(
            event.seq,
            event.price_ticks,
            event.qty_lots,
            time_ns // 1_000_000,
            is_buy and not flags & AUCTION,
            event.cause_seq,
            is_off_book(event.order_id),
            self.markets.by_index[instrument].inverse_units,
        )
        if trade.is_off_book:
            moment.off_book.append((instrument, trade))
            self.tapes[instrument].off_book.append(trade)
            return
        moment.trades.append((instrument, trade))
        for interval, candle in self.tapes[instrument].add(trade):
            moment.candles[instrument, interval] = candle

    def _of_order(
        self,
        event: Any,
        note: int,
        command: Any,
        instrument: int,
        name: str,
        time_ns: int,
        moment: Moment,
    ) -> None:
        core_id = event.order_id
        if is_off_book(core_id):
            if event.kind == FILLED_KIND and instrument in self.markets.by_index:
                traded = self.orders.traded_off_book(event, time_ns)
                self._note_fee(traded, note, instrument)
                moment.off_book_fills.append(traded)
            return
        order = self.orders.find(instrument, core_id)
        is_own = core_id == command.order_id and command.kind == NEW_COMMAND
        if order is None:
            if not is_own or instrument not in self.markets.by_index:
                return  # of before the checkpoint that the mirror began with
            order = self.orders.entered(command, instrument, name, event.leaves_lots)
        told = "" if is_own else name
        report = self.orders.apply(event, order, time_ns, told, command.kind)
        if report is not None:
            self._note_fee(report, note, instrument)
            moment.changes.append(report)
            if report.execution in SHOWN or report.amended is not None:
                moment.reports.append(report)

    def _note_fee(self, report: Report, note: int, instrument: int) -> None:
        if report.fill is not None:
            market = self.markets.by_index[instrument]
            report.fill.fee_units = fee_units(note)
            report.fill.fee_asset = market.base if fee_is_of_base(note) else market.quote

    # What is shown

    def balances(self, participant: int) -> dict[str, tuple[int, int]]:
        """Available and reserved of each asset."""
        with self.held() as state:
            wallets = _wallets(state)
            if wallets is None or participant >= len(wallets.rows):
                return dict.fromkeys(self.markets.assets, (0, 0))
            rows, names = wallets.rows[participant, :, :2].tolist(), wallets.names
        held = {name: (row[0], row[1]) for name, row in zip(names, rows, strict=True)}
        return {name: held.get(name, (0, 0)) for name in self.markets.assets}

    def owes(self, participant: int) -> bool:
        """Return whether a wallet of the participant is short: it withdraws nothing until what a
        reversed deposit or a trade that was taken back has left is paid."""
        with self.held() as state:
            wallets = _wallets(state)
            return wallets is not None and bool(wallets.shortfalls(participant))

    def spendable(self, participant: int, asset: str) -> int:
        """Return how many units of an asset an order of the participant may reserve: what is
        available, and its credit."""
        with self.held() as state:
            wallets = _wallets(state)
            if wallets is None or participant >= len(wallets.rows) or asset not in wallets.names:
                return 0
            row = wallets.rows[participant, wallets.names.index(asset), :3]
            available, _, credit = row.tolist()
        return max(available + credit, 0)

    def movement(self, reference: str) -> OneMovement | None:
        """Return the deposit, withdrawal or transfer of this reference; None: the core does not
        remember it."""
        with self.held() as state:
            wallets = _wallets(state)
            movements = wallets.movements if wallets is not None else None
            return movements.find(reference) if movements is not None else None

    def movements(
        self, states: Iterable[MovementState], participant: int, **bounds: Any
    ) -> list[OneMovement]:
        """Return a participant's movements in these states, the oldest first; ``bounds``: as of
        ``MovementsView.chosen``."""
        with self.held() as state:
            wallets = _wallets(state)
            movements = wallets.movements if wallets is not None else None
            if movements is None:
                return []
            return movements.chosen(states, participant, **bounds)

    def rates(self, participant: int, instrument: int) -> tuple[int, int]:
        """Fees of makers and takers, in millionths."""
        return self.fee_terms(participant, instrument)[:2]

    def fee_terms(self, participant: int, instrument: int) -> tuple[int, int, bool]:
        """Fees of makers and takers in a spot instrument, in millionths, and whether its buyers
        pay them in the quote asset."""
        is_spot = self.markets.by_index[instrument].contract is None
        with self.held() as state:
            if state is None or participant >= len(state.view.cells) or not is_spot:
                return 0, 0, False
            terms = int(state.view.cells[participant, instrument, MARK])
        return _signed(terms), _signed(terms >> TAKER_AT), bool(terms >> QUOTE_FEE_AT & 1)

    def fee_of_lot(self, market: Market) -> int:
        """Fee of a contract's lot in units of its quote asset; 0 of a spot instrument."""
        with self.held() as state:
            if state is None or market.contract is None:
                return 0
            return int(state.view.instruments[market.index, lay.FEE // 8])

    def figures(self) -> dict[str, Figures]:
        """Return the figures of each live contract, by its symbol, as of :attr:`figures_seq`.  A
        read sums what all participants hold, and then rests ``FIGURES_REST`` times as long."""
        if (self.seq and self.seq == self.figures_seq) or time.monotonic() < self._figures_due_s:
            return self._figures
        with self.held() as state:
            if state is None:
                return {}
            begun_s, terms = time.thread_time(), (self.file.symbols, self.file.risk.funding)
            self.figures_seq, self._figures = self.seq, read_figures(state.view, *terms)
            took_s = time.thread_time() - begun_s
        self._figures_due_s = time.monotonic() + FIGURES_REST * took_s
        return self._figures

    def depth(self, code: bytes, levels: int) -> tuple[Levels, Levels]:
        """Return the displayed levels: (price in ticks, lots, orders), best first; bids
        and asks."""
        with self.held() as state:
            sides = state.books.depth(code, levels) if state is not None else {}
        return sides.get("bids", []), sides.get("asks", [])

    def best(self, code: bytes) -> tuple[int | None, int, int | None, int]:
        """Bid, its lots, ask, its lots."""
        with self.held() as state:
            return state.books.best(code) if state is not None else (None, 0, None, 0)

    def has_passed(self, code: bytes, order_type: int, side: int, trigger_ticks: int) -> bool:
        """Return whether what is released has passed the trigger of a stop."""
        with self.held() as state:
            if state is None:
                return False
            return state.books.has_passed(code, order_type, side, trigger_ticks)

    def is_trading(self, instrument: int) -> bool:
        """Return whether an instrument, by its index, is in continuous trading."""
        return self.phases.get(instrument) == Phase.CONTINUOUS

    def state_of(self, instrument: int) -> InstrumentState:
        """Return the state of an instrument, by its index."""
        with self.held() as state:
            if state is None:
                return InstrumentState.TRADING
            return state_in(int(state.view.instruments[instrument, lay.HALT // 8]))


def _wallets(state: State | None) -> Wallets | None:
    return state.view.wallets if state is not None else None


def _signed(terms: int) -> int:
    """A rate of RATE_BITS bits in two's complement."""
    value = terms & (1 << RATE_BITS) - 1
    return value - (1 << RATE_BITS) if value >> (RATE_BITS - 1) else value
