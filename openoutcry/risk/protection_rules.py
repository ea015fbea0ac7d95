"""The protection's block: made, set by RISK commands, read."""

from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
import openoutcry.risk.protection_layout as protection_layout
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.protection import is_banded, log, protection_of, roll, row_of, set_bands
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined, store_i64

ROW_WORDS = {
    Setting.LULD: (protection_layout.BAND_BPS, protection_layout.TICKS_A_UNIT),
    Setting.STATIC_BAND: (protection_layout.STATIC_BPS, -1),
    Setting.VOLATILITY: (protection_layout.VOLATILITY_BPS, protection_layout.VOLATILITY_S),
    Setting.VELOCITY: (protection_layout.VELOCITY_TICKS, protection_layout.VELOCITY_S),
    Setting.LIMIT_STATE: (protection_layout.LIMIT_STATE_NS, -1),
    Setting.PAUSE: (protection_layout.PAUSE_NS, protection_layout.CALL_NS),
    Setting.INDEX_WEIGHT: (protection_layout.WEIGHT, -1),
    Setting.HALT_GROUP: (protection_layout.HALT_GROUP, -1),
    Setting.CANCEL_RESTING: (protection_layout.CANCEL_RESTING, -1),
    Setting.RENEWAL: (protection_layout.RENEWAL_NS, -1),
}
"""The places of value and second value of an instrument's protection in its row."""
DEFAULTS = {
    Setting.LULD: (0, 0),
    Setting.STATIC_BAND: (0, 0),
    Setting.VOLATILITY: (0, protection_layout.SLOTS),
    Setting.VELOCITY: (0, 1),
    Setting.LIMIT_STATE: (15 * protection_layout.SECOND_NS, 0),
    Setting.PAUSE: (5 * protection_layout.MINUTE_NS, protection_layout.MINUTE_NS),
    Setting.INDEX_WEIGHT: (0, 0),
    Setting.HALT_GROUP: (0, 0),
    Setting.CANCEL_RESTING: (0, 0),
    Setting.RENEWAL: (30 * protection_layout.SECOND_NS, 0),
}
BREAKER_DEFAULTS = {
    1: (0, 15 * protection_layout.MINUTE_NS),
    2: (0, 15 * protection_layout.MINUTE_NS),
    3: (0, 0),
}
LEVEL_WORDS = {
    1: (protection_layout.LEVEL_1_BPS, protection_layout.HALT_1_NS),
    2: (protection_layout.LEVEL_2_BPS, protection_layout.HALT_2_NS),
    3: (protection_layout.LEVEL_3_BPS, -1),
}


class ProtectionView:
    """The protection's words, as arrays over a risk state's own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, instruments: int) -> None:
        """``at``: where in ``words``, which are the whole state."""
        self.header = words[at // 8 : (at + protection_layout.HEADER_BYTES) // 8]
        self.log = words[(at + protection_layout.LOG_AT) // 8 :][
            : protection_layout.LOG_ENTRIES * 4
        ].reshape(-1, 4)
        quotes = at + protection_layout.HEADER_BYTES
        rows = quotes + instruments * protection_layout.QUOTE_BYTES
        self.quotes = words[quotes // 8 : rows // 8].reshape(instruments, -1)
        end = rows + instruments * protection_layout.ROW_BYTES
        self.rows = words[rows // 8 : end // 8].reshape(instruments, -1)

    def word(self, offset: int) -> int:
        """Return a word of the block's header, by its offset."""
        return int(self.header[offset // 8])

    def of(self, instrument: int, offset: int) -> int:
        """Return a word of an instrument's row, by its offset."""
        return int(self.rows[instrument, offset // 8])

    def logged(self, after: int = 0) -> list[tuple[int, int, int, int]]:
        """(kind, instrument, sequenced time, value) of the decisions after the first ``after``, as
        far as they are kept."""
        count = self.word(protection_layout.LOGGED)
        first = max(after, count - protection_layout.LOG_ENTRIES)
        return [
            tuple(self.log[n % protection_layout.LOG_ENTRIES].tolist()) for n in range(first, count)
        ]


def enter_protection(words: npt.NDArray[np.int64], at: int, instruments: npt.NDArray[Any]) -> None:
    """Make the block for these instruments: nothing is protected yet."""
    count = len(instruments)
    words[lay.PROTECTION_AT // 8] = at
    protection = ProtectionView(words, at, count)
    protection.header[protection_layout.QUOTES_AT // 8] = protection_layout.HEADER_BYTES
    protection.header[protection_layout.ROWS_AT // 8] = (
        protection_layout.HEADER_BYTES + count * protection_layout.QUOTE_BYTES
    )
    for level, (_, halt_ns) in BREAKER_DEFAULTS.items():
        if LEVEL_WORDS[level][1] >= 0:
            protection.header[LEVEL_WORDS[level][1] // 8] = halt_ns
    for row, instrument in zip(protection.rows, instruments, strict=True):
        values = {
            protection_layout.LOW: -protection_layout.NEVER,
            protection_layout.HIGH: protection_layout.NEVER,
            protection_layout.SECOND: -1,
        }
        values |= dict.fromkeys(
            (
                protection_layout.REFERENCE,
                protection_layout.STATIC_REFERENCE,
                protection_layout.CLOSE,
            ),
            protection_layout.NEVER,
        )
        values |= dict.fromkeys(
            (protection_layout.LOWEST, protection_layout.FAST_LOWEST), protection_layout.NEVER
        )
        values |= dict.fromkeys(
            (protection_layout.HIGHEST, protection_layout.FAST_HIGHEST), -protection_layout.NEVER
        )
        values[protection_layout.PHASE] = (
            int(instrument["initial_phase"]) or enum_numbers.PHASE_CONTINUOUS
        )
        for what, (first, second) in ROW_WORDS.items():
            values[first] = DEFAULTS[what][0]
            if second >= 0:
                values[second] = DEFAULTS[what][1]
        for word, value in values.items():
            row[word // 8] = value


# RISK commands


@kernel
def has_bands(state: RiskState, instrument: int) -> bool:
    """Return whether the protection makes the bands of this instrument."""
    if state.protection_at == 0:
        return False
    return is_banded(row_of(protection_of(state), instrument))


@kernel_outlined
def set_protection(
    state: RiskState, instrument: int, setting: int, participant: int, value: int, second: int
) -> bool:
    """Apply a setting of the protection; False, and nothing changed, if it makes no sense, or the
    journal began without protection."""
    not_inlined()
    if state.protection_at == 0 or second < 0:
        return False
    protection = protection_of(state)
    if setting == constants.SET_TRADING_DAY:
        return begin_day(state, protection, value, second)
    if setting == constants.SET_BREAKER:
        return set_level(protection, participant, value, second)
    if setting > constants.SET_RENEWAL or instrument < 0 or value < 0 or value > LARGEST:
        return False
    rules = totals.instrument_row(state, instrument)
    limited = rules.price_limited != 0
    if not limited or rules.bound > protection_layout.PRICE_LIMIT:
        return False
    return set_row(state, protection, instrument, setting, value, second)


@kernel
def set_row(
    state: RiskState,
    protection: protection_layout.ProtectionHeader,
    instrument: int,
    setting: int,
    value: int,
    second: int,
) -> bool:
    """Apply a setting of an instrument's protection; False if its values are not valid."""
    row, at, beside = row_of(protection, instrument), protection_layout.RENEWAL_NS, 0
    if setting in (constants.SET_LULD, constants.SET_STATIC_BAND):
        if value > 10_000 or second > protection_layout.PRICE_LIMIT:
            return False
        at, beside = protection_layout.STATIC_BPS, 0
        if setting == constants.SET_LULD:
            at, beside = protection_layout.BAND_BPS, protection_layout.TICKS_A_UNIT
    elif setting in (constants.SET_VOLATILITY, constants.SET_VELOCITY):
        if second < 1 or second > protection_layout.SLOTS or value > protection_layout.PRICE_LIMIT:
            return False
        at, beside = protection_layout.VOLATILITY_BPS, protection_layout.VOLATILITY_S
        if setting == constants.SET_VELOCITY:
            at, beside = protection_layout.VELOCITY_TICKS, protection_layout.VELOCITY_S
    elif setting == constants.SET_LIMIT_STATE:
        at = protection_layout.LIMIT_STATE_NS
    elif setting == constants.SET_PAUSE:
        if value == 0 or second > LARGEST:
            return False
        at, beside = protection_layout.PAUSE_NS, protection_layout.CALL_NS
    elif setting == constants.SET_INDEX_WEIGHT:
        if value > protection_layout.WEIGHT_LIMIT:
            return False
        more = (1 if value != 0 else 0) - (1 if row.weight != 0 else 0)
        protection.indexed += more
        at = protection_layout.WEIGHT
    elif setting == constants.SET_HALT_GROUP:
        at = protection_layout.HALT_GROUP
    elif setting == constants.SET_CANCEL_RESTING:
        if value > 1:
            return False
        at = protection_layout.CANCEL_RESTING
    was_banded = is_banded(row)
    store_i64(row + at, value)
    if beside != 0:
        store_i64(row + beside, second)
    if setting in (constants.SET_VOLATILITY, constants.SET_VELOCITY):
        now_s = row.second
        row.second = -1
        roll(row, now_s)
    elif was_banded or is_banded(row):
        set_bands(state, protection, instrument)
    return True


@kernel
def begin_day(
    state: RiskState, protection: protection_layout.ProtectionHeader, day: int, cut_off: int
) -> bool:
    """A new trading day: what was traded last is the previous close, and no level has fired."""
    if day <= protection.day:
        return False
    protection.day = day
    protection.cut_off_ns = cut_off
    protection.level_fired = 0
    protection.market_until_ns = 0
    for instrument in range(state.instruments):
        last = totals.instrument_row(state, instrument).last
        row_of(protection, instrument).close = last
    log(protection, protection_layout.NEW_DAY, -1, state.now_ns, day)
    return True


@kernel
def set_level(
    protection: protection_layout.ProtectionHeader, level: int, bps: int, halt_ns: int
) -> bool:
    """Set a level (1 to 3) of the market-wide breaker: a decline in basis points and the halt's ns;
    False if not valid."""
    if bps < 0 or bps > 10_000 or halt_ns > LARGEST:
        return False
    if level == 1:
        protection.level_1_bps = bps
        protection.halt_1_ns = halt_ns
    elif level == 2:
        protection.level_2_bps = bps
        protection.halt_2_ns = halt_ns
    elif level == 3:
        protection.level_3_bps = bps
    else:
        return False
    return True
