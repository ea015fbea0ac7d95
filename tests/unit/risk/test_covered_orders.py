"""An order on a contract is covered when it enters: by what it loses at once against the mark."""

import random

import numpy as np
import pytest

from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import CALL, PERPETUAL
from openoutcry.risk.region import setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.risk.risk_core import Pair, bits
from tests.support.risk.risk_reference import operator_command

GOLD, PUT_OFF, OPTION = SYMBOLS = (b"GOLD-P", b"GOLD-N", b"GOLD-C")
MARK, FAR = 200_000, 900_000
FUND = 8
ROW = {"min_price_ticks": 1, "max_price_ticks": 1_000_000, "reference_price_ticks": MARK}
TERMS = {
    0: (PERPETUAL, 0, 1, 0, 0, 0, 0),
    1: (PERPETUAL, 0, 1, 0, 0, 0, 1_000),
    2: (CALL, 0, 1, 4 * 10**18, MARK, 1, 0),
}


class Market(Pair):
    """Kernels and reference; participants have the money that is named, and no credit."""

    def __init__(self, money, band_ticks=0, distance_bps=100_000):
        rows = [ROW | {"symbol": symbol, "market_band_ticks": band_ticks} for symbol in SYMBOLS]
        rows[2]["reference_price_ticks"] = 100
        given = {"multipliers": [1] * 3, "leveraged": (0, 1), "fund": FUND}
        super().__init__(make_instruments(rows), contracts=TERMS, **given)
        self.ids, self.money = 0, money
        for symbol in SYMBOLS:
            if distance_bps is not None:
                self.set(Setting.DISTANCE, distance_bps, symbol=symbol)
        self.set(Setting.MARGIN, 10_000, symbol=GOLD)
        self.set(Setting.MARGIN, 50, symbol=OPTION)
        for who, units in money.items():
            self.set(Setting.DEPOSIT, units, who)
            self.set(Setting.CREDIT, 0, who)

    def set(self, what, value, who=0, symbol=b""):
        assert self.process(setting(what, value, who, symbol))[0] == 1 << 8

    def enter(self, who, side, lots, price, symbol=GOLD, **more):
        """Return the names of the checks that refused an order; none: it was let in."""
        self.ids += 1
        record = operator_command(
            CommandKind.NEW, participant=who, symbol=symbol, side=side, order_id=self.ids
        )
        record["qty_lots"], record["price_ticks"] = lots, price
        record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
        for name, value in more.items():
            record[name] = value
        verdict, _ = self.process(record)
        return bits(verdict)

    def nobody_owes(self):
        """No participant has lost more than it paid in, and all together have what came in."""
        held = {who: self.view.equity(who) for who in self.money}
        assert min(held.values()) >= 0, held
        assert sum(held.values()) == sum(self.money.values())


def test_an_order_far_beyond_the_mark_is_refused_and_not_paid_by_the_fund():
    """12,000 do not cover a bid at 900,000 where the mark is 200,000."""
    market = Market({1: 12_000, 2: 50_000, FUND: 300_000})
    assert market.enter(2, Side.SELL, 1, FAR) == []
    assert market.enter(1, Side.BUY, 1, FAR) == ["CAPITAL"]
    market.nobody_owes()
    market.same()


def test_closing_a_position_at_a_price_of_nothing_is_refused():
    market = Market({1: 12_000, 2: 50_000, 3: 50_000, FUND: 300_000})
    assert market.enter(3, Side.SELL, 1, MARK) == []
    assert market.enter(1, Side.BUY, 1, MARK) == []
    assert market.enter(2, Side.BUY, 1, 1) == []
    assert market.enter(1, Side.SELL, 1, 1) == ["CAPITAL"]
    # What a lot gives back of its margin pays for a sale a little below the mark.
    assert market.enter(1, Side.SELL, 1, MARK - 10_000) == []
    market.nobody_owes()
    market.same()


def test_many_orders_are_covered_together():
    """Each of them alone would be."""
    market = Market({1: 100_000, 2: 10**6, FUND: 0})
    assert market.enter(1, Side.BUY, 1, MARK + 30_000) == []
    assert market.enter(1, Side.BUY, 1, MARK + 30_000) == []
    assert market.enter(1, Side.BUY, 1, MARK + 30_000) == ["CAPITAL"]
    market.same()


def test_an_option_is_not_sold_for_less_than_its_owner_can_lose():
    market = Market({1: 60, 2: 10**6, FUND: 0})
    assert market.enter(1, Side.SELL, 1, 100, OPTION) == []
    market = Market({1: 60, 2: 10**6, FUND: 0})
    assert market.enter(1, Side.SELL, 1, 1, OPTION) == ["CAPITAL"]
    market.same()


@pytest.mark.parametrize(
    ("band_ticks", "distance_bps", "money", "refused"),
    [
        (0, 1_000, 10**6, ["UNPRICED"]),
        (100, None, 10**6, ["UNPRICED"]),
        (100, 1_000, 30_099, ["CAPITAL"]),
        (100, 1_000, 30_110, []),
    ],
    ids=["no market band", "no band around the mark", "too little", "enough"],
)
def test_an_order_without_a_price_is_reserved_at_the_end_of_the_band(
    band_ticks, distance_bps, money, refused
):
    """Its margin, and what it loses at the band's end and the market band: 20,100 a lot.  Without
    a band there are no such orders on contracts."""
    market = Market({1: money, 2: 10**6, FUND: 0}, band_ticks, distance_bps)
    ioc = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
    assert market.enter(2, Side.SELL, 1, MARK) == []
    assert market.enter(1, Side.BUY, 1, 0, **ioc) == refused
    market.same()


def test_every_order_is_in_the_band_around_the_mark_and_the_band_stays():
    market = Market({1: 10**6, 2: 10**6, FUND: 0}, distance_bps=1_000)
    assert market.enter(1, Side.BUY, 1, 220_001) == ["PRICE_DISTANCE"]
    assert market.enter(1, Side.SELL, 1, 179_999) == ["PRICE_DISTANCE"]
    assert market.enter(1, Side.BUY, 1, 220_000) == []
    assert market.process(setting(Setting.CONTRACT_MARK, 100_000, 0, GOLD))[0] == 1 << 8
    assert market.enter(2, Side.BUY, 1, 110_001) == ["PRICE_DISTANCE"]
    # Without a band no contract trades.
    assert market.process(setting(Setting.DISTANCE, 2**63 - 1, 0, GOLD))[0] == 0
    market.same()


@pytest.mark.parametrize("seed", range(6))
def test_no_orders_of_accounts_that_work_together_take_out_more_than_was_paid_in(seed):
    """At one mark, whatever three accounts enter, replace and cancel between themselves."""
    dice, market = random.Random(seed), Market({1: 40_000, 2: 90_000, 3: 250_000, FUND: 0}, 500)
    types = [OrderType.LIMIT] * 4 + [OrderType.MARKET, OrderType.POST_ONLY, OrderType.PEG_PRIMARY]
    open_ids, traded, refused = [], 0, 0
    for _ in range(250):
        who, side = dice.choice([1, 2, 3]), dice.choice([Side.BUY, Side.SELL])
        price = max(1, MARK + int(dice.gauss(0, 20_000)) * dice.choice([1, 1, 10]))
        lots, symbol = dice.choice([1, 1, 2, 5]), dice.choice([GOLD, GOLD, PUT_OFF])
        if open_ids and dice.random() < 0.2:
            order_id, owner, of_side, of_symbol = dice.choice(open_ids)
            kind = dice.choice([CommandKind.REPLACE, CommandKind.CANCEL])
            record = operator_command(
                kind, participant=owner, symbol=of_symbol, side=of_side, order_id=order_id
            )
            record["qty_lots"], record["price_ticks"] = lots, price
            market.process(record)
        else:
            order_type = dice.choice(types)
            unpriced = order_type == OrderType.MARKET
            time_in_force = TimeInForce.IOC if unpriced else TimeInForce.DAY
            more = {"order_type": order_type, "time_in_force": time_in_force}
            refused += bool(market.enter(who, side, lots, 0 if unpriced else price, symbol, **more))
            open_ids.append((market.ids, who, side, symbol))
        traded = sum(abs(market.view.cell(n, 0, 0)) for n in (1, 2, 3))
        market.nobody_owes()
    assert refused > 20
    assert np.array(traded) >= 0
    market.same()
