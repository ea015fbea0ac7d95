"""A session over shared memory that rings: either side may sleep until a byte comes by the socket
of the login."""

import pytest

from openoutcry.order_entry import session_words
from openoutcry.order_entry.shm_layout import REQUEST_SLOTS, End, ShmRequests
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import Side
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)


def ringing(name="SLEEPER", participant=1, **more):
    return session(name, participant, protocol=SHM, rings=True, **more)


def bytes_for(client):
    """The bytes that the venue has sent by the socket."""
    data = b""
    while True:
        try:
            came = client.connection.socket.recv(64)
        except BlockingIOError:
            return data
        assert came, "the venue has not closed it"
        data += came


def test_a_participant_that_waits_is_sent_one_byte_and_one_that_does_not_none():
    with InlineVenue([ringing(), session("OTHER", 2, protocol=SHM)]) as venue:
        sleeper, other = venue.shm("SLEEPER"), venue.shm("OTHER")
        sleeper.enter(1, Side.BUY, "ACME", 5, 10_000)
        venue.step()
        assert bytes_for(sleeper) == b"", "it did not wait"
        assert len(sleeper.told()) == 1
        sleeper.begin_wait()
        for number in range(1, 4):
            other.enter(number, Side.SELL, "ACME", 1, 10_000)
            venue.step()
        assert len(bytes_for(sleeper)) == 1, "one for each time that it waits"
        assert len(sleeper.told()) == 3
        sleeper.begin_wait()
        other.enter(9, Side.SELL, "ACME", 1, 10_000)
        venue.step()
        assert len(bytes_for(sleeper)) == 1


def test_a_request_that_finds_none_before_it_comes_with_a_byte():
    with InlineVenue([ringing()]) as venue:
        client = venue.shm("SLEEPER")
        sent = []
        client.connection.ring, ring = lambda: (sent.append(1), ring()), client.connection.ring
        client.enter(1, Side.BUY, "ACME", 5, 10_000)
        client.enter("two", Side.BUY, "ACME", 5, 10_000)
        client.enter("three", Side.BUY, "ACME", 5, 10_000)
        assert len(sent) == 1, "the venue, awake, finds the others"
        assert [m.id for m in client.told()] == [1, "two", "three"]
        client.enter("four", Side.BUY, "ACME", 5, 10_000)
        assert len(sent) == 2
        assert [m.id for m in client.told()] == ["four"]
        venue.clock.advance(0.01)
        assert client.end == End.NONE, "the bytes are no violation"


@pytest.mark.parametrize("rings", [True, False])
def test_a_venue_may_sleep_on_sockets_while_all_its_sessions_ring(rings):
    rows = [ringing(), *([] if rings else [session("PLAIN", 2, protocol=SHM)])]
    with InlineVenue(rows) as venue:
        clients = [venue.shm(row.name) for row in rows]
        venue.step()
        at = venue.run._group.contexts.address_of("sessions")
        assert session_words.SessionsContext(at).unwatched == (0 if rings else 1)
        assert all(client.end == End.NONE for client in clients)


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
def test_a_participant_rings_for_its_requests_and_not_without_end():
    """Each byte wakes a venue that sleeps, and no rate of messages counts it."""
    with InlineVenue([ringing(), ringing("OTHER", 2)]) as venue:
        client, other = venue.shm("SLEEPER"), venue.shm("OTHER")
        for number in range(1, 4):
            client.enter(number, Side.BUY, "ACME", 5, 10_000)
            client.connection.ring()
            assert [m.id for m in client.told()] == [number]
        left = REQUEST_SLOTS - 3  # six bytes came for three requests
        client.connection.socket.sendall(b"r" * left)
        assert client.end == End.NONE
        client.connection.socket.sendall(b"r")
        assert client.end == End.SOCKET_DATA
        other.enter(1, Side.BUY, "ACME", 5, 10_000)
        assert [m.id for m in other.told()] == [1]


def test_what_a_participant_says_of_its_sleep_is_only_compared():
    """Any number in its word costs a byte at most, and a socket that it never reads nothing."""
    with InlineVenue([ringing(), session("OTHER", 2, protocol=SHM)]) as venue:
        sleeper, other = venue.shm("SLEEPER"), venue.shm("OTHER")
        sleeper.enter(1, Side.BUY, "ACME", 5_000, 10_000)
        header = ShmRequests(sleeper.connection.requests)
        for number in range(1, 1_000):
            header.waits = (-1) ** number << 62
            other.enter(number, Side.SELL, "ACME", 1, 10_000)
            venue.step()
            other.poll()
        assert sleeper.end == End.NONE
        assert len(sleeper.told()) == 1_000
