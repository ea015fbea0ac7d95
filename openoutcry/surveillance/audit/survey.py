"""What a first reading of the journal says: how far it goes, where days and runs begin, how wrong
its time may be."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.events import commands_of
from openoutcry.journal.projections import Block, JournalReader
from openoutcry.journal.tables import SPEAKS_NS, StampBounds
from openoutcry.order_entry.documents import NamesOfSessions

DAY_NS = 86_400_000_000_000


def day_text(day: int) -> str:
    """``2026-11-22`` of whole days since the epoch."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


class Survey:
    """A survey of a journal up to ``until_block`` (None: its present end).

    A command's day is the UTC day of the latest ingress time up to it: no command is of an earlier
    day than one before it."""

    def __init__(self, directory: Path, until_block: int | None = None) -> None:
        self.reader = JournalReader(directory)
        self.config: dict[str, Any] = self.reader.config
        self.day_ends: list[tuple[int, int]] = []
        """(last sequence, day) of each day that is over, ascending."""
        self.day = -1
        """The last command's."""
        self._latest_ns = -(2**62)
        self.last_written_ns = 0
        configs = [self.config, *(run.get("config", {}) for run in self.reader.resumed)]
        self.sessions: list[str] = max((c.get("sessions", []) for c in configs), key=len)
        """``NAME PROTOCOL of participant N`` by index from 1."""
        self.documents = NamesOfSessions(len(self.sessions))
        self.bounds = StampBounds(self.reader, until_block, self._look)
        self.until_block = self.bounds.blocks
        self.until_seq = self.reader.last_seq
        self.runs_begin = [int(run["seq"]) for run in self.reader.resumed]
        self.sessions = self.documents.named(self.sessions)

    def _look(self, block: Block) -> None:
        self.last_written_ns = max(self.last_written_ns, block.header.written_ts_ns)
        records = commands_of(block)
        if not len(records):
            return
        self.documents.take(records)
        latest_ns = max(self._latest_ns, int(records["rx_ts_ns"].max()))
        if latest_ns // DAY_NS == self.day:
            self._latest_ns = latest_ns
            return
        running = np.maximum.accumulate(np.maximum(records["rx_ts_ns"], self._latest_ns))
        days = running // DAY_NS
        before = np.concatenate([[self.day], days[:-1]])
        for index in np.flatnonzero(days != before).tolist():
            if before[index] != -1:
                self.day_ends.append((int(records["seq"][index]) - 1, int(before[index])))
        self._latest_ns, self.day = latest_ns, int(days[-1])

    def day_of(self, seq: int) -> int:
        """Return the day of a command of the journal."""
        for last, day in self.day_ends:
            if seq <= last:
                return day
        return self.day

    def ends(self, from_seq: int, part_commands: int) -> list[int]:
        """The last sequence of each part from ``from_seq`` on, to the end."""
        marks = {self.until_seq}
        marks |= {last for last, _ in self.day_ends if last >= from_seq}
        first = -(-from_seq // part_commands) * part_commands
        marks |= set(range(first, self.until_seq, part_commands))
        return sorted(mark for mark in marks if mark >= from_seq)

    def is_final(self, last_block: int, last_ts_ns: int) -> bool:
        """Return whether no later clock record can be about the blocks up to this one."""
        later_record = self.bounds.last_place > last_block
        return later_record or self.last_written_ns - last_ts_ns > SPEAKS_NS
