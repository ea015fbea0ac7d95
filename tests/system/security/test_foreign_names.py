"""No session reaches another's order, by whatever name or number: every protocol's every message
that names an order, naming an order of a session of every protocol, of its own participant and of
another.  Made from the protocols and messages that there are."""

import pytest

from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.order_ids import DOORS, ORDER_ID_RANGES
from tests.support.venue.inline import InlineVenue
from tests.support.venue.line import Silence
from tests.support.venue.party import PARTIES, ShmParty

NONE = int(CancelOnDisconnect.NONE)
TERMS = ((54, "1"), (60, "20260102-10:00:00"))
LIMIT = ((38, "3"), (40, "2"), (44, "2.00"))


def packed(party, method, *arguments, **fields):
    return party._packed(method, *arguments, **fields)


def names(victim):
    """What an attacker may know of the victim's first order: its name, as each protocol has one,
    and the venue's own number of it."""
    return {"token": "t1", "user_ref": 1, "order_id": str(victim.order_number)}


def ouch42(party, known):
    yield packed(party, "cancel", known["token"])
    yield packed(party, "replace", known["token"], "new", 3, 20_000)
    message = OUCH42.from_client("M")
    yield packed(party, "send", message.pack(token=known["token"], side="T", shares=1))


def ouch50(party, known):
    yield packed(party, "say", "X", user_ref=known["user_ref"], quantity=0)
    yield packed(
        party, "say", "U", orig_user_ref=known["user_ref"], user_ref=7, quantity=3, price=20_000
    )
    yield packed(party, "say", "M", user_ref=known["user_ref"], side="T", quantity=1)
    yield packed(party, "say", "C", user_ref=8, firm="", symbol="ACME")


def fix(party, known):
    """By name and, where a message has room for it, by the venue's number (37) as well."""
    send = party.client._send
    for number in ((), ((37, known["order_id"]),)):
        for at, kind in enumerate("FG"):
            name = (11, f"new{len(number)}{at}")
            rest = LIMIT if kind == "G" else ()
            yield sent(
                party,
                send,
                kind,
                ((41, known["token"]), name, (55, "ACME"), *TERMS, *rest, *number),
            )
        yield sent(party, send, "H", ((11, known["token"]), (55, "ACME"), (54, "1"), *number))
    yield sent(party, send, "q", ((11, "mass"), (530, "7"), (60, "20260102-10:00:00")))


def sent(party, send, kind, fields):
    """What would be sent."""
    kept = []
    party.client._write = kept.append
    send(kind, fields)
    del party.client._write
    return b"".join(kept)


def shm(party, known):
    """By its number, and by the venue's."""
    for name in (known["user_ref"], int(known["order_id"])):
        yield packed(party, "cancel", name)
        yield packed(party, "replace", name, 70 + name, 3, 20_000)
    yield packed(party, "cancel", known["user_ref"], participant=1)
    yield packed(party, "mass_cancel", "ACME")


ATTACKS = {
    Protocol.OUCH42: ouch42,
    Protocol.OUCH50: ouch50,
    Protocol.FIX44: fix,
    Protocol.SHM: shm,
}
MASS = {Protocol.OUCH50, Protocol.FIX44, Protocol.SHM}
"""Whose last message is about all orders of its own participant."""


def told(party):
    """Bytes that have come, or kinds of replies."""
    if isinstance(party, ShmParty):
        return party.told().encode()
    data = b""
    try:
        while True:
            data += party.line.recv(1 << 16)
    except Silence:
        return data


def first_order(venue, party):
    """Enter it; the number that the venue has given it."""
    party.enter(1)
    assert party.kind() == "A"
    (row,) = venue.run.work.sessions.region.rows[venue.run.work.sessions.region.rows["number"] != 0]
    return int(row["number"])


@pytest.mark.promise(
    "A session receives reports about its own orders only, over any protocol; a drop copy's "
    "session cannot enter orders",
    group="venue",
)
@pytest.mark.parametrize("same", [False, True], ids=["others", "own participant's"])
@pytest.mark.parametrize("victim", ATTACKS, ids=lambda p: p.name)
@pytest.mark.parametrize("attacker", ATTACKS, ids=lambda p: p.name)
def test_no_message_reaches_the_order_of_another_session(attacker, victim, same):
    rows = [
        {"name": "VICTIM", "participant": 1, "protocol": int(victim)},
        {"name": "OTHER", "participant": 1 if same else 2, "protocol": int(attacker)},
    ]
    rows = [row | {"cancel_on_disconnect": NONE} for row in rows]
    with InlineVenue(rows) as venue:
        owner = PARTIES[victim](venue, "VICTIM")
        owner.order_number = first_order(venue, owner)
        other = PARTIES[attacker](venue, "OTHER")
        messages = list(ATTACKS[attacker](other, names(owner)))
        if same and attacker in MASS:
            messages.pop()  # a mass cancel is its participant's, whichever session sends it
        for number, data in enumerate(messages):
            other.line.sendall(data)
            told(other)
            assert told(owner) == b"", f"message {number} was told to another session"
        owner.cancel(1)
        assert owner.told() == "C", "the order is there as it was"


def test_every_door_brings_the_numbers_that_the_table_lets_it():
    """The owners of order ids and the doors of the one table: none brings a session's or the
    venue's, and each session's protocol is in the matrix above."""
    owners = {one.owner for one in ORDER_ID_RANGES}
    assert {one.name: one.brings for one in DOORS} == {
        "packets": ("packets",),
        "sessions": (),
        "desk": (),
    }
    for door in DOORS:
        assert set(door.brings) <= owners - {"venue", "sessions"}
    assert set(ATTACKS) == set(PARTIES)
    ordered = {Protocol.OUCH42, Protocol.OUCH50, Protocol.FIX44, Protocol.FIX42, Protocol.SHM}
    others = {Protocol.DROP_COPY, Protocol.FIX_DROP_COPY, Protocol.PACKETS}
    assert ordered | others == set(Protocol)
