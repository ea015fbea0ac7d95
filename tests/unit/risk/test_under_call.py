"""An account with a margin call trades no order of its own, and its liquidation only in the band.

The rule, read from docs/margin.md alone: after the command that calls an account, its only trades
are parts of its liquidation and takeovers.  A part is not worse than the contract's price band
around the mark, a takeover is at the mark.
"""

import itertools

import numpy as np
import pytest

from openoutcry.matcher.rules import Rules
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import WHOLE
from openoutcry.venue.liquidation import next_part
from openoutcry.venue.liquidation_table import LiquidationSpec
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import CommandKind, EventKind, OrderType, Side, TimeInForce
from openoutcry.wire.order_types import BUDGETS, ORDER_TYPES, TIMES_IN_FORCE, UNPRICED, Aux
from openoutcry.wire.records import RECORD_BYTES
from tests.support.risk.called import (
    BAND_BPS,
    FALLEN,
    FUND,
    MARK,
    OTHER,
    RISEN,
    SYMBOL,
    THIRD,
    WHO,
    Floor,
)

FORMS = [(kind, tif) for kind in OrderType for tif in TIMES_IN_FORCE[kind]]
NEVER_OPEN = (*BUDGETS, OrderType.MIN_QTY)
"""Types that find nothing to trade with here, and do not rest."""
WAIT_ELSEWHERE = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.POST_ONLY_STOP_LIMIT)
"""Stops whose trigger is on the side from which the market has moved away."""
KILLED = 1 << RiskBit.KILLED


def enter(floor, kind, tif, side, at, order_id=9):
    """Participant 1 enters 5 lots of a form near ``at``; a trigger is where the market comes."""
    sign, aux = 1 if side is Side.BUY else -1, ORDER_TYPES[kind].aux
    price = "" if kind in UNPRICED else f"@{at}"
    second = {
        Aux.TRIGGER: MARK + sign * 500,
        Aux.DISTANCE_TICKS: 500,
        Aux.DISTANCE_BPS: 50,
        Aux.DISPLAY: 2,
        Aux.MINIMUM: 1,
        Aux.BUDGET: 10**9,
    }.get(aux, 0)
    if tif is TimeInForce.GTD:
        second = 10**9
    if ORDER_TYPES[kind].takes_profit:
        second = MARK - sign * 500
    line = f"NEW id={order_id} {side.name} 5{price} {kind.name} {tif.name} aux={second} p{WHO}"
    return floor.send(line)


def attack(floor, mark):
    """Others trade at, below and above the mark, within the band, and in a closing auction."""
    low, high = mark - mark // 12, mark + mark // 12
    ids = itertools.count(100)
    for line in (
        f"SELL 5@{low} IOC p2", f"BUY 5@{high} IOC p2", f"BUY 3@{low} p3", f"SELL 3@{high} p3",
        f"BUY 1@{high} IOC p2", f"SELL 1@{low} IOC p2", f"SELL 9@{low} IOC p2",
        f"BUY 9@{high} IOC p2", f"SELL 9@{high - 1} p2", f"BUY 9@{low + 1} p2",
    ):  # fmt: skip
        floor.send(f"NEW id={next(ids)} {line}")
    floor.send("PHASE CLOSING_AUCTION")
    floor.send(f"NEW id={next(ids)} SELL 9@{low} p2")
    floor.send(f"NEW id={next(ids)} BUY 9@{high} p3")
    floor.send("PHASE CLOSED")


def rested(floor, kind, tif, side):
    """An order of the form near the mark of before, on the side on which it will be far away."""
    at = MARK - 4_000 if side is Side.BUY else MARK + 4_000
    floor.send(f"NEW id=50 BUY 1@{MARK - 9_000} p3")
    floor.send(f"NEW id=51 SELL 1@{MARK + 9_000} p3")
    enter(floor, kind, tif, side, at)
    return floor.view.of(WHO, lay.OPEN)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("mark", [FALLEN, RISEN])
@pytest.mark.parametrize("kind", OrderType)
def test_no_order_from_before_the_call_trades_after_it(kind, mark, side):
    """Every type with every time in force.  Without the call most of them trade far off."""
    position = 20 if mark == FALLEN else -20
    were_open, trade_freely = set(), set()
    for tif in TIMES_IN_FORCE[kind]:
        floor = Floor(position)
        open_now = rested(floor, kind, tif, side)
        traded = len(floor.fills())
        floor.mark(mark)
        assert floor.is_called()
        called_seq = floor.engine.last_seq
        attack(floor, mark)
        assert len(floor.fills()) == traded, tif.name
        told = np.concatenate(floor.events)
        gone = told[(told["kind"] == EventKind.CANCELLED) & (told["participant"] == WHO)]
        gone = gone[gone["cause_seq"] > called_seq]
        assert set(gone["cause_seq"].tolist()) <= {called_seq + 1}
        assert len(gone) == open_now, tif.name
        assert floor.view.of(WHO, lay.OPEN) == 0
        floor.engine.check()
        if open_now:
            if not were_open:
                floor.replayed()
            were_open.add(tif)
            free = Floor(position, maintenance_bps=0)
            rested(free, kind, tif, side)
            traded = len(free.fills())
            free.mark(mark)
            attack(free, mark)
            if len(free.fills()) > traded:
                trade_freely.add(tif)
    assert bool(were_open) == (kind not in NEVER_OPEN)
    if (side is Side.BUY) == (mark == FALLEN) and kind not in WAIT_ELSEWHERE:
        assert trade_freely == were_open


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_no_order_from_after_the_call_is_let_in(side):
    for kind, tif in FORMS:
        floor = Floor()
        floor.mark(FALLEN)
        told = enter(floor, kind, tif, side, FALLEN)
        assert told["kind"].tolist() == [EventKind.REJECTED], (kind.name, tif.name)
        assert int(told["contra_id"][0]) & KILLED, (kind.name, tif.name)


def test_neither_a_replace_nor_an_off_book_trade_passes_a_call():
    floor = Floor()
    floor.send(f"NEW id=9 BUY 5@{MARK - 4_000} p1")
    floor.mark(FALLEN)
    told = floor.send(f"REPLACE id=9 BUY 5@{FALLEN} p1")
    assert told["kind"].tolist() == [EventKind.CANCELLED, EventKind.REJECTED]
    for buyer, seller in ((WHO, OTHER), (OTHER, WHO)):
        for record in opening(f"rfq {buyer}", 7, 0):
            floor.send(record)
        record = setting(Setting.OFF_BOOK, 5, buyer << 16 | seller, SYMBOL, FALLEN)
        record["time_in_force"], record["side"] = Side.BUY, WHOLE
        told = floor.send(record)
        assert told["kind"].tolist() == [EventKind.REJECTED]
        assert int(told["contra_id"][0]) & KILLED
    floor.replayed()


def test_a_call_by_a_trade_counts_from_the_next_command():
    """It buys above the mark and is then called: its other order does not trade."""
    floor = Floor(maintenance_bps=2_000)
    floor.send("NEW id=8 BUY 5@96000 p1")
    floor.send("NEW id=9 SELL 1@104000 p1")
    floor.mark(95_380)  # 7,600 are left, and 20 lots need 4,000
    assert not floor.is_called()
    floor.send("NEW id=20 SELL 5@96000 p2")  # 4,500 are left, and 25 lots need 5,000
    assert floor.is_called()
    traded = len(floor.fills())
    told = floor.send("NEW id=21 BUY 1@104000 p2")
    assert told["kind"].tolist() == [EventKind.CANCELLED, EventKind.ACCEPTED]
    assert len(floor.fills()) == traded
    floor.replayed()


def test_the_disconnect_of_the_lane_cancels_and_counts_by_itself():
    """As before: the operator's lane has cancelled such orders in every release."""
    floor = Floor()
    floor.send(f"NEW id=9 BUY 5@{MARK - 4_000} p1")
    floor.mark(FALLEN)
    told = floor.send("DISCONNECT p1")
    assert told["kind"].tolist() == [EventKind.CANCELLED, EventKind.COMPLETED]
    assert told["qty_lots"][-1] == 1
    assert floor.view.of(WHO, lay.FLAGS) & lay.CANCEL_WANTED == 0
    floor.replayed()


def test_orders_of_several_called_accounts_go_before_any_of_them_can_trade():
    """A pegged order of one would trade with a resting order of the other once its peg moves."""
    floor = Floor()
    for who in (OTHER, THIRD):
        floor.set(Setting.MAINTENANCE, 5_000, who)
    floor.send("NEW id=5 BUY 20@100000 p3")
    floor.send("NEW id=6 SELL 20@100000 p2")
    floor.set(Setting.DEPOSIT, 100_000 - floor.view.equity(THIRD), THIRD)
    floor.send("NEW id=7 BUY 5@96000 p1")
    floor.send("NEW id=8 SELL 5@97000 PEG_MARKET DAY aux=0 p3")
    floor.mark(FALLEN)
    told = floor.send("TIME 5")
    gone = told[told["kind"] == EventKind.CANCELLED]
    assert gone["participant"].tolist() == [WHO, THIRD]
    assert not (told["kind"] == EventKind.FILLED).any()
    floor.replayed()


@pytest.mark.parametrize("away", [0, 8_499, 8_500, 8_501, 20_000])
def test_a_part_of_a_liquidation_is_bounded_by_the_band(away):
    """A sale of p1's liquidation as far as 10 % below the mark, and no further."""
    floor = Floor()
    floor.set(Setting.DEPOSIT, 10**9, FUND)
    floor.mark(FALLEN)
    floor.send("DISCONNECT p1")
    price = FALLEN - away
    floor.send(f"NEW id=20 BUY 5@{max(price, FALLEN - 8_500)} p2")
    floor.send(setting(Setting.LIQUIDATE, -5, WHO, SYMBOL, price))
    part = lay.PART_IDS + floor.view.word(lay.PARTS)
    told = floor.send(f"NEW id={part} SELL 5@{price} IOC p1")
    fits = away <= 8_500
    assert (told["kind"] == EventKind.FILLED).any() == fits
    if not fits:
        assert int(told["contra_id"][0]) & 1 << RiskBit.PRICE_DISTANCE
    for fill in floor.fills()[1:]:
        assert fill["order_id"] >= lay.PART_IDS
        assert abs(int(fill["price_ticks"]) - FALLEN) * 10_000 <= BAND_BPS * FALLEN
    floor.replayed()


@pytest.mark.parametrize(("band_bps", "price"), [(500, 80_750), (1_000, 76_500), (5_000, 76_500)])
def test_the_engine_offers_a_part_in_both_bands(band_bps, price):
    """``band_bps`` of the liquidation, and the contract's own 10 % around the mark."""
    floor = Floor()
    floor.set(Setting.DEPOSIT, 10**9, FUND)
    floor.mark(FALLEN)
    spec = LiquidationSpec(1_000, 1_000, 2_500, band_bps)
    part = next_part(floor.view, WHO, [0], [Rules(floor.instruments[0])], spec)
    assert (part.lots, part.price_ticks) == (-5, price)


def test_events_that_do_not_fit_at_once_are_not_lost():
    """With room for one command's events at a time, the cancellation comes alone."""
    floor = Floor()
    for number in range(9, 30):
        floor.send(f"NEW id={number} BUY 1@96000 p1")
    floor.mark(FALLEN)
    floor.send("NEW id=60 SELL 5@90000 p2")
    whole = np.concatenate(floor.commands)
    engine = floor.core.fresh()
    out = np.zeros(len(np.concatenate(floor.events)) + 1, floor.events[0].dtype)
    told = engine.process(whole, out)
    assert told.tobytes() == np.concatenate(floor.events).tobytes()
    assert told.dtype.itemsize == RECORD_BYTES
    assert whole["kind"][-1] == CommandKind.NEW
