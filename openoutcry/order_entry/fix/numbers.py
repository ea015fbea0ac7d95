"""The numbers file of a FIX session: what both sides count, and which message had which number.

    header   4,096 bytes: the words below, then two slots of what is counted
    numbers  16 bytes a MsgSeqNum that was sent: entry of the stream (0: a session message, below 0
             one of the answers), time

Messages of orders can be rebuilt from the journal. Their numbers cannot, because heartbeats and
other messages that depend on a clock or a client have numbers between them. So the file is mapped,
and a number is taken in it before a byte of its message is sent. Counters are written to the
inactive slot, which becomes the active one by one store: a killed process leaves one or the other.

What came in is not believed beyond the journal: of commands that it does not have the client is
asked again (:meth:`NumbersFile.resume`).
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
from openoutcry.order_entry.fix.answers import HEAD
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.stream import StreamError, map_file
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_release

HEADER_BYTES = 4096
NUMBERS_MAGIC = int.from_bytes(b"OUTCRYFX", "little")
MAGIC, IDENTITY, CAPACITY, DAY, ACTIVE = range(0, 40, 8)
SLOTS, SLOT_BYTES = 64, 64
RESETS, IN_SEQ, OUT_SEQ, SENT_ENTRY, DECODED_IN, SENT_ANSWER = range(6)
"""Words of a slot."""
SEQ_MASK = (1 << words.SEQ_BITS) - 1


@kernel
def save(session: FixSession) -> None:
    """Save the present numbers: before anything is sent that follows from it."""
    file = session.numbers_file
    if file == 0:
        return
    other = load_i64(file + ACTIVE) ^ 1
    slot = file + SLOTS + SLOT_BYTES * other
    Words(slot)[RESETS] = session.resets
    Words(slot)[IN_SEQ] = session.in_seq
    Words(slot)[OUT_SEQ] = session.out_seq
    Words(slot)[SENT_ENTRY] = session.sent_entry
    Words(slot)[DECODED_IN] = session.decoded_in
    Words(slot)[SENT_ANSWER] = session.sent_answer
    store_release(file + ACTIVE, other)


class NumbersFile:
    """One session's, created or resumed; ``path`` None keeps it in memory."""

    def __init__(self, path: Path | None, identity: int, capacity: int) -> None:
        """``capacity``: numbers that can be sent again, a power of two.

        Raises :class:`StreamError` naming the file if it is something else.
        """
        assert capacity & (capacity - 1) == 0
        size = HEADER_BYTES + words.NUMBER_BYTES * capacity
        self._map = map_file(path, size, "numbers file")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.capacity = capacity
        memory = np.frombuffer(self._map, np.int64)
        self._words = memory[: HEADER_BYTES // 8]
        self._numbers = memory[HEADER_BYTES // 8 :].reshape(-1, 2)
        header = (NUMBERS_MAGIC, identity, capacity)
        if self._words[MAGIC // 8] == 0:
            self._words[1:3] = header[1:]
            self._write((1, 1, 1, 0, 0, 0))
            self._words[0] = header[0]
        elif tuple(self._words[:3].tolist()) != header:
            raise StreamError(f"{path} is the numbers file of another journal")

    @property
    def numbers_address(self) -> int:
        """Address of the sessions' numbers, for kernels."""
        return self.address + HEADER_BYTES

    def counted(self) -> tuple[int, ...]:
        """The words of the active slot."""
        at = (SLOTS + SLOT_BYTES * int(self._words[ACTIVE // 8])) // 8
        return tuple(self._words[at : at + 6].tolist())

    def _write(self, counted: tuple[int, ...]) -> None:
        other = int(self._words[ACTIVE // 8]) ^ 1
        at = (SLOTS + SLOT_BYTES * other) // 8
        self._words[at : at + 6] = counted
        self._words[ACTIVE // 8] = other

    def resume(self, session: npt.NDArray[Any], day: int, head: int) -> None:
        """Put what was counted into a session's block.

        ``day``: of the stream, which has ``head`` entries; numbers of another day's are gaps from
        here on.  APPLIED_IN of the block: the last message whose command the journal or the lane
        has.  If more had been taken, they are asked for again.
        """
        resets, in_seq, out_seq, sent, decoded, answer = self.counted()
        used = min(out_seq, self.capacity)
        if self._words[DAY // 8] != day:
            self._numbers[:used, 0] = 0
            sent = 0
        if sent > head:
            # After a power cut the journal may have fewer messages than were sent.
            entries = self._numbers[:used, 0]
            entries[entries > head] = 0
            sent = head
        store = int(session[words.ANSWERS // 8])
        last_answer = ctypes.c_int64.from_address(store + HEAD).value if store else 0
        if store and answer > last_answer:
            # And the file of answers too.
            entries = self._numbers[:used, 0]
            entries[entries < -last_answer] = 0
            answer = last_answer
        applied = int(session[words.APPLIED_IN // 8])
        if applied >> words.SEQ_BITS > resets:
            resets, in_seq, decoded = applied >> words.SEQ_BITS, 1, 0
        last = applied & SEQ_MASK if applied >> words.SEQ_BITS == resets else 0
        had = decoded & SEQ_MASK if decoded >> words.SEQ_BITS == resets else 0
        in_seq = last + 1 if last < had else max(in_seq, last + 1)
        self._write((resets, in_seq, out_seq, sent, applied, answer))
        self._words[DAY // 8] = day
        for word, value in {
            words.RESETS: resets,
            words.DECODED_IN: applied,
            words.SENT_ENTRY: sent,
            words.SENT_ANSWER: answer,
            block.IN_SEQ: in_seq,
            block.OUT_SEQ: out_seq,
        }.items():
            session[word // 8] = value
