"""What comes after a liquidation's parts, from the core's state alone: which deficit the insurance
fund pays, and which participant takes over contracts that it cannot pay for.

The core checks every figure again (``risk/waterfall.py``).  A command whose premise no longer holds
does nothing, and the next look finds what is due.
"""

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
    assert view.contracts is not None
    fund = view.contracts.word("fund")
    left = view.of(fund, lay.BALANCE) - view.of(fund, lay.RESERVED)
    return max(left - sum(far for other, far in view.deficits().items() if other != who), 0)


def step_due(view: View, who: int, symbols: list[str]) -> tuple[npt.NDArray[Any], str] | None:
    """The command for a called participant without open orders, and what it does; None: its parts
    continue, or nothing is due."""
    contracts = view.contracts
    if contracts is None or who == contracts.word("fund"):
        return None
    missing = view.deficits().get(who, 0)
    if not missing:
        return None
    fund, held = fund_for(view, who), view.cells[who, :, lay.POSITION // 8]
    if not held.any():
        paid = min(missing, fund)
        if not paid:
            return None
        text = f"the insurance fund pays {paid} of participant {who}'s deficit of {missing}"
        return setting(Setting.COVER, paid, who), text
    if missing <= fund or not view.is_under(who):
        return None
    for index in contracts.number:
        if held[index]:
            return _takeover(view, who, index, missing - fund, symbols[index])
    return None


def _takeover(
    view: View, who: int, index: int, missing: int, symbol: str
) -> tuple[npt.NDArray[Any], str] | None:
    position = view.cell(who, index, lay.POSITION)
    other = next_of_rank(view, who, index)
    if other is None:
        return None
    size = abs(position)
    lots = min(size, abs(view.cell(other, index, lay.POSITION)))
    share = missing * _weight(view, who, index) // _weights(view, who)
    paid = share * lots // size
    text = (
        f"participant {other} takes over {lots} {symbol} from participant {who}, whose deficit the "
        f"insurance fund cannot pay, and pays {paid}"
    )
    record = setting(Setting.DELEVERAGE, lots, other << 16 | who, code_of(symbol), paid)
    record["time_in_force"] = Side.SELL if position > 0 else Side.BUY
    return record, text


def _weight(view: View, who: int, index: int) -> int:
    contracts = view.contracts
    assert contracts is not None
    if index not in contracts.number:
        return 1
    value = contracts.value(index, contracts.of(index, "mark"))
    return max(abs(view.cell(who, index, lay.POSITION) * value), 1)


def _weights(view: View, who: int) -> int:
    held = np.flatnonzero(view.cells[who, :, lay.POSITION // 8]).tolist()
    return sum(_weight(view, who, index) for index in held)


def next_of_rank(view: View, who: int, index: int) -> int | None:
    """The participant that is first of those that hold the other side."""
    contracts = view.contracts
    assert contracts is not None
    positions = view.cells[:, index, lay.POSITION // 8]
    sign = 1 if positions[who] > 0 else -1
    value = contracts.value(index, contracts.of(index, "mark"))
    best: tuple[bool, int, int] | None = None
    first = None
    for other in np.flatnonzero(positions * sign < 0).tolist():
        profit = int(positions[other]) * value - view.cell(other, index, lay.MARK)
        means = view.means(other)
        means = LARGEST if means is None else means
        solvent, least = means > 0, max(means, 1)
        if best is not None:
            if best[0] and not solvent:
                continue
            if best[0] == solvent and profit * best[2] <= best[1] * least:
                continue
        best, first = (solvent, profit, least), other
    return first


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
