"""The sessions of a run: their memory, their streams, their doors, and their state after a death.

Rows and tokens are made again from the journal's commands and notes, streams from these and the
events that a matcher of its own makes of the commands; what the journal does not have yet, shared
memory has (docs/decisions/016-sessions.md).
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from openoutcry.host.processes import STOP_SIGNALS, fork
from openoutcry.journal import JournalReader
from openoutcry.order_entry import apply as a
from openoutcry.order_entry import copies as cp
from openoutcry.order_entry import drop_copy, ouch42, ouch50
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import session as s
from openoutcry.order_entry.doorman import Doorman
from openoutcry.order_entry.fix import drop_copy as fix_drop_copy
from openoutcry.order_entry.fix import live as fix44
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.fix.numbers import NumbersFile
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.order_entry.spec import (
    DROP_COPIES,
    FIX_BEGIN,
    FIX_NAME,
    CancelOnDisconnect,
    Protocol,
    SessionSpec,
    SessionsSpec,
)
from openoutcry.order_entry.stream import DIFFERENT, Stream
from openoutcry.pipeline import control as ct
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.stages import session_words as x
from openoutcry.pipeline.stages import sessions as stage
from openoutcry.pipeline.topology import Ring, Stage, Topology
from openoutcry.replay.events import Batch, events_of, starting_point
from openoutcry.ring import layout
from openoutcry.wire import OutcryError
from openoutcry.wire import sockets as so
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import compile_kernel

if TYPE_CHECKING:
    from openoutcry.pipeline.worker import StageGroup, Work

LANE = "session_lane"
NAME = "sessions"
RINGS = (Ring(LANE, "order", inline=1024, memory=1 << 12, durable=1 << 14, lane=x.LANE),)
STAGES = (
    Stage(
        NAME, ("events",), "sessions' sockets", "openoutcry.pipeline.stages.sessions",
        gated_by=("gate",),
    ),
)  # fmt: skip
CODECS: dict[Protocol, Any] = {
    Protocol.OUCH42: ouch42,
    Protocol.OUCH50: ouch50,
    Protocol.FIX44: fix44,
    Protocol.DROP_COPY: drop_copy,
    Protocol.FIX_DROP_COPY: fix_drop_copy,
}
"""The protocol's module: frame, decode, if it has orders complete, encode, refuse, and what only
FIX has."""
DAY_NS = 86_400_000_000_000
EASTERNMOST_NS = 14 * 3_600_000_000_000
ACCURACY_NS = 120_000_000_000
"""How far a FIX message's SendingTime may be off."""
ARGUMENTS = {"frame": 2, "decode": 5, "complete": 4, "encode": 6, "refuse": 5, "begin": 2,
             "lost": 2, "more": 2, "queued": 2, "timer": 2, "farewell": 2}  # fmt: skip


class SessionsError(OutcryError):
    """The sessions of a venue cannot be as they are asked for."""


def with_sessions(table: Topology) -> Topology:
    """The table with the sessions' lane and stage."""
    return table.extended(rings=RINGS, stages=STAGES)


class Sessions:
    """Everything that the sessions' stage, the journal's and the doorman share."""

    def __init__(
        self,
        spec: SessionsSpec,
        shared: Shared,
        instruments: npt.NDArray[Any],
        journal: Path | None,
    ) -> None:
        """``journal``: beside which the streams are kept; None: in memory only.

        Raises :class:`SessionsError` naming the session or port that cannot be.
        """
        self.spec = spec
        self.day = spec.day or datetime.now(UTC).strftime("%Y%m%d")
        check(spec)
        password_hasher()  # not only in the doorman's process, where nobody would see it
        spoken = {row.protocol for row in spec.sessions}
        sizes = h.Sizes(
            len(spec.sessions), spec.row_capacity, shared.geometry.stamps, spec.token_capacity,
            not spoken.isdisjoint(DROP_COPIES), Protocol.FIX_DROP_COPY in spoken,
        )  # fmt: skip
        segment = shared.segment("sessions", h.hall_bytes(sizes), huge_pages=True)
        self.hall = h.Hall(segment.words(0, h.hall_bytes(sizes) // 8), sizes)
        self.symbols = s.Symbols(instruments, spec.price_decimals)
        self.streams = [self._stream(row, journal) for row in spec.sessions]
        self.codecs = self._codecs()
        self.fields = fix_words.make_fields()
        self.fix: dict[int, FixSession] = {}
        for index, row in enumerate(spec.sessions, start=1):
            self._fill(index, row)
            if row.protocol in FIX_BEGIN:
                self.fix[index] = FixSession(self, index, row, journal)
        self.stage_socket, self.doorman_socket = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.stage_socket.setblocking(False)
        self.doorman_socket.setblocking(False)
        self.listeners: list[socket.socket] = []
        self.doorman_pid = 0
        self.untold = 0

    def _stream(self, row: SessionSpec, journal: Path | None) -> Stream:
        name = f"{row.name}.{self.day}"
        identity = blake2b(name.encode(), digest_size=7).digest()
        path = journal / "sessions" / f"{name}.stream" if journal else None
        sizes = self.spec.stream_entries, self.spec.stream_bytes
        return Stream(path, int.from_bytes(identity, "little"), *sizes)

    def _codecs(self) -> npt.NDArray[np.int64]:
        for function, count in ((a.begin_day, 1), (cp.apply_batch, 8), (stage.watch, 3)):
            compile_kernel(function, count)
        words = np.zeros((a.CODEC_BYTES * a.CODECS + a.ROOM + 64) // 8, np.int64)
        for protocol in {row.protocol for row in self.spec.sessions}:
            module = CODECS[protocol]
            at = protocol * a.CODEC_BYTES // 8
            words[at : at + len(ARGUMENTS)] = [
                kernel_address(getattr(module, name), count) if hasattr(module, name) else 0
                for name, count in ARGUMENTS.items()
            ]
        return words

    def _fill(self, index: int, row: SessionSpec) -> None:
        copies = row.protocol in DROP_COPIES
        if copies:
            over_fix = row.protocol == Protocol.FIX_DROP_COPY
            self.hall.copy_to(index, row.group or (row.participant,), over_fix)
        traders = [r for r in self.spec.sessions if r.protocol not in DROP_COPIES]
        alone = [r.participant for r in traders].count(row.participant) == 1
        per_s = row.throttle_per_s
        day = datetime.strptime(self.day, "%Y%m%d").replace(tzinfo=UTC)
        words = self.symbols.words() | {
            s.PARTICIPANT: row.participant,
            s.PROTOCOL: int(row.protocol),
            s.DAY_START_NS: self.spec.day_start_ns or int(day.timestamp()) * 1_000_000_000,
            s.STREAM: self.streams[index - 1].address,
            s.HEARTBEAT_NS: row.heartbeat_ms * 1_000_000,
            s.TIMEOUT_NS: row.timeout_ms * 1_000_000,
            s.GRACE_NS: row.grace_ms * 1_000_000,
            s.CANCEL_MODE: int(CancelOnDisconnect.NONE if copies else row.cancel_on_disconnect),
            s.THROTTLE_NS: 1_000_000_000 // per_s if per_s else 0,
            s.THROTTLE_BURST: row.throttle_burst,
            s.THROTTLE_POLICY: int(row.throttle_policy),
            s.MAX_OPEN: row.max_open_orders,
            s.QUEUE_BYTES: row.queue_bytes,
            s.ALONE: int(alone),
        }
        block = self.hall.block(index)
        for offset, value in words.items():
            block[offset // 8] = value
        name = row.name.encode().ljust(16)[:16]
        block.view(np.uint8)[s.NAME : s.NAME + 16] = np.frombuffer(name, np.uint8)

    # Doors.

    def listen(self) -> list[tuple[str, int]]:
        """Open the ports; returns their addresses."""
        for port in self.spec.ports:
            family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
            try:
                listener = socket.create_server((port.host, port.port), family=family, backlog=128)
            except OSError as error:
                raise SessionsError(f"cannot listen on {port.host}:{port.port}: {error}") from error
            self.listeners.append(listener)
        return [listener.getsockname()[:2] for listener in self.listeners]

    def open_doors(self) -> None:
        """Start the doorman's process."""
        doorman = Doorman(self.spec, self.hall, self.listeners, self.doorman_socket, self.day)
        self.doorman_pid = fork(doorman.run, STOP_SIGNALS)

    def look(self, note: Callable[[str], None]) -> None:
        """Start the doorman again if he is gone; say what could not be told."""
        if self.hall[h.UNTOLD] > 2 * self.untold:
            self.untold = self.hall[h.UNTOLD]
            note(f"{self.untold:,} messages could not be told: a session's stream is full")
        if not self.doorman_pid:
            return
        pid, status = os.waitpid(self.doorman_pid, os.WNOHANG)
        if pid:
            note(f"the doorman (pid {pid}) ended with {status}: started again")
            self.open_doors()

    def close(self) -> None:
        if self.doorman_pid:
            os.kill(self.doorman_pid, signal.SIGKILL)
            os.waitpid(self.doorman_pid, 0)
            self.doorman_pid = 0
        for one in (self.stage_socket, self.doorman_socket, *self.listeners):
            one.close()

    # The journal.

    def packer(self, most: int) -> n.NotePacker:
        """Packs the notes of a block's commands, at most ``most``, for the journal stage."""
        count = len(self.spec.sessions)
        return n.NotePacker(self.hall[h.NOTES], self.hall[h.NOTE_MASK], count, most)

    # The stage.

    def prepare(self, group: "StageGroup", name: str) -> None:
        """Words of the stage's context, and everything as its predecessor left it."""
        work, shared, contexts = group.work, group.work.shared, group.contexts
        lane = shared.rings[LANE]
        memory = np.zeros(2048, np.int64)
        message = np.zeros((stage.DATA_AT + stage.HAND_MAX) // 8, np.int64)
        dirty = np.zeros(2 * len(self.streams) + 2, np.int64)
        at = message.ctypes.data
        iovec = 104
        message[16 // 8], message[24 // 8] = at + iovec, 1
        message[iovec // 8], message[iovec // 8 + 1] = at + stage.DATA_AT, stage.HAND_MAX
        message[32 // 8] = at + stage.CONTROL_AT
        epoll = select.epoll()
        contexts.keep_alive += [memory, message, dirty, epoll]
        self._restore(work, lane.published, int(shared.events.cursors[name][0]))
        closed = int(lane.words(layout.CLOSED_AT)[0])
        contexts.set(
            name,
            {
                x.HALL: self.hall.address,
                x.CODECS: self.codecs.ctypes.data,
                x.LANE_RING: lane.address,
                x.LANE_MASK: lane.mask,
                x.LANE_WORDS: shared.lane_words_address,
                x.RECEIVED: shared.stamp_address("received"),
                x.EPOLL: epoll.fileno(),
                x.EPOLL_EVENTS: memory.ctypes.data,
                x.DOORMAN: self.stage_socket.fileno(),
                x.MESSAGE: at,
                x.DIRTY_LIST: dirty.ctypes.data,
                x.CLOSED: int(closed != 0),
            },
        )
        for index in self.fix:
            block = self.hall.block(index)
            block[fix_words.CLOCK_OFFSET_NS // 8] = shared.control[ct.EPOCH_OFFSET]
        stage.watch(contexts.address_of(name), self.stage_socket.fileno(), 0)

    def _restore(self, work: "Work", published: int, told: int) -> None:
        """Rows, tokens and streams as of the last command on the lane and the last event told."""
        hall = self.hall
        hall.clear()
        day_start = int(hall.block(1)[s.DAY_START_NS // 8])
        hall.words[h.DAY_BEGIN // 8] = self.spec.day_begin_ns or day_start
        for stream in self.streams:
            stream.begin()
        for one in self.fix.values():
            one.begin()
        noted = 0
        if published or told:
            if work.journal is None:
                raise SessionsError(
                    "sessions cannot go on without a journal: what they were told is lost"
                )
            noted = self._from_journal([work.journal, *work.copies][0], told)
        assert noted <= published
        if not hall[h.DAY_BEGUN]:
            a.begin_day(hall.address)
        note = np.zeros(1, np.int64)
        for seq in range(noted + 1, published + 1):
            at = seq & hall[h.NOTE_MASK]
            note[0] = hall[h.NOTES] + n.NOTE_BYTES * at
            order = hall[h.ORDERS] + h.ORDER_BYTES * at
            codecs = self.codecs.ctypes.data
            cp.apply_batch(hall.address, codecs, order, 1, note.ctypes.data, 0, 0, told)
        hall.words[h.LANE_SEQ // 8] = published
        hall.words[h.EVENT_SEQ // 8] = told
        for index in range(1, len(self.streams) + 1):
            block = hall.block(index)
            for word in (s.DIRTY, s.PENDING, s.INPUT_LENGTH, s.SIDE_LENGTH, s.SWEEP, s.LOST_NS):
                block[word // 8] = 0
            block[s.FD // 8] = -1
            if not block[s.LOGGED_OUT // 8]:
                block[s.LOST_NS // 8] = time.monotonic_ns()
        for one in self.fix.values():
            one.resume(int(self.day))

    def _from_journal(self, directory: Path, told: int) -> int:
        """Apply what the journal has, events up to ``told``; returns how many commands had a
        note."""
        point, noted = starting_point(JournalReader(directory)), 0
        if point.seq:
            raise SessionsError(f"{directory}: its begin is retired, sessions cannot be made again")
        block, notes = None, BlockNotes()
        while True:
            for batch in events_of(JournalReader(directory), point, from_seq=point.seq + 1):
                if batch.header.block_index != block:
                    block = batch.header.block_index
                    notes = BlockNotes.of(batch, len(self.streams))
                noted += self._apply(batch, notes, told)
            if point.engine.event_count >= told:
                return noted
            time.sleep(0.001)

    def _apply(self, batch: Batch, notes: "BlockNotes", told: int) -> int:
        commands, events = batch.commands, batch.events
        if not len(commands):
            return 0
        first = int(commands["seq"][0]) - batch.header.first_seq
        addresses = np.ascontiguousarray(notes.addresses[first : first + len(commands)])
        return int(
            cp.apply_batch(
                self.hall.address, self.codecs.ctypes.data,
                commands.ctypes.data, len(commands), addresses.ctypes.data,
                events.ctypes.data, len(events), told,
            )
        )  # fmt: skip

    @property
    def different(self) -> int:
        """Stream entries found on the disk that were not what the journal gave."""
        return sum(stream[DIFFERENT] for stream in self.streams)


class FixSession:
    """What a session of FIX has beside its block: numbers, messages kept, bytes to be sent."""

    def __init__(
        self, sessions: Sessions, index: int, row: SessionSpec, journal: Path | None
    ) -> None:
        self.block, self.stream = sessions.hall.block(index), sessions.streams[index - 1]
        path = journal / "sessions" / f"{row.name}.numbers" if journal else None
        identity = blake2b(row.name.encode(), digest_size=7).digest()
        capacity = 1 << (sessions.spec.stream_entries - 1).bit_length()
        self.numbers = NumbersFile(path, int.from_bytes(identity, "little"), capacity)
        us, begin = row.target or sessions.spec.name, FIX_BEGIN[row.protocol]
        self.memory = fix_words.Memory(
            self.block, begin, us, row.name, capacity, self.numbers.numbers_address
        )
        self.out = np.zeros(fix_words.OUT_SIZE + 64, np.uint8)
        day_ns = int(self.block[s.DAY_START_NS // 8])
        ahead_ns = -day_ns % DAY_NS
        for word, value in {
            fix_words.FIELDS: sessions.fields.ctypes.data,
            fix_words.NUMBERS_FILE: self.numbers.address,
            fix_words.OUT: self.out.ctypes.data,
            fix_words.OUT_CAPACITY: fix_words.OUT_SIZE,
            fix_words.ACCURACY_NS: ACCURACY_NS,
            fix_words.UTC_OFFSET_NS: ahead_ns if ahead_ns <= EASTERNMOST_NS else ahead_ns - DAY_NS,
        }.items():
            self.block[word // 8] = value

    def begin(self) -> None:
        """Commands are about to be applied again."""
        for word in (fix_words.APPLIED_IN, fix_words.STATE, fix_words.OUT_FROM, fix_words.OUT_END):
            self.block[word // 8] = 0

    def resume(self, day: int) -> None:
        """They have been."""
        self.memory.queue[:] = 0
        self.numbers.resume(self.block, day, self.stream.count)


class BlockNotes:
    """The notes of one block's commands, by the command's place in it."""

    def __init__(self, count: int = 0) -> None:
        self.addresses = np.zeros(count, np.int64)
        self.notes = np.zeros(0, n.NOTE_DTYPE)

    @classmethod
    def of(cls, batch: Batch, sessions: int) -> "BlockNotes":
        found = cls(batch.header.record_count)
        text = batch.block.note.get(n.NOTES, "") if batch.header.record_count else ""
        if text:
            there, found.notes = n.unpack(text, batch.header.record_count, sessions)
            places = np.arange(len(there)) * n.NOTE_BYTES
            found.addresses[there] = found.notes.ctypes.data + places
        return found


def check(spec: SessionsSpec) -> None:
    """Raise :class:`SessionsError` naming what cannot be."""
    names = [row.name.casefold() for row in spec.sessions]
    for row in spec.sessions:
        where = f"session {row.name}"
        if names.count(row.name.casefold()) > 1:
            raise SessionsError(f"{where}: the name is there twice")
        if row.protocol not in CODECS:
            raise SessionsError(f"{where}: {row.protocol.name} is not served yet")
        about: tuple[int, ...] = (row.participant,)
        if row.protocol in DROP_COPIES and row.group:
            about = row.group
        if not all(1 <= participant <= 65535 for participant in about):
            raise SessionsError(f"{where}: participant {row.participant} is not 1 to 65535")
        if row.protocol in FIX_BEGIN:
            if not FIX_NAME.fullmatch(row.name):
                raise SessionsError(f"{where}: a name is 1 to 32 letters, digits, - _ .")
        elif not (row.name.isascii() and row.name.isalnum() and len(row.name) <= 6):
            raise SessionsError(f"{where}: a name is 1 to 6 letters and digits")
        if row.throttle_burst < 1:
            raise SessionsError(f"{where}: throttle_burst is {row.throttle_burst}, less than 1")
        if row.cancel_on_disconnect not in CancelOnDisconnect:
            raise SessionsError(f"{where}: cancel_on_disconnect {row.cancel_on_disconnect}")
    if sum(row.protocol in DROP_COPIES for row in spec.sessions) > h.MAX_COPIES:
        raise SessionsError(f"there are more than {h.MAX_COPIES} drop copies")
    for port in spec.ports:
        if port.protocol not in CODECS:
            raise SessionsError(f"port {port.port}: {port.protocol.name} is not served yet")
    for name in ("row_capacity", "token_capacity"):
        value = getattr(spec, name)
        if value < 2 or value & (value - 1):
            raise SessionsError(f"{name} is {value}, no power of two")


assert so.EVENT_BYTES * stage.MAX_EVENTS <= 2048 * 8
