"""Scenario margin around the plain margin of ``derivatives/margin.py``: every figure is made from
positions, open orders and parameters again."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from openoutcry.derivatives.margin import (
    LARGEST_RATE,
    LARGEST_TERM,
    PART,
    Parameters,
    margin,
    parameters_of,
    worst_margin,
)
from openoutcry.risk.bits import LARGEST, NO_LIMIT, RiskBit, Setting
from openoutcry.wire.enums import Side

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Figures, Order, Reference

SCENARIOS = 16


class PlainPortfolio:
    def __init__(
        self,
        risk: "Reference",
        contracts: Mapping[int, Sequence[int]],
        numbers: Mapping[str, Sequence[Sequence[int]]],
    ) -> None:
        self.risk = risk
        self.number = {index: number for number, index in enumerate(sorted(contracts))}
        """Number of each contract in the parameters, by its instrument."""
        self.parameters: Parameters = parameters_of(numbers)
        self.staged: Any = self.parameters.numbers()
        self.commands = self.applied = 0
        self.known: dict[tuple[tuple[int, int], ...], int] = {}

    def positions(self, who: int) -> dict[int, int]:
        cells = self.risk.cells[who]
        held = {number: cells[index].position for index, number in self.number.items()}
        return {number: lots for number, lots in held.items() if lots}

    def maintenance(self, who: int) -> int:
        """Return the maintenance margin of what it holds."""
        positions = self.positions(who)
        key = tuple(positions.items())
        if key not in self.known:
            self.known[key] = margin(self.parameters, positions).maintenance
        return self.known[key]

    def open_ones(self, who: int) -> list["Order"]:
        return [order for index in self.number for order in self.risk.open_of(who, index)]

    def signed(self, orders: Sequence["Order"]) -> list[tuple[int, int]]:
        return [
            (self.number[o.instrument], o.leaves if o.side == Side.BUY else -o.leaves)
            for o in orders
        ]

    def premiums(self, orders: Sequence["Order"]) -> int:
        return sum(self.risk.cost(order) for order in orders)

    def loss(self, order: "Order | None") -> int:
        """What it loses at once where it trades at its price."""
        assert self.risk.contracts is not None
        if order is None or not order.priced or order.budget is not None:
            return 0
        one = self.risk.contracts.rows[order.instrument]
        price = max(order.price, 1) if one.inverse and not one.option else order.price
        lots = order.leaves if order.side == Side.BUY else -order.leaves
        return max(lots * (one.value(price) - one.value(one.mark)), 0)

    def failed(
        self, order: "Order", old: "Order | None", reserved: int, need: int
    ) -> "dict[RiskBit, Figures]":
        """Return the checks that an order in a contract fails; ``need``: what it reserves in
        addition to ``reserved``."""
        risk, who, number = self.risk, order.participant, self.number[order.instrument]
        owner, positions = risk.participants[who], self.positions(who)
        now = self.open_ones(who)
        then = [one for one in now if one is not old] + [order]
        lots = abs(positions.get(number, 0))
        lots += sum(one.leaves for one in then if one.instrument == order.instrument)
        grows = order.leaves > (old.leaves if old else 0)
        if grows and lots > self.parameters.contracts[number].most_lots:
            is_part = risk.part[0] == who
            return {} if is_part else {RiskBit.ARITHMETIC: (LARGEST, 0, LARGEST + 1)}
        if owner.credit == NO_LIMIT:
            return {}
        available = risk.equity(who) + owner.credit
        asked = worst_margin(self.parameters, positions, self.signed(then)).initial
        asked += self.loss(order) + reserved + need - self.premiums(then)
        needed = worst_margin(self.parameters, positions, self.signed(now)).initial
        needed += self.loss(old) + reserved - self.premiums(now)
        if asked > available and asked > needed:
            return {RiskBit.MARGIN: (available, needed, asked)}
        return {}

    # Commands

    def apply(self, c: Any, what: Setting, instrument: int | None, place: int, value: int) -> bool:
        second = int(c["price_ticks"])
        if what is Setting.MARGIN_APPLY:
            return self.put_in_force(value)
        if what is Setting.MARGIN_ARRAY:
            done = instrument in self.number and self.array(
                self.number[instrument], place, value, second
            )
        elif what is Setting.MARGIN_COMMODITY:
            done = self.commodity(*divmod(place, 256), value, second)
        else:
            rows = self.staged["offsets"]
            done = 0 <= place < len(rows) and 0 <= value <= PART
            if done:
                rows[place][0] = value
        self.commands += done
        return done

    def array(self, number: int, place: int, value: int, second: int) -> bool:
        if place not in range(0, SCENARIOS + 1, 2) or max(abs(value), abs(second)) > LARGEST_TERM:
            return False
        row = self.staged["contracts"][number]
        if place == SCENARIOS:
            if second >= 0:
                row[2:4] = value, second
            return second >= 0
        row[4 + place : 6 + place] = value, second
        return True

    def commodity(self, number: int, item: int, value: int, second: int) -> bool:
        rows = self.staged["commodities"]
        if not 0 <= number < len(rows) or not 0 <= value <= LARGEST_RATE:
            return False
        row = rows[number]
        if item == 0:
            if not PART <= second <= 100 * PART:
                return False
            row[:2] = value, second
            return True
        if 3 * item + 1 >= len(row):
            return False
        row[3 * item + 1] = value
        return True

    def put_in_force(self, count: int) -> bool:
        risk = self.risk
        if count == 0:
            self.staged, self.commands = self.parameters.numbers(), 0
            return True
        if count != self.commands or count < 0:
            return False
        new = parameters_of(deepcopy(self.staged))
        for who in range(len(risk.participants)):
            for index, number in self.number.items():
                orders = risk.open_of(who, index)
                lots = abs(risk.cells[who][index].position) + sum(o.leaves for o in orders)
                if lots > new.contracts[number].most_lots:
                    return False
        self.parameters, self.commands = new, 0
        self.applied += 1
        self.known.clear()
        for who in range(len(risk.participants)):
            risk.judge(who)
        return True
