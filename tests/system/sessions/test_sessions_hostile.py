"""Peers that guess passwords by the hundred, at a venue in processes of its own: others trade on.
What does not need processes is in tests/unit/order_entry."""

import contextlib
import socket

import pytest

from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import MAX_WAITING
from openoutcry.order_entry.spec import CancelOnDisconnect
from tests.support.order_entry.sessions_venue import Client, Venue, trading_before_and_after
from tests.support.waiting import BOUND_S

KEEP = {"cancel_on_disconnect": int(CancelOnDisconnect.NONE)}
SESSIONS = [
    {"name": "CALM", "participant": 100, **KEEP},
    {"name": "GUESS", "participant": 101, **KEEP},
]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    journal = tmp_path_factory.mktemp("hostile") / "journal"
    with Venue(SESSIONS, journal) as venue:
        yield venue


@pytest.fixture
def calm(venue):
    """Somebody else's session, which trades and is answered before and after."""
    with trading_before_and_after(venue) as trade:
        yield trade


@pytest.mark.promise(
    "Connections that never log in, and floods of wrong passwords, neither delay nor lock out"
    " clients at other addresses. The answer to a rejected login reveals neither whether the "
    "name exists nor whether the password was right",
    group="venue",
)
def test_a_flood_of_wrong_passwords_locks_out_no_other_address(venue, calm):
    """The same name is let in from another address while hundreds of guesses are under way."""
    guess = soupbin.login_packet(soupbin.LoginRequest("GUESS", "wrong", "", 1))
    crowd = []
    for _ in range(MAX_WAITING):
        one = socket.create_connection(
            ("127.0.0.1", venue.port), timeout=BOUND_S, source_address=("127.0.0.2", 0)
        )
        one.sendall(guess)
        crowd.append(one)
    client = venue.client("GUESS", source="127.0.0.3")
    assert client.answer[0] == "A"
    client.close()
    answers = set()
    for one in crowd:
        with contextlib.suppress(ConnectionResetError):
            answers.add(one.recv(100))
        one.close()
    assert answers <= {soupbin.login_rejected("A"), b""}
    refused = Client(venue.port, "GUESS", source="127.0.0.2", wait_s=0)
    assert refused.answer == ("J", b"A"), "locked there"
