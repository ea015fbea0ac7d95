"""A session over shared memory, over TCP: the records of its two segments as frames.

::

    frame         bytes of the body (u32) | body | tag (16 bytes)
    participant   1 to 64 slots of requests of 64 bytes, of whole requests
    venue         the first 72 bytes of the replies' header | 0 to 256 slots of replies of 128 bytes

The login is that of shared memory (order_entry/shm_login.py).  A tag is keyed BLAKE3 over the
frame's number and the frame, with a key of this login and this direction.  So a frame that was
changed, left out, sent again or taken from another connection has a wrong tag, which ends the
connection.

On the venue's host a :class:`ShmRelay` is the participant: it puts requests into one segment and
takes replies out of the other.  The sessions' stage checks them as those of any other process.
"""

import asyncio
import contextlib
import hmac
import socket
import struct

import blake3
import numpy as np

from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLY_BYTES,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    ShmReplies,
    ShmRequest,
    ShmRequests,
    State,
)
from openoutcry.order_entry.shm_segments import (
    BATCH,
    HEARTBEAT_S,
    Segments,
    begin_wait,
    must_ring,
    put_request,
    request_room,
    state_of,
    take_replies,
)
from openoutcry.wire.kernel import compile_kernel

SIZE, NUMBER, TAG_BYTES = struct.Struct("<I"), struct.Struct("<Q"), 16
NEWS_BYTES = ShmReplies.offset("requests_read") + 8
"""Bytes of the replies' header in each frame of the venue: the state first."""
MAX_REQUESTS, MAX_REPLIES = 64 * REQUEST_BYTES, NEWS_BYTES + BATCH * REPLY_BYTES
"""Longest bodies of the participant's frames and of the venue's."""
PIECE_BYTES = SIZE.size + MAX_REQUESTS + TAG_BYTES
"""Bytes of a participant that a relay takes in one turn of its loop, in which the relays of all
participants run: a longest frame, or about 50 short ones."""
STUCK_S = 60.0
"""So long a participant may leave unread what the relay has sent."""
OPENS_S, NAP_S = 30.0, 0.001
"""How long the stage may take to begin the session, and between two looks for that, or for room."""
NO_SEQ = -1


class FrameError(ValueError):
    """Bytes that are not the next frame."""


class Frames:
    """The frames of one direction of a connection."""

    def __init__(self, key: bytes, max_body: int) -> None:
        self._key, self._max_body, self._count = key, max_body, 0

    def sealed(self, body: bytes) -> bytes:
        """Return the next frame, of this body."""
        data = SIZE.pack(len(body)) + body
        return data + self._tag(data)

    def taken(self, data: bytearray) -> bytes | None:
        """Take the next frame out of what has come; its body, None if it is not whole yet.  Raises
        :class:`FrameError`."""
        if len(data) < SIZE.size:
            return None
        (size,) = SIZE.unpack_from(data)
        if size > self._max_body:
            raise FrameError(f"a frame of {size} bytes, of which {self._max_body} fit")
        end = SIZE.size + size
        if len(data) < end + TAG_BYTES:
            return None
        frame, tag = bytes(data[:end]), bytes(data[end : end + TAG_BYTES])
        if not hmac.compare_digest(self._tag(frame), tag):
            raise FrameError("a frame has another tag than the next one of this connection")
        del data[: end + TAG_BYTES]
        return frame[SIZE.size :]

    def _tag(self, frame: bytes) -> bytes:
        self._count += 1
        numbered = NUMBER.pack(self._count) + frame
        return blake3.blake3(numbered, key=self._key).digest(TAG_BYTES)


class ShmRelay:
    """Moves the records of one connection over TCP into the segments of its session, and out."""

    def __init__(self, segments: Segments, bell: socket.socket, keys: tuple[bytes, bytes]) -> None:
        """``bell``: in place of the socket of a login over shared memory; ``keys``: of the frames
        of the participant, and of the venue."""
        self.segments, self.bell = segments, bell
        self.bell.setblocking(False)
        self._heard, self._told = Frames(keys[0], MAX_REQUESTS), Frames(keys[1], MAX_REPLIES)
        self._replies = np.zeros(BATCH * REPLY_BYTES, np.uint8)

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Move records until either side ends the connection, and unmap the segments."""
        try:
            await self._move(reader, writer)
        finally:
            self.segments.unmap()

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        until_s = asyncio.get_running_loop().time() + OPENS_S
        while self._state() == State.OPENING:
            if reader.at_eof() or asyncio.get_running_loop().time() > until_s:
                return
            await asyncio.sleep(NAP_S)
        ways = [self._hear(reader), self._tell(writer)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _state(self) -> int:
        return int(state_of(ShmReplies.of(self.segments.replies)))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        """Put the participant's requests into their segment, until it closes its end."""
        data, seq = bytearray(), self.segments.header.next_request
        with contextlib.suppress(OSError):
            while more := await reader.read(PIECE_BYTES):
                data += more
                try:
                    while (body := self._heard.taken(data)) is not None:
                        seq = await self._put(body, seq)
                except FrameError:
                    self._spoil(seq)
                    # The stage ends the session by name, and that this task.
                    await asyncio.sleep(STUCK_S)
                    return
                await asyncio.sleep(0)  # what is read already is read without a turn of the others

    async def _put(self, body: bytes, seq: int) -> int:
        """Put whole requests from number ``seq`` on, once there is room; returns the next number.
        The last slot is published first: none waits for a further one."""
        count, rest = divmod(len(body), REQUEST_BYTES)
        if rest or not count:
            raise FrameError("a frame that is not made of slots")
        requests, replies = self.segments.requests, ShmReplies.of(self.segments.replies)
        while request_room(replies, seq) < count:
            await asyncio.sleep(NAP_S)
        slots = np.frombuffer(body, np.uint8)
        for place in reversed(range(count)):
            put_request(requests, slots.ctypes.data + REQUEST_BYTES * place, seq + place)
        if must_ring(replies, seq):
            self._ring()
        return seq + count

    def _spoil(self, seq: int) -> None:
        """Write a slot that is no request, for which the stage ends the session."""
        place = HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
        ShmRequest(self.segments.requests + place).seq = NO_SEQ
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full of bytes, or at its end
            self.bell.send(b"r")

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        """Send what the venue writes, as the participant takes it, until the session has ended."""
        seq, is_closed = self.segments.header.next_reply, False
        requests, replies = self.segments.requests, self.segments.replies
        out = self._replies.ctypes.data
        while True:
            is_over = is_closed or self._state() == State.ENDED
            begin_wait(ShmRequests.of(requests))
            is_told = False
            while (count := int(take_replies(requests, replies, seq, out, BATCH))) or not is_told:
                seq, is_told = seq + count, True
                writer.write(self._told.sealed(self._news(count)))
                async with asyncio.timeout(STUCK_S):
                    await writer.drain()
                if count == BATCH:
                    await asyncio.sleep(0)  # more wait, and so do others
            if is_over:
                return
            is_closed = await self._has_closed()

    def _news(self, count: int) -> bytes:
        """Return the body of a frame with ``count`` replies; without any it shows that the venue
        lives, and which requests it has taken."""
        state = self._state()  # first: what is read after it is there
        header = self.segments.views[1][8:NEWS_BYTES].tobytes()
        replies = self._replies[: count * REPLY_BYTES].tobytes()
        return state.to_bytes(8, "little") + header + replies

    async def _has_closed(self) -> bool:
        """Wait for a byte of the stage, HEARTBEAT_S at most; return whether it has closed."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return not await asyncio.get_running_loop().sock_recv(self.bell, 64)
        except TimeoutError:
            return False
        except OSError:
            return True


def compile_relay() -> None:
    """Compile what a relay calls, before the process that has it is forked."""
    compile_kernel(state_of, 1)
    compile_kernel(request_room, 2)
    compile_kernel(put_request, 3)
    compile_kernel(must_ring, 2)
    compile_kernel(begin_wait, 1)
    compile_kernel(take_replies, 5)
