# (intrinsics have no types that mypy could see)
"""The protection's block: made, set by RISK commands, looked at."""

from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.constants as rb
import openoutcry.risk.guard_layout as g
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.protection import guard_of, is_banded, log, roll, row_of, set_bands
from openoutcry.wire.enums import Phase
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined, store_i64

ROW_WORDS = {
    Setting.LULD: (g.BAND_BPS, g.TICKS_A_UNIT),
    Setting.STATIC_BAND: (g.STATIC_BPS, -1),
    Setting.VOLATILITY: (g.VOLATILITY_BPS, g.VOLATILITY_S),
    Setting.VELOCITY: (g.VELOCITY_TICKS, g.VELOCITY_S),
    Setting.LIMIT_STATE: (g.LIMIT_STATE_NS, -1),
    Setting.PAUSE: (g.PAUSE_NS, g.CALL_NS),
    Setting.INDEX_WEIGHT: (g.WEIGHT, -1),
    Setting.HALT_GROUP: (g.HALT_GROUP, -1),
    Setting.CANCEL_RESTING: (g.CANCEL_RESTING, -1),
    Setting.RENEWAL: (g.RENEWAL_NS, -1),
}
"""Where value and second value of an instrument's protection stand in its row."""
DEFAULTS = {
    Setting.LULD: (0, 0),
    Setting.STATIC_BAND: (0, 0),
    Setting.VOLATILITY: (0, g.SLOTS),
    Setting.VELOCITY: (0, 1),
    Setting.LIMIT_STATE: (15 * g.SECOND_NS, 0),
    Setting.PAUSE: (5 * g.MINUTE_NS, g.MINUTE_NS),
    Setting.INDEX_WEIGHT: (0, 0),
    Setting.HALT_GROUP: (0, 0),
    Setting.CANCEL_RESTING: (0, 0),
    Setting.RENEWAL: (30 * g.SECOND_NS, 0),
}
BREAKER_DEFAULTS = {1: (0, 15 * g.MINUTE_NS), 2: (0, 15 * g.MINUTE_NS), 3: (0, 0)}
LEVEL_WORDS = {
    1: (g.LEVEL_1_BPS, g.HALT_1_NS), 2: (g.LEVEL_2_BPS, g.HALT_2_NS), 3: (g.LEVEL_3_BPS, -1),
}  # fmt: skip


class Guard:
    """The protection's words, as arrays over a risk state's own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, instruments: int) -> None:
        """``at``: where in ``words``, which are the whole state."""
        self.header = words[at // 8 : (at + g.HEADER_BYTES) // 8]
        self.log = words[(at + g.LOG_AT) // 8 :][: g.LOG_ENTRIES * 4].reshape(-1, 4)
        quotes = at + g.HEADER_BYTES
        rows = quotes + instruments * g.QUOTE_BYTES
        self.quotes = words[quotes // 8 : rows // 8].reshape(instruments, -1)
        end = rows + instruments * g.ROW_BYTES
        self.rows = words[rows // 8 : end // 8].reshape(instruments, -1)

    def word(self, offset: int) -> int:
        return int(self.header[offset // 8])

    def of(self, instrument: int, offset: int) -> int:
        return int(self.rows[instrument, offset // 8])

    def logged(self, after: int = 0) -> list[tuple[int, int, int, int]]:
        """(kind, instrument, sequenced time, value) of the decisions behind the first ``after``, as
        far as they are kept."""
        count = self.word(g.LOGGED)
        first = max(after, count - g.LOG_ENTRIES)
        return [tuple(self.log[n % g.LOG_ENTRIES].tolist()) for n in range(first, count)]


def enter_guard(words: npt.NDArray[np.int64], at: int, instruments: npt.NDArray[Any]) -> None:
    """Make the block for these instruments: nothing is protected yet."""
    count = len(instruments)
    words[lay.PROTECTION_AT // 8] = at
    guard = Guard(words, at, count)
    guard.header[g.QUOTES_AT // 8] = g.HEADER_BYTES
    guard.header[g.ROWS_AT // 8] = g.HEADER_BYTES + count * g.QUOTE_BYTES
    for level, (_, halt_ns) in BREAKER_DEFAULTS.items():
        if LEVEL_WORDS[level][1] >= 0:
            guard.header[LEVEL_WORDS[level][1] // 8] = halt_ns
    for row, instrument in zip(guard.rows, instruments, strict=True):
        values = {g.LOW: -g.NEVER, g.HIGH: g.NEVER, g.SECOND: -1}
        values |= dict.fromkeys((g.REFERENCE, g.STATIC_REFERENCE, g.CLOSE), g.NEVER)
        values |= dict.fromkeys((g.LOWEST, g.FAST_LOWEST), g.NEVER)
        values |= dict.fromkeys((g.HIGHEST, g.FAST_HIGHEST), -g.NEVER)
        values[g.PHASE] = int(instrument["initial_phase"]) or int(Phase.CONTINUOUS)
        for what, (first, second) in ROW_WORDS.items():
            values[first] = DEFAULTS[what][0]
            if second >= 0:
                values[second] = DEFAULTS[what][1]
        for word, value in values.items():
            row[word // 8] = value


# RISK commands


@kernel
def has_bands(state: RiskState, instrument: int) -> bool:
    """Whether the protection makes the bands of this instrument."""
    if state.protection_at == 0:
        return False
    return is_banded(row_of(guard_of(state), instrument))


@kernel_outlined
def set_protection(
    state: RiskState, instrument: int, setting: int, who: int, value: int, second: int
) -> bool:
    """Apply a setting of the protection; False, and nothing changed, if it makes no sense, or the
    journal began without protection."""
    not_inlined()
    if state.protection_at == 0 or second < 0:
        return False
    guard = guard_of(state)
    if setting == rb.SET_TRADING_DAY:
        return begin_day(state, guard, value, second)
    if setting == rb.SET_BREAKER:
        return set_level(guard, who, value, second)
    if setting > rb.SET_RENEWAL or instrument < 0 or value < 0 or value > LARGEST:
        return False
    rules = totals.instrument_row(state, instrument)
    limited = rules.price_limited != 0
    if not limited or rules.bound > g.PRICE_LIMIT:
        return False
    return set_row(state, guard, instrument, setting, value, second)


@kernel
def set_row(
    state: RiskState, guard: g.Guard, instrument: int, setting: int, value: int, second: int
) -> bool:
    row, at, beside = row_of(guard, instrument), g.RENEWAL_NS, 0
    if setting in (rb.SET_LULD, rb.SET_STATIC_BAND):
        if value > 10_000 or second > g.PRICE_LIMIT:
            return False
        at, beside = g.STATIC_BPS, 0
        if setting == rb.SET_LULD:
            at, beside = g.BAND_BPS, g.TICKS_A_UNIT
    elif setting in (rb.SET_VOLATILITY, rb.SET_VELOCITY):
        if second < 1 or second > g.SLOTS or value > g.PRICE_LIMIT:
            return False
        at, beside = g.VOLATILITY_BPS, g.VOLATILITY_S
        if setting == rb.SET_VELOCITY:
            at, beside = g.VELOCITY_TICKS, g.VELOCITY_S
    elif setting == rb.SET_LIMIT_STATE:
        at = g.LIMIT_STATE_NS
    elif setting == rb.SET_PAUSE:
        if value == 0 or second > LARGEST:
            return False
        at, beside = g.PAUSE_NS, g.CALL_NS
    elif setting == rb.SET_INDEX_WEIGHT:
        if value > g.WEIGHT_LIMIT:
            return False
        more = (1 if value != 0 else 0) - (1 if row.weight != 0 else 0)
        guard.indexed += more
        at = g.WEIGHT
    elif setting == rb.SET_HALT_GROUP:
        at = g.HALT_GROUP
    elif setting == rb.SET_CANCEL_RESTING:
        if value > 1:
            return False
        at = g.CANCEL_RESTING
    was_banded = is_banded(row)
    store_i64(row + at, value)
    if beside != 0:
        store_i64(row + beside, second)
    if setting in (rb.SET_VOLATILITY, rb.SET_VELOCITY):
        now_s = row.second
        row.second = -1
        roll(row, now_s)
    elif was_banded or is_banded(row):
        set_bands(state, guard, instrument)
    return True


@kernel
def begin_day(state: RiskState, guard: g.Guard, day: int, cut_off: int) -> bool:
    """A new trading day: what was traded last is the previous close, and no level has fired."""
    if day <= guard.day:
        return False
    guard.day = day
    guard.cut_off_ns = cut_off
    guard.level_fired = 0
    guard.market_until_ns = 0
    for instrument in range(state.instruments):
        last = totals.instrument_row(state, instrument).last
        row_of(guard, instrument).close = last
    log(guard, g.NEW_DAY, -1, state.now_ns, day)
    return True


@kernel
def set_level(guard: g.Guard, level: int, bps: int, halt_ns: int) -> bool:
    if bps < 0 or bps > 10_000 or halt_ns > LARGEST:
        return False
    if level == 1:
        guard.level_1_bps = bps
        guard.halt_1_ns = halt_ns
    elif level == 2:
        guard.level_2_bps = bps
        guard.halt_2_ns = halt_ns
    elif level == 3:
        guard.level_3_bps = bps
    else:
        return False
    return True
