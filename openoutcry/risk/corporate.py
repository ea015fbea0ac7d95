"""Cash dividends and splits: every position of an instrument adjusted by one command.

Allowed only while the operator halts the instrument and it has no open orders.  So only positions,
what they need and what they are worth have to change.  The rule is in docs/risk.md; the ledger
applies it separately, from the command alone (``ledger/corporate.py``).
"""

import openoutcry.risk.protection_layout as protection_layout
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST, MAX_TERM
from openoutcry.risk.layout import RiskState
from openoutcry.risk.money import judge_profit, margined_lots
from openoutcry.risk.protection import forget, protection_of, row_of
from openoutcry.risk.protection_layout import OPERATORS_HALT
from openoutcry.wire import wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.wide import half_even


@kernel_outlined
def adjust(
    state: RiskState, instrument: int, is_split: bool, value: int, price: int, seq_at: int
) -> bool:
    """Apply SPLIT or DIVIDEND (``bits.Setting``), ``price`` being what comes after it; False, and
    nothing changed, if it makes no sense or a total would pass 2**62."""
    not_inlined()
    rules = totals.instrument_row(state, instrument)
    new, old = value >> 32, value & 0xFFFFFFFF
    if new < 1 or (is_split and new > MAX_TERM) or old < 1 or old > MAX_TERM:
        return False
    low, high = 1, LARGEST
    if rules.price_limited != 0:
        low, high = max(low, rules.worst_sell), rules.worst_buy
    if price < low or price > high or rules.leveraged | rules.contract_at != 0:
        return False
    if rules.halt & OPERATORS_HALT == 0:
        return False
    if not adjust_all(state, instrument, is_split, new, old, price, seq_at, False):
        return False
    adjust_all(state, instrument, is_split, new, old, price, seq_at, True)
    move_price(state, instrument, price)
    return True


@kernel
def move_price(state: RiskState, instrument: int, price: int) -> None:
    """What comes next is compared with this price; what was before does not count."""
    rules = totals.instrument_row(state, instrument)
    last = rules.last
    rules.last = price
    rules.reference = price
    if state.protection_at != 0:
        protection = protection_of(state)
        row = row_of(protection, instrument)
        close = row.close
        if close != protection_layout.NEVER:
            # It does not move the index.
            fits = max(last, close, price) <= protection_layout.PRICE_LIMIT and min(last, close) > 0
            moved = max(half_even(close * price, last), 1) if fits else price
            row.close = moved
        forget(state, protection, instrument)


@kernel
def adjust_all(
    state: RiskState,
    instrument: int,
    is_split: bool,
    new: int,
    old: int,
    price: int,
    seq_at: int,
    stores: bool,
) -> bool:
    """The position and totals of every participant after it; returns whether they fit.  With
    ``stores`` they are stored.

    A group's gross position is at most its members', so with 2**62 for all of them it fits, too.
    """
    rules, everybody = totals.instrument_row(state, instrument), 0
    multiplier, weight = rules.multiplier, rules.weight
    for participant in range(state.participants):
        row = totals.participant_row(state, participant)
        cell = totals.cell_of(state, participant, instrument)
        if cell.buy_lots | cell.sell_lots != 0:
            return False
        position = cell.position
        if position == 0:
            everybody = wide.add(everybody, row.gross)
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
        was = wide.mul(wide.mul(position, multiplier), cell.mark)
        worth = wide.mul(wide.mul(whole, multiplier), price)
        if max(was, -was, worth, -worth) > LARGEST:
            return False
        gain = wide.sub(worth, was)
        balance = wide.add(row.balance, cash)
        gained = wide.add(row.profit, gain)
        profit = wide.add(gained, cash)
        need = totals.needed(rules, position, 0, 0, 0)
        reserved = wide.add(row.reserved - need, totals.needed(rules, whole, 0, 0, 0))
        worst = wide.mul(weight, max(whole, -whole))
        gross = wide.add(row.gross - weight * held, worst)
        everybody = wide.add(everybody, gross)
        if max(balance, gain, gained, profit, reserved) > LARGEST:
            return False
        if min(balance, gain, gained, profit) < -LARGEST:
            return False
        if stores:
            group = totals.group_row(state, row.group)
            others = group.gross - row.gross
            group.gross = others + gross
            lots = margined_lots(rules, whole) - margined_lots(rules, position)
            margined = row.margined + rules.margin * lots
            row.margined = margined
            row.gross = gross
            row.reserved = reserved
            row.balance = balance
            row.profit = profit
            cell.position = whole
            cell.mark = price
            judge_profit(state, row, seq_at)
            if VERIFY:
                assert others >= 0, "a group has its members' in it"
                assert 0 <= reserved <= LARGEST, "the first pass saw that it fits"
    return everybody <= LARGEST
