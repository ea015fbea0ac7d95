"""The public feed of a run: a process that publishes released events as market data.

After any death it is rebuilt from a checkpoint and the journal after it.  It makes the same
messages with the same numbers, and does not send again those that were sent.  Nothing waits for it:
a released reader (``released.py``) that falls behind resumes from the journal.
"""

import mmap
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openoutcry.host.build import require_same
from openoutcry.host.processes import STOP_SIGNALS, KeptProcess, fork
from openoutcry.journal import JournalReader
from openoutcry.journal.events import Batch, events_of
from openoutcry.market_data import book_apply, checkpoint, encode, lines, mold, pump
from openoutcry.market_data.carry import FOLDER
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.publisher import line_socket
from openoutcry.market_data.receiver import Moment
from openoutcry.market_data.shm_feed import ShmFeedSegment
from openoutcry.market_data.spec import Door, FeedSpec
from openoutcry.ring import ProcessIdentity
from openoutcry.ring import kernels as ring
from openoutcry.runtime import released
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Reader, Span, Topology
from openoutcry.wire.errors import FeedError
from openoutcry.wire.kernel import compile_kernel, is_kept
from openoutcry.wire.shm_feed import put_messages

NAME = "market_data"
TO_DATAGRAM, TO_SHM = "feed", "feed shm"
"""Names of the intervals from an event's release until the public may see it."""
QUEUE = 1 << 13
BACKLOG = 64
PIECE_BYTES = 1 << 20
CRASH_LOOP_RESTARTS = 5
"""Deaths in a row without a message sent, after which the process is not restarted."""
SENT, CLAMPED, SESSION, OVER, READY, PACKET_NS, KEPT, COUNTS = 0, 1, 2, 3, 4, 5, 8, 16
"""Words that the feed's processes share.  SENT is the last message that was sent (its session above
its number), CLAMPED the values that were published as the nearest, SESSION the session.  OVER says
that the run is over, and READY that all earlier messages are rebuilt.  PACKET_NS is when a packet
was last sent (CLOCK_MONOTONIC).  KEPT has four words each for the session and the previous one:
number, messages, bytes, whether it has ended.  COUNTS has the counts of the sending process
(COUNTED)."""
IDLE_S = 0.001
NOTHING_SENT = -1
SESSION_SHIFT = 40
"""The bit above which a session's number is stored, next to that of the last message sent."""
DOWN_BEATS, DOWN_NS = 3, 1_000_000_000
"""The feed is down once it has sent nothing for this many heartbeats and for this long."""
COUNTED = ("packets", "packets_not_taken", "requests_answered", "requests_refused")


KERNELS: tuple[tuple[Callable[..., int | None], int], ...] = (
    (pump.run, 2), (encode.encode, 7), (encode.room_for, 2), (mold.fitting, 3), (lines.skip, 3),
    (book_apply.apply, 3), (book_apply.list_levels, 5), (book_apply.list_orders, 5),
    (released.take, 6), (ring.rejoin, 4), (ring.wake_waiters, 1), (put_messages, 4),
)  # fmt: skip
"""Kernels that the feed's processes call, and how many arguments each has."""


def compile_feed(progress: Callable[[], None]) -> None:
    """Compile before the feed begins: a process that compiles publishes nothing meanwhile.
    ``progress`` is called if there is anything to compile."""
    missing = [(kernel, count) for kernel, count in KERNELS if not is_kept(kernel)]
    if missing:
        progress()
    for kernel, count in missing:
        compile_kernel(kernel, count)


def allow_descriptors() -> None:
    """Raise the limit of descriptors as far as allowed, because a client that holds connections
    open must not use up others'."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def with_feed(table: Topology) -> Topology:
    """The table with the feed's row."""
    doors = Span(TO_DATAGRAM, "released", "datagram"), Span(TO_SHM, "released", "shared memory")
    return table.extended(released=(Reader(NAME, QUEUE),), doors=doors)


class Times:
    """Times at which commands came: from the stamps while they exist, else from the journal."""

    def __init__(self, shared: Shared, journal: Path, after_seq: int) -> None:
        """``after_seq``: stamps are of later commands; those before are of an earlier run."""
        self.shared, self.journal, self.after_seq = shared, journal, after_seq
        self.stamps = shared.stamps_of("received")
        self.offset = int(shared.control.block.epoch_offset)
        self._reader: JournalReader | None = None
        self._batches: Iterator[Batch] = iter(())
        self._first = 0
        self._read = np.zeros(0, np.int64)

    def of(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Return the times of commands ``first`` to ``last``: int64, ns since the epoch."""
        if first > self.after_seq:
            count = len(self.stamps)
            times_ns = self.stamps[np.arange(first, last + 1) & (count - 1)] + self.offset
            # Written again only when a whole round of commands has come, not long before it.
            if self.shared.sequenced.published - first < count // 2:
                return times_ns
        return self._from_journal(first, last)

    def _from_journal(self, first: int, last: int) -> npt.NDArray[np.int64]:
        if self._reader is None or not self._first <= first <= self._first + len(self._read):
            self._reader, self._first = JournalReader(self.journal), first
            self._read, self._batches = self._read[:0], iter(())
        while self._first + len(self._read) <= last:
            batch = next(self._batches, None)
            if batch is None:
                following = self._first + len(self._read)
                self._batches = events_of(self._reader, from_seq=following, follow=True)
                batch = next(self._batches, None)
                if batch is None:  # released is what the journal has, or has soon
                    time.sleep(IDLE_S)
                    continue
            self._read = np.concatenate(
                [self._read[first - self._first :], batch.commands["rx_ts_ns"]]
            )
            self._first = first
        return self._read[first - self._first : last + 1 - self._first]


class PublicFeed:
    """The feed's process, as the supervisor has it."""

    def __init__(
        self,
        spec: FeedSpec,
        shared: Shared,
        instruments: npt.NDArray[np.void],
        order_capacity: int,
        journal: Path,
        shm: ShmFeedSegment | None = None,
        door: Callable[[], Door] | None = None,
    ) -> None:
        """``shm``: where the feed is written for readers on this host; ``door``: makes what serves
        market data over FIX.

        Raises :class:`FeedError` if an address or the interface cannot be had, or the journal
        has lost its begin and no checkpoint replaces it."""
        self.shm, self._door = shm, door
        self.spec, self.journal, self.name = spec, journal, NAME
        reader = JournalReader(journal)
        self.folder, self.journal_id = journal / FOLDER, reader.journal_id
        self.is_test = reader.is_test
        self.begin_is_retired = reader.first_seq > 1
        if self.begin_is_retired and not checkpoint.newest(self.folder, journal, self.journal_id):
            raise FeedError(
                f"{journal}: its beginning is retired, so the feed cannot number its messages"
            )
        self.instruments, self.order_capacity = instruments, order_capacity
        self.instrument_count = len(instruments)
        self.feed = self.new_feed()
        self.times = Times(shared, journal, int(shared.sequenced.published))
        self.owner = ProcessIdentity.mine()
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = np.frombuffer(self._map, np.int64)
        self._words[SENT] = NOTHING_SENT
        self.requests = self._listen()
        self.snapshots = self._listen_tcp(spec.snapshots, "snapshots")
        self.stream = self._listen_tcp(spec.stream, "the stream")
        self.pages = self._listen_tcp(spec.pages, "pages")
        self.fix = self._listen_tcp(spec.fix, "market data over FIX")
        self._check_interface()
        self.pid = 0
        self._crash_restarts = self._clamped_reported = self._restarts = 0
        self.others: list[KeptProcess] = []
        """Its processes for the conflated feed and for the stream."""
        self._sent_at_start = NOTHING_SENT

    def new_feed(self) -> Feed:
        """Return an encoder at the beginning of a day."""
        spec = self.spec
        return Feed(self.instruments, self.order_capacity, spec.price_decimals, False, spec.symbols)

    def _listen(self) -> socket.socket | None:
        if self.spec.retransmission is None:
            return None
        family = socket.AF_INET6 if self.spec.ipv6 else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setblocking(False)
        try:
            udp.bind(self.spec.retransmission)
        except OSError as error:
            udp.close()
            host, port = self.spec.retransmission
            raise FeedError(f"cannot take requests on {host}:{port}: {error}") from None
        return udp

    def _listen_tcp(self, address: tuple[str, int] | None, what: str) -> socket.socket | None:
        if address is None:
            return None
        family = socket.AF_INET6 if self.spec.ipv6 else socket.AF_INET
        try:
            listener = socket.create_server(address, family=family, backlog=BACKLOG)
        except OSError as error:
            raise FeedError("cannot serve {} on {}:{}: {}".format(what, *address, error)) from None
        listener.setblocking(False)
        return listener

    def _check_interface(self) -> None:
        """Raises :class:`FeedError` if multicast cannot leave by it."""
        try:
            line_socket(self.spec).close()
        except OSError as error:
            raise FeedError(
                f"cannot send by the interface {self.spec.interface}: {error}"
            ) from None

    @property
    def retransmission(self) -> tuple[str, int] | None:
        """The server's address."""
        return self.requests.getsockname()[:2] if self.requests else None

    def name_of(self, session: int) -> str:
        """Return the ten characters that name a session, by its number."""
        return mold.session_name(self.journal_id, session, self.is_test)

    def store_path(self, session: int) -> Path:
        """Return the file in which a session's messages are kept."""
        return self.folder / f"{self.name_of(session)}.itch"

    @property
    def sent(self) -> int:
        """The last message that was sent, its session above its number; -1: none was."""
        return int(self._words[SENT])

    def sent_of(self, session: int) -> int:
        """Return how many messages of a session were sent."""
        return max(0, min(self.sent - (session << SESSION_SHIFT), (1 << SESSION_SHIFT) - 1))

    def note_sent(self, session: int, number: int) -> None:
        """Note, for all processes, up to which message of a session everything was sent."""
        self._words[SENT] = session << SESSION_SHIFT | number

    @property
    def sent_address(self) -> int:
        """Address of the word that ``note_sent`` writes."""
        return self._words.ctypes.data

    @property
    def clamped(self) -> int:
        """Values clamped to the range of their field."""
        return int(self._words[CLAMPED])

    def note_clamped(self, count: int) -> None:
        """Note how many figures did not fit into a message and were cut."""
        self._words[CLAMPED] = count

    def note_counts(self, *counts: int) -> None:
        """Note the counts, in the order of COUNTED."""
        self._words[COUNTS : COUNTS + len(counts)] = counts

    def note_packet(self, now_ns: int) -> None:
        """A packet was sent at that time."""
        self._words[PACKET_NS] = now_ns

    @property
    def is_up(self) -> bool:
        """Return whether its process is alive and sends: heartbeats, where there is nothing
        else."""
        quiet_ns = max(DOWN_BEATS * self.spec.heartbeat_ms * 1_000_000, DOWN_NS)
        sent_ns = int(self._words[PACKET_NS])
        return bool(self.pid and sent_ns and time.monotonic_ns() - sent_ns < quiet_ns)

    def status(self) -> dict[str, int]:
        """Return the state of the feed: of its session, and of its process since that began."""
        messages, size_bytes = self.kept(self.session)
        counts = self._words[COUNTS : COUNTS + len(COUNTED)].tolist()
        return {
            "session": self.session,
            "messages": messages,
            "bytes": size_bytes,
            "lines": 1 + (self.spec.b is not None),
            "clamped": self.clamped,
            "up": int(self.is_up),
            "restarts": self._restarts,
            **dict(zip(COUNTED, counts, strict=True)),
        }

    @property
    def session(self) -> int:
        """Number of the session of the next message; 0: not known yet."""
        return int(self._words[SESSION])

    def _kept(self, session: int) -> npt.NDArray[np.int64]:
        at = KEPT + 4 * (session & 1)
        return self._words[at : at + 4]

    def note_session(self, session: int) -> None:
        """Note that messages kept from now on belong to this session. A store that is made again
        has what it had."""
        row = self._kept(session)
        if row[0] < session:
            row[1:] = 0
            row[0] = session
        self._words[SESSION] = max(session, self.session)

    def kept(self, session: int) -> tuple[int, int]:
        """Messages in a session's store, and their bytes; they remain after any restart."""
        row = self._kept(session)
        return (int(row[1]), int(row[2])) if row[0] == session else (0, 0)

    def note_kept(self, session: int, count: int, size_bytes: int) -> None:
        """Note how many messages and bytes of a session its file has; a smaller count changes
        nothing."""
        row = self._kept(session)
        if row[0] == session and count > row[1]:
            row[2], row[1] = size_bytes, count

    def note_ended(self, session: int) -> None:
        """There will be no more messages of it."""
        row = self._kept(session)
        if row[0] == session:
            row[3] = 1

    def note_before(self, session: int, count: int, size_bytes: int) -> None:
        """The session before, as it was found."""
        row = self._kept(session)
        if row[0] < session:
            row[:] = session, count, size_bytes, 1

    def has_ended(self, session: int) -> bool:
        """Return whether the file has the session's last message."""
        row = self._kept(session)
        return bool(row[0] == session and row[3])

    @property
    def is_over(self) -> bool:
        """The run is over and everything of it is published."""
        return bool(self._words[OVER])

    @property
    def is_ready(self) -> bool:
        """Return whether everything that was released before the run is known: the session is."""
        return bool(self._words[READY])

    def note_ready(self) -> None:
        """Note that the feed's process serves."""
        self._words[READY] = 1

    def note_over(self) -> None:
        """Note that the run is over, so that the feed's processes end."""
        self._words[OVER] = 1

    def start(self, publish: Callable[["PublicFeed"], None]) -> None:
        """Begin a process that runs ``publish``; one that dies is replaced by :meth:`poll`."""
        self._publish = publish
        self._start()
        for name, work, wanted in (
            ("depth", self._conflate, self.spec.depth or self.spec.pages or self.spec.fix),
            ("stream", self._serve_stream, self.spec.stream),
        ):
            if wanted:
                self.others.append(KeptProcess(name, work, require_same))

    def _start(self) -> None:
        require_same()
        self._sent_at_start = self.sent
        self.pid = fork(lambda: self._publish(self), STOP_SIGNALS, "feed")

    def _conflate(self) -> None:
        """The conflated feed's process."""
        allow_descriptors()
        from openoutcry.market_data.depth_process import conflate  # asyncio, for few

        conflate(
            self.spec,
            self._moment,
            lambda: self.is_over,
            lambda: self.has_ended(self.session - 1) and not self.kept(self.session)[0],
            self.pages,
            self._door() if self._door is not None else None,
            self.fix,
        )

    def _moment(self) -> Moment:
        """The book of the session's messages that its store has.  Raises :class:`FeedError`."""
        from openoutcry.market_data.book import Book
        from openoutcry.market_data.stream import Tail

        if not self.is_ready:
            raise FeedError("the feed is still rebuilding its earlier messages; try again")
        session, book, at = self.session, Book(), 0
        tail = Tail(self.store_path(session), partial(self.kept, session))
        while data := tail.read(at, PIECE_BYTES):
            book.apply(data)
            at += len(data)
        return self.name_of(session), book, book.messages + 1

    def _serve_stream(self) -> None:
        """The process that serves the stream over SoupBinTCP."""
        import asyncio

        from openoutcry.market_data.stream import Kept, Stream, Tail

        allow_descriptors()
        assert self.stream is not None
        known: dict[int, Kept] = {}

        def sessions() -> list[Kept]:
            now = self.session if self.is_ready else 0
            numbers = [one for one in (now - 1, now) if one > 0 and self._kept(one)[0] == one]
            for number in [one for one in known if one not in numbers]:
                del known[number]
            for number in numbers:
                if number not in known:
                    tail = Tail(self.store_path(number), partial(self.kept, number))
                    known[number] = Kept(
                        self.name_of(number), tail, partial(self.has_ended, number)
                    )
            return [known[number] for number in numbers]

        asyncio.run(Stream(sessions, lambda: self.is_over).serve(self.stream))

    def poll(self, note: Callable[[str], None]) -> None:
        """Restart the process if it exited before it had published everything."""
        for process in self.others:
            process.look(note, again=not self.is_over)
        if not self.pid:
            return
        if self.clamped > self._clamped_reported:
            self._clamped_reported = self.clamped
            note(f"the feed clamped {self.clamped} values to the range of their field")
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid and status == 0:
            self.pid = 0
        elif pid:
            self._crash_restarts = (
                self._crash_restarts + 1 if self.sent == self._sent_at_start else 1
            )
            if self._crash_restarts > CRASH_LOOP_RESTARTS:
                note(
                    f"the feed (pid {pid}) is in a crash loop: it exited with {status} "
                    f"{CRASH_LOOP_RESTARTS} times without publishing; it is not restarted"
                )
                self.pid = 0
                return
            note(f"the feed (pid {pid}) exited with {status}: restarted")
            self._restarts += 1
            self._start()

    def finish(self, timeout_s: float) -> None:
        """Wait, at most ``timeout_s``, until everything released is published, and until the other
        processes have sent it to their clients."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
                self.pid = 0
            for process in self.others:
                process.look(print, again=False)
            if not (self.pid or (self.is_over and any(one.pid for one in self.others))):
                return
            time.sleep(IDLE_S)

    def close(self) -> None:
        """Kill the feed's processes that are left, and close every socket."""
        for process in self.others:
            process.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.pid = 0
        for one in (self.requests, self.snapshots, self.stream, self.pages, self.fix):
            if one is not None:
                one.close()
