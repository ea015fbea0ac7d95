"""A core with spot instruments, its plain reference, and an operator who moves money and fees."""

import numpy as np

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire.asset_names import asset_words
from tests.oracles.risk.wallets import UNUSED_TIER, word
from tests.support.risk.risk_core import PARTICIPANTS, Operator, Pair
from tests.support.risk.risk_flow import instruments

ASSETS = (("USD", 2), ("BTC", 8), ("ETH", 9), ("DOGE", 0))
USD, BTC, ETH, DOGE = range(4)
LATER = (("EUR", 2), ("USD-STABLE-NOTE", 6), ("TOKENISED-GOLD-1", 18))
"""Declared while trading; there is room for two of them."""
ROOM = len(ASSETS) + 2
SPOT = {
    0: (BTC, USD, 1_000),
    1: (ETH, USD, 7),
    3: (ETH, BTC, 7),
    5: (DOGE, USD, 1),
    6: (BTC, ETH, 9),
}
"""Base, quote, units a lot of the mixed flow's instruments; the others stay margined."""
MULTIPLIERS = [3, 1, 5, 2, 2, 40, 1, 1]
RATES = (-300, 0, 1, 250, 2_500, 50_000, 1_000_000)


def spot_pair(**more):
    given = {"multipliers": MULTIPLIERS, "leveraged": (4,), "assets": ASSETS, "spot": SPOT}
    given["asset_capacity"] = ROOM
    return Pair(instruments(), **given | more)


def in_asset(what, value, who, asset, purpose=0):
    """A command that names an asset."""
    name = ASSETS[asset][0] if isinstance(asset, int) else asset
    record = setting(what, value, who, second=word(name))
    record["time_in_force"] = purpose
    return record


def declaration(name, decimals):
    """The command that declares an asset."""
    code, with_decimals, rest = asset_words(name, decimals)
    return setting(Setting.LEDGER_ASSET, with_decimals, rest, second=code)


class SpotOperator(Operator):
    """A share of what it does concerns wallets and fees; the rest are limits and switches, which
    let little through."""

    def __init__(self, seed, pair, symbols, share=0.5, **more):
        super().__init__(seed, pair, symbols, **more)
        self.share = share

    def draw(self):
        return self.of_wallets() if self.rng.random() < self.share else super().draw()

    def of_wallets(self):
        rng, plain = self.rng, self.pair.reference.wallets
        who, asset = int(rng.integers(PARTICIPANTS)), int(rng.integers(len(plain.names)))
        drawn = rng.random()
        if drawn < 0.45:
            free = plain.available(who, asset)
            amount = int(rng.choice([10**5, 10**7, 10**9])) * int(rng.integers(1, 20))
            if rng.random() < 0.5:
                amount = -free + int(rng.integers(-3, 3))
            purpose = int(rng.choice([0, 0, 0, 1, 1, 2]))
            if purpose == 1:
                amount = plain.fees[asset] // int(rng.integers(1, 4)) + int(rng.integers(-2, 3))
            if rng.random() < 0.03:
                amount = int(rng.choice([2**61, 2**61 + 1, -(2**63), 2**63 - 1]))
            name = "EUR" if rng.random() < 0.02 else self.pair.view.wallets.names[asset]
            return in_asset(Setting.DEPOSIT, amount, who, name, purpose)
        if drawn < 0.55:
            value = max(-plain.available(who, asset), 0) + int(rng.integers(-2, 10**7))
            if rng.random() < 0.05:
                value = int(rng.choice([-1, 2**61, 2**62]))
            name = self.pair.view.wallets.names[asset]
            return in_asset(Setting.ASSET_CREDIT, value, who, name)
        if drawn < 0.65:
            return setting(Setting.FEE_VOLUME, int(rng.integers(-1, 4)) * 1_000, who)
        return self.of_fees(drawn)

    def of_fees(self, drawn):
        rng = self.rng
        schedule = int(rng.integers(4))
        if drawn < 0.8:
            begin = int(rng.choice([0, 0, 1_000, 2_000, UNUSED_TIER]))
            maker, taker = (int(rate) for rate in rng.choice(RATES, 2))
            rates = maker & 0xFFFFFFFF | taker << 32
            return setting(
                Setting.LEDGER_TIER, rates, schedule * 16 + int(rng.integers(8)), second=begin
            )
        if drawn < 0.85:
            return setting(Setting.LEDGER_COLLECT, int(rng.integers(2)), schedule)
        if drawn < 0.86:
            name, decimals = LATER[int(rng.integers(len(LATER)))]
            return declaration(name, int(rng.choice([decimals, decimals, 19])))
        if drawn < 0.87:
            least = int(rng.choice([0, 0, 1, 10, 10**4, 10**6, 2**61, 2**61 + 1]))
            return setting(Setting.LEDGER_MINIMUM, least, schedule)
        who = int(rng.integers(-1, PARTICIPANTS))
        symbol = rng.choice([b"", *self.symbols])
        return setting(Setting.LEDGER_FEES, int(rng.integers(-1, 4)), who, symbol)


def funded(pair, amount=10**9):
    """Everybody begins with the same of each asset."""
    for who in range(PARTICIPANTS):
        for asset in range(len(ASSETS)):
            verdict, _ = pair.process(in_asset(Setting.DEPOSIT, amount, who, asset))
            assert verdict == 1 << 8
    return pair


def run_spot(both, commands, operator, share, seed, look_every=1):
    """As ``risk_reference.run``; nobody is ever below its credit, and all sums hold."""
    rng, plain = np.random.default_rng([seed, 29]), both.reference.wallets
    for number, command in enumerate(commands):
        while rng.random() < share:
            both.process(operator.draw())
        both.process(command.copy())
        if number % look_every == 0:
            assert plain.sums_up()
            assert plain.nobody_below()
            for name in both.view.wallets.names:
                held, net = both.view.wallets.total(name)
                assert held == net
    both.same()
