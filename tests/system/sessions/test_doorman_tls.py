"""TLS at the door: a connection that ends takes nobody else's with it."""

import os
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from openoutcry.order_entry.doorman import LOGIN_S
from tests.support.order_entry.sessions_venue import Client, Venue
from tests.support.waiting import BOUND_S

SESSIONS = [{"name": "ONE", "participant": 1}, {"name": "TWO", "participant": 2}]


@pytest.fixture
def venue(tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=venue", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with Venue(SESSIONS, tls=[str(certificate), str(key)], durability="none") as venue:
        yield venue


@pytest.fixture
def context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def descriptors(venue):
    """Of each process of the venue."""
    children = Path(f"/proc/{venue.process.pid}/task/{venue.process.pid}/children")
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in children.read_text().split()}


def refused(venue, context):
    """A login that is nothing, over a connection whose end is not answered.  On busy cores it may
    come too late, and is closed before: then it comes again."""
    while True:
        began_s = time.monotonic()
        plain = socket.create_connection(("127.0.0.1", venue.port), timeout=BOUND_S)
        try:
            wrapped = context.wrap_socket(plain)
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
    "Who is refused over TLS and stays takes no other's connection with him",
    group="sessions",
)
def test_who_is_refused_and_stays_takes_no_connection_with_him(venue, context):
    one = Client(venue.port, "ONE", tls=context, wait_s=0)
    trade(one, "first")
    before, staying = descriptors(venue), []
    for number in range(8):
        staying += [refused(venue, context) for _ in range(8)]
        two = Client(venue.port, "TWO", tls=context, wait_s=BOUND_S)
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
