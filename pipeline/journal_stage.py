"""The journal as a stage: takes whatever is published, one block at a time, and moves two cursors.

Group commit by itself: while one durable write runs, the next block gathers in the ring.

Beside each block stands the hash of the events it caused: they come after the block is written, so
it is a later block's header that carries the hash, with the sequence it is of.
"""

import sys
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from openoutcry.dpdk_shim.senders import Key, pack_origins
from openoutcry.journal import EventDigest, JournalWriter
from openoutcry.journal.writer import NO_DIGEST
from openoutcry.pipeline.clock_evidence import ClockEvidence
from openoutcry.pipeline.control import (
    DURABLE_SEQ,
    EPOCH_OFFSET,
    REPLY_COMMANDS,
    REPLY_LOST,
    STAGE_BLOCKS,
    STAGE_BYTES,
    STAGE_DONE,
    STAGE_HEARTBEAT_NS,
    WRITTEN_NS,
    WRITTEN_SEQ,
)
from openoutcry.pipeline.histogram import record_spans
from openoutcry.pipeline.shared import EVENT_HASHES, ORIGIN_KINDS, Shared
from openoutcry.pipeline.stages import BURST
from openoutcry.pipeline.stamp_clock import stamp_record
from openoutcry.pipeline.topology import STAGE_INDEX
from openoutcry.ring.kernels import published_count, release

# Measured on a virtio disk: 4 KiB commit in 95 us, 1 MiB in 241 us: larger blocks pay until here.
MAX_BLOCK_RECORDS = 16_384
ASYNC_SYNC_NS = 1_000_000_000
MAX_REPLIES_A_STEP = 4 * BURST
INDEX = STAGE_INDEX["journal"]


class JournalStage:
    """Writes commands from the sequenced ring to the journal, from the writer's place on."""

    def __init__(
        self,
        shared: Shared,
        writer: JournalWriter,
        durable: bool,
        key_of: Callable[[int], Key] | None = None,
    ) -> None:
        """``key_of``: who the sender with an index is, where commands come by a network."""
        self.shared = shared
        self.key_of = key_of
        self.writer = writer
        self.durable = durable
        self.ring = shared.sequenced
        self.cursor = self.ring.cursors["journal"].ctypes.data
        self.next_seq = writer.written_seq + 1
        self.synced_ns = time.monotonic_ns()
        self.finished = False
        self.block_ends: deque[int] = deque()
        self.event_digest = NO_DIGEST
        self.failures_said = 0
        self.clock = ClockEvidence()
        # What a predecessor had written, but not said, before it was killed.
        self._say()
        self._write_clock(at_once=True, resumed=writer.written_seq > 0)

    def step(self) -> int:
        """Write one block if anything is there; returns the number of records."""
        control = self.shared.control
        control.set_stage(INDEX, STAGE_HEARTBEAT_NS, time.monotonic_ns())
        first = self.next_seq
        count = published_count(self.ring.address, self.ring.mask, first, MAX_BLOCK_RECORDS)
        if count == 0:
            self._write_clock()
            done = control.stage(STAGE_INDEX["gateway"], STAGE_DONE)
            if done == first and not self.finished:
                self._write_clock(at_once=True)
                self._sync()
                self._say()
                block = control.address + STAGE_BLOCKS + INDEX * STAGE_BYTES
                release(block + STAGE_DONE, first)
                self.finished = True
            return 0
        parts = [view.view("u1").data for view in self.ring.views(first, count)]
        now = time.monotonic_ns()
        self.writer.append(
            first,
            parts,
            count,
            now + control[EPOCH_OFFSET],
            durable=self.durable,
            event_digest=self._newest_event_digest(),
            origins=self._origins(first, count),
        )
        self.next_seq += count
        self.block_ends.append(self.next_seq - 1)
        now = control[WRITTEN_NS] = time.monotonic_ns()
        if not self.durable and now - self.synced_ns > ASYNC_SYNC_NS:
            now = self._sync()
        self._say()
        self.writer.settle()
        self._report_failures()
        self.shared.keep_durable(first, count, now)
        record_spans(
            self.shared.histogram(INDEX).ctypes.data,
            self.shared.stamp_address("sequenced"),
            self.shared.geometry.stamps - 1,
            first,
            count,
            now,
        )
        self._write_clock()
        return count

    def _write_clock(self, at_once: bool = False, resumed: bool = False) -> None:
        """What the clock daemon has said since, and how far this run's stamps are from UTC: once a
        second whether commands come or not, and after those that have come.  Durable with what
        follows.  A run that is ``resumed`` stamps by a clock of its own: it says so in any case."""
        now = time.monotonic_ns()
        offset = self.shared.control[EPOCH_OFFSET]
        records = self.clock.new_records(now, at_once)
        if records is not None or resumed:
            stamp = stamp_record(self.clock.page, offset)
            both = stamp if records is None else np.concatenate([records, stamp])
            self.writer.clock(both, now + offset)

    def _report_failures(self) -> None:
        """A copy that has stopped while the policy still holds is told, once."""
        failures = self.writer.failures
        for failure in failures[self.failures_said :]:
            print(f"outcry: a copy of the journal has stopped: {failure}", file=sys.stderr)
        self.failures_said = len(failures)

    def _newest_event_digest(self) -> EventDigest:
        """The event hash at the end of the last block whose events have all been handed out."""
        replied = self._replied()
        seq = 0
        while self.block_ends and self.block_ends[0] <= replied:
            seq = self.block_ends.popleft()
        if seq:
            stamps = self.shared.stamps_of(EVENT_HASHES)
            found = int(stamps[seq & (len(stamps) - 1)])
            # Commands after `replied` may be under way to the very word that was just read.
            if self._replied() + MAX_REPLIES_A_STEP < seq + len(stamps):
                self.event_digest = EventDigest(seq, found)
        return self.event_digest

    def _origins(self, first: int, count: int) -> bytes:
        """Who sent these commands, if they came by a network: with them on the disk, none of their
        datagrams is ever executed again."""
        if self.key_of is None:
            return b""
        senders, seqs = (self.shared.stamps_of(kind) for kind in ORIGIN_KINDS)
        at = np.arange(first, first + count) & (len(senders) - 1)
        return pack_origins(senders[at], seqs[at], self.key_of)

    def _replied(self) -> int:
        control = self.shared.control
        return control.reply(REPLY_COMMANDS) + control.reply(REPLY_LOST)

    def _sync(self) -> int:
        """Make what is written durable; returns the time, which is noted if anything was."""
        pending = self.writer.durable_seq < self.writer.written_seq
        self.writer.sync()
        self.synced_ns = time.monotonic_ns()
        if pending:
            self.shared.control[WRITTEN_NS] = self.synced_ns
        return self.synced_ns

    def _say(self) -> None:
        """Publish the cursors: durable first, because the slots are given back by the other."""
        address = self.shared.control.address
        release(address + DURABLE_SEQ, self.writer.durable_seq)
        release(address + WRITTEN_SEQ, self.writer.written_seq)
        release(self.cursor, self.writer.written_seq)
