"""The process at the public ports of a test venue: its times and its bounds, before an echo."""

import multiprocessing
import socket
import threading
from contextlib import suppress

import pytest

from openoutcry.faults import lines
from openoutcry.faults.lines import Door, Doors
from openoutcry.faults.script import read_script
from openoutcry.order_entry import soupbin
from openoutcry.venue.days import write_status
from tests.support.waiting import BOUND_S, wait_until

RULES = """
[faults]
seed = 1
[[fault]]
do = "disconnect"
at_s = 0
session = "AT"
[[fault]]
do = "drop"
direction = "to_client"
message = "server_debug"
from_s = 0
"""
TIMELY = soupbin.packet("+", b"a text")


def login(name):
    """A login of a session."""
    return soupbin.login_packet(soupbin.LoginRequest(name, "secret"))


@pytest.fixture
def doors(tmp_path, monkeypatch):
    """Connections to the process, and its script; what it is before gives all bytes back."""
    monkeypatch.setattr(lines, "MAX_LINES", 4)
    (tmp_path / "faults.toml").write_text(RULES)
    script = read_script(tmp_path / "faults.toml")
    public, behind = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))

    def echo(connection):
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def serve():
        while True:
            try:
                connection, _ = behind.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    made = Doors([Door("ouch-4.2", public, behind.getsockname())], script, tmp_path)
    process = multiprocessing.get_context("fork").Process(target=made.run, daemon=True)
    process.start()
    opened = []

    def connect():
        opened.append(socket.create_connection(public.getsockname()))
        opened[-1].settimeout(BOUND_S)
        return opened[-1]

    yield connect
    process.kill()
    process.join()
    for one in (*opened, public, behind):
        one.close()


def answered(connection, data=TIMELY):
    """Whether the connection gives the bytes back; else it has ended."""
    try:
        connection.sendall(data)
        return connection.recv(1 << 16) == data
    except ConnectionError:
        return False


def test_a_session_is_disconnected_at_a_time_after_the_venue_has_opened(doors, tmp_path):
    there, other = doors(), doors()
    assert answered(there, login("AT"))
    assert answered(other, login("OTHER"))
    assert answered(other), "a rule with a time waits for the venue"
    write_status(tmp_path, {"state": "open"})
    with suppress(ConnectionResetError):
        assert there.recv(1) == b""
    other.sendall(TIMELY + login("OTHER"))
    assert other.recv(1 << 16) == login("OTHER"), "from then on the text is lost"


def test_connections_have_a_bound(doors):
    held = [doors() for _ in range(4)]
    assert all(answered(one) for one in held)
    assert not answered(doors()), "one more is closed"
    assert all(answered(one) for one in held), "and takes no place of another"
    held[0].close()
    wait_until(lambda: answered(doors()), "a place that is free again")
