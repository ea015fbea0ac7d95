"""A venue with its portal, each in its processes, people who trade, and clients that only wait for
bytes: what the client takes is not what is measured."""

import hashlib
import hmac
import itertools
import json
import mmap
import os
import re
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psutil

from openoutcry.client.fix import FixClient
from openoutcry.host.processes import named_children
from openoutcry.journal.disk import REAL
from openoutcry.journal.segment import write_zeros
from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.file import read_venue
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.free_port import free_port

FIRST, START_S, PASSWORD = 1000, 180.0, "seven crooked ladders"
OUTCRY = [sys.executable, "-m", "openoutcry"]
LIMITS = """
[limits]
weight_a_minute = 1_000_000_000
key_weight_a_minute = 1_000_000_000
orders_in_10_s = 1_000_000_000
orders_a_day = 1_000_000_000
[registration]
challenge_cost = 0
"""
STRICT = """
[limits]
orders_in_10_s = 400
"""
"""The rest is as everywhere."""
COMMITS, COMMIT_BYTES = 1_024, 4_096
FUNDS = {"USD": 10**15, "BTC": 10**13}


class BenchError(OutcryError):
    """A measured process does not answer as it must."""


OWN = """
[[session]]
name = "OWN"
protocol = "fix-4.4"
participant = {number}
password = "{hash}"
cancel_on_disconnect = "none"
self_trade = "cancel-newest"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:{port}"
"""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of ``condition``, asked every 50 ms; its refusals count as no answer.
    Raises :class:`BenchError`, naming ``what``, after START_S seconds."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        with suppress(OSError, DeskError, ValueError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise BenchError(f"{what} did not come within {START_S:.0f} s")


numbers = itertools.count(1)
"""Of the orders of this process."""


@dataclass(frozen=True)
class Person:
    """A user with an API key: ``secret`` signs its requests."""

    mail: str
    participant: int
    api_key: str
    secret: str

    def signed(self, **params: Any) -> str:
        """The query of a request, with its time and signature."""
        params["timestamp"] = time.time_ns() // 1_000_000
        query = urlencode(params)
        digest = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{query}&signature={digest}"


class Venue:
    """A served venue with wallets in ``folder``; its portal is started and stopped as asked."""

    def __init__(self, folder: Path, people: int) -> None:
        self.folder, self.port, self.people = folder, free_port(), people
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "log.txt").open("ab")
        (folder / "portal.toml").write_text(LIMITS)
        (folder / "strict.toml").write_text(STRICT)
        self.own = FIRST + people
        """A participant that is no user's, with a session over FIX."""
        made = [*OUTCRY, "portal", "init", "venue.toml", f"--users={people}"]
        subprocess.run(made, cwd=folder, check=True, stdout=self._log, stderr=self._log)
        self.fix_port, self.password = free_port(), make_password()
        terms = {"number": self.own, "hash": password_hasher().hash(self.password)}
        with (folder / "venue.toml").open("a") as file:
            file.write(OWN.format(port=self.fix_port, **terms))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The venue, for as long as this lasts."""
        with self._process("serve", "venue.toml"):
            yield

    @contextmanager
    def portal(self, count: int, settings: str = "portal.toml") -> Iterator[psutil.Process]:
        """A portal of ``count`` processes that serve, all of which are ready; yields the first."""
        listen = f"--listen=127.0.0.1:{self.port}"
        more = listen, f"--settings={settings}", f"--processes={count}"
        with self._process("portal", "serve", "venue.toml", *more) as process:
            ready: set[int] = set()

            def is_ready() -> bool:
                if process.poll() is not None:
                    raise BenchError("the portal has ended: " + self._said())
                ready.add(self.ask("GET", "/readyz")["process"])
                return len(ready) == count

            wait_for(is_ready, "the portal")
            yield psutil.Process(dict(named_children(process.pid))["web 0"])

    @contextmanager
    def _process(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            [*OUTCRY, *command], cwd=self.folder, stdout=self._log, stderr=self._log
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(START_S)

    def _said(self) -> str:
        return (self.folder / "log.txt").read_text(errors="replace")[-500:]

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """The answer of the portal, parsed; ``token``: a user's access token."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        content = json.dumps(body).encode() if body is not None else None
        request = Request(f"http://127.0.0.1:{self.port}{path}", content, headers, method=method)
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def person(self, number: int) -> Person:
        """A person who signs up, gets a key, and funds."""
        mail = f"person{number}@example.com"
        body = {"mail": mail, "password": PASSWORD}
        self.ask("POST", "/v1/register", body)
        code = wait_for(lambda: self._code(mail), "the code")
        self.ask("POST", "/v1/verify", body | {"code": code})
        token = self.ask("POST", "/v1/login", body)["access_token"]
        wait_for(lambda: self.ask("GET", "/v1/me", token=token)["is_open"], "the participant")
        participant = self.ask("GET", "/v1/me", token=token)["participant"]
        asked = {"label": "bench", "password": PASSWORD, "permissions": ["read", "trade"]}
        key = self.ask("POST", "/v1/api-keys", asked, token)
        for asset, amount in FUNDS.items():
            self._fund(participant, asset, amount)
        return Person(mail, participant, key["api_key"], key["secret"])

    def session(self) -> FixClient:
        """A session at the venue, of a participant that is no user's."""
        request = {"do": "participant-add", "participant": self.own, "reference": "bench"}
        wait_for(lambda: ask(self.folder / "journal", request), "a participant")
        for asset, amount in FUNDS.items():
            self._fund(self.own, asset, amount)
        file = read_venue(self.folder / "venue.toml")
        return FixClient("127.0.0.1", self.fix_port, "OWN", self.password, target=file.name)

    def _code(self, mail: str) -> str:
        lines = (self.folder / "journal-portal" / "mails.jsonl").read_text().splitlines()
        texts = [row["text"] for row in map(json.loads, lines) if row["to"] == mail]
        return re.findall(r"\b\d{8}\b", texts[-1])[0] if texts else ""

    def _fund(self, participant: int, asset: str, amount: int) -> None:
        request = {"do": "deposit", "participant": participant, "asset": asset}
        wait_for(lambda: ask(self.folder / "journal", request | {"amount": amount}), "a deposit")


class Client:
    """A blocking connection that is handed whole requests and takes whole answers."""

    def __init__(self, port: int, upgrade: str = "", address: str = "127.0.0.1") -> None:
        """``upgrade``: the path of a WebSocket; nothing: HTTP.  ``address``: its own."""
        self.socket = socket.create_connection(("127.0.0.1", port), 60, (address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        if upgrade:
            head = f"GET {upgrade} HTTP/1.1\r\nhost: portal\r\nupgrade: websocket\r\n"
            head += "connection: upgrade\r\nsec-websocket-version: 13\r\n"
            head += "sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
            self.socket.sendall(head.encode())
            while b"\r\n\r\n" not in self.rest:
                self._more()
            answer, _, self.rest = self.rest.partition(b"\r\n\r\n")
            if b" 101 " not in answer:
                raise BenchError(f"no WebSocket: {answer[:100]!r}")

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _more(self) -> None:
        got = self.socket.recv(1 << 16)
        if not got:
            raise BenchError("the connection has ended")
        self.rest += got

    def http(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.I)
        size = int(found[1]) if found else 0
        while len(self.rest) < size:
            self._more()
        body, self.rest = self.rest[:size], self.rest[size:]
        return int(head[9:12]), body

    def frame(self) -> bytes:
        """The text of the next frame that has one."""
        while True:
            while len(self.rest) < 2 or len(self.rest) < (need := sum(_frame(self.rest))):
                self._more()
            head, _ = _frame(self.rest)
            kind, text = self.rest[0] & 15, self.rest[head:need]
            self.rest = self.rest[need:]
            if kind == 1:
                return text


class Commits:
    """A file whose blocks are written durably, as the venue's journal is."""

    def __init__(self, path: Path) -> None:
        with path.open("wb") as file:
            write_zeros(file.fileno(), path, 0, COMMIT_BYTES * COMMITS)
            os.fsync(file.fileno())
        self._fd, _ = REAL.open_direct(path)
        self._block, self._count = mmap.mmap(-1, COMMIT_BYTES), 0

    def commit(self) -> None:
        """The next block is on the disk."""
        at = self._count % COMMITS * COMMIT_BYTES
        REAL.write(self._fd, self._block, at, durable=True)
        self._count += 1

    def close(self) -> None:
        """Close the file."""
        REAL.close(self._fd)


def _frame(data: bytes) -> tuple[int, int]:
    """Bytes of the head and of the text of a frame from a server."""
    size = data[1] & 127
    if size == 126:
        return 4, int.from_bytes(data[2:4], "big") if len(data) >= 4 else 1 << 20
    if size == 127:
        return 10, int.from_bytes(data[2:10], "big") if len(data) >= 10 else 1 << 20
    return 2, size


def framed(text: str) -> bytes:
    """A client's frame; its mask is zeros."""
    data = text.encode()
    size = bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
    if len(data) <= 125:
        size = bytes([0x80 | len(data)])
    return b"\x81" + size + bytes(4) + data


def order() -> dict[str, Any]:
    """An order that is far from every other one and ends at once.  No two have one name: equal
    requests of one millisecond are one that was received twice."""
    terms = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}
    terms["recvWindow"] = "60000"  # one that waits long is slow, and not refused
    terms |= {"quantity": "0.0001", "price": "0.01", "newOrderRespType": "ACK"}
    return terms | {"newClientOrderId": f"b-{next(numbers)}"}


def rest_order(person: Person) -> bytes:
    """A whole HTTP request that enters :func:`order`."""
    query = person.signed(**order())
    head = f"POST /api/v3/order HTTP/1.1\r\nhost: portal\r\nx-mbx-apikey: {person.api_key}\r\n"
    form = "content-type: application/x-www-form-urlencoded\r\n"
    return f"{head}{form}content-length: {len(query)}\r\n\r\n{query}".encode()


def socket_order(person: Person, number: int) -> bytes:
    """A frame that enters :func:`order` as request ``number``."""
    given = order() | {"apiKey": person.api_key}
    given["timestamp"] = str(time.time_ns() // 1_000_000)
    text = "&".join(f"{name}={given[name]}" for name in sorted(given))
    digest = hmac.new(person.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    params = given | {"signature": digest}
    return framed(json.dumps({"id": number, "method": "order.place", "params": params}))


class Subscribers:
    """Many WebSockets, of which each event's arrival is noted."""

    def __init__(self, port: int, paths: list[str]) -> None:
        allow_files(len(paths) + 200)
        self.clients = [Client(port, path) for path in paths]
        self.poll = selectors.EpollSelector()
        for client in self.clients:
            client.socket.setblocking(False)
            self.poll.register(client.socket, selectors.EVENT_READ)

    def close(self) -> None:
        """Close all connections."""
        self.poll.close()
        for client in self.clients:
            client.close()

    def arrivals(self, count: int, until_s: float) -> list[int]:
        """Return when (monotonic, ns) the first bytes came on each of ``count`` connections."""
        seen: dict[int, int] = {}
        while len(seen) < count and time.monotonic() < until_s:
            for key, _ in self.poll.select(0.05):
                with suppress(BlockingIOError):
                    if key.fileobj.recv(1 << 16):  # type: ignore[union-attr]
                        seen.setdefault(key.fd, time.monotonic_ns())
        return list(seen.values())

    def drain(self) -> None:
        """Read until nothing has come for a while."""
        while found := self.poll.select(0.2):
            for key, _ in found:
                with suppress(BlockingIOError):
                    key.fileobj.recv(1 << 16)  # type: ignore[union-attr]


def allow_files(count: int) -> None:
    """Raise this process's limit of open files to ``count``, or as far as permitted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
