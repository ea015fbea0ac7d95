"""The journal as a stage: takes whatever is published, one block at a time, and moves two cursors.

Group commit by itself: while one durable write runs, the next block gathers in the ring.

Each block's events are hashed.  They come after the block is written, so a later block's header
carries the hash, with its sequence number.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import EventDigest, Journal, JournalWriter
from openoutcry.journal.clock_order import WRITTEN_BACK_NS
from openoutcry.journal.origins import ORIGINS, Key, pack_origins
from openoutcry.journal.recent import RecentBlocks
from openoutcry.journal.space import SpaceWatch
from openoutcry.journal.writer import NO_DIGEST
from openoutcry.ptp.clock_evidence import ClockEvidence
from openoutcry.ptp.stamp_clock import stamp_record
from openoutcry.ring.kernels import published_count, release, sleep_until_published
from openoutcry.runtime import control as control_words
from openoutcry.runtime.histogram import record_spans
from openoutcry.runtime.lanes import LaneCounts, journaled_lanes
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.words import BURST
from openoutcry.runtime.work import Work
from openoutcry.wire.layout import SharedWord, Words

# Measured on a virtio disk: 4 KiB commit in 95 us, 1 MiB in 241 us: larger blocks pay until here.
MAX_BLOCK_RECORDS = 16_384
ASYNC_SYNC_NS = 1_000_000_000
CLOCK_LOOK_NS = 1_000_000_000
# Of a block that is published: a message of the stream holds 128 KiB of whole blocks.
MAX_REPLICATED_RECORDS = 1_984
MAX_REPLIES_A_STEP = 4 * BURST
NAME = "journal"
SLEEP_US = 80_000
"""The longest sleep: the heartbeat and the clock's records wait for it."""


class JournalStage:
    """Writes commands from the sequenced ring to the journal, from the writer's place on."""

    def __init__(
        self,
        shared: Shared,
        writer: JournalWriter,
        durable: bool,
        reached: dict[str, int] | None = None,
        key_of: Callable[[int, int], Key] | None = None,
        metadata_of: Callable[[npt.NDArray[np.int64]], dict[str, Any]] | None = None,
        wake_loop: Callable[[], None] = lambda: None,
    ) -> None:
        """``reached``: how many commands of each lane the journal holds, 0 by default.

        ``key_of``: the sender with an index and an epoch, where commands come by a network.
        ``metadata_of``: what sessions note of commands, by their lane words.

        ``wake_loop`` is called if the loop that releases events sleeps until one is safe."""
        self.wake_loop = wake_loop
        self.metadata_of = metadata_of
        self.key_of = key_of
        self.shared = shared
        self.writer = writer
        self.durable = durable
        self.index = shared.table.index[NAME]
        (ring,) = shared.table.inputs(NAME)
        self.ring = shared.rings[ring]
        self.cursor = self.ring.cursors[NAME].ctypes.data
        self.before = shared.table.index[shared.table.sequencer]
        self.histogram = shared.histogram(NAME).ctypes.data
        self.next_seq = writer.written_seq + 1
        self._now_ns = shared.clock.monotonic_ns
        self.synced_ns = self._now_ns()
        self.finished = False
        self.block_ends: deque[int] = deque()
        self.event_digest = NO_DIGEST
        self.failures_reported = 0
        self.lanes = (
            LaneCounts(shared.table, reached or {}) if len(shared.table.lanes) > 1 else None
        )
        self.warned: set[str] = set()
        self.spaces = [
            SpaceWatch(path, time.monotonic(), writer.bytes) for path in writer.directories
        ]
        self.clock = ClockEvidence()
        self._offset_ns = shared.control.block.epoch_offset
        self._clock_due_ns = 0
        back_ns = writer.last_ts_ns - self._now_ns() - self._offset_ns
        if back_ns > WRITTEN_BACK_NS:
            self._report_set_back(
                back_ns, f"commands after {writer.written_seq:,} have times that were there before"
            )
        replicated = "replica" in shared.table.index
        self.most = MAX_REPLICATED_RECORDS if replicated else MAX_BLOCK_RECORDS
        # What a predecessor had written, but not said, before it was killed.
        self._say()
        self._write_clock(at_once=True, resumed=writer.written_seq > 0)

    def step(self) -> int:
        """Write one block if anything is there; returns the number of records."""
        control = self.shared.control
        now = self._now_ns()
        control.stage(self.index).heartbeat_ns = now
        self._watch_clock(now)
        first = self.next_seq
        count = published_count(self.ring.address, self.ring.mask, first, self.most)
        if count == 0:
            self._write_clock()
            done = control.stage(self.before).done
            if done == first and not self.finished:
                self._write_clock(at_once=True)
                self._sync()
                self._say()
                release(
                    SharedWord.of(control.stage(self.index).address_of("done")),
                    first,
                )
                self.finished = True
            return 0
        parts = [view.view("u1").data for view in self.ring.views(first, count)]
        now = self._now_ns()
        self.writer.append(
            first,
            parts,
            count,
            now + control.block.epoch_offset,
            durable=self.durable,
            event_digest=self._newest_event_digest(),
            note=self._note(first, count),
        )
        self.next_seq += count
        self.block_ends.append(self.next_seq - 1)
        now = control.block.written_ns = self._now_ns()
        if not self.durable and now - self.synced_ns > ASYNC_SYNC_NS:
            now = self._sync()
        self._say()
        self.writer.hash_last_block()
        self._report_failures()
        self.shared.keep_durable(first, count, now)
        record_spans(
            Words.of(self.histogram),
            Words.of(self.shared.stamp_address("sequenced")),
            Words.of(0),
            self.shared.geometry.stamps - 1,
            first,
            count,
            now,
        )
        self._write_clock()
        return count

    def sleep_for_work(self) -> None:
        """Sleep until there is something to write: the gateway of a durable run says so."""
        asleep = self.shared.control.block.address_of("journal_asleep")
        sleep_until_published(self.ring.address, self.ring.mask, self.next_seq, asleep, SLEEP_US)

    def outcome(self) -> dict[str, Any]:
        """Return where this process lets go of the journal."""
        return {NAME: self.writer.hand_over().as_json()}

    def _note(self, first: int, count: int) -> dict[str, Any]:
        """Return the note that goes with these commands: how far each lane has come, and the
        senders of them, so that none of their datagrams is ever executed again."""
        note: dict[str, Any] = {}
        if self.lanes or self.metadata_of is not None:
            words = self.shared.lane_words(first, count)
            if self.lanes:
                note |= self.lanes.after(words)
            if self.metadata_of is not None:
                note |= self.metadata_of(words)
        if self.key_of is not None:
            note[ORIGINS] = pack_origins(*self.shared.origins_of(first, count), self.key_of)
        return note

    def _write_clock(self, at_once: bool = False, resumed: bool = False) -> None:
        """Write the clock daemon's records since the last call, and how far this run's stamps are
        from UTC. It is called once a second, also without commands, and after the last commands.
        Durable with what follows. A run that is ``resumed`` stamps by another clock: it says so in
        any case."""
        now = self._now_ns()
        offset = self.shared.control.block.epoch_offset
        records = self.clock.new_records(now, at_once)
        if records is not None or resumed:
            stamp = stamp_record(self.clock.page, offset)
            both = stamp if records is None else np.concatenate([records, stamp])
            self.writer.clock(both, now + offset)

    def _watch_clock(self, now_ns: int) -> None:
        """Once a second, report a host's clock that was set back: the stamps of this run keep their
        course, those that the kernel gives packets do not.  The journal then says at once how far
        this run's stamps are from UTC."""
        if now_ns < self._clock_due_ns:
            return
        self._clock_due_ns = now_ns + CLOCK_LOOK_NS
        before_ns, self._offset_ns = self._offset_ns, self.shared.clock.epoch_offset_ns()
        back_ns = before_ns - self._offset_ns
        if back_ns > WRITTEN_BACK_NS:
            self._report_set_back(
                back_ns, f"the stamps of this run keep their course after command {self.next_seq:,}"
            )
            self._write_clock(at_once=True, resumed=True)

    def _report_set_back(self, back_ns: int, result: str) -> None:
        """Say it in the log, and by the control word that raises the alarm ClockSetBack."""
        self.shared.control.block.clock_back_ns += back_ns
        seconds = back_ns / 1e9
        print(f"outcry: the clock was set back by {seconds:,.3f} s: {result}", file=sys.stderr)

    def _report_failures(self) -> None:
        """Report, once, a copy that stopped while the policy still holds, and a disk that will
        soon be full."""
        failures = self.writer.failures
        for failure in failures[self.failures_reported :]:
            print(f"outcry: a copy of the journal has stopped: {failure}", file=sys.stderr)
        self.failures_reported = len(failures)
        now_s = time.monotonic()
        for warning in self.writer.warnings:
            if warning not in self.warned:
                self.warned.add(warning)
                print(f"outcry: {warning}", file=sys.stderr)
        for space in self.spaces:
            if text := space.poll(now_s, self.writer.bytes):
                print(f"outcry: {text}", file=sys.stderr)

    def _newest_event_digest(self) -> EventDigest:
        """The event hash at the end of the last block whose events have all been handed out."""
        replied = self._replied()
        seq = 0
        while self.block_ends and self.block_ends[0] <= replied:
            seq = self.block_ends.popleft()
        if seq:
            stamps = self.shared.stamps_of(control_words.EVENT_HASHES)
            event_hash = int(stamps[seq & (len(stamps) - 1)])
            # Commands after `replied` may be under way to the very word that was just read.
            if self._replied() + MAX_REPLIES_A_STEP < seq + len(stamps):
                self.event_digest = EventDigest(seq, event_hash)
        return self.event_digest

    def _replied(self) -> int:
        control = self.shared.control
        return control.reply.commands + control.reply.lost

    def _sync(self) -> int:
        """Make what is written durable; returns the time, which is noted if anything was."""
        pending = self.writer.durable_seq < self.writer.written_seq
        self.writer.sync()
        self.synced_ns = self._now_ns()
        if pending:
            self.shared.control.block.written_ns = self.synced_ns
        return self.synced_ns

    def _say(self) -> None:
        """Publish the cursors: durable first, because the slots are given back by the other."""
        control = self.shared.control
        release(
            SharedWord.of(control.stage(self.index).address_of("safe_seq")),
            self.writer.durable_seq,
        )
        release(SharedWord.of(control.block.address_of("written_seq")), self.writer.written_seq)
        release(SharedWord.of(self.cursor), self.writer.written_seq)
        if control.block.loop_asleep:
            control.block.loop_asleep = 0
            self.wake_loop()


def make_stage(work: Work) -> JournalStage:
    """The journal as a stage of this process: its first one continues with the writer that the
    run has made, any later one finds its place on the disk."""
    assert work.journal is not None
    writer, start = work.writer, work.start
    restarts = work.shared.control.stage(work.table.index[NAME]).restarts
    if start is not None:
        journal_id, document, handover = start.journal
        writer = Journal.take_over(
            work.journal, journal_id, document, handover, direct=work.durable
        )
    elif writer is None or restarts:
        writer = Journal.resume(work.journal, direct=work.durable)
    recent = work.shared.recent_blocks
    if recent is not None:
        writer.recent = RecentBlocks(recent.view)
    directories = [work.journal, *work.copies]
    reached = work.shared.resumed_lanes
    if start is None:
        reached = journaled_lanes(directories, work.table, writer.written_seq)
    shared, durable, key_of = work.shared, work.durable, work.key_of
    if work.sessions is None:
        return JournalStage(shared, writer, durable, reached, key_of)
    sessions = work.sessions.metadata_of(MAX_BLOCK_RECORDS), work.sessions.wake
    return JournalStage(shared, writer, durable, reached, key_of, *sessions)
