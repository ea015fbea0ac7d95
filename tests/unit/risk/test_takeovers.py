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
