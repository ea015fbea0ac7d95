"""Two fills report a takeover: one to the bankrupt participant, one to the participant that takes
its lots.  Only these events depend on whether the command names the side."""

import pytest

from openoutcry.matcher import hooks
from openoutcry.risk import before
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import MAX_PRICE
from openoutcry.risk.region import setting
from openoutcry.venue.waterfall import step_due
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, Reason, Side
from openoutcry.wire.order_ids import OFF_BOOK_ORDER_IDS
from tests.support.risk.contract_gap import LOTS, SYMBOL, Gap
from tests.support.risk.defaults import START, DefaultMarket, RandomDefaults
from tests.support.risk.risk_reference import operator_command

LONG, SHORT = 1, 2
"""Two participants that traded with each other."""


def bankrupt(who, price):
    """A market of two in which ``who`` has lost more than it has, and its orders are gone."""
    gap = Gap(2, fund=0)
    poor = setting(Setting.DEPOSIT, -gap.view.of(SHORT, lay.BALANCE) + 600_000, SHORT)
    if who == SHORT:
        gap.send(poor)
    gap.send(setting(Setting.CONTRACT_MARK, price, 0, SYMBOL))
    gap.send(operator_command(CommandKind.DISCONNECT, participant=who))
    return gap


def takeover_of(gap, who):
    record, _ = step_due(gap.view, who, ["PERP"])
    assert record["order_type"] == Setting.DELEVERAGE
    return record


@pytest.mark.parametrize(
    ("who", "other", "price", "side"),
    [(LONG, SHORT, 8_000, Side.SELL), (SHORT, LONG, 12_000, Side.BUY)],
)
def test_both_participants_get_a_fill_at_the_mark(who, other, price, side):
    gap = bankrupt(who, price)
    record = takeover_of(gap, who)
    last, counted = gap.engine.best("PERP"), gap.engine.event_count
    events = gap.send(record)
    assert events["kind"].tolist() == [
        EventKind.ACCEPTED, EventKind.ACCEPTED, EventKind.FILLED, EventKind.FILLED,
        EventKind.COMPLETED,
    ]  # fmt: skip
    assert events["participant"].tolist() == [other, who, other, who, 0]
    assert events["side"].tolist()[:4] == [3 - side, side] * 2
    assert set(events["price_ticks"][:4].tolist()) == {price}
    assert set(events["qty_lots"][:4].tolist()) == {LOTS}
    first = OFF_BOOK_ORDER_IDS + 2 * gap.seq
    assert set(events["order_id"][:4].tolist()) == {first, first + 1}
    assert events["contra_id"][2:4].tolist() == events["order_id"][3:1:-1].tolist()
    hidden, maker = EventFlag.HIDDEN, EventFlag.HIDDEN | EventFlag.MAKER
    assert (events["flags"] & ~EventFlag.LAST).tolist()[:4] == [hidden, hidden, maker, hidden]
    assert [gap.view.cell(one, 0, lay.POSITION) for one in (who, other)] == [0, 0]
    assert gap.view.contracts.word("clearing") == 0
    assert gap.engine.best("PERP") == last
    assert gap.engine.event_count == counted + 5
    gap.engine.check()


@pytest.mark.parametrize(("who", "price"), [(LONG, 8_000), (SHORT, 12_000)])
def test_an_older_command_without_a_side_does_the_same_and_has_no_fills(who, price):
    new, old = bankrupt(who, price), bankrupt(who, price)
    record = takeover_of(old, who)
    record["time_in_force"] = 0
    (event,) = old.send(record)
    assert event["kind"] == EventKind.COMPLETED
    new.send(takeover_of(new, who))
    assert (new.engine.region == old.engine.region).all()


def test_the_side_must_be_the_one_that_ends_the_position():
    gap = bankrupt(LONG, 8_000)
    record = takeover_of(gap, LONG)
    for side in (Side.BUY, 3):
        record["time_in_force"] = side
        (event,) = gap.send(record)
        assert (event["kind"], event["reason"]) == (EventKind.REJECTED, Reason.MALFORMED)
    record["time_in_force"] = Side.SELL
    assert len(gap.send(record)) == 5


def test_a_deficit_is_what_the_other_side_pays_also_when_it_is_told():
    gap = bankrupt(LONG, 8_000)
    paid_in = sum(gap.balances())
    missing = gap.view.deficits()[LONG]
    gap.send(takeover_of(gap, LONG))
    assert sum(gap.balances()) == paid_in
    assert gap.view.of(LONG, lay.BALANCE) == 0
    assert gap.view.contracts.word("losses") == missing > 0


def test_the_matcher_and_the_risk_say_the_same_words():
    words = "APPLIED", "TRADES", "TAKES_OVER", "TAKEOVER_SHIFT"
    assert [getattr(hooks, word) for word in words] == [getattr(before, word) for word in words]
    assert hooks.TAKEOVER_BIAS == MAX_PRICE


def test_a_taker_pays_at_most_what_it_has_and_the_next_of_rank_takes_the_rest():
    """A deficit of 20,000 for 10 lots: the first of rank has 2,000, so it takes one lot over."""
    market = DefaultMarket(4)
    market.send(market.trade(1, 2, 0, 10), market.trade(4, 3, 0, 10))
    market.send(*[market.bring_to(who, amount) for who, amount in ((1, 80_000), (4, 900_000))])
    market.limit_credit()
    market.mark(9_900, START)
    assert market.equities()[1] == -20_000
    market.send(market.bring_to(2, 2_000), market.bring_to(3, 950_000))
    takeovers = market.resolve()
    assert [takeover(record) for record, _, _ in takeovers] == [(2, 1, 1, 2_000), (3, 1, 9, 18_000)]
    assert market.equities()[1:] == [0, 0, 932_000, 800_000]
    assert market.view.deficits() == {}


def test_a_taker_that_cannot_pay_for_a_lot_is_not_asked_while_another_can():
    market = DefaultMarket(4)
    market.send(market.trade(1, 2, 0, 1), market.trade(4, 3, 0, 1))
    market.send(market.bring_to(1, 980_000), market.bring_to(4, 10**7))
    market.limit_credit()
    market.mark(1, START)
    missing = market.view.deficits()[1]
    market.send(market.bring_to(2, missing - 1), market.bring_to(3, 950_000))
    assert [takeover(record) for record, _, _ in market.resolve()] == [(3, 1, 1, missing)]
    assert market.equities()[1:4] == [0, missing - 1, 950_000 - missing]


def test_of_two_bankrupts_opposite_each_other_neither_pays_and_no_other_contract_does():
    market = DefaultMarket(4)
    market.send(market.trade(1, 2, 0, 10), market.trade(3, 4, 1, 10))
    market.send(*[market.bring_to(who, 10**6) for who in (1, 3, 4)])
    market.limit_credit()
    market.mark(8_000, START)
    market.send(market.bring_to(2, -6_585))
    before = market.equities()
    assert market.resolve() == []
    assert market.equities() == before
    assert set(market.view.deficits()) == {1, 2}


@pytest.mark.parametrize("units", [(3 * 10**12, 7), (3 * 10**12, 3 * 10**12), (7, 10**11)])
def test_a_takeover_of_a_position_near_the_largest_amount_is_the_core_s(units):
    """The core limits the weight of a position; a figure without that limit would be refused at
    each look, and the default would never end."""
    market = DefaultMarket(3, units)
    market.send(market.trade(1, 2, 0, 100), market.trade(1, 3, 1, 50))
    market.limit_credit()
    market.mark(8_999, 8_999)
    market.send(market.bring_to(1, -123_456_789_123_457))
    done = market.resolve()
    assert {record["order_type"][0] for record, _, _ in done} == {Setting.DELEVERAGE}
    assert not market.view.deficits()


def takeover(record):
    """Taker, bankrupt, lots and money of a DELEVERAGE."""
    assert record["order_type"] == Setting.DELEVERAGE
    taker, who = divmod(int(record["qty_lots"][0]), 1 << 16)
    return taker, who, int(record["aux"][0]), int(record["price_ticks"][0])


@pytest.mark.parametrize("seed", range(2))
def test_random_defaults_take_no_solvent_participant_below_nothing(seed):
    world = RandomDefaults(seed)
    while world.defaults < 40:
        world.round()
    assert world.takeovers > 20
    assert world.poor > 0, "some paid all that they had"
