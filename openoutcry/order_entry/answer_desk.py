"""Answers the questions of FIX sessions: about positions and margin, which take milliseconds.

Questions come by the stage's socket (fix/questions.py).  What answers one goes into the session's
store of answers (fix/answers.py), and 8 bytes by the socket let the stage look there.  If this
process dies, the questions that it had taken have no answer, and their clients ask again.
"""

import logging
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Mapping
from contextlib import suppress

from openoutcry.order_entry.documents import Documents
from openoutcry.order_entry.fix import answers, words
from openoutcry.order_entry.fix.answers import AnswersFile
from openoutcry.order_entry.session_region import SessionRegion

Fields = dict[int, str]
Answer = Callable[[Fields, Container[int]], list[bytes]]
"""The messages that answer a request with these fields of a session that may see these
participants."""
MOST_BYTES = 512
"""Bytes of a question."""
MOST_WAITING = answers.SLOTS - 64
"""Messages of a session that wait to be sent; what would be more is refused in one message."""
log = logging.getLogger("outcry.sessions")


class AnswerDesk:
    """The questions of all sessions, one of each in turn: one that asks much delays no other by
    more than one answer."""

    def __init__(
        self,
        stage: socket.socket,
        region: SessionRegion,
        documents: Documents,
        stores: Mapping[int, AnswersFile],
        answer: Answer,
    ) -> None:
        """``stage``: the acceptor's end of the pair to the stage; ``stores``: by the session's
        index."""
        self.stage, self.region, self.documents = stage, region, documents
        self.stores, self._answer = stores, answer
        self._waiting: dict[int, deque[Fields]] = {}
        """By the session's index."""

    def start(self) -> None:
        """Answer in a thread of this process, until that ends.  What a dead process had taken is
        no longer waited for."""
        for index in self.stores:
            block = self.region.block(index)
            block[words.ANSWERED // 8] = block[words.ASKED // 8]
        threading.Thread(target=self._run, name="answers", daemon=True).start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.stage, select.POLLIN)
        while True:
            poll.poll()
            self.answer_waiting()

    def answer_waiting(self) -> int:
        """Answer the questions that have come; returns how many."""
        done = 0
        while self._collected():
            for index in list(self._waiting):
                self._put(index, self._waiting[index].popleft())
                if not self._waiting[index]:
                    del self._waiting[index]
                done += 1
        return done

    def _collected(self) -> bool:
        """Return whether questions wait, with those that came meanwhile."""
        with suppress(BlockingIOError):
            while data := self.stage.recv(MOST_BYTES):
                index, fields = _read(data)
                self._waiting.setdefault(index, deque()).append(fields)
        return bool(self._waiting)

    def _put(self, index: int, fields: Fields) -> None:
        store, block = self.stores[index], self.region.block(index)
        try:
            bodies = self._answer(fields, self.documents.row(index).sees)
        except Exception:  # no question may end the thread that answers all of them
            log.exception("a request for positions of session %s", index)
            bodies = []
        waiting = store.head - int(block[words.SENT_ANSWER // 8])
        if not bodies or waiting + len(bodies) > MOST_WAITING:
            text = "ask again, or by symbol" if bodies else "the request could not be answered"
            bodies = [_refused(fields, text)]
        store.put(bodies)
        block[words.ANSWERED // 8] += 1
        self._wake(struct.pack("<q", index))

    def _wake(self, message: bytes) -> None:
        while True:
            try:
                self.stage.send(message)
                return
            except BlockingIOError:
                time.sleep(0.001)


def _read(data: bytes) -> tuple[int, Fields]:
    """The session's index, and the fields."""
    pairs = (part.split(b"=", 1) for part in data[8:].split(b"\x01")[:-1])
    fields = {int(tag): value.decode("ascii") for tag, value in pairs}
    return struct.unpack_from("<q", data)[0], fields


def _refused(fields: Fields, why: str) -> bytes:
    """A RequestForPositionsAck that says why there is no answer."""
    name, account, kind = fields[710], fields[1], fields[581]
    return (
        f"35=AO\x01721={name}\x01710={name}\x01727=0\x01728=99\x01729=2\x01453=1\x01448={account}"
        f"\x01447=D\x01452=1\x011={account}\x01581={kind}\x0158={why}\x01"
    ).encode("ascii")
