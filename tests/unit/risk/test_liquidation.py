"""Under its maintenance margin a participant is killed by the core itself, at the very command, and
only the parts that the operator's lane has said make smaller what it holds."""

import pytest

from openoutcry.matcher.rules import Rules
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.venue.liquidation import next_part
from openoutcry.venue.liquidation_table import LiquidationSpec
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, TimeInForce
from tests.support.risk.risk_core import bits
from tests.support.risk.risk_desk import BUY, SELL, A, B, Desk


def indebted(lots=10, margin=40, balance=0, maintenance=5_000):
    """p1 is short of ``lots`` A at 100, each needs ``margin``; its equity is ``balance``."""
    desk = Desk()
    desk.set(Setting.MARGIN, margin)
    desk.set(Setting.CREDIT, 0)
    desk.set(Setting.DEPOSIT, 10**6)
    desk.trade(2, 1, lots, 100)
    desk.set(Setting.MAINTENANCE, maintenance)
    assert desk.set(Setting.DEPOSIT, balance - 10**6)
    return desk


def marked(desk, price):
    """The last trade is at this price, and everybody's position is marked at it."""
    desk.trade(2, 3, 1, price)
    assert desk.set(Setting.MARK, 0)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_hedge_is_judged_once_if_every_instrument_is_marked_together(at_once):
    """p1 is long 10 A and short 10 B at 100: both rise to 200, so it has what it had."""
    desk = Desk(leveraged=(0, 1))
    for symbol in (A, B):
        desk.set(Setting.MARGIN, 40, symbol=symbol)
    desk.trade(1, 2, 10, 100)
    desk.trade(2, 1, 10, 100, symbol=B)
    for what, value in ((Setting.CREDIT, 0), (Setting.DEPOSIT, 500), (Setting.MAINTENANCE, 5_000)):
        assert desk.set(what, value)
    for symbol in (A, B):
        desk.trade(2, 3, 1, 200, symbol=symbol)
    if at_once:
        assert desk.set(Setting.MARK, 0, symbol=b"")
    else:
        assert all(desk.set(Setting.MARK, 0, symbol=symbol) for symbol in (B, A))
    assert called(desk) == (not at_once)
    assert desk.view.of(1, lay.PROFIT) == 0


def called(desk, who=1):
    return bool(desk.view.of(who, lay.FLAGS) & lay.KILLED_BY_MARGIN)


def cancelled(desk, who=1):
    desk.send(kind=CommandKind.DISCONNECT, participant=who)


def part(desk, lots, price, other=None, who=1, symbol=A):
    """LIQUIDATE, and its order: whether the one makes sense, verdict and events of the other."""
    accepted = desk.set(Setting.LIQUIDATE, lots, who, symbol, price)
    fields = {
        "kind": 1,
        "side": BUY if lots > 0 else SELL,
        "qty_lots": abs(lots),
        "price_ticks": price,
        "participant": who,
        "symbol": symbol,
        "order_type": OrderType.LIMIT,
        "order_id": lay.PART_IDS + desk.view.word(lay.PARTS),
        "time_in_force": TimeInForce.IOC,
    }
    verdict, events = desk.send(**fields | (other or {}))
    return accepted, bits(verdict), events


@pytest.mark.parametrize(
    ("last", "step", "band_bps", "price"),
    [(1_000, 1, 500, 1_050), (7, 1, 500, 8), (20, 5, 500, 25), (7, 1, 0, 7), (-7, 1, 500, -6)],
)
def test_a_part_is_offered_a_step_away_at_least(last, step, band_bps, price):
    """5 % of a low price is less than a step: at the last price alone nobody might take it."""
    row = {
        "symbol": A,
        "min_price_ticks": -10_000,
        "max_price_ticks": 10_000,
        "price_step_ticks": step,
    }
    desk = Desk([row])
    desk.trade(2, 1, 8, last)
    spec = LiquidationSpec(1_000, 1_000, 2_500, band_bps)
    part = next_part(desk.view, 1, [0], [Rules(make_instruments([row])[0])], spec)
    assert (part.lots, part.price_ticks) == (2, price)


@pytest.mark.parametrize(("balance", "is_called"), [(201, False), (200, False), (199, True)])
def test_the_margin_is_judged_to_the_unit(balance, is_called):
    """10 lots short of 40 each, half of it: 200."""
    assert called(indebted(balance=balance)) is is_called


@pytest.mark.parametrize(("price", "is_called"), [(109, False), (110, False), (111, True)])
def test_a_mark_judges_every_participant(price, is_called):
    desk = indebted(balance=300)
    marked(desk, price)
    assert called(desk) is is_called
    if is_called:
        assert desk.view.of(1, lay.CALLED_SEQ) == desk.view.of(1, lay.KILLED_SEQ)
        assert desk.view.of(1, lay.FLAGS) & lay.CANCEL_WANTED


def test_its_own_trade_and_a_fee_judge_it():
    desk = indebted(balance=250)
    desk.set(Setting.FEE, 60)
    desk.trade(1, 2, 1, 100)
    assert not called(desk)  # 9 lots need 180, and it has 190
    desk.trade(1, 2, 1, 100)
    assert called(desk)  # 8 need 160, and it has 130
    assert desk.view.of(1, lay.CALLED_SEQ) == desk.seq


def test_a_withdrawal_a_smaller_credit_and_a_larger_margin_judge_it():
    for what, least, enough in (
        (Setting.DEPOSIT, -51, -50),
        (Setting.CREDIT, 49, 50),
        (Setting.MARGIN, 51, 50),
    ):
        desk = indebted(balance=200)
        desk.set(Setting.CREDIT, 50)
        if what is Setting.CREDIT:
            desk.set(Setting.DEPOSIT, -50)
        assert desk.set(what, enough)
        assert not called(desk), what
        if what is Setting.DEPOSIT:
            least -= enough
        assert desk.set(what, least)
        assert called(desk), what


def test_no_participant_is_judged_without_a_maintenance_margin_or_with_unlimited_credit():
    desk = indebted(balance=200, maintenance=0)
    assert desk.set(Setting.DEPOSIT, -5_000)
    assert not called(desk)
    assert desk.set(Setting.CREDIT, NO_LIMIT)
    assert desk.set(Setting.MAINTENANCE, 10_000)
    assert not called(desk)
    assert desk.set(Setting.CREDIT, 0)
    assert called(desk)


@pytest.mark.parametrize("value", [-1, 10_001, 2**62, -(2**63), 2**63 - 1])
def test_a_maintenance_margin_is_a_share(value):
    desk = Desk()
    assert not desk.set(Setting.MAINTENANCE, value)
    assert not desk.set(Setting.MAINTENANCE, 5_000, who=0)


def test_parts_close_it_out_until_the_margin_is_enough():
    desk = indebted(balance=199)
    assert desk.new(BUY, 1, 90) != 0
    assert part(desk, 3, 100)[:2] == (False, ["KILLED"])  # its orders are still open
    cancelled(desk)
    desk.new(SELL, 2, 100, who=2)
    accepted, refused, events = part(desk, 3, 101)
    assert (accepted, refused) == (True, [])
    kinds = [EventKind(int(kind)).name for kind in events["kind"]]
    assert kinds == ["ACCEPTED", "FILLED", "FILLED", "CANCELLED"]
    assert desk.view.cell(1, 0, lay.POSITION) == -8
    # 8 lots need 160, and it has 199: nothing more is closed, and it stays killed.
    assert part(desk, 1, 101)[:2] == (False, ["KILLED"])
    assert desk.new(BUY, 1, 90) != 0
    assert desk.set(Setting.KILL, 0)
    assert desk.new(BUY, 1, 90) == 0


def test_who_is_let_trade_again_too_soon_is_killed_again():
    desk = indebted(balance=199)
    kills = desk.view.of(1, lay.KILLS)
    assert desk.set(Setting.KILL, 0)
    assert called(desk)
    assert desk.view.of(1, lay.KILLS) == kills + 1


@pytest.mark.parametrize("lots", [0, -1, 11, -(2**63), 2**63 - 1, 2**62])
def test_a_part_only_makes_the_position_smaller(lots):
    desk = indebted(balance=-(10**5))
    cancelled(desk)
    was = desk.view.digest()
    assert not desk.set(Setting.LIQUIDATE, lots, 1, A, 100)
    assert not desk.set(Setting.LIQUIDATE, 1, 1, B, 100)  # it holds none
    assert not desk.set(Setting.LIQUIDATE, 1, 2, A, 100)  # nobody calls it
    assert desk.view.digest() == was


@pytest.mark.parametrize(
    "other",
    [
        {"qty_lots": 4},
        {"price_ticks": 102},
        {"side": SELL},
        {"symbol": B},
        {"participant": 3},
        {"order_id": lay.PART_IDS},
        {"order_type": OrderType.MARKET},
        {"time_in_force": TimeInForce.DAY},
    ],
)
def test_another_order_than_the_one_that_was_said_is_refused(other):
    desk = indebted(balance=100)
    cancelled(desk)
    desk.set(Setting.KILL, 1, 3)
    accepted, refused, _ = part(desk, 3, 101, other)
    assert accepted
    assert "KILLED" in refused
    assert desk.view.word(lay.PART_WHO) == 1  # the part itself may still come


def test_there_is_one_order_of_each_part():
    desk = indebted(balance=100)
    cancelled(desk)
    desk.new(SELL, 10, 100, who=2)
    assert part(desk, 3, 101)[:2] == (True, [])
    again = {
        "kind": 1,
        "side": BUY,
        "qty_lots": 3,
        "price_ticks": 101,
        "participant": 1,
        "symbol": A,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC,
        "order_id": lay.PART_IDS + 1,
    }
    assert bits(desk.send(**again)[0]) == ["KILLED"]
    assert desk.view.cell(1, 0, lay.POSITION) == -7


def test_limits_do_not_keep_a_part_but_halts_and_bands_do():
    desk = indebted(balance=-10_000)
    cancelled(desk)
    desk.set(Setting.MAX_QTY, 1)
    desk.set(Setting.RATE, 10**9, second=1)
    desk.set(Setting.RESTRICTED, 1)
    desk.set(Setting.LOSS, 0)
    desk.set(Setting.GROUP_KILL, 1, 0)
    assert part(desk, 3, 101)[:2] == (True, [])
    desk.set(Setting.HALT, 1)
    assert part(desk, 3, 101)[:2] == (True, ["HALTED"])
    desk.set(Setting.HALT, 0)
    desk.set(Setting.BANDS, 100, second=50)
    assert part(desk, 3, 101)[:2] == (True, ["PRICE_BAND"])
    assert part(desk, 3, 100)[:2] == (True, [])
    desk.set(Setting.MARKET_KILL, 1)
    assert part(desk, 3, 100)[:2] == (True, ["MARKET_KILLED"])


def test_a_long_position_on_credit_is_sold():
    """Bought on credit: no margin, but the equity and the credit are gone."""
    desk = Desk()
    desk.set(Setting.CREDIT, 1_000)
    desk.trade(1, 2, 10, 100)
    desk.set(Setting.MAINTENANCE, 5_000)
    marked(desk, 1)
    assert not called(desk)  # 10 left
    desk.set(Setting.CREDIT, 989)
    assert called(desk)
    cancelled(desk)
    desk.new(BUY, 10, 1, who=2)
    assert part(desk, -10, 1)[:2] == (True, [])
    assert desk.view.cell(1, 0, lay.POSITION) == 0


def test_a_leveraged_position_needs_margin_on_both_sides():
    for seller, buyer in ((1, 2), (2, 1)):
        desk = Desk(leveraged=(0,))
        desk.set(Setting.MARGIN, 40)
        desk.set(Setting.CREDIT, 400)
        desk.set(Setting.MAINTENANCE, 5_000)
        desk.trade(buyer, seller, 10, 100)
        assert desk.view.of(1, lay.MARGINED) == 400
        marked(desk, 120 if seller == 1 else 80)
        assert not called(desk)
        marked(desk, 121 if seller == 1 else 79)
        assert called(desk)
