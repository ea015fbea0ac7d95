"""The market protection in plain Python: every trade of the last five minutes is kept, and what is
asked of them is worked out anew each time, in fractions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from openoutcry.risk.bits import LARGEST, NO_LIMIT, Setting
from openoutcry.wire.enums import EventFlag, EventKind, Phase
from openoutcry.wire.records import NO_INSTRUMENT

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference
    from tests.oracles.risk.state import Instrument

SECOND_NS = 10**9
NEVER = 2**63 - 1
CALLS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
FILLED, PHASE_CHANGED = int(EventKind.FILLED), int(EventKind.PHASE_CHANGED)
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
NORMAL, LIMIT_STATE, PAUSED, DUE, CALLING = range(5)
BANDS, VOLATILITY, VELOCITY, MARKET, GROUP = range(1, 6)
NEW_BANDS, LIMIT, PAUSE, REOPEN, CALL, OPENED, MARKET_HALT, NEW_DAY = range(1, 9)
Best = Callable[[int], tuple[int | None, int | None]]
"""An instrument's best displayed bid and offer."""


@dataclass
class Watched:
    """An instrument's protection."""

    phase: int
    rules: dict[Setting, tuple[int, int]] = field(
        default_factory=lambda: {
            Setting.LULD: (0, 0),
            Setting.STATIC_BAND: (0, 0),
            Setting.VOLATILITY: (0, 300),
            Setting.VELOCITY: (0, 1),
            Setting.LIMIT_STATE: (15 * SECOND_NS, 0),
            Setting.PAUSE: (300 * SECOND_NS, 60 * SECOND_NS),
            Setting.INDEX_WEIGHT: (0, 0),
            Setting.HALT_GROUP: (0, 0),
            Setting.CANCEL_RESTING: (0, 0),
            Setting.RENEWAL: (30 * SECOND_NS, 0),
        }
    )
    state: int = NORMAL
    since: int = 0
    until: int = 0
    why: int = 0
    reference: int | None = None
    reference_at: int = 0
    fixed: int | None = None
    low: int = -NEVER
    high: int = NEVER
    close: int | None = None
    paused_times: int = 0
    trades: list[tuple[int, int]] = field(default_factory=list)
    """(second, price)."""

    @property
    def banded(self) -> bool:
        return self.rules[Setting.LULD][0] != 0 or self.rules[Setting.STATIC_BAND][0] != 0

    def within(self, second: int, seconds: int) -> list[int]:
        return [price for at, price in self.trades if second - at < min(seconds, 300)]


class PlainProtection:
    """As the kernels of ``protection.py`` and ``protection_rules.py``."""

    def __init__(self, risk: "Reference", phases: list[int]) -> None:
        self.risk = risk
        self.rows = [Watched(phase or Phase.CONTINUOUS) for phase in phases]
        self.levels = {1: (0, 900 * SECOND_NS), 2: (0, 900 * SECOND_NS), 3: (0, 0)}
        self.day = self.cut_off = self.fired = self.market_until = self.pauses = 0
        self.log: list[tuple[int, int, int, int]] = []
        self.cause = 0, 0
        """What the last PHASE_CHANGED says of it: why, and the breaker's level."""

    @property
    def second(self) -> int:
        return self.risk.now // SECOND_NS

    def _instrument(self, index: int) -> "Instrument":
        return self.risk.instruments[index]

    def _log(self, kind: int, index: int, value: int) -> None:
        self.log.append((kind, index, self.risk.now, value))

    # RISK commands

    def apply(self, what: Setting, index: int | None, who: int, value: int, second: int) -> bool:
        if second < 0:
            return False
        if what is Setting.TRADING_DAY:
            return self._begin_day(value, second)
        if what is Setting.BREAKER:
            if who not in (1, 2, 3) or not 0 <= value <= 10_000 or second > LARGEST:
                return False
            self.levels[who] = value, second if who < 3 else 0
            return True
        if index is None or not 0 <= value <= LARGEST:
            return False
        rules, row = self._instrument(index), self.rows[index]
        if not rules.price_limited or max(map(abs, rules.worst.values())) > 2**30:
            return False
        if not _sensible(what, value, second):
            return False
        has_second = what in (Setting.LULD, Setting.VOLATILITY, Setting.VELOCITY, Setting.PAUSE)
        was_banded = row.banded
        row.rules[what] = value, second if has_second else 0
        if was_banded or row.banded:
            self._set_bands(index)
        return True

    def _begin_day(self, day: int, cut_off: int) -> bool:
        if day <= self.day:
            return False
        self.day, self.cut_off, self.fired, self.market_until = day, cut_off, 0, 0
        for index, row in enumerate(self.rows):
            row.close = self._instrument(index).last
        self._log(NEW_DAY, -1, day)
        return True

    # Bands

    def _set_bands(self, index: int) -> None:
        row, rules = self.rows[index], self._instrument(index)
        low, high = -NEVER, NEVER
        bps, unit = row.rules[Setting.LULD]
        if bps and row.reference is not None:
            price, most = row.reference, None
            if unit and abs(price) <= 3 * unit:
                bps = 2_000 if Fraction(abs(price), unit) >= Fraction(3, 4) else 7_500
                most = 15 * unit // 100 if bps == 7_500 else None
            width = _share(price, bps)
            width = max(1, width if most is None else min(width, most))
            low, high = price - width, price + width
        bps = row.rules[Setting.STATIC_BAND][0]
        if bps and row.fixed is not None:
            width = max(1, _share(row.fixed, bps))
            least, greatest = row.fixed - width, row.fixed + width
            low, high = min(max(low, least), greatest), max(min(high, greatest), least)
        row.low, row.high = low, high
        rules.band_low, rules.band_high = low, high

    def _refer(self, index: int, price: int) -> None:
        row = self.rows[index]
        row.reference, row.reference_at = price, self.risk.now
        if row.banded:
            self._set_bands(index)
            self._log(NEW_BANDS, index, price)

    def _renew(self, index: int) -> None:
        row = self.rows[index]
        prices = row.within(self.second, 300)
        if not row.rules[Setting.LULD][0] or row.state >= PAUSED or row.phase != Phase.CONTINUOUS:
            return
        if not prices or row.reference is None:
            return
        if self.risk.now - row.reference_at < row.rules[Setting.RENEWAL][0]:
            return
        mean = Fraction(sum(prices), len(prices))
        if mean != row.reference and abs(mean - row.reference) >= Fraction(abs(row.reference), 100):
            self._refer(index, (mean + Fraction(1, 2)).__floor__())

    # Pauses

    def _pause_one(self, index: int, until: int, why: int) -> None:
        row = self.rows[index]
        if row.state == PAUSED:
            row.until = max(row.until, until)
            row.why = MARKET if why == MARKET else row.why
            return
        row.state, row.since, row.until, row.why = PAUSED, self.risk.now, until, why
        row.paused_times += 1
        self.pauses += 1
        self._instrument(index).paused = True
        self._log(PAUSE, index, why)

    def _pause(self, index: int, why: int) -> None:
        row = self.rows[index]
        if row.state >= PAUSED or row.phase != Phase.CONTINUOUS:
            return
        until = min(self.risk.now + row.rules[Setting.PAUSE][0], NEVER)
        self._pause_one(index, until, why)
        together = row.rules[Setting.HALT_GROUP][0]
        for other, beside in enumerate(self.rows):
            same = together and beside.rules[Setting.HALT_GROUP][0] == together
            if same and beside.phase == Phase.CONTINUOUS and beside.state < PAUSED:
                self._pause_one(other, until, GROUP)

    def _trade(self, index: int, price: int) -> None:
        row = self.rows[index]
        if row.phase != Phase.CONTINUOUS:
            return
        if row.reference is None:
            row.fixed = price
            self._refer(index, price)
        outside = not row.low <= price <= row.high
        row.trades.append((self.second, price))
        self._renew(index)
        bps, seconds = row.rules[Setting.VOLATILITY]
        if bps and any(_further(price, other, bps) for other in _ends(row, self.second, seconds)):
            self._pause(index, VOLATILITY)
        ticks, seconds = row.rules[Setting.VELOCITY]
        if ticks and any(abs(price - p) > ticks for p in row.within(self.second, seconds)):
            self._pause(index, VELOCITY)
        if outside:
            self._pause(index, BANDS)

    def _break_market(self) -> None:
        if not self.day or self.fired == 3 or self.market_until:
            return
        base = self._base()
        weighted = [
            (row.rules[Setting.INDEX_WEIGHT][0], self._instrument(n).last)
            for n, row in enumerate(self.rows)
            if row.rules[Setting.INDEX_WEIGHT][0]
        ]
        if base <= 0 or any(last is None for _, last in weighted):
            return
        index = sum(weight * (last or 0) for weight, last in weighted)
        for level in (3, 2, 1):
            bps, halt = self.levels[level]
            if bps and index - Fraction(1, 2) <= Fraction(base * (10_000 - bps), 10_000):
                break
        else:
            return
        if level <= self.fired or (level < 3 and self.risk.now >= self.cut_off):
            return
        self.fired = level
        self.market_until = NEVER if level == 3 else min(self.risk.now + halt, NEVER)
        self._log(MARKET_HALT, -1, level)
        for number, row in enumerate(self.rows):
            if row.phase != Phase.CLOSED:
                self._pause_one(number, self.market_until, MARKET)

    def _base(self) -> int:
        """The index at the previous closes; 0 without a day, an index or one of the closes."""
        rows = [row for row in self.rows if row.rules[Setting.INDEX_WEIGHT][0]]
        if not self.day or any(row.close is None for row in rows):
            return 0
        return sum(row.rules[Setting.INDEX_WEIGHT][0] * (row.close or 0) for row in rows)

    # What is told

    def levels_at(self) -> tuple[int, ...]:
        """Where the breaker's levels 1, 2 and 3 are, to the nearest unit; 0: it is off."""
        base = max(0, self._base())
        places = {
            level: Fraction(base * (10_000 - bps), 10_000) if bps else Fraction(0)
            for level, (bps, _) in self.levels.items()
        }
        return tuple((places[level] + Fraction(1, 2)).__floor__() for level in (1, 2, 3))

    def _cause(self, row: Watched) -> tuple[int, int]:
        if row.state < PAUSED:
            return 0, 0
        return row.why, self.fired if row.why == MARKET else 0

    # What happens

    def tick(self) -> None:
        for index, row in enumerate(self.rows):
            if row.phase == Phase.CONTINUOUS:
                self._renew(index)
            if row.state == LIMIT_STATE:
                if self.risk.now - row.since >= row.rules[Setting.LIMIT_STATE][0]:
                    self._pause(index, BANDS)
            elif row.state == PAUSED and self.risk.now >= row.until:
                row.state = DUE
                self._log(REOPEN, index, 0)
        if self.market_until not in (0, NEVER) and self.risk.now >= self.market_until:
            self.market_until = 0

    def watch(self, events: list[dict[str, int]], best: Best) -> None:
        auction, traded, changed = None, False, None
        for event in events:
            index, price = event["instrument"], event["price_ticks"]
            if event["kind"] == FILLED:
                if event["flags"] & AUCTION:
                    auction, traded = price, True
                elif event["flags"] & MAKER:
                    self._trade(index, price)
                    traded = True
            elif event["kind"] == PHASE_CHANGED:
                if event["qty_lots"] != event["contra_id"] or event["qty_lots"] in CALLS:
                    changed = index, event["qty_lots"]
                self.cause = self._cause(self.rows[index])
        if changed is not None:
            self._change_phase(*changed, auction)
        for index in dict.fromkeys(event["instrument"] for event in events):
            if index != NO_INSTRUMENT:
                self._judge_quote(index, *best(index))
        if traded:
            self._break_market()

    def _judge_quote(self, index: int, bid: int | None, ask: int | None) -> None:
        row = self.rows[index]
        if row.state > LIMIT_STATE or not row.banded or row.phase != Phase.CONTINUOUS:
            return
        at_limit = (bid is not None and bid >= row.high) or (ask is not None and ask <= row.low)
        if at_limit and row.state == NORMAL:
            row.state, row.since = LIMIT_STATE, self.risk.now
            self._log(LIMIT, index, 0)
        elif not at_limit:
            row.state = NORMAL

    def _change_phase(self, index: int, phase: int, auction: int | None) -> None:
        row, rules = self.rows[index], self._instrument(index)
        row.phase, before = phase, row.state
        if phase == Phase.CLOSED:
            row.state, rules.paused = NORMAL, False
            self._forget(index)
        elif phase in CALLS:
            if before == DUE or (before == PAUSED and row.why != MARKET):
                row.state, row.since, rules.paused = CALLING, self.risk.now, False
                self._log(CALL, index, 0)
            elif before == CALLING:
                row.since = self.risk.now
            elif before == LIMIT_STATE:
                row.state = NORMAL
            if before != CALLING:
                self._forget(index)
        elif phase in (Phase.CONTINUOUS, Phase.TRADING_AT_LAST) and before in (NORMAL, CALLING):
            row.state = NORMAL
            price = rules.last if auction is None else auction
            if price is not None:
                row.fixed = price
                self._refer(index, price)
            if before == CALLING:
                self._log(OPENED, index, NO_LIMIT if price is None else price)

    def adjusted(self, index: int, last: int | None, price: int) -> None:
        """By a dividend or a split: what was before it does not count, and the index stays."""
        row = self.rows[index]
        if row.close is not None:
            known = last is not None and min(last, row.close) > 0
            if known and max(last or 0, row.close, price) <= 2**30:
                row.close = max(round(Fraction(row.close * price, last or 1)), 1)
            else:
                row.close = price
        self._forget(index)

    def _forget(self, index: int) -> None:
        row = self.rows[index]
        row.trades, row.reference, row.fixed = [], None, None
        if row.banded:
            self._set_bands(index)


def _sensible(what: Setting, value: int, second: int) -> bool:
    if what in (Setting.LULD, Setting.STATIC_BAND):
        return value <= 10_000 and second <= 2**30
    if what in (Setting.VOLATILITY, Setting.VELOCITY):
        return 1 <= second <= 300 and value <= 2**30
    if what is Setting.PAUSE:
        return value > 0 and second <= LARGEST
    if what is Setting.INDEX_WEIGHT:
        return value <= 2**16
    return what is not Setting.CANCEL_RESTING or value <= 1


def _share(price: int, bps: int) -> int:
    return (Fraction(abs(price) * bps, 10_000) + Fraction(1, 2)).__floor__()


def _ends(row: Watched, second: int, seconds: int) -> tuple[int, int]:
    prices = row.within(second, seconds)
    return min(prices), max(prices)


def _further(price: int, other: int, bps: int) -> bool:
    return abs(price - other) * 10_000 > abs(other) * bps
