"""A venue in one thread of the test: real stages, sessions and logins over pairs of sockets, and a
clock that the test moves.  Nothing forks, listens, sleeps or waits.

    with InlineVenue([session("ALPHA", 1)]) as venue:
        client = venue.client("ALPHA")
        client.enter("a1")
        assert client.message()[0] == "A"
        venue.clock.advance(2)
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import argon2
import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry import shm_layout
from openoutcry.order_entry.acceptor import Acceptor
from openoutcry.order_entry.passwords import dummy_hash
from openoutcry.order_entry.sessions import with_sessions
from openoutcry.order_entry.spec import PortSpec, Protocol, SessionSpec, SessionsSpec
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Watcher
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.stage_clock import SECOND_NS, StageClock
from openoutcry.runtime.table import Topology
from openoutcry.wire import ORDER_DTYPE
from tests.support.journal.outsider import require_all_read
from tests.support.order_entry.sessions_venue import Nobody, session
from tests.support.venue.clients import Fix, Ouch, Ouch50, Shm
from tests.support.venue.line import Line
from tests.support.venue.stepped import SteppedRun

DAY = "20260102"
OPENED = datetime(2026, 1, 2, 10, tzinfo=UTC)
DRAIN_S = 1.0
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SMALL = {
    "row_capacity": 1 << 10,
    "token_capacity": 1 << 12,
    "stream_entries": 1 << 14,
    "stream_bytes": 1 << 22,
}


class HeldClock(StageClock):
    """A clock that stays where it is until its owner moves it."""

    def __init__(self, now_ns: int, monotonic_ns: int = 1_000 * SECOND_NS) -> None:
        """``now_ns``: since the epoch; ``monotonic_ns``: since the machine's start."""
        self.word = np.array([monotonic_ns], np.int64)
        self.address = self.word.ctypes.data
        self._offset_ns = now_ns - monotonic_ns

    def monotonic_ns(self) -> int:
        return int(self.word[0])

    def epoch_offset_ns(self) -> int:
        return self._offset_ns

    def now_ns(self) -> int:
        """Since the epoch."""
        return self.monotonic_ns() + self._offset_ns

    def move(self, ns: int) -> None:
        """Let so much time pass."""
        self.word[0] += ns


class InlineClock(HeldClock):
    """The venue's clock.  When the test advances it, the venue goes on."""

    def __init__(self, begin: datetime) -> None:
        super().__init__(int(begin.timestamp()) * SECOND_NS)
        self.moved: Callable[[], object] = lambda: None

    def advance(self, seconds: float, tick_s: float | None = None) -> None:
        """Let time pass, at once or in ticks."""
        left_ns = round(seconds * SECOND_NS)
        tick_ns = left_ns if tick_s is None else round(tick_s * SECOND_NS)
        while left_ns > 0:
            self.move(min(tick_ns, left_ns))
            left_ns -= tick_ns
            self.moved()

    @property
    def seconds(self) -> float:
        return self.monotonic_ns() / SECOND_NS


class AcceptorLoop(asyncio.SelectorEventLoop):
    """The acceptor's event loop: by the venue's clock, and without threads."""

    def __init__(self, clock: InlineClock) -> None:
        self._venue_clock = clock
        super().__init__()

    def time(self) -> float:
        return self._venue_clock.seconds

    def run_in_executor(self, executor: Any, function: Any, *arguments: Any) -> Any:
        """In this thread, behind what is due: others run meanwhile, as beside a real thread."""
        future = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        self.call_soon(work)
        return future

    def settle(self) -> None:
        """Everything that is due, without waiting; also of a test that has a loop of its own."""
        quiet, outer = 0, asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            while quiet < 2:
                self.call_soon(self.stop)
                self.run_forever()
                quiet = 0 if self._ready else quiet + 1
        finally:
            asyncio._set_running_loop(outer)


def is_in_a_loop() -> bool:
    """Return whether the caller is in a loop of its own, in which ours cannot run."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class InlineVenue:
    """The venue, open from the beginning to :meth:`stop`."""

    def __init__(
        self,
        sessions: Iterable[SessionSpec | Mapping[str, Any]],
        journal: Path | None = None,
        *,
        sizes: Mapping[str, int] | None = None,
        wiring: Topology = TOPOLOGY,
        begin: datetime = OPENED,
        spec: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """``journal``: a folder, where one is read or resumed; without it there is none.  ``spec``
        and ``options``: further fields of SessionsSpec and of the run's Options."""
        rows = tuple(row if isinstance(row, SessionSpec) else session(**row) for row in sessions)
        self.spec = SessionsSpec(
            rows, (), day=DAY, day_begin_ns=1, **(SMALL | dict(sizes or {}) | dict(spec or {}))
        )
        self._at(journal, begin)
        self._options = {
            "wiring": with_sessions(wiring),
            "order_capacity": 1 << 12,
            "durability": "async" if journal else "none",
            "volatile_journal": True,
            "id_key": 1,
        } | options
        self.open()

    def _at(self, journal: Path | None, begin: datetime) -> None:
        self.journal_path = journal
        self.notes: list[str] = []
        self.clock = InlineClock(begin)
        self.run: SteppedRun | None = None

    def __enter__(self) -> InlineVenue:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if self.run is not None:
            self.drop() if kind else self.stop()

    # Its life.

    def open(self) -> None:
        """Begin, or go on after what the journal has."""
        journal = self.journal_path
        resume = journal is not None and any(journal.glob("segment-*"))
        options = {"source": Nobody(), **self._options}
        self.begin(
            Options(
                sessions=self.spec, journal=journal, resume=resume, clock=self.clock, **options
            ),
            Watcher(note=self.notes.append),
        )

    def begin(self, options: Options, watcher: Watcher) -> None:
        """Start a run, and the process of logins if it has sessions."""
        self.run = SteppedRun(options, watcher)
        self.clock.moved = self.step
        self.acceptor: Acceptor | None = None
        if options.sessions is not None:
            self.loop = AcceptorLoop(self.clock)
            self.acceptor = self.run.work.sessions.acceptor()
            self.acceptor.dummy_hash = dummy_hash(CHEAP)
        self.step()

    def drop(self) -> None:
        """What is in memory is lost, and every connection."""
        assert self.run is not None
        self._end_logins()
        if self.acceptor is not None:
            self._close_connections()
        self.run.drop()
        self.run = None
        self._read_by_an_outsider()

    def _close_connections(self) -> None:
        assert self.run is not None
        region = self.run.work.sessions.region
        descriptors = [
            int(region.block(i)[session_block.FD // 8])
            for i in range(1, len(self.spec.sessions) + 1)
        ]
        descriptors += [
            int(region.block(i)[shm_layout.PIDFD // 8])
            for i, row in enumerate(self.spec.sessions, 1)
            if row.protocol == Protocol.SHM
        ]
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def sessions_again(self, events: int) -> None:
        """The process of the sessions is dead and replaced, every connection is lost, and of the
        events it had reported so many."""
        assert self.run is not None
        self._close_connections()
        self.run.begin_again("sessions", events)

    def again(self) -> None:
        """Drop everything that is in memory, and go on from the journal."""
        self.drop()
        self.open()

    def stop(self) -> dict[str, Any]:
        """In order; the account of the run."""
        assert self.run is not None
        run = self.run
        self._end_logins()
        run.close_input()
        run.step()
        self.clock.moved = lambda: None
        self.clock.advance(DRAIN_S)
        try:
            result = run.stop()
        finally:
            self.run = None
        self._read_by_an_outsider()
        return result

    def _read_by_an_outsider(self) -> None:
        """A program that has none of our code reads the journal as we do."""
        if self.journal_path is not None:
            require_all_read(self.journal_path)

    def _end_logins(self) -> None:
        if self.acceptor is None:
            return
        for task in list(self.acceptor.tasks):
            task.cancel()
        self.loop.settle()
        self.loop.close()

    def step(self) -> None:
        """Everything that can be done now is done; logins only where no other loop runs."""
        assert self.run is not None
        if self.acceptor is not None and self.acceptor.tasks and not is_in_a_loop():
            self.loop.settle()
        self.run.step()

    # Its participants.

    def dial(self, protocol: Protocol = Protocol.OUCH42, source: str = "127.0.0.1") -> Line:
        """A connection to the port of a protocol, from that address."""
        assert self.acceptor is not None
        ours, theirs = socket.socketpair()
        port = PortSpec(protocol, "127.0.0.1", 0)
        self.loop.call_soon(self.acceptor.admit, theirs, port, (source or "127.0.0.1", 40_000))
        self.loop.settle()
        return Line(self, ours)

    def client(self, name: str, **login: Any) -> Ouch:
        """Return a client of OUCH 4.2."""
        return Ouch(self, name, **login)

    def five(self, name: str, **login: Any) -> Ouch50:
        """Return a client of OUCH 5.0."""
        return Ouch50(self, name, **login)

    def copy(self, name: str, **login: Any) -> Ouch:
        """A drop copy over SoupBinTCP."""
        return Ouch(self, name, protocol=Protocol.DROP_COPY, **login)

    def fix(self, name: str, **logon: Any) -> Fix:
        """Return a client of FIX 4.4."""
        return Fix(self, name, **logon)

    def shm(self, name: str, **login: Any) -> Shm:
        """Over shared memory."""
        return Shm(self, name, **login)

    # What it keeps.

    def commands(self) -> np.ndarray:
        """Every command in the journal."""
        assert self.journal_path is not None
        self.step()
        chunks = [orders for _, orders in JournalReader(self.journal_path).chunks()]
        return np.concatenate([np.zeros(0, ORDER_DTYPE), *chunks])
