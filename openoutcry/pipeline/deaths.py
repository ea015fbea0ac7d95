"""Deaths on purpose: a stage kills itself at a sequence number, once for each entry of a list.

A test gives a run its deaths (``Options.deaths``).  They are rows of a segment of the run, so the
process that replaces a dead one reads there which deaths have happened.  A stage that is to die has
another step in its process's plan: :func:`step`, which calls the stage's own.  The loop and the
stages do not change, and a run without deaths has neither the segment nor that step.
"""

import os
import signal
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.runtime import words as stage_words
from openoutcry.runtime.shared import Contexts, Shared
from openoutcry.runtime.words import StageContext
from openoutcry.wire.indirect import call_step, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, SharedWord, i64
from openoutcry.wire.system_calls import send_signal


class DeathRow(Layout, size_bytes=40):
    """A death in the run's segment."""

    seq: int = i64("sequence at which the stage dies")
    place: int = i64("a ``Place``")
    signal: int = i64("the signal that it dies of")
    supervisor: int = i64("the pid that dies too, 0: none")
    died: int = i64("1 once it has happened")
    set_died: int = i64("``died`` as the stage sets it", at=32, atomic=True)


class HiddenCursor(Layout, size_bytes=16):
    """A cursor of which other stages see the moves only when the stage may live on."""

    cursor: int = i64("the word that the stage moves")
    shared: SharedWord = i64("address of the one that other stages read", of=SharedWord)


class DeathContext(StageContext):
    """The context of a stage that dies on purpose."""

    step: int = i64("address of the stage's own step", at=152)
    stage: StageContext = i64("and of its context", of=StageContext)
    deaths: DeathRow = i64("address of the stage's rows, by sequence", of=DeathRow)
    death_count: int = i64("how many there are")
    hidden: HiddenCursor = i64("address of its cursors on the rings it reads", of=HiddenCursor)
    hidden_count: int = i64("how many there are")
    pid: int = i64("the stage's process")


ROW_SEQ = DeathRow.offset("seq")
ROW_PLACE = DeathRow.offset("place")
ROW_SIGNAL = DeathRow.offset("signal")
ROW_SUPERVISOR = DeathRow.offset("supervisor")
ROW_DIED = DeathRow.offset("died")
ROW_BYTES = DeathRow.size_bytes
HIDDEN_BYTES = HiddenCursor.size_bytes


class Place(IntEnum):
    """The point at which a stage dies."""

    BEFORE_STEP = 0
    """Before the first step from its sequence on: all that the stage has taken is given back."""
    BEFORE_RETURN = 1
    """The step that took its sequence has published the results, and has not yet given back the
    slots of its input."""


BEFORE_STEP, BEFORE_RETURN = (int(place) for place in Place)


@dataclass(frozen=True)
class Death:
    """One death of a stage."""

    stage: str
    seq: int
    """On the ring that the stage reads; of a source: on the lane that it writes."""
    place: Place = Place.BEFORE_STEP
    everything: bool = False
    """The supervisor dies as well, and every other stage dies with it."""
    number: signal.Signals = signal.SIGKILL
    """The signal that kills it.  With SIGSTOP it waits until another process kills it or lets it
    continue."""


@kernel
def next_death(context: DeathContext) -> DeathRow:
    """Address of the stage's first row that has not happened, or 0."""
    row = context.deaths
    for _ in range(context.death_count):
        if row.died == 0:
            return row
        row = DeathRow(row + ROW_BYTES)
    return DeathRow(0)


@kernel
def die(context: DeathContext, row: DeathRow) -> None:
    """The row is marked first: the process that replaces this one does not die of it again."""
    row.set_died = 1
    if row.supervisor != 0:
        send_signal(row.supervisor, row.signal)
    send_signal(context.pid, row.signal)


@kernel
def show_cursors(context: DeathContext) -> None:
    """Move the cursors that other stages read to where the stage has moved its own."""
    row = context.hidden
    for _ in range(context.hidden_count):
        at, shared = row.cursor, row.shared
        if shared.own_value != at:
            shared.value = at
        row = HiddenCursor(row + HIDDEN_BYTES)


@kernel
def step(context: DeathContext) -> int:
    """The stage's own step, and its death if that is due."""
    row, stage = next_death(context), StageContext(context.stage)
    seq = row.seq if row != 0 else stage_words.MAX_VALUE
    place = row.place if row != 0 else BEFORE_STEP
    if place == BEFORE_STEP and stage.next >= seq:
        die(context, row)
    work = call_step(context.step, stage)
    if place == BEFORE_RETURN and stage.next > seq:
        die(context, row)
    show_cursors(context)
    return work


class Deaths:
    """The deaths of a run.  The supervisor makes this, and its processes inherit it."""

    def __init__(self, shared: Shared, deaths: tuple[Death, ...]) -> None:
        self._shared = shared
        index = shared.table.index
        ordered = sorted(deaths, key=lambda death: (index[death.stage], death.seq))
        self._stages = [death.stage for death in ordered]
        segment = shared.segment("deaths", len(ordered) * ROW_BYTES)
        self._rows = segment.words(0, len(ordered) * ROW_BYTES // 8).reshape(len(ordered), -1)
        for row, death in zip(self._rows, ordered, strict=True):
            supervisor = os.getpid() if death.everything else 0
            row[:] = death.seq, death.place, death.number, supervisor, 0
        self._step = kernel_address(step, 1)  # compiled before any process needs it

    def _rows_of(self, stage: str) -> npt.NDArray[np.int64]:
        first = self._stages.index(stage)
        return self._rows[first : first + self._stages.count(stage)]

    def plan(
        self, contexts: Contexts, stage: str, own_step: int, kept: list[Any]
    ) -> tuple[int, int]:
        """Addresses of the step and the context that the stage's process calls.

        What the stage keeps in addition to its context is in ``kept``.  Each address of one of the
        stage's cursors is replaced by that of a private word: :func:`step` decides when other
        stages see a move.
        """
        own_context = contexts.address_of(stage)
        if stage not in self._stages:
            return own_step, own_context
        rows, shared = self._rows_of(stage), self._shared
        cursors = [ring.cursors[stage] for ring in shared.rings.values() if stage in ring.cursors]
        addresses = [int(cursor.ctypes.data) for cursor in cursors]
        hidden = np.array(
            [(cursor[0], at) for cursor, at in zip(cursors, addresses, strict=True)], np.int64
        )
        words = contexts.words[shared.table.index[stage]]
        private = [one for one in kept if isinstance(one, np.ndarray) and one.dtype == np.int64]
        for array in (words, *private):
            for at, address in enumerate(addresses):
                array[array == address] = hidden.ctypes.data + at * HIDDEN_BYTES
        context = np.zeros(stage_words.CONTEXT_BYTES // 8, np.int64)
        for offset, value in DeathContext.words(
            block=words[stage_words.BLOCK // 8],
            step=own_step,
            stage=own_context,
            deaths=rows.ctypes.data,
            death_count=len(rows),
            hidden=hidden.ctypes.data,
            hidden_count=len(hidden),
            pid=os.getpid(),
        ).items():
            context[offset // 8] = value
        contexts.keep_alive += [hidden, context]
        return self._step, int(context.ctypes.data)

    def of_python(self, stage: str, made: Any) -> Any:
        """The journal, as a stage that dies; another stage of Python, or one that does not die, as
        it is."""
        return DyingJournal(made, self._rows_of(stage)) if stage in self._stages else made


class DyingJournal:
    """The journal's stage, and its deaths where they are due."""

    def __init__(self, journal: Any, rows: npt.NDArray[np.int64]) -> None:
        self._journal = journal
        self._rows = rows
        self._cursor = journal.ring.cursors["journal"]
        # The stage moves this word instead of the cursor that the ring's producer reads.
        self._hidden = self._cursor.copy()
        journal.cursor = self._hidden.ctypes.data

    @property
    def finished(self) -> bool:
        """Like that of the journal's stage."""
        return bool(self._journal.finished)

    def outcome(self) -> dict[str, Any]:
        """Like that of the journal's stage."""
        return dict(self._journal.outcome())

    def step(self) -> int:
        """One step of the journal's stage; the process kills itself where the plan says."""
        self._die_if_due(BEFORE_STEP, self._journal.next_seq)
        work = int(self._journal.step())
        self._die_if_due(BEFORE_RETURN, self._journal.next_seq - 1)
        self._cursor[0] = self._hidden[0]
        return work

    def sleep_for_work(self) -> None:
        """Like the journal's stage."""
        self._journal.sleep_for_work()

    def _die_if_due(self, place: int, reached: int) -> None:
        row = next((row for row in self._rows if not row[ROW_DIED // 8]), None)
        if row is None or row[ROW_PLACE // 8] != place or row[ROW_SEQ // 8] > reached:
            return
        row[ROW_DIED // 8] = 1
        number = int(row[ROW_SIGNAL // 8])
        if supervisor := int(row[ROW_SUPERVISOR // 8]):
            os.kill(supervisor, number)
        os.kill(os.getpid(), number)
