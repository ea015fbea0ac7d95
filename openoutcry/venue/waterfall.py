"""What comes after a liquidation's parts, from the core's state alone: which deficit the insurance
fund pays, and which collateral it takes over.  What it cannot pay for, a participant takes over.

The core checks every figure again (``risk/waterfall.py``).  A command whose premise no longer holds
does nothing, and the next look finds what is due.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.region import View, setting
from openoutcry.wire.enums import Side
from openoutcry.wire.symbols import code_of


def fund_for(view: View, who: int) -> int:
    """Return what the insurance fund has for one participant, as the core computes it."""
    return _left_for(view, view.means_of_all(), who)


def _left_for(view: View, means: npt.NDArray[Any], who: int) -> int:
    assert view.contracts is not None
    fund = view.contracts.word("fund")
    left = view.of(fund, lay.BALANCE) - view.of(fund, lay.RESERVED)
    missing = means[means < 0]
    others = sum(missing.tolist()) - min(int(means[who]), 0)
    return max(left + others, 0)


def step_due(
    view: View, who: int, symbols: list[str], money: Callable[[int], str] = str
) -> tuple[npt.NDArray[Any], str] | None:
    """The command for a called participant without open orders, and what it does; None: its parts
    continue, or nothing is due.  ``money``: an amount of margin accounts as text."""
    contracts = view.contracts
    if contracts is None or who == contracts.word("fund"):
        return None
    means = view.means_of_all()
    missing = -min(int(means[who]), 0)
    if not missing:
        return _seizure(view, means, who, money)
    fund, held = _left_for(view, means, who), view.cells[who, :, lay.POSITION // 8]
    if not held.any():
        if (worthless := _worthless(view, who)) is not None:
            return worthless
        paid = min(missing, fund)
        if not paid:
            return None
        text = f"the insurance fund pays {money(paid)} of participant {who}'s deficit of "
        text += money(missing)
        return setting(Setting.COVER, paid, who), text
    if missing <= fund or not view.is_under(who):
        return None
    for index in contracts.number:
        if held[index]:
            due = _takeover(view, means, who, index, missing - fund, symbols[index], money)
            if due is not None:
                return due
    return None


def fee_due(view: View, money: Callable[[int], str] = str) -> tuple[npt.NDArray[Any], str] | None:
    """The command that pays the insurance fund for the last part of a liquidation, and what it
    does; None: nothing is due.  ``money``: an amount of margin accounts as text."""
    contracts = view.contracts
    if contracts is None or not (due := contracts.word("fee_due")):
        return None
    who = contracts.word("fee_payer")
    paid = min(due, max(int(_owned_by_all(view, view.means_of_all())[who]), 0))
    text = f"participant {who} pays the insurance fund {money(paid)} for its liquidation"
    return setting(Setting.LIQUIDATION_FEE, paid, who), text


def release_due(view: View) -> tuple[npt.NDArray[Any], str] | None:
    """The command that takes what a reversed deposit left short out of a pledge, and what it does;
    None: nothing that is short is pledged."""
    portfolio, wallets = view.portfolio, view.wallets
    if portfolio is None or wallets is None or not portfolio.can_be_pledged:
        return None
    for who, name, short in wallets.shortfalls():
        asset = wallets.names.index(name)
        amount = min(short, portfolio.pledged(who).get(asset, 0))
        if amount:
            paid = wallets.text(amount, name)
            text = f"{paid} that participant {who} pledged pay for its reversed deposit"
            record = setting(Setting.PLEDGE, -amount, who)
            record["time_in_force"] = asset
            return record, text
    return None


def _seizure(
    view: View, means: npt.NDArray[Any], who: int, money: Callable[[int], str]
) -> tuple[npt.NDArray[Any], str] | None:
    """Return what pledges cover of the money that a participant owes, as far as the fund can pay
    it."""
    portfolio, cash = view.portfolio, int(view.cash_of_all()[who])
    if portfolio is None or cash >= 0 or view.cells[who, :, lay.POSITION // 8].any():
        return None
    fund = _left_for(view, means, who)
    for asset, line in portfolio.lines(who).items():
        paid = min(-cash, fund, line.counts)
        if paid > 0:
            units = -(-line.amount * paid // line.counts)
            pays = f"pays {money(paid)} of the {money(-cash)} that it owes"
            return _taken(view, who, asset, units, pays, paid)
    return None


def _worthless(view: View, who: int) -> tuple[npt.NDArray[Any], str] | None:
    """A pledge that counts nothing, of a participant whose deficit is paid next: without it the
    participant would keep the pledge, and the fund has paid."""
    lines = {} if view.portfolio is None else view.portfolio.lines(who)
    for asset, line in lines.items():
        if not line.counts:
            return _taken(view, who, asset, line.amount, "pays nothing, because they count nothing")
    return None


def _taken(
    view: View, who: int, asset: int, units: int, pays: str, paid: int = 0
) -> tuple[npt.NDArray[Any], str]:
    wallets = view.wallets
    taken = wallets.text(units, wallets.names[asset]) if wallets else f"{units} of asset {asset}"
    record = setting(Setting.SEIZE, paid, who, second=units)
    record["time_in_force"] = asset
    text = f"the insurance fund takes over {taken} that participant {who} pledged, and"
    return record, f"{text} {pays}"


def _takeover(
    view: View,
    means: npt.NDArray[Any],
    who: int,
    index: int,
    missing: int,
    symbol: str,
    money: Callable[[int], str],
) -> tuple[npt.NDArray[Any], str] | None:
    position = view.cell(who, index, lay.POSITION)
    size = abs(position)
    weights = _weights(view, who)
    due = missing * min(_weight(view, who, index), weights) // weights
    other = next_of_rank(view, who, index, due // size, means)
    if other is None:
        return None
    owned = int(_owned_by_all(view, means)[other])
    lots = min(size, abs(view.cell(other, index, lay.POSITION)))
    if due * lots // size > owned:
        lots = max(((owned + 1) * size - 1) // due, 1)
    paid = min(due * lots // size, owned)
    text = (
        f"participant {other} takes over {lots} {symbol} from participant {who}, whose deficit the "
        f"insurance fund cannot pay, and pays {money(paid)}"
    )
    record = setting(Setting.DELEVERAGE, lots, other << 16 | who, code_of(symbol), paid)
    record["time_in_force"] = Side.SELL if position > 0 else Side.BUY
    return record, text


def _weight(view: View, who: int, index: int) -> int:
    """Return the weight of a position as the core has it, which is limited."""
    contracts = view.contracts
    assert contracts is not None
    if index not in contracts.number:
        return 1
    value = contracts.value(index, contracts.of(index, "mark"))
    return min(max(abs(view.cell(who, index, lay.POSITION) * value), 1), LARGEST >> 2)


def _weights(view: View, who: int) -> int:
    held = np.flatnonzero(view.cells[who, :, lay.POSITION // 8]).tolist()
    return min(sum(_weight(view, who, index) for index in held), LARGEST >> 1)


def next_of_rank(
    view: View, who: int, index: int, price: int = 0, means: npt.NDArray[Any] | None = None
) -> int | None:
    """The participant that is first of those that hold the other side and own something; those
    that can pay ``price`` for a lot come before others.  ``means``: what each has."""
    means = view.means_of_all() if means is None else means
    positions, owned = view.cells[:, index, lay.POSITION // 8], _owned_by_all(view, means)
    is_taker = (positions < 0 if positions[who] > 0 else positions > 0) & (owned > 0)
    for pays in (owned >= price, owned < price):
        group = np.flatnonzero(is_taker & pays)
        if len(group):
            return _first_of(view, index, group, means[group], 1)[0]
    return None


def _owned_by_all(view: View, means: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what each participant can pay by a takeover: its equity, without credit and
    pledges."""
    funded, profit = (view.participants[:, at // 8] for at in (lay.FUNDED, lay.PROFIT))
    if max(np.abs(part).max(initial=0) for part in (funded, profit)) >= 1 << 60:
        funded, profit = funded.astype(object), profit.astype(object)
    return np.minimum(funded + profit, means)


def ranked(
    view: View, index: int, is_long: bool, count: int, means: npt.NDArray[Any] | None = None
) -> list[int]:
    """The first ``count`` of those that hold one side of a contract, in the order in which they
    take positions over; ``means``: what each participant has."""
    positions = view.cells[:, index, lay.POSITION // 8]
    holders = np.flatnonzero(positions > 0 if is_long else positions < 0)
    has = (view.means_of_all() if means is None else means)[holders]
    found: list[int] = []
    for group in (has > 0, has <= 0):  # solvent participants come first
        if len(found) < count and group.any():
            found += _first_of(view, index, holders[group], has[group], count - len(found))
    return found


def place_of(
    view: View, who: int, index: int, means: npt.NDArray[Any] | None = None
) -> tuple[int, int]:
    """The place of a participant (1: the first) among those of its side of a contract, in the order
    in which they take positions over; and how many those are.  Both are 0 without lots.  ``means``:
    of all participants, where the caller has them."""
    positions = view.cells[:, index, lay.POSITION // 8].copy()
    if positions[who] == 0:
        return 0, 0  # the state may have changed since the caller looked
    holders = np.flatnonzero(positions > 0 if positions[who] > 0 else positions < 0)
    has = (view.means_of_all() if means is None else means)[holders]
    is_solvent = has > 0
    mine = is_solvent[holders == who].item()
    before = 0 if mine else int(is_solvent.sum())
    group = is_solvent == mine
    others, has = holders[group], has[group]
    value, held, cost = _held_at(view, index, others)
    ratio, error = _about(value, held, cost, has)
    place = int(np.flatnonzero(others == who)[0])
    apart, least = ratio - ratio[place], error + error[place]
    # Whole numbers decide about all that fractions cannot tell apart.
    near = np.abs(apart) <= least
    profit = held[near].astype(object) * value - cost[near]
    means = np.maximum(has[near].astype(object), 1)
    own = others[near] == who
    theirs, ours = profit * means[own], profit[own] * means
    ahead = (theirs > ours) | ((theirs == ours) & (others[near] < who))
    return before + int((apart > least).sum()) + int(ahead.sum()) + 1, len(holders)


def _first_of(
    view: View, index: int, others: npt.NDArray[Any], has: npt.NDArray[Any], count: int
) -> list[int]:
    """The first of those by profit over what each has, then by number."""
    value, held, cost = _held_at(view, index, others)
    ratio, error = _about(value, held, cost, has)
    count = min(count, len(others))
    surely = np.partition(ratio - error, len(others) - count)[len(others) - count]

    def rank(place: int) -> tuple[Fraction, int]:
        profit = int(held[place]) * value - int(cost[place])
        return -Fraction(profit, max(int(has[place]), 1)), int(others[place])

    near = sorted(np.flatnonzero(ratio + error >= surely).tolist(), key=rank)
    return [int(others[place]) for place in near[:count]]


def _held_at(
    view: View, index: int, others: npt.NDArray[Any]
) -> tuple[int, npt.NDArray[Any], npt.NDArray[Any]]:
    """Return what a lot is worth at the mark; lots of some participants, and what they cost."""
    contracts = view.contracts
    assert contracts is not None
    value = contracts.value(index, contracts.of(index, "mark"))
    held, cost = (view.cells[others, index, at // 8] for at in (lay.POSITION, lay.MARK))
    return value, held, cost


def _about(
    value: int, held: npt.NDArray[Any], cost: npt.NDArray[Any], has: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The profit of each over what it has, about, and how wrong that may be.  Whole numbers decide;
    these leave out those that are surely behind."""
    least = np.maximum(has.astype(float), 1.0)
    worth, paid = held.astype(float) * value, cost.astype(float)
    ratio, error = (worth - paid) / least, 1e-14 * (np.abs(worth) + np.abs(paid)) / least
    return ratio, error + 1e-14 * np.abs(ratio)


def covered_price(view: View, who: int, index: int, lots: int, price: int) -> int:
    """The limit nearest to ``price`` at which a part of a liquidation (``lots``; negative: sold)
    leaves no deficit that the insurance fund cannot pay; at the mark it never does."""
    contracts = view.contracts
    assert contracts is not None
    mark, fee = contracts.of(index, "mark"), int(view.instruments[index, lay.FEE // 8])
    at_mark, means = contracts.value(index, mark), view.means(who)
    if means is None:
        return price
    has = means + fund_for(view, who) - fee * abs(lots)

    def fits(at: int) -> bool:
        gain = lots * (at_mark - contracts.value(index, at))
        return gain >= 0 or has + gain >= 0

    if fits(price):
        return price
    good, bad = mark, price
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good
