"""Cash dividends and splits in plain Python."""

from fractions import Fraction
from typing import TYPE_CHECKING

from openoutcry.risk.bits import LARGEST, MAX_TERM
from openoutcry.wire.enums import Side

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference


def adjust(risk: "Reference", index: int, is_split: bool, value: int, price: int) -> bool:
    """As ``corporate.adjust``."""
    rules, (new, old) = risk.instruments[index], divmod(value, 1 << 32)
    if not 1 <= new <= (MAX_TERM if is_split else 2**31 - 1) or not 1 <= old <= MAX_TERM:
        return False
    if not 1 <= price <= LARGEST or rules.leveraged or rules.spot or not rules.halted:
        return False
    if rules.price_limited and not rules.worst[Side.SELL] <= price <= rules.worst[Side.BUY]:
        return False
    if risk.contracts and index in risk.contracts.rows:
        return False
    everybody = range(len(risk.participants))
    if any(risk.open_of(who, index) for who in everybody):
        return False
    worth = rules.multiplier * price
    behind: dict[int, tuple[int, int, int]] = {}
    for who in everybody:
        cell, owner = risk.cells[who][index], risk.participants[who]
        if not cell.position:
            continue
        held, sign = abs(cell.position), 1 if cell.position > 0 else -1
        if held * new > LARGEST:
            return False
        whole, part = divmod(held * new, old)
        if is_split and part * worth > LARGEST:
            return False
        cash = round(Fraction(part * worth if is_split else held * new, old))
        whole = whole if is_split else held
        was = cell.position * rules.multiplier * cell.mark
        gain, cash = sign * whole * worth - was, sign * cash
        sizes = was, whole * worth, gain, owner.balance + cash, owner.profit + gain
        if max(map(abs, (*sizes, owner.profit + gain + cash))) > LARGEST:
            return False
        behind[who] = sign * whole, cash, gain + cash
    return _keep(risk, index, price, behind)


def _keep(
    risk: "Reference", index: int, price: int, behind: dict[int, tuple[int, int, int]]
) -> bool:
    """If everybody's totals still are within 2**62; ``behind``: position, cash, gain."""
    everybody = range(len(risk.participants))
    was = {who: risk.cells[who][index].position for who in behind}
    for who, (position, _, _) in behind.items():
        risk.cells[who][index].position = position
    risk.all_changed()
    reserved = max(risk.reserved(who) for who in everybody)
    if max(reserved, sum(risk.gross(who) for who in everybody)) > LARGEST:
        for who, position in was.items():
            risk.cells[who][index].position = position
        risk.all_changed()
        return False
    for who, (_, cash, gain) in behind.items():
        risk.cells[who][index].mark = price
        risk.participants[who].balance += cash
        risk.participants[who].profit += gain
        risk.judge(who)
    move_price(risk, index, price)
    return True


def move_price(risk: "Reference", index: int, price: int) -> None:
    """As ``corporate.move_price``."""
    rules = risk.instruments[index]
    last, rules.last, rules.reference = rules.last, price, price
    if risk.protection is not None:
        risk.protection.adjusted(index, last, price)
