"""Serve a venue: each trading day is a run of the pipeline on one journal.  In a venue that never
closes a run lasts until its sessions begin again, and the days end in it.

A day's run begins where the journal ends, brings the phases to what the calendar says, and ends
after the day's last command.  Between two days the journal is put away: a checkpoint, finished
segments compressed, and those retired that no kept day needs.  After a crash, serving the venue
again resumes it.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import numpy.typing as npt

from openoutcry.host.processes import (
    STOP_SIGNALS,
    KeptProcess,
    fork_reporting,
    handling,
    outcome,
)
from openoutcry.journal import Journal, JournalError, JournalReader
from openoutcry.journal.archive import archive
from openoutcry.journal.checkpoint import make_checkpoints, retire_before
from openoutcry.journal.reader import TEST
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.unwritten import is_unwritten
from openoutcry.market_data.spec import Door
from openoutcry.order_entry.sessions_checkpoint import make_sessions_checkpoint, newest_seq
from openoutcry.order_entry.spec import SessionsSpec
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import Sample, Watcher, run
from openoutcry.pipeline.warm_run import Stale
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import PipelineError
from openoutcry.venue import days
from openoutcry.venue.calendar import Command, TradingDay, utc_text
from openoutcry.venue.canary import note_served, require_canary
from openoutcry.venue.carry import carry, is_begun
from openoutcry.venue.desk import Desk
from openoutcry.venue.desk_queue import DeskQueue
from openoutcry.venue.fee_collection import FeeCollection
from openoutcry.venue.file import VenueFile
from openoutcry.venue.funding_follower import FundingProcess
from openoutcry.venue.investigation import TakeDump
from openoutcry.venue.limits import check_instruments, check_structure
from openoutcry.venue.log import VenueLog
from openoutcry.venue.operator_lane import Clock, OperatorLane, SystemClock
from openoutcry.venue.position_messages import answers_of
from openoutcry.venue.risk_desk import RiskDesk
from openoutcry.venue.run_parts import sessions_of, wiring_of
from openoutcry.wire.private_folder import require_ours

WAIT_S = 0.05
DAYS_RETRY_S = 1.0
"""From one attempt to note an ended day to the next: the journal may not have its end yet."""
STATUS_S = 0.5
MAX_DAYS_SHOWN = 31
"""The document about a stopped venue has its last days, not all."""


class IdleSource:
    """A source without commands: for a venue without a packet port."""

    name = "nobody"
    count_hint: int | None = 0

    def __init__(self, instruments: npt.NDArray[Any]) -> None:
        self.instruments = instruments
        self.account: dict[str, int] = {}

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        """Return no commands."""
        return iter(())


@dataclass
class Venue:
    """A venue that is being served."""

    file: VenueFile
    watcher: Watcher = field(default_factory=Watcher)
    clock: Clock = field(default_factory=SystemClock)
    stopping: bool = False
    finished: list[dict[str, Any]] = field(default_factory=list)
    """The days finished so far."""
    last_run: dict[str, Any] = field(default_factory=dict)
    take_dump: TakeDump | None = None
    """Writes the dump of everything at an emergency close; None: only the state then is written."""
    lane: OperatorLane | None = None
    desk: RiskDesk | None = None
    sessions: SessionsSpec | None = None
    """Sessions of the day that is served."""
    lead: Any = None
    """State with which the first day of a promoted standby continues (replica/hot_standby.py)."""
    warm_run: Any = None
    """Prepared run of a standby's first day, which waits there (pipeline/warm_run.py)."""
    following: VenueFile | None = None
    """The file with which the venue continues when its run has ended."""
    carried: dict[str, Any] = field(default_factory=dict)
    """What became of the last request to continue with another file: ``number`` of the file, and
    ``error`` if the venue continues as before."""
    kept: tuple[KeptProcess, ...] = ()
    """Processes beside the venue's own, which are started again when they die."""
    _status_due_s: float = 0.0
    _counts: dict[str, int] = field(default_factory=dict)
    """Commands and events of the last sample."""
    _noted: bool = False
    """Whether it is noted that this build has served the journal."""
    _funding: FundingProcess | None = None
    """Writes what positions are paid in funding, while a day with perpetuals is open."""
    _fees: FeeCollection = field(init=False)
    _days_pid: int = 0
    """Process that notes the days that have ended in a run; 0: none."""
    _days_fd: int = -1
    """Descriptor of its outcome."""
    _days_due_s: float = 0.0
    _archive_due: bool = False
    """The last run of a venue that never closes has ended, and the journal is not archived yet."""
    _days_after_seq: int = 0
    """A command before the end of every day that is not noted yet."""
    _last_noted: date = date.min
    _began_ns: int = 0
    """First TIME of the journal; 0: not known yet."""

    def __post_init__(self) -> None:
        self._fees = FeeCollection(lambda text: self.watcher.note(text))

    def serve(self, resume: bool = False) -> dict[str, Any]:
        """Serve until SIGTERM or SIGINT; returns what happened.

        ``resume``: refuse to begin a new journal.
        """
        log = self._own_log()
        shown = self.watcher.note

        def note(text: str) -> None:
            log.write("info", text)
            shown(text)

        detail = partial(log.write, "debug")
        self.watcher = replace(self.watcher, note=note, detail=detail)
        try:
            log.write("info", "serving" if self.warm_run is None else "standing by")
            served = self._serve(resume)
            log.write("info", "stopped")
            return served
        except Stale:
            log.write("info", "prepared state is rebuilt")
            raise
        except BaseException as error:
            log.write("error", f"ended by {type(error).__name__}: {error}")
            raise
        finally:
            self.watcher = replace(self.watcher, note=shown)
            log.close()

    def _own_log(self) -> VenueLog:
        """The log, after checking that what the journal's directory and the log's hold can only be
        ours."""
        try:
            if self.file.journal.exists():
                require_ours(self.file.journal)
            return VenueLog(self.file.journal, self.file.name, self._sequenced)
        except OSError as error:
            raise PipelineError(f"{error.filename}: {error.strerror}") from None

    def _serve(self, resume: bool) -> dict[str, Any]:
        journal = self.file.journal
        for warning in self.file.warnings:
            self.watcher.note(f"{self.file.path.name}: {warning}")
        exists = Journal.exists(journal)
        if resume and not exists:
            raise PipelineError(f"{journal} has no journal to resume; start without --resume")
        with handling(self._stop, *STOP_SIGNALS):
            # What was due when the venue was killed is sequenced first, whatever the hour.
            if exists:
                self._day()
            while not self.stopping:
                self._wait_for_the_day()
                if not self.stopping:
                    self._day()
            self._say("stopped")
        return {
            "venue": self.file.name,
            "journal": str(journal),
            "days": self.finished[-MAX_DAYS_SHOWN:],
            "last_run": self.last_run,
        }

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def _wait_for_the_day(self) -> None:
        """Wait until the next trading day begins."""
        day = self.file.calendar.current_or_next(self.clock.now_ns())
        if self.clock.now_ns() < day.begin_ns:
            self.watcher.note(f"closed until {utc_text(day.begin_ns)}")
        has_journal = self.file.journal.is_dir()
        desk = Desk(self.file.journal, DeskQueue(self.file).work_of) if has_journal else None
        try:
            while not self.stopping and self.clock.now_ns() < day.begin_ns:
                if desk is not None:
                    desk.poll(lambda records: 0, lambda seq: True)
                self._say("closed", every_s=STATUS_S)
                time.sleep(WAIT_S)
        finally:
            if desk is not None:
                desk.close()

    def _day(self) -> None:
        """One run, to the end of its trading day or to a stop."""
        if self.file.canary:
            require_canary(self.file.journal)
        calendar = self.file.calendar
        lane, desk = self.staff()
        watcher = replace(self.watcher, sample=self._sample)
        try:
            result = run(self.options(lane), watcher)
        except KeyboardInterrupt:
            # Asked to stop before it had begun, or a second time.
            self.stopping = True
            return
        finally:
            desk.close()
            self._fees.close()
            if self._days_pid:
                self._days_noted(wait=True)
            if self._funding is not None:
                self._funding.close()
                self._funding = None
        self.last_run = {
            key: result[key]
            for key in (
                "commands",
                "events",
                "trades",
                "lost",
                "duplicated",
                "state_hash",
                "open_orders",
                "resumed",
                "restarts",
                "stalls",
            )
        }
        if self.file.packets:
            self.last_run["packets"] = result["source"]["account"]
        if lane.day_ended:
            if self._ended_day() is not None:
                self._note_days()
                self._days_noted(wait=True)
            self._finish_day(calendar.last_ended(lane.end_ns))
        elif self.following is None:
            self.stopping = True
        if self.following is not None and not self.stopping:
            self._carry_over(self.following)

    def _run_ends(self) -> bool:
        return self.stopping or self.following is not None

    def _go_on_with(self, new: VenueFile) -> None:
        """End the run, and continue with another file; nothing is known of it yet."""
        self.following, self.carried = new, {}
        self.say_open()

    def _carry_over(self, new: VenueFile) -> None:
        """Continue in a new journal with another file, or, if that cannot be, as before."""
        self.following = None
        for _ in range(2):
            pid, fd = fork_reporting(partial(carry, new), STOP_SIGNALS)
            os.waitpid(pid, 0)
            report = outcome(fd) or {"error": "the process that carries the venue over was killed"}
            os.close(fd)
            if "error" not in report or not is_begun(new.journal):
                break
        self.carried = {"number": new.number, **report}
        if "error" in report:
            self.watcher.note(f"the venue continues as before: {report['error']}")
            return
        self.file = new
        names = ", ".join(report["instruments"]) or "none"
        self.watcher.note(f"the venue continues with {new.path.name}; new instruments: {names}")

    def staff(self) -> tuple[OperatorLane, RiskDesk]:
        """The operator's lane of the day's run, and the desk that goes by it."""
        note = self.watcher.note
        desk = self.desk = RiskDesk(
            self.file, self.clock, note, self.take_dump, self.say_open, self._go_on_with
        )
        self.lane = OperatorLane(self.file.calendar, self.clock, note, self._run_ends, desk)
        return self.lane, desk

    def _take_warm_run(self) -> Any:
        """The day's run waits for its standby, if this is its first."""
        warm_run, self.warm_run = self.warm_run, None
        if warm_run is not None:
            sessions, calendar = self.sessions, self.file.calendar
            day = calendar.session_day(self.clock.now_ns())

            def fits() -> bool:
                """The day is the one that the sessions were made for."""
                same = calendar.session_day(self.clock.now_ns()) == day
                return same and (sessions is None or sessions == self.sessions_of(sessions.delayed))

            warm_run.fits = fits
        return warm_run

    def options(self, lane: OperatorLane) -> Options:
        """Options of the day's run."""
        file = self.file
        journal = file.journal
        resume = Journal.exists(journal) and not is_unwritten(journal)
        hooks = self._hooks(resume)
        self.sessions = self.sessions_of(int((hooks or {}).get("delayed", 0)))
        return Options(
            source=None if file.packets else IdleSource(file.instruments),
            ports=[file.packets] if file.packets else [],
            packet_sessions=file.packet_sessions,
            instruments=file.instruments,
            symbols=file.symbols,
            name=f"{TEST * file.is_test}venue {file.name}",
            config_number=file.number,
            source_kind="venue",
            durability=file.durability,
            journal=journal,
            resume=resume,
            volatile_journal=file.volatile_journal,
            copies=() if resume else file.copies,
            policy=file.policy,
            replication=self._replication(),
            checkpoint_every=file.checkpoint_every,
            order_capacity=file.order_capacity,
            hooks=hooks,
            housekeeping_cores=file.housekeeping_cores,
            gateway=file.gateway,
            verify=False,
            wiring=wiring_of(file),
            sessions=self.sessions,
            answer=partial(answers_of, file) if file.risk.contracts else None,
            feed=file.feed,
            feed_door=partial(_feed_door, file) if file.feed and file.feed.fix else None,
            operator=lane,
            warm_run=self._take_warm_run(),
        )

    def _replication(self) -> Replication | None:
        lead, self.lead = self.lead, None
        return self.file.replication and replace(self.file.replication, lead=lead)

    def _hooks(self, resume: bool) -> Mapping[str, Any] | None:
        """Risk, with the structure that the journal began with."""
        file = self.file
        numbers = [participant.number for participant in file.participants]
        before = JournalReader(file.journal).config if resume else {}
        hooks = before.get("hooks") if resume else file.hooks
        if resume:
            check_instruments(before["instruments"], instruments_to_json(file.instruments))
        check_structure(
            hooks, file.risk, numbers, file.delayed, file.partitions, file.participant_capacity
        )
        return hooks

    def sessions_of(self, delayed: int) -> SessionsSpec | None:
        """Like :func:`run_parts.sessions_of`, for the venue's file now."""
        return sessions_of(self.file, self.clock.now_ns(), delayed)

    def _finish_day(self, day: TradingDay | None) -> None:
        """Archive the journal after a finished day, in a process whose end frees its memory."""
        if day is None:
            return
        run = self.last_run
        row = days.day_row(day, run["commands"], run["state_hash"], run["open_orders"])
        row["closed_ns"] = time.time_ns()
        done = days.finished_days(self.file.journal)
        if not done or done[-1]["day"] != row["day"]:
            days.note_day(self.file.journal, row)
            self.finished.append(row)
        if self.file.calendar.never_closes:
            # The next run begins at once, and archives once it is open.
            self._archive_due = True
            self._report_ended([row])
            return
        work = partial(archive_sessions, self.file, self.sessions)
        pid, fd = fork_reporting(work, STOP_SIGNALS)
        _, status = os.waitpid(pid, 0)
        self._archived(fd, status, [row])

    def _archived(self, fd: int, status: int, rows: list[dict[str, Any]]) -> None:
        """Report how the process has ended that archives the journal after these days."""
        report = outcome(fd)
        os.close(fd)
        failed = report.get("error", "" if status == 0 else f"ended with status {status}")
        for line in report.get("done", []):
            self.watcher.note(line)
        if failed:
            # The venue continues without an archive: the next day's end tries again.
            self.watcher.note(f"the journal could not be archived: {failed}")
        self.finished += report.get("days", [])
        self._report_ended(rows + report.get("days", []))

    def _report_ended(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.watcher.note(
                f"{row['day']} has ended: {row['last_seq']:,} commands so far, "
                f"{row['open_orders']:,} orders stay open"
            )

    def _follow_days(self) -> None:
        """Note the days that have ended in the run of a venue that never closes, and archive the
        journal after them, in a process at the lowest priority."""
        assert self.lane is not None
        if self._days_pid:
            self._days_noted()
        elif self._ended_day() is None and not self._archive_due:
            # What is put on the lane from now on is sequenced after it.
            self._days_after_seq = max(self._days_after_seq, self.lane.last_seq)
        elif self.lane.is_caught_up and self._days_due_s <= time.monotonic():
            self._days_due_s = time.monotonic() + DAYS_RETRY_S
            self._note_days()

    def _note_days(self) -> None:
        assert self.lane is not None
        begun = self._days_after_seq, self.lane.end_ns
        work = partial(finish_and_archive, self.file, self.sessions, *begun, self._archive_due)
        self._archive_due = False
        self._days_pid, self._days_fd = fork_reporting(work, STOP_SIGNALS)

    def _days_noted(self, wait: bool = False) -> None:
        """Report what the process has done that notes days, if it has ended; ``wait`` for it."""
        ended, status = os.waitpid(self._days_pid, 0 if wait else os.WNOHANG)
        if ended:
            self._days_pid = 0
            self._archived(self._days_fd, status, [])

    def _ended_day(self) -> TradingDay | None:
        """Return the last day that has ended in the run of a venue that never closes, if it is not
        noted yet.  The run's end notes the day that ends with it."""
        lane, calendar = self.lane, self.file.calendar
        if lane is None or not calendar.never_closes:
            return None
        day = calendar.last_ended(min(lane.time_ns, lane.end_ns - 1))
        if day is None or day.day <= self._last_noted:
            return None
        done = days.finished_days(self.file.journal)
        if done:
            self._last_noted = date.fromisoformat(done[-1]["day"])
            return day if day.day > self._last_noted else None
        # The journal began after the end of the day before its first one.
        self._began_ns = self._began_ns or days.first_time_ns(JournalReader(self.file.journal))
        return day if day.end_ns > self._began_ns > 0 else None

    def _sample(self, sample: Sample) -> None:
        self._counts = {"commands": sample.commands, "events": sample.events}
        lane, desk = self.lane, self.desk
        if lane is not None and lane.is_open and desk is not None and desk.listens:
            if not self._noted:
                self._noted = True
                note_served(self.file.journal)
            self._follow_funding()
            for one in self.kept:
                one.look(self.watcher.note)
            self._follow_days()
            if self.file.collect_fees:
                self._fees.look(self.file)
            self._say("open", every_s=STATUS_S, **self._counts)
        self.watcher.sample(sample)

    def _processes(self) -> list[dict[str, Any]]:
        """The processes that are started again when they die, but the stages and the feed's own."""
        lane = self.lane
        assert lane is not None
        kept = [*lane.kept, *(lane.feed.others if lane.feed else ())]
        own = [self._funding] if self._funding else []
        return [one.row for one in (*kept, *own, *self.kept)]

    def _follow_funding(self) -> None:
        if self._funding is not None:
            self._funding.look(self.watcher.note)
        elif _has_perpetuals(self.file):
            self._funding = FundingProcess(self.file.journal)

    def _sequenced(self) -> int:
        # Samples come now and then, the first some time after the run began.
        of_run = self.lane.last_seq if self.lane is not None else 0
        return max(of_run, self._counts.get("commands", 0))

    def say_open(self) -> None:
        """Write the status before an operator is answered, so that it shows the effect."""
        self._say("open", **self._counts)

    def _say(self, state: str, every_s: float = 0.0, **more: int) -> None:
        """Write the status, at most once in ``every_s``."""
        now_s = time.monotonic()
        if now_s < self._status_due_s and every_s:
            return
        self._status_due_s = now_s + every_s
        if self.file.journal.is_dir():
            days.write_status(self.file.journal, self.status(state) | more)

    def status(self, state: str) -> dict[str, Any]:
        """Return what ``outcry venue status`` shows: state, phases, what comes next."""
        now_ns = self.clock.now_ns()
        lane, desk = self.lane, self.desk
        coming = self.file.calendar.current_or_next(now_ns)
        next_phase = next((c for c in coming.phases if c.ts_ns > now_ns), None)
        if next_phase is None and self.file.calendar.never_closes:
            next_phase = Command(coming.end_ns)
        return {
            "venue": self.file.name,
            "test": self.file.is_test,
            "state": state,
            "time": utc_text(now_ns),
            "day": coming.day.isoformat() if coming.begin_ns <= now_ns else None,
            "sequenced_time_ns": lane.time_ns if lane else 0,
            "phases": lane.shown_phases() if lane else {},
            "risk": desk.status() if desk and state == "open" else {},
            "sessions": desk.sessions() if desk and state == "open" else [],
            "feed": lane.feed.status() if lane and lane.feed and state == "open" else {},
            "processes": self._processes() if lane and state == "open" else [],
            "phases_sequenced": lane.sequenced if lane and state == "open" else True,
            "carried": self.carried,
            "next": next_phase
            and {
                "at": utc_text(next_phase.ts_ns),
                "phase": next_phase.phase.name if next_phase.phase else "NEW_DAY",
            },
        }


def _has_perpetuals(file: VenueFile) -> bool:
    return any(contract.contract.kind == PERPETUAL for contract in file.risk.contracts.values())


def finish_and_archive(
    file: VenueFile, sessions: SessionsSpec | None, after_seq: int, before_ns: int, is_due: bool
) -> dict[str, Any]:
    """Note the days that have ended in a run before a time, and archive the journal after them, or
    if it ``is_due``, while the run continues; in a separate process."""
    os.nice(19)
    rows = days.finish_days(file.journal, file.calendar, after_seq, before_ns)
    return {"days": rows, **(archive_sessions(file, sessions) if rows or is_due else {})}


def archive_sessions(file: VenueFile, sessions: SessionsSpec | None) -> dict[str, Any]:
    """Checkpoint at the journal's end, compress finished segments, and retire those that no kept
    day needs; in a separate process."""
    os.nice(19)
    directory = file.journal
    done = [path.name for path in make_checkpoints(directory)]
    if sessions is not None:
        paths = make_sessions_checkpoint(directory, sessions, file.instruments)
        done += [f"sessions: {path.name}" for path in paths]
    try:
        done += archive(directory)
    except JournalError as error:
        done.append(str(error))
    if file.retention_days:
        until_seq = days.retired_until(directory, file.retention_days)
        if sessions is not None and until_seq is not None:
            # No further than the sessions can be made again without.
            until_seq = min(until_seq, newest_seq(directory)) or None
        if until_seq is not None:
            done += retire_before(directory, until_seq)
    return {"done": done}


def _feed_door(file: VenueFile, shared: Shared) -> Door:
    """Return what serves market data over FIX, in the process that calls."""
    from openoutcry.venue.market_data_door import door_of  # asyncio, for few

    return door_of(file, shared)
