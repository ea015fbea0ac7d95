"""Orders with terms over shared memory: an expiry of any type, a trigger's own price."""

import pytest

from openoutcry.client import SessionEnded
from openoutcry.client.shm import ShmOrder, reason_name
from openoutcry.order_entry.shm_layout import End, Reply, Request
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire import OrderType
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    CommandKind,
    Side,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.support.order_entry.sessions_venue import session
from tests.support.order_entry.shm_attacker import slot_of
from tests.support.venue.inline import InlineVenue
from tests.unit.order_entry.test_shm_lists import within_a_list

SHM = int(Protocol.SHM)
GTC = TimeInForce.GTC
FOREVER_NS = 1 << 62


def alone(name="ALICE", participant=1, **more):
    return session(name, participant, protocol=SHM, **more)


def stop(id, trigger=9_000, tif=GTC, order_type=OrderType.STOP):
    return ShmOrder(id, Side.SELL, "ACME", 9, order_type=order_type, time_in_force=tif, aux=trigger)


def told(client):
    return [(chr(message.kind), message.id) for message in client.told()]


def commands(venue):
    """The last two commands: TERMS and NEW."""
    return venue.commands()[-2:]


@pytest.mark.parametrize("name", [7, "a-stop"])
def test_a_stop_is_good_until_a_date(name, tmp_path):
    with InlineVenue([alone()], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        number = alice.enter_with(stop(name), until_ns=FOREVER_NS)
        (reply,) = alice.told()
        assert (reply.kind, reply.id, reply.request) == (Reply.ACCEPTED, name, number)
        terms, new = commands(venue)
        assert (terms["kind"], terms["order_type"]) == (CommandKind.TERMS, Term.EXPIRY)
        assert (terms["aux"], new["kind"]) == (FOREVER_NS, CommandKind.NEW)
        assert terms["order_id"] == new["order_id"] >= LEG_ORDER_IDS
        alice.cancel(name)
        assert told(alice) == [("C", name)]


def test_a_date_that_is_over_refuses_the_order():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter_with(stop(1), until_ns=-1)
        (reply,) = alice.told()
        assert (reply.kind, reason_name(reply.reason)) == (Reply.REJECTED, "expired")
        alice.enter(2, Side.BUY, "ACME", 5, 10_000)
        assert told(alice) == [("A", 2)]


def test_a_stop_is_elected_by_the_quote_that_it_names(tmp_path):
    with InlineVenue([alone(), alone("BOB", 2)], tmp_path / "j") as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        alice.enter_with(stop("s", 9_500), trigger_by=TriggerBy.OWN_QUOTE)
        assert told(alice) == [("A", "s")]
        assert commands(venue)[0]["aux"] == TriggerBy.OWN_QUOTE
        bob.enter(1, Side.SELL, "ACME", 1, 9_400)
        bob.told()
        assert told(alice)[0] == ("S", "s")


def test_a_trailing_stop_has_an_activation_price(tmp_path):
    with InlineVenue([alone()], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        order = stop(1, 5, order_type=OrderType.TRAILING_STOP)
        alice.enter_with(order, activation_ticks=0)
        assert told(alice) == [("A", 1)]
        terms, _ = commands(venue)
        assert (terms["aux"], terms["price_ticks"]) == (HAS_ACTIVATION, 0)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({}, "unsupported"),
        ({"until_ns": FOREVER_NS, "trigger_by": TriggerBy.MID}, "unsupported"),
        ({"trigger_by": 9}, "unsupported"),
    ],
)
def test_senseless_terms_are_refused_and_leave_nothing(terms, reason):
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        number = alice.enter_with(stop(1), **terms)
        (reply,) = alice.told()
        assert (reply.kind, reply.id, reply.request) == (Reply.REJECTED, 1, number)
        assert reason_name(reply.reason) == reason
        alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        assert told(alice) == [("A", 1)]


@pytest.mark.parametrize("field", ["side", "names", "qty_lots", "id", "price_ticks"])
def test_a_field_that_the_terms_do_not_have_is_refused(field):
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        first = alice.next_request
        alice.enter_with(stop(1), until_ns=FOREVER_NS)
        setattr(slot_of(alice, first), field, 1)
        (reply,) = alice.told()
        assert reason_name(reply.reason) == "unused field"


def test_what_is_no_order_after_terms_ends_the_connection():
    with InlineVenue([alone(cancel_on_disconnect=0)]) as venue:
        alice = venue.shm("ALICE")
        first = alice.next_request
        alice.enter_with(stop(1), until_ns=FOREVER_NS)
        slot_of(alice, first + 1).kind = int(Request.CANCEL)
        with pytest.raises(SessionEnded):
            alice.told()
        assert alice.end == End.UNKNOWN_KIND


def test_a_name_that_was_used_is_refused():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter_with(stop("one"), until_ns=FOREVER_NS)
        alice.enter_with(stop("one"), until_ns=FOREVER_NS)
        first, second = alice.told()
        assert first.kind == Reply.ACCEPTED
        assert reason_name(second.reason) == "duplicate token"


@pytest.mark.parametrize("taken", range(3))
def test_an_order_is_whole_after_a_death_between_its_commands(taken, tmp_path):
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        number = alice.enter_with(stop("s"), until_ns=FOREVER_NS)
        within_a_list(venue, taken, 2)
        venue.sessions_again(0)
        venue.step()
        again = venue.shm("ALICE", first_reply=1)
        assert again.taken_before == number
        assert told(again) == [("A", "s")]
        again.cancel("s")
        assert told(again) == [("C", "s")]


@pytest.mark.parametrize("taken", [1, 2])
def test_an_order_whose_journal_ends_after_its_terms_does_not_enter(taken, tmp_path):
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        alice.enter_with(stop("s"), until_ns=FOREVER_NS)
        within_a_list(venue, taken, 2)
        venue.run.step_alone("gateway")
        for stage in venue.run._apart:  # the journal's
            stage.step()
        venue.again()
        again = venue.shm("ALICE", first_reply=1)
        venue.clock.advance(2)
        assert (told(again) == [("A", "s")]) == (taken == 2)
        again.enter_with(stop("t"), until_ns=FOREVER_NS)
        again.enter("e", Side.BUY, "ACME", 1, 5_000)
        assert told(again) == [("A", "t"), ("A", "e")]
