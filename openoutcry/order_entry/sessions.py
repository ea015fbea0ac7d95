"""The sessions of a run: their memory, their streams, their doors, and their state after a death.

What they know is made again from the journal (:mod:`.sessions_state`); what the journal does not
have yet, shared memory has (docs/decisions/016-sessions.md).
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.host.build import require_same
from openoutcry.host.processes import KeptProcess
from openoutcry.journal import JournalReader
from openoutcry.journal.events import NO_LIMIT, Point, events_of
from openoutcry.order_entry import (
    apply,
    command_metadata,
    copies,
    session,
    session_region,
    session_words,
    shm_layout,
    shm_login,
)
from openoutcry.order_entry import session_stage as stage
from openoutcry.order_entry import sessions_checkpoint as checkpoint
from openoutcry.order_entry.acceptor import Acceptor
from openoutcry.order_entry.answer_desk import Answer, AnswerDesk
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.fix.answers import AnswersFile
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_commands import expire_grace_now
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.session_words import SessionsContext
from openoutcry.order_entry.sessions_state import SessionsError, State, check, sizes_of
from openoutcry.order_entry.shm_frames import compile_relay
from openoutcry.order_entry.spec import PortSpec, Protocol, SessionsSpec
from openoutcry.order_entry.touch_ahead import TouchAhead
from openoutcry.ring import ProcessIdentity, layout
from openoutcry.runtime.lanes import lane_seqs
from openoutcry.runtime.loop import NAP_EPOLL, NAP_UNWATCHED
from openoutcry.runtime.shared import EVENT_NOTES, Shared
from openoutcry.runtime.table import Ring, Span, Stage, Topology
from openoutcry.runtime.work import StageGroup, Work
from openoutcry.wire import sockets
from openoutcry.wire.errors import JournalError
from openoutcry.wire.kernel import compile_kernel

BACKLOG = 128
NO_CONNECTION = b"-"
"""What the acceptor's socket carries that only wakes the stage: too short for a connection."""
SHM_TURN = SessionsContext.offset("shm_turn")
LANE = "session_lane"
NAME = "sessions"
RINGS = (
    Ring(LANE, "order", inline=1024, memory=1 << 12, durable=1 << 14, lane=session_words.LANE),
)
STAGES = (
    Stage(
        NAME,
        ("events",),
        "sessions' sockets",
        stage,
        gated_by=("gate",),
    ),
)


NAMES = {
    Protocol.OUCH42: "ouch-4.2",
    Protocol.OUCH50: "ouch-5.0",
    Protocol.FIX44: "fix-4.4",
    Protocol.FIX42: "fix-4.2",
    Protocol.SHM: "shm",
}
"""Doors that are measured.  A drop copy is sent in the same turn as what it copies."""
VISIBLE, ANSWERED = "{}", "{} answer"
DOORS = tuple(
    span
    for name in NAMES.values()
    for span in (
        Span(VISIBLE.format(name), "released", "told"),
        Span(ANSWERED.format(name), "received", "told"),
    )
)
"""Latency spans of each door: from an event's release until it is written to the socket (or
segment), and from the receipt of a message until its answer is."""


def with_sessions(table: Topology) -> Topology:
    """The table with the sessions' lane and stage."""
    return table.extended(rings=RINGS, stages=STAGES, doors=DOORS)


class Sessions(State):
    """Everything that the sessions' stage, the journal's and the acceptor share."""

    stage_name = NAME

    def __init__(
        self,
        spec: SessionsSpec,
        shared: Shared,
        instruments: npt.NDArray[Any],
        journal: Path | None,
        resumes: bool = False,
    ) -> None:
        """``journal``: next to which the streams are stored; None: in memory only.  ``resumes``: it
        has commands already.

        Raises :class:`SessionsError` naming the session or port that cannot be.
        """
        check(spec)
        password_hasher()  # an error in the acceptor's process would not reach the operator
        sizes = sizes_of(spec, shared.geometry.stamps)
        segment = shared.segment("sessions", session_region.region_bytes(sizes))
        region = session_region.SessionRegion(
            segment.words(0, session_region.region_bytes(sizes) // 8), sizes
        )
        super().__init__(spec, instruments, region, journal)
        if shared.region is not None:
            self.symbols.follow(shared.region.ctypes.data)
        self.resumes = self.documents.is_awaited = resumes
        compile_kernel(stage.watch, 3)
        if any(port.protocol is Protocol.SHM and port.path is None for port in spec.ports):
            compile_relay()
        self.instruments, self.clock = instruments, shared.clock
        self.stage_socket, self.acceptor_socket = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.stage_socket.setblocking(False)
        self.acceptor_socket.setblocking(False)
        self.listeners: list[socket.socket] = []
        self._locks: list[int] = []
        """Descriptors that hold the paths of Unix sockets."""
        self.is_bound = self.is_open = False
        """The ports take connections."""
        self.shm_feed: Any = None
        """The feed in shared memory (``fd``), which every session over shared memory may read."""
        self.desk: AnswerDesk | None = None
        """Answers the questions of FIX sessions, where there are answers."""
        self.acceptor_process: KeptProcess | None = None
        self.unreported_events = 0
        self._followed: tuple[JournalReader, Point] | None = None
        """How far a prepared stage has come along the journal of a primary elsewhere."""
        self._recovered: int | None = None
        """The event up to which the journal was applied for the matcher's sake, too."""

    def answer_by(self, answer: Answer) -> None:
        """Answer the FIX sessions' questions by this function."""
        stores: dict[int, AnswersFile] = {}
        for index in self.fix:
            name = self.spec.sessions[index - 1].name
            path = self.journal / "sessions" / f"{name}.answers" if self.journal else None
            identity = blake2b(name.encode(), digest_size=7).digest()
            stores[index] = AnswersFile(path, int.from_bytes(identity, "little"))
            block = self.region.block(index)
            block[fix_words.ANSWERS // 8] = stores[index].address
            block[fix_words.QUESTIONS_FD // 8] = self.stage_socket.fileno()
        self.desk = AnswerDesk(self.acceptor_socket, self.region, self.documents, stores, answer)

    # Doors.

    def make_listeners(self) -> None:
        """The ports' sockets, which refuse every connection before :meth:`listen`."""
        for port in self.spec.ports:
            if port.path is not None:
                self.listeners.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                continue
            over_v6 = ":" in port.host
            listener = socket.socket(socket.AF_INET6 if over_v6 else socket.AF_INET)
            self.listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if over_v6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    def bind(self) -> None:
        """Take the ports' addresses: one that another process has is refused at once.  They stay
        closed until :meth:`listen`."""
        if not self.listeners:
            self.make_listeners()
        for listener, port in zip(self.listeners, self.spec.ports, strict=True):
            with self._naming(port):
                if port.path is not None:
                    self._locks.append(shm_login.bind(listener, port.path))
                else:
                    listener.bind((port.host, port.port))
        self.is_bound = True

    def listen(self, report: Callable[[str], None]) -> None:
        """Open the ports, whose addresses are taken, and note each."""
        for listener, port in zip(self.listeners, self.spec.ports, strict=True):
            with self._naming(port):
                listener.listen(BACKLOG)
            if port.path is not None:
                report(f"{port.protocol.name} at {port.path}")
                continue
            host, number = listener.getsockname()[:2]
            report(f"{port.protocol.name} on {host}:{number}")
        self.is_open = True

    @staticmethod
    @contextmanager
    def _naming(port: PortSpec) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = port.path or f"{port.host}:{port.port}"
            raise SessionsError(f"cannot listen on {where}: {error}") from error

    def acceptor(self) -> Acceptor:
        """Lets sessions in at the listeners, or what is given to its ``admit``."""
        return Acceptor(
            self.spec,
            self.region,
            self.listeners,
            self.acceptor_socket,
            self.day,
            feed_fd=-1 if self.shm_feed is None else self.shm_feed.fd,
            desk=self.desk,
        )

    def open_doors(self, wait: Callable[[], object] = lambda: None) -> KeptProcess:
        """Start the acceptor's process, which calls ``wait`` before it listens."""
        waits = [wait]

        def run() -> None:
            for wait in waits:
                wait()
            self.acceptor().run()

        self.acceptor_process = KeptProcess("acceptor", run, require_same)
        waits.clear()  # one that takes a dead one's place listens at once
        return self.acceptor_process

    def poll(self, report: Callable[[str], None]) -> None:
        """Report how many messages had no room."""
        if self.region[session_region.UNREPORTED_EVENTS] > 2 * self.unreported_events:
            self.unreported_events = self.region[session_region.UNREPORTED_EVENTS]
            report(
                f"{self.unreported_events:,} messages could not be sent because a "
                "session's stream is full"
            )

    def close(self) -> None:
        """End the login process, and close sockets and listeners."""
        if self.acceptor_process is not None:
            self.acceptor_process.close()
        for one in (self.stage_socket, self.acceptor_socket, *self.listeners):
            one.close()
        for port in self.spec.ports if self.is_bound else ():
            if port.path is not None:
                port.path.unlink(missing_ok=True)
        while self._locks:
            os.close(self._locks.pop())

    # The journal.

    def metadata_of(self, most: int) -> Callable[[npt.NDArray[np.int64]], dict[str, Any]]:
        """Return what the journal stage calls for the metadata of a block of at most ``most``
        commands, with their lane words."""
        count = len(self.spec.sessions)
        packer = command_metadata.MetadataPacker(
            self.region[session_region.METADATA],
            self.region[session_region.METADATA_MASK],
            count,
            most,
        )
        return lambda words: {
            command_metadata.BLOCK_KEY: packer.pack(lane_seqs(words, session_words.LANE))
        }

    # The stage.

    def prepare(self, group: StageGroup, name: str) -> None:
        """Words of the stage's context, and everything as its predecessor left it."""
        work, shared, contexts = group.work, group.work.shared, group.contexts
        lane = shared.rings[LANE]
        memory = np.zeros(2048, np.int64)
        message = np.zeros((stage.DATA_AT + stage.HAND_MAX) // 8, np.int64)
        dirty = np.zeros(2 * len(self.streams) + 2, np.int64)
        shm_list = np.zeros(len(self.streams) + 1, np.int64)
        at = message.ctypes.data
        iovec = 104
        message[16 // 8], message[24 // 8] = at + iovec, 1
        message[iovec // 8], message[iovec // 8 + 1] = at + stage.DATA_AT, stage.HAND_MAX
        message[32 // 8] = at + stage.CONTROL_AT
        doors = np.zeros((max(Protocol) + 1, stage.DOOR_BYTES // 8), np.int64)
        for protocol, door in NAMES.items():
            spans = VISIBLE.format(door), ANSWERED.format(door)
            doors[protocol] = [shared.histogram(span).ctypes.data for span in spans]
        told = np.zeros(stage.TOLD_ROWS * stage.TOLD_BYTES // 8, np.int64)
        epoll = select.epoll()
        contexts.keep_alive += [memory, message, dirty, shm_list, doors, told, epoll]
        if shared.region is not None:
            self.take_symbols(shared.region)
        self._restore(work, lane.published, int(shared.events.cursors[name][0]))
        if lane.published or shared.events.cursors[name][0] or work.prefork is None:
            self.documents.is_awaited = False
        closed = int(lane.words(layout.CLOSED_AT)[0])
        contexts.set(
            name,
            {
                session_words.REGION: self.region.address,
                session_words.CODECS: self.codecs.ctypes.data,
                session_words.LANE_RING: lane.address,
                session_words.LANE_MASK: lane.mask,
                session_words.LANE_WORDS: shared.lane_words_address,
                session_words.RECEIVED: shared.stamp_address("received"),
                session_words.EPOLL: epoll.fileno(),
                session_words.EPOLL_EVENTS: memory.ctypes.data,
                session_words.ACCEPTOR: self.stage_socket.fileno(),
                session_words.MESSAGE: at,
                session_words.DIRTY_LIST: dirty.ctypes.data,
                session_words.SHM_LIST: shm_list.ctypes.data,
                SHM_TURN: -stage.SHM_BUSY_TURNS,
                session_words.RELEASED: shared.stamp_address("released"),
                session_words.DOORS: doors.ctypes.data,
                session_words.TOLD: told.ctypes.data,
                session_words.NOTES: shared.stamp_address(EVENT_NOTES),
                session_words.CLOSED: int(closed != 0),
            },
        )
        group.watched = {
            NAP_EPOLL: epoll.fileno(),
            NAP_UNWATCHED: contexts.address_of(name) + session_words.UNWATCHED,
        }
        for index in self.fix:
            block = self.region.block(index)
            block[fix_words.CLOCK_OFFSET_NS // 8] = shared.control.block.epoch_offset
        stage.watch(SessionsContext.of(contexts.address_of(name)), self.stage_socket.fileno(), 0)

    def wake(self) -> None:
        """End the stage's sleep, from the process that has put something on another lane."""
        with suppress(OSError):
            self.acceptor_socket.send(NO_CONNECTION)

    def touch_ahead(self, wake: int) -> None:
        """Keep the next pages of the stage's stores touched, in its process, which is ready."""
        TouchAhead(self.streams).start(wake)

    def _restore(self, work: Work, published: int, event_seq: int) -> None:
        """Rows, tokens and streams as of the lane's last command and the last reported event."""
        region = self.region
        is_recovered = self._recovered == event_seq and self._followed is None
        self._recovered = None
        if self._followed is None and not is_recovered:
            self.begin()
        noted = 0
        # A journal may have documents of sessions and no command of one.  While a run waits for its
        # standby to lead, the rings are empty whatever the journal has: it is restored again.
        resumes = self.resumes and work.journal is not None and work.prefork is None
        if published or event_seq or resumes:
            if work.journal is None:
                raise SessionsError(
                    "sessions need a journal to restart: without it the sent messages are lost"
                )
            noted = region[session_region.LANE_SEQ]
            if not is_recovered:
                noted = self._from_journal([work.journal, *work.copies][0], event_seq)
        assert noted <= published
        if not region[session_region.DAY_BEGUN]:
            apply.begin_day(RegionHeader.of(region.address))
        metadata = np.zeros(1, np.int64)
        for seq in range(noted + 1, published + 1):
            at = seq & region[session_region.METADATA_MASK]
            metadata[0] = region[session_region.METADATA] + command_metadata.METADATA_BYTES * at
            order = region[session_region.ORDERS] + session_region.ORDER_BYTES * at
            codecs = self.codecs.ctypes.data
            copies.apply_batch(
                RegionHeader.of(region.address),
                codecs,
                order,
                1,
                metadata.ctypes.data,
                0,
                0,
                0,
                event_seq,
            )
        region.words[session_region.LANE_SEQ // 8] = published
        region.words[session_region.EVENT_SEQ // 8] = event_seq
        for index in range(1, len(self.streams) + 1):
            self._forget_connection(region.block(index))
        for one in self.fix.values():
            one.resume(int(self.day))
        region.words[session_region.STAGE_PROCESS // 8] = ProcessIdentity.mine().word

    def _forget_connection(self, block: npt.NDArray[np.int64]) -> None:
        """Set a session's block as that of a session whose connection was lost."""
        for word in (
            session.DIRTY,
            session.PENDING,
            session.INPUT_LENGTH,
            session.SIDE_LENGTH,
            session.SWEEP,
            session.LOST_NS,
            session.WAITING_SINCE,
        ):
            block[word // 8] = 0
        block[session.FD // 8] = -1
        if block[session.PROTOCOL // 8] == Protocol.SHM:
            # What they were is gone with the process that had them.
            block[shm_layout.REQUESTS // 8] = block[shm_layout.REPLIES // 8] = 0
            block[shm_layout.PIDFD // 8] = -1
        if block[session.KILLED // 8]:
            # Killed before its orders were gone: they have no grace.
            expire_grace_now(SessionBlock.of(block.ctypes.data), self.clock.monotonic_ns())
        elif not block[session.LOGGED_OUT // 8]:
            block[session.LOST_NS // 8] = self.clock.monotonic_ns()

    def _from_journal(self, directory: Path, event_seq: int) -> int:
        """Apply what the journal has, events up to ``event_seq``; returns how many commands had a
        note."""
        if self._followed is not None:
            self.follow(directory)
            (_, point), self._followed = self._followed, None
            if point.engine.event_count == event_seq:
                return self.region[session_region.LANE_SEQ]
            self.begin()
        reader = JournalReader(directory)
        point = checkpoint.resume(self, reader, event_seq)
        while True:
            for batch in events_of(reader, point, from_seq=point.seq + 1):
                self.take_symbols(point.engine.region)
                self.apply(batch, event_seq)
            if point.engine.event_count >= event_seq:
                return self.region[session_region.LANE_SEQ]
            time.sleep(0.001)
            reader = JournalReader(directory)

    def recover(self, work: Work, last: int) -> Point | None:
        """Apply what the journal has, and return the core after command ``last``, which the matcher
        of this process continues with: one pass for both.  None: each has to find its own place."""
        event_seq = int(work.shared.events.cursors[self.stage_name][0])
        if self._followed is not None or work.journal is None:
            return None
        self.begin()
        try:
            reader = JournalReader(work.journal)
            point = checkpoint.resume(self, reader, event_seq)
            if point.seq > last:
                return None
            for batch in events_of(reader, point, from_seq=point.seq + 1, match_until=last):
                self.take_symbols(point.engine.region)
                self.apply(batch, event_seq)
        except JournalError:
            return None  # a copy may have what this one lacks
        if point.seq < last or point.engine.event_count < event_seq:
            return None
        self._recovered = event_seq
        return point

    def follow(self, directory: Path) -> None:
        """Apply what the journal has got since the last call, all its events: of a stage that waits
        for its standby to lead."""
        if self._followed is None:
            self.begin()
            reader = JournalReader(directory)
            self._followed = reader, checkpoint.resume(self, reader, NO_LIMIT)
        reader, point = self._followed
        for batch in events_of(reader, point, from_seq=point.seq + 1, follow=True):
            self.take_symbols(point.engine.region)
            self.apply(batch, NO_LIMIT)

    def follower(self, directory: Path, every: int) -> checkpoint.SessionsFollower:
        """Makes checkpoints in a separate process while the run continues."""
        shadow = checkpoint.Shadow(self.spec, self.instruments, directory)
        return checkpoint.SessionsFollower(directory, every, shadow)


assert sockets.EVENT_BYTES * stage.MAX_EVENTS <= 2048 * 8
