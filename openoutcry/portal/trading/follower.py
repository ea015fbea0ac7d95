"""The one way from the venue's journal to the events of its released commands: a core that follows
it.

The core takes a command once the venue has it on disk, and on every other machine that the venue
waits for: a crash takes nothing back that was shown.  Its state is then the venue's state after
that command, to the unit.  The portal's reader has such a core for all web processes, and the
history has one of its own, whose checkpoints are the ledger's.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.block import Block, BlockId
from openoutcry.journal.events import STEP, Point, commands_of, starting_point
from openoutcry.matcher.book.empty_arena import Zeros
from openoutcry.matcher.engine import Books
from openoutcry.order_entry.command_metadata import (
    BLOCK_KEY,
    FLAG_INTERNAL,
    FLAGS,
    TOKEN,
    unpack,
    unpack_few,
)
from openoutcry.order_entry.command_metadata import TOKEN_BYTES as TOKEN_SIZE
from openoutcry.portal.trading.instruments import Markets
from openoutcry.portal.trading.order_events import FILLED_KIND
from openoutcry.portal.trading.venue_watch import NO_LIMIT, VenueWatch
from openoutcry.risk import constants
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND
from openoutcry.risk.region import View
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.notes import FEE_SHIFT

COMMANDS_A_POLL = 32_768
"""About, at most: what else a process does waits for a poll."""
FEW = 8
"""Commands of a block that is processed together with its neighbours: alone it would take longer
than all its commands."""
DAY_NS = 86_400 * 10**9
TOKEN_BYTES = 48
"""Size of a client's name in a step: one byte for its length, up to 40 bytes of the name, and
zeros."""
Records = npt.NDArray[Any]
Names = npt.NDArray[np.uint8]
NO_NAMES: Names = np.zeros((0, TOKEN_BYTES), np.uint8)


class Step(NamedTuple):
    """Commands (ORDER_DTYPE), and all that they caused."""

    commands: Records
    events: Records
    """EVENT_DTYPE."""
    notes: npt.NDArray[np.int64]
    """The core's note at each event, and what fills in contracts have cost."""
    names: Names
    """The client's name of each command, TOKEN_BYTES; no row at all: none has one."""


class Began(NamedTuple):
    """Where a core began."""

    seq: int
    """The command before its first."""
    journal_id: int
    inode: int
    """Of the journal's folder."""
    phases: dict[int, int]
    """Phase of each instrument, by its index."""


class State(NamedTuple):
    """What is released, of one moment."""

    view: View
    books: Books


class Follower(VenueWatch):
    """Follows one venue's journal with a core of its own.  One thread."""

    is_ready = True
    """Whether its state is shown."""

    def __init__(self, file: VenueFile, zeros: Zeros | None = None) -> None:
        """``zeros``: gives the core's memory, as for :class:`Engine`."""
        super().__init__(file)
        self.markets = Markets(file)
        self.began: Began | None = None
        self.listeners: list[Callable[[Step], None]] = []
        """Called by :meth:`poll` with each step."""
        self.day_ends: list[Callable[[int], None]] = []
        """Called with a day (UTC, since 1970) that has ended, before the next day's first
        command."""
        self.day = 0
        self.time_ns = 0
        """Of the last command that was taken."""
        self.cut_seq = 0
        """No step goes across this command."""
        self._zeros = zeros
        self._sessions = max(1, len(file.sessions.sessions))
        self._reader: JournalReader | None = None
        self._point: Point | None = None
        self._is_own = False
        """Whether the point is this follower's own: it is never saved then."""
        self._state: State | None = None
        self._blocks: Generator[Block, None, None] | None = None
        self._next: Block | None = None
        self._small: list[tuple[Block, Records, BlockId]] = []
        """Blocks of a few commands of the day, which are processed together."""
        self._read_seq = 0
        """The last command of these, or the last that was taken."""

    # The journal

    def look(self) -> None:
        """Find the venue's process again; now and then."""
        before = self._pipeline
        super().look()
        if self._reader is not None and self._pipeline is not before:
            self._share_recent()

    def _share_recent(self) -> None:
        """Read the journal's last blocks in the venue's memory: read from the disk, each would take
        longer than all else."""
        assert self._reader is not None
        pipeline = self._pipeline
        self._reader.recent = pipeline.recent_blocks() if pipeline is not None else None

    def begin(self) -> bool:
        """Open the journal; False: there is no journal yet.  Raises :class:`OutcryError`."""
        if self._reader is not None:
            return True
        journal = self.file.journal
        if not journal.is_dir() or not Journal.exists(journal):
            return False
        reader = JournalReader(journal)
        self.begin_at(reader, starting_point(reader, zeros=self._zeros))
        self._is_own = True
        return True

    def begin_at(self, reader: JournalReader, point: Point) -> None:
        """Follow the journal from a point of it on.  Raises :class:`OutcryError`."""
        view = View(point.engine.region)
        if view.wallets is None:
            text = "this journal has no wallets; the portal needs spot"
            raise OutcryError(f"{reader.directory}: {text}")
        self._reader, self._point = reader, point
        self._state = State(view, point.engine)
        self.inode = reader.directory.stat().st_ino
        self._follow_terms()
        self._share_recent()
        self.seq = self._read_seq = point.seq
        phases = dict(enumerate(point.engine.state().states["phase"].tolist()))
        self.began = Began(point.seq, reader.journal_id, self.inode, phases)

    def wait_until_begun(self) -> bool:
        """As :meth:`begin`."""
        return self.begin()

    @property
    def is_restarting(self) -> bool:
        """Return whether what was released cannot be read for a while: never here."""
        return False

    @property
    def point(self) -> Point:
        """The core where this follower is."""
        assert self._point is not None
        return self._point

    @property
    def reader(self) -> JournalReader:
        """The journal that it reads; only after its start."""
        assert self._reader is not None
        return self._reader

    @property
    def wallets(self) -> Any:
        """The wallets as of ``seq``; None before the start."""
        return self._state.view.wallets if self._state is not None else None

    def held(self) -> AbstractContextManager[State | None]:
        """Give what is released, as of ``seq``: the core's.  None before the start."""
        return nullcontext(self._state)

    # Steps

    def poll(self, until_seq: int = NO_LIMIT) -> int:
        """Give what was released since to the listeners; how many commands that was.  Much takes
        several polls: 0 is the end."""
        count = 0
        for step in self.steps(until_seq):
            for listener in self.listeners:
                listener(step)
            count += len(step.commands)
        return count

    def steps(self, until_seq: int = NO_LIMIT) -> Iterator[Step]:
        """Process what was released since, of whole blocks up to ``until_seq``, about
        COMMANDS_A_POLL at most."""
        if not self.begin():
            return
        released = min(self.released_seq(), until_seq)
        if released <= self.seq:
            return  # known without a look at the disk
        try:
            yield from self._steps(released)
        finally:
            if self._blocks is not None:  # what it has read ahead may be written by the next poll
                self._blocks.close()
                self._blocks = None

    def rest(self) -> Iterator[Step]:
        """Return the steps up to the state that is held: all were taken."""
        return iter(())

    def _steps(self, released: int) -> Iterator[Step]:
        before = self.seq
        while self._read_seq - before < COMMANDS_A_POLL and self._read_seq < released:
            block = self._block()
            if block is None:
                break
            commands = commands_of(block)
            first = block.header.first_seq
            if len(commands) and first + len(commands) - 1 > released:
                break
            self._next = None
            skip = max(0, self._read_seq + 1 - first)
            if skip >= len(commands):
                continue
            name = self.reader.last_block
            if self._is_small(commands):
                self._small.append((block, commands[skip:].copy(), name))
                self._read_seq = int(commands["seq"][-1])
                if FEW * len(self._small) >= STEP:
                    yield from self._small_steps()
            else:
                yield from self._small_steps()
                yield from self._block_steps(block, commands, skip, name)
        yield from self._small_steps()
        self._follow_terms()

    def _block(self) -> Block | None:
        """The next of the journal, which stays the next until it is taken."""
        if self._next is None:
            if self._blocks is None:
                self._blocks = self.reader.follow(self._read_seq + 1)
            self._next = next(self._blocks, None)
        return self._next

    def _is_small(self, commands: Records) -> bool:
        """Return whether a block is processed with others: it has few commands of this day, and a
        step may go across them."""
        if not self.day or len(commands) > FEW or self._read_seq < self.cut_seq:
            return False
        last_ns = commands["rx_ts_ns"]
        newest_ns = int(last_ns[0] if len(commands) == 1 else last_ns.max())
        return newest_ns // DAY_NS <= self.day and not self._set_fees(commands)

    def _small_steps(self) -> Iterator[Step]:
        """The step of the small blocks, if there are any."""
        if not self._small:
            return
        small, self._small = self._small, []
        names = [
            names_of(block, block.header.commands, self._sessions)[-len(part) :]
            for block, part, _ in small
        ]
        if len(small) == 1:
            yield self._step(small[0][0], small[0][1], small[0][2], names[0])
            return
        for block, part, _ in small if not self._is_own else ():
            self.point.sent(part, block)
        commands = np.concatenate([part for _, part, _ in small])
        if any(len(own) for own in names):
            every = np.zeros((len(commands), TOKEN_BYTES), np.uint8)
            at = 0
            for (_, part, _), own in zip(small, names, strict=True):
                if len(own):
                    every[at : at + len(part)] = own
                at += len(part)
        else:
            every = NO_NAMES
        yield self._step(None, commands, small[-1][2], every)

    def _block_steps(
        self, block: Block, commands: Records, skip: int, name: BlockId
    ) -> Iterator[Step]:
        """The steps of one block, after its first ``skip`` commands."""
        names = names_of(block, len(commands), self._sessions)
        days, cuts = days_of(commands, skip)
        if len(commands) > 1:
            # Of a step's fills all have paid the same fee.
            more = [*self._set_fees(commands), self.cut_seq + 1 - block.header.first_seq]
            cuts = sorted({*cuts, *(at for at in more if skip < at < len(commands))})
        at = skip
        for cut in cuts[1:]:
            self._enter_day(int(days[at]))
            while at < cut:
                end = min(cut, at + STEP)
                yield self._step(block, commands[at:end], name, names[at:end])
                at = end
        self._follow_terms()

    def _step(self, block: Block | None, commands: Records, name: BlockId, names: Names) -> Step:
        """Process commands; ``block``: that they are of, None: it is noted who sent them."""
        if self._is_own:
            events = self.point.uncounted(commands, name)
        else:
            if block is not None:
                self.point.sent(commands, block)
            events = self.point.process(commands, name)
        self.seq, self.time_ns = int(commands["seq"][-1]), int(commands["rx_ts_ns"][-1])
        self._read_seq = self.seq
        if self.markets.has_slots:
            self._follow_terms()
        return Step(commands, events, self._noted(events), names)

    def _enter_day(self, day: int) -> None:
        if day > self.day:
            if self.day:
                for listener in self.day_ends:
                    listener(self.day)
            self.day = day

    def _follow_terms(self) -> None:
        """Take rules of instruments that have changed, and the terms of contracts of which an
        underlying was split."""
        if self._state is not None:
            self.markets.follow(self._state.view)

    def _set_fees(self, commands: Records) -> list[int]:
        """The places of commands that set an instrument's fee, if the venue has contracts."""
        if not self.markets.contracts:
            return []
        sets = (commands["kind"] == RISK_KIND) & (commands["order_type"] == constants.SET_FEE)
        return list(np.flatnonzero(sets).tolist())

    def _noted(self, events: Records) -> npt.NDArray[np.int64]:
        """The core's notes at the last events, and what fills in contracts have cost: their flat
        fee is in no note."""
        notes = self.point.engine.notes
        if not self.markets.contracts:
            return notes
        assert self._state is not None
        fees = self._state.view.instruments[:, lay.FEE // 8]
        wanted = [contract.index for contract in self.markets.contracts if fees[contract.index]]
        if not wanted or not len(notes):
            return notes
        of_contract = (events["kind"] == FILLED_KIND) & np.isin(events["instrument"], wanted)
        if not of_contract.any():
            return notes
        noted, rows = notes.copy(), events[of_contract]
        noted[of_contract] = fees[rows["instrument"]] * rows["qty_lots"] << FEE_SHIFT
        return noted


def days_of(commands: Records, skip: int) -> tuple[Any, list[int]]:
    """The day of each command, and the places where a step ends: a day is the end of one."""
    if len(commands) == 1:  # of a venue in no hurry most blocks
        return [int(commands["rx_ts_ns"][0]) // DAY_NS], [0, 1]
    days = np.maximum.accumulate(commands["rx_ts_ns"] // DAY_NS)
    ends = (np.flatnonzero(np.diff(days)) + 1).tolist()
    return days, sorted({skip, *(end for end in ends if end > skip), len(commands)})


def names_of(block: Block, count: int, sessions: int) -> Names:
    """Return the client's name of each command of a block, as in a step; no row if none has one."""
    text = block.note.get(BLOCK_KEY, "")
    if not text:
        return NO_NAMES
    if count <= FEW:  # arrays of them take longer than all else
        return _names_of_few(text, count, sessions)
    places, rows = unpack(text, count, sessions)
    is_named = (rows["token_bytes"] > 0) & (rows["flags"] & FLAG_INTERNAL == 0)
    if not is_named.any():
        return NO_NAMES
    rows = rows[is_named]
    tokens = np.ascontiguousarray(rows["token"]).view(np.uint8).reshape(len(rows), -1)
    names = np.zeros((count, TOKEN_BYTES), np.uint8)
    names[places[is_named], 0] = rows["token_bytes"]
    names[places[is_named], 1 : 1 + tokens.shape[1]] = tokens
    return names


def _names_of_few(text: str, count: int, sessions: int) -> Names:
    """Return what :func:`names_of` does, of a block of a few commands."""
    named = bytearray(count * TOKEN_BYTES)
    for place, raw in unpack_few(text, count, sessions):
        if raw[TOKEN_SIZE] and not raw[FLAGS] & FLAG_INTERNAL:
            at, size = place * TOKEN_BYTES, raw[TOKEN_SIZE]
            named[at] = size
            named[at + 1 : at + 1 + size] = raw[TOKEN : TOKEN + size]
    return np.frombuffer(named, np.uint8).reshape(count, TOKEN_BYTES)


def name_at(names: bytes, place: int) -> str:
    """The name of a command by its place; ``names``: the bytes of a step's."""
    if not names:
        return ""
    at = place * TOKEN_BYTES
    return names[at + 1 : at + 1 + names[at]].decode("latin-1")
