"""Ports with certificates, of a venue in processes of its own: TLS from end to end for each
protocol, and a connection that ends takes no other client's with it."""

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path

import pytest

from openoutcry.client import ClientError, OuchClient
from openoutcry.client.fix import utc_text
from openoutcry.client.soupbin import LoginRejected
from openoutcry.console.screen.trader import connect as connect_screen
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import LOGIN_S
from openoutcry.order_entry.spec import PortSpec, Protocol
from tests.oracles.order_entry import fix as reference
from tests.support.certificates import self_signed
from tests.support.order_entry.sessions_clients import connect, fields_of
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue
from tests.support.waiting import BOUND_S, LOOK_S

SESSIONS = [
    {"name": "ONE", "participant": 1, "cancel_on_disconnect": 0},
    {"name": "TWO", "participant": 2},
    {"name": "STAYS", "participant": 4},
    {"name": "COMES", "participant": 5},
    {"name": "FIRM", "participant": 3, "protocol": int(Protocol.FIX44)},
]


def certificate(folder, name):
    """Return a certificate and its key, of a separate authority."""
    return self_signed(folder / f"{name}.pem", folder / f"{name}-key.pem")


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "venue")


@pytest.fixture(scope="module")
def venue(certified):
    with Venue(SESSIONS, tls=[str(path) for path in certified], durability="none") as venue:
        yield venue


@pytest.fixture(scope="module")
def context(certified):
    return ssl.create_default_context(cafile=str(certified[0]))


def ouch_trades(venue, context, number):
    client = Client(venue.port, "ONE", tls=context, sequence=0)
    trade(client, f"o{number}")
    client.close()


def fix_trades(venue, context, number):
    with connect(venue, tls=context, prefix=f"A{number}-") as client:
        client.buy("ACME", 1, "1")
        assert fields_of(client, 1, 150) == [("0",)]


def login_in_clear(protocol):
    if protocol == Protocol.OUCH42:
        return soupbin.login_packet(soupbin.LoginRequest("TWO", PASSWORD, "", 1))
    head = [(35, "A"), (34, "1"), (49, "FIRM"), (52, utc_text()), (56, "OUTCRY")]
    return reference.message([*head, (98, "0"), (108, "30"), (554, PASSWORD)])


@pytest.mark.promise("A port with a certificate speaks TLS from end to end", group="venue")
@pytest.mark.parametrize(
    ("protocol", "trades"),
    [(Protocol.OUCH42, ouch_trades), (Protocol.FIX44, fix_trades)],
    ids=["ouch", "fix"],
)
def test_tls_is_spoken_end_to_end(venue, context, protocol, trades):
    for number in range(5):
        # Each is heard, though it may have the descriptor that the one before had.
        trades(venue, context, number)
    with socket.create_connection(("127.0.0.1", venue.ports[protocol.name]), BOUND_S) as plain:
        reply = b""
        with contextlib.suppress(ConnectionError):
            plain.sendall(login_in_clear(protocol))
            reply = plain.recv(4096)
    assert b"8=FIX" not in reply
    assert reply[2:3] != b"A"


@pytest.mark.promise(
    "V1.4.1, V4.1.5, V9.2.2 (venue): the venue's own login decides which sessions may trade, "
    "and a revocation applies here too. To a port of the venue that has a certificate the "
    "page speaks TLS, and trusts that certificate alone",
    group="screen",
)
def test_the_client_library_and_the_screen_speak_tls(venue, context, certified, tmp_path):
    """The screen trusts the port's certificate alone."""
    where = "127.0.0.1", venue.port
    with OuchClient(*where, "TWO", PASSWORD, tls=context) as other:
        other.buy("ACME", 1, "1.00", name="b1")
        assert other.next().kind == "A"
    port = PortSpec(Protocol.OUCH42, *where, *certified)
    with logged_in(lambda: connect_screen(port, "TWO", PASSWORD, "", 1)) as other:
        assert other.next()["token"] == "b1"
    foreign, _ = certificate(tmp_path, "foreign")
    with pytest.raises(ClientError, match="CERTIFICATE_VERIFY_FAILED"):
        connect_screen(
            PortSpec(Protocol.OUCH42, *where, foreign, certified[1]), "TWO", PASSWORD, "", 1
        )


def logged_in(connects):
    """The connection, once the venue has seen the end of the one before."""
    until_s = time.monotonic() + BOUND_S
    while True:
        try:
            return connects()
        except LoginRejected:
            assert time.monotonic() < until_s
            time.sleep(LOOK_S)


def descriptors(venue):
    """Return the open descriptors of each process of the venue."""
    children = Path(f"/proc/{venue.process.pid}/task/{venue.process.pid}/children")
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in children.read_text().split()}


def refused(venue, context):
    """A login that is nothing, over a connection whose end is not answered.  On busy cores it may
    come too late, and is closed before: then it comes again."""
    while True:
        began_s = time.monotonic()
        plain = socket.create_connection(("127.0.0.1", venue.port), timeout=BOUND_S)
        try:
            wrapped = context.wrap_socket(plain, server_hostname="127.0.0.1")
            wrapped.sendall(b"\xff\xff" + bytes(30))
            return wrapped
        except (ssl.SSLEOFError, ConnectionError):
            if time.monotonic() - began_s < LOGIN_S:
                raise


def trade(client, token):
    assert client.answer[0] == "A", client.answer
    client.enter(token, "B", 1)
    assert client.message()[0] == "A"


@pytest.mark.promise(
    "A client that is rejected over TLS and stays connected affects no other connection",
    group="sessions",
)
def test_who_is_refused_and_stays_takes_no_connection_with_him(venue, context):
    one = Client(venue.port, "STAYS", tls=context, wait_s=0)
    trade(one, "first")
    before, staying = descriptors(venue), []
    for number in range(8):
        staying += [refused(venue, context) for _ in range(8)]
        two = Client(venue.port, "COMES", tls=context, wait_s=BOUND_S)
        trade(two, f"a{number}")
        two.close()
    trade(one, "last")
    one.close()
    until = time.monotonic() + BOUND_S
    # A stage that was started again meanwhile holds descriptors of its own.
    while any(count > before.get(pid, count) for pid, count in descriptors(venue).items()):
        assert time.monotonic() < until, (before, descriptors(venue))
        time.sleep(0.05)
    for connection in staying:
        connection.close()
