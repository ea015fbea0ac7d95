"""A participant writes anything into its side of the shared memory: the session ends with a named
reason, and no other session sees anything of it."""

import itertools

import pytest

from openoutcry.cli.venue import session_cells
from openoutcry.client import SessionEnded
from openoutcry.client.shm import ShmOrder
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.shm_layout import REPLY_SLOTS, REQUEST_SLOTS, End, Request, ShmRequests
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.venue.session_switch import SessionSwitch
from openoutcry.wire.enums import Contingency, Side, TimeInForce
from tests.support.order_entry.sessions_venue import session
from tests.support.order_entry.shm_attacker import Attacker, slot_of
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)
NONE = int(CancelOnDisconnect.NONE)


@pytest.fixture
def venue():
    rows = [
        session("EVIL", 1, protocol=SHM, queue_bytes=1 << 18),
        session("GOOD", 2, protocol=SHM, cancel_on_disconnect=NONE),
    ]
    with InlineVenue(rows, sizes={"token_capacity": 1 << 15}) as venue:
        yield venue


def next_slot(client, ahead=0):
    return Attacker(client, 0).slot(client.next_request + ahead)


def jump(client):
    next_slot(client).seq = client.next_request + 1


def back(client):
    client.heartbeat()
    client.venue.step()
    next_slot(client).seq = client.next_request - 1


def lap(client):
    next_slot(client).seq = client.next_request + REQUEST_SLOTS


def negative(client):
    next_slot(client).seq = -1


def cursor_ahead(client):
    ShmRequests(client.connection.requests).replies_read = client.next_reply


def cursor_back(client):
    client.enter(1, Side.BUY, "ACME", 1, 10_000)
    assert len(client.told()) == 1
    client.venue.clock.advance(0.01)
    ShmRequests(client.connection.requests).replies_read = -1


def unknown_kind(client):
    client._put(Request.ENTER)
    next_slot(client, -1).kind = 77


def socket_data(client):
    client.connection.socket.sendall(b"hello")


VIOLATIONS = {
    jump: End.SEQUENCE,
    back: End.SEQUENCE,
    lap: End.SEQUENCE,
    negative: End.SEQUENCE,
    cursor_ahead: End.CURSOR_AHEAD,
    cursor_back: End.CURSOR_BACK,
    unknown_kind: End.UNKNOWN_KIND,
    socket_data: End.SOCKET_DATA,
}


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
@pytest.mark.parametrize("violate", VIOLATIONS, ids=lambda way: way.__name__)
def test_a_violation_ends_the_session_by_name_and_no_other(venue, violate):
    evil, good = venue.shm("EVIL"), venue.shm("GOOD")
    violate(evil)
    venue.clock.advance(0.01)
    assert evil.end == VIOLATIONS[violate]
    with pytest.raises(SessionEnded, match=VIOLATIONS[violate].name.lower().replace("_", " ")):
        evil.heartbeat()
    block = venue.run.work.sessions.region.block(1)
    assert block[session_block.FAULTS // 8] == 1
    assert block[session_block.FD // 8] == -1
    good.enter(1, Side.BUY, "ACME", 1, 10_000)
    assert [chr(message.kind) for message in good.told()] == ["A"]
    venue.shm("EVIL").heartbeat()


def leg(id, side=Side.SELL, price=11_000):
    return ShmOrder(id, side, "ACME", 1, price, time_in_force=TimeInForce.GTC)


NAMED = {
    "enter": lambda client: client.enter("a", Side.BUY, "ACME", 1, 9_000),
    "replace": lambda client: client.replace("a", "b", 2, 9_000),
    "cancel": lambda client: client.cancel("a", id="c"),
    "list": lambda client: client.enter_list(Contingency.OTO, [leg("a"), leg("b")], id="c"),
    "list of numbers": lambda client: client.enter_list(Contingency.OTO, [leg(1), leg(2)], id="c"),
    "terms": lambda client: client.enter_with(leg("a"), until_ns=1 << 62),
}
"""Requests with names in text."""


@pytest.mark.parametrize("kind", [kind for kind in (*Request, 77) if kind != Request.NAME])
@pytest.mark.parametrize("form", NAMED)
def test_a_further_slot_of_another_kind_ends_the_session(venue, form, kind):
    """Each slot with a name, of each form of a request."""
    good = venue.shm("GOOD")
    for place in itertools.count():
        evil = venue.shm("EVIL", first_reply=0)
        first = evil.next_request
        NAMED[form](evil)
        slots = [slot_of(evil, seq) for seq in range(first, evil.next_request)]
        names = [slot for slot in slots if slot.kind == Request.NAME]
        names[place].kind = int(kind)
        venue.step()
        assert evil.end == End.UNKNOWN_KIND, place
        if place + 1 == len(names):
            break
    good.enter(1, Side.BUY, "ACME", 1, 10_000)
    assert [chr(message.kind) for message in good.told()] == ["A"]


def test_replies_that_are_never_read_wait_in_bounded_memory_and_end_the_session(venue):
    evil, good = venue.shm("EVIL"), venue.shm("GOOD")
    number = 0
    while evil.end == End.NONE and number < 20 * REPLY_SLOTS:
        for _ in range(min(evil.room, 256)):
            number += 1
            evil.enter(number, Side.BUY, "ACME", 1, 10_000, time_in_force=TimeInForce.IOC)
        venue.step()
        good.enter(number, Side.BUY, "ACME", 1, 10_000, time_in_force=TimeInForce.IOC)
        assert [chr(message.kind) for message in good.told()] == ["A", "C"]
    assert evil.end == End.SLOW
    again = venue.shm("EVIL")
    assert len(again.told()) >= 2 * REPLY_SLOTS, "nothing of the stream is lost"


def test_a_request_that_changes_after_it_was_taken_has_no_second_effect(venue):
    evil = venue.shm("EVIL")
    evil.enter(1, Side.BUY, "ACME", 1, 10_000)
    assert [message.qty_lots for message in evil.told()] == [1]
    slot = next_slot(evil, -1)
    slot.qty_lots, slot.id = 1_000, 2
    slot.seq = evil.next_request - 1
    assert evil.told() == []
    assert evil.end == End.NONE


@pytest.mark.parametrize("seed", range(3))
def test_hostile_writes_by_seed_leave_the_others_orders_and_the_venue_whole(tmp_path, seed):
    """With the reconciliation of all that the journal has at the end."""
    rows = [
        session("EVIL", 1, protocol=SHM, queue_bytes=1 << 18),
        session("GOOD", 2, protocol=SHM, cancel_on_disconnect=NONE),
    ]
    sizes = {"token_capacity": 1 << 15}
    with InlineVenue(rows, tmp_path / "journal", sizes=sizes) as venue:
        good = venue.shm("GOOD")
        evil, ends, entered = venue.shm("EVIL"), set(), 0
        attacker = Attacker(evil, seed)
        for number in range(1_500):
            attacker.write()
            if number % 16 == 0:
                venue.clock.advance(0.001)
                entered += 1
                good.enter(entered, Side.BUY, "BOLT", 1, 1_000)
                mine = [m for m in good.told() if m.request]
                assert (chr(mine[0].kind), mine[0].id) == ("A", entered)
                assert {chr(m.kind) for m in mine[1:]} <= {"E"}
            if evil.end != End.NONE:
                ends.add(evil.end)
                evil = venue.shm("EVIL", first_reply=0)
                attacker = Attacker(evil, seed * 10_000 + number)
        assert ends, "some writes were violations"
        assert ends <= set(VIOLATIONS.values()) | {End.TORN, End.SLOW}
        commands = venue.commands()
        assert set(commands["participant"].tolist()) <= {1, 2}
        report = venue.stop()
    assert (report["lost"], report["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True


def test_the_operator_sees_why_a_session_ended(venue):
    evil = venue.shm("EVIL")
    jump(evil)
    venue.step()
    rows = SessionSwitch(venue.run.work.sessions, lambda seq: True, lambda note: None).status()
    assert {row["name"]: row.get("ended") for row in rows} == {"EVIL": "sequence", "GOOD": None}
    assert session_cells(rows[0]).endswith("1 faults; last end: sequence")
