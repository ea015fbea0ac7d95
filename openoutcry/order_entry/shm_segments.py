"""The participant's side of a session over shared memory: its two segments, and kernels over them.

A participant's kernel may call these.  ``requests`` and ``replies`` are the addresses of the
segments; ``seq`` is the number of the next request or reply, which the caller counts.
"""

import mmap
from typing import Any

import numpy as np

from openoutcry.order_entry import constants
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REPLIES_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    REQUESTS_BYTES,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequests,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import copy56, copy64, full_fence

NAMES = constants.SHM_REPLY_NAMES
BATCH = 256
"""Replies that are taken at once."""
HEARTBEAT_S = 1.0
"""Seconds without a word after which either side shows the other that it lives."""


class Segments:
    """The two segments as a process that is the participant has them."""

    def __init__(self, requests: Any, replies: Any) -> None:
        """Map two buffers."""
        self._buffers = requests, replies
        self.views = tuple(np.frombuffer(one, np.uint8) for one in (requests, replies))
        self.requests, self.replies = (view.ctypes.data for view in self.views)
        self.header = ShmReplies(self.replies)

    @classmethod
    def mapped(cls, requests: int, replies: int) -> "Segments":
        """Return those of two descriptors; the replies can only be read."""
        return cls(
            mmap.mmap(requests, REQUESTS_BYTES),
            mmap.mmap(replies, REPLIES_BYTES, prot=mmap.PROT_READ),
        )

    def unmap(self) -> None:
        """Give back mapped segments, of which nobody has a view any more."""
        self.views, self.requests, self.replies = (), 0, 0
        for one in self._buffers:
            one.close()


@kernel
def state_of(replies: ShmReplies) -> int:
    """The connection's ``State``."""
    return replies.state


@kernel
def request_room(replies: ShmReplies, seq: int) -> int:
    """Requests that may be put from number ``seq`` on."""
    return replies.requests_read + REQUEST_SLOTS + 1 - seq


@kernel
def put_request(requests: int, request: int, seq: int) -> None:
    """Copy a request of 64 bytes to its slot and publish it; there is room for it.  Further slots,
    with names in text, are put before it."""
    slot = requests + HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
    copy56(slot, request)
    ShmRequest(slot).seq = seq


@kernel
def must_ring(replies: ShmReplies, seq: int) -> bool:
    """Return whether the venue may sleep after request ``seq`` was put, the first slot of it: it
    has taken all before.  Of a session that rings."""
    full_fence()
    return replies.requests_read == seq - 1


@kernel
def begin_wait(requests: ShmRequests) -> None:
    """Ask for a byte by the socket with the next reply.  Look for replies once more before the
    sleep.  Of a session that rings."""
    requests.waits += 1
    full_fence()


@kernel
def reply_at(replies: int, seq: int) -> int:
    """Address of reply ``seq``, 0 while it is not there."""
    slot = replies + HEADER_BYTES + REPLY_BYTES * (seq - 1 & REPLY_SLOTS - 1)
    return slot if ShmReply(slot).seq == seq else 0


@kernel
def take_replies(requests: int, replies: int, seq: int, out: int, most: int) -> int:
    """Copy replies from number ``seq`` on to ``out``, give their slots back, return how many.
    Names in text (``Reply.NAMES``) are not taken before the reply that they belong to.
    Addresses: ``requests`` and ``replies`` of the session's segments, ``out`` of room for ``most``
    replies."""
    count = 0
    while count < most:
        slot = reply_at(replies, seq + count)
        if slot == 0:
            break
        copy64(out + REPLY_BYTES * count, slot)
        copy64(out + REPLY_BYTES * count + 64, slot + 64)
        count += 1
    if count > 0 and ShmReply(out + REPLY_BYTES * (count - 1)).kind == NAMES:
        count -= 1
    if count > 0:
        ShmRequests(requests).replies_read = seq + count - 1
    return count
