"""Everything of one run that is in shared memory, and the contexts of the stages over it.

Rings with their consumers, stamps, histograms and the words of each stage's context are derived
from the run's table (``topology.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.recent import RECENT_BYTES
from openoutcry.ring import ProcessIdentity, RingBuffer, Segment, layout
from openoutcry.ring.policy import needed
from openoutcry.ring.segment import segment_name
from openoutcry.ring.sigbus import ALIGN_BYTES
from openoutcry.runtime import control as control_words
from openoutcry.runtime import loop
from openoutcry.runtime import words as stage_words
from openoutcry.runtime.histogram import HISTOGRAM_BYTES, WORDS
from openoutcry.runtime.lanes import NUMBERS, SHIFT, last_of_lanes
from openoutcry.runtime.stage_clock import StageClock
from openoutcry.runtime.table import RECORD_TYPES, Geometry, Topology, TopologyError
from openoutcry.runtime.words import StageContext
from openoutcry.wire import ORDER_DTYPE, RECORD_BYTES

LANE_WORDS = "lane"
"""By command like the stamps, where there are several lanes: its lane and lane sequence."""
SENDERS, SENDER_SEQS, SENDER_EPOCHS = "sender", "sender_seq", "sender_epoch"
"""By lane sequence, of commands from a network: 1 + index of the sender, and its own number."""
EVENTS = "events"
"""The ring of events."""
EVENT_NOTES = "event notes"
"""By event sequence, as many as the event ring has slots: what the core's hooks have noted at the
event (``wire/notes.py``)."""
RECENT = "recent"
"""The segment with the journal's last blocks (``journal/recent.py``)."""
PROBE_CAPACITY = 50_000
PROBE_BYTES = loop.PROBE_ROWS + 24 * PROBE_CAPACITY
MADV_POPULATE_READ, MADV_POPULATE_WRITE = 22, 23


def region_name(shard: int) -> str:
    """Name of the segment with what the hooks around a matcher keep."""
    return f"region-{shard}" if shard else "region"


@dataclass
class Preloaded:
    """A source's commands, preloaded."""

    segment: Segment
    count: int


class Shared:
    """The segments of one run: control, rings, stamps with histograms, preloaded input by lane."""

    def __init__(
        self,
        geometry: Geometry,
        table: Topology,
        network: bool = False,
        region_bytes: int = 0,
        exchange_bytes: int = 0,
        clock: StageClock | None = None,
    ) -> None:
        """Make all of it; if one part fails, remove what was made.  With ``network`` the first
        source's commands come from a network.  The state of the hooks around the matcher has
        ``region_bytes``, and the exchange of several matchers at rebalance points
        ``exchange_bytes``.  The stages use ``clock`` (default: the system's)."""
        self.network = network
        self.clock = clock or StageClock()
        self.geometry = geometry
        self.table = table
        self.preloaded: dict[str, Preloaded] = {}
        self.resumed_lanes: dict[str, int] = {}
        """How many of each lane's commands the journal held when the run resumed it."""
        self._segments: list[Segment] = []
        try:
            self.control = control_words.Control.create(self._name("control"), table.to_json())
            self._segments.append(self.control.segment)
            self.rings = {ring.name: self._ring(ring.name, ring.record) for ring in table.rings}
            self._make_stamps()
            # The hooks' state, of each matcher its own: its process writes it, the operator looks
            # at it, and the gateway at the first's, which has every switch.
            self.regions: list[npt.NDArray[np.uint8]] = []
            for shard in range(table.shards if region_bytes else 0):
                region = self.segment(region_name(shard), region_bytes)
                self.regions.append(region.words(0, region_bytes // 8).view(np.uint8))
            self.rebalance_exchange = (
                self.segment("rebalance", exchange_bytes) if exchange_bytes else None
            )
            has_journal = "journal" in table.index
            self.recent_blocks = (
                self.segment(RECENT, RECENT_BYTES, hot=False) if has_journal else None
            )
            self.probes = (
                self.segment("probes", len(table.stages) * PROBE_BYTES) if geometry.kept else None
            )
        except BaseException:
            self.unlink()
            raise

    @property
    def region(self) -> npt.NDArray[np.uint8] | None:
        """The first matcher's, or None: there are no hooks."""
        return self.regions[0] if self.regions else None

    @property
    def sequenced(self) -> RingBuffer:
        """The ring of sequenced commands."""
        return self.rings["sequenced"]

    @property
    def events(self) -> RingBuffer:
        """The ring of events, released or not."""
        return self.rings[EVENTS]

    def _make_stamps(self) -> None:
        """Make, by command sequence, stamps, hashes of events and, with several lanes, the origins.
        With several lanes each one's own stamps by lane sequence follow. Then come notes by event
        sequence, and the histograms."""
        table, count = self.table, self.geometry.stamps
        arrays = [*table.stamp_kinds, control_words.EVENT_HASHES]
        arrays += table.kept_kinds if self.geometry.kept else ()
        if self.network:
            arrays += SENDERS, SENDER_SEQS, SENDER_EPOCHS
        sizes = dict.fromkeys(arrays, count)
        sizes[EVENT_NOTES] = self.geometry.capacities[EVENTS]
        if len(table.lanes) > 1:
            sizes[LANE_WORDS] = count
            for lane in table.lanes:
                if table.writer(lane.name) is not None:
                    capacity = self.geometry.capacities[lane.name]
                    sizes |= {f"{lane.name} sent": capacity, f"{lane.name} came": capacity}
        offsets = np.cumsum([0, *sizes.values()]).tolist()
        self._arrays = {
            name: (8 * offset, size)
            for (name, size), offset in zip(sizes.items(), offsets, strict=False)
        }
        self._histograms_at = 8 * offsets[-1]
        size_bytes = self._histograms_at + len(table.intervals) * HISTOGRAM_BYTES
        self.stamps = self.segment("stamps", size_bytes)

    def _name(self, what: str) -> str:
        return segment_name(ProcessIdentity.mine(), what)

    def segment(self, what: str, size_bytes: int, hot: bool = True) -> Segment:
        """One more of the run's segments.  A hot one is locked in memory, and has huge pages if it
        fills one, as far as the host allows it.  The wait for the address of a small page was 50 ns
        and more of each order's time, in each table of several megabytes."""
        huge = hot and size_bytes >= ALIGN_BYTES
        segment = Segment.create(
            self._name(what), size_bytes, huge_pages=huge, lock=hot, reserved=False
        )
        self._segments.append(segment)
        return segment

    def _ring(self, name: str, record: str) -> RingBuffer:
        # A stage that is gated by another also has its cursor, which shows its place.
        consumers = self.table.readers(name)
        capacity = self.geometry.capacities[name]
        released = self.table.released if name in self.table.gate.reads else ()
        for reader in released:
            if not 0 < reader.queue <= capacity // 2:
                raise TopologyError(
                    f"topology: reader {reader.name} has a queue of {reader.queue}, not 1 to "
                    f"{capacity // 2}, half of ring {name}"
                )
        consumers += [reader.name for reader in released]
        dtype = RECORD_TYPES[record]
        ring = RingBuffer.create(
            self._name(name),
            capacity,
            dtype,
            consumers,
            huge_pages=dtype.itemsize * capacity >= ALIGN_BYTES,
            lock=True,
            reserved=False,
        )
        self._segments.append(ring.segment)
        for reader in released:
            # Nothing waits for it before it comes, and producers know that it may.
            ring.cursors[reader.name][0] = layout.FREE
            ring.words(layout.DETACHED)[0] = 1
        return ring

    def preload(
        self, chunks: Iterable[npt.NDArray[Any]], limit: int, hint: int | None, lane: str = "lane"
    ) -> int:
        """Lay the source's commands (at most ``limit``) in a segment, so that a receive stage that
        is restarted finds its place by counting; returns how many.  Grows by doubling where the
        source does not say how many it has."""
        capacity = max(1, min(limit, hint if hint is not None else 1 << 16))
        segment = self.segment(f"preloaded-{lane}", capacity * RECORD_BYTES, hot=False)
        count = 0
        for chunk in chunks:
            chunk = chunk[: limit - count]
            while count + len(chunk) > capacity:
                capacity *= 2
                segment = self._grow(segment, capacity * RECORD_BYTES)
            segment.records(count * RECORD_BYTES, len(chunk), ORDER_DTYPE)[:] = chunk
            count += len(chunk)
            if count == limit:
                break
        self.preloaded[lane] = Preloaded(segment, count)
        return count

    def _grow(self, segment: Segment, size_bytes: int) -> Segment:
        self._segments.remove(segment)
        segment.unlink()
        larger = Segment.create(segment.name, size_bytes)
        self._segments.append(larger)
        larger.view[: segment.size_bytes] = segment.view
        return larger

    def preloaded_records(self, lane: str, first: int, count: int) -> npt.NDArray[Any]:
        """Records ``first`` (from 0) to ``first + count`` of a lane's preloaded input, no copy."""
        return self.preloaded[lane].segment.records(first * RECORD_BYTES, count, ORDER_DTYPE)

    def histogram(self, interval: str) -> npt.NDArray[np.int64]:
        """One latency histogram, of a stage or a span: int64[4096]."""
        index = [row.name for row in self.table.intervals].index(interval)
        return self.stamps.words(self._histograms_at + index * HISTOGRAM_BYTES, WORDS)

    def has_stamps(self, kind: str) -> bool:
        """Return whether this run keeps an array of such stamps."""
        return kind in self._arrays

    def stamp_address(self, kind: str) -> int:
        """Address of one kind of stamps; 0 if nothing measures from there."""
        return self.stamps.address + self._arrays[kind][0] if kind in self._arrays else 0

    def stamps_of(self, kind: str) -> npt.NDArray[np.int64]:
        """One kind of stamps by command sequence (masked): int64 ns of CLOCK_MONOTONIC."""
        return self.stamps.words(*self._arrays[kind])

    def keep_durable(self, first_seq: int, count: int, now_ns: int) -> None:
        """Note when commands became durable (without durability: when they were written), where
        stamps are kept."""
        if self.geometry.kept:
            # The whole run's stamps are there: no sequence wraps.
            self.stamps_of("durable")[first_seq : first_seq + count] = now_ns

    # Lanes

    @property
    def lane_words_address(self) -> int:
        """Address of the gateway's words about its lanes."""
        return self.stamp_address(LANE_WORDS)

    def lane_stamps(self, lane: str) -> tuple[int, int] | None:
        """Addresses of a lane's stamps by lane sequence.  None with one lane, or if no stage stamps
        the lane."""
        if not self.has_stamps(f"{lane} sent"):
            return None
        return self.stamp_address(f"{lane} sent"), self.stamp_address(f"{lane} came")

    def source_stamps(self, lane: str) -> tuple[int, int, int]:
        """Return where a lane's source puts its stamps, and the mask of its sequences there."""
        if stamps := self.lane_stamps(lane):
            return *stamps, self.geometry.capacities[lane] - 1
        sent, came = self.stamp_address("intended"), self.stamp_address("received")
        return sent, came, self.geometry.stamps - 1

    def lane_words(self, first_seq: int, count: int) -> npt.NDArray[np.int64]:
        """Lane and lane sequence of commands that are under way (a copy)."""
        words = self.stamps_of(LANE_WORDS)
        at = first_seq & (len(words) - 1)
        if at + count <= len(words):
            return words[at : at + count].copy()
        return words[np.arange(first_seq, first_seq + count) & (len(words) - 1)]

    def lane_places(self) -> dict[str, int]:
        """Return how many commands of each lane have been sequenced, at a moment when no gateway
        runs.

        A lane's cursor may lag behind by the one burst that the gateway had published last.
        """
        last, lanes = self.sequenced.published, self.table.lanes
        if len(lanes) == 1:
            return {lanes[0].name: last}
        first = max(self.control.block.resumed_seq + 1, last - stage_words.BURST + 1)
        words = self.lane_words(first, last - first + 1)
        reached = last_of_lanes(words)
        sequencer = self.table.sequencer
        return {
            lane.name: max(
                int(self.rings[lane.name].cursors[sequencer][0]), reached.get(lane.lane or 0, 0)
            )
            for lane in lanes
        }

    @property
    def origins(self) -> tuple[int, int, int]:
        """Return where a network's receive stage notes who sent what, and the mask of its
        sequences there: room for all commands under way, also those that have left the lane."""
        senders, seqs = self.stamp_address(SENDERS), self.stamp_address(SENDER_SEQS)
        return senders, seqs, self.geometry.stamps - 1

    def origins_of(
        self, first_seq: int, count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Senders of commands that are under way (0: no network's), their own numbers, and the
        epochs of those that are sessions."""
        seqs = np.arange(first_seq, first_seq + count)
        ours = np.ones(count, bool)
        if len(self.table.lanes) > 1:
            words = self.lane_words(first_seq, count)
            lane = self.table.ring(self.table[self.table.sources[0]].writes)
            ours, seqs = words & (NUMBERS - 1) == (lane.lane or 0), words >> SHIFT
        at = seqs & (self.geometry.stamps - 1)
        senders, numbers = self.stamps_of(SENDERS)[at], self.stamps_of(SENDER_SEQS)[at]
        epochs = np.where(ours, self.stamps_of(SENDER_EPOCHS)[at], 0)
        return np.where(ours, senders, 0), np.where(ours, numbers, np.arange(count)), epochs

    @property
    def epochs(self) -> int:
        """Return where the receive stage notes in which epoch a session sent what, likewise."""
        return self.stamp_address(SENDER_EPOCHS)

    # Ends

    def safe_seq(self, stage: str) -> int:
        """Commands up to here are safe with that stage."""
        return self.control.stage(self.table.index[stage]).safe_seq

    def end_of(self, ring: str) -> int:
        """Address of the word that holds 1 + last sequence of the ring once its writer has
        finished."""
        writer = self.table.writer(ring)
        if writer is None:
            return self.rings[ring].address + layout.CLOSED_AT
        return self.control.stage(self.table.index[writer]).address_of("done")

    def probe(self, index: int) -> npt.NDArray[np.int64]:
        """The probe of the process whose first stage has this index, as words."""
        assert self.probes is not None
        return self.probes.words(index * PROBE_BYTES, PROBE_BYTES // 8)

    def populate(self) -> None:
        """Touch every page for this process: after a fork the page tables start empty, and a first
        touch in mid-run would add to some latency.  Kernels before 5.14 cannot; there the
        first lap of each ring is slower."""
        preloaded = [one.segment for one in self.preloaded.values()]
        for segment in self._segments:
            advice = MADV_POPULATE_READ if segment in preloaded else MADV_POPULATE_WRITE
            try:
                segment.map.madvise(advice)
            except (OSError, ValueError):
                return

    def check(self) -> None:
        """Raise :class:`SegmentError` if a segment was truncated: each stage then sees
        separate zeros there, so that neither a record nor a request to stop reaches another."""
        for segment in self._segments:
            segment.check()

    def unlink(self) -> None:
        """Remove the names of all segments; processes that have them attached keep the memory."""
        for segment in self._segments:
            segment.unlink()


class Contexts:
    """The private context words of this process's stages."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        stages = shared.table.stages
        self.words = np.zeros((len(stages), stage_words.CONTEXT_BYTES // 8), np.int64)
        self.address = self.words.ctypes.data
        self.keep_alive: list[Any] = []

    def address_of(self, stage: str) -> int:
        """Return the address of a stage's context, by the stage's name."""
        return self.address + self.shared.table.index[stage] * stage_words.CONTEXT_BYTES

    def set(self, stage: str, words: dict[int, int]) -> None:
        """Set words of a stage's context: offset -> value."""
        index = self.shared.table.index[stage]
        for offset, value in words.items():
            self.words[index, offset // 8] = value

    def wire(self, name: str) -> None:
        """Set the words that follow from the stage's row: its rings, its place on them, what gates
        it and where its stamps are. Its own ``prepare`` may say otherwise."""
        shared, table = self.shared, self.shared.table
        row, index = table[name], table.index[name]
        words = StageContext.words(
            control=int(shared.control.block),
            clock=shared.clock.address,
            block=int(shared.control.stage(index)),
            stamp_mask=shared.geometry.stamps - 1,
            since=shared.stamp_address(row.since),
            until=shared.stamp_address(row.until),
            next=self._place(name) + 1,
        )
        if row in table.intervals:
            words[stage_words.HISTOGRAM] = shared.histogram(name).ctypes.data
        if inputs := table.inputs(name):
            ring, barrier = shared.rings[inputs[0]], table.barrier(name)
            ahead = ring.cursors[barrier].ctypes.data if barrier else 0
            words |= StageContext.words(
                in_ring=ring.address,
                in_mask=ring.mask,
                in_cursor=ring.cursors[name].ctypes.data,
                barrier=ahead,
                in_end=shared.control.stage(table.index[barrier]).address_of("done")
                if barrier
                else shared.end_of(inputs[0]),
            )
        if row.writes in shared.rings:
            ring = shared.rings[row.writes]
            words |= StageContext.words(
                out_ring=ring.address,
                out_mask=ring.mask,
                out_limit=0,
            )
            if stamps := shared.lane_stamps(row.writes):
                words |= StageContext.words(
                    since=stamps[0],
                    until=stamps[1],
                    stamp_mask=ring.mask,
                )
        self.set(name, words)
        self._wait_for(name)

    def _wait_for(self, name: str) -> None:
        table, control = self.shared.table, self.shared.control
        names = table.confirmers(name)
        addresses = np.array(
            [control.stage(table.index[n]).address_of("safe_seq") for n in names],
            np.int64,
        )
        self.keep_alive.append(addresses)
        enough = needed(table[name].policy, len(names))
        words = StageContext.words(
            confirmed=addresses.ctypes.data,
            confirmers=len(names),
            needed=enough,
        )
        self.set(name, words)

    def _place(self, name: str) -> int:
        """The last sequence that the stage is done with: where it writes a ring, what it has
        published there; else its cursor."""
        shared, row = self.shared, self.shared.table[name]
        inputs = shared.table.inputs(name)
        if row.writes not in shared.rings:
            return int(shared.rings[inputs[0]].cursors[name][0]) if inputs else 0
        out = shared.rings[row.writes]
        if len(inputs) == 1 and shared.rings[inputs[0]].dtype == out.dtype:
            # One record out for each one in.  A predecessor may have died between publishing a
            # burst and giving back its slots.
            cursor = shared.rings[inputs[0]].cursors[name]
            cursor[0] = max(int(cursor[0]), out.published)
        return out.published
