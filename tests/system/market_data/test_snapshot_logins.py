"""The snapshot port until a login has come whole: places, times and turns of its clients, over real
connections."""

import contextlib
import socket
from types import SimpleNamespace

import pytest

from openoutcry.market_data import glimpse, snapshot_logins
from openoutcry.market_data.snapshot_logins import SnapshotLogins
from openoutcry.wire.load_limits import Logins
from openoutcry.wire.messages import SOUPBIN
from tests.support.waiting import BOUND_S

LOGIN = glimpse.packet_of(
    "L", SOUPBIN.from_client("L").pack(username="", password="", session="", sequence="1")[1:]
)


@pytest.fixture
def logins(monkeypatch):
    """The clients of a snapshot port, and the time that passes for them."""
    clock = SimpleNamespace(s=0.0)
    monkeypatch.setattr(snapshot_logins, "time", SimpleNamespace(monotonic=lambda: clock.s))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        found = SnapshotLogins(listener)
        yield found, clock
        found.close_all()
        found.epoll.close()


def connected(logins, source="127.0.0.1"):
    """A client of the address, which has been accepted or closed."""
    one = socket.create_connection(logins.listener.getsockname(), BOUND_S, (source, 0))
    logins.epoll.poll(BOUND_S)
    logins.poll("DAY")
    return one


def said(logins, client, data):
    """Bytes of a client, which have been read."""
    client.sendall(data)
    assert logins.epoll.poll(BOUND_S), "the login is not read"
    logins.poll("DAY")


def is_closed(client):
    client.settimeout(BOUND_S)
    with contextlib.suppress(ConnectionError):
        return client.recv(1) == b""
    return True


def test_a_login_of_a_snapshot_that_is_not_whole_in_time_is_left(logins):
    logins, clock = logins
    with connected(logins) as silent, connected(logins) as dripping:
        said(logins, dripping, LOGIN[:5])
        clock.s = glimpse.TIMEOUT_S
        logins.poll("DAY")
        assert is_closed(silent)
        assert is_closed(dripping)
    assert not len(logins.logins.silent)
    assert logins.take(lambda address: 0) is None


def test_a_login_of_a_snapshot_comes_in_few_parts(logins):
    logins, _ = logins
    with connected(logins) as client:
        for at in range(snapshot_logins.MOST_READS - 1):
            said(logins, client, LOGIN[at : at + 1])
        said(logins, client, LOGIN[snapshot_logins.MOST_READS - 1 :])
        assert logins.take(lambda address: 0) is not None
    with connected(logins) as client:
        for at in range(snapshot_logins.MOST_READS):
            said(logins, client, LOGIN[at : at + 1])
        assert is_closed(client)


def test_a_silent_client_of_a_snapshot_gives_way_to_one_more(logins, monkeypatch):
    """It is the oldest of the address that has most; an address has its share."""
    logins, _ = logins
    monkeypatch.setattr(logins, "logins", Logins(6, snapshot_logins.WAITING_EACH))
    with contextlib.ExitStack() as stack:
        sources = ["127.0.0.2"] * 5 + ["127.0.0.3"] * 2
        clients = [stack.enter_context(connected(logins, one)) for one in sources]
        assert is_closed(clients[0])
        assert logins.logins.silent.counts() == {"127.0.0.2": 4, "127.0.0.3": 2}
        stack.enter_context(connected(logins, "127.0.0.4"))
        assert is_closed(clients[1])
        assert logins.logins.silent.counts() == {"127.0.0.2": 3, "127.0.0.3": 2, "127.0.0.4": 1}


def test_an_address_without_a_snapshot_has_its_turn_first(logins):
    logins, _ = logins
    with contextlib.ExitStack() as stack:
        for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3"):
            said(logins, stack.enter_context(connected(logins, source)), LOGIN)
        held = {"127.0.0.2": 1}
        taken = [logins.take(lambda address: held.get(address, 0)) for _ in range(4)]
        addresses = [one.address if one is not None else None for one in taken]
        assert addresses == ["127.0.0.3", "127.0.0.2", "127.0.0.2", None]
        for one in taken[:3]:
            one.connection.close()


def test_so_many_connections_of_a_snapshot_port_are_accepted(logins):
    """Beyond them the listener does not wake the feed's process."""
    logins, clock = logins
    with contextlib.ExitStack() as stack:
        at_once = snapshot_logins.ACCEPTS.at_once
        at = logins.listener.getsockname()
        clients = [
            stack.enter_context(socket.create_connection(at, BOUND_S)) for _ in range(at_once + 2)
        ]
        for _ in range(2):
            logins.poll("DAY")
        assert len(logins.logins.silent) == at_once
        assert not logins.epoll.poll(0)
        clock.s = 2 / snapshot_logins.ACCEPTS.per_s
        logins.poll("DAY")
        assert len(logins.logins.silent) == len(clients)
