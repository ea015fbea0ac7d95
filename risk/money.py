# (intrinsics have no types that mypy could see)
"""Balances and profits: added to in one place, which also sees that they are enough.

``seq_at`` is where the sequence of the command stands that all this happens in.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import wide
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, store_i64


@kernel
def add_money(row: int, at: int, amount: int, seq_at: int) -> None:
    """Add to a balance or profit.  Neither the amount nor the sum passes 2**62: what would is cut
    off there, and the participant is killed, because the figure is no longer right."""
    if VERIFY:
        assert -LARGEST <= load_i64(row + at) <= LARGEST, "what stands was cut off there"
    amount_in = min(max(amount, -LARGEST), LARGEST)
    total = wide.add(load_i64(row + at), amount_in)
    total_in = min(max(total, -LARGEST), LARGEST)
    store_i64(row + at, total_in)
    if amount_in != amount or total_in != total:
        kill(row, lay.KILLED_BY_ARITHMETIC, seq_at)


@kernel
def kill(row: int, why: int, seq_at: int) -> None:
    flags = load_i64(row + lay.FLAGS)
    if flags & why == 0:
        store_i64(row + lay.FLAGS, flags | why | lay.CANCEL_WANTED)
        store_i64(row + lay.KILLS, load_i64(row + lay.KILLS) + 1)
        store_i64(row + lay.KILLED_SEQ, load_i64(seq_at))
        if why == lay.KILLED_BY_MARGIN:
            store_i64(row + lay.CALLED_SEQ, load_i64(seq_at))
    if VERIFY:
        assert why & lay.KILLED_FLAGS == why, "a reason for a kill"
        assert load_i64(row + lay.FLAGS) & lay.KILLED_FLAGS != 0, "who is killed is killed"
        assert load_i64(row + lay.KILLS) > 0, "a kill is counted"


@kernel
def mark_position(rules: int, row: int, cell: int, price: int, seq_at: int) -> None:
    """Bring the profit on a position to a price; where it is leveraged, the balance with it."""
    position = load_i64(cell + lay.POSITION)
    if position != 0:
        move = wide.sub(price, load_i64(cell + lay.MARK))
        gain = wide.mul(wide.mul(position, load_i64(rules + lay.MULTIPLIER)), move)
        add_money(row, lay.PROFIT, gain, seq_at)
        if load_i64(rules + lay.LEVERAGED) != 0:
            add_money(row, lay.BALANCE, gain, seq_at)
    store_i64(cell + lay.MARK, price)


@kernel
def judge_profit(row: int, seq_at: int) -> None:
    """Kill by a loss from the start, or from the highest profit; both count from here on."""
    profit = load_i64(row + lay.PROFIT)
    if VERIFY:
        assert load_i64(row + lay.PEAK) >= 0, "the highest profit begins at none, and only grows"
    peak = max(load_i64(row + lay.PEAK), profit)
    store_i64(row + lay.PEAK, peak)
    lost = wide.sub(0, profit) >= load_i64(row + lay.LOSS_LIMIT)
    if lost or wide.sub(peak, profit) >= load_i64(row + lay.DRAWDOWN_LIMIT):
        kill(row, lay.KILLED_BY_LOSS, seq_at)
    judge_margin(row, seq_at)


@kernel
def judge_margin(row: int, seq_at: int) -> None:
    """Kill who is under its maintenance margin; it is liquidated (``liquidation.py``)."""
    if is_under(row):
        kill(row, lay.KILLED_BY_MARGIN, seq_at)


@kernel
def is_under(row: int) -> bool:
    """Whether equity and credit are less than the maintenance margin of what is held: its share of
    the initial margin.  Nobody is who has none, or whose capital is not checked."""
    share, credit = load_i64(row + lay.MAINTENANCE_BPS), load_i64(row + lay.CREDIT)
    if share == 0 or credit == NO_LIMIT:
        return False
    equity = wide.add(load_i64(row + lay.FUNDED), load_i64(row + lay.PROFIT))
    margined = load_i64(row + lay.MARGINED)
    return wide.product_above(margined, share, wide.add(equity, credit), 10_000) != 0


@kernel
def margined_lots(rules: int, position: int) -> int:
    """Lots of a position that need margin: what is short, of a leveraged instrument all."""
    if load_i64(rules + lay.LEVERAGED) != 0:
        return max(position, -position)
    return max(-position, 0)
