"""OUCH 5.0 and drop copies in one thread: numbers and switches are the same when they were made
again from the journal, a group's copy has all that its members are told and nothing of others, and
no order goes in by it."""

import numpy as np
import pytest

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.drop_copy import COPY_DTYPE
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.enums import EventKind
from openoutcry.wire.messages import OUCH42, OUCH50
from tests.support.venue.clients import Ouch
from tests.support.venue.inline import InlineVenue

OUCH50_PORT, COPY_PORT = int(Protocol.OUCH50), int(Protocol.DROP_COPY)
KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
SESSIONS = [
    {"name": "FIVE", "participant": 1, "protocol": OUCH50_PORT, **KEEP},
    {"name": "SIX", "participant": 2, "protocol": OUCH50_PORT, **KEEP},
    {"name": "SLOW", "participant": 2, "protocol": OUCH50_PORT, "throttle_per_s": 1, **KEEP},
    {"name": "FOUR", "participant": 3, **KEEP},
    {"name": "COPY", "participant": 0, "group": [1, 3], "protocol": COPY_PORT},
    {"name": "ONLY", "participant": 2, "protocol": COPY_PORT},
]


def copies(venue, name, count, **login):
    """So many messages of a drop copy, as they came, and as records."""
    client = venue.copy(name, **login)
    bodies = [client.packet()[1] for _ in range(count)]
    client.close()
    return bodies, np.frombuffer(b"".join(bodies), COPY_DTYPE)


def events_of(records):
    return np.frombuffer(np.ascontiguousarray(records["event"]).tobytes(), EVENT_DTYPE)


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(SESSIONS, tmp_path / "journal", durability="durable") as venue:
        yield venue


def five(venue, name="FIVE", **login):
    return venue.five(name, **login)


def test_a_day_of_two_versions_and_their_copies(venue):
    """Trades, a replace, a mass cancel, the switch; then what was in memory is lost, and all is
    as it was: numbers, the switch, streams and copies byte for byte."""
    one, two, four = five(venue), five(venue, "SIX"), venue.client("FOUR")
    one.enter(1)
    assert one.message()[0] == "A"
    two.enter(1, "S", 20)
    assert [two.message()[0] for _ in range(2)] == ["A", "E"]
    kind, fill = one.message()
    assert (kind, fill["user_ref"], fill["quantity"]) == ("E", 1, 20)
    one.say("U", orig_user_ref=1, user_ref=2, quantity=70, price=1_000_000)
    kind, replaced = one.message()
    assert (kind, replaced["user_ref"], replaced["quantity"]) == ("U", 2, 50)
    one.enter(2)  # a number that was had: nothing is said
    one.enter(5, price=900_000)
    assert one.message()[1]["user_ref"] == 5
    one.say("U", orig_user_ref=5, user_ref=6, quantity=9, price=0)
    kind, gone = one.message()
    assert (kind, gone["user_ref"], gone["reason"]) == ("C", 5, "U"), "section 2.2 of 4.2"
    one.say("C", user_ref=7, firm="ABCD", symbol="ACME")
    kind, gone = one.message()
    assert (kind, gone["user_ref"], gone["quantity"]) == ("C", 2, 50)
    assert one.message()[0] == "X"
    one.say("D", user_ref=8, firm="ABCD")
    assert one.message()[0] == "G"
    one.enter(9)
    kind, refused = one.message()
    assert (kind, refused["reason"]) == ("J", 12)
    four.enter("f1", "B", 7, price=500_000)
    assert four.message()[0] == "A"
    # A, E, U, A, C, C, COMPLETED, G's and J's records, FOUR's A: REJECTED ones are those refused.
    before, records = copies(venue, "COPY", 10)
    events = events_of(records)
    assert set(events["participant"].tolist()) == {1, 3}
    kinds = EventKind
    assert events["kind"].tolist() == [
        kinds.ACCEPTED,
        kinds.FILLED,
        kinds.REPLACED,
        kinds.ACCEPTED,
        kinds.CANCELLED,
        kinds.CANCELLED,
        kinds.COMPLETED,
        kinds.REJECTED,
        kinds.REJECTED,
        kinds.ACCEPTED,
    ]
    assert records["session"].tolist()[-1].strip() == b"FOUR"
    assert records["protocol"].tolist() == [2] * 9 + [1]
    assert records["token"].tolist()[-1].strip() == b"f1"
    assert [int.from_bytes(token[:4], "little") for token in records["token"][:6]] == [
        1,
        1,
        2,
        5,
        5,
        2,
    ]
    assert (records["message"][:3] == [ord("O"), 0, ord("U")]).all()
    theirs, records = copies(venue, "ONLY", 2)
    assert (events_of(records)["participant"] == 2).all()
    streams = list(one.messages), list(two.messages)
    venue.again()
    assert copies(venue, "COPY", 10)[0] == before
    assert copies(venue, "COPY", 3, sequence=8)[0] == before[7:]
    assert copies(venue, "ONLY", 2)[0] == theirs
    for name, mine in zip(("FIVE", "SIX"), streams, strict=True):
        again = five(venue, name)
        assert [again.packet()[1] for _ in range(len(mine))] == mine
        again.close()
    one = five(venue, sequence=0)
    one.enter(9)
    one.say("Q")
    kind, query = one.message()
    assert (kind, query["next_user_ref"]) == ("Q", 10)
    one.enter(10)
    kind, refused = one.message()
    assert (kind, refused["reason"]) == ("J", 12), "entry is still disabled"
    one.say("E", user_ref=11, firm="ABCD")
    assert one.message()[0] == "K"
    one.enter(12)
    assert one.message()[0] == "A"
    one.say("C", user_ref=13, firm="ABCD", symbol="")
    one.until("X")
    one.close()


def test_a_switch_that_came_too_fast_is_refused_and_changes_nothing(venue):
    client = five(venue, "SLOW", sequence=0)
    switch = [
        soupbin.packet("U", OUCH50.from_client(kind).pack(user_ref=ref, firm="ABCD"))
        for ref, kind in ((1, "D"), (2, "E"))
    ]
    client.socket.sendall(b"".join(switch))
    assert [client.message()[0] for _ in range(2)] == ["G", "J"]
    venue.clock.advance(1)
    client.enter(3)
    assert client.message()[1]["reason"] == 12, "entry is still disabled"
    client.close()


@pytest.mark.promise(
    "A session receives reports about its own orders only, over any protocol; a drop copy's "
    "session cannot enter orders",
    group="venue",
)
def test_an_order_on_a_drop_copy_ends_its_connection_and_no_order_goes(venue):
    four = venue.client("FOUR", sequence=0)
    four.enter("keep", "B", 7, price=500_000)
    assert four.message()[0] == "A"
    copy = venue.copy("COPY", sequence=0)
    copy.socket.sendall(soupbin.packet("U", b"O" + bytes(48)))
    while copy.packet()[0] == "S":
        pass
    assert copy.packet() == ("", b"")
    four.cancel("keep")
    kind, gone = four.message()
    assert (kind, gone["shares"], gone["reason"]) == ("C", 7, "U")
    four.close()
    refused = Ouch(venue, "COPY", sequence=0)
    assert refused.answer == ("J", b"A"), "it has a port of its own"


def test_a_replace_leaves_what_its_total_says_however_much_is_executed_under_way(venue):
    """Orders and replaces in flight against each other: after each, executed and open are the
    total that the replace stated."""
    one, two = five(venue, sequence=0), venue.client("FOUR", sequence=0)
    one.say("Q")
    first = one.until("Q")[1]["next_user_ref"]
    one.enter(first, "B", 5000, price=1_100_000)
    assert one.message()[0] == "A"
    totals = {}
    for index in range(1, 101):
        two.enter(f"x{index}", "S", 3, price=1_100_000, time_in_force=0)
        totals[first + index] = 4900 - index % 2
        one.say(
            "U",
            orig_user_ref=first + index - 1,
            user_ref=first + index,
            quantity=totals[first + index],
            price=1_100_000,
        )
    executed = answered = 0
    while answered < 100:
        kind, fields = one.message()
        if kind == "E":
            executed += fields["quantity"]
        else:
            assert kind == "U"
            assert executed + fields["quantity"] == totals[fields["user_ref"]]
            answered += 1
    one.say("C", user_ref=first + 101, firm="ABCD", symbol="")
    one.until("X")
    one.close()
    two.close()


def sale_of_five(client, ref):
    """An order of 10 to sell, another kind of that sale, and a replace."""
    return (
        lambda: client.enter(ref, "S", 10, price=2_000_000),
        lambda kind: client.say("M", user_ref=ref, side=kind, quantity=10),
        lambda: client.say("U", orig_user_ref=ref, user_ref=ref + 1, quantity=10, price=2_100_000),
    )


def sale_of_four(client, ref):
    modify = OUCH42.from_client("M")
    return (
        lambda: client.enter(f"s{ref}", "S", 10, price=2_000_000),
        lambda kind: client.send(modify.pack(token=f"s{ref}", side=kind, shares=10)),
        lambda: client.replace(f"s{ref}", f"s{ref + 1}", 10, 2_100_000),
    )


def at_once(client, *calls):
    """All that these send is under way before any of it is told."""
    parts = []
    client.send = parts.append
    for call in calls:
        call()
    del client.send
    client.socket.sendall(b"".join(soupbin.packet("U", part) for part in parts))


def told(client, letters):
    """The kind of sale in each of the next messages."""
    messages = [client.message() for _ in letters]
    assert "".join(letter for letter, _ in messages) == letters
    return "".join(fields["side"] for _, fields in messages)


@pytest.mark.parametrize("sale", [sale_of_five, sale_of_four])
def test_a_kind_of_sale_counts_from_its_answer_on_also_from_the_journal(sale, tmp_path, venue):
    """An M that changes nothing else is answered by the session layer: an Accepted that was under
    way tells the kind before, a replace behind it the new one, and streams made again from the
    journal are the same."""

    def client():
        return five(venue) if sale is sale_of_five else venue.client("FOUR")

    one = client()
    enter, modify, change = sale(one, 1)
    at_once(one, enter, lambda: modify("T"), change)
    assert told(one, "AMU") == "STT"
    enter, modify, _ = sale(one, 3)
    at_once(one, enter, lambda: modify("E"))
    assert told(one, "AM") == "SE"
    before = one.messages
    venue.drop()
    for stream in (tmp_path / "journal" / "sessions").glob("*.stream"):
        stream.unlink()
    venue.open()
    one = client()
    assert [one.packet()[1] for _ in before] == before
    one.messages.clear()
    _, _, change = sale(one, 3)
    change()
    assert told(one, "U") == "E"
    one.close()
