"""What comes after liquidation: the insurance fund, then deleveraging.

A participant is bankrupt if its equity, credit and pledges are below 0; that far is its deficit.
Nothing here acts for a participant that is solvent, and no deficit is dropped.

    LIQUIDATE     a part may not make a deficit that the fund cannot pay (``loss_is_covered``)
    LIQUIDATION_FEE  for what the last part closed out its participant pays into the fund, at most
                  what it owns: no fee makes a deficit
    COVER         pays the deficit of a participant that holds nothing, out of the fund
    SEIZE         if pledges cover what such a participant owes, the fund takes them over at what
                  they count, and pays; with a deficit also what counts nothing, before it covers
    DELEVERAGE    if the fund cannot pay a deficit, a participant of the other side takes over
                  contracts of the bankrupt one at their mark (that of an option is paid), and pays
                  for what is missing

Those of the other side that own something take turns by their rank: the highest profit of the
position over equity comes first, and among equals the lowest number.  Each takes over as many lots
as it can pay for out of its equity, without credit and pledges, and the next one the rest.  So
the price is the one at which the bankrupt participant has nothing left but what the fund can pay,
to the unit.  Only if none can pay for a whole lot, the first pays what it owns for one.  A
takeover never leaves its taker below 0.

Commands say all their figures, and the core checks each: a reader of the journal needs no rank.
A DELEVERAGE that also says the side has the two fills of the takeover as its events
(``matcher/off_book.py``).  Those of older journals say none.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.collateral import (
    collateral_row,
    counts,
    means_of,
    number_of,
    pledges_of,
    value_again,
    whole_value,
)
from openoutcry.risk.contract_layout import ContractBlock, ContractRow
from openoutcry.risk.contracts import (
    contract_of,
    contracts_of,
    lot_value,
    set_lots,
    share_of,
)
from openoutcry.risk.layout import RiskCell, RiskInstrument, RiskParticipant, RiskState
from openoutcry.risk.money import add_money, is_under, judge_margin, judge_profit, means
from openoutcry.risk.portfolio import portfolio_of, table_of, work_of
from openoutcry.risk.spot import block_of, pay_shortfall, wallet_in
from openoutcry.risk.spot_layout import ASSET_BYTES, SpotAsset
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined

BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL


@kernel
def deficit(state: RiskState, participant: int) -> int:
    """Return how far a participant is below nothing."""
    return max(wide.sub(0, means_of(state, participant)), 0)


@kernel
def fund_for(state: RiskState, block: ContractBlock, participant: int) -> int:
    """Return what the insurance fund has for one participant: what the deficits of others leave of
    it.  Those after it come first: it is closed out in the order of numbers, so theirs, which are
    not paid yet, end the loop soon.  Measured: 5,000 takeovers take two thirds of the time."""
    fund = totals.participant_row(state, block.fund)
    left = wide.sub(fund.balance, fund.reserved)
    count = state.participants
    for place in range(count):
        if left <= 0:
            return 0
        other = participant + 1 + place
        if other >= count:
            other -= count
        if other != participant:
            left = wide.sub(left, deficit(state, other))
    return max(left, 0)


@kernel
def loss_is_covered(
    state: RiskState, participant: int, rules: RiskInstrument, lots: int, price: int
) -> bool:
    """Return whether a part of a liquidation at this price leaves no deficit that the fund
    cannot pay.  At the mark or better it always does."""
    contract, block = contract_of(state, rules), contracts_of(state)
    gain = wide.sub(lot_value(contract, contract.mark), lot_value(contract, price))
    if gain == 0 or (gain > 0) == (lots > 0):
        return True
    change = wide.sub(wide.mul(lots, gain), wide.mul(rules.fee, max(lots, -lots)))
    return (
        wide.add(
            wide.add(means_of(state, participant), change), fund_for(state, block, participant)
        )
        >= 0
    )


@kernel
def may_leave_fund(state: RiskState, participant: int, amount: int) -> bool:
    """Return whether a deposit may be: out of the fund goes only what no deficit needs."""
    block = contracts_of(state)
    if block == 0 or amount >= 0 or participant != block.fund:
        return True
    return amount >= -fund_for(state, block, -1)


@kernel
def is_closed_out(state: RiskState, participant: int) -> bool:
    """Return whether a participant is called, and its orders are gone."""
    row = totals.participant_row(state, participant)
    called = row.flags & lay.KILLED_BY_MARGIN != 0 and row.flags & lay.CANCEL_WANTED == 0
    return called and row.open == 0


@kernel_outlined
def cover(state: RiskState, participant: int, amount: int) -> bool:
    """COVER: the fund pays what it has of the deficit of a participant that holds nothing."""
    not_inlined()
    block, row = contracts_of(state), totals.participant_row(state, participant)
    if block == 0 or participant == block.fund or not holds_nothing(state, participant):
        return False
    paid = min(deficit(state, participant), fund_for(state, block, participant))
    if paid == 0 or amount != paid:
        return False
    pay_by_fund(state, block, row, paid)
    block.covered += paid
    block.covers += 1
    return True


@kernel_outlined
def pay_fee(state: RiskState, participant: int, amount: int, seq_at: int) -> bool:
    """LIQUIDATION_FEE: the participant that owes the fee pays what it owns of it into the fund."""
    not_inlined()
    block = contracts_of(state)
    if block == 0 or block.fee_due == 0 or participant != block.fee_payer:
        return False
    paid = min(block.fee_due, max(owned_by(state, participant), 0))
    if amount != paid:
        return False
    row = totals.participant_row(state, participant)
    pay_by_fund(state, block, row, -paid)
    block.fees += paid
    block.fee_due = block.fee_payer = 0
    judge_margin(state, row, seq_at)
    return True


@kernel
def holds_nothing(state: RiskState, participant: int) -> bool:
    """Return whether a participant was liquidated to its last position."""
    if not is_closed_out(state, participant):
        return False
    for instrument in range(state.instruments):
        if totals.cell_of(state, participant, instrument).position != 0:
            return False
    return True


@kernel
def pay_by_fund(state: RiskState, block: ContractBlock, row: RiskParticipant, paid: int) -> None:
    """Money out of the fund, to a participant; below 0 into it."""
    fund = totals.participant_row(state, block.fund)
    fund.balance -= paid
    fund.funded -= paid
    row.balance += paid
    row.funded += paid
    if VERIFY:
        assert paid < 0 or fund.balance >= fund.reserved, "the fund pays what it has"


@kernel_outlined
def seize(state: RiskState, participant: int, asset: int, paid: int, units: int) -> bool:
    """SEIZE: the fund takes over ``units`` of what a participant that holds nothing has pledged of
    an asset, and pays what they count for what the participant owes.  What counts nothing is taken
    for nothing, if all pledges do not cover what it owes."""
    not_inlined()
    block, portfolio = contracts_of(state), portfolio_of(state)
    if portfolio == 0 or participant < 0 or participant >= state.participants:
        return False
    if participant == block.fund or not holds_nothing(state, participant):
        return False
    table, work = table_of(state, portfolio), work_of(state, portfolio, participant)
    number = number_of(table, asset)
    if number < 0:
        return False
    row, pledges = totals.participant_row(state, participant), pledges_of(work)
    held = pledges[number]
    counted = counts(collateral_row(table, number), held, whole_value(table, pledges))
    due = min(min(wide.sub(0, means(row)), fund_for(state, block, participant)), counted)
    for_nothing = counted == 0 and held != 0 and deficit(state, participant) != 0
    if (due <= 0 and not for_nothing) or paid != due:
        return False
    left = wide.part_of(held, counted - due, counted) if counted != 0 else 0
    if units != held - left:
        return False
    pledges[number] -= units
    value_again(state, table, work, participant)
    if paid != 0:
        pay_by_fund(state, block, row, paid)
    spot = block_of(state)
    wallet_in(state, spot, asset, participant).reserved -= units
    wallet = wallet_in(state, spot, asset, block.fund)
    wallet.available += units
    pay_shortfall(SpotAsset(state + spot.asset_at + asset * ASSET_BYTES), wallet)
    return True


@kernel_outlined
def deleverage(
    state: RiskState,
    participant: int,
    other: int,
    instrument: int,
    lots: int,
    paid: int,
    side: int,
    seq_at: int,
) -> bool:
    """DELEVERAGE: ``other`` takes over lots of a bankrupt participant's contract at its mark, and
    pays for them.  False, and nothing changed, unless it is first by rank, and both figures are
    those of :func:`due_from`.  ``side``: with which the bankrupt participant gives its lots away,
    or 0."""
    not_inlined()
    block = contracts_of(state)
    if block == 0 or instrument < 0 or participant == block.fund or participant == other:
        return False
    rules, row = (
        totals.instrument_row(state, instrument),
        totals.participant_row(state, participant),
    )
    if rules.contract_at == 0 or not is_closed_out(state, participant) or not is_under(row):
        return False
    contract, position = (
        contract_of(state, rules),
        totals.cell_of(state, participant, instrument).position,
    )
    missing = deficit(state, participant) - fund_for(state, block, participant)
    if missing <= 0 or position == 0:
        return False
    if side != 0 and side != (SELL if position > 0 else BUY):
        return False
    size = max(position, -position)
    due = due_from(state, participant, contract, position, missing)
    if other != next_of_rank(
        state, participant, contract, instrument, position, share_of(due, 1, size)
    ):
        return False
    cell, taker = (
        totals.cell_of(state, other, instrument),
        totals.participant_row(state, other),
    )
    held, owned = max(cell.position, -cell.position), owned_by(state, other)
    if lots != lots_paid_by(owned, due, min(held, size), size):
        return False
    if paid != min(share_of(due, lots, size), owned):
        return False
    moved = lots if position > 0 else -lots
    cost = cell.mark - share_of(cell.mark, lots, held)
    of_who = totals.cell_of(state, participant, instrument)
    left = of_who.mark - share_of(of_who.mark, lots, size)
    set_lots(state, other, instrument, rules, cell.position + moved, cost)
    set_lots(state, participant, instrument, rules, position - moved, left)
    worth = 0
    if rules.leveraged == 0:
        # The lots of an option change hands at its mark as in a trade: it is paid.
        worth = wide.mul(moved, lot_value(contract, contract.mark))
    add_money(taker, lay.BALANCE, wide.sub(-paid, worth), seq_at)
    add_money(taker, lay.PROFIT, -paid, seq_at)
    add_money(row, lay.BALANCE, wide.add(paid, worth), seq_at)
    add_money(row, lay.PROFIT, paid, seq_at)
    if cell.buy_lots | cell.sell_lots != 0:
        # Its orders were to close or to add to another position.
        taker.flags |= lay.CANCEL_WANTED
    block.takeovers += 1
    block.taken_over += lots
    block.losses += paid
    judge_profit(state, taker, seq_at)
    judge_profit(state, row, seq_at)
    return True


@kernel
def owned_by(state: RiskState, participant: int) -> int:
    """Return what a participant can pay by a takeover, in units of money: its equity, without
    credit and pledges."""
    row = totals.participant_row(state, participant)
    return min(wide.add(row.funded, row.profit), means_of(state, participant))


@kernel
def lots_paid_by(owned: int, due: int, most: int, size: int) -> int:
    """Return how many of ``most`` lots ``owned`` pays for, and 1 at least, if ``size`` lots cost
    ``due``."""
    least = 1
    while least < most:
        middle = least + (most - least + 1) // 2
        if share_of(due, middle, size) <= owned:
            least = middle
        else:
            most = middle - 1
    return least


@kernel
def due_from(
    state: RiskState, participant: int, contract: ContractRow, position: int, missing: int
) -> int:
    """Return what is paid with a whole position: its part of the missing amount.  It is the same
    for each lot, cut off, and the rest with the last lots."""
    weight = 0
    for index in range(state.instruments):
        held = totals.cell_of(state, participant, index).position
        if held != 0:
            rules, more = totals.instrument_row(state, index), 1
            if rules.contract_at != 0:
                more = weight_of(contract_of(state, rules), held)
            weight = min(wide.add(weight, more), LARGEST >> 1)
    own = min(weight_of(contract, position), weight)
    return share_of(missing, own, weight)


@kernel
def weight_of(contract: ContractRow, position: int) -> int:
    """Return the weight of a position when a loss is divided among contracts: its value at the
    mark, and 1 at least."""
    value = wide.mul(position, lot_value(contract, contract.mark))
    return min(max(value, wide.sub(0, value), 1), LARGEST >> 2)


@kernel
def next_of_rank(
    state: RiskState,
    participant: int,
    contract: ContractRow,
    instrument: int,
    position: int,
    price: int,
) -> int:
    """The participant that is first of those that hold the other side and own something; those
    that can pay ``price`` for a lot come before others.  -1: no participant does."""
    best, best_profit, best_means, best_pays = -1, 0, 1, False
    for other in range(state.participants):
        cell = totals.cell_of(state, other, instrument)
        if other == participant or cell.position == 0 or (cell.position > 0) == (position > 0):
            continue
        owned = owned_by(state, other)
        if owned <= 0:
            continue
        has = means_of(state, other)
        pays, profit = owned >= price, profit_of(contract, cell)
        if best >= 0:
            if best_pays and not pays:
                continue
            same = best_pays == pays
            if same and wide.product_above(profit, best_means, best_profit, has) == 0:
                continue
        best, best_profit, best_means, best_pays = other, profit, has, pays
    return best


@kernel
def profit_of(contract: ContractRow, cell: RiskCell) -> int:
    """Return the gain of a position since it was taken."""
    return wide.sub(wide.mul(cell.position, lot_value(contract, contract.mark)), cell.mark)
