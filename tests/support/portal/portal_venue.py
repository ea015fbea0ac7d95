"""A served venue with wallets and its portal, each a process of its own, and people who trade."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np

from openoutcry.client.portal import solved
from openoutcry.host.processes import named_children
from openoutcry.order_entry.shm_layout import HEADER_BYTES, Request, ShmRequest
from openoutcry.portal.init import prepare
from openoutcry.venue.desk import ask
from openoutcry.venue.file import read_venue
from openoutcry.wire.errors import OutcryError
from tests.support import plain_http
from tests.support.pipeline import warm_outcry
from tests.support.portal import served_portal
from tests.support.portal.people import PASSWORD, last_code
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S, LOOK_S, wait_until

NOW = "2026-11-26T12:00"
FIRST = 1000
UNKNOWN_ORDER = -2011
VENUE = """
[venue]
name = "OUTCRY"
journal = "journal"
volatile_journal = true
housekeeping_cores = 0
order_capacity = 4096
participant_capacity = 1600
checkpoint_every = 0
[calendar]
time_zone = "Etc/UTC"
time_every_s = 600
[[schedule]]
name = "main"
day = ["08:00 PRE_OPEN", "09:00 CONTINUOUS", "17:05 CLOSED"]
[[asset]]
name = "USD"
decimals = 6
[[asset]]
name = "BTC"
decimals = 8
[[asset]]
name = "ETH"
decimals = 8
"""
INSTRUMENT = """
[[instrument]]
symbol = "{base}-{quote}"
settlement = "spot"
base = "{base}"
quote = "{quote}"
decimals = {decimals}
lot_units = {lot_units}
tick_units = {tick_units}
min_price_ticks = 1
max_price_ticks = 100_000_000
max_qty_lots = 1_000_000
reference_price_ticks = {reference}
market_band_ticks = {reference}
"""
REST = """
[[fee_schedule]]
name = "standard"
maker_bps = 5
taker_bps = 10
collect = "received"
[[fees]]
schedule = "standard"
[[participant]]
number = 1
name = "Desk"
"""
CHOICES = """
[[network]]
name = "WIRE"
asset = "USD"
deposit_address = "DE02120300000000202051"
address_pattern = "[A-Z]{2}[0-9A-Z]{13,32}"
min_withdrawal = "10"
[[network]]
name = "BTC"
asset = "BTC"
min_withdrawal = "0.001"
[[level]]
number = 0
name = "new"
withdraws_a_day = { USD = "5000", BTC = "1" }
[identity_changes]
wait_s = 0
"""
"""The portal's own file.  People get a key that withdraws, and withdraw at once."""
GENEROUS = """
[[level]]
number = 2
name = "identity known"
withdraws_a_day = { USD = "250000", BTC = "5" }
[limits]
weight_a_minute = 1000000
key_weight_a_minute = 1000000
orders_in_10_s = 1000000
[proofs]
folder = "proofs"
"""
"""For tests, which all come from one address, and many of them in a minute."""
INSTRUMENTS = (
    ("BTC", "USD", 2, 10_000, 1, 5_000_000),
    ("ETH", "USD", 2, 100_000, 10, 300_000),
    ("ETH", "BTC", 5, 100_000, 1, 6_000),
)
NAMES = ("base", "quote", "decimals", "lot_units", "tick_units", "reference")


def venue_text(instruments: Iterable[tuple[Any, ...]] = INSTRUMENTS) -> str:
    rows = [INSTRUMENT.format(**dict(zip(NAMES, row, strict=True))) for row in instruments]
    return VENUE + "".join(rows) + REST


@dataclass
class Person:
    """Somebody with an account, a participant and a key."""

    mail: str
    token: str
    participant: int
    api_key: str
    secret: str
    registration: str = ""
    """The code of the registration."""
    source: str = ""
    """The address from which the account and its key were made."""


MAX_BELOW = 28
"""Longest name of a folder below pytest's own: in a worker of /tmp a socket of PostgreSQL has no
room for more."""


PORTAL_MEMORY = "/memfd:PORTAL-"
"""In the path of the memory of the portal's sessions."""


def maps_of(pid: int) -> str:
    """What a process has mapped; nothing if it has gone."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


class PortalVenue:
    """Starts the venue and the portal in ``folder``; both end with the context."""

    serve = (sys.executable, served_portal.__file__)

    def __init__(
        self,
        folder: Path,
        users: int = 24,
        *options: str,
        more: str = "",
        text: str = "",
        is_far: bool = False,
    ) -> None:
        """``text``: the venue's file, and ``more`` of it; ``is_far``: the portal's orders come over
        TCP, as from another host."""
        below = re.search(r"/pytest-of-[^/]+/pytest-\d+/(?:popen-gw\d+/)?(.*)", str(folder))
        if below and len(below[1]) > MAX_BELOW and "--database" not in options:
            raise ValueError(f"{below[1]}: use tmp_path_factory.mktemp('v'), {MAX_BELOW} at most")
        self.folder, self.options, self.users, self.count = folder, options, users, 0
        self.people: list[Person] = []
        self.port = free_port()
        self.venue = ServedVenue(folder, NOW, "", (text or venue_text()) + more)
        self.is_far = is_far
        where = (f"127.0.0.1:{free_port()}", "127.0.0.0/8") if is_far else ()
        prepare(read_venue(folder / "venue.toml"), FIRST, users, *where)
        (folder / "portal.toml").write_text(CHOICES)
        self.portal: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "PortalVenue":
        try:
            self.venue.start()
            self.venue.wait_for_phase("CONTINUOUS")
            self.start_portal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_portal()
        if self.venue.process is not None and self.venue.process.poll() is None:
            self.venue.stop()

    def start_portal(self) -> None:
        command = [*self.serve, "venue.toml", f"--listen=127.0.0.1:{self.port}"]
        command += ["--settings=portal.toml"]
        out = (self.folder / "portal.log").open("a")
        self.portal = warm_outcry.Process(
            [*command, *self.options], cwd=self.folder, stdout=out, stderr=out, text=True
        )

        def is_ready() -> bool:
            assert self.portal is not None
            assert self.portal.poll() is None, (self.folder / "portal.log").read_text()
            with socket.socket() as plain:  # a client of HTTP costs a hundred times as much
                if plain.connect_ex(("127.0.0.1", self.port)):
                    return False
            try:
                return plain_http.get(f"{self.url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, "the portal is ready")

    def stop_portal(self, how: int = signal.SIGTERM) -> None:
        if self.portal is not None and self.portal.poll() is None:
            self.portal.send_signal(how)
            self.portal.wait(BOUND_S)
            if how == signal.SIGTERM:
                assert self.portal.returncode == 0
                wait_until(lambda: not self.database_runs, "the portal's database has stopped")

    @property
    def database_runs(self) -> bool:
        return (self.folder / "journal-portal" / "postgresql" / "postmaster.pid").exists()

    async def killed_during(self, request: Awaitable[Any]) -> Exception:
        """Ask for an order, kill the portal once it has passed it on to a venue that is held still,
        and start the portal again: what the client makes of the answer that never came."""
        with self.venue.held_still():
            before = self.last_requests()
            assert before, "the portal is logged in"
            asked = asyncio.ensure_future(request)
            while self.last_requests() == before:
                assert not asked.done(), asked
                await asyncio.sleep(LOOK_S)
            self.stop_portal(signal.SIGKILL)
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        assert isinstance(outcome, Exception), outcome
        # The client's next attempt comes after this: it gives up after a few.
        self.start_portal()
        return outcome

    def sessions_process(self) -> int:
        """Pid of the venue's process that has the portal's sessions."""
        acceptor = self.acceptor()

        def found() -> list[int]:
            others = [pid for pid in self.venue.children() if pid != acceptor]
            return [pid for pid in others if PORTAL_MEMORY in maps_of(pid)]

        return int(wait_until(found, "the portal is logged in")[0])

    def acceptor(self) -> int:
        """Pid of the venue's process that lets sessions in."""

        def found() -> list[int]:
            assert self.venue.process is not None
            rows = named_children(self.venue.process.pid)
            return [pid for name, pid in rows if "acceptor" in name]

        return int(wait_until(found, "the venue lets sessions in")[0])

    def web(self, index: int = 0) -> int:
        """Pid of a process of the portal that serves."""
        assert self.portal is not None
        return dict(named_children(self.portal.pid))[f"web {index}"]

    def last_requests(self) -> dict[str, int]:
        """Numbers of the last requests of orders in the memory that the portal writes, or over TCP
        the venue's acceptor for it, by session; nothing if it has none."""
        found, writer = {}, self.acceptor() if self.is_far else self.web()
        for line in maps_of(writer).splitlines():
            place, *_, path = line.split(maxsplit=5)
            if PORTAL_MEMORY not in path or "-requests" not in path:
                continue
            begin, end = (int(number, 16) for number in place.split("-"))
            with Path(f"/proc/{writer}/mem").open("rb", buffering=0) as memory:
                data = os.pread(memory.fileno(), end - begin, begin)
            slots = np.frombuffer(data[HEADER_BYTES:], ShmRequest.dtype())
            ours = np.isin(slots["kind"], [Request.ENTER, Request.REPLACE, Request.CANCEL])
            found[path] = int(slots["seq"][ours].max(initial=0))
        return found

    # People

    def code(self, mail: str, other_than: str = "") -> str:
        """The last code that was mailed there; wait for another than one that is known."""
        path = self.folder / "journal-portal" / "mails.jsonl"
        found = ""

        def is_there() -> bool:
            nonlocal found
            lines = path.read_text().split("\n")[:-1] if path.exists() else []
            rows = [json.loads(line) for line in lines]
            found = last_code(row["text"] for row in rows if row["to"] == mail)
            return found not in ("", other_than)

        wait_until(is_there, f"a code for {mail}")
        return found

    def person(self, permissions: tuple[str, ...] = ("read", "trade"), **funds: int) -> Person:
        """Somebody who signs up, gets a key, and the funds in units."""
        assert self.count < self.users, f"all {self.users} participants are taken: have more made"
        self.count += 1
        mail = f"person{self.count}@example.com"
        body = {"mail": mail, "password": PASSWORD}
        # The portal sends a network a hundred mails a day at most: fifty people share one.  Tests
        # that guess codes do so from another.
        source = f"127.0.{1 + self.count // 50}.1"
        with plain_http.client(self.url, source=source) as client:
            challenge = client.get("/v1/challenge").json()["challenge"]
            asked = client.post("/v1/register", json=body | {"solution": solved(challenge)})
            assert asked.status_code == 202, asked.text
            code = self.code(mail)
            verified = client.post("/v1/verify", json=body | {"code": code})
            assert verified.status_code == 200, verified.text
            token = client.post("/v1/login", json=body).json()["access_token"]
            client.headers["authorization"] = f"Bearer {token}"
            participant = self.opened(client)
            networks = ["127.0.0.0/8"] if "withdraw" in permissions else []
            key = self.key(client, permissions, networks=networks)
        keys = key["api_key"], key.get("secret", "")
        person = Person(mail, token, participant, *keys, code, source)
        self.people.append(person)
        self.fund(person, **funds)
        return person

    def opened(self, client: httpx.Client) -> int:
        """Return the participant of a user who has just verified a mail address, once it is open.
        Sub-accounts and users that a test registers by itself take participants too."""

        def is_open() -> bool:
            own = client.get("/v1/me").json()
            if own["participant"] is None:
                told = (self.folder / "portal.log").read_text()
                assert f"{self.users} are taken" not in told, "no participant is left: make more"
            return bool(own["is_open"])

        wait_until(is_open, "a participant")
        return int(client.get("/v1/me").json()["participant"])

    def key(self, client: httpx.Client, permissions: tuple[str, ...], **more: Any) -> Any:
        body = {"label": "bot", "password": PASSWORD, "permissions": permissions, **more}
        answer = client.post("/v1/api-keys", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def operator(self, name: str, *options: str) -> str:
        """The token of an operator of the portal."""
        command = [*OUTCRY, "portal", "operator", "venue.toml", name, *options]
        done = warm_outcry.run_command(command, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return str(done.stdout.strip())

    def fund(self, person: Person, **funds: int) -> None:
        """Deposits, each seen by the portal before this returns."""
        for asset, units in funds.items():
            before = self.held(person, asset)
            request = {
                "do": "deposit",
                "participant": person.participant,
                "amount": units,
                "asset": asset,
            }
            ask(self.venue.journal, request)
            wait_until(lambda: self.held(person, asset) != before, "the deposit")  # noqa: B023

    def held(self, person: Person, asset: str) -> str:
        with self.client(person) as client:
            rows = client.get("/api/v3/account").json()["balances"]
        return next(row["free"] for row in rows if row["asset"] == asset)

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """People who sign up in the body leave no orders: the next test finds the books as they are
        now."""
        known = len(self.people)
        yield
        if self.portal is None or self.portal.poll() is not None:
            return
        for person in self.people[known:]:
            self.cancel_all(person)
        del self.people[known:]

    def cancel_all(self, person: Person) -> None:
        """By the person's key, or by the operator where the key has ended."""
        with self.client(person) as client:
            for base, quote, *_ in INSTRUMENTS:
                terms = {"symbol": base + quote}
                answer = client.request("DELETE", "/api/v3/openOrders", **terms)
                none = answer.status_code == 400 and answer.json()["code"] == UNKNOWN_ORDER
                if answer.status_code != 200 and not none:
                    request = {"do": "kill", "what": "participant", "name": str(person.participant)}
                    ask(self.venue.journal, request)
                    return

    def client(self, person: Person | None = None) -> "SignedClient":
        return SignedClient(self.url, person)


class MeasuredPortalVenue(PortalVenue):
    """Its portal is the command itself: for what measures, and tests the work for a password."""

    serve = (*OUTCRY, "portal", "serve")


def page_venue(folder: Path, users: int = 600) -> PortalVenue:
    """A venue whose portal refuses no user for being quick, and offers passkeys to browsers on this
    machine."""
    venue = PortalVenue(folder, users, "--settings=page.toml")
    origin = f"http://localhost:{venue.port}"
    passkeys = f'[passkeys]\ndomain = "localhost"\norigins = ["{origin}"]\n'
    (folder / "page.toml").write_text(CHOICES + GENEROUS + passkeys)
    return venue


def until_killed(
    venue: PortalVenue, act: Callable[[int], Any], threads: int, after: int
) -> dict[int, Any]:
    """Several threads act by number, each until the portal is gone; it is killed once ``after``
    have been answered.  Answers by number; None: the portal was gone, and it may have been done."""
    answers: dict[int, Any] = {}
    numbers, killed = count(), threading.Event()

    def acts() -> None:
        answer: Any = True
        while answer is not None:
            number, answer = next(numbers), None
            try:
                answer = act(number)
            except (httpx.TransportError, OutcryError):
                if not killed.is_set():
                    raise
            answers[number] = answer

    with ThreadPoolExecutor(threads) as pool:
        work = [pool.submit(acts) for _ in range(threads)]
        wait_until(lambda: len(answers) >= after or any(one.done() for one in work), "answers")
        killed.set()
        venue.stop_portal(signal.SIGKILL)
        try:
            for one in work:
                one.result()
        except BaseException:
            venue.start_portal()  # other tests use it
            raise
    return answers


class SignedClient:
    """Requests of one key, signed as the API wants it."""

    def __init__(self, url: str, person: Person | None) -> None:
        self.person = person
        headers = {"x-mbx-apikey": person.api_key} if person else {}
        self.http = plain_http.client(url, headers=headers)

    def __enter__(self) -> "SignedClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def signed(self, **params: Any) -> str:
        """The query with its signature.  A busy machine may take longer than the usual five seconds
        to bring it to the portal."""
        assert self.person is not None
        if "timestamp" not in params:
            params = {"recvWindow": 60_000, **params, "timestamp": time.time_ns() // 1_000_000}
        query = urlencode(params)
        digest = hmac.new(self.person.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{query}&signature={digest}"

    def request(self, method: str, path: str, **params: Any) -> httpx.Response:
        query = self.signed(**params) if self.person else urlencode(params)
        return self.http.request(method, f"{path}?{query}")

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.request("GET", path, **params)

    def order(
        self,
        side: str,
        quantity: str,
        price: str = "",
        *,
        path: str = "/api/v3/order",
        **more: Any,
    ) -> httpx.Response:
        """A limit order in BTCUSD, or whatever ``more`` makes of it."""
        terms = {"symbol": "BTCUSD", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        if quantity:
            terms["quantity"] = quantity
        if price:
            terms["price"] = price
        terms |= more
        kept = {name: value for name, value in terms.items() if value != ""}
        return self.request("POST", path, **kept)
