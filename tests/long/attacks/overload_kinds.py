"""How an honest session fares beside one that sends one kind of message as fast as its rate lets.

    python -m tests.long.attacks.overload_kinds [--rounds 6] [--seconds 2] [--rate 1000]

A venue of real processes over TCP in which a third session has OPEN open orders.  Quiet rounds and
rounds of each flood take turns; the honest session enters an IOC order at a time over OUCH 4.2 and
waits for its answer.  The figures, by kind: its p50 and p99 to those of the quiet round before, the
median over the rounds.  They go into docs/evidence/security.json beside the costs of messages;
``--kind`` replaces the rows of these kinds alone.

Kinds of FIX 4.4 and of sessions over shared memory flood a session's own rate.  Kinds of the portal
come from one address as fast as the portal answers, and the honest one is a user of the portal at
another address, whose IOC orders are timed from request to answer.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import Process, Value
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from openoutcry.client import FixClient
from openoutcry.client.shm import ShmClient
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.report.evidence import EVIDENCE, write_evidence
from openoutcry.wire.enums import Side, TimeInForce
from tests.long.attacks.overload_sessions import SIZES, Quiet
from tests.support.order_entry import message_costs
from tests.support.order_entry.sessions_venue import KEY, PASSWORD, Client, Venue, enter
from tests.support.portal.portal_venue import MeasuredPortalVenue, Person, SignedClient
from tests.support.waiting import BOUND_S, wait_until

COMMAND = "python -m tests.long.attacks.overload_kinds"
OPEN = 3_000
NOW = "20260102-10:00:00"
KINDS: dict[str, Callable[[int], tuple[str, tuple[tuple[int, str], ...]]]] = {
    "D, IOC": lambda n: (
        "D",
        (
            (11, f"d{n}"),
            (55, "ACME"),
            (54, "1"),
            (60, NOW),
            (38, "1"),
            (40, "2"),
            (44, "1"),
            (59, "3"),
        ),
    ),
    "q, mass cancel": lambda n: ("q", ((11, f"q{n}"), (530, "7"), (60, NOW))),
    "AF, mass status": lambda n: ("AF", ((584, f"a{n}"), (585, "7"))),
    "H, status": lambda n: ("H", ((11, "NONE"), (55, "ACME"), (54, "1"))),
    "1, test request": lambda n: ("1", ((112, f"t{n}"),)),
    "2, resend of all": lambda n: ("2", ((7, "1"), (16, "0"))),
    "0, heartbeat": lambda n: ("0", ()),
}
QUIET, FLOOD, ENDED = range(3)


def flood(kind: str, port: int, state: Any) -> None:
    """Send while ``state`` is FLOOD, and read, until it is ENDED."""
    client = FixClient("127.0.0.1", port, "FLOOD", PASSWORD, timeout_s=BOUND_S, heartbeat_s=600)
    connection, make = client.socket, KINDS[kind]
    connection.setblocking(True)

    def read() -> None:
        with contextlib.suppress(OSError):
            while connection.recv(1 << 18):
                pass

    threading.Thread(target=read, daemon=True).start()
    number, data = 0, b""
    while state.value != ENDED:
        if state.value == QUIET:
            time.sleep(0.001)
            continue
        if not select.select([], [connection], [], 0.01)[1]:
            continue
        if not data:
            parts = []
            for _ in range(50):
                number += 1
                name, fields = make(number)
                parts.append(client.pack(name, client.numbers.next_out, fields))
                client.numbers.next_out += 1
            data = b"".join(parts)
        data = data[connection.send(data[: 1 << 12]) :]
    connection.close()


def enter_open_orders(port: int) -> Client:
    """Enter open orders of a session that continues."""
    client = Client(port, "HOLDER")
    for start in range(0, OPEN, 500):
        numbers = range(start, start + 500)
        orders = (enter(f"h{n}", "B", 1, "ACME", 100 * (1 + n % 500)) for n in numbers)
        client.socket.sendall(b"".join(soupbin.packet("U", one) for one in orders))
        for _ in numbers:
            reply = client.message()
            assert reply[0] == "A", reply
    return client


SHM_KINDS: dict[str, Callable[[ShmClient, int], object]] = {
    "shm, enter IOC": lambda client, n: client.enter(
        n, Side.BUY, "ACME", 1, 100, time_in_force=TimeInForce.IOC
    ),
    "shm, cancel of nothing": lambda client, n: client.cancel(n + (1 << 40)),
    "shm, replace of nothing": lambda client, n: client.replace(n + (1 << 40), n, 1, 100),
    "shm, mass cancel": lambda client, n: client.mass_cancel(),
    "shm, heartbeat": lambda client, n: client.heartbeat(),
}


def flood_shm(kind: str, path: str, state: Any) -> None:
    """As :func:`flood`, over shared memory."""
    make, number = SHM_KINDS[kind], 0
    with ShmClient(path, "FLOOD", KEY) as client:
        while state.value != ENDED:
            client.poll_array()
            if state.value == QUIET or client.room < 50:
                time.sleep(0.001)
                continue
            for _ in range(50):
                number += 1
                make(client, number)


def measure(kind: str, rounds: int, seconds: float, rate: int) -> dict[str, float]:
    """Ratios of the honest session's p50 and p99, and its quiet and flooded p99 in milliseconds."""
    none, is_shm = int(CancelOnDisconnect.NONE), kind in SHM_KINDS
    sessions = [
        {
            "name": "FLOOD",
            "participant": 1,
            "protocol": int(Protocol.SHM if is_shm else Protocol.FIX44),
            "throttle_per_s": rate,
            "throttle_burst": rate // 10,
            "queue_bytes": 1 << 28,
            "cancel_on_disconnect": none,
        },
        {"name": "QUIET", "participant": 2, "protocol": int(Protocol.OUCH42)},
        {"name": "HOLDER", "participant": 3, "protocol": int(Protocol.OUCH42)},
    ]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        journal, path = Path(folder) / "journal", f"{folder}/shm.socket"
        more = {"shm": path} if is_shm else {}
        with Venue(sessions, journal, durability="async", sizes=SIZES, **more) as venue:
            quiet, state = Quiet("ouch", venue.ports["OUCH42"]), Value("q", QUIET)
            holder = enter_open_orders(venue.ports["OUCH42"])
            target, port = (flood_shm, path) if is_shm else (flood, venue.ports["FIX44"])
            flooder = Process(target=target, args=(kind, port, state), daemon=True)
            flooder.start()
            took = in_turns(quiet.round, state, rounds, seconds)
            state.value = ENDED
            wait_until(lambda: not flooder.is_alive(), "the flood to end")
            holder.close()
            quiet.client.close()
            venue.stop()
    return ratios(took)


def in_turns(
    quiet_round: Callable[[float], list[int]], state: Any, rounds: int, seconds: float
) -> dict[int, list[Any]]:
    """Nanoseconds of each order, by whether there was a flood, of each round."""
    took: dict[int, list[Any]] = {QUIET: [], FLOOD: []}
    quiet_round(seconds)
    for _ in range(rounds):
        for value in (QUIET, FLOOD):
            state.value = value
            took[value].append(np.array(quiet_round(seconds)) / 1e6)
    return took


def ratios(took: dict[int, list[Any]]) -> dict[str, float]:
    rows = {
        name: [
            (np.percentile(f, at), np.percentile(q, at))
            for f, q in zip(took[FLOOD], took[QUIET], strict=True)
        ]
        for name, at in (("p50", 50), ("p99", 99))
    }
    return {
        "p50_ratio": round(median(f / q for f, q in rows["p50"]), 2),
        "p99_ratio": round(median(f / q for f, q in rows["p99"]), 2),
        "p50_ms": round(median(f for f, _ in rows["p50"]), 3),
        "p99_ms": round(median(f for f, _ in rows["p99"]), 3),
        "quiet_p99_ms": round(median(q for _, q in rows["p99"]), 3),
    }


# The portal.

BOOKS = {"method": "SUBSCRIBE", "params": ["btcusd@depth", "ethusd@depth", "ethbtc@depth"] * 100}
LOGIN = json.dumps({"mail": "nobody@example.com", "password": "not a password"})
PORTAL_KINDS: dict[str, tuple[str, str, str]] = {
    "portal, depth of 5,000": ("GET", "/api/v3/depth?symbol=BTCUSD&limit=5000", ""),
    "portal, all tickers": ("GET", "/api/v3/ticker/24hr", ""),
    "portal, exchangeInfo": ("GET", "/api/v3/exchangeInfo", ""),
    "portal, klines": ("GET", "/api/v3/klines?symbol=BTCUSD&interval=1m&limit=1000", ""),
    "portal, wrong signature": (
        "POST",
        f"/api/v3/order?symbol=BTCUSD&timestamp=1&signature={'0' * 64}",
        "",
    ),
    "portal, login": ("POST", "/v1/login", LOGIN),
    "portal, database": ("GET", "/readyz", ""),
    "portal, no such path": ("GET", "/nothing", ""),
    "portal, orders": ("ORDER", "", ""),
    "portal, subscribe to books": ("SOCKET", "/ws", json.dumps(BOOKS | {"id": 1})),
    "portal, ws-api": ("SOCKET", "/ws-api/v3", '{"id":1,"method":"nothing"}'),
}
ATTACKER = "127.0.0.3"


def flood_portal(kind: str, port: int, person: Person, state: Any) -> None:
    """As :func:`flood`, from one address, each request once the one before is answered."""
    method, path, body = PORTAL_KINDS[kind]
    url = f"http://127.0.0.1:{port}"
    transport = httpx.HTTPTransport(local_address=ATTACKER)
    client = SignedClient(url, person)
    client.http.close()
    headers = {"x-mbx-apikey": person.api_key}
    client.http = httpx.Client(base_url=url, headers=headers, timeout=BOUND_S, transport=transport)
    page = None
    while state.value != ENDED:
        if state.value == QUIET:
            time.sleep(0.001)
            continue
        with contextlib.suppress(httpx.TransportError, WebSocketException, OSError, TimeoutError):
            if method == "ORDER":
                client.order("BUY", "0.001", "100", timeInForce="IOC")
            elif method == "SOCKET":
                if page is None:
                    raw = socket.create_connection(("127.0.0.1", port), BOUND_S, (ATTACKER, 0))
                    page = connect(f"ws://127.0.0.1:{port}{path}", sock=raw)
                try:
                    page.send(body)
                    page.recv(BOUND_S)
                except (WebSocketException, OSError, TimeoutError):
                    page = None
            else:
                client.http.request(
                    method, path, content=body, headers={"content-type": "application/json"}
                )
    if page is not None:
        page.close()


class QuietUser:
    """One IOC order at a time of a user of the portal, and a pause that its limit of orders asks
    for."""

    def __init__(self, client: SignedClient) -> None:
        self.client = client

    def round(self, seconds: float) -> list[int]:
        took_ns, until_s = [], time.monotonic() + seconds
        while time.monotonic() < until_s:
            start_ns = time.monotonic_ns()
            answer = self.client.order("BUY", "0.001", "100", timeInForce="IOC")
            took_ns.append(time.monotonic_ns() - start_ns)
            assert answer.status_code == 200, answer.text
            time.sleep(USERS_PAUSE_S)
        return took_ns


USERS_PAUSE_S = 0.11
"""The portal takes a hundred orders of an account in ten seconds."""


def measure_portal(kind: str, rounds: int, seconds: float) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
        MeasuredPortalVenue(Path(folder)) as venue,
    ):
        honest, attacker = venue.person(USD=10**13), venue.person(USD=10**13)
        state = Value("q", QUIET)
        arguments = kind, venue.port, attacker, state
        flooder = Process(target=flood_portal, args=arguments, daemon=True)
        flooder.start()
        with venue.client(honest) as client:
            took = in_turns(QuietUser(client).round, state, rounds, seconds)
        state.value = ENDED
        wait_until(lambda: not flooder.is_alive(), "the flood to end")
    return ratios(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rate", type=int, default=1_000)
    kinds = [*KINDS, *SHM_KINDS, *PORTAL_KINDS]
    parser.add_argument("--kind", action="append", choices=kinds)
    parser.add_argument("--no-evidence", action="store_true")
    given = parser.parse_args()
    floods, load = [], round(os.getloadavg()[0], 1)
    for kind in given.kind or kinds:
        if kind in PORTAL_KINDS:
            figures = measure_portal(kind, given.rounds, given.seconds)
        else:
            figures = measure(kind, given.rounds, given.seconds, given.rate)
        how = {"rounds": given.rounds, "seconds": given.seconds, "load": load}
        row = {"kind": kind, **figures, **how}
        floods.append(row)
        print(json.dumps(row), flush=True)
    if not given.no_evidence:
        document = json.loads((EVIDENCE / "security.json").read_text())["figures"]
        kept = document["floods"]["rows"] if given.kind else []
        new = {row["kind"]: row for row in floods}
        document["floods"] = {
            "rate": given.rate,
            "open_orders": OPEN,
            "rows": [new.pop(row["kind"], row) for row in kept] + list(new.values()),
            "command": COMMAND,
        }
        write_evidence("security", document, message_costs.COMMAND)


if __name__ == "__main__":
    main()
