"""A trade brings a price of one instrument alone: a participant that also holds something else is
not called by it, but judged by the next mark."""

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import at_once, setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.risk.risk_core import Pair
from tests.support.risk.risk_reference import operator_command

NEAR, FAR, HELD, OTHER = SYMBOLS = (b"NEAR", b"FAR", b"HELD", b"OTHER")
"""Two contracts, and two instruments that are held on margin: a lot of each is worth the same."""
START, RISEN, UNITS, LOTS, MONEY = 10_000, 12_000, 10, 20, 300_000
ROW = {"min_price_ticks": 1, "max_price_ticks": 100_000, "reference_price_ticks": START}
PERPETUALS = dict.fromkeys((0, 1), (PERPETUAL, 0, UNITS, 0, 0, 0, 1_000))
PAIRS = [(NEAR, FAR), (NEAR, HELD), (HELD, NEAR), (HELD, OTHER)]


class Market(Pair):
    """Kernels and reference, and trades between participants."""

    def __init__(self):
        table = make_instruments([{"symbol": symbol} | ROW for symbol in SYMBOLS])
        margined = tuple(range(len(SYMBOLS)))
        given = {"multipliers": [UNITS] * len(SYMBOLS), "leveraged": margined, "fund": 8}
        super().__init__(table, contracts=PERPETUALS, **given)
        self.ids = 0
        for symbol in (HELD, OTHER):
            self.set(Setting.MARGIN, START * UNITS // 10, symbol=symbol)

    def set(self, what, value, who=0, symbol=b""):
        assert self.process(setting(what, value, who, symbol))[0] == 1 << 8

    def enter(self, who, side, lots, price, symbol):
        self.ids += 1
        record = operator_command(
            CommandKind.NEW, participant=who, symbol=symbol, side=side, order_id=self.ids
        )
        record["qty_lots"], record["price_ticks"] = lots, price
        record["order_type"], record["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
        assert self.process(record)[0] == 0

    def trade(self, buyer, seller, lots, price, symbol):
        self.enter(seller, Side.SELL, lots, price, symbol)
        self.enter(buyer, Side.BUY, lots, price, symbol)

    def look(self, price):
        """All contracts and all that is held on margin are marked by one command."""
        marks = [setting(Setting.CONTRACT_MARK, price, 0, symbol, price) for symbol in (NEAR, FAR)]
        for record in at_once(marks, with_mark=True).reshape(-1, 1):
            assert self.process(record)[0] == 1 << 8

    @property
    def called(self):
        """Whether participant 1 is, by the last command."""
        called = bool(self.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN)
        assert not called or self.view.of(1, lay.CALLED_SEQ) == self.seq
        return called


def hedged(long, short, bid=LOTS // 2):
    """Participant 1 is long of one and as much short of another.  It has half above what it needs,
    and less than what one leg loses when the price rises by a fifth.  It bids for some of
    what it is short of: of a contract that would not be let in once its credit is limited."""
    market = Market()
    market.set(Setting.DEPOSIT, MONEY, 1)
    market.trade(1, 2, LOTS, START, long)
    market.trade(2, 1, LOTS, START, short)
    market.enter(1, Side.BUY, bid, RISEN, short)
    market.set(Setting.MAINTENANCE, 5_000, 1)
    market.set(Setting.CREDIT, 0, 1)
    assert market.view.equity(1) == MONEY
    assert not market.called
    return market


@pytest.mark.parametrize(("long", "short"), PAIRS)
def test_a_hedge_is_not_called_by_its_own_trade_at_a_price_that_it_has_no_marks_of(long, short):
    """It buys back half of what it is short: by the marks of before, that is a loss."""
    market = hedged(long, short)
    market.enter(3, Side.SELL, LOTS // 2, RISEN, short)
    assert market.view.is_under(1)
    assert not market.called
    if long == HELD:
        market.trade(3, 2, 1, RISEN, long)
    market.look(RISEN)
    assert market.view.equity(1) == MONEY
    assert not market.called
    market.same()


@pytest.mark.parametrize(("long", "short"), PAIRS)
def test_it_is_called_by_the_next_mark_if_it_has_too_little_then(long, short):
    """What it is long of has not risen."""
    market = hedged(long, short)
    market.enter(3, Side.SELL, LOTS // 2, RISEN, short)
    assert not market.called
    market.set(Setting.MARK, 0)
    assert market.called
    market.same()


def test_money_paid_in_until_then_does_not_call_it_but_a_withdrawal_does():
    market = hedged(NEAR, FAR)
    market.enter(3, Side.SELL, LOTS // 2, RISEN, FAR)
    market.set(Setting.DEPOSIT, 1, 1)
    assert market.view.is_under(1)
    assert not market.called
    market.set(Setting.DEPOSIT, -1, 1)
    assert market.called
    market.same()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_who_holds_nothing_else_is_called_by_its_own_trade(symbol):
    """Also if it holds nothing any more."""
    for left in (LOTS // 2, 0):
        market = Market()
        market.set(Setting.DEPOSIT, MONEY, 1)
        market.trade(2, 1, LOTS, START, symbol)
        market.enter(1, Side.BUY, LOTS - left, 2 * RISEN, symbol)
        market.set(Setting.MAINTENANCE, 5_000, 1)
        market.set(Setting.CREDIT, 0, 1)
        market.enter(3, Side.SELL, LOTS - left, 2 * RISEN, symbol)
        assert market.called
        market.same()


def test_one_leg_that_is_closed_leaves_the_other_one_to_the_next_mark():
    market = hedged(NEAR, FAR, LOTS)
    market.enter(3, Side.SELL, LOTS, RISEN, FAR)
    assert market.view.is_under(1)
    assert not market.called
    market.trade(3, 1, LOTS, RISEN, NEAR)
    assert not market.called
    assert market.view.equity(1) == MONEY
    market.same()
