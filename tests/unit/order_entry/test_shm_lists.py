"""Lists of orders over shared memory: taken whole or refused whole, whoever dies in between."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openoutcry.client import SessionEnded
from openoutcry.client.shm import ShmOrder, reason_name
from openoutcry.order_entry.shm_layout import End, Reply, Request
from openoutcry.order_entry.spec import Protocol, ThrottlePolicy
from openoutcry.wire import OrderType
from openoutcry.wire.enums import Contingency, Side, TimeInForce
from tests.support.order_entry.sessions_venue import session
from tests.support.order_entry.shm_attacker import slot_of
from tests.support.order_entry.within_a_list import within_a_list
from tests.support.venue.inline import OPENED, InlineVenue

SHM = int(Protocol.SHM)
STOP = OrderType.STOP


def alone(name="ALICE", participant=1, **more):
    return session(name, participant, protocol=SHM, **more)


def broker(**more):
    return session("BROKER", 9, protocol=SHM, acts_for=[(10, 19)], **more)


def sale(id, price, lots=9, symbol="ACME"):
    return ShmOrder(id, Side.SELL, symbol, lots, price)


def stop(id, trigger, lots=9, symbol="ACME"):
    return ShmOrder(id, Side.SELL, symbol, lots, order_type=STOP, aux=trigger)


def bracket():
    first = ShmOrder("in", Side.BUY, "ACME", 5, 10_000)
    return [first, sale("out", 11_000, 5), stop("s", 9_000, 5)]


def oco(one, other):
    return Contingency.OCO, [sale(one, 11_000), stop(other, 9_000)]


def open_orders(client):
    """How many orders a mass cancel finds, all told."""
    client.mass_cancel()
    done = client.told()
    assert done[-1].kind == Reply.MASS_CANCELED
    return sum(message.kind == Reply.CANCELED for message in done)


def told(client):
    return [(chr(message.kind), message.id) for message in client.told()]


def test_a_list_is_entered_by_one_request_and_its_legs_act_on_each_other():
    with InlineVenue([alone(), alone("BOB", 2)]) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        number = alice.enter_list(*oco("a-limit", 7))
        replies = alice.told()
        assert [(chr(m.kind), m.id, m.request) for m in replies] == [
            ("A", "a-limit", number),
            ("A", 7, number),
            ("S", "a-limit", 0),
        ]
        bob.enter(1, Side.BUY, "ACME", 4, 11_000)
        assert told(bob) == [("A", 1), ("E", 1)]
        assert told(alice) == [("E", "a-limit"), ("C", 7)]
        alice.enter("next", Side.BUY, "ACME", 5, 10_000)
        alice.cancel("a-limit")
        assert told(alice) == [("A", "next"), ("C", "a-limit")]


def test_a_bracket_of_a_broker_enters_when_its_first_order_is_filled():
    legs = [
        ShmOrder("in", Side.BUY, "ACME", 5, 10_000),
        sale("out", 11_000, 5),
        stop("s", 9_000, 5),
    ]
    with InlineVenue([broker(), alone("BOB", 2)]) as venue:
        client, bob = venue.shm("BROKER"), venue.shm("BOB")
        client.enter_list(Contingency.OTOCO, legs, participant=12)
        assert told(client) == [("A", "in"), ("A", "out"), ("A", "s"), ("S", "in")]
        bob.enter(1, Side.SELL, "ACME", 5, 10_000)
        bob.told()
        assert told(client) == [("E", "in"), ("S", "out")]
        client.enter_list(Contingency.OTOCO, legs, participant=13)
        assert [message.participant for message in client.told()] == [13] * 4
        client.cancel("out", participant=11)
        assert told(client) == [("J", 0)], "another participant's"


def test_a_list_has_a_name_by_which_it_is_cancelled_and_refused_a_second_time():
    with InlineVenue([broker()]) as venue:
        client = venue.shm("BROKER")
        for name in ("the-list", 77):
            kind, legs = oco(f"{name}-a", f"{name}-b")
            client.enter_list(kind, legs, id=name, participant=12)
            assert [kind for kind, _ in told(client)] == ["A", "A", "S"]
            kind, others = oco("c", "d")
            client.enter_list(kind, others, id=name, participant=12)
            (reply,) = client.told()
            assert (reply.id, reason_name(reply.reason)) == ("c", "duplicate token")
            client.cancel(name, participant=13)
            assert [kind for kind, _ in told(client)] == ["J"]
            client.cancel(name, participant=12)
            assert told(client) == [("C", f"{name}-a"), ("C", f"{name}-b")]
        kind, others = oco("same", "other")
        client.enter_list(kind, others, id="same", participant=12)
        (reply,) = client.told()
        assert reason_name(reply.reason) == "duplicate token"


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("names", [("a" * 36, "b", "l" * 36), (7, 8, 9)])
def test_on_a_later_day_a_list_goes_by_its_orders_names(names, is_restarted, tmp_path):
    """Those are taken as long as they are open; the list's own name is free again."""
    first, second, name = names
    with InlineVenue([broker(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        client = venue.shm("BROKER")
        legs = [
            ShmOrder(first, Side.BUY, "ACME", 9, 400, time_in_force=TimeInForce.GTC),
            ShmOrder(second, Side.BUY, "ACME", 9, 500, time_in_force=TimeInForce.GTC),
        ]
        client.enter_list(Contingency.OTO, legs, id=name, participant=12)
        assert [kind for kind, _ in told(client)] == ["A", "A", "S"]
        venue.stop()
        begin = OPENED + timedelta(days=1)
        midnight_ns = int(begin.replace(hour=0).timestamp()) * 10**9
        venue.spec = replace(venue.spec, day=f"{begin:%Y%m%d}", day_begin_ns=midnight_ns)
        venue._at(tmp_path / "j", begin)
        venue.open()
        if is_restarted:
            venue.again()
        client = venue.shm("BROKER")
        assert (client.taken_before, told(client)) == (0, [])
        client.cancel(name, participant=12)
        assert told(client) == [("J", 0)]
        for taken in (first, second):
            client.enter(taken, Side.BUY, "ACME", 1, 300, participant=12)
            (reply,) = client.told()
            assert reason_name(reply.reason) == "duplicate token"
        client.enter(name, Side.BUY, "ACME", 1, 300, participant=12)
        client.enter(name, Side.BUY, "ACME", 1, 300, participant=13)
        assert told(client) == [("A", name), ("A", name)]
        client.cancel(second, participant=13)
        assert told(client) == [("J", 0)], "another participant's"
        client.cancel(second, participant=12)
        assert told(client) == [("C", second), ("C", first)]
        report = venue.stop()
    assert (report["lost"], report["duplicated"], report["open_orders"]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("list_", "at_fault", "reason"),
    [
        ((Contingency.OCO, [sale("a", 11_000), stop("a", 9_000)]), "a", "duplicate token"),
        ((Contingency.OCO, [sale("a", 11_000), stop("used", 9_000)]), "used", "duplicate token"),
        ((Contingency.OCO, [sale("a", 11_000), stop("b", 9_000, symbol="BOLT")]), "b", "list"),
        ((Contingency.OCO, [sale("a", 11_000), stop("b", 9_000, symbol="ZINC")]), "b", "symbol"),
        ((9, [sale("a", 11_000), stop("b", 9_000)]), "a", "list"),
        ((Contingency.OCO, [sale("a", 11_000), stop(0, 9_000)]), 0, "name"),
    ],
)
def test_a_list_that_the_session_refuses_has_one_reply_and_leaves_nothing(list_, at_fault, reason):
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter("used", Side.BUY, "ACME", 5, 10_000)
        alice.told()
        number = alice.enter_list(*list_)
        (reply,) = alice.told()
        assert (reply.kind, reply.id, reply.request) == (Reply.REJECTED, at_fault, number)
        assert reason in reason_name(reply.reason)
        alice.enter("after", Side.BUY, "ACME", 5, 10_000)
        assert told(alice) == [("A", "after")]
        assert open_orders(alice) == 2


@pytest.mark.parametrize("kind", [Request.CANCEL, Request.LIST, Request.NAME, 0])
def test_what_is_no_order_in_a_list_ends_the_connection(kind):
    with InlineVenue([alone(cancel_on_disconnect=0)]) as venue:
        alice = venue.shm("ALICE")
        first = alice.next_request
        alice.enter_list(*oco(1, 2))
        slot_of(alice, first + 2).kind = int(kind)
        with pytest.raises(SessionEnded):
            alice.told()
        assert alice.end == End.UNKNOWN_KIND
        again = venue.shm("ALICE")
        assert (again.taken_before, open_orders(again)) == (first - 1, 0)


def test_a_list_of_another_number_of_orders_is_not_sent():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        for count in (1, 9):
            with pytest.raises(ValueError, match="it has 2 to 8"):
                alice.enter_list(Contingency.OTO, [sale(n + 1, 11_000) for n in range(count)])
        alice.enter_list(Contingency.OTO, [sale(f"leg-{n}", 11_000 + n) for n in range(8)])
        assert len(told(alice)) == 9
        assert open_orders(alice) == 8


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_order_that_the_core_refuses_ends_its_list(place):
    legs = [
        ShmOrder("in", Side.BUY, "ACME", 5, 10_000),
        sale("out", 11_000, 5),
        stop("s", 9_000, 5),
    ]
    one = legs[place]
    legs[place] = ShmOrder(one.id, one.side, "ACME", 0, one.price_ticks, one.order_type, aux=9_000)
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        alice.enter_list(Contingency.OTOCO, legs)
        replies = told(alice)
        assert {id for kind, id in replies if kind in "JC"} == {"in", "out", "s"}
        assert open_orders(alice) == 0


def test_a_list_counts_its_orders_against_limits():
    limits = {"max_open_orders": 2, "throttle_per_s": 1, "throttle_burst": 4}
    with InlineVenue([alone(**limits)]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(1, Side.BUY, "ACME", 5, 10_000)
        alice.told()
        alice.enter_list(*oco(2, 3))
        (reply,) = alice.told()
        assert (reply.id, reason_name(reply.reason)) == (3, "too many open")
        alice.enter_list(*oco(4, 5))
        (reply,) = alice.told()
        assert (reply.id, reason_name(reply.reason)) == (4, "throttled")
        venue.clock.advance(10)
        assert open_orders(alice) == 1


def test_a_list_of_a_session_whose_excess_waits_is_a_debt():
    policy = int(ThrottlePolicy.QUEUE)
    limits = {"throttle_per_s": 1, "throttle_burst": 1, "throttle_policy": policy}
    with InlineVenue([alone(**limits)]) as venue:
        alice = venue.shm("ALICE")
        alice.enter_list(*oco(2, 3))
        assert told(alice) == [("A", 2), ("A", 3), ("S", 2)]
        alice.enter(4, Side.BUY, "ACME", 5, 10_000)
        venue.clock.advance(1.5)
        assert told(alice) == []
        venue.clock.advance(1)
        assert told(alice) == [("A", 4)]


@pytest.mark.parametrize("taken", range(5))
def test_a_list_is_whole_after_a_death_within_it(taken, tmp_path):
    """The process of the sessions dies when so many of the four commands are on the lane."""
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        number = alice.enter_list(*oco("a", "b"))
        within_a_list(venue, taken)
        venue.sessions_again(0)
        venue.step()
        again = venue.shm("ALICE", first_reply=1)
        assert again.taken_before == number
        assert told(again) == [("A", "a"), ("A", "b"), ("S", "a")]
        assert open_orders(again) == 2


@pytest.mark.parametrize("taken", range(1, 5))
def test_a_list_that_the_journal_ends_within_leaves_nothing(taken, tmp_path):
    """The machine dies when so many of the four commands are sequenced."""
    with InlineVenue([alone(cancel_on_disconnect=0)], tmp_path / "j") as venue:
        alice = venue.shm("ALICE")
        alice.enter_list(*oco("a", "b"))
        within_a_list(venue, taken)
        venue.run.step_alone("gateway")
        for stage in venue.run._apart:  # the journal's
            stage.step()
        venue.again()
        again = venue.shm("ALICE", first_reply=1)
        venue.clock.advance(2)
        assert (("A", "a") in told(again)) == (taken >= 2)
        assert open_orders(again) == (2 if taken == 4 else 0)
        again.enter_list(*oco("c", "d"))
        again.enter("e", Side.BUY, "ACME", 1, 5_000)
        assert told(again) == [("A", "c"), ("A", "d"), ("S", "c"), ("A", "e")]
        assert open_orders(again) == 3
