# (intrinsics have no types that mypy could see)
"""Cash dividends and splits: every position of an instrument adjusted by one command.

Only while the operator halts it and nobody has open orders in it, so nothing but positions, what
they need and what they are worth has to follow.  The rule is docs/risk.md's; it is posted by the
ledger once more, from the command alone (``ledger/corporate.py``).
"""

import openoutcry.risk.guard_layout as g
import openoutcry.risk.layout as lay
from openoutcry.risk import totals, wide
from openoutcry.risk.bits import LARGEST, MOST_TERM
from openoutcry.risk.guard_layout import OPERATORS_HALT
from openoutcry.risk.money import judge_profit, margined_lots
from openoutcry.risk.protection import forget, guard_of, row_of
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64


@kernel_outlined
def adjust(
    state: int, instrument: int, is_split: bool, value: int, price: int, seq_at: int
) -> bool:
    """Apply SPLIT or DIVIDEND (``bits.Setting``), ``price`` being what comes behind it; False, and
    nothing changed, if it makes no sense or a total would pass 2**62."""
    not_inlined()
    rules = totals.instrument_row(state, instrument)
    new, old = value >> 32, value & 0xFFFFFFFF
    if new < 1 or (is_split and new > MOST_TERM) or old < 1 or old > MOST_TERM:
        return False
    low, high = 1, LARGEST
    if load_i64(rules + lay.PRICE_LIMITED) != 0:
        low, high = max(low, load_i64(rules + lay.WORST_SELL)), load_i64(rules + lay.WORST_BUY)
    if price < low or price > high or load_i64(rules + lay.LEVERAGED) != 0:
        return False
    if load_i64(rules + lay.HALT) & OPERATORS_HALT == 0:
        return False
    if not adjust_all(state, instrument, is_split, new, old, price, seq_at, False):
        return False
    adjust_all(state, instrument, is_split, new, old, price, seq_at, True)
    last = load_i64(rules + lay.LAST)
    store_i64(rules + lay.LAST, price)
    store_i64(rules + lay.REFERENCE, price)
    if load_i64(state + lay.PROTECTION_AT) != 0:
        guard = guard_of(state)
        row = row_of(guard, instrument)
        close = load_i64(row + g.CLOSE)
        if close != g.NEVER:
            # Where the index stands does not move by it.
            fits = max(last, close, price) <= g.PRICE_LIMIT and min(last, close) > 0
            moved = max(half_even(close * price, last), 1) if fits else price
            store_i64(row + g.CLOSE, moved)
        forget(state, guard, instrument)
    return True


@kernel
def half_even(amount: int, by: int) -> int:
    """The nearest whole number to ``amount`` (0 or more, 2**62 at most) / ``by``, of two the even
    one."""
    whole = amount // by
    rest = amount - whole * by
    above = rest > by - rest or (rest == by - rest and whole & 1 == 1)
    return whole + (1 if above else 0)


@kernel
def adjust_all(
    state: int, instrument: int, is_split: bool, new: int, old: int, price: int, seq_at: int,
    stores: bool,
) -> bool:  # fmt: skip
    """Everybody's position and totals behind it; whether they fit.  With ``stores`` they are kept.

    A group's gross position is at most its members', so with 2**62 for all of them it fits, too.
    """
    rules, everybody = totals.instrument_row(state, instrument), 0
    multiplier, weight = load_i64(rules + lay.MULTIPLIER), load_i64(rules + lay.WEIGHT)
    for participant in range(load_i64(state + lay.PARTICIPANTS)):
        row = totals.participant_row(state, participant)
        cell = totals.cell_of(state, participant, instrument)
        if load_i64(cell + lay.BUY_LOTS) | load_i64(cell + lay.SELL_LOTS) != 0:
            return False
        position = load_i64(cell + lay.POSITION)
        if position == 0:
            everybody = wide.add(everybody, load_i64(row + lay.GROSS))
            continue
        held = max(position, -position)
        product = wide.mul(held, new)
        if product > LARGEST:
            return False
        whole, due, share = held, product, old
        if is_split:
            whole = product // old
            due = wide.mul(wide.mul(product - whole * old, price), multiplier)
            if due > LARGEST:
                return False
        cash = half_even(due, share)
        if position < 0:
            whole, cash = -whole, -cash
        was = wide.mul(wide.mul(position, multiplier), load_i64(cell + lay.MARK))
        worth = wide.mul(wide.mul(whole, multiplier), price)
        if max(was, -was, worth, -worth) > LARGEST:
            return False
        gain = wide.sub(worth, was)
        balance = wide.add(load_i64(row + lay.BALANCE), cash)
        gained = wide.add(load_i64(row + lay.PROFIT), gain)
        profit = wide.add(gained, cash)
        need = totals.needed(rules, position, 0, 0, 0)
        reserved = wide.add(
            load_i64(row + lay.RESERVED) - need, totals.needed(rules, whole, 0, 0, 0)
        )
        worst = wide.mul(weight, max(whole, -whole))
        gross = wide.add(load_i64(row + lay.GROSS) - weight * held, worst)
        everybody = wide.add(everybody, gross)
        if max(balance, gain, gained, profit, reserved) > LARGEST:
            return False
        if min(balance, gain, gained, profit) < -LARGEST:
            return False
        if stores:
            group = totals.group_row(state, load_i64(row + lay.GROUP))
            others = load_i64(group + lay.GROUP_GROSS) - load_i64(row + lay.GROSS)
            store_i64(group + lay.GROUP_GROSS, others + gross)
            lots = margined_lots(rules, whole) - margined_lots(rules, position)
            margined = load_i64(row + lay.MARGINED) + load_i64(rules + lay.MARGIN) * lots
            store_i64(row + lay.MARGINED, margined)
            store_i64(row + lay.GROSS, gross)
            store_i64(row + lay.RESERVED, reserved)
            store_i64(row + lay.BALANCE, balance)
            store_i64(row + lay.PROFIT, profit)
            store_i64(cell + lay.POSITION, whole)
            store_i64(cell + lay.MARK, price)
            judge_profit(row, seq_at)
            if VERIFY:
                assert others >= 0, "a group has its members' in it"
                assert 0 <= reserved <= LARGEST, "the first pass saw that it fits"
    return everybody <= LARGEST
