"""The public feed of a run: a process that reads released events and tells the market.

It is made again from the journal after any death: the same messages with the same numbers, of which
those that were sent are not sent again.  Nothing waits for it: a released reader (``released.py``)
that falls behind goes on from the journal.
"""

import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openoutcry.host.processes import STOP_SIGNALS, fork
from openoutcry.journal import JournalReader
from openoutcry.market_data import mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import serve_one, snapshot
from openoutcry.market_data.publisher import Publisher
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.pipeline import control as ct
from openoutcry.pipeline.released import MAX_BATCH, ReleasedReader
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.topology import Reader, Topology
from openoutcry.replay.events import Batch, events_of
from openoutcry.ring import ProcessIdentity

NAME = "market_data"
QUEUE = 1 << 13
IDLE_S = 0.001
NOTHING_SENT = -1
FOLDER = "market_data"
SNAPSHOTS_AT_ONCE = 16


def with_feed(table: Topology) -> Topology:
    """The table with the feed's row."""
    return table.extended(released=(Reader(NAME, QUEUE),))


class Times:
    """When commands came: from the stamps while these are there, else from the journal."""

    def __init__(self, shared: Shared, journal: Path, after_seq: int) -> None:
        """``after_seq``: stamps are of later commands; those before are of an earlier run."""
        self.shared, self.journal, self.after_seq = shared, journal, after_seq
        self._stamps = shared.stamps_of("received")
        self._offset = int(shared.control[ct.EPOCH_OFFSET])
        self._reader: JournalReader | None = None
        self._batches: Iterator[Batch] = iter(())
        self._first = 0
        self._read = np.zeros(0, np.int64)

    def of(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Of commands ``first`` to ``last``: int64, ns since the epoch."""
        if first > self.after_seq:
            count = len(self._stamps)
            found = self._stamps[np.arange(first, last + 1) & (count - 1)] + self._offset
            # Written again only when a whole round of commands has come, not long before it.
            if self.shared.sequenced.published - first < count // 2:
                return found
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
            self._read = np.concatenate([self._read[first - self._first :],
                                         batch.commands["rx_ts_ns"]])  # fmt: skip
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
    ) -> None:
        """Raises :class:`FeedError` if the address of the server cannot be had, or the journal has
        lost its begin."""
        self.spec, self.shared, self.journal = spec, shared, journal
        reader = JournalReader(journal)
        if reader.first_seq > 1:
            raise FeedError(f"{journal}: its begin is retired, so the feed has no numbers")
        self.session = mold.session_name(reader.journal_id)
        self.feed = Feed(instruments, order_capacity, spec.price_decimals)
        self.after_seq = int(shared.sequenced.published)
        self.owner = ProcessIdentity.mine()
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._sent = np.frombuffer(self._map, np.int64)
        self._sent[0] = NOTHING_SENT
        self.requests = self._listen()
        self.snapshots = self._listen_for_snapshots()
        self.pid = 0
        self._named = 1 + len(instruments)
        self._book = Book()
        self._children: set[int] = set()

    def _listen(self) -> socket.socket | None:
        if self.spec.retransmission is None:
            return None
        family = socket.AF_INET6 if self.spec.ipv6 else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setblocking(False)
        try:
            made.bind(self.spec.retransmission)
        except OSError as error:
            made.close()
            host, port = self.spec.retransmission
            raise FeedError(f"cannot take requests on {host}:{port}: {error}") from None
        return made

    def _listen_for_snapshots(self) -> socket.socket | None:
        if self.spec.snapshots is None:
            return None
        host, port = self.spec.snapshots
        family = socket.AF_INET6 if self.spec.ipv6 else socket.AF_INET
        try:
            made = socket.create_server((host, port), family=family, backlog=SNAPSHOTS_AT_ONCE)
        except OSError as error:
            raise FeedError(f"cannot give snapshots on {host}:{port}: {error}") from None
        made.setblocking(False)
        return made

    @property
    def retransmission(self) -> tuple[str, int] | None:
        """The server's address."""
        return self.requests.getsockname()[:2] if self.requests else None

    @property
    def sent(self) -> int:
        """The last message that was sent; -1: none was."""
        return int(self._sent[0])

    def start(self) -> None:
        self.pid = fork(self._run, STOP_SIGNALS)

    def look(self, note: Callable[[str], None]) -> None:
        """Start the process again if it is gone; not if it has told everything."""
        if not self.pid:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid and status == 0:
            self.pid = 0
        elif pid:
            note(f"the feed (pid {pid}) ended with {status}: started again")
            self.start()

    def finish(self, timeout_s: float) -> None:
        """Wait until everything that was released is told, for a while."""
        until = time.monotonic() + timeout_s
        while self.pid and time.monotonic() < until:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                self.pid = 0
            else:
                time.sleep(IDLE_S)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        for one in (self.requests, self.snapshots):
            if one is not None:
                one.close()
        (self.journal / FOLDER / f"{self.session}.itch").unlink(missing_ok=True)

    # In the process.

    def _run(self) -> None:
        """Tell the market until the run is over."""
        store = Store(self.journal / FOLDER / f"{self.session}.itch")
        publisher = Publisher(self.spec, self.session, store, self.requests)
        reader = ReleasedReader(self.owner, NAME, [self.journal])
        times = Times(self.shared, self.journal, self.after_seq)
        told_until = reader.released_seq
        while True:
            ended = reader.ended
            old = told_until - reader.place.event_seq
            events = reader.poll(old if old > 0 else MAX_BATCH)
            now_ns = time.monotonic_ns()
            if len(events):
                first = int(events["cause_seq"][0])
                messages = self.feed.encode(events, times.of(first, int(events["cause_seq"][-1])),
                                            first)  # fmt: skip
                self._tell(publisher, messages, reader.place.event_seq > told_until, now_ns)
            elif ended:
                return
            publisher.answer(now_ns)
            self._give_snapshots(store)
            if self.sent != NOTHING_SENT or reader.place.event_seq >= told_until:
                publisher.beat(now_ns)
            if not len(events):
                select.select([self.requests] if self.requests else [], [], [], IDLE_S)

    def _tell(self, publisher: Publisher, messages: bytes, is_new: bool, now_ns: int) -> None:
        """Keep messages, and send those that no process before this one has sent: after a start of
        the whole venue, what is released from then on."""
        store = publisher.store
        first = store.count + 1
        store.append(messages, self.feed.messages - store.count)
        if self.snapshots is not None:
            self._book.apply(messages)
        if self.sent == NOTHING_SENT and not is_new:
            return
        if self.sent < first:
            publisher.send(first, messages, now_ns)
            self._sent[0] = store.count
        behind = max(first, self.sent + 1)
        while behind <= store.count:
            count, part = store.read(behind, store.count - behind + 1, self.spec.room - 20)
            publisher.send(behind, part, now_ns)
            behind += count
            self._sent[0] = behind - 1

    def _give_snapshots(self, store: Store) -> None:
        """A process for each client, whose memory is the book of the moment at which it came."""
        if self.snapshots is None:
            return
        for pid in list(self._children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._children.discard(pid)
        if len(self._children) >= SNAPSHOTS_AT_ONCE:
            return
        try:
            connection, _ = self.snapshots.accept()
        except OSError:
            return
        with connection:
            self._children.add(fork(partial(self._snapshot, connection, store), STOP_SIGNALS))

    def _snapshot(self, connection: socket.socket, store: Store) -> None:
        begin = [store.read(number, 1, 64)[1][2:] for number in range(1, self._named + 1)]
        following = store.count + 1
        try:
            serve_one(connection, self.session, snapshot(self._book, begin, following))
        except (FeedError, OSError):
            return
