"""The exchange operator's lane: publishes the calendar's commands on lane 0 when due.

The lane reads in the matcher's state, after the journal, what has been sequenced already.  So a
venue that was killed at any point continues with exactly what is still due.  The last TIME says up
to where, and the phases say which instruments had their PHASE of that very moment.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import Engine
from openoutcry.matcher.state.snapshot import State
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.ring.producer import Producer
from openoutcry.runtime import control as control_words
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Ring
from openoutcry.venue.calendar import SECOND_NS, Calendar, Command, TradingDay, utc_text
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import NEW_DAY, CommandKind, Phase
from openoutcry.wire.rule_changes import SLOT
from openoutcry.wire.symbols import code_of, names_by_code

OPERATOR_RING = "operator_lane"
WIRING = TOPOLOGY.extended(
    rings=(Ring(OPERATOR_RING, "order", inline=1024, memory=1024, durable=1024, lane=0),)
)
"""The table of a venue: the operator's lane and the participants' lanes."""
NAMED_SYMBOLS = 8
"""How many instruments a note names; more are counted."""


class Clock(Protocol):
    """The venue's time, ns since the epoch."""

    def now_ns(self) -> int:
        """The time, ns since the epoch."""


class SystemClock:
    """CLOCK_REALTIME."""

    def now_ns(self) -> int:
        """The time, ns since the epoch."""
        return time.time_ns()


@dataclass
class AcceleratedClock:
    """A clock that began at ``start_ns`` when it was made and runs ``speed`` times as fast."""

    start_ns: int
    speed: float
    made_ns: int = field(default_factory=time.monotonic_ns)

    def now_ns(self) -> int:
        """The time in ns since the epoch, which passes ``speed`` times as fast."""
        return self.start_ns + int((time.monotonic_ns() - self.made_ns) * self.speed)


def remaining_due(calendar: Calendar, state: State | None, now_ns: int) -> list[Command]:
    """The calendar's commands up to now that a matcher in this state has not processed.

    A fresh matcher begins with the trading day in progress, if any.
    """
    if state is None or state.now_ns <= 0:
        day = calendar.current_or_next(now_ns)
        due = calendar.due(day.begin_ns - 1, now_ns) if day.begin_ns <= now_ns else []
        closed = dict.fromkeys(calendar.never_closing, (Phase.CLOSED, 0))
        return due + _corrections(calendar, due, closed, now_ns, now_ns)
    days = {
        traded.symbol: int(row["day"])
        for traded, row in zip(calendar.instruments, state.states, strict=True)
    }
    phases = {
        traded.symbol: (Phase(int(row["phase"])), int(row["extensions_used"]))
        for traded, row in zip(calendar.instruments, state.states, strict=True)
    }
    split = [
        command
        for day in calendar.days_between(state.now_ns - SECOND_NS, state.now_ns)
        for command in day.phases
        if command.ts_ns == state.now_ns
        and not (
            command.day <= days[command.symbol]
            if command.day
            else _is_applied(command, *phases[command.symbol])
        )
    ]
    due = split + calendar.due(state.now_ns, now_ns)
    return due + _corrections(calendar, due, phases, state.now_ns, now_ns)


def _is_applied(command: Command, phase: Phase, extensions_used: int) -> bool:
    """Return whether this PHASE has been applied: the instrument is in it, or its auction was
    extended."""
    return phase == command.phase or extensions_used > command.repeat


def _corrections(
    calendar: Calendar,
    due: Iterable[Command],
    phases: dict[str, tuple[Phase, int]],
    had_ns: int,
    now_ns: int,
) -> list[Command]:
    """PHASEs for instruments that end in another phase than the calendar's for now: its times have
    been changed meanwhile.  An auction that was put off, and that the calendar will end again,
    does not count as one."""
    symbols_due = {command.symbol for command in due if command.phase is not None}
    expected = calendar.expected(now_ns)
    ended_again = {
        command.symbol
        for day in calendar.days_between(now_ns - SECOND_NS, now_ns)
        for command in day.phases
        if command.repeat and command.ts_ns > now_ns
    }
    wrong = [
        Command(now_ns, symbol, expected[symbol])
        for symbol, (phase, extensions_used) in phases.items()
        if symbol not in symbols_due
        and phase != expected[symbol]
        and not (extensions_used and symbol in ended_again)
    ]
    return [Command(max(had_ns, now_ns)), *wrong] if wrong else []


class LaneDesk(Protocol):
    """A desk that puts commands on the operator's lane, next to the calendar's
    (``risk_desk.py``)."""

    def begin(self, shared: Shared, engine: Engine | None, operator_lane: Any) -> None:
        """Called once before the first :meth:`poll`, with what the stages share; ``engine``: as it
        was replayed."""

    def poll(
        self, put: Callable[[npt.NDArray[Any]], int], is_processed: Callable[[int], bool]
    ) -> None:
        """Like :meth:`Desk.poll`."""

    def descriptors(self) -> list[int]:
        """Descriptors by which a request may come."""

    def permits(self, calendar_command: Command) -> bool:
        """Return whether a command of the calendar may be sequenced; else it is left out."""


class OperatorLane:
    """Feeds the operator's lane of one run, which ends with its trading day, or in a venue that
    never closes when its sessions begin again."""

    def __init__(
        self,
        calendar: Calendar,
        clock: Clock,
        note: Callable[[str], None] = lambda text: None,
        asked_to_stop: Callable[[], bool] = lambda: False,
        desk: LaneDesk | None = None,
    ) -> None:
        self.calendar, self.clock, self.note = calendar, clock, note
        self.desk = desk
        self.sessions: Any = None
        self.feed: Any = None
        self.ports: Any = None
        self.kept: list[Any] = []
        """The run's processes that are started again when they die (processes.KeptProcess)."""
        self.asked_to_stop = asked_to_stop
        self.day: TradingDay | None = None
        self.time_ns = 0
        """The last TIME that was put on the lane."""
        self.end_ns = 0
        """When this run ends."""
        self.phases = {traded.symbol: Phase.CLOSED for traded in calendar.instruments}
        """As they were asked for last."""
        self._names = names_by_code(self.phases)
        self.day_ended = False
        """The day's last command is on the lane and the run was asked to stop."""
        self._due: deque[Command] = deque()
        self._records: deque[npt.NDArray[Any]] = deque()
        """The operator's own commands, which come before the calendar's."""
        self._pending_after: dict[tuple[str, int], int] = {}
        """By a lane and its awaited sequence: the number of commands that were sequenced by then.
        """
        self._shared: Shared | None = None
        self._producer: Producer | None = None
        self._polled_ns = 0
        self._set_seq: int | None = None
        """Sequence in the lane of the last command that was due when the run began."""

    def begin(self, shared: Shared, engine: Engine | None) -> None:
        """The run begins; its journal left this matcher, None: there was no journal."""
        self._shared = shared
        self._producer = shared.rings[OPERATOR_RING].producer()
        state = None if engine is None else engine.state()
        if state is not None:
            self.time_ns = max(0, state.now_ns)
            for traded, row in zip(self.calendar.instruments, state.states, strict=True):
                self.phases[traded.symbol] = Phase(int(row["phase"]))
        now_ns = max(self.clock.now_ns(), self.time_ns)
        if self.desk is not None:
            self.desk.begin(shared, engine, self)
        self._due.extend(remaining_due(self.calendar, state, now_ns))
        self._polled_ns = now_ns
        self.day = self.calendar.current_or_next(now_ns)
        # Between two days there is nothing to wait for: what was due is sequenced, and that is all.
        is_open = self.day.begin_ns <= now_ns
        self.end_ns = self.calendar.sessions_end_ns(now_ns) if is_open else now_ns

    def poll(self) -> None:
        """Publish what is due, as far as there is room; called every few milliseconds by the
        supervisor.  The lane ends after the day's last command, or when asked to stop."""
        assert self._shared is not None
        shared, control = self._shared, self._shared.control
        if self._producer is None or not control.block.go:
            return
        stopping = control.block.stop != 0 or self.asked_to_stop()
        if not stopping:
            now_ns = max(self.clock.now_ns(), self._polled_ns)
            until_ns = min(now_ns, self.end_ns)
            if until_ns > self._polled_ns:
                self._due.extend(self.calendar.due(self._polled_ns, until_ns))
                self._polled_ns = until_ns
            if self.desk is not None:
                self.desk.poll(self.put, self.is_processed)
            if self._publish() and self.sessions is not None:
                self.sessions.wake()
            self.day_ended = not (self._due or self._records) and now_ns >= self.end_ns
        if stopping or self.day_ended:
            self._producer.close()
            self._producer = None
            shared.rings[OPERATOR_RING].close()
            control.block.stop = 1

    def follow(self, calendar: Calendar) -> None:
        """Go by a calendar whose instruments are the same, some under another symbol."""
        rows = zip(self.calendar.instruments, calendar.instruments, strict=True)
        names = {before.symbol: now.symbol for before, now in rows}
        self.calendar = calendar
        self.phases = {names[symbol]: phase for symbol, phase in self.phases.items()}
        self._names = names_by_code(self.phases)
        self._due = deque(
            one._replace(symbol=names.get(one.symbol, one.symbol)) for one in self._due
        )

    def shown_phases(self) -> dict[str, str]:
        """Return the phase of each instrument, by name; a slot for one is none."""
        shown = {symbol: phase.name for symbol, phase in self.phases.items()}
        return {symbol: name for symbol, name in shown.items() if not symbol.startswith(SLOT)}

    @property
    def has_due(self) -> bool:
        """Return whether a command of the calendar is due and not on the lane yet."""
        return bool(self._due)

    def descriptors(self) -> list[int]:
        """Descriptors by which the operator may ask for something."""
        return self.desk.descriptors() if self.desk is not None else []

    @property
    def sequenced(self) -> bool:
        """Everything that was put on the lane has its place among the commands."""
        if self._shared is None:
            return False
        ring = self._shared.rings[OPERATOR_RING]
        reached = int(ring.cursors[self._shared.table.sequencer][0])
        waits = self._due or self._records
        return not waits and reached >= int(ring.published_hint[0])

    @property
    def is_caught_up(self) -> bool:
        """Everything that was put on the lane is processed."""
        return self.sequenced and self.is_processed(self._lane_end)

    @property
    def is_set(self) -> bool:
        """Return whether everything that was due when the run began is processed, so that the
        phases are the calendar's; false once the run ends."""
        if self._shared is None or self._producer is None or not self._shared.control.block.go:
            return False
        if self._set_seq is None and not (self._due or self._records):
            self._set_seq = self._lane_end
        return self._set_seq is not None and self.is_processed(self._set_seq)

    @property
    def last_seq(self) -> int:
        """The last command of the run that was sequenced; 0 while there is no run."""
        if self._shared is None or self._producer is None:
            return 0
        return int(self._shared.sequenced.published)

    @property
    def is_open(self) -> bool:
        """The ports of sessions and of packets, where there are any, take what comes."""
        sessions_open = self.sessions is None or bool(self.sessions.is_open)
        return sessions_open and (self.ports is None or bool(self.ports.takes))

    def _now_ns(self) -> int:
        assert self._shared is not None
        return self._shared.clock.monotonic_ns() + self._shared.control.block.epoch_offset

    def put(self, records: npt.NDArray[Any]) -> int:
        """Put records on the lane before what the calendar asks for; returns the lane's sequence
        of the last."""
        assert self._producer is not None
        records = records.copy()
        records["rx_ts_ns"] = self._now_ns()
        if len(records):
            self._records.append(records)
        for row in records[records["kind"] == CommandKind.PHASE]:
            self.phases[self._names[bytes(row["symbol"])]] = Phase(int(row["aux"]))
        return self._lane_end + sum(len(waiting) for waiting in self._records)

    @property
    def _lane_end(self) -> int:
        assert self._shared is not None
        return int(self._shared.rings[OPERATOR_RING].published_hint[0])

    def is_processed(self, lane_seq: int, lane: str = OPERATOR_RING) -> bool:
        """Return whether every core (and, if durable, the disk) has a lane's commands up to
        there."""
        assert self._shared is not None
        shared = self._shared
        ring = shared.rings[lane]
        if int(ring.cursors[shared.table.sequencer][0]) < lane_seq:
            return False
        target = self._pending_after.setdefault((lane, lane_seq), int(shared.sequenced.published))
        cursors = shared.sequenced.cursors
        if any(int(cursors[name][0]) < target for name in shared.table.matchers):
            return False
        durable = control_words.DURABILITIES[shared.control.block.durability] == "durable"
        if durable and shared.safe_seq("journal") < target:
            return False
        self._pending_after.pop((lane, lane_seq))
        return True

    def _publish(self) -> bool:
        """Put on the lane what there is room for; returns whether that was anything."""
        assert self._producer is not None
        before = self._lane_end
        while self._records and (room := self._producer.free_slots()):
            records = self._records.popleft()
            self._producer.publish(records[:room])
            if len(records) > room:
                self._records.appendleft(records[room:])
        count = 0 if self._records else min(len(self._due), self._producer.free_slots())
        if not count:
            return self._lane_end > before
        commands = [self._due.popleft() for _ in range(count)]
        if self.desk is not None:
            commands = [c for c in commands if self.desk.permits(c)]
        if not commands:
            return self._lane_end > before
        self._producer.publish(records_of(commands, self._now_ns()))
        for (ts_ns, phase, repeat, day), same in groupby(
            commands, key=lambda c: (c.ts_ns, c.phase, c.repeat, c.day)
        ):
            if phase is None and not day:
                self.time_ns = ts_ns
                continue
            symbols = [command.symbol for command in same]
            if phase is not None:
                self.phases |= dict.fromkeys(symbols, phase)
            if not repeat:
                few = len(symbols) <= NAMED_SYMBOLS
                which = " ".join(symbols) if few else f"{len(symbols)} instruments"
                what = f"trading day {day}" if phase is None else phase.name
                self.note(f"{utc_text(ts_ns)}: {what}: {which}")
        return True


def records_of(commands: list[Command], rx_ts_ns: int) -> npt.NDArray[Any]:
    """The commands as the operator's records."""
    records = np.zeros(len(commands), ORDER_DTYPE)
    records["rx_ts_ns"] = rx_ts_ns
    for record, command in zip(records, commands, strict=True):
        if command.day:
            record["kind"], record["aux"] = CommandKind.MASS_CANCEL, NEW_DAY
            record["symbol"], record["qty_lots"] = code_of(command.symbol), command.day
        elif command.phase is None:
            record["kind"], record["aux"] = CommandKind.TIME, command.ts_ns
        else:
            record["kind"], record["aux"] = CommandKind.PHASE, command.phase
            record["symbol"] = code_of(command.symbol)
    return records
