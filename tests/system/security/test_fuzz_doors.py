"""Every door under random and mutated input, briefly; tests/long/attacks/fuzz_doors.py is the same
with a million messages a door."""

import ssl

import pytest

from openoutcry.order_entry.spec import Protocol
from tests.support.certificates import self_signed
from tests.support.console.console_venue import ApiClient, ConsoleVenue, ended
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue
from tests.support.portal.portal_browser import place
from tests.support.portal.portal_venue import page_venue
from tests.support.security.fuzz_desk import fuzz_desk
from tests.support.security.fuzz_doors import DOORS, fuzz_logins, fuzz_page, fuzz_sessions
from tests.support.security.fuzz_new_doors import (
    fuzz_rest,
    fuzz_shm_logins,
    fuzz_sockets,
    fuzz_tls,
    soup_login,
)

SEED = 4


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error. Each refused login is counted, and another session is answered as before",
    group="doors",
)
@pytest.mark.parametrize("protocol", DOORS, ids=lambda protocol: protocol.name)
def test_no_input_of_a_door_raises(protocol: Protocol, capfd: pytest.CaptureFixture[str]) -> None:
    done = fuzz_sessions(protocol, 2_000, SEED)
    assert (done["messages"], done["answers"]) == (2_000, 2)
    assert done["logins"] > 1
    assert fuzz_logins(protocol, 400, SEED) == {"messages": 400, "counted": 400}
    assert capfd.readouterr().err == ""


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
def test_no_request_of_a_stranger_makes_a_page_fail(tmp_path) -> None:
    floor = ConsoleVenue(tmp_path)
    try:
        floor.start()
        floor.serve_screen()
        for process, url in ((floor.console, floor.url), (floor.screen, floor.screen_url)):
            host, _, port = url.split("/")[2].partition(":")
            done = fuzz_page((host, int(port)), 500, SEED, "127.0.0.3")
            assert done["failures"] == 0
            assert done["answers"] > 100
            with ApiClient(url) as one:
                assert one.get("/api/hello").status_code == 200
            assert ended(process) == ""
        floor.console = floor.screen = None
    finally:
        floor.stop()


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error. Each refused login is counted, and another session is answered as before",
    group="doors",
)
def test_no_login_over_shared_memory_raises(capfd: pytest.CaptureFixture[str]) -> None:
    """Replayed logins of other connections are among them."""
    done = fuzz_shm_logins(1_000, SEED)
    assert (done["messages"], done["counted"], done["answers"]) == (1_000, 1_000, 1)
    assert capfd.readouterr().err == ""


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error. Each refused login is counted, and another session is answered as before",
    group="doors",
)
def test_no_bytes_over_tls_raise(tmp_path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = self_signed(tmp_path / "c.pem", tmp_path / "k.pem")
    rows = [
        {"name": "CALM", "participant": 1},
        {"name": "FIRM", "participant": 2, "protocol": int(Protocol.FIX44)},
    ]
    context = ssl.create_default_context(cafile=str(paths[0]))
    with Venue(rows, tls=[str(path) for path in paths], durability="none") as venue:
        for name in ("OUCH42", "FIX44"):
            done = fuzz_tls(("127.0.0.1", venue.ports[name]), soup_login, 60, SEED, context)
            assert done["messages"] == 60
            assert done["handshakes"] > 10
        client = Client(venue.port, "CALM", PASSWORD, tls=context)
        assert client.answer[0] == "A"
        client.close()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
def test_nothing_that_the_portal_is_sent_makes_it_fail(tmp_path_factory) -> None:
    # The name of the test would make the path too long for a socket.
    tmp_path = tmp_path_factory.mktemp("v")
    with page_venue(tmp_path, 24) as portal:
        # What is sent in the person's name may end all its keys; the other one stays.
        person = portal.person(("read", "trade", "withdraw"), USD=10**12)
        calm = portal.person(USD=10**12)
        with portal.client(person) as client:
            # Until the portal has its session at the venue an order is refused with 503.
            place(client, "BUY", "0.001", "1")
        address = "127.0.0.1", portal.port
        done = fuzz_rest(address, 800, SEED, "127.9.{}.{}", person)
        assert done["failures"] == 0
        assert done["answers"] > 250
        sockets = fuzz_sockets(address, 800, SEED, "127.9.{}.{}", person)
        assert sockets["answers"] > 25
        with portal.client(calm) as client:
            assert client.get("/api/v3/account").status_code == 200
            assert client.order("BUY", "0.001", "100").status_code == 200
        assert "Traceback" not in (tmp_path / "portal.log").read_text()


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
def test_whatever_the_desk_is_asked_is_worked_out_or_refused(tmp_path) -> None:
    done = fuzz_desk(tmp_path, 2_000, SEED)
    assert done["messages"] == 2_000
    assert done["answers"] > 200
