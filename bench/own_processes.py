"""Processor time of a measurement's own processes, also of those that left their parent."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from openoutcry.bench.scratch import is_scratch_of

LOOK_S = 2.0
Times = dict[tuple[int, float], tuple[float, bool]]


class OwnProcesses:
    """This process, its living descendants, and what works in a scratch folder of this process: a
    PostgreSQL that a venue's portal started has left its parent.

    Such a process takes its time with it when it ends: :meth:`watching` looks now and then, and
    what it had used at the last look stays."""

    def __init__(self, folder_is_ours: Callable[[str], bool] = is_scratch_of) -> None:
        self.folder_is_ours = folder_is_ours
        self._known: Times = {}
        self._ended_s = 0.0
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """Used so far, with that of processes that have ended."""
        with self._lock:
            living = self._living()
            for key, (used_s, is_left) in self._known.items():
                if is_left and key not in living:
                    self._ended_s += used_s
            self._known = living
            own = os.times()
            mine = own.user + own.system + own.children_user + own.children_system
            return mine + self._ended_s + sum(used_s for used_s, _ in living.values())

    def _living(self) -> Times:
        """All but this process: seconds of each, with its ended children's, and whether nothing of
        ours is its parent."""
        me = psutil.Process()
        found = {one.pid: one for one in me.children(recursive=True)}
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if one.pid not in found and one.pid != me.pid and self.folder_is_ours(one.cwd()):
                    found[one.pid] = one
        rows: Times = {}
        for one in found.values():
            with suppress(psutil.Error):
                parent = one.ppid()
                key = one.pid, one.create_time()
                rows[key] = sum(one.cpu_times()[:4]), parent != me.pid and parent not in found
        return rows

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look each LOOK_S, for as long as this lasts."""
        is_over = threading.Event()

        def look() -> None:
            while not is_over.wait(LOOK_S):
                self.seconds()

        thread = threading.Thread(target=look, name="own processes", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
