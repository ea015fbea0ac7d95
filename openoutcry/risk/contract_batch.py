"""Settings of several contracts that come from one moment, such as the marks of one look at an
index: staged command by command, then put in force at once.

Every participant is judged once, after the last of them, so what a hedge loses in one contract and
gains in another is never seen apart.  No order is checked, and nothing trades, in between.

CONTRACT_APPLY says how many commands it is about: a batch of which one is missing changes nothing,
for instance because the venue was killed within it.  With 0 it drops what is staged.  Its work is
what the commands would have needed one by one, with one judgement.
"""

from openoutcry.derivatives.margin_layout import MarginTable
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.collateral import collateral_row, value_all_again
from openoutcry.risk.contract_layout import LIVE, ContractBlock
from openoutcry.risk.contracts import (
    amounts,
    contracts_of,
    judge_all,
    makes_sense,
    mark_others,
    put,
    row_of,
)
from openoutcry.risk.layout import RiskState
from openoutcry.risk.money import margined_lots
from openoutcry.risk.portfolio import portfolio_of, table_of
from openoutcry.wire import wide
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined


@kernel_outlined
def apply_batch(state: RiskState, count: int, with_mark: bool, seq_at: int) -> bool:
    """CONTRACT_APPLY: put what is staged in force, or drop it; ``with_mark``: together with the
    marks of all other instruments.  False, and nothing changed, if it is from another number of
    commands, one makes no sense now, or a total of it would pass 2**62."""
    not_inlined()
    block = contracts_of(state)
    if block == 0 or count < 0 or (count > 0 and count != block.staged):
        return False
    if count != 0:
        if not all_make_sense(state, block) or not all_fit(state, block):
            return False
        for number in range(block.contracts):
            contract = row_of(state, block, number)
            if contract.staged != 0:
                rules = totals.instrument_row(state, contract.instrument)
                value, second = contract.staged_value, contract.staged_second
                put(state, rules, contract, contract.staged, value, second, seq_at)
    take_prices(state, count != 0)
    for number in range(block.contracts):
        contract = row_of(state, block, number)
        contract.staged = contract.staged_value = contract.staged_second = 0
    block.staged = 0
    if count != 0:
        block.applied += 1
        if with_mark:
            mark_others(state, seq_at)
        judge_all(state, seq_at)
    return True


@kernel
def all_make_sense(state: RiskState, block: ContractBlock) -> bool:
    """Return whether nothing has come in between that forbids one of the settings."""
    for number in range(block.contracts):
        contract = row_of(state, block, number)
        if contract.staged != 0:
            rules = totals.instrument_row(state, contract.instrument)
            value, second = contract.staged_value, contract.staged_second
            setting = contract.staged
            is_live = contract.state == LIVE
            if not is_live or not makes_sense(state, rules, contract, setting, value, second):
                return False
    return True


@kernel
def all_fit(state: RiskState, block: ContractBlock) -> bool:
    """Return whether no amount, and no total after any of the settings, passes 2**62."""
    for participant in range(state.participants):
        if not fits(state, block, participant):
            return False
    for number in range(block.contracts):
        contract = row_of(state, block, number)
        if contract.staged != 0:
            rules = totals.instrument_row(state, contract.instrument)
            if amounts(rules, contract, contract.staged, contract.staged_value)[2] > LARGEST:
                return False
    return True


@kernel
def fits(state: RiskState, block: ContractBlock, participant: int) -> bool:
    """Return whether it does of one participant."""
    row = totals.participant_row(state, participant)
    balance, profit, reserved, margined = row.balance, row.profit, row.reserved, row.margined
    for number in range(block.contracts):
        contract = row_of(state, block, number)
        if contract.staged == 0:
            continue
        cell = totals.cell_of(state, participant, contract.instrument)
        position, buys, sells, cost = cell.position, cell.buy_lots, cell.sell_lots, cell.cost
        if position | buys | sells == 0:
            continue
        rules = totals.instrument_row(state, contract.instrument)
        paid, gain, margin = amounts(rules, contract, contract.staged, contract.staged_value)
        if position != 0:
            money, more = wide.mul(position, paid), wide.mul(position, gain)
            balance, profit = wide.add(balance, money), wide.add(profit, more)
            if max(balance, profit, money, more) > LARGEST:
                return False
            if min(balance, profit, money, more) < -LARGEST:
                return False
        was = rules.margin
        if margin != was:
            need = totals.needed(rules, position, buys, sells, cost)
            rules.margin = margin
            new_need = totals.needed(rules, position, buys, sells, cost)
            rules.margin = was
            lots = margined_lots(rules, position)
            reserved = wide.add(reserved - need, new_need)
            margined = wide.add(margined, wide.mul(margin, lots) - was * lots)
            if max(reserved, margined) > LARGEST:
                return False
    return True


@kernel
def stage_price(state: RiskState, table: MarginTable, number: int, worth: int, per: int) -> bool:
    """Keep a price of collateral until CONTRACT_APPLY; it is one that can be.  Both tables have it:
    MARGIN_APPLY copies one over the other."""
    row = collateral_row(table, number)
    other = collateral_row(MarginTable(state + portfolio_of(state).staged_at), number)
    block = contracts_of(state)
    if block == 0 or row.staged_per != 0:
        return False
    row.staged_worth = other.staged_worth = worth
    row.staged_per = other.staged_per = per
    block.staged += 1
    return True


@kernel
def take_prices(state: RiskState, is_applied: bool) -> None:
    """Put the staged prices of collateral in force, or drop them."""
    block = portfolio_of(state)
    if block == 0:
        return
    table, staged, changed = table_of(state, block), MarginTable(state + block.staged_at), 0
    for number in range(table.collaterals):
        row, other = collateral_row(table, number), collateral_row(staged, number)
        if row.staged_per != 0 and is_applied:
            changed = 1
            row.worth = other.worth = row.staged_worth
            row.per = other.per = row.staged_per
        row.staged_worth = row.staged_per = 0
        other.staged_worth = other.staged_per = 0
    if changed != 0:
        value_all_again(state, block)
