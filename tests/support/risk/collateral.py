"""A core in which participants pledge assets for scenario margin, its plain reference, and an
operator who also moves pledges, prices and haircuts."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from openoutcry.derivatives.collateral import CollateralRisk, Haircut, Hedge, Price
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from tests.support.risk.contracts import contract_instruments
from tests.support.risk.portfolio import (
    ConservedPortfolio,
    PortfolioOperator,
    portfolio_given,
    scenario_parameters,
)
from tests.support.risk.risk_core import PARTICIPANTS, Pair
from tests.support.risk.spot import ASSETS, BTC, DOGE, ETH, USD, in_asset

SPOT = {2: (BTC, USD, 1_000)}
"""One of the two instruments that are no contracts is paid from wallets."""
COLLATERAL = (
    CollateralRisk(BTC, Price(3, 100), Haircut(((0, 50_000), (10**6, 100_000)), 500_000, 200_000)),
    CollateralRisk(DOGE, Price(7, 3), Haircut(((0, 333_333), (1_000, 1), (10**5, 10**6)))),
)
MOVES = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3, 2, -2, -19, 29, 0, 0, 0, 0, 0, 0)
"""Thirtieths of the price."""
HEDGING = tuple(
    replace(
        one,
        hedge=Hedge.exact(
            commodity,
            [Fraction(one.price.numerator * part, one.price.denominator * 30) for part in MOVES],
            Fraction(one.price.numerator * 7, one.price.denominator),
        ),
    )
    for commodity, one in enumerate(COLLATERAL)
)
"""The same assets, whose prices move with the two underlyings."""
PLEDGED = [one.asset for one in COLLATERAL]
UNUSED = 2**62


def collateral_given(seed=0, assets=COLLATERAL):
    """What a region and the reference are made with."""
    numbers = replace(scenario_parameters(seed), collateral=assets).numbers()
    return portfolio_given(seed) | {"margin": numbers, "assets": ASSETS, "spot": SPOT}


def pledge(who, asset, amount):
    """The command that pledges an amount, or, below 0, releases it."""
    record = setting(Setting.PLEDGE, amount, who)
    record["time_in_force"] = asset
    return record


def seizure(who, asset, units, paid):
    """The command with which the fund takes units over."""
    record = setting(Setting.SEIZE, paid, who, second=units)
    record["time_in_force"] = asset
    return record


def with_wallets(both, amount=10**9):
    """Everybody has the same of each asset."""
    for who in range(PARTICIPANTS):
        for asset in range(len(ASSETS)):
            assert both.process(in_asset(Setting.DEPOSIT, amount, who, asset))[0] == 1 << 8
    return both


def collateral_pair(seed=0, assets=COLLATERAL, **more):
    """Kernels and reference, compared after every command."""
    return Pair(contract_instruments(), **collateral_given(seed, assets), **more)


class ConservedCollateral(ConservedPortfolio):
    """As a ConservedPortfolio, with pledges: of every asset as much is there as came in, and who
    was called had too little with all that it had pledged."""

    def __init__(self, seed=0, assets=COLLATERAL):
        super().__init__(seed, **collateral_given(seed, assets))

    def paid(self, orders):
        """Nothing, if it goes to a wallet."""
        return 0 if orders["price_ticks"][0] else super().paid(orders)

    def check(self):
        super().check()
        assert self.reference.wallets.sums_up()
        for name, _ in ASSETS:
            held, net = self.view.wallets.total(name)
            assert held == net
        for who in range(PARTICIPANTS):
            for asset, amount in self.view.portfolio.pledged(who).items():
                assert 0 < amount <= self.view.wallets.rows[who, asset, 1]


class CollateralOperator(PortfolioOperator):
    """A PortfolioOperator of whose turns some concern pledges, and who lets the fund take them."""

    def draw(self):
        return self.of_pledges() if self.rng.random() < 0.4 else super().draw()

    def stageable(self):
        return self.of_pledges() if self.rng.random() < 0.5 else super().stageable()

    def of_pledges(self):
        rng, plain, drawn = self.rng, self.pair.reference, self.rng.random()
        who, asset = int(rng.integers(PARTICIPANTS)), int(rng.choice([*PLEDGED, BTC, ETH]))
        free, held = plain.wallets.available(who, asset), plain.portfolio.reserved(who, asset)
        if drawn < 0.35:
            amount = int(rng.integers(-held - 2, max(free, 0) + 3))
            if rng.random() < 0.3:
                amount = int(rng.choice([-held, free, free + 1, -held - 1, 0]))
            if rng.random() < 0.03:
                amount = int(rng.choice([2**61, 2**61 + 1, -(2**63), 2**63 - 1]))
            return pledge(who + (rng.random() < 0.02) * 9, asset, amount)
        if drawn < 0.65:
            row = int(rng.integers(len(PLEDGED)))
            price = [int(rng.integers(0, 10)), int(rng.integers(1, 100))]
            if rng.random() < 0.1:
                price[int(rng.integers(2))] = int(rng.choice([2**61, 2**61 + 1, -1, 0, 2**40]))
            row += (rng.random() < 0.03) * int(rng.choice([-5, 9]))
            return setting(Setting.COLLATERAL_PRICE, price[0], row, second=price[1])
        if drawn < 0.8:
            return self.of_haircuts()
        if drawn < 0.9:
            amount = int(rng.integers(-(10**6), 10**8))
            return in_asset(Setting.DEPOSIT, amount, who, int(rng.choice([BTC, DOGE])))
        return seizure(who, asset, int(rng.integers(100)), int(rng.integers(100)))

    def of_haircuts(self):
        rng, row = self.rng, int(self.rng.integers(-1, len(PLEDGED) + 1))
        rate = int(rng.choice([0, 1, 10**6, 10**6 + 1, -1, int(rng.integers(10**6))]))
        if rng.random() < 0.4:
            return setting(Setting.COLLATERAL_SHARE, int(rng.integers(10**6)), row, second=rate)
        begin = int(rng.choice([0, UNUSED, UNUSED - 1, int(rng.integers(10**7))]))
        place = row << 8 | int(rng.choice([0, 1, 2, 3, 3, 4]))
        return setting(Setting.COLLATERAL_TIER, begin, place, second=rate)

    def step(self):
        rng, plain = self.rng, self.pair.reference
        for who in self.called():
            due = plain.portfolio.due(who) if plain.contracts.holds_nothing(who) else None
            if due is not None and rng.random() < 0.5:
                asset, units, paid = due
                return seizure(
                    who, asset, units + int(rng.random() < 0.1), paid + int(rng.random() < 0.1)
                )
        return super().step()


def haircut_commands(row, haircut):
    """Commands that put another haircut of an asset in force, and nothing else."""
    tiers = [*haircut.tiers, *[(UNUSED, 0)] * (4 - len(haircut.tiers))]
    staged = [
        setting(Setting.COLLATERAL_TIER, begin, row << 8 | place, second=rate)
        for place, (begin, rate) in enumerate(tiers)
    ]
    share, more = haircut.share, haircut.concentrated
    staged.append(setting(Setting.COLLATERAL_SHARE, share, row, second=more))
    drop, apply = (setting(Setting.MARGIN_APPLY, count) for count in (0, len(staged)))
    return np.concatenate([drop, *staged, apply])
