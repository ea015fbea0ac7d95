"""The load budget of every listener: each that listens is in the table, and an attacker of each
kind leaves an honest client's request answered, memory bounded and nothing behind.

The attackers come from 50 addresses.  Nothing here is judged by the clock."""

import asyncio
import contextlib
import json
import os
import re
import socket
import threading
from types import SimpleNamespace

import pytest

from openoutcry import PACKAGE
from openoutcry.client.fix import write_message
from openoutcry.custody import sockets as custody
from openoutcry.market_data.snapshot_logins import WAITING_AT_ONCE, SnapshotLogins
from openoutcry.operations.connection_limits import allow_files
from openoutcry.operations.load_table import LISTENERS
from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.scrape import MAX_CONNECTIONS, make_metrics_server
from openoutcry.order_entry.soupbin import LoginRequest, login_packet
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.native.quote_door import MAX_WAITING, QuoteDoor
from openoutcry.routing.control import Control
from openoutcry.venue import desk
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.unix_socket import connect
from tests import ROOT
from tests.support.documents import listeners as page
from tests.support.operations.load_attacks import ATTACKS, MOST_MORE_BYTES, Door, Held
from tests.support.waiting import BOUND_S, wait_until

LISTENS = re.compile(
    r"\.bind\(|start_server\(|start_unix_server\(|create_server\(|make_server\(|\.serve\(\n|\.accept\(\)"
)
OTHERWISE = {
    "client/portal.py": "binds the arguments of a call, and no socket",
    "pipeline/run.py": "its sessions and ports bind themselves",
    "pipeline/warm_run.py": "its sessions and ports bind themselves",
    "replica/cluster.py": "looks for a free port",
    "wire/free_port.py": "looks for a free port",
    "ptp/management.py": "asks ptp4l",
}
ATTACKED = "tests/system/operations/test_load_budgets.py"
SELECT_TAKES = 1_024
"""Descriptors from here on are none of those that ``select`` takes."""


def test_every_module_that_listens_is_in_the_table():
    found = set()
    for room in PACKAGE.iterdir():
        for path in room.resolve().rglob("*.py"):  # six rooms are links
            name = f"{room.name}/{path.relative_to(room.resolve())}"
            if LISTENS.search(path.read_text()) and not name.startswith("bench/"):
                found.add(name)
    websockets = {name for name in found if "/live.py" in name or "/sockets.py" in name}
    websockets |= {"portal/native/stream.py"}  # accepted by the web server before
    named = {module for one in LISTENERS for module in one.modules}
    assert found - named - set(OTHERWISE) - (websockets - {"custody/sockets.py"}) == set()
    assert named <= found | {"order_entry/acceptor.py", "market_data/feed_process.py"}


def test_the_page_has_the_table_and_its_tests_exist():
    text = page.PAGE.read_text()
    assert page.page(text) == text, "python -m tests.support.documents.listeners"
    assert all((ROOT / one.test).is_file() for one in LISTENERS)
    assert {one.name for one in LISTENERS if one.test == ATTACKED} == set(SERVED)


@contextlib.contextmanager
def polled(poll):
    """``poll`` is called in a thread until the end."""
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            poll()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def metrics(folder):
    server = make_metrics_server(VenueMetrics(None), ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    door = Door(("127.0.0.1", server.server_port), request, None)

    def ask():
        with socket.create_connection(door.address, BOUND_S) as one:
            one.sendall(request)
            assert one.recv(12) == b"HTTP/1.0 200"

    door.ask = ask
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def custodys(folder):
    server = custody.Server(folder / "door.sock", lambda request: request)
    with contextlib.closing(server), polled(server.poll):
        asked = {"do": "hello"}

        def ask():
            assert custody.ask(server.path, asked) == asked

        yield Door(str(server.path), json.dumps(asked).encode() + b"\n", ask)


@contextlib.contextmanager
def desks(folder):
    def refuse(request):
        raise OutcryError("no such request")

    served = desk.Desk(folder, refuse)
    with contextlib.closing(served), polled(lambda: served.poll(lambda rows: 0, bool)):

        def ask():
            try:
                desk.ask(folder, {"do": "nothing"})
            except OutcryError as error:
                if "no such request" not in str(error):
                    raise

        yield Door(str(folder / desk.NAME), b'{"do": "nothing"}\n', ask)


@contextlib.contextmanager
def controls(folder):
    router = SimpleNamespace(
        market=SimpleNamespace(instrument=SimpleNamespace(symbol="GOLD")),
        store=SimpleNamespace(parents={}),
    )
    control = Control(folder / "parents")
    path, request = control._path, b'{"parent": 1}\n'
    with contextlib.closing(control), polled(lambda: control.serve(router)):

        def ask():
            with socket.socket(socket.AF_UNIX) as one:
                connect(one, path, BOUND_S)
                one.sendall(request)
                assert b"does not run here" in one.recv(1_000)

        yield Door(str(path), request, ask)


@contextlib.contextmanager
def quote_door(native, callers):
    """The door for quotes, with its loop in a thread."""
    started, ends = threading.Event(), []
    door = QuoteDoor(
        native, callers, "VENUE", ("127.0.0.1", 0), lambda at: True, lambda at, weight: None
    )

    async def run():
        task = asyncio.create_task(door.run())
        while door.address[1] == 0:
            await asyncio.sleep(0.001)
        ends.append((asyncio.get_running_loop(), task))
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert started.wait(BOUND_S)
    try:
        yield door
    finally:
        loop, task = ends[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def logon(key):
    fields = [(35, "A"), (49, "P1"), (56, "VENUE"), (34, "1"), (52, "20261129-12:00:00")]
    fields += [(98, "0"), (108, "30"), (553, key), (554, "1.x")]
    return write_message(fields)


@contextlib.contextmanager
def quotes(folder):
    """The door for quotes; a Logon is answered by whoever checks its key."""
    asked = []

    class Callers:
        async def of_key(self, key, *rest, **more):
            asked.append(key)
            raise AccountError("there is no such key")

    native = SimpleNamespace(quotes=SimpleNamespace(listeners=[]))
    with quote_door(native, Callers()) as door:

        def ask():
            with socket.create_connection(door.address[:2], BOUND_S) as one:
                one.sendall(logon("honest"))
                assert one.recv(64) == b""
            assert "honest" in asked
            asked.clear()

        yield Door(door.address[:2], logon("attacker"), ask)


SERVED = {
    "metrics": metrics,
    "custody's door and signers": custodys,
    "the venue's desk": desks,
    "the router's control": controls,
    "requests for quotes over FIX": quotes,
}


@pytest.fixture(scope="module", autouse=True)
def many_open():
    """This process has more descriptors open than ``select`` takes, as a busy server has."""
    allow_files()
    with contextlib.ExitStack() as stack, open("/dev/null") as null:
        while (number := os.dup(null.fileno())) < SELECT_TAKES:
            stack.callback(os.close, number)
        os.close(number)
        yield


@pytest.mark.promise(
    "Under slow, fast, empty, fragmented, pipelined and unread attacks from 50 addresses, each "
    "listener of the table answers an honest client, in bounded memory, and keeps no connection",
    group="doors",
)
@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("attack", [one for one in ATTACKS if one != "compressed"])
def test_an_honest_client_is_answered_under_attack(name, attack, tmp_path):
    with SERVED[name](tmp_path) as door:
        door.ask()
        before, open_before = door.memories(), door.descriptors()
        held: Held = []
        try:
            for _ in range(3):
                ATTACKS[attack](door, held)
                door.ask()
            (pid,) = before
            assert door.memories()[pid] - before[pid] <= MOST_MORE_BYTES
        finally:
            for one in held:
                one.close()
        door.ask()
        wait_until(
            lambda: door.descriptors()[pid] <= open_before[pid], "every connection is closed"
        )


WEB = "tests/system/operations/test_one_request_at_a_time.py"
ANSWERED = {
    "portal": WEB,
    "console and screen": WEB,
    "sessions: OUCH, FIX, drop copy, shared memory, also over TCP": "tests/unit/order_entry/"
    "test_sessions_hostile.py",
    "metrics": ATTACKED,
    "requests for quotes over FIX": ATTACKED,
    "snapshots of a feed": ATTACKED,
}
"""Listeners whose connections say nothing first, and are worked on then; where a test shows that
silent newcomers end none that is worked on."""
NO_CROWD = {
    "brokers between a portal's processes": "of the portal's own processes",
    "custody's door and signers": "a request that has come is answered before another is accepted",
    "the venue's desk": "a connection with a request gives way to none",
    "the router's control": "a request that has come is answered before another is accepted",
    "a test venue's ports": "a newcomer is refused where there is no place",
    "pages of market data": "a newcomer is refused where there is no place",
    "market data over FIX": "a Logon that has come is answered at once",
    "the stream of a feed": "a newcomer is refused where there is no place",
    "retransmission, and groups that a client joins": "datagrams",
    "order packets": "datagrams",
}


def test_every_listener_is_one_of_those():
    assert {one.name for one in LISTENERS} == set(ANSWERED) | set(NO_CROWD)
    assert {name for name, path in ANSWERED.items() if path == ATTACKED} == set(HOLDS)
    named = "gives_way_to_no_connection_that_says_nothing", "test_silent_newcomers_end_no"
    for path in ANSWERED.values():
        assert any(one in (ROOT / path).read_text() for one in named), path


@contextlib.contextmanager
def held_metrics():
    """Its address, a request, whether that has come, and what lets it be answered."""
    came, may_end = threading.Event(), threading.Event()

    class Held:
        def collect(self):
            if threading.current_thread() is not threading.main_thread():
                came.set()
                assert may_end.wait(BOUND_S)
            return []

    server = make_metrics_server(Held(), ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try:
        yield ("127.0.0.1", server.server_port), request, came, may_end, MAX_CONNECTIONS
    finally:
        may_end.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def held_quotes():
    came, may_end = threading.Event(), threading.Event()

    class Callers:
        async def of_key(self, key, *rest, **more):
            came.set()
            await asyncio.to_thread(may_end.wait, BOUND_S)
            answered.append(not self.is_ended())
            raise AccountError("there is no such key")

        def is_ended(self):
            return any(one.transport.is_closing() for one in door._waiting.checked)

    answered = []
    native = SimpleNamespace(quotes=SimpleNamespace(listeners=[]))
    with quote_door(native, Callers()) as door:
        yield door.address[:2], logon("honest"), came, may_end, MAX_WAITING
        assert answered == [True]


@contextlib.contextmanager
def held_snapshots():
    """The feed's process polls, and begins no snapshot meanwhile."""
    came, may_end = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        listener.setblocking(False)
        logins = SnapshotLogins(listener)

        def poll():
            logins.poll("DAY")
            if logins.logins.checked:
                came.set()
            if may_end.is_set() and (one := logins.take(lambda address: 0)) is not None:
                one.connection.sendall(b"a snapshot")
                one.connection.close()

        with polled(poll):
            login = login_packet(LoginRequest("any", "any", "", 1))
            yield listener.getsockname(), login, came, may_end, WAITING_AT_ONCE
        logins.close_all()


HOLDS = {
    "metrics": held_metrics,
    "requests for quotes over FIX": held_quotes,
    "snapshots of a feed": held_snapshots,
}


@pytest.mark.promise(
    "At every listener whose connections wait for a login or a request, one that is being answered "
    "gives way to none that says nothing, from however many addresses",
    group="doors",
)
@pytest.mark.parametrize("name", HOLDS)
def test_silent_newcomers_end_no_connection_that_is_answered(name):
    with HOLDS[name]() as (address, request, came, may_end, most), contextlib.ExitStack() as crowd:
        honest = crowd.enter_context(socket.create_connection(address, BOUND_S))
        honest.sendall(request)
        assert came.wait(BOUND_S)
        gone = []
        for number in range(most + 8):
            one = crowd.enter_context(socket.socket())
            one.bind((f"127.10.{number // 200}.{1 + number % 200}", 0))
            one.connect(address)
            gone.append(one)
        for one in gone[:8]:  # the oldest of them give way
            one.settimeout(BOUND_S)
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""
        may_end.set()
        answer = honest.recv(64)
        assert answer or name == "requests for quotes over FIX"  # a Logon is refused without a word
