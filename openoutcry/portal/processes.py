"""The processes of a portal at one address.

One or several serve; one more, the reader, follows the venue's journal for them.  They are children
of one that only looks after them: it has the listening socket, from which each takes connections,
the database, and the memory of what they share.  It starts a process again that has ended, and all
end with it.
"""

import logging
import mmap
import os
import select
import shutil
import signal
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from openoutcry.host.processes import fork, until_stopped
from openoutcry.operations.web_server import listening, url_of
from openoutcry.portal.folder import folder_of
from openoutcry.portal.observed import TOGETHER
from openoutcry.portal.server import Announce, Place, Portal, Settings, opened, serve
from openoutcry.portal.trading.released import read
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError

LOOK_S, AGAIN_S, END_S = 0.2, 1.0, 10.0
"""Seconds between two looks at signals; before a process that has just begun is started again; for
the end of all."""
READER = -1
"""The reader's number among the processes."""
FAILED, CARRIED_OVER = 3, 4
"""Statuses of a process that could not begin, and of one whose venue was carried over."""
log = logging.getLogger("outcry.portal")
Tls = tuple[Path, Path] | None


def serve_all(
    file: VenueFile,
    settings: Settings,
    address: tuple[str, int],
    announce: Announce,
    tls: Tls,
    count: int,
) -> bool:
    """Serve until SIGTERM or SIGINT, or until the venue is carried over, which it returns.  Raises
    :class:`OutcryError`."""
    with opened(file, settings, count) as place, listening(address, "") as listener:
        at = url_of(listener, address[0], tls is not None)
        if count > 1:
            numbers = folder_of(file) / "metrics"
            shutil.rmtree(numbers, ignore_errors=True)
            numbers.mkdir(mode=0o700)
            os.environ[TOGETHER] = str(numbers)
        return Children(file, settings, place, listener, at, announce, tls).run()


class Children:
    """Keeps the processes running."""

    def __init__(
        self,
        file: VenueFile,
        settings: Settings,
        place: Place,
        listener: socket.socket,
        at: str,
        announce: Announce,
        tls: Tls,
    ) -> None:
        self.file, self.settings, self.place, self.tls = file, settings, place, tls
        self.listener, self.at, self.announce = listener, at, announce
        self.is_carried_over = False
        self._why = mmap.mmap(-1, mmap.PAGESIZE)
        """Why a process could not begin, as that process says."""
        self._again: set[int] = set()
        """Processes that were started again."""
        self._running: dict[int, tuple[int, int, float]] = {}
        """By pid: the descriptor of the process, which one it is, when it began."""

    def run(self) -> bool:
        """Run until SIGTERM or SIGINT, or until the venue is carried over, which it returns.
        Raises :class:`OutcryError` if a process cannot begin."""
        with until_stopped() as stopped:
            try:
                self._start(READER, _quiet)
                for index in range(self.place.count):
                    self._start(index, self.announce if index == 0 else _quiet)
                while not stopped and not self.is_carried_over:
                    self._look()
            finally:
                self._stop()
        return self.is_carried_over

    def _start(self, index: int, announce: Announce) -> None:
        def work() -> int:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            try:
                if index == READER:
                    read(self.file, self.place.shared.released)
                    return 0
                portal = Portal(self.file, self.settings, replace(self.place, index=index))
                is_carried_over = serve(portal, self.listener, self.at, announce, self.tls)
            except OutcryError as error:
                self._why[:] = str(error).encode()[: len(self._why)].ljust(len(self._why), b"\0")
                return FAILED
            return CARRIED_OVER if is_carried_over else 0

        pid = fork(work, name="reader" if index == READER else f"web {index}")
        self._running[pid] = os.pidfd_open(pid), index, time.monotonic()

    def _look(self) -> None:
        ended, _, _ = select.select([row[0] for row in self._running.values()], [], [], LOOK_S)
        self._end_stuck_reader()
        for pid, (file, index, began_s) in list(self._running.items()):
            if file not in ended:
                continue
            status, words = self._end(pid), self.place.shared.released.words
            if status == CARRIED_OVER:
                self.is_carried_over = True
                return
            if index == READER:
                words.is_ready = 0
            if status == FAILED and index not in self._again:
                words.has_failed = 1
                raise OutcryError(bytes(self._why).rstrip(b"\0").decode(errors="replace"))
            name = "reader" if index == READER else f"process {index}"
            log.error("the %s of the portal ended (%d); it is started again", name, status)
            if time.monotonic() - began_s < AGAIN_S:
                time.sleep(AGAIN_S)
            self._again.add(index)
            self._start(index, _quiet)

    def _end_stuck_reader(self) -> None:
        """One that does not answer ends: the next one does."""
        for pid, (_, index, _) in self._running.items():
            if index == READER and self.place.shared.released.is_stuck(time.monotonic(), pid):
                log.error("the reader of the portal does not answer; it is ended")
                os.kill(pid, signal.SIGKILL)

    def _end(self, pid: int) -> int:
        """Release what belonged to a process that has ended; returns its status."""
        file, _, _ = self._running.pop(pid)
        os.close(file)
        _, status = os.waitpid(pid, 0)
        with suppress(OSError, KeyError):  # one process alone has none
            # What it counted stays; what it had open has ended with it.
            (Path(os.environ[TOGETHER]) / f"gauge_livesum_{pid}.db").unlink()
        return os.waitstatus_to_exitcode(status)

    def _stop(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        until_s = time.monotonic() + END_S
        while self._running:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                for pid in self._running:
                    os.kill(pid, signal.SIGKILL)
            files = [row[0] for row in self._running.values()]
            ended, _, _ = select.select(files, [], [], max(left_s, END_S / 10))
            for pid, (file, _, _) in list(self._running.items()):
                if file in ended:
                    self._end(pid)


def _quiet(at: str) -> None:
    """The URL is known."""
