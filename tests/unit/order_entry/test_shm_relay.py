"""What one participant over TCP costs the others, whose records the same process moves."""

import asyncio
import socket
from contextlib import closing

import numpy as np
import pytest

from openoutcry.order_entry.shm_frames import MAX_REQUESTS, PIECE_BYTES, Frames, ShmRelay
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLIES_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUESTS_BYTES,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequests,
    State,
)
from openoutcry.order_entry.shm_segments import BATCH, Segments

KEY, SLOTS = bytes(range(32)), 960
"""So many slots have room, so the relay never waits for the stage."""


def sent(slots_a_frame):
    """SLOTS slots as frames of so many."""
    frames, body = Frames(KEY, MAX_REQUESTS), bytes(REQUEST_BYTES * slots_a_frame)
    return b"".join(frames.sealed(body) for _ in range(SLOTS // slots_a_frame))


def segments_of(replies):
    """Segments of an active session that has so many replies to send."""
    buffers = [np.zeros(size, np.uint8) for size in (REQUESTS_BYTES, REPLIES_BYTES)]
    segments = Segments(*map(memoryview, buffers))
    header = ShmReplies(segments.replies)
    header.state, header.next_request, header.next_reply = State.ACTIVE, 1, 1
    for number in range(1, replies + 1):
        slot = segments.replies + HEADER_BYTES + REPLY_BYTES * (number - 1 & REPLY_SLOTS - 1)
        ShmReply(slot).seq = number
    return segments


def published(segments):
    """How many requests the relay has put into their segment."""
    slots = segments.views[0][HEADER_BYTES:].view(np.int64).reshape(-1, REQUEST_BYTES // 8)
    return int((slots[:, ShmRequest.offset("seq") // 8] != 0).sum())


def taken(segments):
    """How many replies the relay has taken."""
    return ShmRequests(segments.requests).replies_read


async def most_a_turn(segments, done, wanted, data=b""):
    """Move what there is; return how much of it one turn of the loop moves at most."""
    near, far = socket.socketpair()
    bell, stage = socket.socketpair()
    with near, far, bell, stage:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        far.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=near)
        with closing(writer):
            assert far.send(data) == len(data)
            relay = ShmRelay(segments, bell, (KEY, KEY))
            moving = asyncio.ensure_future(relay._move(reader, writer))
            moved = [done(segments)]
            while moved[-1] < wanted:
                assert not moving.done()
                await asyncio.sleep(0)
                moved.append(done(segments))
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
    return int(np.diff(moved).max())


@pytest.mark.promise(
    "A participant that sends over TCP without end takes turns with the others there",
    group="venue",
)
@pytest.mark.parametrize("slots_a_frame", [1, 2, 16, 64])
async def test_a_participant_that_sends_without_end_takes_turns_with_the_others(slots_a_frame):
    data = sent(slots_a_frame)
    most = await most_a_turn(segments_of(0), published, SLOTS, data)
    assert most <= PIECE_BYTES * 2 // REQUEST_BYTES, "two pieces: one may end within a frame"
    assert most < SLOTS // 4


async def test_what_is_sent_to_a_participant_is_sent_in_turns_with_the_others():
    most = await most_a_turn(segments_of(REPLY_SLOTS), taken, REPLY_SLOTS)
    assert most <= BATCH < REPLY_SLOTS
