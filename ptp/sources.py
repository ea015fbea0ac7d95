"""Where the time comes from: each source turns what a machine offers into samples.

All of them only read.  A sample's ``error_ns`` is everything the source cannot exclude: half of the
reading window, half of the round trip to its own source, and its stated tolerance.  (A wholly
asymmetric path is off by half the round trip, and no measurement over that path can reveal it.)
"""

import errno
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from openoutcry.ptp import management
from openoutcry.ptp.calibrate import Sample
from openoutcry.ptp.host import (
    MAXERROR_LIMIT_NS,
    STA_DEL,
    STA_INS,
    TIME_OOP,
    Bracket,
    Host,
    SourceSilent,
    ptp_devices,
)
from openoutcry.ptp.leap import SECOND_NS, LeapTable
from openoutcry.ptp.page import UNBOUNDED_NS
from openoutcry.wire.enums import ClockSource, ClockState

RATE_ERROR_PPB = 1_000_000
"""A system clock that runs further off between two readings than this was stepped meanwhile."""
SAME_CLOCK_NS = 10 * SECOND_NS
"""ptp4l's last measurement lies no further from the clock it keeps; TAI and UTC are 37 s apart."""
CHRONY_LOCAL = 0x7F7F0101
"""chrony's reference to itself (127.127.1.1): ``local``, without a source."""
CHRONY_SLEW_PPB = 100_000_000
"""chronyd slews no faster: ``maxslewrate`` is 83,333 ppm unless configured otherwise, and a tenth
is the most that Linux accepts (chrony.conf(5); the tick of adjtimex(2))."""
KERNEL_GROWTH_NS = 500_000
"""Growth of the kernel's ``maxerror`` every second: no more than that was 0 a second ago."""
KERNEL_MEMORY = 64
"""How many samples of the kernel are remembered."""
TRAIL = 8
"""Brackets of the system clock that are remembered."""


class Source(Protocol):
    """``nominal_ns``: what a tick is worth, set again when the counter has become another."""

    kind: ClockSource
    nominal_ns: float

    def sample(self, host: Host, table: LeapTable) -> Sample | None:
        """Return the source's present sample, None if it has no new one. Raises
        :class:`SourceSilent`."""
        ...


@dataclass
class CivilTime:
    """What a reading of CLOCK_REALTIME is in TAI, for one who disciplines that clock.

    The kernel reports when an inserted second is in progress.  It does not report that the servers
    which the clock follows smear it: NTP has no field for that, and they only announce no leap.
    The caller passes ``smeared`` if it knows.  A leap of our list that was not announced
    beforehand, however, may be smeared, or forgotten.  As long as that may last the clock may be a
    second off.
    """

    smeared: bool = False
    _announced_tai_ns: int | None = None

    def tai_ns(
        self, host: Host, table: LeapTable, realtime_ns: int, announced: bool
    ) -> tuple[int, int]:
        """TAI, and how far it may be off for a leap second's sake.  ``announced``: that a leap
        comes at the end of this day."""
        if self.smeared:
            tai_ns = table.tai_of_smeared(realtime_ns)
            return tai_ns, table.smear_error_ns(tai_ns)
        inserted = host.kernel().state == TIME_OOP
        tai_ns = table.tai_of(realtime_ns) + (SECOND_NS if inserted else 0)
        leap = table.leap_near(tai_ns)
        if leap is not None and tai_ns < leap:
            self._announced_tai_ns = leap if announced else None  # or withdrawn
        return tai_ns, 0 if leap in (None, self._announced_tai_ns) else SECOND_NS


def _half_window_ns(bracket: Bracket, nominal_ns: float) -> int:
    return int((bracket.after - bracket.before) * nominal_ns / 2) + 1


# The system clock


@dataclass
class KernelSource:
    """CLOCK_REALTIME, as wrong as the kernel admits (``maxerror``; 16 s when no program
    disciplines it, or one that estimates nothing).

    A program that sets ``maxerror`` to 0 again and again estimates nothing either, whatever
    ``esterror`` the one before it left.  For a number of samples more it does not vouch for it.
    """

    nominal_ns: float
    civil: CivilTime = field(default_factory=CivilTime)
    kind: ClockSource = ClockSource.KERNEL
    _errors_ns: deque[int] = field(default_factory=lambda: deque(maxlen=KERNEL_MEMORY))

    def sample(self, host: Host, table: LeapTable) -> Sample:
        """Return what adjtimex says of CLOCK_REALTIME, with a bound of its error."""
        kernel, now = host.kernel(), host.realtime()
        self._errors_ns.append(kernel.maxerror_ns)
        held = kernel.synchronised and min(self._errors_ns) > KERNEL_GROWTH_NS
        error_ns = kernel.bound_ns if held else max(kernel.bound_ns, MAXERROR_LIMIT_NS)
        insert, delete = bool(kernel.status & STA_INS), bool(kernel.status & STA_DEL)
        tai_ns, leap_ns = self.civil.tai_ns(host, table, now.ns, insert or delete)
        return Sample(
            now.middle,
            tai_ns,
            error_ns + leap_ns + _half_window_ns(now, self.nominal_ns),
            self.kind,
            held=held,
            utc_offset_s=kernel.tai_offset_s or None,
            leap_insert=insert,
            leap_delete=delete,
        )


@dataclass
class ChronySource:
    """CLOCK_REALTIME, corrected by ``chronyc tracking``.  Its error is at most the root dispersion
    plus half the root delay (chronyc(1)), plus the correction that chronyd may have applied between
    its report and our reading.

    Traceable, and held, unless chrony only follows itself (``local``).
    """

    nominal_ns: float
    civil: CivilTime = field(default_factory=CivilTime)
    kind: ClockSource = ClockSource.CHRONY

    def sample(self, host: Host, table: LeapTable) -> Sample:
        """Return what ``chronyc tracking`` says. Raises ``SourceSilent`` if chronyd does not
        answer."""
        before = host.realtime()
        words = host.tracking().strip().split(",")
        now = host.realtime()
        try:
            reference, stratum, leap = int(words[0], 16), int(words[2]), words[13]
            slow_s, root_delay_s, dispersion_s = (float(words[i]) for i in (4, 10, 11))
        except (ValueError, IndexError):
            raise SourceSilent(f"chronyc's tracking report reads {words!r}") from None
        if leap == "Not synchronised" or not 0 < stratum < 16:
            raise SourceSilent("chrony is not synchronised")
        delay_ns = round(root_delay_s * SECOND_NS / 2)
        slow_ns = round(slow_s * SECOND_NS)
        slewed_ns = min(abs(slow_ns), self._slewed_at_most_ns(before, now))
        insert, delete = leap == "Insert second", leap == "Delete second"
        tai_ns, leap_ns = self.civil.tai_ns(host, table, now.ns, insert or delete)
        local = reference == CHRONY_LOCAL
        # chronyc prints the correction that is still to come: positive where the clock is slow.
        return Sample(
            now.middle,
            tai_ns + slow_ns,
            (UNBOUNDED_NS if local else delay_ns)
            + leap_ns
            + round(dispersion_s * SECOND_NS)
            + slewed_ns
            + _half_window_ns(now, self.nominal_ns),
            self.kind,
            grandmaster=reference,
            path_delay_ns=delay_ns,
            held=not local,
            traceable=not local,
            leap_insert=insert,
            leap_delete=delete,
        )

    def _slewed_at_most_ns(self, before: Bracket, now: Bracket) -> int:
        """Return the largest slew between the two readings; raises :class:`SourceSilent` where the
        clock was stepped."""
        elapsed_ns = (now.after - before.before) * self.nominal_ns
        slewed_ns = round(elapsed_ns * CHRONY_SLEW_PPB * 1e-9) + 1
        windows_ns = sum(_half_window_ns(bracket, self.nominal_ns) for bracket in (before, now))
        if abs(now.ns - before.ns - elapsed_ns) > slewed_ns + 2 * windows_ns:
            raise SourceSilent("the system clock was stepped while chronyc ran")
        return slewed_ns


# linuxptp


@dataclass(frozen=True)
class Grandmaster:
    """ptp4l's data of the clock it listens to, and how far its own is from it."""

    offset_ns: int
    ingress_time_ns: int
    path_delay_ns: int
    identity: int
    clock_class: int
    accuracy_ns: int | None
    utc_offset_s: int
    flags: int
    port_state: str = ""

    def sample(self, ticks: int, tai_ns: int, error_ns: int, kind: ClockSource) -> Sample:
        """A sample in this grandmaster's name; what it and the path cannot exclude is added."""
        state, quality_ns = management.grandmaster_quality(
            self.clock_class, bool(self.flags & management.TIME_TRACEABLE), self.accuracy_ns
        )
        return Sample(
            ticks,
            tai_ns,
            error_ns + self.path_delay_ns + quality_ns,
            kind,
            grandmaster=self.identity,
            path_delay_ns=self.path_delay_ns,
            held=state is not ClockState.FREE_RUNNING,
            coasting=state is ClockState.HOLDOVER,
            traceable=state is not ClockState.FREE_RUNNING,
            utc_offset_s=self.utc_offset_s if self.flags & management.UTC_VALID else None,
            leap_insert=bool(self.flags & management.LEAP61),
            leap_delete=bool(self.flags & management.LEAP59),
            port_state=self.port_state,
        )


def ask_ptp4l(host: Host, socket: str) -> Grandmaster:
    """Everything about the present grandmaster.  Raises :class:`SourceSilent`."""
    try:
        status = management.time_status(host.manage(socket, management.TIME_STATUS_NP))
        port_state = management.port_state(host.manage(socket, management.PORT_DATA_SET))
        if not status.gm_present:
            raise SourceSilent(f"ptp4l hears no grandmaster (port {port_state})")
        delay_ns = management.path_delay_ns(host.manage(socket, management.CURRENT_DATA_SET))
        parent = management.parent(host.manage(socket, management.PARENT_DATA_SET))
        properties = management.time_properties(
            host.manage(socket, management.TIME_PROPERTIES_DATA_SET)
        )
    except management.ManagementError as error:
        raise SourceSilent(str(error)) from error
    if not properties.flags & management.PTP_TIMESCALE:
        raise SourceSilent("the grandmaster's time scale is arbitrary, not TAI")
    if delay_ns == 0 or status.ingress_time_ns == 0:
        raise SourceSilent("ptp4l has not measured the path to its grandmaster yet")
    return Grandmaster(
        status.master_offset_ns,
        status.ingress_time_ns,
        delay_ns,
        status.gm_identity,
        parent.clock_class,
        parent.accuracy_ns,
        properties.utc_offset_s,
        properties.flags,
        port_state,
    )


class Trail:
    """The system clock's last brackets: what the counter was at one of its past readings."""

    def __init__(self, nominal_ns: float) -> None:
        self.nominal_ns = nominal_ns
        self._brackets: deque[Bracket] = deque(maxlen=TRAIL)

    def add(self, bracket: Bracket) -> None:
        """Add a bracket; one that is earlier than the last ends the trail before it."""
        if self._brackets and bracket.ns <= self._brackets[-1].ns:
            self._brackets.clear()  # set back: what was is no longer on its scale
        self._brackets.append(bracket)

    def ticks_of(self, ns: int) -> tuple[int, int] | None:
        """The counter when the system clock read ``ns``, and how many ns that may be off: the
        windows, and what a change of its rate within the bracket could hide.  None before the
        trail, or while it is too short to tell."""
        marks = list(self._brackets)
        for before, first, last in zip(marks, marks[1:], marks[2:], strict=False):
            if first.ns <= ns <= last.ns or (before is marks[0] and before.ns <= ns <= first.ns):
                a, b = (first, last) if ns >= first.ns else (before, first)
                rates = [
                    (y.ns - x.ns) / (y.middle - x.middle)
                    for x, y in ((before, first), (first, last))
                ]
                bent_ns = abs(rates[1] - rates[0]) * (b.middle - a.middle)
                window_ns = max(_half_window_ns(x, self.nominal_ns) for x in (a, b))
                share = (ns - a.ns) / (b.ns - a.ns)
                ticks = a.middle + round(share * (b.middle - a.middle))
                return ticks, round(2 * bent_ns) + window_ns + 1
        return None


class LinuxptpSource:
    """CLOCK_REALTIME, corrected by the offset that a ptp4l with software time stamps measures.

    A measurement is used once, and the sample has the time of the measurement: the system
    clock may have been slewed since.
    """

    kind = ClockSource.LINUXPTP

    def __init__(self, nominal_ns: float, socket: str) -> None:
        self.socket = socket
        self.nominal_ns = nominal_ns
        self._ingress_ns = 0

    @property
    def nominal_ns(self) -> float:
        return self._trail.nominal_ns

    @nominal_ns.setter
    def nominal_ns(self, nominal_ns: float) -> None:
        # A trail is of the counter that was.
        self._trail = Trail(nominal_ns)

    def sample(self, host: Host, table: LeapTable) -> Sample | None:
        """Return ptp4l's newest measurement, None if it has no newer one."""
        self._trail.add(host.realtime())
        master = ask_ptp4l(host, self.socket)
        place = self._trail.ticks_of(master.ingress_time_ns)
        if master.ingress_time_ns == self._ingress_ns or place is None:
            return None
        self._ingress_ns = master.ingress_time_ns
        ticks, error_ns = place
        # ptp4l compares in UTC by the grandmaster's own offset, whether it calls it valid or not.
        master_utc_ns = master.ingress_time_ns - master.offset_ns
        return master.sample(
            ticks, master_utc_ns + master.utc_offset_s * SECOND_NS, error_ns, self.kind
        )


# PTP hardware clocks (linux/ptp_clock.h)

CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL)
"""The driver or the kernel has no such ioctl; any other error may be over at the next reading."""
_TIME = struct.Struct("=qII")
_SAMPLES = 9
_PRECISE_BYTES = 3 * _TIME.size + 16
_EXTENDED_BYTES = 16 + 25 * 3 * _TIME.size
_BASIC_BYTES = 16 + 51 * _TIME.size


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("=") << 8 | number


PTP_SYS_OFFSET = _request(1, 5, _BASIC_BYTES)
PTP_SYS_OFFSET_PRECISE = _request(3, 8, _PRECISE_BYTES)
PTP_SYS_OFFSET_EXTENDED = _request(3, 9, _EXTENDED_BYTES)


def _time_ns(buffer: bytearray, index: int, start: int) -> int:
    seconds, nanos, _ = _TIME.unpack_from(buffer, start + index * _TIME.size)
    return int(seconds * SECOND_NS + nanos)


@dataclass
class PhcSource:
    """A PTP hardware clock, ``/dev/ptp*``: the best of the three ioctls that the driver has.

    ``socket`` is of the ptp4l that holds the clock on TAI: its offset corrects the reading, its
    path delay and the grandmaster's accuracy are granted.  Without one the clock is read as TAI and
    is not traceable.  One that another clock's ptp4l would correct is silent; where its owner is
    unknown, so is one that is not ``chosen``.  Untested on hardware.
    """

    nominal_ns: float
    path: str
    socket: str | None = None
    chosen: bool = True
    kind: ClockSource = ClockSource.PHC_PRECISE
    _refused: set[ClockSource] = field(default_factory=set)

    def sample(self, host: Host, table: LeapTable) -> Sample:
        """Return a reading of the card's clock."""
        ticks, tai_ns, half_ns = self._read(host)
        if self.socket is None:
            return Sample(ticks, tai_ns, UNBOUNDED_NS, self.kind, held=False)
        self._check_owner(host, self.socket)
        master = ask_ptp4l(host, self.socket)
        if abs(master.ingress_time_ns - tai_ns) > SAME_CLOCK_NS:
            raise SourceSilent(f"{self.path}: ptp4l keeps another clock (software time stamps?)")
        # Since that offset was measured ptp4l's servo has taken some of it away.
        return master.sample(
            ticks, tai_ns - master.offset_ns, half_ns + abs(master.offset_ns), self.kind
        )

    def _check_owner(self, host: Host, socket: str) -> None:
        """Raises :class:`SourceSilent` unless that ptp4l holds this clock, as far as can be seen:
        by the interface that it listens on."""
        try:
            owned = host.interface_clock(
                management.interface(host.manage(socket, management.PORT_PROPERTIES_NP))
            )
        except (SourceSilent, management.ManagementError):
            owned = None  # an older one does not say
        if owned is None and not self.chosen:
            raise SourceSilent(f"{self.path}: ptp4l may hold another clock; choose one by --phc")
        if owned not in (None, self.path):
            raise SourceSilent(f"{self.path}: ptp4l holds {owned}")

    def _read(self, host: Host) -> tuple[int, int, int]:
        """Counter, the device's ns, and half the window; remembers what the driver refuses."""
        error: OSError | None = None
        for kind, read in (
            (ClockSource.PHC_PRECISE, self._precise),
            (ClockSource.PHC_EXTENDED, self._extended),
            (ClockSource.PHC_BASIC, self._basic),
        ):
            if kind not in self._refused:
                try:
                    result = read(host)
                except FileNotFoundError as gone:
                    raise SourceSilent(f"{self.path}: {gone.strerror}") from gone
                except OSError as refused:
                    error = refused
                    if refused.errno in CANNOT:
                        self._refused.add(kind)
                    continue
                self.kind = kind
                return result
        why = error.strerror if error else "its driver has none of the three ioctls"
        raise SourceSilent(f"{self.path}: {why}")

    def _precise(self, host: Host) -> tuple[int, int, int]:
        buffer = bytearray(_PRECISE_BYTES)
        before = host.raw()
        host.device(self.path, PTP_SYS_OFFSET_PRECISE, buffer)
        after = host.raw()
        raw_ns = _time_ns(buffer, 2, 0)
        ticks, half_ns = self._ticks_of(raw_ns, before, after)
        return ticks, _time_ns(buffer, 0, 0), half_ns

    def _extended(self, host: Host) -> tuple[int, int, int]:
        return self._narrowest(host, PTP_SYS_OFFSET_EXTENDED, _EXTENDED_BYTES, 3)

    def _basic(self, host: Host) -> tuple[int, int, int]:
        """Each reading's last system time is the next one's first."""
        return self._narrowest(host, PTP_SYS_OFFSET, _BASIC_BYTES, 2)

    def _narrowest(
        self, host: Host, request: int, size_bytes: int, stride: int
    ) -> tuple[int, int, int]:
        """Return the reading with the smallest window among (system, device, system) readings,
        ``stride`` times apart."""
        buffer = bytearray(size_bytes)
        struct.pack_into("=I", buffer, 0, _SAMPLES)
        before = host.realtime()
        host.device(self.path, request, buffer)
        after = host.realtime()
        triples = [
            tuple(_time_ns(buffer, stride * index + k, 16) for k in range(3))
            for index in range(_SAMPLES)
        ]
        first, device, last = min(triples, key=lambda triple: triple[2] - triple[0])
        ticks, half_ns = self._ticks_of((first + last) // 2, before, after)
        return ticks, device, half_ns + (last - first) // 2 + 1

    def _ticks_of(self, system_ns: int, before: Bracket, after: Bracket) -> tuple[int, int]:
        """Return the counter when the system clock read ``system_ns``, and the error in ns. Raises
        :class:`SourceSilent` when that clock was stepped between the brackets."""
        ticks = after.middle - before.middle
        ns = after.ns - before.ns
        half_ns = max(_half_window_ns(b, self.nominal_ns) for b in (before, after))
        expected = ticks * self.nominal_ns
        allowed = expected * RATE_ERROR_PPB * 1e-9 + 2 * half_ns
        if not before.ns - half_ns <= system_ns <= after.ns + half_ns or (
            abs(ns - expected) > allowed
        ):
            raise SourceSilent(f"{self.path}: the system clock was stepped during the reading")
        share = (system_ns - before.ns) / max(ns, 1)
        return before.middle + round(share * ticks), half_ns + 1


def find_sources(
    nominal_ns: float, phc: str | None, ptp4l: str | None, smeared: bool = False
) -> list[Source]:
    """Return the sources that this machine may have: ``phc`` (None: every /dev/ptp*), the ptp4l at
    that socket (None: none), chrony, the kernel. Those that are not there are silent. ``smeared``:
    the NTP servers that chrony and the kernel's clock follow smear leap seconds; PTP's time has
    none."""
    devices = [phc] if phc else ptp_devices()
    sole = len(devices) == 1
    sources: list[Source] = [PhcSource(nominal_ns, path, ptp4l, sole) for path in devices]
    if ptp4l:
        sources.append(LinuxptpSource(nominal_ns, ptp4l))
    chrony = ChronySource(nominal_ns, CivilTime(smeared))
    return [*sources, chrony, KernelSource(nominal_ns, CivilTime(smeared))]
