"""The venue as its released events show it: books, trades, orders and wallets, in memory.

A core in the portal follows the journal. It takes a command once the venue has it on disk, and on
every other machine that the venue waits for: a crash takes nothing back that was shown. Its state
is then the venue's state after that command, to the unit.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.block import Block
from openoutcry.order_entry.command_metadata import BLOCK_KEY, FLAG_INTERNAL, unpack
from openoutcry.pipeline.contract import control as control_words
from openoutcry.pipeline.top import RunningPipeline, attached, running_owners
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.orders import (
    EVENTS_OF_ORDERS,
    FILLED_KIND,
    MAKER,
    NEW_COMMAND,
    Fill,
    Order,
    Orders,
    Report,
)
from openoutcry.portal.trading.public import Candle, Tape, Trade
from openoutcry.replay.events import STEP, Point, commands_of, starting_point
from openoutcry.risk.bits import RISK_KIND
from openoutcry.risk.layout import RiskCell
from openoutcry.risk.region import View, Wallets
from openoutcry.risk.spot_layout import FEE_UNIT, QUOTE_FEE_AT, RATE_BITS, TAKER_AT
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.wire.enum_numbers import EVENT_FLAG_AUCTION as AUCTION
from openoutcry.wire.enum_numbers import EVENT_KIND_PHASE_CHANGED as PHASE_CHANGED
from openoutcry.wire.enums import Phase, Side
from openoutcry.wire.errors import OutcryError

MARK = RiskCell.offset("mark") // 8
"""Of a cell of a spot instrument: the participant's fee terms."""
CONFIRMING = ("journal", "replica")
"""Stages whose word that a command is safe the gate waits for."""
Levels = list[tuple[int, int, int]]


@dataclass
class Moment:
    """What a poll has brought, in order."""

    seq: int = 0
    reports: list[Report] = field(default_factory=list)
    trades: list[tuple[int, Trade]] = field(default_factory=list)
    candles: dict[tuple[int, str], Candle] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    """Instruments whose book may have changed."""
    wallets: set[int] = field(default_factory=set)
    """Participants whose wallets may have changed."""


class Mirror:
    """Follows one venue.  :meth:`poll` brings it to what is released; one thread."""

    def __init__(self, file: VenueFile, is_served: Callable[[int], bool]) -> None:
        """``is_served``: whether a participant's orders are kept."""
        self.file, self.markets = file, Markets(file)
        self.orders = Orders(is_served)
        self.is_served = is_served
        self.tapes = {market.index: Tape() for market in self.markets.all}
        self.phases: dict[int, int] = {}
        self.listeners: list[Callable[[Moment], None]] = []
        self.state = "never opened"
        self.seq = 0
        self.time_ns = 0
        self._sessions = max(1, len(file.sessions.sessions))
        self._reader: JournalReader | None = None
        self._point: Point | None = None
        self._view: View | None = None
        self._ahead: deque[Block] = deque()
        self._pipeline: RunningPipeline | None = None
        self._releasing: list[int] = []

    # The venue's process

    def look(self) -> None:
        """Find the venue's process again; now and then."""
        journal = self.file.journal
        status = read_status(journal) if journal.is_dir() else None
        self.state = str(status["state"]) if status else "never opened"
        pid = int(status["pid"]) if status and status["state"] == "open" else 0
        if self._pipeline is not None and self._pipeline.owner.pid == pid:
            if self._pipeline.owner.alive():
                return
            pid = 0
        self._pipeline = None
        owners = running_owners(pid) if pid else []
        if owners:
            self._pipeline = attached(owners[0])
        if self._pipeline is not None:
            index = self._pipeline.table.index
            self._releasing = [index[name] for name in CONFIRMING if name in index]

    @property
    def is_open(self) -> bool:
        """Whether the venue takes orders now."""
        return self._pipeline is not None and self.state == "open"

    def released_seq(self) -> int:
        """Commands up to here are safe.  While no venue runs, all that the journal has is."""
        if self._pipeline is None or not self._pipeline.owner.alive():
            return 2**62
        at = control_words.STAGE_SAFE_SEQ
        return min(self._pipeline.control.stage(index, at) for index in self._releasing)

    # Following

    def poll(self) -> int:
        """Take what was released since; how many commands that was."""
        if self._reader is None and not self._begin():
            return 0
        assert self._reader is not None
        self._ahead.extend(self._reader.follow(self.seq + 1))
        if not self._ahead:
            return 0
        released, moment, count = self.released_seq(), Moment(), 0
        while self._ahead:
            block = self._ahead[0]
            commands = commands_of(block)
            if len(commands) and int(commands["seq"][-1]) > released:
                break
            self._ahead.popleft()
            count += self._take(block, commands, moment)
        moment.seq = self.seq
        if count:
            for listener in self.listeners:
                listener(moment)
        return count

    def _begin(self) -> bool:
        journal = self.file.journal
        if not journal.is_dir() or not Journal.exists(journal):
            return False
        self._reader = JournalReader(journal)
        self._point = starting_point(self._reader)
        self._view = View(self._point.engine.region)
        if self._view.wallets is None:
            raise OutcryError(f"{journal}: this journal has no wallets; the portal needs spot")
        self.seq = self._point.seq
        phases = self._point.engine.state().states["phase"]
        self.phases = dict(enumerate(phases.tolist()))
        return True

    def _take(self, block: Block, commands: npt.NDArray[Any], moment: Moment) -> int:
        assert self._point is not None
        assert self._reader is not None
        if not len(commands):
            return 0
        names = self._names(block, len(commands))
        first = int(commands["seq"][0])
        skip = max(0, self.seq + 1 - first)
        if skip >= len(commands):
            return 0
        # Fees follow from settings that a RISK command changes: each is the end of a step.
        settings = (np.flatnonzero(commands["kind"] == RISK_KIND) + 1).tolist()
        cuts = sorted({skip, *(one for one in settings if one > skip), len(commands)})
        at = skip
        for cut in cuts[1:]:
            while at < cut:
                end = min(cut, at + STEP)
                part = commands[at:end]
                events = self._point.feed(part, block, self._reader.last_block)
                self._apply(part, events, names, at, moment)
                at = end
        return len(commands) - skip

    def _names(self, block: Block, count: int) -> dict[int, str]:
        """The client's name of each command of a block that has one, by its place."""
        text = block.note.get(BLOCK_KEY, "")
        if not text:
            return {}
        places, rows = unpack(text, count, self._sessions)
        tokens = np.ascontiguousarray(rows["token"]).view("S40").ravel()
        names = {}
        for place, row, token in zip(places.tolist(), rows, tokens, strict=True):
            size = int(row["token_bytes"])
            if size and not int(row["flags"]) & FLAG_INTERNAL:
                names[place] = token[:size].decode("latin-1")
        return names

    def _apply(
        self,
        commands: npt.NDArray[Any],
        events: npt.NDArray[Any],
        names: dict[int, str],
        at: int,
        moment: Moment,
    ) -> None:
        first = int(commands["seq"][0])
        self.seq, self.time_ns = int(commands["seq"][-1]), int(commands["rx_ts_ns"][-1])
        for event in events:
            kind = int(event["kind"])
            place = int(event["cause_seq"]) - first
            command = commands[place]
            instrument, time_ns = int(event["instrument"]), int(command["rx_ts_ns"])
            moment.touched.add(instrument)
            if kind == PHASE_CHANGED:
                self.phases[instrument] = int(event["qty_lots"])
            if kind not in EVENTS_OF_ORDERS:
                continue
            if kind == FILLED_KIND:
                self._trade(event, instrument, time_ns, moment)
            participant = int(event["participant"])
            if self.is_served(participant):
                moment.wallets.add(participant)
                name = names.get(at + place, "")
                self._of_order(event, command, instrument, name, time_ns, moment)
        settings = commands["kind"] == RISK_KIND
        if settings.any():
            moment.wallets.update(int(one) for one in commands["qty_lots"][settings])

    def _trade(self, event: Any, instrument: int, time_ns: int, moment: Moment) -> None:
        flags, tape = int(event["flags"]), self.tapes.get(instrument)
        is_buy = int(event["side"]) == Side.BUY
        counts = is_buy if flags & AUCTION else bool(flags & MAKER)
        if tape is None or not counts:
            return
        trade = Trade(
            int(event["seq"]),
            int(event["price_ticks"]),
            int(event["qty_lots"]),
            time_ns // 1_000_000,
            is_buy and not flags & AUCTION,
            int(event["cause_seq"]),
        )
        moment.trades.append((instrument, trade))
        for interval, candle in tape.add(trade):
            moment.candles[instrument, interval] = candle

    def _of_order(
        self,
        event: Any,
        command: Any,
        instrument: int,
        name: str,
        time_ns: int,
        moment: Moment,
    ) -> None:
        core_id = int(event["order_id"])
        order = self.orders.find(instrument, core_id)
        is_own = core_id == int(command["order_id"]) and int(command["kind"]) == NEW_COMMAND
        if order is None:
            if not is_own or instrument not in self.markets.by_index:
                return  # of before the checkpoint that the mirror began with
            order = self.orders.entered(command, instrument, name, int(event["leaves_lots"]))
            order.fee_terms = self._fee_terms(order)
        report = self.orders.apply(event, order, time_ns, "" if is_own else name)
        if report is not None:
            if report.fill is not None:
                self._fee(order, report.fill)
            moment.reports.append(report)

    def _fee(self, order: Order, fill: Fill) -> None:
        """What the core has collected (``risk/spot.py``), in which asset."""
        market, terms = self.markets.by_index[order.instrument], self._fee_terms(order)
        rate = _signed(terms if fill.is_maker else terms >> TAKER_AT)
        paid = fill.price_ticks * fill.lots * market.tick_units
        fill.fee_asset, amount = market.quote, paid
        if order.side == Side.BUY and order.fee_terms >> QUOTE_FEE_AT & 1:
            # A buy that pays in the quote asset has reserved the fee, and never pays more.
            reserved = order.fee_terms
            rate = min(rate, max(_signed(reserved), _signed(reserved >> TAKER_AT), 0))
        elif order.side == Side.BUY:
            fill.fee_asset, amount = market.base, fill.lots * market.lot_units
        size = amount * abs(rate) // FEE_UNIT
        fill.fee_units = size if rate >= 0 else -size

    def _fee_terms(self, order: Order) -> int:
        assert self._view is not None
        return int(self._view.cells[order.participant, order.instrument, MARK])

    # What is shown

    @property
    def wallets(self) -> Wallets | None:
        return self._view.wallets if self._view is not None else None

    def balances(self, participant: int) -> dict[str, tuple[int, int]]:
        """Available and reserved of each asset."""
        wallets = self.wallets
        if wallets is None or participant >= len(wallets.rows):
            return dict.fromkeys(self.markets.assets, (0, 0))
        rows = wallets.rows[participant, :, :2].tolist()
        held = {name: (row[0], row[1]) for name, row in zip(wallets.names, rows, strict=True)}
        return {name: held.get(name, (0, 0)) for name in self.markets.assets}

    def rates(self, participant: int, instrument: int) -> tuple[int, int]:
        """Fees of makers and takers, in millionths."""
        if self._view is None or participant >= len(self._view.cells):
            return 0, 0
        terms = int(self._view.cells[participant, instrument, MARK])
        return _signed(terms), _signed(terms >> TAKER_AT)

    def depth(self, code: bytes, levels: int) -> tuple[Levels, Levels]:
        """What is displayed: (price in ticks, lots, orders), best first; bids and asks."""
        if self._point is None:
            return [], []
        sides = self._point.engine.depth(code, levels)
        return sides["bids"], sides["asks"]

    def best(self, code: bytes) -> tuple[int | None, int, int | None, int]:
        """Bid, its lots, ask, its lots."""
        if self._point is None:
            return None, 0, None, 0
        return self._point.engine.best(code)

    def is_trading(self, instrument: int) -> bool:
        return self.phases.get(instrument) == Phase.CONTINUOUS


def _signed(terms: int) -> int:
    """A rate of RATE_BITS bits in two's complement."""
    value = terms & (1 << RATE_BITS) - 1
    return value - (1 << RATE_BITS) if value >> (RATE_BITS - 1) else value
