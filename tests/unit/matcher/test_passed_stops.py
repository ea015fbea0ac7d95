"""A stop whose trigger the market has passed: elected at once, or rejected, as the instrument says.

Every type of stop, side, way of election, distance and way to come there; both engines.
"""

from itertools import product

import pytest

from openoutcry.matcher.engine import Engine
from openoutcry.wire.enums import EventKind, OrderType, Reason, Side
from openoutcry.wire.order_types import ORDER_TYPES, TAKE_PROFITS, Aux

STOPS = {k.name: row.is_priced for k, row in ORDER_TYPES.items() if row.aux is Aux.TRIGGER}
"""Types of stops, and whether they have a price."""
BID, LAST, ASK = 98, 100, 103
MARKS = {
    "": (LAST, LAST),
    "STOPS_BY_QUOTE": (ASK, BID),
    "STOPS_BY_TRADE_OR_QUOTE": (LAST, LAST),
    "STOPS_BY_REFERENCE": (LAST, LAST),
}
"""By option: the price that elects buys at or below it, and the one for sells at or above it."""
REFUSED = "PASSED_STOPS_REFUSED"
BOOK = (f"NEW id=1 BUY 5@{BID} p8", f"NEW id=2 SELL 5@{ASK} p8")
TRADE = (f"NEW id=3 SELL 1@{LAST} p8", f"NEW id=4 BUY 1@{LAST} p9")


def rises(kind, side):
    """Whether the stop waits for a rise."""
    return (side == "BUY") != (OrderType[kind] in TAKE_PROFITS)


def mark_of(option, kind, side):
    """The price that elects a stop.  A quote is the best price of the other side, of a take-profit
    as of a stop."""
    rise, fall = MARKS[option]
    by_side = side == "BUY" if option == "STOPS_BY_QUOTE" else rises(kind, side)
    return rise if by_side else fall


def names(events):
    """Kinds and reasons of the stop's own events."""
    own = events[events["order_id"] == 9]
    return [(EventKind(e["kind"]).name, Reason(e["reason"]).name) for e in own]


def begin(script, options, *lines):
    text = "+".join(option for option in options if option)
    script.run(f"INSTRUMENT reference_price_ticks={LAST}" + (f" options={text}" if text else ""))
    for line in lines:
        script.send(line)


def enter(kind, side, trigger):
    price = f"@{LAST}" if STOPS[kind] else ""
    return f"NEW id=9 {side} 1{price} {kind} trigger={trigger} p7"


def change(kind, trigger, lots=1):
    price = f"@{LAST}" if STOPS[kind] else ""
    return f"REPLACE id=9 {lots}{price} trigger={trigger} p7"


CASES = [
    (option, kind, side, trigger)
    for option, kind, side in product(MARKS, STOPS, ("BUY", "SELL"))
    for mark in [mark_of(option, kind, side)]
    for trigger in (mark - 1, mark, mark + 1)
]


def is_passed(option, kind, side, trigger):
    mark = mark_of(option, kind, side)
    return trigger <= mark if rises(kind, side) else trigger >= mark


@pytest.mark.parametrize(("option", "kind", "side", "trigger"), CASES)
def test_a_passed_stop_is_elected_at_once_or_rejected(script, option, kind, side, trigger):
    lines = BOOK if option == "STOPS_BY_REFERENCE" else (*TRADE, *BOOK)
    passed = is_passed(option, kind, side, trigger)
    begin(script, [option], *lines)
    took = names(script.send(enter(kind, side, trigger)))
    assert took[0] == ("ACCEPTED", "NONE")
    assert (("ELECTED", "NONE") in took) == passed

    script.seq = 0
    begin(script, [option, REFUSED], *lines)
    took = names(script.send(enter(kind, side, trigger)))
    wanted = ("REJECTED", "TRIGGER_ALREADY_PASSED") if passed else ("ACCEPTED", "NONE")
    assert took == [wanted]


@pytest.mark.parametrize(("option", "kind", "side", "trigger"), CASES)
def test_a_stop_does_not_get_a_trigger_that_is_passed(script, option, kind, side, trigger):
    """It stays as it was, and is replaced as before by one that is not passed."""
    lines = BOOK if option == "STOPS_BY_REFERENCE" else (*TRADE, *BOOK)
    begin(script, [option, REFUSED], *lines)
    ahead = 120 if rises(kind, side) else 80
    assert names(script.send(enter(kind, side, ahead))) == [("ACCEPTED", "NONE")]
    passed = is_passed(option, kind, side, trigger)
    wanted = ("REJECTED", "TRIGGER_ALREADY_PASSED") if passed else ("REPLACED", "NONE")
    assert names(script.send(change(kind, trigger))) == [wanted]
    # One lot more at the same trigger is no new trigger.
    left = ahead if passed else trigger
    assert names(script.send(change(kind, left, 2))) == [("REPLACED", "NONE")]


@pytest.mark.parametrize("kind", STOPS)
def test_a_stop_waits_for_an_auction_s_price(script, kind):
    """Before continuous trading no stop is passed: it would not be elected at once."""
    begin(script, [REFUSED], *TRADE, "PHASE PRE_OPEN")
    assert names(script.send(enter(kind, "SELL", LAST + 1))) == [("ACCEPTED", "NONE")]


@pytest.mark.parametrize(("option", "kind", "side", "trigger"), CASES)
def test_an_engine_says_whether_a_trigger_is_passed(make_script, option, kind, side, trigger):
    """What a portal asks before it sends a stop."""
    script = make_script(Engine)
    begin(script, [option], *(BOOK if option == "STOPS_BY_REFERENCE" else (*TRADE, *BOOK)))
    stop = OrderType[kind], Side[side], trigger
    assert script.engine.has_passed("A", *stop) == is_passed(option, kind, side, trigger)
    script.send("PHASE PRE_OPEN")
    assert not script.engine.has_passed("A", *stop)
