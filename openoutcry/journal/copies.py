"""One journal in several directories, written side by side, and when that counts as durable."""

import queue
import threading
from collections.abc import Sequence
from typing import Any

from openoutcry.journal.block import aligned_copy
from openoutcry.journal.failed import note_failed
from openoutcry.journal.stream import Stream
from openoutcry.journal.watermark import Reached
from openoutcry.ring.policy import needed, quorum_value
from openoutcry.wire.errors import JournalError

MAX_BACKLOG_BYTES = 64 << 20
"""How far a slow copy may fall behind before the writer waits for it."""


class SingleStream:
    """One copy: every call is done when it returns."""

    def __init__(self, stream: Stream, reached: Reached) -> None:
        self.streams = [stream]
        self.written = self.durable = reached
        self.failures: list[str] = []

    def write(self, offset: int, block: Any, durable: bool, reached: Reached) -> None:
        """Write a block; with ``durable``, it and (the caller knows) all before are durable."""
        stream = self.streams[0]
        stream.write(offset, block, durable)
        self.written = reached
        if durable:
            stream.acknowledge(reached)
            assert self.durable <= reached, "the watermark never goes back"
            self.durable = reached

    def sync(self) -> None:
        """Make durable what was written. Raises :class:`JournalError` if the disk fails."""
        self.streams[0].sync()
        self.streams[0].acknowledge(self.written)
        self.durable = self.written

    def roll(self, end_offset: int) -> None:
        """Continue in the next segment; everything before is durable then."""
        self.streams[0].finish(end_offset)
        self.streams[0].acknowledge(self.written)
        self.durable = self.written
        self.streams[0].advance()

    def close(self, end_offset: int) -> None:
        """Make all durable; the last segment ends at ``end_offset`` bytes, prewritten ones go."""
        self.streams[0].close(end_offset, self.written)
        self.durable = self.written

    @property
    def living(self) -> list[Stream]:
        """The active copies."""
        return self.streams

    def rest(self) -> None:
        """Stop all threads until the next call, so that the process may fork."""
        self.streams[0].rest()

    def abandon(self) -> None:
        """Close the file without a sync: after a failure."""
        self.streams[0].abandon()


class _Copy:
    """One of several: a thread that applies its orders to its stream, in order.  It runs from
    the first order on, and again from the first one after :meth:`end`."""

    def __init__(self, stream: Stream, reached: Reached, changed: threading.Condition) -> None:
        self.stream = stream
        self.written = self.durable = reached
        self.failure = ""
        self.noted = False
        self.backlog_bytes = 0
        self._changed = changed
        self._orders: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def order(self, what: str, *arguments: Any) -> None:
        """Queue one of the stream's calls for the copy's thread, which the first one starts."""
        if self._thread is None and not self.failure:
            thread = threading.Thread(target=self._run, name="journal-copy", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError as error:
                self.failure = f"{self.stream.directory}: no thread to write with: {error}"
        if self._thread is not None:
            self._orders.put((what, arguments))

    def end(self) -> None:
        """Do all that was ordered, and end the thread."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            if not self.failure:
                try:
                    self._do(*order)
                except (JournalError, OSError) as error:
                    self.failure = str(error)
                except BaseException as error:  # whatever it is, the writer must not wait for it
                    what = f"{type(error).__name__}: {error}"
                    self.failure = f"{self.stream.directory}: the copy's thread ended: {what}"
            with self._changed:
                if order[0] == "write":
                    self.backlog_bytes -= len(order[1][1])
                self._changed.notify_all()

    def _do(self, what: str, arguments: tuple[Any, ...]) -> None:
        stream = self.stream
        if what == "write":
            offset, block, durable, reached = arguments
            stream.write(offset, block, durable)
            self.written = reached
            if not durable:
                return
        elif what == "sync":
            stream.sync()
        elif what == "roll":
            stream.finish(*arguments)
        else:
            stream.close(arguments[0], self.written)
        if what != "close":
            stream.acknowledge(self.written)
        assert self.durable <= self.written, "the watermark never goes back"
        self.durable = self.written
        if what == "roll":
            stream.advance()


class MirroredStreams:
    """Several copies at once; a block counts when ``policy`` is met.

    ``failures`` says which copies have stopped and why; the writer continues while the
    others can meet the policy.
    """

    def __init__(
        self, streams: Sequence[Stream], policy: str, reached: Reached, total: int
    ) -> None:
        """``total`` is how many copies there should be, those that cannot be used included."""
        self.streams = list(streams)
        self.policy = policy
        self._needed = needed(policy, total)
        self._changed = threading.Condition()
        self._copies = [_Copy(stream, reached, self._changed) for stream in self.streams]

    @property
    def failures(self) -> list[str]:
        """Return why copies failed, one text each."""
        return [copy.failure for copy in self._copies if copy.failure]

    @property
    def living(self) -> list[Stream]:
        """The active copies."""
        return [copy.stream for copy in self._copies if not copy.failure]

    @property
    def written(self) -> Reached:
        """Return how far as many copies as the policy needs have written."""
        return self._counted([copy.written for copy in self._copies])

    @property
    def durable(self) -> Reached:
        """Return how far as many copies as the policy needs are durable."""
        return self._counted([copy.durable for copy in self._copies])

    def write(self, offset: int, block: Any, durable: bool, reached: Reached) -> None:
        """Write a block at ``offset`` bytes of every copy; returns when enough copies have it.

        ``durable``: with a sync. ``reached``: where the journal is then. Raises
        :class:`JournalError` if too few copies are left.
        """
        data = aligned_copy(block)
        for copy in self._copies:
            self._wait_for(lambda c=copy: c.backlog_bytes < MAX_BACKLOG_BYTES or c.failure)  # type: ignore[misc]
            with self._changed:
                copy.backlog_bytes += len(data)
            copy.order("write", offset, data, durable, reached)
        self._wait_until("durable" if durable else "written", reached)

    def sync(self) -> None:
        """Make durable what was written, on enough copies; raises as :meth:`write`."""
        self._order("sync")
        self._wait_until("durable", self.written)

    def roll(self, end_offset: int) -> None:
        """End the segment at ``end_offset`` bytes and begin the next; raises as :meth:`write`."""
        reached = self.written
        self._order("roll", end_offset)
        self._wait_until("durable", reached)

    def close(self, end_offset: int) -> None:
        """End the segment at ``end_offset`` bytes and stop the threads; raises as :meth:`write`."""
        reached = self.written
        self._order("close", end_offset)
        for copy in self._copies:
            copy.end()
        self._wait_until("durable", reached)

    def abandon(self) -> None:
        """Stop the threads and close the files without a sync: after a failure."""
        for copy in self._copies:
            copy.end()
        if sum(not copy.failure for copy in self._copies) >= self._needed:
            self._note_failures()  # of what lagged behind and failed since
        for stream in self.streams:
            stream.abandon()

    def rest(self) -> None:
        """Stop all threads until the next call, so that the process may fork. A child inherits a
        thread's memory but not its execution, and would wait for it forever."""
        for copy in self._copies:
            copy.end()
            copy.stream.rest()

    def _order(self, what: str, *arguments: Any) -> None:
        for copy in self._copies:
            copy.order(what, *arguments)

    def _counted(self, reached: list[Reached]) -> Reached:
        block_index = quorum_value([one.block_index for one in reached], self._needed)
        return next(one for one in reached if one.block_index == block_index)

    def _wait_for(self, condition: Any) -> None:
        with self._changed:
            self._changed.wait_for(condition)

    def _wait_until(self, what: str, reached: Reached) -> None:
        """Wait until enough copies have come to ``reached``, or no longer can."""

        def come() -> int:
            return sum(getattr(copy, what) >= reached for copy in self._copies)

        def hopeless() -> bool:
            living = sum(not c.failure or getattr(c, what) >= reached for c in self._copies)
            return living < self._needed

        self._wait_for(lambda: come() >= self._needed or hopeless())
        if come() < self._needed:
            raise JournalError(
                f"the journal's copies cannot be written as `{self.policy}` asks: "
                + "; ".join(self.failures)
            )
        self._note_failures()

    def _note_failures(self) -> None:
        """Note a failed copy in the other directories, so that it is not resumed automatically
        (``failed.py``)."""
        for copy in self._copies:
            if not copy.failure or copy.noted:
                continue
            copy.noted = True
            place = copy.stream.directory
            for other in self._copies:
                if other.failure:
                    continue
                stream = other.stream
                try:
                    note_failed(
                        stream.directory, stream.journal_id, place, copy.failure, stream.disk
                    )
                except (JournalError, OSError) as error:
                    other.failure = f"{stream.directory}: cannot note that {place} failed: {error}"
