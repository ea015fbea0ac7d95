# (intrinsics have no types that mypy could see)
"""The protection's block: made, set by RISK commands, looked at."""

from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.constants as constants
import openoutcry.risk.guard_layout as guard_layout
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.protection import guard_of, is_banded, log, roll, row_of, set_bands
from openoutcry.wire.enums import Phase
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined, store_i64

ROW_WORDS = {
    Setting.LULD: (guard_layout.BAND_BPS, guard_layout.TICKS_A_UNIT),
    Setting.STATIC_BAND: (guard_layout.STATIC_BPS, -1),
    Setting.VOLATILITY: (guard_layout.VOLATILITY_BPS, guard_layout.VOLATILITY_S),
    Setting.VELOCITY: (guard_layout.VELOCITY_TICKS, guard_layout.VELOCITY_S),
    Setting.LIMIT_STATE: (guard_layout.LIMIT_STATE_NS, -1),
    Setting.PAUSE: (guard_layout.PAUSE_NS, guard_layout.CALL_NS),
    Setting.INDEX_WEIGHT: (guard_layout.WEIGHT, -1),
    Setting.HALT_GROUP: (guard_layout.HALT_GROUP, -1),
    Setting.CANCEL_RESTING: (guard_layout.CANCEL_RESTING, -1),
    Setting.RENEWAL: (guard_layout.RENEWAL_NS, -1),
}
"""Where value and second value of an instrument's protection stand in its row."""
DEFAULTS = {
    Setting.LULD: (0, 0),
    Setting.STATIC_BAND: (0, 0),
    Setting.VOLATILITY: (0, guard_layout.SLOTS),
    Setting.VELOCITY: (0, 1),
    Setting.LIMIT_STATE: (15 * guard_layout.SECOND_NS, 0),
    Setting.PAUSE: (5 * guard_layout.MINUTE_NS, guard_layout.MINUTE_NS),
    Setting.INDEX_WEIGHT: (0, 0),
    Setting.HALT_GROUP: (0, 0),
    Setting.CANCEL_RESTING: (0, 0),
    Setting.RENEWAL: (30 * guard_layout.SECOND_NS, 0),
}
BREAKER_DEFAULTS = {
    1: (0, 15 * guard_layout.MINUTE_NS),
    2: (0, 15 * guard_layout.MINUTE_NS),
    3: (0, 0),
}
LEVEL_WORDS = {
    1: (guard_layout.LEVEL_1_BPS, guard_layout.HALT_1_NS),
    2: (guard_layout.LEVEL_2_BPS, guard_layout.HALT_2_NS),
    3: (guard_layout.LEVEL_3_BPS, -1),
}


class Guard:
    """The protection's words, as arrays over a risk state's own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, instruments: int) -> None:
        """``at``: where in ``words``, which are the whole state."""
        self.header = words[at // 8 : (at + guard_layout.HEADER_BYTES) // 8]
        self.log = words[(at + guard_layout.LOG_AT) // 8 :][: guard_layout.LOG_ENTRIES * 4].reshape(
            -1, 4
        )
        quotes = at + guard_layout.HEADER_BYTES
        rows = quotes + instruments * guard_layout.QUOTE_BYTES
        self.quotes = words[quotes // 8 : rows // 8].reshape(instruments, -1)
        end = rows + instruments * guard_layout.ROW_BYTES
        self.rows = words[rows // 8 : end // 8].reshape(instruments, -1)

    def word(self, offset: int) -> int:
        return int(self.header[offset // 8])

    def of(self, instrument: int, offset: int) -> int:
        return int(self.rows[instrument, offset // 8])

    def logged(self, after: int = 0) -> list[tuple[int, int, int, int]]:
        """(kind, instrument, sequenced time, value) of the decisions behind the first ``after``, as
        far as they are kept."""
        count = self.word(guard_layout.LOGGED)
        first = max(after, count - guard_layout.LOG_ENTRIES)
        return [tuple(self.log[n % guard_layout.LOG_ENTRIES].tolist()) for n in range(first, count)]


def enter_guard(words: npt.NDArray[np.int64], at: int, instruments: npt.NDArray[Any]) -> None:
    """Make the block for these instruments: nothing is protected yet."""
    count = len(instruments)
    words[lay.PROTECTION_AT // 8] = at
    guard = Guard(words, at, count)
    guard.header[guard_layout.QUOTES_AT // 8] = guard_layout.HEADER_BYTES
    guard.header[guard_layout.ROWS_AT // 8] = (
        guard_layout.HEADER_BYTES + count * guard_layout.QUOTE_BYTES
    )
    for level, (_, halt_ns) in BREAKER_DEFAULTS.items():
        if LEVEL_WORDS[level][1] >= 0:
            guard.header[LEVEL_WORDS[level][1] // 8] = halt_ns
    for row, instrument in zip(guard.rows, instruments, strict=True):
        values = {
            guard_layout.LOW: -guard_layout.NEVER,
            guard_layout.HIGH: guard_layout.NEVER,
            guard_layout.SECOND: -1,
        }
        values |= dict.fromkeys(
            (guard_layout.REFERENCE, guard_layout.STATIC_REFERENCE, guard_layout.CLOSE),
            guard_layout.NEVER,
        )
        values |= dict.fromkeys((guard_layout.LOWEST, guard_layout.FAST_LOWEST), guard_layout.NEVER)
        values |= dict.fromkeys(
            (guard_layout.HIGHEST, guard_layout.FAST_HIGHEST), -guard_layout.NEVER
        )
        values[guard_layout.PHASE] = int(instrument["initial_phase"]) or int(Phase.CONTINUOUS)
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
    if setting == constants.SET_TRADING_DAY:
        return begin_day(state, guard, value, second)
    if setting == constants.SET_BREAKER:
        return set_level(guard, who, value, second)
    if setting > constants.SET_RENEWAL or instrument < 0 or value < 0 or value > LARGEST:
        return False
    rules = totals.instrument_row(state, instrument)
    limited = rules.price_limited != 0
    if not limited or rules.bound > guard_layout.PRICE_LIMIT:
        return False
    return set_row(state, guard, instrument, setting, value, second)


@kernel
def set_row(
    state: RiskState,
    guard: guard_layout.Guard,
    instrument: int,
    setting: int,
    value: int,
    second: int,
) -> bool:
    row, at, beside = row_of(guard, instrument), guard_layout.RENEWAL_NS, 0
    if setting in (constants.SET_LULD, constants.SET_STATIC_BAND):
        if value > 10_000 or second > guard_layout.PRICE_LIMIT:
            return False
        at, beside = guard_layout.STATIC_BPS, 0
        if setting == constants.SET_LULD:
            at, beside = guard_layout.BAND_BPS, guard_layout.TICKS_A_UNIT
    elif setting in (constants.SET_VOLATILITY, constants.SET_VELOCITY):
        if second < 1 or second > guard_layout.SLOTS or value > guard_layout.PRICE_LIMIT:
            return False
        at, beside = guard_layout.VOLATILITY_BPS, guard_layout.VOLATILITY_S
        if setting == constants.SET_VELOCITY:
            at, beside = guard_layout.VELOCITY_TICKS, guard_layout.VELOCITY_S
    elif setting == constants.SET_LIMIT_STATE:
        at = guard_layout.LIMIT_STATE_NS
    elif setting == constants.SET_PAUSE:
        if value == 0 or second > LARGEST:
            return False
        at, beside = guard_layout.PAUSE_NS, guard_layout.CALL_NS
    elif setting == constants.SET_INDEX_WEIGHT:
        if value > guard_layout.WEIGHT_LIMIT:
            return False
        more = (1 if value != 0 else 0) - (1 if row.weight != 0 else 0)
        guard.indexed += more
        at = guard_layout.WEIGHT
    elif setting == constants.SET_HALT_GROUP:
        at = guard_layout.HALT_GROUP
    elif setting == constants.SET_CANCEL_RESTING:
        if value > 1:
            return False
        at = guard_layout.CANCEL_RESTING
    was_banded = is_banded(row)
    store_i64(row + at, value)
    if beside != 0:
        store_i64(row + beside, second)
    if setting in (constants.SET_VOLATILITY, constants.SET_VELOCITY):
        now_s = row.second
        row.second = -1
        roll(row, now_s)
    elif was_banded or is_banded(row):
        set_bands(state, guard, instrument)
    return True


@kernel
def begin_day(state: RiskState, guard: guard_layout.Guard, day: int, cut_off: int) -> bool:
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
    log(guard, guard_layout.NEW_DAY, -1, state.now_ns, day)
    return True


@kernel
def set_level(guard: guard_layout.Guard, level: int, bps: int, halt_ns: int) -> bool:
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
