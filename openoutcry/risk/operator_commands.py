"""RISK commands of the exchange operator: a limit, a switch, a price, changed while trading."""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, NO_LIMIT, ParticipantStatus
from openoutcry.risk.collateral import pledge
from openoutcry.risk.contract_batch import apply_batch
from openoutcry.risk.contract_layout import STAGED, WITH_MARK
from openoutcry.risk.contracts import apply_contract, judge_all, mark_others
from openoutcry.risk.corporate import adjust
from openoutcry.risk.instrument_rules import stage_rule
from openoutcry.risk.instrument_state import enter_state
from openoutcry.risk.layout import RiskCell, RiskGroup, RiskInstrument, RiskParticipant, RiskState
from openoutcry.risk.liquidation import set_part
from openoutcry.risk.margin_commands import apply_margin
from openoutcry.risk.money import judge_margin, judge_profit, margined_lots, mark_position
from openoutcry.risk.movements import apply_movement, has_open_movement
from openoutcry.risk.own_limits import (
    OWNERS,
    OwnLimit,
    keep_both,
    limit_at,
    stricter,
    stricter_second,
)
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.risk.protection_rules import has_bands, set_protection
from openoutcry.risk.requests import apply_request
from openoutcry.risk.speed_bump import SpeedBump, set_bump
from openoutcry.risk.spot import (
    block_of,
    follow_fees,
    move,
    names_asset,
    set_credit,
    set_volume,
    wallet_in,
)
from openoutcry.risk.waterfall import cover, deleverage, may_leave_fund, pay_fee, seize
from openoutcry.wire import wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER

EMERGENCY_STEPS = 6
FILED, ACTIVE, SUSPENDED, CLOSED = (int(status) for status in ParticipantStatus)
LEDGER_UNIT = 1_000_000
SEQ = ORDER.offsets["seq"]


@kernel
def is_amount(value: int) -> bool:
    """Return whether a value is 0 to LARGEST, the most that sums of amounts allow."""
    return 0 <= value <= LARGEST


@kernel_outlined
def apply_setting(state: RiskState, order: OrderRecord, instrument: int) -> bool:
    """Apply a RISK command (``bits.Setting``); False, and nothing changed, if it makes no sense."""
    not_inlined()
    setting, participant = order.order_type, order.qty_lots
    value, second = order.aux, order.price_ticks
    if setting == constants.SET_MARKET_KILL:
        return set_market(state, order.order_id, value)
    if constants.SET_REQUEST <= setting <= constants.SET_REQUEST_DONE:
        return apply_request(state, order, setting)
    if setting == constants.SET_SESSION:
        return is_piece(participant)
    if setting == constants.SET_INSTRUMENT_STATE:
        return enter_state(state, order, instrument)
    if setting == constants.SET_INSTRUMENT_RULE:
        return stage_rule(state, order, instrument)
    if setting >= constants.SET_CONTRACT_MARK:
        side = order.time_in_force
        return apply_contracts(
            state, instrument, setting, participant, value, second, side, order + SEQ
        )
    if setting >= constants.SET_LEDGER_TIER:
        if not is_for_ledger(order, instrument, setting, participant, value, second):
            return False
        if block_of(state) == 0:
            return True
        return follow_fees(state, order, instrument, setting, participant, value)
    if setting >= constants.SET_LULD:
        return set_protection(state, instrument, setting, participant, value, second)
    if setting == constants.SET_BANDS and instrument >= 0 and has_bands(state, instrument):
        return False
    if setting == constants.SET_FILE:
        state.file_digest = value
        return True
    if setting == constants.SET_EMERGENCY:
        return set_emergency(state, value)
    if setting in (constants.SET_DIVIDEND, constants.SET_SPLIT):
        is_split = setting == constants.SET_SPLIT
        return instrument >= 0 and adjust(state, instrument, is_split, value, second, order + SEQ)
    if setting in (constants.SET_SPEED_BUMP, constants.SET_RELEASE):
        bump = state.bump_at
        if bump == 0 or setting == constants.SET_RELEASE:
            return bump != 0
        holds_terms = order.time_in_force
        return set_bump(
            SpeedBump(state + bump), value, second, participant, holds_terms, order.rx_ts_ns
        )
    if setting == constants.SET_MARK and order.symbol == 0:
        # Each participant is judged once: none is judged by one leg of a hedge.
        mark_others(state, order + SEQ)
        judge_all(state, order + SEQ)
        return True
    if constants.SET_FEE <= setting <= constants.SET_MARK:
        if instrument < 0 or (setting <= constants.SET_MARGIN and is_spot(state, instrument)):
            return False
        return set_instrument(state, instrument, setting, value, second, order + SEQ)
    if constants.SET_GROUP_GROSS_POSITION <= setting <= constants.SET_GROUP_NAME:
        if participant < 0 or participant >= state.groups:
            return False
        return set_group(totals.group_row(state, participant), setting, value)
    if participant < 0 or participant >= state.participants:
        return False
    if constants.SET_POSITION_LONG <= setting <= constants.SET_SHORT_SALE:
        if instrument < 0:
            return False
        if setting == constants.SET_SHORT_SALE and is_spot(state, instrument):
            return False
        kept = keep_both(
            state, participant, instrument, setting, value, second, order.time_in_force
        )
        if kept < 0:
            return False
        if kept > 0:
            value = stricter(OwnLimit(kept), setting)
        return set_cell(totals.cell_of(state, participant, instrument), setting, value)
    if setting == constants.SET_POSITION:
        return instrument >= 0 and set_position(
            state, participant, instrument, value, second, order + SEQ
        )
    if setting == constants.SET_LIQUIDATE:
        return instrument >= 0 and set_part(state, participant, instrument, value, second)
    if setting == constants.SET_MAINTENANCE and participant == 0:
        return False
    if setting == constants.SET_ASSET_CREDIT:
        return set_credit(state, order, participant, value)
    if setting == constants.SET_FEE_VOLUME:
        return set_volume(state, participant, value)
    if setting == constants.SET_DEPOSIT and names_asset(order) != 0 and block_of(state) != 0:
        return move(state, order, participant, value)
    if setting == constants.SET_STATUS:
        return set_status(state, participant, value, second)
    if setting == constants.SET_MOVEMENT:
        return apply_movement(state, order, participant, value)
    if constants.SET_DEPOSIT <= setting <= constants.SET_MAINTENANCE:
        row = totals.participant_row(state, participant)
        if setting == constants.SET_DEPOSIT and not may_leave_fund(state, participant, value):
            return False
        if setting == constants.SET_KILL and order.time_in_force == OWNERS:
            if state.own_at == 0 or not kill_by_owner(row, value, order.seq):
                return False
        else:
            kept = keep_both(
                state, participant, instrument, setting, value, second, order.time_in_force
            )
            if kept < 0:
                return False
            if kept > 0:
                both = OwnLimit(kept)
                value, second = stricter(both, setting), stricter_second(both, setting)
            if not set_participant(state, row, setting, value, second, order + SEQ):
                return False
        if setting != constants.SET_DEPOSIT or value < 0:  # money paid in calls nobody
            judge_margin(state, row, order + SEQ)
        return True
    return False


@kernel
def apply_contracts(
    state: RiskState,
    instrument: int,
    setting: int,
    participant: int,
    value: int,
    second: int,
    side: int,
    seq_at: int,
) -> bool:
    """Apply a setting of contracts, of what comes after a liquidation, or of scenario margin.
    ``side``: the command's ``time_in_force``, of a pledge the number of its asset."""
    is_staged, with_mark, count = side == STAGED, participant & WITH_MARK != 0, participant >> 1
    if setting == constants.SET_COVER or setting == constants.SET_DELEVERAGE:
        other, participant = participant >> 16, participant & 0xFFFF
        if max(participant, other) >= state.participants or other < 0:
            return False
        if setting == constants.SET_COVER:
            return other == 0 and cover(state, participant, value)
        return deleverage(state, participant, other, instrument, value, second, side, seq_at)
    if setting == constants.SET_CONTRACT_LIST or setting == constants.SET_CONTRACT_ADJUST:
        return apply_contract(
            state, instrument, setting, count, value, second, is_staged, False, seq_at
        )
    if setting == constants.SET_CONTRACT_APPLY:
        return apply_batch(state, value, participant == WITH_MARK, seq_at)
    if setting == constants.SET_PLEDGE:
        return pledge(state, participant, side, value, seq_at)
    if setting == constants.SET_SEIZE:
        return seize(state, participant, side, value, second)
    if setting == constants.SET_LIQUIDATION_FEE:
        return pay_fee(state, participant, value, seq_at)
    if setting > constants.SET_COLLATERAL_PRICE:
        return constants.SET_INDEX_RULES <= setting <= constants.SET_INDEX_VALUE
    if setting > constants.SET_DELEVERAGE:
        return apply_margin(
            state, instrument, setting, participant, value, second, is_staged, seq_at
        )
    return apply_contract(
        state, instrument, setting, count, value, second, is_staged, with_mark, seq_at
    )


@kernel
def is_spot(state: RiskState, instrument: int) -> bool:
    """Return whether it is spot: it has no lot fee, no margin and no positions."""
    return totals.instrument_row(state, instrument).spot_at != 0


@kernel
def is_piece(place: int) -> bool:
    """Return whether a SESSION's ``qty_lots`` can be: a session's index, pieces, and which one."""
    return 0 < place >> 16 < 1 << 16 and place & 0xFF < place >> 8 & 0xFF


@kernel
def is_for_ledger(
    order: OrderRecord, instrument: int, setting: int, participant: int, value: int, second: int
) -> bool:
    """Return whether the ledger can follow it; nothing here changes."""
    named, has_instrument = order.symbol != 0, instrument >= 0
    if setting == constants.SET_LEDGER_TIER:
        maker, taker = (value << 32) >> 32, value >> 32
        fits = max(maker, -maker) <= LEDGER_UNIT and max(taker, -taker) <= LEDGER_UNIT
        return fits and 0 <= participant < 256 * 16 and participant & 15 < 8 and second >= 0
    if setting == constants.SET_LEDGER_MINIMUM:
        return 0 <= participant < 256 and is_amount(value)
    if setting == constants.SET_LEDGER_FEES:
        return -1 <= participant < 1 << 16 and -1 <= value < 256 and (has_instrument or not named)
    if setting == constants.SET_LEDGER_ASSET:
        # A gateway knows the symbols of instruments alone: a venue's asset comes as a number.
        return named != (second != 0) and not has_instrument and value >= 0 and value & 0xFF <= 18
    if setting == constants.SET_LEDGER_QUOTE:
        return has_instrument and second != 0 and 0 <= value <= 18
    if setting == constants.SET_LEDGER_COLLECT:
        return 0 <= participant < 256 and 0 <= value <= 1
    return False


@kernel
def set_market(state: RiskState, operator: int, value: int) -> bool:
    """Killed at once; open again when a second operator says so, too."""
    first = state.first_operator
    if value == 1:
        state.market_kill = 1
        state.first_operator = 0
        return True
    if value != 0 or operator == 0 or state.market_kill == 0:
        return False
    if first == 0:
        state.first_operator = operator
    elif first == operator:
        return False
    else:
        state.market_kill = 0
        state.first_operator = 0
        state.emergency = 0
    return True


@kernel
def set_emergency(state: RiskState, step: int) -> bool:
    """Enter the next step of an emergency close; False if it is not the next, or the market is not
    killed."""
    is_next = step == state.emergency + 1 and step <= EMERGENCY_STEPS
    if not is_next or state.market_kill == 0:
        return False
    state.emergency = step
    return True


@kernel
def set_group(group: RiskGroup, setting: int, value: int) -> bool:
    """Apply a setting of a group; False if its value is not valid."""
    if setting == constants.SET_GROUP_KILL:
        if value != 0 and value != 1:
            return False
        group.kill = value
        return True
    if setting == constants.SET_GROUP_NAME:
        group.name = value
        return True
    if not is_amount(value) and value != NO_LIMIT:
        return False
    group.gross_limit = value
    return True


@kernel
def set_cell(cell: RiskCell, setting: int, value: int) -> bool:
    """Apply a setting of one participant in one instrument; False if its value is not valid."""
    if setting >= constants.SET_RESTRICTED:
        if value != 0 and value != 1:
            return False
        bit = lay.RESTRICTED_FLAG if setting == constants.SET_RESTRICTED else lay.NO_SHORT_FLAG
        flags = cell.flags & ~bit
        cell.flags = flags | bit * value
        return True
    if not is_amount(value) and value != NO_LIMIT:
        return False
    at = lay.LONG_LIMIT + 8 * (setting - constants.SET_POSITION_LONG)
    store_i64(cell + at, value)
    return True


@kernel
def set_position(
    state: RiskState, participant: int, instrument: int, value: int, price: int, seq_at: int
) -> bool:
    """Set the position at the beginning: it needs margin and counts like what was traded."""
    cell, rules = (
        totals.cell_of(state, participant, instrument),
        totals.instrument_row(state, instrument),
    )
    row = totals.participant_row(state, participant)
    open_lots = cell.buy_lots | cell.sell_lots
    if cell.position != 0 or open_lots != 0 or rules.spot_at | rules.contract_at != 0:
        return False
    if not is_amount(max(value, -value)) or not is_amount(max(price, -price)):
        return False
    group = totals.group_row(state, row.group)
    worst = wide.mul(rules.weight, max(value, -value))
    gross = wide.add(row.gross, worst)
    group_gross = wide.add(group.gross, worst)
    need = totals.needed(rules, value, 0, 0, 0)
    reserved = wide.add(row.reserved, need)
    worth, margin = 0, rules.margin
    if rules.leveraged == 0:
        worth = wide.mul(wide.mul(value, rules.multiplier), price)
    funded = wide.add(row.funded, worth)
    if max(gross, group_gross, reserved, funded) > LARGEST or funded < -LARGEST:
        return False
    row.funded = funded
    margined = row.margined + margin * margined_lots(rules, value)
    row.margined = margined
    cell.position = value
    cell.mark = price
    row.gross = gross
    row.reserved = reserved
    group.gross = group_gross
    judge_margin(state, row, seq_at)
    return True


@kernel
def set_participant(
    state: RiskState, row: RiskParticipant, setting: int, value: int, second: int, seq_at: int
) -> bool:
    """Apply a setting of a participant; False if its value is not valid or a sum would pass
    LARGEST. ``seq_at``: address of the sequence of the command."""
    if setting == constants.SET_DEPOSIT:
        if row.flags & lay.CLOSED_FLAG != 0:
            return False
        total = wide.add(row.balance, value)
        funded = wide.add(row.funded, value)
        if max(total, funded) > LARGEST or min(total, funded) < -LARGEST:
            return False
        row.balance = total
        row.funded = funded
        return True
    if setting == constants.SET_GROUP:
        return move_group(state, row, value)
    if setting == constants.SET_SELF_TRADE or setting == constants.SET_KILL:
        if value != 0 and value != 1:
            return False
        flags = row.flags
        if setting == constants.SET_SELF_TRADE:
            flags = flags & ~lay.NAMES_SELF_TRADE | lay.NAMES_SELF_TRADE * value
        elif value == 1:
            flags |= lay.KILLED_BY_OPERATOR
            row.kills += 1
            row.killed_seq = load_i64(seq_at)
        else:
            flags &= ~(lay.ENABLED_FLAGS | lay.CANCEL_WANTED)
        row.flags = flags
        return True
    if setting == constants.SET_RATE:
        if not is_amount(value) or second < 1 or second > LARGEST:
            return False
        row.rate_ns = value
        row.rate_burst = second
        return True
    if setting == constants.SET_MAINTENANCE:
        if value < 0 or value > 10_000:
            return False
        row.maintenance_bps = value
        return True
    if not is_amount(value) and (value != NO_LIMIT or setting == constants.SET_DUPLICATE_WINDOW):
        return False
    store_i64(row + limit_at(setting), value)
    return True


@kernel
def kill_by_owner(row: RiskParticipant, value: int, seq: int) -> bool:
    """Kill a participant by its owner's switch, or end that; False if the value is not valid."""
    if value != 0 and value != 1:
        return False
    if value == 1:
        row.kills += 1
        row.killed_seq = seq
    row.flags = row.flags & ~lay.KILLED_BY_OWNER | lay.KILLED_BY_OWNER * value
    return True


@kernel_outlined
def set_status(state: RiskState, participant: int, status: int, name: int) -> bool:
    """Add, suspend, resume or close a participant."""
    not_inlined()
    row = totals.participant_row(state, participant)
    was = row.status
    if participant == 0 or was == CLOSED or status == was or status < ACTIVE or status > CLOSED:
        return False
    if status == CLOSED and (was != SUSPENDED or has_something(state, row, participant)):
        return False
    if was == FILED and status == ACTIVE:
        row.name = name
    barred = 0
    if status != ACTIVE:
        barred = lay.SUSPENDED_FLAG if status == SUSPENDED else lay.CLOSED_FLAG
    row.flags = row.flags & ~lay.BARRED_FLAGS | barred
    row.status = status
    return True


@kernel
def has_something(state: RiskState, row: RiskParticipant, participant: int) -> bool:
    """Return whether a participant has money, open orders, positions of any weight, or deposits and
    withdrawals under way."""
    held = row.balance | row.open | row.reserved | row.gross
    block = block_of(state)
    if block != 0:
        for asset in range(block.assets):
            wallet = wallet_in(state, block, asset, participant)
            held |= wallet.available | wallet.reserved
        if held == 0 and has_open_movement(state, block, participant):
            return True
    return held != 0


@kernel
def move_group(state: RiskState, row: RiskParticipant, number: int) -> bool:
    """Move a participant with its positions to another group; False if there is no such group or
    its sum would pass LARGEST."""
    if number < 0 or number >= state.groups:
        return False
    gross = row.gross
    left = totals.group_row(state, row.group)
    joined = totals.group_row(state, number)
    if VERIFY:
        assert 0 <= gross <= left.gross, "a group has its members' in it"
    if left != joined and joined.gross > LARGEST - gross:
        return False
    left.gross -= gross
    joined.gross += gross
    row.group = number
    return True


@kernel
def set_instrument(
    state: RiskState, instrument: int, setting: int, value: int, second: int, seq_at: int
) -> bool:
    """Apply a setting of an instrument; False if its value is not valid. ``second`` is the lower
    band."""
    rules = totals.instrument_row(state, instrument)
    if setting <= constants.SET_WEIGHT:
        if setting == constants.SET_MARGIN and rules.scenario != 0:
            return False
        at = lay.FEE
        if setting != constants.SET_FEE:
            at = lay.MARGIN if setting == constants.SET_MARGIN else lay.WEIGHT
        return is_amount(value) and reprice(state, instrument, at, value, seq_at)
    if setting == constants.SET_BANDS:
        if second > value:
            return False
        off = value == NO_LIMIT and second == -NO_LIMIT
        rules.band_high = value
        rules.band_low = second
        rules.banded = 0 if off else 1
        return True
    if setting == constants.SET_HALT:
        if value != 0 and value != 1:
            return False
        rules.halt = rules.halt & ~OPERATORS_HALT | value
        return True
    if setting == constants.SET_MARK:
        if rules.contract_at != 0:
            return False
        mark_all(state, instrument, seq_at)
        return True
    if not is_amount(value) and (value != NO_LIMIT or setting == constants.SET_ADV):
        return False
    if setting == constants.SET_DISTANCE and value == NO_LIMIT and rules.contract_at != 0:
        return False
    at = lay.DISTANCE_BPS
    if setting != constants.SET_DISTANCE:
        at = lay.ADV if setting == constants.SET_ADV else lay.ADV_BPS
    store_i64(rules + at, value)
    return True


@kernel
def reprice(state: RiskState, instrument: int, at: int, value: int, seq_at: int) -> bool:
    """Recompute, after a new fee, margin or weight, what every participant's orders need or count.
    Refused if a participant's total would pass 2**62."""
    rules = totals.instrument_row(state, instrument)
    was = load_i64(rules + at)
    if not recompute_sums(state, instrument, rules, at, was, value, False):
        return False
    recompute_sums(state, instrument, rules, at, was, value, True)
    store_i64(rules + at, value)
    if at == lay.MARGIN:
        recompute_margin(state, instrument, rules, value - was, seq_at)
    return True


@kernel
def recompute_margin(
    state: RiskState, instrument: int, rules: RiskInstrument, more: int, seq_at: int
) -> None:
    """Recompute every participant's initial margin, as a lot of this instrument needs that much
    more."""
    for participant in range(state.participants):
        row = totals.participant_row(state, participant)
        cell = totals.cell_of(state, participant, instrument)
        lots = margined_lots(rules, cell.position)
        row.margined += more * lots
        judge_margin(state, row, seq_at)


@kernel
def recompute_sums(
    state: RiskState,
    instrument: int,
    rules: RiskInstrument,
    at: int,
    was: int,
    value: int,
    stores: bool,
) -> bool:
    """Every participant's totals with another value; whether they fit.  With ``stores`` they are
    kept.  The rule is unchanged afterwards.

    A group's gross position is at most its members', so with 2**62 for all of them it fits, too.
    """
    everybody = 0
    for participant in range(state.participants):
        row = totals.participant_row(state, participant)
        cell = totals.cell_of(state, participant, instrument)
        position, cost = cell.position, cell.cost
        buys, sells = cell.buy_lots, cell.sell_lots
        worst = totals.worst_lots(position, buys, sells)
        weight = rules.weight
        need = totals.needed(rules, position, buys, sells, cost)
        store_i64(rules + at, value)
        more = wide.mul(rules.weight, worst)
        gross = wide.add(row.gross - weight * worst, more)
        new_need = totals.needed(rules, position, buys, sells, cost)
        reserved = wide.add(row.reserved - need, new_need)
        store_i64(rules + at, was)
        everybody = wide.add(everybody, gross)
        if not stores and (reserved > LARGEST or everybody > LARGEST):
            return False
        if stores:
            group = totals.group_row(state, row.group)
            moved = group.gross - row.gross
            group.gross = moved + gross
            row.gross = gross
            row.reserved = reserved
            if VERIFY:
                assert moved >= 0, "a group has its members' in it"
                assert 0 <= reserved <= LARGEST, "the first pass saw that it fits"
                assert 0 <= gross <= LARGEST, "the first pass saw that it fits"
    return True


@kernel
def mark_all(state: RiskState, instrument: int, seq_at: int) -> None:
    """Value every participant's position in an instrument at the last price, and apply the loss
    limits."""
    rules = totals.instrument_row(state, instrument)
    price = rules.last
    if price != NO_LIMIT and rules.spot_at == 0:
        for participant in range(state.participants):
            row = totals.participant_row(state, participant)
            cell = totals.cell_of(state, participant, instrument)
            mark_position(rules, row, cell, price, seq_at)
            judge_profit(state, row, seq_at)
