"""Everything of one run that stands in shared memory, and the contexts of the stages over it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.pipeline import stages as st
from openoutcry.pipeline.control import (
    REPLY_CURSOR,
    STAGE_BLOCKS,
    STAGE_BYTES,
    Control,
)
from openoutcry.pipeline.histogram import HISTOGRAM_BYTES, WORDS
from openoutcry.pipeline.topology import STAGE_INDEX, Geometry
from openoutcry.ring import ProcessIdentity, RingBuffer, Segment
from openoutcry.ring.segment import segment_name
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, RECORD_BYTES

STAMP_KINDS = ("intended", "received", "sequenced", "matched", "released")
EVENT_HASHES = "events"
"""By command like the stamps: the hash of all events up to its last."""
ORIGIN_KINDS = ("senders", "sender_seqs")
"""By command like the stamps, of a network's: 1 + index of its sender, and his own number."""
KEPT_KINDS = ("replied", "durable")
"""Stamps that are written only where every command's are kept (recording.py)."""
PROBE_CAPACITY = 50_000
PROBE_BYTES = st.PROBE_ROWS + 24 * PROBE_CAPACITY
MADV_POPULATE_READ, MADV_POPULATE_WRITE = 22, 23


class Shared:
    """The segments of one run: control, three rings, stamps with histograms, tape."""

    def __init__(self, geometry: Geometry, journaled: bool, network: bool = False) -> None:
        """Make them all; what was made is removed again if one of them fails."""
        self.network = network
        owner = ProcessIdentity.mine()
        self.geometry = geometry
        self._segments: list[Segment] = []
        self.tape: Segment | None = None
        self.tape_count = 0

        def name(what: str) -> str:
            return segment_name(owner, what)

        try:
            self.control = Control.create(name("control"))
            self._segments.append(self.control.segment)
            self.lane = self._ring(name("lane"), geometry.lane, ORDER_DTYPE, ["gateway"])
            readers = ["journal", "matcher"] if journaled else ["matcher"]
            self.sequenced = self._ring(name("sequenced"), geometry.sequenced, ORDER_DTYPE, readers)
            # The gate's cursor never falls behind that of replies, which may not pass it.
            self.events = self._ring(
                name("events"), geometry.events, EVENT_DTYPE, ["gate", "replies"]
            )
            self.stamp_kinds = (
                *STAMP_KINDS,
                EVENT_HASHES,
                *(ORIGIN_KINDS if network else ()),
                *(KEPT_KINDS if geometry.kept else ()),
            )
            stamp_bytes = 8 * geometry.stamps * len(self.stamp_kinds)
            self.stamps = self._segment(
                name("stamps"), stamp_bytes + st.HISTOGRAM_COUNT * HISTOGRAM_BYTES
            )
            self._histograms_at = stamp_bytes
            self.probes = (
                self._segment(name("probes"), len(STAGE_INDEX) * PROBE_BYTES)
                if geometry.kept
                else None
            )
        except BaseException:
            self.unlink()
            raise

    def _segment(self, name: str, size_bytes: int) -> Segment:
        segment = Segment.create(name, size_bytes)
        self._segments.append(segment)
        return segment

    def _ring(
        self, name: str, capacity: int, dtype: np.dtype[Any], consumers: list[str]
    ) -> RingBuffer:
        ring = RingBuffer.create(name, capacity, dtype, consumers)
        self._segments.append(ring.segment)
        return ring

    def load_tape(self, chunks: Iterable[npt.NDArray[Any]], limit: int, hint: int | None) -> None:
        """Lay the source's commands (at most ``limit``) in a segment, so that a receive stage that
        is started again finds its place by counting.  Grows by doubling where the source does not
        say how many it has."""
        name = segment_name(ProcessIdentity.mine(), "tape")
        capacity = max(1, min(limit, hint if hint is not None else 1 << 16))
        tape = self._segment(name, capacity * RECORD_BYTES)
        count = 0
        for chunk in chunks:
            chunk = chunk[: limit - count]
            while count + len(chunk) > capacity:
                capacity *= 2
                tape = self._grow(tape, capacity * RECORD_BYTES)
            tape.records(count * RECORD_BYTES, len(chunk), ORDER_DTYPE)[:] = chunk
            count += len(chunk)
            if count == limit:
                break
        self.tape, self.tape_count = tape, count

    def _grow(self, tape: Segment, size_bytes: int) -> Segment:
        self._segments.remove(tape)
        tape.unlink()
        larger = self._segment(tape.name, size_bytes)
        larger.view[: tape.size_bytes] = tape.view
        return larger

    def tape_records(self, first: int, count: int) -> npt.NDArray[Any]:
        """Records ``first`` (from 0) to ``first + count`` of the tape, no copy."""
        assert self.tape is not None
        return self.tape.records(first * RECORD_BYTES, count, ORDER_DTYPE)

    def histogram(self, index: int) -> npt.NDArray[np.int64]:
        """One latency histogram: int64[4096]."""
        return self.stamps.words(self._histograms_at + index * HISTOGRAM_BYTES, WORDS)

    def stamp_address(self, kind: str) -> int:
        return self.stamps.address + 8 * self.geometry.stamps * self.stamp_kinds.index(kind)

    def stamps_of(self, kind: str) -> npt.NDArray[np.int64]:
        """One kind of stamps by command sequence (masked): int64 ns of CLOCK_MONOTONIC."""
        count = self.geometry.stamps
        return self.stamps.words(8 * count * self.stamp_kinds.index(kind), count)

    def keep_durable(self, first_seq: int, count: int, now_ns: int) -> None:
        """Note when commands became durable (without durability: when they were written), where
        stamps are kept."""
        if self.geometry.kept:
            # The whole run's stamps are there: no sequence wraps.
            self.stamps_of("durable")[first_seq : first_seq + count] = now_ns

    def probe(self, index: int) -> npt.NDArray[np.int64]:
        """The probe of the process whose first stage has this index, as words."""
        assert self.probes is not None
        return self.probes.words(index * PROBE_BYTES, PROBE_BYTES // 8)

    def populate(self) -> None:
        """Touch every page for this process: after a fork the page tables start empty, and a first
        touch in mid-run would stand in somebody's latency.  Kernels before 5.14 cannot; there the
        first lap of each ring is slower."""
        for segment in self._segments:
            advice = MADV_POPULATE_READ if segment is self.tape else MADV_POPULATE_WRITE
            try:
                segment.map.madvise(advice)
            except (OSError, ValueError):
                return

    def unlink(self) -> None:
        for segment in self._segments:
            segment.unlink()


class Contexts:
    """The private context words of this process's stages."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.words = np.zeros((len(STAGE_INDEX), st.CONTEXT_BYTES // 8), np.int64)
        self.address = self.words.ctypes.data
        self.keep_alive: list[Any] = []
        for name, index in STAGE_INDEX.items():
            block = shared.control.address + STAGE_BLOCKS
            upstream = {"journal": "gateway", "matcher": "gateway"}.get(name)
            before = STAGE_INDEX[upstream] if upstream else max(0, index - 1)
            self.set(
                name,
                {
                    st.CONTROL: shared.control.address,
                    st.MY_BLOCK: block + index * STAGE_BYTES,
                    st.UPSTREAM: block + before * STAGE_BYTES,
                    st.STAMP_MASK: shared.geometry.stamps - 1,
                    st.STAMPS_INTENDED: shared.stamp_address("intended"),
                    st.STAMPS_RECEIVED: shared.stamp_address("received"),
                    st.STAMPS_SEQUENCED: shared.stamp_address("sequenced"),
                    st.STAMPS_MATCHED: shared.stamp_address("matched"),
                    st.STAMPS_RELEASED: shared.stamp_address("released"),
                    st.STAMPS_REPLIED: shared.stamp_address("replied")
                    if shared.geometry.kept
                    else 0,
                    st.STAMPS_EVENTS: shared.stamp_address(EVENT_HASHES),
                    st.HISTOGRAMS: shared.histogram(0).ctypes.data,
                },
            )

    def set(self, stage: str, words: dict[int, int]) -> None:
        for offset, value in words.items():
            self.words[STAGE_INDEX[stage], offset // 8] = value

    def reads(self, stage: str, ring: RingBuffer, cursor: str) -> None:
        self.set(
            stage,
            {
                st.IN_RING: ring.address,
                st.IN_MASK: ring.mask,
                st.IN_CURSOR: ring.cursors[cursor].ctypes.data,
            },
        )

    def writes(self, stage: str, ring: RingBuffer) -> None:
        self.set(stage, {st.OUT_RING: ring.address, st.OUT_MASK: ring.mask, st.OUT_LIMIT: 0})

    def prepare_receive(self, rate: int, limit: int) -> None:
        shared = self.shared
        self.writes("receive", shared.lane)
        words = {st.NEXT: shared.lane.published + 1, st.RATE: rate, st.TAPE_COUNT: limit}
        if shared.tape is not None:
            words[st.TAPE] = shared.tape.address
        self.set("receive", words)

    def prepare_gateway(self, rules: npt.NDArray[Any]) -> None:
        self.keep_alive.append(rules)
        self.reads("gateway", self.shared.lane, "gateway")
        self.writes("gateway", self.shared.sequenced)
        done = self.shared.sequenced.published
        # A predecessor may have died between publishing a burst and giving back its slots.
        self.shared.lane.cursors["gateway"][0] = done
        self.set("gateway", {st.NEXT: done + 1, st.RULES: rules.ctypes.data})

    def prepare_matcher(
        self, arena: int, scratch: npt.NDArray[Any], last: int, events: int
    ) -> None:
        """``last`` and ``events``: the sequence and event count of the engine behind ``arena``."""
        self.keep_alive.append(scratch)
        self.reads("matcher", self.shared.sequenced, "matcher")
        self.writes("matcher", self.shared.events)
        self.set(
            "matcher",
            {
                st.ARENA: arena,
                st.SCRATCH: scratch.ctypes.data,
                st.SCRATCH_COUNT: len(scratch),
                st.NEXT: last + 1,
                st.NEXT_EVENT: events + 1,
                st.SKIP_UNTIL: self.shared.events.published,
            },
        )

    def prepare_gate(self, waits: bool) -> None:
        events = self.shared.events
        self.reads("gate", events, "gate")
        self.set("gate", {st.NEXT: int(events.cursors["gate"][0]) + 1, st.WAITS: int(waits)})

    def prepare_replies(self) -> None:
        events = self.shared.events
        self.reads("replies", events, "replies")
        done = self.shared.control.reply(REPLY_CURSOR)
        events.cursors["replies"][0] = done
        gate_cursor = events.cursors["gate"].ctypes.data
        self.set("replies", {st.NEXT: done + 1, st.GATE_CURSOR: gate_cursor})
