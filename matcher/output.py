"""Where :meth:`Engine.process` has its events written: straight into the array that it returns."""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.events import number_events
from openoutcry.wire.indirect import call_batch_kernel
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import copy64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT_DTYPE, RECORD_BYTES

BATCH_COMMANDS = 512
"""Commands that are handed to the kernels at a time: their events are numbered while they are in
the first two levels of cache.  At the end of each batch there is nothing to look ahead to.  Against
the kernel alone on two streams of ``flow/streams.py``: 256 commands 1.09 and 1.22, 512 1.04 and
1.15, 1,024 as 512."""
FEW_COMMANDS = 4096
"""Up to this many commands write their events to the spare array, which is in cache; they are then
copied once."""
HANDED_OVER = 1 << 14
"""Number of events from which the spare array itself is the answer and a new one replaces it; fewer
are copied."""

Events = npt.NDArray[Any]


@kernel
def number_noted(events: int, count: int, first: int, notes: int) -> None:
    """Number ``count`` events, contiguous at ``events``, from ``first`` on.  What hooks have left
    in each event's ``seq`` goes to the words at ``notes``, unless that is 0."""
    if notes != 0:
        for index in range(count):
            Words(notes)[index] = EventRecord(events + index * RECORD_BYTES).seq
    number_events(events, count, first)


@kernel
def run(
    batch: int,
    core: int,
    worst: int,
    orders: int,
    count: int,
    out: int,
    capacity: int,
    spare: int,
    spare_capacity: int,
    first_seq: int,
    notes: int,
) -> tuple[int, int, int]:
    """Process ``count`` commands at ``orders`` by the batch kernel at address ``batch``.

    Events go straight to ``out``, which has room for ``capacity``, while the most that one command
    can cause (``worst``) fits there; then they go through ``spare``.  Returns (commands done,
    events at ``out``, events at ``spare``).  The last count is of the last commands done, which no
    longer fitted; it is 0 if all fitted.  With ``spare_capacity`` 0 it ends where ``out`` has no
    room.  All events are numbered from ``first_seq``.  ``notes``: where their notes go, a word an
    event, as many as both arrays have room for; 0: nowhere.
    """
    done = written = 0
    while done < count:
        order, at = orders + done * RECORD_BYTES, out + written * RECORD_BYTES
        part, room = min(BATCH_COMMANDS, count - done), capacity - written
        noted = notes + 8 * written if notes != 0 else 0
        commands = events = 0
        if room > worst:
            commands, events = call_batch_kernel(batch, core, order, part, at, room)
            number_noted(at, events, first_seq + written, noted)
        if commands == 0 and events == 0:
            commands, events = call_batch_kernel(batch, core, order, part, spare, spare_capacity)
            number_noted(spare, events, first_seq + written, noted)
            if commands == 0 and events == 0:
                return done, written, 0
            if events > room:
                return done + commands, written, events
            for index in range(events):
                copy64(at + index * RECORD_BYTES, spare + index * RECORD_BYTES)
        done, written = done + commands, written + events
    return done, written, 0


@kernel
def address_of(array: npt.NDArray[Any]) -> int:
    """``array.ctypes.data`` in less than half the time."""
    return array.ctypes.data


class Output:
    """The arrays that :meth:`Engine.process` fills, for an engine whose commands cause at most
    ``worst`` events each.  ``has_notes``: its hooks leave notes."""

    def __init__(self, worst: int, has_notes: bool = False) -> None:
        self.worst = worst
        self.has_notes = has_notes
        self._notes = np.zeros(0, np.int64)
        self.notes = self._notes
        """Notes about the events of the last call, in order; empty without notes."""
        self._spare = np.empty(0, EVENT_DTYPE)
        self._spare_address = 0

    def process(
        self,
        batch: int,
        core: int,
        orders: npt.NDArray[Any],
        open_orders: int,
        first_seq: int,
        out: Events | None,
    ) -> Events:
        """The events of ``orders`` (contiguous), in ``out`` if they fit there, and if not in a new
        array.

        A new array for many commands has room for what they and the open orders usually cause
        twice over: memory that is never touched costs nothing, and nothing is copied.
        """
        if not self._spare_address:
            self._spare = np.empty(self.worst + 2 * FEW_COMMANDS, EVENT_DTYPE)
            self._spare_address = address_of(self._spare)
        if out is not None:
            events, at = out, address_of(out)
        elif len(orders) <= FEW_COMMANDS:
            events, at = self._spare, self._spare_address
        else:
            events = np.empty(self._room(len(orders), open_orders), EVENT_DTYPE)
            at = address_of(events)
        address, done, total = address_of(orders), 0, 0
        while True:
            notes = self._room_for_notes(total, len(events)) if self.has_notes else 0
            commands, written, more = run(
                batch,
                core,
                self.worst,
                address + done * RECORD_BYTES,
                len(orders) - done,
                at + total * RECORD_BYTES,
                len(events) - total,
                self._spare_address,
                0 if events is self._spare else len(self._spare),
                first_seq + total,
                notes,
            )
            done, total = done + commands, total + written
            if done == len(orders):
                break
            events = self._grown(events, total, more, self._room(len(orders) - done, open_orders))
            total, at = total + more, address_of(events)
        if self.has_notes:
            self.notes = self._notes[: total + more].copy()
        if events is self._spare:
            return self._taken(total)
        return self._grown(events, total, more, 0) if more else events[:total]

    def _room(self, commands: int, open_orders: int) -> int:
        return 2 * (commands + open_orders) + self.worst + 2 * FEW_COMMANDS

    def _room_for_notes(self, total: int, room: int) -> int:
        """Return where the notes of the events after the first ``total`` go: of ``room`` events
        in all, and of the spare ones."""
        if len(self._notes) < room + len(self._spare):
            larger = np.empty(room + len(self._spare), np.int64)
            larger[:total] = self._notes[:total]
            self._notes = larger
        return address_of(self._notes) + 8 * total

    def _grown(self, events: Events, total: int, more: int, room: int) -> Events:
        """A larger array with the first ``total`` of ``events`` and ``more`` of the spare ones."""
        larger = np.empty(total + more + room, EVENT_DTYPE)
        raw(larger)[:total] = raw(events)[:total]
        raw(larger)[total : total + more] = raw(self._spare)[:more]
        return larger

    def _taken(self, count: int) -> Events:
        """The first ``count`` of the spare ones, for the caller to keep."""
        if count < HANDED_OVER:
            return self._grown(self._spare, 0, count, 0)
        taken = self._spare[:count]
        self._spare_address = 0
        return taken


def raw(events: Events) -> npt.NDArray[np.int64]:
    """The same memory as rows of words: numpy copies records field by field, these at once."""
    return events.view(np.int64).reshape(len(events), RECORD_BYTES // 8)
