"""Scenario margin around the plain margin of ``derivatives/margin.py``: every figure is made from
positions, open orders and parameters again."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openoutcry.derivatives.collateral import (
    CollateralRisk,
    Gain,
    Haircut,
    Line,
    Price,
    collateral,
    gain_of,
)
from openoutcry.derivatives.margin import (
    LARGEST_RATE,
    LARGEST_TERM,
    PART,
    Parameters,
    margin,
    parameters_of,
    worst_margin,
)
from openoutcry.risk.bits import LARGEST, NO_LIMIT, ParticipantStatus, RiskBit, Setting
from openoutcry.wire.enums import Side
from tests.oracles.risk.lists import largest

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Figures, Order, Reference

SCENARIOS = 16

SIGNS = ((int(Side.BUY), 1), (int(Side.SELL), -1))


class PlainAsset:
    """An asset that may be pledged: its tiers are four, of which some are not there (2**62)."""

    def __init__(self, one: CollateralRisk) -> None:
        self.asset, self.price = one.asset, one.price
        self.share, self.concentrated = one.haircut.share, one.haircut.concentrated
        self.tiers = [*one.haircut.tiers, *[(2**62, 0)] * (4 - len(one.haircut.tiers))]
        self.hedge = one.hedge

    def fits(self) -> bool:
        begins = [begin for begin, _ in self.tiers]
        used = [begin for begin in begins if begin != 2**62]
        return begins[0] == 0 and used == sorted(set(used)) and begins[: len(used)] == used

    def haircut(self) -> Haircut:
        used = tuple(tier for tier in self.tiers if tier[0] != 2**62)
        return Haircut(used, self.share, self.concentrated)

    def words(self) -> list[int]:
        """Return the row as the kernels have it."""
        first = [self.asset, self.price.numerator, self.price.denominator]
        more = [self.share, self.concentrated]
        return [*first, *more, *(number for tier in self.tiers for number in tier)]

    def put(self, item: int, value: int, second: int) -> bool:
        """Change two neighbours of what it gains, or at 12 the bits and the delta."""
        assert self.hedge is not None
        if item == 12:
            done = 0 <= value <= 60 and 0 <= second <= 2**61
            if done:
                self.hedge = replace(self.hedge, bits=value, delta=second)
            return done
        done = item < 12 and max(abs(value), abs(second)) <= 2**61
        if done:
            gains = list(self.hedge.gains)
            gains[2 * item : 2 * item + 2] = value, second
            self.hedge = replace(self.hedge, gains=tuple(gains))
        return done


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
        self.assets = [PlainAsset(one) for one in self.parameters.collateral]
        self.staged_assets = deepcopy(self.assets)
        self.staged_prices: dict[int, Price] = {}
        """Of assets, by their rows, until CONTRACT_APPLY."""
        self.pledges: dict[tuple[int, int], int] = {}
        """By participant and number of the wallets' asset."""
        self.commands = self.applied = 0
        self.known: dict[tuple[object, ...], int] = {}

    def positions(self, who: int) -> dict[int, int]:
        cells = self.risk.cells[who]
        held = {number: cells[index].position for index, number in self.number.items()}
        return {number: lots for number, lots in held.items() if lots}

    def maintenance(self, who: int) -> int:
        """Return the maintenance margin of what it holds."""
        positions, gains = self.positions(who), self.gains(who)
        key = *positions.items(), *gains.items()
        if key not in self.known:
            self.known[key] = margin(self.parameters, positions, gains).maintenance
        return self.known[key]

    def gains(self, who: int) -> dict[int, Gain]:
        """Return what its pledges gain in the scenarios, by commodity."""
        lines, hedging = self.lines(who), [one for one in self.assets if one.hedge]
        return {
            one.hedge.commodity: gain_of(one.hedge, lines[one.asset])
            for one in hedging
            if one.hedge and self.reserved(who, one.asset)
        }

    def initial(self, who: int, orders: Sequence["Order"]) -> int:
        """Return the initial margin with the worst subset of these orders."""
        rows = self.positions(who), self.signed(orders), self.gains(who)
        return worst_margin(self.parameters, *rows).initial

    def reserved(self, who: int, asset: int) -> int:
        """Return what is pledged of a wallet."""
        return self.pledges.get((who, asset), 0)

    def lines(self, who: int) -> dict[int, Line]:
        held = {one.asset: self.reserved(who, one.asset) for one in self.assets}
        prices = {one.asset: one.price for one in self.assets}
        return collateral(held, prices, {one.asset: one.haircut() for one in self.assets})

    def collateral(self, who: int) -> int:
        """Return what its pledges count."""
        if not any(self.reserved(who, one.asset) for one in self.assets):
            return 0
        return min(sum(line.counts for line in self.lines(who).values()), 2**61)

    def open_ones(self, who: int) -> list["Order"]:
        return [order for index in self.number for order in self.risk.open_of(who, index)]

    def signed(self, orders: Sequence["Order"]) -> list[tuple[int, int]]:
        rows = []
        for index, number in self.number.items():
            here = [order for order in orders if order.instrument == index]
            lots = {sign: self.risk.lots(here, side) for side, sign in SIGNS}
            rows += [(number, sign * count) for sign, count in lots.items() if count]
        return rows

    def premiums(self, orders: Sequence["Order"]) -> int:
        """What they cost for something that is worth as much."""
        loss = largest(orders, lambda order: order.loss * order.leaves)
        return largest(orders, self.risk.cost) - loss

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
        here = [[o for o in each if o.instrument == order.instrument] for each in (now, then)]
        opened = [sum(risk.lots(each, side) for side, _ in SIGNS) for each in here]
        lots += opened[1]
        grows = opened[1] > opened[0]
        if grows and lots > self.parameters.contracts[number].most_lots:
            is_part = risk.part[0] == who
            return {} if is_part else {RiskBit.ARITHMETIC: (LARGEST, 0, LARGEST + 1)}
        if owner.credit == NO_LIMIT:
            return {}
        available = risk.equity(who) + owner.credit + self.collateral(who)
        asked = self.initial(who, then) + reserved + need - self.premiums(then)
        needed = self.initial(who, now) + reserved - self.premiums(now)
        if asked > available and asked > needed:
            return {RiskBit.MARGIN: (available, needed, asked)}
        return {}

    # Commands

    def apply(self, c: Any, what: Setting, instrument: int | None, place: int, value: int) -> bool:
        second = int(c["price_ticks"])
        if what is Setting.MARGIN_APPLY:
            return self.put_in_force(value)
        if what is Setting.COLLATERAL_PRICE:
            return self.set_price(place, value, second, c["time_in_force"] == 1)
        if what in (Setting.COLLATERAL_TIER, Setting.COLLATERAL_SHARE):
            done = self.haircut(what, place, value, second)
        elif what is Setting.MARGIN_ARRAY:
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

    def haircut(self, what: Setting, place: int, value: int, second: int) -> bool:
        number, tier = divmod(place, 256) if what is Setting.COLLATERAL_TIER else (place, 0)
        if not 0 <= number < len(self.assets) or not 0 <= second <= PART:
            return False
        one = self.staged_assets[number]
        if what is Setting.COLLATERAL_SHARE:
            if not 0 <= value <= PART:
                return False
            one.share, one.concentrated = value, second
            return True
        if tier > 3 or not (0 <= value <= 2**61 or value == 2**62):
            return False
        one.tiers[tier] = value, second
        return True

    def set_price(self, number: int, numerator: int, denominator: int, is_staged: bool) -> bool:
        most = 2**61
        if not 0 <= number < len(self.assets):
            return False
        if not (0 <= numerator <= most and 1 <= denominator <= most):
            return False
        price = Price(numerator, denominator)
        if is_staged:
            contracts = self.risk.contracts
            if contracts is None or number in self.staged_prices:
                return False
            self.staged_prices[number] = price
            contracts.staged += 1
            return True
        for rows in (self.assets, self.staged_assets):
            rows[number].price = price
        asset = self.assets[number].asset
        for who in range(len(self.risk.participants)):
            if self.reserved(who, asset):
                self.risk.judge_margin(who)
        return True

    def take_prices(self) -> None:
        """What is staged is in force."""
        for number, price in self.staged_prices.items():
            for rows in (self.assets, self.staged_assets):
                rows[number].price = price

    def pledge(self, who: int, asset: int, amount: int) -> bool:
        risk = self.risk
        known = any(one.asset == asset for one in self.assets)
        if not known or not 0 < who < len(risk.participants) or not 0 < abs(amount) <= 2**61:
            return False
        wallets, owner, held = risk.wallets, risk.participants[who], self.reserved(who, asset)
        assert wallets is not None
        if amount > 0:
            closed = owner.status == ParticipantStatus.CLOSED
            if closed or wallets.owes(who) or wallets.available(who, asset) < amount:
                return False
        elif held + amount < 0:
            return False
        uncovered = self.maintenance(who) - self.collateral(who)
        lost = 0 < -amount <= wallets.shortfall(who, asset)
        self.pledges[who, asset] = held + amount
        if amount > 0 and self.maintenance(who) - self.collateral(who) > uncovered:
            self.pledges[who, asset] = held
            return False
        if amount < 0 and not lost and owner.credit != NO_LIMIT:
            now = self.open_ones(who)
            needed = self.initial(who, now) + risk.reserved(who) - self.premiums(now)
            if risk.equity(who) + owner.credit + self.collateral(who) < needed:
                self.pledges[who, asset] = held
                return False
        if lost:
            risk.judge_margin(who)
        return True

    def due(self, who: int) -> tuple[int, int, int] | None:
        """What the fund takes over first of a participant's pledges: asset, units, and what it
        pays; None: it owes nothing, or the fund has nothing."""
        contracts = self.risk.contracts
        assert contracts is not None
        for asset, line in self.lines(who).items():
            if line.amount and not line.counts and contracts.deficit(who):
                return asset, line.amount, 0
            paid = min(-contracts.cash(who), contracts.fund_for(who), line.counts)
            if paid > 0:
                return asset, -(-line.amount * paid // line.counts), paid
        return None

    def seize(self, who: int, asset: int, paid: int, units: int) -> bool:
        contracts, wallets = self.risk.contracts, self.risk.wallets
        if not 0 <= who < len(self.risk.participants):
            return False
        assert contracts is not None
        line = self.lines(who).get(asset)
        if who == contracts.fund or not contracts.holds_nothing(who) or line is None:
            return False
        due = min(-contracts.cash(who), contracts.fund_for(who), line.counts)
        if line.counts == 0:
            if not line.amount or not contracts.deficit(who) or (paid, units) != (0, line.amount):
                return False
        elif due <= 0 or (paid, units) != (due, -(-line.amount * due // line.counts)):
            return False
        assert wallets is not None
        self.pledges[who, asset] -= units
        contracts.pay_by_fund(who, paid)
        wallets.total[who, asset] -= units
        wallets.total[contracts.fund, asset] += units
        return True

    def array(self, number: int, place: int, value: int, second: int) -> bool:
        if place not in range(0, 25, 2) or max(abs(value), abs(second)) > LARGEST_TERM:
            return False
        row = self.staged["contracts"][number]
        if place == SCENARIOS:
            if second >= 0:
                row[2:4] = value, second
            return second >= 0
        first = 4 + place if place < SCENARIOS else 2 + place
        row += [0] * (28 - len(row))
        row[first : first + 2] = value, second
        return True

    def commodity(self, number: int, item: int, value: int, second: int) -> bool:
        rows = self.staged["commodities"]
        if item >= 0xC0:
            hedging = [one for one in self.staged_assets if one.hedge]
            own_ones = [one for one in hedging if one.hedge and one.hedge.commodity == number]
            return bool(own_ones) and own_ones[0].put(item - 0xC0, value, second)
        if not 0 <= number < len(rows) or not 0 <= value <= LARGEST_RATE:
            return False
        row = rows[number]
        if item >= 0x80:
            own = [one for one in self.staged.get("liquidity", []) if one[0] == number]
            if item - 0x80 >= len(own) or not 0 <= second <= 2**61:
                return False
            own[item - 0x80][1:] = second, value
            return True
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
            self.staged_assets = deepcopy(self.assets)
            return True
        if count != self.commands or count < 0:
            return False
        if not all(one.fits() for one in self.staged_assets):
            return False
        new = parameters_of(deepcopy(self.staged))
        for who in range(len(risk.participants)):
            for index, number in self.number.items():
                orders = risk.open_of(who, index)
                opened = sum(risk.lots(orders, side) for side, _ in SIGNS)
                lots = abs(risk.cells[who][index].position) + opened
                if lots > new.contracts[number].most_lots:
                    return False
        self.parameters, self.commands = new, 0
        self.assets = deepcopy(self.staged_assets)
        self.applied += 1
        self.known.clear()
        for who in range(len(risk.participants)):
            risk.judge(who)
        return True
