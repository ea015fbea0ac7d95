"""Phases that the core's market protection requires, published on the operator's lane.

The core stops entry by itself (``risk/protection.py``).  Halts, re-opening auctions and the close
are the matcher's phases, and come from here.  The core's state alone decides what this timer asks
for, so a venue that was killed at any point continues with what is still due.
"""

from collections.abc import Callable, Collection
from typing import Any

import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View, setting
from openoutcry.venue.calendar import (
    CALL_PHASES,
    UNCROSSING_PHASES,
    Command,
    moment_ns,
)
from openoutcry.venue.file import VenueFile
from openoutcry.venue.operations import command
from openoutcry.venue.operator_lane import OperatorLane
from openoutcry.wire.enums import CommandKind, Phase
from openoutcry.wire.symbols import code_of

TRADING = (Phase.CONTINUOUS, Phase.TRADING_AT_LAST)
Put = Callable[[npt.NDArray[Any]], int]
WHY = {
    protection_layout.BY_BANDS: "price bands",
    protection_layout.BY_VOLATILITY: "volatility",
    protection_layout.BY_VELOCITY: "velocity",
    protection_layout.BY_MARKET: "the market-wide breaker",
    protection_layout.BY_GROUP: "one that it halts together with",
}
STATES = ("normal", "limit state", "paused", "paused", "re-opening auction")


def phase_of(symbol: str, phase: Phase) -> npt.NDArray[Any]:
    """Return the command that sets an instrument's phase."""
    return command(CommandKind.PHASE, symbol=code_of(symbol), aux=phase)


class ProtectionTimer:
    """Timer of one run of a venue whose journal has protection."""

    def __init__(self, file: VenueFile, symbols: list[str], note: Callable[[str], None]) -> None:
        self.file, self.symbols, self.note = file, symbols, note
        self.decisions_told = 0
        """Decisions of the core's log that were reported already."""
        self.called: dict[str, int] = {}
        """The pause after which an instrument was called, by symbol."""
        self.opened: dict[str, tuple[int, int]] = {}
        """The call whose end was asked for, by symbol: its pause and when it began.  One that is
        put off begins again."""

    def day_due(self, view: View, now_ns: int) -> npt.NDArray[Any] | None:
        """The command by which a trading day begins; None if it has."""
        assert view.protection is not None
        calendar = self.file.calendar
        day = calendar.current_or_next(now_ns)
        number = int(day.day.strftime("%Y%m%d"))
        if day.begin_ns > now_ns or number <= view.protection.word(protection_layout.DAY):
            return None
        cut_off_ns = moment_ns(calendar.zone, day.day, self.file.risk.cut_off_s)
        return setting(Setting.TRADING_DAY, number, second=cut_off_ns)

    def poll(
        self,
        view: View,
        operator_lane: OperatorLane,
        expected: Callable[[str], Phase],
        halted: Collection[str],
        put: Put,
    ) -> None:
        """Ask for the phases that what is in the core needs; ``halted``: by the operator."""
        assert view.protection is not None
        for index, symbol in enumerate(self.symbols):
            state, phase = (
                view.protection.of(index, protection_layout.STATE),
                operator_lane.phases[symbol],
            )
            if state == protection_layout.PAUSED:
                self._pause(view, index, symbol, phase, put)
            elif state == protection_layout.DUE and symbol not in halted:
                self._call(view, index, symbol, expected(symbol), put)
            elif state == protection_layout.CALLING and not _is_ours(view, index):
                # The calendar's command came while the pause was not over, and was left out.
                calls = view.protection.of(index, protection_layout.PHASE) in CALL_PHASES
                ends, lane = expected(symbol), operator_lane
                if (
                    calls
                    and phase in CALL_PHASES
                    and ends in UNCROSSING_PHASES
                    and not lane.has_due
                ):
                    put(phase_of(symbol, ends))
            elif state == protection_layout.CALLING:
                call = (
                    view.protection.of(index, protection_layout.PAUSED_TIMES),
                    view.protection.of(index, protection_layout.SINCE_NS),
                )
                opened, calendar_phase = self.opened.get(symbol, (0, 0)), expected(symbol)
                was_put_off = opened[0] == call[0] and opened != call
                # CLOSED is the calendar's, which repeats it.
                due = calendar_phase in TRADING and self._has_called(view, index)
                if due and (phase in CALL_PHASES or was_put_off):
                    self.opened[symbol] = call
                    put(phase_of(symbol, calendar_phase))
        self._tell(view)

    def _call(self, view: View, index: int, symbol: str, calendar_phase: Phase, put: Put) -> None:
        """The re-opening auction, once a pause; or what the calendar has instead by now."""
        assert view.protection is not None
        pause = view.protection.of(index, protection_layout.PAUSED_TIMES)
        if self.called.get(symbol) != pause:
            self.called[symbol] = pause
            trades = calendar_phase in TRADING
            put(phase_of(symbol, Phase.VOLATILITY_AUCTION if trades else calendar_phase))

    def _has_called(self, view: View, index: int) -> bool:
        """Return whether the call has been as long as it should, in sequenced time."""
        assert view.protection is not None
        until_ns = view.protection.of(index, protection_layout.SINCE_NS) + view.protection.of(
            index, protection_layout.CALL_NS
        )
        return view.word(lay.NOW_NS) >= until_ns

    def _pause(self, view: View, index: int, symbol: str, phase: Phase, put: Put) -> None:
        assert view.protection is not None
        by_market = view.protection.of(index, protection_layout.WHY) == protection_layout.BY_MARKET
        if (
            by_market
            and view.protection.word(protection_layout.MARKET_UNTIL_NS) == protection_layout.NEVER
        ):
            if phase is not Phase.CLOSED:
                put(phase_of(symbol, Phase.CLOSED))
        elif phase in TRADING or (by_market and phase in CALL_PHASES):
            put(phase_of(symbol, Phase.HALT))
            if view.protection.of(index, protection_layout.CANCEL_RESTING):
                put(command(CommandKind.MASS_CANCEL, symbol=code_of(symbol), aux=1))

    def permits(self, view: View, calendar_command: Command) -> bool:
        """Return whether a PHASE of the calendar is sent: a pause ends with the day or with a
        call phase, that of the whole market with the day only.  A call that the calendar began, or
        took over from a pause, ends by the calendar and its repeats, the re-opening auction by
        :meth:`poll`."""
        assert view.protection is not None
        index = self.symbols.index(calendar_command.symbol)
        state, closed = (
            view.protection.of(index, protection_layout.STATE),
            calendar_command.phase is Phase.CLOSED,
        )
        calls = calendar_command.phase in CALL_PHASES
        if view.protection.word(protection_layout.MARKET_UNTIL_NS) != 0:
            return closed
        if state == protection_layout.PAUSED:
            return closed or (
                calls
                and view.protection.of(index, protection_layout.WHY) != protection_layout.BY_MARKET
            )
        if state == protection_layout.CALLING and not _is_ours(view, index):
            return True
        if state in (protection_layout.DUE, protection_layout.CALLING):
            return closed or (calls and calendar_command.phase is not Phase.PRE_OPEN)
        return True

    def opens(self, view: View, symbol: str) -> bool:
        """Return whether this instrument's call, which another source begins now, ends by
        :meth:`poll`."""
        assert view.protection is not None
        index = self.symbols.index(symbol)
        if view.protection.of(index, protection_layout.STATE) not in (
            protection_layout.PAUSED,
            protection_layout.DUE,
            protection_layout.CALLING,
        ):
            return False
        self.called[symbol] = view.protection.of(index, protection_layout.PAUSED_TIMES)
        return True

    def _tell(self, view: View) -> None:
        assert view.protection is not None
        for kind, index, _, value in view.protection.logged(self.decisions_told):
            self.decisions_told += 1
            if kind == protection_layout.MARKET_HALT:
                self.note(
                    f"the index is down by level {value} of the breaker: the market "
                    f"{'closes' if value == 3 else 'halts'}"
                )
            elif kind == protection_layout.PAUSE:
                self.note(f"{self.symbols[index]} pauses: {WHY[value]}")
            elif kind == protection_layout.LIMIT:
                self.note(f"{self.symbols[index]} is in a limit state")
            elif kind == protection_layout.OPENED:
                self.note(f"{self.symbols[index]} trades again")
        self.decisions_told = max(
            self.decisions_told, view.protection.word(protection_layout.LOGGED)
        )

    def status(self, view: View) -> dict[str, Any]:
        """Return what is out of the ordinary, by symbol, and the breaker's level."""
        assert view.protection is not None
        states = {
            symbol: view.protection.of(index, protection_layout.STATE)
            for index, symbol in enumerate(self.symbols)
        }
        return {
            "protection": {symbol: STATES[state] for symbol, state in states.items() if state},
            "breaker_level": view.protection.word(protection_layout.LEVEL_FIRED),
        }


def _is_ours(view: View, index: int) -> bool:
    """Return whether the call after a pause is the re-opening auction, and not the calendar's."""
    assert view.protection is not None
    return bool(view.protection.of(index, protection_layout.PHASE) == Phase.VOLATILITY_AUCTION)
