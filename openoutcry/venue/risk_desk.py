"""Risk in a run of a venue: the file's limits at its begin, the desk while it is open, and the
cancels that the core's own kills ask for."""

import json
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.book import read_book
from openoutcry.derivatives.collateral import Price
from openoutcry.matcher import Engine
from openoutcry.order_entry.sessions import LANE as SESSION_LANE
from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import UNLISTED_HALT
from openoutcry.risk.instrument_state import state_in
from openoutcry.risk.joined import view_of
from openoutcry.risk.protection_layout import LOGGED, OPERATORS_HALT
from openoutcry.risk.region import View, speed_bump_setting
from openoutcry.risk.requests import RequestState
from openoutcry.runtime.shared import Shared
from openoutcry.venue.announced import with_announced
from openoutcry.venue.calendar import SECOND_NS, Command, utc_text
from openoutcry.venue.carrying import Carrying
from openoutcry.venue.contract_timer import ContractTimer, contract_status
from openoutcry.venue.desk import Desk, Work
from openoutcry.venue.desk_queue import DeskQueue
from openoutcry.venue.desk_record import DeskRecord
from openoutcry.venue.file import VenueFile
from openoutcry.venue.index_timer import IndexTimer
from openoutcry.venue.instruments_desk import CALL_S, words
from openoutcry.venue.investigation import (
    Investigation,
    TakeDump,
    standing_document,
)
from openoutcry.venue.limits import FileLimits, fresh_view
from openoutcry.venue.liquidation import MS_NS, Liquidator
from openoutcry.venue.log import log_folder
from openoutcry.venue.operations import (
    ASKED_ONLY,
    Operations,
    command,
    disconnect,
    not_carried,
    words_of,
)
from openoutcry.venue.operator_lane import Clock, OperatorLane
from openoutcry.venue.protection_timer import TRADING, ProtectionTimer, phase_of
from openoutcry.venue.rules_desk import door_limits, shown_rules
from openoutcry.venue.series_timer import SeriesTimer
from openoutcry.venue.session_switch import SessionSwitch
from openoutcry.wire.enums import CommandKind, Phase
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.rule_changes import SLOT

BARRED = InstrumentState.ANNOUNCED, InstrumentState.SUSPENDED, InstrumentState.DELISTED
"""States in which no phase lets an instrument trade."""
MAX_NOTED = 16
"""How many requests that were cut off are named: the newest."""
REOPENING_S = 60
"""How long the auction calls by which an instrument opens again after a halt."""


class RiskDesk:
    """The commands of risk, next to the calendar's on the operator's lane."""

    def __init__(
        self,
        file: VenueFile,
        clock: Clock,
        note: Callable[[str], None],
        take_dump: TakeDump | None = None,
        answering: Callable[[], None] = lambda: None,
        go: Callable[[VenueFile], None] | None = None,
    ) -> None:
        """``take_dump``: writes the dump of everything when an emergency close asks for it;
        ``answering``: called before an operator is answered; ``go``: ends the run, and has the
        venue continue with another file."""
        self.file, self.clock, self.note, self.answering = file, clock, note, answering
        self.carrying = Carrying(file, go).work_of if go is not None else not_carried
        self.investigation = Investigation(file, take_dump) if take_dump else None
        self.emergency_after_seq: int | None = None
        """The last command before the emergency close of this run."""
        self.operator_lane: OperatorLane | None = None
        self.shared: Shared | None = None
        self.desk: Desk | None = None
        self.view: View | None = None
        self.limits: FileLimits | None = None
        self.protection: ProtectionTimer | None = None
        self.day_begins = False
        """The core still processes the beginning of a trading day: its report of the market's
        protection is the previous day's."""
        self.liquidator: Liquidator | None = None
        self.contracts: ContractTimer | None = None
        self.indices: IndexTimer | None = None
        self.queued = 0
        """How many requests that came while the venue was closed are not answered yet."""
        self.halted: set[str] = set()
        self.barred: set[str] = set()
        """Suspended or delisted: no phase of the calendar lets them trade."""
        self.reopenings: dict[str, tuple[int, int, int]] = {}
        """Auctions after halts, by symbol: when each ends, how often it may still be put off, and
        the seconds of that."""
        self.series: SeriesTimer | None = None
        self.switch: SessionSwitch | None = None
        self.operations: Operations | None = None
        self.record: DeskRecord | None = None
        self.rule_changes = -1
        """How often rules of instruments had changed when symbols were looked at."""
        self.cancelling: set[int] = set()
        """Killed by the core, and their DISCONNECT is under way."""

    def begin(self, shared: Shared, engine: Engine | None, operator_lane: OperatorLane) -> None:
        """The run begins; its journal left this core, None: there was no journal."""
        self.shared, self.operator_lane = shared, operator_lane
        if shared.region is None:
            self.note(
                "this journal began without risk; start a new journal for limits, kills and halts"
            )
            return
        numbers = [participant.number for participant in self.file.participants]
        if engine is not None:
            view = view_of([engine.region])
            self.file = with_announced(self.file, view)
            operator_lane.follow(self.file.calendar)
        else:
            view = fresh_view(self.file.hooks, self.file.instruments)
        file = self.file
        self.limits = FileLimits(file.risk, numbers, file.instruments, view)
        switches = view.instruments[:, lay.HALT // 8]
        halts = dict(zip(self.limits.symbols, switches.tolist(), strict=True))
        self.halted = {symbol for symbol, halt in halts.items() if halt & OPERATORS_HALT}
        contracts = set(view.contracts.number) if view.contracts is not None else set()
        self.barred = {
            symbol
            for index, (symbol, halt) in enumerate(halts.items())
            if state_in(halt) in BARRED and not (halt & UNLISTED_HALT and index in contracts)
        }
        self.view = view
        self._note_requests(view)
        if view.bump is not None:
            # Each time: it also says what time it is by this run's clock.
            operator_lane.put(self._speed_bump())
        due = self.limits.due()
        if len(due):
            operator_lane.put(due)
            self.note(f"limits of the file: {len(due) - 1} to set")
        spec = self.file.risk.liquidation
        if spec is not None:
            table, symbols = self.file.instruments, self.limits.symbols
            clock_ns = shared.clock.monotonic_ns
            self.liquidator = Liquidator(
                spec, table, symbols, self.note, clock_ns, self.file.risk.money.margin_text
            )
        if view.contracts is not None:
            symbols, funding = self.limits.symbols, self.file.risk.funding
            self.contracts = ContractTimer(self.file.calendar, symbols, self.note, funding)
            self.indices = self._indices(self.limits.symbols)
            if series := file.risk.series:
                symbols = self.limits.symbols
                self.series = SeriesTimer(series, symbols, self._index_of, self.note)
        if view.protection is not None:
            self.protection = ProtectionTimer(self.file, self.limits.symbols, self.note)
            self.protection.decisions_told = view.protection.word(LOGGED)
            begins = self.protection.day_due(view, max(self.clock.now_ns(), operator_lane.time_ns))
            if begins is not None:
                operator_lane.put(begins)
                self.day_begins = True
        self._catch_up(operator_lane, {symbol: state_in(halt) for symbol, halt in halts.items()})
        for symbol, phase in operator_lane.phases.items():
            # An auction that an operator began, before the venue was away.
            calls = phase is Phase.VOLATILITY_AUCTION and self._expected(symbol) in TRADING
            if calls and (self.protection is None or not self.protection.opens(view, symbol)):
                self._begin_reopening(symbol)

    def _catch_up(self, operator_lane: OperatorLane, states: dict[str, InstrumentState]) -> None:
        """Send the phases of states that were entered just before the venue was away, and let what
        was listed go on collecting orders."""
        for symbol, state in states.items():
            phase = operator_lane.phases[symbol]
            is_opening = state is InstrumentState.PRE_OPEN and self._expected(symbol) in TRADING
            is_late = symbol in self.barred and phase not in (Phase.HALT, Phase.CLOSED)
            if is_late or (is_opening and phase in (Phase.CLOSED, Phase.PRE_OPEN)):
                for record in self._entered(symbol, state, CALL_S):
                    if int(record["aux"][0]) != phase:
                        operator_lane.put(record)

    def _note_requests(self, view: View) -> None:
        """Report the unfinished requests to the operators as the run begins."""
        if view.requests is None:
            self.note(
                "this journal began without references: a repeated request takes effect again"
            )
            return
        for reference, state in view.requests.unfinished()[-MAX_NOTED:]:
            how = "after its effect" if state is RequestState.EFFECTIVE else "before its end"
            self.note(f"request {reference!r} was interrupted {how}; repeat it to finish it")

    def _speed_bump(self) -> npt.NDArray[Any]:
        """The delay, and the seed to draw from: a secret random one, if the file has none."""
        file = self.file
        delay_us, window_us = file.speed_bump_us, file.speed_bump_window_us
        seed = file.speed_bump_seed or 1 + secrets.randbelow(1 << 62)
        drawn = f" and up to {window_us} us more" if window_us else ""
        self.note(f"speed bump: {delay_us} us{drawn}")
        seed *= window_us != 0
        return speed_bump_setting(1_000 * delay_us, 1_000 * window_us, seed)

    @property
    def listens(self) -> bool:
        """Return whether the desk takes requests; True in a run without limits, which has no
        desk."""
        return self.limits is None or self.desk is not None

    def descriptors(self) -> list[int]:
        """Descriptors by which a request may come."""
        return self.desk.descriptors() if self.desk is not None else []

    def poll(
        self, put: Callable[[npt.NDArray[Any]], int], is_processed: Callable[[int], bool]
    ) -> None:
        """While the run is under way: requests, kills, openings that are due."""
        if self.limits is None:
            return
        assert self.view is not None
        if self.desk is None:
            # The matchers' processes have put their states there by now.
            assert self.shared is not None
            self.view = self.limits.view = view_of(self.shared.regions)
            assert self.operator_lane is not None
            lane_had = partial(self.operator_lane.is_processed, lane=SESSION_LANE)
            self.switch = SessionSwitch(self.operator_lane.sessions, lane_had, self.note)
            self.operations = Operations(
                self.limits,
                self._halt,
                self._dump,
                self.note,
                self.switch.work,
                self._call,
                self._same_time,
                self._dumped,
                self.switch,
                self._today,
                self._report,
                self.carrying,
                self._entered,
                lambda index, row: door_limits(self.file)(index, row),
                lambda slot: self.file.sessions.price_decimals[slot],
            )
            self.operations.operators.keep(log_folder(self.file.journal) / "codes-desk.json")
            self.record = DeskRecord(self.file.journal)
            self.desk = Desk(self.file.journal, self._work_of, self.answering, self.note)
            self._take_queue(put)
        self._follow_symbols()
        self.desk.poll(put, is_processed)
        if self.investigation is not None:
            self.investigation.poll(self.note)
        self._cancel(put)
        if self.day_begins:
            assert self.operator_lane is not None
            self.day_begins = not self.operator_lane.is_caught_up
        elif self.protection is not None and self.file.calendar.never_closes:
            assert self.operator_lane is not None
            begins = self.protection.day_due(self.view, self.operator_lane.time_ns)
            if begins is not None:
                put(begins)
                self.day_begins = True
        if self.protection is not None and not self.day_begins:
            assert self.operator_lane is not None
            stopped = self.halted | self.barred
            self.protection.poll(self.view, self.operator_lane, self._expected, stopped, put)
        if self.liquidator is not None:
            assert self.operator_lane is not None
            self.liquidator.poll(self.view, self.operator_lane.phases, put, is_processed)
        if self.contracts is not None:
            self.contracts.poll(self.view, self.clock.now_ns(), put, is_processed)
        if self.indices is not None:
            self.indices.poll(self.view, self.clock.now_ns(), put, is_processed)
        if self.series is not None:
            self.series.poll(self.view, self.clock.now_ns(), put, is_processed)
        self._end_reopenings(put)

    def _follow_symbols(self) -> None:
        """Take the symbols of the pairs that were announced since."""
        assert self.view is not None
        assert self.limits is not None
        assert self.operator_lane is not None
        assert self.operations is not None
        rules = self.view.rules
        if rules is None or rules.word("changes") == self.rule_changes:
            return
        self.rule_changes = rules.word("changes")
        before, file = self.file.symbols, with_announced(self.file, self.view)
        if file is self.file:
            return
        self.file, self.limits.spec = file, file.risk
        self.operator_lane.follow(file.calendar)
        for was, now in zip(before, file.symbols, strict=True):
            for group in (self.halted, self.barred):
                if was in group:
                    group.remove(was)
                    group.add(now)
        self.limits.symbols[:] = file.symbols
        self.operations.spec, self.operations.money.spec = file.risk, file.risk.money

    def _indices(self, symbols: list[str]) -> IndexTimer | None:
        """Return what marks the contracts, if the file has an index."""
        risk = self.file.risk
        if not risk.indices:
            return None
        book = read_book(risk.margin_file) if risk.margin_file else None
        surfaces = book.surfaces if book else {}
        collateral = {}
        for number, name in enumerate(risk.collateral):
            if book is not None and name in book.underlyings:
                price, ticks = book.prices[name], book.underlyings[name].price_ticks
                at_tick = Price.rounded(price.numerator, price.denominator * ticks)
                collateral[name] = number, at_tick
        contracts = {symbol: one.contract for symbol, one in risk.contracts.items()}
        now_ns = self.clock.now_ns()
        mark_every_ns = 0
        if risk.liquidation is not None and self.liquidator is not None:
            mark_every_ns = risk.liquidation.mark_every_ms * MS_NS
            self.liquidator.marks = False
        given = risk.indices, contracts, surfaces, symbols, self.note, now_ns, collateral
        return IndexTimer(*given, mark_every_ns)

    def _index_of(self, underlying: str) -> int | None:
        """The index of an underlying, None without."""
        return None if self.indices is None else self.indices.price_of(underlying)

    def _report(self, underlying: str, source: str, price: int) -> str:
        """A source of an index reports a price; returns why it is not taken."""
        if self.indices is None:
            return "the venue file has no [[index]]"
        return self.indices.report(underlying, source, price, self.clock.now_ns())

    def _today(self) -> int:
        """Number of the trading day, YYYYMMDD."""
        day = self.file.calendar.current_or_next(self.clock.now_ns())
        return int(day.day.strftime("%Y%m%d"))

    def _work_of(self, request: dict[str, Any]) -> Work:
        """Return the work of a request; it is recorded with operator and reason."""
        assert self.operations is not None
        assert self.shared is not None
        assert self.view is not None
        seq, before = int(self.shared.sequenced.published), self.view.word(lay.EMERGENCY)
        work, by = self.operations.work_of(request), self.operations.name_of(request)
        if request["do"] == "emergency-close" and before == 0:
            self.emergency_after_seq = seq
        repeated = work.more.get("repeated", False)
        if repeated:
            self.note(f"requested again by {by or 'the account'}: {words_of(request)}")
        if request["do"] not in ASKED_ONLY and not repeated:
            request = request | {"reference": work.more.get("reference", "")}
            work.begun = partial(self._begun, work.begun, by, request)
        return work

    def _begun(self, begun: Callable[[], None], by: str, request: dict[str, Any]) -> None:
        begun()
        assert self.record is not None
        assert self.shared is not None
        if by or request.get("why"):
            why = f": {request['why']}" if request.get("why") else ""
            self.note(f"requested by {by or 'the account'}: {words_of(request)}{why}")
        after_seq = int(self.shared.sequenced.published)
        self.record.note(self.clock.now_ns(), after_seq, by, request)

    def _take_queue(self, put: Callable[[npt.NDArray[Any]], int]) -> None:
        """Do the requests that were made between two days first; killed meanwhile, the next run
        does what is left of it."""
        assert self.desk is not None

        def answered(answer: dict[str, Any]) -> None:
            if self.desk is None:
                return  # The run has ended: the next one continues with it.
            self.queued -= 1
            if "error" in answer:
                self.note(f"requested while closed, but failed: {answer['error']}")
            for line in answer.get("done", ()):
                self.note(f"requested while closed: {line}")
            if self.queued == 0:
                DeskQueue(self.file).done()

        requests = list(DeskQueue(self.file).waiting())
        self.queued = len(requests)
        for request in requests:
            self.desk.take(request, put, answered)

    def close(self) -> None:
        """End an investigation under way, and close the desk."""
        if self.investigation is not None:
            self.investigation.close(self.note)
        desk, self.desk = self.desk, None
        if desk is not None:
            desk.close()

    def permits(self, calendar_command: Command) -> bool:
        """Return whether what the calendar asks for is sent: a halted instrument stays halted,
        to the end of its day, and an operator's auction ends by itself or with the calendar's."""
        symbol = calendar_command.symbol
        if calendar_command.phase is None:
            return True
        if symbol in self.reopenings and calendar_command.phase in TRADING:
            return False
        self.reopenings.pop(symbol, None)
        if self.protection is not None and not self.day_begins:
            assert self.view is not None
            if not self.protection.permits(self.view, calendar_command):
                return False
        is_stopped = symbol in self.halted or symbol in self.barred
        return not is_stopped or calendar_command.phase is Phase.CLOSED

    def sessions(self) -> list[dict[str, Any]]:
        """Return how each session is."""
        return self.switch.status() if self.switch is not None else []

    def status(self) -> dict[str, Any]:
        """Return what is switched off."""
        view = self.view
        if view is None or self.limits is None or self.desk is None:
            return {}
        flags = view.participants[:, lay.FLAGS // 8]
        groups = view.groups[:, lay.GROUP_KILL // 8]
        return {
            "halted": sorted(self.halted),
            "states": self._states(view),
            "rules": self._rules(view),
            "slots": sum(symbol.startswith(SLOT) for symbol in self.limits.symbols),
            "suspended": np.flatnonzero(flags & lay.SUSPENDED_FLAG).tolist(),
            "killed": np.flatnonzero(flags & lay.KILLED_FLAGS).tolist(),
            "liquidated": [
                who
                for who in np.flatnonzero(flags & lay.KILLED_BY_MARGIN).tolist()
                if view.is_under(who) and view.cells[who, :, lay.POSITION // 8].any()
            ],
            "shortfalls": [] if view.wallets is None else view.wallets.shortfalls(),
            "groups_killed": [n for n, row in self.limits.groups.items() if groups[row]],
            "market_killed": bool(view.word(lay.MARKET_KILL)),
            "emergency_step": view.word(lay.EMERGENCY),
            **self._waiting(view),
            **contract_status(view, self.limits.symbols),
            **({"indices": self.indices.status()} if self.indices else {}),
        } | (self.protection.status(view) if self.protection else {})

    def _states(self, view: View) -> dict[str, str]:
        """Return the state of each instrument that does not trade as its phase says."""
        assert self.limits is not None
        halts = view.instruments[:, lay.HALT // 8].tolist()
        states = dict(zip(self.limits.symbols, map(state_in, halts), strict=True))
        trades = InstrumentState.TRADING
        return {
            symbol: words(state)
            for symbol, state in states.items()
            if state is not trades and not symbol.startswith(SLOT)
        }

    def _rules(self, view: View) -> dict[str, dict[str, str]]:
        """Return the rules of each instrument that are others than the venue file's."""
        assert self.limits is not None
        if view.rules is None or not view.rules.word("changes"):
            return {}
        found: dict[str, dict[str, str]] = {}
        rows = zip(self.limits.symbols, self.file.instruments, view.rules.table, strict=True)
        for symbol, filed, row in rows:
            of_file = shown_rules(filed)
            other = {name: t for name, t in shown_rules(row).items() if t != of_file[name]}
            found |= {symbol: other} if other else {}
        return found

    def _waiting(self, view: View) -> dict[str, Any]:
        """Return the requests of one operator that need another one."""
        if self.operations is None:
            return {}
        names, wishes = self.operations.operators, self.operations.four_eyes.waiting()
        return {
            "reopening_asked_by": names.name(view.word(lay.FIRST_OPERATOR)),
            "waiting": [
                {"what": wish.shown, "asked_by": names.name(wish.operator)} for wish in wishes
            ],
        }

    def _cancel(self, put: Callable[[npt.NDArray[Any]], int]) -> None:
        """Cancel the open orders of each participant that the core has killed for its losses."""
        assert self.view is not None
        flags = self.view.participants[:, lay.FLAGS // 8]
        wanted = set(np.flatnonzero(flags & lay.CANCEL_WANTED).tolist())
        for who in sorted(wanted - self.cancelling):
            self.note(f"participant {who} is killed by its limits; its orders are cancelled")
            put(disconnect(who))
        self.cancelling = wanted

    def _expected(self, symbol: str) -> Phase:
        return self.file.calendar.expected(self.clock.now_ns())[symbol]

    def _halt(self, symbol: str, on: bool) -> Iterable[npt.NDArray[Any]]:
        """The PHASE of a halt, or of what comes after it: an auction, if the instrument should
        trade continuously now."""
        assert self.operator_lane is not None
        self.reopenings.pop(symbol, None)
        if on:
            self.halted.add(symbol)
            return (
                []
                if self.operator_lane.phases[symbol] is Phase.CLOSED
                else [phase_of(symbol, Phase.HALT)]
            )
        self.halted.discard(symbol)
        return self._opening(symbol)

    def _entered(
        self, symbol: str, state: InstrumentState, call_s: int
    ) -> Iterable[npt.NDArray[Any]]:
        """The PHASE of an instrument's new state: none if its phase stays what it was.  ``call_s``:
        how long one that is listed collects orders."""
        assert self.operator_lane is not None
        if state in BARRED:
            self.reopenings.pop(symbol, None)
            self.barred.add(symbol)
            phase = Phase.HALT if state is InstrumentState.SUSPENDED else Phase.CLOSED
            is_closed = self.operator_lane.phases[symbol] is Phase.CLOSED
            return [] if is_closed else [phase_of(symbol, phase)]
        was_barred = symbol in self.barred
        self.barred.discard(symbol)
        if state is InstrumentState.PRE_OPEN and self._expected(symbol) in TRADING:
            self._begin_reopening(symbol, call_s)
            return [phase_of(symbol, Phase.PRE_OPEN)]
        return self._opening(symbol) if was_barred and symbol not in self.halted else []

    def _opening(self, symbol: str) -> Iterable[npt.NDArray[Any]]:
        """The PHASE of what the calendar has now: an auction, if it trades continuously.  What is
        suspended or delisted stays as it is."""
        phase = self._expected(symbol)
        if phase is Phase.CLOSED or symbol in self.barred:
            return []
        if phase in TRADING:
            assert self.view is not None
            if self.protection is None or not self.protection.opens(self.view, symbol):
                self._begin_reopening(symbol)
            phase = Phase.VOLATILITY_AUCTION
        return [phase_of(symbol, phase)]

    def _call(self, symbol: str) -> Iterable[npt.NDArray[Any]]:
        """The PHASE by which an auction begins in an instrument that trades continuously."""
        assert self.operator_lane is not None
        both = self.operator_lane.phases[symbol], self._expected(symbol)
        if any(phase is not Phase.CONTINUOUS for phase in both):
            return []
        self._begin_reopening(symbol)
        return [phase_of(symbol, Phase.VOLATILITY_AUCTION)]

    def _begin_reopening(self, symbol: str, call_s: int = REOPENING_S) -> None:
        traded = next(one for one in self.file.calendar.instruments if one.symbol == symbol)
        until_ns = self.clock.now_ns() + call_s * SECOND_NS
        self.reopenings[symbol] = until_ns, traded.extensions, traded.extension_s

    def _end_reopenings(self, put: Callable[[npt.NDArray[Any]], int]) -> None:
        """End the auctions that an operator began, again while they may have been put off; where
        they were not, that changes nothing.  A pause that came meanwhile has its own end."""
        assert self.view is not None
        now_ns = self.clock.now_ns()
        for symbol, (until_ns, left, extension_s) in list(self.reopenings.items()):
            if until_ns > now_ns:
                continue
            del self.reopenings[symbol]
            ends = Command(now_ns, symbol, self._expected(symbol), 1)
            if self.protection is not None and not self.protection.permits(self.view, ends):
                continue
            if left:
                self.reopenings[symbol] = until_ns + extension_s * SECOND_NS, left - 1, extension_s
            put(phase_of(symbol, self._expected(symbol)))

    def _same_time(self) -> npt.NDArray[Any]:
        """The TIME that was sequenced last, again."""
        assert self.operator_lane is not None
        return command(CommandKind.TIME, aux=max(1, self.operator_lane.time_ns))

    def _dump(self, what: str) -> dict[str, str]:
        """Write the current state to a file in the journal's folder, and begin the dump of
        everything; returns the paths of both."""
        assert self.view is not None
        assert self.limits is not None
        assert self.shared is not None
        seq = int(self.shared.sequenced.published)
        document = standing_document(self.view, self.limits, utc_text(self.clock.now_ns()), seq)
        name = f"{what}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        path = self.file.journal / f"{name}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(document, indent=1), encoding="utf-8")
        new.replace(path)
        shown = {"state": str(path)}
        if self.investigation is not None:
            before_seq = seq if what == "rehearsal" else self.emergency_after_seq
            shown["dump"] = str(self.investigation.begin(name, document, before_seq))
        return shown

    def _dumped(self) -> bool:
        return self.investigation is None or self.investigation.is_done(self.note)
