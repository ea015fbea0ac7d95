"""Readers of released events: market data, drop copy and the like.

A reader is gated by the gate on the event ring and may fall behind by its declared queue.  Beyond
that the gate detaches its cursor: nothing waits for it.  It then reads what the ring's memory still
has, which are the events after its place until half a round has been published.  If its place is
older, it continues from the journal.  It feeds the commands to a separate matcher, which gives the
same events with the same numbers.  When it has caught up it rejoins the ring.  From either source
it receives each event once, in order, and only after the gate has released it.

::

    journal ── commands ─► matcher ─► events place+1 .. J ──┐
    the ring's memory, if it still has all of place+1 .. J ─┤
    event ring, from J+1 on, J: published when it came back ┴─► poll
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalError, JournalReader
from openoutcry.journal.events import Point, Records, gathered_events_of, starting_point
from openoutcry.ring import ProcessIdentity, RingBuffer, kernels, layout
from openoutcry.ring.layout import RingConsumer, RingHeader
from openoutcry.ring.segment import segment_name
from openoutcry.runtime import control
from openoutcry.runtime.table import Topology
from openoutcry.wire import EVENT_DTYPE, OutcryError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord
from openoutcry.wire.memory import compare_exchange, copy64

MAX_BATCH = 4096
DETACHED = -1


class ReleasedError(OutcryError):
    """A reader cannot continue from its place."""


class Place(NamedTuple):
    """How far a reader has come: its last event, and the command that caused it."""

    event_seq: int = 0
    cause_seq: int = 0


@kernel
def take(ring: int, mask: int, cursor: int, gate_cursor: int, out: int, limit: int) -> int:
    """Copy up to ``limit`` released events after the cursor to ``out`` and move it; DETACHED if the
    cursor was taken away, also meanwhile: what was copied may then be overwritten. Addresses are
    ``ring``, ``cursor``, ``gate_cursor`` and ``out``."""
    begin = SharedWord(cursor).value
    if begin == layout.FREE:
        return DETACHED
    count = min(SharedWord(gate_cursor).value - begin, limit)
    if count <= 0:
        return 0
    for index in range(count):
        copy64(out + 64 * index, kernels.slot_address(ring, mask, begin + 1 + index))
    if compare_exchange(cursor, begin, begin + count) != 1:
        return DETACHED
    return count


class ReleasedReader:
    """The reader ``name`` (a row of the table) of the pipeline that ``owner`` supervises.

    ``journals``: the journal's directories, for what the ring no longer has.  ``after``: the place
    where an earlier reader of that name stopped.  Raises ``KeyError`` for a name that is not a row.
    """

    def __init__(
        self,
        owner: ProcessIdentity,
        name: str,
        journals: Sequence[Path] = (),
        after: Place | None = None,
    ) -> None:
        self.control = control.Control.attach(segment_name(owner, "control"), read_only=True)
        self.table = Topology.from_json(self.control.table_text)
        rows = {row.name: row for row in self.table.released}
        self.row = rows[name]
        self.journals = list(journals)
        self.place = after or Place()
        self.times_joined = 0
        self.times_detached = 0
        (ring,) = self.table.inputs(self.table.gate.name)
        self.ring = RingBuffer.attach(segment_name(owner, ring), EVENT_DTYPE)
        self._cursor = self.ring.cursors[name]
        self._gate = self.ring.cursors[self.table.gate.name]
        self._out = np.zeros(MAX_BATCH, EVENT_DTYPE)
        self._joined_at: int | None = None
        self._on_ring = False
        self._reader: JournalReader | None = None
        self._point: Point | None = None
        self._pending = self._out[:0]
        """Events from the journal up to where ``_point`` is; none after the place is missing."""
        self._batches: Iterator[tuple[Records, Records]] = iter(())

    @property
    def released_seq(self) -> int:
        """The last event that the gate has released."""
        return int(self._gate[0])

    @property
    def on_ring(self) -> bool:
        """Return whether it reads the ring; else it reads the journal."""
        return self._on_ring

    @property
    def ended(self) -> bool:
        """The run is over and this reader has all of its events."""
        done = self.control.stage(self.table.index[self.table.gate.name]).done
        return done == self.place.event_seq + 1

    @property
    def cursor_address(self) -> int:
        """Address of this reader's cursor (that of the gate follows): for a kernel that reads the
        ring."""
        return int(self._cursor.ctypes.data)

    @property
    def gate_address(self) -> int:
        """Address of the word up to which events are released."""
        return int(self._gate.ctypes.data)

    def went_on(self, event_seq: int, cause_seq: int) -> None:
        """A kernel has moved the cursor up to that event."""
        assert self._on_ring
        assert event_seq >= self.place.event_seq
        self.place = Place(event_seq, cause_seq)

    def lost(self) -> None:
        """A kernel has found the cursor taken away."""
        self._lost()

    def poll(self, limit: int = MAX_BATCH) -> npt.NDArray[Any]:
        """The next released events (EVENT_DTYPE, a copy), at most ``limit``; maybe none yet.

        Raises :class:`ReleasedError` if they are neither on the ring nor in a journal.
        """
        if not self._on_ring and self._joined_at is None and self._is_near():
            self._join()
        if self._on_ring:
            count = self._take(min(limit, MAX_BATCH))
            if count != DETACHED:
                return self._advanced(self._out[:count].copy())
            self._lost()
        events = self._from_memory(min(limit, MAX_BATCH))
        return events if len(events) else self._from_journal(limit)

    def _take(self, limit: int) -> int:
        ring = self.ring
        addresses = self._cursor.ctypes.data, self._gate.ctypes.data, self._out.ctypes.data
        return int(take(ring.address, ring.mask, *addresses, limit))

    def _is_near(self) -> bool:
        """All but the last of what is released has been read: what is only published is in the
        journal by the time at which the gate lets it go."""
        return self.released_seq - self.place.event_seq <= self.row.queue // 2

    def _join(self) -> None:
        """Gate again, from what is published next on; what is before still comes from the journal,
        while the gate watches that this does not take longer than the queue."""
        index = self.ring.consumer_names.index(self.row.name)
        entry = self.ring.take_consumer_entry(index, again=True)
        kernels.rejoin(
            RingHeader.of(self.ring.address),
            self.ring.mask,
            self.ring.shift,
            RingConsumer.of(entry),
        )
        self._joined_at = int(self._cursor[0])
        self._on_ring = self._joined_at == self.place.event_seq
        self.times_joined += 1

    def _lost(self) -> None:
        self._on_ring, self._joined_at = False, None
        self.times_detached += 1

    def _advanced(self, events: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(events):
            first, last = int(events["seq"][0]), int(events["seq"][-1])
            assert (first, last) == (self.place.event_seq + 1, self.place.event_seq + len(events))
            self.place = Place(last, int(events["cause_seq"][-1]))
            if last == self._joined_at:
                self._on_ring = True
        return events

    @property
    def _until(self) -> int:
        """Return how far to go without the cursor: to where it joined, and no further than the
        gate."""
        joined_at = sys.maxsize if self._joined_at is None else self._joined_at
        return min(self.released_seq, joined_at)

    def _from_memory(self, limit: int) -> npt.NDArray[Any]:
        """Return the next events, if the ring's memory still has them; else nothing."""
        ring, first = self.ring, self.place.event_seq + 1
        count = min(limit, self._until + 1 - first)
        if count <= 0 or ring.published - first >= ring.capacity // 2:
            return self._out[:0]
        copied = ring.slots[np.arange(first, first + count) & ring.mask]
        # A run that was resumed has only its own events there.
        if int(copied["seq"][0]) != first or ring.published - first >= ring.capacity // 2:
            return self._out[:0]
        return self._advanced(copied)

    def _from_journal(self, limit: int) -> npt.NDArray[Any]:
        """The next events; nothing after some thousand commands that had none of them, so that the
        caller can do something else meanwhile."""
        if self._joined_at is not None and int(self._cursor[0]) == layout.FREE:
            self._lost()
        if self.released_seq <= self.place.event_seq:
            return self._out[:0].copy()
        pending = self._pending[self._pending["seq"] > self.place.event_seq]
        if not len(pending):
            events = self._next_events()
            if events is None:  # the journal has more by the next time
                return self._out[:0].copy()
            self._pending = events
            pending = events[events["seq"] > self.place.event_seq]
        until = self._until
        count = int(np.searchsorted(pending["seq"], until, side="right"))
        return self._advanced(pending[: min(count, limit)].copy())

    def _next_events(self) -> Records | None:
        """Return the journal's next events, possibly an empty array; None if it has no more now."""
        if self._reader is None or self._point is None:
            self._reader = self._journal()
            # Of the command that caused the last event there may be more.
            self._point = starting_point(self._reader, max(0, self.place.cause_seq - 1))
        batch = next(self._batches, None)
        if batch is None:
            self._batches = gathered_events_of(self._reader, self._point, follow=True)
            batch = next(self._batches, None)
        return batch[1] if batch else None

    def _journal(self) -> JournalReader:
        if not self.journals:
            raise ReleasedError(
                f"reader {self.row.name} is at event {self.place.event_seq}, which its "
                f"queue of {self.row.queue} no longer holds, and there is no journal to resume from"
            )
        refusals = []
        for directory in self.journals:
            try:
                return JournalReader(directory)
            except JournalError as error:
                refusals.append(str(error))
        raise JournalError("; ".join(refusals))
