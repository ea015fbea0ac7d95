"""Parameters of scenario margin, changed while trading: staged command by command, then put in
force at once.

MARGIN_APPLY says how many commands it is about, so a batch of which a command is missing changes
nothing.  With 0 it drops what is staged.
"""

import openoutcry.risk.constants as constants
from openoutcry.derivatives.margin_kernels import (
    COMMODITY_BYTES,
    CONTRACT_BYTES,
    LARGEST,
    LARGEST_TERM,
    OFFSET_BYTES,
    PART,
    SCENARIOS,
    SPAN_SCENARIOS,
    follow,
    forget,
    held_now,
    most_lots,
    with_derived,
)
from openoutcry.derivatives.margin_layout import CommodityRow, ContractRow, MarginTable, OffsetRow
from openoutcry.risk import totals
from openoutcry.risk.collateral import (
    is_price,
    set_price,
    stage_hedge,
    stage_share,
    stage_tier,
    tiers_fit,
    value_all_again,
)
from openoutcry.risk.contract_batch import stage_price
from openoutcry.risk.contracts import contracts_of, judge_all, row_of
from openoutcry.risk.layout import RiskState
from openoutcry.risk.portfolio import portfolio_of, table_of, work_of
from openoutcry.risk.portfolio_layout import PortfolioBlock
from openoutcry.wire import wide
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

LARGEST_RATE = 1 << 42
MOST_INITIAL = 100 * PART
LIQUIDITY_ITEM = 0x80
"""The first item of MARGIN_COMMODITY that is a charge for liquidity."""
HEDGE_ITEM = 0xC0
"""The first one that is of the asset that hedges the commodity."""


@kernel_outlined
def apply_margin(
    state: RiskState,
    instrument: int,
    setting: int,
    place: int,
    value: int,
    second: int,
    is_staged: bool,
    seq_at: int,
) -> bool:
    """MARGIN_ARRAY to COLLATERAL_PRICE; False, and nothing changed, if it makes no sense
    or a portfolio would be too large for the new parameters."""
    not_inlined()
    block = portfolio_of(state)
    if block == 0:
        return False
    if setting == constants.SET_MARGIN_APPLY:
        return apply_staged(state, block, value, seq_at)
    if setting == constants.SET_COLLATERAL_PRICE:
        if is_staged:
            table = table_of(state, block)
            can_be = is_price(table, place, value, second)
            return can_be and stage_price(state, table, place, value, second)
        return set_price(state, block, place, value, second, seq_at)
    staged = MarginTable(state + block.staged_at)
    done = False
    if setting == constants.SET_COLLATERAL_TIER:
        done = stage_tier(staged, place, value, second)
    elif setting == constants.SET_COLLATERAL_SHARE:
        done = stage_share(staged, place, value, second)
    elif setting == constants.SET_MARGIN_OFFSET:
        done = stage_offset(staged, place, value)
    elif setting == constants.SET_MARGIN_COMMODITY:
        done = stage_commodity(staged, place, value, second)
    elif instrument >= 0:
        number = totals.instrument_row(state, instrument).scenario
        done = number != 0 and stage_array(staged, number - 1, place, value, second)
    block.staged += done
    return done


@kernel
def stage_array(table: MarginTable, contract: int, place: int, value: int, second: int) -> bool:
    """Two neighbours of a contract's losses; or, at SPAN_SCENARIOS, its delta and short minimum.
    The losses by extended moves come after that."""
    if place & 1 != 0 or place < 0 or place > SCENARIOS:
        return False
    if max(value, second) > LARGEST_TERM or min(value, second) < -LARGEST_TERM:
        return False
    row = ContractRow(table + table.contract_at + contract * CONTRACT_BYTES)
    if place == SPAN_SCENARIOS:
        if second < 0:
            return False
        row.delta = value
        row.short_minimum = second
    else:
        losses, first = row.losses, place if place < SPAN_SCENARIOS else place - 2
        losses[first] = value
        losses[first + 1] = second
    return True


@kernel
def stage_commodity(table: MarginTable, place: int, value: int, second: int) -> bool:
    """A commodity's add-on and initial margin, the charge of one of its spreads, one of its
    charges for liquidity and the net delta from which on it is, or of what hedges it."""
    number, item = place >> 8, place & 0xFF
    if item >= HEDGE_ITEM:
        return stage_hedge(table, number, item - HEDGE_ITEM, value, second)
    if number < 0 or number >= table.commodities or value < 0 or value > LARGEST_RATE:
        return False
    row = CommodityRow(table + table.commodity_at + number * COMMODITY_BYTES)
    if item >= LIQUIDITY_ITEM:
        if item - LIQUIDITY_ITEM >= row.liquidities or second < 0 or second > LARGEST:
            return False
        liquidity, first = row.liquidity, 2 * (item - LIQUIDITY_ITEM)
        liquidity[first] = second
        liquidity[first + 1] = value
        return True
    if item > row.spreads:
        return False
    if item == 0:
        if second < PART or second > MOST_INITIAL:
            return False
        row.addon = value
        row.initial = second
    else:
        spread = row.spread
        spread[3 * item - 1] = value
    return True


@kernel
def stage_offset(table: MarginTable, number: int, rate: int) -> bool:
    """The rate of an inter-commodity spread."""
    if number < 0 or number >= table.offsets or rate < 0 or rate > PART:
        return False
    OffsetRow(table + table.offset_at + number * OFFSET_BYTES).rate = rate
    return True


@kernel
def apply_staged(state: RiskState, block: PortfolioBlock, count: int, seq_at: int) -> bool:
    """Put what is staged in force, or drop it; every participant is then judged."""
    table, staged = table_of(state, block), MarginTable(state + block.staged_at)
    if count < 0 or (count > 0 and count != block.staged):
        return False
    if count == 0:
        copy(staged, table, block.table_bytes)
        block.staged = 0
        return True
    with_derived(staged)
    if not tiers_fit(staged):
        return False
    for participant in range(state.participants):
        if not holds_at_most(state, staged, participant):
            return False
    copy(table, staged, block.table_bytes)
    block.staged = 0
    block.applied += 1
    for participant in range(state.participants):
        if work_of(state, block, participant).used != 0:
            begin_again(state, block, table, participant)
    value_all_again(state, block)
    judge_all(state, seq_at)
    return True


@kernel
def copy(to: int, source: int, size_bytes: int) -> None:
    """Copy whole words."""
    target, words = Words(to), Words(source)
    for index in range(size_bytes // 8):
        target[index] = words[index]


@kernel
def holds_at_most(state: RiskState, table: MarginTable, participant: int) -> bool:
    """Return whether all that a participant holds and has open is within what there may be."""
    contracts = contracts_of(state)
    for number in range(contracts.contracts):
        instrument = row_of(state, contracts, number).instrument
        cell = totals.cell_of(state, participant, instrument)
        position = cell.position
        lots = wide.add(max(position, -position), wide.add(cell.buy_lots, cell.sell_lots))
        if lots > most_lots(table, number):
            return False
    return True


@kernel
def begin_again(
    state: RiskState, block: PortfolioBlock, table: MarginTable, participant: int
) -> None:
    """Make a participant's work from its positions and open orders."""
    work, contracts = work_of(state, block, participant), contracts_of(state)
    forget(work)
    for number in range(contracts.contracts):
        instrument = row_of(state, contracts, number).instrument
        cell = totals.cell_of(state, participant, instrument)
        if cell.position | cell.buy_lots | cell.sell_lots != 0:
            follow(table, work, number, cell.position, cell.buy_lots, cell.sell_lots)
    totals.participant_row(state, participant).portfolio = held_now(table, work) - work.collateral
