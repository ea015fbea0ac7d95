"""The clock daemon: reads every source, keeps the page, says what happened.  It steers nothing.

Each source has its own calibration.  Of those with a line the page shows the one with the
narrowest interval; where another's interval does not meet it, the bound covers both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ptp.calibrate import SAMPLES_MIN, Calibration, Oscillator, Sample, Verdict
from openoutcry.ptp.host import TIME_OOP, Host, KernelClock, SourceSilent
from openoutcry.ptp.leap import SECOND_NS, Announcements, LeapTable
from openoutcry.ptp.page import UNBOUNDED_NS, Line, PageWriter
from openoutcry.ptp.sources import Source
from openoutcry.ptp.ticks import ASLEEP_NS
from openoutcry.wire import CLOCK_DTYPE
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from openoutcry.wire.records import MAX_VALUE

WARNING_NS, CRITICAL_NS = 10_000, 100_000
"""The first is the bound above which the daemon warns.  The second is RTS 25's limit (Delegated
Regulation (EU) 2017/574, annex, tables 1 and 2).  For gateways of at most 1 ms that is 100 us from
UTC, with a granularity of 1 us."""
CLEARED = 0.9
"""A level is left this far below its threshold, so that nothing flaps."""
SILENT_NS = 4 * SECOND_NS
"""Without a believed sample for this long, a source is held over."""
STEP_S, QUICK_S, QUICK_STEPS = 1.0, 0.125, 4 * SAMPLES_MIN
RATE_PPB, RATE_NS = 20_000, 5_000
"""The counter and CLOCK_MONOTONIC_RAW part by no more than this, or it is another counter."""

NOMINAL_S = 0.05
"""How long the counter's nominal rate is measured."""

OK_LEVEL, WARNING_LEVEL, CRITICAL_LEVEL = range(3)
LEVEL_EVENTS = (ClockEvent.CLEARED, ClockEvent.WARNING, ClockEvent.CRITICAL)


@dataclass
class Follower:
    """A source and what its samples have come to."""

    source: Source
    calibration: Calibration
    last: Sample | None = None
    believed_ticks: int = 0
    announced: int = 0
    """The leap second that it announces: 1 inserted, -1 left out, 0 none."""
    silent: str = ""
    verdict: Verdict | None = None


@dataclass
class Status:
    """The daemon's last state: of what it publishes, in separate words."""

    state: ClockState = ClockState.UNKNOWN
    source: ClockSource = ClockSource.NONE
    grandmaster: int = 0
    bound_ns: int = MAX_VALUE
    growth_ppb: int = 0
    utc_offset_s: int = 0
    flags: ClockFlag = field(default_factory=lambda: ClockFlag(0))
    level: int = CRITICAL_LEVEL
    tai_ns: int = 0
    rts25_since_tai_ns: int = 0


Listener = Callable[[ClockEvent, npt.NDArray[Any]], None]


class ClockDaemon:
    """Call :meth:`step` again and again; :meth:`pause_s` says when.

    ``writer``: a :class:`PageWriter` (or anything with its ``publish``, ``add_evidence``,
    ``set_rts25``, ``set_asleep`` and ``set_sources``).  ``listener`` gets every event with its
    clock record.  With ``simulated`` the source of page and records is SIMULATED.  They claim
    nothing of RTS 25.
    """

    def __init__(
        self,
        host: Host,
        sources: Sequence[Source],
        table: LeapTable,
        writer: PageWriter,
        nominal_ns: float,
        *,
        oscillator: Oscillator | None = None,
        stale_ms: int = 3_000,
        listener: Listener | None = None,
        simulated: bool = False,
    ) -> None:
        self.host, self.leaps, self.writer = host, Announcements(table), writer
        self.nominal_ns, self.stale_ms = nominal_ns, stale_ms
        self.listener = listener
        self.simulated = simulated
        grant = oscillator or Oscillator()
        self.followers = [Follower(s, Calibration(nominal_ns, grant)) for s in sources]
        self.status = Status()
        self._raw = host.raw()
        self._asleep_ns = host.asleep_ns()
        self._disagreed = False
        self._quick_left = QUICK_STEPS

    def pause_s(self) -> float:
        """Return how long to wait before the next step: short until every source had time for a
        line."""
        return QUICK_S if self._quick_left else STEP_S

    def step(self) -> None:
        """One round: the counter's continuity, every source, the page, the evidence."""
        self._quick_left = max(0, self._quick_left - 1)
        events = self._check_counter()
        if events:
            # First of all no reader may continue with what the counter was.
            self._publish_unknown(self.host.ticks())
            self.writer.set_asleep(self._asleep_ns)
            for follower in self.followers:
                follower.calibration.forget()
            self._set_nominal(measure_nominal(self.host))
            self._quick_left = QUICK_STEPS
        for follower in self.followers:
            events += self._poll(follower)
        ticks = self.host.ticks()
        best = self._best(ticks)
        if best is not None:
            self._heed_leaps(best, ticks)
        before = self.status
        if best is None:
            self.status = Status(rts25_since_tai_ns=before.rts25_since_tai_ns)
            self._publish_unknown(ticks)
        else:
            self.status = self._look(best, ticks)
            self._confirm(best, ticks)
            self._publish(best, ticks)
        self._note_rts25(before)
        self.writer.set_sources([self._source_row(follower, ticks) for follower in self.followers])
        self._record(best, [*events, *self._changes(before)] or [ClockEvent.SAMPLE])

    def close(self) -> None:
        """Leave a last record and end the page."""
        self._record(self._best(self.host.ticks()), [ClockEvent.STOPPED])
        self.writer.close()

    @property
    def table(self) -> LeapTable:
        """The leap seconds in force: the list's, and those that sources announce."""
        return self.leaps.in_force

    @table.setter
    def table(self, table: LeapTable) -> None:
        self.leaps = Announcements(table)

    # The counter

    def _check_counter(self) -> list[ClockEvent]:
        """Return whether it is still the counter it was."""
        before, before_asleep = self._raw, self._asleep_ns
        self._raw, self._asleep_ns = self.host.raw(), self.host.asleep_ns()
        if self._asleep_ns - before_asleep > ASLEEP_NS:
            return [ClockEvent.SUSPENDED]
        elapsed_ns = self._raw.ns - before.ns
        counted_ns = (self._raw.middle - before.middle) * self.nominal_ns
        windows = (before.after - before.before + self._raw.after - self._raw.before) / 2
        allowed = elapsed_ns * RATE_PPB * 1e-9 + windows * self.nominal_ns + RATE_NS
        if abs(counted_ns - elapsed_ns) <= allowed:
            return []
        return [ClockEvent.MIGRATED]

    def _set_nominal(self, nominal_ns: float) -> None:
        self.nominal_ns = nominal_ns
        for follower in self.followers:
            follower.calibration.nominal_ns = nominal_ns
            follower.source.nominal_ns = nominal_ns
        self._raw = self.host.raw()

    # The sources

    def _poll(self, follower: Follower) -> list[ClockEvent]:
        try:
            sample = follower.source.sample(self.host, self.table)
        except SourceSilent as error:
            follower.silent = str(error)
            return []
        follower.silent = ""
        if sample is None:
            return []
        follower.last = sample
        follower.verdict = follower.calibration.add(sample)
        if follower.verdict in (Verdict.GATHERED, Verdict.BELIEVED, Verdict.NOISE):
            follower.believed_ticks = sample.ticks
            follower.announced = sample.leap_insert - sample.leap_delete if sample.traceable else 0
        events = {Verdict.STEP: ClockEvent.STEP, Verdict.SLEW: ClockEvent.SLEW}
        return [events[follower.verdict]] if follower.verdict in events else []

    def _heed_leaps(self, best: Follower, ticks: int) -> None:
        steps = frozenset(f.announced for f in self.followers if f.announced)
        stated = best.calibration.samples[-1]
        offset_s = stated.utc_offset_s if stated.traceable else None
        self.leaps.update(best.calibration.tai_at(ticks), steps, offset_s)

    def _best(self, ticks: int) -> Follower | None:
        """The narrowest interval among sources that are vouched for; else among the rest.

        The kernel's state names no daemon: it is used only where no other source is found.
        """
        ready = [f for f in self.followers if f.calibration.ready]
        named = any(
            f.source.kind != ClockSource.KERNEL and _held(f) and not self._silent(f, ticks)
            for f in ready
        )

        def rank(f: Follower) -> tuple[bool, bool, int]:
            nameless = named and f.source.kind == ClockSource.KERNEL
            return not _held(f), nameless, f.calibration.bound_ns(ticks)

        return min(ready, key=rank, default=None)

    def _silent(self, follower: Follower, ticks: int) -> bool:
        return (ticks - follower.believed_ticks) * self.nominal_ns > SILENT_NS

    def _contradictions(self, best: Follower, ticks: int) -> list[tuple[Follower, int]]:
        """The followers whose interval does not meet the best one's, and how far theirs reaches."""
        line, bound = best.calibration.tai_at(ticks), best.calibration.bound_ns(ticks)
        pairs = []
        for other in self.followers:
            if other is best or not other.calibration.ready or not _held(other):
                continue
            away = abs(other.calibration.tai_at(ticks) - line)
            theirs = other.calibration.bound_ns(ticks)
            if away > bound + theirs:
                pairs.append((other, away + theirs))
        return pairs

    def _confirm(self, best: Follower, ticks: int) -> None:
        """A source in doubt that another one agrees with is followed again."""
        for doubted in self.followers:
            calibration, sample = doubted.calibration, doubted.last
            if not calibration.doubt_ns or sample is None:
                continue
            for witness in self.followers:
                if witness is doubted or not witness.calibration.ready or not _held(witness):
                    continue
                apart = abs(witness.calibration.tai_at(sample.ticks) - sample.tai_ns)
                allowed = witness.calibration.bound_ns(sample.ticks) + sample.error_ns
                ours = abs(witness.calibration.tai_at(ticks) - calibration.tai_at(ticks))
                excluded = ours > witness.calibration.bound_ns(ticks) + calibration.own_bound_ns(
                    ticks
                )
                if apart <= allowed and excluded:
                    calibration.follow()
                    break

    # What is said

    def _look(self, best: Follower, ticks: int) -> Status:
        calibration, last = best.calibration, best.calibration.samples[-1]
        tai_ns = calibration.tai_at(ticks)
        contradictions = self._contradictions(best, ticks)
        bound_ns = max([calibration.bound_ns(ticks), *(reach for _, reach in contradictions)])
        offset_s, disputed_ns, flags = self._utc_offset(last, tai_ns)
        bound_ns += disputed_ns
        if bound_ns >= UNBOUNDED_NS:
            bound_ns = MAX_VALUE
        if not last.held:
            state = ClockState.FREE_RUNNING
        elif calibration.doubt_ns or last.coasting or self._silent(best, ticks):
            state = ClockState.HOLDOVER
        else:
            state = ClockState.LOCKED
        if last.traceable:
            flags |= ClockFlag.TRACEABLE
            if bound_ns <= CRITICAL_NS and _utc_known(last, flags) and not self.simulated:
                flags |= ClockFlag.RTS25
        if calibration.doubt_ns or contradictions:
            flags |= ClockFlag.DOUBTED
        return Status(
            state,
            ClockSource.SIMULATED if self.simulated else last.source,
            last.grandmaster,
            bound_ns,
            calibration.growth_ppb(ticks),
            offset_s,
            flags,
            self._level(bound_ns),
            tai_ns,
            self.status.rts25_since_tai_ns,
        )

    def _utc_offset(self, last: Sample, tai_ns: int) -> tuple[int, int, ClockFlag]:
        """TAI minus UTC, by how many ns it is disputed, and what there is to say about it."""
        offset_s, flags = self.table.offset_at(tai_ns), ClockFlag(0)
        leap_tai_ns, next_offset_s = self.table.next_leap(tai_ns)
        if leap_tai_ns - tai_ns < 86_400 * SECOND_NS:
            flags |= ClockFlag.LEAP_INSERT if next_offset_s > offset_s else ClockFlag.LEAP_DELETE
        expired = tai_ns // SECOND_NS - offset_s >= self.table.expires_utc_s
        if expired:
            flags |= ClockFlag.LIST_EXPIRED
        disputed_s = self.leaps.disputed_s
        if last.utc_offset_s is not None and last.utc_offset_s != offset_s:
            flags |= ClockFlag.OFFSET_DISPUTED
            if expired:
                offset_s = last.utc_offset_s
            elif last.traceable:
                disputed_s = max(disputed_s, abs(last.utc_offset_s - offset_s))
        if disputed_s:
            flags |= ClockFlag.OFFSET_DISPUTED
        return offset_s, disputed_s * SECOND_NS, flags

    def _level(self, bound_ns: int) -> int:
        before = self.status.level
        level = OK_LEVEL
        for candidate, limit in ((WARNING_LEVEL, WARNING_NS), (CRITICAL_LEVEL, CRITICAL_NS)):
            if bound_ns > limit * (CLEARED if before >= candidate else 1):
                level = candidate
        return level

    def _changes(self, before: Status) -> list[ClockEvent]:
        """The events that lie between two looks."""
        now, events = self.status, []
        if (now.state, now.source, now.grandmaster) != (
            before.state,
            before.source,
            before.grandmaster,
        ):
            events.append(ClockEvent.STATE)
        if now.level != before.level:
            events.append(LEVEL_EVENTS[now.level])
        disagreed = bool(now.flags & ClockFlag.DOUBTED)
        if disagreed and not self._disagreed:
            events.append(ClockEvent.DISAGREE)
        self._disagreed = disagreed
        if before.utc_offset_s and now.utc_offset_s and now.utc_offset_s != before.utc_offset_s:
            events.append(ClockEvent.LEAP)
        return events

    def _source_row(self, follower: Follower, ticks: int) -> dict[str, Any]:
        """One source for people: what it says, how well it is believed, or why it says nothing."""
        calibration, last = follower.calibration, follower.last
        return {
            "source": follower.source.kind.name.lower(),
            "silent": follower.silent or None,
            "bound_ns": calibration.bound_ns(ticks) if calibration.ready else None,
            "held": last.held if last else False,
            "traceable": last.traceable if last else False,
            "doubted": bool(calibration.doubt_ns),
            "port_state": (last.port_state if last else "") or None,
        }

    def _note_rts25(self, before: Status) -> None:
        """Since when it holds (positive) or does not (negative), TAI ns; 0 nothing is known."""
        holds = bool(self.status.flags & ClockFlag.RTS25)
        since = before.rts25_since_tai_ns
        if self.status.tai_ns and (since == 0 or holds != (since > 0)):
            since = self.status.tai_ns if holds else -self.status.tai_ns
        elif not self.status.tai_ns and since > 0:
            since = -before.tai_ns
        self.status.rts25_since_tai_ns = since
        self.writer.set_rts25(since)

    def _publish(self, best: Follower, ticks: int) -> None:
        status = self.status
        leap_tai_ns, next_offset_s = self.table.next_leap(status.tai_ns)
        self.writer.publish(
            Line(
                base_ticks=ticks,
                base_tai_ns=status.tai_ns,
                mult_q48=best.calibration.mult_q48,
                bound_ns=min(status.bound_ns, UNBOUNDED_NS),
                growth_ppb=status.growth_ppb,
                stale_ms=self.stale_ms,
                utc_offset_s=status.utc_offset_s,
                state=status.state,
                source=status.source,
                leap_tai_ns=leap_tai_ns,
                next_utc_offset_s=next_offset_s,
            )
        )

    def _publish_unknown(self, ticks: int) -> None:
        self.writer.publish(
            Line(ticks, 0, 0, 0, 0, self.stale_ms, 0, ClockState.UNKNOWN, ClockSource.NONE)
        )

    def _record(self, best: Follower | None, events: Sequence[ClockEvent]) -> None:
        for event in events:
            record = np.zeros(1, CLOCK_DTYPE)
            status = self.status
            values: dict[str, int] = {
                "tai_ts_ns": status.tai_ns,
                "bound_ns": status.bound_ns,
                "utc_offset_s": status.utc_offset_s,
                "flags": int(status.flags),
                "state": int(status.state),
                "source": int(status.source),
                "event": int(event),
            }
            if best is not None:
                last = best.last or best.calibration.samples[-1]
                values |= {
                    "offset_ns": best.calibration.offset_ns,
                    "drift_ppb": best.calibration.drift_ppb,
                    "path_delay_ns": last.path_delay_ns,
                    "grandmaster": last.grandmaster,
                }
            for name, value in values.items():
                record[name] = value
            self.writer.add_evidence(record)
            if self.listener:
                self.listener(event, record)


def _utc_known(last: Sample, flags: ClockFlag) -> bool:
    """Return whether UTC is as well known as TAI.  Where list and source name different offsets
    one of them is a second off; a list that has ended knows nothing of a leap since."""
    if flags & ClockFlag.OFFSET_DISPUTED:
        return False
    return not flags & ClockFlag.LIST_EXPIRED or last.utc_offset_s is not None


def _held(follower: Follower) -> bool:
    return follower.calibration.samples[-1].held


def measure_nominal(host: Host) -> float:
    """ns a tick by CLOCK_MONOTONIC_RAW: what the kernel takes the counter's rate to be."""
    first = host.raw()
    host.pause(NOMINAL_S)
    last = host.raw()
    return (last.ns - first.ns) / (last.middle - first.middle)


def kernel_evidence(kernel: KernelClock, realtime_ns: int, table: LeapTable) -> npt.NDArray[Any]:
    """One clock record about CLOCK_REALTIME, which reads ``realtime_ns``, as the kernel sees it:
    what there is to say where no daemon runs.  An array of one CLOCK_DTYPE, its ``seq`` 0."""
    record = np.zeros(1, CLOCK_DTYPE)
    tai_ns = table.tai_of(realtime_ns) + (SECOND_NS if kernel.state == TIME_OOP else 0)
    record["tai_ts_ns"], record["bound_ns"] = tai_ns, kernel.bound_ns
    record["utc_offset_s"] = table.offset_at(tai_ns)
    record["state"] = ClockState.LOCKED if kernel.synchronised else ClockState.FREE_RUNNING
    record["source"], record["event"] = ClockSource.KERNEL, ClockEvent.SAMPLE
    return record
