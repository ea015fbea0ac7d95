"""Stops that wait while limits, switches and pauses change, and that are elected after that."""

import pytest

from openoutcry.risk import protection_layout
from openoutcry.risk.bits import RISK_REASON, RiskBit, Setting
from openoutcry.wire.enums import EventKind
from tests.support.risk.held import HeldCore, trades


@pytest.fixture
def core():
    """The last trade was at 1,000. p1 has two stops to sell, of which the first elects the second;
    p3 bids for all of it."""
    core = HeldCore()
    for line in (
        "NEW id=90 SELL 1@1000 p5",
        "NEW id=91 BUY 1@1000 p6",
        "NEW id=1 SELL 2@980 STOP_LIMIT trigger=995 p1",
        "NEW id=2 SELL 2@980 STOP_LIMIT trigger=990 p1",
        "NEW id=3 BUY 1@995 p3",
        "NEW id=4 BUY 9@990 p3",
    ):
        assert core.send(line)["kind"][0] == EventKind.ACCEPTED
    return core


def falls(core):
    """A sale that trades at 995."""
    return core.send("NEW id=5 SELL 1@995 p4")


def elected(events):
    return events["order_id"][events["kind"] == EventKind.ELECTED].tolist()


LIMITS = {
    Setting.MAX_QTY: (1, RiskBit.MAX_QTY),
    Setting.MAX_VALUE: (1, RiskBit.MAX_VALUE),
    Setting.POSITION_SHORT: (0, RiskBit.POSITION_SHORT),
    Setting.OPEN_ORDERS: (0, RiskBit.OPEN_ORDERS),
    Setting.EXPOSURE_SELL: (0, RiskBit.EXPOSURE_SELL),
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_that_is_tightened_refuses_new_orders_and_leaves_stops_that_wait(core, what):
    value, bit = LIMITS[what]
    core.set(what, value, 1)
    (refused,) = core.send("NEW id=6 SELL 2@1001 p1")
    assert refused["reason"] == RISK_REASON
    assert int(refused["contra_id"]) >> bit & 1
    events = falls(core)
    assert elected(events) == [1, 2]
    assert trades(events) == 3


@pytest.mark.parametrize(("disconnects", "stops"), [(False, [1, 2]), (True, [])])
def test_stops_of_a_killed_participant_are_elected_until_its_disconnect(core, disconnects, stops):
    core.set(Setting.KILL, 1, 1)
    if disconnects:
        core.send("DISCONNECT p1")
    assert elected(falls(core)) == stops


def test_a_killed_market_elects_nothing_and_its_mass_cancel_takes_the_stops(core):
    core.set(Setting.MARKET_KILL, 1, symbol=b"")
    (refused,) = falls(core)
    assert int(refused["contra_id"]) >> RiskBit.MARKET_KILLED & 1
    cancelled = core.send("MASS_CANCEL everybody everywhere")
    assert (cancelled["kind"] == EventKind.CANCELLED).sum() == 4
    for operator in (1, 2):
        core.set(Setting.MARKET_KILL, 0, symbol=b"", operator=operator)
    core.send("NEW id=6 BUY 9@995 p3")
    events = falls(core)
    assert trades(events) == 1
    assert elected(events) == []


def test_a_halted_instrument_elects_nothing_and_goes_on_where_it_was(core):
    core.set(Setting.HALT, 1)
    (refused,) = falls(core)
    assert refused["kind"] == EventKind.REJECTED
    core.set(Setting.HALT, 0)
    assert elected(falls(core)) == [1, 2]


@pytest.mark.parametrize("again", [False, True], ids=["", "from a snapshot"])
def test_a_sweep_that_trips_its_pause_ends_whole_and_what_follows_waits(core, again):
    """Its first price is too far already. The second trades as well, and so do the stops that it
    elects. The next command trades nothing."""
    core.set(Setting.VELOCITY, 4, second=10)
    events = core.send("NEW id=5 SELL 5@990 p4")
    assert trades(events) == 4
    assert elected(events) == [1, 2]
    assert core.view.protection.of(0, protection_layout.STATE) == protection_layout.PAUSED
    if again:
        core.again()
    (refused,) = core.send("NEW id=6 SELL 1@990 p4")
    assert refused["reason"] == RISK_REASON
    assert int(refused["contra_id"]) >> RiskBit.HALTED & 1
