"""Balances and profits: added to in one place, which also sees that they are enough.

The sequence number of the command at hand is at ``seq_at``.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.risk.layout import RiskCell, RiskInstrument, RiskParticipant, RiskState
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT

BUY = enum_numbers.SIDE_BUY
CAUSE = EVENT.offsets["cause_seq"]


@kernel
def add_money(row: RiskParticipant, at: int, amount: int, seq_at: int) -> None:
    """Add to a balance or profit.  Neither the amount nor the sum passes 2**62: what would is cut
    off there, and the participant is killed, because the figure is no longer right."""
    if VERIFY:
        assert -LARGEST <= load_i64(row + at) <= LARGEST, "the stored amount was cut off there"
    amount_in = min(max(amount, -LARGEST), LARGEST)
    total = wide.add(load_i64(row + at), amount_in)
    total_in = min(max(total, -LARGEST), LARGEST)
    store_i64(row + at, total_in)
    if amount_in != amount or total_in != total:
        kill(row, lay.KILLED_BY_ARITHMETIC, seq_at)


@kernel
def kill(row: RiskParticipant, why: int, seq_at: int) -> None:
    """Block a participant for one more cause (a KILLED flag), and have its orders cancelled;
    ``seq_at`` is the address of the command's number."""
    flags = row.flags
    if flags & why == 0:
        row.flags = flags | why | lay.CANCEL_WANTED
        row.kills += 1
        row.killed_seq = load_i64(seq_at)
        if why == lay.KILLED_BY_MARGIN:
            row.called_seq = load_i64(seq_at)
    if VERIFY:
        assert why & lay.KILLED_FLAGS == why, "a reason for a kill"
        assert row.flags & lay.KILLED_FLAGS != 0, "a killed participant has a kill flag"
        assert row.kills > 0, "a kill is counted"


@kernel
def mark_position(
    rules: RiskInstrument, row: RiskParticipant, cell: RiskCell, price: int, seq_at: int
) -> None:
    """Bring the profit on a position to a price; where it is leveraged, the balance with it."""
    position = cell.position
    if position != 0:
        move = wide.sub(price, cell.mark)
        gain = wide.mul(wide.mul(position, rules.multiplier), move)
        add_money(row, lay.PROFIT, gain, seq_at)
        if rules.leveraged != 0:
            add_money(row, lay.BALANCE, gain, seq_at)
    cell.mark = price


@kernel
def judge_profit(state: RiskState, row: RiskParticipant, seq_at: int) -> None:
    """Kill by a loss, or below the maintenance margin."""
    judge_loss(row, seq_at)
    judge_margin(state, row, seq_at)


@kernel
def judge_loss(row: RiskParticipant, seq_at: int) -> None:
    """Kill by a loss from the start, or from the highest profit; both count from here on."""
    profit = row.profit
    if VERIFY:
        assert row.peak >= 0, "the highest profit begins at none, and only grows"
    peak = max(row.peak, profit)
    row.peak = peak
    lost = wide.sub(0, profit) >= row.loss_limit
    if lost or wide.sub(peak, profit) >= row.drawdown_limit:
        kill(row, lay.KILLED_BY_LOSS, seq_at)


@kernel
def judge_margin(state: RiskState, row: RiskParticipant, seq_at: int) -> None:
    """Kill a participant that is below its maintenance margin; it is then liquidated
    (``liquidation.py``)."""
    if is_under(row):
        call(state, row, seq_at)


@kernel
def call(state: RiskState, row: RiskParticipant, seq_at: int) -> None:
    """Kill a participant by a margin call.  Where there are contracts none of its orders trades any
    more: the matcher cancels them before the next command (``matcher/hooks.py``)."""
    kill(row, lay.KILLED_BY_MARGIN, seq_at)
    if state.contracts_at != 0 and row.open != 0:
        state.called = 1


@kernel
def means(row: RiskParticipant) -> int:
    """Equity and credit; of a participant without a limit of credit the largest amount, since it
    is never under."""
    if row.credit == NO_LIMIT:
        return LARGEST
    return wide.add(wide.add(row.funded, row.profit), row.credit)


@kernel
def is_under(row: RiskParticipant) -> bool:
    """Return whether equity and credit are less than the maintenance margin of what is held:
    scenario margin less collateral, and of all else its share of the initial margin.  False
    without such a share, or if the participant's capital is not checked."""
    share, credit = row.maintenance_bps, row.credit
    if share == 0 or credit == NO_LIMIT:
        return False
    equity = wide.add(row.funded, row.profit)
    margined, left = row.margined, wide.sub(wide.add(equity, credit), row.portfolio)
    return wide.product_above(margined, share, left, 10_000) != 0


@kernel
def margined_lots(rules: RiskInstrument, position: int) -> int:
    """Lots of a position that need margin: what is short, of a leveraged instrument all."""
    if rules.leveraged != 0:
        return max(position, -position)
    return max(-position, 0)


@kernel
def trade(
    rules: RiskInstrument,
    row: RiskParticipant,
    cell: RiskCell,
    side: int,
    qty: int,
    event: EventRecord,
    position: int,
) -> None:
    """One side of a trade: what was held is marked at its price, then it is paid and the fee."""
    price, seq_at, margin = event.price_ticks, event + CAUSE, rules.margin
    mark_position(rules, row, cell, price, seq_at)
    if margin != 0:
        more = margined_lots(rules, position) - margined_lots(rules, cell.position)
        row.margined += more * margin
    cell.position = position
    if rules.leveraged == 0:
        paid = wide.mul(wide.mul(price, rules.multiplier), qty)
        add_money(row, lay.BALANCE, wide.sub(0, paid) if side == BUY else paid, seq_at)
    fee = wide.sub(0, wide.mul(rules.fee, qty))
    add_money(row, lay.BALANCE, fee, seq_at)
    add_money(row, lay.PROFIT, fee, seq_at)
    judge_loss(row, seq_at)
