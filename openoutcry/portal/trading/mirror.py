"""The venue as its released events show it: books, trades, orders and wallets, in memory.

A core in the portal follows the journal. It takes a command once the venue has it on disk, and on
every other machine that the venue waits for: a crash takes nothing back that was shown. Its state
is then the venue's state after that command, to the unit.
"""

import os
import time
from collections import namedtuple
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.block import Block
from openoutcry.journal.events import STEP, Point, commands_of, starting_point
from openoutcry.journal.recent import RecentBlocks
from openoutcry.order_entry.command_metadata import (
    BLOCK_KEY,
    FLAG_INTERNAL,
    FLAGS,
    TOKEN,
    TOKEN_BYTES,
    unpack,
    unpack_few,
)
from openoutcry.pipeline.top import RunningPipeline, attached, running_owners
from openoutcry.portal.trading.instruments import Market, Markets
from openoutcry.portal.trading.order_events import FILLED_KIND, KINDS
from openoutcry.portal.trading.orders import (
    MAKER,
    NEW_COMMAND,
    SHOWN,
    Orders,
    Report,
)
from openoutcry.portal.trading.public import Candle, Tape, Trade
from openoutcry.risk import constants
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND
from openoutcry.risk.instrument_state import state_in
from openoutcry.risk.layout import RiskCell
from openoutcry.risk.region import View, Wallets
from openoutcry.risk.spot_layout import QUOTE_FEE_AT, RATE_BITS, TAKER_AT
from openoutcry.runtime.loop import sleep_on
from openoutcry.venue.days import read_status
from openoutcry.venue.file import VenueFile
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.enum_numbers import EVENT_FLAG_AUCTION as AUCTION
from openoutcry.wire.enum_numbers import EVENT_KIND_PHASE_CHANGED as PHASE_CHANGED
from openoutcry.wire.enums import Phase, Side
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.layout import SharedWord
from openoutcry.wire.notes import FEE_SHIFT, fee_is_of_base, fee_units
from openoutcry.wire.off_book import is_off_book

MARK = RiskCell.offset("mark") // 8
"""In a cell of a spot instrument: the participant's fee terms."""
CONFIRMING = ("journal", "replica")
"""Stages whose word that a command is safe the gate waits for."""
COMMANDS_A_POLL = 32_768
"""About, at most: what else the portal does waits for a poll."""
FEW = 8
"""Commands of a block whose names are read without arrays."""
DAY_NS = 86_400 * 10**9
NO_LIMIT = 2**62
_made: Callable[..., Any] = namedtuple
"""Its fields are known at run time: they are the layout's."""
EventRow = _made("EventRow", EVENT_DTYPE.names)
CommandRow = _made("CommandRow", ORDER_DTYPE.names)
SEQ, KIND, QTY = (CommandRow._fields.index(name) for name in ("seq", "kind", "qty_lots"))
Levels = list[tuple[int, int, int]]
Records = npt.NDArray[Any]


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
    touched: set[int] = field(default_factory=set)
    """Instruments whose book may have changed."""
    wallets: set[int] = field(default_factory=set)
    """Participants whose wallets may have changed."""


class Mirror:
    """Follows one venue.  :meth:`poll` brings it to what is released; one thread."""

    def __init__(
        self, file: VenueFile, is_served: Callable[[int], bool], keeps_tapes: bool = True
    ) -> None:
        """``is_served``: whether a participant's orders are kept; ``keeps_tapes``: whether the
        trades and candles of the markets are."""
        self.file, self.markets = file, Markets(file)
        units = {contract.index: contract.inverse_units for contract in self.markets.contracts}
        self.orders = Orders(is_served, units)
        self.is_served = is_served
        self.tapes = {market.index: Tape() for market in self.markets.every if keeps_tapes}
        self.phases: dict[int, int] = {}
        self.listeners: list[Callable[[Moment], None]] = []
        self.day_ends: list[Callable[[int, Moment], None]] = []
        """Called with a day (UTC, since 1970) that has ended and what the poll has brought so far,
        before the next day's first command."""
        self.steps: list[Callable[[Records, Records], None]] = []
        """Called with each step's commands and all events that they caused."""
        self.day = 0
        self.state = "never opened"
        self.seq = self.began_seq = 0
        """The last command that was taken, and the one before the first."""
        self.time_ns = 0
        self._sessions = max(1, len(file.sessions.sessions))
        self._inode = 0
        """Of the journal's folder; 0: not open yet."""
        self._reader: JournalReader | None = None
        self._point: Point | None = None
        self._is_own = False
        """Whether the point is this mirror's own: it is never saved then."""
        self._view: View | None = None
        self._blocks: Generator[Block, None, None] | None = None
        self._next: Block | None = None
        self._pipeline: RunningPipeline | None = None
        self._recent: RecentBlocks | None = None
        """The journal's last blocks: read from the disk, each would take longer than all else."""
        self._releasing: list[int] = []
        self._woken: tuple[RunningPipeline | None, int] = (None, 0)

    # The venue's process

    def look(self) -> None:
        """Find the venue's process again; now and then."""
        journal = self.file.journal
        status = read_status(journal) if journal.is_dir() else None
        self.state = str(status["state"]) if status else "never opened"
        pid = int(status["pid"]) if status and status["state"] == "open" else 0
        if self._pipeline is not None and self._pipeline.owner.pid == pid:
            if not self._pipeline.owner.alive():
                pid = 0
            elif not self._pipeline.is_ending:
                return
        self._pipeline = None
        owners = running_owners(pid) if pid else []
        if owners:
            self._pipeline = attached(owners[0])
        self._recent = self._pipeline.recent_blocks() if self._pipeline is not None else None
        if self._reader is not None:
            self._reader.recent = self._recent
        if self._pipeline is not None:
            index = self._pipeline.table.index
            self._releasing = [index[name] for name in CONFIRMING if name in index]

    @property
    def has_lost_venue(self) -> bool:
        """Return whether no venue runs, as far as :meth:`look` knows, or that one is gone:
        another may have begun since.  A microsecond."""
        if self._pipeline is None or self._pipeline.is_ending:
            return True
        try:
            os.kill(self._pipeline.owner.pid, 0)
        except OSError:  # also where the number is another user's process now
            return True
        return False

    @property
    def is_open(self) -> bool:
        """Return whether the venue takes orders now."""
        return self._pipeline is not None and self.state == "open"

    def released_seq(self) -> int:
        """Commands up to here are safe.  While no venue runs, all that the journal has is, unless
        the venue died and other machines may not have its end: that waits until it runs again."""
        if self._pipeline is None:  # look() finds out; to ask here costs more than all else
            is_certain = self.file.replication is None or self.state not in ("dead", "open")
            return NO_LIMIT if is_certain else self.seq
        return min(self._pipeline.control.stage(index).safe_seq for index in self._releasing)

    def wait_for_work(self, seconds: float) -> bool:
        """Sleep, so long at most, until the venue's stages have work; True if they had some since
        the last call.  For one thread that does nothing else."""
        pipeline = self._pipeline  # mapped as long as it is waited for
        if pipeline is None:
            time.sleep(seconds)
            return True
        wake = pipeline.control.block.address_of("woken")
        known, seen = self._woken
        has_worked = known is not pipeline or sleep_on(wake, seen, int(seconds * 1e6)) != 0
        self._woken = pipeline, SharedWord(wake).value
        return has_worked

    # Following

    def poll(self, until_seq: int = NO_LIMIT) -> int:
        """Take what was released since, of whole blocks up to ``until_seq``; how many commands that
        was.  Much takes several polls: 0 is the end."""
        if not self.begin():
            return 0
        released = min(self.released_seq(), until_seq)
        if released <= self.seq:
            return 0  # known without a look at the disk
        moment = Moment()
        count = self._take_blocks(released, moment)
        if self._blocks is not None:  # what it has read ahead may be written by the next poll
            self._blocks.close()
            self._blocks = None
        moment.seq = self.seq
        wallets = self.wallets
        if wallets is not None and wallets.count > len(self.markets.assets):
            # One was declared while the venue traded.
            self.markets.assets |= {name: wallets.decimals(name) for name in wallets.names}
        if count:
            for listener in self.listeners:
                listener(moment)
        return count

    def _take_blocks(self, released: int, moment: Moment) -> int:
        """Take blocks up to the command ``released``; how many commands that was."""
        count = 0
        while count < COMMANDS_A_POLL and self.seq < released:
            block = self._block()
            if block is None:
                break
            commands = commands_of(block)
            if len(commands) and block.header.first_seq + len(commands) - 1 > released:
                break
            self._next = None
            count += self._take(block, commands, moment)
        return count

    def _block(self) -> Block | None:
        """The next of the journal, which stays the next until it is taken."""
        assert self._reader is not None
        if self._next is None:
            if self._blocks is None:
                self._blocks = self._reader.follow(self.seq + 1)
            self._next = next(self._blocks, None)
        return self._next

    def begin(self) -> bool:
        """Open the journal; False: there is no journal yet.  Raises :class:`OutcryError`."""
        if self._reader is not None:
            return True
        journal = self.file.journal
        if not journal.is_dir() or not Journal.exists(journal):
            return False
        reader = JournalReader(journal)
        self.begin_at(reader, starting_point(reader))
        self._is_own = True
        return True

    def begin_at(self, reader: JournalReader, point: Point) -> None:
        """Follow the journal from a point of it on.  Raises :class:`OutcryError`."""
        view = View(point.engine.region)
        if view.wallets is None:
            text = "this journal has no wallets; the portal needs spot"
            raise OutcryError(f"{reader.directory}: {text}")
        self._reader, self._point, self._view = reader, point, view
        self._inode = reader.directory.stat().st_ino
        self._follow_terms()
        reader.recent = self._recent
        self.seq = self.began_seq = point.seq
        phases = point.engine.state().states["phase"]
        self.phases = dict(enumerate(phases.tolist()))

    @property
    def is_carried_over(self) -> bool:
        """Return whether another folder has the journal's name now: the venue continues in it, by
        another file."""
        return self._inode != 0 and self._inode != self.file.journal.stat().st_ino

    @property
    def point(self) -> Point:
        """The core where this mirror is."""
        assert self._point is not None
        return self._point

    @property
    def reader(self) -> JournalReader:
        """The journal that it reads; only after its start."""
        assert self._reader is not None
        return self._reader

    @property
    def journal_id(self) -> int:
        """Identifies the venue's journal; 0 before the start."""
        return self._reader.journal_id if self._reader is not None else 0

    def _take(self, block: Block, commands: npt.NDArray[Any], moment: Moment) -> int:
        assert self._point is not None
        assert self._reader is not None
        if not len(commands):
            return 0
        names = self._names(block, len(commands))
        first = block.header.first_seq
        skip = max(0, self.seq + 1 - first)
        if skip >= len(commands):
            return 0
        days, cuts = self._days(commands, skip)
        if len(commands) > 1:
            # Of a step's fills all have paid the same fee.
            cuts = sorted({*cuts, *(fee for fee in self.set_fees(commands) if fee > skip)})
        at = skip
        for cut in cuts[1:]:
            self._enter_day(int(days[at]), moment)
            while at < cut:
                end = min(cut, at + STEP)
                part = commands[at:end]
                if self._is_own:
                    events = self._point.uncounted(part, self._reader.last_block)
                else:
                    events = self._point.feed(part, block, self._reader.last_block)
                for listener in self.steps:
                    listener(part, events)
                self._apply(part, events, self.noted(events), names, at, moment)
                at = end
        self._follow_terms()
        return len(commands) - skip

    @staticmethod
    def _days(commands: Records, skip: int) -> tuple[Any, list[int]]:
        """The day of each command, and the places where a step ends: a day is the end of one."""
        if len(commands) == 1:  # of a venue in no hurry most blocks
            return [int(commands["rx_ts_ns"][0]) // DAY_NS], [0, 1]
        days = np.maximum.accumulate(commands["rx_ts_ns"] // DAY_NS)
        ends = (np.flatnonzero(np.diff(days)) + 1).tolist()
        return days, sorted({skip, *(end for end in ends if end > skip), len(commands)})

    def _follow_terms(self) -> None:
        """Contracts of which an underlying was split have other terms."""
        if self.markets.contracts and self._view is not None:
            self.markets.follow(self._view.contracts)

    def set_fees(self, commands: Records) -> list[int]:
        """The places of commands that set an instrument's fee, if the venue has contracts."""
        if not self.markets.contracts:
            return []
        sets = (commands["kind"] == RISK_KIND) & (commands["order_type"] == constants.SET_FEE)
        return list(np.flatnonzero(sets).tolist())

    def noted(self, events: Records) -> npt.NDArray[np.int64]:
        """The core's notes at the last events, and what fills in contracts have cost: their flat
        fee is in no note."""
        notes = self.point.engine.notes
        if not self.markets.contracts:
            return notes
        assert self._view is not None
        fees = self._view.instruments[:, lay.FEE // 8]
        wanted = [contract.index for contract in self.markets.contracts if fees[contract.index]]
        if not wanted or not len(notes):
            return notes
        of_contract = (events["kind"] == FILLED_KIND) & np.isin(events["instrument"], wanted)
        if not of_contract.any():
            return notes
        noted, rows = notes.copy(), events[of_contract]
        noted[of_contract] = fees[rows["instrument"]] * rows["qty_lots"] << FEE_SHIFT
        return noted

    def _enter_day(self, day: int, moment: Moment) -> None:
        if day > self.day:
            if self.day:
                for listener in self.day_ends:
                    listener(self.day, moment)
            self.day = day

    def _names(self, block: Block, count: int) -> Any:
        """The client's name of each command of a block that has one, by its place."""
        if count <= FEW:
            return names_of_few(block, count, self._sessions)
        found = names_of(block, count, self._sessions)
        if found is None:
            return {}
        rows = zip(*(part.tolist() for part in found[:2]), found[2], strict=True)
        return {place: bytes(token[:size]).decode("latin-1") for place, size, token in rows}

    def _apply(
        self,
        commands: npt.NDArray[Any],
        events: npt.NDArray[Any],
        notes: npt.NDArray[np.int64],
        names: Any,
        at: int,
        moment: Moment,
    ) -> None:
        # Tuples with names: a field of a record of numpy costs ten times as much.
        rows = commands.tolist()
        first, last = rows[0][SEQ], CommandRow._make(rows[-1])
        self.seq, self.time_ns = last.seq, last.rx_ts_ns
        for row, note in zip(events.tolist(), notes.tolist(), strict=True):
            event = EventRow._make(row)
            kind = event.kind
            place = event.cause_seq - first
            command = CommandRow._make(rows[place])
            instrument, time_ns = event.instrument, command.rx_ts_ns
            moment.touched.add(instrument)
            if kind == PHASE_CHANGED:
                self.phases[instrument] = event.qty_lots
            if KINDS >> kind & 1 == 0:
                continue
            if kind == FILLED_KIND:
                self._trade(event, instrument, time_ns, moment)
            participant = event.participant
            if self.is_served(participant):
                moment.wallets.add(participant)
                name = names.get(at + place, "")
                self._of_order(event, note, command, instrument, name, time_ns, moment)
        moment.wallets.update([row[QTY] for row in rows if row[KIND] == RISK_KIND])

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
            if instrument in self.tapes:
                self.tapes[instrument].off_book.append(trade)
            return
        moment.trades.append((instrument, trade))
        if instrument in self.tapes:
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
        report = self.orders.apply(event, order, time_ns, "" if is_own else name)
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

    @property
    def view(self) -> View | None:
        """The risk state as of ``seq``; None before the start."""
        return self._view

    @property
    def wallets(self) -> Wallets | None:
        """The wallets as of ``seq``; None before the start."""
        return self._view.wallets if self._view is not None else None

    def balances(self, participant: int) -> dict[str, tuple[int, int]]:
        """Available and reserved of each asset."""
        wallets = self.wallets
        if wallets is None or participant >= len(wallets.rows):
            return dict.fromkeys(self.markets.assets, (0, 0))
        rows = wallets.rows[participant, :, :2].tolist()
        held = {name: (row[0], row[1]) for name, row in zip(wallets.names, rows, strict=True)}
        return {name: held.get(name, (0, 0)) for name in self.markets.assets}

    def spendable(self, participant: int, asset: str) -> int:
        """Return how many units of an asset an order of the participant may reserve: what is
        available, and its credit."""
        wallets = self.wallets
        if wallets is None or participant >= len(wallets.rows) or asset not in wallets.names:
            return 0
        available, _, credit = wallets.rows[participant, wallets.names.index(asset), :3].tolist()
        return max(available + credit, 0)

    def rates(self, participant: int, instrument: int) -> tuple[int, int]:
        """Fees of makers and takers, in millionths."""
        return self.fee_terms(participant, instrument)[:2]

    def fee_terms(self, participant: int, instrument: int) -> tuple[int, int, bool]:
        """Fees of makers and takers in a spot instrument, in millionths, and whether its buyers
        pay them in the quote asset."""
        is_spot = self.markets.by_index[instrument].contract is None
        if self._view is None or participant >= len(self._view.cells) or not is_spot:
            return 0, 0, False
        terms = int(self._view.cells[participant, instrument, MARK])
        return _signed(terms), _signed(terms >> TAKER_AT), bool(terms >> QUOTE_FEE_AT & 1)

    def fee_of_lot(self, market: Market) -> int:
        """Fee of a contract's lot in units of its quote asset; 0 of a spot instrument."""
        if self._view is None or market.contract is None:
            return 0
        return int(self._view.instruments[market.index, lay.FEE // 8])

    def depth(self, code: bytes, levels: int) -> tuple[Levels, Levels]:
        """Return the displayed levels: (price in ticks, lots, orders), best first; bids
        and asks."""
        if self._point is None:
            return [], []
        sides = self._point.engine.depth(code, levels)
        return sides["bids"], sides["asks"]

    def best(self, code: bytes) -> tuple[int | None, int, int | None, int]:
        """Bid, its lots, ask, its lots."""
        if self._point is None:
            return None, 0, None, 0
        return self._point.engine.best(code)

    def has_passed(self, code: bytes, order_type: int, side: int, trigger_ticks: int) -> bool:
        """Return whether what is released has passed the trigger of a stop."""
        if self._point is None:
            return False
        return self._point.engine.has_passed(code, order_type, side, trigger_ticks)

    def is_trading(self, instrument: int) -> bool:
        """Return whether an instrument, by its index, is in continuous trading."""
        return self.phases.get(instrument) == Phase.CONTINUOUS

    def state_of(self, instrument: int) -> InstrumentState:
        """Return the state of an instrument, by its index, as of ``seq``."""
        if self._view is None:
            return InstrumentState.TRADING
        return state_in(int(self._view.instruments[instrument, lay.HALT // 8]))


def names_of(
    block: Block, count: int, sessions: int
) -> tuple[npt.NDArray[np.int64], Records, Records] | None:
    """Return the clients' names in a block's commands: the commands' places, the length of each
    name, and its bytes, uint8[names, 40]; None if the block has no names."""
    text = block.note.get(BLOCK_KEY, "")
    if not text:
        return None
    places, rows = unpack(text, count, sessions)
    is_named = (rows["token_bytes"] > 0) & (rows["flags"] & FLAG_INTERNAL == 0)
    if not is_named.any():
        return None
    rows = rows[is_named]
    tokens = np.ascontiguousarray(rows["token"]).view(np.uint8).reshape(len(rows), -1)
    return places[is_named], rows["token_bytes"], tokens


def names_of_few(block: Block, count: int, sessions: int) -> dict[int, str]:
    """The clients' names in a block of a few commands, by place.  Most blocks of a venue in no
    hurry are such, for which arrays take longer than all else."""
    text = block.note.get(BLOCK_KEY, "")
    rows = unpack_few(text, count, sessions) if text else []
    return {
        place: raw[TOKEN : TOKEN + raw[TOKEN_BYTES]].decode("latin-1")
        for place, raw in rows
        if raw[TOKEN_BYTES] and not raw[FLAGS] & FLAG_INTERNAL
    }


def _signed(terms: int) -> int:
    """A rate of RATE_BITS bits in two's complement."""
    value = terms & (1 << RATE_BITS) - 1
    return value - (1 << RATE_BITS) if value >> (RATE_BITS - 1) else value
