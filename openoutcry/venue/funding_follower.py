"""Follows a journal and writes the rates of perpetuals, and what each position was paid
(``funding_book.py``).

The journal is searched for commands that put funding in force.  For each of them the core is
brought there from the newest checkpoint before it, and nothing else is replayed.  Lots and amounts
are the core's own.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.host.processes import KeptProcess
from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block
from openoutcry.journal.checkpoints import checkpoint_seqs
from openoutcry.journal.events import (
    NO_LIMIT,
    Point,
    commands_of,
    events_of,
    oldest_point,
    starting_point,
)
from openoutcry.journal.tail import name_of_block
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.risk.contract_layout import PERPETUAL, STAGED
from openoutcry.risk.joined import view_of
from openoutcry.risk.region import View
from openoutcry.venue.funding_book import NAME, OF_RATE, SCHEMA
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.sqlite_file import SqliteFile, WrongFileError
from openoutcry.wire.symbols import symbols_of

PAUSE_S, RETRY_S, LAST_S = 1.0, 10.0, 5.0
"""Seconds from one look at the journal to the next, after an error, and for the last look."""
KEEP_EVERY = 1_000_000
"""Commands without a payment after which the place in the journal is kept."""


class Words(NamedTuple):
    """A perpetual's words in the core (``ContractRow``)."""

    period: int
    funded: int
    rate: int
    mark: int


class Funding(NamedTuple):
    """A period of a perpetual that was funded."""

    instrument: int
    """Its index."""
    words: Words
    """After it."""
    paid: int
    """What a lot was paid, units of money."""
    held: dict[int, int]
    """Lots by participant."""


class FundingFollower(Closing):
    """Writes the file of one journal; one process at a time."""

    def __init__(self, journal: Path) -> None:
        """Continue where the file ends; begin again where it is of another history.

        Raises :class:`OutcryError`."""
        self.reader = JournalReader(journal)
        self.symbols = symbols_of(self.reader.config)
        self.book = SqliteFile(journal / NAME, SCHEMA, journal_mode="delete")
        self._point: Point | None = None
        """The core while fundings are worked out."""
        self.seq, self._kept_seq, self._staged = 0, 0, False
        self.totals: dict[tuple[int, str], int] = {}
        """By participant and contract."""
        if not self._continues():
            self._begin()

    def close(self) -> None:
        """Close the file."""
        self.book.close()

    def advance(self, until_seq: int = NO_LIMIT) -> int:
        """Read what the journal has by now; how many commands may have put funding in force.  A
        follower that has stopped at ``until_seq`` cannot continue."""
        done = 0
        for block in self.reader.follow(self.seq + 1):
            done += self._take(block, until_seq)
            if self.seq >= until_seq:
                break
        self._point = None
        return done

    def keep(self) -> None:
        """Note how far the journal was read."""
        if self.seq > self._kept_seq:
            self._note_place()

    # The file

    def _continues(self) -> bool:
        """Return whether the file has this journal's history, up to a place that the journal
        has."""
        row = self.book.row("select journal, seq, block, hash, staged from place")
        if row is None:
            return False
        journal, seq, index, block_hash, staged = row
        if journal != str(self.reader.journal_id):
            return False
        named = name_of_block(self.reader.directory, seq) if seq else None
        if seq and (named is None or named[1] != (index, block_hash)):
            return False
        self.seq = self._kept_seq = seq
        self._staged = bool(staged)
        query = "select participant, contract, total, max(number) from payments group by 1, 2"
        for who, contract, total, _ in self.book.rows(query):
            self.totals[who, contract] = int(total)
        return True

    def _begin(self) -> None:
        """An empty file: from the journal's begin on, or, where that is retired, from the oldest
        state that can be computed."""
        place, since_ns, periods = (0, 0, b""), 0, dict[int, int]()
        if self.reader.first_seq > 1:
            point = oldest_point(self.reader)
            assert point.block is not None, "a checkpoint names its block"
            view = view_of([point.engine.region])
            place, since_ns = (point.seq, *point.block), view.word(lay.NOW_NS)
            periods = {index: words.period for index, words in funded_of(view).items()}
        with self.book.change():
            for table in ("place", "contracts", "payments", "rates"):
                self.book.run(f"delete from {table}")
            values = str(self.reader.journal_id), *place, 0, since_ns
            self.book.run("insert into place values (?, ?, ?, ?, ?, ?)", *values)
            for index, period in periods.items():
                self._note_period(index, period)
        self.seq = self._kept_seq = place[0]

    def _note_place(self) -> None:
        index, block_hash = self.reader.last_block
        values = self.seq, index, block_hash, int(self._staged)
        query = "update place set seq = ?, block = ?, hash = ?, staged = ?"
        self.book.run(query, *values)
        self._kept_seq = self.seq

    def _note_period(self, index: int, period: int) -> None:
        values = self.symbols[index], period
        self.book.run("insert or replace into contracts values (?, ?)", *values)

    # The journal

    def _take(self, block: Block, until_seq: int) -> int:
        """The commands of one block; how many may have put funding in force."""
        commands, first = commands_of(block), block.header.first_seq
        commands = commands[max(0, self.seq + 1 - first) : max(0, until_seq + 1 - first)]
        if not len(commands):
            return 0
        if int(commands["seq"][0]) != self.seq + 1:
            raise OutcryError(f"{self.reader.directory}: what follows {self.seq} is not there")
        found = [
            (int(command["seq"]), int(command["rx_ts_ns"]))
            for command in commands[of_funding(commands)]
            if self._is_in_force(command)
        ]
        rows = [(at, self._paid_by(at[0])) for at in found]
        self.seq = int(commands["seq"][-1])
        if any(paid for _, paid in rows):
            with self.book.change():
                for (seq, ts_ns), paid in rows:
                    self._write(seq, ts_ns, paid)
                self._note_place()
        elif self.seq - self._kept_seq >= KEEP_EVERY:
            self._note_place()
        return len(rows)

    def _is_in_force(self, command: Any) -> bool:
        """Return whether the command may have put funding in force; what is staged is noted."""
        if command["order_type"] == Setting.CONTRACT_APPLY:
            was, self._staged = self._staged, False
            return was and command["aux"] != 0
        if command["time_in_force"] == STAGED:
            self._staged = True
            return False
        return True

    def _paid_by(self, seq: int) -> list[Funding]:
        """Return what the command has funded."""
        point = self._core_before(seq)
        before = funded_of(view_of([point.engine.region]))
        self._bring(point, seq)
        view, made = view_of([point.engine.region]), []
        for index, words in funded_of(view).items():
            if words.period == before[index].period:
                continue
            lots = view.cells[:, index, lay.POSITION // 8]
            held = {who: int(lots[who]) for who in np.flatnonzero(lots).tolist()}
            made.append(Funding(index, words, before[index].funded - words.funded, held))
        return made

    def _core_before(self, seq: int) -> Point:
        """The core after the command before this one."""
        newest = max(
            (
                checkpoint_seq
                for checkpoint_seq in checkpoint_seqs(self.reader.directory)
                if checkpoint_seq < seq
            ),
            default=0,
        )
        if self._point is None or self._point.seq >= seq or self._point.seq < newest:
            self._point = starting_point(JournalReader(self.reader.directory), seq - 1)
        self._bring(self._point, seq - 1)
        return self._point

    def _bring(self, point: Point, seq: int) -> None:
        if point.seq >= seq:
            return
        reader = JournalReader(self.reader.directory)
        for _ in events_of(reader, point, from_seq=point.seq + 1, until_seq=seq):
            if point.seq >= seq:
                return
        raise OutcryError(f"{reader.directory}: the journal ends at {point.seq}, before {seq}")

    def _write(self, seq: int, ts_ns: int, fundings: list[Funding]) -> None:
        query = "insert into payments (participant, contract, period, seq, ts_ns, rate, lots, mark,"
        query += " paid, total) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        of_rate = f"insert into rates ({OF_RATE}) values (?, ?, ?, ?, ?, ?)"
        for index, words, paid, held in fundings:
            symbol = self.symbols[index]
            self.book.run(of_rate, symbol, words.period, seq, ts_ns, words.rate, words.mark)
            for who, lots in held.items() if paid else ():
                total = self.totals.get((who, symbol), 0) + lots * paid
                values = who, symbol, words.period, seq, ts_ns, words.rate, lots, words.mark
                self.book.run(query, *values, lots * paid, str(total))
                self.totals[who, symbol] = total
            self._note_period(index, words.period)


def of_funding(commands: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which commands fund a contract, or put in force what is staged."""
    what = commands["order_type"]
    is_one = (what == Setting.CONTRACT_FUNDING) | (what == Setting.CONTRACT_APPLY)
    chosen: npt.NDArray[np.bool_] = (commands["kind"] == RISK_KIND) & is_one
    return chosen


def funded_of(view: View) -> dict[int, Words]:
    """The words of each perpetual, by the index of its instrument."""
    contracts = view.contracts
    if contracts is None:
        return {}
    return {
        index: Words(*(contracts.of(index, name) for name in Words._fields))
        for index in contracts.number
        if contracts.of(index, "kind") == PERPETUAL
    }


class FundingProcess(KeptProcess):
    """Follows the journal of a venue that is open, at the lowest priority."""

    def __init__(self, journal: Path) -> None:
        super().__init__("funding", partial(_follow, journal))

    def close(self) -> None:
        """Let it read to the journal's end, and end it."""
        with suppress(ProcessLookupError):
            if self.pid:
                descriptor = os.pidfd_open(self.pid)
                os.kill(self.pid, signal.SIGUSR1)
                select.select([descriptor], [], [], LAST_S)
                os.close(descriptor)
        super().close()


def _follow(journal: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.nice(19)
    follow_always(journal, _is_over)


def follow_always(journal: Path, is_over: Callable[[float], bool]) -> None:
    """Like :func:`follow`; begins again after an error, which standard error has once."""
    said = ""
    while True:
        try:
            follow(journal, is_over)
            return
        except (OutcryError, OSError) as error:
            if isinstance(error, WrongFileError):
                SqliteFile.remove(journal / NAME)  # it is made again
            if str(error) != said:
                said = str(error)
                print(f"outcry: history of funding: {said}", file=sys.stderr, flush=True)
        if is_over(RETRY_S):
            return


def _is_over(wait_s: float) -> bool:
    """Return whether the venue's run ends within this time."""
    return signal.sigtimedwait([signal.SIGUSR1], wait_s) is not None


def follow(journal: Path, is_over: Callable[[float], bool]) -> None:
    """Write what the journal has.  ``is_over`` waits for a number of seconds, and says when to look
    for the last time."""
    with FundingFollower(journal) as follower:
        is_last = False
        while True:
            follower.advance()
            if is_last:
                follower.keep()
                return
            is_last = is_over(PAUSE_S)
