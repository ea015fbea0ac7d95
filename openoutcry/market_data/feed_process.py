"""The feed's process: catches up from a checkpoint or the journal, then publishes released events,
stores the messages, and serves retransmissions.

Between two turns of the pump's kernel Python stores the published messages.  Storing takes longer
than publishing, but it delays only events that arrive meanwhile.
"""

import os
import select
import signal
import socket
import time
from functools import partial
from itertools import islice, takewhile
from typing import Any

import openoutcry.market_data.pump as pump
from openoutcry.host.processes import STOP_SIGNALS, fork
from openoutcry.market_data import checkpoint, mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.glimpse import give, snapshot
from openoutcry.market_data.live import Pump, Source
from openoutcry.market_data.public_feed import (
    IDLE_S,
    NOTHING_SENT,
    SESSION_SHIFT,
    TO_DATAGRAM,
    TO_SHM,
    PublicFeed,
)
from openoutcry.market_data.publisher import Publisher, send_once
from openoutcry.market_data.snapshot_logins import SnapshotLogins
from openoutcry.market_data.store import Store
from openoutcry.runtime.released import MAX_BATCH, Place, ReleasedReader
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import MOLD_HEADER_BYTES
from openoutcry.wire.load_limits import Budgets, Places, Rate
from openoutcry.wire.peers import HERE

SNAPSHOTS_AT_ONCE, SNAPSHOTS_EACH = 16, 4
"""In all, and to one address, whose further connections are closed.  For one more, the oldest of
the address that has most gives way."""
SNAPSHOTS_EACH_S = 1.0
"""How many more an address may begin each second: a login costs the feed a fork."""
FORK_TIMES = 9
"""After a fork the next one waits this many times as long as it took, so that all clients together
take a tenth of the feed's time."""
TURN_NS = 100_000_000
"""The pump comes back after this long at most."""
CHECKPOINT_NS, OFTEN_NS = 30_000_000_000, 5_000_000_000
"""The time between two checkpoints while there is something new.  The shorter one applies when the
ring's memory would soon no longer hold all events since the last checkpoint."""
END_TIMES, END_PAUSE_S = 5, 0.1
"""How often the end of a session is repeated as its run ends; requests are answered meanwhile."""


class FeedProcess:
    """The feed of :class:`PublicFeed`, in its process."""

    def __init__(self, public: PublicFeed) -> None:
        self.public, self.spec, self.feed = public, public.spec, public.feed
        self.book = Book()
        self.store, place = self._begin()
        self.session = self.feed.session
        name = public.name_of(self.session)
        self.publisher = Publisher(self.spec, name, self.store, public.requests)
        self.publisher.before = self._before()
        self.reader = ReleasedReader(public.owner, public.name, [public.journal], place)
        self._private = self._private_cursors()
        self.pump = Pump(
            self._source(), self.feed, self.publisher, public.sent_address, self.spec.idle_us
        )
        self.pump.name(name, self.session << SESSION_SHIFT)
        self._begin_shm()
        self._logins = SnapshotLogins(public.snapshots) if public.snapshots is not None else None
        found = public.requests, self._logins.epoll if self._logins is not None else None
        self._asks: list[socket.socket | select.epoll] = [one for one in found if one is not None]
        for one in self._asks:
            self.pump.epoll.register(one, select.EPOLLIN)
        self._children: Places[int] = Places(SNAPSHOTS_AT_ONCE, SNAPSHOTS_EACH)
        """Processes that give a snapshot, by the address to which."""
        self._given_way: list[int] = []
        """Those that are killed, until they have ended."""
        self._snapshots = Budgets(Rate(SNAPSHOTS_EACH_S, SNAPSHOTS_EACH))
        self._next_fork_ns = 0
        self._saving = 0
        self._saved_messages = self.store.count
        self._save_ns = time.monotonic_ns() + CHECKPOINT_NS
        self._saved_event_seq = place.event_seq
        self._reported_until = self.reader.released_seq
        public.note_kept(self.session, self.store.count, self.store.size_bytes)

    def _begin(self) -> tuple[Store, Place]:
        """Return where to begin: after the newest checkpoint, or with the first event."""
        public = self.public
        saved = checkpoint.newest(public.folder, public.journal, public.journal_id)
        if saved is not None:
            try:
                path = public.store_path(saved.session)
                store = checkpoint.resume(saved, path, self.feed, self.book)
                public.note_session(saved.session)
                return store, Place(saved.event_seq, saved.cause_seq)
            except (FeedError, ValueError, KeyError) as error:
                if public.begin_is_retired:
                    raise FeedError(f"{public.folder}: nothing to resume from: {error}") from None
                self.feed = public.feed = public.new_feed()
                self.book = Book()
        public.note_session(self.feed.session)
        return Store(public.store_path(self.feed.session)), Place()

    def _before(self) -> tuple[str, Store] | None:
        """The session before, whole, if its messages are still there."""
        public, session, count = self.public, self.session - 1, self.feed.messages_before
        path = public.store_path(session)
        if session < 1 or not path.is_file():
            return None
        try:
            store = Store(path, count, path.stat().st_size)
        except FeedError:
            return None
        public.note_before(session, store.count, store.size_bytes)
        return public.name_of(session), store

    def _source(self) -> Source:
        reader, times = self.reader, self.public.times
        stamps = times.stamps
        return Source(
            ring=reader.ring.address,
            mask=reader.ring.mask,
            cursor=reader.cursor_address,
            gate=reader.gate_address,
            stamps=stamps.ctypes.data,
            stamp_mask=len(stamps) - 1,
            epoch_offset=times.offset,
            after_seq=times.after_seq,
            private=tuple(one.ctypes.data for one in self._private),
            released=times.shared.stamp_address("released"),
            to_datagram=times.shared.histogram(TO_DATAGRAM).ctypes.data,
            to_shm=times.shared.histogram(TO_SHM).ctypes.data,
            wake=times.shared.control.block.address_of("woken"),
            shm=self.public.shm.address if self.public.shm is not None else 0,
        )

    def _private_cursors(self) -> list[Any]:
        """The cursors of the stages that report to participants: after the gate, on the gate's
        ring."""
        table = self.reader.table
        (ring,) = table.inputs(table.gate.name)
        cursors = [
            self.reader.ring.cursors[row.name]
            for row in table.stages
            if table.gate.name in row.gated_by and ring in table.inputs(row.name)
        ]
        assert len(cursors) <= pump.MAX_PRIVATE
        return cursors

    def _begin_shm(self) -> None:
        """Say in the feed in shared memory which session the next message is of."""
        if self.public.shm is not None:
            before = self.feed.messages_before if self.session > 1 else 0
            self.public.shm.begin(self.session, self.publisher.session, before)

    def run(self) -> None:
        """Publish until the run is over."""
        reader, publisher = self.reader, self.publisher
        poll_once = True
        while True:
            ended = reader.ended
            caught_up = reader.on_ring and reader.place.event_seq >= self._reported_until
            if caught_up and not poll_once:
                poll_once = self._turn()
            elif not self._catch_up(ended):
                break
            else:
                poll_once = False
            publisher.answer(time.monotonic_ns())
            self.public.note_counts(
                publisher.packets + self.pump.packets,
                publisher.not_taken,
                publisher.answered,
                publisher.refused,
            )
            if self.public.is_ready:
                self._give_snapshots()
                publisher.beat(time.monotonic_ns(), self.public.sent_of(self.session))
                self.public.note_packet(publisher.beat_ns)
            elif reader.place.event_seq >= self._reported_until:
                self.public.note_ready()
            if self.public.shm is not None:
                self.public.shm.header.alive_ns = time.monotonic_ns()
            self._save_sometimes()
        self._save()
        self.public.note_over()
        if self.public.shm is not None:
            self.public.shm.header.over = 1
        if publisher.before is not None and self.store.count == 0:
            self._drain_clients()

    def _drain_clients(self) -> None:
        """The day has ended: serve clients that have not received the end, or miss messages."""
        for _ in range(END_TIMES):
            self.publisher.say_end(time.monotonic_ns())
            until = time.monotonic() + END_PAUSE_S
            while (left := until - time.monotonic()) > 0:
                select.select(self._asks[:1] if self.public.requests else [], [], [], left)
                self.publisher.answer(time.monotonic_ns())

    def _is_done(self) -> None:
        """The session has ended: the next message is the first of another, whenever it comes."""
        public, now_ns = self.public, time.monotonic_ns()
        self.store.sync()
        public.note_ended(self.session)
        self.session = self.feed.session
        public.note_session(self.session)
        self.store = Store(public.store_path(self.session))
        self.publisher.went_over(public.name_of(self.session), self.store)
        self.pump.name(self.publisher.session, self.session << SESSION_SHIFT)
        self._begin_shm()
        self._saved_messages = 0
        if public.sent_of(self.session - 1):
            self.publisher.say_end(now_ns)

    def _turn(self) -> bool:
        """A turn of the pump; True if the next events have to come from elsewhere."""
        publisher, reader = self.publisher, self.reader
        begun_ns, before = time.monotonic_ns(), self.pump.packets
        beat_ns = publisher.beat_ns + self.spec.heartbeat_ms * 1_000_000
        why = self.pump.run(min(beat_ns, begun_ns + TURN_NS))
        data = self.pump.messages()
        if why == pump.FAILED:
            self.feed.require_sound()
        if data:
            count = self.feed.messages_before if why == pump.ENDED else self.feed.messages
            self._keep(data, count)
        if self.feed.event_seq > reader.place.event_seq:
            reader.went_on(*self.pump.place)
        if why == pump.ENDED:
            self._is_done()
        if self.pump.packets > before:
            publisher.beat_ns = time.monotonic_ns()
        elif why == pump.DUE and reader.ended:
            return True
        if why == pump.DETACHED:
            reader.lost()
        self.public.note_clamped(self.feed.clamped)
        return why in (pump.DETACHED, pump.OLD)

    def _keep(self, messages: bytes, count: int) -> None:
        """Keep messages; the session has their count."""
        self.store.append(messages, count - self.store.count)
        self.public.note_kept(self.session, self.store.count, self.store.size_bytes)
        self.book.apply(messages)

    def _catch_up(self, ended: bool) -> bool:
        """A turn in Python: events that are late, or whose times only the journal has.  False
        if there are no more and there will be none."""
        reader = self.reader
        old = self._reported_until - reader.place.event_seq
        most = old if old > 0 else MAX_BATCH
        if not ended and reader.place.event_seq < reader.released_seq:
            # No further before participants than the pump goes.
            delivered = min((int(one[0]) for one in self._private), default=reader.released_seq)
            most = min(most, delivered + pump.BATCH - reader.place.event_seq)
            if most <= 0:
                select.select(self._asks, [], [], IDLE_S)
                return True
        events = reader.poll(most)
        if not len(events):
            if ended:
                return False
            if not reader.on_ring:
                select.select(self._asks, [], [], IDLE_S)
            return True
        first, last = int(events["cause_seq"][0]), int(events["cause_seq"][-1])
        is_new, times = (
            reader.place.event_seq > self._reported_until,
            self.public.times.of(first, last),
        )
        for part in self.feed.encode_by_session(events, times, first):
            count = self.feed.messages_before if part.ends else self.feed.messages
            self._tell(part.messages, count, is_new)
            if part.ends:
                self._is_done()
        return True

    def _tell(self, messages: bytes, count: int, is_new: bool) -> None:
        """Keep messages, and send those that no process before this one has sent: after a start of
        the whole venue, what is released from then on."""
        store, public, now_ns = self.store, self.public, time.monotonic_ns()
        first = store.count + 1
        self._keep(messages, count)
        if public.sent == NOTHING_SENT and not is_new:
            return
        sent = public.sent_of(self.session)
        if sent < first:
            self.publisher.send(first, messages, now_ns)
            sent = store.count
            public.note_sent(self.session, sent)
        if public.shm is not None:
            public.shm.put(self.session, first, messages)
        behind = max(first, sent + 1)
        while behind <= store.count:
            room = self.spec.room - MOLD_HEADER_BYTES
            count, part = store.read(behind, store.count - behind + 1, room)
            self.publisher.send(behind, part, now_ns)
            behind += count
            public.note_sent(self.session, behind - 1)

    # Snapshots and checkpoints: a process each, whose memory is that of the moment.

    def _reap(self) -> None:
        for pid in [*self._children, *self._given_way, self._saving]:
            if pid and os.waitpid(pid, os.WNOHANG)[0]:
                self._children.leave(pid)
                self._given_way = [one for one in self._given_way if one != pid]
                self._saving = 0 if pid == self._saving else self._saving

    def _give_snapshots(self) -> None:
        """A process for each login, whose memory is the book of the moment at which it begins."""
        self._reap()
        logins = self._logins
        if logins is None:
            return
        logins.poll(self.publisher.session)
        now_ns = time.monotonic_ns()
        if now_ns < self._next_fork_ns:
            return
        login = logins.take(lambda address: len(self._children.of(address)))
        if login is None:
            return
        with login.connection:
            if self._may_have_one(login.address, now_ns):
                if self._children.is_full():
                    self._give_way()
                pid = fork(partial(self._snapshot, logins, login.connection), STOP_SIGNALS)
                self._children.take(login.address, pid)
                forked_ns = time.monotonic_ns()
                self._next_fork_ns = forked_ns + FORK_TIMES * (forked_ns - now_ns)

    def _give_way(self) -> None:
        """Make room for another client: slow ones from many addresses would keep all others
        out."""
        oldest = self._children.oldest_of_most()
        os.kill(oldest, signal.SIGKILL)
        self._children.leave(oldest)
        self._given_way.append(oldest)

    def _may_have_one(self, address: str, now_ns: int) -> bool:
        if address in HERE:
            return True
        is_free = not self._children.is_full_of(address)
        return is_free and self._snapshots.of(address).take(now_ns / 1e9)

    def _snapshot(self, logins: SnapshotLogins, connection: socket.socket) -> None:
        logins.close_all()
        store, book = self.store, self.book if self.store.count else Book(1)
        messages = (store.read(number, 1, 64)[1][2:] for number in range(1, store.count + 1))
        # A session begins with S, then R and o of every instrument.
        first = list(islice(messages, 1))
        begin = self.feed.directory_now([*first, *takewhile(is_of_directory, messages)])
        following = store.count + 1
        try:
            give(connection, self.publisher.session, snapshot(book, begin, following))
        except (FeedError, OSError):
            return

    def _save_sometimes(self) -> None:
        now_ns, events = time.monotonic_ns(), self.reader.place.event_seq - self._saved_event_seq
        early_ns = CHECKPOINT_NS - OFTEN_NS if events > self.reader.ring.capacity // 4 else 0
        if self._saving or now_ns < self._save_ns - early_ns:
            return
        self._save_ns = now_ns + CHECKPOINT_NS
        self._saved_event_seq += events
        if self.store.count > self._saved_messages:
            self._saved_messages = self.store.count
            self._saving = fork(self._save, STOP_SIGNALS)

    def _save(self) -> None:
        public, place = self.public, self.reader.place
        if place.cause_seq == 0 or place.event_seq != self.feed.event_seq:
            return
        checkpoint.save(
            public.folder,
            public.journal,
            public.journal_id,
            place.cause_seq,
            self.feed,
            self.book,
            self.store,
        )


def is_of_directory(message: bytes) -> bool:
    """Return whether a message is R or o."""
    return message[:1] in (b"R", b"o")


def say_alive(public: PublicFeed) -> None:
    """Send a heartbeat in a process that replaces a dead one, before anything takes time. It has
    the number that follows what was sent."""
    if not public.is_ready:
        return
    session = public.session
    sent, (before, _) = public.sent_of(session), public.kept(session - 1)
    if sent == 0 and public.has_ended(session - 1):
        packet = mold.end_of_session(public.name_of(session - 1), before + 1)
    else:
        packet = mold.heartbeat(public.name_of(session), sent + 1)
    send_once(public.spec, packet)
    public.note_packet(time.monotonic_ns())


def publish(public: PublicFeed) -> None:
    """Publish in the feed's process until the run is over."""
    say_alive(public)
    FeedProcess(public).run()
