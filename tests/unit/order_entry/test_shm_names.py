"""Names in text over shared memory: a further slot of the request, the session's names of the day,
replies, drop copies, the journal and a restart have them as they have a FIX name."""

import numpy as np
import pytest

from openoutcry.client import SessionEnded
from openoutcry.client.drop_copy import read_copy
from openoutcry.client.shm import RequestsFull, reason_name
from openoutcry.journal import JournalReader
from openoutcry.order_entry.command_metadata import BLOCK_KEY, unpack
from openoutcry.order_entry.sessions_checkpoint import make_sessions_checkpoint
from openoutcry.order_entry.shm_layout import (
    REPLY_SLOTS,
    REQUEST_SLOTS,
    End,
    Reply,
    Request,
    ShmRequestName,
    name_text,
)
from openoutcry.order_entry.shm_segments import put_request
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.portal.trading.follower import name_at, names_of
from openoutcry.surveillance.audit.rows import Sources, session_metadata_of
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.order_entry.sessions_venue import Nobody, session
from tests.support.order_entry.shm_attacker import slot_of
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)
NONE = int(CancelOnDisconnect.NONE)
LONG = "web-3f2a9c1e-7d44-4b0e-9d1b-6a5e0c1d"
"""36 characters."""
OTHER = LONG[:-1] + "e"


def alone(name="ALICE", participant=1, **more):
    return session(name, participant, protocol=SHM, **more)


def broker(**more):
    return session("BROKER", 9, protocol=SHM, acts_for=[(10, 19)], **more)


def names(messages):
    return [(chr(message.kind), message.id, message.orig_id) for message in messages]


def test_an_order_named_in_text_is_filled_replaced_and_cancelled_by_its_names():
    assert len(LONG) == 36
    with InlineVenue([alone(), alone("BOB", 2)]) as venue:
        alice, bob = venue.shm("ALICE"), venue.shm("BOB")
        number = alice.enter(LONG, Side.BUY, "ACME", 100, 10_000)
        (accepted,) = alice.told()
        assert (accepted.kind, accepted.id, accepted.request) == (Reply.ACCEPTED, LONG, number)
        bob.enter("x", Side.SELL, "ACME", 30, 10_000)
        assert names(bob.told()) == [("A", "x", 0), ("E", "x", 0)]
        (made,) = alice.told()
        assert (made.kind, made.id, made.request) == (Reply.EXECUTED, LONG, 0)
        alice.replace(LONG, OTHER, 50, 10_100)
        told = alice.told()
        alice.replace(OTHER, 7, 60, 10_100)
        told += alice.told()
        alice.replace(7, "back", 70, 10_100)
        told += alice.told()
        number = alice.cancel("back", id="a-cancel")
        told += alice.told()
        assert names(told) == [
            ("U", OTHER, LONG),
            ("U", 7, OTHER),
            ("U", "back", 7),
            ("C", "back", 0),
        ]
        assert {m.order_number for m in told} == {accepted.order_number}
        assert (told[-1].request, told[-1].qty_lots) == (number, 40)


def test_a_name_is_accepted_once_a_day_and_a_cancels_own_name_is_one():
    with InlineVenue([broker()]) as venue:
        client = venue.shm("BROKER")
        for participant in (10, 11, 10):
            client.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=participant)
        client.cancel(LONG, id="c", participant=10)
        client.enter("c", Side.BUY, "ACME", 5, 10_000, participant=10)
        client.enter("c", Side.BUY, "ACME", 5, 10_000, participant=11)
        client.cancel(LONG, id="d", participant=12)
        client.cancel("c", id=LONG, participant=11)
        told = client.told()
        assert [(chr(m.kind), m.participant, m.id, m.orig_id) for m in told] == [
            ("A", 10, LONG, 0),
            ("A", 11, LONG, 0),
            ("J", 10, LONG, 0),
            ("C", 10, LONG, 0),
            ("J", 10, "c", 0),
            ("A", 11, "c", 0),
            ("J", 12, "d", LONG),
            ("J", 11, LONG, "c"),
        ]
        assert [reason_name(m.reason) for m in told if m.kind == Reply.REJECTED] == [
            "duplicate token",
            "duplicate token",
            "unknown order",
            "duplicate token",
        ]


def test_names_that_differ_only_behind_their_end_or_in_their_kind_are_different():
    """A text's bytes are those of a number, and a name is a part of another one."""
    low, high = np.frombuffer(b"ABCDEFGHIJKLMNOP", np.int64).tolist()
    numbers = high << 64 | low
    all_names = ["ABCDEFGHIJKLMNOP", numbers, "ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNOPQ", "A"]
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        for name in all_names:
            alice.enter(name, Side.BUY, "ACME", 5, 10_000)
        assert [(chr(m.kind), m.id) for m in alice.told()] == [("A", name) for name in all_names]
        for name in all_names:
            alice.cancel(name)
        assert [(chr(m.kind), m.id) for m in alice.told()] == [("C", name) for name in all_names]


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 37, "a\n"])
def test_the_client_refuses_what_is_no_name(name):
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        with pytest.raises(ValueError, match="1 to 36 printable ASCII"):
            alice.enter(name, Side.BUY, "ACME", 5, 10_000)
        alice.enter("fine", Side.BUY, "ACME", 5, 10_000)
        assert names(alice.told()) == [("A", "fine", 0)]


def test_further_slots_go_round_the_ring_and_need_room():
    with InlineVenue([alone()], sizes={"token_capacity": 1 << 14}) as venue:
        alice = venue.shm("ALICE")
        for _ in range(REQUEST_SLOTS - 2):
            alice.heartbeat()
        with pytest.raises(RequestsFull):
            alice.replace("a", "b", 5, 10_000)
        alice.enter("first", Side.BUY, "ACME", 5, 10_000)
        assert names(alice.told()) == [("A", "first", 0)]
        told = []
        for number in range(REQUEST_SLOTS):
            if alice.room < 3:
                told += alice.told()
            old = f"n{number - 1}" if number else "first"
            alice.replace(old, f"n{number}", 5, 10_000 + number % 7)
        told += alice.told()
        assert [m.id for m in told] == [f"n{number}" for number in range(REQUEST_SLOTS)]
        assert len(told) > REPLY_SLOTS // 2, "pairs of replies went round their ring, too"


def test_a_batch_of_replies_never_ends_between_names_and_their_reply():
    """Else the number to continue with would leave the names out."""
    with InlineVenue([alone(cancel_on_disconnect=NONE)]) as venue:
        alice = venue.shm("ALICE")
        alice.enter(1, Side.BUY, "ACME", 1, 10_000)
        for number in range(300):
            alice.enter(f"n{number}", Side.BUY, "ACME", 1, 10_000, time_in_force=TimeInForce.IOC)
            venue.step()
        first = alice.poll_array()
        assert first["kind"][-1] != Reply.NAMES
        assert len(first) == 255, "one less than a batch has at most"
        assert alice.next_reply == int(first["seq"][-1]) + 1
        alice.close()
        again = venue.shm("ALICE", first_reply=alice.next_reply)
        assert {type(m.id) for m in again.told()} == {str}


# What the venue keeps.


def test_the_journal_the_audit_trail_and_drop_copies_have_the_name(tmp_path):
    rows = [
        broker(),
        session("TENS", 10, protocol=int(Protocol.DROP_COPY)),
        session("FIXCOPY", 10, protocol=int(Protocol.FIX_DROP_COPY)),
    ]
    with InlineVenue(rows, tmp_path / "journal") as venue:
        client, tens = venue.shm("BROKER"), venue.copy("TENS")
        copy = venue.fix("FIXCOPY", protocol=Protocol.FIX_DROP_COPY)
        client.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.enter(5, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.replace(LONG, "b", 6, 10_000, participant=10)
        client.cancel("b", id="c", participant=10)
        client.cancel(LONG, id="d", participant=10)
        assert [m.kind for m in client.told()][-1] == Reply.REJECTED
        told = [read_copy(1, tens.packet()[1]) for _ in range(5)]
        number = name_text(np.array([5, 0], np.int64).tobytes())
        assert [one.token for one in told] == [LONG, number, "b", "b", "d"]
        reports = [copy.next(0) for _ in range(5)]
        assert [(one.get(11), one.get(41)) for one in reports] == [
            (LONG, ""),
            (number, ""),
            ("b", LONG),
            ("c", "b"),
            ("d", LONG),
        ]
        venue.stop()
        seen, audited = [], []
        for block in JournalReader(tmp_path / "journal").all_blocks():
            count, text = block.header.record_count, block.note.get(BLOCK_KEY, "")
            if not text:
                continue
            names = names_of(block, count, 3).tobytes()
            seen += [name for place in range(count) if (name := name_at(names, place))]
            _, notes = unpack(text, count, 3)
            audited += session_metadata_of(notes, Sources())["token"].tolist()
        by_text = [name for name in seen if name.isprintable()]
        assert by_text == [LONG, "b", "c", "d"], "as the portal reads a FIX name"
        assert [one.decode() for one in audited if one] == [LONG, number, "b", "c", "d"]


def test_streams_names_and_numbers_come_again_after_the_venue_was_dropped(tmp_path):
    with InlineVenue([broker(cancel_on_disconnect=NONE)], tmp_path / "journal") as venue:
        client = venue.shm("BROKER")
        client.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.enter(2, Side.BUY, "ACME", 5, 10_000, participant=10)
        client.replace(LONG, OTHER, 6, 10_000, participant=10)
        told = client.told()
        assert client.next_request == 7, "slots are counted"
        client.enter("lost", Side.BUY, "ACME", 5, 10_000, participant=10)
        venue.drop()  # before it has looked
        venue.open()
        with pytest.raises(SessionEnded):
            client.next(1)
        again = venue.shm("BROKER")
        assert again.taken_before == 6, "the number of a request is that of its last slot"
        assert again.told() == told
        again.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=10)
        again.enter("lost", Side.BUY, "ACME", 5, 10_000, participant=10)
        again.cancel(OTHER, participant=10)
        said = again.told()
        assert names(said) == [("J", LONG, 0), ("A", "lost", 0), ("C", OTHER, 0)]
        assert venue.stop()["replay"]["equal"] is True


def test_a_checkpoint_has_the_names(tmp_path):
    with InlineVenue([broker(cancel_on_disconnect=NONE)], tmp_path / "journal") as venue:
        client = venue.shm("BROKER")
        client.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=11)
        told = client.told()
        venue.stop()
        assert make_sessions_checkpoint(tmp_path / "journal", venue.spec, Nobody().instruments)
        venue.open()
        again = venue.shm("BROKER")
        assert (again.taken_before, again.told()) == (2, told)
        again.enter(LONG, Side.BUY, "ACME", 5, 10_000, participant=11)
        again.cancel(LONG, id="c", participant=11)
        assert names(again.told()) == [("J", LONG, 0), ("C", LONG, 0)]


# What is written against the rules.


def further(text, kind=Request.NAME):
    data = np.zeros(64, np.uint8)
    slot = ShmRequestName(data.ctypes.data)
    slot.kind = int(kind)
    data[8 : 8 + len(text)] = list(text)
    return data


def half(client):
    """The request's own slot is there, and its name's is not."""
    slot = slot_of(client, client.next_request)
    slot.kind, slot.names = int(Request.ENTER), 1
    slot.seq = client.next_request


def other(client):
    """The further slot has another number."""
    data = further(b"a")
    put_request(client.connection.requests, data.ctypes.data, client.next_request + 1)
    slot_of(client, client.next_request + 1).seq = client.next_request + 5
    half(client)


def no_name(client):
    data = further(b"a", Request.CANCEL)
    put_request(client.connection.requests, data.ctypes.data, client.next_request + 1)
    half(client)


def only_a_name(client):
    data = further(b"a")
    put_request(client.connection.requests, data.ctypes.data, client.next_request)


VIOLATIONS = {
    half: End.SEQUENCE,
    other: End.SEQUENCE,
    no_name: End.UNKNOWN_KIND,
    only_a_name: End.UNKNOWN_KIND,
}


@pytest.mark.parametrize("violate", VIOLATIONS, ids=lambda way: way.__name__)
def test_a_further_slot_that_is_not_right_ends_the_session(violate):
    with InlineVenue([alone("EVIL", 1), alone("GOOD", 2)]) as venue:
        evil, good = venue.shm("EVIL"), venue.shm("GOOD")
        violate(evil)
        venue.clock.advance(0.01)
        assert evil.end == VIOLATIONS[violate]
        good.enter("a", Side.BUY, "ACME", 1, 10_000)
        assert names(good.told()) == [("A", "a", 0)]
        again = venue.shm("EVIL")
        again.enter("a", Side.BUY, "ACME", 1, 10_000)
        assert names(again.told()) == [("A", "a", 0)], "nothing of it had an effect"


def test_a_name_that_is_refused_is_in_no_answer():
    with InlineVenue([alone()]) as venue:
        alice = venue.shm("ALICE")
        data = further(b"a\x01b")
        put_request(alice.connection.requests, data.ctypes.data, 2)
        slot = slot_of(alice, 1)
        slot.kind, slot.names, slot.seq = int(Request.ENTER), 1, 1
        alice.next_request = 3
        (rejected,) = alice.told()
        assert (chr(rejected.kind), rejected.id, rejected.reason_text) == ("J", 0, "name")
        assert rejected.request == 2
