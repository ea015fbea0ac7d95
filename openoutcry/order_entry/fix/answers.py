"""What answers a FIX session's questions: messages that are a function of no journal.

    header   4,096 bytes: the words below
    slots    2,048 bytes each: number, length, body of a message

An answer is of the moment at which it was made, so it cannot be made again.  The last SLOTS
messages are kept in a mapped file that outlives the processes.  What was sent can be sent again as
it was, and what was not sent yet is sent with the next connection.  An older one is filled as a
gap.

One process puts answers, the sessions' stage sends them.  ``head`` moves once for all messages of
an answer, so an answer is whole or not there.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.stream import StreamError, map_file
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, area, i64

HEADER_BYTES, SLOT_BYTES = 4096, 2048
SLOTS = 2048
ANSWERS_MAGIC = int.from_bytes(b"OUTCRYFA", "little")


class AnswersHeader(Layout, size_bytes=4096):
    """The header."""

    magic: int = i64("ANSWERS_MAGIC")
    identity: int = i64("of the session")
    head: int = i64("number of the last message that is there", atomic=True)


HEAD = AnswersHeader.offset("head")


class AnswerSlot(Layout, size_bytes=2048):
    """A message, without what is decided when it is sent."""

    number: int = i64("its number, from 1 on")
    size: int = i64("bytes of the body")
    body: int = area(2032, "the body")


MAX_BODY = SLOT_BYTES - AnswerSlot.offset("body")


@kernel
def slot_of(session: FixSession, number: int) -> AnswerSlot:
    """The slot of the message with this number."""
    return AnswerSlot(session.answers + HEADER_BYTES + SLOT_BYTES * (number & SLOTS - 1))


@kernel
def is_kept(session: FixSession, number: int) -> bool:
    """Return whether the message with this number can be sent again."""
    return session.answers != 0 and slot_of(session, number).number == number


@kernel
def unsent(session: FixSession) -> int:
    """Return how many messages have no MsgSeqNum yet."""
    if session.answers == 0:
        return 0
    return AnswersHeader(session.answers).head - session.sent_answer


class AnswersFile:
    """One session's, created or resumed; ``path`` None keeps it in memory."""

    def __init__(self, path: Path | None, identity: int) -> None:
        """Raises :class:`StreamError` naming the file if it is something else."""
        self._map = map_file(path, HEADER_BYTES + SLOTS * SLOT_BYTES, "file of answers")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        words = np.frombuffer(self._map, np.int64)
        self._header = words[: HEADER_BYTES // 8]
        self._slots = words[HEADER_BYTES // 8 :].reshape(SLOTS, -1)
        if self._header[0] == 0:
            self._header[:2] = ANSWERS_MAGIC, identity
        elif self._header[:2].tolist() != [ANSWERS_MAGIC, identity]:
            raise StreamError(f"{path} is the file of answers of another session")

    @property
    def head(self) -> int:
        """Number of the last message."""
        return int(self._header[2])

    def put(self, bodies: Sequence[bytes]) -> None:
        """Add the messages of an answer; at most SLOTS, each at most MAX_BODY bytes."""
        assert len(bodies) <= SLOTS
        head = self.head
        for number, body in enumerate(bodies, head + 1):
            assert len(body) <= MAX_BODY
            slot = self._slots[number & SLOTS - 1]
            slot[:2] = number, len(body)
            slot[2:].view(np.uint8)[: len(body)] = np.frombuffer(body, np.uint8)
        self._header[2] = head + len(bodies)
