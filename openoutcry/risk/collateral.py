"""Collateral in several assets, in the core: what participants have pledged out of their wallets
counts for scenario margin, after haircuts (``derivatives/collateral.py`` has the same amounts).

A pledge is reserved in its wallet: it can be neither sold nor withdrawn.  What it is worth follows
the asset's price, which comes as a command, and the haircuts, which are staged like the other
parameters of margin.  It moves no money: a participant that owes more than it has stays so, until
it pays or the insurance fund takes its pledge over (``waterfall.seize``).
"""

import openoutcry.risk.layout as lay
from openoutcry.derivatives.collateral import MAX_BITS, MAX_TIERS
from openoutcry.derivatives.margin_kernels import (
    LARGEST,
    MOST_VALUE,
    PART,
    SCENARIOS,
    charge,
    hedge,
    held_now,
    margin_now,
)
from openoutcry.derivatives.margin_layout import (
    UNUSED_TIER,
    CollateralRow,
    MarginTable,
    MarginWork,
)
from openoutcry.risk import spot_layout, totals
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.layout import RiskState
from openoutcry.risk.money import judge_margin, means
from openoutcry.risk.portfolio import portfolio_of, table_of, work_of
from openoutcry.risk.portfolio_layout import PortfolioBlock
from openoutcry.risk.spot import block_of, owes, pay_shortfall, wallet_in
from openoutcry.risk.spot_layout import LARGEST_TOTAL, SpotAsset
from openoutcry.wire import wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

ROW_BYTES = CollateralRow.size_bytes


@kernel
def collateral_row(table: MarginTable, number: int) -> CollateralRow:
    """Return the row of an asset that may be pledged, by its number there."""
    return CollateralRow(table + table.collateral_at + number * ROW_BYTES)


@kernel
def number_of(table: MarginTable, asset: int) -> int:
    """The number of the row of wallets' asset ``asset``, or -1."""
    for number in range(table.collaterals):
        if collateral_row(table, number).asset == asset:
            return number
    return -1


@kernel
def pledges_of(work: MarginWork) -> Words:
    """Return what a participant has pledged, by the assets' rows."""
    return Words(work + work.pledges_at)


# What it is worth


@kernel
def value_of(row: CollateralRow, amount: int) -> int:
    """Margin units that an amount is worth before haircuts, cut off."""
    whole = wide.mul(amount // row.per, row.worth)
    part = wide.part_of(row.worth, amount % row.per, row.per)
    return min(wide.add(whole, part), MOST_VALUE)


@kernel
def by_size(row: CollateralRow, value: int) -> int:
    """Return the deduction by the tiers, each rounded up."""
    taken, tiers = 0, row.tiers
    for place in range(MAX_TIERS):
        end = value
        if place + 1 < MAX_TIERS:
            end = min(value, tiers[2 * place + 2])
        if end > tiers[2 * place]:
            taken += charge(end - tiers[2 * place], tiers[2 * place + 1])
    return taken


@kernel
def whole_value(table: MarginTable, pledges: Words) -> int:
    """Return the value of all that is pledged, before haircuts."""
    whole = 0
    for number in range(table.collaterals):
        value = value_of(collateral_row(table, number), pledges[number])
        whole = min(whole + value, LARGEST)
    return whole


@kernel
def counts(row: CollateralRow, amount: int, whole: int) -> int:
    """Return what a pledge counts after haircuts; ``whole``: the value of all pledges."""
    value = value_of(row, amount)
    size = by_size(row, value)
    over = max(value - whole // PART * row.share - whole % PART * row.share // PART, 0)
    return value - size - min(charge(over, row.concentrated), value - size)


@kernel
def value_again(state: RiskState, table: MarginTable, work: MarginWork, participant: int) -> None:
    """The pledges of a participant, or prices or haircuts, are others: its margin follows."""
    total = follow_pledges(table, work, pledges_of(work))
    work.collateral = total
    totals.participant_row(state, participant).portfolio = held_now(table, work) - total


@kernel
def follow_pledges(table: MarginTable, work: MarginWork, pledges: Words) -> int:
    """Let the work follow what is pledged of each asset; return what that counts."""
    whole, total = whole_value(table, pledges), 0
    for number in range(table.collaterals):
        row, amount = collateral_row(table, number), pledges[number]
        counted = counts(row, amount, whole)
        total = min(total + counted, LARGEST)
        if row.hedged != 0:
            hedge(table, work, number, row, amount, value_of(row, amount), counted)
    return total


@kernel
def has_pledges(table: MarginTable, work: MarginWork) -> bool:
    """Return whether anything is pledged."""
    pledged, pledges = 0, pledges_of(work)
    for number in range(table.collaterals):
        pledged |= pledges[number]
    return pledged != 0


@kernel
def value_all_again(state: RiskState, block: PortfolioBlock) -> None:
    """Value what each participant has pledged."""
    table = table_of(state, block)
    if table.collaterals != 0:
        for participant in range(state.participants):
            work = work_of(state, block, participant)
            if has_pledges(table, work):
                value_again(state, table, work, participant)


@kernel
def collateral_of(state: RiskState, participant: int) -> int:
    """Return what a participant's pledges count."""
    block = portfolio_of(state)
    return work_of(state, block, participant).collateral if block != 0 else 0


@kernel
def means_of(state: RiskState, participant: int) -> int:
    """Equity, credit and what pledges count; of a participant without a limit of credit the largest
    amount."""
    row = totals.participant_row(state, participant)
    if row.credit == NO_LIMIT:
        return means(row)
    return wide.add(means(row), collateral_of(state, participant))


# Commands


@kernel
def stage_tier(table: MarginTable, place: int, begin: int, rate: int) -> bool:
    """One tier of an asset's haircut; UNUSED_TIER: it is not there."""
    number, tier = place >> 8, place & 0xFF
    if number < 0 or number >= table.collaterals or tier >= MAX_TIERS:
        return False
    if rate < 0 or rate > PART or begin < 0 or (begin > LARGEST and begin != UNUSED_TIER):
        return False
    tiers = collateral_row(table, number).tiers
    tiers[2 * tier] = begin
    tiers[2 * tier + 1] = rate
    return True


@kernel
def stage_share(table: MarginTable, number: int, share: int, concentrated: int) -> bool:
    """From which share on an asset is concentrated, and its further haircut."""
    if number < 0 or number >= table.collaterals:
        return False
    if min(share, concentrated) < 0 or max(share, concentrated) > PART:
        return False
    row = collateral_row(table, number)
    row.share = share
    row.concentrated = concentrated
    return True


@kernel
def stage_hedge(table: MarginTable, commodity: int, item: int, value: int, second: int) -> bool:
    """Two neighbours of the gains of the asset that hedges a commodity; or, as the last item, for
    how many units they are, in bits, and its delta."""
    for number in range(table.collaterals):
        row = collateral_row(table, number)
        if row.hedged - 1 != commodity or item > SCENARIOS // 2:
            continue
        if item == SCENARIOS // 2:
            if value < 0 or value > MAX_BITS or second < 0 or second > LARGEST:
                return False
            row.hedge_bits = value
            row.hedge_delta = second
            return True
        if max(value, second) > LARGEST or min(value, second) < -LARGEST:
            return False
        gains = row.gains
        gains[2 * item] = value
        gains[2 * item + 1] = second
        return True
    return False


@kernel
def tiers_fit(table: MarginTable) -> bool:
    """Return whether the tiers of each asset begin at 0 and increase; those not there are the
    last."""
    for number in range(table.collaterals):
        tiers = collateral_row(table, number).tiers
        if tiers[0] != 0:
            return False
        for place in range(1, MAX_TIERS):
            begin, before = tiers[2 * place], tiers[2 * place - 2]
            if begin <= before and (begin != UNUSED_TIER or before != UNUSED_TIER):
                return False
    return True


@kernel
def set_price(
    state: RiskState,
    block: PortfolioBlock,
    number: int,
    worth: int,
    per: int,
    seq_at: int,
) -> bool:
    """COLLATERAL_PRICE: an asset is worth something else; those that pledged it are judged."""
    table, staged = table_of(state, block), MarginTable(state + block.staged_at)
    if not is_price(table, number, worth, per):
        return False
    for each in range(2):
        row = collateral_row(table if each == 0 else staged, number)
        row.worth = worth
        row.per = per
    for participant in range(state.participants):
        work = work_of(state, block, participant)
        if pledges_of(work)[number] != 0:
            value_again(state, table, work, participant)
            judge_margin(state, totals.participant_row(state, participant), seq_at)
    return True


@kernel
def is_price(table: MarginTable, number: int, worth: int, per: int) -> bool:
    """Return whether an asset can have this price."""
    if number < 0 or number >= table.collaterals:
        return False
    return worth >= 0 and per >= 1 and max(worth, per) <= LARGEST


@kernel_outlined
def pledge(state: RiskState, participant: int, asset: int, amount: int, seq_at: int) -> bool:
    """PLEDGE: out of the participant's wallet, or, below 0, back into it, as far as what is left
    covers the initial margin with open orders.  Refused if with more the margin would be covered
    less: a haircut of size and one of concentration may take more than a unit is worth.  What a
    reversed deposit left short comes back whatever depends on it: it is not there."""
    not_inlined()
    block = portfolio_of(state)
    if block == 0 or participant < 1 or participant >= state.participants:
        return False
    table, work = table_of(state, block), work_of(state, block, participant)
    number = number_of(table, asset)
    if number < 0 or amount == 0 or amount > LARGEST_TOTAL or amount < -LARGEST_TOTAL:
        return False
    spot = block_of(state)
    wallet, pledges = wallet_in(state, spot, asset, participant), pledges_of(work)
    row, held = totals.participant_row(state, participant), pledges[number]
    uncovered = row.portfolio
    if amount > 0:
        is_barred = row.flags & lay.CLOSED_FLAG != 0 or owes(state, spot, participant)
        if is_barred or wallet.available < amount:
            return False
    elif held + amount < 0:
        return False
    lost = amount < 0 and wallet.shortfall >= -amount
    pledges[number] = held + amount
    value_again(state, table, work, participant)
    fits = amount < 0 or row.portfolio <= uncovered
    if amount < 0 and not lost and row.credit != NO_LIMIT:
        needed = wide.add(margin_now(table, work), row.reserved - work.premiums)
        fits = means_of(state, participant) >= needed
    if not fits:
        pledges[number] = held
        value_again(state, table, work, participant)
        return False
    give_back(state, asset, participant, -amount)
    if lost:
        judge_margin(state, row, seq_at)
    return True


@kernel
def give_back(state: RiskState, asset: int, participant: int, amount: int) -> None:
    """Make an amount that was pledged available again; below 0, reserve it."""
    spot = block_of(state)
    wallet = wallet_in(state, spot, asset, participant)
    wallet.available += amount
    wallet.reserved -= amount
    pay_shortfall(SpotAsset(state + spot.asset_at + asset * spot_layout.ASSET_BYTES), wallet)
    if VERIFY:
        assert wallet.reserved >= 0, "what is pledged is reserved"
