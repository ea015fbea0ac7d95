"""A FIX session of an acceptor without a stage: bytes in, bytes out, by the stage's own kernels.

It lives as long as its connection: both sides begin at 1, and what was sent can be asked for again
until it ends::

    one = Endpoint("VENUE", "FIRM")
    for message in one.take(received):
        one.say(body_of(answer(message)))
    connection.write(one.output())
"""

import ctypes
import time
from collections.abc import Callable, Iterable

import numpy as np

from openoutcry.order_entry import constants
from openoutcry.order_entry import session as block
from openoutcry.order_entry.fix import live, scan, session, words
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.order_entry.stream import Stream, StreamHeader, append

BEGIN = "FIX.4.4"
MESSAGES, DATA_BYTES = 1 << 13, 1 << 21
"""What a connection can send, in messages and bytes; then it ends, and the next one begins.  It may
forget what was sent (:meth:`Endpoint.forget`) and send on."""
INPUT_BYTES = scan.MAX_MESSAGE + 64
ACCURACY_NS = 120 * session.SECOND_NS
"""SendingTime may be so far off."""


class Endpoint:
    """One connection's session.  The caller has read its Logon, and sends what there is."""

    def __init__(
        self,
        sender: str,
        target: str,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        *,
        options: int = words.QUOTES,
        data_bytes: int = DATA_BYTES,
        out_bytes: int = words.OUT_SIZE,
    ) -> None:
        """Be ``sender`` to the client ``target``.  A message has ``out_bytes`` at most.  Without
        QUOTES in ``options`` the caller judges the fields of messages of other types than orders.

        Raises ``ValueError`` for a CompID that is empty, too long or not printable."""
        self._clock_ns, self._out_bytes = clock_ns, out_bytes
        self._words = np.zeros(block.BLOCK_BYTES // 8, np.int64)
        self._memory = words.Memory(self._words, BEGIN, sender, target, MESSAGES)
        self._fields = make_fields()
        self._stream = Stream(None, 1, MESSAGES, data_bytes)
        self._out = np.zeros(out_bytes, np.uint8)
        self._input = np.zeros(INPUT_BYTES, np.uint8)
        for word, value in {
            block.INDEX: 1,
            block.PROTOCOL: block.FIX44,
            block.STREAM: self._stream.address,
            words.FIELDS: self._fields.ctypes.data,
            words.OUT: self._out.ctypes.data,
            words.OUT_CAPACITY: out_bytes,
            words.CLOCK_OFFSET_NS: time.time_ns() - clock_ns(),
            words.ACCURACY_NS: ACCURACY_NS,
            words.OPTIONS: options,
        }.items():
            self._words[word // 8] = value
        self._session = FixSession.of(self._words.ctypes.data)
        self._received, self._sent = bytearray(), bytearray()
        self.is_on, self.is_over = False, False
        """Whether the client has logged on, and whether the connection is to be closed once what
        there is has been sent."""
        live.begin(self._session, clock_ns())

    def take(self, data: bytes) -> list[bytes]:
        """Take what came; returns the messages of the application, each in its turn."""
        self._received += data
        taken: list[bytes] = []
        while self._received and not self.is_over:
            part = self._received[: scan.MAX_MESSAGE]
            self._input[: len(part)] = np.frombuffer(part, np.uint8)
            size = int(scan.frame(self._input.ctypes.data, len(part)))
            if size == 0:
                break
            if size < 0:
                self.is_over = True
                break
            del self._received[:size]
            self._take_one(self._input.ctypes.data, size, taken)
            while at := int(live.queued(self._session, self._clock_ns())):
                self._take_one(at, self._word(words.QUEUED_BYTES), taken)
        return taken

    def _take_one(self, address: int, size: int, taken: list[bytes]) -> None:
        now_ns, at = self._clock_ns(), self._word(words.OUT_END)
        out, room = self._out.ctypes.data + at, self._out_bytes - at
        result = session.on_message(self._session, address, size, now_ns, out, room)
        message = ctypes.string_at(address, size)
        kind = live.decoded(self._session, result)
        if kind == constants.KIND_APPLICATION:
            taken.append(message)
        self.is_on = self.is_on or kind == constants.KIND_LOGIN
        self.is_over = self.is_over or kind in (constants.KIND_LOGOUT, constants.KIND_DISCONNECT)
        self._collect()

    def say(self, body: bytes) -> None:
        """Send a message: ``35=…|…|`` without what the session layer writes."""
        data = np.frombuffer(body, np.uint8)
        if append(StreamHeader.of(self._stream.address), data.ctypes.data, len(data), 0) == 0:
            self.end()

    def forget(self) -> None:
        """Keep nothing of what was sent: a ResendRequest gets a gap.  Without effect while messages
        are being sent, or sent again."""
        count = self._stream.count
        if count and self._word(words.SENT_ENTRY) == count and not self._word(words.RESEND_NEXT):
            self._stream.stand_behind(0, 0)
            self._memory.numbers[::2] = 0
            self._words[words.SENT_ENTRY // 8] = 0

    def tick(self) -> None:
        """Look at the clock: heartbeats, test requests, a client that is silent."""
        result = live.timer(self._session, self._clock_ns())
        self._collect()
        self.is_over = self.is_over or result == constants.KIND_DISCONNECT

    def end(self) -> None:
        """Log the client out."""
        if not self.is_over:
            self._more()
            live.logout(self._session, self._clock_ns())
            self._collect()
            self.is_over = True

    def output(self) -> bytes:
        """Return what is to be sent now."""
        if not self.is_over:
            self._more()
        data = bytes(self._sent)
        self._sent.clear()
        return data

    def _more(self) -> None:
        self._collect()
        while live.more(self._session, self._clock_ns()):
            self._collect()

    def _collect(self) -> None:
        """Take over what the kernels have written."""
        begin, end = self._word(words.OUT_FROM), self._word(words.OUT_END)
        self._sent += self._out[begin:end].tobytes()
        self._words[words.OUT_FROM // 8] = self._words[words.OUT_END // 8] = 0

    def _word(self, word: int) -> int:
        return int(self._words[word // 8])


def compile_session() -> None:
    """Have the session layer's kernels before a client waits for them."""
    one = Endpoint("A", "B")
    one.say(body_of("0", ()))
    one.end()
    head = b"8=FIX.4.4\x019=5\x0135=0\x01"
    one = Endpoint("A", "B")
    one.take(head + b"10=%03d\x01" % (sum(head) % 256))
    one.tick()


def body_of(kind: str, fields: Iterable[tuple[int, object]]) -> bytes:
    """The body of a message; what is no printable ASCII in a value becomes a question mark."""
    return fields_text([(35, kind), *fields])


def fields_text(fields: Iterable[tuple[int, object]]) -> bytes:
    """Return fields as a message has them; ``?`` as in :func:`body_of`."""
    return "".join(f"{tag}={_printable(str(value))}\x01" for tag, value in fields).encode("ascii")


def _printable(text: str) -> str:
    return "".join(one if " " <= one <= "~" else "?" for one in text)
