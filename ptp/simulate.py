"""A machine that is made up, down to the bytes of its ioctls: its true time is known.

It replaces :class:`openoutcry.ptp.host.Machine`, so that every source, the
calibration and the daemon run as they do on a real one, at any speed.  The oscillator wanders with
the temperature of the room and at random; grandmaster, hardware clock, chrony and path each have
their faults, and may step, fall silent or lie.
"""

import itertools
import math
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from openoutcry.ptp import management
from openoutcry.ptp.calibrate import WINDOW
from openoutcry.ptp.daemon import ClockDaemon, measure_nominal
from openoutcry.ptp.host import (
    MAXERROR_LIMIT_NS,
    STA_DEL,
    STA_INS,
    STA_UNSYNC,
    TIME_OOP,
    Bracket,
    KernelClock,
    Machine,
    SourceSilent,
)
from openoutcry.ptp.leap import SECOND_NS, SMEAR_POLL_S, LeapTable
from openoutcry.ptp.page import ClockError, ClockPage, PageWriter
from openoutcry.ptp.sources import (
    PTP_SYS_OFFSET,
    PTP_SYS_OFFSET_EXTENDED,
    PTP_SYS_OFFSET_PRECISE,
    ChronySource,
    CivilTime,
    KernelSource,
    LinuxptpSource,
    PhcSource,
    Source,
)
from openoutcry.ptp.ticks import Q48
from openoutcry.ring import ProcessIdentity
from openoutcry.ring.segment import segment_name
from openoutcry.wire.enums import ClockEvent, ClockState

GM_IDENTITY = 0x00C0FFEEFE00C10C
START_TAI_NS = 1_800_000_000 * SECOND_NS
SYNC_NS = SECOND_NS // 4
LEAP_WORDS = ("Normal", "Insert second", "Delete second")
"""chronyc's, by :meth:`SimulatedMachine._announced`; -1 is the last one."""


@dataclass
class World:
    """The world to simulate. ns, ppb, s; faults may be changed while it runs."""

    seed: int = 1
    ticks_per_ns: float = 2.5
    oscillator_ppb: float = 18_000.0
    day_ppb: float = 400.0
    """Amplitude of the oscillator's daily swing."""
    walk_ppb: float = 0.3
    """Standard deviation of its change in a second."""
    system_offset_ns: int = 3_000_000
    system_slew_ppb: float = 0.0
    path_ns: int = 2_000
    asymmetry_ns: int = 600
    """The way to us takes this much longer than the way back."""
    jitter_ns: float = 150.0
    spike_share: float = 0.01
    spike_ns: float = 20_000.0
    servo_ns: float = 20.0
    """How well ptp4l holds the hardware clock."""
    ioctl_ns: int = 1_200
    ioctls: tuple[int, ...] = (PTP_SYS_OFFSET_PRECISE, PTP_SYS_OFFSET_EXTENDED, PTP_SYS_OFFSET)
    chrony_ns: float = 40_000.0
    """Standard deviation of chrony's own error; it admits four times as much."""
    chronyc_ns: int = 2_000_000
    """How long chronyc takes to say it."""
    kernel_status: int = STA_UNSYNC
    kernel_errors_ns: tuple[int, int] = (MAXERROR_LIMIT_NS, MAXERROR_LIMIT_NS)
    """``maxerror`` and ``esterror``."""
    interface_clocks: dict[str, str] = field(default_factory=dict)
    """Whose hardware clock is whose; ptp4l listens on ``sim0``."""
    port_state: str = "slave"
    gm_silent: bool = False
    gm_bias_ns: int = 0
    """Error of the grandmaster's time, which it does not announce."""
    gm_jitter_ns: float = 0.0
    """Jitter of the grandmaster itself that its accuracy does not cover."""
    gm_class: int = 6
    gm_accuracy: int = 0x21
    gm_flags: int = (
        management.UTC_VALID
        | management.PTP_TIMESCALE
        | management.TIME_TRACEABLE
        | management.FREQUENCY_TRACEABLE
    )
    chrony_silent: bool = False
    chrony_bias_ns: int = 0
    phc_silent: bool = False
    smear: bool = False
    """chrony's servers, and so the system clock, smear leap seconds from noon to noon."""
    smear_lag_s: int = SMEAR_POLL_S
    """chrony goes by what they said that long ago, and by the rate from before."""


@dataclass
class SimulatedMachine:
    """The machine in that world; :attr:`true_tai_ns` is the truth."""

    table: LeapTable
    world: World = field(default_factory=World)
    true_tai_ns: int = START_TAI_NS

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.world.seed)
        self._ticks = 5_000_000_000_000.0
        self._walk_ppb = 0.0
        self._raw_ns = 1_000_000_000
        self._raw_rate = 1 / self.world.ticks_per_ns
        self._asleep_ns = 0
        self.breaks = 0
        self._start_ns = self.true_tai_ns
        self._start_ticks = self._ticks
        self._slewed_ns = 0.0
        self._measured = (0, 0)
        self._next_sync_ns = self.true_tai_ns

    # Time passes

    @property
    def rate_ppb(self) -> float:
        """Return how much faster than nominal the oscillator runs at this moment."""
        day = 2 * math.pi * (self.true_tai_ns - self._start_ns) / (86_400 * SECOND_NS)
        return self.world.oscillator_ppb + self.world.day_ppb * math.sin(day) + self._walk_ppb

    def advance(self, ns: int) -> None:
        """Let true time pass."""
        while ns > 0:
            part = min(ns, SECOND_NS // 8)
            counted = part * self.world.ticks_per_ns * (1 + self.rate_ppb * 1e-9)
            self._ticks += counted
            self._raw_ns += counted * self._raw_rate  # type: ignore[assignment]
            self._slewed_ns += part * self.world.system_slew_ppb * 1e-9
            self.true_tai_ns += part
            if part > 1_000_000:
                step = self.world.walk_ppb * math.sqrt(part / SECOND_NS)
                self._walk_ppb += step * float(self.random.standard_normal())
            ns -= part
            self._measure()

    def suspend(self, ns: int) -> None:
        """The machine sleeps: the counter stops."""
        self.true_tai_ns += ns
        self._asleep_ns += ns
        self.breaks += 1

    def migrate(self, ticks: float, ticks_per_ns: float | None = None) -> None:
        """Continue with the counter of another machine."""
        self._ticks += ticks
        self.breaks += 1
        if ticks_per_ns:
            self.world.ticks_per_ns = ticks_per_ns
            self._raw_rate = 1 / ticks_per_ns

    # What the daemon reads

    def pause(self, seconds: float) -> None:
        self.advance(round(seconds * SECOND_NS))

    def ticks(self) -> int:
        self.advance(25)
        return int(self._ticks)

    def _system_ns(self) -> int:
        """CLOCK_REALTIME: no program disciplines it here, it runs by the same oscillator."""
        counted = (self._ticks - self._start_ticks) / self.world.ticks_per_ns
        off = self.world.system_offset_ns + counted - (self.true_tai_ns - self._start_ns)
        return self._civil_ns() + round(off + self._slewed_ns)

    def _civil_ns(self) -> int:
        """Return the time that the system clock should read: UTC, or what chrony makes of
        a smear."""
        if not self.world.smear:
            return self.table.utc_of(self.true_tai_ns)
        lag_ns = self.world.smear_lag_s * SECOND_NS
        return self.table.smeared_of(self.true_tai_ns - lag_ns) + lag_ns

    def _bracket(self, raw: bool) -> Bracket:
        before = int(self._ticks)
        self.advance(20 + int(self.random.integers(0, 20)))
        ns = int(self._raw_ns) if raw else self._system_ns()
        self.advance(20)
        return Bracket(before, ns, int(self._ticks))

    def realtime(self) -> Bracket:
        return self._bracket(raw=False)

    def raw(self) -> Bracket:
        return self._bracket(raw=True)

    def asleep_ns(self) -> int:
        return self._asleep_ns

    def kernel(self) -> KernelClock:
        inserted = self.table.in_inserted_second(self.true_tai_ns) and not self.world.smear
        status = self.world.kernel_status | (0, STA_INS, STA_DEL)[self._announced()]
        return KernelClock(TIME_OOP if inserted else 5, status, *self.world.kernel_errors_ns, 0)

    def _announced(self) -> int:
        """Return what NTP servers that smear nothing announce all day: 1 a second more, -1 less, 0
        nothing."""
        leap, offset_s = self.table.next_leap(self.true_tai_ns)
        if self.world.smear or leap - self.true_tai_ns > 86_400 * SECOND_NS:
            return 0
        return offset_s - self.table.offset_at(self.true_tai_ns)

    # The grandmaster, by way of ptp4l

    def _gm_tai_ns(self) -> int:
        jitter = self.world.gm_jitter_ns * float(self.random.standard_normal())
        return self.true_tai_ns + self.world.gm_bias_ns + round(jitter)

    def _path_error_ns(self) -> float:
        noise = self.world.jitter_ns * float(self.random.standard_normal())
        if self.random.random() < self.world.spike_share:
            noise += abs(self.world.spike_ns * float(self.random.standard_normal()))
        return self.world.asymmetry_ns / 2 + noise

    def manage(self, socket: str, identifier: int) -> bytes:
        world = self.world
        if world.gm_silent:
            raise SourceSilent("the simulated grandmaster is silent")
        if identifier == management.TIME_STATUS_NP:
            offset, ingress_ns = self._offset(socket)
            return struct.pack(
                ">qqiiHHQHi8s",
                offset,
                ingress_ns,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                GM_IDENTITY.to_bytes(8),
            )
        if identifier == management.CURRENT_DATA_SET:
            return struct.pack(">Hqq", 1, 0, world.path_ns << 16)
        if identifier == management.PARENT_DATA_SET:
            return struct.pack(
                ">8sHBBHiBBBHB8s",
                b"",
                1,
                0,
                0,
                0,
                0,
                128,
                world.gm_class,
                world.gm_accuracy,
                0,
                128,
                GM_IDENTITY.to_bytes(8),
            )
        if identifier == management.PORT_DATA_SET:
            return struct.pack(">8sHBb", b"", 1, management.PORT_STATES.index(world.port_state), 0)
        if identifier == management.PORT_PROPERTIES_NP:
            return struct.pack(">8sHBBB", b"", 1, 9, 1, 4) + b"sim0\0"
        offset_s = self.table.offset_at(self.true_tai_ns)
        return struct.pack(">hBB", offset_s, world.gm_flags, 0x20)

    def _offset(self, socket: str) -> tuple[int, int]:
        """ptp4l's offset from the grandmaster now, of the clock that it uses (``phc`` in the
        socket's name: the hardware clock), and that clock's reading."""
        if "phc" in socket:
            offset = round(self.world.servo_ns * float(self.random.standard_normal()))
            return offset, self.true_tai_ns
        return self._measured

    def _measure(self) -> None:
        """Measure as ptp4l does by itself: at every sync, the system clock against
        the grandmaster."""
        if self.true_tai_ns < self._next_sync_ns or self.world.gm_silent:
            return
        self._next_sync_ns = self.true_tai_ns + SYNC_NS
        ingress_ns = self._system_ns()
        offset_s = self.table.offset_at(self.true_tai_ns)
        gm_utc_ns = self._gm_tai_ns() - offset_s * SECOND_NS
        self._measured = ingress_ns - gm_utc_ns + round(self._path_error_ns()), ingress_ns

    def device(self, path: str, request: int, buffer: bytearray) -> None:
        if self.world.phc_silent:
            raise FileNotFoundError(2, "No such file or directory")
        if request not in self.world.ioctls:
            raise OSError(95, "Operation not supported")
        if request == PTP_SYS_OFFSET_PRECISE:
            self.advance(self.world.ioctl_ns)
            self._put(buffer, 0, self._phc_ns())
            self._put(buffer, 16, self._system_ns())
            self._put(buffer, 32, int(self._raw_ns))
            self.advance(self.world.ioctl_ns)
            return
        (count,) = struct.unpack_from("=I", buffer)
        at = 16
        for _ in range(count):
            at = self._put(buffer, at, self._system_ns())
            self.advance(self.world.ioctl_ns // 2 + int(self.random.integers(0, 400)))
            at = self._put(buffer, at, self._phc_ns())
            self.advance(self.world.ioctl_ns // 2)
            if request == PTP_SYS_OFFSET_EXTENDED:
                at = self._put(buffer, at, self._system_ns())
        if request == PTP_SYS_OFFSET:
            self._put(buffer, at, self._system_ns())

    @staticmethod
    def _put(buffer: bytearray, at: int, ns: int) -> int:
        struct.pack_into("=qII", buffer, at, *divmod(ns, SECOND_NS), 0)
        return at + 16

    def _phc_ns(self) -> int:
        """The hardware clock, held on the grandmaster over the same path."""
        off = self.world.gm_bias_ns - self.world.asymmetry_ns / 2
        return self.true_tai_ns + round(off + self.world.servo_ns * self.random.standard_normal())

    def interface_clock(self, interface: str) -> str | None:
        return self.world.interface_clocks.get(interface)

    # chrony

    def tracking(self) -> str:
        world = self.world
        if world.chrony_silent:
            raise SourceSilent("the simulated chronyd does not answer")
        error = world.chrony_ns * max(-3.0, min(3.0, float(self.random.standard_normal())))
        slow = self._civil_ns() - self._system_ns() + error + world.chrony_bias_ns
        # chronyd has answered; until chronyc has printed it and ended, time passes.
        self.advance(world.chronyc_ns)
        return (
            f"C0A80001,192.168.0.1,2,0,{slow / 1e9:.12f},0,0,0,0,0,0.0,"
            f"{4 * world.chrony_ns / 1e9:.9f},64.0,{LEAP_WORDS[self._announced()]}\n"
        )


class LiveMachine(SimulatedMachine):
    """This machine's counter and clocks with a made-up grandmaster, hardware clock and chrony, so
    that every program can read the page.  The truth is CLOCK_MONOTONIC_RAW, set once by
    CLOCK_REALTIME.

    The faults of :data:`FAULTS` come round every minute and a half.
    """

    def __init__(self, table: LeapTable, world: World) -> None:
        self._machine = Machine()
        self._raw_start = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        super().__init__(table, world, table.tai_of(time.time_ns()))

    def advance(self, ns: int) -> None:
        self._raw_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        self.true_tai_ns = self._start_ns + self._raw_ns - self._raw_start
        self._measure()
        second = (self._raw_ns - self._raw_start) // SECOND_NS % FAULT_PERIOD_S
        for name, (first, last, value) in FAULTS.items():
            setattr(self.world, name, value if first <= second < last else getattr(World, name))

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _system_ns(self) -> int:
        return time.time_ns()

    def ticks(self) -> int:
        return self._machine.ticks()

    def realtime(self) -> Bracket:
        return self._machine.realtime()

    def raw(self) -> Bracket:
        return self._machine.raw()

    def asleep_ns(self) -> int:
        return self._machine.asleep_ns()

    def kernel(self) -> KernelClock:
        return self._machine.kernel()


FAULT_PERIOD_S = 90
FAULTS: dict[str, tuple[int, int, bool | int | float]] = {
    "gm_silent": (20, 30, True),
    "gm_bias_ns": (45, 52, 60_000),
    "chrony_silent": (60, 70, True),
    "phc_silent": (65, 75, True),
}
"""Faults, from which second to which of the period."""


def live_machine(table: LeapTable, seed: int) -> LiveMachine:
    """Return the machine on which ``outcry clock serve --simulate`` runs."""
    return LiveMachine(table, World(seed=seed))


class Simulation:
    """A daemon on a simulated machine, its page, and a reader who knows the truth.

    ``violations`` counts the readings whose interval, in TAI or in UTC, did not hold the true time;
    ``readings`` those that had an answer.  Both leave out what was read between a suspend or a
    migration and the daemon's next look, when no reader can know of it yet: ``window_readings`` and
    ``window_violations``.  Use it as a context: the page is shared memory.
    """

    def __init__(
        self, table: LeapTable, world: World, start_tai_ns: int = START_TAI_NS, **which: Any
    ) -> None:
        self.machine = SimulatedMachine(table, world, start_tai_ns)
        self.table, self.world = table, world
        self.events: list[tuple[float, ClockEvent]] = []
        self.bounds_ns: list[int] = []
        self.drift_errors_ppb: list[float] = []
        self.refused: dict[int, int] = {}
        self.readings = self.violations = 0
        self.window_readings = self.window_violations = 0
        nominal_ns = measure_nominal(self.machine)
        self.nominal_ns = nominal_ns
        self.writer = PageWriter(segment_name(ProcessIdentity.mine(), f"sim-{next(_NUMBER)}-clock"))
        self.page = ClockPage(self.writer.segment)
        self.daemon = ClockDaemon(
            self.machine,
            _sources(nominal_ns, **which),
            table,
            self.writer,
            nominal_ns,
            listener=self._heard,
        )

    def __enter__(self) -> "Simulation":
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    @property
    def at_s(self) -> float:
        """Return how long it has been going on."""
        return (self.machine.true_tai_ns - self.machine._start_ns) / SECOND_NS

    def run(self, seconds: float, faults: Mapping[float, Callable[[], None]] | None = None) -> None:
        """Run for that long, and read the page after each update, in between, and at its oldest.

        ``faults``: what happens at which second from now; one that breaks the counter
        comes half a second before the daemon's next look."""
        until = self.at_s + seconds
        due = sorted((self.at_s + at, fault) for at, fault in (faults or {}).items())
        while self.at_s < until:
            breaks = self.machine.breaks
            while due and due[0][0] <= self.at_s:
                due.pop(0)[1]()
            if self.machine.breaks > breaks:
                self._read_in_window()
            self.daemon.step()
            self.read()
            pause_s = self.daemon.pause_s()
            for part in (0.37, 0.63):
                self.machine.pause(pause_s * part)
                self.read()
            self._note()

    def _read_in_window(self) -> None:
        """The counter is another and the daemon has not looked yet: at once, and in between."""
        for pause_s in (0.0, 0.25):
            self.machine.pause(pause_s)
            held = self._held()
            self.window_readings += held is not None
            self.window_violations += held is False
        self.machine.pause(0.25)

    def read(self) -> None:
        """One reading of the page against the truth."""
        held = self._held()
        self.readings += held is not None
        self.violations += held is False

    def _held(self) -> bool | None:
        """Return whether the page's answer of this moment holds the truth, None without an
        answer."""
        before = self.machine.true_tai_ns
        ticks = self.machine.ticks()
        after = self.machine.true_tai_ns
        try:
            interval = self.page.at(ticks)
        except ClockError as error:
            self.refused[error.status] = self.refused.get(error.status, 0) + 1
            return None
        utc_ns = self.table.utc_of(before)
        return (
            interval.earliest_tai_ns <= after
            and before <= interval.latest_tai_ns
            and interval.earliest_utc_ns <= utc_ns + after - before
            and utc_ns <= interval.latest_utc_ns
        )

    def named(self, event: ClockEvent) -> list[float]:
        """Return when the event was."""
        return [at for at, other in self.events if other is event]

    def _note(self) -> None:
        status = self.daemon.status
        if status.state is not ClockState.UNKNOWN:
            self.bounds_ns.append(status.bound_ns)
        if status.state is ClockState.LOCKED:
            best = min(
                (f for f in self.daemon.followers if f.calibration.ready),
                key=lambda f: f.source.kind != status.source,
            )
            if len(best.calibration.samples) == WINDOW:
                true_ns = 1 / (self.world.ticks_per_ns * (1 + self.machine.rate_ppb * 1e-9))
                found_ns = best.calibration.mult_q48 / Q48
                self.drift_errors_ppb.append((true_ns / found_ns - 1) * 1e9)

    def _heard(self, event: ClockEvent, record: Any) -> None:
        if event is not ClockEvent.SAMPLE:
            self.events.append((self.at_s, event))


_NUMBER = itertools.count()


def _sources(
    nominal_ns: float,
    phc: bool = True,
    linuxptp: bool = False,
    chrony: bool = True,
    smeared: bool = False,
) -> list[Source]:
    sources: list[Source] = [KernelSource(nominal_ns, CivilTime(smeared))]
    if chrony:
        sources.insert(0, ChronySource(nominal_ns, CivilTime(smeared)))
    if linuxptp:
        sources.insert(0, LinuxptpSource(nominal_ns, "software"))
    if phc:
        sources.insert(0, PhcSource(nominal_ns, "/dev/ptp0", "phc"))
    return sources
