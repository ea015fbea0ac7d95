"""Scenario margin in the core: one margin for all contracts that a participant holds or has orders
in (``derivatives/margin_kernels.py``).

An order may enter if equity and credit cover what the worst subset of it and of the open orders
could need, and what other orders have reserved.  The maintenance margin comes
from the positions alone, and lies in the participant's row, where ``money.is_under`` reads it.
"""

from openoutcry.derivatives.margin_kernels import (
    TOTALS_BYTES,
    WORK_BYTES,
    add_order,
    bound_with,
    contract_row,
    follow,
    held_now,
    is_too_large,
    margin_now,
    margin_with,
)
from openoutcry.derivatives.margin_layout import MarginTable, MarginWork, Totals
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.layout import RiskInstrument, RiskParticipant, RiskState
from openoutcry.risk.portfolio_layout import PortfolioBlock
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined, prefetch

BUY = enum_numbers.SIDE_BUY
FITS, TOO_LITTLE, TOO_LARGE = 0, 1, 2
LINE = 64
"""Bytes of a cache line."""
SUMS_BYTES = Totals.offset("tiers")
COUNTS_AT, BOUND_AT = Totals.offset("orders"), Totals.offset("bound")
"""Where a commodity's words lie that the bound reads."""


@kernel
def portfolio_of(state: RiskState) -> PortfolioBlock:
    """The block of scenario margin; address 0: without."""
    at = state.portfolio_at
    return PortfolioBlock(state + at) if at != 0 else PortfolioBlock(0)


@kernel
def table_of(state: RiskState, block: PortfolioBlock) -> MarginTable:
    """The parameters in force."""
    return MarginTable(state + block.table_at)


@kernel
def work_of(state: RiskState, block: PortfolioBlock, participant: int) -> MarginWork:
    """A participant's work."""
    return MarginWork(state + block.work_at + participant * block.work_bytes)


@kernel
def prefetch_portfolio(state: RiskState, rules: RiskInstrument, participant: int) -> None:
    """Ask for what the check of an order in a contract under scenario margin reads.

    Measured with 64 portfolios of 200 positions: the whole check in a burst took 142 ns instead of
    222.  That is the best of twelve interleaved runs, on a host with other work.
    """
    block = portfolio_of(state)
    table, work, contract = (
        table_of(state, block),
        work_of(state, block, participant),
        rules.scenario - 1,
    )
    # All works are laid out alike, and the first one's header is the nearest.
    first, row = work_of(state, block, 0), contract_row(table, contract)
    totals = work + first.totals_at + row.commodity * TOTALS_BYTES
    prefetch(row)
    prefetch(row + LINE)
    prefetch(state + rules.contract_at)
    prefetch(state + rules.contract_at + LINE)
    prefetch(work)
    prefetch(work + LINE)
    prefetch(work + first.contract_at + contract * WORK_BYTES)
    for at in range(0, SUMS_BYTES, LINE):
        prefetch(totals + at)
    prefetch(totals + COUNTS_AT)
    prefetch(totals + BOUND_AT)


@kernel_outlined
def follow_portfolio(
    state: RiskState,
    row: RiskParticipant,
    rules: RiskInstrument,
    participant: int,
    position: int,
    buys: int,
    sells: int,
    more_premiums: int,
) -> None:
    """A participant now holds ``position`` lots of a contract and has these lots open; its orders
    in options could pay ``more_premiums`` more for what is worth as much."""
    not_inlined()
    block = portfolio_of(state)
    table, work = table_of(state, block), work_of(state, block, participant)
    work.premiums += more_premiums
    if follow(table, work, rules.scenario - 1, position, buys, sells):
        row.portfolio = held_now(table, work) - work.collateral


@kernel_outlined
def check_portfolio(
    state: RiskState,
    rules: RiskInstrument,
    participant: int,
    side: int,
    more: int,
    others: int,
    more_others: int,
    available: int,
) -> tuple[int, int, int]:
    """Return whether an order may make ``more`` lots of its side open: FITS, TOO_LITTLE or
    TOO_LARGE.

    ``others`` is what is needed on top of the portfolio's margin: fees, other instruments' orders.
    It would be ``more_others`` more.  Of TOO_LITTLE the other two are what is needed now and with
    the order.  ``available`` NO_LIMIT: capital is not checked.  A portfolio that already needs more
    may still be changed by what needs no more than now.
    """
    not_inlined()
    block = portfolio_of(state)
    table, work = table_of(state, block), work_of(state, block, participant)
    contract, lots = rules.scenario - 1, more if side == BUY else -more
    if more > 0 and is_too_large(table, work, contract, lots):
        return TOO_LARGE, 0, 0
    if available == NO_LIMIT:
        return FITS, 0, 0
    others = wide.sub(others, work.premiums)
    asked = wide.add(others, more_others)
    bound = bound_with(table, work, contract, lots) if more > 0 else work.bound
    if wide.add(bound, asked) <= available:
        return FITS, 0, 0
    if more >= 0:
        exact = margin_with(table, work, contract, lots)
    else:
        add_order(table, work, contract, -lots, -1)
        exact = margin_now(table, work)
        add_order(table, work, contract, -lots, 1)
    asked = wide.add(exact, asked)
    if asked <= available:
        return FITS, 0, 0
    now = wide.add(margin_now(table, work), others)
    return (TOO_LITTLE, now, asked) if asked > now else (FITS, 0, 0)
