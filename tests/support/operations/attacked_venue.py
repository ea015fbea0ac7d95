"""A venue with every listener that it, its portal and its pages can have, each in its real process,
and the door of each for attackers and an honest client."""

import contextlib
import itertools
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from openoutcry.client.fix import FixClient, write_message
from openoutcry.client.shm import ShmClient
from openoutcry.client.waiting import ClientError
from openoutcry.host.processes import named_children
from openoutcry.market_data.glimpse import packet_of
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.acceptor import MAX_WAITING
from openoutcry.portal.native.quote_door import logon_password
from openoutcry.venue import desk
from openoutcry.wire.messages import SOUPBIN
from tests.support import plain_http
from tests.support.console.console_venue import (
    OPERATORS,
    OPERATORS_HASH,
    TOTP,
    ApiClient,
    ScreenClient,
    begin_page,
    ended,
)
from tests.support.console.console_venue import PASSWORD as OPERATORS_PASSWORD
from tests.support.operations.load_attacks import (
    Door,
    compressed_frame,
    compressed_post,
    frame,
    upgrade,
)
from tests.support.order_entry.sessions_venue import HASH, PASSWORD, Client
from tests.support.portal.portal_venue import CHOICES, FIRST, INSTRUMENTS, PortalVenue, venue_text
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, wait_until

CLIENTS, HONEST = itertools.count(), "127.200.0.1"
"""Address of the honest client, where its program lets it choose one."""
KEY = bytes(range(32))
MORE = """
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:{fix}"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{ouch}"
[[port]]
protocol = "shm"
path = "shm.socket"
[[port]]
protocol = "shm"
address = "127.0.0.1:{shm}"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{hash}"
second_login = "take-over"
timeout_ms = 600_000
[[session]]
name = "PAGE"
protocol = "ouch-4.2"
participant = 1
password = "{hash}"
grace_ms = 600_000
timeout_ms = 600_000
[[session]]
name = "FIX"
protocol = "fix-4.4"
participant = 1
password = "{hash}"
second_login = "take-over"
[[session]]
name = "LOCAL"
protocol = "shm"
participant = 1
key = "{key}"
[[session]]
name = "FAR"
protocol = "shm"
participant = 1
key = "{key}"
networks = ["127.0.0.0/8"]
rings = true
second_login = "take-over"
[market_data]
interface = "127.0.0.1"
heartbeat_ms = 50
interval_ms = 20
idle_us = 2_000
a = "239.193.9.1:{feed}"
stream = "127.0.0.1:{stream}"
depth = "239.193.9.2:{depth}"
pages = "127.0.0.1:{pages}"
snapshots = "127.0.0.1:{snapshots}"
"""
PORTS = ("fix", "ouch", "shm", "feed", "stream", "depth", "pages", "snapshots")


GAVE_WAY = ("does not accept", "reset by peer", "Broken pipe", "not available")
"""What a login over shared memory is answered that was the oldest of its user when one more came:
before the challenge was read, after it, or while the login was sent.  The last one: the session of
the request before has not ended yet."""
TURNS = {"most_left": MAX_WAITING}
"""A client that has sent a wrong password has its turn later, also if it has gone."""


class AttackedVenue:
    """The venue, its portal in two processes, console and screen."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: free_port() for name in PORTS}
        self.quotes, self.numbers = free_port(), itertools.count(1)
        more = MORE.format(hash=HASH, key=KEY.hex(), **self.ports)
        more += OPERATORS.replace("HASH", OPERATORS_HASH).replace("TOTP", TOTP)
        text = venue_text(INSTRUMENTS[:2]).replace("100_000_000", "40_000_000")
        self.portal = PortalVenue(folder, 4, "--processes=2", text=text, more=more)
        self.folder, self.venue = folder, self.portal.venue
        (folder / "portal.toml").write_text(
            CHOICES + f'[quotes]\nmakers = [{FIRST + 1}]\nfix = "127.0.0.1:{self.quotes}"\n'
        )
        self.pages: dict[str, tuple[subprocess.Popen[str], str]] = {}
        self.stack = ExitStack()

    def __enter__(self) -> "AttackedVenue":
        with ExitStack() as stack:
            stack.enter_context(self.portal)
            self.person = self.portal.person(USD=10**12)
            file = self.folder / "venue.toml"
            for name, words in {
                "console": ("venue", "console"),
                "screen": ("screen",),
                "metrics": ("venue", "metrics"),
            }.items():
                self.pages[name] = begin_page(file, words)
                stack.callback(ended, self.pages[name][0])
            self.operators = stack.enter_context(ApiClient(self.pages["console"][1]))
            assert self.operators.log_in("anna", OPERATORS_PASSWORD).status_code == 200
            self.trader = stack.enter_context(ScreenClient(self.pages["screen"][1]))
            assert self.trader.log_in("PAGE").status_code == 200
            self.trader.ready()
            self.signed = self.portal.client(self.person)
            self.signed.http.close()
            headers = {"x-mbx-apikey": self.person.api_key}
            self.signed.http = plain_http.client(self.portal.url, HONEST, headers=headers)
            stack.callback(self.signed.http.close)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def of_venue(self) -> list[int]:
        """Return the venue's processes."""
        assert self.venue.process is not None
        return [self.venue.process.pid, *self.venue.children()]

    def of_portal(self) -> list[int]:
        """Return the portal's processes, without its database."""
        assert self.portal.portal is not None
        pid = self.portal.portal.pid
        return [
            pid,
            *(one for name, one in named_children(pid) if name.startswith(("web", "reader"))),
        ]

    def of_page(self, name: str) -> Callable[[], list[int]]:
        """Return what says the process of a page."""
        return lambda: [self.pages[name][0].pid]

    def door(self, name: str, addresses: int) -> Door:
        """Return a listener's door for so many attackers, whose addresses no other had."""
        address, request, ask, pids, more = getattr(self, name)()
        network = 8 + next(self.numbers)
        return Door(address, request, ask, pids=pids, addresses=addresses, network=network, **more)

    def at(self, port: int) -> tuple[str, int]:
        """Return the address of a port."""
        return "127.0.0.1", port

    # The portal

    def portal_requests(self) -> Any:
        """Requests of the portal over HTTP: of the Binance-shaped API, and of its own."""

        def ask() -> None:
            assert self.signed.get("/api/v3/account").status_code == 200

        request = b"GET /api/v3/time HTTP/1.1\r\nHost: localhost\r\n\r\n"
        more = {"compressed": compressed_post("/v1/login")}
        return self.at(self.portal.port), request, ask, self.of_portal, more

    def _portal_socket(self, path: str, text: dict[str, Any], wanted: bytes) -> Any:
        opening, message = upgrade(path), frame(json.dumps(text).encode())
        address = self.at(self.portal.port)

        def ask() -> None:
            asked_over_websocket(address, opening, message, wanted)

        more = {"opening": opening, "compressed": compressed_frame()}
        return address, message, ask, self.of_portal, more

    def portal_ws_api(self) -> Any:
        """``/ws-api/v3``."""
        return self._portal_socket("/ws-api/v3", {"id": 1, "method": "time"}, b"serverTime")

    def portal_streams(self) -> Any:
        """``/stream``."""
        text = {"id": 1, "method": "SUBSCRIBE", "params": ["btcusd@trade"]}
        return self._portal_socket("/stream", text, b'"result"')

    def portal_own_stream(self) -> Any:
        """``/v1/stream``."""
        return self._portal_socket("/v1/stream", {"id": 1, "op": "ping"}, b'"pong"')

    def portal_quotes(self) -> Any:
        """Requests for quotes over FIX."""
        sender = f"P{self.person.participant}"

        def ask() -> None:
            password = logon_password(sender, self.person.secret, _now_ms())
            terms: dict[str, Any] = {"username": self.person.api_key, "timeout_s": BOUND_S}
            client = FixClient("127.0.0.1", self.quotes, sender, password, target="OUTCRY", **terms)
            client.logout()

        request = logon("P1", "1.x", username="attacker")
        return self.at(self.quotes), request, ask, self.of_portal, {}

    def portal_broker(self) -> Any:
        """Brokers between the portal's processes: the attacker has the portal's user."""

        def ask() -> None:
            assert self.signed.get("/api/v3/account").status_code == 200

        request = b'{"do":"cancel","participant":%d,"terms":["BTC-USD",1,"a","b"],"n":1}\n'
        path = self.folder / "journal-portal" / "broker-0.sock"
        return str(path), request % FIRST, ask, self.of_portal, {}

    # Pages

    def _page(self, name: str, client: ApiClient, path: str) -> Any:
        port = int(self.pages[name][1].rstrip("/").rpartition(":")[2])

        def ask() -> None:
            try:
                answer = client.get(path)
            except httpx.RemoteProtocolError:
                # An idle connection of a name gives way to its others: it is asked again.
                answer = client.get(path)
            assert answer.status_code == 200

        return self.at(port), port, ask, self.of_page(name)

    def _page_requests(self, name: str, client: ApiClient, path: str) -> Any:
        address, _, ask, pids = self._page(name, client, path)
        request = b"GET /api/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return address, request, ask, pids, {"compressed": compressed_post("/api/login")}

    def _page_socket(self, name: str, client: ApiClient, path: str) -> Any:
        address, port, ask, pids = self._page(name, client, path)
        cookies = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
        headers = f"Origin: http://localhost:{port}\r\nCookie: {cookies}\r\n"
        opening = upgrade("/ws", headers).replace(b"localhost\r", b"localhost:%d\r" % port, 1)
        more = {"opening": opening, "compressed": compressed_frame()}
        return address, frame(b'{"every_ms":20}'), ask, pids, more

    def console(self) -> Any:
        """Requests at the console, without a login."""
        return self._page_requests("console", self.operators, "/api/overview")

    def console_socket(self) -> Any:
        """A viewer's WebSockets at the console."""
        with ApiClient(self.pages["console"][1]) as viewer:
            assert viewer.log_in("vera", OPERATORS_PASSWORD).status_code == 200
            row = self._page_socket("console", viewer, "")
        _, _, ask, _ = self._page("console", self.operators, "/api/overview")
        return row[0], row[1], ask, row[3], row[4]

    def screen(self) -> Any:
        """Requests at the participants' page, without a login."""
        return self._page_requests("screen", self.trader, "/api/own")

    def screen_socket(self) -> Any:
        """A participant's WebSockets at its page."""
        return self._page_socket("screen", self.trader, "/api/own")

    # The venue

    def ouch(self) -> Any:
        """The port for OUCH."""

        def ask() -> None:
            client = Client(self.ports["ouch"], "ONE", source=HONEST, sequence=0)
            with client.socket:
                assert client.answer[0] == "A"

        request = soupbin.login_packet(soupbin.LoginRequest("NOSUCH", "wrong", "", 1))
        return self.at(self.ports["ouch"]), request, ask, self.of_venue, TURNS

    def fix(self) -> Any:
        """The port for FIX."""

        def ask() -> None:
            FixClient("127.0.0.1", self.ports["fix"], "FIX", PASSWORD, timeout_s=BOUND_S).logout()

        request = logon("NOSUCH", "wrong")
        return self.at(self.ports["fix"]), request, ask, self.of_venue, TURNS

    def shared_memory(self) -> Any:
        """The socket for logins over shared memory; the attacker has a participant's user."""
        path = self.folder / "shm.socket"

        def is_answered() -> bool:
            try:
                ShmClient(path, "LOCAL", KEY, timeout_s=BOUND_S).close()
            except ClientError as error:
                if not any(one in str(error) for one in GAVE_WAY):
                    raise
                return False
            return True

        def ask() -> None:
            # The attackers' user is this client's: its oldest connections give way, so it may
            # have to ask again.
            wait_until(is_answered, "a login over shared memory")

        return str(path), b"L" * 128, ask, self.of_venue, {"kind": socket.SOCK_SEQPACKET}

    def shared_memory_over_tcp(self) -> Any:
        """The same logins over TCP."""
        address = self.at(self.ports["shm"])

        def ask() -> None:
            ShmClient(address, "FAR", KEY, timeout_s=BOUND_S).logout()

        return address, b"L" * 128, ask, self.of_venue, {}

    def market_pages(self) -> Any:
        """Market data for pages."""
        address, opening = self.at(self.ports["pages"]), upgrade("/")
        request = frame(b'{"subscribe":["BTC-USD"],"interval_ms":20}')

        def ask() -> None:
            asked_over_websocket(address, opening, request, b'"snapshot"')

        more = {"opening": opening, "compressed": compressed_frame()}
        return address, request, ask, self.of_venue, more

    def _feed(self, port: int) -> Any:
        login = SOUPBIN.from_client("L").pack(username="", password="", session="", sequence="1")
        request = packet_of("L", login[1:])

        def ask() -> None:
            with asking(self.at(port)) as one:
                one.sendall(request)
                assert one.recv(3)[2:] == b"A"

        return self.at(port), request, ask, self.of_venue, {}

    def desk(self) -> Any:
        """The operators' socket: the attacker has the venue's user."""
        journal = self.folder / "journal"

        def ask() -> None:
            try:
                desk.ask(journal, {"do": "nothing"})
            except desk.DeskError as error:
                if error.code == desk.UNAVAILABLE:
                    raise

        return str(journal / desk.NAME), b'{"do": "nothing"}\n', ask, self.of_venue, {}

    def feed_stream(self) -> Any:
        """The stream of the feed."""
        return self._feed(self.ports["stream"])

    def feed_snapshots(self) -> Any:
        """Snapshots of the feed."""
        address, request, ask_once, pids, more = self._feed(self.ports["snapshots"])

        def is_answered() -> bool:
            # An address has one a second: another one is closed without an answer.
            with contextlib.suppress(ConnectionError, AssertionError):
                ask_once()
                return True
            return False

        return address, request, lambda: wait_until(is_answered, "a snapshot"), pids, more

    def metrics(self) -> Any:
        """The metrics."""
        address = self.at(int(self.pages["metrics"][1].split(":")[2].partition("/")[0]))
        request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

        def is_answered() -> bool:
            with contextlib.suppress(ConnectionError), asking(address) as one:
                one.sendall(request)
                # Its connection may have been the oldest of an address that has as many.
                return one.recv(12) == b"HTTP/1.0 200"
            return False

        return (
            address,
            request,
            lambda: wait_until(is_answered, "metrics"),
            self.of_page("metrics"),
            {},
        )


DOORS = (
    "portal_requests", "portal_ws_api", "portal_streams", "portal_own_stream", "portal_quotes",
    "portal_broker", "console", "console_socket", "screen", "screen_socket", "ouch",
    "fix", "shared_memory", "shared_memory_over_tcp", "desk",
    "market_pages", "feed_stream", "feed_snapshots", "metrics",
)  # fmt: skip
"""Methods of :class:`AttackedVenue`, each a listener."""


@contextmanager
def asking(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A connection of an honest client: each comes from an address that has its share unused."""
    number = next(CLIENTS)
    source = f"127.{199 - number // 65_536}.{number // 256 % 256}.{number % 256}"
    with socket.create_connection(address, BOUND_S, source_address=(source, 0)) as one:
        yield one


def asked_over_websocket(
    address: tuple[str, int], opening: bytes, message: bytes, wanted: bytes
) -> None:
    """Open a WebSocket as the honest client, send a message and wait for what the answer holds."""
    with asking(address) as one:
        one.sendall(opening)
        read = b""
        while b"\r\n\r\n" not in read and (more := one.recv(1 << 12)):
            read += more
        assert b" 101 " in read, read
        one.sendall(message)
        while wanted not in read:
            more = one.recv(1 << 16)
            assert more, read
            read += more


def logon(sender: str, password: str, username: str = "") -> bytes:
    """Return a Logon of FIX 4.4."""
    fields = [(35, "A"), (49, sender), (56, "OUTCRY"), (34, "1"), (52, "20261126-12:00:00")]
    fields += [(98, "0"), (108, "30"), (553, username or sender), (554, password)]
    return write_message(fields)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
