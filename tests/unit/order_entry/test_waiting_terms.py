"""Quotes, lists and orders with terms behind a speed bump: each enters as it was sent."""

import random

import pytest

from openoutcry.client.shm import ShmOrder, reason_name
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.wire import OrderType
from openoutcry.wire.enums import Contingency, Side, TimeInForce, TriggerBy
from tests.support.order_entry.within_a_list import within_a_list
from tests.support.risk.risk_delayed import switch
from tests.support.venue.inline import InlineVenue
from tests.support.venue.settings_operator import with_settings
from tests.unit.order_entry.test_fix_lists import enter, heard, leg, limit, rows
from tests.unit.order_entry.test_shm_quotes import alone, quote, told

DELAY_NS = 30_000_000
AFTER_S = 0.05
PLACES = 64


def behind_a_bump(delay_ns=DELAY_NS, places=PLACES):
    """What a venue is made with whose speed bump has this delay, 0: none."""
    return with_settings(switch(delay_ns), delayed=places)


def later(venue):
    """What waits enters."""
    venue.step()
    venue.clock.advance(AFTER_S)
    venue.step()


def test_two_quotes_within_the_delay_are_not_mixed(tmp_path):
    with InlineVenue([alone(), alone("BOB", 2)], tmp_path / "j", **behind_a_bump()) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        alice.quote(quote(1, (5, 10_000), (5, 10_200)))
        alice.quote(quote(2, (1, 9_000), (9, 10_300)))
        later(venue)
        replies = [one for one in alice.told() if one.kind != Reply.DELAYED]
        assert [(one.kind.name, one.id, one.price_ticks, one.leaves_lots) for one in replies] == [
            ("ACCEPTED", 1, 10_000, 5),
            ("ACCEPTED", 1, 10_200, 5),
            ("REPLACED", 2, 9_000, 1),
            ("REPLACED", 2, 10_300, 9),
        ]
        bob.enter(1, Side.SELL, "ACME", 5, 10_000)
        later(venue)
        assert alice.told() == []


def test_a_quote_that_the_gateway_refuses_is_refused_in_its_turn(tmp_path):
    with InlineVenue([alone()], tmp_path / "j", **behind_a_bump()) as venue:
        alice = venue.shm("ALICE")
        alice.quote(quote(1, (5, 10_000), (5, 10_200)))
        alice.quote(quote(2, (5, 0), (5, 10_100)))
        alice.quote(quote(3, (4, 10_000), (4, 10_300)))
        later(venue)
        replies = [one for one in alice.told() if one.kind != Reply.DELAYED]
        assert [(one.kind.name, one.id, one.leaves_lots) for one in replies] == [
            ("ACCEPTED", 1, 5),
            ("ACCEPTED", 1, 5),
            ("REJECTED", 2, 0),
            ("REPLACED", 3, 4),
            ("REPLACED", 3, 4),
        ]
        assert reason_name(replies[2].reason) == "gateway"
        assert venue.stop()["open_orders"] == 2


def test_a_mass_cancel_takes_no_terms_of_what_comes_after_it(tmp_path):
    with InlineVenue(rows(), tmp_path / "j", **behind_a_bump()) as venue, venue.fix("FIRM") as firm:
        firm.send("q", ((11, "MC"), (530, "7"), (60, "20260102-10:00:00")))
        stop_limit = leg("B", "2", 9, t40="4", t44="0.80", t99="0.90")
        enter(firm, "L", "1", [limit("A", "2", "1.10"), stop_limit])
        later(venue)
        reports = [one for one in heard(firm) if one.kind == "8"]
        assert [(one[150], one[11]) for one in reports if one[150] != "L"] == [
            ("A", "A"), ("A", "B"), ("0", "A"), ("0", "B"),
        ]  # fmt: skip


def test_that_quotes_are_cancelled_is_told_when_they_are(tmp_path):
    with InlineVenue([alone(), alone("BOB", 2)], tmp_path / "j", **behind_a_bump()) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        alice.quote(quote(1, (5, 10_000), (5, 10_200)))
        later(venue)
        alice.told()
        bob.enter(1, Side.BUY, "ACME", 2, 10_200)
        alice.cancel_quotes()
        alice.cancel_quotes("ACME")
        venue.step()
        assert {one.kind.name for one in alice.told()} == {"DELAYED"}
        later(venue)
        assert [kind for kind, *_ in told(alice)] == [
            "EXECUTED", "CANCELED", "CANCELED", "QUOTES_CANCELED", "QUOTES_CANCELED",
        ]  # fmt: skip
        assert venue.stop()["open_orders"] == 0


def test_where_the_bump_is_full_a_quote_is_refused_whole(tmp_path):
    with InlineVenue([alone()], tmp_path / "j", **behind_a_bump(places=16)) as venue:
        alice = venue.shm("ALICE")
        for id in range(1, 11):
            alice.quote(quote(id, (id, 10_000), (id, 10_200)))
        later(venue)
        replies = [one for one in alice.told() if one.kind != Reply.DELAYED]
        whole = [id for id in range(1, 11) if [one.id for one in replies].count(id) == 2]
        refused = [one.id for one in replies if one.kind == Reply.REJECTED]
        assert sorted(whole + refused) == list(range(1, 11))
        assert whole == list(range(1, 7))
        assert {reason_name(one.reason) for one in replies if one.id in refused} == {"risk"}
        alice.quote(quote(11, (3, 10_000), (3, 10_200)))
        later(venue)
        assert [one for one in told(alice) if one[0] == "REPLACED"] == [
            ("REPLACED", 11, "bid", 3), ("REPLACED", 11, "offer", 3),
        ]  # fmt: skip


@pytest.mark.parametrize("machine", [False, True], ids=["a process dies", "the machine dies"])
@pytest.mark.parametrize("taken", range(1, 5))
def test_a_list_that_a_death_divides_waits_whole_or_leaves_nothing(taken, machine, tmp_path):
    """When so many of its four commands are sequenced."""
    kind = OrderType.STOP_LIMIT
    stop = ShmOrder(2, Side.SELL, "ACME", 9, 8_900, order_type=kind, aux=9_000)
    rows, more = [alone(cancel_on_disconnect=0)], behind_a_bump()
    with InlineVenue(rows, tmp_path / "j", **more) as venue:
        alice = venue.shm("ALICE")
        alice.enter_list(Contingency.OCO, [ShmOrder(1, Side.SELL, "ACME", 9, 11_000), stop])
        within_a_list(venue, taken)
        if machine:
            venue.run.step_alone("gateway")
            for stage in venue.run._apart:  # the journal's
                stage.step()
            venue.again()
        else:
            venue.sessions_again(0)
        later(venue)
        alice = venue.shm("ALICE", first_reply=1)
        later(venue)
        alice.quote(quote(5, (3, 9_900), (3, 10_100)))
        later(venue)
        kinds = [one.kind.name for one in alice.told() if one.id == 5]
        assert kinds == ["DELAYED", "ACCEPTED", "ACCEPTED"]
        assert venue.stop()["open_orders"] == 2 + (2 if taken == 4 or not machine else 0)


# A program of requests has the same answers with and without a delay.

SYMBOLS = "ACME", "BOLT"


def request(rng, client, number):
    """Send a request with a term, or one that could meet one."""
    symbol, lots = rng.choice(SYMBOLS), rng.randint(1, 9)
    middle = 10_000 + rng.randint(-3, 3)
    what = rng.randrange(9)
    if what < 3:
        sides = [(lots, middle - 1), (rng.randint(1, 9), middle + 2)]
        if rng.random() < 0.3:
            sides[rng.randrange(2)] = None
        if rng.random() < 0.1:
            sides = [(lots, middle + 2), (lots, middle - 1)]
        client.quote(quote(number, *sides, symbol=symbol))
    elif what == 3:
        client.cancel_quotes(symbol if rng.random() < 0.5 else "")
    elif what == 4:
        client.mass_cancel(symbol if rng.random() < 0.5 else "")
    elif what == 5:
        legs = [
            ShmOrder(number + place, Side.SELL, symbol, lots, middle + 5 * place)
            for place in range(1, rng.randint(3, 4))
        ]
        client.enter_list(Contingency.OCO, legs)
    elif what == 6:
        order = ShmOrder(number, Side.BUY, symbol, lots, middle, time_in_force=TimeInForce.GTC)
        client.enter_with(order, until_ns=1 << 62)
    elif what == 7:
        what = {"order_type": OrderType.STOP, "time_in_force": TimeInForce.GTC}
        order = ShmOrder(number, Side.SELL, symbol, lots, aux=middle - 20, **what)
        client.enter_with(order, trigger_by=TriggerBy.OWN_QUOTE)
    else:
        client.enter(number, rng.choice([Side.BUY, Side.SELL]), symbol, lots, middle)


def answers(path, seed, delay_ns):
    """What two participants are told of a program, and how many orders are open at its end."""
    rng = random.Random(seed)
    sessions = [alone(cancel_on_disconnect=0), alone("BOB", 2, cancel_on_disconnect=0)]
    with InlineVenue(sessions, path, **behind_a_bump(delay_ns, 4_096)) as venue:
        clients, heard_by = [venue.shm("ALICE"), venue.shm("BOB")], [[], []]
        for number in range(100, 1_700, 10):
            request(rng, rng.choice(clients), number)
            venue.step()
            if rng.random() < 0.1:
                later(venue)
            for client, replies in zip(clients, heard_by, strict=True):
                replies += client.told()
        later(venue)
        for client, replies in zip(clients, heard_by, strict=True):
            replies += client.told()
        told_of = [
            [
                (m.kind.name, m.id, m.side, m.price_ticks, m.qty_lots, m.leaves_lots, m.reason)
                for m in replies
                if m.kind != Reply.DELAYED
            ]
            for replies in heard_by
        ]
        return told_of, venue.stop()["open_orders"]


@pytest.mark.promise(
    "Behind a speed bump quotes, lists and orders with terms enter as they were sent: a delay that "
    "is the same for all changes no answer",
    group="sessions",
)
@pytest.mark.parametrize("seed", range(4))
def test_a_program_has_the_same_answers_as_without_a_delay(seed, tmp_path):
    delayed = answers(tmp_path / "delayed", seed, DELAY_NS)
    at_once = answers(tmp_path / "at_once", seed, 0)
    kinds = {kind for replies in at_once[0] for kind, *_ in replies}
    assert {"ACCEPTED", "REPLACED", "EXECUTED", "CANCELED", "QUOTES_CANCELED", "REJECTED"} <= kinds
    assert delayed == at_once
