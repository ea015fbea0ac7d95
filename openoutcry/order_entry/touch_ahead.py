"""Touch the pages of stream stores before messages are written there.

A store grows as long as its day, and the first write to each page is a fault: 0.5 to 2 us, in which
every order waits.  Measured at 16 sessions over shared memory: a quarter of the sessions stage's
time.  So a thread of the stage's process touches them, on a core where no stage runs.
"""

import ctypes
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from openoutcry.order_entry.stream import Stream
from openoutcry.runtime.loop import sleep_on
from openoutcry.runtime.shared import MADV_POPULATE_WRITE
from openoutcry.wire.layout import SharedWord

LEAST_BYTES, MOST_BYTES = 1 << 16, 1 << 21
"""Touched after the last message: as much as a store has already, within these bounds."""
EVERY_S, QUIET_S, IDLE_US = 0.005, 0.05, 1_000_000
"""Seconds between two looks, after one that found pages to touch and after one that did not; and
how much longer it sleeps while no stage has work."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Area:
    """Memory that is used from its beginning on."""

    def __init__(self, address: int, size: int) -> None:
        """``size``: its bytes."""
        self.address, self.size = address, size
        self.end = 0
        """Bytes from the beginning up to which every page was touched, or skipped."""

    def touch(self, used: int) -> bool:
        """Touch what follows the first ``used`` bytes; returns whether there was anything to do.

        Raises OSError if the system cannot do it (Linux before 5.14), or has no room.
        """
        wanted = min(self.size, used + min(max(used, LEAST_BYTES), MOST_BYTES))
        begin = max(self.end, used)
        if wanted - begin < LEAST_BYTES // 2:
            return False
        first = self.address + begin & -4096
        if _libc.madvise(first, self.address + wanted - first, MADV_POPULATE_WRITE):
            raise OSError(ctypes.get_errno(), "madvise")
        self.end = wanted
        return True


class TouchAhead:
    """Looks after the stores of a stage's sessions until the process ends."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = streams
        self._areas = [tuple(Area(*place) for place in stream.places) for stream in streams]

    def once(self) -> bool:
        """Look at each store once; returns whether there was anything to do."""
        done = False
        for stream, areas in zip(self.streams, self._areas, strict=True):
            for area, used in zip(areas, stream.used, strict=True):
                done |= area.touch(used)
        return done

    def start(self, wake: int) -> None:
        """Do it in a thread, on the cores that the run's supervisor has; ``wake``: address of the
        word that counts when stages have work (contract/loop.py)."""
        run = threading.Thread(target=self.run, args=[wake], name="touch ahead", daemon=True)
        run.start()

    def run(self, wake: int) -> None:
        """Touch the pages ahead until the process is ended, on any core of the parent's."""
        with suppress(OSError):
            os.sched_setaffinity(0, os.sched_getaffinity(os.getppid()))
        # Without room, or on an old system, the stage touches its pages itself and reports it.
        with suppress(OSError):
            while True:
                seen = SharedWord(wake).value
                if self.once():
                    time.sleep(EVERY_S)
                else:
                    time.sleep(QUIET_S)
                    sleep_on(wake, seen, IDLE_US)
