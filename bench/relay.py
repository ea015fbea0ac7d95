"""What a venue cannot leave out: each request passes through the rings of its stages, and nothing
is done with it.

One process, on the core of a venue's compiled stages.  A request is copied to the sessions' lane,
to the sequenced ring and to as many events as it has answers.  These are copied to the stream that
its session is recovered from, and to the replies' segment.  A venue copies as many bytes as often.
No order has a name, limits or a book, and there is no journal.
"""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from openoutcry.bench import sessions_live
from openoutcry.bench.colocated_live import (
    ACCEPTED,
    AT_ONCE,
    CANCELED,
    PARTICIPANT_BYTES,
    Array,
    Participant,
    Participants,
    segments,
)
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequests,
)
from openoutcry.pipeline.topology import geometry
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.layout import Layout, SharedWord, i64
from openoutcry.wire.memory import copy56, copy64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import RECORD_BYTES

STREAM_REPLIES = 1 << 15
"""Of a session, a power of two: of all sessions more than a cache holds, as of a day."""


class Relay(Layout, size_bytes=64):
    """The rings of one venue."""

    lane: int = i64("address of the sessions' lane")
    lane_mask: int = i64("its slots, less one")
    sequenced: int = i64("address of the sequenced ring")
    sequenced_mask: int = i64("its slots, less one")
    events: int = i64("address of the ring of events")
    events_mask: int = i64("its slots, less one")
    streams: int = i64("address of the streams, STREAM_REPLIES replies each")
    commands: int = i64("how many have passed")


@kernel
def slot_of(ring: int, mask: int, seq: int) -> EventRecord:
    """A slot of a ring of records."""
    return EventRecord(ring + RECORD_BYTES * (seq & mask))


@kernel
def enter(place: Participant, relay: Relay, answers: int) -> int:
    """Copy the participant's requests to the lane, as many as there is room for the answers of;
    returns how many."""
    read = ShmRequests(place.requests).replies_read
    most = min(AT_ONCE, (read + REPLY_SLOTS + 1 - place.next_reply) // answers)
    done, commands = 0, relay.commands
    while done < most:
        seq = place.next_request
        request = ShmRequest(
            place.requests + HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
        )
        if request.seq != seq:
            break
        done += 1
        slot = slot_of(relay.lane, relay.lane_mask, commands + done)
        copy56(slot, request)
        slot.stamp = commands + done
        place.next_request = seq + 1
    if done > 0:
        ShmReplies(place.replies).requests_read = place.next_request - 1
    return done


@kernel
def through_rings(relay: Relay, first: int, count: int, answers: int) -> None:
    """Copy ``count`` commands from the lane to the sequenced ring, then each to its events."""
    for seq in range(first, first + count):
        slot = slot_of(relay.sequenced, relay.sequenced_mask, seq)
        copy56(slot, slot_of(relay.lane, relay.lane_mask, seq))
        slot.stamp = seq
    for seq in range(first, first + count):
        command = slot_of(relay.sequenced, relay.sequenced_mask, seq)
        for number in range(answers * seq, answers * seq + answers):
            slot = slot_of(relay.events, relay.events_mask, number)
            copy56(slot, command)
            slot.stamp = number


@kernel
def reply(place: Participant, stream: int, relay: Relay, first: int, count: int) -> None:
    """Copy events to the session's stream, and from there to its replies."""
    number = place.next_reply
    for index in range(count):
        entry = stream + REPLY_BYTES * (number + index & STREAM_REPLIES - 1)
        event = slot_of(relay.events, relay.events_mask, first + index)
        copy64(entry, event)
        copy64(entry + 64, event)
    for index in range(count):
        at = number + index
        entry = stream + REPLY_BYTES * (at & STREAM_REPLIES - 1)
        slot = ShmReply(place.replies + HEADER_BYTES + REPLY_BYTES * (at - 1 & REPLY_SLOTS - 1))
        copy64(slot, entry)
        copy56(slot + 64, entry + 64)
        slot.kind = ACCEPTED if index & 1 == 0 else CANCELED
        slot.seq = at
    place.next_reply = number + count


@kernel
def pass_on(places: int, count: int, answers: int, relay: Relay, stop: int) -> int:
    """Answer each request by ``answers`` replies (1 or 2) after its way through the rings, until
    the word ``stop`` is set.  Returns how many requests came.  ``places``: address of ``count``
    participants' blocks."""
    while SharedWord(stop).value == 0:
        for index in range(count):
            place = Participant(places + PARTICIPANT_BYTES * index)
            taken = enter(place, relay, answers)
            if taken > 0:
                first = relay.commands + 1
                relay.commands += taken
                through_rings(relay, first, taken, answers)
                stream = relay.streams + STREAM_REPLIES * REPLY_BYTES * index
                reply(place, stream, relay, answers * first, answers * taken)
    return relay.commands


def made(count: int) -> tuple[Array, Sequence[Array]]:
    """A venue's rings for ``count`` sessions, as a block, and the memory in which they are."""
    slots = geometry("processes", "none").capacities
    sizes = [RECORD_BYTES * slots[name] for name in ("lane", "sequenced", "events")]
    sizes.append(count * STREAM_REPLIES * REPLY_BYTES)
    maps = [np.frombuffer(mmap.mmap(-1, size), np.uint8) for size in sizes]
    for one in maps:
        one[::4096] = 0  # its pages are there
    block = np.zeros(Relay.size_bytes // 8, np.int64)
    block[0:6:2] = [one.ctypes.data for one in maps[:3]]
    block[1:6:2] = [size // RECORD_BYTES - 1 for size in sizes[:3]]
    block[6] = maps[3].ctypes.data
    return block, maps


@contextmanager
def relaying(count: int, answers: int, core: int | None) -> Iterator[Participants]:
    """Segments of ``count`` sessions, and a process on ``core`` that passes on what comes."""
    block, _maps = made(count)
    with segments(count) as participants:
        places = participants.rows.copy()

        def serve(stop: int) -> None:
            pass_on(places.ctypes.data, count, answers, Relay.of(block.ctypes.data), stop)

        with sessions_live.serving(serve, core):
            yield participants


def compile_relay() -> None:
    """The process that is measured must not compile."""
    compile_kernel(pass_on, 5)
