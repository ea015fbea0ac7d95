"""A core whose contracts are under scenario margin, its plain reference, and an operator who also
stages and applies parameters."""

from random import Random

from openoutcry.derivatives.margin import (
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    SpreadCharge,
)
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import CALL, PUT
from openoutcry.risk.region import setting
from openoutcry.wire.enums import CommandKind, OrderType, TimeInForce
from tests.support.risk.contracts import (
    CONTRACTS,
    FUND,
    LEVERAGED,
    MULTIPLIERS,
    ConservedPair,
    ContractOperator,
    contract_instruments,
)
from tests.support.risk.risk_core import PARTICIPANTS, Pair, bits
from tests.support.risk.risk_reference import operator_command

THIRDS = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3, 2, -2)
UNDER_SCENARIOS = {index: (*terms[:-1], 0) for index, terms in CONTRACTS.items()}
"""The same contracts, without a margin of each lot's value."""
COMMODITY_OF = {0: 0, 3: 0, 5: 0, 6: 0, 1: 1, 7: 1}
"""Two underlyings: one with a perpetual, a future and options, one with inverse contracts."""
SCANS = {0: 30_000, 1: 9_000_000, 3: 12_000, 5: 4_000, 6: 9_000, 7: 8_000_000}
"""What a long lot loses by a move of the whole range."""


def scenario_parameters(seed=0):
    """Losses, deltas, spread charges, an offset and short minimums for the mixed flow's contracts;
    each seed has others."""
    rng, rows = Random(seed), []
    for index, (kind, *_) in sorted(UNDER_SCENARIOS.items()):
        scan = SCANS[index] * rng.randint(50, 150) // 100
        option = kind in (CALL, PUT)
        sign, curve = -1 if kind == PUT else 1, scan // 40 if option else 0
        losses = tuple(
            -sign * one * scan // 3 - one * one * curve + (place & 1) * curve
            for place, one in enumerate(THIRDS)
        )
        losses += (0,) * 6 + tuple(rng.randint(-scan, scan * 5 // 4) for _ in range(2))
        delta = sign * (rng.randint(0, 10**6) if option else 10**6)
        minimum = scan // 20 if option else 0
        rows.append(ContractRisk(COMMODITY_OF[index], rng.randrange(3), losses, delta, minimum))
    charges = tuple(SpreadCharge(pair, rng.randint(0, 500)) for pair in ((0, 1), (1, 2), (0, 2)))
    liquidity = tuple((rng.randint(0, 10**8), rng.randint(0, 900)) for _ in range(3))
    first = CommodityRisk(charges, rng.choice([0, 50]), 1_100_000, liquidity)
    commodities = first, CommodityRisk(liquidity=liquidity[:1])
    legs = Leg(0, 1, 1), Leg(1, rng.choice([1, -1]), rng.choice([1, 2]))
    return Parameters(tuple(rows), commodities, (Offset(legs, rng.choice([600_000, 850_000])),))


def portfolio_given(seed=0):
    """What a region and the reference are made with."""
    numbers = scenario_parameters(seed).numbers()
    given = {"multipliers": MULTIPLIERS, "leveraged": LEVERAGED, "fund": FUND}
    return given | {"contracts": UNDER_SCENARIOS, "margin": numbers}


def portfolio_pair(seed=0, **more):
    return Pair(contract_instruments(), **portfolio_given(seed) | more)


class ConservedPortfolio(ConservedPair):
    """As a ConservedPair, under scenario margin.  After every command those are called that the
    plain reference calls: it compares equity with what the positions need, made from nothing."""

    def __init__(self, seed=0, **more):
        super().__init__(**portfolio_given(seed) | more)
        self.called = set()

    def process(self, orders):
        answer = super().process(orders)
        flags = self.view.participants[:, lay.FLAGS // 8]
        called = {who for who, word in enumerate(flags.tolist()) if word & lay.KILLED_BY_MARGIN}
        people = enumerate(self.reference.participants)
        assert called == {who for who, one in people if "margin" in one.killed}
        self.called |= called
        return answer


class PortfolioOperator(ContractOperator):
    """A ContractOperator who in some of its turns changes the parameters of margin."""

    def __init__(self, seed, pair, symbols, **more):
        super().__init__(seed, pair, symbols, **more)
        self.applied = 0

    def withdrawn(self, who):
        """What would bring a participant near what all its positions need."""
        plain = self.pair.reference
        return super().withdrawn(who) + plain.portfolio.maintenance(who)

    def of_contracts(self):
        plain, rng = self.pair.reference.portfolio, self.rng
        holders = [who for who in range(1, PARTICIPANTS) if plain.positions(who)]
        if holders and rng.random() < 0.15:
            who = int(rng.choice(holders))
            return setting(Setting.DEPOSIT, self.withdrawn(who), who)
        if rng.random() < 0.75:
            return super().of_contracts()
        if rng.random() < 0.4:
            self.applied += 1
            self.to_do = list(reversed(list(self.whole(scenario_parameters(self.applied)))))
            return self.to_do.pop()
        drawn = rng.random()
        value, second = (int(rng.integers(-(10**5), 10**6)) for _ in range(2))
        symbol = self.symbols[int(rng.integers(len(self.symbols)))]
        if rng.random() < 0.1:
            value = int(rng.choice([2**51, 2**51 + 1, -(2**51) - 1, 2**62, -(2**63)]))
        if drawn < 0.4:
            return setting(Setting.MARGIN_ARRAY, value, int(rng.integers(-1, 27)), symbol, second)
        if drawn < 0.6:
            item = int(rng.choice([0, 1, 2, 3, 4, 0x80, 0x81, 0x82, 0x83, 0xC0, 0xC7, 0xCC, 0xCD]))
            place = int(rng.integers(0, 3)) << 8 | item
            return setting(Setting.MARGIN_COMMODITY, value, place, b"", 10**6 + second)
        if drawn < 0.7:
            return setting(Setting.MARGIN_OFFSET, value, int(rng.integers(-1, 3)))
        count = plain.commands if rng.random() < 0.5 else int(rng.integers(-1, 4))
        return setting(Setting.MARGIN_APPLY, count)

    def whole(self, parameters):
        """Commands that put other values in force, tiers and legs as they are."""
        yield setting(Setting.MARGIN_APPLY, 0)
        count = 0
        for index, row in zip(sorted(UNDER_SCENARIOS), parameters.contracts, strict=True):
            pairs = [*zip(row.losses[::2], row.losses[1::2], strict=True)]
            of_lot = row.delta, row.short_minimum
            for place, (one, other) in enumerate([*pairs[:8], of_lot, *pairs[8:]]):
                if 8 < place < 12:
                    continue  # no losses by the first extended moves
                count += 1
                yield setting(Setting.MARGIN_ARRAY, one, 2 * place, self.symbols[index], other)
        for number, row in enumerate(parameters.commodities):
            count += 1
            yield setting(Setting.MARGIN_COMMODITY, row.addon, number << 8, b"", row.initial)
            for item, (begin, rate) in enumerate(row.liquidity, 0x80):
                count += 1
                yield setting(Setting.MARGIN_COMMODITY, rate, number << 8 | item, b"", begin)
            for item, spread in enumerate(row.spreads, 1):
                count += 1
                yield setting(Setting.MARGIN_COMMODITY, spread.charge, number << 8 | item)
        for number, offset in enumerate(parameters.offsets):
            count += 1
            yield setting(Setting.MARGIN_OFFSET, offset.rate, number)
        yield setting(Setting.MARGIN_APPLY, count)


SYMBOLS = contract_instruments()["symbol"].tolist()
MARK = 100_000


def new(both, who, side, lots, index=0, price=MARK, number=None, **more):
    """Verdict of a limit order."""
    fields = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.DAY} | more
    order = operator_command(
        CommandKind.NEW,
        participant=who,
        symbol=SYMBOLS[index],
        side=side,
        qty_lots=lots,
        price_ticks=price,
        order_id=both.seq + 1 if number is None else number,
        **fields,
    )
    return both.process(order)


def bits_of(answer):
    return bits(answer[0])
