"""How an order is, in every answer that says so: 9 (39, 102), H and AF, over names that were
replaced, races with fills, and the speed bump."""

import pytest

from openoutcry.order_entry.fix.refusals import REFUSALS, Refusal
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from tests.support.risk.risk_delayed import switch
from tests.support.venue.inline import InlineVenue
from tests.support.venue.settings_operator import with_settings

FIX = int(Protocol.FIX44)
NONE = int(CancelOnDisconnect.NONE)
BUMP_S = 0.03
SESSIONS = [
    {"name": "FIRM", "participant": 1, "protocol": FIX, "cancel_on_disconnect": NONE},
    {"name": "OTHER", "participant": 2, "protocol": FIX, "cancel_on_disconnect": NONE},
    {"name": "COPY", "participant": 1, "protocol": int(Protocol.FIX_DROP_COPY)},
]
TOO_LATE = ("9", "2", "0", REFUSALS.say("FIX 58", Refusal.TOO_LATE))


def bumped():
    """What an inline venue with a speed bump is made with."""
    return with_settings(switch(int(BUMP_S * 1e9)), delayed=64)


@pytest.fixture(params=["at once", "bump"])
def venue(request, tmp_path):
    more = bumped() if request.param == "bump" else {}
    with InlineVenue(SESSIONS, tmp_path / "journal", **more) as venue:
        venue.waits = request.param == "bump"
        yield venue


def heard(venue, client):
    """Everything that comes, and what comes once the speed bump is over."""
    messages = []
    for _ in range(4):
        client.socket.patience_s = 0
        while (message := quiet(client)) is not None:
            messages.append(message)
        venue.clock.advance(BUMP_S if venue.waits else 0.001)
    return messages


def all_are_looked_at(venue, *clients):
    """From here on the stage asks every socket, not first the one that spoke last."""
    for client in clients:
        client._send("0", ())
    venue.step()


def quiet(client):
    try:
        return client.next(0)
    except AssertionError:
        return None


def said(message):
    return message.kind, message.get(39), message.get(102), message.get(58)


@pytest.mark.parametrize("names", [("C1",), ("C1", "C2"), ("C1", "C2", "C3")])
@pytest.mark.parametrize("by", [0, -1])
@pytest.mark.parametrize("what", ["F", "G"])
def test_an_order_that_is_filled_before_its_cancel_is_filled(venue, names, by, what):
    """The fill and the cancel are read in one look: the session took the order for open, the core
    did not know it any more."""
    firm, other, copy = (
        venue.fix("FIRM"),
        venue.fix("OTHER"),
        venue.fix("COPY", protocol=Protocol.FIX_DROP_COPY),
    )
    first, *later = names
    firm.buy("ACME", 5, "1.00", name=first)
    for before, name in zip(names, later, strict=False):
        heard(venue, firm)
        firm.replace(before, "ACME", "1", 5, "1.00", name=name)
    heard(venue, firm)
    heard(venue, copy)
    all_are_looked_at(venue, firm, other, copy)
    other.sell("ACME", 5, "1.00", name="X")
    if what == "F":
        firm.cancel(names[by], "ACME", "1", name="LATE")
    else:
        firm.replace(names[by], "ACME", "1", 7, "1.00", name="LATE")
    ours = heard(venue, firm)
    (rejected,) = [message for message in ours if message.kind == "9"]
    wanted = TOO_LATE
    if venue.waits and names[by] != names[-1]:
        # By a name that is over: refused at once, while the order that is to fill it waits.
        wanted = ("9", "0", *TOO_LATE[2:])
    assert said(rejected) == wanted
    assert (rejected[11], rejected[41], rejected[434]) == (
        "LATE",
        names[by],
        "12"["FG".index(what)],
    )
    (told,) = [message for message in heard(venue, copy) if message.kind == "9"]
    assert said(told) == wanted


def test_a_cancel_of_no_order_is_of_no_order(venue):
    firm = venue.fix("FIRM")
    firm.cancel("NONE", "ACME", "1", name="C")
    (rejected,) = heard(venue, firm)
    assert said(rejected) == ("9", "8", "1", REFUSALS.say("FIX 58", Refusal.UNKNOWN_ORDER))


def statuses(venue, firm, name):
    """What H of that name and AF say: ClOrdID, status, what is open, the name asked for."""
    firm.status(name, "ACME", "1")
    firm.mass_status()
    venue.step()
    answers = []
    while (message := quiet(firm)) is not None:
        if message.get(150) == "I":
            answers.append((message.get(11), message[39], message[151], message.get(41)))
    return answers


def test_status_and_mass_status_agree_while_a_message_waits(tmp_path):
    """A new order that waits is pending; one whose replace or cancel waits is as it is in the
    book, by either of its names."""
    with InlineVenue(SESSIONS, tmp_path / "journal", **bumped()) as venue:
        venue.waits = True
        firm = venue.fix("FIRM")
        firm.buy("ACME", 5, "1.00", name="C1")
        assert statuses(venue, firm, "C1") == [("C1", "A", "5", ""), ("C1", "A", "5", "")]
        heard(venue, firm)
        assert statuses(venue, firm, "C1") == [("C1", "0", "5", ""), ("C1", "0", "5", "")]
        firm.replace("C1", "ACME", "1", 9, "1.00", name="C2")
        assert statuses(venue, firm, "C2") == [("C1", "0", "5", "C2"), ("C1", "0", "5", "")]
        heard(venue, firm)
        assert statuses(venue, firm, "C1") == [("C2", "0", "9", "C1"), ("C2", "0", "9", "")]
        firm.cancel("C2", "ACME", "1", name="C3")
        assert statuses(venue, firm, "C2") == [("C2", "0", "9", ""), ("C2", "0", "9", "")]
        heard(venue, firm)
        answer, none = statuses(venue, firm, "C2")
        assert answer == ("C2", "4", "0", "")
        assert none[1] == "8"
        # After a restart the same is said of what waits.
        firm.buy("ACME", 3, "1.00", name="D1")
        before = statuses(venue, firm, "D1")
        firm.close()
        venue.again()
        again = venue.fix("FIRM")
        assert statuses(venue, again, "D1") == before == [("D1", "A", "3", "")] * 2


def test_a_take_profit_says_how_its_trigger_is_reached(venue):
    """In every report and to the drop copy; a stop needs no such field."""
    firm, copy = venue.fix("FIRM"), venue.fix("COPY", protocol=Protocol.FIX_DROP_COPY)
    firm.sell("ACME", 5, "2.00", name="C1", t40="4", t99="2.50", t1109="U")
    firm.buy("ACME", 5, "1.00", name="C2", t40="4", t99="0.50", t1109="D")
    firm.buy("ACME", 5, "3.00", name="C3", t40="4", t99="2.50", t1109="U")
    for client in (firm, copy):
        reports = [one for one in heard(venue, client) if one.kind == "8" and one[150] == "0"]
        told = [(one[40], one[99], one.get(1109)) for one in reports]
        assert told == [("4", "2.5000", "U"), ("4", "0.5000", "D"), ("4", "2.5000", "")]
