"""What the portal's reader has released, in memory and a file that it shares with web processes.

The memory is the state of the reader's core: books and wallets.  The file has a step for each few
commands, with all that they caused, from the reader's begin on; a web process that begins makes its
orders and trades of it.  The memory changes while the reader alone has the lock, and then the file
has the same command at its end; so a process that has the lock sees both as of one moment.

A reader that was killed leaves ``is_changing`` or takes no more.  The next one makes the state
again from the journal, in the same memory, and continues the file where it ends: the same commands
cause the same events.
"""

import fcntl
import json
import logging
import mmap
import os
import signal
import struct
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.host.processes import is_stopped, wake_in_time
from openoutcry.journal import Journal
from openoutcry.matcher.engine import Books
from openoutcry.portal.trading.follower import (
    COMMANDS_A_POLL,
    NO_NAMES,
    TOKEN_BYTES,
    Began,
    Follower,
    State,
    Step,
)
from openoutcry.portal.trading.reject import NotReady
from openoutcry.portal.trading.venue_watch import NO_LIMIT, VenueWatch
from openoutcry.risk.region import View
from openoutcry.runtime.loop import sleep_on, wake_sleepers
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.records import EVENT_DTYPE, INSTRUMENT_DTYPE, ORDER_DTYPE, RECORD_BYTES

PAGE_BYTES = mmap.PAGESIZE
HEAD = struct.Struct("<qqqq")
"""Of a step in the file: how many commands, events, notes and names follow."""
CHUNK_BYTES = 1 << 18
STATE, TURN = 0, 1
"""Bytes that are locked: the state, and the turn to lock it, so that many readers of the state do
not keep its writer away."""
HOLD_S, RETRY_S, FIRST_TRIES = 5.0, 20e-6, 50
"""A process that was stopped and holds the state for so long is ended; the pause between two tries,
and how many are made before the time is looked at."""
HUNG_S = 120.0
"""One that runs is ended after so long: it may compile a kernel meanwhile, or have no processor."""
ANSWER_US, ANSWERS = 1_000, 20
"""How long, and how often, a web process waits for the reader to take what is released."""
IDLE_US, BEGIN_S, LOOK_S = 100_000, 0.005, 0.5
FLOCK = struct.Struct("hhqqi4x")
log = logging.getLogger("outcry.portal")


class ReleasedWords(Layout):
    """The first page of the memory."""

    is_ready: int = i64("1: the reader has come to what is released")
    is_changing: int = i64("1: the state is of no moment")
    changes: int = i64("how often it has changed")
    has_failed: int = i64("1: the reader cannot begin")
    region_bytes: int = i64("length of the risk state, which is first")
    arena_at: int = i64("where the books are")
    arena_bytes: int = i64("their length")
    log_bytes: int = i64("length of the file, 0: it has no begin")
    last_at: int = i64("where its last step begins, or the next one will")
    log_seq: int = i64("the last command in it")
    wanted: int = i64("counts up when a web process wants the reader to look", atomic=True)
    answered: int = i64("``wanted`` before the reader's last look")
    said: int = i64("counts up when the reader has looked", atomic=True)


class ReleasedMemory:
    """Memory and file; made before the processes that share them are."""

    def __init__(self, folder: Path) -> None:
        self.file = os.memfd_create("released", os.MFD_CLOEXEC)
        os.ftruncate(self.file, PAGE_BYTES)
        self._page = np.frombuffer(mmap.mmap(self.file, PAGE_BYTES), np.uint8)
        self.words = ReleasedWords(self._page.ctypes.data)
        self.log = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # as long as this is
        self._depth = 0
        self._place: tuple[int, int] | None = None
        """Where the reader was that did not answer, and since when."""
        self._place_s = 0.0
        self._maps: list[npt.NDArray[np.uint8]] = []
        weakref.finalize(self, os.close, self.file)

    # The lock

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Nobody changes the state meanwhile.  May be entered again.  Raises :class:`NotReady`."""
        if not self._depth:
            fcntl.lockf(self.file, fcntl.LOCK_EX, 1, TURN)
            fcntl.lockf(self.file, fcntl.LOCK_SH, 1, STATE)
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, TURN)
        self._depth += 1
        try:
            if self._depth == 1 and (self.words.is_changing or not self.words.is_ready):
                raise NotReady
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, STATE)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the state, which nobody reads meanwhile."""
        self._lock(TURN)
        self._lock(STATE)
        fcntl.lockf(self.file, fcntl.LOCK_UN, 1, TURN)
        self.words.is_changing = 1
        try:
            yield
            self.words.is_changing = 0
            self.words.changes += 1
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, STATE)

    def _lock(self, byte: int) -> None:
        """Lock a byte.  What holds it for too long is ended: a process that was stopped would stop
        all others."""
        tries, since_s, look_s = 0, 0.0, 0.0
        while True:
            try:
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
                return
            except (BlockingIOError, PermissionError):
                tries += 1
            if tries > FIRST_TRIES:
                now_s = time.monotonic()
                since_s = since_s or now_s
                if now_s > max(look_s, since_s + HOLD_S):
                    look_s = now_s + HOLD_S
                    if self._end_holder(byte, now_s - since_s):
                        since_s = 0.0
            time.sleep(RETRY_S)

    def _end_holder(self, byte: int, held_s: float) -> bool:
        """End what has a byte locked, if it was stopped or hangs; returns whether it was."""
        asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        kind, _, _, _, pid = FLOCK.unpack(fcntl.fcntl(self.file, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK or pid <= 0 or not (is_stopped(pid) or held_s > HUNG_S):
            return False
        log.error("process %d has held what is released for %.0f s; it is ended", pid, held_s)
        os.kill(pid, signal.SIGKILL)
        return True

    def is_stuck(self, now_s: float, reader: int) -> bool:
        """Return whether the process ``reader`` has been at one command for too long, by calls now
        and then: it would stop all others."""
        words = self.words
        waits = words.is_changing or (words.is_ready and words.answered < words.wanted)
        place = (words.changes, words.answered) if waits else None
        if place is None or place != self._place:
            self._place, self._place_s = place, now_s
        silent_s = now_s - self._place_s
        return place is not None and silent_s > HOLD_S and (is_stopped(reader) or silent_s > HUNG_S)

    # The reader's side

    def clear(self) -> None:
        """Begin the state again, after a reader that was killed.  That may have been after it had
        lengthened the file, and before it said by which command."""
        words = self.words
        with self.changing():
            words.is_ready = 0
            os.ftruncate(self.file, PAGE_BYTES)
            self._maps = []
        if 0 < words.last_at < words.log_bytes:
            size = words.log_bytes - words.last_at
            step = _step_in(os.pread(self.log.fileno(), size, words.last_at), 0)
            words.log_seq = int(step.commands["seq"][-1])

    def zeros(self, size: int) -> npt.NDArray[np.uint8]:
        """Give the core so much memory: for the risk state first, then for the books."""
        begin = os.fstat(self.file).st_size
        length = -(-size // PAGE_BYTES) * PAGE_BYTES
        os.ftruncate(self.file, begin + length)
        given = np.frombuffer(mmap.mmap(self.file, length, offset=begin), np.uint8)[:size]
        self._maps.append(given)
        if len(self._maps) == 1:
            self.words.region_bytes = size
        else:
            self.words.arena_at, self.words.arena_bytes = begin, size
        return given

    def put_begin(self, began: Began, instruments: npt.NDArray[np.void]) -> None:
        """Begin the file."""
        told = began._asdict() | {"phases": list(began.phases.values())}
        text, table = json.dumps(told).encode(), instruments.tobytes()
        self.words.log_seq = began.seq
        self._put([HEAD.pack(len(text), len(table), 0, 0), text, table])

    def put(self, step: Step) -> None:
        """Append a step, unless the file has it."""
        seq = int(step.commands["seq"][-1])
        if seq <= self.words.log_seq:
            return
        head, self.words.last_at = HEAD.pack(*map(len, step)), self.words.log_bytes
        self._put([head, *(np.ascontiguousarray(part).tobytes() for part in step)])
        self.words.log_seq = seq

    def _put(self, parts: list[bytes]) -> None:
        data = b"".join(parts)
        at, end = self.words.log_bytes, self.words.log_bytes + len(data)
        while at < end:
            at += os.pwrite(self.log.fileno(), data[at - end :], at)
        self.words.log_bytes = end


class Reader(Follower):
    """The core of the portal's reader."""

    def __init__(self, file: VenueFile, memory: ReleasedMemory) -> None:
        super().__init__(file, memory.zeros)
        self.memory = memory
        memory.clear()
        self.cut_seq = memory.words.log_seq

    def begin(self) -> bool:
        """Open the journal, and begin the file with it.  Raises :class:`OutcryError`."""
        if self.began is not None:
            return True
        if not super().begin():
            return False
        words, began = self.memory.words, self.began
        assert began is not None
        if not words.log_bytes:
            self.memory.put_begin(began, self.point.engine.instruments)
        elif began.seq > words.log_seq:
            raise OutcryError(
                f"{self.file.journal}: commands {words.log_seq + 1:,} to {began.seq:,} are "
                "retired, and the portal has not read them; start it again"
            )
        return True

    def released_seq(self) -> int:
        """Return the last released command: what was released once is."""
        return max(super().released_seq(), self.memory.words.log_seq)

    def turn(self) -> bool:
        """Take what was released; whether there was something."""
        words, count = self.memory.words, 0
        asked = words.wanted
        try:
            count = sum(len(step.commands) for step in self.steps())
            is_there = count < COMMANDS_A_POLL and self.began and self.seq >= words.log_seq
            if is_there and not words.is_ready:
                words.is_ready = 1
        finally:
            words.answered = asked
            wake_sleepers(words.address_of("said"))
        return count > 0

    def wait(self, seen: int) -> None:
        """Sleep until a web process wants a look, for IDLE_US at most; ``seen``: ``wanted`` before
        the last one."""
        sleep_on(self.memory.words.address_of("wanted"), seen, IDLE_US)

    def _step(self, *made_of: Any) -> Step:
        with self.memory.changing():
            step = super()._step(*made_of)
            self.memory.put(step)
        return step


class Released(VenueWatch):
    """What the reader has released, in a web process: a source of a mirror."""

    def __init__(self, file: VenueFile, memory: ReleasedMemory) -> None:
        super().__init__(file)
        self.memory = memory
        self.began: Began | None = None
        self._state: State | None = None
        self._instruments = np.zeros(0, INSTRUMENT_DTYPE)
        self._at = 0
        """How much of the file was taken."""

    @property
    def is_ready(self) -> bool:
        """Return whether the reader has come to what is released."""
        return self.memory.words.is_ready != 0

    @property
    def is_restarting(self) -> bool:
        """Return whether what was released cannot be read for a while."""
        return self.began is not None and not self.memory.words.is_ready

    def begin(self) -> bool:
        """Open the file; False: the reader has not come so far."""
        if self.began is not None:
            return True
        if not self.memory.words.is_ready:
            return False
        file = self.memory.log.fileno()
        size, more, _, _ = HEAD.unpack(os.pread(file, HEAD.size, 0))
        told = json.loads(os.pread(file, size, HEAD.size))
        self._instruments = np.frombuffer(os.pread(file, more, HEAD.size + size), INSTRUMENT_DTYPE)
        self._at = HEAD.size + size + more
        told["phases"] = dict(enumerate(told["phases"]))
        self.began = Began(**told)
        self.seq, self.inode = self.began.seq, self.began.inode
        return True

    def wait_until_begun(self) -> bool:
        """As :meth:`begin`; wait for the reader.  Raises :class:`OutcryError`."""
        while not self.begin():
            if self.memory.words.has_failed:
                raise OutcryError("the portal's reader cannot begin")
            if not Journal.exists(self.file.journal):
                return False
            time.sleep(BEGIN_S)
        return True

    @contextmanager
    def held(self) -> Iterator[State | None]:
        """The core's state, which does not change meanwhile; None before the start.  Raises
        :class:`NotReady`."""
        if self.began is None:
            yield None
            return
        with self.memory.shared():
            if self._state is None:
                self._state = self._mapped()
            yield self._state

    def _mapped(self) -> State:
        words = self.memory.words
        size = words.arena_at + words.arena_bytes
        whole = np.frombuffer(
            mmap.mmap(self.memory.file, size, prot=mmap.PROT_READ), np.uint8, offset=PAGE_BYTES
        )
        arena = whole[words.arena_at - PAGE_BYTES :]
        return State(View(whole[: words.region_bytes]), Books(self._instruments, arena))

    def steps(self, until_seq: int = NO_LIMIT) -> Iterator[Step]:
        """Take what was released since, up to ``until_seq``, about COMMANDS_A_POLL at most."""
        words, released = self.memory.words, min(self.released_seq(), until_seq)
        if released > max(words.log_seq, self.seq) and words.is_ready:
            self._ask()
        if words.log_seq <= self.seq or not words.is_ready:
            return
        before = self.seq
        for step in self.rest(until_seq):
            yield step
            if self.seq - before >= COMMANDS_A_POLL:
                return

    def _ask(self) -> None:
        """Have the reader look, and wait for it, for a while."""
        words = self.memory.words
        said = words.address_of("said")
        wake_sleepers(words.address_of("wanted"))
        asked = words.wanted
        for _ in range(ANSWERS):
            seen = words.said
            if words.answered >= asked or not words.is_ready:
                return
            sleep_on(said, seen, ANSWER_US)

    def rest(self, until_seq: int = NO_LIMIT) -> Iterator[Step]:
        """Take the steps up to the end of the file, which is the state that is held."""
        file, end = self.memory.log.fileno(), self.memory.words.log_bytes
        while self._at < end:
            data = os.pread(file, min(end - self._at, CHUNK_BYTES), self._at)
            size = _size_of(data, 0)
            if size > len(data):
                data = os.pread(file, size, self._at)
            at = 0
            while at + HEAD.size <= len(data) and at + _size_of(data, at) <= len(data):
                step = _step_in(data, at)
                seq = int(step.commands["seq"][-1])
                if seq > until_seq:
                    return
                size = _size_of(data, at)
                at, self._at, self.seq = at + size, self._at + size, seq
                yield step


def _size_of(data: bytes, at: int) -> int:
    """Length of the step there."""
    commands, events, notes, names = HEAD.unpack_from(data, at)
    records = RECORD_BYTES * (commands + events)
    return HEAD.size + int(records) + 8 * int(notes) + TOKEN_BYTES * int(names)


def _step_in(data: bytes, at: int) -> Step:
    commands, events, notes, names = HEAD.unpack_from(data, at)
    at += HEAD.size
    of_commands = np.frombuffer(data, ORDER_DTYPE, commands, at)
    at += RECORD_BYTES * commands
    of_events = np.frombuffer(data, EVENT_DTYPE, events, at)
    at += RECORD_BYTES * events
    of_notes = np.frombuffer(data, np.int64, notes, at)
    at += 8 * notes
    if not names:
        return Step(of_commands, of_events, of_notes, NO_NAMES)
    of_names = np.frombuffer(data, np.uint8, TOKEN_BYTES * names, at).reshape(names, TOKEN_BYTES)
    return Step(of_commands, of_events, of_notes, of_names)


def read(file: VenueFile, memory: ReleasedMemory) -> None:
    """Read the venue's journal for the web processes, until this process is ended, or the disk is
    full.  Raises :class:`OutcryError` where it cannot begin."""
    wake_in_time()
    reader, look_s, last_error, is_first = Reader(file, memory), 0.0, "", True
    while True:
        seen = memory.words.wanted
        try:
            if time.monotonic() >= look_s:
                reader.look()
                look_s = time.monotonic() + LOOK_S
            elif reader.has_lost_venue:
                reader.look()
            has_worked = reader.turn()
            last_error = ""
        except OutcryError as error:
            if is_first:
                raise
            has_worked = False
            if str(error) != last_error:
                last_error = str(error)
                log.error("the venue's journal: %s", error)
        except OSError as error:
            log.critical("what is released cannot be written: %s", error)
            return
        is_first = False
        if not has_worked:
            reader.wait(seen)
