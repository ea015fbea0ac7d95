"""One owner takes all that it can of each bounded resource of a served venue, and keeps it: all
others and an operator still get in.

Owners that cannot be made here are in unit tests, by name in docs/security.md: epochs of a packet
session, tickets of the desk, webhooks to a dead port.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from openoutcry.client.shm import ShmClient
from openoutcry.host.processes import named_children
from openoutcry.market_data import mold
from openoutcry.market_data.glimpse import fetch
from openoutcry.order_entry import soupbin
from openoutcry.wire.peers import owner_of
from tests.support import plain_http
from tests.support.adversary.other_user import NOBODY, as_root
from tests.support.console.console_venue import ApiClient, ConsoleVenue, ScreenClient
from tests.support.console.websockets_patient import connect
from tests.support.order_entry.sessions_venue import KEY, Client
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import MeasuredPortalVenue, PortalVenue, SignedClient
from tests.support.processes import free_port
from tests.support.user_commands import run
from tests.support.waiting import BOUND_S

ATTACKER, OTHER = "127.0.0.3", "127.0.0.4"
"""Not this host's own address, which has no share: a proxy on it speaks for all its clients."""
SHM = f"""
[[port]]
protocol = "shm"
[[session]]
name = "NEAR"
protocol = "shm"
participant = 2
key = "{KEY.hex()}"
[[session]]
name = "FAR"
protocol = "shm"
participant = 3
key = "{"5a" * 32}"
user = {NOBODY}
"""
HELD: list[socket.socket] = []


class Floor(ConsoleVenue):
    """With every server of market data, and sessions over shared memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        ports = {name: free_port() for name in ("retransmission", "snapshots", "pages")}
        self.ports = ports | {"ouch": self.ouch}
        text = self.file.read_text()
        line = next(row for row in text.splitlines() if row.startswith("stream = "))
        self.ports["stream"] = int(line.rpartition(":")[2].strip('"'))
        more = "".join(f'\n{name} = "127.0.0.1:{port}"' for name, port in ports.items())
        text = text.replace(line, line + more)
        self.file.write_text(text + (SHM if os.geteuid() == 0 else ""))
        self.file.chmod(0o600)


@pytest.fixture
def nothing_left_behind() -> None:
    """The venues of this module are there until its end."""


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    venue = Floor(tmp_path_factory.mktemp("shares"))
    try:
        venue.start()
        venue.serve_screen()
        yield venue
    finally:
        venue.stop()


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    for one in HELD:
        one.close()
    HELD.clear()


def take(port: int, count: int, data: bytes = b"", source: str = ATTACKER) -> int:
    """So many connections that stay; how many of them the server has not closed."""
    own = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), BOUND_S, (source, 0))
            own.append(one)
            if data:
                one.sendall(data)
    HELD.extend(own)
    return len(own)


def url_port(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


def from_address(url: str, source: str) -> httpx.Client:
    return plain_http.client(url, source)


def from_other() -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=False, local_address=OTHER)


def operator_gets_in(floor: Floor) -> None:
    """At the console from another address, and at the desk."""
    client = ApiClient(floor.url, transport=from_other())
    with client as anna:
        assert anna.log_in("anna").status_code == 200
        assert anna.get("/api/overview").status_code == 200
    assert "CONTINUOUS" in run("outcry venue status venue.toml", floor.folder)


def session_gets_in(floor: Floor) -> None:
    two = Client(floor.ouch, "TWO", source=OTHER)
    try:
        assert two.answer[0] == "A"
    finally:
        two.close()


def wrong_login(name: str) -> bytes:
    return soupbin.login_packet(soupbin.LoginRequest(name, "wrong", "", 0))


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_connections_and_hashing_of_sessions(floor: Floor) -> None:
    take(floor.ouch, 300)
    session_gets_in(floor)
    take(floor.ouch, 60, wrong_login("TWO"))
    session_gets_in(floor)
    operator_gets_in(floor)


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_connections_and_hashing_of_pages(floor: Floor) -> None:
    for url in (floor.url, floor.screen_url):
        take(url_port(url), 600)
        body = json.dumps({"name": "anna", "password": "wrong", "code": ""}).encode()
        head = f"POST /api/login HTTP/1.1\r\nhost: 127.0.0.1:{url_port(url)}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        take(url_port(url), 60, head.encode() + body)
    operator_gets_in(floor)
    page = ScreenClient(floor.screen_url, transport=from_other())
    with page as one:
        assert one.log_in("PAGE1").status_code == 200
        one.ready()
    session_gets_in(floor)


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_logins_of_one_name(floor: Floor) -> None:
    """A viewer logs in without end, and a participant at the page: others' logins last."""
    with (
        floor.client("anna") as anna,
        ScreenClient(floor.screen_url) as one,
        ScreenClient(floor.screen_url) as other,
    ):
        assert one.log_in("PAGE1").status_code == 200
        for _ in range(70):
            with floor.client() as viewer:
                viewer.log_in("vera")
        for _ in range(70):
            assert other.log_in("PAGE3").status_code in (200, 429)
        assert anna.get("/api/overview").status_code == 200
        assert one.get("/api/own").status_code == 200
    operator_gets_in(floor)


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_places_of_market_data(floor: Floor) -> None:
    ports = floor.ports
    # The stream: 128 of an address.
    take(ports["stream"], 200)
    with socket.create_connection(("127.0.0.1", ports["stream"]), BOUND_S, (OTHER, 0)) as one:
        one.sendall(soupbin.login_packet(soupbin.LoginRequest("any", "", "", 1)))
        assert one.recv(64)[2:3] == b"A"
    # Snapshots: 4 of an address, of 16.
    take(ports["snapshots"], 40)
    assert fetch(("127.0.0.1", ports["snapshots"]), "any")[1]
    # Pages: 512 of an address.
    sockets = []
    url = f"ws://127.0.0.1:{ports['pages']}/"
    for _ in range(520):
        with contextlib.suppress(ConnectionClosed, OSError):
            raw = socket.create_connection(("127.0.0.1", ports["pages"]), BOUND_S, (ATTACKER, 0))
            sockets.append(connect(url, sock=raw))
    raw = socket.create_connection(("127.0.0.1", ports["pages"]), BOUND_S, (OTHER, 0))
    with connect(url, sock=raw) as page:
        page.send(json.dumps({"subscribe": ["GOLD"]}))
        assert json.loads(page.recv(BOUND_S))
    for one in sockets:
        one.socket.close()
    # Retransmission: a client's rate, of an address that of four.
    request = mold.header("0" * 10, 1, 1)
    flood = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    for number, one in enumerate(flood * 40):
        if number < len(flood):
            one.bind((ATTACKER, 0))
        one.sendto(request, ("127.0.0.1", ports["retransmission"]))
    for one in flood:
        one.close()
    session_gets_in(floor)
    operator_gets_in(floor)


@pytest.mark.promise(
    "What a stranger sends costs a server of market data a bounded part of its time. This holds "
    "for snapshots, packets to the stream, requests of pages, and the search for a message's place",
    group="capacity",
)
def test_a_client_of_snapshots_has_no_process_before_its_login(floor: Floor) -> None:
    """50 addresses are silent or stop in the middle of a login; another one has its snapshot, and
    nothing else was forked but, it may be, a checkpoint."""
    port = floor.ports["snapshots"]
    for number in range(50):
        take(port, 1, b"" if number % 2 else b"\x00\x2fLany", f"127.0.8.{number + 1}")
    assert fetch(("127.0.0.1", port), "any")[1]
    assert floor.venue.process is not None
    feed = dict(named_children(floor.venue.process.pid))["feed"]
    assert len(psutil.Process(feed).children()) <= 2


@as_root
@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
def test_logins_over_shared_memory(floor: Floor) -> None:
    """Another user of the host, whom a session names, holds the socket of logins."""
    path = str(floor.folder / "shm.socket")
    for above in (floor.folder, *floor.folder.parents):
        above.chmod(above.stat().st_mode | 0o011)
        if above.name.startswith("pytest-of-"):
            break

    def hold() -> None:
        os.seteuid(NOBODY)
        try:
            for _ in range(300):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                one.connect(path)
                HELD.append(one)
        finally:
            os.seteuid(0)

    hold()
    # The queue of connections to the socket may be full: the client waits.
    with ShmClient(path, "NEAR", KEY) as near:
        assert near.heartbeat()
    session_gets_in(floor)
    operator_gets_in(floor)


# The portal.


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalVenue]:
    with MeasuredPortalVenue(tmp_path_factory.mktemp("portal-shares")) as venue:
        yield venue


def user_gets_in(portal: PortalVenue, person: object) -> None:
    """From another address: a login, a signed request and an order, and a stream."""
    with from_address(portal.url, OTHER) as http:
        body = {"mail": person.mail, "password": PASSWORD}  # type: ignore[attr-defined]
        assert http.post("/v1/login", json=body).status_code == 200
        client = SignedClient(portal.url, person)  # type: ignore[arg-type]
        client.http.close()
        client.http = http
        http.headers["x-mbx-apikey"] = person.api_key  # type: ignore[attr-defined]
        placed = client.order("BUY", "0.001", "100")
        assert placed.status_code == 200, placed.text
        assert client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD").status_code == 200
    raw = socket.create_connection(("127.0.0.1", portal.port), BOUND_S, (OTHER, 0))
    with connect(f"ws://127.0.0.1:{portal.port}/ws", sock=raw) as one:
        one.send('{"id":1,"method":"LIST_SUBSCRIPTIONS"}')
        assert json.loads(one.recv(BOUND_S)) == {"result": [], "id": 1}
    assert "CONTINUOUS" in run("outcry venue status venue.toml", portal.folder)


UPGRADE = "\r\n".join(
    (
        "GET /ws HTTP/1.1",
        "host: x",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-version: 13",
        "\r\n",
    )
).encode()


def open_sockets(portal: PortalVenue, count: int) -> int:
    """WebSockets of the attacker's address; how many of them are open."""
    for _ in range(count):
        with contextlib.suppress(Exception):
            raw = socket.create_connection(("127.0.0.1", portal.port), BOUND_S, (ATTACKER, 0))
            HELD.append(raw)
            key = "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
            head = (
                f"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n{key}"
            )
            raw.sendall(head.encode() + b"\r\n")
            raw.recv(1 << 12)
    return len(HELD)


@pytest.mark.promise(
    "One owner that takes all it can of a resource (connections, hashing, pages, subscriptions, "
    "snapshots, the stream, retransmission, shared-memory logins, the portal) keeps no other and "
    "no operator out",
    group="capacity",
)
@pytest.mark.parametrize("what", ["silent", "sockets", "bodies", "weight", "hashing", "books"])
def test_the_portal(portal: PortalVenue, what: str) -> None:
    person = portal.person(USD=10**12)
    if what == "silent":
        take(portal.port, 1_500)
    elif what == "sockets":
        open_sockets(portal, 400)
    elif what == "bodies":
        head = b"POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
        take(portal.port, 400, head)
    elif what == "weight":
        with from_address(portal.url, ATTACKER) as flood:
            statuses = {flood.get("/readyz").status_code for _ in range(200)}
            assert statuses == {200}
            statuses = {flood.get("/api/v3/allOrders").status_code for _ in range(400)}
            assert 429 in statuses
            assert flood.get("/readyz").status_code in (418, 429)
    elif what == "hashing":
        head = b"POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        for number in range(60):
            mail = {"mail": f"n{number}@example.com", "password": "not a password"}
            body = json.dumps(mail).encode()
            take(portal.port, 1, head + f"content-length: {len(body)}\r\n\r\n".encode() + body)
    else:
        open_sockets(portal, 20)

        def subscribe(raw: socket.socket) -> None:
            names = json.dumps(["btcusd@depth", "ethusd@depth"] * 200)
            for method in ("SUBSCRIBE", "UNSUBSCRIBE") * 40:
                text = f'{{"id":1,"method":"{method}","params":{names}}}'.encode()
                with contextlib.suppress(OSError):
                    raw.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text)

        threads = [threading.Thread(target=subscribe, args=(raw,)) for raw in HELD]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    user_gets_in(portal, person)


def test_the_attacker_of_these_tests_is_one_owner() -> None:
    assert owner_of(ATTACKER) != owner_of(OTHER)
