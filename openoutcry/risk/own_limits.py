"""Limits that the owner of an account has set, next to those of the operator.

A block of the risk state.  The checks of an order read one limit in each place, as before: the
stricter of the two.  A row here remembers both, from the first time that an owner sets a limit in
that place.  So neither of them ever lifts the other's.  Only commands that set a limit look here.
"""

import numpy as np
import numpy.typing as npt

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, NO_LIMIT, Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.row_index import find_entry, index_entries
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

OWNERS = 1
"""``time_in_force`` of a RISK command: it is the owner's limit, and not the operator's."""
OF_PARTICIPANTS = (
    Setting.EXPOSURE_BUY, Setting.EXPOSURE_SELL, Setting.GROSS_POSITION, Setting.OPEN_ORDERS,
    Setting.RATE, Setting.LOSS, Setting.DRAWDOWN,
)  # fmt: skip
OF_CELLS = (
    Setting.POSITION_LONG, Setting.POSITION_SHORT, Setting.MAX_QTY, Setting.MAX_VALUE,
    Setting.RESTRICTED, Setting.SHORT_SALE,
)  # fmt: skip
"""What an owner may limit; and KILL, which has its own flag and no row."""
MAX_OWN = 1 << 20


class OwnTable(Layout, size_bytes=64):
    """The header of the block."""

    capacity: int = i64("rows that there is room for")
    index_mask: int = i64("entries of the index, less one")
    count: int = i64("rows so far; a row stays")
    asked: int = i64("within a command: the place that is looked for")


class OwnLimit(Layout, size_bytes=64):
    """One limit of one participant."""

    place: int = i64("participant << 32 | (instrument + 1, 0: of all together) << 8 | ``Setting``")
    own: int = i64("the owner's limit")
    own_second: int = i64("and its second value")
    operators: int = i64("the operator's limit")
    operators_second: int = i64("and its second value")


ROW_BYTES, HEADER_BYTES = OwnLimit.size_bytes, OwnTable.size_bytes
ASKED_AT = OwnTable.offset("asked")


def block_bytes(capacity: int) -> int:
    """Size of a block with this many rows: header, index, rows."""
    return HEADER_BYTES + 8 * index_entries(capacity) + ROW_BYTES * capacity


def enter_block(words: npt.NDArray[np.int64], at: int, capacity: int) -> None:
    """Make the zeroed bytes from ``at`` on a block without limits."""
    words[(at + OwnTable.offset("capacity")) // 8] = capacity
    words[(at + OwnTable.offset("index_mask")) // 8] = index_entries(capacity) - 1


def place_of(who: int, what: Setting, instrument: int = -1) -> int:
    """Return the place of a limit, as a row has it."""
    return who << 32 | instrument + 1 << 8 | what


# Kernels


@kernel
def may_be_own(setting: int) -> bool:
    """Return whether an owner may set it."""
    of_participant = constants.SET_EXPOSURE_BUY <= setting <= constants.SET_RATE
    of_profit = constants.SET_LOSS <= setting <= constants.SET_DRAWDOWN
    return (
        of_participant
        or of_profit
        or constants.SET_POSITION_LONG <= setting <= constants.SET_SHORT_SALE
    )


@kernel
def limit_at(setting: int) -> int:
    """Return where a participant's row has the limit."""
    at = lay.CREDIT
    if setting == constants.SET_EXPOSURE_BUY:
        at = lay.BUY_EXPOSURE_LIMIT
    elif setting == constants.SET_EXPOSURE_SELL:
        at = lay.SELL_EXPOSURE_LIMIT
    elif setting == constants.SET_GROSS_POSITION:
        at = lay.GROSS_LIMIT
    elif setting == constants.SET_OPEN_ORDERS:
        at = lay.OPEN_LIMIT
    elif setting == constants.SET_DUPLICATE_WINDOW:
        at = lay.DUPLICATE_NS
    elif setting == constants.SET_LOSS:
        at = lay.LOSS_LIMIT
    elif setting == constants.SET_DRAWDOWN:
        at = lay.DRAWDOWN_LIMIT
    elif setting == constants.SET_RATE:
        at = lay.RATE_NS
    return at


@kernel
def has_sense(setting: int, value: int, second: int) -> bool:
    """Return whether a limit may have this value and second value."""
    if constants.SET_RESTRICTED <= setting <= constants.SET_SHORT_SALE:
        return value == 0 or value == 1
    if setting == constants.SET_RATE:
        return 0 <= value <= LARGEST and 1 <= second <= LARGEST
    return 0 <= value <= LARGEST or value == NO_LIMIT


@kernel
def unlimited(setting: int) -> int:
    """Return the value with which the setting limits nothing."""
    if setting == constants.SET_RATE or setting >= constants.SET_RESTRICTED:
        return 0
    return NO_LIMIT


@kernel
def now_in_force(state: RiskState, participant: int, instrument: int, setting: int) -> int:
    """Return the value that the checks read."""
    if setting < constants.SET_POSITION_LONG:
        return load_i64(totals.participant_row(state, participant) + limit_at(setting))
    cell = totals.cell_of(state, participant, instrument)
    if setting == constants.SET_RESTRICTED:
        return cell.flags & lay.RESTRICTED_FLAG
    if setting == constants.SET_SHORT_SALE:
        return 1 if cell.flags & lay.NO_SHORT_FLAG != 0 else 0
    return load_i64(cell + lay.LONG_LIMIT + 8 * (setting - constants.SET_POSITION_LONG))


@kernel_outlined
def own_row(state: RiskState, participant: int, instrument: int, setting: int, whose: int) -> int:
    """Return the address of the row of a limit, 0: it has none.  With OWNERS in ``whose`` it is
    made, with the limit in force as the operator's; 0 then: there is no room."""
    not_inlined()
    table = OwnTable(state + state.own_at)
    index, mask = table + HEADER_BYTES, table.index_mask
    rows = index + 8 * (mask + 1)
    place = instrument + 1 if setting >= constants.SET_POSITION_LONG else 0
    table.asked = participant << 32 | place << 8 | setting
    at = find_entry(index, mask, rows, ROW_BYTES, table + ASKED_AT, 1)
    number = load_i64(at)
    if number == 0 and whose == OWNERS and table.count < table.capacity:
        number = table.count + 1
        table.count = number
        store_i64(at, number)
        row = OwnLimit(rows + ROW_BYTES * (number - 1))
        row.place = table.asked
        row.own, row.own_second = unlimited(setting), 1
        row.operators = now_in_force(state, participant, instrument, setting)
        row.operators_second = totals.participant_row(state, participant).rate_burst
    table.asked = 0
    return rows + ROW_BYTES * (number - 1) if number != 0 else 0


@kernel_outlined
def keep_both(
    state: RiskState,
    participant: int,
    instrument: int,
    setting: int,
    value: int,
    second: int,
    whose: int,
) -> int:
    """Remember a limit next to the other's, and return the address of its row; 0, and nothing
    changed: it is the operator's, and the owner has none there; -1: it makes no sense."""
    not_inlined()
    if not may_be_own(setting):
        return 0
    if state.own_at == 0:
        return -1 if whose == OWNERS else 0
    if not has_sense(setting, value, second):
        return -1
    at = own_row(state, participant, instrument, setting, whose)
    if at == 0:
        return -1 if whose == OWNERS else 0
    row = OwnLimit(at)
    if whose == OWNERS:
        row.own, row.own_second = value, second
    else:
        row.operators, row.operators_second = value, second
    return at


@kernel
def stricter(row: OwnLimit, setting: int) -> int:
    """Return the stricter of the two limits."""
    if setting == constants.SET_RATE or setting >= constants.SET_RESTRICTED:
        return max(row.own, row.operators)
    return min(row.own, row.operators)


@kernel
def stricter_second(row: OwnLimit, setting: int) -> int:
    """Return the second value of the stricter limit: of RATE the smaller burst of those that
    limit."""
    if setting != constants.SET_RATE or row.own == 0:
        return row.operators_second
    return row.own_second if row.operators == 0 else min(row.own_second, row.operators_second)


class OwnView:
    """The block, as arrays over its own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int) -> None:
        """``words``: of the risk state, ``at``: the block's offset in bytes."""
        self.header = words[at // 8 :][: HEADER_BYTES // 8]
        capacity = int(self.header[OwnTable.offset("capacity") // 8])
        self.size_bytes = block_bytes(capacity)
        first = (at + HEADER_BYTES) // 8 + index_entries(capacity)
        self.rows = words[first:][: capacity * ROW_BYTES // 8].reshape(capacity, ROW_BYTES // 8)

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """The rows that are in use: int64 of (limits, words of a row)."""
        return self.rows[: int(self.header[OwnTable.offset("count") // 8])]

    def of(self, who: int) -> dict[tuple[Setting, int], tuple[int, ...]]:
        """A participant's limits by setting and instrument (-1: all together): the owner's value
        and second value, then the operator's."""
        used = self.used
        mine = used[used[:, 0] >> 32 == who].tolist()
        return {
            (Setting(place & 0xFF), (place >> 8 & 0xFFFFFF) - 1): tuple(values[:4])
            for place, *values in mine
        }

    def find(self, who: int, what: Setting, instrument: int = -1) -> tuple[int, ...] | None:
        """One limit, as :meth:`of` has it; None: the owner has never set it."""
        used = self.used
        found = np.flatnonzero(used[:, 0] == place_of(who, what, instrument))
        return tuple(used[found[0], 1:5].tolist()) if len(found) else None
