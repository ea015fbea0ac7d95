"""Kills of the portal's processes, its database and the venue, while people trade: every order that
was asked for is at the venue exactly once in the end, and on its owner's stream, which is taken up
again by its last number after each kill.

``python -m tests.support.portal.portal_kills --kills 1000`` continues where the file of evidence
ends (``docs/evidence/portal_kills.json``).  SIGTERM ends it after the kill under way, which counts
with those before.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from openoutcry.client.portal import PortalClient
from openoutcry.host.processes import named_children, until_stopped
from openoutcry.report.evidence import EVIDENCE, write_evidence
from openoutcry.wire.atomic_file import write_atomically
from tests.support.portal.portal_venue import CHOICES, Person, PortalVenue
from tests.support.waiting import wait_until

NAME = "portal_kills"
COMMAND = f"python -m tests.support.portal.{NAME}"
OUT = EVIDENCE / f"{NAME}.json"
USD, COUNT, PEOPLE = 10**6, 2, 4
VICTIMS = ("process 0", "process 1", "reader", "portal", "database", "venue", "sessions")
"""The last is the venue's process of sessions alone, which is started again."""
LIMITS = """
[limits]
weight_a_minute = 100000000
key_weight_a_minute = 100000000
orders_in_10_s = 1000000
orders_a_day = 100000000
"""
DONE_BEFORE = {
    "order": {"code": -2010, "msg": "Duplicate order sent."},
    "cancel": {"code": -2011, "msg": "Unknown order sent."},
}
"""What a request is answered that an earlier attempt has had done."""
ROUND_ORDERS = 6
"""Orders that are answered after each kill, at least."""
KILLS_A_VENUE = 25
"""Then another venue is made, which takes as long as several kills."""
AGAIN_S, MOST_AGAIN_S = 0.05, 1.0
"""Pauses of a client whose request failed: each is longer than the one before, as a process that
starts needs the processor."""


class Load:
    """People who enter orders, cancel half of them, and ask again until they know the outcome."""

    def __init__(self, venue: PortalVenue, people: list[Person], seed: int) -> None:
        self.venue, self.people, self.random = venue, people, random.Random(seed)
        self.entered: dict[str, tuple[Person, bool]] = {}
        """By name: whose it is, and whether it was cancelled; only what was answered."""
        self.stopping = False
        self.threads = [threading.Thread(target=self._run, args=(one,)) for one in people]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def _run(self, person: Person) -> None:
        while not self.stopping:
            name = f"{person.participant}-{time.monotonic_ns()}"
            self._until_known(
                person,
                "order",
                lambda client, own=name: client.order("BUY", "0.001", "100", newClientOrderId=own),
            )
            self.entered[name] = person, False
            # Half of them are cancelled, so that a participant's open orders stay few.
            self._until_known(
                person,
                "cancel",
                lambda client, own=name: client.request(
                    "DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId=own
                ),
            )
            self.entered[name] = person, True

    def _until_known(self, person: Person, what: str, ask: Any) -> None:
        """Until it is done.  Each time over another connection, so that any process may be
        asked."""
        pause_s = AGAIN_S
        while True:
            with suppress(httpx.TransportError, ValueError), self.venue.client(person) as client:
                answer = ask(client).json()
                if "orderId" in answer or answer == DONE_BEFORE[what]:
                    return
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, MOST_AGAIN_S)


class Follower:
    """One person's orders as the native stream shows them, over as many connections as it takes."""

    def __init__(self, venue: PortalVenue, person: Person) -> None:
        self.venue, self.person = venue, person
        self.states: dict[str, str] = {}
        """The last state of each order, by its name."""
        self.last, self.connections, self.holes = 0, 0, 0
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping = True
        self.thread.join()

    def _run(self) -> None:
        pause_s = AGAIN_S
        while not self.stopping:
            before = self.connections
            with suppress(OSError, WebSocketException, TimeoutError):
                self._follow()
            pause_s = AGAIN_S if self.connections > before else min(pause_s * 1.5, MOST_AGAIN_S)
            time.sleep(pause_s)

    def _follow(self) -> None:
        """One connection, until it ends."""
        address = self.venue.url.replace("http", "ws") + "/v1/stream"
        client = PortalClient(
            self.venue.url, api_key=self.person.api_key, secret=self.person.secret
        )
        with client, connect(address, open_timeout=5, close_timeout=1) as socket:
            proof = client.proof("GET", "/v1/stream")
            names = "api_key", "timestamp", "signature"
            login = {name: proof[f"x-{name.replace('_', '-')}"] for name in names}
            socket.send(json.dumps({"op": "auth"} | login))
            if json.loads(socket.recv(timeout=5))["type"] != "authenticated":
                return  # without its database the portal knows no key
            socket.send(json.dumps({"op": "subscribe", "channel": "orders", "after": self.last}))
            self.connections += 1
            while not self.stopping:
                try:
                    self._take(json.loads(socket.recv(timeout=0.2)))
                except TimeoutError:
                    continue

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind not in ("snapshot", "update"):
            return
        if kind == "update":
            self.holes += message["prev"] > self.last
        elif self.last:
            # A process that is behind begins earlier; one that has forgotten what was has a hole.
            self.holes += message["seq"] > self.last
        self.last = message["seq"]
        for row in message["data"]:
            self.states[row["client_order_id"]] = row["state"]

    def missing(self, load: "Load") -> list[str]:
        """Orders that were answered, and that the stream shows otherwise, or not at all."""
        return [
            name
            for name, (whose, is_cancelled) in list(load.entered.items())
            if whose is self.person
            and (name not in self.states or (is_cancelled and self.states[name] != "cancelled"))
        ]


def kill(venue: PortalVenue, victim: str) -> None:
    """And start again what does not start by itself."""
    assert venue.portal is not None
    parent = venue.portal.pid
    if victim.startswith(("process", "reader")):
        pid = dict(named_children(parent)).get(victim.replace("process", "web"))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(named_children(parent)) == COUNT + 1, "it is started again")
    elif victim == "portal":
        venue.stop_portal(signal.SIGKILL)
        venue.start_portal()
    elif victim == "database":
        lines = (venue.folder / "journal-portal/postgresql/postmaster.pid").read_text().split()
        os.kill(int(lines[0]), signal.SIGKILL)
        venue.stop_portal(signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{lines[0]}").exists(), "the database is gone")
        venue.start_portal()
    elif victim == "sessions":
        os.kill(venue.sessions_process(), signal.SIGKILL)
    else:
        venue.venue.kill()
        venue.venue.start()
        venue.venue.wait_for_phase("CONTINUOUS")


def check(venue: PortalVenue, load: Load) -> tuple[int, int]:
    """Orders that are lost, and those that are there more than once."""
    lost = doubled = 0
    for person in load.people:
        names = [name for name, (whose, _) in load.entered.items() if whose is person]
        there: Counter[str] = Counter()
        with venue.client(person) as client:
            first = 1
            while rows := client.get(
                "/api/v3/allOrders", symbol="BTCUSD", orderId=first, limit=1000
            ).json():
                there.update(row["clientOrderId"] for row in rows)
                first = rows[-1]["orderId"] + 1
            still = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        cancelled = {name for name in names if load.entered[name][1]}
        lost += sum(there[name] == 0 for name in names)
        lost += sum(row["clientOrderId"] in cancelled for row in still)
        doubled += sum(count > 1 for count in there.values())
    return lost, doubled


def run(
    kills: int,
    out: Path,
    seed: int,
    seconds: float = float("inf"),
    stopped: Sequence[object] = (),
) -> dict[str, Any]:
    """Continue to ``kills`` in all, or until ``seconds`` have passed or ``stopped`` has something:
    then the kill under way is the last.  ``out`` has what was counted, after each venue."""
    until_s = time.monotonic() + seconds

    def is_over() -> bool:
        return bool(stopped) or time.monotonic() > until_s

    figures: dict[str, Any] = {"kills": 0, "orders": 0, "lost": 0, "doubled": 0}
    figures |= {"streams": 0, "holes": 0}
    figures["of"] = dict.fromkeys(VICTIMS, 0)
    if out.exists():
        figures = json.loads(out.read_text())["figures"]
    while figures["kills"] < kills and not is_over():
        # A process that a killed portal has left may still write there as it ends.
        with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "limits.toml").write_text(CHOICES + LIMITS)
            options = "--settings=limits.toml", f"--processes={COUNT}"
            with PortalVenue(folder, PEOPLE, *options) as venue:
                people = [venue.person(USD=10**6 * USD) for _ in range(PEOPLE)]
                followers = [Follower(venue, one) for one in people]
                wait_until(lambda: all(one.last for one in followers), "the streams")  # noqa: B023
                load = Load(venue, people, seed + figures["kills"])
                most = min(KILLS_A_VENUE, kills - figures["kills"])
                done: list[str] = []
                try:
                    for number in range(most):
                        if is_over() and done:
                            break
                        before = len(load.entered)
                        wait_until(
                            lambda: len(load.entered) >= before + ROUND_ORDERS,  # noqa: B023
                            "orders are answered",
                        )
                        victim = VICTIMS[(figures["kills"] + number) % len(VICTIMS)]
                        kill(venue, victim)
                        done.append(victim)
                    load.stop()
                    wait_until(
                        lambda: not any(one.missing(load) for one in followers),  # noqa: B023
                        "every stream shows every order",
                    )
                finally:
                    load.stop()
                    for one in followers:
                        one.stop()
                lost, doubled = check(venue, load)
        figures["kills"] += len(done)
        figures["orders"] += len(load.entered)
        figures["lost"] += lost
        figures["doubled"] += doubled
        figures["streams"] += sum(one.connections for one in followers)
        figures["holes"] += sum(one.holes for one in followers)
        for victim in done:
            figures["of"][victim] = figures["of"].get(victim, 0) + 1
        if out == OUT:
            write_evidence(NAME, figures, COMMAND)
        else:
            write_atomically(out, json.dumps({"figures": figures}))
        print(json.dumps(figures), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    chosen = parser.parse_args()
    with until_stopped() as stopped:
        figures = run(chosen.kills, chosen.out, chosen.seed, chosen.seconds, stopped)
    raise SystemExit(any(figures[name] for name in ("lost", "doubled", "holes")))


if __name__ == "__main__":
    main()
