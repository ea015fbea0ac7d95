"""In which phase an instrument is, by the rules of docs/risk.md alone: its schedule, auctions that
are put off, pauses, halts and restarts.

Slow and obvious: it looks at every second of the day once.
"""

from dataclasses import dataclass

from openoutcry.wire.enums import Phase

CALLS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
TRADES = (Phase.CONTINUOUS, Phase.TRADING_AT_LAST)


@dataclass(frozen=True)
class TradingDay:
    """What a venue file says of a day; times are seconds after any moment before it."""

    day: tuple[tuple[int, Phase], ...]
    extensions: int = 0
    extension_s: int = 30
    pause_s: int = 0
    call_s: int = 0
    reopening_s: int = 60
    """Of the auction after a halt that an operator ends."""


@dataclass
class Rules:
    """The phase of one instrument, second by second."""

    of: TradingDay
    phase: Phase = Phase.PRE_OPEN
    owner: str = "calendar"
    """Whose the call is: ``calendar``, ``pause``, ``operator``."""
    ends_s: int | None = None
    """When the call ends that is not the calendar's."""
    paused_until_s: int | None = None
    is_halted: bool = False
    """By the operator: until the operator resumes, also on later days."""
    is_collared: bool = False
    """What would trade in the auction is outside its band."""
    extensions: int = 0
    is_after_pause: bool = False
    """Since a pause there has been no auction."""

    def expected(self, now_s: int) -> Phase:
        """The calendar's phase."""
        return next((p for at, p in reversed(self.of.day) if at <= now_s), Phase.CLOSED)

    def second(self, now_s: int) -> None:
        """What a second brings by itself: the calendar, then what ends."""
        expected, phases = self.expected(now_s), dict(self.of.day)
        if now_s in phases:
            self._scheduled(phases[now_s], now_s)
        elif self.owner == "calendar" and expected not in CALLS:
            begun_s = max(at for at in phases if at <= now_s)
            late_s, extra_s = divmod(now_s - begun_s, self.of.extension_s)
            if 1 <= late_s <= self.of.extensions and extra_s == 0:
                self._end(now_s)
        if self.paused_until_s is not None and now_s >= self.paused_until_s and not self.is_halted:
            self.paused_until_s = None
            self._open("pause", now_s)
        if self.ends_s is not None and now_s >= self.ends_s:
            self._end(now_s)

    def _scheduled(self, phase: Phase, now_s: int) -> None:
        if phase == Phase.CLOSED and self.phase in CALLS and not self.is_halted:
            self.owner, self.ends_s, self.paused_until_s = "calendar", None, None
            self._end(now_s)
        elif phase == Phase.CLOSED:
            self.phase, self.owner, self.ends_s, self.paused_until_s = phase, "", None, None
            self.is_after_pause = False
            self.extensions = 0
        elif self.is_halted:
            return
        elif phase in CALLS:
            self.phase, self.owner, self.ends_s, self.paused_until_s = phase, "calendar", None, None
        elif self.paused_until_s is None and self.owner == "calendar":
            self._end(now_s)

    def _open(self, owner: str, now_s: int) -> None:
        """An instrument that was paused or halted opens: by an auction, or into the calendar's."""
        phase = self.expected(now_s)
        if phase in TRADES:
            self.phase, self.owner = Phase.VOLATILITY_AUCTION, owner
            self.ends_s = now_s + (self.of.call_s if owner == "pause" else self.of.reopening_s)
        else:
            self.phase, self.owner, self.ends_s = phase, "calendar" if phase in CALLS else "", None

    def _end(self, now_s: int) -> None:
        """The call ends, unless it is put off."""
        if self.is_collared and self.extensions < self.of.extensions:
            self.extensions += 1
            if self.owner == "pause":
                self.ends_s = now_s + self.of.call_s
            elif self.owner == "operator":
                self.ends_s = now_s + self.of.extension_s
            return
        self.phase, self.owner, self.ends_s = self.expected(now_s), "", None
        self.extensions, self.is_collared, self.is_after_pause = 0, False, False

    # What is not scheduled.

    def collar(self, now_s: int) -> None:
        """Orders enter a call that would trade outside of the band."""
        self.is_collared |= self.phase in CALLS

    def pause(self, now_s: int) -> None:
        """A trade too far from the last ones pauses continuous trading."""
        if self.phase == Phase.CONTINUOUS:
            self.phase, self.paused_until_s = Phase.HALT, now_s + self.of.pause_s
            self.is_after_pause = True

    def halt(self, now_s: int) -> None:
        """The operator halts."""
        if self.phase != Phase.CLOSED:
            self.is_halted, self.phase, self.owner, self.ends_s = True, Phase.HALT, "", None

    def resume(self, now_s: int) -> None:
        """The operator resumes: at once, also before a pause is over."""
        if self.is_halted:
            self.is_halted = False
            self.paused_until_s = None
            self._open("pause" if self.is_after_pause else "operator", now_s)

    def restart(self, now_s: int) -> None:
        """The venue stops and starts again: the operator's auction begins again."""
        if self.owner == "operator":
            self.ends_s = now_s + self.of.reopening_s
