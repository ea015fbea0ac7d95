"""Random defaults in two contracts: participants trade at the marks, the marks move, and what each
called participant cannot pay goes to the fund and to those of the other side."""

import numpy as np

from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View, setting
from openoutcry.venue.waterfall import step_due
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Phase, Side, TimeInForce
from tests.oracles.takeovers import rest_fault, takeover_fault
from tests.support.risk.risk_reference import operator_command

SYMBOLS, UNITS, START = (b"LEFT", b"RIGHT"), (100, 7), 10_000
STEPS = 200


class DefaultMarket:
    """Participants 1 to ``count`` and the fund (0) in two perpetuals, without any margin at
    first.  ``units``: the multipliers."""

    def __init__(self, count, units=UNITS):
        row = {"min_price_ticks": 1, "max_price_ticks": 10**6, "reference_price_ticks": START}
        table = make_instruments([row | {"symbol": symbol} for symbol in SYMBOLS])
        self.count, self.seq, self.orders, self.paid_in = count, 0, 0, 0
        hooks = {
            "name": "risk",
            "participants": count + 1,
            "order_capacity": 4_096,
            "multipliers": list(units),
            "leveraged": [0, 1],
            "contracts": [[n, PERPETUAL, 0, each, 0, 0, 0, 0] for n, each in enumerate(units)],
        }
        settings = {"instruments": instruments_to_json(table), "order_capacity": 4_096}
        self.engine = Core.of(settings | {"hooks": hooks}).fresh()
        self.view = View(self.engine.region)
        for symbol in SYMBOLS:
            phase = int(Phase.CONTINUOUS)
            self.send(operator_command(CommandKind.PHASE, symbol=symbol, aux=phase))

    def send(self, *records):
        orders = np.concatenate(records)
        orders["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(orders))
        self.seq += len(orders)
        return self.engine.process(orders)

    def mark_of(self, index):
        return self.view.contracts.of(index, "mark")

    def equities(self):
        """What each has, without credit and pledges."""
        rows = self.view.participants
        return (rows[:, lay.FUNDED // 8] + rows[:, lay.PROFIT // 8]).tolist()

    def bring_to(self, who, equity):
        """A deposit or withdrawal after which a participant has this."""
        amount = equity - self.equities()[who]
        self.paid_in += amount
        return setting(Setting.DEPOSIT, amount, who)

    def trade(self, buyer, seller, index, lots):
        """The two orders of a trade at the mark."""
        terms = {"symbol": SYMBOLS[index], "qty_lots": lots, "price_ticks": self.mark_of(index)}
        terms["order_type"] = OrderType.LIMIT
        self.orders += 2
        return np.concatenate(
            [
                operator_command(
                    CommandKind.NEW,
                    participant=who,
                    side=side,
                    order_id=self.orders + number,
                    time_in_force=life,
                    **terms,
                )
                for number, (who, side, life) in enumerate(
                    [(seller, Side.SELL, TimeInForce.DAY), (buyer, Side.BUY, TimeInForce.IOC)]
                )
            ]
        )

    def limit_credit(self, credit=0):
        """Everybody may lose what it has and ``credit``."""
        people = range(1, self.count + 1)
        self.send(*[setting(Setting.CREDIT, credit, who) for who in people])
        self.send(*[setting(Setting.MAINTENANCE, 5_000, who) for who in people])

    def mark(self, *prices):
        for index, price in enumerate(prices):
            self.send(setting(Setting.CONTRACT_MARK, price, 0, SYMBOLS[index]))

    def resolve(self):
        """Do what is due for each called participant; each command with what its taker had."""
        done = []
        while True:
            flags = self.view.participants[:, lay.FLAGS // 8]
            called = np.flatnonzero(flags & lay.KILLED_BY_MARGIN).tolist()
            step = None
            for who in called:
                if int(flags[who]) & lay.CANCEL_WANTED:
                    self.send(operator_command(CommandKind.DISCONNECT, participant=who))
                step = step_due(self.view, who, [symbol.decode() for symbol in SYMBOLS])
                if step is not None:
                    break
            if step is None:
                return done
            had = self.equities()
            events = self.send(step[0])
            assert not events["reason"].any(), step
            done.append((step[0], had, self.equities()))
            assert len(done) < STEPS, "a default comes to an end"


class RandomDefaults:
    """Rounds of random trades, deposits, marks and defaults, with the rules that each keeps."""

    def __init__(self, seed, count=8):
        self.rng, self.market = np.random.default_rng(seed), DefaultMarket(count)
        self.defaults = self.takeovers = self.poor = 0

    def round(self):
        rng, market = self.rng, self.market
        people = range(1, market.count + 1)
        market.send(*[setting(Setting.CREDIT, NO_LIMIT, who) for who in people])
        market.send(*[setting(Setting.KILL, 0, who) for who in people])
        equities = rng.choice([0, 1, 50, 2_000, 10**6, 10**8], market.count + 1).tolist()
        market.send(*[market.bring_to(who, equities[who]) for who in range(market.count + 1)])
        for _ in range(int(rng.integers(2, 12))):
            buyer, seller = (1 + rng.permutation(market.count)[:2]).tolist()
            lots = int(rng.integers(1, int(rng.choice([3, 100]))))
            market.send(market.trade(buyer, seller, int(rng.integers(2)), lots))
        market.limit_credit(int(rng.choice([0, 0, 1_000])))
        market.mark(*(int(START * rng.choice([0.2, 0.9, 0.99, 1, 1.01, 1.1, 3])) for _ in SYMBOLS))
        bankrupt = market.view.deficits()
        done = market.resolve()
        self.defaults += len(bankrupt)
        self.judge(done)

    def judge(self, done):
        """No taker pays more than it has, and what is missing is what no taker has."""
        market, view = self.market, self.market.view
        for record, had, has in done:
            if record["order_type"][0] != Setting.DELEVERAGE:
                continue
            taker = int(record["qty_lots"][0]) >> 16
            self.takeovers += 1
            self.poor += has[taker] == 0
            fault = takeover_fault(taker, int(record["price_ticks"][0]), had, has)
            assert not fault, fault
        assert sum(view.participants[:, lay.BALANCE // 8].tolist()) == market.paid_in
        for index in range(2):
            assert view.cells[:, index, lay.POSITION // 8].sum() == 0
        equities, fund = market.equities(), view.of(0, lay.BALANCE)
        positions = view.cells[:, :2, lay.POSITION // 8].tolist()
        fault = rest_fault(view.deficits(), fund, equities, positions)
        assert not fault, fault
