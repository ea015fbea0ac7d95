"""The value in the risk state of each setting, and the RISK command that changes it."""

from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout
from openoutcry.risk.bits import (
    CELL_SETTINGS,
    GROUP_SETTINGS,
    INSTRUMENT_SETTINGS,
    PROTECTION_SETTINGS,
    Setting,
)
from openoutcry.risk.protection_rules import LEVEL_WORDS, ROW_WORDS
from openoutcry.risk.region import RiskError, View

PARTICIPANT_WORDS = {
    Setting.DEPOSIT: lay.BALANCE,
    Setting.CREDIT: lay.CREDIT,
    Setting.EXPOSURE_BUY: lay.BUY_EXPOSURE_LIMIT,
    Setting.EXPOSURE_SELL: lay.SELL_EXPOSURE_LIMIT,
    Setting.GROSS_POSITION: lay.GROSS_LIMIT,
    Setting.OPEN_ORDERS: lay.OPEN_LIMIT,
    Setting.RATE: lay.RATE_NS,
    Setting.DUPLICATE_WINDOW: lay.DUPLICATE_NS,
    Setting.LOSS: lay.LOSS_LIMIT,
    Setting.DRAWDOWN: lay.DRAWDOWN_LIMIT,
    Setting.GROUP: lay.GROUP,
    Setting.MAINTENANCE: lay.MAINTENANCE_BPS,
    Setting.STATUS: lay.STATUS,
}
PARTICIPANT_FLAGS = {
    Setting.SELF_TRADE: lay.NAMES_SELF_TRADE,
    Setting.KILL: lay.KILLED_FLAGS,
}
CELL_WORDS = {
    Setting.POSITION_LONG: lay.LONG_LIMIT,
    Setting.POSITION_SHORT: lay.SHORT_LIMIT,
    Setting.MAX_QTY: lay.MAX_QTY,
    Setting.MAX_VALUE: lay.MAX_VALUE,
    Setting.POSITION: lay.POSITION,
    Setting.LIQUIDATE: lay.POSITION,
}
CELL_FLAGS = {Setting.RESTRICTED: lay.RESTRICTED_FLAG, Setting.SHORT_SALE: lay.NO_SHORT_FLAG}
INSTRUMENT_WORDS = {
    Setting.FEE: lay.FEE,
    Setting.MARGIN: lay.MARGIN,
    Setting.WEIGHT: lay.WEIGHT,
    Setting.DISTANCE: lay.DISTANCE_BPS,
    Setting.ADV: lay.ADV,
    Setting.ADV_SHARE: lay.ADV_BPS,
    Setting.BANDS: lay.BAND_HIGH,
    Setting.MARK: lay.LAST,
}
GROUP_WORDS = {
    Setting.GROUP_GROSS_POSITION: lay.GROUP_GROSS_LIMIT,
    Setting.GROUP_KILL: lay.GROUP_KILL,
    Setting.GROUP_NAME: lay.GROUP_NAME,
}
MARKET_WORDS = {
    Setting.MARKET_KILL: lay.MARKET_KILL,
    Setting.FILE: lay.FILE_DIGEST,
    Setting.EMERGENCY: lay.EMERGENCY,
}


def setting_in_force(
    view: View, what: Setting, who: int = 0, instrument: int = -1
) -> tuple[int, int]:
    """Value and second value of a setting as it is; ``who``: a participant's or a group's number,
    ``instrument``: an index, both where the setting has one.

    Raises :class:`RiskError` for a participant, group or instrument that the state has no row of.
    """
    if what in PROTECTION_SETTINGS:
        return protection_stands(view, what, who, instrument)
    if what in MARKET_WORDS:
        return view.word(MARKET_WORDS[what]), 0
    if what in INSTRUMENT_SETTINGS and not 0 <= instrument < len(view.instruments):
        raise RiskError(f"{what.name}: there is no such instrument")
    if what is Setting.HALT:
        halt = int(view.instruments[instrument, lay.HALT // 8])
        return halt & (protection_layout.OPERATORS_HALT | protection_layout.PROTECTIONS_HALT), 0
    if what in INSTRUMENT_WORDS:
        row = view.instruments[instrument]
        second = int(row[lay.BAND_LOW // 8]) if what is Setting.BANDS else 0
        return int(row[INSTRUMENT_WORDS[what] // 8]), second
    rows = view.groups if what in GROUP_SETTINGS else view.participants
    if not 0 <= who < len(rows):
        kind = "group" if what in GROUP_SETTINGS else "participant"
        raise RiskError(f"{what.name}: there is no {kind} {who}, there are {len(rows)}")
    if what in GROUP_SETTINGS:
        return int(rows[who, GROUP_WORDS[what] // 8]), 0
    if what in CELL_SETTINGS:
        cell = view.cells[who, instrument]
        if what in CELL_FLAGS:
            return int(cell[lay.CELL_FLAGS // 8] & CELL_FLAGS[what] != 0), 0
        return int(cell[CELL_WORDS[what] // 8]), 0
    if what in PARTICIPANT_FLAGS:
        return int(rows[who, lay.FLAGS // 8] & PARTICIPANT_FLAGS[what] != 0), 0
    second = int(rows[who, lay.RATE_BURST // 8]) if what is Setting.RATE else 0
    return int(rows[who, PARTICIPANT_WORDS[what] // 8]), second


def operators_setting(
    view: View, what: Setting, who: int = 0, instrument: int = -1
) -> tuple[int, int]:
    """Like :func:`setting_in_force`, but what the operator has set, where the participant's owner
    has set a limit or has killed it, too."""
    if what is Setting.KILL:
        setting_in_force(view, what, who)
        return int(view.of(who, lay.FLAGS) & lay.ENABLED_FLAGS != 0), 0
    found = None if view.own is None else view.own.find(who, what, instrument)
    if found is None:
        return setting_in_force(view, what, who, instrument)
    return found[2], found[3] if what is Setting.RATE else 0


def protection_stands(view: View, what: Setting, who: int, instrument: int) -> tuple[int, int]:
    """Like :func:`setting_in_force`, for the protection; ``who``: the breaker's level."""
    protection = view.protection
    if protection is None:
        raise RiskError(f"{what.name}: the journal began without protection")
    if what is Setting.TRADING_DAY:
        return protection.word(protection_layout.DAY), protection.word(protection_layout.CUT_OFF_NS)
    if what is Setting.BREAKER:
        first, second = LEVEL_WORDS[who]
        return protection.word(first), protection.word(second) if second >= 0 else 0
    if not 0 <= instrument < len(protection.rows):
        raise RiskError(f"{what.name}: there is no such instrument")
    first, second = ROW_WORDS[what]
    return protection.of(instrument, first), protection.of(instrument, second) if second >= 0 else 0
