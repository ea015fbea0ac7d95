"""A core with futures, perpetuals and options, its plain reference, and an operator who marks,
funds, settles and liquidates."""

import numpy as np

from openoutcry.flow.mixed import INSTRUMENTS, START_TICKS
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import STAGEABLE, Setting
from openoutcry.risk.contract_layout import CALL, FUTURE, PERPETUAL, PUT
from openoutcry.risk.region import at_once, setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, Side
from tests.oracles.risk.contracts import PRICED
from tests.support.risk.risk_core import PARTICIPANTS, Operator, Pair
from tests.support.risk.risk_flow import mixed_commands
from tests.support.risk.risk_reference import run

EXPIRY_NS = 4_000_000_000_000_000_000
"""Beyond the flow's clock: only the operator's TIME comes there."""
LIMITED = {
    "min_price_ticks": 10,
    "max_price_ticks": 200_000,
    "reference_price_ticks": START_TICKS,
}
INVERSE = 10**13
CONTRACTS = {
    0: (PERPETUAL, 0, 5, 0, 0, 0, 1_000),
    1: (PERPETUAL, 1, INVERSE, 0, 0, 0, 500),
    3: (FUTURE, 0, 2, EXPIRY_NS, 0, 0, 0),
    5: (CALL, 0, 1, EXPIRY_NS, START_TICKS, 3, 0),
    6: (PUT, 1, 1, EXPIRY_NS + 1, START_TICKS, 10**9, 0),
    7: (FUTURE, 1, INVERSE, EXPIRY_NS + 2, 0, 0, 800),
}
"""Kind, inverse, multiplier, expiry, strike, strike multiplier and margin of the mixed flow's
instruments; 2 and 4 are no contracts."""
MULTIPLIERS = [5, 1, 1, 2, 1, 1, 1, 1]
LEVERAGED = (0, 1, 3, 4, 7)
PERPETUALS = (0, 1)
FUNDED = (0,)
FEE_BPS = 3
FUND = 8
"""The last participant: in the tests it trades, too."""


def contract_instruments():
    return make_instruments([dict(row) | LIMITED for row in INSTRUMENTS])


def contract_pair(**more):
    given = {
        "multipliers": MULTIPLIERS,
        "leveraged": LEVERAGED,
        "contracts": CONTRACTS,
        "fund": FUND,
        "fee_bps": FEE_BPS,
        "funded": FUNDED,
    }
    return Pair(contract_instruments(), **given | more)


class ContractOperator(Operator):
    """Half of what it does concerns contracts; the rest are limits and switches."""

    def __init__(self, seed, pair, symbols, share=0.7, batches=0.0, **more):
        """``batches``: how often it puts settings of several contracts in force together."""
        super().__init__(seed, pair, symbols, **more)
        self.batches = batches
        self.share, self.period, self.day = share, 0, 20_300_000
        self.to_do = []

    def draw(self):
        """A price is of the terms in force."""
        drawn = self.drawn()
        if drawn["order_type"][0] in PRICED:
            row = self.pair.reference.index.get(bytes(drawn["symbol"][0]))
            drawn["qty_lots"] |= self.adjustments(row) << 1
        return drawn

    def adjustments(self, index):
        """How often an instrument's terms were adjusted."""
        one = self.pair.reference.contracts.rows.get(index)
        return one.adjustments if one else 0

    def drawn(self):
        if self.to_do:
            return self.to_do.pop()
        if self.batches and self.rng.random() < self.batches:
            self.to_do = self.batch()[::-1]
            return self.to_do.pop()
        return self.of_contracts() if self.rng.random() < self.share else super().draw()

    def batch(self):
        """Settings of several contracts that are in force together, at times with one missing, one
        that makes no sense or one of a contract that has one already."""
        rng, ones = self.rng, []
        while len(ones) < 4:
            one = self.stageable()
            if one["order_type"][0] in STAGEABLE:
                ones.append(one)
        symbols = [bytes(one["symbol"][0]) for one in ones]
        if rng.random() < 0.9:
            ones = [one for n, one in enumerate(ones) if symbols[n] not in symbols[:n]]
        batch = at_once(ones, with_mark=bool(ones[0]["aux"][0] & 1))
        if rng.random() < 0.2:
            batch = np.delete(batch, int(rng.integers(len(batch))))
        return [batch[n : n + 1] for n in range(len(batch))]

    def stageable(self):
        """What may be staged, or not."""
        return ContractOperator.of_contracts(self)

    def price(self, index):
        """A mark: near the last price, or far."""
        rng, one = self.rng, self.pair.reference.contracts.rows[index]
        last = self.pair.reference.instruments[index].last or START_TICKS
        if one.option:
            return int(rng.integers(0, 30_000))
        if rng.random() < 0.3:
            return max(1, one.mark * int(rng.integers(80, 121)) // 100)
        return max(1, last + int(rng.integers(-300, 300)))

    def of_contracts(self):
        rng, drawn = self.rng, self.rng.random()
        index = int(rng.choice(list(CONTRACTS)))
        symbol, who = self.symbols[index], int(rng.integers(PARTICIPANTS))
        if drawn < 0.4:
            price = self.price(index)
            if rng.random() < 0.03:
                price = int(rng.choice([0, -5, 2**40, 2**40 + 1, -(2**63), 2**63 - 1]))
            with_mark, of_index = price & 1, max(price, 0) % 2**41
            return setting(Setting.CONTRACT_MARK, price, with_mark, symbol, of_index)
        if drawn < 0.5:
            self.period += int(rng.integers(0, 2))
            rate = int(rng.integers(-(10**7), 10**7))
            if rng.random() < 0.1:
                rate = int(rng.choice([0, 1, -1, 10**9, -(10**9), 10**9 + 1]))
            symbol = self.symbols[int(rng.choice(PERPETUALS))] if rng.random() < 0.9 else symbol
            return setting(Setting.CONTRACT_FUNDING, rate, 0, symbol, self.period)
        if drawn < 0.56:
            self.day += int(rng.integers(0, 2))
            return setting(Setting.CONTRACT_SETTLE, self.price(index), 0, symbol, self.day)
        if drawn < 0.6:
            return setting(Setting.CONTRACT_EXPIRE, self.price(index), 0, symbol)
        if drawn < 0.62:
            on = int(rng.random() < 0.2)
            return setting(Setting.CONTRACT_PAUSE, on, 0, symbol)
        if drawn < 0.68:
            amount = int(rng.integers(-(10**6), 10**7))
            if rng.random() < 0.1:
                amount = int(rng.choice([2**62, -(2**62), -(2**63), 0, -(10**9)]))
            return setting(Setting.DEPOSIT, amount, FUND)
        if drawn < 0.74:
            what = Setting.COVER if rng.random() < 0.5 else Setting.DELEVERAGE
            other = int(rng.integers(PARTICIPANTS + 1)) << 16
            return setting(what, int(rng.integers(100)), other | who, symbol, 7)
        if drawn < 0.84:
            return setting(Setting.DEPOSIT, self.withdrawn(who) % (10**8), who)
        if drawn < 0.92:
            return setting(Setting.CREDIT, int(rng.choice([0, 0, 10**6])), who)
        if drawn < 0.97:
            return setting(Setting.MAINTENANCE, int(rng.choice([5_000, 8_000, 10_000])), who)
        return setting(Setting.KILL, 0, who)

    def step(self):
        """What the lane does about a participant that is called: orders gone, then parts, then what
        comes after them."""
        rng, plain = self.rng, self.pair.reference
        who = int(rng.choice(self.called()))
        gone = not plain.open_count(who) and not plain.participants[who].cancel_wanted
        due = plain.contracts.fee_due
        if due and not plain.part[0] and rng.random() < 0.8:
            payer = plain.contracts.fee_payer
            owned = min(plain.equity(payer), plain.contracts.means(payer))
            paid = min(due, max(owned, 0)) + int(rng.random() < 0.1)
            return setting(Setting.LIQUIDATION_FEE, paid, payer)
        if gone and rng.random() < 0.5:
            held = [n for n, cell in enumerate(plain.cells[who]) if cell.position]
            deficit = plain.contracts.deficit(who)
            if deficit and not held:
                paid = min(deficit, plain.contracts.fund_for(who))
                return setting(Setting.COVER, paid + int(rng.random() < 0.1), who)
            index = int(rng.choice(held)) if held else 0
            takeover = plain.contracts.next_takeover(who, index) if held else None
            if takeover is not None:
                other, lots, paid = takeover
                paid, lots = paid + int(rng.random() < 0.05), lots + int(rng.random() < 0.05)
                other = (other + int(rng.random() < 0.05)) % PARTICIPANTS
                both = other << 16 | who
                record = setting(Setting.DELEVERAGE, lots, both, self.symbols[index], paid)
                record["time_in_force"] = self.side_of(plain.cells[who][index].position)
                return record
            return setting(Setting.KILL, 0, who)
        return super().step()

    def side_of(self, position):
        """With which it is given away; at times the other one, or none, as in older journals."""
        side = Side.SELL if position > 0 else Side.BUY
        return {0: 0, 1: 0, 2: 3 - side}.get(self.pair.reference.seq % 11, side)

    def expiry(self, ns):
        """Time passes the expiry, orders are cancelled, and everything is settled."""
        time = np.zeros(1, ORDER_DTYPE)
        time["kind"], time["aux"] = CommandKind.TIME, ns
        yield time
        ended = []
        for index in CONTRACTS:
            cancel = np.zeros(1, ORDER_DTYPE)
            cancel["kind"], cancel["symbol"], cancel["aux"] = (
                CommandKind.MASS_CANCEL,
                self.symbols[index],
                1,
            )
            yield cancel
            symbol, count = self.symbols[index], self.adjustments(index)
            end = setting(Setting.CONTRACT_EXPIRE, self.price(index), count << 1, symbol)
            if not self.batches:
                yield end
            elif CONTRACTS[index][3] == ns:
                ended.append(end)
        if ended:
            yield from at_once(ended).reshape(-1, 1)


RATIOS = ((2, 1), (1, 2), (3, 2), (2, 3), (3, 1), (1, 5), (7, 1), (1, 1), (1_000_000, 999_999))
NO_RATIOS = ((0, 1), (1, 0), (-1, 1), (1_000_001, 1), (1, 1_000_001), (2**31 - 1, 2**32 - 1))


def adjustment(symbol, new, old, second=0):
    """The command after ``new`` units of the underlying have replaced ``old``."""
    return setting(Setting.CONTRACT_ADJUST, new << 32 | old, 0, symbol, second)


class AdjustingOperator(ContractOperator):
    """A ContractOperator who also adjusts contracts, alone and with settings of others, mostly
    while they are halted and without orders."""

    def of_contracts(self):
        rng = self.rng
        if rng.random() < 0.7:
            return super().of_contracts()
        index = int(rng.choice(list(CONTRACTS)))
        symbol = self.symbols[index]
        cancel = np.zeros(1, ORDER_DTYPE)
        cancel["kind"], cancel["symbol"], cancel["aux"] = CommandKind.MASS_CANCEL, symbol, 1
        halt, resume = (setting(Setting.HALT, on, 0, symbol) for on in (1, 0))
        steps = [halt, cancel, self.adjusted(symbol), resume]
        missing = int(rng.integers(20))
        if missing < len(steps):
            del steps[missing]
        self.to_do = steps[:0:-1]
        return steps[0]

    def adjusted(self, symbol):
        rng = self.rng
        ratios = NO_RATIOS if rng.random() < 0.1 else RATIOS
        new, old = ratios[int(rng.integers(len(ratios)))]
        return adjustment(symbol, new, old, int(rng.random() < 0.05))

    def stageable(self):
        if self.rng.random() < 0.3:
            return self.adjusted(self.symbols[int(self.rng.choice(list(CONTRACTS)))])
        return super().stageable()


def funded(pair, amount=10**8, maintenance=5_000):
    """Everybody has the same, and what it has counts."""
    for who in range(1, PARTICIPANTS):
        for what, value in (
            (Setting.DEPOSIT, amount),
            (Setting.CREDIT, 0),
            (Setting.MAINTENANCE, maintenance),
        ):
            assert pair.process(setting(what, value, who))[0] == 1 << 8
    return pair


OTHERS = [index for index in range(len(INSTRUMENTS)) if index not in CONTRACTS]


class ConservedPair(Pair):
    """Kernels and reference with contracts alone: after every command all balances are what was
    paid in less fees, and as much is held long as short."""

    def __init__(self, **more):
        given = {"multipliers": MULTIPLIERS, "leveraged": LEVERAGED}
        given |= {"contracts": CONTRACTS, "fund": FUND, "fee_bps": FEE_BPS, "funded": FUNDED}
        super().__init__(contract_instruments(), **given | more)
        self.symbols = contract_instruments()["symbol"].tolist()
        self.others = {self.symbols[index] for index in OTHERS}
        self.paid_in = self.fees = 0

    def process(self, orders):
        if bytes(orders["symbol"][0]) in self.others:
            return 0, orders[:0]
        verdict, events = super().process(orders)
        fills = events[events["kind"] == EventKind.FILLED]
        for event in fills:
            rules = self.reference.instruments[int(event["instrument"])]
            self.fees += rules.fee * int(event["qty_lots"])
        what = int(orders["order_type"][0]) if verdict == 1 << 8 else 0
        if what == Setting.DEPOSIT:
            self.paid_in += self.paid(orders)
        self.check()
        return verdict, events

    def paid(self, orders):
        """Money that a deposit pays in."""
        return int(orders["aux"][0])

    def check(self):
        plain, rows = self.reference, self.view.participants
        arithmetic = any("arithmetic" in one.killed for one in plain.participants)
        if not arithmetic:
            assert sum(rows[:, lay.BALANCE // 8].tolist()) == self.paid_in - self.fees
        for index in CONTRACTS:
            assert sum(row[index].position for row in plain.cells) == 0


def run_contracts(both, seed, count, share=0.3, look_every=10, operator=None, flow=mixed_commands):
    """A mixed flow, what the operator does in between, and at the end every contract's expiry."""
    symbols = contract_instruments()["symbol"].tolist()
    operator = operator or ContractOperator(seed, both, symbols)
    run(both, flow(count, seed), operator, share, seed, look_every)
    for ns in (EXPIRY_NS, EXPIRY_NS + 1, EXPIRY_NS + 2):
        for command in operator.expiry(ns):
            both.process(command)
    both.same()
    return operator
