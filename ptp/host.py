"""The boundary to the machine: every clock, device and socket that the daemon reads is read here.

Nothing of it writes: no clock is set, stepped or slewed.  Tests and ``--simulate`` put another
object in the place of :class:`Machine`.
"""

import ctypes
import fcntl
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from openoutcry.ptp import management
from openoutcry.ptp.ticks import asleep_ns, bracket_raw, bracket_realtime, ticks_now
from openoutcry.wire import OutcryError

CHRONYC = ("chronyc", "-n", "-c", "tracking")
CHRONYC_TIMEOUT_S = 2

STA_INS, STA_DEL, STA_UNSYNC = 0x10, 0x20, 0x40
MAXERROR_LIMIT_NS = 16_000_000_000
"""``maxerror`` grows by 500 us a second until here (NTP_PHASE_LIMIT in linux/timex.h)."""
TIME_OOP = 3
"""Kernel state: the inserted second is going on (adjtimex(2))."""


class SourceSilent(OutcryError):
    """A source has nothing to say just now; the message says why."""


@dataclass(frozen=True)
class Bracket:
    """A clock's reading between two of the counter."""

    before: int
    ns: int
    after: int

    @property
    def middle(self) -> int:
        """Ticks in the middle of the two readings of the counter."""
        return (self.before + self.after) // 2


@dataclass(frozen=True)
class KernelClock:
    """Report of adjtimex(2) on CLOCK_REALTIME."""

    state: int
    status: int
    maxerror_ns: int
    esterror_ns: int
    tai_offset_s: int

    @property
    def synchronised(self) -> bool:
        """Return whether a program disciplines it, and ``maxerror`` is its estimate.

        linuxptp (ptp4l, phc2sys) has none: it sets ``maxerror`` to 0 to keep the kernel from
        calling the clock unsynchronised, and leaves ``esterror`` as it was, at 16 s since boot.
        """
        estimated = 0 < self.esterror_ns <= self.maxerror_ns
        return estimated and not self.status & STA_UNSYNC

    @property
    def bound_ns(self) -> int:
        """Return how wrong the clock may be: what is admitted, or without an estimate all that
        the kernel ever admits."""
        return self.maxerror_ns if self.synchronised else max(self.maxerror_ns, MAXERROR_LIMIT_NS)


class Host(Protocol):
    """Services of a machine that the daemon needs."""

    def pause(self, seconds: float) -> None:
        """Wait."""

    def ticks(self) -> int:
        """The processor's counter."""

    def realtime(self) -> Bracket:
        """CLOCK_REALTIME between two readings of the counter."""

    def raw(self) -> Bracket:
        """CLOCK_MONOTONIC_RAW between two readings of the counter."""

    def asleep_ns(self) -> int:
        """Return how long the machine was suspended since its start."""

    def kernel(self) -> KernelClock:
        """The kernel's state of the clock.  Raises :class:`SourceSilent`."""

    def device(self, path: str, request: int, buffer: bytearray) -> None:
        """An ``ioctl`` of a device, whose answer is in ``buffer``.  Raises :class:`OSError`."""

    def manage(self, socket: str, identifier: int) -> bytes:
        """The answer of ptp4l to a management request.  Raises :class:`SourceSilent`."""

    def interface_clock(self, interface: str) -> str | None:
        """Path of the PTP clock of a network interface; None: it has none."""

    def tracking(self) -> str:
        """Return the report of ``chronyc tracking``. Raises :class:`SourceSilent`."""


class _Timex(ctypes.Structure):
    """``struct timex`` (adjtimex(2)); ``modes`` stays 0: read only."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance")),
        *((name, ctypes.c_long) for name in ("sec", "usec", "tick", "ppsfreq", "jitter")),
        ("shift", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


class Machine:
    """This machine."""

    def __init__(self) -> None:
        self._out = np.zeros(3, np.int64)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def ticks(self) -> int:
        return int(ticks_now())

    def realtime(self) -> Bracket:
        bracket_realtime(self._out.ctypes.data)
        return Bracket(*self._out.tolist())

    def raw(self) -> Bracket:
        """CLOCK_MONOTONIC_RAW: no program slews it, and it shows what the counter does by
        itself."""
        bracket_raw(self._out.ctypes.data)
        return Bracket(*self._out.tolist())

    def asleep_ns(self) -> int:
        return asleep_ns()

    def kernel(self) -> KernelClock:
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        if state < 0:
            raise SourceSilent(f"adjtimex: {os.strerror(ctypes.get_errno())}")
        errors_ns = (timex.maxerror * 1000, timex.esterror * 1000)
        return KernelClock(state, timex.status, *errors_ns, timex.tai)

    def device(self, path: str, request: int, buffer: bytearray) -> None:
        """One ioctl(2) on a PTP device.  ``OSError`` where the kernel or the driver cannot."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, request, buffer, True)
        finally:
            os.close(fd)

    def manage(self, socket: str, identifier: int) -> bytes:
        """The body of one management answer of the ptp4l that listens there."""
        try:
            return management.ask(socket, identifier)
        except management.ManagementError as error:
            raise SourceSilent(str(error)) from error

    def interface_clock(self, interface: str) -> str | None:
        """The PTP hardware clock of a network interface, None for one without."""
        devices = sorted(Path("/sys/class/net", interface, "device", "ptp").glob("ptp[0-9]*"))
        return f"/dev/{devices[0].name}" if devices else None

    def tracking(self) -> str:
        """chrony's tracking report as comma-separated values."""
        try:
            done = subprocess.run(
                CHRONYC, capture_output=True, text=True, timeout=CHRONYC_TIMEOUT_S, check=False
            )
        except FileNotFoundError:
            raise SourceSilent("chronyc is not installed") from None
        except subprocess.TimeoutExpired:
            raise SourceSilent("chronyc does not answer") from None
        if done.returncode != 0:
            message = (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"
            raise SourceSilent(f"chronyc: {message}")
        return done.stdout


def ptp_devices() -> list[str]:
    """The PTP hardware clocks of this machine."""
    return sorted(str(path) for path in Path("/dev").glob("ptp[0-9]*"))
